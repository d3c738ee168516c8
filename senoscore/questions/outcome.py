"""Whether the burden at a landmark goes with what later happens to the animal or patient."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import ConfigError, InputError, SheetError
from senoscore.inference import bh
from senoscore.questions.asked import arm_said
from senoscore.questions.association import Association, firth_cox, rank_association
from senoscore.study import (
    DAYS_PER_UNIT,
    TRANSFORM,
    prepared,
    raw_sheet,
    takes,
    unirradiated,
    wanted_measures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


__all__ = ["OUTCOME_COLUMNS", "outcome", "outcome_subjects", "read_outcome"]

_NEEDED: Final = (k.SUBJECT, "endpoint", "kind", "time_days")
_SURVIVAL: Final = "time-to-event"
KINDS: Final = (_SURVIVAL, "grade", "value")
_COMPETING: Final = 2
_PER_ARM: Final = 4
"""Events that each further arm, a covariate, takes beside the floor."""

OUTCOME_COLUMNS: Final = (
    "family", "question", "endpoint", "kind", k.COMPARTMENT, "measure", "contrast", "landmark_days",
    "n_subjects", "n_events", "n_competing", "n_before_landmark", "n_without_sample", "estimate",
    "ci_lo", "ci_hi", "unit", "statistic", "p", "q", "method", "status", "reason", "note",
)  # fmt: skip
_SUBJECTS: Final = (
    "endpoint", "kind", k.COMPARTMENT, k.SUBJECT, "arm", "sampled_days", "fraction", "index",
    "time_days", "event", "value", "left_out",
)  # fmt: skip
_NUMBERS: Final = (
    "landmark_days", "n_subjects", "n_events", "n_competing", "n_before_landmark",
    "n_without_sample", "estimate", "ci_lo", "ci_hi", "statistic", "p",
)  # fmt: skip


def read_outcome(path: str | Path, samples: pd.DataFrame) -> pd.DataFrame:
    """Read and check a table of outcomes.

    Parameters
    ----------
    path
        TSV, one row a subject and endpoint: subject, endpoint, kind (``time-to-event``, ``grade``
        or ``value``), time_days (days after irradiation: of the event or of the end of
        follow-up; of the measurement) or time and time_unit (h, d, w, mo), ``event``
        (time-to-event: 0 censored, 1 the event, 2 a competing event) and ``value`` (grade,
        value).
    samples
        Samples sheet: its subjects (or samples, where a sample is its own subject) are known.

    Returns
    -------
    subject, endpoint, kind, time_days, event (NaN for grades and values), value (NaN for times).

    Raises
    ------
    SheetError
        A column is missing, a subject is unknown, an endpoint is there twice for one subject or
        has two kinds, a number is none, an event is not 0, 1 or 2.
    """
    raw = raw_sheet(path, if_absent=f"columns: {', '.join(_NEEDED)}, event, value")
    if {"time", "time_unit"} <= set(raw) and "time_days" not in raw:
        raw["time_days"] = _in_days(raw, path)
    missing = [name for name in _NEEDED if name not in raw]
    if missing:
        msg = f"{path} has no column {missing[0]!r}"
        raise SheetError(msg, fix=f"columns: {', '.join(_NEEDED)}, event, value")
    table = raw.assign(event=raw.get("event", ""), value=raw.get("value", ""))
    known = {str(s) for s in samples[k.SUBJECT].fillna("")} | set(samples[k.SAMPLE].astype(str))
    rows = [
        _row(row, f"{path}, row {number}", known - {""})
        for number, row in enumerate(table.to_dict("records"), 2)
    ]
    out = pd.DataFrame(rows, columns=[*_NEEDED, "event", "value"])
    twice = out.duplicated([k.SUBJECT, "endpoint"])
    if twice.any():
        at = int(np.flatnonzero(twice)[0])
        name, subject = out["endpoint"].iloc[at], out[k.SUBJECT].iloc[at]
        msg = f"{path}, row {at + 2}: {name} of subject {subject!r} is duplicated"
        fix = "keep the first event; a grade of several times is several endpoints (grade_d90)"
        raise SheetError(msg, fix=fix)
    for name, group in out.groupby("endpoint", observed=True):
        kinds = list(group["kind"].unique())
        if len(kinds) > 1:
            msg = f"{path}: endpoint {name!r} is {kinds[0]} in one row and {kinds[1]} in another"
            raise SheetError(msg, fix="give an endpoint one kind")
    return out


def _in_days(raw: pd.DataFrame, path: str | Path) -> list[str]:
    """Times with units as days, which are read and checked as any others."""
    out = []
    for number, (time, unit) in enumerate(zip(raw["time"], raw["time_unit"], strict=True), 2):
        where = f"{path}, row {number}"
        if unit not in DAYS_PER_UNIT:
            msg = f"{where}: time_unit is {unit!r}"
            raise SheetError(msg, fix=f"one of: {', '.join(DAYS_PER_UNIT)}")
        out.append(str(_number(time, "time", where) * DAYS_PER_UNIT[unit]))
    return out


def _row(row: dict[Any, Any], where: str, known: set[str]) -> dict[str, Any]:
    subject, kind = row[k.SUBJECT], row["kind"].lower().replace("_", "-")
    if subject not in known:
        near = difflib.get_close_matches(subject, sorted(known), n=1)
        fix = f"did you mean {near[0]!r}?" if near else "write it as in the samples sheet"
        msg = f"{where}: subject {subject!r} is not in the samples sheet"
        raise SheetError(msg, fix=fix)
    if not row["endpoint"]:
        msg = f"{where}: endpoint is empty"
        raise SheetError(msg, fix="name it, e.g. local_recurrence")
    if kind not in KINDS:
        msg = f"{where}: kind is {row['kind']!r}"
        raise SheetError(msg, fix=f"one of: {', '.join(KINDS)}")
    own = "event" if kind == _SURVIVAL else "value"
    other = "value" if own == "event" else "event"
    if row[other]:
        msg = f"{where}: {other} is {row[other]!r}, but kind is {kind}"
        raise SheetError(msg, fix=f"leave {other} empty and give {own}")
    days, number = _number(row["time_days"], "time_days", where), _number(row[own], own, where)
    if own == "event" and number not in (0, 1, _COMPETING):
        msg = f"{where}: event is {row[own]}"
        raise SheetError(msg, fix="0 censored, 1 the event, 2 a competing event")
    return {
        k.SUBJECT: subject, "endpoint": row["endpoint"], "kind": kind, "time_days": days,
        own: number, other: np.nan,
    }  # fmt: skip


def _number(text: str, column: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        msg = f"{where}: {column} is {text!r}, expected a number"
        raise SheetError(msg, fix="write a number with a decimal point")
    return number


@dataclass(frozen=True)
class _Asked:
    """Settings of all associations."""

    landmark: float
    alpha: float
    min_events: int


@takes(burden="sen.burden(adata)", outcomes="sen.read_outcome(file, samples)")
def outcome(
    burden: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    landmark_days: float,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    min_events: int = 10,
    transform: str = TRANSFORM,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    r"""Associate burden, SASP and index at a landmark with outcomes after it.

    Irradiated subjects only: what irradiation does to both is no association between them. Of each
    subject the last day with a sample at or before the landmark counts; samples after it are not
    used. Subjects whose event or end of follow-up is not after the landmark are left out and
    counted, and time at risk begins at the landmark, so that nobody is immortal until it.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    outcomes
        As :func:`senoscore.read_outcome` gives it.
    landmark_days
        Day after irradiation at which the burden is taken to be known.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    min_events
        Events below which a time to event is not modelled; each arm but the first takes 4 more.
    transform
        Scale of the fractions (matters for hazard ratios, not for ranks).
    measures
        As in :func:`senoscore.trend`; default the senescent fraction, the index and all that is
        named SASP.

    Returns
    -------
    One row an endpoint, compartment, measure and contrast: every arm by itself, and all of them
    together where there are several, compared within arms (``contrast`` says which). ``estimate``
    is Spearman's rho (ranks within arms) for grades and values, and the hazard ratio of one
    standard deviation within arms for times (Cox with Firth's penalty); ``status`` is ``tested``,
    ``not_testable`` (too few subjects or events) or ``not_estimable``, with the reason. ``q`` is
    Benjamini-Hochberg over the tested rows of a family: an endpoint, contrast kind and kind of
    measure. ``n_before_landmark`` counts subjects left out because their outcome is of a day
    before the landmark or at it (a grade or value at the landmark itself counts),
    ``n_without_sample`` those without a value of that compartment at or before the landmark.

    Raises
    ------
    InputError
        A table lacks a column, or a measure is no column.
    ConfigError
        The landmark is no number of days of 0 or more.

    Notes
    -----
    A competing event ends the time at risk: the hazard is cause-specific, and its ratio says
    nothing of the share of subjects that ever have the event. Proportional hazards are assumed and
    not checked. An association is no effect: what drives burden and outcome alike is not removed.

    References
    ----------
    Anderson, Cain & Gelber 1983, J Clin Oncol 1:710 (landmark); Heinze & Schemper 2001, Biometrics
    57:114.

    Examples
    --------
    >>> outcomes = pd.DataFrame(
    ...     {
    ...         "subject": [f"m{n}" for n in range(5, 13)],
    ...         "endpoint": "fibrosis",
    ...         "kind": "grade",
    ...         "time_days": 120,
    ...         "value": [1, 2, 2, 3, 0, 1, 1, 0],
    ...     }
    ... )
    >>> outcomes.to_csv("outcome.tsv", sep="\t", index=False)
    >>> graded = sen.read_outcome("outcome.tsv", burden)
    >>> table = sen.outcome(burden, graded, landmark_days=28)
    >>> tumour = table.query("compartment == 'tumour'").reset_index(drop=True)
    >>> tumour[["measure", "n_subjects", "status"]].head(2)
                  measure  n_subjects  status
    0  fraction_senescent         7.0  tested
    1          index_mean         7.0  tested
    """
    _check_landmark(landmark_days)
    table = prepared(burden, transform, control=control)
    wanted = wanted_measures(burden, table, measures)
    if measures is None:
        wanted = [name for name in wanted if _by_default(name)]
    asked = _Asked(float(landmark_days), alpha, min_events)
    rows: list[dict[str, Any]] = []
    for head, both in _beside(table, outcomes, wanted, asked.landmark, control):
        rows += [head | row for row in _asked_of(both, wanted, asked)]
    out = pd.DataFrame(rows, columns=list(OUTCOME_COLUMNS))
    out["family"] = [
        f"outcome/{e}/{q}/{_kind(m)}"
        for e, q, m in zip(out["endpoint"], out["question"], out["measure"], strict=True)
    ]
    out[list(_NUMBERS)] = out[list(_NUMBERS)].astype(float)
    out["q"] = bh(out)
    order = ["endpoint", k.COMPARTMENT, "question", "contrast"]
    return out.sort_values(order, kind="stable", ignore_index=True)


@takes(burden="sen.burden(adata)", outcomes="sen.read_outcome(file, samples)")
def outcome_subjects(
    burden: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    landmark_days: float,
    control: str = k.CONTROL,
) -> pd.DataFrame:
    """Return each irradiated subject with its burden at the landmark and its outcome.

    Parameters
    ----------
    burden, outcomes, landmark_days, control
        As for :func:`outcome`, which associates them.

    Returns
    -------
    One row a compartment, endpoint and subject: its ``arm``, ``sampled_days`` (NaN without a
    sample at or before the landmark), ``fraction`` of senescent cells and ``index`` on that day,
    ``time_days``, ``event`` and ``value`` of the outcome, and ``left_out``: why it is in no
    association (empty where it is).

    Raises
    ------
    InputError, ConfigError
        As there.
    """
    _check_landmark(landmark_days)
    table = prepared(burden, TRANSFORM, control=control)
    names = {"raw:fraction_senescent": "fraction", "index_mean": "index"}
    table = table.assign(**{name: np.nan for name in names if name not in table})
    parts = []
    for head, both in _beside(table, outcomes, list(names), float(landmark_days), control):
        own = both.assign(**head).rename(columns={**names, k.DAYS: "sampled_days"})
        lacking = own[["fraction", "index"]].isna().all(axis=1)
        own["left_out"] = np.select(
            [~_late(own, float(landmark_days)), lacking],
            ["outcome before the landmark", "no value at or before the landmark"], default="",
        )  # fmt: skip
        parts.append(own)
    out = pd.concat(parts or [pd.DataFrame(columns=list(_SUBJECTS))], ignore_index=True)
    return out[list(_SUBJECTS)]


def _check_landmark(days: float) -> None:
    if not np.isfinite(days) or days < 0:
        msg = f"landmark_days is {days}"
        raise ConfigError(msg, fix="give the days after irradiation at which the burden is known")


def _beside(
    table: pd.DataFrame, outcomes: pd.DataFrame, wanted: list[str], landmark: float, control: str
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Outcomes of irradiated subjects beside their values at the landmark.

    One compartment and endpoint after the other, with a row a subject.
    """
    missing = [name for name in (*_NEEDED, "event", "value") if name not in outcomes]
    if missing:
        msg = f"the outcome table has no column {missing[0]!r}"
        raise InputError(msg, fix="read it with senoscore.read_outcome")
    irradiated = ~unirradiated(table, control)
    treated = table[irradiated & (table[k.COMPARTMENT] != k.UNASSIGNED)]
    mine = outcomes.assign(arm=outcomes[k.SUBJECT].map(_arms(treated, landmark)))
    mine = mine[mine["arm"].notna()]  # unirradiated subjects have none
    for compartment, group in treated.groupby(k.COMPARTMENT, sort=True, observed=True):
        known = _at_landmark(group, wanted, landmark)
        for endpoint, own in mine.groupby("endpoint", sort=True, observed=True):
            head = {k.COMPARTMENT: compartment, "endpoint": endpoint, "kind": own["kind"].iloc[0]}
            yield head, own.merge(known, on=k.SUBJECT, how="left")


def _late(own: pd.DataFrame, landmark: float) -> pd.Series:
    """Whether an outcome is of after the landmark; a grade or value of its day counts."""
    survival = own["kind"].eq(_SURVIVAL)
    return own["time_days"].gt(landmark) | (~survival & own["time_days"].eq(landmark))


def _by_default(measure: str) -> bool:
    signature = measure.split(k.SEP, 1)[-1]
    own = measure in ("fraction_senescent", "index_mean") or signature == "senmayo"
    return own or signature.startswith("sasp")


def _kind(measure: str) -> str:
    return measure if k.SEP not in measure else "sasp"


def _arms(treated: pd.DataFrame, landmark: float) -> pd.Series:
    """Arm of each irradiated subject in words: of its last day until the landmark, else its first.

    Of all compartments, so that a subject without cells of one is still counted in its arm.
    """
    late = treated[k.DAYS].gt(landmark) | treated[k.DAYS].isna()
    group = treated.assign(late=late, order=treated[k.DAYS].where(late, -treated[k.DAYS]))
    group = group.sort_values([k.SUBJECT, "late", "order"], kind="stable")
    group = group.drop_duplicates(k.SUBJECT).set_index(k.SUBJECT)
    return pd.Series([arm_said(row) for row in group.to_dict("records")], index=group.index)


def _at_landmark(group: pd.DataFrame, wanted: list[str], landmark: float) -> pd.DataFrame:
    """One row a subject: last day sampled at or before the landmark, means of that day."""
    early = group[group[k.DAYS] <= landmark]
    last = early.groupby(k.SUBJECT, observed=True)[k.DAYS].transform("max")
    grouped = early[early[k.DAYS] == last].groupby(k.SUBJECT, sort=True, observed=True)
    out = grouped[[*wanted, k.DAYS]].mean()
    out["several_regions"] = grouped["region"].agg(lambda own: len(set(own))) > 1
    subjects = pd.Index(sorted(group[k.SUBJECT].unique()), name=k.SUBJECT)
    return out.reindex(subjects).assign(only_later=~subjects.isin(out.index)).reset_index()


def _asked_of(own: pd.DataFrame, wanted: list[str], asked: _Asked) -> Iterator[dict[str, Any]]:
    """Rows of one compartment and endpoint; ``own`` has a row a subject with an outcome."""
    survival = own["kind"].eq(_SURVIVAL)
    both = own.assign(late=_late(own, asked.landmark))
    arms = sorted(both["arm"].unique())
    parts = [("within_arm", arm, both[both["arm"] == arm]) for arm in arms]
    if len(arms) > 1:
        parts.append(("across_arms", "all irradiated subjects, within arms", both))
    for question, contrast, whole in parts:
        part = whole[whole["late"]]
        for measure in wanted:
            there = part[part[measure].notna()]
            row = {
                "question": question, "contrast": contrast, "measure": measure,
                "landmark_days": asked.landmark, "n_subjects": len(there),
                "n_before_landmark": len(whole) - len(part),
                "n_without_sample": len(part) - len(there),
            }  # fmt: skip
            if survival.any():
                row |= _time_row(there, measure, asked)
            else:
                row |= _rank_row(there, measure, asked)
            row["note"] = "; ".join(filter(None, [row.get("note", ""), _note(there, part, row)]))
            yield row


def _note(there: pd.DataFrame, part: pd.DataFrame, row: dict[str, Any]) -> str:
    said = []
    days = sorted(there[k.DAYS].unique())
    if len(days) > 1:
        said.append(f"sampled at day {days[0]:g} to {days[-1]:g}: not all of one time")
    if there["several_regions"].isin([True]).any():
        said.append("regions of a subject averaged")
    if row["n_before_landmark"]:
        said.append(f"{row['n_before_landmark']} left out: outcome before the landmark")
    lacking = part.drop(there.index)
    if len(lacking):
        later = int(lacking["only_later"].isin([True]).sum())
        beside = f" ({later} sampled only after it)" if later else ""
        said.append(f"{len(lacking)} without a value at or before the landmark{beside}")
    return "; ".join(said)


def _numbers(found: Association, unit: str, *, few: bool) -> dict[str, Any]:
    status = k.TESTED if np.isfinite(found.p) else k.NOT_TESTABLE if few else k.NOT_ESTIMABLE
    return {
        "estimate": found.estimate, "ci_lo": found.lo, "ci_hi": found.hi, "unit": unit,
        "statistic": found.statistic, "p": found.p, "method": found.method, "status": status,
        "reason": found.reason,
    }  # fmt: skip


def _rank_row(there: pd.DataFrame, measure: str, asked: _Asked) -> dict[str, Any]:
    x, y = (there[name].to_numpy(dtype=float) for name in (measure, "value"))
    strata = pd.factorize(there["arm"])[0]
    found = rank_association(x, y, strata, alpha=asked.alpha)
    unit = "Spearman's rho" if len(set(strata)) < 2 else "Spearman's rho within arms"
    return _numbers(found, unit, few=found.reason.startswith("too few"))


def _time_row(there: pd.DataFrame, measure: str, asked: _Asked) -> dict[str, Any]:
    events = there["event"].eq(1)
    counted = {"n_events": int(events.sum()), "n_competing": int(there["event"].eq(2).sum())}
    arms = pd.factorize(there["arm"])[0]
    n_arms = len(set(arms))
    unit = "hazard ratio of one SD" + (" within arms" if n_arms > 1 else "")
    needed = asked.min_events + _PER_ARM * max(0, n_arms - 1)
    if counted["n_events"] < needed:
        reason = f"too few events: {counted['n_events']}, it takes {needed}"
        return counted | _numbers(Association(reason=reason), unit, few=True)
    x = there[measure].to_numpy(dtype=float)
    dummies = np.equal.outer(arms, np.arange(1, n_arms)).astype(float)
    means = pd.Series(x).groupby(arms, observed=True).transform("mean").to_numpy()
    spread = float(np.sqrt(((x - means) ** 2).sum() / (len(x) - n_arms)))
    if not spread > 0:
        reason = "all subjects of an arm have the same value"
        return counted | _numbers(Association(reason=reason), unit, few=False)
    X = np.column_stack([(x - x.mean()) / spread, dummies])
    time = there["time_days"].to_numpy(dtype=float) - asked.landmark
    found = firth_cox(time, events.to_numpy(), X, alpha=asked.alpha)
    note = "proportional hazards are assumed"
    if counted["n_competing"]:
        note += (
            f"; cause-specific hazard: {counted['n_competing']} competing event(s) end the time at "
            "risk"
        )
    return counted | _numbers(found, unit, few=False) | {"note": note}
