"""The learnt call on an AnnData: it finds, it says none, and it names what it cannot tell apart."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import senoscore as sen
from senoscore.calling import load_panel
from senoscore.calling.engine import _unlike_controls, _withhold, assign, learn_and_call
from senoscore.calling.learned import _explained, call_cells
from senoscore.errors import ConfigError, DesignError, InputError


def sheet(animals: int) -> pd.DataFrame:
    rows = [
        {
            "sample": f"{arm}{i}", "subject": f"{arm}{i}", "treatment": arm,
            "dose_gy": 8.0 * (arm == "irradiated"), "time_post_rt": 28, "time_unit": "d",
            "n_fractions": 1, "modality": "photon", "batch": "b1", "tissue": "brain",
            "alpha_beta": 3.0,
        }
        for arm in ("control", "irradiated")
        for i in range(animals)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@cache
def _tissue(animals: int, burden: float) -> ad.AnnData:
    adata = sen.simulate(sheet(animals), seed=11, cells_per_sample=300, burden=burden, acute=burden)
    adata = adata[~(adata.obs["is_doublet"] | adata.obs["is_poor"]).to_numpy()].copy()
    adata.obs["compartment"] = adata.obs["true_compartment"].astype(str)
    adata.obs["days_post_rt"] = 28.0
    return adata


def learnt(adata: ad.AnnData, **options: Any) -> Any:
    treated = (adata.obs["treatment"].astype(str) != "control").to_numpy()
    return learn_and_call(
        adata, treated=treated, judged=np.ones(adata.n_obs, dtype=bool), **options
    )


def test_it_finds_and_is_seldom_wrong() -> None:
    adata = _tissue(4, 1.5)
    found = learnt(adata)
    called = found.cells["called"].to_numpy()
    state = adata.obs["true_state"].astype(str)
    true = state.eq("senescent").to_numpy()
    assert called[true].mean() > 0.3
    assert (called & ~state.isin(["senescent", "escaped"]).to_numpy()).sum() <= 0.1 * called.sum()
    assert not called[(adata.obs["treatment"].astype(str) == "control").to_numpy()].any()
    top = found.programme.groupby("compartment")["gene"].apply(lambda g: set(g[:40]))
    assert any({"CDKN1A", "VEGFC", "TP53I3"} & genes for genes in top)


def test_it_says_none_where_nobody_is() -> None:
    assert not learnt(_tissue(4, 0.0)).cells["called"].any()


def test_order_of_cells_and_genes_and_blocks_change_nothing() -> None:
    adata = _tissue(4, 1.5)
    rng = np.random.default_rng(3)
    cells, genes = rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)
    first = learnt(adata).cells
    second = learnt(adata[cells][:, genes].copy(), block_size=301).cells.loc[first.index]
    np.testing.assert_allclose(first["score"], second["score"], atol=1e-6)
    np.testing.assert_allclose(first["p"], second["p"], atol=2e-3)
    assert (first["called"] == second["called"]).mean() > 0.999


def test_unirradiated_samples_with_a_drug_are_scored_and_teach_nothing() -> None:
    adata = _tissue(4, 1.5)
    own = adata.obs["sample"].astype(str)
    more = adata[own.isin(["control0", "irradiated1"]).to_numpy()].copy()
    more.obs["sample"] = more.obs["subject"] = "drug_" + more.obs["sample"].astype(str)
    more.obs_names = "drug_" + more.obs_names
    both = ad.concat([adata, more], join="inner")
    aside = both.obs["sample"].astype(str).str.startswith("drug_").to_numpy()
    alone, found = learnt(adata), learnt(both, aside=aside)
    kept = found.cells.loc[adata.obs_names]
    for name in ("score", "p", "p_kinds", "q"):
        np.testing.assert_allclose(kept[name], alone.cells[name], rtol=1e-9, err_msg=name)
    assert (kept["called"] == alone.cells["called"]).all()
    apart = found.cells[aside]
    assert np.isfinite(apart["p"]).any()
    assert not apart["called"].any()
    assert apart["q"].isna().all()
    # senescent cells pass by the same cuts, though nobody was irradiated
    senescent = both.obs.loc[apart.index, "true_state"].astype(str).eq("senescent")
    assert apart.loc[senescent, "passes"].mean() > 0.15
    assert apart.loc[~senescent, "passes"].mean() < 0.03
    assert "2 unirradiated samples with a drug are scored" in found.note


def test_drugs_alone_are_no_irradiation() -> None:
    """Controls with and without a drug: nobody was irradiated, so there is nothing to learn."""
    adata = _scored().copy()
    drugged = adata.obs["treatment"].eq("irradiated").to_numpy()
    adata.obs["drug"] = np.where(drugged, "navitoclax", "")
    adata.obs["treatment"] = "control"
    with pytest.raises(DesignError, match="0 irradiated subjects"):
        sen.call(adata, engine="learned")
    sen.call(adata)
    assert adata.uns["senoscore"]["engines"]["engine"].eq("panel").all()
    assert adata.uns["senoscore"]["engines"]["reason"].str.contains("0 irradiated").all()


def _few_controls(adata: ad.AnnData) -> ad.AnnData:
    """Of controls at most twenty cells a compartment, of one animal: too few to deal into parts."""
    own = adata.obs["sample"].eq("control0")
    rank = adata.obs.groupby(["sample", "compartment"], observed=True).cumcount()
    keep = adata.obs["treatment"].ne("control") | (own & (rank < 20))
    return adata[keep.to_numpy()].copy()


def test_too_few_subjects_are_refused() -> None:
    few = _few_controls(_tissue(4, 1.5))
    with pytest.raises(DesignError, match="1 control subject with 8 cells or more, 2 needed"):
        learnt(few)


def test_two_and_two_animals_are_judged_and_it_is_said() -> None:
    adata = _tissue(4, 1.5)
    two = adata[adata.obs["sample"].str.contains("[01]$").to_numpy()].copy()
    found = learnt(two)
    state = two.obs["true_state"].astype(str)
    called = found.cells["called"].to_numpy()
    assert called[state.eq("senescent").to_numpy()].mean() > 0.05
    assert (called & ~state.isin(["senescent", "escaped"]).to_numpy()).sum() <= 0.15 * called.sum()
    assert "2 subjects in an arm" in found.note


def test_a_run_that_is_unlike_published_damage_is_not_called() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(800, 3))
    scores[400::4] += 8
    cells, treated = np.arange(800), np.arange(800) >= 400
    given = (
        scores,
        ("total", "arrest", "other"),
        cells // 100,
        0 * cells,
        treated,
        rng.normal(size=800),
    )
    assert call_cells(*given, likeness=0.2).called.sum() >= 90
    assert call_cells(*given, likeness=float("nan")).called.sum() >= 90  # nothing is published
    none = call_cells(*given, likeness=0.01)
    assert none.unlike == 0.01
    assert not none.called.any()


@pytest.mark.parametrize(
    ("like", "unlike", "given"),
    [((), np.nan, "ab"), (((0, 1),), np.nan, "a"), (((2, -1),), np.nan, ""), ((), 0.01, "")],
)
def test_no_share_is_given_where_what_was_learnt_is_something_else(
    like: Any, unlike: float, given: str
) -> None:
    shares = {"prevalence": 0.4, "prevalence_lo": 0.3, "prevalence_hi": 0.5, "arrested": 0.2}
    table = pd.DataFrame({"compartment": list("abab"), "shifted": True, **shares})
    none = np.zeros(4, dtype=bool)
    _withhold(table, SimpleNamespace(like=like, unlike=unlike), ["a", "b"], none)
    kept = table["compartment"].isin(list(given))
    assert (table["withheld"] == "").tolist() == kept.tolist()
    for name in ("prevalence", "prevalence_lo", "prevalence_hi"):
        assert table[name].notna().tolist() == kept.tolist()
    assert table["shifted"].tolist() == kept.tolist()
    assert (table["arrested"] == 0.2).all()


def test_too_few_genes_are_refused() -> None:
    with pytest.raises(InputError, match="of the genes that may tell senescence"):
        learnt(_tissue(4, 1.5)[:, :40].copy())


@cache
def _scored() -> ad.AnnData:
    adata = _tissue(4, 1.5).copy()
    sen.score(adata, sen.signatures(*load_panel("default").signatures))
    return adata


@cache
def _called() -> ad.AnnData:
    adata = _scored().copy()
    sen.calibrate(adata)
    sen.call(adata)
    return adata


def test_call_takes_the_learnt_cells_under_the_panels_ceilings(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    adata = _scored().copy()
    sen.calibrate(adata)
    panel = sen.call(adata, engine="panel", copy=True)
    assert "senescence_engine" not in panel.obs
    assert "engines" not in panel.uns["senoscore"]
    sen.call(adata, engine="learned")
    state = adata.obs["senescence_state"].astype(str)
    assert (state == "senescent").sum() > (panel.obs["senescence_state"] == "senescent").sum()
    vetoed = panel.obs["senescence_state"].isin(["cycling", "escaped"]).to_numpy()
    assert not (state[vetoed] == "senescent").any()
    assert adata.obs["senescence_fdr"][state == "senescent"].max() <= 0.1
    entry = adata.uns["senoscore"]
    assert entry["call"]["engine"] == "learned"
    assert set(entry["prevalence"]["sample"]) == set(adata.obs["sample"])
    engines = entry["engines"].set_index("compartment")
    assert (engines["engine"] == "learned").all()
    irradiated = (adata.obs["treatment"] == "irradiated").to_numpy()
    found = int(((state == "senescent") & irradiated).sum())
    assert found <= engines.loc["all", "n_called"] == engines["n_called"].drop("all").sum()
    true = adata.obs["true_state"].astype(str).isin(["senescent", "escaped"])
    wrong = ((state == "senescent") & ~true).sum()
    assert wrong <= engines.loc["all", "wrong_at_most"] < engines.loc["all", "n_called"]
    assert set(adata.obs["senescence_engine"]) == {"learned"}
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad")
    assert read.uns["senoscore"]["programme"]["weight"].abs().max() > 0
    # what calibrate learnt is in the file, and is used: without a pass over the cells to learn
    with monkeypatch.context() as patched:
        patched.setattr("senoscore.calling.auto.add_up", None)
        sen.call(read)
    pd.testing.assert_frame_equal(
        read.obs.filter(like="senescence").astype(str),
        adata.obs.filter(like="senescence").astype(str),
    )
    sen.call(read, engine="panel")
    assert "senescence_p" not in read.obs
    pd.testing.assert_series_equal(
        read.obs["senescence_fdr"], panel.obs["senescence_fdr"], check_index_type=False
    )
    assert (read.obs["senescence_state"].astype(str) == panel.obs["senescence_state"]).all()


def test_genes_that_made_a_cell_are_named() -> None:
    adata = _called()
    cell = adata.obs_names[(adata.obs["senescence_state"] == "senescent").to_numpy()][0]
    genes = sen.explain(adata, cell, by="gene")
    assert genes["contribution"].is_monotonic_decreasing
    np.testing.assert_allclose(genes["contribution"], genes["weight"] * genes["z"])
    x = np.asarray(adata[cell].X.todense()).ravel()
    first = genes.iloc[0]
    level = np.log1p(1e4 * x[adata.var_names.get_loc(first["gene"])] / x.sum())
    assert first["level"] == pytest.approx(level)
    assert genes.attrs["senescence_state"] == "senescent"
    # the sum follows the score: cells called are far above those that are not
    rest = adata.obs_names[(adata.obs["treatment"] == "control").to_numpy()][:20]
    others = [sen.explain(adata, c, by="gene")["contribution"].sum() for c in rest]
    assert genes["contribution"].sum() > np.median(others) + 2
    with pytest.raises(ConfigError, match="'axis' or 'gene'"):
        sen.explain(adata, cell, by="cell")
    panel = sen.call(adata, engine="panel", copy=True)
    with pytest.raises(InputError, match="no programme was learnt"):
        sen.explain(panel, cell, by="gene")


def test_where_nothing_can_be_learnt_the_panel_calls_and_it_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    few = _few_controls(_called())
    sen.calibrate(few)
    panel = sen.call(few, engine="panel", copy=True)
    sen.call(few)
    assert (few.obs["senescence_state"].astype(str) == panel.obs["senescence_state"]).all()
    assert set(few.obs["senescence_engine"]) == {"panel"}
    engines = few.uns["senoscore"]["engines"]
    assert engines["reason"].str.contains("1 control subject").all()
    assert "called by the panel alone" in caplog.text
    with pytest.raises(DesignError, match="1 control subject"):
        sen.call(few, engine="learned")


def test_a_compartment_without_replicates_is_called_by_the_panel_beside_the_others() -> None:
    adata = _called()
    few = (adata.obs["compartment"] == "fibroblast") & adata.obs["sample"].isin(
        ["irradiated1", "irradiated2", "irradiated3"]
    )
    mixed = adata[~few.to_numpy()].copy()
    sen.calibrate(mixed)
    sen.call(mixed)
    engines = mixed.uns["senoscore"]["engines"].set_index("compartment")
    assert engines.loc["fibroblast", "engine"] == "panel"
    assert np.isnan(engines.loc["fibroblast", "wrong_at_most"])
    assert (engines["engine"] == "learned").sum() > 1
    own = mixed.obs["compartment"] == "fibroblast"
    assert (mixed.obs["senescence_engine"] == np.where(own, "panel", "learned")).all()


def test_a_table_cannot_be_learnt_from() -> None:
    with pytest.raises(ConfigError, match="learned"):
        sen.call(pd.DataFrame({"sample": []}), engine="learned")


@pytest.mark.parametrize(("gain", "vetoed"), [(0.2, False), (0.9, True)])
def test_a_run_that_is_like_a_nuisance_is_not_called(gain: float, vetoed: bool) -> None:
    rng = np.random.default_rng(0)
    along = rng.normal(size=400)
    called = np.zeros(400, dtype=bool)
    called[200:260] = True
    along[called] += 6
    level = rng.normal(scale=0.3, size=400) + np.where(called, 6 * gain, 0.0)
    treated = np.arange(400) >= 200
    explained, like = _explained(called, along, [level], np.zeros(400, dtype=np.int64), treated)
    assert bool(like) is vetoed
    assert explained[called].all() == vetoed


@pytest.mark.parametrize(("nearer", "vetoed"), [(6, False), (10, True)])
def test_a_run_of_which_a_nuisance_explains_many_cells_is_not_called(
    nearer: int, vetoed: bool
) -> None:
    """The others did not reach the nuisance's level by themselves, and their mean is unlike it."""
    rng = np.random.default_rng(2)
    treated = np.arange(400) >= 200
    called = (np.arange(400) >= 200) & (np.arange(400) < 260)
    along = rng.normal(size=400) + 6 * called
    level = rng.normal(scale=0.3, size=400)
    level[200 : 200 + nearer] = along[200 : 200 + nearer] + 1
    room = np.arange(400) % 8
    explained, like = _explained(called, along, [level], room, treated)
    assert like == (((0, -1),) if vetoed else ())
    assert explained[called].sum() == (60 if vetoed else nearer)


