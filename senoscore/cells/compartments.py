"""Which compartment each cell belongs to: from labels, from markers, or by what the assay is."""

from __future__ import annotations

import difflib
import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.cells.facts import gene_symbols, organism_of, values_of
from senoscore.cells.known import COMPARTMENTS
from senoscore.cells.markers import (
    GeneSets,
    Substates,
    best,
    for_organism,
    read_markers,
    read_substates,
    rows_of,
    substate_shares,
)
from senoscore.errors import ConfigError, InputError
from senoscore.io import track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import anndata as ad
    from numpy.typing import NDArray


__all__ = [
    "ONTOLOGY",
    "assign_compartments",
    "check_compartments",
    "check_known",
    "compartments",
    "from_labels",
    "known_as",
    "nearest",
    "read_markers",
    "read_substates",
    "substate_shares",
]

log = logging.getLogger(__name__)

ONTOLOGY: Final = {
    name: known.cell_ontology_id for name, known in COMPARTMENTS.items() if known.cell_ontology_id
}
"""Cell Ontology id of each compartment that cells can have."""


def from_labels(labels: pd.Series, mapping: Mapping[str, str]) -> NDArray[np.object_]:
    """Turn labels into compartments: by the mapping, else by name, plural or synonym.

    Raises
    ------
    ConfigError
        The mapping gives something that is no compartment, or a label fits none.
    """
    allowed = [*ONTOLOGY, k.UNASSIGNED]
    check_known(list(mapping.values()), allowed, "compartments.mapping")
    text = labels.astype(object).where(labels.notna(), "").astype(str)
    found = {label: mapping.get(label) or _guess(label) for label in sorted(text.unique())}
    unknown = [label for label, guess in found.items() if guess is None]
    if unknown:
        listed = ", ".join(map(repr, unknown))
        near = difflib.get_close_matches(_folded(unknown[0]), allowed, n=1)
        hint = f"did you mean {near[0]!r}? " if near and len(unknown) == 1 else ""
        fix = f"{hint}add {listed} to compartments.mapping (or map to {k.UNASSIGNED})"
        are = (
            "label {} is not a compartment"
            if len(unknown) == 1
            else "labels {} are not compartments"
        )
        msg = f"{are.format(listed)} that senoscore knows"
        raise ConfigError(msg, fix=fix)
    return text.map(found).to_numpy(dtype=object)


def _folded(label: str) -> str:
    return label.strip().casefold().replace(" ", "_").replace("+", "")


@cache
def known_as(label: str) -> str | None:
    """Compartment that a label means by name, plural or synonym; None if it fits none."""
    return _guess(label)


def nearest(label: str) -> str | None:
    """Compartment whose name is spelt most like a label; None if none is alike."""
    near = difflib.get_close_matches(_folded(label), list(ONTOLOGY), n=1)
    return near[0] if near else None


def _guess(label: str) -> str | None:
    folded = _folded(label)
    if not folded:
        return k.UNASSIGNED
    forms = {folded, folded.removesuffix("s"), folded.replace("_cells", "").replace("_cell", "")}
    forms |= {form.replace("_", "").replace("-", "") for form in forms}
    for name in (*ONTOLOGY, k.UNASSIGNED):
        if forms & {name, name.replace("_", ""), *COMPARTMENTS[name].synonyms}:
            return name
    return None


def check_known(names: Sequence[str], allowed: Sequence[str], where: str) -> None:
    """Refuse a name that is none of those allowed.

    Raises
    ------
    ConfigError
        Says which name, where it stands, and which name is like it.
    """
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), list(allowed), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(allowed)}"
            msg = f"{where}: {name!r} is not a compartment"
            raise ConfigError(msg, fix=hint)


