"""The window: state of every compartment at every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore import _keys as k
from senoscore.errors import InputError
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

__all__ = ["WINDOW_COLOURS", "window", "window_table"]

# Dark enough for white text or light enough for ink; grey is "nothing can be said".
WINDOW_COLOURS: Final = {
    "no_data": ("#f1f3f5", "no data"),
    "no_control": ("#dfe3e8", "no control"),
    "underpowered": ("#c9d0d8", "n < 2"),
    "not_estimable": ("#c9d0d8", "not estimable"),
    "baseline": ("#e4f1ec", "not raised"),
    "acute_ddr": ("#f3d08a", "acute DDR"),
    "priming": ("#9cc9e8", "priming"),
    "accumulating": ("#f0a58b", "rising"),
    "elevated": ("#f0a58b", "raised"),
    "persistent": ("#b3304f", "persistent"),
    "persistent_immunosuppressive": ("#7a1f4b", "persistent, suppressed"),
    "resolving": ("#8fcbb0", "resolving"),
}
"""Colour and short word of each state."""
_DARK: Final = ("persistent", "persistent_immunosuppressive")


def window(times: pd.DataFrame, *, layout: theme.Layout = "wide") -> alt.Chart:
    """Draw a strip a compartment and dose, one field a time, coloured by state.

    A ring marks the time at which the window opens.

    Parameters
    ----------
    times
        ``times`` of :func:`senoscore.window`.

    Raises
    ------
    InputError
        The table has no row with data.
    """
    import altair as alt

    table = window_table(times)
    order = list(dict.fromkeys(table.sort_values("days")["time"]))
    rows = list(dict.fromkeys(table["row"]))
    there = [name for name in WINDOW_COLOURS if name in set(table["state"])]
    words = [theme.pretty(name).replace("ddr", "DDR") for name in there]
    table["word"] = [WINDOW_COLOURS[s][1] if s in WINDOW_COLOURS else s for s in table["state"]]
    table["label"] = table["state"].map(dict(zip(there, words, strict=True)))
    wide = layout == "wide"
    x = alt.X(
        "time:N", sort=order, title="days after irradiation",
        axis=alt.Axis(labelAngle=0, ticks=False, domain=False, orient="top"),
    )  # fmt: skip
    y = alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(ticks=False, domain=False))
    base = alt.Chart(table).encode(x=x, y=y, description=alt.Description("text:N"))
    fields = base.mark_rect(stroke=theme.PAPER, strokeWidth=2).encode(
        color=alt.Color(
            "label:N",
            scale=alt.Scale(domain=words, range=[WINDOW_COLOURS[s][0] for s in there]),
            legend=None if wide else alt.Legend(title=None, columns=2, symbolType="square"),
        )
    )
    layers = [fields]
    if wide:
        layers.append(
            base.mark_text(fontSize=10, aria=False).encode(
                text="word:N",
                color=alt.condition(
                    alt.FieldOneOfPredicate("state", list(_DARK)),
                    alt.value("#ffffff"),
                    alt.value(theme.INK),
                ),
            )
        )
    opens = table[table["opens"]]
    if len(opens):
        layers.append(
            alt.Chart(opens)
            .mark_point(
                shape="triangle-down", filled=True, size=70, color=theme.INK, opacity=1,
                yOffset=-11,
            )
            .encode(x=x, y=y, description=alt.Description("opens_text:N"))
        )  # fmt: skip
    width = (86 if wide else 34) * len(order)
    chart = alt.layer(*layers).properties(width=width, height=34 * len(rows))
    return chart.configure(**theme.config())


def window_table(times: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`window` draws: one row a compartment, dose and time with data.

    Raises
    ------
    InputError
        No row has data.
    """
    needed = [k.COMPARTMENT, k.TREATMENT, k.DOSE, k.DAYS, "state", "readout", "opens_at_days"]
    tidy.need(times, needed, what="window table")
    table = times[times["state"] != "no_data"].copy()
    if table.empty:
        raise InputError("window table: no compartment has data at any time")
    several = len(set(table[k.TREATMENT])) > 1
    doses = table[k.DOSE].map(lambda d: f"{d:g} Gy" if np.isfinite(d) else "")
    arm = (table[k.TREATMENT] + " " + doses).str.strip() if several else doses
    table["row"] = table[k.COMPARTMENT].map(theme.pretty) + arm.map(lambda a: f", {a}" if a else "")
    table["time"] = table[k.DAYS].map(tidy.day_label)
    table["days"] = table[k.DAYS]
    table["opens"] = table[k.DAYS] == table["opens_at_days"]
    known = theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    rank = {name: i for i, name in enumerate(known)}
    table["rank"] = table[k.COMPARTMENT].map(rank)
    # The course with most times of a compartment stands first.
    size = table.groupby("row")["row"].transform("size")
    table = table.assign(size=-size).sort_values(["rank", "size", k.DOSE, k.DAYS])
    table["text"] = [
        f"{r.row}, {r.time}: {theme.pretty(r.state)} ({r.n_treated:g} irradiated, "
        f"{r.n_control:g} control samples)"
        for r in tidy.rows(table)
    ]
    table["opens_text"] = table["row"] + ": the window opens at " + table["time"]
    keep = ["row", k.COMPARTMENT, k.TREATMENT, k.DOSE, "days", "time", "phase", "state", "readout"]
    return table[[*keep, "opens", "opens_text", "text"]].reset_index(drop=True)
