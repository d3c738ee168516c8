"""Quality, compartments and sub-states on an AnnData: what they write, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore.cells import assign_compartments, quality
from senoscore.errors import InputError
from senoscore.simulation.tissue import design

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    adata = sen.simulate(design().iloc[[0, 12]], seed=5, cells_per_sample=120)
    adata.uns["senoscore"] = {"values": "counts", "organism": "human"}
    return adata


def test_quality_is_marked_in_obs(tissue: ad.AnnData) -> None:
    adata = tissue.copy()
    assert sen.qc(adata) is None
    cells, samples = quality(tissue)
    for name in ("n_counts", "n_genes", "pct_mt", "doublet_score", "doublet", "keep"):
        np.testing.assert_array_equal(adata.obs[name], cells[name])
    assert adata.obs["qc_reason"].tolist() == cells["reason"].tolist()
    pd.testing.assert_frame_equal(adata.uns["senoscore"]["qc"], samples)
    assert adata.uns["senoscore"]["values"] == "counts"
    assert adata.n_obs == tissue.n_obs


def test_a_copy_leaves_the_original(tissue: ad.AnnData) -> None:
    before = list(tissue.obs), list(tissue.obsm), sorted(tissue.uns["senoscore"])
    assert "keep" in sen.qc(tissue, copy=True).obs
    assert "compartment" in sen.compartments(tissue, copy=True).obs
    assert (list(tissue.obs), list(tissue.obsm), sorted(tissue.uns["senoscore"])) == before


def test_values_without_counts_are_not_judged_and_that_is_said(
    tissue: ad.AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = tissue.copy()
    adata.X = adata.X.astype(np.float32).log1p()
    del adata.uns["senoscore"]["values"]
    adata.obs["n_counts"] = 7
    sen.qc(adata)
    assert "not counts: no limits, no doublets; every cell is kept" in caplog.text
    assert adata.obs["keep"].all()
    assert set(adata.obs["n_counts"]) == {7}


def test_a_layer_is_measured_as_x_would_be(tissue: ad.AnnData) -> None:
    """X as scanpy leaves it, counts beside it: neither is taken for the other."""
    adata = tissue.copy()
    adata.layers["counts"] = adata.X.copy()
    adata.X = adata.X.astype(np.float32).log1p()
    adata.uns["senoscore"]["values"] = "lognorm"
    sen.qc(adata, layer="counts")
    sen.compartments(adata, layer="counts")
    plain = tissue.copy()
    sen.qc(plain)
    sen.compartments(plain)
    assert not plain.obs["keep"].all()
    pd.testing.assert_frame_equal(adata.obs, plain.obs)
    lacking: list[Callable[[], object]] = [
        lambda: sen.qc(adata, layer="raw_counts"),
        lambda: sen.compartments(adata, layer="raw_counts"),
        lambda: sen.score(adata, {"a": ["CDKN1A"]}, layer="raw_counts"),
    ]
    for ask in lacking:
        with pytest.raises(InputError, match=r"no layer 'raw_counts' — layers there: counts$"):
            ask()


def test_compartments_are_written_and_survive_a_file(tissue: ad.AnnData, tmp_path: Path) -> None:
    adata = tissue.copy()
    assert sen.compartments(adata) is None
    sen.qc(adata)
    table = assign_compartments(tissue)
    adata.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    for one in (adata, back):
        assert one.obs["compartment"].tolist() == table["compartment"].tolist()
        found = one.obs["substate"].astype(object)
        assert found.where(found.notna(), None).tolist() == table["substate"].tolist()
        for name in ("compartment_confidence", "substate_confidence"):
            np.testing.assert_array_equal(one.obs[name], table[name])
        for name in one.obsm["substates"]:
            np.testing.assert_array_equal(one.obsm["substates"][name], table[f"substate:{name}"])


def test_labels_that_are_replaced_are_counted(
    tissue: ad.AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = tissue.copy()
    own = assign_compartments(adata)["compartment"].to_numpy(dtype=object)
    own[:3] = "TAM"
    adata.obs["compartment"] = pd.Categorical(own)
    sen.compartments(adata)
    assert "held other labels in 3 of 240 cells (such as 'TAM'" in caplog.text
    caplog.clear()
    sen.compartments(adata)
    assert not caplog.text
    adata.obs["compartment"] = pd.Categorical(own)
    sen.compartments(adata, column="compartment")
    assert adata.obs["compartment"].tolist()[:3] == ["macrophage"] * 3
    assert not caplog.text


def test_shares_of_substates_are_of_the_cells_that_are_kept(tissue: ad.AnnData) -> None:
    adata = tissue.copy()
    with pytest.raises(InputError, match="has no sub-states"):
        sen.substate_shares(adata)
    sen.compartments(adata)
    shares = sen.substate_shares(adata, min_cells=1)
    one = adata.obs["sample"].iloc[0]
    row = shares[(shares["sample"] == one) & (shares["substate"] == "m1_like")].iloc[0]
    own = adata.obs[(adata.obs["sample"] == one) & (adata.obs["compartment"] == "macrophage")]
    assert row["n_cells"] == len(own) > 0
    assert row["n_substate"] == (own["substate"] == "m1_like").sum()
    adata.obs["keep"] = adata.obs["compartment"] != "macrophage"
    without = sen.substate_shares(adata, min_cells=1)
    assert without.loc[without["compartment"] == "macrophage", "n_cells"].eq(0).all()


def test_a_table_of_quality_is_drawn_from_the_object(tissue: ad.AnnData) -> None:
    adata = sen.qc(tissue, copy=True)
    assert sen.pl.qc(adata.uns["senoscore"]["qc"]).to_dict()
    with pytest.raises(InputError, match=r"uns\['senoscore'\]\['qc'\]"):
        sen.pl.qc(adata)
