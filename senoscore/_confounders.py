"""What else could have made the difference: depth, mitochondria, cell cycle, composition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from senoscore import _keys as k
from senoscore._confounders_samples import depth_shifts, sample_level, share_shifts
from senoscore._trend_data import ARM
from senoscore.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["COLUMNS", "confounders"]

COLUMNS: Final = (
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


def confounders(
    cells: pd.DataFrame,
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
        covariates ``n_counts``, ``n_genes``, ``pct_mt``; ``keep`` false does not count.
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
    """
    for table, needed in ((cells, (k.SAMPLE, k.COMPARTMENT, k.INDEX)), (burden, (k.SAMPLE,))):
        missing = [name for name in needed if name not in table]
        if missing:
            msg = f"the table has no column {missing[0]!r}"
            raise InputError(msg, fix="give called cells, and the burden table of the same cells")
    sheet = burden.drop_duplicates(k.SAMPLE).set_index(k.SAMPLE)
    rows = [
        *_in_controls(cells, sheet, control),
        *sample_level(burden, control=control),
        *depth_shifts(burden, control=control, alpha=alpha),
        *share_shifts(burden, control=control, alpha=alpha),
    ]
    out = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in (k.DOSE, "n_fractions", k.DAYS, "n_control", "n_treated", "value", "lo", "hi", "p"):
        out[name] = out[name].astype(float)
    text = out.columns.difference(out.select_dtypes("number").columns)
    out[text] = out[text].fillna("")
    return out


def _in_controls(
    cells: pd.DataFrame, sheet: pd.DataFrame, control: str
) -> Iterator[dict[str, Any]]:
    kept = cells[cells[k.KEEP].astype(bool)] if k.KEEP in cells else cells
    name = kept[k.SAMPLE].astype(str)
    own = kept[name.map(sheet[k.TREATMENT]).eq(control).to_numpy()]
    scores = [k.INDEX, *(str(c) for c in own if str(c).startswith("z:"))]
    there = {what: next((c for c in names if c in own), "") for what, names in _CELLS.items()}
    for compartment, of in own.groupby(own[k.COMPARTMENT].astype(str), sort=True):
        groups = [g for _, g in of.groupby(of[k.SAMPLE].astype(str), sort=True)]
        ranked = [_ranks(g, scores, list(filter(None, there.values()))) for g in groups]
        for covariate, column in there.items():
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


def _ranks(of: pd.DataFrame, scores: list[str], covariates: list[str]) -> pd.DataFrame:
    """Ranks of the cells of one sample; empty where there are too few."""
    names = list(dict.fromkeys([*scores, *covariates]))
    table = of[names].astype(float)
    return table.rank() if len(table) >= _MIN_CELLS else table.iloc[:0]


def _rho(ranked: pd.DataFrame, score: str, covariate: str) -> float:
    pair = ranked[[score, covariate]].to_numpy()
    whole = np.isfinite(pair).all(axis=1)
    if whole.sum() < _MIN_CELLS:
        return float("nan")
    if not whole.all():
        pair = stats.rankdata(pair[whole], axis=0)
    x, y = pair.T
    if x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def _range(rho: np.ndarray, *, known: bool) -> dict[str, Any]:
    if not len(rho):
        why = f"no control sample has {_MIN_CELLS} cells that vary" if known else "not measured"
        return {"n_control": 0, "flag": "", "status": "not_estimable", "reason": why}
    middle = float(np.median(rho))
    flag = "flag" if abs(middle) >= _STRONG else "ok"
    note = "follows this covariate without irradiation" if flag == "flag" else ""
    return {
        "n_control": len(rho), "value": middle, "lo": float(rho.min()), "hi": float(rho.max()),
        "flag": flag, "status": "ok", "reason": "", "note": note,
    }  # fmt: skip
