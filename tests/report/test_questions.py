"""Arms, drugs and regions on the page: what is said first, and what is drawn."""

from __future__ import annotations

import pandas as pd

from senoscore.questions import arms, efficacy, regions, side_by_side
from senoscore.report.load import load
from senoscore.report.page import render
from senoscore.report.parts import Options, irradiated
from senoscore.report.questions import drug_sentences, region_sentences
from tests import drug_study


def tables() -> dict[str, pd.DataFrame]:
    burden = drug_study.burden()
    compared = arms(burden, control="sham")
    words = efficacy(compared)
    return {
        "burden": burden, "arms": compared, "efficacy": words,
        "efficacy_sides": side_by_side(words), "regions": regions(burden, control="sham"),
    }  # fmt: skip


def test_regions_are_answered_first_too(tmp_path) -> None:
    found = load(tables())
    lines = region_sentences(found, Options(control="sham"))
    assert any(line.startswith("Two regions of the same subjects: ") for line in lines)
    assert not any("?:" in line for line in lines)
    page = render(tables(), tmp_path / "report.html").read_text(encoding="utf-8")
    head = page.partition("<h3>Do regions of the same subjects differ?</h3>")[2]
    assert lines[0].partition(" ≤")[0] in head.partition("<div")[0]


def test_why_no_pair_could_be_tested_is_said() -> None:
    burden = drug_study.burden()
    alone = burden[burden["subject"].str[-1].eq("0") | burden["region"].eq("core")]
    found = load({"regions": regions(alone, control="sham", measures=["fraction_senescent"])})
    (line, *_) = region_sentences(found, Options(control="sham"))
    assert line.startswith("Two regions of the same subjects: none could be tested (")


def test_what_an_effect_leaves_open_is_said_with_it() -> None:
    words = pd.DataFrame(
        {
            "compartment": ["bulk", "tumour"], "stratum": "", "treatment": "rt + x",
            "against": "rt", "dose_gy": 8.0, "n_fractions": 1.0, "modality": "",
            "days_post_rt": 14.0, "word": ["sasp_falls", "neither_shown"],
            "means": ["less secretion; the rest is open", "neither; no proof of absence"],
        }
    )  # fmt: skip
    (line,) = drug_sentences(load({"efficacy": words}))
    assert "less secretion; the rest is open (whole tissue)" in line
    assert "neither (tumour)" in line


def test_an_arm_is_unanswered_only_where_no_compartment_answers_for_it() -> None:
    words = pd.DataFrame(
        {
            "compartment": ["t_cell", "tumour"], "stratum": "", "treatment": "rt + x",
            "against": ["", "rt"], "dose_gy": 8.0, "n_fractions": 1.0, "modality": "",
            "days_post_rt": 14.0, "word": ["not_testable", "senolytic_like"],
            "means": ["the design answers neither", "fewer arrested cells"],
            "note": ["no samples of rt; more", ""],
        }
    )  # fmt: skip
    (line,) = drug_sentences(load({"efficacy": words}))
    assert line == "Rt + x against rt, 14 d: fewer arrested cells (tumour)."
    lines = drug_sentences(load({"efficacy": words.iloc[:1]}))
    assert lines[-1] == "Rt + x, 14 d: cannot be answered (no samples of rt)."


def test_an_unirradiated_arm_with_a_drug_is_no_row_of_irradiated_against_control() -> None:
    table = pd.DataFrame({"dose_gy": [0.0, 8.0, None], "treatment": ["c + x", "rt", "rt"]})
    assert irradiated(table)["treatment"].tolist() == ["rt", "rt"]
    assert len(irradiated(table.iloc[:1])) == 1


def test_numbers_are_said_of_shown_effects_and_stand_in_the_table_else(tmp_path) -> None:
    found = tables()
    words = found["efficacy"]
    numbers = "would mostly have been seen"
    assert words["evidence"].str.contains(numbers).any()
    for word, said in (("burden_falls", True), ("underpowered", False)):
        own = found | {"efficacy": words.assign(word=word)}
        page = render(own, tmp_path / "report.html").read_text(encoding="utf-8")
        notes = page.partition(">Arms and drugs</h2>")[2].partition("<details")[0]
        assert "The numbers of every compartment stand in the table below." in notes
        assert (numbers in notes) is said
