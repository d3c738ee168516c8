"""What all questions share: the measures of samples, the columns of an answer, its power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.inference import ask, bh
from senoscore.kernels import t_ppf, t_sf
from senoscore.study import (
    ARM,
    CELLS,
    TRANSFORM,
    prepared,
    unit_of,
    wanted_measures,
    without_controls,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from senoscore.inference import Contrast


__all__ = [
    "COLUMNS",
    "FURTHER_COLUMNS",
    "POWER",
    "SHARE",
    "Values",
    "answered",
    "arm_said",
    "detectable",
    "from_pseudobulk",
    "numbers",
    "refused",
    "tested",
    "tost",
    "welch",
]

COLUMNS: Final = (
    "family", "question", k.COMPARTMENT, "stratum", "measure", "contrast", k.TREATMENT, "against",
    k.DRUG, *ARM[1:], k.DAYS, "n_treated", "n_control", "estimate", "ci_lo", "ci_hi", "unit", "se",
    "df", "statistic", "p", "q", "detectable", "estimate_fraction", "fraction_se", "fraction_df",
    "design",
    "method", "status", "reason", "note",
)  # fmt: skip
"""Columns of a table of answers, as in the trend where the trend has them."""
_TEXT: Final = frozenset(
    {"family", "question", k.COMPARTMENT, "stratum", "measure", "contrast", k.TREATMENT, "against",
     k.DRUG, "modality", "unit", "design", "method", "status", "reason", "note"}
)  # fmt: skip
FURTHER_COLUMNS: Final = (k.SAMPLE, k.COMPARTMENT, "measure", "value")
"""Columns that further values of samples need."""
SHARE: Final = "share"
"""Measure: share of a compartment among the kept cells of a sample (composition)."""
PSEUDOBULK: Final = "pseudobulk_"
"""How measures begin that are scores of pseudobulk profiles."""
_EXPRESSION: Final = "log-normalised expression"
_FURTHER_UNITS: Final = {
    "target": f"mean {_EXPRESSION}",
    "crosstalk": f"geometric mean {_EXPRESSION}",
    "crosstalk_pair": f"geometric mean {_EXPRESSION}",
}
"""Units of measures that begin so; each kind is a family of tests of its own."""
_TINY: Final = 1e-12
POWER: Final = 0.8
"""Power at which the smallest detectable effect is stated."""


@dataclass(frozen=True)
class Values:
    """Samples with one column a measure, and which measures are wanted.

    ``table`` is as :func:`senoscore.study.prepared` gives it; a fraction has its plain value in
    ``raw:<measure>``, and the cells that it is of in ``cells:<measure>``.
    """

    table: pd.DataFrame
    wanted: tuple[str, ...]
    control: str
    transform: str
    bare: frozenset[str]
    """Compartments without controls, whose axes have another unit."""

    @classmethod
    def of(
        cls,
        burden: pd.DataFrame,
        *,
        control: str,
        transform: str = TRANSFORM,
        measures: Sequence[str] | None = None,
        further: pd.DataFrame | None = None,
    ) -> Values:
        """Values of samples from a burden table, and from a table of further ones.

        Parameters
        ----------
        burden
            As :func:`senoscore.burden` gives it.
        measures
            As for :func:`senoscore.trend`, and ``share``; None takes the defaults of the trend
            and ``share``.
        further
            ``sample``, ``compartment``, ``measure``, ``value``: any other values of samples, such
            as scores of pseudobulk profiles; all are wanted. Those of a sample that holds several
            regions are left out: they are of all its regions together.

        Raises
        ------
        InputError
            As for the trend; a column of ``further`` is missing, a measure is there twice.
        """
        table = prepared(burden, transform, control=control)
        counts = table["n_cells" if "n_cells" in table else "n_assessable"]
        whole = counts.groupby(table[k.SAMPLE], observed=True).sum()
        table = table[table[k.COMPARTMENT].astype(str) != k.UNASSIGNED].reset_index(drop=True)
        chosen = None if measures is None else [name for name in measures if name != SHARE]
        wanted = wanted_measures(burden, table, chosen)
        several = len(set(table[k.COMPARTMENT])) > 1
        if (measures is None or SHARE in measures) and SHARE in table and several:
            own = table[SHARE].astype(float).where(table["status"].ne("profile"))
            table[f"raw:{SHARE}"], table[SHARE] = own, np.arcsin(np.sqrt(own))
            table[f"{CELLS}{SHARE}"] = table[k.SAMPLE].map(whole)
            wanted.append(SHARE)
        if further is not None:
            table, names = _joined(table, further)
            wanted += names
        there = [name for name in dict.fromkeys(wanted) if table[name].notna().any()]
        bare = frozenset(without_controls(table, control=control))
        return cls(table, tuple(there), control, transform, bare)

    def unit(self, measure: str, compartment: str) -> str:
        """Unit of the estimates of a measure."""
        if measure == SHARE:
            return "radians (arcsine)"
        begins = measure.partition(k.SEP)[0]
        if begins in _FURTHER_UNITS:
            return _FURTHER_UNITS[begins]
        return unit_of(measure, self.transform, controls=compartment not in self.bare)


def _joined(table: pd.DataFrame, further: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    needed = list(FURTHER_COLUMNS)
    missing = [name for name in needed if name not in further]
    if missing:
        msg = f"the table of further values has no column {missing[0]!r}"
        raise InputError(msg, fix=f"give it the columns {', '.join(needed)}")
    rows = further[needed].dropna(subset=["value"])
    # A value of a sample that holds several regions is of all of them together: it tells none
    # from another, and as a value of each it would count as many times.
    places = table.groupby([k.SAMPLE, k.COMPARTMENT], observed=True)[k.SAMPLE].transform("size")
    mixed = set(table.loc[places > 1, k.SAMPLE])
    rows = rows[~rows[k.SAMPLE].isin(mixed)]
    if rows.empty:
        return table, []
    twice = rows[rows.duplicated(needed[:3])]
    if len(twice):
        one = twice.iloc[0]
        msg = f"sample {one[k.SAMPLE]!r} has {one['measure']!r} twice in {one[k.COMPARTMENT]!r}"
        raise InputError(msg, fix="give each sample one value of a measure in a compartment")
    wide = rows.set_index(needed[:3])["value"].unstack()  # noqa: PD010 - no mean of several
    clash = [name for name in wide if name in table]
    if clash:
        msg = f"{clash[0]!r} is a measure of the burden table already"
        raise InputError(msg, fix="give the further values another name")
    names = list(map(str, wide.columns))
    wide = wide.set_axis(names, axis=1).reset_index()
    return table.merge(wide, on=needed[:2], how="left"), names


def arm_said(row: Mapping[Any, Any], *, word: str = k.TREATMENT, bare: bool = False) -> str:
    """Arm of a sample in words: treatment, dose, fractions and modality.

    Parameters
    ----------
    row
        With :data:`senoscore.study.ARM`; what is missing is left out.
    word
        Column of the treatment.
    bare
        The treatment alone, as of unirradiated samples.
    """
    parts = [str(row[word])]
    if not bare:
        parts.append("" if pd.isna(row[k.DOSE]) else f"{row[k.DOSE]:g} Gy")
        parts.append("" if pd.isna(row["n_fractions"]) else f"in {row['n_fractions']:g}")
        given = "" if pd.isna(row["modality"]) else str(row["modality"])
        parts.append(f"({given})" if given else "")
    return " ".join(part for part in parts if part)


def from_pseudobulk(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores of pseudobulk profiles as further values of samples.

    Parameters
    ----------
    scores
        As :func:`senoscore.pseudobulk_scores` gives it: a row a profile, signature and method.

    Returns
    -------
    ``sample``, ``compartment``, ``measure`` (``pseudobulk_ssgsea:<signature>``), ``value``; what
    was not scored is left out.
    """
    own = scores[scores["score"].notna()]
    names = PSEUDOBULK + own["method"].astype(str) + k.SEP + own[k.SIGNATURE].astype(str)
    out = own[[k.SAMPLE, k.COMPARTMENT]].assign(measure=names, value=own["score"].astype(float))
    return out.reset_index(drop=True)


