"""What stands in for scipy.stats gives its bits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from senoscore.kernels import (
    adjusted,
    binom_sf,
    chi2_isf,
    chi2_ppf,
    chi2_sf,
    midranks,
    norm_ppf,
    t_ppf,
    t_sf,
)

RNG = np.random.default_rng(0)
DF = np.r_[RNG.uniform(0.5, 80, 500), 1, 2, 3, 1000, np.inf]
P = np.r_[RNG.uniform(0, 1, 500), 0.975, 0.5, 1e-9, 0.1, 0.05]
X = RNG.normal(0, 5, len(DF))


def test_tails_and_quantiles_are_those_of_scipy_stats() -> None:
    np.testing.assert_array_equal(t_sf(X, DF), stats.t.sf(X, DF))
    np.testing.assert_array_equal(t_ppf(P, DF), stats.t.ppf(P, DF))
    np.testing.assert_array_equal(chi2_sf(X**2, DF), stats.chi2.sf(X**2, DF))
    np.testing.assert_array_equal(chi2_isf(P, DF), stats.chi2.isf(P, DF))
    np.testing.assert_array_equal(chi2_ppf(P, DF), stats.chi2.ppf(P, DF))
    np.testing.assert_array_equal(norm_ppf(P), stats.norm.ppf(P))


def test_binomial_tail_is_that_of_scipy_stats_to_twelve_digits() -> None:
    n = RNG.integers(1, 400, 500)
    more = np.minimum(RNG.integers(-1, 30, 500), n)
    p = RNG.uniform(0.001, 0.2, 500)
    np.testing.assert_allclose(binom_sf(more, n, p), stats.binom.sf(more, n, p), rtol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_ranks_and_adjusted_p_with_ties_are_those_of_scipy_stats(n: int) -> None:
    p = RNG.uniform(0, 1, n).round(2)
    np.testing.assert_array_equal(adjusted(p), stats.false_discovery_control(p))
    np.testing.assert_array_equal(midranks(p), stats.rankdata(p))


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_what_is_no_p_value_is_not_adjusted(wrong: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        adjusted([0.1, wrong])
