"""Which controls a sample is compared with: one rule for burden, contrasts and read-outs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from senoscore import _keys as k
from senoscore.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "check_days", "controls_at", "days_with_controls", "regions_apart"]

KINDS: Final = ("assay", "organism")
"""Samples that differ in these are never compared."""
_ENOUGH: Final = 2


def regions_apart(table: pd.DataFrame, *, control: str) -> bool:
    """Whether each irradiated region of a compartment has controls of its own.

    Where one has none, no region is kept apart: a compartment is not compared by two rules.
    """
    is_control = table[k.TREATMENT] == control
    return set(table.loc[~is_control, "region"]) <= set(table.loc[is_control, "region"])


def days_with_controls(controls: pd.DataFrame) -> set[float]:
    """Days at which two or more control subjects were sampled."""
    per_day = controls.groupby(k.DAYS)[k.SUBJECT].nunique()
    return set(per_day.index[per_day >= _ENOUGH])


def controls_at(controls: pd.DataFrame, days: float) -> tuple[pd.DataFrame, bool]:
    """Controls of a day where there are two subjects, else all; and whether of the day."""
    if days in days_with_controls(controls):
        return controls[controls[k.DAYS] == days], True
    return controls, False


def check_days(table: pd.DataFrame, *, control: str) -> None:
    """Refuse treated samples from before irradiation.

    Raises
    ------
    InputError
        Names the sample and what to write instead.
    """
    early = table[(table[k.TREATMENT] != control) & (table[k.DAYS] < 0)]
    if len(early):
        row = early.iloc[0]
        msg = (
            f"sample {row[k.SAMPLE]!r} has treatment {row[k.TREATMENT]!r} at day {row[k.DAYS]:g}, "
            "before irradiation"
        )
        raise InputError(msg, fix=f"it is a baseline: give it treatment {control!r}")
