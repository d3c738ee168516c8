"""Crosstalk: what senescent senders could say more, or less, than their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.errors import InputError
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

__all__ = ["crosstalk", "crosstalk_table"]

_QUESTION: Final = "senescent_vs_other"
_PHASES: Final = ("acute", "early", "chronic")


def crosstalk(
    table: pd.DataFrame, *, top: int = 10, alpha: float = 0.05, layout: theme.Layout = "wide"
) -> alt.Chart:
    """Draw dots for the pairs of each expected direction: colour the difference, size the p value.

    A dark ring marks a difference that holds after Benjamini-Hochberg.

    Parameters
    ----------
    table
        As :func:`senoscore.crosstalk` gives it.
    top
        Pairs a direction, those with the smallest p.
    alpha
        Largest q of a marked dot.

    Raises
    ------
    InputError
        No pair of an expected direction was tested.
    """
    import altair as alt

    shown = crosstalk_table(table, top=top, alpha=alpha)
    limit = float(shown["estimate"].abs().max()) or 1.0
    wide = layout == "wide"
    phases = [p for p in _PHASES if p in set(shown["phase"])]
    colour = alt.Color(
        "estimate:Q",
        scale=alt.Scale(domain=[-limit, 0, limit], range=list(theme.DIVERGING), interpolate="lab"),
        legend=alt.Legend(title="senescent less other senders", gradientLength=160, format=".2~g"),
    )
    size = alt.Size(
        "strength:Q",
        scale=alt.Scale(domain=[0, 4], range=[25, 260], clamp=True),
        legend=alt.Legend(title="−log10 p", values=[0.5, 1.3, 3], format=".1f", orient="top"),
    )
    panels = []
    for direction in sorted(set(shown["direction"])):
        own = shown[shown["direction"] == direction]
        pairs = list(dict.fromkeys(own.sort_values("p")["pair"]))
        x = alt.X(
            "phase:N", sort=phases, title=None, scale=alt.Scale(domain=phases),
            axis=alt.Axis(labelAngle=0, ticks=False),
        )  # fmt: skip
        y = alt.Y("pair:N", sort=pairs, title=None, axis=alt.Axis(ticks=False, labelLimit=190))
        dots = (
            alt.Chart(own)
            .mark_point(filled=True, opacity=1, stroke=theme.LINE, strokeWidth=0.7)
            .encode(x=x, y=y, color=colour, size=size, description=alt.Description("text:N"))
        )
        layers = [dots]
        held = own[own["holds"]]
        if len(held):
            layers.append(
                alt.Chart(held)
                .mark_point(filled=False, stroke=theme.INK, strokeWidth=2, opacity=1, aria=False)
                .encode(x=x, y=y, size=size)
            )
        sender = direction.split(" → ")[0]
        panels.append(
            alt.layer(*layers).properties(
                width=78 * max(len(phases), 2), height=21 * len(pairs),
                title=alt.TitleParams(
                    theme.pretty(sender) + " → " + theme.pretty(direction.split(" → ")[1]),
                    color=theme.compartment_colour(sender),
                    subtitle=f"up to {int(own['n'].max())} subjects",
                ),
            )
        )  # fmt: skip
    chart = alt.concat(*panels, columns=3 if wide else 1, spacing=30)
    return chart.resolve_scale(color="shared", size="shared").configure(**theme.config())


def crosstalk_table(table: pd.DataFrame, *, top: int = 10, alpha: float = 0.05) -> pd.DataFrame:
    """Return what :func:`crosstalk` draws: one row a direction, pair and phase.

    Raises
    ------
    InputError
        No pair of an expected direction was tested.
    """
    tidy.need(table, ["question", "known", "ligand", "receptor", "status"], what="crosstalk table")
    known = table["known"].astype(object).where(table["known"].notna(), "") != ""
    tested = table[(table["question"] == _QUESTION) & known & (table["status"] == "tested")].copy()
    if tested.empty:
        raise InputError("crosstalk: no pair of an expected direction could be tested")
    tested["direction"] = tested["sender"] + " → " + tested["receiver"]
    tested["pair"] = tested["ligand"] + " → " + tested["receptor"]
    best = tested.groupby(["direction", "pair"])["p"].min().reset_index()
    best = best.sort_values("p").groupby("direction").head(top)
    shown = tested.merge(best[["direction", "pair"]], on=["direction", "pair"])
    shown["strength"] = -np.log10(shown["p"].clip(lower=1e-300))
    shown["holds"] = shown["q"] <= alpha
    shown["n"] = shown["n_treated"]
    shown["text"] = [
        f"{r.direction}, {r.pair}, {r.phase}: {tidy.number(r.estimate)} "
        f"[{tidy.number(r.ci_lo)}, {tidy.number(r.ci_hi)}], q {tidy.p_value(r.q)}, "
        f"{r.n:g} subjects"
        for r in tidy.rows(shown)
    ]
    keep = ["direction", "pair", "phase", "estimate", "ci_lo", "ci_hi", "p", "q", "strength"]
    return shown[[*keep, "holds", "n", "text"]].reset_index(drop=True)
