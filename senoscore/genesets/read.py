"""Signatures from GMT, YAML and tables, from dicts and DataFrames: read, checked, never guessed."""

from __future__ import annotations

import gzip
import logging
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from senoscore.errors import SignatureError
from senoscore.genesets import genes
from senoscore.genesets.signature import Signature
from senoscore.io import load_yaml

__all__ = ["from_dict", "from_frame", "read_gmt", "read_signature_file", "read_yaml"]

_LOG = logging.getLogger(__name__)

SUFFIXES: Final = (".gmt", ".yaml", ".yml", ".tsv", ".csv", ".txt")
_FIELDS: Final = frozenset(
    {"up", "down", "weights", "organism", "category", "title", "source", "licence", "note"}
)
_LARGEST: Final = 100_000_000  # bytes; all of MSigDB is a sixth of it
_LONGEST_NAME: Final = 64
_SIDE: Final = re.compile(r"(?i)^(?P<stem>.+)_(?P<side>up|dn|down)$")


def read_signature_file(path: str | Path) -> list[Signature]:
    """Read a .gmt, .yaml/.yml, .tsv/.txt or .csv file (tables and GMT also .gz).

    Raises
    ------
    SignatureError
        The file is not there, is of another kind, or holds something that is not a signature.
    """
    path = Path(path)
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() not in SUFFIXES:
        msg = f"{path}: unknown kind of signature file"
        raise SignatureError(msg, fix=f"use one of {', '.join(SUFFIXES)}")
    text = _text(path)
    if suffix.lower() == ".gmt":
        return read_gmt(text, str(path))
    if suffix.lower() in {".yaml", ".yml"}:
        return read_yaml(text, str(path))
    return _read_table(text, str(path), "," if suffix.lower() == ".csv" else "\t")


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():  # to open a pipe is to wait for who writes into it
        msg = f"{path}: cannot be read (not a regular file)"
        raise SignatureError(msg, fix="check the path")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
            raw = handle.read(_LARGEST + 1)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        msg = f"{path}: no such signature file"
        raise SignatureError(msg, fix="check the path") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read ({error})"
        raise SignatureError(msg, fix="save it as UTF-8 text, or download it again") from error
    if len(raw) > _LARGEST:
        msg = f"{path}: holds more than {_LARGEST:,} bytes"
        raise SignatureError(msg, fix="give the gene sets you need only")
    if "\0" in text:
        msg = f"{path}: has a NUL byte; it is not text"
        raise SignatureError(msg, fix="save it as UTF-8 text, or download it again")
    return text


def read_gmt(text: str, where: str = "GMT") -> list[Signature]:
    """Parse GMT: name, description, genes, separated by tabs; one set a line.

    A name that ends in ``_UP``, ``_DN`` or ``_DOWN`` (any case) gives the direction of its
    genes and the rest of it names the signature, so that a pair becomes one signed signature.
    A name that could not be one of ours, as Enrichr and GO have them, is made one: runs of other
    characters than letters, digits, ``_``, ``.`` and ``-`` become ``_``, ``set_`` is put before
    what is no letter, and it ends at 64 characters. What it was goes to the log and the note.

    Raises
    ------
    SignatureError
        A line with fewer than three fields, a set twice, two names that become the same, or
        anything :class:`Signature` refuses.
    """
    was: dict[str, str] = {}
    entries: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(text.split("\n"), 1):  # not at the rarer marks of Unicode
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        listed = [field for field in fields[2:] if field]
        if not listed:
            msg = f"{where}, line {number}: expected name, description and genes, tab-separated"
            raise SignatureError(
                msg, fix="GMT needs tabs; an empty description still needs its tab"
            )
        match = _SIDE.match(fields[0])
        name, side = (match["stem"], match["side"].lower()) if match else (fields[0], "up")
        side, given = "up" if side == "up" else "down", name
        name = _valid_name(given)
        if was.setdefault(name, given) != given:
            msg = f"{where}, line {number}: {was[name]!r} and {given!r} both become {name!r}"
            raise SignatureError(msg, fix="rename one of them")
        entry = entries.setdefault(name, {"signed": match is not None, "title": fields[1]})
        if side in entry or entry["signed"] != (match is not None):
            msg = f"{where}, line {number}: signature {name!r} ({side}) is duplicated"
            raise SignatureError(msg, fix="rename or remove one of them")
        entry[side] = listed
    if not entries:
        msg = f"{where}: no gene sets in it"
        raise SignatureError(msg, fix="write name, description and genes, separated by tabs")
    made = []
    for name, entry in entries.items():
        described = {key: value for key, value in entry.items() if key != "signed"}
        if was[name] != name:
            _LOG.info("%s: signature %r is called %s", where, was[name], name)
            described["note"] = f"called {was[name]!r} in its file"
        made.append(_build(name, described, where))
    return made


