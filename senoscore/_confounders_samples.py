"""Confounders at the level of samples: correlations, shifts of depth, shifts of composition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import stats

from senoscore import _keys as k
from senoscore._burden_controls import controls_at
from senoscore._trend_data import ARM, prepared, strata
from senoscore._trend_models import contrast, fit

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

__all__ = ["MAX_DEPTH_RATIO", "depth_shifts", "sample_level", "share_shifts"]

MAX_DEPTH_RATIO: Final = 1.5
"""Factor between median depths from which scores are not comparable: our own bound."""
_COVARIATES: Final = {
    "depth": "median_counts",
    "genes detected": "median_genes",
    "mitochondrial share": "median_pct_mt",
    "proliferation": "z:proliferation",
}
_MEASURES: Final = {"fraction": "fraction", "index": "index_mean"}
_GROUP: Final = [*ARM, k.DAYS]
_SPARE: Final = 4


def _parts(burden: pd.DataFrame, control: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    table = prepared(burden, control=control)
    for compartment, of in table.groupby(k.COMPARTMENT, sort=True):
        if compartment != k.UNASSIGNED:
            for part in strata(of, control=control):
                yield str(compartment), part.name, part.table[part.table["n_cells"] > 0]


def _subjects(of: pd.DataFrame, y: pd.Series) -> pd.DataFrame:
    """One value a subject and state: a second library of an animal is no second animal."""
    table = of[[k.SUBJECT, *_GROUP]].assign(y=y.to_numpy(dtype=float))
    table = table[np.isfinite(table["y"])]
    return table.groupby([k.SUBJECT, *_GROUP], dropna=False, as_index=False)["y"].mean()


def sample_level(burden: pd.DataFrame, *, control: str) -> Iterator[dict[str, Any]]:
    """Correlate fraction and index with covariates over samples, within groups of the design."""
    for compartment, stratum, of in _parts(burden, control):
        for measure, column in _MEASURES.items():
            for covariate, name in _COVARIATES.items():
                row: dict[str, Any] = {
                    "check": "samples", k.COMPARTMENT: compartment, "stratum": stratum,
                    "measure": measure, "covariate": covariate, "unit": "Spearman rho",
                }  # fmt: skip
                is_control = of[k.TREATMENT] == control
                row["n_control"] = of.loc[is_control, k.SUBJECT].nunique()
                row["n_treated"] = of.loc[~is_control, k.SUBJECT].nunique()
                if name not in of or column not in of:
                    yield row | {"status": "not_estimable", "reason": "not measured"}
                    continue
                yield row | _within(of, column, name)


def _within(of: pd.DataFrame, measure: str, covariate: str) -> dict[str, Any]:
    own = of[[*_GROUP, measure, covariate]].astype({measure: float, covariate: float})
    own = own.dropna(subset=[measure, covariate])
    groups = own.groupby(_GROUP, dropna=False)
    rest = own[[measure, covariate]] - groups[[measure, covariate]].transform("mean")
    spare = len(own) - groups.ngroups
    if spare < _SPARE:
        why = f"{len(own)} samples in {groups.ngroups} groups: {_SPARE} more samples are needed"
        return {"status": "not_estimable", "reason": why}
    x, y = rest[measure].to_numpy(), rest[covariate].to_numpy()
    if np.abs(x).max() < 1e-12 or np.abs(y).max() < 1e-12:
        return {"status": "not_estimable", "reason": "the samples do not vary"}
    rho = float(stats.spearmanr(x, y).statistic)
    # Each group mean takes a degree of freedom; scipy's own p would count all samples.
    t = rho * np.sqrt((spare - 1) / max(1e-12, 1 - rho**2))
    p = float(2 * stats.t.sf(abs(t), spare - 1))
    flag = "flag" if p < 0.05 else "ok"
    note = "travels with this covariate within groups" if flag == "flag" else ""
    return {"value": rho, "p": p, "flag": flag, "status": "ok", "note": note}


def _against_control(
    of: pd.DataFrame, y: pd.Series, *, control: str, alpha: float
) -> Iterator[dict[str, Any]]:
    """Difference of every arm and time from the controls, with t interval."""
    table = _subjects(of, y)
    base = table[table[k.TREATMENT] == control]
    treated = table[table[k.TREATMENT] != control]
    for key, mine in treated.groupby(_GROUP, dropna=False, sort=True):
        ours, _ = controls_at(base, float(str(key[-1])))
        row: dict[str, Any] = dict(zip(_GROUP, key, strict=True))
        row |= {"n_control": ours[k.SUBJECT].nunique(), "n_treated": mine[k.SUBJECT].nunique()}
        if ours.empty:
            yield row | {"status": "not_estimable", "reason": "no control sample"}
            continue
        value = float(mine["y"].mean() - ours["y"].mean())
        both = np.append(mine["y"], ours["y"])
        X = np.column_stack([np.arange(len(both)) < len(mine), np.ones(len(both))]).astype(float)
        found = contrast(fit(both, X), np.array([1.0, 0.0]), alpha=alpha)
        row |= {"value": value, "status": "ok"}
        if found is not None and min(len(mine), len(ours)) > 1:
            row |= {"lo": found.lo, "hi": found.hi}
        else:
            row["reason"] = "one sample on a side: no interval"
        yield row


def depth_shifts(burden: pd.DataFrame, *, control: str, alpha: float) -> Iterator[dict[str, Any]]:
    """Log2 ratio of the median depth of irradiated to control samples."""
    for compartment, stratum, of in _parts(burden, control):
        head = {
            "check": "depth_shift", k.COMPARTMENT: compartment, "stratum": stratum,
            "covariate": "depth", "unit": "log2 ratio",
        }  # fmt: skip
        if "median_counts" not in of or not of["median_counts"].gt(0).any():
            yield head | {"status": "not_estimable", "reason": "not measured"}
            continue
        own = of[of["median_counts"] > 0]
        y = own["median_counts"].astype(float).map(np.log2)
        for row in _against_control(own, y, control=control, alpha=alpha):
            shifted = abs(row.get("value", np.nan)) >= np.log2(MAX_DEPTH_RATIO)
            note = f"depth differs by a factor of {2 ** abs(row['value']):.2f}" if shifted else ""
            flag = "flag" if shifted else "ok" if row["status"] == "ok" else ""
            yield head | row | {"flag": flag, "note": note}


def share_shifts(burden: pd.DataFrame, *, control: str, alpha: float) -> Iterator[dict[str, Any]]:
    """Difference of the centred log ratio of each compartment's share.

    Counts enter with half a cell added, so that an absent compartment has a log ratio.

    References
    ----------
    Aitchison 1982, J R Stat Soc B 44:139 (centred log ratio).
    """
    own = burden[burden[k.COMPARTMENT].astype(str) != k.UNASSIGNED].reset_index(drop=True)
    # Of a sample with no cell at all nothing is known; of an absent compartment, that it is rare.
    total = own.groupby(k.SAMPLE)["n_cells"].transform("sum")
    own = own[(total > 0) & own["status"].ne("profile")].copy()
    if len(set(own[k.COMPARTMENT])) < 2:
        return
    log = own["n_cells"].astype(float).add(0.5).map(np.log)
    unit = [k.SAMPLE, "region"] if "region" in own else [k.SAMPLE]
    own["clr"] = log - log.groupby([own[name].fillna("") for name in unit]).transform("mean")
    table = prepared(own, control=control)
    for compartment, whole in table.groupby(k.COMPARTMENT, sort=True):
        for part in strata(whole, control=control):
            head = {
                "check": "share_shift", k.COMPARTMENT: compartment, "stratum": part.name,
                "covariate": "share", "unit": "CLR difference",
            }  # fmt: skip
            for row in _against_control(
                part.table, part.table["clr"], control=control, alpha=alpha
            ):
                lo, hi = row.get("lo", np.nan), row.get("hi", np.nan)
                outside = bool(lo > 0 or hi < 0)
                flag = "flag" if outside else "ok" if np.isfinite(lo) else ""
                note = "the share of this compartment changed" if outside else ""
                yield head | row | {"flag": flag, "note": note}
