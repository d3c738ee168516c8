"""The questions asked of every measure: against control, over days, over dose, interaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.inference.ask import (
    AS_BLOCKS,
    CONFOUNDED,
    CONFOUNDED_DOSE,
    CONFOUNDED_MODALITY,
    CONFOUNDED_TIME,
    NO_REPLICATION,
    NOT_BLOCKS,
    ONE_PER_TIME,
    Answer,
    Asked,
    Options,
    arm_facts,
    arm_name,
    ask,
    ask_all,
    main_arm,
    n_subjects,
    new_row,
    refused,
    result,
)
from senoscore.inference.models import influence, permutation, sign_flips, two_means
from senoscore.study import ARM, FRACTIONS, controls_at, days_with_controls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


__all__ = [
    "CONFOUNDED",
    "NO_REPLICATION",
    "ONE_PER_TIME",
    "Compared",
    "Options",
    "compared",
    "interaction",
    "modality",
    "never_called",
    "over_days",
    "over_dose",
    "questions",
    "result",
]

_MIN_TIMES: Final = 3
_MIN_DOSES: Final = 3


def over_days(table: pd.DataFrame, options: Options) -> Iterator[Asked]:
    """Slope in log1p(days) of irradiated samples: all that one sample a time can test."""
    treated = table[(table[k.TREATMENT] != options.control) & table[k.DAYS].notna()]
    for treatment, group in treated.groupby(k.TREATMENT, sort=True, observed=True):
        same = main_arm(group)
        if same[k.DAYS].nunique() < _MIN_TIMES:
            continue
        facts = arm_facts(same)
        title = ", ".join(filter(None, [f"{treatment}, per log1p(day)", arm_name(facts, group)]))
        row = new_row("trend_log1p_days", title, same, table.iloc[:0]) | facts
        X = _line(_log_days(same))
        yield _slope(row, same, X, options, CONFOUNDED_TIME, "log1p(days)", (k.DAYS, _MIN_TIMES))


def over_dose(table: pd.DataFrame, options: Options) -> Iterator[Asked]:
    """Slope in log1p(Gy) at each time, controls at 0 Gy; BED and EQD2 of the doses in the note.

    Modalities are never on one line, nor two schedules of one dose: those have a line each.
    """
    controls = table[table[k.TREATMENT] == options.control].assign(**{k.DOSE: 0.0})
    treated = table[(table[k.TREATMENT] != options.control) & table[k.DOSE].gt(0)]
    for key, whole in treated.groupby(
        [k.TREATMENT, k.DAYS], dropna=False, sort=True, observed=True
    ):
        treatment, days = str(key[0]), float(str(key[1]))
        base, matched = controls_at(controls, days)
        n_levels = whole[k.DOSE].nunique() + (len(base) > 0)
        if n_levels < _MIN_DOSES:
            continue
        when = f" @ {days:.3g} d" if np.isfinite(days) else ""
        schedules = whole.groupby([k.DOSE, "modality"], observed=True)["n_fractions"].nunique(
            dropna=False
        )
        names = ["modality", *(["n_fractions"] if schedules.max() > 1 else [])]
        telling = [name for name in names if len(whole[name].drop_duplicates()) > 1]
        asked = 0
        for _, group in whole.groupby(names, dropna=False, sort=True, observed=True):
            both = pd.concat([base, group], ignore_index=True)
            if both[k.DOSE].nunique() < _MIN_DOSES:
                continue
            asked += 1
            levels = ", ".join(f"{dose:g}" for dose in sorted(both[k.DOSE].unique()))
            what = _schedule(group, telling)
            title = f"{treatment}{what}, per log1p(Gy){when} ({levels} Gy)"
            row = new_row("dose_response", title, group, base) | {k.DAYS: days}
            row |= {name: group[name].iloc[0] for name in telling}
            row["note"] = _beside(both)
            X = _line(np.log1p(both[k.DOSE].to_numpy(dtype=float)))
            on = "controls of the same time" if matched else "all controls"
            on = f"log1p(dose), {on} at 0 Gy"
            yield _slope(row, both, X, options, CONFOUNDED_DOSE, on, (k.DOSE, _MIN_DOSES))
        if not asked:
            title = f"{treatment}, per log1p(Gy){when}"
            row = new_row("dose_response", title, whole, base) | {k.DAYS: days}
            why = " and ".join({"n_fractions": "fractions"}.get(name, name) for name in telling)
            yield _refused(row, f"the doses differ in {why}: fewer than {_MIN_DOSES} of one")


def interaction(table: pd.DataFrame, options: Options) -> Iterator[Asked]:
    """Difference of the slopes in log1p(days) of treated and control samples."""
    timed = table[table[k.DAYS].notna()]
    controls = timed[timed[k.TREATMENT] == options.control]
    if controls[k.DAYS].nunique() < 2:
        return
    for treatment, group in timed[timed[k.TREATMENT] != options.control].groupby(
        k.TREATMENT,
        sort=True,
        observed=True,
    ):
        same = main_arm(group)
        if same[k.DAYS].nunique() < 2:
            continue
        both = pd.concat([same, controls], ignore_index=True)
        arm = both[k.TREATMENT].ne(options.control).to_numpy(dtype=float)
        days = _log_days(both)
        X = np.column_stack([arm * days, days, arm, np.ones(len(both))])
        facts = arm_facts(same)
        title = ", ".join(filter(None, [f"{treatment} x log1p(day)", arm_name(facts, group)]))
        row = new_row("treatment_x_time", title, same, controls) | facts
        yield _slope(row, both, X, options, CONFOUNDED, "treatment x log1p(days)", (k.DAYS, 2))


def _log_days(table: pd.DataFrame) -> NDArray[np.float64]:
    """log1p of days; a baseline from before irradiation is at 0."""
    logs: NDArray[np.float64] = np.log1p(table[k.DAYS].clip(lower=0).to_numpy(dtype=float))
    return logs


def _schedule(group: pd.DataFrame, telling: list[str]) -> str:
    words = []
    if "modality" in telling:
        words.append(str(group["modality"].iloc[0]) or "modality not given")
    if "n_fractions" in telling:
        fractions = float(group["n_fractions"].iloc[0])
        words.append(f"in {fractions:g}" if np.isfinite(fractions) else "in ? fractions")
    return "".join(f" {word}" for word in words)


def _beside(table: pd.DataFrame) -> str:
    """BED and EQD2 of each dose: the line is over physical dose, which makes no assumption."""
    doses = table[table[k.DOSE] > 0].groupby(k.DOSE, observed=True)
    known = doses[["bed_gy", "eqd2_gy"]].mean()
    said = []
    for name, title in (("eqd2_gy", "EQD2"), ("bed_gy", "BED")):
        if known[name].notna().all():
            pairs = ", ".join(f"{v:.3g} Gy for {dose:g}" for dose, v in known[name].items())
            said.append(f"{title} {pairs}")
    if not said:
        said.append("EQD2 not known: fractions or alpha/beta missing")
    fractions = doses["n_fractions"].first()
    if len(set(fractions.dropna())) > 1:
        pairs = ", ".join(f"{n:g} for {dose:g} Gy" for dose, n in fractions.items())
        said.append(f"fractions differ between doses: {pairs}")
    return "; ".join(said)


def _line(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([x, np.ones(len(x))])


def _slope(
    row: dict[str, Any], table: pd.DataFrame, X: NDArray[np.float64], options: Options,
    confounded: str, on: str, levels: tuple[str, int],
) -> Asked:  # fmt: skip
    """Test the first column of X; count what it is made of."""
    table = table.reset_index(drop=True)
    first = np.eye(X.shape[1])[0]
    answer = ask_all(table, X, first, options=options, confounded=confounded)
    row["method"] = "; ".join(filter(None, [f"OLS on samples against {on}, t", answer.method]))
    notes = [row["note"]]
    if NOT_BLOCKS in answer.method:
        notes.append("subjects that return have no blocks: the interval errs on the wide side")
    if answer.used is not None and _lost(table, X, answer.used):
        name, least = levels
        kept = table[answer.used]
        left = ", ".join(f"{level:g}" for level in sorted(kept[name].unique()))
        is_control = kept[k.TREATMENT] == options.control
        row["n_treated"] = n_subjects(kept[~is_control])
        row["n_control"] = n_subjects(kept[is_control]) if row["n_control"] else 0
        notes.append(f"beside subject or batch only {name} {left} add to it")
        if kept[name].nunique() < least:
            row["note"] = "; ".join(filter(None, notes))
            return _refused(row, f"beside subject or batch {name} {left} remain: {least} needed")
    row["note"] = "; ".join(filter(None, notes))

    def numbers(name: str) -> dict[str, Any]:
        return result(answer.of(table[name]), table, why_not=answer.why_not)

    return Asked(row, numbers)


def _refused(row: dict[str, Any], reason: str) -> Asked:
    return Asked(row, lambda _: refused(reason))


def _lost(table: pd.DataFrame, X: NDArray[np.float64], used: NDArray[np.bool_]) -> bool:
    """Whether a subject that would add to the slope alone adds nothing beside the rest."""
    asked = influence(X, np.eye(X.shape[1])[0]) != 0
    return bool(set(table.loc[asked, k.SUBJECT]) - set(table.loc[used, k.SUBJECT]))


_REFERENCE: Final = "photon"
_GROUP: Final = [*ARM, k.DAYS]


def modality(table: pd.DataFrame, options: Options) -> Iterator[Asked]:
    """Compare each modality with photons (else the most frequent) at the same schedule and time.

    The variance is pooled over the two modalities that are compared, since other groups may vary
    less; over all groups only where these tell a batch from a modality.
    Treatments are kept apart where one treatment has two modalities; where each modality is its own
    treatment, those are compared.
    """
    known = table[(table[k.TREATMENT] != options.control) & table["modality"].ne("")]
    if known["modality"].nunique() < 2:
        return
    own = known.groupby(k.TREATMENT, observed=True)["modality"].nunique().max() > 1
    keys = [*([k.TREATMENT] if own else []), k.DOSE, "n_fractions", k.DAYS]
    for _, group in known.groupby(keys, dropna=False, sort=True, observed=True):
        counts = group["modality"].value_counts().sort_index(kind="stable")
        names = list(counts.index)
        reference = _REFERENCE if _REFERENCE in names else str(counts.idxmax())
        base = group[group["modality"] == reference]
        for name in names:
            if name == reference:
                continue
            rows = group[group["modality"] == name]
            row = _row(name, reference, rows, base, known, own=own)
            both = table.loc[rows.index.union(base.index)]
            answer = _between(rows, base, both, options)
            if answer.confounded:  # other groups may tell a batch from a modality
                other = _between(rows, base, table, options)
                answer, both = (answer, both) if other.confounded else (other, table)
            how = [f"{_POOLED}; against {reference}", answer.method]
            row["method"] = "; ".join(filter(None, how))
            lonely = "" if min(n_subjects(rows), n_subjects(base)) > 1 else NO_REPLICATION
            yield Asked(row, partial(_of_modality, rows, base, both, answer, lonely))


def _between(
    rows: pd.DataFrame, base: pd.DataFrame, table: pd.DataFrame, options: Options
) -> Answer:
    """Two groups against each other, with the variance of all groups of a table."""
    number = table.groupby(_GROUP, dropna=False, sort=True, observed=True).ngroup()
    X = pd.get_dummies(number, dtype=float).to_numpy()
    weights = X[table.index.get_indexer(rows.index)].mean(axis=0)
    weights = weights - X[table.index.get_indexer(base.index)].mean(axis=0)
    return ask_all(table, X, weights, options=options, confounded=CONFOUNDED_MODALITY)


def _of_modality(
    group: pd.DataFrame, base: pd.DataFrame, table: pd.DataFrame, answer: Answer, lonely: str,
    name: str,
) -> dict[str, Any]:  # fmt: skip
    found = answer.of(table[name])
    numbers = result(found, table, why_not=answer.why_not, no_test=lonely)
    if found is None:
        numbers["estimate"] = group[name].mean() - base[name].mean()
    return numbers


def _row(
    name: str, reference: str, group: pd.DataFrame, base: pd.DataFrame, among: pd.DataFrame, *,
    own: bool,
) -> dict[str, Any]:  # fmt: skip
    facts, days = arm_facts(group), float(group[k.DAYS].iloc[0])
    parts = [group[k.TREATMENT].iloc[0] + ":" if own else "", f"{name} vs {reference}"]
    parts.append(arm_name(facts, among, alone=True))
    parts.append(f"@ {days:.3g} d" if np.isfinite(days) else "")
    row = new_row("modality", " ".join(filter(None, parts)), group, base)
    row |= {k.DAYS: days} | facts
    row["estimate_fraction"] = group["raw"].mean() - base["raw"].mean()
    row["note"] = "the same physical dose; a biological weight (RBE) is not applied"
    return row


_KEYS: Final = [*ARM, k.DAYS]
_QUESTION: Final = "irradiated_vs_control"
_POOLED: Final = "OLS on samples, pooled variance, t"
_APART: Final = "Welch's t of samples"
_NEVER: Final = {
    "no_time": "no time after irradiation: never called senescent; give time_post_rt",
    "other_depth": "every sample is far deeper or shallower than the controls: no cell is called",
}
"""Status of samples without a senescent fraction, and why there is none."""
_MAX_CELLS_RATIO: Final = 3.0
"""Ratio of the median cells of two arms from which fractions err too often."""


def questions(table: pd.DataFrame, options: Options) -> Iterator[Asked]:
    """All questions of one compartment, for the measures that the same samples have.

    Parameters
    ----------
    table
        One row a subject, arm and day, with one column a measure; ``y`` is any of them.
    """
    yield from _against_control(table, options)
    yield from over_days(table, options)
    yield from over_dose(table, options)
    yield from interaction(table, options)
    yield from modality(table, options)


def never_called(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Rows that refuse the senescent fraction of arms of which no sample can be called.

    Nobody knows the time of these samples, or all are of another depth than the controls.
    """
    treated = table[table[k.TREATMENT].ne(options.control)]
    counted = table["status"].isin(set(FRACTIONS.values()))
    controls = table[table[k.TREATMENT].eq(options.control) & counted]
    for key, group in treated.groupby(_KEYS, dropna=False, sort=True, observed=True):
        own = group[group["status"].isin(_NEVER)]
        # A sample of too few cells answers nothing either: it must not hide why the others do not.
        if own.empty or counted[group.index].any():
            continue
        facts, days = arm_facts(own), float(str(key[-1]))
        title = _title(str(key[0]), facts, own, days, options)
        row = new_row(_QUESTION, title, own, controls) | facts
        yield row | {k.DAYS: days} | refused(_NEVER[own["status"].iloc[0]])


