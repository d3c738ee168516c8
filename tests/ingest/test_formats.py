"""One object a format; AnnData in zarr and MuData in HDF5 read as the .h5ad does."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
import zarr
from scipy import sparse

import senoscore as sen
from senoscore.errors import InputError
from senoscore.ingest import formats
from senoscore.ingest.formats import (
    FORMATS,
    READERS,
    detect_format,
    find_format,
    look_source,
    open_source,
    source_files,
)
from senoscore.ingest.ingest import ingest
from senoscore.ingest.source import Asked, Format, Source, in_memory
from senoscore.io import schema
from senoscore.run import settings
from senoscore.run.prepare import init
from senoscore.scoring.pieces import count_cells
from senoscore.study import read_datasets
from tests.bad_inputs.study import CELLS, GENES, anndata, counts
from tests.ingest.stores import write_h5mu, write_zarr

ROOT = Path(__file__).parents[2]


def _values(source) -> np.ndarray:
    return np.vstack([block.to_csr().toarray() for block in source.blocks()])


def _same(source, other) -> None:
    assert (source.cells, source.genes, source.gene_ids) == (
        other.cells, other.genes, other.gene_ids,
    )  # fmt: skip
    assert np.array_equal(_values(source), _values(other))
    assert source.slot == other.slot
    pd.testing.assert_frame_equal(source.obs, other.obs)


def test_the_sheet_allows_what_there_are_readers_for() -> None:
    assert tuple(schema("datasets")["properties"]["format"]["enum"]) == FORMATS
    assert len({reader.name for reader in READERS}) == len(READERS)


def _open_saved(path: Path, _asked: Asked) -> Source:
    with np.load(path) as saved:
        X, cells, genes = saved["X"], saved["cells"].tolist(), saved["genes"].tolist()
    blocks = in_memory(sparse.csr_matrix(X))
    return Source(path=path, format="saved", cells=cells, genes=genes, files=(path,), blocks=blocks)


SAVED = Format(
    name="saved", given=".saved.npz", detect=lambda path: path.name.endswith(".saved.npz"),
    open=_open_saved, look=_open_saved,
)  # fmt: skip


def test_a_new_format_is_one_object_in_one_list(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(formats, "READERS", (*READERS, SAVED))
    X = counts().astype(np.float32)
    path = tmp_path / "new.saved.npz"
    np.savez(path, X=X, cells=np.array(CELLS), genes=np.array(GENES))
    assert sen.read(path, organism="human").shape == X.shape
    with pytest.raises(InputError, match=r"no known format") as error:
        detect_format(ROOT / "LICENSE")
    assert ".saved.npz" in str(error.value.fix)
    (tmp_path / "datasets.tsv").write_text(
        f"dataset\tpath\torganism\tsample\na\t{path}\thuman\ts1\n"
    )
    row = read_datasets(tmp_path / "datasets.tsv").iloc[0].to_dict()
    out = tmp_path / "a.h5ad"
    ingest(row, samples=None, out=out, genes_out=tmp_path / "genes.tsv")
    assert sen.read(out).X.sum() == X.sum()
    # What the sheet may name is written out of the list of readers.
    monkeypatch.setattr(settings, "FORMATS", (*FORMATS, "saved"))
    said = yaml.safe_load(settings.datasets_schema())["properties"]["format"]["enum"]
    assert said == [*FORMATS, "saved"]
    readme = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert "table; saved. |" in settings.readme_with_keys(readme)


@pytest.mark.parametrize("layout", ["csr", "csc", "dense", "layer", "raw"])
def test_zarr_reads_as_h5ad(tmp_path, layout) -> None:
    X = counts().astype(np.float32)
    data = anndata({"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}.get(layout, np.asarray)(X))
    if layout == "layer":
        data.layers["counts"] = sparse.csr_matrix(X)
        data.X = np.log1p(X)
    if layout == "raw":
        data.raw = data.copy()
        data = data[:, :20].copy()
    data.obs["age"] = np.arange(len(CELLS))
    data.obs["site"] = pd.array(["left", None] * 6, dtype="string")
    data.var["gene_ids"] = [f"ENSG{i:011d}" for i in range(data.n_vars)]
    data.write_h5ad(tmp_path / "x.h5ad")
    write_zarr(data, tmp_path / "x.zarr")
    columns = ["sample", "age", "site"]
    store = open_source(tmp_path / "x.zarr", columns=columns)
    _same(store, open_source(tmp_path / "x.h5ad", columns=columns))
    assert store.format == "zarr"
    looked = look_source(tmp_path / "x.zarr", columns=columns)
    assert (looked.cells, looked.obs["age"].tolist()) == (CELLS, list(range(12)))
    assert count_cells(tmp_path / "x.zarr") == len(CELLS)


@pytest.mark.parametrize("codec", ["gzip", "blosc", "zstd", "none", "sharded", "checksum"])
def test_zarr_in_every_packing(tmp_path, codec) -> None:
    """Small pieces, so that a block of cells begins and ends within one."""
    X = sparse.csr_matrix(np.random.default_rng(3).poisson(1.0, (9000, 5)).astype(np.float32))
    data = ad.AnnData(X)
    write_zarr(data, tmp_path / "x.zarr")
    codecs = zarr.codecs
    packing = {
        "gzip": codecs.GzipCodec(), "blosc": codecs.BloscCodec(), "zstd": codecs.ZstdCodec(),
        "sharded": codecs.ZstdCodec(), "none": None,
        "checksum": [codecs.Crc32cCodec(), codecs.GzipCodec(), codecs.Crc32cCodec()],
    }[codec]  # fmt: skip
    group = zarr.open_group(tmp_path / "x.zarr", mode="r+", use_consolidated=False)
    for name in ("data", "indices"):
        values = group[f"X/{name}"][:]
        del group[f"X/{name}"]
        group.create_array(
            f"X/{name}", data=values, chunks=(1000,), compressors=packing,
            shards=(4000,) if codec == "sharded" else None,
        )  # fmt: skip
    source = open_source(tmp_path / "x.zarr")
    assert np.array_equal(_values(source), X.toarray())
    assert np.array_equal(_values(source), X.toarray()), "gone through twice"


def test_codecs_are_put_back(tmp_path) -> None:
    write_zarr(anndata(), tmp_path / "x.zarr")
    before = dict(zarr.config.get("codecs"))
    _values(open_source(tmp_path / "x.zarr"))
    assert dict(zarr.config.get("codecs")) == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert zarr.open_group(tmp_path / "x.zarr", mode="r")["X/data"][:].size


def test_zarr_names_every_file_and_says_what_is_not_stored(tmp_path) -> None:
    X = np.zeros((12, 30), np.float32)
    X[:6, :15] = counts()[:6, :15]
    write_zarr(anndata(X), tmp_path / "x")
    group = zarr.open_group(tmp_path / "x", mode="r+", use_consolidated=False)
    attributes = dict(group["X"].attrs)
    del group["X"]
    group.create_array("X", data=X, chunks=(6, 15)).attrs.update(attributes)
    source = open_source(tmp_path / "x")
    assert np.array_equal(_values(source), X)
    assert "3 of 4 pieces of the matrix are not stored: read as zeros" in source.notes
    files = source_files(tmp_path / "x")
    assert files == source.files
    assert {tmp_path / "x/zarr.json", tmp_path / "x/obs/zarr.json"} <= set(files)
    values = find_format(tmp_path / "x").values(tmp_path / "x")
    assert values
    assert not any(file.name == "zarr.json" for file in values)


@pytest.mark.parametrize("write", [write_h5mu, write_zarr])
def test_the_rna_of_a_mudata_is_read(tmp_path, write) -> None:
    data = anndata()
    path = tmp_path / ("x.h5mu" if write is write_h5mu else "x.zarr")
    write(data, path, mudata={"atac": anndata(genes=[f"peak{i}" for i in range(30)])})
    data.write_h5ad(tmp_path / "x.h5ad")
    source = open_source(path, columns=["sample"])
    _same(source, open_source(tmp_path / "x.h5ad", columns=["sample"]))
    assert source.notes[0].startswith("modality 'rna'")
    if write is write_h5mu:
        assert source.notes[0].endswith("not read: atac")
    assert detect_format(path) == source.format == ("h5mu" if write is write_h5mu else "zarr")
    assert count_cells(path) == len(CELLS)


def test_a_column_of_the_whole_mudata_is_found_by_cell(tmp_path) -> None:
    """The table of all cells has them in another order, and cells that the RNA does not."""
    data = anndata()
    cells = ["only_atac", *CELLS[::-1]]
    obs = pd.DataFrame({"donor": [f"d{i}" for i in range(13)]}, index=pd.Index(cells))
    write_h5mu(data, tmp_path / "x.h5mu", mudata={}, obs=obs)
    source = open_source(tmp_path / "x.h5mu", columns=["donor", "sample"])
    assert source.obs["donor"].tolist() == [f"d{12 - i}" for i in range(12)]
    with pytest.raises(InputError, match="no obs column 'age'"):
        open_source(tmp_path / "x.h5mu", columns=["age"])
    write_h5mu(data, tmp_path / "y.h5mu", mudata={}, obs=obs[3:])
    with pytest.raises(InputError, match="2 cells of the modality are not in obs of the whole"):
        open_source(tmp_path / "y.h5mu", columns=["donor"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["prot", "atac"], "no modality is named rna; there are: atac, prot"),
        (["rna", "GEX"], "several modalities may be RNA; there are: GEX, rna"),
        ([], "holds no modality"),
    ],
)
def test_which_modality_is_not_guessed(tmp_path, names, said) -> None:
    anndata().write_h5ad(tmp_path / "one.h5ad")
    with h5py.File(tmp_path / "x.h5mu", "w") as file, h5py.File(tmp_path / "one.h5ad") as one:
        for name in names:
            one.copy(one["/"], file.require_group("mod"), name)
    with pytest.raises(InputError, match=re.escape(said)):
        open_source(tmp_path / "x.h5mu")


def test_one_modality_of_any_name_is_it(tmp_path) -> None:
    anndata().write_h5ad(tmp_path / "one.h5ad")
    with h5py.File(tmp_path / "x.h5mu", "w") as file, h5py.File(tmp_path / "one.h5ad") as one:
        one.copy(one["/"], file.create_group("mod"), "spleen")
    assert open_source(tmp_path / "x.h5mu").genes == GENES


@pytest.mark.parametrize("write", [write_h5mu, write_zarr])
def test_init_reads_the_sheets_out_of_them(tmp_path, write) -> None:
    path = tmp_path / ("x.h5mu" if write is write_h5mu else "x.zarr")
    write(anndata(), path)
    init(path, tmp_path / "sheets", force=False)
    sheet = (tmp_path / "sheets" / "datasets.tsv").read_text(encoding="utf-8")
    assert path.name in sheet
    assert "sample_column" in sheet


@pytest.mark.parametrize("write", [write_h5mu, write_zarr])
def test_a_notebook_keeps_the_columns_of_cells(tmp_path, write) -> None:
    data = anndata()
    data.obs["age"] = np.arange(len(CELLS))
    path = tmp_path / ("x.h5mu" if write is write_h5mu else "x.zarr")
    write(data, path)
    read = sen.read(path)
    assert read.obs["age"].tolist() == list(range(12))
    assert read.obs["sample"].tolist() == data.obs["sample"].tolist()
    assert np.array_equal(read.X.toarray()[:, read.var_names.get_indexer(GENES)], counts())
