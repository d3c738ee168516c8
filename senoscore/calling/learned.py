"""The learnt call: from the scores of cells to p, q and who is senescent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.calling.kinds import nested, partial_conjunction
from senoscore.calling.pooled_null import (
    align,
    depth_free,
    empirical_p,
    heavy_tails,
    moved_far,
    null_share,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["LIKE", "Calls", "call_cells"]

_LEFT: Final = 1.0
"""A median beyond the controls' 90 % quantile: the whole compartment has moved."""
_ALIKE: Final = 0.6
"""Set between what planted damage programmes (at most .57) and planted interferon and quiescence
(.68 and more) show, on the contrasts that validation/plant.py sets aside for tuning."""
_NEARER: Final = 0.125
"""Share of the passing cells that are each further along one nuisance than along the programme. On
the contrasts and odd seeds for tuning planted damage shows at most .10, and quiescence and
interferon that ``_ALIKE`` lets pass .14, .20 and .32."""
_FEW: Final = 5
"""With fewer called cells a run cannot be compared with the nuisances, and calls nobody."""
LIKE: Final = 0.05
"""Cosine with published damage below which a run calls nobody: what it shows is unrelated. On the
contrasts and odd seeds for tuning planted programmes have .26 and more, the tissue of ``simulate``
.12, a p53 response .13, inflamed cells .10, quiescence -.00 and .07."""
_IDENTITY: Final = 0.2
"""Set on the contrasts for tuning: cultures of 70 % have .27 and more, decoys at most .17."""


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
    beside
        Distance from the median control along each nuisance, 1 at the controls' 90 % quantile,
        shape (n_cells, n_nuisances).
    explained
        Cells that would be called, were they not explained by a nuisance, shape (n_cells,).
    like
        What was learnt is like a nuisance: its number, and the compartment (-1: the whole run).
    unlike
        Cosine of what was learnt with published damage where it is so low that no cell is called,
        else NaN.
    few
        So few cells would be called that they cannot be compared with the nuisances: none is.
    """

    parts: tuple[str, ...]
    aligned: Floats
    p: Floats
    conjunction: Floats
    q: Floats
    called: Bools
    moved: Bools
    own_tail: tuple[int, ...]
    beside: Floats
    explained: Bools
    like: tuple[tuple[int, int], ...]
    few: int = 0
    unlike: float = float("nan")

    def arrest(self, required: Sequence[str]) -> Floats:
        """How far each cell is along the required kinds, free of what else is learnt.

        Secretion is no part of it, so that a drug that silences the SASP does not move it. A cell
        that is further along a nuisance (quiescence, say) than along arrest is no evidence of it
        and lies below every other, in controls as in the irradiated.

        Parameters
        ----------
        required
            Names of the kinds; of several the lowest counts.

        Returns
        -------
        Shape (n_cells,), in the units of ``aligned``; NaN where a cell is not judged, or no gene
        of these kinds has a weight in its compartment.
        """
        of = self.aligned[:, [self.parts.index(kind) for kind in required]]
        along = np.min(of, axis=1) if len(required) else np.full(len(self.q), np.nan)
        if self.beside.shape[1] and np.isfinite(along).any():
            elsewhere = np.nan_to_num(self.beside, nan=-np.inf).max(axis=1) > along
            along = np.where(elsewhere, np.nanmin(along) - 1, along)
        return along


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
    nuisance: Floats | None = None,
    identity: Floats | None = None,
    likeness: float | None = None,
    aside: Bools | None = None,
    library: Ints | None = None,
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
    nuisance
        Level of each named nuisance (interferon, quiescence, ...), shape (n_cells, n_nuisances),
        any unit. A cell that is further from the controls along one of them than it is along the
        programme, in the units of ``aligned``, is explained by it and not called. The nuisance
        is not laid on the level of its sample: a treatment may well have moved every cell.
    identity
        Cosine between what moved in each compartment and what published damage moves, shape
        (n_compartments,). Whole samples that moved far (cultures, where nearly all cells become
        senescent) are compared with the controls' level only where it is at least 0.2; elsewhere,
        and without it, every sample is laid on its own lower middle.
    likeness
        Cosine between what the cells of the run show and what published damage does: below 0.05
        no cell is called. None, or NaN: not known, and not asked for.
    aside
        Cells that are neither controls nor treated: they have p-values and no part in the null or
        the false discovery rate, shape (n_cells,).
    library
        Codes of the libraries, where samples are parts of them (whether one moved as a whole is
        asked of all its cells), shape (n_cells,). None: each sample is one.
    """
    parts = tuple(parts)
    treated = np.asarray(treated, dtype=bool)
    apart = np.zeros(len(treated), dtype=bool) if aside is None else np.asarray(aside, dtype=bool)
    control = ~treated & ~apart
    aligned = np.full(scores.shape, np.nan)
    p = np.full(scores.shape, np.nan)
    free = np.column_stack(
        [depth_free(scores[:, j], depth, compartment, control) for j in range(len(parts))]
    )
    total = parts.index("total")
    need = [parts.index(k) for k in required]
    rest = [j for j in range(len(parts)) if j != total and j not in need]
    beside = [
        _against_controls(depth_free(level, depth, compartment, control), compartment, control)
        for level in (() if nuisance is None else nuisance.T)
    ]
    moved = np.zeros(len(sample), dtype=bool)
    if identity is not None:
        for j in rest if at_least else [total]:
            moved |= moved_far(
                free[:, [total, *need, j]], sample if library is None else library, compartment,
                control,
            )  # fmt: skip
        moved &= treated & (identity[compartment] >= _IDENTITY)
    tails: set[int] = set()
    for j in range(len(parts)):
        aligned[:, j], _ = align(free[:, j], sample, compartment, control, moved=moved, aside=apart)
        own = heavy_tails(aligned[:, j], compartment, control)
        tails |= own
        p[:, j] = empirical_p(aligned[:, j], compartment, control, own)
    conjunction = partial_conjunction(p, need, others=rest, at_least=at_least)
    null = null_share(p[:, total], compartment, moved)
    called, q = nested(p[:, total], conjunction, treated, level=fdr, null=null)
    explained, like = _explained(
        called, aligned[:, total], beside, compartment, treated, control=control, moved=moved
    )
    called &= ~explained
    unlike = float("nan")
    if likeness is not None and likeness < LIKE and called.any():
        unlike, explained = likeness, explained | called
        called = np.zeros(len(called), dtype=bool)
    few = int(called.sum()) if nuisance is not None and called.sum() < _FEW else 0
    if few:
        explained |= called
        called = np.zeros(len(called), dtype=bool)
    return Calls(
        parts, aligned, p, conjunction, q, called, moved, tuple(sorted(tails)),
        np.column_stack(beside) if beside else np.empty((len(sample), 0)), explained, like, few,
        unlike,
    )  # fmt: skip


