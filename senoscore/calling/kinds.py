"""Several kinds of evidence together: at least so many of them, as one p-value.

Partial conjunction (Benjamini and Heller 2008 Biometrics 64:1215): a cell is senescent only where
the required kinds, and at least some others, are beyond what control cells show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.calling.pooled_null import fdr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["nested", "partial_conjunction"]

_SECOND: Final = 2.0


def partial_conjunction(
    p: Floats, required: Sequence[int], *, others: Sequence[int], at_least: int = 1
) -> Floats:
    """p-value against "a required kind is null, or fewer than ``at_least`` of the others are not".

    Parameters
    ----------
    p
        One column a kind, NaN: the kind cannot be judged, shape (n_cells, n_kinds).
    required
        Columns that must all be there.
    others
        Columns of which ``at_least`` must be there: p of the r-th smallest, with Bonferroni for
        the choice (Benjamini and Heller 2008, eq. 4).

    Returns
    -------
    Shape (n_cells,); NaN where a required kind or too many others are missing.
    """
    need = np.max(p[:, list(required)], axis=1) if len(required) else np.zeros(len(p))
    if not others or at_least == 0:
        return need
    rest = p[:, list(others)]
    n_known = np.isfinite(rest).sum(axis=1)
    ordered = np.sort(np.where(np.isfinite(rest), rest, np.inf), axis=1)
    chosen = ordered[:, at_least - 1] * np.maximum(n_known - at_least + 1, 1)
    out = np.maximum(need, np.minimum(chosen, 1.0))
    return np.where(n_known >= at_least, out, np.nan)


def nested(
    total: Floats, conjunction: Floats, among: Bools, *, level: float, null: Floats | None = None
) -> tuple[Bools, Floats]:
    """Control the FDR on the total; among those, control it again on the conjunction.

    Where the first step picked cells with one kind only, the other p is nearly uniform among them
    and the second step, at twice the level, leaves none.

    Parameters
    ----------
    total, conjunction
        p-values, shape (n_cells,).
    among
        Cells that are judged, shape (n_cells,).
    level
        False discovery rate.
    null
        Share of the cells like this one that is taken for null, by which its p-values are
        multiplied (adaptive groups: Hu, Zhao and Zhou 2010 JASA 105:1215, without making up for
        it elsewhere), shape (n_cells,). None: 1.

    Returns
    -------
    Called cells, and a q-value: the larger of the first q and half the second.
    """
    weight = None if null is None else 1 / null
    first = fdr(total, among, weight)
    passed = among & (first <= level)
    second = fdr(conjunction, passed, weight)
    q = np.where(passed, np.fmax(first, second / _SECOND), first)
    q = np.where(passed & np.isnan(second), np.nan, q)
    return passed & (second <= _SECOND * level), q
