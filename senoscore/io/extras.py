"""Libraries that only some uses need: found, or named with the extra that brings them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from senoscore.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType


__all__ = ["from_extra", "need_extra"]


def need_extra(module: str, *, extra: str, what: str) -> None:
    """Refuse where a library is not installed; nothing is imported.

    Parameters
    ----------
    module
        Top-level name of the library.
    extra
        The extra of senoscore that brings it.
    what
        What needs it, to begin the message.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        found = importlib.util.find_spec(module) is not None
    except ValueError:  # switched off in sys.modules
        found = False
    if not found:
        msg = f"{what}: {module} is not installed"
        raise MissingExtraError(msg, fix=f"pip install 'senoscore[{extra}]'", name=module)


def from_extra(module: str, *, extra: str, what: str) -> ModuleType:
    """Import a library of an extra.

    Raises
    ------
    MissingExtraError
        As :func:`need_extra`.
    """
    need_extra(module, extra=extra, what=what)
    return importlib.import_module(module)
