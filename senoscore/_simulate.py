"""Irradiated glioma-like tissue with known truth, for the demo, tests and calibration studies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import _keys as k
from senoscore._simulate_model import (
    _SPONTANEOUS,
    ACTIVATED,
    ACUTE,
    BURDEN,
    COMPARTMENTS,
    CYCLING,
    DAYS,
    ESCAPED,
    QUIESCENT,
    STATES,
    Tissue,
    make_tissue,
)

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

__all__ = ["design", "simulate"]

_FULL_DOSE: Final = 8.0
"""Gy at which the burden is what BURDEN says; it scales with dose below."""

_AMBIENT: Final = 0.03
_DOUBLETS: Final = 0.03
_POOR: Final = 0.03


@dataclass(frozen=True)
class _Sample:
    name: str
    treatment: str
    days: float
    dose: float
    batch: int


def design(*, replicates: int = 3, days: tuple[int, ...] = DAYS) -> pd.DataFrame:
    """Lay out a study: sham and irradiated animals, each taken once.

    Parameters
    ----------
    replicates
        Irradiated (8 Gy) animals a time point, and sham animals at the first, middle and last
        day; two animals each at 2 and 4 Gy on the middle day.
    days
        Times after irradiation, days; a subset of 1, 3, 7, 14, 28, 90.

    Returns
    -------
    A samples sheet: sample, subject, treatment, dose_gy, n_fractions, modality, time_post_rt,
    time_unit, batch, tissue, alpha_beta. Batches are balanced over treatments.
    """
    shams = sorted({days[0], days[len(days) // 2], days[-1]})
    groups = [("control", day, 0.0, replicates) for day in shams]
    groups += [("irradiated", day, _FULL_DOSE, replicates) for day in days]
    groups += [
        ("irradiated", days[len(days) // 2], dose, min(2, replicates)) for dose in (2.0, 4.0)
    ]
    rows: list[dict[str, Any]] = []
    for treatment, day, dose, n in groups:
        for animal in range(n):
            word = "sham" if treatment == k.CONTROL else f"rt{dose:g}"
            rows.append(
                {
                    k.SAMPLE: f"{word}_d{day}_{animal + 1}",
                    k.SUBJECT: f"m{len(rows) + 1:02d}",
                    k.TREATMENT: treatment,
                    k.DOSE: dose,
                    "n_fractions": 1 if dose else None,
                    "modality": "photon" if dose else "",
                    k.TIME: day,
                    "time_unit": "d",
                    k.BATCH: f"b{len(rows) % 2 + 1}",
                    "tissue": "brain",
                    "alpha_beta": 3.0,
                }
            )
    return pd.DataFrame(rows).astype({"n_fractions": "Int64"})


def simulate(
    samples: pd.DataFrame | None = None,
    *,
    seed: int = 0,
    cells_per_sample: int = 480,
    n_genes: int = 8000,
    median_counts: float = 4000,
    burden: float = 1.0,
    acute: float = 1.0,
    subject_sd: float = 0.12,
) -> ad.AnnData:
    r"""Simulate negative-binomial counts of irradiated tissue.

    Counts of cell :math:`i` and gene :math:`g` are Poisson with a gamma-distributed mean of
    expectation :math:`L_i p_{ig}` and dispersion :math:`\phi_g`; :math:`L` is log-normal between
    cells, and :math:`p` is the profile of compartment, state, animal and batch plus 3 % ambient
    RNA. 3 % of cells are doublets and 3 % are of poor quality.

    Parameters
    ----------
    samples
        As :func:`design` gives it (the default).
    seed
        Same seed, same counts: each sample has a stream of its own, so that adding one
        changes no other.
    cells_per_sample
        Cells a sample.
    n_genes
        Genes at least; those of human signatures and markers are always there.
    median_counts
        Median library size.
    burden
        Factor on the senescent (and escaped) share; 0 makes tissue without any senescence,
        spontaneous included.
    acute
        Factor on the share of cells with a transient p53 response.
    subject_sd
        Standard deviation between animals, natural log, of whole programmes.

    Returns
    -------
    AnnData, X int32 CSR. obs: the samples sheet's columns, ``true_compartment``, ``true_state``,
    ``is_doublet``, ``is_poor``. ``uns["truth"]``: sample, compartment, n_cells,
    senescent_fraction of the cells that are neither doublets nor poor.
    """
    import anndata as ad

    if samples is None:
        samples = design()
    root = np.random.SeedSequence(seed)
    tissue = make_tissue(np.random.default_rng(root.spawn(1)[0]), n_genes=n_genes)
    blocks, frames = [], []
    for row in samples.to_dict("records"):
        sample = _Sample(
            str(row[k.SAMPLE]),
            str(row[k.TREATMENT]),
            float(row[k.TIME]),
            float(row[k.DOSE]),
            sum(str(row[k.BATCH]).encode()),
        )
        key = (seed, *sample.name.encode())
        rng = np.random.default_rng(np.random.SeedSequence(key))
        obs = _cells(rng, sample, cells_per_sample, burden=burden, acute=acute)
        profiles = _animal(rng, tissue, sample, seed=seed, sd=subject_sd)
        blocks.append(_counts(rng, tissue, profiles, obs, median_counts))
        for column, value in row.items():
            obs[column] = value
        obs.index = pd.Index([f"{sample.name}-{i:04d}" for i in range(len(obs))], dtype=object)
        frames.append(obs)
    # Whole columns take the sheet's types: numbers with gaps must not end as objects.
    obs = pd.concat(frames).astype(samples.dtypes.to_dict())
    for column in ("true_compartment", "true_state", k.SAMPLE, k.TREATMENT, k.BATCH, k.SUBJECT):
        obs[column] = pd.Categorical(obs[column].astype(object))
    var = pd.DataFrame(index=pd.Index(tissue.genes, dtype=object))
    adata = ad.AnnData(sparse.vstack(blocks, format="csr"), obs=obs, var=var)
    adata.uns["truth"] = _truth(obs)
    return adata


def _curve(curve: tuple[float, ...], days: float) -> float:
    return float(np.interp(np.log1p(days), np.log1p(DAYS), curve))


def _state_shares(name: str, sample: _Sample, *, burden: float, acute: float) -> dict[str, float]:
    shares = dict.fromkeys(STATES, 0.0)
    shares["senescent"] = _SPONTANEOUS * min(burden, 1.0)
    if sample.treatment != k.CONTROL:
        scale = sample.dose / _FULL_DOSE
        shares["senescent"] += burden * scale * _curve(BURDEN[name], sample.days)
        if name in ESCAPED:
            shares["escaped"] = burden * scale * _curve(ESCAPED[name], sample.days)
        shares["acute"] = acute * min(1.0, scale) * _curve(ACUTE, sample.days)
    left = 1 - shares["senescent"] - shares["escaped"] - shares["acute"]
    shares["cycling"] = left * CYCLING.get(name, 0.0)
    shares["quiescent"] = left * QUIESCENT.get(name, 0.0)
    shares["activated"] = left * ACTIVATED.get(name, 0.0)
    shares["resting"] = 1 - sum(shares.values())
    return shares


def _cells(
    rng: np.random.Generator, sample: _Sample, n: int, *, burden: float, acute: float
) -> pd.DataFrame:
    names = list(COMPARTMENTS)
    share = np.array(list(COMPARTMENTS.values()))
    if sample.treatment != k.CONTROL:  # tumour shrinks, macrophages come
        share = share * np.where(np.array(names) == "tumour", 0.75, 1.0)
        share = share * np.where(np.array(names) == "macrophage", 1.25, 1.0)
    share = rng.dirichlet(60 * share / share.sum())
    compartment = rng.choice(len(names), size=n, p=share)
    state = np.empty(n, dtype=object)
    for i, name in enumerate(names):
        own = np.flatnonzero(compartment == i)
        shares = _state_shares(name, sample, burden=burden, acute=acute)
        drawn = rng.choice(len(STATES), size=len(own), p=list(shares.values()))
        state[own] = np.array(STATES, dtype=object)[drawn]
    return pd.DataFrame(
        {
            "true_compartment": np.array(names, dtype=object)[compartment],
            "true_state": state,
            "is_doublet": rng.random(n) < _DOUBLETS,
            "is_poor": rng.random(n) < _POOR,
        }
    )


def _animal(
    rng: np.random.Generator, tissue: Tissue, sample: _Sample, *, seed: int, sd: float
) -> dict[str, NDArray[np.float64]]:
    """Log profile of every state in one animal, each compartments x genes."""
    batch = np.random.default_rng(np.random.SeedSequence((seed, 7, sample.batch)))
    own = tissue.log_base + rng.normal(0, 0.10, tissue.log_base.shape)
    own = own + batch.normal(0, 0.15, len(tissue.genes))
    # Whole programmes differ between animals, stressed or not: what makes n the number of animals.
    tone = {name: rng.normal(0, sd) for name in (*tissue.families, "cycling", "acute")}
    for name, size in tone.items():
        own = own + size * tissue.programme[name]
    p = tissue.programme
    return {
        "resting": own + p["resting"],
        "cycling": own + p["cycling"],
        "quiescent": own + p["quiescent"],
        "acute": own + p["acute"],
        "activated": own + p["resting"] + p["activated"],
        "senescent": own + p["senescent"],
        "escaped": own + 0.6 * p["senescent"] + 1.2 * p["cycling"],
    }


def _counts(
    rng: np.random.Generator,
    tissue: Tissue,
    profiles: dict[str, NDArray[np.float64]],
    obs: pd.DataFrame,
    median_counts: float,
) -> sparse.csr_matrix:
    n, n_genes = len(obs), len(tissue.genes)
    names = list(COMPARTMENTS)
    log_p = np.empty((n, n_genes))
    compartment = obs["true_compartment"].map(names.index).to_numpy()
    state = obs["true_state"].to_numpy()
    secreting = np.isin(state, ("senescent", "escaped"))
    strength = rng.uniform(0.5, 1.5, n)
    graded = secreting | (state == "acute")  # cells are in it more or less deeply
    for i in range(n):
        own = profiles[state[i]][compartment[i]]
        rest = profiles["resting"][compartment[i]]
        log_p[i] = rest + strength[i] * (own - rest) if graded[i] else own
    for family in tissue.families:
        on = secreting & (rng.random(n) < 0.6)
        log_p[on] += strength[on, None] * tissue.programme[family][compartment[on]]
    p = np.exp(log_p)
    poor = obs["is_poor"].to_numpy()
    p[np.ix_(poor, tissue.mito)] *= 6
    p /= p.sum(axis=1, keepdims=True)
    p = (1 - _AMBIENT) * p + _AMBIENT * p.mean(axis=0)
    size = median_counts * np.exp(rng.normal(0, 0.4, n))
    size[secreting] *= 1.2  # senescent cells are large
    size[poor] *= 0.08
    shape = 1 / tissue.dispersion
    lam = (size[:, None] * p) * rng.gamma(shape, 1 / shape, size=(n, n_genes))
    counts = rng.poisson(lam).astype(np.int32)
    doublets = np.flatnonzero(obs["is_doublet"].to_numpy())
    counts[doublets] += counts[rng.integers(0, n, len(doublets))]
    return sparse.csr_matrix(counts)


def _truth(obs: pd.DataFrame) -> pd.DataFrame:
    good = obs[~obs["is_doublet"] & ~obs["is_poor"]]
    senescent = (good["true_state"].astype(str) == "senescent").groupby(
        [good[k.SAMPLE].astype(str), good["true_compartment"].astype(str)], sort=True
    )
    table: Any = senescent.agg(n_cells="size", senescent_fraction="mean").reset_index()
    return table.rename(columns={"true_compartment": k.COMPARTMENT})
