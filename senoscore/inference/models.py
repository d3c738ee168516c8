"""Linear contrasts of one value a sample: estimate, t interval, exact permutation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product
from math import comb, inf, nan
from typing import TYPE_CHECKING

import numpy as np

from senoscore.kernels import t_ppf, t_sf

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = [
    "Contrast",
    "Fit",
    "contrast",
    "counting",
    "counting_of_fractions",
    "effective_df",
    "estimable",
    "fit",
    "influence",
    "permutation",
    "sign_flips",
    "two_means",
    "widening",
]

_RANK_TOLERANCE = 1e-9
_MAX_SPLITS = 20_000
_NO_VARIATION = 1e-12
"""Residual norm, relative to the values, that rounding alone can leave."""


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
    """A linear combination of coefficients with its t interval; NaN where none can be had."""

    estimate: float
    se: float
    lo: float
    hi: float
    df: float
    statistic: float
    p: float


@dataclass(frozen=True)
class _Solved:
    """What a design says whatever the values are. The arrays are shared: never written to."""

    inverse: NDArray[np.float64]
    bread: NDArray[np.float64]
    rank: int


def _solved(X: NDArray[np.float64]) -> _Solved:
    """Pseudo-inverse of a design, made once: hundreds of measures are asked of one design."""
    return _of_bytes(np.ascontiguousarray(X, dtype=np.float64).tobytes(), X.shape)


@lru_cache(maxsize=256)
def _of_bytes(content: bytes, shape: tuple[int, int]) -> _Solved:
    X = np.frombuffer(content, dtype=np.float64).reshape(shape)
    inverse = np.asarray(np.linalg.pinv(X), dtype=np.float64)
    bread = inverse @ inverse.T
    for array in (inverse, bread):
        array.flags.writeable = False
    return _Solved(inverse, bread, int(np.linalg.matrix_rank(X)))


def fit(y: NDArray[np.float64], X: NDArray[np.float64]) -> Fit:
    """Fit; the minimum-norm solution where columns depend on each other.

    A residual that is rounding only counts as variance 0.
    """
    solved = _solved(X)
    coefficients = solved.inverse @ y
    df = len(y) - solved.rank
    residual = y - X @ coefficients
    scale = float(np.abs(y).max(initial=0.0))
    if float(np.abs(residual).max(initial=0.0)) <= _NO_VARIATION * scale:
        residual = np.zeros_like(residual)
    variance = float(residual @ residual / df) if df > 0 else nan
    return Fit(X, coefficients, solved.bread, df, variance)


def estimable(X: NDArray[np.float64], weights: NDArray[np.float64]) -> bool:
    """Whether a combination of coefficients is a combination of rows of ``X``."""
    projected = weights @ _solved(X).inverse @ X
    largest = max(1.0, float(np.abs(weights).max()))
    return bool(np.abs(projected - weights).max() <= _RANK_TOLERANCE * largest)


def influence(X: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each row contributes to a combination of coefficients, 0 where it adds nothing."""
    share: NDArray[np.float64] = weights @ _solved(X).inverse
    share[np.abs(share) <= _RANK_TOLERANCE * np.abs(share).max(initial=0.0)] = 0.0
    return share


def widening(
    X: NDArray[np.float64], weights: NDArray[np.float64], subject: NDArray[np.float64]
) -> float:
    r"""Factor, 1 or more, on the variance of an estimate whose model has no subjects.

    With :math:`V = (1-\rho) I + \rho Z Z'` the variance of the estimate :math:`a'y` and the
    expected residual variance are both linear in :math:`\rho` and nominal at 0, so their ratio is
    furthest from 1 at :math:`\rho = 1`:
    :math:`\frac{\sum_s (\sum_{i \in s} a_i)^2}{\sum_i a_i^2} \frac{\nu}{\mathrm{tr}(M Z Z')}`.
    Below 1, as for subjects in both groups of a difference, the interval errs on the wide side
    by itself.
    """
    share = influence(X, weights)
    residual = np.eye(len(X)) - X @ _solved(X).inverse
    estimate = float(((subject.T @ share) ** 2).sum() / (share @ share))
    expected = float(np.trace(residual @ subject @ subject.T) / np.trace(residual))
    return max(1.0, estimate / expected) if expected > _RANK_TOLERANCE else inf


def counting(
    X: NDArray[np.float64], weights: NDArray[np.float64], cells: NDArray[np.float64]
) -> float:
    r"""Variance of an estimate of arcsines of fractions if cells were drawn one by one.

    :math:`\sum_i a_i^2 / (4 n_i)`, with :math:`a_i` the share of sample i in the estimate
    (:func:`influence`). Animals that differ can only add to it. Where nearly every sample has no
    cell of a state, the residuals say less: they are nought but for a few.

    Parameters
    ----------
    X, weights
        Design and contrast.
    cells
        Cells that each fraction is of, shape (n,). A sample without any has no fraction: where it
        has a share, nothing is known.

    References
    ----------
    Anscombe 1948, Biometrika 35:246.
    """
    share = influence(X, weights)
    used = share != 0
    with np.errstate(divide="ignore"):
        return float((share[used] ** 2 / (4 * cells[used])).sum())


