"""What a machine has and lacks for a run, and how to mend it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from senoscore import __version__
from senoscore.io import workflow_file

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["Finding", "examine"]

_OLDEST: Final = (3, 11)
_RUN_EXTRAS: Final = ("", "workflow", "report", "pseudobulk", "doublets", "outcome")
_LEAST_MEMORY_GB: Final = 4.0
"""The demo needs about 2 GB a job and runs two; much less and jobs are killed."""
_LEAST_DISK_GB: Final = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    ok
        Whether a run can do with it.
    what
        What was found, in words.
    fix
        How to mend it; empty where nothing is wrong.
    """

    ok: bool
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"ok       {self.what}" if self.ok else f"problem  {self.what} — {self.fix}"


def examine(folder: Path) -> list[Finding]:
    """Look at the machine, the installation and a folder to run in.

    Parameters
    ----------
    folder
        Where the workflow is to run.

    Returns
    -------
    One finding for each thing looked at, problems among them. Nothing is changed; a file is made
    and removed where it has to be known whether that works.
    """
    return [
        _python(),
        *_packages(),
        _workflow(),
        _cores(),
        _memory(),
        _address_space(),
        _cache(),
        _place(folder),
        _config(folder),
    ]


def _python() -> Finding:
    text = f"senoscore {__version__}, Python {platform.python_version()} ({sys.executable})"
    oldest = ".".join(map(str, _OLDEST))
    return Finding(sys.version_info >= _OLDEST, text, f"use Python {oldest} or newer")


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what senoscore's own metadata asks for."""
    from packaging.requirements import Requirement

    try:
        asked = metadata.requires("senoscore") or []
    except metadata.PackageNotFoundError:
        yield Finding(
            ok=False,
            what="senoscore is imported from a folder and not installed",
            fix="pip install it: jobs start it by the command `senoscore`",
        )
        return
    found = []
    for line in asked:
        requirement = Requirement(line)
        marker = requirement.marker
        # A run needs what the extra `workflow` brings, and that names other extras of our own.
        if requirement.name == "senoscore" or (
            marker and not any(marker.evaluate({"extra": extra}) for extra in _RUN_EXTRAS)
        ):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Finding(
                ok=False,
                what=f"{requirement.name} is not installed",
                fix=f"pip install '{requirement.name}{requirement.specifier}'",
            )
            continue
        found.append(f"{requirement.name} {version}")
        if not requirement.specifier.contains(version, prereleases=True):
            yield Finding(
                ok=False,
                what=f"{requirement.name} is {version}, needed is {requirement.specifier}",
                fix=f"pip install '{requirement.name}{requirement.specifier}'",
            )
    yield Finding(ok=True, what=f"packages: {', '.join(dict.fromkeys(found))}")
    command = Path(sys.executable).with_name("senoscore")
    yield Finding(
        command.exists() or shutil.which("senoscore") is not None,
        "the command `senoscore`, which jobs start",
        "pip install senoscore into the environment that Snakemake runs in",
    )


def _workflow() -> Finding:
    try:
        profile = workflow_file("profiles", "default")
        workflow_file("Snakefile")
    except FileNotFoundError as error:
        return Finding(ok=False, what=str(error), fix="install senoscore again")
    slurm = importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None
    also = "there" if slurm else "not there (for --slurm: pip install 'senoscore[slurm]')"
    return Finding(ok=True, what=f"workflow and profile {profile}; SLURM plugin {also}")


def _cores() -> Finding:
    can = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    named = [
        f"{name}={os.environ[name]}"
        for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        if name in os.environ
    ]
    wrong = [pair for pair in named if not pair.partition("=")[2].isdigit()]
    text = f"{can} of {os.cpu_count()} cores; threads by {', '.join(named) or 'no variable'}"
    return Finding(not wrong, text, f"unset {', '.join(wrong)}, or make it a number")


def _memory() -> Finding:
    """Free memory of the machine, or what is left of a container's or a job's limit."""
    limits = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if "MemAvailable:" in line]
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        if limit.isdigit():
            used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")
            limits.append(max(int(limit) - int(used), 0))
    except OSError:
        pass  # not Linux, or no such limit
    if not limits:
        return Finding(ok=True, what="memory: not known on this system")
    gigabytes = min(limits) / 1e9
    fix = "run with --cores 1, on a larger machine, or with --slurm"
    return Finding(gigabytes >= _LEAST_MEMORY_GB, f"{gigabytes:.1f} GB of memory free", fix)


def _address_space() -> Finding:
    from senoscore.errors import InputError
    from senoscore.plotting import refuse_small_address_space

    try:
        refuse_small_address_space()
    except InputError as error:
        return Finding(ok=False, what=error.message, fix=error.fix or "")
    return Finding(ok=True, what="address space: enough for the renderer of figures")


def _cache() -> Finding:
    """Compiled kernels are kept here, or compiled by every job anew."""
    from senoscore import kernels

    del kernels  # importing it settles the folder
    import senoscore

    named = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(named) if named else Path(senoscore.__file__).parent / "kernels" / "__pycache__"
    fix = "point NUMBA_CACHE_DIR at a folder of your own that can be written to"
    return _writable(folder, "folder of compiled kernels", fix)


def _place(folder: Path) -> Finding:
    found = _writable(folder, "folder to run in", "run in a folder that you may write to")
    free = shutil.disk_usage(folder).free / 1e9
    if found.ok and free < _LEAST_DISK_GB:
        return Finding(
            ok=False,
            what=f"{folder} has {free:.1f} GB free",
            fix=f"make room: {_LEAST_DISK_GB:g} GB and three times the size of the input",
        )
    return Finding(found.ok, f"{found.what}, {free:.0f} GB free", found.fix)


def _writable(folder: Path, what: str, fix: str) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(ok=False, what=f"{what} {folder}: {error.strerror}", fix=fix)
    return Finding(ok=True, what=f"{what} {folder} can be written to")


def _config(folder: Path) -> Finding:
    from senoscore.errors import SenoscoreError
    from senoscore.run.config import load_config

    path = folder / "config" / "config.yaml"
    if not path.exists():
        return Finding(
            ok=True, what="no config/config.yaml here yet: `senoscore init FILE` makes it"
        )
    try:
        load_config(path)
    except SenoscoreError as error:
        return Finding(ok=False, what=error.message, fix=error.fix or "see config/README.md")
    return Finding(ok=True, what=f"{path} can be read; `senoscore check` looks further")
