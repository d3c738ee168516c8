"""A log-linear model of each column on one number a row, in one pass a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from senoscore.kernels.compiled import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["log_linear_slopes"]

_STEPS = 20
_NEAR = 1e-11
"""Newton's method, from the mean as start, mostly comes to rest within this after four steps."""


def log_linear_slopes(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope of the log of the mean of each column on x: quasi-Poisson, by Newton's method.

    Parameters
    ----------
    y
        Shape (n_rows, n_columns), 0 or more; NaN is left out.
    x
        Shape (n_rows,), finite.

    Returns
    -------
    Shape (n_columns,); 0 where y is 0 throughout, or x does not vary.
    """
    slope = np.zeros(y.shape[1])
    if y.size and x.std() > 0:
        _fit(np.ascontiguousarray(y, dtype=np.float64), np.asarray(x, dtype=np.float64), slope)
    return slope


@njit(cache=True, nogil=True)
def _fit(y, x, slope):  # type: ignore[no-untyped-def]
    n, m = y.shape
    level, usable = np.zeros(m), np.zeros(m, dtype=np.bool_)
    for j in range(m):
        total, known = 0.0, 0
        for i in range(n):
            if not np.isnan(y[i, j]):
                total += y[i, j]
                known += 1
        usable[j] = total > 0
        if usable[j]:
            level[j] = np.log(total / known)
    sums, part = np.zeros((m, 5)), np.zeros((m, 5))
    for _ in range(_STEPS):
        sums[:] = 0.0
        for start in range(0, n, 1024):  # in parts: a long sum would lose last bits
            part[:] = 0.0
            for i in range(start, min(start + 1024, n)):
                for j in range(m):
                    if usable[j] and not np.isnan(y[i, j]):
                        mean = np.exp(level[j] + slope[j] * x[i])
                        part[j, 0] += mean
                        part[j, 1] += mean * x[i]
                        part[j, 2] += mean * x[i] * x[i]
                        part[j, 3] += y[i, j] - mean
                        part[j, 4] += (y[i, j] - mean) * x[i]
            sums += part
        for j in range(m):
            if usable[j]:
                a, b, c, u, v = sums[j]
                size = a * c - b * b
                moved = 0.0
                if size > 0:  # not where the rows of this column have one x
                    level[j] += (c * u - b * v) / size
                    moved = (a * v - b * u) / size
                    slope[j] += moved
                usable[j] = abs(moved) > _NEAR
        if not usable.any():
            break
