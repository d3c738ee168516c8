"""What one reads off a burden curve: peak, since when, what stays, decline, area."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.inference.ask import arm_facts, main_arm
from senoscore.inference.models import counting_of_fractions
from senoscore.kernels import adjusted, t_ppf, t_sf
from senoscore.study import ARM, controls_at, days_with_controls, prepared, strata, takes, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


__all__ = ["COLUMNS", "readouts"]

COLUMNS: Final = (
    k.COMPARTMENT, "stratum", *ARM, "measure", "readout", "value", "ci_lo", "ci_hi",
    "unit", "n_control", "n_treated", "status", "reason", "note",
)  # fmt: skip
_FEW: Final = "fewer than 2 subjects at a time: no sample-level interval"
_FEW_CONTROLS: Final = "1 control subject behind a time: no sample-level interval"
_ALONE: Final = "a subject is the only one that was sampled at its times: no interval"
_TINY: Final = 1e-24
_FLAT: Final = "the samples do not vary: no standard error"


@takes(burden="sen.burden(adata)", trend="sen.trend(sen.burden(adata))")
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
    (bulk). Only samples of the arm that most are of, per treatment.

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
    unit x days; controls as :func:`senoscore.trend` takes them). ``status`` is
    ``tested`` where sample-level numbers stand behind it, else ``not_estimable`` with the reason.

    Notes
    -----
    Every read-out is a sum over subjects, each with its share of it; subjects sampled at the same
    times (their own baseline among them) vary alike. The variance is that of the shares within
    such groups, the t reference Welch's with Satterthwaite's degrees of freedom: fractions near 0
    vary less than raised ones, so no variance is pooled over times.

    References
    ----------
    Welch 1947, Biometrika 34:28; Satterthwaite 1946, Biometrics Bull 2:110.

    Examples
    --------
    >>> found = sen.readouts(burden, trend)
    >>> tumour = found.query("compartment == 'tumour' and measure == 'fraction_senescent'")
    >>> tumour.loc[tumour["readout"] == "since_days", ["treatment", "value"]]
                     treatment  value
    14              irradiated   28.0
    19  irradiated + senolytic   28.0
    """
    table = prepared(burden, control=control)
    rows: list[dict[str, Any]] = []
    parts = [
        (compartment, part)
        for compartment, whole in table.groupby(k.COMPARTMENT, sort=True, observed=True)
        for part in strata(whole, control=control)
    ]
    for compartment, part in parts:
        group = part.table
        measure = "fraction_senescent"
        if not group[f"raw:{measure}"].notna().any():
            measure = "index_mean"
        if measure not in group:
            continue
        measured = values(group, measure)
        measured["y"] = measured["raw"] if measure == "fraction_senescent" else measured["y"]
        controls = measured[measured[k.TREATMENT] == control]
        treated = measured[(measured[k.TREATMENT] != control) & measured[k.DAYS].notna()]
        for treatment, of_treatment in treated.groupby(k.TREATMENT, sort=True, observed=True):
            same = main_arm(of_treatment)
            head = {
                k.COMPARTMENT: compartment, "stratum": part.name, k.TREATMENT: treatment,
                **{name: arm_facts(same)[name] for name in ARM[1:]},
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
        "status": k.NOT_ESTIMABLE if reason else k.TESTED, "reason": reason, "note": note,
    }  # fmt: skip


def _since(trend: pd.DataFrame, head: dict[str, Any], *, fdr: float) -> dict[str, Any]:
    """First time that holds; the row speaks of times, so it has no interval."""
    contrasts = trend[
        (trend["question"] == "irradiated_vs_control")
        & (trend[k.COMPARTMENT] == head[k.COMPARTMENT])
        & (trend["measure"] == head["measure"])
        & (trend[k.TREATMENT] == head[k.TREATMENT])
    ]
    if head["stratum"]:
        contrasts = contrasts[contrasts["stratum"] == head["stratum"]]
    for name in ARM[1:]:
        alike = contrasts[name].isna() if pd.isna(head[name]) else contrasts[name] == head[name]
        contrasts = contrasts[alike]
    tested = contrasts[contrasts["status"] == k.TESTED]
    if tested.empty:
        reasons = contrasts["reason"][contrasts["reason"] != ""]
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
    means = same.groupby(k.DAYS, observed=True)["y"].mean().sort_index()
    times = means.index.to_numpy(dtype=float)
    level = means.to_numpy(dtype=float)
    peak, last = int(level.argmax()), len(times) - 1
    eye = np.eye(len(times))
    model = _Model(same, controls, times, alpha=alpha, counted=unit == "fraction")
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
    yield model.area(unit)


def _counting(rows: pd.DataFrame) -> pd.Series:
    """Variance that counting cells alone gives to what each row adds to a read-out."""
    out = pd.Series(0.0, index=rows.index)
    for _, group in rows.groupby("_state", observed=True):
        cells = (group["cells"] * group["n_samples"]).to_numpy(dtype=float)
        fractions = group["y"].to_numpy(dtype=float)
        out[group.index] = group["a"].to_numpy() ** 2 * counting_of_fractions(fractions, cells)
    return out


