from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senoscore.errors import InputError, MethodError, SignatureError
from senoscore.genesets import genes
from senoscore.genesets.align import Gate, align, combine, output_names, part_names
from senoscore.genesets.library import list_signatures, signatures
from senoscore.genesets.read import read_gmt, read_yaml
from senoscore.genesets.signature import Signature, SignatureSet

ROOT = Path(__file__).parents[2]
FACTS = ROOT.parent / "shared" / "signatures"

# --- what is shipped --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "n_up", "n_down"),
    [
        ("senmayo", 124, 0),
        ("fridman", 77, 13),
        ("corescence", 23, 16),
        ("casella_core", 49, 18),
        ("hernandez_segura_core", 32, 23),
        ("sennet_recommended", 50, 0),
        ("fischer_p53_direct", 311, 0),
        ("fischer_dream", 968, 0),
        ("reactome_sasp", 111, 0),
        ("chromatin_nuclear", 0, 9),
    ],
)
def test_sizes_are_the_published_ones(name, n_up, n_down):
    signature = signatures(name)[name]
    assert (len(signature.up), len(signature.down)) == (n_up, n_down)


def test_catalogue_agrees_with_the_genes():
    catalogue = list_signatures()
    assert catalogue["signature"].is_unique
    assert not set(catalogue["category"]) & set(catalogue["signature"])
    for row in catalogue.itertuples():
        signature = signatures(row.signature)[row.signature]
        assert (len(signature.up), len(signature.down)) == (row.n_up, row.n_down)
        assert row.source
        assert row.licence
        assert row.title


def test_every_symbol_is_current():
    for name in list_signatures()["signature"]:
        signature = signatures(name)[name]
        assert set(signature.up + signature.down) <= genes.symbols(signature.organism), name


@pytest.mark.skipif(not FACTS.is_dir(), reason="the gene sets as facts are not beside the checkout")
def test_nothing_was_lost_on_the_way_from_the_facts():
    shipped = set(list_signatures()["signature"])
    facts: dict[tuple[str, str], set[str]] = {}
    with (FACTS / "genes.tsv").open() as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            facts.setdefault((row["set_id"], row["direction"]), set()).add(row["gene"])
    for (name, direction), listed in facts.items():
        if name not in shipped or name.startswith("sasp_") or direction == "unsigned":
            continue
        here = set(getattr(signatures(name)[name], direction))
        current = set(genes.canonicalise(listed, "human")["symbol"])
        dropped = {"AC002480.1", "AC074135.1", "CCL3L1", "CDC7L"}
        assert current - here <= dropped, name
        assert here - current <= {"CDCA7L"}, name


def test_unsigned_lists_only_on_request():
    unsigned = set(signatures("unsigned"))
    assert unsigned == {"cellage", "chicas_rb1_senescent", "freund_sasp_network"}
    assert not unsigned & set(signatures("all"))
    assert set(signatures()) == set(signatures("all"))


def test_axes_do_not_share_what_would_make_one_evidence_two():
    sets = signatures()
    sasp = set(sets["sasp_secreted"].up) | set(sets["senmayo"].up)
    p53 = set(sets["p53_targets"].up)
    assert "CDKN1A" not in p53
    assert not p53 & sasp
    assert not p53 & set(sets["proliferation"].up + sets["cdki"].up + sets["ddr"].up)
    assert p53 <= set(sets["fischer_p53_direct"].up)
    assert set(sets["e2f_dream_core"].up) <= set(sets["fischer_dream"].up)
    assert not set(sets["ddr"].up) & sasp
    assert not set(sets["nfkb_targets"].up) & set(sets["sasp_secreted"].up)


@pytest.mark.parametrize(
    ("family", "members"),
    [
        ("sasp_interleukin", {"IL6", "IL1A", "IL1B", "TNF"}),
        ("sasp_chemokine", {"CXCL8", "CXCL1", "CCL2"}),
        ("sasp_growth_factor", {"CSF2", "HGF", "TGFB1", "INHBA"}),
        ("sasp_protease", {"MMP3", "CTSB", "PLAU"}),
        ("sasp_protease_inhibitor", {"SERPINE1", "SERPINE2", "SERPINB2"}),
        ("sasp_igfbp", {"IGFBP3", "IGFBP7"}),
        ("sasp_soluble_receptor", {"PLAUR", "ICAM1"}),
        ("sasp_angiogenic", {"VEGFA", "CXCL8", "FGF2"}),
    ],
)
def test_sasp_families_have_the_genes_the_field_names(family, members):
    assert members <= set(signatures("sasp_family")[family].up)


