"""Studies with a gap, read from files: computed as far as valid, the rest named where it is read.

Through the command line, on the page, and in a notebook.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from senoscore import questions as q
from senoscore.biology import read_plasma
from senoscore.cli import main
from senoscore.io import read_tsv, write_tsv
from senoscore.report.inputs import design
from senoscore.report.load import load
from senoscore.report.measured import blood, outcome
from senoscore.report.parts import Notes, Options
from senoscore.report.questions import arms, drug_sentences, region_sentences, regions
from senoscore.study import drug_messages, read_samples
from tests import drug_study

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

SUMMARY = Path("results/summary")
FURTHER = {
    "arms": ("--efficacy", "efficacy", "--sides", "efficacy_sides"), "regions": (),
    "blood": ("--changes", "blood_changes"), "outcome": ("--subjects", "outcome_subjects"),
}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write a study with some of its tables changed, and go there."""

    def write(**tables: pd.DataFrame) -> None:
        drug_study.write_study(tmp_path)
        for name, table in tables.items():
            folder = tmp_path / SUMMARY if name == "burden" else tmp_path
            write_tsv(table, folder / f"{name}.tsv")

    monkeypatch.chdir(tmp_path)
    return write


def table_of(stage: str) -> pd.DataFrame:
    """What a stage writes through the command line."""
    out = SUMMARY / f"{stage}.tsv"
    words = [stage, "--burden", str(SUMMARY / "burden.tsv"), "--output", str(out)]
    more = FURTHER[stage]
    words += [w if w.startswith("--") else str(SUMMARY / f"{w}.tsv") for w in more]
    if stage in ("blood", "outcome"):
        words += ["--samples", "samples.tsv"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert not ended.value.code
    return read_tsv(out)


def page() -> str:
    """All sentences of the sections that speak of the questions, and those of the answers."""
    run = load(Path("results"))
    run.tables["samples"] = read_samples("samples.tsv")
    options = Options(control="sham")
    lines = [*drug_sentences(run), *region_sentences(run, options)]
    for section in (arms, regions, blood, outcome, design):  # nothing is drawn
        items = section.build(run, options)
        lines += [line for item in items if isinstance(item, Notes) for line in item.lines]
    return "\n".join(lines)


def burden() -> pd.DataFrame:
    return read_tsv(SUMMARY / "burden.tsv", dtype={"drug": str, "region": str}).fillna(
        {"drug": "", "batch": "", "modality": ""}
    )


def test_a_drug_without_a_start(study: Callable[..., None]) -> None:
    table = drug_study.burden().assign(drug_start_days=float("nan"))
    study(samples=drug_study.samples().assign(drug_start_days=""), burden=table)
    found = table_of("arms")
    asked = found[found["question"].isin(["drug_in_irradiated", "radiation_x_drug"])]
    assert (asked["status"] == "tested").any()
    assert asked["note"].str.contains("drug without a start").all()
    assert not found.query("question == 'drug_in_unirradiated'")["note"].notna().any()
    assert read_tsv(SUMMARY / "efficacy.tsv")["note"].str.contains("drug without a start").all()
    assert "Drug without a start: shamx0core" in page()
    words = q.efficacy(q.arms(burden(), control="sham"))
    assert words["note"].str.contains("drug without a start").all()


def test_a_drug_arm_without_its_arm_of_radiation_alone(study: Callable[..., None]) -> None:
    sheet, table = drug_study.samples(), drug_study.burden()
    alone = sheet["treatment"].eq("rt") & sheet["drug"].eq("")
    gone = set(sheet.loc[alone, "subject"])
    study(
        samples=sheet[~alone], burden=table[~table["subject"].isin(gone)],
        plasma=drug_study.plasma()[lambda t: ~t["subject"].isin(gone)],
        outcome=drug_study.outcome()[lambda t: ~t["subject"].isin(gone)],
    )  # fmt: skip
    found = table_of("arms")
    status = found.groupby("question")["status"].agg(set)
    assert status["drug_in_irradiated"] == status["radiation_x_drug"] == {"not_estimable"}
    assert "tested" in status["drug_in_unirradiated"]
    text = page()
    why = "no samples of rt 8 Gy @ 14 d: the drug cannot be told from radiation"
    said = f"Rt + x, core, 14 d: cannot be answered ({why})."
    assert text.count(said) == 2  # in the answers, and under arms and drugs
    assert "No samples of rt without the drug for rt + x (8 Gy)" in text
    assert set(q.efficacy(q.arms(burden(), control="sham"))["word"]) == {"not_testable"}


def test_outcomes_before_sampling_are_left_out_and_counted(study: Callable[..., None]) -> None:
    ends = drug_study.outcome()
    timed = ends["kind"] == "time-to-event"
    ends.loc[timed, "time_days"] = [5] * 3 + [100] * 9
    study(outcome=ends)
    found = table_of("outcome").query("endpoint == 'recurrence' and question == 'across_arms'")
    assert set(found["n_before_landmark"]) == {3}
    assert found["note"].str.contains("3 left out: outcome before the landmark").all()
    assert "Left out, their outcome being of before the landmark: 3." in page()
    read = q.read_outcome("outcome.tsv", read_samples("samples.tsv"))
    own = q.outcome(burden(), read, landmark_days=14, min_events=5, control="sham")
    assert own["n_before_landmark"].max() == 3


def test_one_event_is_too_few_and_the_grade_is_still_answered(study: Callable[..., None]) -> None:
    ends = drug_study.outcome()
    timed = ends["kind"] == "time-to-event"
    ends.loc[timed, "event"] = ["1"] + ["0"] * 11
    study(outcome=ends)
    found = table_of("outcome").groupby("endpoint")
    assert set(found.get_group("recurrence")["status"]) == {"not_testable"}
    assert "tested" in set(found.get_group("fibrosis")["status"])
    # The reason is that of all arms together, the largest that could be asked.
    assert "Recurrence, landmark 14 d: not tested (too few events: 1, it takes 9)." in page()


def test_a_covariate_that_is_constant_within_arms(study: Callable[..., None]) -> None:
    sheet = drug_study.samples()
    study(samples=sheet.assign(cov_cage=sheet["treatment"] + sheet["drug"]))
    assert "tested" in set(table_of("arms")["status"])
    assert "cov_cage is constant within every arm" in page()
    messages = drug_messages(read_samples("samples.tsv"), control="sham")
    assert any(line.startswith("cov_cage is constant") for line in messages)


def test_a_factor_in_two_units_is_named_and_the_other_compared(study: Callable[..., None]) -> None:
    values = drug_study.plasma()
    values.loc[values.index[0], "unit"] = "ng/mL"
    study(plasma=values)
    found = table_of("blood").groupby("analyte")
    assert set(found.get_group("IL6")["reason"]) == {
        "the units 'ng/mL', 'pg/mL': convert them to one"
    }
    assert "tested" in set(found.get_group("IL1B")["status"])
    assert "Not compared: IL6 (the units 'ng/mL', 'pg/mL': convert them to one)." in page()
    sheet = read_samples("samples.tsv")
    own = q.blood(read_plasma("plasma.tsv", sheet), sheet, control="sham")
    assert own.loc[own["analyte"] == "IL6", "status"].ne("tested").all()


def test_a_region_without_a_pair(study: Callable[..., None]) -> None:
    sheet, table = drug_study.samples(), drug_study.burden()
    lone = sheet["treatment"].eq("rt") & sheet["region"].eq("contralateral")
    kept = set(sheet.loc[~lone, "sample"])
    study(
        samples=sheet[~lone], burden=table[table["sample"].isin(kept)],
        external=drug_study.external()[lambda t: t["sample"].isin(kept)],
    )  # fmt: skip
    pairs = table_of("regions").query("question == 'region_pair'")
    status = pairs.groupby("treatment")["status"].agg(set)
    assert status["rt"] == status["rt + x"] == {"not_estimable"}
    assert "tested" in status["sham"]
    why = "no subject has both regions (6 with core and 0 with contralateral): nothing to pair"
    assert f"Not tested: 8 (mostly: {why.partition(': ')[0]})." in page()
    own = q.regions(burden(), control="sham", measures=["fraction_senescent"])
    assert why in set(own["reason"])
