"""What one reads off a burden curve: peak, since when, what stays, decline, area."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from senoscore import _keys as k
from senoscore._trend_data import main_dose, prepared, strata, values
from senoscore._trend_models import contrast, fit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["COLUMNS", "readouts"]

COLUMNS: Final = (
    k.COMPARTMENT, "stratum", k.TREATMENT, k.DOSE, "measure", "readout", "value", "ci_lo", "ci_hi",
    "unit", "n_control", "n_treated", "status", "reason", "note",
)  # fmt: skip
_FEW: Final = "fewer than 2 samples at a time: no sample-level interval"
_GAPS: Final = "subjects return, but not all of them at every time"


def readouts(
    burden: pd.DataFrame,
    trend: pd.DataFrame | None = None,
    *,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    fdr: float = 0.05,
) -> pd.DataFrame:
    """Read peak, onset, persistence, decline and area off the burden of each compartment.

    The senescent fraction is read; the mean senescence index where a compartment has no fraction
    (bulk). Only samples of the dose that most have, per treatment.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    trend
        What :func:`senoscore.trend` gives, for ``since_days``.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    fdr
        q at or below which a contrast holds.

    Returns
    -------
    One row a compartment, treatment and ``readout``: ``peak_days`` (``note`` lists the times that
    do not differ from the highest after Benjamini-Hochberg: a peak is a set), ``since_days``
    (first time whose contrast with control is above 0 and holds), ``persistent`` (mean at the
    last time), ``decline`` (peak less last; the peak was chosen on the same data, so this is an
    upper estimate), ``area`` (trapezoid over the times of mean less control mean, in
    unit x days). ``status`` is ``tested`` where sample-level numbers stand behind it, else
    ``not_estimable`` with the reason.
    """
    table = prepared(burden, "arcsine", control=control)
    rows: list[dict[str, Any]] = []
    parts = [
        (compartment, part)
        for compartment, whole in table.groupby(k.COMPARTMENT, sort=True)
        for part in strata(whole, control=control)
    ]
    for compartment, part in parts:
        of = part.table
        measure = "fraction_senescent"
        if not of[f"raw:{measure}"].notna().any():
            measure = "index_mean"
        if measure not in of:
            continue
        own = values(of, measure)
        own["y"] = own["raw"] if measure == "fraction_senescent" else own["y"]
        controls = own[own[k.TREATMENT] == control]
        treated = own[(own[k.TREATMENT] != control) & own[k.DAYS].notna()]
        for treatment, mine in treated.groupby(k.TREATMENT, sort=True):
            dose = main_dose(mine)
            same = mine if np.isnan(dose) else mine[mine[k.DOSE] == dose]
            head = {
                k.COMPARTMENT: compartment, "stratum": part.name, k.TREATMENT: treatment,
                k.DOSE: dose,
                "measure": measure, "n_control": controls[k.SUBJECT].nunique(),
                "n_treated": same[k.SUBJECT].nunique(),
            }  # fmt: skip
            unit = "fraction" if measure == "fraction_senescent" else "index"
            found = [*_curve(same, controls, alpha=alpha, unit=unit)]
            if trend is not None:
                found.append(_since(trend, head, fdr=fdr))
            rows += [head | row for row in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _plain(readout: str, value: float, unit: str, reason: str, note: str = "") -> dict[str, Any]:
    return {
        "readout": readout, "value": value, "ci_lo": np.nan, "ci_hi": np.nan, "unit": unit,
        "status": "not_estimable" if reason else "tested", "reason": reason, "note": note,
    }  # fmt: skip


def _since(trend: pd.DataFrame, head: dict[str, Any], *, fdr: float) -> dict[str, Any]:
    """First time that holds; the row speaks of times, so it has no interval."""
    mine = trend[
        (trend["question"] == "irradiated_vs_control")
        & (trend[k.COMPARTMENT] == head[k.COMPARTMENT])
        & (trend["measure"] == head["measure"])
        & trend["contrast"].str.startswith(f"{head[k.TREATMENT]} ")
    ]
    if head["stratum"]:
        mine = mine[mine["stratum"] == head["stratum"]]
    if not np.isnan(head[k.DOSE]):
        mine = mine[mine[k.DOSE] == head[k.DOSE]]
    tested = mine[mine["status"] == "tested"]
    if tested.empty:
        reasons = mine["reason"][mine["reason"] != ""]
        why = reasons.iloc[0] if len(reasons) else "no contrast with control"
        return _plain("since_days", np.nan, "days", why)
    held = tested[(tested["q"] <= fdr) & (tested["estimate"] > 0)]
    if held.empty:
        return _plain("since_days", np.nan, "days", "", f"no time holds at q <= {fdr:g}")
    days = ", ".join(f"{d:g}" for d in sorted(held[k.DAYS]))
    return _plain("since_days", float(held[k.DAYS].min()), "days", "", f"holds at {days} d")


def _curve(
    same: pd.DataFrame, controls: pd.DataFrame, *, alpha: float, unit: str
) -> Iterator[dict[str, Any]]:
    means = same.groupby(k.DAYS)["y"].mean().sort_index()
    times = means.index.to_numpy(dtype=float)
    level = means.to_numpy(dtype=float)
    peak, last = int(level.argmax()), len(times) - 1
    eye = np.eye(len(times))
    model = _Model(same, controls, times, alpha=alpha)
    reason, note = model.why_not, ""
    if not reason and len(times) > 1:
        alike = model.not_below(peak)
        note = "not different from it: " + (", ".join(f"{d:g}" for d in alike) or "no other time")
    yield _plain("peak_days", times[peak], "days", reason, note)
    yield model.row("persistent", eye[last], unit, level[last], note=f"day {times[last]:g}")
    if peak == last:
        why = "highest at the last time: no decline seen"
        yield _plain("decline", 0.0, unit, why)
    else:
        chosen = "the peak was chosen on the same data: an upper estimate"
        drop = level[peak] - level[last]
        yield model.row("decline", eye[peak] - eye[last], unit, drop, note=chosen)
    yield model.area(unit, level)


class _Model:
    """Combinations of the means of times, of other subjects at each time or of the same."""

    def __init__(
        self,
        same: pd.DataFrame,
        controls: pd.DataFrame,
        times: NDArray[np.float64],
        *,
        alpha: float,
    ) -> None:
        self.times, self.alpha = times, alpha
        self.controls = controls.groupby(k.SUBJECT)["y"].mean().to_numpy(dtype=float)
        wide = same.pivot_table(index=k.SUBJECT, columns=k.DAYS, values="y")
        self.values = wide[times].to_numpy(dtype=float)
        self.repeated = bool(same[k.SUBJECT].duplicated().any())
        per_time = np.isfinite(self.values).sum(axis=0)
        self.why_not = ""
        if self.repeated and not np.isfinite(self.values).all():
            self.why_not = _GAPS
        elif per_time.min() < 2:
            self.why_not = _FEW
        rows, columns = np.nonzero(np.isfinite(self.values))
        X = np.zeros((len(rows) + len(self.controls), len(times) + 1))
        X[np.arange(len(rows)), columns] = 1
        X[len(rows) :, -1] = 1
        y = np.append(self.values[rows, columns], self.controls)
        self.model = fit(y, X[:, : len(times) + bool(len(self.controls))])

    def _interval(self, weights: NDArray[np.float64], base: float) -> tuple[float, float, float]:
        """Interval and p of ``weights`` over the times, less ``base`` times the control mean."""
        if not self.repeated:
            wide = np.append(weights, [-base] if len(self.controls) else [])
            found = contrast(self.model, wide, alpha=self.alpha)
            return (found.lo, found.hi, found.p) if found else (np.nan, np.nan, np.nan)
        own = self.values @ weights
        if base == 0:
            y, X = own, np.ones((len(own), 1))
            combination = np.array([1.0])
        else:
            y = np.append(own, base * self.controls)
            first = np.arange(len(y)) < len(own)
            X = np.column_stack([first, ~first]).astype(float)
            combination = np.array([1.0, -1.0])
        found = contrast(fit(y, X), combination, alpha=self.alpha)
        return (found.lo, found.hi, found.p) if found else (np.nan, np.nan, np.nan)

    def not_below(self, peak: int) -> list[float]:
        """Times whose mean does not differ from the highest (Benjamini-Hochberg)."""
        eye = np.eye(len(self.times))
        others = [i for i in range(len(self.times)) if i != peak]
        p = np.array([self._interval(eye[peak] - eye[i], 0)[2] for i in others])
        p = np.where(np.isfinite(p), p, 1.0)
        q = stats.false_discovery_control(p)
        return [
            float(self.times[i]) for i, value in zip(others, q, strict=True) if value > self.alpha
        ]

    def row(
        self, name: str, weights: NDArray[np.float64], unit: str, value: float, *,
        base: float = 0, note: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """One read-out with its interval."""
        if self.why_not:
            return _plain(name, value, unit, self.why_not, note)
        lo, hi, _ = self._interval(weights, base)
        if not np.isfinite(lo):
            return _plain(name, value, unit, "the samples do not vary: no standard error", note)
        if name == "persistent" and unit == "fraction":
            lo, hi = max(lo, 0.0), min(hi, 1.0)
        return _plain(name, value, unit, "", note) | {"ci_lo": lo, "ci_hi": hi}

    def area(self, unit: str, level: NDArray[np.float64]) -> dict[str, Any]:
        """Trapezoid over the times, of the excess over the mean of all controls."""
        what = f"{unit} x days"
        if len(self.times) < 2:
            return _plain("area", np.nan, what, "one time: no area")
        if not len(self.controls):
            return _plain("area", np.nan, what, "no control sample of this compartment")
        gaps = np.diff(self.times)
        weights = (np.append(gaps, 0) + np.insert(gaps, 0, 0)) / 2
        width = float(self.times[-1] - self.times[0])
        value = float(weights @ level - width * self.controls.mean())
        note = f"over control, day {self.times[0]:g} to {self.times[-1]:g}"
        return self.row("area", weights, what, value, base=width, note=note)
