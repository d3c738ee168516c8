"""Stores of zarr and files of MuData that cannot be used."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import h5py

from tests.bad_inputs.study import Case, anndata, dataset
from tests.ingest.stores import write_h5mu, write_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _zarr(change: Callable[[Path], Any], name: str = "data.zarr") -> Callable:
    def build(folder: Path) -> None:
        write_zarr(anndata(), folder / name)
        dataset(folder, name, sample_column="sample")
        change(folder / name)

    return build


def _h5mu(change: Callable[[h5py.File], Any], **sheet: str) -> Callable:
    def build(folder: Path) -> None:
        write_h5mu(anndata(), folder / "data.h5mu", mudata={"atac": anndata()})
        dataset(folder, "data.h5mu", **{"sample_column": "sample", **sheet})
        with h5py.File(folder / "data.h5mu", "a") as file:
            change(file)

    return build


def _meta(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        file = store / name / "zarr.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def _version_2(store: Path) -> None:
    (store / "zarr.json").unlink()
    (store / ".zgroup").write_text('{"zarr_format": 2}')


def _packed(store: Path) -> None:
    shutil.rmtree(store)
    store.write_bytes(b"PK")


def _moved(old: str, new: str) -> Callable[[h5py.File], None]:
    return lambda file: file.move(f"mod/{old}", f"mod/{new}")


def _outside(file: h5py.File) -> None:
    del file["mod/rna/X"]
    file["mod/rna/X"] = h5py.ExternalLink("data.h5ad", "X")


CASES = [
    Case("zarr_version_2", _zarr(_version_2), ("zarr store of version 2", "zarr_write_format = 3")),
    Case("zarr_packed", _zarr(_packed, "data.zarr.zip"), ("is a packed zarr store", "unpack")),
    Case("zarr_no_root", _zarr(lambda s: (s / "zarr.json").unlink()), ("data.zarr has no zarr.json",)),
    Case("zarr_no_obs", _zarr(lambda s: shutil.rmtree(s / "obs")), ("data.zarr has no obs",)),
    Case("zarr_no_values", _zarr(lambda s: shutil.rmtree(s / "X/data/c")), ("X/data: 1 of its 1 pieces were never written",)),
    Case("zarr_no_indices", _zarr(lambda s: shutil.rmtree(s / "X/indices/c")), ("X/indices: 1 of its 1 pieces",)),
    Case("zarr_cut_piece", _zarr(lambda s: (s / "X/data/c/0").write_bytes(b"\x28\xb5")), ("cannot be read as zarr", "a piece is not a Zstandard frame")),
    Case("zarr_broken_json", _zarr(lambda s: (s / "X/zarr.json").write_text("{")), ("X/zarr.json is not valid JSON",)),
    Case("zarr_pickle", _zarr(_meta("X/data", codecs=[{"name": "numcodecs.pickle"}])), ("asks for codec 'numcodecs.pickle'",)),
    Case("zarr_odd_grid", _zarr(_meta("X/data", chunk_grid={"name": "rectilinear", "configuration": {"chunk_shape": [1]}})), ("in equal pieces",)),
    Case("zarr_other_shape", _zarr(_meta("X", attributes={"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [13, 30]})), ("do not fit a matrix of (13, 30)",)),
    Case("zarr_link", _zarr(lambda s: (s / "uns/x").symlink_to("/etc/hostname")), ("uns/x is a link", "copy the data")),
    Case("h5mu_no_modality", _h5mu(lambda file: file.pop("mod")), ("holds no modality",)),
    Case("h5mu_no_rna", _h5mu(_moved("rna", "prot")), ("no modality is named rna; there are: atac, prot", ".h5ad")),
    Case("h5mu_two_rna", _h5mu(_moved("atac", "gex")), ("several modalities may be RNA; there are: gex, rna",)),
    Case("h5mu_no_column", _h5mu(lambda file: None, sample_column="donor"), ("no obs column 'donor'", "columns there: sample")),
    Case("h5mu_external", _h5mu(_outside), ("points to another file",)),
    Case("h5mu_layer", _h5mu(lambda file: None, layer="counts"), ("has no layer 'counts'", "there are: X")),
    Case("h5mu_empty_rna", _h5mu(lambda file: file.pop("mod/rna/X")), ("holds no matrix",)),
]  # fmt: skip
