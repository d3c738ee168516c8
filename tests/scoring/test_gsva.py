from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import MethodError
from senoscore.scoring.gsva import gsva


@pytest.fixture
def expression() -> pd.DataFrame:
    """Eight samples, 200 genes; set a is raised in the last four."""
    rng = np.random.default_rng(0)
    x = rng.normal(5, 1, (8, 200))
    x[4:, :20] += 2
    return pd.DataFrame(
        x, index=[f"s{i}" for i in range(8)], columns=[f"GENE{j:03d}" for j in range(200)]
    )


SETS = {"a": [f"GENE{j:03d}" for j in range(20)], "b": [f"GENE{j:03d}" for j in range(100, 130)]}


def test_raised_genes_raise_the_score(expression):
    before = expression.copy()
    got = gsva(expression, {**SETS, "absent": ["nothing"]})
    assert list(got.index) == list(expression.index)
    assert list(got.columns) == ["a", "b", "absent"]
    assert got["a"].iloc[4:].min() > got["a"].iloc[:4].max()
    assert got[["a", "b"]].abs().to_numpy().max() <= 1
    assert got["absent"].isna().all()
    pd.testing.assert_frame_equal(expression, before)


def test_order_of_samples_only_reorders_the_scores(expression):
    flipped = gsva(expression.iloc[::-1], SETS).iloc[::-1]
    pd.testing.assert_frame_equal(flipped, gsva(expression, SETS), rtol=1e-12)


def test_only_absent_genes(expression):
    assert gsva(expression, {"absent": ["nothing"]}).isna().to_numpy().all()


def test_bad_input(expression):
    with pytest.raises(MethodError, match="compares samples"):
        gsva(expression.iloc[:1], SETS)
    with pytest.raises(MethodError, match="not unique"):
        gsva(expression.iloc[[0, 0, 1]], SETS)
    with pytest.raises(MethodError, match="missing"):
        gsva(expression.mask(expression > expression.max().max() - 1e-9), SETS)


def test_score_offers_gsva_of_log_values(expression):
    import senoscore as sen

    sets = {"both": {"up": SETS["a"], "down": SETS["b"]}, "none": ["nothing"] * 1}
    got = sen.score(expression, sets, methods=["gsva", "singscore"])
    own = gsva(expression, SETS)
    np.testing.assert_allclose(got["gsva:both_up"], own["a"], atol=1e-6)
    np.testing.assert_allclose(got["gsva:both"], own["a"] - own["b"], atol=1e-6)
    assert got["gsva:none"].isna().all()


def test_score_refuses_gsva_of_many_cells():
    import senoscore as sen

    many = pd.DataFrame(np.ones((2001, 6)), columns=list("abcdef"))
    with pytest.raises(MethodError, match="2,001 rows"):
        sen.score(many, {"s": list("abcdef")}, methods="gsva")
