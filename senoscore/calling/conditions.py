"""Conditions of a panel: parsed once from data, evaluated over arrays of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


__all__ = ["AtLeast", "Condition", "Day", "Evidence", "Threshold", "axes_of", "holds", "parse"]


@dataclass(frozen=True)
class Threshold:
    """An axis above or below a named threshold; a missing z fulfils neither."""

    axis: str
    above: bool
    threshold: str


@dataclass(frozen=True)
class Day:
    """``before_stable``, ``stable`` or ``missing``."""

    which: str


@dataclass(frozen=True)
class AtLeast:
    """At least ``n`` of the conditions, and none of ``none``."""

    n: int
    of: tuple[Condition, ...]
    none: tuple[Condition, ...] = ()


Condition = Threshold | Day | AtLeast


@dataclass(frozen=True)
class Evidence:
    """What conditions are asked of: n cells of one compartment.

    ``z`` maps an axis to n z values (NaN: no evidence), ``day`` maps a day condition to n bools.
    """

    n: int
    z: Mapping[str, NDArray[np.floating[Any]]]
    day: Mapping[str, NDArray[np.bool_]]


def parse(rule: Any, definitions: Mapping[str, Condition]) -> Condition:
    """Turn a rule that passed the schema and the lint into a condition."""
    if isinstance(rule, str):
        return definitions[rule]
    if "axis" in rule:
        return Threshold(rule["axis"], rule["is"] == "above", rule["threshold"])
    if "day" in rule:
        return Day(rule["day"])
    if "of" in rule:
        return AtLeast(rule["at_least"], tuple(parse(r, definitions) for r in rule["of"]))
    every = tuple(parse(r, definitions) for r in rule.get("all", ()))
    some = tuple(parse(r, definitions) for r in rule.get("any", ()))
    none = tuple(parse(r, definitions) for r in rule.get("none", ()))
    parts = (*every, AtLeast(1, some)) if some else every
    return AtLeast(len(parts), parts, none)


def holds(
    condition: Condition, evidence: Evidence, thresholds: Mapping[str, float]
) -> NDArray[np.bool_]:
    """Tell for which cells a condition holds.

    Returns
    -------
    Shape (n,).
    """
    if isinstance(condition, Threshold):
        z = evidence.z.get(condition.axis)
        if z is None:
            return np.zeros(evidence.n, dtype=bool)
        limit = thresholds[condition.threshold]
        return np.asarray(z > limit if condition.above else z < limit)
    if isinstance(condition, Day):
        return evidence.day[condition.which]
    if len(condition.of) == condition.n:
        result = np.ones(evidence.n, dtype=bool)
        for part in condition.of:
            result &= holds(part, evidence, thresholds)
    else:
        count = np.zeros(evidence.n, dtype=np.int16)
        for part in condition.of:
            count += holds(part, evidence, thresholds)
        result = count >= condition.n
    for part in condition.none:
        result &= ~holds(part, evidence, thresholds)
    return result


def axes_of(condition: Condition, *, excluded: bool = True) -> dict[Threshold, None]:
    """Thresholds a condition asks about, in order; without those under ``none`` if asked so."""
    if isinstance(condition, Threshold):
        return {condition: None}
    if isinstance(condition, Day):
        return {}
    found: dict[Threshold, None] = {}
    for part in (*condition.of, *(condition.none if excluded else ())):
        found.update(axes_of(part, excluded=excluded))
    return found
