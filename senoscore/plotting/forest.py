"""Forest of contrasts, one panel per compartment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.legend import Sign, explained
from senoscore.study import takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt


__all__ = ["draw_forest", "forest", "forest_table"]

_UNITS: Final = {
    "log odds": "log odds ratio",
    "radians (arcsine)": "difference of arcsine-square-root fractions",
    "control SD": "difference, control SDs",
    "fraction": "difference of fractions",
    "index": "difference of the index, control SDs",
}
"""What an estimate is called, by the unit of its measure."""
_ENOUGH: Final = 3
"""Subjects a side from which on an interval takes part in the scale."""
_SHORT: Final = 28
"""Characters of a label that leave room for three panels in a row."""
_LABEL: Final = 380
"""Pixels of the longest label."""


@takes(check_control=False, trend="sen.trend(sen.burden(adata))")
def forest(
    trend: pd.DataFrame,
    *,
    measure: str = "fraction_senescent",
    question: str = "irradiated_vs_control",
    compartments: Sequence[str] | None = None,
    alpha: float = 0.05,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Contrasts with their intervals; filled where q is at most ``alpha``.

    A contrast that could not be tested is drawn grey and hollow, without an interval. Beside
    each stand the numbers of irradiated and control subjects, and q.

    Raises
    ------
    InputError
        No contrast of this measure and question has an estimate.

    Examples
    --------
    >>> chart = sen.pl.forest(trend)
    """
    table = forest_table(trend, measure=measure, question=question, alpha=alpha)
    return draw_forest(table, compartments=compartments, alpha=alpha, layout=layout)


def draw_forest(
    table: pd.DataFrame,
    *,
    compartments: Sequence[str] | None = None,
    alpha: float,
    layout: theme.Layout,
    sides: str = "irradiated / control subjects",
    per: str = "",
    both: bool = True,
) -> alt.Chart:
    """Draw a table of :func:`forest_table`, one panel a compartment.

    Parameters
    ----------
    sides
        What the numbers beside an estimate count.
    per
        After the unit, of a slope: what it is per.
    both
        Whether the two sides are counted apart; not of pairs within subjects.
    """
    import altair as alt

    names = list(compartments or theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS))
    order = list(table.sort_values([k.DAYS, k.DOSE, "contrast"])["label"].drop_duplicates())
    domain = _domain(table)
    beyond = table["ci_lo"].lt(domain[0]) | table["ci_hi"].gt(domain[1])
    units = table.get("unit", pd.Series(dtype=object)).dropna().astype(str)
    unit = next((u for u in units if u), "estimate")
    wide = layout == "wide"
    title = _UNITS.get(unit, f"difference, {unit}" if unit != "estimate" else unit) + per
    longest = max(map(len, table["label"]))
    # Long labels take the room of a third panel: cut, they would not tell the arms apart.
    columns = (3 if longest <= _SHORT else 2) if wide else 1
    panels = [
        _forest_panel(
            table[table[k.COMPARTMENT] == name], name, order, domain, title, wide=wide, both=both
        )
        for name in names
    ]
    chart = alt.concat(*panels, columns=columns)
    left = min(_LABEL if wide else 170, 6 * longest)
    signs = _signs(table, alpha, sides)
    if beyond.any():
        signs.append(Sign("interval that ends at the edge: wider than the panel"))
    width = 1100 if wide else _narrow(order) + left + 90
    return explained(chart, signs, width=width, left=left).configure(**theme.config())


def _domain(table: pd.DataFrame) -> list[float]:
    """Bounds of the panels: all estimates, and the intervals of three subjects a side or more.

    Those of two subjects are so wide that nothing else could be read beside them.
    """
    few = table[["n_treated", "n_control"]].min(axis=1).lt(_ENOUGH)
    kept = table[~few] if (~few & table["ci_lo"].notna()).any() else table
    bounds = [table["estimate"], kept["ci_lo"], kept["ci_hi"]]
    ends = np.concatenate([np.zeros(1), *(own.to_numpy(dtype=float) for own in bounds)])
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = 0.03 * ((high - low) or 1.0)
    return [low - room, high + room]


