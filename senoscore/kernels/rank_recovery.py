r"""Exact AUCell of cells whose zeros lie beyond the end of the recovery curve.

The area under the curve needs the ranks of the set genes that are ranked before the limit, and
no others. In a cell that expresses at least as many genes as the limit, no zero is among them,
so only stored set genes are visited. The rank of a gene is the number of genes of larger value,
plus the number of equal ones that come earlier in the order of ties: for the few values that
most genes share, from a bit set over the order; for the rest by comparing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["BIG", "N_BIG", "add_leads", "count_bits"]

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
def _choose_sets(group_code, group_n, n_groups, start, limit, way):  # type: ignore[no-untyped-def]
    """Decide for every code how its ties are ordered; return the number of bit sets in use.

    ``way``: -1 beyond the limit, 0 compared, -2 alone (nothing to order), else bit set + 1.
    """
    n_used = 0
    for i in range(n_groups):
        code = group_code[i]
        if start[code] + 1 >= limit:
            way[code] = -1
        elif group_n[i] == 1:
            way[code] = -2
        elif group_n[i] >= BIG and n_used < N_BIG:
            n_used += 1
            way[code] = n_used
        else:
            way[code] = 0
    return n_used


@njit(cache=True, nogil=True)
def add_leads(  # type: ignore[no-untyped-def]
    hit_slot, hit_code, n_hits, group_code, group_n, n_groups, start, limit,
    in_set, member_ptr, member_set, way, bits, before, rest_at, rest_code, found, lead,
):  # fmt: skip
    """Add ``limit - rank`` of every stored set gene that is ranked before the limit.

    Parameters
    ----------
    hit_slot, hit_code, n_hits
        Position + 1 in the order of ties (0: not ranked) and code of each stored gene.
    group_code, group_n, n_groups, start
        Groups in descending order, and by code the number of genes of larger value.
    limit
        Rank at which the curve ends; the cell expresses at least so many genes.
    in_set, member_ptr, member_set
        Whether the gene at each position is in a set (uint8), and its sets.
    way, bits, before, rest_at, rest_code, found
        Scratch: by code; (N_BIG, n_words) zeroed, and zeroed on return; (N_BIG, n_words);
        and three times one per stored gene and one more.
    lead
        float64 (n_sets,), added to.
    """
    one, six, low = np.uint64(1), np.uint64(6), np.uint64(63)
    n_used = _choose_sets(group_code, group_n, n_groups, start, limit, way)
    n_rest = np.uint64(0)
    n_found = np.uint64(0)
    for i in range(np.uint64(n_hits)):
        how = way[np.uint64(hit_code[i])]
        if how == -1 or hit_slot[i] == 0 or hit_code[i] == 0:
            continue
        at = np.uint64(hit_slot[i]) - one
        found[n_found] = i
        n_found += np.uint64(in_set[at])
        if how > 0:
            bits[np.uint64(how - 1), at >> six] |= one << (at & low)
        elif how == 0:
            rest_at[n_rest] = np.int64(at)
            rest_code[n_rest] = hit_code[i]
            n_rest += one
    for used in range(n_used):
        seen = 0
        for word in range(bits.shape[1]):
            before[used, word] = seen
            seen += count_bits(bits[used, word])
    for f in range(n_found):
        hit = np.uint64(found[f])
        at = np.uint64(hit_slot[hit]) - one
        how = way[np.uint64(hit_code[hit])]
        rank = start[np.uint64(hit_code[hit])] + 1
        if how > 0:
            ours, where = np.uint64(how - 1), at >> six
            ahead = bits[ours, where] & ((one << (at & low)) - one)
            rank += before[ours, where] + count_bits(ahead)
        elif how == 0:
            for r in range(n_rest):
                rank += rest_code[r] == hit_code[hit] and rest_at[r] < np.int64(at)
        if rank < limit:
            for q in range(member_ptr[at], member_ptr[at + one]):
                lead[member_set[q]] += limit - rank
    bits[:n_used] = np.uint64(0)
