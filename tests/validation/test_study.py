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


def test_wrong_calls_are_pooled_over_runs(part) -> None:
    pooled = part("study").pooled
    # A run without calls is no evidence of no error: 6 of 10, not the mean of .6 and 0.
    wrong, made = np.array([4, 2, 0]), np.array([5, 5, 0])
    ratio, low, high = pooled(wrong, made)
    assert ratio == 0.6
    without = np.array([2 / 5, 4 / 5, 6 / 10])
    half = 4.302653 * np.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum())
    assert (low, high) == pytest.approx((max(0.6 - half, 0), min(0.6 + half, 1)))
    assert np.isnan(pooled(np.zeros(3), np.zeros(3))).all()
    assert pooled(np.array([6, 0]), np.array([6, 0]))[0] == 1
    assert np.isnan(pooled(np.array([6, 0]), np.array([6, 0]))[1])


def test_cache_knows_the_code_and_the_panel(part, tmp_path, monkeypatch) -> None:
    study = part("study")
    for folder in ("resources", "senoscore"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(study, "ROOT", tmp_path)
    monkeypatch.setattr(study, "__file__", str(tmp_path / "study.py"))
    panel = tmp_path / "resources" / "default.yaml"
    panel.write_text("up: 1")
    first = study.code_key()
    assert study.code_key() == first
    panel.write_text("up: 2")
    assert study.code_key() != first


def test_a_labelled_set_is_calibrated_called_and_printed(part, size, tmp_path) -> None:
    study = part("study")
    cells = study.tissue(7, size, study.two_arms(n=2), burden=3.0, cells_per_sample=200)
    known = cells.obs["true_state"].isin(["senescent", "resting"]).to_numpy()
    cells = cells[known].copy()
    cells.obs["label"] = cells.obs["true_state"].astype(str)
    cells.write_h5ad(tmp_path / "mine.h5ad")
    (tmp_path / "sets.yaml").write_text(
        "mine: {path: mine.h5ad, label: label, positive: senescent, negative: resting, "
        "organism: human, sample: sample, treatment: treatment}"
    )
    rows = part("real").own_sets(tmp_path / "sets.yaml")
    by_score = rows.set_index("score")
    assert by_score.loc["senescence_index", "auroc"] > 0.8
    assert by_score["rule_positive"].iloc[0] > by_score["rule_negative"].iloc[0] + 0.2
    printed = part("page")._own(rows)
    assert "**mine**" in printed
    assert "| positive |" in printed
    assert "| senescence_index |" in printed


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