@pytest.mark.parametrize(
    ("file", "by"), [("markers", ["compartment"]), ("substates", ["compartment", "substate"])]
)
def test_markers_are_current_specific_and_no_evidence_of_senescence(file, by):
    path = ROOT / "resources" / "compartments" / f"{file}.tsv"
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert table["gene"].is_unique
    assert set(table["gene"]) <= genes.symbols("human")
    assert (table.groupby(by).size() >= 8).all()
    assert table["source"].str.contains(r"\d{4}, ").all()
    evidence = ["senescence_core", "sasp", "sasp_family", "sasp_phase", "arrest", "scap"]
    evidence += ["chromatin", "lysosomal", "nfkb", "jak_stat", "interferon", "ros"]
    for signature in signatures(*evidence, "p53_targets", "proliferation", "g1s", "g2m").values():
        if not signature.name.startswith("reactome_ifn"):
            shared = set(table["gene"]) & set(signature.up + signature.down)
            assert not shared, signature.name


def test_compartments_have_an_ontology_id_and_tumour_is_glioma():
    path = ROOT / "resources" / "compartments" / "markers.tsv"
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert table["cell_ontology_id"].str.fullmatch(r"CL:\d{7}").all()
    assert set(table.loc[table["compartment"] == "tumour", "context"]) == {"glioma"}


# --- organisms --------------------------------------------------------------------------


def test_mapping_reports_what_is_lost():
    mouse = signatures({"s": {"up": ["CXCL8", "IL6"], "down": ["LMNB1"]}}, organism="mouse")
    assert mouse["s"].up == ("Il6",)
    assert mouse["s"].down == ("Lmnb1",)
    assert mouse.lost.to_dict("records") == [{"signature": "s", "direction": "up", "gene": "CXCL8"}]
    _, coverage = align(mouse, ["Il6", "Lmnb1"])
    assert coverage.loc[0, ["n_listed", "n_found", "missing"]].tolist() == [2, 1, "CXCL8"]
    assert coverage["gate"].tolist() == ["fail", "pass"]


def test_down_side_lost_altogether_still_fails_openly():
    mouse = signatures({"s": {"up": ["IL6"], "down": ["CXCL8"]}}, organism="mouse")
    index, coverage = align(mouse, ["Il6"])
    assert part_names(mouse) == ("s_up", "s_down")
    assert index.passed.tolist() == [True, False]
    assert coverage["n_listed"].tolist() == [1, 1]


def test_mouse_list_is_preferred_where_shipped():
    assert "Eif2s3y" in signatures("sex_xist_y", organism="mouse")["sex_xist_y"].down
    assert "RPS4Y1" in signatures("sex_xist_y", organism="human")["sex_xist_y"].down
    assert "sex_xist_y_mouse" not in signatures("all", organism="mouse")


def test_weights_follow_their_genes():
    sets = signatures({"s": {"up": ["IL8", "IL6"], "weights": {"IL8": 2, "IL6": 3}}})
    assert sets["s"].weights == {"CXCL8": 2, "IL6": 3}
    assert sets.for_organism("mouse")["s"].weights == {"Il6": 3}


def test_organism_of_own_lists_is_seen_or_stated():
    assert signatures({"s": ["Cdkn1a", "Il6", "Mki67"]})["s"].organism == "mouse"
    assert signatures({"s": ["CDKN1A", "IL6"]})["s"].organism == "human"
    stated = signatures({"s": {"up": ["CDKN1A"], "organism": "mouse"}})["s"]
    assert (stated.up, stated.organism) == (("Cdkn1a",), "mouse")


# --- align and combine ------------------------------------------------------------------


def test_align_gives_ascending_columns_and_their_weights():
    sets = signatures(
        {"s": {"up": ["MKI67", "IL6", "TP53"], "weights": {"MKI67": 2, "IL6": 3, "TP53": 4}}}
    )
    index, _ = align(sets, ["TP53", "x", "IL6", "MKI67"])
    assert index.gene_idx.tolist() == [0, 2, 3]
    assert index.weight.tolist() == [4, 3, 2]
    assert index.indptr.tolist() == [0, 3]
    assert index.indptr.dtype == index.gene_idx.dtype == np.int64


