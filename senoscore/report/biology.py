"""Sections on what the burden means: window, targets, escape, crosstalk, plasma."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.biology import ADVICE, LIMIT
from senoscore.errors import ConfigError
from senoscore.report import alt as _alt
from senoscore.report.charts import Gap, figure
from senoscore.report.parts import Item, Notes, Options, Section, samples_of, table_of
from senoscore.report.tables import view
from senoscore.report.words import LEADS
from senoscore.study import TIME_ZERO, PhaseRules, time_zero_messages

if TYPE_CHECKING:
    from senoscore.report.load import Run


__all__ = ["crosstalk", "plasma", "window"]

_PHASES: Final = [
    k.COMPARTMENT, k.TREATMENT, k.DOSE, "phase", "days", "readout", "states", "burden",
    "persistent", "sasp_early", "sasp_chronic", "surveillance", "suppression", "fibrosis", "emt",
    "angiogenesis", "stemness", "senomorphic_pathway", "opens_at_days",
    "evidence", "targets", "lacking", "note",
]  # fmt: skip


def window(run: Run, options: Options) -> Section:
    """Course of each compartment, targets and escape."""
    lead = LEADS["window"]
    title = "Course"
    times = run.get("window")
    if times is None:
        return Section("window", title, lead, (Gap(title, run.why_not("window")),))
    drawn = figure(
        "window",
        lambda layout: pl.window(times, layout=layout),
        lambda: pl.window_table(times),
        title="State of every compartment over time",
        caption=(
            "“Not shown” is no proof of absence: see the estimates and their intervals under "
            f"Contrasts. {ADVICE}"
        ),
        alt_text=_alt.window,
        folder=options.figures,
    )
    items: list[Item] = [Notes(tuple(_said(run, options))), drawn]
    phases = run.get("window_phases")
    if phases is not None:
        told = phases[phases["states"].astype(str) != "no_data"]
        items.append(
            view(told, "window_phases", title=f"Read-out per phase. {ADVICE}", columns=_PHASES)
        )
    items += [
        view(times, "window_times", title=f"State per time. {ADVICE}"),
        table_of(run, "targets", title=f"Targets in senescent against other cells. {ADVICE}"),
        table_of(run, "escape", title="Escape from senescence"),
    ]
    return Section("window", title, lead, tuple(items))


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
    escape = run.get("escape")
    if escape is not None:
        n = int((escape["verdict"].astype(str) == "escape_suspected").sum())
        lines.append(f"Escape is suspected in {n} of {len(escape)} steps between times. {LIMIT}")
    return lines


def crosstalk(run: Run, options: Options) -> Section:
    """Ligands of senescent cells against receptors elsewhere."""
    lead = LEADS["crosstalk"]
    title = "Crosstalk"
    table = run.get("crosstalk")
    if table is None:
        return Section("crosstalk", title, lead, (Gap(title, run.why_not("crosstalk")),))
    drawn = figure(
        "crosstalk",
        lambda layout: pl.crosstalk(table, alpha=options.alpha, layout=layout),
        lambda: pl.crosstalk_table(table, alpha=options.alpha),
        title="Signals that the literature expects",
        caption=(
            "Score with senescent senders less score with the other cells of the same compartment "
            "and sample. Up to ten pairs a direction: those with the largest differences, circular "
            "ones last. In a circular pair the ligand is in the panel that called the senders "
            "senescent, so that a difference is expected from the rule alone."
        ),
        alt_text=_alt.crosstalk,
        folder=options.figures,
    )
    return Section(
        "crosstalk", title, lead, (drawn, view(table, "crosstalk", title="Ligand-receptor pairs"))
    )


def plasma(run: Run, options: Options) -> Section:
    """Circulating panel."""
    lead = LEADS["plasma"]
    title = "Circulating factors"
    table = run.get("plasma")
    if table is None:
        gap = Gap(title, "No table of circulating factors was given (config key “plasma”).")
        return Section("plasma", title, lead, (gap,))
    burden = run.get("burden")
    drawn = figure(
        "plasma",
        lambda layout: pl.plasma(table, burden, layout=layout),
        lambda: pl.plasma_table(table, burden),
        title="Circulating factors beside the tissue of the same subjects",
        caption=(
            "One line is one subject. Tissue panels count cells that fulfil the panel's rule; "
            "before senescence can be claimed that is an acute damage response."
        ),
        alt_text="Log2 ratio of each analyte to the subject's baseline against time, with tissue.",
        folder=options.figures,
    )
    return Section("plasma", title, lead, (drawn, view(table, "plasma", title="Values")))
