"""Regions of the same subject: pairs, against treatment, dose within animals, what has no pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.questions import asks_of_regions, regions

DOSE = {"core": 10.0, "margin": 5.0, "contralateral": 0.5}
N = 4


def study(**more: Any) -> pd.DataFrame:
    """Four animals each of sham, RT and RT with a drug, with three regions each."""
    rng = np.random.default_rng(3)
    rows = [
        {
            "sample": f"{arm}{i}{region}", "subject": f"{arm}{i}", "treatment": arm,
            "region": region, "dose_gy": dose if arm != "sham" else 0.0, "days_post_rt": 14.0,
            "compartment": "astrocyte", "n_assessable": 200, "status": "ok",
            "n_positive": int(5 + (arm == "rt") * 4 * dose + rng.integers(0, 6)),
            "index_mean": rng.normal() + i + (arm != "sham") * 0.3 * dose,
        }
        for arm in ("sham", "rt", "rt + x")
        for i in range(N)
        for region, dose in DOSE.items()
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**more)


def answers(table: pd.DataFrame, measure: str = "index_mean") -> pd.DataFrame:
    found = regions(table, control="sham", measures=["fraction_senescent", "index_mean"])
    return found[found["measure"] == measure]


def value(arm: str, region: str, of: str = "index_mean") -> np.ndarray:
    table = study()
    own = table[(table["treatment"] == arm) & (table["region"] == region)]
    return own[of].to_numpy(float)


def test_pairs_are_the_paired_t_test() -> None:
    found = answers(study()).set_index("contrast")
    row = found.loc["core vs contralateral, rt @ 14 d"]
    expected = stats.ttest_rel(value("rt", "core"), value("rt", "contralateral"))
    low, high = expected.confidence_interval()
    assert row["statistic"] == pytest.approx(expected.statistic)
    assert row["p"] == pytest.approx(expected.pvalue)
    assert (row["ci_lo"], row["ci_hi"]) == pytest.approx((low, high))
    assert (row["n_treated"], row["df"]) == (N, N - 1)
    assert (row["region"], row["against_region"]) == ("core", "contralateral")


def test_region_x_treatment_is_welch_of_the_differences() -> None:
    found = answers(study()).set_index("contrast")
    row = found.loc["(core - contralateral), rt vs sham @ 14 d"]
    of = {arm: value(arm, "core") - value(arm, "contralateral") for arm in ("rt", "sham")}
    expected = stats.ttest_ind(of["rt"], of["sham"], equal_var=False)
    assert row["question"] == "region_x_treatment"
    assert row["p"] == pytest.approx(expected.pvalue)
    assert row["df"] == pytest.approx(expected.df)
    assert row["estimate"] == pytest.approx(of["rt"].mean() - of["sham"].mean())


def test_with_a_drug_is_compared_with_radiation_alone() -> None:
    found = answers(study())
    own = found[found["question"].eq("region_x_treatment") & found["treatment"].eq("rt + x")]
    assert set(own["against"]) == {"sham", "rt"}


def test_dose_within_subjects_is_the_mean_slope() -> None:
    found = answers(study()).set_index("question")
    row = found.loc[["dose_within_subject"]].set_index("treatment").loc["rt"]
    x = np.log1p(list(DOSE.values()))
    y = np.array([value("rt", region) for region in DOSE])
    slopes = np.polyfit(x, y, 1)[0]
    expected = stats.ttest_1samp(slopes, 0)
    assert row["estimate"] == pytest.approx(slopes.mean())
    assert row["p"] == pytest.approx(expected.pvalue)
    assert "0.5, 5, 10 Gy" in row["contrast"]
    assert "sham" not in set(found.loc[["dose_within_subject"], "treatment"])


def test_fractions_have_their_plain_difference() -> None:
    table = study()  # so many cells that counting them adds nothing to the spread
    many = table.assign(n_positive=100 * table["n_positive"], n_assessable=20_000)
    row = answers(many, "fraction_senescent").set_index("contrast").loc["core vs margin, rt @ 14 d"]
    plain = (value("rt", "core", "n_positive") - value("rt", "margin", "n_positive")) / 200
    assert row["estimate_fraction"] == pytest.approx(plain.mean())
    assert row["fraction_se"] == pytest.approx(plain.std(ddof=1) / 2)


def test_a_subject_without_the_other_region_is_named_and_left_out() -> None:
    table = study()
    found = answers(table[table["sample"] != "rt2contralateral"]).set_index("contrast")
    row = found.loc["core vs contralateral, rt @ 14 d"]
    assert row["n_treated"] == N - 1
    assert row["note"] == "left out, with core only: rt2"


def test_a_region_without_any_pair_is_refused_and_the_rest_computed() -> None:
    table = study()
    is_core, last = table["region"].eq("core"), table["subject"].str.endswith(("2", "3"))
    left = table[~(table["treatment"].eq("rt") & is_core.eq(last) & table["region"].ne("margin"))]
    found = answers(left).set_index("contrast")
    row = found.loc["core vs contralateral, rt @ 14 d"]
    assert row["status"] == "not_estimable"
    assert row["reason"] == (
        "no subject has both regions (2 with core and 2 with contralateral): nothing to pair"
    )
    assert found.loc["core vs contralateral, sham @ 14 d", "status"] == "tested"


def test_two_samples_of_a_region_are_averaged() -> None:
    table = study()
    twice = pd.concat([table, table.assign(sample=table["sample"] + "b")], ignore_index=True)
    one, two = answers(table), answers(twice)
    names = ["contrast", "n_treated", "estimate", "p"]
    pd.testing.assert_frame_equal(one[names], two[names])


def test_a_contralateral_region_that_is_called_control_is_of_its_subject() -> None:
    table = study()
    inner = table["region"].eq("contralateral") & table["treatment"].eq("rt")
    other = table.assign(
        treatment=table["treatment"].mask(inner, "sham"),
        days_post_rt=table["days_post_rt"].mask(inner),
    )
    names = ["contrast", "estimate", "p"]
    pd.testing.assert_frame_equal(answers(table)[names], answers(other)[names])


def test_who_asks() -> None:
    table = study()
    assert asks_of_regions(table)
    assert not asks_of_regions(table[table["region"].eq("core")])
    assert not asks_of_regions(table.assign(subject=table["sample"]))


def test_no_pair_of_fractions_is_surer_than_counting_its_cells() -> None:
    """Hardly any cell is called, and all animals but one are alike: by hand."""
    table = study(n_positive=0, n_assessable=50)
    core = table["region"].eq("core") & table["treatment"].eq("rt")
    table.loc[core, "n_positive"] = 2
    table.loc[core & table["subject"].eq("rt0"), "n_positive"] = 3
    found = answers(table, "fraction_senescent").set_index("contrast")
    row = found.loc["core vs contralateral, rt @ 14 d"]
    least = 2 / (4 * 50) / N
    y = np.arcsin(np.sqrt(np.array([3, *[2] * (N - 1)]) / 50))
    assert y.var(ddof=1) / N < least
    assert row["se"] == pytest.approx(np.sqrt(least))
    p = (2 * N + 1 + 0.5) / (50 * N + 1), 0.5 / (50 * N + 1)
    plain = sum(one * (1 - one) / 50 for one in p) / N
    assert row["fraction_se"] == pytest.approx(np.sqrt(plain))
    between = found.loc["(core - contralateral), rt vs sham @ 14 d"]
    assert between["se"] == pytest.approx(np.sqrt(2 * least))


def test_slopes_within_subjects_are_no_surer_than_counting_either() -> None:
    table = study(n_positive=0, n_assessable=50)
    core = table["region"].eq("core") & table["treatment"].eq("rt")
    table.loc[core, "n_positive"] = 2
    table.loc[core & table["subject"].eq("rt0"), "n_positive"] = 3
    found = answers(table, "fraction_senescent")
    row = found[found["question"].eq("dose_within_subject") & found["treatment"].eq("rt")].squeeze()
    x = np.log1p(list(DOSE.values()))
    least = 1 / (4 * 50) / ((x - x.mean()) ** 2).sum() / N
    assert row["se"] == pytest.approx(np.sqrt(least))


def test_the_outer_region_is_subtracted_whatever_it_is_called() -> None:
    named = {"core": "Tumour core", "margin": "invasive margin", "contralateral": "out of field"}
    table = study()
    table["region"] = table["region"].map(named)
    pairs = answers(table).query("question == 'region_pair'")[["region", "against_region"]]
    assert set(map(tuple, pairs.to_numpy())) == {
        ("Tumour core", "invasive margin"), ("Tumour core", "out of field"),
        ("invasive margin", "out of field"),
    }  # fmt: skip
