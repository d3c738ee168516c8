"""Burden against dose, one panel per compartment, one dot per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.arms import Arm, main_arm, matched_controls
from senoscore.plotting.legend import Sign, explained
from senoscore.study import ARM, takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt


__all__ = ["dose_response", "dose_table"]

_MEASURES = {"fraction": {"fraction_senescent", "fraction"}}
_FEWEST = 2
"""Doses of one time, beside 0 Gy: fewer are a contrast."""


@takes(check_control=False, burden="sen.burden(adata)")
def dose_table(
    burden: pd.DataFrame, *, measure: str = "fraction", control: str = k.CONTROL
) -> pd.DataFrame:
    """Return the samples that :func:`dose_response` draws; controls are at 0 Gy.

    One row a sample, compartment and time of which there are two doses and more: there a control
    stands once for each time that it is compared with.

    Raises
    ------
    InputError
        No time has two doses, besides 0 Gy, with a value after the acute phase.
    """
    table = tidy.comparable(burden)
    table["value"] = tidy.column(table, measure)
    table["control"] = tidy.is_control(table, control)
    arm = main_arm(table, control)
    table[k.DOSE] = table[k.DOSE].mask(table["control"], 0.0)
    table["eqd2_gy"] = tidy.column(table, "eqd2_gy").mask(table["control"], 0.0)
    # Before the day from which it can be senescence the same cells are an acute response.
    usable = table[k.DOSE].notna() & table["value"].notna() & (table["status"] != "acute")
    table = table[usable & (table["control"] | _on_line(table, arm))]
    parts = []
    for _, group in table.groupby(k.COMPARTMENT, sort=False, observed=True):
        controls = group[group["control"]]
        for days, at in group[~group["control"] & (group[k.DOSE] > 0)].groupby(
            k.DAYS, dropna=False, observed=True
        ):
            if at[k.DOSE].nunique() >= _FEWEST and len(controls):
                both = pd.concat([matched_controls(controls, float(str(days))), at])
                parts.append(both.assign(time=tidy.day_label(days), of_days=days))
    if not parts:
        message = "burden table: fewer than three doses, 0 Gy among them, at every time"
        raise InputError(message, fix="two doses are a contrast, not a dose-response")
    names = [k.SAMPLE, k.COMPARTMENT, *ARM, "control", "eqd2_gy", k.DAYS]
    found = pd.concat(parts, ignore_index=True)
    return found[[*names, "of_days", "time", "value"]]


@takes(check_control=False, burden="sen.burden(adata)", trend="sen.trend(sen.burden(adata))")
def dose_response(
    burden: pd.DataFrame,
    trend: pd.DataFrame | None = None,
    *,
    measure: str = "fraction",
    title: str = "senescent, % of assessable cells",
    control: str = k.CONTROL,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw each sample against its physical dose, log(1 + Gy), with lines through times' means.

    The means at 0 Gy are of the controls that the test has. EQD2 stands in brackets below a
    dose: that it predicts senescence is not known.

    Parameters
    ----------
    trend
        Contrasts of :func:`senoscore.trend`; its slopes over dose are written above each panel.

    Raises
    ------
    InputError
        No time has two doses, besides 0 Gy.
    """
    import altair as alt

    table = dose_table(burden, measure=measure, control=control)
    table["text"] = [_dot_text(r, measure) for r in tidy.rows(table)]
    names = theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    times = list(table.sort_values("of_days")["time"].drop_duplicates())
    fitted = _slopes(trend, table, measure)
    wide = layout == "wide"
    panels = []
    for name in names:
        said = [f"{row.time}: {row.said}" for row in tidy.rows(fitted) if row.compartment == name]
        if trend is not None and not said:
            said = ["not estimated"]
        panels.append(
            _panel(table[table[k.COMPARTMENT] == name], table, times, measure, title).properties(
                title=alt.TitleParams(
                    theme.heading(name),
                    subtitle=said,
                    color=theme.title_colour(name),
                ),
                width=262 if wide else 276,
                height=165,
            )
        )
    chart = alt.concat(*panels, columns=3 if wide else 1)
    width = 3 * 310 if wide else 326
    signs = _signs(table, times, fitted)
    return explained(chart, signs, width=width, left=50).configure(**theme.config())


def _panel(
    own: pd.DataFrame, table: pd.DataFrame, times: Sequence[str], measure: str, title: str
) -> Any:
    import altair as alt

    percent = measure == "fraction"
    texts = _eqd2_beside(table)
    labels = f"[datum.label, {texts}[datum.label] || '']" if texts else "datum.label"
    x = alt.X(
        f"{k.DOSE}:Q",
        title="dose, Gy" + (" (EQD2)" if texts else ""),
        scale=alt.Scale(type="symlog", constant=1, domain=[0, float(table[k.DOSE].max()) * 1.12]),
        axis=alt.Axis(
            values=[float(d) for d in sorted(table[k.DOSE].unique())],
            format=".4~g",
            labelExpr=labels,
        ),
    )
    top = float(table["value"].max()) * 1.05 if percent else None
    low = min(0.0, float(table["value"].min()))
    y = alt.Y(
        "value:Q",
        title=title,
        scale=alt.Scale(domain=[low, max(top, 0.02)]) if top is not None else alt.Scale(zero=False),
        axis=alt.Axis(tickCount=4, format="~%" if percent else "~g", minExtent=28),
    )
    colour = theme.compartment_colour(str(own[k.COMPARTMENT].iloc[0]))
    n = len(times)
    shape = alt.Shape(
        "time:N", scale=alt.Scale(domain=list(times), range=theme.shapes(n)), legend=None
    )
    dash = alt.StrokeDash(
        "time:N", scale=alt.Scale(domain=list(times), range=theme.dashes(n)), legend=None
    )
    means = own.groupby(["time", k.DOSE], as_index=False, observed=True)["value"].mean()
    lines = (
        alt.Chart(means)
        .mark_line(color=colour, strokeWidth=2, aria=False)
        .encode(x=x, y=y, strokeDash=dash)
    )
    description = alt.Description("text:N")
    drawn = [k.DOSE, "value", "time", "text"]
    dots = alt.Chart(own.loc[~own["control"], drawn]).mark_point(
        filled=True, size=42, color=colour, opacity=0.85
    )
    rings = alt.Chart(own.loc[own["control"], drawn].drop_duplicates("text")).mark_point(
        filled=False, size=34, color=theme.CONTROL_INK, strokeWidth=1.4, opacity=1
    )
    return alt.layer(
        lines,
        rings.encode(x=x, y=y, description=description),
        dots.encode(x=x, y=y, shape=shape, description=description),
    )


