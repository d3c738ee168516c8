"""``njit`` with a cache that can only help: what is wrong with it costs time, never a job.

numba keeps compiled code as pickles, which run what they hold when they are read. So they are
read only from folders that no stranger can write to; a file that is damaged or of another
program, a full disk or an exhausted quota are said once, and the code is compiled anew.
"""

# numba's classes carry no types.
# mypy: disable-error-code="no-untyped-call,no-any-return,misc"

from __future__ import annotations

import logging
import os
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

from senoscore.kernels import shared_folder

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["njit"]

logger = logging.getLogger(__name__)


@cache
def _say_once(folder: str, why: str) -> None:
    logger.warning("compiled code is not kept in %s: %s; it is compiled anew", folder, why)


def distrust(folder: Path, source: Path) -> str | None:
    """Say why compiled code in a folder must not be run, or None.

    Parameters
    ----------
    folder
        Where the code is kept.
    source
        The file it was compiled from: who may write that may run code anyway.
    """
    if not hasattr(os, "geteuid"):  # Windows: folders of a user are the user's
        return None
    found = folder.stat()
    if found.st_uid not in (os.geteuid(), 0, source.stat().st_uid):
        return f"it belongs to another user (number {found.st_uid})"
    if found.st_mode & stat.S_IWOTH:
        return "everybody can write to it"
    return None


class _Cache(FunctionCache):
    """A cache of one function that is given up, with a word, as soon as anything is wrong."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        folder = shared_folder()
        self._others = None if folder is None else _Shared(function, folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = None
        try:
            why = distrust(Path(self.cache_path), Path(self._impl.locator._py_file))
            if why is None:
                found = super().load_overload(sig, target_context)
        except Exception as error:  # noqa: BLE001  a foreign pickle can raise anything
            why = f"{self._impl.filename_base} cannot be read ({type(error).__name__})"
        if why is not None:
            self._give_up(why)
        if found is None and self._others is not None:
            found = self._others.load_overload(sig, target_context)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # noqa: BLE001  e.g. a damaged index, or no space left
            self._give_up(f"{self._impl.filename_base} cannot be written ({error})")
        if self._others is not None:
            self._others.save_overload(sig, data)

    def _give_up(self, why: str) -> None:
        _say_once(str(self.cache_path), why)
        self.disable()


class _Shared(_Cache):
    """Likewise in the folder of all copies of the same source, whose name is the stamp."""

    def __init__(self, function: Any, folder: Path) -> None:
        FunctionCache.__init__(self, function)
        self._cache_path = str(folder)
        self._cache_file = IndexDataCacheFile(str(folder), self._impl.filename_base, folder.name)
        self._others = None


def njit(*, cache: bool = False, **options: Any) -> Callable[[Any], Any]:
    """Compile as :func:`numba.njit` does; with ``cache``, keep the code where that is safe."""

    def decorate(function: Any) -> Any:
        compiled = numba.njit(**options)(function)
        if cache:
            try:
                compiled._cache = _Cache(function)
            except (OSError, RuntimeError) as error:  # no folder can be written to
                _say_once("any folder", " ".join(str(error).split()))
        return compiled

    return decorate
