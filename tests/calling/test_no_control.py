"""A compartment without a control cell: a notebook compares it as the workflow does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore.errors import InputError
from senoscore.io import read_parquet
from senoscore.scoring import score_file
from tests.small_study import write_small

if TYPE_CHECKING:
    from pathlib import Path

LONE = "astrocyte"
Z, P = "score_ucell_z", "score_ucell_p"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> ad.AnnData:
    """Counts of a small study with labels; its astrocytes are of irradiated animals alone."""
    adata = sen.read(write_small(tmp_path_factory.mktemp("small")) / "batch_1.h5ad")
    sen.compartments(adata)
    lone = (adata.obs["compartment"] == LONE) & (adata.obs["treatment"] == "control")
    return adata[~lone].copy()


@pytest.fixture(scope="module")
def scored(cells: ad.AnnData) -> ad.AnnData:
    adata = cells.copy()
    sen.score(adata, sen.signatures("all"))
    return adata


def test_it_is_placed_among_the_sets_that_a_run_draws(
    scored: ad.AnnData, cells: ad.AnnData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adata = scored.copy()
    made = sen.calibrate(adata)
    assert made.by_compartment[LONE].mode == "null"
    said = next(r.message for r in caplog.records if "no control cell" in r.message)
    assert said.startswith(LONE)
    assert "compared with matched gene sets" in said
    sen.call(adata)
    own = adata.obs["compartment"] == LONE
    assert (adata.obs.loc[own, "senescence_state"] != "not_assessable").any()
    assert not (adata.obs.loc[own, "senescence_state"] == "senescent").any()
    sets = sen.signatures("all")
    named = [name for name in sen.load_panel().signatures if name in sets]
    cells.write_h5ad(tmp_path / "cells.h5ad")
    score_file(
        tmp_path / "cells.h5ad", sets, out=tmp_path / "scores.parquet", null=50,
        null_for={"ucell": named},
    )  # fmt: skip
    run = read_parquet(tmp_path / "scores.parquet")
    for name in adata.obsm[Z]:
        for key, prefix in ((Z, "ucell_z"), (P, "ucell_p")):
            expected = run[f"{prefix}:{name}"].to_numpy()[own]
            np.testing.assert_array_equal(adata.obsm[key].loc[own, name].to_numpy(), expected)
    assert adata.obsm[Z].loc[~own & (adata.obs["compartment"] == "tumour")].isna().all(axis=None)


def test_it_is_the_same_from_a_file_and_after_one(scored: ad.AnnData, tmp_path: Path) -> None:
    scored.write_h5ad(tmp_path / "scored.h5ad")
    states = []
    for adata in (scored.copy(), ad.read_h5ad(tmp_path / "scored.h5ad"),
                  ad.read_h5ad(tmp_path / "scored.h5ad", backed="r")):  # fmt: skip
        sen.calibrate(adata, learn=False)
        sen.call(adata, engine="panel")
        states.append(adata.obs["senescence_state"].astype(str))
    pd.testing.assert_series_equal(states[0], states[1], check_index_type=False)
    pd.testing.assert_series_equal(states[0], states[2], check_index_type=False)


def test_new_scores_take_away_what_was_placed(scored: ad.AnnData) -> None:
    adata = scored.copy()
    sen.calibrate(adata, learn=False)
    assert Z in adata.obsm
    sen.score(adata, sen.signatures("all"))
    assert Z not in adata.obsm
    assert P not in adata.obsm


def test_sets_that_were_drawn_already_are_left(cells: ad.AnnData) -> None:
    adata = cells.copy()
    sen.score(adata, sen.signatures("all"), null=10, seed=3)
    before = adata.obsm[Z].copy()
    sen.calibrate(adata, learn=False)
    pd.testing.assert_frame_equal(adata.obsm[Z], before)


def test_a_word_for_controls_that_nobody_has_is_refused_before_sets_are_drawn(
    scored: ad.AnnData,
) -> None:
    adata = scored.copy()
    with pytest.raises(InputError, match="names the controls"):
        sen.calibrate(adata, control="sham")
    assert Z not in adata.obsm
