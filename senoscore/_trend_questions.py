"""The questions asked of every measure: against control, over days, over dose, interaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._burden_controls import controls_at, days_with_controls
from senoscore._trend_ask import (
    AS_BLOCKS,
    CONFOUNDED,
    NO_REPLICATION,
    NOT_BLOCKS,
    ONE_PER_TIME,
    Answer,
    Options,
    arm_facts,
    arm_name,
    ask,
    n_subjects,
    new_row,
    refused,
    result,
)
from senoscore._trend_data import ARM, FRACTIONS
from senoscore._trend_modality import modality
from senoscore._trend_models import permutation, sign_flips
from senoscore._trend_slopes import interaction, over_days, over_dose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from senoscore._trend_models import Contrast

__all__ = [
    "CONFOUNDED",
    "NO_REPLICATION",
    "ONE_PER_TIME",
    "Compared",
    "Options",
    "compared",
    "questions",
    "result",
    "without_time",
]

_KEYS: Final = [*ARM, k.DAYS]
_QUESTION: Final = "irradiated_vs_control"
_NO_TIME: Final = "no time after irradiation: never called senescent; give time_post_rt"
_MAX_CELLS_RATIO: Final = 3.0
"""Ratio of the median cells of two arms from which fractions err too often."""


def questions(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Rows of all questions for one compartment and measure."""
    yield from _against_control(table, options)
    yield from over_days(table, options)
    yield from over_dose(table, options)
    yield from interaction(table, options)
    yield from modality(table, options)


