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

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numba import njit

from senoscore.errors import InputError
from senoscore.kernels.rank_tables import (
    UCELL_NEUTRAL,
    UCELL_PYUCELL,
    UCELL_R,
    fill_tables,
    finish_scores,
)
from senoscore.kernels.rank_values import (
    BAD_DUPLICATE,
    BAD_INDEX,
    BAD_NOT_COUNT,
    BAD_NOT_FINITE,
    OK,
    SMALL,
    code_counts,
    code_floats,
    has_duplicates,
    hash_size,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["RANK_METHODS", "RankPlan", "aucell_limit", "plan_ranks", "score_ranks"]

RANK_METHODS: Final = ("ucell", "aucell", "ssgsea", "singscore")
_UCELL_RULES: Final = {
    None: UCELL_NEUTRAL,
    "pyucell": UCELL_PYUCELL,
    "ucell-r": UCELL_R,
}
_CHUNK: Final = 512  # rows a thread takes at a time


@dataclass(frozen=True)
class RankPlan:
    """What does not change from block to block: sets, methods, constants."""

    methods: tuple[str, ...]
    n_vars: int
    n_sets: int
    slot: NDArray[np.unsignedinteger]
    """Row of each gene in the membership lists; 0: in no set. Shape (n_vars + 1,)."""
    member_ptr: NDArray[np.int64]
    member_set: NDArray[np.int32]
    column: NDArray[np.int64]
    place: NDArray[np.int64]
    set_n: NDArray[np.int64]
    set_listed: NDArray[np.int64]
    max_lead: NDArray[np.float64]
    mode: int
    cap: int
    limit: int
    alpha: float
    extra_zeros: int


def aucell_limit(n_vars: int, fraction: float = 0.05) -> int:
    """Rank at which the recovery curve ends: the top fraction of the universe, at least 2."""
    return int(np.clip(np.ceil(fraction * n_vars), 2, max(n_vars, 2)))


def largest_lead(set_n: NDArray[np.int64], limit: int) -> NDArray[np.float64]:
    """Sum of leads of a set whose genes are on top: the largest area, shape (n_sets,)."""
    inside = np.minimum(set_n, limit - 1).astype(np.float64)
    return inside * limit - inside * (inside + 1) / 2


def memberships(
    indptr: NDArray[np.integer], gene_idx: NDArray[np.integer], n_vars: int
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.int64], NDArray[np.int32]]:
    """Turn sets of genes into lists of sets per gene.

    Returns
    -------
    ``slot`` (n_vars + 1,), ``member_ptr`` and ``member_set``: the sets of gene ``g`` are
    ``member_set[member_ptr[slot[g]]:member_ptr[slot[g] + 1]]``; slot 0 has none.
    """
    set_of = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort((set_of, gene_idx))
    genes, counts = np.unique(np.asarray(gene_idx)[order], return_counts=True)
    slot = np.zeros(n_vars + 1, np.uint16 if len(genes) < 2**16 - 1 else np.uint32)
    slot[genes] = np.arange(1, len(genes) + 1)
    member_ptr = np.zeros(len(genes) + 2, np.int64)
    np.cumsum(counts, out=member_ptr[2:])
    return slot, member_ptr, set_of[order].astype(np.int32)


def plan_ranks(
    methods: Sequence[str],
    indptr: NDArray[np.integer],
    gene_idx: NDArray[np.integer],
    n_vars: int,
    *,
    n_listed: NDArray[np.integer] | None = None,
    ucell_rule: str | None = None,
    max_rank: int = 1500,
    auc_fraction: float = 0.05,
    alpha: float = 0.25,
    extra_zeros: int = 0,
) -> RankPlan:
    """Prepare sets for :func:`score_ranks`.

    Parameters
    ----------
    methods
        Of :data:`RANK_METHODS`, each once.
    indptr, gene_idx
        Genes (columns) of each set in CSR form, each gene once a set; indptr of shape
        (n_sets + 1,).
    n_vars
        Genes of the universe.
    n_listed
        Genes listed per set, found or not, shape (n_sets,). Used by the exact UCell rules,
        which rank missing genes last.
    ucell_rule
        None (tie-neutral), ``pyucell`` (stored values ranked, mean ranks above the limit and
        zeros set to it) or ``ucell-r`` (all genes ranked, mean ranks capped).
    max_rank
        Limit of UCell.
    auc_fraction
        Share of the universe under the recovery curve of AUCell.
    alpha
        Exponent of ssGSEA.
    extra_zeros
        Missing genes that ``ucell-r`` adds to the universe as zeros.
    """
    methods = tuple(methods)
    column = np.full(5, -1, np.int64)
    wanted = [
        "ucell" in methods,
        "aucell" in methods,
        "ssgsea" in methods or "singscore" in methods,
        "ssgsea" in methods,
        "ssgsea" in methods,
    ]
    column[wanted] = np.arange(sum(wanted))
    place = [methods.index(m) if m in methods else -1 for m in RANK_METHODS]
    slot, member_ptr, member_set = memberships(indptr, gene_idx, n_vars)
    set_n = np.diff(indptr).astype(np.int64)
    limit = aucell_limit(n_vars, auc_fraction)
    exact = ucell_rule is not None and n_listed is not None
    return RankPlan(
        methods=methods,
        n_vars=n_vars,
        n_sets=len(set_n),
        slot=slot,
        member_ptr=member_ptr,
        member_set=member_set,
        column=column,
        place=np.array(place, np.int64),
        set_n=set_n,
        set_listed=np.asarray(n_listed, np.int64) if exact else set_n,
        max_lead=largest_lead(set_n, limit),
        mode=_UCELL_RULES[ucell_rule],
        cap=max_rank if ucell_rule == "pyucell" else min(max_rank, n_vars + extra_zeros),
        limit=limit,
        alpha=alpha,
        extra_zeros=extra_zeros,
    )


