"""The workflow on a real SLURM: the bits of a local run, whatever happens to its jobs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.slurm.cluster import Cluster, down, missing, stop, up
from tests.small_study import (
    DATA,
    DATASET,
    ROOT,
    completed,
    configure,
    environment,
    fingerprint,
    snakemake,
    start,
    write_small,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

PROFILE = ("--workflow-profile", str(ROOT / "workflow/profiles/slurm"))
QUICK = (*PROFILE, "--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "20")
SCORES = f"results/scores/{DATASET}.parquet"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Not below pytest's folder, which is closed to others: munged wants its socket in the open.
    with tempfile.TemporaryDirectory(prefix="senoscore-slurm-") as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "cluster"
        with pytest.MonkeyPatch.context() as patch:
            running = up(folder)
            patch.setenv("SLURM_CONF", running.environment["SLURM_CONF"])
            try:
                yield running
            finally:
                down(folder)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_small(tmp_path_factory.mktemp("local"))
    completed(folder, *DATA)
    return folder


@pytest.fixture
def scored(local: Path, tmp_path: Path) -> Path:
    """The local run, as it was before its scores were made."""
    folder = tmp_path / "run"
    shutil.copytree(local, folder, symlinks=True)
    shutil.rmtree(folder / "results/scores")
    return folder


def running_job(cluster: Cluster, rule: str) -> str:
    """Id of the SLURM job of a rule, as soon as it runs."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        for line in cluster.command("squeue", "-h", "-t", "RUNNING", "-o", "%i %k").splitlines():
            job, _, comment = line.partition(" ")
            if comment.startswith(f"rule_{rule}"):
                return job
        time.sleep(0.2)
    msg = f"no job of rule {rule} within 180 s"
    raise TimeoutError(msg)


def wait_until_idle(cluster: Cluster) -> None:
    while cluster.command("squeue", "-h"):
        time.sleep(0.5)


def finished(process: object, folder: Path) -> None:
    assert process.wait(timeout=600) == 0, (folder / "started.log").read_text()[-4000:]  # type: ignore[attr-defined]


def test_every_stage_and_pieces_give_the_bits_of_a_local_run(
    cluster: Cluster, local: Path, tmp_path: Path
) -> None:
    completed(local)  # the rest of it, to the report
    folder = write_small(tmp_path / "run")
    configure(folder, shard_cells=700, block_cells=256)
    done = snakemake(folder, *QUICK)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "rule shard:" in done.stderr
    there, here = fingerprint(folder), fingerprint(local)
    assert {name for name in there if "first_pass" not in name} == set(here)
    different = {name for name in here if there[name] != here[name]}
    # Row groups are blocks of another size here, and the report names the settings.
    # Sums of pieces are added in another order, so that weights differ in their last bits; calls do
    # not.
    added = {"programme/programme.npz", f"programme/{DATASET}.calls.parquet"}
    named = {SCORES.removeprefix("results/"), "report.html", "provenance.json"}
    assert different <= named | added
    pd.testing.assert_frame_equal(
        *(pd.read_parquet(at / "results/programme" / f"{DATASET}.calls.parquet")
          for at in (folder, local)), rtol=1e-6, atol=1e-9,
    )  # fmt: skip
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / SCORES), pd.read_parquet(local / SCORES), check_exact=True
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of `make demo`, run without SLURM."""
    folder = write_demo(tmp_path_factory.mktemp("demo"))
    completed(folder)
    return folder


def write_demo(folder: Path) -> Path:
    words = [sys.executable, "-m", "senoscore", "simulate", "--out", "demo", "--seed", "1"]
    subprocess.run(words, cwd=folder, env=environment(), check=True, capture_output=True)
    (folder / "config").mkdir()
    sheets = "datasets: demo/datasets.tsv\nsamples: demo/samples.tsv\n"
    (folder / "config" / "config.yaml").write_text(sheets)
    return folder


def test_demo_is_the_same_to_the_last_bit(cluster: Cluster, demo: Path, tmp_path: Path) -> None:
    """Scores, calls, and all that follows from them, of three datasets, by the profile alone."""
    folder = write_demo(tmp_path)
    done = snakemake(folder, *PROFILE)
    assert done.returncode == 0, done.stderr[-4000:]
    # signatures; ingest, score and cells of each dataset; calibrate; two calls and one; the rest
    assert done.stderr.count("has been submitted with SLURM jobid") == 1 + 3 * 3 + 1 + 2 + 1
    there, here = fingerprint(folder), fingerprint(demo)
    assert {name for name in there if name.endswith(".parquet")}
    assert there == here


def test_scancel_of_a_running_job(cluster: Cluster, local: Path, scored: Path) -> None:
    process = start(scored, *QUICK, SCORES)
    cluster.command("scancel", running_job(cluster, "score"))
    finished(process, scored)
    assert "CANCELLED" in (scored / "started.log").read_text()
    completed(scored, *DATA)
    assert fingerprint(scored) == fingerprint(local)


def test_kill_of_slurmd(cluster: Cluster, local: Path, scored: Path) -> None:
    process = start(scored, *QUICK, SCORES)
    running_job(cluster, "score")
    os.kill(cluster.pid("slurmd"), signal.SIGKILL)
    time.sleep(5)
    cluster.start_slurmd()
    finished(process, scored)
    completed(scored, *DATA)
    assert fingerprint(scored) == fingerprint(local)


def test_loss_of_the_node(cluster: Cluster, local: Path, scored: Path) -> None:
    process = start(scored, *QUICK, SCORES)
    job = running_job(cluster, "score")
    stop(cluster.pid("slurmd"), "slurmd")
    for pid in pids_of(job):
        os.kill(pid, signal.SIGKILL)
    time.sleep(5)
    cluster.start_slurmd()
    finished(process, scored)
    completed(scored, *DATA)
    assert fingerprint(scored) == fingerprint(local)


def pids_of(job: str) -> list[int]:
    """Every process of a job of the private cluster, from the variable that SLURM gives them."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"SLURM_JOB_ID={job}".encode() in variables and entry.name.isdigit():
            found.append(int(entry.name))
    return found


def test_kill_of_the_main_process(cluster: Cluster, local: Path, scored: Path) -> None:
    process = start(scored, *QUICK, SCORES)
    running_job(cluster, "score")
    process.kill()
    process.wait(timeout=60)
    wait_until_idle(cluster)  # the job that was submitted runs on
    assert snakemake(scored, "--unlock").returncode == 0
    assert snakemake(scored, *QUICK, SCORES).returncode == 0
    completed(scored, *DATA)
    assert fingerprint(scored) == fingerprint(local)


def test_out_of_memory_gets_more(cluster: Cluster, local: Path, scored: Path) -> None:
    done = snakemake(scored, *QUICK, "--set-resources", "score:mem_mb=250*attempt**3", "--", SCORES)
    assert done.returncode == 0, done.stderr[-4000:]
    asked = [int(found) for found in re.findall(r"resources: .*?mem_mb=(\d+)", done.stderr)]
    # The log of the failed job, which is shown, repeats what it asked for.
    assert list(dict.fromkeys(asked))[:2] == [250, 2000]
    assert "failed, SLURM status is" in done.stderr
    completed(scored, *DATA)
    assert fingerprint(scored) == fingerprint(local)
