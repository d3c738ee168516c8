"""What a programme is learnt from: sums over cells, and a bounded sample of the cells themselves.

Cells come in blocks and leave sums: the number, the mean and the cross-products of the candidate
genes and of some covariates (depth, cell cycle, nuisance programmes). Sums are kept per sample
and compartment; cross-products, which are large, only per fold, arm and compartment. What no sum
holds, which genes rise in the few cells that are far along a programme, is read from cells that
are kept as they are: at most so many of each fold, arm and compartment (:class:`KeptCells`).
What shards leave adds up, and memory does not grow with cells.

The unit is the subject (animal, patient): libraries of one are never in two folds, and their cells
make one mean. A fold holds control and irradiated subjects. Its cells are scored by weights that
saw none of them, the same weights for both arms, so that under no effect they are exchangeable.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["PARTS", "Features", "KeptCells", "Plan", "ProgrammeStats", "plan_folds"]

MAX_FOLDS: Final = 10
PARTS: Final = 4
"""Parts that the cells of an arm's only subject are dealt into. Set on the contrasts and odd seeds
for tuning: with three, decoys of three animals against one are called."""
MAX_KEPT: Final = 500
"""Cells kept of each fold, arm and compartment: all of them in most studies."""
_PENDING: Final = 20_000


@dataclass(frozen=True)
class Features:
    """What is read of a cell.

    Parameters
    ----------
    genes
        Candidate genes, length n_genes.
    sign
        Direction in senescence, +1 or -1, shape (n_genes,).
    kinds
        Kind of evidence -> which candidates belong to it, shape (n_genes,); a gene may be of
        several kinds or of none.
    prior
        Published effect, natural log change of a gene (0: nothing known), shape (n_genes,).
    covariates
        Names of the covariates of a cell, in the order of the columns given to ``accumulate``.
    """

    genes: NDArray[np.object_]
    sign: Floats
    kinds: dict[str, NDArray[np.bool_]]
    prior: Floats
    covariates: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.genes)
        if self.sign.shape != (n,) or self.prior.shape != (n,):
            msg = f"sign and prior need one value for each of the {n} genes"
            raise ValueError(msg)
        if not np.isin(self.sign, (-1.0, 1.0)).all():
            msg = "sign is +1 or -1 for every candidate gene"
            raise ValueError(msg)


@dataclass(frozen=True)
class Plan:
    """Which samples belong together.

    Parameters
    ----------
    samples
        Names (of libraries, where a subject has several), length n_samples.
    treated
        Irradiated or not, shape (n_samples,).
    fold
        Fold of each sample, 0 to n_folds - 1, shape (n_samples,).
    compartments
        Names, length n_compartments.
    group
        Arm, dose or day of a treated sample (any code), shape (n_samples,): the shift is learnt
        per group and the groups are averaged by their precision.
    subject
        Code of the animal or patient of each sample, shape (n_samples,); None: each its own.
    aside
        Samples that are scored and never learnt from, neither controls nor treated, shape
        (n_samples,); None: no sample is.
    part
        An arm of one subject is dealt: its cells are taken for several subjects, part by part.
        Which part of its library each sample is, 0 to ``PARTS`` - 1, and -1 for a whole library,
        shape (n_samples,); None: every sample is a whole library. Parts have the name of theirs.
    """

    samples: tuple[str, ...]
    treated: NDArray[np.bool_]
    fold: Ints
    compartments: tuple[str, ...]
    group: Ints
    subject: Ints | None = None
    aside: NDArray[np.bool_] | None = None
    part: Ints | None = None

    @property
    def parts(self) -> Ints:
        """Which part of its library each sample is, -1: a whole one, shape (n_samples,)."""
        return np.full(len(self.samples), -1, dtype=np.int64) if self.part is None else self.part

    @property
    def library(self) -> Ints:
        """The first sample of the same name, by number: one for all parts of a library."""
        first: dict[str, int] = {}
        return np.array(
            [first.setdefault(s, i) for i, s in enumerate(self.samples)], dtype=np.int64
        )

    def dealt(self, *, treated: bool) -> bool:
        """Tell whether the cells of an arm are of one subject, taken for several."""
        return bool((self.parts[(self.treated == treated) & ~self.set_aside] >= 0).any())

    def place(self, library: Ints, part: Ints) -> Ints:
        """Find the sample of cells.

        Parameters
        ----------
        library
            Number of their library among the distinct names of ``samples`` (the first of each,
            as :attr:`library` has it), -1: none of them, shape (n_cells,).
        part
            Part of theirs, were it dealt, shape (n_cells,).

        Returns
        -------
        Numbers of samples, -1: none of the plan, shape (n_cells,).
        """
        table = np.full((len(self.samples) + 1, PARTS + 1), -1, dtype=np.int64)
        table[self.library, self.parts + 1] = np.arange(len(self.samples))
        whole = table[library, 0]  # the last row, of number -1, has none
        return np.where(whole >= 0, whole, table[library, part + 1])

    @property
    def set_aside(self) -> NDArray[np.bool_]:
        """Which samples are scored and never learnt from, shape (n_samples,)."""
        return np.zeros(len(self.samples), dtype=bool) if self.aside is None else self.aside

    @property
    def subjects(self) -> Ints:
        """Code of the subject of each sample, shape (n_samples,)."""
        return (
            np.arange(len(self.samples), dtype=np.int64) if self.subject is None else self.subject
        )

    @property
    def units(self) -> Ints:
        """Code of each sample's subject within its arm and group, shape (n_samples,).

        Samples of one unit are libraries of the same tissue: their cells make one mean.
        """
        key = np.column_stack([self.subjects, self.treated.astype(np.int64), self.group])
        _, unit = np.unique(key, axis=0, return_inverse=True)
        return np.asarray(unit.ravel(), dtype=np.int64)

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1 if len(self.fold) else 0


def plan_folds(
    samples: Sequence[str],
    treated: NDArray[np.bool_],
    compartments: Sequence[str],
    *,
    group: Sequence[object] | None = None,
    subject: Sequence[str] | None = None,
    aside: NDArray[np.bool_] | None = None,
    part: Ints | None = None,
    max_folds: int = MAX_FOLDS,
) -> Plan:
    """Deal subjects into folds that hold both arms, in order of name within arm and group.

    Parameters
    ----------
    samples
        Names of the samples, unique; parts of one library share its name.
    treated
        Which are irradiated, shape (n_samples,).
    compartments
        Names of the compartments.
    group
        Arm, dose or day of each sample; samples of one group are spread over folds.
    subject
        Animal or patient of each sample; its samples are in one fold, of both arms if it has
        samples before and after. None: each sample is one.
    aside
        Samples that are scored and not learnt from, shape (n_samples,); they are dealt last.
    part
        Which part of its library each sample is, -1: all of it, shape (n_samples,).
    max_folds
        Most folds; there are never more than subjects of the smaller arm.

    Raises
    ------
    ValueError
        A name twice, or an arm without samples.
    """
    treated = np.asarray(treated, dtype=bool)
    apart = np.zeros(len(treated), dtype=bool) if aside is None else np.asarray(aside, dtype=bool)
    pieces = [-1] * len(samples) if part is None else part.tolist()
    if len(set(zip(samples, pieces, strict=True))) != len(samples):
        msg = "sample names must be unique"
        raise ValueError(msg)
    if not treated.any() or not (~treated & ~apart).any():
        msg = "both arms need at least one sample"
        raise ValueError(msg)
    labels = [str(g) for g in (group if group is not None else treated.astype(int))]
    names, code = np.unique(list(samples if subject is None else subject), return_inverse=True)
    first = {s: min(labels[i] for i in np.flatnonzero(code == s)) for s in range(len(names))}
    arms = [{int(s) for s in code[(treated == arm) & ~apart]} for arm in (False, True)]
    n_folds = max(1, min(max_folds, *map(len, arms)))
    both = arms[0] & arms[1]
    fold_of: dict[int, int] = {}
    # those of both arms first, so that every fold gets the rest of each arm in turn
    others = {int(s) for s in code} - arms[0] - arms[1]
    for members in (both, arms[0] - both, arms[1] - both, others):
        start = 0 if members is both else len(both)
        for rank, s in enumerate(sorted(members, key=lambda s: (first[s], s))):
            fold_of[s] = (start + rank) % n_folds
    codes = {g: i for i, g in enumerate(sorted(set(labels)))}
    return Plan(
        tuple(samples),
        treated,
        np.array([fold_of[int(s)] for s in code], dtype=np.int64),
        tuple(compartments),
        np.array([codes[g] for g in labels], dtype=np.int64),
        np.asarray(code, dtype=np.int64),
        apart if apart.any() else None,
        part if part is not None and (part >= 0).any() else None,
    )


@dataclass
class KeptCells:
    """A bounded sample of cells: those with the lowest keys of each fold, arm and compartment.

    The key of a cell is a hash of its genes and values, so that neither the order of cells nor
    that of genes nor the pieces that a matrix is read in matter.

    Attributes
    ----------
    place
        Fold, arm and compartment as one number, shape (n_cells,); see :meth:`ProgrammeStats.place`.
    key
        Hash, shape (n_cells,).
    sample
        Number in the plan, shape (n_cells,).
    expression
        Log-normalised candidates in single precision, CSR, shape (n_cells, n_genes).
    covariates
        Shape (n_cells, n_covariates).
    """

    place: Ints
    key: NDArray[np.uint64]
    sample: Ints
    expression: sparse.csr_matrix
    covariates: Floats

    @classmethod
    def none(cls, n_genes: int, n_covariates: int) -> KeptCells:
        """No cell yet."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(
            empty, np.zeros(0, dtype=np.uint64), empty,
            sparse.csr_matrix((0, n_genes), dtype=np.float32), np.zeros((0, n_covariates)),
        )  # fmt: skip

    def __getitem__(self, rows: Ints | NDArray[np.bool_]) -> KeptCells:
        return KeptCells(
            self.place[rows], self.key[rows], self.sample[rows], self.expression[rows],
            self.covariates[rows],
        )  # fmt: skip

    def __add__(self, other: KeptCells) -> KeptCells:
        return KeptCells(
            np.concatenate([self.place, other.place]),
            np.concatenate([self.key, other.key]),
            np.concatenate([self.sample, other.sample]),
            sparse.vstack([self.expression, other.expression], format="csr"),
            np.concatenate([self.covariates, other.covariates]),
        )

    def lowest(self, n: int = MAX_KEPT) -> KeptCells:
        """The n lowest keys of each place, in order of place, key and sample."""
        order = np.lexsort([self.sample, self.key, self.place])
        place = self.place[order]
        first = np.flatnonzero(np.r_[True, place[1:] != place[:-1]]) if len(place) else place
        rank = np.arange(len(place)) - np.repeat(first, np.diff(np.r_[first, len(place)]))
        return self[order[rank < n]]


