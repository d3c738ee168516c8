"""The smallest study through the whole workflow, twice: as users run it, and each job on its own.

As users run it: in a folder that is not the checkout, with no network. On its own: every stage runs
in a folder that holds the declared input of its rule and nothing else. Another workflow uses it as
a module, and pieces of a data set give the same. All of it is in one file, so that the two runs are
made once however many processes share out the tests.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml

from tests.dictionary import faults_of_files
from tests.small_study import (
    CONFIG,
    DATASET,
    SNAKEFILE,
    command,
    completed,
    configure,
    environment,
    fingerprint,
    rules,
    shadowed,
    snakemake,
    write_small,
)
from tests.workflow.conftest import SLURM_PROFILE, groups

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.workflow

OF_PIECES = {"survey", "shard", "gather"}
ONLY_WHERE_ASKED = {"arms", "regions", "blood", "external", "outcome", "embedding"}
"""Rules that the samples sheet, or a table that the config names, brings into a run."""

OUTER = """
configfile: "outer.yaml"


rule first:
    input:
        "counted.txt",


module senoscore:
    snakefile:
        {snakefile!r}
    config:
        config["senoscore"]
    {prefix}


use rule * from senoscore exclude all as senoscore_*


rule count:
    input:
        "{inside}{counted}",
    output:
        "counted.txt",
    shell:
        "wc -c {{input}} > {{output}}"
