"""Slow dense definitions of the mean-based scores, written from the papers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata


def lognormalise(counts: np.ndarray, target: float = 1e4) -> np.ndarray:
    """log(1 + target * x / row sum); empty rows stay zero."""
    counts = np.asarray(counts, dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts * np.divide(target, total, out=np.zeros_like(total), where=total > 0))


def weighted_mean(x: np.ndarray, genes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return (x[:, genes] * weight).sum(axis=1) / np.abs(weight).sum()


def mean_z(x: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Mean of z over the genes that vary."""
    frame = pd.DataFrame(x[:, genes])
    z = (frame - frame.mean()) / frame.std(ddof=1)
    return z.loc[:, frame.std(ddof=1) > 0].mean(axis=1).to_numpy()


def ans(x: np.ndarray, genes: np.ndarray, size: int) -> np.ndarray:
    """Signature mean minus the mean over the nearest runs of genes, one run a signature gene."""
    means = pd.Series(x.mean(axis=0)).sort_values(kind="stable")
    others = means[~means.index.isin(genes)]
    rolled = others.rolling(size).mean()
    last = set(means.index[len(means) - size // 2 :])
    kept = [g for g in genes if g not in last]
    chosen: list[int] = []
    for g in kept:
        end = int(np.nanargmin((rolled - means.loc[g]).abs()))
        chosen.extend(others.index[end - size + 1 : end + 1])
    return x[:, kept].mean(axis=1) - x[:, chosen].mean(axis=1)


def jasmine(x: np.ndarray, genes: np.ndarray, *, likelihood: bool = False) -> np.ndarray:
    """JASMINE by the 2 x 2 table of every cell, then scaled across cells."""
    n_vars = x.shape[1]
    inside = np.zeros(n_vars, dtype=bool)
    inside[genes] = True
    first, second = [], []
    for cell in x:
        on = cell != 0
        ranks = rankdata(cell[on])
        ours = ranks[inside[on]]
        first.append(ours.mean() / on.sum() if len(ours) else 0.0)
        a = int((on & inside).sum())
        b = int((~on & inside).sum()) or 1
        c = int((on & ~inside).sum()) or 1
        d = n_vars - (c + a) - b
        second.append(a * (b + d) / (b * (a + c)) if likelihood else a * d / (b * c))

    def scaled(values: list[float]) -> np.ndarray:
        v = np.asarray(values)
        span = v.max() - v.min()
        return (v - v.min()) / span if span > 0 else np.zeros_like(v)

    return (scaled(first) + scaled(second)) / 2
