"""The questions asked of every measure: against control, over days, over dose, interaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._trend_ask import (
    CONFOUNDED,
    NO_REPLICATION,
    ONE_PER_TIME,
    Answer,
    Options,
    ask,
    n_subjects,
    new_row,
    refused,
    result,
)
from senoscore._trend_modality import modality
from senoscore._trend_models import permutation, sign_flips
from senoscore._trend_slopes import interaction, over_days, over_dose

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CONFOUNDED", "NO_REPLICATION", "ONE_PER_TIME", "Options", "questions", "result"]

_KEYS: Final = [k.TREATMENT, k.DOSE, k.DAYS]


def questions(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Rows of all questions for one compartment and measure."""
    yield from _against_control(table, options)
    yield from over_days(table, options)
    yield from over_dose(table, options)
    yield from interaction(table, options)
    yield from modality(table, options)


def _against_control(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    is_control = (table[k.TREATMENT] == options.control).to_numpy()
    treated, controls = table[~is_control], table[is_control]
    n_times = treated[k.DAYS].nunique()
    per_day = controls.groupby(k.DAYS)[k.SUBJECT].nunique()
    own_day = set(per_day.index[per_day >= 2]) & set(treated[k.DAYS].dropna())
    label = pd.Series("control", index=table.index)
    label[is_control & table[k.DAYS].isin(own_day).to_numpy()] = "control of its day"
    group = table.assign(
        _arm=label.where(is_control, "treated"),
        _day=table[k.DAYS].where(~is_control | table[k.DAYS].isin(own_day)),
        _dose=table[k.DOSE].where(~is_control),
        _treatment=table[k.TREATMENT].where(~is_control, options.control),
    ).groupby(["_arm", "_treatment", "_dose", "_day"], dropna=False, sort=True)
    number = group.ngroup()
    X = pd.get_dummies(number, dtype=float).to_numpy()
    for key, of in treated.groupby(_KEYS, dropna=False, sort=True):
        treatment, dose, days = str(key[0]), float(str(key[1])), float(str(key[2]))
        matched = days in own_day
        base = controls[controls[k.DAYS] == days] if matched else controls
        row = new_row("irradiated_vs_control", _title(treatment, dose, days, options), of, base)
        row |= {k.DAYS: days, k.DOSE: dose, "eqd2_gy": of["eqd2_gy"].mean()}
        row["note"] = _caveats(of, base, table, days)
        row["estimate_fraction"] = of["raw"].mean() - base["raw"].mean()
        if base.empty:
            yield row | refused(options.no_control)
            continue
        shares = X[table.index.get_indexer(base.index)].mean(axis=0)
        weights = X[table.index.get_indexer(of.index)].mean(axis=0) - shares
        answer = ask(table, X, weights, options=options, confounded=CONFOUNDED)
        how, used = _how_controls(base, matched=matched, days=days), table
        if answer.found is None and not answer.confounded:
            answer, used = _two_groups(of, base, options)
        row["method"] = "; ".join(filter(None, [how, answer.method]))
        enough = min(n_subjects(of), n_subjects(base)) > 1
        lonely = ONE_PER_TIME if n_times > 1 and n_subjects(base) > 1 else NO_REPLICATION
        found = result(answer.found, used, why_not=answer.why_not, no_test="" if enough else lonely)
        if answer.found is None:
            found["estimate"] = of["y"].mean() - base["y"].mean()
        yield row | found | (_exact(of, base, answer) if found["status"] == "tested" else {})


def _how_controls(base: pd.DataFrame, *, matched: bool, days: float) -> str:
    how = "OLS on samples, pooled variance, t; "
    if matched:
        return how + "controls of the same time"
    there = sorted(base[k.DAYS].dropna().unique())
    if there and days not in there:
        return how + f"all controls pooled (day {', '.join(f'{d:g}' for d in there)} only)"
    return how + "all controls pooled"


def _caveats(of: pd.DataFrame, base: pd.DataFrame, table: pd.DataFrame, days: float) -> str:
    """What a reader of this contrast has to know, in words."""
    said = []
    there = sorted(base[k.DAYS].dropna().unique())
    if there and np.isfinite(days) and days not in there:
        when = ", ".join(f"{day:g}" for day in there)
        said.append(f"controls are of day {when} only: ageing and radiation are confounded")
    modalities = sorted(set(of["modality"]) - {""})
    if len(modalities) > 1:
        said.append(f"modalities averaged: {', '.join(modalities)}")
    doses = table[table[k.DOSE].gt(0)].groupby(k.SUBJECT)[k.DOSE].nunique()
    if doses.reindex(of[k.SUBJECT].unique()).gt(1).any():
        said.append("subjects with several doses: blocks, and no samples of their own")
    if min(n_subjects(of), n_subjects(base)) == 2:
        said.append("2 subjects in a group: the interval is wide")
    return "; ".join(said)


def _two_groups(
    of: pd.DataFrame, base: pd.DataFrame, options: Options
) -> tuple[Answer, pd.DataFrame]:
    """Two groups of different subjects, each subject once, with the variance of these alone."""
    once = base.groupby(k.SUBJECT, as_index=False, sort=True).agg(
        {"y": "mean", "raw": "mean", k.BATCH: "first", "batch_is": "first", "n_samples": "sum"}
    )
    both = pd.concat([of, once], ignore_index=True)
    X = np.zeros((len(both), 2))
    X[: len(of), 0] = X[len(of) :, 1] = 1
    if both[k.SUBJECT].duplicated().any():
        reason = "some subjects are on both sides and cannot be paired"
        return Answer(None, "", reason), both
    answer = ask(both, X, np.array([1.0, -1.0]), options=options, confounded=CONFOUNDED)
    said = "; ".join(filter(None, ["these two groups alone (other subjects)", answer.method]))
    return Answer(answer.found, said, answer.why_not, answer.plain), both


def _exact(of: pd.DataFrame, base: pd.DataFrame, answer: Answer) -> dict[str, float]:
    """Exact permutation p: of two groups, or of pairs; none beside a batch covariate."""
    if "as covariate" in answer.method:
        return {}
    own = of.groupby(k.SUBJECT)["y"].mean()
    other = base.groupby(k.SUBJECT)["y"].mean()
    if answer.plain and not set(own.index) & set(other.index):
        p, floor = permutation(own.to_numpy(), other.to_numpy())
    elif set(own.index) == set(other.index):
        p, floor = sign_flips((own - other).to_numpy())
    else:
        return {}
    return {"p_permutation": p, "permutation_floor": floor}


def _title(treatment: str, dose: float, days: float, options: Options) -> str:
    with_dose = f" {dose:g} Gy" if np.isfinite(dose) else ""
    when = f" @ {days:.3g} d" if np.isfinite(days) else ""
    return f"{treatment}{with_dose} vs {options.control}{when}"
