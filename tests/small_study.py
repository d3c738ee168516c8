"""The smallest study that goes through every stage, and what must not differ between two runs."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import yaml

if TYPE_CHECKING:
    from collections.abc import Collection

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
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _small_files().items():
        (folder / name).write_bytes(content)
    configure(folder)
    return folder


@cache
def _small_files() -> dict[str, bytes]:
    """Name and content; simulated once a process."""
    from senoscore.simulation.files import write_study

    with tempfile.TemporaryDirectory() as name:
        whole = Path(name)
        write_study(whole, seed=1, size="tiny")
        sheet = pd.read_csv(whole / "datasets.tsv", sep="\t", dtype=str)
        sheet = sheet[sheet["dataset"] == DATASET].assign(path=f"{DATASET}.h5ad")
        samples = pd.read_csv(whole / "samples.tsv", sep="\t", dtype=str)
        samples = samples[samples["batch"] == "b1"]
        return {
            f"{DATASET}.h5ad": (whole / f"{DATASET}.h5ad").read_bytes(),
            "datasets.tsv": sheet.to_csv(sep="\t", index=False).encode(),
            "samples.tsv": samples.to_csv(sep="\t", index=False).encode(),
        }


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


SHADOWED = """
include: {snakefile!r}


for step in workflow.rules:
    if step.name in {names!r}:
        step.shadow_depth = "minimal"
"""


def rules() -> set[str]:
    """Names of all rules of the workflow."""
    text = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    return set(re.findall(r"^rule (\w+):", text, flags=re.MULTILINE))


def shadowed(folder: Path, *arguments: str, only: Collection[str] = ()) -> set[str]:
    """Run the workflow, each job in a folder of its declared input; names of the rules that ran.

    Snakemake makes that folder: a rule with ``shadow: "minimal"`` runs in one with links to its
    input, without the config, the results of other rules, or whatever else lies about. With
    ``only``, the jobs of these rules.
    """
    snakefile = folder / "Shadowed"
    names = sorted(only or rules())
    snakefile.write_text(SHADOWED.format(snakefile=str(SNAKEFILE), names=names))
    done = snakemake(folder, *arguments, snakefile=snakefile)
    assert done.returncode == 0, done.stderr[-4000:]
    said = done.stdout + done.stderr
    return set(re.findall(r"^(?:local)?rule (\w+):", said, flags=re.MULTILINE)) - {"all"}


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
