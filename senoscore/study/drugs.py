"""Drugs, dose rate and LET of samples: a part of the name of their treatment, so of their arm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = [
    "EXTRA_NUMBERS",
    "EXTRA_TEXTS",
    "design_extras",
    "drug_messages",
    "drug_names",
    "unirradiated",
    "with_arms",
    "without_drug",
]

_JOIN: Final = " + "
EXTRA_TEXTS: Final = (k.GIVEN, k.DRUG, "drug_dose", "drug_unit")
EXTRA_NUMBERS: Final = ("drug_start_days", "drug_stop_days", "dose_rate_gy_s", "let_kev_um")
_OWN: Final = ("cov_", "ext_")
_VEHICLE: Final = frozenset(
    {"", "na", "nan", "none", "no", "nodrug", "vehicle", "veh", "dmso", "pbs", "saline", "placebo",
     "untreated", "control", "ctrl"}
)  # fmt: skip
"""Words of a drug column that mean no drug: what it is dissolved in is none."""


def design_extras(columns: Iterable[Any]) -> list[str]:
    """Those of some columns that hold drugs, dose rate, LET, covariates or outside measurements."""
    known = (*EXTRA_TEXTS, *EXTRA_NUMBERS)
    return [c for c in columns if isinstance(c, str) and (c in known or c.startswith(_OWN))]


def drug_names(text: object) -> list[str]:
    """Names of the drugs in a field such as ``navitoclax + metformin``, sorted; none of a vehicle.

    Examples
    --------
    >>> drug_names("metformin+Navitoclax"), drug_names("vehicle")
    (['metformin', 'Navitoclax'], [])
    """
    parts = [" ".join(part.split()) for part in str("" if _gap(text) else text).split("+")]
    drugs = {part for part in parts if re.sub(r"[\W_]+", "", part.casefold()) not in _VEHICLE}
    return sorted(drugs, key=str.casefold)


def _gap(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA


def unirradiated(table: pd.DataFrame, control: str) -> pd.Series:
    """Rows that were not irradiated, with a drug or without: only the latter are controls."""
    return table[k.GIVEN if k.GIVEN in table else k.TREATMENT].eq(control)


def without_drug(treatment: str) -> tuple[str, str]:
    """Treatment of the same arm without its drug, and the drug as the arm names it.

    Examples
    --------
    >>> without_drug("irradiated 40 Gy/s + navitoclax 50 mg/kg")
    ('irradiated 40 Gy/s', 'navitoclax 50 mg/kg')
    """
    alone, _, drug = treatment.rpartition(_JOIN)
    return (alone, drug) if alone else (treatment, "")


def with_arms(samples: pd.DataFrame) -> pd.DataFrame:
    """Make drug, dose rate and LET a part of the treatment.

    Irradiated samples with and without a drug are two arms, and an unirradiated sample with a
    drug is no control. So the treatment of a sample with a drug becomes ``irradiated +
    navitoclax``; dose and days of the drug stand behind it where the study gives one drug in
    several ways, dose rate (Gy/s) and LET (keV/um) behind the word of the sheet where samples of
    one treatment, dose and modality differ in them. Drugs that the word has already
    (``irradiated+navitoclax``) are not written twice.

    Parameters
    ----------
    samples
        Samples sheet, cells or burden table. Not changed.

    Returns
    -------
    The same rows. Without such columns, or where that is done already, the table itself; else
    with ``treatment_given``, the word of the sheet without drugs, and ``drug`` without vehicles.

    Raises
    ------
    InputError
        A drug or a unit is written in two ways.
    """
    named = [name for name in (k.DRUG, "dose_rate_gy_s", "let_kev_um") if name in samples]
    if not named or k.GIVEN in samples or k.TREATMENT not in samples:
        return samples
    keys = [c for c in (k.TREATMENT, k.DOSE, "n_fractions", "modality", *design_extras(samples))
            if c in samples and not c.startswith(_OWN)]  # fmt: skip
    rows = samples[keys].astype(object)
    number = rows.groupby(keys, dropna=False, sort=False, observed=True).ngroup().to_numpy()
    _, first = np.unique(number, return_index=True)
    arms = rows.iloc[first].reset_index(drop=True)
    drugs = [drug_names(value) for value in _column(arms, k.DRUG)]
    _refuse_two_spellings(drugs, _column(arms, "drug_unit"))
    base = [_without(word, own) for word, own in zip(arms[k.TREATMENT], drugs, strict=True)]
    physics = _physics(arms, base)
    if not any(drugs) and not any(physics):
        return samples
    given = _given(arms, drugs)
    labels = [
        word if _gap(word) else _JOIN.join(filter(None, [f"{word}{how}", what]))
        for word, how, what in zip(base, physics, given, strict=True)
    ]
    out = samples.copy()
    out[k.TREATMENT] = np.array(labels, dtype=object)[number]
    out[k.GIVEN] = np.array(base, dtype=object)[number]
    if k.DRUG in out:
        out[k.DRUG] = np.array(["+".join(own) for own in drugs], dtype=object)[number]
    return out


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name] if name in table else pd.Series([""] * len(table), dtype=object)


def _refuse_two_spellings(drugs: list[list[str]], units: pd.Series) -> None:
    for what, words in (
        (k.DRUG, [name for named in drugs for name in named]),
        ("drug_unit", ["" if _gap(unit) else str(unit) for unit in units]),
    ):
        spelt: dict[str, str] = {}
        for word in words:
            first = spelt.setdefault(word.casefold(), word)
            if first != word:
                msg = f"{what} is written {first!r} in one row and {word!r} in another"
                raise InputError(msg, fix="write it the same way everywhere")


def _without(word: Any, drugs: list[str]) -> Any:
    """The treatment without names of drugs that it holds between plus signs."""
    if _gap(word) or not drugs or "+" not in str(word):
        return word
    known = {name.casefold() for name in drugs}
    left = [part.strip() for part in str(word).split("+")]
    left = [part for part in left if part.casefold() not in known]
    return "+".join(left) if left else word


def _physics(arms: pd.DataFrame, base: list[Any]) -> list[str]:
    """Dose rate and LET behind the words of treatments that have several at one modality."""
    said = [""] * len(arms)
    modality = [("" if _gap(m) else str(m)) for m in _column(arms, "modality")]
    for name, unit in (("dose_rate_gy_s", "Gy/s"), ("let_kev_um", "keV/um")):
        if name not in arms:
            continue
        value = pd.to_numeric(arms[name], errors="coerce").to_numpy(dtype=float)
        facts = pd.DataFrame({"base": base, "modality": modality, "value": value})
        for key in (k.DOSE, "n_fractions"):
            facts[key] = pd.to_numeric(_column(arms, key), errors="coerce").to_numpy(dtype=float)
        irradiated = facts[~facts[k.DOSE].eq(0) & (facts["value"].notna() | facts[k.DOSE].gt(0))]
        schedule = ["base", "modality", k.DOSE, "n_fractions"]
        levels = irradiated.groupby(schedule, dropna=False, observed=True)["value"].agg(
            lambda v: v.nunique(dropna=False)
        )
        several = levels[levels > 1].reset_index()[["base", "modality"]]
        split = set(several.itertuples(index=False, name=None))
        for i in irradiated.index:
            if (base[i], modality[i]) in split:
                how = f"{value[i]:g} {unit}" if np.isfinite(value[i]) else f"? {unit}"
                said[i] = f"{said[i]} {how}"
    return said


def _given(arms: pd.DataFrame, drugs: list[list[str]]) -> list[str]:
    """Drugs of each arm; with dose and days where the study gives the same ones in two ways."""
    names = ["+".join(named) for named in drugs]
    amount = [
        " ".join("" if _gap(v) else str(v) for v in pair).strip().replace(_JOIN, "+")
        for pair in zip(_column(arms, "drug_dose"), _column(arms, "drug_unit"), strict=True)
    ]
    days = [
        _days(*pair)
        for pair in zip(
            _column(arms, "drug_start_days"), _column(arms, "drug_stop_days"), strict=True
        )
    ]
    out = []
    for i, name in enumerate(names):
        same = [j for j, other in enumerate(names) if other == name]
        words = [name]
        if len({amount[j] for j in same}) > 1:
            words.append(amount[i] or "dose not given")
        if len({days[j] for j in same}) > 1:
            words.append(days[i] or "days not given")
        out.append(" ".join(words) if name else "")
    return out


def _days(start: Any, stop: Any) -> str:
    first, last = (float("nan") if _gap(v) or v == "" else float(v) for v in (start, stop))
    if np.isnan(first) and np.isnan(last):
        return ""
    if np.isnan(last):
        return f"from day {first:g}"
    return f"until day {last:g}" if np.isnan(first) else f"days {first:g}-{last:g}"


def drug_messages(samples: pd.DataFrame, *, control: str) -> list[str]:
    """Say what the drug and covariate columns of a samples sheet leave unclear.

    Parameters
    ----------
    samples
        As :func:`senoscore.study.read_samples` gives them.
    control
        Treatment that means not irradiated.

    Returns
    -------
    Sentences that name the samples: drugs without a start, samples from before it, drug arms
    without their arm of radiation alone, covariates that cannot be told from the arms.
    """
    out: list[str] = []
    if k.DRUG in samples and k.GIVEN in samples:
        out += _drug_messages(samples, control)
    out += _covariate_messages(samples)
    return out


def _drug_messages(samples: pd.DataFrame, control: str) -> list[str]:
    out: list[str] = []
    drugged = samples[samples[k.DRUG].ne("")]
    start = _number(drugged, "drug_start_days")
    if start.isna().any():
        out.append(
            f"Drug without a start: {_listed(drugged[start.isna()])}; it is compared, but nobody "
            "can tell whether it was given before or after radiation (drug_start_days)."
        )
    before = drugged[drugged[k.DAYS].lt(start)]
    if len(before):
        out.append(
            f"Sampled before the drug began: {_listed(before)}; they are samples of their arm, "
            "yet had no drug."
        )
    for given, group in drugged.groupby(k.GIVEN, sort=True, observed=True):
        alone = samples[samples[k.GIVEN].eq(given) & samples[k.DRUG].eq("")]
        arms = group[[k.TREATMENT, k.DOSE]].drop_duplicates().fillna({k.DOSE: -1.0})
        doses = set(alone[k.DOSE].fillna(-1.0))
        lacking = [
            f"{label} ({dose:g} Gy)" if dose >= 0 else str(label)
            for label, dose in arms.itertuples(index=False)
            if (alone.empty if given == control else dose not in doses)
        ]
        if lacking:
            out.append(
                f"No samples of {given} without the drug for {', '.join(lacking)}: the drug cannot "
                "be told from radiation there; it is compared with unirradiated samples alone."
            )
    if drugged[k.GIVEN].ne(control).any() and not drugged[k.GIVEN].eq(control).any():
        out.append(
            "No unirradiated samples with a drug: whether the drug acts through radiation "
            "(the interaction) cannot be asked."
        )
    return out


def _covariate_messages(samples: pd.DataFrame) -> list[str]:
    arm = [c for c in (k.TREATMENT, k.DOSE, "n_fractions", "modality") if c in samples]
    out: list[str] = []
    for name in (c for c in samples if str(c).startswith("cov_")):
        values = samples[name].where(samples[name].ne(""))
        gaps = samples[values.isna()]
        if 0 < len(gaps) < len(samples):
            out.append(f"{name} is missing for {_listed(gaps)}: no formula can use it.")
        known = samples.assign(_value=values)[values.notna()]
        if len(set(known["_value"])) <= 1:
            out.append(f"{name} has one value: there is nothing to adjust for.")
            continue
        within = known.groupby(arm, dropna=False, observed=True)["_value"].agg(["nunique", "size"])
        if within["nunique"].max() == 1 and len(within) > 1 and within["size"].max() > 1:
            out.append(
                f"{name} is constant within every arm: what it does cannot be told from what was "
                "done to the arms."
            )
        words = known["_value"].astype(str)
        numbers = pd.to_numeric(words, errors="coerce").notna()
        if known["_value"].dtype == object and numbers.mean() > 0.5:
            odd = words[~numbers].iloc[0]
            out.append(f"{name} is read as text, for one value is {odd!r}.")
    return out


def _number(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name] if name in table else pd.Series(np.nan, index=table.index)


def _listed(rows: pd.DataFrame) -> str:
    names = rows[k.SAMPLE].astype(str).tolist()
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
