"""Sheets proposed from what an .h5ad says of its cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import _keys as k
from senoscore.errors import SheetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["propose_sheets"]

_NAMES: Final = {
    k.SAMPLE: r"sample|sample_?id|library|orig\.?ident|gsm",
    k.SUBJECT: r"subject|donor|donor_?id|patient|animal|mouse(_?id)?|individual",
    k.TREATMENT: r"treatment|condition|group|arm|irradiat\w*|radiation",
    k.DOSE: r"dose|dose_?gy|gy",
    k.TIME: (
        r"time|time_?post_?(rt|ir)|day|days|days_?post_?(rt|ir)|dpi|timepoint|time_?point"
        r"|hours|weeks"
    ),
    "time_unit": r"time_?unit",
    k.BATCH: r"batch|lane|run|chip",
    "sex": r"sex|gender",
    "tissue": r"tissue|organ",
    "region": r"region|zone",
    "compartment_column": r"compartment|cell_?type\w*|celltype\w*|annotation|cell_?class",
}
_CONTROL: Final = re.compile(
    r"control|ctrl|ctl|sham|unirradiated|non.?ir|untreated|naive|\bpre\b"
    r"|(?<![\d.,])0+(?:[.,]0*)? ?gy",  # but neither 10 Gy nor 2.0 Gy
    re.IGNORECASE,
)
_UNIT_OF_NAME: Final = {"day": "d", "days": "d", "dpi": "d", "hours": "h", "weeks": "w"}
_TIME: Final = re.compile(
    r"\s*(\d+(?:[.,]\d+)?)\s*(h|hr|hrs|hours?|d|days?|w|wk|weeks?|mo|months?)?\s*",
    re.IGNORECASE | re.ASCII,
)

_IRRADIATED: Final = re.compile(
    r"ir|rt|xrt|irradiated|radiation|yes|true|\d+(?:[.,]\d+)? ?gy", re.IGNORECASE | re.ASCII
)
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?", re.ASCII)
_PART_OF_GRAY: Final = re.compile(r"[cm]gy", re.IGNORECASE)


def propose_sheets(
    obs: pd.DataFrame, path: Path, *, organism: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Propose both sheets from the columns of a merged file.

    Parameters
    ----------
    obs
        One row a cell.
    path
        The file.
    organism
        ``human`` or ``mouse``.

    Returns
    -------
    datasets, samples
        Sheets as text, to be read again after the user has checked them.
    notes
        What was taken for what, and what is unsure.

    Raises
    ------
    SheetError
        No column looks like samples.
    """
    found, notes = _columns(obs)
    if k.SAMPLE not in found:
        msg = f"{path}: no obs column looks like samples"
        fix = f"write the sheets by hand; columns there: {', '.join(map(str, obs.columns))}"
        raise SheetError(msg, fix=fix)
    groups = obs.groupby(obs[found[k.SAMPLE]].astype(str), sort=True)
    rows = [_row(name, of, found, notes) for name, of in groups]
    samples = pd.DataFrame(rows)
    if k.TREATMENT not in found:
        notes.append("no column looks like treatment: fill in treatment (control, irradiated)")
    if k.TIME not in found:
        notes.append("no column looks like time: fill in time_post_rt and time_unit")
    datasets = pd.DataFrame(
        {
            k.DATASET: [re.sub(r"[^A-Za-z0-9_.+-]", "_", path.stem)],
            "path": [str(path)],
            "organism": [organism],
            "assay": ["sc"],
            "sample_column": [found[k.SAMPLE]],
            "compartment_column": [found.get("compartment_column", "")],
        }
    )
    return datasets, samples, list(dict.fromkeys(notes))


def _columns(obs: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    notes: list[str] = []
    for wanted, pattern in _NAMES.items():
        match = [c for c in obs.columns if re.fullmatch(pattern, str(c), re.IGNORECASE)]
        if match:
            found[wanted] = match[0]
            also = f" (also possible: {', '.join(match[1:])})" if match[1:] else ""
            notes.append(f"{wanted}: obs column {match[0]!r}{also}")
    return found, notes


def _row(name: str, of: pd.DataFrame, found: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {k.SAMPLE: name}
    for wanted in (
        k.SUBJECT,
        k.TREATMENT,
        k.DOSE,
        k.TIME,
        "time_unit",
        k.BATCH,
        "sex",
        "tissue",
        "region",
    ):
        if wanted not in found:
            if wanted in (k.TREATMENT, k.TIME, "time_unit"):
                row[wanted] = ""
            continue
        values = of[found[wanted]].dropna().astype(str).unique()
        if len(values) > 1:
            notes.append(
                f"sample {name!r} has {len(values)} values of {found[wanted]!r}: left empty"
            )
        row[wanted] = values[0] if len(values) == 1 else ""
    if row.get(k.TREATMENT):
        row[k.TREATMENT] = _treatment(row[k.TREATMENT], notes)
    if row.get(k.DOSE):
        row[k.DOSE] = _dose(row[k.DOSE], notes)
    if row.get(k.TIME):
        parsed = _TIME.fullmatch(row[k.TIME])
        unit = (parsed[2] or "").lower() if parsed else ""
        guess = "mo" if unit.startswith("mo") else unit[:1]
        row[k.TIME] = parsed[1].replace(",", ".") if parsed else ""
        row["time_unit"] = row["time_unit"] or guess or _UNIT_OF_NAME.get(found[k.TIME].lower(), "")
    return row


def _dose(text: str, notes: list[str]) -> str:
    """The one number in a text; several (``10x2 Gy``) or another unit is for the user to settle."""
    numbers = _NUMBER.findall(text)
    if len(numbers) == 1 and not _PART_OF_GRAY.search(text):
        return str(numbers[0]).replace(",", ".")
    notes.append(f"dose {text!r} is not one number of Gy: left empty")
    return ""


def _treatment(word: str, notes: list[str]) -> str:
    if _CONTROL.search(word):
        notes.append(f"treatment {word!r} is taken for control")
        return k.CONTROL
    if _IRRADIATED.fullmatch(word):
        notes.append(f"treatment {word!r} is taken for irradiated")
        return k.IRRADIATED
    notes.append(f"treatment {word!r} is kept as it is")
    return word
