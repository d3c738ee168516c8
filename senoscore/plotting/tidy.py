"""Small table steps that every figure shares: control rows, time labels, numbers as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.study import unirradiated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


__all__ = [
    "column",
    "comparable",
    "day_label",
    "is_control",
    "is_irradiated",
    "need",
    "number",
    "p_value",
    "percent",
    "rows",
    "stray",
    "time_label",
    "time_order",
    "with_defaults",
]

_OPTIONAL: dict[str, str | float] = {
    k.DATASET: "",
    k.SUBJECT: "",
    k.TREATMENT: k.IRRADIATED,
    k.DOSE: np.nan,
    "n_fractions": np.nan,
    "modality": "",
    k.DAYS: np.nan,
    k.COMPARTMENT: k.BULK,
    "n_cells": np.nan,
    "n_assessable": np.nan,
    "fraction": np.nan,
    "status": "ok",
    "note": "",
}


_TEXT_LENGTH = 200
"""Characters of a name that a figure keeps; sheets allow 100."""


def need(table: pd.DataFrame, columns: Iterable[str], *, what: str) -> None:
    """Check that ``table`` has ``columns``.

    Raises
    ------
    InputError
        A column is missing; the message names it and the table.
    """
    missing = [name for name in columns if name not in table.columns]
    if missing:
        message = f"{what}: no column {', '.join(map(repr, missing))}"
        raise InputError(message, fix=f"the table has {', '.join(map(str, table.columns[:12]))}")


def with_defaults(burden: pd.DataFrame) -> pd.DataFrame:
    """Copy a burden table with every optional column present and typed."""
    table = burden.reset_index(drop=True).copy()
    for name, value in _OPTIONAL.items():
        if name not in table:
            table[name] = value
    for name in (k.DOSE, "n_fractions", k.DAYS, "n_cells", "n_assessable", "fraction"):
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    texts = (k.DATASET, k.SUBJECT, k.TREATMENT, "modality", k.COMPARTMENT, "status", "note")
    for name in texts:
        table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
        table[name] = table[name].str.slice(0, _TEXT_LENGTH)
    return table


def is_control(table: pd.DataFrame, control: str = k.CONTROL) -> pd.Series:
    """Mark the rows of control samples."""
    return table[k.TREATMENT].astype(str) == control


def is_irradiated(table: pd.DataFrame, control: str = k.CONTROL) -> pd.Series:
    """Mark the rows of irradiated samples, with a drug or without; a sham with a drug is none."""
    return ~unirradiated(table, control)


_FEW = 30
"""Cells that no sample reaches in a compartment of strays."""


def stray(table: pd.DataFrame) -> dict[str, int]:
    """Cells of each compartment that is assessable in no sample and nowhere has 30 cells.

    Parameters
    ----------
    table
        Burden table with its defaults.
    """
    cells = column(table, "n_cells").fillna(0)
    unusable = table["status"].isin(["absent", "few_cells", "not_assessable", "no_control"])
    by = table.assign(cells=cells, unusable=unusable).groupby(
        k.COMPARTMENT, sort=True, observed=True
    )
    found = by.agg(
        most=("cells", "max"),
        total=("cells", "sum"),
        unusable=("unusable", "all"),
        # Whole tissue has no cells to count: it is no stray.
        counted=("n_cells", lambda n: n.notna().any()),
    )
    found = found[found["unusable"] & (found["most"] < _FEW) & found["counted"]]
    return {str(n): int(t) for n, t in found["total"].items() if n not in (k.UNASSIGNED, k.BULK)}


def comparable(burden: pd.DataFrame) -> pd.DataFrame:
    """Burden table with its defaults, without unassigned cells and compartments of strays."""
    table = with_defaults(burden)
    return table[~table[k.COMPARTMENT].isin([k.UNASSIGNED, *stray(table)])].reset_index(drop=True)


def column(table: pd.DataFrame, name: str) -> pd.Series:
    """Return a numeric column, all NaN where the table has none."""
    if name not in table:
        return pd.Series(np.nan, index=table.index, dtype=float)
    return pd.to_numeric(table[name], errors="coerce").astype(float)


def rows(table: pd.DataFrame) -> list[Any]:
    """List the rows of ``table`` as named tuples."""
    return list(table.itertuples())


def number(value: object, digits: int = 3) -> str:
    """Format to ``digits`` significant digits; an en dash where there is no number.

    Examples
    --------
    >>> number(0.0123456), number(1234.5), number(float("nan")), number(3)
    ('0.0123', '1234', '–', '3')
    """
    x = _finite(value)
    if x is None:
        return "–"
    if x == int(x) and abs(x) < 1e7:
        return f"{int(x)}".replace("-", "−")
    if abs(x) >= 10 ** (digits - 1):
        text = f"{x:.0f}"
    else:
        text = f"{x:.{digits}g}"
        if "e" in text:
            text = f"{x:.1e}"
    return text.replace("-", "−")


def _finite(value: object) -> float | None:
    """A value as a number; None where it is none or not finite."""
    try:
        x = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return x if np.isfinite(x) else None


def p_value(value: object) -> str:
    """Format a p or q value.

    Examples
    --------
    >>> p_value(0.00002), p_value(0.0432), p_value(0.5), p_value(None)
    ('< 0.001', '0.043', '0.50', '–')
    """
    x = _finite(value)
    if x is None:
        return "–"
    if x < 0.001:
        return "< 0.001"
    return f"{x:.3f}" if x < 0.1 else f"{x:.2f}"


def percent(value: object) -> str:
    """Format a fraction as per cent.

    Examples
    --------
    >>> percent(0.1234), percent(0), percent(0.00004), percent(None)
    ('12.3 %', '0 %', '< 0.01 %', '–')
    """
    x = _finite(value)
    if x is None:
        return "–"
    x *= 100
    if x == 0:
        return "0 %"
    if abs(x) < 0.01:
        return "< 0.01 %"
    text = f"{x:.1f}" if abs(x) >= 1 else f"{x:.2f}"
    return f"{text.replace('-', '−')} %"


def day_label(days: object) -> str:
    """Word days after irradiation: ``7 d``; hours under one day."""
    try:
        x = float(days)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "no time"
    if not np.isfinite(x):
        return "no time"
    return f"{number(x * 24)} h" if 0 < x < 1 else f"{number(x)} d"


def time_label(table: pd.DataFrame, control: str = k.CONTROL) -> pd.Series:
    """Label each row by its time, control samples by ``control``."""
    labels = table[k.DAYS].map(day_label)
    return labels.where(~is_control(table, control), "control")


def time_order(table: pd.DataFrame, control: str = k.CONTROL) -> Sequence[str]:
    """Return labels in time order, controls first."""
    treated = table.loc[~is_control(table, control), k.DAYS]
    days = sorted(treated.dropna().unique())
    order = ["control"] if is_control(table, control).any() else []
    order += [day_label(d) for d in days]
    return order + (["no time"] if treated.isna().any() else [])
