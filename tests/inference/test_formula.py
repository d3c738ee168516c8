"""A model of the user's own: references, covariates, drugs, contrasts, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import DesignError
from senoscore.inference import trend

Y = [2.0, 3.0, 2.5, 5.0, 6.5, 6.0, 3.0, 3.5, 2.0, 5.5, 4.0, 4.5]
AGE = [10.0, 12, 14, 11, 13, 15, 10, 14, 12, 15, 11, 13]


def study(**more: Any) -> pd.DataFrame:
    """Three animals each: sham, RT, sham with drug, RT with drug; the index is ``Y``."""
    n = len(Y)
    return pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(n)],
            "compartment": "tumour",
            "treatment": ["sham"] * 3 + ["rt"] * 3 + ["sham"] * 3 + ["rt"] * 3,
            "drug": [""] * 6 + ["navitoclax"] * 6,
            "dose_gy": ([0.0] * 3 + [10.0] * 3) * 2,
            "days_post_rt": 14.0,
            "n_assessable": 100,
            "n_positive": 10,
            "status": "ok",
            "index_mean": Y,
            "cov_age": AGE,
        }
        | more
    )


def asked(formula: str, table: pd.DataFrame | None = None, **more: Any) -> pd.DataFrame:
    own = study() if table is None else table
    found = trend(own, formula, control="sham", measures=["index_mean"], **more)
    return found.set_index("contrast")


def test_references_and_factors_are_those_of_the_sheet() -> None:
    found = asked('~ C(treatment, Treatment("sham")) * drug + cov_age')
    X = np.column_stack(
        [
            np.ones(12), [0, 0, 0, 1, 1, 1] * 2, [0] * 6 + [1] * 6,
            [0] * 9 + [1] * 3, AGE,
        ]
    )  # fmt: skip
    expected = np.linalg.lstsq(X, np.array(Y), rcond=None)[0]
    names = [
        "C(treatment)[T.rt]", "drug[T.navitoclax]", "C(treatment)[T.rt]:drug[T.navitoclax]",
        "cov_age",
    ]  # fmt: skip
    np.testing.assert_allclose(found.loc[names, "estimate"], expected[1:], rtol=1e-9)
    assert found.loc["cov_age", "reason"].startswith("no term of treatment")
    assert np.isnan(found.loc["cov_age", "q"])
    assert found.loc[names[:3], "q"].notna().all()


def test_a_reference_turns_the_sign() -> None:
    one = asked('~ C(treatment, Treatment("sham"))')["estimate"]
    other = asked("~ C(treatment, Treatment('rt'))")["estimate"]
    assert one["C(treatment)[T.rt]"] == pytest.approx(-other["C(treatment)[T.sham]"])


def test_any_contrast_of_coefficients() -> None:
    """RT with drug against RT alone is the drug plus the interaction."""
    parts = {"drug[T.navitoclax]": 1.0, "C(treatment)[T.rt]:drug[T.navitoclax]": 1.0}
    found = asked(
        '~ C(treatment, Treatment("sham")) * drug', contrasts={"drug in irradiated": parts}
    )
    own = found.loc["drug in irradiated"]
    assert own["estimate"] == pytest.approx(np.mean(Y[9:]) - np.mean(Y[3:6]))
    groups = [np.array(Y[i : i + 3]) for i in (0, 3, 6, 9)]
    pooled = sum(((g - g.mean()) ** 2).sum() for g in groups) / 8
    assert own["statistic"] == pytest.approx(own["estimate"] / np.sqrt(pooled * 2 / 3))
    assert own["df"] == 8
    assert "+1 drug[T.navitoclax] +1 C(treatment)" in own["method"]


def test_unknown_coefficients_and_references_are_named() -> None:
    with pytest.raises(DesignError, match=r"no coefficient 'drug\[T.abt\]'"):
        asked("~ treatment * drug", contrasts={"x": {"drug[T.abt]": 1.0}})
    with pytest.raises(DesignError, match="no sample has treatment 'shamm' — did you mean 'sham'"):
        asked('~ C(treatment, Treatment("shamm"))')
    with pytest.raises(DesignError, match="two references"):
        asked('~ C(drug, Treatment("none")) + treatment : C(drug, Treatment("navitoclax"))')
    with pytest.raises(DesignError, match="did you mean 'cov_age'"):
        asked("~ treatment + age")
    with pytest.raises(DesignError, match="no formula"):
        trend(study(), control="sham", contrasts={"x": {"y": 1.0}})


@pytest.mark.parametrize(
    "text",
    [
        '~ C(treatment, Treatment(__import__("os")))',
        '~ C(treatment, Treatment("a") + open("b"))',
        "~ C(treatment, Sum)",
        '~ Treatment("sham")',
        '~ C(treatment, Treatment("a\\"))',
    ],
)
def test_no_text_of_a_user_is_run(text: str) -> None:
    with pytest.raises(DesignError, match="has more than names, numbers"):
        asked(text)


def test_what_is_confounded_is_refused_with_the_reason() -> None:
    same = study(cov_cage=["a"] * 3 + ["b"] * 3 + ["a"] * 3 + ["b"] * 3)
    found = asked("~ treatment + cov_cage", same)
    for name, other in (("treatment[T.sham]", "cov_cage[T.b]"), ("cov_cage[T.b]", "treatment")):
        assert found.loc[name, "status"] == "not_estimable"
        assert "confounded or nested" in found.loc[name, "reason"]
        assert other in found.loc[name, "reason"]
    assert (
        found["note"].str.contains("cov_cage is constant within arms: it can pass for what").all()
    )


def test_a_covariate_with_one_value_is_refused() -> None:
    found = asked("~ treatment + cov_lab", study(cov_lab=3.0))
    assert found.loc["cov_lab", "reason"].endswith("cov_lab is the same in all of these samples")
    assert found.loc["treatment[T.sham]", "status"] == "tested"


def test_samples_without_a_covariate_are_left_out_by_name() -> None:
    found = asked("~ treatment + cov_age", study(cov_age=[np.nan, *AGE[1:]]))
    assert found["note"].str.contains("without cov_age and left out: s0").all()
    assert found.loc["treatment[T.sham]", "df"] == 11 - 3