@dataclass(frozen=True)
class Compared:
    """An arm at a time and its controls: the row begun, and the model that answers it.

    ``answer`` is None where there is no control; ``used`` are the rows that its model is of, and
    ``no_test`` says why there is an estimate alone. ``apart``: nothing stands beside two groups of
    subjects that are in one of them only, so that each may have a variance of its own.
    """

    row: dict[str, Any]
    of: pd.DataFrame
    base: pd.DataFrame
    used: pd.DataFrame
    answer: Answer | None = None
    no_test: str = ""
    apart: bool = False

    def numbers(self, options: Options, name: str) -> dict[str, Any]:
        """Columns of the contrast of a column; where none is found, the means differ by so much."""
        if self.answer is None:
            return refused(options.no_control)
        if self.apart and name not in FRACTIONS and not self.no_test:
            own, other = (side[name].to_numpy(dtype=float) for side in (self.of, self.base))
            apart = two_means(own, other, alpha=options.alpha)
            out = result(apart, self.used, why_not="")
            return out | {"method": self.row["method"].replace(_POOLED, _APART)}
        found = self.answer.of(self.used[name])
        out = result(found, self.used, why_not=self.answer.why_not, no_test=self.no_test)
        if found is None:
            out["estimate"] = self.of[name].mean() - self.base[name].mean()
        return out


