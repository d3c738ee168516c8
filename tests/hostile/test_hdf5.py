"""HDF5 files made to read elsewhere, to fill the memory or to end the process."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.ingest.formats import look_source, open_source

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plain(tmp_path) -> Path:
    """A small .h5ad with nothing wrong."""
    path = tmp_path / "a.h5ad"
    counts = np.random.default_rng(1).poisson(1.0, (20, 3)).astype(np.float32)
    adata = ad.AnnData(sparse.csr_matrix(counts))
    adata.var_names = ["TP53", "CDKN1A", "MKI67"]
    adata.obs_names = [f"c{i}" for i in range(20)]
    adata.obs["s"] = np.repeat(["a", "b"], 10)
    adata.write_h5ad(path)
    return path


def _old_category(file: h5py.File, categories: h5py.Dataset) -> None:
    """A column as anndata 0.7 wrote it: codes, and a reference to the categories."""
    del file["obs/s"]
    file["obs"].create_dataset("s", data=np.zeros(20, np.int8))
    file["obs/s"].attrs["categories"] = categories.ref


def test_external_data_behind_a_reference_are_not_read(plain, tmp_path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"TOPSECRET0123456")
    with h5py.File(plain, "r+") as file:
        group = file.create_group("hide")
        group["itself"] = group  # stays in the file when its name is gone
        hidden = group.create_dataset("d", (1,), "S16", external=[(str(secret), 0, 16)])
        _old_category(file, hidden)
        del file["hide"]
    for look in (open_source, look_source):
        with pytest.raises(InputError, match="refers to data that no name in the file leads to"):
            look(plain, columns=["s"])


def test_references_to_named_data_are_followed(plain) -> None:
    with h5py.File(plain, "r+") as file:
        named = file["obs"].create_dataset("__categories/s", data=["a"], dtype=h5py.string_dtype())
        _old_category(file, named)
    assert open_source(plain, columns=["s"]).obs["s"].tolist() == ["a"] * 20


@pytest.mark.parametrize("name", ["uns/x", "obs/__categories/s"])
def test_external_data_anywhere_are_refused(plain, tmp_path, name) -> None:
    (tmp_path / "other").write_bytes(bytes(64))
    with h5py.File(plain, "r+") as file:
        file.create_dataset(name, (8,), "i8", external=[(str(tmp_path / "other"), 0, 64)])
    with pytest.raises(InputError, match="keeps its data in another file"):
        open_source(plain)


def _limited(code: str, path: Path, limit: int) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False,
        timeout=120, cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip


def test_one_long_text_many_times_counts_as_often(plain) -> None:
    with h5py.File(plain, "r+") as file:
        text = "x" * 100_000
        kind = h5py.string_dtype()
        file["uns"].create_dataset("t", (40_000,), kind, fillvalue=text, chunks=(1000,))
    assert plain.stat().st_size < 1_000_000
    code = (
        "import sys; from senoscore.ingest.formats import open_source\n"
        "from senoscore.errors import InputError\n"
        "try: open_source(sys.argv[1], max_bytes=50_000_000)\n"
        "except InputError as error: print(error)"
    )
    done = _limited(code, plain, 3 << 30)
    assert "unfolds to" in done.stdout, done.stderr[-300:]
    assert "ingest.max_gb" in done.stdout


def test_texts_of_ordinary_files_are_within_the_limit(plain) -> None:
    with h5py.File(plain, "r+") as file:
        kind = h5py.string_dtype()
        file["uns"].create_dataset("t", data=np.full((30, 7), "abc", object), dtype=kind)
        file["uns"].create_dataset("one", data="a text", dtype=kind)
    assert open_source(plain, max_bytes=200_000).cells[0] == "c0"


def test_groups_without_bottom_are_one_line(plain) -> None:
    with h5py.File(plain, "r+") as file:
        group = file["uns"]
        for _ in range(20_000):
            group = h5py.Group(h5py.h5g.create(group.id, b"g"))
    code = (
        "import sys; from senoscore.ingest.formats import look_source\n"
        "from senoscore.errors import InputError\n"
        "try: look_source(sys.argv[1])\n"
        "except InputError as error: print(error)"
    )
    done = _limited(code, plain, 8 << 30)
    assert done.returncode == 0, done.returncode
    assert "nested more than 100 deep" in done.stdout


def test_a_group_that_holds_itself_is_gone_through_once(plain) -> None:
    with h5py.File(plain, "r+") as file:
        file["uns/again"] = file["uns"]
    assert len(open_source(plain).cells) == 20
