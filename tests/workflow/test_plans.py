"""What Snakemake makes of the workflow before any job runs: plans, groups and refusals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml

from tests.small_study import snakemake, write_small
from tests.workflow.conftest import SLURM_PROFILE, groups

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.workflow


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
