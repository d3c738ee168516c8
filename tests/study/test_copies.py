"""One sample under two names is noticed without its counts, too."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore.errors import InputError
from senoscore.study import refuse_copied_cells
from tests.calling.test_invariances import study

SAID = r"samples 'again' and 's\d+' hold the same values — keep one: a copy is not a replicate"


def with_a_copy(treatment: str) -> ad.AnnData:
    """Cells of the study, and those of one sample shuffled under other names."""
    adata = study()
    name = adata.obs["sample"][adata.obs["treatment"] == treatment].iloc[0]
    copy = adata[adata.obs["sample"] == name][::-1].copy()
    copy.obs["sample"] = "again"
    copy.obs_names = [f"again-{i}" for i in range(copy.n_obs)]
    both = ad.AnnData(obs=pd.concat([adata.obs, copy.obs]))
    both.obsm["score_ucell"] = pd.concat([adata.obsm["score_ucell"], copy.obsm["score_ucell"]])
    return both


@pytest.mark.parametrize("treatment", ["control", "irradiated"])
def test_a_copied_sample_is_no_replicate(treatment: str) -> None:
    both = with_a_copy(treatment)
    with pytest.raises(InputError, match=SAID):
        sen.calibrate(both)


def test_a_copy_is_noticed_among_cells_that_were_called_elsewhere() -> None:
    both = with_a_copy("irradiated")
    sen.call(both, sen.calibrate(study()))
    with pytest.raises(InputError, match=SAID):
        sen.burden(both)


def test_samples_that_agree_by_chance_are_none() -> None:
    """Few cells, or few values: a zero in each of them says nothing."""
    few = np.arange(19.0)[:, None]
    refuse_copied_cells(["a"] * 19 + ["b"] * 19, np.vstack([few, few]), "cells")
    zeros = np.zeros((200, 5), dtype=np.float32)
    refuse_copied_cells(["a", "b"] * 100, zeros, "cells")
    gaps = np.full((200, 5), np.nan)
    refuse_copied_cells(["a", "b"] * 100, gaps, "cells")


def test_what_differs_in_one_value_is_no_copy() -> None:
    one = np.random.default_rng(0).normal(size=(30, 4))
    other = one.copy()
    refused = ["a"] * 30 + ["b"] * 30
    with pytest.raises(InputError, match="'a' and 'b'"):
        refuse_copied_cells(refused, np.vstack([one, other[::-1]]), "cells")
    other[7, 2] = np.nextafter(other[7, 2], 1)
    refuse_copied_cells(refused, np.vstack([one, other]), "cells")
    # The same values in each column, and not together in one cell.
    other = one.copy()
    other[[0, 1], 0] = other[[1, 0], 0]
    refuse_copied_cells(refused, np.vstack([one, other]), "cells")
