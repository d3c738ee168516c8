"""How many cells of a sample are senescent, apart from which.

Two groups: what of a sample's aligned scores lies below a quantile of the control cells is not
senescent; the rest, scaled up, is (Storey 2002 JRSS B 64:479). It needs no cell to be called and
is hardly biased where senescent cells lie above that quantile. The same share of control samples,
which should be nought, says how far samples differ for other reasons: its mean is taken away, and
its spread widens the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

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
SHIFT_RATIO: Final = 2.2


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
    min_cells
        Fewest cells of a sample in a compartment.
    """
    control = ~np.asarray(treated, dtype=bool)
    rows = []
    for c in np.unique(compartment):
        in_compartment = (compartment == c) & np.isfinite(aligned)
        if (in_compartment & control).sum() < min_cells:
            continue
        cuts = np.quantile(aligned[in_compartment & control], QUANTILES)
        cut = float(np.quantile(aligned[in_compartment & control], quantile))
        if cut == float(np.min(aligned[in_compartment & control])):
            continue  # a score that does not vary says nothing
        below = float(np.mean(aligned[in_compartment & control] <= cut))
        samples = [
            s
            for s in np.unique(sample[in_compartment])
            if (in_compartment & (sample == s)).sum() >= min_cells
        ]
        raw, sampling, arm, size, bend, beyond = [], [], [], [], [], []
        for s in samples:
            x = aligned[in_compartment & (sample == s)]
            f = float(np.mean(x <= cut))
            raw.append(1 - f / below)
            smooth = (f * len(x) + 1) / (len(x) + 2)
            sampling.append(smooth * (1 - smooth) / len(x) / below**2)
            arm.append(bool(control[in_compartment & (sample == s)].all()))
            size.append(len(x))
            beyond.append(int((x > cut).sum()))
            shares = [1 - np.mean(x <= k) / q for k, q in zip(cuts, QUANTILES, strict=True)]
            bend.append(shares[0] / max(shares[-1], 1e-9) if shares[0] > 0 else np.nan)
        share, var, is_control = np.array(raw), np.array(sampling), np.array(arm)
        if not is_control.any():
            continue
        animal = np.array(
            [(sample if subject is None else subject)[sample == s][0] for s in samples]
        )
        of_controls, noise = _by_animal(share[is_control], var[is_control], animal[is_control])
        weight = 1 / noise
        centre = float((weight * of_controls).sum() / weight.sum())
        # spread of controls beyond sampling, with a prior so that two animals do not decide it
        extra = (((of_controls - centre) ** 2 - noise).sum()) / max(len(of_controls) - 1, 1)
        extra = max(extra * len(of_controls) / (len(of_controls) + 2), 0.0)
        se = np.sqrt(var + extra + 1 / weight.sum())
        z = norm_ppf(0.975)
        for i, s in enumerate(samples):
            value = share[i] - centre
            rows.append(
                (s, c, size[i], beyond[i], value, se[i], min(max(value - z * se[i], 0), 1),
                 min(max(value + z * se[i], 0), 1),
                 bool(value > 2 * se[i] and bend[i] > SHIFT_RATIO))
            )  # fmt: skip
    columns = list(zip(*rows, strict=True)) if rows else [()] * 9
    kinds = (np.int64, np.int64, np.int64, np.int64, float, float, float, float, bool)
    return Prevalence(*(np.array(v, dtype=k) for v, k in zip(columns, kinds, strict=True)))


def _by_animal(share: Floats, var: Floats, animal: Ints) -> tuple[Floats, Floats]:
    """Shares of samples joined to one for each animal, by precision, and their variances."""
    _, code = np.unique(animal, return_inverse=True)
    precision = np.bincount(code, weights=1 / var)
    return np.bincount(code, weights=share / var) / precision, 1 / precision
