"""Tables in and out: TSV for people, Parquet for the next stage. Both are written whole or not.

TSV lives in :mod:`senoscore.io.tables`, for what is written below this layer.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from senoscore.errors import InputError
from senoscore.io.atomic import atomic_path, remake

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


__all__ = [
    "EXACT_FLOATS",
    "existing_file",
    "flags",
    "guard_formulas",
    "lacking_columns",
    "one_line",
    "parquet_blocks",
    "parquet_columns",
    "parquet_options",
    "parquet_rows",
    "read_parquet",
    "read_tsv",
    "write_parquet",
    "write_parquet_blocks",
    "write_tsv",
]

EXACT_FLOATS: Final[dict[str, Any]] = (
    {}
    if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    else {"float_precision": "round_trip"}
)
"""For ``pandas.read_csv``, which is exact by itself from 3.1 on."""

_FORMULA: Final = r"^'*[=+\-@\t]"
_CHANGED: Final = re.compile(rf"[\0\r]|{_FORMULA}")
_NUMBER: Final = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"


def guard_formulas(column: pd.Series) -> pd.Series:
    """Put an apostrophe before texts that a spreadsheet would run as a formula.

    Parameters
    ----------
    column
        Text; anything that is not text is given back as it is. NUL becomes U+FFFD, because
        many readers end a text there, and a carriage return a line feed, because many take it
        for the end of the row.

    Returns
    -------
    The column, of the same length and index.
    """
    values = column.astype(object)
    texts = {value for value in values.array if isinstance(value, str)}
    if not texts:
        return column
    if not any(map(_CHANGED.search, texts)):  # the rule: looked at once for each text
        return values
    is_text = values.map(lambda value: isinstance(value, str)).astype(bool)
    text = values[is_text].str.replace("\0", "\ufffd", regex=False)
    text = text.str.replace("\r\n?", "\n", regex=True)
    risky = text.str.contains(_FORMULA, regex=True) & ~text.str.contains(_NUMBER, regex=True)
    values[is_text] = text.where(~risky, "'" + text)
    return values


def write_tsv(table: pd.DataFrame, path: str | Path, *, float_format: str | None = None) -> None:
    """Write a table as UTF-8 TSV, whole or not at all.

    No index is written; missing values are empty; a float is the shortest text that reads back
    to the same bits, unless ``float_format`` (such as ``%.6g``) says otherwise.

    Parameters
    ----------
    table
        Columns of numbers, booleans or text (also categorical).
    path
        A name that ends in ``.gz`` is compressed, with no time stamp inside.
    float_format
        printf-like format of floats.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    out = table.copy(deep=False)
    for position in range(out.shape[1]):
        column = out.iloc[:, position]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            out.isetitem(position, guard_formulas(column).to_numpy(dtype=object))
    out.columns = guard_formulas(pd.Series(list(map(str, out.columns)), dtype=object)).tolist()
    compression: Any = {"method": "gzip", "mtime": 0} if str(path).endswith(".gz") else None
    with atomic_path(path) as temporary:
        out.to_csv(
            temporary,
            sep="\t",
            index=False,
            na_rep="",
            lineterminator="\n",
            float_format=float_format,
            compression=compression,
            encoding="utf-8",
        )
        if compression is None:
            with temporary.open("a", encoding="utf-8", newline="") as handle:
                handle.write("\n")


