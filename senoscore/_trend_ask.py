"""What all questions share: their settings, the model that the design allows, the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore import _keys as k
from senoscore._trend_data import blocks, main_dose
from senoscore._trend_models import Contrast, contrast, estimable, fit

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "CONFOUNDED",
    "CONFOUNDED_DOSE",
    "CONFOUNDED_MODALITY",
    "CONFOUNDED_TIME",
    "NO_REPLICATION",
    "ONE_PER_TIME",
    "Answer",
    "Options",
    "ask",
    "n_subjects",
    "new_row",
    "refused",
    "result",
    "same_dose",
]

NO_REPLICATION: Final = (
    "No replication: no p-value or interval can be computed. Cells are not replicates."
)
ONE_PER_TIME: Final = (
    "1 sample per time point: differences between times cannot be separated from "
    "animal-to-animal differences. Only the overall trend is tested."
)
CONFOUNDED: Final = "batch and treatment are the same variable here"
CONFOUNDED_TIME: Final = "batch and time are the same variable here"
CONFOUNDED_DOSE: Final = "batch and dose are the same variable here"
CONFOUNDED_MODALITY: Final = "batch and modality are the same variable here"
_FILES: Final = "; give batch in the samples sheet if the files were processed together"
_NO_VARIATION: Final = "the samples do not vary: no standard error"
_ALL_ZERO: Final = "no cell of any sample is in this state: nothing varies"
_MIN_DF_WITH_BATCH: Final = 3


@dataclass(frozen=True)
class Options:
    """What every question needs to know."""

    control: str
    alpha: float
    no_control: str = "no control sample of this compartment"


def n_subjects(table: pd.DataFrame) -> int:
    """Number of animals or patients: what n means everywhere."""
    return int(table[k.SUBJECT].nunique())


def new_row(
    question: str, title: str, treated: pd.DataFrame, controls: pd.DataFrame
) -> dict[str, Any]:
    """Start a row of the table of contrasts."""
    return {
        "question": question, "contrast": title, k.DAYS: np.nan, k.DOSE: np.nan,
        "eqd2_gy": np.nan, "n_control": n_subjects(controls), "n_treated": n_subjects(treated),
        "estimate_fraction": np.nan, "method": "", "status": "tested", "reason": "", "note": "",
    }  # fmt: skip


def refused(reason: str, *, estimate: float = np.nan) -> dict[str, Any]:
    """Columns of a contrast that cannot be estimated."""
    return {"estimate": estimate, "status": "not_estimable", "reason": reason}


def result(
    found: Contrast | None, table: pd.DataFrame, *, why_not: str, no_test: str = ""
) -> dict[str, Any]:
    """Numbers of a contrast, or the reason why there are none."""
    if found is None:
        return refused(why_not)
    row: dict[str, Any] = {"estimate": found.estimate}
    if no_test or found.df < 1:
        return row | {"status": "not_testable", "reason": no_test or NO_REPLICATION}
    row["df"] = found.df
    if not np.isfinite(found.p):
        if table["raw"].eq(0).all():
            return row | refused(_ALL_ZERO, estimate=0.0)
        return row | refused(_NO_VARIATION, estimate=found.estimate)
    row |= {"ci_lo": found.lo, "ci_hi": found.hi, "statistic": found.statistic, "p": found.p}
    return row | {"status": "tested", "reason": ""}


@dataclass(frozen=True)
class Answer:
    """A contrast, how it was made, or why it could not be.

    ``plain``: no subject or batch beside the groups, so that a permutation test fits.
    """

    found: Contrast | None
    method: str
    why_not: str = ""
    plain: bool = True
    confounded: bool = False


def ask(
    table: pd.DataFrame, X: NDArray[np.float64], weights: NDArray[np.float64], *,
    options: Options, confounded: str,
) -> Answer:  # fmt: skip
    """Contrast with subjects as blocks and batch as covariate, as far as the design allows.

    A batch that makes the contrast impossible refuses it; one that leaves fewer than three
    degrees of freedom is not modelled, and that is said.
    """
    beside = blocks(table)
    y = table["y"].to_numpy(dtype=float)
    full = np.hstack([X, beside.subject])
    wide = np.append(weights, np.zeros(full.shape[1] - len(weights)))
    said = [beside.said] if beside.said else []
    if not estimable(full, wide):
        return Answer(None, "; ".join(said), "every subject is on one side of this contrast")
    if not beside.batch.shape[1]:
        return Answer(
            contrast(fit(y, full), wide, alpha=options.alpha),
            "; ".join(said),
            plain=not beside.subject.shape[1],
        )
    both = np.hstack([full, beside.batch])
    wider = np.append(wide, np.zeros(beside.batch.shape[1]))
    if not estimable(both, wider):
        why = confounded
        if beside.batch_is == k.DATASET:
            why = confounded.replace("batch", "dataset", 1) + _FILES
        return Answer(None, "; ".join(said), why, confounded=True)
    model = fit(y, both)
    if model.df < _MIN_DF_WITH_BATCH:
        said.append(f"{beside.batch_is} not modelled: too few samples")
        found = contrast(fit(y, full), wide, alpha=options.alpha)
        return Answer(found, "; ".join(said), plain=not beside.subject.shape[1])
    said.append(f"{beside.batch_is} as covariate")
    found = contrast(model, wider, alpha=options.alpha)
    return Answer(found, "; ".join(said), plain=False)


def same_dose(treated: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Samples of the dose that most have, and that dose; all of them where none is given."""
    dose = main_dose(treated)
    return (treated if np.isnan(dose) else treated[treated[k.DOSE] == dose]), dose
