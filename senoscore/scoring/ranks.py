"""Scores out of ranks of one cell: UCell, AUCell, ssGSEA, singscore, and their exact twins."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from senoscore import names as k
from senoscore.scoring.method import ANY_VALUES, Exact, Method

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from senoscore.io import Block
    from senoscore.kernels import OrdinalPlan, RankPlan
    from senoscore.scoring.method import Data, Scorer


__all__ = ["AUCELL", "SINGSCORE", "SSGSEA", "UCELL"]


def _plan(names: tuple[str, ...], data: Data) -> Scorer:
    """Rank each cell once for all methods; an exact twin has a pass of its own."""
    from senoscore.kernels import (
        plan_decoupler,
        plan_gseapy,
        plan_ranks,
        score_ordinal,
        score_ranks,
    )

    sets, exact = data.sets, data.exact
    lists = (sets.indptr, sets.gene_idx, data.matrix.n_vars)
    plans: list[RankPlan] = []
    neutral = [name for name in names if name not in exact]
    if neutral:
        plans.append(plan_ranks(neutral, *lists))
    if "ucell" in exact:
        twin = exact["ucell"].name
        missing = data.n_missing if twin == "ucell-r" else 0
        plans.append(
            plan_ranks(
                ["ucell"], *lists, n_listed=sets.n_listed, ucell_rule=twin, extra_zeros=missing
            )
        )
    ordinal: dict[str, OrdinalPlan] = {}
    if "aucell" in exact:
        assert data.n_detected is not None
        ordinal["aucell"] = plan_decoupler(*lists, data.n_detected > 0)
    if "ssgsea" in exact:
        ordinal["ssgsea"] = plan_gseapy(*lists)
    counts, n_threads, look = data.matrix.values == k.COUNTS, data.n_threads, data.look

    def score(block: Block) -> dict[str, NDArray[np.float64]]:
        rows: tuple[Any, ...] = (block.indptr, block.indices, block.data)
        options: dict[str, Any] = {
            "counts": counts, "n_threads": n_threads, "first_row": block.start,
        }  # fmt: skip
        before = None if look is None else partial(look, block)
        out: dict[str, NDArray[np.float64]] = {}
        for plan in plans:
            scores = score_ranks(plan, *rows, **options, checked=True, before=before)
            out |= {method: scores[:, i] for i, method in enumerate(plan.methods)}
        for method, wanted in ordinal.items():
            out[method] = score_ordinal(wanted, *rows, **options)
        return out

    return score


_NEUTRAL: Final = "mean over all orders of tied genes; zeros are one tie"

UCELL: Final = Method(
    "ucell", "UCell", 0.0, 1.0, ANY_VALUES, "none", _NEUTRAL, "one cell",
    needs_controls=False, null=True, doi="10.1016/j.csbj.2021.06.043", plan=_plan, looks=True,
    exact=(
        Exact(
            "pyucell", "0.8.0", 1e-6,
            "stored values only are ranked; mean ranks above the limit count as the limit; "
            "missing genes rank last",
        ),
        Exact(
            "ucell-r", "", 1e-12,
            "mean ranks of all genes, capped; missing genes are zeros (R package 2.8 to 2.14)",
        ),
    ),
)  # fmt: skip
AUCELL: Final = Method(
    "aucell", "AUCell", 0.0, 1.0, ANY_VALUES, "none", _NEUTRAL, "one cell",
    needs_controls=False, null=True, doi="10.1038/nmeth.4463", plan=_plan, looks=True,
    exact=(
        Exact(
            "decoupler", "2.x", 1e-12,
            "ties in the order of one fixed shuffle; the universe is the genes that any cell "
            "expresses, so it depends on all cells; empty cells are NaN", needs_detected=True,
        ),
    ),
)  # fmt: skip
SSGSEA: Final = Method(
    "ssgsea", "ssGSEA", -1.0, 1.0, ANY_VALUES, "none", _NEUTRAL, "one cell",
    needs_controls=False, null=True, doi="10.1038/nature08460", plan=_plan, looks=True,
    exact=(
        Exact(
            "gseapy", "1.3.x", 1e-9,
            "ties in order of position, last gene first; not divided by the number of genes",
        ),
    ),
)  # fmt: skip
SINGSCORE: Final = Method(
    "singscore", "singscore", -0.5, 0.5, ANY_VALUES, "none", _NEUTRAL, "one cell",
    needs_controls=False, null=True, doi="10.1186/s12859-018-2435-4", plan=_plan, looks=True,
)  # fmt: skip
