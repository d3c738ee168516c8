"""The learnt call data set by data set is the learnt call of all cells at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore import run as stages
from senoscore.calling import load_panel
from senoscore.calling.engine import learn_and_call
from senoscore.errors import DesignError, InputError
from senoscore.io import write_facts, write_parquet
from senoscore.run import Layout, validate_config

if TYPE_CHECKING:
    from pathlib import Path

    import anndata as ad

    from senoscore.run import FileKind

NAMES = ("second", "first")
SHEET = (
    "sample", "subject", "treatment", "drug", "dose_gy", "time_post_rt", "time_unit", "n_fractions",
    "modality", "batch", "tissue", "alpha_beta",
)  # fmt: skip
KINDS: list[FileKind] = ["matrix", "facts", "qc", "compartments"]


def sheet(animals: int = 4) -> pd.DataFrame:
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


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    adata = sen.simulate(sheet(), seed=11, cells_per_sample=300, burden=1.5, acute=1.5)
    adata.obs["compartment"] = adata.obs["true_compartment"].astype(str)
    adata.obs["keep"] = ~(adata.obs["is_doublet"] | adata.obs["is_poor"]).to_numpy()
    return adata


def write_study(adata: ad.AnnData, folder: Path, **facts: str) -> Layout:
    """Two data sets, each with samples of both arms, as the stages before leave them."""
    layout = Layout(folder / "results")
    number = adata.obs["sample"].str[-1].astype(int)
    for name, own in zip(NAMES, (number > 0, number == 0), strict=True):
        part = adata[own.to_numpy()].copy()
        files = layout.of(name, KINDS)
        for path in files.paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        part.write_h5ad(files["matrix"])
        write_facts(
            {"organism": "human", "assay": "sc", "values": "counts"} | facts, files["facts"]
        )
        head = {"cell": part.obs_names.astype(str), "sample": part.obs["sample"].astype(str)}
        counts = np.asarray(part.X.sum(axis=1)).ravel()
        quality = pd.DataFrame({**head, "keep": part.obs["keep"], "n_counts": counts})
        write_parquet(quality.reset_index(drop=True), files["qc"])
        rooms = pd.DataFrame({**head, "compartment": part.obs["compartment"]})
        rooms["compartment_confidence"] = 1.0
        write_parquet(rooms.reset_index(drop=True), files["compartments"])
    columns = [name for name in SHEET if name in adata.obs]
    rows = adata.obs[columns].drop_duplicates()
    rows.to_csv(folder / "samples.tsv", sep="\t", index=False)
    return layout


def called(layout: Layout, names: tuple[str, ...], pieces: int = 1, engine: str = "auto") -> Any:
    """Every stage, on data sets in this order and sums in so many pieces; all cells."""
    samples = layout.results.parent / "samples.tsv"
    config = validate_config({"call": {"engine": engine}}, source="test")
    files = [layout.of(name, KINDS) for name in names]
    plan, weights = layout.programme_plan, layout.programme
    stages.programme_plan(files, samples, config, out=plan)
    sums = []
    for data in files:
        for part in range(pieces):
            sums.append(layout.programme_sums(data.name, part=part, of=pieces))
            stages.programme_sums(
                data, samples, config, plan=plan, out=sums[-1], part=part, of=pieces
            )
    table = layout.summary("programme")
    stages.programme(files, plan=plan, sums=sums, out=weights, table_out=table)
    for data in files:
        out = layout.programme_scores(data.name)
        stages.programme_score(data, samples, config, plan=plan, programme=weights, out=out)
    stages.programme_call(
        files, config, plan=plan, programme=weights,
        scores=[layout.programme_scores(name) for name in names],
        out=[layout.programme_calls(name) for name in names],
        engines_out=layout.summary("engines"), prevalence_out=layout.summary("prevalence"),
    )  # fmt: skip
    parts = [pd.read_parquet(layout.programme_calls(name)) for name in sorted(names)]
    return pd.concat(parts).set_index("cell")


def test_data_set_by_data_set_is_the_notebook(tissue: ad.AnnData, tmp_path: Path) -> None:
    layout = write_study(tissue, tmp_path)
    found = called(layout, NAMES)
    again = called(layout, tuple(reversed(NAMES)))
    pd.testing.assert_frame_equal(again, found, check_exact=True)
    control = (tissue.obs["treatment"].astype(str) == "control").to_numpy()
    group = np.where(control, "control", "8.0|28").astype(object)
    keep = tissue.obs["keep"].to_numpy(bool)
    whole = learn_and_call(tissue, treated=~control, judged=keep, group=group)
    assert whole.cells["called"].sum() > 30
    expected = whole.cells.loc[found.index]
    assert (found["called"] == expected["called"]).all()
    for name in ("score", "p", "p_kinds", "q"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)
    programme = pd.read_csv(layout.summary("programme"), sep="\t")
    both = programme.merge(whole.programme, on=["compartment", "gene"])
    assert len(both) == len(whole.programme) == len(programme)
    np.testing.assert_allclose(both["weight_x"], both["weight_y"], atol=1e-5)
    shares = pd.read_csv(layout.summary("prevalence"), sep="\t")
    assert set(shares["sample"]) <= set(sheet()["sample"])
    engines = pd.read_csv(layout.summary("engines"), sep="\t").set_index("compartment")["engine"]
    assert engines[whole.prevalence["compartment"].unique()].eq("learned").all()


def test_states_are_those_of_the_notebook_with_a_drug_alone_too(tmp_path: Path) -> None:
    """Scored once, then called by files and in memory; three sham animals have a drug."""
    names = [f"drug{i}" for i in range(3)]
    drugged = sheet().iloc[:3].assign(sample=names, subject=names, drug="senolytic")
    both = pd.concat([sheet().assign(drug=""), drugged], ignore_index=True)
    adata = sen.simulate(both, seed=11, cells_per_sample=250, burden=1.5, acute=1.5)
    adata.obs["compartment"] = adata.obs["true_compartment"].astype(str)
    adata.obs["keep"] = ~(adata.obs["is_doublet"] | adata.obs["is_poor"]).to_numpy()
    sen.score(adata, sen.signatures(*load_panel("default").signatures))
    layout = write_study(adata, tmp_path)
    judged = called(layout, NAMES)
    assert judged["called"].sum() > 30
    samples, config = tmp_path / "samples.tsv", validate_config({}, source="test")
    files = [layout.of(name, [*KINDS, "scores"]) for name in NAMES]
    method = load_panel("default").method
    for data in files:
        cells = pd.read_parquet(data["qc"])["cell"]
        scores = adata.obsm[f"score_{method}"].loc[cells].add_prefix(f"{method}:")
        data["scores"].parent.mkdir(parents=True, exist_ok=True)
        write_parquet(scores.reset_index(names="cell"), data["scores"])
    fitted, rates = layout.results / "fitted", layout.results / "rates.tsv"
    stages.calibrate(files, samples, config, panel=None, out=fitted, rates_out=rates)
    states = []
    for data in files:
        out = layout.results / f"{data.name}.parquet"
        learnt = layout.programme_calls(data.name)
        stages.call(data, samples, config, panel=None, calibration=fitted, learnt=learnt, out=out)
        states.append(pd.read_parquet(out).set_index("cell"))
    found = pd.concat(states).loc[adata.obs_names]
    adata.obs["days_post_rt"] = adata.obs["time_post_rt"].astype(float)
    sen.call(adata)
    own = adata.obs["senescence_state"].astype(str)
    assert (found["senescence_state"].astype(str) == own).all()
    assert (found["senescence_engine"].astype(str) == adata.obs["senescence_engine"]).all()
    np.testing.assert_allclose(found["senescence_p"], adata.obs["senescence_p"], atol=1e-5)
    assert own[adata.obs["sample"].isin(names).to_numpy()].ne("senescent").mean() > 0.95
    entry = adata.uns["senoscore"]
    engines = pd.read_csv(layout.summary("engines"), sep="\t").set_index("compartment")
    numbers = ["n_called", "wrong_at_most"]
    same = entry["engines"].set_index("compartment").loc[engines.index, numbers]
    assert engines.index.tolist() == same.index.tolist()
    for name in numbers:
        np.testing.assert_allclose(engines[name], same[name], rtol=1e-5)
    assert engines["note"].str.contains("3 unirradiated samples with a drug").all()


def test_a_single_animal_an_arm_is_dealt_as_in_the_notebook(tmp_path: Path) -> None:
    """Each data set has one arm: neither sees that the other has one animal too."""
    animals = sheet(2).iloc[[0, 3]]
    adata = sen.simulate(animals, seed=11, cells_per_sample=900, burden=1.5, acute=1.5)
    adata.obs["compartment"] = adata.obs["true_compartment"].astype(str)
    adata.obs["keep"] = ~(adata.obs["is_doublet"] | adata.obs["is_poor"]).to_numpy()
    layout = write_study(adata, tmp_path)
    found = called(layout, NAMES, pieces=2)
    pd.testing.assert_frame_equal(called(layout, NAMES[::-1]), found, rtol=0, atol=1e-9)
    treated = adata.obs["treatment"].ne("control").to_numpy()
    whole = learn_and_call(adata, treated=treated, judged=adata.obs["keep"].to_numpy(bool))
    expected = whole.cells.loc[found.index]
    assert expected["called"].sum() > 30
    assert (found["called"] == expected["called"]).all()
    assert found["alone"].any()
    for name in ("score", "p", "p_kinds", "q"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)
    by = ["sample", "compartment"]
    shares = pd.read_csv(layout.summary("prevalence"), sep="\t").set_index(by)
    own = whole.prevalence.set_index(by).loc[shares.index]
    np.testing.assert_allclose(shares["prevalence"], own["prevalence"], atol=1e-5)
    assert shares["prevalence_lo"].isna().all()
    engines = pd.read_csv(layout.summary("engines"), sep="\t")
    assert engines["note"].str.contains("one control and one irradiated subject").all()
    assert engines["wrong_at_most"].isna().all()


def test_pieces_give_the_same_calls(tissue: ad.AnnData, tmp_path: Path) -> None:
    layout = write_study(tissue, tmp_path)
    whole, pieces = called(layout, NAMES), called(layout, NAMES, pieces=3)
    assert (whole["called"] == pieces["called"]).all()
    np.testing.assert_allclose(whole["score"], pieces["score"], atol=1e-6)


def test_what_cannot_be_learnt_is_left_to_the_panel(tissue: ad.AnnData, tmp_path: Path) -> None:
    layout = write_study(tissue, tmp_path, values="linear")
    found = called(layout, NAMES)
    assert not found["called"].any()
    engines = pd.read_csv(layout.summary("engines"), sep="\t")
    assert engines["engine"].eq("panel").all()
    assert engines["reason"].str.contains("values are linear").all()
    with pytest.raises(DesignError, match="no programme can be learnt"):
        called(layout, NAMES, engine="learned")


def test_damaged_files_between_the_stages_are_named(tissue: ad.AnnData, tmp_path: Path) -> None:
    layout = write_study(tissue, tmp_path)
    called(layout, NAMES)
    files = [layout.of(name, KINDS) for name in NAMES]
    sums = [layout.programme_sums(name) for name in NAMES]
    sums[0].write_bytes(sums[0].read_bytes()[:500])
    with pytest.raises(InputError, match=r"0_of_1\.npz is damaged"):
        stages.programme(
            files, plan=layout.programme_plan, sums=sums, out=layout.programme,
            table_out=layout.summary("programme"),
        )  # fmt: skip
    layout.programme_plan.write_text("[{}]")
    with pytest.raises(InputError, match=r"plan\.json is damaged"):
        stages.programme(
            files, plan=layout.programme_plan, sums=sums, out=layout.programme,
            table_out=layout.summary("programme"),
        )  # fmt: skip
