"""Rank scores with ties broken by position, number for number as two packages compute them.

``decoupler`` 2.x, AUCell: genes that no cell of the data set expresses are dropped, the rest is
put in the order of one shuffle with a fixed seed, and genes of equal value are ranked in that
order. ``gseapy`` 1.3.x, ssGSEA: genes of equal value are ranked by position, the last gene of
the matrix first, while their weights use the mean rank of the ties.

A rank is then the number of genes of larger value, plus the number of genes of equal value that
come earlier in the order. The stored genes of a cell are visited in that order with a bit set
over the positions; for a zero, the genes before it follow from the number of set bits.
"""

# Types inside the kernels are numba's to infer.
# mypy: disable-error-code="assignment"

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore.kernels.compiled import njit
from senoscore.kernels.rank import (
    aucell_limit,
    kernel_data,
    kernel_indices,
    largest_lead,
    run_chunks,
)
from senoscore.kernels.rank_values import (
    BAD_DUPLICATE,
    N_COUNTERS,
    OK,
    SMALL,
    code_counts,
    code_floats,
    has_duplicates,
    hash_size,
    scratch,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = [
    "BIG",
    "N_BIG",
    "OrdinalPlan",
    "add_leads",
    "count_bits",
    "plan_decoupler",
    "plan_gseapy",
    "recovery_scratch",
    "score_ordinal",
]

BIG = 48
"""Genes of equal value from which a bit set beats comparing."""
N_BIG = 8
"""Bit sets at hand; values beyond them are compared whatever their number."""


@njit(cache=True, nogil=True, inline="always")
def count_bits(word):  # type: ignore[no-untyped-def]
    """Count the set bits of a word."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def recovery_scratch(longest, n_ranked):  # type: ignore[no-untyped-def]
    """Work space of :func:`add_leads` for rows of up to ``longest`` stored values.

    Returns
    -------
    By code: lane, whether it is compared, whether it is ahead of the limit. Bit sets, one a
    lane, and the number of bits ahead of each word. Position and code of the genes to compare,
    and where in the row the genes of the sets are.
    """
    n_codes = longest + SMALL + 1
    n_words = (n_ranked >> 6) + 1
    return (
        np.zeros(n_codes, np.int64), np.zeros(n_codes, np.bool_), np.zeros(n_codes, np.bool_),
        np.zeros((N_BIG + 1, n_words), np.uint64), np.zeros((N_BIG, n_words), np.int64),
        np.empty(longest + 1, np.uint32), np.empty(longest + 1, np.uint32),
        np.empty(longest + 1, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _choose_lanes(  # type: ignore[no-untyped-def]
    group_code, group_n, n_groups, start, limit, lane, compared, ahead
):
    """Decide for every code how its ties are ordered; return the number of bit sets in use.

    A code with many genes gets a bit set of its own. All others share the last lane, which is
    written and never read: a branch would be mispredicted more often than that costs.
    """
    n_used = 0
    for i in range(n_groups):
        code = group_code[i]
        n = group_n[i]
        lane[code] = N_BIG
        compared[code] = False
        ahead[code] = start[code] + 1 < limit
        if not ahead[code] or n == 1:
            continue
        if n >= BIG and n_used < N_BIG:
            lane[code] = n_used
            n_used += 1
        else:
            compared[code] = True
    return n_used


@njit(cache=True, nogil=True)
def add_leads(  # type: ignore[no-untyped-def]
    genes, codes, place, group_code, group_n, n_groups, start, limit,
    in_set, member_ptr, member_set, work, lead,
):  # fmt: skip
    """Add ``limit - rank`` of every stored set gene that is ranked before the limit.

    Parameters
    ----------
    genes, codes
        Stored genes of a cell and the codes of their values.
    place
        Position of each gene in the order of ties, from 1; 0: not ranked, and zero.
    group_code, group_n, n_groups, start
        Groups in descending order, and by code the number of genes of larger value.
    limit
        Rank at which the curve ends; the cell expresses at least so many genes.
    in_set
        Whether each gene is in a set.
    member_ptr, member_set
        Sets of the gene at each position.
    work
        From :func:`recovery_scratch`; its bit sets are zero before and after.
    lead
        float64 (n_sets,), added to.
    """
    lane, compared, ahead, bits, before, rest_at, rest_code, found = work
    one, six, low = np.uint64(1), np.uint64(6), np.uint64(63)
    n_used = _choose_lanes(group_code, group_n, n_groups, start, limit, lane, compared, ahead)
    n_rest = np.uint64(0)
    n_found = np.uint64(0)
    for k in range(np.uint64(len(genes))):
        gene = genes[k]
        code = codes[k]
        at = np.uint64(place[gene])
        bits[np.uint64(lane[code]), at >> six] |= one << (at & low)
        rest_at[n_rest] = at
        rest_code[n_rest] = code
        n_rest += np.uint64(compared[code])
        found[n_found] = k
        n_found += np.uint64(in_set[gene] & ahead[code])
    for used in range(n_used):
        seen = 0
        for word in range(bits.shape[1]):
            before[used, word] = seen
            seen += count_bits(bits[used, word])
    for f in range(n_found):
        k = np.uint64(found[f])
        code = codes[k]
        at = np.uint64(place[genes[k]])
        rank = start[code] + 1
        if lane[code] != N_BIG:
            ours, where = np.uint64(lane[code]), at >> six
            sooner = bits[ours, where] & ((one << (at & low)) - one)
            rank += before[ours, where] + count_bits(sooner)
        elif compared[code]:
            for r in range(n_rest):
                rank += (rest_code[r] == code) & (rest_at[r] < at)
        if rank < limit:
            for q in range(member_ptr[at], member_ptr[at + one]):
                lead[member_set[q]] += limit - rank
    bits[:n_used] = np.uint64(0)


@dataclass(frozen=True)
class OrdinalPlan:
    """Sets and order of genes for :func:`score_ordinal`."""

    n_vars: int
    n_ranked: int
    place: NDArray[np.uint32]
    """Position of each gene in the order, from 1; 0: not ranked. Shape (n_vars,)."""
    set_ptr: NDArray[np.int64]
    set_place: NDArray[np.int64]
    """Positions of the ranked genes of each set."""
    in_set: NDArray[np.bool_]
    """Whether each gene is ranked and in a set, shape (n_vars,)."""
    member_ptr: NDArray[np.int64]
    member_set: NDArray[np.int64]
    """Sets of the gene at each position."""
    is_ssgsea: bool
    limit: int
    max_lead: NDArray[np.float64]
    empty_is_nan: bool


def _ordinal_plan(
    indptr: NDArray[np.integer],
    gene_idx: NDArray[np.integer],
    order: NDArray[np.integer],
    n_vars: int,
    *,
    is_ssgsea: bool,
) -> OrdinalPlan:
    place = np.zeros(n_vars, np.uint32)
    place[order] = np.arange(1, len(order) + 1)
    at = place[gene_idx].astype(np.int64)
    ranked = at > 0
    set_of = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))[ranked]
    by_place = np.argsort(at[ranked], kind="stable")
    n_members = np.bincount(at[ranked], minlength=len(order) + 1)
    in_set = np.zeros(n_vars, np.bool_)
    in_set[gene_idx[ranked]] = True
    size = np.bincount(set_of, minlength=len(indptr) - 1)
    limit = aucell_limit(len(order))
    return OrdinalPlan(
        n_vars,
        len(order),
        place,
        np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
        at[ranked],
        in_set,
        np.concatenate([[0], np.cumsum(n_members)]).astype(np.int64),
        set_of[by_place],
        is_ssgsea,
        limit,
        largest_lead(size, limit),
        not is_ssgsea,
    )


def plan_decoupler(
    indptr: NDArray[np.integer],
    gene_idx: NDArray[np.integer],
    n_vars: int,
    expressed: NDArray[np.bool_],
) -> OrdinalPlan:
    """Prepare AUCell as decoupler 2.0 to 2.3 computes it for an AnnData in memory.

    Parameters
    ----------
    indptr, gene_idx
        Genes of each set in CSR form.
    n_vars
        Genes of the matrix.
    expressed
        Whether any cell of the data set has the gene, shape (n_vars,).
    """
    genes = np.flatnonzero(expressed)
    order = genes[np.random.default_rng(0).choice(len(genes), len(genes), replace=False)]
    return _ordinal_plan(indptr, gene_idx, order, n_vars, is_ssgsea=False)


def plan_gseapy(
    indptr: NDArray[np.integer], gene_idx: NDArray[np.integer], n_vars: int
) -> OrdinalPlan:
    """Prepare ssGSEA as gseapy 1.3 computes ``ES`` (rank normalisation, weight 0.25)."""
    return _ordinal_plan(indptr, gene_idx, np.arange(n_vars)[::-1], n_vars, is_ssgsea=True)


@njit(cache=True, nogil=True)
def _rank_stored(  # type: ignore[no-untyped-def]
    genes, codes, place, start, bits, before, code_at, rank_at
):
    """Rank the stored genes of one cell in order of position within equal values.

    ``start`` holds the genes ahead of each group and is used up; ``before`` receives the number
    of stored genes ahead of each word of the bit set, ``rank_at`` the rank at each position.
    """
    one = np.uint64(1)
    six = np.uint64(6)
    for k in range(np.uint64(len(genes))):
        at = np.uint64(place[genes[k]])
        if codes[k] != 0 and at != 0:
            bits[at >> six] |= one << (at & np.uint64(63))
            code_at[at] = codes[k]
    seen = 0
    for word in range(np.uint64(len(bits))):
        before[word] = seen
        left = bits[word]
        while left != 0:
            lowest = left & (~left + one)
            at = (word << six) + np.uint64(count_bits(lowest - one))
            code = np.uint64(code_at[at])
            start[code] += 1
            rank_at[at] = start[code]
            seen += 1
            left ^= lowest


@njit(cache=True, nogil=True)
def _finish_row(  # type: ignore[no-untyped-def]
    set_ptr, set_place, bits, before, code_at, rank_at, zero_ahead, weight, n_ranked,
    is_ssgsea, limit, max_lead, out,
):  # fmt: skip
    for s in range(len(set_ptr) - 1):
        n = set_ptr[s + 1] - set_ptr[s]
        lead = 0.0
        weights = 0.0
        weighted = 0.0
        for q in range(set_ptr[s], set_ptr[s + 1]):
            at = set_place[q]
            word = bits[at >> 6]
            bit = np.uint64(1) << np.uint64(at & 63)
            if word & bit:
                rank = rank_at[at]
                code = code_at[at]
            else:
                rank = zero_ahead + at - before[at >> 6] - count_bits(word & (bit - np.uint64(1)))
                code = 0
            if is_ssgsea:
                behind = float(n_ranked + 1 - rank)
                weights += weight[code]
                weighted += weight[code] * behind
                lead += behind
            elif rank < limit:
                lead += limit - rank
        if n == 0:
            out[s] = np.nan
        elif not is_ssgsea:
            out[s] = lead / max_lead[s] if max_lead[s] > 0 else np.nan
        elif n == n_ranked:
            out[s] = np.nan
        else:
            everything = 0.5 * n_ranked * (n_ranked + 1.0)
            out[s] = weighted / weights - (everything - lead) / (n_ranked - n)


@njit(cache=True, nogil=True)
def _ordinal_rows(  # type: ignore[no-untyped-def]
    indptr, indices, data, first, last, sign, infinite, place, n_ranked, set_ptr,
    set_place, in_set, member_ptr, member_set, is_ssgsea, limit, max_lead, empty_is_nan,
    table_size, out,
):  # fmt: skip
    """Score rows ``first:last``; returns (status, row) of the first bad row, or (0, -1)."""
    n_vars = len(place)
    longest = 1
    for row in range(first, last):
        longest = max(longest, indptr[row + 1] - indptr[row])
    hist = np.zeros(N_COUNTERS, np.int32)
    group_code = np.empty(longest + SMALL + 1, np.int64)
    group_n = np.empty(longest + SMALL + 1, np.int64)
    work = scratch(longest, table_size)
    stamp = np.full(n_vars, -1, np.int64)
    start = np.zeros(longest + SMALL + 1, np.int64)
    weight = np.zeros(longest + SMALL + 1)
    bits = np.zeros((n_ranked >> 6) + 1, np.uint64)
    before = np.zeros(len(bits), np.int64)
    code_at = np.zeros(n_ranked + 1, np.uint32)
    rank_at = np.zeros(n_ranked + 1, np.int64)
    recovery = recovery_scratch(longest, n_ranked)
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
                False,  # noqa: FBT003
            )
        else:
            status, n_groups, ascending, _ = code_counts(
                indices,
                data,
                lo,
                hi,
                n_vars,
                hist,
                group_code,
                group_n,
                work,
                False,  # noqa: FBT003
                None,
                None,
            )
        if status != OK:
            return status, row
        if not ascending and has_duplicates(indices, lo, hi, stamp, row):
            return BAD_DUPLICATE, row
        greater = 0
        zero_ahead = n_ranked
        n_zero = 0
        for i in range(n_groups):
            n = group_n[i]
            if group_code[i] == 0:
                n -= n_vars - n_ranked
                zero_ahead = greater
                n_zero = n
            start[group_code[i]] = greater
            if is_ssgsea:
                mean_rank = n_ranked - greater - 0.5 * (n - 1)
                weight[group_code[i]] = np.sqrt(np.sqrt(1e4 * mean_rank / n_ranked))
            greater += n
        if not is_ssgsea and zero_ahead + 1 >= limit:
            for s in range(len(max_lead)):
                out[row, s] = 0.0
            add_leads(
                indices[lo:hi], work[0], place, group_code, group_n, n_groups, start, limit,
                in_set, member_ptr, member_set, recovery, out[row],
            )  # fmt: skip
            for s in range(len(max_lead)):
                out[row, s] = out[row, s] / max_lead[s] if max_lead[s] > 0 else np.nan
            continue
        bits[:] = 0
        _rank_stored(indices[lo:hi], work[0], place, start, bits, before, code_at, rank_at)
        if empty_is_nan and n_zero == n_ranked:
            out[row] = np.nan
            continue
        _finish_row(
            set_ptr, set_place, bits, before, code_at, rank_at, zero_ahead, weight, n_ranked,
            is_ssgsea, limit, max_lead, out[row],
        )  # fmt: skip
    return OK, -1


def score_ordinal(
    plan: OrdinalPlan,
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    data: NDArray[Any],
    *,
    counts: bool,
    n_threads: int = 1,
    first_row: int = 0,
) -> NDArray[np.float64]:
    """Score one block of cells with ties broken by position.

    Parameters
    ----------
    plan
        From :func:`plan_decoupler` or :func:`plan_gseapy`.
    indptr, indices, data, counts, n_threads, first_row
        As in :func:`senoscore.kernels.rank.score_ranks`.

    Returns
    -------
    Scores, shape (n_rows, n_sets). NaN where no gene of a set is ranked; for ssGSEA also where
    all are, for AUCell also in empty cells, which decoupler leaves out.

    Raises
    ------
    InputError
        As in :func:`senoscore.kernels.rank.score_ranks`.
    """
    indptr = np.asarray(indptr, dtype=np.int64)
    n_rows = len(indptr) - 1
    out = np.empty((n_rows, len(plan.set_ptr) - 1))
    if n_rows == 0:
        return out
    values, sign, infinite = kernel_data(data, counts=counts)
    genes = kernel_indices(indices)
    table_size = hash_size(int(np.diff(indptr).max()))

    def work(first: int, last: int) -> tuple[int, int]:
        return _ordinal_rows(
            indptr, genes, values, first, last, sign, infinite,
            plan.place, plan.n_ranked, plan.set_ptr, plan.set_place, plan.in_set, plan.member_ptr,
            plan.member_set, plan.is_ssgsea, plan.limit, plan.max_lead, plan.empty_is_nan,
            table_size, out,
        )  # fmt: skip

    run_chunks(work, n_rows, n_threads, first_row)
    return out
