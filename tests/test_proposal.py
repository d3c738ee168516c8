"""Sheets proposed from obs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from senoscore.errors import SheetError
from senoscore.proposal import propose_sheets

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


def test_no_sample_column() -> None:
    with pytest.raises(SheetError, match="looks like samples"):
        propose_sheets(OBS[["dose"]], Path("x.h5ad"), organism="human")


@pytest.mark.parametrize(
    ("word", "treatment"),
    [
        ("2.0Gy", "irradiated"), ("10.0 Gy", "irradiated"), ("2,0 Gy", "irradiated"),
        ("20Gy", "irradiated"), ("100 Gy", "irradiated"), ("0.5 Gy", "irradiated"),
        ("0 Gy", "control"), ("0Gy", "control"), ("0.0 Gy", "control"), ("0,0Gy", "control"),
    ],
)  # fmt: skip
def test_doses_as_treatments(word, treatment) -> None:
    obs = pd.DataFrame({"sample": ["a"], "treatment": [word]})
    _, samples, _ = propose_sheets(obs, Path("x.h5ad"), organism="human")
    assert samples["treatment"].tolist() == [treatment]


@pytest.mark.parametrize(
    ("text", "dose"),
    [("2,5 Gy", "2.5"), ("2.5Gy", "2.5"), ("RT_8Gy", "8"), ("10x2 Gy", ""), ("200 cGy", "")],
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
