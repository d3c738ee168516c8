"""Burden against dose, one panel per compartment, one dot per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from senoscore import _keys as k
from senoscore.errors import InputError
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

__all__ = ["dose_response", "dose_table"]


def dose_table(
    burden: pd.DataFrame, *, measure: str = "fraction", control: str = k.CONTROL
) -> pd.DataFrame:
    """Return the samples that :func:`dose_response` draws; controls are at 0 Gy.

    Raises
    ------
    InputError
        There are fewer than three doses, 0 among them, or no value after the acute phase.
    """
    table = tidy.with_defaults(burden)
    table["value"] = tidy.column(table, measure)
    is_control = tidy.is_control(table, control)
    table[k.DOSE] = table[k.DOSE].mask(is_control, 0.0)
    table["eqd2_gy"] = tidy.column(table, "eqd2_gy").mask(is_control, 0.0)
    table["time"] = tidy.time_label(table, control)
    # Before the day from which it can be senescence the same cells are an acute response.
    usable = table[k.DOSE].notna() & table["value"].notna() & (table["status"] != "acute")
    table = table[usable & (table[k.COMPARTMENT] != k.UNASSIGNED)]
    if table[k.DOSE].nunique() < 3:
        message = "burden table: fewer than three doses with a value"
        raise InputError(message, fix="two doses are a contrast, not a dose-response")
    names = [k.SAMPLE, k.COMPARTMENT, k.TREATMENT, k.DOSE, "eqd2_gy", k.DAYS, "time", "value"]
    return table[[name for name in names if name in table]].reset_index(drop=True)


def dose_response(
    burden: pd.DataFrame,
    *,
    measure: str = "fraction",
    title: str = "senescent fraction",
    control: str = k.CONTROL,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw each sample against its physical dose, log(1 + Gy), with lines through times' means.

    EQD2 is in the text of each dot: that it predicts senescence is not known.

    Raises
    ------
    InputError
        There are fewer than three doses.
    """
    import altair as alt

    table = dose_table(burden, measure=measure, control=control)
    doses = sorted(table[k.DOSE].unique())
    treated = table[table["time"] != "control"]
    times = list(tidy.time_order(treated, control))
    x = alt.X(
        f"{k.DOSE}:Q",
        title="Dose (Gy)",
        scale=alt.Scale(type="symlog", constant=1),
        axis=alt.Axis(values=[float(d) for d in doses], format="~g"),
    )
    colour = alt.Color(
        "time:N",
        title="Time",
        sort=["control", *times],
        scale=alt.Scale(domain=["control", *times], scheme="viridis"),
    )
    y = alt.Y("value:Q", title=title, axis=alt.Axis(tickCount=4))
    panels = []
    for name in theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS):
        own = alt.Chart(table[table[k.COMPARTMENT] == name])
        tips = [c for c in (k.SAMPLE, k.DOSE, "eqd2_gy", "time", "value") if c in table]
        dots = own.mark_circle(size=34, opacity=0.8).encode(x=x, y=y, color=colour, tooltip=tips)
        lines = (
            own.transform_filter("datum.time != 'control'")
            .mark_line(strokeWidth=1.5)
            .encode(x=x, y=alt.Y("mean(value):Q", title=title), color=colour)
        )
        panels.append((lines + dots).properties(title=theme.pretty(name), width=200, height=130))
    chart = alt.concat(*panels, columns=4 if layout == "wide" else 1)
    return chart.configure(**theme.config())
