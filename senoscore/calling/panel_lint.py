"""What a schema cannot see in a panel: names that do not exist, rules that cannot hold."""

from __future__ import annotations

import difflib
import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore.calling.conditions import AtLeast, Condition, Day, Evidence, Threshold, holds, parse
from senoscore.errors import ConfigError, SignatureError
from senoscore.io import resource
from senoscore.scoring import METHODS

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping


__all__ = ["lint"]

_DAYS = ("before_stable", "stable", "missing")


def lint(
    content: Mapping[str, Any], where: str, *, known_signatures: Container[str] | None = None
) -> None:
    """Check a panel that passed the schema.

    Raises
    ------
    SignatureError
        An axis without parts, or a signature that is not known.
    ConfigError
        Any other fault; the message says in which axis, definition or state.
    """
    _lint_axes(content, where, known_signatures)
    _lint_names(content, where)
    _lint_numbers(content, where)
    definitions = _lint_definitions(content, where)
    _lint_composite(content, definitions, where)
    _lint_states(content, definitions, where)


def _lint_axes(
    content: Mapping[str, Any], where: str, known_signatures: Container[str] | None
) -> None:
    seen: set[str] = set()
    for axis in content["axes"]:
        place = f"{where}, axis {axis['name']!r}"
        if axis["name"] in seen:
            msg = f"{place} is duplicated"
            raise ConfigError(msg, fix="rename one of them")
        seen.add(axis["name"])
        if not axis["parts"]:
            msg = f"{place} is empty: it names no signature"
            raise SignatureError(msg, fix="give it at least one part or remove it")
        for part in axis["parts"]:
            if known_signatures is not None and part["signature"] not in known_signatures:
                msg = f"{place}: no signature {part['signature']!r}"
                raise SignatureError(msg, fix="see senoscore.list_signatures() or add your own")


def _lint_names(content: Mapping[str, Any], where: str) -> None:
    axes = {axis["name"] for axis in content["axes"]}
    gate = content["assessable"]
    named = [(name, f"{where}, assessable") for name in (*gate["of"], *gate["any_of"])]
    named += [
        (axis["family_of"], f"{where}, axis {axis['name']!r}, family_of")
        for axis in content["axes"]
        if "family_of" in axis
    ]
    _known(content["method"], METHODS, "scoring method", where)
    for name, entry in content.get("compartments", {}).items():
        place = f"{where}, compartment {name!r}"
        shipped = _shipped_compartments()
        # A label of your own is a name too, unless it is nearly one that exists.
        if name not in shipped and difflib.get_close_matches(name, shipped, n=1, cutoff=0.8):
            _known(name, shipped, "compartment", where)
        named += [(axis, f"{place}, disable") for axis in entry.get("disable", ())]
        for threshold in entry.get("thresholds", {}):
            if threshold == "up":
                msg = f"{place}: the threshold 'up' is calibrated and cannot be given"
                raise ConfigError(msg)
            _known(threshold, content["thresholds"], "threshold", place)
    for name, place in named:
        _known(name, axes, "axis", place)
    if gate["min_axes"] > len(gate["of"]):
        msg = f"{where}, assessable: min_axes {gate['min_axes']} of {len(gate['of'])} axes"
        raise ConfigError(msg, fix="lower min_axes")


def _lint_numbers(content: Mapping[str, Any], where: str) -> None:
    places = [(where, content["thresholds"])]
    for name, entry in content.get("compartments", {}).items():
        places.append((f"{where}, compartment {name!r}", entry.get("thresholds", {})))
    for place, thresholds in places:
        for name, value in thresholds.items():
            if name != "up" and not math.isfinite(value):
                msg = f"{place}: the threshold {name!r} is {value}, not a number to compare with"
                raise ConfigError(msg, fix="give a finite number")
    if not any(axis.get("weight", 0) > 0 for axis in content["axes"]):
        msg = f"{where}: every axis has the weight 0, so that there is no index"
        raise ConfigError(msg, fix="give the axes of the index a weight above 0")


@cache
def _shipped_compartments() -> frozenset[str]:
    lines = resource("compartments", "markers.tsv").read_text(encoding="utf-8").splitlines()
    names = [line.split("\t")[0] for line in lines if line and not line.startswith("#")]
    return frozenset(names[1:])


