"""Signatures by name, by category, from files and from the user's own objects."""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore.errors import SignatureError
from senoscore.genesets import genes
from senoscore.genesets.align import Gate, SignatureIndex, align, combine, output_names, part_names
from senoscore.genesets.read import SUFFIXES, from_dict, from_frame, read_signature_file
from senoscore.genesets.signature import Signature, SignatureSet
from senoscore.io import resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Source = str | Path | Mapping[str, Any] | pd.DataFrame | Signature | SignatureSet

__all__ = [
    "Gate",
    "Signature",
    "SignatureIndex",
    "SignatureSet",
    "align",
    "combine",
    "list_signatures",
    "output_names",
    "part_names",
    "signatures",
]

UNSIGNED: Final = "unsigned"
"""Category of lists whose source gives no direction: only on request, never part of "all"."""


def _read(name: str) -> pd.DataFrame:
    path = resource("signatures", name)
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


@cache
def _catalogue() -> pd.DataFrame:
    table = _read("catalogue.tsv")
    return table.astype({"n_up": int, "n_down": int})


@cache
def _built_in() -> dict[str, Signature]:
    """All shipped signatures, in the order of the catalogue."""
    catalogue = _catalogue()
    files = catalogue["file"].unique()
    table = pd.concat([_read(name) for name in files], ignore_index=True)
    table["weight"] = table["weight"].astype(float)
    rows = dict(iter(table.groupby("signature", observed=True)))
    shipped: dict[str, Signature] = {}
    for entry in catalogue.to_dict("records"):
        genes = rows[entry["signature"]]
        weights = genes[genes["weight"] != 1]
        shipped[entry["signature"]] = Signature(
            entry["signature"],
            tuple(genes.loc[genes["direction"] == "up", "gene"]),
            tuple(genes.loc[genes["direction"] == "down", "gene"]),
            weights=dict(zip(weights["gene"], weights["weight"], strict=True)) or None,
            **{
                key: entry[key]
                for key in ("organism", "category", "title", "source", "licence", "note")
            },
        )
    return shipped


def list_signatures() -> pd.DataFrame:
    """List the signatures that come with senoscore.

    Returns
    -------
    One row a signature: ``signature``, ``title``, ``category``, ``organism``, ``n_up``,
    ``n_down``, ``source``, ``licence``, ``note``.

    Examples
    --------
    >>> sets = sen.list_signatures()
    >>> sets.loc[sets["category"] == "senescence_core", "signature"].head(3).tolist()
    ['corescence', 'fridman', 'reactome_cellular_senescence']
    """
    columns = ["signature", "title", "category", "organism", "n_up", "n_down"]
    return _catalogue()[[*columns, "source", "licence", "note"]].copy()


def signatures(*sources: Source, organism: str | None = None) -> SignatureSet:
    """Collect signatures.

    Parameters
    ----------
    *sources
        Each one of: the name of a shipped signature; a category of :func:`list_signatures`;
        ``"all"`` (all shipped ones whose genes have a direction; also what no source at all
        gives); a path to a .gmt, .yaml, .tsv or .csv file; a dict (name -> genes, or name ->
        {up, down, weights, ...}); a DataFrame (``source``, ``target``, ``weight``); a
        :class:`Signature` or :class:`SignatureSet`.
    organism
        Map everything to this organism by one-to-one orthologs, except where a list made for it
        is shipped (``x_mouse`` for ``x``); None leaves every signature in its own. Your own
        signatures are of the organism they state (``organism``), else of the one their symbols
        speak of.

    Returns
    -------
    The signatures, in the order asked for; one that is asked for twice is there once.

    Raises
    ------
    SignatureError
        Unknown name (the closest ones are named), unreadable file, invalid signature, or two
        different signatures of one name.
    InputError
        The organism is neither human nor mouse.

    Examples
    --------
    >>> sen.signatures("senmayo", "fridman")
    SignatureSet(senmayo, fridman)
    >>> own = sen.signatures({"arrest": {"up": ["CDKN1A", "CDKN2A"], "down": ["MKI67"]}})
    >>> own["arrest"].up
    ('CDKN1A', 'CDKN2A')
    """
    found: dict[str, Signature] = {}
    origin: dict[str, str] = {}
    lost: list[pd.DataFrame] = []
    for number, source in enumerate(sources or ("all",), 1):
        where = _describe(source, number)
        if isinstance(source, SignatureSet):
            lost.append(source.lost)
        for signature in _resolve(source, where, organism):
            known = found.setdefault(signature.name, signature)
            origin.setdefault(signature.name, where)
            if not _same(known, signature):
                msg = (
                    f"signature {signature.name!r} differs between "
                    f"{origin[signature.name]} and {where}"
                )
                raise SignatureError(msg, fix="rename one of them")
    gone = pd.concat(lost, ignore_index=True).drop_duplicates() if lost else None
    collected = SignatureSet(found.values(), lost=gone)
    return collected if organism is None else collected.for_organism(organism)


def _describe(source: Source, number: int) -> str:
    if isinstance(source, str | Path):
        return str(source) if _is_path(source) else f"built-in {source!r}"
    return f"source {number} ({type(source).__name__})"


def _is_path(source: str | Path) -> bool:
    name = str(source).lower().removesuffix(".gz")
    return isinstance(source, Path) or name.endswith(SUFFIXES) or "/" in name


def _resolve(source: Source, where: str, organism: str | None) -> Iterable[Signature]:
    if isinstance(source, Signature):
        return [source]
    if isinstance(source, SignatureSet):
        return source.values()
    if isinstance(source, pd.DataFrame):
        return from_frame(source, where)
    if isinstance(source, str | Path):
        return read_signature_file(source) if _is_path(source) else _by_name(str(source), organism)
    if hasattr(source, "items"):
        return from_dict(source, where)
    msg = f"{where}: cannot be read as signatures"
    raise SignatureError(msg, fix="give a name, a path, a dict or a DataFrame")


def _by_name(name: str, organism: str | None) -> list[Signature]:
    shipped = _built_in()
    if name in shipped:
        return [_native(name, organism)]
    listed = [s for key, s in shipped.items() if _base(key) == key]
    if name == "all":
        return [_native(s.name, organism) for s in listed if s.category != UNSIGNED]
    chosen = [_native(s.name, organism) for s in listed if s.category == name]
    if chosen:
        return chosen
    known = [*shipped, *dict.fromkeys(s.category for s in shipped.values()), "all"]
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    msg = f"no signature or category {name!r}"
    hint = f"did you mean {', '.join(close)}?" if close else "see senoscore.list_signatures()"
    raise SignatureError(msg, fix=f"{hint} Files end in {', '.join(SUFFIXES)}")


def _base(name: str) -> str:
    """Return ``x`` for ``x_mouse`` where both are shipped, else the name itself."""
    stem, _, suffix = name.rpartition("_")
    return stem if suffix in genes.ORGANISMS and stem in _built_in() else name


def _native(name: str, organism: str | None) -> Signature:
    """Return the list made for the organism, where one is shipped, under the name asked for."""
    shipped = _built_in()
    variant = shipped.get(f"{name}_{organism}")
    return shipped[name] if variant is None else replace(variant, name=name)


def _same(a: Signature, b: Signature) -> bool:
    if a is b:
        return True
    if (set(a.up), set(a.down), a.organism) != (set(b.up), set(b.down), b.organism):
        return False
    return all(a.weight(gene) == b.weight(gene) for gene in a.up + a.down)
