"""From one block of cells to score columns: the same for every kind of input."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore import _keys
from senoscore._methods import METHODS
from senoscore._signatures import SignatureIndex, combine
from senoscore.controls import (
    JasmineLimits,
    JasmineSets,
    LinearScore,
    MatchedSets,
    Reference,
    jasmine_components,
    linear_score,
    linear_sums,
    stack,
)
from senoscore.errors import MethodError
from senoscore.io.blocks import Block
from senoscore.kernels.mean import TARGET_SUM
from senoscore.kernels.rank import RANK_METHODS, RankPlan, plan_ranks, score_ranks
from senoscore.kernels.rank_exact import OrdinalPlan, plan_decoupler, plan_gseapy, score_ordinal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from senoscore._methods import Exact
    from senoscore._signatures import SignatureSet
    from senoscore.controls._linear import Linear

__all__ = ["Engine", "normalisation", "prepare"]

_NULL_BYTES: Final = 64 << 20  # scores of random sets held at a time
_EQUAL: Final = 1e-12  # scores this near each other differ by rounding only
_LINEAR: Final[tuple[Linear, ...]] = ("seurat", "score_genes", "ans", "zscore", "wmean")


def normalisation(values: str) -> float:
    """Target total of the log-normalisation that mean-based methods need, 0 for none."""
    return 0.0 if values == _keys.LOGNORM else TARGET_SUM


@dataclass(frozen=True)
class Engine:
    """Everything that is the same for all blocks of a data set."""

    sigs: SignatureSet
    index: SignatureIndex
    methods: tuple[str, ...]
    values: str
    n_null: int
    n_threads: int
    ranks: RankPlan | None = None
    exact_ranks: RankPlan | None = None
    ordinal: Mapping[str, OrdinalPlan] = field(default_factory=dict)
    linear: LinearScore | None = None
    """All mean-based methods side by side: one pass over the cells."""
    linear_methods: tuple[str, ...] = ()
    jasmine: JasmineSets | None = None
    limits: JasmineLimits | None = None
    look: Callable[[Block, int, int], None] | None = None
    """Looks at rows of a block that nobody has looked at before."""

    def columns(self, block: Block) -> dict[str, dict[str, NDArray[np.floating]]]:
        """Score one block.

        Returns
        -------
        Per method (and ``method_z``, ``method_p`` where random sets are scored along) the
        columns of :func:`senoscore._signatures.combine`, each of shape (n_rows,).
        """
        n_rows = len(block.indptr) - 1
        width = 8 * len(self.methods) * len(self.index.names) * (self.n_null + 1)
        step = max(1, min(n_rows, _NULL_BYTES // max(width, 1))) if self.n_null else max(n_rows, 1)
        parts = [
            self._columns(_rows(block, at, min(at + step, n_rows)))
            for at in range(0, max(n_rows, 1), step)
        ]
        return {
            key: {name: np.concatenate([part[key][name] for part in parts]) for name in columns}
            for key, columns in parts[0].items()
        }

    def _columns(self, block: Block) -> dict[str, dict[str, NDArray[np.floating]]]:
        out: dict[str, dict[str, NDArray[np.floating]]] = {}
        sets = self.sets(block)
        for method in self.methods:
            scores = sets[method]
            n_parts = len(self.index.names)
            observed = scores[:, :n_parts].copy()
            observed[:, ~self.index.passed] = np.nan
            out[method] = combine(observed, self.sigs)
            if self.n_null:
                random = scores[:, n_parts:].reshape(len(scores), n_parts, self.n_null)
                by_part = {name: random[:, p] for p, name in enumerate(self.index.names)}
                null = combine(by_part, self.sigs)
                out[f"{method}_z"], out[f"{method}_p"] = _against_null(out[method], null)
        return out

    def sets(self, block: Block) -> dict[str, NDArray[np.float64]]:
        """Scores of the parts, then of their random sets: per method, (n_rows, n_sets)."""
        out: dict[str, NDArray[np.float64]] = {}
        rows: tuple[Any, ...] = (block.indptr, block.indices, block.data)
        options: dict[str, Any] = {
            "counts": self.values == _keys.COUNTS,
            "n_threads": self.n_threads,
            "first_row": block.start,
        }
        before = None if self.look is None else partial(self.look, block)
        for plan in (self.ranks, self.exact_ranks):
            if plan is not None:
                scores = score_ranks(plan, *rows, **options, checked=True, before=before)
                out |= {method: scores[:, i] for i, method in enumerate(plan.methods)}
        for method, ordinal in self.ordinal.items():
            out[method] = score_ordinal(ordinal, *rows, **options)
        if self.linear is not None:
            sums = linear_sums(
                block,  # type: ignore[arg-type]  # a NamedTuple
                self.linear,
                normalise=normalisation(self.values),
                n_threads=self.n_threads,
            )
            out |= zip(
                self.linear_methods,
                np.split(sums, len(self.linear_methods), axis=1),
                strict=True,
            )
        if self.jasmine is not None and self.limits is not None:
            components = jasmine_components(
                block,  # type: ignore[arg-type]
                self.jasmine,
                n_threads=self.n_threads,
            )
            out["jasmine"] = self.limits.scale(components)
        return out


def _rows(block: Block, first: int, last: int) -> Block:
    """Return some rows of a block, as a view."""
    lo, hi = int(block.indptr[first]), int(block.indptr[last])
    return Block(
        block.start + first,
        block.start + last,
        block.indptr[first : last + 1] - lo,
        block.indices[lo:hi],
        block.data[lo:hi],
        block.n_vars,
    )


def _against_null(
    observed: Mapping[str, NDArray[np.floating]], null: Mapping[str, NDArray[np.floating]]
) -> tuple[dict[str, NDArray[np.floating]], dict[str, NDArray[np.floating]]]:
    """Place scores (n_rows,) among those of random sets (n_rows, R): z and upper-tail p.

    Equal scores of different sets are sums of other numbers, or in another order, and differ in
    their last bits. So numbers within 1e-12 of the largest are equal: they count as at least as
    high, and random sets that are all equal have no spread and give no z (NaN). Different
    rank scores lie 1e-10 apart or more.
    """
    z: dict[str, NDArray[np.floating]] = {}
    p: dict[str, NDArray[np.floating]] = {}
    for name, score in observed.items():
        random = null[name]
        known = np.isfinite(score)
        size = np.maximum(np.abs(random).max(axis=1, initial=0.0), np.abs(score))
        equal = _EQUAL * np.maximum(size, 1.0)
        sd = random.std(axis=1, ddof=1)
        spread = known & (random.max(axis=1) - random.min(axis=1) > equal)
        z[name] = np.full(len(score), np.nan)
        z[name][spread] = (score - random.mean(axis=1))[spread] / sd[spread]
        beaten = (random >= (score - equal)[:, None]).sum(axis=1)
        p[name] = np.where(known, (1.0 + beaten) / (random.shape[1] + 1.0), np.nan)
    return z, p


def _with_random(index: SignatureIndex, null: MatchedSets | None) -> SignatureIndex:
    """Parts, then the random sets of each part as further parts with its weights."""
    keep = np.repeat(index.passed, np.diff(index.indptr))  # what failed the gate is not summed
    size = np.where(index.passed, np.diff(index.indptr), 0)
    index = index._replace(
        indptr=np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
        gene_idx=index.gene_idx[keep],
        weight=index.weight[keep],
    )
    if null is None:
        return index
    names, genes, weights = list(index.names), [index.gene_idx], [index.weight]
    for p, name in enumerate(index.names):
        names += [f"{name}~{r}" for r in range(null.n_sets)]
        part = slice(index.indptr[p], index.indptr[p + 1])
        if index.passed[p]:
            # A random gene takes the weight of the gene of its rank in mean expression.
            own = index.weight[part][np.argsort(null.position[index.gene_idx[part]])]
            genes.append(null.of_part(p).ravel())
            weights.append(np.tile(own, null.n_sets))
    return SignatureIndex(
        tuple(names),
        np.concatenate([[0], np.cumsum(np.concatenate([size, np.repeat(size, null.n_sets)]))]),
        np.concatenate(genes),
        np.concatenate(weights),
        np.concatenate([index.n_listed, np.repeat(index.n_listed, null.n_sets)]),
        np.concatenate([index.passed, np.repeat(index.passed, null.n_sets)]),
    )


def prepare(
    sigs: SignatureSet,
    index: SignatureIndex,
    methods: tuple[str, ...],
    exact: Mapping[str, Exact],
    *,
    values: str,
    n_vars: int,
    n_missing: int,
    blocks: Callable[[], Iterable[Block]],
    reference: Reference | None,
    n_detected: NDArray[np.int64] | None,
    null: MatchedSets | None,
    seed: int,
    n_threads: int,
    limits_file: Path | None = None,
    look: Callable[[Block, int, int], None] | None = None,
) -> Engine:
    """Make the engine of a data set.

    Parameters
    ----------
    n_missing
        Different genes of the signatures that the matrix lacks.
    blocks
        All cells, for JASMINE's limits.
    reference
        First pass over all cells; None if no method needs it.
    n_detected
        Cells that express each gene, for the exact AUCell.
    null
        Random sets of each part; None for none.
    seed
        Of drawn control genes.
    limits_file
        File of JASMINE's limits: read if it is there, else made.
    look
        As in :class:`Engine`; for rank scores only.

    Raises
    ------
    InputError
        ``limits_file`` is of other sets.
    MethodError
        Random sets are asked for a method that cannot score them.
    """
    if null is not None:
        unfit = [name for name in methods if not METHODS[name].null]
        if unfit:
            msg = f"no null calibration for {', '.join(unfit)}"
            there = ", ".join(name for name, method in METHODS.items() if method.null)
            raise MethodError(msg, fix=f"leave null at 0, or use of {there}")
    sets = _with_random(index, null)
    neutral = [m for m in methods if m in RANK_METHODS and m not in exact]
    lists = (sets.indptr, sets.gene_idx, n_vars)
    ordinal = {}
    if "aucell" in exact:
        assert n_detected is not None
        ordinal["aucell"] = plan_decoupler(*lists, n_detected > 0)
    if "ssgsea" in exact:
        ordinal["ssgsea"] = plan_gseapy(*lists)
    linear: dict[str, LinearScore] = {
        method: linear_score(
            method, index if null is None else sets, n_vars=n_vars, reference=reference, seed=seed,
            by_position=method in exact,
        )
        for method in _LINEAR
        if method in methods
    }  # fmt: skip
    jasmine = JasmineSets.of(index, n_vars=n_vars) if "jasmine" in methods else None
    return Engine(
        sigs,
        index,
        methods,
        values,
        0 if null is None else null.n_sets,
        n_threads,
        ranks=plan_ranks(neutral, *lists) if neutral else None,
        exact_ranks=_exact_ucell(sets, n_vars, n_missing, exact.get("ucell")),
        ordinal=ordinal,
        linear=stack(linear) if linear else None,
        linear_methods=tuple(linear),
        jasmine=jasmine,
        limits=None if jasmine is None else _jasmine_limits(blocks, jasmine, limits_file),
        look=look,
    )


def _exact_ucell(
    sets: SignatureIndex, n_vars: int, n_missing: int, twin: Exact | None
) -> RankPlan | None:
    if twin is None:
        return None
    return plan_ranks(
        ["ucell"],
        sets.indptr,
        sets.gene_idx,
        n_vars,
        n_listed=sets.n_listed,
        ucell_rule=twin.name,
        extra_zeros=n_missing if twin.name == "ucell-r" else 0,
    )


def _jasmine_limits(
    blocks: Callable[[], Iterable[Block]], sets: JasmineSets, file: Path | None
) -> JasmineLimits:
    """Smallest and largest components over all cells: a pass of its own, or its file."""
    if file is not None and file.exists():
        return JasmineLimits.load(file, sets)
    limits: JasmineLimits | None = None
    for block in blocks():
        here = JasmineLimits.of(jasmine_components(block, sets))  # type: ignore[arg-type]
        limits = here if limits is None else limits.merge(here)
    assert limits is not None
    if file is not None:
        limits.save(file, sets)
    return limits
