"""Measurements from elsewhere (SA-b-gal, p16 staining, foci) beside the burden of the samples."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import SheetError
from senoscore.inference import bh, paired
from senoscore.questions.asked import arm_said
from senoscore.questions.association import rank_association
from senoscore.study import ARM, TRANSFORM, prepared, raw_sheet, takes, unirradiated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = [
    "EXTERNAL_COLUMNS",
    "external",
    "external_of_sheet",
    "external_pairs",
    "read_external",
]

_NEEDED: Final = (k.SAMPLE, k.COMPARTMENT, "measure", "value")
_PREFIX: Final = "ext_"
_ALL: Final = "all cells"
_PERCENT: Final = ("pct", "percent")
_LIMITS: Final = 1.96
"""Standard deviations of the limits of agreement (Bland & Altman 1986)."""

EXTERNAL_COLUMNS: Final = (
    "family", "question", k.COMPARTMENT, "measure", "contrast", "n_samples", "n_subjects",
    "estimate", "ci_lo", "ci_hi", "limit_lo", "limit_hi", "unit", "statistic", "p", "q", "method",
    "flag", "status", "reason", "note",
)  # fmt: skip
_PAIRS: Final = (
    k.COMPARTMENT, "measure", k.SAMPLE, k.SUBJECT, "arm", k.DAYS, "fraction", "value", "share",
)  # fmt: skip
_NUMBERS: Final = (
    "n_samples", "n_subjects", "estimate", "ci_lo", "ci_hi", "limit_lo", "limit_hi", "statistic",
    "p",
)  # fmt: skip


def read_external(path: str | Path, samples: pd.DataFrame) -> pd.DataFrame:
    """Read a long table of measurements from elsewhere.

    Parameters
    ----------
    path
        TSV: sample, compartment (empty: the whole sample), measure, value (a share from 0 to 1, a
        percentage where the name of the measure has ``pct`` in it, or any number).
    samples
        Samples sheet.

    Raises
    ------
    SheetError
        A column is missing, a sample is unknown, a value is no number, or one is there twice.
    """
    columns = f"columns: {', '.join(_NEEDED)}"
    raw = raw_sheet(path, if_absent=columns)
    missing = [name for name in _NEEDED if name not in raw]
    if missing:
        msg = f"{path} has no column {missing[0]!r}"
        raise SheetError(msg, fix=columns)
    known = sorted(samples[k.SAMPLE].astype(str))
    out = raw[list(_NEEDED)].copy()
    for number, row in enumerate(out.to_dict("records"), 2):
        if row[k.SAMPLE] not in known:
            near = difflib.get_close_matches(row[k.SAMPLE], known, n=1)
            msg = f"{path}, row {number}: sample {row[k.SAMPLE]!r} is not in the samples sheet"
            fix = f"did you mean {near[0]!r}?" if near else "write it as in the samples sheet"
            raise SheetError(msg, fix=fix)
    out["value"] = _numbers(out["value"], f"{path}")
    twice = out.duplicated([k.SAMPLE, k.COMPARTMENT, "measure"])
    if twice.any():
        sample, measure = out.loc[twice, [k.SAMPLE, "measure"]].iloc[0]
        msg = f"{path}: {measure} of sample {sample!r} is duplicated"
        raise SheetError(msg, fix="keep one of them, or give their mean")
    return out


def _numbers(column: pd.Series, where: str) -> pd.Series:
    number = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = ~np.isfinite(number)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        msg = f"{where}, row {at + 2}: value is {column.iloc[at]!r}, expected a number"
        raise SheetError(msg, fix="write a number with a decimal point, or take the row out")
    return number


def external_of_sheet(samples: pd.DataFrame, compartments: set[str]) -> pd.DataFrame:
    """Long table of the ``ext_*`` columns of a samples sheet that are numbers.

    ``ext_tumour_p16`` is of the compartment ``tumour``, where there is one of that name; any other
    is of the whole sample. Columns of words (``ext_slide``) are left out.
    """
    parts = []
    for column in samples:
        name = str(column)
        if not name.startswith(_PREFIX):
            continue
        text = samples[column].astype(object).where(samples[column].notna(), "").astype(str)
        text = text.str.strip()
        there = ~text.str.lower().isin(["", "na", "n/a", "nan", "none", "null"])
        value = pd.to_numeric(text.where(there), errors="coerce")
        if not there.any() or value[there].isna().any():
            continue
        rest = name.removeprefix(_PREFIX)
        own = [c for c in compartments if rest.startswith(f"{c}_")]
        compartment = max(own, key=len, default="")
        table = pd.DataFrame({k.SAMPLE: samples[k.SAMPLE], k.COMPARTMENT: compartment})
        parts.append(table.assign(measure=rest, value=value.astype(float))[there])
    if not parts:
        return pd.DataFrame(columns=list(_NEEDED))
    return pd.concat(parts, ignore_index=True)


@takes(check_control=False, burden="sen.burden(adata)", samples="the samples sheet")
def external(
    burden: pd.DataFrame,
    samples: pd.DataFrame,
    measured: pd.DataFrame | None = None,
    *,
    control: str = k.CONTROL,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Compare measurements from elsewhere with the burden of the same samples.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    samples
        Samples sheet; its ``ext_*`` columns that are numbers are compared.
    measured
        As :func:`senoscore.questions.read_external` gives it; None takes the sheet alone.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.

    Returns
    -------
    Rows of a compartment (``all cells``: pooled over compartments, for what was measured of whole
    samples) and measure. ``rank_over_all``: Spearman's rho with the fraction of cells that fulfil
    the panel's rule, over all samples; ``rank_within_arms``: of ranks within arm and day, in
    which a rise that both show after irradiation is no agreement; ``agreement``, of shares:
    fraction less external share, mean with its t interval (``estimate``), and the limits of
    agreement ``limit_lo``, ``limit_hi``. ``flag`` says in words where they disagree. Where subjects
    come back in several samples, rho has no p: samples of one subject are no replicates.

    References
    ----------
    Bland & Altman 1986, Lancet 327:307.
    """
    pairs = external_pairs(burden, samples, measured, control=control)
    rows: list[dict[str, Any]] = []
    for (compartment, measure), both in pairs.groupby([k.COMPARTMENT, "measure"], observed=True):
        known = both[both["fraction"].notna()].reset_index(drop=True)
        head = {
            k.COMPARTMENT: compartment, "measure": measure, "n_samples": len(known),
            "n_subjects": known[k.SUBJECT].nunique(),
            "contrast": f"fraction of {compartment} with {measure}",
        }  # fmt: skip
        rows += [head | row for row in _compared(known, alpha)]
    out = pd.DataFrame(rows, columns=list(EXTERNAL_COLUMNS))
    out["family"] = "external/" + out["question"].astype(str)
    out[list(_NUMBERS)] = out[list(_NUMBERS)].astype(float)
    out["q"] = bh(out)
    return out