def counting_of_fractions(
    fractions: NDArray[np.float64], cells: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Variance of each plain fraction of a group if its cells were drawn one by one, shape (n,).

    :math:`p(1-p)/n_i` with :math:`p = (\sum k + 1/2) / (\sum n + 1)` of the group, which is never
    nought: that no cell was seen is no proof that there is none.
    """
    share = (float((fractions * cells).sum()) + 0.5) / (float(cells.sum()) + 1)
    return np.asarray(share * (1 - share) / cells)


def effective_df(X: NDArray[np.float64], subject: NDArray[np.float64], correlation: float) -> float:
    r"""Degrees of freedom of the residual variance where samples of a subject correlate.

    :math:`\mathrm{tr}(MV)^2 / \mathrm{tr}(MVMV)` (Box 1954, Ann Math Stat 25:290), nominal where
    every subject appears once.
    """
    residual = np.eye(len(X)) - X @ _solved(X).inverse
    resembling = (1 - correlation) * np.eye(len(X)) + correlation * subject @ subject.T
    product = residual @ resembling
    return float(np.trace(product) ** 2 / np.trace(product @ product))


def contrast(
    model: Fit, weights: NDArray[np.float64], *, alpha: float, df: float | None = None,
    factor: float = 1.0, least: float = 0.0,
) -> Contrast | None:  # fmt: skip
    """Estimate a linear combination of coefficients.

    Parameters
    ----------
    model
        As :func:`fit` gives it.
    weights
        One a coefficient.
    alpha
        1 - confidence of the interval.
    df
        Of the t reference, where it is not that of the residuals.
    factor
        On the variance of the estimate (:func:`widening`).
    least
        Variance of the estimate that cannot be undercut, whatever the residuals say: that of
        counting cells (:func:`counting`).

    Returns
    -------
    The contrast; None where the design cannot estimate it. Without degrees of freedom, or where
    the values do not vary within groups, it is an estimate alone.
    """
    if not estimable(model.X, weights):
        return None
    df = model.df if df is None else df
    estimate = float(weights @ model.coefficients)
    spread = factor * float(weights @ model.bread @ weights)
    se = float(np.sqrt(max(0.0, model.variance * spread)))
    if model.df < 1 or se == 0:
        return Contrast(estimate, se, nan, nan, df, nan, nan)
    se = max(se, float(np.sqrt(least)))
    half = float(t_ppf(1 - alpha / 2, df)) * se
    statistic = estimate / se
    p = float(2 * t_sf(abs(statistic), df))
    return Contrast(estimate, se, estimate - half, estimate + half, df, statistic, p)


def two_means(a: NDArray[np.float64], b: NDArray[np.float64], *, alpha: float) -> Contrast:
    """Difference of the means of two groups, each with a variance of its own (Welch 1947).

    NaN where a group has one value or neither varies.
    """
    estimate = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Contrast(estimate, nan, nan, nan, 0, nan, nan)
    parts = np.array([float(v.var(ddof=1)) / len(v) for v in (a, b)])
    se = float(np.sqrt(parts.sum()))
    df = len(a) + len(b) - 2.0
    if se <= _NO_VARIATION * max(float(np.abs(v).max()) for v in (a, b)):
        return Contrast(estimate, 0.0, nan, nan, df, nan, nan)
    df = float(parts.sum() ** 2 / (parts**2 / np.array([len(a) - 1, len(b) - 1])).sum())
    half, statistic = float(t_ppf(1 - alpha / 2, df)) * se, estimate / se
    p = float(2 * t_sf(abs(statistic), df))
    return Contrast(estimate, se, estimate - half, estimate + half, df, statistic, p)


@lru_cache(maxsize=16)
def _splits(n: int, n_a: int) -> NDArray[np.intp]:
    return np.array(list(combinations(range(n), n_a)), dtype=np.intp)


@lru_cache(maxsize=16)
def _signs(n: int) -> NDArray[np.float64]:
    return np.array(list(product((1.0, -1.0), repeat=n)))


def _share(distance: NDArray[np.float64], observed: float, scale: float) -> float:
    return float(np.mean(distance >= observed - _NO_VARIATION * max(observed, scale)))


def permutation(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Exact two-sided permutation test of the difference of means of two groups.

    All splits of the pooled values into groups of these sizes are enumerated.

    Returns
    -------
    p and its floor, the smallest p these group sizes can give; both NaN where there are more
    than 20,000 splits or a group is empty.
    """
    n, n_a = len(a) + len(b), len(a)
    if n_a == 0 or len(b) == 0 or comb(n, n_a) > _MAX_SPLITS:
        return nan, nan
    pooled = np.concatenate([a, b])
    splits = _splits(n, n_a)
    mean_a = pooled[splits].mean(axis=1)
    mean_b = (pooled.sum() - mean_a * n_a) / (n - n_a)
    observed = float(abs(a.mean() - b.mean()))
    p = _share(np.abs(mean_a - mean_b), observed, float(np.abs(pooled).max()))
    # Groups of equal size can be exchanged as a whole: the mirror image is as extreme.
    return p, (2 if 2 * n_a == n else 1) / len(splits)


def sign_flips(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Exact two-sided sign-flip test of the mean of paired differences.

    Returns
    -------
    p and its floor, 2 / 2^n; both NaN without pairs or above 14 pairs.
    """
    n = len(differences)
    if n == 0 or 2**n > _MAX_SPLITS:
        return nan, nan
    means = np.abs(_signs(n) @ differences) / n
    observed = float(abs(differences.mean()))
    return _share(means, observed, float(np.abs(differences).max())), 2 / 2**n
