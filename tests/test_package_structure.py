"""Conventions that matter are tests: rooms, faces, a light import, rules that name files."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import senoscore
from senoscore.run.layout import Layout

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "senoscore"
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
FILES = sorted(PACKAGE.rglob("*.py"))

# Each may import only from what stands to its left, and from itself.
ROOMS = [
    "errors",
    "names",
    "io",
    "kernels",
    "genesets",
    "ingest",
    "cells",
    "simulation",
    "scoring",
    "study",
    "calling",
    "inference",
    "biology",
    "questions",
    "plotting",
    "report",
    "run",
    "cli",
    "__main__",
]


def room_of(path: Path) -> str:
    """First folder below the package, or the module at its top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[list[str], str]]:
    """Module path below senoscore and name of each import of a file, also inside functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            parts = node.module.split(".")
            if parts[0] == "senoscore":
                found += [(parts[1:], alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(a.name.split(".")[1:], "") for a in node.names if "senoscore." in a.name]
    return found


def names_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=names_of)
def test_imports_point_one_way_and_through_the_face(path: Path) -> None:
    own = room_of(path)
    if own == "__init__":
        return
    for module, name in imports_of(path):
        other = module[0] if module else name
        if other in (own, "__version__"):
            continue
        assert ROOMS.index(other) < ROOMS.index(own), f"{other} stands to the right of {own}"
        assert len(module) <= 1, f"import {name} from the face of {other}, not from {module[1:]}"


@pytest.mark.parametrize("room", [p.parent.name for p in PACKAGE.glob("*/__init__.py")])
def test_face_of_a_room_offers_what_it_says(room: str) -> None:
    face = importlib.import_module(f"senoscore.{room}")
    for name in face.__all__:
        assert not name.startswith("_")
        getattr(face, name)
    files = {path.stem for path in (PACKAGE / room).glob("*.py")}
    for name in face.__all__:
        file = getattr(getattr(face, name), "__module__", "").rpartition(".")[2]
        # A file that is imported becomes an attribute of its room, in the place of such a name.
        assert name not in files - {file} or inspect.ismodule(getattr(face, name)), (
            f"{room}.{name} of {file}.py and {name}.py clash"
        )


def test_few_files_stand_at_the_top() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 8
    assert (PACKAGE / "py.typed").exists()
    hidden = [names_of(p) for p in FILES if p.name.startswith("_") and not p.name.startswith("__")]
    assert not hidden, "a name is public if the face of its room has it; files need no underscore"


def test_no_import_circle() -> None:
    code = (
        "import importlib, pkgutil, senoscore\n"
        "for found in pkgutil.walk_packages(senoscore.__path__, 'senoscore.'):\n"
        "    if found.name != 'senoscore.__main__':\n"
        "        importlib.import_module(found.name)\n"
    )
    # Every lazy name is resolved where it stands, so that a circle cannot hide.
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "EAGER_IMPORT": "1"}
    )


def test_import_is_light() -> None:
    code = "import senoscore, sys; print(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(out.stdout.split())
    assert not loaded & {"scanpy", "matplotlib", "numba", "anndata", "pandas", "altair"}


def test_what_only_reads_tables_compiles_nothing() -> None:
    """Numba takes longer to import than most stages behind the scores take to run."""
    modules = [
        "calling.programme", "calling.calibrate", "calling.call", "inference.burden",
        "inference.confounders", "report.answers", "run.summary",
    ]  # fmt: skip
    code = "import importlib, sys\n" + "".join(
        f"importlib.import_module('senoscore.{module}')\n" for module in modules
    )
    code += "print(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(out.stdout.split()) & {"numba", "scipy.stats", "scipy.optimize"}


@pytest.mark.parametrize("words", [["call", "--help"], ["nonsense"], []])
def test_a_command_says_the_same_built_alone(words: list[str]) -> None:
    """The command line builds no more than the command that is named; all for who calls main."""
    start = "import sys; sys.argv = ['senoscore', *{}]; from senoscore.cli import main; main({})"
    alone, among = (
        subprocess.run(
            [sys.executable, "-c", start.format(*given)],
            capture_output=True,
            text=True,
            check=False,
        )
        for given in ((words, ""), ([], str(words)))
    )
    assert alone.returncode == among.returncode
    assert (alone.stdout, alone.stderr) == (among.stdout, among.stderr)


@pytest.mark.parametrize("name", senoscore.__all__)
def test_public_names_exist_and_are_documented(name: str) -> None:
    thing = getattr(senoscore, name)
    if name != "__version__":
        assert inspect.getdoc(thing), f"sen.{name} has no docstring"


@pytest.mark.parametrize("name", senoscore.__all__)
def test_public_functions_take_few_positional_arguments(name: str) -> None:
    thing = getattr(senoscore, name)
    if not inspect.isfunction(thing):
        return
    positional = [
        p
        for p in inspect.signature(thing).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    assert len(positional) <= 3
    for parameter in positional:
        assert not isinstance(parameter.default, bool), f"{name}({parameter.name}) is a flag"


def test_files_do_not_shadow_public_functions() -> None:
    for path in FILES:
        if path.name != "__main__.py":
            dotted = names_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            importlib.import_module(f"senoscore.{dotted}" if dotted != "__init__" else "senoscore")
    for name in ("score", "call", "burden", "trend", "window", "qc", "compartments", "methods"):
        assert callable(getattr(senoscore, name))


def rule_blocks() -> dict[str, str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in RULES)
    blocks = re.split(r"^rule (\w+):\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(blocks[::2], blocks[1::2], strict=True))


@pytest.mark.parametrize("rule", rule_blocks())
def test_every_rule_has_docstring_log_benchmark_and_command(rule: str) -> None:
    block = rule_blocks()[rule]
    assert block.lstrip().startswith('"""')
    assert re.search(rf'"logs/{rule}[./]', block)
    assert re.search(rf'"logs/benchmarks/{rule}[./]', block)
    assert f"senoscore {rule.replace('_', '-')}" in block
    assert "retries" not in block


