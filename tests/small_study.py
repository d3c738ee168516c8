"""The smallest study that goes through every stage, and what must not differ between two runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
SNAKEFILE = ROOT / "workflow" / "Snakefile"
DATASET = "batch_1"
DATA = (
    "results/signatures.tsv",
    f"results/matrix/{DATASET}.h5ad",
    f"results/cells/{DATASET}.qc.parquet",
    f"results/cells/{DATASET}.compartments.parquet",
    f"results/scores/{DATASET}.parquet",
    "results/calibration.parquet",
    f"results/calls/{DATASET}.parquet",
    "results/summary/burden.tsv",
)
"""All tables up to the burden: what to ask for where report and tests would only take time."""

CONFIG = {
    "datasets": "datasets.tsv",
    "samples": "samples.tsv",
    "score": {"methods": ["ucell"], "null_sets": 10},
}


def write_small(folder: Path) -> Path:
    """Eight samples of the tiny simulated study, in one .h5ad, with sheets and config."""
    from senoscore.simulation.files import write_study

    write_study(folder / "whole", seed=1, size="tiny")
    shutil.move(folder / "whole" / f"{DATASET}.h5ad", folder / f"{DATASET}.h5ad")
    sheet = pd.read_csv(folder / "whole" / "datasets.tsv", sep="\t", dtype=str)
    sheet = sheet[sheet["dataset"] == DATASET].assign(path=f"{DATASET}.h5ad")
    sheet.to_csv(folder / "datasets.tsv", sep="\t", index=False)
    samples = pd.read_csv(folder / "whole" / "samples.tsv", sep="\t", dtype=str)
    samples[samples["batch"] == "b1"].to_csv(folder / "samples.tsv", sep="\t", index=False)
    shutil.rmtree(folder / "whole")
    configure(folder)
    return folder


def configure(folder: Path, **score: object) -> None:
    """Write the config, with changes in its section ``score``."""
    content = {**CONFIG, "score": {**CONFIG["score"], **score}}  # type: ignore[dict-item]
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(content))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "1700000000"}


def command(folder: Path, *arguments: str, snakefile: Path = SNAKEFILE) -> list[str]:
    """Snakemake, of this checkout unless told otherwise, in a folder."""
    return [
        sys.executable, "-m", "snakemake", "--snakefile", str(snakefile),
        "--directory", str(folder), *arguments,
    ]  # fmt: skip


def snakemake(
    folder: Path, *arguments: str, snakefile: Path = SNAKEFILE, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake to its end; its messages are in ``stderr``."""
    words = command(folder, *arguments, snakefile=snakefile)
    if "--workflow-profile" not in arguments:
        words += ["--cores", "2"]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=timeout, env=environment()
    )


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start Snakemake, in a session of its own, and do not wait for it."""
    with (folder / "started.log").open("w") as log:
        return subprocess.Popen(
            command(folder, *arguments),
            stdout=log, stderr=subprocess.STDOUT, text=True, env=environment(),
            start_new_session=True, preexec_fn=_with_interrupts,
        )  # fmt: skip


def _with_interrupts() -> None:
    """Let SIGINT work as from a keyboard; what a shell starts in the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def completed(folder: Path, *arguments: str) -> None:
    """Run Snakemake and insist that it ends well."""
    done = snakemake(folder, *arguments)
    assert done.returncode == 0, done.stderr[-4000:]


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of the results that a reader can see, by name."""
    results = folder / "results"
    return {
        path.relative_to(results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def wait_for_process(folder: Path, verb: str, *, timeout: float = 120) -> int:
    """Process id of ``senoscore VERB`` as soon as one runs in this folder."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                here = (entry / "cwd").resolve()
            except OSError:
                continue
            if here == folder.resolve() and any(
                word.endswith(b"/senoscore") and words[at + 1 : at + 2] == [verb.encode()]
                for at, word in enumerate(words)
            ):
                return int(entry.name)
        time.sleep(0.02)
    msg = f"senoscore {verb} did not start within {timeout} s"
    raise TimeoutError(msg)
