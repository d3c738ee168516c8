"""Irradiated against control for many measures at once: the model of the trend, solved once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from senoscore import _keys as k
from senoscore._trend_data import blocks
from senoscore._trend_models import estimable
from senoscore._trend_questions import CONFOUNDED, NO_REPLICATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from senoscore._trend_data import Stratum

__all__ = ["against_control", "bh", "designed", "paired"]

_UNIT: Final = [k.SUBJECT, k.TREATMENT, k.DOSE, k.DAYS, "modality"]
_TEXT: Final = (k.SUBJECT, k.BATCH, k.DATASET, "assay", "organism", "region", "modality")
_MIN_DF_WITH_BATCH: Final = 3
_NO_CONTROL: Final = "no control sample of this compartment"
_ELSEWHERE: Final = "controls of this compartment are of another assay or organism"
_FILES: Final = "; give batch in the samples sheet if the files were processed together"
_ONE_SIDE: Final = "every subject is on one side of this contrast"
_NO_VARIATION: Final = "the samples do not vary: no standard error"
_TINY: Final = 1e-12


def designed(samples: pd.DataFrame) -> pd.DataFrame:
    """Fill the design columns of a samples sheet as the trend reads them.

    Texts are texts, a sample without a subject is its own, and where no sample has a batch the
    data set stands for it (``batch_is`` says so). What already went through
    :func:`senoscore._trend_data.prepared` stays as it is.
    """
    if "batch_is" in samples:
        return samples
    table = samples.reset_index(drop=True).copy()
    for name in _TEXT:
        own = table[name] if name in table else pd.Series("", index=table.index)
        table[name] = own.astype(object).where(own.notna(), "").astype(str)
    lone = table[k.SUBJECT] == ""
    table[k.SUBJECT] = table[k.SUBJECT].mask(lone, table[k.SAMPLE].astype(str))
    table["batch_is"] = k.BATCH
    if table[k.BATCH].eq("").all():
        table[k.BATCH], table["batch_is"] = table[k.DATASET], k.DATASET
    for name in (k.DOSE, k.DAYS):
        table[name] = pd.to_numeric(table[name]).astype(float) if name in table else np.nan
    return table


def against_control(
    part: Stratum, Y: pd.DataFrame, *, control: str, alpha: float = 0.05
) -> pd.DataFrame:
    """Contrast each treatment, dose and day with control, for every column of ``Y``.

    The model of :func:`senoscore.trend` (cell means, variance pooled over all groups, subjects as
    blocks, batch as covariate where three degrees of freedom are left, controls of the same time
    where there are two, t reference), solved once for all measures that are missing in the same
    samples. Hundreds of ligand-receptor pairs cost what one measure costs.

    Parameters
    ----------
    part
        Samples that may be compared, one row each, as :func:`senoscore._trend_data.strata` gives
        them: never two assays or organisms, and regions as the trend has them.
    Y
        Rows of all samples, by the index of ``part.table``; one column a measure, NaN where it
        is missing.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.

    Returns
    -------
    One row a measure and contrast: stratum, measure, treatment, dose_gy, days_post_rt, n_control,
    n_treated, estimate, ci_lo, ci_hi, df, statistic, p, design, method, status, reason, note.
    """
    rows: list[dict[str, Any]] = []
    Y = Y.loc[part.table.index]
    head = {"stratum": part.name, "design": part.design, "note": part.note}
    no_control = _ELSEWHERE if part.elsewhere else _NO_CONTROL
    finite = np.isfinite(Y.to_numpy(dtype=float))
    patterns: dict[bytes, list[int]] = {}
    for column in range(Y.shape[1]):
        patterns.setdefault(finite[:, column].tobytes(), []).append(column)
    for columns in patterns.values():
        there = finite[:, columns[0]]
        if not there.any():
            continue
        table = _units(part.table[there], Y.iloc[there, columns])
        names = list(Y.columns[columns])
        for row, numbers in _contrasts(table, names, control, alpha, no_control):
            rows += [head | {"measure": name} | row | own for name, own in numbers.items()]
    return pd.DataFrame(rows, columns=[
        "stratum", "measure", k.TREATMENT, k.DOSE, k.DAYS, "n_control", "n_treated", "estimate",
        "ci_lo", "ci_hi", "df", "statistic", "p", "design", "method", "status", "reason", "note",
    ])  # fmt: skip


def _units(samples: pd.DataFrame, Y: pd.DataFrame) -> pd.DataFrame:
    """One row a subject, treatment, dose and day: a second library is no second animal."""
    both = pd.concat([samples[[*_UNIT, k.BATCH, "batch_is"]], Y], axis=1)
    grouped = both.groupby(_UNIT, dropna=False, sort=True)
    out = grouped[list(Y.columns)].mean()
    out[k.BATCH] = grouped[k.BATCH].agg(lambda b: "+".join(sorted(set(map(str, b)))))
    out["batch_is"] = grouped["batch_is"].first()
    out["n_samples"] = grouped.size()
    return out.reset_index()


def _contrasts(
    table: pd.DataFrame, names: list[str], control: str, alpha: float, no_control: str
) -> Iterator[tuple[dict[str, Any], dict[str, dict[str, Any]]]]:
    is_control = (table[k.TREATMENT] == control).to_numpy()
    treated, controls = table[~is_control], table[is_control]
    per_day = controls.groupby(k.DAYS)[k.SUBJECT].nunique()
    own_day = set(per_day.index[per_day >= 2]) & set(treated[k.DAYS].dropna())
    matched_rows = table[k.DAYS].isin(own_day).to_numpy()
    arm = np.where(is_control, np.where(matched_rows, "control of its day", "control"), "treated")
    group = table.assign(
        _arm=arm,
        _day=table[k.DAYS].where(~is_control | matched_rows),
        _dose=table[k.DOSE].where(~is_control),
        _treatment=table[k.TREATMENT].where(~is_control, control),
    ).groupby(["_arm", "_treatment", "_dose", "_day"], dropna=False, sort=True)
    X = pd.get_dummies(group.ngroup(), dtype=float).to_numpy()
    Y = table[names].to_numpy(dtype=float)
    models = _Models(table, X, Y)
    for key, of in treated.groupby([k.TREATMENT, k.DOSE, k.DAYS], dropna=False, sort=True):
        matched = key[2] in own_day
        base = controls[controls[k.DAYS] == key[2]] if matched else controls
        n = {"n_control": base[k.SUBJECT].nunique(), "n_treated": of[k.SUBJECT].nunique()}
        row = dict(zip([k.TREATMENT, k.DOSE, k.DAYS], key, strict=True)) | n
        if base.empty:
            yield row, dict.fromkeys(names, _refused(no_control))
            continue
        weights = X[of.index].mean(axis=0) - X[base.index].mean(axis=0)
        how = "controls of the same time" if matched else "all controls pooled"
        answer, said = models.ask(weights, alpha)
        if isinstance(answer, str) and answer != CONFOUNDED:
            answer, said = _two_groups(of, base, names, alpha)
        row["method"] = "; ".join(filter(None, ["OLS on samples, pooled variance, t", how, said]))
        if isinstance(answer, str):
            if answer == CONFOUNDED and models.batch_is == k.DATASET:
                answer = CONFOUNDED.replace(k.BATCH, k.DATASET, 1) + _FILES
            yield row, dict.fromkeys(names, _refused(answer))
            continue
        enough = min(n.values()) > 1
        yield row, {name: _result(answer[:, i], enough=enough) for i, name in enumerate(names)}


def _refused(reason: str) -> dict[str, Any]:
    return {"status": "not_estimable", "reason": reason}


def _result(numbers: NDArray[np.float64], *, enough: bool) -> dict[str, Any]:
    estimate, lo, hi, df, statistic, p = map(float, numbers)
    if not enough or df < 1:
        return {"estimate": estimate, "status": "not_testable", "reason": NO_REPLICATION}
    if not np.isfinite(p):
        return {"estimate": estimate, "df": df} | _refused(_NO_VARIATION)
    return {
        "estimate": estimate, "ci_lo": lo, "ci_hi": hi, "df": df, "statistic": statistic, "p": p,
        "status": "tested", "reason": "",
    }  # fmt: skip


class _Models:
    """The design with and without batch, factorised once for all contrasts."""

    def __init__(self, table: pd.DataFrame, X: NDArray[np.float64], Y: NDArray[np.float64]) -> None:
        beside = blocks(table)
        self.said, self.batch_is = beside.said, beside.batch_is
        self.plain = _Solved(np.hstack([X, beside.subject]), Y)
        self.batch = None
        if beside.batch.shape[1]:
            self.batch = _Solved(np.hstack([X, beside.subject, beside.batch]), Y)

    def ask(self, weights: NDArray[np.float64], alpha: float) -> tuple[Any, str]:
        """Numbers of a contrast (6 x measures), or why there are none; and what was done."""
        plain = self.plain.numbers(weights, alpha)
        if plain is None:
            return _ONE_SIDE, self.said
        if self.batch is None:
            return plain, self.said
        found = self.batch.numbers(weights, alpha)
        if found is None:
            return CONFOUNDED, self.said
        if self.batch.df < _MIN_DF_WITH_BATCH:
            few = f"{self.batch_is} not modelled: too few samples"
            return plain, "; ".join(filter(None, [self.said, few]))
        return found, "; ".join(filter(None, [self.said, f"{self.batch_is} as covariate"]))


class _Solved:
    """Least squares of several right-hand sides on one design."""

    def __init__(self, X: NDArray[np.float64], Y: NDArray[np.float64]) -> None:
        inverse = np.linalg.pinv(X)
        self.X, self.bread = X, inverse @ inverse.T
        self.coefficients = inverse @ Y
        self.df = len(Y) - int(np.linalg.matrix_rank(X))
        residual = Y - X @ self.coefficients
        rounding = np.abs(residual).max(axis=0) <= _TINY * np.abs(Y).max(axis=0)
        self.variance = (residual**2).sum(axis=0) / max(self.df, 1)
        self.variance[rounding] = 0.0

    def numbers(self, weights: NDArray[np.float64], alpha: float) -> NDArray[np.float64] | None:
        wide = np.append(weights, np.zeros(self.X.shape[1] - len(weights)))
        if not estimable(self.X, wide):
            return None
        estimate = wide @ self.coefficients
        out = np.full((6, len(estimate)), np.nan)
        out[0], out[3] = estimate, self.df
        if self.df < 1:
            return out
        se = np.sqrt(self.variance * max(0.0, float(wide @ self.bread @ wide)))
        some = se > 0
        half = stats.t.ppf(1 - alpha / 2, self.df) * se[some]
        out[1, some], out[2, some] = estimate[some] - half, estimate[some] + half
        out[4, some] = estimate[some] / se[some]
        out[5, some] = 2 * stats.t.sf(np.abs(out[4, some]), self.df)
        return out


def _two_groups(
    of: pd.DataFrame, base: pd.DataFrame, names: list[str], alpha: float
) -> tuple[Any, str]:
    """Two groups of other subjects alone, where blocks leave the contrast without an estimate."""
    first = dict.fromkeys((k.BATCH, "batch_is"), "first")
    once = dict.fromkeys(names, "mean") | first | {"n_samples": "sum"}
    both = pd.concat([of, base.groupby(k.SUBJECT, as_index=False).agg(once)], ignore_index=True)
    if both[k.SUBJECT].duplicated().any():
        return "some subjects are on both sides and cannot be paired", ""
    X = np.zeros((len(both), 2))
    X[: len(of), 0] = X[len(of) :, 1] = 1
    answer, said = _Models(both, X, both[names].to_numpy(float)).ask(np.array([1.0, -1.0]), alpha)
    return answer, "; ".join(filter(None, ["these two groups alone (other subjects)", said]))


def paired(differences: NDArray[np.float64], *, alpha: float = 0.05) -> dict[str, Any]:
    """Mean of paired differences, one a subject, with its t interval.

    Parameters
    ----------
    differences
        One number a subject, none missing.
    """
    n = len(differences)
    if n == 0:
        return {"status": "not_estimable", "reason": "no sample has enough cells of both kinds"}
    estimate = float(differences.mean())
    if n == 1:
        return {"estimate": estimate, "status": "not_testable", "reason": NO_REPLICATION}
    se = float(differences.std(ddof=1) / np.sqrt(n))
    if se <= _TINY * float(np.abs(differences).max(initial=0.0)):
        return {"estimate": estimate} | _refused(_NO_VARIATION)
    half = float(stats.t.ppf(1 - alpha / 2, n - 1)) * se
    return {
        "estimate": estimate, "ci_lo": estimate - half, "ci_hi": estimate + half, "df": n - 1,
        "statistic": estimate / se, "p": float(2 * stats.t.sf(abs(estimate / se), n - 1)),
        "status": "tested", "reason": "",
    }  # fmt: skip


def bh(table: pd.DataFrame) -> pd.Series:
    """Benjamini-Hochberg q over the tested rows of each ``family``."""
    q = pd.Series(np.nan, index=table.index)
    tested = table[table["status"] == "tested"]
    for _, of in tested.groupby("family"):
        q[of.index] = stats.false_discovery_control(of["p"].to_numpy(dtype=float))
    return q
