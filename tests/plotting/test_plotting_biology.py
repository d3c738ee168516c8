"""Figures of window, crosstalk and plasma: what is drawn, what is left out, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from senoscore import plotting as pl
from senoscore.errors import InputError


def times() -> pd.DataFrame:
    rows = [
        ("tumour", 8.0, 7.0, "accumulating", 7.0),
        ("tumour", 8.0, 90.0, "persistent", 7.0),
        ("astrocyte", 8.0, 7.0, "baseline", np.nan),
        ("astrocyte", 2.0, 14.0, "underpowered", np.nan),
        ("neuron", 8.0, 7.0, "no_data", np.nan),
    ]
    names = ["compartment", "dose_gy", "days_post_rt", "state", "opens_at_days"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(treatment="irradiated", phase="early", readout="", n_treated=3, n_control=3)


def test_window_draws_each_time_with_data_once() -> None:
    table = pl.window_table(times())
    assert table["row"].tolist() == ["Astrocyte, 8 Gy", "Tumour, 8 Gy", "Tumour, 8 Gy"]
    assert table.loc[table["opens"], "time"].tolist() == ["7 d"]
    svg = pl.to_svg(pl.window(times()))
    assert "persistent" in svg
    assert "Tumour, 8 Gy: the window opens at 7 d" in svg
    assert "Neuron" not in svg
    assert "Research use, not medical advice." in svg
    with pytest.raises(InputError, match="no compartment has data"):
        pl.window(times().assign(state="no_data"))


def test_a_dose_of_one_time_has_a_panel_of_its_own_if_it_says_something() -> None:
    said = times()
    said.loc[said["dose_gy"].eq(2), "state"] = "baseline"
    table = pl.window_table(said)
    assert table.loc[table["course"] == "single", ["row", "column"]].to_numpy().tolist() == [
        ["Astrocyte", "2 Gy|14 d"]
    ]
    assert "Arms sampled at one time only" in pl.to_svg(pl.window(said))
    assert "Arms sampled at one time only" not in pl.to_svg(pl.window(times()))
    alone = said[said["dose_gy"].eq(2)]  # no dose has a course: one panel
    assert pl.window_table(alone)["course"].tolist() == ["course"]


def test_what_was_not_shown_is_not_called_absent() -> None:
    svg = pl.to_svg(pl.window(times()))
    assert "not shown: no rise of the size asked for was shown, which does not rule one out" in svg
    assert "not raised" not in svg


def test_strata_of_the_window_are_rows_of_their_own() -> None:
    both = pd.concat([times().assign(stratum="cortex"), times().assign(stratum=np.nan)])
    rows = pl.window_table(both)["row"]
    assert {"Tumour, cortex, 8 Gy", "Tumour, 8 Gy"} <= set(rows)
    assert rows.value_counts()["Tumour, cortex, 8 Gy"] == 2


def test_every_state_of_the_rules_has_a_colour() -> None:
    from senoscore.biology.rules import load_rules

    assert {rule.name for rule in load_rules().states} <= set(pl.WINDOW_COLOURS)


def talk() -> pd.DataFrame:
    rows = [
        ("IL6", "IL6R", "known", "early", 0.4, 0.001, 0.01),
        ("CCL2", "CCR2", "known", "early", -0.1, 0.5, 0.6),
        ("HGF", "MET", "", "early", 0.9, 0.0001, 0.001),
    ]
    names = ["ligand", "receptor", "known", "phase", "estimate", "p", "q"]
    return pd.DataFrame(rows, columns=names).assign(
        question="senescent_vs_other", sender="fibroblast", receiver="tumour", status="tested",
        ci_lo=0.0, ci_hi=1.0, n_treated=4.0,
    )  # fmt: skip


def test_crosstalk_draws_expected_directions_only() -> None:
    table = pl.crosstalk_table(talk(), top=1)
    assert table["pair"].tolist() == ["IL6 → IL6R"]
    assert table["holds"].tolist() == [True]
    svg = pl.to_svg(pl.crosstalk(talk()))
    assert "CCL2" in svg
    assert "HGF" not in svg
    with pytest.raises(InputError, match="no pair of an expected direction"):
        pl.crosstalk(talk().assign(status="not_testable"))


def test_crosstalk_picks_by_difference_and_puts_circular_pairs_last() -> None:
    # The smallest p has the smallest difference; of the large ones one is circular.
    rows = talk().assign(known="known", p=[0.5, 0.6, 1e-6], estimate=[0.9, 0.4, 0.1])
    rows["circular"] = ["ligand is in the panel", np.nan, np.nan]
    assert pl.crosstalk_table(rows, top=2)["pair"].tolist() == ["CCL2 → CCR2", "HGF → MET"]
    table = pl.crosstalk_table(rows)
    assert table["pair"].tolist() == ["CCL2 → CCR2", "HGF → MET", "IL6 → IL6R"]
    assert table["circular"].tolist() == [False, False, True]
    svg = pl.to_svg(pl.crosstalk(rows))
    assert "hollow: circular" in svg
    assert "dark ring: q ≤ 0.05" in svg
    assert "hollow: circular" not in pl.to_svg(pl.crosstalk(rows.drop(columns="circular")))


def test_strata_of_the_crosstalk_are_panels_of_their_own() -> None:
    both = pd.concat([talk().assign(stratum="cortex"), talk().assign(stratum="pons")])
    table = pl.crosstalk_table(both)
    assert set(table["direction"]) == {
        "Fibroblast → Tumour, cortex",
        "Fibroblast → Tumour, pons",
    }


def test_plasma_stands_beside_the_tissue_of_its_subjects() -> None:
    table = pd.DataFrame(
        {
            "subject": ["p", "p", "p"], "days_post_rt": [0.0, 7.0, 7.0],
            "analyte": ["IL-6", "IL-6", "PAI-1"], "log2_ratio": [0.0, 1.0, np.nan],
            "below_lod": [False, True, True], "fraction_below_lod": [0.5, 0.5, 1.0],
        }
    )  # fmt: skip
    burden = pd.DataFrame(
        {
            "sample": ["a", "b", "c"], "subject": ["p", "p", "other"], "compartment": "tumour",
            "treatment": "irradiated", "days_post_rt": [7.0, 28.0, 7.0],
            "fraction": [0.1, 0.2, 0.9],
        }
    )  # fmt: skip
    shown = pl.plasma_table(table, burden)
    assert shown["panel"].tolist() == ["IL-6", "IL-6", "Tumour", "Tumour"]
    assert shown["limit"].tolist() == ["measured", "below LOD", "measured", "measured"]
    assert shown.loc[shown["tissue"], "value"].tolist() == [0.1, 0.2]
    assert set(shown["arm"]) == {"irradiated"}
    # Tissue of one time has no course to set beside that of the blood.
    assert not pl.plasma_table(table, burden[burden["days_post_rt"] == 7])["tissue"].any()
    assert "PAI-1" not in pl.to_svg(pl.plasma(table, burden))
    with pytest.raises(InputError, match="no analyte"):
        pl.plasma(table.assign(log2_ratio=np.nan))


def test_two_schedules_of_one_dose_are_rows_and_panels_of_their_own() -> None:
    both = [times().assign(n_fractions=n) for n in (1, 5)]
    rows = pl.window_table(pd.concat(both))["row"].value_counts()
    assert rows["Tumour, 8 Gy in 1"] == rows["Tumour, 8 Gy in 5"] == 2
    arms = pd.concat(
        [talk().assign(treatment="irradiated", dose_gy=8.0, n_fractions=n) for n in (1, 5)]
    )
    assert set(pl.crosstalk_table(arms)["direction"]) == {
        "Fibroblast → Tumour, 8 Gy in 1",
        "Fibroblast → Tumour, 8 Gy in 5",
    }
