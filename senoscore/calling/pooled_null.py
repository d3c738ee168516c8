"""From scores to p-values: one null of all control cells, each scored without its own sample.

Each sample and compartment is first laid on the lower middle of its cells, which is not senescent
as long as fewer than about six in ten are; so that a shift of all cells is no senescence. With a
senescent share, the lower middle of the others stands at a lower quantile of all; the two are
solved for together. Where a whole sample moved far (:func:`moved_far`: cultures, of which nearly
all cells become senescent), its cells are compared with the controls' level instead, raised by
what control samples differ, and of them only so many are null as their p-values say. Then a
compartment is divided by the upper spread of its controls, and all control cells of the run are
one null. A compartment whose controls have a heavier tail than the pool is judged by its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.kernels import binom_sf, t_ppf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = [
    "align",
    "depth_free",
    "empirical_p",
    "fdr",
    "heavy_tails",
    "moved_far",
    "null_share",
    "rows_by",
]

LOWER_MIDDLE: Final = 0.35
STOREY_QUANTILE: Final = 0.75
_QUANTILE_NOISE: Final = 1.7  # variance of that quantile of n normal values, times n
_FAR_TOTAL: Final = 0.9
_FAR_KIND: Final = 0.75
_BETWEEN: Final = 0.01  # variance between samples expected beforehand, two samples' worth


def depth_free(score: Floats, depth: Floats, group: Ints, control: Bools) -> Floats:
    """Take from a score what depth does to its level and spread among controls.

    Parameters
    ----------
    score
        Shape (n_cells,), NaN: no score.
    depth
        Natural log of the counts of a cell, shape (n_cells,).
    group
        Compartment of a cell, shape (n_cells,).
    control
        Which cells are controls, shape (n_cells,).
    """
    out = score.copy()
    fine = np.isfinite(score)
    if (fine & control).sum() < 60:
        return out
    lo, hi = np.quantile(depth[fine & control], [0.01, 0.99])
    d = np.clip(depth, lo, hi)
    d = (d - d[fine & control].mean()) / max(d[fine & control].std(), 1e-9)
    basis = np.column_stack([np.ones_like(d), d, d**2])
    residual = np.full_like(score, np.nan)
    for g in np.unique(group[fine]):
        in_group = fine & (group == g)
        of_controls = in_group & control
        if of_controls.sum() < 30:
            residual[in_group] = score[in_group]
            continue
        k = 3 if of_controls.sum() >= 100 else 2
        fit = np.linalg.lstsq(basis[of_controls][:, :k], score[of_controls], rcond=None)[0]
        out[in_group] = score[in_group] - basis[in_group][:, 1:k] @ fit[1:]
        residual[in_group] = score[in_group] - basis[in_group][:, :k] @ fit
    of_controls = fine & control
    log_square = np.log(
        np.minimum(residual[of_controls] ** 2, 9 * np.var(residual[of_controls])) + 1e-3
    )
    fit = np.linalg.lstsq(basis[of_controls], log_square, rcond=None)[0]
    spread = np.exp(0.5 * (basis[:, 1:] @ fit[1:]))
    spread = np.clip(spread, 0.4, 2.5)
    centre = {g: np.median(out[of_controls & (group == g)]) for g in np.unique(group[of_controls])}
    middle = np.zeros(len(group))
    for g, of_group in centre.items():
        middle[group == g] = of_group
    out = middle + (out - middle) / spread
    return out


def rows_by(codes: Ints, rows: Ints) -> dict[int, Ints]:
    """Sort some rows by their code, ascending within it: one sort, not a look at all for each."""
    rows = rows[np.argsort(codes[rows], kind="stable")]
    found, first = np.unique(codes[rows], return_index=True)
    return dict(zip(found.tolist(), np.split(rows, first[1:]), strict=False))


def _cut(null: Floats, quantile: float = STOREY_QUANTILE) -> tuple[float, float]:
    """Quantile of a null, and the share of it up to there."""
    cut = float(np.quantile(null, quantile))
    return cut, float(np.mean(null <= cut))


def _unexplained(values: Floats, cut: float, below: float) -> float:
    """Share of values that the null cannot explain (Storey 2002 JRSS B 64:479), 0 to 1."""
    return float(np.clip(1 - np.mean(values <= cut) / below, 0, 1))


def align(
    score: Floats,
    sample: Ints,
    compartment: Ints,
    control: Bools,
    *,
    min_cells: int = 8,
    min_arm: int = 25,
    moved: Bools | None = None,
    aside: Bools | None = None,
) -> tuple[Floats, Floats]:
    """Lay every sample x compartment on its lower middle; scale compartments.

    Parameters
    ----------
    score
        Shape (n_cells,), NaN: no score.
    sample, compartment
        Codes, shape (n_cells,).
    control
        Which cells are controls, shape (n_cells,).
    moved
        Cells of samples that moved as a whole: these are laid on the controls' level instead,
        and above it by the standard error of a new control sample. That they moved further than
        its 95 % limit is asked for before (:func:`moved_far`), so that at least half of their
        cells are no controls.
    aside
        Cells of samples that are neither controls nor treated: an arm of their own.

    Returns
    -------
    Aligned score (1 = the controls' distance from median to 90 % quantile), and the offset taken
    from each cell, in the units of the score.
    """
    x, offset = np.full(len(score), np.nan), np.full(len(score), np.nan)
    fine = np.isfinite(score)
    arms = np.where(control, 0, 1) if aside is None else np.where(aside, 2, np.where(control, 0, 1))
    for c in np.unique(compartment[fine]):
        in_compartment = fine & (compartment == c)
        of_controls = in_compartment & control
        if of_controls.sum() < min_arm or (in_compartment & ~control).sum() < min_arm:
            continue
        groups = [
            i
            for i in rows_by(sample, np.flatnonzero(in_compartment)).values()
            if len(i) >= min_cells
        ]
        if not any(control[i[0]] for i in groups) or all(control[i[0]] for i in groups):
            continue
        level = {i[0]: float(np.quantile(score[i], LOWER_MIDDLE)) for i in groups}
        for _ in range(5):
            null = np.concatenate([score[i] - level[i[0]] for i in groups if control[i[0]]])
            cut, rest = _cut(null), float(np.quantile(null, LOWER_MIDDLE))
            for i in groups:
                share = _unexplained(score[i] - level[i[0]], *cut)
                aim = LOWER_MIDDLE * (1 - min(share, 0.6))
                level[i[0]] = float(np.quantile(score[i], aim)) - rest
            spread = float(np.std(null))
            for arm in (0, 1, 2):
                members = [i for i in groups if arms[i[0]] == arm]
                if moved is not None:
                    members = [i for i in members if not moved[i[0]]]
                _shrink(level, members, spread)
        own_levels = np.array([float(np.quantile(score[i], LOWER_MIDDLE)) for i in groups
                               if control[i[0]]])  # fmt: skip
        base = float(np.mean(own_levels)) + _spread(own_levels)
        for i in groups:
            at = base if moved is not None and moved[i[0]] else level[i[0]]
            x[i], offset[i] = score[i] - at, at
        null = x[of_controls & np.isfinite(x)]
        middle, upper = np.quantile(null, [0.5, 0.9])
        x[in_compartment] = (x[in_compartment] - middle) / max(upper - middle, 1e-9)
    return x, offset


def _spread(levels: Floats) -> float:
    """Standard error of another control sample about the mean of these."""
    n = len(levels)
    return float(np.std(levels, ddof=1) * np.sqrt(1 + 1 / n)) if n > 1 else float("inf")


def _limit(levels: Floats) -> float:
    """How far above the mean of these control samples another one may lie (95 %)."""
    n = len(levels)
    return float(t_ppf(0.95, n - 1)) * _spread(levels) if n > 1 else float("inf")


def null_share(p: Floats, compartment: Ints, moved: Bools) -> Floats:
    """Share of null cells among the moved cells of a compartment (Storey 2002, lambda of .5).

    Parameters
    ----------
    p
        Of the total, shape (n_cells,).
    compartment
        Codes, shape (n_cells,).
    moved
        Cells of samples that moved as a whole, shape (n_cells,).

    Returns
    -------
    1 for all other cells, shape (n_cells,).
    """
    out = np.ones(len(p))
    for c in np.unique(compartment[moved]):
        own = moved & (compartment == c) & np.isfinite(p)
        out[own] = min(1.0, 2 * (1 + float((p[own] > 0.5).sum())) / max(int(own.sum()), 1))
    return out


def moved_far(
    scores: Floats, sample: Ints, compartment: Ints, control: Bools, *, min_cells: int = 8
) -> Bools:
    """Tell which samples moved as a whole in every one of some scores.

    The median cell of the sample is compared with the controls of the compartment: it must lie
    beyond their 90 % quantile in the first score, and beyond their 75 % quantile in the others, by
    more than control samples differ among themselves (the 95 % limit of a new one). A small shift
    of all cells (stress, batch) does not reach that.

    Parameters
    ----------
    scores
        Total and kinds that must all have moved, shape (n_cells, n_scores).
    sample, compartment
        Codes, shape (n_cells,).
    control
        Which cells are controls, shape (n_cells,).

    Returns
    -------
    Cells of such samples, shape (n_cells,).
    """
    out = np.zeros(len(sample), dtype=bool)
    fine = np.isfinite(scores).all(axis=1)
    for c in np.unique(compartment):
        in_compartment = fine & (compartment == c)
        null = scores[in_compartment & control]
        groups = rows_by(sample, np.flatnonzero(in_compartment)).values()
        of_controls = [i for i in groups if len(i) >= min_cells and control[i[0]]]
        if len(of_controls) < 2:
            continue
        middle = np.array([np.median(scores[i], axis=0) for i in of_controls])
        share = [_FAR_TOTAL] + [_FAR_KIND] * (scores.shape[1] - 1)
        cut = [np.quantile(x, q) for x, q in zip(null.T, share, strict=True)]
        beyond = np.array(cut) + np.array([_limit(m) for m in middle.T])
        for i in groups:
            if len(i) >= min_cells and not control[i[0]]:
                out[i] = bool((np.median(scores[i], axis=0) > beyond).all())
    return out


def _shrink(level: dict[int, float], groups: list[Ints], spread: float) -> None:
    """Draw the levels of an arm's samples together as far as the noise of a quantile explains."""
    if len(groups) < 2:
        return
    raw = np.array([level[i[0]] for i in groups])
    noise = _QUANTILE_NOISE * spread**2 / np.array([len(i) for i in groups])
    centre = float(np.average(raw, weights=1 / noise))
    real = max(float(((raw - centre) ** 2 - noise).sum() / (len(raw) - 1)), 0.0)
    real = (real * (len(raw) - 1) + 2 * _BETWEEN * spread**2) / (len(raw) + 1)
    for i, r, v in zip(groups, raw, noise, strict=True):
        level[i[0]] = centre + (r - centre) * real / (real + v)


def heavy_tails(x: Floats, compartment: Ints, control: Bools, *, alpha: float = 0.01) -> set[int]:
    """Compartments whose controls lie beyond the pool's 98 % quantile too often."""
    fine = np.isfinite(x) & control
    if not fine.any():
        return set()
    cut = np.quantile(x[fine], 0.98)
    out = set()
    for c in np.unique(compartment[fine]):
        values = x[fine & (compartment == c)]
        others = x[fine & (compartment != c)]
        if len(others) == 0:
            continue
        rate = max(float(np.mean(others > cut)), 1.0 / len(others))
        beyond = int((values > cut).sum())
        if binom_sf(beyond - 1, len(values), min(1.0, 1.3 * rate)) < alpha:
            out.add(int(c))
    return out


def empirical_p(x: Floats, compartment: Ints, control: Bools, own_tail: set[int]) -> Floats:
    """Share of the null at or above each value, itself counted once more.

    Parameters
    ----------
    x
        Aligned score, shape (n_cells,).
    own_tail
        Compartments that are judged by the larger of the pool's and their own p.
    """
    p = np.full(len(x), np.nan)
    fine = np.isfinite(x)
    null = np.sort(x[fine & control])
    if len(null) == 0:
        return p
    p[fine] = (1 + len(null) - np.searchsorted(null, x[fine], side="left")) / (1 + len(null))
    for c in own_tail:
        in_compartment = fine & (compartment == c)
        of_controls = np.sort(x[in_compartment & control])
        alone = (
            1 + len(of_controls) - np.searchsorted(of_controls, x[in_compartment], side="left")
        ) / (1 + len(of_controls))
        p[in_compartment] = np.maximum(p[in_compartment], alone)
    return p


def fdr(p: Floats, among: Bools, weight: Floats | None = None) -> Floats:
    """Benjamini-Hochberg adjusted p within some cells; NaN elsewhere (1995 JRSS B 57:289)."""
    q = np.full(len(p), np.nan)
    idx = np.flatnonzero(among & np.isfinite(p))
    if len(idx) == 0:
        return q
    value = p[idx] if weight is None else np.minimum(p[idx] / weight[idx], 1)
    order = np.argsort(value, kind="stable")
    ratio = value[order] * len(idx) / np.arange(1, len(idx) + 1)
    q[idx[order]] = np.minimum(np.minimum.accumulate(ratio[::-1])[::-1], 1)
    return q
