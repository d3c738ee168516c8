"""What was measured beside the matrix: blood over time, stains beside the burden, outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.legend import Sign, explained
from senoscore.study import takes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import altair as alt


__all__ = [
    "PANELS",
    "blood",
    "blood_table",
    "external",
    "external_table",
    "outcome",
    "outcome_table",
]

PANELS: Final = 9
"""Panels of one figure; of more analytes those with the smallest p are drawn."""
_ARMS: Final = tuple(
    theme.COMPARTMENT_COLOURS[name]  # the endothelial blue is too near to the first
    for name in ("astrocyte", "fibroblast", "macrophage", "tumour", "t_cell", "b_cell", "neuron")
)
_KNOWN: Final = {"measured": "circle", "at_most": "triangle-down", "at_least": "triangle-up"}
_BOUND: Final = {"measured": "", "at_most": "at most ", "at_least": "at least "}
_EVENT, _NONE, _OTHER = "event", "no event until then", "competing event"
_ENDS: Final = {1.0: _EVENT, 0.0: _NONE, 2.0: _OTHER}
_SURVIVAL: Final = "time-to-event"


@takes(check_control=False, table="sen.blood(...)", changes="questions.blood_changes(...)")
def blood(
    table: pd.DataFrame,
    changes: pd.DataFrame,
    *,
    arms: Iterable[str] = (),
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw the change of each subject from its baseline by arm, a panel an analyte.

    Dots are subjects; a triangle is a bound, where value or baseline is below the limit of
    detection. A bar is the estimate of an arm with its 95 % interval.

    Parameters
    ----------
    table
        As :func:`senoscore.blood` gives it.
    changes
        As :func:`senoscore.questions.blood_changes` gives it.
    arms
        All arms of the study, where other figures stand beside this one: each keeps its colour.

    Raises
    ------
    InputError
        No subject has a value before irradiation and one after it.
    """
    import altair as alt

    rows = blood_table(table, changes)
    rows["text"] = [_blood_text(row) for row in tidy.rows(rows)]
    colours, days = _arms(rows, arms), sorted(rows["days"].unique())
    wide = layout == "wide"
    size = {"width": 240 if wide else 250, "height": 170}
    span = _span(rows[["value", "ci_lo", "ci_hi"]].to_numpy(dtype=float))
    panels = [
        _blood_panel(rows[rows["analyte"] == name], colours, days, span).properties(
            title=alt.TitleParams(theme.heading(str(name)), subtitle=_below(rows, str(name))),
            **size,
        )
        for name in dict.fromkeys(rows["analyte"])
    ]
    signs = [
        *_arm_signs(colours),
        Sign("estimate with 95 % CI", "stroke", stroke=theme.INK, size=150),
    ]
    present = set(rows["known"])
    for known, text in (
        ("at_most", "at most: value below the limit of detection"),
        ("at_least", "at least: baseline below the limit"),
    ):
        if known in present:
            signs.append(Sign(text, _KNOWN[known], stroke=theme.INK_SOFT, size=45))
    chart = alt.concat(*panels, columns=3 if wide else 1)
    return explained(chart, signs, width=930 if wide else 310, left=45).configure(**theme.config())


