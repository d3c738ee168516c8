"""Whole files or none: write under a temporary name, flush, then rename."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from senoscore.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["TEMPORARY_PREFIX", "atomic_path", "remake"]

log = logging.getLogger(__name__)

TEMPORARY_PREFIX: Final = ".tmp-"
"""How names of unfinished files begin; nothing of ours ever reads a file named so."""

_NAME_MAX: Final = 200  # leaves room for the prefix within the 255 bytes of common file systems


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place if the block ends well.

    The folder is made if missing. The temporary name keeps the end of the name, since some
    libraries choose a format by it. After an error nothing is left and an older file at
    ``path`` is as it was; after a kill or a power cut a hidden file may be left whose name
    starts with :data:`TEMPORARY_PREFIX`.

    Parameters
    ----------
    path
        Where the finished file shall be.

    Yields
    ------
    Path of an empty new file in the same folder, to be written by the caller.

    Raises
    ------
    InputError
        The folder cannot be made or written to, or the disk is full.
    """
    final = Path(path)
    token = secrets.token_hex(6)
    temporary = final.with_name(f"{TEMPORARY_PREFIX}{token}-{final.name[-_NAME_MAX:]}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        # Not mkstemp: that makes files only the owner may read.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise _not_written(final, error) from error
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(final)
        _flush(final.parent)
        log.info("wrote %s (%s bytes)", final, f"{final.stat().st_size:,}")
    except OSError as error:
        raise _not_written(final, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def remake(path: object) -> str:
    """Say how to mend a damaged file of a run: the command is to be copied.

    It is not done for the user: what a stage reads may be all that is left of an interrupted copy
    or a dying disk.
    """
    return f"remove it (rm -- {shlex.quote(str(path))}) and run again: it is made anew"


def _flush(path: Path) -> None:
    """Ask the system to put a file, or the list of names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_written(path: Path, error: OSError) -> InputError:
    msg = f"cannot write {path}: {error.strerror or error}"
    return InputError(msg, fix="choose a folder that can be written to and has room")
