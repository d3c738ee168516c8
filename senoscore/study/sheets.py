"""The study design: the two sheets, checked row by row, and what they can answer."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError, SheetError
from senoscore.ingest import sheet_column
from senoscore.io import odd_path, schema
from senoscore.study.dose import LQ_CAUTION_GY, LQ_LIMIT_GY, bed, eqd2, to_days
from senoscore.study.drugs import drug_names, unirradiated, with_arms

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = [
    "check_sheets",
    "describe_design",
    "dose_messages",
    "raw_sheet",
    "read_datasets",
    "read_samples",
    "samples_of",
]

_MOST_SHOWN: Final = 8
"""Errors of a sheet said at once; more would hide the first."""
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MISSING: Final = frozenset({"", "na", "n/a", "nan", "none", "null"})


def read_datasets(path: str | Path) -> pd.DataFrame:
    """Read and check datasets.tsv.

    Parameters
    ----------
    path
        Tab-separated, with a header; ``config/README.md`` explains the columns.

    Returns
    -------
    One row a dataset, with every column of the schema, defaults filled in.

    Raises
    ------
    SheetError
        Names the file, row, column, what was expected and how to mend it.
    """
    table = _read_sheet(path, "datasets", "dataset")
    for row in table.to_dict("records"):
        where = f"{path}, dataset {row['dataset']!r}"
        named = [name for name in ("sample", "sample_column") if row[name]]
        if row["assay"] in k.PROFILES and named:
            msg = f"{where}: assay {row['assay']} needs no {named[0]}, each profile is a sample"
            raise SheetError(msg, fix=f"leave {named[0]} empty")
        if row["assay"] not in k.PROFILES and len(named) != 1:
            msg = (
                f"{where}: expected sample or sample_column, found {' and '.join(named) or 'none'}"
            )
            fix = "name the sample this file is, or the obs column that names samples"
            raise SheetError(msg, fix=fix)
    return table


def read_samples(path: str | Path) -> pd.DataFrame:
    """Read and check samples.tsv; compute days, BED and EQD2.

    Parameters
    ----------
    path
        Tab-separated, with a header; ``config/README.md`` explains the columns.

    Returns
    -------
    One row a sample: the columns of the sheet, and ``days_post_rt`` (days; NaN where no time is
    given), ``dose_per_fraction_gy``, ``bed_gy``, ``eqd2_gy`` (Gy; NaN where dose, fractions or
    α/β are missing). ``cov_*`` and ``ext_*`` are numbers where every value is one. A drug becomes
    a part of ``treatment``, and ``treatment_given`` is the word of the sheet
    (:func:`senoscore.study.with_arms`). Drug, dose rate and LET have columns where the sheet has.

    Raises
    ------
    SheetError
        Names the file, row, column, what was expected and how to mend it.
    """
    table = _read_sheet(path, "samples", "sample")
    unitless = table["time_post_rt"].notna() & (table["time_unit"] == "")
    if unitless.any():
        row = table[unitless].iloc[0]
        msg = f"{path}, sample {row['sample']!r}: time_post_rt {row['time_post_rt']:g} has no unit"
        raise SheetError(msg, fix="put h, d, w or mo into time_unit")
    table[k.DAYS] = to_days(table["time_post_rt"], table["time_unit"])
    table["dose_per_fraction_gy"] = table["dose_gy"] / table["n_fractions"]
    table["bed_gy"] = bed(table["dose_gy"], table["n_fractions"], table["alpha_beta"])
    table["eqd2_gy"] = eqd2(table["dose_gy"], table["n_fractions"], table["alpha_beta"])
    for name in table.columns[table.columns.str.startswith(("cov_", "ext_"))]:
        table[name] = _typed(table[name])
    _check_drugs(table, path)
    try:
        return with_arms(table)
    except InputError as error:
        msg = f"{path}: {error.message}"
        raise SheetError(msg, fix=error.fix) from error


def _typed(values: pd.Series) -> pd.Series:
    """Numbers where every value that is given is one, else words."""
    given = values[values != ""]
    if len(given) and given.map(lambda text: bool(_NUMBER.fullmatch(text))).all():
        return pd.to_numeric(values.where(values != "", np.nan)).astype(float)
    return values


def _check_drugs(table: pd.DataFrame, path: str | Path) -> None:
    """Refuse doses and days of drugs that say no dose and no days."""
    for row in table.to_dict("records"):
        where = f"{path}, sample {row['sample']!r}"
        drugs, dose = drug_names(row.get("drug")), row.get("drug_dose", "")
        if dose and not row.get("drug"):
            msg = f"{where}: drug_dose is {dose!r}, but there is no drug"
            raise SheetError(msg, fix="name the drug, or leave the dose empty")
        if dose and drugs and len(dose.split("+")) != len(drugs):
            msg = f"{where}: {len(drugs)} drugs ({'+'.join(drugs)}) have drug_dose {dose!r}"
            raise SheetError(msg, fix="give each drug a dose, with +, or leave it empty")
        start, stop = (row.get(f"drug_{end}_days", np.nan) for end in ("start", "stop"))
        if stop < start:
            msg = f"{where}: drug_stop_days {stop:g} is before drug_start_days {start:g}"
            raise SheetError(msg, fix="both are days on the clock of time_post_rt")


def _read_sheet(path: str | Path, name: str, key: str) -> pd.DataFrame:
    rules = schema(name)
    raw = raw_sheet(path)
    _check_columns(raw, rules, path)
    for column, rule in rules["properties"].items():
        if column not in raw and not rule.get("optional"):
            raw[column] = ""
    wrong: list[SheetError] = []
    table = pd.DataFrame(
        {column: _checked(raw, column, _rule(rules, column), path, wrong) for column in raw.columns}
    )
    _raise_together(wrong)
    twice = table[key][table[key].duplicated()]
    if len(twice):
        rows = [str(i + 2) for i in np.flatnonzero(table[key] == twice.iloc[0])]
        msg = f"{path}: {key} {twice.iloc[0]!r} is there {len(rows)} times (rows {', '.join(rows)})"
        raise SheetError(msg, fix=f"give each {key} one row")
    folded = table[key].str.casefold()
    if folded.duplicated().any():
        pair = table[key][folded == folded[folded.duplicated()].iloc[0]].tolist()
        msg = f"{path}: {key} {pair[0]!r} and {pair[1]!r} differ by case only"
        raise SheetError(msg, fix="rename one; some file systems hold only one of them")
    return table


def _raise_together(wrong: list[SheetError]) -> None:
    """Raise what is wrong with a sheet as one error, so that one look mends all of it."""
    if not wrong:
        return
    if len(wrong) == 1:
        raise wrong[0]
    shown = "; ".join(f"({n}) {error}" for n, error in enumerate(wrong[:_MOST_SHOWN], 1))
    more = len(wrong) - _MOST_SHOWN
    msg = f"{len(wrong)} errors: {shown}" + (f"; and {more} more" if more > 0 else "")
    raise SheetError(msg)


_MAKE_SHEET: Final = "make it with `senoscore init FILE`, or see config/README.md"


def raw_sheet(path: str | Path, *, if_absent: str = _MAKE_SHEET) -> pd.DataFrame:
    """Read a tab-separated file of texts; empty lines and lines that begin with # are left out.

    Parameters
    ----------
    path
        UTF-8, with a header.
    if_absent
        How a file that is not there can be had, for the message.

    Returns
    -------
    One column a field of the header, every value a text without blanks around it. Row ``i`` is
    row ``i + 2`` of the file in messages.

    Raises
    ------
    SheetError
        No such file, no UTF-8 text, no tabs, rows of another width than the header, no rows.
    """
    if Path(path).exists() and not Path(path).is_file():  # a pipe would never end
        msg = f"{path} cannot be read (not a regular file)"
        raise SheetError(msg, fix="give a tab-separated text file")
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        msg = f"{path} not found"
        raise SheetError(msg, fix=if_absent) from error
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text (byte {error.start})"
        raise SheetError(msg, fix="save it as UTF-8, tab-separated") from error
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror})"
        raise SheetError(msg, fix="check that it is a file and who may read it") from error
    if "\0" in text:
        msg = f"{path} has a NUL byte; it is not text"
        raise SheetError(msg, fix="save it as UTF-8, tab-separated")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        msg = f"{path} is empty"
        raise SheetError(msg, fix="put a header line and one row each into it")
    for mark, name in ((",", "commas"), (";", "semicolons")):
        if "\t" not in lines[0] and mark in lines[0]:
            msg = f"{path} has no tabs; its fields seem to be separated by {name}"
            raise SheetError(msg, fix="save it tab-separated")
    width = len(lines[0].split("\t"))
    for number, line in enumerate(lines, 1):
        if len(line.split("\t")) != width:
            msg = f"{path}, row {number}: {len(line.split(chr(9)))} fields, the header has {width}"
            raise SheetError(msg, fix="separate fields by one tab each, as many as the header has")
    header, *rows = ([field.strip() for field in line.split("\t")] for line in lines)
    table = pd.DataFrame(rows, columns=header, dtype=object)
    if len(table) == 0:
        msg = f"{path} has a header but no rows"
        raise SheetError(msg, fix="add one row each")
    return table


def _rule(rules: Mapping[str, Any], column: str) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = rules["properties"]
    if column in properties:
        rule: Mapping[str, Any] = properties[column]
        return rule
    patterns: Mapping[str, Mapping[str, Any]] = rules.get("patternProperties", {})
    return next(rule for pattern, rule in patterns.items() if re.search(pattern, column))


def _check_columns(raw: pd.DataFrame, rules: Mapping[str, Any], path: str | Path) -> None:
    known = list(rules["properties"])
    patterns = list(rules.get("patternProperties", {}))
    duplicated = raw.columns[raw.columns.duplicated()]
    if len(duplicated):
        msg = f"{path}: column {duplicated[0]!r} is duplicated"
        raise SheetError(msg, fix="keep one of them")
    for column in raw.columns:
        if column not in known and not any(re.search(p, column) for p in patterns):
            meant = sheet_column(column)  # time is time_post_rt, though time_unit is nearer
            is_own = meant is not None and (meant in known or meant.startswith("cov_"))
            near = [meant] if is_own else difflib.get_close_matches(column, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"columns: {', '.join(known)}"
            if patterns:
                hint += "; columns of your own begin with cov_ (covariates) or ext_ (measured)"
            msg = f"{path}: unknown column {column!r}"
            raise SheetError(msg, fix=hint)
    for column in rules["required"]:
        if column not in raw:
            msg = f"{path}: no column {column!r}"
            raise SheetError(msg, fix=f"required are {', '.join(rules['required'])}")


def _checked(
    raw: pd.DataFrame,
    column: str,
    rule: Mapping[str, Any],
    path: str | Path,
    wrong: list[SheetError],
) -> pd.Series:
    """Values of a column; what is wrong with one is added to ``wrong``."""
    kinds = rule.get("type", "string")
    numeric = (
        isinstance(kinds, list) and kinds[0] in ("number", "integer") and "string" not in kinds
    )
    values: list[float | str] = []
    for row, text in enumerate(raw[column], 2):
        try:
            values.append(_value(text, column, rule, f"{path}, row {row}", numeric=numeric))
        except SheetError as error:
            wrong.append(error)
            values.append(np.nan if numeric else "")
    return pd.Series(values, dtype=float if numeric else object)


def _value(
    text: str, column: str, rule: Mapping[str, Any], where: str, *, numeric: bool
) -> float | str:
    # A required name may well be NA or null; elsewhere these words mean that nothing is given.
    if text.lower() in _MISSING and "default" in rule:
        return float("nan") if numeric else str(rule["default"] or "")
    if numeric:
        return _number(text, column, rule, where)
    if "enum" in rule:
        allowed = [str(value) for value in rule["enum"] if value != ""]
        lowered = text.lower()
        lowered = rule.get("synonyms", {}).get(re.sub(r"[\W_]+", "", lowered), lowered)
        if lowered not in allowed:
            near = difflib.get_close_matches(lowered, allowed, n=1)
            msg = f"{where}: {column} is {text!r}, expected one of {', '.join(allowed)}"
            raise SheetError(msg, fix=f"did you mean {near[0]!r}?" if near else rule["description"])
        return lowered
    if text == "" and "default" not in rule:
        msg = f"{where}: {column} is '', it must not be empty"
        raise SheetError(msg, fix=f"fill it in. {rule['description']}")
    if not re.fullmatch(rule.get("pattern", "(?s).*"), text):
        msg = f"{where}: {column} is {text[:120]!r}"
        fix = "use letters, digits, '_', '.', '+', '-', the first a letter or digit; at most 100"
        raise SheetError(msg, fix=rule["description"] if rule.get("optional") else fix)
    wrong = odd_path(text) if rule.get("format") == "path" else None
    if wrong:
        msg = f"{where}: {column} is {text[:120]!r}, which {wrong}"
        raise SheetError(msg, fix="give the file another name, or a link to it")
    return text


def _number(text: str, column: str, rule: Mapping[str, Any], where: str) -> float:
    if not _NUMBER.fullmatch(text):  # Python's float also takes 1_0, nan and digits of any script
        fix = "write decimals with a point" if "," in text else rule["description"]
        msg = f"{where}: {column} is {text[:120]!r}, expected a number"
        raise SheetError(msg, fix=fix)
    number = float(text)
    low = rule.get("minimum", rule.get("exclusiveMinimum", -np.inf))
    too_low = number < low or ("exclusiveMinimum" in rule and number == low)
    whole = "integer" not in rule["type"] or number == np.floor(number)
    if not np.isfinite(number) or too_low or not whole:
        kind = "a whole number" if "integer" in rule["type"] else "a number"
        msg = f"{where}: {column} is {text}, expected {kind} of {low:g} or more"
        raise SheetError(msg, fix=rule["description"])
    return number


def samples_of(row: Mapping[str, Any], samples: pd.DataFrame) -> list[str] | None:
    """Samples a dataset may hold: the one it is, or None where its file names them."""
    if row["sample"]:
        return [row["sample"]]
    return None if len(samples) == 0 else samples[k.SAMPLE].tolist()


def check_sheets(datasets: pd.DataFrame, samples: pd.DataFrame) -> None:
    """Check what the two sheets say of each other without opening a matrix.

    Raises
    ------
    SheetError
        Two datasets are the same file; a dataset is a sample that the samples sheet does not
        have; a sample that no dataset can hold.
    """
    _refuse_same_file(datasets)
    known = set(samples[k.SAMPLE])
    named = datasets.loc[datasets["sample"] != "", ["dataset", "sample"]]
    for dataset, sample in named.itertuples(index=False):
        if sample not in known:
            near = difflib.get_close_matches(sample, sorted(known), n=1)
            fix = f"did you mean {near[0]!r}?" if near else "add a row for it to the samples sheet"
            msg = f"dataset {dataset!r} is sample {sample!r}, which the samples sheet does not have"
            raise SheetError(msg, fix=fix)
    if len(named) == len(datasets):
        unused = sorted(known - set(named["sample"]))
        if unused:
            msg = f"no dataset holds sample {', '.join(map(repr, unused[:5]))}"
            raise SheetError(msg, fix="add its file to the datasets sheet, or remove the row")


def _refuse_same_file(datasets: pd.DataFrame) -> None:
    """Cells that are read twice would count as twice as many, or as two samples."""
    from senoscore.ingest import source_files

    seen: dict[str, str] = {}
    for row in datasets.to_dict("records"):
        for file in source_files(row["path"], format=row["format"]):
            other = seen.setdefault(os.path.realpath(file), row["dataset"])
            if other != row["dataset"]:
                msg = f"datasets {other!r} and {row['dataset']!r} are the same file, {file}"
                raise SheetError(msg, fix="keep one row; sample_column tells the samples of a file")


def dose_messages(samples: pd.DataFrame, *, control: str) -> list[str]:
    """Things in the samples sheet that are probably wrong or weak, in words, worst first."""
    out = []
    is_control = samples[k.TREATMENT] == control
    if not is_control.any():
        words = ", ".join(sorted(samples[k.TREATMENT].unique()))
        out.append(
            f"No sample has treatment {control!r} (found: {words}): no senescence call and no "
            "contrast; set control_treatment, or add unirradiated samples."
        )
    dosed = samples[is_control & (samples[k.DOSE] > 0)][k.SAMPLE].tolist()
    if dosed:
        out.append(f"Control samples with a dose above 0 Gy: {', '.join(dosed)}.")
    irradiated = samples[~unirradiated(samples, control)]
    timeless = irradiated[irradiated[k.DAYS].isna()][k.SAMPLE].tolist()
    bare = irradiated[irradiated[k.DOSE] == 0][k.SAMPLE].tolist()
    if bare:
        out.append(f"Treated samples with a dose of 0 Gy: {', '.join(bare)}.")
    if timeless:
        out.append(
            f"Treated samples without a time: {', '.join(timeless)}; never called senescent."
        )
    fraction = samples["dose_per_fraction_gy"].where(samples["eqd2_gy"].notna())
    if (fraction > LQ_LIMIT_GY).any():
        out.append(f"BED and EQD2 above {LQ_LIMIT_GY:g} Gy a fraction are outside the model.")
    elif (fraction > LQ_CAUTION_GY).any():
        out.append(f"BED and EQD2 above {LQ_CAUTION_GY:g} Gy a fraction are contested.")
    return out


def describe_design(samples: pd.DataFrame, *, control: str) -> pd.DataFrame:
    """Replication of every group and what it allows.

    Parameters
    ----------
    samples
        As :func:`read_samples` gives them.
    control
        Treatment that means not irradiated.

    Returns
    -------
    One row per (treatment, dose, days): ``n_samples``, ``n_subjects``, ``samples``, ``allows``.
    """
    rows = []
    subject = samples[k.SUBJECT].where(samples[k.SUBJECT] != "", samples[k.SAMPLE])
    table = samples.assign(**{k.SUBJECT: subject})
    groups = table.groupby([k.TREATMENT, k.DOSE, k.DAYS], dropna=False, sort=True, observed=True)
    for (treatment, dose, days), group in groups:
        n = group[k.SUBJECT].nunique()
        if treatment == control:
            allows = "baseline" if n > 1 else "baseline of one: its spread is unknown"
        elif n == 1:
            allows = "effect only: no p-value, no interval (cells are not replicates)"
        elif n == 2:
            allows = "test with very wide intervals"
        else:
            allows = "test"
        rows.append(
            {
                k.TREATMENT: treatment,
                k.DOSE: dose,
                k.DAYS: days,
                "n_samples": len(group),
                "n_subjects": n,
                "samples": " ".join(group[k.SAMPLE]),
                "allows": allows,
            }
        )
    out = pd.DataFrame(rows)
    out["repeated_subjects"] = bool(subject.duplicated().any())
    return out
