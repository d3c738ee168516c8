"""Is this cell senescent? States, index and false discovery rate, with a right to say no."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.calling.auto import attempt, find, used_engines
from senoscore.calling.calibrate import fit
from senoscore.calling.conditions import axes_of, holds
from senoscore.calling.evidence import (
    cell_table,
    compartments_of,
    control_mask,
    days_of,
    judge,
    kept,
    log_depth,
    tests_of,
    without_counts,
)
from senoscore.calling.false_discovery import Tests, q_values
from senoscore.calling.panel import load_panel
from senoscore.calling.store import recall, stored_column, stored_programme
from senoscore.errors import ConfigError
from senoscore.study import control_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData

    from senoscore.calling.calibration import Calibration, CompartmentCalibration
    from senoscore.calling.engine import Learnt
    from senoscore.calling.evidence import Judgement, Reader
    from senoscore.calling.panel import Panel

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Bools = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = [
    "Judged",
    "call",
    "call_table",
    "decide",
    "engine_of",
    "middle_depths",
    "overrule",
    "unlike_controls",
]

log = logging.getLogger(__name__)

_ENGINES: Final = ("auto", "panel", "learned")
_SENESCENT: Final = k.STATES.index("senescent")
_CANDIDATE: Final = k.STATES.index("senescent_candidate")
_ACUTE: Final = k.STATES.index("acute_damage_response")
_DEPTH: Final = "depth of the sample more than 2-fold outside that of the controls"
_LEARNT_FOLD: Final = 1.5
_NOT_HELD: Final = "the learnt programme does not hold"
_ALONE: Final = "one control subject: a candidate at most"
_LEARNT_DEPTH: Final = "depth of the sample more than 1.5-fold outside that of the controls"


@dataclass
class Judged:
    """Columns of the call, filled compartment by compartment."""

    z: np.ndarray[Any, np.dtype[np.float32]]
    index: np.ndarray[Any, np.dtype[np.float32]]
    fdr: np.ndarray[Any, np.dtype[np.float32]]
    positive: Bools
    state: np.ndarray[Any, np.dtype[np.int8]]
    axes_up: np.ndarray[Any, Any]
    reason: np.ndarray[Any, Any]

    @classmethod
    def of(cls, found: Judgement, fdr: Floats) -> Judged:
        """Cells with their evidence and no state yet."""
        n = len(fdr)
        return cls(
            found.z.astype(np.float32),
            found.index.astype(np.float32),
            fdr.astype(np.float32),
            found.positive,
            np.full(n, k.STATES.index(k.NOT_ASSESSABLE), np.int8),
            np.full(n, "", object),
            found.reason.copy(),
        )


def decide(
    judged: Judged,
    found: Judgement,
    rows: np.ndarray[Any, Any],
    days: dict[str, Bools],
    deep: Bools,
    reader: Reader,
    own: CompartmentCalibration,
    fdr: float,
) -> None:
    """Give the cells of one compartment their state, its ceiling, and what decided it.

    Parameters
    ----------
    judged
        Columns of all cells, of which state, axes and reason are written.
    found
        Evidence of all cells.
    rows
        Cells of the compartment.
    days, deep
        Day conditions, and whether their depth is not that of the controls, of these cells.
    reader, own
        The compartment.
    fdr
        Rate above which no cell is senescent.
    """
    panel, z, able = reader.panel, found.z[rows], found.able[rows]
    evidence = reader.evidence(z, days)
    limits = panel.thresholds_of(own.compartment, own.z_cut)
    taken = reader.first_state(evidence, able, own.z_cut)
    for number, state in enumerate(panel.states):
        reached = taken == number
        judged.state[rows[reached]] = k.STATES.index(state.name)
        asked = axes_of(state.when, excluded=False)
        up = np.column_stack(
            [holds(t, evidence, limits) & reached for t in asked] or [reached & False]
        )
        judged.axes_up[rows[reached]] = _joined(up[reached], [t.axis for t in asked])
    judged.reason[rows[deep & able]] = _DEPTH
    ceiling = _ceilings(z, days, deep, reader, own) | {
        "above the stated false discovery rate": ~(judged.fdr[rows] <= fdr)
    }
    called = judged.state[rows] == _SENESCENT
    for reason, unmet in reversed(ceiling.items()):
        held = called & unmet
        judged.state[rows[held]] = _CANDIDATE
        judged.reason[rows[held]] = reason
    early = np.isin(judged.state[rows], (_SENESCENT, _CANDIDATE)) & days["before_stable"]
    judged.state[rows[early]] = _ACUTE
    judged.reason[rows[early]] = "too early for stable senescence"


def _ceilings(
    z: Floats, days: dict[str, Bools], deep: Bools, reader: Reader, own: CompartmentCalibration
) -> dict[str, Bools]:
    """Why a cell is a candidate at most, the most fundamental reason first."""
    n = len(z)
    panel = reader.panel
    veto = [
        i
        for i, axis in enumerate(panel.axes)
        if axis.role == "proliferation" and axis.name not in panel.disabled(own.compartment)
    ]
    divides = any(axis.role == "proliferation" for axis in panel.axes)
    unknown = np.asarray(np.isnan(z[:, veto]).any(axis=1)) if divides else np.ones(n, bool)
    return {
        "no control samples": np.full(n, own.mode == "null"),
        own.note: np.full(n, own.status in ("single_control", "few_control_samples")),
        "a bulk sample is a mixture": np.full(n, own.mode == "bulk"),
        _DEPTH: deep,
        "proliferation not assessable: a dividing cell cannot be excluded": unknown,
        "day after irradiation missing": days["missing"],
    }


def middle_depths(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Median log count of the cells of each sample that take part, by compartment."""
    use = kept(table) & ~without_counts(table)
    rooms, samples = compartments_of(table)[use], table[k.SAMPLE].astype(str).to_numpy()[use]
    middle = pd.Series(log_depth(table)[use]).groupby([rooms, samples], observed=True).median()
    return {str(name): own.droplevel(0) for name, own in middle.groupby(level=0, observed=True)}


