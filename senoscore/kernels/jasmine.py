"""Kernel of JASMINE: ranks among the expressed genes of a cell and the 2 x 2 table of a set."""

from __future__ import annotations

import numpy as np

from senoscore.kernels.compiled import njit
from senoscore.kernels.mean import longest_row

__all__ = ["jasmine_parts"]

_HISTOGRAM = 4096  # integer values below this are ranked by counting, others by sorting


@njit(cache=True, nogil=True)
def _expressed(data, lo, hi, sorted_values, histogram):  # type: ignore[no-untyped-def]
    """Prepare the ranks of the non-zero values of one row; return (count, by_histogram).

    Small non-negative integers are counted, everything else is sorted.
    """
    n, top = 0, np.int64(0)
    countable = True
    for k in range(lo, hi):
        value = data[k]
        if value != 0:
            sorted_values[n] = value
            n += 1
            if countable:
                count = np.int64(value)
                if count == value and 0 < count < _HISTOGRAM:
                    top = max(top, count)
                else:
                    countable = False
    if countable:
        histogram[: top + 1] = 0
        for k in range(n):
            histogram[np.int64(sorted_values[k])] += 1
        below = 0  # from counts to twice the average rank: 2 * below + ties + 1
        for value in range(1, top + 1):
            ties = histogram[value]
            histogram[value] = 2 * below + ties + 1
            below += ties
    else:
        sorted_values[:n].sort()
    return n, countable


@njit(cache=True, nogil=True)
def jasmine_parts(  # type: ignore[no-untyped-def]
    indptr,
    indices,
    data,
    n_vars,
    gene_ptr,
    gene_set,
    set_size,
    likelihood,
    first,
    stop,
    mean_rank,
    enrichment,
):
    """Per-cell components of JASMINE, before they are scaled across cells.

    Parameters
    ----------
    indptr, indices, data
        Block of rows in CSR form, non-negative.
    n_vars
        Genes of the matrix (the gene universe).
    gene_ptr, gene_set
        CSR of set membership by gene, shape (n_vars + 1,) and (n_members,).
    set_size
        Genes of each set that the matrix holds, shape (n_sets,).
    likelihood
        Likelihood ratio instead of the odds ratio.
    first, stop
        Rows to do.
    mean_rank
        float64 (n_rows, n_sets), overwritten: mean rank of the expressed set genes among
        the expressed genes of the cell (ties averaged), over the number of expressed genes;
        0 where the cell expresses none of the set.
    enrichment
        float64 (n_rows, n_sets), overwritten: odds or likelihood ratio.
    """
    n_sets = set_size.size
    values = np.empty(longest_row(indptr, first, stop))
    histogram = np.empty(_HISTOGRAM, np.int64)
    rank_sum, n_set = np.empty(n_sets), np.empty(n_sets, np.int64)
    for i in range(first, stop):
        lo, hi = indptr[i], indptr[i + 1]
        n, counted = _expressed(data, lo, hi, values, histogram)
        rank_sum[:] = 0.0
        n_set[:] = 0
        for k in range(lo, hi):
            j = indices[k]
            if data[k] == 0 or gene_ptr[j] == gene_ptr[j + 1]:
                continue
            if counted:
                rank = 0.5 * histogram[np.int64(data[k])]
            else:
                left = np.searchsorted(values[:n], np.float64(data[k]), "left")
                right = np.searchsorted(values[:n], np.float64(data[k]), "right")
                rank = 0.5 * (left + right + 1)
            for q in range(gene_ptr[j], gene_ptr[j + 1]):
                rank_sum[gene_set[q]] += rank
                n_set[gene_set[q]] += 1
        for p in range(n_sets):
            inside = n_set[p]
            mean_rank[i, p] = rank_sum[p] / inside / n if inside > 0 else 0.0
            # Both ratios take zero cells of the 2 x 2 table as 1, in this order.
            silent = max(set_size[p] - inside, 1)
            others = max(n - inside, 1)
            others_silent = n_vars - (others + inside) - silent
            if likelihood:
                enrichment[i, p] = inside * (silent + others_silent) / (silent * (inside + others))
            else:
                enrichment[i, p] = inside * others_silent / (silent * others)
