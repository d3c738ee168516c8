"""Figures of what the calls rest on: genes found per signature, call rate in controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.study import takes

if TYPE_CHECKING:
    import altair as alt


__all__ = [
    "calibration",
    "calibration_table",
    "confounding",
    "confounding_table",
    "coverage",
    "coverage_table",
    "evidence",
    "evidence_table",
]


@takes(check_control=False, table="adata.uns['senoscore']['coverage']")
def coverage(table: pd.DataFrame, *, layout: theme.Layout = "wide") -> alt.Chart:
    """Share of each signature's genes that the matrix has; failed gates stand out.

    Raises
    ------
    InputError
        The table lacks one of the coverage columns.
    """
    import altair as alt

    rows = coverage_table(table)
    rows["text"] = [
        f"{r.label}: {r.n_found} of {r.n_listed} genes found, gate {r.gate}"
        for r in tidy.rows(rows)
    ]
    order = list(rows["label"])
    wide = layout == "wide"
    y = alt.Y(
        "label:N",
        sort=order,
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelLimit=230 if wide else 130),
    )
    scale = alt.Scale(domain=["pass", "fail"], range=[theme.GOOD, theme.BAD])
    bars = (
        alt.Chart(rows)
        .mark_bar(height=8)
        .encode(
            y=y,
            x=alt.X(
                "fraction:Q",
                title="genes found",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".3~%", tickCount=5),
            ),
            color=alt.Color(
                "gate:N", scale=scale, legend=alt.Legend(title="gate", symbolType="square")
            ),
            description=alt.Description("text:N"),
        )
    )
    numbers = (
        alt.Chart(rows)
        .mark_text(align="left", dx=6, fontSize=10, color=theme.INK_SOFT, aria=False)
        .encode(y=y, x=alt.XValue(560 if wide else 150), text=alt.Text("count:N"))
    )
    chart = alt.layer(bars, numbers).properties(width=560 if wide else 150, height=alt.Step(15))
    return chart.configure(**theme.config())


@takes(check_control=False, table="adata.uns['senoscore']['coverage']")
def coverage_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`coverage` draws, worst first.

    Raises
    ------
    InputError
        The table lacks one of the coverage columns.
    """
    need = [k.SIGNATURE, "direction", "n_listed", "n_found", "fraction", "gate"]
    tidy.need(table, need, what="coverage table")
    rows = table.reset_index(drop=True).copy()
    several = k.DATASET in rows and len(set(rows[k.DATASET])) > 1
    both = rows.groupby(k.SIGNATURE, observed=True)["direction"].transform("nunique") > 1
    rows["label"] = rows[k.SIGNATURE].astype(str) + (
        " (" + rows["direction"].astype(str) + ")"
    ).where(both, "")
    if several:
        rows["label"] = rows[k.DATASET].astype(str) + " · " + rows["label"]
    rows["count"] = [f"{f}/{n}" for f, n in zip(rows["n_found"], rows["n_listed"], strict=True)]
    rows["fraction"] = pd.to_numeric(rows["fraction"], errors="coerce").fillna(0.0)
    rows["gate"] = rows["gate"].astype(str)
    rows = rows.sort_values(["gate", "fraction", "label"], kind="stable")
    return rows[[*need, "label", "count"]].reset_index(drop=True)


