"""The first screen: per compartment, is it senescent, how much, since when, with what SASP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore.errors import InputError
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy
from senoscore.plotting import heatmap_table, sasp_families
from senoscore.plotting._arms import Arm, arms, main_arm, matched_controls
from senoscore.report._messages import lower
from senoscore.report._spark import Points, curve, highest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from senoscore.report._load import Run

__all__ = ["Answer", "answers", "headline"]

YES: Final = "above control"
NO: Final = "not detected"
UNTESTED: Final = "not testable"
UNKNOWN: Final = "not assessable"
_SMALL: Final = 0.2
"""Mean difference under which an untested SASP family is not worth naming (control SD)."""
_QUESTION = "irradiated_vs_control"
_FRACTION = "fraction_senescent"
_FRACTION_UNITS = {"fraction", "proportion", "probability", ""}


@dataclass(frozen=True)
class Answer:
    """What the page says of one compartment, each field a finished text."""

    compartment: str
    name: str
    verdict: str
    amount: str
    amount_note: str
    since: str
    since_note: str
    sasp: tuple[str, ...]
    sasp_note: str
    animals: str
    animals_note: str
    by_index: bool = False
    spark: Points = ()
    spark_line: Points = ()


def answers(run: Run, *, control: str = k.CONTROL, alpha: float = 0.05) -> list[Answer]:
    """One answer per compartment, those compared most first; empty without a burden table.

    Compartments of a few stray cells have none.
    """
    burden = run.get("burden")
    if burden is None:
        return []
    table = tidy.with_defaults(burden)
    trend = run.get("trend")
    order = theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    passed_over = {k.UNASSIGNED, *tidy.stray(table)}
    order = [name for name in order if name not in passed_over]
    return [_answer(name, table, trend, control=control, alpha=alpha) for name in order]


def headline(found: Sequence[Answer]) -> str:
    """Say in one or two sentences which compartments are above control, and since when."""
    groups = {v: [a for a in found if a.verdict == v] for v in (YES, NO, UNTESTED, UNKNOWN)}
    if not found:
        return "This run has no burden table yet: nothing can be said about senescence."
    parts = []
    if groups[YES]:
        names = [f"{lower(a.name)} ({a.since})" for a in groups[YES]]
        what = "A senescence index" if groups[YES][0].by_index else "Senescence"
        parts.append(f"{what} above the unirradiated controls is shown in {_join(names)}.")
    if groups[NO]:
        lead = (
            "None was detected in" if groups[YES] else "No senescence above control was detected in"
        )
        where = _join([lower(a.name) for a in groups[NO]])
        parts.append(f"{lead} {where}, which does not rule it out.")
    if groups[UNTESTED]:
        parts.append(f"Not testable: {_join([lower(a.name) for a in groups[UNTESTED]])}.")
    if groups[UNKNOWN]:
        parts.append(f"Not assessable: {_join([lower(a.name) for a in groups[UNKNOWN]])}.")
    return " ".join(parts)


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _measures(part: pd.DataFrame) -> tuple[str, set[str]]:
    """Column of the burden table to speak of, and its names in the trend table."""
    if part["fraction"].notna().any():
        return "fraction", {_FRACTION, "fraction"}
    return "index_mean", {"index_mean"}


def _answer(
    name: str, table: pd.DataFrame, trend: pd.DataFrame | None, *, control: str, alpha: float
) -> Answer:
    part = table[table[k.COMPARTMENT] == name]
    column, measures = _measures(part)
    part = part.assign(value=tidy.column(part, column), control=tidy.is_control(part, control))
    rows = _contrasts(trend, name, measures)
    held = rows[(rows["q"] <= alpha) & (rows["estimate"] > 0)]
    treated = part[~part["control"] & part["value"].notna()]
    if treated.empty:
        return _nothing(name, part)
    tested = rows[rows["q"].notna()]
    peak = _peak(next((t for t in (held, tested) if not t.empty), rows), treated)
    verdict = _verdict(rows, held)
    arm = _arm_of(peak, table, control)
    amount, amount_note = _amount(part, treated, peak, column, arm)
    since, since_note = _since(rows, held, alpha, several=len(arms(table, control)) > 1)
    families, sasp_note = _sasp(table, trend, name, peak[k.DAYS], arm, control=control, alpha=alpha)
    animals, animals_note = _animals(rows, held, peak)
    if animals == UNTESTED:
        animals, animals_note = _overall(trend, name, measures) or (animals, animals_note)
    points, line = curve(treated, highest(table, column, control))
    return Answer(
        name, theme.pretty(name), verdict, amount, amount_note, since, since_note,
        families, sasp_note, animals, animals_note, column != "fraction", points, line,
    )  # fmt: skip


def _contrasts(trend: pd.DataFrame | None, name: str, measures: set[str]) -> pd.DataFrame:
    columns = [k.DAYS, "estimate", "ci_lo", "ci_hi", "p", "q", "n_control", "n_treated"]
    if trend is None:
        return pd.DataFrame(columns=[*columns, "status", "reason", "unit", "contrast"])
    mine = (trend[k.COMPARTMENT] == name) & (trend["question"] == _QUESTION)
    rows = trend[mine & trend["measure"].isin(measures)].copy()
    for c in columns:
        rows[c] = tidy.column(rows, c)
    for c in ("status", "reason", "unit", "contrast"):
        values = rows[c] if c in rows else pd.Series("", index=rows.index)
        rows[c] = values.astype(object).where(values.notna(), "").astype(str)
    return rows


def _nothing(name: str, part: pd.DataFrame) -> Answer:
    """Word the answer of a compartment without any assessable irradiated sample."""
    reasons = part.loc[part["status"] != "ok", "status"].value_counts()
    why = str(reasons.index[0]).replace("_", " ") if len(reasons) else "no value"
    notes = [n for n in part["note"].unique() if n]
    note = notes[0] if notes else f"{why} in {part[k.SAMPLE].nunique()} samples"
    return Answer(name, theme.pretty(name), UNKNOWN, "–", note, "–", "", (), "", "–", "")


def _arm_of(peak: dict[str, Any], table: pd.DataFrame, control: str) -> Arm:
    """Treatment and dose that a contrast is about; without one, those most samples have."""
    title = str(peak.get("contrast", ""))
    found = [arm for arm in arms(table, control) if title.startswith(arm.title)]
    return found[0] if found else main_arm(table, control)


def _verdict(rows: pd.DataFrame, held: pd.DataFrame) -> str:
    if not held.empty:
        return YES
    return NO if rows["q"].notna().any() else UNTESTED


def _peak(rows: pd.DataFrame, treated: pd.DataFrame) -> dict[str, Any]:
    """Contrast with the largest estimate; without any, the time with the largest mean."""
    usable = rows[rows["estimate"].notna()]
    if not usable.empty:
        return dict(usable.iloc[int(usable["estimate"].to_numpy().argmax())])
    means = treated.groupby(k.DAYS)["value"].mean()
    day = float(means.index[int(means.to_numpy().argmax())]) if len(means) else np.nan
    return {
        k.DAYS: day,
        "estimate": np.nan,
        "ci_lo": np.nan,
        "ci_hi": np.nan,
        "unit": "",
        "reason": "",
    }


def _amount(
    part: pd.DataFrame, treated: pd.DataFrame, peak: dict[str, Any], column: str, arm: Arm
) -> tuple[str, str]:
    """Excess over control at the peak: mean of the samples, and the interval of the contrast."""
    at = treated[arm.rows(treated)]
    at = at[at[k.DAYS] == peak[k.DAYS]] if np.isfinite(peak[k.DAYS]) else at
    controls = part[part["control"] & part["value"].notna()]
    base = matched_controls(controls, peak[k.DAYS])["value"]
    mean, control = at["value"].mean(), base.mean()
    day = tidy.day_label(peak[k.DAYS])
    unit = str(peak.get("unit", ""))
    plain = column == "fraction" and unit in _FRACTION_UNITS
    if column == "fraction":
        excess = mean - control if len(base) else np.nan
        if plain and np.isfinite(peak["estimate"]):
            excess = peak["estimate"]
        amount = (
            f"{100 * excess:+.1f} points".replace("-", "−")
            if np.isfinite(excess)
            else tidy.percent(mean)
        )
        note = f"{tidy.percent(mean)} at {day} ({arm.said}) against {tidy.percent(control)}"
        note += " in controls"
        scale, words = 100.0, " points"
    else:
        excess = mean - control if len(base) else mean
        amount = _signed(excess)
        note = (
            f"mean index at {day}, difference from controls"
            if len(base)
            else f"mean index at {day}"
        )
        scale, words, plain = 1.0, "", True
    if np.isfinite(peak["ci_lo"]):
        scale = scale if plain else 1.0
        low, high = (_rounded(scale * peak[c], scale) for c in ("ci_lo", "ci_hi"))
        ratio = "log odds ratio" if unit == "log odds" else unit
        lead = "" if plain else f"{ratio} {tidy.number(peak['estimate'])}, "
        note += f"; {lead}95 % CI {low} to {high}{words if plain else ''}"
    else:
        note += "; no interval"
    cells = at["n_assessable"].sum()
    counted = f", {tidy.number(cells)} cells" if column == "fraction" and cells > 0 else ""
    return (
        amount,
        f"{note}; {at[k.SAMPLE].nunique()} irradiated, {base.size} control samples{counted}",
    )


def _rounded(value: float, scale: float) -> str:
    return f"{value:.1f}".replace("-", "−") if scale > 1 else tidy.number(value)


def _signed(value: float, digits: int = 3) -> str:
    text = tidy.number(value, digits)
    return f"+{text}" if value > 0 else text


def _since(
    rows: pd.DataFrame, held: pd.DataFrame, alpha: float, *, several: bool
) -> tuple[str, str]:
    """First time above control, and at how many of the times that could be tested."""
    tested = rows[rows["q"].notna()]
    if held.empty:
        below = tested[(tested["q"] <= alpha) & (tested["estimate"] < 0)]
        days = [tidy.day_label(d) for d in sorted(below[k.DAYS].dropna().unique())]
        lower_at = f"; below control at {', '.join(days)}" if days else ""
        n = len(tested)
        said = f"above control at none of {n} tested contrasts{lower_at}"
        return "–", said if n else "no time was testable"
    if held[k.DAYS].isna().all():
        return "time not given", ""
    first = held.sort_values(k.DAYS).iloc[0]
    arm = str(first["contrast"]).split(" vs ")[0]
    own, mine = (t[t["contrast"].str.startswith(f"{arm} vs ")] for t in (held, tested))
    days = sorted(own[k.DAYS].dropna().unique())
    later = [tidy.day_label(d) for d in sorted(mine[k.DAYS].dropna().unique()) if d > days[-1]]
    gone = f"; not shown at {', '.join(later)}" if later else ""
    which = f"{arm.removeprefix(k.IRRADIATED).strip()}: " if several else ""
    return (
        f"from {tidy.day_label(days[0])}",
        f"{which}q ≤ {alpha:g} at {len(days)} of {mine[k.DAYS].nunique()} tested times{gone}",
    )


def _sasp(
    table: pd.DataFrame,
    trend: pd.DataFrame | None,
    name: str,
    day: float,
    arm: Arm,
    *,
    control: str,
    alpha: float,
) -> tuple[tuple[str, ...], str]:
    """Three families furthest above control in one arm at the peak, with their q where tested."""
    families = sasp_families(table)
    part = table[table[k.COMPARTMENT] == name]
    try:
        cells = (
            heatmap_table(part, trend, axes=families, control=control, arm=arm)
            if families
            else None
        )
    except InputError:
        cells = None
    if cells is None:
        return (), "no SASP axis in the tables"
    whole = [f for f in families if f.removeprefix("z:") == "sasp"]
    if len(families) > len(whole):
        cells = cells[~cells["axis"].isin(whole)]
    near = cells[cells["days"] == day] if np.isfinite(day) else cells
    top = near[near["difference"] > 0].nlargest(3, "difference")
    out = []
    tested = False
    for row in tidy.rows(top):
        axis = row.axis.removeprefix("z:")
        q = row.q
        tested |= bool(np.isfinite(q))
        if (np.isfinite(q) and q > alpha) or (np.isnan(q) and row.difference < _SMALL):
            continue
        label = theme.pretty(axis.removeprefix("sasp_"))
        text = f"{label} {_signed(row.difference, 2)}"
        shown = f" (q\u00a0{tidy.p_value(q)})" if np.isfinite(q) else ""
        out.append(text + shown.replace("< ", "<\u00a0"))
    if not out:
        said = "no family above control after BH" if tested else "no family above control"
        return (), f"{said} at {tidy.day_label(day)}"
    return tuple(out), f"control SDs over control at {tidy.day_label(day)}" + (
        "" if tested else ", not tested"
    )


def _animals(rows: pd.DataFrame, held: pd.DataFrame, peak: dict[str, Any]) -> tuple[str, str]:
    """Say whether it is real at the level of samples: p, q and n, or why there is none."""
    tested = rows[rows["q"].notna()]
    if tested.empty:
        reasons = [r for r in rows["reason"].unique() if r]
        return "not testable", reasons[0] if reasons else "no contrast in the trend table"
    best = (
        peak
        if np.isfinite(peak.get("q", np.nan))
        else dict(tested.iloc[int(tested["q"].to_numpy().argmin())])
    )
    n = f"n = {tidy.number(best['n_treated'])} vs {tidy.number(best['n_control'])} samples"
    note = f"p {_eq(best['p'])}, {n}, {tidy.day_label(best[k.DAYS])}"
    if min(best["n_treated"], best["n_control"]) <= 2:
        note += "; 2 or fewer in a group: the interval is very wide"
    if held.empty:
        note += "; absence of evidence, not evidence of absence"
    return f"q {_eq(best['q'])}", note


def _overall(trend: pd.DataFrame | None, name: str, measures: set[str]) -> tuple[str, str] | None:
    """Word the trend in log(1 + days): all that one sample per time can test."""
    if trend is None:
        return None
    mine = (trend[k.COMPARTMENT] == name) & (trend["question"] == "trend_log1p_days")
    rows = trend[mine & trend["measure"].isin(measures)]
    tested = rows[tidy.column(rows, "p").notna()]
    if tested.empty:
        return None
    row = tested.iloc[0]
    note = f"no single time is testable; slope over log(1 + days) {_signed(row['estimate'])}"
    return "overall trend only", f"{note}, p {_eq(row['p'])}"


def _eq(value: float) -> str:
    text = tidy.p_value(value)
    return text if text.startswith("<") else f"= {text}"
