"""Is this cell senescent? States, index and false discovery rate, with a right to say no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import _keys
from senoscore._calibrate import fit
from senoscore._calibrate_input import cell_table, control_mask, control_of, log_depth
from senoscore._calibrate_judge import compartments_of, days_of, judge, tests_of
from senoscore._calibrate_store import recall, stored_column
from senoscore._calibrate_tests import Tests, q_values
from senoscore._call_explain import explain
from senoscore._call_states import Judged, decide, unlike_controls
from senoscore.errors import ConfigError
from senoscore.panel import STATES, load_panel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData

    from senoscore._calibrate_types import Calibration
    from senoscore.panel import Panel

__all__ = ["call", "explain"]


def call(
    data: AnnData | pd.DataFrame,
    calibration: Calibration | None = None,
    *,
    panel: str | Path | Mapping[str, Any] | Panel | None = None,
    compartment: str | None = None,
    control: str | Mapping[str, str] | None = None,
    fdr: float = 0.1,
    min_days_stable: float | None = None,
    alpha: float | None = None,
    copy: bool = False,
) -> pd.DataFrame | AnnData | None:
    """Give every cell a state, an index and a false discovery rate.

    The first rule of the panel that holds gives the state. Whatever the panel says, ``senescent``
    also needs a false discovery rate of at most ``fdr``, a day after irradiation that is known,
    two control samples, single cells, depth like that of the controls (its sample's median within
    twice their range), and a proliferation that is assessed (if the compartment divides); where
    one is not met the state is ``senescent_candidate`` and ``reason`` says which. Before
    ``min_days_stable`` neither is given. A control cell is judged by baselines fitted without its
    sample; a sample taken before irradiation (day 0 or less) counts as not irradiated.

    Parameters
    ----------
    data
        As for :func:`senoscore.calibrate`, with ``days_post_rt`` (missing: no day is known).
    calibration
        Of the same scores; None takes the one that :func:`senoscore.calibrate` kept with an
        AnnData, else calibrates on ``data`` first.
    panel, compartment, control, alpha
        For a calibration made here, with the defaults of :func:`senoscore.calibrate`. Where there
        is one, they may not contradict it. ``compartment`` also names the column in ``data``.
    fdr
        False discovery rate of the senescent call, over the run: Benjamini-Hochberg over the
        assessable cells of all compartments and samples that ``calibration`` saw and that can be
        senescent (irradiated cells of day ``min_days_stable`` or later); if it saw none, over
        those of ``data``. Control cells are a family of their own.
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
        Missing columns or scores, a day that is no number, or cells, labels or scores that have
        changed since :func:`senoscore.calibrate`.
    DesignError
        A sample is both control and not.
    ConfigError
        ``fdr`` outside (0, 1), an invalid panel, or a parameter that the calibration contradicts.
    """
    if not 0 < fdr < 1:
        msg = f"fdr is {fdr}, expected a rate between 0 and 1"
        raise ConfigError(msg)
    if calibration is None and not isinstance(data, pd.DataFrame):
        column = stored_column(data)
        if column is not None:
            _agree("compartment", compartment, column)
            compartment, calibration = column, recall(data)
    compartment = _keys.COMPARTMENT if compartment is None else compartment
    if calibration is None:
        calibration = fit(
            data,
            compartment=compartment,
            control=control,
            panel="default" if panel is None else panel,
            alpha=0.05 if alpha is None else alpha,
        )
    else:
        _agree("alpha", alpha, calibration.alpha)
        _agree("control", control and control_of(control), calibration.control)
        _agree("panel", panel and load_panel(panel).raw, calibration.panel.raw)
    rules = calibration.panel
    days = rules.min_days_stable if min_days_stable is None else min_days_stable
    table = cell_table(data, rules, method=calibration.method, compartment=compartment)
    result = _call_table(table, calibration, fdr=fdr, min_days=days)
    if isinstance(data, pd.DataFrame):
        return result
    target = data.copy() if copy else data
    _write(target, result, calibration, fdr=fdr, min_days=days)
    return target if copy else None


def _agree(what: str, asked: Any, calibrated: Any) -> None:
    """Refuse a parameter that the calibration at hand was made without."""
    if asked is None or asked == calibrated:
        return
    msg = f"call is asked for another {what} than the calibration was made with"
    if what != "panel":
        msg = f"call is asked for {what} {asked!r}, the calibration was made with {calibrated!r}"
    raise ConfigError(msg, fix=f"give {what} to sen.calibrate, and not to sen.call")


def _call_table(
    table: pd.DataFrame, calibration: Calibration, *, fdr: float, min_days: float
) -> pd.DataFrame:
    found = judge(table, calibration)
    control = control_mask(table, calibration.control)
    day = days_of(table, control)
    # Day 0 or less: not irradiated, or not yet, hence not early.
    early = (day > 0) & (day < min_days)
    days = {
        "before_stable": early,
        "missing": np.isnan(day),
        "stable": (day >= min_days) | (day <= 0),
    }
    q = np.full(len(table), np.nan)
    here = tests_of(table, found, calibration.control)
    for arm in (True, False):
        known = calibration.tests.get(arm, Tests())
        family, n = (known if known.n_of_day else here[arm]).since(min_days)
        own = (control == arm) & ~np.isnan(found.p)
        q[own] = np.where(found.positive[own], q_values(found.p[own], family, n), 1.0)
    judged = Judged.of(found, q)
    samples = table[_keys.SAMPLE].astype(str).to_numpy(dtype=str)
    depth = log_depth(table)
    for rows, reader, own_calibration in found.parts:
        when = {name: mask[rows] for name, mask in days.items()}
        deep = unlike_controls(depth[rows], samples[rows], own_calibration)
        decide(judged, found, rows, when, deep, reader, own_calibration, fdr)
    return _result(table, judged, calibration)


def _result(table: pd.DataFrame, judged: Judged, calibration: Calibration) -> pd.DataFrame:
    columns: dict[str, Any] = {
        _keys.CELL: table[_keys.CELL].to_numpy(),
        _keys.SAMPLE: table[_keys.SAMPLE].to_numpy(),
        _keys.COMPARTMENT: compartments_of(table),
    }
    axes = calibration.panel.axis_names
    columns |= {f"z{_keys.SEP}{axis}": judged.z[:, i] for i, axis in enumerate(axes)}
    states = pd.CategoricalDtype(list(STATES))
    columns |= {
        _keys.STATE: pd.Categorical.from_codes(judged.state, dtype=states),
        _keys.INDEX: judged.index,
        _keys.FDR: judged.fdr,
        "panel_positive": judged.positive,
        "axes_up": judged.axes_up,
        _keys.REASON: judged.reason,
    }
    result = pd.DataFrame(columns, index=table.index)
    result.attrs["z_cut"] = {c: v.z_cut for c, v in calibration.by_compartment.items()}
    return result


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