def read_tsv(
    path: str | Path,
    *,
    dtype: Mapping[str, Any] | type | str | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a table that :func:`write_tsv` wrote.

    Only an empty field is missing: ``NA`` and ``nan`` are texts, for genes and samples may be
    named so. A column of numbers holds numbers, to the last bit.

    Parameters
    ----------
    path
        TSV, compressed or not.
    dtype
        As in pandas; ``str`` reads everything as text.
    columns
        Columns that must be there, in this order; None reads all.

    Returns
    -------
    The table, with texts as Python strings.

    Raises
    ------
    InputError
        The file is missing, cut short, not such a table, or lacks a column.
    """
    where = existing_file(path)
    try:
        table = pd.read_csv(
            where,
            sep="\t",
            dtype=dtype,
            keep_default_na=False,
            na_values=[""],
            **EXACT_FLOATS,
            encoding="utf-8",
        )
    except (ValueError, OSError, EOFError) as error:  # ParserError is a ValueError
        msg = f"{where} cannot be read as a table: {one_line(error)}"
        raise InputError(msg, fix=remake(where)) from error
    _refuse_cut(where)
    table.columns = list(map(_unguard, table.columns))  # of the type that pandas gives names
    for position in range(table.shape[1]):
        column = table.iloc[:, position]
        if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            restored = column.astype(object).map(_unguard, na_action="ignore").astype(object)
            table.isetitem(position, restored.to_numpy(dtype=object))
    return table if columns is None else _select(table, columns, where)


def existing_file(path: str | Path) -> Path:
    """Make a path of it, or say that no such file is there."""
    where = Path(path)
    if not where.is_file():
        msg = f"{where} not found" if not where.exists() else f"{where} is not a regular file"
        raise InputError(msg, fix="check the path")
    return where


def lacking_columns(missing: list[str], present: list[str], where: Path) -> InputError:
    """Build the error for columns that are not there."""
    msg = f"{where} has no column {', '.join(map(repr, missing))}"
    return InputError(msg, fix=f"columns there: {', '.join(map(repr, present[:20]))}")


def one_line(error: Exception) -> str:
    """The message of an error without its line ends."""
    return " ".join(str(error).split())[:300]


def _refuse_cut(path: Path) -> None:
    """Refuse a table without the empty line that ends it; a gzip file says so itself."""
    if path.suffix == ".gz":
        return
    with path.open("rb") as handle:
        handle.seek(-min(2, path.stat().st_size), os.SEEK_END)
        if handle.read() != b"\n\n":
            msg = f"{path} is cut short: it lacks the empty line that ends a table"
            raise InputError(msg, fix=remake(path))


def _select(table: pd.DataFrame, columns: Sequence[str], where: Path) -> pd.DataFrame:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise lacking_columns(missing, list(table.columns), where)
    return table[list(columns)]


def _unguard(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("'"):
        return value[1:] if _guarded(value) else value
    return value


def _guarded(value: str) -> bool:
    return value.lstrip("'")[:1] in ("=", "+", "-", "@", "\t") and value.lstrip("'") != ""


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


def write_parquet_blocks(tables: Iterable[pd.DataFrame], path: str | Path) -> None:
    """Write tables one below the other as one Parquet, whole or not at all.

    Parameters
    ----------
    tables
        Tables of the same columns and types; only one is held at a time.

    Raises
    ------
    InputError
        There is no table, or as :func:`write_parquet`.
    """
    writer = None
    with atomic_path(path) as temporary:
        try:
            for table in tables:
                if writer is None:
                    arrow = pa.Table.from_pandas(table, preserve_index=False)
                    writer = pq.ParquetWriter(temporary, arrow.schema, compression="zstd")
                else:
                    arrow = pa.Table.from_pandas(table, writer.schema, preserve_index=False)
                writer.write_table(arrow)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            msg = f"cannot write {path}: {one_line(error)}"
            raise InputError(msg, fix="a column must hold one kind of value") from error
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            msg = f"cannot write {path}: no cells"
            raise InputError(msg, fix="leave the data set out")


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
        raise _no_parquet(where, error) from error
    return table if columns is None else table[list(columns)]


def parquet_blocks(path: str | Path, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Read some columns of a Parquet table, so many rows at a time whatever its row groups are.

    Raises
    ------
    InputError
        The file is missing, truncated or no Parquet, or lacks a column.
    """
    where = existing_file(path)
    try:
        with pq.ParquetFile(where) as file:
            names = file.schema_arrow.names
            missing = [name for name in columns if name not in names]
            if missing:
                raise lacking_columns(missing, names, where)
            held = file.schema_arrow.empty_table().select(list(columns))
            for group in range(file.num_row_groups):
                # Of one row group each: the reader keeps what it has read until it is done.
                for batch in file.iter_batches(rows, row_groups=[group], columns=list(columns)):
                    new = pa.Table.from_batches([batch]).select(columns)
                    held = pa.concat_tables([held, new])
                    while held.num_rows >= rows:
                        yield held.slice(0, rows)
                        held = held.slice(rows)
            if held.num_rows:
                yield held
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(where, error) from error


def flags(column: pd.Series) -> pd.Series:
    """Read truth values as people and files write them; a gap is false.

    Parameters
    ----------
    column
        Truth values (also nullable or categorical), numbers (0 is false) or the words true and
        false. ``astype(bool)`` would take the word "False" for true.

    Raises
    ------
    InputError
        Another word.
    """
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.fillna(value=False).astype(bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.fillna(0).astype(bool)
    words = column.astype(object).where(column.notna(), "false").astype(str).str.strip().str.lower()
    odd = words[~words.isin(["true", "false"])]
    if len(odd):
        msg = f"column {column.name!r} has {odd.iloc[0]!r}, expected true or false"
        raise InputError(msg, fix="make it a column of truth values")
    return words.eq("true")


def parquet_columns(path: str | Path) -> list[str]:
    """Names of the columns of a Parquet table, from its footer.

    Raises
    ------
    InputError
        The file is missing, truncated or no Parquet.
    """
    where = existing_file(path)
    try:
        with pq.ParquetFile(where) as file:
            return list(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(where, error) from error


def parquet_rows(path: str | Path) -> int:
    """Number of rows of a Parquet table, from its footer.

    Raises
    ------
    InputError
        The file is missing, truncated or no Parquet.
    """
    where = existing_file(path)
    try:
        with pq.ParquetFile(where) as file:
            return int(file.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(where, error) from error


def _no_parquet(where: Path, error: Exception) -> InputError:
    """Build the error for a file that is no whole Parquet file."""
    msg = f"{where} is not a complete Parquet file: {one_line(error)}"
    return InputError(msg, fix=remake(where))
