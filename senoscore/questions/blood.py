"""Circulating factors: against the own baseline, arm against arm, and beside the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.biology import mixed_units
from senoscore.errors import InputError
from senoscore.inference import bh
from senoscore.questions.asked import arm_said
from senoscore.questions.association import Association, rank_association
from senoscore.questions.censored import censored_contrast
from senoscore.study import TRANSFORM, designed, prepared, takes, unirradiated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


__all__ = ["BLOOD_COLUMNS", "blood", "blood_changes"]

BLOOD_COLUMNS: Final = (
    "family", "question", "analyte", k.COMPARTMENT, "contrast", k.DAYS, "n_control", "n_treated",
    "n_values", "n_below_lod", "estimate", "ci_lo", "ci_hi", "unit", "statistic", "p", "q",
    "method", "status", "reason", "note",
)  # fmt: skip
_NUMBERS: Final = (
    k.DAYS, "n_control", "n_treated", "n_values", "n_below_lod", "estimate", "ci_lo", "ci_hi",
    "statistic", "p",
)  # fmt: skip
_MOSTLY: Final = 0.5
"""Share below the limit above which an analyte has no level to compare."""
_RATIO: Final = "log2 ratio"
_LOWEST: Final = -1e6
"""Log2 that stands for all values below the limit where only ranks matter."""


@takes(
    check_control=False, plasma="sen.read_plasma(file, samples)", samples="the samples sheet",
    burden="sen.burden(adata)",
)  # fmt: skip
def blood(
    plasma: pd.DataFrame,
    samples: pd.DataFrame,
    burden: pd.DataFrame | None = None,
    *,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    days_apart: float = 3.0,
) -> pd.DataFrame:
    """Test circulating factors over time, between arms, and beside the tissue of the same subjects.

    Values are compared as log2; one below the limit of detection is known to be below it and
    nothing more (:func:`senoscore.questions.censored.censored_contrast`). No number stands in for
    it.

    Parameters
    ----------
    plasma
        As :func:`senoscore.read_plasma` gives it.
    samples
        Samples sheet: which arm a subject is of. A study without a matrix has one row a subject.
    burden
        As :func:`senoscore.burden` gives it; None leaves the tissue out.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    days_apart
        Days between blood and tissue up to which they count as taken together.

    Returns
    -------
    One row an analyte, question and time. ``against_baseline``: values of an arm against those of
    the same subjects at day 0 or before. ``against_control`` and ``drug_against_none`` (the same
    irradiation with and without a drug): change from baseline in one arm less that in the
    other, or values where fewer than two subjects a side have a baseline (``method`` says which).
    ``beside_tissue``: Spearman's rho of value and senescent fraction within arms, a row for each
    compartment. ``estimate`` is a log2 ratio (or rho), ``n_below_lod`` the values below the limit
    among ``n_values``. ``q`` is Benjamini-Hochberg over the tested rows of a question.

    Raises
    ------
    InputError
        A table lacks a column.

    Notes
    -----
    Times are compared as they stand: give planned days, not days of the calendar. A pair of which
    both values are below the limit says nothing of a change and is left out. An analyte of several
    units has rows with that reason and no numbers.
    """
    arms = _arms(samples, control)
    table = _bounds(plasma).merge(arms, on=k.SUBJECT, how="left")
    tissue = None if burden is None else _tissue(burden, control)
    mixed = mixed_units(plasma)
    rows: list[dict[str, Any]] = []
    for analyte, group in table.groupby("analyte", sort=True, observed=True):
        found = [*_over_time(group, alpha), *_between(group, arms, alpha)]
        if tissue is not None:
            found += _beside(group, tissue, alpha, days_apart)
        if analyte in mixed:
            found = [row | _refused(mixed[str(analyte)]) for row in found]
        rows += [{"analyte": analyte} | row for row in found]
    out = pd.DataFrame(rows, columns=list(BLOOD_COLUMNS))
    out["family"] = "blood/" + out["question"].astype(str)
    out[list(_NUMBERS)] = out[list(_NUMBERS)].astype(float)
    out["q"] = bh(out)
    return out


@takes(
    check_control=False, plasma="sen.read_plasma(file, samples)", samples="the samples sheet"
)  # fmt: skip
def blood_changes(
    plasma: pd.DataFrame, samples: pd.DataFrame, *, control: str = k.CONTROL
) -> pd.DataFrame:
    """Return the change of each subject from its baseline, as :func:`senoscore.blood` tests it.

    Parameters
    ----------
    plasma, samples, control
        As there.

    Returns
    -------
    One row a subject, analyte and day after 0: its ``arm``, and ``log2_ratio`` to its baseline
    (the mean of its days up to 0). ``known`` says what the ratio is: ``measured``, ``at_most``
    (the value is below the limit of detection), ``at_least`` (the baseline is), or ``unknown``
    (both are; NaN). An analyte of several units has none.
    """
    table = _bounds(plasma).merge(_arms(samples, control), on=k.SUBJECT, how="left")
    mixed = mixed_units(plasma)
    parts = [
        _changes(group, day).assign(analyte=analyte)
        for analyte, group in table.groupby("analyte", sort=True, observed=True)
        if analyte not in mixed
        for day in _days(group)
    ]
    names = ["analyte", k.SUBJECT, "arm", k.DAYS, "lo", "hi"]
    out = pd.concat([part[names] for part in parts] or [pd.DataFrame(columns=names)])
    lo, hi = out["lo"].astype(float), out["hi"].astype(float)
    bounded = np.select(
        [np.isinf(lo) & np.isinf(hi), np.isinf(lo), np.isinf(hi)],
        ["unknown", "at_most", "at_least"], default="measured",
    )  # fmt: skip
    ratio = hi.where(np.isfinite(hi), lo)
    out = out.assign(log2_ratio=ratio.where(np.isfinite(ratio)), known=bounded)
    return out.drop(columns=["lo", "hi"]).reset_index(drop=True)


def _arms(samples: pd.DataFrame, control: str) -> pd.DataFrame:
    """Arm of each subject in words, its reference arms: what was done, with and without drug."""
    if k.TREATMENT not in samples:
        msg = f"the samples sheet has no column {k.TREATMENT!r}"
        raise InputError(msg, fix="give it one, as in the samples sheet of a run")
    table = designed(samples)
    table["bare"] = unirradiated(table, control)
    table["given"] = table[k.GIVEN] if k.GIVEN in table else table[k.TREATMENT]
    table["irradiated"] = ~table["bare"]
    # A baseline sample of an irradiated subject has the treatment of the controls.
    table = table.sort_values([k.SUBJECT, "irradiated"], kind="stable")
    table = table.drop_duplicates(k.SUBJECT, keep="last")
    for name, word in (("arm", k.TREATMENT), ("without_drug", "given")):
        rows = table.to_dict("records")
        table[name] = [arm_said(row, word=word, bare=row["bare"]) for row in rows]
    table["is_control"] = table[k.TREATMENT].eq(control)
    return table[[k.SUBJECT, "arm", "without_drug", "is_control", "bare"]].reset_index(drop=True)


def _bounds(plasma: pd.DataFrame) -> pd.DataFrame:
    """Log2 bounds of each value: equal where it was measured."""
    missing = [
        name for name in (k.SUBJECT, k.DAYS, "analyte", "value", "lod", "below_lod")
        if name not in plasma
    ]  # fmt: skip
    if missing:
        msg = f"the plasma table has no column {missing[0]!r}"
        raise InputError(msg, fix="read it with senoscore.read_plasma")
    below = plasma["below_lod"].astype(bool)
    known = plasma["value"].astype(float).where(~below, plasma["lod"].astype(float))
    hi = pd.Series(np.log2(known), index=plasma.index)
    return plasma.assign(hi=hi, lo=hi.where(~below, -np.inf), below=below)


def _changes(group: pd.DataFrame, day: float) -> pd.DataFrame:
    """Bounds of each subject's change from its baseline (the mean of its days up to 0) to a day.

    Of several baseline values of one subject those measured are averaged; where none is, the
    lowest limit bounds them all.
    """
    before = group[group[k.DAYS] <= 0]
    measured = before[~before["below"]].groupby(k.SUBJECT, observed=True)["hi"].mean()
    limit = before.groupby(k.SUBJECT, observed=True)["hi"].min()
    own = group[group[k.DAYS] == day]
    at = own[own[k.SUBJECT].isin(limit.index)].copy()
    base = at[k.SUBJECT].map(measured).astype(np.float64)  # of no subject it would be text
    unknown = base.isna()
    base = base.where(~unknown, at[k.SUBJECT].map(limit))
    at["lo"], at["hi"] = at["lo"] - base, (at["hi"] - base).mask(unknown, np.inf)
    at["n_below"] = at["below"].astype(int) + unknown.astype(int)
    return at


def _pairs_known(changes: pd.DataFrame) -> pd.DataFrame:
    return changes[~(np.isinf(changes["lo"]) & np.isinf(changes["hi"]))]


def _days(group: pd.DataFrame) -> list[float]:
    return sorted(float(d) for d in group[k.DAYS].unique() if d > 0)


def _over_time(group: pd.DataFrame, alpha: float) -> Iterator[dict[str, Any]]:
    for arm, own in group.groupby("arm", sort=True, observed=True):
        for day in _days(own):
            changes = _changes(own, day)
            known = _pairs_known(changes)
            row: dict[str, Any] = {
                "question": "against_baseline", "contrast": f"{arm}: day {day:g} vs baseline",
                k.DAYS: day, "n_treated": len(known), "n_control": len(known),
                "n_values": 2 * len(changes), "n_below_lod": int(changes["n_below"].sum()),
                "note": _left_out(len(changes) - len(known)),
            }  # fmt: skip
            found = _asked(known, row, None, alpha)
            yield row | found | {"method": f"paired, {found['method']}" if found["method"] else ""}


def _left_out(n: int) -> str:
    return f"{n} pair(s) with both values below the limit left out" if n else ""


def _between(group: pd.DataFrame, arms: pd.DataFrame, alpha: float) -> Iterator[dict[str, Any]]:
    controls = sorted(arms.loc[arms["is_control"], "arm"].unique())
    asked = arms[["arm", "without_drug", "is_control"]].drop_duplicates().sort_values("arm")
    there = set(arms["arm"])
    pairs = [
        ("against_control", arm, control)
        for control in controls for arm in asked["arm"] if arm not in controls
    ]  # fmt: skip
    pairs += [
        ("drug_against_none", row.arm, row.without_drug) for row in asked.itertuples()
        if str(row.without_drug) != str(row.arm) and row.without_drug in there - set(controls)
    ]  # fmt: skip
    for question, arm, reference in pairs:
        both = group[group["arm"].isin([arm, reference])]
        for day in _days(both[both["arm"] == arm]):
            changes = _changes(both, day)
            known = _pairs_known(changes)
            enough = known.groupby("arm", observed=True)[k.SUBJECT].nunique()
            by_change = enough.reindex([arm, reference]).ge(2).all()
            values = both[both[k.DAYS] == day].assign(n_below=lambda t: t["below"].astype(int))
            used = known if by_change else values
            row: dict[str, Any] = {
                "question": question, "contrast": f"{arm} vs {reference}, day {day:g}", k.DAYS: day,
                "n_treated": int(used["arm"].eq(arm).sum()),
                "n_control": int(used["arm"].eq(reference).sum()),
                "n_values": len(changes) * 2 if by_change else len(values),
                "n_below_lod": int((changes if by_change else values)["n_below"].sum()),
                "note": _left_out(len(changes) - len(known)) if by_change else "",
            }  # fmt: skip
            found = _asked(used, row, used["arm"].eq(arm).to_numpy(dtype=float), alpha)
            what = "change from baseline" if by_change else "values"
            yield row | found | {"method": f"{what}, {found['method']}" if found["method"] else ""}


def _asked(
    used: pd.DataFrame, row: dict[str, Any], group: NDArray[Any] | None, alpha: float
) -> dict[str, Any]:
    """Numbers of one contrast, or why there are none."""
    few = min(row["n_treated"], row["n_control"]) < 2
    if few:
        found = Association(reason="fewer than 2 subjects a side")
    elif row["n_below_lod"] > _MOSTLY * row["n_values"]:
        found = Association(
            reason=f"{row['n_below_lod']} of {row['n_values']} values below the limit of detection"
        )
    else:
        lo, hi = (used[name].to_numpy(dtype=float) for name in ("lo", "hi"))
        found = censored_contrast(lo, hi, group, alpha=alpha)
    out = _numbers(found, _RATIO, few=few)
    if np.isinf([found.lo, found.hi]).any():
        only = "all values of a side below the limit: a bound and no estimate"
        out |= {"note": "; ".join(filter(None, [row["note"], only]))}
    return out


def _refused(reason: str) -> dict[str, Any]:
    """Columns of a question on an analyte whose values are not of one unit."""
    numbers = dict.fromkeys(("estimate", "ci_lo", "ci_hi", "statistic", "p"), np.nan)
    return numbers | {"method": "", "note": "", "status": k.NOT_ESTIMABLE, "reason": reason}


def _numbers(found: Association, unit: str, *, few: bool) -> dict[str, Any]:
    status = k.TESTED if np.isfinite(found.p) else k.NOT_TESTABLE if few else k.NOT_ESTIMABLE
    return {
        "estimate": found.estimate, "ci_lo": found.lo, "ci_hi": found.hi, "unit": unit,
        "statistic": found.statistic, "p": found.p, "method": found.method, "status": status,
        "reason": found.reason,
    }  # fmt: skip


def _tissue(burden: pd.DataFrame, control: str) -> pd.DataFrame:
    """Senescent fraction (arcsine) or index of each subject, compartment and day."""
    table = prepared(burden, TRANSFORM, control=control)
    table = table[table[k.COMPARTMENT] != k.UNASSIGNED]
    measure = "fraction_senescent"
    if not table[measure].notna().any() and "index_mean" in table:
        measure = "index_mean"
    by = [k.COMPARTMENT, k.SUBJECT, k.DAYS]
    out = table.groupby(by, sort=True, observed=True)[measure].mean().dropna()
    return out.rename("tissue").reset_index().rename(columns={k.DAYS: "tissue_days"})


def _beside(
    group: pd.DataFrame, tissue: pd.DataFrame, alpha: float, days_apart: float
) -> Iterator[dict[str, Any]]:
    """Value of an analyte and burden of a compartment, taken together, at each day of blood."""
    both = group.merge(tissue, on=k.SUBJECT)
    both["gap"] = (both[k.DAYS] - both["tissue_days"]).abs()
    both = both[(both["gap"] <= days_apart) & both["arm"].notna()]
    both = both.sort_values([k.SUBJECT, "gap"], kind="stable")
    both = both.drop_duplicates([k.COMPARTMENT, k.SUBJECT, k.DAYS])
    for (compartment, day), own in both.groupby([k.COMPARTMENT, k.DAYS], sort=True, observed=True):
        # All below the limit are tied at the lowest rank: of several limits the highest counts.
        limit = own.loc[own["below"], "hi"].max()
        value = own["hi"].where(~own["below"] & ~(own["hi"] < limit), _LOWEST).to_numpy(dtype=float)
        n_below = int((value == _LOWEST).sum())
        row = {
            "question": "beside_tissue", k.COMPARTMENT: compartment, k.DAYS: day,
            "contrast": f"with the senescent share of {compartment}, day {day:g}",
            "n_treated": int((~own["bare"].astype(bool)).sum()),
            "n_control": int(own["bare"].astype(bool).sum()),
            "n_values": len(own), "n_below_lod": n_below,
        }  # fmt: skip
        unit = "Spearman's rho"
        if n_below > _MOSTLY * len(own):
            reason = f"{n_below} of {len(own)} values below the limit of detection"
            yield row | _numbers(Association(reason=reason), unit, few=False)
            continue
        strata = pd.factorize(own["arm"])[0].astype(np.int64)
        found = rank_association(value, own["tissue"].to_numpy(dtype=float), strata, alpha=alpha)
        yield row | _numbers(found, unit, few=found.reason.startswith("too few"))
