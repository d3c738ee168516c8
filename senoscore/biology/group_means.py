"""Mean expression of a few genes per sample, compartment and kind of cell, out of core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import names as k
from senoscore.cells import gene_symbols, organism_of, values_of
from senoscore.errors import InputError
from senoscore.genesets import genes as gene_names
from senoscore.io import flags, iter_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.io import Block


__all__ = ["ALL", "BY", "group_means", "kinds_of", "with_all"]

ALL: Final = "all"
_SCALE: Final = 1e4
_SENESCENT: Final = ("senescent", "senescent_candidate")
BY: Final = [k.SAMPLE, k.COMPARTMENT, "kind"]


def kinds_of(calls: pd.DataFrame) -> NDArray[np.object_]:
    """Kind of each called cell.

    ``senescent``: called by the learnt programme (of a single control subject: its
    candidates); where the panel calls alone, fulfils its composite rule at a day at which that can
    be senescence.
    ``acute``: fulfils it earlier. ``unknown``: not assessable. ``other``: the rest.
    """
    state = calls[k.STATE].astype(str)
    positive = calls["panel_positive"].fillna(value=False).astype(bool)
    if k.ENGINE in calls:
        # Where a programme was learnt, its call decides; the panel's rule, what is acute.
        engine = calls[k.ENGINE].astype(str)
        learned = engine.isin([k.LEARNED, k.LEARNED_SINGLE])
        found = state.eq("senescent") | (engine.eq(k.LEARNED_SINGLE) & state.isin(_SENESCENT))
        positive = positive.where(~learned, found)
    conditions = [state == "not_assessable", positive & state.isin(_SENESCENT), positive]
    choices = np.array(["unknown", "senescent", "acute"], dtype=object)
    out = np.full(len(calls), "other", dtype=object)
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        out[condition.to_numpy(dtype=bool)] = choice
    return out


def group_means(
    source: str | Path | AnnData,
    cells: pd.DataFrame | None = None,
    genes: Iterable[str] | None = None,
    *,
    var_names: Sequence[str] | None = None,
    values: str | None = None,
    organism: str | None = None,
    layer: str | None = None,
    block_cells: int = 4096,
) -> pd.DataFrame:
    """Average genes over the cells of each sample, compartment and kind.

    Parameters
    ----------
    source
        Matrix, cells by genes: an AnnData, or an .h5ad file (then give ``cells``,
        ``var_names``, ``values`` and ``organism``).
    cells
        One row a cell of the matrix, in its order: sample, compartment, ``kind`` and ``keep``
        (cells not kept do not count). None: what :func:`senoscore.call` left in the AnnData, where
        cells without ``keep`` are all kept.
    genes
        Human symbols; in another organism their one-to-one orthologs are read. None: ligands and
        receptors of the curated pairs (:func:`senoscore.crosstalk`) and the genes of
        :func:`senoscore.targets`.
    var_names
        Genes of the matrix, in order; None: those of the AnnData (symbols or Ensembl ids).
    values
        ``counts`` are brought to 10,000 a cell and log1p; ``linear`` are log1p; ``lognorm`` are
        used as they are; None: as the AnnData says, else as all its values look.
    organism
        Whose symbols ``var_names`` are; None: as the AnnData says, else as its genes look.
    layer
        Layer to read; None is X.
    block_cells
        Cells read at a time.

    Returns
    -------
    One row a group and gene found: sample, compartment, kind, n_cells, gene (human symbol),
    ``mean`` and ``detected`` (share of cells above 0).

    Raises
    ------
    InputError
        ``cells`` is not as long as the matrix, or lacks a column; there is no such layer; the
        AnnData has no calls; or a file comes without what only an AnnData says of itself.
    """
    if not isinstance(source, (str, Path)):
        cells = _called(source) if cells is None else cells
        var_names = gene_symbols(source) if var_names is None else var_names
        values = values_of(source, layer) if values is None else values
        organism = organism_of(source) if organism is None else organism
    if cells is None or var_names is None or values is None or organism is None:
        msg = "group_means of a file needs cells=, var_names=, values= and organism="
        raise InputError(msg, fix="or give the AnnData: sen.group_means(adata)")
    lacking = [name for name in (*BY, k.KEEP) if name not in cells]
    if lacking:
        msg = f"the table of cells has no column {lacking[0]!r}"
        raise InputError(msg, fix=f"columns needed: {', '.join((*BY, k.KEEP))}")
    wanted = sorted(set(_asked() if genes is None else genes))
    mapped = gene_names.orthologs(wanted, "human", organism)["target"]
    where = {str(name): i for i, name in enumerate(var_names)}
    found = [(g, where[t]) for g, t in zip(wanted, mapped, strict=True) if t in where]
    keep = flags(cells[k.KEEP]).to_numpy()
    groups = cells[BY].astype(str)
    number = np.full(len(cells), -1)
    number[keep] = groups[keep].groupby(BY, sort=True, observed=True).ngroup()
    index = groups[keep].drop_duplicates().sort_values(BY, ignore_index=True)
    sums = np.zeros((len(index), len(found)))
    positive = np.zeros_like(sums)
    columns = np.array([column for _, column in found], dtype=np.intp)
    seen = 0
    for block in iter_blocks(source, block_size=block_cells, layer=layer):
        seen = block.stop
        if block.stop > len(number):
            break
        numbers = number[block.start : block.stop]
        picked = _lognorm(block, columns, values)
        rows = np.flatnonzero(numbers >= 0)
        member = sparse.csr_matrix(
            (np.ones(len(rows)), (numbers[rows], rows)), shape=(len(index), len(numbers))
        )
        sums += (member @ picked).toarray()
        positive += (member @ (picked > 0).astype(float)).toarray()
    if seen != len(cells):
        msg = f"{len(cells)} cells for a matrix of another length"
        raise InputError(msg, fix="delete results/cells and results/calls and run again")
    n = np.bincount(number[number >= 0], minlength=len(index)).astype(float)
    out = index.loc[index.index.repeat(len(found))].reset_index(drop=True)
    out["n_cells"] = np.repeat(n, len(found)).astype("int64")
    out["gene"] = np.tile(np.array([g for g, _ in found], dtype=object), len(index))
    out["mean"] = (sums / n[:, None]).ravel()
    out["detected"] = (positive / n[:, None]).ravel()
    return out


def _called(adata: AnnData) -> pd.DataFrame:
    """Group, kind and keep of each cell that :func:`senoscore.call` has seen."""
    needed = [k.SAMPLE, k.COMPARTMENT, k.STATE, "panel_positive"]
    lacking = [name for name in needed if name not in adata.obs]
    if lacking:
        msg = f"obs has no column {lacking[0]!r}"
        fix = "run sen.score, sen.calibrate and sen.call first, or give cells="
        raise InputError(msg, fix=fix)
    cells = adata.obs[needed].reset_index(drop=True)
    keep = flags(adata.obs[k.KEEP]).to_numpy() if k.KEEP in adata.obs else True
    return cells.assign(kind=kinds_of(cells), keep=keep)


def _asked() -> set[str]:
    """Genes that crosstalk and targets ask for by default."""
    from senoscore.biology.crosstalk import curated_pairs, genes_of
    from senoscore.biology.targets import target_genes

    return {
        *genes_of(curated_pairs()),
        *(g for genes_of_class in target_genes().values() for g in genes_of_class),
    }


def _lognorm(block: Block, columns: NDArray[np.intp], values: str) -> sparse.csr_matrix:
    from senoscore.kernels import picked_columns  # compiled: who only draws does without

    place = np.full(block.n_vars, -1, dtype=np.int32)
    place[columns] = np.arange(len(columns))
    starts, at, picked, total = picked_columns(
        block.indptr, block.indices, block.data, place, np.ones(block.n_vars)
    )
    if values == k.COUNTS:
        factor = np.divide(_SCALE, total, out=np.zeros_like(total), where=total > 0)
        picked *= np.repeat(factor, np.diff(starts))
    if values != k.LOGNORM:
        np.log1p(picked, out=picked)
    shape = (block.stop - block.start, len(columns))
    return sparse.csr_matrix((picked, at, starts), shape=shape)


def with_all(expression: pd.DataFrame) -> pd.DataFrame:
    """Add the kind ``all``: every kept cell of a sample and compartment, whatever its kind."""
    weighted = expression.assign(
        mean=expression["mean"] * expression["n_cells"],
        detected=expression["detected"] * expression["n_cells"],
    )
    by = [k.SAMPLE, k.COMPARTMENT, "gene"]
    total = (
        weighted.groupby(by, sort=True, observed=True)[["n_cells", "mean", "detected"]]
        .sum()
        .reset_index()
    )
    total["mean"] /= total["n_cells"]
    total["detected"] /= total["n_cells"]
    return pd.concat([expression, total.assign(kind=ALL)], ignore_index=True)