def refused(reason: str) -> dict[str, Any]:
    """Columns of a question without an answer."""
    return ask.refused(reason)


def detectable(se: float, df: float, alpha: float) -> float:
    r"""Smallest true effect that a two-sided test of this precision would have shown mostly.

    :math:`(t_{1-\alpha/2,\nu} + t_{0.8,\nu})\,\mathrm{SE}` has a power of 80 % (Bloom 1995,
    Evaluation Review 19:547). It is reckoned from the spread of these samples.

    Examples
    --------
    >>> round(detectable(1.0, 1e9, 0.05), 2)
    2.8
    """
    if not np.isfinite(se) or not df >= 1:
        return np.nan
    return float((t_ppf(1 - alpha / 2, df) + t_ppf(POWER, df)) * se)


def tost(estimate: float, se: float, df: float, margin: float | None) -> float:
    r"""P of two one-sided tests that an effect lies within :math:`\pm` a margin.

    Equivalence holds at level alpha where p is at most alpha: the two tests need no adjustment.
    NaN without a margin or a standard error.

    References
    ----------
    Schuirmann 1987, J Pharmacokinet Biopharm 15:657.

    Examples
    --------
    >>> round(tost(0.0, 1.0, 1e9, 1.645), 3)
    0.05
    """
    if margin is None or not np.isfinite(se) or se <= 0 or not df >= 1:
        return np.nan
    low, high = (estimate + margin) / se, (margin - estimate) / se
    return float(max(t_sf(low, df), t_sf(high, df)))


