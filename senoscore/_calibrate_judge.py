"""Evidence of cells under a calibration: z, index, the rule and its p; and the tests of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys
from senoscore._calibrate_evidence import Reader
from senoscore._calibrate_input import control_mask, kept, log_depth, score_matrix
from senoscore._calibrate_tests import Tests, control_p
from senoscore.errors import InputError

if TYPE_CHECKING:
    from senoscore._calibrate_types import Calibration, CompartmentCalibration

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Bools = np.ndarray[Any, np.dtype[np.bool_]]

_MISSING: Final = ("", "NA", "NaN", "nan", "None", "<NA>")
"""Texts that say that no day is known."""

__all__ = ["Evidence", "compartments_of", "days_of", "judge", "tests_of"]


@dataclass(frozen=True)
class Evidence:
    """Of every cell: axis z, index, whether they are enough, the rule, its p, or why not.

    z and index of whole profiles are against one baseline for all; the rule and p of a control
    leave its own sample out in any case.

    ``p`` is 1 where the rule does not hold and NaN where there are no controls to compare with;
    ``reason`` says why a cell is not assessed. ``parts`` are the compartments with a state to
    give: rows, reader and calibration of each.
    """

    z: Floats
    index: Floats
    able: Bools
    positive: Bools
    p: Floats
    reason: np.ndarray[Any, Any]
    parts: list[tuple[np.ndarray[Any, Any], Reader, CompartmentCalibration]]


def judge(table: pd.DataFrame, calibration: Calibration) -> Evidence:
    """Read the cells of a table through the baselines and cuts of their compartments."""
    panel, n = calibration.panel, len(table)
    names = compartments_of(table)
    samples = table[_keys.SAMPLE].astype(str).to_numpy(dtype=str)
    use, depth = kept(table), log_depth(table)
    found = Evidence(
        np.full((n, len(panel.axes)), np.nan),
        np.full(n, np.nan),
        np.zeros(n, bool),
        np.zeros(n, bool),
        np.full(n, np.nan),
        np.full(n, "", object),
        [],
    )
    found.reason[~use] = "failed quality control"
    for name in np.unique(names):
        rows = np.flatnonzero(use & (names == name))
        own = calibration.by_compartment.get(str(name))
        if own is None or not own.levels:
            found.reason[rows] = own.note if own else "compartment not calibrated"
            continue
        reader = Reader(panel, own.compartment)
        null = own.mode == "null"
        scores = score_matrix(table.iloc[rows], panel, method=calibration.method, null=null)
        _judge_compartment(found, rows, scores, samples[rows], depth[rows], reader, own)
        if own.mode == "bulk":
            # A profile is compared with others as it stands: all on one baseline. Left out in
            # turn, each of few controls would lie on a scale of its own.
            found.z[rows], found.index[rows] = reader.read(scores, own.levels[""], depth[rows])
    return found


def _judge_compartment(
    found: Evidence,
    rows: np.ndarray[Any, Any],
    scores: Floats,
    samples: np.ndarray[Any, Any],
    depth: Floats,
    reader: Reader,
    own: CompartmentCalibration,
) -> None:
    """Read the cells ``rows``, each control cell by the baseline without its sample."""
    label = np.where(np.isin(samples, [s for s in own.levels if s]), samples, "")
    for left_out in np.unique(label):
        part = label == left_out
        found.z[rows[part]], found.index[rows[part]] = reader.read(
            scores[part], own.levels[str(left_out)], depth[part]
        )
    if not own.assessable:
        found.reason[rows] = own.note
        return
    able = reader.assessable(found.z[rows])
    found.able[rows] = able
    found.reason[rows[~able]] = "too few axes of evidence"
    found.positive[rows] = positive = reader.positive(found.z[rows], own.z_cut)
    if own.mode != "null":
        found.p[rows[able]] = 1.0
        for sample in np.unique(samples[positive]):
            others = {s: v for s, v in own.null.items() if s != sample} or own.null
            mine = rows[positive & (samples == sample)]
            found.p[mine] = control_p(found.index[mine], others, own.n_assessable)
    found.parts.append((rows, reader, own))


def compartments_of(table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Name of the compartment of each cell, ``unassigned`` where none is given."""
    names = table[_keys.COMPARTMENT].astype("string").fillna(_keys.UNASSIGNED)
    return names.to_numpy(dtype=str)


def days_of(table: pd.DataFrame, control: Bools) -> Floats:
    """Days after irradiation, 0 for controls, NaN where unknown. Shape (cells,)."""
    day = np.full(len(table), np.nan)
    if _keys.DAYS in table:
        day = _numbers(table[_keys.DAYS])
    return np.where(control, 0.0, day)


def _numbers(days: pd.Series) -> Floats:
    """Days as numbers, NaN where there is none."""
    text = days.astype(object)
    there = (text.notna() & ~text.astype(str).str.strip().isin(_MISSING)).to_numpy()
    numbers = pd.to_numeric(text.where(there, np.nan), errors="coerce")
    day = np.asarray(numbers.to_numpy(np.float64, na_value=np.nan))
    bad = there & np.isnan(day)
    if bad.any():
        n, first = int(bad.sum()), text.to_numpy()[bad][0]
        msg = f"{_keys.DAYS} of {n} cells is no number ({str(first)!r})"
        fix = (
            'give days as numbers, such as 7: .astype(str).str.extract(r"([0-9.]+)").astype(float)'
        )
        raise InputError(msg, fix=fix)
    return day


def tests_of(table: pd.DataFrame, found: Evidence, control: dict[str, str]) -> dict[bool, Tests]:
    """The tests on control cells (True) and on all others (False)."""
    is_control = control_mask(table, control)
    day, tested = days_of(table, is_control), ~np.isnan(found.p)
    return {
        arm: Tests.of(found.p[own], day[own], found.positive[own])
        for arm, own in ((arm, tested & (is_control == arm)) for arm in (True, False))
    }