def _valid_name(name: str) -> str:
    valid = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
    if name != valid:
        valid = valid.strip("_")
    if valid and not valid[0].isalpha():
        valid = f"set_{valid}"
    return valid[:_LONGEST_NAME]


def read_yaml(text: str, where: str = "YAML") -> list[Signature]:
    """Parse YAML: name -> list of (up) genes, or name -> {up, down, weights, organism, ...}.

    Raises
    ------
    SignatureError
        Not YAML, a key twice, an unknown field, or anything :class:`Signature` refuses.
    """
    try:
        content = load_yaml(text)
    except yaml.YAMLError as error:
        msg = f"{where}: not valid YAML ({error})"
        raise SignatureError(msg, fix="check indentation and quotes at the line named") from error
    if not isinstance(content, Mapping) or not content:
        msg = f"{where}: expected signature names, each with its genes"
        raise SignatureError(
            msg, fix="write `my_set: [GENE1, GENE2]` or `my_set: {up: [], down: []}`"
        )
    return from_dict(content, where)


def from_dict(content: Mapping[Any, Any], where: str = "dict") -> list[Signature]:
    """Make signatures of a mapping: name -> genes, or name -> fields, or name -> Signature.

    Raises
    ------
    SignatureError
        An unknown field or anything :class:`Signature` refuses.
    """
    made: list[Signature] = []
    for name, value in content.items():
        if isinstance(value, Signature):
            made.append(value)
            continue
        if isinstance(value, Mapping):
            fields = dict(value)
        elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
            fields = {"up": list(value)}
        else:
            msg = f"{where}: signature {name!r} is {type(value).__name__}, expected a list of genes"
            raise SignatureError(msg, fix="give a list, or a mapping with up and down")
        unknown = sorted(map(str, set(fields) - _FIELDS))
        if unknown:
            msg = f"{where}: signature {name!r} has unknown fields {', '.join(unknown)}"
            raise SignatureError(msg, fix=f"use {', '.join(sorted(_FIELDS))}")
        made.append(_build(name, fields, where))
    return made


def from_frame(frame: pd.DataFrame, where: str = "DataFrame") -> list[Signature]:
    """Make signatures of a table with a row a gene.

    Either ``source``, ``target`` and optionally ``weight`` (its sign is the direction), or
    ``signature``, ``gene``, ``direction`` and optionally ``weight``; ``organism`` is optional.

    Raises
    ------
    SignatureError
        Missing columns, a weight that is 0, not a number or contradicted, or anything
        :class:`Signature` refuses.
    """
    names = {"signature": "source", "gene": "target"} if "signature" in frame else {}
    table = frame.rename(columns=names)
    lacking = [column for column in ("source", "target") if column not in table]
    if lacking:
        msg = f"{where}: no column {', '.join(lacking)} (there are {', '.join(map(str, frame))})"
        raise SignatureError(msg, fix="name the columns source, target and weight")
    table = table.reset_index(drop=True)
    weight = pd.to_numeric(table["weight"], errors="coerce") if "weight" in table else None
    if weight is None:
        weight = pd.Series(1.0, index=table.index)
    bad = ~(weight.abs() > 0) | (weight.abs() == float("inf"))
    if bad.any():
        at = int(bad.to_numpy().argmax())
        row = table.iloc[at]
        what = f"{row['source']}/{row['target']} is {row['weight']!r}"
        msg = f"{where}, row {at + 1}: weight of {what}"
        raise SignatureError(msg, fix="give a number other than 0; its sign is the direction")
    table["weight"] = weight * _direction_sign(table, where)
    return [
        _build(name, _fields_of(str(name), rows, where), where)
        for name, rows in table.groupby("source", sort=False, observed=True)
    ]


