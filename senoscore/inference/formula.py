"""A model of the user's own: what its text may hold, its coefficients and their contrasts."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import DesignError
from senoscore.inference.ask import Asked, Options, refused, result
from senoscore.inference.models import contrast, counting, estimable, fit
from senoscore.study import ARM, design_extras, unirradiated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from formulaic import ModelMatrix
    from numpy.typing import NDArray


__all__ = ["COVARIATE", "NAMES", "UNKNOWN", "OwnModel", "check_formula", "references"]

NAMES: Final = (
    "log_days", "log_dose", k.SAMPLE, k.SUBJECT, k.TREATMENT, k.DOSE, "n_fractions", "bed_gy",
    "eqd2_gy", "modality", k.DAYS, k.BATCH, "region", k.DATASET, "assay", "organism", "n_cells",
    "median_counts", "median_genes", "median_pct_mt",
)  # fmt: skip
"""What a formula can speak of in every run: facts of samples, and what is made of them."""

_CATEGORICAL: Final = re.compile(
    r"\bC\(\s*([A-Za-z]\w*)\s*"
    r"(?:,\s*Treatment\(\s*(?:\"([^\"\\]{1,100})\"|'([^'\\]{1,100})')\s*\)\s*)?\)"
)
"""C(name), C(name, Treatment("reference")): the reference is looked up, never run."""
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

    ``C(name, Treatment("reference"))`` sets the level that the others are compared with.

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
        fix = (
            'functions other than C(name) and C(name, Treatment("reference")) are not run, powers '
            "are not written out; use log_days"
        )
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
    references(formula)
    _check_terms(_CATEGORICAL.sub(r"C(\1)", formula))
    for name in names if known is not None else ():
        if name not in (known or ()):
            near = difflib.get_close_matches(name, list(known or ()), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known or ())}"
            if f"cov_{name}" in (known or ()):
                hint = f"did you mean 'cov_{name}'?"
            msg = f"formula {formula!r} speaks of {name!r}, which samples do not have"
            raise DesignError(msg, fix=hint)


def references(formula: str) -> dict[str, str]:
    """Reference level of each column of a formula that names one.

    Raises
    ------
    DesignError
        A column has two.
    """
    found: dict[str, str] = {}
    for name, double, single in _CATEGORICAL.findall(formula):
        level = double or single
        if level and found.setdefault(name, level) != level:
            msg = f"formula {formula!r} gives {name} two references, {found[name]!r} and {level!r}"
            raise DesignError(msg, fix="use one of them throughout")
    return found


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


_OF_INTEREST: Final = frozenset(
    {k.TREATMENT, k.DAYS, "log_days", k.DOSE, "log_dose", "n_fractions", "bed_gy", "eqd2_gy",
     "modality", k.DRUG, "drug_dose", "drug_unit", "drug_start_days", "drug_stop_days",
     "dose_rate_gy_s", "let_kev_um"}
)  # fmt: skip
COVARIATE: Final = "no term of treatment, time or dose: not adjusted"
UNKNOWN: Final = "no coefficient"

_NO_DRUG: Final = "none"
_OWN: Final = ("cov_", "ext_")


@dataclass(frozen=True)
class OwnModel:
    """A formula, references of its columns, and contrasts of its coefficients."""

    formula: str
    references: Mapping[str, str]
    contrasts: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(
        cls, formula: str, contrasts: Mapping[str, Mapping[str, float]], table: pd.DataFrame
    ) -> OwnModel:
        """Check a formula against the samples of a study.

        Raises
        ------
        DesignError
            The formula cannot be used, or a reference is no value of its column.
        """
        check_formula(formula, [*NAMES, *design_extras(table)])
        named, data = references(formula), _data(table, k.CONTROL)
        for name, level in named.items():
            levels = _levels(data[name]) if name in data else []
            if level not in levels:
                near = difflib.get_close_matches(level, levels, n=1)
                msg = f"formula {formula!r}: no sample has {name} {level!r}"
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(levels)}"
                raise DesignError(msg, fix=hint)
        return cls(formula, named, contrasts)

    def rows(self, own: pd.DataFrame, options: Options) -> Iterator[Asked]:
        """Every coefficient, and every contrast of them; blocks are as the formula says.

        Parameters
        ----------
        own
            Samples of a compartment that may be compared, as the trend has them.
        """
        head: dict[str, Any] = {"question": "formula", "method": f"OLS on samples, {self.formula}"}
        names = set(_NAME.findall(_CATEGORICAL.sub(r" \1 ", self.formula)))
        data = _data(own, options.control)
        lacking = data[[n for n in sorted(names) if n.startswith(_OWN) and n in data]].isna()
        if lacking.any(axis=None):
            gone = ", ".join(map(str, own.loc[lacking.any(axis=1), k.SAMPLE]))
            what = ", ".join(lacking.columns[lacking.any()])
            head["note"] = f"without {what} and left out: {gone}"
            own, data = own[~lacking.any(axis=1)], data[~lacking.any(axis=1)]
        absent = [
            f"{name} {level}" for name, level in self.references.items()
            if level not in _levels(data[name])
        ]  # fmt: skip
        if absent or own.empty:
            why = f"no sample has the reference {absent[0]}" if absent else "no sample is left"
            yield Asked(head | {"contrast": self.formula}, lambda _: refused(why))
            return
        self._check_subjects(own, names)
        design = self._design(data)
        X = np.asarray(design, dtype=float)
        is_control = own[k.TREATMENT] == options.control
        head |= {
            "n_control": own.loc[is_control, k.SUBJECT].nunique(),
            "n_treated": own.loc[~is_control, k.SUBJECT].nunique(),
        }
        note = "; ".join(filter(None, [head.get("note", ""), *_constant(own, data, names)]))
        head |= {"note": note} if note else {}
        spec = design.model_spec
        wanted = {
            i
            for term, columns in spec.term_indices.items()
            for i in columns
            if _OF_INTEREST & {str(variable) for variable in spec.term_variables[term]}
        }
        columns = list(map(str, design.columns))
        for i, name in enumerate(columns):
            if name == "Intercept":
                continue
            weights = np.eye(len(columns))[i]
            said = "" if i in wanted else COVARIATE
            numbers = partial(_combined, own, X, weights, options, (said, columns))
            yield Asked(head | {"contrast": name}, numbers)
        for title, parts in self.contrasts.items():
            unknown = [name for name in parts if name not in columns]
            row = head | {"contrast": title, "method": f"{head['method']}; {_sum(parts)}"}
            if unknown:
                near = difflib.get_close_matches(unknown[0], columns, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(columns)}"
                yield Asked(row, partial(_refused, f"{UNKNOWN} {unknown[0]!r}; {hint}"))
                continue
            weights = np.array([float(parts.get(name, 0.0)) for name in columns])
            yield Asked(row, partial(_combined, own, X, weights, options, ("", columns)))

    def _check_subjects(self, own: pd.DataFrame, names: set[str]) -> None:
        returns = own[k.SUBJECT].duplicated().any()
        if returns and k.SUBJECT not in names:
            msg = f"formula {self.formula!r} has no subject, but subjects have several samples"
            raise DesignError(msg, fix="add subject to the formula, or average the samples first")
        if not returns and k.SUBJECT in names:
            msg = f"formula {self.formula!r} has a subject effect, but every subject appears once"
            raise DesignError(msg, fix="leave subject out: with one sample each it is the residual")

    def _design(self, data: pd.DataFrame) -> ModelMatrix:
        from formulaic import model_matrix
        from formulaic.errors import FormulaicError

        known = [name for name in (*NAMES, *design_extras(data)) if name in data]
        table = data[known].assign(
            **{name: _ordered(data[name], level) for name, level in self.references.items()}
        )
        if k.DRUG in table and k.DRUG not in self.references:
            table[k.DRUG] = _ordered(table[k.DRUG], _NO_DRUG)
        try:
            return model_matrix(
                _CATEGORICAL.sub(r"C(\1)", self.formula.split("~")[-1]),
                table,
                na_action="raise",
                context={},  # no name of this module or of Python means anything in a formula
            )
        except (
            FormulaicError, ValueError, KeyError, NameError, SyntaxError, TypeError
        ) as error:  # fmt: skip
            why = " ".join(str(error).split())[:200]
            msg = f"formula {self.formula!r} cannot be used: {why}"
            fix = f"columns: {', '.join(map(str, table.columns[:30]))}"
            raise DesignError(msg, fix=fix) from error


def _data(own: pd.DataFrame, control: str) -> pd.DataFrame:
    """What a formula speaks of: samples with the words of the sheet, and logarithms."""
    bare = unirradiated(own, control)
    days = own[k.DAYS].clip(lower=0).to_numpy(dtype=float)
    data = own.assign(
        log_days=np.where(bare, 0.0, np.log1p(days)),
        log_dose=np.log1p(own[k.DOSE].fillna(0).to_numpy(dtype=float)),
    )
    if k.GIVEN in data:
        data[k.TREATMENT] = data[k.GIVEN]
    for name in design_extras(data):
        if data[name].dtype != object:
            continue
        blank = data[name].eq("") | data[name].isna()
        data[name] = data[name].where(~blank, np.nan if name.startswith(_OWN) else _NO_DRUG)
    return data


def _levels(values: pd.Series) -> list[str]:
    return sorted({_word(value) for value in values.dropna().unique()})


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ordered(values: pd.Series, first: str) -> pd.Categorical:
    """Levels with the reference in front: every other one is compared with it."""
    levels = sorted(values.dropna().unique(), key=lambda value: (_word(value) != first, value))
    return pd.Categorical(values, categories=levels)


def _sum(parts: Mapping[str, float]) -> str:
    return " ".join(f"{weight:+g} {name}" for name, weight in parts.items())


def _constant(own: pd.DataFrame, data: pd.DataFrame, names: set[str]) -> list[str]:
    """Covariates that do not vary within arms, in words."""
    out = []
    arm = own.groupby(list(ARM), dropna=False, sort=False, observed=True).ngroup()
    for name in sorted(n for n in names if n.startswith(_OWN)):
        within = data[name].groupby(arm, observed=True).nunique()
        if within.max() == 1 and len(_levels(data[name])) > 1:
            out.append(f"{name} is constant within arms: it can pass for what was done to them")
    return out


def _refused(reason: str, _: str) -> dict[str, Any]:
    return refused(reason)


def _combined(
    own: pd.DataFrame, X: NDArray[np.float64], weights: NDArray[np.float64], options: Options,
    said: tuple[str, list[str]], measure: str,
) -> dict[str, Any]:  # fmt: skip
    """Numbers of a sum of coefficients; ``said``: why it has no q, and the names of all."""
    why_not = "" if estimable(X, weights) else _mixed(X, weights, said[1])
    model = fit(own[measure].to_numpy(dtype=float), X)
    least = 0.0
    if measure in options.counted:
        least = counting(X, weights, own["cells"].to_numpy(dtype=float))
    found = contrast(model, weights, alpha=options.alpha, least=least)
    numbers = result(found, own, why_not=why_not)
    numbers["reason"] = "; ".join(filter(None, [said[0], numbers["reason"]]))
    return numbers


def _mixed(X: NDArray[np.float64], weights: NDArray[np.float64], columns: list[str]) -> str:
    """What a sum of coefficients cannot be told from: columns of the directions that X leaves open.

    ``I - X^+ X`` projects on combinations of coefficients that change no fitted value.
    """
    free = weights @ (np.eye(X.shape[1]) - np.linalg.pinv(X) @ X)
    open_ended = np.abs(free) > 1e-8 * np.abs(free).max()
    weighted = weights != 0
    others = [name for i, name in enumerate(columns) if open_ended[i] and not weighted[i]]
    blamed = ", ".join(name for i, name in enumerate(columns) if weighted[i] and open_ended[i])
    if others == ["Intercept"]:
        return f"{blamed} is the same in all of these samples"
    if not others:
        return f"{blamed}: no sample has it"
    return (
        f"confounded or nested: in these samples {blamed} cannot be told from {', '.join(others)}"
    )
