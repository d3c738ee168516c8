"""The signs of a figure explained inside it: a figure is used alone, without its caption."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore.plotting import theme

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["Sign", "explained"]

_PER_CHARACTER: Final = 6.2
"""Of the widest usual font: where a reader has no Arial, words must not run into the next mark."""
_ROW: Final = 17
_MARK: Final = 16
_GAP: Final = 16


@dataclass(frozen=True)
class Sign:
    """One entry: a mark and what it means; words alone where ``shape`` is empty."""

    text: str
    shape: str = ""
    fill: str = "transparent"
    stroke: str = "transparent"
    size: float = 60
    width: float = 1.5
    """Of the stroke."""


def explained(chart: Any, signs: Sequence[Sign], *, width: float, left: float = 0) -> Any:
    """Put the explanation of ``signs`` above a chart, in as many rows as ``width`` asks for.

    Parameters
    ----------
    width
        Of the whole figure.
    left
        Of it, what the labels of the first panel take: there the explanation begins.
    """
    import altair as alt

    table = _placed(signs, width)
    height = _ROW * (int(table["row"].max()) + 1)
    table[["x", "from"]] -= left
    table["y"] = _ROW * table["row"] + _ROW / 2
    x = alt.X("x:Q", scale=None, axis=None)
    y = alt.Y("y:Q", scale=None, axis=None)
    words = (
        alt.Chart(table[["from", "y", "text"]])
        .mark_text(align="left", baseline="middle", fontSize=11, color=theme.INK_SOFT, aria=False)
        .encode(x=alt.X("from:Q", scale=None, axis=None), y=y, text="text:N")
    )
    layers = [words]
    marked = table[table["shape"] != ""]
    if len(marked):
        # Bands and lines first, so that a dot of the same entry would lie on them.
        layers.insert(
            0,
            alt.Chart(marked.drop(columns=["text", "from", "row"]))
            .mark_point(opacity=1, aria=False)
            .encode(
                x=x,
                y=y,
                shape=alt.Shape("shape:N", scale=None),
                fill=alt.Fill("fill:N", scale=None),
                stroke=alt.Stroke("stroke:N", scale=None),
                size=alt.Size("size:Q", scale=None),
                strokeWidth=alt.StrokeWidth("width:Q", scale=None),
            ),
        )
    key = alt.layer(*layers).properties(width=width - left, height=height)
    return alt.vconcat(key, chart, spacing=14)


def _placed(signs: Sequence[Sign], width: float) -> pd.DataFrame:
    """Give each entry a row and a place in it; what is longer than a row is broken."""
    rows: list[dict[str, Any]] = []
    row, at = 0, 0.0
    for sign in signs:
        left = _MARK if sign.shape else 0
        fits = max(20, int((width - left) / _PER_CHARACTER))
        lines = textwrap.wrap(sign.text, fits)
        needed = left + _PER_CHARACTER * max(map(len, lines))
        if at and (at + needed > width or len(lines) > 1):
            row, at = row + 1, 0.0
        for index, line in enumerate(lines):
            mark: dict[str, Any] = {"shape": sign.shape if index == 0 else "", "fill": sign.fill}
            mark |= {"stroke": sign.stroke, "size": sign.size, "width": sign.width}
            rows.append({"row": row + index, "x": at + 6, "from": at + left, "text": line} | mark)
        row += len(lines) - 1
        at = at + needed + _GAP if len(lines) == 1 else width
    return pd.DataFrame(rows)
