"""What all questions share: their settings, the model that the design allows, the answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore import names as k
from senoscore.inference.models import (
    Contrast,
    contrast,
    counting,
    effective_df,
    estimable,
    fit,
    influence,
    two_means,
    widening,
)
from senoscore.kernels import t_ppf
from senoscore.study import ARM, FRACTIONS, TRANSFORM, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from senoscore.study import Stratum


__all__ = [
    "AS_BLOCKS",
    "CONFOUNDED",
    "CONFOUNDED_DOSE",
    "CONFOUNDED_MODALITY",
    "CONFOUNDED_TIME",
    "NOT_BLOCKS",
    "NO_REPLICATION",
    "NO_VARIATION",
    "ONE_PER_TIME",
    "Answer",
    "Asked",
    "Options",
    "arm_facts",
    "arm_name",
    "ask",
    "ask_all",
    "between_days",
    "main_arm",
    "n_subjects",
    "new_row",
    "refused",
    "result",
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
ONE_SIDE: Final = "every subject is on one side of this contrast"
AS_BLOCKS: Final = "subjects as blocks"
NOT_BLOCKS: Final = "subjects that return counted as different ones"
RESEMBLANCE: Final = 0.8
"""Correlation of two samples of a subject that the choice of a design reckons with."""
_FILES: Final = "; give batch in the samples sheet if the files were processed together"
NO_VARIATION: Final = "the samples do not vary: no standard error"
_ALL_ZERO: Final = "no cell of any sample is in this state: nothing varies"
_ELSEWHERE: Final = "controls of this compartment are of another assay or organism"
_MIN_DF_WITH_BATCH: Final = 3
_SAME_GY: Final = 0.01


@dataclass(frozen=True)
class Options:
    """What every question needs to know."""

    control: str
    alpha: float
    no_control: str = "no control sample of this compartment"
    counted: frozenset[str] = frozenset()
    """Measures that are arcsines of fractions of cells: counting alone has a known variance."""

    @classmethod
    def of(
        cls, part: Stratum | None, *, control: str, alpha: float, transform: str = TRANSFORM
    ) -> Options:
        """Options for the samples of a stratum; without one where no control is asked for."""
        why = _ELSEWHERE if part and part.elsewhere else cls.no_control
        return cls(control, alpha, why, frozenset(FRACTIONS if transform == TRANSFORM else ()))


def n_subjects(table: pd.DataFrame) -> int:
    """Number of animals or patients: what n means everywhere."""
    return int(table[k.SUBJECT].nunique())


def new_row(
    question: str, title: str, treated: pd.DataFrame, controls: pd.DataFrame
) -> dict[str, Any]:
    """Start a row of the table of contrasts."""
    return {
        "question": question, "contrast": title, k.TREATMENT: _one(treated[k.TREATMENT]),
        k.DAYS: np.nan, k.DOSE: np.nan,
        "n_fractions": np.nan, "modality": "", "bed_gy": np.nan, "eqd2_gy": np.nan,
        "n_control": n_subjects(controls), "n_treated": n_subjects(treated),
        "estimate_fraction": np.nan, "method": "", "status": k.TESTED, "reason": "", "note": "",
    }  # fmt: skip


def _one(names: pd.Series) -> str:
    return str(names.iloc[0]) if len(names.unique()) == 1 else ""


def refused(reason: str, *, estimate: float = np.nan) -> dict[str, Any]:
    """Columns of a contrast that cannot be estimated."""
    return {"estimate": estimate, "status": k.NOT_ESTIMABLE, "reason": reason}


def result(
    found: Contrast | None, table: pd.DataFrame, *, why_not: str, no_test: str = ""
) -> dict[str, Any]:
    """Numbers of a contrast, or the reason why there are none."""
    if found is None:
        return refused(why_not)
    row: dict[str, Any] = {"estimate": found.estimate}
    if no_test or found.df < 1:
        return row | {"status": k.NOT_TESTABLE, "reason": no_test or NO_REPLICATION}
    row["df"] = found.df
    if not np.isfinite(found.p):
        if table["raw"].eq(0).all():
            return row | refused(_ALL_ZERO, estimate=0.0)
        return row | refused(NO_VARIATION, estimate=found.estimate)
    row |= {"ci_lo": found.lo, "ci_hi": found.hi, "statistic": found.statistic, "p": found.p}
    return row | {"status": k.TESTED, "reason": ""}


@dataclass(frozen=True)
class Asked:
    """A question of a design: the row begun, and its numbers for any measure of these samples.

    ``numbers`` takes the name of a column with the values of a measure.
    """

    row: dict[str, Any]
    numbers: Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """A contrast, how it was made, or why it could not be.

    ``plain``: no subject or batch beside the groups, so that a permutation test fits. ``used``:
    rows that contribute. ``width``: expected half of the interval in SD of a sample, from the
    design alone. ``solve``: the same contrast of other values of the same samples.
    """

    found: Contrast | None
    method: str
    why_not: str = ""
    plain: bool = True
    confounded: bool = False
    used: NDArray[np.bool_] | None = None
    width: float = np.inf
    solve: Callable[[pd.Series], Contrast | None] | None = None

    def of(self, values: pd.Series) -> Contrast | None:
        """Contrast of other values of the same samples, in the order of the rows."""
        return self.solve(values) if self.solve else None


def ask(
    table: pd.DataFrame, X: NDArray[np.float64], weights: NDArray[np.float64], *,
    options: Options, confounded: str, blocked: bool = True,
) -> Answer:  # fmt: skip
    """Contrast with subjects as blocks and batch as covariate, as far as the design allows.

    A batch that makes the contrast impossible refuses it; one that leaves fewer than three
    degrees of freedom is not modelled, and that is said. Not ``blocked``: subjects that return
    count as different ones, and the interval is widened where that would make it too narrow.
    """
    beside = blocks(table)
    said = [beside.said] if beside.said else []
    returns = bool(beside.subject.shape[1])
    if not blocked and returns:
        said = [beside.said.replace(AS_BLOCKS, NOT_BLOCKS)]
    full = np.hstack([X, beside.subject]) if blocked else X
    wide = np.append(weights, np.zeros(full.shape[1] - len(weights)))
    if not estimable(full, wide):
        return Answer(None, "; ".join(said), ONE_SIDE)
    both = np.hstack([full, beside.batch])
    wider = np.append(wide, np.zeros(beside.batch.shape[1]))
    if not estimable(both, wider):
        why = confounded
        if beside.batch_is == k.DATASET:
            why = confounded.replace("batch", "dataset", 1) + _FILES
        return Answer(None, "; ".join(said), why, confounded=True)
    batch = bool(beside.batch.shape[1])
    if batch and len(both) - np.linalg.matrix_rank(both) < _MIN_DF_WITH_BATCH:
        said.append(f"{beside.batch_is} not modelled: too few samples")
        both, wider, batch = full, wide, False
    elif batch:
        said.append(f"{beside.batch_is} as covariate")
    y = table["y"].to_numpy(dtype=float)
    model = fit(y, both)
    df, factor = float(model.df), 1.0
    if returns and not blocked and df:
        df = effective_df(both, beside.subject, RESEMBLANCE)
        factor = widening(both, wider, beside.subject)
    spread = float(wider @ model.bread @ wider) * factor
    half = float(t_ppf(1 - options.alpha / 2, df) * np.sqrt(spread)) if df else np.inf
    cells = table["cells"] * table["n_samples"]
    least = dict.fromkeys(options.counted, counting(both, wider, cells.to_numpy(dtype=float)))
    solve = partial(
        _solved, X=both, weights=wider, alpha=options.alpha, df=df, factor=factor, least=least
    )
    return Answer(
        solve(table["y"]),
        "; ".join(said),
        plain=not batch and not (returns and blocked),
        used=influence(both, wider) != 0,
        width=half * float(np.sqrt(1 - RESEMBLANCE)) if returns and blocked else half,
        solve=solve,
    )


def _solved(
    values: pd.Series, X: NDArray[np.float64], weights: NDArray[np.float64], *,
    alpha: float, df: float, factor: float, least: Mapping[str, float],
) -> Contrast | None:  # fmt: skip
    model = fit(values.to_numpy(dtype=float), X)
    floor = least.get(str(values.name), 0.0)
    return contrast(model, weights, alpha=alpha, df=df, factor=factor, least=floor)


def ask_all(
    table: pd.DataFrame, X: NDArray[np.float64], weights: NDArray[np.float64], *,
    options: Options, confounded: str,
) -> Answer:  # fmt: skip
    """Contrast by the design that keeps the most information.

    Subjects are blocks where every subject of the contrast then adds to it. Where some would add
    nothing (they are on one side only), they may instead count as different ones: the narrower of
    the two expected intervals is taken, never by what the values say.
    """
    answer = ask(table, X, weights, options=options, confounded=confounded)
    asked = estimable(X, weights) and influence(X, weights) != 0
    complete = answer.used is not None and not (asked & ~answer.used).any()
    if answer.confounded or complete or AS_BLOCKS not in answer.method:
        return answer
    other = ask(table, X, weights, options=options, confounded=confounded, blocked=False)
    return other if other.width < answer.width else answer


def between_days(
    table: pd.DataFrame, measure: str, start: float, end: float, *, options: Options
) -> Contrast | None:
    """Mean at one time less the mean at another, as contrasts with control are made.

    Fractions have the variance of all times and at least that of counting cells; other measures
    have one for each of the two times (Welch), unless a batch or subjects that return stand beside.

    Parameters
    ----------
    table
        As :func:`senoscore.study.compare.values` gives it for ``measure``; one group a day.
    start, end
        Days; the difference is ``end`` less ``start``.

    Returns
    -------
    None where a time has fewer than two subjects, or the design cannot tell the two apart.
    """
    days = table[k.DAYS].to_numpy(dtype=float)
    sides = [table.loc[days == day] for day in (end, start)]
    if min(map(n_subjects, sides)) < 2:
        return None
    times = np.unique(days)
    X = np.equal.outer(days, times).astype(float)
    weights = (times == end).astype(float) - (times == start)
    answer = ask(table, X, weights, options=options, confounded=CONFOUNDED_TIME)
    if answer.found is None:
        return None
    if answer.plain and measure not in FRACTIONS:
        one, other = (side["y"].to_numpy(dtype=float) for side in sides)
        return two_means(one, other, alpha=options.alpha)
    return answer.of(table["y"].rename(measure))


def main_arm(treated: pd.DataFrame) -> pd.DataFrame:
    """Samples of the dose, fractionation and modality that most have, the higher dose of two."""
    known = treated[treated[k.DOSE].notna()]
    own = known if len(known) else treated
    number = own.groupby(list(ARM[1:]), dropna=False, sort=True, observed=True).ngroup()
    counts = number.value_counts()
    return own[number == counts.index[counts == counts.max()].max()]


def arm_facts(group: pd.DataFrame) -> dict[str, Any]:
    """Dose, fractions, modality, BED and EQD2 of the samples of one arm; NaN where those differ."""
    first = group.iloc[0]
    same: dict[str, Any] = {name: first[name] for name in ARM[1:]}
    return same | {name: _common(group[name]) for name in ("bed_gy", "eqd2_gy")}


def _common(doses: pd.Series) -> float:
    """Mean of equal numbers: the mean of two schedules is the dose of neither."""
    return float(doses.mean()) if np.ptp(doses) <= _SAME_GY else np.nan


def arm_name(facts: Mapping[str, Any], among: pd.DataFrame, *, alone: bool = False) -> str:
    """Dose of an arm; fractions and modality too where arms of this dose differ in them.

    Parameters
    ----------
    facts
        As :func:`arm_facts` gives them.
    among
        Treated samples of the same treatment.
    alone
        Leave the modality out.
    """
    dose, fractions = float(facts[k.DOSE]), float(facts["n_fractions"])
    like = among[among[k.DOSE].isna() if np.isnan(dose) else among[k.DOSE] == dose]
    words = [f"{dose:g} Gy"] if np.isfinite(dose) else []
    if len(set(like["n_fractions"].fillna(0))) > 1:
        words.append(f"in {fractions:g}" if np.isfinite(fractions) else "in ? fractions")
    if not alone and len(set(like["modality"])) > 1:
        words.append(str(facts["modality"]) or "modality not given")
    return " ".join(words)
