"""Simulated tissue: the same bits everywhere, and what is asked for is there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from senoscore.errors import ConfigError
from senoscore.simulation.files import write_study
from senoscore.simulation.tissue import design, simulate
from senoscore.study.sheets import check_sheets, read_datasets, read_samples

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = design(replicates=2, days=(1, 14))


def small(rows: list[int], **options: float):
    return simulate(SAMPLES.iloc[rows], seed=3, cells_per_sample=60, **options)


def bits(adata) -> str:
    return hashlib.sha256(np.ascontiguousarray(adata.X.toarray())).hexdigest()


def test_same_seed_same_counts_whatever_else_is_simulated() -> None:
    alone, both = small([0]), small([0, 4])
    assert bits(alone) == bits(both[: alone.n_obs])
    assert bits(alone) != bits(simulate(SAMPLES.iloc[[0]], seed=4, cells_per_sample=60))


def test_counts_are_those_of_every_supported_platform() -> None:
    assert bits(small([0]))[:16] == "e1f0ebf6ffbe2a88"


def test_simulated_tissue_can_be_written(tmp_path: Path) -> None:
    import anndata as ad

    made = small([0, 4])
    made.write_h5ad(tmp_path / "x.h5ad")
    fractions = ad.read_h5ad(tmp_path / "x.h5ad").obs["n_fractions"]
    assert fractions.isna().any()
    assert set(fractions.dropna()) == {1}


def test_depth_and_truth() -> None:
    adata = small([6], median_counts=3000)
    good = ~adata.obs["is_poor"] & ~adata.obs["is_doublet"]
    depth = np.asarray(adata[good.to_numpy()].X.sum(axis=1)).ravel()
    assert 2400 < np.median(depth) < 3800
    truth = adata.uns["truth"]
    assert truth["n_cells"].sum() == good.sum()


def test_no_burden_no_senescence() -> None:
    states = set(small([4, 5], burden=0)[:].obs["true_state"].astype(str))
    assert not states & {"senescent", "escaped"}
    assert "acute" in states


def test_design_balances_batches() -> None:
    table = design()
    counts = table.groupby(["treatment", "batch"]).size().unstack()
    assert (counts["b1"] - counts["b2"]).abs().max() <= 1


def test_study_on_disk_is_a_valid_study(tmp_path: Path) -> None:
    write_study(tmp_path, seed=1, size="tiny")
    datasets, samples = (
        read_datasets(tmp_path / "datasets.tsv"),
        read_samples(tmp_path / "samples.tsv"),
    )
    check_sheets(datasets, samples)
    assert set(datasets["format"]) == {"h5ad", "10x_mtx"}
    with pytest.raises(ConfigError, match="demo or tiny"):
        write_study(tmp_path, seed=1, size="huge")


def test_a_seed_below_zero_is_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match="seed is -1"):
        write_study(tmp_path / "study", seed=-1, size="tiny")
    assert not (tmp_path / "study").exists()
