"""A score among the scores of random sets, row by row in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from senoscore.kernels.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["place_among"]


def place_among(
    score: NDArray[np.floating], random: NDArray[np.floating], equal: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return z and upper-tail p of scores among those of random sets.

    Parameters
    ----------
    score
        Shape (n_rows,); NaN has neither z nor p.
    random
        Shape (n_rows, n_sets), two sets at least.
    equal
        Numbers that differ by less than this part of the largest, or of 1, are equal: such a
        random score counts as at least as high, and sets that are all equal give no z.
    """
    z, p = np.full(len(score), np.nan), np.full(len(score), np.nan)
    values = np.asarray(random, dtype=np.float64)
    _place(np.asarray(score, dtype=np.float64), values, equal, np.empty(random.shape[1]), z, p)
    return z, p


@njit(cache=True, nogil=True)
def _summed(values):  # type: ignore[no-untyped-def]
    """Sum in eight strands, in the order in which numpy adds up as many numbers."""
    n = values.size
    if n < 8:
        total = 0.0
        for i in range(n):
            total += values[i]
        return total
    if n > 128:
        half = n // 2
        half -= half % 8
        return _summed(values[:half]) + _summed(values[half:])
    a, b, c, d = values[0], values[1], values[2], values[3]
    e, f, g, h = values[4], values[5], values[6], values[7]
    whole = n - n % 8
    for i in range(8, whole, 8):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        e += values[i + 4]
        f += values[i + 5]
        g += values[i + 6]
        h += values[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, n):
        total += values[i]
    return total


@njit(cache=True, nogil=True)
def _place(score, random, equal, squares, z, p):  # type: ignore[no-untyped-def]
    n = random.shape[1]
    for i in range(score.size):
        if not np.isfinite(score[i]):
            continue
        own = random[i]
        low, high = own[0], own[0]
        for j in range(n):
            low, high = min(low, own[j]), max(high, own[j])
        near = equal * max(abs(low), abs(high), abs(score[i]), 1.0)
        beaten, least = 0, score[i] - near
        for j in range(n):
            beaten += own[j] >= least
        p[i] = (1.0 + beaten) / (n + 1.0)
        if high - low > near:
            mean = _summed(own) / n
            for j in range(n):
                squares[j] = (own[j] - mean) * (own[j] - mean)
            z[i] = (score[i] - mean) / np.sqrt(_summed(squares) / (n - 1))
