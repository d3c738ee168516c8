"""Signatures against the genes of a matrix: what is found, what passes the gate, what goes out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from senoscore.errors import InputError, MethodError
from senoscore.genesets.genes import renamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from senoscore.genesets.signature import Signature, SignatureSet


__all__ = ["Gate", "SignatureIndex", "align", "combine", "output_names", "part_names"]


@dataclass(frozen=True)
class Gate:
    """What must be found of a part (the up or the down genes) for it to be scored.

    Parameters
    ----------
    min_fraction
        Smallest share (0..1) of the listed genes that the matrix must have.
    min_genes
        Smallest number of genes found. A part that lists fewer genes than this needs all of
        them.

    Raises
    ------
    MethodError
        A value outside its range.
    """

    min_fraction: float = 0.5
    min_genes: int = 5

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        if not 0 <= self.min_fraction <= 1:
            msg = f"gate: min_fraction is {self.min_fraction}"
            raise MethodError(msg, fix="use a number from 0 to 1")
        if self.min_genes < 1:
            msg = f"gate: min_genes is {self.min_genes}"
            raise MethodError(msg, fix="use 1 or more")

    def passes(self, n_found: int, n_listed: int) -> bool:
        """Whether a part with so many genes found and listed may be scored."""
        if n_listed < self.min_genes:
            return 0 < n_listed == n_found
        return n_found >= self.min_genes and n_found >= self.min_fraction * n_listed


class SignatureIndex(NamedTuple):
    """All parts of all signatures as positions in a matrix, CSR-like.

    ``gene_idx[indptr[i]:indptr[i + 1]]`` are the columns of part ``i``, ascending, and
    ``weight`` the weights that go with them.
    """

    names: tuple[str, ...]
    indptr: NDArray[np.int64]
    gene_idx: NDArray[np.int64]
    weight: NDArray[np.float64]
    n_listed: NDArray[np.int64]
    passed: NDArray[np.bool_]


def _parts(sigs: SignatureSet) -> list[tuple[str, Signature, str]]:
    """(part name, signature, direction) of everything that is scored, in order."""
    # A direction all of whose genes lack an ortholog is still a part, with nothing found.
    lost = set(zip(sigs.lost["signature"], sigs.lost["direction"], strict=True))
    parts: list[tuple[str, Signature, str]] = []
    for name, signature in sigs.items():
        up = bool(signature.up) or (name, "up") in lost
        down = bool(signature.down) or (name, "down") in lost
        if up:
            parts.append((f"{name}_up" if down else name, signature, "up"))
        if down:
            parts.append((f"{name}_down", signature, "down"))
    return parts


def part_names(sigs: SignatureSet) -> tuple[str, ...]:
    """Names of the parts to score: ``x_up``, ``x_down``; ``x`` where there are only up genes."""
    return tuple(name for name, _, _ in _parts(sigs))


def output_names(sigs: SignatureSet) -> tuple[str, ...]:
    """Names of the score columns, in the order in which :func:`combine` gives them."""
    names = part_names(sigs)
    return tuple(_combine(dict.fromkeys(names, np.zeros(0)), names, sigs))


def align(
    sigs: SignatureSet, var_names: Iterable[str], *, gate: Gate = Gate()
) -> tuple[SignatureIndex, pd.DataFrame]:
    """Find the genes of signatures in a matrix.

    Parameters
    ----------
    sigs
        Signatures in the symbols of the matrix (see :meth:`SignatureSet.for_organism`).
    var_names
        Canonical symbols of the columns, shape (n_vars,), each once.
    gate
        What must be found for a part to pass.

    Notes
    -----
    A gene that is not among ``var_names`` under its canonical symbol is looked for under its
    other names (previous symbols, aliases, Ensembl ids), so matrices need not be renamed first.

    Returns
    -------
    The index of parts, and a coverage table with one row a part: ``signature``, ``direction``,
    ``n_listed``, ``n_found``, ``fraction``, ``gate`` (``pass`` or ``fail``), ``missing``
    (symbols separated by spaces; genes without an ortholog among them).

    Raises
    ------
    InputError
        A symbol is there twice.
    """
    index = (
        var_names if isinstance(var_names, pd.Index) else pd.Index(list(var_names), dtype=object)
    )
    if not index.is_unique:
        twice = index[index.duplicated()].unique()[:5]
        msg = f"gene names are not unique: {', '.join(map(str, twice))}"
        raise InputError(msg, fix="sum duplicated genes first (senoscore ingest does)")
    gone = sigs.lost
    lost = (
        {}
        if gone.empty
        else gone.groupby(["signature", "direction"], observed=True)["gene"].agg(list).to_dict()
    )
    columns, weights, rows = [], [], []
    parts = _parts(sigs)
    others = lru_cache(partial(_other_names, index))  # made only where something is missing
    lists = [s.up if direction == "up" else s.down for _, s, direction in parts]
    every = index.get_indexer(pd.Index([gene for genes in lists for gene in genes], dtype=object))
    stops = np.cumsum([len(genes) for genes in lists])[:-1]
    for (_, signature, direction), listed, where in zip(
        parts, lists, np.split(every, stops), strict=True
    ):
        if (where < 0).any():
            where = _by_other_names(listed, where, others(signature.organism))
        order = np.argsort(where, kind="stable")
        order = order[where[order] >= 0]
        columns.append(where[order])
        weights.append([signature.weight(listed[i]) for i in order])
        missing = [gene for gene, at in zip(listed, where, strict=True) if at < 0]
        missing += lost.get((signature.name, direction), [])
        rows.append((signature.name, direction, len(order) + len(missing), len(order), missing))
    coverage = _coverage(rows, gate)
    found = np.array([len(part) for part in columns], dtype=np.int64)
    return (
        SignatureIndex(
            names=tuple(name for name, _, _ in parts),
            indptr=np.concatenate([[0], np.cumsum(found)]).astype(np.int64),
            gene_idx=np.concatenate([np.zeros(0), *columns]).astype(np.int64),
            weight=np.concatenate([np.zeros(0), *weights]).astype(np.float64),
            n_listed=coverage["n_listed"].to_numpy(dtype=np.int64),
            passed=coverage["gate"].eq("pass").to_numpy(dtype=bool),
        ),
        coverage,
    )


def _other_names(index: pd.Index, organism: str) -> dict[str, int]:
    """Column of each canonical symbol that the matrix has under one other name only."""
    names = index.tolist()
    if set(map(type, names)) != {str}:
        names = [str(name) for name in names]
        index = pd.Index(names, dtype=object)
    symbol_of = renamed(names, organism)
    if not symbol_of:
        return {}
    columns = index.get_indexer(pd.Index(list(symbol_of), dtype=object))
    meant = Counter(symbol_of.values())
    return {
        symbol: int(column)
        for symbol, column in zip(symbol_of.values(), columns, strict=True)
        if meant[symbol] == 1
    }


def _by_other_names(
    listed: Iterable[str], where: NDArray[np.intp], others: Mapping[str, int]
) -> NDArray[np.intp]:
    taken = set(where[where >= 0].tolist())
    found = [others.get(gene, -1) if at < 0 else at for gene, at in zip(listed, where, strict=True)]
    return np.array(
        [-1 if before < 0 and at in taken else at for before, at in zip(where, found, strict=True)],
        dtype=np.intp,
    )


def _coverage(rows: list[tuple[str, str, int, int, list[str]]], gate: Gate) -> pd.DataFrame:
    names, directions, listed, found, missing = zip(*rows, strict=True) if rows else ((),) * 5
    n_listed, n_found = np.array(listed, dtype=np.int64), np.array(found, dtype=np.int64)
    return pd.DataFrame(
        {
            "signature": np.array(names, dtype=object),
            "direction": np.array(directions, dtype=object),
            "n_listed": n_listed,
            "n_found": n_found,
            "fraction": n_found / n_listed,
            "gate": np.array(
                [
                    "pass" if gate.passes(f, n) else "fail"
                    for f, n in zip(found, listed, strict=True)
                ],
                dtype=object,
            ),
            "missing": np.array([" ".join(genes) for genes in missing], dtype=object),
        }
    )


def combine(
    parts: Mapping[str, NDArray[np.floating]] | NDArray[np.floating], sigs: SignatureSet
) -> dict[str, NDArray[np.floating]]:
    """Turn the scores of parts into score columns: the one place where up meets down.

    Parameters
    ----------
    parts
        Scores by part name, each of shape (n_cells,); or an array of shape (n_cells, n_parts)
        in the order of :func:`part_names`.
    sigs
        The signatures the parts belong to.

    Returns
    -------
    Columns by name. Up and down genes: ``x_up``, ``x_down`` and ``x`` = up - down. Up only:
    ``x``. Down only: ``x_down`` and ``x`` = -down. Nothing is clipped; NaN (gate failed) in one
    part makes ``x`` NaN.

    Raises
    ------
    ValueError
        The parts are not those of the signatures (a bug of the caller).
    """
    names = part_names(sigs)
    if isinstance(parts, np.ndarray):
        if parts.ndim != 2 or parts.shape[1] != len(names):
            msg = f"parts have shape {parts.shape}, expected (n_cells, {len(names)})"
            raise ValueError(msg)
        array = parts
        parts = {name: array[:, i] for i, name in enumerate(names)}
    absent = [name for name in names if name not in parts]
    if absent:
        msg = f"no scores for parts {', '.join(absent)}"
        raise ValueError(msg)
    return _combine(parts, names, sigs)


def _combine(
    parts: Mapping[str, NDArray[np.floating]], names: tuple[str, ...], sigs: SignatureSet
) -> dict[str, NDArray[np.floating]]:
    out: dict[str, NDArray[np.floating]] = {}
    scored = set(names)
    for name in sigs:
        up, down = f"{name}_up", f"{name}_down"
        if name in scored:
            out[name] = parts[name]
        elif up in scored:
            out[up], out[down] = parts[up], parts[down]
            out[name] = parts[up] - parts[down]
        else:
            out[down] = parts[down]
            out[name] = -parts[down]
    return out
