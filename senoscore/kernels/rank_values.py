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

from senoscore.kernels.compiled import njit

__all__ = [
    "BAD_DUPLICATE",
    "BAD_INDEX",
    "BAD_NOT_COUNT",
    "BAD_NOT_FINITE",
    "N_COUNTERS",
    "OK",
    "SMALL",
    "code_counts",
    "code_floats",
    "find_hits",
    "has_duplicates",
    "hash_size",
    "scratch",
]

OK = 0
BAD_INDEX = 1
BAD_NOT_COUNT = 2
BAD_NOT_FINITE = 3
BAD_DUPLICATE = 4

SMALL = 256  # counts below this are their own code
_LANE = 320  # from one counter of a code to the next, above SMALL
N_COUNTERS = 4 * _LANE
_STRETCH = 64  # codes looked at together for large ones
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
def _check_genes(genes, n_vars):  # type: ignore[no-untyped-def]
    """Whether all genes of a row are within the matrix, and whether they ascend strictly."""
    largest = np.uint32(0)
    ascending = True
    for k in range(len(genes)):
        largest = max(largest, genes[k])
    for k in range(1, len(genes)):
        ascending &= genes[k] > genes[k - 1]
    return len(genes) == 0 or largest < n_vars, ascending


@njit(cache=True, nogil=True)
def has_duplicates(indices, lo, hi, stamp, row):  # type: ignore[no-untyped-def]
    """Whether a gene is stored twice in a row; ``stamp`` (n_vars,) remembers the rows."""
    for k in range(lo, hi):
        if stamp[indices[k]] == row:
            return True
        stamp[indices[k]] = row
    return False


@njit(cache=True, nogil=True)
def _code_small(values, codes):  # type: ignore[no-untyped-def]
    """Code small counts by themselves and all else, be it large or no count, by ``SMALL``."""
    for k in range(len(values)):
        value = values[k]
        # NaN is not inside, and what is inside can be made an integer.
        count = np.int32(value if (value >= 0) & (value < SMALL) else SMALL)
        codes[k] = np.uint32(count if count == value else SMALL)


@njit(cache=True, nogil=True)
def _code_known(values, codes):  # type: ignore[no-untyped-def]
    """Code values that are known to be counts as :func:`_code_small` does, in half the time."""
    large = values.dtype.type(SMALL)
    for k in range(np.uint64(len(values))):
        codes[k] = np.uint32(np.int32(min(values[k], large)))


@njit(cache=True, nogil=True)
def _count_small(codes, n, hist):  # type: ignore[no-untyped-def]
    """Count the codes up to ``SMALL``.

    Four counters a code, ``_LANE`` apart: equal neighbours, the rule, need not wait for each
    other. Unsigned positions spare a test for negative ones at every access.
    """
    k, n = np.uint64(0), np.uint64(n)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    lane = np.uint64(_LANE)
    while k + three < n:
        hist[np.uint64(codes[k])] += np.int32(1)
        hist[np.uint64(codes[k + one]) + lane] += np.int32(1)
        hist[np.uint64(codes[k + two]) + two * lane] += np.int32(1)
        hist[np.uint64(codes[k + three]) + three * lane] += np.int32(1)
        k += np.uint64(4)
    while k < n:
        hist[np.uint64(codes[k])] += np.int32(1)
        k += one


