"""The pages of the documentation, as far as can be seen without building them."""

from __future__ import annotations

import importlib
import importlib.util
import json
import pkgutil
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import senoscore
from senoscore.io import declared_as
from senoscore.run.layout import OTHER_TABLES, SUMMARIES
from tests.bad_inputs.make_cases import BAD
from tests.bad_inputs.test_odd_inputs import ODD
from tests.dictionary import faults

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("tutorials/*.ipynb")])
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config" / "README.md"]


def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def as_sphinx_reads(path: Path) -> str:
    source = [path.read_text(encoding="utf-8")]
    name = path.relative_to(DOCS).with_suffix("").as_posix()
    conf()._without_links_out_of_the_docs(None, name, source)
    return source[0]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_out_of_the_docs_go_and_the_others_stay(path: Path) -> None:
    text = as_sphinx_reads(path)
    if path.suffix == ".ipynb":
        json.loads(text)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in link:
            assert DOCS in (path.parent / link).resolve().parents, link
    of_pages = re.findall(r"\]\((?:\.\./)?[a-z_]+\.md", path.read_text(encoding="utf-8"))
    inside = [link for link in of_pages if (path.parent / link[2:]).resolve().parent == DOCS]
    assert all(link in text for link in inside)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_page_links_to_is_there(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        if "://" not in link and not link.startswith("mailto:"):
            assert (path.parent / link).exists(), link


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^[a-z_/0-9]+$", index, flags=re.M))
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES} - {"index"}
    assert pages <= listed


@pytest.mark.parametrize(
    ("column", "values", "fault"),
    [
        ("dose_gy", [1.5], ""), ("dose_gy", ["high"], "has 'high'"), ("q", [0.2, 1.2], "has 1.2"),
        ("n_cells", [3.0, np.nan], ""), ("n_cells", [3, -1], "has -1"),
        ("n_cells", [2.5], "has 2.5"), ("excess", [-0.2], ""),
        ("excess", [-1.2], "has -1.2"), ("note", ["a"], ""),
        ("called", [True], ""), ("called", [2], "has"), ("p", [True], "has"),
        ("mean:z:sasp", [-2.0], ""), ("unheard_of", [1], "not in docs/columns.tsv"),
    ],
)  # fmt: skip
def test_the_dictionary_refuses_what_it_does_not_declare(column, values, fault: str) -> None:
    found = faults(pd.DataFrame({column: values}))
    assert [fault in text for text in found] == ([True] if fault else [])


def test_columns_that_the_code_declares_are_in_the_dictionary() -> None:
    seen = 0
    for found in pkgutil.walk_packages(senoscore.__path__, "senoscore."):
        if found.name in ("senoscore.__main__", "senoscore.report.load"):
            continue  # of jobs: no table of results
        importlib.import_module(found.name)
        for name, value in vars(sys.modules[found.name]).items():
            if name.endswith("COLUMNS") and not name.startswith("_") and isinstance(value, tuple):
                assert [column for column in value if not declared_as(column)] == [], name
                seen += 1
    assert seen > 15


def test_the_page_of_results_has_every_table() -> None:
    text = (DOCS / "results.md").read_text(encoding="utf-8")
    for name, (_, said) in SUMMARIES.items():
        assert f"| `{name}.tsv` | {said} |" in text
    for name, (_, said) in OTHER_TABLES.items():
        assert re.search(
            rf"^\| `results/\S*{name}\.tsv` \| {re.escape(said)} \|$", text, flags=re.M
        )


def test_what_is_said_of_reliability_is_true_of_the_tests() -> None:
    text = (DOCS / "reliability.md").read_text(encoding="utf-8")
    rows = [int(n) for n in re.findall(r"^\| [^|]+ \| (\d+) \| [^|]+ \|$", text, flags=re.M)]
    assert sum(rows[:-1]) == rows[-1] == len(BAD)
    assert f"{len(ODD)} matrices, " in text
    defined = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), flags=re.M)
    }
    assert set(re.findall(r"::(test_\w+)", text)) <= defined
    for path in re.findall(r"`(tests/[\w/.]+\.(?:py|sh))`", text):
        assert (ROOT / path).is_file(), path


def test_reports_of_demos_are_examples_and_those_of_own_data_are_not(tmp_path: Path) -> None:
    run, out = tmp_path / "results", tmp_path / "extra"
    run.mkdir()
    (run / "report.html").write_text("page")
    config = {"config": {"datasets": "study/datasets.tsv"}}
    (run / "provenance.json").write_text(json.dumps(config))
    page = conf()._take_examples(tmp_path, out)
    assert list(out.iterdir()) == []
    assert page.count("Not run where this site was built") == 2
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "truth.tsv").touch()  # a simulated study has its truth beside it
    page = conf()._take_examples(tmp_path, out)
    assert (out / "over_time.html").read_text() == "page"
    assert 'href="../../examples/over_time.html"' in page
    assert page.count("Not run where this site was built") == 1
