"""One animal an arm: its cells are dealt, the call is a candidate, and no interval is made up."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore.calling import load_panel, parts_of
from senoscore.calling.engine import assign, learn_and_call
from senoscore.calling.staged import read_families, write_families
from senoscore.calling.sums import PARTS, plan_folds
from senoscore.errors import DesignError
from senoscore.report.learnt import counted
from tests.calling.test_learned import sheet

if TYPE_CHECKING:
    from pathlib import Path

INTERVALS = ["prevalence_lo", "prevalence_hi", "arrested_lo", "arrested_hi"]


@cache
def tissue(controls: int, irradiated: int, burden: float = 1.5) -> ad.AnnData:
    samples = sheet(3)
    number = samples["sample"].str[-1].astype(int)
    most = np.where(samples["treatment"] == "control", controls, irradiated)
    adata = sen.simulate(
        samples[number < most], seed=11, cells_per_sample=900, burden=burden, acute=burden
    )
    adata = adata[~(adata.obs["is_doublet"] | adata.obs["is_poor"]).to_numpy()].copy()
    adata.obs["compartment"] = adata.obs["true_compartment"].astype(str)
    adata.obs["days_post_rt"] = 28.0
    return adata


def learnt(adata: ad.AnnData) -> Any:
    treated = adata.obs["treatment"].ne("control").to_numpy()
    return learn_and_call(adata, treated=treated, judged=np.ones(adata.n_obs, dtype=bool))


@cache
def called(controls: int, irradiated: int) -> ad.AnnData:
    adata = tissue(controls, irradiated).copy()
    sen.score(adata, sen.signatures(*load_panel("default").signatures))
    sen.calibrate(adata)
    sen.call(adata)
    return adata


@pytest.mark.parametrize(("controls", "irradiated"), [(1, 1), (3, 1), (1, 3)])
def test_it_finds_and_is_seldom_wrong(controls: int, irradiated: int) -> None:
    adata = tissue(controls, irradiated)
    found = learnt(adata)
    state = adata.obs["true_state"].astype(str)
    cells = found.cells["called"].to_numpy()
    assert cells[state.eq("senescent").to_numpy()].mean() > 0.25
    wrong = (cells & ~state.isin(["senescent", "escaped"]).to_numpy()).sum()
    assert wrong <= 0.15 * cells.sum()
    assert not cells[adata.obs["treatment"].eq("control").to_numpy()].any()
    shares = found.prevalence
    assert set(shares["sample"]) == set(adata.obs["sample"])
    assert not shares.duplicated(["sample", "compartment"]).any()
    assert shares["n_judged"].sum() == np.isfinite(found.cells["p"]).sum()
    # how far animals differ is known of three controls, and of one it is not
    assert shares[INTERVALS].notna().any(axis=None) == (controls > 1)
    assert "one " in found.note
    assert ("candidates" in found.note) == (controls == 1)


@pytest.mark.parametrize("arms", [(1, 1), (3, 1)])
def test_it_says_none_where_nobody_is(arms: tuple[int, int]) -> None:
    assert not learnt(tissue(*arms, burden=0.0)).cells["called"].any()


def test_a_cell_is_dealt_by_its_name_whatever_is_beside_it() -> None:
    adata = tissue(1, 1)
    order = np.random.default_rng(3).permutation(adata.n_obs)
    names = adata.obs_names
    assert (parts_of(names)[order] == parts_of(names[order])).all()
    share = np.bincount(parts_of(names), minlength=PARTS) / len(names)
    assert len(share) == PARTS
    assert (abs(share - 1 / PARTS) < 0.05).all()
    first, second = learnt(adata).cells, learnt(adata[order].copy()).cells.loc[names]
    np.testing.assert_allclose(first["score"], second["score"], atol=1e-6)
    assert (first["called"] == second["called"]).mean() > 0.999


def test_no_weights_saw_the_cell_that_they_judge() -> None:
    adata = tissue(1, 1)
    treated = adata.obs["treatment"].ne("control").to_numpy()
    who = assign(
        adata.obs["sample"].to_numpy(dtype=object), adata.obs["compartment"].to_numpy(object),
        treated=treated, judged=np.ones(len(treated), dtype=bool), part=parts_of(adata.obs_names),
    )  # fmt: skip
    plan = who.plan
    assert plan.samples == ("control0",) * PARTS + ("irradiated0",) * PARTS
    assert plan.library.tolist() == [0] * PARTS + [PARTS] * PARTS
    assert plan.n_folds == PARTS
    assert np.bincount(plan.fold).tolist() == [2] * PARTS
    assert (plan.parts[who.sample] == parts_of(adata.obs_names)).all()


def test_replicates_are_never_dealt() -> None:
    """Neither where two animals an arm are there, nor an arm that has them."""
    samples = np.repeat(["a", "b", "c", "d"], 40)
    given: dict[str, Any] = {
        "treated": np.repeat([False, False, True, True], 40), "judged": np.ones(160, dtype=bool),
        "part": np.tile(np.arange(PARTS), 40),
    }  # fmt: skip
    room = np.full(160, "x")
    assert assign(samples, room, **given).plan.samples == ("a", "b", "c", "d")
    given["treated"] = samples == "d"
    plan = assign(samples, room, **given).plan
    assert plan.samples == ("a", "b", "c", *["d"] * PARTS)
    assert (plan.dealt(treated=False), plan.dealt(treated=True)) == (False, True)
    # libraries of one animal are no replicates: its cells are dealt, of whatever library
    given["treated"] = np.isin(samples, ["c", "d"])
    plan = assign(samples, room, **given, subject=np.where(samples < "c", samples, "e")).plan
    assert plan.samples == ("a", "b", *["c"] * PARTS, *["d"] * PARTS)
    assert len(set(plan.subjects[2:])) == PARTS
    with pytest.raises(DesignError, match="0 irradiated subjects"):
        assign(samples, room, **{**given, "treated": np.zeros(160, dtype=bool)})
    few = np.r_[0:80, 80:84, 120:126]  # ten irradiated cells: too few to deal
    own = {name: value[few] for name, value in given.items()}
    animals = np.where(samples < "c", samples, "e")[few]
    with pytest.raises(DesignError, match="1 irradiated subject with 8"):
        assign(samples[few], room[few], subject=animals, **own)


def test_a_plan_with_parts_is_found_again(tmp_path: Path) -> None:
    from senoscore.calling.staged import Family

    plan = plan_folds(
        ["a", "a", "b", "c"], np.array([False, False, True, True]), ["x"],
        subject=["1", "2", "3", "4"], part=np.array([0, 1, -1, -1]),
    )  # fmt: skip
    kinds = ("human", "sc", "counts", ("d",), ("x",), ("G",))
    write_families([Family(*kinds, plan, {})], tmp_path / "plan.json")
    read = read_families(tmp_path / "plan.json")[0].plan
    assert read is not None
    assert read.samples == plan.samples
    assert read.parts.tolist() == [0, 1, -1, -1]
    places = read.place(np.array([0, 0, 2, 3, -1, 0]), np.array([0, 1, 1, 3, 0, 2]))
    assert places.tolist() == [0, 1, 2, 3, -1, -1]
    with pytest.raises(ValueError, match="unique"):
        plan_folds(["a", "a"], np.array([False, True]), ["x"], part=np.array([1, 1]))


def test_of_one_control_animal_a_candidate_is_the_most(caplog: pytest.LogCaptureFixture) -> None:
    adata = called(1, 1)
    obs = adata.obs
    state = obs["senescence_state"].astype(str)
    assert not state.eq("senescent").any()
    found = state.eq("senescent_candidate") & obs["treatment"].ne("control")
    assert found.sum() > 30
    true = obs["true_state"].isin(["senescent", "escaped"])
    assert (found & ~true).sum() <= 0.15 * found.sum()
    assert set(obs.loc[found, "senescence_reason"]) == {"one control subject: a candidate at most"}
    assert set(obs.loc[found, "senescence_engine"]) == {"learned_single_control"}
    engines = adata.uns["senoscore"]["engines"]
    assert set(engines["engine"]) == {"learned"}
    assert engines["wrong_at_most"].isna().all()
    burden = sen.burden(adata)
    irradiated = burden[burden["treatment"] != "control"]
    assert irradiated["n_called"].sum() == found.sum()
    assert (irradiated["fraction"].dropna() > 0).any()
    assert irradiated["prevalence"].notna().any()
    assert irradiated[INTERVALS].isna().all(axis=None)
    assert counted(burden[burden["compartment"] == "astrocyte"]).startswith("candidates")
    kinds = sen.group_means(adata)
    assert kinds["kind"].eq("senescent").any()


def test_three_controls_are_enough_for_senescent() -> None:
    adata = called(3, 1)
    assert adata.obs["senescence_state"].eq("senescent").sum() > 30
    assert set(adata.obs["senescence_engine"]) == {"learned", "panel"}
    burden = sen.burden(adata)
    assert burden[INTERVALS].notna().any(axis=None)
    assert counted(burden[burden["compartment"] == "astrocyte"]) == "cells called senescent"


def test_it_is_the_same_after_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adata = called(1, 1)
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad")
    monkeypatch.setattr("senoscore.calling.auto.add_up", None)  # what was learnt is in the file
    sen.call(read)
    pd.testing.assert_frame_equal(
        read.obs.filter(like="senescence").astype(str),
        adata.obs.filter(like="senescence").astype(str),
    )
