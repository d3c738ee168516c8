"""From cells to samples: counts, Wilson intervals, honest statuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from senoscore.errors import InputError
from senoscore.inference.burden import burden, wilson
from senoscore.inference.trend import trend
from senoscore.names import STATES


def group(sample, compartment, states, **columns) -> pd.DataFrame:
    base = {
        "sample": sample,
        "compartment": compartment,
        "keep": True,
        "senescence_state": states,
        "senescence_index": np.arange(len(states), dtype=float),
        "ucell:senmayo": 0.5,
    }
    return pd.DataFrame(base | columns)


SAMPLES = pd.DataFrame(
    {
        "sample": ["c", "t", "gone", "bulk1"],
        "subject": ["1", "2", "3", "4"],
        "treatment": ["control", "irradiated", "irradiated", "irradiated"],
        "dose_gy": [0.0, 8.0, 8.0, 8.0],
        "days_post_rt": [0.0, 14.0, 14.0, 14.0],
        "batch": "",
    }
)


@pytest.fixture
def table() -> pd.DataFrame:
    parts = [
        group("c", "astrocyte", ["senescent"] * 2 + ["other"] * 38),
        group("t", "astrocyte", ["senescent"] * 10 + ["not_assessable"] * 10 + ["other"] * 30),
        group("t", "astrocyte", ["senescent"] * 99, keep=False),
        group("c", "tumour", ["other"] * 5),
        group("t", "macrophage", ["other"] * 40),
        group("bulk1", "bulk", ["not_assessable"]),
    ]
    found = burden(pd.concat(parts, ignore_index=True), samples=SAMPLES)
    return found.set_index(["sample", "compartment"])


def test_every_sample_by_every_compartment(table):
    assert len(table) == 4 * 4


def test_counts_and_fraction_of_kept_assessable_cells(table):
    row = table.loc[("t", "astrocyte")]
    assert (row["n_cells"], row["n_assessable"], row["n_senescent"]) == (50, 40, 10)
    assert row["fraction"] == 0.25
    assert row["control_fraction"] == 0.05
    assert row["excess"] == pytest.approx(0.20)
    assert "lower bound" in row["note"]
    assert row["mean:ucell:senmayo"] == 0.5
    assert sum(row[f"n_{state}"] for state in STATES) == 50


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (("t", "astrocyte"), "ok"),
        (("c", "tumour"), "few_cells"),
        (("gone", "astrocyte"), "absent"),
        (("t", "macrophage"), "no_control"),
        (("bulk1", "bulk"), "profile"),
    ],
)
def test_status(table, row, status):
    assert table.loc[row, "status"] == status
    if status in ("absent", "few_cells", "profile"):
        assert np.isnan(table.loc[row, "fraction"])


def test_wilson_is_that_of_statsmodels():
    count, n = np.array([0.0, 3, 50, 100]), np.array([30.0, 40, 100, 100])
    lo, hi = proportion_confint(count, n, method="wilson")
    np.testing.assert_allclose(wilson(count, n), np.stack([lo, hi], axis=1), atol=1e-12)


def test_anndata_gives_the_same():
    anndata = pytest.importorskip("anndata")
    cells = group("c", "astrocyte", ["senescent"] * 10 + ["other"] * 30).drop(
        columns="ucell:senmayo"
    )
    cells["treatment"] = "control"
    cells.index = cells.index.astype(str)
    adata = anndata.AnnData(X=np.zeros((40, 1), dtype="float32"), obs=cells)
    scores = pd.DataFrame({"senmayo": np.full(40, 0.5)}, index=cells.index)
    adata.obsm["score_ucell"] = scores
    row = burden(adata, sample="sample", compartment="compartment").iloc[0]
    assert (row["fraction"], row["mean:ucell:senmayo"]) == (0.25, 0.5)


def test_unknown_sample_and_column():
    cells = group("nobody", "astrocyte", ["other"])
    with pytest.raises(InputError, match="no row for 'nobody'"):
        burden(cells, samples=SAMPLES)
    with pytest.raises(InputError, match="senescence_state"):
        burden(cells.drop(columns="senescence_state"), samples=SAMPLES)


def test_cells_beyond_most_controls_in_arrest_are_a_fraction_of_those_judged():
    """By hand: 4 of 40 in each control, 10 and 20 of 40 with irradiation; secretion has no part."""
    names = ["c1", "c2", "t1", "t2"]
    own = [
        group(s, "astrocyte", ["other"] * 50, senescence_index=np.arange(50.0) + i)
        for i, s in enumerate(names)  # else they would be copies
    ]
    cells = pd.concat(own, ignore_index=True)
    sheet = pd.DataFrame(
        {
            "sample": names, "treatment": ["control"] * 2 + ["irradiated"] * 2,
            "dose_gy": [0.0, 0.0, 8.0, 8.0], "days_post_rt": [0.0, 0.0, 14.0, 14.0],
        }
    )  # fmt: skip
    learnt = pd.DataFrame(
        {
            "sample": names, "compartment": "astrocyte", "n_judged": 40, "n_beyond": [4, 4, 10, 20],
            "prevalence": 0.1, "prevalence_lo": 0.0, "prevalence_hi": 0.2, "shifted": False,
            "arrested": [0, 0, 0.17, 0.44], "arrested_lo": 0.0, "arrested_hi": 0.6,
            "withheld": ["", "", "", "another depth"],
        }
    )  # fmt: skip
    table = burden(cells, samples=sheet, prevalence=learnt)
    assert table["n_beyond"].tolist() == [4, 4, 10, 20]
    assert table["note"].str.endswith("; no prevalence: another depth").tolist() == [False] * 3 + [
        True
    ]
    assert table["arrested"].tolist() == [0, 0, 0.17, 0.44]
    found = trend(table, measures=["fraction_arrested"])
    row = found[found["question"] == "irradiated_vs_control"].iloc[0]
    assert row["estimate_fraction"] == pytest.approx(0.275)
    expected = np.arcsin(np.sqrt([0.25, 0.5])).mean() - np.arcsin(np.sqrt(0.1))
    assert row["estimate"] == pytest.approx(expected)
    assert row["unit"] == "radians (arcsine)"
    without = burden(cells, samples=sheet)
    assert "fraction_arrested" not in set(trend(without)["measure"])
    assert without[["n_beyond", "arrested"]].isna().all(axis=None)


def test_samples_of_another_depth_have_no_fraction_and_the_trend_says_why():
    """No cell of them is called: a fraction of 0 would be read as an answer."""
    names = ["c1", "c2", "r1", "r2", "r3"]
    rng = np.random.default_rng(0)
    parts = []
    for name in names:
        state = np.where(np.arange(40) < 4 * (name == "r3"), "senescent", "other")
        own = {"senescence_state": state, "senescence_index": rng.normal(size=40)}
        parts.append(pd.DataFrame({"sample": name, "compartment": "astrocyte", **own}))
    cells = pd.concat(parts, ignore_index=True).assign(senescence_engine="learned")
    sheet = pd.DataFrame(
        {
            "sample": names, "treatment": ["control"] * 2 + ["irradiated"] * 3,
            "dose_gy": [0.0, 0.0, 8.0, 8.0, 8.0], "days_post_rt": [0.0, 0.0, 14.0, 14.0, 28.0],
        }
    )  # fmt: skip
    withheld = "depth of the sample more than 1.5-fold outside that of the controls"
    shares = pd.DataFrame(
        {
            "sample": names, "compartment": "astrocyte", "n_judged": 40,
            "prevalence": [0.0, 0.0, np.nan, np.nan, 0.1], "shifted": False,
            "withheld": ["", "", withheld, withheld, ""],
        }
    )  # fmt: skip
    table = burden(cells, samples=sheet, prevalence=shares).set_index("sample")
    assert table["status"].to_dict() == dict.fromkeys(names, "ok") | dict.fromkeys(
        ["r1", "r2"], "other_depth"
    )
    assert table.loc[["r1", "r2"], ["fraction", "excess"]].isna().all(axis=None)
    assert table.loc["r1", "note"].startswith(withheld)
    assert table.loc["r3", "fraction"] == pytest.approx(0.1)
    found = trend(table.reset_index(), measures=["fraction_senescent", "index_mean"])
    fraction, index = (found[found["measure"] == m] for m in ("fraction_senescent", "index_mean"))
    refused = fraction[fraction["days_post_rt"] == 14].iloc[0]
    assert refused["status"] == "not_estimable"
    assert "far deeper or shallower" in refused["reason"]
    assert np.isfinite(fraction.loc[fraction["days_post_rt"] == 28, "estimate"]).all()
    few = table.reset_index().assign(
        status=table["status"].where(table.index != "r1", "few_cells").array
    )
    still = trend(few, measures=["fraction_senescent"])
    assert still.loc[still["days_post_rt"] == 14, "status"].tolist() == ["not_estimable"]
    assert index.loc[index["days_post_rt"] == 14, "status"].tolist() == ["tested"]


def test_excess_is_over_the_controls_that_the_trend_takes():
    """Of the region, and of the day where two animals are; else of all days."""
    rows = []
    for region, day, treatment, n in [
        ("core", 7.0, "control", 2), ("core", 7.0, "control", 4), ("margin", 7.0, "control", 20),
        ("core", 90.0, "control", 18), ("core", 7.0, "irradiated", 10),
        ("core", 90.0, "irradiated", 30), ("margin", 90.0, "irradiated", 40),
    ]:  # fmt: skip
        cells = group(f"s{len(rows)}", "astrocyte", ["senescent"] * n + ["other"] * (100 - n))
        cells["senescence_index"] += len(rows)  # else they would be copies
        own = {"region": region, "days_post_rt": day, "treatment": treatment}
        rows.append(cells.assign(**own, dose_gy=0.0 if treatment == "control" else 8.0))
    found = burden(pd.concat(rows, ignore_index=True)).set_index("sample")
    assert found["control_fraction"].round(12).to_dict() == {
        "s0": 0.03, "s1": 0.03, "s2": 0.2, "s3": 0.08, "s4": 0.03, "s5": 0.08, "s6": 0.2,
    }  # fmt: skip
    contrasts = trend(found.reset_index(), measures=["fraction_senescent"])
    mine = contrasts[contrasts["question"] == "irradiated_vs_control"]
    treated = found[found["treatment"] == "irradiated"].sort_values("excess")
    np.testing.assert_allclose(sorted(mine["estimate_fraction"]), treated["excess"])
