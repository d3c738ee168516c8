"""What must not change an answer: order, names, and compartments that have nothing to do with it.

Counts and words are equal; numbers to 1e-9, since sums of the same values in another order have
other last bits.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore.errors import InputError
from senoscore.inference.burden import tissue_burden
from senoscore.inference.readouts import readouts
from senoscore.inference.sensitivity import sensitivity

if TYPE_CHECKING:
    from collections.abc import Callable

COMPARTMENTS = ("astrocyte", "tumour")
DAYS = (3.0, 14.0, 28.0)


def sheet() -> pd.DataFrame:
    """Three animals an arm and day, one of them with two samples in the last group."""
    rows: list[dict[str, Any]] = []
    for treatment, day, i in product(("control", "irradiated"), DAYS, range(3)):
        rows.append(
            {
                "sample": f"{treatment[:3]}{day:g}_{i}", "subject": f"m{len(rows)}",
                "treatment": treatment, "dose_gy": 8.0 * (treatment == "irradiated"),
                "n_fractions": 1.0, "modality": "photon", "days_post_rt": day,
                "batch": f"b{i % 2}", "region": "", "dataset": "d", "assay": "sc",
                "organism": "mouse",
            }
        )  # fmt: skip
    rows.append(rows[-1] | {"sample": "irr28_again"})
    return pd.DataFrame(rows)


def cells(compartments: tuple[str, ...] = COMPARTMENTS, n: int = 40) -> pd.DataFrame:
    """Called cells; those of a compartment do not depend on which others there are."""
    parts = []
    for number, row in enumerate(sheet().to_dict("records")):
        for compartment in compartments:
            rng = np.random.default_rng([number, len(compartment)])
            share = 0.05 + 0.01 * row["days_post_rt"] * (row["treatment"] != "control")
            positive = rng.random(n) < share
            parts.append(
                pd.DataFrame(
                    row | {
                        "compartment": compartment,
                        "senescence_state": np.where(positive, "senescent", "other"),
                        "senescence_index": rng.normal(positive),
                        "panel_positive": positive, "n_counts": rng.integers(800, 1200, n),
                        "z:sasp": rng.normal(positive), "z:proliferation": rng.normal(size=n),
                        "ucell:senmayo": rng.random(n),
                    }
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def shuffled(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    order = np.random.default_rng(seed).permutation(len(table))
    return table.iloc[order].reset_index(drop=True)


def alike(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, rtol=1e-9, atol=1e-9)


TABLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "trend": sen.trend,
    "logit": lambda b: sen.trend(b, transform="logit"),
    "formula": lambda b: sen.trend(  # a formula averages nothing
        b[b["sample"] != "irr28_again"], "~ treatment * log_days + batch"
    ),
    "window times": lambda b: sen.window(b, sen.trend(b)).times,
    "window phases": lambda b: sen.window(b, sen.trend(b)).phases,
    "window contrasts": lambda b: sen.window(b, sen.trend(b)).contrasts,
    "readouts": lambda b: readouts(b, sen.trend(b)),
    "sensitivity": sensitivity,
    "tissue": tissue_burden,
    "confounders": lambda b: sen.confounders(cells(), b),
}


def test_order_of_the_cells_changes_no_burden() -> None:
    alike(sen.burden(cells()), sen.burden(shuffled(cells())))


def test_order_of_the_sheet_changes_no_bit() -> None:
    design = [c for c in sheet() if c not in ("sample", "dataset", "assay", "organism")]
    bare = cells().drop(columns=design)
    one, other = (sen.burden(bare, samples=s) for s in (sheet(), shuffled(sheet())))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize("name", TABLES)
def test_order_of_the_burden_changes_no_table(name: str) -> None:
    table = sen.burden(cells())
    alike(TABLES[name](table), TABLES[name](shuffled(table)))


@pytest.mark.parametrize("name", ["trend", "window times", "readouts", "sensitivity"])
def test_names_of_samples_and_subjects_change_no_table(name: str) -> None:
    """The new names sort the other way round."""
    table = sen.burden(cells())
    renamed = table.copy()
    for column in ("sample", "subject", "batch"):
        old = sorted(table[column].unique())
        renamed[column] = table[column].map({o: f"n{len(old) - i:02d}" for i, o in enumerate(old)})
    alike(TABLES[name](table), TABLES[name](renamed))


@pytest.mark.parametrize("name", ["trend", "sensitivity", "confounders"])
def test_names_of_compartments_change_no_number(name: str) -> None:
    new = {"astrocyte": "zz", "tumour": "aa"}
    old = {v: n for n, v in new.items()}
    both = []
    for labels in ({}, new):
        own = cells().replace({"compartment": labels})
        table = sen.burden(own)
        found = sen.confounders(own, table) if name == "confounders" else TABLES[name](table)
        found["compartment"] = found["compartment"].replace(old)
        both.append(found.sort_values("compartment", kind="stable", ignore_index=True))
    if name == "confounders":
        both = [
            b.sort_values(["check", "compartment"], kind="stable", ignore_index=True) for b in both
        ]
    alike(*both)


def test_a_compartment_that_has_nothing_to_do_with_it_changes_no_bit() -> None:
    """But for its share of the cells, and q, which is over all tests of a family."""
    one = sen.burden(cells())
    more = sen.burden(cells((*COMPARTMENTS, "fibroblast")))
    mine = more[more["compartment"] != "fibroblast"].reset_index(drop=True)
    drop = "share"
    pd.testing.assert_frame_equal(one.drop(columns=drop), mine.drop(columns=drop), check_exact=True)
    found = sen.trend(more)
    found = found[found["compartment"] != "fibroblast"].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        sen.trend(one).drop(columns="q"), found.drop(columns="q"), check_exact=True
    )


# --- crosstalk -----------------------------------------------------------------------------


def expression() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = [
        {
            "sample": sample, "compartment": compartment, "kind": kind, "n_cells": 20,
            "gene": gene, "mean": rng.gamma(2.0) + (kind == "senescent"), "detected": 0.5,
        }
        for sample in sheet()["sample"]
        for compartment in ("fibroblast", "t_cell", "macrophage")
        for kind in ("senescent", "other")
        for gene in ("IL6", "IL6R", "IL6ST", "CCL2", "CCR2")
    ]  # fmt: skip
    return pd.DataFrame(rows)


PAIRS = pd.DataFrame(
    {
        "ligand": ["IL6", "CCL2"], "receptor": ["IL6R+IL6ST", "CCR2"],
        "family": ["interleukin", "chemokine"], "source": "x",
    }
)  # fmt: skip


def test_order_and_types_change_no_crosstalk() -> None:
    one = sen.crosstalk(expression(), sheet(), pairs=PAIRS)
    assert one["status"].eq("tested").any()
    alike(one, sen.crosstalk(shuffled(expression()), sheet(), pairs=PAIRS))
    alike(one, sen.crosstalk(expression(), shuffled(sheet()), pairs=PAIRS))
    for kind in ("category", "string"):
        text = dict.fromkeys(["sample", "compartment", "kind", "gene"], kind)
        design = dict.fromkeys(["sample", "subject", "treatment", "batch", "modality"], kind)
        alike(one, sen.crosstalk(expression().astype(text), sheet().astype(design), pairs=PAIRS))


def test_names_of_samples_change_no_crosstalk() -> None:
    old = sorted(sheet()["sample"])
    new = {o: f"n{len(old) - i:02d}" for i, o in enumerate(old)}
    alike(
        sen.crosstalk(expression(), sheet(), pairs=PAIRS),
        sen.crosstalk(
            expression().replace({"sample": new}), sheet().replace({"sample": new}), pairs=PAIRS
        ),
    )


# --- gaps, words for truth, and samples in two files -----------------------------------------


@pytest.mark.parametrize("gap", [np.nan, None, "nan", "<NA>", ""])
def test_a_treatment_that_is_a_gap_is_refused(gap: Any) -> None:
    table = cells()
    table["treatment"] = table["treatment"].astype(object)
    table.loc[table["sample"] == "irr14_0", "treatment"] = gap
    with pytest.raises(InputError, match="'irr14_0' has no treatment"):
        sen.burden(table)


def test_words_for_truth_are_read_and_others_refused() -> None:
    table = cells().assign(keep=np.arange(len(cells())) % 3 > 0)
    words = table.assign(
        keep=table["keep"].astype(str), panel_positive=table["panel_positive"].astype(str)
    )
    alike(sen.burden(table), sen.burden(words))
    with pytest.raises(InputError, match="'maybe', expected true or false"):
        sen.burden(table.assign(keep="maybe"))


def test_a_cell_without_sample_is_refused_and_one_without_compartment_is_unassigned() -> None:
    table = cells()
    table.loc[0, "compartment"] = None
    assert sen.burden(table).query("compartment == 'unassigned'")["n_cells"].sum() == 1
    table.loc[0, "sample"] = None
    with pytest.raises(InputError, match="1 cells have no sample"):
        sen.burden(table)


def test_a_sample_in_two_data_sets_names_both_and_two_rows_in_a_sheet_are_refused() -> None:
    table = cells()
    table["dataset"] = np.where(np.arange(len(table)) % 2, "lane2", "lane1")
    assert set(sen.burden(table)["dataset"]) == {"lane1+lane2"}
    twice = pd.concat([sheet(), sheet().tail(1)])
    with pytest.raises(InputError, match="several rows for 'irr28_again'"):
        sen.burden(table, samples=twice)


def test_axes_without_controls_say_their_unit() -> None:
    table = cells()
    lone = (table["compartment"] == "tumour") & (table["treatment"] == "control")
    found = sen.burden(table[~lone])
    words = "mean:z:* are in SD of matched gene sets"
    said = found["note"].str.contains(words, regex=False)
    there = found["n_cells"] > 0
    assert (said == ((found["compartment"] == "tumour") & there)).all()
    units = sen.trend(found).query("measure == 'z:sasp'").groupby("compartment")["unit"].unique()
    assert units["astrocyte"].tolist() == ["control SD"]
    assert units["tumour"].tolist() == ["SD of matched gene sets"]


@pytest.mark.parametrize("ask", [sen.trend, readouts, sensitivity])
def test_a_burden_table_that_was_edited_is_refused_too(ask: Any) -> None:
    table = sen.burden(cells())
    days = "d" + table["days_post_rt"].astype(int).astype(str)
    with pytest.raises(InputError, match=r"days_post_rt of sample .* is 'd\d+', expected a number"):
        ask(table.assign(days_post_rt=days))
    gap = table["treatment"].where(table["sample"] != "irr14_0")
    with pytest.raises(InputError, match="'irr14_0' has no treatment"):
        ask(table.assign(treatment=gap))
    near = table["dose_gy"].where(table["sample"] != "irr14_0", 8.0000001)
    with pytest.raises(InputError, match="round them"):
        ask(table.assign(dose_gy=near))
