"""Which irradiated samples a figure over time shows: one treatment and one dose, and says which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Arm", "arm_labels", "arms", "contrasts_of", "main_arm", "matched_controls"]


@dataclass(frozen=True)
class Arm:
    """A treatment and a dose (NaN where none is given)."""

    treatment: str
    dose: float
    alone: bool = True
    """Whether the study has no other treatment beside the controls."""

    @property
    def said(self) -> str:
        """Words for a label: the dose, the treatment too where there are several."""
        words = [] if self.alone and np.isfinite(self.dose) else [self.treatment]
        return " ".join([*words, *([f"{self.dose:g} Gy"] if np.isfinite(self.dose) else [])])

    def rows(self, table: pd.DataFrame) -> pd.Series:
        """Mark the samples of this arm."""
        own = table[k.TREATMENT].astype(str) == self.treatment
        return own if np.isnan(self.dose) else own & (table[k.DOSE] == self.dose)

    def named_in(self, contrast: str) -> bool:
        """Whether a contrast of the trend table is of this arm, by how its title begins."""
        # Behind a dose may stand how it was given; without one nothing parts two treatments.
        dose = f"{self.dose:g} Gy " if np.isfinite(self.dose) else "vs "
        return contrast.startswith(f"{self.treatment} {dose}")


def main_arm(table: pd.DataFrame, control: str = k.CONTROL) -> Arm:
    """Choose the treatment that most samples have and, as the trend does, its main dose.

    Averaging over doses would fake a time course wherever some doses were given at some times
    only.
    """
    treated = table[~tidy.is_control(table, control)].drop_duplicates(k.SAMPLE)
    counts = treated[k.TREATMENT].value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], name != k.IRRADIATED, name))
    if not names:
        return Arm(k.IRRADIATED, float("nan"))
    doses = treated.loc[treated[k.TREATMENT] == names[0], k.DOSE].dropna()
    dose = float(doses.mode().max()) if len(doses) else float("nan")
    return Arm(str(names[0]), dose, alone=len(names) == 1)


def arms(table: pd.DataFrame, control: str = k.CONTROL) -> list[Arm]:
    """List every treatment and dose of the irradiated samples."""
    treated = table[~tidy.is_control(table, control)]
    alone = treated[k.TREATMENT].nunique() < 2
    pairs = treated[[k.TREATMENT, k.DOSE]].drop_duplicates().itertuples(index=False, name=None)
    return [Arm(str(treatment), float(dose), alone) for treatment, dose in pairs]


def arm_labels(table: pd.DataFrame, control: str = k.CONTROL) -> pd.Series:
    """Word the arm of each row: its dose, with the treatment where there are several."""
    treated = ~tidy.is_control(table, control)
    alone = table.loc[treated, k.TREATMENT].nunique() < 2
    doses = table[k.DOSE].map(lambda d: f"{d:g} Gy" if np.isfinite(d) else "dose not given")
    return doses if alone else table[k.TREATMENT].astype(str) + " " + doses


def contrasts_of(trend: pd.DataFrame | None, arm: Arm, measures: Collection[str]) -> pd.DataFrame:
    """Rows of the trend table that compare an arm with controls; ``stratum`` is text."""
    if trend is None or trend.empty:
        return pd.DataFrame(columns=[k.COMPARTMENT, "stratum", "measure", k.DAYS, "estimate", "q"])
    asked = trend["question"].eq("irradiated_vs_control") & trend["measure"].isin(measures)
    rows = trend[asked & trend["contrast"].astype(str).map(arm.named_in)].copy()
    for name in (k.DAYS, "estimate", "ci_lo", "ci_hi", "q", "n_control", "n_treated"):
        rows[name] = tidy.column(rows, name)
    for name in ("stratum", "status", "unit"):
        own = rows[name] if name in rows else pd.Series("", index=rows.index)
        rows[name] = own.astype(object).where(own.notna(), "").astype(str)
    return rows


def matched_controls(controls: pd.DataFrame, days: float) -> pd.DataFrame:
    """Controls of a time where it has two of them, else all: the rule of the contrasts."""
    own = controls[controls[k.DAYS] == days]
    return own if own[k.SAMPLE].nunique() >= 2 else controls
