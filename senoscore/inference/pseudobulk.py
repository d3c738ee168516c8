"""Summed counts of each sample and compartment, out of core: whole-transcriptome profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.genesets import Gate, align
from senoscore.io import flags, iter_blocks
from senoscore.scoring import score
from senoscore.study import ARM, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.genesets import SignatureSet


__all__ = [
    "METHODS",
    "MIN_PROFILES",
    "SCORE_COLUMNS",
    "log_cpm",
    "pseudobulk",
    "pseudobulk_scores",
    "sum_counts",
]

_DESIGN: Final = (
    k.DATASET, "assay", "organism", k.SUBJECT, *ARM, k.DAYS, k.BATCH, "region",
)  # fmt: skip


def sum_counts(
    source: str | Path | AnnData,
    groups: NDArray[np.int64],
    n_groups: int,
    *,
    layer: str | None = None,
) -> sparse.csr_matrix:
    """Sum the rows of a matrix by group, block by block.

    Parameters
    ----------
    source
        Path of an .h5ad file, or an AnnData.
    groups
        Group of each cell (n_cells,), 0 to ``n_groups`` - 1; -1 leaves a cell out.
    n_groups
        Number of groups.
    layer
        Layer to sum; None is X.

    Returns
    -------
    Sums, ``n_groups`` x genes, float64.

    Raises
    ------
    InputError
        There are more or fewer cells than groups were given for, or no such layer.
    """
    total: sparse.csr_matrix | None = None
    seen = 0
    for block in iter_blocks(source, layer=layer):
        groups_here = groups[block.start : block.stop]
        seen = block.stop
        if len(groups_here) < block.stop - block.start:
            continue
        rows = np.flatnonzero(groups_here >= 0)
        ones = np.ones(len(rows))
        pick = sparse.csr_matrix(
            (ones, (groups_here[rows], rows)), shape=(n_groups, len(groups_here))
        )
        part = pick @ block.to_csr().astype(np.float64)
        total = part if total is None else total + part
    if total is None or seen != len(groups):
        msg = f"the matrix has {seen} cells, groups were given for {len(groups)}"
        raise InputError(msg, fix="give one group a cell, in the order of the matrix")
    return sparse.csr_matrix(total)


def pseudobulk(
    sources: Mapping[str, str | Path | AnnData],
    cells: pd.DataFrame,
    burden: pd.DataFrame,
    *,
    layer: str | None = None,
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
    layer
        Layer of raw counts in every data set; None is X.

    Returns
    -------
    Observations are sample x compartment (those with a cell) with the design, ``n_cells`` and
    ``total_counts``; X holds the sums (CSR). Variables are the genes of all data sets, with one
    column ``in:<dataset>`` each: a gene that a data set does not have is 0 there and not
    measured, which is not the same.

    Raises
    ------
    InputError
        No cell is kept, no such layer, or a matrix has other cells than the table.

    Examples
    --------
    >>> cells = adata.obs.reset_index(names="cell").assign(dataset="study")
    >>> profiles = sen.pseudobulk({"study": adata}, cells, burden)
    >>> profiles.obs[["sample", "compartment"]].head(2)
                   sample  compartment
    s1/astrocyte       s1    astrocyte
    s1/endothelial     s1  endothelial
    """
    import anndata as ad

    sheet = plain(burden).drop_duplicates(k.SAMPLE).set_index(k.SAMPLE)
    parts: list[sparse.csr_matrix] = []
    tables: list[pd.DataFrame] = []
    names: list[pd.Index] = []
    for dataset, source in sources.items():
        of_dataset = cells[cells[k.DATASET].astype(str) == dataset]
        kept = flags(of_dataset[k.KEEP]) if k.KEEP in of_dataset else of_dataset[k.SAMPLE].notna()
        key = of_dataset[k.SAMPLE].astype(str) + "\t" + of_dataset[k.COMPARTMENT].astype(str)
        levels = sorted(key[kept].unique())
        codes = pd.Index(levels).get_indexer(key.where(kept, ""))
        if not levels:
            continue
        parts.append(sum_counts(source, codes.astype(np.int64), len(levels), layer=layer))
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
        [_spread(part, of_dataset, genes) for part, of_dataset in zip(parts, names, strict=True)],
        format="csr",
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

    from senoscore.io import open_h5

    with open_h5(source) as file:
        var = file["var"]
        index = ad.io.read_elem(var[var.attrs["_index"]])
    return pd.Index(index, dtype=object).astype(str)


def _spread(part: sparse.csr_matrix, own: pd.Index, genes: pd.Index) -> sparse.csr_matrix:
    """Move columns to their place among all genes."""
    at = genes.get_indexer(own)
    coo = part.tocoo()
    return sparse.csr_matrix((coo.data, (coo.row, at[coo.col])), shape=(part.shape[0], len(genes)))


