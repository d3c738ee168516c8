"""Is this cell senescent? States, index and false discovery rate, with a right to say no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import _keys
from senoscore._calibrate import calibrate
from senoscore._calibrate_evidence import Reader
from senoscore._calibrate_input import cell_table, control_mask, kept, log_depth, score_matrix
from senoscore._call_conformal import benjamini_hochberg, conformal_p
from senoscore._call_explain import explain
from senoscore._call_states import Judged, decide
from senoscore.errors import ConfigError
from senoscore.panel import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData

    from senoscore._calibrate_types import Calibration
    from senoscore.panel import Panel

    Bools = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = ["call", "explain"]


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
        Of the same scores; None calibrates on ``data`` first.
    panel, compartment, control, alpha
        For that calibration; ``compartment`` also names the column in ``data``.
    fdr
        False discovery rate of the senescent call, within a sample (Benjamini-Hochberg over its
        assessable cells of all compartments).
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


def _call_table(
    table: pd.DataFrame, calibration: Calibration, *, fdr: float, min_days: float
) -> pd.DataFrame:
    panel, n = calibration.panel, len(table)
    names = table[_keys.COMPARTMENT].astype("string").fillna(_keys.UNASSIGNED).to_numpy(dtype=str)
    samples = table[_keys.SAMPLE].astype(str).to_numpy(dtype=str)
    days = _day_conditions(table, control_mask(table, calibration.control), min_days)
    use, depth = kept(table), log_depth(table)
    judged = Judged.empty(n, len(panel.axes))
    judged.reason[~use] = "failed quality control"
    p, tested = np.ones(n), np.zeros(n, bool)
    parts = []
    for name in np.unique(names):
        rows = np.flatnonzero(use & (names == name))
        own = calibration.by_compartment.get(str(name))
        if own is None or not own.levels:
            judged.reason[rows] = own.note if own else "compartment not calibrated"
            continue
        reader = Reader(panel, own.compartment)
        scores = score_matrix(
            table.iloc[rows], panel, method=calibration.method, null=own.mode == "null"
        )
        z, index = np.full((len(rows), len(panel.axes)), np.nan), np.full(len(rows), np.nan)
        label = np.where(np.isin(samples[rows], [s for s in own.levels if s]), samples[rows], "")
        for left_out in np.unique(label):
            part = label == left_out
            levels = own.levels[str(left_out)]
            z[part], index[part] = reader.read(scores[part], levels, depth[rows[part]])
        judged.z[rows], judged.index[rows] = z, index
        if not own.assessable:
            judged.reason[rows] = own.note
            continue
        able = reader.assessable(z)
        judged.reason[rows[~able]] = "too few axes of evidence"
        positive = reader.positive(z, own.z_cut)
        judged.positive[rows] = positive
        if own.mode != "null":
            tested[rows] = able
            for sample in np.unique(samples[rows[positive]]):
                others = {s: v for s, v in own.null.items() if s != sample} or own.null
                mine = positive & (samples[rows] == sample)
                p[rows[mine]] = conformal_p(index[mine], others, own.n_assessable)
        parts.append((rows, z, able, reader, own))
    judged.fdr[:] = _fdr(p, judged.positive, tested, samples)
    for rows, z, able, reader, own in parts:
        when = {k: v[rows] for k, v in days.items()}
        decide(judged, rows, z, able, when, depth[rows], samples[rows], reader, own, fdr)
    return _result(table, names, judged, calibration)


def _result(
    table: pd.DataFrame, names: np.ndarray[Any, Any], judged: Judged, calibration: Calibration
) -> pd.DataFrame:
    columns: dict[str, Any] = {
        _keys.CELL: table[_keys.CELL].to_numpy(),
        _keys.SAMPLE: table[_keys.SAMPLE].to_numpy(),
        _keys.COMPARTMENT: names,
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


def _day_conditions(table: pd.DataFrame, control: Bools, min_days: float) -> dict[str, Bools]:
    """Whether stable senescence can be claimed; what was not irradiated (yet) always can."""
    if _keys.DAYS in table:
        day = pd.to_numeric(table[_keys.DAYS], errors="coerce").to_numpy(
            np.float64, na_value=np.nan
        )
    else:
        day = np.full(len(table), np.nan)
    missing = np.isnan(day) & ~control
    early = (day > 0) & (day < min_days) & ~control
    return {"before_stable": early, "missing": missing, "stable": ~missing & ~early}


def _fdr(
    p: np.ndarray[Any, Any], positive: Bools, tested: Bools, samples: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Benjamini-Hochberg over the tested cells of each sample; NaN where there is no p.

    Over the compartments together: a family for each of them calls a few cells by chance in many
    of them, and most of those calls are wrong where few cells are senescent (docs/call.md).
    """
    q = np.where(tested, 1.0, np.nan)
    for sample in np.unique(samples[positive & tested]):
        own = tested & (samples == sample)
        mine = own & positive
        q[mine] = benjamini_hochberg(p[mine], n_tests=int(own.sum()))
    return q


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
