"""From counts to answers: order, storage and types of the input change nothing that is said.

Calls, states and counts are equal; sums of the same numbers in another order may differ in their
last bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import senoscore as sen
from senoscore.io import read_parquet
from tests.small_study import completed, write_small

if TYPE_CHECKING:
    from pathlib import Path

Tables = dict[str, pd.DataFrame]


def study(folder: Path) -> ad.AnnData:
    """Twelve mice, some given a drug; enough cells to look for doublets and to learn from."""
    samples = pd.DataFrame(
        {
            "sample": [f"s{n}" for n in range(1, 13)], "subject": [f"m{n}" for n in range(1, 13)],
            "treatment": ["control"] * 4 + ["irradiated"] * 8,
            "drug": [""] * 8 + ["senolytic"] * 4, "dose_gy": [0] * 4 + [8] * 8,
            "time_post_rt": 28, "time_unit": "d", "batch": "b1",
        }
    )  # fmt: skip
    samples.to_csv(folder / "samples.tsv", sep="\t", index=False)
    adata = sen.simulate(samples, seed=1, cells_per_sample=250, n_genes=5000, burden=3)
    adata.write_h5ad(folder / "study.h5ad")
    return sen.read(folder / "study.h5ad")


def answered(adata: ad.AnnData) -> Tables:
    """Every table from quality control to what a drug did, rows of cells by name."""
    sen.qc(adata)
    sen.compartments(adata)
    sen.score(adata, sen.signatures("all"))
    made = sen.calibrate(adata)
    sen.call(adata)
    burden = sen.burden(adata)
    trend = sen.trend(burden)
    means = sen.group_means(adata)
    sheet = burden.drop_duplicates("sample")
    arms = sen.arms(burden)
    window = sen.window(burden, trend)
    cells = {f"obsm {name}": table for name, table in adata.obsm.items()}
    obs = adata.obs.astype({n: str for n, t in adata.obs.dtypes.items() if t == "category"})
    return {name: table.sort_index() for name, table in {"obs": obs, **cells}.items()} | {
        "calibration": made.summary(), "burden": burden, "trend": trend, "arms": arms,
        "efficacy": sen.efficacy(arms), "window": window.contrasts, "times": window.times,
        "tissue": sen.tissue_burden(burden), "confounders": sen.confounders(adata, burden),
        "sensitivity": sen.sensitivity(burden), "readouts": sen.readouts(burden, trend),
        "group means": means, "targets": sen.target_values(means),
        "crosstalk": sen.crosstalk_values(means, sheet),
    }  # fmt: skip


def turned(adata: ad.AnnData, seed: int = 3) -> ad.AnnData:
    """The same cells: other order of cells and genes, storage, number type and categories."""
    rng = np.random.default_rng(seed)
    out = adata[rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)].copy()
    out.X = sparse.csc_matrix(out.X).astype(np.float64)
    for name in ("sample", "treatment", "subject", "batch", "drug"):
        values = sorted(set(out.obs[name].astype(str)), reverse=True)
        out.obs[name] = pd.Categorical(out.obs[name].astype(str), [*values, "never seen"])
    return out


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> ad.AnnData:
    return study(tmp_path_factory.mktemp("mice"))


@pytest.fixture(scope="module")
def own(given: ad.AnnData) -> Tables:
    return answered(given.copy())


def test_the_study_says_something(own: Tables) -> None:
    assert own["obs"]["doublet"].any()
    assert own["obs"]["senescence_engine"].eq("learned").any()
    assert own["obs"]["senescence_state"].eq("senescent").any()
    assert own["trend"]["status"].eq("tested").any()


def test_order_storage_and_types_change_no_answer(given: ad.AnnData, own: Tables) -> None:
    other = answered(turned(given))
    assert set(other) == set(own)
    exact = ["keep", "doublet", "doublet_score", "compartment", "senescence_state"]
    pd.testing.assert_frame_equal(own["obs"][exact], other["obs"][exact], check_exact=True)
    for name, table in own.items():
        pd.testing.assert_frame_equal(
            table, other[name], rtol=1e-6, atol=1e-9, check_dtype=False,
            check_index_type=False, obj=name,
        )  # fmt: skip


def test_a_file_that_stays_on_disk_gives_the_same(
    given: ad.AnnData, own: Tables, tmp_path: Path
) -> None:
    given.write_h5ad(tmp_path / "backed.h5ad")
    backed = ad.read_h5ad(tmp_path / "backed.h5ad", backed="r")
    other = answered(backed)
    for name in ("calibration", "burden", "trend", "group means"):
        pd.testing.assert_frame_equal(
            own[name], other[name], rtol=1e-6, atol=1e-9, check_dtype=False, obj=name
        )


def test_a_workflow_reads_files_and_rows_in_any_order(tmp_path: Path) -> None:
    results = []
    for turn in (False, True):
        folder = write_small(tmp_path / f"turned {turn}")
        if turn:
            _turn_files(folder)
        completed(folder, "results/summary/trend.tsv")
        tables = {
            name: pd.read_csv(folder / "results" / "summary" / f"{name}.tsv", sep="\t")
            for name in ("burden", "trend")
        }
        cells = read_parquet(folder / "results" / "calls" / "batch_1.parquet")
        quality = read_parquet(folder / "results" / "cells" / "batch_1.qc.parquet")
        tables |= {"calls": cells, "qc": quality}
        results.append(tables)
    one, other = results
    for name in ("calls", "qc"):
        one[name], other[name] = (
            table[name].sort_values("cell", ignore_index=True) for table in results
        )
    assert one["qc"]["doublet_score"].notna().any()
    for name, table in one.items():
        pd.testing.assert_frame_equal(
            table, other[name], rtol=1e-6, atol=1e-9, check_dtype=False, obj=name
        )


def _turn_files(folder: Path) -> None:
    """Another order of cells, genes, samples, and dense doubles in place of sparse counts."""
    rng = np.random.default_rng(5)
    path = folder / "batch_1.h5ad"
    adata = ad.read_h5ad(path)
    out = adata[rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)].copy()
    out.X = sparse.csr_matrix(out.X).toarray().astype(np.float64)
    out.write_h5ad(path)
    sheet = pd.read_csv(folder / "samples.tsv", sep="\t", dtype=str)
    sheet.iloc[::-1].to_csv(folder / "samples.tsv", sep="\t", index=False)
