"""The learnt call on matrices: which genes, which samples, two passes over the cells.

The kernels (:mod:`senoscore.calling.programme` and its neighbours) know arrays; the statistics is
theirs. Here genes are found, values brought to one scale, and cells read in blocks: once to add
up sums, once to score. Memory grows with the square of the candidate genes, not with cells.

The steps are :func:`assign` (samples to folds), :func:`choose` (genes), :func:`add_up` (first
pass), :func:`~senoscore.calling.programme.learn`, :func:`score_cells` (second pass) and
:func:`judge_cells`. A notebook takes them in a row (:func:`learn_and_call`); the workflow takes
the passes data set by data set.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import yaml
from scipy import sparse
from threadpoolctl import threadpool_limits

from senoscore import names as k
from senoscore.calling.bounds import wrong_at_most
from senoscore.calling.learned import LIKE, call_cells
from senoscore.calling.prevalence import ARREST_QUANTILE, prevalence
from senoscore.calling.programme import learn
from senoscore.calling.roles import parts_of
from senoscore.calling.sums import PARTS, Features, ProgrammeStats, plan_folds
from senoscore.cells import gene_symbols, organism_of, values_of
from senoscore.errors import DesignError, InputError
from senoscore.genesets import genes as gene_names
from senoscore.genesets import signatures
from senoscore.io import iter_blocks, resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.calling.learned import Calls
    from senoscore.calling.programme import Programme
    from senoscore.calling.sums import Plan

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = [
    "Assigned",
    "Columns",
    "Learnt",
    "Scored",
    "add_up",
    "assign",
    "blocks_of",
    "choose",
    "judge_cells",
    "learn_and_call",
    "note_of",
    "programme_table",
    "score_cells",
    "wrong_calls",
]

log = logging.getLogger(__name__)

_TARGET: Final = 1e4
_MIN_SUBJECTS: Final = 2
_FEW_SUBJECTS: Final = 3
"""With fewer in an arm it is said that little but published effects is behind a weight."""
_MIN_CELLS: Final = 8
_DEPTH_FOLD: Final = 1.5
"""Beyond it the call errs: at half the depth 3 % of cells that are not senescent were called."""
_ELSE: Final = "what was learnt is no senescence"
_OTHER_DEPTH: Final = "depth of the sample more than 1.5-fold outside that of the controls"
_MIN_GENES: Final = 50
_MIDDLE_LOG_DEPTH: Final = 8.0
_SHOWN: Final = 0.2
"""p of the kinds together up to which a cell counts in the share of senescent cells. On seed 1 of
the contrasts for tuning nine in ten far senescent cells are below it, and three in ten of those
far along p53 targets alone."""
_ROW: Final = [k.SAMPLE, k.COMPARTMENT]


@dataclass(frozen=True)
class Learnt:
    """What the learnt call found.

    Attributes
    ----------
    cells
        One row a cell, in the order of the AnnData: ``score`` (control SDs, against the lower
        middle of its sample), ``p`` (against the control cells of the run), ``p_kinds`` (arrest
        and another kind), ``q``, ``called``, ``passes`` (called, or a control cell that the
        same cuts let pass), ``deep`` (its sample is more than 1.5 times deeper
        or shallower than every control sample), ``alone`` (the controls are a single subject,
        whose cells were dealt into parts and taken for several); NaN and False where a cell was
        not judged.
    programme
        One row a compartment and gene with a weight: ``weight`` and ``shift`` (control SDs),
        ``covariance`` (excess within irradiated samples), ``prior`` (published effect of DNA
        damage), ``stability`` (correlation of the weights between folds), ``source``.
    prevalence
        One row a sample and compartment: ``n_judged``, ``prevalence``, ``prevalence_lo``,
        ``prevalence_hi`` (95 %), ``shifted`` (the whole sample moved: not a mixture); ``arrested``
        with its interval: the share that is arrested along the programme, whatever it secretes,
        from ``n_beyond`` cells beyond the 90 % quantile of control cells; ``withheld``: why a
        share is not given. No interval where the controls are a single subject.
    note
        What could not be judged, and why.
    """

    cells: pd.DataFrame
    programme: pd.DataFrame
    prevalence: pd.DataFrame
    note: str


@dataclass(frozen=True)
class Columns:
    """Columns of a matrix that are read, and what they are.

    Attributes
    ----------
    features
        The candidate genes.
    use
        Their places, among ``within`` where that is given, shape (n_candidates,).
    groups
        Likewise of the cell cycle and of each nuisance.
    within
        Columns of the matrix that count for the depth of a cell; None: all of them.
    """

    features: Features
    use: Ints
    groups: tuple[Ints, ...]
    within: Ints | None = None


@dataclass(frozen=True)
class Assigned:
    """Samples in folds, and where each cell belongs.

    Attributes
    ----------
    plan
        Samples that are judged, their arms, folds and groups; compartments.
    sample
        Number of the sample of a cell in the plan, -1: not judged, shape (n_cells,).
    compartment
        Number of its compartment, -1: not learnt in, shape (n_cells,).
    refused
        Compartments with too few subjects to learn from, and what is missing.
    """

    plan: Plan
    sample: Ints
    compartment: Ints
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """What the second pass finds of each cell.

    Attributes
    ----------
    scores
        Parts of the programme, control SDs, NaN where there is none, shape (n_cells, n_parts).
    depth
        Natural log of its counts (log-normalised values: of its genes), shape (n_cells,).
    nuisance
        Mean level of each named nuisance, log-normalised, shape (n_cells, n_nuisances).
    """

    scores: Floats
    depth: Floats
    nuisance: Floats


def _rules() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(resource("programme.yaml").read_text(encoding="utf-8"))
    return loaded


def _genes_of(names: list[str]) -> set[str]:
    found = signatures(*names)
    return {gene for name in names for gene in (*found[name].up, *found[name].down)}


def choose(names: Sequence[str], organism: str, *, only: Sequence[str] | None = None) -> Columns:
    """Find the candidate genes and those of the nuisances among the genes of a matrix.

    Parameters
    ----------
    names
        Symbols of the columns of the matrix.
    organism
        ``human``, ``mouse``, ...; other genes are read as their human orthologs.
    only
        Genes that all matrices of a run have: the others are left out, of the depth too, and the
        genes are taken in this order. None: all, in the order of the matrix.

    Raises
    ------
    InputError
        Too few of the candidates are there, or a gene of ``only`` is not.
    """
    rules = _rules()
    symbols, within = list(map(str, names)), None
    if only is not None:
        place = {name: i for i, name in reversed(list(enumerate(symbols)))}
        absent = [name for name in only if name not in place]
        if absent:
            msg = f"gene {absent[0]!r} of the programme is not in the matrix"
            raise InputError(msg, fix="make the programme of the run again")
        within, symbols = np.array([place[name] for name in only], dtype=np.int64), list(only)
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
    known = pd.read_csv(resource("programme_effects.tsv"), sep="\t", comment="#", index_col="gene")
    effect = known["effect"].reindex(chosen).fillna(0.0).to_numpy(np.float64)
    groups = [cycle, *nuisances.values()]
    features = Features(chosen, sign[use], kinds, effect, ("depth", "depth2", "cycle", *nuisances))
    places = tuple(np.flatnonzero(np.isin(genes, list(of))) for of in groups)
    return Columns(features, use, places, within)


def blocks_of(
    source: AnnData | Path, read: Columns, kind: str, layer: str | None, size: int,
    rows: slice | None = None,
) -> Iterator[tuple[slice, sparse.csr_matrix, Floats, Floats]]:  # fmt: skip
    """Rows, log-normalised candidates, covariates and log depth of each block."""
    from senoscore.kernels import picked_columns  # compiled: stages without a matrix do without

    # Only the genes that are asked for are kept; of the others no more is needed than totals.
    asked = np.unique(np.concatenate([read.use, *read.groups]))
    use, groups = np.searchsorted(asked, read.use), [np.searchsorted(asked, g) for g in read.groups]
    place, inside = None, None
    for block in iter_blocks(source, block_size=size, layer=layer, rows=rows):
        if place is None or inside is None:
            within = np.arange(block.n_vars) if read.within is None else read.within
            place = np.full(block.n_vars, -1, dtype=np.int32)
            place[within[asked]] = np.arange(len(asked))
            inside = np.zeros(block.n_vars)
            inside[within] = 1.0
        rows_in = block.indptr, block.indices
        starts, at, picked, total = picked_columns(*rows_in, block.data, place, inside)
        if kind == k.LOGNORM:  # how many genes are seen stands for the depth
            total = block._replace(data=np.ones(len(block.data))).to_csr() @ inside
        depth = np.log(np.maximum(total, 1))
        shape = (block.stop - block.start, len(asked))
        x = sparse.csr_matrix((picked, at, starts), shape=shape)
        if kind != k.LOGNORM:
            factor = _TARGET / np.maximum(total, 1)
            x.data = np.log1p(x.data * np.repeat(factor, np.diff(starts)))
        columns = x.tocsc()
        centred = depth - _MIDDLE_LOG_DEPTH
        means = [
            np.asarray(columns[:, of].mean(axis=1)).ravel() if len(of) else np.zeros(len(depth))
            for of in groups
        ]
        values = sparse.csr_matrix(columns[:, use])
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
    subject: NDArray[Any] | None = None,
    aside: Bools | None = None,
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
    subject
        Animal or patient of each cell, shape (n_cells,); None: each sample is one. Libraries of
        one subject are never on both sides of what is learnt and what is judged.
    aside
        Cells that are scored and not learnt from, as :func:`~senoscore.calling.roles.roles` finds
        them, shape (n_cells,); None: no cell is.
    layer
        None is X.
    fdr
        False discovery rate of the call, over the run.
    block_size
        Cells read at a time.

    Raises
    ------
    DesignError
        No compartment has both control and irradiated subjects with enough cells.
    InputError
        Too few of the candidate genes, or values that are no expression.
    """
    samples = adata.obs[sample].astype(str).to_numpy(dtype=object)
    rooms = adata.obs[compartment].astype(str).to_numpy(dtype=object)
    who = assign(
        samples, rooms, treated=treated, judged=judged, group=group, subject=subject, aside=aside,
        part=parts_of(adata.obs_names),
    )  # fmt: skip
    kind = values_of(adata) if layer is None else k.COUNTS
    read = choose(gene_symbols(adata), organism_of(adata))
    options: dict[str, Any] = {"kind": kind, "layer": layer, "block_size": block_size}
    programme = learn(add_up(adata, read, who, **options), read.features)
    scored = score_cells(adata, read, programme, who, **options)
    cells, table, note = judge_cells(scored, programme, who, fdr=fdr)
    cells.index = adata.obs_names
    return Learnt(cells, programme_table(programme), table, note)


