"""What scores depend on besides the biology: depth of a cell, and the other cells."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import anndata as ad
import data
import numpy as np
import pandas as pd
from measure import Row
from scipy import sparse
from scipy.stats import spearmanr

import senoscore as sen

if TYPE_CHECKING:
    from pathlib import Path

METHODS = [
    "ucell",
    "aucell",
    "ssgsea",
    "singscore",
    "score_genes",
    "seurat",
    "ans",
    "jasmine",
    "zscore",
    "wmean",
]
SETS = data.signatures()


def _scores(X: sparse.csr_matrix) -> dict[str, np.ndarray]:
    adata = ad.AnnData(
        X,
        obs=pd.DataFrame(index=pd.RangeIndex(X.shape[0]).astype(str)),
        var=pd.DataFrame(index=data.GENES),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sen.score(adata, SETS, methods=METHODS)
    return {m: adata.obsm[f"score_{m}"].to_numpy(dtype=float) for m in METHODS}


def bias(_folder: Path, *, quick: bool) -> list[Row]:
    """All cells have one expression profile and differ in depth: every correlation is bias."""
    n = 300 if quick else 2_000
    X = data.draw(n, data.abundance(), seed=5, depth_sd=0.6)
    depth, n_genes = np.asarray(X.sum(axis=1)).ravel(), np.diff(X.indptr)
    alone = _scores(X)
    other = data.draw(
        n, np.random.default_rng(6).permutation(data.abundance()), seed=7, depth_sd=0.6
    )
    mixed = _scores(sparse.vstack([X, other], format="csr"))
    rows = []
    for method in METHODS:
        rho = [
            np.array([spearmanr(column, against).statistic for column in alone[method].T])
            for against in (depth, n_genes)
        ]
        moved = np.abs(mixed[method][:n] - alone[method]).mean(axis=0) / alone[method].std(axis=0)
        extra = {
            "low": np.quantile(rho[0], 0.1),
            "high": np.quantile(rho[0], 0.9),
            "size": np.median(np.abs(rho[0])),
            "genes": np.median(rho[1]),
            "moved": np.median(moved),
        }
        extra = {name: float(value) for name, value in extra.items()}
        rows.append(Row(method, n, float(np.median(rho[0])), "rho", extra=extra))
    return rows