@pytest.mark.parametrize(
    ("n_found", "n_listed", "passes"),
    [(5, 10, True), (4, 8, False), (5, 11, False), (3, 3, True), (2, 3, False), (0, 0, False)],
)
def test_gate(n_found, n_listed, passes):
    assert Gate().passes(n_found, n_listed) is passes


@pytest.mark.parametrize("bad", [{"min_fraction": 1.1}, {"min_fraction": -0.1}, {"min_genes": 0}])
def test_gate_refuses_nonsense(bad):
    with pytest.raises(MethodError):
        Gate(**bad)


def test_repeated_gene_names_are_refused():
    with pytest.raises(InputError, match="IL6"):
        align(signatures("senmayo"), ["IL6", "IL6"])


def test_up_and_down_meet_openly():
    sets = signatures(
        {"a": ["IL6"], "b": {"up": ["TNF"], "down": ["LMNB1"]}, "c": {"down": ["TOP2A"]}}
    )
    assert part_names(sets) == ("a", "b_up", "b_down", "c_down")
    parts = np.array([[0.1, 0.2, 0.9, 0.5], [0.3, 0.4, np.nan, 0.0]])
    out = combine(parts, sets)
    assert tuple(out) == output_names(sets) == ("a", "b_up", "b_down", "b", "c_down", "c")
    np.testing.assert_allclose(out["b"], [-0.7, np.nan])
    np.testing.assert_allclose(out["c"], [-0.5, 0.0])
    by_name = combine({name: parts[:, i] for i, name in enumerate(part_names(sets))}, sets)
    np.testing.assert_array_equal(by_name["b"], out["b"])
    with pytest.raises(ValueError, match="shape"):
        combine(parts[:, :2], sets)
    with pytest.raises(ValueError, match="b_down"):
        combine({"a": parts[:, 0], "b_up": parts[:, 1], "c_down": parts[:, 3]}, sets)


# --- real matrices ----------------------------------------------------------------------

REALDATA = ROOT.parent / "shared" / "realdata"


def _names(study: str, file: str) -> list[str]:
    path = REALDATA / study / file
    if not path.exists():
        pytest.skip(f"{study} is not beside the checkout")
    return pd.read_csv(path, sep="\t", usecols=[0]).iloc[:, 0].tolist()


@pytest.mark.realdata
def test_half_missing_senmayo_is_not_scored_in_fibroblasts():
    names = _names("gse63577_fibroblasts_replicative_bulk", "normalised.tsv.gz")
    symbols = genes.canonicalise(names, "human")["symbol"].unique()
    _, coverage = align(signatures("senmayo", "proliferation"), symbols)
    assert coverage["n_found"][0] == 58
    assert coverage["gate"].tolist() == ["fail", "pass"]


@pytest.mark.realdata
def test_mouse_bulk_is_recognised_and_covered():
    names = _names("gse281695_a20_lymphoma_irradiated_bulk", "counts.tsv.gz")
    assert genes.detect_organism(names).organism == "mouse"
    table = genes.canonicalise(names, "mouse")
    assert table["status"].eq("ensembl").mean() > 0.95
    _, coverage = align(signatures("all", organism="mouse"), table["symbol"].unique())
    assert coverage.loc[coverage["gate"] == "fail", "signature"].tolist() == ["nkg2d_ligands"]


# --- files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("MY SET", "MY_SET"),
        ("5FU_SET", "set_5FU_SET"),
        ("Cellular senescence (GO:0090398)", "Cellular_senescence_GO_0090398"),
        ("IL-6/JAK/STAT3 Signaling", "IL-6_JAK_STAT3_Signaling"),
        ("../../x", "set_.._.._x"),
        ("GOBP_" + "X" * 80, "GOBP_" + "X" * 59),
        ("A.b-c_1", "A.b-c_1"),
    ],
)
def test_names_of_gmt_sets_are_made_valid(given, name, caplog):
    with caplog.at_level("INFO"):
        (made,) = read_gmt(f"{given}\tna\tIL6\tTNF\n")
    assert made.name == name
    assert (f"{given!r} is called {name}" in caplog.text) == (given != name)
    assert (f"called {given!r} in its file" in made.note) == (given != name)


