"""Figures over time: one dot per sample, one panel per compartment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from senoscore import _keys as k
from senoscore._trend_data import ARM
from senoscore.errors import InputError
from senoscore.plotting import _theme as theme
from senoscore.plotting import _tidy as tidy
from senoscore.plotting._arms import arm_labels, contrasts_of
from senoscore.plotting._legend import Sign, explained
from senoscore.plotting._time_layers import Scales, control_layers, phases, treated_layers, yticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt

__all__ = ["timecourse", "timecourse_table"]


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
    # Controls without a time of their own are drawn at day 0, where the axis starts.
    table["day"] = table[k.DAYS].where(~(table["control"] & table[k.DAYS].isna()), 0.0)
    table = table[table["value"].notna() & table["day"].notna()]
    if table.empty:
        message = f"burden table: {measure!r} has no value at a known time"
        raise InputError(message, fix="choose another measure")
    table["arm"] = arm_labels(table, control).where(~table["control"], control)
    keep = [k.DATASET, k.SAMPLE, k.SUBJECT, k.COMPARTMENT, *ARM, "arm"]
    keep += ["day", "control", "value", "n_cells", "n_assessable", "status"]
    return table[keep].sort_values([k.COMPARTMENT, "day", k.SAMPLE], ignore_index=True)


def _measures(measure: str) -> set[str]:
    """Names that a column of the burden table has in the trend table."""
    names = {"fraction": {"fraction", "fraction_senescent"}, "excess": {"fraction_senescent"}}
    return names.get(measure, {measure, measure.replace("mean:", "z:", 1)})


def _held(contrasts: pd.DataFrame, *, alpha: float) -> pd.DataFrame:
    """Find where a contrast holds (q at most alpha), and whether above or below control."""
    own = contrasts[contrasts[k.DAYS].notna() & (contrasts["q"] <= alpha)]
    side = own["estimate"].gt(0).map({True: "above", False: "below"})
    names = [k.COMPARTMENT, k.DAYS, "side"]
    return own.assign(side=side)[names].drop_duplicates().sort_values(names, ignore_index=True)


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
        of = f"{scales.arm.said} against control, q ≤ {alpha:g}"
        marks = {"above": ("triangle-up", "higher"), "below": ("triangle-down", "lower")}
        seen = [side for side in marks if side in set(held["side"])]
        signs += [Sign(f"{marks[s][1]}: {of}", marks[s][0], fill=ink, size=70) for s in seen]
        if not seen:
            signs.append(Sign(f"no time differs: {of}"))
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
        axis=alt.Axis(
            format="~%" if scales.is_fraction else "~g", tickCount=4, values=yticks(scales)
        ),
    )
    colour = theme.compartment_colour(name)
    layers = [*phases(scales, x), *control_layers(controls, scales, x, y)]
    if not treated.empty:
        layers += treated_layers(treated, colour, scales, x, y)
    for side, shape in (("above", "triangle-up"), ("below", "triangle-down")):
        own = held[held["side"] == side]
        if own.empty:
            continue
        marks = pd.DataFrame({"day": own[k.DAYS], "value": scales.mark_at})
        marks["text"] = [
            f"{theme.pretty(name)} at {tidy.day_label(d)}: {scales.arm.said} {side} control"
            for d in own[k.DAYS]
        ]
        layers.append(
            alt.Chart(marks)
            .mark_point(shape=shape, filled=True, size=70, color=colour, opacity=1)
            .encode(x=x, y=y, description=alt.Description("text:N"))
        )
    subtitle = f"{_count(treated, 'irradiated')}, {_count(controls, 'control')}"
    return alt.layer(*layers).properties(
        width=scales.width,
        height=scales.height,
        title=alt.TitleParams(theme.heading(name), subtitle=subtitle, color=colour),
    )


def _count(table: pd.DataFrame, word: str) -> str:
    n = table[k.SAMPLE].nunique()
    return f"{n} {word}"
