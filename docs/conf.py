"""Sphinx: the pages of this folder, the tutorials executed, the reference out of the package."""

from __future__ import annotations

import csv
import doctest
import json
import re
import shutil
from pathlib import Path
from typing import Any

import senoscore

HERE = Path(__file__).parent
GENERATED = HERE / "reference" / "generated"
EXAMPLES = {
    "over_time": (
        "results",
        "Tissue of a glioma-like tumour from 1 to 90 days after irradiation: `make demo`.",
    ),
    "senolytic": (
        "demo-senolytic/results",
        (
            "Radiotherapy with and without a senolytic or a senomorphic, with circulating factors "
            "and outcome: `senoscore demo --design senolytic --out demo-senolytic`."
        ),
    ),
}
"""Demo studies: where a run of each leaves its results in a checkout, and what it is."""

project = "senoscore"
author = "The senoscore developers"
version = release = senoscore.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_design",
]
html_theme = "sphinx_book_theme"
html_title = "senoscore"
html_theme_options = {"show_toc_level": 2, "use_download_button": True}
exclude_patterns = ["_build", "figures"]
html_extra_path = ["reference/generated/extra"]
templates_path: list[str] = []

autosummary_generate = True
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False
nitpicky = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
suppress_warnings = ["mystnb.unknown_mime_type"]


def _without_links_out_of_the_docs(_app: Any, name: str, source: list[str]) -> None:
    """Leave the words of links to files of the repository that are no pages."""
    out = re.escape("../" * (1 + name.count("/")))
    source[0] = re.sub(rf"\[([^\[\]]+)\]\({out}[^)]*\)", r"\1", source[0])


def _rows(table: list[list[str]], head: list[str]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in table]
    return "\n".join(lines)


def _study_of_examples() -> str:
    """Code of the example of the package, which the examples of functions go on from."""
    found = doctest.DocTestParser().get_examples(senoscore.__doc__ or "")
    return "".join(example.source for example in found)


def _write_reference() -> None:
    """Make the pages that are tables of what the package has."""
    with (HERE / "columns.tsv").open(encoding="utf-8") as file:
        columns = list(csv.reader(file, delimiter="\t"))[1:]
    shown = [[f"`{name}`", *rest] for name, *rest in columns]
    text = (
        "# Data dictionary\n\nEvery column of the tables in `results/`, in alphabetical order. "
        "A column means the same in every table that has it; `*` stands for a name.\n\n"
    )
    generated = GENERATED
    generated.mkdir(parents=True, exist_ok=True)
    (generated / "tables.md").write_text(
        text + _rows(shown, ["column", "type", "unit", "meaning"]) + "\n", encoding="utf-8"
    )
    sets = senoscore.list_signatures()
    rows = [
        [f"`{r.signature}`", r.title, r.category, f"{r.n_up} / {r.n_down}", r.source, r.licence]
        for r in sets.itertuples()
    ]
    head = ["signature", "title", "category", "genes up / down", "source", "licence"]
    (generated / "signatures.md").write_text(
        f"# Signatures\n\n{len(rows)} gene sets come with senoscore.\n\n{_rows(rows, head)}\n",
        encoding="utf-8",
    )
    names = [
        n for n in senoscore.__all__ if n not in ("__version__", "errors", "io", "pl", "genes")
    ]
    listed = "\n".join(f"   {name}" for name in sorted(names, key=str.lower))
    plots = "\n".join(f"   {name}" for name in senoscore.pl.__all__ if name.islower())
    (generated / "api.md").write_text(
        "# Functions\n\n`import senoscore as sen`. Functions of cells take an AnnData, functions "
        "of samples take the table that the one before returned. Examples go on from this "
        "study:\n\n"
        f"```python\n{_study_of_examples()}```\n\n```{{eval-rst}}\n"
        f".. currentmodule:: senoscore\n.. autosummary::\n   :toctree: api\n\n{listed}\n```\n\n"
        "## Figures: `sen.pl`\n\n```{eval-rst}\n.. currentmodule:: senoscore.plotting\n"
        f".. autosummary::\n\n{plots}\n```\n",
        encoding="utf-8",
    )


def _is_a_demo(results: Path) -> bool:
    """Say whether a run there is of a simulated study: nobody's own data get into the site."""
    try:
        record = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
        sheet = results.parent / record["config"]["datasets"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return (results / "report.html").is_file() and (sheet.parent / "truth.tsv").is_file()


def _take_examples(root: Path, out: Path) -> str:
    """Copy the reports of demo studies that were run; return the page that lists them."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    lines = []
    for name, (folder, said) in EXAMPLES.items():
        if _is_a_demo(root / folder):
            shutil.copy(root / folder / "report.html", out / f"{name}.html")
            lines.append(f'- <a href="../../examples/{name}.html">The report</a>. {said}')
        else:
            lines.append(f"- {said} Not run where this site was built.")
    return (
        "# Example reports\n\nWhat a run ends in, on simulated studies. Each page works "
        "offline; the truth is known, so that answers can be compared with it.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def setup(app: Any) -> None:
    _write_reference()
    page = _take_examples(HERE.parent, GENERATED / "extra" / "examples")
    (GENERATED / "examples.md").write_text(page, encoding="utf-8")
    app.connect("source-read", _without_links_out_of_the_docs)
