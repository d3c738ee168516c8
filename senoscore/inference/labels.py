"""Do the labels agree with the biology? p53 response against treatment, XIST and Y against sex."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.study import plain

__all__ = ["p53_by_sample", "p53_check", "sex_check"]

COLUMNS: Final = (
    k.DATASET, "check", "group", k.SAMPLE, "value", "expected", "flag", "note",
)  # fmt: skip

_ALIKE: Final = ["assay", "organism"]
"""Samples that differ in these are not compared, as everywhere else."""
_DAYS: Final = 3.0
"""Days after irradiation (the acute phase) within which a p53 response has to be there."""
_SIDE: Final = 2
"""Samples that a side needs."""


def p53_by_sample(burden: pd.DataFrame, measure: str, *, control: str) -> pd.DataFrame:
    """One p53 value a sample, free of shifts in composition.

    The mean over compartments of (sample mean - mean of control samples of the same assay and
    organism), each compartment of equal weight.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    measure
        Its column, e.g. ``mean:ucell:p53_targets``.
    control
        Treatment that means not irradiated.

    Returns
    -------
    dataset, assay, organism, batch, sample, treatment, days_post_rt, value; NaN where nothing can
    be compared.
    """
    burden = plain(burden)
    burden = burden.assign(**burden[[*_ALIKE, k.BATCH]].fillna(""))
    keep = [k.DATASET, *_ALIKE, k.BATCH, k.SAMPLE, k.TREATMENT, k.DAYS]
    sheet = burden[keep].drop_duplicates(k.SAMPLE).reset_index(drop=True)
    if measure not in burden:
        return sheet.assign(value=np.nan)
    usable = burden[burden["status"].isin(["ok", "acute", "profile"])]
    baseline = usable[measure].where(usable[k.TREATMENT] == control)
    groups = [usable[name] for name in (*_ALIKE, k.COMPARTMENT)]
    shifted = usable[measure] - baseline.groupby(groups, observed=True).transform("mean")
    values = shifted.groupby(usable[k.SAMPLE], observed=True).mean()
    return sheet.assign(value=sheet[k.SAMPLE].map(values))


def p53_check(table: pd.DataFrame, *, control: str) -> pd.DataFrame:
    """Flag samples whose p53 response contradicts their label.

    Within three days of irradiation (the acute phase), p53 targets are up. A treated sample is
    flagged if it lies below the median of the controls it is compared with, a control if it lies
    above the median of the treated samples of a time. The rule was fixed beforehand and has no
    threshold that was tuned; with two samples a side, chance alone flags three of four groups
    without any response. A flag is a question to the laboratory, nothing is relabelled.

    Samples of one assay and organism are compared, over data sets, since a data set is often one
    sample. Where each batch that has treated samples of a time holds two a side (the data set,
    where the sheet gives no batch), its samples are compared with each other only.

    Parameters
    ----------
    table
        As :func:`p53_by_sample` gives it.
    control
        Treatment that means not irradiated.

    Returns
    -------
    dataset (empty where several are compared and none can be judged), check, group (the time),
    sample, value, expected, flag (ok, flag, not_assessable), note. Controls of the same time are
    compared where there are two, else all, as in the contrasts.
    """
    rows: list[dict[str, Any]] = []
    table = plain(table)
    for _, group in table.groupby(_ALIKE, sort=True, observed=True):
        controls = group[group[k.TREATMENT] == control]
        treated = group[group[k.TREATMENT] != control]
        for days, of_day in treated.groupby(k.DAYS, sort=True, dropna=False, observed=True):
            same_day = controls[controls[k.DAYS] == days]
            base = same_day if same_day["value"].count() >= _SIDE else controls
            for pair in _by_batch(of_day, base):
                rows += _group(float(str(days)), *pair)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_batch(
    treated: pd.DataFrame, controls: pd.DataFrame
) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Split both sides by batch where each batch of treated samples has two of both."""
    names = k.DATASET if pd.concat([treated, controls])[k.BATCH].eq("").all() else k.BATCH
    pairs = [
        (group, controls[controls[names] == name])
        for name, group in treated.groupby(names, observed=True)
    ]
    enough = all(group["value"].count() >= _SIDE for pair in pairs for group in pair)
    return pairs if enough else [(treated, controls)]


def _group(days: float, treated: pd.DataFrame, controls: pd.DataFrame) -> list[dict[str, Any]]:
    datasets = pd.concat([treated, controls])[k.DATASET].unique()
    of_all = str(datasets[0]) if len(datasets) == 1 else ""
    base = {k.DATASET: of_all, "check": "p53_response", "group": f"{days:.3g} d"}
    values = [treated["value"].dropna(), controls["value"].dropna()]
    if not days <= _DAYS or min(map(len, values)) < _SIDE:
        late = f"after {_DAYS:g} d no p53 response need be left"
        why = "needs two samples a side" if days <= _DAYS else late
        return [base | {k.SAMPLE: "", "flag": "not_assessable", "note": why}]
    limits = [values[1].median(), values[0].median()]
    rows = []
    for side, group in enumerate((treated, controls)):
        columns = (group[name] for name in (k.DATASET, k.SAMPLE, "value"))
        for dataset, sample, value in zip(*columns, strict=True):
            wrong = value < limits[0] if side == 0 else value > limits[1]
            expected = f"above {limits[0]:.3g}" if side == 0 else f"below {limits[1]:.3g}"
            note = "p53 response does not agree with the label: check for a swap" if wrong else ""
            row = {k.DATASET: dataset, k.SAMPLE: sample, "value": value, "expected": expected}
            rows.append(base | row | {"flag": "flag" if wrong else "ok", "note": note})
    return rows


def sex_check(values: pd.DataFrame) -> pd.DataFrame:
    """Flag samples whose XIST and Y-linked expression contradicts their sex.

    Parameters
    ----------
    values
        dataset, sample, sex (``female``/``f``, ``male``/``m`` or empty), value: XIST minus
        Y genes, of any score in which 0 is neither.

    Returns
    -------
    As :func:`p53_check`, one row a sample with a stated sex.
    """
    rows = []
    for row in plain(values).to_dict("records"):
        stated = str(row["sex"])[:1]
        if stated not in ("f", "m"):
            continue
        value = float(row["value"])
        known = np.isfinite(value) and value != 0
        wrong = known and (value > 0) != (stated == "f")
        flag = "flag" if wrong else "ok" if known else "not_assessable"
        note = "XIST and Y genes do not agree with the sex given" if wrong else ""
        rows.append(
            {
                k.DATASET: row[k.DATASET],
                "check": "sex",
                "group": "female" if stated == "f" else "male",
                k.SAMPLE: row[k.SAMPLE],
                "value": value,
                "expected": "above 0" if stated == "f" else "below 0",
                "flag": flag,
                "note": note if known else "XIST and Y genes are not in the matrix",
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