def _blood_panel(
    own: pd.DataFrame, arms: Mapping[str, str], days: Sequence[float], span: Sequence[float]
) -> Any:
    import altair as alt

    labels = [tidy.day_label(day) for day in days]
    own = own.assign(day=own["days"].map(tidy.day_label))
    x: dict[str, Any] = {
        "x": alt.X(
            "day:N", sort=labels, title="after irradiation", scale=alt.Scale(domain=labels),
            axis=alt.Axis(labelAngle=0, ticks=False),
        ),
        "xOffset": alt.XOffset("arm:N", sort=list(arms), scale=alt.Scale(domain=list(arms))),
    }  # fmt: skip
    y = alt.Y(
        "value:Q", title="log2 ratio to own baseline",
        scale=alt.Scale(domain=list(span), nice=False),
        axis=alt.Axis(tickCount=5, format="~g", minExtent=28),
    )  # fmt: skip
    colour = alt.Color("arm:N", scale=_arm_scale(arms), legend=None)
    drawn = ["day", "arm", "value", "known", "text", "ci_lo", "ci_hi"]
    dots, means = own.loc[own["subject"] != "", drawn], own.loc[own["subject"] == "", drawn]
    zero = alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(
        color=theme.CONTROL_INK, strokeDash=[3, 3], aria=False
    )
    shape = alt.Shape(
        "known:N", scale=alt.Scale(domain=list(_KNOWN), range=list(_KNOWN.values())), legend=None
    )
    layers: list[Any] = [
        zero.encode(y=y),
        alt.Chart(dots)
        .mark_point(size=38, opacity=0.8, strokeWidth=1.4)
        .encode(**x, y=y, color=colour, shape=shape, description=alt.Description("text:N")),
    ]
    known = means[means["ci_lo"].notna()]
    if len(known):
        layers += [
            alt.Chart(known)
            .mark_rule(color=theme.INK, strokeWidth=1.6, aria=False)
            .encode(**x, y=alt.Y("ci_lo:Q"), y2=alt.Y2("ci_hi")),
            alt.Chart(known)
            .mark_tick(color=theme.INK, thickness=2.4, size=14, orient="horizontal")
            .encode(**x, y=y, description=alt.Description("text:N")),
        ]
    return alt.layer(*layers)


def _below(rows: pd.DataFrame, analyte: str) -> str:
    dots = rows[(rows["analyte"] == analyte) & (rows["subject"] != "")]
    n = int(dots["known"].ne("measured").sum()) + int(dots["left_out"].iloc[0])
    return (
        f"{n} of {len(dots) + int(dots['left_out'].iloc[0])} changes with a value below the limit"
    )


def _blood_text(row: Any) -> str:
    who = f"subject {row.subject}" if row.subject else "estimate"
    value = f"{_BOUND[row.known]}{tidy.number(row.value)}"
    interval = (
        f" (95 % CI {tidy.number(row.ci_lo)} to {tidy.number(row.ci_hi)})"
        if np.isfinite(row.ci_lo)
        else ""
    )
    return f"{row.analyte}, {row.arm}, {tidy.day_label(row.days)}, {who}: {value}{interval}"


