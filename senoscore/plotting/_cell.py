"""The evidence of one cell, as :func:`senoscore.explain` gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    import altair as alt

__all__ = ["evidence", "evidence_table"]

_DECIDED, _BESIDE = "decided", "did not decide"


def evidence(table: pd.DataFrame, *, layout: theme.Layout = "wide") -> alt.Chart:
    """Axis z values of one cell against the calibrated cut; what decided stands out.

    Parameters
    ----------
    table
        From :func:`senoscore.explain`.
    layout
        ``wide`` or ``narrow``.

    Raises
    ------
    InputError
        The table is not from :func:`senoscore.explain`.
    """
    import altair as alt

    rows = evidence_table(table)
    wide = layout == "wide"
    y = alt.Y(
        "title:N",
        sort=list(rows["title"]),
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelLimit=260 if wide else 140),
    )
    bars = (
        alt.Chart(rows)
        .mark_bar(height=9)
        .encode(
            y=y,
            x=alt.X("z:Q", title="z against control cells of the compartment"),
            color=alt.Color(
                "role:N",
                scale=alt.Scale(domain=[_DECIDED, _BESIDE], range=[theme.BAD, theme.INK_SOFT]),
                legend=alt.Legend(title=None, symbolType="square"),
            ),
            description=alt.Description("text:N"),
        )
    )
    layers = [bars]
    if rows["cut"].notna().any():
        cut = pd.DataFrame({"cut": [float(rows["cut"].iloc[0])]})
        layers.append(
            alt.Chart(cut).mark_rule(strokeDash=[4, 3], color=theme.INK, aria=False).encode(x="cut")
        )
    state = str(table.attrs.get(k.STATE, "")).replace("_", " ")
    index = table.attrs.get(k.INDEX, np.nan)
    known = f", index {index:.1f}" if np.isfinite(index) else ""
    title = alt.TitleParams(f"{state}{known}", anchor="start", fontSize=12)
    chart = alt.layer(*layers).properties(
        width=420 if wide else 150, height=alt.Step(15), title=title
    )
    return chart.configure(**theme.config())


def evidence_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`evidence` draws: the assessable axes, those of the index first.

    Raises
    ------
    InputError
        The table is not from :func:`senoscore.explain`.
    """
    tidy.need(table, ["axis", "title", "z", "cut", "decided", "weight"], what="explain table")
    rows = table[table["z"].notna()].copy()
    rows["role"] = np.where(rows["decided"], _DECIDED, _BESIDE)
    rows = rows.iloc[np.lexsort((np.arange(len(rows)), -rows["weight"].abs()))]
    rows["text"] = [f"{r.title}: z {r.z:.1f}, {r.role}" for r in tidy.rows(rows)]
    columns = ["axis", "title", "z", "cut", "weight", "role", "text"]
    return rows[columns].reset_index(drop=True)
