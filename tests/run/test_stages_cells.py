"""The stages that read every cell of a study."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore.io.tables import write_parquet
from senoscore.run.layout import FileKind, Layout
from senoscore.run.summary import export

if TYPE_CHECKING:
    from pathlib import Path


def write_dataset(layout: Layout, name: str, scores: dict[str, list[float]]) -> None:
    cells = ["x", "y"]
    for path in (layout.qc(name), layout.scores(name), layout.calls(name)):
        path.parent.mkdir(parents=True, exist_ok=True)
    head = {"cell": cells, "sample": [f"{name}1", f"{name}2"]}
    write_parquet(pd.DataFrame({**head, "keep": [True, False], "reason": ["", "low_genes"]}),
                  layout.qc(name))  # fmt: skip
    write_parquet(
        pd.DataFrame(
            {**head, "compartment": "all", "compartment_confidence": 1.0}
            | {"substate": "", "substate_confidence": np.nan}
        ),
        layout.compartments(name),
    )
    write_parquet(pd.DataFrame({**head, **scores}), layout.scores(name))
    write_parquet(pd.DataFrame({**head, "compartment": "all", "z:sasp": [0.5, 1.5],
                                "senescence_state": "other", "reason": ""}),
                  layout.calls(name))  # fmt: skip


def test_cells_and_profiles_scored_by_other_methods_go_into_one_file(tmp_path: Path) -> None:
    ad = pytest.importorskip("anndata")
    layout = Layout(tmp_path)
    write_dataset(layout, "a", {"ucell:s": [0.1, 0.2], "ucell:r": [1.0, 2.0]})
    write_dataset(layout, "b", {"gsva:s": [0.3, 0.4]})
    kinds: list[FileKind] = ["qc", "compartments", "scores", "calls"]
    sheet = tmp_path / "samples.tsv"
    head = "sample\tsubject\ttreatment\tdose_gy\ttime_post_rt\ttime_unit\n"
    rows = [f"{name}{i}\tm{i}\tcontrol\t0\t14\td\n" for name in "ab" for i in (1, 2)]
    sheet.write_text(head + "".join(rows))
    export([layout.of(name, kinds) for name in ("a", "b")], sheet, out=layout.annotated)
    made = ad.read_h5ad(layout.annotated)
    assert made.obs_names.tolist() == ["a/x", "a/y", "b/x", "b/y"]
    assert made.obs["subject"].tolist() == ["m1", "m2"] * 2
    assert made.obs["treatment"].tolist() == ["control"] * 4
    assert made.obs["days_post_rt"].tolist() == [14.0] * 4
    assert "senescence_reason" in made.obs
    assert "reason" not in made.obs
    assert len(made.uns["senescence_state_colors"]) == made.obs["senescence_state"].nunique()
    assert made.obs["qc_reason"].tolist() == ["", "low_genes", "", "low_genes"]
    assert set(made.obsm) == {"score_ucell", "score_gsva", "senescence_evidence"}
    nan = np.nan
    expected = np.float32([[0.1, 1.0], [0.2, 2.0], [nan, nan], [nan, nan]])
    np.testing.assert_array_equal(made.obsm["score_ucell"][["s", "r"]].to_numpy(), expected)
    expected = np.float32([[nan], [nan], [0.3], [0.4]])
    np.testing.assert_array_equal(made.obsm["score_gsva"].to_numpy(), expected)
    assert made.obsm["senescence_evidence"]["sasp"].tolist() == [0.5, 1.5, 0.5, 1.5]


def test_cells_keep_the_names_of_the_input_where_these_are_unique(tmp_path: Path) -> None:
    ad = pytest.importorskip("anndata")
    layout = Layout(tmp_path)
    write_dataset(layout, "a", {"ucell:s": [0.1, 0.2]})
    sheet = tmp_path / "samples.tsv"
    head = "sample\tsubject\ttreatment\tdose_gy\ttime_post_rt\ttime_unit\n"
    sheet.write_text(head + "a1\tm1\tcontrol\t0\t14\td\na2\tm2\tirradiated\t8\t\t\n")
    kinds: list[FileKind] = ["qc", "compartments", "scores", "calls"]
    export([layout.of("a", kinds)], sheet, out=layout.annotated)
    made = ad.read_h5ad(layout.annotated)
    assert made.obs_names.tolist() == ["x", "y"]
    assert made.obs["treatment"].tolist() == ["control", "irradiated"]
    assert made.obs["dose_gy"].tolist() == [0.0, 8.0]
    assert np.isnan(made.obs["days_post_rt"].iloc[1])


def test_a_data_set_that_is_named_twice_does_not_count_twice() -> None:
    words = [sys.executable, "-m", "senoscore", "calibrate", "a", "b", "a"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "data set 'a' is named twice — name each once" in done.stderr
