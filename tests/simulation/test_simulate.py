"""Simulated tissue: the same bits everywhere, and what is asked for is there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from senoscore.errors import ConfigError, InputError
from senoscore.simulation.files import write_study
from senoscore.simulation.tissue import design, design_of_drugs, simulate
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
    assert bits(small([0]))[:16] == "5b659fdb7a35d3c7"


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


def shares(samples, **options: float):
    adata = simulate(samples, seed=2, cells_per_sample=300, n_genes=10, **options)
    own = adata.obs[adata.obs["true_compartment"].isin(["tumour", "fibroblast"])]
    senescent = own["true_state"].astype(str).eq("senescent")
    return senescent.groupby([own["treatment"], own["drug"]], observed=True).mean()


def test_drugs_do_what_they_are_named_for() -> None:
    found = shares(design_of_drugs(replicates=2))
    assert found["irradiated", "senolytic"] < 0.6 * found["irradiated", ""]
    assert found["irradiated", "senomorphic"] > 0.7 * found["irradiated", ""]
    assert found["control", ""] < 0.03


def test_senomorphic_silences_secretion_and_nothing_else() -> None:
    row = design_of_drugs(replicates=1).query("drug == 'senomorphic'")
    options = {"seed": 2, "cells_per_sample": 400, "n_genes": 10}
    drug, vehicle = simulate(row, **options), simulate(row.assign(drug=""), **options)
    assert (drug.obs["true_state"] == vehicle.obs["true_state"]).all()
    chosen = (drug.obs["true_state"] == "senescent").to_numpy()

    def share(adata, genes: list[str]) -> float:
        counts = adata[chosen].to_df()
        return counts[genes].to_numpy().sum() / counts.to_numpy().sum()

    sasp = ["IL6", "CXCL8", "CCL2", "CXCL1", "MMP3", "MMP1", "SERPINE1"]
    assert share(drug, sasp) < share(vehicle, sasp)


def test_animals_differ_in_burden_where_asked() -> None:
    table = design_of_drugs(replicates=2).query("drug == '' and treatment == 'irradiated'")
    alike, apart = shares(table), shares(table, burden_sd=1.5)
    assert alike.iloc[0] != apart.iloc[0]


def test_unknown_drug_is_refused() -> None:
    with pytest.raises(ConfigError, match="drug is 'aspirin'"):
        simulate(design_of_drugs(replicates=1).assign(drug="aspirin"), cells_per_sample=5)


@pytest.mark.parametrize("column", ["sample", "subject", "treatment", "dose_gy", "batch"])
def test_a_sheet_without_a_needed_column_is_refused_by_name(column: str) -> None:
    with pytest.raises(InputError, match=f"samples has no column '{column}'"):
        simulate(SAMPLES.drop(columns=column), cells_per_sample=5)


def test_a_dose_or_time_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InputError, match="sample 'sham_d1_1' has dose_gy '8 Gy'"):
        simulate(SAMPLES.assign(dose_gy="8 Gy"), cells_per_sample=5)
    with pytest.raises(InputError, match="time_unit is not 'd'"):
        simulate(SAMPLES.assign(time_unit="w"), cells_per_sample=5)
