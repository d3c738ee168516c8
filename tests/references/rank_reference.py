"""Rank scores written out from the papers, slowly: no sorting tricks, no sparsity, one cell.

Ranks are averaged over explicit orders of tied genes where that is feasible, so that nothing
here shares an idea with the kernels.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.stats import rankdata


def tie_orders(values: np.ndarray) -> list[np.ndarray]:
    """Ranks from the top (1 = largest) under every order of tied genes, one array each."""
    groups = [np.flatnonzero(values == v) for v in sorted(set(values), reverse=True)]
    orders = []
    for choice in itertools.product(*(itertools.permutations(group) for group in groups)):
        rank = np.empty(len(values))
        rank[np.concatenate(choice).astype(int)] = np.arange(1, len(values) + 1)
        orders.append(rank)
    return orders


def ucell_of_ranks(rank: np.ndarray, genes: np.ndarray, max_rank: int) -> float:
    """UCell of one order: 1 - U / U_max with ranks capped."""
    m = min(max_rank, len(rank))
    least = sum(min(i, m) for i in range(1, len(genes) + 1))
    most = len(genes) * m
    if most <= least:
        return math.nan
    return 1 - (sum(min(rank[g], m) for g in genes) - least) / (most - least)


def aucell_of_ranks(rank: np.ndarray, genes: np.ndarray, limit: int) -> float:
    """Area under the recovery curve up to the limit, step by step, over the largest area."""
    found = [sum(rank[g] <= position for g in genes) for position in range(1, limit)]
    best = [min(position, len(genes)) for position in range(1, limit)]
    return sum(found) / sum(best)


def ucell(values: np.ndarray, genes: np.ndarray, max_rank: int = 1500) -> float:
    """Mean UCell over all orders of ties."""
    return float(np.mean([ucell_of_ranks(r, genes, max_rank) for r in tie_orders(values)]))


def aucell(values: np.ndarray, genes: np.ndarray, fraction: float = 0.05) -> float:
    """Mean AUCell over all orders of ties."""
    limit = min(max(math.ceil(fraction * len(values)), 2), max(len(values), 2))
    return float(np.mean([aucell_of_ranks(r, genes, limit) for r in tie_orders(values)]))


def ssgsea(values: np.ndarray, genes: np.ndarray, alpha: float = 0.25) -> float:
    """Mean over all orders of the running-sum difference; weights use mean ranks. Per gene."""
    n = len(values)
    if len(genes) == n:
        return math.nan
    weight = rankdata(values) ** alpha
    inside = np.isin(np.arange(n), genes)
    scores = []
    for rank in tie_orders(values):
        walk_in = walk_out = total = 0.0
        for g in np.argsort(rank):
            if inside[g]:
                walk_in += weight[g] / weight[inside].sum()
            else:
                walk_out += 1 / (n - len(genes))
            total += walk_in - walk_out
        scores.append(total / n)
    return float(np.mean(scores))


def singscore(values: np.ndarray, genes: np.ndarray) -> float:
    """Mean ascending rank, between its theoretical extremes, centred."""
    n, m = len(values), len(genes)
    if n == m:
        return math.nan
    low, high = (m + 1) / 2, (2 * n - m + 1) / 2
    return (rankdata(values)[genes].mean() - low) / (high - low) - 0.5


def ucell_r(values: np.ndarray, genes: np.ndarray, n_missing: int, max_rank: int = 1500) -> float:
    """UCell as the R package defines it: mean ranks of all genes, missing ones zeros, capped."""
    extended = np.concatenate([values, np.zeros(n_missing)])
    m = min(max_rank, len(extended))
    rank = rankdata(-extended)
    listed = np.concatenate([genes, np.arange(len(values), len(extended))])
    capped = np.minimum(rank[listed], m)
    if (capped == m).all():
        return 0.0
    least = len(listed) * (len(listed) + 1) / 2
    return float(1 - (capped.sum() - least) / (len(listed) * m - least))


def by_mean_ranks(method: str, values: np.ndarray, genes: np.ndarray) -> float:
    """Any of the four for cells too large for all orders, through closed expectations.

    Each gene's contribution is averaged over the positions its ties occupy.
    """
    values = values.astype(np.float64)  # newer SciPy ranks float32 in float32
    n = len(values)
    top = rankdata(-values, method="min").astype(int)
    ties = {v: int((values == v).sum()) for v in set(values)}
    positions = [np.arange(top[g], top[g] + ties[values[g]]) for g in genes]
    if method == "ucell":
        m = min(1500, n)
        least = np.minimum(np.arange(1, len(genes) + 1), m).sum()
        total = sum(np.minimum(p, m).mean() for p in positions)
        return 1 - (total - least) / (len(genes) * m - least)
    if method == "aucell":
        limit = max(math.ceil(0.05 * n), 2)
        area = sum(np.maximum(limit - p, 0).mean() for p in positions)
        return area / sum(min(i, len(genes)) for i in range(1, limit))
    ascending = rankdata(values)
    if method == "singscore":
        return singscore(values, genes)
    weight = ascending[genes] ** 0.25
    walk_in = (weight * ascending[genes]).sum() / weight.sum()
    rest = np.delete(ascending, genes)
    return (walk_in - rest.mean()) / n
