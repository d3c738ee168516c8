from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from senoscore.errors import InputError, SenoscoreError
from senoscore.ingest.formats import open_source
from senoscore.ingest.text import sniff

GENES = ["TP53", "CDKN1A", "MKI67", "CCNB1"]
CELLS = ["c1", "c2", "c3"]
X = np.array([[0, 3, 1, 0], [2, 0, 0, 5], [1, 1, 7, 0]])
WIDE = pd.DataFrame(X, index=CELLS, columns=GENES)
LONG = WIDE.rename_axis("cell").reset_index().melt("cell", var_name="gene", value_name="count")


def _open(path, text, **options):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_source(path, **options)


def _check(source):
    dense = sparse.vstack([b.to_csr() for b in source.blocks()]).toarray()
    table = pd.DataFrame(dense, index=source.cells, columns=source.genes)
    pd.testing.assert_frame_equal(
        table.loc[CELLS, GENES].astype(float), WIDE.astype(float), check_names=False
    )


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("declared", [True, False])
def test_wide_tables(tmp_path, separator, turned, end, declared):
    table = WIDE.T if turned else WIDE
    orientation = ("genes_x_cells" if turned else "cells_x_genes") if declared else "auto"
    text = table.to_csv(sep=separator, lineterminator=end)
    _check(_open(tmp_path / "a.csv", text, orientation=orientation))


@pytest.mark.parametrize(
    "text",
    [
        gzip.compress(WIDE.to_csv().encode(), mtime=0),
        b"\xef\xbb\xbf" + WIDE.to_csv().encode(),
        b"# made by hand\n# twice\n" + WIDE.to_csv().encode(),
        WIDE.to_csv(sep="\t", quoting=1).encode(),
        WIDE.to_csv(sep=" ").encode()[1:],  # as R writes it: no name for the row names
        WIDE.T.to_csv(sep="\t").encode()[1:],
        WIDE.astype(float).to_csv().encode(),
        LONG.to_csv(index=False).encode(),
        LONG.to_csv(index=False, header=False, sep="\t").encode(),
        LONG[["gene", "cell", "count"]].to_csv(index=False).encode(),
        LONG[LONG["count"] > 0].to_csv(index=False).encode(),
        WIDE.T.assign(kind="protein_coding").to_csv().encode(),
    ],
)
def test_ways_to_write_the_same(tmp_path, text):
    _check(_open(tmp_path / "a.csv", text))


def test_text_beside_cells_becomes_obs_and_beside_genes_names(tmp_path):
    source = _open(
        tmp_path / "a.csv", WIDE.assign(sample=["p", "q", "p"]).to_csv(), columns=["sample"]
    )
    _check(source)
    assert source.obs["sample"].tolist() == ["p", "q", "p"]
    table = WIDE.T.set_axis(["p1", "p2", "p3", "p4"]).assign(name=GENES, Length=[9, 9, 9, 9])
    source = _open(tmp_path / "a.csv", table.to_csv())
    assert source.genes == ["p1", "p2", "p3", "p4"]
    assert source.gene_ids == GENES
    assert source.cells == CELLS


