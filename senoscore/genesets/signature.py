"""What a signature is, and an ordered, immutable collection of them."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast

import pandas as pd

from senoscore.errors import SignatureError
from senoscore.genesets import genes
from senoscore.io import read_tsv, write_tsv

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["Signature", "SignatureSet"]

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
RESERVED: Final = frozenset({"all"})
_LONGEST_GENE: Final = 100
_LONGEST_TEXT: Final = 1000
_TEXTS: Final = ("category", "title", "source", "licence")
_LOST: Final = ("signature", "direction", "gene")
_COLUMNS: Final = (
    "signature",
    "gene",
    "direction",
    "weight",
    "status",
    "organism",
    "category",
    "title",
    "source",
    "licence",
    "note",
)


@dataclass(frozen=True)
class Signature:
    """A named set of genes, each with the direction in which it should change.

    Parameters
    ----------
    name
        Letter first, then letters, digits, ``_``, ``.`` or ``-``; 64 characters at most.
    up, down
        Current gene symbols that rise, that fall; at least one in all, none twice.
    weights
        Positive weight per gene, used by weighted methods only; genes without one weigh 1.
    organism
        Whose symbols these are: ``human`` or ``mouse``.
    category, title, source, licence, note
        What it is called, where it comes from and what may be done with it.

    Raises
    ------
    SignatureError
        Invalid name, no genes, a gene twice or in both directions or with hidden characters, a
        weight that is not a positive finite number or belongs to no gene of the set, a title or
        the like that is no line of text.
    """

    name: str
    up: tuple[str, ...]
    down: tuple[str, ...] = ()
    weights: Mapping[str, float] | None = field(default=None, hash=False)
    organism: str = "human"
    category: str = ""
    title: str = ""
    source: str = ""
    licence: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be scored."""
        object.__setattr__(self, "up", tuple(self.up))
        object.__setattr__(self, "down", tuple(self.down))
        self._check_name()
        self._check_texts()
        self._check_genes()
        if self.weights is not None:
            weights = {gene: float(weight) for gene, weight in self.weights.items()}
            object.__setattr__(self, "weights", weights)
            self._check_weights(weights)

    def _check_name(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            msg = f"invalid signature name {self.name!r}"
            fix = "start with a letter; then letters, digits, '_', '.', '-'; 64 characters at most"
            raise SignatureError(msg, fix=fix)
        if self.name in RESERVED:
            msg = f"signature name {self.name!r} is reserved"
            raise SignatureError(msg, fix="choose another name")
        if self.organism not in genes.ORGANISMS:
            msg = f"signature {self.name!r}: unknown organism {self.organism!r}"
            raise SignatureError(msg, fix=f"use one of {', '.join(genes.ORGANISMS)}")

    def _check_texts(self) -> None:
        for name in (*_TEXTS, "note"):
            text = getattr(self, name)
            fits = name == "note" or len(str(text)) <= _LONGEST_TEXT  # notes grow as genes change
            if not (isinstance(text, str) and fits and text.isprintable()):
                msg = f"signature {self.name!r}: {name} is {str(text)[:60]!r}"
                fix = f"write printable text on one line, at most {_LONGEST_TEXT:,} characters"
                raise SignatureError(msg, fix=fix)

    def _check_genes(self) -> None:
        listed = self.up + self.down
        if not listed:
            msg = f"signature {self.name!r} has no genes"
            raise SignatureError(msg, fix="list at least one gene under up or down")
        bad = [] if _are_genes(listed) else [gene for gene in listed if not _is_gene(gene)]
        if bad:
            text = isinstance(bad[0], str) and bad[0].strip()
            fix = (
                f"gene names are printable and at most {_LONGEST_GENE} characters long"
                if text
                else "quote gene names in YAML (NO, ON, 1e5 are not text)"
            )
            msg = f"signature {self.name!r}: {repr(bad[0])[:60]} is not a gene name"
            raise SignatureError(msg, fix=fix)
        both = sorted(set(self.up) & set(self.down))
        if both:
            msg = f"signature {self.name!r}: in up and in down: {', '.join(both)}"
            raise SignatureError(msg, fix="keep each gene in one direction")
        if len(set(listed)) < len(listed):
            twice = sorted({gene for gene in listed if listed.count(gene) > 1})
            msg = f"signature {self.name!r}: listed twice: {', '.join(twice)}"
            raise SignatureError(msg, fix="list each gene once")

    def _check_weights(self, weights: Mapping[str, float]) -> None:
        for gene, weight in weights.items():
            if not math.isfinite(weight) or weight <= 0:
                msg = f"signature {self.name!r}: weight of {gene} is {weight}"
                fix = "weights are positive numbers; the direction says the sign"
                raise SignatureError(msg, fix=fix)
        foreign = sorted(set(weights) - set(self.up) - set(self.down))
        if foreign:
            msg = f"signature {self.name!r}: weights for genes not in it: {', '.join(foreign)}"
            raise SignatureError(msg, fix="list the genes under up or down too")

    def weight(self, gene: str) -> float:
        """Weight of a gene, 1 unless stated."""
        return 1.0 if self.weights is None else self.weights.get(gene, 1.0)


class SignatureSet(Mapping[str, Signature]):
    """Signatures by name, in order; nothing in it can be changed.

    Parameters
    ----------
    signatures
        The signatures; names must be unique.
    lost
        Genes that have no one-to-one ortholog, kept so that coverage counts them as missing:
        columns ``signature``, ``direction``, ``gene`` (symbols of the original organism).

    Raises
    ------
    SignatureError
        A name twice, or a name that would be the up or down part of another (``x`` and ``x_up``).
    """

    def __init__(
        self, signatures: Iterable[Signature] = (), *, lost: pd.DataFrame | None = None
    ) -> None:
        self._signatures: dict[str, Signature] = {}
        for signature in signatures:
            if signature.name in self._signatures:
                msg = f"signature {signature.name!r} is duplicated"
                raise SignatureError(msg, fix="rename one of them")
            self._signatures[signature.name] = signature
        self._check_parts()
        self._lost = pd.DataFrame(columns=list(_LOST), dtype=object) if lost is None else lost

    def _check_parts(self) -> None:
        for name in self._signatures:
            for part in (f"{name}_up", f"{name}_down"):
                if part in self._signatures:
                    msg = f"signature {part!r} would be mistaken for a part of {name!r}"
                    raise SignatureError(msg, fix=f"rename {part!r}")

    def __getitem__(self, name: str) -> Signature:
        return self._signatures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._signatures)

    def __len__(self) -> int:
        return len(self._signatures)

    def __repr__(self) -> str:
        return f"SignatureSet({', '.join(self._signatures)})"

    @property
    def lost(self) -> pd.DataFrame:
        """Genes without a one-to-one ortholog: ``signature``, ``direction``, ``gene``."""
        return self._lost.copy()

    @property
    def organisms(self) -> frozenset[str]:
        """Organisms whose symbols are in use."""
        return frozenset(signature.organism for signature in self.values())

    def for_organism(self, organism: str) -> SignatureSet:
        """Map every signature to an organism by one-to-one orthologs.

        Parameters
        ----------
        organism
            ``human`` or ``mouse``.

        Returns
        -------
        A new set. Genes without an ortholog are in ``lost`` and still count as listed. A
        signature that keeps none of its genes is left out, and all its genes are in ``lost``.

        Raises
        ------
        InputError
            The organism is neither human nor mouse.
        """
        maps = {source: self._orthologs(source, organism) for source in self.organisms}
        kept: list[Signature] = []
        lost = [tuple(row) for row in self._lost[list(_LOST)].itertuples(index=False)]
        for signature in self.values():
            mapping = maps[signature.organism]
            lost += [
                (signature.name, direction, gene)
                for direction, listed in (("up", signature.up), ("down", signature.down))
                for gene in listed
                if gene not in mapping
            ]
            mapped = _map_signature(signature, mapping, organism)
            if mapped is not None:
                kept.append(mapped)
        return SignatureSet(kept, lost=pd.DataFrame(lost, columns=list(_LOST), dtype=object))

    def _orthologs(self, source: str, target: str) -> dict[str, str]:
        """Map all genes of one organism in the set at once; those without ortholog are left out."""
        listed = {g for s in self.values() if s.organism == source for g in s.up + s.down}
        table = genes.orthologs(listed, source, target)
        return {a: b for a, b in zip(table["source"], table["target"], strict=True) if b}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a gene: ``signature``, ``gene``, ``direction``, ``weight``, metadata.

        ``status`` is ``listed``, or ``lost`` for genes without an ortholog.
        """
        rows = [
            (s.name, gene, direction, s.weight(gene), "listed", *_metadata(s))
            for s in self.values()
            for direction, listed in (("up", s.up), ("down", s.down))
            for gene in listed
        ]
        rows += [
            (name, gene, direction, 1.0, "lost", *_metadata(self._signatures[name]))
            for name, direction, gene in self._lost[list(_LOST)].itertuples(index=False)
            if name in self._signatures
        ]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    @property
    def sha256(self) -> str:
        """Hash of names, genes, directions, weights, organisms and losses; order of genes aside."""
        content = [
            [
                s.name,
                s.organism,
                [(gene, s.weight(gene)) for gene in sorted(s.up)],
                [(gene, s.weight(gene)) for gene in sorted(s.down)],
            ]
            for s in self.values()
        ]
        lost = sorted(map(list, self._lost[list(_LOST)].itertuples(index=False)))
        return hashlib.sha256(json.dumps([content, lost]).encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write all of it as one TSV (long: one row a gene), whole or not at all."""
        write_tsv(self.to_frame(), path)

    @classmethod
    def read(cls, path: str | Path) -> SignatureSet:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            The file is not there, cut short, or lacks columns.
        """
        return cls.from_frame(read_tsv(path, dtype=str, columns=_COLUMNS))

    @classmethod
    def from_frame(cls, table: pd.DataFrame) -> SignatureSet:
        """Take what :meth:`to_frame` gave; metadata that are left out are empty."""
        table = table.reindex(columns=list(_COLUMNS)).astype(object)
        table = table.where(table.notna(), "")
        table["weight"] = table["weight"].astype(float)
        listed = table[table["status"] == "listed"]
        kept = [
            _from_rows(rows) for _, rows in listed.groupby("signature", sort=False, observed=True)
        ]
        lost = table[table["status"] == "lost"][list(_LOST)].reset_index(drop=True)
        return cls(kept, lost=lost)


def _are_genes(names: tuple[object, ...]) -> bool:
    """Whether all texts can name a gene, by a few looks at all of them together."""
    if not all(type(name) is str for name in names):
        return False
    texts = cast("tuple[str, ...]", names)
    short = max(map(len, texts)) <= _LONGEST_GENE
    return short and "".join(texts).isprintable() and all(map(str.strip, texts))


def _is_gene(name: object) -> bool:
    """Whether a text can name a gene: it shows all that it holds, and is not endless."""
    return (
        isinstance(name, str)
        and bool(name.strip())
        and len(name) <= _LONGEST_GENE
        and name.isprintable()
    )


def _metadata(s: Signature) -> tuple[str, ...]:
    return s.organism, s.category, s.title, s.source, s.licence, s.note


def _from_rows(rows: pd.DataFrame) -> Signature:
    first = rows.iloc[0]
    up = rows.loc[rows["direction"] == "up", "gene"]
    down = rows.loc[rows["direction"] == "down", "gene"]
    unit = bool((rows["weight"] == 1).all())
    return Signature(
        first["signature"],
        tuple(up),
        tuple(down),
        weights=None if unit else dict(zip(rows["gene"], rows["weight"], strict=True)),
        **{column: first[column] for column in _COLUMNS[5:]},
    )


def _map_signature(
    signature: Signature, mapping: Mapping[str, str], organism: str
) -> Signature | None:
    """Rename the genes of a signature; None if none is left."""
    if signature.organism == organism:
        return signature
    up = tuple(mapping[gene] for gene in signature.up if gene in mapping)
    down = tuple(mapping[gene] for gene in signature.down if gene in mapping)
    if not up and not down:
        return None
    weights = signature.weights
    if weights is not None:
        weights = {mapping[gene]: weight for gene, weight in weights.items() if gene in mapping}
    return replace(signature, up=up, down=down, weights=weights, organism=organism)
