"""Which compartment each cell belongs to: from labels, from markers, or by what the assay is."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import _keys as k
from senoscore._resources import resource
from senoscore.errors import ConfigError, InputError
from senoscore.genes import orthologs
from senoscore.io.blocks import iter_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import anndata as ad
    from numpy.typing import NDArray

__all__ = ["ONTOLOGY", "check_compartments", "compartments", "read_markers"]

log = logging.getLogger(__name__)

ONTOLOGY: Final = {
    "astrocyte": "CL:0000127",
    "fibroblast": "CL:0000057",
    "macrophage": "CL:0000235",
    "tumour": "CL:0001064",
    "endothelial": "CL:0000115",
    "t_cell": "CL:0000084",
    "nk_cell": "CL:0000623",
    "b_cell": "CL:0000236",
    "epithelial": "CL:0000066",
    "oligodendrocyte": "CL:0000128",
    "neuron": "CL:0000540",
}
"""Cell Ontology id of each compartment."""

_SYNONYMS: Final = {
    "astrocyte": "astro astrocytic astroglia",
    "fibroblast": "fb fibro caf mycaf icaf stromal mesenchymal pericyte-fibroblast",
    "macrophage": "mac mg microglia microglial tam bmdm mdm monocyte mono myeloid",
    "tumour": "tumor malignant cancer neoplastic glioma gbm",
    "endothelial": "ec endo endothelium vascular",
    "t_cell": "t tcell cd4 cd8 cd4t cd8t treg lymphocyte-t",
    "nk_cell": "nk nkcell natural-killer",
    "b_cell": "b bcell plasma plasmacell",
    "epithelial": "epi epithelium keratinocyte pneumocyte",
    "oligodendrocyte": "oligo odc mol opc oligodendroglia",
    "neuron": "neuronal excitatory inhibitory",
    k.UNASSIGNED: "unknown na nan none unassigned other doublet",
}

_REJECT_Z: Final = 3.0
"""Strength of the answer "none of these", in SD of matched gene sets."""

_MIN_MARKERS: Final = 3
_MAPPING: Final = "compartments.mapping"


def compartments(
    adata: ad.AnnData,
    *,
    column: str | None = None,
    mapping: Mapping[str, str] | None = None,
    markers: str | Path | pd.DataFrame | None = None,
    exclude: Sequence[str] = (),
    min_confidence: float = 0.5,
) -> pd.DataFrame:
    r"""Assign every cell to a compartment, or to none.

    From markers: log-normalised expression :math:`x` of each gene saturates to
    :math:`s = x / (1 + x)`, so that no single gene decides. A compartment's strength in a cell is
    how far the mean of its :math:`n_c` markers lies above that of as many random genes of the
    same cell, :math:`z_c = (\bar s_c - \bar s) / \sqrt{\mathrm{var}(s) / n_c}`. With the answer
    "none of these" at :math:`z_0 = 3`, confidence is
    :math:`e^{z_c} / (e^{z_0} + \sum_c e^{z_c})` of the best compartment. It is a function of the
    one cell: neither the other cells nor the share of a cell type change it.

    Parameters
    ----------
    adata
        Canonical matrix, in memory or backed; ``uns["senoscore"]`` says values, assay and
        organism (without it, counts of human cells are assumed). Read in blocks.
    column
        obs column with labels; None lets the markers decide.
    mapping
        Label -> compartment; what it lacks is matched by name and by common synonyms.
    markers
        Table with ``compartment`` and ``gene``, or its path; None takes the shipped one.
    exclude
        Compartments that the markers may not give.
    min_confidence
        Below it (0..1) a cell is ``unassigned``.

    Returns
    -------
    cell, compartment, compartment_confidence (1 for labels), compartment_source
    (``column``, ``markers`` or the assay), cell_ontology_id (empty for unassigned).

    Raises
    ------
    InputError
        No such column, no cells, or no compartment with at least 3 markers in the matrix.
    ConfigError
        The mapping or ``exclude`` names a compartment that does not exist, or a label is like
        none of them.
    """
    facts = dict(adata.uns.get(k.UNS, {}))
    cells = adata.obs_names.astype(str).to_numpy(dtype=object)
    confidence: Any = 1.0
    if column is not None:
        labels = from_labels(_column(adata, column), mapping or {})
        source = "column"
    elif facts.get("assay") in ("bulk", "array"):
        labels, source = np.full(len(cells), k.BULK, dtype=object), str(facts["assay"])
    else:
        table = markers if isinstance(markers, pd.DataFrame) else read_markers(markers)
        table = _for_organism(table, str(facts.get("organism", "human")))
        _check_known(exclude, [*table[k.COMPARTMENT].unique(), *ONTOLOGY], "compartments.exclude")
        table = table[~table[k.COMPARTMENT].isin(exclude)]
        values = str(facts.get("values", k.COUNTS))
        labels, confidence = _from_markers(adata, table, values)
        labels[confidence < min_confidence] = k.UNASSIGNED
        source = "markers"
    ontology = pd.Series(labels, dtype=object).map(ONTOLOGY).fillna("").to_numpy(dtype=object)
    return pd.DataFrame(
        {
            k.CELL: cells,
            k.COMPARTMENT: labels,
            k.CONFIDENCE: np.broadcast_to(confidence, len(cells)).astype(np.float32),
            "compartment_source": source,
            "cell_ontology_id": ontology,
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
    _check_known(list(options["mapping"].values()), [*ONTOLOGY, k.UNASSIGNED], _MAPPING)
    _check_known(options["exclude"], known, "compartments.exclude")
    _check_known(escape, [*known, k.BULK], "window.escape")


def read_markers(path: str | Path | None = None) -> pd.DataFrame:
    """Read a marker table: the shipped one, or a TSV with ``compartment`` and ``gene``.

    Raises
    ------
    InputError
        The file is missing, lacks a column, or has rows of more fields.
    """
    where = resource("compartments", "markers.tsv") if path is None else Path(path)
    try:
        table = pd.read_csv(where, sep="\t", dtype=str, keep_default_na=False, comment="#")
    except (OSError, ValueError) as error:
        msg = f"{where} cannot be read as a marker table ({error})"
        raise InputError(msg, fix="a TSV with the columns compartment and gene") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas took a field too many for a name
        msg = f"{where} has rows with more fields than its header"
        raise InputError(msg, fix="separate fields by one tab each, as many as the header has")
    missing = {k.COMPARTMENT, "gene"} - set(table)
    if missing:
        msg = f"{where} has no column {', '.join(sorted(missing))}"
        raise InputError(msg, fix="a TSV with the columns compartment and gene")
    return table


def from_labels(labels: pd.Series, mapping: Mapping[str, str]) -> NDArray[np.object_]:
    """Turn labels into compartments: by the mapping, else by name, plural or synonym.

    Raises
    ------
    ConfigError
        The mapping gives something that is no compartment, or a label fits none.
    """
    allowed = [*ONTOLOGY, k.UNASSIGNED]
    _check_known(list(mapping.values()), allowed, _MAPPING)
    text = labels.astype(object).where(labels.notna(), "").astype(str)
    found: dict[str, str] = {}
    for label in sorted(text.unique()):
        guess = mapping.get(label) or _guess(label)
        if guess is None:
            near = difflib.get_close_matches(_folded(label), allowed, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            fix = f"{hint}add {label!r} to compartments.mapping (or map it to {k.UNASSIGNED})"
            msg = f"label {label!r} is no compartment senoscore knows"
            raise ConfigError(msg, fix=fix)
        found[label] = guess
    return text.map(found).to_numpy(dtype=object)


def _folded(label: str) -> str:
    return label.strip().casefold().replace(" ", "_").replace("+", "")


def _guess(label: str) -> str | None:
    folded = _folded(label)
    if not folded:
        return k.UNASSIGNED
    forms = {folded, folded.removesuffix("s"), folded.replace("_cells", "").replace("_cell", "")}
    forms |= {form.replace("_", "").replace("-", "") for form in forms}
    for name, words in _SYNONYMS.items():
        if forms & {name, name.replace("_", ""), *words.split()}:
            return name
    return None


def _check_known(names: Sequence[str], allowed: Sequence[str], where: str) -> None:
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), list(allowed), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(allowed)}"
            msg = f"{where}: {name!r} is no compartment"
            raise ConfigError(msg, fix=hint)


def _column(adata: ad.AnnData, column: str) -> pd.Series:
    if column not in adata.obs:
        msg = f"obs has no column {column!r}"
        raise InputError(msg, fix=f"columns there: {', '.join(map(str, adata.obs.columns))}")
    return adata.obs[column]


def _for_organism(table: pd.DataFrame, organism: str) -> pd.DataFrame:
    if organism == "human":
        return table
    mapped = orthologs(table["gene"].tolist(), "human", organism)["target"].to_numpy()
    return table.assign(gene=mapped)[mapped != ""]


def _from_markers(
    adata: ad.AnnData, table: pd.DataFrame, values: str
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    position = {name: i for i, name in enumerate(adata.var_names.astype(str))}
    sets = {
        str(name): np.array(sorted({position[g] for g in of["gene"] if g in position}))
        for name, of in table.groupby(k.COMPARTMENT, sort=True)
    }
    few = sorted(name for name, genes in sets.items() if len(genes) < _MIN_MARKERS)
    if few:
        log.warning("fewer than %d markers in the matrix: %s", _MIN_MARKERS, ", ".join(few))
    sets = {name: genes for name, genes in sets.items() if len(genes) >= _MIN_MARKERS}
    if not sets:
        msg = f"no compartment has {_MIN_MARKERS} markers in the matrix"
        raise InputError(msg, fix="name a compartment_column in the datasets sheet")
    size = np.array([len(genes) for genes in sets.values()])
    member = sparse.csc_matrix(
        (np.ones(size.sum()), np.concatenate(list(sets.values())), np.append(0, size.cumsum())),
        shape=(adata.n_vars, len(sets)),
    )
    z = np.vstack([_strength(block, member, size) for block in _blocks(adata, values)])
    top = z.max(axis=1, keepdims=True).clip(_REJECT_Z)
    odds = np.exp(z - top)
    confidence = odds.max(axis=1) / (odds.sum(axis=1) + np.exp(_REJECT_Z - top[:, 0]))
    return np.array(list(sets), dtype=object)[z.argmax(axis=1)], confidence


def _blocks(adata: ad.AnnData, values: str) -> Iterator[sparse.csr_matrix]:
    """Log-normalised, saturated rows, some thousands at a time."""
    for stored in iter_blocks(adata):
        block = stored.to_csr().astype(np.float64)
        if values != k.LOGNORM:
            total = np.asarray(block.sum(axis=1)).ravel()
            factor = np.divide(1e4, total, out=np.zeros_like(total), where=total > 0)
            block = sparse.csr_matrix(sparse.diags(factor) @ block)
            np.log1p(block.data, out=block.data)
        block.data /= 1 + block.data
        yield block


def _strength(
    block: sparse.csr_matrix, member: sparse.csc_matrix, size: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Strength z of every cell (rows) and set (columns) against random genes of the same cell."""
    n_genes = block.shape[1]
    mean = np.asarray(block.sum(axis=1)) / n_genes
    var = np.asarray(block.multiply(block).sum(axis=1)) / n_genes - mean**2
    above = np.asarray((block @ member).todense()) / size - mean
    se = np.sqrt(np.maximum(var, 0)) / np.sqrt(size)
    z: NDArray[np.float64] = np.divide(above, se, out=np.zeros_like(above), where=se > 0)
    return z