def test_a_pair_of_long_names_stays_a_pair():
    long = "GOBP LONG " + "X" * 80
    (made,) = read_gmt(f"{long}_UP\tna\tIL6\n{long}_DN\tna\tTNF\n")
    assert (made.up, made.down) == (("IL6",), ("TNF",))


def test_gmt_pairs_become_one_signed_signature(tmp_path):
    text = "X_UP\tabout\tIL8\tIL6\t\nX_DN\tabout\tLMNB1\nY\t\tTNF\tTNF\nZ_DOWN\tna\tTOP2A\n"
    path = tmp_path / "sets.gmt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    sets = signatures(path)
    assert list(sets) == ["X", "Y", "Z"]
    assert (sets["X"].up, sets["X"].down) == (("CXCL8", "IL6"), ("LMNB1",))
    assert "IL8 -> CXCL8" in sets["X"].note
    assert sets["Y"].up == ("TNF",)
    assert (sets["Z"].up, sets["Z"].down) == ((), ("TOP2A",))


def test_yaml_and_tables_agree(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "s:\n  up: [IL6, CXCL8]\n  down: [LMNB1]\n  weights: {IL6: 2}\n  title: mine\n"
    )
    (tmp_path / "a.tsv").write_text(
        "source\ttarget\tweight\ns\tIL6\t2\ns\tCXCL8\t1\ns\tLMNB1\t-1\n"
    )
    (tmp_path / "a.csv").write_text(
        "signature,gene,direction,weight\ns,IL6,up,2\ns,CXCL8,up,1\ns,LMNB1,down,1\n"
    )
    frame = pd.DataFrame({"source": "s", "target": ["IL6", "CXCL8", "LMNB1"], "weight": [2, 1, -1]})
    found = [signatures(tmp_path / f"a.{kind}") for kind in ("yaml", "tsv", "csv")]
    found.append(signatures(frame))
    assert len({sets.sha256 for sets in found}) == 1
    assert found[0]["s"].title == "mine"
    assert list(signatures(*found)) == ["s"]


def test_saved_set_comes_back_whole(tmp_path):
    sets = signatures("fridman", "sasp_chemokine", {"w": {"up": ["IL6"], "weights": {"IL6": 2.5}}})
    for each in (sets, sets.for_organism("mouse")):
        each.save(tmp_path / "sets.tsv")
        back = SignatureSet.read(tmp_path / "sets.tsv")
        assert dict(back) == dict(each)
        assert back.sha256 == each.sha256
        pd.testing.assert_frame_equal(back.lost, each.lost, check_dtype=False)
    assert [p.name for p in tmp_path.iterdir()] == ["sets.tsv"]


