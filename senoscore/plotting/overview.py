"""Figures of what went in: design, cells lost, compartments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.study import takes

if TYPE_CHECKING:
    import altair as alt


__all__ = ["composition", "composition_table", "design_map", "design_table", "qc", "qc_table"]

_REASON_COLOURS = ["#c2410c", "#e3a018", "#7a4fb0", "#6d8fc0", "#a3485f", "#7f8500", "#2a9187"]


@takes(check_control=False, samples="sen.burden(adata).drop_duplicates('sample')")
def design_map(samples: pd.DataFrame, *, layout: theme.Layout = "wide") -> alt.Chart:
    """How many samples each treatment, dose and time has; combinations without any stay grey.

    Raises
    ------
    InputError
        The sheet has no ``sample`` or ``treatment`` column.

    Examples
    --------
    >>> chart = sen.pl.design_map(samples)
    """
    import altair as alt

    table = design_table(samples)
    times = list(table.sort_values("order")["time"].drop_duplicates())
    groups = list(dict.fromkeys(table["group"]))
    table["text"] = [
        f"{r.group}, {r.time}: {r.n} samples, {r.subjects} subjects" for r in tidy.rows(table)
    ]
    wide = layout == "wide"
    x = alt.X(
        "time:N",
        sort=times,
        title="days after irradiation",
        axis=alt.Axis(labelAngle=0, orient="top", ticks=False, domain=False),
    )
    y = alt.Y(
        "group:N", sort=groups, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=150)
    )
    tiles = (
        alt.Chart(table)
        .mark_rect(stroke=theme.PAPER, strokeWidth=2)
        .encode(
            x=x,
            y=y,
            color=alt.condition(
                "datum.n > 0",
                alt.Color(
                    "n:Q",
                    scale=alt.Scale(
                        domain=[0, max(4, int(table["n"].max()))], range=["#dbe7f3", "#8fb4d9"]
                    ),
                    legend=None,
                ),
                alt.value(theme.BAND),
            ),
            description=alt.Description("text:N"),
        )
    )
    labels = (
        alt.Chart(table[table["n"] > 0])
        .mark_text(fontSize=12, fontWeight="bold", aria=False)
        .encode(
            x=x,
            y=y,
            text=alt.Text("n:Q"),
            color=alt.value("#12263a"),
        )
    )
    size = 64 if wide else max(26, min(40, 190 // len(times)))
    chart = alt.layer(tiles, labels).properties(width=size * len(times), height=34 * len(groups))
    return chart.configure(**theme.config())


@takes(check_control=False, samples="sen.burden(adata).drop_duplicates('sample')")
def design_table(samples: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`design_map` draws: every group x time with its number of samples.

    Raises
    ------
    InputError
        The sheet has no ``sample`` or ``treatment`` column.
    """
    tidy.need(samples, [k.SAMPLE, k.TREATMENT], what="samples sheet")
    table = tidy.with_defaults(samples).drop_duplicates(k.SAMPLE)
    dose = table[k.DOSE].map(lambda d: f" {tidy.number(d)} Gy" if np.isfinite(d) and d > 0 else "")
    table["group"] = table[k.TREATMENT] + dose
    table["time"] = table[k.DAYS].map(tidy.day_label)
    table["subject_key"] = table[k.SUBJECT].where(table[k.SUBJECT] != "", table[k.SAMPLE])
    counted = table.groupby(["group", "time"], observed=True).agg(
        n=(k.SAMPLE, "size"), subjects=("subject_key", "nunique")
    )
    rank = table.assign(c=~tidy.is_control(table)).sort_values(["c", k.TREATMENT, k.DOSE])
    groups = list(dict.fromkeys(rank["group"]))
    days = table.groupby("time", observed=True)[k.DAYS].first().fillna(-1.0)
    times = list(days.sort_values().index)
    full = counted.reindex(pd.MultiIndex.from_product([groups, times], names=["group", "time"]))
    full = full.fillna(0).astype(int).reset_index()
    full["order"] = full["time"].map(days)
    return full


_QC_MADE: Final = "sen.qc(adata); it is adata.uns['senoscore']['qc'] then"


@takes(check_control=False, qc_samples=_QC_MADE)
def qc(qc_samples: pd.DataFrame, *, layout: theme.Layout = "wide") -> alt.Chart:
    """Share of the cells of every sample that was lost, by reason.

    Raises
    ------
    InputError
        The table has no ``sample``, ``n_cells`` or ``n_kept`` column.

    Examples
    --------
    >>> chart = sen.pl.qc(adata.uns["senoscore"]["qc"])
    """
    import altair as alt

    table = qc_table(qc_samples)
    samples = list(dict.fromkeys(table[k.SAMPLE]))
    lost = table[table["reason"] != "kept"]
    top = max([0.02, *lost.groupby(k.SAMPLE, observed=True)["share"].sum()])
    reasons = sorted(set(lost["reason"])) or ["none"]
    names = [theme.pretty(r) for r in reasons]
    lost = lost.assign(
        label=lost["reason"].map(theme.pretty),
        rank=lost["reason"].map({r: i for i, r in enumerate(reasons)}),
    )
    lost["text"] = [
        f"{r.sample}: {r.cells} of {r.n_cells} cells lost, {r.label} ({tidy.percent(r.share)})"
        for r in tidy.rows(lost)
    ]
    wide = layout == "wide"
    colours = [_REASON_COLOURS[i % len(_REASON_COLOURS)] for i in range(len(reasons))]
    chart = (
        alt.Chart(lost)
        .mark_bar()
        .encode(
            y=alt.Y(
                f"{k.SAMPLE}:N",
                sort=samples,
                title=None,
                scale=alt.Scale(domain=samples),
                axis=alt.Axis(ticks=False, domain=False, labelLimit=120),
            ),
            x=alt.X(
                "share:Q",
                title="share of cells lost",
                scale=alt.Scale(domain=[0, top]),
                axis=alt.Axis(format=".3~%", tickCount=5, grid=True),
            ),
            color=alt.Color(
                "label:N",
                sort=names,
                scale=alt.Scale(domain=names, range=colours),
                legend=alt.Legend(title=None, columns=0 if wide else 2, symbolType="square"),
            ),
            order=alt.Order("rank:Q"),
            description=alt.Description("text:N"),
        )
        .properties(width=720 if wide else 200, height=alt.Step(16))
    )
    return chart.configure(**theme.config())


