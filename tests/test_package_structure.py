"""Conventions that matter are tests: layers, a light import, rules that name what they write."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import senoscore
from senoscore.layout import Layout

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "senoscore"
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))

# Each may import only what stands before it (and itself).
LAYERS = [
    ["errors"],
    ["_atomic", "_keys", "_resources", "_yaml", "layout", "progress"],
    ["_text_tables"],
    ["kernels"],
    ["genes"],
    ["_signature_types", "_signature_index", "_signature_files", "_signatures"],
    ["controls", "gsva"],
    ["_methods"],
    ["io"],
    ["_score"],
    ["ingest"],
    ["_qc"],
    ["_compartments"],
    ["panel"],
    ["_calibrate"],
    ["_call"],
    ["calling"],
    ["config"],
    ["radiobiology"],
    ["design", "proposal"],
    ["labels"],
    ["_burden"],
    ["_trend"],
    ["_confounders", "_pseudobulk"],
    ["_phases", "_plasma"],
    ["_crosstalk", "_window"],
    ["_simulate"],
    ["provenance"],
    ["plotting"],
    ["report"],
    ["stages"],
    ["cli"],
]


def layer_of(module: str) -> int:
    """Rank of a module; parts of a module (``_score_inputs``) belong to the longest match."""
    ranked = [
        (len(name), rank)
        for rank, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(f"{name}_")
    ]
    assert ranked, f"module {module} stands in no layer: add it to LAYERS"
    return max(ranked)[1]


def imports_of(path: Path) -> set[str]:
    """First-level senoscore modules that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "senoscore":
                found.update(alias.name for alias in node.names if alias.name != "__version__")
            elif node.module.startswith("senoscore."):
                found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found.update(
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("senoscore.")
            )
    return found


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent != PACKAGE or p.stem[:2] != "__"],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_imports_point_one_way(path: Path) -> None:
    module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    own = layer_of(module)
    for other in imports_of(path):
        assert layer_of(other) <= own, f"{path.name} imports {other}, which stands to its right"


def test_import_is_light() -> None:
    code = "import senoscore, sys; print(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(out.stdout.split())
    assert not loaded & {"scanpy", "matplotlib", "numba", "anndata", "pandas", "altair"}


@pytest.mark.parametrize("name", senoscore.__all__)
def test_public_names_exist_and_are_documented(name: str) -> None:
    thing = getattr(senoscore, name)
    if name != "__version__":
        assert inspect.getdoc(thing), f"sen.{name} has no docstring"


@pytest.mark.parametrize("name", sorted(senoscore._PUBLIC))
def test_public_functions_take_few_positional_arguments(name: str) -> None:
    thing = getattr(senoscore, name)
    if inspect.isclass(thing):
        return
    positional = [
        p
        for p in inspect.signature(thing).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    assert len(positional) <= 3
    for parameter in positional:
        assert not isinstance(parameter.default, bool), f"{name}({parameter.name}) is a flag"


def test_submodules_do_not_shadow_public_functions() -> None:
    for module in set(senoscore._PUBLIC.values()):
        importlib.import_module(f"senoscore.{module}")
    assert callable(senoscore.score)
    assert callable(senoscore.signatures)


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
    assert f"senoscore {rule}" in block
    assert "retries" not in block


def test_rules_and_layout_name_the_same_files() -> None:
    layout = Layout(Path("results"))
    named = set(re.findall(r'"(results/[^"]*)"', "".join(rule_blocks().values())))
    of = "{dataset}"
    for path in (
        layout.matrix(of),
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
    ):
        assert path.as_posix() in named
