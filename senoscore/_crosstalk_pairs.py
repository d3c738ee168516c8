"""Ligand-receptor pairs: the curated SASP pairs, or LIANA's consensus where it is installed."""

from __future__ import annotations

from typing import Final

import pandas as pd

from senoscore._resources import resource
from senoscore._signatures import signatures
from senoscore.errors import ConfigError

__all__ = ["RESOURCES", "directions", "genes_of", "pairs"]

RESOURCES: Final = ("curated", "consensus")
_CONSENSUS: Final = (
    "LIANA+ consensus (Dimitrov 2022, Nat Commun 13:3224; 2024, Nat Cell Biol 26:1613)"
)
_COLUMNS: Final = ["ligand", "receptor", "family", "source"]


def pairs(resource_name: str = "curated") -> pd.DataFrame:
    """Ligand-receptor pairs of the SASP, human symbols.

    Parameters
    ----------
    resource_name
        ``curated``: the pairs shipped here. ``consensus``: LIANA+'s consensus resource, read from
        the installed package, of which the pairs whose ligand is in a SASP family, SenMayo or the
        curated table are kept.

    Returns
    -------
    ligand, receptor (chains joined by ``+``), family, source.

    Raises
    ------
    ConfigError
        The resource is unknown, or LIANA+ is not installed.
    """
    if resource_name not in RESOURCES:
        msg = f"crosstalk.resource is {resource_name!r}, expected {' or '.join(RESOURCES)}"
        raise ConfigError(msg, fix="choose one of the two")
    own = pd.read_csv(resource("crosstalk", "pairs.tsv"), sep="\t", dtype=str)
    return own[_COLUMNS] if resource_name == "curated" else _consensus(own)


def _consensus(own: pd.DataFrame) -> pd.DataFrame:
    try:
        from liana.resource import select_resource
    except ImportError as error:
        msg = "crosstalk.resource is 'consensus', and LIANA+ is not installed"
        raise ConfigError(msg, fix='pip install "senoscore[crosstalk]", or use curated') from error
    table = select_resource("consensus")[["ligand", "receptor"]].astype(str)
    sets = signatures("sasp_family", "senmayo")
    family = dict(zip(own["ligand"], own["family"], strict=True))
    for signature in sets.values():
        for gene in signature.up:
            family.setdefault(gene, signature.title.removeprefix("SASP "))
    kept = table[table["ligand"].isin(family)].drop_duplicates()
    return pd.DataFrame(
        {
            "ligand": kept["ligand"],
            "receptor": kept["receptor"].str.replace("_", "+", regex=False),
            "family": kept["ligand"].map(family),
            "source": _CONSENSUS,
        }
    ).reset_index(drop=True)


def directions() -> pd.DataFrame:
    """Directions that the literature expects: sender, receiver, what, source."""
    return pd.read_csv(resource("crosstalk", "directions.tsv"), sep="\t", dtype=str)


def genes_of(table: pd.DataFrame) -> list[str]:
    """Every gene of some pairs, chains apart."""
    chains = table["receptor"].str.split("+", regex=False).explode()
    return sorted({*table["ligand"], *chains})
