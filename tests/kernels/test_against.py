"""A score among random sets: as numpy says it, pass by pass."""

from __future__ import annotations

import numpy as np
import pytest

from senoscore.kernels import place_among


@pytest.mark.parametrize("n_sets", [2, 7, 8, 50, 63, 128, 129, 1000])
def test_z_and_p_are_those_of_means_and_deviations(n_sets: int) -> None:
    rng = np.random.default_rng(n_sets)
    random, score = rng.normal(size=(30, n_sets)), rng.normal(size=30)
    z, p = place_among(score, random, 1e-12)
    expected = (score - random.mean(axis=1)) / random.std(axis=1, ddof=1)
    assert z == pytest.approx(expected, rel=1e-12)
    assert p == pytest.approx((1 + (random >= score[:, None]).sum(axis=1)) / (n_sets + 1))


def test_layout_does_not_matter() -> None:
    random = np.random.default_rng(0).normal(size=(5, 3, 50))
    score = np.zeros(5)
    for part in range(3):
        strided = place_among(score, random[:, part], 1e-12)
        whole = place_among(score, np.ascontiguousarray(random[:, part]), 1e-12)
        for one, other in zip(strided, whole, strict=True):
            np.testing.assert_array_equal(one, other)


def test_nearly_equal_scores_are_equal() -> None:
    random = np.full((2, 4), 3.0)
    random[1, 0] += 1e-13
    z, p = place_among(np.array([3.0, 3.0 + 1e-13]), random, 1e-12)
    assert np.isnan(z).all()
    assert (p == 1).all()


def test_a_missing_score_has_neither() -> None:
    z, p = place_among(np.array([np.nan]), np.arange(4.0)[None], 1e-12)
    assert np.isnan(z).all()
    assert np.isnan(p).all()
