"""Heat maps of axes and SASP families over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.arms import Arm, contrasts_of, main_arm, matched_controls
from senoscore.plotting.legend import Sign, explained
from senoscore.study import takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt


__all__ = ["axes_of", "heatmap", "heatmap_table", "sasp", "sasp_families"]

_PREFIX = "mean:"
_OF = [k.COMPARTMENT, "axis", "time"]
_NUMBERS = ["difference", "n", "n_control", "q"]


@takes(check_control=False, burden="sen.burden(adata)", trend="sen.trend(sen.burden(adata))")
def heatmap(
    burden: pd.DataFrame,
    trend: pd.DataFrame | None = None,
    *,
    axes: Sequence[str] | None = None,
    compartments: Sequence[str] | None = None,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw the difference of every axis from control against time, in the main arm.

    A dot marks a difference that holds after Benjamini-Hochberg; what could not be tested is a
    small square.

    Parameters
    ----------
    burden
        Sample x compartment table with ``mean:{axis}`` columns.
    trend
        Contrasts of :func:`senoscore.trend`: their estimates are drawn. Without it the means of
        the samples are, against controls of the same time where there are two, else all.
    axes
        Names without ``mean:``; by default all but scores of single signatures.
    alpha
        Largest q of a marked field.

    Raises
    ------
    InputError
        The table has no ``mean:`` column or no irradiated sample.

    Examples
    --------
    >>> chart = sen.pl.heatmap(burden, trend)
    """
    arm = main_arm(tidy.with_defaults(burden), control)
    table = heatmap_table(burden, trend, axes=axes, control=control, alpha=alpha, arm=arm)
    if compartments is not None:
        table = table[table[k.COMPARTMENT].isin(compartments)]
    return _heat_panels(table, arm, alpha, layout)


