"""A table without one of its columns: every verb names it, or does without; none ends in a slip."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import senoscore as sen
from senoscore.errors import SenoscoreError
from senoscore.questions import blood_changes, external_pairs, outcome_subjects
from senoscore.study import read_samples
from tests import drug_study
from tests.biology.test_sample_values import expression
from tests.inference.test_invariances import PAIRS, cells, sheet

if TYPE_CHECKING:
    from collections.abc import Callable

Tables = dict[str, pd.DataFrame]


@cache
def called() -> pd.DataFrame:
    own = cells(("tumour",), n=31)
    return own.loc[:, ~own.columns.str.startswith("ucell:")]


@cache
def burden() -> pd.DataFrame:
    return sen.burden(called())


@cache
def trend() -> pd.DataFrame:
    return sen.trend(burden(), measures=["fraction_senescent"])


@cache
def arms() -> pd.DataFrame:
    return sen.arms(drug_study.burden(), control="sham")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Tables of the study of a drug, as read."""
    folder = drug_study.write_study(tmp_path_factory.mktemp("drug") / "study")
    samples = read_samples(folder / "samples.tsv")
    return {
        "burden": drug_study.burden(),
        "samples": samples,
        "plasma": sen.read_plasma(folder / "plasma.tsv", samples),
        "outcomes": sen.read_outcome(folder / "outcome.tsv", samples),
        "measured": sen.read_external(folder / "external.tsv", samples),
        "further": drug_study.target_values(),
    }


def means() -> pd.DataFrame:
    return expression(tuple(sheet()["sample"]))


def crosstalk() -> pd.DataFrame:
    return sen.crosstalk(means(), sheet(), pairs=PAIRS).assign(known="known", status="tested")


@cache
def late() -> pd.DataFrame:
    """One time and few columns: what is slow is asked less."""
    own = burden()[burden()["days_post_rt"] == 28].reset_index(drop=True)
    spare = own.columns.str.startswith(("mean:", "n_")) & ~own.columns.isin(
        ["mean:z:sasp", "n_cells", "n_assessable", "n_positive", "n_cycling", "n_escaped"]
    )
    return own.loc[:, ~spare]


SHAM: dict[str, Any] = {"control": "sham"}
BURDEN = ["fraction_senescent"]
OWN: dict[str, tuple[Callable[..., Any], Callable[[], Tables], dict[str, Any]]] = {
    "burden": (sen.burden, lambda: {"data": called()}, {}),
    "burden_of_sheet": (
        sen.burden,
        lambda: {"data": called()[["sample", "compartment", "panel_positive", "senescence_state",
                                   "senescence_index"]], "samples": sheet()},
        {},
    ),
    "trend": (sen.trend, lambda: {"burden": burden()}, {"measures": BURDEN}),
    "families": (sen.families, lambda: {"table": trend()}, {}),
    "readouts": (sen.readouts, lambda: {"burden": burden(), "trend": trend()}, {}),
    "sensitivity": (sen.sensitivity, lambda: {"burden": burden()}, {}),
    "tissue_burden": (sen.tissue_burden, lambda: {"burden": burden()}, {}),
    "spread_of": (sen.spread_of, lambda: {"burden": late()}, {}),
    "confounders": (sen.confounders, lambda: {"cells": called(), "burden": late()}, {}),
    "escape": (sen.escape, lambda: {"burden": late()}, {}),
    "window": (sen.window, lambda: {"burden": late(), "trend": trend()}, {}),
    "targets": (sen.targets, lambda: {"expression": means(), "samples": sheet()}, {}),
    "target_values": (sen.target_values, lambda: {"expression": expression()}, {}),
    "crosstalk": (
        sen.crosstalk, lambda: {"expression": means(), "samples": sheet(), "pairs": PAIRS}, {}
    ),
    "crosstalk_values": (
        sen.crosstalk_values, lambda: {"expression": means(), "samples": sheet(), "pairs": PAIRS},
        {},
    ),
    "efficacy": (sen.efficacy, lambda: {"arms": arms()}, {}),
    "side_by_side": (sen.side_by_side, lambda: {"table": sen.efficacy(arms())}, {}),
    "pl.answers": (sen.pl.answers_table, lambda: {"table": arms()}, {}),
    "pl.composition": (sen.pl.composition_table, lambda: {"burden": burden()}, {}),
    "pl.confounding": (
        sen.pl.confounding_table, lambda: {"confounders": sen.confounders(called(), burden())}, {}
    ),
    "pl.crosstalk": (sen.pl.crosstalk_table, lambda: {"table": crosstalk()}, {}),
    "pl.design_map": (sen.pl.design_table, lambda: {"samples": sheet()}, {}),
    "pl.forest": (sen.pl.forest_table, lambda: {"trend": trend()}, {}),
    "pl.heatmap": (sen.pl.heatmap_table, lambda: {"burden": burden(), "trend": trend()}, {}),
    "pl.sasp": (sen.pl.sasp, lambda: {"burden": burden()}, {}),
    "pl.states": (sen.pl.states_table, lambda: {"burden": burden()}, {}),
    "pl.timecourse": (sen.pl.timecourse_table, lambda: {"burden": burden()}, {}),
    "pl.window": (sen.pl.window_table, lambda: {"times": sen.window(burden(), trend()).times}, {}),
}  # fmt: skip
"""Verbs, the tables that they take, and options."""
OF_DRUGS: dict[str, tuple[Callable[..., Any], tuple[str, ...], dict[str, Any]]] = {
    "arms": (sen.arms, ("burden", "further"), SHAM | {"measures": BURDEN}),
    "regions": (sen.regions, ("burden", "further"), SHAM | {"measures": BURDEN}),
    "blood": (sen.blood, ("plasma", "samples", "burden"), SHAM),
    "plasma": (lambda plasma: sen.plasma(plasma), ("plasma",), {}),
    "outcome": (
        sen.outcome, ("burden", "outcomes"), SHAM | {"landmark_days": 14, "measures": BURDEN}
    ),
    "external": (sen.external, ("burden", "samples", "measured"), SHAM),
    "blood_changes": (blood_changes, ("plasma", "samples"), SHAM),
    "outcome_subjects": (outcome_subjects, ("burden", "outcomes"), SHAM | {"landmark_days": 14}),
    "external_pairs": (external_pairs, ("burden", "samples", "measured"), SHAM),
}  # fmt: skip


