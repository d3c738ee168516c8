"""Normal regression of values that are known between bounds: the t test where all are measured."""

from __future__ import annotations

from math import inf, log, nan
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import optimize, special

from senoscore.kernels import t_ppf, t_sf
from senoscore.questions.association import Association

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["FEWEST_MEASURED", "censored_contrast"]

FEWEST_MEASURED: Final = 3
"""Measured values below which no spread can be had."""
_STEPS: Final = 100
_CLOSE: Final = 1e-10
_FAR: Final = 60.0
"""Bounds of an effect are looked for up to so many standard deviations."""
_HALF_LOG_2PI: Final = 0.5 * log(2 * np.pi)
_TINY: Final = 1e-12
_LARGEST: Final = 300.0
"""Exponents beyond it would overflow far from the solution."""


def censored_contrast(
    lo: NDArray[np.float64], hi: NDArray[np.float64], group: NDArray[np.float64] | None = None, *,
    alpha: float = 0.05, interval: bool = True,
) -> Association:  # fmt: skip
    r"""Difference of two groups, or the mean of one, of values of which some are only bounded.

    Each value is normal about the mean of its group, with one variance for all. A measured value
    adds its density to the likelihood, one known to lie between two bounds (one of them may be
    infinite) the probability of lying there (Tobin 1958; Helsel 2012). The likelihood ratio
    :math:`\Lambda` of an effect is read as the t statistic that has it in a sample without bounds,
    :math:`t^2 = \nu (e^{\Lambda / n} - 1)` with :math:`\nu` the number of values less that of
    means: where all values are measured, estimate, interval and p are those of the t test.

    Parameters
    ----------
    lo, hi
        (n,) bounds of each value; equal where it was measured.
    group
        (n,) 0 or 1; None asks for the mean of all.
    alpha
        1 - confidence of the interval.
    interval
        Off: p and estimate only, in a twentieth of the time.

    Returns
    -------
    Mean of group 1 less that of group 0 (or the mean). Where a whole group is on one side of its
    limits there is a bound on the difference and no estimate: NaN, with one end of the interval
    infinite.

    References
    ----------
    Tobin 1958, Econometrica 26:24; Helsel 2012, Statistics for Censored Environmental Data, 2nd
    ed., ch. 9; Olsen 1978, Econometrica 46:1211 (the likelihood is concave in this form).
    """
    n = len(lo)
    x = np.ones(n) if group is None else group.astype(float)
    means = 1 if group is None else 2
    nu = n - means
    measured = lo == hi
    method = "t test" if measured.all() else "censored normal likelihood, t scale"
    if nu < 1 or (group is not None and not 0 < x.sum() < n):
        return Association(reason="fewer than 2 subjects a group")
    if measured.sum() < FEWEST_MEASURED and not measured.all():
        return Association(reason=f"fewer than {FEWEST_MEASURED} measured values")
    scale = _spread(lo, hi, x)
    if not scale > 0:
        return Association(reason="no variation between subjects")
    a, b = lo / scale, hi / scale
    best, top = _best(a, b, x, grouped=group is not None)

    def ratio(effect: float) -> float:
        return max(0.0, 2 * (top - _profile(a, b, x, effect, grouped=group is not None)))

    def as_t(effect: float) -> float:
        return float(np.sqrt(nu * np.expm1(ratio(effect) / n)))

    statistic = as_t(0.0)
    p = float(2 * t_sf(statistic, nu))
    if not interval:
        return Association(best * scale, nan, nan, float(np.sign(best) * statistic), p, method)
    cut = float(t_ppf(1 - alpha / 2, nu))
    bounds = []
    for sign in (-1.0, 1.0):
        far = best + sign * _FAR
        if as_t(far) <= cut:
            bounds.append(sign * inf)
            continue
        bounds.append(float(optimize.brentq(lambda e: as_t(e) - cut, best, far, xtol=1e-8)))
    estimate = nan if any(map(np.isinf, bounds)) else best * scale
    side = np.sign(best) * statistic
    return Association(estimate, bounds[0] * scale, bounds[1] * scale, float(side), p, method)