def _known(name: str, known: Any, kind: str, where: str) -> None:
    if name not in known:
        close = difflib.get_close_matches(name, list(known), n=1)
        msg = f"{where}: no {kind} {name!r}"
        raise ConfigError(msg, fix=f"did you mean {close[0]!r}?" if close else f"define the {kind}")


def _lint_definitions(content: Mapping[str, Any], where: str) -> dict[str, Condition]:
    definitions: dict[str, Condition] = {}
    for name, rule in content.get("definitions", {}).items():
        place = f"{where}, definition {name!r}"
        _lint_rule(rule, content, definitions, place)
        definitions[name] = parse(rule, definitions)
        _lint_possible(definitions[name], content, place)
    return definitions


def _lint_rule(
    rule: Any, content: Mapping[str, Any], definitions: Mapping[str, Condition], where: str
) -> None:
    """Names in a rule, before it is parsed."""
    if isinstance(rule, str):
        _known(rule, definitions, "definition (above this one)", where)
    elif "axis" in rule:
        _known(rule["axis"], {axis["name"] for axis in content["axes"]}, "axis", where)
        _known(rule["threshold"], content["thresholds"], "threshold", where)
    elif "day" not in rule:
        if "of" in rule and rule["at_least"] > len(rule["of"]):
            msg = f"{where}: at_least {rule['at_least']} of only {len(rule['of'])} conditions"
            raise ConfigError(msg, fix="lower at_least")
        for key in ("of", "all", "any", "none"):
            for part in rule.get(key, ()):
                _lint_rule(part, content, definitions, where)


def _required(condition: Condition) -> Iterator[Condition]:
    """Everything that must hold for the condition to hold."""
    yield condition
    if isinstance(condition, AtLeast) and condition.n == len(condition.of):
        for part in condition.of:
            yield from _required(part)


def _forbidden(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, AtLeast):
        yield from condition.none
        if condition.n == len(condition.of):
            for part in condition.of:
                yield from _forbidden(part)


def _lint_possible(condition: Condition, content: Mapping[str, Any], where: str) -> None:
    """Refuse a rule that asks for something and its opposite."""
    needed = list(_required(condition))
    for clash in _forbidden(condition):
        if clash in needed:
            msg = f"{where}: contradictory, {_text(clash)} is both required and excluded"
            raise ConfigError(msg, fix="remove one of the two")
    if len({part.which for part in needed if isinstance(part, Day)}) > 1:
        msg = f"{where}: contradictory, two day conditions cannot hold together"
        raise ConfigError(msg, fix="use `any`")
    # The calibrated cut is above 0 wherever it is used.
    level = {**content["thresholds"], "up": 0.0}
    asked = [part for part in needed if isinstance(part, Threshold)]
    for low in asked:
        for high in asked:
            opposite = low.axis == high.axis and low.above and not high.above
            if opposite and level[low.threshold] >= level[high.threshold]:
                msg = f"{where}: contradictory, {_text(low)} and {_text(high)}"
                raise ConfigError(msg, fix="use `any`, or other thresholds")


def _text(condition: Condition) -> str:
    if isinstance(condition, Threshold):
        return f"{condition.axis} {'above' if condition.above else 'below'} {condition.threshold}"
    return condition.which if isinstance(condition, Day) else "a definition"


def _lint_composite(
    content: Mapping[str, Any], definitions: Mapping[str, Condition], where: str
) -> None:
    name = content["composite"]
    _known(name, definitions, "definition", f"{where}, composite")
    composite = definitions[name]
    roles = {axis["name"]: axis["role"] for axis in content["axes"]}
    high = np.full(1, 1e6)

    def called(axes: list[str]) -> bool:
        day = {which: np.array([which == "stable"]) for which in _DAYS}
        evidence = Evidence(1, dict.fromkeys(axes, high), day)
        limits = {k: 1.0 if k == "up" else v for k, v in content["thresholds"].items()}
        return bool(holds(composite, evidence, limits)[0])

    if called([]):
        msg = f"{where}, composite {name!r} holds for a cell without any evidence"
        raise ConfigError(msg, fix="require axes")
    if called([axis for axis, role in roles.items() if role == "sasp"]):
        msg = f"{where}, composite {name!r} holds on SASP axes alone"
        raise ConfigError(msg, fix="require an axis of role arrest")
    for axis in roles:
        if called([axis]):
            msg = f"{where}, composite {name!r} holds on the axis {axis!r} alone"
            raise ConfigError(msg, fix="require at least two kinds of evidence")
    if _falls_with_cut(composite):
        msg = f"{where}, composite {name!r} excludes, or asks for less than, the threshold 'up'"
        raise ConfigError(
            msg, fix="use a fixed threshold there: a higher cut must never call more cells"
        )


