"""The same fractions under count models: quasi-binomial and beta-binomial, beside the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import optimize, special

from senoscore import names as k
from senoscore.kernels import chi2_sf
from senoscore.study import ARM, controls_at, prepared, strata, takes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


__all__ = ["COLUMNS", "beta_binomial", "quasi_binomial", "sensitivity"]

COLUMNS: Final = (
    k.COMPARTMENT, "stratum", *ARM, k.DAYS, "model", "n_control", "n_treated",
    "log_odds_ratio", "statistic", "dispersion", "p", "status", "reason",
)  # fmt: skip
_STATE: Final = [*ARM, k.DAYS]
_MIN_BETA: Final = 6
_BOUNDS: Final = (-20.0, 3.0)
_RETURN: Final = "subjects come back: these models have no blocks"
_Counts = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


@takes(burden="sen.burden(adata)")
def sensitivity(burden: pd.DataFrame, *, control: str = k.CONTROL) -> pd.DataFrame:
    """Compare senescent fractions of irradiated and control samples under two count models.

    Not the default: see docs/statistics.md for how often each errs. Counts of a subject in one
    state are summed; batches are not modelled.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    control
        Treatment that means not irradiated.

    Returns
    -------
    Two rows for each compartment, arm and time: ``quasi_binomial`` (from 2 subjects a
    side, t reference, ``dispersion`` is Pearson's) and ``beta_binomial`` (from 6 a side,
    likelihood ratio, ``dispersion`` is the intraclass correlation); else not_testable with the
    reason.

    Examples
    --------
    >>> beside = sen.sensitivity(burden)
    >>> sorted(set(beside["model"]))
    ['beta_binomial', 'quasi_binomial']
    """
    table = prepared(burden, control=control)
    rows: list[dict[str, Any]] = []
    for compartment, whole in table.groupby(k.COMPARTMENT, sort=True, observed=True):
        for part in strata(whole, control=control):
            head = {k.COMPARTMENT: compartment, "stratum": part.name}
            counted = part.table[part.table["raw:fraction_senescent"].notna()]
            rows += [head | row for row in _rows(counted, control)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(own: pd.DataFrame, control: str) -> Iterator[dict[str, Any]]:
    counts = own.groupby([k.SUBJECT, *_STATE], dropna=False, observed=True)[
        ["n_called", "n_assessable"]
    ].sum()
    table = counts.reset_index()
    controls = table[table[k.TREATMENT] == control]
    treated = table[table[k.TREATMENT] != control]
    for key, group in treated.groupby(_STATE, dropna=False, sort=True, observed=True):
        base, _ = controls_at(controls, float(str(key[-1])))
        both = pd.concat([group, base], ignore_index=True)
        n = (len(group), len(both) - len(group))
        arm = (np.arange(len(both)) < len(group)).astype(float)
        data = (both["n_called"].to_numpy(float), both["n_assessable"].to_numpy(float), arm)
        row: dict[str, Any] = dict(zip(_STATE, key, strict=True))
        row |= {"n_treated": n[0], "n_control": n[1]}
        repeated = bool(both[k.SUBJECT].duplicated().any())
        for model, least in (("quasi_binomial", 2), ("beta_binomial", _MIN_BETA)):
            why = f"fewer than {least} subjects on a side" if min(n) < least else ""
            why = _RETURN if repeated else why
            if not why and min(data[0][arm == 1].sum(), data[0][arm == 0].sum()) == 0:
                why = "a side without a senescent cell: no odds ratio"
            fitted = quasi_binomial if least == 2 else beta_binomial
            numbers = {"status": k.NOT_TESTABLE} if why else fitted(data) | {"status": k.TESTED}
            yield row | {"model": model, "reason": why} | numbers


def quasi_binomial(data: _Counts) -> dict[str, float]:
    """Log odds ratio of two groups with Pearson's dispersion and a t reference.

    ``data``: successes, totals, and 1 for the treated. The counts enter as fractions with
    ``var_weights``: in the form with two columns statsmodels leaves the totals out of the
    dispersion.
    """
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    k_, n, arm = data
    X = np.column_stack([np.ones(len(arm)), arm])
    model = GLM(k_ / n, X, family=Binomial(), var_weights=n)
    found = model.fit(scale="X2", use_t=True)
    return {
        "log_odds_ratio": float(found.params[1]),
        "statistic": float(found.tvalues[1]),
        "dispersion": float(found.scale),
        "p": float(found.pvalues[1]),
    }


def beta_binomial(data: _Counts) -> dict[str, float]:
    """Log odds ratio of two groups by maximum likelihood, one intraclass correlation for both.

    ``data`` as in :func:`quasi_binomial`. The likelihood ratio is referred to chi-square with
    one degree of freedom.

    References
    ----------
    Crowder 1978, Appl Statist 27:34.
    """
    _, _, arm = data
    rate = (data[0].sum() + 0.5) / (data[1].sum() + 1)
    start = [float(special.logit(rate)), 0.0, -4.0]
    full = _best(lambda v: _minus_log(data, v[0] + v[1] * arm, v[2]), start, 3)
    null = _best(lambda v: _minus_log(data, v[0] + 0 * arm, v[1]), [start[0], -4.0], 2)
    ratio = max(0.0, 2 * (null.fun - full.fun))
    return {
        "log_odds_ratio": float(full.x[1]),
        "statistic": ratio,
        "dispersion": float(special.expit(full.x[2])),
        "p": float(chi2_sf(ratio, 1)),
    }


def _best(loss: Any, start: list[float], size: int) -> Any:
    bounds = [(-15.0, 15.0)] * (size - 1) + [_BOUNDS]
    # A flat likelihood near no overdispersion: two starts, the better one.
    fits = [
        optimize.minimize(loss, [*start[:-1], rho], bounds=bounds, method="L-BFGS-B", tol=1e-12)
        for rho in (-6.0, -2.0)
    ]
    return min(fits, key=lambda found: float(found.fun))


def _minus_log(data: _Counts, eta: NDArray[np.float64], logit_rho: float) -> float:
    k_, n, _ = data
    p, rho = special.expit(eta), special.expit(logit_rho)
    size = (1 - rho) / rho
    a, b = p * size, (1 - p) * size
    return -float(np.sum(special.betaln(k_ + a, n - k_ + b) - special.betaln(a, b)))
