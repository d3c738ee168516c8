"""Compile the kernels of the mean-based scores for the types that occur."""

from __future__ import annotations

import numpy as np

from senoscore.kernels.jasmine import jasmine_parts
from senoscore.kernels.mean import add_gene_moments, weighted_sums_dense, weighted_sums_lists

__all__ = ["warm_mean"]


def warm_mean() -> None:
    """Score one cell of each kind, so that the compiled code is in the cache."""
    indptr, indices = np.array([0, 2]), np.array([0, 1], np.int32)
    gene_ptr, gene_set = np.array([0, 1, 1]), np.array([0], np.int32)
    out = np.empty((2, 1, 1))
    for dtype in (np.int32, np.float32, np.float64):
        rows = (indptr, indices, np.array([1, 2], dtype))
        add_gene_moments(*rows, 1.0, np.zeros((2, 2)), np.zeros(2, np.int64))
        weighted_sums_dense(*rows, 1.0, np.ones((2, 1)), 0, 1, out[0])
        weighted_sums_lists(*rows, 1.0, gene_ptr, gene_set, np.ones(1), 0, 1, out[0])
        jasmine_parts(*rows, 2, gene_ptr, gene_set, np.array([1]), False, 0, 1, out[0], out[1])  # noqa: FBT003
