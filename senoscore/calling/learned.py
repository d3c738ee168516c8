"""The learnt call: from the scores of cells to p, q and who is senescent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from senoscore.calling.kinds import nested, partial_conjunction
from senoscore.calling.pooled_null import align, depth_free, empirical_p, heavy_tails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["Calls", "call_cells"]


@dataclass(frozen=True)
class Calls:
    """What was called, cell by cell.

    Attributes
    ----------
    aligned
        Scores of all parts against their sample's lower middle, shape (n_cells, n_parts).
    p
        p-values of all parts, shape (n_cells, n_parts).
    conjunction
        p-value of "the required kinds and another", shape (n_cells,).
    q
        FDR-adjusted p, shape (n_cells,); NaN for controls and cells that are not judged.
    called
        Shape (n_cells,).
    moved
        Cells of samples that moved as a whole along the programme, shape (n_cells,).
    own_tail
        Compartments (codes) judged by their own controls too.
    """

    parts: tuple[str, ...]
    aligned: Floats
    p: Floats
    conjunction: Floats
    q: Floats
    called: Bools
    moved: Bools
    own_tail: tuple[int, ...]


def call_cells(
    scores: Floats,
    parts: Sequence[str],
    sample: Ints,
    compartment: Ints,
    treated: Bools,
    depth: Floats,
    *,
    fdr: float = 0.1,
    required: Sequence[str] = ("arrest",),
    at_least: int = 1,
) -> Calls:
    """Call senescent cells among the treated.

    Parameters
    ----------
    scores
        Of :meth:`Programme.score`, shape (n_cells, n_parts).
    parts
        Names of the columns: ``total`` and the kinds of evidence.
    sample, compartment
        Codes, shape (n_cells,).
    treated
        Irradiated or not, shape (n_cells,).
    depth
        Natural log of the counts of a cell, shape (n_cells,).
    fdr
        Level.
    required
        Kinds that a senescent cell must show.
    at_least
        How many of the other kinds it must show besides.
    """
    parts = tuple(parts)
    control = ~np.asarray(treated, dtype=bool)
    aligned = np.full(scores.shape, np.nan)
    p = np.full(scores.shape, np.nan)
    free = np.column_stack(
        [depth_free(scores[:, j], depth, compartment, control) for j in range(len(parts))]
    )
    moved = np.zeros(len(sample), dtype=bool)
    tails: set[int] = set()
    for j in range(len(parts)):
        aligned[:, j], _ = align(free[:, j], sample, compartment, control, moved=moved)
        own = heavy_tails(aligned[:, j], compartment, control)
        tails |= own
        p[:, j] = empirical_p(aligned[:, j], compartment, control, own)
    total = parts.index("total")
    need = [parts.index(k) for k in required]
    rest = [j for j in range(len(parts)) if j != total and j not in need]
    conjunction = partial_conjunction(p, need, others=rest, at_least=at_least)
    called, q = nested(p[:, total], conjunction, ~control, level=fdr)
    return Calls(parts, aligned, p, conjunction, q, called, moved, tuple(sorted(tails)))