def assign(
    sample: NDArray[Any],
    compartment: NDArray[Any],
    *,
    treated: Bools,
    judged: Bools,
    group: NDArray[Any] | None = None,
    subject: NDArray[Any] | None = None,
    aside: Bools | None = None,
    part: NDArray[np.integer[Any]] | None = None,
) -> Assigned:
    """Deal the judged subjects into folds; the order of the cells does not matter.

    A compartment is learnt in where two control and two irradiated subjects have cells of it;
    the others are left to the panel, with the reason. Where no compartment is, for want of a
    second subject in an arm, the cells of the only one are dealt into parts, which are taken for
    subjects: weights that saw none of the cells that they judge, but others of the same subject.

    Parameters
    ----------
    sample, compartment
        Names, shape (n_cells,).
    treated, judged, group, aside
        As in :func:`learn_and_call`.
    subject
        Animal or patient of each cell, shape (n_cells,); None: each sample is one.
    part
        Of each cell, as :func:`~senoscore.calling.roles.parts_of` gives it, shape (n_cells,);
        None: nothing is dealt.

    Raises
    ------
    DesignError
        No compartment has two subjects of each arm, and nothing can be dealt.
    """
    names, codes = _numbered(sample)
    _, owner = _numbered(sample if subject is None else subject)
    rooms, where = _numbered(compartment)
    judged, treated = np.asarray(judged, dtype=bool), np.asarray(treated, dtype=bool)
    apart = np.zeros(len(treated), dtype=bool) if aside is None else np.asarray(aside, dtype=bool)
    treated = treated & ~apart
    arms = (judged & ~treated & ~apart, judged & treated)
    counts = _in_rooms(owner, where, arms, len(rooms))
    piece = np.full(len(codes), -1, dtype=np.int64)
    if part is not None and counts.min(axis=1).max(initial=0) < _MIN_SUBJECTS:
        for mine, most in zip(arms, counts.max(axis=0), strict=True):
            if most == 1:
                piece[mine] = part[mine]
    dealt = _in_rooms(_with_part(owner, piece), where, arms, len(rooms))
    refused = {
        str(room): _short(n)
        for room, n, enough in zip(rooms, counts.tolist(), dealt.min(axis=1), strict=True)
        if enough < _MIN_SUBJECTS
    }
    use = judged & ~np.isin(rooms[where], list(refused))
    if not use.any():
        best = max(counts.tolist(), key=lambda pair: (min(pair), max(pair)), default=(0, 0))
        msg = f"{_short(best)} to learn a programme"
        raise DesignError(msg, fix='use engine="panel", or add animals')
    of_part = _with_part(codes, piece)
    used, at = np.unique(of_part[use], return_index=True)
    first = np.flatnonzero(use)[at]
    arm = treated[first]
    place = np.full(len(names) * (PARTS + 1), -1)
    place[used] = np.arange(len(used))
    own = np.where(use, place[of_part], -1).astype(np.int64)
    there = [i for i, room in enumerate(rooms) if str(room) not in refused]
    room_of = np.full(len(rooms), -1)
    room_of[there] = np.arange(len(there))
    plan = plan_folds(
        [str(names[i]) for i in codes[first]],
        arm,
        [str(rooms[i]) for i in there],
        group=None if group is None else [str(np.asarray(group)[i]) for i in first],
        # Numbers, of as many digits: those of names in their order, and of parts in theirs.
        subject=[f"{i:012d}" for i in _with_part(owner, piece)[first]],
        aside=apart[first],
        part=piece[first],
    )
    return Assigned(plan, own, np.asarray(room_of[where], dtype=np.int64), refused)


