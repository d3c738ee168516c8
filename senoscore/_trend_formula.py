"""A model that a user writes: what it may hold, said before any work."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from senoscore import _keys as k
from senoscore.errors import DesignError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["NAMES", "check_formula"]

NAMES: Final = (
    "log_days", "log_dose", k.SAMPLE, k.SUBJECT, k.TREATMENT, k.DOSE, "n_fractions", "bed_gy",
    "eqd2_gy", "modality", k.DAYS, k.BATCH, "region", k.DATASET, "assay", "organism", "n_cells",
    "median_counts", "median_genes", "median_pct_mt",
)  # fmt: skip
"""What a formula can speak of in every run: facts of samples, and what is made of them."""

_CATEGORICAL: Final = re.compile(r"\bC\(\s*([A-Za-z]\w*)\s*\)")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_\s~+\-*:()]*")
_CALL: Final = re.compile(r"[\w)]\s*\(|__")
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
    rest = _CATEGORICAL.sub(r" \1 ", formula)
    if not _PLAIN.fullmatch(rest) or _CALL.search(rest) or "**" in rest:
        msg = f"formula {formula[:200]!r} has more than names, numbers and ~ + - * : ( )"
        fix = "functions other than C(name) are not run, powers are not written out; use log_days"
        raise DesignError(msg, fix=fix)
    if not formula.split("~")[-1].strip():
        msg = f"formula {formula[:200]!r} is empty"
        raise DesignError(msg, fix="leave it out, or write it like ~ treatment * log_days + batch")
    names = list(dict.fromkeys(_NAME.findall(rest)))
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
