"""Files of a run in a notebook: the sheet joined to cells, results brought back by name."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import senoscore as sen
from senoscore.errors import InputError
from senoscore.io import write_canonical_stream
from senoscore.simulation import write_study

if TYPE_CHECKING:
    from pathlib import Path

SHEET = "sample\tsubject\ttreatment\tdose_gy\ttime_post_rt\ttime_unit\n" + "".join(
    f"s{i}\tm{i}\t{'control' if i < 2 else 'irradiated'}\t{0 if i < 2 else 8}\t14\td\n"
    for i in range(4)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cells = [f"c{i}" for i in range(8)]
    obs = pd.DataFrame({"sample": [f"s{i // 2}" for i in range(8)]}, index=cells)
    counts = np.arange(24, dtype=np.float32).reshape(8, 3)
    ad.AnnData(counts, obs=obs).write_h5ad(tmp_path / "a.h5ad")
    (tmp_path / "samples.tsv").write_text(SHEET)
    run = pd.DataFrame(
        {
            "dataset": "a", "cell": cells[::-1], "sample": obs["sample"].to_numpy()[::-1],
            "senescence_state": pd.Categorical(["senescent"] * 2 + ["other"] * 6),
            "senescence_reason": "why", "senescence_axes_up": "sasp",
        },
        index=cells[::-1],
    )  # fmt: skip
    results = ad.AnnData(obs=run)
    results.obsm["score_ucell"] = pd.DataFrame({"x": np.arange(8.0)}, index=run.index)
    (tmp_path / "results").mkdir()
    results.write_h5ad(tmp_path / "results" / "senoscore.h5ad")
    return tmp_path


def test_the_sheet_is_joined(folder: Path) -> None:
    adata = sen.read(folder / "a.h5ad")
    assert adata.obs["days_post_rt"].tolist() == [14.0] * 8
    assert adata.obs["treatment"].tolist() == ["control"] * 4 + ["irradiated"] * 4
    assert adata.obs["subject"].iloc[7] == "m3"


@pytest.mark.parametrize(("found", "joined"), [("rna", "proton"), ("Cs-137", "Cs-137")])
def test_a_modality_of_the_assay_is_not_taken_for_radiation(
    folder: Path, caplog: pytest.LogCaptureFixture, found: str, joined: str
) -> None:
    adata = ad.read_h5ad(folder / "a.h5ad")
    adata.obs["modality"] = found
    adata.write_h5ad(folder / "a.h5ad")
    sheet = pd.read_csv(folder / "samples.tsv", sep="\t").assign(modality="proton")
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    assert set(sen.read(folder / "a.h5ad").obs["modality"]) == {joined}
    assert ("modality in obs (rna)" in caplog.text) == (found == "rna")


def test_results_come_back_by_the_name_of_the_cell(folder: Path) -> None:
    adata = sen.read(folder / "a.h5ad")
    sen.attach(adata, folder / "results")
    assert adata.obs["senescence_state"].tolist() == ["other"] * 6 + ["senescent"] * 2
    assert adata.obsm["score_ucell"]["x"].tolist() == list(range(7, -1, -1))
    assert adata.obs["senescence_reason"].unique().tolist() == ["why"]
    assert adata.n_vars == 3


def test_a_run_is_read_with_the_names_of_its_input(folder: Path) -> None:
    assert sen.read(folder / "results").obs_names.tolist() == [f"c{i}" for i in range(7, -1, -1)]


def test_cells_that_the_run_does_not_have_get_missing_values_and_are_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adata = sen.read(folder / "a.h5ad")
    adata.obs_names = ["new", *adata.obs_names[1:]]
    sen.attach(adata, folder / "results")
    assert "1 of 8 cells (such as 'new') are not in the run" in caplog.text
    assert pd.isna(adata.obs["senescence_state"].iloc[0])
    assert np.isnan(adata.obsm["score_ucell"]["x"].iloc[0])


def test_other_names_are_shown(folder: Path) -> None:
    adata = sen.read(folder / "a.h5ad")
    adata.obs_names = [f"x{i}" for i in range(8)]
    with pytest.raises(InputError, match=r"'x0'.*'c7'"):
        sen.attach(adata, folder / "results")


def test_a_sample_without_a_row_is_named(folder: Path) -> None:
    (folder / "samples.tsv").write_text("\n".join(SHEET.splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match="no row for sample 's3'"):
        sen.read(folder / "a.h5ad")


def test_what_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        sen.read(folder / "b.h5ad")
    with pytest.raises(InputError, match="'donor'"):
        sen.read(folder / "a.h5ad", sample="donor")


def test_cells_without_labels_get_no_empty_ones(folder: Path) -> None:
    head, *rows = SHEET.splitlines()
    text = "\n".join([head + "\tcompartment", *(row + "\t" for row in rows)])
    (folder / "samples.tsv").write_text(text + "\n")
    assert "compartment" not in sen.read(folder / "a.h5ad").obs


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("study") / "demo"
    write_study(at, seed=1, size="tiny")
    return at


def test_a_folder_of_data_sets_is_one_object(demo: Path) -> None:
    adata = sen.read(demo)
    listed = pd.read_csv(demo / "datasets.tsv", sep="\t")["dataset"]
    sheet = pd.read_csv(demo / "samples.tsv", sep="\t").set_index("sample")
    assert set(adata.obs["dataset"]) == set(listed)
    assert adata.obs_names.is_unique
    treatment = adata.obs["sample"].astype(str).map(sheet["treatment"])
    assert adata.obs["treatment"].tolist() == treatment.tolist()
    assert adata.uns["senoscore"]["values"] == "counts"
    one = ad.read_h5ad(demo / "batch_1.h5ad")
    genes = adata.var_names.intersection(one.var_names)
    own = adata[one.obs_names, genes].X.sum()
    assert len(genes)
    assert own == one[:, genes].X.sum()


def test_a_10x_folder_is_a_sample_of_its_sheet(demo: Path) -> None:
    adata = sen.read(demo / "sham_d1_2", samples=demo / "samples.tsv")
    assert set(adata.obs["sample"]) == {"sham_d1_2"}
    assert set(adata.obs["treatment"]) == {"control"}


def test_a_table_is_read(tmp_path: Path, demo: Path) -> None:
    one = ad.read_h5ad(demo / "batch_1.h5ad")[:5, :400]
    table = pd.DataFrame(one.X.toarray().astype(int), index=list("vwxyz"), columns=one.var_names)
    table.T.to_csv(tmp_path / "bulk.tsv", sep="\t")
    adata = sen.read(tmp_path / "bulk.tsv", organism="human", assay="bulk")
    assert adata.obs["sample"].tolist() == list("vwxyz")
    assert set(sen.read(tmp_path / "bulk.tsv", organism="human").obs["sample"]) == {"bulk"}
    assert adata.X.sum() == one.X.sum()


def test_a_folder_of_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither senoscore\.h5ad nor datasets\.tsv"):
        sen.read(tmp_path)


def test_a_matrix_of_a_run_is_read_in_a_process_of_its_own(tmp_path: Path, demo: Path) -> None:
    """Packed by a filter that HDF5 does not have: reading must bring it along."""
    one = ad.read_h5ad(demo / "batch_1.h5ad")[:40]
    blocks = [sparse.csr_matrix(one.X)]
    write_canonical_stream(tmp_path / "m.h5ad", blocks, list(one.var_names), values="counts")
    code = "import sys, senoscore as sen; print(sen.read(sys.argv[1]).X.sum())"
    words = [sys.executable, "-c", code, str(tmp_path / "m.h5ad")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert float(done.stdout) == one.X.sum()


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.h5ad").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"a\.h5ad"):
        sen.read(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match=r"a\.h5ad"):
        sen.attach(ad.AnnData(np.ones((1, 1))), tmp_path / "a.h5ad")