def _numbered(names: NDArray[Any]) -> tuple[NDArray[np.str_], Ints]:
    """Different names, ascending, and the number of each; no text is made for each cell."""
    codes, found = pd.factorize(np.asarray(names), use_na_sentinel=False)
    words, number = np.unique(np.asarray(found).astype(str), return_inverse=True)
    return words, number[codes].astype(np.int64)


def _in_rooms(owner: Ints, where: Ints, arms: Sequence[Bools], n_rooms: int) -> Ints:
    """How many subjects have enough cells, of each compartment and arm."""
    return np.array(
        [[_subjects(owner[arm & (where == c)]) for arm in arms] for c in range(n_rooms)],
        dtype=np.int64,
    ).reshape(n_rooms, len(arms))


def _subjects(owner: Ints) -> int:
    """How many subjects have enough cells."""
    return int((np.bincount(owner) >= _MIN_CELLS).sum()) if len(owner) else 0


def _with_part(codes: Ints, part: Ints) -> Ints:
    """One number for a code and a part of it, in the order of both."""
    return codes * (PARTS + 1) + part + 1


def _short(n: Sequence[int]) -> str:
    arm, count = ("control", n[0]) if n[0] < _MIN_SUBJECTS else ("irradiated", n[1])
    subjects = "subject" if count == 1 else "subjects"
    return f"{count} {arm} {subjects} with {_MIN_CELLS} cells or more, {_MIN_SUBJECTS} needed"


