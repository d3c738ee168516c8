"""Place some cells among matched random sets, after all of them were scored without."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.genesets import Gate, SignatureSet
from senoscore.scoring.engine import Run, cpus
from senoscore.scoring.inputs import from_anndata

if TYPE_CHECKING:
    from collections.abc import Container

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["NULL_SETS", "kept_signatures", "place_among_random"]

NULL_SETS: Final = 50
"""Random sets of each signature where nobody says how many."""
_KEPT: Final = ["signature", "gene", "direction", "weight", "status", "organism"]
_BLOCK: Final = 4096


def kept_signatures(sigs: SignatureSet) -> pd.DataFrame:
    """Return the genes of signatures, as an AnnData keeps them beside their scores."""
    return sigs.to_frame()[_KEPT]


def place_among_random(
    adata: AnnData,
    rows: NDArray[np.bool_],
    wanted: Container[str],
    *,
    method: str,
    n_sets: int = NULL_SETS,
) -> bool:
    """Score matched random sets in some cells, as ``score(..., null=n_sets)`` does in all.

    Random sets are matched on the mean expression in all cells, so that the numbers are those of
    that call. Sets ``adata.obsm["score_<method>_z"]`` and ``_p``, NaN in other cells.

    Parameters
    ----------
    adata
        Scored by :func:`score`.
    rows
        Cells to place, shape (n_cells,).
    wanted
        Signatures to place; those that were not scored are left out.
    method
        Scoring method.

    Returns
    -------
    Whether that could be done: the scores are those of :func:`score`, of no exact mode and not
    placed yet.

    Raises
    ------
    MethodError
        The method takes no random sets, or the matrix holds too few genes.
    """
    entry = dict(adata.uns.get(k.UNS, {}))
    said = dict(entry.get("score", {})).get(method)
    genes = dict(entry.get("signatures", {})).get(method)
    if said is None or genes is None or int(said["null"]) or str(said["exact"]):
        return False
    sigs = SignatureSet.from_frame(genes[genes["signature"].isin([*_names(genes, wanted)])])
    if not len(sigs):
        return False
    layer = None if said["layer"] == "X" else str(said["layer"])
    gate = Gate(float(said["gate_min_fraction"]), int(said["gate_min_genes"]))
    options = (sigs, (method,), None, gate, n_sets, int(said["seed"]), _BLOCK, cpus())
    some = adata[np.flatnonzero(rows)]
    some = some.to_memory() if adata.isbacked else some.copy()
    if layer is None:
        some.uns[k.UNS] = {**entry, "values": str(said["values"])}
    with TemporaryDirectory() as folder:
        moments = Path(folder) / "genes.npz"
        Run(from_anndata(adata, layer, cpus()), *options, reference=moments)
        scores = Run(from_anndata(some, layer, cpus()), *options, reference=moments).collect(None)
    for suffix in ("_z", "_p"):
        table = pd.DataFrame(np.nan, adata.obs_names, list(scores[method + suffix]), np.float32)
        table.loc[rows] = pd.DataFrame(scores[method + suffix]).to_numpy()
        adata.obsm[k.OBSM_SCORE.format(method=method + suffix)] = table
    return True


def _names(genes: pd.DataFrame, wanted: Any) -> list[str]:
    return [name for name in map(str, genes["signature"].unique()) if name in wanted]
