"""What changed after irradiation, with the sample as the unit: contrasts, trends, dose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import DesignError
from senoscore.inference.adjust import alike
from senoscore.inference.ask import Options
from senoscore.inference.formula import COVARIATE, NAMES, UNKNOWN, OwnModel, check_formula
from senoscore.inference.questions import never_called, questions
from senoscore.inference.readouts import readouts
from senoscore.kernels import adjusted
from senoscore.study import (
    ARM,
    TRANSFORM,
    placed,
    prepared,
    strata,
    takes,
    unit_of,
    units,
    wanted_measures,
    without_controls,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from senoscore.study import Stratum


__all__ = ["NAMES", "TREND_COLUMNS", "check_formula", "families", "readouts", "trend"]

TREND_COLUMNS: Final = (
    "family", "question", k.COMPARTMENT, "stratum", "measure", "contrast", *ARM, k.DAYS, "bed_gy",
    "eqd2_gy", "n_control", "n_treated", "estimate", "ci_lo", "ci_hi", "unit",
    "estimate_fraction", "df", "statistic", "p", "q", "p_permutation", "permutation_floor",
    "design", "method", "status", "reason", "note",
)  # fmt: skip
_TEXT: Final = (
    "family", "question", k.COMPARTMENT, "stratum", "measure", "contrast", k.TREATMENT, "modality",
    "unit",
    "design", "method", "status", "reason", "note",
)  # fmt: skip


_COVARIATES: Final = "formula_covariates"


@takes(burden="sen.burden(adata)")
def trend(
    burden: pd.DataFrame,
    formula: str | None = None,
    *,
    control: str = k.CONTROL,
    contrasts: Mapping[str, Mapping[str, float]] | None = None,
    alpha: float = 0.05,
    transform: str = TRANSFORM,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    r"""Compare irradiated with control samples, and follow them over time and dose.

    One value a subject and compartment, ordinary linear model, t reference. Fractions, whose scale
    is chosen so that all groups vary alike, have the variance of all groups of the compartment;
    means (index, axes, scores) that are compared with control have one for each of the two groups
    (Welch), unless a batch or subjects that return stand beside. Fractions are compared as
    :math:`\arcsin\sqrt f`, whose variance does not depend on f, or as logits with an offset of
    half a cell, :math:`\ln\frac{f + c}{1 - f + c}`, :math:`c = 1/(2\tilde n)` with the median
    number of cells :math:`\tilde n` (the empirical logit where all samples have as many). Cells
    never enter as replicates.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    formula
        A model of your own in place of the questions below, in Wilkinson notation over the
        burden table's columns, ``log_days`` (log1p of days; 0 for controls) and ``log_dose``;
        every coefficient but the intercept is a row. Those of terms without treatment, drug, time
        or dose (subject, batch, ``cov_*``) have no q: they are no question.
        ``C(x, Treatment("ref"))`` sets the level that others are compared with. ``treatment`` is
        the word of the sheet, without the drug; a sample without one has the drug ``none``. A
        coefficient that cannot be told from other terms is refused with their names.
    control
        Treatment that means not irradiated.
    contrasts
        Sums of coefficients of the formula: name -> coefficient -> weight. Coefficients are
        named as in the column ``contrast``.
    alpha
        1 - confidence of the intervals.
    transform
        ``arcsine`` or ``logit``, for fractions. The variance of a logit is far larger at small
        fractions; pooled over times, a quiet time among raised ones then passes for an effect in
        10 to 13 % (docs/statistics.md).
    measures
        ``fraction_senescent`` and ``fraction_acute`` (cells that fulfil the panel's rule, at days
        at which that can be senescence and before), ``fraction_arrested`` (cells further along the
        learnt arrest than nine in ten control cells), ``index_mean``, ``z:<axis>``,
        ``<method>:<signature>``; default the fractions, the index, all axes, SASP families and
        a few senescence signatures.

    Returns
    -------
    One row a compartment, measure and contrast. ``question`` is ``irradiated_vs_control``
    (each arm and time; an arm is a treatment, dose, number of fractions and modality),
    ``trend_log1p_days`` (3 or more times, of the arm most samples are of), ``dose_response`` (3 or
    more doses of one modality at a time, 0 among them),
    ``treatment_x_time`` (controls at 2 or more times), ``modality`` (at the same dose and time)
    or ``formula``. ``status`` is
    ``tested``, ``not_testable`` (an estimate, but no replication) or ``not_estimable``, with
    the reason. ``q`` is Benjamini-Hochberg over the tested rows of a ``family``: one
    question and one kind of measure (:func:`families` lists them). ``unit`` says what the
    estimate is in; ``estimate_fraction`` is the difference of mean fractions.
    ``treatment`` is empty where a question has several. ``stratum`` names assay, organism and
    region where a run has several: they are never compared with each other. ``design`` is
    ``repeated`` where a subject comes back in another state, else ``cross_sectional``.
    ``n_fractions``, ``modality``, ``bed_gy`` and ``eqd2_gy`` stand beside the dose.

    Raises
    ------
    InputError
        The burden table lacks a column, a measure is no column, the transform is unknown, or a
        treated sample is of a day before irradiation.
    DesignError
        The formula cannot be used.

    Notes
    -----
    Controls of the same time are used where there are two of them; else all controls, and
    ``method`` says so. Samples of one subject in the same state are averaged. A subject in
    several states is a block (fixed effect). Where that leaves a contrast without an estimate
    (other animals are the controls), the two groups are compared alone; where only part of the
    subjects are on both sides, whichever of the two designs has the narrower expected interval,
    reckoned from the design alone; ``n_control`` and ``n_treated`` are the subjects that the
    estimate is made of. A subject effect is never fitted where every subject appears once. Batch
    is a covariate (the data set, where no sample has a batch and data sets hold several samples),
    and a contrast that it makes impossible is ``not_estimable``. ``p_permutation`` is exact, of
    the difference of group means, and cannot be below ``permutation_floor``.

    Examples
    --------
    >>> trend = sen.trend(burden, measures=["fraction_senescent"])
    >>> trend.query("compartment == 'tumour'")[["n_control", "n_treated", "status"]]
       n_control  n_treated  status
    2        4.0        3.0  tested
    3        4.0        4.0  tested
    """
    if contrasts and not formula:
        msg = "contrasts of coefficients are given, but no formula"
        raise DesignError(msg, fix="give formula=, or compare arms with sen.arms")
    table = prepared(burden, transform, control=control)
    wanted = wanted_measures(burden, table, measures)
    own_model = OwnModel.of(formula, contrasts or {}, table) if formula else None
    rows: list[dict[str, Any]] = []
    for compartment, whole in table.groupby(k.COMPARTMENT, sort=True, observed=True):
        for part in strata(whole, control=control):
            head = {k.COMPARTMENT: compartment, "stratum": part.name}
            options = Options.of(part, control=control, alpha=alpha, transform=transform)
            found = _answers(part, wanted, own_model, options)
            for measure in wanted:
                rows += [head | {"measure": measure} | row for row in found[measure]]
    out = pd.DataFrame(rows, columns=list(TREND_COLUMNS))
    _refuse_unknown_coefficients(out, contrasts or {})
    bare = without_controls(table, control=control)
    out["unit"] = [
        unit_of(name, transform, controls=compartment not in bare)
        for name, compartment in zip(out["measure"], out[k.COMPARTMENT], strict=True)
    ]
    covariate = out["reason"].str.startswith(COVARIATE)
    asked_of = out["question"].where(~covariate, _COVARIATES)
    out["family"] = [f"{q}/{_kind(m)}" for q, m in zip(asked_of, out["measure"], strict=True)]
    numbers = [name for name in TREND_COLUMNS if name not in _TEXT]
    out[numbers] = out[numbers].astype(float)
    out["q"] = _adjusted(out)
    return out


def _answers(
    part: Stratum, wanted: Sequence[str], model: OwnModel | None, options: Options
) -> dict[str, list[dict[str, Any]]]:
    """Rows of every measure; what depends on the design alone is done once for those alike."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    measures = part.table[list(dict.fromkeys(wanted))].astype(float)
    for own, names in alike(part.table, measures):
        if model:
            asked = model.rows(own, options)
        else:
            table = units(own, ["raw", *names])
            asked = questions(table.assign(y=table[names[0]]), options)
        for one in asked:
            row = placed(one.row, part)
            for name in names:
                rows[name].append(row | one.numbers(name))
    if not model and "fraction_senescent" in rows:
        without = never_called(part.table, options)
        rows["fraction_senescent"] += [placed(row, part) for row in without]
    return rows


