"""Designs that studies really have: every one is answered or refused in words, none breaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import DesignError, InputError, SheetError
from senoscore.inference.burden import burden, tissue_burden
from senoscore.inference.readouts import readouts
from senoscore.inference.trend import trend
from senoscore.study.sheets import read_samples

DAYS = [0, 0, 0, 7, 7, 7, 28, 28, 28]
CELLS = 60


def sheet(days=DAYS, **columns) -> pd.DataFrame:
    days = np.asarray(days, dtype=float)
    base = {
        "sample": [f"s{i}" for i in range(len(days))],
        "treatment": np.where(days == 0, "control", "irradiated"),
        "dose_gy": np.where(days == 0, 0.0, 8.0),
        "days_post_rt": days,
    }
    return pd.DataFrame(base | columns)


def cells_of(samples: pd.DataFrame, rate=0.2, *, seed=1, n=CELLS, **columns) -> pd.DataFrame:
    """Two compartments a sample; irradiated cells are positive at ``rate``."""
    rng = np.random.default_rng(seed)
    parts = []
    for row in samples.to_dict("records"):
        share = 0.05 if row["treatment"] == "control" else rate
        for compartment in ("astrocyte", "tumour"):
            positive = rng.random(n) < share * (rate > 0)
            facts = {
                "sample": row["sample"],
                "compartment": compartment,
                "senescence_state": np.where(positive, "senescent", "other"),
                "senescence_index": rng.normal(positive, 1),
                "ucell:senmayo": rng.normal(0.2, 0.05, n),
            }
            parts.append(pd.DataFrame(facts | {k: v for k, v in row.items() if k in columns}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{k: v for k, v in columns.items() if v is not None})


def asked(samples: pd.DataFrame, cells=None, question="irradiated_vs_control", **options):
    cells = cells_of(samples) if cells is None else cells
    found = trend(burden(cells, samples=samples), measures=["fraction_senescent"], **options)
    mine = found[(found["question"] == question) & (found["compartment"] == "astrocyte")]
    return mine.sort_values("days_post_rt").reset_index(drop=True)


def test_one_sample_per_time():
    samples = sheet([0, 0, 7, 14, 28, 90])
    assert set(asked(samples)["status"]) == {"not_testable"}
    assert asked(samples, question="trend_log1p_days").loc[0, "status"] == "tested"


def test_no_control():
    samples = sheet([7, 7, 28, 28])
    found = burden(cells_of(samples), samples=samples)
    assert set(found["status"]) == {"no_control"}
    assert found["note"].eq("no sample of this run has treatment 'control': no call").all()
    contrasts = trend(found, measures=["index_mean"]).query("question == 'irradiated_vs_control'")
    assert set(contrasts["status"]) == {"not_estimable"}
    assert set(contrasts["reason"]) == {"no control sample of this compartment"}
    assert set(tissue_burden(found)["status"]) == {"no_control"}


def test_control_at_one_time_only():
    found = asked(sheet())
    assert found["note"].str.contains("day 0 only: ageing and radiation are confounded").all()
    matched = sheet([7, 7, 7, 7], treatment=["control", "control", "irradiated", "irradiated"])
    assert not asked(matched)["note"].str.contains("confounded").any()


def test_compartment_missing_in_one_sample():
    samples = sheet()
    cells = cells_of(samples)
    cells = cells[(cells["sample"] != "s3") | (cells["compartment"] != "astrocyte")]
    found = burden(cells, samples=samples).set_index(["sample", "compartment"])
    row = found.loc[("s3", "astrocyte")]
    assert (row["status"], row["n_cells"]) == ("absent", 0)
    assert np.isnan(row["fraction"])
    assert asked(samples, cells)["n_treated"].tolist() == [2, 3]
    tissue = tissue_burden(found.reset_index()).set_index("sample")
    assert tissue.loc["s3", "status"] == "not_estimable"
    assert "no fraction of astrocyte" in tissue.loc["s3", "note"]


def test_unbalanced():
    found = asked(sheet([0, 0, 7, 7, 7, 7, 7, 28]))
    assert found["n_treated"].tolist() == [5, 1]
    assert found["status"].tolist() == ["tested", "not_testable"]
    assert found["note"].str.contains("2 subjects in a group").tolist() == [True, False]


def test_time_without_unit(tmp_path):
    path = tmp_path / "samples.tsv"
    path.write_text("sample\ttreatment\ttime_post_rt\ns1\tirradiated\t7\n", encoding="utf-8")
    with pytest.raises(SheetError, match="has no unit"):
        read_samples(path)


def test_same_subject_with_two_doses():
    subject = ["a", "b", "c", "p", "q", "r", "p", "q", "r"]
    dose = [0.0] * 3 + [2.0] * 3 + [8.0] * 3
    samples = sheet([0] * 3 + [7] * 6, subject=subject, dose_gy=dose)
    found = asked(samples)
    assert found["note"].str.contains("subjects with several doses: no animals of their own").all()
    assert set(found["design"]) == {"repeated"}
    assert (found["n_treated"] == 3).all()


def test_cross_sectional_and_repeated_are_told_apart():
    assert set(asked(sheet())["design"]) == {"cross_sectional"}
    followed = sheet(subject=["p", "q", "r"] * 3)
    assert set(asked(followed)["design"]) == {"repeated"}
    once = sheet(subject=[f"m{i}" for i in range(9)])
    with pytest.raises(DesignError, match="every subject appears once"):
        asked(once, formula="~ C(days_post_rt) + subject")


def test_all_zero_burden():
    samples = sheet()
    found = asked(samples, cells_of(samples, rate=0.0))
    assert set(found["status"]) == {"not_estimable"}
    assert found["p"].isna().all()
    assert (found["estimate"] == 0).all()


def test_one_batch_per_condition():
    found = asked(sheet(batch=["x"] * 3 + ["y"] * 6))
    assert set(found["reason"]) == {"batch and treatment are the same variable here"}
    assert found["p"].isna().all()


# --- what may be compared with what -----------------------------------------------------


def test_dataset_is_a_covariate_where_no_batch_is_given():
    samples = sheet()
    cells = cells_of(samples)
    number = cells["sample"].str[1:].astype(int)
    crossed = asked(samples, cells.assign(dataset=np.where(number % 2, "d1", "d2")))
    assert crossed["method"].str.contains("dataset as covariate").all()
    by_hand = asked(samples.assign(batch=["d2", "d1"] * 4 + ["d2"]), cells)
    np.testing.assert_allclose(crossed["p"], by_hand["p"])
    nested = asked(samples, cells.assign(dataset=np.where(number < 3, "d1", "d2")))
    assert nested["reason"].str.startswith("dataset and treatment are the same variable").all()
    single = asked(samples, cells.assign(dataset=cells["sample"]))
    assert not single["method"].str.contains("dataset").any()


def test_cells_and_nuclei_are_not_compared():
    samples = sheet([0, 0, 0, 7, 7, 7] * 2)
    cells = cells_of(samples)
    nuclei = cells["sample"].str[1:].astype(int) >= 6
    both = cells.assign(assay=np.where(nuclei, "sn", "sc"), organism="mouse")
    found = asked(samples, both)
    assert found["contrast"].str.extract(r"\[(\w+)\]")[0].tolist() == ["sc", "sn"]
    # The row of the nuclei is what it would be in a run of their own.
    alone = asked(samples[6:], cells[nuclei])
    for name in ("estimate", "p", "n_control"):
        assert found.loc[1, name] == pytest.approx(alone.loc[0, name]), name


def test_controls_of_another_organism_are_none():
    samples = sheet([0, 0, 7, 7])
    cells = cells_of(samples)
    mice = cells["sample"].isin(["s0", "s1"])
    found = burden(cells.assign(organism=np.where(mice, "mouse", "human")), samples=samples)
    own = found[found["organism"] == "human"]
    assert set(own["status"]) == {"no_control"}
    assert set(own["note"]) == {"no control sample of this assay and organism: no call"}
    reason = trend(found, measures=["index_mean"]).query("question == 'irradiated_vs_control'")
    assert set(reason["reason"]) == {
        "controls of this compartment are of another assay or organism"
    }


def test_modalities_are_compared_at_the_same_dose():
    modality = [""] * 3 + ["photon"] * 3 + ["proton"] * 3
    samples = sheet([0] * 3 + [7] * 6, modality=modality, eqd2_gy=[np.nan] * 3 + [18.0] * 6)
    found = asked(samples, question="modality")
    assert found["contrast"].tolist() == ["irradiated: proton vs photon 8 Gy @ 7 d"]
    assert found.loc[0, ["status", "n_control", "n_treated", "eqd2_gy"]].tolist() == [
        "tested", 3, 3, 18.0,
    ]  # fmt: skip
    assert found.loc[0, "df"] == 4  # of the two that are compared
    apart = asked(samples)
    assert apart["contrast"].tolist() == [
        "irradiated 8 Gy photon vs control @ 7 d",
        "irradiated 8 Gy proton vs control @ 7 d",
    ]
    assert apart["n_treated"].tolist() == [3, 3]
    confounded = samples.assign(batch=["x", "y", "x"] + ["x"] * 3 + ["y"] * 3)
    assert asked(confounded, question="modality").loc[0, "status"] == "tested"
    apart = samples.assign(batch=["x"] * 3 + ["x"] * 3 + ["y"] * 3)
    refused = asked(apart, question="modality").loc[0]
    assert refused["reason"] == "batch and modality are the same variable here"


def test_dose_response_needs_three_levels_and_shows_eqd2():
    dose = [0.0] * 3 + [2.0] * 3 + [8.0] * 3
    samples = sheet([0] * 3 + [7] * 6, dose_gy=dose, eqd2_gy=[0.0] * 3 + [2.0] * 3 + [17.6] * 3)
    found = asked(samples, question="dose_response")
    assert found["status"].tolist() == ["tested"]
    assert found.loc[0, "note"] == "EQD2 2 Gy for 2, 17.6 Gy for 8"
    assert asked(sheet(), question="dose_response").empty


def test_two_schedules_of_a_dose_are_two_arms():
    fractions = [np.nan] * 3 + [1.0] * 3 + [5.0] * 3
    # BED with alpha/beta 3: 10 (1 + 10/3) and 10 (1 + 2/3); EQD2 = BED / (5/3)
    eqd2, bed = [0.0] * 3 + [26.0] * 3 + [10.0] * 3, [0.0] * 3 + [43.333] * 3 + [16.667] * 3
    dose = [0.0] * 3 + [10.0] * 6
    samples = sheet(
        [0] * 3 + [28] * 6, dose_gy=dose, n_fractions=fractions, eqd2_gy=eqd2, bed_gy=bed
    )
    found = asked(samples)
    assert found["contrast"].tolist() == [
        "irradiated 10 Gy in 1 vs control @ 28 d",
        "irradiated 10 Gy in 5 vs control @ 28 d",
    ]
    assert found["n_fractions"].tolist() == [1, 5]
    assert found["eqd2_gy"].tolist() == [26, 10]
    assert found["bed_gy"].tolist() == [43.333, 16.667]
    assert (found["n_treated"] == 3).all()
    table = burden(cells_of(samples), samples=samples)
    assert table.loc[table["sample"] == "s3", "bed_gy"].eq(43.333).all()
    pooled = asked(samples.drop(columns="n_fractions"))
    assert pooled["eqd2_gy"].isna().all()  # 18 Gy would be the dose of nobody
    assert pooled["note"].str.contains("EQD2 differs within this arm").all()


def test_modalities_are_not_on_one_line():
    dose = [0.0] * 3 + [2.0] * 3 + [4.0] * 3 + [8.0] * 3
    modality = [""] * 3 + ["photon"] * 6 + ["carbon"] * 3
    samples = sheet([0] * 3 + [28] * 9, dose_gy=dose, modality=modality)
    found = asked(samples, question="dose_response")
    assert found["contrast"].tolist() == ["irradiated photon, per log1p(Gy) @ 28 d (0, 2, 4 Gy)"]
    assert found["n_treated"].tolist() == [6]
    three = samples[(samples["dose_gy"] != 4)].reset_index(drop=True)
    refused = asked(three, question="dose_response")
    assert refused["status"].tolist() == ["not_estimable"]
    assert refused.loc[0, "reason"] == "the doses differ in modality: fewer than 3 of one"


def test_fewer_cells_in_one_arm_are_said():
    samples = sheet([0, 0, 0, 7, 7, 7])
    cells = cells_of(samples, n=200)
    few = cells["sample"].isin(["s0", "s1", "s2"])
    thin = pd.concat([cells[~few], cells[few].groupby(["sample", "compartment"]).head(40)])
    assert "200 v 40 cells a sample" in asked(samples, thin).loc[0, "note"]
    assert "cells a sample" not in asked(samples, cells).loc[0, "note"]


def test_no_time_is_never_senescence():
    samples = sheet([0, 0, 0, 7, 7, 7]).assign(days_post_rt=[0, 0, 0, np.nan, np.nan, np.nan])
    table = burden(cells_of(samples), samples=samples)
    assert set(table.loc[table["treatment"] == "irradiated", "status"]) == {"no_time"}
    found = trend(table, measures=["fraction_senescent", "index_mean"])
    fraction, index = (found[found["measure"] == m] for m in ("fraction_senescent", "index_mean"))
    assert set(fraction["status"]) == {"not_estimable"}
    assert fraction["reason"].str.contains("no time after irradiation").all()
    assert set(index["status"]) == {"tested"}


@pytest.mark.parametrize("day", [-1.0, -3.0])
def test_baselines_before_irradiation(day):
    samples = sheet([day] * 3 + [28] * 3 + [7] * 3 + [28] * 3)
    samples["treatment"] = ["control"] * 6 + ["irradiated"] * 6
    found = asked(samples, question="treatment_x_time")
    at_zero = asked(samples.replace({"days_post_rt": {day: 0.0}}), question="treatment_x_time")
    assert found.loc[0, "p"] == pytest.approx(at_zero.loc[0, "p"])
    treated = samples.assign(treatment=["irradiated"] * 3 + ["control"] * 3 + ["irradiated"] * 6)
    with pytest.raises(InputError, match="'s0' has treatment 'irradiated' at day"):
        asked(treated)


# --- regions, profiles, tissue ------------------------------------------------------------


def test_regions_within_a_sample_are_rows():
    samples = sheet([0, 0, 7, 7])
    cells = cells_of(samples)
    cells["region"] = np.where(np.arange(len(cells)) % 2, "core", "margin")
    found = burden(cells, samples=samples, min_cells=10)
    assert len(found) == 4 * 2 * 2
    assert found["n_cells"].sum() == len(cells)
    np.testing.assert_allclose(found.groupby(["sample", "region"])["share"].sum(), 1)
    contrasts = trend(found, measures=["index_mean"])["contrast"]
    assert contrasts.str.contains(r"\[core\]").any()


def test_region_without_controls_is_averaged_and_said():
    samples = sheet([0, 0, 0, 7, 7, 7], region=[""] * 3 + ["core", "margin", "core"])
    assert asked(samples)["note"].str.contains("regions averaged: core, margin").all()


def test_a_sample_of_one_cell_is_no_profile():
    samples = sheet([0, 0, 7, 7])
    cells = cells_of(samples)
    lone = cells["sample"] == "s3"
    cells = pd.concat([cells[~lone], cells[lone].head(1)])
    found = burden(cells.assign(assay="sc"), samples=samples)
    status = found.set_index(["sample", "compartment"])["status"]
    assert status[("s3", "astrocyte")] == "few_cells"
    bulk = burden(cells.assign(assay="bulk"), samples=samples)
    assert bulk.set_index(["sample", "compartment"])["status"][("s3", "astrocyte")] == "profile"


def test_tissue_burden_by_hand():
    rows = [
        ("c", "control", "a", 60, 3, 0.6), ("c", "control", "b", 40, 8, 0.4),
        ("t", "irradiated", "a", 10, 2, 0.1), ("t", "irradiated", "b", 90, 36, 0.9),
    ]  # fmt: skip
    names = ["sample", "treatment", "compartment", "n_assessable", "n_positive", "share"]
    table = pd.DataFrame(rows, columns=names).assign(status="ok")
    table["fraction"] = table["n_positive"] / table["n_assessable"]
    table["control_fraction"] = table["compartment"].map({"a": 0.05, "b": 0.2})
    found = tissue_burden(table).set_index("sample")
    assert found.loc["t", "fraction_crude"] == pytest.approx(0.38)
    assert found.loc["t", "fraction_standardised"] == pytest.approx(0.6 * 0.2 + 0.4 * 0.4)
    assert found.loc["t", "excess_standardised"] == pytest.approx(0.28 - 0.11)
    assert found.loc["c", "excess_standardised"] == pytest.approx(0)


# --- invariants --------------------------------------------------------------------------


def test_order_and_copies_of_cells_change_no_p():
    samples = sheet()
    cells = cells_of(samples)
    wanted = ["index_mean", "ucell:senmayo"]
    first = trend(burden(cells, samples=samples), measures=wanted)
    twice = trend(burden(pd.concat([cells, cells]), samples=samples), measures=wanted)
    np.testing.assert_allclose(first["p"], twice["p"], rtol=1e-9)
    # Which cell of a sample bears which values is no information about animals.
    rng = np.random.default_rng(3)
    own = cells.groupby(["sample", "compartment"]).sample(frac=1, random_state=rng)
    shuffled = trend(burden(own, samples=samples))
    np.testing.assert_allclose(trend(burden(cells, samples=samples))["p"], shuffled["p"], rtol=1e-9)


def test_an_unrelated_sample_changes_no_other_row():
    samples = sheet()
    more = pd.concat([samples, sheet([90]).assign(sample="other")], ignore_index=True)
    cells = cells_of(samples)
    extra = cells_of(more[9:], seed=7)
    first = burden(cells, samples=samples)
    second = burden(pd.concat([cells, extra]), samples=more)
    pd.testing.assert_frame_equal(first, second[second["sample"] != "other"].reset_index(drop=True))
    tissue = tissue_burden(second).query("sample != 'other'").reset_index(drop=True)
    pd.testing.assert_frame_equal(tissue_burden(first), tissue)


def test_readouts_of_two_assays_are_apart():
    samples = sheet(DAYS * 2)
    cells = cells_of(samples)
    cells["assay"] = np.where(cells["sample"].str[1:].astype(int) >= 9, "sn", "sc")
    found = readouts(burden(cells, samples=samples))
    assert set(found["stratum"]) == {"sc", "sn"}
