"""Association of two values of a subject: by rank within arms, or with the time to an event."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product
from math import factorial, nan, prod
from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.io import need_extra
from senoscore.kernels import chi2_isf, midranks, norm_ppf

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["FEWEST", "Association", "firth_cox", "rank_association"]

FEWEST: Final = 5
"""Subjects below which a rank correlation is not tested: of 4, no exact p is below 0.083."""
_MOST_EXACT: Final = 50_000
_DRAWN: Final = 9_999
_SEED: Final = 20261129
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Association:
    """One association with its interval; NaN where none can be had, with the reason."""

    estimate: float = nan
    lo: float = nan
    hi: float = nan
    statistic: float = nan
    p: float = nan
    method: str = ""
    reason: str = ""


def rank_association(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    strata: NDArray[np.int64],
    *,
    alpha: float = 0.05,
) -> Association:
    r"""Rank two values of a subject within its arm, and correlate the ranks over all arms.

    Ranks :math:`R` (means of tied ones) become :math:`R / (n_s + 1)`, centred within each stratum
    :math:`s` of :math:`n_s` subjects, so that a difference between arms is no association. With
    one stratum it is Spearman's rho.

    Parameters
    ----------
    x, y
        One finite value a subject.
    strata
        Arm of each subject, as a whole number.
    alpha
        1 - confidence of the interval.

    Returns
    -------
    Estimate from -1 to 1. ``p`` is two-sided, of all permutations within strata where there are
    at most 50,000, else of 9,999 drawn ones. The interval is Fisher's z with the variance of
    Bonett and Wright, :math:`(1 + r^2 / 2) / (n - S - 2)` for :math:`S` strata.

    References
    ----------
    Bonett & Wright 2000, Psychometrika 65:23; van Elteren 1960, Bull Int Stat Inst 37:351 (ranks
    over strata).
    """
    of, n = strata, len(x)
    n_strata = len(np.unique(of))
    if n - n_strata < FEWEST - 1:
        beside = f" in {n_strata} arms" if n_strata > 1 else ""
        return Association(reason=f"too few subjects: {n}{beside}, it takes {FEWEST} of one arm")
    a, b = _centred(x, of), _centred(y, of)
    size = float(np.sqrt((a @ a) * (b @ b)))
    if size <= _ROUNDING:
        return Association(reason="all subjects of an arm have the same value")
    estimate = float(np.clip(a @ b / size, -1.0, 1.0))
    estimate = 0.0 if abs(estimate) < _ROUNDING else estimate
    orders, exact = _orders(np.ascontiguousarray(of, dtype=np.int64).tobytes())
    beyond = np.abs(b[orders] @ a) >= abs(a @ b) - _ROUNDING * size
    p = float(beyond.mean()) if exact else float((beyond.sum() + 1) / (len(orders) + 1))
    name = "Spearman" if n_strata == 1 else "Spearman within arms"
    method = f"{name}, {'exact permutation' if exact else f'{_DRAWN} permutations'}"
    if abs(estimate) >= 1 - _ROUNDING:
        return Association(estimate, nan, nan, estimate, p, method)
    half = norm_ppf(1 - alpha / 2) * np.sqrt((1 + estimate**2 / 2) / (n - n_strata - 2))
    lo, hi = np.tanh(np.arctanh(estimate) + half * np.array([-1.0, 1.0]))
    return Association(estimate, float(lo), float(hi), estimate, p, method)


def _centred(values: NDArray[np.float64], of: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.zeros(len(values))
    for stratum in np.unique(of):
        own = of == stratum
        n = int(own.sum())
        out[own] = (midranks(values[own]) - (n + 1) / 2) / (n + 1)
    return out


@lru_cache(maxsize=16)
def _orders(strata: bytes) -> tuple[NDArray[np.intp], bool]:
    """Permutations of subjects within strata, one row each; whether that is all there are.

    Kept, since tens of measures are asked of the same subjects. The array is never written to.
    """
    of = np.frombuffer(strata, dtype=np.int64)
    groups = [np.flatnonzero(of == stratum) for stratum in np.unique(of)]
    if prod(factorial(min(len(g), 12)) for g in groups) <= _MOST_EXACT:
        orders = list(product(*(permutations(g) for g in groups)))
        index = np.empty((len(orders), len(of)), dtype=np.intp)
        for at, group in enumerate(groups):
            index[:, group] = [order[at] for order in orders]
        return index, True
    random = np.random.default_rng(_SEED)
    index = np.empty((_DRAWN, len(of)), dtype=np.intp)
    for group in groups:
        index[:, group] = random.permuted(np.tile(group, (_DRAWN, 1)), axis=1)
    return index, False


def firth_cox(
    time: NDArray[np.float64], event: NDArray[np.bool_], X: NDArray[np.float64], *,
    alpha: float = 0.05,
) -> Association:  # fmt: skip
    """Fit proportional hazards with Firth's penalty; the first column of ``X`` is asked about.

    Parameters
    ----------
    time
        (n,) time at risk, in one unit, above 0.
    event
        (n,) whether it ended with the event.
    X
        (n, p) covariates.
    alpha
        1 - confidence of the interval.

    Returns
    -------
    Hazard ratio of a step of 1 in the first covariate, with the interval of the profile penalised
    likelihood; the statistic and p of the penalised likelihood ratio (chi-squared, 1 degree of
    freedom). Ties are Breslow's. A covariate that parts those with from those without event has a
    finite estimate, unlike without the penalty.

    References
    ----------
    Heinze & Schemper 2001, Biometrics 57:114; Firth 1993, Biometrika 80:27.
    """
    need_extra("firthmodels", extra="outcome", what="Firth's Cox model of an outcome")
    from firthmodels import FirthCoxPH
    from numpy.linalg import LinAlgError

    method = "Cox, Firth's penalty, profile likelihood"
    if not np.ptp(X[:, 0]):
        return Association(reason="all subjects have the same value")
    with warnings.catch_warnings():
        # What does not converge is NaN below, and said.
        warnings.simplefilter("ignore")
        try:
            # Tables of tens of subjects: compiling would take longer than all their models.
            model = FirthCoxPH(backend="numpy", gtol=1e-6).fit(X, (event, time))
            model.lrt(0)
            lo, hi = model.conf_int(alpha=alpha, method="pl", features=[0])[0]
        except (LinAlgError, ValueError, FloatingPointError) as error:
            why = " ".join(str(error).split())[:120]
            return Association(reason=f"the model cannot be fitted ({why})")
    p = float(model.lrt_pvalues_[0])
    if not model.converged_ or not np.isfinite(p):
        return Association(reason="the model did not converge")
    ratio, lo, hi = np.exp([float(model.coef_[0]), float(lo), float(hi)])
    return Association(float(ratio), float(lo), float(hi), float(chi2_isf(p, 1)), p, method)
