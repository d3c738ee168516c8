"""Control genes of a signature, chosen by mean expression over the whole data set."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from senoscore.errors import MethodError
from senoscore.scoring.null import expression_order, named_rng, rounded
from senoscore.scoring.reference import load_npz, save_npz

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from senoscore.genesets import SignatureIndex


__all__ = ["ControlGenes", "ans_controls", "scanpy_controls", "seurat_controls"]

log = logging.getLogger(__name__)

_KIND = "senoscore control genes 1"


class ControlGenes(NamedTuple):
    """Control genes of every signature part, in CSR form."""

    names: tuple[str, ...]
    """Parts, as in the signature index."""
    indptr: NDArray[np.int64]
    """Shape (n_parts + 1,)."""
    gene_idx: NDArray[np.int64]
    """Columns of the matrix, ascending within a part, each once."""
    times: NDArray[np.int64]
    """How often the gene counts in the mean of the controls."""
    kept: NDArray[np.bool_]
    """For each entry of the signature index: does the gene enter the signature mean?"""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the choice to an ``.npz`` file, whole or not at all, without pickle."""
        save_npz(path, _KIND, **{**self._asdict(), "names": np.array(self.names, dtype=np.str_)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ControlGenes:
        """Read a choice written by :meth:`save`; InputError if the file is something else."""
        arrays: dict[str, Any] = dict(load_npz(path, _KIND))
        arrays["names"] = tuple(str(name) for name in arrays["names"])
        return cls(**arrays)


def _collect(
    names: tuple[str, ...], chosen: Sequence[NDArray[np.int64]], kept: NDArray[np.bool_]
) -> ControlGenes:
    """Join the draws of the parts (with repeats) into one table."""
    unique = [np.unique(genes, return_counts=True) for genes in chosen]
    indptr = np.zeros(len(names) + 1, np.int64)
    np.cumsum([len(genes) for genes, _ in unique], out=indptr[1:])
    empty = [np.empty(0, np.int64)]
    return ControlGenes(
        names,
        indptr,
        np.concatenate([genes for genes, _ in unique] or empty).astype(np.int64),
        np.concatenate([count for _, count in unique] or empty).astype(np.int64),
        kept,
    )


def _parts(index: SignatureIndex) -> list[NDArray[np.int64]]:
    return [
        np.asarray(index.gene_idx[lo:hi], dtype=np.int64)
        for lo, hi in zip(index.indptr[:-1], index.indptr[1:], strict=True)
    ]


def scanpy_controls(
    index: SignatureIndex,
    gene_means: NDArray[np.float64],
    *,
    var_names: NDArray[Any] | None = None,
    seed: int = 0,
    ctrl_size: int = 50,
    n_bins: int = 25,
) -> ControlGenes:
    """Choose controls as ``scanpy.tl.score_genes`` does, by name or exactly by its own draw.

    Genes are cut into bins by the rank of their mean. From every bin that holds a signature
    gene, up to ``ctrl_size`` genes are drawn; signature genes among them are then taken out and
    the bins joined. Every part starts the random stream anew from ``seed``, as one call of
    scanpy with ``random_state=seed`` does, so parts do not influence each other.

    scanpy (1.11.5 and 1.12.4) draws by position, so that its scores change with the order of the
    genes in the matrix. Without ``var_names`` this is reproduced to the bit. With them, the
    genes of a bin are drawn from in order of their names, and means that differ in the last bits
    only are equal: the same distribution, whatever the order of genes and cells.

    Parameters
    ----------
    index
        Aligned signature parts.
    gene_means
        Mean of each gene over all cells, shape (n_vars,). For scanpy's very draw they must be
        float64 sums in cell order (:class:`senoscore.scoring.reference.Reference`) of float64 data.
    var_names
        Gene names in matrix order, shape (n_vars,); None draws by position, as scanpy does.
    seed, ctrl_size, n_bins
        scanpy's ``random_state``, ``ctrl_size`` and ``n_bins``.

    Returns
    -------
    The control genes, each counting once.

    Raises
    ------
    MethodError
        A part has signature genes but no control gene is left in their bins.
    """
    items = round(len(gene_means) / (n_bins - 1))
    by_name = None if var_names is None else np.argsort(np.asarray(var_names), kind="stable")
    means = np.asarray(gene_means if by_name is None else rounded(gene_means))
    rank = np.searchsorted(np.sort(means), means) + 1.0  # of equal ones that of the first
    cut = rank // items if items else np.zeros(len(rank))
    listed = np.arange(len(cut)) if by_name is None else by_name
    members = {value: listed[cut[listed] == value] for value in np.unique(cut)}
    chosen = []
    for name, genes in zip(index.names, _parts(index), strict=True):
        # The legacy generator is what scanpy seeds; only it repeats scanpy's draw.
        rng = np.random.RandomState(seed)
        drawn = [np.empty(0, np.int64)]
        for value in np.unique(cut[genes]):
            pool = members[value]
            if ctrl_size < len(pool):
                pool = pool[rng.choice(len(pool), size=ctrl_size, replace=False)]
            drawn.append(np.setdiff1d(pool, genes))
        controls = np.concatenate(drawn)
        if len(genes) and not len(controls):
            msg = f"{name}: no control genes in the expression bins of its {len(genes)} genes"
            raise MethodError(msg, fix="use a matrix with all measured genes, or a rank score")
        chosen.append(controls)
    return _collect(tuple(index.names), chosen, np.ones(len(index.gene_idx), bool))


def seurat_controls(
    index: SignatureIndex,
    gene_means: NDArray[np.float64],
    var_names: NDArray[np.str_],
    *,
    seed: int = 0,
    n_controls: int = 100,
    n_bins: int = 24,
) -> ControlGenes:
    """Choose controls as ``Seurat::AddModuleScore`` does (after Tirosh et al. 2016).

    Genes in order of mean expression are cut into bins of equal number. For every signature
    gene, ``n_controls`` genes are drawn from its bin without replacement; draws for different
    genes are independent, signature genes are not excluded, and the draws of a part are joined
    with each gene counting once.

    R's random numbers cannot be reproduced here, so the drawn genes differ from those of any R
    session; ours depend on the seed, the part's name and the genes' names and means. Seurat
    breaks ties of the mean at random, we break them by name. Where a bin has fewer than
    ``n_controls`` genes, Seurat stops; we take the whole bin.

    Parameters
    ----------
    index
        Aligned signature parts.
    gene_means
        Mean of each gene over all cells, shape (n_vars,).
    var_names
        Gene names in matrix order, shape (n_vars,).
    seed
        Seed of the draw, non-negative.
    n_controls, n_bins
        Seurat's ``ctrl`` and ``nbin``.

    Returns
    -------
    The control genes, each counting once.
    """
    order = expression_order(gene_means, var_names)
    n_genes = len(order)
    bin_of = np.empty(n_genes, np.int64)
    bin_of[order] = np.arange(n_genes) * min(n_bins, n_genes) // max(n_genes, 1)
    pools = [order[bin_of[order] == value] for value in range(min(n_bins, n_genes))]
    names = np.asarray(var_names)
    chosen = []
    for name, genes in zip(index.names, _parts(index), strict=True):
        rng = named_rng(seed, "seurat", name)
        drawn = [np.empty(0, np.int64)]
        for gene in genes[np.argsort(names[genes], kind="stable")]:
            pool = pools[bin_of[gene]]
            drawn.append(rng.choice(pool, min(n_controls, len(pool)), replace=False))
        chosen.append(np.unique(np.concatenate(drawn)))
    return _collect(tuple(index.names), chosen, np.ones(len(index.gene_idx), bool))


def ans_controls(
    index: SignatureIndex,
    gene_means: NDArray[np.float64],
    var_names: NDArray[np.str_],
    *,
    n_controls: int = 100,
) -> ControlGenes:
    """Choose the neighbours of every signature gene on the list of genes by mean expression.

    Adjusted neighbourhood scoring (Ciernik et al., Genome Research 2026;36:630,
    doi:10.1101/gr.280926.125), by the
    definition of the authors' package: of all runs of ``n_controls`` consecutive genes outside
    the signature, in order of mean expression, a signature gene gets the run whose mean is
    nearest to its own (the lower one of equals). The score subtracts the mean over all runs, a
    gene counting as often as it was chosen. Signature genes among the ``n_controls // 2`` genes
    of highest expression have no neighbours on their upper side and leave the signature, as in
    the package. Nothing is random.

    Deviations: genes of equal mean are ordered by name (in the package the sort leaves their
    order open); where fewer than ``n_controls`` genes lie outside the signature, all of them
    are taken and no gene leaves the signature (the package stops); a signature of which no
    gene stays scores NaN (the package stops).

    Parameters
    ----------
    index
        Aligned signature parts.
    gene_means
        Mean of each gene over all cells, shape (n_vars,).
    var_names
        Gene names in matrix order, shape (n_vars,).
    n_controls
        Control genes per signature gene.

    Returns
    -------
    The control genes with the number of runs they are in, and the signature genes kept.

    Raises
    ------
    MethodError
        The matrix holds no gene outside a part.
    """
    means = rounded(gene_means)  # the last bits depend on the order of the cells
    order = expression_order(means, var_names)
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    chosen, kept = [], []
    for name, genes in zip(index.names, _parts(index), strict=True):
        outside = order[~np.isin(order, genes)]
        if not len(outside):
            msg = f"{name}: the matrix holds no gene outside the signature"
            raise MethodError(msg, fix="use a matrix with all measured genes, or a rank score")
        width = min(n_controls, len(outside))
        runs = np.lib.stride_tricks.sliding_window_view(means[outside], width)
        run_means = runs.mean(axis=1)
        complete = len(outside) >= n_controls
        stays = (
            position[genes] < len(order) - n_controls // 2
            if complete
            else np.ones(len(genes), bool)
        )
        if not stays.all():
            log.info("ans, %s: %d of %d genes too high for controls", name, sum(~stays), len(genes))
        starts = [int(np.argmin(np.abs(run_means - means[g]))) for g in genes[stays]]
        chosen.append(
            np.concatenate(
                [np.empty(0, np.int64), *(outside[first : first + width] for first in starts)]
            )
        )
        kept.append(stays)
    return _collect(tuple(index.names), chosen, np.concatenate(kept) if kept else np.empty(0, bool))
