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
    "LEADS",
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


LEADS: Final[dict[str, str]] = {
    "burden": (
        "How many cells of each compartment are senescent? One dot is one sample (animal or "
        "patient), never a cell; the grey band spans all controls. A triangle marks a time at "
        "which irradiated and control samples differ; no triangle means that no difference was "
        "shown, not that there is none. Amber rings: before senescence can be claimed, cells of "
        "the same pattern are an acute damage response."
    ),
    "scores": (
        "These samples are whole tissue: there are no cells to count, so no fraction can be "
        "given. Shown are the axis scores of each sample. A change can come from a change of "
        "composition."
    ),
    "no_call": (
        "No share of senescent cells can be given (the reason stands above). Shown are the mean "
        "axis scores of each compartment of each sample; without controls of the same compartment "
        "they are comparable between samples and say nothing of senescence by themselves."
    ),
    "states": (
        "Each cell is in one state. Senescent: arrest and further evidence over a cut that is set "
        "on unirradiated cells; where a programme was learnt, the state that the burden counts. "
        "Senescent candidate: the same evidence, but something that a claim needs is missing, such "
        "as a known day. Acute damage response: arrest with a p53 response too early to be called "
        "senescence."
    ),
    "cells": (
        "Which cells are alike, and which of them are called senescent? Cells that express "
        "similar genes lie close together; large distances and empty space mean nothing. No "
        "batch was corrected, so that groups can also lie apart for technical reasons. It is a "
        "picture to look at: no answer on this page is read off it."
    ),
    "sasp": (
        "Do the cells express more of what senescent cells secrete? By family, over all cells of a "
        "compartment; expression is not secretion. SASP alone never makes a cell senescent: immune "
        "cells and fibroblasts express much of it at rest, so each compartment is compared with "
        "its own controls."
    ),
    "axes": (
        "Each line of evidence on its own, over all cells of a compartment, against unirradiated "
        "cells of the same compartment. No line alone is evidence of senescence."
    ),
    "contrasts": (
        "Irradiated against control at each time and dose, one value a sample. All numbers of a "
        "row belong to one comparison: irradiated against control at the time named. q is p "
        "corrected (Benjamini–Hochberg) for all tests of the same question; with one sample in a "
        "group there is a difference and no test."
    ),
    "window": (
        "Is senescence absent, rising, lasting or falling at each time? Fixed rules read it off "
        "the comparisons above; the column “evidence” names which. A research read-out: not "
        "medical advice, and no statement about any treatment."
    ),
    "crosstalk": (
        "Possible signals of senescent cells to their neighbours: a SASP ligand in the sending "
        "cells together with its receptor in the receiving ones, compared within samples between "
        "senescent and other senders. Expression of two genes is no proof of a signal. Where the "
        "ligand helped to call the sender senescent, a difference is expected and the pair is "
        "marked circular."
    ),
    "plasma": (
        "Each subject against its own baseline (day 0 or before). Values below the limit of "
        "detection (LOD) stand as LOD/√2 and are marked; an analyte with more than half of its "
        "values below it has no ratio."
    ),
    "blood": (
        "Log2 ratios of circulating factors: an arm against its own baseline, and arm against arm. "
        "A value below the limit of detection enters as below it; no number stands in for it. "
        "Blood comes from the whole body: a factor need not come from the irradiated tissue."
    ),
    "external": (
        "What was measured elsewhere beside the burden of the same samples. Ranks over all samples "
        "agree already if both rise after irradiation; within arms is the harder question. The "
        "fraction is a lower bound, so a level below a stain is expected."
    ),
    "outcome": (
        "Does the burden at the landmark go with what came later? Irradiated subjects only, each "
        "by its last sample until the landmark; those whose event or follow-up was over by then "
        "are left out and counted. An association is no effect, and no forecast for one patient."
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
        "any number of the whole tissue; burdens are therefore computed within a compartment."
    ),
    "calibration": (
        "How often are unirradiated cells called senescent? The cut of each compartment is set on "
        "control samples so that this stays at the stated rate. Each dot is a control sample that "
        "had no part in its own cut."
    ),
    "labels": (
        "Does what the genes say agree with the labels? The p53 response against the treatment, "
        "XIST and Y genes against the sex. A flag is a question to the laboratory and proves "
        "nothing."
    ),
    "confounders": (
        "Scores that follow sequencing depth, genes detected or the cell cycle can pass for "
        "biology."
    ),
    "gaps": ("What this run could not assess, and why. Missing is not zero."),
}
