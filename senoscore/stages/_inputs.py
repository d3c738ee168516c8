"""What input files say of themselves by their names alone, compared with the sheets."""

from __future__ import annotations

import filecmp
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senoscore import _keys as k
from senoscore.errors import ConfigError, InputError, SheetError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import pandas as pd

__all__ = ["check_inputs"]


def check_inputs(
    datasets: pd.DataFrame, samples: pd.DataFrame, config: Mapping[str, Any]
) -> list[str]:
    """Look at every input file without reading its values; return a line for each.

    Raises
    ------
    SheetError
        A file is not there, two hold the same, or a sample of the sheet is in no file.
    InputError
        A file does not have what the sheet says of it.
    """
    from senoscore.ingest import look
    from senoscore.io.readers import detect_format

    limit = int(config["ingest"]["max_gb"] * 1e9)
    sheet = samples[k.SAMPLE].tolist()
    lines, held = [], []
    for row in datasets.to_dict("records"):
        path = Path(row["path"])
        if not path.exists():
            msg = f"dataset {row['dataset']!r}: {path} is not there"
            raise SheetError(msg, fix="paths are relative to the folder the workflow runs in")
        kind = row["format"] if row["format"] != "auto" else detect_format(path)
        try:
            held.append(
                look({str(name): v for name, v in row.items()}, samples=sheet, max_bytes=limit)
            )
        except InputError as error:
            msg = f"dataset {row['dataset']!r}: {error.message}"
            raise InputError(msg, fix=error.fix) from error
        _check_labels(row, kind, config["compartments"]["mapping"] or {}, limit)
        lines.append(
            f"dataset {row['dataset']}: {path} ({kind}, {row['organism']}, {row['assay']})"
        )
    _refuse_same_content(datasets)
    _refuse_ghosts(sheet, held)
    return lines


def _check_labels(
    row: Mapping[Hashable, Any], kind: str, mapping: Mapping[str, str], limit: int
) -> None:
    """Refuse cell-type labels that no compartment fits, before the run does after an hour."""
    from senoscore._compartments import from_labels
    from senoscore.io.readers import look_source

    column = row["compartment_column"]
    if not column:
        return
    names = look_source(
        row["path"], format=kind, orientation=row["orientation"], layer=row["layer"] or None,
        columns=[column], max_bytes=limit,
    )  # fmt: skip
    try:
        from_labels(names.obs[column], mapping)
    except ConfigError as error:
        msg = f"dataset {row['dataset']!r}, column {column!r}: {error.message}"
        raise ConfigError(msg, fix=error.fix) from error


def _refuse_same_content(datasets: pd.DataFrame) -> None:
    """A copy under another name would count its cells twice, and its samples as replicates."""
    from senoscore.io.readers import source_files

    matrix = [
        (row["dataset"], source_files(row["path"], format=row["format"])[0])
        for row in datasets.to_dict("records")
    ]
    for (one, first), (other, second) in combinations(matrix, 2):
        # Files of other sizes are told apart unread, others at their first difference.
        if filecmp.cmp(first, second, shallow=False):
            msg = f"datasets {one!r} and {other!r} hold the same: {first} and {second}"
            raise SheetError(msg, fix="keep one row, or give the file that was meant")


def _refuse_ghosts(sheet: list[str], held: list[list[str] | None]) -> None:
    """A sample without data would be counted in the design, as a control perhaps."""
    found = [names for names in held if names is not None]
    if len(found) < len(held):
        return
    unused = sorted(set(sheet).difference(*found))
    if unused:
        msg = f"no dataset holds sample {', '.join(map(repr, unused[:5]))}"
        raise SheetError(msg, fix="add its file to the datasets sheet, or remove the row")
