from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senoscore.kernels import census

VALUES = st.sampled_from(
    [0.0, 1.0, 1.0, 2.0, 7.0, 29.0, 31.0, 300.0, 0.5, 31.5, -1.0, np.nan, np.inf]
)


def marks_of(row: np.ndarray, genes: np.ndarray, n_vars: int) -> int:
    """The same one property at a time."""
    tests = {
        census.NEGATIVE: (row < 0).any(),
        census.NOT_FINITE: not np.isfinite(row).all(),
        census.FRACTION: (np.floor(row) != row).any(),
        census.SEVERAL: (row > 1.5).any(),
        census.ABOVE: (row > 30).any(),
        census.ZERO: (row == 0).any(),
        census.UNSORTED: (np.diff(genes) <= 0).any(),
        census.BEYOND: (genes >= n_vars).any() or (genes < 0).any(),
    }
    return sum(mark for mark, there in tests.items() if there)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(VALUES, max_size=9), min_size=1, max_size=5),
    dtype=st.sampled_from([np.float32, np.float64, np.int32, np.int64]),
    seed=st.integers(0, 99),
)
def test_marks_and_totals_are_those_of_one_test_at_a_time(rows, dtype, seed):
    rng = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    values = np.array([value for row in rows for value in row])
    if np.issubdtype(dtype, np.integer):
        values = np.nan_to_num(values, nan=3, posinf=4)
    values = values.astype(dtype)
    genes = rng.integers(-1, 41, len(values)) if seed % 2 else np.arange(len(values))
    genes = genes.astype(np.int32 if seed % 3 else np.int64)
    total, marks = census.look_at(indptr, genes, values, 40, limit=30)
    for i, (lo, hi) in enumerate(pairwise(indptr)):
        assert marks[i] == marks_of(values[lo:hi].astype(float), genes[lo:hi], 40), i
        expected = values[lo:hi].astype(float).sum()
        assert total[i] == pytest.approx(expected, nan_ok=True)


def test_threads_change_nothing():
    rng = np.random.default_rng(0)
    indptr = np.arange(0, 20_010, 10)
    values, genes = rng.poisson(2, 20_000).astype(np.float32), np.tile(np.arange(10), 2_000)
    one, two = (census.look_at(indptr, genes, values, 10, limit=30, n_threads=k) for k in (1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
