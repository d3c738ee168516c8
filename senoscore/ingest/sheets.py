"""Sheets proposed from what a file says of its cells, and a config that points at them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import yaml

from senoscore import names as k
from senoscore.errors import ConfigError, SheetError
from senoscore.io import atomic_path, load_config_file, load_yaml, schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


__all__ = ["is_radiation", "point_config", "propose_of_names", "propose_sheets", "sheet_column"]

_NAMES: Final = {
    k.SAMPLE: r"sample|sample[._ ]?id|library|orig[._ ]?ident|gsm",
    k.SUBJECT: r"subject|donor|donor_?id|patient|animal|mouse(_?id)?|individual",
    k.TREATMENT: r"treatment|condition|group|arm|irradiat\w*|radiation",
    k.DOSE: r"dose|dose_?gy|gy",
    k.TIME: (
        r"time|time_?post_?(rt|ir)|day|days|days_?post_?(rt|ir)|dpi|hpi|timepoint|time_?point"
        r"|hours|weeks"
    ),
    "time_unit": r"time_?unit",
    k.BATCH: r"batch|lane|run|chip",
    "sex": r"sex|gender",
    "tissue": r"tissue|organ",
    "region": r"region|zone",
    k.DRUG: r"drug|compound|agent|senolytic|senomorphic",
    "drug_dose": r"drug_?dose",
    "drug_unit": r"drug_?unit",
    "dose_rate_gy_s": r"dose_?rate(_?gy_?s)?",
    "let_kev_um": r"let(_?kev_?um)?",
    "cov_age": r"age|age_?(weeks|months|years)",
    "cov_strain": r"strain|genotype",
    "cov_chemo": r"chemo|chemotherapy",
    "compartment_column": r"compartment|cell_?type\w*|celltype\w*|annotation|cell_?class",
}
_AS_NAMED: Final = ("n_fractions", "modality", "drug_start_days", "drug_stop_days", "alpha_beta")
"""Further columns of the sheet, taken where obs has one of that very name."""
_UNIT_OF_NAME: Final = {
    "day": "d", "days": "d", "dpi": "d", k.DAYS: "d", "hours": "h", "hpi": "h", "weeks": "w",
}  # fmt: skip
_UNIT: Final = r"(h|hr|hrs|hours?|d|days?|w|wks?|weeks?|mo|months?)"
_TIMES: Final = (  # 7 d, 7 dpi, 24 hpi, 7 days post RT, or without a unit; day 7, D7, week_2
    re.compile(
        rf"(?P<n>\d+(?:[.,]\d+)?)\s*(?:(?P<unit>{_UNIT})(?:p[ir]|[\s_-]*post[\s_-]*(?:ir|rt))?)?",
        re.IGNORECASE | re.ASCII,
    ),
    re.compile(
        rf"(?P<unit>{_UNIT})(?:p[ir])?[\s_]*(?P<n>\d+(?:[.,]\d+)?)", re.IGNORECASE | re.ASCII
    ),
)

_IRRADIATED: Final = re.compile(
    r"ir|rt|xrt|irradiated|radiation|yes|true"
    r"|(?:\d+ ?[x×*] ?)?\d+(?:[.,]\d+)? ?gy(?: ?[x×*] ?\d+)?",
    re.IGNORECASE | re.ASCII,
)
_FRACTIONS: Final = (  # 5x8Gy, 8 Gy x 5; 40 Gy in 5 fractions, 40Gy/5fx
    re.compile(r"(?P<n>\d+)\s*[x×*]\s*(?P<each>\d+(?:[.,]\d+)?)\s*gy", re.IGNORECASE | re.ASCII),
    re.compile(r"(?P<each>\d+(?:[.,]\d+)?)\s*gy\s*[x×*]\s*(?P<n>\d+)", re.IGNORECASE | re.ASCII),
    re.compile(
        r"(?P<all>\d+(?:[.,]\d+)?)\s*gy\s*(?:in|/)\s*(?P<n>\d+)\s*(?:fx?|frx?|fractions?)",
        re.IGNORECASE | re.ASCII,
    ),
)
_SEXES: Final = ("female", "male", "f", "m")
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
    groups = obs.groupby(obs[found[k.SAMPLE]].astype(str), sort=True, observed=True)
    rows = [_row(name, group, found, notes) for name, group in groups]
    samples = pd.DataFrame(rows)
    if k.TREATMENT not in found:
        notes.append("no column looks like treatment: fill in treatment (control, irradiated)")
    if k.TIME not in found:
        notes.append("no column looks like time: fill in time_post_rt and time_unit")
    datasets = _datasets(path, organism=organism, assay="sc").assign(
        sample_column=found[k.SAMPLE], compartment_column=found.get("compartment_column", "")
    )
    return datasets, samples, list(dict.fromkeys(notes))


def sheet_column(name: str) -> str | None:
    """Column of the samples sheet that a name such as ``time`` or ``dose`` means, else None."""
    found = (
        wanted
        for wanted, pattern in _NAMES.items()
        if wanted != "compartment_column" and re.fullmatch(pattern, name, re.IGNORECASE)
    )
    return next(found, None)


def propose_of_names(
    names: list[str], path: Path, *, organism: str, assay: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Propose both sheets from the names of samples alone.

    Parameters
    ----------
    names
        Of samples: the profiles of a bulk table, or the one sample that a file is.
    path
        The file.
    organism
        ``human`` or ``mouse``.
    assay
        ``bulk``, where each name is a profile of the file; ``sc``, where the file is the sample.

    Returns
    -------
    As :func:`propose_sheets`. Only treatment is guessed, from words such as ``sham``; where a
    name has none, it is left empty.
    """
    notes: list[str] = []
    rows = []
    for name in names:
        words = re.split(r"[^A-Za-z0-9,.]+", name)
        known = [word for word in words if _IRRADIATED.fullmatch(word) or k.means_control(word)]
        treatment = _treatment(known[0], notes) if known else ""
        rows.append({k.SAMPLE: name, k.TREATMENT: treatment, k.TIME: "", "time_unit": ""})
    samples = pd.DataFrame(rows)
    if (samples[k.TREATMENT] == "").any():
        notes.append("names do not tell all treatments: fill in treatment (control, irradiated)")
    notes.append("fill in time_post_rt and time_unit, dose_gy and subject")
    datasets = _datasets(path, organism=organism, assay=assay)
    if assay == "sc":
        datasets[k.SAMPLE] = names[0]
    return datasets, samples, list(dict.fromkeys(notes))


