"""The numbers of R (lm, t.test) and scipy: arms, pairs of regions, slopes, equivalence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.questions import arms, regions, tost

EXPECTED = pd.read_csv(
    Path(__file__).parents[1] / "references" / "questions_reference.txt", sep="\t", index_col="name"
)
NUMBERS = ["estimate", "ci_lo", "ci_hi", "df", "statistic", "p"]
K = [4, 6, 5, 3, 5, 4, 4, 6, 30, 26, 33, 28, 15, 12, 18, 13]
N = [100, 90, 110, 120, 95, 105, 100, 80, 130, 90, 100, 110, 120, 100, 85, 115]
MANY = 100
"""Times as many cells of the same fractions: counting them adds nothing to see to the spread."""


def same(row: pd.Series, name: str) -> None:
    found = row[NUMBERS].astype(float).to_numpy()
    np.testing.assert_allclose(found, EXPECTED.loc[name, NUMBERS].astype(float), rtol=1e-9)


def factorial(**more: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(16)], "treatment": ["sham"] * 8 + ["rt"] * 8,
            "drug": ([""] * 4 + ["x"] * 4) * 2, "dose_gy": [0.0] * 8 + [10.0] * 8,
            "days_post_rt": 14.0, "compartment": "tumour", "n_assessable": np.multiply(N, MANY),
            "n_positive": np.multiply(K, MANY),
            "status": "ok",
        }
        | more
    )  # fmt: skip
    return arms(table, control="sham", measures=["fraction_senescent"]).set_index("question")


def test_two_arms_are_a_t_test_of_these_arms() -> None:
    found = factorial()
    y = np.arcsin(np.sqrt(np.array(K) / np.array(N))).reshape(4, 4)
    for question, one, other in (("drug_in_unirradiated", 1, 0), ("drug_in_irradiated", 3, 2)):
        t = stats.ttest_ind(y[one], y[other])
        interval = t.confidence_interval(0.95)
        expected = [
            y[one].mean() - y[other].mean(), *interval, t.df, t.statistic, t.pvalue
        ]  # fmt: skip
        row = found.loc[question, NUMBERS].astype(float)
        np.testing.assert_allclose(row, expected, rtol=1e-9)


def test_with_a_batch_it_is_lm_with_the_batch() -> None:
    same(factorial(batch=["a", "b"] * 8).loc["radiation_x_drug"], "interaction_batch")


def test_regions_are_t_tests() -> None:
    values = {
        ("rt", "core"): [2.1, 3.4, 2.9, 4.0, 3.1], ("rt", "contralateral"): [1.2, 2, 2.4, 2.2, 1.7],
        ("rt", "margin"): [1.9, 2.7, 2.8, 3.1, 2.2], ("sham", "core"): [1.1, 1.4, 0.9, 1.6],
        ("sham", "contralateral"): [1.0, 1.5, 1.1, 1.2],
    }  # fmt: skip
    dose = {"core": 10.0, "margin": 5.0, "contralateral": 0.5}
    rows = [
        {
            "sample": f"{arm}{i}{region}", "subject": f"{arm}{i}", "treatment": arm,
            "region": region, "days_post_rt": 14.0, "compartment": "tumour", "n_assessable": 100,
            "n_positive": 1, "status": "ok", "index_mean": y,
            "dose_gy": dose[region] if arm == "rt" else 0.0,
        }
        for (arm, region), own in values.items()
        for i, y in enumerate(own)
    ]  # fmt: skip
    found = regions(pd.DataFrame(rows), control="sham", measures=["index_mean"])
    pair = found["region"].eq("core") & found["against_region"].eq("contralateral")
    treated = found[found["treatment"].eq("rt")]
    same(
        treated[pair[treated.index] & treated["question"].eq("region_pair")].iloc[0], "region_pair"
    )
    same(
        treated[pair[treated.index] & treated["question"].eq("region_x_treatment")].iloc[0],
        "region_x_treatment",
    )
    same(treated[treated["question"].eq("dose_within_subject")].iloc[0], "dose_within_subject")


def test_equivalence_is_the_larger_p_of_two_one_sided_t_tests() -> None:
    row = EXPECTED.loc["tost"]  # the standard error stands under statistic
    found = tost(row["estimate"], row["statistic"], row["df"], 0.05)
    assert found == pytest.approx(row["p"], rel=1e-9)