@takes(check_control=False, rates="sen.calibrate(adata).rates")
def calibration(
    rates: pd.DataFrame, *, target: float | None = None, layout: theme.Layout = "wide"
) -> alt.Chart:
    """Share of each control sample that fulfils the panel's rule, per compartment.

    Each sample was left out of its own calibration.

    Parameters
    ----------
    rates
        ``calibration_rates.tsv``: compartment, sample, rate (a fraction).
    target
        The rate that the cut was tuned to, drawn as a line.

    Raises
    ------
    InputError
        The table lacks a column or has no rate.

    Examples
    --------
    >>> chart = sen.pl.calibration(calibration.rates)
    """
    import altair as alt

    rows = calibration_table(rates)
    rows["label"] = rows[k.COMPARTMENT].map(theme.pretty)
    rows["text"] = [
        f"{r.sample}, {r.label}: {tidy.percent(r.rate)} fulfil the panel's rule"
        for r in tidy.rows(rows)
    ]
    names = theme.known_first(rows[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    labels = [theme.pretty(n) for n in names]
    top = max(float(rows["rate"].max()), target or 0.0, 0.01) * 1.1
    x = alt.X(
        "rate:Q",
        title="control cells that fulfil the panel's rule",
        scale=alt.Scale(domain=[-0.02 * top, top], nice=False),
        axis=alt.Axis(format=".3~%", tickCount=5, grid=True),
    )
    y = alt.Y(
        "label:N",
        sort=labels,
        title=None,
        scale=alt.Scale(domain=labels),
        axis=alt.Axis(ticks=False, domain=False),
    )
    layers: list[Any] = []
    if target is not None:
        line = pd.DataFrame({"rate": [target]})
        layers.append(
            alt.Chart(line).mark_rule(color=theme.BAD, strokeDash=[5, 3], aria=False).encode(x=x)
        )
    layers.append(
        alt.Chart(rows)
        .mark_point(filled=True, size=60, opacity=0.75)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "label:N",
                sort=labels,
                scale=alt.Scale(domain=labels, range=[theme.compartment_colour(n) for n in names]),
                legend=None,
            ),
            description=alt.Description("text:N"),
        )
    )
    chart = alt.layer(*layers).properties(
        width=560 if layout == "wide" else 210, height=alt.Step(26)
    )
    return chart.configure(**theme.config())