def point_config(config: Path, datasets: Path, samples: Path) -> str:
    """Let a config name two sheets; one that is not there is made.

    Comments and every other key of a config stay as they are.

    Returns
    -------
    What was done, in words.

    Raises
    ------
    ConfigError
        The config cannot be read, or its two keys are not on lines of their own.
    """
    wanted = {"datasets": datasets.as_posix(), "samples": samples.as_posix()}
    if not config.exists():
        text = "# What a run does. Keys left out have their defaults: config/README.md, `check`.\n"
        _write_config(config, text + _lines(wanted))
        return f"wrote {config}, which points at them"
    content = load_config_file(config) or {}
    if not isinstance(content, dict):
        msg = f"{config}: expected keys with values, found {type(content).__name__}"
        raise ConfigError(msg, fix="remove it and run `senoscore init` again")
    before = {key: content.get(key, f"config/{key}.tsv") for key in wanted}
    if before == wanted:
        return f"{config} points at them"
    text = config.read_text(encoding="utf-8-sig")
    for key, value in wanted.items():
        line = re.compile(rf"^{key}[ \t]*:.*$", re.MULTILINE)
        if key not in content:
            text = f"{text.rstrip()}\n{_lines({key: value})}"
        else:
            new = _lines({key: value}).rstrip().replace("\\", r"\\")
            text = line.sub(new, text, count=1)
    if load_yaml(text) != {**content, **wanted}:
        msg = f"{config}: cannot put {' and '.join(wanted)} into it without harm to the rest"
        raise ConfigError(msg, fix=f"write there yourself: {_lines(wanted).strip()!r}")
    _write_config(config, text)
    changed = ", ".join(
        f"{key}: {value} (was {before[key]})" for key, value in wanted.items()
        if before[key] != value
    )  # fmt: skip
    return f"{config} now has {changed}"


def _lines(keys: Mapping[str, str]) -> str:
    return yaml.safe_dump(dict(keys), sort_keys=True, allow_unicode=True, width=10_000)


def _write_config(path: Path, text: str) -> None:
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def _datasets(path: Path, *, organism: str, assay: str) -> pd.DataFrame:
    stem = path.name.removesuffix(".gz")
    stem = stem.rpartition(".")[0] or stem
    return pd.DataFrame(
        {
            k.DATASET: [re.sub(r"[^A-Za-z0-9_.+-]", "_", stem)],
            "path": [str(path)],
            "organism": [organism],
            "assay": [assay],
        }
    )


