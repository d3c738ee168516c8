from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from senoscore.errors import InputError
from senoscore.genesets import genes

RESOURCES = Path(__file__).parents[2] / "resources"
ORGANISMS = ["human", "mouse"]


@pytest.mark.parametrize(
    ("organism", "name", "symbol", "ensembl_id", "status"),
    [
        ("human", "CDKN1A", "CDKN1A", "ENSG00000124762", "symbol"),
        ("human", "ENSG00000124762", "CDKN1A", "ENSG00000124762", "ensembl"),
        ("human", "ENSG00000124762.12", "CDKN1A", "ENSG00000124762", "ensembl"),
        ("human", "ENSG00000182378.15_PAR_Y", "PLCXD1", "ENSG00000182378", "ensembl"),
        ("human", "cdkn1a", "CDKN1A", "ENSG00000124762", "case"),
        ("human", "IL8", "CXCL8", "ENSG00000169429", "alias"),
        ("human", "CTGF", "CCN2", "ENSG00000118523", "alias"),
        ("human", "CYR61", "CCN1", "ENSG00000142871", "alias"),
        ("human", "PAI1", "SERPINE1", "ENSG00000106366", "alias"),
        ("human", "TMEM173", "STING1", "ENSG00000184584", "alias"),
        ("human", "SEPT2", "SEPTIN2", "ENSG00000168385", "alias"),
        ("human", "MARCH1", "MARCHF1", "ENSG00000145416", "alias"),
        ("human", "QARS", "QARS1", "ENSG00000172053", "alias"),
        ("human", "HLA.A", "HLA-A", "ENSG00000206503", "alias"),
        ("human", "p21", "p21", "", "ambiguous_alias"),
        ("human", "1-Mar", "1-Mar", "", "unknown"),
        ("human", "not_a_gene", "not_a_gene", "", "unknown"),
        ("human", "ENSG00000999999.3", "ENSG00000999999", "ENSG00000999999", "unknown"),
        ("human", "ENSMUSG00000023067", "ENSMUSG00000023067", "ENSMUSG00000023067", "unknown"),
        ("mouse", "ENSMUSG00000023067.4", "Cdkn1a", "ENSMUSG00000023067", "ensembl"),
        ("mouse", "CDKN1A", "Cdkn1a", "ENSMUSG00000023067", "case"),
        ("mouse", "MT-CO1", "mt-Co1", "ENSMUSG00000064351", "case"),
        ("mouse", "Ctgf", "Ccn2", "ENSMUSG00000019997", "alias"),
        ("mouse", "Tmem173", "Sting1", "ENSMUSG00000024349", "alias"),
    ],
)
def test_names_become_current_symbols(organism, name, symbol, ensembl_id, status):
    row = genes.canonicalise([name], organism).iloc[0]
    found = (row["input"], row["symbol"], row["ensembl_id"], row["status"])
    assert found == (name, symbol, ensembl_id, status)


def test_order_and_repeats_are_kept():
    names = ["IL8", "CXCL8", "x", "IL8", None, ""]
    table = genes.canonicalise(names, "human")
    assert list(table.columns) == ["input", "symbol", "ensembl_id", "status", "note"]
    assert table["input"].tolist() == ["IL8", "CXCL8", "x", "IL8", "", ""]
    assert table["symbol"].tolist() == ["CXCL8", "CXCL8", "x", "CXCL8", "", ""]
    assert len(genes.canonicalise([], "human")) == 0


def test_notes_say_why():
    notes = genes.canonicalise(["1-Mar", "Sep-02", "p21", "SEPT2", ""], "human")["note"].tolist()
    assert "spreadsheet" in notes[0]
    assert "spreadsheet" in notes[1]
    assert "CDKN1A" in notes[2]
    assert notes[3] == "previous symbol"
    assert notes[4] == "empty name"
    assert genes.canonicalise(["ENSMUSG00000023067"], "human")["note"][0] == "not a human id"


@pytest.mark.parametrize("organism", ORGANISMS)
def test_current_symbols_and_ids_are_fixed_points(organism):
    symbols = sorted(genes.symbols(organism))[::7]
    table = genes.canonicalise(symbols, organism)
    assert table["status"].eq("symbol").all()
    back = genes.canonicalise(table["ensembl_id"], organism)
    assert back["symbol"].tolist() == symbols


@pytest.mark.parametrize("organism", ORGANISMS)
def test_aliases_point_to_current_symbols_and_never_shadow_one(organism):
    path = RESOURCES / "genes" / f"{organism}_aliases.tsv.gz"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    current = genes.symbols(organism)
    assert table["alias"].is_unique
    assert table["alias"].str.upper().eq(table["alias"]).all()
    assert not set(table["alias"]) & {symbol.upper() for symbol in current}
    assert {s for row in table["symbol"] for s in row.split("|")} <= current


