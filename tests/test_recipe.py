"""The conda recipe says what pyproject.toml says, in conda's names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from senoscore import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
OTHERWISE = {"isal": "python-isal", "snakemake": "snakemake-minimal"}
"""Packages that have another name on conda-forge or bioconda."""


def needed(extra: str) -> set[str]:
    """What an extra brings, those that it names within it resolved."""
    out: set[str] = set()
    for line in PROJECT["optional-dependencies"][extra]:
        own = re.fullmatch(r"senoscore\[(.*)\]", line)
        out |= set().union(*map(needed, own[1].split(","))) if own else {line}
    return out


def in_conda(lines: set[str]) -> set[str]:
    parts = [re.fullmatch(r"([a-z0-9-]+)(.*)", line) for line in lines]
    return {f"{OTHERWISE.get(part[1], part[1])} {part[2]}" for part in parts if part}


def requirements(kind: str) -> list[str]:
    found: list[str] = RECIPE["requirements"][kind]
    return found


def test_what_a_run_needs_is_what_the_workflow_extra_needs() -> None:
    run = requirements("run")
    assert len(run) == len(set(run))
    python = f"python {PROJECT['requires-python']}"
    assert set(run) == {python} | in_conda(set(PROJECT["dependencies"]) | needed("workflow"))


def test_other_extras_of_users_only_bound_versions() -> None:
    for_users = needed("slurm") | needed("crosstalk") | needed("embedding")
    assert set(requirements("run_constraints")) == in_conda(for_users - needed("workflow"))
    developers = {"test", "docs", "browser", "dev"}
    said = {"workflow", "slurm", "crosstalk", "embedding"} | {
        extra for extra in PROJECT["optional-dependencies"] if needed(extra) <= needed("workflow")
    }
    assert said | developers == set(PROJECT["optional-dependencies"]), "which of the two is it?"


def test_version_licence_and_command_agree() -> None:
    assert RECIPE["context"]["version"] == __version__
    about: dict[str, Any] = RECIPE["about"]
    assert about["license"] == PROJECT["license"]
    assert about["license_file"] == PROJECT["license-files"]
    assert about["summary"] == PROJECT["description"]
    entries = [f"{name} = {where}" for name, where in PROJECT["scripts"].items()]
    assert RECIPE["build"]["python"]["entry_points"] == entries
    (backend,) = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "build-system"
    ]["requires"]
    assert backend in requirements("host")
