from __future__ import annotations

import threading
from pathlib import Path

import anndata as ad
import h5py
import hdf5plugin
import numpy as np
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.io.blocks import iter_blocks
from senoscore.io.hdf5 import RangeReader

REALDATA = Path(__file__).parents[2].parent / "shared" / "realdata"

LAYOUTS = {
    "plain": {},
    "gzip": {"compression": "gzip"},
    "gzip9": {"compression": "gzip", "compression_opts": 9},
    "shuffled": {"compression": "gzip", "shuffle": True},
    "checked": {"compression": "gzip", "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "blosc2": {"compression": hdf5plugin.Blosc2(cname="lz4")},
    "zstd": {"compression": hdf5plugin.Zstd()},
}
RAW = {"gzip", "gzip9", "shuffled"}


@pytest.fixture(scope="module")
def matrix():
    rng = np.random.default_rng(5)
    X = sparse.random(301, 70, density=0.2, format="csr", rng=rng, dtype=np.float32)
    X.data = np.ceil(X.data * 9)
    X.data[X.indptr[7] : X.indptr[8]] = 70_000
    X = X.tolil()
    X[20:25] = 0  # empty cells
    return X.tocsr()


def _write(path, X, **layout):
    ad.AnnData(X).write_h5ad(path)
    if layout:
        with h5py.File(path, "r+") as file:
            for name in ("data", "indices"):
                values = file["X"][name][:]
                del file["X"][name]
                file["X"].create_dataset(name, data=values, chunks=(97,), **layout)
    return path


def _join(blocks):
    blocks = list(blocks)
    for block in blocks:
        assert block.indptr.dtype == np.int64
        assert block.indices.dtype == np.int32
        assert block.indptr[0] == 0
        assert block.indptr[-1] == block.data.size == block.indices.size
        assert block.indptr.size == block.stop - block.start + 1
    return sparse.vstack([block.to_csr() for block in blocks], format="csr")


def _same(a, b):
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    assert (a != b).nnz == 0


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_values_are_those_that_anndata_reads(tmp_path, matrix, layout, dtype):
    path = _write(tmp_path / "a.h5ad", matrix.astype(dtype), **LAYOUTS[layout])
    with h5py.File(path) as file:
        assert RangeReader(file["X"]["data"]).raw == (layout in RAW)
    for size in (1, 64, 1000):
        _same(_join(iter_blocks(path, block_size=size)), ad.read_h5ad(path).X)


def test_rows_count_from_the_first_cell_of_the_file(tmp_path, matrix):
    path = _write(tmp_path / "a.h5ad", matrix, compression="gzip")
    blocks = list(iter_blocks(path, block_size=30, rows=slice(50, 123)))
    assert [(b.start, b.stop) for b in blocks] == [(50, 80), (80, 110), (110, 123)]
    _same(_join(blocks), matrix[50:123])
    with pytest.raises(InputError, match="step"):
        list(iter_blocks(path, rows=slice(0, 10, 2)))


def test_dense_csc_layers_backed_and_memory_agree(tmp_path, matrix):
    dense = matrix.toarray()
    adata = ad.AnnData(dense, layers={"csc": matrix.tocsc(), "csr": matrix})
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    _write(tmp_path / "s.h5ad", matrix, compression="gzip")
    sparse_backed = ad.read_h5ad(tmp_path / "s.h5ad", backed="r")
    for source, layer in (
        (tmp_path / "a.h5ad", None),
        (tmp_path / "a.h5ad", "csc"),
        (tmp_path / "a.h5ad", "csr"),
        (adata, None),
        (adata, "csc"),
        (adata[:], "csr"),
        (backed, None),
        (sparse_backed, None),
    ):
        _same(_join(iter_blocks(source, block_size=100, layer=layer)), matrix)
    _same(_join(iter_blocks(sparse_backed[10:90], block_size=100)), matrix[10:90])


def test_csc_says_that_it_is_turned(tmp_path, matrix, caplog):
    _write(tmp_path / "a.h5ad", matrix.tocsc())
    list(iter_blocks(tmp_path / "a.h5ad"))
    assert "CSC" in caplog.text


def test_zero_cells(tmp_path):
    path = _write(tmp_path / "a.h5ad", sparse.csr_matrix((0, 5), dtype=np.float32))
    assert list(iter_blocks(path)) == []


def test_the_thread_ends_with_the_consumer(tmp_path, matrix):
    path = _write(tmp_path / "a.h5ad", matrix)
    blocks = iter_blocks(path, block_size=1)
    next(blocks)
    assert [t for t in threading.enumerate() if t.name == "senoscore-reader"]
    blocks.close()
    assert not [t for t in threading.enumerate() if t.name == "senoscore-reader"]


@pytest.mark.parametrize("layer", [None, "counts"])
def test_what_is_missing_is_named(tmp_path, layer):
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file.create_group("layers").create_group("spliced")
    with pytest.raises(InputError, match="layers there: spliced"):
        list(iter_blocks(tmp_path / "a.h5ad", layer=layer))


def _damage(path, name, change):
    with h5py.File(path, "r+") as file:
        values = change(file["X"][name][:])
        del file["X"][name]
        file["X"][name] = values


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("indices", lambda v: np.where(v == v.max(), 70, v), "beyond the last"),
        ("indices", lambda v: np.where(v == v.max(), -1, v), "beyond the last"),
        ("indptr", lambda v: v[::-1], "ascend|indptr goes"),
        ("indptr", lambda v: v[:-1], "do not fit"),
        ("data", lambda v: v[:-1], "do not fit"),
        ("data", lambda v: np.array(["x"] * v.size, dtype="S1"), "no numbers"),
    ],
)
def test_damaged_parts_reach_the_consumer_as_an_input_error(tmp_path, matrix, name, change, said):
    path = _write(tmp_path / "a.h5ad", matrix)
    _damage(path, name, change)
    with pytest.raises(InputError, match=said):
        list(iter_blocks(path))


