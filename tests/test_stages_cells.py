"""What the stages that read every cell of a study keep of it, and that it is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore._calibrate import calibrate
from senoscore.io.tables import write_parquet
from senoscore.layout import Layout
from senoscore.panel import load_panel
from senoscore.stages.calls import _telling
from senoscore.stages.summary import export

if TYPE_CHECKING:
    from pathlib import Path

CONTROL = {"treatment": "control"}


def scored_cells() -> pd.DataFrame:
    """Cells of three controls and two treated samples; `rare` is one cell in each control."""
    rng = np.random.default_rng(7)
    panel = load_panel("default")
    rows = [
        (sample, compartment)
        for sample in ("c1", "c2", "c3", "t1", "t2")
        for compartment, n in (("main", 150), ("rare", 3 if sample == "t1" else 1))
        for _ in range(n)
    ]
    rows += [("t2", "only_treated")] * 40
    cells = pd.DataFrame(rows, columns=["sample", "compartment"])
    cells["treatment"] = np.where(cells["sample"].str.startswith("c"), "control", "irradiated")
    cells["keep"] = rng.random(len(cells)) > 0.05
    cells["n_counts"] = rng.integers(500, 5000, len(cells))
    for name in panel.signatures:
        cells[f"{panel.method}:{name}"] = rng.normal(size=len(cells)).astype(np.float32)
    return cells.sample(frac=1, random_state=1, ignore_index=True)


def test_a_calibration_of_the_cells_that_tell_is_that_of_all() -> None:
    cells = scored_cells()
    few = _telling(cells, CONTROL)
    assert (few["treatment"] != "control").sum() == 2 + 2 + 1 + 2 + 2
    whole, own = calibrate(cells, control=CONTROL), calibrate(few, control=CONTROL)
    pd.testing.assert_frame_equal(own.to_frame(), whole.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(own.rates, whole.rates, check_exact=True)
    assert own.by_compartment["only_treated"].status == "not_assessable"
    assert own.by_compartment["rare"].mode == "none"  # three cells of t1: no whole profiles


def write_dataset(layout: Layout, name: str, scores: dict[str, list[float]]) -> None:
    cells = ["x", "y"]
    for path in (layout.qc(name), layout.scores(name), layout.calls(name)):
        path.parent.mkdir(parents=True, exist_ok=True)
    head = {"cell": cells, "sample": [f"{name}1", f"{name}2"]}
    write_parquet(pd.DataFrame({**head, "keep": [True, False], "reason": ["", "low_genes"]}),
                  layout.qc(name))  # fmt: skip
    write_parquet(
        pd.DataFrame({**head, "compartment": "all", "compartment_confidence": 1.0}),
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
    export(["a", "b"], layout)
    made = ad.read_h5ad(layout.annotated)
    assert made.obs_names.tolist() == ["a/x", "a/y", "b/x", "b/y"]
    assert made.obs["qc_reason"].tolist() == ["", "low_genes", "", "low_genes"]
    assert set(made.obsm) == {"score_ucell", "score_gsva", "senescence_evidence"}
    nan = np.nan
    expected = np.float32([[0.1, 1.0], [0.2, 2.0], [nan, nan], [nan, nan]])
    np.testing.assert_array_equal(made.obsm["score_ucell"][["s", "r"]].to_numpy(), expected)
    expected = np.float32([[nan], [nan], [0.3], [0.4]])
    np.testing.assert_array_equal(made.obsm["score_gsva"].to_numpy(), expected)
    assert made.obsm["senescence_evidence"]["sasp"].tolist() == [0.5, 1.5, 0.5, 1.5]
