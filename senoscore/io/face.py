"""The face of a room whose files say themselves what they offer."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lazy_loader

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["attach_face"]


def attach_face(
    room: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Load names of a room on first use, as ``lazy_loader.attach_stub`` does, which knows no ``*``.

    Parameters
    ----------
    room
        ``__name__`` of the room.
    file
        ``__file__`` of its ``__init__.py``. In the stub beside it ``from .file import *`` stands
        for all names in ``__all__`` of that file, which is read and not imported.

    Returns
    -------
    ``__getattr__``, ``__dir__`` and ``__all__`` of the room.
    """
    stub = Path(file).with_suffix(".pyi")
    files: set[str] = set()
    names: dict[str, list[str]] = {}
    for line in ast.parse(stub.read_text(encoding="utf-8")).body:
        if not isinstance(line, ast.ImportFrom):
            continue
        wanted = [alias.name for alias in line.names]
        if line.module is None:
            files |= set(wanted)
        elif wanted == ["*"]:
            names[line.module] = _offered(stub.with_name(f"{line.module}.py"))
        else:
            names.setdefault(line.module, []).extend(wanted)
    return lazy_loader.attach(room, files, names)


def _offered(file: Path) -> list[str]:
    """Names in ``__all__`` of a file."""
    for line in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(line.value)
            return names
    msg = f"{file} has no __all__"
    raise ImportError(msg)
