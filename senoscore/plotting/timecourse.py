"""Figures over time: one dot per sample, one panel per compartment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.arms import arm_labels, contrasts_of, main_arm
from senoscore.plotting.legend import Sign, explained
from senoscore.study import ARM, takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt


__all__ = [
    "Scales",
    "control_layers",
    "phases",
    "timecourse",
    "timecourse_table",
    "treated_layers",
    "yticks",
]


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
    counts = (
        treated[treated["irradiated"]]
        .groupby("day", as_index=False, observed=True)
        .agg(n=(k.SAMPLE, "nunique"))
    )
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


@takes(check_control=False, burden="sen.burden(adata)", trend="sen.trend(sen.burden(adata))")
def timecourse(
    burden: pd.DataFrame,
    trend: pd.DataFrame | None = None,
    *,
    measure: str = "fraction",
    title: str | None = None,
    compartments: Sequence[str] | None = None,
    control: str = k.CONTROL,
    phase_cuts: Sequence[float] = theme.PHASE_CUTS,
    alpha: float = 0.05,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw burden against time, one dot per sample.

    The band spans the control samples, a line joins the means of the irradiated ones, the
    figures at the foot count them, and a filled triangle, up or down, marks a time at which the
    main arm differs from control in ``trend`` after Benjamini-Hochberg.

    Parameters
    ----------
    burden
        Sample x compartment table of :func:`senoscore.burden`.
    trend
        Contrasts of :func:`senoscore.trend`; without it no time is marked.
    measure
        Column of ``burden`` to draw: ``fraction``, ``excess``, ``index_mean``, ``mean:sasp``.
    title
        Of the vertical axis; by default the measure in words.
    compartments
        Which to draw, in this order; by default all that have values.
    phase_cuts
        Days that part the acute, early and chronic phase.
    alpha
        Largest q of a marked time.

    Raises
    ------
    InputError
        The table lacks ``sample``, ``days_post_rt`` or the measure, or has no value of it.

    Examples
    --------
    >>> chart = sen.pl.timecourse(burden)
    """
    import altair as alt

    table = timecourse_table(burden, measure=measure, control=control)
    names = list(compartments or theme.known_first(table["compartment"], theme.COMPARTMENT_COLOURS))
    scales = Scales(
        table, measure=measure, title=title, phase_cuts=phase_cuts, control=control, layout=layout
    )
    held = _held(contrasts_of(trend, scales.arm, _measures(measure)), alpha=alpha)
    panels = [
        _panel(table[table[k.COMPARTMENT] == name], name, held[held[k.COMPARTMENT] == name], scales)
        for name in names
    ]
    chart = alt.concat(*panels, columns=scales.columns)
    signs = _signs(
        table[table[k.COMPARTMENT].isin(names)], held, scales, alpha, tried=trend is not None
    )
    width = scales.columns * (scales.width + 50)
    return explained(chart, signs, width=width, left=50).configure(**theme.config())


@takes(check_control=False, burden="sen.burden(adata)")
def timecourse_table(
    burden: pd.DataFrame, *, measure: str = "fraction", control: str = k.CONTROL
) -> pd.DataFrame:
    """Return the numbers that :func:`timecourse` draws, one row a dot.

    Raises
    ------
    InputError
        A column is missing or the measure has no value.
    """
    tidy.need(burden, [k.SAMPLE, measure], what="burden table")
    table = tidy.with_defaults(burden)
    table["value"] = tidy.column(table, measure)
    table["control"] = tidy.is_control(table, control)
    table["irradiated"] = tidy.is_irradiated(table, control)
    # Controls without a time of their own are drawn at day 0, where the axis starts.
    table["day"] = table[k.DAYS].where(~(table["control"] & table[k.DAYS].isna()), 0.0)
    table = table[table["value"].notna() & table["day"].notna()]
    if table.empty:
        message = f"burden table: {measure!r} has no value at a known time"
        raise InputError(message, fix="choose another measure")
    table["arm"] = arm_labels(table, control).where(~table["control"], control)
    keep = [k.DATASET, k.SAMPLE, k.SUBJECT, k.COMPARTMENT, *ARM, "arm"]
    keep += [name for name in (k.GIVEN,) if name in table]
    keep += ["day", "control", "irradiated", "value", "n_cells", "n_assessable", "status"]
    return table[keep].sort_values([k.COMPARTMENT, "day", k.SAMPLE], ignore_index=True)


def _measures(measure: str) -> set[str]:
    """Names that a column of the burden table has in the trend table."""
    names = {"fraction": {"fraction", "fraction_senescent"}, "excess": {"fraction_senescent"}}
    return names.get(measure, {measure, measure.replace("mean:", "z:", 1)})


