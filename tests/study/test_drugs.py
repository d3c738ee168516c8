"""Drugs, dose rate, LET and covariates of the samples sheet: arms, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import InputError, SheetError
from senoscore.study import drug_messages, drug_names, read_samples, with_arms

if TYPE_CHECKING:
    from pathlib import Path

HEAD = (
    "sample\ttreatment\tdose_gy\tmodality\ttime_post_rt\ttime_unit\tdrug\tdrug_dose\tdrug_unit"
    "\tdrug_start_days\tdrug_stop_days\tdose_rate_gy_s\tcov_age\tcov_sex\text_gh2ax\n"
)
ROWS = (
    "a\tcontrol\t0\t\t\t\t\t\t\t\t\t\t12\tf\t1\n"
    "b\tcontrol\t0\t\t\t\tABT-263\t50\tmg/kg\t7\t14\t\t13\tm\t2\n"
    "c\tirradiated\t10\tphoton\t2\tw\tvehicle\t\t\t\t\t0.1\t12\tf\t30\n"
    "d\tirradiated+abt-263\t10\tphoton\t2\tw\tABT-263\t50\tmg/kg\t7\t14\t0.1\t11\tm\t20\n"
    "e\tirradiated\t10\tflash\t2\tw\t\t\t\t\t\t100\t14\tf\t\n"
)


def read(tmp_path: Path, text: str) -> pd.DataFrame:
    path = tmp_path / "samples.tsv"
    path.write_text(text, encoding="utf-8")
    return read_samples(path).set_index("sample")


def test_a_drug_is_a_part_of_the_treatment_and_a_vehicle_is_none(tmp_path: Path) -> None:
    table = read(tmp_path, HEAD + ROWS)
    assert table["treatment"].to_dict() == {
        "a": "control", "b": "control + ABT-263", "c": "irradiated",
        "d": "irradiated + ABT-263", "e": "irradiated",
    }  # fmt: skip
    assert table["treatment_given"].tolist() == ["control", "control", *["irradiated"] * 3]
    assert table["drug"].tolist() == ["", "ABT-263", "", "ABT-263", ""]


def test_covariates_and_measurements_are_typed(tmp_path: Path) -> None:
    table = read(tmp_path, HEAD + ROWS)
    assert table["cov_age"].tolist() == [12, 13, 12, 11, 14]
    assert table["cov_sex"].tolist() == ["f", "m", "f", "m", "f"]
    assert np.isnan(table.loc["e", "ext_gh2ax"])
    assert table["ext_gh2ax"].dtype == float


def test_a_sheet_without_these_columns_is_what_it_was(tmp_path: Path) -> None:
    table = read(tmp_path, "sample\ttreatment\na\tcontrol\nb\tirradiated\n")
    assert not {"drug", "treatment_given", "dose_rate_gy_s"} & set(table)
    assert table["treatment"].tolist() == ["control", "irradiated"]


def test_doses_days_and_dose_rates_name_an_arm_where_they_differ() -> None:
    base = {"treatment": "irradiated", "dose_gy": 10.0, "modality": "photon"}
    rows = [
        base | {"drug": "x", "drug_dose": "5", "drug_unit": "mg/kg", "drug_start_days": 3.0},
        base | {"drug": "x", "drug_dose": "50", "drug_unit": "mg/kg", "drug_start_days": 3.0},
        base | {"drug": "y+z", "drug_start_days": -1.0, "drug_stop_days": 4.0},
        base | {"drug": "z + y", "drug_start_days": 9.0},
    ]
    assert with_arms(pd.DataFrame(rows))["treatment"].tolist() == [
        "irradiated + x 5 mg/kg", "irradiated + x 50 mg/kg",
        "irradiated + y+z days -1-4", "irradiated + y+z from day 9",
    ]  # fmt: skip
    rates = pd.DataFrame([base | {"dose_rate_gy_s": rate} for rate in (0.1, 40.0, 0.1)])
    assert with_arms(rates)["treatment"].tolist() == [
        "irradiated 0.1 Gy/s", "irradiated 40 Gy/s", "irradiated 0.1 Gy/s",
    ]  # fmt: skip
    apart = rates.assign(modality=["photon", "flash", "photon"])
    assert with_arms(apart)["treatment"].eq("irradiated").all()  # the modality says it already


def test_arms_are_made_once() -> None:
    table = pd.DataFrame({"treatment": ["control", "rt"], "drug": ["x", np.nan]})
    once = with_arms(table)
    assert once["treatment"].tolist() == ["control + x", "rt"]
    assert with_arms(once) is once


def test_drug_names() -> None:
    assert drug_names("b + A") == ["A", "b"]
    assert drug_names("Vehicle") == drug_names(None) == drug_names("DMSO+none") == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\t50\tmg/kg\t7\t14\t0.1", "\t50\tmg/kg\t14\t7\t0.1", "drug_stop_days 7 is before"),
        ("ABT-263\t50\tmg/kg\t7\t14\t0.1", "A+B\t50\tmg/kg\t7\t14\t0.1", "2 drugs"),
        ("d\tirradiated+abt-263", "d\tirradiated", ""),
        ("\tABT-263\t50\tmg/kg\t7\t14\t0.1", "\tabt-263\t50\tmg/kg\t7\t14\t0.1", "two|another"),
        ("vehicle\t\t", "\t5\t", "there is no drug"),
        ("ABT-263\t50\tmg/kg\t7\t14\t0.1", "ABT;263\t50\tmg/kg\t7\t14\t0.1", "drug is 'ABT;263'"),
        ("\t0.1\t12", "\tfast\t12", "dose_rate_gy_s is 'fast', expected a number"),
    ],
)
def test_bad_drugs_are_refused_by_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = HEAD + ROWS.replace(old, new, 1)
    assert text != HEAD + ROWS
    if not said:
        assert read(tmp_path, text).loc["d", "treatment"] == "irradiated + ABT-263"
        return
    with pytest.raises(SheetError, match=said):
        read(tmp_path, text)


def test_a_drug_in_two_spellings_is_refused_in_a_notebook_too() -> None:
    table = pd.DataFrame({"treatment": ["rt", "rt"], "drug": ["X", "x"]})
    with pytest.raises(InputError, match="drug is written 'X' in one row and 'x'"):
        with_arms(table)


def test_what_the_columns_leave_unclear_is_said(tmp_path: Path) -> None:
    table = read(tmp_path, HEAD + ROWS).reset_index()
    assert not drug_messages(table[table["sample"] != "e"], control="control")
    table["drug_start_days"] = [np.nan, np.nan, np.nan, 30.0, np.nan]
    table["cov_age"] = [10.0, 11.0, 12.0, 13.0, 12.0]
    table["cov_sex"] = ["f", "f", "f", "", "f"]
    table = pd.concat([table, table[table["sample"] == "b"].assign(sample="b2")])
    said = "\n".join(drug_messages(table[table["sample"] != "a"], control="control"))
    assert "Drug without a start: b, b2;" in said
    assert "Sampled before the drug began: d;" in said
    assert "No samples of control without the drug for control + ABT-263 (0 Gy)" in said
    assert "cov_age is constant within every arm" in said
    assert "cov_sex is missing for d" in said
    assert "cov_sex has one value" in said


def test_a_drug_arm_without_radiation_alone_is_named(tmp_path: Path) -> None:
    table = read(tmp_path, HEAD + ROWS).reset_index()
    lone = table[~table["sample"].isin(["c", "e"])]
    said = "\n".join(drug_messages(lone, control="control"))
    assert "No samples of irradiated without the drug for irradiated + ABT-263 (10 Gy)" in said
