"""Sections on what the burden means: window, targets, escape, crosstalk, plasma."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.biology import ADVICE, LIMIT
from senoscore.errors import ConfigError
from senoscore.plotting import tidy
from senoscore.report.charts import Gap, Part
from senoscore.report.parts import Item, Notes, Options, irradiated, samples_of, section, table_of
from senoscore.report.tables import view
from senoscore.study import TIME_ZERO, PhaseRules, time_zero_messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from senoscore.report.load import Run


__all__ = ["crosstalk", "plasma", "window"]

_PHASES: Final = [
    k.COMPARTMENT, k.TREATMENT, k.DOSE, "phase", "days", "readout", "states", "burden",
    "persistent", "sasp_early", "sasp_chronic", "surveillance", "suppression", "fibrosis", "emt",
    "angiogenesis", "stemness", "senomorphic_pathway", "opens_at_days",
    "evidence", "targets", "lacking", "note",
]  # fmt: skip


def describe_window(numbers: pd.DataFrame) -> str:
    """Describe the course of each compartment."""
    opened = numbers[numbers["opens"]]
    parts = [f"{r.row} opens at {r.time}" for r in tidy.rows(opened)]
    said = "; ".join(parts) or "None opens"
    return f"State against time, one strip a compartment. {said}."


@section(
    "window",
    "Course",
    lead=(
        "Is senescence absent, rising, lasting or falling at each time? Fixed rules read it off "
        "the comparisons above; the column “evidence” names which. A research read-out: not "
        "medical advice, and no statement about any treatment."
    ),
)
def window(run: Run, options: Options) -> Iterator[Item | Part]:
    """Course of each compartment, targets and escape."""
    times = run.get("window")
    if times is None:
        yield Gap("Course", run.why_not("window"))
        return
    yield Notes(tuple(_said(run, options)))
    drawn = irradiated(times)
    yield Part(
        "window",
        title="State of every compartment over time",
        caption=(
            "“Not shown” is no proof of absence: see the estimates and their intervals under "
            f"Contrasts. {ADVICE}"
        ),
        alt=describe_window,
        draw=lambda layout: pl.window(drawn, layout=layout),
        numbers=lambda: pl.window_table(drawn),
    )
    phases = run.get("window_phases")
    if phases is not None:
        told = phases[phases["states"].astype(str) != "no_data"]
        yield view(told, "window_phases", title=f"Read-out per phase. {ADVICE}", columns=_PHASES)
    yield view(times, "window_times", title=f"State per time. {ADVICE}")
    yield table_of(run, "targets", title=f"Targets in senescent against other cells. {ADVICE}")
    yield table_of(run, "escape", title="Escape from senescence")


def _said(run: Run, options: Options) -> list[str]:
    """What phases and clock this run used, and what contradicts them."""
    chosen = run.config.get("phases")
    settings = chosen if isinstance(chosen, dict) else {}
    lines = [ADVICE]
    try:
        rules = PhaseRules.of(str(settings.get("scheme", "three")), options.phase_cuts)
    except ConfigError:
        return lines
    lines.append(f"Phases: {rules.said()}.")
    sheet = samples_of(run)
    if sheet is not None and k.DAYS in sheet and k.TREATMENT in sheet:
        zero = str(settings.get("time_zero", "last_fraction"))
        known = zero if zero in TIME_ZERO else "last_fraction"
        lines += time_zero_messages(sheet, time_zero=known, control=options.control)
    bound = run.config.get("window")
    least = bound.get("min_excess", 0.05) if isinstance(bound, dict) else 0.05
    if isinstance(least, int | float) and least > 0:
        lines.append(
            f"A burden counts as raised here from q ≤ {options.alpha:g} and "
            f"{100 * least:g} percentage points over control (window.min_excess). Answers and "
            "Contrasts ask for q alone, so a small rise can hold there and be “not shown” or "
            "“resolving” here."
        )
    escape = run.get("escape")
    if escape is not None:
        n = int((escape["verdict"].astype(str) == "escape_suspected").sum())
        lines.append(f"Escape is suspected in {n} of {len(escape)} steps between times. {LIMIT}")
    return lines


def describe_crosstalk(numbers: pd.DataFrame) -> str:
    """Describe the ligand-receptor pairs."""
    held = numbers[numbers["holds"]]
    return (
        "Dots of ligand-receptor pairs against phase, one panel a direction. "
        f"{len(held)} of {len(numbers)} differences hold, {int(held['circular'].sum())} of them "
        "circular."
    )


@section(
    "crosstalk",
    "Crosstalk",
    lead=(
        "Possible signals of senescent cells to their neighbours: a SASP ligand in the sending "
        "cells together with its receptor in the receiving ones, compared within samples between "
        "senescent and other senders. Expression of two genes is no proof of a signal. Where the "
        "ligand helped to call the sender senescent, a difference is expected and the pair is "
        "marked circular."
    ),
)
def crosstalk(run: Run, options: Options) -> Iterator[Item | Part]:
    """Ligands of senescent cells against receptors elsewhere."""
    table = run.get("crosstalk")
    if table is None:
        yield Gap("Crosstalk", run.why_not("crosstalk"))
        return
    yield Part(
        "crosstalk",
        title="Signals that the literature expects",
        caption=(
            "Score with senescent senders less score with the other cells of the same compartment "
            "and sample. Up to ten pairs a direction: those with the largest differences, circular "
            "ones last. In a circular pair the ligand is in the panel that called the senders "
            "senescent, so that a difference is expected from the rule alone."
        ),
        alt=describe_crosstalk,
        draw=lambda layout: pl.crosstalk(table, alpha=options.alpha, layout=layout),
        numbers=lambda: pl.crosstalk_table(table, alpha=options.alpha),
    )
    yield view(table, "crosstalk", title="Ligand-receptor pairs")


@section(
    "plasma",
    "Circulating factors",
    lead=(
        "Each subject against its own baseline (day 0 or before). Values below the limit of "
        "detection (LOD) stand as LOD/√2 and are marked; an analyte with more than half of its "
        "values below it has no ratio."
    ),
)
def plasma(run: Run, _options: Options) -> Iterator[Item | Part]:
    """Circulating panel."""
    table = run.get("plasma")
    if table is None:
        if run.config.get("plasma"):  # without it nothing was asked, and nothing is missing
            yield Gap("Circulating factors", run.why_not("plasma"))
        return
    burden = run.get("burden")
    yield Part(
        "plasma",
        title="Circulating factors over time",
        caption=(
            "One line is one subject; tissue is drawn where it was sampled at several times, and "
            "before senescence can be claimed its cells are an acute damage response."
        ),
        alt="Log2 ratio of each analyte to the subject's baseline against time, with tissue.",
        draw=lambda layout: pl.plasma(table, burden, layout=layout),
        numbers=lambda: pl.plasma_table(table, burden),
    )
    yield view(table, "plasma", title="Values")
