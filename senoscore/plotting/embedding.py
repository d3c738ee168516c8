"""Cells where an embedding puts them, coloured by state, compartment or a number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme

if TYPE_CHECKING:
    import altair as alt
    from anndata import AnnData
    from numpy.typing import NDArray


__all__ = ["umap", "umap_table"]

_MOST: Final = 5000
"""Marks that altair draws in a notebook unless it is told otherwise."""
_NAMED: Final = 0.01
"""Share of the cells from which a compartment has its name on the map."""
_PLACE: Final = ["umap_1", "umap_2"]
_DIVERGING: Final = [*theme.DIVERGING[:2], "#c9d0d8", *theme.DIVERGING[3:]]
"""With a middle that can be seen: small marks have no outline."""


def umap(
    cells: AnnData | pd.DataFrame,
    *,
    color: str = k.STATE,
    basis: str = "X_umap",
    max_cells: int = _MOST,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Draw cells in two dimensions.

    Compartments are named where their cells lie; senescent cells are triangles, drawn last; cells
    without a number are grey.

    Parameters
    ----------
    cells
        An AnnData with ``obsm[basis]``, as :func:`scanpy.tl.umap` leaves it, and the column in
        ``obs``; or the table ``embedding.tsv`` of a run.
    color
        Column of ``obs``: ``senescence_state``, ``compartment``, ``senescence_index``, ...
    basis
        Key of ``obsm``; its first two columns are drawn.
    max_cells
        Of more cells, so many are drawn, evenly spread over the object; the title says so.
    layout
        For a desktop page or for a phone.

    Raises
    ------
    InputError
        There is no such embedding or column.
    """
    import altair as alt

    table = umap_table(cells, color=color, basis=basis, max_cells=max_cells)
    table["senescent"] = table["value"].astype(str).eq("senescent")
    table = table.sort_values("senescent", kind="stable")
    hidden = alt.Axis(labels=False, ticks=False, grid=False)
    near = alt.Scale(zero=False)
    x = alt.X("x:Q", title=None, axis=hidden, scale=near)
    y = alt.Y("y:Q", title=None, axis=hidden, scale=near)
    is_number = pd.api.types.is_numeric_dtype(table["value"])
    # Thousands of marks: each has no sentence of its own, which would double the size of a page.
    marks: Any = {"filled": True, "opacity": 0.8, "aria": False}
    has, has_not = table[table["value"].notna()], table[table["value"].isna()]
    points = alt.Chart(has.drop(columns=["cell", "text"])).mark_point(**marks)
    layers: list[Any] = []
    if len(has_not):
        without = alt.Chart(has_not[["x", "y"]])
        grey = theme.state_colour(k.NOT_ASSESSABLE)
        layers.append(without.mark_point(**marks, size=9, color=grey).encode(x=x, y=y))
    layers.append(
        points.encode(
            x=x,
            y=y,
            color=(_number if is_number else _group)(table, color, layout),
            shape=alt.condition("datum.senescent", alt.value("triangle-up"), alt.value("circle")),
            size=alt.condition("datum.senescent", alt.value(22), alt.value(9)),
        )
    )
    if k.COMPARTMENT in table:
        names = alt.Chart(_names(table)).encode(x=x, y=y, text="name:N")
        said: Any = {"fontSize": 11, "color": theme.INK, "aria": False}
        layers += [names.mark_text(**said, stroke=theme.PAPER, strokeWidth=3)]
        layers += [names.mark_text(**said)]
    chart: Any = alt.layer(*layers)
    drawn, n = len(table), len(cells)
    title: Any = theme.pretty(color)
    if drawn < n:
        title = alt.TitleParams(title, subtitle=f"{drawn:,} of {n:,} cells")
    width, height = (560, 440) if layout == "wide" else (286, 286)
    chart = chart.properties(width=width, height=height, title=title)
    return chart.configure(**theme.config())


def _number(table: pd.DataFrame, color: str, layout: theme.Layout) -> Any:
    import altair as alt

    largest = np.nanpercentile(np.abs(table["value"]), 99) if table["value"].notna().any() else 1.0
    middle = float(largest) or 1.0
    scale = alt.Scale(range=_DIVERGING, domain=[-middle, middle], domainMid=0, clamp=True)
    legend = alt.Legend(orient="right" if layout == "wide" else "bottom")
    return alt.Color("value:Q", title=theme.pretty(color), scale=scale, legend=legend)