def _held(contrasts: pd.DataFrame, *, alpha: float) -> pd.DataFrame:
    """Find where a contrast holds (q at most alpha), and whether above or below control."""
    holding = contrasts[contrasts[k.DAYS].notna() & (contrasts["q"] <= alpha)]
    side = holding["estimate"].gt(0).map({True: "above", False: "below"})
    names = [k.COMPARTMENT, k.DAYS, "side"]
    return holding.assign(side=side)[names].drop_duplicates().sort_values(names, ignore_index=True)


def _signs(
    table: pd.DataFrame, held: pd.DataFrame, scales: Scales, alpha: float, *, tried: bool
) -> list[Sign]:
    """Explain what this figure has, and nothing that it has not."""
    ink, grey = theme.INK_SOFT, theme.CONTROL_INK
    signs = []
    if table["control"].any():
        signs += [
            Sign("control sample", "circle", stroke=grey, size=34),
            Sign(
                "range of all controls, with their mean",
                "square",
                fill=theme.CONTROL_BAND,
                size=110,
            ),
        ]
    if not table["control"].all():
        texts = [f"irradiated, {arm}" if scales.arm.alone else arm for arm in scales.arms]
        texts[0] += " (lines join means)"
        shapes = theme.shapes(len(texts))
        signs += [Sign(t, s, fill=ink, size=42) for t, s in zip(texts, shapes, strict=True)]
    if scales.is_fraction and table["status"].eq("acute").any():
        amber = theme.STATE_COLOURS["acute_damage_response"]
        text = "too early to be senescence: acute damage response"
        signs.append(Sign(text, "circle", stroke=amber, size=42, width=1.8))
    if tried:
        compared = f"{scales.arm.said} against control, q ≤ {alpha:g}"
        marks = {"above": ("triangle-up", "higher"), "below": ("triangle-down", "lower")}
        seen = [side for side in marks if side in set(held["side"])]
        signs += [Sign(f"{marks[s][1]}: {compared}", marks[s][0], fill=ink, size=70) for s in seen]
        if not seen:
            signs.append(Sign(f"no time differs: {compared}"))
    return [*signs, Sign("numbers at the foot: irradiated samples")]


def _panel(table: pd.DataFrame, name: str, held: pd.DataFrame, scales: Scales) -> Any:
    """One compartment: phases, control band, means, dots, counts, marks."""
    import altair as alt

    treated, controls = table[~table["control"]], table[table["control"]]
    x = alt.X(
        "day:Q",
        title="days after irradiation (log1p)",
        scale=alt.Scale(type="symlog", constant=1, domain=[0, scales.last_day * 1.15]),
        axis=alt.Axis(values=scales.ticks(), format=".4~g", labelOverlap=False),
    )
    y = alt.Y(
        "value:Q",
        title=scales.title,
        scale=alt.Scale(domain=scales.domain, nice=False, zero=False),
        # With digits of its own: else they follow a step of Vega's, and 2.5 is labelled 3.
        axis=alt.Axis(
            format=".4~%" if scales.is_fraction else ".4~g", tickCount=4, values=yticks(scales)
        ),
    )
    colour = theme.compartment_colour(name)
    layers = [*phases(scales, x), *control_layers(controls, scales, x, y)]
    if not treated.empty:
        layers += treated_layers(treated, colour, scales, x, y)
    for side, shape in (("above", "triangle-up"), ("below", "triangle-down")):
        on_side = held[held["side"] == side]
        if on_side.empty:
            continue
        marks = pd.DataFrame({"day": on_side[k.DAYS], "value": scales.mark_at})
        marks["text"] = [
            f"{theme.pretty(name)} at {tidy.day_label(d)}: {scales.arm.said} {side} control"
            for d in on_side[k.DAYS]
        ]
        layers.append(
            alt.Chart(marks)
            .mark_point(shape=shape, filled=True, size=70, color=colour, opacity=1)
            .encode(x=x, y=y, description=alt.Description("text:N"))
        )
    drugged = treated[~treated["irradiated"]]
    subtitle = f"{_count(treated[treated['irradiated']], 'irradiated')}, "
    subtitle += _count(controls, "control")
    subtitle += f", {_count(drugged, 'with a drug alone')}" if len(drugged) else ""
    return alt.layer(*layers).properties(
        width=scales.width,
        height=scales.height,
        title=alt.TitleParams(
            theme.heading(name), subtitle=subtitle, color=theme.title_colour(name)
        ),
    )


def _count(table: pd.DataFrame, word: str) -> str:
    n = table[k.SAMPLE].nunique()
    return f"{n} {word}"
