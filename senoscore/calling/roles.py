"""Who takes part in the learnt call: controls, irradiated cells, and those that are scored only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.calling.evidence import (
    compartments_of,
    control_mask,
    days_of,
    is_profile,
    kept,
    without_counts,
)
from senoscore.calling.sums import PARTS
from senoscore.study import unirradiated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["PART", "Roles", "parts_of", "roles"]


PART: Final = "part"
"""Column of :func:`parts_of` in a table of cells."""


@dataclass(frozen=True)
class Roles:
    """What each cell is in the learnt call, each of shape (n_cells,).

    Attributes
    ----------
    treated
        Of irradiated samples.
    aside
        Of unirradiated samples with a drug: no control, and not irradiated. They are scored by
        what the others teach, and pass by the same cuts as control cells.
    judged
        Kept, with a compartment, and of a control, of a sample aside, or late enough for stable
        senescence.
    group
        Treatment, dose and day; ``control`` for controls.
    subject
        Animal or patient; the sample where none is stated.
    """

    treated: NDArray[np.bool_]
    aside: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    group: NDArray[np.object_]
    subject: NDArray[np.object_]


def parts_of(names: Sequence[str] | pd.Index) -> NDArray[np.uint8]:
    """Part of each cell, were its subject the only one of an arm: by its name alone.

    Parameters
    ----------
    names
        Names of the cells, length n_cells.

    Returns
    -------
    0 to ``PARTS`` - 1, shape (n_cells,): the same in any order and beside any other cells.
    """
    words = np.asarray(names, dtype=object)
    return (pd.util.hash_array(words, categorize=False) % PARTS).astype(np.uint8)


def roles(table: pd.DataFrame, control: Mapping[str, str], min_days: float) -> Roles:
    """Find the controls, the cells late enough for stable senescence, and those aside.

    Parameters
    ----------
    table
        Cells with sample, compartment, the columns of ``control``, and day, dose, subject, ``keep``
        and ``treatment_given`` (the treatment without its drug) where they are known.
    control
        Column and value that name the control samples.
    min_days
        Day after irradiation from which senescence can be claimed.
    """
    is_control = control_mask(table, control)
    aside = np.zeros(len(table), dtype=bool)
    if k.GIVEN in table and k.TREATMENT in control:
        aside = unirradiated(table, control[k.TREATMENT]).to_numpy(dtype=bool) & ~is_control
    day = days_of(table, is_control)
    late = is_control | aside | (day >= min_days) | np.isnan(day)
    judged = kept(table) & late & (compartments_of(table) != k.UNASSIGNED)
    judged &= ~is_profile(table) & ~without_counts(table)

    parts = [_words(table, name) for name in (k.TREATMENT, k.DOSE)]
    codes, days = pd.factorize(day, use_na_sentinel=False)
    parts.append((codes, np.array([f"{value:g}" for value in days], dtype=object)))
    group = _joined(parts)
    group[is_control] = k.CONTROL
    subject = _joined([_words(table, k.SAMPLE)])
    if k.SUBJECT in table:
        codes, values = pd.factorize(table[k.SUBJECT], use_na_sentinel=False)
        said = pd.Series(values).astype("string").fillna("").str.strip().to_numpy(dtype=object)
        subject = np.where((said == "")[codes], subject, said[codes])
    return Roles(~is_control & ~aside, aside, judged, group, subject)


def _words(table: pd.DataFrame, name: str) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
    """Number of the text of each cell, and the texts: there are few of them, and many cells."""
    if name not in table:
        return np.zeros(len(table), dtype=np.intp), np.array([""], dtype=object)
    codes, values = pd.factorize(table[name], use_na_sentinel=False)
    return codes, pd.Series(values).astype(str).to_numpy(dtype=object)


def _joined(
    parts: Sequence[tuple[NDArray[np.intp], NDArray[np.object_]]],
) -> NDArray[np.object_]:
    """Texts of each cell with bars between them, of which equal ones are one object."""
    whole = np.zeros(len(parts[0][0]), dtype=np.intp)
    for codes, words in parts:
        whole = whole * len(words) + codes
    at, several = pd.factorize(whole)
    found = [""] * len(several)
    for _, words in reversed(parts):
        several, own = np.divmod(several, len(words))
        found = [f"{words[i]}|{text}" for i, text in zip(own, found, strict=True)]
    return np.array([text[:-1] for text in found], dtype=object)[at]
