"""Distinct values of one cell in descending order: the part all rank scores share.

A cell holds few distinct values: counts are small integers, and log-normalised counts are as
few. So nothing is sorted but the distinct values. Each stored value gets a *code*; code 0 is
the value zero, stored or not. Small counts are their own code (a histogram); larger counts and
floats go through a hash table of distinct values, whose entries are then sorted by radix.

A *group* is one distinct value with its number of genes. All scores are functions of the
groups in descending order, with the implicit zeros of the cell as one group among them.
"""

# Types inside the kernels are numba's to infer.
# mypy: disable-error-code="assignment"

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "BAD_DUPLICATE",
    "BAD_INDEX",
    "BAD_NOT_COUNT",
    "BAD_NOT_FINITE",
    "OK",
    "SMALL",
    "code_counts",
    "code_floats",
    "has_duplicates",
    "hash_size",
]

OK = 0
BAD_INDEX = 1
BAD_NOT_COUNT = 2
BAD_NOT_FINITE = 3
BAD_DUPLICATE = 4

SMALL = 256  # counts below this are their own code
_BITS = 11  # radix digit
_FEW = 48  # below this, insertion is faster than radix


def hash_size(longest_row: int) -> int:
    """Slots of the hash table for rows of this length: a power of two, at most half full."""
    return 1 << max(4, (2 * longest_row).bit_length())