def _against_control(table: pd.DataFrame, options: Options) -> Iterator[Asked]:
    for one in compared(table, options):
        yield Asked(one.row, partial(_with_exact, one, _per_subject(one), options))


def _with_exact(
    one: Compared, sides: tuple[pd.DataFrame, pd.DataFrame] | None, options: Options, name: str
) -> dict[str, Any]:
    numbers = one.numbers(options, name)
    if one.answer and sides and numbers["status"] == k.TESTED:
        own, other = (side[name] for side in sides)
        numbers |= _exact(own, other, one.answer)
    return numbers


def compared(table: pd.DataFrame, options: Options) -> Iterator[Compared]:
    """Every arm and time with its controls, and the model that the design allows.

    Which model that is depends on the design alone, so that it answers for any other values of
    the same samples too.
    """
    is_control = (table[k.TREATMENT] == options.control).to_numpy()
    treated, controls = table[~is_control], table[is_control]
    n_times = treated[k.DAYS].nunique()
    with_controls = days_with_controls(controls)
    own_day = with_controls & set(treated[k.DAYS].dropna())
    several = _several_doses(table)
    label = pd.Series("control", index=table.index)
    label[is_control & table[k.DAYS].isin(own_day).to_numpy()] = "control of its day"
    group = table.assign(
        _arm=label.where(is_control, "treated"),
        _day=table[k.DAYS].where(~is_control | table[k.DAYS].isin(own_day)),
        **{f"_{name}": table[name].where(~is_control) for name in ARM[1:]},
        _treatment=table[k.TREATMENT].where(~is_control, options.control),
    ).groupby(
        ["_arm", "_treatment", *(f"_{n}" for n in ARM[1:]), "_day"],
        dropna=False,
        sort=True,
        observed=True,
    )
    number = group.ngroup()
    X = pd.get_dummies(number, dtype=float).to_numpy()
    for key, rows in treated.groupby(_KEYS, dropna=False, sort=True, observed=True):
        treatment, days, facts = str(key[0]), float(str(key[-1])), arm_facts(rows)
        matched = days in with_controls
        base = controls[controls[k.DAYS] == days] if matched else controls
        same = treated[treated[k.TREATMENT] == treatment]
        row = new_row(_QUESTION, _title(treatment, facts, same, days, options), rows, base)
        row |= {k.DAYS: days} | facts
        row["estimate_fraction"] = rows["raw"].mean() - base["raw"].mean()
        if base.empty:
            yield Compared(row, rows, base, table)
            continue
        shares = X[table.index.get_indexer(base.index)].mean(axis=0)
        weights = X[table.index.get_indexer(rows.index)].mean(axis=0) - shares
        answer = ask(table, X, weights, options=options, confounded=CONFOUNDED)
        how, used = _how_controls(base, matched=matched, days=days), table
        n, lost = _informative(answer, rows, base)
        if (answer.found is None or lost) and AS_BLOCKS in answer.method and not answer.confounded:
            other, both = _two_groups(rows, base, options)
            if answer.found is None or other.width < answer.width:
                answer, used = other, both
                n, lost = {}, ""
        row |= n
        row["method"] = "; ".join(filter(None, [how, answer.method]))
        row["note"] = "; ".join(filter(None, [_caveats(rows, base, several, row), lost]))
        enough = min(row["n_treated"], row["n_control"]) > 1
        lonely = ONE_PER_TIME if n_times > 1 and row["n_control"] > 1 else NO_REPLICATION
        apart = answer.plain and not answer.why_not and not (
            pd.concat([rows[k.SUBJECT], base[k.SUBJECT]]).duplicated().any()
        )  # fmt: skip
        yield Compared(row, rows, base, used, answer, "" if enough else lonely, apart)


