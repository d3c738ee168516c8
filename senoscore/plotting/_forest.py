"""Forest of contrasts, one panel per compartment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore.errors import InputError
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt

__all__ = ["forest", "forest_table"]


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

    A contrast that could not be tested is drawn grey and hollow, without an interval.

    Raises
    ------
    InputError
        No contrast of this measure and question has an estimate.
    """
    import altair as alt

    table = forest_table(trend, measure=measure, question=question, alpha=alpha)
    names = list(compartments or theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS))
    order = list(table.sort_values([k.DAYS, "contrast"])["label"].drop_duplicates())
    bounds = table[["estimate", "ci_lo", "ci_hi"]].to_numpy(dtype=float)
    span = float(np.nanmax(bounds) - np.nanmin(bounds)) or 1.0
    domain = [
        min(0.0, float(np.nanmin(bounds))) - 0.03 * span,
        max(0.0, float(np.nanmax(bounds))) + 0.03 * span,
    ]
    unit = next(
        (str(u) for u in table.get("unit", pd.Series(dtype=str)) if str(u) not in {"", "nan"}), ""
    )
    wide = layout == "wide"
    panels = [
        _forest_panel(table[table[k.COMPARTMENT] == name], name, order, domain, unit, wide=wide)
        for name in names
    ]
    chart = alt.concat(*panels, columns=3 if wide else 1)
    return chart.configure(**theme.config())


def forest_table(
    trend: pd.DataFrame,
    *,
    measure: str = "fraction_senescent",
    question: str = "irradiated_vs_control",
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Return the contrasts that :func:`forest` draws.

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
        "estimate",
        "ci_lo",
        "ci_hi",
        "status",
    ]
    tidy.need(trend, need, what="trend table")
    table = trend[(trend["question"] == question) & (trend["measure"] == measure)].copy()
    for name in ("estimate", "ci_lo", "ci_hi", "p", "q", "n_control", "n_treated", k.DAYS):
        table[name] = tidy.column(table, name)
    table = table[table["estimate"].notna()]
    if table.empty:
        message = f"trend table: no estimate of {measure!r} for {question!r}"
        raise InputError(message, fix="choose another measure or question")
    table["holds"] = table["q"] <= alpha
    table["label"] = _short_labels(table)
    columns = [*need, "label", k.DAYS, "n_control", "n_treated", "p", "q", "holds"]
    return table[columns + [c for c in ("unit", "reason") if c in table]].reset_index(drop=True)


def _short_labels(table: pd.DataFrame) -> pd.Series:
    """Word each contrast: its day, and what else its name says where days repeat."""
    rest = table["contrast"].astype(str)
    for word in (r"\bvs\.? \S+", r"@.*$", r"\birradiated\b"):
        rest = rest.str.replace(word, "", regex=True)
    rest = rest.str.replace(r"\s+", " ", regex=True).str.strip()
    days = table[k.DAYS].map(tidy.day_label)
    both = days + (" · " + rest).where(rest != "", "")
    single = table.groupby([k.COMPARTMENT, k.DAYS], dropna=False)["contrast"].transform("size") == 1
    single = single.groupby(table[k.DAYS]).transform("all") & table[k.DAYS].notna()
    label = days.where(single, both)
    clash = pd.DataFrame({"c": table[k.COMPARTMENT], "l": label}).duplicated(keep=False)
    return label.where(~clash & table[k.DAYS].notna(), table["contrast"].astype(str))


def _forest_panel(
    table: pd.DataFrame,
    name: str,
    order: Sequence[str],
    domain: Sequence[float],
    unit: str,
    *,
    wide: bool,
) -> Any:
    import altair as alt

    colour = theme.compartment_colour(name)
    rows = table.assign(text=[_forest_text(r) for r in tidy.rows(table)])
    rows["beside"] = [
        "q " + tidy.p_value(r.q) if np.isfinite(r.q) else r.status.replace("_", " ")
        for r in tidy.rows(rows)
    ]
    rows["stroke"] = np.where(rows["q"].notna(), colour, theme.CONTROL_INK)
    rows["fill"] = np.where(rows["holds"], colour, theme.PAPER)
    drawn = ["label", "estimate", "ci_lo", "ci_hi", "text", "beside", "stroke", "fill"]
    rows = rows[drawn]
    labels = [label for label in order if label in set(rows["label"])]
    x_scale = alt.Scale(domain=list(domain), nice=False)
    x = alt.X(
        "estimate:Q",
        title=unit or "estimate",
        scale=x_scale,
        axis=alt.Axis(tickCount=5, format="~g", grid=True),
    )
    y = alt.Y(
        "label:N",
        sort=labels,
        title=None,
        scale=alt.Scale(domain=labels),
        axis=alt.Axis(ticks=False, domain=False),
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
        base.mark_text(align="left", dx=6, fontSize=10, color=theme.INK_SOFT, aria=False).encode(
            y=y, x=alt.XValue(250 if wide else 165), text=alt.Text("beside:N")
        ),
    ]
    return alt.layer(*layers).properties(
        width=250 if wide else 165,
        height=24 * len(labels),
        title=alt.TitleParams(theme.pretty(name), color=colour),
    )


def _forest_text(row: Any) -> str:
    ci = (
        f", 95 % CI {tidy.number(row.ci_lo)} to {tidy.number(row.ci_hi)}"
        if np.isfinite(row.ci_lo)
        else ""
    )
    q = f", q {tidy.p_value(row.q)}" if np.isfinite(row.q) else f", {row.status.replace('_', ' ')}"
    n = f", n = {tidy.number(row.n_treated)} vs {tidy.number(row.n_control)} samples"
    return f"{row.label}: {tidy.number(row.estimate)}{ci}{q}{n}"
