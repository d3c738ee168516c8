"""Learn the senescent programme of a run: gene weights from sufficient statistics, cross-fitted.

Model. In the z-units of a compartment's controls, a senescent cell is shifted by ``d``. A
programme changes the *expression* of a gene by much the same factor wherever it is on, and what
that is in z-units depends on how high the gene stands there: ``d = r * change`` with ``r`` the
control mean over the SD. Of ``change`` there are four noisy views, joined by their precision:

- the means of irradiated samples are shifted by ``share * d``;
- cells far along the programme (more of them among the irradiated) show it within samples. To
  begin with, the covariance of cells within irradiated samples exceeds that of controls by about
  ``share * (1 - share) * d d'`` (contrastive principal components, Abid 2018 Nat Commun 9:2134,
  only of genes in the direction that published lists give). Then the cells beyond the controls'
  90 % quantile are looked at: how much further their genes are than those of control cells that
  lie as far, so that what only chance put there falls out;
- the other compartments, as far as compartments agree;
- published effects.

The score is the discriminant ``d' R^-1 z`` with the controls' correlation ``R``, drawn to the
identity as far as so few cells cannot tell it (oracle approximating shrinkage, Chen, Wiesel,
Eldar and Hero 2010 IEEE Trans Signal Process 58:5016): it takes weight from what varies among
healthy cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from senoscore.calling.pooled_null import LOWER_MIDDLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from senoscore.calling.sums import Features, KeptCells, Plan, ProgrammeStats

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["Learning", "Programme", "learn"]

_VARIANCE_FLOOR: Final = 0.01
"""Added to the variance of log-normalised values: a gene seen once is no strong evidence."""
_FAR: Final = 0.9
"""Quantile of the controls beyond which a cell is far along a direction."""


@dataclass(frozen=True)
class Learning:
    """How weights are learnt.

    Parameters
    ----------
    min_cells
        A sample counts in a compartment from so many cells on; an arm from three times as many.
    min_detected
        A gene counts where it is seen in this share of the cells of an arm.
    prior_precision
        Weight of the published effects, as if seen with this ratio of signal to noise.
    between
        Variance of a change between compartments, in units of its mean square.
    threshold
        A gene's estimate is drawn to zero by this many of its standard errors.
    prior_df
        Degrees of freedom lent to the variance between samples.
    rounds
        Rounds of the excess covariance.
    far_rounds
        Rounds of looking at the cells that are far along what was found.
    """

    min_cells: int = 8
    min_detected: float = 0.02
    prior_precision: float = 1.0
    between: float = 0.2
    threshold: float = 0.75
    prior_df: float = 4.0
    rounds: int = 4
    far_rounds: int = 6


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
    likeness
        Cosine of what the cells of the run show and what published damage does, shape ().
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
    likeness: Floats
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


def _scaled(estimate: Floats, variance: float, sign: Floats) -> tuple[Floats, float]:
    """Bring an estimate to a signal of mean square one; return it and its noise variance.

    Only the genes that move as lists say carry signal: the mean square of those that move against
    them is taken as noise beside the stated variance.
    """
    along = sign * estimate
    against = float(np.mean(np.minimum(along, 0) ** 2)) * 2
    noise = max(variance, against, 1e-12)
    signal = max(float(np.mean(estimate**2)) - noise, 0.02 * noise)
    return estimate / np.sqrt(signal), noise / signal


@dataclass(frozen=True)
class _Seen:
    """What the cells of a compartment say of the usable genes, brought to one scale.

    ``evidence`` and ``precision`` are of the change of expression: their ratio is an estimate.
    """

    level: Floats  # control mean over SD, mean square one: change times this is a shift in z-units
    evidence: Floats
    precision: Floats
    known: Floats  # published change, of mean square one in z-units


def _seen(view: _View, beyond: tuple[Floats, float], sign: Floats) -> _Seen:
    """Join what the means and the far cells of a compartment say."""
    m = view.usable
    level = np.maximum(view.mean[m] / view.sd[m], 1e-6)
    level = level / max(float(np.sqrt(np.mean(level**2))), 1e-12)
    moved = _scaled(view.shift[m], float(np.mean(view.shift_var[m])), sign[m])
    far = _scaled(beyond[0][m], beyond[1], sign[m])
    known = view.prior[m] / max(float(np.sqrt(np.mean(view.prior[m] ** 2))), 1e-12)
    return _Seen(
        level,
        level * sum(x / noise for x, noise in (moved, far)),
        level**2 * sum(1 / noise for _, noise in (moved, far)),
        known / level,
    )


def _joined(
    views: dict[int, _View], seen: dict[int, _Seen], sign: Floats, how: Learning
) -> dict[int, Floats]:
    """Direction of every compartment: its own, that of the others and the published.

    A change is the mean of these by precision; compartments differ, so that the others are never
    surer than ``how.between`` allows. What is not ``how.threshold`` standard errors in the
    direction of the lists is drawn to zero.
    """
    evidence, precision = np.zeros(len(sign)), np.zeros(len(sign))
    for c, of in seen.items():
        evidence[views[c].usable] += of.evidence
        precision[views[c].usable] += of.precision
    out = {}
    for c, of in seen.items():
        m = views[c].usable
        rest = np.maximum(precision[m] - of.precision, 1e-9)
        others = (evidence[m] - of.evidence) / rest
        weight = 1 / (1 / rest + how.between)
        total = of.precision + weight + how.prior_precision
        change = (of.evidence + weight * others + how.prior_precision * of.known) / total
        along = sign[m] * of.level * change - how.threshold * of.level / np.sqrt(total)
        out[c] = np.zeros(len(sign))
        out[c][m] = sign[m] * np.maximum(along, 0)
    return out


def _covarying(view: _View, sign: Floats, how: Learning) -> tuple[Floats, float]:
    """Covariance of every gene with the score of the others, irradiated less control.

    It starts from what means and published effects say, and follows what it finds.
    """
    m, start = view.usable, np.zeros(len(sign))
    moved, noise = _scaled(view.shift[m], float(np.mean(view.shift_var[m])), sign[m])
    known = view.prior[m] / max(float(np.sqrt(np.mean(view.prior[m] ** 2))), 1e-12)
    total = 1 / noise + how.prior_precision
    mean = (moved / noise + how.prior_precision * known) / total
    start[m] = sign[m] * np.maximum(sign[m] * mean - how.threshold / np.sqrt(total), 0)
    u = _unit(start)
    for _ in range(how.rounds):
        e = view.excess @ u
        drawn = np.maximum(sign * e - how.threshold * view.excess_se, 0) * sign * m
        if not drawn.any():
            break
        u = _unit(drawn)
    return view.excess @ u, view.excess_se**2


def _far_cells(
    kept: KeptCells, view: _View, weight: Floats, plan: Plan
) -> tuple[Floats, float] | None:
    """How much further the genes of far cells are, irradiated less control, and the noise of it.

    A cell counts by how far it lies beyond the controls' quantile ``_FAR`` of ``kept @ weight``,
    each sample laid on its own lower middle; a gene by its distance from the mean of its sample.
    Control cells that lie as far do so by chance, and show what chance does to the genes that the
    weights are of.

    Parameters
    ----------
    kept
        Cells of the compartment, of samples that may be learnt from.
    view
        The compartment.
    weight
        Of the genes, in z-units, shape (n_genes,).

    Returns
    -------
    Shape (n_genes,) in z-units and its variance; None where an arm has no cells or all are alike.
    """
    raw = weight / view.sd
    along = kept.expression @ raw - kept.covariates @ (view.slope @ raw)
    treated = plan.treated[kept.sample]
    if not treated.any() or treated.all():
        return None
    samples, place, n = np.unique(kept.sample, return_inverse=True, return_counts=True)
    for i in range(len(samples)):
        own = place == i
        along[own] -= np.quantile(along[own], LOWER_MIDDLE)
    cut, spread = np.quantile(along[~treated], _FAR), float(np.std(along[~treated]))
    if spread < 1e-9:
        return None
    far = np.maximum(along - cut, 0) / spread
    member = sparse.csr_matrix((np.ones(len(place)), (place, np.arange(len(place)))))
    share = (member @ far) / n  # a sample's mean is taken from each of its cells
    n_treated, n_control = float(treated.sum()), float((~treated).sum())
    h = (far - share[place]) * np.where(treated, 1 / n_treated, -1 / n_control)
    out = (kept.expression.T @ h - view.slope.T @ (kept.covariates.T @ h)) / view.sd
    squares = [float((far[arm] ** 2).sum()) for arm in (treated, ~treated)]
    variance = squares[0] / n_treated**2 + squares[1] / n_control**2
    return np.where(view.usable, out, 0), variance


def _directions(
    views: dict[int, _View],
    features: Features,
    how: Learning,
    kept: Mapping[int, KeptCells],
    plan: Plan,
) -> tuple[dict[int, Floats], dict[int, _Seen]]:
    """Direction of every compartment, in the z-units of its controls, and what it is made of."""
    sign = features.sign
    beyond = {c: _covarying(view, sign, how) for c, view in views.items()}
    for round_ in range(how.far_rounds + 1):
        seen = {c: _seen(view, beyond[c], sign) for c, view in views.items()}
        found = _joined(views, seen, sign, how)
        if round_ == how.far_rounds:
            break
        for c, view in views.items():
            far = _far_cells(kept[c], view, _weights(view, found[c], sign), plan)
            beyond[c] = beyond[c] if far is None else far
    return found, seen


def _likeness(views: dict[int, _View], seen: dict[int, _Seen], published: Floats) -> float:
    """Cosine of what the cells show, over compartments, and of published changes, by precision.

    Published effects have no part in what the cells show: far cells are compared with controls
    that lie as far. NaN where nothing is published of these genes.
    """
    evidence, precision = np.zeros(len(published)), np.zeros(len(published))
    for c, of in seen.items():
        evidence[views[c].usable] += of.evidence
        precision[views[c].usable] += of.precision
    change = evidence / np.maximum(precision, 1e-12)
    norm = float(np.sqrt((precision * change**2).sum() * (precision * published**2).sum()))
    return float((precision * change * published).sum()) / norm if norm > 0 else float("nan")


def _weights(view: _View, direction: Floats, sign: Floats) -> Floats:
    """Discriminant of a direction among healthy cells, in z-units."""
    w = np.zeros(len(direction))
    idx = np.flatnonzero(direction)
    if len(idx):
        w[idx] = linalg.solve(
            _shrunken(view.corr[np.ix_(idx, idx)], view.n_cells[0]), direction[idx], assume_a="pos"
        )
    # a gene counts in its own direction or not at all
    return np.where(w * sign > 0, w, 0)


def _shrunken(covariance: Floats, n: int) -> Floats:
    """Draw a covariance of n cells to a multiple of the identity (OAS).

    Chen 2010, eq. 23, without its terms of 2 / p, as scikit-learn has it.
    """
    p = len(covariance)
    middle, square = float(np.trace(covariance)) / p, float(np.mean(covariance**2))
    unlike = (n + 1) * (square - middle**2 / p)
    share = min(1.0, (square + middle**2) / unlike) if unlike > 0 else 1.0
    out: Floats = (1 - share) * covariance
    out[np.diag_indices(p)] += share * middle
    return out


def _coefficients(
    view: _View, direction: Floats, features: Features, parts: tuple[str, ...]
) -> tuple[Floats, Floats]:
    """Raw coefficients of every part and the weights of the total in z-units."""
    rows, total = [], np.zeros(len(direction))
    for part in parts:
        of = np.ones(len(direction), bool) if part == "total" else features.kinds[part]
        w = _weights(view, np.where(of, direction, 0), features.sign)
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
    mean, sd, likeness = np.zeros((k, g)), np.ones((k, g)), float("nan")
    kept, room = stats.kept, stats.kept.place % k
    # One thread: matrices are small, and sums shared out among more have other last bits.
    with threadpool_limits(limits=1, user_api="blas"):
        for f in [*range(plan.n_folds), -1]:
            keep = plan.fold != f
            views = {
                c: v for c in range(k) if (v := _view(stats, features, c, keep, how)) is not None
            }
            if not views:
                continue
            known = keep[kept.sample]
            cells = {c: kept[known & (room == c)] for c in views}
            directions, seen = _directions(views, features, how, cells, plan)
            if f < 0:
                likeness = _likeness(views, seen, features.prior)
            for c, d in directions.items():
                rows, total = _coefficients(views[c], d, features, parts)
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
        np.array(likeness), source, mean, sd,
    )  # fmt: skip


def _agreement(weights: Floats) -> float:
    """Mean cosine of weights between folds."""
    rows = [_unit(w) for w in weights if np.isfinite(w).all()]
    pairs = [a @ b for i, a in enumerate(rows) for b in rows[:i]]
    return float(np.mean(pairs)) if pairs else float("nan")
