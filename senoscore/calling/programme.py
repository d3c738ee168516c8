"""Learn the senescent programme of a run: gene weights from sufficient statistics, cross-fitted.

Cells come in blocks and leave sums: the number, the mean and the cross-products of the candidate
genes and of some covariates (depth, cell cycle, nuisance programmes). Sums are kept per sample
and compartment; cross-products, which are large, only per fold, arm and compartment.
Sums of shards add up, and memory does not grow with cells.

The unit is the subject (animal, patient): libraries of one are never in two folds, and their cells
make one mean. A fold holds control and irradiated subjects. Its cells are scored by weights that
saw none of them, the same weights for both arms, so that under no effect they are exchangeable.

Model. In the z-units of a compartment's controls, a senescent cell is shifted by ``d``. Then the
means of irradiated samples are shifted by ``share * d``, and the covariance of cells *within*
irradiated samples exceeds that of controls by about ``share * (1 - share) * d d'`` (contrastive
principal components, Abid 2018 Nat Commun 9:2134, only of genes in the direction that published
lists give). Both are noisy views of ``d``; published effects are a third. They are joined with
weights by their precision; compartments share what they have in common. The score is the
discriminant ``d' (R + ridge)^-1 z`` with the controls' correlation ``R``, which takes weight from
what varies among healthy cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import linalg, sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["Features", "Learning", "Plan", "Programme", "ProgrammeStats", "learn", "plan_folds"]

MAX_FOLDS: Final = 10
_VARIANCE_FLOOR: Final = 0.01
"""Added to the variance of log-normalised values: a gene seen once is no strong evidence."""


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
    """

    samples: tuple[str, ...]
    treated: NDArray[np.bool_]
    fold: Ints
    compartments: tuple[str, ...]
    group: Ints
    subject: Ints | None = None
    aside: NDArray[np.bool_] | None = None

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
    max_folds: int = MAX_FOLDS,
) -> Plan:
    """Deal subjects into folds that hold both arms, in order of name within arm and group.

    Parameters
    ----------
    samples
        Names of the samples, unique.
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
    max_folds
        Most folds; there are never more than subjects of the smaller arm.

    Raises
    ------
    ValueError
        A name twice, or an arm without samples.
    """
    treated = np.asarray(treated, dtype=bool)
    apart = np.zeros(len(treated), dtype=bool) if aside is None else np.asarray(aside, dtype=bool)
    if len(set(samples)) != len(samples):
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
    )


