"""Acute, early, chronic: which phase a day belongs to, and from when days are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


__all__ = ["DEFAULT_CUTS", "NAMES", "TIME_ZERO", "PhaseRules", "phases", "time_zero_messages"]

NAMES: Final = {"three": ("acute", "early", "chronic"), "two": ("acute", "chronic")}
"""Phases of each scheme, in order."""

DEFAULT_CUTS: Final = {"three": (3.0, 28.0), "two": (28.0,)}
"""Last day of every phase but the last one. These bounds are senoscore's own: the review
that names the phases gives words (hours, days, weeks, months) and no numbers."""

TIME_ZERO: Final = ("first_fraction", "last_fraction")
_NEAR: Final = 0.10
"""Share of a cut within which a sample is flagged."""


class PhaseRules(NamedTuple):
    """A scheme and its cuts in days, checked."""

    scheme: str
    cuts: tuple[float, ...]

    @classmethod
    def of(cls, scheme: str = "three", cuts_days: Sequence[float] | None = None) -> PhaseRules:
        """Check a scheme and its cuts; None takes the default cuts of the scheme.

        Raises
        ------
        ConfigError
            The scheme is unknown, or the cuts are not as many positive, ascending days as it
            needs.
        """
        if scheme not in NAMES:
            msg = f"phases.scheme is {scheme!r}, expected three or two"
            raise ConfigError(msg, fix="choose one of the two")
        cuts = tuple(float(c) for c in (DEFAULT_CUTS[scheme] if cuts_days is None else cuts_days))
        ascending = all(a < b for a, b in zip((0.0, *cuts), cuts, strict=False))
        if len(cuts) != len(NAMES[scheme]) - 1 or not ascending or not np.isfinite(cuts).all():
            needed = len(NAMES[scheme]) - 1
            msg = f"phases.cuts_days is {list(cuts)}; scheme {scheme!r} needs {needed}"
            raise ConfigError(msg, fix="give that many days above 0, ascending")
        return cls(scheme, cuts)

    def said(self) -> str:
        """The bounds in words, to print beside a result."""
        names = NAMES[self.scheme]
        edges = [f"{n} to day {c:g}" for n, c in zip(names, self.cuts, strict=False)]
        return ", ".join([*edges, f"{names[-1]} after"]) + " (bounds are senoscore's own)"


def phases(
    days: ArrayLike, *, scheme: str = "three", cuts_days: Sequence[float] | None = None
) -> pd.DataFrame:
    """Say which phase each day belongs to.

    Parameters
    ----------
    days
        Days after irradiation, any number of them; NaN is no time, and a negative day is
        before irradiation.
    scheme
        ``three`` (acute, early, chronic) or ``two`` (acute, chronic).
    cuts_days
        Last day of every phase but the last: a day equal to a cut belongs to the earlier phase.
        None: 3 and 28 d (three), 28 d (two), bounds of our own.

    Returns
    -------
    One row a day: ``phase`` (empty without a time, ``baseline`` before irradiation) and
    ``phase_boundary``, true within 10 % of a cut, where another choice of cut would give another
    phase.

    Raises
    ------
    ConfigError
        The scheme is unknown or the cuts do not fit it.

    Examples
    --------
    >>> phases([1, 3, 28, 90])["phase"].tolist()
    ['acute', 'acute', 'early', 'chronic']
    """
    rules = PhaseRules.of(scheme, cuts_days)
    values = np.atleast_1d(np.asarray(days, dtype=float))
    cuts = np.array(rules.cuts)
    names = np.array(NAMES[rules.scheme], dtype=object)
    # side="left": the number of cuts strictly below a day, so that a cut is the earlier phase.
    phase = names[np.searchsorted(cuts, np.nan_to_num(values), side="left")]
    phase = np.where(values < 0, "baseline", np.where(np.isnan(values), "", phase))
    # A hair of slack: 0.9 x 3 is 2.7 in decimals, and a little less in binary.
    near = np.abs(values[:, None] - cuts) <= _NEAR * cuts * (1 + 1e-9)
    return pd.DataFrame({"phase": phase, "phase_boundary": near.any(axis=1)})


def time_zero_messages(samples: pd.DataFrame, *, time_zero: str, control: str) -> list[str]:
    """Say from when days count, and where the sheet contradicts that.

    Times are never shifted: the sheet is taken at its word, and the word is checked.

    Parameters
    ----------
    samples
        Samples sheet with treatment, days_post_rt and, where known, n_fractions.
    time_zero
        ``first_fraction`` or ``last_fraction``.
    control
        Treatment that means not irradiated.

    Raises
    ------
    ConfigError
        ``time_zero`` is neither.
    """
    if time_zero not in TIME_ZERO:
        msg = f"phases.time_zero is {time_zero!r}, expected {' or '.join(TIME_ZERO)}"
        raise ConfigError(msg, fix="choose one of the two")
    said = [f"Days count from the {time_zero.replace('_', ' ')}."]
    treated = samples[samples[k.TREATMENT] != control]
    days = pd.to_numeric(treated[k.DAYS]).astype(float)
    fractions = (
        pd.to_numeric(treated["n_fractions"]).astype(float)
        if "n_fractions" in treated
        else pd.Series(np.nan, index=treated.index)
    )
    several = fractions > 1
    said += _contradictions(treated, days, several, time_zero)
    inside = several & days.between(0, fractions - 1, inclusive="left")
    if time_zero == "first_fraction" and inside.any():
        said.append(
            f"{_names(treated[inside])}: sampled sooner than one fraction a day allows; "
            "the course was not over, or days count from the last fraction."
        )
    if several.any() and not (fractions == fractions.max())[fractions.notna()].all():
        said.append(
            "Schedules of different numbers of fractions: on the other clock their samples "
            "would move against each other."
        )
    return said


def _contradictions(
    treated: pd.DataFrame, days: pd.Series, several: pd.Series, time_zero: str
) -> list[str]:
    before = days < 0
    found: list[str] = []
    if time_zero == "last_fraction" and (before & several).any():
        found.append(
            f"{_names(treated[before & several])}: day < 0 after several fractions; "
            "taken before the course ended, or days count from the first fraction."
        )
    rest: Any = before if time_zero == "first_fraction" else before & ~several
    if rest.any():
        found.append(f"{_names(treated[rest])}: an irradiated sample at day < 0.")
    return found


def _names(rows: pd.DataFrame) -> str:
    names = rows[k.SAMPLE].astype(str).tolist()
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
