"""Compile the rank kernels for the types that occur."""

from __future__ import annotations

import numpy as np

from senoscore.kernels.rank import RANK_METHODS, plan_ranks, score_ranks

__all__ = ["warm_rank"]


def warm_rank() -> None:
    """Score one cell of each kind, so that the compiled code is in the cache."""
    plan = plan_ranks(RANK_METHODS, np.array([0, 1]), np.array([0]), 3)
    indptr, indices = np.array([0, 2]), np.array([0, 1], np.int32)
    for dtype, counts in ((np.int32, True), (np.float32, True), (np.float32, False)):
        score_ranks(plan, indptr, indices, np.array([1, 2], dtype), counts=counts)