@takes(check_control=False, burden="sen.burden(adata)", samples="the samples sheet")
def external_pairs(
    burden: pd.DataFrame,
    samples: pd.DataFrame,
    measured: pd.DataFrame | None = None,
    *,
    control: str = k.CONTROL,
) -> pd.DataFrame:
    """Return each measurement beside the burden of its sample, as :func:`external` compares them.

    Parameters
    ----------
    burden, samples, measured, control
        As there.

    Returns
    -------
    One row a compartment (``all cells``: of the whole sample), measure and sample: its subject,
    ``arm`` and day, ``fraction`` (NaN where the sample has none), ``value``, and ``share``: the
    value as a share from 0 to 1, where all values of the measure are one.
    """
    table = prepared(burden, TRANSFORM, control=control)
    table["fraction"] = table["raw:fraction_senescent"].fillna(table["raw:fraction_acute"])
    table["bare"] = unirradiated(table, control)
    compartments = set(table[k.COMPARTMENT].astype(str)) - {k.UNASSIGNED}
    given = [external_of_sheet(samples, compartments)]
    if measured is not None:
        given.append(measured)
    every = pd.concat([part for part in given if len(part)] or given[:1], ignore_index=True)
    parts = []
    for (compartment, measure), group in every.groupby([k.COMPARTMENT, "measure"], observed=True):
        ours = _pooled(table) if not compartment else _own(table, str(compartment))
        both = ours.merge(group[[k.SAMPLE, "value"]], on=k.SAMPLE)
        known = both.loc[both["fraction"].notna(), "value"].astype(float)
        share = both["value"].astype(float)
        if any(word in str(measure).lower() for word in _PERCENT):
            share, known = share / 100, known / 100
        if not (len(known) and known.min() >= 0 and known.max() <= 1):
            share = share.mask(share.notna())
        parts.append(
            both.assign(
                **{k.COMPARTMENT: str(compartment) or _ALL}, measure=str(measure), share=share
            )
        )
    if not parts:
        return pd.DataFrame(columns=list(_PAIRS))
    return pd.concat(parts, ignore_index=True)[list(_PAIRS)]


