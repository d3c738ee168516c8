"""What the genes of an input are called from now on, and which of them become one."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore.errors import InputError
from senoscore.genesets import genes
from senoscore.io import track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from senoscore.ingest.source import Names, Source
    from senoscore.ingest.values import ValueFacts


__all__ = [
    "KNOWN",
    "MergePlan",
    "known_share",
    "merge_plan",
    "merged_blocks",
    "refuse_other_species",
    "settle_genes",
]

KNOWN: Final = ("symbol", "ensembl", "alias", "case")
"""Statuses of a name that means one gene."""

_GENOME_PREFIX: Final = re.compile(r"^(GRCh\d+|hg\d+|GRCm\d+|mm\d+)_+(?=\S)")
_LOOKED_AT: Final = 20_000  # names; enough to tell genes from cells
_LEFT_OUT: Final = "left out: another of this symbol has a higher mean"


@dataclass(frozen=True)
class MergePlan:
    """Which output column each input gene goes to.

    Attributes
    ----------
    symbols, ensembl_ids
        Of the output columns, in the order in which they come first in the input.
    target
        Output column of each input gene, -1 where it is left out.
    n_merged
        Input genes beyond the first of their symbol.
    """

    symbols: list[str]
    ensembl_ids: list[str]
    target: np.ndarray
    n_merged: int


def merge_plan(table: pd.DataFrame, facts: ValueFacts, *, keep_best: bool) -> MergePlan:
    """Decide what becomes of genes with the same symbol, and note it in the table.

    Parameters
    ----------
    table
        From :func:`settle_genes`; its notes are added to. Genes without a name are left out.
    facts
        With the sum of each gene.
    keep_best
        Keep the gene with the highest mean (the first of equals) rather than the sum.
    """
    named = table["symbol"].ne("").to_numpy()
    codes, symbols = pd.factorize(table["symbol"].where(named, None))
    size = np.bincount(codes[named], minlength=len(symbols))
    shared = named & (size[codes] > 1)
    target = np.where(named, codes, -1)
    action = "summed with"
    if keep_best:
        sums = facts.gene_sums if facts.gene_sums is not None else np.zeros(len(table))
        order = np.lexsort((np.arange(len(table)), -sums))
        best = pd.Series(order).groupby(codes[order], sort=True, observed=True).first()
        is_best = np.zeros(len(table), dtype=bool)
        is_best[best[best.index >= 0].to_numpy()] = True
        target = np.where(shared & ~is_best, -1, target)
        action = "highest mean, kept of"
    notes = table["note"].tolist()
    for at in np.flatnonzero(shared).tolist():
        others = size[codes[at]] - 1
        said = f"{action} {others} more of this symbol" if target[at] >= 0 else _LEFT_OUT
        notes[at] = f"{notes[at]}; {said}" if notes[at] else said
    table["note"] = notes
    first = table.loc[named].drop_duplicates("symbol")
    with_id = table.loc[named & table["ensembl_id"].ne("").to_numpy()].drop_duplicates("symbol")
    ids = with_id.set_index("symbol")["ensembl_id"].reindex(first["symbol"], fill_value="")
    merged = int((size[size > 1] - 1).sum())
    return MergePlan(first["symbol"].tolist(), ids.tolist(), target.astype(np.int64), merged)


def settle_genes(source: Names, organism: str, where: str) -> pd.DataFrame:
    """Give each input gene its current symbol, by its name or else by its second name.

    Parameters
    ----------
    source
        The input.
    organism
        ``human`` or ``mouse``, as declared.
    where
        File and slot, for messages.

    Returns
    -------
    As :func:`senoscore.genesets.genes.canonicalise`: one row an input gene, in input order.

    Raises
    ------
    InputError
        The names are of another organism, of two, of none, or lie in the rows.
    """
    names = _without_genome(source, where)
    table = genes.canonicalise(names, organism)
    table["input"] = source.genes
    if source.gene_ids is not None:
        table = _by_second_name(table, source.gene_ids, organism)
    empty = table["symbol"].eq("")
    table.loc[empty, "status"] = "unknown"
    _check_organism(names, source, table, organism, where)
    return table


def _without_genome(source: Names, where: str) -> list[str]:
    """Take off a genome that some pipelines put before each name (``GRCh38_TP53``)."""
    found = Counter(m.group(1) for m in map(_GENOME_PREFIX.match, source.genes) if m)
    if len(found) > 1:
        msg = f"{where}: genes of several genomes: {', '.join(sorted(found))}"
        raise InputError(msg, fix="split it into one dataset a species")
    return [_GENOME_PREFIX.sub("", name) for name in source.genes]


def _by_second_name(table: pd.DataFrame, ids: list[str], organism: str) -> pd.DataFrame:
    second = genes.canonicalise(ids, organism)
    better = ~table["status"].isin(KNOWN) & second["status"].isin(KNOWN)
    table = table.copy()
    for column in ("symbol", "ensembl_id", "status"):
        table.loc[better, column] = second.loc[better, column]
    table.loc[better, "note"] = "by its second name " + second.loc[better, "input"]
    return table


def _check_organism(
    names: list[str], source: Names, table: pd.DataFrame, organism: str, where: str
) -> None:
    guess = refuse_other_species(names, source.gene_ids, organism, where)
    n_known = int(table["status"].isin(KNOWN).sum())
    if guess.organism is None:
        in_rows = genes.detect_organism(source.cells[:20_000])
        if in_rows.organism is not None:
            msg = f"{where}: genes are in the rows ({in_rows.note} of the row names)"
            raise InputError(msg, fix="save it transposed: cells in rows, genes in columns")
    if not n_known:
        examples = ", ".join(repr(name[:30]) for name in source.genes[:3])
        msg = f"{where}: zero genes matched: 0/{len(table)} names (such as {examples}) are known"
        raise InputError(msg, fix="name genes by symbol or Ensembl id, human or mouse")


def refuse_other_species(
    names: list[str], ids: list[str] | None, organism: str, where: object
) -> genes.OrganismGuess:
    """Compare the species that names speak of with the one declared.

    Raises
    ------
    InputError
        Another species, or two.
    """
    guess = genes.detect_organism(names)
    if guess.organism is None and not guess.mixed and ids is not None:
        guess = genes.detect_organism(ids)
    if guess.mixed:
        msg = f"{where}: mixed species: {guess.note}"
        raise InputError(msg, fix="split it into one dataset a species")
    if guess.organism not in (None, organism):
        share = {name: round(part * len(set(names))) for name, part in guess.fractions.items()}
        msg = (
            f"{where}: {share[organism]}/{len(set(names))} gene names are {organism}; "
            f"{share[guess.organism]} are {guess.organism}"
        )
        fix = f"is it `organism: {guess.organism}`?"
        if guess.organism == "human" and all(name == name.upper() for name in names):
            fix = (
                "declare `organism: human` only if they are; mouse symbols in capitals look the "
                "same: write them as in Trp53, or give Ensembl ids"
            )
        raise InputError(msg, fix=fix)
    return guess


def known_share(names: list[str]) -> float:
    """Share of names that are genes of either organism."""
    step = max(1, len(names) // _LOOKED_AT)
    clean = [
        name.strip().split(".")[0] if name.startswith("ENS") else name for name in names[::step]
    ]
    return max(genes.detect_organism(clean).fractions.values())


_AS_THEY_ARE: Final = (np.dtype(np.int32), np.dtype(np.float32), np.dtype(np.float64))
"""Values that need no wider type while nothing is added up."""


def merged_blocks(source: Source, plan: MergePlan) -> Iterator[sparse.csr_matrix]:
    """Go through the input with the columns of the plan; sums are made in int64 or float64."""
    n_genes = len(plan.symbols)
    blocks = track(
        source.blocks(), "cells written", total=len(source.cells), size=lambda b: b.stop - b.start
    )
    targets = plan.target.astype(np.int32)
    for block in blocks:
        target, data, indptr = targets[block.indices], block.data, block.indptr
        used = target >= 0
        if not used.all():
            target, data = target[used], data[used]
            indptr = np.concatenate([[0], np.cumsum(used)])[indptr]
        wide = np.int64 if data.dtype.kind in "iub" else np.float64
        data = data if data.dtype in _AS_THEY_ARE else data.astype(wide)
        shape = (block.stop - block.start, n_genes)
        X = sparse.csr_matrix((data, target, indptr), shape=shape)
        if not X.has_canonical_format:  # genes in another order, or several of one symbol
            X = X.astype(wide)
            X.sum_duplicates()
        yield X
