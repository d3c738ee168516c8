"""Model matrix of a compartment's profiles, and the contrasts that it can and cannot answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._burden_controls import days_with_controls
from senoscore._trend_ask import arm_name
from senoscore._trend_data import ARM
from senoscore._trend_models import estimable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Design", "Question", "design_of"]

_STATE: Final = [*ARM, k.DAYS]
_FEW: Final = "fewer than 2 subjects on a side: no dispersion between subjects"
_MIN_DF: Final = 2


@dataclass(frozen=True)
class Question:
    """A contrast of group means; ``reason`` says why it cannot be asked."""

    title: str
    arm: tuple[str, float, float, str]
    """Treatment, dose, fractions, modality."""
    days: float
    n_control: int
    n_treated: int
    weights: NDArray[np.float64]
    note: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Design:
    """Profiles of one subject and state each: names of their rows, model matrix, questions."""

    table: pd.DataFrame
    members: list[list[str]]
    X: NDArray[np.float64]
    method: str
    questions: list[Question] = field(default_factory=list)
    refused: list[Question] = field(default_factory=list)


def design_of(table: pd.DataFrame, *, control: str) -> Design:
    """Group profiles by subject and state, and build groups, blocks and contrasts.

    Parameters
    ----------
    table
        Profiles of one compartment that may be compared, with subject, arm, days_post_rt, batch
        and ``_row`` (name of the profile).
    control
        Treatment that means not irradiated.
    """
    grouped = table.groupby([k.SUBJECT, *_STATE], dropna=False, sort=True)
    units = grouped["_row"].agg(list).reset_index()
    units[k.BATCH] = grouped[k.BATCH].agg(lambda b: "+".join(sorted(set(b)))).to_numpy()
    members = units.pop("_row").tolist()
    is_control = units[k.TREATMENT] == control
    own_day = days_with_controls(units[is_control]) & set(units.loc[~is_control, k.DAYS].dropna())
    dated = ~is_control | units[k.DAYS].isin(own_day)
    label = units[k.TREATMENT].where(~is_control, "control")
    arm = units[list(ARM[1:])].where(~is_control)
    key = arm.assign(c=is_control, t=label, day=units[k.DAYS].where(dated))
    number = key.groupby(["c", "t", *ARM[1:], "day"], dropna=False, sort=True).ngroup()
    groups = pd.get_dummies(number, dtype=float).to_numpy()
    asked = _against_control(units, groups, is_control.to_numpy(), own_day, control)
    asked += _interactions(asked)
    return _with_blocks(units, members, groups, asked)


def _against_control(
    units: pd.DataFrame, groups: NDArray[np.float64], is_control: NDArray[np.bool_],
    own_day: set[float], control: str,
) -> list[Question]:  # fmt: skip
    out = []
    treated = units[~is_control]
    for key, of in treated.groupby(_STATE, dropna=False, sort=True):
        days = float(str(key[-1]))
        arm = (str(key[0]), float(str(key[1])), float(str(key[2])), str(key[3]))
        among = treated[treated[k.TREATMENT] == arm[0]]
        base = is_control & (units[k.DAYS] == days).to_numpy() if days in own_day else is_control
        words = [arm[0], arm_name(dict(zip(ARM, arm, strict=True)), among)]
        title = f"{' '.join(filter(None, words))} vs {control}"
        title += f" @ {days:.3g} d" if np.isfinite(days) else ""
        n_base = int(units.loc[base, k.SUBJECT].nunique())
        n_own = int(of[k.SUBJECT].nunique())
        reason = "no control profile" if n_base == 0 else _FEW if min(n_base, n_own) < 2 else ""
        weights = groups[of.index].mean(axis=0)
        if n_base:
            weights = weights - groups[base].mean(axis=0)
        note = "controls of the same time" if days in own_day else "all controls pooled"
        there = sorted(units.loc[base, k.DAYS].dropna().unique())
        if days not in own_day and there and days not in there:
            when = ", ".join(f"{day:g}" for day in there)
            note = f"controls are of day {when} only: ageing and radiation are confounded"
        out.append(Question(title, arm, days, n_base, n_own, weights, note, reason))
    return out


def _interactions(asked: list[Question]) -> list[Question]:
    """Ask whether the effect at the last time differs from the first, each with its controls."""
    own = [q for q in asked if q.note == "controls of the same time" and not q.reason]
    out = []
    courses: dict[str, list[Question]] = {}
    for question in own:  # by its words: a number that is not given is not equal to itself
        courses.setdefault(str(question.arm), []).append(question)
    for _, arm in sorted(courses.items()):
        course = sorted(arm, key=lambda q: q.days)
        if len(course) < 2:
            continue
        first, last = course[0], course[-1]
        title = f"{last.title} less @ {first.days:.3g} d"
        out.append(
            replace(
                last, title=title, weights=last.weights - first.weights, note="treatment x time"
            )
        )
    return out


def _with_blocks(
    units: pd.DataFrame, members: list[list[str]], groups: NDArray[np.float64],
    asked: list[Question],
) -> Design:  # fmt: skip
    """Add subjects and batches; refuse what they make impossible; keep a matrix of full rank."""
    X, said = groups, ["DESeq2, Wald"]
    subjects, batches = units[k.SUBJECT], units[k.BATCH]
    causes = []
    if subjects.duplicated().any():
        X = np.hstack([X, pd.get_dummies(subjects, dtype=float).to_numpy()])
        said.append("subjects as blocks")
        causes.append((X, "every subject is on one side of this contrast"))
    if 1 < batches.nunique() < len(batches):
        wide = np.hstack([X, pd.get_dummies(batches, dtype=float).to_numpy()])
        causes.append((wide, "batch and treatment are the same variable here"))
        if len(units) - np.linalg.matrix_rank(wide) >= _MIN_DF:
            X = wide
            said.append("batch as covariate")
        else:
            said.append("batch not modelled: too few samples")
    questions, refused = [], []
    keep = _independent(X)
    few = len(units) - len(keep) < _MIN_DF
    for question in asked:
        reason = question.reason or next(
            (why for matrix, why in causes if not estimable(matrix, _padded(question, matrix))), ""
        )
        reason = reason or ("too few subjects for this model" if few else "")
        if reason:
            refused.append(replace(question, reason=reason))
            continue
        # The same contrast in the coordinates of the columns that were kept.
        weights = np.linalg.lstsq(X.T, _padded(question, X), rcond=None)[0] @ X[:, keep]
        questions.append(replace(question, weights=weights))
    return Design(units, members, X[:, keep], "; ".join(said), questions, refused)


def _padded(question: Question, X: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.append(question.weights, np.zeros(X.shape[1] - len(question.weights)))


def _independent(X: NDArray[np.float64]) -> list[int]:
    """First columns that span the matrix."""
    keep: list[int] = []
    for column in range(X.shape[1]):
        if np.linalg.matrix_rank(X[:, [*keep, column]]) > len(keep):
            keep.append(column)
    return keep
