"""Sections on what was measured of the subjects beside the matrix; none where nothing was."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.plotting import theme, tidy
from senoscore.report import alt
from senoscore.report.charts import figure
from senoscore.report.parts import Item, Notes, Options, Section
from senoscore.report.tables import view
from senoscore.report.words import LEADS, lower

if TYPE_CHECKING:
    import pandas as pd

    from senoscore.report.load import Run


__all__ = ["blood", "external", "outcome"]

_OUTCOME: Final = [
    "endpoint", k.COMPARTMENT, "measure", "contrast", "landmark_days", "n_subjects", "n_events",
    "n_competing", "estimate", "ci_lo", "ci_hi", "unit", "p", "q", "status", "reason", "note",
]  # fmt: skip


_BLOOD: Final = [
    "question", "analyte", k.COMPARTMENT, "contrast", "n_control", "n_treated", "n_below_lod",
    "n_values", "estimate", "ci_lo", "ci_hi", "unit", "p", "q", "method", "status", "reason",
    "note",
]  # fmt: skip
_QUESTIONS: Final = {
    "against_baseline": "Against the own baseline",
    "against_control": "Against unirradiated controls",
    "drug_against_none": "With a drug against without, same irradiation",
    "beside_tissue": "Beside the tissue",
}


def blood(run: Run, options: Options) -> Section | None:
    """Tests of circulating factors."""
    table = run.get("blood")
    if table is None:
        return None
    lines = []
    for question, title in _QUESTIONS.items():
        group = table[table["question"] == question]
        if group.empty:
            continue
        lines.append(_of_question(title, group, options))
    items: list[Item] = [Notes(tuple(lines))]
    changes = run.get("blood_changes")
    if changes is not None:
        items.append(_changes(table, changes, options))
    items.append(view(table, "blood", title="Tests of circulating factors", columns=_BLOOD))
    return Section("blood", "Blood", LEADS["blood"], tuple(items))


def _of_question(title: str, group: pd.DataFrame, options: Options) -> str:
    """What holds of a question on blood, the three clearest named, and what could not be asked."""
    tested, lacking = (group[group["status"].eq(k.TESTED) == wanted] for wanted in (True, False))
    why = _mostly(lacking)
    if tested.empty:
        return f"{title}: none could be tested{f' ({why})' if why else ''}."
    held = tested[tested["q"] <= options.alpha].sort_values("p", kind="stable")
    text = f"{title}: {len(held)} of {len(tested)} hold at q ≤ {options.alpha:g}"
    shown = [
        f"{row.analyte}, {row.contrast}: {_effect(row)}, q {_q(row.q)}"
        for row in tidy.rows(held.head(3))
    ]
    text += f". The clearest: {'; '.join(shown)}." if shown else "."
    return text + (f" Not tested: {len(lacking)} (mostly: {why})." if why else "")


def _effect(row: Any) -> str:
    """An estimate in words: a ratio as what the level is times the other, rho as it is."""
    if str(row.unit) != "log2 ratio":
        return f"{row.unit} {tidy.number(row.estimate, 2)}"
    if not np.isfinite(row.estimate):
        return "a bound, see the table"
    return f"{tidy.number(2.0**row.estimate, 2)} times"


def _q(value: float) -> str:
    text = tidy.p_value(value)
    return text if text.startswith("<") else f"= {text}"


def _mostly(lacking: pd.DataFrame) -> str:
    """The most frequent reason; of what had no value at all only where there is nothing else."""
    count = "n_subjects" if "n_subjects" in lacking else "n_values"
    some = lacking[tidy.column(lacking, count) > 0]
    reasons = (some if len(some) else lacking)["reason"].dropna().astype(str)
    reasons = reasons[reasons != ""]
    return "" if reasons.empty else str(reasons.value_counts().index[0])


def _changes(table: pd.DataFrame, changes: pd.DataFrame, options: Options) -> Item:
    n, shown = changes["analyte"].nunique(), pl.PANELS
    of = f" The {shown} of {n} factors with the smallest p are drawn." if n > shown else ""
    return figure(
        "blood",
        lambda layout: pl.blood(table, changes, layout=layout),
        lambda: pl.blood_table(table, changes),
        title="Circulating factors against the own baseline, by arm",
        caption=(
            "A dot is a subject, a bar the estimate of an arm with its 95 % interval. A triangle "
            "is a bound: the true value lies beyond it. Subjects with both values below the limit "
            f"cannot be drawn and are counted above each panel.{of}"
        ),
        alt_text=alt.blood,
        folder=options.figures,
    )


_EXTERNAL: Final = [
    "question", k.COMPARTMENT, "measure", "n_samples", "n_subjects", "estimate", "ci_lo", "ci_hi",
    "limit_lo", "limit_hi", "unit", "p", "q", "flag", "status", "reason", "note",
]  # fmt: skip


def external(run: Run, options: Options) -> Section | None:
    """Measurements from elsewhere beside the burden."""
    table = run.get("external")
    if table is None:
        return None
    flags = table["flag"].astype(object).where(table["flag"].notna(), "").astype(str)
    lines = [
        f"{row.measure} of {lower(theme.pretty(str(row.compartment)))}, "
        f"{str(row.question).replace('_', ' ')}: {flag}."
        for row, flag in zip(tidy.rows(table), flags, strict=True)
        if flag
    ]
    notes = Notes(tuple(lines[:12] or ["No disagreement is flagged."]))
    shown = view(table, "external", title="Measurements from elsewhere", columns=_EXTERNAL)
    pairs = run.get("external_pairs")
    items: tuple[Item, ...] = (notes, shown)
    if pairs is not None:
        drawn = figure(
            "external",
            lambda layout: pl.external(pairs, table, layout=layout),
            lambda: pl.external_table(pairs, table),
            title="Burden against what was measured elsewhere",
            caption=(
                "A dot is a sample. Where both are shares, the dashed line is equality and a ring "
                "marks a sample outside the limits of agreement (mean difference ± 1.96 SD)."
            ),
            alt_text=alt.external,
            folder=options.figures,
        )
        items = (notes, drawn, shown)
    return Section("external", "Measured elsewhere", LEADS["external"], items)


def outcome(run: Run, options: Options) -> Section | None:
    """Burden, SASP and index at the landmark against what came later."""
    table = run.get("outcome")
    if table is None:
        return None
    lines = [
        _said(str(name), group, options) for name, group in table.groupby("endpoint", observed=True)
    ]
    items: list[Item] = [Notes(tuple(lines))]
    subjects = run.get("outcome_subjects")
    if subjects is not None:
        endpoints = sorted(subjects["endpoint"].astype(str).unique())
        items += [_subjects(subjects, table, *e, options) for e in enumerate(endpoints, 1)]
    items.append(view(table, "outcome", title="Associations with outcome", columns=_OUTCOME))
    return Section("outcome", "Outcome", LEADS["outcome"], tuple(items))


def _subjects(
    subjects: pd.DataFrame, table: pd.DataFrame, number: int, endpoint: str, options: Options
) -> Item:
    name = re.sub(r"[^A-Za-z0-9]+", "_", endpoint).strip("_").lower()[:40]
    return figure(
        f"outcome_{number}_{name}",
        lambda layout: pl.outcome(subjects, table, endpoint=endpoint, layout=layout),
        lambda: pl.outcome_table(subjects, endpoint=endpoint),
        title=f"{theme.pretty(endpoint)} against the burden at the landmark",
        caption=(
            "A dot is an irradiated animal or patient. Above each panel: the association within "
            "arms, of all of them, with its 95 % interval."
        ),
        alt_text=alt.outcome,
        folder=options.figures,
    )


def _said(endpoint: str, group: pd.DataFrame, options: Options) -> str:
    """One sentence or three on an endpoint: what was asked, what holds, what could not be asked."""
    tested = group[group["status"] == k.TESTED]
    days = tidy.day_label(float(group["landmark_days"].iloc[0]))
    head = f"{theme.pretty(endpoint)}, landmark {days}: "
    lacking = group[group["status"] != k.TESTED]
    why = _mostly(lacking)
    if tested.empty:
        left = tidy.column(group, "n_before_landmark").max()
        early = f" Left out, their outcome being of before the landmark: {left:g}." if left else ""
        return f"{head}not tested ({why}).{early}"
    held = tested[tested["q"] <= options.alpha].sort_values("p", kind="stable")
    text = f"{head}{len(held)} of {len(tested)} associations hold at q ≤ {options.alpha:g}."
    for row in tidy.rows(held.head(3)):
        text += f" {_numbers(row)}."
    if held.empty:
        first = next(iter(tidy.rows(tested.sort_values("p", kind="stable").head(1))))
        text += f" The clearest: {_numbers(first)}."
    return text + (f" {len(lacking)} were not tested (mostly: {why})." if why else "")


def _numbers(row: Any) -> str:
    name = lower(theme.pretty(str(row.compartment)))
    what = lower(theme.pretty(str(row.measure).rpartition(k.SEP)[2]))
    value = {n: tidy.number(getattr(row, n)) for n in ("estimate", "ci_lo", "ci_hi")}
    n = f"n = {row.n_subjects:g}"
    events = row.n_events
    n += f", {events:g} events" if events == events else ""
    return (
        f"{what} of {name}, {row.contrast}: {row.unit} "
        f"{value['estimate']} ({value['ci_lo']} to {value['ci_hi']}), {n}, "
        f"q {tidy.p_value(row.q)}"
    )