METHODS: Final = ("ssgsea", "gsva")
MIN_PROFILES: Final = 4
"""Profiles that GSVA needs: it places each gene within its distribution over the profiles."""
_HEAD: Final = (
    k.DATASET, k.SAMPLE, k.SUBJECT, *ARM, k.DAYS, k.BATCH, "region", "assay",
    "organism", k.COMPARTMENT, "n_cells",
)  # fmt: skip
SCORE_COLUMNS: Final = (
    *_HEAD, k.SIGNATURE, "method", "score", "n_profiles", "n_listed", "n_found", "status", "reason",
)  # fmt: skip


def pseudobulk_scores(
    profiles: AnnData,
    signatures: Mapping[str, SignatureSet],
    *,
    min_cells: int = 30,
    gate: Gate | None = None,
) -> pd.DataFrame:
    """Score each signature in the summed counts of each sample and compartment.

    Parameters
    ----------
    profiles
        As :func:`senoscore.inference.pseudobulk.pseudobulk` gives it: raw counts.
    signatures
        Signatures of each organism, in its symbols.
    min_cells
        Cells below which a profile of single cells is not scored.
    gate
        How much of a gene list must be found.

    Returns
    -------
    One row a profile, signature (with ``_up`` and ``_down`` parts) and method. Counts become
    log2(CPM + 1) and are scored with :func:`senoscore.score` among the profiles of the same
    compartment, assay and organism, over the genes that all their data sets measure; GSVA, which
    compares profiles, reads only those that some profile has. ``status`` is ok, or skipped with
    the ``reason``: few cells, few genes, or fewer than ``MIN_PROFILES`` profiles for GSVA.

    Notes
    -----
    A GSVA score depends on the other profiles of its group (``n_profiles``), an ssGSEA score on
    its own profile alone.
    """
    obs = profiles.obs
    named = obs[k.COMPARTMENT].ne(k.UNASSIGNED)
    enough = (obs["n_cells"].ge(min_cells) | obs["assay"].isin(k.PROFILES)) & obs[
        "total_counts"
    ].gt(0)
    tables = [_row(obs[named & ~enough], reason=f"fewer than {min_cells} cells, or no count")]
    by = [k.COMPARTMENT, "assay", "organism"]
    for key, group in obs[named & enough].groupby(by, observed=True, sort=True):
        sigs = signatures[str(key[2])]
        frame = log_cpm(profiles, group.index)
        for method in METHODS:
            if method == "gsva" and len(group) < MIN_PROFILES:
                few = f"{len(group)} profiles, gsva compares at least {MIN_PROFILES}"
                tables.append(_row(group, method=method, n_profiles=len(group), reason=few))
                continue
            expressed = frame if method == "ssgsea" else frame.loc[:, frame.gt(0).any()]
            tables += list(_scored(group, expressed, sigs, method, gate or Gate()))
    return pd.concat(tables, ignore_index=True).reindex(columns=list(SCORE_COLUMNS))


def log_cpm(profiles: AnnData, rows: pd.Index) -> pd.DataFrame:
    """log2(CPM + 1) of some profiles over the genes that all their data sets measure."""
    at = profiles.obs.index.get_indexer(rows)
    datasets = sorted(set(profiles.obs[k.DATASET].iloc[at].astype(str)))
    both = profiles.var[[f"in:{name}" for name in datasets]].all(axis=1).to_numpy(dtype=bool)
    total = profiles.obs["total_counts"].to_numpy(dtype=float)[at]
    counts = profiles.X[at][:, np.flatnonzero(both)].toarray()
    return pd.DataFrame(
        np.log2(counts / total[:, None] * 1e6 + 1), index=rows, columns=profiles.var_names[both]
    )


def _row(own: pd.DataFrame, **facts: Any) -> pd.DataFrame:
    table = own[[name for name in _HEAD if name in own]].reset_index(drop=True)
    return table.assign(status="skipped", **facts)


def _scored(
    own: pd.DataFrame, frame: pd.DataFrame, sigs: SignatureSet, method: str, gate: Gate
) -> Iterator[pd.DataFrame]:
    index, coverage = align(sigs, frame.columns, gate=gate)
    if not len(index.gene_idx):
        yield _row(own, method=method, n_profiles=len(own), reason="no gene of any signature")
        return
    found = pd.DataFrame(score(frame, sigs, methods=method, gate=gate, n_threads=1))
    part = coverage[k.SIGNATURE] + "_" + coverage["direction"]
    sums = [
        coverage.groupby(name, observed=True)[["n_listed", "n_found"]].sum()
        for name in (coverage[k.SIGNATURE], part)
    ]
    counts = pd.concat(sums)
    for column in map(str, found):
        name = column.split(k.SEP, 1)[1]
        table = _row(own, method=method, n_profiles=len(own))
        table[k.SIGNATURE] = name
        table["score"] = found[column].to_numpy(dtype=float)
        for number in ("n_listed", "n_found"):
            table[number] = table[k.SIGNATURE].map(counts[number])
        scored = np.isfinite(table["score"])
        table["status"] = np.where(scored, "ok", "skipped")
        table["reason"] = np.where(scored, "", "too few genes of it are found")
        yield table
