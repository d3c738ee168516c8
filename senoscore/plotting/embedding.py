"""Cells where an embedding puts them, coloured by state, compartment or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.plotting import theme

if TYPE_CHECKING:
    import altair as alt
    from anndata import AnnData


__all__ = ["umap", "umap_table"]

_MOST: Final = 5000
"""Marks that altair draws in a notebook unless it is told otherwise."""


def umap(
    adata: AnnData, *, color: str = k.STATE, basis: str = "X_umap", max_cells: int = _MOST
) -> alt.Chart:
    """Draw cells in two dimensions.

    Parameters
    ----------
    adata
        With ``obsm[basis]``, as :func:`scanpy.tl.umap` leaves it, and the column in ``obs``.
    color
        Column of ``obs``: ``senescence_state``, ``compartment``, ``senescence_index``, ...
    basis
        Key of ``obsm``; its first two columns are drawn.
    max_cells
        Of more cells, so many are drawn, evenly spread over the object; the title says so.

    Raises
    ------
    InputError
        There is no such embedding or column.
    """
    import altair as alt

    table = umap_table(adata, color=color, basis=basis, max_cells=max_cells)
    axes = {side: alt.X if side == "x" else alt.Y for side in ("x", "y")}
    hidden = alt.Axis(labels=False, ticks=False, grid=False)
    x, y = (axes[s](f"{s}:Q", title=None, axis=hidden, scale=alt.Scale(zero=False)) for s in "xy")
    if pd.api.types.is_numeric_dtype(table["value"]):
        middle = float(np.nanpercentile(np.abs(table["value"]), 99)) if len(table) else 1.0
        colour = alt.Color(
            "value:Q",
            title=theme.pretty(color),
            scale=alt.Scale(
                range=list(theme.DIVERGING), domain=[-middle, middle], domainMid=0, clamp=True
            ),
        )
    else:
        colours = theme.STATE_COLOURS if color == k.STATE else theme.COMPARTMENT_COLOURS
        names = theme.known_first(table["value"], colours)
        own = theme.state_colour if color == k.STATE else theme.compartment_colour
        unknown = not set(names) & set(colours)
        # Groups that senoscore has no colours for get those of the scheme, not one grey for all.
        scale = (
            alt.Scale(scheme="tableau10")
            if unknown
            else alt.Scale(domain=names, range=[own(name) for name in names])
        )
        colour = alt.Color("value:N", title=theme.pretty(color), scale=scale, sort=names)
    drawn, n = len(table), adata.n_obs
    title: Any = theme.pretty(color)
    if drawn < n:
        title = alt.TitleParams(title, subtitle=f"{drawn:,} of {n:,} cells")
    chart = alt.Chart(table).mark_circle(size=9, opacity=0.8)
    chart = chart.encode(x=x, y=y, color=colour, description=alt.Description("text:N"))
    return chart.properties(width=420, height=400, title=title).configure(**theme.config())


def umap_table(
    adata: AnnData, *, color: str = k.STATE, basis: str = "X_umap", max_cells: int = _MOST
) -> pd.DataFrame:
    """Return what :func:`umap` draws: cell, x, y, value, text.

    Raises
    ------
    InputError
        There is no such embedding or column.
    """
    if not hasattr(adata, "obsm"):
        msg = f"umap takes an AnnData, not an object of type {type(adata).__name__}"
        raise InputError(msg, fix="give the object that sen.call wrote to")
    if basis not in adata.obsm:
        there = ", ".join(map(repr, adata.obsm)) or "none"
        msg = f"the AnnData has no embedding {basis!r} (obsm: {there})"
        fix = "make it with sc.pp.pca, sc.pp.neighbors and sc.tl.umap on log-normalised values"
        raise InputError(msg, fix=fix)
    if color not in adata.obs:
        msg = f"obs has no column {color!r}"
        raise InputError(msg, fix="run sen.call(adata) first, or give color= a column of obs")
    rows = np.arange(adata.n_obs)
    if adata.n_obs > max_cells:
        rows = np.unique(np.linspace(0, adata.n_obs - 1, max_cells).astype(np.int64))
    place = np.asarray(adata.obsm[basis])[rows, :2].astype(np.float64)
    column = adata.obs[color].iloc[rows]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        value = pd.Series(column.to_numpy(np.float64, na_value=np.nan))
        said = value.map("{:.3g}".format)
    else:
        value = pd.Series(column.astype(object).where(column.notna(), "none").to_numpy()).map(str)
        said = value.map(theme.pretty)
    cells = adata.obs_names[rows].astype(str)
    text = [f"{cell}: {what}" for cell, what in zip(cells, said, strict=True)]
    return pd.DataFrame(
        {"cell": cells.to_numpy(), "x": place[:, 0], "y": place[:, 1], "value": value, "text": text}
    )
