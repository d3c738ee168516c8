"""How many animals a study of senescent shares needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import optimize

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.kernels import chi2_ppf, t_ppf
from senoscore.study import ARM, prepared, takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


__all__ = ["DESIGNS", "POWER_COLUMNS", "power", "spread_of"]

DESIGNS: Final = {
    # what is estimated: variance in animals' variances over n, degrees of freedom from n
    "two_arms": (2.0, lambda n: 2 * (n - 1)),
    "interaction": (4.0, lambda n: 4 * (n - 1)),
    "paired": (1.0, lambda n: n - 1),
}
"""Designs with n animals an arm: one arm against another; the interaction of a 2 x 2 study
(four arms); two regions or times of the same animals (n animals in all)."""

POWER_COLUMNS: Final = (
    "design", "animals_per_arm", "animals", "share_from", "share_to", "effect", "sd_animals",
    "sd_cells", "cells", "alpha", "power", "share_found", "share_found_above",
)  # fmt: skip
_ARMS: Final = {"two_arms": 2, "interaction": 4, "paired": 1}
_WANTED: Final = 0.8
_CALLED: Final = ("fraction_senescent", "fraction_acute")
_MOST: Final = 200


def power(
    share: float,
    to: float,
    *,
    sd: float,
    cells: float = 100,
    design: str = "two_arms",
    animals: Sequence[int] = (3, 4, 5, 6, 8, 10, 12, 16, 20),
    correlation: float = 0.5,
    alpha: float = 0.05,
) -> pd.DataFrame:
    r"""Reckon the power of a comparison of senescent shares between animals.

    Shares are compared as :math:`\arcsin\sqrt f`, as :func:`senoscore.trend` does, so that one
    standard deviation holds for all of them. With :math:`\delta` the difference on that scale,
    :math:`\sigma^2 = \sigma_a^2 + \frac{1}{4c}` the variance between animals and of the
    :math:`c` cells counted in each, and :math:`v` the variance of the contrast in units of
    :math:`\sigma^2/n`, the two-sided t test has the power of a noncentral t distribution with
    :math:`\delta/(\sigma\sqrt{v/n})` (Cohen, Statistical Power Analysis for the Behavioral
    Sciences, 1988, chapter 2).

    Parameters
    ----------
    share
        Share in one arm, 0..1, **as it is measured** (``fraction`` of the burden table): a call
        finds a part of the senescent cells.
    to
        Share in the other arm; for ``interaction``, the share that the drug leaves in irradiated
        animals where it does nothing in unirradiated ones; for ``paired``, the other region.
    sd
        Standard deviation between animals of an arm on the arcsine scale, without what is due
        to the number of cells: :func:`spread_of` a burden table, or about 0.03 to 0.08.
    cells
        Assessable cells of the compartment in a sample.
    design
        ``two_arms``, ``interaction`` or ``paired``.
    animals
        Animals an arm to reckon with, 2 or more each.
    correlation
        Of two regions or times of an animal, for ``paired``.
    alpha
        Two-sided error rate of one test; for several compartments at once, divide it.

    Returns
    -------
    One row a number of animals: ``animals_per_arm``, ``animals`` in all, ``effect`` (radians,
    arcsine), ``sd_animals`` and ``sd_cells`` (radians), ``power`` (0..1), ``share_found`` and
    ``share_found_above``: the nearest shares below and above ``share`` that would be told from it
    in 80 of 100 studies of that size (NaN where none would).

    Raises
    ------
    InputError
        A share, standard deviation, number of cells or of animals, correlation, alpha or design
        that cannot be.

    Examples
    --------
    >>> table = sen.power(0.02, 0.10, sd=0.05, cells=200, animals=[3, 4, 5, 6])
    >>> table[["animals_per_arm", "power"]].round(2)
       animals_per_arm  power
    0                3   0.77
    1                4   0.93
    2                5   0.98
    3                6   1.00
    """
    _check(share, to, sd=sd, cells=cells, correlation=correlation, alpha=alpha)
    if design not in DESIGNS:
        msg = f"design is {design!r}, expected {', '.join(DESIGNS)}"
        raise InputError(msg, fix="choose one of them")
    n = np.asarray(list(animals), dtype=float)
    if not n.size or (n < 2).any() or (n != np.floor(n)).any():
        msg = f"animals is {list(animals)}, expected whole numbers of 2 or more"
        raise InputError(msg, fix="one animal an arm says nothing of the others")
    variance, df = DESIGNS[design]
    cell = 1 / (4 * cells)
    sigma = np.sqrt(sd**2 + cell)
    if design == "paired":  # of the difference of two samples of an animal
        sigma = np.sqrt(2 * sd**2 * (1 - correlation) + 2 * cell)
    se = sigma * np.sqrt(variance / n)
    effect = _angle(to) - _angle(share)
    least = np.array([_least(d, alpha) for d in df(n)]) * se
    table = pd.DataFrame(
        {
            "design": design,
            "animals_per_arm": n.astype(int),
            "animals": (n * _ARMS[design]).astype(int),
            "share_from": share,
            "share_to": to,
            "effect": effect,
            "sd_animals": sd,
            "sd_cells": np.sqrt(cell),
            "cells": cells,
            "alpha": alpha,
            "power": _power(np.abs(effect) / se, df(n), alpha),
            "share_found": _share(_angle(share) - least),
            "share_found_above": _share(_angle(share) + least),
        }
    )
    return table[list(POWER_COLUMNS)]


def _check(share: float, to: float, **given: float) -> None:
    for name, value in (("share", share), ("to", to)):
        if not 0 <= value <= 1:
            msg = f"{name} is {value:g}, expected a share from 0 to 1"
            raise InputError(msg, fix="write 0.2 for 20 %")
    limits = {
        "sd": (0.0, np.pi / 2, "radians on the arcsine scale; see senoscore.spread_of"),
        "cells": (1.0, np.inf, "cells of the compartment in a sample"),
        "correlation": (0.0, 1.0, "of two samples of an animal"),
        "alpha": (1e-9, 0.5, "an error rate such as 0.05"),
    }
    for name, (low, high, what) in limits.items():
        if not low <= given[name] <= high:
            msg = f"{name} is {given[name]:g}, expected {low:g} to {high:g}"
            raise InputError(msg, fix=what)


def _angle(share: float) -> float:
    return float(np.arcsin(np.sqrt(share)))


def _share(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = (angle >= 0) & (angle <= np.pi / 2)
    return np.where(inside, np.sin(np.clip(angle, 0, np.pi / 2)) ** 2, np.nan)


def _power(
    shift: NDArray[np.float64], df: NDArray[np.float64], alpha: float
) -> NDArray[np.float64]:
    cut = t_ppf(1 - alpha / 2, df)
    # Far beyond its cut the distribution function is a NaN in places; the power is 1 there.
    from scipy import stats

    above, below = stats.nct.sf(cut, df, shift), stats.nct.cdf(-cut, df, shift)
    total = np.where(np.isnan(above), 1.0, above) + np.where(np.isnan(below), 0.0, below)
    return np.clip(total, 0.0, 1.0)


def _least(df: float, alpha: float) -> float:
    """Difference in standard errors that is found in 80 of 100 studies."""

    def short(shift: float) -> float:
        return float(_power(np.array(shift), np.array(df), alpha)) - _WANTED

    return float(optimize.brentq(short, 0.0, _MOST))


@takes(burden="sen.burden(adata)")
def spread_of(burden: pd.DataFrame, *, control: str = k.CONTROL) -> pd.DataFrame:
    r"""Estimate the spread between animals from a study that is there: a pilot.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    control
        Treatment that means not irradiated.

    Returns
    -------
    One row a compartment: ``n_groups`` (arms at a day with two subjects or more), ``df``,
    ``cells`` (median assessable cells a sample), ``sd_total`` (within groups, radians on the
    arcsine scale), ``sd_animals`` (less :math:`1/(4c)` of the cells counted; 0 where they explain
    all), ``sd_animals_hi`` (its upper 80 % confidence limit, to plan with: a pilot of few animals
    says little of their spread), and ``share`` (mean over irradiated samples).

    Raises
    ------
    InputError
        A column is missing.

    Examples
    --------
    >>> spread = sen.spread_of(burden).query("compartment == 'tumour'")
    >>> spread[["n_groups", "df"]]
       n_groups   df
    5         3  8.0
    """
    table = prepared(burden, control=control)
    rows = []
    for compartment, part in table.groupby(k.COMPARTMENT, sort=True, observed=True):
        value = part[list(_CALLED)].bfill(axis=1).iloc[:, 0]
        group = part.assign(y=value).dropna(subset=["y"])
        where = [k.SUBJECT, *ARM, k.DAYS, "region"]
        group[where] = group[where].fillna("")
        one = group.groupby(where, observed=True).agg(y=("y", "mean"), c=("n_assessable", "sum"))
        groups = one.groupby([*ARM, k.DAYS, "region"], observed=True)["y"]
        df = float((groups.size() - 1).sum())
        inside = one["y"] - groups.transform("mean")
        total = float((inside**2).sum() / df) if df else np.nan
        by_cells = float((1 / (4 * one["c"])).mean()) if len(one) else np.nan
        upper = total * df / chi2_ppf(0.2, df) if df else np.nan
        treated = part[k.TREATMENT].ne(control)
        rows.append(
            {
                k.COMPARTMENT: compartment,
                "n_groups": int((groups.size() > 1).sum()),
                "df": df,
                "cells": float(one["c"].median()) if len(one) else np.nan,
                "sd_total": np.sqrt(total),
                "sd_animals": np.sqrt(np.maximum(total - by_cells, 0)),
                "sd_animals_hi": np.sqrt(np.maximum(upper - by_cells, 0)),
                "share": float(np.nanmean(np.sin(value[treated]) ** 2))
                if value[treated].notna().any()
                else np.nan,
            }
        )
    return pd.DataFrame(rows)