def _own(table: pd.DataFrame, compartment: str) -> pd.DataFrame:
    return _by_sample(table[table[k.COMPARTMENT] == compartment], "mean")


def _pooled(table: pd.DataFrame) -> pd.DataFrame:
    """Positive over assessable cells of all compartments that have a fraction."""
    known = table[table["fraction"].notna() & (table[k.COMPARTMENT] != k.UNASSIGNED)]
    n = known["n_assessable"].astype(float)
    weighted = known.assign(fraction=known["fraction"] * n, n_assessable=n)
    out = _by_sample(weighted, "sum")
    out["fraction"] /= (
        known.assign(n=n)
        .groupby(k.SAMPLE, observed=True)["n"]
        .sum()
        .reindex(out[k.SAMPLE])
        .to_numpy()
    )
    return out


def _by_sample(table: pd.DataFrame, how: str) -> pd.DataFrame:
    """One row a sample: fraction, subject, arm in words, and day."""
    grouped = table.groupby(k.SAMPLE, sort=True, observed=True)
    out = grouped["fraction"].agg("mean" if how == "mean" else lambda v: v.sum(min_count=1))
    facts = grouped[[k.SUBJECT, *ARM, k.DAYS, "bare"]].first()
    arm = [arm_said(row, bare=bool(row["bare"])) for row in facts.to_dict("records")]
    own = {"fraction": out, k.SUBJECT: facts[k.SUBJECT], "arm": arm, k.DAYS: facts[k.DAYS]}
    return pd.DataFrame(own).reset_index()


def _compared(both: pd.DataFrame, alpha: float) -> Iterator[dict[str, Any]]:
    repeated = bool(both[k.SUBJECT].duplicated().any())
    x, y = both["fraction"].to_numpy(dtype=float), both["value"].to_numpy(dtype=float)
    one = np.zeros(len(both), dtype=np.int64)
    arms = both.groupby(["arm", k.DAYS], dropna=False, observed=True).ngroup().to_numpy()
    for question, strata in (("rank_over_all", one), ("rank_within_arms", arms)):
        found = rank_association(x, y, strata.astype(np.int64), alpha=alpha)
        row: dict[str, Any] = {
            "question": question, "estimate": found.estimate, "ci_lo": found.lo, "ci_hi": found.hi,
            "unit": "Spearman's rho", "statistic": found.statistic, "p": found.p,
            "method": found.method, "reason": found.reason, "status": k.TESTED,
        }  # fmt: skip
        if not np.isfinite(found.p):
            few = found.reason.startswith("too few")
            row["status"] = k.NOT_TESTABLE if few else k.NOT_ESTIMABLE
        elif repeated:
            row |= dict.fromkeys(("ci_lo", "ci_hi", "statistic", "p"), np.nan)
            row |= {"status": k.NOT_TESTABLE, "reason": "subjects come back: no replicates"}
        elif found.hi < 0:
            row["flag"] = "ranks are opposite"
        elif found.p > alpha:
            row["flag"] = "no association shown"
        yield row
    if both["share"].notna().any():
        yield _agreement(both.assign(gap=x - both["share"].to_numpy(dtype=float)), alpha)


def _agreement(both: pd.DataFrame, alpha: float) -> dict[str, Any]:
    """Bias with its interval over subjects, limits of agreement over samples (Bland & Altman)."""
    per_subject = both.groupby(k.SUBJECT, observed=True)["gap"].mean().to_numpy(dtype=float)
    found = paired(per_subject, alpha=alpha)
    gap = both["gap"].to_numpy(dtype=float)
    row: dict[str, Any] = {
        "question": "agreement", "unit": "fraction less external share",
        "method": "mean difference, t; limits of agreement",
        "note": "the fraction is cells over the cut of the panel, a lower bound",
    }  # fmt: skip
    row |= found
    if len(gap) < 3:
        return row
    half = _LIMITS * float(gap.std(ddof=1))
    lo, hi = float(gap.mean()) - half, float(gap.mean()) + half
    outside = both.loc[(gap < lo) | (gap > hi), k.SAMPLE].astype(str).tolist()
    said = []
    if found["status"] == k.TESTED and found["p"] <= alpha:
        side = "below" if found["estimate"] < 0 else "above"
        said.append(f"{abs(100 * found['estimate']):.1f} points {side} it on average")
    if outside:
        said.append(f"outside the limits: {', '.join(outside[:5])}")
    return row | {"limit_lo": lo, "limit_hi": hi, "flag": "; ".join(said)}
