"""Values below a limit: the t test where there are none, R's survreg and bounds where there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.questions.censored import censored_contrast

REFERENCE = pd.read_csv(
    Path(__file__).parents[1] / "references" / "censored_reference.txt", sep="\t", index_col="name"
)
# The data of tests/references/censored_reference.R.
Y = np.array([1.2, 0.3, 2.1, 0.9, 1.7, 2.4, 3.1, 1.1, 2.8, 3.6])
GROUP = np.repeat([0.0, 1.0], 5)


def below(limit: float) -> tuple[np.ndarray, np.ndarray]:
    return np.where(limit > Y, -np.inf, Y), np.where(limit > Y, limit, Y)


def test_without_limits_it_is_the_t_test() -> None:
    found = censored_contrast(Y, Y, GROUP)
    expected = stats.ttest_ind(Y[5:], Y[:5])
    interval = expected.confidence_interval()
    assert found.method == "t test"
    assert [found.statistic, found.p, found.lo, found.hi] == pytest.approx(
        [expected.statistic, expected.pvalue, *interval], rel=1e-6
    )
    alone = censored_contrast(Y, Y)
    assert alone.p == pytest.approx(stats.ttest_1samp(Y, 0).pvalue, rel=1e-6)


@pytest.mark.parametrize("name", ["left", "both_sides"])
def test_estimate_and_likelihood_ratio_are_those_of_survreg(name: str) -> None:
    lo, hi = below(1.15)
    if name == "both_sides":
        lo, hi = lo.copy(), hi.copy()
        lo[9], hi[9] = 3.0, np.inf
    found = censored_contrast(lo, hi, GROUP)
    expected = REFERENCE.loc[name]
    assert found.estimate == pytest.approx(expected["estimate"], rel=1e-5)
    n, nu = 10, 8
    ratio = n * np.log1p(found.statistic**2 / nu)
    assert ratio == pytest.approx(expected["lr"], rel=1e-5)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.statistic), nu))
    # The ends of the interval are as far from the estimate as p = 0.05 says.
    for end in (found.lo, found.hi):
        assert censored_contrast(lo - end * GROUP, hi - end * GROUP, GROUP).p == pytest.approx(
            0.05, abs=1e-4
        )


def test_a_whole_group_below_gives_a_bound_and_no_estimate() -> None:
    lo, hi = Y.copy(), Y.copy()
    lo[:5], hi[:5] = -np.inf, 1.0
    found = censored_contrast(lo, hi, GROUP)
    assert np.isnan(found.estimate)
    assert found.hi == np.inf
    assert np.isfinite(found.lo)
    assert found.p < 0.05


@pytest.mark.parametrize(
    ("lo", "hi", "reason"),
    [
        ([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], "no variation"),
        ([-np.inf, -np.inf, 1.0, 2.0], [0.5, 0.5, 1.0, 2.0], "fewer than 3 measured"),
    ],
)
def test_what_cannot_be_asked_has_a_reason(lo: list[float], hi: list[float], reason: str) -> None:
    found = censored_contrast(np.array(lo), np.array(hi), np.array([0.0, 0.0, 1.0, 1.0]))
    assert reason in found.reason
    assert np.isnan(found.p)
