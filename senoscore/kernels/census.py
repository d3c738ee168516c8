"""What the values of a block are, in one pass: totals, and marks that no expression may bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore.kernels.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ABOVE", "FRACTION", "NEGATIVE", "NOT_FINITE", "SEVERAL", "ZERO", "ascend", "look_at"]

NEGATIVE = 1
NOT_FINITE = 2
FRACTION = 4  # a value that is not a whole number
SEVERAL = 8  # a value above 1.5
ABOVE = 16  # a value above the limit
ZERO = 32  # a stored zero


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


@njit(cache=True, nogil=True)
def _look_at_rows(indptr, values, one, limit, total, marks):  # type: ignore[no-untyped-def]
    for i in range(len(indptr) - 1):
        here, negative, fraction, several, above, zero = _look_at_row(
            values[indptr[i] : indptr[i + 1]], one, limit
        )
        total[i] = here
        mark = 0
        if negative > 0:
            mark |= NEGATIVE
        if not np.isfinite(here):
            mark |= NOT_FINITE
        if fraction > 0:
            mark |= FRACTION
        if several > 0:
            mark |= SEVERAL
        if above > 0:
            mark |= ABOVE
        if zero > 0:
            mark |= ZERO
        marks[i] = mark


def look_at(
    indptr: NDArray[np.int64], values: NDArray[Any], *, limit: float
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Total and marks of every row of a block.

    Parameters
    ----------
    indptr
        Row pointers, shape (n_rows + 1,).
    values
        Stored values: integers, float32 or float64.
    limit
        What ``ABOVE`` means.

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
    kernel(indptr, values, kind(1), kind(limit), total, marks)
    return total, marks


@njit(cache=True, nogil=True)
def ascend(indptr, indices):  # type: ignore[no-untyped-def]
    """Whether the genes of every row ascend strictly: sorted, and none twice."""
    for i in range(len(indptr) - 1):
        genes = indices[indptr[i] : indptr[i + 1]]
        fine = True
        for k in range(1, len(genes)):
            fine &= genes[k] > genes[k - 1]
        if not fine:
            return False
    return True
