"""Blood, stains and outcome: the plotted numbers, and charts that render wide and narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore import plotting as pl
from senoscore import questions as q
from senoscore.biology import read_plasma
from senoscore.errors import InputError
from senoscore.io import write_tsv
from senoscore.study import read_samples
from tests import drug_study

if TYPE_CHECKING:
    from pathlib import Path

CONTROL = "sham"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    folder: Path = tmp_path_factory.mktemp("study")
    for name in ("samples", "plasma", "outcome", "external"):
        write_tsv(getattr(drug_study, name)(), folder / f"{name}.tsv")
    sheet, burden = read_samples(folder / "samples.tsv"), drug_study.burden()
    values = read_plasma(folder / "plasma.tsv", sheet)
    stains = q.read_external(folder / "external.tsv", sheet)
    ends = q.read_outcome(folder / "outcome.tsv", sheet)
    return {
        "blood": q.blood(values, sheet, control=CONTROL),
        "changes": q.blood_changes(values, sheet, control=CONTROL),
        "values": values,
        "external": q.external(burden, sheet, stains, control=CONTROL),
        "pairs": q.external_pairs(burden, sheet, stains, control=CONTROL),
        "outcome": q.outcome(burden, ends, landmark_days=14, min_events=5, control=CONTROL),
        "subjects": q.outcome_subjects(burden, ends, landmark_days=14, control=CONTROL),
    }


def test_a_change_is_a_bound_where_a_value_is_below_the_limit(
    study: dict[str, pd.DataFrame],
) -> None:
    changes = study["changes"].set_index(["analyte", "subject"])
    wide = study["values"].set_index(["analyte", "subject", "days_post_rt"]).unstack()  # noqa: PD010
    below, value, lod = wide["below_lod"].astype(bool), wide["value"], wide["lod"]
    expected = np.select(
        [below[-1.0] & below[14.0], below[14.0], below[-1.0]],
        ["unknown", "at_most", "at_least"], default="measured",
    )  # fmt: skip
    assert (changes.loc[wide.index, "known"] == expected).all()
    assert set(expected) == {"unknown", "at_most", "at_least", "measured"}
    known = value.fillna(lod)
    ratio = np.log2(known[14.0] / known[-1.0]).where(expected != "unknown")
    np.testing.assert_allclose(changes.loc[wide.index, "log2_ratio"], ratio)


def test_blood_draws_subjects_and_estimates_and_counts_what_cannot_be_drawn(
    study: dict[str, pd.DataFrame],
) -> None:
    table = pl.blood_table(study["blood"], study["changes"])
    dots = table[table["subject"] != ""]
    assert len(dots) == (study["changes"]["known"] != "unknown").sum()
    lost = study["changes"].query("known == 'unknown'").groupby("analyte").size()
    assert dots.groupby("analyte")["left_out"].first()["IL1B"] == lost["IL1B"] > 0
    means = table[table["subject"] == ""].set_index(["analyte", "arm"])
    row = study["blood"].query(
        "contrast == 'rt + x 8 Gy in 1: day 14 vs baseline' and analyte == 'IL6'"
    )
    assert means.loc[("IL6", "rt + x 8 Gy in 1"), "value"] == row["estimate"].item()
    assert means.loc[("IL6", "rt + x 8 Gy in 1"), "ci_lo"] == row["ci_lo"].item()


def test_of_many_analytes_the_clearest_are_drawn(study: dict[str, pd.DataFrame]) -> None:
    n = pl.PANELS + 3
    changes = pd.concat([study["changes"].assign(analyte=f"A{i:02d}") for i in range(n)])
    own = study["blood"].query("analyte == 'IL6'")
    table = pd.concat(
        [own.assign(analyte=f"A{i:02d}", p=own["p"] / (1 + i)) for i in range(n)]
    )  # fmt: skip
    shown = pl.blood_table(table, changes)["analyte"].unique()
    assert list(shown) == [f"A{i:02d}" for i in reversed(range(3, n))]


def test_no_baseline_is_no_change(study: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(InputError, match="before irradiation and one after"):
        pl.blood_table(study["blood"], study["changes"].iloc[:0])


def test_external_marks_what_lies_outside_the_limits(study: dict[str, pd.DataFrame]) -> None:
    table = pl.external_table(study["pairs"], study["external"])
    share = table[table["measure"] == "p16_share"]
    gap = share["fraction"] - share["value"]
    limits = gap.mean() + 1.96 * gap.std(ddof=1) * np.array([-1, 1])
    outside = (gap < limits[0]) | (gap > limits[1])
    assert outside.any()
    assert (share["outside"] == outside).all()
    foci = table[table["measure"] == "foci"]
    assert foci["share"].isna().all()
    assert not foci["outside"].any()


def test_outcome_draws_the_tested_subjects_once(study: dict[str, pd.DataFrame]) -> None:
    table = pl.outcome_table(study["subjects"], endpoint="recurrence")
    own = table[table["compartment"] == "tumour"]
    tested = study["outcome"].query(
        "endpoint == 'recurrence' and compartment == 'tumour' and question == 'across_arms'"
        " and measure == 'fraction_senescent'"
    )
    assert len(own) == tested["n_subjects"].item()
    assert (own["end"] == "event").sum() == tested["n_events"].item()
    late = study["subjects"].assign(left_out="outcome before the landmark")
    with pytest.raises(InputError, match="has a burden at the landmark"):
        pl.outcome_table(late, endpoint="recurrence")


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_each_chart_renders_and_says_its_association(
    study: dict[str, pd.DataFrame], layout: pl.Layout
) -> None:
    blood = pl.to_svg(pl.blood(study["blood"], study["changes"], layout=layout))
    assert "IL6" in blood
    assert "at least: baseline below the limit" in blood
    assert "subject rt0" in blood
    stain = pl.to_svg(pl.external(study["pairs"], study["external"], layout=layout))
    assert "outside the limits" in stain
    assert "mean difference" in stain
    ends = pl.to_svg(
        pl.outcome(study["subjects"], study["outcome"], endpoint="recurrence", layout=layout)
    )
    assert "hazard ratio" in ends
    grades = pl.outcome(study["subjects"], study["outcome"], endpoint="fibrosis", layout=layout)
    assert "rho" in pl.to_svg(grades)


def colours(chart: object) -> dict[str, str]:
    """Colour of each arm in a chart, from its specification."""
    found: dict[str, str] = {}

    def walk(part: object) -> None:
        if isinstance(part, dict):
            colour = part.get("color")
            if isinstance(colour, dict) and colour.get("field") == "arm":
                found.update(zip(colour["scale"]["domain"], colour["scale"]["range"], strict=True))
            for own in part.values():
                walk(own)
        elif isinstance(part, list):
            for own in part:
                walk(own)

    walk(chart.to_dict())  # type: ignore[attr-defined]
    return found


def test_an_arm_has_one_colour_in_every_figure(study: dict[str, pd.DataFrame]) -> None:
    """Unirradiated animals have blood and no outcome: the others keep their colours."""
    every = set(study["changes"]["arm"].dropna()) | set(study["subjects"]["arm"])
    blood = colours(pl.blood(study["blood"], study["changes"], arms=every))
    outcome = colours(pl.outcome(study["subjects"], endpoint="recurrence", arms=every))
    stains = colours(pl.external(study["pairs"], arms=every))
    assert set(outcome) < set(blood) == set(stains)
    assert len(set(blood.values())) == 4
    for other in (outcome, stains):
        assert all(blood[arm] == colour for arm, colour in other.items())
