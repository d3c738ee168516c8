from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pandas as pd
import pytest

import senoscore as sen
import senoscore.scoring
from senoscore.errors import MethodError
from senoscore.genesets import Gate
from senoscore.kernels.rank import RANK_METHODS
from senoscore.scoring.methods import METHODS, check_methods, methods, parse_exact


def test_table_lists_every_method_with_its_exact_modes():
    table = methods().set_index("method")
    assert list(table.index) == list(METHODS)
    assert {name for name, m in METHODS.items() if m.name != name} == set()
    assert table.loc["ucell", "exact"] == "pyucell==0.8.0, ucell-r"
    assert table.loc["ucell", "depends_on"] == "one cell"
    assert table.loc["seurat", "needs_controls"]
    assert set(RANK_METHODS) < set(METHODS)


def test_names_are_checked_and_kept_once():
    assert check_methods("ucell") == ("ucell",)
    assert check_methods(["aucell", "ucell", "aucell"]) == ("aucell", "ucell")
    with pytest.raises(MethodError, match="did you mean 'ucell'"):
        check_methods("UCel")
    with pytest.raises(MethodError, match="no method"):
        check_methods([])


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("ucell", "pyucell==0.8.0"),
        ("ucell", "ucell-r"),
        ("aucell", "decoupler==2.x"),
        ("aucell", "decoupler==2.3.1"),
        ("aucell", "decoupler"),
        ("ssgsea", "gseapy==1.3.1"),
        ("score_genes", "scanpy==1.12.4"),
    ],
)
def test_exact_modes_that_exist(method, text):
    assert parse_exact(text, (method,))[method] in METHODS[method].exact


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("ucell", "pyucell==0.7.0"),
        ("aucell", "decoupler==1.9"),
        ("ssgsea", "pyucell==0.8.0"),
        ("singscore", "ucell-r"),
        ("ucell", "ucell-r==1.0"),
    ],
)
def test_exact_modes_that_do_not_exist_list_those_that_do(method, text):
    with pytest.raises(MethodError, match=r"ucell: pyucell==0\.8\.0, ucell-r; aucell"):
        parse_exact(text, (method,))


def test_exact_per_method_must_name_a_method_asked_for():
    assert list(parse_exact({"ucell": "ucell-r"}, ("ucell", "aucell"))) == ["ucell"]
    with pytest.raises(MethodError, match="aucell, which is not among"):
        parse_exact({"aucell": "decoupler"}, ("ucell",))
    assert parse_exact(None, ("ucell",)) == {}


def test_the_engine_knows_no_method_by_name() -> None:
    room = Path(senoscore.scoring.__file__).parent
    for name in ("engine", "score", "method", "inputs", "null"):
        text = (room / f"{name}.py").read_text(encoding="utf-8")
        code = re.sub(r'""".*?"""', "", text, flags=re.S)
        named = [method for method in METHODS if f'"{method}"' in code]
        assert named == (["ucell"] if name == "score" else []), "only a default may name one"


def test_a_method_needs_one_object(monkeypatch) -> None:
    """One that nobody has heard of is scored, gated, listed and refused random sets."""

    def plan(names, data):
        genes = data.parts.gene_idx[: data.parts.indptr[1]]
        return lambda block: {names[0]: block.to_csr()[:, genes].max(axis=1).toarray() * 1.0}

    largest = dataclasses.replace(METHODS["gsva"], name="largest", plan=plan)
    monkeypatch.setitem(METHODS, "largest", largest)
    table = pd.DataFrame([[1, 7, 2], [3, 0, 9]], columns=["TP53", "CDKN1A", "MKI67"])
    gate = Gate(min_genes=1)
    scores = sen.score(table, {"arrest": ["TP53", "CDKN1A"]}, methods="largest", gate=gate)
    assert scores["largest:arrest"].tolist() == [7.0, 3.0]
    with pytest.raises(MethodError, match="no null calibration for largest"):
        sen.score(table, {"arrest": ["TP53"]}, methods="largest", gate=gate, null=2)
