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
from senoscore.report._amount import amount, signed
from senoscore.report._spark import Points, curve, highest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from senoscore.report._load import Run

__all__ = ["Answer", "answers", "headline", "seldom"]

YES: Final = "above control"
NO: Final = "not detected"
WEAK: Final = "underpowered"
ACUTE: Final = "acute damage response"
UNTESTED: Final = "not testable"
UNKNOWN: Final = "not assessable"
_FEWEST: Final = 2
"""Samples in the smaller group up to which “not detected” would say more than was looked for."""
_ASSESSED: Final = ("ok", "acute", "profile")
_SMALL: Final = 0.2
"""Mean difference under which an untested SASP family is not worth naming (control SD)."""
_FEW: Final = 30
"""Cells that no sample reaches in a compartment that is named at the foot and not answered for."""
_QUESTION = "irradiated_vs_control"
_FRACTION = "fraction_senescent"
_ACUTE: Final = "fraction_acute"


@dataclass(frozen=True)
class Answer:
    """What the page says of one compartment, each field a finished text.

    ``acute``: since when an acute damage response holds; ``seen``: the smallest true excess that
    would have been seen. Empty where there is none.
    """

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
    acute: str = ""
    seen: str = ""
    spark: Points = ()
    spark_line: Points = ()


def answers(
    run: Run, *, control: str = k.CONTROL, alpha: float = 0.05, stable: float = 7.0
) -> list[Answer]:
    """One answer per compartment, those compared most first; empty without a burden table.

    Compartments that :func:`seldom` names have none. What was sampled before day ``stable`` is
    an acute damage response and enters no answer about senescence.
    """
    burden = run.get("burden")
    if burden is None:
        return []
    table = tidy.with_defaults(burden)
    trend = run.get("trend")
    order = theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    passed_over = {k.UNASSIGNED, *_seldom(table)}
    order = [name for name in order if name not in passed_over]
    asked = _Asked(control, alpha, stable)
    return [_answer(name, table, trend, asked) for name in order]


def seldom(run: Run) -> str:
    """Name the compartments with too few cells everywhere for an answer; empty if none."""
    burden = run.get("burden")
    few = {} if burden is None else _seldom(tidy.with_defaults(burden))
    seen = [f"{_lower(theme.pretty(name))} ({n:,})" for name, n in few.items() if n]
    absent = [_lower(theme.pretty(name)) for name, n in few.items() if not n]
    parts = [f"Too few cells to answer for: {', '.join(seen)}."] if seen else []
    parts += [f"Not found: {', '.join(absent)}."] if absent else []
    return " ".join(parts)


def _seldom(table: pd.DataFrame) -> dict[str, int]:
    """Cells of each compartment that is assessable in no sample and nowhere has 30 cells."""
    cells = tidy.column(table, "n_cells").fillna(0)
    unusable = table["status"].isin(["absent", "few_cells", "not_assessable", "no_control"])
    by = table.assign(cells=cells, unusable=unusable).groupby(k.COMPARTMENT, sort=True)
    found = by.agg(most=("cells", "max"), total=("cells", "sum"), unusable=("unusable", "all"))
    found = found[found["unusable"] & (found["most"] < _FEW)]
    return {str(name): int(n) for name, n in found["total"].items() if name != k.UNASSIGNED}


def headline(found: Sequence[Answer]) -> str:
    """Say in a few sentences which compartments are above control, and since when."""
    verdicts = (YES, NO, WEAK, ACUTE, UNTESTED, UNKNOWN)
    groups = {v: [a for a in found if a.verdict == v] for v in verdicts}
    if not found:
        return "This run has no burden table yet: nothing can be said about senescence."
    parts = []
    if groups[YES]:
        names = [f"{_lower(a.name)} ({a.since})" for a in groups[YES]]
        what = "A senescence index" if groups[YES][0].by_index else "Senescence"
        parts.append(f"{what} above the unirradiated controls holds in {_join(names)}.")
    if groups[NO]:
        lead = (
            "None was detected in" if groups[YES] else "No senescence above control was detected in"
        )
        parts.append(f"{lead} {_join([_with_seen(a) for a in groups[NO]])}.")
    if groups[WEAK]:
        few = _join([_with_seen(a) for a in groups[WEAK]])
        parts.append(f"Underpowered, with {_FEWEST} or fewer samples in a group: {few}.")
    if any(a.seen for a in groups[NO] + groups[WEAK]):
        parts.append("In brackets: the smallest true excess seen with 80 % power.")
    if groups[ACUTE]:
        names = [f"{_lower(a.name)} ({a.acute})" for a in groups[ACUTE]]
        parts.append(
            f"An acute damage response, which is not senescence, holds in {_join(names)}; no "
            "sample is late enough for senescence to be claimed."
        )
    for verdict in (UNTESTED, UNKNOWN):
        if groups[verdict]:
            names = [_lower(a.name) for a in groups[verdict]]
            parts.append(f"{verdict.capitalize()}: {_join(names)}.")
    return " ".join(parts)


