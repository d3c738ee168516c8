"""From signature scores to axis z values and the index, given baselines or fitting them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore._calibrate_baseline import (
    Baseline,
    Levels,
    baseline,
    bulk_baseline,
    depth_slope,
    depth_spread,
    mean_of,
    sample_stats,
    shrink,
)
from senoscore.panel_rules import Evidence, holds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from senoscore._calibrate_baseline import Floats
    from senoscore.panel import Panel

_INDEX_Z_MAX: Final = 3.0

__all__ = ["Reader", "fit_levels", "null_levels"]


@dataclass(frozen=True)
class Reader:
    """Reads one compartment's scores through a panel.

    Score arrays have a column for each of ``panel.signatures``, evidence arrays one for each of
    ``panel.axes``.
    """

    panel: Panel
    compartment: str

    def axes(self, scores: Floats, by_signature: Baseline, log_depth: Floats) -> Floats:
        """Raw axes: the mean of the signed z of the parts. Shape (cells, axes).

        Disabled axes are NaN; so is a zero of a part whose zeros are missing evidence.
        """
        column = {name: i for i, name in enumerate(self.panel.signatures)}
        z = by_signature.z(scores, log_depth)
        raw = np.full((len(scores), len(self.panel.axes)), np.nan)
        for a, axis in enumerate(self.panel.axes):
            if axis.name in self.panel.disabled(self.compartment):
                continue
            parts = []
            for part in axis.parts:
                value = part.sign * z[:, column[part.signature]]
                if part.zero_is_missing:
                    value = np.where(scores[:, column[part.signature]] == 0, np.nan, value)
                parts.append(value)
            raw[:, a] = parts[0] if len(parts) == 1 else mean_of(parts)
        return raw

    def index(self, z: Floats) -> Floats:
        """Raw index: sum of w z over sum of |w|, over the axes that are there. Shape (cells, 1).

        z is clipped at +-3 here, so that one axis, such as SASP, cannot carry the index.
        """
        weight = np.array([axis.signed_weight for axis in self.panel.axes])
        used = weight != 0
        own, w = np.clip(z[:, used], -_INDEX_Z_MAX, _INDEX_Z_MAX), weight[used]
        there = ~np.isnan(own)
        total = there @ np.abs(w)
        value = np.where(there, own, 0.0) @ w / np.where(total > 0, total, 1.0)
        return np.where(self.assessable(z) & (total > 0), value, np.nan)[:, None]

    def assessable(self, z: Floats) -> NDArray[np.bool_]:
        """Tell which cells have enough axes. Shape (cells,)."""
        names = self.panel.axis_names
        there = ~np.isnan(z)
        of = there[:, [names.index(a) for a in self.panel.assessable_of]].sum(axis=1)
        some = there[:, [names.index(a) for a in self.panel.assessable_any]].any(axis=1)
        return np.asarray((of >= self.panel.min_axes) & some)

    def read(self, scores: Floats, levels: Levels, log_depth: Floats) -> tuple[Floats, Floats]:
        """Axis z values, shape (cells, axes), and the index in control SDs, shape (cells,)."""
        z = levels.axis.z(self.axes(scores, levels.signature, log_depth))
        return z, levels.index.z(self.index(z))[:, 0]

    def evidence(self, z: Floats, day: dict[str, NDArray[np.bool_]] | None = None) -> Evidence:
        """What the panel's conditions are asked of; without days, every cell is ``stable``."""
        none, every = np.zeros(len(z), dtype=bool), np.ones(len(z), dtype=bool)
        days = day or {"before_stable": none, "stable": every, "missing": none}
        return Evidence(len(z), dict(zip(self.panel.axis_names, z.T, strict=True)), days)

    def positive(self, z: Floats, cut: float) -> NDArray[np.bool_]:
        """Tell which cells are assessable and fulfil the composite rule. Shape (cells,)."""
        limits = self.panel.thresholds_of(self.compartment, cut)
        return holds(self.panel.composite, self.evidence(z), limits) & self.assessable(z)

    def first_state(
        self, evidence: Evidence, able: NDArray[np.bool_], cut: float
    ) -> NDArray[np.int64]:
        """Number of the first state of the panel that fits each able cell, else -1."""
        limits = self.panel.thresholds_of(self.compartment, cut)
        taken = np.full(evidence.n, -1)
        for number, state in enumerate(self.panel.states):
            taken[holds(state.when, evidence, limits) & able & (taken < 0)] = number
        return taken


def fit_levels(
    reader: Reader,
    scores: Floats,
    codes: NDArray[np.int64],
    use: NDArray[np.bool_],
    log_depth: Floats,
    *,
    bulk: bool,
    across: Floats | None = None,
) -> Levels:
    """Fit the baselines of signatures, axes and index on the control samples in ``use``.

    Parameters
    ----------
    reader
        Panel and compartment.
    scores
        Control cells x signatures.
    codes
        Control sample of each cell.
    use
        Control samples to take, shape (samples,).
    log_depth
        Natural log of the counts of each cell, NaN where unknown.
    bulk
        Each sample is one row.
    across
        Scale of each signature over the compartments, for shrinkage with few cells.
    """
    kept = use[codes]
    scores, codes, log_depth = scores[kept], codes[kept], log_depth[kept]

    def fit(values: Floats) -> Baseline:
        if bulk:
            return bulk_baseline(values)
        return baseline(sample_stats(values, codes, len(use)), use)

    if bulk:
        by_signature = fit(scores)
    else:
        slope, depth = depth_slope(scores, log_depth, codes)
        level = scores - np.nan_to_num(log_depth - depth)[:, None] * slope
        spread = depth_spread(level, log_depth, codes)
        by_signature = replace(fit(level), slope=slope, spread=spread, depth=depth)
    if across is not None and not bulk:
        by_signature = shrink(by_signature, len(scores), across)
    by_axis = _fit_axes(reader, reader.axes(scores, by_signature, log_depth), fit)
    z = by_axis.z(reader.axes(scores, by_signature, log_depth))
    return Levels(by_signature, by_axis, fit(reader.index(z)))


def _fit_axes(reader: Reader, raw: Floats, fit: Callable[[Floats], Baseline]) -> Baseline:
    """Baseline of axes; an axis of one part is standardised already and keeps its values."""
    centre, scale = np.zeros(raw.shape[1]), np.ones(raw.shape[1])
    several = np.array([len(axis.parts) > 1 for axis in reader.panel.axes])
    if several.any():
        own = fit(raw[:, several])
        centre[several], scale[several] = own.centre, own.scale
    return Baseline(centre, scale)


def null_levels(reader: Reader) -> Levels:
    """Give baselines that change nothing, for scores that are z against matched gene sets."""

    def same(n: int) -> Baseline:
        return Baseline(np.zeros(n), np.ones(n))

    panel: Any = reader.panel
    return Levels(same(len(panel.signatures)), same(len(panel.axes)), same(1))