def test_latin_1_is_said(tmp_path):
    text = WIDE.set_axis(["c\xe91", "c2", "c3"]).to_csv().encode("latin-1")
    source = _open(tmp_path / "a.csv", text)
    assert source.cells[0] == "c\xe91"
    assert "Latin-1" in source.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (",TP53\n", "1 line"),
        ("a\nb\nc\n", "no separator"),
        (WIDE.to_csv(lineterminator="\r"), "carriage returns where lines should end"),
        ("PK\x03\x04xx", "Excel workbook"),
        (gzip.compress(WIDE.to_csv().encode() * 50, mtime=0)[:-20], "damaged or cut short"),
        (WIDE.to_csv().replace(",7", ",seven"), "'seven' in line 4 .row 'c3', column 'MKI67'"),
        (WIDE.to_csv(sep=";").replace(";7", ";7,5"), "'7,5' in line 4.*decimals with a point"),
        (WIDE.to_csv() + "c4,1,2,3,4,5\n", "same number of fields"),
        (WIDE.rename(columns=str.lower).add_prefix("x_").to_csv(), "zero genes matched"),
        (WIDE.set_axis(["c1", "c1", "c2"]).to_csv(), "duplicate barcodes"),
        (WIDE.set_axis(["c1", "", "c2"]).to_csv(), "cell 2 has no name"),
        (LONG.to_csv(index=False) + "c1,TP53,4\n", "1 values come twice"),
        (LONG.to_csv(index=False) + "c9,TP53,x\n", "'x' in line 14"),
    ],
)
def test_bad_tables(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        _open(tmp_path / "a.csv", text)


def test_declared_wrongly(tmp_path):
    for orientation, table, said in (
        ("cells_x_genes", WIDE.T, "looks genes_x_cells: 100% of the row names"),
        ("genes_x_cells", WIDE, "looks cells_x_genes"),
        ("long", WIDE, "declared long but has 5 columns"),
        ("upside_down", WIDE, "unknown orientation"),
    ):
        with pytest.raises(InputError, match=said):
            _open(tmp_path / "a.csv", table.to_csv(), orientation=orientation)


def test_plain_text_named_gz(tmp_path):
    with pytest.raises(InputError, match="not compressed by gzip"):
        _open(tmp_path / "a.csv.gz", WIDE.to_csv())


def test_a_bomb_stops_at_the_limit(tmp_path):
    text = gzip.compress((WIDE.to_csv() + "c9,0,0,0,0\n" * 100_000).encode())
    with pytest.raises(InputError, match="unfolds to more than 100,000 bytes"):
        _open(tmp_path / "a.csv.gz", text, max_bytes=100_000)


FUZZ = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _said(folder, text):
    """The message, if any; another exception than ours fails the test."""
    try:
        _open(folder / "a.csv", text)
    except SenoscoreError as error:
        return str(error)
    return ""


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_give_a_table_or_a_clear_error(tmp_path, raw):
    assert "\n" not in _said(tmp_path, raw)


@FUZZ
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                ["TP53", "", "1", "-1", "1e999", "nan", '"', "a b", "0x1", "#", "\x00", "1,5"]
            ),
            max_size=5,
        ),
        max_size=6,
    ),
    st.sampled_from("\t,; "),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_fields_give_a_table_or_a_clear_error(tmp_path, rows, separator, end):
    text = end.join(separator.join(row) for row in [["g", "TP53", "CDKN1A"], *rows])
    assert "\n" not in _said(tmp_path, text)


@FUZZ
@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_one_wrong_byte_in_gzip(tmp_path, at, byte):
    raw = bytearray(gzip.compress(WIDE.to_csv().encode() * 3, mtime=0))
    raw[at % len(raw)] = byte
    try:
        _open(tmp_path / "a.csv.gz", bytes(raw))
    except SenoscoreError:
        return


def test_sniffed(tmp_path):
    (tmp_path / "a").write_text("#x\n\ta\tb\nr\t1\t2\n")
    dialect = sniff(tmp_path / "a", max_bytes=1000)
    assert (dialect.separator, dialect.skip, dialect.header) == ("\t", 1, ["", "a", "b"])
    assert dialect.rows == [["r", "1", "2"]]


def _long_with_samples():
    """The same counts in two samples, whose cells have the same barcodes."""
    return pd.concat(
        [LONG.assign(sample=name, value=LONG["count"] * n) for name, n in (("s1", 1), ("s2", 2))]
    )


@pytest.mark.parametrize(
    "order", [["sample", "cell", "gene", "count"], ["gene", "count", "cell", "sample"]]
)
def test_a_long_table_with_samples(tmp_path, order):
    table = LONG.assign(sample=LONG["cell"].map({"c1": "s1", "c2": "s1", "c3": "s2"}))[order]
    source = _open(tmp_path / "a.csv", table.to_csv(index=False))
    _check(source)
    assert dict(zip(source.cells, source.obs["sample"], strict=True)) == {
        "c1": "s1", "c2": "s1", "c3": "s2",
    }  # fmt: skip


def test_barcodes_that_come_in_two_samples_are_two_cells(tmp_path):
    table = _long_with_samples()[["sample", "cell", "gene", "value"]]
    source = _open(tmp_path / "a.csv", table.to_csv(index=False))
    assert sorted(source.cells) == ["s1_c1", "s1_c2", "s1_c3", "s2_c1", "s2_c2", "s2_c3"]
    dense = sparse.vstack([b.to_csr() for b in source.blocks()]).toarray()
    found = pd.DataFrame(dense, index=source.cells, columns=source.genes)
    np.testing.assert_array_equal(found.loc[["s2_c1", "s2_c2", "s2_c3"], GENES], 2 * X)
    assert "named by sample and cell" in source.notes[1]


def test_a_long_table_with_other_columns_is_refused(tmp_path):
    table = _long_with_samples()[["sample", "cell", "gene", "value"]]
    table.columns = ["Bibliothek", "Zelle", "Gen", "Wert"]
    with pytest.raises(InputError, match=r"looks long.*Bibliothek, Zelle, Gen, Wert.*so named"):
        _open(tmp_path / "a.csv", table.to_csv(index=False))
    with pytest.raises(InputError, match="declared long but has 4 columns"):
        _open(tmp_path / "a.csv", table.to_csv(index=False), orientation="long")
