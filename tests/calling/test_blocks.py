"""What the learnt call reads of a block of cells, against the dense matrix."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from senoscore.calling.engine import Columns, blocks_of


@pytest.mark.parametrize("kind", ["counts", "lognorm"])
@pytest.mark.parametrize("all_genes", [True, False])
def test_blocks_are_those_of_the_dense_matrix(kind: str, *, all_genes: bool) -> None:
    rng = np.random.default_rng(3)
    dense = rng.poisson(0.6, (50, 40)).astype(np.float64)
    if kind == "lognorm":
        dense = np.log1p(dense * 1.7)
    within = None if all_genes else rng.permutation(40)[:30]  # other genes are not there at all
    seen = dense if within is None else dense[:, within]
    use = np.array([2, 5, 11, 29])
    groups = (np.array([0, 5, 8]), np.array([], dtype=np.int64), np.array([29]))
    columns = Columns(None, use, groups, within)  # type: ignore[arg-type]  # features are not read
    blocks = list(blocks_of(ad.AnnData(sparse.csr_matrix(dense)), columns, kind, None, 16))
    assert [(rows.start, rows.stop) for rows, *_ in blocks] == [
        (0, 16),
        (16, 32),
        (32, 48),
        (48, 50),
    ]
    if kind == "counts":
        depth = np.log(np.maximum(seen.sum(axis=1), 1))
        expression = np.log1p(seen * 1e4 / np.maximum(seen.sum(axis=1, keepdims=True), 1))
    else:
        depth, expression = np.log(np.maximum((seen > 0).sum(axis=1), 1)), seen
    means = [expression[:, of].mean(axis=1) if len(of) else np.zeros(50) for of in groups]
    covariates = np.column_stack([depth - 8, (depth - 8) ** 2, *means])
    np.testing.assert_allclose(
        np.vstack([values.toarray() for _, values, _, _ in blocks]), expression[:, use], rtol=1e-12
    )
    np.testing.assert_allclose(np.vstack([c for _, _, c, _ in blocks]), covariates, rtol=1e-12)
    np.testing.assert_allclose(np.concatenate([d for *_, d in blocks]), depth, rtol=1e-12)