def add_up(
    source: AnnData | Path,
    columns: Columns,
    who: Assigned,
    *,
    kind: str,
    layer: str | None = None,
    block_size: int = 4096,
    rows: slice | None = None,
) -> ProgrammeStats:
    """First pass: the sums that a programme is learnt from.

    Parameters
    ----------
    source
        Cells, or the path of an .h5ad, in the order of ``who``.
    columns
        Genes to read.
    who
        Samples and compartments of the cells of ``source``.
    kind
        ``counts`` or ``lognorm``.
    layer, block_size
        As in :func:`learn_and_call`.
    rows
        Only these cells: a piece of the matrix. Sums of pieces add up (``merge``).
    """
    n_covariates = len(columns.groups) + 2
    stats = ProgrammeStats(who.plan, columns.features.genes, n_covariates)
    with threadpool_limits(limits=1, user_api="blas"):  # as when it learns
        for at, values, covariates, _ in blocks_of(source, columns, kind, layer, block_size, rows):
            stats.accumulate(values, covariates, who.sample[at], who.compartment[at])
    return stats


def score_cells(
    source: AnnData | Path,
    columns: Columns,
    programme: Programme,
    who: Assigned,
    *,
    kind: str,
    layer: str | None = None,
    block_size: int = 4096,
) -> Scored:
    """Second pass: score each cell by weights that never saw its sample; parameters as above."""
    n = len(who.sample)
    out = Scored(
        np.full((n, len(programme.parts)), np.nan),
        np.zeros(n),
        np.zeros((n, len(columns.groups) - 1)),
    )
    for at, values, covariates, depth in blocks_of(source, columns, kind, layer, block_size):
        out.scores[at] = programme.score(values, covariates, who.sample[at], who.compartment[at])
        out.depth[at] = depth
        out.nuisance[at] = covariates[:, 3:]  # after depth, its square and the cell cycle
    return out


