"""Long tables: one value a row, with the cell and gene (and perhaps sample) it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore.errors import InputError
from senoscore.io._fields import frames
from senoscore.io._text import Dialect, is_number
from senoscore.io.naming import known_share
from senoscore.io.source import Source, checked_names, in_memory

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["look_long", "looks_long", "read_long"]

_SAMPLE: Final = frozenset({"sample", "sample_id", "sampleid", "library"})
_CELL: Final = frozenset({"cell", "cell_id", "cellid", "barcode", "cell_barcode"})
_GENE: Final = frozenset(
    {"gene", "feature", "gene_id", "symbol", "gene_symbol", "gene_name", "ensembl_id"}
)
_FIX: Final = "a long table has the columns cell, gene and value, or sample, cell, gene and value"


class _Columns(NamedTuple):
    """Positions in a row."""

    cell: int
    gene: int
    value: int
    sample: int | None


def looks_long(dialect: Dialect) -> bool:
    """Whether three columns are two of names and one of values, or four say by name that they are.

    Three need not be named: one of the first two repeats in any long table.
    """
    rows = dialect.rows
    if _by_name(dialect) is not None:
        return True
    if any(len(row) != 3 for row in rows) or not is_number(rows[0][2]):
        return False
    if is_number(rows[0][0]) or is_number(rows[0][1]):
        return False
    header = set(_header(dialect))
    if header & (_CELL | _SAMPLE) and header & _GENE:
        return True
    repeats = (len({row[i] for row in rows}) < len(rows) for i in (0, 1))
    return any(repeats)


def _header(dialect: Dialect) -> list[str]:
    return [field.strip().lower() for field in dialect.header or ()]


def _by_name(dialect: Dialect) -> _Columns | None:
    """Find sample, cell, gene and value in four columns, in any order."""
    header = _header(dialect)
    if len(header) != 4 or any(len(row) != 4 for row in dialect.rows):
        return None
    at = [[i for i, name in enumerate(header) if name in of] for of in (_SAMPLE, _CELL, _GENE)]
    if [len(found) for found in at] != [1, 1, 1]:
        return None
    sample, cell, gene = (found[0] for found in at)
    value = ({0, 1, 2, 3} - {sample, cell, gene}).pop()
    numbers = all(is_number(row[value]) for row in dialect.rows)
    return _Columns(cell, gene, value, sample) if numbers else None


def _columns(path: Path, dialect: Dialect) -> _Columns:
    width = len(dialect.rows[0])
    named = _by_name(dialect)
    if named is not None:
        return named
    if width != 3:
        msg = f"{path} is declared long but has {width} columns"
        raise InputError(msg, fix=_FIX)
    return _Columns(0, 1, 2, None)


def _is_turned(dialect: Dialect, first: list[str], second: list[str]) -> bool:
    """Whether the first of two columns of names holds the genes."""
    header = _header(dialect) or ["", "", ""]
    return header[0] in _GENE or (
        header[1] not in _GENE and known_share(first) > known_share(second)
    )


def look_long(path: Path, dialect: Dialect) -> tuple[list[str], list[str]]:
    """Names of genes in the first rows, and of the column of samples if there is one.

    Raises
    ------
    InputError
        Declared long, but with other columns.
    """
    at = _columns(path, dialect)
    first, second = ([row[i] for row in dialect.rows] for i in (at.cell, at.gene))
    genes = first if at.sample is None and _is_turned(dialect, first, second) else second
    return genes, [] if at.sample is None else [_column_name(dialect, at.sample)]


def _column_name(dialect: Dialect, at: int) -> str:
    return (dialect.header or [])[at].strip()


def read_long(path: Path, dialect: Dialect, max_bytes: int) -> Source:
    """Read a long table; a fourth column, of samples, becomes ``obs``.

    Where a cell name comes in several samples, as 10x barcodes do, each cell is named by its
    sample and that name.

    Raises
    ------
    InputError
        Other columns, no rows, or two values of one cell and gene.
    """
    at = _columns(path, dialect)
    text = [i for i in at if i is not None and i != at.value]
    numbered: dict[int, dict[str, int]] = {i: {} for i in text}
    codes: dict[int, list[np.ndarray]] = {i: [] for i in text}
    values = []
    dtype = {**dict.fromkeys(text, str), at.value: np.float64}
    for frame in frames(path, dialect, max_bytes, len(dtype), dtype):
        for i, known in numbered.items():
            code, unique = pd.factorize(frame[i].fillna("").astype(str))
            lookup = [known.setdefault(name, len(known)) for name in unique]
            codes[i].append(np.asarray(lookup, dtype=np.int64)[code])
        values.append(frame[at.value].to_numpy())
    if not values:
        msg = f"{path} has no rows"
        raise InputError(msg, fix="check that the file is whole")
    names = {i: list(known) for i, known in numbered.items()}
    if at.sample is None and _is_turned(dialect, names[at.cell], names[at.gene]):
        at = at._replace(cell=at.gene, gene=at.cell)
    coded = {i: np.concatenate(parts) for i, parts in codes.items()}
    rows, cells, obs, notes = coded[at.cell], names[at.cell], pd.DataFrame(), []
    if at.sample is not None:
        pairs = coded[at.sample] * len(cells) + rows
        found, rows = np.unique(pairs, return_inverse=True)
        sample = [names[at.sample][i] for i in found // len(names[at.cell])]
        own = [names[at.cell][i] for i in found % len(names[at.cell])]
        if len(found) > len(cells):
            own = [f"{of}_{name}" for of, name in zip(sample, own, strict=True)]
            notes = ["cells are named by sample and cell: a cell name comes in several samples"]
        cells, obs = own, pd.DataFrame({_column_name(dialect, at.sample): sample})
    genes, columns, data = names[at.gene], coded[at.gene], np.concatenate(values)
    _check_pairs(path, rows, columns, cells, genes)
    said = f"read as long: {len(cells)} cells, {len(genes)} genes, {data.size} values"
    return Source(
        path=path,
        format="table",
        cells=checked_names(cells, "cell", path),
        genes=checked_names(genes, "gene", path),
        blocks=in_memory(sparse.csr_matrix((data, (rows, columns)), (len(cells), len(genes)))),
        obs=obs,
        slot="table",
        notes=[said, *notes],
        files=(path,),
    )


def _check_pairs(
    path: Path, rows: np.ndarray, columns: np.ndarray, cells: list[str], genes: list[str]
) -> None:
    pairs = rows * len(genes) + columns
    order = np.argsort(pairs, kind="stable")
    twice = np.flatnonzero(np.diff(pairs[order]) == 0)
    if twice.size:
        at = order[twice[0]]
        msg = (
            f"{path}: {twice.size} values come twice, such as cell {cells[rows[at]]!r}, "
            f"gene {genes[columns[at]]!r}"
        )
        raise InputError(msg, fix="give one value for each cell and gene")
