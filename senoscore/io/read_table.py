"""Delimited tables: cells x genes, genes x cells (or samples), and long (cell, gene, value)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore.errors import InputError
from senoscore.io._fields import frames, full_header
from senoscore.io._long import look_long, looks_long, read_long
from senoscore.io._text import Dialect, is_number, sniff
from senoscore.io.naming import known_share
from senoscore.io.source import Names, Source, checked_names, in_memory

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ORIENTATIONS", "look_table", "read_table"]

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
        there = ", ".join(name.strip() or "(no name)" for name in header[:8])
        msg = f"{path} looks long: no column of names is one a row (columns: {there})"
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
