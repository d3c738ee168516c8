"""The questions asked of every measure: against control, over days, over dose, interaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._trend_data import blocks, main_dose
from senoscore._trend_models import Contrast, contrast, estimable, fit, permutation, sign_flips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["CONFOUNDED", "NO_REPLICATION", "ONE_PER_TIME", "Options", "questions", "result"]

NO_REPLICATION: Final = (
    "No replication: no p-value or interval can be computed. Cells are not replicates."
)
ONE_PER_TIME: Final = (
    "1 sample per time point: differences between times cannot be separated from "
    "animal-to-animal differences. Only the overall trend is tested."
)
CONFOUNDED: Final = "batch and treatment are the same variable here"
_CONFOUNDED_TIME: Final = "batch and time are the same variable here"
_CONFOUNDED_DOSE: Final = "batch and dose are the same variable here"
_NO_VARIATION: Final = "the samples do not vary: no standard error"
_ALL_ZERO: Final = "no cell of any sample is in this state: nothing varies"
_MIN_DF_WITH_BATCH: Final = 3
_MIN_TIMES: Final = 3
_MIN_DOSES: Final = 3
_KEYS: Final = [k.TREATMENT, k.DOSE, k.DAYS]


@dataclass(frozen=True)
class Options:
    """What every question needs to know."""

    control: str
    alpha: float


def questions(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Rows of all questions for one compartment and measure."""
    yield from _against_control(table, options)
    yield from _over_days(table, options)
    yield from _over_dose(table, options)
    yield from _interaction(table, options)


def _n(table: pd.DataFrame) -> int:
    return int(table[k.SUBJECT].nunique())


def _row(
    question: str, title: str, treated: pd.DataFrame, controls: pd.DataFrame
) -> dict[str, Any]:
    return {
        "question": question, "contrast": title, k.DAYS: np.nan, k.DOSE: np.nan,
        "n_control": _n(controls), "n_treated": _n(treated),
        "estimate_fraction": np.nan, "method": "", "status": "tested", "reason": "",
    }  # fmt: skip


def _refused(reason: str, *, estimate: float = np.nan) -> dict[str, Any]:
    return {"estimate": estimate, "status": "not_estimable", "reason": reason}


def result(
    found: Contrast | None, table: pd.DataFrame, *, why_not: str, no_test: str = ""
) -> dict[str, Any]:
    """Numbers of a contrast, or the reason why there are none."""
    if found is None:
        return _refused(why_not)
    row: dict[str, Any] = {"estimate": found.estimate}
    if no_test or found.df < 1:
        return row | {"status": "not_testable", "reason": no_test or NO_REPLICATION}
    row["df"] = found.df
    if not np.isfinite(found.p):
        if table["raw"].eq(0).all():
            return row | _refused(_ALL_ZERO, estimate=0.0)
        return row | _refused(_NO_VARIATION, estimate=found.estimate)
    row |= {"ci_lo": found.lo, "ci_hi": found.hi, "statistic": found.statistic, "p": found.p}
    return row | {"status": "tested", "reason": ""}


@dataclass(frozen=True)
class _Answer:
    found: Contrast | None
    method: str
    why_not: str = ""
    plain: bool = True


def _ask(
    table: pd.DataFrame, X: NDArray[np.float64], weights: NDArray[np.float64], *,
    options: Options, confounded: str,
) -> _Answer:  # fmt: skip
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
        return _Answer(None, "; ".join(said), "every subject is on one side of this contrast")
    if not beside.batch.shape[1]:
        return _Answer(
            contrast(fit(y, full), wide, alpha=options.alpha),
            "; ".join(said),
            plain=not beside.subject.shape[1],
        )
    both = np.hstack([full, beside.batch])
    wider = np.append(wide, np.zeros(beside.batch.shape[1]))
    if not estimable(both, wider):
        return _Answer(None, "; ".join(said), confounded)
    model = fit(y, both)
    if model.df < _MIN_DF_WITH_BATCH:
        said.append("batch not modelled: too few samples")
        found = contrast(fit(y, full), wide, alpha=options.alpha)
        return _Answer(found, "; ".join(said), plain=not beside.subject.shape[1])
    said.append("batch as covariate")
    found = contrast(model, wider, alpha=options.alpha)
    return _Answer(found, "; ".join(said), plain=False)


# --- against control ---------------------------------------------------------------------


