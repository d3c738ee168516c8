"""Which compartment each cell belongs to: from labels, from markers, or by what the assay is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._compartments_labels import ONTOLOGY, check_known, from_labels
from senoscore._compartments_markers import (
    GeneSets,
    best,
    for_organism,
    read_markers,
    read_substates,
    rows_of,
)
from senoscore._compartments_substates import Substates, substate_shares
from senoscore.errors import InputError
from senoscore.io.facts import gene_symbols, organism_of, values_of
from senoscore.progress import track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import anndata as ad

__all__ = [
    "ONTOLOGY",
    "check_compartments",
    "compartments",
    "read_markers",
    "read_substates",
    "substate_shares",
]


def compartments(
    adata: ad.AnnData,
    *,
    column: str | None = None,
    mapping: Mapping[str, str] | None = None,
    markers: str | Path | pd.DataFrame | None = None,
    substates: str | Path | pd.DataFrame | None = None,
    exclude: Sequence[str] = (),
    min_confidence: float = 0.5,
) -> pd.DataFrame:
    r"""Assign every cell to a compartment, or to none, and to a sub-state where one is clear.

    From markers: log-normalised expression :math:`x` of each gene saturates to
    :math:`s = x / (1 + x)`, so that no single gene decides. A compartment's strength in a cell is
    how far the mean of its :math:`n_c` markers lies above that of all other compartments'
    markers in the same cell, in standard errors of :math:`n_c` random genes,
    :math:`z_c = (\bar s_c - \bar s_{\neg c}) / \sqrt{\mathrm{var}(s) / n_c}` (above the mean of all
    genes, if there is one compartment only). Not above random genes: what those show depends on
    depth and on whether silent genes were filtered away. With the answer "none of these" at
    :math:`z_0 = 3`, confidence is :math:`e^{z_c} / (e^{z_0} + \sum_c e^{z_c})` of the best
    compartment. It is a function of the one cell: neither the other cells nor the share of a
    cell type change it.

    Sub-states compete in the same way within their compartment, but must stand above the mean
    of all genes: cells of the compartment express them at some level anyway. A cell that is
    strong in two (M1-like and M2-like at once, say) has none; the strengths tell it apart.

    Parameters
    ----------
    adata
        Canonical matrix, in memory or backed; ``uns["senoscore"]`` says values, assay and
        organism (without it, what all values and the gene names look like). Genes may be symbols
        or Ensembl ids. Read in blocks.
    column
        obs column with labels; None lets the markers decide.
    mapping
        Label -> compartment; what it lacks is matched by name and by common synonyms.
    markers
        Table with ``compartment`` and ``gene``, or its path; None takes the shipped one.
    substates
        Table with ``compartment``, ``substate`` and ``gene``, or its path; None takes the
        shipped one.
    exclude
        Compartments that the markers may not give.
    min_confidence
        Below it (0..1) a cell is ``unassigned``, and has no sub-state.

    Returns
    -------
    cell, compartment, compartment_confidence (1 for labels), compartment_source
    (``column``, ``markers`` or the assay), cell_ontology_id (empty for unassigned); substate
    (missing where none is clear), substate_confidence (of the strongest; missing where the
    compartment has none), and a column ``substate:NAME`` for each, its strength in cells of its
    compartment.

    Raises
    ------
    InputError
        No such column, no cells, or no compartment with at least 3 markers in the matrix.
    ConfigError
        The mapping or ``exclude`` names a compartment that does not exist, or a label is like
        none of them.
    """
    facts = dict(adata.uns.get(k.UNS, {}))
    organism, genes = organism_of(adata), pd.Index(gene_symbols(adata))
    labels, sets, among = None, None, set()
    if column is not None:
        labels, source = from_labels(_column(adata, column), mapping or {}), "column"
        among = set(labels)
    elif facts.get("assay") in ("bulk", "array"):
        labels, source = np.full(adata.n_obs, k.BULK, dtype=object), str(facts["assay"])
    else:
        table = markers if isinstance(markers, pd.DataFrame) else read_markers(markers)
        table = for_organism(table, organism)
        check_known(exclude, [*table[k.COMPARTMENT].unique(), *ONTOLOGY], "compartments.exclude")
        table = table[~table[k.COMPARTMENT].isin(exclude)]
        sets, source = GeneSets.of(table, k.COMPARTMENT, genes).required(), "markers"
        among = set(sets.names)
    finer = substates if isinstance(substates, pd.DataFrame) else read_substates(substates)
    within = Substates(finer, genes, adata.n_obs, organism=organism, among=among)
    assigned = np.full(adata.n_obs, k.UNASSIGNED, dtype=object) if labels is None else labels
    confidence = np.ones(adata.n_obs, dtype=np.float32)
    start, needed = 0, sets is not None or within
    read = rows_of(adata, values_of(adata)) if needed else ()
    total = adata.n_obs if needed else 0
    for rows in track(read, "cells placed", total=total, size=lambda r: len(r.mean)):
        here = slice(start, start + len(rows.mean))
        if sets is not None:
            name, sure = best(rows.against_other_sets(sets), sets.names)
            assigned[here] = np.where(sure < min_confidence, k.UNASSIGNED, name)
            confidence[here] = sure
        within.fill(start, rows, assigned[here], min_confidence)
        start = here.stop
    ontology = pd.Series(assigned, dtype=object).map(ONTOLOGY).fillna("").to_numpy(dtype=object)
    return pd.DataFrame(
        {
            k.CELL: adata.obs_names.astype(str).to_numpy(dtype=object),
            k.COMPARTMENT: assigned,
            k.CONFIDENCE: confidence,
            "compartment_source": source,
            "cell_ontology_id": ontology,
            **within.columns(),
        }
    )


def check_compartments(options: Mapping[str, Any], *, escape: Sequence[str]) -> None:
    """Check every name of a compartment in the config, and the marker table, before any work.

    Parameters
    ----------
    options
        The config's section ``compartments``.
    escape
        Compartments in which escape is asked for.

    Raises
    ------
    ConfigError
        One of them does not exist.
    InputError
        As :func:`read_markers`.
    """
    markers = read_markers(options["markers"])[k.COMPARTMENT].unique()
    known = list(dict.fromkeys([*ONTOLOGY, *markers]))
    allowed = [*ONTOLOGY, k.UNASSIGNED]
    check_known(list(options["mapping"].values()), allowed, "compartments.mapping")
    check_known(options["exclude"], known, "compartments.exclude")
    check_known(escape, [*known, k.BULK], "window.escape")


def _column(adata: ad.AnnData, column: str) -> pd.Series:
    if column not in adata.obs:
        msg = f"obs has no column {column!r}"
        raise InputError(msg, fix=f"columns there: {', '.join(map(str, adata.obs.columns))}")
    return adata.obs[column]