def _direction_sign(table: pd.DataFrame, where: str) -> pd.Series:
    if "direction" not in table:
        return pd.Series(1.0, index=table.index)
    sign = table["direction"].map({"up": 1.0, "down": -1.0})
    if sign.isna().any():
        at = int(sign.isna().to_numpy().argmax())
        msg = f"{where}, row {at + 1}: direction {table['direction'].iloc[at]!r}"
        raise SignatureError(msg, fix="use up or down")
    return sign


def _fields_of(name: str, rows: pd.DataFrame, where: str) -> dict[str, Any]:
    weights: dict[str, float] = {}
    for gene, weight in zip(rows["target"], rows["weight"], strict=True):
        if weights.setdefault(gene, weight) != weight:
            msg = (
                f"{where}: signature {name!r} has {gene} with weights {weights[gene]} and {weight}"
            )
            raise SignatureError(msg, fix="keep one of the rows")
    fields: dict[str, Any] = {
        "up": [gene for gene, weight in weights.items() if weight > 0],
        "down": [gene for gene, weight in weights.items() if weight < 0],
    }
    if any(abs(weight) != 1 for weight in weights.values()):
        fields["weights"] = {gene: abs(weight) for gene, weight in weights.items()}
    if "organism" in rows:
        fields["organism"] = rows["organism"].iloc[0]
    return fields


def _read_table(text: str, where: str, separator: str) -> list[Signature]:
    from io import StringIO

    try:
        # With the header as a row: pandas takes a field more than the header for row names.
        rows = pd.read_csv(StringIO(text), sep=separator, dtype=str, header=None, na_filter=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        msg = f"{where}: not a table ({' '.join(str(error).split())[:200]})"
        raise SignatureError(msg, fix="give a header and rows of as many fields") from error
    header, table = rows.iloc[0], rows.iloc[1:].reset_index(drop=True)
    if table.empty:
        msg = f"{where}: no rows in it"
        raise SignatureError(msg, fix="write one row a gene")
    if header.duplicated().any():
        msg = f"{where}: column {header[header.duplicated()].iloc[0]!r} is duplicated"
        raise SignatureError(msg, fix="keep one of them")
    return from_frame(table.set_axis(header.tolist(), axis=1), where)


def _build(name: Any, fields: dict[str, Any], where: str) -> Signature:
    """Make a signature in current symbols; errors say which file it is in."""
    try:
        fields = dict(fields)
        up, down = (_listed(name, fields.pop(side, None)) for side in ("up", "down"))
        raw = Signature(name, up, down, **{**fields, "organism": _organism(up + down, fields)})
        return _modernise(raw, where)
    except SignatureError as error:
        if error.message.startswith(where):
            raise
        msg = f"{where}: {error.message}"
        raise SignatureError(msg, fix=error.fix) from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        msg = f"{where}: signature {name!r} is not well formed ({error})"
        raise SignatureError(msg, fix="see config/README.md for the form of a signature") from error


def _listed(name: Any, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Iterable):
        msg = f"signature {name!r}: expected a list of genes, found {value!r}"
        raise SignatureError(msg, fix="write genes as a list")
    return tuple(dict.fromkeys(value))


def _organism(listed: tuple[Any, ...], fields: Mapping[str, Any]) -> str:
    """Return the organism stated, else the one the symbols speak of, else human."""
    stated = fields.get("organism")
    return stated or genes.detect_organism([str(gene) for gene in listed]).organism or "human"


def _modernise(signature: Signature, where: str) -> Signature:
    """Put current symbols in place of old ones, as is done with the names of a matrix."""
    changed = genes.renamed(signature.up + signature.down, signature.organism)
    if not changed:
        return signature
    text = ", ".join(f"{old} -> {new}" for old, new in changed.items())
    _LOG.info("%s: signature %s: symbols updated: %s", where, signature.name, text)
    weights = signature.weights
    if weights is not None:
        weights = {changed.get(gene, gene): weight for gene, weight in weights.items()}
    return Signature(
        signature.name,
        tuple(dict.fromkeys(changed.get(gene, gene) for gene in signature.up)),
        tuple(dict.fromkeys(changed.get(gene, gene) for gene in signature.down)),
        weights=weights,
        organism=signature.organism,
        category=signature.category,
        title=signature.title,
        source=signature.source,
        licence=signature.licence,
        note="; ".join(filter(None, [signature.note, f"symbols updated: {text}"])),
    )
