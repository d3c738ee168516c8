"""The whole workflow on real matrices; what is known of each must come out, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from senoscore.report.answers import answers
from senoscore.report.headline import sentences
from senoscore.report.load import load
from tests.workflow.conftest import REALDATA, run, write_config

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.realdata,
    pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata beside the checkout"),
]


def sheets(folder: Path, dataset: dict[str, str], samples: pd.DataFrame) -> Path:
    pd.DataFrame([dataset]).to_csv(folder / "datasets.tsv", sep="\t", index=False)
    samples.to_csv(folder / "samples.tsv", sep="\t", index=False)
    write_config(folder)
    return run(folder)


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "results" / name, sep="\t")


def first_words(folder: Path) -> str:
    """Headline of the report, and that the page says so."""
    said = sentences(answers(load(folder / "results")))
    page = (folder / "results/report.html").read_text(encoding="utf-8")
    assert all(line in page for line in said)
    return " ".join(said)


def plain(adata: ad.AnnData) -> ad.AnnData:
    """The matrix with names that every anndata can write again (Python strings)."""
    obs, var = (
        pd.DataFrame(index=pd.Index(list(n), dtype=object))
        for n in (adata.obs_names, adata.var_names)
    )
    return ad.AnnData(adata.X, obs=obs, var=var)


@pytest.fixture(scope="module")
def lymphoma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = REALDATA / "gse281695_a20_lymphoma_irradiated_bulk"
    samples = pd.read_csv(source / "samples.tsv", sep="\t").rename(columns={"sample_id": "sample"})
    dataset = {
        "dataset": "a20",
        "path": str(source / "counts.tsv.gz"),
        "organism": "mouse",
        "assay": "bulk",
    }
    folder = tmp_path_factory.mktemp("lymphoma")
    return sheets(folder, dataset, samples.drop(columns="group"))


def test_irradiated_lymphoma_moves_as_published(lymphoma: Path) -> None:
    trend = table(lymphoma, "summary/trend.tsv")
    week = trend[(trend["question"] == "irradiated_vs_control") & (trend["days_post_rt"] == 7)]
    week = week.set_index("measure")["estimate"]
    assert week["wmean:p53_targets"] > 0
    assert week["wmean:proliferation"] < 0


def test_two_animals_a_group_say_how_little_they_show(lymphoma: Path) -> None:
    trend = table(lymphoma, "summary/trend.tsv")
    week = trend[trend["question"] == "irradiated_vs_control"]
    assert (week[["n_control", "n_treated"]] == 2).all(axis=None)
    assert (week["permutation_floor"].dropna() >= 1 / 3 - 1e-6).all()
    assert "wide" in (lymphoma / "results/report.html").read_text(encoding="utf-8")
    words = first_words(lymphoma)
    assert words.startswith("Too few samples to tell for whole tissue, 2 against 2 samples: ")
    assert "detected" not in words
    (card,) = answers(load(lymphoma / "results"))
    (row,) = week[(week["measure"] == "index_mean") & (week["days_post_rt"] == 7)].itertuples()
    assert float(card.amount.replace("−", "-")) == pytest.approx(row.estimate, rel=1e-2)
    assert row.ci_lo < float(card.amount.replace("−", "-")) < row.ci_hi


def test_label_check_flags_a_day_and_is_silent_at_a_week(lymphoma: Path) -> None:
    checks = table(lymphoma, "summary/label_check.tsv")
    flagged = checks[checks["flag"] == "flag"]
    assert set(flagged["group"]) == {"1 d"}
    assert "NK4844" in set(flagged["sample"])


def test_a_bulk_sample_has_no_fraction_and_is_never_senescent(lymphoma: Path) -> None:
    burden = table(lymphoma, "summary/burden.tsv")
    assert burden["fraction"].isna().all()
    assert burden["n_senescent"].sum() == 0


def test_acute_p53_response_of_molt4_is_not_senescence(tmp_path: Path) -> None:
    source = REALDATA / "molt4_irradiated_timecourse_array"
    samples = pd.read_csv(source / "samples.tsv", sep="\t").drop(columns="replicate")
    dataset = {
        "dataset": "molt4",
        "path": str(source / "intensity.tsv.gz"),
        "organism": "human",
        "assay": "array",
    }
    folder = sheets(tmp_path, dataset, samples)
    calls = pd.read_parquet(folder / "results/calls/molt4.parquet")
    assert not calls["senescence_state"].astype(str).str.startswith("senescent").any()
    assert first_words(folder) == (
        "An acute damage response, which is not senescence: whole tissue from 2 h. No sample is "
        "late enough for senescence to be claimed. A profile of whole tissue has no cells to "
        "count: its index also moves when cell types come or go, so it hints at senescence and "
        "does not show it."
    )
    trend = table(folder, "summary/trend.tsv")
    p53 = trend[
        (trend["measure"] == "wmean:p53_targets") & (trend["question"] == "irradiated_vs_control")
    ]
    high = p53[(p53["dose_gy"] == 5) & (p53["days_post_rt"] > 0.1)]
    low = p53[(p53["dose_gy"] == 0.5) & p53["days_post_rt"].isin(high["days_post_rt"])]
    assert (high["estimate"] > 0).all()
    assert (high["q"] < 0.05).all()
    assert high["estimate"].mean() > low["estimate"].mean()
    assert (low["status"] == "not_testable").all()
    qc = table(folder, "cells/molt4.qc_samples.tsv")
    assert qc["note"].str.contains("every profile is kept").all()


def test_healthy_cells_split_at_random_show_nothing(tmp_path: Path) -> None:
    adata = plain(ad.read_h5ad(REALDATA / "celltypist_immune_cells_sc" / "counts.h5ad"))
    rng = np.random.default_rng(0)
    adata.obs["sample"] = [f"s{i}" for i in rng.integers(0, 6, adata.n_obs)]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    samples = pd.DataFrame({"sample": [f"s{i}" for i in range(6)]})
    samples["treatment"] = ["control"] * 3 + ["irradiated"] * 3
    samples["time_post_rt"], samples["time_unit"] = 14, "d"
    dataset = {
        "dataset": "null",
        "path": "cells.h5ad",
        "organism": "human",
        "sample_column": "sample",
    }
    folder = sheets(tmp_path, dataset, samples)
    calls = pd.read_parquet(folder / "results/calls/null.parquet")
    treated = calls[calls["sample"].isin(["s3", "s4", "s5"])]
    assert (treated["senescence_state"] == "senescent").mean() <= 0.02
    trend = table(folder, "summary/trend.tsv")
    tested = trend[(trend["measure"] == "fraction_senescent") & (trend["status"] == "tested")]
    assert not (tested["q"] < 0.05).any()


def test_log_values_run_without_the_steps_that_need_counts(tmp_path: Path) -> None:
    adata = plain(ad.read_h5ad(REALDATA / "mgh136_glioblastoma_sc" / "log_tpm.h5ad"))
    adata.obs["sample"] = "mgh136"
    adata.write_h5ad(tmp_path / "cells.h5ad")
    samples = pd.DataFrame({"sample": ["mgh136"], "treatment": ["control"]})
    dataset = {
        "dataset": "mgh136",
        "path": "cells.h5ad",
        "organism": "human",
        "sample_column": "sample",
    }
    folder = sheets(tmp_path, dataset, samples)
    qc = table(folder, "cells/mgh136.qc_samples.tsv")
    assert qc["note"].str.contains("not counts").all()
    scores = pd.read_parquet(folder / "results/scores/mgh136.parquet")
    assert np.isfinite(scores["ucell:p53_targets"]).all()
