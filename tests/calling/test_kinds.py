"""Several kinds of evidence, as p-values."""

from __future__ import annotations

import numpy as np
import pytest

from senoscore.calling.kinds import nested, partial_conjunction
from senoscore.calling.pooled_null import empirical_p, fdr


def test_partial_conjunction_is_the_formula():
    p = np.array([[0.01, 0.02, 0.5], [0.4, 0.001, 0.001], [0.01, np.nan, 0.03]])
    got = partial_conjunction(p, [0], others=[1, 2], at_least=1)
    np.testing.assert_allclose(got, [0.04, 0.4, 0.03])
    two = partial_conjunction(p, [0], others=[1, 2], at_least=2)
    np.testing.assert_allclose(two[:2], [0.5, 0.4])
    assert np.isnan(two[2])


def test_partial_conjunction_holds_its_level_where_one_kind_is_null():
    rng = np.random.default_rng(0)
    p = np.column_stack([rng.random(20000), np.zeros(20000), np.zeros(20000)])
    got = partial_conjunction(p, [0], others=[1, 2])
    assert np.mean(got <= 0.05) == pytest.approx(0.05, abs=0.006)


def test_nested_calls_nobody_on_one_kind():
    rng = np.random.default_rng(1)
    total = np.concatenate([np.full(200, 1e-5), rng.random(1800)])
    conjunction = rng.random(2000)
    called, _ = nested(total, conjunction, np.ones(2000, bool), level=0.1)
    assert called.sum() == 0


def test_bh_and_empirical_p():
    p = np.array([0.01, 0.04, 0.03, np.nan])
    np.testing.assert_allclose(fdr(p, np.ones(4, bool))[:3], [0.03, 0.04, 0.04])
    x = np.array([0.0, 1.0, 2.0, 3.0, 2.0])
    control = np.array([True, True, True, True, False])
    got = empirical_p(x, np.zeros(5, int), control, set())
    assert got[4] == pytest.approx(3 / 5)