def lacking(verb: Callable[..., Any], tables: Tables, options: dict[str, Any]) -> list[str]:
    """Columns without which a verb ends in something that is no answer to its caller."""
    verb(**{name: table.copy() for name, table in tables.items()}, **options)
    return [
        slip
        for name, table in tables.items()
        for slip in _without(verb, tables, name, list(table.columns), options)
    ]


def _without(
    verb: Callable[..., Any], tables: Tables, name: str, columns: list[str], options: dict[str, Any]
) -> list[str]:
    """Slips without some columns; those that it does without are tried together."""
    try:
        verb(**{**tables, name: tables[name].drop(columns=columns)}, **options)
    except SenoscoreError as error:
        if len(columns) == 1:
            named = columns[0] in str(error) or "no " in str(error)
            return [] if named else [f"{name}.{columns[0]}: {error}"]
    except Exception as error:  # noqa: BLE001 - what must not come
        if len(columns) == 1:
            return [f"{name}.{columns[0]}: {type(error).__name__} {error}"]
    else:
        return []
    half = len(columns) // 2
    parts = columns[:half], columns[half:]
    return [slip for part in parts for slip in _without(verb, tables, name, part, options)]


@pytest.mark.parametrize("name", OWN)
def test_a_lacking_column_is_named_or_done_without(name: str) -> None:
    verb, tables, options = OWN[name]
    assert lacking(verb, tables(), options) == []


@pytest.mark.parametrize("name", OF_DRUGS)
def test_a_lacking_column_of_a_drug_study_is_named_or_done_without(
    name: str, study: Tables
) -> None:
    verb, needed, options = OF_DRUGS[name]
    assert lacking(verb, {table: study[table] for table in needed}, options) == []


def test_every_verb_of_tables_is_asked() -> None:
    asked = {name.removesuffix("_of_sheet") for name in (*OWN, *OF_DRUGS)}
    there = set()
    for name in sen.__all__:
        thing = getattr(sen, name)
        if inspect.isfunction(thing):
            first = next(iter(inspect.signature(thing).parameters.values()), None)
            if first is not None and str(first.annotation) == "pd.DataFrame":
                there.add(name)
    # ``enrichment`` is asked with its own tables of genes in tests/inference/test_pseudobulk.py.
    assert there - asked <= {"enrichment"}


def test_words_without_a_standard_error_say_where_it_comes_from() -> None:
    with pytest.raises(sen.errors.InputError, match=r"no column 'fraction_se' — .*sen\.arms"):
        sen.efficacy(arms().drop(columns="fraction_se"))
