"""Doublets against scanpy's scrublet, which is the reference, and against planted ones."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse

from senoscore.cells.doublets import scrublet


def tissue(
    n: int = 300, n_planted: int = 24, seed: int = 0
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Four kinds of cells, and the sums of two of different kinds last."""
    rng = np.random.default_rng(seed)
    means = rng.lognormal(-0.5, 1.0, 500) * rng.lognormal(0, 1.2, (4, 500))
    kind = rng.integers(0, 4, n)
    counts = rng.poisson(means[kind])
    one = rng.integers(0, n, n_planted)
    other = [rng.choice(np.flatnonzero(kind != kind[i])) for i in one]
    planted = counts[one] + counts[other]
    every = sparse.csr_matrix(np.vstack([counts, planted]).astype(np.float32))
    return every, np.arange(n + n_planted) >= n


@pytest.mark.parametrize("seed", [0, 1])
def test_scores_and_calls_are_those_of_scanpy(seed: int) -> None:
    """It keeps 32-bit floats, so that a neighbour at the same distance may be another."""
    counts, _ = tissue(seed=seed)
    reference = ad.AnnData(counts.copy())
    sc.pp.scrublet(
        reference,
        expected_doublet_rate=0.05,
        n_prin_comps=15,
        use_approx_neighbors=False,
        random_state=seed,
        verbose=False,
    )
    score, called = scrublet(counts, expected=0.05, seed=seed)
    expected = reference.obs["doublet_score"].to_numpy()
    assert np.mean(np.isclose(score, expected, rtol=1e-9)) > 0.98
    assert called is not None
    np.testing.assert_array_equal(called, reference.obs["predicted_doublet"].to_numpy(dtype=bool))


def test_planted_doublets_stand_above_the_cells() -> None:
    counts, planted = tissue()
    score, called = scrublet(counts, expected=0.08, seed=0)
    above = (score[planted][:, None] > score[~planted]).mean()  # area under the curve
    assert above > 0.9
    assert called is not None
    assert called[planted].mean() > 0.5
    assert called[~planted].mean() < 0.1


def test_an_empty_cell_has_no_score_and_alike_genes_no_answer() -> None:
    counts, _ = tissue()
    counts = sparse.vstack([counts, sparse.csr_matrix((1, counts.shape[1]))], format="csr")
    score, _ = scrublet(counts.astype(np.float32), expected=0.05)
    assert np.isnan(score[-1])
    assert np.isfinite(score[:-1]).all()
    few, called = scrublet(counts[:, :10], expected=0.05)
    assert np.isnan(few).all()
    assert called is None
