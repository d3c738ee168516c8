"""Which irradiated samples a figure over time shows: one arm of the trend, and its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.inference import ask as trend_ask
from senoscore.plotting import tidy
from senoscore.study import ARM, controls_at

if TYPE_CHECKING:
    from collections.abc import Collection


__all__ = [
    "Arm",
    "arm_labels",
    "arms",
    "contrasts_of",
    "main_arm",
    "matched_controls",
    "short_labels",
]

_NOT_GIVEN: Final = "dose not given"


@dataclass(frozen=True)
class Arm:
    """What was done to samples: treatment, dose, number of fractions, modality.

    NaN, or an empty text, is "not given".
    """

    treatment: str
    dose: float = float("nan")
    fractions: float = float("nan")
    modality: str = ""
    name: str = ""
    """Dose, and fractions and modality where they part it from others: the trend's words."""
    alone: bool = True
    """Whether the study has no other treatment beside the controls."""

    @property
    def short(self) -> str:
        """Words for a label: the name, with the treatment where there are several."""
        return " ".join(filter(None, ["" if self.alone else self.treatment, self.name]))

    @property
    def said(self) -> str:
        """Words for a label that are never empty."""
        return self.short or self.treatment

    def named_in(self, contrast: str) -> bool:
        """Whether a contrast of the trend table is of this arm, by how its title begins."""
        return contrast.startswith(" ".join(filter(None, [self.treatment, self.name, "vs "])))

    def rows(self, table: pd.DataFrame) -> pd.Series:
        """Mark the samples, or contrasts with control, of this arm."""
        of_arm = table[k.TREATMENT].astype(str).eq(self.treatment)
        modality = table.get("modality", pd.Series("", index=table.index)).astype(object)
        of_arm &= modality.where(modality.notna(), "").astype(str).eq(self.modality)
        for name, value in ((k.DOSE, self.dose), ("n_fractions", self.fractions)):
            given = tidy.column(table, name)
            of_arm &= given.isna() if np.isnan(value) else given.eq(value)
        return of_arm


def _arm(group: pd.DataFrame, among: pd.DataFrame, *, alone: bool) -> Arm:
    """Arm that all samples of a table are of."""
    facts = {name: group[name].iloc[0] for name in ARM}
    name = trend_ask.arm_name(facts, among[among[k.TREATMENT] == facts[k.TREATMENT]])
    dose, fractions = float(facts[k.DOSE]), float(facts["n_fractions"])
    return Arm(str(facts[k.TREATMENT]), dose, fractions, str(facts["modality"]), name, alone)


def main_arm(table: pd.DataFrame, control: str = k.CONTROL) -> Arm:
    """Choose the treatment that most samples have and, as the trend does, its main arm.

    Averaging over arms would fake a time course wherever some were sampled at some times only.
    Irradiated samples come before unirradiated ones with a drug, and those without a drug first.
    """
    treated = table[~tidy.is_control(table, control)].drop_duplicates(k.SAMPLE)
    alone = len(set(treated[k.TREATMENT])) == 1
    irradiated = treated[tidy.is_irradiated(treated, control)]
    some = [
        candidates for candidates in (irradiated[_bare(irradiated)], irradiated) if len(candidates)
    ]
    return _main_of(some[0] if some else treated, alone=alone)


def _bare(table: pd.DataFrame) -> pd.Series:
    """Mark the samples without a drug."""
    given = table.get(k.GIVEN, table[k.TREATMENT])
    return table[k.TREATMENT].astype(str).eq(given.astype(str))


def _main_of(treated: pd.DataFrame, *, alone: bool) -> Arm:
    counts = treated[k.TREATMENT].value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], name != k.IRRADIATED, name))
    if not names:
        return Arm(k.IRRADIATED)
    chosen = trend_ask.main_arm(treated[treated[k.TREATMENT] == names[0]])
    return _arm(chosen, treated, alone=alone)


def arms(table: pd.DataFrame, control: str = k.CONTROL) -> list[Arm]:
    """List the arms of the irradiated samples."""
    treated = table[~tidy.is_control(table, control)]
    alone = treated[k.TREATMENT].nunique() < 2
    groups = treated.groupby(list(ARM), dropna=False, sort=False, observed=True)
    return [_arm(group, treated, alone=alone) for _, group in groups]


def arm_labels(table: pd.DataFrame, control: str = k.CONTROL) -> pd.Series:
    """Word the arm of each irradiated row: its name, with the treatment where there are several."""
    labels = pd.Series("", index=table.index, dtype=object)
    for arm in arms(table, control):
        words = ["" if arm.alone else arm.treatment, arm.name or _NOT_GIVEN]
        labels[arm.rows(table)] = " ".join(filter(None, words))
    return labels


def short_labels(table: pd.DataFrame, control: str = k.CONTROL) -> pd.Series:
    """Word the arm of each irradiated row by what is known of it; may be empty."""
    labels = pd.Series("", index=table.index, dtype=object)
    for arm in arms(table, control):
        labels[arm.rows(table)] = arm.short
    return labels


def contrasts_of(trend: pd.DataFrame | None, arm: Arm, measures: Collection[str]) -> pd.DataFrame:
    """Rows of the trend table that compare an arm with controls; ``stratum`` is text.

    Raises
    ------
    InputError
        The table does not say of which arm a contrast is.
    """
    if trend is None or trend.empty:
        return pd.DataFrame(columns=[k.COMPARTMENT, "stratum", "measure", k.DAYS, "estimate", "q"])
    tidy.need(trend, ["question", "measure", *ARM], what="trend table")
    asked = trend["question"].eq("irradiated_vs_control") & trend["measure"].isin(measures)
    rows = trend[asked & arm.rows(trend)].copy()
    for name in (k.DAYS, "estimate", "ci_lo", "ci_hi", "q", "n_control", "n_treated"):
        rows[name] = tidy.column(rows, name)
    for name in ("stratum", "status", "unit"):
        column = rows[name] if name in rows else pd.Series("", index=rows.index)
        rows[name] = column.astype(object).where(column.notna(), "").astype(str)
    return rows


def matched_controls(controls: pd.DataFrame, days: float) -> pd.DataFrame:
    """Controls that the contrasts of a time have; a sample without a subject is its own."""
    subject = controls[k.SUBJECT].where(controls[k.SUBJECT] != "", controls[k.SAMPLE].astype(str))
    return controls_at(controls.assign(**{k.SUBJECT: subject}), days)[0]