@takes(check_control=False, rates="sen.calibrate(adata).rates")
def calibration_table(rates: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``rates`` that have a rate, worst first within a compartment.

    Raises
    ------
    InputError
        The table lacks a column or has no rate.
    """
    tidy.need(rates, [k.COMPARTMENT, k.SAMPLE, "rate"], what="calibration rates")
    rows = rates.reset_index(drop=True).copy()
    rows["rate"] = tidy.column(rows, "rate")
    rows = rows[rows["rate"].notna()]
    if rows.empty:
        raise InputError(
            "calibration rates: no rate", fix="calibrate with at least one control sample"
        )
    return rows.sort_values([k.COMPARTMENT, "rate"], ascending=[True, False], ignore_index=True)


_DECIDED, _BESIDE = "decided", "did not decide"


@takes(check_control=False, table="sen.explain(adata, cell)")
def evidence(table: pd.DataFrame, *, layout: theme.Layout = "wide") -> alt.Chart:
    """Axis z values of one cell against the calibrated cut; what decided stands out.

    Parameters
    ----------
    table
        From :func:`senoscore.explain`.
    layout
        ``wide`` or ``narrow``.

    Raises
    ------
    InputError
        The table is not from :func:`senoscore.explain`.

    Examples
    --------
    >>> cell = adata.obs_names[adata.obs["senescence_state"] == "senescent"][0]
    >>> chart = sen.pl.evidence(sen.explain(adata, cell))
    """
    import altair as alt

    rows = evidence_table(table)
    wide = layout == "wide"
    y = alt.Y(
        "title:N",
        sort=list(rows["title"]),
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelLimit=260 if wide else 140),
    )
    bars = (
        alt.Chart(rows)
        .mark_bar(height=9)
        .encode(
            y=y,
            x=alt.X("z:Q", title="z against control cells of the compartment"),
            color=alt.Color(
                "role:N",
                scale=alt.Scale(domain=[_DECIDED, _BESIDE], range=[theme.BAD, theme.INK_SOFT]),
                legend=alt.Legend(title=None, symbolType="square"),
            ),
            description=alt.Description("text:N"),
        )
    )
    layers = [bars]
    if rows["cut"].notna().any():
        cut = pd.DataFrame({"cut": [float(rows["cut"].iloc[0])]})
        layers.append(
            alt.Chart(cut).mark_rule(strokeDash=[4, 3], color=theme.INK, aria=False).encode(x="cut")
        )
    state = str(table.attrs.get(k.STATE, "")).replace("_", " ")
    index = table.attrs.get(k.INDEX, np.nan)
    known = f", index {index:.1f}" if np.isfinite(index) else ""
    title = alt.TitleParams(f"{state}{known}", anchor="start", fontSize=12)
    chart = alt.layer(*layers).properties(
        width=420 if wide else 150, height=alt.Step(15), title=title
    )
    return chart.configure(**theme.config())


@takes(check_control=False, table="sen.explain(adata, cell)")
def evidence_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return what :func:`evidence` draws: the assessable axes, those of the index first.

    Raises
    ------
    InputError
        The table is not from :func:`senoscore.explain`.
    """
    tidy.need(table, ["axis", "title", "z", "cut", "decided", "weight"], what="explain table")
    rows = table[table["z"].notna()].copy()
    rows["role"] = np.where(rows["decided"], _DECIDED, _BESIDE)
    rows = rows.iloc[np.lexsort((np.arange(len(rows)), -rows["weight"].abs()))]
    rows["text"] = [f"{r.title}: z {r.z:.1f}, {r.role}" for r in tidy.rows(rows)]
    columns = ["axis", "title", "z", "cut", "weight", "role", "text"]
    return rows[columns].reset_index(drop=True)


_COVARIATES = ["depth", "genes detected", "mitochondrial share", "proliferation"]


@takes(check_control=False, confounders="sen.confounders(adata, sen.burden(adata))")
def confounding_table(confounders: pd.DataFrame, *, measure: str = "index") -> pd.DataFrame:
    """Return the correlations that :func:`confounding` draws.

    Raises
    ------
    InputError
        A column is missing, or no correlation of this measure was estimated.
    """
    need = ["check", k.COMPARTMENT, "measure", "covariate", "value", "lo", "hi", "flag"]
    tidy.need(confounders, need, what="confounders table")
    shown = confounders[
        (confounders["check"] == "score_in_controls")
        & (confounders["measure"] == measure)
        & (confounders[k.COMPARTMENT] != k.UNASSIGNED)
    ].copy()
    for name in ("value", "lo", "hi"):
        shown[name] = tidy.column(shown, name)
    shown = shown[shown["value"].notna()]
    if shown.empty:
        message = f"confounders table: no correlation of {measure!r} within control samples"
        raise InputError(message, fix="see its reason column")
    return shown[[*need[1:], "n_control"]].reset_index(drop=True)


@takes(check_control=False, confounders="sen.confounders(adata, sen.burden(adata))")
def confounding(
    confounders: pd.DataFrame, *, measure: str = "index", layout: theme.Layout = "wide"
) -> alt.Chart:
    """Draw rho of a score with each covariate within control samples: median and range.

    Raises
    ------
    InputError
        As :func:`confounding_table`.
    """
    import altair as alt

    table = confounding_table(confounders, measure=measure)
    table["name"] = table[k.COMPARTMENT].map(theme.pretty)
    order = [
        theme.pretty(n) for n in theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    ]
    y = alt.Y("name:N", title=None, sort=order)
    scale = alt.Scale(domain=[-1, 1])
    panels = []
    for covariate in [c for c in _COVARIATES if c in set(table["covariate"])]:
        own = alt.Chart(table[table["covariate"] == covariate])
        axis = alt.Axis(values=[-1, -0.3, 0.3, 1], grid=True)
        x = alt.X("value:Q", title="Spearman's rho", scale=scale, axis=axis)
        ranges = own.mark_rule(color=theme.CONTROL_INK).encode(
            x=alt.X("lo:Q", scale=scale, title="Spearman's rho", axis=axis), x2="hi:Q", y=y
        )
        dots = own.mark_circle(size=60, opacity=1).encode(
            x=x,
            y=y,
            color=alt.Color(
                "flag:N",
                title=None,
                scale=alt.Scale(domain=["ok", "flag"], range=[theme.GOOD, theme.BAD]),
            ),
            tooltip=[k.COMPARTMENT, "covariate", "value", "lo", "hi", "n_control"],
        )
        title = f"{covariate[:1].upper()}{covariate[1:]}"
        panels.append((ranges + dots).properties(title=title, width=170, height=22 * len(order)))
    chart = alt.concat(*panels, columns=4 if layout == "wide" else 1)
    return chart.configure(**theme.config())