def test_a_compartment_that_moved_as_a_whole_is_not_called() -> None:
    rng = np.random.default_rng(1)
    along = rng.normal(size=400)
    called = np.arange(400) >= 380
    along[called] += 9
    treated = np.arange(400) >= 200
    level = rng.normal(scale=0.3, size=400) + np.where(treated, 4.0, 0.0)
    explained, like = _explained(called, along, [level], np.zeros(400, dtype=np.int64), treated)
    assert like[0] == (0, 0)
    assert explained[called].all()


def test_libraries_of_one_animal_are_no_replicates() -> None:
    adata = _tissue(4, 1.5)
    animal = adata.obs["sample"].astype(str).str.replace(r"[123]$", "0", regex=True)
    found = learnt(adata, subject=animal.to_numpy(dtype=object))
    assert "one control and one irradiated subject" in found.note
    assert found.cells["alone"].all()


def test_a_compartment_of_too_few_animals_is_left_to_the_panel() -> None:
    adata = _tissue(4, 1.5)
    room = adata.obs["compartment"].astype(str).to_numpy(dtype=object)
    sample = adata.obs["sample"].astype(str).to_numpy(dtype=object)
    few = (room == "fibroblast") & np.isin(sample, ["irradiated1", "irradiated2", "irradiated3"])
    who = assign(
        sample[~few], room[~few], treated=np.char.startswith(sample[~few].astype(str), "irr"),
        judged=np.ones((~few).sum(), dtype=bool),
    )  # fmt: skip
    assert who.refused == {"fibroblast": "1 irradiated subject with 8 cells or more, 2 needed"}
    assert "fibroblast" not in who.plan.compartments
    assert (who.sample[room[~few] == "fibroblast"] == -1).all()


