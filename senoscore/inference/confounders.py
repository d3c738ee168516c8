"""What else could have made the difference: depth, mitochondria, cell cycle, composition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.inference.burden import cells_of
from senoscore.inference.models import contrast, fit
from senoscore.io import flags
from senoscore.kernels import midranks, t_sf
from senoscore.study import ARM, controls_at, plain, prepared, strata, takes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray


__all__ = [
    "CONFOUNDER_COLUMNS",
    "MAX_DEPTH_RATIO",
    "confounders",
    "depth_shifts",
    "sample_level",
    "share_shifts",
]

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
_TIED: Final = 10
"""Decimals, of the largest residual, from which two are tied."""


def _parts(burden: pd.DataFrame, control: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    table = prepared(burden, control=control)
    for compartment, group in table.groupby(k.COMPARTMENT, sort=True, observed=True):
        if compartment != k.UNASSIGNED:
            for part in strata(group, control=control):
                yield str(compartment), part.name, part.table[part.table["n_cells"] > 0]


def _subjects(group: pd.DataFrame, y: pd.Series) -> pd.DataFrame:
    """One value a subject and state: a second library of an animal is no second animal."""
    table = group[[k.SUBJECT, *_GROUP]].assign(y=y.to_numpy(dtype=float))
    table = table[np.isfinite(table["y"])]
    return table.groupby([k.SUBJECT, *_GROUP], dropna=False, as_index=False, observed=True)[
        "y"
    ].mean()


def sample_level(burden: pd.DataFrame, *, control: str) -> Iterator[dict[str, Any]]:
    """Correlate fraction and index with covariates over samples, within groups of the design."""
    for compartment, stratum, group in _parts(burden, control):
        for measure, column in _MEASURES.items():
            for covariate, name in _COVARIATES.items():
                row: dict[str, Any] = {
                    "check": "samples", k.COMPARTMENT: compartment, "stratum": stratum,
                    "measure": measure, "covariate": covariate, "unit": "Spearman rho",
                }  # fmt: skip
                is_control = group[k.TREATMENT] == control
                row["n_control"] = group.loc[is_control, k.SUBJECT].nunique()
                row["n_treated"] = group.loc[~is_control, k.SUBJECT].nunique()
                if name not in group or column not in group:
                    yield row | {"status": k.NOT_ESTIMABLE, "reason": "not measured"}
                    continue
                yield row | _within(group, column, name)


def _within(group: pd.DataFrame, measure: str, covariate: str) -> dict[str, Any]:
    pairs = group[[*_GROUP, measure, covariate]].astype({measure: float, covariate: float})
    pairs = pairs.dropna(subset=[measure, covariate])
    groups = pairs.groupby(_GROUP, dropna=False, observed=True)
    rest = pairs[[measure, covariate]] - groups[[measure, covariate]].transform("mean")
    spare = len(pairs) - groups.ngroups
    if spare < _SPARE:
        why = f"{len(pairs)} samples in {groups.ngroups} groups: {_SPARE} more samples are needed"
        return {"status": k.NOT_ESTIMABLE, "reason": why}
    x, y = rest[measure].to_numpy(), rest[covariate].to_numpy()
    if np.abs(x).max() < 1e-12 or np.abs(y).max() < 1e-12:
        return {"status": k.NOT_ESTIMABLE, "reason": "the samples do not vary"}
    # Equal samples of a group leave residuals that rounding alone would rank, one way or another
    # by the order of the rows.
    x, y = (np.round(side / np.abs(side).max(), _TIED) for side in (x, y))
    rho = float(np.corrcoef(midranks(x), midranks(y))[0, 1])
    # Each group mean takes a degree of freedom; scipy's own p would count all samples.
    t = rho * np.sqrt((spare - 1) / max(1e-12, 1 - rho**2))
    p = float(2 * t_sf(abs(t), spare - 1))
    flag = "flag" if p < 0.05 else "ok"
    note = "travels with this covariate within groups" if flag == "flag" else ""
    return {"value": rho, "p": p, "flag": flag, "status": "ok", "note": note}


def _against_control(
    group: pd.DataFrame, y: pd.Series, *, control: str, alpha: float
) -> Iterator[dict[str, Any]]:
    """Difference of every arm and time from the controls, with t interval."""
    table = _subjects(group, y)
    base = table[table[k.TREATMENT] == control]
    treated = table[table[k.TREATMENT] != control]
    for key, of_group in treated.groupby(_GROUP, dropna=False, sort=True, observed=True):
        ours, _ = controls_at(base, float(str(key[-1])))
        row: dict[str, Any] = dict(zip(_GROUP, key, strict=True))
        row |= {"n_control": ours[k.SUBJECT].nunique(), "n_treated": of_group[k.SUBJECT].nunique()}
        if ours.empty:
            yield row | {"status": k.NOT_ESTIMABLE, "reason": "no control sample"}
            continue
        value = float(of_group["y"].mean() - ours["y"].mean())
        both = np.append(of_group["y"], ours["y"])
        X = np.column_stack([np.arange(len(both)) < len(of_group), np.ones(len(both))]).astype(
            float
        )
        found = contrast(fit(both, X), np.array([1.0, 0.0]), alpha=alpha)
        row |= {"value": value, "status": "ok"}
        if found is not None and min(len(of_group), len(ours)) > 1:
            row |= {"lo": found.lo, "hi": found.hi}
        else:
            row["reason"] = "one sample on a side: no interval"
        yield row


def depth_shifts(burden: pd.DataFrame, *, control: str, alpha: float) -> Iterator[dict[str, Any]]:
    """Log2 ratio of the median depth of irradiated to control samples."""
    for compartment, stratum, group in _parts(burden, control):
        head = {
            "check": "depth_shift", k.COMPARTMENT: compartment, "stratum": stratum,
            "covariate": "depth", "unit": "log2 ratio",
        }  # fmt: skip
        if "median_counts" not in group or not group["median_counts"].gt(0).any():
            yield head | {"status": k.NOT_ESTIMABLE, "reason": "not measured"}
            continue
        measured = group[group["median_counts"] > 0]
        y = measured["median_counts"].astype(float).map(np.log2)
        for row in _against_control(measured, y, control=control, alpha=alpha):
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
    burden = plain(burden)
    counted = burden[burden[k.COMPARTMENT].astype(str) != k.UNASSIGNED].reset_index(drop=True)
    # Of a sample with no cell at all nothing is known; of an absent compartment, that it is rare.
    total = counted.groupby(k.SAMPLE, observed=True)["n_cells"].transform("sum")
    counted = counted[(total > 0) & counted["status"].ne("profile")].copy()
    if len(set(counted[k.COMPARTMENT])) < 2:
        return
    log = counted["n_cells"].astype(float).add(0.5).map(np.log)
    unit = [k.SAMPLE, "region"] if "region" in counted else [k.SAMPLE]
    counted["clr"] = log - log.groupby(
        [counted[name].fillna("") for name in unit], observed=True
    ).transform("mean")
    table = prepared(counted, control=control)
    for compartment, whole in table.groupby(k.COMPARTMENT, sort=True, observed=True):
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


CONFOUNDER_COLUMNS: Final = (
    "check", k.COMPARTMENT, "stratum", "measure", "covariate", *ARM, k.DAYS,
    "n_control", "n_treated", "value", "lo", "hi", "unit", "p", "flag", "status", "reason", "note",
)  # fmt: skip
_CELLS: Final = {
    "depth": ("n_counts",),
    "genes detected": ("n_genes",),
    "mitochondrial share": ("pct_mt",),
    "proliferation": ("z:proliferation",),
}
_MIN_CELLS: Final = 20
_STRONG: Final = 0.3
"""Absolute rho from which a cell-level score is said to follow a covariate: our own bound."""


@takes(burden="sen.burden(adata)")
def confounders(
    cells: pd.DataFrame | AnnData,
    burden: pd.DataFrame,
    *,
    control: str = k.CONTROL,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """List what travels with the senescence scores besides irradiation.

    Parameters
    ----------
    cells
        Called cells: sample, compartment, treatment, ``senescence_index``, ``z:<axis>`` and the
        covariates ``n_counts``, ``n_genes``, ``pct_mt``; ``keep`` false does not count. An
        AnnData after :func:`senoscore.call` has them in ``obs`` and ``obsm``.
    burden
        As :func:`senoscore.burden` gives it, of the same cells.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.

    Returns
    -------
    Four kinds of rows (``check``):

    - ``score_in_controls``: Spearman's rho between a score and a covariate over the cells of
      one control sample, where irradiation can play no part: ``value`` is the median over samples,
      ``lo`` and ``hi`` their range. Flag from an absolute median of 0.3.
    - ``samples``: Spearman's rho over samples between the fraction or mean index and the median
      of a covariate, after subtracting the mean of each arm and time, so that what
      irradiation does to both is not counted. Exact permutation is not attempted: ``p`` is
      empty below 4 samples more than groups.
    - ``depth_shift``: log2 ratio of median depth, irradiated against control samples, with its
      t interval. Flag from a factor of 1.5 either way: scores of such samples are not
      comparable without thinning.
    - ``share_shift``: difference of the centred log ratio of a compartment's share, with its t
      interval; flag where that leaves out 0. Fractions are within a compartment and do not move
      with it; tissue-level numbers do.

    ``status`` is ok or not_estimable with a ``reason``. The bounds are our own.

    Raises
    ------
    InputError
        A column is missing.

    Examples
    --------
    >>> found = sen.confounders(adata, burden)
    >>> sorted(set(found["check"]))
    ['depth_shift', 'samples', 'score_in_controls', 'share_shift']
    """
    if not isinstance(cells, pd.DataFrame):
        cells = cells_of(cells)
    for table, needed in ((cells, (k.SAMPLE, k.COMPARTMENT, k.INDEX)), (burden, (k.SAMPLE,))):
        missing = [name for name in needed if name not in table]
        if missing:
            msg = f"the table has no column {missing[0]!r}"
            raise InputError(msg, fix="give called cells, and the burden table of the same cells")
    burden, cells = plain(burden), plain(cells, (k.SAMPLE, k.COMPARTMENT, k.KEEP))
    sheet = burden.drop_duplicates(k.SAMPLE).set_index(k.SAMPLE)
    rows = [
        *_in_controls(cells, sheet, control),
        *sample_level(burden, control=control),
        *depth_shifts(burden, control=control, alpha=alpha),
        *share_shifts(burden, control=control, alpha=alpha),
    ]
    out = pd.DataFrame(rows, columns=list(CONFOUNDER_COLUMNS))
    for name in (k.DOSE, "n_fractions", k.DAYS, "n_control", "n_treated", "value", "lo", "hi", "p"):
        out[name] = out[name].astype(float)
    text = out.columns.difference(out.select_dtypes("number").columns)
    out[text] = out[text].fillna("")
    return out


def _in_controls(
    cells: pd.DataFrame, sheet: pd.DataFrame, control: str
) -> Iterator[dict[str, Any]]:
    kept = cells[flags(cells[k.KEEP])] if k.KEEP in cells else cells
    name = kept[k.SAMPLE].astype(str)
    controls = kept[name.map(sheet[k.TREATMENT]).eq(control).to_numpy()]
    scores = [k.INDEX, *(str(c) for c in controls if str(c).startswith("z:"))]
    present = {
        what: next((c for c in names if c in controls), "") for what, names in _CELLS.items()
    }
    for compartment, group in controls.groupby(
        controls[k.COMPARTMENT].astype(str), sort=True, observed=True
    ):
        groups = [
            g for _, g in group.groupby(group[k.SAMPLE].astype(str), sort=True, observed=True)
        ]
        ranked = [_ranks(g, scores, list(filter(None, present.values()))) for g in groups]
        for covariate, column in present.items():
            for score in scores:
                if score == column:
                    continue
                head = {
                    "check": "score_in_controls", k.COMPARTMENT: compartment,
                    "measure": "index" if score == k.INDEX else score, "covariate": covariate,
                    k.TREATMENT: control, "unit": "Spearman rho", "n_treated": 0,
                }  # fmt: skip
                found = (
                    np.array([_rho(r, score, column) for r in ranked]) if column else np.array([])
                )
                row = head | _range(found[np.isfinite(found)], known=bool(column))
                if score == k.INDEX and covariate == "proliferation":
                    row["note"] = "by construction: arrest is part of the index"
                yield row


def _ranks(
    group: pd.DataFrame, scores: list[str], covariates: list[str]
) -> dict[str, NDArray[np.float64]]:
    """Ranks of the cells of one sample by each column; none where there are too few cells."""
    if len(group) < _MIN_CELLS:
        return {}
    names = list(dict.fromkeys([*scores, *covariates]))
    ranked = group[names].astype(float).rank().to_numpy()
    # As arrays: thousands of pairs of columns are taken from them.
    return dict(zip(names, np.ascontiguousarray(ranked.T), strict=True))


def _rho(ranked: dict[str, NDArray[np.float64]], score: str, covariate: str) -> float:
    if not ranked:
        return float("nan")
    x, y = ranked[score], ranked[covariate]
    whole = np.isfinite(x) & np.isfinite(y)
    if whole.sum() < _MIN_CELLS:
        return float("nan")
    if not whole.all():
        x, y = midranks(x[whole]), midranks(y[whole])
    if x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def _range(rho: np.ndarray, *, known: bool) -> dict[str, Any]:
    if not len(rho):
        why = f"no control sample has {_MIN_CELLS} cells that vary" if known else "not measured"
        return {"n_control": 0, "flag": "", "status": k.NOT_ESTIMABLE, "reason": why}
    middle = float(np.median(rho))
    flag = "flag" if abs(middle) >= _STRONG else "ok"
    note = "follows this covariate without irradiation" if flag == "flag" else ""
    return {
        "n_control": len(rho), "value": middle, "lo": float(rho.min()), "hi": float(rho.max()),
        "flag": flag, "status": "ok", "reason": "", "note": note,
    }  # fmt: skip
