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
from senoscore.genes import detect_organism
from senoscore.io._text import Dialect, is_number, open_text, sniff
from senoscore.io.source import Source, checked_names, in_memory
from senoscore.io.tables import EXACT_FLOATS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ORIENTATIONS", "read_table"]

ORIENTATIONS: Final = ("auto", "cells_x_genes", "genes_x_cells", "long")

_FIELDS_AT_ONCE: Final = 4_000_000
_LOOKED_AT: Final = 20_000  # names; enough to tell genes from cells
_LONG_CELL: Final = frozenset({"cell", "barcode", "cell_id", "cellid", "sample", "sample_id"})
_LONG_GENE: Final = frozenset({"gene", "feature", "gene_id", "symbol", "gene_symbol", "gene_name"})
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
        and ``long`` (cell, gene, value) declare it, which is checked.
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
    if orientation not in ORIENTATIONS:
        msg = f"unknown orientation {orientation!r}"
        raise InputError(msg, fix=f"use one of {', '.join(ORIENTATIONS)}")
    dialect = sniff(path, max_bytes=max_bytes)
    notes = [f"{path.name} is not UTF-8; read as Latin-1"] if dialect.encoding != "utf-8" else []
    if orientation == "long" or (orientation == "auto" and _looks_long(dialect)):
        source = _read_long(path, dialect, max_bytes)
    else:
        dense = _read_dense(path, dialect, max_bytes)
        source = _oriented(path, dense, orientation)
    source.notes[:0] = notes
    return source


def _looks_long(dialect: Dialect) -> bool:
    rows = dialect.rows
    if any(len(row) != 3 for row in rows) or not is_number(rows[0][2]):
        return False
    if is_number(rows[0][0]) or is_number(rows[0][1]):
        return False
    header = {field.strip().lower() for field in dialect.header or ()}
    if header & _LONG_CELL and header & _LONG_GENE:
        return True
    repeats = (len({row[i] for row in rows}) < len(rows) for i in (0, 1))
    return any(repeats)


