"""Circulating SASP factors: a table of analytes, each subject against its own baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import SheetError
from senoscore.study import DAYS_PER_UNIT, takes, to_days

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["PLASMA_COLUMNS", "mixed_units", "plasma", "read_plasma"]

_NEEDED: Final = (k.SUBJECT, "time", "time_unit", "analyte", "value", "unit")
PLASMA_COLUMNS: Final = (
    k.SUBJECT, k.DAYS, "time", "time_unit", "analyte", "value", "unit", "lod", "below_lod",
    "value_used", "baseline", "log2_ratio", "fraction_below_lod", "n_values", "status", "note",
)  # fmt: skip
_NPX: Final = "NPX"
_OLINK: Final = {"Assay": "analyte", "NPX": "value", "LOD": "lod"}
"""Columns of Olink's long table, and ours."""
_MOSTLY: Final = 0.5
"""Share of values below the limit of detection above which an analyte has no level."""


def read_plasma(path: str | Path, samples: pd.DataFrame) -> pd.DataFrame:
    """Read and check a table of circulating factors.

    Parameters
    ----------
    path
        TSV: subject, time, time_unit (h, d, w, mo; 0 or less is before irradiation), analyte,
        value, unit, and ``lod`` where known. A value may be ``<LOD`` or ``<0.5``. Olink's long
        table has ``Assay``, ``NPX`` and ``LOD`` in place of analyte, value and lod; a value of unit
        NPX is a log2, and becomes 2^NPX here.
    samples
        Samples sheet: its subjects (or samples, where a sample is its own subject) are known.

    Returns
    -------
    subject, time, time_unit, days_post_rt, analyte, value (NaN below the limit), unit, lod,
    below_lod.

    Raises
    ------
    SheetError
        A column is missing; a subject is unknown; a value or time is no number; every analyte has
        several units; an analyte has two values of one subject and time; a value is below a limit
        of detection that is not given.

    Notes
    -----
    An analyte of several units (:func:`mixed_units`) is kept and never compared; the others are.
    """
    try:
        raw = pd.read_csv(path, sep="\t", dtype=str, comment="#", keep_default_na=False)
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as a table: {' '.join(str(error).split())[:200]}"
        raise SheetError(msg, fix="give a tab-separated file with a header") from error
    header = set(raw)
    if not isinstance(raw.index, pd.RangeIndex):  # pandas took a field too many for a name
        msg = f"{path} has rows with more fields than its header"
        raise SheetError(msg, fix="separate fields by one tab each, as many as the header has")
    raw = raw.rename(columns={olink: ours for olink, ours in _OLINK.items() if ours not in raw})
    if "unit" not in raw and "value" in raw and "NPX" in header:
        raw["unit"] = _NPX
    missing = [name for name in _NEEDED if name not in raw]
    if missing:
        msg = f"{path} has no column {missing[0]!r}"
        raise SheetError(msg, fix=f"columns: {', '.join(_NEEDED)}, lod")
    table = raw.apply(lambda column: column.str.strip())
    table["lod"] = table.get("lod", "")
    _check_names(table, samples, path)
    lod = _numbers(table, "lod", path, optional=True)
    below, value, lod = _values(table, lod, path)
    time = _numbers(table, "time", path)
    table[k.DAYS] = to_days(time, table["time_unit"])
    table = table.assign(time=time, value=value, lod=lod, below_lod=below)
    table["unit"] = table["unit"].mask(table["unit"].str.upper() == _NPX, "2^NPX")
    twice = table.duplicated([k.SUBJECT, k.DAYS, "analyte"])
    if twice.any():
        row = table[twice].iloc[0]
        what = f"{row['analyte']} of subject {row[k.SUBJECT]!r}"
        msg = f"{path}: {what} is duplicated at {row['time']:g} {row['time_unit']}"
        raise SheetError(msg, fix="keep one of them, or give their mean")
    return table[[*_NEEDED[:3], k.DAYS, "analyte", "value", "unit", "lod", "below_lod"]]


def mixed_units(table: pd.DataFrame) -> dict[str, str]:
    """Analytes that cannot be compared, since their values have several units or none, and why.

    Parameters
    ----------
    table
        ``analyte`` and ``unit``, as :func:`read_plasma` gives them.
    """
    if "unit" not in table:
        return {}
    units = table.groupby("analyte", sort=True, observed=True)["unit"].unique()
    return {
        str(analyte): f"the units {', '.join(map(repr, sorted(found)))}: convert them to one"
        for analyte, found in units.items()
        if len(found) > 1 or not found[0]
    }


def _check_names(table: pd.DataFrame, samples: pd.DataFrame, path: str | Path) -> None:
    known = {str(s) for s in samples[k.SUBJECT].fillna("")} | set(samples[k.SAMPLE].astype(str))
    unknown = table.loc[~table[k.SUBJECT].isin(known - {""})]
    if len(unknown):
        row = unknown.iloc[0]
        where = f"{path}, line {unknown.index[0] + 2}"
        msg = f"{where}: subject {row[k.SUBJECT]!r} is not in the samples sheet"
        raise SheetError(msg, fix="write it as in the samples sheet, or take the row out")
    wrong = table.loc[~table["time_unit"].isin(DAYS_PER_UNIT)]
    if len(wrong):
        msg = f"{path}, line {wrong.index[0] + 2}: time_unit is {wrong['time_unit'].iloc[0]!r}"
        raise SheetError(msg, fix=f"one of: {', '.join(DAYS_PER_UNIT)}")
    mixed = mixed_units(table)
    if mixed and set(mixed) == set(table["analyte"]):
        analyte, said = next(iter(mixed.items()))
        more = " and no analyte has one" if len(mixed) > 1 else ""
        msg = f"{path}: {analyte} has {said.partition(':')[0]}{more}"
        raise SheetError(msg, fix="convert each analyte to one unit")