@takes(check_control=False, burden="sen.burden(adata)", trend="sen.trend(sen.burden(adata))")
def sasp(
    burden: pd.DataFrame,
    trend: pd.DataFrame | None = None,
    *,
    families: Sequence[str] | None = None,
    compartments: Sequence[str] | None = None,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw the difference of every SASP family from control, as :func:`heatmap` does of the axes.

    Parameters
    ----------
    families
        Axis names; by default every ``mean:`` column whose axis name begins with ``sasp``.

    Raises
    ------
    InputError
        The table has no SASP column.

    Examples
    --------
    >>> chart = sen.pl.sasp(burden, trend)
    """
    chosen = list(families or sasp_families(burden))
    if not chosen:
        raise InputError("burden table: no SASP family", fix="name them: families=[...]")
    return heatmap(
        burden,
        trend,
        axes=chosen,
        compartments=compartments,
        control=control,
        alpha=alpha,
        layout=layout,
    )


@takes(check_control=False, burden="sen.burden(adata)")
def axes_of(burden: pd.DataFrame) -> list[str]:
    """Axes with a mean in the table; scores of single signatures (``ucell:x``) left out."""
    names = [str(c).removeprefix(_PREFIX) for c in burden.columns if str(c).startswith(_PREFIX)]
    axes = [n.removeprefix("z:") for n in names if n.startswith("z:")]
    return [f"z:{n}" for n in axes] if axes else [n for n in names if k.SEP not in n]


@takes(check_control=False, burden="sen.burden(adata)")
def sasp_families(burden: pd.DataFrame) -> list[str]:
    """SASP axes with a mean in the table, the sum axis ``sasp`` first."""
    found = [n for n in axes_of(burden) if n.removeprefix("z:").startswith("sasp")]
    return sorted(found, key=len)[:1] + [n for n in found if n != min(found, key=len)]


@takes(check_control=False, burden="sen.burden(adata)", trend="sen.trend(sen.burden(adata))")
def heatmap_table(
    burden: pd.DataFrame,
    trend: pd.DataFrame | None = None,
    *,
    axes: Sequence[str] | None = None,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    arm: Arm | None = None,
) -> pd.DataFrame:
    """Return what :func:`heatmap` draws: one row a compartment, axis and time of one arm.

    ``source`` says whether ``difference`` is the estimate of a contrast or one of means; it is NaN
    where no control has a value.

    Parameters
    ----------
    arm
        By default the one that most samples are of.

    Raises
    ------
    InputError
        No ``mean:`` column, or no value of an irradiated sample or of any control.
    """
    chosen = list(axes if axes is not None else axes_of(burden))
    if not chosen:
        raise InputError("burden table: no 'mean:' column", fix="run burden with the axis scores")
    tidy.need(burden, [_PREFIX + a for a in chosen], what="burden table")
    table = tidy.comparable(burden)
    arm = arm or main_arm(table, control)
    parts = [_estimates(trend, arm, chosen), _of_means(table, arm, chosen, control)]
    found = [part for part in parts if len(part)]
    if not found:
        raise InputError("burden table: no axis has a value in an irradiated sample")
    cells = pd.concat(found, ignore_index=True)
    cells = cells[cells[k.COMPARTMENT].isin(set(table[k.COMPARTMENT]))]
    if cells["difference"].isna().all():
        raise InputError("burden table: no control sample has a value of such an axis")
    # A contrast of a stratum replaces the difference of means over all strata.
    told = set(zip(*(cells.loc[cells["source"] == "contrast", c] for c in _OF), strict=True))
    known = [key in told for key in zip(*(cells[c] for c in _OF), strict=True)]
    cells = cells[(cells["source"] == "contrast") | ~np.array(known, dtype=bool)]
    cells["arm"] = arm.said
    cells["holds"] = cells["q"] <= alpha
    ranks = {axis: i for i, axis in enumerate(chosen)}
    places = theme.known_first(cells[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    cells["rank"] = cells["axis"].map(ranks)
    cells["place"] = cells[k.COMPARTMENT].map({name: i for i, name in enumerate(places)})
    cells = cells.sort_values(["place", "stratum", "rank", "days"], ignore_index=True)
    names = [k.COMPARTMENT, "stratum", "arm", "axis", "time", "days", *_NUMBERS]
    return cells[[*names, "tested", "holds", "source"]]


def _estimates(trend: pd.DataFrame | None, arm: Arm, axes: Sequence[str]) -> pd.DataFrame:
    """Differences that the trend table gives, batch and subjects taken into account."""
    spelt = {name: axis for axis in axes for name in (axis, f"z:{axis}")}
    rows = contrasts_of(trend, arm, set(spelt))
    rows = rows[rows["estimate"].notna()]
    if rows.empty:
        return rows
    return pd.DataFrame(
        {
            k.COMPARTMENT: rows[k.COMPARTMENT].astype(str),
            "stratum": rows["stratum"],
            "axis": rows["measure"].map(spelt),
            "time": rows[k.DAYS].map(tidy.day_label),
            "days": rows[k.DAYS],
            "difference": rows["estimate"],
            "n": rows["n_treated"],
            "n_control": rows["n_control"],
            "q": rows["q"],
            "tested": rows["status"].eq(k.TESTED),
            "source": "contrast",
        }
    )


def _of_means(table: pd.DataFrame, arm: Arm, axes: Sequence[str], control: str) -> pd.DataFrame:
    """Differences of the means of samples, with the controls that the contrasts would take."""
    readable = table[~table["status"].isin(["few_cells", "absent"])].reset_index(drop=True)
    # Numbers once for all groups: there are hundreds of them, of a few samples each.
    numbers = np.column_stack([tidy.column(readable, _PREFIX + axis) for axis in axes])
    known = ~np.isnan(numbers)
    out = []
    for name, group in readable.groupby(k.COMPARTMENT, sort=False, observed=True):
        is_control = tidy.is_control(group, control)
        controls, treated = group[is_control], group[~is_control & arm.rows(group)]
        for days, at in treated.groupby(k.DAYS, dropna=False, observed=True):
            matched: dict[bytes, pd.Index] = {}  # by which controls have a value: mostly all
            for column, axis in enumerate(axes):
                values = numbers[at.index, column][known[at.index, column]]
                if not values.size:
                    continue
                of_controls = known[controls.index, column]
                same = of_controls.tobytes()
                if same not in matched:
                    matched[same] = matched_controls(controls[of_controls], float(str(days))).index
                base = numbers[matched[same], column]
                out.append(
                    {
                        k.COMPARTMENT: str(name),
                        "stratum": "",
                        "axis": axis,
                        "time": tidy.day_label(days),
                        "days": days,
                        "difference": values.mean() - (base.mean() if base.size else np.nan),
                        "n": len(values),
                        "n_control": len(base),
                        "q": np.nan,
                        "tested": False,
                        "source": "means",
                    }
                )
    return pd.DataFrame(out)


def _heat_panels(table: pd.DataFrame, arm: Arm, alpha: float, layout: theme.Layout) -> Any:
    import altair as alt

    axes = list(dict.fromkeys(table["axis"]))
    labels = {a: theme.pretty(a.removeprefix("z:")) for a in axes}
    times = list(table.sort_values("days")["time"].drop_duplicates())
    table = table.assign(label=table["axis"].map(labels))
    table["text"] = [_said(r) for r in tidy.rows(table)]
    # Without a table of contrasts the groups of two and more are what can be looked at.
    enough = table[["n", "n_control"]].min(axis=1) >= 2
    table["whole"] = enough & (table["tested"] | (table["source"] == "means"))
    limit = float(max(np.nanquantile(table["difference"].abs(), 0.98), 1e-6))
    wide = layout == "wide"
    columns = 3 if wide else 1
    panels = []
    for index, ((name, stratum), group) in enumerate(
        table.groupby([k.COMPARTMENT, "stratum"], sort=False, observed=True)
    ):
        first = index % columns == 0
        words = theme.heading(str(name) + (f", {stratum}" if stratum else ""))
        panels.append(
            _panel(group, times, list(labels.values()), limit, labelled=first).properties(
                width=(208 if first else 232) if wide else 190,
                height=19 * len(axes),
                title=alt.TitleParams(words, color=theme.title_colour(str(name))),
            )
        )
    chart = alt.concat(*panels, columns=columns, spacing=18).resolve_scale(color="shared")
    left = min(170, 5.4 * max(map(len, labels.values())))
    key = explained(chart, _signs(table, arm, alpha), width=840 if wide else 190 + left, left=left)
    return key.configure(**theme.config())


def _panel(
    own: pd.DataFrame,
    times: Sequence[str],
    labels: Sequence[str],
    limit: float,
    *,
    labelled: bool,
) -> Any:
    import altair as alt

    drawn = ["time", "label", "difference", "text"]
    x = alt.X(
        "time:N",
        sort=list(times),
        title=None,
        scale=alt.Scale(domain=list(times)),
        axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False, domain=False),
    )
    y = alt.Y(
        "label:N",
        sort=list(labels),
        title=None,
        scale=alt.Scale(domain=list(labels)),
        axis=alt.Axis(labels=labelled, ticks=False, domain=False, labelLimit=170),
    )
    place = {"x": x, "y": y}
    field = place | {"color": _diverging(limit), "description": alt.Description("text:N")}
    own = own[own["difference"].notna()]
    whole, part, held = own[own["whole"]], own[~own["whole"]], own[own["holds"]]
    layers = [alt.Chart(whole[drawn]).mark_rect(stroke=theme.PAPER, strokeWidth=1).encode(**field)]
    if len(part):
        small = alt.Chart(part[drawn]).mark_point(shape="square", filled=True, size=64, opacity=1)
        layers.append(small.encode(**field))
    if len(held):
        dots = alt.Chart(held[["time", "label"]]).mark_point(
            filled=True, size=26, opacity=1, aria=False,
            color=theme.FIELD_INK, stroke=theme.FIELD_PAPER, strokeWidth=1,
        )  # fmt: skip
        layers.append(dots.encode(**place))
    return alt.layer(*layers)


def _signs(table: pd.DataFrame, arm: Arm, alpha: float) -> list[Sign]:
    signs = [Sign(f"{arm.said} less control")]
    if (table["source"] == "contrast").any():
        text = f"q ≤ {alpha:g}, Benjamini–Hochberg"
        signs.append(Sign(text, "circle", theme.FIELD_INK, theme.FIELD_PAPER, size=26, width=1))
    if not table.loc[table["difference"].notna(), "whole"].all():
        text = "small square: not tested (fewer than 2 samples in a group)"
        signs.append(Sign(text, "square", fill=theme.CONTROL_INK, size=64))
    return [*signs, Sign("gap: no value, or none of a control")]


def _said(row: Any) -> str:
    q = f", q {tidy.p_value(row.q)}" if np.isfinite(row.q) else ""
    return (
        f"{theme.pretty(row.compartment)}, {row.label}, {row.time}, {row.arm}: "
        f"{tidy.number(row.difference)} over control{q} "
        f"(n = {tidy.number(row.n)} vs {tidy.number(row.n_control)})"
    )


def _diverging(limit: float) -> Any:
    import altair as alt

    return alt.Color(
        "difference:Q",
        scale=alt.Scale(
            domain=[-limit, 0, limit], range=list(theme.DIVERGING), clamp=True, interpolate="lab"
        ),
        legend=alt.Legend(
            title="difference, control SDs",
            gradientLength=180,
            format="~g",
            tickCount=5,
        ),
    )
