"""What needs the whole course: since when, at which times highest, persistent, resolving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from senoscore import _keys as k
from senoscore._trend_data import blocks, values
from senoscore._trend_models import Contrast, contrast, fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Course", "course", "persistent_at", "step"]


@dataclass(frozen=True)
class Course:
    """Of one compartment and arm.

    ``peak`` is the time with the highest mean, ``peak_set`` the times that do not differ from it
    after Benjamini-Hochberg (empty where nothing could be tested, and ``why_not`` says why);
    ``below_peak`` maps later times to the difference from the highest, with its interval.
    """

    peak: float
    peak_set: tuple[float, ...]
    below_peak: Mapping[float, Contrast]
    why_not: str = ""


def persistent_at(
    up: Mapping[float, bool], phase: Mapping[float, str], *, consecutive: int
) -> dict[float, bool]:
    """Whether a raised burden persists at each time.

    Parameters
    ----------
    up
        Time -> burden holds above control, for times at which it can be senescence.
    phase
        Time -> phase.
    consecutive
        Times in a row, this one the last, that make it persistent before the chronic phase.
    """
    run, out = 0, {}
    for day in sorted(up):
        run = run + 1 if up[day] else 0
        out[day] = up[day] and (run >= consecutive or phase[day] == "chronic")
    return out


def course(
    arm: pd.DataFrame, controls: pd.DataFrame, *, measure: str, alpha: float
) -> Course | None:
    """Compare every time of one course with its highest one; None without any time.

    Parameters
    ----------
    arm, controls
        Rows of one compartment and stratum, as :func:`senoscore._trend_data.prepared` gives them.
    measure
        ``fraction_senescent`` or ``index_mean``.
    """
    if measure not in arm:
        return None
    mine = values(arm[arm[k.DAYS].notna()], measure)
    times = sorted(mine[k.DAYS].unique())
    if not times:
        return None
    level = mine.groupby(k.DAYS)["y"].mean()
    peak = float(level.index.to_numpy(dtype=float)[int(level.to_numpy().argmax())])
    if len(times) == 1:
        return Course(peak, (), {}, "one time only")
    base = values(controls, measure).assign(**{k.DAYS: -1.0})
    both = pd.concat([mine, base], ignore_index=True)
    found = {day: step(both, peak, day, alpha=alpha) for day in times if day != peak}
    tested = {day: c for day, c in found.items() if c is not None and np.isfinite(c.p)}
    if not tested:
        return Course(peak, (), {}, "no replication: times cannot be told apart")
    q = stats.false_discovery_control(np.array([c.p for c in tested.values()]))
    alike = [day for day, value in zip(tested, q, strict=True) if value > alpha]
    untested = [day for day in found if day not in tested]
    peak_set = tuple(sorted([peak, *alike, *untested]))
    later = {day: c for day, c in tested.items() if day > peak}
    return Course(peak, peak_set, later)


def step(table: pd.DataFrame, start: float, end: float, *, alpha: float) -> Contrast | None:
    """Mean at one time less the mean at another, with the variance pooled over all groups.

    Parameters
    ----------
    table
        As :func:`senoscore._trend_data.values` gives it; one group a day.
    start, end
        Days; the difference is ``end`` less ``start``.
    """
    days: Sequence[float] = sorted(table[k.DAYS].unique())
    X = np.equal.outer(table[k.DAYS].to_numpy(dtype=float), np.array(days)).astype(float)
    weights: NDArray[np.float64] = np.zeros(len(days))
    weights[days.index(end)], weights[days.index(start)] = 1, -1
    beside = blocks(table)
    full = np.hstack([X, beside.subject])
    wide = np.append(weights, np.zeros(full.shape[1] - len(weights)))
    per_time = table.groupby(k.DAYS)[k.SUBJECT].nunique()
    if min(per_time[start], per_time[end]) < 2:
        return None
    return contrast(fit(table["y"].to_numpy(dtype=float), full), wide, alpha=alpha)
