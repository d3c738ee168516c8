"""Cells in two dimensions, for a picture: nothing is computed from where a cell lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.errors import InputError
from senoscore.io import from_extra

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


__all__ = ["FEWEST_CELLS", "embed"]

FEWEST_CELLS: Final = 50
"""Cells below which there is no map: UMAP looks at 15 neighbours of each."""
_GENES: Final = 2000
_COMPONENTS: Final = 30
_FEWEST_GENES: Final = 200


def embed(adata: AnnData, *, seed: int = 0) -> NDArray[np.float64]:
    """Place cells by UMAP, in the usual steps of scanpy.

    Log-normalised values of the 2,000 most variable genes, 30 principal components, 15 neighbours.
    No batch is corrected.

    Parameters
    ----------
    adata
        Log-normalised values in ``X``, cells x genes; not changed.
    seed
        Of the decomposition and of UMAP. The same seed gives the same places with the same
        versions on the same machine; elsewhere the last bits of sums can lead to another picture.

    Returns
    -------
    Array of cells x 2.

    Raises
    ------
    InputError
        Fewer than 50 cells or 200 genes that vary.
    MissingExtraError
        scanpy is not installed.
    """
    sc = from_extra("scanpy", extra="embedding", what="the map of cells")
    work = adata.copy()
    sc.pp.filter_genes(work, min_cells=3)
    if work.n_obs < FEWEST_CELLS or work.n_vars < _FEWEST_GENES:
        msg = f"{work.n_obs} cells and {work.n_vars} genes are too few for a map of cells"
        fix = "set embedding.cells to 0, or bring more cells of genes that the data sets share"
        raise InputError(msg, fix=fix)
    sc.pp.highly_variable_genes(work, n_top_genes=min(_GENES, work.n_vars))
    work = work[:, work.var["highly_variable"]].copy()
    sc.pp.pca(work, n_comps=min(_COMPONENTS, *(n - 1 for n in work.shape)), random_state=seed)
    sc.pp.neighbors(work, random_state=seed)
    sc.tl.umap(work, random_state=seed)
    return np.asarray(work.obsm["X_umap"], dtype=np.float64)