def judge_cells(
    scored: Scored, programme: Programme, who: Assigned, *, fdr: float
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """From the scores of all cells of a run to who is senescent, how many, and what to know.

    Parameters
    ----------
    scored, who
        All cells of the run, those of all its matrices.
    programme
        That they were scored by.
    fdr
        False discovery rate over the run.

    Returns
    -------
    ``cells``, ``prevalence`` and ``note`` of :class:`Learnt`.
    """
    at = np.flatnonzero((who.sample >= 0) & (who.compartment >= 0))
    own, room, n = who.sample[at], who.compartment[at], len(who.sample)
    plan = programme.plan
    library = plan.library[own]
    arms, apart = plan.treated[own], plan.set_aside[own]
    required = tuple(_rules()["required"])
    calls = call_cells(
        scored.scores[at], programme.parts, own, room, arms, scored.depth[at], fdr=fdr,
        required=required, nuisance=scored.nuisance[at], aside=apart,
        # How far whole samples moved cannot be told from one animal.
        identity=None if plan.dealt(treated=False) else programme.identity,
        likeness=float(programme.likeness), library=library,
    )  # fmt: skip
    total = programme.parts.index("total")
    cells = pd.DataFrame({name: np.full(n, np.nan) for name in ("score", "p", "p_kinds", "q")})
    cells["called"] = cells["deep"] = cells["alone"] = False
    cells.iloc[at, 0] = calls.aligned[:, total]
    cells.iloc[at, 1] = calls.p[:, total]
    cells.iloc[at, 2] = calls.conjunction
    cells.iloc[at, 3] = calls.q
    cells.iloc[at, 4] = calls.called
    deep = _unlike_controls(scored.depth[at], library, room, arms | apart)
    cells.iloc[at, 5] = deep
    cells.iloc[at, 6] = plan.dealt(treated=False)
    apart_rooms = np.full(n, -1, dtype=np.int64)  # compartments with a cut of their own
    apart_rooms[at] = np.where(np.isin(room, room[calls.moved]), room, -1)
    cells["passes"] = _passes(cells, apart_rooms)
    amounts = prevalence(
        calls.aligned[:, total], library, room, arms | apart, subject=plan.subjects[own],
        shown=calls.conjunction <= _SHOWN,
    )  # fmt: skip
    table = pd.DataFrame(
        {
            k.SAMPLE: [plan.samples[i] for i in amounts.sample],
            k.COMPARTMENT: [plan.compartments[i] for i in amounts.compartment],
            "n_judged": amounts.n,
            "prevalence": amounts.share,
            "prevalence_lo": amounts.lower,
            "prevalence_hi": amounts.upper,
            "shifted": amounts.shift,
        }
    ).merge(_arrested(calls.arrest(required), own, room, plan), on=_ROW, how="left")
    if plan.dealt(treated=False):  # how far controls differ is not known
        table[["prevalence_lo", "prevalence_hi", "arrested_lo", "arrested_hi"]] = np.nan
    places = set(zip(library[deep].tolist(), room[deep].tolist(), strict=True))
    rows = zip(amounts.sample.tolist(), amounts.compartment.tolist(), strict=True)
    _withhold(table, calls, plan.compartments, np.array([row in places for row in rows], bool))
    whole = sorted({plan.compartments[c] for c in room[calls.moved]})
    return cells, table, note_of(programme, calls, whole)


def _withhold(table: pd.DataFrame, calls: Calls, compartments: Sequence[str], deep: Bools) -> None:
    """Give no share where it would be of something else, and say so in ``withheld``.

    Where what was learnt is no senescence there is none of senescent cells. Of a sample that is
    far deeper or shallower than the controls (``deep``, rows of the table) there is none at all:
    at a quarter of the depth 15 % were read where nobody is senescent.
    """
    like = {number for _, number in calls.like}
    if -1 in like or np.isfinite(calls.unlike):
        like = set(range(len(compartments)))
    other = table[k.COMPARTMENT].isin([compartments[c] for c in like]).to_numpy()
    table["withheld"] = np.select([other, deep], [_ELSE, _OTHER_DEPTH], default="")
    table.loc[other | deep, ["prevalence", "prevalence_lo", "prevalence_hi"]] = np.nan
    table.loc[deep, ["n_beyond", "arrested", "arrested_lo", "arrested_hi"]] = np.nan
    table.loc[other | deep, "shifted"] = False


def _arrested(along: Floats, sample: Ints, compartment: Ints, plan: Plan) -> pd.DataFrame:
    """Cells beyond the control quantile of arrest, and the share that this says, by sample."""
    found = prevalence(
        along, plan.library[sample], compartment, (plan.treated | plan.set_aside)[sample],
        subject=plan.subjects[sample], quantile=ARREST_QUANTILE, far=None,
    )  # fmt: skip
    return pd.DataFrame(
        {
            k.SAMPLE: [plan.samples[i] for i in found.sample],
            k.COMPARTMENT: [plan.compartments[i] for i in found.compartment],
            "n_beyond": found.beyond,
            "arrested": found.share,
            "arrested_lo": found.lower,
            "arrested_hi": found.upper,
        }
    )


def wrong_calls(cells: pd.DataFrame, who: Assigned) -> pd.DataFrame:
    """How many cells of each compartment are called, and how many of them can be wrong.

    Parameters
    ----------
    cells
        Of :func:`judge_cells`.
    who
        The same cells.

    Returns
    -------
    One row a learnt compartment, and one ``all``: ``n_called`` (cells of unlike depth are not
    counted) and ``wrong_at_most`` (95 %; NaN where an arm is a single subject). The null is that of
    the run: the bound of a compartment is that of one choice of cells.
    """
    plan, at = who.plan, who.sample
    there = (at >= 0) & (who.compartment >= 0)
    p = np.where(there & ~plan.set_aside[at], cells["p"].to_numpy(dtype=float), np.nan)
    treated, animal = plan.treated[at] & there, plan.subjects[at]
    called = (cells["called"] & ~cells["deep"]).to_numpy(dtype=bool) & treated
    alone = plan.dealt(treated=False) or plan.dealt(treated=True)
    rows = []
    for c, name in enumerate([*plan.compartments, "all"]):
        own = called & ((who.compartment == c) | (name == "all"))
        bound = np.nan if alone else wrong_at_most(p, own, treated, animal)
        rows.append((name, int(own.sum()), bound))
    return pd.DataFrame(rows, columns=[k.COMPARTMENT, "n_called", "wrong_at_most"])


def _passes(cells: pd.DataFrame, group: Ints) -> Bools:
    """Called cells and the control cells that the same cuts let pass: what shares are counted by.

    The called cells are those below a cut of either p; control cells are in no family of tests.
    ``group`` tells cells apart whose cuts differ: compartments that moved as a whole.
    """
    called = cells["called"].to_numpy(dtype=bool)
    out = called.copy()
    control = cells["q"].isna().to_numpy()
    for g in np.unique(group[called]):
        own = group == g
        passing = own & control
        for name in ("p", "p_kinds"):
            value = cells[name].to_numpy()
            passing &= value <= value[own & called].max()
        out |= passing
    return out


def _unlike_controls(depth: Floats, sample: Ints, compartment: Ints, treated: Bools) -> Bools:
    """Tell which cells are of a sample beyond 1.5 times the depths of control samples."""
    out = np.zeros(len(depth), dtype=bool)
    for c in np.unique(compartment):
        mine = np.flatnonzero(compartment == c)
        depths = pd.Series(depth[mine]).groupby(sample[mine], observed=True)
        middle = depths.transform("median").to_numpy()
        controls = middle[~treated[mine]]
        if len(controls):
            low, high = controls.min() - np.log(_DEPTH_FOLD), controls.max() + np.log(_DEPTH_FOLD)
            out[mine] = (middle < low) | (middle > high)
    return out


def programme_table(programme: Programme) -> pd.DataFrame:
    """One row a compartment and gene with a weight: ``programme`` of :class:`Learnt`."""
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
                    "control_mean": programme.mean[c, has],
                    "control_sd": programme.sd[c, has],
                    "stability": programme.stability[c],
                    "source": programme.source[c],
                }
            ).sort_values(["weight", "gene"], ascending=[False, True], key=_by_size)
        )
    return pd.concat(parts, ignore_index=True)


