"""Sections of what the results rest on: design, cells, genes, compartments, calibration, checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.plotting import tidy
from senoscore.report.charts import Gap, figure
from senoscore.report.load import notes
from senoscore.report.parts import Item, Notes, Options, Section, samples_of, table_of
from senoscore.report.tables import view
from senoscore.report.words import LEADS, NOT_IN_RNA, design_messages, not_assessed

if TYPE_CHECKING:
    from senoscore.report.load import Run


_LEAST_COVERED: Final = 30
_READ: Final = (
    k.DATASET, "source_file", "source_format", "source_slot", "assay", "organism", "values",
    "n_genes_input", "n_genes_merged", "n_genes_unknown",
)  # fmt: skip


def design(run: Run, options: Options) -> Section:
    """What was sampled when."""
    lead = LEADS["design"]
    sheet = samples_of(run)
    if sheet is None:
        return Section("design", "Design", lead, (Gap("Design", run.why_not("samples")),))
    drawn = figure(
        "design",
        lambda layout: pl.design_map(sheet, layout=layout),
        lambda: pl.design_table(sheet).drop(columns="order"),
        title="Samples per treatment, dose and time",
        caption="Grey: no sample.",
        alt_text=f"Map of {sheet[k.SAMPLE].nunique()} samples by treatment, dose and time.",
        folder=options.figures,
    )
    notes = Notes(tuple(design_messages(sheet, control=options.control)))
    return Section(
        "design", "Design", lead, (drawn, notes, view(sheet, "samples", title="Samples"))
    )


def qc(run: Run, options: Options) -> Section:
    """Which cells were kept, and why others were not."""
    lead = LEADS["qc"]
    table = run.get("qc")
    if table is None:
        why = run.why_not("qc") + " Bulk samples have no cells to judge."
        return Section("qc", "Cells kept and lost", lead, (Gap("Cells kept and lost", why),))
    drawn = figure(
        "cells_lost",
        lambda layout: pl.qc(table, layout=layout),
        lambda: pl.qc_table(table),
        title="Cells lost per sample",
        caption="Share of the cells of each sample that was lost, by the first reason.",
        alt_text="Bars of the share of cells lost for each reason, one bar per sample.",
        folder=options.figures,
    )
    items: list[Item] = [drawn]
    by_condition = _lost_by_condition(table, samples_of(run), options.control)
    if by_condition is not None:
        items.append(view(by_condition, "cells_by_condition", title="Cells kept by condition"))
    items.append(view(table, "qc_samples", title="QC per sample"))
    return Section("qc", "Cells kept and lost", lead, tuple(items))


def _lost_by_condition(
    table: pd.DataFrame, sheet: pd.DataFrame | None, control: str
) -> pd.DataFrame | None:
    if sheet is None or not {"n_cells", "n_kept"} <= set(table):
        return None
    known = tidy.with_defaults(sheet).drop_duplicates(k.SAMPLE)
    known["time"] = tidy.time_label(known, control)
    joined = table.merge(known[[k.SAMPLE, k.TREATMENT, "time", k.DAYS]], on=k.SAMPLE, how="inner")
    if joined.empty:
        return None
    grouped = joined.groupby([k.TREATMENT, "time"], sort=False, observed=True).agg(
        samples=(k.SAMPLE, "nunique"),
        n_cells=("n_cells", "sum"),
        n_kept=("n_kept", "sum"),
        day=(k.DAYS, "first"),
    )
    grouped["share"] = grouped["n_kept"] / grouped["n_cells"]
    out = grouped.reset_index().sort_values([k.TREATMENT, "day"]).drop(columns="day")
    return out.rename(columns={"share": "fraction"})


def genes(run: Run, options: Options) -> Section:
    """Which genes and signatures were found."""
    lead = LEADS["genes"]
    items: list[Item] = []
    coverage = run.get("coverage")
    if coverage is None:
        items.append(Gap("Signature coverage", run.why_not("coverage")))
    else:
        failed = int((coverage["gate"].astype(str) != "pass").sum())
        # Hundreds of full bars say nothing: the figure has the least covered, the table has all.
        least = coverage.sort_values("fraction", kind="stable").head(_LEAST_COVERED)
        drawn = figure(
            "coverage",
            lambda layout: pl.coverage(least, layout=layout),
            lambda: pl.coverage_table(coverage),
            title=f"Genes found: the {len(least)} signature parts with the least coverage",
            caption=f"{failed} of {len(coverage)} signature parts fail the gate.",
            alt_text=f"Share of genes found for {len(coverage)} signature parts; {failed} fail.",
            folder=options.figures,
        )
        items += [drawn, view(coverage, "coverage", title="Coverage, with the missing genes")]
    read = run.get("ingest")
    if read is not None:
        items.append(view(read, "ingest", title="What was read of each file", columns=_READ))
        items.append(view(notes(read), "ingest_notes", title="Notes of reading"))
    genes = run.get("genes")
    if genes is None:
        items.append(Gap("Gene names", run.why_not("genes")))
    else:
        counts = genes.groupby([k.DATASET, "status"], as_index=False, observed=True).size()
        counts = counts.rename(columns={"size": "genes"})
        items.append(view(counts, "gene_status", title="What the input gene names became"))
        changed = genes[~genes["status"].isin(["symbol", "ensembl"])]
        if not changed.empty:
            items.append(view(changed, "genes_changed", title="Gene names changed or unknown"))
    return Section("genes", "Genes and coverage", lead, tuple(items))


def compartments(run: Run, options: Options) -> Section:
    """How the compartments were assigned."""
    lead = LEADS["compartments"]
    burden = run.get("burden")
    if burden is None:
        return Section(
            "compartments", "Compartments", lead, (Gap("Compartments", run.why_not("burden")),)
        )
    names = set(burden[k.COMPARTMENT].astype(str))
    if names == {k.BULK}:
        gap = Gap("Compartments", "Whole tissue: every sample is one row, labelled “bulk”.")
        return Section("compartments", "Compartments", lead, (gap,))
    drawn = figure(
        "composition",
        lambda layout: pl.composition(burden, control=options.control, layout=layout),
        lambda: pl.composition_table(burden, control=options.control),
        title="Composition of every sample",
        caption="Controls first, then by time.",
        alt_text=f"Stacked bars of the share of {len(names)} compartments, one bar per sample.",
        folder=options.figures,
    )
    table = tidy.with_defaults(burden)
    summed = table.groupby(k.COMPARTMENT, as_index=False, observed=True).agg(
        samples=("n_cells", lambda n: int((n > 0).sum())),
        n_cells=("n_cells", "sum"),
        fewest=("n_cells", "min"),
    )
    summed["share"] = summed["n_cells"] / summed["n_cells"].sum()
    return Section(
        "compartments",
        "Compartments",
        lead,
        (drawn, view(summed, "compartments", title="Cells per compartment")),
    )


def calibration(run: Run, options: Options) -> Section:
    """How the call did on control samples."""
    lead = LEADS["calibration"]
    items: list[Item] = []
    rates = run.get("rates")
    if rates is None:
        items.append(Gap("Call rate in controls", run.why_not("rates")))
    else:
        target = next(
            (float(v) for c in ("target", "alpha") if c in rates for v in rates[c].dropna()), None
        )
        drawn = figure(
            "calibration",
            lambda layout: pl.calibration(rates, target=target, layout=layout),
            lambda: pl.calibration_table(rates),
            title="Call rate in each control sample",
            caption="Dashed: the rate aimed at." if target is not None else "Controls only.",
            alt_text="Share of control cells called senescent, one dot per control sample.",
            folder=options.figures,
        )
        items += [drawn, view(rates, "calibration_rates", title="Control call rates")]
    if run.get("calibration") is not None:
        items.append(table_of(run, "calibration", title="Baselines and cuts"))
    return Section("calibration", "Calibration on controls", lead, tuple(items))


def labels(run: Run, _options: Options) -> Section:
    """Do expression and labels agree."""
    lead = LEADS["labels"]
    item = table_of(run, "label_check", title="Label check")
    table = run.get("label_check")
    notes: tuple[Notes, ...] = ()
    if table is not None and "flag" in table:
        flagged = table[table["flag"].astype(str) == "flag"]
        text = f"{len(flagged)} of {len(table)} checks are flagged."
        notes = (Notes((text,)),)
    return Section("labels", "Label check", lead, (*notes, item))


def confounders(run: Run, options: Options) -> Section:
    """What travels with the scores besides irradiation."""
    lead = LEADS["confounders"]
    table = run.get("confounders")
    items: list[Item] = []
    if table is not None and "check" in table:
        of_index = table[table["check"].eq("score_in_controls") & table["measure"].eq("index")]
        if of_index["value"].notna().any():
            items.append(
                figure(
                    "confounding",
                    lambda layout: pl.confounding(table, layout=layout),
                    lambda: pl.confounding_table(table),
                    title="The index and its covariates, in control samples",
                    caption=(
                        "Dot: median over control samples; line: their range. The index follows "
                        "proliferation by construction."
                    ),
                    alt_text="Correlation of the index with four covariates, per compartment.",
                    folder=options.figures,
                )
            )
        flagged = table[table["flag"].astype(str) == "flag"]
        if len(flagged):
            items.append(view(flagged, "confounders_flagged", title="Flagged"))
    items.append(table_of(run, "confounders", title="Confounders"))
    return Section("confounders", "Confounders", lead, tuple(items))


def gaps(run: Run, _options: Options) -> Section:
    """What could not be assessed, and why."""
    lead = LEADS["gaps"]
    found = not_assessed(run)
    rna = pd.DataFrame(NOT_IN_RNA, columns=["what", "why"])
    items: list[Item] = []
    if found.empty:
        items.append(Notes(("Nothing in this run was left out.",)))
    else:
        items.append(view(found, "not_assessed", title="Not assessed in this run"))
    items.append(view(rna, "not_in_expression", title="Not assessable from expression at all"))
    return Section("gaps", "Not assessed", lead, tuple(items))