def _group(table: pd.DataFrame, color: str, layout: theme.Layout) -> Any:
    import altair as alt

    colours = theme.STATE_COLOURS if color == k.STATE else theme.COMPARTMENT_COLOURS
    names = theme.known_first(table["value"], colours)
    colour_of = theme.state_colour if color == k.STATE else theme.compartment_colour
    unknown = not set(names) & set(colours)
    # Groups that senoscore has no colours for get those of the scheme, not one grey for all.
    scale = (
        alt.Scale(scheme="tableau10")
        if unknown
        else alt.Scale(domain=names, range=[colour_of(name) for name in names])
    )
    said = {name: theme.pretty(name) for name in names}
    return alt.Color(
        "value:N",
        title=theme.pretty(color),
        scale=scale,
        sort=names,
        legend=alt.Legend(
            labelExpr=_labels(said),
            orient="right" if layout == "wide" else "bottom",
            columns=1 if layout == "wide" else 2,
        ),
    )


def _labels(said: dict[str, str]) -> str:
    """Expression of vega that turns the names of groups into words."""
    return f"{json.dumps(said, ensure_ascii=False)}[datum.value] || datum.label"


def _names(table: pd.DataFrame) -> pd.DataFrame:
    """Where the name of each compartment stands: at the median of its cells."""
    known = table[~table[k.COMPARTMENT].isin([k.UNASSIGNED, "none"])]
    groups = known.groupby(k.COMPARTMENT, sort=True, observed=True)
    middle = groups[["x", "y"]].median()[groups.size() >= _NAMED * len(table)]
    return middle.assign(name=[theme.pretty(str(name)) for name in middle.index])


def umap_table(
    cells: AnnData | pd.DataFrame,
    *,
    color: str = k.STATE,
    basis: str = "X_umap",
    max_cells: int = _MOST,
) -> pd.DataFrame:
    """Return what :func:`umap` draws: cell, x, y, value, text; compartment where it is known.

    Raises
    ------
    InputError
        There is no such embedding or column.
    """
    obs, place, names = _placed(cells, basis)
    if color not in obs:
        msg = f"obs has no column {color!r}"
        raise InputError(msg, fix="run sen.call(adata) first, or give color= a column of obs")
    rows = np.arange(len(obs))
    if len(obs) > max_cells:
        rows = np.unique(np.linspace(0, len(obs) - 1, max_cells).astype(np.int64))
    column = obs[color].iloc[rows]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        value = pd.Series(column.to_numpy(np.float64, na_value=np.nan))
        said = value.map("{:.3g}".format).where(value.notna(), "no value")
    else:
        value = pd.Series(column.astype(object).where(column.notna(), "none").to_numpy()).map(str)
        said = value.map(theme.pretty)
    named = names[rows].astype(str)
    text = [f"{cell}: {what}" for cell, what in zip(named, said, strict=True)]
    drawn: dict[str, Any] = {
        "cell": named.to_numpy(),
        "x": place[rows, 0],
        "y": place[rows, 1],
        "value": value,
    }
    if k.COMPARTMENT in obs:
        labels = obs[k.COMPARTMENT].iloc[rows].astype(object)
        drawn[k.COMPARTMENT] = labels.where(labels.notna(), "none").to_numpy()
    return pd.DataFrame({**drawn, "text": text})


def _placed(cells: Any, basis: str) -> tuple[pd.DataFrame, NDArray[np.float64], pd.Index[str]]:
    """What is known of the cells, where they lie, and what they are called."""
    if isinstance(cells, pd.DataFrame) and {*_PLACE, k.CELL} <= set(cells):
        return cells, cells[_PLACE].to_numpy(np.float64), pd.Index(cells[k.CELL])
    if not hasattr(cells, "obsm"):
        msg = f"umap takes an AnnData, not an object of type {type(cells).__name__}"
        raise InputError(msg, fix="give the object that sen.call wrote to")
    if basis not in cells.obsm:
        present = ", ".join(map(repr, cells.obsm)) or "none"
        msg = f"the AnnData has no embedding {basis!r} (obsm: {present})"
        fix = "make it with sc.pp.pca, sc.pp.neighbors and sc.tl.umap on log-normalised values"
        raise InputError(msg, fix=fix)
    return cells.obs, np.asarray(cells.obsm[basis])[:, :2].astype(np.float64), cells.obs_names