def _informative(
    answer: Answer, group: pd.DataFrame, base: pd.DataFrame
) -> tuple[dict[str, int], str]:
    """Subjects of each arm that the estimate is made of, and what is left out, in words."""
    if answer.used is None:
        return {}, ""
    there = [arm[answer.used[arm.index]] for arm in (group, base)]
    n = [n_subjects(arm) for arm in there]
    if n == [n_subjects(group), n_subjects(base)]:
        return {}, ""
    said = f"{n[0]} of {n_subjects(group)} v {n[1]} of {n_subjects(base)} subjects"
    why = "the others add nothing beside subject or batch"
    return dict(zip(("n_treated", "n_control"), n, strict=True)), f"{said}: {why}"


def _how_controls(base: pd.DataFrame, *, matched: bool, days: float) -> str:
    how = f"{_POOLED}; "
    if matched:
        return how + "controls of the same time"
    there = sorted(base[k.DAYS].dropna().unique())
    if there and days not in there:
        return how + f"all controls pooled (day {', '.join(f'{d:g}' for d in there)} only)"
    return how + "all controls pooled"


def _several_doses(table: pd.DataFrame) -> set[Any]:
    """Subjects that were irradiated with more than one dose."""
    doses = table.loc[table[k.DOSE].gt(0), [k.SUBJECT, k.DOSE]].dropna().drop_duplicates()
    return set(doses[k.SUBJECT][doses[k.SUBJECT].duplicated()])