@takes(check_control=False, qc_samples=_QC_MADE)
def qc_table(qc_samples: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`qc` draws: sample, reason, cells, share (kept included).

    Columns of losses are those named ``lost_{reason}`` or ``n_{reason}``. A cell lost for two
    reasons counts once: what the reasons overlap is taken off the later ones.

    Raises
    ------
    InputError
        The table has no ``sample``, ``n_cells`` or ``n_kept`` column.
    """
    tidy.need(qc_samples, [k.SAMPLE, "n_cells", "n_kept"], what="QC table")
    table = qc_samples.reset_index(drop=True)
    lost = [c for c in table.columns if str(c).startswith("lost_")]
    rows = []
    for _, row in table.iterrows():
        total, kept = int(row["n_cells"]), int(row["n_kept"])
        left = total - kept
        found = {"kept": kept}
        for name in lost:
            count = row[name]
            found[str(name).removeprefix("lost_")] = min(left, int(count)) if pd.notna(count) else 0
            left -= found[str(name).removeprefix("lost_")]
        if left > 0:
            found["lost" if not lost else "other"] = left
        rows += [
            {
                k.SAMPLE: str(row[k.SAMPLE]),
                "reason": r,
                "cells": c,
                "n_cells": total,
                "share": c / max(total, 1),
            }
            for r, c in found.items()
        ]
    out = pd.DataFrame(rows)
    return out[out.groupby("reason", observed=True)["cells"].transform("sum") > 0].reset_index(
        drop=True
    )


@takes(check_control=False, burden="sen.burden(adata)")
def composition(
    burden: pd.DataFrame, *, control: str = k.CONTROL, layout: theme.Layout = "wide"
) -> alt.Chart:
    """Share of each compartment in every sample.

    Raises
    ------
    InputError
        The table counts no cell.

    Examples
    --------
    >>> chart = sen.pl.composition(burden)
    """
    import altair as alt

    table = composition_table(burden, control=control)
    names = theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    labels = [theme.pretty(n) for n in names]
    table["label"] = table[k.COMPARTMENT].map(theme.pretty)
    table["rank"] = table[k.COMPARTMENT].map({n: i for i, n in enumerate(names)})
    table["text"] = [
        f"{r.sample} ({r.time}): {r.label} {tidy.percent(r.share)}, {int(r.n_cells)} cells"
        for r in tidy.rows(table)
    ]
    samples = list(dict.fromkeys(table[k.SAMPLE]))
    wide = layout == "wide"
    chart = (
        alt.Chart(table)
        .mark_bar(stroke=theme.PAPER, strokeWidth=0.5)
        .encode(
            y=alt.Y(
                f"{k.SAMPLE}:N",
                sort=samples,
                title=None,
                axis=alt.Axis(ticks=False, domain=False, labelLimit=120),
            ),
            x=alt.X(
                "share:Q",
                title="share of cells",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".3~%", tickCount=5),
            ),
            color=alt.Color(
                "label:N",
                sort=labels,
                scale=alt.Scale(domain=labels, range=[theme.compartment_colour(n) for n in names]),
                legend=alt.Legend(title=None, columns=0 if wide else 2, symbolType="square"),
            ),
            order=alt.Order("rank:Q"),
            description=alt.Description("text:N"),
        )
    )
    chart = chart.properties(width=720 if wide else 200, height=alt.Step(16))
    return chart.configure(**theme.config())


@takes(check_control=False, burden="sen.burden(adata)")
def composition_table(burden: pd.DataFrame, *, control: str = k.CONTROL) -> pd.DataFrame:
    """Return what :func:`composition` draws: sample, time, compartment, cells, share.

    Raises
    ------
    InputError
        The table counts no cell.
    """
    table = tidy.with_defaults(burden)
    table = table[table["n_cells"].fillna(0) > 0]
    if table.empty:
        raise InputError("burden table: no cell in any compartment")
    table["time"] = tidy.time_label(table, control)
    counts = table.groupby([k.SAMPLE, "time", k.COMPARTMENT], as_index=False, observed=True)[
        "n_cells"
    ].sum()
    days = (
        table.assign(c=~tidy.is_control(table, control))
        .groupby(k.SAMPLE, observed=True)[["c", k.DAYS]]
        .first()
    )
    counts["share"] = counts["n_cells"] / counts.groupby(k.SAMPLE, observed=True)[
        "n_cells"
    ].transform("sum")
    counts = counts.join(days, on=k.SAMPLE).sort_values(["c", k.DAYS, k.SAMPLE, k.COMPARTMENT])
    return counts.drop(columns=["c"]).reset_index(drop=True)
