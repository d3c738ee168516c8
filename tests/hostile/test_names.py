"""Hostile names are refused where names become files, and stay text everywhere else."""

from __future__ import annotations

import csv
import json

import pandas as pd
import pytest

from senoscore.cli import main
from senoscore.errors import SenoscoreError, SheetError, SignatureError
from senoscore.genesets.signature import Signature
from senoscore.ingest.ingest import ingest
from senoscore.io.tables import read_tsv, write_tsv
from senoscore.run.config import validate_config
from senoscore.study.sheets import read_datasets, read_samples
from tests.bad_inputs.study import anndata, dataset, write_good
from tests.hostile.names import NAMES, SPREADSHEET

EACH = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


@pytest.fixture
def study(tmp_path, monkeypatch):
    write_good(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@EACH
def test_no_dataset_is_named_so(study, name) -> None:
    text = f"dataset\tpath\torganism\tsample\n{name}\tdata.h5ad\thuman\ts1\n"
    (study / "datasets.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(SheetError):
        read_datasets(study / "datasets.tsv")


@EACH
@pytest.mark.parametrize("column", ["sample", "subject", "treatment"])
def test_no_sample_subject_or_treatment_is_named_so(study, name, column) -> None:
    row = {"sample": "s1", "subject": "m1", "treatment": "control", column: name}
    text = "\t".join(row) + "\n" + "\t".join(row.values()) + "\n"
    (study / "samples.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(SheetError):
        read_samples(study / "samples.tsv")


@EACH
def test_no_sample_in_a_matrix_is_named_so(study, name) -> None:
    data = anndata()
    data.obs["sample"] = [name] * data.n_obs
    if "\0" in name:
        pytest.skip("HDF5 itself has no place for this name")
    data.write_h5ad(study / "data.h5ad")
    row = {"dataset": "d", "path": "data.h5ad", "organism": "human", "sample_column": "sample"}
    with pytest.raises(SenoscoreError):
        ingest(row, samples=None, out=study / "o" / "d.h5ad", genes_out=study / "o" / "g.tsv")
    assert not list(study.glob("o/*"))


@EACH
def test_no_signature_is_named_so(name) -> None:
    with pytest.raises(SignatureError):
        Signature(name, ("TP53",))


@EACH
def test_a_dataset_in_json_is_named_as_in_the_sheet(study, name, capsys) -> None:
    """What a person types past the sheet is held to its rule."""
    row = {"dataset": name, "path": "data.h5ad", "organism": "human", "sample_column": "sample"}
    before = sorted(study.rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        main(["ingest", "--row", json.dumps(row), "--samples", "samples.tsv"])
    assert stopped.value.code == 2
    assert sorted(study.rglob("*")) == before
    assert "senoscore: error: " in capsys.readouterr().err


@EACH
def test_titles_are_bounded_text(name) -> None:
    if len(name) > 200 or "\0" in name:
        with pytest.raises(SenoscoreError):
            validate_config({"report": {"title": name}}, source="config")
    else:
        config = validate_config({"report": {"title": name}}, source="config")
        assert config["report"]["title"] == name


@EACH
def test_an_error_is_one_printable_line(study, name, capsys) -> None:
    dataset(study, "data.h5ad", sample_column="sample")
    with pytest.raises(SystemExit) as stopped:
        main(["qc", "--dataset", name])
    assert stopped.value.code == 2
    said = capsys.readouterr().err.rstrip("\n")
    assert said.startswith("senoscore: error: ")
    assert said.isprintable()
    assert len(said) < 1400
    assert not (study / "pwned").exists()


@pytest.mark.parametrize("name", SPREADSHEET.values(), ids=SPREADSHEET)
def test_a_text_in_a_table_is_no_formula(tmp_path, name) -> None:
    table = pd.DataFrame({"batch": [name, "plain"], "value": [-1.5, 2.0], name: ["-3", "x"]})
    write_tsv(table, tmp_path / "t.tsv")
    with (tmp_path / "t.tsv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.reader(handle, delimiter="\t"))
    for field in (rows[0][2], rows[1][0]):
        assert field[0] == "'"
    assert rows[1][1:] == ["-1.5", "-3"]
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "t.tsv", dtype={name: str}), table)


@EACH
def test_a_table_gives_back_every_name(tmp_path, name) -> None:
    table = pd.DataFrame({"batch": [name, "plain"]})
    write_tsv(table, tmp_path / "t.tsv")
    back = read_tsv(tmp_path / "t.tsv")
    assert len(back) == 2
    assert back["batch"][0] == name.replace("\0", "\ufffd")


@EACH
def test_gene_names_are_data(study, name) -> None:
    """A gene of that name is refused, or is a gene of that name and nothing else."""
    data = anndata(genes=[name, *anndata().var_names[1:]])
    row = {"dataset": "d", "path": "data.h5ad", "organism": "human", "sample_column": "sample"}
    out = study / "o"
    try:
        data.write_h5ad(study / "data.h5ad")
    except ValueError:
        pytest.skip("HDF5 itself has no place for this name")
    if len(name) > 1000 or any(ord(c) < 32 for c in name):
        with pytest.raises(SenoscoreError):
            ingest(row, samples=None, out=out / "d.h5ad", genes_out=out / "g.tsv")
        return
    ingest(row, samples=None, out=out / "d.h5ad", genes_out=out / "g.tsv")
    assert read_tsv(out / "g.tsv")["input"][0] == name
    assert sorted(p.name for p in out.iterdir()) == ["d.h5ad", "g.tsv"]
    assert not (study / "pwned").exists()
