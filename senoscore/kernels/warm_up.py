"""Compile the kernels of the mean-based scores for the types that occur."""

from __future__ import annotations

import numpy as np

from senoscore.kernels.against import place_among
from senoscore.kernels.census import look_at
from senoscore.kernels.digests import add_row_digests
from senoscore.kernels.jasmine import jasmine_parts
from senoscore.kernels.log_linear import log_linear_slopes
from senoscore.kernels.mean import add_detected, add_gene_moments, add_gene_sums, row_sums
from senoscore.kernels.moments import column_moments
from senoscore.kernels.neighbours import marked_neighbours
from senoscore.kernels.picked import picked_columns
from senoscore.kernels.rank import RANK_METHODS, plan_ranks, score_ranks

__all__ = ["warm_cells", "warm_mean", "warm_rank"]


def warm_cells() -> None:
    """Read and judge two cells of each kind, so that the compiled code is in the cache."""
    indptr, indices = np.array([0, 2, 3]), np.array([0, 1, 0], np.int32)
    for dtype in (np.int32, np.float32, np.float64):
        data = np.array([1, 2, 1], dtype)
        numbers, sums = np.array([1, 2], np.uint64), np.zeros(1, np.uint64)
        add_row_digests(indptr, indices, data, numbers, np.zeros(2, np.int64), sums)
        picked_columns(indptr, indices, data, np.zeros(2, np.int32), np.ones(2))
    for values in (np.ones(3, np.float32), np.ones(3)):
        column_moments(indptr.astype(np.int32), indices, values, np.ones(2), 2)
    marked_neighbours(np.zeros((2, 1)), 1, 1)
    log_linear_slopes(np.ones((2, 1)), np.arange(2.0))


def warm_mean() -> None:
    """Score one cell of each kind, so that the compiled code is in the cache."""
    indptr, indices = np.array([0, 2]), np.array([0, 1], np.int32)
    gene_ptr, gene_set = np.array([0, 1, 1]), np.array([0], np.int32)
    out = np.empty((2, 1, 1))
    for random in (np.zeros((1, 2)), np.zeros((1, 2, 2))[:, 0]):  # of one part, and of two
        place_among(np.ones(1), random, 0.0)
    for dtype in (np.int32, np.float32, np.float64):
        rows = (indptr, indices, np.array([1, 2], dtype))
        add_gene_moments(*rows, 1.0, np.zeros((2, 2)), np.zeros(2, np.int64))
        add_detected(*rows[1:], np.zeros(2, np.int64))
        add_gene_sums(*rows, 1.0, np.zeros(2))
        lists = (np.array([True, False]), gene_ptr, gene_set, np.ones(1))
        row_sums(*rows, 1.0, *lists, np.ones((2, 1), np.int16), 0, 1, out[0], out[1])
        jasmine_parts(*rows, 2, gene_ptr, gene_set, np.array([1]), False, 0, 1, out[0], out[1])  # noqa: FBT003


def warm_rank() -> None:
    """Score one cell of each kind, so that the compiled code is in the cache."""
    plan = plan_ranks(RANK_METHODS, np.array([0, 1]), np.array([0]), 3)
    indptr, indices = np.array([0, 2]), np.array([0, 1], np.int32)
    for dtype, counts in ((np.int32, True), (np.float32, True), (np.float32, False)):
        look_at(indptr, indices, np.array([1, 2], dtype), 2, limit=1e6)
        score_ranks(plan, indptr, indices, np.array([1, 2], dtype), counts=counts)
