"""Random gene sets matched on expression, for the null distribution of any score."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from senoscore.errors import MethodError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from senoscore.genesets import SignatureIndex


__all__ = ["MatchedSets", "expression_order", "matched_sets", "named_rng", "rounded"]


class MatchedSets(NamedTuple):
    """Random gene sets in CSR form, set ``r`` of part ``p`` at position ``p * n_sets + r``."""

    indptr: NDArray[np.int64]
    """Shape (n_parts * n_sets + 1,)."""
    gene_idx: NDArray[np.int64]
    """Columns of the matrix, in order of mean expression within a set."""
    n_sets: int
    position: NDArray[np.int64]
    """Position of each gene of the matrix in that order, shape (n_vars,)."""

    def of_part(self, part: int) -> NDArray[np.int64]:
        """Gene indices of all sets of one part, shape (n_sets, n_genes of the part)."""
        lo = self.indptr[part * self.n_sets]
        hi = self.indptr[(part + 1) * self.n_sets]
        return self.gene_idx[lo:hi].reshape(self.n_sets, -1)


def named_rng(seed: int, *names: str) -> np.random.Generator:
    """Random generator that depends on the seed and on these names only.

    A draw keyed by the signature's name stays the same when other signatures come or go.
    """
    digest = blake2b("\x00".join(names).encode(), digest_size=16).digest()
    words = np.frombuffer(digest, dtype="<u4")
    return np.random.default_rng(np.random.SeedSequence([seed, *(int(w) for w in words)]))


def expression_order(
    gene_means: NDArray[np.floating], var_names: NDArray[Any]
) -> NDArray[np.int64]:
    """Order genes by mean and, where equal, by name: independent of the order of the matrix.

    Means are compared to 12 digits. The last bits of a sum depend on the order of the cells, and
    what they say of two genes is not a difference.

    Parameters
    ----------
    gene_means
        Mean of each gene over all cells, finite, shape (n_vars,).
    var_names
        Unique names, shape (n_vars,).

    Returns
    -------
    Columns of the matrix, lowest mean first, shape (n_vars,).
    """
    return np.lexsort((np.asarray(var_names), rounded(gene_means))).astype(np.int64)


def rounded(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Round to 12 significant binary-scaled digits (2**-40 of the power of two above)."""
    fraction, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    return np.ldexp(np.rint(fraction * 2.0**40), exponent - 40)


