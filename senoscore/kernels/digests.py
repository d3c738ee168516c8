"""A number for what is in a row, whatever the order of its genes."""

from __future__ import annotations

import numpy as np

from senoscore.kernels.compiled import njit

__all__ = ["add_row_digests"]

_A, _B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


@njit(cache=True, nogil=True, inline="always")
def _mixed(x):  # type: ignore[no-untyped-def]
    """Spread bits of uint64 (the finaliser of SplitMix64; Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> _30)) * _A
    x = (x ^ (x >> _27)) * _B
    return x ^ (x >> _31)


@njit(cache=True, nogil=True)
def add_row_digests(indptr, indices, data, genes, group, sums):  # type: ignore[no-untyped-def]
    """Add the number of every row to the sum of its group; sums of integers wrap.

    Parameters
    ----------
    indptr, indices, data
        Block of rows in CSR form; stored zeros count for nothing.
    genes
        A number for each column, uint64.
    group
        Group of each row, shape (n_rows,).
    sums
        uint64 accumulator, one a group, updated in place.
    """
    for i in range(indptr.size - 1):
        row = np.uint64(0)
        for k in range(indptr[i], indptr[i + 1]):
            if data[k] != 0:
                value = np.float64(data[k]).view(np.uint64)
                row += _mixed(genes[indices[k]] ^ _mixed(value))
        if row != 0:
            sums[group[i]] += _mixed(row)
