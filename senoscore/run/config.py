"""config.yaml: read, fill in the defaults of the schema, refuse what is not in it."""

from __future__ import annotations

import copy
import difflib
import math
from typing import TYPE_CHECKING, Any, Final

from senoscore.errors import ConfigError
from senoscore.io import load_config_file, odd_path, refuse_unreadable_config, schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


__all__ = [
    "load_config",
    "load_config_file",
    "odd_path",
    "refuse_unreadable_config",
    "schema",
    "validate_config",
]

_SHOWN: Final = 200


def load_config(path: str | Path) -> dict[str, Any]:
    """Read a config file.

    Parameters
    ----------
    path
        YAML. Keys it leaves out have the defaults of the schema.

    Returns
    -------
    The whole configuration, every key present.

    Raises
    ------
    ConfigError
        No such file, no YAML, or as :func:`validate_config`.
    """
    return validate_config(load_config_file(path) or {}, source=str(path))


def validate_config(content: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """Check a configuration against the schema and fill in its defaults.

    Parameters
    ----------
    content
        Parsed configuration; not changed.
    source
        What to name in messages.

    Returns
    -------
    A copy with every key present.

    Raises
    ------
    ConfigError
        A key that does not exist (the nearest one is named) or a value of the wrong kind.
    """
    import jsonschema

    if not isinstance(content, dict):
        msg = f"{source}: expected keys with values, found {type(content).__name__}"
        raise ConfigError(msg, fix="start from config/config.yaml")
    _refuse_odd(content, source)
    rules = schema("config")
    filled = _filled(copy.deepcopy(dict(content)), rules)
    formats = jsonschema.FormatChecker(())
    formats.checks("path")(lambda value: not isinstance(value, str) or odd_path(value) is None)
    validator = jsonschema.Draft202012Validator(rules, format_checker=formats)
    errors = sorted(validator.iter_errors(filled), key=lambda e: list(map(str, e.path)))
    if errors:
        raise _explained(errors[0], source)
    _check_phases(filled["phases"], source)
    _check_outcome(filled["outcome"], source)
    return filled


def _refuse_odd(value: Any, source: str, where: str = "") -> None:
    """Refuse what a schema lets through: NaN and infinity, NUL, keys that are no text."""
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"{source}: {where} is {value}, expected a finite number"
        raise ConfigError(msg, fix="give a number, or leave the key out for its default")
    if isinstance(value, str) and "\0" in value:
        msg = f"{source}: {where} has a NUL character in it"
        raise ConfigError(msg, fix="write it again as plain text")
    parts: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else []
    for key, _ in parts:
        if not isinstance(key, str):
            msg = f"{source}: {where or 'the top'} has the key {key!r}, expected text"
            raise ConfigError(msg, fix=f"quote it: '{key}'")
    if isinstance(value, list):
        parts = list(enumerate(value))
    for key, part in parts:
        _refuse_odd(part, source, f"{where}.{key}" if where else str(key))


def _filled(value: Any, rules: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict) or "properties" not in rules:
        return value
    for key, rule in rules["properties"].items():
        if value.get(key) is None and "default" in rule:
            value[key] = copy.deepcopy(rule["default"])
        if key in value:
            value[key] = _filled(value[key], rule)
    return value


def _explained(error: Any, source: str) -> ConfigError:
    where = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        near = difflib.get_close_matches(str(unknown[0]), known, n=1)
        name = f"{where}.{unknown[0]}" if where else str(unknown[0])
        hint = f"did you mean {near[0]!r}?" if near else f"keys here: {', '.join(known)}"
        msg = f"{source}: unknown key {name!r}"
        return ConfigError(msg, fix=hint)
    expected = {
        "type": lambda: f"expected {_one_of(error.validator_value)}",
        "enum": lambda: f"expected {_one_of(error.validator_value)}",
        "minimum": lambda: f"expected {error.validator_value} or more",
        "maximum": lambda: f"expected {error.validator_value} or less",
        "exclusiveMinimum": lambda: f"expected more than {error.validator_value}",
        "exclusiveMaximum": lambda: f"expected less than {error.validator_value}",
        "format": lambda: f"which {odd_path(error.instance)}",
        "maxLength": lambda: f"expected at most {error.validator_value} characters",
    }.get(error.validator, lambda: error.message)()
    described = error.schema.get("description", "config/README.md explains the keys")
    found = repr(error.instance)
    found = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}…"
    msg = f"{source}: {where} is {found}, {expected}"
    return ConfigError(msg, fix=described)


def _one_of(values: Any) -> str:
    return " or ".join(map(str, values)) if isinstance(values, list) else str(values)


def _check_phases(phases: Mapping[str, Any], source: str) -> None:
    cuts = phases["cuts_days"]
    wanted = 2 if phases["scheme"] == "three" else 1
    if len(cuts) != wanted or sorted(set(cuts)) != cuts:
        msg = f"{source}: phases.cuts_days is {cuts}; scheme {phases['scheme']!r} needs {wanted}"
        raise ConfigError(msg, fix="give that many days, ascending")


def _check_outcome(outcome: Mapping[str, Any], source: str) -> None:
    if outcome["table"] and outcome["landmark_days"] is None:
        msg = f"{source}: outcome.table is given and outcome.landmark_days is not"
        fix = "give the day after irradiation at which the burden is known; only later events count"
        raise ConfigError(msg, fix=fix)
