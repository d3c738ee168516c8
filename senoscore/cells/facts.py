"""What a matrix in memory or on disk says of itself, or shows where it says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from senoscore import names as k
from senoscore.genesets import canonicalise, detect_organism
from senoscore.ingest import KINDS, decide_values, scan_values
from senoscore.io import iter_blocks

if TYPE_CHECKING:
    import anndata as ad


__all__ = ["gene_symbols", "organism_of", "values_of"]


def values_of(adata: ad.AnnData, layer: str | None = None) -> str:
    """Kind of the values of X or a layer: as stated for X, else by all of them.

    Parameters
    ----------
    adata
        In memory or backed.
    layer
        Name of a layer; None is X, of which ``uns["senoscore"]`` may state the kind.

    Returns
    -------
    ``counts``, ``lognorm`` or ``linear``.

    Raises
    ------
    InputError
        There is no such layer; or nothing is stated, and there are values that no expression can
        have.
    """
    stated = dict(adata.uns.get(k.UNS, {})).get("values") if layer is None else None
    if stated in KINDS:
        return str(stated)
    facts = scan_values(iter_blocks(adata, layer=layer), sums=False)
    cells, genes = adata.obs_names.astype(str), adata.var_names.astype(str)
    return decide_values(facts, "auto", where=layer or "X", cells=list(cells), genes=list(genes))


def organism_of(adata: ad.AnnData) -> str:
    """Organism: as stated, else by the names of the genes, else human."""
    stated = dict(adata.uns.get(k.UNS, {})).get("organism")
    return str(stated or detect_organism(adata.var_names.astype(str)).organism or "human")


def gene_symbols(adata: ad.AnnData) -> list[str]:
    """Symbol of each gene: its name, or what its Ensembl id stands for (once, the first)."""
    names = list(map(str, adata.var_names))
    ids = [name for name in names if name.upper().startswith(("ENSG0", "ENSMUSG0"))]
    if not ids:
        return names
    organism = organism_of(adata)
    found = canonicalise(ids, organism)
    symbol = dict(zip(ids, found["symbol"].tolist(), strict=True))
    taken, out = set(names), []
    for name in names:
        known = symbol.get(name, name)
        known = name if known in taken and known != name else known
        taken.add(known)
        out.append(known)
    return out
