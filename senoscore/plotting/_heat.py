"""Heat maps of axes and SASP families over time."""

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

__all__ = ["axes_of", "heatmap", "heatmap_table", "sasp", "sasp_families"]

_PREFIX = "mean:"


def heatmap(
    burden: pd.DataFrame,
    *,
    axes: Sequence[str] | None = None,
    compartments: Sequence[str] | None = None,
    control: str = k.CONTROL,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Mean of every axis against time, as the difference from the control samples.

    Parameters
    ----------
    burden
        Sample x compartment table with ``mean:{axis}`` columns.
    axes
        Names without ``mean:``; by default all but scores of single signatures.

    Raises
    ------
    InputError
        The table has no ``mean:`` column or no irradiated sample.
    """
    table = heatmap_table(burden, axes=axes, control=control)
    names = list(compartments or theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS))
    return _heat_panels(table, names, layout)


def sasp(
    burden: pd.DataFrame,
    *,
    families: Sequence[str] | None = None,
    compartments: Sequence[str] | None = None,
    control: str = k.CONTROL,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Mean of every SASP family against time, as the difference from the control samples.

    Parameters
    ----------
    families
        Axis names; by default every ``mean:`` column whose axis name begins with ``sasp``.

    Raises
    ------
    InputError
        The table has no SASP column.
    """
    chosen = list(families or sasp_families(burden))
    if not chosen:
        raise InputError("burden table: no SASP family", fix="name them: families=[...]")
    return heatmap(burden, axes=chosen, compartments=compartments, control=control, layout=layout)


def axes_of(burden: pd.DataFrame) -> list[str]:
    """Axes with a mean in the table; scores of single signatures (``ucell:x``) left out."""
    names = [str(c).removeprefix(_PREFIX) for c in burden.columns if str(c).startswith(_PREFIX)]
    axes = [n.removeprefix("z:") for n in names if n.startswith("z:")]
    return [f"z:{n}" for n in axes] if axes else [n for n in names if k.SEP not in n]


def sasp_families(burden: pd.DataFrame) -> list[str]:
    """SASP axes with a mean in the table, the sum axis ``sasp`` first."""
    found = [n for n in axes_of(burden) if n.removeprefix("z:").startswith("sasp")]
    return sorted(found, key=len)[:1] + [n for n in found if n != min(found, key=len)]


def heatmap_table(
    burden: pd.DataFrame, *, axes: Sequence[str] | None = None, control: str = k.CONTROL
) -> pd.DataFrame:
    """Return what :func:`heatmap` draws: compartment, axis, time, difference, n of samples.

    Raises
    ------
    InputError
        No ``mean:`` column, or no value of an irradiated sample.
    """
    chosen = list(axes if axes is not None else axes_of(burden))
    if not chosen:
        raise InputError("burden table: no 'mean:' column", fix="run burden with the axis scores")
    tidy.need(burden, [_PREFIX + a for a in chosen], what="burden table")
    table = tidy.with_defaults(burden)
    table["time"], table["control"] = (
        tidy.time_label(table, control),
        tidy.is_control(table, control),
    )
    parts = []
    for axis in chosen:
        part = table[[k.COMPARTMENT, k.DAYS, "time", "control"]].copy()
        part["value"] = tidy.column(table, _PREFIX + axis)
        part["axis"] = axis
        parts.append(part[part["value"].notna()])
    long = pd.concat(parts, ignore_index=True)
    base = long[long["control"]].groupby([k.COMPARTMENT, "axis"])["value"].mean()
    cells = (
        long[~long["control"]]
        .groupby([k.COMPARTMENT, "axis", "time"], as_index=False)
        .agg(mean=("value", "mean"), n=("value", "size"), days=(k.DAYS, "first"))
    )
    if cells.empty:
        raise InputError("burden table: no axis has a value in an irradiated sample")
    keys = pd.MultiIndex.from_frame(cells[[k.COMPARTMENT, "axis"]])
    cells["control_mean"] = base.reindex(keys).to_numpy()
    cells["difference"] = cells["mean"] - cells["control_mean"]
    if cells["difference"].isna().all():
        raise InputError("burden table: no control sample has a value of such an axis")
    cells["rank"] = cells["axis"].map({axis: i for i, axis in enumerate(chosen)})
    cells = cells.sort_values([k.COMPARTMENT, "rank", "days"], ignore_index=True)
    return cells.drop(columns="rank")


def _heat_panels(table: pd.DataFrame, names: Sequence[str], layout: theme.Layout) -> Any:
    import altair as alt

    axes = list(dict.fromkeys(table["axis"]))
    labels = {a: theme.pretty(a.removeprefix("z:")) for a in axes}
    times = list(table.sort_values("days")["time"].drop_duplicates())
    table = table[table[k.COMPARTMENT].isin(names)].copy()
    table["label"] = table["axis"].map(labels)
    table["text"] = [
        f"{theme.pretty(r.compartment)}, {r.label}, {r.time}: {tidy.number(r.difference)} "
        f"over control (n = {r.n} samples)"
        for r in tidy.rows(table)
    ]
    limit = float(max(np.nanquantile(table["difference"].abs(), 0.98), 1e-6))
    wide = layout == "wide"
    columns = 4 if wide else 1
    drawn = ["time", "label", "difference", "text"]
    panels = []
    for index, name in enumerate(names):
        first = index % columns == 0
        y_axis = alt.Axis(labels=first, ticks=False, domain=False, labelLimit=170)
        panels.append(
            alt.Chart(table.loc[table[k.COMPARTMENT] == name, drawn])
            .mark_rect(stroke=theme.PAPER, strokeWidth=1)
            .encode(
                x=alt.X(
                    "time:N",
                    sort=times,
                    title=None,
                    scale=alt.Scale(domain=times),
                    axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False, domain=False),
                ),
                y=alt.Y(
                    "label:N",
                    sort=list(labels.values()),
                    title=None,
                    scale=alt.Scale(domain=list(labels.values())),
                    axis=y_axis,
                ),
                color=_diverging(limit),
                description=alt.Description("text:N"),
            )
            .properties(
                width=(208 if first else 232) if wide else 205,
                height=19 * len(axes),
                title=alt.TitleParams(theme.pretty(name), color=theme.compartment_colour(name)),
            )
        )
    chart = alt.concat(*panels, columns=columns, spacing=18).resolve_scale(color="shared")
    return chart.configure(**theme.config())


def _diverging(limit: float) -> Any:
    import altair as alt

    return alt.Color(
        "difference:Q",
        scale=alt.Scale(
            domain=[-limit, 0, limit], range=list(theme.DIVERGING), clamp=True, interpolate="lab"
        ),
        legend=alt.Legend(
            title="mean difference from control", gradientLength=180, format="~g", tickCount=5
        ),
    )
