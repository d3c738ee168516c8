"""Read-outs of a burden curve against R's t.test and Welch's formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.inference.readouts import readouts
from senoscore.inference.trend import trend

REFERENCE = pd.read_csv(
    Path(__file__).parents[1] / "references" / "trend_reference.txt", sep="\t", index_col="name"
)
K = [3, 5, 4, 12, 20, 15, 30, 22, 26]
N = [100, 120, 90, 110, 100, 130, 105, 95, 115]
DAYS = [0, 0, 0, 7, 7, 7, 28, 28, 28]


def table(days=DAYS, k=K, n=N, *, times=100, **columns) -> pd.DataFrame:
    """``times`` as many cells of the same fractions: counting them adds nothing to the spread."""
    days = np.asarray(days, dtype=float)
    base = {
        "sample": [f"s{i}" for i in range(len(days))],
        "subject": "",
        "treatment": np.where(days == 0, "control", "irradiated"),
        "dose_gy": np.where(days == 0, 0.0, 8.0),
        "days_post_rt": days,
        "compartment": "astrocyte",
        "n_assessable": np.multiply(n, times),
        "n_positive": np.multiply(k, times),
        "status": "ok",
    }
    return pd.DataFrame(base | columns)


def asked(burdens: pd.DataFrame) -> pd.DataFrame:
    return readouts(burdens).set_index("readout")


def agrees(row: pd.Series, name: str) -> None:
    wanted = REFERENCE.loc[name, ["estimate", "ci_lo", "ci_hi"]]
    np.testing.assert_allclose(row[["value", "ci_lo", "ci_hi"]].astype(float), wanted, rtol=1e-8)


def test_intervals_are_of_the_groups_themselves():
    found = asked(table())
    agrees(found.loc["persistent"], "persistent")
    agrees(found.loc["area"], "area")
    falling = asked(table(k=[12, 20, 15, 30, 22, 26, 9, 14, 10]))
    agrees(falling.loc["decline"], "decline")


def test_own_baselines_are_paired():
    agrees(asked(table(subject=["p", "q", "r"] * 3)).loc["area"], "area_own")


def test_area_is_over_controls_of_the_same_time():
    """Controls age: 2 % at day 7, 20 % at day 28; irradiated 10 % and 20 %."""
    days = [7, 7, 28, 28] * 2
    arm = ["control"] * 4 + ["irradiated"] * 4
    burdens = table(days, [1, 3, 19, 21, 9, 11, 19, 21], [100] * 8, treatment=arm)
    found = asked(burdens)
    assert found.loc["area", "value"] == pytest.approx(21 * (0.08 + 0) / 2)


def test_a_known_curve():
    burdens = table([0, 0, 7, 7, 14, 14, 28, 28], [2, 4, 9, 11, 39, 41, 19, 21], [100] * 8)
    found = readouts(burdens, trend(burdens)).set_index("readout")
    assert found.loc["peak_days", "value"] == 14
    assert found.loc["since_days", "value"] == 7
    np.testing.assert_allclose(found.loc["persistent", "value"], 0.20)
    np.testing.assert_allclose(found.loc["decline", "value"], 0.20)
    # trapezoids: 7 d x 25 % + 14 d x 30 % - 21 d x 3 %
    np.testing.assert_allclose(found.loc["area", "value"], 1.75 + 4.2 - 0.63)
    # t.test(c(.19, .21)): standard error .01, qt(.975, 1) = 12.7062047
    half = 0.01 * 12.7062047361747
    interval = found.loc["persistent", ["ci_lo", "ci_hi"]].astype(float)
    np.testing.assert_allclose(interval, [0.2 - half, 0.2 + half])


def test_no_interval_is_narrower_than_counting_its_cells():
    """19 and 21 of 100 cells: the binomial error is 4 points, that of the two values 1."""
    burdens = table([0, 0, 7, 7, 28, 28], [2, 4, 9, 11, 19, 21], [100] * 6, times=1)
    row = asked(burdens).loc["persistent"]
    share = 40.5 / 201
    half = stats.t.ppf(0.975, 1) * np.sqrt(2 * share * (1 - share) / 100 / 4)
    assert (row["ci_lo"], row["ci_hi"]) == (max(0.2 - half, 0), pytest.approx(0.2 + half))


def test_without_replication_there_is_no_interval():
    found = readouts(table([0, 7, 14, 28], K[:4], N[:4]))
    assert set(found["status"]) == {"not_estimable"}
    assert found[["ci_lo", "ci_hi"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("days", "subject", "reason"),
    [
        ([0, 7, 7, 7, 28, 28, 28], "abcdefg", "1 control subject"),
        ([0, 0, 7, 7, 28, 28, 28], "abpqpqr", "the only one"),
    ],
)
def test_lone_subjects_give_a_value_only(days, subject, reason):
    found = asked(table(days, K[:7], N[:7], subject=list(subject)))
    assert reason in found.loc["area", "reason"]
    assert np.isfinite(found.loc["area", "value"])
    assert np.isnan(found.loc["area", "ci_lo"])


def test_two_schedules_are_not_one_curve():
    fractions = [np.nan] * 3 + [1.0] * 3 + [5.0] * 3
    found = readouts(table([0, 0, 0, 7, 7, 7, 7, 7, 7], n_fractions=fractions))
    assert set(found["n_fractions"]) == {5.0}
    assert set(found["n_treated"]) == {3}