def test_no_share_is_given_of_a_sample_of_another_depth() -> None:
    """Its cells are candidates at most, and what they read is depth."""
    adata = _tissue(4, 0.0).copy()
    own = (adata.obs["sample"] == "irradiated0").to_numpy()
    counts = adata.X.tocsr()
    thin = np.random.default_rng(0).binomial(counts[own].data.astype(np.int64), 0.3)
    data = counts.data.copy()
    data[np.repeat(own, np.diff(counts.indptr))] = thin
    adata.X = sparse.csr_matrix((data, counts.indices, counts.indptr), shape=counts.shape)
    found = learnt(adata).prevalence.set_index("sample")
    shares = ["prevalence", "prevalence_lo", "prevalence_hi", "arrested", "n_beyond"]
    assert found.loc["irradiated0", shares].isna().all(axis=None)
    assert found.loc["irradiated0", "withheld"].str.startswith("depth of the sample").all()
    rest = found.drop("irradiated0")
    assert rest[shares].notna().all(axis=None)
    assert (rest["withheld"] == "").all()


def test_samples_of_another_depth_are_marked() -> None:
    sample = np.repeat(np.arange(4), 50)
    depth = np.log(np.repeat([2000.0, 2200.0, 1100.0, 1900.0], 50))
    deep = _unlike_controls(depth, sample, np.zeros(200, dtype=np.int64), sample >= 2)
    assert deep.tolist() == [False] * 100 + [True] * 50 + [False] * 50
