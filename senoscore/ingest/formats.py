"""One way in for every format.

A format is one :class:`~senoscore.ingest.source.Format` in the file that reads it. To add one,
write that file and name its object in ``READERS``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from senoscore.errors import InputError
from senoscore.ingest.h5ad import H5AD
from senoscore.ingest.h5mu import H5MU
from senoscore.ingest.source import MAX_BYTES, Asked, Format, Names, Source
from senoscore.ingest.table import TABLE
from senoscore.ingest.tenx import TENX_H5, TENX_MTX
from senoscore.ingest.zarr import ZARR

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = [
    "FORMATS",
    "READERS",
    "detect_format",
    "find_format",
    "look_source",
    "open_source",
    "source_files",
]

READERS: Final[tuple[Format, ...]] = (H5AD, H5MU, ZARR, TENX_MTX, TENX_H5, TABLE)
"""All formats. The first whose ``detect`` knows an input reads it."""

FORMATS: Final = ("auto", *(reader.name for reader in READERS))
"""What may stand in the column ``format`` of the datasets sheet."""


def detect_format(path: str | Path) -> str:
    """Tell the format of an input from its name, and for HDF5 from what is in it.

    Returns
    -------
    One of ``FORMATS`` but ``auto``.

    Raises
    ------
    InputError
        The path is not there, or of no format that is known.
    """
    where = Path(path)
    if not where.exists():
        msg = f"{where} not found"
        raise InputError(msg, fix="check the path (it counts from the folder of the run)")
    for reader in READERS:
        if reader.detect(where):
            return reader.name
    msg = f"{where} is of no known format"
    known = ", ".join(reader.given for reader in READERS)
    raise InputError(msg, fix=f"give {known}, or say `format`")


def find_format(path: str | Path, *, format: str = "auto") -> Format:  # noqa: A002  the sheet's column
    """Find the reader of an input.

    Raises
    ------
    InputError
        The format has no reader, or, for ``auto``, cannot be told.
    """
    name = detect_format(path) if format == "auto" else format
    for reader in READERS:
        if reader.name == name:
            return reader
    msg = f"unknown format {name!r}"
    raise InputError(msg, fix=f"use one of {', '.join(FORMATS)}")


def source_files(path: str | Path, *, format: str = "auto") -> tuple[Path, ...]:  # noqa: A002  the sheet's column
    """Name the files that an input is read from: itself, or those of a folder.

    A path that is not there, or of no known format, is named itself: reading it says what is wrong.

    Raises
    ------
    InputError
        A folder without the three files of a 10x matrix, or a link out of it.
    """
    where = Path(path)
    for reader in READERS:
        if reader.folder and (reader.name == format or (format == "auto" and reader.detect(where))):
            return reader.files(where)
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
        ``auto``, or the name of a format (see ``FORMATS``).
    orientation
        Of a table: ``auto``, ``cells_x_genes``, ``genes_x_cells`` or ``long``.
    layer
        Layer of an AnnData; None looks for counts.
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
    asked = Asked(
        orientation=orientation,
        layer=layer or None,
        values=values,
        columns=columns,
        max_bytes=max_bytes,
    )
    where = Path(path)
    open_with = _reader(where, format, asked).open
    source = open_with(where, asked)
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
    asked = Asked(
        orientation=orientation, layer=layer or None, columns=columns, max_bytes=max_bytes
    )
    where = Path(path)
    names = _reader(where, format, asked).look(where, asked)
    _check_columns(names, columns)
    return names


def _reader(where: Path, format: str, asked: Asked) -> Format:  # noqa: A002  the sheet's column
    """Reader of an input, which fits what else is declared."""
    reader = find_format(where, format=format)
    if asked.layer and not reader.layers:
        layered = ", ".join(other.name for other in READERS if other.layers)
        msg = f"{where}: layer {asked.layer!r} is named, but only AnnData ({layered}) has layers"
        raise InputError(msg, fix="leave the column `layer` empty")
    if asked.orientation not in ("auto", "cells_x_genes") and not reader.orientations:
        msg = f"{where}: orientation {asked.orientation} is declared, but only tables have one"
        raise InputError(msg, fix="leave it empty; an AnnData holds cells in rows")
    return reader


def _check_columns(names: Names, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in names.obs.columns]
    if missing:
        present = ", ".join(map(str, names.obs.columns)) or "none"
        msg = f"{names.path} has no column {', '.join(map(repr, missing))} for its cells"
        raise InputError(msg, fix=f"columns there: {present}; for one sample name it in `sample`")
