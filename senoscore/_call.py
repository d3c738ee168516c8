"""Is this cell senescent? States, index and false discovery rate, with a right to say no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys
from senoscore._calibrate import calibrate
from senoscore._calibrate_evidence import Reader
from senoscore._calibrate_input import cell_table, control_mask, kept, log_depth, score_matrix
from senoscore._call_conformal import benjamini_hochberg, conformal_p
from senoscore._call_explain import explain
from senoscore.errors import ConfigError
from senoscore.panel import NOT_ASSESSABLE, STATES
from senoscore.panel_rules import axes_of, holds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData

    from senoscore._calibrate_types import Calibration, CompartmentCalibration
    from senoscore.panel import Panel

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Bools = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = ["call", "explain"]

_CEILING: Final = {
    "controls": "no control samples",
    "single_cells": "a bulk sample is a mixture",
    "stable_day": "day after irradiation missing",
    "fdr": "above the stated false discovery rate",
}
"""Needs of a state and the reason given where one is not met, the most fundamental first."""


def call(
    data: AnnData | pd.DataFrame,
    calibration: Calibration | None = None,
    *,
    panel: str | Path | Mapping[str, Any] | Panel = "default",
    compartment: str = _keys.COMPARTMENT,
    control: Mapping[str, str] | None = None,
    fdr: float = 0.1,
    min_days_stable: float | None = None,
    alpha: float = 0.05,
    copy: bool = False,
) -> pd.DataFrame | AnnData | None:
    """Give every cell a state, an index and a false discovery rate.

    The first rule of the panel that holds gives the state. ``senescent`` also needs: a false
    discovery rate of at most ``fdr``, a day after irradiation that is known, control samples,
    and single cells; where one is not met the state is ``senescent_candidate`` and ``reason``
    says which. A control cell is judged by baselines fitted without its sample.

    Parameters
    ----------
    data
        As for :func:`senoscore.calibrate`, with ``days_post_rt`` (missing: no day is known).
    calibration
        Of the same scores; None calibrates on ``data`` first.
    panel, compartment, control, alpha
        For that calibration; ``compartment`` also names the column in ``data``.
    fdr
        False discovery rate of the senescent call, within a compartment of a sample
        (Benjamini-Hochberg over its assessable cells).
    min_days_stable
        Days after irradiation before which the pattern is an acute damage response; default
        the panel's.
    copy
        Leave the AnnData as it is and return a new one.

    Returns
    -------
    For a table, one row a cell in its order: ``cell``, ``sample``, ``compartment``, ``z:<axis>``
    (float32, control SDs), ``senescence_state`` (categorical), ``senescence_index`` (float32,
    control SDs), ``senescence_fdr`` (float32; 1 where the rule does not hold, NaN without
    controls), ``panel_positive`` (the rule holds, whatever the day and FDR; bool), ``axes_up``
    (what decided), ``reason``. For an AnnData None (or the copy), with the state, index, FDR and
    the other columns in ``obs``, z values in ``obsm["senescence_evidence"]`` and the parameters
    in ``uns["senoscore"]["call"]``.

    Raises
    ------
    InputError
        Missing columns or scores.
    DesignError
        A sample is both control and not.
    ConfigError
        ``fdr`` outside (0, 1), or an invalid panel.
    """
    if not 0 < fdr < 1:
        msg = f"fdr is {fdr}, expected a rate between 0 and 1"
        raise ConfigError(msg)
    if calibration is None:
        calibration = calibrate(
            data, compartment=compartment, control=control, panel=panel, alpha=alpha
        )
    rules = calibration.panel
    days = rules.min_days_stable if min_days_stable is None else min_days_stable
    table = cell_table(data, rules, method=calibration.method, compartment=compartment)
    result = _call_table(table, calibration, fdr=fdr, min_days=days)
    if isinstance(data, pd.DataFrame):
        return result
    target = data.copy() if copy else data
    _write(target, result, calibration, fdr=fdr, min_days=days)
    return target if copy else None


@dataclass
class _Output:
    """Columns that are filled compartment by compartment."""

    z: np.ndarray[Any, np.dtype[np.float32]]
    index: np.ndarray[Any, np.dtype[np.float32]]
    fdr: np.ndarray[Any, np.dtype[np.float32]]
    positive: Bools
    state: np.ndarray[Any, np.dtype[np.int8]]
    axes_up: np.ndarray[Any, Any]
    reason: np.ndarray[Any, Any]


def _call_table(
    table: pd.DataFrame, calibration: Calibration, *, fdr: float, min_days: float
) -> pd.DataFrame:
    panel, n = calibration.panel, len(table)
    names = table[_keys.COMPARTMENT].astype("string").fillna(_keys.UNASSIGNED).to_numpy(dtype=str)
    samples = table[_keys.SAMPLE].astype(str).to_numpy(dtype=str)
    days = _day_conditions(table, control_mask(table, calibration.control), min_days)
    use, depth = kept(table), log_depth(table)
    out = _Output(
        np.full((n, len(panel.axes)), np.nan, np.float32),
        np.full(n, np.nan, np.float32),
        np.full(n, np.nan, np.float32),
        np.zeros(n, bool),
        np.full(n, STATES.index(NOT_ASSESSABLE), np.int8),
        np.full(n, "", object),
        np.full(n, "", object),
    )
    out.reason[~use] = "failed quality control"
    for name in np.unique(names):
        rows = np.flatnonzero(use & (names == name))
        own = calibration.by_compartment.get(str(name))
        if own is None or not own.levels:
            out.reason[rows] = own.note if own else "compartment not calibrated"
            continue
        null = own.mode == "null"
        scores = score_matrix(table.iloc[rows], panel, method=calibration.method, null=null)
        when = {k: v[rows] for k, v in days.items()}
        _judge(out, rows, scores, depth[rows], samples[rows], when, own, panel, fdr)
    columns: dict[str, Any] = {
        _keys.CELL: table[_keys.CELL].to_numpy(),
        _keys.SAMPLE: table[_keys.SAMPLE].to_numpy(),
        _keys.COMPARTMENT: names,
    }
    columns |= {f"z{_keys.SEP}{a}": out.z[:, i] for i, a in enumerate(panel.axis_names)}
    columns |= {
        _keys.STATE: pd.Categorical.from_codes(out.state, dtype=pd.CategoricalDtype(list(STATES))),
        _keys.INDEX: out.index,
        _keys.FDR: out.fdr,
        "panel_positive": out.positive,
        "axes_up": out.axes_up,
        _keys.REASON: out.reason,
    }
    result = pd.DataFrame(columns, index=table.index)
    result.attrs["z_cut"] = {c: v.z_cut for c, v in calibration.by_compartment.items()}
    return result


def _day_conditions(table: pd.DataFrame, control: Bools, min_days: float) -> dict[str, Bools]:
    """Whether stable senescence can be claimed; a control was not irradiated and always can."""
    if _keys.DAYS in table:
        day = pd.to_numeric(table[_keys.DAYS], errors="coerce").to_numpy(
            np.float64, na_value=np.nan
        )
    else:
        day = np.full(len(table), np.nan)
    missing = np.isnan(day) & ~control
    early = (day < min_days) & ~control
    return {"before_stable": early, "missing": missing, "stable": ~missing & ~early}


def _judge(
    out: _Output,
    rows: np.ndarray[Any, Any],
    scores: Floats,
    depth: Floats,
    samples: np.ndarray[Any, Any],
    days: dict[str, Bools],
    own: CompartmentCalibration,
    panel: Panel,
    fdr: float,
) -> None:
    """Fill the rows of one compartment."""
    reader = Reader(panel, own.compartment)
    z, index = np.full((len(rows), len(panel.axes)), np.nan), np.full(len(rows), np.nan)
    label = np.where(np.isin(samples, [s for s in own.levels if s]), samples, "")
    for left_out in np.unique(label):
        part = label == left_out
        z[part], index[part] = reader.read(scores[part], own.levels[str(left_out)], depth[part])
    out.z[rows], out.index[rows] = z, index
    if not own.assessable:
        out.reason[rows] = own.note
        return
    able = reader.assessable(z)
    out.reason[rows[~able]] = "too few axes of evidence"
    positive = reader.positive(z, own.z_cut)
    out.positive[rows] = positive
    q = _fdr(index, positive, able, samples, own)
    out.fdr[rows] = q
    _states(out, rows, z, days, able, q, reader, own, fdr)


def _fdr(
    index: Floats,
    positive: Bools,
    able: Bools,
    samples: np.ndarray[Any, Any],
    own: CompartmentCalibration,
) -> Floats:
    """Benjamini-Hochberg within each sample over its assessable cells; NaN without controls."""
    q = np.where(able & (own.mode != "null"), 1.0, np.nan)
    if own.mode == "null":
        return q
    for sample in np.unique(samples[positive]):
        others = {s: v for s, v in own.null.items() if s != sample} or own.null
        mine = positive & (samples == sample)
        p = conformal_p(index[mine], others, own.n_cells)
        q[mine] = benjamini_hochberg(p, n_tests=int((able & (samples == sample)).sum()))
    return q


def _states(
    out: _Output,
    rows: np.ndarray[Any, Any],
    z: Floats,
    days: dict[str, Bools],
    able: Bools,
    q: Floats,
    reader: Reader,
    own: CompartmentCalibration,
    fdr: float,
) -> None:
    """First state that fits, its ceiling, and the axes that decided it."""
    panel = reader.panel
    evidence = reader.evidence(z, days)
    limits = panel.thresholds_of(own.compartment, own.z_cut)
    unmet = {
        "controls": np.full(len(z), own.mode == "null"),
        "single_cells": np.full(len(z), own.mode == "bulk"),
        "stable_day": days["missing"],
        "fdr": ~(q <= fdr),
    }
    open_ = able.copy()
    for state in panel.states:
        mine = holds(state.when, evidence, limits) & open_
        open_ &= ~mine
        out.state[rows[mine]] = STATES.index(state.name)
        asked = axes_of(state.when, excluded=False)
        up = np.column_stack([holds(t, evidence, limits) & mine for t in asked] or [mine & False])
        out.axes_up[rows[mine]] = _joined(up[mine], [t.axis for t in asked])
        for need in (n for n in reversed(_CEILING) if n in state.needs):
            held = mine & unmet[need]
            out.state[rows[held]] = STATES.index(state.otherwise)
            out.reason[rows[held]] = _CEILING[need]


def _joined(flags: Bools, names: list[str]) -> np.ndarray[Any, Any]:
    """Names of the columns that are true, joined by ``;``, for each row."""
    if not names:
        return np.full(len(flags), "", object)
    packed = np.packbits(flags, axis=1)
    patterns, first, inverse = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    texts = np.empty(len(patterns), object)
    for i, row in enumerate(first):
        texts[i] = ";".join(dict.fromkeys(np.array(names)[flags[row]].tolist()))
    return np.asarray(texts[inverse.ravel()])


def _write(
    adata: AnnData, result: pd.DataFrame, calibration: Calibration, *, fdr: float, min_days: float
) -> None:
    prefix = f"z{_keys.SEP}"
    axes = list(calibration.panel.axis_names)
    evidence = result[[prefix + axis for axis in axes]].set_axis(axes, axis=1)
    evidence.index = pd.Index(adata.obs_names)
    evidence.attrs = {}
    adata.obsm[_keys.OBSM_EVIDENCE] = evidence
    for column in (_keys.STATE, _keys.INDEX, _keys.FDR, "panel_positive"):
        adata.obs[column] = result[column].array
    for column in ("axes_up", _keys.REASON):
        adata.obs[f"senescence_{column}"] = pd.Categorical(result[column])
    entry = dict(adata.uns.get(_keys.UNS, {}))
    entry["call"] = {
        "panel": calibration.panel.name,
        "method": calibration.method,
        "alpha": float(calibration.alpha),
        "fdr": float(fdr),
        "min_days_stable": float(min_days),
        "z_cut": {c: float(v.z_cut) for c, v in calibration.by_compartment.items()},
    }
    adata.uns[_keys.UNS] = entry
