"""Arm against arm: drugs, the interaction, beams, named pairs; what has no counterpart is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.errors import ConfigError, InputError
from senoscore.inference import trend
from senoscore.questions import arms, asks_of_arms, check_contrasts

RNG = np.random.default_rng(7)
CELLS = {
    ("sham", ""): [4, 6, 5, 3],
    ("sham", "navitoclax"): [5, 4, 4, 6],
    ("rt", ""): [30, 26, 33, 28],
    ("rt", "navitoclax"): [15, 12, 18, 13],
}  # positive cells of 100, four animals each
INDEX = RNG.normal(size=16)


def study(**more: Any) -> pd.DataFrame:
    rows = [
        {
            "sample": f"{word}{drug}{i}", "treatment": word, "drug": drug,
            "dose_gy": 10.0 if word == "rt" else 0.0, "modality": "photon" if word == "rt" else "",
            "days_post_rt": 14.0, "compartment": "tumour", "n_assessable": 10_000,
            "n_positive": 100 * n,  # so many that counting them adds nothing to the spread
            "status": "ok",
        }
        for (word, drug), counts in CELLS.items()
        for i, n in enumerate(counts)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(index_mean=INDEX, **more)


def answers(table: pd.DataFrame, measure: str = "index_mean", **more: Any) -> pd.DataFrame:
    found = arms(table, control="sham", measures=["fraction_senescent", "index_mean"], **more)
    return found[found["measure"] == measure].set_index("question")


def test_drug_and_interaction_are_those_of_the_cell_means() -> None:
    found = answers(study())
    groups = INDEX.reshape(4, 4)  # sham, sham + drug, RT, RT + drug
    means, parts = groups.mean(axis=1), groups.var(axis=1, ddof=1) / 4
    expected = {  # Welch and Satterthwaite
        "drug_in_irradiated": (means[3] - means[2], parts[2:]),
        "drug_in_unirradiated": (means[1] - means[0], parts[:2]),
        "radiation_x_drug": (means[3] - means[2] - means[1] + means[0], parts),
    }
    assert set(found.index) == set(expected)
    for question, (estimate, own) in expected.items():
        df = own.sum() ** 2 / (own**2 / 3).sum()
        row = found.loc[question]
        assert row["estimate"] == pytest.approx(estimate)
        assert row["se"] == pytest.approx(np.sqrt(own.sum()))
        assert row["df"] == pytest.approx(df)
        assert (row["n_treated"], row["n_control"]) == (4, 4)
    row = found.loc["drug_in_irradiated"]
    assert (row["treatment"], row["against"]) == ("rt + navitoclax", "rt")
    assert row["drug"] == "navitoclax"
    assert row["contrast"] == "rt + navitoclax 10 Gy vs rt 10 Gy photon @ 14 d"


def test_fractions_have_their_plain_difference_and_what_would_have_been_seen() -> None:
    row = answers(study(), "fraction_senescent").loc["drug_in_irradiated"]
    counts = np.array(list(CELLS.values())) / 100
    assert row["estimate_fraction"] == pytest.approx(counts[3].mean() - counts[2].mean())
    own = counts[2:].var(axis=1, ddof=1) / 4  # Welch: small fractions of sham arms vary less
    assert row["fraction_se"] == pytest.approx(np.sqrt(own.sum()))
    assert row["fraction_df"] == pytest.approx(own.sum() ** 2 / (own**2 / 3).sum())
    few = study().assign(n_assessable=100, n_positive=lambda t: t["n_positive"] / 100)
    seen = answers(few, "fraction_senescent").loc["drug_in_irradiated", "fraction_se"]
    share = (counts[2:].sum(axis=1) * 100 + 0.5) / 401
    least = share * (1 - share) / 400
    assert (own < least).any()
    assert seen == pytest.approx(np.sqrt(np.maximum(own, least).sum()))
    assert row["unit"] == "radians (arcsine)"
    assert row["p"] < 0.001
    assert row["detectable"] == pytest.approx(row["se"] * (2.4469119 + 0.9057033), rel=1e-6)


def test_the_counting_of_cells_is_of_those_that_each_fraction_is_of() -> None:
    """Arrest is judged in 20 cells of a sample, composition counted over all of its cells."""
    table = study(n_beyond=4, n_judged=20, n_cells=500, share=0.25)
    table.loc[table.index % 4 == 0, "n_beyond"] = 5
    table.loc[table.index % 4 == 0, "share"] = 0.26
    both = pd.concat([table, table.assign(compartment="astrocyte", share=1 - table["share"])])
    found = arms(both, control="sham", measures=["fraction_arrested", "share"])
    own = found[found["question"].eq("drug_in_irradiated") & found["compartment"].eq("tumour")]
    arrested, share = (
        own[own["measure"] == name].squeeze() for name in ("fraction_arrested", "share")
    )  # fmt: skip
    p = (17 + 0.5) / 81
    assert arrested["fraction_se"] == pytest.approx(np.sqrt(2 * p * (1 - p) / 20 / 4))
    assert arrested["se"] == pytest.approx(np.sqrt(2 / (4 * 20) / 4))
    p = (4 * 1000 * 0.2525 + 0.5) / 4001  # both compartments have 500 cells
    assert share["fraction_se"] == pytest.approx(np.sqrt(2 * p * (1 - p) / 1000 / 4))


def test_arms_that_do_not_vary_make_no_other_difference_surer() -> None:
    table = study()
    still = table.assign(
        n_positive=table["n_positive"].where(table["treatment"].ne("sham"), 0)
    )  # fmt: skip
    one, other = (
        answers(t, "fraction_senescent").loc["drug_in_irradiated"] for t in (table, still)
    )  # fmt: skip
    for name in ("estimate", "se", "df", "p"):
        assert one[name] == other[name], name


def test_radiation_with_a_drug_is_an_arm_of_its_own_in_the_trend() -> None:
    found = trend(study(), control="sham", measures=["index_mean"]).set_index("contrast")
    own = found[found["question"] == "irradiated_vs_control"]
    assert set(own["treatment"]) == {"rt", "rt + navitoclax", "sham + navitoclax"}
    assert own["n_treated"].eq(4).all()
    assert own["n_control"].eq(4).all()


def test_a_drug_arm_without_its_radiation_alone_is_named_and_the_rest_computed() -> None:
    table = study()
    lone = table[~(table["treatment"].eq("rt") & table["drug"].eq(""))]
    found = answers(lone)
    for question in ("drug_in_irradiated", "radiation_x_drug"):
        assert found.loc[question, "status"] == "not_estimable"
        assert "no samples of rt 10 Gy @ 14 d" in found.loc[question, "reason"]
        assert np.isnan(found.loc[question, "p"])
    assert found.loc["drug_in_unirradiated", "status"] == "tested"


def test_no_unirradiated_drug_no_factorial() -> None:
    table = study()
    found = answers(table[~(table["treatment"].eq("sham") & table["drug"].ne(""))])
    assert found.loc["drug_in_irradiated", "status"] == "tested"
    assert "no samples of sham + navitoclax" in found.loc["radiation_x_drug", "reason"]
    assert "drug_in_unirradiated" not in found.index


def test_another_day_or_dose_is_no_counterpart() -> None:
    table = study()
    later = table.assign(days_post_rt=table["days_post_rt"].where(table["drug"].eq(""), 28.0))
    assert "@ 28 d" in answers(later).loc["drug_in_irradiated", "reason"]
    other = table.assign(dose_gy=table["dose_gy"].where(table["drug"].eq(""), 8.0))
    assert "no samples of rt 8 Gy" in answers(other).loc["drug_in_irradiated", "reason"]


def test_one_animal_has_an_estimate_and_no_test() -> None:
    table = study()
    first = table["sample"].isin(["rtnavitoclax0"]) | ~table["sample"].str.startswith("rtn")
    row = answers(table[first]).loc["drug_in_irradiated"]
    assert row["status"] == "not_testable"
    assert row["reason"].startswith("No replication")
    assert np.isfinite(row["estimate"])


def test_a_second_sample_of_an_animal_is_no_second_animal() -> None:
    table = study()
    twice = pd.concat([table, table.assign(sample=table["sample"] + "b")], ignore_index=True)
    twice["subject"] = list(table["sample"]) * 2
    one, two = answers(table), answers(twice)
    numbers = ["estimate", "se", "df", "p", "n_treated"]
    pd.testing.assert_frame_equal(one[numbers], two[numbers])


def test_means_are_welch_and_fractions_are_pooled_over_both_sides() -> None:
    """Eight against three animals that vary more: pooled, a mean would err in a quarter."""
    table = study()
    rt = table["treatment"].eq("rt") & table["drug"].eq("")
    more = table[rt].assign(sample=lambda t: t["sample"] + "b", index_mean=[0.1, 0.2, 0.1, 0.3])
    table = pd.concat([table, more], ignore_index=True)
    sides = [table[table["treatment"].eq("rt") & table["drug"].eq(d)] for d in ("navitoclax", "")]
    index = answers(table).loc["drug_in_irradiated"]
    expected = stats.ttest_ind(*(side["index_mean"] for side in sides), equal_var=False)
    assert (index["p"], index["df"]) == pytest.approx((expected.pvalue, expected.df))
    assert index["method"] == "Welch's t of samples"
    share = answers(table, "fraction_senescent").loc["drug_in_irradiated"]
    y = [np.arcsin(np.sqrt(side["n_positive"] / side["n_assessable"])) for side in sides]
    assert share["p"] == pytest.approx(stats.ttest_ind(*y).pvalue)
    assert share["method"] == "OLS on samples, variance pooled over both sides, t"


def test_what_a_study_was_made_to_answer_is_adjusted_apart() -> None:
    """Two compartments of the drug in question and one more: Benjamini-Hochberg by hand."""
    rng = np.random.default_rng(5)
    table = pd.concat(
        [study(compartment=name).assign(index_mean=rng.normal(size=16))
         for name in ("tumour", "fibroblast", "astrocyte")], ignore_index=True,
    )  # fmt: skip
    own = answers(table, primary={"navitoclax": ["tumour", "fibroblast"]})
    own = own.loc["drug_in_irradiated"].set_index("compartment")
    first = own.loc[["tumour", "fibroblast"]]
    assert set(first["family"]) == {"drug_in_irradiated/index_mean/primary"}
    assert first["q"].to_numpy() == pytest.approx(stats.false_discovery_control(first["p"]))
    assert own.loc["astrocyte", "family"] == "drug_in_irradiated/index_mean"
    assert own.loc["astrocyte", "q"] == own.loc["astrocyte", "p"]
    plain = answers(table).loc["drug_in_irradiated"].set_index("compartment")
    assert plain["q"].to_numpy() == pytest.approx(stats.false_discovery_control(plain["p"]))
    elsewhere = answers(table, primary={"other": ["tumour"]}).loc["drug_in_irradiated"]
    assert not elsewhere["family"].str.endswith("primary").any()


def test_other_arms_tell_a_batch_from_the_drug() -> None:
    """The drug in one batch, none in the other after radiation; sham arms are in both: by lm."""
    table = study()
    sham = table["treatment"].eq("sham")
    batch = np.where(sham, np.where(np.arange(len(table)) % 2, "a", "b"),
                     np.where(table["drug"].eq(""), "a", "b"))  # fmt: skip
    row = answers(table.assign(batch=batch)).loc["drug_in_irradiated"]
    arm = pd.factorize(table["treatment"] + table["drug"])[0]
    X = np.column_stack([np.eye(4)[arm], batch == "a"])
    beta, *_ = np.linalg.lstsq(X, INDEX, rcond=None)
    assert row["status"] == "tested"
    assert row["estimate"] == pytest.approx(beta[3] - beta[2])
    assert "tell it from the batch" in row["method"]


def test_a_batch_that_is_the_drug_refuses_it() -> None:
    table = study()
    row = answers(table.assign(batch=np.where(table["drug"].eq(""), "a", "b"))).loc[
        "drug_in_irradiated"
    ]
    assert row["status"] == "not_estimable"
    assert "batch and arm are the same" in row["reason"]


def beams() -> pd.DataFrame:
    table = study()
    flash = table[table["treatment"].eq("rt")].assign(
        modality="flash", sample=lambda t: t["sample"] + "f", index_mean=lambda t: t.index_mean + 1
    )
    return pd.concat([table, flash], ignore_index=True)


def test_flash_is_compared_with_photons_within_each_drug() -> None:
    found = answers(beams()).loc[["modality_or_dose_rate"]]
    assert set(found["treatment"]) == {"rt", "rt + navitoclax"}
    assert found["modality"].eq("flash").all()
    np.testing.assert_allclose(found["estimate"], 1.0)
    assert found["contrast"].str.contains("flash vs rt").all()


def test_dose_rates_of_one_modality_are_compared_with_the_lowest() -> None:
    table = beams().assign(modality="other")
    is_flash = table["sample"].str.endswith("f")
    table["dose_rate_gy_s"] = np.where(table["dose_gy"].eq(0), np.nan, np.where(is_flash, 100, 0.1))
    table.loc[table["dose_gy"].gt(0), "modality"] = "photon"
    table.loc[table["dose_gy"].eq(0), "modality"] = ""
    found = answers(table).loc[["modality_or_dose_rate"]]
    assert set(found["against"]) == {"rt 0.1 Gy/s", "rt 0.1 Gy/s + navitoclax"}
    np.testing.assert_allclose(found["estimate"], 1.0)


def test_named_pairs() -> None:
    pairs = {
        "spared": {"arm": "rt + navitoclax", "against": "sham"},
        "same": {"arm": {"treatment": "rt", "drug": "navitoclax"}, "against": {"treatment": "rt",
                                                                               "drug": "none"}},
    }  # fmt: skip
    found = answers(study(), contrasts=pairs).loc[["named"]].set_index("contrast")
    means = INDEX.reshape(4, 4).mean(axis=1)
    assert found.loc[found.index.str.startswith("spared:"), "estimate"].iloc[0] == pytest.approx(
        means[3] - means[0]
    )
    assert found.loc[found.index.str.startswith("same:"), "estimate"].iloc[0] == pytest.approx(
        means[3] - means[2]
    )


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ({"arm": "rt + navitoclaxx", "against": "rt"}, "did you mean 'rt \\+ navitoclax'"),
        ({"arm": "rt", "against": "rt"}, "compares an arm with itself"),
        ({"arm": "rt"}, "has no 'against'"),
        ({"arm": {"animal": "x"}, "against": "rt"}, "'animal' names no arm"),
        ({"arm": {"drug": "navitoclax"}, "against": "rt"}, "is 2 arms"),
    ],
)
def test_bad_named_pairs_are_refused_before_work(pair: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_contrasts({"x": pair}, study())


def test_composition_and_further_values_are_measures() -> None:
    table = pd.concat([study(), study(compartment="microglia")], ignore_index=True)
    table["share"] = np.where(table["compartment"].eq("tumour"), 0.7, 0.3) + 0.01 * np.tile(
        np.arange(16) % 3, 2
    ) * np.where(table["compartment"].eq("tumour"), 1, -1)
    further = study().assign(measure="pseudobulk:senmayo", value=INDEX * 2)
    found = arms(table, control="sham", further=further[["sample", "compartment", "measure",
                                                         "value"]])  # fmt: skip
    assert {"share", "pseudobulk:senmayo", "index_mean"} <= set(found["measure"])
    share = found[found["measure"] == "share"]
    assert share["family"].str.endswith("/composition").all()
    assert share["estimate_fraction"].notna().all()
    own = found[found["compartment"].eq("tumour")].set_index(["question", "measure"])["estimate"]
    assert own["radiation_x_drug", "pseudobulk:senmayo"] == pytest.approx(
        2 * own["radiation_x_drug", "index_mean"]
    )
    twice = pd.concat([further, further], ignore_index=True)
    with pytest.raises(InputError, match="twice"):
        arms(table, control="sham", further=twice)


def test_who_asks() -> None:
    sheet = study().drop(columns=["compartment"])
    assert not asks_of_arms(sheet.drop(columns="drug"))
    from senoscore.study import with_arms

    assert asks_of_arms(with_arms(sheet))
    assert asks_of_arms(sheet.drop(columns="drug"), {"x": {}})
