"""What stands beside the matrix: read before any work, written by its stage, shown by the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import ConfigError, SheetError
from senoscore.io.tables import read_tsv, write_tsv
from senoscore.report import render
from senoscore.report.load import Run
from senoscore.report.measured import blood as blood_section
from senoscore.report.measured import outcome as section
from senoscore.report.parts import Notes, Options
from senoscore.run.config import validate_config
from senoscore.run.measured import blood, check_measured, external, outcome
from senoscore.study import read_samples
from tests import drug_study

if TYPE_CHECKING:
    from pathlib import Path

N = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = [f"p{i}" for i in range(N)]
    sheet = pd.DataFrame({"sample": names, "treatment": "irradiated", "time_post_rt": 28})
    write_tsv(sheet.assign(time_unit="d", dose_gy=10), tmp_path / "samples.tsv")
    burden = sheet.assign(
        subject="", compartment="tumour", dose_gy=10.0, days_post_rt=28.0, n_assessable=100,
        n_positive=np.arange(N) * 3, status="ok",
    )  # fmt: skip
    write_tsv(burden, tmp_path / "burden.tsv")
    outcomes = pd.DataFrame(
        {"subject": names, "endpoint": "recurrence", "kind": "time-to-event",
         "time_days": 100 - np.arange(N), "event": 1}
    )  # fmt: skip
    write_tsv(outcomes, tmp_path / "outcome.tsv")
    return tmp_path


def config(folder: Path) -> dict[str, object]:
    own = {"table": str(folder / "outcome.tsv"), "landmark_days": 28}
    return validate_config({"outcome": own}, source="test")


def test_the_stage_writes_what_the_page_says(folder: Path) -> None:
    out = folder / "associations.tsv"
    outcome(
        folder / "samples.tsv", config(folder), burden=folder / "burden.tsv", out=out,
        subjects_out=folder / "subjects.tsv",
    )  # fmt: skip
    table = read_tsv(out)
    row = table[table["measure"] == "fraction_senescent"].iloc[0]
    assert row["status"] == "tested"
    assert row["estimate"] > 1
    shown = section.of(Run({"outcome": table}, {}), Options())
    assert shown is not None
    assert isinstance(shown.items[0], Notes)
    assert "1 of 1 associations hold at q ≤ 0.05" in shown.items[0].lines[0]
    assert "12 events" in shown.items[0].lines[0]


def test_a_run_without_outcomes_has_no_such_section() -> None:
    assert section.of(Run({}, {}), Options()) is None


def test_tables_are_read_before_any_work(folder: Path) -> None:
    samples = read_samples(folder / "samples.tsv")
    assert check_measured(config(folder), samples) == ["outcome: 1 endpoints of 12 subjects"]
    path = folder / "outcome.tsv"
    path.write_text(path.read_text().replace("p3\t", "p99\t"))
    with pytest.raises(SheetError, match="row 5: subject 'p99' is not in the samples sheet"):
        check_measured(config(folder), samples)


def test_a_table_needs_a_landmark() -> None:
    with pytest.raises(ConfigError, match="landmark_days is not"):
        validate_config({"outcome": {"table": "outcome.tsv"}}, source="test")


def test_without_a_table_the_stage_says_what_it_takes(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"outcome\.table"):
        outcome(
            folder / "samples.tsv", validate_config({}, source="test"),
            burden=folder / "burden.tsv", out=folder / "x.tsv", subjects_out=folder / "y.tsv",
        )  # fmt: skip


def test_a_study_of_blood_alone_needs_neither_matrix_nor_config(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from senoscore.cli import main

    rows = [
        {"subject": f"p{i}", "time": day, "time_unit": "d", "analyte": "IL6",
         "value": 4 + i % 3 + 6 * (day > 0), "unit": "pg/mL", "lod": 1}
        for i in range(N) for day in (-1, 7)
    ]  # fmt: skip
    write_tsv(pd.DataFrame(rows), folder / "plasma.tsv")
    monkeypatch.chdir(folder)
    words = ["blood", "--plasma", "plasma.tsv", "--samples", "samples.tsv", "--output", "b.tsv"]
    words += ["--changes", "c.tsv"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    table = read_tsv(folder / "b.tsv")
    assert table["question"].tolist() == ["against_baseline"]
    assert table["q"].iloc[0] < 0.001
    page = blood_section.of(Run({"blood": table}, {}), Options())
    assert page is not None
    assert isinstance(page.items[0], Notes)
    assert "Against the own baseline: 1 of 1 hold" in page.items[0].lines[0]


def test_the_page_draws_what_was_measured(tmp_path: Path) -> None:
    folder = drug_study.write_study(tmp_path)
    summary, sheet = folder / "results" / "summary", folder / "samples.tsv"
    own = drug_study.CONFIG | {
        "plasma": str(folder / "plasma.tsv"), "external": str(folder / "external.tsv"),
        "outcome": drug_study.CONFIG["outcome"] | {"table": str(folder / "outcome.tsv")},
    }  # fmt: skip
    settings, burden = validate_config(own, source="test"), summary / "burden.tsv"
    blood(
        sheet, settings, plasma=None, burden=burden, out=summary / "blood.tsv",
        changes_out=summary / "blood_changes.tsv",
    )  # fmt: skip
    external(
        sheet, settings, burden=burden, out=summary / "external.tsv",
        pairs_out=summary / "external_pairs.tsv",
    )  # fmt: skip
    outcome(
        sheet, settings, burden=burden, out=summary / "outcome.tsv",
        subjects_out=summary / "outcome_subjects.tsv",
    )  # fmt: skip
    page = folder / "report.html"
    figures = folder / "figures"
    render(folder / "results", page, samples=read_samples(sheet), figures=figures)
    text = page.read_text(encoding="utf-8")
    for name, said in (
        ("blood", "Log2 ratios of 2 circulating factors"),
        ("external", "what was measured of them elsewhere"),
        ("outcome_1_fibrosis", "Burden at the landmark against Fibrosis"),
        ("outcome_2_recurrence", "12 subjects (9 event; 3 no event until then)"),
    ):
        assert (figures / f"{name}.svg").is_file(), name
        assert (figures / f"{name}.tsv").is_file(), name
        assert said in text, said
