"""Compiled code of versions that nobody uses any more."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from typing import TYPE_CHECKING

from senoscore.errors import InputError
from senoscore.io import atomic_path

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["keep_and_sweep"]

_DAY = 86_400
_UNUSED = 30 * _DAY
_STAMP = "used"
_OURS = re.compile(r"[0-9a-f]{32}(\.gone-\d+)?")  # named by content; or half removed


def keep_and_sweep(folder: Path) -> None:
    """Note that a folder of compiled code is in use, and remove others that no one used for long.

    The time of a file in it says when it was last used: it is set at most once a day, and then
    the others are looked at. A folder is first renamed, so that no process reads one that is half
    removed; one that was taken into use meanwhile gets its name back. Whoever misses its folder
    all the same compiles anew. What cannot be touched or removed stays.

    Parameters
    ----------
    folder
        Of the source that runs now; its neighbours of names of the same form are the others.
    """
    with contextlib.suppress(OSError, InputError):
        stamp = folder / _STAMP
        if stamp.exists() and _age(folder) < _DAY:
            return
        with atomic_path(stamp):  # a new empty file in its place: the time is now
            pass
        for other in folder.parent.iterdir():
            if other != folder and _OURS.fullmatch(other.name):
                _remove_if_unused(other)


def _age(folder: Path) -> float:
    """Seconds since a folder was used; one that was never marked, since it was written to."""
    stamp = folder / _STAMP
    return time.time() - (stamp if stamp.exists() else folder).lstat().st_mtime


def _remove_if_unused(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if folder.is_symlink() or not folder.is_dir() or _age(folder) < _UNUSED:
            return
        gone = folder.with_name(f"{folder.name.partition('.')[0]}.gone-{os.getpid()}")
        folder.rename(gone)
        if _age(gone) < _UNUSED:
            gone.rename(folder)
            return
        shutil.rmtree(gone, ignore_errors=True)