@dataclass
class ProgrammeStats:
    """Sums over cells; two of the same plan add up.

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
    n_genes: int
    n_covariates: int
    n: Ints = field(init=False)
    total: Floats = field(init=False)
    seen: Ints = field(init=False)
    cross: Floats = field(init=False)

    def __post_init__(self) -> None:
        width, k = self.n_genes + self.n_covariates, len(self.plan.compartments)
        self.n = np.zeros((len(self.plan.samples), k), dtype=np.int64)
        self.total = np.zeros((len(self.plan.samples), k, width))
        self.seen = np.zeros((2, k, self.n_genes), dtype=np.int64)
        self.cross = np.zeros((self.plan.n_folds, 2, k, width, width))

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

    def merge(self, other: ProgrammeStats) -> ProgrammeStats:
        """Sum of two sets of sums of the same plan."""
        if (self.plan.samples, self.plan.compartments) != (
            other.plan.samples,
            other.plan.compartments,
        ) or not np.array_equal(self.plan.fold, other.plan.fold):
            msg = "only sums of one plan (samples, folds, compartments) add up"
            raise ValueError(msg)
        out = ProgrammeStats(self.plan, self.n_genes, self.n_covariates)
        for name in ("n", "total", "seen", "cross"):
            getattr(out, name)[...] = getattr(self, name) + getattr(other, name)
        return out


@dataclass(frozen=True)
class Learning:
    """How weights are learnt.

    Parameters
    ----------
    min_cells
        A sample counts in a compartment from so many cells on; an arm from three times as many.
    min_detected
        A gene counts where it is seen in this share of the cells of an arm.
    ridge
        Added to the correlation of controls before it is inverted, in units of its diagonal.
    prior_precision
        Weight of the published effects, as if seen with this ratio of signal to noise.
    threshold
        A gene's estimate is drawn to zero by this many of its standard errors.
    prior_df
        Degrees of freedom lent to the variance between samples.
    rounds
        Rounds of the excess covariance.
    """

    min_cells: int = 8
    min_detected: float = 0.02
    ridge: float = 0.5
    prior_precision: float = 1.0
    threshold: float = 0.75
    prior_df: float = 4.0
    rounds: int = 4


@dataclass(frozen=True)
class Programme:
    """Learnt weights.

    Attributes
    ----------
    parts
        ``total`` and the kinds of evidence.
    coefficients
        Score of a cell = genes, covariates and 1 times these; NaN where a compartment could not
        be learnt; shape (n_folds, n_compartments, n_parts, n_genes + n_covariates + 1).
    weight, shift, excess
        Per compartment and gene, from all samples, in z-units, shape (n_compartments, n_genes).
    stability
        Mean correlation of a compartment's weights between folds, shape (n_compartments,).
    source
        Per compartment: ``learned``, ``shared``, ``prior`` or ``none``.
    mean, sd
        Of the log-normalised values of control cells, shape (n_compartments, n_genes): what a
        weight is in units of.
    """

    features: Features
    plan: Plan
    parts: tuple[str, ...]
    coefficients: Floats
    weight: Floats
    shift: Floats
    excess: Floats
    prior: Floats
    stability: Floats
    reliability: Floats
    source: tuple[str, ...]
    mean: Floats
    sd: Floats

    @property
    def identity(self) -> Floats:
        """Cosine of what moved and what published damage moves, shape (n_compartments,)."""
        return np.array(
            [float(_unit(a) @ _unit(b)) for a, b in zip(self.shift, self.prior, strict=True)]
        )

    def score(
        self, values: sparse.csr_matrix, covariates: Floats, sample: Ints, compartment: Ints
    ) -> Floats:
        """Score cells by weights that did not see their sample.

        Parameters
        ----------
        values, covariates, sample, compartment
            As in :meth:`ProgrammeStats.accumulate`.

        Returns
        -------
        Scores in units of the controls' SD, NaN where there is none, shape (n_cells, n_parts).
        """
        values = sparse.csr_matrix(values, dtype=np.float64)
        out = np.full((values.shape[0], len(self.parts)), np.nan)
        g, k = values.shape[1], len(self.plan.compartments)
        use = np.flatnonzero((sample >= 0) & (compartment >= 0))
        key = self.plan.fold[sample[use]] * k + compartment[use]
        for code in np.unique(key):
            rows = use[key == code]
            f, c = divmod(int(code), k)
            w = self.coefficients[f, c]
            if np.isnan(w).any():
                continue
            out[rows] = values[rows] @ w[:, :g].T + covariates[rows] @ w[:, g:-1].T + w[:, -1]
        return out


@dataclass
class _View:
    """A compartment as training samples show it, in z-units of its controls, covariates out."""

    mean: Floats  # control mean of genes, raw
    sd: Floats
    slope: Floats  # covariates x genes, raw
    base: Floats  # control mean of covariates
    corr: Floats  # control correlation of residuals within samples
    excess: Floats  # excess covariance within irradiated samples
    excess_se: float
    n_cells: tuple[int, int]
    shift: Floats
    shift_var: Floats
    prior: Floats
    usable: NDArray[np.bool_]


def _view(
    stats: ProgrammeStats, features: Features, c: int, keep: NDArray[np.bool_], how: Learning
) -> _View | None:
    plan, g = stats.plan, stats.n_genes
    folds = np.unique(plan.fold[keep])
    counts = stats.n[:, c] * keep
    arms = [keep & ~plan.treated, keep & plan.treated]
    unit = plan.units
    _, first = np.unique(unit, return_index=True)
    per_unit = np.bincount(unit, weights=counts).astype(np.float64)
    big = per_unit >= how.min_cells
    if any(counts[a].sum() < 3 * how.min_cells or not big[unit[a]].any() for a in arms):
        return None
    within, freedom = [], []
    for arm, members in enumerate(arms):
        cross = stats.cross[folds, arm, c].sum(axis=0)
        mine = np.flatnonzero(members & (counts > 0))
        sums = stats.total[mine, c]
        between = (sums / counts[mine, None]).T @ sums
        df = max(int(counts[mine].sum()) - len(mine), 1)
        within.append((cross - between) / df)
        freedom.append(df)
    control = arms[0]
    mean = stats.total[control, c].sum(axis=0) / counts[control].sum()
    s0 = within[0]
    s_bb = s0[g:, g:]
    ridge = np.diag(1e-6 + s_bb.diagonal() * (2.0 / freedom[0]))
    slope = linalg.solve(s_bb + ridge, s0[g:, :g], assume_a="pos") if s_bb.size else s0[g:, :g]

    def residual(s: Floats) -> Floats:
        cross = s[:g, g:] @ slope
        out: Floats = s[:g, :g] - cross - cross.T + slope.T @ s[g:, g:] @ slope
        return out

    cov = [residual(s) for s in within]
    sd = np.sqrt(np.maximum(cov[0].diagonal(), 0) + _VARIANCE_FLOOR)
    scale = np.outer(sd, sd)
    rate = [
        stats.seen[a, c] / max(int(stats.n[plan.treated == bool(a), c].sum()), 1) for a in (0, 1)
    ]
    usable = np.maximum(*rate) > how.min_detected
    means = np.full((len(first), g), np.nan)
    rows = np.flatnonzero(big)
    sums = np.zeros((len(first), stats.total.shape[2]))
    np.add.at(sums, unit[keep], stats.total[keep, c])
    raw = sums[rows] / per_unit[rows, None]
    means[rows] = (raw[:, :g] - mean[:g] - (raw[:, g:] - mean[g:]) @ slope) / sd
    shift, shift_var = _shift(means, per_unit, big, plan.treated[first], plan.group[first], how)
    share = cov[1] / scale - cov[0] / scale
    np.fill_diagonal(share, 0)
    corr = cov[0] / scale
    corr[~usable], corr[:, ~usable] = 0, 0
    corr[~usable, ~usable] = 1
    prior = features.prior * mean[:g] / sd
    return _View(
        mean[:g], sd, slope, mean[g:], corr, share, float(np.sqrt(sum(1 / f for f in freedom))),
        (freedom[0], freedom[1]), np.where(usable, shift, 0), shift_var,
        np.where(usable, prior, 0), usable,
    )  # fmt: skip


def _shift(
    means: Floats,
    counts: Floats,
    big: NDArray[np.bool_],
    treated: NDArray[np.bool_],
    group: Ints,
    how: Learning,
) -> tuple[Floats, Floats]:
    """Moderated difference of the means of units, groups of treated ones joined by precision."""
    control = np.flatnonzero(big & ~treated)
    groups = [np.flatnonzero(big & treated & (group == k)) for k in np.unique(group[big & treated])]
    parts = [control, *groups]
    rss = sum(((means[i] - means[i].mean(axis=0)) ** 2).sum(axis=0) for i in parts)
    df = sum(len(i) - 1 for i in parts)
    cells = float(np.mean(1.0 / counts[np.concatenate(parts)]))
    floor = 1.5 * cells + 0.005
    common = max(floor, float(np.median(rss / df)) if df else floor)
    var = (how.prior_df * common + rss) / (how.prior_df + df)
    weight = np.array([len(i) for i in groups], dtype=float)
    weight /= weight.sum()
    shift = sum(w * means[i].mean(axis=0) for w, i in zip(weight, groups, strict=True))
    shift = shift - means[control].mean(axis=0)
    n_treated = sum(len(i) for i in groups)
    return shift, var * (1 / n_treated + 1 / len(control))


def _unit(x: Floats) -> Floats:
    norm = float(np.linalg.norm(x))
    return x / norm if norm > 0 else x


def _scaled(estimate: Floats, variance: Floats, sign: Floats) -> tuple[Floats, float]:
    """Bring an estimate to a signal of mean square one; return it and its noise variance.

    Only the genes that move as lists say carry signal: the mean square of those that move against
    them is taken as noise beside the stated variance.
    """
    along = sign * estimate
    noise = float(np.mean(variance))
    against = float(np.mean(np.minimum(along, 0) ** 2)) * 2
    noise = max(noise, against, 1e-12)
    signal = max(float(np.mean(estimate**2)) - noise, 0.02 * noise)
    return estimate / np.sqrt(signal), noise / signal


def _joined(parts: list[tuple[Floats, float]], sign: Floats, threshold: float) -> Floats:
    """Mean of scaled estimates by precision, drawn to zero, in the lists' direction only."""
    precision = np.array([1.0 / v for _, v in parts])
    mean = sum(p * x for p, (x, _) in zip(precision, parts, strict=True)) / precision.sum()
    drawn = sign * np.maximum(sign * mean - threshold / np.sqrt(precision.sum()), 0)
    out: Floats = drawn
    return out


