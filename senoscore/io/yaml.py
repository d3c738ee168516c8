"""YAML from people: safe types only, no key twice, no aliases, no bottomless nesting.

``yaml.safe_load`` makes no objects, but lets the last of two equal keys win in silence, unfolds
aliases (nine lines of them can mean a billion entries) and follows nesting until the
interpreter gives up.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from senoscore.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable


__all__ = ["load_config_file", "load_yaml", "refuse_unreadable_config"]

_DEEPEST: Final = 50


class _Careful(yaml.SafeLoader):
    """The safe loader, with the three limits."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases and deep nesting, before anything is built of them."""
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            msg = f"alias *{str(event.anchor)[:40]} (line {line}) is not used here: write it out"
            raise yaml.YAMLError(msg)
        if self._depth > _DEEPEST:
            msg = f"nested more than {_DEEPEST} deep (line {line})"
            raise yaml.YAMLError(msg)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the signature is PyYAML's
        """Build a mapping, or say which key is there twice."""
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, str(key_node.value))
            if key in seen:
                line = key_node.start_mark.line + 1
                msg = f"key {key[1][:80]!r} is duplicated (line {line})"
                raise yaml.YAMLError(msg)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """Parse YAML.

    Parameters
    ----------
    text
        One document.

    Returns
    -------
    Mappings, lists, texts, numbers, truths, dates and None.

    Raises
    ------
    yaml.YAMLError
        Not YAML, a tag that is not plain data, a key twice, an alias, nesting deeper than 50, or
        a number or date that cannot be. The message is one line.
    """
    try:
        return yaml.load(text, Loader=_Careful)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, RecursionError) as error:
        raise yaml.YAMLError(" ".join(str(error).split())[:400]) from error


_LARGEST: Final = 10_000_000  # bytes of a config file, many times what anyone writes


def load_config_file(path: str | Path) -> Any:
    """Read what is in a config file, without a look at what it says.

    Raises
    ------
    ConfigError
        No such file, no regular file (a device may never end), larger than 10 MB, or no YAML; a
        key twice or an alias in it.
    """
    if Path(path).exists() and not Path(path).is_file():
        msg = f"{path} is not a regular file"
        raise ConfigError(msg, fix="give the path of a YAML file")
    try:
        with Path(path).open("rb") as handle:
            content = handle.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            msg = f"{path} has more than {_LARGEST:,} bytes"
            raise ConfigError(msg, fix="start from config/config.yaml")
        text = content.decode("utf-8-sig")
    except FileNotFoundError as error:
        msg = f"{path} not found"
        fix = (
            "run in the folder that has config/ (`senoscore init FILE` makes it), or give --config"
        )
        raise ConfigError(msg, fix=fix) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read ({error})"
        raise ConfigError(msg, fix="save it as UTF-8 text") from error
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        msg = f"{path} is not usable YAML: {error}"
        raise ConfigError(msg, fix="check indentation and quotes at the line named") from error


def refuse_unreadable_config(path: str | Path) -> None:
    """Read a config file with care and forget it, so that a careless reader can follow.

    Parameters
    ----------
    path
        Where the file may be; that it is not there is no error, since a config may come from
        elsewhere.

    Raises
    ------
    ConfigError
        As :func:`load_config_file`.
    """
    if Path(path).exists():
        load_config_file(path)
