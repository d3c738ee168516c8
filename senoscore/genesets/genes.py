"""How the names of a matrix meet the names of a signature: Ensembl ids, old symbols, two species.

All tables are facts shipped in ``resources/genes`` (Ensembl BioMart, HGNC previous symbols) and
are read once, on first use. Nothing is looked up online.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import pandas as pd

from senoscore.errors import InputError
from senoscore.io import resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


__all__ = [
    "ORGANISMS",
    "OrganismGuess",
    "canonicalise",
    "detect_organism",
    "orthologs",
    "renamed",
    "symbols",
]

ORGANISMS: Final = ("human", "mouse")

_ENSEMBL_ID: Final = re.compile(r"(ENS(?:MUS)?G\d{11})(?:\.\d+)?(_PAR_Y)?$")
_PREFIX: Final = re.compile(r"(ENSMUSG|ENSG)\d{11}")
_EXCEL_DATE: Final = re.compile(
    r"(?i)(?:\d{1,2}-(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"|(?:mar|sep|dec)-\d{1,2}|\d{4}-\d{2}-\d{2}(?: 00:00:00)?)$"
)
_MIN_RECOGNISED: Final = 0.05
_MIXED: Final = 0.2
_MIN_CAPITALS: Final = 5  # names that only a mouse has, before capitals are taken for a mouse's
_CAPITALS_RATIO: Final = 4  # and how many there must be for each that only a human has


class _Tables(NamedTuple):
    by_id: dict[str, str]  # Ensembl id -> symbol
    id_of: dict[str, str]  # symbol -> lowest Ensembl id, which is the one on the primary assembly
    by_upper: dict[str, str]  # upper-cased symbol -> symbol
    alias: dict[str, str]  # upper-cased alias -> symbol, or "A|B" where it means several genes
    kind: dict[str, str]  # upper-cased alias -> previous symbol | synonym


@dataclass(frozen=True)
class OrganismGuess:
    """What species the names of a matrix speak of.

    Attributes
    ----------
    organism
        ``human``, ``mouse``, or None where the names cannot tell.
    fractions
        Share (0..1) of the distinct names that are exactly a gene of each organism.
    mixed
        True where both species are there in force (a barnyard or xenograft matrix).
    note
        The reason, in words.
    """

    organism: str | None
    fractions: Mapping[str, float]
    mixed: bool
    note: str


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(
        resource("genes", name), sep="\t", dtype=str, keep_default_na=False, engine="c"
    )


def _check_organism(organism: str) -> None:
    if organism not in ORGANISMS:
        msg = f"unknown organism {organism!r}"
        raise InputError(msg, fix=f"use one of {', '.join(ORGANISMS)}")


@cache
def _tables(organism: str) -> _Tables:
    _check_organism(organism)
    ids = _read(f"{organism}_symbols.tsv.gz")
    aliases = _read(f"{organism}_aliases.tsv.gz")
    ensembl, symbol = ids["ensembl_id"].tolist(), ids["symbol"].tolist()
    # The table is sorted by id: written in reverse, the lowest id of a symbol stays.
    id_of = dict(zip(reversed(symbol), reversed(ensembl), strict=True))
    upper = aliases["alias"].tolist()
    words = aliases["kind"].replace("previous", "previous symbol")
    return _Tables(
        by_id=dict(zip(ensembl, symbol, strict=True)),
        id_of=id_of,
        by_upper={s.upper(): s for s in id_of},
        alias=dict(zip(upper, aliases["symbol"].tolist(), strict=True)),
        kind=dict(zip(upper, words.tolist(), strict=True)),
    )


@cache
def _ortholog_table(source: str) -> dict[str, str]:
    table = _read("orthologs.tsv.gz")
    target = "mouse" if source == "human" else "human"
    return dict(zip(table[source].tolist(), table[target].tolist(), strict=True))


def symbols(organism: str) -> frozenset[str]:
    """Return all current gene symbols of an organism.

    Raises
    ------
    InputError
        The organism is neither human nor mouse.
    """
    return frozenset(_tables(organism).id_of)


def canonicalise(names: Iterable[str], organism: str) -> pd.DataFrame:
    """Give every name its current symbol, and say how it came to it.

    The first rule that fits is used: current symbol; Ensembl id (version and ``_PAR_Y`` are cut
    off); current symbol in another case; previous symbol or synonym, whatever its case, if it
    means one gene only; ``HLA.A`` for ``HLA-A``, which is what R makes of it. A name that fits
    none is kept as it is.

    Parameters
    ----------
    names
        Gene names or ids as found in a matrix; repeats are allowed.
    organism
        ``human`` or ``mouse``.

    Returns
    -------
    One row a name, in input order: ``input``, ``symbol`` (never empty unless the input is),
    ``ensembl_id`` (empty where unknown), ``status`` (``symbol``, ``ensembl``, ``case``,
    ``alias``, ``ambiguous_alias``, ``unknown``) and ``note``.

    Raises
    ------
    InputError
        The organism is neither human nor mouse.

    Notes
    -----
    Current symbols and ids: Ensembl BioMart. Previous symbols: HGNC; synonyms: Ensembl. A name
    that is a current symbol stays one, even where it once named another gene.
    """
    tables = _tables(organism)
    given = pd.Series(list(names), dtype=object)
    given = given.where(given.notna(), "").astype(str)
    resolved = {name: _resolve(name.strip(), tables, organism) for name in given.unique()}
    rows = [(name, *resolved[name]) for name in given]
    columns = ["input", "symbol", "ensembl_id", "status", "note"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def renamed(names: Iterable[str], organism: str) -> dict[str, str]:
    """Names that :func:`canonicalise` would change, with the symbol each would get.

    The same answers, many times faster where most names are symbols or known to nobody, as in
    nearly every matrix.

    Parameters
    ----------
    names
        Gene names or ids as found in a matrix.
    organism
        ``human`` or ``mouse``.

    Raises
    ------
    InputError
        The organism is neither human nor mouse.
    """
    tables = _tables(organism)
    unknown = [name for name in names if name not in tables.id_of]
    joined = "\n".join(unknown)
    raised = joined.upper()  # all at once: a tenth of the time
    uppers = unknown if raised == joined else raised.split("\n")
    if len(uppers) != len(unknown):  # a name of two lines, or none at all
        uppers = [name.upper() for name in unknown]
    others = _other_keys(organism).intersection(uppers)
    pairs: Iterable[tuple[str, str]] = zip(unknown, uppers, strict=True)
    # Dots, spaces and ids are rare: looked for in the whole first.
    if not ("." in joined or "ENS" in raised or len(joined.split()) < len(unknown)):
        pairs = [(name, upper) for name, upper in pairs if upper in others] if others else []
    changed = {}
    for name, upper in pairs:
        bare = name.strip()
        likely = upper.strip() in others or upper.lstrip().startswith("ENS") or "." in bare
        symbol = _resolve(bare, tables, organism)[0] if likely or bare != name else name
        if symbol != name:
            changed[name] = symbol
    return changed


@cache
def _other_keys(organism: str) -> frozenset[str]:
    """Upper-cased names under which a gene is known besides its symbol."""
    tables = _tables(organism)
    return frozenset(tables.by_upper) | frozenset(tables.alias)


def _resolve(name: str, tables: _Tables, organism: str) -> tuple[str, str, str, str]:
    """Return symbol, Ensembl id, status and note of one name: the first rule that fits."""
    if name in tables.id_of:
        return name, tables.id_of[name], "symbol", ""
    upper = name.upper()
    if upper.startswith("ENS") and (match := _ENSEMBL_ID.match(upper)):
        return _resolve_id(match[1], tables, organism, on_y=bool(match[2]))
    if upper in tables.by_upper:
        symbol = tables.by_upper[upper]
        return symbol, tables.id_of[symbol], "case", "upper and lower case differ from the symbol"
    if upper in tables.alias:
        symbol = tables.alias[upper]
        if "|" in symbol:
            return name, "", "ambiguous_alias", f"may mean {symbol.replace('|', ', ')}"
        return symbol, tables.id_of[symbol], "alias", tables.kind[upper]
    dashed = name.replace(".", "-")
    if dashed in tables.id_of:
        return dashed, tables.id_of[dashed], "alias", "a dash was written as a dot (R)"
    if _EXCEL_DATE.match(name):
        note = "a date: a spreadsheet has damaged a name such as MARCH1, SEPT2 or DEC1"
        return name, "", "unknown", note
    return name, "", "unknown", "" if name else "empty name"


def _resolve_id(
    ensembl: str, tables: _Tables, organism: str, *, on_y: bool
) -> tuple[str, str, str, str]:
    if ensembl in tables.by_id:
        note = "copy on the pseudoautosomal region of Y" if on_y else ""
        return tables.by_id[ensembl], ensembl, "ensembl", note
    # An unlisted id loses its version, so that two releases of Ensembl still agree on it.
    other = ensembl.startswith("ENSMUSG") != (organism == "mouse")
    note = f"not a {organism} id" if other else "Ensembl id without a symbol here"
    return ensembl, ensembl, "unknown", note


def detect_organism(names: Iterable[str]) -> OrganismGuess:
    """Guess the organism from gene names: by Ensembl prefix and by exact symbols.

    Mouse symbols written in capitals are told from human ones by those that have no human
    namesake (``GM10076``, ``H2-K1``).

    Parameters
    ----------
    names
        Gene names or Ensembl ids of a matrix.

    Returns
    -------
    The guess; ``organism`` is None for fewer than 5 % recognised names and for a mixture
    (both organisms above 20 %).
    """
    unique = list(dict.fromkeys(map(str, names)))
    if not unique:
        return OrganismGuess(None, dict.fromkeys(ORGANISMS, 0.0), mixed=False, note="no names")
    prefixes = [match[1] if (match := _PREFIX.match(name)) else "" for name in unique]
    has_ids, fractions = any(prefixes), {}
    for organism, start in (("human", "ENSG"), ("mouse", "ENSMUSG")):
        known = _tables(organism).id_of
        hits = sum(map(known.__contains__, unique))
        if has_ids:
            pairs = zip(unique, prefixes, strict=True)
            hits += sum(prefix == start and name not in known for name, prefix in pairs)
        fractions[organism] = hits / len(unique)
    if fractions["human"] > fractions["mouse"] and _is_mouse_in_capitals(unique):
        by_upper = _tables("mouse").by_upper
        fractions["mouse"] = sum(name.upper() in by_upper for name in unique) / len(unique)
        note = f"mouse symbols in capitals: {fractions['mouse']:.0%} of the names"
        return OrganismGuess("mouse", fractions, mixed=False, note=note)
    best = max(fractions, key=lambda organism: fractions[organism])
    seen = ", ".join(f"{share:.0%} {organism}" for organism, share in fractions.items())
    if min(fractions.values()) > _MIXED:
        return OrganismGuess(None, fractions, mixed=True, note=f"two species: {seen}")
    if fractions[best] < _MIN_RECOGNISED:
        return OrganismGuess(None, fractions, mixed=False, note=f"too few names known: {seen}")
    return OrganismGuess(best, fractions, mixed=False, note=seen)


def _is_mouse_in_capitals(names: Iterable[str]) -> bool:
    human, mouse = _tables("human"), _tables("mouse").by_upper
    only_human = only_mouse = 0
    for name in names:
        known = name in human.id_of or name.upper() in human.alias or bool(_PREFIX.match(name))
        only_human += known and name not in mouse
        only_mouse += name in mouse and not known
    return only_mouse >= max(_MIN_CAPITALS, _CAPITALS_RATIO * only_human)


def orthologs(symbols: Iterable[str], source: str, target: str) -> pd.DataFrame:
    """Map current symbols to the other organism by one-to-one orthologs only.

    Parameters
    ----------
    symbols
        Current symbols of the organism ``source``.
    source, target
        ``human`` or ``mouse``; equal ones give the symbols back.

    Returns
    -------
    One row a symbol, in input order: ``source``, ``target`` (empty where there is none) and
    ``status`` (``one_to_one``, ``same`` for equal organisms, ``none``).

    Raises
    ------
    InputError
        An organism is neither human nor mouse.

    Notes
    -----
    Source: Ensembl BioMart, homology type ``ortholog_one2one``. Genes such as human CXCL8, which
    mice lack, have none; a functional analogue is never put in their place.
    """
    _check_organism(source)
    _check_organism(target)
    given = pd.Series(list(symbols), dtype=object)
    if source == target:
        return pd.DataFrame({"source": given, "target": given, "status": "same"}, dtype=object)
    table = _ortholog_table(source)
    found = pd.Series([table.get(symbol) for symbol in given], index=given.index, dtype=object)
    missing = found.isna()
    return pd.DataFrame(
        {
            "source": given,
            "target": found.where(~missing, ""),
            "status": missing.map({True: "none", False: "one_to_one"}),
        },
        dtype=object,
    )
