"""Tables in and out: TSV for people, Parquet for the next stage. Both are written whole or not.

TSV lives in :mod:`senoscore._text_tables`, for what is written below this layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from senoscore._text_tables import (
    EXACT_FLOATS,
    existing_file,
    guard_formulas,
    lacking_columns,
    one_line,
    read_tsv,
    write_tsv,
)
from senoscore.errors import InputError
from senoscore.io.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

__all__ = [
    "EXACT_FLOATS",
    "guard_formulas",
    "parquet_options",
    "read_parquet",
    "read_tsv",
    "write_parquet",
    "write_tsv",
]


def write_parquet(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet (zstd), without its index, whole or not at all.

    Raises
    ------
    InputError
        The file cannot be written, or a column mixes kinds that Parquet cannot hold.
    """
    try:
        arrow = pa.Table.from_pandas(table, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        msg = f"cannot write {path}: {one_line(error)}"
        raise InputError(msg, fix="a column must hold one kind of value") from error
    with atomic_path(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd")


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Options of a Parquet file of texts and numbers that do not repeat.

    A dictionary of such numbers took two thirds of the time and a third of the file.

    Parameters
    ----------
    schema
        Of every row group.
    """
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    return {"compression": "zstd", "use_dictionary": texts}


def read_parquet(path: str | Path, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table, or some columns of it, in the order asked for.

    Raises
    ------
    InputError
        The file is missing, truncated or no Parquet, or lacks a column.
    """
    where = existing_file(path)
    try:
        with pq.ParquetFile(where) as file:
            missing = [name for name in columns or () if name not in file.schema_arrow.names]
            if missing:
                raise lacking_columns(missing, file.schema_arrow.names, where)
            table = file.read(columns=None if columns is None else list(columns)).to_pandas()
    except (pa.ArrowException, OSError) as error:
        msg = f"{where} is no whole Parquet file: {one_line(error)}"
        raise InputError(msg, fix="delete it and run the stage that makes it again") from error
    return table if columns is None else table[list(columns)]
