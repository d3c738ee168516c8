r"""Rank scores of cells: UCell, AUCell, ssGSEA and singscore in one pass over a CSR block.

Notation: a cell has :math:`N` genes (the fixed universe, all columns of the matrix), a set has
:math:`n` of them. :math:`d_g` is the rank of gene :math:`g` from the top (largest value 1),
:math:`a_g = N + 1 - d_g` its rank from the bottom.

**Ties.** Counts are full of ties, above all at zero. Every score here is *tie-neutral*: it does
not depend on the order of the genes. A contribution :math:`f(d_g)` is replaced by its mean over
all orders of the genes tied with :math:`g`; zeros, stored or not, are one such group. A score is
thus a function of one cell and of :math:`N`, and nothing else.

**UCell** (Andreatta & Carmona 2021, doi:10.1016/j.csbj.2021.06.043), largest rank
:math:`M = \min(1500, N)`:

.. math:: 1 - \frac{\sum_g \min(d_g, M) - s}{nM - s}, \qquad s = \sum_{i=1}^{n} \min(i, M)

**AUCell** (Aibar et al. 2017, doi:10.1038/nmeth.4463), area under the recovery curve up to rank
:math:`L = \lceil 0.05 N \rceil` (at least 2), relative to the largest possible:

.. math:: \frac{\sum_g \max(L - d_g, 0)}{\sum_{i=1}^{\min(n, L-1)} (L - i)}

**ssGSEA** (Barbie et al. 2009, doi:10.1038/nature08460), :math:`\alpha = 0.25`, the difference of
the two running sums summed over all positions, per gene of the universe:

.. math:: \frac{1}{N}\left[\frac{\sum_g a_g^{\alpha} a_g}{\sum_g a_g^{\alpha}}
          - \frac{N(N+1)/2 - \sum_g a_g}{N - n}\right]

with the mean rank of its ties as :math:`a_g`, weight and position alike. The published score is
:math:`N` times this.

**singscore** (Foroutan et al. 2018, doi:10.1186/s12859-018-2435-4), mean rank between its
theoretical extremes, centred:

.. math:: \frac{\bar a - (n+1)/2}{N - n} - \frac12

All are linear in, or ratios of, sums over the genes of a set of small per-group tables. A table
entry is kept relative to that of a zero, so that only stored genes of a set are visited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore.kernels.compiled import njit
from senoscore.kernels.rank_plan import RANK_METHODS, RankPlan, plan_ranks
from senoscore.kernels.rank_run import kernel_data, kernel_indices, run_chunks
from senoscore.kernels.rank_tables import fill_tables, finish_scores
from senoscore.kernels.rank_values import (
    BAD_DUPLICATE,
    N_COUNTERS,
    OK,
    SMALL,
    code_counts,
    code_floats,
    find_hits,
    has_duplicates,
    hash_size,
    scratch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["RANK_METHODS", "RankPlan", "plan_ranks", "score_ranks"]


@njit(cache=True, nogil=True)
def _score_rows(  # type: ignore[no-untyped-def]
    indptr, indices, data, first, last, sign, infinite,
    in_set, slot, member_ptr, member_set, column, place, set_n, set_listed, max_lead,
    mode, cap, limit, alpha, extra_zeros, table_size, checked, out,
):  # fmt: skip
    """Score rows ``first:last``; returns (status, row) of the first bad row, or (0, -1)."""
    n_vars = len(in_set)
    n_columns = column.max() + 1
    longest = 1
    for row in range(first, last):
        longest = max(longest, indptr[row + 1] - indptr[row])
    hist = np.zeros(N_COUNTERS, np.int32)
    hit, begin, end = (
        np.empty(longest + 1, np.uint32),
        np.empty(longest + 1, np.uint32),
        np.empty(longest, np.uint32),
    )
    worth = np.empty(longest + 1)
    group_code = np.empty(longest + SMALL + 1, np.int64)
    group_n = np.empty(longest + SMALL + 1, np.int64)
    work = scratch(longest, table_size)
    stamp = np.full(0 if checked else n_vars, -1, np.int64)
    table = np.zeros((longest + SMALL + 1, n_columns))
    zero = np.zeros(n_columns)
    sums = np.zeros((len(set_n), n_columns))
    for row in range(first, last):
        lo, hi = indptr[row], indptr[row + 1]
        if sign is not None:  # decided when compiled: one kind of values per version
            status, n_groups, ascending = code_floats(
                indices,
                data,
                lo,
                hi,
                n_vars,
                sign,
                infinite,
                group_code,
                group_n,
                work,
                checked,
            )
        else:
            status, n_groups, ascending, n_hits = code_counts(
                indices, data, lo, hi, n_vars, hist, group_code, group_n, work, checked, in_set, hit
            )
        if status != OK:
            return status, row
        if not ascending and has_duplicates(indices, lo, hi, stamp, row):
            return BAD_DUPLICATE, row
        if extra_zeros:
            n_groups = _add_zeros(group_code, group_n, n_groups, extra_zeros)
        n_genes = n_vars + extra_zeros
        fill_tables(
            group_code, group_n, n_groups, n_genes, column, mode, cap, limit, alpha, table, zero
        )
        genes = indices[lo:hi]
        if sign is not None:
            n_hits = find_hits(genes, in_set, hit)
        _sum_over_sets(
            genes, work[0], hit, n_hits, slot, member_ptr, member_set, table, sums,
            begin, end, worth,
        )  # fmt: skip
        finish_scores(
            sums, zero, column, place, n_genes, set_n, set_listed, cap, max_lead, out[row]
        )
    return OK, -1


@njit(cache=True, nogil=True)
def _add_zeros(group_code, group_n, n_groups, extra):  # type: ignore[no-untyped-def]
    """Count in genes that the matrix lacks, which are zero in every cell."""
    for i in range(n_groups):
        if group_code[i] == 0:
            group_n[i] += extra
            return n_groups
    group_code[n_groups] = 0
    group_n[n_groups] = extra
    return n_groups + 1


@njit(cache=True, nogil=True)
def _sum_over_sets(  # type: ignore[no-untyped-def]
    genes, codes, hit, n_hits, slot, member_ptr, member_set, table, sums, begin, end, worth
):
    """Add the table rows of the stored genes to the sums of the sets they belong to."""
    n_columns = sums.shape[1]
    sums[:] = 0.0
    one = np.uint64(1)
    if n_columns == 1:
        # What adds nothing, such as all genes below UCell's limit, is left out first.
        only = sums[:, 0]
        column = table[:, 0]
        n = np.uint64(0)
        for i in range(np.uint64(n_hits)):
            k = np.uint64(hit[i])
            value = column[codes[k]]
            begin[n] = slot[genes[k]]
            worth[n] = value
            n += np.uint64(value != 0.0)
        for i in range(n):
            at = np.uint64(begin[i])
            value = worth[i]
            first = np.uint64(member_ptr[at])
            only[member_set[first]] += value  # most genes are in one set
            for q in range(first + one, np.uint64(member_ptr[at + one])):
                only[member_set[q]] += value
        return
    # Looked up for all genes first: below, a mispredicted end of a list is then soon seen.
    for i in range(np.uint64(n_hits)):
        k = np.uint64(hit[i])
        at = np.uint64(slot[genes[k]])
        begin[i] = member_ptr[at]
        end[i] = member_ptr[at + one]
        hit[i] = codes[k]
    if n_columns == 5:  # all methods, written out: a loop this short costs more than its body
        for i in range(np.uint64(n_hits)):
            code = np.uint64(hit[i])
            a, b, c = table[code, 0], table[code, 1], table[code, 2]
            d, e = table[code, 3], table[code, 4]
            for q in range(np.uint64(begin[i]), np.uint64(end[i])):
                s = np.uint64(member_set[q])
                sums[s, 0] += a
                sums[s, 1] += b
                sums[s, 2] += c
                sums[s, 3] += d
                sums[s, 4] += e
        return
    for i in range(np.uint64(n_hits)):
        code = np.uint64(hit[i])
        for q in range(np.uint64(begin[i]), np.uint64(end[i])):
            s = np.uint64(member_set[q])
            for w in range(np.uint64(n_columns)):
                sums[s, w] += table[code, w]


def score_ranks(
    plan: RankPlan,
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    data: NDArray[Any],
    *,
    counts: bool,
    n_threads: int = 1,
    first_row: int = 0,
    checked: bool = False,
    before: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Score one block of cells.

    Parameters
    ----------
    plan
        From :func:`plan_ranks`.
    indptr, indices, data
        The block in CSR form: any integer indices, in any order within a row; explicit zeros
        are zeros.
    counts
        Whether the values are counts (whole numbers, not negative). Otherwise any finite
        floats, negative ones ranked below zero.
    n_threads
        Threads over the cells of the block.
    first_row
        Number of the block's first cell in the data set, for messages.
    checked
        Whether the block is known to be fine: genes within the matrix that ascend in each row,
        and values as said. Spares the kernel a part of its work.
    before
        Called with the first and the last row (not included) of a chunk just before it is
        scored, in the same thread: to check it, by raising an error.

    Returns
    -------
    Scores, shape (n_rows, n_methods, n_sets), methods in the plan's order. NaN where a score is
    undefined: no gene found, or (ssGSEA, singscore) all genes of the universe in the set.

    Raises
    ------
    InputError
        A gene stored twice, a value that is no count, NaN or infinity, a gene out of range.

    Examples
    --------
    Four genes with counts 5, 2, 0, 0 and the set of the first and the third. Their ranks from
    the top are 1 and (3 + 4) / 2; from the bottom 4 and 1.5. With M = 4, UCell is
    1 - (4.5 - 3) / (8 - 3); singscore is (2.75 - 1.5) / 2 - 1/2.

    >>> plan = plan_ranks(["ucell", "singscore"], np.array([0, 2]), np.array([0, 2]), 4)
    >>> block = np.array([0, 2]), np.array([0, 1]), np.array([5, 2])
    >>> score_ranks(plan, *block, counts=True).round(3).tolist()
    [[[0.7], [0.125]]]

    AUCell with L = 3 sees the first gene at rank 1 of at most 2 places: (3 - 1) / (2 + 1).
    Of ssGSEA, the walk in is (4^1.25 + 1.5^1.25) / (4^0.25 + 1.5^0.25) = 2.9021, the walk out
    (10 - 5.5) / 2; their difference over 4 genes is 0.163.

    >>> plan = plan_ranks(["aucell", "ssgsea"], np.array([0, 2]), np.array([0, 2]), 4,
    ...                   auc_fraction=0.75)
    >>> score_ranks(plan, *block, counts=True).round(3).tolist()
    [[[0.667], [0.163]]]
    """
    indptr = np.asarray(indptr, dtype=np.int64)
    n_rows = len(indptr) - 1
    out = np.empty((n_rows, len(plan.methods), plan.n_sets))
    if n_rows == 0:
        return out
    values, sign, infinite = kernel_data(data, counts=counts)
    genes = kernel_indices(indices)
    table_size = hash_size(int(np.diff(indptr).max()))

    def work(first: int, last: int) -> tuple[int, int]:
        return _score_rows(
            indptr, genes, values, first, last, sign, infinite,
            plan.in_set, plan.slot, plan.member_ptr, plan.member_set, plan.column, plan.place,
            plan.set_n, plan.set_listed, plan.max_lead, plan.mode, plan.cap, plan.limit,
            plan.alpha, plan.extra_zeros, table_size, checked, out,
        )  # fmt: skip

    run_chunks(work, n_rows, n_threads, first_row, before)
    return out
