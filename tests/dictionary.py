"""The data dictionary (docs/columns.tsv) as a test of tables: columns declared, of that type."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from senoscore.io import declared_as, read_parquet, read_tsv

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = Path(__file__).parents[1] / "docs" / "columns.tsv"
RANGES = {"0-1": (0.0, 1.0), "-1-1": (-1.0, 1.0), "fraction": (-1.0, 1.0), "%": (0.0, 100.0)}


@cache
def declared() -> dict[str, tuple[str, str]]:
    """Type and unit of each column."""
    with FILE.open(encoding="utf-8") as file:
        return {
            row["column"]: (row["type"], row["unit"])
            for row in csv.DictReader(file, delimiter="\t")
        }


def faults(table: pd.DataFrame) -> list[str]:
    """What of a table is not as declared: a column that is not there, a type, a range."""
    found = []
    for column in map(str, table.columns):
        name = declared_as(column)
        if not name:
            found.append(f"{column}: not in docs/columns.tsv")
            continue
        kind, unit = declared()[name]
        values = table[column].dropna()
        if len(values) and (wrong := _wrong(values, kind, unit)):
            found.append(f"{column}: declared as {kind} {unit}, {wrong}")
    return found


def _wrong(values: pd.Series, kind: str, unit: str) -> str:
    """What of the values is not of the type or range; empty if all are. A text may be a number."""
    if "text" in kind:
        return ""
    is_truth = values.isin([True, False])
    if kind == "true/false":
        return "" if is_truth.all() else f"has {values[~is_truth].iloc[0]!r}"
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return f"has {values.iloc[0]!r}"
    numbers = values.to_numpy(dtype=float)
    low, high = RANGES.get(unit, (0.0 if kind == "count" else -np.inf, np.inf))
    bad = (numbers < low - 1e-9) | (numbers > high + 1e-9)
    if kind == "count":
        bad |= numbers % 1 != 0
    return f"has {numbers[bad][0]:g}" if bad.any() else ""


def faults_of_files(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Faults of TSV and Parquet files, by the name of the file."""
    out = {}
    for path in paths:
        table = read_parquet(path) if path.suffix == ".parquet" else read_tsv(path)
        if found := faults(table):
            out[path.name] = found
    return out
