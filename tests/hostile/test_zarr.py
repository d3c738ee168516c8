"""Zarr stores made to read elsewhere, to run code or to fill the memory."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest

from senoscore.errors import InputError
from senoscore.ingest.formats import look_source, open_source, source_files
from senoscore.ingest.zarr import zstd_size
from tests.bad_inputs.study import anndata
from tests.ingest.stores import write_zarr

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path) -> Path:
    """A small store with nothing wrong."""
    write_zarr(anndata(), tmp_path / "x.zarr")
    return tmp_path / "x.zarr"


def _edit(store: Path, name: str, **changes: Any) -> None:
    file = store / name / "zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _refused(store: Path, said: str, **options: Any) -> None:
    for look in (open_source, look_source):
        with pytest.raises(InputError, match=said):
            look(store, columns=["sample"], **options)


def _packed(codec: str) -> list[dict[str, Any]]:
    return [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": codec, "configuration": {}},
    ]


@pytest.mark.parametrize("codec", ["numcodecs.pickle", "numcodecs.zfpy", "fetch", "bz2"])
@pytest.mark.parametrize("inner", [False, True])
def test_a_codec_that_is_not_known_to_be_harmless(store, codec, inner) -> None:
    codecs = _packed(codec)
    if inner:
        shards = {"chunk_shape": [1], "codecs": codecs, "index_codecs": []}
        codecs = [{"name": "sharding_indexed", "configuration": shards}]
    _edit(store, "X/data", codecs=codecs)
    _refused(store, f"X/data/zarr.json asks for codec '{codec}'")


def test_storage_that_is_transformed(store) -> None:
    _edit(store, "X/data", storage_transformers=[{"name": "elsewhere"}])
    _refused(store, "asks for a storage transformer")


@pytest.mark.parametrize("name", ["obs/other", "X/data/c/0", "zarr.json"])
def test_links_anywhere(store, tmp_path, name) -> None:
    secret = tmp_path / "secret"
    secret.write_text((store / "zarr.json").read_text())
    (store / name).unlink(missing_ok=True)
    (store / name).symlink_to(secret)
    _refused(store, f"{name} is a link")
    with pytest.raises(InputError, match="is a link"):
        source_files(store)


def test_a_pipe_is_no_piece(store) -> None:
    (store / "X/data/c/0").unlink()
    os.mkfifo(store / "X/data/c/0")
    _refused(store, "X/data/c/0 is not a regular file")


def test_folders_without_bottom(store) -> None:
    folder = store / "uns"
    for _ in range(60):
        folder = folder / "g"
    folder.mkdir(parents=True)
    _refused(store, "nested more than 50 deep")


def test_arrays_and_pieces_without_end(store) -> None:
    json_of_codes = json.loads((store / "obs/sample/codes/zarr.json").read_text())
    _edit(store, "obs/sample/codes", shape=[10**12])
    _refused(store, "unfolds to 1,000,000,0")
    grid = {"name": "regular", "configuration": {"chunk_shape": [10**12]}}
    _edit(store, "obs/sample/codes", shape=json_of_codes["shape"], chunk_grid=grid)
    # Newer releases of zarr refuse such a grid themselves, before its size is asked for.
    _refused(store, "unfolds to 1,000,000,0|cannot be read as zarr .*1000000000000")


@pytest.mark.parametrize("codec", ["zstd", "blosc", "gzip"])
def test_a_piece_that_unfolds_to_more_than_its_array(store, codec) -> None:
    pack = {
        "zstd": numcodecs.Zstd(), "blosc": numcodecs.Blosc("zstd"), "gzip": numcodecs.GZip(),
    }[codec]  # fmt: skip
    bomb = pack.encode(np.zeros(100_000_000, np.uint8))
    assert len(bomb) < 500_000
    settings = {"typesize": 4, "cname": "zstd", "clevel": 5, "shuffle": "shuffle", "blocksize": 0}
    codecs = _packed(codec)
    codecs[1]["configuration"] = settings if codec == "blosc" else {"level": 1}
    if codec == "zstd":
        codecs[1]["configuration"]["checksum"] = False
    _edit(store, "X/data", codecs=codecs)
    (store / "X/data/c/0").write_bytes(bytes(bomb))
    with pytest.raises(InputError, match=r"X.*a piece unfolds to [0-9,]* bytes or more, not"):
        list(open_source(store).blocks())


def test_texts_that_unfold_or_are_more_than_there_are_cells(store) -> None:
    piece = store / "obs/_index/c/0"
    plain = bytearray(numcodecs.Zstd().decode(piece.read_bytes()))
    plain[:4] = (2**31).to_bytes(4, "little")
    piece.write_bytes(bytes(numcodecs.Zstd().encode(bytes(plain))))
    _refused(store, "a piece holds 2,147,483,648 texts, not 12")
    write_zarr(anndata(cells=[f"{i:0100000d}" for i in range(12)]), store.parent / "y.zarr")
    _refused(store.parent / "y.zarr", r"y.zarr unfolds to .* above 1,000,000", max_bytes=1_000_000)


def test_a_frame_that_does_not_say_how_large_it_is() -> None:
    """RFC 8878, 3.1.1.1: no single segment and no field of the content's size."""
    with pytest.raises(ValueError, match="does not say"):
        zstd_size(b"\x28\xb5\x2f\xfd\x00\x58" + bytes(12))
    with pytest.raises(ValueError, match="not a Zstandard frame"):
        zstd_size(b"\x28\xb5\x2f")


@pytest.mark.parametrize("n", [0, 1, 255, 256, 300, 65_791, 65_792, 5_000_000])
def test_the_size_in_a_frame_is_read(n) -> None:
    assert zstd_size(bytes(numcodecs.Zstd().encode(bytes(n)))[:18]) == n


def test_metadata_that_never_end(store) -> None:
    (store / "uns/zarr.json").write_text("[" * 1_000_000)
    _refused(store, "uns/zarr.json is not valid JSON")
    with (store / "uns/zarr.json").open("wb") as file:
        file.truncate(1 << 27)
    _refused(store, "has more than 67,108,864 bytes")
