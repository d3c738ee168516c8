"""What changed after irradiation, with the sample as the unit: contrasts, trends, dose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from senoscore import _keys as k
from senoscore._trend_ask import Options, result
from senoscore._trend_data import Stratum, prepared, strata, values, wanted_measures
from senoscore._trend_formula import check_formula
from senoscore._trend_models import contrast, fit
from senoscore._trend_questions import questions
from senoscore._trend_readouts import readouts
from senoscore.errors import DesignError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["COLUMNS", "families", "readouts", "trend"]

COLUMNS: Final = (
    "family", "question", k.COMPARTMENT, "stratum", "measure", "contrast", k.DAYS, k.DOSE,
    "eqd2_gy", "n_control", "n_treated", "estimate", "ci_lo", "ci_hi", "unit",
    "estimate_fraction", "df", "statistic", "p", "q", "p_permutation", "permutation_floor",
    "design", "method", "status", "reason", "note",
)  # fmt: skip
_TEXT: Final = (
    "family", "question", k.COMPARTMENT, "stratum", "measure", "contrast", "unit", "design",
    "method", "status", "reason", "note",
)  # fmt: skip


_ELSEWHERE: Final = "controls of this compartment are of another assay or organism"


def trend(
    burden: pd.DataFrame,
    formula: str | None = None,
    *,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    transform: str = "logit",
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    r"""Compare irradiated with control samples, and follow them over time and dose.

    One value a subject and compartment, ordinary linear model, variance pooled over all groups
    of the compartment, t reference. Fractions are compared as logits with an offset of half a
    cell, :math:`\ln\frac{f + c}{1 - f + c}`, :math:`c = 1/(2\tilde n)` with the median number of
    cells :math:`\tilde n` (the empirical logit where all samples have as many), or as
    :math:`\arcsin\sqrt f`. Cells never enter as replicates.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    formula
        A model of your own in place of the questions below, in Wilkinson notation over the
        burden table's columns, ``log_days`` (log1p of days; 0 for controls) and ``log_dose``;
        every coefficient but the intercept is a row.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    transform
        ``logit`` or ``arcsine``, for fractions.
    measures
        ``fraction_senescent`` and ``fraction_acute`` (cells that fulfil the panel's rule, at days
        at which that can be senescence and before), ``index_mean``, ``z:<axis>``,
        ``<method>:<signature>``; default the fractions, the index, all axes, SASP families and
        a few senescence signatures.

    Returns
    -------
    One row a compartment, measure and contrast. ``question`` is ``irradiated_vs_control``
    (each treatment, dose and time), ``trend_log1p_days`` (3 or more times, at the dose most
    samples have), ``dose_response`` (3 or more doses at a time, 0 among them),
    ``treatment_x_time`` (controls at 2 or more times), ``modality`` (at the same dose and time)
    or ``formula``. ``status`` is
    ``tested``, ``not_testable`` (an estimate, but no replication) or ``not_estimable``, with
    the reason. ``q`` is Benjamini-Hochberg over the tested rows of a ``family``: one
    question and one kind of measure (:func:`families` lists them). ``unit`` says what the
    estimate is in; ``estimate_fraction`` is the difference of mean fractions.
    ``stratum`` names assay, organism and region where a run has several: they are never compared
    with each other. ``design`` is ``repeated`` where a subject comes back in another state, else
    ``cross_sectional``. ``eqd2_gy`` stands beside the dose.

    Raises
    ------
    InputError
        The burden table lacks a column, a measure is no column, or the transform is unknown.
    DesignError
        The formula cannot be used.

    Notes
    -----
    Controls of the same time are used where there are two of them; else all controls, and
    ``method`` says so. Samples of one subject in the same state are averaged. A subject in
    several states is a block (fixed effect); where that leaves a contrast without an estimate
    (other animals are the controls), the two groups are compared alone. A subject effect is never
    fitted where every subject appears once. Batch is a covariate (the data set, where no sample has
    a batch and data sets hold several samples), and a contrast that it makes
    impossible is ``not_estimable``. ``p_permutation`` is exact, of the difference of group means,
    and cannot be below ``permutation_floor``.
    """
    table = prepared(burden, transform, control=control)
    wanted = wanted_measures(burden, table, measures)
    rows: list[dict[str, Any]] = []
    for compartment, whole in table.groupby(k.COMPARTMENT, sort=True):
        for part in strata(whole, control=control):
            head = {k.COMPARTMENT: compartment, "stratum": part.name}
            options = Options(control, alpha)
            if part.elsewhere:
                options = Options(control, alpha, no_control=_ELSEWHERE)
            for measure in wanted:
                if formula:
                    asked = _formula_rows(part.table, measure, formula, options)
                else:
                    asked = questions(values(part.table, measure), options)
                rows += [head | {"measure": measure} | _placed(row, part) for row in asked]
    out = pd.DataFrame(rows, columns=list(COLUMNS))
    out["unit"] = [_unit(name, transform) for name in out["measure"]]
    out["family"] = [
        f"{q}/{_kind(m)}" for q, m in zip(out["question"], out["measure"], strict=True)
    ]
    numbers = [name for name in COLUMNS if name not in _TEXT]
    out[numbers] = out[numbers].astype(float)
    out["q"] = _adjusted(out)
    return out


def _placed(row: dict[str, Any], part: Stratum) -> dict[str, Any]:
    """Name the stratum in the contrast, so that two of them are told apart in every table."""
    note = "; ".join(filter(None, [part.note, row.get("note", "")]))
    title = f"{row['contrast']} [{part.name}]" if part.name else row["contrast"]
    return row | {"contrast": title, "note": note, "design": part.design}


def families(table: pd.DataFrame, *, fdr: float = 0.05) -> pd.DataFrame:
    """List the families of tests: one question, one kind of measure.

    Returns
    -------
    family, question, n_rows, n_tested, n_not_testable, n_not_estimable, n_holds (q <= ``fdr``),
    adjustment.
    """
    kinds = ["tested", "not_testable", "not_estimable"]
    counts = pd.DataFrame({f"n_{kind}": table["status"].eq(kind) for kind in kinds})
    counts.insert(0, "n_rows", value=True)
    counts["n_holds"] = table["q"].le(fdr)
    grouped = counts.groupby([table["family"], table["question"]], sort=True).sum().astype("int64")
    return grouped.reset_index().assign(adjustment="Benjamini-Hochberg over the tested rows")


def _kind(measure: str) -> str:
    if k.SEP not in measure:
        return measure
    if measure.startswith("z:"):
        return "axes"
    return "sasp_families" if f"{k.SEP}sasp_" in measure else "signatures"


def _unit(measure: str, transform: str) -> str:
    if measure.startswith("fraction_"):
        return "log odds" if transform == "logit" else "radians (arcsine)"
    if measure == "index_mean":
        return "index"
    return "control SD" if measure.startswith("z:") else "score"


def _adjusted(table: pd.DataFrame) -> pd.Series:
    q = pd.Series(np.nan, index=table.index)
    tested = table[table["status"] == "tested"]
    for _, of in tested.groupby("family"):
        q[of.index] = stats.false_discovery_control(of["p"].to_numpy(dtype=float))
    return q


def _formula_rows(
    of: pd.DataFrame, measure: str, formula: str, options: Options
) -> Iterator[dict[str, Any]]:
    """Every coefficient of a model of the user's own; blocks are as the formula says."""
    from formulaic import model_matrix
    from formulaic.errors import FormulaicError

    check_formula(formula)
    own = of[np.isfinite(of[measure].astype(float))]
    if own.empty:
        return
    is_control = own[k.TREATMENT] == options.control
    data = own.assign(
        log_days=np.where(is_control, 0.0, np.log1p(own[k.DAYS].to_numpy(dtype=float))),
        log_dose=np.log1p(own[k.DOSE].fillna(0).to_numpy(dtype=float)),
    )
    try:
        design = model_matrix(formula.split("~")[-1], data, na_action="raise")
    except (FormulaicError, ValueError, KeyError, NameError, SyntaxError, TypeError) as error:
        msg = f"formula {formula!r} cannot be used: {' '.join(str(error).split())[:200]}"
        raise DesignError(msg, fix=f"columns: {', '.join(map(str, data.columns[:30]))}") from error
    X = np.asarray(design, dtype=float)
    model = fit(own[measure].to_numpy(dtype=float), X)
    raw = own.assign(raw=own.get(f"raw:{measure}", np.nan))
    cause = "other terms of the formula say the same"
    if own[k.SUBJECT].duplicated().any() and k.SUBJECT not in formula:
        msg = f"formula {formula!r} has no subject, but subjects have several samples"
        raise DesignError(msg, fix="add subject to the formula, or average the samples first")
    if not own[k.SUBJECT].duplicated().any() and re.search(rf"\b{k.SUBJECT}\b", formula):
        msg = f"formula {formula!r} has a subject effect, but every subject appears once"
        raise DesignError(msg, fix="leave subject out: with one sample each it is the residual")
    for i, name in enumerate(design.columns):
        if name == "Intercept":
            continue
        found = contrast(model, np.eye(X.shape[1])[i], alpha=options.alpha)
        yield {
            "question": "formula", "contrast": str(name), "method": f"OLS on samples, {formula}",
            "n_control": own.loc[is_control, k.SUBJECT].nunique(),
            "n_treated": own.loc[~is_control, k.SUBJECT].nunique(),
        } | result(found, raw, why_not=cause)  # fmt: skip