def _spread(lo: NDArray[np.float64], hi: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """Root mean square of measured values about their group's mean: the scale of the problem."""
    own = lo == hi
    y = lo[own]
    for level in (0.0, 1.0):
        mine = x[own] == level
        if mine.any():
            y = np.where(mine, y - lo[own][mine].mean(), y)
    within = float(np.sqrt(np.mean(y**2))) if len(y) else 0.0
    return within if within > _TINY * max(float(np.abs(lo[own]).max(initial=0.0)), 1.0) else 0.0


def _best(
    a: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64], *, grouped: bool
) -> tuple[float, float]:
    """Effect of the largest likelihood, and the likelihood there."""
    X = np.column_stack([np.ones(len(x)), x]) if grouped else x[:, None]
    theta, top = _climb(a, b, X)
    return float(theta[-2] / theta[-1]), top


def _profile(
    a: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64], effect: float, *,
    grouped: bool,
) -> float:  # fmt: skip
    """Largest likelihood with the effect fixed."""
    X = np.ones((len(x), 1)) if grouped else np.zeros((len(x), 0))
    return _climb(a - effect * x, b - effect * x, X)[1]


def _climb(
    a: NDArray[np.float64], b: NDArray[np.float64], X: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Newton's steps up the likelihood in means / sd and 1 / sd, in which it is concave."""
    own = a == b
    theta = np.zeros(X.shape[1] + 1)
    y = a[own]
    if X.shape[1]:
        theta[:-1] = np.linalg.pinv(X[own]) @ y
    theta[-1] = 1 / max(float(np.sqrt(np.mean((y - X[own] @ theta[:-1]) ** 2))), 1e-6)
    theta[:-1] *= theta[-1]
    value, gradient, curvature = _likelihood(theta, a, b, X, own)
    for _ in range(_STEPS):
        step = np.linalg.lstsq(curvature, -gradient, rcond=None)[0]
        size = 1.0
        while size > 1e-8:
            new = theta + size * step
            if new[-1] > 0:
                found = _likelihood(new, a, b, X, own)
                if found[0] >= value - _TINY:
                    break
            size /= 2
        else:
            break
        gain = found[0] - value
        theta, (value, gradient, curvature) = new, found
        if gain < _CLOSE and size == 1.0:
            break
    return theta, float(value)


def _log_density(z: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(-0.5 * np.where(there, z, 0.0) ** 2 - _HALF_LOG_2PI)


def _likelihood(
    theta: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64],
    X: NDArray[np.float64], own: NDArray[np.bool_],
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Log likelihood with gradient and curvature; the last of ``theta`` is 1 / sd."""
    g = theta[-1]
    Z = np.column_stack([-X[own], a[own]])  # residual / sd, as a sum over theta
    residual = Z @ theta
    value = own.sum() * (np.log(g) - _HALF_LOG_2PI) - 0.5 * residual @ residual
    gradient = -Z.T @ residual
    gradient[-1] += own.sum() / g
    curvature = -Z.T @ Z
    curvature[-1, -1] -= own.sum() / g**2
    rest = ~own
    if rest.any():
        ends = []
        for bound in (a[rest], b[rest]):
            finite = np.isfinite(bound)
            row = np.column_stack([-X[rest], np.where(finite, bound, 0.0)])
            ends.append((finite, np.where(finite, row @ theta, bound), row))
        (fa, za, ra), (fb, zb, rb) = ends
        # The side with the smaller tail, so that no probability far out is lost.
        flip = (za + zb) > 0
        low, high = np.where(flip, -zb, za), np.where(flip, -za, zb)
        log_low, log_high = special.log_ndtr(low), special.log_ndtr(high)
        log_p = log_high + np.log1p(-np.exp(np.minimum(log_low - log_high, -_TINY)))
        value += log_p.sum()
        da, db = (
            np.where(there, np.exp(np.minimum(_log_density(z, there) - log_p, _LARGEST)), 0.0)
            for there, z in ((fa, za), (fb, zb))
        )
        slope = db[:, None] * rb - da[:, None] * ra
        gradient = gradient + slope.sum(axis=0)
        ca, cb = np.where(fa, za, 0) * da, np.where(fb, zb, 0) * db
        curvature = curvature + (ra * ca[:, None]).T @ ra - (rb * cb[:, None]).T @ rb
        curvature = curvature - slope.T @ slope
    return float(value), gradient, curvature
