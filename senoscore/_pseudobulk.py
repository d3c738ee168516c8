"""Summed counts of each sample and compartment, out of core: whole-transcriptome profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import _keys as k
from senoscore._trend_data import ARM
from senoscore.errors import InputError
from senoscore.io.blocks import iter_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["pseudobulk", "sum_counts"]

_DESIGN: Final = (
    k.DATASET, "assay", "organism", k.SUBJECT, *ARM, k.DAYS, k.BATCH, "region",
)  # fmt: skip


def sum_counts(
    source: str | Path | AnnData, groups: NDArray[np.int64], n_groups: int
) -> sparse.csr_matrix:
    """Sum the rows of a matrix by group, block by block.

    Parameters
    ----------
    source
        Path of an .h5ad file, or an AnnData; X is read.
    groups
        Group of each cell (n_cells,), 0 to ``n_groups`` - 1; -1 leaves a cell out.
    n_groups
        Number of groups.

    Returns
    -------
    Sums, ``n_groups`` x genes, float64.

    Raises
    ------
    InputError
        There are more or fewer cells than groups were given for.
    """
    total: sparse.csr_matrix | None = None
    seen = 0
    for block in iter_blocks(source):
        own = groups[block.start : block.stop]
        seen = block.stop
        if len(own) < block.stop - block.start:
            continue
        rows = np.flatnonzero(own >= 0)
        ones = np.ones(len(rows))
        pick = sparse.csr_matrix((ones, (own[rows], rows)), shape=(n_groups, len(own)))
        part = pick @ block.to_csr().astype(np.float64)
        total = part if total is None else total + part
    if total is None or seen != len(groups):
        msg = f"the matrix has {seen} cells, groups were given for {len(groups)}"
        raise InputError(msg, fix="give one group a cell, in the order of the matrix")
    return sparse.csr_matrix(total)


def pseudobulk(
    sources: Mapping[str, str | Path | AnnData], cells: pd.DataFrame, burden: pd.DataFrame
) -> AnnData:
    """Sum the counts of the kept cells of every data set, sample and compartment.

    Parameters
    ----------
    sources
        Matrix of raw counts of each data set, with gene symbols as names.
    cells
        One row a cell, in the order of the matrices: ``dataset``, ``sample``, ``compartment``;
        ``keep`` false does not count.
    burden
        As :func:`senoscore.burden` gives it: the design of each sample.

    Returns
    -------
    Observations are sample x compartment (those with a cell) with the design, ``n_cells`` and
    ``total_counts``; X holds the sums (CSR). Variables are the genes of all data sets, with one
    column ``in:<dataset>`` each: a gene that a data set does not have is 0 there and not
    measured, which is not the same.
    """
    import anndata as ad

    sheet = burden.drop_duplicates(k.SAMPLE).set_index(k.SAMPLE)
    parts: list[sparse.csr_matrix] = []
    tables: list[pd.DataFrame] = []
    names: list[pd.Index] = []
    for dataset, source in sources.items():
        own = cells[cells[k.DATASET].astype(str) == dataset]
        kept = own[k.KEEP].astype(bool) if k.KEEP in own else own[k.SAMPLE].notna()
        key = own[k.SAMPLE].astype(str) + "\t" + own[k.COMPARTMENT].astype(str)
        levels = sorted(key[kept].unique())
        codes = pd.Index(levels).get_indexer(key.where(kept, ""))
        if not levels:
            continue
        parts.append(sum_counts(source, codes.astype(np.int64), len(levels)))
        table = pd.DataFrame([level.split("\t") for level in levels])
        table.columns = pd.Index([k.SAMPLE, k.COMPARTMENT])
        table["n_cells"] = np.bincount(codes[codes >= 0], minlength=len(levels))
        for name in _DESIGN:
            known = table[k.SAMPLE].map(sheet[name]) if name in sheet else ""
            table[name] = dataset if name == k.DATASET else known
        tables.append(table)
        names.append(_genes(source))
    if not tables:
        msg = "no data set has a kept cell"
        raise InputError(msg, fix="see the qc tables for why cells were dropped")
    genes = pd.Index(sorted(set().union(*names)), dtype=object)
    X = sparse.vstack(
        [_spread(part, own, genes) for part, own in zip(parts, names, strict=True)], format="csr"
    )
    obs = pd.concat(tables, ignore_index=True)
    obs["total_counts"] = np.asarray(X.sum(axis=1)).ravel()
    obs.index = pd.Index(obs[k.SAMPLE] + "/" + obs[k.COMPARTMENT], dtype=object)
    var = pd.DataFrame(index=genes)
    for table, measured in zip(tables, names, strict=True):
        var[f"in:{table[k.DATASET].iloc[0]}"] = genes.isin(measured)
    for text in obs.select_dtypes(["object", "string"]):
        obs[text] = obs[text].fillna("").astype(str).astype(object)
    return ad.AnnData(X=X, obs=obs, var=var)


def _genes(source: str | Path | AnnData) -> pd.Index:
    if hasattr(source, "var_names"):
        return pd.Index(source.var_names.astype(str), dtype=object)
    import anndata as ad

    from senoscore.io._h5 import open_h5

    with open_h5(source) as file:
        var = file["var"]
        index = ad.io.read_elem(var[var.attrs["_index"]])
    return pd.Index(index, dtype=object).astype(str)


def _spread(part: sparse.csr_matrix, own: pd.Index, genes: pd.Index) -> sparse.csr_matrix:
    """Move columns to their place among all genes."""
    at = genes.get_indexer(own)
    coo = part.tocoo()
    return sparse.csr_matrix((coo.data, (coo.row, at[coo.col])), shape=(part.shape[0], len(genes)))
