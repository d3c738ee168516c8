"""Dose-response and confounding: the plotted numbers, and a chart that renders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import InputError
from senoscore.plotting.dose import dose_response, dose_table
from senoscore.plotting.evidence import confounding, confounding_table
from senoscore.plotting.save import to_svg


def burden(doses) -> pd.DataFrame:
    doses = np.asarray(doses, dtype=float)
    return pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(len(doses))],
            "compartment": "astrocyte",
            "treatment": np.where(doses == 0, "control", "irradiated"),
            "dose_gy": np.where(doses == 0, np.nan, doses),
            "days_post_rt": 14.0,
            "fraction": doses / 20,
            "status": ["ok"] * (len(doses) - 1) + ["acute"],
        }
    )


def test_dose_table_puts_controls_at_zero_and_leaves_acute_samples_out():
    found = dose_table(burden([0, 0, 2, 8, 8]))
    assert found["dose_gy"].tolist() == [0, 0, 2, 8]
    assert "Astrocyte" in to_svg(dose_response(burden([0, 0, 2, 8, 8])))


def test_two_doses_are_no_dose_response():
    with pytest.raises(InputError, match="fewer than three doses"):
        dose_table(burden([0, 8, 8]))
    spread = burden([0, 2, 4, 8, 8]).assign(days_post_rt=[14, 7, 14, 28, 28])
    with pytest.raises(InputError, match="at every time"):
        dose_table(spread)  # three doses, but never two at one time


def test_each_time_has_the_controls_that_its_test_has():
    table = burden([0, 0, 0, 2, 8, 2, 8, 8])
    table["days_post_rt"] = [7, 7, 90, 7, 7, 90, 90, 14]
    found = dose_table(table)
    controls = found[found["control"]].groupby("time")["sample"].agg(list).to_dict()
    assert controls == {"7 d": ["s0", "s1"], "90 d": ["s0", "s1", "s2"]}
    assert "s7" not in set(found["sample"])  # the only dose of its time, and acute


def test_slope_of_the_trend_table_is_written_above_the_panel():
    row = {
        "question": "dose_response", "compartment": "astrocyte", "measure": "fraction_senescent",
        "contrast": "irradiated, per log1p(Gy) @ 14 d (0, 2, 8 Gy)", "days_post_rt": 14.0,
        "estimate": 0.587, "ci_lo": 0.261, "ci_hi": 0.914, "p": 0.0046, "q": 0.0126,
        "unit": "log odds", "stratum": np.nan, "treatment": "irradiated", "dose_gy": np.nan,
        "n_fractions": np.nan, "modality": np.nan,
    }  # fmt: skip
    other = row | {"contrast": "drug, per log1p(Gy) @ 14 d", "treatment": "drug", "estimate": 9.9}
    table = burden([0, 0, 2, 8, 8]).assign(eqd2_gy=[np.nan, np.nan, 2.0, 17.6, 17.6])
    svg = to_svg(dose_response(table, pd.DataFrame([row, other])))
    assert "14 d: +0.59 [0.26, 0.91], p 0.005, q 0.013" in svg
    assert "slope in log odds per log(1 + Gy), 95 % CI" in svg
    assert "(17.6)" in svg  # EQD2 below the dose
    assert "+9.9" not in svg
    assert "(17.6)" not in to_svg(dose_response(table.drop(columns="eqd2_gy")))


def test_confounding():
    table = pd.DataFrame(
        {
            "check": ["score_in_controls"] * 2 + ["depth_shift"],
            "compartment": ["astrocyte", "tumour", "tumour"],
            "measure": ["index", "index", ""],
            "covariate": "depth",
            "value": [0.1, np.nan, 1.0],
            "lo": [0.0, np.nan, 0.5],
            "hi": [0.2, np.nan, 1.5],
            "flag": ["ok", "", "flag"],
            "n_control": 3.0,
        }
    )
    assert confounding_table(table)["compartment"].tolist() == ["astrocyte"]
    assert "Depth" in to_svg(confounding(table))
    with pytest.raises(InputError, match="no correlation"):
        confounding_table(table[1:])


def test_modalities_and_schedules_are_not_on_one_line():
    table = burden([0, 0, 2, 8, 8, 2, 8]).assign(status="ok", modality="photon", n_fractions=1)
    table.loc[5:, "modality"] = "proton"
    assert dose_table(table)["sample"].tolist() == ["s0", "s1", "s2", "s3", "s4"]
    table = burden([0, 0, 2, 8, 8, 8]).assign(status="ok", n_fractions=[0, 0, 1, 1, 1, 5])
    assert "s5" not in set(dose_table(table)["sample"])
