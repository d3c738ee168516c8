"""Matrix Market files, read to the letter: a line that is not three whole numbers is an error.

The usual readers stop at the first character that fits no number and take what stands before it:
``1,6312`` becomes a count of 1. Here every field has to be used up, and there have to be three.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore.errors import InputError
from senoscore.io._text import open_text
from senoscore.io.tables import EXACT_FLOATS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["read_mtx"]

_INTEGERS: Final = ("integer", "unsigned-integer")
_REALS: Final = ("real", "double")
_SMALLEST_ENTRY: Final = 6  # bytes of "1 1 1\n"
_GZIP_AT_BEST: Final = 1032
_DIGITS: Final = 18  # what a 64-bit integer holds for sure
_LONGEST_LINE: Final = 1 << 16
_ENTRIES_AT_ONCE: Final = 1 << 20
_INTEGER: Final = re.compile(rb"[+-]?\d{1,19}")
_REAL: Final = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf(?:inity)?)", re.I)


def read_mtx(path: Path, *, max_bytes: int, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Read a coordinate matrix of integers or reals.

    Parameters
    ----------
    path
        The file, gzip or not.
    max_bytes
        Limit on the bytes it unfolds to.
    shape
        Features and barcodes that there are names for; the matrix may be turned.

    Returns
    -------
    Cells x features.

    Raises
    ------
    InputError
        The file is damaged or cut short, of another shape or kind, or an entry comes twice.
    """
    skip, kind, turned, n_entries = _header(path, max_bytes, shape)
    size = shape[::-1] if turned else shape
    rows = np.empty(n_entries, np.int32)
    columns = np.empty(n_entries, np.int32)
    values = np.empty(n_entries, kind)
    done = 0
    with open_text(path, max_bytes=max_bytes) as handle:
        for _ in range(skip):
            handle.readline()
        try:
            for part in _entries(handle, kind):
                stop = done + len(part)
                if part.shape[1] != 3 or stop > n_entries:
                    break
                rows[done:stop], columns[done:stop] = part[0] - 1, part[1] - 1
                values[done:stop] = part[2]
                done = stop
            else:
                stop = done
        except (ValueError, OverflowError) as error:
            raise _bad_line(path, max_bytes, skip, kind) from error
    if stop != done:
        raise _bad_line(path, max_bytes, skip, kind)
    if done < n_entries:
        msg = f"{path} is damaged or cut short: it promises {n_entries:,} entries and has {done:,}"
        raise InputError(msg, fix="copy or download it again")
    for what, at, most in (("row", rows, size[0]), ("column", columns, size[1])):
        if at.size and not 0 <= at.min() <= at.max() < most:
            worst = int(at.max() if at.min() >= 0 else at.min()) + 1
            msg = f"{path} is damaged: an entry is in {what} {worst}, and there are {most:,}"
            raise InputError(msg, fix="copy or download it again")
    cells, features = (rows, columns) if turned else (columns, rows)
    out = sparse.csr_matrix((values, (cells, features)), shape=shape[::-1])  # adds up repeats
    if out.nnz != n_entries:
        msg = f"{path}: {n_entries - out.nnz} entries come twice (the same gene and cell)"
        raise InputError(msg, fix="give one value for each gene and cell: write it again")
    return out


def _entries(handle: Any, kind: type) -> Iterator[pd.DataFrame]:
    """Entries in runs, each field read to its end; pandas finds lines of more fields."""
    types: Any = {0: np.int32, 1: np.int32, 2: kind}
    missing: Any = {2: ["nan", "NaN", "NAN"]}  # said of the value, with its gene, later
    try:
        yield from pd.read_csv(
            handle,
            sep=r"\s+",
            header=None,
            dtype=types,
            quoting=3,
            keep_default_na=False,
            na_values=missing,
            encoding="latin-1",
            chunksize=_ENTRIES_AT_ONCE,
            **EXACT_FLOATS,
        )
    except pd.errors.EmptyDataError:
        return


def _header(
    path: Path, max_bytes: int, shape: tuple[int, int]
) -> tuple[int, type[np.int64 | np.float64], bool, int]:
    """Lines before the entries, type, whether turned, and number of entries.

    A header that does not fit is refused before anything is allocated on its word.
    """
    with open_text(path, max_bytes=max_bytes) as handle:
        words = handle.readline(1024).decode("latin-1").lower().split()
        size, skip = "%", 1
        while size.startswith("%") or size.isspace():
            size, skip = handle.readline(_LONGEST_LINE).decode("latin-1"), skip + 1
    numbers = size.split()
    good = words[:3] == ["%%matrixmarket", "matrix", "coordinate"] and len(numbers) == 3
    if not good or not all(n.isascii() and n.isdecimal() for n in numbers):
        msg = f"{path} does not begin as a coordinate matrix in Matrix Market format"
        raise InputError(msg, fix="check that the file is whole and not another one renamed")
    field, symmetry = [*words[3:5], "", ""][:2]
    if field not in (*_INTEGERS, *_REALS) or symmetry != "general":
        msg = f"{path} holds a matrix of kind {field} {symmetry}, expected integer or real, general"
        fix = "write the counts themselves: a pattern says only which genes were seen"
        raise InputError(msg, fix=fix)
    if max(map(len, numbers)) > _DIGITS:
        msg = f"{path} promises a matrix of impossible size ({size[:40]} …)"
        raise InputError(msg, fix="it is damaged: copy or download it again")
    rows, columns, entries = map(int, numbers)
    if (rows, columns) not in (shape, shape[::-1]):
        msg = (
            f"{path} is {rows} x {columns}, but there are {shape[0]} features and "
            f"{shape[1]} barcodes"
        )
        raise InputError(msg, fix="copy the three files of one matrix together")
    room = path.stat().st_size * (_GZIP_AT_BEST if path.suffix == ".gz" else 1)
    if entries > room // _SMALLEST_ENTRY + 1:
        msg = f"{path} promises {entries:,} entries, more than its size can hold"
        raise InputError(msg, fix="it is cut short: copy or download it again")
    kind = np.int64 if field in _INTEGERS else np.float64
    return skip, kind, (rows, columns) != shape, entries


def _bad_line(path: Path, max_bytes: int, skip: int, kind: type) -> InputError:
    """Find the line that stopped the fast reader."""
    value, what = (_INTEGER, "integer") if kind is np.int64 else (_REAL, "number")
    with open_text(path, max_bytes=max_bytes) as handle:
        for number, line in enumerate(iter(lambda: handle.readline(_LONGEST_LINE), b""), 1):
            fields = line.split()
            good = (
                len(fields) == 3
                and all(_INTEGER.fullmatch(field) for field in fields[:2])
                and value.fullmatch(fields[2])
            )
            if number > skip and fields and not good:
                shown = line[:60].decode("latin-1").strip()
                msg = f"{path} is damaged: line {number} is {shown!r}, not row, column and {what}"
                fix = "write decimals with a point, not a comma" if b"," in line else None
                if what == "integer" and len(fields) == 3 and _REAL.fullmatch(fields[2]):
                    fix = "its header says integer: write the counts, or say real"
                return InputError(msg, fix=fix or "copy or download it again")
    msg = f"{path} is damaged: it has more entries than it promises, or numbers that are too large"
    return InputError(msg, fix="copy or download it again")
