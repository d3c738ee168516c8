"""Depth and `keep` as people and files write them: right, or one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import senoscore as sen
from senoscore.errors import InputError
from senoscore.io import flags
from tests.calling.test_invariances import answered, study

if TYPE_CHECKING:
    from collections.abc import Callable

KEEP: list[Callable[[pd.Series], pd.Series]] = [
    lambda keep: keep.astype(int),
    lambda keep: keep.astype(str),
    lambda keep: keep.astype(str).str.upper(),
    lambda keep: keep.astype("category"),
    lambda keep: keep.astype(str).astype("category"),
    lambda keep: keep.astype("boolean").mask(~keep),
    lambda keep: keep.astype(object).where(keep, None),
]


@pytest.mark.parametrize("written", KEEP)
def test_keep_means_the_same_however_it_is_written(
    written: Callable[[pd.Series], pd.Series],
) -> None:
    keep = pd.Series(np.arange(40) % 3 > 0, name="keep")
    assert flags(written(keep)).tolist() == keep.tolist()


def test_the_word_false_is_not_true_for_a_calibration() -> None:
    one, other = study(), study()
    keep = np.arange(one.n_obs) % 5 > 0
    one.obs["keep"], other.obs["keep"] = keep, keep.astype(str)
    (summary, calls), (again, called) = answered(one), answered(other)
    pd.testing.assert_frame_equal(summary, again)
    pd.testing.assert_frame_equal(calls, called)
    assert (calls["senescence_reason"] == "failed quality control").sum() == (~keep).sum()
    other.obs["keep"] = np.where(keep, "yes", "no")
    with pytest.raises(InputError, match="column 'keep' has 'no', expected true or false"):
        sen.calibrate(other)


def test_a_gap_in_the_depth_of_a_sample_is_no_reason_to_compare_at_none() -> None:
    adata = study()
    name = str(adata.obs["sample"].iloc[0])
    adata.obs["n_counts"] = adata.obs["n_counts"].astype(float)
    adata.obs.loc[adata.obs_names[0], "n_counts"] = np.nan
    n = int((adata.obs["sample"] == name).sum())
    with pytest.raises(InputError, match=rf"sample '{name}': 1 of {n} cells have no n_counts"):
        sen.calibrate(adata)
    adata.obs["n_counts"] = np.nan  # values that are no counts have no depth at all
    sen.calibrate(adata)


def test_a_cell_without_counts_takes_no_part_and_changes_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    adata = study()
    control = np.flatnonzero((adata.obs["treatment"] == "control").to_numpy())
    empty = adata.obs_names[[control[0], control[-1]]]  # one of each compartment
    rest = adata[~adata.obs_names.isin(empty)].copy()
    adata.obs.loc[empty, "n_counts"] = 0
    summary, calls = answered(adata)
    assert "2 cells hold no counts" in caplog.text
    without, called = answered(rest)
    pd.testing.assert_frame_equal(summary, without)
    pd.testing.assert_frame_equal(calls.loc[called.index], called)
    assert calls.loc[empty, "senescence_state"].tolist() == ["not_assessable"] * 2
    assert calls.loc[empty, "senescence_reason"].tolist() == ["no counts"] * 2
    adata.obs.loc[empty[0], "n_counts"] = -1
    with pytest.raises(InputError, match="a cell has -1 n_counts"):
        sen.calibrate(adata)


def counted(rng: np.random.Generator) -> ad.AnnData:
    depth = np.exp(rng.normal(7, 0.6, 200))
    counts = rng.poisson(depth[:, None] * rng.dirichlet(np.ones(300)))
    return ad.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(index=[f"c{i}" for i in range(200)]),
        var=pd.DataFrame(index=["CDKN1A", "TP53", *[f"G{i}" for i in range(298)]]),
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda X: np.full(len(X), 1e4), True),
        (lambda X: np.log1p(X).sum(axis=1), True),
        (lambda X: X.sum(axis=1), False),
        (lambda X: X[:, :150].sum(axis=1), False),
        (lambda X: X.sum(axis=1) * 3, False),
    ],
)
def test_depth_of_other_values_is_said(
    made: Callable[[np.ndarray], np.ndarray], said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    adata = counted(np.random.default_rng(1))
    adata.obs["total_counts"] = made(adata.X.toarray())
    sen.score(adata, {"a": ["CDKN1A", "TP53", "G1"]})
    assert ("obs['total_counts'] does not follow the counts" in caplog.text) == said