"""


ISOLATED = ["unshare", "--net"]
"""A namespace with no network, where the machine lets us make one."""


@pytest.fixture(scope="module")
def isolated() -> list[str]:
    """Words before a command that leave it no network; none where that is not allowed."""
    made = shutil.which(ISOLATED[0]) and subprocess.run(
        [*ISOLATED, "true"], capture_output=True, check=False
    )
    return ISOLATED if made and made.returncode == 0 else []


def ask_for_pseudobulk(folder: Path) -> None:
    config = {**CONFIG, "report": {"pseudobulk": True}}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, isolated: list[str]) -> Path:
    """A run in a folder that is not the checkout, started from a third one, with no network."""
    folder = write_small(tmp_path_factory.mktemp("elsewhere"))
    ask_for_pseudobulk(folder)
    done = subprocess.run(
        [*isolated, *command(folder, "--cores", "2")],
        capture_output=True, text=True, check=False, timeout=900, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_a_run_elsewhere_writes_there_and_nowhere_else(elsewhere: Path) -> None:
    assert {entry.name for entry in elsewhere.iterdir()} == {
        ".snakemake", "config", "datasets.tsv", "samples.tsv", f"{DATASET}.h5ad", "logs", "results",
    }  # fmt: skip
    said = snakemake(elsewhere, "--dry-run")
    assert "Nothing to be done" in said.stderr + said.stdout


def test_memory_of_the_last_group_counts_every_job_of_it(elsewhere: Path, tmp_path: Path) -> None:
    """A job whose memory hangs on what its own group writes is left out of the sum."""
    folder = tmp_path / "run"
    shutil.copytree(elsewhere, folder, symlinks=True)
    for name in ("summary", "figures"):
        shutil.rmtree(folder / "results" / name)
    for name in ("report.html", "senoscore.h5ad"):
        (folder / "results" / name).unlink()
    said = snakemake(folder, "--dry-run", "--workflow-profile", str(SLURM_PROFILE))
    assert said.returncode == 0, said.stderr[-4000:]
    lines = next(of for name, of in groups(said.stdout + said.stderr) if name == "summary")
    asked = [line for line in lines if line.startswith("resources: ")]
    assert len(asked) == sum(line.startswith("rule ") for line in lines) == 10
    for line in asked:
        assert re.search(r"mem_mb=\d+.*runtime=\d+", line), line


QC, CALLS = f"results/cells/{DATASET}.qc.parquet", f"results/calls/{DATASET}.parquet"


@pytest.mark.parametrize(
    ("prefix", "inside", "counted"),
    [
        ("", "", QC),
        ('prefix: "senescence"', "senescence/", CALLS),
        ('replace_prefix: {"results/": "senescence/results/", "logs/": "senescence/logs/"}',
         "senescence/", QC),
    ],
)  # fmt: skip
def test_another_workflow_uses_it_as_a_module(
    elsewhere: Path, tmp_path: Path, prefix: str, inside: str, counted: str
) -> None:
    """Its first jobs run in each way, all up to the calls in one; the rest is planned."""
    folder = write_small(tmp_path)
    (folder / "config" / "config.yaml").unlink()  # the outer config is the only one
    (folder / "outer.yaml").write_text(yaml.safe_dump({"senoscore": CONFIG, "own": 1}))
    text = OUTER.format(
        snakefile=str(SNAKEFILE), prefix=prefix, inside=inside,
        counted=counted,
    )  # fmt: skip
    (folder / "Snakefile").write_text(text)
    done = snakemake(folder, snakefile=folder / "Snakefile")
    assert done.returncode == 0, done.stderr[-4000:]
    assert (folder / "counted.txt").read_text()
    assert (folder / inside / counted).read_bytes() == (elsewhere / counted).read_bytes()
    assert {entry.name for entry in folder.iterdir()} == {
        ".snakemake", "config", "datasets.tsv", "samples.tsv", f"{DATASET}.h5ad", "outer.yaml",
        "Snakefile", "counted.txt", *([inside.strip("/")] if inside else ["results", "logs"]),
    }  # fmt: skip
    every = snakemake(folder, f"{inside}results/report.html", "-n", snakefile=folder / "Snakefile")
    assert every.returncode == 0, every.stderr[-4000:]


def test_nothing_is_fetched_while_it_runs(elsewhere: Path, isolated: list[str]) -> None:
    if not isolated:
        pytest.skip("no network namespace can be made here")
    code = "import socket; socket.create_connection(('1.1.1.1', 53), 2)"
    assert subprocess.run(
        [*isolated, sys.executable, "-c", code], capture_output=True, check=False
    ).returncode, "the namespace has a network"
    assert (elsewhere / "results" / "report.html").stat().st_size > 0


def test_every_stage_needs_no_more_than_its_rule_declares(elsewhere: Path, tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    ask_for_pseudobulk(folder)
    assert shadowed(folder, "all") == rules() - OF_PIECES - ONLY_WHERE_ASKED
    assert fingerprint(folder) == fingerprint(elsewhere)


def test_every_column_of_every_table_is_in_the_data_dictionary(elsewhere: Path) -> None:
    """The numbers of figures lie beside them and are named for the figure."""
    results = elsewhere / "results"
    tables = [*results.rglob("*.tsv"), *results.rglob("*.parquet")]
    tables = [path for path in tables if path.parent.name != "figures"]
    assert {"burden.tsv", "calibration.parquet", "de.tsv"} <= {path.name for path in tables}
    assert faults_of_files(tables) == {}


def test_pieces_need_no_more_either_and_change_no_bit(elsewhere: Path, tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    configure(folder, shard_cells=700, block_cells=256)
    scores, calls = f"results/scores/{DATASET}.parquet", f"results/calls/{DATASET}.parquet"
    assert shadowed(folder, calls, only=OF_PIECES) > OF_PIECES
    assert not list((folder / "results/scores").rglob("*_of_*"))
    for name in (scores, calls):
        pd.testing.assert_frame_equal(
            pd.read_parquet(folder / name), pd.read_parquet(elsewhere / name), check_exact=True
        )


def test_the_report_shows_what_this_run_made(elsewhere: Path, tmp_path: Path) -> None:
    """Pseudobulk tables where they are asked for; none that an earlier run left."""
    page = (elsewhere / "results" / "report.html").read_text(encoding="utf-8")
    for name in ("substates", "sensitivity", "burden_tissue", "pseudobulk_scores", "de"):
        assert re.search(rf"summary_{name}\b", page), name
    folder = tmp_path / "run"
    shutil.copytree(elsewhere, folder, symlinks=True)
    configure(folder)
    left = folder / "results" / "summary" / "left_by_another.tsv"
    shutil.copy(folder / "results" / "summary" / "families.tsv", left)
    completed(folder, "--forcerun", "report")
    page = (folder / "results" / "report.html").read_text(encoding="utf-8")
    assert "summary_substates" in page
    for name in ("pseudobulk_scores", "de", "enrichment", "left_by_another"):
        assert not re.search(rf"summary_{name}\b", page), name
