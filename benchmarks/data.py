"""Synthetic matrices of the shape the speed targets are stated for.

20,000 genes, about 2,200 stored values a cell, two thirds of them ones, 30 signatures of
33-125 genes. Drawing every gene of every cell costs a hundred times the scoring, so a pool of
different cells is drawn once and larger matrices repeat it; the repeats lie too far apart for a
cache or a compressor to notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from pathlib import Path

N_VARS = 20_000
MEAN_TOTAL = 4_650.0
SPREAD = 2.0  # sd of log abundance between genes
DISPERSION = 0.4  # of the negative binomial
DEPTH_SD = 0.3  # of log counts a cell
GENES = np.array([f"GENE{j:05d}" for j in range(N_VARS)])


def abundance(seed: int = 0) -> np.ndarray:
    """Share of each gene in the counts of a cell, shape (N_VARS,)."""
    share = np.random.default_rng(seed).lognormal(0.0, SPREAD, N_VARS)
    return share / share.sum()


def signatures(seed: int = 1) -> dict[str, list[str]]:
    """30 random gene sets."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(33, 126, 30)
    return {
        f"sig{p:02d}": np.sort(GENES[rng.choice(N_VARS, size, replace=False)]).tolist()
        for p, size in enumerate(sizes)
    }


def draw(
    n_cells: int, share: np.ndarray, *, seed: int, depth_sd: float = DEPTH_SD
) -> sparse.csr_matrix:
    """Negative-binomial counts; cells differ in depth only."""
    rng = np.random.default_rng(seed)
    rows = []
    for depth in MEAN_TOTAL * rng.lognormal(-(depth_sd**2) / 2, depth_sd, n_cells):
        mean = depth * share
        counts = rng.negative_binomial(1 / DISPERSION, 1 / (1 + DISPERSION * mean))
        rows.append(sparse.csr_matrix(counts.astype(np.int32)))
    return sparse.vstack(rows, format="csr", dtype=np.int32)


def draw_heavy(n_cells: int, *, seed: int) -> sparse.csr_matrix:
    """Poisson counts with long tails: log-normal means with sd 1.6, 4,100 stored values a cell."""
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(-2.2, 1.6, N_VARS)
    rows = [
        sparse.csr_matrix(rng.poisson(mean * depth).astype(np.int32))
        for depth in rng.lognormal(0.0, DEPTH_SD, n_cells)
    ]
    return sparse.vstack(rows, format="csr", dtype=np.int32)


def pool(folder: Path, n_cells: int, *, heavy: bool = False) -> sparse.csr_matrix:
    """Return the pool of different cells, drawn once per folder and size."""
    path = folder / f"{'heavy' if heavy else 'pool'}-{n_cells}.npz"
    if not path.exists():
        cells = draw_heavy(n_cells, seed=2) if heavy else draw(n_cells, abundance(), seed=2)
        sparse.save_npz(path, cells, compressed=False)
    return sparse.load_npz(path)


def tiled(cells: sparse.csr_matrix, n_cells: int) -> sparse.csr_matrix:
    """Repeat the pool to the number of cells wanted."""
    times, rest = divmod(n_cells, cells.shape[0])
    return sparse.vstack([cells] * times + [cells[:rest]], format="csr", dtype=cells.dtype)


def counts_adata(cells: sparse.csr_matrix, n_cells: int) -> ad.AnnData:
    """Counts as int32 in memory."""
    X = tiled(cells, n_cells)
    obs = pd.DataFrame(index=pd.RangeIndex(n_cells).astype(str))
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES))


def lognorm_adata(cells: sparse.csr_matrix, n_cells: int) -> ad.AnnData:
    """log1p of counts per 10,000 as float32 in memory."""
    X = cells.astype(np.float32)
    total = np.asarray(X.sum(axis=1)).ravel()
    X.data = np.log1p(X.data * np.repeat(1e4 / total, np.diff(X.indptr))).astype(np.float32)
    obs = pd.DataFrame(index=pd.RangeIndex(n_cells).astype(str))
    return ad.AnnData(tiled(X, n_cells), obs=obs, var=pd.DataFrame(index=GENES))