@njit(cache=True, nogil=True)
def _count_and_find(codes, genes, hist, in_set, hit):  # type: ignore[no-untyped-def]
    """Count the codes as :func:`_count_small`, and list the positions of genes in a set.

    Every position is written and the end moves on for hits only, which no processor
    mispredicts. One waits for memory while the other adds up: together they take little more
    than the longer of the two. Returns the number of hits.
    """
    n_hits = np.uint64(0)
    k, n = np.uint64(0), np.uint64(len(genes))
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    lane = np.uint64(_LANE)
    while k + three < n:
        a, b = np.uint64(in_set[genes[k]]), np.uint64(in_set[genes[k + one]])
        c, d = np.uint64(in_set[genes[k + two]]), np.uint64(in_set[genes[k + three]])
        hit[n_hits] = k
        hit[n_hits + a] = k + one
        hit[n_hits + a + b] = k + two
        hit[n_hits + a + b + c] = k + three
        n_hits += (a + b) + (c + d)
        hist[np.uint64(codes[k])] += np.int32(1)
        hist[np.uint64(codes[k + one]) + lane] += np.int32(1)
        hist[np.uint64(codes[k + two]) + two * lane] += np.int32(1)
        hist[np.uint64(codes[k + three]) + three * lane] += np.int32(1)
        k += np.uint64(4)
    while k < n:
        hit[n_hits] = k
        n_hits += np.uint64(in_set[genes[k]])
        hist[np.uint64(codes[k])] += np.int32(1)
        k += one
    return np.int64(n_hits)


@njit(cache=True, nogil=True)
def find_hits(genes, in_set, hit):  # type: ignore[no-untyped-def]
    """List the positions in a row of genes that belong to a set; return their number."""
    n_hits = np.uint64(0)
    for k in range(np.uint64(len(genes))):
        hit[n_hits] = k
        n_hits += np.uint64(in_set[genes[k]])
    return np.int64(n_hits)


@njit(cache=True, nogil=True)
def _list_small(hist, group_code, group_n, n_groups):  # type: ignore[no-untyped-def]
    """Append the groups of small counts, largest first; zero ``hist``; return their number."""
    two, three = 2 * _LANE, 3 * _LANE
    for code in range(SMALL):  # add the lanes up, many codes at a time
        hist[code] += hist[_LANE + code] + hist[two + code] + hist[three + code]
    n = np.uint64(n_groups)
    for code in range(np.uint64(SMALL - 1), np.uint64(0), -1):
        here = hist[code]  # written in any case: the end moves on for the counts that are there
        group_code[n] = code
        group_n[n] = here
        n += np.uint64(here != 0)
    hist[0] = 0
    for at in (SMALL, _LANE, _LANE + SMALL, two, two + SMALL, three, three + SMALL):
        hist[at] = 0
    for i in range(np.uint64(n_groups), n):
        code = group_code[i]
        hist[code] = hist[_LANE + code] = hist[two + code] = hist[three + code] = 0
    return np.int64(n)


@njit(cache=True, nogil=True)
def _list_large(values, work, group_code, group_n):  # type: ignore[no-untyped-def]
    """Give what is coded ``SMALL`` codes from there on, one a distinct value, and list them.

    Returns
    -------
    Number of groups, and whether one of the values is no count.
    """
    codes, table, keys, home, count, order, swap, bins, shift = work
    n_keys = 0
    bad = False
    for first in range(0, len(values), _STRETCH):
        last = min(first + _STRETCH, len(values))
        some = np.uint32(0)
        for code in codes[first:last]:  # large counts are rare: look at many at a time
            some = max(some, code)
        if some < SMALL:
            continue
        for k in range(first, last):
            if codes[k] != SMALL:
                continue
            value = values[k]
            signed = np.int64(value)  # of NaN and infinity: some integer, not equal to them
            bad |= signed != value or signed < 0
            at = _find(np.uint64(signed), table, keys, n_keys, home, shift)
            if at == n_keys:
                n_keys += 1
                count[at] = 0
            count[at] += 1
            codes[k] = np.uint32(SMALL + at)
    _sort_descending(keys, n_keys, order, swap, bins)
    for i in range(n_keys):
        group_code[i] = SMALL + order[i]
        group_n[i] = count[order[i]]
    _free(table, home, n_keys)
    return n_keys, bad


