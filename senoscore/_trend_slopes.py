"""Lines: over days, over dose, and whether the line over days depends on treatment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._trend_ask import (
    CONFOUNDED,
    CONFOUNDED_DOSE,
    CONFOUNDED_TIME,
    Options,
    ask,
    n_subjects,
    new_row,
    result,
    same_dose,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["interaction", "over_days", "over_dose"]

_MIN_TIMES: Final = 3
_MIN_DOSES: Final = 3


def over_days(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Slope in log1p(days) of irradiated samples: all that one sample a time can test."""
    treated = table[(table[k.TREATMENT] != options.control) & table[k.DAYS].notna()]
    for treatment, of in treated.groupby(k.TREATMENT, sort=True):
        same, dose = same_dose(of)
        if same[k.DAYS].nunique() < _MIN_TIMES:
            continue
        title = f"{treatment}, per log1p(day)" + ("" if np.isnan(dose) else f", {dose:g} Gy")
        row = new_row("trend_log1p_days", title, same, table.iloc[:0]) | {k.DOSE: dose}
        X = _line(np.log1p(same[k.DAYS].to_numpy(dtype=float)))
        yield _slope(row, same, X, options, CONFOUNDED_TIME, "log1p(days)")


def over_dose(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Slope in log1p(Gy) at each time, controls at 0 Gy; EQD2 of the doses in the note."""
    controls = table[table[k.TREATMENT] == options.control].assign(**{k.DOSE: 0.0})
    treated = table[(table[k.TREATMENT] != options.control) & table[k.DOSE].gt(0)]
    for key, of in treated.groupby([k.TREATMENT, k.DAYS], dropna=False, sort=True):
        treatment, days = str(key[0]), float(str(key[1]))
        same_day = controls[controls[k.DAYS] == days]
        matched = n_subjects(same_day) >= 2
        both = pd.concat([same_day if matched else controls, of], ignore_index=True)
        if both[k.DOSE].nunique() < _MIN_DOSES:
            continue
        levels = ", ".join(f"{dose:g}" for dose in sorted(both[k.DOSE].unique()))
        when = f" @ {days:.3g} d" if np.isfinite(days) else ""
        title = f"{treatment}, per log1p(Gy){when} ({levels} Gy)"
        row = new_row("dose_response", title, of, both[both[k.DOSE] == 0]) | {k.DAYS: days}
        row["note"] = _eqd2(both)
        X = _line(np.log1p(both[k.DOSE].to_numpy(dtype=float)))
        which = "controls of the same time" if matched else "all controls"
        yield _slope(row, both, X, options, CONFOUNDED_DOSE, f"log1p(dose), {which} at 0 Gy")


def interaction(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Difference of the slopes in log1p(days) of treated and control samples."""
    timed = table[table[k.DAYS].notna()]
    controls = timed[timed[k.TREATMENT] == options.control]
    if controls[k.DAYS].nunique() < 2:
        return
    for treatment, of in timed[timed[k.TREATMENT] != options.control].groupby(
        k.TREATMENT, sort=True
    ):
        same, dose = same_dose(of)
        if same[k.DAYS].nunique() < 2:
            continue
        both = pd.concat([same, controls], ignore_index=True)
        arm = both[k.TREATMENT].ne(options.control).to_numpy(dtype=float)
        days = np.log1p(both[k.DAYS].to_numpy(dtype=float))
        X = np.column_stack([arm * days, days, arm, np.ones(len(both))])
        title = f"{treatment} x log1p(day)" + ("" if np.isnan(dose) else f", {dose:g} Gy")
        row = new_row("treatment_x_time", title, same, controls) | {k.DOSE: dose}
        yield _slope(row, both, X, options, CONFOUNDED, "treatment x log1p(days)")


def _eqd2(table: pd.DataFrame) -> str:
    """EQD2 beside each dose: the line is over physical dose, which makes no assumption."""
    beside = table[table[k.DOSE] > 0].groupby(k.DOSE)["eqd2_gy"].mean()
    if beside.isna().any():
        return "EQD2 not known: fractions or alpha/beta missing"
    return "EQD2 " + ", ".join(f"{value:.3g} Gy for {dose:g}" for dose, value in beside.items())


def _line(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([x, np.ones(len(x))])


def _slope(
    row: dict[str, Any], table: pd.DataFrame, X: NDArray[np.float64], options: Options,
    confounded: str, on: str,
) -> dict[str, Any]:  # fmt: skip
    """Test the first column of X."""
    first = np.eye(X.shape[1])[0]
    answer = ask(table.reset_index(drop=True), X, first, options=options, confounded=confounded)
    method = "; ".join(filter(None, [f"OLS on samples against {on}, t", answer.method]))
    return row | {"method": method} | result(answer.found, table, why_not=answer.why_not)
