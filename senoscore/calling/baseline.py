"""Robust, sample-aware baselines of control cells: arrays in, arrays out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "Z_MAX",
    "Baseline",
    "Levels",
    "SampleStats",
    "at_equal_depth",
    "baseline",
    "borrows_scale",
    "bulk_baseline",
    "depth_slope",
    "depth_spread",
    "mean_of",
    "sample_stats",
    "shrink",
]

Z_MAX: Final = 10.0
"""z values are clipped here: beyond it a score says no more."""

_MAD: Final = 1.4826
_FLOOR: Final = 1 / 3
"""A MAD below this share of the SD comes from ties, not from a narrow distribution."""

_PRIOR_DF: Final = 4.0
_PRIOR_CELLS: Final = 50.0
_FEW_CELLS: Final = 200
_AT_ONCE: Final = 1 << 22
"""Values that are fitted together: memory must not grow with cells times columns."""

_FEWEST: Final = 12
"""Columns that are fitted together at least: numpy adds up narrow tables slowly, and a single
column in another order."""


@dataclass(frozen=True)
class SampleStats:
    """Per control sample and column: median, MAD scale, SD around the median, number of values.

    Each array has shape (samples, columns).
    """

    median: Floats
    mad: Floats
    sd: Floats
    n: NDArray[np.int64]


@dataclass(frozen=True)
class Baseline:
    """Centre, scale and trend with depth of each column, shape (columns,).

    A NaN scale means not assessable. ``slope`` is the change of the values with the log of the
    cell's counts, ``spread`` that of the log of their scale, and ``depth`` the middle log count of
    the control cells; slope and spread are 0 where there is no trend to take out.
    """

    centre: Floats
    scale: Floats
    slope: Floats | float = 0.0
    spread: Floats | float = 0.0
    depth: float = 0.0

    def z(self, values: NDArray[np.floating[Any]], log_depth: Floats | None = None) -> Floats:
        """(values - centre) / scale, both at the cell's depth, clipped at +-10.

        Where no depth is known, at that of the middle control cell. Shape of ``values``.
        """
        if log_depth is None:
            return np.clip((values - self.centre) / self.scale, -Z_MAX, Z_MAX)
        off = np.nan_to_num(log_depth - self.depth)[:, None]
        centred = values - off * self.slope - self.centre
        return np.clip(centred / (self.scale * np.exp(off * self.spread)), -Z_MAX, Z_MAX)


@dataclass(frozen=True)
class Levels:
    """Baselines of the three levels: signatures, axes, index."""

    signature: Baseline
    axis: Baseline
    index: Baseline


def sample_stats(values: Floats, codes: NDArray[np.int64], n_samples: int) -> SampleStats:
    """Summarise each sample's cells.

    Parameters
    ----------
    values
        Shape (cells, columns); NaN is left out.
    codes
        Sample of each cell, 0 to ``n_samples`` - 1; negative ones are left out.
    """
    shape = (n_samples, values.shape[1])
    median, mad, sd = (np.full(shape, np.nan) for _ in range(3))
    n = np.zeros(shape, dtype=np.int64)
    with warnings.catch_warnings():
        # All-NaN columns are expected: signatures that failed their coverage gate.
        warnings.simplefilter("ignore", RuntimeWarning)
        for sample, rows in _rows_of(codes, n_samples):
            of_sample = values[rows]
            n[sample] = np.count_nonzero(~np.isnan(of_sample), axis=0)
            median[sample] = _median(of_sample)
            off = np.abs(of_sample - median[sample])
            mad[sample] = _MAD * _median(off)
            sd[sample] = np.sqrt(np.nanmean(off**2, axis=0))
    return SampleStats(median, mad, sd, n)


def _rows_of(codes: NDArray[np.int64], n_samples: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each sample that has cells, and where these are."""
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(n_samples + 1))
    for sample in range(n_samples):
        if bounds[sample] < bounds[sample + 1]:
            yield sample, order[bounds[sample] : bounds[sample + 1]]


def _median(values: Floats) -> Floats:
    # np.median is several times faster than nanmedian, and NaN columns are the exception.
    if not np.isnan(values).any():
        return np.asarray(np.median(values, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=0))


