"""The rules of the window: read from a file, checked, applied to facts. No expression is run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import yaml

from senoscore import names as k
from senoscore.errors import ConfigError
from senoscore.io import load_yaml, resource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from senoscore.study import PhaseRules


__all__ = ["ADVICE", "COMPUTED", "Measure", "Options", "Rule", "Rules", "load_rules"]

ADVICE: Final = "Research use, not medical advice."
VERDICTS: Final = ("up", "down", "same", k.NOT_TESTABLE, k.NOT_ESTIMABLE, "absent")
COMPUTED: Final[dict[str, tuple[str, ...]]] = {
    "data": ("yes", "no"),
    "control": ("yes", "no"),
    "replicated": ("yes", "no"),
    "estimable": ("yes", "no"),
    "persistent": ("yes", "no"),
    "resolving": ("yes", "no"),
    "phase": ("acute", "early", "chronic", "baseline", ""),
    "clock": ("before_stable", "after_stable", ""),
}
"""Facts that are no contrast, and the values they can have."""
_SECTIONS: Final = ("version", "measures", "combined", "states", "words", "flags", "targets")
_KEYS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "measures": (("title",), ("column", "score", "share", "of")),
    "combined": (("any", "of"), ()),
    "states": (("state", "when"), ("timing",)),
    "words": (("word", "when"), ()),
    "flags": (("flag", "when"), ()),
    "targets": (("kind", "title"), ()),
}
"""Keys that an entry of each section needs, and those that it may have."""
_NAMED: Final = ("measures", "combined", "targets")
"""Sections that map names to entries; the others list them."""
_KINDS: Final[dict[str, type]] = {"column": list, "of": list, "when": dict, "share": bool}
_SAID: Final[dict[type, str]] = {
    str: "a text", list: "a list", dict: "a mapping of facts to lists", bool: "true or false"
}  # fmt: skip
_QUOTE: Final = "a title with a comma or a colon stands in quotes"


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
        """Whether every fact has one of the values that the rule allows."""
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
        The file is no YAML, has a key that is not known or lacks one, or a rule names a fact or a
        value that does not exist.
    """
    where = resource("window.yaml") if path is None else path
    try:
        content = load_yaml(where.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"{where} cannot be read: {' '.join(str(error).split())}"
        raise ConfigError(msg, fix="start from the shipped window.yaml") from error
    _check_keys(content, where)
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
    rules = {many: _rules(content[many], one, known, where) for many, one in kinds}
    targets = {str(name): dict(entry) for name, entry in content["targets"].items()}
    return Rules(measures, combined, **rules, targets=targets)


def _check_keys(content: Any, where: Path) -> None:
    """Refuse keys that nothing reads, entries that lack one, and values of another kind.

    A word after a comma that was not quoted is such a key.
    """
    _check_entry(content, (_SECTIONS, ()), str(where))
    for section, keys in _KEYS.items():
        entries = content[section]
        if not isinstance(entries, dict if section in _NAMED else list):
            msg = (
                f"{where}: {section} is not a {'mapping of names' if section in _NAMED else 'list'}"
            )
            raise ConfigError(msg, fix="start from the shipped window.yaml")
        if isinstance(entries, list):
            entries = dict(enumerate(entries, start=1))
        for name, entry in entries.items():
            _check_entry(entry, keys, f"{where}: {section}, {name!r}")
            for key, value in entry.items():
                kind = _KINDS.get(key, str)
                right = isinstance(value, kind)
                if key == "when" and right:
                    right = all(isinstance(part, list) for part in value.values())
                if not right:
                    msg = f"{where}: {section}, {name!r}: {key} is {value!r}"
                    raise ConfigError(msg, fix=f"{key} is {_SAID[kind]}; {_QUOTE}")
    if "burden" not in content["measures"]:
        msg = f"{where}: no measure 'burden', which every state and phase is read from"
        raise ConfigError(msg, fix="start from the shipped window.yaml")
    if not content["states"] or content["states"][-1]["when"]:
        msg = f"{where}: the last state has conditions, so that a time may have no state"
        raise ConfigError(msg, fix="end states with one whose `when` is {}")


def _check_entry(entry: Any, keys: tuple[Sequence[str], Sequence[str]], place: str) -> None:
    known = (*keys[0], *keys[1])
    if not isinstance(entry, dict):
        msg = f"{place} is not a mapping of keys to values"
        raise ConfigError(msg, fix=f"keys: {', '.join(known)}")
    unknown = [str(key)[:80] for key in entry if key not in known]
    missing = [key for key in keys[0] if key not in entry]
    if unknown or missing:
        said = f"key {unknown[0]!r} is not known" if unknown else f"no key {missing[0]!r}"
        msg = f"{place}: {said}"
        raise ConfigError(msg, fix=f"keys: {', '.join(known)}; {_QUOTE}")


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
            str(fact): tuple("yes" if v is True else "no" if v is False else str(v) for v in values)
            for fact, values in entry["when"].items()
        }
        for fact, values in when.items():
            if fact not in known:
                msg = f"{where}: {one} {entry[one]!r} asks for {fact!r}, which is not a known fact"
                raise ConfigError(msg, fix=f"facts: {', '.join(known)}")
            wrong = [v for v in values if v not in known[fact]]
            if wrong:
                msg = f"{where}: {one} {entry[one]!r}: {fact} is never {wrong[0]!r}"
                raise ConfigError(msg, fix=f"it is one of: {', '.join(known[fact])}")
        out.append(Rule(str(entry[one]), when, str(entry.get("timing", ""))))
    return tuple(out)
