"""Irradiated glioma-like tissue with known truth, for the demo, tests and calibration studies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import names as k
from senoscore.errors import ConfigError, InputError
from senoscore.genesets import signatures, symbols
from senoscore.io import resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import anndata as ad
    from numpy.typing import NDArray


__all__ = [
    "BURDEN",
    "COMPARTMENTS",
    "CYCLING",
    "DAYS",
    "DRUGS",
    "ESCAPED",
    "QUIESCENT",
    "STATES",
    "Tissue",
    "design",
    "design_of_drugs",
    "make_tissue",
    "simulate",
]

DAYS: Final = (1, 3, 7, 14, 28, 90)
"""Days after irradiation at which animals are taken."""

COMPARTMENTS: Final = {
    "tumour": 0.36,
    "macrophage": 0.20,
    "astrocyte": 0.15,
    "fibroblast": 0.11,
    "endothelial": 0.09,
    "t_cell": 0.09,
}
"""Share of each compartment in unirradiated tissue."""

STATES: Final = ("resting", "cycling", "quiescent", "acute", "activated", "senescent", "escaped")

BURDEN: Final = {  # at DAYS, after 8 Gy
    "astrocyte": (0.00, 0.02, 0.08, 0.15, 0.22, 0.26),
    "fibroblast": (0.00, 0.02, 0.08, 0.18, 0.30, 0.32),
    "macrophage": (0.00, 0.03, 0.14, 0.11, 0.05, 0.02),
    "tumour": (0.00, 0.04, 0.20, 0.26, 0.12, 0.05),
    "endothelial": (0.00, 0.00, 0.04, 0.08, 0.10, 0.10),
    "t_cell": (0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
}
"""Senescent share: rises and persists, peaks early and decays, or stays near nought."""

ESCAPED: Final = {"tumour": (0.00, 0.00, 0.01, 0.03, 0.06, 0.09)}
"""Share of cells with senescent features that divide again."""

ACUTE: Final = (0.55, 0.30, 0.06, 0.01, 0.00, 0.00)
"""Share of cells with a transient p53 response, which is not senescence, at DAYS."""

CYCLING: Final = {
    "tumour": 0.35,
    "t_cell": 0.12,
    "macrophage": 0.06,
    "endothelial": 0.06,
    "fibroblast": 0.05,
    "astrocyte": 0.01,
}
QUIESCENT: Final = {"fibroblast": 0.25, "tumour": 0.08, "endothelial": 0.10}
ACTIVATED: Final = {"macrophage": 0.10, "fibroblast": 0.04}
"""Inflamed cells in every arm, controls too: secretion without arrest."""


@dataclass(frozen=True)
class Drug:
    """What a drug does to senescent cells from the day it is given.

    Parameters
    ----------
    left
        Share of the senescent cells that it leaves, per compartment; others are left whole.
    secretion
        Factor on the SASP programmes of senescent cells, natural log scale.
    """

    left: Mapping[str, float]
    secretion: float = 1.0


DRUGS: Final = {
    "senolytic": Drug({"tumour": 0.35, "fibroblast": 0.35, "endothelial": 0.4, "astrocyte": 0.7}),
    "senomorphic": Drug({}, secretion=0.25),
}
"""Made-up drugs: one clears senescent cells, astrocytes least; one silences what they secrete."""

_SPONTANEOUS: Final = 0.005
"""Senescent share without irradiation."""

_FAMILIES: Final = (
    "sasp_interleukin",
    "sasp_chemokine",
    "sasp_growth_factor",
    "sasp_protease",
    "sasp_protease_inhibitor",
    "sasp_igfbp",
    "sasp_soluble_receptor",
    "sasp_angiogenic",
)
_PLAIN: Final = re.compile(
    r"(?!LINC|MIR|SNOR|RNU|LOC|OR\d|KRTAP|IGH|IGK|IGL|TRA|TRB)[A-Z][A-Z0-9]{2,6}"
)


@dataclass(frozen=True)
class Tissue:
    """Everything that samples share.

    Parameters
    ----------
    genes
        Symbols, length n_genes.
    log_base
        Natural log of relative abundance, compartments x genes.
    programme
        Natural log change per state or SASP family and compartment, each
        compartments x genes; ``senescent`` is without the SASP families.
    dispersion
        Negative-binomial dispersion per gene.
    mito
        Which genes are mitochondrial.
    """

    genes: NDArray[np.object_]
    log_base: NDArray[np.float64]
    programme: dict[str, NDArray[np.float64]]
    families: tuple[str, ...]
    dispersion: NDArray[np.float64]
    mito: NDArray[np.bool_]


def _up(name: str) -> tuple[str, ...]:
    return signatures(name)[name].up


def _markers() -> dict[str, list[str]]:
    table = pd.read_csv(resource("compartments", "markers.tsv"), sep="\t", comment="#")
    return {
        str(name): list(rows["gene"]) for name, rows in table.groupby("compartment", observed=True)
    }


def _gene_list(rng: np.random.Generator, n_genes: int) -> NDArray[np.object_]:
    needed: set[str] = set()
    for signature in signatures("all").values():
        if signature.organism == "human":
            needed.update(signature.up + signature.down)
    for genes in _markers().values():
        needed.update(genes)
    known = sorted(set(symbols("human")))
    mito = [g for g in known if re.fullmatch(r"MT-(?:ND\w+|CO\d|ATP\d|CYB)", g)]
    needed.update(mito, [g for g in known if re.fullmatch(r"RP[LS]\d+[AXY]?", g)])
    needed &= set(known)
    rest = np.array([g for g in known if _PLAIN.fullmatch(g) and g not in needed], dtype=object)
    n_rest = max(0, min(n_genes - len(needed), len(rest)))
    chosen = rng.choice(len(rest), size=n_rest, replace=False)
    return np.array(sorted(needed | set(rest[chosen])), dtype=object)


def make_tissue(rng: np.random.Generator, *, n_genes: int) -> Tissue:
    """Draw the tissue: baseline profiles and programmes.

    Parameters
    ----------
    rng
        Generator of everything drawn here.
    n_genes
        Genes wanted; all genes of human signatures and markers are there in any case.

    Returns
    -------
    The tissue.
    """
    genes = _gene_list(rng, n_genes)
    where = {gene: i for i, gene in enumerate(genes)}

    def at(names: Iterable[str]) -> NDArray[np.int64]:
        return np.array(sorted(where[n] for n in set(names) if n in where), dtype=np.int64)

    n = len(genes)
    base = rng.normal(-10.0, 1.5, n)
    house = at(g for g in genes if re.fullmatch(r"RP[LS]\d+[AXY]?|MT-.*", g))
    base[house] = rng.normal(-6.3, 0.5, len(house))
    quiet = at([g for name in _FAMILIES for g in _up(name)])
    base[quiet] = rng.normal(-11.0, 1.0, len(quiet))
    arrest = at(["CDKN1A", "CDKN2A", "CDKN2B"])
    base[arrest] = [-9.2 if genes[i] == "CDKN1A" else -12.8 for i in arrest]
    cycle = at((*_up("fischer_g1s"), *_up("fischer_g2m"), *_up("proliferation")))
    base[cycle] = np.clip(base[cycle], -11.5, -8.8)

    log_base = np.tile(base, (len(COMPARTMENTS), 1)) + rng.normal(0, 0.5, (len(COMPARTMENTS), n))
    log_base[:, house] = base[house]
    markers = _markers()
    for i, name in enumerate(COMPARTMENTS):
        places = at(markers[name])
        others = np.arange(len(COMPARTMENTS)) != i
        log_base[np.ix_(others, places)] = rng.normal(-13.5, 0.7, (others.sum(), len(places)))
        log_base[i, places] = rng.normal(-7.6, 0.7, len(places))
        if name in ("macrophage", "fibroblast"):  # secrete at rest
            log_base[i, quiet] += rng.gamma(1.5, 0.8, len(quiet))

    programme = _programmes(rng, at, n)
    mito = np.array([g.startswith("MT-") for g in genes])
    dispersion = rng.gamma(2.0, 0.15, n) + 0.05
    return Tissue(genes, log_base, programme, _FAMILIES, dispersion, mito)


def _programmes(rng: np.random.Generator, at: object, n: int) -> dict[str, NDArray[np.float64]]:
    k = len(COMPARTMENTS)

    def drawn(
        names: Iterable[str], mean: float, *, moving: float = 0.55, sd: float = 0.4
    ) -> NDArray[np.float64]:
        """Draw log changes of a set: a core that compartments share, and what is their own."""
        idx = at(names)  # type: ignore[operator]
        out = np.zeros((k, n))
        size = np.abs(rng.normal(abs(mean), sd, len(idx))) * np.sign(mean)
        moves = rng.random(len(idx)) < moving
        effects = rng.normal(0, 0.3, (k, len(idx)))
        still = rng.random((k, len(idx))) < 0.15
        out[:, idx] = np.where(still, 0, (size + effects) * moves)
        return out

    def fixed(changes: dict[str, float]) -> NDArray[np.float64]:
        out = np.zeros((k, n))
        for gene, change in changes.items():
            out[:, at([gene])] = change  # type: ignore[operator]
        return out

    cycle = {
        *_up("fischer_g1s"),
        *_up("fischer_g2m"),
        *_up("proliferation"),
        *_up("e2f_dream_core"),
    }
    p53 = _up("p53_targets")
    elsewhere = rng.normal(0, 0.5, (k, n)) * (rng.random(n) < 0.04)
    off = drawn(cycle, -1.4, moving=0.9)
    return {
        "cycling": drawn(cycle, 1.7, moving=0.9),
        "resting": off,
        "quiescent": off * 1.2 + drawn(_up("quiescence"), 0.8) + fixed({"CDKN1B": 0.7}),
        "acute": off * 0.8
        + drawn(p53, 1.1, moving=0.85)
        + drawn(_up("ddr"), 0.6)
        + fixed({"CDKN1A": 1.7, "MDM2": 1.2}),
        "activated": drawn([g for f in _FAMILIES[:3] for g in _up(f)], 1.0)
        + drawn(_up("nfkb_targets"), 0.8),
        "senescent": off * 1.2
        + drawn(p53, 0.7, moving=0.7)
        + drawn(_up("lysosome"), 0.5)
        + drawn(_up("antiapoptotic_scap"), 0.4)
        + drawn(_up("nfkb_targets"), 0.5)
        + drawn(_up("interferon_response"), 0.4, moving=0.4)
        + fixed({"CDKN1A": 1.5, "CDKN2A": 1.5, "CDKN2B": 1.0, "LMNB1": -1.5, "HMGB2": -1.0})
        + elsewhere,
        **{family: drawn(_up(family), 1.2, sd=0.6) for family in _FAMILIES},
    }


_DRUG_FROM: Final = 14.0
"""Day from which a drug is given in :func:`design_of_drugs`."""

_NEEDED: Final = (k.SAMPLE, k.SUBJECT, k.TREATMENT, k.DOSE, k.TIME, k.BATCH)
"""Columns of a table of samples that is simulated."""
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
    drugs: tuple[str, ...] = ()
    frailty: float = 1.0

    @property
    def secretion(self) -> float:
        """Factor of all its drugs on what senescent cells secrete."""
        return float(np.prod([DRUGS[name].secretion for name in self.drugs]))

    def left(self, compartment: str) -> float:
        """Share of the senescent cells that its drugs leave."""
        return float(np.prod([DRUGS[name].left.get(compartment, 1.0) for name in self.drugs]))


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


def design_of_drugs(*, replicates: int = 5, days: float = 28) -> pd.DataFrame:
    """Lay out a study of drugs after radiotherapy: 2 x 2 and one arm more, all taken on one day.

    Sham and 8 Gy, each without a drug and with the senolytic; 8 Gy with the senomorphic. Drugs
    are given from day 14 on.

    Parameters
    ----------
    replicates
        Animals an arm.
    days
        Day on which they are taken, after day 14.

    Returns
    -------
    A samples sheet as of :func:`design`, with drug, drug_dose, drug_unit, drug_start_days,
    drug_stop_days, cov_sex and cov_age_weeks. Batches and sexes are balanced over arms.
    """
    arms = [
        (k.CONTROL, ""),
        (k.CONTROL, "senolytic"),
        ("irradiated", ""),
        ("irradiated", "senolytic"),
        ("irradiated", "senomorphic"),
    ]
    rows: list[dict[str, Any]] = []
    for treatment, drug in arms:
        dose = 0.0 if treatment == k.CONTROL else _FULL_DOSE
        for animal in range(replicates):
            word = "sham" if treatment == k.CONTROL else "rt"
            rows.append(
                {
                    k.SAMPLE: f"{word}_{drug or 'vehicle'}_{animal + 1}",
                    k.SUBJECT: f"m{len(rows) + 1:02d}",
                    k.TREATMENT: treatment,
                    k.DOSE: dose,
                    "n_fractions": 1 if dose else None,
                    "modality": "photon" if dose else "",
                    k.TIME: days,
                    "time_unit": "d",
                    k.BATCH: f"b{(animal + len(rows) // replicates) % 2 + 1}",
                    "tissue": "brain",
                    "alpha_beta": 3.0,
                    "drug": drug,
                    "drug_dose": 50.0 if drug else None,
                    "drug_unit": "mg/kg" if drug else "",
                    "drug_start_days": _DRUG_FROM if drug else None,
                    "drug_stop_days": days if drug else None,
                    "cov_sex": "fm"[animal % 2],
                    "cov_age_weeks": 10 + animal,
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
    burden_sd: float = 0.0,
) -> ad.AnnData:
    r"""Simulate negative-binomial counts of irradiated tissue.

    Counts of cell :math:`i` and gene :math:`g` are Poisson with a gamma-distributed mean of
    expectation :math:`L_i p_{ig}` and dispersion :math:`\phi_g`; :math:`L` is log-normal between
    cells, and :math:`p` is the profile of compartment, state, animal and batch plus 3 % ambient
    RNA. 3 % of cells are doublets and 3 % are of poor quality.

    Parameters
    ----------
    samples
        As :func:`design` gives it (the default), or :func:`design_of_drugs`: a column ``drug``
        names drugs of :data:`DRUGS`, several with ``+``.
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
    burden_sd
        Standard deviation between animals, natural log, of the senescent share in all
        compartments alike; 0 leaves differences between animals to chance among their cells.

    Returns
    -------
    AnnData, X int32 CSR. obs: the samples sheet's columns, ``true_compartment``, ``true_state``,
    ``is_doublet``, ``is_poor``. ``uns["truth"]``: sample, compartment, n_cells,
    senescent_fraction of the cells that are neither doublets nor poor.

    Raises
    ------
    InputError
        ``samples`` lacks a column, a dose or time is no number, or a time is not in days.
    ConfigError
        ``drug`` names one that is not in :data:`DRUGS`.

    Examples
    --------
    >>> tissue = sen.simulate(samples.head(2), seed=1, cells_per_sample=50, n_genes=1000)
    >>> tissue.n_obs, sorted(tissue.uns["truth"])
    (100, ['compartment', 'n_cells', 'sample', 'senescent_fraction'])
    """
    import anndata as ad

    if samples is None:
        samples = design()
    _check_samples(samples)
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
            _drugs(row.get("drug")),
            _frailty(str(row[k.SUBJECT]), seed=seed, sd=burden_sd),
        )
        key = (seed, *sample.name.encode())
        rng = np.random.default_rng(np.random.SeedSequence(key))
        obs = _cells(rng, sample, cells_per_sample, burden=burden, acute=acute)
        profiles = _animal(rng, tissue, sample, seed=seed, sd=subject_sd)
        blocks.append(
            _counts(rng, tissue, profiles, obs, median_counts, secretion=sample.secretion)
        )
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


def _check_samples(samples: pd.DataFrame) -> None:
    """Refuse a sheet that cannot be simulated, before the first count is drawn."""
    own = f"columns needed: {', '.join(_NEEDED)}; sen.simulation.design() makes such a table"
    missing = [name for name in _NEEDED if name not in samples]
    if missing:
        msg = f"simulate: the table of samples has no column {missing[0]!r}"
        raise InputError(msg, fix=own)
    for name in (k.DOSE, k.TIME):
        bad = ~np.isfinite(pd.to_numeric(samples[name], errors="coerce").to_numpy(dtype=float))
        if bad.any():
            row = samples[bad].iloc[0]
            msg = f"simulate: sample {row[k.SAMPLE]!r} has {name} {row[name]!r}, expected a number"
            raise InputError(msg, fix="give every sample a number (controls: 0 Gy, day taken)")
    if "time_unit" in samples and not samples["time_unit"].eq("d").all():
        msg = "simulate: time_unit is not 'd' for every sample"
        raise InputError(msg, fix=f"give {k.TIME} in days")


def _drugs(cell: object) -> tuple[str, ...]:
    if cell is None or pd.isna(cell):  # type: ignore[call-overload]
        return ()
    names = tuple(part.strip() for part in str(cell).split("+") if part.strip())
    for name in names:
        if name not in DRUGS:
            msg = f"drug is {name!r}, expected {' or '.join(DRUGS)}"
            raise ConfigError(msg, fix="the simulation knows these two; write one of them")
    return names


def _frailty(subject: str, *, seed: int, sd: float) -> float:
    """Factor of an animal on its burden, from a stream of its own."""
    if sd == 0:
        return 1.0
    rng = np.random.default_rng(np.random.SeedSequence((seed, 11, *subject.encode())))
    return float(np.exp(rng.normal(-(sd**2) / 2, sd)))


def _curve(curve: tuple[float, ...], days: float) -> float:
    return float(np.interp(np.log1p(days), np.log1p(DAYS), curve))


def _state_shares(name: str, sample: _Sample, *, burden: float, acute: float) -> dict[str, float]:
    shares = dict.fromkeys(STATES, 0.0)
    shares["senescent"] = _SPONTANEOUS * min(burden, 1.0)
    if sample.treatment != k.CONTROL:
        scale = sample.dose / _FULL_DOSE
        shares["senescent"] += burden * sample.frailty * scale * _curve(BURDEN[name], sample.days)
        if name in ESCAPED:
            shares["escaped"] = burden * sample.frailty * scale * _curve(ESCAPED[name], sample.days)
        shares["acute"] = acute * min(1.0, scale) * _curve(ACUTE, sample.days)
    shares["senescent"] = min(0.95, shares["senescent"] * sample.left(name))
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
        inside = np.flatnonzero(compartment == i)
        shares = _state_shares(name, sample, burden=burden, acute=acute)
        drawn = rng.choice(len(STATES), size=len(inside), p=list(shares.values()))
        state[inside] = np.array(STATES, dtype=object)[drawn]
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
    profile = tissue.log_base + rng.normal(0, 0.10, tissue.log_base.shape)
    profile = profile + batch.normal(0, 0.15, len(tissue.genes))
    # Whole programmes differ between animals, stressed or not: what makes n the number of animals.
    tone = {name: rng.normal(0, sd) for name in (*tissue.families, "cycling", "acute")}
    for name, size in tone.items():
        profile = profile + size * tissue.programme[name]
    p = tissue.programme
    return {
        "resting": profile + p["resting"],
        "cycling": profile + p["cycling"],
        "quiescent": profile + p["quiescent"],
        "acute": profile + p["acute"],
        "activated": profile + p["resting"] + p["activated"],
        "senescent": profile + p["senescent"],
        "escaped": profile + 0.6 * p["senescent"] + 1.2 * p["cycling"],
    }


def _counts(
    rng: np.random.Generator,
    tissue: Tissue,
    profiles: dict[str, NDArray[np.float64]],
    obs: pd.DataFrame,
    median_counts: float,
    *,
    secretion: float,
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
        profile = profiles[state[i]][compartment[i]]
        rest = profiles["resting"][compartment[i]]
        log_p[i] = rest + strength[i] * (profile - rest) if graded[i] else profile
    for family in tissue.families:
        on = secreting & (rng.random(n) < 0.6)
        size_of = secretion * strength[on, None]
        log_p[on] += size_of * tissue.programme[family][compartment[on]]
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
        [good[k.SAMPLE].astype(str), good["true_compartment"].astype(str)],
        sort=True,
        observed=True,
    )
    table: Any = senescent.agg(n_cells="size", senescent_fraction="mean").reset_index()
    return table.rename(columns={"true_compartment": k.COMPARTMENT})
