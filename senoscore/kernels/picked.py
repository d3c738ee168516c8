"""Some columns of CSR rows, and the sums of whole rows, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore.kernels.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["picked_columns"]

_KNOWN = tuple(np.dtype(name) for name in ("int32", "float32", "float64"))


def picked_columns(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: NDArray[Any],
    place: NDArray[np.int32],
    counted: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Pick the values of some columns, in the order in which they are stored.

    Parameters
    ----------
    indptr, indices, data
        Rows in CSR form.
    place
        New number of each column; negative: left out.
    counted
        Weight of each column in the sum of a row.

    Returns
    -------
    starts, columns, values
        Rows in CSR form; values as float64.
    total
        Sum of each row, left to right.
    """
    if data.dtype not in _KNOWN:
        data = data.astype(np.float64)
    counts = np.zeros(len(indptr), dtype=np.int64)
    _count(indptr, indices, place, counts)
    starts = np.cumsum(counts)
    columns = np.empty(int(starts[-1]), dtype=np.int32)
    values = np.empty(int(starts[-1]))
    total = np.zeros(len(indptr) - 1)
    _pick(indptr, indices, data, place, counted, starts, columns, values, total)
    return starts, columns, values, total


@njit(cache=True, nogil=True)
def _count(indptr, indices, place, counts):  # type: ignore[no-untyped-def]
    for i in range(indptr.size - 1):
        found = 0
        for j in range(indptr[i], indptr[i + 1]):
            found += place[np.uint64(indices[j])] >= 0
        counts[i + 1] = found


@njit(cache=True, nogil=True)
def _pick(indptr, indices, data, place, counted, starts, columns, values, total):  # type: ignore[no-untyped-def]
    for i in range(indptr.size - 1):
        at, end, added = starts[i], starts[i + 1], 0.0
        for j in range(indptr[i], indptr[i + 1]):
            gene = np.uint64(indices[j])
            value = np.float64(data[j])
            added += value * counted[gene]
            if place[gene] >= 0 and at < end:
                columns[at] = place[gene]
                values[at] = value
                at += 1
        total[i] = added