def _with_seen(answer: Answer) -> str:
    return _lower(answer.name) + (f" ({answer.seen})" if answer.seen else "")


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:] if name[1:2].islower() else name


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _measures(part: pd.DataFrame) -> tuple[str, set[str]]:
    """Column of the burden table to speak of, and its names in the trend table."""
    if part["fraction"].notna().any():
        return "fraction", {_FRACTION, _ACUTE}
    return "index_mean", {"index_mean"}


@dataclass(frozen=True)
class _Asked:
    """What all answers of a page are asked with."""

    control: str
    alpha: float
    stable: float


def _answer(name: str, table: pd.DataFrame, trend: pd.DataFrame | None, asked: _Asked) -> Answer:
    part = table[table[k.COMPARTMENT] == name]
    column, measures = _measures(part)
    part = part.assign(
        value=tidy.column(part, column), control=tidy.is_control(part, asked.control)
    )
    usable = part["value"].notna() & part["status"].isin(_ASSESSED)
    samples = part[usable & ~part["control"]]
    rows = _contrasts(trend, name, measures)
    late, early = rows[rows[k.DAYS] >= asked.stable], rows[rows[k.DAYS] < asked.stable]
    treated = samples[samples[k.DAYS] >= asked.stable]
    by_index = column != "fraction"
    half = None if by_index else float(0.5 / part.loc[usable, "n_assessable"].median())
    response, from_day = _held(early, asked.alpha), tidy.day_label(asked.stable)
    acute = f"from {tidy.day_label(response[k.DAYS].min())}" if len(response) else ""
    if treated.empty:
        if not acute:
            return _nothing(name, part, samples, asked.stable)
        row = _shown(early, response)
        found = amount(row, samples, half=half, alpha=asked.alpha)
        return Answer(
            name, theme.pretty(name), ACUTE,
            "–", f"acute, not senescence: {found.text}; {found.note}",
            "–", f"acute damage response {acute}; senescence can be claimed from {from_day}",
            (), f"not read before {from_day}", *_animals(early, response, row), by_index, acute,
        )  # fmt: skip
    held = _held(late, asked.alpha)
    row = _shown(late, held)
    verdict = _verdict(late, held)
    found = amount(row, treated, half=half, alpha=asked.alpha)
    since, since_note = _since(late, held)
    since_note += f"; acute damage response {acute}" if acute else ""
    day = float(row.get(k.DAYS, np.nan))
    families, sasp_note = _sasp(table, trend, name, day, control=asked.control, alpha=asked.alpha)
    animals, animals_note = _animals(late, held, row)
    if animals == UNTESTED:
        animals, animals_note = _overall(trend, name, measures) or (animals, animals_note)
    seen = found.seen if verdict in (NO, WEAK) else ""
    if seen:
        animals_note += f"; smallest true excess seen with 80 % power: {seen}"
    points_, line = curve(treated, highest(table, column, asked.control))
    return Answer(
        name, theme.pretty(name), verdict, found.text, found.note, since, since_note,
        families, sasp_note, animals, animals_note, by_index, acute, seen, points_, line,
    )  # fmt: skip


def _held(rows: pd.DataFrame, alpha: float) -> pd.DataFrame:
    return rows[(rows["q"] <= alpha) & (rows["estimate"] > 0)]


def _contrasts(trend: pd.DataFrame | None, name: str, measures: set[str]) -> pd.DataFrame:
    numbers = [
        k.DAYS, "estimate", "ci_lo", "ci_hi", "estimate_fraction", "df", "statistic", "p", "q",
        "n_control", "n_treated",
    ]  # fmt: skip
    texts = ["status", "reason", "unit", "contrast", "stratum"]
    if trend is None:
        return pd.DataFrame(columns=[*numbers, *texts])
    mine = (trend[k.COMPARTMENT] == name) & (trend["question"] == _QUESTION)
    rows = trend[mine & trend["measure"].isin(measures)].copy()
    for c in numbers:
        rows[c] = tidy.column(rows, c)
    for c in texts:
        values = rows[c] if c in rows else pd.Series("", index=rows.index)
        rows[c] = values.astype(object).where(values.notna(), "").astype(str)
    return rows