def _numbers(
    table: pd.DataFrame, column: str, path: str | Path, *, optional: bool = False
) -> pd.Series:
    out = pd.to_numeric(table[column].mask(table[column] == ""), errors="coerce").astype(float)
    wrong = ~np.isfinite(out) & ~((table[column] == "") & optional)
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        msg = (
            f"{path}, line {line + 2}: {column} is {table[column].iloc[line]!r}, expected a number"
        )
        raise SheetError(msg, fix="write a number with a decimal point")
    return out


def _values(
    table: pd.DataFrame, lod: pd.Series, path: str | Path
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Which values are below the limit of detection, the values, and the limits."""
    text = table["value"]
    less = text.str.startswith("<")
    said = pd.to_numeric(text.where(less, "").str[1:].str.strip(), errors="coerce").astype(float)
    limit = lod.where(lod.notna(), said)
    lacking = less & limit.isna()
    if lacking.any():
        line = int(np.flatnonzero(lacking)[0])
        msg = f"{path}, line {line + 2}: value is {text.iloc[line]!r} and lod is empty"
        raise SheetError(msg, fix="give the limit of detection of this analyte in lod")
    value = _numbers(table.assign(value=text.mask(less, "0")), "value", path)
    is_log2 = table["unit"].str.upper() == _NPX
    value, limit = (
        number.where(~is_log2, np.exp2(number.where(is_log2, 0.0))) for number in (value, limit)
    )
    if (value < 0).any():
        line = int(np.flatnonzero(value < 0)[0])
        msg = f"{path}, line {line + 2}: value is {text.iloc[line]!r}, below 0"
        raise SheetError(msg, fix="give concentrations, not logarithms or differences")
    below = less | (value < limit)
    unknown = ~below & (value == 0)
    if unknown.any():
        line = int(np.flatnonzero(unknown)[0])
        msg = f"{path}, line {line + 2}: value is 0 and lod is empty"
        raise SheetError(msg, fix="a concentration of 0 is one below the limit: give lod")
    return below, value.mask(below), limit


@takes(table="sen.read_plasma(file)")
def plasma(table: pd.DataFrame) -> pd.DataFrame:
    r"""Bring each subject's values to its own baseline.

    Parameters
    ----------
    table
        As :func:`read_plasma` gives it.

    Returns
    -------
    The table with ``value_used`` (the value; below the limit of detection
    :math:`\mathrm{LOD}/\sqrt 2`, flagged in ``below_lod``), ``fraction_below_lod`` of the
    analyte, ``baseline`` (geometric mean of the subject's values at day 0 or before) and
    ``log2_ratio`` to it. An analyte of which more than half the values are below the limit has no
    ratio, only that fraction (status ``detection_rate_only``); a subject without a baseline has
    none either (``no_baseline``), nor has an analyte of several units (``mixed_units``).

    References
    ----------
    Hornung & Reed 1990, Appl Occup Environ Hyg 5:46 (LOD over the square root of 2).
    """
    out = table.copy()
    below = out["below_lod"].astype(bool)
    out["value_used"] = out["value"].mask(below, out["lod"] / np.sqrt(2))
    grouped = out.assign(below=below).groupby("analyte", observed=True)["below"]
    out["fraction_below_lod"] = grouped.transform("mean").astype(float)
    out["n_values"] = grouped.transform("size")
    log2 = np.log2(out["value_used"])
    before = out[k.DAYS] <= 0
    by = [out[k.SUBJECT], out["analyte"]]
    base = log2.where(before).groupby(by, observed=True).transform("mean")
    replaced = (below & before).groupby(by, observed=True).transform("any")
    mostly = out["fraction_below_lod"] > _MOSTLY
    refused = mixed_units(table)
    mixed = out["analyte"].isin(refused)
    out["baseline"] = np.exp2(base).mask(mostly | mixed)
    out["log2_ratio"] = (log2 - base).mask(mostly | mixed)
    out["status"] = np.select(
        [mixed, mostly, base.isna()], ["mixed_units", "detection_rate_only", "no_baseline"],
        default="ok",
    )  # fmt: skip
    notes = {
        "detection_rate_only": "more than half of the values are below the limit of detection",
        "no_baseline": "no value of this subject at day 0 or before",
    }
    out["note"] = out["status"].map(notes).fillna("")
    out.loc[mixed, "note"] = out["analyte"][mixed].map(refused)
    half = (out["status"] == "ok") & (below | replaced)
    out.loc[half, "note"] = "value or baseline below the limit: LOD/sqrt(2) stands in"
    order = ["analyte", k.SUBJECT, k.DAYS]
    return out[list(PLASMA_COLUMNS)].sort_values(order, kind="stable", ignore_index=True)
