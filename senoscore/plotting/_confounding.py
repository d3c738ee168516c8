"""What travels with the scores: correlations within control samples, shifts of depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from senoscore import _keys as k
from senoscore.errors import InputError
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

__all__ = ["confounding", "confounding_table"]

_COVARIATES = ["depth", "genes detected", "mitochondrial share", "proliferation"]


def confounding_table(confounders: pd.DataFrame, *, measure: str = "index") -> pd.DataFrame:
    """Return the correlations that :func:`confounding` draws.

    Raises
    ------
    InputError
        A column is missing, or no correlation of this measure was estimated.
    """
    need = ["check", k.COMPARTMENT, "measure", "covariate", "value", "lo", "hi", "flag"]
    tidy.need(confounders, need, what="confounders table")
    own = confounders[
        (confounders["check"] == "score_in_controls")
        & (confounders["measure"] == measure)
        & (confounders[k.COMPARTMENT] != k.UNASSIGNED)
    ].copy()
    for name in ("value", "lo", "hi"):
        own[name] = tidy.column(own, name)
    own = own[own["value"].notna()]
    if own.empty:
        message = f"confounders table: no correlation of {measure!r} within control samples"
        raise InputError(message, fix="see its reason column")
    return own[[*need[1:], "n_control"]].reset_index(drop=True)


def confounding(
    confounders: pd.DataFrame, *, measure: str = "index", layout: theme.Layout = "wide"
) -> alt.Chart:
    """Draw rho of a score with each covariate within control samples: median and range.

    Raises
    ------
    InputError
        As :func:`confounding_table`.
    """
    import altair as alt

    table = confounding_table(confounders, measure=measure)
    table["name"] = table[k.COMPARTMENT].map(theme.pretty)
    order = [
        theme.pretty(n) for n in theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    ]
    y = alt.Y("name:N", title=None, sort=order)
    scale = alt.Scale(domain=[-1, 1])
    panels = []
    for covariate in [c for c in _COVARIATES if c in set(table["covariate"])]:
        own = alt.Chart(table[table["covariate"] == covariate])
        axis = alt.Axis(values=[-1, -0.3, 0.3, 1], grid=True)
        x = alt.X("value:Q", title="Spearman's rho", scale=scale, axis=axis)
        ranges = own.mark_rule(color=theme.CONTROL_INK).encode(
            x=alt.X("lo:Q", scale=scale, title="Spearman's rho", axis=axis), x2="hi:Q", y=y
        )
        dots = own.mark_circle(size=60, opacity=1).encode(
            x=x,
            y=y,
            color=alt.Color(
                "flag:N",
                title=None,
                scale=alt.Scale(domain=["ok", "flag"], range=[theme.GOOD, theme.BAD]),
            ),
            tooltip=[k.COMPARTMENT, "covariate", "value", "lo", "hi", "n_control"],
        )
        title = f"{covariate[:1].upper()}{covariate[1:]}"
        panels.append((ranges + dots).properties(title=title, width=170, height=22 * len(order)))
    chart = alt.concat(*panels, columns=4 if layout == "wide" else 1)
    return chart.configure(**theme.config())
