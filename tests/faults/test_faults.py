"""What can go wrong overnight. After each a run completes, with the same bits and no leavings."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from senoscore.io.atomic import TEMPORARY_PREFIX
from tests.small_study import (
    DATA,
    DATASET,
    completed,
    fingerprint,
    snakemake,
    start,
    wait_for_process,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.faults

LATER = ("calibration*", "calls", "summary")


def same(folder: Path, undisturbed: Path) -> None:
    """The same files with the same bytes, and nothing hidden left over."""
    assert fingerprint(folder) == fingerprint(undisturbed)
    assert not list((folder / "results").rglob(f"{TEMPORARY_PREFIX}*"))


@pytest.mark.parametrize("verb", ["ingest", "score"])
def test_kill_of_a_job(verb: str, half_done: Callable[..., Path], undisturbed: Path) -> None:
    folder = half_done("matrix" if verb == "ingest" else "scores", *LATER)
    running = start(folder, "--cores", "2", *DATA)
    victim = wait_for_process(folder, verb)
    time.sleep(1.5)  # in the middle of it
    os.kill(victim, signal.SIGKILL)
    assert running.wait(timeout=300) != 0
    assert not (folder / "results/calls").exists()
    completed(folder, *DATA)
    same(folder, undisturbed)


def test_kill_of_the_main_process(half_done: Callable[..., Path], undisturbed: Path) -> None:
    folder = half_done("scores", *LATER)
    running = start(folder, "--cores", "2", *DATA)
    orphan = wait_for_process(folder, "score")
    running.kill()
    running.wait(timeout=60)
    said = snakemake(folder, *DATA)
    assert said.returncode != 0
    assert "lock" in said.stderr.lower()
    while os.path.exists(f"/proc/{orphan}"):  # noqa: PTH110  the job outlives its master
        time.sleep(0.1)
    assert snakemake(folder, "--unlock").returncode == 0
    completed(folder, *DATA)
    same(folder, undisturbed)


def test_kill_of_everything_at_once(half_done: Callable[..., Path], undisturbed: Path) -> None:
    folder = half_done("scores", *LATER)
    running = start(folder, "--cores", "2", *DATA)
    wait_for_process(folder, "score")
    time.sleep(1.5)
    os.killpg(running.pid, signal.SIGKILL)  # as a power cut would, but for the disk
    running.wait(timeout=60)
    assert snakemake(folder, "--unlock").returncode == 0
    completed(folder, *DATA)
    same(folder, undisturbed)


def test_interrupt_from_the_keyboard(half_done: Callable[..., Path], undisturbed: Path) -> None:
    folder = half_done("scores", *LATER)
    running = start(folder, "--cores", "2", *DATA)
    wait_for_process(folder, "score")
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(timeout=300) != 0
    completed(folder, *DATA)
    same(folder, undisturbed)


def test_two_runs_in_one_folder(half_done: Callable[..., Path], undisturbed: Path) -> None:
    folder = half_done("scores", *LATER)
    first = start(folder, "--cores", "2", *DATA)
    wait_for_process(folder, "score")
    second = snakemake(folder, *DATA)
    assert second.returncode != 0
    assert "lock" in second.stderr.lower()
    assert first.wait(timeout=600) == 0
    same(folder, undisturbed)


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        (f"matrix/{DATASET}.h5ad", "qc"),
        (f"cells/{DATASET}.qc.parquet", "calibrate"),
        (f"scores/{DATASET}.parquet", "calibrate"),
        ("calibration.parquet", "call"),
        ("signatures.tsv", "score"),
    ],
)
def test_truncated_between_stages(
    name: str, verb: str, half_done: Callable[..., Path], undisturbed: Path
) -> None:
    folder = half_done()
    path = folder / "results" / name
    os.truncate(path, path.stat().st_size * 2 // 3)
    said = snakemake(folder, *DATA)
    assert said.returncode != 0
    log = next(iter(sorted((folder / "logs" / verb).glob("*.log"))), folder / f"logs/{verb}.log")
    last = log.read_text().strip().splitlines()[-1]
    assert last.startswith("senoscore: error:")
    assert path.name in last
    assert "Traceback" not in log.read_text()
    path.unlink()
    completed(folder, *DATA)
    same(folder, undisturbed)


@pytest.mark.parametrize("where", ["in a line", "at the end of a line"])
def test_a_cut_table_of_text_is_refused(half_done: Callable[..., Path], where: str) -> None:
    folder = half_done()
    path = folder / "results/summary/burden.tsv"
    raw = path.read_bytes()
    keep = len(raw) * 2 // 3 if where == "in a line" else raw.rindex(b"\n", 0, len(raw) // 2) + 1
    os.truncate(path, keep)
    assert snakemake(folder, "results/summary/trend.tsv").returncode != 0
    last = (folder / "logs/trend.log").read_text().strip().splitlines()[-1]
    assert "senoscore: error: results/summary/burden.tsv is cut short" in last


def test_a_lost_table_is_made_again(half_done: Callable[..., Path], undisturbed: Path) -> None:
    folder = half_done("scores")
    completed(folder, *DATA)
    same(folder, undisturbed)


def test_half_written_files_lie_about(half_done: Callable[..., Path], undisturbed: Path) -> None:
    folder = half_done("scores", *LATER)
    for target in ("scores", "calls", "summary", "cells"):
        (folder / "results" / target).mkdir(exist_ok=True)
        name = f"{TEMPORARY_PREFIX}0123456789ab-{DATASET}.parquet"
        (folder / "results" / target / name).write_bytes(b"PAR1 and no more")
    completed(folder, *DATA)
    same(folder, undisturbed)


@pytest.mark.parametrize("hours", [-24 * 400, 6])
@pytest.mark.parametrize("which", ["input", "between"])
def test_clock_skew(
    hours: int, which: str, half_done: Callable[..., Path], undisturbed: Path
) -> None:
    folder = half_done(*LATER)
    skewed = {"input": f"{DATASET}.h5ad", "between": f"results/scores/{DATASET}.parquet"}[which]
    when = time.time() + hours * 3600
    os.utime(folder / skewed, (when, when))
    if hours > 0:  # a file from the future is refused: by its time all after it would be stale
        said = snakemake(folder, *DATA)
        assert said.returncode != 0
        assert "clock skew" in said.stderr
        os.utime(folder / skewed)
    completed(folder, *DATA)
    same(folder, undisturbed)


def mounted(*words: str) -> None:
    """Run mount or umount; a machine that does not let us skips the test."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{' '.join(words[:1])} is not allowed here: {done.stderr.strip()}")


