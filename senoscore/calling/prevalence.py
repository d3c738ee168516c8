"""How many cells of a sample are senescent, apart from which.

Two groups: what of a sample's aligned scores lies below a quantile of the control cells is not
senescent; the rest, scaled up, is (Storey 2002 JRSS B 64:479). It needs no cell to be called and
is hardly biased where senescent cells lie above that quantile, but of few cells it is mostly
chance. So a sample's share is read from its far cells, of which controls have hardly any, and
divided by the share of senescent cells that lies so far: nine in ten where the run is too small
to tell, else what the run shows. The same share of control samples, which should be nought, says
how far samples differ for other reasons: its mean is taken away, and its spread widens the
interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.calling.pooled_null import rows_by
from senoscore.kernels import norm_ppf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["Prevalence", "prevalence"]

QUANTILES: Final = (0.75, 0.85, 0.92)
ARREST_QUANTILE: Final = 0.9
"""Of arrest alone, which tells cells apart less: further out there is less noise, and what lies
below is missed. Set on seeds 1 to 4 of the simulated study of drugs."""
FAR_QUANTILE: Final = 0.97
"""Set on two contrasts for tuning: .95 to .99 do alike."""
SHIFT_RATIO: Final = 2.2
_FAR_SHARE: Final = 0.9
"""Share of the senescent cells beyond that quantile that is expected before anything is seen: so
much or more wherever planted programmes of the contrasts for tuning are found at all."""
_TRUST_KNOWN: Final = 8.0
_TRUST_RUN: Final = 20.0
"""Standard errors of the excess as which that counts, and for a compartment what the run shows. On
the contrasts for tuning compartments differ less than their few cells make it seem."""
_SHOWN: Final = 0.9
"""Share of far senescent cells that show several kinds of evidence: .87 to 1 of planted programmes
for tuning, at the cut that engine.py sets."""
_UNSURE: Final = 0.25
"""Relative standard error of what was known."""


@dataclass(frozen=True)
class Prevalence:
    """One row a sample and compartment, each array of shape (n_rows,).

    ``beyond`` are the cells beyond the quantile of the controls. ``share`` may be just below nought
    and is so left for averages; ``lower`` and ``upper`` are
    the 95 % interval within 0 to 1; ``shift`` says that the sample looks shifted as a whole
    rather than mixed.
    """

    sample: Ints
    compartment: Ints
    n: Ints
    beyond: Ints
    share: Floats
    se: Floats
    lower: Floats
    upper: Floats
    shift: Bools


def prevalence(
    aligned: Floats,
    sample: Ints,
    compartment: Ints,
    treated: Bools,
    *,
    subject: Ints | None = None,
    quantile: float = QUANTILES[0],
    far: float | None = FAR_QUANTILE,
    shown: Bools | None = None,
    min_cells: int = 15,
) -> Prevalence:
    """Share of senescent cells per sample and compartment.

    Parameters
    ----------
    aligned
        Total score of :func:`~senoscore.calling.learned.call_cells`, shape (n_cells,).
    sample, compartment, treated
        Shape (n_cells,).
    subject
        Code of the animal of each cell, shape (n_cells,): controls of one say once how far
        controls differ. None: each sample is one.
    quantile
        Quantile of the controls below which senescent cells are taken not to lie.
    far
        Quantile of the controls beyond which the cells of a sample are counted, and divided by the
        share of senescent cells that lies there. None: cells beyond ``quantile`` are counted.
    shown
        Cells that show several kinds of evidence, as nine in ten senescent cells do, shape
        (n_cells,): only these are counted as far, so that one kind alone (a p53 response without
        secretion) is no share. None: all cells.
    min_cells
        Fewest cells of a sample in a compartment.
    """
    control = ~np.asarray(treated, dtype=bool)
    fine = np.isfinite(aligned)
    found = {
        int(c): of
        for c in np.unique(compartment)
        if (
            of := _compartment(
                aligned, fine & (compartment == c), control, quantile, far, min_cells
            )
        )
        is not None
    }
    reach = _reach(list(found.values())) if far is not None else None
    rows = []
    for c, of in found.items():
        by = {s: i for s, i in rows_by(sample, of.cells).items() if len(i) >= min_cells}
        samples, cells = list(by), list(by.values())
        scores = [aligned[i] for i in cells]
        size = np.array([len(i) for i in cells])
        is_control = np.array([bool(control[i].all()) for i in cells])
        if not is_control.any():
            continue
        beyond = np.array([int((x > of.cut).sum()) for x in scores])
        if reach is None:
            null, missed = 1 - of.null, 0.0
            share, var = _lifted(size - beyond, size, null, missed)
        else:
            passing = np.ones(len(aligned), dtype=bool) if shown is None else shown
            counts = passing & (aligned > of.far)
            counted = np.array([counts[i].sum() for i in cells])
            null = 1 - float(np.mean(counts[of.cells][control[of.cells]]))
            missed = 1 - reach.of(of) * (1.0 if shown is None else _SHOWN)
            share, var = _lifted(size - counted, size, null, missed)
            var = var + np.clip(share, 0, 1) ** 2 * reach.variance
        # Controls are weighed by what is expected of them: by what they show, those with few far
        # cells would seem the surest, and their mean too low.
        rate = max(1 - null, 0.5 / max(int(control[of.cells].sum()), 1))  # seldom none at all
        expected = (1 - rate) * rate / size / (null - missed) ** 2
        animal = np.array([(sample if subject is None else subject)[i[0]] for i in cells])
        of_controls, noise = _by_animal(share[is_control], expected[is_control], animal[is_control])
        weight = 1 / noise
        centre = float((weight * of_controls).sum() / weight.sum())
        # spread of controls beyond sampling, with a prior so that two animals do not decide it
        extra = (((of_controls - centre) ** 2 - noise).sum()) / max(len(of_controls) - 1, 1)
        extra = max(extra * len(of_controls) / (len(of_controls) + 2), 0.0)
        se = np.sqrt(var + extra + 1 / weight.sum())
        z = norm_ppf(0.975)
        for i, s in enumerate(samples):
            value = share[i] - centre
            shares = [
                1 - np.mean(scores[i] <= k) / q for k, q in zip(of.cuts, QUANTILES, strict=True)
            ]
            bend = shares[0] / max(shares[-1], 1e-9) if shares[0] > 0 else np.nan
            rows.append(
                (s, c, size[i], beyond[i], value, se[i], min(max(value - z * se[i], 0), 1),
                 min(max(value + z * se[i], 0), 1),
                 bool(value > 2 * se[i] and bend > SHIFT_RATIO))
            )  # fmt: skip
    columns = list(zip(*rows, strict=True)) if rows else [()] * 9
    kinds = (np.int64, np.int64, np.int64, np.int64, float, float, float, float, bool)
    return Prevalence(*(np.array(v, dtype=k) for v, k in zip(columns, kinds, strict=True)))


@dataclass(frozen=True)
class _Cells:
    """A compartment: its cells, the cuts from its controls, and what irradiated cells exceed."""

    cells: Ints
    cuts: Floats
    cut: float
    far: float
    null: float  # share of controls beyond cut
    null_far: float
    excess: float  # irradiated cells beyond cut that controls do not explain
    excess_far: float
    noise: float  # standard error of the excess


def _compartment(
    aligned: Floats,
    cells: Bools,
    control: Bools,
    quantile: float,
    far: float | None,
    min_cells: int,
) -> _Cells | None:
    null, irradiated = aligned[cells & control], aligned[cells & ~control]
    if len(null) < min_cells:
        return None
    cut, edge = np.quantile(null, [quantile, quantile if far is None else far])
    if cut == float(np.min(null)):
        return None  # a score that does not vary says nothing
    beyond, beyond_far = float(np.mean(null > cut)), float(np.mean(null > edge))
    n, share = len(irradiated), (float(np.mean(irradiated > cut)) if len(irradiated) else beyond)
    noise = n * beyond * (1 - beyond) * (1 + n / len(null))
    return _Cells(
        np.flatnonzero(cells), np.quantile(null, QUANTILES), float(cut), float(edge), beyond,
        beyond_far, n * (share - beyond) / (1 - beyond),
        n * (float(np.mean(irradiated > edge)) - beyond_far) if n else 0.0,
        float(np.sqrt(noise)) / (1 - beyond),
    )  # fmt: skip


@dataclass(frozen=True)
class _Reach:
    """Which share of the senescent cells lies beyond the far cut, over the run.

    ``variance`` is relative.
    """

    share: float
    variance: float

    def of(self, cells: _Cells) -> float:
        """The same of one compartment, drawn to the run's by its noise."""
        share, _ = _beyond_far(
            cells.excess, cells.excess_far, cells.null_far, _TRUST_RUN * cells.noise, self.share
        )
        return max(share, 2 * cells.null_far + 0.05)


