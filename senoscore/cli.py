"""``senoscore <verb>``: the commands the workflow runs and people type. The one error boundary."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from senoscore import __version__
from senoscore.errors import ConfigError, SenoscoreError
from senoscore.run import Layout, add_run_verbs

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["add_shard_verbs", "app", "main"]

Of = Annotated[int, typer.Option("--of", min=1, help="Number of pieces.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the kernels.")]


def add_shard_verbs(
    app: typer.Typer, read_settings: Callable[[str | None, Path], dict[str, Any]]
) -> None:
    """Give an app ``survey``, ``shard`` and ``gather``.

    Parameters
    ----------
    app
        The app.
    read_settings
        Function of the JSON given and the config file that returns the whole configuration.
    """

    @app.command()
    def survey(
        *,
        dataset: Dataset,
        settings: Settings = None,
        config: Path = _CONFIG,
        threads: Threads = 1,
        results: Results = _RESULTS,
    ) -> None:
        """First pass over all cells of a large dataset, for its pieces."""
        from senoscore import run as stages

        stages.survey(dataset, read_settings(settings, config), Layout(results), threads=threads)

    @app.command()
    def shard(
        *,
        dataset: Dataset,
        part: Annotated[int, typer.Option("--part", min=0, help="Which piece, from 0.")],
        of: Of,
        settings: Settings = None,
        config: Path = _CONFIG,
        threads: Threads = 1,
        results: Results = _RESULTS,
    ) -> None:
        """Score the cells of one piece."""
        from senoscore import run as stages

        stages.shard(
            dataset, read_settings(settings, config), Layout(results),
            part=part, of=of, threads=threads,
        )  # fmt: skip

    @app.command()
    def gather(*, dataset: Dataset, of: Of, results: Results = _RESULTS) -> None:
        """Put the pieces together: the file that one job would have written."""
        from senoscore import run as stages

        stages.gather(dataset, Layout(results), of=of)


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
Datasets = Annotated[list[str], typer.Argument(help="Names in the datasets sheet.")]

_LONGEST_MESSAGE = 1200
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
        msg = f"--settings is no JSON ({error})"
        raise ConfigError(msg, fix='pass an object such as \'{"qc": {"mads": 5}}\'') from error
    return validate_config(sections, source="--settings")


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
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing where it is already there.")
    ] = False,
) -> None:
    """Make an irradiated glioma-like tissue with known truth."""
    from senoscore import run as stages

    stages.simulate(out, seed=seed, size=size, if_missing=if_missing)


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
    out: Annotated[Path, typer.Option(help="File to write.")] = _RESULTS / "signatures.tsv",
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
) -> None:
    """Resolve built-in and user signatures into one file."""
    from senoscore import run as stages

    stages.signatures(_settings(settings, config), out)


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
    results: Results = _RESULTS,
) -> None:
    """Read one input file; write the canonical matrix and what each gene became."""
    from senoscore import run as stages

    chosen = _settings("{}" if row is not None and settings is None else settings, config)
    stages.ingest(stages.dataset_row(row, dataset, config), samples, chosen, Layout(results))


@app.command()
def qc(
    *,
    dataset: Dataset,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    results: Results = _RESULTS,
) -> None:
    """Metrics, limits per sample, doublets, and the reason of every dropped cell."""
    from senoscore import run as stages

    stages.qc(dataset, _settings(settings, config), Layout(results))


@app.command()
def compartments(
    *,
    dataset: Dataset,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
) -> None:
    """Say which compartment each cell belongs to."""
    from senoscore import run as stages

    stages.compartments(dataset, samples, _settings(settings, config), Layout(results))


@app.command()
def substates(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    results: Results = _RESULTS,
) -> None:
    """Count the sub-states of every sample and compartment."""
    from senoscore import run as stages

    stages.substates(datasets, _settings(settings, config), Layout(results))


@app.command()
def score(
    *,
    dataset: Dataset,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    threads: Annotated[int, typer.Option(help="Threads of the kernels.")] = 1,
    results: Results = _RESULTS,
) -> None:
    """Score every cell with every method, out of core."""
    from senoscore import run as stages

    stages.score(dataset, _settings(settings, config), Layout(results), threads=threads)


@app.command()
def calibrate(
    datasets: Datasets,
    *,
    panel: Annotated[Path | None, typer.Option(help="Panel file.")] = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
) -> None:
    """Baselines and cuts from the control samples of all datasets."""
    from senoscore import run as stages

    stages.calibrate(datasets, samples, _settings(settings, config), Layout(results), panel=panel)


@app.command()
def call(
    *,
    dataset: Dataset,
    panel: Annotated[Path | None, typer.Option(help="Panel file.")] = None,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
) -> None:
    """State, index, false discovery rate and evidence of every cell."""
    from senoscore import run as stages

    stages.call(dataset, samples, _settings(settings, config), Layout(results), panel=panel)


@app.command()
def burden(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
) -> None:
    """One row per sample and compartment."""
    from senoscore import run as stages

    stages.burden(datasets, samples, _settings(settings, config), Layout(results))


@app.command()
def confounders(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
) -> None:
    """What travels with the scores besides irradiation: depth, cell cycle, composition."""
    from senoscore import run as stages

    stages.confounders(datasets, samples, _settings(settings, config), Layout(results))


@app.command()
def pseudobulk(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
) -> None:
    """Summed counts per sample and compartment, genes that change, sets they belong to."""
    from senoscore import run as stages

    stages.pseudobulk(datasets, samples, _settings(settings, config), Layout(results))


@app.command()
def trend(
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
) -> None:
    """Contrasts and trends with the sample as unit, and the label check."""
    from senoscore import run as stages

    stages.trend(samples, _settings(settings, config), Layout(results))


@app.command()
def window(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
) -> None:
    """States, phases, targets, escape and plasma: a research read-out, not medical advice."""
    from senoscore import run as stages

    stages.window(datasets, samples, _settings(settings, config), Layout(results))


@app.command()
def crosstalk(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    results: Results = _RESULTS,
) -> None:
    """SASP ligands of senescent cells against receptors of other compartments."""
    from senoscore import run as stages

    stages.crosstalk(datasets, _settings(settings, config), Layout(results))


@app.command()
def families(
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    results: Results = _RESULTS,
) -> None:
    """List every family of tests of the run: what was adjusted together."""
    from senoscore import run as stages

    stages.families(_settings(settings, config), Layout(results))


@app.command()
def export(datasets: Datasets, *, results: Results = _RESULTS) -> None:
    """One AnnData with every per-cell result."""
    from senoscore import run as stages

    stages.export(datasets, Layout(results))


@app.command()
def report(
    datasets: Datasets,
    *,
    settings: Settings = None,
    config: ConfigFile = _CONFIG,
    samples: SamplesSheet = _SAMPLES,
    results: Results = _RESULTS,
    benchmarks: Annotated[
        Path | None, typer.Option(help="Folder of Snakemake's benchmark files: a table of jobs.")
    ] = None,
) -> None:
    """One self-contained page, figures as files, and provenance."""
    from senoscore import run as stages

    chosen = _settings(settings, config)
    stages.report(datasets, samples, chosen, Layout(results), benchmarks=benchmarks)


add_run_verbs(app)
add_shard_verbs(app, _settings)


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


def main(arguments: list[str] | None = None) -> None:
    """Run a command; one line and exit code 2 for what the user can mend.

    What the operating system refuses (a name too long, a folder in place of a file, memory) is
    the user's to mend as well, wherever it was met.
    """
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