def _columns(obs: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    notes: list[str] = []
    for wanted, pattern in {**_NAMES, **dict(zip(_AS_NAMED, _AS_NAMED, strict=True))}.items():
        match = [c for c in obs.columns if re.fullmatch(pattern, str(c), re.IGNORECASE)]
        if match:
            found[wanted] = match[0]
            also = f" (also possible: {', '.join(match[1:])})" if match[1:] else ""
            notes.append(f"{wanted}: obs column {match[0]!r}{also}")
    return found, notes


def _row(
    name: str, group: pd.DataFrame, found: Mapping[str, str], notes: list[str]
) -> dict[str, Any]:
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
        k.DRUG,
        "drug_dose",
        "drug_unit",
        "dose_rate_gy_s",
        "let_kev_um",
        "cov_age",
        "cov_strain",
        "cov_chemo",
        *_AS_NAMED,
    ):
        if wanted not in found:
            if wanted in (k.TREATMENT, k.TIME, "time_unit"):
                row[wanted] = ""
            continue
        values = group[found[wanted]].dropna().astype(str).unique()
        if len(values) > 1:
            notes.append(
                f"sample {name!r} has {len(values)} values of {found[wanted]!r}: left empty"
            )
        row[wanted] = values[0] if len(values) == 1 else ""
    if row.get(k.TREATMENT):
        row[k.TREATMENT] = _treatment(row[k.TREATMENT], notes)
    if k.DOSE in row:
        row[k.DOSE], in_words = _dose(row[k.DOSE], notes) if row[k.DOSE] else ("", "")
        row["n_fractions"] = in_words or row.get("n_fractions", "")
    if row.get(k.TIME):
        row[k.TIME], guess = _time(row[k.TIME], notes)
        unit = row["time_unit"] or guess or _UNIT_OF_NAME.get(found[k.TIME].lower(), "")
        row["time_unit"] = unit if row[k.TIME] else ""
        if row[k.TIME] and not unit:
            notes.append(f"times in {found[k.TIME]!r} have no unit: fill in time_unit")
    if row.get("sex") and row["sex"].strip().lower() not in _SEXES:
        notes.append(f"sex {row['sex']!r} is none of {', '.join(_SEXES)}: left empty")
        row["sex"] = ""
    if row.get("modality") and not is_radiation(row["modality"]):
        # What MuData and multi-omic pipelines call so is the assay: rna, atac.
        notes.append(f"modality {row['modality']!r} is not a kind of radiation: left empty")
        row["modality"] = ""
    return row


def is_radiation(word: str) -> bool:
    """Whether the sheet takes a word for a kind of radiation."""
    rule = schema("samples")["properties"]["modality"]
    return word.lower() in rule["enum"] or re.sub(r"[\W_]+", "", word.lower()) in rule["synonyms"]


def _time(text: str, notes: list[str]) -> tuple[str, str]:
    """The number and the unit of a time, as far as it says them."""
    parsed = next((m for form in _TIMES if (m := form.fullmatch(text.strip()))), None)
    if parsed is None:
        notes.append(f"time {text!r} is not one number and a unit: left empty")
        return "", ""
    unit = (parsed["unit"] or "").lower()
    return parsed["n"].replace(",", "."), "mo" if unit.startswith("mo") else unit[:1]


def _dose(text: str, notes: list[str]) -> tuple[str, str]:
    """Total dose and number of fractions; what is not clear is for the user to settle."""
    for form in _FRACTIONS:
        if parsed := form.fullmatch(text.strip()):
            given = parsed.groupdict()
            n, part = int(given["n"]), given.get("each") or given["all"]
            total = float(part.replace(",", ".")) * (n if given.get("each") else 1)
            notes.append(f"dose {text!r} is taken for {total:g} Gy in {n} fractions")
            return f"{total:g}", str(n)
    numbers = _NUMBER.findall(text)
    if len(numbers) == 1 and not _PART_OF_GRAY.search(text):
        return str(numbers[0]).replace(",", "."), ""
    notes.append(f"dose {text!r} is not one number of Gy: left empty")
    return "", ""


def _treatment(word: str, notes: list[str]) -> str:
    if k.means_control(word):
        notes.append(f"treatment {word!r} is taken for control")
        return k.CONTROL
    if _IRRADIATED.fullmatch(word):
        notes.append(f"treatment {word!r} is taken for irradiated")
        return k.IRRADIATED
    notes.append(f"treatment {word!r} is kept as it is")
    return word
