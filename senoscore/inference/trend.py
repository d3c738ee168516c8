"""What changed after irradiation, with the sample as the unit: contrasts, trends, dose."""

from __future__ import annotations

import difflib
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from senoscore import names as k
from senoscore.errors import DesignError
from senoscore.inference.adjust import alike
from senoscore.inference.ask import Asked, Options, result
from senoscore.inference.models import contrast, fit
from senoscore.inference.questions import questions, without_time
from senoscore.inference.readouts import readouts
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
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from senoscore.study import Stratum


__all__ = ["NAMES", "TREND_COLUMNS", "check_formula", "families", "readouts", "trend"]

NAMES: Final = (
    "log_days", "log_dose", k.SAMPLE, k.SUBJECT, k.TREATMENT, k.DOSE, "n_fractions", "bed_gy",
    "eqd2_gy", "modality", k.DAYS, k.BATCH, "region", k.DATASET, "assay", "organism", "n_cells",
    "median_counts", "median_genes", "median_pct_mt",
)  # fmt: skip
"""What a formula can speak of in every run: facts of samples, and what is made of them."""

_CATEGORICAL: Final = re.compile(r"\bC\(\s*([A-Za-z]\w*)\s*\)")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_\s~+\-*:()]*")
_CALL: Final = re.compile(r"[\w)]\s*\(|__")
_NO_INTERCEPT: Final = re.compile(r"(?:^|\+)\s*-?\s*0\b|-\s*1\b")
_NAME: Final = re.compile(r"[A-Za-z]\w*")
_LONGEST: Final = 200
_MOST_NAMES: Final = 10
_MOST_PRODUCTS: Final = 6
_MOST_TERMS: Final = 64


def check_formula(formula: str, known: Collection[str] | None = None) -> None:
    """Let only names, numbers and ``~ + - * : ( )`` through, and C(name), and not too many.

    formulaic evaluates what is in a formula as Python, and a config may come from anyone. It also
    writes products out: ten names in two powers take it longer than anyone waits.

    Parameters
    ----------
    formula
        Wilkinson notation.
    known
        Names there are; None leaves that for later.

    Raises
    ------
    DesignError
        The formula has something else in it, is too large, no formula, or speaks of what is
        not there.
    """
    left, _, right = formula.rpartition("~")
    if left.strip():
        msg = f"formula {formula[:200]!r} has something to the left of the last ~"
        raise DesignError(msg, fix="write only the right side: every measure is explained in turn")
    if _NO_INTERCEPT.search(right):
        msg = f"formula {formula[:200]!r} leaves the intercept out: means would pass for changes"
        raise DesignError(msg, fix="leave out 0 and -1")
    rest = _CATEGORICAL.sub(r" \1 ", formula)
    if not _PLAIN.fullmatch(rest) or _CALL.search(rest) or "**" in rest:
        msg = f"formula {formula[:200]!r} has more than names, numbers and ~ + - * : ( )"
        fix = "functions other than C(name) are not run, powers are not written out; use log_days"
        raise DesignError(msg, fix=fix)
    if not formula.split("~")[-1].strip():
        msg = f"formula {formula[:200]!r} is empty"
        raise DesignError(msg, fix="leave it out, or write it like ~ treatment * log_days + batch")
    names = list(dict.fromkeys(_NAME.findall(rest)))
    if not names:
        msg = f"formula {formula[:200]!r} names no column"
        raise DesignError(msg, fix="write it like ~ treatment * log_days + batch")
    products = rest.count("*") + rest.count(":")
    if len(formula) > _LONGEST or len(names) > _MOST_NAMES or products > _MOST_PRODUCTS:
        msg = f"formula {formula[:200]!r} is too large"
        fix = (
            f"at most {_LONGEST} characters, {_MOST_NAMES} names and {_MOST_PRODUCTS} products: "
            "samples are few"
        )
        raise DesignError(msg, fix=fix)
    _check_terms(formula)
    for name in names if known is not None else ():
        if name not in (known or ()):
            near = difflib.get_close_matches(name, list(known or ()), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known or ())}"
            msg = f"formula {formula!r} speaks of {name!r}, which samples do not have"
            raise DesignError(msg, fix=hint)


