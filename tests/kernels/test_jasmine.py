from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from senoscore.kernels.jasmine import jasmine_parts
from tests.references import mean_reference as ref

N_VARS = 60


def counts() -> np.ndarray:
    """Small counts with ties, two large values, one cell with a single gene."""
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(0.4, 2.0, N_VARS), (100, N_VARS))
    x[3, 5], x[4, 6] = 70_000, 4_095
    x[5] = 0
    x[5, 0] = 1
    return x


def csr(x: np.ndarray, *, dtype=np.float64, zeros=False):
    """CSR arrays of a dense matrix, optionally with every zero stored."""
    m = sparse.csr_matrix(np.ones_like(x) if zeros else x)
    data = x.ravel() if zeros else m.data
    return m.indptr.astype(np.int64), m.indices, data.astype(dtype)


def jasmine(rows, genes: list[np.ndarray], *, likelihood: bool, n_vars: int = N_VARS):
    member = np.zeros((n_vars, len(genes)))
    for p, g in enumerate(genes):
        member[g, p] = 1
    s = sparse.csr_array(member)
    out = np.full((2, len(rows[0]) - 1, len(genes)), np.nan)
    jasmine_parts(
        *rows,
        n_vars,
        s.indptr.astype(np.int64),
        s.indices.astype(np.int32),
        np.array([len(g) for g in genes]),
        likelihood,
        0,
        len(rows[0]) - 1,
        out[0],
        out[1],
    )
    return out


@pytest.mark.parametrize("likelihood", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("zeros", [False, True])
def test_jasmine_matches_the_table_of_every_cell(likelihood, scale, zeros):
    """Counts (ranked by counting) and fractions (ranked by sorting), one gene and many."""
    x = counts() * scale
    genes = [np.arange(0, 24, 2), np.array([7]), np.arange(N_VARS)]
    first, second = jasmine(csr(x, zeros=zeros), genes, likelihood=likelihood)
    for p, g in enumerate(genes):
        spans = [np.ptp(first[:, p]), np.ptp(second[:, p])]
        got = sum(
            (v[:, p] - v[:, p].min()) / (span or 1.0)
            for v, span in zip((first, second), spans, strict=True)
        )
        np.testing.assert_allclose(
            got / 2, ref.jasmine(x, g, likelihood=likelihood), rtol=1e-12, atol=1e-14
        )


def test_jasmine_of_an_empty_cell_is_zero():
    first, second = jasmine(csr(np.zeros((2, N_VARS))), [np.arange(5)], likelihood=False)
    np.testing.assert_array_equal(first, 0)
    np.testing.assert_array_equal(second, 0)


def test_jasmine_by_hand():
    """Cell (0, 3, 1, 1), set {gene 1, gene 2}: ranks 3 and 1.5 of 3; table a=2 b=0->1 c=1 d=0."""
    rows = csr(np.array([[0, 3, 1, 1]]), dtype=np.int32)
    first, second = jasmine(rows, [np.array([1, 2])], likelihood=False, n_vars=4)
    assert first[0, 0] == pytest.approx((3 + 1.5) / 2 / 3)
    assert second[0, 0] == 0.0
