"""What the models see: one value a subject, treatment, dose and day, and its blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.study.drugs import EXTRA_NUMBERS, EXTRA_TEXTS, unirradiated, with_arms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


__all__ = [
    "ARM",
    "CELLS",
    "FRACTIONS",
    "KINDS",
    "MATCHED_SETS",
    "TRANSFORM",
    "Blocks",
    "Stratum",
    "blocks",
    "check_days",
    "controls_at",
    "days_with_controls",
    "designed",
    "one_per_sample",
    "placed",
    "plain",
    "prepared",
    "refuse_lookalikes",
    "regions_apart",
    "strata",
    "unit_of",
    "units",
    "values",
    "wanted_measures",
    "without_controls",
]

_SAME_NUMBER: Final = 1e-6
"""Doses or days that differ by less than this share are one number written in two ways."""


def plain(table: pd.DataFrame, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Turn categorical and nullable columns into plain text and numbers.

    An AnnData that went through a file has categorical columns. Grouping by them gives a row to
    every combination of categories, also to those that no sample has.

    Parameters
    ----------
    table
        Not changed.
    columns
        Names of the columns to look at, where they are there; None looks at all.

    Returns
    -------
    Categories become what they stand for, nullable text and numbers become object and float64
    (missing: NaN), nullable truth values without gaps bool.
    """
    names = list(table.columns) if columns is None else [n for n in columns if n in table]
    new: dict[Any, Any] = {}
    for name in names:
        column = table[name]
        dtype: Any = column.dtype
        if isinstance(dtype, pd.CategoricalDtype):
            dtype = dtype.categories.dtype
            column = column.astype(object)
            if pd.api.types.is_bool_dtype(dtype) and not column.isna().any():
                column = column.astype(bool)
            elif pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
                column = column.astype(float)
        elif not pd.api.types.is_extension_array_dtype(dtype):
            continue
        elif pd.api.types.is_bool_dtype(dtype):
            column = column.astype(object if column.isna().any() else bool)
        elif pd.api.types.is_numeric_dtype(dtype):
            column = column.astype(float)
        elif isinstance(dtype, pd.StringDtype):
            column = column.astype(object).where(column.notna(), np.nan)
        new[name] = column
    return table.assign(**new) if new else table


def refuse_lookalikes(table: pd.DataFrame) -> None:
    """Refuse names and numbers that are written in two ways, since they would be two groups.

    Raises
    ------
    InputError
        Treatments, subjects, samples or batches that differ in case or blanks only, or doses and
        days that differ by less than a millionth.
    """
    for name in (k.TREATMENT, k.SUBJECT, k.SAMPLE, k.BATCH, "region", "modality"):
        if name not in table:
            continue
        spelt: dict[str, str] = {}
        for value in map(str, table[name].dropna().unique()):
            first = spelt.setdefault(" ".join(value.lower().split()), value)
            if first != value:
                msg = f"{name} is written {first!r} in one row and {value!r} in another"
                raise InputError(msg, fix="write it the same way everywhere, or use other names")
    for name in (k.DOSE, k.DAYS):
        if name not in table:
            continue
        numbers = np.unique(pd.to_numeric(table[name], errors="coerce").dropna())
        close = np.diff(numbers) < _SAME_NUMBER * np.maximum(np.abs(numbers[1:]), 1)
        if close.any():
            at = int(np.flatnonzero(close)[0])
            one, other = float(numbers[at]), float(numbers[at + 1])
            msg = f"{name} is {one!r} in one row and {other!r} in another"
            raise InputError(msg, fix="round them to the same number")


