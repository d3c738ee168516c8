"""Between NumPy and the rank kernels: types of the buffers, chunks of rows, threads, errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore.errors import InputError
from senoscore.kernels.rank_values import (
    BAD_DUPLICATE,
    BAD_INDEX,
    BAD_NOT_COUNT,
    BAD_NOT_FINITE,
    OK,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["kernel_data", "kernel_indices", "run_chunks"]

_CHUNK: Final = 256  # rows a thread takes at a time: few enough to stay in the last cache

_PROBLEMS: Final = {
    BAD_INDEX: ("names a gene beyond the last", "the matrix is damaged: write it again"),
    BAD_NOT_COUNT: (
        "holds a value that is no count (negative, not a whole number, or missing)",
        "pass raw counts, or values that are log-normalised throughout",
    ),
    BAD_NOT_FINITE: ("holds NaN or infinite values", "set them to 0 or remove the cell"),
    BAD_DUPLICATE: ("stores a gene twice", "call sum_duplicates() on the matrix"),
}


def kernel_indices(indices: NDArray[Any]) -> NDArray[np.integer]:
    """Gene indices as unsigned 32-bit integers, without a copy if they are 32 bits wide.

    A negative index becomes a huge one, which is out of range all the same.
    """
    indices = np.ascontiguousarray(indices)
    if indices.dtype.itemsize == 4:
        return indices.view(np.uint32)
    wide = indices.astype(np.int64, copy=False).view(np.uint64)
    return np.minimum(wide, 2**32 - 1).astype(np.uint32)


def kernel_data(
    data: NDArray[Any], *, counts: bool
) -> tuple[NDArray[Any], np.uint64 | None, np.uint64 | None]:
    """Values in one of the types the kernels are compiled for.

    Returns
    -------
    Counts as they are (int32, int64, float32 or float64) and twice None; other values as the
    bit patterns of floats, with the patterns of the sign and of infinity.
    """
    data = np.ascontiguousarray(data)
    if data.dtype.kind in "bu" or data.dtype.itemsize < 4:
        narrow = data.dtype.itemsize < 4
        wide = np.float64 if data.dtype == np.uint64 else np.int64
        data = data.astype(np.float32 if narrow else wide)  # exact for 8 and 16 bits
    if counts:
        return data, None, None
    if data.dtype.kind in "iu":
        data = data.astype(np.float64)
    if data.dtype == np.float32:
        return data.view(np.uint32), np.uint64(1 << 31), np.uint64(0x7F800000)
    bits = data.astype(np.float64, copy=False).view(np.uint64)
    return bits, np.uint64(1 << 63), np.uint64(0x7FF << 52)


def run_chunks(
    work: Callable[[int, int], tuple[int, int]],
    n_rows: int,
    n_threads: int,
    first_row: int,
    before: Callable[[int, int], None] | None = None,
) -> None:
    """Run ``work(first, last)`` over chunks of rows in threads and raise what it reports.

    The kernels release the GIL and rows do not depend on each other, so threads change nothing
    but the time. ``before(first, last)`` is called on each chunk just before, so that what it
    reads is still in the cache; what it raises ends everything.
    """

    def both(first: int, last: int) -> tuple[int, int]:
        if before is not None:
            before(first, last)
        return work(first, last)

    bounds = [(at, min(at + _CHUNK, n_rows)) for at in range(0, n_rows, _CHUNK)]
    if n_threads > 1 and len(bounds) > 1:
        with ThreadPoolExecutor(min(n_threads, len(bounds))) as pool:
            reports = list(pool.map(lambda bound: both(*bound), bounds))
    else:
        reports = [both(*bound) for bound in bounds]
    for status, row in reports:
        if status != OK:
            what, fix = _PROBLEMS[status]
            msg = f"cell {first_row + row} (counted from 0) {what}"
            raise InputError(msg, fix=fix)