def _frames(
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
                yield from reader
        except pd.errors.EmptyDataError:
            return
        except pd.errors.ParserError as error:
            msg = f"{path} cannot be read as a table: {' '.join(str(error).split())[:200]}"
            raise InputError(msg, fix="give every row the same number of fields") from error
        except (ValueError, OverflowError) as error:
            raise _not_a_number(path, dialect, max_bytes, dtype) from error


def _not_a_number(path: Path, dialect: Dialect, max_bytes: int, dtype: Any) -> InputError:
    """Find the field that stopped the fast reader."""
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
    msg = f"{path} cannot be read as a table of numbers"
    return InputError(msg, fix="check its encoding and its separators")


def _too_large(field: str) -> bool:
    """Whether digits mean more than a float64 holds."""
    return "inf" not in field.lower() and field.strip() not in ("", "NA") and isinf(float(field))


def _bad_field(path: Path, dialect: Dialect, line: int, row: str, i: int, field: str) -> InputError:
    header = _full_header(dialect)
    column = repr(header[i][:60]) if i < len(header) else str(i + 1)
    msg = f"{path}: {field[:40]!r} in line {line} (row {row[:60]!r}, column {column}) is no number"
    if re.fullmatch(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", field.strip()):
        return InputError(msg, fix="write decimals with a point, not a comma")
    return InputError(msg, fix="keep only numbers beside the row names")


def _full_header(dialect: Dialect) -> list[str]:
    """Header with a field for the row names, which R leaves out."""
    header = dialect.header or []
    return ["", *header] if len(header) == len(dialect.rows[0]) - 1 else header[:]


def _read_dense(path: Path, dialect: Dialect, max_bytes: int) -> _Dense:
    width = len(dialect.rows[0])
    header = _full_header(dialect)
    if dialect.header is None or len(header) != width:
        msg = f"{path}: the header has {len(header)} fields and the first row {width}"
        raise InputError(msg, fix="the first line must name each column (the row names' may lack)")
    text = [i for i in range(1, width) if _is_annotation(header[i], dialect.rows, i)]
    values = [i for i in range(1, width) if i not in set(text)]
    if not values:
        msg = f"{path} has no column of numbers"
        raise InputError(msg, fix="check the separator and the orientation")
    dtype: defaultdict[int, type] = defaultdict(lambda: np.float64)
    dtype.update(dict.fromkeys([0, *text], str))
    parts, names, texts = [], [], []
    for frame in _frames(path, dialect, max_bytes, width, dtype):
        names += frame[0].fillna("").astype(str).tolist()
        texts.append(frame[text])
        dense = frame[values].to_numpy(np.float64)
        parts.append(sparse.csr_matrix(dense))
    if not parts:
        msg = f"{path} has a header but no rows"
        raise InputError(msg, fix="check that the file is whole")
    X = sparse.vstack(parts, format="csr")
    notes = pd.concat(texts, ignore_index=True)
    notes.columns = pd.Index([header[i].strip() for i in text], dtype=object)
    return _Dense(X, names, [header[i] for i in values], notes)


def _is_annotation(name: str, rows: list[list[str]], i: int) -> bool:
    fields = [row[i] for row in rows if i < len(row)]
    return name.strip().lower() in _ANNOTATION or not any(map(_plausible, fields))


def _plausible(field: str) -> bool:
    """Whether a field is a number or meant as one (decimal comma)."""
    return bool(field.strip()) and is_number(field.replace(",", "."))


def _known(names: list[str]) -> float:
    """Share of names that are genes of either organism."""
    step = max(1, len(names) // _LOOKED_AT)
    clean = [
        name.strip().split(".")[0] if name.startswith("ENS") else name for name in names[::step]
    ]
    return max(detect_organism(clean).fractions.values())


def _oriented(path: Path, dense: _Dense, orientation: str) -> Source:
    in_rows, in_columns = _known(dense.rows), _known(dense.columns)
    symbols, note = _gene_column(dense)
    in_rows = max(in_rows, 0.0 if symbols is None else _known(symbols))
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
        if _known(names) > 0.2:
            return names, f"; gene names from {name!r} where the row name is unknown"
    return None, ""


def _read_long(path: Path, dialect: Dialect, max_bytes: int) -> Source:
    if len(dialect.rows[0]) != 3:
        msg = f"{path} is declared long but has {len(dialect.rows[0])} columns"
        raise InputError(msg, fix="a long table has the columns cell, gene and value")
    numbered: list[dict[str, int]] = [{}, {}]
    codes: list[list[np.ndarray]] = [[], []]
    values = []
    dtype = {0: str, 1: str, 2: np.float64}
    for frame in _frames(path, dialect, max_bytes, 3, dtype):
        for axis, known in enumerate(numbered):
            code, unique = pd.factorize(frame[axis].fillna("").astype(str))
            lookup = [known.setdefault(name, len(known)) for name in unique]
            codes[axis].append(np.asarray(lookup, dtype=np.int64)[code])
        values.append(frame[2].to_numpy())
    if not values:
        msg = f"{path} has no rows"
        raise InputError(msg, fix="check that the file is whole")
    first, second = (list(known) for known in numbered)
    rows, columns = (np.concatenate(part) for part in codes)
    header = [field.strip().lower() for field in dialect.header or ["", ""]]
    swap = header[0] in _LONG_GENE or (
        header[1] not in _LONG_GENE and _known(first) > _known(second)
    )
    if swap:
        first, second, rows, columns = second, first, columns, rows
    data = np.concatenate(values)
    _check_pairs(path, rows, columns, first, second)
    X = sparse.csr_matrix((data, (rows, columns)), shape=(len(first), len(second)))
    notes = [f"read as long: {len(first)} cells, {len(second)} genes, {data.size} values"]
    return _source(path, X, first, second, None, pd.DataFrame(), notes)


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
