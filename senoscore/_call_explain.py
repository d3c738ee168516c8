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
        What :func:`senoscore.call` returned or wrote to. A table may have score columns
        (``<method>:<signature>``, ``<method>_p:<signature>``) beside the calls.
    cell
        Cell id.
    panel
        The panel it was called with.

    Returns
    -------
    One row an axis: ``axis``, ``title``, ``z``, ``cut`` (the calibrated cut; NaN if the table
    came from a file), ``direction`` (up, down, "" between, or ``not assessable``), ``decided``
    (the axis decided the state), ``weight`` (in the index), ``signatures``, and of these
    signatures ``score`` (mean, each with its sign), ``null_p`` (the largest, against matched gene
    sets), ``coverage`` (the lowest share of genes found); NaN where ``data`` does not hold them.
    ``attrs`` hold the cell's state, index, FDR and reason.

    Raises
    ------
    InputError
        The cell is not there or has not been called, or was called with other axes.
    """
    rules = load_panel(panel)
    row, z, cut, scores = _row(data, str(cell), rules)
    if set(z) != set(rules.axis_names):
        other = sorted(set(z) ^ set(rules.axis_names))[0]
        msg = f"the calls were not made with panel {rules.name!r}: axis {other!r} is in one only"
        raise InputError(msg, fix="give panel= the panel of the call")
    decided = set(str(row["axes_up"]).split(";"))
    low = rules.thresholds.get("down", -cut)
    value = np.array([z[name] for name in rules.axis_names], dtype=np.float64)
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
    for column, (values, of) in scores.items():
        table[column] = [
            of([p.sign * values[p.signature] if column == "score" else values[p.signature]
                for p in axis.parts if p.signature in values] or [np.nan])
            for axis in rules.axes
        ]  # fmt: skip
    table.attrs = {key: row[key] for key in (_keys.STATE, _keys.INDEX, _keys.FDR, _keys.REASON)}
    return table


def _row(
    data: AnnData | pd.DataFrame, cell: str, panel: Panel
) -> tuple[dict[str, Any], dict[str, float], float, dict[str, Any]]:
    """The cell's calls, its z by axis, its cut, and what is known of its scores."""
    prefix = f"z{_keys.SEP}"
    if isinstance(data, pd.DataFrame):
        if _keys.STATE not in data:
            raise InputError("this table has no calls", fix="use what sen.call returned")
        found = data[data[_keys.CELL].astype(str) == cell]
        if len(found) != 1:
            msg = f"{len(found)} cells are named {cell!r}, expected one"
            raise InputError(msg, fix="take an id from the column 'cell'")
        row = {str(k): v for k, v in found.iloc[0].items()}
        z = {k.removeprefix(prefix): float(v) for k, v in row.items() if k.startswith(prefix)}
        cut = data.attrs.get("z_cut", {}).get(row[_keys.COMPARTMENT], np.nan)
        return row, z, float(cut), _scores(row, panel.method, {})
    if _keys.OBSM_EVIDENCE not in data.obsm:
        raise InputError("this AnnData has no calls", fix="run sen.call on it first")
    if cell not in data.obs_names:
        msg = f"no cell {cell!r}"
        raise InputError(msg, fix="take an id from adata.obs_names")
    at = int(data.obs_names.get_loc(cell))
    row = {str(k): v for k, v in data.obs.iloc[at].items()}
    row["axes_up"] = row["senescence_axes_up"]
    row[_keys.REASON] = row[f"senescence_{_keys.REASON}"]
    entry = data.uns[_keys.UNS]
    method = str(entry["call"]["method"])
    for suffix in ("", "_p"):
        key = _keys.OBSM_SCORE.format(method=method) + suffix
        if isinstance(data.obsm.get(key), pd.DataFrame):
            own = data.obsm[key].iloc[at].add_prefix(f"{method}{suffix}{_keys.SEP}")
            row |= {str(k): v for k, v in own.items()}
    coverage = entry.get("coverage")
    known = {}
    if coverage is not None:
        lowest = coverage.groupby("signature")["fraction"].min()
        known = {str(k): float(v) for k, v in lowest.items()}
    z = {str(k): float(v) for k, v in data.obsm[_keys.OBSM_EVIDENCE].iloc[at].items()}
    cut = entry["call"]["z_cut"].get(str(row.get(_keys.COMPARTMENT)), np.nan)
    return row, z, float(cut), _scores(row, method, known)


def _scores(row: dict[str, Any], method: str, coverage: dict[str, float]) -> dict[str, Any]:
    """By signature, and how those of an axis are summarised."""
    own, null = f"{method}{_keys.SEP}", f"{method}_p{_keys.SEP}"
    return {
        "score": ({k.removeprefix(own): v for k, v in row.items() if k.startswith(own)}, np.mean),
        "null_p": ({k.removeprefix(null): v for k, v in row.items() if k.startswith(null)}, max),
        "coverage": (coverage, min),
    }