@njit(cache=True, nogil=True)
def _score_rows(  # type: ignore[no-untyped-def]
    indptr, indices, data, first, last, sign, infinite,
    slot, member_ptr, member_set, column, place, set_n, set_listed, max_lead,
    mode, cap, limit, alpha, extra_zeros, table_size, out,
):  # fmt: skip
    """Score rows ``first:last``; returns (status, row) of the first bad row, or (0, -1)."""
    n_vars = len(slot) - 1
    n_columns = column.max() + 1
    longest = 1
    for row in range(first, last):
        longest = max(longest, indptr[row + 1] - indptr[row])
    hist = np.zeros((2, SMALL), np.int32)
    hit_slot = np.empty(longest + 1, np.int64)
    hit_code = np.empty(longest + 1, np.int64)
    group_code = np.empty(longest + SMALL + 1, np.int64)
    group_n = np.empty(longest + SMALL + 1, np.int64)
    shift = np.uint64(64)
    size = table_size
    while size > 1:
        size >>= 1
        shift -= np.uint64(1)
    work = (
        np.zeros(table_size, np.int32), np.empty(longest + 1, np.uint64),
        np.empty(longest + 1, np.int32), np.empty(longest + 1, np.int64),
        np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64),
        np.empty(2048, np.int64), shift,
    )  # fmt: skip
    stamp = np.full(n_vars, -1, np.int64)
    table = np.zeros((longest + SMALL + 1, n_columns))
    zero = np.zeros(n_columns)
    sums = np.zeros((len(set_n), n_columns))
    for row in range(first, last):
        lo, hi = indptr[row], indptr[row + 1]
        if sign is not None:  # decided when compiled: one kind of values per version
            status, n_hits, n_groups, ascending = code_floats(
                indices, data, lo, hi, n_vars, slot, sign, infinite,
                hit_slot, hit_code, group_code, group_n, work,
            )  # fmt: skip
        else:
            status, n_hits, n_groups, ascending = code_counts(
                indices, data, lo, hi, n_vars, slot, hist,
                hit_slot, hit_code, group_code, group_n, work,
            )  # fmt: skip
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
        _sum_over_sets(hit_slot, hit_code, n_hits, member_ptr, member_set, table, sums)
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
    hit_slot, hit_code, n_hits, member_ptr, member_set, table, sums
):
    """Add the table rows of the stored genes to the sums of the sets they belong to."""
    n_columns = sums.shape[1]
    sums[:] = 0.0
    if n_columns == 1:
        only = sums[:, 0]
        for i in range(n_hits):
            value = table[hit_code[i], 0]
            at = hit_slot[i]
            for q in range(member_ptr[at], member_ptr[at + 1]):
                only[member_set[q]] += value
        return
    for i in range(n_hits):
        code = hit_code[i]
        at = hit_slot[i]
        for q in range(member_ptr[at], member_ptr[at + 1]):
            s = member_set[q]
            for w in range(n_columns):
                sums[s, w] += table[code, w]


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
    if indices.dtype.itemsize == 4:  # noqa: PLR2004
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
    if data.dtype.kind in "bu" or data.dtype.itemsize < 4:  # noqa: PLR2004
        narrow = data.dtype.itemsize < 4  # noqa: PLR2004
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


def run_chunks(work: Any, n_rows: int, n_threads: int, first_row: int) -> None:
    """Run ``work(first, last)`` over chunks of rows in threads and raise what it reports.

    The kernels release the GIL and rows do not depend on each other, so threads change nothing
    but the time.
    """
    bounds = [(at, min(at + _CHUNK, n_rows)) for at in range(0, n_rows, _CHUNK)]
    if n_threads > 1 and len(bounds) > 1:
        with ThreadPoolExecutor(min(n_threads, len(bounds))) as pool:
            reports = list(pool.map(lambda bound: work(*bound), bounds))
    else:
        reports = [work(*bound) for bound in bounds]
    for status, row in reports:
        if status != OK:
            what, fix = _PROBLEMS[status]
            msg = f"cell {first_row + row} (counted from 0) {what}"
            raise InputError(msg, fix=fix)


def score_ranks(
    plan: RankPlan,
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    data: NDArray[Any],
    *,
    counts: bool,
    n_threads: int = 1,
    first_row: int = 0,
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
            plan.slot, plan.member_ptr, plan.member_set, plan.column, plan.place, plan.set_n,
            plan.set_listed, plan.max_lead, plan.mode, plan.cap, plan.limit, plan.alpha,
            plan.extra_zeros, table_size, out,
        )  # fmt: skip

    run_chunks(work, n_rows, n_threads, first_row)
    return out
