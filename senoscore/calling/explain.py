"""Why a cell has its state: axis by axis, or gene by gene where a programme was learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.calling.auto import levels_of
from senoscore.calling.panel import load_panel
from senoscore.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData

    from senoscore.calling.panel import Panel

__all__ = ["explain"]


def explain(
    data: AnnData | pd.DataFrame,
    cell: str,
    *,
    panel: str | Path | Mapping[str, Any] | Panel = "default",
    by: str = "axis",
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
    by
        ``axis``, or ``gene``: the genes of the learnt programme that made the cell's score.

    Returns
    -------
    By gene, one row a gene of the programme of the cell's compartment, the largest contribution
    first: ``gene``, ``kind`` (of evidence), ``weight``, ``level`` (log-normalised, of this cell),
    ``control_mean``, ``z`` (control SDs), ``contribution`` (weight times z, control SDs of the
    score before depth, cycle and nuisances are taken out). The weights are those of all subjects;
    the score of the cell itself leaves its own subject out.

    By axis, one row an axis: ``axis``, ``title``, ``z``, ``cut`` (the calibrated cut; NaN if the
    table came from a file), ``direction`` (up, down, "" between, or ``not assessable``),
    ``decided`` (the axis decided the state), ``weight`` (in the index), ``signatures``, and of
    these signatures ``score`` (mean, each with its sign), ``null_p`` (the largest, against matched
    gene sets), ``coverage`` (the lowest share of genes found); NaN where ``data`` lacks them.
    ``attrs`` hold the cell's state, index, FDR and reason.

    Raises
    ------
    InputError
        The cell is not there or has not been called, or was called with other axes; by gene, its
        compartment has no learnt programme.
    ConfigError
        ``by`` is something else.

    Examples
    --------
    >>> cell = adata.obs_names[adata.obs["senescence_state"] == "senescent"][0]
    >>> why = sen.explain(adata, cell)
    >>> why[["axis", "title"]].head(2)
             axis                       title
    0  arrest_p53  p53 targets without CDKN1A
    1  arrest_p21                p21 (CDKN1A)
    """
    if by not in ("axis", "gene"):
        msg = f"by is {by!r}"
        raise ConfigError(msg, fix="use 'axis' or 'gene'")
    if by == "gene":
        return _genes(data, str(cell))
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
    table.attrs = {key: row[key] for key in (k.STATE, k.INDEX, k.FDR, k.REASON)}
    return table


def _row(
    data: AnnData | pd.DataFrame, cell: str, panel: Panel
) -> tuple[dict[str, Any], dict[str, float], float, dict[str, Any]]:
    """The cell's calls, its z by axis, its cut, and what is known of its scores."""
    prefix = f"z{k.SEP}"
    if isinstance(data, pd.DataFrame):
        if k.STATE not in data:
            raise InputError("this table has no calls", fix="use what sen.call returned")
        found = data[data[k.CELL].astype(str) == cell]
        if len(found) != 1:
            msg = f"{len(found)} cells are named {cell!r}, expected one"
            raise InputError(msg, fix="take an id from the column 'cell'")
        row = {str(key): v for key, v in found.iloc[0].items()}
        z = {key.removeprefix(prefix): float(v) for key, v in row.items() if key.startswith(prefix)}
        cut = data.attrs.get("z_cut", {}).get(row[k.COMPARTMENT], np.nan)
        return row, z, float(cut), _scores(row, panel.method, {})
    if k.OBSM_EVIDENCE not in data.obsm:
        raise InputError("this AnnData has no calls", fix="run sen.call on it first")
    if cell not in data.obs_names:
        msg = f"no cell {cell!r}"
        raise InputError(msg, fix="take an id from adata.obs_names")
    at = int(data.obs_names.get_loc(cell))
    row = {str(key): v for key, v in data.obs.iloc[at].items()}
    row["axes_up"] = row["senescence_axes_up"]
    row[k.REASON] = row[f"senescence_{k.REASON}"]
    entry = data.uns[k.UNS]
    method = str(entry["call"]["method"])
    for suffix in ("", "_p"):
        key = k.OBSM_SCORE.format(method=method) + suffix
        if isinstance(data.obsm.get(key), pd.DataFrame):
            scores = data.obsm[key].iloc[at].add_prefix(f"{method}{suffix}{k.SEP}")
            row |= {str(key): v for key, v in scores.items()}
    coverage = entry.get("coverage")
    known = {}
    if coverage is not None:
        lowest = coverage.groupby("signature", observed=True)["fraction"].min()
        known = {str(key): float(v) for key, v in lowest.items()}
    z = {str(key): float(v) for key, v in data.obsm[k.OBSM_EVIDENCE].iloc[at].items()}
    cut = entry["call"]["z_cut"].get(str(row.get(k.COMPARTMENT)), np.nan)
    return row, z, float(cut), _scores(row, method, known)


def _scores(row: dict[str, Any], method: str, coverage: dict[str, float]) -> dict[str, Any]:
    """By signature, and how those of an axis are summarised."""
    prefix, null = f"{method}{k.SEP}", f"{method}_p{k.SEP}"
    return {
        "score": (
            {key.removeprefix(prefix): v for key, v in row.items() if key.startswith(prefix)},
            np.mean,
        ),
        "null_p": (
            {key.removeprefix(null): v for key, v in row.items() if key.startswith(null)},
            max,
        ),
        "coverage": (coverage, min),
    }


def _genes(data: AnnData | pd.DataFrame, cell: str) -> pd.DataFrame:
    """Contributions of genes to the score of a cell by the learnt programme."""
    if isinstance(data, pd.DataFrame) or "programme" not in data.uns.get(k.UNS, {}):
        msg = "no programme was learnt, so that no genes made this cell"
        raise InputError(msg, fix="give the AnnData that sen.call was run on, with its values")
    if cell not in data.obs_names:
        msg = f"no cell {cell!r}"
        raise InputError(msg, fix="take an id from adata.obs_names")
    at = int(data.obs_names.get_loc(cell))
    entry = data.uns[k.UNS]
    room = str(data.obs[str(entry["call"]["compartment"])].iloc[at])
    programme = entry["programme"]
    programme = programme[programme[k.COMPARTMENT].astype(str) == room]
    if not len(programme):
        msg = f"no programme was learnt in compartment {room!r}"
        raise InputError(msg, fix="sen.explain by axis shows what the panel saw")
    genes, level = levels_of(data, at, method=str(entry["call"]["method"]))
    value = (
        pd.Series(level, index=genes).reindex(programme["gene"].astype(str)).to_numpy(np.float64)
    )
    z = (value - programme["control_mean"].to_numpy()) / programme["control_sd"].to_numpy()
    weight = programme["weight"].to_numpy()
    table = pd.DataFrame(
        {
            "gene": programme["gene"].astype(str).to_numpy(object),
            "kind": programme["kind"].astype(str).to_numpy(object),
            "weight": weight,
            "level": value,
            "control_mean": programme["control_mean"].to_numpy(),
            "z": z,
            "contribution": weight * z,
        }
    )
    table = table.sort_values(["contribution", "gene"], ascending=[False, True], kind="stable")
    table = table.reset_index(drop=True)
    columns = {k.STATE: k.STATE, k.INDEX: k.INDEX, k.FDR: k.FDR, k.REASON: f"senescence_{k.REASON}"}
    columns[k.PROGRAMME_SCORE] = k.PROGRAMME_SCORE
    table.attrs = {key: data.obs[column].iloc[at] for key, column in columns.items()}
    return table