def _keys(values: sparse.csr_matrix, gene: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash of each row: a sum, so that the order of its genes does not matter."""
    bits = values.data.view(np.uint32).astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (bits + np.uint64(1)) * gene[values.indices]
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        sums = np.concatenate([[np.uint64(0)], np.cumsum(mixed, dtype=np.uint64)])
        total = sums[values.indptr[1:]] - sums[values.indptr[:-1]]
        total ^= total >> np.uint64(32)
        return np.asarray(total * np.uint64(0x94D049BB133111EB))


@dataclass
class ProgrammeStats:
    """Sums over cells, and some of the cells; two of the same plan add up.

    Parameters
    ----------
    plan
        Samples and their folds.
    genes
        Names of the candidate genes, length n_genes.
    n_covariates
        Covariates of a cell.

    Attributes
    ----------
    n
        Cells, shape (n_samples, n_compartments).
    total
        Sums of genes and covariates, shape (n_samples, n_compartments, n_genes + n_covariates).
    seen
        Cells in which a gene is not zero, shape (2, n_compartments, n_genes): control, irradiated.
    cross
        Sums of products, shape (n_folds, 2, n_compartments, width, width).
    """

    plan: Plan
    genes: NDArray[np.object_]
    n_covariates: int
    n: Ints = field(init=False)
    total: Floats = field(init=False)
    seen: Ints = field(init=False)
    cross: Floats = field(init=False)
    _kept: KeptCells = field(init=False, repr=False)
    _pending: list[KeptCells] = field(init=False, repr=False)
    _bound: NDArray[np.uint64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        width, k = self.n_genes + self.n_covariates, len(self.plan.compartments)
        self.n = np.zeros((len(self.plan.samples), k), dtype=np.int64)
        self.total = np.zeros((len(self.plan.samples), k, width))
        self.seen = np.zeros((2, k, self.n_genes), dtype=np.int64)
        self.cross = np.zeros((self.plan.n_folds, 2, k, width, width))
        self._kept, self._pending = KeptCells.none(self.n_genes, self.n_covariates), []
        # no cell with a higher key can be among the lowest of its place any more
        self._bound = np.full(self.plan.n_folds * 2 * k, np.iinfo(np.uint64).max, dtype=np.uint64)
        names = [zlib.crc32(str(gene).encode()) for gene in self.genes]
        self._salt = np.array(names, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)

    @property
    def n_genes(self) -> int:
        """Number of candidate genes."""
        return len(self.genes)

    def place(self, fold: Ints, arm: Ints, compartment: Ints) -> Ints:
        """Fold, arm (0: control, 1: irradiated) and compartment as one number."""
        return (fold * 2 + arm) * len(self.plan.compartments) + compartment

    @property
    def kept(self) -> KeptCells:
        """At most ``MAX_KEPT`` cells of each fold, arm and compartment."""
        if self._pending:
            whole = self._kept
            for more in self._pending:
                whole = whole + more
            self._kept, self._pending = whole.lowest(), []
            place, start, n = np.unique(self._kept.place, return_index=True, return_counts=True)
            full = n >= MAX_KEPT
            self._bound[place[full]] = self._kept.key[(start + n - 1)[full]]
        return self._kept

    def keep(self, cells: KeptCells) -> None:
        """Take cells into the sample, as far as they are of the lowest keys."""
        low = cells.key <= self._bound[cells.place]
        if low.any():
            self._pending.append(cells[low])
        if sum(len(more.key) for more in self._pending) > _PENDING:
            _ = self.kept  # prunes

    def accumulate(
        self, values: sparse.csr_matrix, covariates: Floats, sample: Ints, compartment: Ints
    ) -> None:
        """Add a block of cells.

        Parameters
        ----------
        values
            Log-normalised candidate genes, CSR, shape (n_cells, n_genes).
        covariates
            Shape (n_cells, n_covariates).
        sample, compartment
            Codes into the plan, shape (n_cells,); negative: the cell is left out.
        """
        width = self.n_genes + self.n_covariates
        values = sparse.csr_matrix(values, dtype=np.float64)
        covariates = np.asarray(covariates, dtype=np.float64)
        if values.shape[1] + covariates.shape[1] != width:
            msg = (
                f"a block has {values.shape[1]} genes and {covariates.shape[1]} covariates, "
                f"expected {self.n_genes} and {self.n_covariates}"
            )
            raise ValueError(msg)
        if not np.isfinite(values.data).all() or not np.isfinite(covariates).all():
            msg = "values and covariates must be finite"
            raise ValueError(msg)
        k, plan = len(self.plan.compartments), self.plan
        use = np.flatnonzero((sample >= 0) & (compartment >= 0))
        use = use[~plan.set_aside[sample[use]]]
        self._sample(values[use], covariates[use], sample[use], compartment[use])
        key = sample[use] * k + compartment[use]
        for code in np.unique(key):
            rows = use[key == code]
            s, c = divmod(int(code), k)
            x, b = values[rows], covariates[rows]
            arm, f, g = int(plan.treated[s]), int(plan.fold[s]), self.n_genes
            self.n[s, c] += len(rows)
            self.total[s, c, :g] += np.asarray(x.sum(axis=0)).ravel()
            self.total[s, c, g:] += b.sum(axis=0)
            self.seen[arm, c] += x.getnnz(axis=0)
            block = self.cross[f, arm, c]
            if x.nnz > 0.15 * np.prod(x.shape):  # dense products are faster from here on
                dense = x.toarray()
                block[:g, :g] += dense.T @ dense
            else:
                product = (x.T @ x).tocoo()
                block[product.row, product.col] += product.data
            between = x.T @ b
            block[:g, g:] += between
            block[g:, :g] += between.T
            block[g:, g:] += b.T @ b

    def _sample(
        self, values: sparse.csr_matrix, covariates: Floats, sample: Ints, compartment: Ints
    ) -> None:
        single = sparse.csr_matrix(values, dtype=np.float32)
        single.sort_indices()
        place = self.place(
            self.plan.fold[sample], self.plan.treated[sample].astype(np.int64), compartment
        )
        self.keep(KeptCells(place, _keys(single, self._salt), sample, single, covariates))

    def merge(self, other: ProgrammeStats) -> ProgrammeStats:
        """Sum of two sets of sums of the same plan."""
        if (self.plan.samples, self.plan.compartments) != (
            other.plan.samples,
            other.plan.compartments,
        ) or not np.array_equal(self.plan.fold, other.plan.fold):
            msg = "only sums of one plan (samples, folds, compartments) add up"
            raise ValueError(msg)
        out = ProgrammeStats(self.plan, self.genes, self.n_covariates)
        for name in ("n", "total", "seen", "cross"):
            getattr(out, name)[...] = getattr(self, name) + getattr(other, name)
        out.keep(self.kept)
        out.keep(other.kept)
        return out
