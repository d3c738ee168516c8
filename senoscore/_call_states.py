"""From evidence to states: the panel's rules, and ceilings that no panel can lift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore.panel import NOT_ASSESSABLE, STATES
from senoscore.panel_rules import axes_of, holds

if TYPE_CHECKING:
    from senoscore._calibrate_evidence import Reader
    from senoscore._calibrate_judge import Evidence
    from senoscore._calibrate_types import CompartmentCalibration

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Bools = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = ["Judged", "decide", "unlike_controls"]

_SENESCENT: Final = STATES.index("senescent")
_CANDIDATE: Final = STATES.index("senescent_candidate")
_ACUTE: Final = STATES.index("acute_damage_response")
_DEPTH: Final = "depth of the sample more than 2-fold outside that of the controls"


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
    def of(cls, found: Evidence, fdr: Floats) -> Judged:
        """Cells with their evidence and no state yet."""
        n = len(fdr)
        return cls(
            found.z.astype(np.float32),
            found.index.astype(np.float32),
            fdr.astype(np.float32),
            found.positive,
            np.full(n, STATES.index(NOT_ASSESSABLE), np.int8),
            np.full(n, "", object),
            found.reason.copy(),
        )


def decide(
    judged: Judged,
    found: Evidence,
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
        mine = taken == number
        judged.state[rows[mine]] = STATES.index(state.name)
        asked = axes_of(state.when, excluded=False)
        up = np.column_stack([holds(t, evidence, limits) & mine for t in asked] or [mine & False])
        judged.axes_up[rows[mine]] = _joined(up[mine], [t.axis for t in asked])
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


def unlike_controls(
    log_depth: Floats, samples: np.ndarray[Any, Any], own: CompartmentCalibration
) -> Bools:
    """Tell which cells are of a sample far shallower or deeper than every control sample.

    Trends with depth are learnt within control samples; beyond twice their range they are
    guesses, and the rule holds in too many cells (docs/call.md).
    """
    low, high = own.depth_range
    if np.isnan(low):
        return np.zeros(len(samples), bool)
    middle = pd.Series(log_depth).groupby(samples).transform("median").to_numpy()
    return np.asarray((middle < low - np.log(2)) | (middle > high + np.log(2)))


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
