"""Sub-states within a compartment: of every cell, and their shares of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._compartments_markers import GeneSets, Rows, best, for_organism

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

__all__ = ["Substates", "substate_shares"]


class Substates:
    """Sub-states of cells, filled block by block.

    Parameters
    ----------
    table
        ``compartment``, ``substate`` and ``gene`` (human).
    genes
        Symbols of the genes of the matrix.
    n_cells
        Cells of the matrix.
    organism
        Of the matrix.
    among
        Compartments that cells can be of.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        genes: pd.Index,
        n_cells: int,
        *,
        organism: str,
        among: Collection[str],
    ) -> None:
        mapped = for_organism(table, organism)
        sets = {
            str(name): GeneSets.of(of, k.SUBSTATE, genes)
            for name, of in mapped.groupby(k.COMPARTMENT, sort=True)
            if name in among
        }
        self._sets = {name: of for name, of in sets.items() if len(of.names)}
        self._name = np.full(n_cells, None, dtype=object)
        self._confidence = np.full(n_cells, np.nan, dtype=np.float32)
        self._strength = {
            str(name): np.full(n_cells, np.nan, dtype=np.float32)
            for name in table[k.SUBSTATE].unique()
        }

    def __bool__(self) -> bool:
        """Whether there is anything to be found."""
        return bool(self._sets)

    def fill(
        self, start: int, rows: Rows, compartment: NDArray[np.object_], min_confidence: float
    ) -> None:
        """Judge some cells, given their compartments; ``start`` is the first of them."""
        for of, sets in self._sets.items():
            own = np.flatnonzero(compartment == of)
            if not len(own):
                continue
            z = rows.against_all_genes(sets)[own]
            name, sure = best(z, sets.names)
            at = start + own
            name[sure < min_confidence] = None
            self._name[at] = name
            self._confidence[at] = sure
            for i, one in enumerate(sets.names):
                self._strength[one][at] = z[:, i]

    def columns(self) -> dict[str, NDArray]:
        """Columns of the table of cells."""
        return {
            k.SUBSTATE: self._name,
            k.SUBSTATE_CONFIDENCE: self._confidence,
            **{f"{k.SUBSTATE}{k.SEP}{name}": z for name, z in self._strength.items()},
        }


def substate_shares(
    cells: pd.DataFrame, table: pd.DataFrame, *, min_cells: int = 30
) -> pd.DataFrame:
    """Count sub-states per sample and compartment.

    Parameters
    ----------
    cells
        Columns of :func:`~senoscore.compartments`, with ``dataset``, ``sample`` and ``keep``.
    table
        ``compartment`` and ``substate``: the rows wanted.
    min_cells
        With fewer kept cells of the compartment, a sample has no share and no mean.

    Returns
    -------
    dataset, sample, compartment, substate, n_cells (kept cells of the compartment), n_substate
    (those clearly in the sub-state), share, mean_strength (over all of ``n_cells``, so that two
    sub-states may rise together). No share where too few of the genes are in the matrix.
    """
    samples = cells[[k.DATASET, k.SAMPLE]].drop_duplicates()
    pairs = table[[k.COMPARTMENT, k.SUBSTATE]].drop_duplicates()
    kept = cells[cells[k.KEEP].astype(bool)]
    parts = []
    for compartment, substate in pairs.itertuples(index=False):
        own = kept[kept[k.COMPARTMENT] == compartment]
        strength = own[f"{k.SUBSTATE}{k.SEP}{substate}"]
        counted = (
            own.assign(strength=strength, yes=(own[k.SUBSTATE] == substate).astype(int))
            .groupby([k.DATASET, k.SAMPLE], as_index=False)
            .agg(
                n_cells=("yes", "size"),
                n_judged=("strength", "count"),
                n_substate=("yes", "sum"),
                mean_strength=("strength", "mean"),
            )
        )
        part = samples.merge(counted, on=[k.DATASET, k.SAMPLE], how="left")
        parts.append(part.assign(compartment=compartment, substate=substate))
    out = pd.concat(parts, ignore_index=True)
    counts = ["n_cells", "n_judged", "n_substate"]
    out[counts] = out[counts].fillna(0).astype(int)
    enough = (out["n_judged"] > 0) & (out["n_cells"] >= min_cells)
    out["share"] = (out["n_substate"] / out["n_cells"]).where(enough)
    out["mean_strength"] = out["mean_strength"].where(enough)
    names = [k.DATASET, k.SAMPLE, k.COMPARTMENT, k.SUBSTATE]
    return out[[*names, "n_cells", "n_substate", "share", "mean_strength"]].sort_values(
        names, ignore_index=True
    )
