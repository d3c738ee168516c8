"""The window: state of every compartment at every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from senoscore import names as k
from senoscore.biology import ADVICE
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.arms import short_labels
from senoscore.plotting.legend import Sign, explained
from senoscore.study import ARM, takes

if TYPE_CHECKING:
    import altair as alt


__all__ = ["WINDOW_COLOURS", "window", "window_table"]

# Dark enough for white text or light enough for ink; grey is "nothing can be said".
WINDOW_COLOURS: Final = {
    "no_data": ("#f1f3f5", "no data"),
    "no_control": ("#dfe3e8", "no control"),
    "underpowered": ("#c9d0d8", "n < 2"),
    "not_estimable": ("#c9d0d8", "not estimable"),
    "baseline": ("#f1f3f5", "not shown"),
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
_SAYS_NOTHING: Final = ("no_data", "no_control", "underpowered", "not_estimable")
_GREY: Final = (*_SAYS_NOTHING, "baseline")
_UNKNOWN: Final = "#c9d0d8"
_MEANINGS: Final = {
    "baseline": "not shown: no rise of the size asked for was shown, which does not rule one out",
    "underpowered": "n < 2: fewer than 2 samples in a group",
    "acute_ddr": "acute DDR: too early for senescence; arrest is an acute damage response",
    "accumulating": "rising: burden above control, not yet persistent",
    "elevated": "raised: burden above control",
    "priming": "priming: early secretion up, burden not persistent",
    "persistent": "persistent: above control in the chronic phase, or at times in a row",
    "persistent_immunosuppressive": "persistent, suppressed: immunosuppression up as well",
    "resolving": "resolving: burden was up and fell",
}


@takes(check_control=False, times="sen.window(burden, trend).times")
def window(times: pd.DataFrame, *, layout: theme.Layout = "wide") -> alt.Chart:
    """Draw a strip a compartment and arm, one field a time, coloured by state.

    A triangle marks the time at which the window opens. Arms of one time only stand in a
    panel of their own, without those of which nothing can be said.

    Parameters
    ----------
    times
        ``times`` of :func:`senoscore.window`.

    Raises
    ------
    InputError
        The table has no row with data.

    Examples
    --------
    >>> chart = sen.pl.window(sen.window(burden, trend).times)
    """
    import altair as alt

    table = window_table(times)
    present = theme.known_first(table["state"], WINDOW_COLOURS)
    wide = layout == "wide"
    panels = []
    for course, group in table.groupby("course", sort=True, observed=True):
        chart = _strips(group, present, wide=wide)
        if course == "single":
            chart = chart.properties(title="Arms sampled at one time only")
        panels.append(chart)
    # The courses come first: "course" sorts before "single".
    chart = alt.vconcat(*panels, spacing=22).resolve_scale(color="shared")
    left = 5.4 * max(map(len, table["row"]))
    columns = table.groupby("course", observed=True)["column"].nunique().max()
    width = max((86 if wide else 34) * columns + left, 330)
    return explained(chart, _signs(table, present), width=width, left=left).configure(
        **theme.config()
    )


def _strips(own: pd.DataFrame, there: list[str], *, wide: bool) -> Any:
    import altair as alt

    columns = list(dict.fromkeys(own.sort_values(["days", k.DOSE])["column"]))
    rows = list(dict.fromkeys(own["row"]))
    side: Literal["top", "bottom"] = "top" if own["course"].iloc[0] == "course" else "bottom"
    x = alt.X(
        "column:N", sort=columns, title=None,
        axis=alt.Axis(
            labelAngle=0, ticks=False, domain=False, orient=side,
            labelExpr="split(datum.label, '|')",
        ),
    )  # fmt: skip
    y = alt.Y(
        "row:N", sort=rows, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=400)
    )
    base = alt.Chart(own).encode(x=x, y=y, description=alt.Description("text:N"))
    fields = base.mark_rect(stroke=theme.PAPER, strokeWidth=2).encode(
        color=alt.Color(
            "state:N",
            scale=alt.Scale(domain=there, range=[_colour(name) for name in there]),
            legend=None,
        )
    )
    layers = [fields]
    if wide:
        layers.append(
            base.mark_text(fontSize=10, aria=False).encode(
                text="word:N",
                color=alt.Color("ink:N", scale=None),
            )
        )
    opens = own[own["opens"]]
    if len(opens):
        layers.append(
            alt.Chart(opens)
            .mark_point(
                shape="triangle-down",
                filled=True,
                size=70,
                color=theme.FIELD_INK,
                opacity=1,
                yOffset=-11,
            )
            .encode(x=x, y=y, description=alt.Description("opens_text:N"))
        )
    width = (86 if wide else 34) * len(columns)
    return alt.layer(*layers).properties(width=width, height=(34 if wide else 30) * len(rows))


def _colour(state: str) -> str:
    return WINDOW_COLOURS[state][0] if state in WINDOW_COLOURS else _UNKNOWN


def _ink(state: str) -> str:
    """Grey fields turn dark with the page, and their words light; colours stay."""
    if state in _DARK:
        return theme.FIELD_PAPER
    return theme.INK if state in _GREY or state not in WINDOW_COLOURS else theme.FIELD_INK


def _word(state: str) -> str:
    return WINDOW_COLOURS[state][1] if state in WINDOW_COLOURS else theme.pretty(state)


def _signs(table: pd.DataFrame, there: list[str]) -> list[Sign]:
    signs = [
        Sign(_MEANINGS.get(name, _word(name)), "square", fill=_colour(name), size=110)
        for name in there
    ]
    if table["opens"].any():
        text = "the window opens: first time above control after Benjamini–Hochberg"
        signs.append(Sign(text, "triangle-down", fill=theme.INK_SOFT, size=70))
    return [*signs, Sign(ADVICE)]


@takes(check_control=False, times="sen.window(burden, trend).times")
def window_table(times: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`window` draws: one row a compartment, arm and time with data.

    Raises
    ------
    InputError
        No row has data.
    """
    needed = [k.COMPARTMENT, k.TREATMENT, k.DOSE, k.DAYS, "state", "readout", "opens_at_days"]
    needed += ["n_treated", "n_control"]
    tidy.need(times, needed, what="window table")
    told = (times["state"] != "no_data") & (times[k.COMPARTMENT] != k.UNASSIGNED)
    table = tidy.with_defaults(times[told])
    if table.empty:
        raise InputError("window table: no compartment has data at any time")
    table["stratum"] = table.get("stratum", pd.Series("", index=table.index))
    table["stratum"] = table["stratum"].astype(object).where(table["stratum"].notna(), "")
    table["arm"] = short_labels(table)
    table["place"] = table[k.COMPARTMENT].map(theme.pretty)
    named = table["stratum"] != ""
    table["place"] = table["place"].where(~named, table["place"] + ", " + table["stratum"])
    table["time"] = table[k.DAYS].map(tidy.day_label)
    table["days"] = table[k.DAYS]
    table = _courses(table)
    lone = table["course"] == "single"
    with_arm = table["place"].where(table["arm"] == "", table["place"] + ", " + table["arm"])
    table["row"] = with_arm.where(~lone, table["place"])
    table["column"] = table["time"].where(
        ~lone, (table["arm"] + "|" + table["time"]).str.lstrip("|")
    )
    table["opens"] = table[k.DAYS] == table["opens_at_days"]
    table["word"] = table["state"].map(_word)
    table["ink"] = table["state"].map(_ink)
    known = theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    table["rank"] = table[k.COMPARTMENT].map({name: i for i, name in enumerate(known)})
    # The course with most times of a compartment stands first.
    table["size"] = -table.groupby("row", observed=True)["row"].transform("size")
    table = table.sort_values(["course", "rank", "stratum", "size", k.DOSE, "arm", k.DAYS])
    table["text"] = [
        f"{with_words}, {r.time}: {_MEANINGS.get(r.state, _word(r.state))} "
        f"({r.n_treated:g} irradiated, {r.n_control:g} control samples)"
        for with_words, r in zip(with_arm.loc[table.index], tidy.rows(table), strict=True)
    ]
    table["opens_text"] = with_arm + ": the window opens at " + table["time"]
    keep = ["course", "row", "column", k.COMPARTMENT, "stratum", *ARM, "days"]
    keep += ["time", "phase", "state", "word", "ink", "readout", "opens", "opens_text", "text"]
    return table[keep].reset_index(drop=True)


def _courses(table: pd.DataFrame) -> pd.DataFrame:
    """Part arms with a course over time from those of one time, without rows that say nothing.

    Where no arm has a course, one panel shows them all.
    """
    several = table.groupby("arm", observed=True)["days"].transform("nunique") > 1
    if not several.any():
        return table.assign(course="course")
    told = ~table["state"].isin(_SAYS_NOTHING) & ~several
    kept = several | told.groupby(table["place"], observed=True).transform("any")
    return table.assign(course=several.map({True: "course", False: "single"}))[kept]
