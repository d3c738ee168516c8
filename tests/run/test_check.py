"""`senoscore check`: what it says of a good study, and that it reads names only."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from senoscore import run as stages
from senoscore.errors import ConfigError, SheetError
from tests.bad_inputs.study import GENES, write_10x, write_good

HEAD = "dataset\tpath\torganism\tassay\tsample\tsample_column\n"


@pytest.fixture
def study(tmp_path, monkeypatch):
    write_good(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _check(study):
    return stages.check(study / "config" / "config.yaml")


def test_values_are_not_read(study):
    with h5py.File(study / "data.h5ad", "r+") as file:
        data = file["X/data"]
        data.id.write_direct_chunk((0,) * data.ndim, b"no gzip")
    assert any("data.h5ad (h5ad, human, sc)" in line for line in _check(study))


def test_what_is_not_given_is_said_in_words(study):
    (study / "samples.tsv").write_text("sample\ttreatment\ns1\tcontrol\ns2\tirradiated\n")
    lines = _check(study)
    assert any(line.startswith("control, no dose given, no time given: 1 subj") for line in lines)
    assert not any("nan" in line for line in lines)


def test_cells_x_genes_tables_name_samples_in_rows_that_are_not_read(study):
    numbers = np.arange(2 * len(GENES)).reshape(2, -1)
    lines = [
        ",".join(["", *GENES]),
        *(f"s{i + 1}," + ",".join(map(str, n)) for i, n in enumerate(numbers)),
    ]
    (study / "bulk.csv").write_text("\n".join(lines) + "\n")
    (study / "datasets.tsv").write_text(HEAD + "b\tbulk.csv\thuman\tbulk\t\t\n")
    assert any("bulk.csv (table, human, bulk)" in line for line in _check(study))


def test_genes_x_samples_tables_name_samples_in_the_header(study):
    lines = ["gene\ts1\ts2", *(f"{gene}\t{i}\t5" for i, gene in enumerate(GENES))]
    (study / "bulk.tsv").write_text("\n".join(lines) + "\n")
    (study / "datasets.tsv").write_text(HEAD + "b\tbulk.tsv\thuman\tbulk\t\t\n")
    _check(study)
    with (study / "samples.tsv").open("a") as file:
        file.write("s3\tcontrol\t0\t\t\n")
    with pytest.raises(SheetError, match="no dataset holds sample 's3'"):
        _check(study)


def test_two_10x_folders_may_have_the_same_genes_and_barcodes(study):
    for name in ("one", "two"):
        write_10x(study / name, v3=False)
    matrix = study / "two" / "matrix.mtx"
    matrix.write_text(matrix.read_text().rstrip()[:-1] + "9\n")  # of one length with the other
    rows = "a\tone\thuman\tsc\ts1\t\nb\ttwo\thuman\tsc\ts2\t\n"
    (study / "datasets.tsv").write_text(HEAD + rows)
    assert len([line for line in _check(study) if "10x_mtx" in line]) == 2


def _sheet_with(study, control: str, dose: str = "0") -> None:
    lines = ["sample\ttreatment\tdose_gy", f"s1\t{control}\t{dose}", "s2\tirradiated\t10"]
    (study / "samples.tsv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(("word", "dose"), [("sham", ""), ("Control", ""), ("air", "0")])
def test_a_word_that_means_control_is_an_error_with_the_word(study, word, dose):
    _sheet_with(study, word, dose)
    with pytest.raises(ConfigError, match=rf"control_treatment: {word}`"):
        _check(study)


def test_no_control_at_all_is_the_last_thing_said(study):
    _sheet_with(study, "irradiated2", "5")
    assert _check(study)[-1].startswith("WARNING: no sample has treatment 'control'")


def test_with_controls_there_is_no_warning(study):
    assert not any("WARNING" in line for line in _check(study))


def test_labels_that_nobody_can_map_are_named(study):
    with h5py.File(study / "data.h5ad", "r+") as file:
        n = len(file["obs"][file["obs"].attrs["_index"]])
        names = ["gribble" if i % 2 else "macrophage" for i in range(n)]
        file["obs"].create_dataset("kind", data=np.array(names, dtype="S12"))
        order = [*file["obs"].attrs["column-order"], "kind"]
        file["obs"].attrs["column-order"] = np.array(order, dtype=object)
        encoding = {"encoding-type": "string-array", "encoding-version": "0.2.0"}
        file["obs/kind"].attrs.update(encoding)
    sheet = (study / "datasets.tsv").read_text().splitlines()
    sheet = [f"{sheet[0]}\tcompartment_column", *(f"{line}\tkind" for line in sheet[1:])]
    (study / "datasets.tsv").write_text("\n".join(sheet) + "\n")
    with pytest.raises(ConfigError, match=r"column 'kind': label 'gribble' is not a compartment"):
        _check(study)
    config = study / "config" / "config.yaml"
    config.write_text(config.read_text() + "compartments: {mapping: {gribble: tumour}}\n")
    _check(study)
