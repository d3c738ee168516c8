"""What the rank kernels need to know of sets and methods, prepared once per data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.kernels.rank_tables import UCELL_NEUTRAL, UCELL_PYUCELL, UCELL_R

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["RANK_METHODS", "RankPlan", "aucell_limit", "largest_lead", "plan_ranks"]

RANK_METHODS: Final = ("ucell", "aucell", "ssgsea", "singscore")
_UCELL_RULES: Final = {
    None: UCELL_NEUTRAL,
    "pyucell": UCELL_PYUCELL,
    "ucell-r": UCELL_R,
}


@dataclass(frozen=True)
class RankPlan:
    """What does not change from block to block: sets, methods, constants."""

    methods: tuple[str, ...]
    n_vars: int
    n_sets: int
    in_set: NDArray[np.bool_]
    """Whether each gene is in a set, shape (n_vars,): fits the nearest cache, ``slot`` does not."""
    slot: NDArray[np.unsignedinteger]
    """Row of each gene in the membership lists; 0: in no set. Shape (n_vars,)."""
    member_ptr: NDArray[np.uint32]
    member_set: NDArray[np.uint32]
    column: NDArray[np.int64]
    place: NDArray[np.int64]
    set_n: NDArray[np.int64]
    set_listed: NDArray[np.int64]
    max_lead: NDArray[np.float64]
    mode: int
    cap: int
    limit: int
    alpha: float
    extra_zeros: int


def aucell_limit(n_vars: int, fraction: float = 0.05) -> int:
    """Rank at which the recovery curve ends: the top fraction of the universe, at least 2."""
    return int(np.clip(np.ceil(fraction * n_vars), 2, max(n_vars, 2)))


def largest_lead(set_n: NDArray[np.int64], limit: int) -> NDArray[np.float64]:
    """Sum of leads of a set whose genes are on top: the largest area, shape (n_sets,)."""
    inside = np.minimum(set_n, limit - 1).astype(np.float64)
    return inside * limit - inside * (inside + 1) / 2


def memberships(
    indptr: NDArray[np.integer], gene_idx: NDArray[np.integer], n_vars: int
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.uint32], NDArray[np.uint32]]:
    """Turn sets of genes into lists of sets per gene.

    Returns
    -------
    ``slot`` (n_vars,), ``member_ptr`` and ``member_set``: the sets of gene ``g`` are
    ``member_set[member_ptr[slot[g]]:member_ptr[slot[g] + 1]]``; slot 0 has none.
    """
    set_of = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort((set_of, gene_idx))
    genes, counts = np.unique(np.asarray(gene_idx)[order], return_counts=True)
    slot: NDArray[np.unsignedinteger] = np.zeros(
        n_vars, np.uint16 if len(genes) < 2**16 - 1 else np.uint32
    )
    slot[genes] = np.arange(1, len(genes) + 1)
    member_ptr = np.zeros(len(genes) + 2, np.uint32)
    np.cumsum(counts, out=member_ptr[2:])
    return slot, member_ptr, set_of[order].astype(np.uint32)


def plan_ranks(
    methods: Sequence[str],
    indptr: NDArray[np.integer],
    gene_idx: NDArray[np.integer],
    n_vars: int,
    *,
    n_listed: NDArray[np.integer] | None = None,
    ucell_rule: str | None = None,
    max_rank: int = 1500,
    auc_fraction: float = 0.05,
    alpha: float = 0.25,
    extra_zeros: int = 0,
) -> RankPlan:
    """Prepare sets for :func:`score_ranks`.

    Parameters
    ----------
    methods
        Of :data:`RANK_METHODS`, each once.
    indptr, gene_idx
        Genes (columns) of each set in CSR form, each gene once a set; indptr of shape
        (n_sets + 1,).
    n_vars
        Genes of the universe.
    n_listed
        Genes listed per set, found or not, shape (n_sets,). Used by the exact UCell rules,
        which rank missing genes last.
    ucell_rule
        None (tie-neutral), ``pyucell`` (stored values ranked, mean ranks above the limit and
        zeros set to it) or ``ucell-r`` (all genes ranked, mean ranks capped).
    max_rank
        Limit of UCell.
    auc_fraction
        Share of the universe under the recovery curve of AUCell.
    alpha
        Exponent of ssGSEA.
    extra_zeros
        Missing genes that ``ucell-r`` adds to the universe as zeros.
    """
    methods = tuple(methods)
    column = np.full(5, -1, np.int64)
    wanted = [
        "ucell" in methods,
        "aucell" in methods,
        "ssgsea" in methods or "singscore" in methods,
        "ssgsea" in methods,
        "ssgsea" in methods,
    ]
    column[wanted] = np.arange(sum(wanted))
    place = [methods.index(m) if m in methods else -1 for m in RANK_METHODS]
    slot, member_ptr, member_set = memberships(indptr, gene_idx, n_vars)
    set_n = np.diff(indptr).astype(np.int64)
    limit = aucell_limit(n_vars, auc_fraction)
    exact = ucell_rule is not None and n_listed is not None
    return RankPlan(
        methods=methods,
        n_vars=n_vars,
        n_sets=len(set_n),
        in_set=slot != 0,
        slot=slot,
        member_ptr=member_ptr,
        member_set=member_set,
        column=column,
        place=np.array(place, np.int64),
        set_n=set_n,
        set_listed=np.asarray(n_listed, np.int64) if exact else set_n,
        max_lead=largest_lead(set_n, limit),
        mode=_UCELL_RULES[ucell_rule],
        cap=max_rank if ucell_rule == "pyucell" else min(max_rank, n_vars + extra_zeros),
        limit=limit,
        alpha=alpha,
        extra_zeros=extra_zeros,
    )