def _beyond_far(
    excess: float, far: float, null: float, weight: float, known: float
) -> tuple[float, float]:
    """Share of the senescent cells beyond the far cut, and the part in it of what was known.

    ``known`` counts as ``weight`` senescent cells that were seen.
    """
    senescent = max(excess, 0.0)
    if senescent + weight <= 0:
        return known, 1.0
    seen = min(max(far + senescent * null, 0.0), senescent)
    return (seen + weight * known) / (senescent + weight), weight / (senescent + weight)


def _reach(found: list[_Cells]) -> _Reach:
    """Learn it from all compartments, drawn to ``_FAR_SHARE`` by the noise of what is seen."""
    noise = float(np.sqrt(sum(of.noise**2 for of in found)))
    share, weight = _beyond_far(
        sum(of.excess for of in found),
        sum(of.excess_far for of in found),
        float(np.mean([of.null_far for of in found])) if found else 0.0,
        _TRUST_KNOWN * noise,
        _FAR_SHARE,
    )
    return _Reach(share, (_UNSURE * weight) ** 2)


def _lifted(below: Floats, n: Ints, null: float, missed: float) -> tuple[Floats, Floats]:
    """Share of the other group from how many lie below a cut, and its sampling variance.

    ``null`` of the null cells and ``missed`` of the others lie below it.
    """
    share = (null - below / n) / (null - missed)
    smooth = (below + 1) / (n + 2)
    return share, smooth * (1 - smooth) / n / (null - missed) ** 2


def _by_animal(share: Floats, var: Floats, animal: Ints) -> tuple[Floats, Floats]:
    """Shares of samples joined to one for each animal, by precision, and their variances."""
    _, code = np.unique(animal, return_inverse=True)
    precision = np.bincount(code, weights=1 / var)
    return np.bincount(code, weights=share / var) / precision, 1 / precision