@njit(cache=True, nogil=True, inline="always")
def _find(key, table, keys, n_keys, home, shift):  # type: ignore[no-untyped-def]
    """Position of a key among the distinct keys, which is appended if new.

    ``table`` holds position + 1 (0: free); ``home`` remembers the slots in use, so that they
    can be freed without clearing the whole table.
    """
    mask = np.uint64(len(table) - 1)
    slot = (key * np.uint64(0x9E3779B97F4A7C15)) >> shift
    while True:
        at = table[slot]
        if at == 0:
            table[slot] = n_keys + 1
            keys[n_keys] = key
            home[n_keys] = slot
            return np.int64(n_keys)
        if keys[np.uint64(at - 1)] == key:
            return np.int64(at - 1)
        slot = (slot + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def _free(table, home, n_keys):  # type: ignore[no-untyped-def]
    for i in range(n_keys):
        table[home[i]] = 0


@njit(cache=True, nogil=True)
def _sort_descending(keys, n, order, swap, bins):  # type: ignore[no-untyped-def]
    """Write the positions of ``keys[:n]`` into ``order``, largest key first."""
    if n <= _FEW:
        for i in range(n):
            key = keys[i]
            j = i
            while j > 0 and keys[order[j - 1]] < key:
                order[j] = order[j - 1]
                j -= 1
            order[j] = i
        return
    differ = np.uint64(0)
    for i in range(n):
        order[i] = i
        differ |= keys[i] ^ keys[0]
    digit = np.uint64((1 << _BITS) - 1)
    shift = np.uint64(0)
    while shift < np.uint64(64) and (differ >> shift) != 0:
        if (differ >> shift) & digit:
            bins[:] = 0
            for i in range(n):
                bins[digit - ((keys[i] >> shift) & digit)] += 1
            total = 0
            for b in range(len(bins)):
                here = bins[b]
                bins[b] = total
                total += here
            for i in range(n):
                at = order[i]
                b = digit - ((keys[at] >> shift) & digit)
                swap[bins[b]] = at
                bins[b] += 1
            for i in range(n):
                order[i] = swap[i]
        shift += np.uint64(_BITS)


@njit(cache=True, nogil=True)
def has_duplicates(indices, lo, hi, stamp, row):  # type: ignore[no-untyped-def]
    """Whether a gene is stored twice in a row; ``stamp`` (n_vars,) remembers the rows."""
    for k in range(lo, hi):
        if stamp[indices[k]] == row:
            return True
        stamp[indices[k]] = row
    return False


@njit(cache=True, nogil=True)
def code_counts(  # type: ignore[no-untyped-def]
    indices, data, lo, hi, n_vars, slot, hist, hit_slot, hit_code, group_code, group_n, work
):
    """Code the counts of one row and list its groups in descending order.

    Parameters
    ----------
    indices, data, lo, hi
        The row: genes (unsigned) and values at ``lo:hi``.
    slot
        Row of each gene in the membership lists, 0 for genes of no set; shape (n_vars + 1,).
    hist
        Zeroed counters, int32, shape (4 * SMALL,); zeroed again on return.
    hit_slot, hit_code
        Receive slot and code of each stored gene that belongs to a set.
    group_code, group_n
        Receive code and number of genes of each group; implicit zeros are counted in.
    work
        Scratch: (table, keys, home, count, order, swap, bins, shift).

    Returns
    -------
    Status, number of hits, number of groups, whether the indices ascend strictly.
    """
    table, keys, home, count, order, swap, bins, shift = work
    n_hits = np.uint64(0)
    n_keys = 0
    bad = False
    ascending = True
    before = np.int64(-1)
    end = np.uint64(n_vars)
    # Unsigned positions spare a test for negative ones at every access.
    for k in range(np.uint64(lo), np.uint64(hi)):
        gene = np.uint64(indices[k])
        if gene >= end:
            return BAD_INDEX, 0, 0, False
        ascending &= np.int64(gene) > before
        before = np.int64(gene)
        value = data[k]
        signed = np.int64(value)  # of NaN and infinity: some integer, which they do not equal
        bad |= signed != value or signed < 0
        code = np.uint64(signed)
        if code < np.uint64(SMALL):
            # Four counters a value: equal neighbours, the rule, need not wait for each other.
            hist[((k & np.uint64(3)) << np.uint64(8)) | code] += np.int32(1)
        else:
            at = _find(code, table, keys, n_keys, home, shift)
            if at == n_keys:
                n_keys += 1
                count[at] = 0
            count[at] += 1
            code = np.uint64(SMALL + at)
        here = slot[gene]
        hit_slot[n_hits] = here
        hit_code[n_hits] = code
        n_hits += np.uint64(here != 0)
    n_groups = 0
    if n_keys:
        _sort_descending(keys, n_keys, order, swap, bins)
        for i in range(n_keys):
            group_code[i] = SMALL + order[i]
            group_n[i] = count[order[i]]
        n_groups = n_keys
        _free(table, home, n_keys)
    stored = 0
    for i in range(n_groups):
        stored += group_n[i]
    for code in range(SMALL - 1, 0, -1):
        here = np.int64(0)
        for lane in range(4):
            here += hist[lane * SMALL + code]
        if here:
            group_code[n_groups] = code
            group_n[n_groups] = here
            n_groups += 1
            stored += here
    hist[:] = 0
    if stored < n_vars:
        group_code[n_groups] = 0
        group_n[n_groups] = n_vars - stored
        n_groups += 1
    return BAD_NOT_COUNT if bad else OK, np.int64(n_hits), n_groups, ascending


@njit(cache=True, nogil=True)
def code_floats(  # type: ignore[no-untyped-def]
    indices, bits, lo, hi, n_vars, slot, sign, infinite, hit_slot, hit_code, group_code, group_n,
    work,
):  # fmt: skip
    """Code the floats of one row and list its groups in descending order.

    As :func:`code_counts`, but for the bit patterns of IEEE floats (unsigned, 32 or 64 bits,
    with ``sign`` and ``infinite`` the patterns of the sign and of infinity). Patterns are made
    to ascend with the value, so negative values are ranked below zero.
    """
    table, keys, home, count, order, swap, bins, shift = work
    n_hits = np.uint64(0)
    n_keys = 0
    n_zero = n_vars - (hi - lo)
    bad = False
    ascending = True
    before = np.int64(-1)
    end = np.uint64(n_vars)
    everything = sign | (sign - np.uint64(1))
    for k in range(np.uint64(lo), np.uint64(hi)):
        gene = np.uint64(indices[k])
        if gene >= end:
            return BAD_INDEX, 0, 0, False
        ascending &= np.int64(gene) > before
        before = np.int64(gene)
        raw = np.uint64(bits[k])
        size = raw & (sign - np.uint64(1))
        bad |= size >= infinite
        if size == 0:
            n_zero += 1
            code = 0
        else:
            key = raw ^ everything if raw & sign else raw | sign
            at = _find(key, table, keys, n_keys, home, shift)
            if at == n_keys:
                n_keys += 1
                count[at] = 0
            count[at] += 1
            code = at + 1
        here = slot[gene]
        hit_slot[n_hits] = here
        hit_code[n_hits] = code
        n_hits += np.uint64(here != 0)
    _sort_descending(keys, n_keys, order, swap, bins)
    _free(table, home, n_keys)
    n_groups = 0
    zero_done = n_zero <= 0
    for i in range(n_keys):
        if not zero_done and keys[order[i]] < sign:
            group_code[n_groups] = 0
            group_n[n_groups] = n_zero
            n_groups += 1
            zero_done = True
        group_code[n_groups] = order[i] + 1
        group_n[n_groups] = count[order[i]]
        n_groups += 1
    if not zero_done:
        group_code[n_groups] = 0
        group_n[n_groups] = n_zero
        n_groups += 1
    return BAD_NOT_FINITE if bad else OK, np.int64(n_hits), n_groups, ascending
