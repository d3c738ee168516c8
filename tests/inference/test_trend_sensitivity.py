"""Count models against R: glm(quasibinomial) and VGAM's betabinomial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from senoscore.inference.sensitivity import beta_binomial, quasi_binomial, sensitivity

REFERENCE = pd.read_csv(
    Path(__file__).parents[1] / "references" / "sensitivity_reference.txt",
    sep="\t",
    index_col="name",
)
K = np.array([3.0, 5, 4, 6, 2, 7, 12, 20, 15, 9, 22, 17])
N = np.array([100.0, 120, 90, 110, 95, 130, 110, 100, 130, 105, 95, 115])
ARM = np.repeat([0.0, 1.0], 6)
NAMES = ["log_odds_ratio", "statistic", "dispersion", "p"]


@pytest.mark.parametrize(
    ("model", "name", "rtol"), [(quasi_binomial, "quasi", 1e-6), (beta_binomial, "beta", 1e-3)]
)
def test_equals_r(model, name, rtol):
    found = [model((K, N, ARM))[n] for n in NAMES]
    np.testing.assert_allclose(found, REFERENCE.loc[name].to_numpy(dtype=float), rtol=rtol)


def burden(**columns) -> pd.DataFrame:
    base = {
        "sample": [f"s{i}" for i in range(12)],
        "compartment": "astrocyte",
        "treatment": np.where(ARM == 1, "irradiated", "control"),
        "dose_gy": ARM * 8,
        "days_post_rt": ARM * 28,
        "n_assessable": N.astype(int),
        "n_positive": K.astype(int),
        "status": "ok",
    }
    return pd.DataFrame(base | columns)


def test_table():
    found = sensitivity(burden()).set_index("model")
    assert set(found["status"]) == {"tested"}
    np.testing.assert_allclose(found.loc["quasi_binomial", "p"], REFERENCE.loc["quasi", "p"])


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (burden(subject=list("abcdef") * 2), "subjects come back"),
        (burden(n_positive=[0] * 12), "a side without"),
        (burden().iloc[[0, 6, 7]], "fewer than"),
    ],
    ids=["repeated", "zero", "few"],
)
def test_refused(table, reason):
    found = sensitivity(table)
    assert set(found["status"]) == {"not_testable"}
    assert found["reason"].str.startswith(reason).all()


def test_beta_binomial_needs_six_a_side():
    found = sensitivity(burden().iloc[1:]).set_index("model")
    assert found["status"].to_dict() == {
        "quasi_binomial": "tested",
        "beta_binomial": "not_testable",
    }
