"""Pieces of a data set: whole blocks, all cells once, and the bytes of one job."""

from __future__ import annotations

import filecmp
import gzip
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.scoring.pieces import (
    count_cells,
    count_shards,
    gather_parquet,
    largest_sample,
    shard_rows,
)
from senoscore.scoring.score import first_pass, score_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("cells", "of", "block"), [(1000, 3, 64), (5, 9, 2), (64, 1, 64), (0, 2, 8)]
)
def test_pieces_are_whole_blocks_and_cover_every_cell_once(cells: int, of: int, block: int) -> None:
    rows = [shard_rows(cells, part=part, of=of, block_cells=block) for part in range(of)]
    assert [i for piece in rows for i in range(piece.start, piece.stop)] == list(range(cells))
    assert all(piece.start % block == 0 or piece.start == cells for piece in rows)
    sizes = [piece.stop - piece.start for piece in rows]
    assert max(sizes) - min(sizes) <= 2 * block


def test_there_is_no_piece_beyond_the_last() -> None:
    with pytest.raises(InputError, match="no part 3 of 3"):
        shard_rows(10, part=3, of=3, block_cells=2)


@pytest.mark.parametrize(("cells", "most", "expected"), [(0, 10, 1), (10, 10, 1), (11, 10, 2)])
def test_number_of_pieces(cells: int, most: int, expected: int) -> None:
    assert count_shards(cells, most) == expected


def test_values_of_the_largest_sample(tmp_path: Path) -> None:
    obs = pd.DataFrame({"sample": ["a", "b", "a", "c", "a"]}, index=list("vwxyz"))
    ad.AnnData(sparse.csr_matrix(np.ones((5, 4))), obs=obs).write_h5ad(tmp_path / "a.h5ad")
    assert largest_sample(tmp_path / "a.h5ad") == 3 * 4
    (tmp_path / "b.h5ad").write_bytes((tmp_path / "a.h5ad").read_bytes()[:900])
    assert largest_sample(tmp_path / "b.h5ad") == 0


def test_cells_are_counted_from_the_header(tmp_path: Path) -> None:
    ad.AnnData(np.ones((7, 3))).write_h5ad(tmp_path / "a.h5ad")
    assert count_cells(tmp_path / "a.h5ad") == 7
    with h5py.File(tmp_path / "new.h5ad", "w") as file:  # as anndata 0.13 writes names
        file["obs/_index/values"] = np.array([b"a", b"b", b"c"])
        file["obs/_index/mask"] = np.zeros(3, bool)
        file["obs"].attrs["_index"] = "_index"
    assert count_cells(tmp_path / "new.h5ad") == 3
    folder = tmp_path / "ten"
    folder.mkdir()
    header = b"%%MatrixMarket matrix coordinate integer general\n%metadata\n30 11 2\n1 1 1\n"
    (folder / "matrix.mtx.gz").write_bytes(gzip.compress(header))
    assert count_cells(folder) == 11
    with h5py.File(tmp_path / "ten.h5", "w") as file:
        file["matrix/barcodes"] = np.array([b"a", b"b"])
    assert count_cells(tmp_path / "ten.h5") == 2


@pytest.mark.parametrize(
    "name", ["missing.h5ad", "broken.h5ad", "table.tsv", "odd.xyz", "matrix.mtx"]
)
def test_what_cannot_be_counted_is_one_piece(name: str, tmp_path: Path) -> None:
    if name != "missing.h5ad":
        (tmp_path / name).write_bytes(b"%nothing\n")
    assert count_shards(count_cells(tmp_path / name), 10) == 1


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(0.4, (130, 60)).astype(np.int32))
    adata = ad.AnnData(
        counts, obs=pd.DataFrame({"sample": "a"}, index=[f"c{i}" for i in range(130)])
    )
    adata.var_names = [f"G{i}" for i in range(60)]
    adata.uns["senoscore"] = {"values": "counts"}
    adata.write_h5ad(tmp_path / "m.h5ad")
    return tmp_path / "m.h5ad"


@pytest.mark.parametrize("of", [2, 5, 40])
def test_gathered_pieces_are_the_bytes_of_one_job(of: int, matrix: Path, tmp_path: Path) -> None:
    sets = {"s": [f"G{i}" for i in range(8)], "t": [f"G{i}" for i in range(20, 29)]}
    options: dict = {
        "methods": ["ucell", "score_genes", "zscore", "ans", "jasmine"],
        "null": 5, "null_for": {"ucell": ["s"]}, "block_size": 16, "n_threads": 1,
    }  # fmt: skip
    score_file(matrix, sets, out=tmp_path / "whole.parquet", **options)
    controls = tmp_path / "pass" / "genes.npz"
    controls.parent.mkdir()
    first_pass(matrix, sets, out=controls, coverage_out=tmp_path / "coverage.tsv", **options)
    made = {path.name: path.stat().st_mtime_ns for path in controls.parent.iterdir()}
    assert set(made) == {"genes.npz", "genes.jasmine.npz"}
    parts = []
    for part in range(of):
        rows = shard_rows(130, part=part, of=of, block_cells=16)
        if rows.start == rows.stop:
            pq.write_table(pa.table({}), tmp_path / f"{part}.parquet")
        else:
            score_file(
                matrix, sets, out=tmp_path / f"{part}.parquet", rows=rows, controls=controls,
                **{**options, "n_threads": 2},
            )  # fmt: skip
        parts.append(tmp_path / f"{part}.parquet")
    gather_parquet(parts, tmp_path / "all.parquet", n_rows=130)
    assert filecmp.cmp(tmp_path / "whole.parquet", tmp_path / "all.parquet", shallow=False)
    assert {p.name: p.stat().st_mtime_ns for p in controls.parent.iterdir()} == made


def test_limits_of_other_signatures_are_refused(matrix: Path, tmp_path: Path) -> None:
    controls = tmp_path / "genes.npz"
    first_pass(matrix, {"s": [f"G{i}" for i in range(8)]}, methods="jasmine", out=controls)
    with pytest.raises(InputError, match="other signatures"):
        score_file(
            matrix, {"s": [f"G{i}" for i in range(9)]}, methods="jasmine",
            out=tmp_path / "x.parquet", rows=slice(0, 10), controls=controls,
        )  # fmt: skip


def test_missing_rows_damage_and_other_columns_are_errors(tmp_path: Path) -> None:
    a, b, out = tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"x": [1, 2]}), a)
    pq.write_table(pa.table({"y": [1, 2]}), b)
    with pytest.raises(InputError, match="2 rows where there are 4 cells"):
        gather_parquet([a], out, n_rows=4)
    with pytest.raises(InputError, match="other columns"):
        gather_parquet([a, b], out, n_rows=4)
    b.write_bytes(a.read_bytes()[:100])
    with pytest.raises(InputError, match="not a complete piece"):
        gather_parquet([a, b], out, n_rows=4)
    assert not out.exists()
