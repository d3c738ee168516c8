"""What else a study of drugs has: circulating factors, and what became of the animals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import names as k

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["outcome_of", "plasma_of"]

_ANALYTES: Final = {
    # name: unit, level before irradiation, rise (natural log) at a whole burden, limit
    "IL6": ("pg/mL", 4.0, 6.0, 3.0),
    "CCL2": ("pg/mL", 90.0, 4.0, 10.0),
    "GDF15": ("pg/mL", 400.0, 5.0, 20.0),
    "IL1B": ("pg/mL", 0.8, 3.0, 0.9),
    "VEGFA": ("pg/mL", 60.0, 0.0, 9.0),
}
"""Circulating factors; VEGFA follows nothing, and half of IL1B is below the limit."""

_BETWEEN: Final = 0.25
_WITHIN: Final = 0.15
"""Standard deviations of a level between and within animals, natural log."""

_END: Final = 180.0
"""Day on which follow-up ends."""

_MEDIAN: Final = 90.0
"""Days from sampling to recurrence at an average burden: the median."""

_HAZARD: Final = 12.0
"""Natural log of the hazard ratio from none to all of the tumour cells senescent."""

_GRADES: Final = (0.05, 0.10, 0.18)
"""Senescent share of fibroblasts from which fibrosis is of grade 1, 2 and 3."""


def _share(truth: pd.DataFrame, compartment: str, samples: pd.DataFrame) -> NDArray[np.float64]:
    shares = truth[truth[k.COMPARTMENT] == compartment].set_index(k.SAMPLE)["senescent_fraction"]
    return shares.reindex(samples[k.SAMPLE].astype(str)).fillna(0.0).to_numpy(dtype=float)


def plasma_of(
    samples: pd.DataFrame, truth: pd.DataFrame, *, secretion: pd.Series, seed: int
) -> pd.DataFrame:
    """Draw circulating factors before irradiation and when the tissue is taken.

    Parameters
    ----------
    samples
        Samples sheet, one sample a subject.
    truth
        sample, compartment, senescent_fraction.
    secretion
        Factor on what senescent cells secrete, by sample.
    seed
        Same seed, same table.

    Returns
    -------
    subject, time, time_unit, analyte, value (text; ``<LOD`` below the limit), unit, lod.
    """
    burden = (_share(truth, "tumour", samples) + _share(truth, "fibroblast", samples)) / 2
    source = burden * secretion.reindex(samples[k.SAMPLE]).to_numpy(dtype=float)
    rng = np.random.default_rng(np.random.SeedSequence((seed, 13)))
    rows = []
    for analyte, (unit, level, rise, lod) in _ANALYTES.items():
        baseline = np.log(level) + rng.normal(0, _BETWEEN, len(samples))
        for days, change in ((-1.0, 0 * source), (samples[k.TIME].astype(float), rise * source)):
            value = np.exp(baseline + change + rng.normal(0, _WITHIN, len(samples)))
            rows.append(
                pd.DataFrame(
                    {
                        k.SUBJECT: samples[k.SUBJECT].to_numpy(),
                        "time": np.broadcast_to(days, len(samples)),
                        "time_unit": "d",
                        "analyte": analyte,
                        "value": [f"{v:.3g}" if v >= lod else "<LOD" for v in value],
                        "unit": unit,
                        "lod": lod,
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def outcome_of(samples: pd.DataFrame, truth: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Draw what became of the irradiated animals, whose tissue was a biopsy.

    Recurrence comes with a hazard that grows with the senescent share of tumour cells in the
    biopsy, and follow-up ends on day 180; the grade of fibrosis on that day follows the senescent
    share of fibroblasts.

    Parameters
    ----------
    samples
        Samples sheet, one sample a subject.
    truth
        sample, compartment, senescent_fraction.
    seed
        Same seed, same table.

    Returns
    -------
    subject, endpoint, kind (``time_to_event`` or ``grade``), time, time_unit, event, value.
    """
    treated = samples[samples[k.TREATMENT] != k.CONTROL]
    rng = np.random.default_rng(np.random.SeedSequence((seed, 17)))
    tumour = _share(truth, "tumour", treated)
    rate = np.log(2) / _MEDIAN * np.exp(_HAZARD * (tumour - tumour.mean()))
    days = treated[k.TIME].to_numpy(dtype=float) + rng.exponential(1 / rate)
    recurrence = pd.DataFrame(
        {
            k.SUBJECT: treated[k.SUBJECT].to_numpy(),
            "endpoint": "local_recurrence",
            "kind": "time_to_event",
            "time": np.round(np.minimum(days, _END), 1),
            "time_unit": "d",
            "event": (days < _END).astype(int),
        }
    )
    noisy = _share(truth, "fibroblast", treated) * np.exp(rng.normal(0, 0.3, len(treated)))
    fibrosis = pd.DataFrame(
        {
            k.SUBJECT: treated[k.SUBJECT].to_numpy(),
            "endpoint": "fibrosis",
            "kind": "grade",
            "time": _END,
            "time_unit": "d",
            "value": np.searchsorted(_GRADES, noisy, side="right"),
        }
    )
    both = pd.concat([recurrence, fibrosis], ignore_index=True)
    return both.astype({"event": "Int64", "value": "Int64"})