def _eqd2_beside(table: pd.DataFrame) -> dict[str, str]:
    """EQD2 of each dose as a label, where all samples of the dose have the same one."""
    known = table.loc[~table["control"] & table["eqd2_gy"].notna(), [k.DOSE, "eqd2_gy"]]
    pairs = known.round(1).drop_duplicates()
    single = pairs[~pairs[k.DOSE].duplicated(keep=False)]
    return {f"{dose:g}": f"({eqd2:g})" for dose, eqd2 in single.itertuples(index=False, name=None)}


def _on_line(table: pd.DataFrame, arm: Arm) -> pd.Series:
    """Mark samples of the line of an arm: its modality, and its schedule where a dose has two."""
    of_arm = table[k.TREATMENT].eq(arm.treatment) & table["modality"].eq(arm.modality)
    schedules = table[of_arm].groupby(k.DOSE, observed=True)["n_fractions"].nunique(dropna=False)
    if schedules.max() > 1:
        of_arm &= (
            table["n_fractions"].fillna(-1).eq(-1 if np.isnan(arm.fractions) else arm.fractions)
        )
    return of_arm


def _slopes(trend: pd.DataFrame | None, table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Slopes over dose that the trend table has, each as a short text."""
    names = [k.COMPARTMENT, "time", "said", "unit"]
    if trend is None:
        return pd.DataFrame(columns=names)
    tidy.need(trend, ["question", "measure", *ARM], what="trend table")
    drawn = table[~table["control"]].iloc[0]
    modality, fractions = trend["modality"].fillna(""), trend["n_fractions"]
    rows = trend[
        trend["question"].eq("dose_response")
        & trend["measure"].isin(_MEASURES.get(measure, {measure}))
        & trend[k.TREATMENT].eq(drawn[k.TREATMENT])
        # Empty where all doses of the treatment are on one line.
        & (modality.eq("") | modality.eq(drawn["modality"]))
        & (fractions.isna() | fractions.eq(drawn["n_fractions"]))
    ].copy()
    for name in (k.DAYS, "estimate", "ci_lo", "ci_hi", "p", "q"):
        rows[name] = tidy.column(rows, name)
    rows["time"] = rows[k.DAYS].map(tidy.day_label)
    rows["said"] = [_slope_text(r) for r in tidy.rows(rows)]
    if "stratum" in rows:
        stratum = rows["stratum"].fillna("").astype(str)
        rows["time"] = rows["time"].where(stratum == "", stratum + ", " + rows["time"])
    return rows.sort_values(k.DAYS)[names]


def _slope_text(row: Any) -> str:
    if not np.isfinite(row.estimate):
        return "not estimable"
    sign = "+" if row.estimate > 0 else ""
    interval = (
        f" [{tidy.number(row.ci_lo, 2)}, {tidy.number(row.ci_hi, 2)}]"
        if np.isfinite(row.ci_lo)
        else ""
    )
    p = f", p {tidy.p_value(row.p)}" if np.isfinite(row.p) else ", not tested"
    q = f", q {tidy.p_value(row.q)}" if np.isfinite(row.q) else ""
    return f"{sign}{tidy.number(row.estimate, 2)}{interval}{p}{q}"


def _signs(table: pd.DataFrame, times: Sequence[str], fitted: pd.DataFrame) -> list[Sign]:
    shapes = theme.shapes(len(times))
    signs = [Sign("control sample", "circle", stroke=theme.CONTROL_INK, size=34)]
    signs += [
        Sign(f"irradiated, {time} (lines join means)", shape, fill=theme.INK_SOFT, size=42)
        for time, shape in zip(times, shapes, strict=True)
    ]
    units = sorted(set(fitted["unit"].dropna().astype(str)))
    if units:
        signs.append(Sign(f"above: slope in {units[0]} per log(1 + Gy), 95 % CI"))
    if _eqd2_beside(table):
        signs.append(Sign("EQD2 in brackets, α/β of the samples sheet"))
    return signs


def _dot_text(row: Any, measure: str) -> str:
    value = tidy.percent(row.value) if measure == "fraction" else tidy.number(row.value)
    eqd2 = (
        f" (EQD2 {tidy.number(row.eqd2_gy)} Gy)" if np.isfinite(row.eqd2_gy) and row.eqd2_gy else ""
    )
    return f"{row.sample}: {value}, {row.dose_gy:g} Gy{eqd2}, {tidy.day_label(row.days_post_rt)}"
