"""The senescence panel: axes of evidence and ordered rules, read from YAML and linted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from senoscore.calling.conditions import Condition, parse
from senoscore.calling.panel_lint import lint
from senoscore.cells import known_as
from senoscore.errors import ConfigError
from senoscore.io import load_yaml, resource, schema

if TYPE_CHECKING:
    from collections.abc import Container, Mapping


__all__ = ["Axis", "Panel", "Part", "State", "find_panel", "load_panel"]


@dataclass(frozen=True)
class Part:
    """A signature of an axis."""

    signature: str
    sign: int = 1
    zero_is_missing: bool = False


@dataclass(frozen=True)
class Axis:
    """A group of signatures that give one kind of evidence."""

    name: str
    parts: tuple[Part, ...]
    role: str
    direction: str
    weight: float = 0.0
    family_of: str = ""
    title: str = ""
    source: str = ""
    note: str = ""

    @property
    def signed_weight(self) -> float:
        """Weight in the index: negative where the axis falls in senescence."""
        return self.weight if self.direction == "up" else -self.weight


@dataclass(frozen=True)
class State:
    """A state and when it applies."""

    name: str
    when: Condition
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """A linted panel.

    ``thresholds`` are numbers apart from ``up``, which the calibration sets per compartment.
    """

    name: str
    method: str
    axes: tuple[Axis, ...]
    thresholds: Mapping[str, float]
    states: tuple[State, ...]
    composite: Condition
    min_axes: int
    assessable_of: tuple[str, ...]
    assessable_any: tuple[str, ...]
    min_days_stable: float = 7.0
    exceptions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    not_in_expression: tuple[Mapping[str, str], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes, in order."""
        return tuple(axis.name for axis in self.axes)

    @property
    def signatures(self) -> tuple[str, ...]:
        """Names of the signatures to be scored, each once, in order of first use."""
        return tuple(dict.fromkeys(p.signature for axis in self.axes for p in axis.parts))

    def disabled(self, compartment: str) -> frozenset[str]:
        """Axes that are no evidence in this compartment, whatever synonym it goes by."""
        return frozenset(self._exceptions_of(compartment).get("disable", ()))

    def thresholds_of(self, compartment: str, up: float) -> dict[str, float]:
        """Every named threshold of this compartment, ``up`` being its calibrated cut."""
        exceptions = self._exceptions_of(compartment).get("thresholds", {})
        return {**self.thresholds, **exceptions, "up": up}

    def _exceptions_of(self, compartment: str) -> Mapping[str, Any]:
        """What the panel says of a label; of the compartment it means if nothing of itself."""
        exceptions = self.exceptions.get(compartment)
        return (
            self.exceptions.get(known_as(compartment) or "", {})
            if exceptions is None
            else exceptions
        )


def load_panel(
    source: str | Path | Mapping[str, Any] | Panel = "default",
    *,
    known_signatures: Container[str] | None = None,
) -> Panel:
    """Read, check and lint a panel.

    Parameters
    ----------
    source
        Name of a shipped panel, path of a YAML file, its content as a dict, or a panel.
    known_signatures
        Names that exist (shipped ones and the user's); None leaves the check out.

    Returns
    -------
    The panel.

    Raises
    ------
    ConfigError
        No such panel, not YAML, against the schema, an axis, threshold or definition that does
        not exist, a contradictory or unreachable rule. The message says where.
    SignatureError
        A part names a signature that is not in ``known_signatures``, or an axis is empty.

    Examples
    --------
    >>> panel = sen.load_panel()
    >>> panel.name, [axis.name for axis in panel.axes][:3]
    ('default', ['arrest_p53', 'arrest_p21', 'arrest_p16'])
    """
    if known_signatures is None:
        if isinstance(source, Panel):
            return source
        if source == "default":
            return _default()
    if isinstance(source, Panel):
        content: Mapping[str, Any] = source.raw
        where = f"panel {source.name!r}"
    elif isinstance(source, str | Path):
        path = find_panel(source)
        content, where = _read(path), f"panel {path.name}"
    else:
        content, where = source, "panel"
    _validate(content, where)
    lint(content, where, known_signatures=known_signatures)
    return source if isinstance(source, Panel) else _build(content)


@cache
def _default() -> Panel:
    """The shipped panel, which every calibration asks for: read and linted once."""
    content, where = _read(find_panel("default")), "panel default.yaml"
    _validate(content, where)
    lint(content, where)
    return _build(content)


def find_panel(source: str | Path) -> Path:
    """File of a shipped panel (by name) or of your own (by path).

    Raises
    ------
    ConfigError
        There is none.
    """
    path = Path(source)
    if path.suffix in {".yaml", ".yml"} or "/" in str(source):
        if not path.is_file():
            msg = f"panel file {source} does not exist"
            raise ConfigError(msg, fix="give the path of a panel YAML file, or 'default'")
        return path
    try:
        return resource("panels", f"{source}.yaml")
    except FileNotFoundError as error:
        msg = f"no shipped panel {str(source)!r}"
        raise ConfigError(msg, fix="use 'default' or the path of a YAML file") from error


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"panel {path.name} is not YAML that can be used: {error}"
        raise ConfigError(msg, fix="check indentation and quotes at the line named") from error
    if not isinstance(content, dict):
        msg = f"panel {path.name} holds no mapping"
        raise ConfigError(msg, fix="see resources/panels/default.yaml")
    return content


def _validate(content: Mapping[str, Any], where: str) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema("panel"))
    errors = sorted(validator.iter_errors(content), key=lambda e: [str(p) for p in e.path])
    if errors:
        first = errors[0]
        place = "/".join(str(p) for p in first.path) or "top level"
        msg = f"{where}, {place}: {first.message[:300]}"
        raise ConfigError(msg, fix="see workflow/schemas/panel.schema.yaml")


def _build(content: Mapping[str, Any]) -> Panel:
    definitions: dict[str, Condition] = {}
    for name, rule in content.get("definitions", {}).items():
        definitions[name] = parse(rule, definitions)
    states = tuple(
        State(entry["state"], parse(entry["when"], definitions), entry.get("note", ""))
        for entry in content["states"]
    )
    axes = tuple(
        Axis(
            **{k: v for k, v in entry.items() if k not in {"parts", "weight"}},
            weight=float(entry.get("weight", 0)),
            parts=tuple(Part(**part) for part in entry["parts"]),
        )
        for entry in content["axes"]
    )
    gate = content["assessable"]
    return Panel(
        content["name"],
        content["method"],
        axes,
        {k: float(v) for k, v in content["thresholds"].items() if k != "up"},
        states,
        definitions[content["composite"]],
        gate["min_axes"],
        tuple(gate["of"]),
        tuple(gate["any_of"]),
        float(content.get("min_days_stable", 7)),
        content.get("compartments", {}),
        tuple(content.get("not_assessable_from_expression", ())),
        raw=content,
    )
