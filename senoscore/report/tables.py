"""Tables as the page shows them: short cells, the right digits, a download that is safe."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore.io import column_meanings, declared_as
from senoscore.plotting import tidy, to_tsv

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["Cell", "TableView", "clean", "meaning", "view"]

ROWS_SHOWN: Final = 300
CELL_LENGTH: Final = 120
_EMBED_LIMIT: Final = 1_000_000
_P_COLUMNS = {"p", "q", "p_permutation", "permutation_floor"}
_PERCENT_COLUMNS = {
    "fraction",
    "fraction_lo",
    "fraction_hi",
    "excess",
    "control_fraction",
    "share",
    "rate",
    "target",
}
# Characters that reorder or hide the text around them (bidirectional controls, zero width).
_HIDDEN: Final = {
    c: f"⟨U+{c:04X}⟩" for c in (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0x061C)
} | {
    c: f"⟨U+{c:04X}⟩"
    for c in (*range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
}


@dataclass(frozen=True)
class Cell:
    """One cell: its text, the full text where that was cut, and the value to sort by."""

    text: str
    full: str = ""
    sort: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class TableView:
    """A table as shown: header, rows, and the whole of it as a download."""

    id: str
    title: str
    columns: tuple[str, ...]
    meanings: tuple[str, ...]
    """What each column means; empty for one that the data dictionary does not have."""
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_rows: int
    n_columns: int
    href: str
    filename: str

    @property
    def cut(self) -> bool:
        """Whether the page shows fewer rows or columns than there are."""
        return self.n_rows > len(self.rows) or self.n_columns > len(self.columns)


def clean(value: object, limit: int = 0) -> str:
    r"""Make control and bidirectional characters visible; cut at ``limit`` where not 0.

    Examples
    --------
    >>> clean("a\u202eb"), clean("abcdef", 4)
    ('a⟨U+202E⟩b', 'abc…')
    """
    text = str(value).translate(_HIDDEN)
    return text[: limit - 1] + "…" if limit and len(text) > limit else text


def view(
    table: pd.DataFrame, name: str, *, title: str, columns: Sequence[str] | None = None
) -> TableView:
    """Prepare a table for the page.

    Parameters
    ----------
    name
        Identifier in the page and stem of the downloaded file.
    columns
        Which to show; those that the table lacks are left out. The download has all.
    """
    shown = [c for c in (columns or list(table.columns)) if c in table.columns]
    part = table[shown].head(ROWS_SHOWN)
    numeric = [
        pd.api.types.is_numeric_dtype(t) and not pd.api.types.is_bool_dtype(t) for t in part.dtypes
    ]
    names = [str(c) for c in shown]
    rows = tuple(
        tuple(_cell(v, c, is_number=n) for v, c, n in zip(row, names, numeric, strict=True))
        for row in part.itertuples(index=False, name=None)
    )
    text = to_tsv(table)
    encoded = base64.b64encode(text.encode()).decode() if len(text) <= _EMBED_LIMIT else ""
    href = f"data:text/tab-separated-values;charset=utf-8;base64,{encoded}" if encoded else ""
    return TableView(
        id=name,
        title=title,
        columns=tuple(clean(c, 60) for c in names),
        meanings=tuple(meaning(c) for c in names),
        numeric=tuple(numeric),
        rows=rows,
        n_rows=len(table),
        n_columns=len(table.columns),
        href=href,
        filename=f"{name}.tsv",
    )


def meaning(column: str) -> str:
    """Look a column up in the data dictionary; ``z:sasp`` is found as ``z:*``."""
    return column_meanings().get(declared_as(column), "")


def _cell(value: object, column: str, *, is_number: bool) -> Cell:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return Cell("–", numeric=is_number)
    if is_number:
        return Cell(_format(float(value), column), sort=repr(float(value)), numeric=True)  # type: ignore[arg-type]
    text = clean(value)
    return Cell(clean(text, CELL_LENGTH), full=clean(text, 2000) if len(text) > CELL_LENGTH else "")


def _format(value: float, column: str) -> str:
    if column in _P_COLUMNS:
        return tidy.p_value(value)
    if column in _PERCENT_COLUMNS:
        return tidy.percent(value)
    return tidy.number(value)
