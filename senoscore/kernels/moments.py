"""Sums and squares of columns, row by row in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from senoscore.kernels.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["column_moments"]


def column_moments(
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    data: NDArray[np.number],
    factor: NDArray[np.float64],
    n_columns: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance (n - 1) of the columns of rows that are scaled.

    Parameters
    ----------
    indptr, indices, data
        Rows in CSR form, no column twice in one.
    factor
        What the values of each row are multiplied by, shape (n_rows,).
    n_columns
        Number of columns.
    """
    n = len(indptr) - 1
    mean = np.zeros(n_columns)
    stored = np.zeros(n_columns, dtype=np.int64)
    squares = np.zeros(n_columns)
    _add(indptr, indices, data, factor, mean, stored)
    mean /= n
    _add_squares(indptr, indices, data, factor, mean, squares)
    return mean, (squares + (n - stored) * mean**2) / (n - 1)


@njit(cache=True, nogil=True)
def _add(indptr, indices, data, factor, total, stored):  # type: ignore[no-untyped-def]
    for i in range(indptr.size - 1):
        times = factor[i]
        for k in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[k])
            total[j] += data[k] * times
            stored[j] += 1


@njit(cache=True, nogil=True)
def _add_squares(indptr, indices, data, factor, mean, squares):  # type: ignore[no-untyped-def]
    """Squares of the differences from the mean, of stored values only."""
    for i in range(indptr.size - 1):
        times = factor[i]
        for k in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[k])
            beside = data[k] * times - mean[j]
            squares[j] += beside * beside