def _estimates(view: _View, start: Floats, sign: Floats, how: Learning) -> Floats:
    """Covariance of every gene with the score of the others, irradiated less control."""
    u = _unit(start)
    for _ in range(how.rounds):
        e = view.excess @ u
        spread = view.excess_se
        drawn = np.maximum(sign * e - how.threshold * spread, 0) * sign * view.usable
        if not drawn.any():
            break
        u = _unit(drawn)
    out: Floats = view.excess @ u
    return out


def _directions(views: dict[int, _View], sign: Floats, how: Learning) -> dict[int, Floats]:
    """Direction of every compartment: own, shared and published, by precision."""
    own: dict[int, list[tuple[Floats, float]]] = {}
    for c, v in views.items():
        m = v.usable
        s = sign[m]
        moved = _scaled(v.shift[m], v.shift_var[m], s)
        prior = v.prior[m] / max(float(np.sqrt(np.mean(v.prior[m] ** 2))), 1e-12)
        start = np.zeros(len(sign))
        start[m] = _joined([moved, (prior, 1 / how.prior_precision)], s, how.threshold)
        e = _estimates(v, start, sign, how)[m]
        excess = _scaled(e, np.full(len(e), v.excess_se**2), s)
        own[c] = [moved, excess, (prior, 1 / how.prior_precision)]

    def full(c: int, x: Floats) -> Floats:
        out = np.zeros(len(sign))
        out[views[c].usable] = x
        return out

    shared = np.zeros(len(sign))
    count = np.zeros(len(sign))
    for c, parts in own.items():
        w = sum(1 / v for _, v in parts[:2])
        mean = sum(x / v for x, v in parts[:2])
        shared += full(c, np.asarray(mean))
        count += w * views[c].usable
    shared = shared / np.maximum(count, 1e-12)
    out = {}
    for c, parts in own.items():
        m = views[c].usable
        mine = sum(1 / v for _, v in parts[:2])
        rest = np.maximum(count[m] - mine, 0)
        others = (shared[m] * count[m] - sum(x / v for x, v in parts[:2])) / np.maximum(rest, 1e-12)
        known = float(np.mean(rest))
        joined = list(parts)
        if known > 1e-9:
            # compartments differ: what the others say is never surer than two to one
            joined.append((np.where(rest > 0, others, 0), 1 / known + 0.5))
        out[c] = full(c, _joined(joined, sign[m], how.threshold))
    return out