def _against_control(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    is_control = (table[k.TREATMENT] == options.control).to_numpy()
    treated, controls = table[~is_control], table[is_control]
    n_times = treated[k.DAYS].nunique()
    per_day = controls.groupby(k.DAYS)[k.SUBJECT].nunique()
    own_day = set(per_day.index[per_day >= 2]) & set(treated[k.DAYS].dropna())
    label = pd.Series("control", index=table.index)
    label[is_control & table[k.DAYS].isin(own_day).to_numpy()] = "control of its day"
    group = table.assign(
        _arm=label.where(is_control, "treated"),
        _day=table[k.DAYS].where(~is_control | table[k.DAYS].isin(own_day)),
        _dose=table[k.DOSE].where(~is_control),
        _treatment=table[k.TREATMENT].where(~is_control, options.control),
    ).groupby(["_arm", "_treatment", "_dose", "_day"], dropna=False, sort=True)
    number = group.ngroup()
    X = pd.get_dummies(number, dtype=float).to_numpy()
    for key, of in treated.groupby(_KEYS, dropna=False, sort=True):
        treatment, dose, days = str(key[0]), float(str(key[1])), float(str(key[2]))
        matched = days in own_day
        base = controls[controls[k.DAYS] == days] if matched else controls
        row = _row("irradiated_vs_control", _title(treatment, dose, days, options), of, base)
        row |= {k.DAYS: days, k.DOSE: dose}
        row["estimate_fraction"] = of["raw"].mean() - base["raw"].mean()
        if base.empty:
            yield row | _refused("no control sample of this compartment")
            continue
        shares = X[table.index.get_indexer(base.index)].mean(axis=0)
        weights = X[table.index.get_indexer(of.index)].mean(axis=0) - shares
        answer = _ask(table, X, weights, options=options, confounded=CONFOUNDED)
        how, used = _how_controls(base, matched=matched, days=days), table
        if answer.found is None and answer.why_not != CONFOUNDED:
            answer, used = _two_groups(of, base, options)
        row["method"] = "; ".join(filter(None, [how, answer.method]))
        enough = min(_n(of), _n(base)) > 1
        lonely = ONE_PER_TIME if n_times > 1 and _n(base) > 1 else NO_REPLICATION
        found = result(answer.found, used, why_not=answer.why_not, no_test="" if enough else lonely)
        if answer.found is None:
            found["estimate"] = of["y"].mean() - base["y"].mean()
        yield row | found | (_exact(of, base, answer) if found["status"] == "tested" else {})


def _how_controls(base: pd.DataFrame, *, matched: bool, days: float) -> str:
    how = "OLS on samples, pooled variance, t; "
    if matched:
        return how + "controls of the same time"
    there = sorted(base[k.DAYS].dropna().unique())
    if there and days not in there:
        return how + f"all controls pooled (day {', '.join(f'{d:g}' for d in there)} only)"
    return how + "all controls pooled"


def _two_groups(
    of: pd.DataFrame, base: pd.DataFrame, options: Options
) -> tuple[_Answer, pd.DataFrame]:
    """Two groups of different subjects, each subject once, with the variance of these alone."""
    once = base.groupby(k.SUBJECT, as_index=False, sort=True).agg(
        {"y": "mean", "raw": "mean", k.BATCH: "first", "n_samples": "sum"}
    )
    both = pd.concat([of, once], ignore_index=True)
    X = np.zeros((len(both), 2))
    X[: len(of), 0] = X[len(of) :, 1] = 1
    if both[k.SUBJECT].duplicated().any():
        reason = "some subjects are on both sides and cannot be paired"
        return _Answer(None, "", reason), both
    answer = _ask(both, X, np.array([1.0, -1.0]), options=options, confounded=CONFOUNDED)
    said = "; ".join(filter(None, ["these two groups alone (other subjects)", answer.method]))
    return _Answer(answer.found, said, answer.why_not, answer.plain), both


def _exact(of: pd.DataFrame, base: pd.DataFrame, answer: _Answer) -> dict[str, float]:
    """Exact permutation p: of two groups, or of pairs; none beside a batch covariate."""
    if "batch as covariate" in answer.method:
        return {}
    own = of.groupby(k.SUBJECT)["y"].mean()
    other = base.groupby(k.SUBJECT)["y"].mean()
    if answer.plain and not set(own.index) & set(other.index):
        p, floor = permutation(own.to_numpy(), other.to_numpy())
    elif set(own.index) == set(other.index):
        p, floor = sign_flips((own - other).to_numpy())
    else:
        return {}
    return {"p_permutation": p, "permutation_floor": floor}


def _title(treatment: str, dose: float, days: float, options: Options) -> str:
    with_dose = f" {dose:g} Gy" if np.isfinite(dose) else ""
    when = f" @ {days:.3g} d" if np.isfinite(days) else ""
    return f"{treatment}{with_dose} vs {options.control}{when}"


# --- over days, over dose ------------------------------------------------------------------


def _over_days(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    treated = table[(table[k.TREATMENT] != options.control) & table[k.DAYS].notna()]
    for treatment, of in treated.groupby(k.TREATMENT, sort=True):
        dose = main_dose(of)
        same = of if np.isnan(dose) else of[of[k.DOSE] == dose]
        if same[k.DAYS].nunique() < _MIN_TIMES:
            continue
        title = f"{treatment}, per log1p(day)" + ("" if np.isnan(dose) else f", {dose:g} Gy")
        row = _row("trend_log1p_days", title, same, table.iloc[:0]) | {k.DOSE: dose}
        X = _line(np.log1p(same[k.DAYS].to_numpy(dtype=float)))
        yield _slope(row, same, X, options, _CONFOUNDED_TIME, "log1p(days)")


def _over_dose(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    controls = table[table[k.TREATMENT] == options.control].assign(**{k.DOSE: 0.0})
    treated = table[(table[k.TREATMENT] != options.control) & table[k.DOSE].gt(0)]
    for key, of in treated.groupby([k.TREATMENT, k.DAYS], dropna=False, sort=True):
        treatment, days = str(key[0]), float(str(key[1]))
        same_day = controls[controls[k.DAYS] == days]
        matched = _n(same_day) >= 2
        both = pd.concat([same_day if matched else controls, of], ignore_index=True)
        if both[k.DOSE].nunique() < _MIN_DOSES:
            continue
        levels = ", ".join(f"{dose:g}" for dose in sorted(both[k.DOSE].unique()))
        when = f" @ {days:.3g} d" if np.isfinite(days) else ""
        title = f"{treatment}, per log1p(Gy){when} ({levels} Gy)"
        row = _row("dose_response", title, of, both[both[k.DOSE] == 0]) | {k.DAYS: days}
        X = _line(np.log1p(both[k.DOSE].to_numpy(dtype=float)))
        which = "controls of the same time" if matched else "all controls"
        yield _slope(row, both, X, options, _CONFOUNDED_DOSE, f"log1p(dose), {which} at 0 Gy")


def _interaction(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    timed = table[table[k.DAYS].notna()]
    controls = timed[timed[k.TREATMENT] == options.control]
    if controls[k.DAYS].nunique() < 2:
        return
    for treatment, of in timed[timed[k.TREATMENT] != options.control].groupby(
        k.TREATMENT, sort=True
    ):
        dose = main_dose(of)
        same = of if np.isnan(dose) else of[of[k.DOSE] == dose]
        if same[k.DAYS].nunique() < 2:
            continue
        both = pd.concat([same, controls], ignore_index=True)
        arm = both[k.TREATMENT].ne(options.control).to_numpy(dtype=float)
        days = np.log1p(both[k.DAYS].to_numpy(dtype=float))
        X = np.column_stack([arm * days, days, arm, np.ones(len(both))])
        title = f"{treatment} x log1p(day)" + ("" if np.isnan(dose) else f", {dose:g} Gy")
        row = _row("treatment_x_time", title, same, controls) | {k.DOSE: dose}
        yield _slope(row, both, X, options, CONFOUNDED, "treatment x log1p(days)")


def _line(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([x, np.ones(len(x))])


def _slope(
    row: dict[str, Any], table: pd.DataFrame, X: NDArray[np.float64], options: Options,
    confounded: str, on: str,
) -> dict[str, Any]:  # fmt: skip
    """Test the first column of X."""
    first = np.eye(X.shape[1])[0]
    answer = _ask(table.reset_index(drop=True), X, first, options=options, confounded=confounded)
    method = "; ".join(filter(None, [f"OLS on samples against {on}, t", answer.method]))
    return row | {"method": method} | result(answer.found, table, why_not=answer.why_not)