class _Model:
    """Combinations of the means of times and of the controls, as sums over subjects."""

    def __init__(
        self,
        same: pd.DataFrame,
        controls: pd.DataFrame,
        times: NDArray[np.float64],
        *,
        alpha: float,
        counted: bool,
    ) -> None:
        self.times, self.alpha, self.counted = times, alpha, counted
        self.same, self.controls = same, controls
        per_time = same.groupby(k.DAYS, observed=True)[k.SUBJECT].nunique()
        self.why_not = _FEW if per_time.min() < 2 else ""

    def _rows(self, weights: NDArray[np.float64], *, over_control: bool) -> pd.DataFrame:
        """Rows behind a combination of time means, each with its share ``a`` of it."""
        weight = dict(zip(self.times, weights, strict=True))
        own = self.same[k.DAYS].map(weight)
        n = self.same.groupby(k.DAYS, observed=True)["y"].transform("size")
        rows = [self.same.assign(a=own / n, _state=self.same[k.DAYS].map("day {:g}".format))]
        if over_control:
            matched = days_with_controls(self.controls)
            state = self.controls[k.DAYS].map("control of day {:g}".format)
            state = state.where(self.controls[k.DAYS].isin(matched), "control")
            base = self.controls.assign(a=0.0, _state=state)
            for day, value in weight.items():
                group, _ = controls_at(self.controls, day)
                base.loc[group.index, "a"] -= value / len(group)
            rows.append(base)
        both = pd.concat(rows, ignore_index=True)
        return both[both["a"] != 0]

    def _interval(
        self, weights: NDArray[np.float64], *, over_control: bool = False
    ) -> tuple[float, float, float, str]:
        """Interval and p of a combination of time means (less those of controls), or why none."""
        rows = self._rows(weights, over_control=over_control)
        subjects = rows.assign(part=rows["a"] * rows["y"]).groupby(k.SUBJECT, observed=True)
        parts = subjects["part"].sum()
        sampled = subjects["_state"].agg(lambda states: "+".join(sorted(set(states))))
        groups = parts.groupby(sampled, observed=True)
        n, spread = groups.size().to_numpy(dtype=float), groups.var().to_numpy(dtype=float)
        if n.min() < 2:
            lone = str(groups.size().idxmin())
            why = _FEW_CONTROLS if lone.startswith("control") else _ALONE
            return np.nan, np.nan, np.nan, why
        each = n * spread
        estimate = float(parts.sum())
        if float(each.sum()) <= _TINY * float(np.abs(parts).max()) ** 2:
            return np.nan, np.nan, np.nan, _FLAT
        if self.counted:
            state = rows[k.SUBJECT].map(sampled)
            each = np.maximum(each, _counting(rows).groupby(state, observed=True).sum().to_numpy())
        total = float(each.sum())
        df = total**2 / float((each**2 / (n - 1)).sum())
        se = float(np.sqrt(total))
        half = float(t_ppf(1 - self.alpha / 2, df)) * se
        p = float(2 * t_sf(abs(estimate) / se, df))
        return estimate - half, estimate + half, p, ""

    def not_below(self, peak: int) -> list[float]:
        """Times whose mean does not differ from the highest (Benjamini-Hochberg)."""
        eye = np.eye(len(self.times))
        others = [i for i in range(len(self.times)) if i != peak]
        p = np.array([self._interval(eye[peak] - eye[i])[2] for i in others])
        p = np.where(np.isfinite(p), p, 1.0)
        q = adjusted(p)
        return [
            float(self.times[i]) for i, value in zip(others, q, strict=True) if value > self.alpha
        ]

    def row(
        self, name: str, weights: NDArray[np.float64], unit: str, value: float, *,
        over_control: bool = False, note: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """One read-out with its interval."""
        if self.why_not:
            return _plain(name, value, unit, self.why_not, note)
        lo, hi, _, why = self._interval(weights, over_control=over_control)
        if why:
            return _plain(name, value, unit, why, note)
        if name == "persistent" and unit == "fraction":
            lo, hi = max(lo, 0.0), min(hi, 1.0)
        return _plain(name, value, unit, "", note) | {"ci_lo": lo, "ci_hi": hi}

    def area(self, unit: str) -> dict[str, Any]:
        """Trapezoid over the times, of the excess over the controls of each time."""
        what = f"{unit} x days"
        if len(self.times) < 2:
            return _plain("area", np.nan, what, "one time: no area")
        if not len(self.controls):
            return _plain("area", np.nan, what, "no control sample of this compartment")
        gaps = np.diff(self.times)
        weights = (np.append(gaps, 0) + np.insert(gaps, 0, 0)) / 2
        rows = self._rows(weights, over_control=True)
        value = float((rows["a"] * rows["y"]).sum())
        note = f"over control, day {self.times[0]:g} to {self.times[-1]:g}"
        return self.row("area", weights, what, value, over_control=True, note=note)
