"""Runs of the whole workflow, each once a session, in folders of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SLURM_PROFILE = ROOT / "workflow" / "profiles" / "slurm"
REALDATA = ROOT.parent / "shared" / "realdata"


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on this checkout's workflow in a folder."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "workflow" / "Snakefile"),
    ]
    command += ["--cores", "2", "--directory", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "1700000000"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=900, env=environment
    )


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


def logs(folder: Path) -> str:
    return "\n".join(p.read_text()[-1500:] for p in sorted((folder / "logs").rglob("*.log")))


def write_config(folder: Path, **changes: object) -> None:
    content = {"datasets": "datasets.tsv", "samples": "samples.tsv", **changes}
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(content))


def run(folder: Path) -> Path:
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr[-3000:] + logs(folder)
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workflow, run on the tiny simulated study."""
    from senoscore.simulation.files import write_study

    folder = tmp_path_factory.mktemp("demo")
    write_study(folder, seed=1, size="tiny")
    write_config(folder)
    return run(folder)
