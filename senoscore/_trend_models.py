"""Linear contrasts of one value a sample: estimate, t interval, exact permutation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Contrast", "Fit", "contrast", "fit", "permutation"]

_RANK_TOLERANCE = 1e-9
_MAX_SPLITS = 20_000


@dataclass(frozen=True)
class Fit:
    """Ordinary least squares of ``y`` (n,) on ``X`` (n, p), of any rank."""

    X: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    bread: NDArray[np.float64]
    df: int
    variance: float


@dataclass(frozen=True)
class Contrast:
    """A linear combination of coefficients with its t interval; NaN where df is 0."""

    estimate: float
    se: float
    lo: float
    hi: float
    df: int
    statistic: float
    p: float


def fit(y: NDArray[np.float64], X: NDArray[np.float64]) -> Fit:
    """Fit; the minimum-norm solution where columns depend on each other."""
    bread = np.linalg.pinv(X.T @ X)
    coefficients = bread @ X.T @ y
    rank = int(np.linalg.matrix_rank(X))
    df = len(y) - rank
    residual = y - X @ coefficients
    variance = float(residual @ residual / df) if df > 0 else np.nan
    return Fit(X, coefficients, bread, df, variance)


def contrast(model: Fit, weights: NDArray[np.float64], *, alpha: float) -> Contrast | None:
    """Estimate a linear combination of coefficients.

    Parameters
    ----------
    model
        As :func:`fit` gives it.
    weights
        One a coefficient.
    alpha
        1 - confidence of the interval.

    Returns
    -------
    The contrast; None where the design cannot estimate it (it is no combination of rows of X).
    """
    projected = weights @ np.linalg.pinv(model.X) @ model.X
    if np.abs(projected - weights).max() > _RANK_TOLERANCE * max(1.0, np.abs(weights).max()):
        return None
    estimate = float(weights @ model.coefficients)
    if model.df < 1:
        nan = float("nan")
        return Contrast(estimate, nan, nan, nan, 0, nan, nan)
    se = float(np.sqrt(max(0.0, model.variance * (weights @ model.bread @ weights))))
    half = float(stats.t.ppf(1 - alpha / 2, model.df)) * se
    if se == 0:
        return Contrast(estimate, se, estimate, estimate, model.df, float("nan"), float("nan"))
    statistic = estimate / se
    p = float(2 * stats.t.sf(abs(statistic), model.df))
    return Contrast(estimate, se, estimate - half, estimate + half, model.df, statistic, p)


def permutation(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Exact two-sided permutation test of the difference of means.

    All splits of the pooled values into groups of these sizes are enumerated.

    Returns
    -------
    p and its floor, the smallest p these group sizes can give; both NaN where there are more
    than 20,000 splits or a group is empty.
    """
    n, n_a = len(a) + len(b), len(a)
    if n_a == 0 or len(b) == 0 or comb(n, n_a) > _MAX_SPLITS:
        return float("nan"), float("nan")
    pooled = np.concatenate([a, b])
    splits = np.array(list(combinations(range(n), n_a)))
    mean_a = pooled[splits].mean(axis=1)
    mean_b = (pooled.sum() - mean_a * n_a) / (n - n_a)
    distance = np.abs(mean_a - mean_b)
    observed = abs(a.mean() - b.mean())
    p = float(np.mean(distance >= observed - 1e-12 * max(1.0, observed)))
    # Groups of equal size can be exchanged as a whole: the mirror image is as extreme.
    floor = (2 if 2 * n_a == n else 1) / len(splits)
    return p, floor
