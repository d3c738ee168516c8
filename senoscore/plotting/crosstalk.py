"""Crosstalk: what senescent senders could say more, or less, than their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.arms import short_labels
from senoscore.plotting.legend import Sign, explained
from senoscore.study import takes

if TYPE_CHECKING:
    import altair as alt


__all__ = ["crosstalk", "crosstalk_table"]

_QUESTION: Final = "senescent_vs_other"
_PHASES: Final = ("acute", "early", "chronic")
_MORE, _LESS = theme.DIVERGING[-1], theme.DIVERGING[0]
_LARGEST: Final = 220
"""Area of the largest dot, in square pixels."""
_AROUND: Final = 8.0
"""Pixels by which the ring around a dot is wider."""


@takes(check_control=False, table="sen.crosstalk(expression, samples)")
def crosstalk(
    table: pd.DataFrame, *, top: int = 10, alpha: float = 0.05, layout: theme.Layout = "wide"
) -> alt.Chart:
    """Draw dots for the pairs of each expected direction: colour the sign, size the difference.

    A dot is hollow where the comparison is circular: the ligand is in the panel by which the
    senders were called. A dark ring marks what holds after Benjamini-Hochberg.

    Parameters
    ----------
    table
        As :func:`senoscore.crosstalk` gives it.
    top
        Pairs a direction: those with the largest differences, circular ones last.
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
    shown["area"] = 12 + (_LARGEST - 12) * shown["estimate"].abs() / limit
    shown["ring"] = np.pi * (np.sqrt(shown["area"] / np.pi) + _AROUND / 2) ** 2
    shown["ink"] = np.where(shown["estimate"] > 0, _MORE, _LESS)
    shown["fill"] = np.where(shown["circular"], "transparent", shown["ink"])
    wide = layout == "wide"
    phases = [p for p in _PHASES if p in set(shown["phase"])]
    names = list(dict.fromkeys(shown["direction"]))
    left = min(190, 6 * max(map(len, shown["pair"])))
    panels = [_panel(shown[shown["direction"] == name], phases, left) for name in names]
    chart = alt.concat(*panels, columns=3 if wide else 1, spacing=30)
    signs = _signs(shown, limit, alpha)
    return explained(chart, signs, width=1000 if wide else 160 + left, left=left).configure(
        **theme.config()
    )


def _panel(own: pd.DataFrame, phases: list[str], left: int) -> Any:
    import altair as alt

    pairs = list(dict.fromkeys(own["pair"]))
    x = alt.X(
        "phase:N", sort=phases, title=None, scale=alt.Scale(domain=phases),
        axis=alt.Axis(labelAngle=0, ticks=False),
    )  # fmt: skip
    y = alt.Y(
        "pair:N", sort=pairs, title=None, axis=alt.Axis(ticks=False, labelLimit=190, minExtent=left)
    )
    place = {"x": x, "y": y}
    layers = [
        alt.Chart(own)
        .mark_point(opacity=1, strokeWidth=1.6)
        .encode(
            **place,
            size=alt.Size("area:Q", scale=None),
            stroke=alt.Stroke("ink:N", scale=None),
            fill=alt.Fill("fill:N", scale=None),
            description=alt.Description("text:N"),
        )
    ]
    held = own[own["holds"]]
    if len(held):
        ring = alt.Chart(held).mark_point(filled=False, stroke=theme.INK, opacity=1, aria=False)
        layers.append(ring.encode(**place, size=alt.Size("ring:Q", scale=None)))
    return alt.layer(*layers).properties(
        width=72 * max(len(phases), 2),
        height=23 * len(pairs),
        title=alt.TitleParams(
            str(own["direction"].iloc[0]),
            color=theme.title_colour(str(own["sender"].iloc[0])),
            subtitle=f"up to {int(own['n'].max())} subjects",
        ),
    )


def _signs(shown: pd.DataFrame, limit: float, alpha: float) -> list[Sign]:
    more = (shown["estimate"] > 0).any()
    less = (shown["estimate"] <= 0).any()
    signs = []
    if more:
        signs.append(Sign("higher from senescent senders", "circle", fill=_MORE, stroke=_MORE))
    if less:
        signs.append(Sign("lower", "circle", fill=_LESS, stroke=_LESS))
    if shown["circular"].any():
        text = "hollow: circular, the ligand helped to call the senders senescent"
        signs.append(Sign(text, "circle", stroke=theme.INK_SOFT))
    if shown["holds"].any():
        signs.append(
            Sign(f"dark ring: q ≤ {alpha:g}", "circle", stroke=theme.INK, size=150, width=2)
        )
    text = f"area: difference, largest {tidy.number(limit, 2)} (log-normalised expression)"
    return [*signs, Sign(text)]


@takes(check_control=False, table="sen.crosstalk(expression, samples)")
def crosstalk_table(table: pd.DataFrame, *, top: int = 10, alpha: float = 0.05) -> pd.DataFrame:
    """Return what :func:`crosstalk` draws: one row a direction, pair and phase.

    Raises
    ------
    InputError
        No pair of an expected direction was tested.
    """
    needed = ["question", "known", "ligand", "receptor", "status", "ci_lo", "ci_hi"]
    tidy.need(table, needed, what="crosstalk table")
    known = table["known"].astype(object).where(table["known"].notna(), "") != ""
    tested = table[(table["question"] == _QUESTION) & known & (table["status"] == k.TESTED)].copy()
    if tested.empty:
        raise InputError("crosstalk: no pair of an expected direction could be tested")
    tested["circular"] = _text(tested, "circular") != ""
    tested["direction"] = [
        f"{theme.pretty(str(s))} → {theme.pretty(str(r))}"
        for s, r in zip(tested["sender"], tested["receiver"], strict=True)
    ]
    # Directions of other arms or strata are panels of their own.
    tested["arm"] = short_labels(tidy.with_defaults(tested)).to_numpy()
    for name in ("arm", "stratum"):
        words = _text(tested, name)
        if len(set(words)) > 1:
            tested["direction"] += (", " + words).where(words != "", "")
    tested["pair"] = tested["ligand"] + " → " + tested["receptor"]
    keys = ["direction", "pair"]
    tested["size"] = tested["estimate"].abs()
    best = tested.groupby(keys, as_index=False, observed=True).agg(
        size=("size", "max"), circular=("circular", "all")
    )
    best = best.sort_values(["circular", "size", "pair"], ascending=[True, False, True])
    best = best.groupby("direction", observed=True).head(top).drop(columns="circular")
    best["rank"] = np.arange(len(best))
    shown = tested.drop(columns="size").merge(best.drop(columns="size"), on=keys)
    shown = shown.sort_values(["direction", "rank", "phase"])
    shown["holds"] = shown["q"] <= alpha
    shown["n"] = shown["n_treated"]
    shown["text"] = [
        f"{r.direction}, {r.pair}, {r.phase}: {tidy.number(r.estimate)} "
        f"[{tidy.number(r.ci_lo)}, {tidy.number(r.ci_hi)}], q {tidy.p_value(r.q)}, "
        f"{r.n:g} subjects{', circular' if r.circular else ''}"
        for r in tidy.rows(shown)
    ]
    keep = ["direction", "sender", "pair", "phase", "estimate", "ci_lo", "ci_hi", "p", "q"]
    return shown[[*keep, "circular", "holds", "n", "text"]].reset_index(drop=True)


def _text(table: pd.DataFrame, name: str) -> pd.Series:
    """Return a column as text, empty where there is none."""
    values = table.get(name, pd.Series("", index=table.index))
    return values.astype(object).where(values.notna(), "").astype(str)
