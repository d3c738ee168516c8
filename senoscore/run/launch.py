"""``run``, ``demo`` and ``doctor``: the workflow without a checkout, and what a machine lacks."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from senoscore.errors import ConfigError
from senoscore.io import atomic_path, need_extra, workflow_file

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["add_run_verbs", "snakemake_command"]

_CONFIG: Final = Path("config/config.yaml")
_PASSED_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True}

Slurm = Annotated[bool, typer.Option("--slurm", help="Send the jobs to SLURM.")]


def _asked(words: Sequence[str]) -> argparse.Namespace:
    """What among Snakemake's options changes what we look at or add; the others are its own."""
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    reader.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    reader.add_argument("--config", "-C", nargs="*", default=None)
    reader.add_argument("--directory", "-d", default=None)
    reader.add_argument("--snakefile", "-s", nargs="?", default=None)
    reader.add_argument("--workflow-profile", default=None)
    reader.add_argument("--profile", nargs="?", default=None)
    reader.add_argument("--cores", "-c", "--jobs", "-j", nargs="?", const="all", default=None)
    return reader.parse_known_args(list(words))[0]


def snakemake_command(words: Sequence[str], *, slurm: bool = False) -> list[str]:
    """Words that start Snakemake on the workflow of this installation.

    Parameters
    ----------
    words
        Options and targets for Snakemake; they have the last word.
    slurm
        Take the profile for SLURM, not the one for a single machine.

    Returns
    -------
    The command. Where no number of cores is named and no profile of the user's own decides, it is
    the number that this process may use.

    Raises
    ------
    ConfigError
        ``words`` name another Snakefile.
    """
    asked = _asked(words)
    if asked.snakefile is not None:
        msg = "`senoscore run` runs its own workflow, but another --snakefile is given"
        raise ConfigError(msg, fix="leave it out, or start that workflow with `snakemake`")
    need_extra("snakemake", extra="workflow", what="`senoscore run`")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(workflow_file("Snakefile"))]
    if asked.workflow_profile is None:
        name = "slurm" if slurm else "default"
        command += ["--workflow-profile", str(workflow_file("profiles", name))]
        if asked.cores is None and asked.profile is None and not slurm:
            command += ["--cores", str(_cores())]
    return [*command, *words]


def _cores() -> int:
    """Cores this process may use, which on a shared machine are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _look_first(words: Sequence[str]) -> None:
    """Read what Snakemake is about to read, and say what is wrong with it in one line."""
    from senoscore.io import load_config_file
    from senoscore.run.config import load_config
    from senoscore.study import check_sheets, read_datasets, read_samples

    asked = _asked(words)
    folder = Path(asked.directory or ".")
    files = [Path(name) for name in asked.configfile] or [folder / _CONFIG]
    for file in files:
        load_config_file(file)
    if len(files) == 1 and asked.config is None and asked.directory is None:
        config = load_config(files[0])
        check_sheets(read_datasets(config["datasets"]), read_samples(config["samples"]))


def _become_snakemake(words: Sequence[str], *, slurm: bool = False) -> None:
    """Replace this process by Snakemake: signals, exit code and output are its own."""
    command = snakemake_command(words, slurm=slurm)
    os.environ.setdefault("PYTHONUTF8", "1")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606 - no shell; the words are the user's own


def add_run_verbs(app: typer.Typer) -> None:
    """Give an app ``run``, ``demo`` and ``doctor``."""

    @app.command(context_settings=_PASSED_ON)
    def run(context: typer.Context, *, slurm: Slurm = False) -> None:
        """Run the workflow on config/config.yaml of this folder.

        Every other option and target is passed on to Snakemake: --cores 8, --dry-run,
        --configfile other.yaml, results/summary/burden.tsv.
        """
        _look_first(context.args)
        _become_snakemake(context.args, slurm=slurm)

    @app.command(context_settings=_PASSED_ON)
    def demo(
        context: typer.Context,
        *,
        out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("senoscore-demo"),
        seed: Annotated[int, typer.Option(help="Same seed, same bits.")] = 1,
        size: Annotated[str, typer.Option(help="demo or tiny.")] = "demo",
        design: Annotated[
            str, typer.Option(help="time: over time; senolytic: drugs after radiotherapy.")
        ] = "time",
    ) -> None:
        """Simulate an irradiated tissue in ./senoscore-demo and run the workflow on it."""
        from senoscore import run as stages
        from senoscore.ingest import point_config

        out.mkdir(parents=True, exist_ok=True)
        os.chdir(out)
        data = Path("data")
        stages.simulate(data, seed=seed, size=size, design=design, if_missing=True)
        proposed = data / "config.yaml"  # of a study that has more than its sheets
        if not _CONFIG.exists() and proposed.is_file():
            _CONFIG.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(_CONFIG) as temporary:
                temporary.write_bytes(proposed.read_bytes())
        elif not _CONFIG.exists():
            point_config(_CONFIG, data / "datasets.tsv", data / "samples.tsv")
        _look_first(context.args)
        _become_snakemake(context.args)

    @app.command()
    def doctor() -> None:
        """Say what this machine has and lacks for a run; exit code 1 where something is wrong."""
        from senoscore.run.doctor import examine

        findings = examine(Path.cwd())
        for finding in findings:
            typer.echo(str(finding))
        if not all(finding.ok for finding in findings):
            raise typer.Exit(1)