def unlike_controls(
    middle: pd.Series | None,
    samples: np.ndarray[Any, Any],
    own: CompartmentCalibration,
    *,
    fold: float = 2.0,
) -> Bools:
    """Tell which cells are of a sample far shallower or deeper than every control sample.

    Trends with depth are learnt within control samples; beyond ``fold`` times their range they
    are guesses, and the rule holds in too many cells (docs/call.md).

    Parameters
    ----------
    middle
        Of the samples of the compartment, by :func:`middle_depths`; None: it has no cells.
    samples
        Of each cell.
    """
    low, high = own.depth_range
    if np.isnan(low) or middle is None:
        return np.zeros(len(samples), bool)
    depth = middle.reindex(samples).to_numpy()
    return np.asarray((depth < low - np.log(fold)) | (depth > high + np.log(fold)))


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
    engine: str = "auto",
    copy: bool = False,
) -> pd.DataFrame | AnnData | None:
    """Give every cell a state, an index and a false discovery rate.

    Of an AnnData with counts (or log-normalised values) the senescent cells are found by a
    programme that is learnt in the study itself (docs/call.md), in every compartment where two
    control and two irradiated subjects (``subject``; without it samples) have cells. Where an arm
    has a single subject its cells are dealt into parts that are taken for subjects; of a single
    control subject all calls are candidates, and no share has an interval. Elsewhere the panel
    alone decides. ``obs["senescence_engine"]`` says which, cell by cell, and
    ``uns["senoscore"]["engines"]`` why. The other states are the panel's in any case.

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
    engine
        ``auto`` (as above), ``panel`` (the panel alone), or ``learned``: as ``auto``, and an
        error where nothing can be learnt. A table is called by the panel.
    copy
        Leave the AnnData as it is and return a new one.

    Returns
    -------
    For a table, one row a cell in its order: ``cell``, ``sample``, ``compartment``, ``z:<axis>``
    (float32, control SDs), ``senescence_state`` (categorical), ``senescence_index`` (float32,
    control SDs), ``senescence_fdr`` (float32; 1 where the rule does not hold, NaN without
    controls), ``panel_positive`` (the rule holds, whatever the day and FDR; bool), ``axes_up``
    (what decided), ``reason``. For an AnnData None (or the copy), with the state, index, FDR and
    the other columns in ``obs``, z values in ``obsm["senescence_evidence"]``, the parameters
    in ``uns["senoscore"]["call"]`` and colours for scanpy in
    ``uns["senescence_state_colors"]``. Where a programme was learnt also ``obs["senescence_p"]``
    (against all control cells of the run) and ``obs["senescence_score"]`` (control SDs), NaN
    where the panel decided, and in ``uns["senoscore"]`` the tables ``programme`` (compartment,
    gene, kind, weight, shift, covariance, prior, control mean and SD, stability, source),
    ``prevalence`` (sample, compartment, n_judged, prevalence with a 95 % interval, shifted,
    n_beyond, arrested with a 95 % interval, withheld: why one is not given) and
    ``engines`` (compartment, engine, reason, n_called, wrong_at_most: the cells that the
    programme calls, before cycling and escaped ones keep their states, and a 95 % bound on the
    wrong ones among them; NaN for the panel).

    Raises
    ------
    InputError
        Missing columns or scores, a day that is no number, or cells, labels or scores that have
        changed since :func:`senoscore.calibrate`.
    DesignError
        A sample is both control and not, or too few samples to learn from.
    ConfigError
        ``fdr`` outside (0, 1), an invalid panel, an engine that is not there, or a parameter that
        the calibration contradicts.

    Examples
    --------
    >>> sen.call(adata)
    >>> senescent = adata.obs["senescence_state"] == "senescent"
    >>> senescent.groupby(adata.obs["treatment"], observed=True).mean().round(1)
    treatment
    control                   0.0
    irradiated                0.2
    irradiated + senolytic    0.1
    Name: senescence_state, dtype: float64
    """
    if engine not in _ENGINES or (engine == "learned" and isinstance(data, pd.DataFrame)):
        msg = f"engine {engine!r} cannot be used here"
        raise ConfigError(msg, fix="use 'panel', or 'learned' with an AnnData that has counts")
    if not 0 < fdr < 1:
        msg = f"fdr is {fdr}, expected a rate between 0 and 1"
        raise ConfigError(msg)
    if calibration is None and not isinstance(data, pd.DataFrame):
        column = stored_column(data)
        if column is not None:
            # A day that is no number is said as such, not as a change since the calibration.
            days_of(data.obs, np.zeros(data.n_obs, dtype=bool))
            _agree("compartment", compartment, column)
            compartment, calibration = column, recall(data)
    compartment = k.COMPARTMENT if compartment is None else compartment
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
    if k.CELL not in table:
        table = table.assign(cell=table.index.astype(str))
    result = call_table(table, calibration, middle_depths(table), fdr=fdr, min_days=days)
    if isinstance(data, pd.DataFrame):
        return result
    target = data.copy() if copy else data
    if engine != k.PANEL:
        learnt, engines, cells = _overruled(
            target, result, table, calibration, fdr=fdr, min_days=days, must=engine == k.LEARNED
        )
    _write(target, result, calibration, fdr=fdr, min_days=days)
    target.uns[k.UNS]["call"] |= {"engine": engine, "compartment": compartment}
    if engine == k.PANEL:
        _forget(target)
        return target if copy else None
    target.uns[k.UNS]["engines"] = engines
    target.obs["senescence_engine"] = cells
    if learnt is None:
        _forget(target, but="engines")
    else:
        target.obs[k.P] = learnt.cells["p"].to_numpy(np.float32)
        target.obs[k.PROGRAMME_SCORE] = learnt.cells["score"].to_numpy(np.float32)
        target.uns[k.UNS] |= {"programme": learnt.programme, "prevalence": learnt.prevalence}
        target.uns[k.UNS]["call"]["note"] = learnt.note
        if learnt.note:
            log.warning("%s", learnt.note)
    return target if copy else None