def _caveats(
    group: pd.DataFrame, base: pd.DataFrame, several: set[Any], row: dict[str, Any]
) -> str:
    """What a reader of this contrast has to know, in words."""
    said, days = [], row[k.DAYS]
    there = sorted(base[k.DAYS].dropna().unique())
    if there and np.isfinite(days) and days not in there:
        when = ", ".join(f"{day:g}" for day in there)
        said.append(f"controls are of day {when} only: ageing and radiation are confounded")
    if several & set(group[k.SUBJECT]):
        said.append("subjects with several doses: no animals of their own")
    if group["eqd2_gy"].notna().any() and not np.isfinite(row["eqd2_gy"]):
        said.append("EQD2 differs within this arm: give n_fractions and alpha_beta of every sample")
    shared = set(group[k.SUBJECT]) & set(base[k.SUBJECT])
    if NOT_BLOCKS in row["method"] and shared:
        said.append(f"{len(shared)} subjects are on both sides: the interval errs on the wide side")
    if group["raw"].notna().any():
        cells = [float(arm["cells"].median()) for arm in (group, base)]
        if max(cells) > _MAX_CELLS_RATIO * min(cells):
            medians = f"{cells[0]:g} v {cells[1]:g} cells a sample (medians)"
            said.append(f"{medians}: tests of fractions err up to twice as often as stated")
    if min(row["n_treated"], row["n_control"]) == 2:
        said.append("2 subjects in a group: the interval is wide")
    return "; ".join(said)


