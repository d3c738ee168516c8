"""What the simulated tissue is made of: genes, compartments, states and their programmes.

The programmes are not the signatures. For each gene of a set it is drawn whether it moves at all
(of the SASP families, lysosome and others about half do; of p53 targets 70 %, of cell-cycle genes
90 %) and by how much, per compartment; CDKN1A, CDKN2A, CDKN2B, LMNB1 and HMGB2 always move;
several hundred genes outside every set move too. Every senescent or acutely stressed cell is in
its state more or less deeply, and SASP families switch on cell by cell. The truth is thus a noisy,
partial version of what the signatures list, and recovery on it is optimistic all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore._resources import resource
from senoscore._signatures import signatures
from senoscore.genes import symbols

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = [
    "BURDEN",
    "COMPARTMENTS",
    "CYCLING",
    "DAYS",
    "ESCAPED",
    "QUIESCENT",
    "STATES",
    "Tissue",
    "make_tissue",
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
    return {str(name): list(rows["gene"]) for name, rows in table.groupby("compartment")}


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
        own = at(markers[name])
        others = np.arange(len(COMPARTMENTS)) != i
        log_base[np.ix_(others, own)] = rng.normal(-13.5, 0.7, (others.sum(), len(own)))
        log_base[i, own] = rng.normal(-7.6, 0.7, len(own))
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
        own = rng.normal(0, 0.3, (k, len(idx)))
        still = rng.random((k, len(idx))) < 0.15
        out[:, idx] = np.where(still, 0, (size + own) * moves)
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