def _forget(adata: AnnData, *, but: str = "") -> None:
    """Take away what an earlier call by a learnt programme left."""
    columns = [k.P, k.PROGRAMME_SCORE, *([] if but else ["senescence_engine"])]
    for column in adata.obs.columns.intersection(columns):
        del adata.obs[column]
    for key in sorted({"programme", "prevalence", "engines"} - {but}):
        adata.uns[k.UNS].pop(key, None)


def _overruled(
    adata: AnnData,
    result: pd.DataFrame,
    table: pd.DataFrame,
    calibration: Calibration,
    *,
    fdr: float,
    min_days: float,
    must: bool,
) -> tuple[Learnt | None, pd.DataFrame, pd.Categorical[Any]]:
    """Call by a learnt programme where one can be learnt, into ``result``.

    Returns
    -------
    What was found (None: nothing was learnt), who called each compartment, and each cell.
    """
    found = attempt(
        adata, table, control=calibration.control, min_days=min_days, method=calibration.method,
        known=stored_programme(adata),
    )  # fmt: skip
    if must and found.error is not None:
        raise found.error
    learnt = None
    by: pd.Categorical[Any] = pd.Categorical([k.PANEL] * len(table), categories=list(k.ENGINES))
    if found.programme is not None:
        learnt = find(adata, found, fdr=fdr)
        overrule(result, learnt, table, calibration, middle_depths(table))
        by = engine_of(learnt.cells)
    engines = used_engines(table, found, learnt)
    _say(engines, has_subject=k.SUBJECT in table)
    return learnt, engines, by


