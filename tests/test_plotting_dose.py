"""Dose-response and confounding: the plotted numbers, and a chart that renders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import InputError
from senoscore.plotting import confounding, confounding_table, dose_response, dose_table, to_svg


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
