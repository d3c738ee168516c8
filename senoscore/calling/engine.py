"""The learnt call on an AnnData: which genes, which samples, two passes over the cells.

The kernels (:mod:`senoscore.calling.programme` and its neighbours) know arrays; the statistics is
theirs. Here genes are found, values brought to one scale, and cells read in blocks: once to add
up sums, once to score. Memory grows with the square of the candidate genes, not with cells.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import yaml
from scipy import sparse

from senoscore import names as k
from senoscore.calling.learned import call_cells
from senoscore.calling.prevalence import prevalence
from senoscore.calling.programme import Features, ProgrammeStats, learn, plan_folds
from senoscore.cells import gene_symbols, organism_of, values_of
from senoscore.errors import DesignError, InputError
from senoscore.genesets import genes as gene_names
from senoscore.genesets import signatures
from senoscore.io import iter_blocks, resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.calling.programme import Programme

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["Learnt", "learn_and_call"]

log = logging.getLogger(__name__)

_TARGET: Final = 1e4
_MIN_SAMPLES: Final = 3
_MIN_GENES: Final = 50
_MIDDLE_LOG_DEPTH: Final = 8.0


@dataclass(frozen=True)
class Learnt:
    """What the learnt call found.

    Attributes
    ----------
    cells
        One row a cell, in the order of the AnnData: ``score`` (control SDs, against the lower
        middle of its sample), ``p`` (against the control cells of the run), ``p_kinds`` (arrest
        and another kind), ``q``, ``called``; NaN and False where a cell was not judged.
    programme
        One row a compartment and gene with a weight: ``weight`` and ``shift`` (control SDs),
        ``covariance`` (excess within irradiated samples), ``prior`` (published lists that name
        the gene), ``stability`` (correlation of the weights between folds), ``source``.
    prevalence
        One row a sample and compartment: ``n_cells``, ``prevalence``, ``prevalence_lo``,
        ``prevalence_hi`` (95 %), ``shifted`` (the whole sample moved: not a mixture).
    note
        What could not be judged, and why.
    """

    cells: pd.DataFrame
    programme: pd.DataFrame
    prevalence: pd.DataFrame
    note: str


@dataclass(frozen=True)
class _Read:
    """Columns of the matrix that are read, and what they are."""

    features: Features
    use: Ints
    groups: tuple[Ints, ...]


def _rules() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(resource("programme.yaml").read_text(encoding="utf-8"))
    return loaded


def _genes_of(names: list[str]) -> set[str]:
    found = signatures(*names)
    return {gene for name in names for gene in (*found[name].up, *found[name].down)}


def _columns(adata: AnnData) -> _Read:
    """Find the candidate genes and those of the nuisances among the genes of the matrix."""
    rules = _rules()
    symbols = gene_symbols(adata)
    organism = organism_of(adata)
    if organism != "human":
        human = gene_names.orthologs(symbols, organism, "human")["target"]
        symbols = [
            h if isinstance(h, str) and h else s for h, s in zip(human, symbols, strict=True)
        ]
    genes = np.array(symbols, dtype=object)
    cycle = _genes_of(rules["cell_cycle"])
    nuisances = {
        name: _genes_of(entry.get("signatures", [])) | set(entry.get("genes", []))
        for name, entry in rules["nuisances"].items()
    }
    out = (cycle | set().union(*nuisances.values())) - set(rules["keep"])
    sets = signatures(*rules["candidates"])
    up: Counter[str] = Counter()
    down: Counter[str] = Counter()
    for name in rules["candidates"]:
        up.update(set(sets[name].up))
        down.update(set(sets[name].down))
    sign = np.array([float(np.sign(up[g] - down[g])) if g not in out else 0.0 for g in genes])
    use = np.flatnonzero(sign)
    if len(use) < _MIN_GENES:
        msg = f"{len(use)} of the genes that may tell senescence are in the matrix"
        raise InputError(msg, fix=f"give all genes, with symbols; {_MIN_GENES} are needed")
    chosen = genes[use]
    arrest = {name: _genes_of(list(of)) for name, of in rules["kinds"].items()}
    kinds = {name: np.isin(chosen, list(of)) for name, of in arrest.items()}
    kinds["other"] = ~np.any(list(kinds.values()), axis=0)
    named = np.array([up[g] + down[g] for g in chosen], dtype=float)
    groups = [cycle, *nuisances.values()]
    features = Features(
        chosen, sign[use], kinds, sign[use] * named, ("depth", "depth2", "cycle", *nuisances)
    )
    return _Read(features, use, tuple(np.flatnonzero(np.isin(genes, list(of))) for of in groups))


def _blocks(
    adata: AnnData, read: _Read, kind: str, layer: str | None, size: int
) -> Iterator[tuple[slice, sparse.csr_matrix, Floats, Floats]]:
    """Rows, log-normalised candidates, covariates and log depth of each block."""
    for block in iter_blocks(adata, block_size=size, layer=layer):
        x = sparse.csr_matrix(
            (block.data.astype(np.float64), block.indices, block.indptr),
            shape=(block.stop - block.start, block.n_vars),
        )
        if kind == k.LOGNORM:
            total = np.asarray(x.expm1().sum(axis=1)).ravel()
            genes = np.diff(x.indptr).astype(float)
            depth = np.log(np.maximum(genes, 1))
        else:
            total = np.asarray(x.sum(axis=1)).ravel()
            depth = np.log(np.maximum(total, 1))
            x = sparse.diags(_TARGET / np.maximum(total, 1)) @ x
            x.data = np.log1p(x.data)
        columns = x.tocsc()
        centred = depth - _MIDDLE_LOG_DEPTH
        means = [
            np.asarray(columns[:, of].mean(axis=1)).ravel() if len(of) else np.zeros(len(depth))
            for of in read.groups
        ]
        values = sparse.csr_matrix(columns[:, read.use])
        covariates = np.column_stack([centred, centred**2, *means])
        yield slice(block.start, block.stop), values, covariates, depth


def learn_and_call(
    adata: AnnData,
    *,
    treated: Bools,
    judged: Bools,
    sample: str = k.SAMPLE,
    compartment: str = k.COMPARTMENT,
    group: NDArray[Any] | None = None,
    layer: str | None = None,
    fdr: float = 0.1,
    block_size: int = 4096,
) -> Learnt:
    """Learn the programme of a study from its own cells and call senescent cells by it.

    Parameters
    ----------
    adata
        Counts or log-normalised values in X or ``layer``.
    treated
        Cells of irradiated samples, shape (n_cells,).
    judged
        Cells to use: kept, with a compartment, and controls or late enough; shape (n_cells,).
    sample, compartment
        Columns of ``obs``.
    group
        Arm and day of each cell, shape (n_cells,); the shift is learnt per group.
    layer
        None is X.
    fdr
        False discovery rate of the call, over the run.
    block_size
        Cells read at a time.

    Raises
    ------
    DesignError
        Fewer than three control or three irradiated samples: nothing can be learnt that has not
        seen the cells it judges.
    InputError
        Too few of the candidate genes, or values that are no expression.
    """
    names, codes = np.unique(adata.obs[sample].astype(str).to_numpy(), return_inverse=True)
    rooms, where = np.unique(adata.obs[compartment].astype(str).to_numpy(), return_inverse=True)
    used = [int(i) for i in np.unique(codes[judged])]
    arm = np.array([bool(treated[codes == i].any()) for i in used])
    for what, n in (("control", int((~arm).sum())), ("irradiated", int(arm.sum()))):
        if n < _MIN_SAMPLES:
            msg = f"{n} {what} samples, {_MIN_SAMPLES} needed to learn a programme"
            raise DesignError(msg, fix='use engine="panel", or add samples')
    place = np.full(len(names), -1)
    place[used] = np.arange(len(used))
    own = np.where(judged, place[codes], -1).astype(np.int64)
    groups = None
    if group is not None:
        groups = [str(np.asarray(group)[np.flatnonzero(own == i)[0]]) for i in range(len(used))]
    kind = values_of(adata) if layer is None else k.COUNTS
    read = _columns(adata)
    plan = plan_folds([str(names[i]) for i in used], arm, list(map(str, rooms)), group=groups)
    stats = ProgrammeStats(plan, len(read.use), len(read.groups) + 2)
    room = where.astype(np.int64)
    for rows, values, covariates, _ in _blocks(adata, read, kind, layer, block_size):
        stats.accumulate(values, covariates, own[rows], room[rows])
    programme = learn(stats, read.features)
    scores = np.full((adata.n_obs, len(programme.parts)), np.nan)
    depth = np.zeros(adata.n_obs)
    beside = np.zeros((adata.n_obs, len(read.groups) - 1))
    for rows, values, covariates, deep in _blocks(adata, read, kind, layer, block_size):
        scores[rows] = programme.score(values, covariates, own[rows], room[rows])
        depth[rows] = deep
        beside[rows] = covariates[:, 3:]  # after depth, its square and the cell cycle
    at = np.flatnonzero(own >= 0)
    arms = arm[own[at]]
    calls = call_cells(
        scores[at], programme.parts, own[at], room[at], arms, depth[at], fdr=fdr,
        required=tuple(_rules()["required"]), nuisance=beside[at],
    )  # fmt: skip
    total = programme.parts.index("total")
    cells = pd.DataFrame(
        {name: np.full(adata.n_obs, np.nan) for name in ("score", "p", "p_kinds", "q")},
        index=adata.obs_names,
    )
    cells["called"] = False
    cells.iloc[at, 0] = calls.aligned[:, total]
    cells.iloc[at, 1] = calls.p[:, total]
    cells.iloc[at, 2] = calls.conjunction
    cells.iloc[at, 3] = calls.q
    cells.iloc[at, 4] = calls.called
    amounts = prevalence(calls.aligned[:, total], own[at], room[at], arms)
    table = pd.DataFrame(
        {
            k.SAMPLE: [plan.samples[i] for i in amounts.sample],
            k.COMPARTMENT: [plan.compartments[i] for i in amounts.compartment],
            "n_cells": amounts.n,
            "prevalence": amounts.share,
            "prevalence_lo": amounts.lower,
            "prevalence_hi": amounts.upper,
            "shifted": amounts.shift,
        }
    )
    return Learnt(cells, _readable(programme), table, _note(programme, calls.like))


def _readable(programme: Programme) -> pd.DataFrame:
    parts = []
    for c, name in enumerate(programme.plan.compartments):
        has = np.flatnonzero(programme.weight[c])
        kinds = np.array(["other"] * len(has), dtype=object)
        for kind, mask in programme.features.kinds.items():
            kinds[mask[has]] = kind
        parts.append(
            pd.DataFrame(
                {
                    k.COMPARTMENT: name,
                    "gene": programme.features.genes[has].astype(str),
                    "kind": kinds,
                    "weight": programme.weight[c, has],
                    "shift": programme.shift[c, has],
                    "covariance": programme.excess[c, has],
                    "prior": programme.prior[c, has],
                    "stability": programme.stability[c],
                    "source": programme.source[c],
                }
            ).sort_values(["weight", "gene"], ascending=[False, True], key=_by_size)
        )
    return pd.concat(parts, ignore_index=True)


def _by_size(column: pd.Series) -> pd.Series:
    return column.abs() if pd.api.types.is_numeric_dtype(column) else column


def _note(programme: Programme, like: tuple[tuple[int, int], ...]) -> str:
    plan, nuisances = programme.plan, programme.features.covariates[3:]
    none = [
        name
        for name, source in zip(plan.compartments, programme.source, strict=True)
        if source == "none"
    ]
    notes = []
    if none:
        notes.append(f"nothing could be learnt in {', '.join(none)}: too few cells in an arm")
    for number, compartment in like:
        what = nuisances[number].replace("_", " ")
        where = "the run" if compartment < 0 else plan.compartments[compartment]
        notes.append(f"what was learnt in {where} is like {what}: no cell of it is called")
    return "; ".join(notes)
