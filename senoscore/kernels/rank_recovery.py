r"""Exact AUCell of cells whose zeros lie beyond the end of the recovery curve.

The area under the curve needs the ranks of the set genes that are ranked before the limit, and
no others. In a cell that expresses at least as many genes as the limit, no zero is among them,
so only stored set genes are visited. The rank of a gene is the number of genes of larger value,
plus the number of equal ones that come earlier in the order of ties: for the few values that
most genes share, from a bit set over the order; for the rest by comparing.
"""

# Types inside the kernels are numba's to infer.
# mypy: disable-error-code="assignment"

from __future__ import annotations

import numpy as np

from senoscore.kernels.compiled import njit
from senoscore.kernels.rank_values import SMALL

__all__ = ["BIG", "N_BIG", "add_leads", "count_bits", "recovery_scratch"]

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
