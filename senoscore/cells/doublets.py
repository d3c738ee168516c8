"""Scrublet (Wolock, Lopez & Klein 2019, doi:10.1016/j.cels.2018.11.005) on sparse counts.

Pairs of cells are added up; a cell among whose nearest neighbours are many such pairs is likely a
doublet. The steps, their order and their constants are those of ``scanpy.pp.scrublet`` with exact
neighbours, whose scores a test compares. Scanpy turns the cells and twice as many pairs into dense
matrices and back, which took most of the time; here a z-score is a scale and a centre that the
decomposition takes into account, and nothing is dense but the components.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore.kernels import column_moments, marked_neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

__all__ = ["scrublet"]

_PAIRS_PER_CELL: Final = 2.0
_COMPONENTS: Final = 15
_MIN_CELLS, _MIN_GENES = 3, 3
_BINS: Final = 20
_MEANS: Final = (0.0125, 3.0)  # natural log of 1 + mean normalised counts
_MIN_DISPERSION: Final = 0.5


def scrublet(
    counts: sparse.csr_matrix, *, expected: float, seed: int = 0
) -> tuple[Floats, NDArray[np.bool_] | None]:
    """Score the cells of one sample, and call those above the dip between the two modes.

    Parameters
    ----------
    counts
        Counts of the cells, shape (n_cells, n_genes); no zeros are stored.
    expected
        Share of doublets that is expected, between 0 and 1.
    seed
        Of the pairs that are drawn. They are drawn by position: the order of the cells matters.

    Returns
    -------
    score
        Shape (n_cells,), 0 to 1; NaN for a cell of fewer than 3 genes.
    called
        Shape (n_cells,); None where the scores of the pairs have no two modes, or where no gene
        varies enough to compare cells by.
    """
    seen = np.bincount(counts.indices, minlength=counts.shape[1])
    counts = counts[:, seen >= _MIN_CELLS]
    fine = np.diff(counts.indptr) >= _MIN_GENES
    score = np.full(len(fine), np.nan)
    counts = counts[fine]
    varying = _varying(counts)
    if min(counts.shape[0], int(varying.sum())) <= _COMPONENTS:
        return score, None
    counts = counts[:, varying].astype(np.float64)
    of_cells, of_pairs = _likelihood(*_embedded(counts, seed), expected)
    score[fine] = of_cells
    cut = _dip(of_pairs)
    return score, None if cut is None else score > cut


def _varying(counts: sparse.csr_matrix) -> NDArray[np.bool_]:
    """Genes whose dispersion stands out among genes of like mean (Satija 2015, as in Seurat)."""
    total = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    mean, variance = _moments(counts, np.median(total[total > 0]) / np.where(total > 0, total, 1.0))
    mean[mean == 0] = 1e-12
    with np.errstate(divide="ignore"):
        dispersion = np.log(np.where(variance > 0, variance / mean, np.nan))
    mean = np.log1p(mean)
    table = pd.DataFrame({"dispersion": dispersion, "bin": pd.cut(mean, _BINS)})
    by_bin = table.groupby("bin", observed=True)["dispersion"]
    centre, spread = by_bin.transform("mean"), by_bin.transform("std")
    alone = spread.isna()  # one gene in its bin: it stands out by 1
    centre, spread = centre.mask(alone, 0.0), spread.mask(alone, centre)
    above = ((table["dispersion"] - centre) / spread).fillna(0.0).to_numpy()
    low, high = _MEANS
    return np.asarray((mean > low) & (mean < high) & (above > _MIN_DISPERSION))


def _moments(values: sparse.csr_matrix, factor: Floats) -> tuple[Floats, Floats]:
    """Mean and variance (n - 1) of every column, rows multiplied by a factor."""
    return column_moments(values.indptr, values.indices, values.data, factor, values.shape[1])


def _embedded(counts: sparse.csr_matrix, seed: int) -> tuple[Floats, Floats]:
    """Principal components of the z-scored cells, and pairs of cells in them.

    A pair has the counts of two cells that are drawn at random, no pair twice. Cells and pairs
    are brought to a million counts, so that a pair lies between its cells, at their mean by
    counts: it need not be added up gene by gene.
    """
    from sklearn.decomposition import PCA
    from sklearn.utils.random import sample_without_replacement

    n, total = counts.shape[0], np.asarray(counts.sum(axis=1)).ravel()
    cells = counts.copy()
    cells.data *= np.repeat(1e6 / np.where(total > 0, total, 1e6), np.diff(cells.indptr))
    cells.data *= (1 / np.sqrt(_moments(cells, np.ones(n))[1]))[cells.indices]
    found = PCA(n_components=_COMPONENTS, svd_solver="arpack", random_state=seed).fit(cells)
    away = found.mean_ @ found.components_.T
    placed = cells @ found.components_.T
    drawn = sample_without_replacement(n * n, int(n * _PAIRS_PER_CELL), random_state=seed)
    one, other = drawn // n, drawn % n
    both = total[one] + total[other]
    summed = (placed * total[:, None])[one] + (placed * total[:, None])[other]
    return placed - away, summed / np.where(both > 0, both, 1.0)[:, None] - away


def _likelihood(cells: Floats, pairs: Floats, rate: float) -> tuple[Floats, Floats]:
    """Bayesian likelihood of being a doublet, from the share of pairs among the neighbours."""
    n, ratio = len(cells), len(pairs) / len(cells)
    k = round(round(0.5 * np.sqrt(n)) * (1 + ratio))
    every = np.vstack([cells, pairs])
    # A pair is no neighbour of its own; k - 1 others are looked at, as in scanpy.
    share = (marked_neighbours(every, k - 1, n) + 1.0) / (k + 2)
    score = share * rate / ratio / (1 - rate - share * (1 - rate - rate / ratio))
    return score[:n], score[n:]


def _dip(score: Floats) -> float | None:
    """Score between the modes of single and of double pairs, or None."""
    from skimage.filters import threshold_minimum

    try:
        return float(threshold_minimum(score))
    except (RuntimeError, ValueError):  # one mode, or one value
        return None
