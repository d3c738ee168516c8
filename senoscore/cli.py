"""``senoscore <verb>``: the commands the workflow runs and people type. The one error boundary."""

from __future__ import annotations

import atexit
import gc
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from senoscore import __version__
from senoscore.errors import ConfigError, SenoscoreError
from senoscore.run import DatasetFiles, Layout, add_run_verbs, keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from senoscore.run import FileKind


__all__ = ["app", "main"]

Of = Annotated[int, typer.Option("--of", min=1, help="Number of pieces.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the kernels.")]


app = typer.Typer(
    name="senoscore",
    help="Which compartment is senescent after radiotherapy, how much, since when, with what SASP.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ConfigFile = Annotated[Path, typer.Option("--config", help="The config file.")]
Settings = Annotated[
    str | None,
    typer.Option("--settings", help="Config sections as JSON (what the workflow passes)."),
]
Results = Annotated[Path, typer.Option("--results", help="Folder of the run.")]
SamplesSheet = Annotated[Path, typer.Option("--samples", help="The samples sheet.")]
Dataset = Annotated[str, typer.Option("--dataset", help="Name in the datasets sheet.")]


def _once(datasets: list[str]) -> list[str]:
    """Names of data sets as they are, unless one is there twice and would count twice."""
    twice = next((name for at, name in enumerate(datasets) if name in datasets[:at]), None)
    if twice is not None:
        msg = f"data set {twice!r} is named twice"
        raise ConfigError(msg, fix="name each once")
    return datasets


Datasets = Annotated[list[str], typer.Argument(help="Names in the datasets sheet.", callback=_once)]
CoverageOut = Annotated[Path | None, typer.Option("--coverage", help="Coverage table to write.")]
Output = Annotated[Path | None, typer.Option("--output", help="File to write.")]
MatrixFile = Annotated[Path | None, typer.Option("--matrix", help="Canonical matrix.")]
FactsFile = Annotated[Path | None, typer.Option("--facts", help="What ingest found out (JSON).")]
QcFile = Annotated[Path | None, typer.Option("--qc", help="Quality of each cell.")]
CompartmentsFile = Annotated[
    Path | None, typer.Option("--compartments", help="Compartment of each cell.")
]
ScoresFile = Annotated[Path | None, typer.Option("--scores", help="Scores of each cell.")]
SignaturesFile = Annotated[
    Path | None, typer.Option("--signatures", help="Resolved signatures of the run.")
]
PanelFile = Annotated[Path | None, typer.Option("--panel", help="Panel file.")]
CalibrationFile = Annotated[Path | None, typer.Option("--calibration", help="Baselines and cuts.")]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", help="What a programme is learnt from together.")
]
ProgrammeFile = Annotated[Path | None, typer.Option("--programme", help="Learnt weights (.npz).")]
BurdenFile = Annotated[Path | None, typer.Option("--burden", help="Burden table.")]
TrendFile = Annotated[Path | None, typer.Option("--trend", help="Trend table.")]
MatrixFiles = Annotated[
    list[Path] | None,
    typer.Option("--matrix", help="Canonical matrix of each data set, in their order."),
]
FactsFiles = Annotated[
    list[Path] | None, typer.Option("--facts", help="What ingest found out, of each data set.")
]
QcFiles = Annotated[
    list[Path] | None, typer.Option("--qc", help="Quality of each cell, of each data set.")
]
CompartmentsFiles = Annotated[
    list[Path] | None,
    typer.Option("--compartments", help="Compartment of each cell, of each data set."),
]
ScoresFiles = Annotated[
    list[Path] | None, typer.Option("--scores", help="Scores of each cell, of each data set.")
]
CoverageFiles = Annotated[
    list[Path] | None,
    typer.Option("--coverage", help="Coverage of the signatures, of each data set."),
]
CallsFiles = Annotated[
    list[Path] | None, typer.Option("--calls", help="Calls of each cell, of each data set.")
]

_LONGEST_MESSAGE = 1200
_GARBAGE = 50_000
"""New objects after which circles are looked for, of 700 usually: a few MB at most."""
_CONFIG = Path("config/config.yaml")
_RESULTS = Path("results")
_SAMPLES = Path("config/samples.tsv")


def _settings(settings: str | None, config: Path) -> dict[str, Any]:
    """The validated config: from JSON sections where given, else from the file."""
    from senoscore.run import load_config, validate_config

    if settings is None:
        return load_config(config)
    try:
        sections = json.loads(settings)
    except (ValueError, RecursionError) as error:  # too deep, too many digits
        msg = f"--settings is not valid JSON ({error})"
        raise ConfigError(msg, fix='pass an object such as \'{"qc": {"mads": 5}}\'') from error
    return validate_config(sections, source="--settings")