def _explained(
    called: Bools,
    along: Floats,
    beside: Sequence[Floats],
    compartment: Ints,
    treated: Bools,
    *,
    control: Bools | None = None,
    moved: Bools | None = None,
) -> tuple[Bools, tuple[tuple[int, int], ...]]:
    """Cells that a nuisance explains, and (nuisance, compartment or -1 for the run) at large.

    One by one: the cell is further along the nuisance than along the programme. A compartment:
    its median irradiated cell has left the controls along the nuisance, so that what was learnt
    there cannot be told from it; where the compartment moved as a whole, it must have moved
    further along the nuisance than ``_ALIKE`` of its way along the programme. The run: called cells
    differ from the others along the nuisance nearly as they do along the programme, or more than
    ``_NEARER`` of them are explained one by one, so that the rest are likely its weaker cells.
    """
    moved = np.zeros(len(called), dtype=bool) if moved is None else moved
    explained = np.zeros(len(called), dtype=bool)
    like: list[tuple[int, int]] = []
    rest = treated & ~called & ~moved & np.isfinite(along)
    if moved.any() and rest.sum() < _FEW:  # all moved: what they left is the controls
        rest = (~treated if control is None else control) & np.isfinite(along)
    for j, level in enumerate(beside):
        nearer = called & (level > along)
        explained |= nearer
        for c in np.unique(compartment[called]):
            own = treated & (compartment == c) & np.isfinite(level)
            least = _LEFT
            if moved[own].any():
                least = max(_LEFT, _ALIKE * float(np.nanmedian(along[own])))
            if np.median(level[own]) > least:
                explained |= called & (compartment == c)
                like.append((j, int(c)))
        if called.sum() < _FEW:
            continue
        alike = bool(nearer.sum() > _NEARER * called.sum())
        if rest.any():
            gain = float(np.nanmean(level[called]) - np.nanmean(level[rest]))
            alike |= gain > _ALIKE * float(np.mean(along[called]) - np.mean(along[rest]))
        if alike:
            explained |= called
            like.append((j, -1))
    return explained, tuple(like)


def _against_controls(level: Floats, compartment: Ints, control: Bools) -> Floats:
    """Distance from the median of a compartment's controls, 1 at their 90 % quantile."""
    out = np.full(len(level), np.nan)
    for c in np.unique(compartment):
        mine = compartment == c
        own = level[mine & control]
        own = own[np.isfinite(own)]
        if len(own):
            middle, upper = np.quantile(own, [0.5, 0.9])
            spread = max(upper - middle, float(np.std(own)), 1e-9)
            out[mine] = (level[mine] - middle) / spread
    return out
