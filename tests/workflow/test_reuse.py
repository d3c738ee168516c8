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


use rule * from senoscore exclude all as senoscore_*


rule count:
    input:
        "results/calls/{dataset}.parquet",
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
    """Every rule after the calls is in one group; a rule left out makes the groups a cycle."""
    folder = write_small(tmp_path)
    said = snakemake(folder, "--dry-run", "--workflow-profile", str(SLURM_PROFILE))
    assert said.returncode == 0, said.stderr[-4000:]
    # Rules that travel in a group are indented.
    alone = re.findall(r"^(?:local)?rule (\w+):", said.stdout + said.stderr, flags=re.MULTILINE)
    assert set(alone) == {"signatures", "ingest", "score", "calibrate", "all"}


def test_a_key_twice_is_refused_before_any_job(tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    with (folder / "config" / "config.yaml").open("a") as handle:
        handle.write("samples: other.tsv\n")  # Snakemake's own reader would take this one
    done = snakemake(folder, "--dry-run")
    assert done.returncode != 0
    assert "key 'samples' is there twice" in done.stdout + done.stderr


def test_a_file_twice_is_refused_before_any_job(tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    sheet = pd.read_csv(folder / "datasets.tsv", sep="\t", dtype=str, keep_default_na=False)
    again = sheet.assign(dataset="again")
    pd.concat([sheet, again]).to_csv(folder / "datasets.tsv", sep="\t", index=False)
    done = snakemake(folder, "--dry-run")
    assert done.returncode != 0
    assert "are the same file" in done.stdout + done.stderr


def test_another_workflow_uses_it_as_a_module(elsewhere: Path, tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    (folder / "config" / "config.yaml").unlink()  # the outer config is the only one
    (folder / "outer.yaml").write_text(yaml.safe_dump({"senoscore": CONFIG, "own": 1}))
    text = OUTER.format(snakefile=str(ROOT / "workflow" / "Snakefile"), dataset=DATASET)
    (folder / "Snakefile").write_text(text)
    done = snakemake(folder, snakefile=folder / "Snakefile")
    assert done.returncode == 0, done.stderr[-4000:]
    assert (folder / "counted.txt").read_text()
    calls = f"results/calls/{DATASET}.parquet"
    assert (folder / calls).read_bytes() == (elsewhere / calls).read_bytes()


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
