"""Composition by cell state over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from senoscore import _keys as k
from senoscore.errors import InputError
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt

__all__ = ["states", "states_table"]


def states(
    burden: pd.DataFrame,
    *,
    compartments: Sequence[str] | None = None,
    control: str = k.CONTROL,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Composition by state: mean over the samples of each time, one panel per compartment.

    Raises
    ------
    InputError
        The table has no ``n_{state}`` column or no cell.
    """
    import altair as alt

    table = states_table(burden, control=control)
    order = tidy.time_order(tidy.with_defaults(burden), control)
    names = list(compartments or theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS))
    used = theme.known_first(table["state"], theme.STATE_COLOURS)
    table["rank"] = table["state"].map({name: i for i, name in enumerate(used)})
    table["label"] = table["state"].map(theme.pretty)
    wide = layout == "wide"
    colour = alt.Color(
        "label:N",
        sort=[theme.pretty(s) for s in used],
        scale=alt.Scale(
            domain=[theme.pretty(s) for s in used], range=[theme.state_colour(s) for s in used]
        ),
        legend=alt.Legend(title=None, columns=0 if wide else 2, symbolType="square"),
    )
    drawn = ["time", "label", "share", "rank", "text"]
    panels = []
    for name in names:
        rows = table.loc[table[k.COMPARTMENT] == name, drawn]
        bar = alt.Chart(rows).mark_bar(stroke=theme.PAPER, strokeWidth=0.5)
        panels.append(
            bar.encode(
                x=alt.X(
                    "time:N",
                    sort=order,
                    title=None,
                    scale=alt.Scale(domain=order),
                    axis=alt.Axis(labelAngle=0, labelOverlap=True),
                ),
                y=alt.Y(
                    "share:Q",
                    title="share of cells",
                    scale=alt.Scale(domain=[0, 1]),
                    axis=alt.Axis(format="~%", tickCount=3),
                ),
                color=colour,
                order=alt.Order("rank:Q"),
                description=alt.Description("text:N"),
            ).properties(
                width=248 if wide else 286,
                height=150,
                title=alt.TitleParams(theme.pretty(name), color=theme.compartment_colour(name)),
            )
        )
    chart = alt.concat(*panels, columns=4 if wide else 1)
    return chart.configure(**theme.config())


def states_table(burden: pd.DataFrame, *, control: str = k.CONTROL) -> pd.DataFrame:
    """Return the numbers that :func:`states` draws: compartment, time, state, mean share, n.

    Raises
    ------
    InputError
        The table has no ``n_{state}`` column or no cell.
    """
    columns = [c for c in burden.columns if c.startswith("n_") and c[2:] in theme.STATE_COLOURS]
    table = tidy.with_defaults(burden)
    counts = table[columns].apply(pd.to_numeric, errors="coerce").fillna(0.0)
    total = counts.sum(axis=1)
    if not columns or not (total > 0).any():
        raise InputError("burden table: no cell has a state", fix="run the call step first")
    shares = counts.div(total.where(total > 0), axis=0)
    shares["time"], shares[k.COMPARTMENT] = tidy.time_label(table, control), table[k.COMPARTMENT]
    shares = shares[total > 0]
    grouped = shares.groupby([k.COMPARTMENT, "time"], observed=True)
    means = grouped.mean().reset_index().merge(grouped.size().rename("n_samples").reset_index())
    long = means.melt(
        id_vars=[k.COMPARTMENT, "time", "n_samples"], var_name="state", value_name="share"
    )
    long["state"] = long["state"].str.removeprefix("n_")
    long = long[long.groupby("state")["share"].transform("max") > 0]
    long["text"] = [
        f"{theme.pretty(r.state)}: {tidy.percent(r.share)}, {r.time}, mean of {r.n_samples} samples"
        for r in tidy.rows(long)
    ]
    return long.reset_index(drop=True)
