"""The rules of the window: read from a file, checked, applied to facts. No expression is run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import yaml

from senoscore._resources import resource
from senoscore.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from senoscore._phases import PhaseRules

__all__ = ["ADVICE", "COMPUTED", "Measure", "Options", "Rule", "Rules", "load_rules"]

ADVICE: Final = "Research use, not medical advice."
VERDICTS: Final = ("up", "down", "same", "not_testable", "not_estimable", "absent")
COMPUTED: Final[dict[str, tuple[str, ...]]] = {
    "data": ("yes", "no"),
    "control": ("yes", "no"),
    "replicated": ("yes", "no"),
    "estimable": ("yes", "no"),
    "persistent": ("yes", "no"),
    "resolving": ("yes", "no"),
    "phase": ("acute", "early", "chronic", "baseline", ""),
    "clock": ("before_stable", "after_stable"),
}
"""Facts that are no contrast, and the values they can have."""


@dataclass(frozen=True)
class Measure:
    """A contrast that is a fact: columns of the burden table, and the compartments it is of."""

    name: str
    title: str
    columns: tuple[str, ...] = ()
    score: str = ""
    share: bool = False
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A name and what must be so: per fact, the values allowed."""

    name: str
    when: Mapping[str, tuple[str, ...]]
    timing: str = ""

    def lacking(self, facts: Mapping[str, str]) -> list[str]:
        """Say which facts are otherwise: ``name is value, not this or that``."""
        return [
            f"{fact} is {facts[fact] or 'unknown'}, not {' or '.join(allowed)}"
            for fact, allowed in self.when.items()
            if facts[fact] not in allowed
        ]

    def holds(self, facts: Mapping[str, str]) -> bool:
        return all(facts[fact] in allowed for fact, allowed in self.when.items())


@dataclass(frozen=True)
class Rules:
    """Everything of one rules file."""

    measures: Mapping[str, Measure]
    combined: Mapping[str, tuple[str, tuple[str, ...]]]
    states: tuple[Rule, ...]
    words: tuple[Rule, ...]
    flags: tuple[Rule, ...]
    targets: Mapping[str, Mapping[str, str]]

    def combine(self, facts: dict[str, str]) -> dict[str, str]:
        """Add the facts that are made of facts."""
        for name, (first, members) in self.combined.items():
            values = [facts[member] for member in members]
            order = [first, "down" if first == "up" else "up", *VERDICTS[2:]]
            facts[name] = next(v for v in order if v in values)
        return facts

    def members(self, fact: str) -> tuple[str, ...]:
        """Measures behind a fact: itself, those of a combined one, or none."""
        if fact in self.combined:
            return self.combined[fact][1]
        return (fact,) if fact in self.measures else ()


@dataclass(frozen=True)
class Options:
    """What every part of the window needs to know."""

    rules: Rules
    scheme: PhaseRules
    control: str
    alpha: float
    fdr: float
    stable: float
    min_excess: float
    consecutive: int
    min_cells: int
    transform: str


@cache
def load_rules(path: Path | None = None) -> Rules:
    """Read and check a rules file; None reads the shipped one.

    Raises
    ------
    ConfigError
        The file is no YAML, or a rule names a fact or a value that does not exist.
    """
    where = resource("window.yaml") if path is None else path
    try:
        content = yaml.safe_load(where.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"{where} cannot be read: {' '.join(str(error).split())}"
        raise ConfigError(msg, fix="start from the shipped window.yaml") from error
    measures = {name: _measure(name, entry) for name, entry in content["measures"].items()}
    combined = {
        name: (str(entry["any"]), tuple(entry["of"])) for name, entry in content["combined"].items()
    }
    known = dict.fromkeys((*measures, *combined), VERDICTS) | COMPUTED
    for name, (first, members) in combined.items():
        if first not in ("up", "down") or not set(members) <= set(measures):
            msg = f"{where}: combined fact {name!r} is not `any: up|down` of measures"
            raise ConfigError(msg, fix=f"measures: {', '.join(measures)}")
    kinds = (("states", "state"), ("words", "word"), ("flags", "flag"))
    rules = {many: _rules(content.get(many) or [], one, known, where) for many, one in kinds}
    targets = {str(name): dict(entry) for name, entry in content["targets"].items()}
    return Rules(measures, combined, **rules, targets=targets)


def _measure(name: str, entry: Mapping[str, Any]) -> Measure:
    return Measure(
        name=name,
        title=str(entry["title"]),
        columns=tuple(entry.get("column", ())),
        score=str(entry.get("score", "")),
        share=bool(entry.get("share", False)),
        of=tuple(entry.get("of", ())),
    )


def _rules(
    entries: Sequence[Mapping[str, Any]],
    one: str,
    known: Mapping[str, tuple[str, ...]],
    where: Path,
) -> tuple[Rule, ...]:
    out = []
    for entry in entries:
        # YAML reads a bare yes or no as a truth value.
        when = {
            str(fact): tuple({True: "yes", False: "no"}.get(v, str(v)) for v in values)
            for fact, values in entry["when"].items()
        }
        for fact, values in when.items():
            if fact not in known:
                msg = f"{where}: {one} {entry[one]!r} asks for {fact!r}, which is no fact"
                raise ConfigError(msg, fix=f"facts: {', '.join(known)}")
            wrong = [v for v in values if v not in known[fact]]
            if wrong:
                msg = f"{where}: {one} {entry[one]!r}: {fact} is never {wrong[0]!r}"
                raise ConfigError(msg, fix=f"it is one of: {', '.join(known[fact])}")
        out.append(Rule(str(entry[one]), when, str(entry.get("timing", ""))))
    return tuple(out)
