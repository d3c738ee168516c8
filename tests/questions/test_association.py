"""Rank and hazard associations against R, by hand, and within arms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from senoscore.questions.association import firth_cox, rank_association

REFERENCE = pd.read_csv(
    Path(__file__).parents[1] / "references" / "outcome_reference.txt", sep="\t", index_col="name"
)
# The data of tests/references/outcome_reference.R.
X = np.array([-1.2, 0.4, 0.9, -0.3, 1.5, -0.8, 0.1, 2.0, -1.7, 0.6, -0.5, 1.1, 0.3, -0.9])
TIME = np.array([40, 22, 15, 30, 8, 55, 27, 5, 60, 18, 33, 15, 60, 47], dtype=float)
EVENT = np.array([1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1]) == 1
ARM = np.array([0.0, 1.0] * 7)
Y = np.array([2.1, 0.3, 1.9, 0.8, 3.0, 0.7, 1.2])
ONE = np.zeros(7, dtype=np.int64)


@pytest.mark.parametrize("name", ["cox", "cox_arm"])
def test_firth_cox_is_that_of_the_likelihood_of_r(name: str) -> None:
    columns = [X] if name == "cox" else [X, ARM]
    found = firth_cox(TIME, EVENT, np.column_stack(columns))
    expected = REFERENCE.loc[name]
    numbers = [found.estimate, found.lo, found.hi, found.statistic]
    assert numbers == pytest.approx(
        expected[["estimate", "lo", "hi", "statistic"]].tolist(), rel=1e-4
    )
    assert found.p == pytest.approx(expected["p"], rel=1e-5)


def test_firth_cox_of_two_subjects_by_hand() -> None:
    # One event with x = 1 beside one at risk with x = 0: with s the share of the hazard of the
    # first, the penalised likelihood is s^(3/2) (1 - s)^(1/2), largest at s = 3/4: ratio 3.
    found = firth_cox(np.array([1.0, 2.0]), np.array([True, False]), np.array([[1.0], [0.0]]))
    assert found.estimate == pytest.approx(3, rel=1e-5)
    lr = 2 * (1.5 * np.log(0.75) + 0.5 * np.log(0.25) - 2 * np.log(0.5))
    assert found.statistic == pytest.approx(lr, rel=1e-5)


def test_full_separation_has_a_finite_ratio() -> None:
    order = np.arange(12.0)
    found = firth_cox(order + 1, order < 11, -order[:, None])
    assert np.isfinite([found.estimate, found.lo]).all()
    assert found.p < 0.001


def test_spearman_is_that_of_r() -> None:
    found = rank_association(X[:7], Y, ONE)
    expected = REFERENCE.loc["spearman"]
    assert [found.estimate, found.lo, found.hi, found.p] == pytest.approx(
        expected[["estimate", "lo", "hi", "p"]].tolist(), rel=1e-8
    )
    assert found.method == "Spearman, exact permutation"


def test_a_difference_between_arms_is_no_association() -> None:
    random = np.random.default_rng(3)
    arm = np.repeat([0, 1], 12)
    x, y = random.normal(size=24) + 5 * arm, random.normal(size=24) + 5 * arm
    pooled = rank_association(x, y, np.zeros(24, dtype=np.int64))
    within = rank_association(x, y, arm)
    assert pooled.p < 0.001
    assert within.p > 0.05
    assert "within arms" in within.method


def test_association_within_arms_of_opposite_levels_is_found() -> None:
    order = np.tile(np.arange(6.0), 2)
    arm = np.repeat([0, 1], 6)
    found = rank_association(order - 10 * arm, order + 10 * arm, arm)
    assert found.estimate == pytest.approx(1)
    assert found.p == pytest.approx(1 / 10_000)  # none of 9,999 drawn permutations is as far
    assert np.isnan(found.lo)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], "too few subjects: 4"),
        ([1, 2, 3, 4, 5], [2, 2, 2, 2, 2], "the same value"),
    ],
)
def test_what_cannot_be_asked_has_a_reason(x: list[float], y: list[float], reason: str) -> None:
    found = rank_association(np.array(x, float), np.array(y, float), ONE[: len(x)])
    assert reason in found.reason
    assert np.isnan(found.p)
