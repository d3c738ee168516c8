"""Who takes part in the learnt call: texts of cells are made once for each that differs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from senoscore.calling.engine import assign
from senoscore.calling.roles import roles

CONTROL = {"treatment": "control"}


def cells() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    sample = rng.integers(0, 8, 400)
    treated = sample >= 4
    return pd.DataFrame(
        {
            "sample": [f"s{n}" for n in sample],
            "compartment": rng.choice(["tumour", "fibroblast", "unassigned"], 400),
            "treatment": np.where(treated, "irradiated", "control"),
            "dose_gy": np.where(treated, 8.0, np.nan),
            "days_post_rt": np.where(treated, np.where(sample == 7, 28.0, 7.5), np.nan),
            "subject": np.where(sample == 6, " m5 ", [f"m{n}" for n in sample]),
            "keep": rng.random(400) < 0.9,
            "n_counts": 1000.0,
            "assay": "sc",
        }
    )


def test_group_and_subject_are_texts_of_the_cell() -> None:
    table = cells()
    table.loc[table["sample"] == "s2", "subject"] = ""
    found = roles(table, CONTROL, 7)
    for row, group, subject in zip(table.itertuples(), found.group, found.subject, strict=True):
        late = f"{row.treatment}|{row.dose_gy}|{row.days_post_rt:g}"
        assert group == ("control" if row.treatment == "control" else late)
        assert subject == (row.subject.strip() or row.sample)


def test_categories_and_any_order_of_cells_are_the_same() -> None:
    table = cells()
    plain = roles(table, CONTROL, 7)
    names = ["sample", "compartment", "treatment", "subject"]
    order = np.random.default_rng(3).permutation(len(table))
    other = roles(table.astype(dict.fromkeys(names, "category")).iloc[order], CONTROL, 7)
    for name in ("treated", "judged", "group", "subject"):
        np.testing.assert_array_equal(getattr(plain, name)[order], getattr(other, name))


def test_folds_do_not_depend_on_the_order_of_cells() -> None:
    table = cells()
    order = np.random.default_rng(4).permutation(len(table))
    made = []
    for part in (table, table.iloc[order]):
        who = roles(part, CONTROL, 7)
        made.append(
            assign(
                part["sample"].to_numpy(), part["compartment"].to_numpy(), treated=who.treated,
                judged=who.judged, group=who.group, subject=who.subject, aside=who.aside,
            )
        )  # fmt: skip
    one, other = made
    assert one.plan.samples == other.plan.samples
    np.testing.assert_array_equal(one.plan.fold, other.plan.fold)
    np.testing.assert_array_equal(one.plan.group, other.plan.group)
    np.testing.assert_array_equal(one.sample[order], other.sample)
    at = {name: i for i, name in enumerate(one.plan.samples)}
    assert one.plan.fold[at["s5"]] == one.plan.fold[at["s6"]], "of one subject"
