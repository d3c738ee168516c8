"""Circulating factors beside the tissue burden of the same subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.study import takes

if TYPE_CHECKING:
    import altair as alt


__all__ = ["plasma", "plasma_table"]

_MEASURED, _BELOW = "measured", "below LOD"
_NAMED: Final = 12
"""Subjects that a legend names."""


@takes(check_control=False, table="sen.plasma(...)", burden="sen.burden(adata)")
def plasma(
    table: pd.DataFrame, burden: pd.DataFrame | None = None, *, layout: theme.Layout = "wide"
) -> alt.Chart:
    """Draw each analyte over time, a line a subject, and the tissue burden of these subjects.

    Parameters
    ----------
    table
        As :func:`senoscore.plasma` gives it.
    burden
        Sample x compartment table; compartments in which these subjects have a fraction at two
        times or more are drawn after the analytes, and more than twelve subjects have the colours
        of their arms.

    Raises
    ------
    InputError
        No analyte has a ratio to a baseline.
    """
    import altair as alt

    shown = plasma_table(table, burden)
    arms = set(shown["arm"]) - {""}
    # Of many subjects the colours would tell nothing: then they are those of the arms.
    by = "arm" if len(arms) > 1 and shown[k.SUBJECT].nunique() > _NAMED else k.SUBJECT
    groups = sorted(shown[by].unique())
    last = max(1.0, float(shown["day"].max()))
    first = min(0.0, float(shown["day"].min()))
    panels = [
        _panel(shown[shown["panel"] == name], by, groups, (first, last), layout)
        for name in dict.fromkeys(shown["panel"])
    ]
    chart = alt.concat(*panels, columns=3 if layout == "wide" else 1, spacing=26)
    return chart.resolve_scale(color="shared", shape="shared").configure(**theme.config())


def _panel(
    own: pd.DataFrame, by: str, groups: list[str], span: tuple[float, float],
    layout: theme.Layout,
) -> Any:  # fmt: skip
    import altair as alt

    tissue = bool(own["tissue"].iloc[0])
    x = alt.X(
        "day:Q", title="days after irradiation (log1p)",
        scale=alt.Scale(type="symlog", constant=1, domain=[span[0], span[1] * 1.15]),
        axis=alt.Axis(values=sorted(own["day"].unique()), format=".4~g"),
    )  # fmt: skip
    y = alt.Y(
        "value:Q",
        title="senescent, % of assessable cells" if tissue else "log2 ratio to own baseline",
        axis=alt.Axis(format="~%" if tissue else "~g", tickCount=4),
    )
    colour = alt.Color(
        f"{by}:N", scale=alt.Scale(domain=groups, scheme="tableau10"),
        legend=alt.Legend(title="subject" if by == k.SUBJECT else None, labelLimit=280)
        if len(groups) <= _NAMED else None,
    )  # fmt: skip
    shape = alt.Shape(
        "limit:N",
        scale=alt.Scale(domain=[_MEASURED, _BELOW], range=["circle", "triangle-down"]),
        legend=alt.Legend(title=None),
    )
    base = alt.Chart(own).encode(x=x, y=y, color=colour, detail=alt.Detail(f"{k.SUBJECT}:N"))
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(
        shape=shape, description=alt.Description("text:N")
    )
    width, height = (230, 170) if layout == "wide" else (286, 150)
    name = str(own["panel"].iloc[0])
    title = alt.TitleParams(
        name, subtitle="tissue" if tissue else str(own["said"].iloc[0]),
        color=theme.title_colour(str(own["key"].iloc[0])) if tissue else theme.INK,
    )  # fmt: skip
    return alt.layer(base.mark_line(opacity=0.6, aria=False), dots).properties(
        width=width, height=height, title=title
    )


@takes(check_control=False, table="sen.plasma(...)", burden="sen.burden(adata)")
def plasma_table(table: pd.DataFrame, burden: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what :func:`plasma` draws: one row a dot, analytes first, then compartments.

    Raises
    ------
    InputError
        No analyte has a ratio to a baseline.
    """
    tidy.need(table, [k.SUBJECT, k.DAYS, "analyte", "log2_ratio"], what="plasma table")
    ratios = table[pd.to_numeric(table["log2_ratio"]).notna()].copy()
    if ratios.empty:
        raise InputError("plasma table: no analyte has a ratio to a baseline of its subject")
    below = ratios["below_lod"].astype(str).str.lower() == "true"
    ratios = ratios.assign(
        panel=ratios["analyte"], key="", tissue=False, day=ratios[k.DAYS].astype(float),
        value=ratios["log2_ratio"].astype(float), limit=below.map({True: _BELOW, False: _MEASURED}),
        said=ratios["fraction_below_lod"].map(lambda f: f"{tidy.percent(f)} of values below LOD"),
    )  # fmt: skip
    parts = [ratios]
    if burden is not None and "fraction" in burden:
        known = tidy.with_defaults(burden)
        known[k.SUBJECT] = known[k.SUBJECT].where(known[k.SUBJECT] != "", known[k.SAMPLE])
        tissue = known[known[k.SUBJECT].isin(set(ratios[k.SUBJECT].astype(str)))]
        tissue = tissue[tissue["fraction"].notna() & tissue[k.DAYS].notna()]
        tissue = tissue[tissue[k.COMPARTMENT] != k.UNASSIGNED]
        if tissue[k.DAYS].nunique() < 2:  # no course to set beside those of the blood
            tissue = tissue.iloc[:0]
        parts.append(
            tissue.assign(
                panel=tissue[k.COMPARTMENT].map(theme.pretty), key=tissue[k.COMPARTMENT],
                tissue=True,
                day=tissue[k.DAYS], value=tissue["fraction"], limit=_MEASURED, said="",
            )
        )  # fmt: skip
    shown = pd.concat(parts, ignore_index=True)
    shown[k.SUBJECT] = shown[k.SUBJECT].astype(str)
    shown["arm"] = shown[k.SUBJECT].map(_arms(burden)).fillna("")
    shown["text"] = [
        f"{r.panel}, subject {r.subject}, {tidy.day_label(r.day)}: "
        f"{tidy.number(r.value)}, {r.limit}"
        for r in tidy.rows(shown)
    ]
    keep = ["panel", "key", "tissue", k.SUBJECT, "arm", "day", "value", "limit", "said", "text"]
    return shown[keep].reset_index(drop=True)


def _arms(burden: pd.DataFrame | None) -> dict[str, str]:
    """Treatment of each subject: that of its irradiated samples, where it has some."""
    if burden is None:
        return {}
    known = tidy.with_defaults(burden)
    known[k.SUBJECT] = known[k.SUBJECT].where(known[k.SUBJECT] != "", known[k.SAMPLE])
    known = known.sort_values(k.DOSE, na_position="first", kind="stable")
    return dict(zip(known[k.SUBJECT].astype(str), known[k.TREATMENT].astype(str), strict=True))