def _one(dataset: str, results: Path, paths: dict[FileKind, Path | None]) -> DatasetFiles:
    """Files of a data set: those given, and for the others where a run puts them."""
    given = {kind: path for kind, path in paths.items() if path is not None}
    return DatasetFiles(dataset, {**Layout(results).of(dataset, paths).paths, **given})


def _each(
    datasets: Sequence[str], results: Path, paths: dict[FileKind, list[Path] | None]
) -> list[DatasetFiles]:
    """Likewise for several, whose files are given in their order."""
    for kind, given in paths.items():
        if given and len(given) != len(datasets):
            option = f"--{kind.replace('_', '-')}"
            msg = f"{option} is given {len(given)} times for {len(datasets)} data sets"
            raise ConfigError(
                msg, fix=f"give {option} once for each, in the order of the data sets"
            )
    return [
        _one(name, results, {kind: given[at] if given else None for kind, given in paths.items()})
        for at, name in enumerate(datasets)
    ]


def _print_version(*, asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda asked: _print_version(asked=asked),
            help="Print the version.",
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log details.")] = False,
) -> None:
    del version  # its callback has answered
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if not verbose:
        for name in ("matplotlib", "numba", "fontTools", "h5py", "choreographer"):
            logging.getLogger(name).setLevel(logging.WARNING)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write matrices, sheets and truth to.")],
    *,
    seed: Annotated[int, typer.Option(help="Same seed, same bits.")] = 1,
    size: Annotated[str, typer.Option(help="demo or tiny.")] = "demo",
    design: Annotated[
        str, typer.Option(help="time: over time; senolytic: drugs after radiotherapy.")
    ] = "time",
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing where it is already there.")
    ] = False,
) -> None:
    """Make an irradiated glioma-like tissue with known truth."""
    from senoscore import run as stages

    stages.simulate(out, seed=seed, size=size, design=design, if_missing=if_missing)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="A merged .h5ad with its metadata in obs.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the sheets.")] = Path("config"),
    force: Annotated[bool, typer.Option("--force", help="Replace sheets that are there.")] = False,
) -> None:
    """Propose datasets.tsv and samples.tsv from a merged .h5ad."""
    from senoscore import run as stages

    for line in stages.init(file, out, force=force):
        typer.echo(line)


@app.command()
def check(*, config: ConfigFile = _CONFIG) -> None:
    """Validate config, sheets, signatures, panel and input files, before any work."""
    from senoscore import run as stages

    for line in stages.check(config):
        typer.echo(line)


@app.command()
def signatures(
    *,
    out: Annotated[Path, typer.Option("--output", "--out", help="File to write.")] = _RESULTS
    / "signatures.tsv",
    panel: PanelFile = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
) -> None:
    """Resolve built-in and user signatures into one file."""
    from senoscore import run as stages

    stages.signatures(_settings(settings, config), out, panel=panel)


