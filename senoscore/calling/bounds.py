"""How many of the called cells can be wrong at most: a bound that holds after looking.

If no cell were senescent, irradiated and control cells would be exchangeable, and the number of
irradiated cells above the k-th highest control cell would follow Polya's urn. The bound of every k
at once is read from that law (Gazin, Blanchard, Roquain 2024 AISTATS, PMLR 238; the envelope
of Blanchard, Neuvial, Roquain 2020 Ann Stat 48:1281 for p-values of one null sample), so that it
holds for any choice of cells. Cells of one animal are alike: counts of both arms are divided by
the excess of the spread between control animals over what cells drawn one by one would show.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["clustering", "wrong_at_most"]

_RANKS: Final = (1, 2, 3, 5, 8, 12, 20, 32, 50, 80, 125, 200, 320, 500)
_DRAWS: Final = 4000
_TAILS: Final = (0.8, 0.9, 0.95)
_MIN_EXPECTED: Final = 2.0


def clustering(p: Floats, animal: Ints) -> float:
    """Variance between control animals of their counts of low p, over that of single cells.

    Parameters
    ----------
    p
        Of control cells, shape (n_cells,).
    animal
        Their animals, shape (n_cells,).

    Returns
    -------
    At least 1: Pearson's dispersion of the counts beyond some quantiles of all, the largest.
    """
    _, code = np.unique(animal, return_inverse=True)
    n = np.bincount(code)
    worst = 1.0
    for tail in _TAILS:
        hit = p <= np.quantile(p, 1 - tail)
        rate = float(hit.mean())
        expected = n * rate
        if len(n) < 2 or not 0 < rate < 1 or expected.min() < _MIN_EXPECTED:
            continue
        above = np.bincount(code, weights=hit)
        chi = (((above - expected) ** 2) / (expected * (1 - rate))).sum()
        worst = max(worst, float(chi) / (len(n) - 1))
    return worst


@lru_cache(maxsize=64)
def _envelope(n_control: int, n_null: int, confidence: float) -> tuple[tuple[int, int], ...]:
    """For some ranks k, the most null cells above the k-th highest control, at once for all k."""
    ranks = [k for k in _RANKS if k <= n_control]
    rng = np.random.default_rng(0)
    above = np.zeros((_DRAWS, len(ranks)), dtype=np.int64)
    level, left, last = np.zeros(_DRAWS), np.full(_DRAWS, n_null), 0
    for j, k in enumerate(ranks):
        # share of the unit interval up to the k-th of n uniform values, given that of the last
        step = rng.beta(k - last, n_control - k + 1, _DRAWS)
        more = rng.binomial(left, step)
        above[:, j] = (above[:, j - 1] if j else 0) + more
        left, level, last = left - more, level + (1 - level) * step, k
    alpha = 1 - confidence
    for single in alpha / np.array([1, 1.5, 2, 3, 4, 6, 8, 12, len(_RANKS)]):
        limit = np.quantile(above, 1 - single, axis=0, method="higher")
        if np.mean((above > limit).any(axis=1)) <= alpha:
            break
    return tuple((k, int(b)) for k, b in zip(ranks, limit, strict=True))


def wrong_at_most(
    p: Floats,
    called: Bools,
    treated: Bools,
    animal: Ints | None = None,
    *,
    confidence: float = 0.95,
) -> int:
    """Upper bound on the wrong ones among called cells, for any choice of them.

    Parameters
    ----------
    p
        p-values of control and irradiated cells against the same null, NaN: not judged, shape
        (n_cells,). Only their order counts.
    called
        The chosen cells, shape (n_cells,).
    treated
        Irradiated or not, shape (n_cells,).
    animal
        Animal of each cell, shape (n_cells,); None: cells are taken as drawn one by one.
    confidence
        Probability that the bound holds.

    Returns
    -------
    At most as many as are called.
    """
    fine = np.isfinite(p)
    chosen = p[called & fine]
    control = fine & ~treated
    if not len(chosen) or not control.any():
        return int(called.sum())
    excess = 1.0 if animal is None else clustering(p[control], animal[control])
    n_control = max(int(control.sum() / excess), 1)
    n_null = max(int((fine & treated).sum() / excess), 1)
    null = np.sort(p[control])
    bound = int(called.sum())
    for rank, most in _envelope(n_control, n_null, confidence):
        k = min(int(np.ceil(rank * excess)), len(null))
        beyond = int((chosen < null[k - 1]).sum())
        wrong = int(called.sum()) - beyond + min(int(np.ceil(most * excess)), beyond)
        bound = min(bound, wrong)
    return bound
