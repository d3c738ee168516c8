"""Methods and how to cite: what the run did, nothing that it did not do."""

from __future__ import annotations

import pandas as pd

from senoscore.report.cite import methods_text, references, scored
from senoscore.report.load import Run

CONFIG = {
    "score": {"methods": ["ucell", "aucell"], "null_sets": 50},
    "call": {"panel": "default", "min_days_stable": 9, "profile_method": "wmean"},
    "calibrate": {"alpha": 0.02},
    "gate": {"min_fraction": 0.4, "min_genes": 6},
    "trend": {"transform": "arcsine"},
    "qc": {"min_counts": 700, "min_genes": 250, "mads": 4},
}
COVERAGE = pd.DataFrame(
    {
        "dataset": "d",
        "signature": ["senmayo", "fridman", "fridman", "sahf", "my_set"],
        "direction": ["up", "up", "down", "up", "up"],
        "gate": ["pass", "pass", "fail", "fail", "pass"],
    }
)


def run(config: dict[str, object], **tables: pd.DataFrame) -> Run:
    facts = {
        "senoscore": "9.8.7", "python": "3.12.1", "config": config,
        "versions": {"numpy": "2.4.0", "scanpy": "not installed", "snakemake": "9.19.0"},
    }  # fmt: skip
    return Run(tables, {}, facts)


def test_every_number_is_of_the_run() -> None:
    trend = pd.DataFrame({"method": ["OLS on samples; batch as covariate"]})
    qc = pd.DataFrame({"n_cells": [1]})
    text = methods_text(
        run(CONFIG, coverage=COVERAGE, trend=trend, qc=qc), control="sham", alpha=0.1
    )
    for said in (
        "senoscore 9.8.7 (python 3.12.1, snakemake 9.19.0, numpy 2.4.0)",
        "UCell and AUCell (3 sets)",
        "fewer than 40 % of their genes, or fewer than 6,",
        "50 random sets",
        "“sham”",
        "at most 2 % of the cells",
        "from day 9 after irradiation",
        "fewer than 700 counts or 250 genes",
        "more than 4 median absolute deviations",
        "arcsine of the square root",
        "with batch as covariate",
        "q ≤ 0.1",
    ):
        assert said in text, said
    assert "scanpy" not in text


def test_what_is_not_known_is_not_said() -> None:
    text = methods_text(run({}), control="control", alpha=0.05)
    assert "scored with" not in text
    assert "z values" not in text
    assert "linear models" not in text


def test_only_what_was_used_is_cited() -> None:
    lines = references(run(CONFIG, coverage=COVERAGE))
    assert scored(run({}, coverage=COVERAGE)) == ["fridman", "my_set", "senmayo"]
    assert "UCell: doi 10.1016/j.csbj.2021.06.043." in lines
    assert not [line for line in lines if "JASMINE" in line or "Weighted mean" in line]
    (senmayo,) = (line for line in lines if line.startswith("Saul et al. 2022"))
    assert senmayo.endswith("(SenMayo).")
    assert [line for line in lines if line.startswith("Fridman & Tainsky 2008, Oncogene 27:5975 (")]
    assert [line for line in lines if line.endswith("(MSigDB).")]
    assert lines[-1] == "Gene sets of this study: my_set."
    assert not [line for line in lines if "Benjamini" in line]  # nothing was tested
    bulk = pd.DataFrame({"dataset": ["d"], "assay": ["bulk"]})
    assert [
        li for li in references(run(CONFIG, ingest=bulk)) if li.startswith("Weighted mean: doi")
    ]


def test_who_found_the_cells_is_said_of_each_compartment() -> None:
    config = {**CONFIG, "call": {**CONFIG["call"], "fdr": 0.07}}  # type: ignore[dict-item]
    by = pd.DataFrame(
        {"compartment": ["tumour", "t_cell", "neuron"], "engine": ["learned", "learned", "panel"]}
    )
    text = methods_text(run(config, engines=by), control="sham", alpha=0.05)
    assert "In tumour and T cell, senescent cells were found by a programme learnt" in text
    assert "false discovery rate 0.07" in text
    assert "were called senescent in the other compartments from day 9" in text
    alone = methods_text(run(config, engines=by.head(2)), control="sham", alpha=0.05)
    assert "cells that fulfil it were called" not in alone
    panel = methods_text(run(config, engines=by.tail(1)), control="sham", alpha=0.05)
    assert "programme" not in panel
    assert "were called senescent from day 9" in panel
    published = "Published effects of DNA damage in senescence: SRP043644, SRP290938"
    assert [line for line in references(run(config, engines=by)) if line.startswith(published)]
    lines = references(run(config, engines=by.tail(1)))
    assert not [line for line in lines if line.startswith("Published effects")]


def test_a_map_is_named_where_one_was_drawn() -> None:
    made = run(CONFIG, embedding=pd.DataFrame({"cell": range(1200)}))
    assert "1,200 cells drawn at random were placed by UMAP" in methods_text(
        made, control="control", alpha=0.05
    )
    assert [line for line in references(made) if line.startswith("McInnes")]
    assert "UMAP" not in methods_text(run(CONFIG), control="control", alpha=0.05)
