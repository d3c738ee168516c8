"""AnnData files that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from scipy import sparse

from tests.bad_inputs.study import CELLS, GENES, Case, anndata, counts, dataset, put, write_h5ad

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _h5ad(X: Any = None, *, sheet: dict[str, str] | None = None, **options: Any) -> Callable:
    def build(folder: Path) -> None:
        write_h5ad(folder / "data.h5ad", X, **options)
        dataset(folder, "data.h5ad", **{"sample_column": "sample", **(sheet or {})})

    return build


def _value(value: float) -> Callable:
    X = counts().astype(np.float64)
    X[3, 5] = value
    return _h5ad(sparse.csr_matrix(X))


def _logged() -> np.ndarray:
    X = counts().astype(np.float64)
    return np.log1p(1e4 * X / X.sum(axis=1, keepdims=True))


def _bytes(change: Callable[[bytes], bytes]) -> Callable:
    def build(folder: Path) -> None:
        path = folder / "data.h5ad"
        path.write_bytes(change(path.read_bytes()))

    return build


def _edit(change: Callable[[h5py.File], None]) -> Callable:
    def build(folder: Path) -> None:
        with h5py.File(folder / "data.h5ad", "a") as file:
            change(file)

    return build


def _part(name: str, at: int, value: int) -> Callable:
    """One number of the sparse matrix replaced, in a file without compression."""

    def build(folder: Path) -> None:
        anndata().write_h5ad(folder / "data.h5ad")
        with h5py.File(folder / "data.h5ad", "a") as file:
            file[f"X/{name}"][at] = value

    return build


def _spoil_chunk(folder: Path) -> None:
    path = folder / "data.h5ad"
    with h5py.File(path, "r") as file:
        info = file["X/data"].id.get_chunk_info(0)
    raw = bytearray(path.read_bytes())
    for at in range(info.byte_offset + 2, info.byte_offset + info.size):
        raw[at] ^= 0x5A
    path.write_bytes(raw)


def _obs(values: list[Any]) -> Callable:
    def build(folder: Path) -> None:
        data = anndata()
        data.obs["sample"] = values
        data.write_h5ad(folder / "data.h5ad")

    return build


def _lists(file: h5py.File) -> None:
    del file["obs/sample"]
    file["obs"].create_dataset("sample", data=np.zeros((len(CELLS), 2)))
    file["obs/sample"].attrs["encoding-type"] = "array"
    file["obs/sample"].attrs["encoding-version"] = "0.2.0"


def _bomb(file: h5py.File) -> None:
    del file["X"]
    file.create_dataset("X", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")


def _bomb_of_names(file: h5py.File) -> None:
    del file["obs/_index"]
    file["obs"].create_dataset("_index", (10**12,), "i4", chunks=(10**6,), compression="gzip")


def _outside(file: h5py.File) -> None:
    del file["X"]
    file["X"] = h5py.ExternalLink("/etc/other.h5", "X")


def _raw_outside(file: h5py.File) -> None:
    del file["X"]
    file.create_dataset("X", (12, 30), "u1", external=[("/etc/passwd", 0, 360)])


def _linked(at: str, target: str) -> Callable:
    """A part of a good file moved into another one, and a link in its place."""

    def build(folder: Path) -> None:
        with h5py.File(folder / "data.h5ad", "a") as file:
            with h5py.File(folder / "secret.h5", "w") as secret:
                file.copy(at, secret, target)
            del file[at]
            file[at] = h5py.ExternalLink("secret.h5", f"/{target}")

    return build


def _virtual_column(folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as secret:
        secret["x"] = np.arange(len(CELLS))
    layout = h5py.VirtualLayout((len(CELLS),), "i8")
    layout[:] = h5py.VirtualSource(folder / "secret.h5", "x", (len(CELLS),))
    with h5py.File(folder / "data.h5ad", "a") as file:
        column = file["obs"].create_virtual_dataset("age", layout)
        column.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        file["obs"].attrs["column-order"] = np.array(["sample", "age"], dtype=object)


def _encoding(name: str, version: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file["obs/sample"].attrs["encoding-type"] = name
        file["obs/sample"].attrs["encoding-version"] = version

    return change


def _column_of(n: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file["obs/sample"]
        file["obs"].create_dataset("sample", data=np.array(["s1"] * n, dtype=object))

    return change


def _column_in_itself(file: h5py.File) -> None:
    del file["obs/sample/categories"]
    file["obs/sample/categories"] = file["obs/sample"]


def _entry_twice(file: h5py.File) -> None:
    indices = file["X/indices"][:]
    indices[1] = indices[0]
    file["X/indices"][:] = indices


def _entry_twice_apart(file: h5py.File) -> None:
    """In a row that is not sorted."""
    indices = file["X/indices"][:]
    indices[30:60] = [*range(29, 0, -1), 7]
    file["X/indices"][:] = indices


def _float_indices(file: h5py.File) -> None:
    values = file["X/indices"][:] + 0.5
    del file["X/indices"]
    file["X/indices"] = values


def _no_obs(file: h5py.File) -> None:
    del file["obs"]


def _no_values(file: h5py.File) -> None:
    del file["X"]


def _short_obs(file: h5py.File) -> None:
    index = file["obs"].attrs["_index"]
    values = file["obs"][index][:-2]
    del file["obs"][index]
    file["obs"][index] = values


def _pickled(file: h5py.File) -> None:
    """A column of raw bytes that hold a pickle, as PyTables would leave it."""
    del file["obs/sample"]
    evil = np.void(b"\x80\x04\x95cposix\nsystem\nX\x04\x00\x00\x00true\x85R.")
    file["obs"].create_dataset("sample", data=np.array([evil] * len(CELLS)))
    file["obs/sample"].attrs["encoding-type"] = "array"
    file["obs/sample"].attrs["encoding-version"] = "0.2.0"


def _mouse() -> list[str]:
    return [gene.capitalize() for gene in GENES]


def _mixed() -> list[str]:
    return GENES[:15] + _mouse()[15:]


_INIT = ("init", "data.h5ad", "--out", "proposed")
CASES = [
    Case("h5ad_truncated", _bytes(lambda raw: raw[: len(raw) // 2]), ("data.h5ad is truncated", "copy or download it again")),
    Case("h5ad_empty", _bytes(lambda raw: b""), ("data.h5ad", "copy or download it again")),
    Case("h5ad_is_text", _bytes(lambda raw: b"hello\n" * 9), ("cannot be read as HDF5",)),
    Case("h5ad_chunk_spoilt", _spoil_chunk, ("data.h5ad", "copy or download it again")),
    Case("h5ad_absent", lambda folder: (folder / "data.h5ad").unlink(), ("data.h5ad not found", "check the path")),
    Case("h5ad_no_cells", _h5ad(sparse.csr_matrix((0, len(GENES)), dtype=np.float32), cells=[]), ("0 cells",)),
    Case("h5ad_no_genes", _h5ad(sparse.csr_matrix((len(CELLS), 0), dtype=np.float32), genes=[]), ("0 genes",)),
    Case("h5ad_nan", _value(np.nan), ("NaN value", "'c3'", "'IL6'")),
    Case("h5ad_inf", _value(np.inf), ("infinite value", "'c3'", "'IL6'")),
    Case("h5ad_negative", _value(-2), ("negative value -2", "'c3'", "scaled")),
    Case("h5ad_huge_count", _value(3e9), ("a count of 3e+09", "values: linear")),
    Case("h5ad_log_as_counts", _h5ad(_logged(), sheet={"values": "counts"}), ("declared as counts but are not integers", "log-normalised", "values: lognorm")),
    Case("h5ad_counts_as_log", _h5ad(counts() * 20.5, sheet={"values": "lognorm"}), ("declared as log-normalised", "values: linear")),
    Case("h5ad_scaled", _h5ad(_logged() - _logged().mean(axis=0)), ("negative value", "scaled or batch-corrected")),
    Case("h5ad_all_zero", _h5ad(np.zeros((12, 30), np.float32)), ("all values are zero",)),
    Case("h5ad_transposed", _h5ad(counts().T.astype(np.float32), cells=GENES, genes=CELLS), ("genes are in the rows", "transposed")),
    Case("h5ad_duplicate_barcodes", _h5ad(cells=["c0", "c0", *CELLS[2:]]), ("duplicate barcodes", "'c0' (2 times)")),
    Case("h5ad_empty_barcode", _h5ad(cells=["c0", "", *CELLS[2:]]), ("cell 2 has no name",)),
    Case("h5ad_control_character_in_gene", _h5ad(genes=["TP53\x07", *GENES[1:]]), ("gene 1", "printable")),
    Case("h5ad_name_of_ten_thousand", _h5ad(genes=["A" * 10_000, *GENES[1:]]), ("gene 1", "1,000 characters")),
    Case("h5ad_mixed_species", _h5ad(genes=_mixed()), ("mixed species", "one dataset a species")),
    Case("h5ad_other_organism", _h5ad(genes=_mouse()), ("organism: mouse",)),
    Case("h5ad_unknown_genes", _h5ad(genes=[f"row{i}" for i in range(30)]), ("zero genes matched", "symbol or Ensembl id")),
    Case("h5ad_only_dates", _h5ad(genes=[f"{i + 1}-Mar" for i in range(30)]), ("zero genes matched",)),
    Case("h5ad_no_layer", _h5ad(sheet={"layer": "umis"}), ("no layer 'umis'", "there are: X")),
    Case("h5ad_no_sample_column", _h5ad(sheet={"sample_column": "donor"}), ("no obs column 'donor'", "columns there: sample")),
    Case("h5ad_no_compartment_column", _h5ad(sheet={"compartment_column": "cell_type"}), ("no obs column 'cell_type'",)),
    Case("h5ad_sample_missing", _obs(["s1"] * 11 + [None]), ("1 cells have no sample", "'c11'")),
    Case("h5ad_sample_unknown", _obs(["s1"] * 11 + ["s9"]), ("not in the samples sheet: s9", "samples.tsv")),
    Case("h5ad_sample_other_case", _obs(["s1"] * 6 + ["S2"] * 6), ("not in the samples sheet: S2",)),
    Case("h5ad_sample_is_a_path", _obs(["s1"] * 11 + ["../../x"]), ("'../../x' cannot be the name of a sample",)),
    Case("h5ad_obs_of_lists", _edit(_lists), ("obs column 'sample'", "one value a cell", "text or numbers")),
    Case("h5ad_obs_of_pickles", _edit(_pickled), ("obs column 'sample'", "raw bytes")),
    Case("h5ad_no_values", _edit(_no_values), ("holds no matrix",)),
    Case("h5ad_no_obs", _edit(_no_obs), ("data.h5ad has no obs",)),
    Case("h5ad_short_obs", _edit(_short_obs), ("data.h5ad",)),
    Case("h5ad_indptr_falls", _part("indptr", 3, 10**6), ("data.h5ad",)),
    Case("h5ad_index_out_of_range", _part("indices", 5, 999), ("data.h5ad",)),
    Case("h5ad_index_negative", _part("indices", 5, -1), ("data.h5ad",)),
    Case("h5ad_bomb", _edit(_bomb), ("unfolds to 4,000,000", "raise the limit")),
    Case("h5ad_link_outside", _edit(_outside), ("points to another file", "into the file itself")),
    Case("h5ad_raw_file_outside", _edit(_raw_outside), ("keeps its data in another file",)),
    Case("h5ad_categories_outside", _linked("obs/sample/categories", "x"), ("/obs/sample/categories points to another file",)),
    Case("h5ad_codes_outside", _linked("obs/sample/codes", "x"), ("/obs/sample/codes points to another file",)),
    Case("h5ad_uns_outside", _linked("uns", "x"), ("/uns points to another file",)),
    Case("h5ad_virtual_column", _virtual_column, ("/obs/age keeps its data in another file",)),
    Case("h5ad_unknown_encoding", _edit(_encoding("nope", "9")), ("obs column 'sample' cannot be read", "anndata")),
    Case("h5ad_awkward_column", _edit(_encoding("awkward-array", "0.1.0")), ("obs column 'sample'",)),
    Case("h5ad_short_column", _edit(_column_of(5)), ("obs column 'sample' has 5 values for 12 rows",)),
    Case("h5ad_long_column", _edit(_column_of(50)), ("obs column 'sample' has 50 values for 12 rows",)),
    Case("h5ad_column_in_itself", _edit(_column_in_itself), ("obs column 'sample'",)),
    Case("h5ad_entry_twice", _edit(_entry_twice), ("second value", "'c0'", "one value for each cell and gene")),
    Case("h5ad_entry_twice_unsorted", _edit(_entry_twice_apart), ("second value", "'c1'", f"{GENES[7]!r}")),
    Case("h5ad_indices_of_parts", _edit(_float_indices), ("indices is missing or holds no whole numbers",)),
    Case("init_obs_outside", _linked("obs", "x"), ("/obs points to another file",), _INIT),
    Case("init_virtual_column", _virtual_column, ("/obs/age keeps its data in another file",), _INIT),
    Case("init_bomb", _edit(_bomb_of_names), ("unfolds to",), _INIT),
    Case("init_column_in_itself", _edit(_column_in_itself), ("obs has no columns",), _INIT),
    Case("init_into_a_file", lambda folder: (folder / "o").write_text("x"), ("cannot write o/datasets.tsv",), ("init", "data.h5ad", "--out", "o")),
    Case("signatures_into_a_file", lambda folder: (folder / "results").write_text("x"), ("cannot write results/signatures.tsv",), ("signatures",)),
    Case("h5ad_is_a_table", _h5ad(sheet={"format": "table"}), ("an HDF5 file, not a text table",)),
    Case("h5ad_is_10x", _h5ad(sheet={"format": "10x_h5"}), ("not a matrix of 10x Genomics",)),
    Case("table_is_h5ad", put("x.csv", "cell,TP53\nc0,1\n", format="h5ad"), ("x.csv cannot be read as HDF5",)),
    Case("h5ad_bulk_with_column", _h5ad(sheet={"assay": "bulk"}), ("bulk", "leave")),
    Case("unknown_kind_of_file", put("x.rds", "RDX2"), ("x.rds is of no known format", "say `format`")),
]  # fmt: skip