def baseline(stats: SampleStats, use: NDArray[np.bool_]) -> Baseline:
    """Centre and scale of control cells that no single sample can set.

    With m_s, d_s and e_s the median, 1.4826 MAD and SD around the median of sample s, all over
    the samples in ``use``::

        centre = median_s(m_s)
        scale  = max(median_s(d_s), median_s(e_s) / 3)

    The second term takes over where most cells tie, as with one- or two-gene signatures of which
    most cells score 0 (MAD 0). If the median of e_s is 0 too, the root mean square of e_s is
    taken; if that is 0 no control cell differs and the scale is NaN (not assessable).

    Parameters
    ----------
    stats
        Summaries of every control sample.
    use
        Samples to take, shape (samples,).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        centre = np.nanmedian(stats.median[use], axis=0)
        mad = np.nanmedian(stats.mad[use], axis=0)
        sd = np.nanmedian(stats.sd[use], axis=0)
        rms = np.sqrt(np.nanmean(stats.sd[use] ** 2, axis=0))
    scale = np.maximum(mad, np.where(sd > 0, sd, rms) * _FLOOR)
    scale = np.where(mad > 0, scale, np.where(sd > 0, sd, rms))
    return Baseline(centre, np.where(scale > 0, scale, np.nan))


def at_equal_depth(
    scores: NDArray[np.floating[Any]],
    log_depth: Floats,
    codes: NDArray[np.int64],
    use: NDArray[np.bool_],
) -> Baseline:
    """Baseline of scores of cells, with their trends with depth, a few columns at a time.

    Parameters
    ----------
    scores
        Control cells x columns; no column depends on another one.
    log_depth, codes
        As in :func:`depth_slope`.
    use
        Samples to take, as in :func:`baseline`.
    """
    n_cells, n_columns = scores.shape
    n_parts = max(1, min(n_columns // _FEWEST, -(-n_cells * n_columns // _AT_ONCE)))
    depth = _Depth.of(log_depth, codes)
    off = np.nan_to_num(log_depth - depth.middle)[:, None]
    parts = []
    for columns in np.array_split(np.arange(n_columns), n_parts):
        # A copy in any case: it is changed.
        values = np.array(scores[:, columns[0] : columns[-1] + 1], dtype=np.float64, order="C")
        slope = _slope(values, codes, depth)
        values -= off * slope
        stats = sample_stats(values, codes, len(use))
        spread = _spread(np.abs(values - stats.median[codes]), depth)
        parts.append(replace(baseline(stats, use), slope=slope, spread=spread))
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("centre", "scale", "slope", "spread")
    }
    return Baseline(**joined, depth=depth.middle)


class _Depth(NamedTuple):
    """Depth of control cells: about the median of their sample, and about that of all; clipped.

    Without cells, or where the depth of one is unknown, None.
    """

    within: Floats | None
    about: Floats | None
    middle: float

    @classmethod
    def of(cls, log_depth: Floats, codes: NDArray[np.int64]) -> _Depth:
        """From the natural log of the counts of each cell, and its sample."""
        if not len(log_depth) or not np.isfinite(log_depth).all():
            return cls(None, None, 0.0)
        middle = float(np.median(log_depth))
        off = (log_depth - _medians_of(log_depth[:, None], codes)[:, 0], log_depth - middle)
        within, about = (np.clip(x, *np.quantile(x, [0.02, 0.98])) for x in off)
        return cls(within, about, middle)


def depth_slope(
    values: Floats, log_depth: Floats, codes: NDArray[np.int64]
) -> tuple[Floats, float]:
    """Trend of each column with depth within the control samples.

    Rank scores of small sets fall or rise with the number of counts of a cell, and a cell must
    not be called for its depth. Least squares over cells, values and depth taken from the median
    of their sample, depth clipped to its central 96 %, times n / (n + 50) for n cells.

    Parameters
    ----------
    values
        Control cells x columns.
    log_depth
        Natural log of the counts of each cell. Where one is unknown, or all are equal, there is
        no trend.
    codes
        Sample of each cell.

    Returns
    -------
    Change per unit of log depth, shape (columns,), and the median log depth.
    """
    depth = _Depth.of(log_depth, codes)
    return _slope(values, codes, depth), depth.middle


def _slope(values: Floats, codes: NDArray[np.int64], depth: _Depth) -> Floats:
    none, x = np.zeros(values.shape[1]), depth.within
    if x is None:
        return none
    y = values - _medians_of(values, codes)
    known = ~np.isnan(y)
    squares = (known * x[:, None] ** 2).sum(axis=0)
    products = (np.where(known, y, 0.0) * x[:, None]).sum(axis=0)
    slope = np.divide(products, squares, out=none, where=squares > 0)
    n = known.sum(axis=0)
    return np.asarray(slope * n / (n + _PRIOR_CELLS))


def depth_spread(residuals: Floats, log_depth: Floats, codes: NDArray[np.int64]) -> Floats:
    """Trend of the log of the scale of each column with depth within the control samples.

    Shallow cells scatter more; judged by the scale of deep ones, too many of them would pass a
    cut. Log-linear model of |residual| on log depth (quasi-Poisson: variance in proportion to
    the mean), by iteratively reweighted least squares, times n / (n + 50) for n cells.

    Parameters
    ----------
    residuals
        Control cells x columns, levelled with :func:`depth_slope`.
    log_depth, codes
        As there.

    Returns
    -------
    Change of the log scale per unit of log depth, shape (columns,).
    """
    return _spread(np.abs(residuals - _medians_of(residuals, codes)), _Depth.of(log_depth, codes))


def _spread(off: Floats, depth: _Depth) -> Floats:
    """Of residuals without their sign."""
    if depth.about is None:
        return np.zeros(off.shape[1])
    from senoscore.kernels import log_linear_slopes  # compiled: who only reads does without

    n = np.count_nonzero(~np.isnan(off), axis=0)
    return log_linear_slopes(off, depth.about) * n / (n + _PRIOR_CELLS)


def _medians_of(values: Floats, codes: NDArray[np.int64]) -> Floats:
    """Median of its sample, for every cell. Shape of ``values``."""
    median = np.full((int(codes.max(initial=-1)) + 1, values.shape[1]), np.nan)
    for sample, rows in _rows_of(codes, len(median)):
        median[sample] = _median(values[rows])
    return median[codes]


def borrows_scale(n_cells: int) -> bool:
    """Whether a compartment of so many control cells draws its scales to those of the others."""
    return n_cells < _FEW_CELLS


def shrink(own: Baseline, n_cells: int, across: Floats) -> Baseline:
    """Draw the scale of a compartment with few control cells to that of all compartments.

    ``scale² = (50 across² + n scale²) / (50 + n)`` for n < 200 control cells; with 200 or more the
    scale is left alone, so that no compartment depends on another one.

    Parameters
    ----------
    own
        The compartment's baseline.
    n_cells
        Its control cells.
    across
        Median scale over the compartments, shape (columns,); NaN where there is none.
    """
    if not borrows_scale(n_cells):
        return own
    squared = (_PRIOR_CELLS * across**2 + n_cells * own.scale**2) / (_PRIOR_CELLS + n_cells)
    scale = np.where(np.isnan(squared), own.scale, np.sqrt(squared))
    return replace(own, scale=scale)


def bulk_baseline(values: Floats) -> Baseline:
    """Baseline of columns over a few bulk control samples (one value each).

    ``scale² = (1 + 1/n) (4 s0² + (n - 1) s²) / (4 + n - 1)``: s the SD over the samples, s0 the
    median of s over the columns (a moderated variance as in Smyth 2004 with a prior of 4 degrees
    of freedom), and 1 + 1/n for the prediction of one new sample. Fewer than two samples: NaN.

    Parameters
    ----------
    values
        Shape (samples, columns).
    """
    n = len(values)
    if n < 2:
        gone = np.full(values.shape[1], np.nan)
        return Baseline(gone, gone)
    sd = np.std(values, axis=0, ddof=1)
    usable = sd[np.isfinite(sd) & (sd > 0)]
    prior = float(np.median(usable)) if len(usable) else np.nan
    squared = (_PRIOR_DF * prior**2 + (n - 1) * sd**2) / (_PRIOR_DF + n - 1)
    return Baseline(np.median(values, axis=0), np.sqrt(squared * (1 + 1 / n)))


def mean_of(columns: Sequence[Floats]) -> Floats:
    """Mean over the columns that are there, cell by cell. Shape (cells,)."""
    stacked = np.column_stack(columns)
    known = ~np.isnan(stacked)
    count = known.sum(axis=1)
    total = np.where(known, stacked, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