@pytest.fixture
def unmount() -> Iterator[list[Path]]:
    places: list[Path] = []
    yield places
    for place in reversed(places):
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def test_disk_full(
    half_done: Callable[..., Path], undisturbed: Path, unmount: list[Path], tmp_path: Path
) -> None:
    folder = half_done("*")
    results = folder / "results"
    mounted("mount", "-t", "tmpfs", "-o", "size=5m", "none", str(results))
    unmount.append(results)
    said = snakemake(folder, "--keep-going", *DATA)
    assert said.returncode != 0
    logs = "".join(path.read_text() for path in (folder / "logs").rglob("*.log"))
    assert "senoscore: error: cannot write" in logs
    assert "No space left" in logs
    assert "Traceback" not in logs
    whole = fingerprint(undisturbed)
    for name, digest in fingerprint(folder).items():
        assert whole[name] == digest, f"{name} is there, and not whole"
    mounted("mount", "-o", "remount,size=500m", str(results))
    completed(folder, *DATA)
    same(folder, undisturbed)


def test_read_only_results(
    half_done: Callable[..., Path], undisturbed: Path, unmount: list[Path]
) -> None:
    folder = half_done("scores", *LATER)
    results = folder / "results"
    mounted("mount", "--bind", str(results), str(results))
    unmount.append(results)
    mounted("mount", "-o", "remount,bind,ro", str(results))
    said = snakemake(folder, *DATA)
    assert said.returncode != 0
    assert "Read-only file system" in said.stderr
    mounted("mount", "-o", "remount,bind,rw", str(results))
    completed(folder, *DATA)
    same(folder, undisturbed)


def test_a_job_that_fails_gets_more_memory_the_next_time(half_done: Callable[..., Path]) -> None:
    folder = half_done("matrix", *LATER)
    shutil.copy(folder / f"{DATASET}.h5ad", folder / "kept")
    os.truncate(folder / f"{DATASET}.h5ad", 1000)
    said = snakemake(folder, "--retries", "2", f"results/matrix/{DATASET}.h5ad")
    assert said.returncode != 0
    asked = [
        int(word.removeprefix("mem_mb=").rstrip(","))
        for line in said.stderr.splitlines()
        if "resources:" in line
        for word in line.split()
        if word.startswith("mem_mb=")
    ]
    assert len(asked) == 3
    assert asked[1] == pytest.approx(2 * asked[0], abs=2)
    assert asked[2] == pytest.approx(3 * asked[0], abs=3)