def _refuse_unknown_coefficients(
    out: pd.DataFrame, contrasts: Mapping[str, Mapping[str, float]]
) -> None:
    """A coefficient that no compartment has is a slip of the pen, no gap of the design."""
    for name in contrasts:
        own = out.loc[out["contrast"].eq(name), "reason"]
        if len(own) and own.str.startswith(UNKNOWN).all():
            msg = f"contrast {name!r}: {own.iloc[0]}"
            raise DesignError(msg, fix="coefficients are named as in the column contrast")


@takes(table="sen.trend(sen.burden(adata))")
def families(table: pd.DataFrame, *, fdr: float = 0.05) -> pd.DataFrame:
    """List the families of tests: one question, one kind of measure.

    Returns
    -------
    family, question, n_rows, n_tested, n_not_testable, n_not_estimable, n_holds (q <= ``fdr``),
    adjustment.

    Examples
    --------
    >>> sen.families(trend)["family"].head(2).tolist()
    ['irradiated_vs_control/axes', 'irradiated_vs_control/fraction_arrested']
    """
    kinds = list(k.ANSWERS)
    counts = pd.DataFrame({f"n_{kind}": table["status"].eq(kind) for kind in kinds})
    counts.insert(0, "n_rows", value=True)
    counts["n_holds"] = table["q"].le(fdr)
    grouped = (
        counts.groupby([table["family"], table["question"]], sort=True, observed=True)
        .sum()
        .astype("int64")
    )
    out = grouped.reset_index()
    none = out["family"].str.startswith(f"{_COVARIATES}/")
    out["adjustment"] = np.where(
        none, "none: covariates", "Benjamini-Hochberg over the tested rows"
    )
    return out


def _kind(measure: str) -> str:
    if k.SEP not in measure:
        return measure
    if measure.startswith("z:"):
        return "axes"
    return "sasp_families" if f"{k.SEP}sasp_" in measure else "signatures"


def _adjusted(table: pd.DataFrame) -> pd.Series:
    q = pd.Series(np.nan, index=table.index)
    tested = table[(table["status"] == k.TESTED) & ~table["reason"].str.startswith(COVARIATE)]
    for _, group in tested.groupby("family", observed=True):
        q[group.index] = adjusted(group["p"].to_numpy(dtype=float))
    return q
