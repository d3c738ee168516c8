"""JASMINE: mean rank of expressed signature genes and their enrichment, scaled across cells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
from scipy import sparse

from senoscore.errors import InputError
from senoscore.scoring.method import ANY_VALUES, Method
from senoscore.scoring.reference import load_npz, save_npz

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from numpy.typing import NDArray

    from senoscore.genesets import SignatureIndex
    from senoscore.scoring.method import Data, Scorer
    from senoscore.scoring.reference import Block


__all__ = ["JASMINE", "JasmineLimits", "JasmineSets", "jasmine_components"]

_KIND = "senoscore jasmine limits 1"


class JasmineSets(NamedTuple):
    """Set membership by gene, prepared once per data set."""

    n_vars: int
    gene_ptr: NDArray[np.int64]
    gene_set: NDArray[np.int32]
    set_size: NDArray[np.int64]
    scored: NDArray[np.bool_]
    """Parts with genes that passed the gate; the others score NaN."""

    @classmethod
    def of(cls, index: SignatureIndex, *, n_vars: int) -> JasmineSets:
        """Turn aligned signature parts into lists of parts per gene."""
        size = np.diff(index.indptr).astype(np.int64)
        part = np.repeat(np.arange(len(size)), size)
        member = sparse.csr_array(
            (np.ones(len(part)), (np.asarray(index.gene_idx), part)), shape=(n_vars, len(size))
        )
        return cls(
            n_vars,
            member.indptr.astype(np.int64),
            member.indices.astype(np.int32),
            size,
            np.asarray(index.passed, dtype=bool) & (size > 0),
        )

    @property
    def digest(self) -> str:
        """Hash of which genes are in which part."""
        whole = hashlib.sha256(f"{self.n_vars} {self.set_size.tolist()}".encode())
        for part in (self.gene_ptr, self.gene_set, self.scored):
            whole.update(np.ascontiguousarray(part).tobytes())
        return whole.hexdigest()


def jasmine_components(
    block: Block,
    sets: JasmineSets,
    *,
    enrichment: Literal["oddsratio", "likelihood"] = "oddsratio",
    n_threads: int = 1,
) -> NDArray[np.float64]:
    r"""Compute the two per-cell components of JASMINE for a block (Noureen et al., eLife 2022).

    With :math:`n` genes expressed in the cell, :math:`k` of them in the set of :math:`m` measured
    genes, and :math:`N` genes measured: the first component is the mean rank (ties averaged) of
    the :math:`k` genes among the :math:`n`, over :math:`n`; the second the odds ratio
    :math:`k\,d/(b\,c)` or likelihood ratio :math:`k\,(b+d)/(b\,(k+c))` of the 2 x 2 table with
    :math:`b = m-k`, :math:`c = n-k` (zeros replaced by 1) and :math:`d = N - (c+k) - b`, as in
    the authors' R code. A cell that expresses no set gene has 0 and 0; so has an empty cell,
    where the R code gives NaN. Ranks and detection do not change under log-normalisation, so
    counts and log-normalised values give one answer.

    Parameters
    ----------
    block
        Rows in CSR form, non-negative.
    sets
        Set membership by gene.
    enrichment
        Which ratio.
    n_threads
        Threads over the rows.

    Returns
    -------
    float64, shape (2, n_rows, n_parts). Final scores need the limits over all cells
    (:class:`JasmineLimits`).
    """
    from senoscore.kernels import jasmine_parts, run_rows

    n_rows = len(block.indptr) - 1
    out = np.empty((2, n_rows, len(sets.set_size)))
    rows = (
        block.indptr.astype(np.int64, copy=False),
        block.indices.astype(np.int32, copy=False),
        block.data,
    )
    members = (sets.n_vars, sets.gene_ptr, sets.gene_set, sets.set_size, enrichment == "likelihood")
    run_rows(
        lambda first, stop: jasmine_parts(*rows, *members, first, stop, out[0], out[1]),
        n_rows,
        n_threads=n_threads,
    )
    out[:, :, ~sets.scored] = np.nan
    return out


@dataclass(frozen=True)
class JasmineLimits:
    """Smallest and largest component of every part over all cells: a named pass of its own.

    JASMINE scales each component to 0..1 across the cells of a data set, so the score of a cell
    depends on the others. The limits make that dependence explicit: collect them block by block
    with :meth:`merge` (any order, exact), then :meth:`scale` every block.

    Attributes
    ----------
    low, high
        float64, shape (2, n_parts).
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, components: NDArray[np.float64]) -> JasmineLimits:
        """Limits of one block of components, shape (2, n_rows, n_parts)."""
        return cls(components.min(axis=1, initial=np.inf), components.max(axis=1, initial=-np.inf))

    def save(self, path: str | os.PathLike[str], sets: JasmineSets) -> None:
        """Write the limits of these sets to an ``.npz`` file, whole or not at all."""
        save_npz(path, _KIND, sets=np.array(sets.digest), low=self.low, high=self.high)

    @classmethod
    def load(cls, path: str | os.PathLike[str], sets: JasmineSets) -> JasmineLimits:
        """Read limits written by :meth:`save`.

        Raises
        ------
        InputError
            The file holds no limits, or those of other sets.
        """
        arrays = load_npz(path, _KIND)
        if str(arrays["sets"]) != sets.digest:
            msg = f"{path} holds the limits of other signatures or another matrix"
            raise InputError(msg, fix="delete it and run the first pass again")
        return cls(arrays["low"], arrays["high"])

    def merge(self, other: JasmineLimits) -> JasmineLimits:
        """Limits of both sets of cells together."""
        return JasmineLimits(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def scale(self, components: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale both components to 0..1 and average them.

        A component that is the same in all cells tells nothing and counts as 0 (the R code
        divides by zero).

        Returns
        -------
        float64 scores in 0..1, shape (n_rows, n_parts).
        """
        span = (self.high - self.low)[:, None, :]
        centred = components - self.low[:, None, :]
        scaled = np.where(span > 0, centred / np.where(span > 0, span, 1.0), 0.0 * centred)
        return scaled.mean(axis=0)


def _plan(_names: tuple[str, ...], data: Data) -> Scorer:
    """Find the limits of the components over all cells, or read them beside the first pass."""
    sets = JasmineSets.of(data.parts, n_vars=data.matrix.n_vars)
    file = None if data.first_pass is None else data.first_pass.with_suffix(".jasmine.npz")
    limits = _limits(data, sets, file)

    def score(block: Any) -> dict[str, NDArray[np.float64]]:
        return {"jasmine": limits.scale(jasmine_components(block, sets, n_threads=data.n_threads))}

    return score


def _limits(data: Data, sets: JasmineSets, file: Path | None) -> JasmineLimits:
    if file is not None and file.exists():
        return JasmineLimits.load(file, sets)
    limits: JasmineLimits | None = None
    for block in data.blocks():
        here = JasmineLimits.of(jasmine_components(block, sets))  # type: ignore[arg-type]
        limits = here if limits is None else limits.merge(here)
    assert limits is not None
    if file is not None:
        limits.save(file, sets)
    return limits


JASMINE: Final = Method(
    "jasmine", "JASMINE", 0.0, 1.0, ANY_VALUES, "none", "mean ranks of expressed genes",
    "all cells", needs_controls=True, null=False, doi="10.7554/eLife.71994", plan=_plan,
)  # fmt: skip
