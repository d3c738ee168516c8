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