def test_rules_and_layout_name_the_same_files() -> None:
    layout = Layout(Path("results"))
    named = set(re.findall(r'"(results/[^"]*)"', "".join(rule_blocks().values())))
    of = "{dataset}"
    for path in (
        layout.matrix(of),
        layout.facts(of),
        layout.genes(of),
        layout.qc(of),
        layout.qc_samples(of),
        layout.compartments(of),
        layout.signatures,
        layout.scores(of),
        layout.coverage(of),
        layout.calibration,
        layout.calibration_rates,
        layout.calls(of),
        layout.summary("burden"),
        layout.summary("trend"),
        layout.summary("substates"),
        layout.summary("window"),
        layout.summary("targets"),
        layout.summary("plasma"),
        layout.summary("crosstalk"),
        layout.summary("families"),
        layout.annotated,
        layout.report,
        layout.provenance,
        *layout.tables,
    ):
        assert path.as_posix() in named


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_groups_are_those_that_are_there(path: Path) -> None:
    """Categorical columns, as read from any .h5ad, make a group of every unused combination.

    ``observed=False`` was the default of pandas before 3.
    """
    calls = (
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )
    found = [node for node in calls if getattr(node.func, "attr", "") == "groupby"]
    open_ended = [n.lineno for n in found if "observed" not in {word.arg for word in n.keywords}]
    assert not open_ended, f"{path}: groupby without observed=True in line {open_ended}"


TWINS = {
    "blood": "blood", "burden": "burden", "calibrate": "calibrate", "call": "call",
    "compartments": "compartments", "confounders": "confounders", "crosstalk": "crosstalk",
    "external": "external", "families": "families", "list": "list_signatures", "methods": "methods",
    "outcome": "outcome", "pseudobulk": "pseudobulk", "qc": "qc",
    "report": "render", "score": "score", "signatures": "signatures", "simulate": "simulate",
    "substates": "substate_shares", "trend": "trend", "window": "window",
    "arms": "arms", "regions": "regions", "ingest": "read", "export": "attach", "power": "power",
}  # fmt: skip
"""What each verb of the command line is in a notebook. ``sen.report`` and ``sen.ingest`` are rooms;
a notebook reads with ``read`` what a run ingests, and takes with ``attach`` what it exports."""
OF_FILES = {
    "init", "check", "survey", "shard", "gather", "run", "demo", "doctor",
    "programme", "programme-plan", "programme-sums", "programme-score", "programme-call",
    "embedding",
}  # fmt: skip
"""Verbs of a folder, of pieces of a file or of a call, or of this machine: nothing that a notebook
has apart. A map of cells is scanpy's there, and ``sen.pl.umap`` draws it."""
BESIDE = {
    "efficacy": "arms", "side_by_side": "arms",
    "escape": "window", "explain": "call",
    "target_values": "window", "crosstalk_values": "crosstalk",
    "plasma": "window", "targets": "window",
    "group_means": "crosstalk", "read_plasma": "window", "phases": "window", "genes": "signatures",
    "differential": "pseudobulk", "enrichment": "pseudobulk", "pseudobulk_scores": "pseudobulk",
    "read_external": "external", "read_outcome": "outcome",
    "readouts": "trend", "sensitivity": "trend", "tissue_burden": "burden", "load_panel": "call",
    "spread_of": "power",
}  # fmt: skip
"""Public functions that are a part of a verb."""


def test_every_verb_has_a_twin_in_a_notebook_and_the_reverse() -> None:
    import typer

    from senoscore.cli import app

    verbs = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert verbs == set(TWINS) | OF_FILES
    for name in TWINS.values():
        assert callable(getattr(senoscore, name))
        assert name in senoscore.__all__
    assert set(BESIDE.values()) <= verbs
    functions = {name for name in senoscore.__all__ if inspect.isfunction(getattr(senoscore, name))}
    assert functions <= set(TWINS.values()) | set(BESIDE), "which verb does this?"
