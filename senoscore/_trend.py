"""What changed after irradiation, with the sample as the unit: contrasts, trends, dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from senoscore import _keys as k
from senoscore._trend_models import Contrast, contrast, fit, permutation
from senoscore.errors import DesignError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["COLUMNS", "families", "trend"]

COLUMNS: Final = (
    "family", "question", k.COMPARTMENT, "measure", "contrast", k.DAYS, k.DOSE, "n_control",
    "n_treated", "estimate", "ci_lo", "ci_hi", "unit", "estimate_fraction", "df", "statistic", "p",
    "q", "p_permutation", "permutation_floor", "method", "status", "reason",
)  # fmt: skip

_NO_REPLICATION: Final = (
    "no replication: no p-value or interval can be computed; cells are not replicates"
)
_MIN_DF_WITH_BATCH: Final = 3


@dataclass(frozen=True)
class _Options:
    control: str
    alpha: float
    transform: str


def trend(
    burden: pd.DataFrame,
    formula: str | None = None,
    *,
    measures: Sequence[str] | None = None,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    transform: str = "logit",
) -> pd.DataFrame:
    r"""Compare irradiated with control samples, and follow them over time and dose.

    One value a sample and compartment, ordinary linear model, variance pooled over all groups
    of the compartment, t reference. Fractions are compared as empirical logits,
    :math:`\ln\frac{k + 1/2}{n - k + 1/2}`, or as :math:`\arcsin\sqrt{k/n}`. Cells never enter
    as replicates.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    formula
        A model of your own in place of the questions below, in Wilkinson notation over the
        burden table's columns, ``log_days`` (log1p of days; 0 for controls) and ``log_dose``;
        every coefficient but the intercept is a row.
    measures
        Columns to model: ``fraction_senescent``, ``fraction_acute``, ``index_mean`` and
        ``mean:*``; default all of them.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    transform
        ``logit`` or ``arcsine``, for fractions.

    Returns
    -------
    One row a compartment, measure and contrast; ``status`` is ``tested``, ``not_testable`` (an
    estimate, but no replication) or ``not_estimable``, with the reason. ``q`` is
    Benjamini-Hochberg over the tested rows of a ``family``, which is one question and one kind
    of measure. ``unit`` says what the estimate is in; ``estimate_fraction`` is the difference of
    mean fractions.

    Raises
    ------
    InputError
        A measure is no column.
    DesignError
        The formula cannot be used.

    Notes
    -----
    Controls of the same time are used if every treated time has two of them; else all controls
    are pooled, and ``method`` says so. Subjects that appear in several groups are blocks.
    Batch is a covariate where the degrees of freedom allow, and a contrast that it makes
    impossible is ``not_estimable``.
    """
    table = _prepared(burden, transform)
    wanted = _measures(table, measures)
    options = _Options(control, alpha, transform)
    rows: list[dict[str, Any]] = []
    for compartment, of in table.groupby(k.COMPARTMENT, sort=True):
        for measure in wanted:
            own = of[np.isfinite(of[measure].to_numpy(dtype=float))]
            if own.empty:
                continue
            ask = (
                _formula_rows(own, measure, formula, options)
                if formula
                else _rows(own, measure, options)
            )
            rows += [{k.COMPARTMENT: compartment, "measure": measure, **row} for row in ask]
    out = pd.DataFrame(rows, columns=list(COLUMNS))
    out["unit"] = [_unit(name, transform) for name in out["measure"]]
    out["family"] = out["question"] + "/" + out["measure"].map(_kind)
    out["q"] = _adjusted(out)
    return out


def families(table: pd.DataFrame) -> pd.DataFrame:
    """List the families of tests: one question, one kind of measure.

    Returns
    -------
    family, question, n_rows, n_tested, n_not_testable, n_not_estimable, adjustment.
    """
    grouped = table.groupby(["family", "question"], sort=True)["status"]
    counts = grouped.value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=["tested", "not_testable", "not_estimable"], fill_value=0)
    counts = counts.add_prefix("n_")
    counts.insert(0, "n_rows", counts.sum(axis=1))
    counts.columns.name = None
    return counts.reset_index().assign(adjustment="Benjamini-Hochberg over the tested rows")


def _prepared(burden: pd.DataFrame, transform: str) -> pd.DataFrame:
    needed = [k.SAMPLE, k.COMPARTMENT, k.TREATMENT, k.DAYS, "status"]
    missing = [name for name in needed if name not in burden]
    if missing:
        msg = f"the burden table has no column {missing[0]!r}"
        raise InputError(msg, fix="make it with senoscore.burden")
    if transform not in ("logit", "arcsine"):
        msg = f"transform is {transform!r}, expected logit or arcsine"
        raise InputError(msg)
    table = burden.reset_index(drop=True).copy()
    n = table["n_assessable"].to_numpy(dtype=float)
    usable = table["status"].eq("ok").to_numpy()
    for name, column in (
        ("fraction_senescent", "n_senescent"),
        ("fraction_acute", "n_acute_damage_response"),
    ):
        count = table[column].to_numpy(dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = (
                np.log((count + 0.5) / (n - count + 0.5))
                if transform == "logit"
                else np.arcsin(np.sqrt(count / n))
            )
            table[f"raw:{name}"] = np.where(usable, count / n, np.nan)
        table[name] = np.where(usable, value, np.nan)
    means = [name for name in table if name == "index_mean" or str(name).startswith("mean:")]
    table.loc[~table["status"].isin(["ok", "profile", "no_control"]), means] = np.nan
    for name in (k.SUBJECT, k.BATCH):
        table[name] = table[name].fillna("").astype(str) if name in table else ""
    table[k.SUBJECT] = table[k.SUBJECT].where(table[k.SUBJECT] != "", table[k.SAMPLE])
    table[k.DOSE] = pd.to_numeric(table[k.DOSE]) if k.DOSE in table else np.nan
    return table


def _measures(table: pd.DataFrame, measures: Sequence[str] | None) -> list[str]:
    own = ["fraction_senescent", "fraction_acute", "index_mean"]
    own += [str(name) for name in table if str(name).startswith("mean:")]
    if measures is None:
        return [name for name in own if name in table]
    missing = [name for name in measures if name not in table]
    if missing:
        msg = f"the burden table has no measure {missing[0]!r}"
        raise InputError(msg, fix=f"measures: {', '.join(own)}")
    return list(measures)


def _kind(measure: str) -> str:
    if not measure.startswith("mean:"):
        return measure
    if measure.startswith("mean:z:"):
        return "axes"
    return "sasp_families" if f"{k.SEP}sasp_" in measure else "signatures"


def _unit(measure: str, transform: str) -> str:
    if measure.startswith("fraction_"):
        return "log odds" if transform == "logit" else "radians (arcsine)"
    if measure == "index_mean" or measure.startswith("mean:z:"):
        return "control SD"
    return "score"


def _adjusted(table: pd.DataFrame) -> pd.Series:
    q = pd.Series(np.nan, index=table.index)
    tested = table["status"] == "tested"
    for _, of in table[tested].groupby("family"):
        q[of.index] = stats.false_discovery_control(of["p"].to_numpy(dtype=float))
    return q


# --- the standard questions --------------------------------------------------------------


def _rows(own: pd.DataFrame, measure: str, options: _Options) -> Iterator[dict[str, Any]]:
    yield from _against_control(own, measure, options)
    yield from _over_days(own, measure, options)
    yield from _over_dose(own, measure, options)


def _blocks(own: pd.DataFrame, group: pd.Series) -> tuple[NDArray[np.float64], str]:
    """Columns for subjects that are in several groups, and for batches; how, in words."""
    parts, said = [np.zeros((len(own), 0))], []
    if own.groupby(k.SUBJECT)[k.SAMPLE].size().gt(1).any() and _repeats(own, group):
        parts.append(pd.get_dummies(own[k.SUBJECT], dtype=float).to_numpy())
        said.append("subjects as blocks")
    if own[k.BATCH].nunique() > 1:
        batch = pd.get_dummies(own[k.BATCH], dtype=float).to_numpy()
        groups = pd.get_dummies(group, dtype=float).to_numpy()
        rank = np.linalg.matrix_rank(np.hstack([groups, *parts, batch]))
        if len(own) - rank >= _MIN_DF_WITH_BATCH or rank == np.linalg.matrix_rank(groups):
            parts.append(batch - batch.mean(axis=0))
            said.append("batch as covariate")
        else:
            said.append("batch not modelled: too few samples")
    return np.hstack(parts), ", ".join(said)


def _repeats(own: pd.DataFrame, group: pd.Series) -> bool:
    return bool(group.groupby(own[k.SUBJECT]).nunique().gt(1).any())


def _against_control(
    own: pd.DataFrame, measure: str, options: _Options
) -> Iterator[dict[str, Any]]:
    is_control = own[k.TREATMENT] == options.control
    treated = own[~is_control]
    cells = treated.groupby([k.TREATMENT, k.DOSE, k.DAYS], dropna=False, sort=True)
    matched = bool(len(treated)) and all(
        (own.loc[is_control, k.DAYS] == days).sum() >= 2 for days in treated[k.DAYS].unique()
    )
    label = _groups(own, is_control, matched=matched)
    names = sorted(label.unique())
    blocks, said = _blocks(own, label)
    X = np.hstack([pd.get_dummies(label, dtype=float)[names].to_numpy(), blocks])
    y = own[measure].to_numpy(dtype=float)
    model, plain = fit(y, X), fit(y, X[:, : len(names)])
    how = "OLS on samples, pooled variance; " + (
        "controls of the same time" if matched else "all controls pooled"
    )
    for (treatment, dose, days), of in cells:
        mine = label[of.index[0]]
        base = f"control {days:g}" if matched else "control"
        controls = own[label == base]
        row = _row(
            "irradiated_vs_control", _title(treatment, dose, days, options), of, controls, measure
        )
        row |= {k.DAYS: days, k.DOSE: dose, "method": ", ".join(filter(None, [how, said]))}
        if base not in names:
            yield row | _refused("no control sample of this compartment")
            continue
        weights = np.zeros(X.shape[1])
        weights[names.index(mine)], weights[names.index(base)] = 1, -1
        found = contrast(model, weights, alpha=options.alpha)
        if found is None:
            simple = contrast(plain, weights[: len(names)], alpha=options.alpha)
            estimate = simple.estimate if simple else np.nan
            cause = "batch and treatment are the same variable here"
            yield row | _refused(cause) | {"estimate": estimate}
            continue
        replicated = _n(of) > 1 and _n(controls) > 1
        p, floor = permutation(
            of[measure].to_numpy(dtype=float), controls[measure].to_numpy(dtype=float)
        )
        exact = {"p_permutation": p, "permutation_floor": floor} if replicated else {}
        yield row | _result(found, replicated=replicated) | exact


def _n(samples: pd.DataFrame) -> int:
    return int(samples[k.SUBJECT].nunique())


def _groups(own: pd.DataFrame, is_control: pd.Series, *, matched: bool) -> pd.Series:
    label = pd.Series("control", index=own.index)
    if matched:
        label[is_control] = [f"control {days:g}" for days in own.loc[is_control, k.DAYS]]
    treated = own[~is_control]
    label[~is_control] = [
        f"treated {t}|{dose:g}|{days:g}"
        for t, dose, days in zip(
            treated[k.TREATMENT], treated[k.DOSE], treated[k.DAYS], strict=True
        )
    ]
    return label


def _title(treatment: str, dose: float, days: float, options: _Options) -> str:
    with_dose = f" {dose:g} Gy" if np.isfinite(dose) else ""
    when = f" @ {days:.3g} d" if np.isfinite(days) else ""
    return f"{treatment}{with_dose} vs {options.control}{when}"


def _row(
    question: str, title: str, treated: pd.DataFrame, controls: pd.DataFrame, measure: str
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    for name in (k.COMPARTMENT, "measure"):
        del row[name]
    raw = f"raw:{measure}"
    if raw in treated and len(controls):
        row["estimate_fraction"] = treated[raw].mean() - controls[raw].mean()
    row |= {"question": question, "contrast": title, "n_treated": _n(treated)}
    return row | {"n_control": _n(controls), "reason": "", "status": "tested", "method": ""}


def _refused(reason: str) -> dict[str, Any]:
    return {"status": "not_estimable", "reason": reason}


def _result(found: Contrast, *, replicated: bool = True) -> dict[str, Any]:
    row: dict[str, Any] = {"estimate": found.estimate, "df": found.df}
    if not replicated or found.df < 1:
        return row | {"status": "not_testable", "reason": _NO_REPLICATION}
    if not np.isfinite(found.p):
        return row | _refused("the samples do not vary: no standard error")
    row |= {"ci_lo": found.lo, "ci_hi": found.hi, "statistic": found.statistic, "p": found.p}
    return row | {"status": "tested", "reason": ""}


def _over_days(own: pd.DataFrame, measure: str, options: _Options) -> Iterator[dict[str, Any]]:
    treated = own[(own[k.TREATMENT] != options.control) & own[k.DAYS].notna()]
    for treatment, of in treated.groupby(k.TREATMENT, sort=True):
        doses = of[k.DOSE].dropna()
        dose = float(doses.mode().max()) if len(doses) else np.nan
        same = of if np.isnan(dose) else of[of[k.DOSE] == dose]
        if same[k.DAYS].nunique() < 3:
            continue
        title = f"{treatment}, per log1p(day)" + ("" if np.isnan(dose) else f", {dose:g} Gy")
        row = _row("trend_log1p_days", title, same, own.iloc[:0], measure) | {k.DOSE: dose}
        row["method"] = "OLS on irradiated samples against log1p(days)"
        yield row | _slope(np.log1p(same[k.DAYS].to_numpy(dtype=float)), same, measure, options)


def _over_dose(own: pd.DataFrame, measure: str, options: _Options) -> Iterator[dict[str, Any]]:
    controls = own[own[k.TREATMENT] == options.control]
    treated = own[(own[k.TREATMENT] == k.IRRADIATED) & own[k.DOSE].gt(0)]
    for days, of in treated.groupby(k.DAYS, sort=True):
        if of[k.DOSE].nunique() < 2:
            continue
        both = pd.concat([controls.assign(**{k.DOSE: 0.0}), of])
        if both[k.DOSE].nunique() < 3:
            continue
        levels = ", ".join(f"{dose:g}" for dose in sorted(both[k.DOSE].unique()))
        title = f"per log1p(Gy) @ {days:.3g} d ({levels} Gy)"
        row = _row("dose_response", title, of, controls, measure) | {k.DAYS: days}
        row["method"] = "OLS on samples against log1p(dose), all controls at 0 Gy"
        yield row | _slope(np.log1p(both[k.DOSE].to_numpy(dtype=float)), both, measure, options)


def _slope(
    x: NDArray[np.float64], samples: pd.DataFrame, measure: str, options: _Options
) -> dict[str, Any]:
    X = np.column_stack([x, np.ones(len(x))])
    found = contrast(
        fit(samples[measure].to_numpy(dtype=float), X), np.array([1.0, 0.0]), alpha=options.alpha
    )
    return _refused("all samples have one value") if found is None else _result(found)


# --- a model of the user's own -------------------------------------------------------------


def _formula_rows(
    own: pd.DataFrame, measure: str, formula: str, options: _Options
) -> Iterator[dict[str, Any]]:
    from formulaic import model_matrix
    from formulaic.errors import FormulaicError

    is_control = own[k.TREATMENT] == options.control
    data = own.assign(
        log_days=np.where(is_control, 0.0, np.log1p(own[k.DAYS].to_numpy(dtype=float))),
        log_dose=np.log1p(own[k.DOSE].fillna(0).to_numpy(dtype=float)),
    )
    try:
        design = model_matrix(formula.split("~")[-1], data, na_action="raise")
    except (FormulaicError, ValueError, KeyError, NameError, SyntaxError) as error:
        msg = f"formula {formula!r} cannot be used: {' '.join(str(error).split())[:200]}"
        raise DesignError(msg, fix=f"columns: {', '.join(map(str, data.columns))}") from error
    X = np.asarray(design, dtype=float)
    model = fit(own[measure].to_numpy(dtype=float), X)
    for i, name in enumerate(design.columns):
        if name == "Intercept":
            continue
        row = _row("formula", str(name), own[~is_control], own[is_control], measure)
        row |= {"method": f"OLS on samples, {formula}", "estimate_fraction": np.nan}
        found = contrast(model, np.eye(X.shape[1])[i], alpha=options.alpha)
        cause = "other terms of the formula say the same"
        yield row | (_refused(cause) if found is None else _result(found))