def _two_groups(
    group: pd.DataFrame, base: pd.DataFrame, options: Options
) -> tuple[Answer, pd.DataFrame]:
    """Two groups, each subject once in each, with the variance of these alone."""
    means = dict.fromkeys(base.select_dtypes("number").columns, "mean")
    once = base.groupby(k.SUBJECT, as_index=False, sort=True, observed=True).agg(
        means | {k.BATCH: "first", "batch_is": "first", "n_samples": "sum"}
    )
    both = pd.concat([group, once], ignore_index=True)
    X = np.zeros((len(both), 2))
    X[: len(group), 0] = X[len(group) :, 1] = 1
    weights = np.array([1.0, -1.0])
    answer = ask(both, X, weights, options=options, confounded=CONFOUNDED, blocked=False)
    said = "; ".join(filter(None, ["these two groups alone", answer.method]))
    return replace(answer, method=said, used=None), both


def _per_subject(one: Compared) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Mean of each subject on both sides; None beside a batch covariate, which has no exact p."""
    if one.answer is None or "as covariate" in one.answer.method:
        return None
    own, other = (
        side.groupby(k.SUBJECT, observed=True).mean(numeric_only=True)
        for side in (one.of, one.base)
    )
    return own, other


def _exact(own: pd.Series, other: pd.Series, answer: Answer) -> dict[str, float]:
    """Exact permutation p of the subjects of two groups, or of pairs."""
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