def _say(engines: pd.DataFrame, *, has_subject: bool) -> None:
    """Say which compartments were called by what."""
    named = engines[engines[k.COMPARTMENT] != "all"]
    learned = named.loc[named["engine"] == k.LEARNED, k.COMPARTMENT].tolist()
    others = named[named["engine"] == k.PANEL]
    parts = [f"called by a programme learnt in this study: {', '.join(learned)}"] if learned else []
    for reason, rooms in others.groupby("reason", sort=False, observed=True)[k.COMPARTMENT]:
        parts.append(f"called by the panel alone: {', '.join(rooms)} ({reason})")
    if learned and not has_subject:
        parts.append(f"no column {k.SUBJECT!r}: every sample is taken for an animal of its own")
    warn = len(others) or not has_subject
    log.log(logging.WARNING if warn else logging.INFO, "%s", "; ".join(parts))


def overrule(
    result: pd.DataFrame,
    learnt: Learnt,
    table: pd.DataFrame,
    calibration: Calibration,
    middle: Mapping[str, pd.Series],
) -> None:
    """Let the learnt programme say which cells are senescent, under the panel's ceilings.

    Cycling and escaped cells stay what they are; so does what is too early, too unlike the
    controls in depth, or of an unknown day. What the panel alone took for senescent becomes a
    candidate.
    """
    states = result[k.STATE].astype(str).to_numpy(dtype=object)
    reason = result[k.REASON].to_numpy(dtype=object).copy()
    called = learnt.cells["passes"].to_numpy(dtype=bool)  # by the same cuts in controls
    seen = np.isfinite(learnt.cells["p"].to_numpy())
    control = control_mask(table, calibration.control)
    day = days_of(table, control)
    samples = table[k.SAMPLE].astype(str).to_numpy(dtype=str)
    rooms = compartments_of(table)
    deep = np.zeros(len(table), dtype=bool)
    for name, fitted in calibration.by_compartment.items():
        rows = np.flatnonzero(rooms == name)
        deep[rows] = unlike_controls(middle.get(name), samples[rows], fitted, fold=_LEARNT_FOLD)
    deep |= learnt.cells["deep"].to_numpy(dtype=bool)
    kept_state = np.isin(states, ("cycling", "escaped", "acute_damage_response"))
    only_panel = (states == "senescent") & seen & ~called
    states[only_panel] = "senescent_candidate"
    reason[only_panel] = _NOT_HELD
    new = called & ~kept_state
    states[new] = "senescent"
    reason[new] = ""
    alone = learnt.cells["alone"].to_numpy(dtype=bool)
    of_panel = alone & ~new & (states == "senescent_candidate")
    states[of_panel], reason[of_panel] = "other", _NOT_HELD  # candidates are the programme's
    for unmet, why in (
        (np.isnan(day), "day after irradiation missing"), (deep, _LEARNT_DEPTH), (alone, _ALONE),
    ):  # fmt: skip
        held = new & unmet
        states[held], reason[held] = "senescent_candidate", why
    result[k.STATE] = pd.Categorical(states, categories=list(k.STATES))
    result[k.REASON] = reason
    q = learnt.cells["q"].to_numpy()
    result[k.FDR] = np.where(seen, q, result[k.FDR]).astype(np.float32)


def engine_of(learnt: pd.DataFrame) -> pd.Categorical[Any]:
    """What judged each cell: the learnt programme where ``learnt`` has a p of it, or the panel."""
    learned = np.where(learnt["alone"], k.LEARNED_SINGLE, k.LEARNED)
    by = np.where(np.isfinite(learnt["p"].to_numpy()), learned, k.PANEL)
    return pd.Categorical(by, categories=list(k.ENGINES))