def numbers(
    found: Contrast | None, own: NDArray[np.float64], *, alpha: float, why_not: str,
    no_test: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Columns of a contrast with its standard error and the smallest effect it would have shown.

    Parameters
    ----------
    found
        The contrast; None where the design has none, for the reason ``why_not``.
    own
        Values that it is of.
    no_test
        Why there is an estimate alone.
    """
    row = ask.result(found, pd.DataFrame({"raw": own}), why_not=why_not, no_test=no_test)
    if row["status"] == k.TESTED and found is not None:
        row |= {"se": found.se, "detectable": detectable(found.se, found.df, alpha)}
    return row


def kind(measure: str) -> str:
    """Kind of a measure; the answers of one question to one kind are a family of tests."""
    if k.SEP not in measure:
        return "composition" if measure == SHARE else measure
    begins = measure.partition(k.SEP)[0]
    if begins in _FURTHER_UNITS:
        return f"{begins}s" if begins != "crosstalk" else begins
    if measure.startswith(PSEUDOBULK):
        return "pseudobulk"
    if "sasp" in measure.partition(k.SEP)[2]:
        return "sasp_families"
    return "axes" if measure.startswith("z:") else "signatures"


def welch(
    one: NDArray[np.float64], other: NDArray[np.float64], *, alpha: float,
    least: tuple[float, float] = (0.0, 0.0),
) -> dict[str, Any]:  # fmt: skip
    """Difference of two means of independent subjects, neither variance assumed to be the other.

    Parameters
    ----------
    one, other
        One value a subject, none missing.
    least
        Variances of the two means that cannot be undercut: those of counting cells.

    References
    ----------
    Welch 1947, Biometrika 34:28; Satterthwaite 1946, Biometrics Bull 2:110.
    """
    estimate = float(one.mean() - other.mean())
    if min(len(one), len(other)) < 2:
        return {"estimate": estimate, "status": k.NOT_TESTABLE, "reason": ask.NO_REPLICATION}
    parts = [float(v.var(ddof=1)) / len(v) for v in (one, other)]
    se = float(np.sqrt(sum(parts)))
    scale = max(float(np.abs(v).max()) for v in (one, other))
    if se <= _TINY * scale or se == 0:
        return ask.refused(ask.NO_VARIATION, estimate=estimate)
    parts = [max(part, own) for part, own in zip(parts, least, strict=True)]
    se = float(np.sqrt(sum(parts)))
    df = sum(parts) ** 2 / sum(
        part**2 / (len(v) - 1) for part, v in zip(parts, (one, other), strict=True)
    )
    return tested(estimate, se, df, alpha=alpha)


def tested(estimate: float, se: float, df: float, *, alpha: float) -> dict[str, Any]:
    """Columns of an estimate with a standard error and a t reference."""
    half = float(t_ppf(1 - alpha / 2, df)) * se
    return {
        "estimate": estimate, "ci_lo": estimate - half, "ci_hi": estimate + half, "se": se,
        "df": df, "statistic": estimate / se,
        "p": float(2 * t_sf(abs(estimate / se), df)),
        "detectable": detectable(se, df, alpha), "status": k.TESTED, "reason": "",
    }  # fmt: skip


def answered(
    rows: Sequence[Mapping[str, Any]], values: Values, *, more: Sequence[str] = (),
    primary: Sequence[bool] = (),
) -> pd.DataFrame:  # fmt: skip
    """Table of answers, with the unit of each, its family and its Benjamini-Hochberg q.

    Parameters
    ----------
    more
        Further columns of text, after the contrast.
    primary
        Of each row whether the study was made to answer it: a family of its own.
    """
    at = COLUMNS.index("contrast") + 1
    out = pd.DataFrame(rows, columns=[*COLUMNS[:at], *more, *COLUMNS[at:]])
    out["unit"] = [
        values.unit(measure, str(where))
        for measure, where in zip(out["measure"], out[k.COMPARTMENT], strict=True)
    ]
    pairs = zip(out["question"], out["measure"], strict=True)
    out["family"] = [f"{question}/{kind(measure)}" for question, measure in pairs]
    if any(primary):
        out.loc[np.array(primary), "family"] += "/primary"
    counted = [name for name in COLUMNS if name not in _TEXT]
    out[counted] = out[counted].astype(float)
    texts = [str(name) for name in out if name in _TEXT or name in more]
    out[texts] = out[texts].astype(object).where(out[texts].notna(), "")
    out["q"] = bh(out)
    return out
