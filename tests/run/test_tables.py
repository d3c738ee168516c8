"""Tables of cells are read in blocks of any size, for the same cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import InputError
from senoscore.io import write_parquet
from senoscore.run import tables
from senoscore.run.layout import DatasetFiles, Layout

if TYPE_CHECKING:
    from pathlib import Path

SHEET = pd.DataFrame(
    {"sample": ["a", "b", "c"], "treatment": ["x", "y", "y"], "days_post_rt": [1.0, 2.0, np.nan]}
)


def written(folder: Path, *, other: bool = False) -> DatasetFiles:
    rng = np.random.default_rng(0)
    cell = [f"cell{i}" for i in range(25)]
    data = DatasetFiles("d", Layout(folder).of("d", ("qc", "compartments", "scores")).paths)
    for kind in ("qc", "compartments", "scores"):
        data[kind].parent.mkdir(parents=True, exist_ok=True)
    quality = {
        "cell": cell, "sample": rng.choice(["a", "b", "c", "d"], 25), "keep": rng.random(25) < 0.5,
        "n_counts": rng.random(25), "n_genes": rng.integers(0, 9, 25),
    }  # fmt: skip
    write_parquet(pd.DataFrame(quality), data["qc"])
    where = {"cell": cell[::-1] if other else cell, "compartment": rng.choice(["t", "f"], 25)}
    write_parquet(pd.DataFrame(where), data["compartments"])
    write_parquet(pd.DataFrame({"cell": cell, "ucell:s": rng.random(25)}), data["scores"])
    return data


def test_blocks_of_any_size_are_the_same_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = written(tmp_path)
    found = []
    for rows in (7, 100):
        monkeypatch.setattr(tables, "BLOCK", rows)
        found.append(
            tables.judged_cells(data, SHEET, scores=["ucell:s", "none"], quality=["n_genes"])
        )
    pd.testing.assert_frame_equal(*found)
    assert found[0]["compartment"].cat.categories.tolist() == ["f", "t"]
    quality, scores = pd.read_parquet(data["qc"]), pd.read_parquet(data["scores"])
    assert found[0]["sample"].tolist() == quality["sample"].tolist()
    assert found[0]["n_genes"].tolist() == quality["n_genes"].tolist()
    assert found[0]["ucell:s"].tolist() == scores["ucell:s"].tolist()
    treatment = quality["sample"].map(SHEET.set_index("sample")["treatment"])
    assert found[0]["treatment"].astype(object).equals(treatment), "missing for a sample unknown"


def test_tables_of_other_cells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not of the same cells"):
        tables.judged_cells(written(tmp_path, other=True), SHEET)
