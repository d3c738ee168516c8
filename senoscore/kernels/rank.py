r"""Rank scores of cells: UCell, AUCell, ssGSEA and singscore in one pass over a CSR block.

Notation: a cell has :math:`N` genes (the fixed universe, all columns of the matrix), a set has
:math:`n` of them. :math:`d_g` is the rank of gene :math:`g` from the top (largest value 1),
:math:`a_g = N + 1 - d_g` its rank from the bottom.

**Ties.** Counts are full of ties, above all at zero. Every score here is *tie-neutral*: it does
not depend on the order of the genes. A contribution :math:`f(d_g)` is replaced by its mean over
all orders of the genes tied with :math:`g`; zeros, stored or not, are one such group. A score is
thus a function of one cell and of :math:`N`, and nothing else.

**One more gene** that no cell expresses is one more zero, and by these definitions moves a score
a little. UCell: where a cell has fewer than :math:`M` genes above zero, the zeros share the
ranks up to :math:`M`, and one more of them leaves less to each (with 8,000 genes at most 1.6e-5
was found; in pyucell's rule, which puts every zero at :math:`M`, nothing moves). AUCell:
:math:`L` is a share of :math:`N`, as published, and goes on by one rank with every twentieth
gene (at most 2.3e-3 was found). Scores of data sets are compared on the same list of genes.

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

from senoscore.errors import InputError
from senoscore.kernels.compiled import njit
from senoscore.kernels.rank_values import (
    BAD_DUPLICATE,
    BAD_INDEX,
    BAD_NOT_COUNT,
    BAD_NOT_FINITE,
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
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


__all__ = [
    "RANK_METHODS",
    "UCELL_NEUTRAL",
    "UCELL_PYUCELL",
    "UCELL_R",
    "RankPlan",
    "aucell_limit",
    "fill_tables",
    "finish_scores",
    "kernel_data",
    "kernel_indices",
    "largest_lead",
    "plan_ranks",
    "run_chunks",
    "score_ranks",
]

UCELL_NEUTRAL = 0
UCELL_PYUCELL = 1
UCELL_R = 2


@njit(cache=True, nogil=True, inline="always")
def _expected_capped(greater, n, cap):  # type: ignore[no-untyped-def]
    """Mean of min(rank, cap) over ranks greater + 1 ... greater + n."""
    below = min(max(cap - greater, 0), n)  # members whose rank is at most the cap
    return (below * greater + 0.5 * below * (below + 1) + float(n - below) * cap) / n


@njit(cache=True, nogil=True, inline="always")
def _expected_lead(greater, n, limit):  # type: ignore[no-untyped-def]
    """Mean of max(limit - rank, 0) over ranks greater + 1 ... greater + n."""
    inside = min(max(limit - greater, 0), n)
    return (inside * (limit - greater) - 0.5 * inside * (inside + 1)) / n


@njit(cache=True, nogil=True)
def _ucell_rank(greater, n, code, n_zero, zero_greater, mode, cap):  # type: ignore[no-untyped-def]
    if mode == UCELL_NEUTRAL:
        return _expected_capped(greater, n, cap)
    if mode == UCELL_R:
        return min(greater + 0.5 * (n + 1), float(cap))
    if code == 0:
        return float(cap)
    # pyucell ranks the stored values only, so zeros above a value do not push it down.
    above = greater - n_zero if greater > zero_greater else greater
    rank = above + 0.5 * (n + 1)
    return rank if rank <= cap else float(cap)


@njit(cache=True, nogil=True)
def fill_tables(  # type: ignore[no-untyped-def]
    group_code, group_n, n_groups, n_genes, column, mode, cap, limit, alpha, table, zero
):
    """Fill the table of contributions, relative to the contribution of a zero.

    Parameters
    ----------
    group_code, group_n, n_groups
        Groups in descending order, zeros among them.
    n_genes
        Genes ranked (all groups together).
    column
        Columns of the table for: capped rank (UCell), lead (AUCell), ascending rank, weight
        and weight times rank (ssGSEA); -1 where not wanted. Shape (5,).
    mode, cap
        UCell: rule for ranks, largest rank.
    limit
        AUCell: rank at which the recovery curve ends.
    alpha
        ssGSEA: exponent of the rank.
    table
        Receives contribution minus that of a zero, row = code of the group, so that only the
        stored genes of a set need to be visited.
    zero
        Receives the contribution of a zero; shape of a row of the table.
    """
    greater = 0
    n_zero = 0
    zero_greater = n_genes
    for i in range(n_groups):
        if group_code[i] == 0:
            n_zero = group_n[i]
            zero_greater = greater
        greater += group_n[i]
    greater = 0
    zero[:] = 0.0
    for i in range(n_groups):
        code = group_code[i]
        n = group_n[i]
        row = table[code]
        if column[0] >= 0:
            row[column[0]] = _ucell_rank(greater, n, code, n_zero, zero_greater, mode, cap)
        if column[1] >= 0:
            row[column[1]] = _expected_lead(greater, n, limit)
        if column[2] >= 0:
            rank = n_genes - greater - 0.5 * (n - 1)
            row[column[2]] = rank
            if column[3] >= 0:
                weight = np.sqrt(np.sqrt(rank)) if alpha == 0.25 else rank**alpha
                row[column[3]] = weight
                row[column[4]] = weight * rank
        greater += n
        if code == 0:
            zero[:] = row
    for i in range(n_groups):
        row = table[group_code[i]]
        for w in range(len(zero)):
            row[w] -= zero[w]


@njit(cache=True, nogil=True)
def finish_scores(  # type: ignore[no-untyped-def]
    sums, zero, column, place, n_genes, set_n, set_listed, cap, max_lead, out
):
    """Turn the sums of one cell over the genes of each set into scores.

    Parameters
    ----------
    sums
        Sum over the genes of each set of the table, shape (n_sets, n_columns).
    zero, column, n_genes, cap
        As in :func:`fill_tables`.
    place
        Row of ``out`` for UCell, AUCell, ssGSEA, singscore; -1 where not wanted. Shape (4,).
    set_n, set_listed
        Genes found of each set, and genes UCell reckons with. Shape (n_sets,).
    max_lead
        AUCell: largest possible sum of leads, shape (n_sets,).
    out
        Receives the scores, shape (n_methods, n_sets); NaN where undefined.
    """
    all_genes = float(n_genes)
    for s in range(len(set_n)):
        n = float(set_n[s])
        if n == 0:
            out[:, s] = np.nan
            continue
        if place[0] >= 0:
            m = float(set_listed[s])
            total = m * zero[column[0]] + sums[s, column[0]]
            inside = min(m, float(cap))
            least = 0.5 * inside * (inside + 1) + (m - inside) * cap
            most = m * cap
            out[place[0], s] = 1.0 - (total - least) / (most - least) if most > least else np.nan
        if place[1] >= 0:
            total = n * zero[column[1]] + sums[s, column[1]]
            out[place[1], s] = total / max_lead[s] if max_lead[s] > 0 else np.nan
        if column[2] < 0:
            continue
        ranks = n * zero[column[2]] + sums[s, column[2]]
        rest = all_genes - n
        if place[2] >= 0:
            weights = n * zero[column[3]] + sums[s, column[3]]
            weighted = n * zero[column[4]] + sums[s, column[4]]
            walk_in = weighted / weights
            walk_out = (0.5 * all_genes * (all_genes + 1) - ranks) / rest if rest > 0 else np.nan
            out[place[2], s] = (walk_in - walk_out) / all_genes
        if place[3] >= 0:
            # Least mean rank (n + 1) / 2, largest (2 N - n + 1) / 2: they lie N - n apart.
            mean = ranks / n
            out[place[3], s] = (mean - 0.5 * (n + 1)) / rest - 0.5 if rest > 0 else np.nan


RANK_METHODS: Final = ("ucell", "aucell", "ssgsea", "singscore")
_UCELL_RULES: Final = {
    None: UCELL_NEUTRAL,
    "pyucell": UCELL_PYUCELL,
    "ucell-r": UCELL_R,
}


@dataclass(frozen=True)
class RankPlan:
    """What does not change from block to block: sets, methods, constants."""

    methods: tuple[str, ...]
    n_vars: int
    n_sets: int
    in_set: NDArray[np.bool_]
    """Whether each gene is in a set, shape (n_vars,): fits the nearest cache, ``slot`` does not."""
    slot: NDArray[np.unsignedinteger]
    """Row of each gene in the membership lists; 0: in no set. Shape (n_vars,)."""
    member_ptr: NDArray[np.uint32]
    member_set: NDArray[np.uint32]
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
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.uint32], NDArray[np.uint32]]:
    """Turn sets of genes into lists of sets per gene.

    Returns
    -------
    ``slot`` (n_vars,), ``member_ptr`` and ``member_set``: the sets of gene ``g`` are
    ``member_set[member_ptr[slot[g]]:member_ptr[slot[g] + 1]]``; slot 0 has none.
    """
    set_of = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort((set_of, gene_idx))
    genes, counts = np.unique(np.asarray(gene_idx)[order], return_counts=True)
    slot: NDArray[np.unsignedinteger] = np.zeros(
        n_vars, np.uint16 if len(genes) < 2**16 - 1 else np.uint32
    )
    slot[genes] = np.arange(1, len(genes) + 1)
    member_ptr = np.zeros(len(genes) + 2, np.uint32)
    np.cumsum(counts, out=member_ptr[2:])
    return slot, member_ptr, set_of[order].astype(np.uint32)


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
        in_set=slot != 0,
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
