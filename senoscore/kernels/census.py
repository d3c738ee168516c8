"""What the values of a block are, in one pass: totals, and marks that no expression may bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore.kernels.compiled import njit
from senoscore.kernels.mean import run_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = [
    "ABOVE",
    "BEYOND",
    "FRACTION",
    "NEGATIVE",
    "NOT_FINITE",
    "SEVERAL",
    "UNSORTED",
    "ZERO",
    "look_at",
]

NEGATIVE = 1
NOT_FINITE = 2
FRACTION = 4  # a value that is not a whole number
SEVERAL = 8  # a value above 1.5
ABOVE = 16  # a value above the limit
ZERO = 32  # a stored zero
UNSORTED = 64  # genes that do not ascend strictly: out of order, or one twice
BEYOND = 128  # a gene beyond the last


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _look_at_row(values, one, limit):  # type: ignore[no-untyped-def]
    """Return the total of a row and a sum per mark that is 0 only if no value bears it.

    A sum may be taken in any order (``reassoc``), hence many values at a time; a test that ends
    the loop could not be. Totals of counts are exact in any order.
    """
    total = np.float64(0.0)
    none = one - one
    half = one / (one + one)
    negative = fraction = several = above = zero = none
    for k in range(np.uint64(len(values))):
        value = values[k] * one  # integers become floats
        total += np.float64(value)
        negative += one if value < none else none
        fraction += none if np.floor(value) == value else one  # NaN is none
        several += one if value > one + half else none
        above += one if value > limit else none
        zero += one if value == none else none
    return total, negative, fraction, several, above, zero


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _add_whole(values, one, limit):  # type: ignore[no-untyped-def]
    """Return total of a row, whether all values are whole and above 0, and if any is above."""
    total = np.float64(0.0)
    none = one - one
    whole = above = none
    for k in range(np.uint64(len(values))):
        value = values[k] * one
        total += np.float64(value)
        whole += one if (value > none) & (np.floor(value) == value) else none
        above += one if value > limit else none
    return total, whole == len(values), above > none


@njit(cache=True, nogil=True)
def _ascend(genes):  # type: ignore[no-untyped-def]
    """Whether genes are sorted and none is there twice."""
    fine = True
    for k in range(1, len(genes)):
        fine &= genes[k] > genes[k - 1]
    return fine


@njit(cache=True, nogil=True)
def _mark(row, one, limit):  # type: ignore[no-untyped-def]
    total, negative, fraction, several, above, zero = _look_at_row(row, one, limit)
    mark = 0
    if negative > 0:
        mark |= NEGATIVE
    if not np.isfinite(total):
        mark |= NOT_FINITE
    if fraction > 0:
        mark |= FRACTION
    if several > 0:
        mark |= SEVERAL
    if above > 0:
        mark |= ABOVE
    if zero > 0:
        mark |= ZERO
    return total, mark


@njit(cache=True, nogil=True)
def _look_at_rows(  # type: ignore[no-untyped-def]
    indptr, indices, values, n_vars, one, limit, first, stop, total, marks
):
    for i in range(first, stop):
        lo, hi = indptr[i], indptr[i + 1]
        total[i] = 0.0
        marks[i] = 0
        if lo == hi:
            continue
        row = values[lo:hi]
        mark = 0
        plain = False
        if np.floor(row[0] * one) == row[0]:  # likely counts: half the sums say all
            here, plain, above = _add_whole(row, one, limit)
            plain &= np.isfinite(here)
            total[i] = here
            mark = (SEVERAL if here > hi - lo else 0) | (ABOVE if above else 0)
        if not plain:
            total[i], mark = _mark(row, one, limit)
        if indices is None:  # decided when compiled
            marks[i] = mark
            continue
        genes = indices[lo:hi]
        lowest, highest = genes[0], genes[-1]
        if not _ascend(genes):
            mark |= UNSORTED
            lowest, highest = genes.min(), genes.max()
        if lowest < 0 or highest >= n_vars:
            mark |= BEYOND
        marks[i] = mark


def look_at(
    indptr: NDArray[np.int64],
    indices: NDArray[np.integer] | None,
    values: NDArray[Any],
    n_vars: int,
    *,
    limit: float,
    n_threads: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Total and marks of every row of a block.

    Parameters
    ----------
    indptr
        Row pointers, shape (n_rows + 1,).
    indices
        Columns, any integers; None for rows of which every value is stored.
    values
        Stored values: integers, float32 or float64.
    n_vars
        Columns of the matrix.
    limit
        What ``ABOVE`` means.
    n_threads
        Threads over the rows.

    Returns
    -------
    total
        Sum of each row, shape (n_rows,); exact for counts.
    marks
        Properties that at least one value of the row has, joined by "or", shape (n_rows,).
    """
    n_rows = len(indptr) - 1
    total, marks = np.empty(n_rows), np.empty(n_rows, np.uint8)
    kind = np.float32 if values.dtype == np.float32 else np.float64
    kernel: Any = _look_at_rows  # numba types its dispatchers for one call only
    rows = (indptr, indices, values, n_vars, kind(1), kind(limit))
    run_rows(
        lambda first, stop: kernel(*rows, first, stop, total, marks), n_rows, n_threads=n_threads
    )
    return total, marks
