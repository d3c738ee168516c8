"""What kind of numbers a matrix holds, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.errors import InputError
from senoscore.names import COUNTS, LINEAR, LOGNORM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from senoscore.io import Block


__all__ = ["KINDS", "LOG_MAX", "ValueFacts", "decide_values", "guess_values", "scan_values"]

KINDS: Final = (COUNTS, LOGNORM, LINEAR)

_TOLERANCE: Final = 1e-4  # counts that went through float32 arithmetic are off by as much as 1e-6
LOG_MAX: Final = 30.0  # 2**30 reads of one gene in one cell cannot be; intensities exceed it soon
_MAX_COUNT: Final = np.iinfo(np.int32).max


@dataclass
class ValueFacts:
    """What one pass over a matrix found.

    Attributes
    ----------
    n_cells, n_stored
        Cells seen, and values that are not zero.
    n_fractional
        Values further than 1e-4 from an integer.
    largest, furthest
        Largest value; largest distance to an integer among the values that count as integers.
    bad
        First value that no expression can have: (what, cell number, gene number, value); also
        the second value of one cell and gene.
    gene_sums
        Sum of each gene, in column order.
    """

    n_cells: int = 0
    n_stored: int = 0
    n_fractional: int = 0
    largest: float = 0.0
    furthest: float = 0.0
    bad: tuple[str, int, int, float] | None = None
    gene_sums: np.ndarray | None = None

    @property
    def evidence(self) -> str:
        """The facts in words, such as ``37 % non-integer, max 8.9``."""
        share = 100 * self.n_fractional / max(self.n_stored, 1)
        shown = f"{share:.0f}" if share >= 1 or share == 0 else f"{share:.1g}"
        return f"{shown} % non-integer, max {self.largest:.6g}"


def scan_values(blocks: Iterable[Block], *, sums: bool = True) -> ValueFacts:
    """Go through all values once.

    Parameters
    ----------
    blocks
        Cells of one matrix.
    sums
        Also add up the genes.
    """
    facts = ValueFacts()
    for block in blocks:
        facts.n_cells += block.stop - block.start
        data = block.data
        if data.dtype.kind not in "iuf":
            data = data.astype(np.uint8)
        facts.n_stored += int(np.count_nonzero(data))
        _extremes(facts, data, block)
        _repeats(facts, data, block)
        if facts.bad is not None:
            return facts
        if data.dtype.kind == "f" and (off := data - np.rint(data)).any():
            off = np.abs(off)
            fractional = off > _TOLERANCE
            facts.n_fractional += int(np.count_nonzero(fractional))
            facts.furthest = max(facts.furthest, float(off[~fractional].max(initial=0.0)))
        if sums:
            part = np.bincount(block.indices, weights=data, minlength=block.n_vars)
            facts.gene_sums = part if facts.gene_sums is None else facts.gene_sums + part
    return facts


def _extremes(facts: ValueFacts, data: np.ndarray, block: Block) -> None:
    if not data.size:
        return
    low, high = data.min(), data.max()  # NaN spreads to both
    facts.largest = max(facts.largest, float(high))
    if low >= 0 and np.isfinite(high):
        return
    wrong = ~(np.isfinite(data) & (data >= 0))
    at = int(np.flatnonzero(wrong)[0])
    value = float(data[at])
    what = "NaN" if np.isnan(value) else "infinite" if np.isinf(value) else "negative"
    cell = block.start + int(np.searchsorted(block.indptr, at, side="right")) - 1
    facts.bad = (what, cell, int(block.indices[at]), value)


def _repeats(facts: ValueFacts, data: np.ndarray, block: Block) -> None:
    """Find a gene that a cell has twice: some programs add them up, others take the last."""
    if facts.bad is not None or block.indices.size < 2:
        return
    step = np.diff(block.indices)
    ends = block.indptr[1:-1]
    step[ends[(ends > 0) & (ends <= step.size)] - 1] = 1  # from one cell to the next
    if step.min() > 0:  # as nearly all files are: sorted, and none twice
        return
    row = np.repeat(np.arange(block.stop - block.start), np.diff(block.indptr))
    order = np.lexsort((block.indices, row))
    indices, row = block.indices[order], row[order]
    twice = np.flatnonzero((np.diff(indices) == 0) & (np.diff(row) == 0))
    if twice.size:
        at = int(twice[0]) + 1
        value = float(data[order[at]])
        facts.bad = ("second", block.start + int(row[at]), int(indices[at]), value)


def guess_values(facts: ValueFacts) -> str:
    """Say what kind the values are when nothing is declared.

    Integers are counts; others are log-normalised if none is above 30, and linear if one is.
    """
    if not facts.n_fractional:
        return COUNTS
    return LOGNORM if facts.largest <= LOG_MAX else LINEAR


def decide_values(
    facts: ValueFacts,
    declared: str,
    *,
    where: object,
    cells: Sequence[str],
    genes: Sequence[str],
) -> str:
    """Settle the kind of the values, or say why they cannot be used.

    Parameters
    ----------
    facts
        From a pass over all values.
    declared
        ``auto``, ``counts``, ``lognorm`` or ``linear``.
    where
        File and slot, for the message.
    cells, genes
        Names, for the message.

    Raises
    ------
    InputError
        A value is negative, NaN, infinite or one of two for its place; everything is zero; a
        count is above 2**31 - 1; or what was declared cannot be true.
    """
    if facts.bad is not None:
        what, cell, gene, value = facts.bad
        msg = f"{where}: {what} value {value:.6g} in row {cells[cell]!r}, gene {genes[gene]!r}"
        raise InputError(msg, fix=_BAD_FIX[what])
    if not facts.n_stored:
        msg = f"{where}: all values are zero"
        raise InputError(msg, fix="name the layer that holds the values")
    kind = guess_values(facts) if declared == "auto" else declared
    if kind not in KINDS:
        msg = f"{where}: unknown values kind {kind!r}"
        raise InputError(msg, fix=f"use auto, {', '.join(KINDS)}")
    _check_declared(facts, kind, where)
    return kind


_BAD_FIX: Final = {
    "negative": "scaled or batch-corrected values cannot be scored: give counts or log values",
    "NaN": "put a number, 0 if the gene was not seen, or leave the row or gene out",
    "second": "give one value for each cell and gene: `adata.X.sum_duplicates()` adds them up",
    "infinite": "find where it was divided by zero, or leave the row or gene out",
}


def _check_declared(facts: ValueFacts, kind: str, where: object) -> None:
    if kind == COUNTS and facts.n_fractional:
        likely = guess_values(facts)
        looks = "log-normalised" if likely == LOGNORM else "normalised"
        msg = (
            f"{where}: values are declared as counts but are not integers ({facts.evidence}): "
            f"they look {looks}"
        )
        raise InputError(
            msg, fix=f"name the layer that holds the counts, or declare `values: {likely}`"
        )
    if kind == COUNTS and facts.largest > _MAX_COUNT:
        msg = f"{where}: a count of {facts.largest:.6g} is above {_MAX_COUNT:,}"
        raise InputError(msg, fix="declare `values: linear` if these are intensities")
    if kind == LOGNORM and facts.largest > LOG_MAX:
        likely = guess_values(facts)
        msg = (
            f"{where}: values are declared as log-normalised but reach {facts.largest:.6g} "
            f"({facts.evidence})"
        )
        raise InputError(msg, fix=f"declare `values: {likely}`")
