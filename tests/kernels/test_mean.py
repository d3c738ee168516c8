from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from senoscore.kernels import mean
from tests.references import mean_reference as ref

N_CELLS, N_VARS = 150, 60


def counts(seed: int = 0, n_cells: int = N_CELLS, n_vars: int = N_VARS) -> np.ndarray:
    """Small counts with ties, two large values, empty rows at both ends."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(rng.gamma(0.4, 2.0, n_vars), (n_cells, n_vars))
    x[0] = x[-1] = 0
    if n_cells > 20:
        x[3, 5], x[4, 6] = 70_000, 5_000
    return x


def csr(x: np.ndarray, *, dtype=np.float64, index=np.int64, zeros=False, shuffled=False):
    """CSR arrays of a dense matrix, optionally with explicit zeros and unsorted columns."""
    m = sparse.csr_matrix(np.ones_like(x) if zeros else x)
    data = x.ravel() if zeros else m.data
    indptr, indices, data = m.indptr.astype(index), m.indices.copy(), data.astype(dtype)
    if shuffled:
        rng = np.random.default_rng(1)
        for lo, hi in pairwise(indptr):
            order = lo + rng.permutation(hi - lo)
            indices[lo:hi], data[lo:hi] = indices[order], data[order]
    return indptr, indices.astype(index), data


def weights(n_sets: int = 5, density: float = 0.3, n_vars: int = N_VARS) -> np.ndarray:
    rng = np.random.default_rng(2)
    w = rng.integers(-300, 300, (n_vars, n_sets)).astype(float)  # for both kernels
    return np.ascontiguousarray(np.where(rng.random(w.shape) < density, w, 0.0))


def by_gene(w: np.ndarray):
    s = sparse.csr_array(w)
    return np.diff(s.indptr) > 0, s.indptr.astype(np.int64), s.indices.astype(np.int32), s.data


def run(rows, normalise, lists, times, n_threads):
    n_rows, n_sets = len(rows[0]) - 1, int(lists[2].max(initial=-1)) + 1
    out = np.full((n_rows, max(n_sets, 1)), np.nan), np.full((n_rows, times.shape[1]), np.nan)
    work = partial(mean.row_sums, *rows, normalise, *lists, times)
    mean.run_rows(lambda first, stop: work(first, stop, *out), n_rows, n_threads=n_threads)
    return out


def times_sums(rows, normalise: float, w: np.ndarray, n_threads: int = 1) -> np.ndarray:
    none = by_gene(np.zeros((len(w), 1)))
    return run(rows, normalise, none, w.astype(np.int16), n_threads)[1]


def list_sums(rows, normalise: float, w: np.ndarray, n_threads: int = 1) -> np.ndarray:
    none = np.zeros((len(w), 0), np.int16)
    return run(rows, normalise, by_gene(w), none, n_threads)[0]


@pytest.mark.parametrize(
    ("dtype", "index"),
    [(np.int32, np.int32), (np.float32, np.int32), (np.int64, np.int64), (np.float64, np.int64)],
)
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_weighted_sums_match_the_dense_product(dtype, index, zeros, shuffled):
    x, w = counts(), weights()
    rows = csr(x, dtype=dtype, index=index, zeros=zeros, shuffled=shuffled)
    for normalise, expected in [(0.0, x @ w), (1e4, ref.lognormalise(x) @ w)]:
        for sums in (times_sums, list_sums):
            np.testing.assert_allclose(sums(rows, normalise, w), expected, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("n_sets", [1, 4, 33])
def test_number_of_sets_does_not_matter(n_sets):
    x, w = counts(), weights(n_sets)
    np.testing.assert_allclose(times_sums(csr(x), 0.0, w), x @ w, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_lognormalised_values(dtype):
    x = counts()
    indptr, indices, data = csr(x, dtype=dtype)
    out = np.empty(len(data))
    mean.lognormalise_rows(indptr, data, 1e4, 0, len(indptr) - 1, out)
    got = sparse.csr_matrix((out, indices, indptr), shape=x.shape).toarray()
    np.testing.assert_allclose(got, ref.lognormalise(x), rtol=1e-13)


def test_non_integer_values_are_not_looked_up_as_counts():
    x = counts() * 0.5
    out = np.empty((x > 0).sum())
    indptr, indices, data = csr(x)
    mean.lognormalise_rows(indptr, data, 1e4, 0, len(indptr) - 1, out)
    got = sparse.csr_matrix((out, indices, indptr), shape=x.shape).toarray()
    np.testing.assert_allclose(got, ref.lognormalise(x), rtol=1e-13)


def moments(x, sizes, normalise):
    acc, n = np.zeros((x.shape[1], 2)), np.zeros(x.shape[1], np.int64)
    start = 0
    for size in sizes:
        mean.add_gene_moments(*csr(x[start : start + size]), normalise, acc, n)
        start += size
    assert start == len(x)
    return acc, n


@pytest.mark.parametrize("normalise", [0.0, 1e4])
def test_moments_match_and_block_size_changes_no_bit(normalise):
    x = counts()
    values = ref.lognormalise(x) if normalise else x.astype(float)
    acc, n = moments(x, [N_CELLS], normalise)
    np.testing.assert_allclose(acc[:, 0], values.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(acc[:, 1], (values**2).sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(n, (x > 0).sum(axis=0))
    total = np.zeros(x.shape[1])
    mean.add_gene_sums(*csr(x), normalise, total)
    np.testing.assert_array_equal(total, acc[:, 0])
    for size in (1, 7, N_CELLS - 1):
        sizes = [size] * (N_CELLS // size)
        sizes += [N_CELLS - sum(sizes)] if sum(sizes) < N_CELLS else []
        again, n_again = moments(x, sizes, normalise)
        np.testing.assert_array_equal(again, acc)
        np.testing.assert_array_equal(n_again, n)


def test_counts_add_up_exactly():
    x = counts()
    total, n = np.zeros(N_VARS, np.int64), np.zeros(N_VARS, np.int64)
    _, indices, data = csr(x, dtype=np.int32, zeros=True)
    mean.add_counts(indices, data, total, n)
    np.testing.assert_array_equal(total, x.sum(axis=0))
    np.testing.assert_array_equal(n, (x > 0).sum(axis=0))


@pytest.mark.parametrize("sums", [times_sums, list_sums])
@pytest.mark.parametrize("size", [1, 7, N_CELLS - 1, N_CELLS + 1])
def test_block_size_changes_no_bit_of_the_sums(sums, size):
    x, w = counts(), weights()
    whole = sums(csr(x), 1e4, w)
    parts = [sums(csr(x[i : i + size]), 1e4, w) for i in range(0, N_CELLS, size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("sums", [times_sums, list_sums])
def test_threads_change_no_bit(sums):
    x, w = counts(n_cells=1_000), weights()
    np.testing.assert_array_equal(sums(csr(x), 1e4, w, 2), sums(csr(x), 1e4, w, 1))


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(20)))
def test_order_of_cells_only_reorders_the_sums(order):
    x, w = counts(n_cells=20), weights()
    np.testing.assert_array_equal(
        times_sums(csr(x[order]), 1e4, w), times_sums(csr(x), 1e4, w)[order]
    )


def test_input_is_not_changed():
    rows = csr(counts(), dtype=np.int32)
    before = [a.copy() for a in rows]
    times_sums(rows, 1e4, weights())
    list_sums(rows, 1e4, weights())
    for old, new in zip(before, rows, strict=True):
        np.testing.assert_array_equal(old, new)
