"""Sections of what the results rest on: design, cells, genes, compartments, calibration, checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.plotting import tidy
from senoscore.report.charts import Gap, Part
from senoscore.report.load import notes
from senoscore.report.parts import Item, Notes, Options, samples_of, section, table_of
from senoscore.report.tables import view
from senoscore.report.words import NOT_IN_RNA, design_messages, not_assessed
from senoscore.study import drug_messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from senoscore.report.load import Run


_LEAST_COVERED: Final = 30
_READ: Final = (
    k.DATASET, "source_file", "source_format", "source_slot", "assay", "organism", "values",
    "n_genes_input", "n_genes_merged", "n_genes_unknown",
)  # fmt: skip


@section(
    "design",
    "Design",
    lead=(
        "How many samples stand behind each combination. The sample is the unit; cells are "
        "never replicates."
    ),
)
def design(run: Run, options: Options) -> Iterator[Item | Part]:
    """What was sampled when."""
    sheet = samples_of(run)
    if sheet is None:
        yield Gap("Design", run.why_not("samples"))
        return
    yield Part(
        "design",
        title="Samples per treatment, dose and time",
        caption="Grey: no sample.",
        alt=f"Map of {sheet[k.SAMPLE].nunique()} samples by treatment, dose and time.",
        draw=lambda layout: pl.design_map(sheet, layout=layout),
        numbers=lambda: pl.design_table(sheet).drop(columns="order"),
    )
    drugs = drug_messages(sheet, control=options.control)
    yield Notes((*design_messages(sheet, control=options.control), *drugs))
    yield view(sheet, "samples", title="Samples")


@section(
    "qc",
    "Cells kept and lost",
    lead=(
        "Limits are set per sample from its own median and spread; there is no global "
        "mitochondrial cut, because irradiated cells are shifted. Watch for conditions that "
        "lose more cells than others."
    ),
)
def qc(run: Run, options: Options) -> Iterator[Item | Part]:
    """Which cells were kept, and why others were not."""
    table = run.get("qc")
    if table is None:
        why = run.why_not("qc") + " Bulk samples have no cells to judge."
        yield Gap("Cells kept and lost", why)
        return
    yield Part(
        "cells_lost",
        title="Cells lost per sample",
        caption="Share of the cells of each sample that was lost, by the first reason.",
        alt="Bars of the share of cells lost for each reason, one bar per sample.",
        draw=lambda layout: pl.qc(table, layout=layout),
        numbers=lambda: pl.qc_table(table),
    )
    by_condition = _lost_by_condition(table, samples_of(run), options.control)
    if by_condition is not None:
        yield view(by_condition, "cells_by_condition", title="Cells kept by condition")
    yield view(table, "qc_samples", title="QC per sample")


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


@section(
    "genes",
    "Genes and coverage",
    lead=(
        "A signature of which fewer than half the genes (or fewer than 5) are in the matrix is "
        "not scored: half a signature is a different signature."
    ),
)
def genes(run: Run, _options: Options) -> Iterator[Item | Part]:
    """Which genes and signatures were found."""
    coverage = run.get("coverage")
    if coverage is None:
        yield Gap("Signature coverage", run.why_not("coverage"))
    else:
        failed = int((coverage["gate"].astype(str) != "pass").sum())
        # Full bars say nothing: the figure has the least covered of the others, the table has all.
        lacking = coverage[coverage["fraction"] < 1]
        least = lacking.sort_values("fraction", kind="stable").head(_LEAST_COVERED)
        whole = len(coverage) - len(lacking)
        if least.empty:
            yield Notes((f"All genes of all {whole} signature parts are found.",))
        else:
            shown = (
                f"the {len(least)} signature parts with the least coverage"
                if len(least) < len(lacking)
                else f"all {len(least)} signature parts that lack any"
            )
            yield Part(
                "coverage",
                title=f"Genes found: {shown}",
                caption=(
                    f"{failed} of {len(coverage)} signature parts fail the gate; of {whole} every "
                    "gene is found."
                ),
                alt=f"Share of genes found for {len(coverage)} signature parts; {failed} fail.",
                draw=lambda layout: pl.coverage(least, layout=layout),
                numbers=lambda: pl.coverage_table(coverage),
            )
        yield view(coverage, "coverage", title="Coverage, with the missing genes")
    read = run.get("ingest")
    if read is not None:
        yield view(read, "ingest", title="What was read of each file", columns=_READ)
        yield view(notes(read), "ingest_notes", title="Notes of reading")
    genes = run.get("genes")
    if genes is None:
        yield Gap("Gene names", run.why_not("genes"))
        return
    counts = genes.groupby([k.DATASET, "status"], as_index=False, observed=True).size()
    counts = counts.rename(columns={"size": "genes"})
    yield view(counts, "gene_status", title="What the input gene names became")
    changed = genes[~genes["status"].isin(["symbol", "ensembl"])]
    if not changed.empty:
        yield view(changed, "genes_changed", title="Gene names changed or unknown")


@section(
    "compartments",
    "Compartments",
    lead=(
        "Which cells the answers are about. A shift of composition after irradiation changes "
        "any number of the whole tissue; burdens are therefore computed within a compartment."
    ),
)
def compartments(run: Run, options: Options) -> Iterator[Item | Part]:
    """How the compartments were assigned."""
    burden = run.get("burden")
    if burden is None:
        yield Gap("Compartments", run.why_not("burden"))
        return
    names = set(burden[k.COMPARTMENT].astype(str))
    if names == {k.BULK}:
        yield Gap("Compartments", "Whole tissue: every sample is one row, labelled “bulk”.")
        return
    yield Part(
        "composition",
        title="Composition of every sample",
        caption="Controls first, then by time.",
        alt=f"Stacked bars of the share of {len(names)} compartments, one bar per sample.",
        draw=lambda layout: pl.composition(burden, control=options.control, layout=layout),
        numbers=lambda: pl.composition_table(burden, control=options.control),
    )
    table = tidy.with_defaults(burden)
    summed = table.groupby(k.COMPARTMENT, as_index=False, observed=True).agg(
        samples=("n_cells", lambda n: int((n > 0).sum())),
        n_cells=("n_cells", "sum"),
        fewest=("n_cells", "min"),
    )
    summed["share"] = summed["n_cells"] / summed["n_cells"].sum()
    yield view(summed, "compartments", title="Cells per compartment")


@section(
    "calibration",
    "Calibration on controls",
    lead=(
        "How often do unirradiated cells fulfil the panel's rule? The cut of each compartment is "
        "set on control samples so that this stays at the stated rate. Each dot is a control "
        "sample that had no part in its own cut. This is the error rate of the fixed lists; "
        "control cells that a learnt programme calls stand under Burden over time."
    ),
)
def calibration(run: Run, _options: Options) -> Iterator[Item | Part]:
    """How the call did on control samples."""
    rates = run.get("rates")
    if rates is None:
        yield Gap("Call rate in controls", run.why_not("rates"))
    else:
        target = next(
            (float(v) for c in ("target", "alpha") if c in rates for v in rates[c].dropna()), None
        )
        yield Part(
            "calibration",
            title="Control cells that fulfil the panel's rule",
            caption="Dashed: the rate aimed at." if target is not None else "Controls only.",
            alt="Share of control cells that fulfil the panel's rule, one dot per control sample.",
            draw=lambda layout: pl.calibration(rates, target=target, layout=layout),
            numbers=lambda: pl.calibration_table(rates),
        )
        yield view(rates, "calibration_rates", title="Rates in controls")
    if run.get("calibration") is not None:
        yield table_of(run, "calibration", title="Baselines and cuts")


@section(
    "labels",
    "Label check",
    lead=(
        "Does what the genes say agree with the labels? The p53 response against the treatment, "
        "XIST and Y genes against the sex. A flag is a question to the laboratory and proves "
        "nothing."
    ),
)
def labels(run: Run, _options: Options) -> Iterator[Item]:
    """Do expression and labels agree."""
    table = run.get("label_check")
    if table is not None and "flag" in table:
        flagged = table[table["flag"].astype(str) == "flag"]
        yield Notes((f"{len(flagged)} of {len(table)} checks are flagged.",))
    yield table_of(run, "label_check", title="Label check")


@section(
    "confounders",
    "Confounders",
    lead=(
        "Scores that follow sequencing depth, genes detected or the cell cycle can pass for "
        "biology."
    ),
)
def confounders(run: Run, _options: Options) -> Iterator[Item | Part]:
    """What travels with the scores besides irradiation."""
    table = run.get("confounders")
    if table is not None and "check" in table:
        of_index = table[table["check"].eq("score_in_controls") & table["measure"].eq("index")]
        if of_index["value"].notna().any():
            yield Part(
                "confounding",
                title="The index and its covariates, in control samples",
                caption=(
                    "Dot: median over control samples; line: their range. The index follows "
                    "proliferation by construction."
                ),
                alt="Correlation of the index with four covariates, per compartment.",
                draw=lambda layout: pl.confounding(table, layout=layout),
                numbers=lambda: pl.confounding_table(table),
            )
        flagged = table[table["flag"].astype(str) == "flag"]
        if len(flagged):
            yield view(flagged, "confounders_flagged", title="Flagged")
    yield table_of(run, "confounders", title="Confounders")


@section(
    "gaps", "Not assessed", lead=("What this run could not assess, and why. Missing is not zero.")
)
def gaps(run: Run, _options: Options) -> Iterator[Item]:
    """What could not be assessed, and why."""
    found = not_assessed(run)
    if found.empty:
        yield Notes(("Nothing in this run was left out.",))
    else:
        yield view(found, "not_assessed", title="Not assessed in this run")
    rna = pd.DataFrame(NOT_IN_RNA, columns=["what", "why"])
    yield view(rna, "not_in_expression", title="Not assessable from expression at all")