def _check_terms(formula: str) -> None:
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        n = len(list(Formula(formula.split("~")[-1])))
    except (FormulaicError, ValueError, KeyError, TypeError, SyntaxError, RecursionError) as error:
        why = re.sub(r"\[[0-9;]+m", "", re.sub(r"[^\x20-\x7e]+", "", str(error)))  # coloured
        msg = f"formula {formula!r} is none: {' '.join(why.split())[:200]}"
        raise DesignError(msg, fix="write it like ~ treatment * log_days + batch") from error
    if n > _MOST_TERMS:
        msg = f"formula {formula!r} has {n} terms"
        raise DesignError(msg, fix=f"at most {_MOST_TERMS}: samples are few")


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


_OF_INTEREST: Final = frozenset(
    {k.TREATMENT, k.DAYS, "log_days", k.DOSE, "log_dose", "n_fractions", "bed_gy", "eqd2_gy",
     "modality"}
)  # fmt: skip
_COVARIATES: Final = "formula_covariates"
_COVARIATE: Final = "no term of treatment, time or dose: not adjusted"


@takes(burden="sen.burden(adata)")
def trend(
    burden: pd.DataFrame,
    formula: str | None = None,
    *,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    transform: str = TRANSFORM,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    r"""Compare irradiated with control samples, and follow them over time and dose.

    One value a subject and compartment, ordinary linear model, variance pooled over all groups
    of the compartment, t reference. Fractions are compared as :math:`\arcsin\sqrt f`, whose
    variance does not depend on f, or as logits with an offset of half a cell,
    :math:`\ln\frac{f + c}{1 - f + c}`, :math:`c = 1/(2\tilde n)` with the median number of
    cells :math:`\tilde n` (the empirical logit where all samples have as many). Cells never enter
    as replicates.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    formula
        A model of your own in place of the questions below, in Wilkinson notation over the
        burden table's columns, ``log_days`` (log1p of days; 0 for controls) and ``log_dose``;
        every coefficient but the intercept is a row. Those of terms without treatment, time or
        dose (subject, batch) have no q: they are no question.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    transform
        ``arcsine`` or ``logit``, for fractions. The variance of a logit is far larger at small
        fractions; pooled over times, a quiet time among raised ones then passes for an effect in
        10 to 13 % (docs/statistics.md).
    measures
        ``fraction_senescent`` and ``fraction_acute`` (cells that fulfil the panel's rule, at days
        at which that can be senescence and before), ``index_mean``, ``z:<axis>``,
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
    """
    table = prepared(burden, transform, control=control)
    wanted = wanted_measures(burden, table, measures)
    rows: list[dict[str, Any]] = []
    for compartment, whole in table.groupby(k.COMPARTMENT, sort=True, observed=True):
        for part in strata(whole, control=control):
            head = {k.COMPARTMENT: compartment, "stratum": part.name}
            options = Options.of(part, control=control, alpha=alpha)
            found = _answers(part, wanted, formula, options)
            for measure in wanted:
                rows += [head | {"measure": measure} | row for row in found[measure]]
    out = pd.DataFrame(rows, columns=list(TREND_COLUMNS))
    bare = without_controls(table, control=control)
    out["unit"] = [
        unit_of(name, transform, controls=compartment not in bare)
        for name, compartment in zip(out["measure"], out[k.COMPARTMENT], strict=True)
    ]
    covariate = out["reason"].str.startswith(_COVARIATE)
    asked_of = out["question"].where(~covariate, _COVARIATES)
    out["family"] = [f"{q}/{_kind(m)}" for q, m in zip(asked_of, out["measure"], strict=True)]
    numbers = [name for name in TREND_COLUMNS if name not in _TEXT]
    out[numbers] = out[numbers].astype(float)
    out["q"] = _adjusted(out)
    return out


def _answers(
    part: Stratum, wanted: Sequence[str], formula: str | None, options: Options
) -> dict[str, list[dict[str, Any]]]:
    """Rows of every measure; what depends on the design alone is done once for those alike."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    measures = part.table[list(dict.fromkeys(wanted))].astype(float)
    for own, names in alike(part.table, measures):
        if formula:
            asked = _formula_rows(own, formula, options)
        else:
            table = units(own, ["raw", *names])
            asked = questions(table.assign(y=table[names[0]]), options)
        for one in asked:
            row = placed(one.row, part)
            for name in names:
                rows[name].append(row | one.numbers(name))
    if not formula and "fraction_senescent" in rows:
        timeless = without_time(part.table, options)
        rows["fraction_senescent"] += [placed(row, part) for row in timeless]
    return rows


@takes(table="sen.trend(sen.burden(adata))")
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
    tested = table[(table["status"] == "tested") & ~table["reason"].str.startswith(_COVARIATE)]
    for _, of in tested.groupby("family", observed=True):
        q[of.index] = stats.false_discovery_control(of["p"].to_numpy(dtype=float))
    return q


def _formula_rows(own: pd.DataFrame, formula: str, options: Options) -> Iterator[Asked]:
    """Every coefficient of a model of the user's own; blocks are as the formula says."""
    from formulaic import model_matrix
    from formulaic.errors import FormulaicError

    check_formula(formula, NAMES)
    is_control = own[k.TREATMENT] == options.control
    days = own[k.DAYS].clip(lower=0).to_numpy(dtype=float)
    data = own.assign(
        log_days=np.where(is_control, 0.0, np.log1p(days)),
        log_dose=np.log1p(own[k.DOSE].fillna(0).to_numpy(dtype=float)),
    )
    try:
        design = model_matrix(
            formula.split("~")[-1],
            data[[name for name in NAMES if name in data]],
            na_action="raise",
            context={},  # no name of this module or of Python means anything in a formula
        )
    except (FormulaicError, ValueError, KeyError, NameError, SyntaxError, TypeError) as error:
        msg = f"formula {formula!r} cannot be used: {' '.join(str(error).split())[:200]}"
        raise DesignError(msg, fix=f"columns: {', '.join(map(str, data.columns[:30]))}") from error
    X = np.asarray(design, dtype=float)
    cause = "other terms of the formula say the same"
    if own[k.SUBJECT].duplicated().any() and k.SUBJECT not in formula:
        msg = f"formula {formula!r} has no subject, but subjects have several samples"
        raise DesignError(msg, fix="add subject to the formula, or average the samples first")
    if not own[k.SUBJECT].duplicated().any() and re.search(rf"\b{k.SUBJECT}\b", formula):
        msg = f"formula {formula!r} has a subject effect, but every subject appears once"
        raise DesignError(msg, fix="leave subject out: with one sample each it is the residual")
    spec = design.model_spec
    wanted = {
        i
        for term, columns in spec.term_indices.items()
        for i in columns
        if _OF_INTEREST & {str(variable) for variable in spec.term_variables[term]}
    }
    for i, name in enumerate(design.columns):
        if name == "Intercept":
            continue
        row = {
            "question": "formula", "contrast": str(name), "method": f"OLS on samples, {formula}",
            "n_control": own.loc[is_control, k.SUBJECT].nunique(),
            "n_treated": own.loc[~is_control, k.SUBJECT].nunique(),
        }  # fmt: skip
        said = "" if i in wanted else _COVARIATE
        yield Asked(row, partial(_coefficient, own, X, i, options.alpha, (said, cause)))


def _coefficient(
    own: pd.DataFrame, X: NDArray[np.float64], i: int, alpha: float, said: tuple[str, str],
    measure: str,
) -> dict[str, Any]:  # fmt: skip
    """Numbers of one coefficient of a measure; ``said``: what it is, and why it may be missing."""
    model = fit(own[measure].to_numpy(dtype=float), X)
    found = contrast(model, np.eye(X.shape[1])[i], alpha=alpha)
    numbers = result(found, own, why_not=said[1])
    numbers["reason"] = "; ".join(filter(None, [said[0], numbers["reason"]]))
    return numbers