def _bins(n_genes: int, n_bins: int, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bin of each gene: equal numbers of genes per bin along the order; fewer for few genes."""
    bins = np.empty(n_genes, np.int64)
    bins[order] = np.arange(n_genes) * min(n_bins, n_genes) // max(n_genes, 1)
    return bins


def _draw_distinct(
    rng: np.random.Generator, n_sets: int, n_draw: int, n_pool: int
) -> NDArray[np.int64]:
    """Draw ``n_draw`` distinct numbers below ``n_pool``, ``n_sets`` times over.

    Floyd's algorithm, one step for all sets at once: every subset is equally likely and the
    cost is ``n_sets * n_draw**2`` whatever the size of the pool.
    """
    chosen = np.empty((n_sets, n_draw), np.int64)
    for step, top in enumerate(range(n_pool - n_draw, n_pool)):
        pick = rng.integers(0, top + 1, size=n_sets)
        taken = (chosen[:, :step] == pick[:, None]).any(axis=1)
        chosen[:, step] = np.where(taken, top, pick)
    return chosen


def _strata(
    need: NDArray[np.int64], free: NDArray[np.int64], *, part: str
) -> list[tuple[int, int, int]]:
    """Join neighbouring bins into runs with enough free genes: (first bin, end bin, draws).

    A bin whose free genes do not suffice is merged with the next bins up, the last run with
    the one below, so that runs never overlap and a set never holds a gene twice.
    """
    runs: list[tuple[int, int, int]] = []
    first, wanted, n_free_all = 0, 0, 0
    for bin_, (n_need, n_free) in enumerate(zip(need, free, strict=True)):
        wanted, n_free_all = wanted + int(n_need), n_free_all + int(n_free)
        if n_free_all >= wanted:
            runs.append((first, bin_ + 1, wanted))
            first, wanted, n_free_all = bin_ + 1, 0, 0
    while wanted > n_free_all:
        if not runs:
            msg = (
                f"{part}: {need.sum()} genes need {need.sum()} others for a matched random set, "
                f"but the matrix holds only {free.sum()} others"
            )
            raise MethodError(msg, fix="use a matrix with all measured genes, or null=0")
        first, end, n_draw = runs.pop()
        wanted, n_free_all = wanted + n_draw, n_free_all + int(free[first:end].sum())
        runs.extend([(first, len(need), wanted)] if n_free_all >= wanted else [])
    return [run for run in runs if run[2] > 0]


def _draw_part(
    genes: NDArray[np.int64],
    bins: NDArray[np.int64],
    order: NDArray[np.int64],
    n_sets: int,
    rng: np.random.Generator,
    *,
    part: str,
) -> NDArray[np.int64]:
    """Draw the matched sets of one part, shape (n_sets, n_genes), by expression within a set.

    Genes are drawn by their place in the order of expression, never by their column.
    """
    n_bins = int(bins.max(initial=-1)) + 1
    is_free = np.ones(len(bins), bool)
    is_free[genes] = False
    need = np.bincount(bins[genes], minlength=n_bins)
    free = np.bincount(bins[is_free], minlength=n_bins)
    drawn = []
    for first, end, n_draw in _strata(need, free, part=part):
        pool = np.flatnonzero((is_free & (bins >= first) & (bins < end))[order])
        drawn.append(pool[_draw_distinct(rng, n_sets, n_draw, len(pool))])
    if not drawn:
        return np.empty((n_sets, 0), np.int64)
    return order[np.sort(np.concatenate(drawn, axis=1), axis=1)]


def matched_sets(
    index: SignatureIndex,
    gene_means: NDArray[np.floating],
    var_names: NDArray[Any],
    n_sets: int,
    seed: int,
    *,
    n_bins: int = 25,
) -> MatchedSets:
    """Draw random gene sets matched to each signature part on size and mean expression.

    Every gene of a part is replaced by another gene of its expression bin that is not in the
    part; a set never holds a gene twice. The draw of a part depends on the seed, the part's
    name and genes, and the genes' names and means, and on nothing else: adding, removing or
    reordering signatures changes no other null, nor does the order of the genes in the matrix.

    Parameters
    ----------
    index
        Aligned signature parts; parts that failed the gate get sets of their size as well.
    gene_means
        Mean of each gene over all cells of the data set (one global pass, never a block),
        finite, shape (n_vars,).
    var_names
        Gene names in matrix order, shape (n_vars,): they order genes of equal mean.
    n_sets
        Random sets per part (R). The smallest empirical p is 1 / (R + 1).
    seed
        Seed of the draw, non-negative.
    n_bins
        Bins of equal gene number along mean expression.

    Returns
    -------
    Sets in CSR form, part by part.

    Raises
    ------
    MethodError
        The matrix holds too few genes outside a part, or the means are not finite.
    """
    means = np.asarray(gene_means, dtype=np.float64)
    if not np.isfinite(means).all():
        msg = f"{int((~np.isfinite(means)).sum())} of {len(means)} gene means are not finite"
        raise MethodError(msg, fix="remove missing values from the matrix")
    order = expression_order(means, var_names)
    bins = _bins(len(means), n_bins, order)
    sizes, genes = [], []
    for p, name in enumerate(index.names):
        members = index.gene_idx[index.indptr[p] : index.indptr[p + 1]]
        drawn = _draw_part(
            members, bins, order, n_sets, named_rng(seed, "matched", name), part=name
        )
        sizes.append(np.full(n_sets, drawn.shape[1], np.int64))
        genes.append(drawn.ravel())
    indptr = np.zeros(len(index.names) * n_sets + 1, np.int64)
    np.cumsum(np.concatenate(sizes) if sizes else [], out=indptr[1:])
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    every = np.concatenate(genes) if genes else np.empty(0, np.int64)
    return MatchedSets(indptr, every, n_sets, position)
