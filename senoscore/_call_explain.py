"""The evidence of one cell as a small table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import _keys
from senoscore.errors import InputError
from senoscore.panel import load_panel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData

    from senoscore.panel import Panel

__all__ = ["explain"]


def explain(
    data: AnnData | pd.DataFrame,
    cell: str,
    *,
    panel: str | Path | Mapping[str, Any] | Panel = "default",
) -> pd.DataFrame:
    """Show why a cell has its state.

    Parameters
    ----------
    data
        What :func:`senoscore.call` returned or wrote to.
    cell
        Cell id.
    panel
        The panel it was called with.

    Returns
    -------
    One row an axis: ``axis``, ``title``, ``z``, ``cut`` (the calibrated cut; NaN if the table
    came from a file), ``direction`` (up, down, "" between, or ``not assessable``), ``decided``
    (the axis decided the state), ``weight`` (in the index), ``signatures``. ``attrs`` hold the
    cell's state, index, FDR and reason.

    Raises
    ------
    InputError
        The cell is not there or has not been called.
    """
    rules = load_panel(panel)
    row, z, cut = _row(data, str(cell), rules.axis_names)
    decided = set(str(row["axes_up"]).split(";"))
    low = rules.thresholds.get("down", -cut)
    value = np.array([z.get(name, np.nan) for name in rules.axis_names], dtype=np.float64)
    direction = np.select(
        [np.isnan(value), value > cut, value < low], ["not assessable", "up", "down"], default=""
    )
    table = pd.DataFrame(
        {
            "axis": rules.axis_names,
            "title": [axis.title for axis in rules.axes],
            "z": value,
            "cut": cut,
            "direction": direction,
            "decided": [name in decided for name in rules.axis_names],
            "weight": [axis.signed_weight for axis in rules.axes],
            "signatures": [" ".join(p.signature for p in axis.parts) for axis in rules.axes],
        }
    )
    table.attrs = {key: row[key] for key in (_keys.STATE, _keys.INDEX, _keys.FDR, _keys.REASON)}
    return table


def _row(
    data: AnnData | pd.DataFrame, cell: str, axes: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, float], float]:
    if isinstance(data, pd.DataFrame):
        if _keys.STATE not in data:
            raise InputError("this table has no calls", fix="use what sen.call returned")
        found = data[data[_keys.CELL].astype(str) == cell]
        if len(found) != 1:
            msg = f"{len(found)} cells are named {cell!r}, expected one"
            raise InputError(msg, fix="take an id from the column 'cell'")
        row = {str(k): v for k, v in found.iloc[0].items()}
        z = {a: float(row.get(f"z{_keys.SEP}{a}", np.nan)) for a in axes}
        cut = data.attrs.get("z_cut", {}).get(row[_keys.COMPARTMENT], np.nan)
        return row, z, float(cut)
    if _keys.OBSM_EVIDENCE not in data.obsm:
        raise InputError("this AnnData has no calls", fix="run sen.call on it first")
    if cell not in data.obs_names:
        msg = f"no cell {cell!r}"
        raise InputError(msg, fix="take an id from adata.obs_names")
    at = int(data.obs_names.get_loc(cell))
    row = {str(k): v for k, v in data.obs.iloc[at].items()}
    row["axes_up"] = row["senescence_axes_up"]
    row[_keys.REASON] = row[f"senescence_{_keys.REASON}"]
    evidence = data.obsm[_keys.OBSM_EVIDENCE].iloc[at]
    cuts = data.uns[_keys.UNS]["call"]["z_cut"]
    cut = cuts.get(str(row.get(_keys.COMPARTMENT)), np.nan)
    return row, {a: float(evidence.get(a, np.nan)) for a in axes}, float(cut)
