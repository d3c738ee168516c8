"""One way in for every format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import h5py

from senoscore.errors import InputError
from senoscore.ingest.h5ad import look_h5ad, read_h5ad
from senoscore.ingest.source import MAX_BYTES, Names, Source
from senoscore.ingest.table import look_table, read_table
from senoscore.ingest.tenx import look_10x_h5, look_10x_mtx, mtx_files, read_10x_h5, read_10x_mtx
from senoscore.io import check_size, open_h5

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["FORMATS", "detect_format", "look_source", "open_source", "source_files"]

FORMATS: Final = ("auto", "h5ad", "10x_mtx", "10x_h5", "table")

_TABLE_ENDS: Final = (".csv", ".tsv", ".txt", ".tab")


def detect_format(path: str | Path) -> str:
    """Tell the format of an input from its name, and for HDF5 from what is in it.

    Returns
    -------
    One of ``h5ad``, ``10x_mtx``, ``10x_h5`` and ``table``.

    Raises
    ------
    InputError
        The path is not there, or of no format that is known.
    """
    where = Path(path)
    if not where.exists():
        msg = f"{where} is not there"
        raise InputError(msg, fix="check the path (it counts from the folder of the run)")
    name = where.name.lower().removesuffix(".gz")
    if where.is_dir() or name.endswith(".mtx"):
        return "10x_mtx"
    if name.endswith(".h5ad"):
        return "h5ad"
    if name.endswith((".h5", ".hdf5")):
        with open_h5(where) as file:
            return "h5ad" if isinstance(file.get("obs"), h5py.Group | h5py.Dataset) else "10x_h5"
    if name.endswith(_TABLE_ENDS):
        return "table"
    msg = f"{where} is of no known format"
    raise InputError(
        msg,
        fix="give .h5ad, .h5, a folder with matrix.mtx, or .csv/.tsv/.txt (.gz), or say `format`",
    )


def source_files(path: str | Path, *, format: str = "auto") -> tuple[Path, ...]:  # noqa: A002  the sheet's column
    """Name the files that an input is read from: itself, or the three of a 10x matrix.

    Raises
    ------
    InputError
        A folder without the three files of a 10x matrix, or a link out of it.
    """
    where = Path(path)
    is_mtx = where.is_dir() or where.name.lower().removesuffix(".gz").endswith(".mtx")
    if format == "10x_mtx" or (format == "auto" and is_mtx):
        return mtx_files(where)
    return (where,)


def open_source(
    path: str | Path,
    *,
    format: str = "auto",  # noqa: A002  the name of the column in the sheet
    orientation: str = "auto",
    layer: str | None = None,
    values: str = "auto",
    columns: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
) -> Source:
    """Open a matrix of any known format.

    Parameters
    ----------
    path
        File or folder.
    format
        ``auto``, ``h5ad``, ``10x_mtx``, ``10x_h5`` or ``table``.
    orientation
        Of a table: ``auto``, ``cells_x_genes``, ``genes_x_cells`` or ``long``.
    layer
        Layer of an .h5ad; None looks for counts.
    values
        What was declared: ``auto``, ``counts``, ``lognorm`` or ``linear``.
    columns
        Columns that ``obs`` must have.
    max_bytes
        Limit on the bytes that the input unfolds to.

    Raises
    ------
    InputError
        The input cannot be used as declared.
    """
    where = Path(path)
    kind = _settled(where, format, orientation, layer, max_bytes)
    if kind == "h5ad":
        return read_h5ad(where, layer=layer or None, values=values, columns=columns)
    if kind == "10x_mtx":
        source = read_10x_mtx(where, max_bytes=max_bytes)
    elif kind == "10x_h5":
        source = read_10x_h5(where)
    else:
        source = read_table(where, orientation=orientation, max_bytes=max_bytes)
    _check_columns(source, columns)
    return source


def look_source(
    path: str | Path,
    *,
    format: str = "auto",  # noqa: A002  the name of the column in the sheet
    orientation: str = "auto",
    layer: str | None = None,
    columns: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
) -> Names:
    """Read the names of a matrix and no values: in seconds, however large it is.

    Parameters
    ----------
    path, format, orientation, layer, columns, max_bytes
        As in :func:`open_source`.

    Returns
    -------
    Names; those of a table are of its header and first rows only.

    Raises
    ------
    InputError
        The input cannot be used as declared, as far as names tell.
    """
    where = Path(path)
    kind = _settled(where, format, orientation, layer, max_bytes)
    if kind == "h5ad":
        return look_h5ad(where, layer=layer or None, columns=columns)
    if kind == "10x_mtx":
        names = look_10x_mtx(where, max_bytes=max_bytes)
    elif kind == "10x_h5":
        names = look_10x_h5(where)
    else:
        names = look_table(where, orientation=orientation, max_bytes=max_bytes)
    _check_columns(names, columns)
    return names


def _settled(
    where: Path,
    format: str,  # noqa: A002  the name of the column in the sheet
    orientation: str,
    layer: str | None,
    max_bytes: int,
) -> str:
    """Format of an input, which fits what else is declared and is not too large."""
    if format not in FORMATS:
        msg = f"unknown format {format!r}"
        raise InputError(msg, fix=f"use one of {', '.join(FORMATS)}")
    kind = detect_format(where) if format == "auto" else format
    if kind != "h5ad" and layer:
        msg = f"{where}: layer {layer!r} is named, but only .h5ad files have layers"
        raise InputError(msg, fix="leave the column `layer` empty")
    if kind != "table" and orientation not in ("auto", "cells_x_genes"):
        msg = f"{where}: orientation {orientation} is declared, but only tables have one"
        raise InputError(msg, fix="leave it empty; an .h5ad holds cells in rows")
    if kind in ("h5ad", "10x_h5"):
        with open_h5(where) as file:
            check_size(file, max_bytes)
    return kind


def _check_columns(names: Names, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in names.obs.columns]
    if missing:
        there = ", ".join(map(str, names.obs.columns)) or "none"
        msg = f"{names.path} has no column {', '.join(map(repr, missing))} for its cells"
        raise InputError(msg, fix=f"columns there: {there}; for one sample name it in `sample`")
