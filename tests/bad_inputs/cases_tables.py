"""Delimited tables that cannot be used."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np

from tests.bad_inputs.study import CELLS, GENES, Case, counts, dataset, put, table

if TYPE_CHECKING:
    from pathlib import Path

_PACKED = gzip.compress(table().encode(), mtime=0)
_LONG = "cell,gene,count\n" + "".join(
    f"{cell},{gene},{value}\n"
    for cell, row in zip(CELLS, counts(), strict=True)
    for gene, value in zip(GENES, row, strict=True)
)


def _with(old: str, new: str, text: str | None = None) -> str:
    text = table() if text is None else text
    assert old in text
    return text.replace(old, new, 1)


def _second_field(word: str) -> str:
    """The value of the first gene in the second cell replaced."""
    lines = table().split("\n")
    fields = lines[2].split(",")
    fields[1] = word
    lines[2] = ",".join(fields)
    return "\n".join(lines)


def _flipped(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + bytes(b ^ 0x55 for b in raw[middle : middle + 40]) + raw[middle + 40 :]


def _is_folder(folder: Path) -> None:
    (folder / "x.csv").mkdir()
    dataset(folder, "x.csv", sample="s1", format="table")


_ROWS_ARE_GENES = "gene,a,b\n" + "".join(f"{gene},{i + 1},2\n" for i, gene in enumerate(GENES))
CASES = [
    Case("csv_empty", put("x.csv", ""), ("x.csv is empty",)),
    Case("csv_header_only", put("x.csv", table().split("\n")[0] + "\n"), ("a header and values are expected",)),
    Case("csv_blank", put("x.csv", "\n\n\n"), ("a header and values are expected",)),
    Case("csv_no_separator", put("x.csv", "TP53\n4\n5\n"), ("no separator found",)),
    Case("csv_is_xlsx", put("x.csv", b"PK\x03\x04" + bytes(64)), ("Excel workbook", "save it as TSV")),
    Case("csv_utf16", put("x.csv", table().encode("utf-16")), ("UTF-16", "save it as UTF-8")),
    Case("csv_mac_line_ends", put("x.csv", table(end="\r")), ("carriage returns",)),
    Case("csv_decimal_comma", put("x.tsv", table("\t", X=counts() + 0.5, decimal=",")), ("'", "is not a number", "point, not a comma")),
    Case("csv_decimal_comma_semicolon", put("x.csv", table(";", X=counts() + 0.5, decimal=",")), ("is not a number", "point, not a comma")),
    Case("csv_ragged", put("x.csv", table() + "c99,1,2,3" + ",1" * 40 + "\n"), ("x.csv", "same number of fields")),
    Case("csv_row_too_short", put("x.csv", table() + "c99,1,2\n"), ("x.csv", "c99")),
    Case("csv_header_too_short", put("x.csv", _with(",STAT1", "").replace(",TGFB1", "", 1)), ("the header has 29 fields and the first row 31",)),
    Case("csv_no_header", put("x.csv", "\n".join(table().split("\n")[1:])), ("x.csv", "header")),
    Case("csv_word", put("x.csv", _second_field("lots")), ("'lots' in line 3", "'c1'", "'TP53'", "not a number")),
    Case("csv_thousands", put("x.tsv", _second_field("1 000").replace(",", "\t")), ("'1 000' in line 3", "not a number")),
    Case("csv_error_of_a_spreadsheet", put("x.csv", _second_field("#DIV/0!")), ("'#DIV/0!' in line 3",)),
    Case("csv_formula", put("x.csv", _second_field("=1+1")), ("'=1+1' in line 3",)),
    Case("csv_missing_value", put("x.csv", _second_field("")), ("NaN value", "'c1'", "'TP53'")),
    Case("csv_nan", put("x.csv", _second_field("NaN")), ("NaN value", "'c1'")),
    Case("csv_inf", put("x.csv", _second_field("inf")), ("infinite value", "'c1'")),
    Case("csv_overflow", put("x.csv", _second_field("1e999")), ("'1e999' in line 3", "not a number")),
    Case("csv_negative", put("x.csv", _second_field("-1")), ("negative value -1", "'c1'")),
    Case("csv_scaled", put("x.csv", table(X=np.round(counts() - counts().mean(axis=0), 3))), ("negative value",)),
    Case("csv_log_as_counts", put("x.csv", table(X=np.round(np.log1p(counts()), 4)), values="counts"), ("not integers", "values: lognorm")),
    Case("csv_duplicate_cells", put("x.csv", _with("c1,", "c0,")), ("duplicate barcodes", "'c0'")),
    Case("csv_empty_cell_name", put("x.csv", _with("c1,", ",")), ("cell 2 has no name",)),
    Case("csv_declared_transposed", put("x.csv", table(), orientation="genes_x_cells"), ("looks cells_x_genes",)),
    Case("csv_unknown_genes", put("x.csv", "id,sampleA,sampleB\nrow1,1,2\nrow2,3,4\n"), ("zero genes matched",)),
    Case("csv_no_numbers", put("x.csv", "cell,TP53\nc0,yes\nc1,no\n"), ("no column of numbers",)),
    Case("csv_open_quote", put("x.csv", _with("c1,", '"c1,')), ("x.csv",)),
    Case("csv_nul", put("x.csv", _with("c1,", "c\x001,")), ("x.csv has a NUL byte",)),
    Case("csv_gz_truncated", put("x.csv.gz", _PACKED[:-40]), ("damaged or cut short", "gzip -t")),
    Case("csv_gz_corrupt", put("x.csv.gz", _flipped(_PACKED)), ("damaged or cut short",)),
    Case("csv_gz_checksum", put("x.csv.gz", _PACKED[:-8] + bytes(4) + _PACKED[-4:]), ("damaged or cut short",)),
    Case("csv_gz_not_gzip", put("x.csv.gz", table()), ("not compressed by gzip",)),
    Case("csv_bzip2", put("x.csv", b"BZh91AY&SY" + bytes(30)), ("bzip2",)),
    Case("long_pair_twice", put("x.csv", _LONG + "c0,TP53,3\n"), ("values come twice", "'c0'", "'TP53'")),
    Case("long_of_two_columns", put("x.csv", "cell,gene\nc0,TP53\n", orientation="long"), ("declared long but has 2 columns",)),
    Case("long_word", put("x.csv", _LONG + "c0,RBL1,none\n"), ("'none' in line 362", "not a number")),
    Case("bulk_sample_unknown", put("x.csv", _ROWS_ARE_GENES, sample="", assay="bulk"), ("not in the samples sheet: a, b",)),
    Case("bulk_sample_twice", put("x.csv", _ROWS_ARE_GENES.replace("a,b", "s1,s1"), sample="", assay="bulk"), ("duplicate", "'s1'")),
    Case("bulk_with_sample", put("x.csv", _ROWS_ARE_GENES, assay="bulk"), ("bulk", "leave")),
    Case("table_is_a_folder", _is_folder, ("x.csv is not a regular file",)),
]  # fmt: skip
