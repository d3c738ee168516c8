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


__all__ = ["LEADS", "NOT_IN_RNA", "design_messages", "lower", "not_assessed", "seldom"]

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
_TWO: Final = (
    "Groups of 2 samples: intervals are very wide (t multiplier 12.7 for one group mean, 4.3 for a "
    "2-vs-2 difference, less where variance is pooled over all groups)."
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


def design_messages(samples: pd.DataFrame, *, control: str = k.CONTROL) -> list[str]:
    """Word how far the replication of a design carries."""
    table = tidy.with_defaults(samples).drop_duplicates(k.SAMPLE)
    is_control = tidy.is_control(table, control)
    controls, treated = table[is_control], table[~is_control]
    out = []
    if controls.empty:
        out.append(
            "No unirradiated sample: senescence calls need controls of the same compartment; "
            "scores and the matched-gene null only."
        )
    elif len(controls) == 1:
        out.append("One control sample: the variability of controls is unknown.")
    elif _distinct(controls) == 1 and _distinct(treated) > 1:
        day = tidy.day_label(controls[k.DAYS].dropna().iloc[0])
        out.append(
            f"Controls were collected at {day} only: ageing and radiation are confounded at "
            "other times."
        )
    if not treated.empty:
        groups = treated.groupby([k.TREATMENT, k.DOSE, k.DAYS], dropna=False, observed=True).size()
        if groups.max() == 1 and len(groups) > 1:
            out.append(
                "1 sample per time point: differences between times cannot be separated from "
                "animal-to-animal differences. Only the overall trend is tested."
            )
        elif groups.max() == 1:
            out.append(
                "No replication: no p-value or interval can be computed. Cells are not replicates."
            )
        elif groups.min() <= 2:
            out.append(_TWO)
        n, m = int(groups.max()), len(controls)
        floor = 2 / comb(n + m, n) if n > 1 and m > 1 else 0.0
        if floor > 0.05:
            out.append(
                f"A permutation test of {n} vs {m} samples cannot reach p = 0.05: its floor is "
                f"{tidy.p_value(floor)}."
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
    bad = trend[trend["status"].astype(str) != "tested"]
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


LEADS: Final[dict[str, str]] = {
    "burden": (
        "One dot is one sample (animal or patient), never a cell. The band spans all controls; "
        "the tests behind the triangles take the controls of the same time where there are two. "
        "A time without a triangle is one at which no difference was shown, which is not the same "
        "as none. Before senescence can be claimed (amber rings) the same pattern is an acute "
        "damage response. The cut is set on controls, so the excess over them is a lower bound."
    ),
    "scores": (
        "These samples are whole tissue: there are no cells to count, so no fraction can be "
        "given. Shown are the axis scores of each sample. A change can come from a change of "
        "composition."
    ),
    "states": (
        "An acute damage response is arrest with a p53 response before stable senescence can be "
        "claimed; it is not senescence. A senescent candidate fulfils the rule of the panel but "
        "lacks what a claim needs (its reason is in the table of calls)."
    ),
    "sasp": (
        "Expression of what senescent cells secrete, by family, over all cells of a compartment "
        "and not of its senescent ones alone; expression is not secretion. SASP alone never calls "
        "a cell senescent: immune cells and fibroblasts express much of it at rest, hence the "
        "comparison within a compartment."
    ),
    "axes": (
        "Each axis of evidence on its own, over all cells of a compartment, against the "
        "unirradiated cells of the same compartment. No axis alone is evidence of senescence."
    ),
    "contrasts": (
        "Irradiated against control at each time and dose: an ordinary linear model with one value "
        "a sample. q is p after Benjamini–Hochberg within the named family of tests; a contrast "
        "with one sample in a group has an estimate and no test."
    ),
    "window": (
        "In which state each compartment is at each time, by fixed rules (resources/window.yaml) "
        "over the contrasts in the tables; the column “evidence” names those behind each word, and "
        "“insufficient evidence” is an answer. A research read-out: not medical advice, and no "
        "statement about any treatment."
    ),
    "crosstalk": (
        "What senescent cells could say to others: the geometric mean of a SASP ligand in the "
        "sending cells and its receptor in the receiving ones, compared within samples between "
        "senescent and other senders. Expression of two genes is no proof of a signal. Cells were "
        "called partly by their SASP: where the ligand is in the panel, the pair is circular."
    ),
    "plasma": (
        "Each subject against its own baseline (day 0 or before). Values below the limit of "
        "detection stand as LOD/√2 and are marked; an analyte with more than half of its values "
        "below it has no ratio."
    ),
    "design": (
        "How many samples stand behind each combination. The sample is the unit; cells are "
        "never replicates."
    ),
    "qc": (
        "Limits are set per sample from its own median and spread; there is no global "
        "mitochondrial cut, because irradiated cells are shifted. Watch for conditions that "
        "lose more cells than others."
    ),
    "genes": (
        "A signature of which fewer than half the genes (or fewer than 5) are in the matrix is "
        "not scored: half a signature is a different signature."
    ),
    "compartments": (
        "Which cells the answers are about. A shift of composition after irradiation changes "
        "any tissue-level number; burdens are therefore computed within a compartment."
    ),
    "calibration": (
        "One z cut per compartment, tuned on unirradiated samples so that the whole rule, with "
        "each control sample left out in turn, stays at the stated rate. Each dot is a control "
        "sample judged by the others."
    ),
    "labels": (
        "Does what the genes say agree with the labels? The p53 response against the treatment, "
        "XIST and Y genes against the sex. A flag asks for a look at the sample, it proves "
        "nothing."
    ),
    "confounders": (
        "Scores that follow depth, genes detected or the cell cycle can pass for biology."
    ),
    "gaps": ("What this run could not assess, and why. Missing is not zero."),
}
