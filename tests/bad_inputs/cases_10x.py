"""Folders and .h5 files of 10x Genomics that cannot be used."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import h5py
import numpy as np

from tests.bad_inputs.study import CELLS, Case, dataset, write_10x, write_10x_h5

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MATRIX, _FEATURES, _BARCODES = "matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"


def _folder(name: str, change: Callable[[bytes], bytes] | None) -> Callable:
    """One file of the folder changed, unpacked; None takes it away."""

    def build(folder: Path) -> None:
        _good(folder)
        path = folder / "tenx" / name
        if change is None:
            path.unlink()
        else:
            plain = change(gzip.decompress(path.read_bytes()))
            path.write_bytes(gzip.compress(plain, mtime=0))

    return build


def _packed(name: str, change: Callable[[bytes], bytes]) -> Callable:
    """The compressed bytes of one file changed."""

    def build(folder: Path) -> None:
        _good(folder)
        path = folder / "tenx" / name
        path.write_bytes(change(path.read_bytes()))

    return build


def _good(folder: Path, *, v3: bool = True) -> None:
    write_10x(folder / "tenx", v3=v3)
    dataset(folder, "tenx", sample="s1")


def _swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        assert old in raw
        return raw.replace(old, new, 1)

    return change


def _flipped(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + bytes(b ^ 0x55 for b in raw[middle : middle + 40]) + raw[middle + 40 :]


def _entry(text: bytes) -> Callable[[bytes], bytes]:
    """The last entry of the matrix replaced."""

    def change(raw: bytes) -> bytes:
        return b"\n".join([*raw.rstrip(b"\n").split(b"\n")[:-1], text, b""])

    return change


def _as_real(text: bytes) -> Callable[[bytes], bytes]:
    """The last entry replaced, in a matrix of reals."""
    return lambda raw: _entry(text)(_swap(b"integer", b"real")(raw))


def _as_pattern(raw: bytes) -> bytes:
    """Where a value is, without the values."""
    head, rest = _swap(b"integer", b"pattern")(raw).split(b"\n30 12 360\n")
    lines = [line.rsplit(b" ", 1)[0] for line in rest.splitlines()]
    return head + b"\n30 12 360\n" + b"\n".join(lines) + b"\n"


def _symlink_out(folder: Path) -> None:
    _good(folder)
    inside = folder / "tenx" / _BARCODES
    inside.rename(folder / "elsewhere.tsv.gz")
    inside.symlink_to(folder / "elsewhere.tsv.gz")


def _empty_folder(folder: Path) -> None:
    (folder / "tenx").mkdir()
    dataset(folder, "tenx", sample="s1")


def _sheet(**columns: str) -> Callable:
    def build(folder: Path) -> None:
        _good(folder)
        dataset(folder, "tenx", **columns)

    return build


def _h5(change: Callable[[h5py.File], None]) -> Callable:
    def build(folder: Path) -> None:
        write_10x_h5(folder / "f.h5")
        with h5py.File(folder / "f.h5", "a") as file:
            change(file)
        dataset(folder, "f.h5", sample="s1")

    return build


def _h5_truncated(folder: Path) -> None:
    write_10x_h5(folder / "f.h5")
    raw = (folder / "f.h5").read_bytes()
    (folder / "f.h5").write_bytes(raw[: len(raw) // 2])
    dataset(folder, "f.h5", sample="s1")


def _without(name: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]

    return change


def _put(name: str, value: np.ndarray) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return change


def _h5_bomb(file: h5py.File) -> None:
    del file["matrix/data"]
    file["matrix"].create_dataset("data", (10**12,), "i8", chunks=(10**6,), compression="gzip")


_HEADER = b"30 12 360"
CASES = [
    Case("mtx_no_barcodes", _folder(_BARCODES, None), ("no barcodes.tsv", "three files")),
    Case("mtx_no_features", _folder(_FEATURES, None), ("no features.tsv(.gz) or genes.tsv(.gz)",)),
    Case("mtx_no_matrix", _folder(_MATRIX, None), ("0 files named matrix.mtx",)),
    Case("mtx_empty_folder", _empty_folder, ("0 files named matrix.mtx", "none")),
    Case("mtx_gzip_truncated", _packed(_MATRIX, lambda raw: raw[:-60]), ("damaged or cut short", "gzip -t")),
    Case("mtx_gzip_corrupt", _packed(_MATRIX, _flipped), ("damaged or cut short",)),
    Case("mtx_gzip_features_corrupt", _packed(_FEATURES, _flipped), ("features.tsv.gz is damaged or cut short",)),
    Case("mtx_not_gzip", _packed(_MATRIX, gzip.decompress), ("not compressed by gzip",)),
    Case("mtx_empty_file", _packed(_MATRIX, lambda raw: b""), ("matrix.mtx.gz is empty",)),
    Case("mtx_wrong_header", _folder(_MATRIX, _swap(b"%%MatrixMarket", b"%%Market")), ("does not begin as a coordinate matrix",)),
    Case("mtx_array_format", _folder(_MATRIX, _swap(b"coordinate", b"array")), ("does not begin as a coordinate matrix",)),
    Case("mtx_lines_cut", _folder(_MATRIX, lambda raw: b"\n".join(raw.split(b"\n")[:99])), ("damaged or cut short",)),
    Case("mtx_promises_too_much", _folder(_MATRIX, _swap(_HEADER, b"30 12 999999999999")), ("promises 999,999,999,999 entries",)),
    Case("mtx_other_shape", _folder(_MATRIX, _swap(_HEADER, b"30 11 360")), ("30 x 11", "30 features and 12 barcodes")),
    Case("mtx_huge_shape", _folder(_MATRIX, _swap(_HEADER, b"9" * 4000 + b" 12 360")), ("matrix.mtx.gz", "impossible size")),
    Case("mtx_index_out_of_range", _folder(_MATRIX, _entry(b"31 1 4")), ("matrix.mtx.gz is damaged",)),
    Case("mtx_index_zero", _folder(_MATRIX, _entry(b"0 1 4")), ("matrix.mtx.gz is damaged",)),
    Case("mtx_word_for_value", _folder(_MATRIX, _entry(b"30 12 many")), ("matrix.mtx.gz is damaged",)),
    Case("mtx_negative", _folder(_MATRIX, _entry(b"30 12 -7")), ("negative value -7", "'c11'", "'STAT1'")),
    Case("mtx_nan", _folder(_MATRIX, lambda raw: _entry(b"30 12 nan")(_swap(b"integer", b"real")(raw))), ("NaN value", "'c11'")),
    Case("mtx_decimal_comma", _folder(_MATRIX, _as_real(b"30 12 1,6312")), ("line 363 is '30 12 1,6312'", "decimals with a point")),
    Case("mtx_decimal_in_integer", _folder(_MATRIX, _entry(b"30 12 5.5")), ("line 363 is '30 12 5.5', not row, column and integer", "its header says integer")),
    Case("mtx_letters_after_number", _folder(_MATRIX, _entry(b"30 12 5abc")), ("line 363 is '30 12 5abc'",)),
    Case("mtx_letters_after_index", _folder(_MATRIX, _as_real(b"30x 12 5")), ("line 363 is '30x 12 5'",)),
    Case("mtx_extra_field", _folder(_MATRIX, _entry(b"30 12 5 98")), ("line 363 is '30 12 5 98'",)),
    Case("mtx_extra_field_in_all", _folder(_MATRIX, lambda raw: b"\n".join(line + b" 7" if line.count(b" ") == 2 and b" 360" not in line else line for line in raw.split(b"\n"))), ("line 4 is",)),
    Case("mtx_two_fields", _folder(_MATRIX, _entry(b"30 12")), ("line 363 is '30 12'",)),
    Case("mtx_comment_among_entries", _folder(_MATRIX, lambda raw: _entry(b"% done")(raw)), ("line 363 is '% done'",)),
    Case("mtx_more_than_promised", _folder(_MATRIX, lambda raw: raw + b"1 1 7\n"), ("more entries than it promises",)),
    Case("mtx_pattern", _folder(_MATRIX, _as_pattern), ("of kind pattern general", "the counts themselves")),
    Case("mtx_pattern_with_values", _folder(_MATRIX, _swap(b"integer", b"pattern")), ("of kind pattern general",)),
    Case("mtx_symmetric", _folder(_MATRIX, _swap(b"general", b"symmetric")), ("of kind integer symmetric",)),
    Case("mtx_entry_twice", _folder(_MATRIX, _entry(b"1 1 7")), ("matrix.mtx.gz", "twice")),
    Case("mtx_duplicate_barcodes", _folder(_BARCODES, _swap(b"c1\n", b"c0\n")), ("duplicate barcodes", "barcodes.tsv.gz")),
    Case("mtx_too_few_barcodes", _folder(_BARCODES, _swap(b"c1\n", b"")), ("30 features and 11 barcodes",)),
    Case("mtx_only_antibodies", _folder(_FEATURES, lambda raw: raw.replace(b"Gene Expression", b"Antibody Capture")), ("no feature of type 'Gene Expression'",)),
    Case("mtx_two_genomes", _folder(_FEATURES, lambda raw: raw.replace(b"\tTP53\t", b"\tGRCh38_TP53\t").replace(b"\tIL6\t", b"\tmm10_IL6\t")), ("several genomes: GRCh38, mm10",)),
    Case("mtx_link_outside", _symlink_out, ("barcodes.tsv.gz", "link", "out of the folder")),
    Case("mtx_no_sample", _sheet(sample_column="sample"), ("no column 'sample'", "`sample`")),
    Case("mtx_layer", _sheet(sample="s1", layer="counts"), ("only AnnData (h5ad, h5mu, zarr) has layers",)),
    Case("mtx_orientation", _sheet(sample="s1", orientation="long"), ("only tables have one",)),
    Case("h5_truncated", _h5_truncated, ("f.h5 is truncated",)),
    Case("h5_no_barcodes", _h5(_without("matrix/barcodes")), ("f.h5", "10x")),
    Case("h5_no_names", _h5(_without("matrix/features/name")), ("features/name is missing",)),
    Case("h5_no_data", _h5(_without("matrix/data")), ("data is missing",)),
    Case("h5_other_shape", _h5(_put("matrix/shape", np.array([30, 11]))), ("do not fit together",)),
    Case("h5_indptr_falls", _h5(_put("matrix/indptr", np.array([0, 90, 30, *range(60, 331, 30)][: len(CELLS)] + [360]))), ("f.h5",)),
    Case("h5_two_genomes", _h5(_put("matrix/features/genome", np.array(["GRCh38"] * 15 + ["mm10"] * 15, dtype="S"))), ("several genomes: GRCh38, mm10",)),
    Case("h5_bomb", _h5(_h5_bomb), ("unfolds to 8,000,000", "raise the limit")),
]  # fmt: skip