def test_a_saved_set_holds_no_formula_and_is_seen_to_be_cut(tmp_path):
    sets = signatures({"w": {"up": ["=cmd|calc!A1", "IL6"], "title": "@SUM(A1)"}})
    sets.save(tmp_path / "sets.tsv")
    lines = (tmp_path / "sets.tsv").read_text().splitlines()
    assert not any(field[:1] in "=@" for line in lines for field in line.split("\t") if field)
    back = SignatureSet.read(tmp_path / "sets.tsv")
    assert (back["w"].up, back["w"].title) == (("=cmd|calc!A1", "IL6"), "@SUM(A1)")
    (tmp_path / "sets.tsv").write_text("\n".join(lines[:2]) + "\n")
    with pytest.raises(InputError, match="cut short"):
        SignatureSet.read(tmp_path / "sets.tsv")


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.gmt", "X IL6 TNF\n", "line 1.*tab"),
        ("a.gmt", "X\tna\tIL6\nX\tna\tTNF\n", "line 2.*duplicated"),
        ("a.gmt", "X\tna\tIL6\nX_UP\tna\tTNF\n", "line 2.*duplicated"),
        ("a.gmt", "X_UP\tna\tIL6\nX_DN\tna\tIL6\n", "up and in down.*IL6"),
        ("a.gmt", "\tna\tIL6\n", "invalid signature name"),
        ("a.gmt", "m s\tna\tIL6\nm_s\tna\tTNF\n", "line 2: 'm s' and 'm_s' both become 'm_s'"),
        ("a.gmt", "\n", "no gene sets"),
        ("a.yaml", "s: [IL6]\ns: [TNF]\n", "duplicated"),
        ("a.yaml", "s: {upp: [IL6]}\n", "upp"),
        ("a.yaml", "s: [NO]\n", "quote gene names"),
        ("a.yaml", "s: IL6\n", "expected a list"),
        ("a.yaml", "s: []\n", "no genes"),
        ("a.yaml", "s: {up: [IL6], weights: {IL6: .nan}}\n", "weight of IL6"),
        ("a.yaml", "s: {up: [IL6], weights: {TNF: 1}}\n", "weights for genes not in it"),
        ("a.yaml", "s: {up: [IL8, CXCL8], down: [IL8]}\n", "up and in down"),
        ("a.yaml", "s: {up: [IL6], organism: rat}\n", "rat"),
        ("a.yaml", "s: [", "not valid YAML"),
        ("a.yaml", "- IL6\n", "expected signature names"),
        ("a.yaml", "!!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("a.tsv", "source\ttarget\tweight\ns\tIL6\tNaN\n", "row 1.*s/IL6"),
        ("a.tsv", "source\ttarget\tweight\ns\tIL6\t0\n", "row 1.*s/IL6"),
        ("a.tsv", "source\ttarget\tweight\ns\tIL6\t1\ns\tIL6\t-1\n", "IL6 with weights"),
        ("a.tsv", "source\tgene\ns\tIL6\n", "no column target"),
        ("a.tsv", "signature\tgene\tdirection\ns\tIL6\tupwards\n", "upwards"),
        ("a.tsv", "source\ttarget\n", "no rows"),
        ("a.csv", "", "not a table"),
        ("a.pkl", "x", "unknown kind"),
        ("all.yaml", "all: [IL6]\n", "reserved"),
    ],
)
def test_errors_say_where_and_what(tmp_path, name, text, match):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SignatureError, match=match) as caught:
        signatures(path)
    assert name in str(caught.value)


def test_missing_file_and_unreadable_bytes(tmp_path):
    with pytest.raises(SignatureError, match="no such"):
        signatures(tmp_path / "none.gmt")
    bad = tmp_path / "bad.gmt.gz"
    bad.write_bytes(b"not gzip")
    with pytest.raises(SignatureError, match="cannot be read"):
        signatures(bad)


def test_closest_names_are_offered():
    with pytest.raises(SignatureError, match="senmayo"):
        signatures("senmajo")


def test_one_name_two_contents_is_refused():
    with pytest.raises(SignatureError, match=r"senmayo.*built-in 'senmayo'.*source 2"):
        signatures("senmayo", {"senmayo": ["IL6"]})
    assert len(signatures("senmayo", "senmayo", "sasp")) == len(signatures("sasp"))


@pytest.mark.parametrize("part", ["x_up", "x_down"])
def test_name_of_a_part_is_refused(part):
    with pytest.raises(SignatureError, match=part):
        signatures({"x": ["IL6"], part: ["TNF"]})


def test_gene_twice_is_refused_in_a_signature():
    with pytest.raises(SignatureError, match="twice: IL6"):
        Signature("s", ("IL6", "IL6"))


# --- parsers, whatever comes ------------------------------------------------------------

_GENES = st.lists(st.sampled_from(["IL6", "TNF", "CXCL8", "LMNB1", "TOP2A", "TP53"]), min_size=1)
_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9.-]{0,12}", fullmatch=True).filter(lambda n: n != "all")


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(_NAMES, _GENES, min_size=1, max_size=5))
def test_gmt_round_trip(sets):
    text = "\n".join(f"{name}\tna\t" + "\t".join(listed) for name, listed in sets.items())
    parsed = {signature.name: signature.up for signature in read_gmt(text)}
    assert parsed == {name: tuple(dict.fromkeys(listed)) for name, listed in sets.items()}


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_parsers_raise_nothing_but_signature_errors(text):
    for parse in (read_gmt, read_yaml):
        try:
            made = parse(text)
        except SignatureError:
            continue
        assert all(isinstance(signature, Signature) for signature in made)
