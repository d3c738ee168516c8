"""Where the files of ``resources/`` and ``workflow/`` are: in the wheel, or beside the package."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = [
    "column_meanings",
    "declared_as",
    "odd_path",
    "resource",
    "schema",
    "schema_file",
    "workflow_file",
]

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(*parts: str) -> Path:
    """Path of a shipped resource, e.g. ``resource("signatures", "senescence.tsv")``.

    Raises
    ------
    FileNotFoundError
        The installation is broken: the file should have been shipped.
    """
    return _shipped("resources", *parts)


def workflow_file(*parts: str) -> Path:
    """Path of a file or folder of the workflow, e.g. ``workflow_file("Snakefile")``.

    Raises
    ------
    FileNotFoundError
        The installation is broken: the file should have been shipped.
    """
    return _shipped("workflow", *parts)


@cache
def column_meanings() -> dict[str, str]:
    """What each column of the result tables means, its unit in brackets; keys may end in ``*``.

    Raises
    ------
    FileNotFoundError
        The installation is broken.
    """
    lines = _shipped("docs", "columns.tsv").read_text(encoding="utf-8").splitlines()[1:]
    out: dict[str, str] = {}
    for line in lines:
        name, _, unit, meaning = line.split("\t")
        said = meaning + (f" (unit: {unit})" if unit else "")
        # A column that has a meaning in each of two tables has two rows.
        out[name] = f"{out[name]} Or: {said}" if name in out else said
    return out


def declared_as(column: str) -> str:
    """Name under which the data dictionary has a column; empty where it has none.

    Of names with ``*`` that fit, the one with most letters is meant: ``mean:z:sasp`` is
    ``mean:*``, and no ``*:*``.

    Examples
    --------
    >>> declared_as("dose_gy"), declared_as("mean:z:sasp"), declared_as("no such column")
    ('dose_gy', 'mean:*', '')
    """
    known = column_meanings()
    if column in known:
        return column
    fitting = [name for name in known if "*" in name and fnmatchcase(column, name)]
    return max(fitting, key=lambda name: len(name.replace("*", "")), default="")


def _shipped(folder: str, *parts: str) -> Path:
    for root in (_PACKAGE, _PACKAGE.parent):
        path = root.joinpath(folder, *parts)
        if path.exists():
            return path
    msg = f"{'/'.join((folder, *parts))} is not part of this installation"
    raise FileNotFoundError(msg)


_LONGEST_NAME: Final = 255  # bytes of one part of a path on every common file system


_LONGEST_PATH: Final = 4000


@cache
def schema(name: str) -> dict[str, Any]:
    """A shipped JSON schema: ``config``, ``datasets``, ``samples`` or ``panel``.

    Raises
    ------
    FileNotFoundError
        The installation is broken.
    """
    loaded: dict[str, Any] = yaml.safe_load(schema_file(name).read_text(encoding="utf-8"))
    return loaded


def schema_file(name: str) -> Path:
    """Path of a shipped schema.

    Raises
    ------
    FileNotFoundError
        The installation is broken.
    """
    file = f"{name}.schema.yaml"
    for folder in (_PACKAGE / "schemas", _PACKAGE.parent / "workflow" / "schemas"):
        if (folder / file).is_file():
            return folder / file
    msg = f"schema {file} is not part of this installation"
    raise FileNotFoundError(msg)


def odd_path(text: str) -> str | None:
    """Say why a text can be no path here; None where it can."""
    if "\0" in text:
        return "has a NUL character in it"
    if "{" in text or "}" in text:
        return "has braces, which Snakemake takes for wildcards"
    longest = max(len(part.encode()) for part in text.split("/"))
    if longest > _LONGEST_NAME or len(text.encode()) > _LONGEST_PATH:
        return "is too long for the name of a file"
    return None
