"""Some columns and the sums of rows, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from senoscore.kernels import picked_columns


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "float16", "uint8", ">i4"])
def test_columns_and_totals_are_those_of_scipy(dtype: str) -> None:
    rng = np.random.default_rng(1)
    dense = rng.poisson(0.5, (20, 30)).astype(float)
    dense[3] = 0
    X = sparse.csr_matrix(dense)
    wanted = np.array([4, 0, 17])
    place = np.full(30, -1, np.int32)
    place[wanted] = np.arange(3)
    counted = rng.integers(0, 2, 30).astype(float)
    starts, columns, values, total = picked_columns(
        X.indptr.astype(np.int64), X.indices, X.data.astype(dtype), place, counted
    )
    found = sparse.csr_matrix((values, columns, starts), shape=(20, 3))
    np.testing.assert_array_equal(found.toarray(), dense[:, wanted])
    np.testing.assert_array_equal(total, dense @ counted)
