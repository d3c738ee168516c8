"""A calibration stays with its cells, and says so when they change; words that mislead."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore.calling.panel import load_panel
from senoscore.errors import ConfigError, InputError
from tests.calling.test_call import tissue

if TYPE_CHECKING:
    from pathlib import Path


def cells(
    *, compartment: str = "fibroblast", control: str = "control", seed: int = 3
) -> ad.AnnData:
    """The simulated scores of a table, as an AnnData without genes."""
    table = tissue(np.random.default_rng(seed), n=120, burden=0.3, compartment=compartment)
    obs = table[["sample", "compartment", "treatment", "days_post_rt"]].set_axis(table["cell"])
    obs["treatment"] = obs["treatment"].replace("control", control)
    scores = table.filter(like="ucell:").rename(columns=lambda c: c.removeprefix("ucell:"))
    adata = ad.AnnData(obs=obs)
    adata.obsm["score_ucell"] = scores.set_axis(adata.obs_names)
    return adata


def states(adata: ad.AnnData) -> list[str]:
    return adata.obs["senescence_state"].astype(str).tolist()


def test_call_takes_the_calibration_that_was_made() -> None:
    adata = cells(control="sham")
    adata.obs["arm"] = adata.obs["treatment"].replace({"sham": "none", "irradiated": "8 Gy"})
    adata.obs["treatment"] = "all the same"
    made = sen.calibrate(adata, control={"arm": "none"}, alpha=0.001)
    own = sen.call(adata, made, copy=True)
    sen.call(adata)
    assert adata.uns["senoscore"]["call"]["alpha"] == 0.001
    assert states(adata) == states(own)
    assert adata.uns["senoscore"]["call"]["z_cut"]["fibroblast"] == made.summary()["z_cut"][0]


def test_the_calibration_goes_through_a_file(tmp_path: Path) -> None:
    adata = cells()
    sen.calibrate(adata, alpha=0.02)
    adata.write_h5ad(tmp_path / "a.h5ad")
    sen.call(adata)
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    shuffled = back[np.random.default_rng(0).permutation(back.n_obs)].copy()
    for other in (back, shuffled):
        sen.call(other)
        assert other.uns["senoscore"]["call"]["alpha"] == 0.02
        pd.testing.assert_series_equal(
            other.obs["senescence_fdr"].loc[adata.obs_names], adata.obs["senescence_fdr"]
        )


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("scores", "the scores have"),
        ("compartment", "the compartments have"),
        ("treatment", "the controls or days after irradiation have"),
        ("days_post_rt", "the controls or days after irradiation have"),
        ("sample", "the samples of cells have"),
        ("n_counts", "the counts or quality of cells have"),
        ("cells", "820 cells are there, and sen.calibrate was run on 840"),
    ],
)
def test_cells_that_changed_are_refused(what: str, word: str) -> None:
    adata = cells()
    sen.calibrate(adata)
    if what == "scores":
        adata.obsm["score_ucell"].iloc[5, 0] += 0.5
    elif what == "cells":
        adata = adata[20:].copy()
    elif what == "days_post_rt":
        adata.obs.loc[adata.obs["treatment"] != "control", what] = 30.0
    elif what == "n_counts":
        adata.obs[what] = 1000
    else:
        text = adata.obs[what].astype(str)
        adata.obs[what] = text.where(np.arange(adata.n_obs) != 800, "other")
    with pytest.raises(InputError, match=word):
        sen.call(adata)
    sen.calibrate(adata)
    sen.call(adata)


def test_call_may_not_contradict_the_calibration() -> None:
    adata = cells()
    made = sen.calibrate(adata)
    for given in (None, made):
        with pytest.raises(ConfigError, match=r"alpha 0\.01, the calibration was made with 0\.05"):
            sen.call(adata, given, alpha=0.01)
        with pytest.raises(ConfigError, match="asked for control"):
            sen.call(adata, given, control="sham")
    with pytest.raises(ConfigError, match="asked for compartment 'leiden'"):
        sen.call(adata, compartment="leiden")
    sen.call(adata, alpha=0.05, control="control", panel="default", compartment="compartment")


def test_a_call_without_calibration_keeps_none() -> None:
    adata = cells()
    sen.call(adata, alpha=0.01)
    assert "calibration" not in adata.uns["senoscore"]
    sen.call(adata, alpha=0.02)


def test_a_calibration_prints_in_a_cell() -> None:
    made = sen.calibrate(cells())
    text = repr(made)
    assert text.startswith("Calibration: panel ")
    assert "fibroblast" in text
    assert len(text.splitlines()) == 3
    assert max(map(len, text.splitlines())) < 140
    assert "<table" in made._repr_html_()


@pytest.mark.parametrize(
    ("label", "compartment"),
    [("TAM", "macrophage"), ("Malignant", "tumour"), ("Astrocytes", "astrocyte"), ("ECs", "")],
)
def test_labels_keep_the_exceptions_of_the_compartment(label: str, compartment: str) -> None:
    panel = load_panel()
    if compartment:
        assert panel.disabled(label) == panel.disabled(compartment)
        assert panel.thresholds_of(label, 2.0) == panel.thresholds_of(compartment, 2.0)
        table = tissue(np.random.default_rng(4), burden=0.3, compartment=compartment)
        renamed = table.assign(compartment=label)
        pd.testing.assert_frame_equal(
            sen.call(renamed).drop(columns="compartment"),
            sen.call(table).drop(columns="compartment"),
        )


def test_a_label_that_fits_no_compartment_is_named(caplog: pytest.LogCaptureFixture) -> None:
    table = tissue(np.random.default_rng(4), compartment="macrophagge")
    with caplog.at_level(logging.WARNING):
        sen.calibrate(table)
    assert "did you mean 'macrophage'" in caplog.text


def test_a_control_word_that_no_cell_has() -> None:
    adata = cells(control="sham")
    for control in ("Sham", "control", {"treatment": "Sham"}, None):
        with pytest.raises(InputError, match=r"did you mean control='sham'"):
            sen.calibrate(adata, control=control)
    with pytest.raises(InputError, match="no cell has treatment 'plutonium'"):
        sen.calibrate(adata, control="plutonium")
    with pytest.raises(ConfigError, match="expected the word of the controls"):
        sen.calibrate(adata, control=3)  # type: ignore[arg-type]
    text = sen.calibrate(adata, control="sham")
    pair = sen.calibrate(adata, control={"treatment": "sham"})
    pd.testing.assert_frame_equal(text.to_frame(), pair.to_frame())


@pytest.mark.parametrize("kind", ["object", "category", "string"])
def test_days_in_words_are_refused(kind: str) -> None:
    table = tissue(np.random.default_rng(4))
    days = pd.Series(np.where(table["treatment"] == "control", "", "d14"), index=table.index)
    for run in (sen.calibrate, sen.call):
        with pytest.raises(
            InputError, match=r"days_post_rt of 800 cells is not a number \('d14'\)"
        ):
            run(table.assign(days_post_rt=days.astype(kind)))
    numbers = table.assign(days_post_rt=days.str.removeprefix("d").astype(kind))
    pd.testing.assert_frame_equal(sen.call(numbers), sen.call(table))