@pytest.mark.parametrize("layout", ["gzip", "shuffled", "blosc2"])
def test_corrupt_chunks_are_an_input_error(tmp_path, matrix, layout):
    path = _write(tmp_path / "a.h5ad", matrix, **LAYOUTS[layout])
    with h5py.File(path) as file:
        info = file["X"]["data"].id.get_chunk_info(3)
    with path.open("r+b") as handle:
        handle.seek(info.byte_offset)
        handle.write(bytes([0x55]) * info.size)
    with pytest.raises(InputError, match="cannot be read"):
        list(iter_blocks(path))


def test_a_bomb_in_a_chunk_stops_at_the_size_of_the_chunk(tmp_path):
    import zlib

    with h5py.File(tmp_path / "b.h5", "w") as file:
        d = file.create_dataset("d", (100,), "i4", chunks=(100,), compression="gzip")
        d.id.write_direct_chunk((0,), zlib.compress(bytes(50_000_000)))
    with h5py.File(tmp_path / "b.h5") as file, pytest.raises(OSError, match="not 400"):
        RangeReader(file["d"]).read(0, 100)


def test_links_to_other_files_are_refused(tmp_path, matrix):
    _write(tmp_path / "secret.h5ad", matrix)
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["X"] = h5py.ExternalLink(str(tmp_path / "secret.h5ad"), "X")
    with pytest.raises(InputError, match="points to another file"):
        list(iter_blocks(tmp_path / "a.h5ad"))


@pytest.mark.parametrize("keep", [0, 100, 3000])
def test_cut_files(tmp_path, matrix, keep):
    path = _write(tmp_path / "a.h5ad", matrix)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"truncated|cannot be read"):
        list(iter_blocks(path))


@pytest.mark.realdata
@pytest.mark.skipif(not REALDATA.is_dir(), reason="../shared/realdata is not here")
def test_real_file():
    path = REALDATA / "celltypist_immune_cells_sc" / "counts.h5ad"
    _same(_join(iter_blocks(path, block_size=100)), ad.read_h5ad(path).X)