def _narrow(order: Sequence[str]) -> int:
    """Width of a plot that, with its labels and numbers, a phone shows without scaling."""
    return max(90, 240 - 6 * min(28, max(map(len, order))))


@takes(check_control=False, trend="sen.trend(sen.burden(adata))")
def forest_table(
    trend: pd.DataFrame,
    *,
    measure: str = "fraction_senescent",
    question: str = "irradiated_vs_control",
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Return the contrasts that :func:`forest` draws; unassigned cells have none.

    Raises
    ------
    InputError
        A column is missing, or no contrast of this measure and question has an estimate.
    """
    need = [
        "question",
        k.COMPARTMENT,
        "measure",
        "contrast",
        k.TREATMENT,
        "estimate",
        "ci_lo",
        "ci_hi",
        "status",
    ]
    tidy.need(trend, need, what="trend table")
    asked = (trend["question"] == question) & (trend["measure"] == measure)
    table = trend[asked & (trend[k.COMPARTMENT] != k.UNASSIGNED)].copy()
    for name in ("estimate", "ci_lo", "ci_hi", "p", "q", "n_control", "n_treated", k.DAYS, k.DOSE):
        table[name] = tidy.column(table, name)
    table = table[table["estimate"].notna()]
    if table.empty:
        message = f"trend table: no estimate of {measure!r} for {question!r}"
        raise InputError(message, fix="choose another measure or question")
    table["holds"] = table["q"] <= alpha
    table["label"] = _short_labels(table)
    columns = [*need, "label", k.DAYS, k.DOSE, "n_control", "n_treated", "p", "q", "holds"]
    more = [c for c in ("stratum", "unit", "reason", "estimate_fraction") if c in table]
    return table[columns + more].reset_index(drop=True)


def _short_labels(table: pd.DataFrame) -> pd.Series:
    """Word each contrast: its day and, unless it is the same in all, what else its name says."""
    rest = table["contrast"].astype(str)
    for word in (r"\bvs\.? \S+", r"@.*$"):
        rest = rest.str.replace(word, "", regex=True)
    rest = rest.str.replace(r"\s+", " ", regex=True).str.strip()
    # The dose first: a long name of a treatment is cut at its end.
    told = table[k.TREATMENT].astype(object).where(table[k.TREATMENT].notna(), "").astype(str)
    begins = [text == t or text.startswith(f"{t} ") for text, t in zip(rest, told, strict=True)]
    arm = [text[len(t) :].strip() for text, t in zip(rest, told, strict=True)]
    last = "" if set(told) == {k.IRRADIATED} else told
    rest = rest.where(~np.array(begins, dtype=bool), (pd.Series(arm, rest.index) + " " + last))
    rest = rest.str.strip()
    if "stratum" in table:
        stratum = table["stratum"].astype(object).where(table["stratum"].notna(), "").astype(str)
        rest = (rest + " " + stratum).str.strip()
    days = table[k.DAYS].map(tidy.day_label)
    both = days + (" · " + rest).where(rest != "", "")
    label = days if len(set(rest)) < 2 else both
    clash = pd.DataFrame({"c": table[k.COMPARTMENT], "l": label}).duplicated(keep=False)
    return label.where(~clash & table[k.DAYS].notna(), table["contrast"].astype(str))


def _forest_panel(
    table: pd.DataFrame,
    name: str,
    order: Sequence[str],
    domain: Sequence[float],
    title: str,
    *,
    wide: bool,
    both: bool,
) -> Any:
    import altair as alt

    colour = theme.compartment_colour(name)
    width = 230 if wide else _narrow(order)
    rows = table.assign(text=[_forest_text(r) for r in tidy.rows(table)])
    rows["n"] = [
        f"{tidy.number(r.n_treated)} / {tidy.number(r.n_control)}" for r in tidy.rows(rows)
    ]
    rows["beside"] = [tidy.p_value(r.q) for r in tidy.rows(rows)]
    if not both:
        rows["n"] = rows["n_treated"].map(tidy.number)
    for end in ("ci_lo", "ci_hi"):
        rows[end] = rows[end].clip(*domain)
    rows["stroke"] = np.where(rows["q"].notna(), colour, theme.CONTROL_INK)
    rows["fill"] = np.where(rows["holds"], colour, theme.PAPER)
    drawn = ["label", "estimate", "ci_lo", "ci_hi", "text", "n", "beside", "stroke", "fill"]
    rows = rows[drawn]
    labels = [label for label in order if label in set(rows["label"])]
    x_scale = alt.Scale(domain=list(domain), nice=False)
    x = alt.X(
        "estimate:Q",
        title=title,
        scale=x_scale,
        axis=alt.Axis(tickCount=5 if wide else 3, format="~g", grid=True),
    )
    y = alt.Y(
        "label:N",
        sort=labels,
        title=None,
        scale=alt.Scale(domain=labels),
        axis=alt.Axis(ticks=False, domain=False, labelLimit=_LABEL if wide else 170),
    )
    base = alt.Chart(rows)
    tested = alt.Chart(rows[rows["ci_lo"].notna()])
    zero = (
        alt.Chart(pd.DataFrame({"estimate": [0.0]}))
        .mark_rule(color=theme.CONTROL_INK, aria=False)
        .encode(x=x)
    )
    layers = [zero]
    if rows["ci_lo"].notna().any():
        layers.append(
            tested.mark_rule(color=colour, strokeWidth=2, aria=False).encode(
                y=y, x=alt.X("ci_lo:Q", scale=x_scale), x2=alt.X2("ci_hi")
            )
        )
    words: dict[str, Any] = {"fontSize": 10, "color": theme.INK_SOFT, "aria": False}
    heads = alt.Chart(pd.DataFrame({"n": ["n"], "beside": ["q"]}))
    layers += [
        base.mark_point(size=64, filled=True, color=theme.PAPER, opacity=1, aria=False).encode(
            x=x, y=y
        ),
        base.mark_point(size=64, strokeWidth=1.8, opacity=1).encode(
            x=x,
            y=y,
            stroke=alt.Stroke("stroke:N", scale=None),
            fill=alt.Fill("fill:N", scale=None),
            description=alt.Description("text:N"),
        ),
    ]
    for column, at in (("n", width + 8), ("beside", width + 46)):
        place = {"x": alt.XValue(at), "text": alt.Text(f"{column}:N")}
        layers += [
            base.mark_text(align="left", **words).encode(y=y, **place),
            heads.mark_text(align="left", fontStyle="italic", **words).encode(
                y=alt.YValue(-6), **place
            ),
        ]
    return alt.layer(*layers).properties(
        width=width,
        height=24 * len(labels),
        title=alt.TitleParams(theme.heading(name), color=theme.title_colour(name)),
    )


def _signs(table: pd.DataFrame, alpha: float, sides: str) -> list[Sign]:
    ink, grey = theme.INK_SOFT, theme.CONTROL_INK
    signs = []
    if table["q"].notna().any():
        signs.append(Sign("estimate with 95 % CI", "stroke", stroke=ink, size=150, width=2))
    if table["holds"].any():
        signs.append(Sign(f"q ≤ {alpha:g}", "circle", fill=ink, stroke=ink, size=64))
    if (table["q"] > alpha).any():
        signs.append(Sign(f"q > {alpha:g}", "circle", stroke=ink, size=64, width=1.8))
    if table["q"].isna().any():
        signs.append(Sign("not tested", "circle", stroke=grey, size=64, width=1.8))
    return [*signs, Sign(f"n: {sides}")]


def _forest_text(row: Any) -> str:
    ci = (
        f", 95 % CI {tidy.number(row.ci_lo)} to {tidy.number(row.ci_hi)}"
        if np.isfinite(row.ci_lo)
        else ""
    )
    points = getattr(row, "estimate_fraction", np.nan)
    ci += f", {tidy.number(100 * points)} percentage points" if np.isfinite(points) else ""
    q = f", q {tidy.p_value(row.q)}" if np.isfinite(row.q) else f", {row.status.replace('_', ' ')}"
    n = f", n = {tidy.number(row.n_treated)} vs {tidy.number(row.n_control)} subjects"
    return f"{row.label}: {tidy.number(row.estimate)}{ci}{q}{n}"