def _nothing(name: str, part: pd.DataFrame, samples: pd.DataFrame, stable: float) -> Answer:
    """Word the answer of a compartment without any irradiated sample late enough to assess."""
    treated = part[~part["control"]]
    out = treated[~treated["status"].isin(_ASSESSED)]
    if len(samples):
        timed = samples[k.DAYS].notna().any()
        note = f"no sample is of day {stable:g} or later" if timed else "no time after irradiation"
        note += ": senescence cannot be claimed; no acute damage response holds" if timed else ""
    elif len(out):
        status = out["status"].mode().iloc[0]
        notes = [n for n in out.loc[out["status"] == status, "note"].unique() if n]
        said = f"{str(status).replace('_', ' ')} in {out[k.SAMPLE].nunique()} samples"
        note = notes[0] if notes else said
    else:
        note = "no value in any irradiated sample"
    return Answer(name, theme.pretty(name), UNKNOWN, "–", note, "–", "", (), "", "–", "")


def _verdict(rows: pd.DataFrame, held: pd.DataFrame) -> str:
    if not held.empty:
        return YES
    tested = rows[rows["q"].notna()]
    if tested.empty:
        return UNTESTED
    smaller = tested[["n_control", "n_treated"]].min(axis=1)
    return WEAK if smaller.max() <= _FEWEST else NO


def _shown(rows: pd.DataFrame, held: pd.DataFrame) -> dict[str, Any]:
    """Return the one contrast that a card is about: the largest that holds, else that was tested.

    Empty where no contrast has an estimate.
    """
    for usable in (held, rows[rows["q"].notna()], rows[rows["estimate"].notna()]):
        if not usable.empty:
            return dict(usable.iloc[int(usable["estimate"].to_numpy().argmax())])
    return {}


def _since(rows: pd.DataFrame, held: pd.DataFrame) -> tuple[str, str]:
    if held.empty:
        tested = int(rows["q"].notna().sum())
        return (
            "–",
            f"holds at none of {tested} tested contrasts" if tested else "no time was testable",
        )
    days = sorted(held[k.DAYS].dropna().unique())
    later = [tidy.day_label(d) for d in sorted(rows[k.DAYS].dropna().unique()) if d > days[-1]]
    gone = f"; no longer at {later[0]}" if later else ""
    return (
        f"from {tidy.day_label(days[0])}",
        f"first time the contrast holds after BH; at {len(days)} times{gone}",
    )


def _sasp(
    table: pd.DataFrame,
    trend: pd.DataFrame | None,
    name: str,
    day: float,
    *,
    control: str,
    alpha: float,
) -> tuple[tuple[str, ...], str]:
    """Three families furthest above control at the peak, with their q where tested."""
    families = sasp_families(table)
    part = table[table[k.COMPARTMENT] == name]
    try:
        cells = heatmap_table(part, axes=families, control=control) if families else None
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
        match = _contrasts(trend, name, {axis, f"z:{axis}", f"mean:{axis}"})
        match = match[match[k.DAYS] == day]
        q = match["q"].min() if match["q"].notna().any() else np.nan
        tested |= bool(np.isfinite(q))
        if (np.isfinite(q) and q > alpha) or (np.isnan(q) and row.difference < _SMALL):
            continue
        label = theme.pretty(axis.removeprefix("sasp_"))
        text = f"{label} {signed(row.difference, 2)}"
        shown = f" (q\u00a0{tidy.p_value(q)})" if np.isfinite(q) else ""
        out.append(text + shown.replace("< ", "<\u00a0"))
    if not out:
        said = "no family holds after BH" if tested else "no family above control"
        return (), f"{said} at {tidy.day_label(day)}"
    return tuple(out), f"mean over control at {tidy.day_label(day)}" + (
        "" if tested else ", not tested"
    )


def _animals(rows: pd.DataFrame, held: pd.DataFrame, row: dict[str, Any]) -> tuple[str, str]:
    """Say whether it is real at the level of samples: p, q and n, or why there is none."""
    if not np.isfinite(row.get("q", np.nan)):
        reasons = [r for r in rows["reason"].unique() if r]
        return UNTESTED, reasons[0] if reasons else "no contrast in the trend table"
    n = f"n = {tidy.number(row['n_treated'])} vs {tidy.number(row['n_control'])} samples"
    note = f"p {_eq(row['p'])}, {n}, {tidy.day_label(row[k.DAYS])}"
    if min(row["n_treated"], row["n_control"]) <= _FEWEST:
        note += "; 2 or fewer in a group: the interval is very wide"
    if held.empty:
        note += "; absence of evidence, not evidence of absence"
    return f"q {_eq(row['q'])}", note


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
    note = f"no single time is testable; slope over log(1 + days) {signed(row['estimate'])}"
    return "overall trend only", f"{note}, p {_eq(row['p'])}"


def _eq(value: float) -> str:
    text = tidy.p_value(value)
    return text if text.startswith("<") else f"= {text}"
