"""Kernels of the mean-based scores: sums over CSR rows and columns, nothing densified.

Every kernel walks ``indptr, indices, data`` of a block of cells and knows arrays only.
Stored order inside a row does not matter and explicit zeros count as zeros; a column stored
twice in one row must have been summed before (the readers do).

Kernels release the GIL and work on the rows ``first`` to ``stop``; :func:`run_rows` spreads them
over threads. Rows do not depend on each other, so threads change nothing but the time.

``normalise`` is the one transform applied on the way: 0 takes the values as they are, any
other value is the target total ``T`` of ``log(1 + x T / sum_j x_j)``. It is evaluated per
stored value, because ``log(1 + 0) = 0`` keeps implicit zeros zero.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from senoscore.kernels.compiled import njit

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = [
    "TARGET_SUM",
    "add_counts",
    "add_detected",
    "add_gene_moments",
    "add_gene_sums",
    "lognormalise_rows",
    "longest_row",
    "row_sums",
    "run_rows",
]

TARGET_SUM = 10_000.0
"""Counts per cell after normalisation (the customary counts per ten thousand)."""

_CHUNK = 256  # rows a thread takes at a time
_LUT = 256  # counts below this share one logarithm per distinct value and cell


def run_rows(work: Callable[[int, int], None], n_rows: int, *, n_threads: int = 1) -> None:
    """Call ``work(first, stop)`` on all rows, in chunks over threads if there are several."""
    if n_threads <= 1 or n_rows <= _CHUNK:
        work(0, n_rows)
        return
    starts = range(0, n_rows, _CHUNK)
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(work, starts, (min(at + _CHUNK, n_rows) for at in starts)))


@njit(cache=True, nogil=True, inline="always")
def _row_total(data, lo, hi):  # type: ignore[no-untyped-def]
    """Add up a row; four sums at a time, or each addition waits for the one before."""
    a = b = c = d = 0.0
    k = lo
    while k + 3 < hi:
        a += data[k]
        b += data[k + 1]
        c += data[k + 2]
        d += data[k + 3]
        k += 4
    while k < hi:
        a += data[k]
        k += 1
    return (a + b) + (c + d)


@njit(cache=True, nogil=True)
def _row_scale(data, lo, hi, normalise):  # type: ignore[no-untyped-def]
    """Return what the values of a row are multiplied with before their logarithm is taken."""
    total = _row_total(data, lo, hi)
    return normalise / total if total > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _logarithms(data, lo, hi, scale, row, lut, stamp, out):  # type: ignore[no-untyped-def]
    """Write ``log(1 + x scale)`` of the values ``lo`` to ``hi`` of a row into ``out``.

    Counts repeat: two thirds of the stored values of a cell are ones. One logarithm per
    distinct small count and row replaces one per stored value; ``stamp`` says for which row
    an entry of ``lut`` was computed, so the table is never cleared.
    """
    for k in range(lo, hi):
        value = data[k]
        count = np.int64(value)
        if count == value and 0 <= count < _LUT:
            if stamp[count] != row:
                lut[count] = np.log1p(count * scale)
                stamp[count] = row
            out[k - lo] = lut[count]
        else:
            out[k - lo] = np.log1p(value * scale)


@njit(cache=True, nogil=True)
def _row_values(data, lo, hi, normalise, row, lut, stamp, out):  # type: ignore[no-untyped-def]
    """Write the values of one row as float64, normalised if asked, into ``out``."""
    if normalise == 0.0:
        for k in range(lo, hi):
            out[k - lo] = data[k]
    else:
        scale = _row_scale(data, lo, hi, normalise)
        _logarithms(data, lo, hi, scale, row, lut, stamp, out)


@njit(cache=True, nogil=True)
def _find_weighted(indices, lo, hi, has_weight, position):  # type: ignore[no-untyped-def]
    """List the positions in a row of genes with a weight; return their number.

    Every position is written and the end moves on for those with a weight only, which no
    processor mispredicts.
    """
    n = np.uint64(0)
    for k in range(np.uint64(lo), np.uint64(hi)):
        position[n] = k - np.uint64(lo)
        n += np.uint64(has_weight[np.uint64(indices[k])])
    return np.int64(n)


@njit(cache=True, nogil=True)
def longest_row(indptr, first, stop):  # type: ignore[no-untyped-def]
    """Return the most values stored in any of the rows ``first`` to ``stop``, at least 1."""
    longest = 1
    for i in range(first, stop):
        longest = max(longest, indptr[i + 1] - indptr[i])
    return longest


@njit(cache=True, nogil=True)
def lognormalise_rows(indptr, data, normalise, first, stop, out):  # type: ignore[no-untyped-def]
    """Log-normalise the stored values of the rows ``first`` to ``stop``.

    Parameters
    ----------
    indptr
        Row pointers, shape (n_rows + 1,).
    data
        Stored values, non-negative, shape (n_stored,).
    normalise
        Target total, or 0 to copy.
    first, stop
        Rows to do.
    out
        Float array of shape (n_stored,), written for these rows.
    """
    lut, stamp = np.empty(_LUT), np.full(_LUT, -1, np.int64)
    values = np.empty(longest_row(indptr, first, stop))
    for i in range(first, stop):
        lo, hi = indptr[i], indptr[i + 1]
        _row_values(data, lo, hi, normalise, i, lut, stamp, values)
        for k in range(lo, hi):
            out[k] = values[k - lo]


@njit(cache=True, nogil=True)
def add_counts(indices, data, total, n_detected):  # type: ignore[no-untyped-def]
    """Add integer column sums and detection counts of a block; exact, so order is free.

    Parameters
    ----------
    indices, data
        Column index and integer value of every stored entry.
    total, n_detected
        int64 accumulators of shape (n_vars,), updated in place.
    """
    for k in range(data.size):
        j = np.uint64(indices[k])
        total[j] += np.int64(data[k])
        n_detected[j] += data[k] != 0


@njit(cache=True, nogil=True)
def add_gene_moments(indptr, indices, data, normalise, moments, n_detected):  # type: ignore[no-untyped-def]
    r"""Add column sums, sums of squares and detection counts of a block of rows.

    Floating-point sums depend on their order, so the order is fixed: every gene adds its
    cells one by one, first to last, into the running total. The next block carries on where
    the last one stopped, hence the block size cannot change a bit, and one thread does the
    work (it runs at memory speed). This is also the order of ``scanpy.tl.score_genes``.

    Parameters
    ----------
    indptr, indices, data
        Block of rows in CSR form.
    normalise
        Target total, or 0 for values as they are.
    moments
        float64 accumulator, :math:`\sum_i x_{ij}` and :math:`\sum_i x_{ij}^2` side by side
        (one cache line a gene), shape (n_vars, 2).
    n_detected
        int64 accumulator, number of cells with :math:`x_{ij} \ne 0`, shape (n_vars,).
    """
    lut, stamp = np.empty(_LUT), np.full(_LUT, -1, np.int64)
    values = np.empty(longest_row(indptr, 0, indptr.size - 1))
    for i in range(indptr.size - 1):
        lo, hi = indptr[i], indptr[i + 1]
        _row_values(data, lo, hi, normalise, i, lut, stamp, values)
        for k in range(lo, hi):
            j = np.uint64(indices[k])
            value = values[k - lo]
            moments[j, 0] += value
            moments[j, 1] += value * value
            n_detected[j] += value != 0.0


@njit(cache=True, nogil=True)
def add_detected(indices, data, n_detected):  # type: ignore[no-untyped-def]
    """Add, for every gene, the cells of a block in which it is not zero.

    Parameters
    ----------
    indices, data
        Column index and value of every stored entry.
    n_detected
        int64 accumulator of shape (n_vars,), updated in place.
    """
    for k in range(data.size):
        n_detected[np.uint64(indices[k])] += data[k] != 0


@njit(cache=True, nogil=True)
def add_gene_sums(indptr, indices, data, normalise, total):  # type: ignore[no-untyped-def]
    """Add column sums of a block of rows: :func:`add_gene_moments` without the rest.

    Parameters
    ----------
    indptr, indices, data, normalise
        As there.
    total
        float64 accumulator, shape (n_vars,); the same bits as the first column of ``moments``.
    """
    lut, stamp = np.empty(_LUT), np.full(_LUT, -1, np.int64)
    values = np.empty(longest_row(indptr, 0, indptr.size - 1))
    for i in range(indptr.size - 1):
        lo, hi = indptr[i], indptr[i + 1]
        _row_values(data, lo, hi, normalise, i, lut, stamp, values)
        for k in range(lo, hi):
            total[np.uint64(indices[k])] += values[k - lo]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add_times_row(indices, lo, hi, values, times, acc):  # type: ignore[no-untyped-def]
    """Add ``sum_j x_j t_j`` of one row to ``acc``, four genes a step.

    Taking four genes at a time quarters the loads and stores of ``acc``; the genes are still
    added one by one in stored order, whatever the block or thread. ``contract`` lets the
    processor fuse a product and a sum, rounding once instead of twice, and allows nothing else
    (NaN and infinity keep their meaning).
    """
    n_sets = acc.size
    k = lo
    while k + 3 < hi:
        x0, x1 = values[k - lo], values[k - lo + 1]
        x2, x3 = values[k - lo + 2], values[k - lo + 3]
        t0, t1 = times[np.uint64(indices[k])], times[np.uint64(indices[k + 1])]
        t2, t3 = times[np.uint64(indices[k + 2])], times[np.uint64(indices[k + 3])]
        for p in range(n_sets):
            acc[p] = acc[p] + x0 * t0[p] + x1 * t1[p] + x2 * t2[p] + x3 * t3[p]
        k += 4
    while k < hi:
        x0, t0 = values[k - lo], times[np.uint64(indices[k])]
        for p in range(n_sets):
            acc[p] += x0 * t0[p]
        k += 1


@njit(cache=True, nogil=True)
def row_sums(  # type: ignore[no-untyped-def]
    indptr, indices, data, normalise, has_weight, gene_ptr, gene_set, gene_weight, times,
    first, stop, weighted, counted,
):  # fmt: skip
    r"""Row sums with weights :math:`\sum_j x_{ij} w_{jp}`, and times :math:`\sum_j x_{ij} t_{jp}`.

    Weights come as a list of sets per gene: best where most genes are in no or few sets, since a
    gene in no set costs one look. Times, how often a gene counts in a set, are a dense table of
    small integers: best where a gene belongs to many sets (control genes), since the loop runs
    over contiguous numbers and vectorises.

    Parameters
    ----------
    indptr, indices, data
        Block of rows in CSR form.
    normalise
        Target total, or 0 for values as they are.
    has_weight
        Whether a gene has any weight, shape (n_vars,).
    gene_ptr, gene_set, gene_weight
        CSR of the weights by gene: gene ``j`` has weight ``gene_weight[q]`` in set
        ``gene_set[q]`` for ``q`` in ``gene_ptr[j]:gene_ptr[j + 1]``.
    times
        int16, C order, shape (n_vars, n_counted); fastest where n_counted is a multiple of 32.
    first, stop
        Rows to do.
    weighted, counted
        float64, shapes (n_rows, n_sets) and (n_rows, n_counted), overwritten in these rows.
    """
    lut, stamp = np.empty(_LUT), np.full(_LUT, -1, np.int64)
    longest = longest_row(indptr, first, stop)
    values, position = np.empty(longest), np.empty(longest + 1, np.uint32)
    picked = np.empty(longest)
    by_weight, by_times = np.empty(weighted.shape[1]), np.empty(counted.shape[1])
    for i in range(first, stop):
        lo, hi = indptr[i], indptr[i + 1]
        n_weighted = _find_weighted(indices, lo, hi, has_weight, position)
        if by_times.size:
            _row_values(data, lo, hi, normalise, i, lut, stamp, values)
            for w in range(n_weighted):
                picked[w] = values[position[w]]
        else:  # few genes have a weight: only theirs are needed
            for w in range(n_weighted):
                picked[w] = data[lo + position[w]]
            if normalise != 0.0:
                scale = _row_scale(data, lo, hi, normalise)
                _logarithms(picked, 0, n_weighted, scale, i, lut, stamp, picked)
        by_weight[:] = 0.0
        for w in range(n_weighted):
            j = np.uint64(indices[lo + position[w]])
            value = picked[w]
            for q in range(gene_ptr[j], gene_ptr[j + np.uint64(1)]):
                by_weight[np.uint64(gene_set[q])] += value * gene_weight[q]
        weighted[i] = by_weight
        if by_times.size:
            by_times[:] = 0.0
            _add_times_row(indices, lo, hi, values, times, by_times)
            counted[i] = by_times
