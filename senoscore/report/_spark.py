"""The small curve beside each answer: dots and the line through their means."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore.plotting import _tidy as tidy

__all__ = ["Points", "curve", "highest"]

Points: TypeAlias = tuple[tuple[float, float], ...]
"""Places in a box of 100 x 28, origin on top left."""


def highest(table: pd.DataFrame, column: str, control: str) -> float:
    """Return the largest value of any compartment: all small curves share one scale."""
    values = tidy.column(table, column)[~tidy.is_control(table, control)]
    return max(float(values.max()), 0.02) if values.notna().any() else 0.02


def curve(treated: pd.DataFrame, top: float) -> tuple[Points, Points]:
    """Dots and mean line of a small curve, in a box of 100 x 28 with the origin on top left."""
    rows = treated[treated[k.DAYS].notna()]
    if "status" in rows:  # before senescence can be claimed there is none to draw
        rows = rows[rows["status"] != "acute"]
    if rows.empty:
        return (), ()
    x = np.log1p(rows[k.DAYS].clip(lower=0)) / max(np.log1p(rows[k.DAYS].max()), 1e-9)
    low = min(0.0, rows["value"].min())
    box = pd.DataFrame({"x": 3 + 94 * x, "y": 25 - 22 * (rows["value"] - low) / (top - low)})
    line = box.groupby("x", as_index=False).agg(y=("y", "mean"))
    return _pairs(box), _pairs(line)


def _pairs(table: pd.DataFrame) -> Points:
    return tuple((round(float(a), 1), round(float(b), 1)) for a, b in table[["x", "y"]].to_numpy())
