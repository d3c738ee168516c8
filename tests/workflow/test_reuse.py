"""The workflow as a part of another one, in another folder, and on a machine with no network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml

from tests.small_study import (
    CONFIG,
    DATASET,
    ROOT,
    command,
    environment,
    snakemake,
    write_small,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.workflow

SLURM_PROFILE = ROOT / "workflow" / "profiles" / "slurm"

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


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, isolated: list[str]) -> Path:
    """A run in a folder that is not the checkout, started from a third one, with no network."""
    folder = write_small(tmp_path_factory.mktemp("elsewhere"))
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


def test_slurm_profile_makes_few_jobs_of_it(tmp_path: Path) -> None:
    """Every rule after the calls is in one group; a rule left out makes the groups a cycle.

    What learns a programme is large and waits for all data sets: jobs of their own.
    """
    folder = write_small(tmp_path)
    said = snakemake(folder, "--dry-run", "--workflow-profile", str(SLURM_PROFILE))
    assert said.returncode == 0, said.stderr[-4000:]
    # Rules that travel in a group are indented.
    alone = re.findall(r"^(?:local)?rule (\w+):", said.stdout + said.stderr, flags=re.MULTILINE)
    learns = {f"programme{part}" for part in ("", "_plan", "_sums", "_score", "_call")}
    assert set(alone) == {"signatures", "ingest", "score", "calibrate", "all"} | learns


def test_a_key_twice_is_refused_before_any_job(tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    with (folder / "config" / "config.yaml").open("a") as handle:
        handle.write("samples: other.tsv\n")  # Snakemake's own reader would take this one
    done = snakemake(folder, "--dry-run")
    assert done.returncode != 0
    assert "key 'samples' is duplicated" in done.stdout + done.stderr


def test_a_file_twice_is_refused_before_any_job(tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    sheet = pd.read_csv(folder / "datasets.tsv", sep="\t", dtype=str, keep_default_na=False)
    again = sheet.assign(dataset="again")
    pd.concat([sheet, again]).to_csv(folder / "datasets.tsv", sep="\t", index=False)
    done = snakemake(folder, "--dry-run")
    assert done.returncode != 0
    assert "are the same file" in done.stdout + done.stderr


def groups(said: str) -> list[tuple[str, list[str]]]:
    """Names of the groups of a dry run, each with the lines about its jobs."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    for line in said.splitlines():
        if named := re.search(r"Group job (\S+)", line):
            found.append((named[1], []))
        inside = bool(named) or (inside and (line.startswith("    ") or not line.strip()))
        if inside:
            found[-1][1].append(line.strip())
    return found


def test_slurm_profile_pairs_the_rules_of_one_dataset(tmp_path: Path) -> None:
    from senoscore.simulation.files import write_study

    write_study(tmp_path, seed=1, size="tiny")
    (tmp_path / "config").mkdir()
    config = {"datasets": "datasets.tsv", "samples": "samples.tsv"}
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    said = snakemake(tmp_path, "--dry-run", "--workflow-profile", str(SLURM_PROFILE))
    assert said.returncode == 0, said.stderr[-4000:]
    pairs = {}
    for name, lines in groups(said.stdout + said.stderr):
        rules = sorted(line for line in lines if line.startswith("rule "))
        of = {line for line in lines if line.startswith("wildcards: ")}
        if "rule qc:" in rules or "rule compartments:" in rules:
            assert rules == ["rule compartments:", "rule qc:"]
            assert len(of) == 1
            pairs[name] = of.pop().removeprefix("wildcards: dataset=")
    datasets = pd.read_csv(tmp_path / "datasets.tsv", sep="\t")["dataset"]
    assert sorted(pairs.values()) == sorted(datasets)
    assert set(pairs) == {f"cells_{name}" for name in datasets}


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
    assert len(asked) == sum(line.startswith("rule ") for line in lines) == 9
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
        snakefile=str(ROOT / "workflow" / "Snakefile"), prefix=prefix, inside=inside,
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


def test_pieces_change_no_bit(elsewhere: Path, tmp_path: Path) -> None:
    from tests.small_study import configure

    folder = write_small(tmp_path)
    configure(folder, shard_cells=700, block_cells=256)
    done = snakemake(folder, f"results/calls/{DATASET}.parquet")
    assert done.returncode == 0, done.stderr[-4000:]
    assert not list((folder / "results/scores").rglob("*_of_*"))
    for name in (f"scores/{DATASET}.parquet", f"calls/{DATASET}.parquet"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(folder / "results" / name),
            pd.read_parquet(elsewhere / "results" / name),
            check_exact=True,
        )