@takes(check_control=False, table="sen.blood(...)", changes="questions.blood_changes(...)")
def blood_table(table: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`blood` draws: a row a subject, and one an estimate (no subject).

    Of more than nine analytes those with the smallest p of any test; ``left_out`` counts the
    pairs of an analyte of which both values are below the limit.

    Raises
    ------
    InputError
        As there.
    """
    tidy.need(changes, ["analyte", k.SUBJECT, "arm", k.DAYS, "log2_ratio", "known"], what="changes")
    drawn = changes[changes["arm"].notna()].copy()
    lost = drawn[drawn["known"] == "unknown"].groupby("analyte", observed=True).size()
    drawn = drawn[drawn["known"] != "unknown"]
    if drawn.empty:
        raise InputError("no subject has a value before irradiation and one after it")
    best = table.assign(p=tidy.column(table, "p")).groupby("analyte", observed=True)["p"].min()
    best = best.reindex(sorted(drawn["analyte"].unique())).fillna(1.0)
    shown = list(best.sort_values(kind="stable").index[:PANELS])
    drawn = drawn[drawn["analyte"].isin(shown)]
    dots = pd.DataFrame(
        {
            "analyte": drawn["analyte"], "arm": drawn["arm"].astype(str),
            "days": tidy.column(drawn, k.DAYS), "subject": drawn[k.SUBJECT].astype(str),
            "value": tidy.column(drawn, "log2_ratio"), "known": drawn["known"],
            "ci_lo": np.nan, "ci_hi": np.nan,
        }
    )  # fmt: skip
    asked = table["question"].eq("against_baseline") & table["analyte"].isin(shown)
    rows = table[asked & tidy.column(table, "estimate").notna()]
    means = pd.DataFrame(
        {
            "analyte": rows["analyte"],
            "arm": rows["contrast"].astype(str).str.rpartition(": day ")[0],
            "days": tidy.column(rows, k.DAYS), "subject": "",
            "value": tidy.column(rows, "estimate"), "known": "measured",
            "ci_lo": tidy.column(rows, "ci_lo"), "ci_hi": tidy.column(rows, "ci_hi"),
        }
    )  # fmt: skip
    out = pd.concat([dots, means], ignore_index=True)
    out["left_out"] = out["analyte"].map(lost).fillna(0).astype(int)
    out["place"] = out["analyte"].map(shown.index)
    order = ["place", "days", "arm", "subject"]
    return out.sort_values(order, kind="stable", ignore_index=True).drop(columns="place")


@takes(check_control=False, pairs="questions.external_pairs(...)", table="sen.external(...)")
def external(
    pairs: pd.DataFrame,
    table: pd.DataFrame | None = None,
    *,
    arms: Iterable[str] = (),
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw each sample's burden against what was measured of it elsewhere, a panel a measure.

    Where both are shares the dashed line is equality. A ring marks a sample outside the limits of
    agreement.

    Parameters
    ----------
    pairs
        As :func:`senoscore.questions.external_pairs` gives it.
    table
        As :func:`senoscore.external` gives it: rho and the mean difference above each panel.
    arms
        All arms of the study, where other figures stand beside this one: each keeps its colour.

    Raises
    ------
    InputError
        No sample has both.
    """
    import altair as alt

    rows = external_table(pairs, table)
    rows["text"] = [
        f"{row.sample}, {row.arm}: {tidy.percent(row.fraction)} senescent, {row.measure} "
        f"{tidy.number(row.value)}" + (", outside the limits of agreement" if row.outside else "")
        for row in tidy.rows(rows)
    ]
    colours = _arms(rows, arms)
    wide = layout == "wide"
    panels = []
    for (where, measure), group in rows.groupby(
        [k.COMPARTMENT, "measure"], sort=False, observed=True
    ):
        said = [] if table is None else _external_said(table, str(where), str(measure))
        title = alt.TitleParams(
            theme.heading(f"{theme.pretty(str(measure))}, {str(where).replace('_', ' ')}", 40),
            subtitle=said, color=theme.title_colour(str(where)),
        )  # fmt: skip
        panel = _external_panel(group, colours)
        panels.append(panel.properties(title=title, width=240 if wide else 250, height=180))
    signs = _arm_signs(colours)
    if rows["share"].notna().any():
        signs.append(Sign("equal shares", "stroke", stroke=theme.CONTROL_INK, size=150))
    if rows["outside"].any():
        signs.append(Sign("outside the limits", "circle", stroke=theme.BAD, size=150))
    chart = alt.concat(*panels, columns=3 if wide else 1)
    return explained(chart, signs, width=930 if wide else 310, left=45).configure(**theme.config())


def _external_panel(own: pd.DataFrame, arms: Mapping[str, str]) -> Any:
    import altair as alt

    share = own["share"].notna().any()
    own = own.assign(x=own["share"] if share else own["value"])
    x = alt.X(
        "x:Q", title="measured elsewhere" + (", share" if share else ""),
        scale=alt.Scale(zero=bool(share), nice=True), axis=alt.Axis(tickCount=4, format=".4~g"),
    )  # fmt: skip
    y = alt.Y(
        "fraction:Q", title="senescent, % of assessable cells", scale=alt.Scale(zero=True),
        axis=alt.Axis(tickCount=4, format="~%", minExtent=28),
    )  # fmt: skip
    layers: list[Any] = []
    if share:
        top = float(np.nanmax(own[["x", "fraction"]].to_numpy(dtype=float))) or 0.01
        line = pd.DataFrame({"x": [0.0, top], "fraction": [0.0, top]})
        rule = alt.Chart(line).mark_line(color=theme.CONTROL_INK, strokeDash=[4, 3], aria=False)
        layers.append(rule.encode(x=x, y=y))
    drawn = own[["x", "fraction", "arm", "outside", "text"]]
    dots = alt.Chart(drawn).mark_point(filled=True, size=48, opacity=0.85)
    layers.append(
        dots.encode(
            x=x, y=y, color=alt.Color("arm:N", scale=_arm_scale(arms), legend=None),
            description=alt.Description("text:N"),
        )
    )  # fmt: skip
    far = drawn[drawn["outside"]]
    if len(far):
        ring = alt.Chart(far).mark_point(size=150, color=theme.BAD, strokeWidth=1.6, aria=False)
        layers.append(ring.encode(x=x, y=y))
    return alt.layer(*layers)


def _external_said(table: pd.DataFrame, where: str, measure: str) -> list[str]:
    """What the tests say of a panel, in words."""
    answers = table[table[k.COMPARTMENT].eq(where) & table["measure"].eq(measure)]
    by = {str(row["question"]): row for row in answers.to_dict("records")}
    said = []
    for question, words in (("rank_over_all", "rho over all"), ("rank_within_arms", "within arms")):
        row = by.get(question)
        if row is not None and np.isfinite(row["estimate"]):
            q = f" (q {tidy.p_value(row['q'])})" if np.isfinite(row["q"]) else ""
            said.append(f"{words} {tidy.number(row['estimate'], 2)}{q}")
    lines = ["; ".join(said)] if said else []
    row = by.get("agreement")
    if row is not None and np.isfinite(row["estimate"]):
        gap = tidy.number(100 * row["estimate"], 2)
        lines.append(f"mean difference {gap} points")
    return lines


@takes(check_control=False, pairs="questions.external_pairs(...)", table="sen.external(...)")
def external_table(pairs: pd.DataFrame, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the samples that :func:`external` draws; ``outside``: of the limits of agreement.

    Of more than nine measures those with the smallest p of any test.

    Raises
    ------
    InputError
        As there.
    """
    need = [k.SAMPLE, k.COMPARTMENT, "measure", "arm", "fraction", "value", "share"]
    tidy.need(pairs, need, what="pairs of measurements")
    both = pairs[
        tidy.column(pairs, "fraction").notna() & tidy.column(pairs, "value").notna()
    ].copy()
    if both.empty:
        raise InputError("no sample has both a burden and a measurement from elsewhere")
    for name in ("fraction", "value", "share"):
        both[name] = tidy.column(both, name)
    both["arm"], both["outside"] = both["arm"].astype(str), False
    keys = [k.COMPARTMENT, "measure"]
    if table is not None:
        tests = table.assign(p=tidy.column(table, "p"))
        best = (
            tests.groupby(keys, observed=True)["p"].min().fillna(1.0).rename("best").reset_index()
        )
        limits = tests.loc[tests["question"] == "agreement", [*keys, "limit_lo", "limit_hi"]]
        both = both.merge(best, on=keys, how="left").merge(limits, on=keys, how="left")
        gap = both["fraction"] - both["share"]
        both["outside"] = gap.lt(both["limit_lo"]) | gap.gt(both["limit_hi"])
        both = both.sort_values("best", kind="stable")
    kept = both[keys].drop_duplicates().head(PANELS)
    both = both.merge(kept, on=keys)
    return both[[*need, "outside"]].reset_index(drop=True)


@takes(
    check_control=False, subjects="questions.outcome_subjects(...)", table="sen.outcome(...)"
)  # fmt: skip
def outcome(
    subjects: pd.DataFrame,
    table: pd.DataFrame | None = None,
    *,
    endpoint: str,
    arms: Iterable[str] = (),
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw the burden of each subject at the landmark against its outcome, a panel a compartment.

    Of a time to an event, filled dots are events; hollow ones had none until then.

    Parameters
    ----------
    subjects
        As :func:`senoscore.questions.outcome_subjects` gives it.
    table
        As :func:`senoscore.outcome` gives it: the association above each panel.
    endpoint
        Which one.
    arms
        All arms of the study, where other figures stand beside this one: each keeps its colour.

    Raises
    ------
    InputError
        No subject of this endpoint has a burden at the landmark.
    """
    import altair as alt

    rows = outcome_table(subjects, endpoint=endpoint)
    by_index = bool(rows["by_index"].iloc[0])
    rows["text"] = [_outcome_text(row) for row in tidy.rows(rows)]
    colours, wide = _arms(rows, arms), layout == "wide"
    panels = []
    for name in theme.known_first(rows[k.COMPARTMENT], theme.COMPARTMENT_COLOURS):
        said = "" if table is None else _outcome_said(table, endpoint, name, by_index=by_index)
        panels.append(
            _outcome_panel(rows[rows[k.COMPARTMENT] == name], rows, colours).properties(
                title=alt.TitleParams(
                    theme.heading(name), subtitle=said, color=theme.title_colour(name)
                ),
                width=240 if wide else 250, height=170,
            )
        )  # fmt: skip
    signs = _arm_signs(colours)
    if (rows["kind"] == _SURVIVAL).all():
        ink = theme.INK_SOFT
        present = set(rows["end"])
        marks = {
            _EVENT: Sign(_EVENT, "circle", fill=ink, stroke=ink),
            _NONE: Sign(_NONE, "circle", stroke=ink),
            _OTHER: Sign(_OTHER, "cross", stroke=ink),
        }
        signs += [sign for end, sign in marks.items() if end in present]
    chart = alt.concat(*panels, columns=3 if wide else 1)
    return explained(chart, signs, width=930 if wide else 310, left=45).configure(**theme.config())


def _outcome_panel(own: pd.DataFrame, every: pd.DataFrame, arms: Mapping[str, str]) -> Any:
    import altair as alt

    kind, by_index = str(own["kind"].iloc[0]), bool(own["by_index"].iloc[0])
    x: dict[str, Any] = {}
    if kind == "grade":
        levels = [f"{level:g}" for level in sorted(every["at"].unique())]
        own = own.assign(grade=own["at"].map("{:g}".format))
        x["x"] = alt.X(
            "grade:N", title="grade", sort=levels, scale=alt.Scale(domain=levels),
            axis=alt.Axis(labelAngle=0, ticks=False),
        )  # fmt: skip
        x["xOffset"] = alt.XOffset("arm:N", sort=list(arms), scale=alt.Scale(domain=list(arms)))
    else:
        title = "days after irradiation" if kind == _SURVIVAL else "value"
        scale = alt.Scale(zero=False, nice=True)
        x["x"] = alt.X("at:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5, format=".4~g"))
    y = alt.Y(
        "burden:Q",
        title="index at the landmark" if by_index else "senescent at the landmark, %",
        # Without a senescent cell the axis would have its nought in the middle.
        scale=alt.Scale(zero=not by_index)
        if by_index or own["burden"].gt(0).any()
        else alt.Scale(domain=[0, 0.05]),
        axis=alt.Axis(tickCount=4, format="~g" if by_index else "~%", minExtent=28),
    )
    drawn = ["at", "burden", "arm", "end", "text", *(["grade"] if kind == "grade" else [])]
    colour = alt.Color("arm:N", scale=_arm_scale(arms), legend=None)
    layers = []
    for end, mark in (
        (_EVENT, {"filled": True}), (_NONE, {"filled": False}), (_OTHER, {"shape": "cross"}),
    ):  # fmt: skip
        rows = own.loc[own["end"] == end, drawn]
        if len(rows):
            dots = alt.Chart(rows).mark_point(size=52, opacity=0.9, strokeWidth=1.6, **mark)
            layers.append(
                dots.encode(**x, y=y, color=colour, description=alt.Description("text:N"))
            )
    return alt.layer(*layers)


def _outcome_said(table: pd.DataFrame, endpoint: str, name: str, *, by_index: bool) -> str:
    """Association of a panel: over all arms where there are several, else of the one."""
    measure = "index_mean" if by_index else "fraction_senescent"
    answers = table[
        table["endpoint"].eq(endpoint)
        & table[k.COMPARTMENT].eq(name)
        & table["measure"].eq(measure)
    ]
    across = answers[answers["question"] == "across_arms"]
    rows = tidy.rows(across if len(across) else answers)
    if not rows:
        return "not tested"
    row = rows[0]
    if row.status != "tested":
        return "not tested" + (f": {row.reason}"[:44] if isinstance(row.reason, str) else "")
    what = "hazard ratio" if str(row.unit).startswith("hazard") else "rho"
    lo, hi = (tidy.number(value, 2) for value in (row.ci_lo, row.ci_hi))
    return f"{what} {tidy.number(row.estimate, 2)} ({lo} to {hi}), q {tidy.p_value(row.q)}"


def _outcome_text(row: Any) -> str:
    burden = tidy.number(row.burden) if row.by_index else tidy.percent(row.burden)
    timed = row.kind == _SURVIVAL
    after = f"{row.end} at day {row.at:g}" if timed else f"{row.kind} {row.at:g}"
    return f"{row.subject}, {row.arm}: {burden} at the landmark, {after}"


@takes(check_control=False, subjects="questions.outcome_subjects(...)")
def outcome_table(subjects: pd.DataFrame, *, endpoint: str) -> pd.DataFrame:
    """Return the subjects that :func:`outcome` draws; those left out of the test are not drawn.

    Raises
    ------
    InputError
        As there.
    """
    need = ["endpoint", "kind", k.COMPARTMENT, k.SUBJECT, "arm", "fraction", "index", "left_out"]
    tidy.need(subjects, need, what="subjects with an outcome")
    left = subjects["left_out"].astype(object).where(subjects["left_out"].notna(), "")
    dots = subjects[subjects["endpoint"].eq(endpoint) & left.eq("")].copy()
    fraction, index = tidy.column(dots, "fraction"), tidy.column(dots, "index")
    by_index = not fraction.notna().any()
    dots["burden"], dots["by_index"] = index if by_index else fraction, by_index
    dots = dots[dots["burden"].notna()]
    if dots.empty:
        msg = f"no subject with the endpoint {endpoint!r} has a burden at the landmark"
        raise InputError(msg)
    survival = dots["kind"].eq(_SURVIVAL)
    dots["at"] = tidy.column(dots, "time_days").where(survival, tidy.column(dots, "value"))
    dots["end"] = tidy.column(dots, "event").map(_ENDS).where(survival, _EVENT)
    dots["subject"], dots["arm"] = dots[k.SUBJECT].astype(str), dots["arm"].astype(str)
    names = [
        "endpoint", "kind", k.COMPARTMENT, "subject", "arm", "burden", "by_index", "at", "end",
    ]  # fmt: skip
    return dots[names].reset_index(drop=True)


def _arms(rows: pd.DataFrame, study: Iterable[str]) -> dict[str, str]:
    """Arms that are drawn, in order, and the colour that each has among those of the study.

    Without irradiation first, and without a drug. An arm that a figure lacks keeps its colour, so
    that no other arm has it there.
    """
    drawn = set(rows["arm"])
    every = sorted(drawn | set(study), key=lambda arm: (" Gy" in arm, " + " in arm, arm))
    return {arm: _ARMS[i % len(_ARMS)] for i, arm in enumerate(every) if arm in drawn}


def _arm_scale(arms: Mapping[str, str]) -> Any:
    import altair as alt

    return alt.Scale(domain=list(arms), range=list(arms.values()))


def _arm_signs(arms: Mapping[str, str]) -> list[Sign]:
    return [Sign(arm, "circle", fill=colour) for arm, colour in arms.items()]


def _span(values: Any) -> list[float]:
    """Range of an axis that all panels share, nought in it."""
    low, high = min(0.0, float(np.nanmin(values))), max(0.0, float(np.nanmax(values)))
    edge = 0.05 * ((high - low) or 1.0)
    return [low - edge, high + edge]