def _by_size(column: pd.Series) -> pd.Series:
    return column.abs() if pd.api.types.is_numeric_dtype(column) else column


def note_of(
    programme: Programme,
    calls: Calls,
    whole: Sequence[str] = (),
) -> str:
    """Say where nothing was learnt, and what was learnt that is no senescence."""
    plan, nuisances = programme.plan, programme.features.covariates[3:]
    none = [
        name
        for name, source in zip(plan.compartments, programme.source, strict=True)
        if source == "none"
    ]
    notes = []
    if plan.set_aside.any():
        notes.append(
            f"{int(plan.set_aside.sum())} unirradiated samples with a drug are scored by what the "
            "others teach: nothing is learnt from them, and they are no controls"
        )
    few_subjects = min(
        len(np.unique(plan.subjects[(plan.treated == arm) & ~plan.set_aside]))
        for arm in (False, True)
    )
    alone = [
        name
        for name, treated in (("control", False), ("irradiated", True))
        if plan.dealt(treated=treated)
    ]
    if alone:
        notes.append(
            f"one {' and one '.join(alone)} subject: its cells are judged by what its other cells, "
            "and published effects of DNA damage, teach"
            + ("; calls are candidates, and shares have no interval" if "control" in alone else "")
        )
    elif few_subjects < _FEW_SUBJECTS:
        notes.append(
            f"{few_subjects} subjects in an arm: each is judged by what one other of either arm, "
            "and published effects of DNA damage, teach"
        )
    if none:
        notes.append(f"nothing could be learnt in {', '.join(none)}: too few cells in an arm")
    for number, compartment in calls.like:
        what = nuisances[number].replace("_", " ")
        where = "the run" if compartment < 0 else plan.compartments[compartment]
        notes.append(
            f"what was learnt in {where} is like {what}: no cell of it is called, "
            "and no share is given"
        )
    if np.isfinite(calls.unlike):
        notes.append(
            "what was learnt is not like published DNA damage "
            f"(cosine {calls.unlike:.2f}, {LIKE} needed): no cell is called, and no share is given"
        )
    if calls.few:
        notes.append(
            f"{calls.few} cells of the run pass, too few to tell what was learnt from other "
            "programmes: none is called"
        )
    if whole:
        notes.append(
            f"whole samples of {', '.join(whole)} moved far along the programme: their cells are "
            "compared with the level of the controls"
        )
    return "; ".join(notes)
