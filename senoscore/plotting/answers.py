"""Forest of answers: arm against arm, region against region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.plotting.forest import draw_forest, forest_table
from senoscore.study import takes

if TYPE_CHECKING:
    import altair as alt

    from senoscore.plotting import theme


__all__ = ["answers", "answers_table"]

_WITHIN: Final = {
    "region_pair": "subjects with both regions",
    "dose_within_subject": "subjects with two doses or more",
}
"""Questions within subjects, and whom they count."""
_PER: Final = {"dose_within_subject": " per log(1 + Gy)"}
_MADE = "sen.arms(burden) or sen.regions(burden)"


@takes(check_control=False, table=_MADE)
def answers(
    table: pd.DataFrame,
    *,
    question: str = "drug_in_irradiated",
    measure: str = "fraction_senescent",
    alpha: float = 0.05,
    layout: theme.Layout = "wide",
) -> alt.Chart:
    """Answers to one question with their intervals; filled where q is at most ``alpha``.

    Beside each stand the numbers of subjects of both sides, and q.

    Parameters
    ----------
    table
        As :func:`senoscore.arms` or :func:`senoscore.regions` gives it.

    Raises
    ------
    InputError
        No answer to this question has an estimate of this measure.

    Examples
    --------
    >>> chart = sen.pl.answers(sen.arms(burden), question="drug_in_irradiated")
    """
    drawn = answers_table(table, question=question, measure=measure, alpha=alpha)
    within = question in _WITHIN
    return draw_forest(
        drawn, alpha=alpha, layout=layout, both=not within, per=_PER.get(question, ""),
        sides=_WITHIN.get(question, "subjects of the sides compared"),
    )  # fmt: skip


@takes(check_control=False, table=_MADE)
def answers_table(
    table: pd.DataFrame,
    *,
    question: str = "drug_in_irradiated",
    measure: str = "fraction_senescent",
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Return the answers that :func:`answers` draws.

    Raises
    ------
    InputError
        As there.
    """
    kept = table[table["question"].eq(question) & table["measure"].eq(measure)]
    drawn = forest_table(table, measure=measure, question=question, alpha=alpha)
    asked = kept[kept["estimate"].notna() & kept[k.COMPARTMENT].ne(k.UNASSIGNED)]
    drawn["label"] = _labels(asked.reset_index(drop=True), question)
    return drawn


def _labels(rows: pd.DataFrame, question: str) -> pd.Series:
    """Short names; where two would be the same in a compartment, the whole contrast."""
    days = rows[k.DAYS].map(lambda day: f" @ {day:.3g} d" if np.isfinite(day) else "")
    when = days if len(set(days)) > 1 else ""
    if question.startswith("drug_") or question == "radiation_x_drug":
        doses = rows[k.DOSE].map(lambda dose: f", {dose:g} Gy" if np.isfinite(dose) else "")
        short = rows[k.DRUG].astype(str) + (doses if len(set(doses)) > 1 else "") + when
    elif question == "named":
        short = rows["contrast"].astype(str).str.partition(":")[0] + when
    elif question == "region_pair":
        arm = rows[k.TREATMENT].astype(str)
        pair = rows["region"].astype(str) + " - " + rows["against_region"].astype(str)
        short = pair + (", " + arm if len(set(arm)) > 1 else "") + when
    elif question == "region_x_treatment":
        pair = rows["region"].astype(str) + " - " + rows["against_region"].astype(str)
        short = pair + ": " + rows[k.TREATMENT].astype(str) + " vs " + rows["against"].astype(str)
        short += when
    elif question == "dose_within_subject":
        short = rows[k.TREATMENT].astype(str) + when
    else:
        short = rows["contrast"].astype(str).str.replace(r" @.*$", "", regex=True) + when
    short = short.str.slice(0, 80)
    both = pd.DataFrame({"c": rows[k.COMPARTMENT], "s": rows["stratum"], "l": short})
    return short.where(~both.duplicated(keep=False), rows["contrast"].astype(str))
