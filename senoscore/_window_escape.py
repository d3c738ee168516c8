"""Does senescence fall while division and stemness rise? Suspicion of escape, never proof."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._trend_data import ARM, TRANSFORM, prepared, strata, values
from senoscore._window_contrasts import column_of
from senoscore._window_course import step
from senoscore._window_rules import load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from senoscore._trend_models import Contrast

__all__ = ["COLUMNS", "LIMIT", "escape"]

LIMIT: Final = (
    "Snapshots of other cells at each time cannot show that the same cells escaped: that takes "
    "lineage tracing."
)
_MEASURES: Final = ("burden", "cycling", "stemness")
COLUMNS: Final = (
    k.COMPARTMENT, "stratum", *ARM, "from_days", "to_days", "escaped_from", "escaped_to",
    *(f"{m}_{part}" for m in _MEASURES for part in ("change", "ci_lo", "ci_hi", "p")),
    "n_from", "n_to", "status", "reason", "verdict", "note",
)  # fmt: skip
_HALF: Final = 0.5


def escape(
    burden: pd.DataFrame,
    *,
    compartments: Sequence[str] = ("tumour",),
    control: str = k.CONTROL,
    alpha: float = 0.05,
    transform: str = TRANSFORM,
) -> pd.DataFrame:
    """Compare every two neighbouring times of a course.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    compartments
        Where escape is asked for.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    transform
        Scale of the senescent fraction.

    Returns
    -------
    One row a compartment, stratum, arm and two neighbouring times: change of the
    senescent fraction (scale of the trend), of the share of dividing cells (log odds) and of the
    stemness axis, each with a t interval of the pooled variance; mean share of cells with senescent
    features that divide. ``verdict`` is ``escape_suspected`` only where the first falls and both
    others rise with intervals that leave 0 out, from two subjects a time; ``note`` prints what no
    snapshot can show.
    """
    rows: list[dict[str, Any]] = []
    table = prepared(burden, transform, control=control)
    total = table["n_assessable"].to_numpy(dtype=float)
    dividing = (table["n_cycling"] + table["n_escaped"]).to_numpy(dtype=float)
    usable = table["status"].isin(["ok", "acute"])
    logit = np.log((dividing + _HALF) / (total - dividing + _HALF))
    table["cycling"] = np.where(usable, logit, np.nan)
    with np.errstate(invalid="ignore"):
        table["escaped"] = np.where(usable, table["n_escaped"] / total, np.nan)
    stem = column_of(load_rules().measures["stemness"], burden.columns)
    names = {"burden": "fraction_senescent", "cycling": "cycling"}
    names |= {"stemness": stem[0]} if stem else {}
    for compartment in compartments:
        for part in strata(table[table[k.COMPARTMENT] == compartment], control=control):
            of = part.table[part.table[k.DAYS].notna()]
            treated = of[of[k.TREATMENT] != control]
            for key, mine in treated.groupby(list(ARM), dropna=False, sort=True):
                head: dict[str, Any] = {k.COMPARTMENT: compartment, "stratum": part.name}
                head |= dict(zip(ARM, key, strict=True))
                rows += [head | row for row in _steps(mine, names, alpha)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _steps(of: pd.DataFrame, names: dict[str, str], alpha: float) -> Iterator[dict[str, Any]]:
    courses = {measure: values(of, column) for measure, column in names.items()}
    days = sorted(courses["burden"][k.DAYS].unique())
    for start, end in pairwise(days):
        found: dict[str, Contrast | None] = {
            m: step(t, start, end, alpha=alpha) if {start, end} <= set(t[k.DAYS]) else None
            for m, t in courses.items()
        }
        tested = {m: c for m, c in found.items() if c is not None and np.isfinite(c.p)}
        row: dict[str, Any] = {"from_days": start, "to_days": end, "note": LIMIT}
        for m, c in tested.items():
            row |= {
                f"{m}_change": c.estimate,
                f"{m}_ci_lo": c.lo,
                f"{m}_ci_hi": c.hi,
                f"{m}_p": c.p,
            }
        for part, day in (("from", start), ("to", end)):
            at = of[of[k.DAYS] == day]
            row[f"escaped_{part}"] = at["escaped"].mean()
            row[f"n_{part}"] = at.loc[at["escaped"].notna(), k.SUBJECT].nunique()
        lacking = [m for m in _MEASURES if m not in tested]
        if lacking:
            row |= {"status": "not_testable", "verdict": "not_assessed"}
            row["reason"] = (
                f"no test of {', '.join(lacking)}: fewer than 2 subjects a time, or absent"
            )
        else:
            up = tested["cycling"].lo > 0 and tested["stemness"].lo > 0
            suspected = tested["burden"].hi < 0 and up
            row |= {"status": "tested", "reason": ""}
            row["verdict"] = "escape_suspected" if suspected else "not_seen"
        yield row
