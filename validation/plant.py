"""Plant published programmes and decoys into counts of cells that are not senescent.

Counts are changed cell by cell: a gene that falls is thinned binomially, a gene that rises gets
Poisson counts on top, in proportion to its mean in the compartment.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse
from study import REALDATA

import senoscore as sen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

FOLDER: Final = REALDATA / "senescence_contrasts_bulk"


@cache
def contrasts() -> pd.DataFrame:
    """Published contrasts: name, class, study, and whether they may be tuned on."""
    table = pd.read_csv(FOLDER / "contrasts.tsv", sep="\t")
    table = table.rename(columns={"senescence": "kind", "experiment": "study"})
    table = table[table["study"] != "SRP233283"]  # nothing moves in it
    digest = [int(hashlib.sha256(s.encode()).hexdigest(), 16) for s in table["study"]]
    table["tune"] = [d % 2 == 0 for d in digest]
    return table.set_index("contrast")[["kind", "study", "tune"]]


@cache
def _tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    read = [
        pd.read_csv(FOLDER / f"{name}.tsv.gz", sep="\t", index_col=0)
        for name in ("log2fc", "lfcse")
    ]
    lfc, se = (t[~t.index.duplicated()] for t in read)
    return lfc, se


@cache
def effects() -> pd.DataFrame:
    """Shrunken natural log change of every gene in every contrast (0 where not known)."""
    lfc, se = _tables()
    shrunken = lfc * lfc**2 / (lfc**2 + se**2)
    return (shrunken.clip(-4, 4).fillna(0) * np.log(2)).astype(float)


def prior(
    leave_study: str | Iterable[str] | None = None, kinds: Iterable[str] = ("DNA-damage",)
) -> pd.Series:
    """Mean published effect over studies, divided by its spread: what to expect of a gene."""
    facts = contrasts()
    left = [leave_study] if isinstance(leave_study, str) else list(leave_study or ())
    facts = facts[~facts["study"].isin(left)]
    own = facts[facts["kind"].isin(list(kinds))]
    table = effects()
    by_study = pd.DataFrame({s: table[rows.index].mean(axis=1) for s, rows in own.groupby("study")})
    return by_study.mean(axis=1) / (by_study.std(axis=1, ddof=1) + 0.5)


def plant(
    counts: sparse.csr_matrix,
    compartment: NDArray[np.object_],
    chosen: NDArray[np.bool_],
    change: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    spread: tuple[float, float] = (0.5, 1.5),
) -> sparse.csr_matrix:
    """Change the counts of chosen cells by natural log changes, more or less deep cell by cell."""
    counts = sparse.csr_matrix(counts, dtype=np.float64)
    rows = np.flatnonzero(chosen)
    moving = np.flatnonzero(np.abs(change) > 0.05)
    total = np.asarray(counts.sum(axis=1)).ravel()
    new = counts[rows].tocsc()[:, moving].toarray()
    depth = rng.uniform(*spread, len(rows))[:, None]
    size = change[moving][None, :] * depth
    share = np.zeros_like(new)
    for c in np.unique(compartment[rows]):
        mean = np.asarray(counts[compartment == c].sum(axis=0)).ravel()
        share[compartment[rows] == c] = mean[moving] / max(mean.sum(), 1)
    new = rng.binomial(new.astype(int), np.exp(np.minimum(size, 0))) + rng.poisson(
        total[rows][:, None] * share * np.expm1(np.clip(size, 0, 4))
    )
    place = sparse.csr_matrix(
        (np.ones(len(moving)), (np.arange(len(moving)), moving)), shape=(len(moving), len(change))
    )
    still = np.ones(len(change))
    still[moving] = 0
    changed = counts[rows] @ sparse.diags(still) + sparse.csr_matrix(new) @ place
    put = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(counts.shape[0], len(rows))
    )
    kept = sparse.diags((~chosen).astype(float)) @ counts
    return sparse.csr_matrix(kept + put @ changed)


def thinned(
    counts: sparse.csr_matrix, keep: NDArray[np.float64], rng: np.random.Generator
) -> sparse.csr_matrix:
    """Keep each molecule of a cell with the cell's probability."""
    out = sparse.csr_matrix(counts, copy=True)
    p = np.repeat(keep, np.diff(out.indptr))
    out.data = rng.binomial(out.data.astype(int), p).astype(float)
    out.eliminate_zeros()
    return out


def genes_of(*names: str) -> set[str]:
    """All genes of some signatures."""
    return {g for n in names for s in [sen.signatures(n)[n]] for g in (*s.up, *s.down)}


def of_sets(
    genes: NDArray[np.object_],
    names: Iterable[str],
    rng: np.random.Generator,
    moves: float,
    size: float,
) -> NDArray[np.float64]:
    """Rises of some genes of some signatures."""
    own = np.isin(genes, list(genes_of(*names))) & (rng.random(len(genes)) < moves)
    return np.where(own, rng.gamma(4, size / 4, len(genes)), 0.0)