def _falls_with_cut(condition: Condition, *, excluded: bool = False) -> bool:
    if isinstance(condition, Threshold):
        return condition.threshold == "up" and condition.above == excluded
    if isinstance(condition, Day):
        return False
    return any(_falls_with_cut(part, excluded=excluded) for part in condition.of) or any(
        _falls_with_cut(part, excluded=not excluded) for part in condition.none
    )


def _always(condition: Condition) -> bool:
    return (
        isinstance(condition, AtLeast)
        and not condition.none
        and sum(map(_always, condition.of)) >= condition.n
    )


def _lint_states(
    content: Mapping[str, Any], definitions: Mapping[str, Condition], where: str
) -> None:
    earlier: list[tuple[str, Condition]] = []
    for number, entry in enumerate(content["states"], 1):
        place = f"{where}, state {number} ({entry['state']})"
        _lint_rule(entry["when"], content, definitions, place)
        condition = parse(entry["when"], definitions)
        _lint_possible(condition, content, place)
        if entry["state"] == "senescent" and not _needs_composite(condition, content, definitions):
            msg = f"{place} does not require the composite {content['composite']!r}"
            raise ConfigError(
                msg, fix="the state that is calibrated must be the one that is called"
            )
        for name, before in earlier:
            if _always(before) or before in list(_required(condition)):
                msg = f"{place} is unreachable: {name} above it takes every such cell"
                raise ConfigError(msg, fix="change the order, or remove one")
        earlier.append((entry["state"], condition))
    _lint_evidence([*earlier], content, where)
    if not _always(earlier[-1][1]):
        msg = f"{where}: the last state ({earlier[-1][0]}) does not take every cell left"
        raise ConfigError(msg, fix="end with `state: other, when: {all: []}`")


def _needs_composite(
    condition: Condition, content: Mapping[str, Any], definitions: Mapping[str, Condition]
) -> bool:
    return definitions[content["composite"]] in list(_required(condition))


def _lint_evidence(
    states: list[tuple[str, Condition]], content: Mapping[str, Any], where: str
) -> None:
    """Refuse states of senescence that SASP alone, or one signature alone, can reach."""
    axes = content["axes"]
    alone = {"SASP": [axis["name"] for axis in axes if axis["role"] == "sasp"]}
    for axis in axes:
        for part in axis["parts"]:
            what = f"the signature {part['signature']!r}"
            alone.setdefault(what, []).append(axis["name"])
    names = [axis["name"] for axis in axes]
    quiet = np.array([axis["role"] == "proliferation" for axis in axes])
    cells: list[tuple[str, Any]] = []  # what is high, and z of each axis; NaN: not measured
    for what, members in alone.items():
        high = np.isin(names, members)
        cells += [
            (what, np.where(high, 1e6, low)) for low in (np.nan, np.where(quiet, -1e6, np.nan))
        ]
    z = dict(zip(names, np.array([of for _, of in cells]).T, strict=True))
    day = {which: np.full(len(cells), which == "stable") for which in _DAYS}
    evidence = Evidence(len(cells), z, day)
    for exceptions in ({}, *content.get("compartments", {}).values()):
        limits = {**content["thresholds"], **exceptions.get("thresholds", {}), "up": 1.0}
        state = np.full(len(cells), "other", dtype=object)
        for name, condition in reversed(states):
            state[holds(condition, evidence, limits)] = name
        for (what, _), reached in zip(cells, state, strict=True):
            if reached in ("senescent", "senescent_candidate"):
                msg = f"{where}: {what} alone makes a cell {reached}"
                raise ConfigError(msg, fix="require a second kind of evidence")
