"""Sheets proposed from obs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from senoscore.errors import ConfigError, SheetError
from senoscore.ingest.sheets import point_config, propose_of_names, propose_sheets
from senoscore.run.config import load_config

OBS = pd.DataFrame(
    {
        "sample_id": ["a", "a", "b", "b", "c"],
        "condition": ["Sham", "Sham", "10 Gy", "10 Gy", "IR"],
        "timepoint": ["7d", "7d", "2 weeks", "2 weeks", "36 h"],
        "dose": ["0 Gy", "0 Gy", "10 Gy", "10 Gy", "10"],
        "batch": ["x", "x", "x", "y", "y"],
        "cell_type": ["T", "T", "B", "B", "T"],
    }
)


def test_columns_values_and_doubts() -> None:
    datasets, samples, notes = propose_sheets(OBS, Path("in/my data.h5ad"), organism="human")
    row = samples.set_index("sample")
    assert row["treatment"].to_dict() == {"a": "control", "b": "irradiated", "c": "irradiated"}
    assert row["time_post_rt"].tolist() == ["7", "2", "36"]
    assert row["time_unit"].tolist() == ["d", "w", "h"]
    assert row["dose_gy"].tolist() == ["0", "10", "10"]
    assert row["batch"].to_dict() == {"a": "x", "b": "", "c": "y"}
    assert any("'b' has 2 values" in note for note in notes)
    assert datasets.loc[0, "dataset"] == "my_data"
    assert datasets.loc[0, "compartment_column"] == "cell_type"


def test_what_is_not_found_is_said() -> None:
    _, samples, notes = propose_sheets(OBS[["sample_id"]], Path("x.h5ad"), organism="mouse")
    assert samples["treatment"].tolist() == ["", "", ""]
    assert any("treatment" in note for note in notes)


def test_columns_named_as_in_the_sheet_are_taken() -> None:
    obs = pd.DataFrame(
        {
            "sample": ["a", "b", "c"], "n_fractions": [1, 5, 3], "modality": ["Cs-137", "rna", ""],
            "alpha_beta": 3.0, "drug_start_days": -1, "dose": ["8", "5x8 Gy", ""],
        }
    )  # fmt: skip
    _, samples, notes = propose_sheets(obs, Path("x.h5mu"), organism="mouse")
    assert samples["modality"].tolist() == ["Cs-137", "", ""]
    assert any("modality 'rna' is not a kind of radiation" in note for note in notes)
    assert samples["n_fractions"].tolist() == ["1", "5", "3"]
    assert samples["alpha_beta"].tolist() == ["3.0"] * 3
    assert samples["drug_start_days"].tolist() == ["-1"] * 3


def test_no_sample_column() -> None:
    with pytest.raises(SheetError, match="looks like samples"):
        propose_sheets(OBS[["dose"]], Path("x.h5ad"), organism="human")


@pytest.mark.parametrize(
    ("word", "treatment"),
    [
        ("2.0Gy", "irradiated"), ("10.0 Gy", "irradiated"), ("2,0 Gy", "irradiated"),
        ("20Gy", "irradiated"), ("100 Gy", "irradiated"), ("0.5 Gy", "irradiated"),
        ("0 Gy", "control"), ("0Gy", "control"), ("0.0 Gy", "control"), ("0,0Gy", "control"),
        ("mock", "control"),
    ],
)  # fmt: skip
def test_doses_as_treatments(word, treatment) -> None:
    obs = pd.DataFrame({"sample": ["a"], "treatment": [word]})
    _, samples, _ = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples["treatment"].tolist() == [treatment]


@pytest.mark.parametrize(
    ("text", "dose"),
    [("2,5 Gy", "2.5"), ("2.5Gy", "2.5"), ("RT_8Gy", "8"), ("10x2", ""), ("200 cGy", "")],
)
def test_doses(text, dose) -> None:
    obs = pd.DataFrame({"sample": ["a"], "dose": [text]})
    _, samples, notes = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples["dose_gy"].tolist() == [dose]
    assert any("left empty" in note for note in notes) == (dose == "")


def test_times_with_a_decimal_comma() -> None:
    obs = pd.DataFrame({"sample": ["a"], "time": ["1,5 d"]})
    _, samples, _ = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples[["time_post_rt", "time_unit"]].iloc[0].tolist() == ["1.5", "d"]


@pytest.mark.parametrize(
    ("text", "dose", "fractions"),
    [
        ("5x8Gy", "40", "5"), ("10x2 Gy", "20", "10"), ("5 × 8 Gy", "40", "5"),
        ("8 Gy x 5", "40", "5"), ("30x1.8 Gy", "54", "30"), ("40 Gy in 5 fractions", "40", "5"),
        ("40Gy/5fx", "40", "5"), ("8 Gy", "8", ""), ("0", "0", ""),
    ],
)  # fmt: skip
def test_fractions(text, dose, fractions) -> None:
    obs = pd.DataFrame({"sample": ["a"], "dose": [text], "treatment": ["IR"]})
    _, samples, notes = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples[["dose_gy", "n_fractions"]].iloc[0].tolist() == [dose, fractions]
    assert any(f"{text!r} is taken for {dose} Gy in" in note for note in notes) == bool(fractions)


def test_fractions_as_a_treatment() -> None:
    obs = pd.DataFrame({"sample": ["a", "b"], "treatment": ["5x8Gy", "8 Gy x 5"]})
    _, samples, _ = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples["treatment"].tolist() == ["irradiated", "irradiated"]


@pytest.mark.parametrize(
    ("text", "time", "unit"),
    [
        ("day 7", "7", "d"), ("D7", "7", "d"), ("7 dpi", "7", "d"), ("7dpr", "7", "d"),
        ("24hpi", "24", "h"), ("week_2", "2", "w"), ("Month 3", "3", "mo"), ("day 1.5", "1.5", "d"),
        ("7 days post-RT", "7", "d"), ("h6", "6", "h"), ("12wks", "12", "w"),
    ],
)  # fmt: skip
def test_times(text, time, unit) -> None:
    obs = pd.DataFrame({"sample": ["a"], "time": [text]})
    _, samples, notes = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples[["time_post_rt", "time_unit"]].iloc[0].tolist() == [time, unit]
    assert not any("left empty" in note for note in notes)


@pytest.mark.parametrize(
    "text", ["pre", "baseline", "day -7", "D-1", "d1-d3", "7 fortnights", "m3"]
)
def test_times_that_are_none_are_said(text) -> None:
    obs = pd.DataFrame({"sample": ["a"], "day": [text]})
    _, samples, notes = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples[["time_post_rt", "time_unit"]].iloc[0].tolist() == ["", ""]
    assert any(f"time {text!r} is not" in note for note in notes)


def test_times_without_a_unit_are_said() -> None:
    obs = pd.DataFrame({"sample": ["a"], "time": ["7"]})
    _, _, notes = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert "times in 'time' have no unit: fill in time_unit" in notes


def test_days_of_an_object_that_senoscore_made_are_days() -> None:
    obs = pd.DataFrame({"sample": ["a"], "days_post_rt": [7.0]})
    _, samples, notes = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples.loc[0, ["time_post_rt", "time_unit"]].tolist() == ["7.0", "d"]
    assert not any("unit" in note for note in notes)


@pytest.mark.parametrize(
    "column", ["orig.ident", "orig_ident", "origIdent", "Sample.ID", "sample id"]
)
def test_columns_of_samples(column) -> None:
    datasets, _, _ = propose_sheets(pd.DataFrame({column: ["a"]}), Path("x.h5ad"), organism="human")
    assert datasets.loc[0, "sample_column"] == column


@pytest.mark.parametrize(
    ("text", "sex"), [("F", "F"), ("Male", "Male"), ("unknown", ""), ("x", "")]
)
def test_a_sex_that_check_would_refuse_is_left_empty(text, sex) -> None:
    obs = pd.DataFrame({"sample": ["a"], "sex": [text]})
    _, samples, notes = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples["sex"].tolist() == [sex]
    assert any(f"sex {text!r}" in note for note in notes) == (not sex)


def test_a_config_is_made_that_points_at_the_sheets(tmp_path) -> None:
    config = tmp_path / "config" / "config.yaml"
    point_config(config, Path("config/datasets.tsv"), Path("config/samples.tsv"))
    read = load_config(config)
    assert (read["datasets"], read["samples"]) == ("config/datasets.tsv", "config/samples.tsv")


_OURS = "call: # first\n  fdr: 0.2 # ours\n"
_OF_DEMO = "datasets: demo/datasets.tsv # one row\nsamples: 'demo/samples.tsv'\n"


@pytest.mark.parametrize("before", [_OF_DEMO + _OURS, _OURS])
def test_a_config_that_is_there_keeps_the_rest(tmp_path, before) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(before)
    said = point_config(config, Path(r"a\1 #b/datasets.tsv"), Path("new/samples.tsv"))
    read = load_config(config)
    assert (read["datasets"], read["samples"]) == (r"a\1 #b/datasets.tsv", "new/samples.tsv")
    assert read["call"]["fdr"] == 0.2
    assert "# ours" in config.read_text()
    assert "was demo/datasets.tsv" in said or "demo" not in before


def test_a_config_in_one_line_is_not_harmed(tmp_path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("{datasets: a.tsv, samples: b.tsv}\n")
    with pytest.raises(ConfigError, match="without harm"):
        point_config(config, Path("x.tsv"), Path("y.tsv"))
    assert config.read_text() == "{datasets: a.tsv, samples: b.tsv}\n"


def test_bulk_tables_name_their_samples() -> None:
    names = ["ctrl_1", "sham.2", "IR_3", "8Gy-4", "mouse5"]
    datasets, samples, notes = propose_of_names(
        names, Path("in/bulk counts.tsv.gz"), organism="mouse", assay="bulk"
    )
    found = samples.set_index("sample")["treatment"].to_dict()
    assert found == dict(
        zip(names, ["control", "control", "irradiated", "irradiated", ""], strict=True)
    )
    assert datasets.loc[0, ["dataset", "assay"]].tolist() == ["bulk_counts", "bulk"]
    assert any("fill in treatment" in note for note in notes)
