"""Without the extras the package imports, scores, calls and tests; what lacks one names it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from senoscore.errors import MissingExtraError, SenoscoreError
from senoscore.io import from_extra, need_extra

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

WITHOUT = """
import sys
for name in ("altair", "vl_convert", "jinja2", "gseapy", "pydeseq2", "scanpy", "snakemake",
             "matplotlib", "liana", "sklearn", "skimage", "firthmodels"):
    sys.modules[name] = None
import pandas as pd
import senoscore as sen
from senoscore.errors import MissingExtraError
from senoscore.run.launch import snakemake_command
from senoscore.simulation.tissue import design

adata = sen.simulate(design().iloc[[0, 1, 12, 13]], seed=1, cells_per_sample=150)
adata.obs["compartment"] = adata.obs["true_compartment"].astype(str)
adata.obs["days_post_rt"] = 28.0
sen.qc(adata, doublets="off")
sen.compartments(adata, copy=True)
sen.score(adata, sen.signatures("all"))
sen.calibrate(adata, min_control_cells=20)
sen.call(adata)
burden = sen.burden(adata, min_cells=5)
assert len(sen.trend(burden))
assert len(sen.pl.states_table(burden))
table = pd.DataFrame([[1.0, 2.0], [2.0, 1.0]], columns=["TP53", "CDKN1A"])
for ask, extra in (
    (lambda: sen.pl.states(burden), "report"),
    (lambda: sen.pl.save("x", "y"), "report"),
    (lambda: sen.render("results", "report.html"), "report"),
    (lambda: sen.qc(adata), "doublets"),
    (lambda: sen.score(table, {"a": ["TP53"]}, methods="gsva"), "pseudobulk"),
    (lambda: snakemake_command([]), "workflow"),
):
    try:
        ask()
    except MissingExtraError as error:
        assert f"senoscore[{extra}]" in str(error), error
    else:
        raise SystemExit(f"no error for {extra}")
print("all said")
"""


def test_the_base_scores_and_calls_and_the_rest_names_its_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False, timeout=550
    )
    assert done.stdout.strip().endswith("all said"), done.stderr[-3000:]


def test_a_library_that_is_not_there_is_an_error_of_both_kinds() -> None:
    with pytest.raises(MissingExtraError, match=r"x: no_such is not installed — pip install") as e:
        need_extra("no_such", extra="report", what="x")
    assert isinstance(e.value, SenoscoreError)
    assert isinstance(e.value, ImportError)
    assert e.value.name == "no_such"
    assert from_extra("json", extra="report", what="x").loads("1") == 1


def test_extras_are_those_that_errors_name_and_workflow_has_them_all() -> None:
    extras = PROJECT["optional-dependencies"]
    named = set()
    for path in (ROOT / "senoscore").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        # `extra="forbid"` belongs to pydantic and stands in a call of ConfigDict
        named |= set(re.findall(r'(?<!ConfigDict\()\bextra="([^"]+)"', text))
    assert named >= {"report", "doublets", "outcome", "pseudobulk", "workflow"}
    assert named <= set(extras)
    assert "senoscore[doublets,outcome,pseudobulk,report]" in extras["workflow"]
