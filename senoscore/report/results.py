"""Sections of results: burden, states, SASP, axes, contrasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.errors import InputError
from senoscore.plotting import arms, main_arm, theme, tidy
from senoscore.report.charts import Gap, Part
from senoscore.report.parts import Item, Options, by_compartment, irradiated, section, table_of
from senoscore.report.tables import view
from senoscore.report.words import lower, seldom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from senoscore.report.load import Run


def describe_burden(numbers: pd.DataFrame) -> str:
    """Describe the burden over time."""
    parts = []
    # What was sampled before its day is acute and no senescence.
    for name, rows in by_compartment(numbers[~numbers["control"] & (numbers["status"] != "acute")]):
        means = rows.groupby("day", observed=True)["value"].mean()
        peak = float(means.index[int(means.to_numpy().argmax())])
        top = tidy.percent(means.max())
        parts.append(f"{name} highest at {tidy.day_label(peak)} with {top}")
    said = "; ".join(parts) or "No sample is late enough for senescence to be claimed"
    return f"Senescent fraction against time, one panel per compartment. {said}."


@section(
    "burden",
    "Burden over time",
    lead=(
        "How many cells of each compartment are senescent? One dot is one sample (animal or "
        "patient), never a cell; the grey band spans all controls. A triangle marks a time at "
        "which irradiated and control samples differ; no triangle means that no difference was "
        "shown, not that there is none. Amber rings: before senescence can be claimed, cells of "
        "the same pattern are an acute damage response."
    ),
)
def burden(run: Run, options: Options) -> Iterator[Item | Part]:
    """How much is senescent; nothing where cells are not counted."""
    burden, trend = run.get("burden"), run.get("trend")
    if burden is None:
        yield Gap("Burden over time", run.why_not("burden"))
        return
    shown = _counted(burden)
    if shown is None:
        return
    yield Part(
        "burden_over_time",
        title="Senescent cells per compartment, in per cent",
        caption=(
            f"{_phases_said(options)} Time is drawn as log(1 + days); all panels share one "
            "vertical scale. The cut is set on controls, so the excess over them is a lower bound. "
            f"{_dose_said(burden, options)} {seldom(run)}"
        ),
        alt=describe_burden,
        draw=lambda layout: pl.timecourse(
            shown,
            trend,
            control=options.control,
            alpha=options.alpha,
            phase_cuts=options.phase_cuts,
            layout=layout,
        ),
        numbers=lambda: pl.timecourse_table(shown, control=options.control),
    )
    columns = [
        k.DATASET, k.SAMPLE, k.COMPARTMENT, k.TREATMENT, k.DOSE, k.DAYS, "n_cells", "n_assessable",
        "fraction", "fraction_lo", "fraction_hi", "control_fraction", "excess", "index_mean",
        "status", "note",
    ]  # fmt: skip
    yield view(burden, "burden", title="Burden per sample and compartment", columns=columns)


_PHASES: Final = ("Acute", "early", "chronic")


def _phases_said(options: Options) -> str:
    """Name the phases by the days that part them."""
    cuts = options.phase_cuts
    if len(cuts) != len(_PHASES) - 1:
        return f"Phases end at day {' and '.join(f'{c:g}' for c in cuts)}."
    whose = (
        " (senoscore's defaults; sources disagree)"
        if tuple(cuts) == tuple(theme.PHASE_CUTS)
        else ""
    )
    upto = "; ".join(f"{name}: to day {cut:g}" for name, cut in zip(_PHASES, cuts, strict=False))
    return f"{upto}; {_PHASES[-1]}: after{whose}."


def _dose_said(burden: pd.DataFrame, options: Options) -> str:
    """Say which dose a figure over time is about, where there are several."""
    table = tidy.with_defaults(burden)
    if len(arms(table, options.control)) < 2:
        return ""
    said = main_arm(table, options.control).said
    return f"Of several doses, lines and marks are of {said}, which most samples have."


def _counted(burden: pd.DataFrame) -> pd.DataFrame | None:
    """Rows of compartments where cells are counted; None where no cell is (bulk, for one)."""
    rows = burden[burden[k.COMPARTMENT].astype(str) != k.UNASSIGNED]
    if "fraction" not in rows or not tidy.column(rows, "fraction").notna().any():
        return None
    return rows


@section(
    "burden",
    "Scores over time",
    lead=(
        "These samples are whole tissue: there are no cells to count, so no fraction can be "
        "given. Shown are the axis scores of each sample. A change can come from a change of "
        "composition."
    ),
)
def scores_of_tissue(run: Run, options: Options) -> Iterator[Item | Part]:
    """Bulk and the like, in the place of the burden: no cells, so no fraction."""
    burden = run.get("burden")
    if burden is not None and _counted(burden) is None and _whole(burden):
        yield from _scores_over_time(burden, "sample", options)


@section(
    "burden",
    "Scores over time",
    lead=(
        "No share of senescent cells can be given (the reason stands above). Shown are the mean "
        "axis scores of each compartment of each sample; without controls of the same compartment "
        "they are comparable between samples and say nothing of senescence by themselves."
    ),
)
def scores_of_cells(run: Run, options: Options) -> Iterator[Item | Part]:
    """Scores of compartments in which no cell can be called, in the place of the burden."""
    burden = run.get("burden")
    if burden is not None and _counted(burden) is None and not _whole(burden):
        yield from _scores_over_time(burden, "compartment of one sample", options)


def _whole(burden: pd.DataFrame) -> bool:
    return set(burden[k.COMPARTMENT].astype(str)) <= {k.BULK}


def _scores_over_time(burden: pd.DataFrame, dot: str, options: Options) -> Iterator[Item | Part]:
    """Axis scores of each sample."""
    axes = pl.axes_of(burden)
    if "index_mean" in burden and tidy.column(burden, "index_mean").notna().any():
        axes = ["index_mean", *axes]
    long = [
        tidy.with_defaults(burden).assign(
            compartment=a.removeprefix("z:"),
            value=tidy.column(burden, a if a in burden else f"mean:{a}").to_numpy(),
        )
        for a in axes
    ]
    if not long:
        yield Gap("Scores over time", "No axis score.")
        return
    table = pd.concat(long, ignore_index=True)
    names = [a.removeprefix("z:") for a in axes]
    yield Part(
        "scores_over_time",
        title="Axis scores per sample",
        caption=f"One dot is one {dot}; grey: unirradiated controls.",
        alt=f"Scores of {len(axes)} axes against time, one dot per sample.",
        draw=lambda layout: pl.timecourse(
            table, measure="value", title="score (control SD)", compartments=names,
            control=options.control, phase_cuts=options.phase_cuts, layout=layout,
        ),
        numbers=lambda: pl.timecourse_table(table, measure="value", control=options.control),
    )  # fmt: skip
    yield view(burden, "burden", title="Scores per sample")


def describe_states(numbers: pd.DataFrame) -> str:
    """Describe the shares of the states."""
    rows = numbers[(numbers["state"] == "senescent") & ~numbers["control"]]
    parts = [
        f"{name} up to {tidy.percent(group['share'].max())}" for name, group in by_compartment(rows)
    ]
    said = f" Senescent: {'; '.join(parts)}." if parts else ""
    return f"Stacked bars of cell states against time, one panel per compartment.{said}"


@section(
    "states",
    "States over time",
    lead=(
        "Each cell is in one state. Senescent: found by the learnt programme where there is one, "
        "else by the fixed lists (arrest and further evidence over a cut that is set on "
        "unirradiated cells), in either case at the stated false discovery rate. Senescent "
        "candidate: fulfils the fixed lists, but the learnt programme or the false discovery rate "
        "does not confirm it, or something that a claim needs is missing, such as a known day. By "
        "design some unirradiated cells are candidates. Acute damage response: arrest with a p53 "
        "response too early to be called senescence."
    ),
)
def states(run: Run, options: Options) -> Iterator[Item | Part]:
    """Which states the cells are in."""
    burden = run.get("burden")
    if burden is None:
        yield Gap("States over time", run.why_not("burden"))
        return
    yield Part(
        "states_over_time",
        title="States per compartment and time",
        caption=(
            "Each bar is the mean over the samples of a time, of all cells of the compartment; "
            "senescent cells stand at the foot. "
            f"{_dose_only(burden, options)} {seldom(run)}"
        ),
        alt=describe_states,
        draw=lambda layout: pl.states(burden, control=options.control, layout=layout),
        numbers=lambda: pl.states_table(burden, control=options.control),
    )


_MAPS: Final = {
    k.COMPARTMENT: "Each name stands at the middle of its cells.",
    k.STATE: "Triangles: senescent cells. Each compartment is named at the middle of its cells.",
    k.INDEX: (
        "The index is the weighted evidence of senescence of a cell, in standard deviations of "
        "the control cells of its compartment. Faint: cells that have none."
    ),
}
"""What the cells of the map are coloured by, and what to say of it."""


def describe_cells(numbers: pd.DataFrame) -> str:
    """Describe a map of cells."""
    lead = f"Map (UMAP) of {len(numbers):,} cells"
    value = numbers["value"]
    if pd.api.types.is_numeric_dtype(value):
        low, middle, high = (tidy.number(value.quantile(q), 2) for q in (0.05, 0.5, 0.95))
        return f"{lead}, coloured by a number: median {middle}, 90 % between {low} and {high}."
    shares = value.map(theme.pretty).value_counts(normalize=True)
    said = ", ".join(f"{name} {tidy.percent(share)}" for name, share in shares.items())
    return f"{lead}, coloured by group: {said}."


@section(
    "cells",
    "Map of cells",
    lead=(
        "Which cells are alike, and which of them are called senescent? Cells that express "
        "similar genes lie close together; large distances and empty space mean nothing. No "
        "batch was corrected, so that groups can also lie apart for technical reasons. It is a "
        "picture to look at: no answer on this page is read off it."
    ),
)
def cells(run: Run, _options: Options) -> Iterator[Part]:
    """Where cells lie that are alike; nothing where no map was asked for."""
    table = run.get("embedding")
    if table is None:
        return
    groups = list(table.groupby("organism", sort=True, observed=True))
    for organism, group in groups:
        for color in _MAPS:
            yield _map(group, color, organism=str(organism) if len(groups) > 1 else "")


def _map(cells: pd.DataFrame, color: str, *, organism: str) -> Part:
    """One picture of the map; the organism is named where there are several."""
    return Part(
        "_".join(filter(None, ["map", color, organism])),
        title=", ".join(filter(None, [f"Cells by {theme.pretty(color).lower()}", organism])),
        caption=f"{len(cells):,} cells drawn at random. {_MAPS[color]}",
        alt=describe_cells,
        draw=lambda layout: pl.umap(cells, color=color, max_cells=len(cells), layout=layout),
        numbers=lambda: pl.umap_table(cells, color=color, max_cells=len(cells)),
    )


def _dose_only(burden: pd.DataFrame, options: Options) -> str:
    """Say which dose alone a figure over time shows, where there are several."""
    table = tidy.with_defaults(burden)
    if len(arms(table, options.control)) < 2:
        return ""
    return f"Irradiated: {main_arm(table, options.control).said} only, which most samples have."


def describe_heat(numbers: pd.DataFrame) -> str:
    """Describe a heat map of axes."""
    n_axes = numbers["axis"].nunique()
    lead = f"Heat map of {n_axes} axes against time, one panel per compartment."
    held = numbers[numbers["holds"]]
    if held.empty:
        return f"{lead} No difference from control holds after Benjamini–Hochberg."
    row = held.iloc[int(held["difference"].abs().to_numpy().argmax())]
    axis = theme.pretty(str(row["axis"]).removeprefix("z:"))
    n = numbers["difference"].count()
    return (
        f"{lead} {len(held)} of {n} differences hold; the largest: {axis} in "
        f"{lower(theme.pretty(str(row[k.COMPARTMENT])))} at {row['time']}, "
        f"{tidy.number(row['difference'], 2)}."
    )


def _heat(run: Run, options: Options, *, only_sasp: bool) -> Item | Part:
    name = "sasp_families" if only_sasp else "axes"
    title = "SASP families over time" if only_sasp else "Axes of evidence over time"
    burden = run.get("burden")
    if burden is None:
        return Gap(title, run.why_not("burden"))
    axes = pl.sasp_families(burden) if only_sasp else pl.axes_of(burden)
    if not axes:
        return Gap(title, "The burden table has no mean score of such an axis.")
    trend = run.get("trend")
    settings: dict[str, Any] = {"control": options.control, "alpha": options.alpha}
    draw = pl.sasp if only_sasp else pl.heatmap
    how = (
        "Estimates of the contrasts: irradiated against the controls of the same time where "
        "there are two, else all controls"
        if trend is not None
        else "Difference of means, with the controls of the same time where there are two, else all"
    )
    return Part(
        name,
        title=title,
        caption=(
            f"{how}, within a compartment; 1 is one standard deviation of its control cells. "
            f"{_dose_only(burden, options)}"
        ),
        alt=describe_heat,
        draw=lambda layout: draw(burden, trend, layout=layout, **settings),
        numbers=lambda: pl.heatmap_table(burden, trend, axes=axes, **settings),
    )


@section(
    "sasp",
    "SASP families",
    lead=(
        "Do the cells express more of what senescent cells secrete? By family, over all cells of a "
        "compartment; expression is not secretion. SASP alone never makes a cell senescent: immune "
        "cells and fibroblasts express much of it at rest, so each compartment is compared with "
        "its own controls."
    ),
)
def sasp(run: Run, options: Options) -> Iterator[Item | Part]:
    """SASP families over time."""
    yield _heat(run, options, only_sasp=True)


@section(
    "axes",
    "Axes of evidence",
    lead=(
        "Each line of evidence on its own, over all cells of a compartment, against unirradiated "
        "cells of the same compartment. No line alone is evidence of senescence."
    ),
)
def axes(run: Run, options: Options) -> Iterator[Item | Part]:
    """Axes of evidence over time."""
    yield _heat(run, options, only_sasp=False)


def describe_doses(numbers: pd.DataFrame) -> str:
    """Describe the dose response."""
    parts = []
    for name, rows in by_compartment(numbers):
        means = rows.groupby(k.DOSE, observed=True)["value"].mean()
        ends = [f"{tidy.percent(v)} at {d:g} Gy" for d, v in means.iloc[[0, -1]].items()]
        parts.append(f"{name} {', '.join(ends)}")
    return f"Senescent fraction against dose. {'; '.join(parts)}."


def _dose(run: Run, options: Options) -> Iterator[Part]:
    """Dose-response, where three doses have a fraction; with fewer there is none to draw."""
    burden = run.get("burden")
    if burden is None:
        return
    try:
        pl.dose_table(burden, control=options.control)
    except InputError:
        return
    yield Part(
        "dose_response",
        title="Senescent fraction against dose",
        caption=(
            "One dot is one sample; drawn are the times with two doses or more and the "
            "controls that the test takes for them. Lines join means and are no fit; the slope "
            "above each panel is over log(1 + Gy) of the physical dose."
        ),
        alt=describe_doses,
        draw=lambda layout: pl.dose_response(
            burden, run.get("trend"), control=options.control, layout=layout
        ),
        numbers=lambda: pl.dose_table(burden, control=options.control),
    )


_SCALES: Final = {
    "log odds": "A log odds ratio of 0.7 doubles the odds, one of 2.3 makes them tenfold. ",
    # sin(arcsin(sqrt(0.05)) + d)**2
    "radians (arcsine)": (
        "From 5 % in controls, a difference of 0.1 leads to 10 %, 0.2 to 17 % and 0.3 to 25 %. "
    ),
}
"""How to read a difference, by the unit of the trend table."""


def _scale(trend: pd.DataFrame, measure: str) -> str:
    units = trend.loc[trend["measure"] == measure, "unit"].dropna().unique()
    return _SCALES.get(str(units[0]), "") if len(units) else ""


def describe_forest(numbers: pd.DataFrame) -> str:
    """Describe the contrasts."""
    held = numbers[numbers["holds"]]
    up, down = int((held["estimate"] > 0).sum()), int((held["estimate"] < 0).sum())
    return (
        "Forest plot of the contrasts with control, one panel per compartment. "
        f"Of {len(numbers)} contrasts {up} hold above and {down} below control."
    )


@section(
    "contrasts",
    "Contrasts",
    lead=(
        "Irradiated against control at each time and dose, one value a sample. All numbers of a "
        "row belong to one comparison: irradiated against control at the time named. q is p "
        "corrected (Benjamini–Hochberg) for all tests of the same question; with one sample in a "
        "group there is a difference and no test."
    ),
)
def contrasts(run: Run, options: Options) -> Iterator[Item | Part]:
    """Every contrast with its interval."""
    trend = run.get("trend")
    if trend is None:
        yield Gap("Contrasts", run.why_not("trend"))
        return
    drawn = irradiated(trend)
    measures = set(trend["measure"])
    measure = next(
        (m for m in ("fraction_senescent", "fraction", "index_mean") if m in measures), ""
    )
    yield Part(
        "contrasts",
        title=f"Irradiated against control: {theme.pretty(measure)}",
        caption=(
            f"Right of the line: more than in controls. {_scale(trend, measure)}n counts animals "
            "or patients, never cells."
        ),
        alt=describe_forest,
        draw=lambda layout: pl.forest(drawn, measure=measure, alpha=options.alpha, layout=layout),
        numbers=lambda: pl.forest_table(drawn, measure=measure, alpha=options.alpha),
    )
    yield from _dose(run, options)
    first = trend.assign(_rank=(trend["measure"] != measure).astype(int))
    ordered = first.sort_values("_rank", kind="stable").drop(columns="_rank")
    columns = [
        "question", k.COMPARTMENT, "measure", "contrast", "n_control", "n_treated", "estimate",
        "ci_lo", "ci_hi", "unit", "p", "q", "p_permutation", "permutation_floor", "status",
        "reason", "note",
    ]  # fmt: skip
    yield view(ordered, "trend", title="All contrasts", columns=columns)
    yield table_of(run, "families", title="Families of tests: what was adjusted together")
    if run.get("readouts") is not None:
        yield table_of(run, "readouts", title="Peak, persistence, decline")