@app.command()
def ingest(
    *,
    row: Annotated[
        str | None, typer.Option(help="The dataset's row as JSON (what the workflow passes).")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Or its name in the sheet.")] = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    output: Output = None,
    genes: Annotated[Path | None, typer.Option(help="Table of genes to write.")] = None,
    facts: Annotated[Path | None, typer.Option(help="Facts to write (JSON).")] = None,
    results: Results = _RESULTS,
) -> None:
    """Read one input file; write the canonical matrix, its facts and what each gene became."""
    from senoscore import run as stages

    chosen = _settings("{}" if row is not None and settings is None else settings, config)
    parsed = stages.dataset_row(row, dataset, config)
    to = _one(str(parsed["dataset"]), results, {"matrix": output, "genes": genes, "facts": facts})
    stages.ingest(
        parsed, samples, chosen, out=to["matrix"], genes_out=to["genes"], facts_out=to["facts"]
    )


@app.command()
def qc(
    *,
    dataset: Dataset,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    matrix: MatrixFile = None,
    output: Output = None,
    output_samples: Annotated[
        Path | None, typer.Option(help="Table of limits and losses to write.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """Metrics, limits per sample, doublets, and the reason of every dropped cell."""
    from senoscore import run as stages

    files = _one(dataset, results, {"matrix": matrix, "qc": output, "qc_samples": output_samples})
    chosen = _settings(settings, config)
    stages.qc(files, chosen, out=files["qc"], samples_out=files["qc_samples"])


@app.command()
def compartments(
    *,
    dataset: Dataset,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    matrix: MatrixFile = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """Say which compartment each cell belongs to."""
    from senoscore import run as stages

    files = _one(dataset, results, {"matrix": matrix, "compartments": output})
    chosen = _settings(settings, config)
    stages.compartments(files, samples, chosen, out=files["compartments"])


@app.command()
def substates(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    qc: QcFiles = None,
    compartments: CompartmentsFiles = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """Count the sub-states of every sample and compartment."""
    from senoscore import run as stages

    files = _each(datasets, results, {"qc": qc, "compartments": compartments})
    out = output or Layout(results).summary("substates")
    stages.substates(files, _settings(settings, config), out=out)


@app.command()
def score(
    *,
    dataset: Dataset,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    threads: Threads = 1,
    matrix: MatrixFile = None,
    facts: FactsFile = None,
    signatures: SignaturesFile = None,
    panel: PanelFile = None,
    output: Output = None,
    coverage: CoverageOut = None,
    results: Results = _RESULTS,
) -> None:
    """Score every cell with every method, out of core."""
    from senoscore import run as stages

    files = _one(
        dataset,
        results,
        {"matrix": matrix, "facts": facts, "scores": output, "coverage": coverage},
    )
    stages.score(
        files, _settings(settings, config), panel=panel,
        signatures=signatures or Layout(results).signatures, out=files["scores"],
        coverage_out=files["coverage"], threads=threads,
    )  # fmt: skip


@app.command()
def survey(
    *,
    dataset: Dataset,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    threads: Threads = 1,
    matrix: MatrixFile = None,
    facts: FactsFile = None,
    signatures: SignaturesFile = None,
    panel: PanelFile = None,
    output: Annotated[Path | None, typer.Option(help="Folder to write.")] = None,
    coverage: CoverageOut = None,
    results: Results = _RESULTS,
) -> None:
    """First pass over all cells of a large dataset, for its pieces."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _one(dataset, results, {"matrix": matrix, "facts": facts, "coverage": coverage})
    stages.survey(
        files, _settings(settings, config), panel=panel,
        signatures=signatures or layout.signatures, out=output or layout.first_pass(dataset),
        coverage_out=files["coverage"], threads=threads,
    )  # fmt: skip


@app.command()
def shard(
    *,
    dataset: Dataset,
    part: Annotated[int, typer.Option("--part", min=0, help="Which piece, from 0.")],
    of: Of,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    threads: Threads = 1,
    matrix: MatrixFile = None,
    facts: FactsFile = None,
    signatures: SignaturesFile = None,
    panel: PanelFile = None,
    first_pass: Annotated[Path | None, typer.Option(help="What `survey` wrote.")] = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """Score the cells of one piece."""
    from senoscore import run as stages

    layout = Layout(results)
    stages.shard(
        _one(dataset, results, {"matrix": matrix, "facts": facts}), _settings(settings, config),
        signatures=signatures or layout.signatures, panel=panel,
        first_pass=first_pass or layout.first_pass(dataset),
        out=output or layout.shard(dataset, part=part, of=of), part=part, of=of, threads=threads,
    )  # fmt: skip


@app.command()
def gather(
    *,
    dataset: Dataset,
    of: Annotated[int, typer.Option("--of", min=0, help="Or the number of pieces.")] = 0,
    matrix: MatrixFile = None,
    piece: Annotated[
        list[Path] | None, typer.Option("--shard", help="Each piece, in their order.")
    ] = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """Put the pieces together: the file that one job would have written."""
    from senoscore import run as stages

    pieces = piece or [Layout(results).shard(dataset, part=part, of=of) for part in range(of)]
    if not pieces:
        msg = f"dataset {dataset}: no pieces are given"
        raise ConfigError(msg, fix="name each with --shard, or give their number with --of")
    files = _one(dataset, results, {"matrix": matrix, "scores": output})
    stages.gather(files, pieces, out=files["scores"])


@app.command()
def calibrate(
    datasets: Datasets,
    *,
    panel: PanelFile = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    facts: FactsFiles = None,
    qc: QcFiles = None,
    compartments: CompartmentsFiles = None,
    scores: ScoresFiles = None,
    output: Output = None,
    rates: Annotated[Path | None, typer.Option(help="Table of call rates to write.")] = None,
    results: Results = _RESULTS,
) -> None:
    """Baselines and cuts from the control samples of all datasets."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _each(
        datasets,
        results,
        {"facts": facts, "qc": qc, "compartments": compartments, "scores": scores},
    )
    stages.calibrate(
        files, samples, _settings(settings, config), panel=panel,
        out=output or layout.calibration, rates_out=rates or layout.calibration_rates,
    )  # fmt: skip


@app.command()
def programme_plan(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    matrix: MatrixFiles = None,
    facts: FactsFiles = None,
    qc: QcFiles = None,
    compartments: CompartmentsFiles = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """Which data sets a senescent programme is learnt from together, and by which samples."""
    from senoscore import run as stages

    files = _each(
        datasets,
        results,
        {"matrix": matrix, "facts": facts, "qc": qc, "compartments": compartments},
    )
    out = output or Layout(results).programme_plan
    stages.programme_plan(files, samples, _settings(settings, config), out=out)


@app.command()
def programme_sums(
    *,
    dataset: Dataset,
    part: Annotated[int, typer.Option("--part", min=0, help="Which piece, from 0.")] = 0,
    of: Of = 1,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    matrix: MatrixFile = None,
    qc: QcFile = None,
    compartments: CompartmentsFile = None,
    plan: PlanFile = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """First pass over the cells of a data set: sums that a programme is learnt from."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _one(dataset, results, {"matrix": matrix, "qc": qc, "compartments": compartments})
    stages.programme_sums(
        files, samples, _settings(settings, config), plan=plan or layout.programme_plan,
        out=output or layout.programme_sums(dataset, part=part, of=of), part=part, of=of,
    )  # fmt: skip


@app.command()
def programme(
    datasets: Datasets,
    *,
    plan: PlanFile = None,
    sums: Annotated[
        list[Path] | None, typer.Option("--sums", help="Sums of every data set and piece.")
    ] = None,
    output: Output = None,
    table: Annotated[Path | None, typer.Option(help="Table of the weights to write.")] = None,
    results: Results = _RESULTS,
) -> None:
    """Learn the senescent programme of the run."""
    from senoscore import run as stages

    layout = Layout(results)
    stages.programme(
        _each(datasets, results, {}), plan=plan or layout.programme_plan,
        sums=sums or [layout.programme_sums(name) for name in datasets],
        out=output or layout.programme, table_out=table or layout.summary("programme"),
    )  # fmt: skip


@app.command()
def programme_score(
    *,
    dataset: Dataset,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    matrix: MatrixFile = None,
    qc: QcFile = None,
    compartments: CompartmentsFile = None,
    plan: PlanFile = None,
    programme: ProgrammeFile = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """Second pass: score the cells of a data set by weights that never saw their sample."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _one(
        dataset,
        results,
        {"matrix": matrix, "qc": qc, "compartments": compartments, "programme_scores": output},
    )
    stages.programme_score(
        files, samples, _settings(settings, config), plan=plan or layout.programme_plan,
        programme=programme or layout.programme, out=files["programme_scores"],
    )  # fmt: skip


@app.command()
def programme_call(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    plan: PlanFile = None,
    programme: ProgrammeFile = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option("--scores", help="Scores by the programme, of each data set."),
    ] = None,
    output: Annotated[
        list[Path] | None, typer.Option("--output", help="File to write, for each data set.")
    ] = None,
    engines: Annotated[
        Path | None, typer.Option(help="Table of what calls each compartment, to write.")
    ] = None,
    prevalence: Annotated[
        Path | None, typer.Option(help="Table of the senescent shares, to write.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """Judge the cells of all data sets against the control cells of the run."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _each(datasets, results, {"programme_scores": scores, "programme_calls": output})
    stages.programme_call(
        files, _settings(settings, config), plan=plan or layout.programme_plan,
        programme=programme or layout.programme,
        scores=[data["programme_scores"] for data in files],
        out=[data["programme_calls"] for data in files],
        engines_out=engines or layout.summary("engines"),
        prevalence_out=prevalence or layout.summary("prevalence"),
    )  # fmt: skip


@app.command()
def call(
    *,
    dataset: Dataset,
    panel: PanelFile = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    facts: FactsFile = None,
    qc: QcFile = None,
    compartments: CompartmentsFile = None,
    scores: ScoresFile = None,
    calibration: CalibrationFile = None,
    learnt: Annotated[
        Path | None,
        typer.Option(help="What the learnt programme says (none: where call.engine is panel)."),
    ] = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """State, index, false discovery rate and evidence of every cell."""
    from senoscore import run as stages

    chosen = _settings(settings, config)
    if learnt is None and chosen["call"]["engine"] != "panel":
        learnt = Layout(results).programme_calls(dataset)
    files = _one(
        dataset,
        results,
        {"facts": facts, "qc": qc, "compartments": compartments, "scores": scores, "calls": output},
    )
    stages.call(
        files, samples, chosen, panel=panel, learnt=learnt,
        calibration=calibration or Layout(results).calibration, out=files["calls"],
    )  # fmt: skip


@app.command()
def burden(
    datasets: Datasets,
    *,
    panel: PanelFile = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    facts: FactsFiles = None,
    qc: QcFiles = None,
    compartments: CompartmentsFiles = None,
    scores: ScoresFiles = None,
    coverage: CoverageFiles = None,
    calls: CallsFiles = None,
    output: Output = None,
    tissue: Annotated[Path | None, typer.Option(help="Table of whole tissue to write.")] = None,
    rates: Annotated[Path | None, typer.Option(help="Call rates of the control samples.")] = None,
    prevalence: Annotated[
        Path | None, typer.Option(help="Senescent shares by the learnt call.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """One row per sample and compartment."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _each(
        datasets,
        results,
        {
            "facts": facts, "qc": qc, "compartments": compartments, "scores": scores,
            "coverage": coverage, "calls": calls,
        },
    )  # fmt: skip
    chosen = _settings(settings, config)
    if prevalence is None and chosen["call"]["engine"] != "panel":
        prevalence = layout.summary("prevalence")
    stages.burden(
        files, samples, chosen, panel=panel, rates=rates or layout.calibration_rates,
        prevalence=prevalence, out=output or layout.summary("burden"),
        tissue_out=tissue or layout.summary("burden_tissue"),
    )  # fmt: skip


@app.command()
def confounders(
    datasets: Datasets,
    *,
    panel: PanelFile = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    facts: FactsFiles = None,
    qc: QcFiles = None,
    compartments: CompartmentsFiles = None,
    scores: ScoresFiles = None,
    coverage: CoverageFiles = None,
    calls: CallsFiles = None,
    burden: BurdenFile = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """What travels with the scores besides irradiation: depth, cell cycle, composition."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _each(
        datasets,
        results,
        {
            "facts": facts, "qc": qc, "compartments": compartments, "scores": scores,
            "coverage": coverage, "calls": calls,
        },
    )  # fmt: skip
    stages.confounders(
        files, samples, _settings(settings, config), panel=panel,
        burden=burden or layout.summary("burden"), out=output or layout.summary("confounders"),
    )  # fmt: skip


@app.command()
def pseudobulk(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    matrix: MatrixFiles = None,
    facts: FactsFiles = None,
    qc: QcFiles = None,
    compartments: CompartmentsFiles = None,
    scores: ScoresFiles = None,
    signatures: SignaturesFile = None,
    burden: BurdenFile = None,
    output: Output = None,
    output_scores: Annotated[Path | None, typer.Option(help="Table of scores to write.")] = None,
    contrasts: Annotated[Path | None, typer.Option(help="Table of contrasts to write.")] = None,
    genes: Annotated[Path | None, typer.Option(help="Every gene of them, to write.")] = None,
    enrichment: Annotated[Path | None, typer.Option(help="Table of sets to write.")] = None,
    results: Results = _RESULTS,
) -> None:
    """Summed counts per sample and compartment, genes that change, sets they belong to."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _each(
        datasets,
        results,
        {
            "matrix": matrix, "facts": facts, "qc": qc, "compartments": compartments,
            "scores": scores,
        },
    )  # fmt: skip
    stages.pseudobulk(
        files, samples, _settings(settings, config),
        signatures=signatures or layout.signatures, burden=burden or layout.summary("burden"),
        out=output or layout.pseudobulk,
        scores_out=output_scores or layout.summary("pseudobulk_scores"),
        contrasts_out=contrasts or layout.summary("de"), genes_out=genes or layout.de_genes,
        enrichment_out=enrichment or layout.summary("enrichment"),
    )  # fmt: skip


@app.command()
def trend(
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    burden: BurdenFile = None,
    output: Output = None,
    readouts: Annotated[Path | None, typer.Option(help="Table of read-outs to write.")] = None,
    sensitivity: Annotated[Path | None, typer.Option(help="Table beside it to write.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Label check to write.")] = None,
    results: Results = _RESULTS,
) -> None:
    """Contrasts and trends with the sample as unit, and the label check."""
    from senoscore import run as stages

    layout = Layout(results)
    stages.trend(
        samples, _settings(settings, config), burden=burden or layout.summary("burden"),
        out=output or layout.summary("trend"),
        readouts_out=readouts or layout.summary("readouts"),
        sensitivity_out=sensitivity or layout.summary("sensitivity"),
        labels_out=labels or layout.summary("label_check"),
    )  # fmt: skip


@app.command()
def power(
    share: Annotated[
        float | None, typer.Option(help="Share in one arm, 0..1; left out: that of the pilot.")
    ] = None,
    to: Annotated[float | None, typer.Option(help="Share in the other arm; default half.")] = None,
    *,
    sd: Annotated[
        float | None, typer.Option(help="SD between animals, radians on the arcsine scale.")
    ] = None,
    cells: Annotated[
        float | None, typer.Option(help="Cells of the compartment in a sample; default 100.")
    ] = None,
    burden: Annotated[
        Path | None, typer.Option(help="burden.tsv of a pilot: its spread, cells and share.")
    ] = None,
    compartment: Annotated[str | None, typer.Option(help="Compartment of the pilot.")] = None,
    design: Annotated[str, typer.Option(help="two_arms, interaction or paired.")] = "two_arms",
    animals: Annotated[
        list[int] | None, typer.Option(help="Animals an arm; may be given several times.")
    ] = None,
    correlation: Annotated[
        float, typer.Option(help="Of two regions or times of an animal, for paired.")
    ] = 0.5,
    alpha: Annotated[float, typer.Option(help="Error rate of one test, two-sided.")] = 0.05,
    output: Output = None,
) -> None:
    """Reckon how many animals a study needs."""
    from senoscore import run as stages

    for line in stages.power(
        share, to, sd=sd, cells=cells, burden=burden, compartment=compartment, design=design,
        animals=animals, correlation=correlation, alpha=alpha, out=output,
    ):  # fmt: skip
        typer.echo(line)


@app.command()
def window(
    datasets: Datasets,
    *,
    panel: PanelFile = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    matrix: MatrixFiles = None,
    facts: FactsFiles = None,
    qc: QcFiles = None,
    compartments: CompartmentsFiles = None,
    scores: ScoresFiles = None,
    calls: CallsFiles = None,
    signatures: SignaturesFile = None,
    burden: BurdenFile = None,
    trend: TrendFile = None,
    output: Output = None,
    phases: Annotated[Path | None, typer.Option(help="Table of phases to write.")] = None,
    contrasts: Annotated[Path | None, typer.Option(help="Table of contrasts to write.")] = None,
    targets: Annotated[Path | None, typer.Option(help="Table of targets to write.")] = None,
    target_values: Annotated[
        Path | None, typer.Option(help="Table of targets of each sample to write.")
    ] = None,
    escape: Annotated[Path | None, typer.Option(help="Table of escape to write.")] = None,
    plasma: Annotated[Path | None, typer.Option(help="Table of plasma to write.")] = None,
    results: Results = _RESULTS,
) -> None:
    """States, phases, targets, escape and plasma: a research read-out, not medical advice."""
    from senoscore import run as stages

    table = Layout(results).summary
    files = _each(
        datasets,
        results,
        {
            "matrix": matrix, "facts": facts, "qc": qc, "compartments": compartments,
            "scores": scores, "calls": calls,
        },
    )  # fmt: skip
    stages.window(
        files, samples, _settings(settings, config), panel=panel,
        signatures=signatures or Layout(results).signatures,
        burden=burden or table("burden"), trend=trend or table("trend"),
        out=output or table("window"), phases_out=phases or table("window_phases"),
        contrasts_out=contrasts or table("window_contrasts"),
        targets_out=targets or table("targets"),
        target_values_out=target_values or table("target_values"),
        escape_out=escape or table("escape"), plasma_out=plasma or table("plasma"),
    )  # fmt: skip


@app.command()
def crosstalk(
    datasets: Datasets,
    *,
    panel: PanelFile = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    matrix: MatrixFiles = None,
    facts: FactsFiles = None,
    qc: QcFiles = None,
    calls: CallsFiles = None,
    signatures: SignaturesFile = None,
    burden: BurdenFile = None,
    output: Output = None,
    values: Annotated[
        Path | None, typer.Option(help="Table of scores of each sample to write.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """SASP ligands of senescent cells against receptors of other compartments."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _each(datasets, results, {"matrix": matrix, "facts": facts, "qc": qc, "calls": calls})
    stages.crosstalk(
        files, _settings(settings, config), panel=panel,
        signatures=signatures or layout.signatures, burden=burden or layout.summary("burden"),
        out=output or layout.summary("crosstalk"),
        values_out=values or layout.summary("crosstalk_values"),
    )  # fmt: skip


@app.command()
def embedding(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    matrix: MatrixFiles = None,
    facts: FactsFiles = None,
    qc: QcFiles = None,
    calls: CallsFiles = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """A random sample of cells on a UMAP; as many as the config says under embedding.cells."""
    from senoscore import run as stages

    layout = Layout(results)
    files = _each(datasets, results, {"matrix": matrix, "facts": facts, "qc": qc, "calls": calls})
    stages.embedding(files, _settings(settings, config), out=output or layout.embedding)


@app.command()
def blood(
    *,
    plasma: Annotated[
        Path | None, typer.Option(help="Table of circulating factors; else the config's.")
    ] = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    burden: BurdenFile = None,
    output: Output = None,
    changes: Annotated[
        Path | None, typer.Option(help="Table of the change of each subject to write.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """Circulating factors over time and between arms, beside the tissue where there is one.

    Needs no matrix: with --plasma and --samples and without a config file, all else has its
    default, and the burden table of --results is used only if it is there.
    """
    from senoscore import run as stages

    table = Layout(results).summary
    alone = plasma is not None and settings is None and not config.exists()
    tissue = burden or (table("burden") if table("burden").is_file() else None)
    stages.blood(
        samples, _settings("{}" if alone else settings, config), plasma=plasma, burden=tissue,
        out=output or table("blood"), changes_out=changes or table("blood_changes"),
    )  # fmt: skip


@app.command()
def external(
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    burden: BurdenFile = None,
    output: Output = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Table of measurement and burden of each sample to write.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """Measurements from elsewhere (SA-b-gal, p16 staining) beside the burden of the samples."""
    from senoscore import run as stages

    table = Layout(results).summary
    stages.external(
        samples, _settings(settings, config), burden=burden or table("burden"),
        out=output or table("external"), pairs_out=pairs or table("external_pairs"),
    )  # fmt: skip


@app.command()
def outcome(
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    burden: BurdenFile = None,
    output: Output = None,
    subjects: Annotated[
        Path | None, typer.Option(help="Table of burden and outcome of each subject to write.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """Burden, SASP and index at a landmark against what happens later: recurrence, survival."""
    from senoscore import run as stages

    table = Layout(results).summary
    stages.outcome(
        samples, _settings(settings, config), burden=burden or table("burden"),
        out=output or table("outcome"), subjects_out=subjects or table("outcome_subjects"),
    )  # fmt: skip


@app.command()
def families(
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    trend: TrendFile = None,
    contrasts: Annotated[Path | None, typer.Option(help="Contrasts of the window.")] = None,
    targets: Annotated[Path | None, typer.Option(help="Table of targets.")] = None,
    crosstalk: Annotated[Path | None, typer.Option(help="Table of crosstalk.")] = None,
    table: Annotated[
        list[Path] | None, typer.Option(help="Each further table of tests, such as outcome.tsv.")
    ] = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """List every family of tests of the run: what was adjusted together."""
    from senoscore import run as stages

    summary = Layout(results).summary
    stages.families(
        _settings(settings, config), trend=trend or summary("trend"),
        contrasts=contrasts or summary("window_contrasts"), targets=targets or summary("targets"),
        crosstalk=crosstalk or summary("crosstalk"), further=table or [],
        out=output or summary("families"),
    )  # fmt: skip


@app.command()
def arms(
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    burden: BurdenFile = None,
    pseudobulk: Annotated[
        Path | None, typer.Option(help="Scores of pseudobulk profiles, compared too.")
    ] = None,
    values: Annotated[
        list[Path] | None,
        typer.Option(help="Further values of samples, compared too: targets, crosstalk."),
    ] = None,
    output: Output = None,
    efficacy: Annotated[Path | None, typer.Option(help="Table of words to write.")] = None,
    sides: Annotated[
        Path | None, typer.Option(help="Table of tumour beside normal tissue to write.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """Arms against each other: drugs, radiation x drug, modalities; and words for drugs."""
    from senoscore import run as stages

    table = Layout(results).summary
    stages.arms(
        _settings(settings, config), burden=burden or table("burden"),
        out=output or table("arms"), efficacy_out=efficacy or table("efficacy"),
        sides_out=sides or table("efficacy_sides"), pseudobulk=pseudobulk,
        values=values or [],
    )  # fmt: skip


@app.command()
def regions(
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    burden: BurdenFile = None,
    pseudobulk: Annotated[
        Path | None, typer.Option(help="Scores of pseudobulk profiles, compared too.")
    ] = None,
    values: Annotated[
        list[Path] | None,
        typer.Option(help="Further values of samples, compared too: targets, crosstalk."),
    ] = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """Regions of the same subjects against each other."""
    from senoscore import run as stages

    table = Layout(results).summary
    stages.regions(
        _settings(settings, config), burden=burden or table("burden"),
        out=output or table("regions"), pseudobulk=pseudobulk, values=values or [],
    )  # fmt: skip


@app.command()
def export(
    datasets: Datasets,
    *,
    samples: SamplesSheet = _SAMPLES,
    qc: QcFiles = None,
    compartments: CompartmentsFiles = None,
    scores: ScoresFiles = None,
    calls: CallsFiles = None,
    output: Output = None,
    results: Results = _RESULTS,
) -> None:
    """One AnnData with every per-cell result."""
    from senoscore import run as stages

    files = _each(
        datasets,
        results,
        {"qc": qc, "compartments": compartments, "scores": scores, "calls": calls},
    )
    stages.export(files, samples, out=output or Layout(results).annotated)


@app.command()
def report(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    sheet: Annotated[Path | None, typer.Option(help="The datasets sheet.")] = None,
    facts: FactsFiles = None,
    genes: Annotated[list[Path] | None, typer.Option(help="Genes of each data set.")] = None,
    qc_samples: Annotated[
        list[Path] | None, typer.Option(help="Limits and losses of samples, of each data set.")
    ] = None,
    coverage: CoverageFiles = None,
    signatures: SignaturesFile = None,
    table: Annotated[
        list[Path] | None,
        typer.Option(help="Each other table to show, named by its file: burden.tsv."),
    ] = None,
    output: Output = None,
    provenance: Annotated[Path | None, typer.Option(help="Provenance to write.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder of figures to write.")] = None,
    benchmarks: Annotated[
        Path | None, typer.Option(help="Folder of Snakemake's benchmark files: a table of jobs.")
    ] = None,
    results: Results = _RESULTS,
) -> None:
    """One self-contained page, figures as files, and provenance."""
    from senoscore import run as stages

    layout = Layout(results)
    chosen = _settings(settings, config)
    files = _each(
        datasets,
        results,
        {"facts": facts, "genes": genes, "qc_samples": qc_samples, "coverage": coverage},
    )
    stages.report(
        files, samples, chosen, sheet=sheet or Path(chosen["datasets"]),
        signatures=signatures or layout.signatures,
        tables=table or [path for path in layout.tables if path.is_file()],
        out=output or layout.report, provenance_out=provenance or layout.provenance,
        figures=figures or layout.figures, benchmarks=benchmarks,
    )  # fmt: skip


add_run_verbs(app)


@app.command()
def methods() -> None:
    """List the scoring methods."""
    from senoscore.scoring import methods as table

    typer.echo(table().to_string(index=False))


@app.command("list")
def list_() -> None:
    """List the signatures that come with senoscore."""
    from senoscore.genesets import list_signatures

    table = list_signatures()[["signature", "category", "organism", "n_up", "n_down", "title"]]
    typer.echo(table.to_string(index=False))


def _one_line(error: Exception | str) -> str:
    """One line without control characters: names in it come from files, and terminals obey."""
    text = " ".join(str(error).split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= _LONGEST_MESSAGE else f"{shown[:_LONGEST_MESSAGE]}…"


def _verb(function: Callable[..., None] | None) -> str:
    """Name by which Typer knows a command that is given none."""
    return getattr(function, "__name__", "").replace("_", "-")


def _build_only(words: list[str]) -> None:
    """Leave the app with the one command that is named first, if one is.

    Typer builds options and help of all forty before it looks which is meant, longer than some
    of them take.
    """
    named = [
        c for c in app.registered_commands if words and words[0] in (c.name, _verb(c.callback))
    ]
    if named:
        app.registered_commands = named


def main(arguments: list[str] | None = None) -> None:
    """Run a command; one line and exit code 2 for what the user can mend.

    What the operating system refuses (a name too long, a folder in place of a file, memory) is
    the user's to mend as well, wherever it was met.

    Without arguments it is a process of its own, that takes those of the command line and ends
    after it. There the search for reference circles, which imports and charts set off by the
    thousand and which finds nothing there, waits; what is left at the end goes with the process.
    """
    if arguments is None:
        _build_only(sys.argv[1:])
        keep_freed_memory()
        gc.set_threshold(_GARBAGE)
        atexit.register(gc.freeze)
    try:
        app(arguments)
    except SenoscoreError as error:
        said = _one_line(error)
    except MemoryError as error:
        said = _one_line(f"out of memory ({error}) — give the job more, or a smaller input")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        said = _one_line(f"{where}{error.strerror or error} — check the path and who may use it")
    else:
        return
    logging.getLogger(__name__).debug("where it was met", exc_info=True)
    typer.echo(f"senoscore: error: {said}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
