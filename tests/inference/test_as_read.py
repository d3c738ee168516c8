"""Tables and cells as they come out of a file: categories, nullable types, names in two ways."""

from __future__ import annotations

import warnings
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore.errors import DesignError, InputError
from senoscore.inference.burden import tissue_burden
from senoscore.inference.readouts import readouts
from senoscore.inference.sensitivity import sensitivity
from senoscore.inference.trend import NAMES, check_formula
from senoscore.study import one_per_sample, plain, refuse_lookalikes

TEXT = ("sample", "subject", "treatment", "batch", "compartment", "region", "modality", "dataset")


def cells(n_animals: int = 3, days: tuple[float, ...] = (14.0, 28.0)) -> pd.DataFrame:
    """Called cells of two compartments, irradiated and not, with a raised share at the end."""
    rng = np.random.default_rng(4)
    parts = []
    for day in days:
        for treatment in ("control", "irradiated"):
            for animal in range(n_animals):
                name = f"{treatment}_{day:g}_{animal}"
                share = 0.05 + (treatment == "irradiated") * (0.1 + day / 100) + animal / 200
                for compartment in ("astrocyte", "fibroblast"):
                    positive = rng.random(60) < share
                    parts.append(
                        pd.DataFrame(
                            {
                                "sample": name, "subject": name, "treatment": treatment,
                                "dose_gy": 8.0 * (treatment == "irradiated"), "n_fractions": 1.0,
                                "days_post_rt": day, "batch": "b", "region": "",
                                "modality": "photon", "dataset": "d", "assay": "sc",
                                "organism": "mouse", "compartment": compartment,
                                "senescence_state": np.where(positive, "senescent", "other"),
                                "senescence_index": rng.normal(positive.astype(float)),
                                "panel_positive": positive, "z:sasp": rng.normal(size=60),
                            }
                        )
                    )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def as_category(table: pd.DataFrame) -> pd.DataFrame:
    chosen = [n for n in (*TEXT, "assay", "organism", "status") if n in table]
    return table.astype(dict.fromkeys(chosen, "category"))


def as_nullable(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({n: "string" for n in TEXT if n in table} | {"days_post_rt": "Float64"})


@pytest.mark.parametrize("change", [as_category, as_nullable], ids=["categories", "nullable"])
@pytest.mark.parametrize("question", ["trend", "formula", "logit", "readouts", "sensitivity",
                                      "confounders", "tissue", "window"])  # fmt: skip
def test_types_of_a_file_change_no_answer(change: Any, question: str) -> None:
    ask = {
        "trend": sen.trend,
        "formula": lambda b: sen.trend(b, "~ treatment + log_days"),
        "logit": lambda b: sen.trend(b, transform="logit"),
        "readouts": readouts,
        "sensitivity": sensitivity,
        "confounders": lambda b: sen.confounders(as_category(cells()), b),
        "tissue": tissue_burden,
        "window": lambda b: sen.window(b, sen.trend(b)).contrasts,
    }[question]
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        expected = ask(sen.burden(cells()))
        found = ask(change(sen.burden(change(cells()))))
    pd.testing.assert_frame_equal(expected, found, check_dtype=False)


def test_cells_that_went_through_a_file_give_the_same_trend(tmp_path: Any) -> None:
    table = cells()
    table.index = pd.Index([f"c{i}" for i in range(len(table))])
    adata = ad.AnnData(np.zeros((len(table), 1), np.float32), obs=table)
    before = sen.trend(sen.burden(adata))
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad")
    assert isinstance(read.obs["treatment"].dtype, pd.CategoricalDtype)
    pd.testing.assert_frame_equal(before, sen.trend(sen.burden(read)), check_dtype=False)


def test_plain_keeps_gaps_and_kinds() -> None:
    table = pd.DataFrame(
        {
            "text": pd.Categorical(["a", None, "b"], categories=["a", "b", "unused"]),
            "number": pd.Categorical([1, 2, None]),
            "count": pd.array([1, None, 3], dtype="Int64"),
            "yes": pd.array([True, False, True], dtype="boolean"),
            "words": pd.array(["x", None, "y"], dtype="string"),
        }
    )
    out = plain(table)
    assert out["text"].tolist()[::2] == ["a", "b"]
    assert pd.isna(out["text"][1])
    assert out["number"].dtype == out["count"].dtype == np.float64
    assert out["yes"].dtype == bool
    assert pd.isna(out["words"][1])
    assert plain(out) is out


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [("subject", "other", "subject"), ("days_post_rt", 15.0, "days_post_rt"),
     ("dose_gy", 4.0, "dose_gy"), ("treatment", "control", "treatment")],
)  # fmt: skip
def test_a_sample_that_is_two_things_is_refused(column: str, value: Any, word: str) -> None:
    table = cells()
    table.loc[table.index[-1], column] = value
    with pytest.raises(InputError, match=word):
        sen.burden(table)


def test_a_sample_without_treatment_is_not_treated() -> None:
    table = cells()
    table["treatment"] = table["treatment"].astype(object)
    table.loc[table["sample"] == "irradiated_28_0", "treatment"] = np.nan
    with pytest.raises(InputError, match="has no treatment"):
        sen.burden(table)


@pytest.mark.parametrize(
    ("column", "old", "new"),
    [("treatment", "control", "Control"), ("subject", "control_14_0", "CONTROL_14_0 "),
     ("dose_gy", 8.0, 8.0000001)],
)  # fmt: skip
def test_a_name_written_in_two_ways_is_refused(column: str, old: Any, new: Any) -> None:
    table = cells()
    only = table["sample"].isin(["control_14_1", "irradiated_14_1"]) & (table[column] == old)
    if column == "subject":
        only = table["sample"] == "control_14_1"
    table.loc[only, column] = new
    with pytest.raises(InputError, match=column):
        refuse_lookalikes(table)
    with pytest.raises(InputError, match=column):
        sen.burden(table)


def test_days_as_words_are_refused() -> None:
    table = cells()
    table["days_post_rt"] = "d" + table["days_post_rt"].astype(int).astype(str)
    with pytest.raises(InputError, match="'d14', expected a number"):
        sen.burden(table)


def test_one_value_a_sample_passes() -> None:
    one_per_sample(cells(), ["subject", "days_post_rt", "not_there"])


@pytest.mark.parametrize(
    ("formula", "why"),
    [("~ 0 + treatment", "intercept"), ("~ treatment - 1", "intercept"), ("y ~ a ~ b", "left"),
     ("n_cells ~ treatment", "left"), ("~ 1", "names no column"), ("~ note", "note"),
     ("~ np", "np"), ("~ own", "own")],
)  # fmt: skip
def test_formulas_that_mean_something_else_are_refused(formula: str, why: str) -> None:
    with pytest.raises(DesignError, match=why):
        check_formula(formula, NAMES)
    with pytest.raises(DesignError):
        sen.trend(sen.burden(cells()), formula)
