"""The parts of the validation study, small: they must be able to tell right from wrong."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

if TYPE_CHECKING:
    from types import ModuleType

STUDY = Path(__file__).parents[2] / "validation"


@pytest.fixture(scope="module")
def part():
    """Import a module of the study by its name; they are scripts beside each other."""
    sys.path.insert(0, str(STUDY))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(STUDY))


@pytest.fixture(scope="module")
def size(part):
    return part("study").Size(seeds=2, cells_per_sample=120, splits=2)


def test_auroc_is_that_of_scikit_learn(part: ModuleType) -> None:
    rng = np.random.default_rng(0)
    truth, score = rng.random(200) < 0.3, rng.integers(0, 9, 200).astype(float)
    assert part("study").auroc(truth, score) == pytest.approx(roc_auc_score(truth, score))
    assert np.isnan(part("study").auroc(np.ones(5, bool), score[:5]))


def test_spike_changes_chosen_cells_only_and_in_the_right_direction(part, size) -> None:
    spike, study = part("spike"), part("study")
    before = study.tissue(1, size, study.two_arms(n=1), burden=0.0, acute=0.0)
    chosen = np.zeros(before.n_obs, bool)
    chosen[: before.n_obs // 2] = True
    after = spike.spiked(before, chosen, rng=np.random.default_rng(5))
    assert (after.X[~chosen] != before.X[~chosen]).nnz == 0
    # The same generator draws the same programme first.
    change = spike.programme(np.random.default_rng(5), before.var_names.to_numpy(dtype=object))
    moved = np.asarray(after.X[chosen].sum(0) - before.X[chosen].sum(0)).ravel()
    assert (moved[change == 0] == 0).all()
    assert (moved[change > 0] >= 0).all()
    assert (moved[change < 0] <= 0).all()
    assert moved[change > 0].sum() > 0 > moved[change < 0].sum()


def test_null_study_counts_what_was_called(part, size) -> None:
    rows = part("null").simulated(size)
    assert set(rows["what"]) == {
        "simulated, nothing happens",
        "simulated, transient p53 response",
    }
    assert rows["called"].dropna().between(0, 0.2).all()
    cells = pd.DataFrame(
        {
            "treatment": ["irradiated"] * 40 + ["control"] * 10,
            "compartment": "tumour",
            "senescence_state": ["senescent"] * 10 + ["other"] * 40,
            "senescence_index": 1.0,
            "panel_positive": [True] * 20 + [False] * 20 + [True] * 5 + [False] * 5,
        }
    )
    by_hand = next(iter(part("null")._rows(cells, "x", 0)))
    assert (by_hand["called"], by_hand["rule"], by_hand["rule_control"]) == (0.25, 0.5, 0.5)


def test_agreement_of_a_call_with_itself_is_perfect(part, size) -> None:
    study, nuisance = part("study"), part("nuisance")
    cells = study.called(study.table(study.tissue(3, size)))
    whole = nuisance._agreement(cells, cells)
    assert whole == {
        "rho_index": pytest.approx(1), "same_state": 1, "kappa_rule": pytest.approx(1),
        "not_assessed_any_more": 0,
    }  # fmt: skip
    other = cells.assign(panel_positive=~cells["panel_positive"].astype(bool))
    assert nuisance._agreement(cells, other)["kappa_rule"] < 0


def test_assignment_tells_rejected_from_wrong(part, size) -> None:
    rows = part("assignment").simulated(size)
    deep = rows[rows["counts"] == 4_000]
    shallow = rows[rows["counts"] == 1_000]
    assert deep["right"].mean() > shallow["right"].mean() + 0.1
    assert (rows["right"] + rows["wrong"] <= 1).all()
    assert rows["unknown_rejected"].mean() > 0.9
