"""A senescent programme that no panel knows, added to counts of cells that are not senescent.

The simulated tissue of the package raises, in part, the genes that the panel reads. Here the
programme of a replicate is drawn at random from the union of all published senescence gene lists,
so that no list, ours included, is favoured; most genes of any one list do not move. Counts are
changed cell by cell: a gene that falls is thinned binomially, a gene that rises gets Poisson
counts on top of what is there, in proportion to its mean in the compartment. That also works on
real cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

import senoscore as sen

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

SOURCES: Final = (
    "senmayo", "corescence", "fridman", "casella_core", "hernandez_segura_core",
    "sennet_recommended", "reactome_cellular_senescence", "reactome_sasp", "tang_p53_senescence",
    "fischer_p53_direct", "p53_targets", "cdki", "lysosome", "sasp_secreted", "chromatin_nuclear",
)  # fmt: skip
CYCLE: Final = ("proliferation", "fischer_dream", "g1s", "g2m")
MOVES: Final = 0.35
"""Share of the listed genes that move in a replicate."""
MEAN_CHANGE: Final = 0.8
"""Mean natural log change of those that do."""


def programme(rng: np.random.Generator, genes: NDArray[np.object_]) -> NDArray[np.float64]:
    """Draw the natural log change of every gene, shape (n_genes,)."""
    direction: dict[str, float] = {}
    for name in (*SOURCES, *CYCLE):
        signature = sen.signatures(name)[name]
        falling = name in CYCLE
        for gene in signature.up:
            direction.setdefault(gene, -1.0 if falling else 1.0)
        for gene in signature.down:
            direction.setdefault(gene, -1.0)
    change = np.zeros(len(genes))
    for i, gene in enumerate(genes):
        if gene in direction and rng.random() < MOVES:
            change[i] = direction[gene] * rng.gamma(4.0, MEAN_CHANGE / 4.0)
    elsewhere = rng.random(len(genes)) < 0.04
    change[elsewhere] += rng.normal(0, 0.6, elsewhere.sum())
    return change


def spiked(
    adata: ad.AnnData, chosen: NDArray[np.bool_], *, rng: np.random.Generator, strength: float = 1.0
) -> ad.AnnData:
    """Return the cells with a programme added to the chosen ones.

    Parameters
    ----------
    adata
        Counts; ``obs["compartment"]``.
    chosen
        Cells to change, shape (n_cells,).
    strength
        Factor on the log changes; every cell is in it more or less deeply (0.5 to 1.5 times).
    """
    change = strength * programme(rng, adata.var_names.to_numpy(dtype=object))
    X = sparse.csr_matrix(adata.X).astype(np.int64).tolil(copy=False)
    counts = sparse.csr_matrix(adata.X).astype(np.int64)
    total = np.asarray(counts.sum(axis=1)).ravel()
    names = adata.obs["compartment"].astype(str).to_numpy()
    share = {}
    for name in np.unique(names):
        mean = np.asarray(counts[names == name].sum(axis=0)).ravel()
        share[name] = mean / max(mean.sum(), 1)
    moving = np.flatnonzero(change)
    for i in np.flatnonzero(chosen):
        mine = change[moving] * rng.uniform(0.5, 1.5)
        old = np.asarray(counts[i, moving].todense()).ravel()
        kept = rng.binomial(old, np.exp(np.minimum(mine, 0)))
        more = rng.poisson(total[i] * share[names[i]][moving] * np.expm1(np.maximum(mine, 0)))
        X[i, moving] = kept + more
    out = adata.copy()
    out.X = sparse.csr_matrix(X, dtype=np.int32)
    return out