def compartments(
    adata: ad.AnnData,
    *,
    column: str | None = None,
    mapping: Mapping[str, str] | None = None,
    markers: str | Path | pd.DataFrame | None = None,
    substates: str | Path | pd.DataFrame | None = None,
    exclude: Sequence[str] = (),
    min_confidence: float = 0.5,
    layer: str | None = None,
    copy: bool = False,
) -> ad.AnnData | None:
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
    layer
        Layer to read, such as that of the counts; None is X.
    copy
        Leave the AnnData as it is and return a new one.

    Returns
    -------
    None (or the copy). Written are:

    ``adata.obs``
        ``compartment``, ``compartment_confidence`` (1 for labels), ``compartment_source``
        (``column``, ``markers`` or the assay), ``cell_ontology_id`` (empty for unassigned),
        ``substate`` (missing where none is clear), ``substate_confidence`` (of the strongest;
        missing where the compartment has none). Labels that ``compartment`` held are replaced, and
        a warning says so.
    ``adata.obsm["substates"]``
        Strength of each sub-state in the cells of its compartment.

    Raises
    ------
    InputError
        No such column or layer, no cells, or no compartment with at least 3 markers in the matrix.
    ConfigError
        The mapping or ``exclude`` names a compartment that does not exist, or a label is like
        none of them.

    Examples
    --------
    >>> sen.compartments(adata)
    >>> sorted(set(adata.obs["compartment"]))
    ['astrocyte', 'endothelial', 'fibroblast', 'macrophage', 't_cell', 'tumour', 'unassigned']

    Labels that you have are matched by name and synonym, or by a mapping:

    >>> adata.obs["label"] = "Tumor cells"
    >>> sen.compartments(adata, column="label")
    >>> set(adata.obs["compartment"])
    {'tumour'}
    """
    table = assign_compartments(
        adata, column=column, mapping=mapping, markers=markers, substates=substates,
        exclude=exclude, min_confidence=min_confidence, layer=layer,
    )  # fmt: skip
    target = adata.copy() if copy else adata
    if k.COMPARTMENT in target.obs and column != k.COMPARTMENT:
        held = target.obs[k.COMPARTMENT].astype(object).astype(str).to_numpy(dtype=object)
        other = np.flatnonzero(held != table[k.COMPARTMENT].to_numpy(dtype=object))
        if len(other):
            log.warning(
                "obs['compartment'] held other labels in %d of %d cells (such as %r, now %r); "
                "to have them mapped instead, give column='compartment'",
                len(other), len(held), held[other[0]], table[k.COMPARTMENT].iloc[other[0]],
            )  # fmt: skip
    for name in (k.COMPARTMENT, "compartment_source", "cell_ontology_id", k.SUBSTATE):
        target.obs[name] = pd.Categorical(table[name])
    for name in (k.CONFIDENCE, k.SUBSTATE_CONFIDENCE):
        target.obs[name] = table[name].to_numpy()
    prefix = f"{k.SUBSTATE}{k.SEP}"
    strengths = table.filter(regex=f"^{prefix}")
    strengths = strengths.rename(columns=lambda name: str(name).removeprefix(prefix))
    target.obsm[k.OBSM_SUBSTATES] = strengths.set_axis(pd.Index(target.obs_names), axis=0)
    return target if copy else None


def assign_compartments(
    adata: ad.AnnData,
    *,
    column: str | None = None,
    mapping: Mapping[str, str] | None = None,
    markers: str | Path | pd.DataFrame | None = None,
    substates: str | Path | pd.DataFrame | None = None,
    exclude: Sequence[str] = (),
    min_confidence: float = 0.5,
    layer: str | None = None,
) -> pd.DataFrame:
    """Return what :func:`compartments` writes, as a table.

    Parameters
    ----------
    adata, column, mapping, markers, substates, exclude, min_confidence, layer
        As in :func:`compartments`.

    Returns
    -------
    cell, compartment, compartment_confidence (1 for labels), compartment_source
    (``column``, ``markers`` or the assay), cell_ontology_id (empty for unassigned); substate
    (missing where none is clear), substate_confidence (of the strongest; missing where the
    compartment has none), and a column ``substate:NAME`` for each, its strength in cells of its
    compartment.

    Raises
    ------
    InputError, ConfigError
        As in :func:`compartments`.
    """
    facts = dict(adata.uns.get(k.UNS, {}))
    organism, genes = organism_of(adata), pd.Index(gene_symbols(adata))
    labels, sets, among = None, None, set()
    if column is not None:
        labels, source = from_labels(_column(adata, column), mapping or {}), "column"
        among = set(labels)
    elif facts.get("assay") in k.PROFILES:
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
    marked = np.zeros(adata.n_vars, dtype=bool)
    for some in (sets, within or None):
        marked |= False if some is None else some.marks()
    read = rows_of(adata, values_of(adata, layer), layer, marked=marked) if needed else ()
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


def check_compartments(
    options: Mapping[str, Any], *, escape: Sequence[str], primary: Sequence[str] = ()
) -> None:
    """Check every name of a compartment in the config, and the marker table, before any work.

    Parameters
    ----------
    options
        The config's section ``compartments``.
    escape
        Compartments in which escape is asked for.
    primary
        Compartments in which the study was made to answer what a drug does.

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
    check_known(primary, [*known, k.BULK], "efficacy.primary")


def _column(adata: ad.AnnData, column: str) -> pd.Series:
    if column not in adata.obs:
        msg = f"obs has no column {column!r}"
        raise InputError(msg, fix=f"columns there: {', '.join(map(str, adata.obs.columns))}")
    return adata.obs[column]
