"""Quality limits by hand, and what is never dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from senoscore.cells import quality
from senoscore.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def matrix(counts: np.ndarray, sample: list[str] | str = "a", **facts: str) -> ad.AnnData:
    genes = ["MT-CO1", *[f"G{i}" for i in range(counts.shape[1] - 1)]]
    obs = pd.DataFrame({"sample": sample}, index=[f"c{i}" for i in range(len(counts))])
    adata = ad.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=genes))
    adata.uns["senoscore"] = {"values": "counts", "assay": "sc", "organism": "human", **facts}
    return adata


def cells(n: int = 60, n_genes: int = 400, seed: int = 0) -> np.ndarray:
    counts = np.random.default_rng(seed).poisson(3, (n, n_genes)).astype(np.int32)
    counts[:, 0] = 20
    return counts


def test_reasons_and_limits_by_hand() -> None:
    counts = cells()
    counts[0, 0], counts[0, 50:] = 1, 0  # few counts and few genes
    counts[1, 0] = 800  # mitochondrial
    counts[2] *= 20  # large: never dropped for it
    table, samples = quality(matrix(counts), doublets="off", min_counts=300, min_genes=100)
    reason = table.set_index("cell")["reason"]
    assert reason["c0"] == "low_counts;low_genes"
    assert reason["c1"] == "high_mt"
    assert table.set_index("cell")["keep"]["c2"]
    assert table["keep"].sum() == 58
    mt = 100 * counts[:, 0] / counts.sum(axis=1)
    spread = max(1.0, 1.4826 * np.median(np.abs(mt - np.median(mt))))
    assert samples["limit_pct_mt"].iloc[0] == pytest.approx(np.median(mt) + 5 * spread)
    logged = np.log1p(counts.sum(axis=1))
    sd = max(0.1, 1.4826 * np.median(np.abs(logged - np.median(logged))))
    expected = max(300, np.expm1(np.median(logged) - 5 * sd))
    assert samples["limit_counts"].iloc[0] == pytest.approx(expected)
    assert samples[["n_kept", "lost_high_mt"]].iloc[0].tolist() == [58, 1]


def test_limits_are_of_the_sample() -> None:
    shallow, deep = cells(seed=1), cells(seed=2) * 10
    both = np.vstack([shallow, deep])
    table, _ = quality(matrix(both, ["a"] * 60 + ["b"] * 60), doublets="off", min_genes=100)
    assert table["keep"].all()


def test_identical_cells_lose_nothing() -> None:
    counts = np.tile(cells(1), (40, 1))
    table, _ = quality(matrix(counts), doublets="off")
    assert table["keep"].all()


def test_three_cells_are_kept_and_said() -> None:
    table, samples = quality(matrix(cells(3)), doublets="off")
    assert table["keep"].all()
    assert "too few for limits" in samples["note"].iloc[0]


@pytest.mark.parametrize("facts", [{"values": "lognorm"}, {"assay": "bulk"}, {"values": "linear"}])
def test_what_is_not_counts_of_cells_is_kept_with_a_note(facts: dict[str, str]) -> None:
    table, samples = quality(matrix(cells(5), **facts))
    assert table["keep"].all()
    assert "kept" in samples["note"].iloc[0]


def test_scrublet_that_finds_doublets_everywhere_is_set_aside() -> None:
    counts = np.random.default_rng(0).poisson(1.5, (220, 300)).astype(np.int32)
    table, samples = quality(matrix(counts), min_counts=10, min_genes=10)
    note = samples["note"].iloc[0]
    called = table["doublet"].mean()
    assert called <= 0.06 or "set aside" in note
    assert np.isfinite(table["doublet_score"]).all()


def test_input_is_untouched_and_a_missing_column_is_named() -> None:
    adata = matrix(cells(5))
    before = adata.X.copy()
    quality(adata, doublets="off")
    assert (before != adata.X).nnz == 0
    with pytest.raises(InputError, match="no column 'library'"):
        quality(adata, sample="library")


def test_a_backed_matrix_gives_the_same(tmp_path: Path) -> None:
    both = np.vstack([cells(230, seed=3), cells(230, seed=4)])
    adata = matrix(both, ["a", "b"] * 230)
    adata.write_h5ad(tmp_path / "m.h5ad")
    expected = quality(adata, min_counts=0, min_genes=0)
    found = quality(ad.read_h5ad(tmp_path / "m.h5ad", backed="r"), min_counts=0, min_genes=0)
    assert expected[0]["doublet_score"].notna().any()
    for one, other in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_metrics_are_those_of_scanpy() -> None:
    adata = matrix(cells())
    adata.X[5] = 0  # a cell of nothing has no mitochondrial share
    found = quality(adata, doublets="off")[0]
    adata.var["mt"] = adata.var_names.str.startswith("MT-")
    expected = sc.pp.calculate_qc_metrics(adata, qc_vars=["mt"], percent_top=None, log1p=False)[0]
    for own, name in (
        ("n_counts", "total_counts"),
        ("n_genes", "n_genes_by_counts"),
        ("pct_mt", "pct_counts_mt"),
    ):
        np.testing.assert_array_equal(found[own], expected[name])


def test_doublet_scores_do_not_hang_on_the_number_of_threads() -> None:
    from threadpoolctl import threadpool_limits

    adata = matrix(cells(400, seed=5))
    tables = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            tables.append(quality(adata, min_counts=0, min_genes=0)[0])
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_doublets_are_looked_for_in_a_sample_of_many_cells() -> None:
    """From here on (8,192 with the simulated ones) scrublet would look for neighbours elsewhere."""
    adata = matrix(cells(2_800, n_genes=120, seed=6))
    table, samples = quality(adata, min_counts=0, min_genes=0)
    assert table.loc[table["reason"].isin(["", "doublet"]), "doublet_score"].notna().all()
    assert "not looked for" not in samples["note"].iloc[0]


def test_doublets_do_not_hang_on_the_order_of_genes_or_on_names_that_repeat() -> None:
    rng = np.random.default_rng(8)
    levels = rng.lognormal(-0.5, 1.0, 400) * rng.lognormal(0, 1.2, (4, 400))
    counts = rng.poisson(levels[rng.integers(0, 4, 300)]).astype(np.int32)
    counts[-20:] += counts[:20]
    adata = matrix(counts)
    adata.var_names = [*adata.var_names[:-1], adata.var_names[-2]]
    expected = quality(adata, min_counts=0, min_genes=0)[0]
    assert expected["doublet"].any()
    turned = adata[:, rng.permutation(adata.n_vars)].copy()
    found = quality(turned, min_counts=0, min_genes=0)[0]
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
