"""Sections of results: burden, states, SASP, axes, contrasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.errors import InputError
from senoscore.plotting import arms, main_arm, theme, tidy
from senoscore.report import alt as _alt
from senoscore.report.charts import Figure, Gap, figure
from senoscore.report.parts import Item, Options, Section, table_of
from senoscore.report.tables import view
from senoscore.report.words import LEADS, seldom

if TYPE_CHECKING:
    from senoscore.report.load import Run


def burden(run: Run, options: Options) -> Section:
    """How much is senescent."""
    burden, trend = run.get("burden"), run.get("trend")
    lead = LEADS["burden"]
    title = "Burden over time"
    if burden is None:
        return Section("burden", title, lead, (Gap("Burden over time", run.why_not("burden")),))
    shown = _comparable(burden, measure="fraction")
    if shown is None:
        return _scores_over_time(burden, options)
    drawn = figure(
        "burden_over_time",
        lambda layout: pl.timecourse(
            shown,
            trend,
            control=options.control,
            alpha=options.alpha,
            phase_cuts=options.phase_cuts,
            layout=layout,
        ),
        lambda: pl.timecourse_table(shown, control=options.control),
        title="Senescent cells per compartment, in per cent",
        caption=(
            f"{_phases_said(options)} Time is drawn as log(1 + days); all panels share one "
            "vertical scale. The cut is set on controls, so the excess over them is a lower bound. "
            f"{_dose_said(burden, options)} {seldom(run)}"
        ),
        alt_text=_alt.burden,
        folder=options.figures,
    )
    columns = [
        k.DATASET,
        k.SAMPLE,
        k.COMPARTMENT,
        k.TREATMENT,
        k.DOSE,
        k.DAYS,
        "n_cells",
        "n_assessable",
    ]
    columns += [
        "fraction",
        "fraction_lo",
        "fraction_hi",
        "control_fraction",
        "excess",
        "index_mean",
        "status",
        "note",
    ]
    table = view(burden, "burden", title="Burden per sample and compartment", columns=columns)
    return Section("burden", title, lead, (drawn, table))


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


def _comparable(burden: pd.DataFrame, *, measure: str) -> pd.DataFrame | None:
    """Rows of compartments that have a value; None where none has (bulk, for one)."""
    rows = burden[burden[k.COMPARTMENT].astype(str) != k.UNASSIGNED]
    if measure not in rows or not tidy.column(rows, measure).notna().any():
        return None
    return rows


def _scores_over_time(burden: pd.DataFrame, options: Options) -> Section:
    """Bulk and the like: no cells, so no fraction; axis scores of each sample instead."""
    whole = set(burden[k.COMPARTMENT].astype(str)) <= {k.BULK}
    lead = LEADS["scores" if whole else "no_call"]
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
        return Section(
            "burden", "Scores over time", lead, (Gap("Scores over time", "No axis score."),)
        )
    table = pd.concat(long, ignore_index=True)
    names = [a.removeprefix("z:") for a in axes]
    drawn = figure(
        "scores_over_time",
        lambda layout: pl.timecourse(
            table, measure="value", title="score (control SD)", compartments=names,
            control=options.control, phase_cuts=options.phase_cuts, layout=layout,
        ),
        lambda: pl.timecourse_table(table, measure="value", control=options.control),
        title="Axis scores per sample",
        caption=(
            f"One dot is one {'sample' if whole else 'compartment of one sample'}; grey: "
            "unirradiated controls."
        ),
        alt_text=f"Scores of {len(axes)} axes against time, one dot per sample.",
        folder=options.figures,
    )  # fmt: skip
    return Section(
        "burden",
        "Scores over time",
        lead,
        (drawn, view(burden, "burden", title="Scores per sample")),
    )


def states(run: Run, options: Options) -> Section:
    """Which states the cells are in."""
    lead = LEADS["states"]
    item: Figure | Gap
    burden = run.get("burden")
    if burden is None:
        item = Gap("States over time", run.why_not("burden"))
    else:
        item = figure(
            "states_over_time",
            lambda layout: pl.states(burden, control=options.control, layout=layout),
            lambda: pl.states_table(burden, control=options.control),
            title="States per compartment and time",
            caption=(
                "Each bar is the mean over the samples of a time, of all cells of the compartment; "
                "senescent cells stand at the foot. "
                f"{_dose_only(burden, options)} {seldom(run)}"
            ),
            alt_text=_alt.states,
            folder=options.figures,
        )
    return Section("states", "States over time", lead, (item,))


_MAPS: Final = {
    k.COMPARTMENT: "Each name stands at the middle of its cells.",
    k.STATE: "Triangles: senescent cells. Each compartment is named at the middle of its cells.",
    k.INDEX: (
        "The index is the weighted evidence of senescence of a cell, in standard deviations of "
        "the control cells of its compartment. Faint: cells that have none."
    ),
}
"""What the cells of the map are coloured by, and what to say of it."""


def cells(run: Run, options: Options) -> Section | None:
    """Where cells lie that are alike; None where no map was asked for."""
    table = run.get("embedding")
    if table is None:
        return None
    by = list(table.groupby("organism", sort=True, observed=True))
    maps = [
        _map(group, color, organism=str(organism) if len(by) > 1 else "", options=options)
        for organism, group in by
        for color in _MAPS
    ]
    return Section("cells", "Map of cells", LEADS["cells"], tuple(maps))


def _map(cells: pd.DataFrame, color: str, *, organism: str, options: Options) -> Figure | Gap:
    """One picture of the map; the organism is named where there are several."""
    return figure(
        "_".join(filter(None, ["map", color, organism])),
        lambda layout: pl.umap(cells, color=color, max_cells=len(cells), layout=layout),
        lambda: pl.umap_table(cells, color=color, max_cells=len(cells)),
        title=", ".join(filter(None, [f"Cells by {theme.pretty(color).lower()}", organism])),
        caption=f"{len(cells):,} cells drawn at random. {_MAPS[color]}",
        alt_text=_alt.cells,
        folder=options.figures,
    )


def _dose_only(burden: pd.DataFrame, options: Options) -> str:
    """Say which dose alone a figure over time shows, where there are several."""
    table = tidy.with_defaults(burden)
    if len(arms(table, options.control)) < 2:
        return ""
    return f"Irradiated: {main_arm(table, options.control).said} only, which most samples have."


def _heat(run: Run, options: Options, *, only_sasp: bool) -> Figure | Gap:
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
    return figure(
        name,
        lambda layout: draw(burden, trend, layout=layout, **settings),
        lambda: pl.heatmap_table(burden, trend, axes=axes, **settings),
        title=title,
        caption=(
            f"{how}, within a compartment; 1 is one standard deviation of its control cells. "
            f"{_dose_only(burden, options)}"
        ),
        alt_text=_alt.heat,
        folder=options.figures,
    )


def sasp(run: Run, options: Options) -> Section:
    """SASP families over time."""
    lead = LEADS["sasp"]
    return Section("sasp", "SASP families", lead, (_heat(run, options, only_sasp=True),))


def axes(run: Run, options: Options) -> Section:
    """Axes of evidence over time."""
    lead = LEADS["axes"]
    return Section("axes", "Axes of evidence", lead, (_heat(run, options, only_sasp=False),))


def _dose(run: Run, options: Options) -> list[Item]:
    """Dose-response, where three doses have a fraction; with fewer there is none to draw."""
    burden = run.get("burden")
    if burden is None:
        return []
    try:
        pl.dose_table(burden, control=options.control)
    except InputError:
        return []
    return [
        figure(
            "dose_response",
            lambda layout: pl.dose_response(
                burden, run.get("trend"), control=options.control, layout=layout
            ),
            lambda: pl.dose_table(burden, control=options.control),
            title="Senescent fraction against dose",
            caption=(
                "One dot is one sample; drawn are the times with two doses or more and the "
                "controls that the test takes for them. Lines join means and are no fit; the slope "
                "above each panel is over log(1 + Gy) of the physical dose."
            ),
            alt_text=_alt.dose,
            folder=options.figures,
        )
    ]


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


def contrasts(run: Run, options: Options) -> Section:
    """Every contrast with its interval."""
    lead = LEADS["contrasts"]
    trend = run.get("trend")
    if trend is None:
        return Section("contrasts", "Contrasts", lead, (Gap("Contrasts", run.why_not("trend")),))
    measures = set(trend["measure"])
    measure = next(
        (m for m in ("fraction_senescent", "fraction", "index_mean") if m in measures), ""
    )
    drawn = figure(
        "contrasts",
        lambda layout: pl.forest(trend, measure=measure, alpha=options.alpha, layout=layout),
        lambda: pl.forest_table(trend, measure=measure, alpha=options.alpha),
        title=f"Irradiated against control: {theme.pretty(measure)}",
        caption=(
            f"Right of the line: more than in controls. {_scale(trend, measure)}n counts animals "
            "or patients, never cells."
        ),
        alt_text=_alt.forest,
        folder=options.figures,
    )
    first = trend.assign(_rank=(trend["measure"] != measure).astype(int))
    ordered = first.sort_values("_rank", kind="stable").drop(columns="_rank")
    columns = [
        "question",
        k.COMPARTMENT,
        "measure",
        "contrast",
        "n_control",
        "n_treated",
        "estimate",
        "ci_lo",
    ]
    columns += [
        "ci_hi",
        "unit",
        "p",
        "q",
        "p_permutation",
        "permutation_floor",
        "status",
        "reason",
        "note",
    ]
    items: list[Item] = [drawn, *_dose(run, options)]
    items.append(view(ordered, "trend", title="All contrasts", columns=columns))
    items.append(table_of(run, "families", title="Families of tests: what was adjusted together"))
    if run.get("readouts") is not None:
        items.append(table_of(run, "readouts", title="Peak, persistence, decline"))
    return Section("contrasts", "Contrasts", lead, tuple(items))
