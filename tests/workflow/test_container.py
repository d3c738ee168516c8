"""`--sdm apptainer`: jobs run in an image that holds senoscore. A stand-in plays the runtime."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_study import ROOT, environment, write_small

pytestmark = pytest.mark.workflow

# Notes how it is called, then runs the command with a PATH that has only what an image would have.
RUNTIME = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
if words == ["--version"]:
    print("apptainer version 1.3.4")
    raise SystemExit
at = next(i for i, word in enumerate(words) if word.endswith("senoscore.sif"))
with open({log!r}, "a") as log:
    log.write(" ".join(words[at:]) + "\\n")
path = {image!r} + ":/usr/bin:/bin"
raise SystemExit(subprocess.run(words[at + 1:], env={{**os.environ, "PATH": path}}).returncode)
"""


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """`snakemake --sdm apptainer` in a folder, with the stand-in first on the PATH."""
    tools, image = folder / "tools", folder / "image"
    tools.mkdir()
    image.mkdir()
    runtime = tools / "apptainer"
    log = str(folder / "calls.txt")
    runtime.write_text(RUNTIME.format(python=sys.executable, log=log, image=str(image)))
    command = image / "senoscore"
    start = f'exec {sys.executable} -m senoscore "$@"'
    command.write_text(f'#!/bin/sh\necho image >> "{log}"\n{start}\n')
    for file in (runtime, command):
        file.chmod(0o755)
    own = environment()
    own["PATH"] = f"{tools}:{own['PATH']}"
    words = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(folder)]
    return subprocess.run(
        [*words, "results/signatures.tsv", "--sdm", "apptainer"], capture_output=True, text=True,
        check=False, timeout=300, cwd=ROOT, env=own,
    )  # fmt: skip


def test_jobs_run_what_the_image_holds(tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    (folder / "senoscore.sif").write_bytes(b"")
    done = run(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    calls = (folder / "calls.txt").read_text()
    assert "image" in calls.splitlines()
    assert str(Path(sys.executable).parent) + ":" not in calls
    assert (folder / "results" / "signatures.tsv").exists()


def test_an_image_that_is_not_there_is_said_with_how_to_build_it(tmp_path: Path) -> None:
    done = run(write_small(tmp_path))
    assert done.returncode != 0
    assert "senoscore.sif not found — build it" in done.stderr
    assert not (tmp_path / "calls.txt").exists()


@pytest.mark.parametrize("name", ["Dockerfile", "senoscore.def"])
def test_recipes_take_what_the_build_needs(name: str) -> None:
    """Every file that they copy is there, and all that the wheel is made of is copied."""
    text = (ROOT / "workflow" / "envs" / name).read_text()
    if name == "Dockerfile":
        copied = [w for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for w in line.split()]
    else:
        files = text.split("%files")[1].split("%post")[0]
        copied = [line.split()[0] for line in files.splitlines() if line.strip()]
    assert all((ROOT / file).exists() for file in copied)
    needed = {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "senoscore", "resources"}
    assert needed | {"workflow", "docs/columns.tsv", "requirements/run.txt"} == set(copied)
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{file.split('/')[0]}" for file in copied} <= {k.split("/")[0] for k in kept}
