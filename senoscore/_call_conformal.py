"""Per-cell p-values against control cells, and their false discovery rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["benjamini_hochberg", "conformal_p"]


def conformal_p(
    index: NDArray[np.floating[Any]],
    null: Mapping[str, NDArray[np.floating[Any]]],
    n_cells: Mapping[str, int],
) -> NDArray[np.float64]:
    """One-sided conformal p of cells that fulfil the rule, control cells being the null.

    A control cell's conformity score is its index if it fulfils the rule and minus infinity if
    not, under thresholds from the *other* control samples. With F_s(x) the share of the n_s
    cells of control sample s that score at least x, w_s proportional to min(n_s, median n) and
    N = sum of n_s::

        p(x) = (1 + N sum_s w_s F_s(x)) / (1 + N)

    Valid if a cell of the sample judged, were it not senescent, is exchangeable with a control
    cell of a sample drawn at random; no sample outweighs the others by its number of cells.

    Parameters
    ----------
    index
        Index of the cells, shape (n,).
    null
        Per control sample the index of the cells that fulfil the rule, ascending.
    n_cells
        Per control sample its number of cells; the samples of ``null`` are used.

    Returns
    -------
    Shape (n,).
    """
    samples = list(null)
    n = np.array([n_cells[s] for s in samples], dtype=np.float64)
    weight = np.minimum(n, np.median(n))
    weight /= weight.sum()
    above = np.zeros(len(index))
    for sample, w, size in zip(samples, weight, n, strict=True):
        values = null[sample]
        above += w * (len(values) - np.searchsorted(values, index, side="left")) / size
    total = n.sum()
    return np.asarray((1 + total * above) / (1 + total))


def benjamini_hochberg(p: NDArray[np.floating[Any]], *, n_tests: int) -> NDArray[np.float64]:
    """Adjust p-values where ``n_tests`` - len(p) further tests have p = 1.

    Source: Benjamini and Hochberg 1995, J R Stat Soc B 57:289.

    Returns
    -------
    Shape of ``p``.
    """
    order = np.argsort(p, kind="stable")
    ranked = p[order] * n_tests / np.arange(1, len(p) + 1)
    adjusted = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    out = np.empty(len(p))
    out[order] = adjusted
    return out