def one_per_sample(cells: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse a sample whose cells disagree on what was done to it.

    Raises
    ------
    InputError
        Names the sample, the column and two of its values.
    """
    for name in names:
        if name not in cells:
            continue
        pairs = cells[[k.SAMPLE, name]].drop_duplicates()
        twice = pairs[pairs[k.SAMPLE].duplicated(keep=False)]
        if len(twice):
            sample = twice[k.SAMPLE].iloc[0]
            one, other = twice.loc[twice[k.SAMPLE] == sample, name].tolist()[:2]
            msg = f"sample {sample!r} has {name} {one!r} in one cell and {other!r} in another"
            fix = "a sample is one library of one subject at one time: give the parts own names"
            raise InputError(msg, fix=fix)


def _number(column: pd.Series, samples: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna() & (column.astype(str).str.strip() != "")
    if bad.any():
        at = int(np.flatnonzero(bad.to_numpy())[0])
        sample, value = samples.iloc[at], column.iloc[at]
        msg = f"{column.name} of sample {sample!r} is {value!r}, expected a number"
        raise InputError(msg, fix=f"give {column.name} as numbers, e.g. 7 and not 'd7'")
    return numbers.astype(float)


KINDS: Final = ("assay", "organism")
"""Samples that differ in these are never compared."""
_ENOUGH: Final = 2


def regions_apart(table: pd.DataFrame, *, control: str) -> bool:
    """Whether each irradiated region of a compartment has controls of its own.

    Where one has none, no region is kept apart: a compartment is not compared by two rules.
    """
    is_control = table[k.TREATMENT] == control
    return set(table.loc[~is_control, "region"]) <= set(table.loc[is_control, "region"])


def days_with_controls(controls: pd.DataFrame) -> set[float]:
    """Days at which two or more control subjects were sampled."""
    per_day = controls.groupby(k.DAYS, observed=True)[k.SUBJECT].nunique()
    return set(per_day.index[per_day >= _ENOUGH])


def controls_at(controls: pd.DataFrame, days: float) -> tuple[pd.DataFrame, bool]:
    """Controls of a day where there are two subjects, else all; and whether of the day."""
    if days in days_with_controls(controls):
        return controls[controls[k.DAYS] == days], True
    return controls, False


def check_days(table: pd.DataFrame, *, control: str) -> None:
    """Refuse treated samples from before irradiation.

    Raises
    ------
    InputError
        Names the sample and what to write instead.
    """
    early = table[(table[k.TREATMENT] != control) & (table[k.DAYS] < 0)]
    if len(early):
        row = early.iloc[0]
        msg = (
            f"sample {row[k.SAMPLE]!r} has treatment {row[k.TREATMENT]!r} at day {row[k.DAYS]:g}, "
            "before irradiation"
        )
        raise InputError(msg, fix=f"it is a baseline: give it treatment {control!r}")


FRACTIONS: Final = {
    "fraction_senescent": "ok",
    "fraction_acute": "acute",
    "fraction_arrested": "ok",
}
"""Status of the treated samples each is of: after and before the day from which the pattern can be
senescence. The first counts called cells (``n_called``), the second those that fulfil the panel's
rule (``n_positive``), the third those further along the learnt arrest than nine in ten control
cells (``n_beyond``), there only where a programme was learnt. Controls are in all."""
_COUNTED: Final = {
    "fraction_senescent": ("n_called", "n_assessable"),
    "fraction_acute": ("n_positive", "n_assessable"),
    "fraction_arrested": ("n_beyond", "n_judged"),
}
_LEARNT: Final = "fraction_arrested"
CELLS: Final = "cells:"
"""How columns begin that hold how many cells a fraction is of."""
MATCHED_SETS: Final = "SD of matched gene sets"
"""Unit of an axis where no control cell of the compartment is there to standardise it by."""
TRANSFORM: Final = "arcsine"
"""Scale on which fractions are compared where nothing else is asked for."""
_READABLE: Final = (
    "ok", "acute", "no_time", "other_depth", "profile", "no_control", "not_assessable",
)  # fmt: skip
_DEFAULT_SIGNATURES: Final = ("senmayo", "fridman", "corescence", "p53_targets", "proliferation")
_MEAN: Final = "mean:"
_APART: Final = (*KINDS, "region", k.DATASET, "modality")
ARM: Final = (k.TREATMENT, k.DOSE, "n_fractions", "modality")
"""What was done to a sample: 10 Gy at once and in five fractions are two arms."""
_CELL: Final = (k.SUBJECT, *ARM, k.DAYS)
_AMOUNTS: Final = (k.DOSE, "n_fractions", "bed_gy", "eqd2_gy", k.DAYS, "n_assessable")
_BESIDE: Final = ("bed_gy", "eqd2_gy", "n_assessable", "cells")


@dataclass(frozen=True)
class Blocks:
    """Columns beside the groups: subjects that return, and batches; how, in words."""

    subject: NDArray[np.float64]
    batch: NDArray[np.float64]
    said: str
    batch_is: str
    """``batch``, or ``dataset`` where the sheet gives no batch."""


@dataclass(frozen=True)
class Stratum:
    """Samples of a compartment that may be compared: same assay, organism and, mostly, region."""

    name: str
    table: pd.DataFrame
    note: str
    elsewhere: bool
    """Whether a control of this compartment is in another stratum."""
    design: str
    """``repeated`` where a subject is there in several states, else ``cross_sectional``."""


def _without_treatment(table: pd.DataFrame) -> pd.Series:
    """Rows whose treatment is a gap, also one that ``astype(str)`` made a word of.

    Where no sample at all has a treatment, an empty text stands for the missing column.
    """
    if k.TREATMENT not in table:
        return pd.Series(data=False, index=table.index)
    words = table[k.TREATMENT].astype(object).where(table[k.TREATMENT].notna(), "nan")
    words = words.astype(str).str.strip()
    gap = words.isin(["nan", "<NA>", "NaN"])
    return gap if words.eq("").all() else gap | words.eq("")


def designed(samples: pd.DataFrame) -> pd.DataFrame:
    """Fill the design columns of a samples sheet or burden table.

    A drug is a part of the treatment, texts are texts, a sample without a subject is its own, and
    where no sample has a batch the data set stands for it (``batch_is`` says so).

    Raises
    ------
    InputError
        A sample has no treatment, a number is text, or a name is written in two ways.
    """
    table = with_arms(plain(samples.reset_index(drop=True))).copy()
    missing = _without_treatment(table)
    if missing.any():
        msg = f"sample {table.loc[missing, k.SAMPLE].iloc[0]!r} has no treatment"
        raise InputError(msg, fix="say what was done to it; unirradiated samples have 'control'")
    refuse_lookalikes(table)
    for name in _AMOUNTS:
        table[name] = _number(table[name], table[k.SAMPLE]) if name in table else np.nan
    for name in (*_APART, k.SUBJECT, k.BATCH):
        values = table[name] if name in table else pd.Series("", index=table.index)
        table[name] = values.astype(object).where(values.notna(), "").astype(str)
    table[k.SUBJECT] = table[k.SUBJECT].where(table[k.SUBJECT] != "", table[k.SAMPLE].astype(str))
    for name in EXTRA_TEXTS:
        if name in table:
            table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
    for name in EXTRA_NUMBERS:
        if name in table:
            table[name] = _number(table[name], table[k.SAMPLE])
    # What was processed together is what the sheet says; where it says nothing, a file.
    table["batch_is"] = k.BATCH
    if table[k.BATCH].eq("").all():
        table[k.BATCH], table["batch_is"] = table[k.DATASET], k.DATASET
    return table


def prepared(burden: pd.DataFrame, transform: str = TRANSFORM, *, control: str) -> pd.DataFrame:
    """Burden table with fractions on the scale of the model, and unusable values empty.

    Raises
    ------
    InputError
        A column is missing, the transform is unknown, or a treated sample is of a day before
        irradiation.
    """
    needed = [k.SAMPLE, k.COMPARTMENT, k.TREATMENT, "n_assessable", "n_positive", "status"]
    missing = [name for name in needed if name not in burden]
    if missing:
        msg = f"the burden table has no column {missing[0]!r}"
        raise InputError(msg, fix="make it with senoscore.burden")
    if transform not in ("logit", "arcsine"):
        msg = f"transform is {transform!r}, expected logit or arcsine"
        raise InputError(msg, fix="choose one of the two")
    table = designed(burden)
    check_days(table, control=control)
    bare = unirradiated(table, control)
    timeless = ~bare & table[k.DAYS].isna()
    table.loc[timeless & table["status"].isin(set(FRACTIONS.values())), "status"] = "no_time"
    counted = table["status"].isin(set(FRACTIONS.values()))
    alike = [table[name] for name in (k.COMPARTMENT, *KINDS)]
    if "n_called" not in table:
        table["n_called"] = table["n_positive"]
    is_control = bare & counted  # with a drug too: what is not irradiated has no phase
    for name, status in FRACTIONS.items():
        if not set(_COUNTED[name]) <= set(table):
            continue
        k_cells, n = (table[column].to_numpy(dtype=float) for column in _COUNTED[name])
        table[f"{CELLS}{name}"] = n
        # One offset for all samples of a compartment: half a cell of the median sample. With an
        # offset of half a cell of each sample's own, a sample of few cells would have the higher
        # logit where neither has a senescent cell.
        own = table[f"{CELLS}{name}"].where(counted).groupby(alike, observed=True)
        half = 0.5 / own.transform("median").to_numpy(dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            raw = k_cells / n
            logit = np.log((raw + half) / (1 - raw + half))
        scaled = logit if transform == "logit" else np.arcsin(np.sqrt(raw))
        usable = table["status"].eq(status) | is_control
        if table["status"].eq(status)[~is_control].any():
            table[f"raw:{name}"] = np.where(usable, raw, np.nan)
            table[name] = np.where(usable, scaled, np.nan)
        else:
            table[[f"raw:{name}", name]] = np.nan
    means = [n for n in map(str, table) if n == "index_mean" or n.startswith(_MEAN)]
    table[means] = table[means].astype(float)
    readable = table["status"].isin(_READABLE)
    table.loc[~readable, means] = np.nan
    return table.rename(columns={name: str(name).removeprefix(_MEAN) for name in means})


def strata(table: pd.DataFrame, *, control: str) -> list[Stratum]:
    """Split one compartment into samples that may be compared with each other.

    Cells, nuclei, bulk and arrays are never pooled, nor are organisms. Regions are kept apart
    where each region that was irradiated has controls; else they are averaged, and that is said.

    Parameters
    ----------
    table
        Rows of one compartment, as :func:`prepared` gives them.
    control
        Treatment that means not irradiated.

    Returns
    -------
    The parts, sorted by name; the name is empty where there is one.
    """
    is_control = table[k.TREATMENT] == control
    regions = set(table.loc[~is_control, "region"])
    split = regions_apart(table, control=control)
    names = [*KINDS, "region"] if split else list(KINDS)
    averaged = "" if split or len(regions) < 2 else f"regions averaged: {_listed(regions)}"
    telling = [name for name in names if len(set(table[name])) > 1]
    parts = []
    for key, group in table.groupby(names, sort=True, observed=True):
        said = [str(value) for name, value in zip(names, key, strict=True) if name in telling]
        has_control = bool((group[k.TREATMENT] == control).any())
        name = ", ".join(value or "not given" for value in said)
        elsewhere = bool(is_control.any()) and not has_control
        parts.append(Stratum(name, group, averaged, elsewhere, _design(group)))
    return parts


def _design(table: pd.DataFrame) -> str:
    states = table[[name for name in _CELL if name in table]].drop_duplicates()
    return "repeated" if states[k.SUBJECT].duplicated().any() else "cross_sectional"


def _listed(words: set[str]) -> str:
    return ", ".join(sorted(word or "not given" for word in words))


def wanted_measures(
    burden: pd.DataFrame, table: pd.DataFrame, measures: Sequence[str] | None
) -> list[str]:
    """Measures to model; by default fractions, the index, axes, SASP families, a few signatures.

    Raises
    ------
    InputError
        A measure is no column.
    """
    means = [str(name).removeprefix(_MEAN) for name in burden if str(name).startswith(_MEAN)]
    fractions = [name for name in FRACTIONS if name != _LEARNT or _some(table, name)]
    own = [*fractions, *(name for name in ("index_mean",) if name in table), *means]
    if measures is not None:
        chosen = [name.removeprefix(_MEAN) for name in measures]
        missing = [name for name in chosen if name not in own]
        if missing:
            msg = f"the burden table has no measure {missing[0]!r}"
            raise InputError(msg, fix=f"measures: {', '.join(own)}")
        return chosen
    return [name for name in own if name not in means or _by_default(name, means)]


def _some(table: pd.DataFrame, name: str) -> bool:
    return name in table and bool(table[name].notna().any())


def _by_default(name: str, among: Sequence[str]) -> bool:
    """Whether a mean is asked by default; a SASP family once, as an axis where it is one."""
    method, _, signature = name.partition(k.SEP)
    part = signature.endswith(("_up", "_down"))
    axis = f"z{k.SEP}{'sasp' if signature == 'sasp_secreted' else signature}"
    family = signature.startswith("sasp_") and not part and not method.endswith("_z")
    family = family and axis not in among
    return method == "z" or family or (not part and signature in _DEFAULT_SIGNATURES)


def values(own: pd.DataFrame, measure: str) -> pd.DataFrame:
    """One row a subject, arm and day: ``y``, ``raw`` (a fraction), cells, batch."""
    raw = own.get(f"raw:{measure}", np.nan)
    cells = own.get(f"{CELLS}{measure}", own["n_assessable"])
    table = own.assign(y=own[measure].astype(float), raw=raw, cells=cells)
    return units(table[np.isfinite(table["y"])], ["y", "raw"])


def units(own: pd.DataFrame, names: Sequence[Any]) -> pd.DataFrame:
    """One row a subject, arm and day with the means of some columns, cells and batch.

    Samples of one subject in the same state are averaged: a second library of an animal is no
    second animal. ``cells`` are those that a fraction is of, else the assessable ones.
    """
    if "cells" not in own:
        own = own.assign(cells=own["n_assessable"])
    grouped = own.groupby(list(_CELL), dropna=False, sort=True, observed=True)
    out = grouped[[*names, *_BESIDE]].mean()
    out[k.BATCH] = grouped[k.BATCH].agg(lambda b: "+".join(sorted(set(b))))
    out["batch_is"] = grouped["batch_is"].first()
    out["n_samples"] = grouped.size()
    return out.reset_index()


def placed(row: dict[str, Any], part: Stratum) -> dict[str, Any]:
    """Name the stratum in the contrast, so that two of them are told apart in every table."""
    note = "; ".join(filter(None, [part.note, row.get("note", "")]))
    title = f"{row['contrast']} [{part.name}]" if part.name else row["contrast"]
    return row | {"contrast": title, "note": note, "design": part.design}


def without_controls(table: pd.DataFrame, *, control: str) -> set[str]:
    """Compartments of which no control sample has a cell.

    Their axes are z against matched gene sets, since there is nothing else to standardise by.
    """
    controls = table[table[k.TREATMENT].eq(control) & table["status"].ne("absent")]
    return set(table[k.COMPARTMENT].astype(str)) - set(controls[k.COMPARTMENT].astype(str))


def unit_of(measure: str, transform: str, *, controls: bool = True) -> str:
    """Unit of the estimates of a measure.

    Parameters
    ----------
    measure
        As in the table of contrasts.
    transform
        Scale of the fractions.
    controls
        Whether the compartment has control cells, by which axes are standardised.
    """
    if measure.startswith("fraction_"):
        return "log odds" if transform == "logit" else "radians (arcsine)"
    if measure == "index_mean":
        return "index"
    if measure.startswith("z:"):
        return "control SD" if controls else MATCHED_SETS
    return "score"


def blocks(table: pd.DataFrame) -> Blocks:
    """Subject columns where a subject is there more than once, batch columns where they group."""
    none = np.zeros((len(table), 0))
    subject, batch, said = none, none, []
    if table[k.SUBJECT].duplicated().any():
        subject = pd.get_dummies(table[k.SUBJECT], dtype=float).to_numpy()
        said.append("subjects as blocks")
    if (table["n_samples"] > 1).any():
        said.append("samples of a subject averaged")
    if 1 < table[k.BATCH].nunique() < len(table):
        batch = pd.get_dummies(table[k.BATCH], dtype=float).to_numpy()
        batch = batch - batch.mean(axis=0)
    batch_is = str(table["batch_is"].iloc[0]) if "batch_is" in table else k.BATCH
    return Blocks(subject, batch, "; ".join(said), batch_is)
