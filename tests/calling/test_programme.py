"""The programme is learnt from sums, by weights that did not see the sample."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.covariance import oas
from threadpoolctl import threadpool_info, threadpool_limits

from senoscore.calling.kinds import nested
from senoscore.calling.learned import call_cells
from senoscore.calling.pooled_null import null_share
from senoscore.calling.prevalence import ARREST_QUANTILE, FAR_QUANTILE, prevalence
from senoscore.calling.programme import Learning, _far_cells, _shrunken, _view, learn
from senoscore.calling.sums import Features, KeptCells, ProgrammeStats, plan_folds

N_GENES, N_PER = 80, 150


def run_of(rng, *, share=0.15, effect=1.0, n=4):
    """Log-normalised values of n + n samples in one compartment; 40 of 80 genes move."""
    n_cells = 2 * n * N_PER
    sample = np.repeat(np.arange(2 * n), N_PER)
    treated = sample >= n
    truth = treated & (rng.random(n_cells) < share)
    moving = np.arange(N_GENES) < 40
    depth = rng.normal(8, 0.3, n_cells)
    rate = np.exp(depth - 8)[:, None] * rng.gamma(3, 0.3, N_GENES)
    rate = rate * np.exp(effect * truth[:, None] * moving)
    x = rng.poisson(rate).astype(float)
    values = sparse.csr_matrix(np.log1p(x / np.exp(depth - 8)[:, None]))
    covariates = np.column_stack([depth - 8, (depth - 8) ** 2])
    return values, covariates, sample, treated, truth, depth


def features():
    arrest = np.arange(N_GENES) % 2 == 0
    return Features(
        np.array([f"G{i}" for i in range(N_GENES)], dtype=object),
        np.ones(N_GENES),
        {"arrest": arrest, "other": ~arrest},
        np.full(N_GENES, 0.5),
        ("depth", "depth2"),
    )


def planned(n=4, compartments=("a",)):
    names = [f"s{i}" for i in range(2 * n)]
    return plan_folds(names, np.arange(2 * n) >= n, list(compartments))


def sums(plan, values, covariates, sample, compartment):
    stats = ProgrammeStats(plan, features().genes, covariates.shape[1])
    stats.accumulate(values, covariates, sample, compartment)
    return stats


def assert_same_cells(left, right):
    np.testing.assert_array_equal(left.key, right.key)
    np.testing.assert_array_equal(left.sample, right.sample)
    np.testing.assert_array_equal(left.expression.toarray(), right.expression.toarray())
    np.testing.assert_array_equal(left.covariates, right.covariates)


def test_which_cells_are_kept_is_a_matter_of_the_cells_alone(monkeypatch):
    monkeypatch.setattr("senoscore.calling.sums.MAX_KEPT", 40)
    monkeypatch.setattr("senoscore.calling.sums._PENDING", 60)  # pruned again and again
    monkeypatch.setattr(KeptCells.lowest, "__defaults__", (40,))
    rng = np.random.default_rng(5)
    values, covariates, sample, *_ = run_of(rng)
    code = np.zeros(len(sample), dtype=int)
    whole = sums(planned(), values, covariates, sample, code).kept
    assert np.bincount(whole.place).tolist() == [40] * 8
    order, genes = rng.permutation(len(sample)), rng.permutation(N_GENES)
    other = ProgrammeStats(planned(), features().genes[genes], covariates.shape[1])
    for rows in np.array_split(order, 7):
        other.accumulate(values[rows][:, genes], covariates[rows], sample[rows], code[rows])
    np.testing.assert_array_equal(other.kept.key, whole.key)
    np.testing.assert_array_equal(
        other.kept.expression.toarray(), whole.expression[:, genes].toarray()
    )


def test_the_correlation_of_few_cells_is_shrunken_as_scikit_learn_does():
    rng = np.random.default_rng(6)
    for n, p in ((40, 90), (400, 20)):
        x = rng.normal(size=(n, p)) @ (np.eye(p) + 0.3 * rng.normal(size=(p, p)))
        x -= x.mean(axis=0)
        np.testing.assert_allclose(_shrunken(x.T @ x / n, n), oas(x, assume_centered=True)[0])


def test_a_compartment_of_few_cells_learns_what_a_gene_does_elsewhere():
    """The same genes change by the same factor, from levels that differ between compartments."""
    rng = np.random.default_rng(8)
    n, moving = 2400, np.arange(N_GENES) < 12
    sample = np.arange(n) % 8
    treated, few = sample >= 4, rng.random(n) < 0.12
    truth = treated & (rng.random(n) < 0.2)
    level = np.where(few[:, None], rng.gamma(1, 0.8, N_GENES), rng.gamma(1, 0.8, N_GENES))
    x = rng.poisson(level * np.exp(0.7 * truth[:, None] * moving))
    values, covariates = sparse.csr_matrix(np.log1p(x.astype(float))), np.zeros((n, 1))

    def area(compartments):
        code = few.astype(int) if compartments == 2 else np.where(few, 0, -1)
        names = ("many", "few") if compartments == 2 else ("few",)
        stats = sums(planned(compartments=names), values, covariates, sample, code)
        total = learn(stats, features()).score(values, covariates, sample, code)[:, 0]
        of = few & treated
        ranks = np.argsort(np.argsort(total[of]))
        n_true = truth[of].sum()
        above = ranks[truth[of]].sum() - n_true * (n_true - 1) / 2
        return above / (n_true * (of.sum() - n_true))

    assert area(2) > 0.8
    assert area(2) > area(1) + 0.03


def test_far_cells_show_the_genes_that_rise_in_them_and_chance_falls_out():
    rng = np.random.default_rng(9)
    n = 4000
    sample = np.arange(n) % 8
    treated = sample >= 4
    far = treated & (rng.random(n) < 0.1)
    z = rng.normal(2, 0.4, size=(n, N_GENES))
    z[far, :20] += 0.8  # the weights know of ten of them
    values, covariates = sparse.csr_matrix(z), np.zeros((n, 1))
    stats = sums(planned(), values, covariates, sample, np.zeros(n, dtype=int))
    view = _view(stats, features(), 0, np.ones(8, dtype=bool), Learning())
    weight = np.where(np.arange(N_GENES) < 10, 1.0, 0.0)
    found, variance = _far_cells(stats.kept, view, weight, stats.plan)
    z_score = found / np.sqrt(variance)
    assert z_score[:20].min() > 3
    assert np.abs(z_score[20:]).max() < 4.5
    # without the far cells, the genes of the weights are no further in one arm than in the other
    still = sums(
        planned(), values[~far], covariates[~far], sample[~far], np.zeros((~far).sum(), int)
    )
    null, variance = _far_cells(still.kept, view, weight, still.plan)
    assert np.abs(null / np.sqrt(variance)).max() < 4.5


def test_sums_of_shards_are_those_of_all_cells():
    values, covariates, sample, *_ = run_of(np.random.default_rng(1))
    compartment = np.arange(len(sample)) % 2
    plan = planned(compartments=("a", "b"))
    whole = sums(plan, values, covariates, sample, compartment)
    half = len(sample) // 2
    parts = [
        sums(plan, values[i], covariates[i], sample[i], compartment[i])
        for i in (slice(None, half), slice(half, None))
    ]
    merged = parts[0].merge(parts[1])
    np.testing.assert_array_equal(merged.n, whole.n)
    np.testing.assert_allclose(merged.cross, whole.cross, rtol=1e-10)
    dense = np.hstack([values.toarray(), covariates])
    assert_same_cells(merged.kept, whole.kept)
    mine = (sample % 4 == 0) & (sample < 4) & (compartment == 1)
    np.testing.assert_allclose(whole.cross[0, 0, 1], dense[mine].T @ dense[mine], rtol=1e-9)


def test_planted_cells_are_called_and_others_are_not():
    values, covariates, sample, treated, truth, depth = run_of(np.random.default_rng(2))
    code = np.zeros(len(sample), dtype=int)
    programme = learn(sums(planned(), values, covariates, sample, code), features())
    scores = programme.score(values, covariates, sample, code)
    calls = call_cells(scores, programme.parts, sample, code, treated, depth)
    assert calls.called[truth].mean() > 0.8
    assert (calls.called & ~truth).sum() <= 0.12 * calls.called.sum()
    share = prevalence(calls.aligned[:, 0], sample, code, treated)
    irradiated = treated[np.searchsorted(sample, share.sample)]
    assert share.share[irradiated].mean() == pytest.approx(truth[treated].mean(), abs=0.06)


def test_one_thread_learns(monkeypatch):
    """More would wait for each other over small matrices, and give other last bits."""
    values, covariates, sample, *_ = run_of(np.random.default_rng(2))
    stats = sums(planned(), values, covariates, sample, np.zeros(len(sample), dtype=int))
    module, seen = sys.modules[learn.__module__], []
    weights = module._weights

    def spied(*given, **options):
        seen.extend(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
        return weights(*given, **options)

    monkeypatch.setattr(module, "_weights", spied)
    with threadpool_limits(limits=2, user_api="blas"):
        learn(stats, features())
    assert set(seen) == {1}


def test_arrest_alone_does_not_see_secretion_and_leaves_a_nuisance_what_it_explains():
    """30 % of the irradiated are arrested: secretion, or a nuisance they have, is no part of it."""
    rng = np.random.default_rng(7)
    n = 1600
    treated = np.arange(n) >= 800
    sample = np.arange(n) // 200
    depth, code = rng.normal(8, 0.3, n), np.zeros(n, dtype=int)
    senescent = treated & (rng.random(n) < 0.3)
    parts = ("total", "arrest", "other")

    def share(*, secretes, nuisance):
        scores = np.random.default_rng(8).normal(size=(n, 3))
        scores[senescent, 1] += 4
        scores[senescent, 2] += secretes
        scores[:, 0] = scores[:, 1] + scores[:, 2]
        level = np.random.default_rng(9).normal(size=(n, 1))
        level[senescent, 0] += nuisance
        calls = call_cells(scores, parts, sample, code, treated, depth, nuisance=level)
        along = calls.arrest(("arrest",))
        found = prevalence(along, sample, code, treated, quantile=ARREST_QUANTILE, far=None)
        irradiated = treated[np.searchsorted(sample, found.sample)]
        expected = (along > np.quantile(along[~treated], ARREST_QUANTILE))[treated].sum()
        assert found.beyond[irradiated].sum() == expected
        return float(found.share[irradiated].mean())

    secreting = share(secretes=4, nuisance=0)
    assert secreting == share(secretes=0, nuisance=0)
    assert secreting == pytest.approx(senescent[treated].mean(), abs=0.05)
    assert share(secretes=4, nuisance=30) < 0.05


def test_shares_are_surer_where_the_run_shows_how_far_senescent_cells_are():
    """Few cells a sample: counting far ones leaves less to chance than counting half of all."""
    rng = np.random.default_rng(11)
    n_samples, per = 24, 40
    sample = np.repeat(np.arange(n_samples), per)
    treated = sample >= 8
    true = np.where(np.arange(n_samples) >= 8, rng.uniform(0, 0.4, n_samples), 0)
    senescent = rng.random(len(sample)) < true[sample]
    score, code = rng.normal(size=len(sample)) + 3 * senescent, 0 * sample
    share = np.bincount(sample, senescent)[8:] / per

    def error(far):
        found = prevalence(score, sample, code, treated, far=far)
        covered = (found.lower[8:] <= share) & (share <= found.upper[8:])
        return np.sqrt(np.mean((found.share[8:] - share) ** 2)), covered.mean()

    (near, _), (far, covered) = error(None), error(FAR_QUANTILE)
    assert far < 0.75 * near
    assert covered >= 0.85
    # nobody is: far cells leave less to chance there too
    null = rng.normal(size=len(sample))
    near, far = (prevalence(null, sample, code, treated, far=q).share for q in (None, FAR_QUANTILE))
    assert np.sqrt(np.mean(far**2)) < 0.75 * np.sqrt(np.mean(near**2))


def test_cells_far_along_one_kind_alone_are_no_share():
    rng = np.random.default_rng(17)
    n_samples, per = 16, 200
    sample = np.repeat(np.arange(n_samples), per)
    treated = sample >= n_samples // 2
    far = treated & (rng.random(len(sample)) < 0.2)
    score, code = rng.normal(size=len(sample)) + 5 * far, 0 * sample
    one, many = rng.random(len(sample)) < 0.2, far | (rng.random(len(sample)) < 0.2)

    def mean(shown):
        return prevalence(score, sample, code, treated, shown=shown).share[n_samples // 2 :].mean()

    np.testing.assert_allclose(mean(None), 0.2, atol=0.03)
    np.testing.assert_allclose(mean(many), 0.2 / 0.9, atol=0.03)
    np.testing.assert_allclose(mean(one), 0.2 * 0.2, atol=0.03)


def test_controls_with_few_far_cells_do_not_pull_their_mean_down():
    """Of 30 cells one is expected far: weighed by what they show, those without seem surest."""
    rng = np.random.default_rng(13)
    n_samples, per, rooms = 16, 30, 40
    sample = np.tile(np.repeat(np.arange(n_samples), per), rooms)
    code = np.repeat(np.arange(rooms), n_samples * per)
    treated = sample >= n_samples // 2
    found = prevalence(rng.normal(size=len(sample)), sample, code, treated)
    shares = found.share[found.sample >= n_samples // 2]
    assert abs(shares.mean()) < 0.0085  # three standard errors; .04 with weights by what is shown


def test_a_score_that_does_not_vary_gives_no_share():
    sample, treated = np.repeat([0, 1], 50), np.repeat([False, True], 50)
    found = prevalence(np.zeros(100), sample, np.zeros(100, dtype=int), treated)
    assert len(found.share) == 0


def test_a_handful_of_cells_is_not_called():
    # four cells are beyond all controls; they are too few to be compared with a nuisance
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(1200, 3))
    treated = np.arange(1200) >= 600
    sample = np.arange(1200) // 150
    depth, code = rng.normal(8, 0.3, 1200), np.zeros(1200, dtype=int)
    noise = rng.normal(size=(1200, 1))

    def called(n):
        x = scores.copy()
        x[600 : 600 + 25 * n : 25] += 12
        return call_cells(
            x, ("total", "arrest", "other"), sample, code, treated, depth, fdr=0.3, nuisance=noise
        )

    few, many = called(4), called(20)
    assert few.few == 4
    assert not few.called.any()
    assert many.few == 0
    assert many.called.sum() >= 20


def test_no_cell_is_called_where_nobody_moved():
    called = 0
    for seed in range(5):
        values, covariates, sample, treated, _, depth = run_of(
            np.random.default_rng(10 + seed), share=0
        )
        code = np.zeros(len(sample), dtype=int)
        programme = learn(sums(planned(), values, covariates, sample, code), features())
        scores = programme.score(values, covariates, sample, code)
        called += call_cells(scores, programme.parts, sample, code, treated, depth).called.sum()
    assert called == 0


def test_a_cell_is_not_scored_by_weights_that_saw_its_sample():
    values, covariates, sample, *_ = run_of(np.random.default_rng(3))
    code = np.zeros(len(sample), dtype=int)
    plan = planned()
    before = learn(sums(plan, values, covariates, sample, code), features())
    other = values.copy().tolil()
    mine = np.isin(sample, np.flatnonzero(plan.fold == 0))
    other[mine] = 0.5
    after = learn(sums(plan, sparse.csr_matrix(other), covariates, sample, code), features())
    np.testing.assert_array_equal(before.coefficients[0], after.coefficients[0])
    assert not np.allclose(before.coefficients[1], after.coefficients[1])


def test_folds_hold_both_arms():
    plan = plan_folds([f"s{i}" for i in range(9)], np.arange(9) >= 3, ["a"])
    for fold in range(plan.n_folds):
        assert set(plan.treated[plan.fold == fold]) == {True, False}


def test_blocks_of_the_wrong_width_are_refused():
    with pytest.raises(ValueError, match="expected 80 and 2"):
        ProgrammeStats(planned(), features().genes, 2).accumulate(
            sparse.csr_matrix((3, 5)), np.zeros((3, 2)), np.zeros(3, int), np.zeros(3, int)
        )


def test_samples_of_one_subject_are_in_one_fold_and_make_one_mean():
    animal = ["a", "a", "b", "c", "d", "d", "e", "f"]
    treated = np.arange(8) >= 4
    plan = plan_folds([f"s{i}" for i in range(8)], treated, ["x"], subject=animal)
    assert plan.n_folds == 3
    for name in set(animal):
        assert len(set(plan.fold[np.array(animal) == name])) == 1
    for fold in range(plan.n_folds):
        assert set(plan.treated[plan.fold == fold]) == {True, False}
    # before and after in the same animal: never apart, both arms in each fold
    paired = plan_folds([f"s{i}" for i in range(8)], treated, ["x"], subject=list("abcdabcd"))
    np.testing.assert_array_equal(paired.fold[:4], paired.fold[4:])
    assert len(set(paired.units.tolist())) == 8


def test_a_subject_in_two_libraries_weighs_as_one():
    values, covariates, sample, *_ = run_of(np.random.default_rng(4))
    code = np.zeros(len(sample), dtype=int)
    whole = learn(sums(planned(), values, covariates, sample, code), features())
    # the first animal's cells in two libraries of its own, as like as two halves can be
    split = np.where((sample == 0) & (np.arange(len(sample)) % 2 == 1), 8, sample)
    subject = [f"s{i}" for i in range(8)] + ["s0"]
    treated = np.array([False] * 4 + [True] * 4 + [False])
    plan = plan_folds([f"l{i}" for i in range(9)], treated, ["a"], subject=subject)
    parts = learn(sums(plan, values, covariates, split, code), features())
    np.testing.assert_allclose(parts.shift, whole.shift, atol=0.01)


def test_where_nearly_all_cells_moved_few_are_taken_for_null():
    p = np.concatenate([np.full(90, 0.01), np.linspace(0.5, 1, 12)[1:-1], np.full(100, 0.9)])
    moved = np.arange(200) < 100
    share = null_share(p, np.zeros(200, dtype=int), moved)
    np.testing.assert_allclose(share[moved], 2 * (1 + 10) / 100)
    assert (share[~moved] == 1).all()
    # a tenth null: a p-value counts for a fifth, so that .3 passes beside nine of .01
    p = np.array([0.01] * 9 + [0.3])
    called, _ = nested(p, p, np.ones(10, bool), level=0.1)
    more, _ = nested(p, p, np.ones(10, bool), level=0.1, null=np.full(10, 0.2))
    assert called.sum() == 9
    assert more.all()
