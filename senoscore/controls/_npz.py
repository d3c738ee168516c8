"""Arrays in one file, written whole or not at all and read without pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore._atomic import atomic_path
from senoscore.errors import InputError

if TYPE_CHECKING:
    import os

__all__ = ["load_npz", "save_npz"]


def save_npz(path: str | os.PathLike[str], kind: str, **arrays: Any) -> None:
    """Write arrays, whole or not at all: a reader never sees half a file."""
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, kind=np.array(kind), **arrays)


def load_npz(path: str | os.PathLike[str], kind: str) -> dict[str, np.ndarray]:
    """Read all arrays of a file that :func:`save_npz` wrote for the same kind.

    Raises
    ------
    InputError
        The file is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        msg = f"{path}: not a readable {kind} file ({error})"
        raise InputError(msg, fix="delete it and run the first pass again") from error
    if str(arrays.pop("kind", "")) != kind:
        msg = f"{path}: not a {kind} file"
        raise InputError(msg, fix="delete it and run the first pass again")
    return arrays