def _coefficients(
    view: _View, direction: Floats, features: Features, parts: tuple[str, ...], how: Learning
) -> tuple[Floats, Floats]:
    """Raw coefficients of every part and the weights of the total in z-units."""
    rows, total = [], np.zeros(len(direction))
    for part in parts:
        mask = (np.ones(len(direction), bool) if part == "total" else features.kinds[part]) & (
            direction != 0
        )
        w = np.zeros(len(direction))
        idx = np.flatnonzero(mask)
        if len(idx):
            r = view.corr[np.ix_(idx, idx)] + how.ridge * np.eye(len(idx))
            w[idx] = linalg.solve(r, direction[idx], assume_a="pos")
            # a gene counts in its own direction or not at all
            w = np.where(w * features.sign > 0, w, 0)
            spread = float(w @ view.corr @ w)
            w = w / np.sqrt(spread) if spread > 0 else w
        if part == "total":
            total = w
        raw = w / view.sd
        cov = -view.slope @ raw
        rows.append(np.concatenate([raw, cov, [-raw @ view.mean - cov @ view.base]]))
    return np.array(rows), total


def learn(stats: ProgrammeStats, features: Features, how: Learning | None = None) -> Programme:
    """Learn the weights of every fold and, for reading, of all samples.

    Parameters
    ----------
    stats
        Sums over all cells of the run.
    features
        What the columns are.
    how
        Options.

    Returns
    -------
    The programme. Compartments that cannot be learnt (few cells in an arm) have NaN weights.
    """
    how = how or Learning()
    plan, g = stats.plan, stats.n_genes
    parts = ("total", *features.kinds)
    k = len(plan.compartments)
    width = g + stats.n_covariates + 1
    coefficients = np.full((plan.n_folds, k, len(parts), width), np.nan)
    folds = np.full((plan.n_folds, k, g), np.nan)
    weight, shift, excess, prior = (np.zeros((k, g)) for _ in range(4))
    mean, sd = np.zeros((k, g)), np.ones((k, g))
    for f in [*range(plan.n_folds), -1]:
        keep = plan.fold != f
        views = {c: v for c in range(k) if (v := _view(stats, features, c, keep, how)) is not None}
        if not views:
            continue
        for c, d in _directions(views, features.sign, how).items():
            rows, total = _coefficients(views[c], d, features, parts, how)
            if f < 0:
                weight[c], shift[c], prior[c] = total, views[c].shift, views[c].prior
                excess[c] = views[c].excess @ _unit(total)
                mean[c], sd[c] = views[c].mean, views[c].sd
            else:
                coefficients[f, c], folds[f, c] = rows, total
    stability = np.array([_agreement(folds[:, c]) for c in range(k)])
    source = tuple(
        "learned" if np.isfinite(coefficients[:, c]).all() and plan.n_folds > 1 else "none"
        for c in range(k)
    )
    return Programme(
        features, plan, parts, coefficients, weight, shift, excess, prior, stability,
        np.full(k, np.nan), source, mean, sd,
    )  # fmt: skip


def _agreement(weights: Floats) -> float:
    """Mean cosine of weights between folds."""
    rows = [_unit(w) for w in weights if np.isfinite(w).all()]
    pairs = [a @ b for i, a in enumerate(rows) for b in rows[:i]]
    return float(np.mean(pairs)) if pairs else float("nan")
