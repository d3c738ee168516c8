"""One meaning of ``control`` everywhere, and an answer to what is no table."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore import names as k
from senoscore.errors import ConfigError, InputError
from senoscore.study.given import takes
from tests.inference.test_invariances import cells

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES: dict[str, Callable[..., pd.DataFrame]] = {
    "trend": sen.trend,
    "readouts": sen.readouts,
    "sensitivity": sen.sensitivity,
    "tissue_burden": sen.tissue_burden,
    "confounders": lambda burden, **of: sen.confounders(cells(), burden, **of),
    "window": lambda burden, **of: sen.window(burden, sen.trend(burden, **of), **of).times,
    "escape": lambda burden, **of: sen.escape(burden, **of),
}


@pytest.fixture(scope="module")
def burden() -> pd.DataFrame:
    return sen.burden(cells())


@pytest.mark.parametrize("name", TABLES)
def test_word_and_column_mean_the_same_controls(name: str, burden: pd.DataFrame) -> None:
    own = TABLES[name](burden)
    for control in ("control", {"treatment": "control"}):
        pd.testing.assert_frame_equal(TABLES[name](burden, control=control), own)


def test_burden_takes_every_form_of_control(burden: pd.DataFrame) -> None:
    for control in ("control", {"treatment": "control"}):
        pd.testing.assert_frame_equal(sen.burden(cells(), control=control), burden)


@pytest.mark.parametrize("name", [*TABLES, "burden"])
def test_a_word_that_no_sample_has_is_an_error_with_the_likely_one(
    name: str, burden: pd.DataFrame
) -> None:
    ask = TABLES.get(name, lambda _, **of: sen.burden(cells(), **of))
    with pytest.raises(InputError, match=r"did you mean control='control'\?"):
        ask(burden, control="Sham")
    with pytest.raises(ConfigError, match="compared by their column 'treatment'"):
        ask(burden, control={"arm": "control"})


def test_studies_without_controls_are_still_read() -> None:
    own = cells()
    own = own[own["treatment"] != "control"]
    burden = sen.burden(own)
    assert set(burden["status"]) <= {"no_control", "ok", "acute", "few_cells"}
    assert set(sen.trend(burden)["status"]) != {"tested"}


@pytest.mark.parametrize(
    "word", ["sham", "no_RT", "0 Gy", "0_Gy", "Unirradiated", "not irradiated", "naive", "pre_RT"]
)
def test_words_for_unirradiated(word: str) -> None:
    assert k.means_control(word)


@pytest.mark.parametrize("word", ["10 Gy", "2.0 Gy", "irradiated", "RT", "presenescent"])
def test_words_that_are_no_control(word: str) -> None:
    assert not k.means_control(word)


def object_of_cells() -> ad.AnnData:
    adata = ad.AnnData(obs=pd.DataFrame({"sample": ["a", "b"]}, index=["x", "y"]))
    adata.obsm["X_umap"] = np.zeros((2, 2))
    return adata


def takers() -> list[Any]:
    found = []
    for room in (sen, sen.pl):
        for name in room.__all__:
            thing = getattr(room, name)
            if not inspect.isfunction(thing) or name in ("arms", "axes_of", "main_arm", "to_tsv"):
                continue
            if name == "substate_shares":  # its room stands to the left of ``takes``
                continue
            first = next(iter(inspect.signature(thing).parameters.values()), None)
            if first is not None and str(first.annotation) in ("pd.DataFrame", "DataFrame"):
                found.append(pytest.param(thing, id=f"{room.__name__}.{name}"))
    return found


def test_there_are_functions_of_tables() -> None:
    assert len(takers()) > 35


@pytest.mark.parametrize("function", takers())
def test_an_object_of_cells_is_answered(function: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"make it with|give "):
        function(object_of_cells())


def test_confounders_read_an_object_of_cells(burden: pd.DataFrame) -> None:
    own = cells()
    adata = ad.AnnData(obs=own.loc[:, ~own.columns.str.contains(":")].set_axis(own.index.map(str)))
    z = own.filter(like="z:").rename(columns=lambda name: name.removeprefix("z:"))
    adata.obsm[k.OBSM_EVIDENCE] = z.set_axis(adata.obs_names)
    score = own[["ucell:senmayo"]].rename(columns={"ucell:senmayo": "senmayo"})
    adata.obsm["score_ucell"] = score.set_axis(adata.obs_names)
    pd.testing.assert_frame_equal(sen.confounders(adata, burden), sen.confounders(own, burden))


def test_substates_are_counted_where_they_were_looked_for() -> None:
    with pytest.raises(InputError, match=r"run sen\.compartments\(adata\) first"):
        sen.substate_shares(object_of_cells())


@pytest.mark.parametrize(
    ("function", "table", "column"),
    [
        ("families", "trend", "q"),
        ("tissue_burden", "burden", "share"),
        ("readouts", "trend", "question"),
        ("readouts", "trend", "compartment"),
        ("escape", "burden", "n_escaped"),
        ("window", "burden", "n_cells"),
    ],
)
def test_a_column_that_a_table_lacks_is_named(
    function: str, table: str, column: str, burden: pd.DataFrame
) -> None:
    given = {"burden": burden, "trend": sen.trend(burden, measures=["fraction_senescent"])}
    given[table] = given[table].drop(columns=column)
    taken = inspect.signature(getattr(sen, function)).parameters
    names = {"table": "trend"} if "table" in taken else {n: n for n in given if n in taken}
    with pytest.raises(InputError, match=f"column '{column}' — make .*sen\\.{table}"):
        getattr(sen, function)(**{name: given[of] for name, of in names.items()})


def test_a_slip_of_ours_does_not_read_like_a_fault_of_the_input() -> None:
    @takes(table="sen.burden(adata)")
    def broken(table: pd.DataFrame) -> int:
        return {"a": 1}["no_column"] + len(table)

    with pytest.raises(KeyError, match="no_column"):
        broken(pd.DataFrame({"a": [1]}))


def test_a_sasp_family_is_asked_once_as_the_axis_that_it_is(burden: pd.DataFrame) -> None:
    table = burden.assign(
        **{
            "mean:z:sasp": 0.0, "mean:z:sasp_chemokine": 0.0, "mean:ucell:sasp_chemokine": 0.0,
            "mean:ucell:sasp_secreted": 0.0, "mean:ucell:sasp_chronic": 0.0,
        }
    )  # fmt: skip
    asked = set(sen.trend(table)["measure"])
    assert {"z:sasp", "z:sasp_chemokine", "ucell:sasp_chronic"} <= asked
    assert not asked & {"ucell:sasp_chemokine", "ucell:sasp_secreted"}
