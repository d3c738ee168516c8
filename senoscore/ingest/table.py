"""Delimited tables: cells x genes, genes x cells (or samples), and long (cell, gene, value)."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from math import isinf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore.errors import InputError
from senoscore.ingest.gene_names import known_share
from senoscore.ingest.source import (
    Format,
    Names,
    Source,
    checked_names,
    in_memory,
    plain_name,
)
from senoscore.ingest.text import Dialect, is_number, open_text, sniff
from senoscore.io import EXACT_FLOATS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = [
    "ORIENTATIONS",
    "TABLE",
    "frames",
    "full_header",
    "look_long",
    "look_table",
    "looks_long",
    "read_long",
    "read_table",
]

_FIELDS_AT_ONCE: Final = 4_000_000


def frames(
    path: Path, dialect: Dialect, max_bytes: int, n_columns: int, dtype: Any
) -> Iterator[pd.DataFrame]:
    """Read the values in runs of rows; columns are numbered."""
    with open_text(path, max_bytes=max_bytes) as handle:
        for _ in range(dialect.skip + (dialect.header is not None)):
            handle.readline()
        try:
            with pd.read_csv(
                handle,
                sep=dialect.separator,
                header=None,
                names=list(range(n_columns)),
                index_col=False,
                dtype=dtype,
                encoding=dialect.encoding,
                chunksize=max(1, _FIELDS_AT_ONCE // n_columns),
                skipinitialspace=True,
                na_values=[""],
                **EXACT_FLOATS,
                on_bad_lines="error",
            ) as reader:
                for frame in reader:
                    numbers = frame.select_dtypes("number").to_numpy()
                    if np.isinf(numbers).any():  # from pandas 3 on, 1e999 is infinite in silence
                        found = _odd_field(path, dialect, max_bytes, dtype)
                        if found is not None:
                            raise found
                    yield frame
        except pd.errors.EmptyDataError:
            return
        except pd.errors.ParserError as error:
            msg = f"{path} cannot be read as a table: {' '.join(str(error).split())[:200]}"
            raise InputError(msg, fix="give every row the same number of fields") from error
        except (ValueError, OverflowError) as error:
            raise _not_a_number(path, dialect, max_bytes, dtype) from error


def _not_a_number(path: Path, dialect: Dialect, max_bytes: int, dtype: Any) -> InputError:
    """Name the field that stopped the fast reader."""
    msg = f"{path} cannot be read as a table of numbers"
    unknown = InputError(msg, fix="check its encoding and its separators")
    return _odd_field(path, dialect, max_bytes, dtype) or unknown


def _odd_field(path: Path, dialect: Dialect, max_bytes: int, dtype: Any) -> InputError | None:
    """Find the first field that is no number, or means more than a float64 holds."""
    with open_text(path, max_bytes=max_bytes) as handle:
        text = io.TextIOWrapper(handle, dialect.encoding, errors="replace", newline="")
        try:
            for number, row in enumerate(csv.reader(text, delimiter=dialect.separator), start=1):
                if number <= dialect.skip + (dialect.header is not None):
                    continue
                for i, field in enumerate(row):
                    if dtype[i] is not str and (not is_number(field) or _too_large(field)):
                        return _bad_field(path, dialect, number, row[0], i, field)
        except csv.Error as error:
            msg = f"{path} cannot be read as a table: {error}"
            return InputError(msg, fix="check its quotes and separators")
        finally:
            text.detach()
    return None


def _too_large(field: str) -> bool:
    """Whether digits mean more than a float64 holds."""
    return "inf" not in field.lower() and field.strip() not in ("", "NA") and isinf(float(field))


def _bad_field(path: Path, dialect: Dialect, line: int, row: str, i: int, field: str) -> InputError:
    header = full_header(dialect)
    column = repr(header[i][:60]) if i < len(header) else str(i + 1)
    msg = (
        f"{path}: {field[:40]!r} in line {line} (row {row[:60]!r}, column {column}) is not a number"
    )
    if re.fullmatch(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", field.strip()):
        return InputError(msg, fix="write decimals with a point, not a comma")
    return InputError(msg, fix="keep only numbers beside the row names")


def full_header(dialect: Dialect) -> list[str]:
    """Header with a field for the row names, which R leaves out."""
    header = dialect.header or []
    return ["", *header] if len(header) == len(dialect.rows[0]) - 1 else header[:]


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
        cell_names = [names[at.cell][i] for i in found % len(names[at.cell])]
        if len(found) > len(cells):
            cell_names = [f"{of}_{name}" for of, name in zip(sample, cell_names, strict=True)]
            notes = ["cells are named by sample and cell: a cell name comes in several samples"]
        cells, obs = cell_names, pd.DataFrame({_column_name(dialect, at.sample): sample})
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


ORIENTATIONS: Final = ("auto", "cells_x_genes", "genes_x_cells", "long")

_ANNOTATION: Final = frozenset(  # columns of featureCounts and the like that hold numbers
    {"chr", "chrom", "chromosome", "start", "end", "strand", "length", "entrezid", "entrez_id"}
)
_CELL_FACTS: Final = frozenset(  # what Seurat and scanpy know of a cell, written beside its genes
    {
        "ncount_rna", "nfeature_rna", "ncount_sct", "nfeature_sct", "numi", "ngene", "n_counts",
        "n_genes", "n_genes_by_counts", "total_counts", "log1p_total_counts", "total_counts_mt",
        "percent.mt", "percent_mt", "percent_mito", "percent.mito", "pct_counts_mt", "percent.ribo",
        "pct_counts_ribo", "log10genesperumi", "s.score", "g2m.score", "s_score", "g2m_score",
        "doublet_score", "scrublet_score", "seurat_clusters", "leiden", "louvain",
    }
)  # fmt: skip


class _Dense(NamedTuple):
    X: sparse.csr_matrix  # as in the file
    rows: list[str]
    columns: list[str]
    text: pd.DataFrame  # columns that hold no numbers


def read_table(path: Path, *, orientation: str, max_bytes: int) -> Source:
    """Read a CSV or TSV, gzip or not, into memory as sparse.

    Parameters
    ----------
    path
        The file; separator, encoding and comment lines are found out.
    orientation
        ``auto`` tells genes from cells by their names; ``cells_x_genes``, ``genes_x_cells``
        and ``long`` (cell, gene, value, perhaps sample) declare it, which is checked.
    max_bytes
        Limit on the bytes it unfolds to.

    Returns
    -------
    Cells x genes. Columns of text become ``obs`` where rows are cells; where rows are genes they
    become further gene ids if they are such.

    Raises
    ------
    InputError
        The file is damaged or no such table; a field is no number (with row and column).
    """
    _check_orientation(orientation)
    dialect = sniff(path, max_bytes=max_bytes)
    notes = [f"{path.name} is not UTF-8; read as Latin-1"] if dialect.encoding != "utf-8" else []
    if orientation == "long" or (orientation == "auto" and looks_long(dialect)):
        source = read_long(path, dialect, max_bytes)
    else:
        dense = _read_dense(path, dialect, max_bytes)
        source = _oriented(path, dense, orientation)
    source.notes[:0] = notes
    return source


def _check_orientation(orientation: str) -> None:
    if orientation not in ORIENTATIONS:
        msg = f"unknown orientation {orientation!r}"
        raise InputError(msg, fix=f"use one of {', '.join(ORIENTATIONS)}")


def look_table(path: Path, *, orientation: str, max_bytes: int) -> Names:
    """Names as :func:`read_table` finds them, as far as the header and the first rows tell.

    Raises
    ------
    InputError
        The file cannot be opened, or its header is no header.
    """
    _check_orientation(orientation)
    dialect = sniff(path, max_bytes=max_bytes)
    cells, obs = [], pd.DataFrame()
    if orientation == "long" or (orientation == "auto" and looks_long(dialect)):
        genes, columns = look_long(path, dialect)
        obs = pd.DataFrame(columns=pd.Index(columns, dtype=object))
    else:
        header, text, values = _dense_columns(path, dialect)
        rows = pd.DataFrame(row for row in dialect.rows if len(row) == len(header))
        named = [rows[i].tolist() for i in (0, *text)]
        genes = max(named, key=known_share)
        in_columns = [header[i] for i in values]
        if known_share(in_columns) > known_share(genes):
            genes, obs = in_columns, rows[text].set_axis([header[i].strip() for i in text], axis=1)
        else:
            cells = checked_names(in_columns, "cell", path)
    return Names(
        path=path, format="table", cells=cells, genes=genes, obs=obs, all_cells=bool(cells),
        slot="table", files=(path,),
    )  # fmt: skip


def _dense_columns(path: Path, dialect: Dialect) -> tuple[list[str], list[int], list[int]]:
    """Header, and which columns beside the row names hold text and which values."""
    width = len(dialect.rows[0])
    header = full_header(dialect)
    if dialect.header is None or len(header) != width:
        msg = f"{path}: the header has {len(header)} fields and the first row {width}"
        raise InputError(msg, fix="the first line must name each column (the row names' may lack)")
    text = [i for i in range(1, width) if _is_annotation(header[i], dialect.rows, i)]
    values = [i for i in range(1, width) if i not in set(text)]
    if not values:
        msg = f"{path} has no column of numbers"
        raise InputError(msg, fix="check the separator and the orientation")
    return header, text, values


def _read_dense(path: Path, dialect: Dialect, max_bytes: int) -> _Dense:
    header, text, values = _dense_columns(path, dialect)
    dtype: defaultdict[int, type] = defaultdict(lambda: np.float64)
    dtype.update(dict.fromkeys([0, *text], str))
    parts, names, texts = [], [], []
    for frame in frames(path, dialect, max_bytes, len(header), dtype):
        names += frame[0].fillna("").astype(str).tolist()
        texts.append(frame[text])
        dense = frame[values].to_numpy(np.float64)
        parts.append(sparse.csr_matrix(dense))
    if not parts:
        msg = f"{path} has a header but no rows"
        raise InputError(msg, fix="check that the file is whole")
    _refuse_long(path, [names, *(pd.concat(texts)[i] for i in text)], header)
    X = sparse.vstack(parts, format="csr")
    notes = pd.concat(texts, ignore_index=True)
    notes.columns = pd.Index([header[i].strip() for i in text], dtype=object)
    return _Dense(X, names, [header[i] for i in values], notes)


def _refuse_long(path: Path, columns: list[Any], header: list[str]) -> None:
    """Where no column of names tells a row, it takes two: cell and gene."""
    repeats = [
        len(pd.unique(pd.Series(names, dtype=object))) * 2 <= len(names) for names in columns
    ]
    if len(columns) > 1 and all(repeats):
        shown = ", ".join(name.strip() or "(no name)" for name in header[:8])
        msg = f"{path} looks long: no column of names is one a row (columns: {shown})"
        fix = "give it the columns sample, cell, gene and value, or cell, gene and value, so named"
        raise InputError(msg, fix=fix)


def _is_annotation(name: str, rows: list[list[str]], i: int) -> bool:
    fields = [row[i] for row in rows if i < len(row)]
    return name.strip().lower() in _ANNOTATION or not any(map(_plausible, fields))


def _plausible(field: str) -> bool:
    """Whether a field is a number or meant as one (decimal comma)."""
    return bool(field.strip()) and is_number(field.replace(",", "."))


def _oriented(path: Path, dense: _Dense, orientation: str) -> Source:
    in_rows, in_columns = known_share(dense.rows), known_share(dense.columns)
    symbols, note = _gene_column(dense)
    in_rows = max(in_rows, 0.0 if symbols is None else known_share(symbols))
    seen = f"{in_rows:.0%} of the row names and {in_columns:.0%} of the column names are genes"
    if max(in_rows, in_columns) == 0:
        msg = (
            f"{path}: zero genes matched: neither rows (such as {dense.rows[0][:40]!r}) nor "
            f"columns (such as {dense.columns[0][:40]!r}) are named by human or mouse genes"
        )
        raise InputError(msg, fix="name genes by symbol or Ensembl id")
    found = "genes_x_cells" if in_rows >= in_columns else "cells_x_genes"
    if orientation not in ("auto", found):
        msg = f"{path} is declared {orientation} but looks {found}: {seen}"
        raise InputError(msg, fix=f"declare `orientation: {found}` or auto")
    notes = [f"read as {found}: {seen}"]
    if found == "genes_x_cells":
        genes, others = dense.rows, symbols
        left = [str(name) for name in dense.text.columns]
        notes += [f"columns beside the values: {', '.join(left)}{note}"] if left else []
        X, cells, obs = dense.X.T.tocsr(), dense.columns, pd.DataFrame()
    else:
        genes, others, X, cells, obs = dense.columns, None, dense.X, dense.rows, dense.text
    return _source(path, X, cells, genes, others, obs, notes)


def _gene_column(dense: _Dense) -> tuple[list[str] | None, str]:
    """Find a column of gene names beside row names that may be ids of anything."""
    for at, name in enumerate(dense.text.columns):
        names = dense.text.iloc[:, at].fillna("").astype(str).tolist()
        if known_share(names) > 0.2:
            return names, f"; gene names from {name!r} where the row name is unknown"
    return None, ""


def _source(
    path: Path,
    X: sparse.csr_matrix,
    cells: list[str],
    genes: list[str],
    others: list[str] | None,
    obs: pd.DataFrame,
    notes: list[str],
) -> Source:
    facts = [i for i, name in enumerate(genes) if name.strip().lower() in _CELL_FACTS]
    if facts:
        named = ", ".join(genes[i] for i in facts[:5])
        notes.append(f"{len(facts)} columns are no genes but facts of cells, left out: {named}")
        keep = np.setdiff1d(np.arange(len(genes)), facts)
        X, genes = X[:, keep], [genes[i] for i in keep]
        others = None if others is None else [others[i] for i in keep]
    return Source(
        path=path,
        format="table",
        cells=checked_names(cells, "cell", path),
        genes=checked_names(genes, "gene", path),
        blocks=in_memory(X),
        gene_ids=None if others is None else checked_names(others, "gene", path),
        obs=obs,
        slot="table",
        notes=notes,
        files=(path,),
    )


TABLE: Final = Format(
    name="table",
    given=".csv/.tsv/.txt (.gz)",
    detect=lambda path: plain_name(path).endswith((".csv", ".tsv", ".txt", ".tab")),
    open=lambda path, asked: read_table(
        path, orientation=asked.orientation, max_bytes=asked.max_bytes
    ),
    look=lambda path, asked: look_table(
        path, orientation=asked.orientation, max_bytes=asked.max_bytes
    ),
    orientations=True,
)
"""A table as text: cells in rows or columns, or one value a line."""