def without_time(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Rows that refuse the senescent fraction of samples of which nobody knows the time."""
    timeless = table[table["status"].eq("no_time") & table[k.TREATMENT].ne(options.control)]
    counted = table["status"].isin(set(FRACTIONS.values()))
    controls = table[table[k.TREATMENT].eq(options.control) & counted]
    for _, of in timeless.groupby(list(ARM), dropna=False, sort=True):
        facts = arm_facts(of)
        title = _title(str(of[k.TREATMENT].iloc[0]), facts, of, np.nan, options)
        yield new_row(_QUESTION, title, of, controls) | facts | refused(_NO_TIME)


@dataclass(frozen=True)
class Compared:
    """An arm at a time and its controls: the row begun, and the model that answers it.

    ``answer`` is None where there is no control; ``used`` are the rows that its model is of, and
    ``no_test`` says why there is an estimate alone.
    """

    row: dict[str, Any]
    of: pd.DataFrame
    base: pd.DataFrame
    used: pd.DataFrame
    answer: Answer | None = None
    no_test: str = ""

    def numbers(self, options: Options, found: Contrast | None, name: str) -> dict[str, Any]:
        """Columns of the contrast of a column; where none is found, the means differ by so much."""
        if self.answer is None:
            return refused(options.no_control)
        out = result(found, self.used, why_not=self.answer.why_not, no_test=self.no_test)
        if found is None:
            out["estimate"] = self.of[name].mean() - self.base[name].mean()
        return out


def _against_control(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    for one in compared(table, options):
        found = one.answer.found if one.answer else None
        numbers = one.numbers(options, found, "y")
        if one.answer and numbers["status"] == "tested":
            numbers |= _exact(one.of, one.base, one.answer)
        yield one.row | numbers


def compared(table: pd.DataFrame, options: Options) -> Iterator[Compared]:
    """Every arm and time with its controls, and the model that the design allows.

    Which model that is depends on the design alone, so that it answers for any other values of
    the same samples too.
    """
    is_control = (table[k.TREATMENT] == options.control).to_numpy()
    treated, controls = table[~is_control], table[is_control]
    n_times = treated[k.DAYS].nunique()
    own_day = days_with_controls(controls) & set(treated[k.DAYS].dropna())
    label = pd.Series("control", index=table.index)
    label[is_control & table[k.DAYS].isin(own_day).to_numpy()] = "control of its day"
    group = table.assign(
        _arm=label.where(is_control, "treated"),
        _day=table[k.DAYS].where(~is_control | table[k.DAYS].isin(own_day)),
        **{f"_{name}": table[name].where(~is_control) for name in ARM[1:]},
        _treatment=table[k.TREATMENT].where(~is_control, options.control),
    ).groupby(["_arm", "_treatment", *(f"_{n}" for n in ARM[1:]), "_day"], dropna=False, sort=True)
    number = group.ngroup()
    X = pd.get_dummies(number, dtype=float).to_numpy()
    for key, of in treated.groupby(_KEYS, dropna=False, sort=True):
        treatment, days, facts = str(key[0]), float(str(key[-1])), arm_facts(of)
        base, matched = controls_at(controls, days)
        same = treated[treated[k.TREATMENT] == treatment]
        row = new_row(_QUESTION, _title(treatment, facts, same, days, options), of, base)
        row |= {k.DAYS: days} | facts
        row["estimate_fraction"] = of["raw"].mean() - base["raw"].mean()
        if base.empty:
            yield Compared(row, of, base, table)
            continue
        shares = X[table.index.get_indexer(base.index)].mean(axis=0)
        weights = X[table.index.get_indexer(of.index)].mean(axis=0) - shares
        answer = ask(table, X, weights, options=options, confounded=CONFOUNDED)
        how, used = _how_controls(base, matched=matched, days=days), table
        n, lost = _informative(answer, of, base)
        if (answer.found is None or lost) and AS_BLOCKS in answer.method and not answer.confounded:
            other, both = _two_groups(of, base, options)
            if answer.found is None or other.width < answer.width:
                answer, used = other, both
                n, lost = {}, ""
        row |= n
        row["method"] = "; ".join(filter(None, [how, answer.method]))
        row["note"] = "; ".join(filter(None, [_caveats(of, base, table, row), lost]))
        enough = min(row["n_treated"], row["n_control"]) > 1
        lonely = ONE_PER_TIME if n_times > 1 and row["n_control"] > 1 else NO_REPLICATION
        yield Compared(row, of, base, used, answer, "" if enough else lonely)


def _informative(
    answer: Answer, of: pd.DataFrame, base: pd.DataFrame
) -> tuple[dict[str, int], str]:
    """Subjects of each arm that the estimate is made of, and what is left out, in words."""
    if answer.used is None:
        return {}, ""
    there = [arm[answer.used[arm.index]] for arm in (of, base)]
    n = [n_subjects(arm) for arm in there]
    if n == [n_subjects(of), n_subjects(base)]:
        return {}, ""
    said = f"{n[0]} of {n_subjects(of)} v {n[1]} of {n_subjects(base)} subjects"
    why = "the others add nothing beside subject or batch"
    return dict(zip(("n_treated", "n_control"), n, strict=True)), f"{said}: {why}"


def _how_controls(base: pd.DataFrame, *, matched: bool, days: float) -> str:
    how = "OLS on samples, pooled variance, t; "
    if matched:
        return how + "controls of the same time"
    there = sorted(base[k.DAYS].dropna().unique())
    if there and days not in there:
        return how + f"all controls pooled (day {', '.join(f'{d:g}' for d in there)} only)"
    return how + "all controls pooled"


def _caveats(of: pd.DataFrame, base: pd.DataFrame, table: pd.DataFrame, row: dict[str, Any]) -> str:
    """What a reader of this contrast has to know, in words."""
    said, days = [], row[k.DAYS]
    there = sorted(base[k.DAYS].dropna().unique())
    if there and np.isfinite(days) and days not in there:
        when = ", ".join(f"{day:g}" for day in there)
        said.append(f"controls are of day {when} only: ageing and radiation are confounded")
    doses = table[table[k.DOSE].gt(0)].groupby(k.SUBJECT)[k.DOSE].nunique()
    if doses.reindex(of[k.SUBJECT].unique()).gt(1).any():
        said.append("subjects with several doses: no animals of their own")
    if of["eqd2_gy"].notna().any() and not np.isfinite(row["eqd2_gy"]):
        said.append("EQD2 differs within this arm: give n_fractions and alpha_beta of every sample")
    shared = set(of[k.SUBJECT]) & set(base[k.SUBJECT])
    if NOT_BLOCKS in row["method"] and shared:
        said.append(f"{len(shared)} subjects are on both sides: the interval errs on the wide side")
    if of["raw"].notna().any():
        cells = [float(arm["n_assessable"].median()) for arm in (of, base)]
        if max(cells) > _MAX_CELLS_RATIO * min(cells):
            medians = f"{cells[0]:g} v {cells[1]:g} cells a sample (medians)"
            said.append(f"{medians}: tests of fractions err up to twice as often as stated")
    if min(row["n_treated"], row["n_control"]) == 2:
        said.append("2 subjects in a group: the interval is wide")
    return "; ".join(said)


def _two_groups(
    of: pd.DataFrame, base: pd.DataFrame, options: Options
) -> tuple[Answer, pd.DataFrame]:
    """Two groups, each subject once in each, with the variance of these alone."""
    means = dict.fromkeys(base.select_dtypes("number").columns, "mean")
    once = base.groupby(k.SUBJECT, as_index=False, sort=True).agg(
        means | {k.BATCH: "first", "batch_is": "first", "n_samples": "sum"}
    )
    both = pd.concat([of, once], ignore_index=True)
    X = np.zeros((len(both), 2))
    X[: len(of), 0] = X[len(of) :, 1] = 1
    weights = np.array([1.0, -1.0])
    answer = ask(both, X, weights, options=options, confounded=CONFOUNDED, blocked=False)
    said = "; ".join(filter(None, ["these two groups alone", answer.method]))
    return replace(answer, method=said, used=None), both


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


def _title(
    treatment: str, facts: dict[str, Any], among: pd.DataFrame, days: float, options: Options
) -> str:
    arm = " ".join(filter(None, [treatment, arm_name(facts, among)]))
    when = f" @ {days:.3g} d" if np.isfinite(days) else ""
    return f"{arm} vs {options.control}{when}"
