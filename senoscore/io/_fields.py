"""The fields of a delimited table, in runs of rows; where one is no number, which."""

from __future__ import annotations

import csv
import io
import re
from math import isinf
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore.errors import InputError
from senoscore.io._text import Dialect, is_number, open_text
from senoscore.io.tables import EXACT_FLOATS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["frames", "full_header"]

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
    msg = f"{path}: {field[:40]!r} in line {line} (row {row[:60]!r}, column {column}) is no number"
    if re.fullmatch(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", field.strip()):
        return InputError(msg, fix="write decimals with a point, not a comma")
    return InputError(msg, fix="keep only numbers beside the row names")


def full_header(dialect: Dialect) -> list[str]:
    """Header with a field for the row names, which R leaves out."""
    header = dialect.header or []
    return ["", *header] if len(header) == len(dialect.rows[0]) - 1 else header[:]