@pytest.mark.parametrize("path", sorted((RESOURCES / "genes").glob("*.gz")), ids=lambda p: p.name)
def test_gzip_headers_carry_no_time(path):
    assert path.read_bytes()[4:8] == b"\0\0\0\0"
    assert gzip.decompress(path.read_bytes()).endswith(b"\n")


def test_orthologs_are_one_to_one():
    symbols = sorted(genes.symbols("human"))
    table = genes.orthologs(symbols, "human", "mouse")
    assert table["source"].tolist() == symbols
    found = table[table["status"] == "one_to_one"]
    assert len(found) == 17568
    assert found["target"].is_unique
    assert set(found["target"]) <= genes.symbols("mouse")
    back = genes.orthologs(found["target"], "mouse", "human")
    assert back["target"].tolist() == found["source"].tolist()


@pytest.mark.parametrize(
    ("human", "mouse"),
    [
        ("CDKN1A", "Cdkn1a"),
        ("CDKN2A", "Cdkn2a"),
        ("HMGB1", "Hmgb1"),
        ("TP53", "Trp53"),
        ("FASLG", "Fasl"),
        ("KITLG", "Kitl"),
        ("CXCL8", ""),
        ("MMP1", ""),
    ],
)
def test_known_orthologs(human, mouse):
    table = genes.orthologs([human], "human", "mouse")
    assert table["target"][0] == mouse
    assert table["status"][0] == ("one_to_one" if mouse else "none")


def test_same_organism_gives_symbols_back():
    table = genes.orthologs(["A", "B"], "mouse", "mouse")
    assert table["target"].tolist() == ["A", "B"]
    assert table["status"].tolist() == ["same", "same"]


def test_organism_is_seen_in_the_names():
    human = sorted(genes.symbols("human"))[:2000]
    mouse = sorted(genes.symbols("mouse"))[:2000]
    assert genes.detect_organism(human).organism == "human"
    assert genes.detect_organism(mouse).organism == "mouse"
    assert genes.detect_organism(["ENSMUSG00000023067.4", "x"]).organism == "mouse"
    mixed = genes.detect_organism(human + mouse)
    assert (mixed.organism, mixed.mixed) == (None, True)
    nothing = genes.detect_organism([f"peak{i}" for i in range(50)])
    assert (nothing.organism, nothing.mixed) == (None, False)
    assert genes.detect_organism([]).organism is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: genes.canonicalise(["A"], "rat"),
        lambda: genes.orthologs(["A"], "human", "rat"),
        lambda: genes.symbols("rat"),
    ],
)
def test_unknown_organism_is_refused(call):
    with pytest.raises(InputError, match=r"rat.*human, mouse"):
        call()


def _in_capitals(*others: str) -> list[str]:
    shared = ["CDKN1A", "MDM2", "BAX", "IL6", "LMNB1", "CCL2", "GDF15", "ACTB", "GAPDH"]
    return [*shared, *others]


def test_mouse_symbols_in_capitals_are_told_by_those_humans_lack() -> None:
    own = ["TRP53", "H2-K1", "H2-D1", "LY6A", "CCL9", "GM10076", "TRP63"]
    guess = genes.detect_organism(_in_capitals(*own))
    assert guess.organism == "mouse"
    assert "capitals" in guess.note


def test_human_symbols_stay_human() -> None:
    human = _in_capitals("TP53", "CXCL8", "HLA-A", "MMP1", "IFI16")
    assert genes.detect_organism(human).organism == "human"
    assert genes.detect_organism(_in_capitals()).organism == "human"  # nothing tells them apart


@pytest.mark.parametrize("source", ["human", "mouse"])
def test_all_symbols_of_an_organism_in_capitals(source) -> None:
    every = sorted(genes.symbols(source))
    for names in (every, every[::50], every[7::200]):
        assert genes.detect_organism([name.upper() for name in names]).organism == source


def test_renamed_says_what_canonicalise_says():
    names = [
        "TP53", "MLL", "tp53", "ENSG00000124762.14", "ENSG00000000000", "HLA.A", "MARCH1", "1-Mar",
        " CDKN1A ", "nobody", "G6", "IL8", "AC012345.1", "",
    ]  # fmt: skip
    for organism in ("human", "mouse"):
        table = genes.canonicalise(names, organism)
        changed = table[table["symbol"] != table["input"]]
        expected = dict(zip(changed["input"], changed["symbol"], strict=True))
        assert genes.renamed(names, organism) == expected
    with pytest.raises(InputError):
        genes.renamed(["TP53"], "rat")