@njit(cache=True, nogil=True)
def code_counts(  # type: ignore[no-untyped-def]
    indices, data, lo, hi, n_vars, hist, group_code, group_n, work, checked, in_set, hit
):
    """Code the counts of one row and list its groups in descending order.

    Parameters
    ----------
    indices, data, lo, hi
        The row: genes (uint32) and values at ``lo:hi``.
    n_vars
        Genes of the matrix.
    hist
        Zeroed counters, int32, shape (N_COUNTERS,); zeroed again on return.
    group_code, group_n
        Receive code and number of genes of each group; implicit zeros are counted in.
    work
        From :func:`scratch`; the first of it receives the code of each stored value.
    checked
        Whether the row is known to hold counts of genes that are within and ascend.
    in_set, hit
        Which genes to list, and what receives their positions in the row; None to list none.

    Returns
    -------
    Status, number of groups, whether the indices ascend strictly, number of genes listed.
    """
    codes = work[0]
    genes, values = indices[lo:hi], data[lo:hi]
    ascending = True
    if checked:
        _code_known(values, codes)
    else:
        within, ascending = _check_genes(genes, n_vars)
        if not within:
            return BAD_INDEX, 0, False, 0
        _code_small(values, codes)
    n_hits = 0
    if in_set is None:
        _count_small(codes, hi - lo, hist)
    else:
        n_hits = _count_and_find(codes, genes, hist, in_set, hit)
    n_groups = 0
    bad = False
    if hist[SMALL] + hist[_LANE + SMALL] + hist[2 * _LANE + SMALL] + hist[3 * _LANE + SMALL]:
        n_groups, bad = _list_large(values, work, group_code, group_n)
    n_groups = _list_small(hist, group_code, group_n, n_groups)
    stored = 0
    for i in range(n_groups):
        stored += group_n[i]
    if stored < n_vars:
        group_code[n_groups] = 0
        group_n[n_groups] = n_vars - stored
        n_groups += 1
    return BAD_NOT_COUNT if bad else OK, n_groups, ascending, n_hits


@njit(cache=True, nogil=True)
def code_floats(  # type: ignore[no-untyped-def]
    indices, bits, lo, hi, n_vars, sign, infinite, group_code, group_n, work, checked
):
    """Code the floats of one row and list its groups in descending order.

    As :func:`code_counts`, but for the bit patterns of IEEE floats (unsigned, 32 or 64 bits,
    with ``sign`` and ``infinite`` the patterns of the sign and of infinity). Patterns are made
    to ascend with the value, so negative values are ranked below zero.
    """
    codes, table, keys, home, count, order, swap, bins, shift = work
    genes, patterns = indices[lo:hi], bits[lo:hi]
    ascending = True
    if not checked:
        within, ascending = _check_genes(genes, n_vars)
        if not within:
            return BAD_INDEX, 0, False
    n_keys = 0
    n_zero = n_vars - (hi - lo)
    bad = False
    everything = sign | (sign - np.uint64(1))
    for k in range(np.uint64(len(patterns))):
        raw = np.uint64(patterns[k])
        size = raw & (sign - np.uint64(1))
        bad |= size >= infinite
        if size == 0:
            n_zero += 1
            codes[k] = 0
        else:
            key = raw ^ everything if raw & sign else raw | sign
            at = _find(key, table, keys, n_keys, home, shift)
            if at == n_keys:
                n_keys += 1
                count[at] = 0
            count[at] += 1
            codes[k] = np.uint32(at + 1)
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
    return BAD_NOT_FINITE if bad else OK, n_groups, ascending


@njit(cache=True, nogil=True)
def scratch(longest, table_size):  # type: ignore[no-untyped-def]
    """Work space of the coding functions for rows of up to ``longest`` stored values.

    Returns
    -------
    Code of each value; table, keys, home, count, order, swap and bins of the distinct values
    that are hashed and sorted; and the shift that makes a slot of a hash.
    """
    shift = np.uint64(64)
    size = table_size
    while size > 1:
        size >>= 1
        shift -= np.uint64(1)
    return (
        np.empty(longest, np.uint32), np.zeros(table_size, np.int32),
        np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.int32),
        np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64),
        np.empty(longest + 1, np.int64), np.empty(2048, np.int64), shift,
    )  # fmt: skip
