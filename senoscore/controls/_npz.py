"""Arrays in one file, written whole or not at all and read without pickle."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from senoscore.errors import InputError

__all__ = ["load_npz", "save_npz"]


def save_npz(path: str | os.PathLike[str], kind: str, **arrays: Any) -> None:
    """Write arrays beside the target, then rename: a reader never sees half a file."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, kind=np.array(kind), **arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
