"""Per-cell p-values against control cells, and their false discovery rate over a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore.kernels import t_ppf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["ControlSteps", "Tests", "control_p", "q_values"]

_CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Tests:
    """The tests of a run, by the day of the cells: p where the rule holds, and how many tests.

    Cells without a p in ``p`` count with p = 1. The day is NaN where it is unknown.
    """

    p: Floats = field(default_factory=lambda: np.empty(0))
    day: Floats = field(default_factory=lambda: np.empty(0))
    n_of_day: tuple[tuple[float, int], ...] = ()

    @classmethod
    def of(cls, p: Floats, day: Floats, positive: NDArray[np.bool_]) -> Tests:
        """Tests of cells with these p-values and days, where the rule holds for some."""
        order = np.lexsort((p[positive], day[positive]))
        days, n = np.unique(day, return_counts=True)
        pairs = zip(days.tolist(), n.tolist(), strict=True)
        return cls(p[positive][order], day[positive][order], tuple(pairs))

    def since(self, min_days: float) -> tuple[Floats, int]:
        """Tests of cells that can be senescent: of this day or later, or not yet irradiated."""
        n = sum(n for day, n in self.n_of_day if day >= min_days or day <= 0)
        return self.p[(self.day >= min_days) | (self.day <= 0)], n


def control_p(
    index: NDArray[np.floating[Any]],
    null: Mapping[str, NDArray[np.floating[Any]]],
    n_cells: Mapping[str, int],
) -> Floats:
    """One-sided p of cells that fulfil the rule, control cells being the null.

    A control cell's score is its index if it fulfils the rule and minus infinity if not, under
    thresholds from the *other* control samples. With F_s(x) the share of the n_s cells of control
    sample s that score at least x, w_s proportional to min(n_s, median n), N = sum of n_s and
    F = sum_s w_s F_s, the conformal p is (1 + N F(x)) / (1 + N). That holds for a cell of an
    average animal; so that an unusual one gets no calls of its own, F is replaced by the upper
    95 % limit of its mean over the S control samples::

        F(x) + t(0.95; S - 1) sqrt(S / (S - 1) sum_s w_s² (F_s(x) - F(x))²)

    With one control sample there is no such limit, and nothing is called (see the ceilings).

    Parameters
    ----------
    index
        Index of the cells, shape (n,).
    null
        Per control sample the index of the cells that fulfil the rule, ascending.
    n_cells
        Per control sample its assessable cells; the samples of ``null`` are used.

    Returns
    -------
    Shape (n,).
    """
    samples = list(null)
    n = np.array([n_cells[s] for s in samples], dtype=np.float64)
    weight = np.minimum(n, np.median(n))
    weight /= weight.sum()
    above = np.empty((len(samples), len(index)))
    for i, sample in enumerate(samples):
        values = null[sample]
        above[i] = (len(values) - np.searchsorted(values, index, side="left")) / n[i]
    weight = weight[:, None]
    share = (weight * above).sum(axis=0)  # not @: the same bits however many cells are asked
    count = len(samples)
    if count > 1:
        variance = (weight**2 * (above - share) ** 2).sum(axis=0) * count / (count - 1)
        share = share + t_ppf(_CONFIDENCE, count - 1) * np.sqrt(variance)
    total = n.sum()
    return np.asarray(np.minimum((1 + total * share) / (1 + total), 1.0))


class ControlSteps:
    """:func:`control_p` of cells of no control sample, for any number of cells and samples.

    It changes only where a control cell's index lies, so that one pass over these, with sums that
    grow sample by sample, gives it at all of them: the time is that of sorting, while a look at
    every control sample for each cell grows with the product of the two.

    Parameters
    ----------
    null, n_cells
        As for :func:`control_p`.
    """

    def __init__(
        self, null: Mapping[str, NDArray[np.floating[Any]]], n_cells: Mapping[str, int]
    ) -> None:
        n = np.array([n_cells[s] for s in null], dtype=np.float64)
        weight = np.minimum(n, np.median(n))
        weight /= weight.sum()
        lengths = [len(values) for values in null.values()]
        values = np.concatenate([np.empty(0), *null.values()])
        order = np.argsort(values, kind="stable")[::-1]
        of = np.repeat(np.arange(len(n)), lengths)[order]
        # The k-th cell of a sample from above takes its share from (k - 1) / n to k / n.
        k = np.concatenate([np.empty(0), *(np.arange(m, 0, -1.0) for m in lengths)])[order]
        w, step = weight[of], 1 / n[of]
        grown = (w * step, w**2 * step, (w * step) ** 2 * (2 * k - 1))
        share, crossed, squared = (np.append(0.0, np.cumsum(part)) for part in grown)
        if len(n) > 1:
            variance = squared - 2 * share * crossed + share**2 * (weight**2).sum()
            variance = np.maximum(variance, 0) * len(n) / (len(n) - 1)
            share = share + t_ppf(_CONFIDENCE, len(n) - 1) * np.sqrt(variance)
        total = n.sum()
        self._values = values[order][::-1]
        self._p = np.minimum((1 + total * share) / (1 + total), 1.0)[::-1]

    def __call__(self, index: NDArray[np.floating[Any]]) -> Floats:
        """Read p of cells with these indices, shape (n,)."""
        return np.asarray(self._p[np.searchsorted(self._values, index, side="left")])


def q_values(p: NDArray[np.floating[Any]], family: NDArray[np.floating[Any]], n: int) -> Floats:
    """Benjamini-Hochberg adjusted p-values of members of a family of n tests.

    Source: Benjamini and Hochberg 1995, J R Stat Soc B 57:289.

    Parameters
    ----------
    p
        To adjust. One that is no member gets what the next larger member has.
    family
        The p-values of the family below 1; the other n - len(family) are 1.

    Returns
    -------
    Shape of ``p``.
    """
    ranked = np.sort(family)
    raw = np.minimum(ranked * n / np.arange(1, len(ranked) + 1), 1.0)
    adjusted = np.append(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return np.asarray(adjusted[np.searchsorted(ranked, p, side="left")])
