"""Layers of a panel over time: phases, control samples, irradiated samples, and their scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy
from senoscore.plotting._arms import arm_labels, main_arm

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Scales", "control_layers", "phases", "treated_layers", "yticks"]


class Scales:
    """Axes and sizes that all panels of one figure share."""

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        measure: str,
        title: str | None,
        phase_cuts: Sequence[float],
        control: str,
        layout: theme.Layout,
    ) -> None:
        self.measure = measure
        self.title = title or _measure_title(measure)
        self.is_fraction = measure in {"fraction", "excess", "control_fraction"}
        self.columns = 3 if layout == "wide" else 1
        self.width, self.height = (248, 200) if layout == "wide" else (286, 170)
        self.days = sorted(table["day"].unique())
        self.last_day = max(1.0, float(self.days[-1]))
        self.cuts = [float(c) for c in phase_cuts]
        top, bottom = float(table["value"].max()), float(table["value"].min())
        if self.is_fraction:
            bottom = min(0.0, bottom)
            top = min(1.0, max(top, 0.02))
        span = max(top - bottom, 1e-3)
        # Room below the dots for the counts and above them for the marks.
        self.top = top
        self.count_at = bottom - 0.10 * span
        self.mark_at = top + 0.12 * span
        self.domain = [bottom - 0.17 * span, top + 0.34 * span]
        # The main arm comes first: a solid line and round dots.
        self.arm = main_arm(table, control)
        labels = arm_labels(table, control)[~table["control"]]
        main = labels[self.arm.rows(table)].iloc[:1]
        self.arms = list(dict.fromkeys([*main, *labels.value_counts().index]))

    def ticks(self) -> list[float]:
        """Days to label: those sampled, thinned where they would collide on a log axis."""
        per_unit = self.width / np.log1p(self.last_day)
        kept: list[float] = []
        for day in self.days:
            at = np.log1p(day) * per_unit
            if not kept or at - np.log1p(kept[-1]) * per_unit >= 20:
                kept.append(float(day))
        return kept


def _measure_title(measure: str) -> str:
    fixed = {
        "fraction": "senescent, % of assessable cells",
        "excess": "excess over control",
        "index_mean": "senescence index (mean)",
    }
    name = measure.removeprefix("mean:").removeprefix("z:")
    return fixed.get(measure, f"{theme.pretty(name)} (mean)")


def yticks(scales: Scales) -> list[float]:
    """Tick positions inside the data range only, so that the count row carries none."""
    low, high = scales.count_at, scales.top
    step = 10.0 ** np.floor(np.log10(max(high - low, 1e-6)))
    for factor in (0.1, 0.2, 0.25, 0.5, 1.0):
        if (high - low) / (step * factor) <= 6:
            step *= factor
            break
    ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    floor = 0.0 if scales.is_fraction and scales.measure != "excess" else -np.inf
    return [float(round(t, 10)) for t in ticks if t >= floor]


def phases(scales: Scales, x: Any) -> list[Any]:
    """Shade every other phase and name each where there is room for its name."""
    import altair as alt

    edges = [0.0, *[c for c in scales.cuts if c < scales.last_day], scales.last_day * 1.15]
    names = ["acute", "early", "chronic"] if len(scales.cuts) == 2 else ["acute", "chronic"]
    rows = pd.DataFrame({"day": edges[:-1], "end": edges[1:]})
    rows["value"], rows["top"] = scales.domain[0], scales.domain[1]
    rows["phase"] = [names[min(i, len(names) - 1)] for i in range(len(rows))]
    rows["middle"] = np.expm1((np.log1p(rows["day"]) + np.log1p(rows["end"])) / 2)
    span = np.log1p(scales.last_day * 1.15)
    wide = (np.log1p(rows["end"]) - np.log1p(rows["day"])) / span * scales.width >= 40
    y_scale = alt.Scale(domain=scales.domain, nice=False, zero=False)
    layers = [
        alt.Chart(rows.iloc[1::2])
        .mark_rect(color=theme.BAND, opacity=1, aria=False)
        .encode(x=x, x2=alt.X2("end"), y=alt.Y("value:Q", scale=y_scale), y2=alt.Y2("top"))
    ]
    if wide.any():
        layers.append(
            alt.Chart(rows[wide])
            .mark_text(baseline="top", dy=3, fontSize=10, color=theme.CONTROL_INK, aria=False)
            .encode(x=alt.X("middle:Q"), y=alt.Y("top:Q", scale=y_scale), text=alt.Text("phase:N"))
        )
    return [layer for layer in layers if len(layer.data)]


def control_layers(controls: pd.DataFrame, scales: Scales, x: Any, y: Any) -> list[Any]:
    """Range of the control samples as a band over all times, and the samples themselves."""
    import altair as alt

    if controls.empty:
        return []
    low, high = controls["value"].min(), controls["value"].max()
    band = pd.DataFrame(
        {"day": [0.0], "end": [scales.last_day * 1.15], "value": [low], "top": [high]}
    )
    mean = pd.DataFrame({"value": [controls["value"].mean()]})
    dots = controls.assign(text=[_dot_text(row, scales) for row in tidy.rows(controls)])
    dots = dots[["day", "value", "text"]]
    return [
        alt.Chart(band)
        .mark_rect(color=theme.CONTROL_BAND, opacity=0.55, aria=False)
        .encode(x=x, x2=alt.X2("end"), y=y, y2=alt.Y2("top")),
        alt.Chart(mean).mark_rule(color=theme.CONTROL_INK, aria=False).encode(y=y),
        alt.Chart(dots)
        .mark_point(filled=False, size=34, color=theme.CONTROL_INK, opacity=1, strokeWidth=1.4)
        .encode(x=x, y=y, description=alt.Description("text:N")),
    ]


def treated_layers(treated: pd.DataFrame, colour: str, scales: Scales, x: Any, y: Any) -> list[Any]:
    """Dots, the line through the means of each dose, and how many samples each time has."""
    import altair as alt

    dots = treated.assign(
        text=[_dot_text(row, scales) for row in tidy.rows(treated)],
        dose=treated["arm"],
    )
    order = scales.arms or ["dose not given"]
    # Before senescence can be claimed the same pattern is acute damage: rings, and no line.
    acute = scales.is_fraction & dots["status"].eq("acute")
    early, dots = dots[acute], dots[~acute]
    means = dots.groupby(["dose", "day"], as_index=False, observed=True)["value"].mean()
    counts = pd.concat([early, dots]).groupby("day", as_index=False).agg(n=(k.SAMPLE, "nunique"))
    counts["value"] = scales.count_at
    counts = counts[counts["day"].isin(_apart(counts["day"], scales))]
    shape = alt.Shape(
        "dose:N",
        sort=order,
        legend=None,
        scale=alt.Scale(domain=order, range=theme.shapes(len(order))),
    )
    dash = alt.StrokeDash(
        "dose:N",
        sort=order,
        legend=None,
        scale=alt.Scale(domain=order, range=theme.dashes(len(order))),
    )
    return [
        alt.Chart(means)
        .mark_line(color=colour, strokeWidth=2, aria=False)
        .encode(x=x, y=y, strokeDash=dash),
        alt.Chart(dots[["day", "value", "dose", "text"]])
        .mark_point(filled=True, size=42, color=colour, opacity=0.8)
        .encode(x=x, y=y, shape=shape, description=alt.Description("text:N")),
        *_rings(early, x, y),
        alt.Chart(counts)
        .mark_text(fontSize=10, color=theme.CONTROL_INK, aria=False)
        .encode(x=x, y=y, text=alt.Text("n:Q")),
    ]


def _rings(early: pd.DataFrame, x: Any, y: Any) -> list[Any]:
    import altair as alt

    if early.empty:
        return []
    points = alt.Chart(early[["day", "value", "text"]]).mark_point(
        filled=False, size=42, color=theme.STATE_COLOURS["acute_damage_response"], strokeWidth=1.8
    )
    return [points.encode(x=x, y=y, description=alt.Description("text:N"))]


def _apart(days: pd.Series, scales: Scales) -> list[float]:
    """Thin to times far enough apart that their counts do not overprint."""
    per_unit = scales.width / np.log1p(scales.last_day * 1.15)
    kept: list[float] = []
    for day in sorted(days):
        if not kept or (np.log1p(day) - np.log1p(kept[-1])) * per_unit >= 12:
            kept.append(float(day))
    return kept


def _dot_text(row: Any, scales: Scales) -> str:
    """Word what a dot says when pointed at or read aloud."""
    value = tidy.percent(row.value) if scales.is_fraction else tidy.number(row.value)
    parts = [f"{row.sample}: {value}", tidy.day_label(row.day), row.treatment]
    if not row.control and np.isfinite(row.dose_gy):
        parts.append(f"{row.dose_gy:g} Gy")
    cells = row.n_assessable if np.isfinite(row.n_assessable) else row.n_cells
    if np.isfinite(cells) and scales.is_fraction:
        parts.append(f"{tidy.number(cells)} cells")
    return ", ".join(parts)
