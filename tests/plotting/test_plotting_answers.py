"""Forests of arms and regions: whole labels, a scale that can be read, the right unit."""

from __future__ import annotations

import pandas as pd
import pytest

from senoscore import plotting as pl
from senoscore.questions import arms, regions
from tests import drug_study


@pytest.fixture(scope="module")
def compared() -> pd.DataFrame:
    table = drug_study.burden()
    extra = table[table["region"] == "core"].assign(region="tumour margin", dose_gy=4.0)
    table.loc[table["region"] == "core", "region"] = "tumour core"
    extra["sample"] = extra["sample"] + "m"
    table = pd.concat([table, extra], ignore_index=True)
    table.loc[table["region"] == "contralateral", "dose_gy"] = 0.5
    return regions(table, control="sham", measures=["fraction_senescent"])


def drawn(table: pd.DataFrame, question: str) -> str:
    return pl.to_svg(pl.answers(table, question=question))


def test_long_labels_are_not_cut(compared: pd.DataFrame) -> None:
    svg = drawn(compared, "region_x_treatment")
    labels = pl.answers_table(compared, question="region_x_treatment")["label"]
    assert labels.str.len().max() > 40
    assert "tumour core - contralateral: rt + x vs sham" in set(labels)
    assert "…" not in svg


def test_pairs_count_subjects_once_and_slopes_name_what_they_are_per(
    compared: pd.DataFrame,
) -> None:
    pairs, slopes = (drawn(compared, q) for q in ("region_pair", "dose_within_subject"))
    assert "n: subjects with both regions" in pairs
    assert " / " not in pairs
    assert "difference of arcsine-square-root fractions per log(1 + Gy)" in slopes


def test_an_interval_of_two_subjects_does_not_set_the_scale() -> None:
    table = arms(drug_study.burden(), control="sham", measures=["fraction_senescent"])
    wide = table["question"].eq("drug_in_irradiated") & table["compartment"].eq("tumour")
    assert wide.any()
    table.loc[wide, ["ci_lo", "ci_hi", "n_treated", "n_control"]] = [-9.0, 9.0, 2, 2]
    svg = drawn(table, "drug_in_irradiated")
    assert "interval that ends at the edge: wider than the panel" in svg
    assert ">5<" not in svg  # no tick out there
    assert "−9" in svg or "-9" in svg  # what is read aloud has the true bound


def test_ticks_of_a_course_are_labelled_as_they_are() -> None:
    """Vega's own digits follow its own step: 2.5 was labelled 3."""
    table = pd.DataFrame(
        {
            "sample": list("abcdef"), "compartment": "tumour", "days_post_rt": 28.0,
            "treatment": ["control"] * 3 + ["irradiated"] * 3,
            "index_mean": [-2.0, 0.0, 1.0, 3.0, 10.0, 4.0],
        }
    )  # fmt: skip
    svg = pl.to_svg(pl.timecourse(table, measure="index_mean"))
    assert ">2.5<" in svg


def test_the_foot_counts_irradiated_samples_alone() -> None:
    burden = pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(12)], "compartment": "tumour", "days_post_rt": 28.0,
            "treatment": ["control"] * 2 + ["control + x"] * 3 + ["irradiated"] * 7,
            "treatment_given": ["control"] * 5 + ["irradiated"] * 7,
            "dose_gy": [0.0] * 5 + [8.0] * 7, "fraction": [0.01 * i for i in range(12)],
        }
    )  # fmt: skip
    svg = pl.to_svg(pl.timecourse(burden))
    assert "7 irradiated, 2 control, 3 with a drug alone" in svg
    assert ">7<" in svg
    assert ">10<" not in svg
