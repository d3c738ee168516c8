"""Irradiated against control for many measures at once, by the model of the trend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.inference.ask import NO_REPLICATION, NO_VARIATION, Options, refused
from senoscore.inference.questions import compared
from senoscore.kernels import adjusted, t_ppf, t_sf
from senoscore.study import ARM, CELLS, placed, units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from senoscore.study import Stratum


__all__ = ["against_control", "alike", "bh", "paired"]

_COLUMNS: Final = (
    "question", "contrast", *ARM, k.DAYS, "bed_gy", "eqd2_gy", "n_control", "n_treated",
    "estimate", "ci_lo", "ci_hi", "estimate_fraction", "df", "statistic", "p", "design", "method",
    "status", "reason", "note",
)  # fmt: skip
_TINY: Final = 1e-12


def against_control(
    part: Stratum, Y: pd.DataFrame, *, control: str, alpha: float = 0.05
) -> pd.DataFrame:
    """Contrast each arm and day with control, for every column of ``Y``.

    The contrasts of :func:`senoscore.trend`; which model a contrast has is settled once for all
    measures that are missing in the same samples.

    Parameters
    ----------
    part
        Samples that may be compared, one row each, as :func:`senoscore.study.compare.strata` gives
        them: never two assays or organisms, and regions as the trend has them.
    Y
        Rows of all samples, by the index of ``part.table``; one column a measure, NaN where it
        is missing. A fraction has its plain value in ``raw:<measure>`` of ``part.table``.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.

    Returns
    -------
    One row a measure and contrast, with the columns of the trend table but family, compartment,
    unit, q and permutation.
    """
    options = Options.of(part, control=control, alpha=alpha)
    Y = Y.loc[part.table.index]
    rows: list[dict[str, Any]] = []
    for comparable, names in alike(part.table, Y):
        table = units(comparable, ["raw", *names])
        table["y"] = table[names[0]]
        for one in compared(table, options):
            row = placed(one.row, part)
            rows += [{"measure": name} | row | one.numbers(options, name) for name in names]
    return pd.DataFrame(rows, columns=["measure", "stratum", *_COLUMNS]).assign(stratum=part.name)


def alike(table: pd.DataFrame, Y: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, list[Any]]]:
    """Gather measures that the same samples have: they share every design.

    Parameters
    ----------
    table
        Samples; a fraction has its plain value in ``raw:<measure>``.
    Y
        Measures, rows as in ``table``.

    Yields
    ------
    The samples that have a value, with a column each, ``raw``, and the ``cells`` that a fraction is
    of; and the names. Each fraction is
    by itself; measures that no sample has are left out.
    """
    finite = np.isfinite(Y.to_numpy(dtype=float))
    patterns: dict[tuple[bytes, str], list[int]] = {}
    for column, name in enumerate(Y.columns):
        raw = f"raw:{name}" if f"raw:{name}" in table else ""
        patterns.setdefault((finite[:, column].tobytes(), raw), []).append(column)
    for (_, raw), columns in patterns.items():
        known = finite[:, columns[0]]
        if not known.any():
            continue
        names = list(Y.columns[columns])
        comparable = table[known]
        plain = comparable[raw] if raw else np.nan
        cells = comparable.get(f"{CELLS}{raw.removeprefix('raw:')}", comparable["n_assessable"])
        comparable = comparable[[name for name in comparable if name not in names]].assign(
            raw=plain, cells=cells
        )
        yield comparable.join(Y.loc[comparable.index, names].astype(float)), names


def paired(differences: NDArray[np.float64], *, alpha: float = 0.05) -> dict[str, Any]:
    """Mean of paired differences, one a subject, with its t interval.

    Parameters
    ----------
    differences
        One number a subject, none missing.
    """
    n = len(differences)
    if n == 0:
        return {"status": k.NOT_ESTIMABLE, "reason": "no sample has enough cells of both kinds"}
    estimate = float(differences.mean())
    if n == 1:
        return {"estimate": estimate, "status": k.NOT_TESTABLE, "reason": NO_REPLICATION}
    se = float(differences.std(ddof=1) / np.sqrt(n))
    if se <= _TINY * float(np.abs(differences).max(initial=0.0)):
        return refused(NO_VARIATION, estimate=estimate)
    half = float(t_ppf(1 - alpha / 2, n - 1)) * se
    return {
        "estimate": estimate, "ci_lo": estimate - half, "ci_hi": estimate + half, "df": n - 1,
        "statistic": estimate / se, "p": float(2 * t_sf(abs(estimate / se), n - 1)),
        "status": k.TESTED, "reason": "",
    }  # fmt: skip


def bh(table: pd.DataFrame) -> pd.Series:
    """Benjamini-Hochberg q over the tested rows of each ``family``."""
    q = pd.Series(np.nan, index=table.index)
    tested = table[table["status"] == k.TESTED]
    for _, group in tested.groupby("family", observed=True):
        q[group.index] = adjusted(group["p"].to_numpy(dtype=float))
    return q
