"""How much, from one contrast: the excess, its interval, n, and what it could have missed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from senoscore import _keys as k
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from senoscore.plotting._arms import Arm

__all__ = ["Amount", "amount", "noncentrality", "signed"]

_POWER: Final = 0.8
_GIVEN: Final = ("n_fractions", "modality")
_KINDS: Final = ("assay", "organism", "region")


@dataclass(frozen=True)
class Amount:
    """What a contrast says of an amount, as text.

    ``seen``: the smallest true excess that the contrast shows with a power of 80 %; empty where
    it has no standard error.
    """

    text: str
    note: str
    seen: str = ""


def amount(
    row: Mapping[str, Any],
    treated: pd.DataFrame,
    arm: Arm,
    *,
    half: float | None,
    alpha: float,
) -> Amount:
    """Word the excess over control; everything in it is of one row of the trend table.

    An interval in log odds (or arcsine) has no width in points until it is laid at a level. It is
    laid at that of the controls: the mean of the irradiated samples on the scale of the model,
    less the estimate.

    Parameters
    ----------
    row
        The contrast; empty where there is none.
    treated
        Irradiated samples of the compartment with their ``value``; those of the contrast are
        looked up.
    arm
        Treatment and dose of the contrast.
    half
        Half a cell of the median sample, which the trend adds to a fraction before its logit;
        None where the value is an index and no fraction.
    alpha
        Level at which a true excess is to be seen.
    """
    points, unit = half is not None, " points" if half is not None else ""
    at = _samples_of(row, treated[arm.rows(treated)])
    when = f"{tidy.day_label(at[k.DAYS].iloc[0] if len(at) else row[k.DAYS])} ({arm.said})"
    mean = _mean(at["value"], at)
    estimate = row.get("estimate", np.nan)
    difference = row.get("estimate_fraction", np.nan) if points else estimate
    if not np.isfinite(difference):
        text = tidy.percent(mean) if points else tidy.number(mean)
        return Amount(text, f"mean at {when}; no contrast with controls")
    if points:
        said = f"{tidy.percent(mean)} at {when} against {tidy.percent(mean - difference)}"
        note = f"{said} in controls"
    else:
        note = f"mean index at {when}, difference from its controls"
    scale = float if half is None else _in_points(row, at, half)
    if np.isfinite(row["ci_lo"]) and scale is not None:
        low, high = (_number(scale(row[name]), points=points) for name in ("ci_lo", "ci_hi"))
        note += f"; 95 % CI {low} to {high}{unit}"
    else:
        note += "; no interval"
    n = [tidy.number(row[name]) for name in ("n_treated", "n_control")]
    note += f"; {n[0]} irradiated, {n[1]} control samples"
    smallest = np.nan if scale is None else scale(_smallest(row, alpha))
    seen = f"{_number(smallest, points=points)}{unit or ' of the index'}"
    text = f"{100 * difference:+.1f}".replace("-", "−") if points else signed(difference)
    return Amount(f"{text}{unit}", note, seen if np.isfinite(smallest) else "")


def signed(value: float, digits: int = 3) -> str:
    """Format a difference with its sign."""
    text = tidy.number(value, digits)
    return f"+{text}" if value > 0 else text


@lru_cache(maxsize=64)
def noncentrality(df: float, alpha: float) -> float:
    """Smallest true value, in standard errors, that a two-sided t test shows with 80 % power.

    The tail on the other side is left out, as in R's ``power.t.test``.
    """
    cut = float(stats.t.ppf(1 - alpha / 2, df))
    return float(
        optimize.brentq(lambda shift: stats.nct.sf(cut, df, shift) - _POWER, 0.0, 10 * cut)
    )


def _smallest(row: Mapping[str, Any], alpha: float) -> float:
    """Smallest true excess on the scale of the model that had 80 % power."""
    statistic, df = row.get("statistic", np.nan), row.get("df", np.nan)
    if not (np.isfinite(statistic) and np.isfinite(df)) or statistic == 0 or df < 1:
        return np.nan
    return noncentrality(float(df), alpha) * abs(float(row["estimate"] / statistic))


def _in_points(
    row: Mapping[str, Any], at: pd.DataFrame, half: float
) -> Callable[[float], float] | None:
    """Turn shifts on the scale of the model into differences of fractions at the controls' level.

    None where the samples of the contrast are not in the burden table.
    """
    forward, back = _scales(str(row.get("unit", "")), half)
    if at.empty:
        return None
    level = _mean(forward(at["value"]), at) - float(row["estimate"])
    return lambda shift: back(level + shift) - back(level)


def _scales(unit: str, half: float) -> tuple[Callable[[Any], Any], Callable[[float], float]]:
    """From fractions to the scale of the trend table (log odds or arcsine), and back."""
    if unit == "log odds":
        return (
            lambda f: special.logit((f + half) / (1 + 2 * half)),
            lambda y: float(np.clip(special.expit(y) * (1 + 2 * half) - half, 0, 1)),
        )
    return (
        lambda f: np.arcsin(np.sqrt(f)),
        lambda y: float(np.sin(np.clip(y, 0, np.pi / 2)) ** 2),
    )


def _samples_of(row: Mapping[str, Any], treated: pd.DataFrame) -> pd.DataFrame:
    """Samples of an arm behind a contrast; without one, those of the time with the largest mean."""
    if not row:
        means = treated.groupby(k.DAYS)["value"].mean()
        return treated[treated[k.DAYS] == means.idxmax()] if len(means) else treated
    at = treated[treated[k.DAYS] == row[k.DAYS]]
    for name in (name for name in _GIVEN if name in row and name in at):
        own = at[name].astype(object).where(at[name].notna(), "")
        at = at[own == ("" if pd.isna(row[name]) else row[name])]
    kinds = [name for name in _KINDS if name in at]
    for word in filter(None, str(row["stratum"]).split(", ")):
        at = at[at[kinds].astype(str).eq(word).any(axis=1)]
    return at


def _mean(values: pd.Series, at: pd.DataFrame) -> float:
    """Mean over subjects, samples of one averaged first: what the contrasts compare."""
    subject = at[k.SUBJECT].where(at[k.SUBJECT] != "", at[k.SAMPLE])
    return float(values.groupby(subject).mean().mean())


def _number(value: float, *, points: bool) -> str:
    return f"{100 * value:.1f}".replace("-", "−") if points else tidy.number(value)
