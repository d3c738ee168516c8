"""Lines: over days, over dose, and whether the line over days depends on treatment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._burden_controls import controls_at
from senoscore._trend_ask import (
    CONFOUNDED,
    CONFOUNDED_DOSE,
    CONFOUNDED_TIME,
    NOT_BLOCKS,
    Options,
    arm_facts,
    arm_name,
    ask_all,
    main_arm,
    n_subjects,
    new_row,
    refused,
    result,
)
from senoscore._trend_models import influence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["interaction", "over_days", "over_dose"]

_MIN_TIMES: Final = 3
_MIN_DOSES: Final = 3


def over_days(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Slope in log1p(days) of irradiated samples: all that one sample a time can test."""
    treated = table[(table[k.TREATMENT] != options.control) & table[k.DAYS].notna()]
    for treatment, of in treated.groupby(k.TREATMENT, sort=True):
        same = main_arm(of)
        if same[k.DAYS].nunique() < _MIN_TIMES:
            continue
        facts = arm_facts(same)
        title = ", ".join(filter(None, [f"{treatment}, per log1p(day)", arm_name(facts, of)]))
        row = new_row("trend_log1p_days", title, same, table.iloc[:0]) | facts
        X = _line(_log_days(same))
        yield _slope(row, same, X, options, CONFOUNDED_TIME, "log1p(days)", (k.DAYS, _MIN_TIMES))


def over_dose(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Slope in log1p(Gy) at each time, controls at 0 Gy; BED and EQD2 of the doses in the note.

    Modalities are never on one line, nor two schedules of one dose: those have a line each.
    """
    controls = table[table[k.TREATMENT] == options.control].assign(**{k.DOSE: 0.0})
    treated = table[(table[k.TREATMENT] != options.control) & table[k.DOSE].gt(0)]
    for key, whole in treated.groupby([k.TREATMENT, k.DAYS], dropna=False, sort=True):
        treatment, days = str(key[0]), float(str(key[1]))
        base, matched = controls_at(controls, days)
        n_levels = whole[k.DOSE].nunique() + (len(base) > 0)
        if n_levels < _MIN_DOSES:
            continue
        when = f" @ {days:.3g} d" if np.isfinite(days) else ""
        schedules = whole.groupby([k.DOSE, "modality"])["n_fractions"].nunique(dropna=False)
        names = ["modality", *(["n_fractions"] if schedules.max() > 1 else [])]
        telling = [name for name in names if len(whole[name].drop_duplicates()) > 1]
        asked = 0
        for _, of in whole.groupby(names, dropna=False, sort=True):
            both = pd.concat([base, of], ignore_index=True)
            if both[k.DOSE].nunique() < _MIN_DOSES:
                continue
            asked += 1
            levels = ", ".join(f"{dose:g}" for dose in sorted(both[k.DOSE].unique()))
            what = _schedule(of, telling)
            title = f"{treatment}{what}, per log1p(Gy){when} ({levels} Gy)"
            row = new_row("dose_response", title, of, base) | {k.DAYS: days}
            row |= {name: of[name].iloc[0] for name in telling}
            row["note"] = _beside(both)
            X = _line(np.log1p(both[k.DOSE].to_numpy(dtype=float)))
            on = "controls of the same time" if matched else "all controls"
            on = f"log1p(dose), {on} at 0 Gy"
            yield _slope(row, both, X, options, CONFOUNDED_DOSE, on, (k.DOSE, _MIN_DOSES))
        if not asked:
            title = f"{treatment}, per log1p(Gy){when}"
            row = new_row("dose_response", title, whole, base) | {k.DAYS: days}
            why = " and ".join({"n_fractions": "fractions"}.get(name, name) for name in telling)
            yield row | refused(f"the doses differ in {why}: fewer than {_MIN_DOSES} of one")


def interaction(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Difference of the slopes in log1p(days) of treated and control samples."""
    timed = table[table[k.DAYS].notna()]
    controls = timed[timed[k.TREATMENT] == options.control]
    if controls[k.DAYS].nunique() < 2:
        return
    for treatment, of in timed[timed[k.TREATMENT] != options.control].groupby(
        k.TREATMENT, sort=True
    ):
        same = main_arm(of)
        if same[k.DAYS].nunique() < 2:
            continue
        both = pd.concat([same, controls], ignore_index=True)
        arm = both[k.TREATMENT].ne(options.control).to_numpy(dtype=float)
        days = _log_days(both)
        X = np.column_stack([arm * days, days, arm, np.ones(len(both))])
        facts = arm_facts(same)
        title = ", ".join(filter(None, [f"{treatment} x log1p(day)", arm_name(facts, of)]))
        row = new_row("treatment_x_time", title, same, controls) | facts
        yield _slope(row, both, X, options, CONFOUNDED, "treatment x log1p(days)", (k.DAYS, 2))


def _log_days(table: pd.DataFrame) -> NDArray[np.float64]:
    """log1p of days; a baseline from before irradiation is at 0."""
    logs: NDArray[np.float64] = np.log1p(table[k.DAYS].clip(lower=0).to_numpy(dtype=float))
    return logs


def _schedule(of: pd.DataFrame, telling: list[str]) -> str:
    words = []
    if "modality" in telling:
        words.append(str(of["modality"].iloc[0]) or "modality not given")
    if "n_fractions" in telling:
        fractions = float(of["n_fractions"].iloc[0])
        words.append(f"in {fractions:g}" if np.isfinite(fractions) else "in ? fractions")
    return "".join(f" {word}" for word in words)


def _beside(table: pd.DataFrame) -> str:
    """BED and EQD2 of each dose: the line is over physical dose, which makes no assumption."""
    doses = table[table[k.DOSE] > 0].groupby(k.DOSE)
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
) -> dict[str, Any]:  # fmt: skip
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
            return row | refused(f"beside subject or batch {name} {left} remain: {least} needed")
    row["note"] = "; ".join(filter(None, notes))
    return row | result(answer.found, table, why_not=answer.why_not)


def _lost(table: pd.DataFrame, X: NDArray[np.float64], used: NDArray[np.bool_]) -> bool:
    """Whether a subject that would add to the slope alone adds nothing beside the rest."""
    asked = influence(X, np.eye(X.shape[1])[0]) != 0
    return bool(set(table.loc[asked, k.SUBJECT]) - set(table.loc[used, k.SUBJECT]))
