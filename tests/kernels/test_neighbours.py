"""Neighbours, moments and digests against the plain calculation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from senoscore.kernels import add_row_digests, column_moments, marked_neighbours


def plainly(points: np.ndarray, k: int, first_marked: int) -> np.ndarray:
    distance = cdist(points, points, "sqeuclidean")
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return (nearest >= first_marked).sum(axis=1)


@pytest.mark.parametrize(("n", "n_dimensions", "k"), [(900, 15, 40), (333, 3, 332), (65, 1, 1)])
def test_neighbours_are_those_of_all_distances(n: int, n_dimensions: int, k: int) -> None:
    rng = np.random.default_rng(n)
    points = rng.normal(size=(n, n_dimensions)) + 4 * rng.integers(0, 3, (n, 1))
    np.testing.assert_array_equal(marked_neighbours(points, k, n // 3), plainly(points, k, n // 3))


def test_of_points_equally_far_the_earlier_are_nearer() -> None:
    points = np.random.default_rng(0).integers(0, 3, (700, 3)).astype(float)  # many are the same
    for k in (5, 60):
        np.testing.assert_array_equal(marked_neighbours(points, k, 350), plainly(points, k, 350))


def test_no_more_neighbours_than_there_are() -> None:
    with pytest.raises(ValueError, match="5 neighbours among 5 points"):
        marked_neighbours(np.zeros((5, 2)), 5, 2)


def test_moments_are_those_of_the_dense_matrix() -> None:
    rng = np.random.default_rng(1)
    values = rng.poisson(0.7, (60, 30)).astype(np.float32)
    factor = rng.uniform(0.5, 2, 60)
    X = sparse.csr_matrix(values)
    mean, variance = column_moments(X.indptr, X.indices, X.data, factor, 30)
    dense = values * factor[:, None]
    np.testing.assert_allclose(mean, dense.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance, dense.var(axis=0, ddof=1), rtol=1e-12)


def mixed(x: int) -> int:
    """SplitMix64's finaliser in whole numbers of Python."""
    whole = 2**64 - 1
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & whole
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & whole
    return x ^ (x >> 31)


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_digests_are_those_of_whole_numbers(dtype: type) -> None:
    values = np.array([[1, 0, 3], [0, 0, 0], [2, 5, 0]], dtype)
    X = sparse.csr_matrix(values)
    X.data[0] = 0  # a stored zero is none
    values[0, 0] = 0
    genes, sums = np.array([7, 2**63 + 5, 11], np.uint64), np.zeros(2, np.uint64)
    add_row_digests(X.indptr, X.indices, X.data, genes, np.array([0, 1, 0]), sums)
    expected = 0
    for row in values[[0, 2]]:
        bits = [int(np.float64(v).view(np.uint64)) for v in row]
        one = sum(mixed(int(g) ^ mixed(b)) for g, b, v in zip(genes, bits, row, strict=True) if v)
        expected += mixed(one % 2**64)
    assert sums.tolist() == [expected % 2**64, 0]