def _agree(what: str, asked: Any, calibrated: Any) -> None:
    """Refuse a parameter that the calibration at hand was made without."""
    if asked is None or asked == calibrated:
        return
    msg = f"call is asked for another {what} than the calibration was made with"
    if what != "panel":
        msg = f"call is asked for {what} {asked!r}, the calibration was made with {calibrated!r}"
    raise ConfigError(msg, fix=f"give {what} to sen.calibrate, and not to sen.call")


def call_table(
    table: pd.DataFrame,
    calibration: Calibration,
    middle: Mapping[str, pd.Series],
    *,
    fdr: float,
    min_days: float,
) -> pd.DataFrame:
    """Call the cells of a table, or of a block of it, by the panel.

    Parameters
    ----------
    table
        As :func:`~senoscore.calling.evidence.cell_table` gives it, with ``cell``.
    calibration, fdr, min_days
        As for :func:`call`.
    middle
        What :func:`middle_depths` gives of the whole table.

    Returns
    -------
    As :func:`call`.
    """
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
    here = tests_of([(table, found)], calibration.control)
    for arm in (True, False):
        known = calibration.tests.get(arm, Tests())
        family, n = (known if known.n_of_day else here[arm]).since(min_days)
        in_family = (control == arm) & ~np.isnan(found.p)
        q[in_family] = np.where(
            found.positive[in_family], q_values(found.p[in_family], family, n), 1.0
        )
    judged = Judged.of(found, q)
    samples = table[k.SAMPLE].astype(str).to_numpy(dtype=str)
    for rows, reader, own_calibration in found.parts:
        when = {name: mask[rows] for name, mask in days.items()}
        deep = unlike_controls(middle.get(reader.compartment), samples[rows], own_calibration)
        decide(judged, found, rows, when, deep, reader, own_calibration, fdr)
    return _result(table, judged, calibration)


def _result(table: pd.DataFrame, judged: Judged, calibration: Calibration) -> pd.DataFrame:
    columns: dict[str, Any] = {
        k.CELL: table[k.CELL].to_numpy(),
        k.SAMPLE: table[k.SAMPLE].to_numpy(),
        k.COMPARTMENT: compartments_of(table),
    }
    axes = calibration.panel.axis_names
    columns |= {f"z{k.SEP}{axis}": judged.z[:, i] for i, axis in enumerate(axes)}
    states = pd.CategoricalDtype(list(k.STATES))
    columns |= {
        k.STATE: pd.Categorical.from_codes(judged.state, dtype=states),
        k.INDEX: judged.index,
        k.FDR: judged.fdr,
        "panel_positive": judged.positive,
        "axes_up": judged.axes_up,
        k.REASON: judged.reason,
    }
    result = pd.DataFrame(columns, index=table.index)
    result.attrs["z_cut"] = {c: v.z_cut for c, v in calibration.by_compartment.items()}
    return result


def _write(
    adata: AnnData, result: pd.DataFrame, calibration: Calibration, *, fdr: float, min_days: float
) -> None:
    prefix = f"z{k.SEP}"
    axes = list(calibration.panel.axis_names)
    evidence = result[[prefix + axis for axis in axes]].set_axis(axes, axis=1)
    evidence.index = pd.Index(adata.obs_names)
    evidence.attrs = {}
    adata.obsm[k.OBSM_EVIDENCE] = evidence
    for column in (k.STATE, k.INDEX, k.FDR, "panel_positive"):
        adata.obs[column] = result[column].array
    # As scanpy keeps the colours of a categorical column: one a category, in their order.
    adata.uns[f"{k.STATE}_colors"] = [k.STATE_COLOURS[state] for state in k.STATES]
    for column in ("axes_up", k.REASON):
        adata.obs[f"senescence_{column}"] = pd.Categorical(result[column])
    entry = dict(adata.uns.get(k.UNS, {}))
    entry["call"] = {
        "panel": calibration.panel.name,
        "method": calibration.method,
        "alpha": float(calibration.alpha),
        "fdr": float(fdr),
        "min_days_stable": float(min_days),
        "z_cut": {c: float(v.z_cut) for c, v in calibration.by_compartment.items()},
    }
    adata.uns[k.UNS] = entry
