"""Composition by cell state over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.arms import main_arm
from senoscore.plotting.legend import Sign, explained
from senoscore.study import takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt


__all__ = ["states", "states_table"]


@takes(check_control=False, burden="sen.burden(adata)")
def states(
    burden: pd.DataFrame,
    *,
    compartments: Sequence[str] | None = None,
    control: str = k.CONTROL,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Composition by state: mean over the samples of each time, one panel per compartment.

    Irradiated samples are those of the main arm; controls have a bar for each time of their
    own. Compartments of a few stray cells are left out.

    Raises
    ------
    InputError
        The table has no ``n_{state}`` column or no cell.

    Examples
    --------
    >>> chart = sen.pl.states(burden)
    """
    import altair as alt

    table = states_table(burden, control=control)
    arm = main_arm(tidy.with_defaults(burden), control)
    ordered = table.drop_duplicates("bar").sort_values(["control", "days"], ascending=[False, True])
    order = list(ordered["bar"])
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
        legend=None,
    )
    drawn = ["bar", "label", "share", "rank", "text"]
    panels = []
    for name in names:
        rows = table.loc[table[k.COMPARTMENT] == name, drawn]
        bar = alt.Chart(rows).mark_bar(stroke=theme.PAPER, strokeWidth=0.5)
        panels.append(
            bar.encode(
                x=alt.X(
                    "bar:N",
                    sort=order,
                    title=None,
                    scale=alt.Scale(domain=order),
                    axis=alt.Axis(
                        labelAngle=0, labelOverlap=True, labelExpr="split(datum.label, '|')"
                    ),
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
                title=alt.TitleParams(theme.heading(name), color=theme.title_colour(name)),
            )
        )
    chart = alt.concat(*panels, columns=3 if wide else 1)
    signs = [
        Sign(theme.pretty(s), "square", fill=theme.state_colour(s), size=110)
        for s in reversed(used)
    ]
    signs.append(Sign(f"bars: mean of samples; “ctrl”: controls; the others: {arm.said}"))
    return explained(chart, signs, width=900 if wide else 336, left=50).configure(**theme.config())


@takes(check_control=False, burden="sen.burden(adata)")
def states_table(burden: pd.DataFrame, *, control: str = k.CONTROL) -> pd.DataFrame:
    """Return the numbers that :func:`states` draws: compartment, time, state, mean share, n.

    Raises
    ------
    InputError
        The table has no ``n_{state}`` column or no cell.
    """
    columns = [c for c in burden.columns if c.startswith("n_") and c[2:] in theme.STATE_COLOURS]
    table = tidy.comparable(burden)
    table["control"] = tidy.is_control(table, control)
    arm = main_arm(table, control)
    table = table[table["control"] | arm.rows(table)].reset_index(drop=True)
    counts = table[columns].apply(pd.to_numeric, errors="coerce").fillna(0.0)
    total = counts.sum(axis=1)
    if not columns or not (total > 0).any():
        raise InputError("burden table: no cell has a state", fix="run the call step first")
    shares = counts.div(total.where(total > 0), axis=0)
    shares[["control", "days", k.COMPARTMENT]] = table[["control", k.DAYS, k.COMPARTMENT]]
    shares = shares[total > 0]
    keys = [k.COMPARTMENT, "control", "days"]
    grouped = shares.groupby(keys, observed=True, dropna=False)
    means = grouped.mean().reset_index()
    means["n_samples"] = grouped.size().to_numpy()
    means["arm"] = np.where(means["control"], control, arm.said)
    means["bar"] = [_bar(r) for r in tidy.rows(means)]
    beside = [*keys, "arm", "bar", "n_samples"]
    long = means.melt(id_vars=beside, var_name="state", value_name="share")
    long["state"] = long["state"].str.removeprefix("n_")
    long = long[long.groupby("state", observed=True)["share"].transform("max") > 0]
    long["text"] = [
        f"{theme.pretty(r.state)}: {tidy.percent(r.share)}, {r.arm}, {tidy.day_label(r.days)}, "
        f"mean of {r.n_samples} samples"
        for r in tidy.rows(long)
    ]
    return long.reset_index(drop=True)


def _bar(row: Any) -> str:
    """Label of a bar; what stands after the upright stroke is its second line."""
    time = tidy.day_label(row.days)
    known = "" if time == "no time" else time
    return f"ctrl|{known}".rstrip("|") if row.control else time
