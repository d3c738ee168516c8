"""Words for what a drug did: each from the numbers that must lead to it, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.errors import ConfigError
from senoscore.questions import detectable, efficacy, load_words, side_by_side, tost
from senoscore.questions.asked import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

BASE: dict[str, Any] = {
    "question": "drug_in_irradiated", "compartment": "tumour", "stratum": "",
    "treatment": "rt + x", "against": "rt", "drug": "x", "dose_gy": 10.0, "n_fractions": 1.0,
    "modality": "photon", "days_post_rt": 14.0, "n_treated": 5, "n_control": 5, "df": 16.0,
    "status": "tested", "reason": "",
}  # fmt: skip


def arms(
    burden: float, sasp: float, *, se: float = 0.02, sasp_se: float = 0.3,
    arrest: float | None = None, **more: Any,
) -> pd.DataFrame:  # fmt: skip
    """A table of arms: burden as a fraction, one axis each of arrest and secretion in control SDs.

    Arrest goes with the burden where nothing else is said.
    """
    rows = [
        {"measure": "fraction_senescent", "estimate": burden * 2, "se": se * 2,
         "estimate_fraction": burden, "fraction_se": se, "fraction_df": 16.0},
        {"measure": "z:sasp_interleukin", "estimate": sasp, "se": sasp_se,
         "estimate_fraction": np.nan, "fraction_se": np.nan},
        {"measure": "z:arrest_p53", "estimate": 10 * burden if arrest is None else arrest,
         "se": 0.3, "estimate_fraction": np.nan, "fraction_se": np.nan},
    ]  # fmt: skip
    table = pd.DataFrame([BASE | row | more for row in rows]).reindex(columns=list(COLUMNS))
    table["q"] = 2 * stats.t.sf(np.abs(table["estimate"] / table["se"]), table["df"])
    return table


CASES = [
    (-0.2, 0.0, {}, "senolytic_like"),
    (-0.2, -2.0, {}, "both"),
    (0.0, -2.0, {}, "sasp_falls"),  # no margin: that the burden stays is not claimed
    (0.0, -2.0, {"margin": 0.05}, "senomorphic_like"),
    (0.0, 0.0, {}, "neither_shown"),
    (0.0, 0.0, {"margin": 0.05, "sasp_margin": 0.8}, "no_effect"),
    (0.0, 0.0, {"relevant": 0.01}, "underpowered"),
    (0.2, 0.0, {}, "burden_rises"),
    (0.0, 2.0, {}, "sasp_rises"),
]


@pytest.mark.parametrize(("burden", "sasp", "options", "word"), CASES)
def test_words(burden: float, sasp: float, options: dict[str, float], word: str) -> None:
    row = efficacy(arms(burden, sasp), **options).iloc[0]
    assert row["word"] == word
    assert row["means"]
    assert "Research use" in row["note"]


def test_what_would_have_been_seen_is_said() -> None:
    row = efficacy(arms(-0.01, 0.0)).iloc[0]
    assert row["burden"] == "not_shown"
    assert row["burden_detectable"] == pytest.approx(detectable(0.02, 16, 0.05))
    half = stats.t.ppf(0.975, 16) * 0.02
    assert (row["burden_ci_lo"], row["burden_ci_hi"]) == pytest.approx((-0.01 - half, -0.01 + half))
    assert "called senescent −1.0 points (95 % CI −5.2 to 3.2)" in row["evidence"]
    assert "a change of 6.0 points would mostly have been seen" in row["evidence"]


def test_equivalence_is_two_one_sided_tests() -> None:
    """The 90 % interval lies within the margin just where p is at most 0.05."""
    for estimate in (0.0, 0.02, 0.03, 0.05):
        half = stats.t.ppf(0.95, 10) * 0.015
        inside = estimate - half > -0.05 and estimate + half < 0.05
        assert (tost(estimate, 0.015, 10, 0.05) <= 0.05) == inside
    assert np.isnan(tost(0.0, 0.015, 10, None))


def test_detectable_is_the_effect_of_80_percent_power() -> None:
    effect = detectable(1.0, 16, 0.05)
    power = stats.nct.sf(stats.t.ppf(0.975, 16), 16, effect)
    assert power == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("sasp", [0.0, -2.0])
def test_fewer_calls_without_less_arrest_are_no_fewer_senescent_cells(sasp: float) -> None:
    """A call asks for secretion too: a drug that silences it makes cells uncallable."""
    row = efficacy(arms(-0.2, sasp, arrest=0.0)).iloc[0]
    assert (row["burden"], row["arrest"], row["word"]) == ("falls", "not_shown", "fewer_called")
    table = arms(-0.2, sasp)
    without = table[table["measure"] != "z:arrest_p53"]
    row = efficacy(without).iloc[0]
    assert (row["arrest"], row["word"]) == ("not_testable", "fewer_called")


def with_arrested(burden: float, arrested: float, sasp: float, *, se: float = 0.02) -> pd.DataFrame:
    """As :func:`arms`, with the cells beyond most controls in arrest; its axis stays."""
    table = arms(burden, sasp, arrest=0.0)
    own = table[table["measure"] == "fraction_senescent"].assign(
        measure="fraction_arrested", estimate=2 * arrested, se=2 * se, estimate_fraction=arrested,
        fraction_se=se,
    )  # fmt: skip
    own["q"] = 2 * stats.t.sf(np.abs(own["estimate"] / own["se"]), own["df"])
    return pd.concat([table, own], ignore_index=True)


@pytest.mark.parametrize(
    ("burden", "arrested", "sasp", "options", "word"),
    [
        (-0.2, -0.2, 0.0, {}, "senolytic_like"),
        (0.0, -0.2, 0.0, {}, "senolytic_like"),  # what secretes less is no condition
        (-0.2, -0.2, -2.0, {}, "both"),
        (-0.2, 0.0, -2.0, {"margin": 0.05}, "senomorphic_like"),
        (-0.2, 0.0, -2.0, {}, "sasp_falls"),  # a pure senomorphic: fewer cells are called
        (-0.2, 0.0, -2.0, {"relevant": 0.01}, "fewer_called"),
        (-0.2, 0.0, 0.0, {}, "fewer_called"),
        (0.0, 0.2, 0.0, {}, "arrested_rises"),
        (0.0, 0.2, -2.0, {"margin": 0.05}, "arrested_rises"),
        (0.0, 0.0, 0.0, {"margin": 0.05, "sasp_margin": 0.8}, "no_effect"),
    ],
)
def test_arrested_cells_tell_a_senolytic_from_a_senomorphic(
    burden: float, arrested: float, sasp: float, options: dict[str, float], word: str
) -> None:
    row = efficacy(with_arrested(burden, arrested, sasp), **options).iloc[0]
    assert row["word"] == word
    assert row["arrested_burden_estimate"] == arrested
    half = stats.t.ppf(0.975, 16) * 0.02
    assert row["arrested_burden_ci_hi"] == pytest.approx(arrested + half)
    assert f"arrested {100 * arrested:+.1f} points".replace("-", "−") in row["evidence"]


def test_too_few_animals_for_arrest_is_no_word_of_nothing_shown() -> None:
    """A senolytic rests on arrest: fewer called cells that would have been seen are not enough."""
    table = with_arrested(0.0, 0.0, 0.0)
    of_arrest = table["measure"].eq("fraction_arrested")
    table.loc[of_arrest, "fraction_se"] = 0.05
    row = efficacy(table).iloc[0]
    assert (row["burden"], row["arrested_burden"]) == ("not_shown", "underpowered")
    assert row["word"] == "underpowered"


def test_fewer_arrested_cells_speak_for_a_side() -> None:
    row = side_by_side(efficacy(with_arrested(0.0, -0.2, 0.0))).iloc[0]
    assert (row["tumour"], row["word"]) == ("fewer", "fewer_in_tumour")


def test_families_that_disagree_are_mixed() -> None:
    table = arms(0.0, -2.0)
    other = table[table["measure"].str.startswith("z:sasp")].assign(
        measure="z:sasp_chemokine", estimate=2.0
    )
    row = efficacy(pd.concat([table, other], ignore_index=True)).iloc[0]
    assert (row["sasp"], row["word"]) == ("mixed", "sasp_rises")
    assert (row["sasp_falls"], row["sasp_rises"]) == ("z:sasp_interleukin", "z:sasp_chemokine")


def test_what_could_not_be_tested_is_said_with_its_reason() -> None:
    table = arms(0.0, 0.0).assign(status="not_estimable", reason="no samples of rt", q=np.nan)
    row = efficacy(table).iloc[0]
    assert row["word"] == "not_testable"
    assert "no samples of rt" in row["note"]
    assert np.isnan(row["burden_detectable"])


def test_tumour_and_normal_tissue_side_by_side() -> None:
    parts = [
        arms(-0.2, 0.0), arms(0.0, 0.0, compartment="astrocyte"),
        arms(0.2, 0.0, compartment="endothelial"),
    ]  # fmt: skip
    both = side_by_side(efficacy(pd.concat(parts, ignore_index=True)))
    assert len(both) == 1
    row = both.iloc[0]
    assert (row["tumour"], row["normal"], row["word"]) == ("fewer", "higher", "harm_in_normal")
    assert row["tumour_words"] == "tumour: senolytic_like"
    assert row["normal_words"] == "astrocyte: neither_shown, endothelial: burden_rises"
    alone = side_by_side(efficacy(pd.concat(parts[:2], ignore_index=True))).iloc[0]
    assert (alone["normal"], alone["word"]) == ("open", "fewer_in_tumour")


SENOLYTIC, SENOMORPHIC, SILENT = (-0.2, -0.2, -2.0), (-0.2, 0.0, -2.0), (0.0, 0.0, 0.0)
"""Change of the called share, of arrested cells and of secretion."""
CALLED, RISES = (-0.2, 0.0, 0.0), (0.0, 0.2, 0.0)


@pytest.mark.parametrize(
    ("tumour", "normal", "word", "said"),
    [
        (
            SENOMORPHIC,
            SENOMORPHIC,
            "less_sasp_in_both",
            "fewer senescent cells are shown in neither",
        ),
        (SENOLYTIC, SENOLYTIC, "fewer_in_both", "fewer senescent cells"),
        (SENOLYTIC, SENOMORPHIC, "lower_in_both", "not the same on each"),
        (CALLED, CALLED, "fewer_called_in_both", "or as many that secrete less"),
        (SENOMORPHIC, SILENT, "less_sasp_in_tumour", "fewer senescent cells are not shown"),
        (SILENT, SENOMORPHIC, "less_sasp_in_normal", "fewer senescent cells are not shown"),
        (SILENT, SENOLYTIC, "fewer_in_normal", "fewer senescent cells"),
        (CALLED, SILENT, "fewer_called_in_tumour", "or as many that secrete less"),
        (SENOLYTIC, RISES, "harm_in_normal", "rises in normal tissue"),
        (RISES, SENOLYTIC, "harm_in_tumour", "rises in the tumour"),
        (SILENT, SILENT, "nothing_shown", "no fall and no rise"),
    ],
)
def test_less_secretion_is_no_fewer_cells_on_either_side(
    tumour: tuple[float, float, float], normal: tuple[float, float, float], word: str, said: str
) -> None:
    """A senomorphic lowers the called share too, since a call asks for secretion."""
    table = pd.concat(
        [with_arrested(*tumour), with_arrested(*normal).assign(compartment="astrocyte")]
    )
    row = side_by_side(efficacy(table)).iloc[0]
    assert row["word"] == word
    assert said in row["means"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("burden: [rises]", "burden: [soars]", "burden is never soars"),
        ("sasp: [rises, mixed]", "secretion: [rises]", "'secretion' is no fact of words"),
        ("word: neither_shown, when: {}", "word: neither_shown, when: {burden: [falls]}",
         "the last rule must hold"),
        ("version: 2", "edition: 1", "expected the sections"),
        ("version: 2", "version: !!python/object:x", "cannot be read as rules"),
    ],
)  # fmt: skip
def test_bad_rules_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    from senoscore.io import resource

    text = resource("efficacy.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "rules.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_words(path)


@pytest.mark.parametrize("margin", [0.0, -1.0, np.nan])
def test_a_margin_is_above_zero(margin: float) -> None:
    with pytest.raises(ConfigError, match="expected a number above 0"):
        efficacy(arms(0.0, 0.0), margin=margin)
