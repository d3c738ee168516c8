"""What the design and the tables cannot show, worded for the reader."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Final

import pandas as pd

from senoscore import names as k
from senoscore.plotting import theme, tidy
from senoscore.report.load import not_comparable, stepped_aside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from senoscore.report.load import Run


__all__ = [
    "NOT_IN_RNA",
    "design_messages",
    "design_problems",
    "lower",
    "not_assessed",
    "seldom",
]

NOT_IN_RNA: Final = (
    (
        "Senescence-associated β-galactosidase",
        "an enzyme activity; GLB1 expression is only a proxy",
    ),
    ("γH2AX and 53BP1 foci", "protein at damage sites; repair signatures are only a proxy"),
    ("Phosphorylated Rb", "a protein state; the E2F programme stands in for it"),
    ("p16 against p14ARF", "both come from CDKN2A; 3′ libraries cannot part them"),
    ("HMGB1 translocation", "a place in the cell, not an amount of RNA"),
    ("Lipofuscin", "an aggregate; no transcript"),
    ("Vesicle cargo and miRNA of the SASP", "not in a messenger RNA library"),
    ("Quiescence against senescence", "cannot be told apart with certainty from RNA alone"),
)


def lower(name: str) -> str:
    """Write a name within a sentence; ``T cell`` and ``NK cell`` keep their capital."""
    return name[:1].lower() + name[1:] if name[1:2].islower() else name


def seldom(run: Run) -> str:
    """Name the compartments with too few cells everywhere for an answer; empty if none."""
    burden = run.get("burden")
    few = {} if burden is None else tidy.stray(tidy.with_defaults(burden))
    seen = [f"{lower(theme.pretty(name))} ({n:,})" for name, n in few.items() if n]
    absent = [lower(theme.pretty(name)) for name, n in few.items() if not n]
    parts = [f"Too few cells to answer for: {', '.join(seen)}."] if seen else []
    parts += [f"Not found: {', '.join(absent)}."] if absent else []
    return " ".join(parts)


_NO_CONTROL: Final = (
    "What counts as senescent is set on unirradiated cells of the same compartment, so no cell is "
    "called and no compartment has an answer; scores are shown. If the sheet has controls under "
    "another word than “{control}”, name it in the config (control_treatment)."
)
_ONE_CONTROL: Final = (
    "How much controls differ among themselves is unknown: a difference from this one cannot be "
    "told from a difference between animals."
)
_ONE_A_TIME: Final = (
    "Differences between times cannot be separated from differences between animals. Only the "
    "overall trend is tested."
)
_ONE_A_GROUP: Final = (
    "With one animal or patient in a group there is a difference but no p-value or interval: cells "
    "are not replicates."
)


def design_problems(samples: pd.DataFrame, *, control: str = k.CONTROL) -> list[tuple[str, str]]:
    """Word what a design lacks and what follows from it: title and text, the worst first."""
    table = tidy.with_defaults(samples).drop_duplicates(k.SAMPLE)
    is_control = tidy.is_control(table, control)
    controls, treated = table[is_control], table[~is_control]
    if controls.empty:
        return [("No unirradiated sample.", _NO_CONTROL.format(control=control))]
    out = []
    if len(controls) == 1:
        out.append(("One control sample.", _ONE_CONTROL))
    elif _distinct(controls) == 1 and _distinct(treated) > 1:
        day = tidy.day_label(controls[k.DAYS].dropna().iloc[0])
        text = f"Controls are of {day}: at other times age and radiation cannot be told apart."
        out.append(("Controls of one time only.", text))
    if treated.empty:
        return out
    groups = treated.groupby([k.TREATMENT, k.DOSE, k.DAYS], dropna=False, observed=True).size()
    if groups.max() == 1:
        several = len(groups) > 1
        title = "1 sample per time point." if several else "No replication."
        out.append((title, _ONE_A_TIME if several else _ONE_A_GROUP))
    elif min(groups.min(), len(controls)) <= 2:
        where = ["controls"] if len(controls) <= 2 else []
        for dose, group in groups[groups <= 2].groupby(k.DOSE, dropna=False, observed=True):
            days = group.index.get_level_values(k.DAYS).unique().sort_values()
            said = f"{float(str(dose)):g} Gy" if pd.notna(dose) else "irradiated"
            where.append(f"{said} at {', '.join(tidy.day_label(d) for d in days)}")
        text = (
            f"Two samples at most: {'; '.join(where)}. Intervals there are very wide, "
            "and only large differences can be shown."
        )
        out.append(("Small groups.", text))
    return out


def design_messages(samples: pd.DataFrame, *, control: str = k.CONTROL) -> list[str]:
    """Word how far the replication of a design carries."""
    table = tidy.with_defaults(samples).drop_duplicates(k.SAMPLE)
    out = [" ".join(found) for found in design_problems(samples, control=control)]
    is_control = tidy.is_control(table, control)
    controls, treated = table[is_control], table[~is_control]
    if not treated.empty:
        groups = treated.groupby([k.TREATMENT, k.DOSE, k.DAYS], dropna=False, observed=True).size()
        n, m = int(groups.max()), len(controls)
        floor = 2 / comb(n + m, n) if n > 1 and m > 1 else 0.0
        if floor > 0.05:
            out.append(
                f"A permutation test of {n} against {m} samples cannot reach p = 0.05: the "
                f"smallest p that it can give is {tidy.p_value(floor)}."
            )
    out += _subject_messages(table)
    return out


def _distinct(table: pd.DataFrame) -> int:
    return len(set(table[k.DAYS].dropna()))


def _subject_messages(table: pd.DataFrame) -> list[str]:
    named = table[table[k.SUBJECT] != ""]
    repeats = named[k.SUBJECT].value_counts()
    if named.empty:
        return ["No subject column: every sample is taken as a subject of its own."]
    if (repeats > 1).any():
        return [
            f"{int((repeats > 1).sum())} subjects were sampled more than once: a repeated design."
        ]
    return [
        "Every subject was sampled once: a cross-sectional design, different animals at each time."
    ]


def not_assessed(run: Run) -> pd.DataFrame:
    """List what this run could not assess: what, where, why (one row each, most general first)."""
    rows: list[dict[str, object]] = []
    coverage = run.get("coverage")
    if coverage is not None:
        for r in tidy.rows(coverage[coverage["gate"].astype(str) != "pass"]):
            why = (
                f"{r.n_found} of {r.n_listed} genes in the matrix: below the gate, score left empty"
            )
            rows.append(
                {"what": f"signature {r.signature} ({r.direction})", "where": r.dataset, "why": why}
            )
    rows += stepped_aside(run)
    rows += [
        {"what": "comparison between data sets", "where": "this run", "why": why}
        for why in not_comparable(run)
    ]
    burden = run.get("burden")
    if burden is not None:
        rows += _burden_gaps(tidy.with_defaults(burden), _calibration_notes(run.get("calibration")))
    trend = run.get("trend")
    if trend is not None and "status" in trend:
        rows += _trend_gaps(trend)
    for name, reason in run.missing.items():
        if name not in {"samples", "datasets", "readouts", "ingest"}:
            rows.append({"what": f"table “{name}”", "where": "this run", "why": reason})
    return pd.DataFrame(rows, columns=["what", "where", "why"])


def _calibration_notes(table: pd.DataFrame | None) -> dict[str, str]:
    """Why a compartment could not be calibrated, in the words of the calibration."""
    if table is None or not {k.COMPARTMENT, "kind", "status", "note"} <= set(table):
        return {}
    cuts = table[(table["kind"] == "cut") & (table["status"] == "not_assessable")]
    return {
        str(name): str(note) for name, note in zip(cuts[k.COMPARTMENT], cuts["note"], strict=True)
    }


def _burden_gaps(table: pd.DataFrame, notes: Mapping[str, str]) -> list[dict[str, object]]:
    words = {
        "few_cells": "too few cells for a fraction",
        "absent": "no cell found; missing is not zero",
        "no_control": "no unirradiated sample of this compartment",
        "not_assessable": "too few axes of evidence could be read",
        "other_depth": "far deeper or shallower than the controls: no cell is called",
    }
    total = table.groupby(k.COMPARTMENT, observed=True)[k.SAMPLE].nunique()
    out: list[dict[str, object]] = []
    bad = table[table["status"] != "ok"]
    for (name, status), part in bad.groupby([k.COMPARTMENT, "status"], observed=True):
        samples = list(dict.fromkeys(part[k.SAMPLE]))
        listed = ", ".join(samples[:6]) + (
            f" and {len(samples) - 6} more" if len(samples) > 6 else ""
        )
        why = words.get(str(status), str(status).replace("_", " "))
        if status == "not_assessable":
            why = notes.get(str(name)) or why
        where = f"{len(samples)} of {total[str(name)]} samples: {listed}"
        out.append({"what": f"fraction of {theme.pretty(str(name))}", "where": where, "why": why})
    return out


def _trend_gaps(trend: pd.DataFrame) -> list[dict[str, object]]:
    bad = trend[trend["status"].astype(str) != k.TESTED]
    if bad.empty:
        return []
    reason = bad["reason"].fillna("") if "reason" in bad else pd.Series("", index=bad.index)
    bad = bad.assign(
        why=bad["status"].astype(str).str.replace("_", " ") + ": " + reason.astype(str)
    )
    out: list[dict[str, object]] = []
    for (question, why), part in bad.groupby(["question", "why"], observed=True):
        places = theme.known_first(part[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
        where = f"{len(part)} contrasts in {', '.join(theme.pretty(p) for p in places)}"
        out.append(
            {"what": theme.pretty(str(question)), "where": where, "why": str(why).rstrip(": ")}
        )
    return out
