"""Sections on what was measured of the subjects beside the matrix; none where nothing was."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.plotting import theme, tidy
from senoscore.report.charts import Part
from senoscore.report.parts import Item, Notes, Options, section
from senoscore.report.tables import view
from senoscore.report.words import lower

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def describe_blood(numbers: pd.DataFrame) -> str:
    """Describe changes of circulating factors."""
    means = numbers[numbers["subject"].eq("") & numbers["ci_lo"].notna()]
    dots = numbers[numbers["subject"] != ""]
    bounded = int(dots["known"].ne("measured").sum())
    said = ""
    if len(means):
        row = means.iloc[int(means["value"].abs().to_numpy().argmax())]
        said = (
            f" The largest mean change: {row['analyte']}, {row['arm']}, "
            f"{tidy.day_label(row['days'])}, {tidy.number(row['value'], 2)}."
        )
    return (
        f"Log2 ratios of {numbers['analyte'].nunique()} circulating factors to the own baseline, a "
        f"dot a subject, by arm: {len(dots)} changes, {bounded} of them bounds.{said}"
    )


@section(
    "blood",
    "Blood",
    lead=(
        "Log2 ratios of circulating factors: an arm against its own baseline, and arm against arm. "
        "A value below the limit of detection enters as below it; no number stands in for it. "
        "Blood comes from the whole body: a factor need not come from the irradiated tissue."
    ),
)
def blood(run: Run, options: Options) -> Iterator[Item | Part]:
    """Tests of circulating factors."""
    table = run.get("blood")
    if table is None:
        return
    groups = {title: table[table["question"] == question] for question, title in _QUESTIONS.items()}
    lines = [_of_question(title, group, options) for title, group in groups.items() if len(group)]
    yield Notes((*lines, *_in_two_units(table)))
    changes = run.get("blood_changes")
    if changes is not None:
        yield _changes(table, changes, _arms(run))
    yield view(table, "blood", title="Tests of circulating factors", columns=_BLOOD)


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


def _in_two_units(table: pd.DataFrame) -> list[str]:
    """Factors that were not compared for their units: among many reasons these would be lost."""
    odd = table[table["reason"].astype(str).str.startswith("the units ")]
    return [
        f"Not compared: {', '.join(sorted(set(own['analyte'].astype(str))))} ({reason})."
        for reason, own in odd.groupby("reason", sort=True, observed=True)
    ]


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


def _arms(run: Run) -> tuple[str, ...]:
    """Arms of every figure here, so that each has one colour in all of them."""
    tables = [run.get(name) for name in ("blood_changes", "external_pairs", "outcome_subjects")]
    names = {str(arm) for t in tables if t is not None for arm in t["arm"].dropna()}
    return tuple(sorted(names))


def _changes(table: pd.DataFrame, changes: pd.DataFrame, arms: Sequence[str]) -> Part:
    n, shown = changes["analyte"].nunique(), pl.PANELS
    some = f" The {shown} of {n} factors with the smallest p are drawn." if n > shown else ""
    return Part(
        "blood",
        title="Circulating factors against the own baseline, by arm",
        caption=(
            "A dot is a subject, a bar the estimate of an arm with its 95 % interval. A triangle "
            "is a bound: the true value lies beyond it. Subjects with both values below the limit "
            f"cannot be drawn and are counted above each panel.{some}"
        ),
        alt=describe_blood,
        draw=lambda layout: pl.blood(table, changes, arms=arms, layout=layout),
        numbers=lambda: pl.blood_table(table, changes),
    )


_EXTERNAL: Final = [
    "question", k.COMPARTMENT, "measure", "n_samples", "n_subjects", "estimate", "ci_lo", "ci_hi",
    "limit_lo", "limit_hi", "unit", "p", "q", "flag", "status", "reason", "note",
]  # fmt: skip


def describe_external(numbers: pd.DataFrame) -> str:
    """Describe burden against measurements from elsewhere."""
    n = len(numbers[[k.COMPARTMENT, "measure"]].drop_duplicates())
    outside = int(numbers["outside"].sum())
    return (
        f"Senescent fraction of {numbers[k.SAMPLE].nunique()} samples against what was measured of "
        f"them elsewhere, {n} panel{'s' if n > 1 else ''}. {outside} outside the limits of "
        "agreement."
    )


@section(
    "external",
    "Measured elsewhere",
    lead=(
        "What was measured elsewhere beside the burden of the same samples. Ranks over all samples "
        "agree already if both rise after irradiation; within arms is the harder question. The "
        "fraction is a lower bound, so a level below a stain is expected."
    ),
)
def external(run: Run, _options: Options) -> Iterator[Item | Part]:
    """Measurements from elsewhere beside the burden."""
    table = run.get("external")
    if table is None:
        return
    flags = table["flag"].astype(object).where(table["flag"].notna(), "").astype(str)
    lines = [
        f"{row.measure} of {lower(theme.pretty(str(row.compartment)))}, "
        f"{str(row.question).replace('_', ' ')}: {flag}."
        for row, flag in zip(tidy.rows(table), flags, strict=True)
        if flag
    ]
    yield Notes(tuple(lines[:12] or ["No disagreement is flagged."]))
    pairs = run.get("external_pairs")
    if pairs is not None:
        yield Part(
            "external",
            title="Burden against what was measured elsewhere",
            caption=(
                "A dot is a sample. Where both are shares, the dashed line is equality and a ring "
                "marks a sample outside the limits of agreement (mean difference ± 1.96 SD)."
            ),
            alt=describe_external,
            draw=lambda layout: pl.external(pairs, table, arms=_arms(run), layout=layout),
            numbers=lambda: pl.external_table(pairs, table),
        )
    yield view(table, "external", title="Measurements from elsewhere", columns=_EXTERNAL)


def describe_outcome(numbers: pd.DataFrame) -> str:
    """Describe burden at the landmark against an outcome."""
    subjects = numbers.drop_duplicates("subject")
    ends = subjects["end"].value_counts()
    timed = numbers["kind"].iloc[0] == "time-to-event"
    said = "; ".join(f"{n} {end}" for end, n in ends.items()) if timed else ""
    return (
        f"Burden at the landmark against {theme.pretty(str(numbers['endpoint'].iloc[0]))}, a dot a "
        f"subject, one panel per compartment: {len(subjects)} subjects"
        + (f" ({said})." if said else ".")
    )


@section(
    "outcome",
    "Outcome",
    lead=(
        "Does the burden at the landmark go with what came later? Irradiated subjects only, each "
        "by its last sample until the landmark; those whose event or follow-up was over by then "
        "are left out and counted. An association is no effect, and no forecast for one patient."
    ),
)
def outcome(run: Run, options: Options) -> Iterator[Item | Part]:
    """Burden, SASP and index at the landmark against what came later."""
    table = run.get("outcome")
    if table is None:
        return
    yield Notes(
        tuple(
            _said(str(endpoint), group, options)
            for endpoint, group in table.groupby("endpoint", observed=True)
        )
    )
    subjects = run.get("outcome_subjects")
    if subjects is not None:
        for number, endpoint in enumerate(sorted(subjects["endpoint"].astype(str).unique()), 1):
            yield _subjects(subjects, table, number, endpoint, _arms(run))
    yield view(table, "outcome", title="Associations with outcome", columns=_OUTCOME)


def _subjects(
    subjects: pd.DataFrame, table: pd.DataFrame, number: int, endpoint: str, arms: Sequence[str]
) -> Part:
    stem = re.sub(r"[^A-Za-z0-9]+", "_", endpoint).strip("_").lower()[:40]
    return Part(
        f"outcome_{number}_{stem}",
        title=f"{theme.pretty(endpoint)} against the burden at the landmark",
        caption=(
            "A dot is an irradiated animal or patient. Above each panel: the association within "
            "arms, of all of them, with its 95 % interval."
        ),
        alt=describe_outcome,
        draw=lambda layout: pl.outcome(
            subjects, table, endpoint=endpoint, arms=arms, layout=layout
        ),
        numbers=lambda: pl.outcome_table(subjects, endpoint=endpoint),
    )


def _said(endpoint: str, group: pd.DataFrame, options: Options) -> str:
    """One sentence or three on an endpoint: what was asked, what holds, what could not be asked."""
    tested = group[group["status"] == k.TESTED]
    days = tidy.day_label(float(group["landmark_days"].iloc[0]))
    head = f"{theme.pretty(endpoint)}, landmark {days}: "
    lacking = group[group["status"] != k.TESTED]
    why = _mostly(lacking)
    left = tidy.column(group, "n_before_landmark").max()
    early = f" Left out, their outcome being of before the landmark: {left:g}." if left > 0 else ""
    if tested.empty:
        # All arms together are the largest question: why that was not asked is the reason.
        why = _mostly(lacking[lacking["question"].eq("across_arms")]) or why
        return f"{head}not tested ({why}).{early}"
    held = tested[tested["q"] <= options.alpha].sort_values("p", kind="stable")
    text = f"{head}{len(held)} of {len(tested)} associations hold at q ≤ {options.alpha:g}."
    for row in tidy.rows(held.head(3)):
        text += f" {_numbers(row)}."
    if held.empty:
        first = next(iter(tidy.rows(tested.sort_values("p", kind="stable").head(1))))
        text += f" The clearest: {_numbers(first)}."
    text += f" {len(lacking)} were not tested (mostly: {why})." if why else ""
    return text + early


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
