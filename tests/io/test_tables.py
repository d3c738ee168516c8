from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from senoscore.errors import InputError
from senoscore.io.tables import (
    parquet_blocks,
    parquet_rows,
    read_parquet,
    read_tsv,
    write_parquet,
    write_tsv,
)

FORMULAS = ["=HYPERLINK(1)", "+cmd", "-x", "@SUM(A1)", "\ttab", "'=quoted"]


def test_no_cell_of_a_tsv_is_a_formula_and_reading_restores_it(tmp_path):
    path = tmp_path / "t.tsv"
    write_tsv(pd.DataFrame({"=a": FORMULAS, "b": range(6)}), path)
    cells = [line.split("\t")[0].strip('"') for line in path.read_bytes().decode().split("\n")]
    assert not [cell for cell in cells if cell and cell[0] in "=+-@"]
    back = read_tsv(path)
    assert list(back.columns) == ["=a", "b"]
    assert back["=a"].tolist() == FORMULAS


def test_numbers_stay_numbers_to_the_last_bit(tmp_path):
    values = [0.1, 1 / 3, -1.5, np.nan, 1e-300, 12345678.9]
    write_tsv(
        pd.DataFrame({"x": values, "text": ["-1.5", "+2e3", "NA", "nan", "", "a"]}), tmp_path / "t"
    )
    assert "-1.5" in (tmp_path / "t").read_text()
    back = read_tsv(tmp_path / "t")
    np.testing.assert_array_equal(back["x"], values)
    assert back["text"].tolist()[:4] == ["-1.5", "+2e3", "NA", "nan"]


def test_carriage_returns_and_nul_do_not_break_rows(tmp_path):
    write_tsv(pd.DataFrame({"a": ["\rx", "a\r\nb", "p\0q"], "b": 1}), tmp_path / "t")
    assert read_tsv(tmp_path / "t")["a"].tolist() == ["\nx", "a\nb", "p\ufffdq"]


def test_missing_values_are_empty_and_the_index_is_left_out(tmp_path):
    table = pd.DataFrame({"a": [1.5, np.nan], "b": pd.Categorical(["x", None])}, index=["p", "q"])
    write_tsv(table, tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_bytes() == b"a\tb\n1.5\tx\n\t\n\n"


def test_gzip_has_no_time_stamp(tmp_path):
    write_tsv(pd.DataFrame({"a": [1]}), tmp_path / "t.tsv.gz")
    raw = (tmp_path / "t.tsv.gz").read_bytes()
    assert raw[4:8] == bytes(4)
    assert gzip.decompress(raw) == b"a\n1\n"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.text(
            st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r"), min_size=1
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_survives(tmp_path, texts):
    write_tsv(pd.DataFrame({"n": texts, "k": "z"}), tmp_path / "t.tsv")
    back = read_tsv(tmp_path / "t.tsv", dtype=str)
    assert back["n"].tolist() == texts


def test_columns_asked_for(tmp_path):
    table = pd.DataFrame({"a": [1], "b": [2.5]})
    for write, read, name in (
        (write_tsv, read_tsv, "t.tsv"),
        (write_parquet, read_parquet, "t.parquet"),
    ):
        write(table, tmp_path / name)
        assert list(read(tmp_path / name, columns=["b", "a"]).columns) == ["b", "a"]
        with pytest.raises(InputError, match="has no column 'c'"):
            read(tmp_path / name, columns=["c"])
        with pytest.raises(InputError, match="not found"):
            read(tmp_path / "none")


def test_parquet_keeps_types(tmp_path):
    table = pd.DataFrame(
        {
            "cell": ["a", "b"],
            "s": pd.Categorical(["u", "v"]),
            "x": np.array([1, np.nan], np.float32),
        }
    )
    write_parquet(table, tmp_path / "t.parquet")
    back = read_parquet(tmp_path / "t.parquet")
    assert back["x"].dtype == np.float32
    assert isinstance(back["s"].dtype, pd.CategoricalDtype)
    assert back["cell"].tolist() == ["a", "b"]


@pytest.mark.parametrize("keep", [0, 3, 40])
def test_a_cut_parquet_is_a_clear_error(tmp_path, keep):
    write_parquet(pd.DataFrame({"a": range(10)}), tmp_path / "t.parquet")
    raw = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(raw[:keep])
    with pytest.raises(InputError, match="not a complete Parquet"):
        read_parquet(tmp_path / "t.parquet")


def test_a_binary_file_is_no_tsv(tmp_path):
    (tmp_path / "t.tsv").write_bytes(b"\xff\xfe\x00\x81\n\x00")
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_tsv(tmp_path / "t.tsv")


@pytest.mark.parametrize("lines", range(1, 6))
def test_a_table_cut_at_the_end_of_a_line_is_refused(tmp_path, lines):
    path = tmp_path / "t.tsv"
    write_tsv(pd.DataFrame({"a": range(5), "b": list("vwxyz")}), path)
    assert pd.read_csv(path, sep="\t")["b"].tolist() == list("vwxyz")  # others see no difference
    raw = path.read_bytes()
    path.write_bytes(b"".join(raw.splitlines(keepends=True)[: lines + 1]))
    with pytest.raises(InputError, match="is cut short"):
        read_tsv(path)


def test_a_table_cut_by_one_byte_is_refused(tmp_path):
    write_tsv(pd.DataFrame({"a": [1, 2]}), tmp_path / "t.tsv")
    (tmp_path / "t.tsv").write_bytes((tmp_path / "t.tsv").read_bytes()[:-1])
    with pytest.raises(InputError, match="is cut short"):
        read_tsv(tmp_path / "t.tsv")


@pytest.mark.parametrize("row_group", [3, 4, 7, 100])
def test_blocks_have_their_rows_whatever_the_row_groups_are(tmp_path, row_group):
    path = tmp_path / "t.parquet"
    table = pa.table({"a": range(10), "text": [f"c{i}" for i in range(10)], "b": [0.5] * 10})
    pq.write_table(table, path, row_group_size=row_group)
    blocks = list(parquet_blocks(path, ["text", "a"], 4))
    assert [block.num_rows for block in blocks] == [4, 4, 2]
    assert pa.concat_tables(blocks).equals(table.select(["text", "a"]))
    assert parquet_rows(path) == 10


def test_blocks_of_a_column_that_is_not_there(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(pd.DataFrame({"a": [1]}), path)
    with pytest.raises(InputError, match="has no column 'b'"):
        list(parquet_blocks(path, ["b"], 4))
