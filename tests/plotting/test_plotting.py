"""Figures draw the numbers of the tables, in the right place, with a sentence on each mark."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import senoscore.plotting as pl
from senoscore.errors import InputError
from senoscore.plotting import theme, tidy
from senoscore.plotting.arms import arm_labels, contrasts_of, main_arm, matched_controls
from tests import fake_run


@pytest.fixture(scope="module")
def burden() -> pd.DataFrame:
    return fake_run.burden(np.random.default_rng(7))


@pytest.fixture(scope="module")
def trend(burden: pd.DataFrame) -> pd.DataFrame:
    return fake_run.trend(burden)


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("colour", [*theme.COMPARTMENT_COLOURS.values(), "#b3304f"])
def test_colours_are_seen_on_white_and_on_the_dark_page(colour: str) -> None:
    ours = luminance(colour)
    assert (1.05) / (ours + 0.05) >= 3
    assert (ours + 0.05) / (luminance("#171b21") + 0.05) >= 2.5


@pytest.mark.parametrize("name", [*theme.COMPARTMENT_COLOURS, "another"])
def test_titles_are_read_on_white_and_on_dark(name: str) -> None:
    for paper in (theme.PAPER, theme.DARK_PAPER):
        ours, its = (luminance(c) + 0.05 for c in (theme.title_colour(name, paper), paper))
        assert max(ours, its) / min(ours, its) >= 4.5
        assert theme.contrast(theme.title_colour(name, paper), paper) == pytest.approx(
            max(ours, its) / min(ours, its)
        )
    # What can be read already keeps its colour.
    assert theme.title_colour("astrocyte") == theme.COMPARTMENT_COLOURS["astrocyte"]


def test_colours_differ_between_compartments_and_between_states() -> None:
    for palette in (theme.COMPARTMENT_COLOURS, theme.STATE_COLOURS):
        assert len(set(palette.values())) == len(palette)


def test_timecourse_draws_one_dot_per_sample(burden: pd.DataFrame) -> None:
    rows = pl.timecourse_table(burden)
    astrocyte = rows[rows["compartment"] == "astrocyte"]
    assert len(astrocyte) == burden["sample"].nunique()
    assert (astrocyte.loc[astrocyte["control"], "day"] == 0).all()  # controls without a time
    few = burden[(burden["n_cells"] < 30)]
    assert len(rows) == len(burden) - len(few)  # a compartment with few cells has no dot


def test_timecourse_marks_only_times_that_hold(burden: pd.DataFrame, trend: pd.DataFrame) -> None:
    svg = pl.to_svg(pl.timecourse(burden, trend, compartments=["astrocyte"]))
    mine = trend[(trend["compartment"] == "astrocyte") & (trend["measure"] == "fraction_senescent")]
    mine = mine[mine["dose_gy"] == 4]  # the dose most samples have
    held = set(mine.loc[mine["q"] <= 0.05, "days_post_rt"])
    assert held
    assert held != set(mine["days_post_rt"])
    for day in set(mine["days_post_rt"]):
        assert (f"Astrocyte at {day:g} d: 4 Gy above control" in svg) == (day in held)
    assert "irr_4Gy_d7_1: " in svg  # each dot says which sample it is
    assert "acute" in svg
    assert "chronic" in svg


def test_timecourse_marks_say_the_direction_and_leave_other_doses_out(
    burden: pd.DataFrame, trend: pd.DataFrame
) -> None:
    contrast = trend[trend["compartment"].eq("tumour") & trend["measure"].eq("fraction_senescent")]
    up = contrast[contrast["dose_gy"].eq(4) & contrast["days_post_rt"].eq(7)]
    down = contrast[contrast["dose_gy"].eq(4) & contrast["days_post_rt"].eq(90)]
    other = contrast[contrast["dose_gy"].eq(2) & contrast["days_post_rt"].eq(28)]
    table = pd.concat(
        [up.assign(estimate=1.0), down.assign(estimate=-1.0), other.assign(estimate=1.0)]
    ).assign(q=0.01)
    svg = pl.to_svg(pl.timecourse(burden, table, compartments=["tumour"]))
    assert "Tumour at 7 d: 4 Gy above control" in svg
    assert "Tumour at 90 d: 4 Gy below control" in svg
    assert "2 Gy above" not in svg
    assert "higher: 4 Gy against control, q ≤ 0.05" in svg  # explained inside the figure
    assert "lower: 4 Gy against control, q ≤ 0.05" in svg
    nothing = pl.to_svg(pl.timecourse(burden, table.assign(q=0.5), compartments=["tumour"]))
    assert "no time differs: 4 Gy against control, q ≤ 0.05" in nothing


def test_time_axis_is_log1p() -> None:
    spec = pl.timecourse(
        fake_run.burden(np.random.default_rng(1)), compartments=["tumour"]
    ).to_dict()
    text = str(spec)
    assert "'type': 'symlog'" in text
    assert "'constant': 1" in text


def test_states_are_means_over_samples(burden: pd.DataFrame) -> None:
    rows = pl.states_table(burden)
    totals = rows.groupby(["compartment", "bar"])["share"].sum()
    np.testing.assert_allclose(totals, 1.0, atol=1e-12)
    part = burden[(burden["compartment"] == "tumour") & (burden["days_post_rt"] == 28)]
    part = part[part["dose_gy"] == 4]  # of 2 and 4 Gy at this time
    expected = (part["n_senescent"] / part["n_cells"]).mean()
    mask = (
        (rows["compartment"] == "tumour") & (rows["bar"] == "28 d") & (rows["state"] == "senescent")
    )
    assert rows.loc[mask, "share"].item() == pytest.approx(expected)
    assert rows.loc[mask, "n_samples"].item() == 3


def test_states_keep_controls_of_each_time_and_leave_strays_out(burden: pd.DataFrame) -> None:
    control = burden["treatment"].eq("control")
    timed = burden.assign(days_post_rt=burden["days_post_rt"].mask(control, 7.0))
    late = timed["sample"].isin(["ctrl_0Gy_d0_1", "ctrl_0Gy_d0_2"])
    timed.loc[late, "days_post_rt"] = 90.0
    stray = timed.head(1).assign(compartment="b_cell", n_cells=2, status="few_cells")
    rows = pl.states_table(pd.concat([timed, stray]))
    assert set(rows.loc[rows["control"], "bar"]) == {"ctrl|7 d", "ctrl|90 d"}
    assert "b_cell" not in set(rows["compartment"])


def test_heatmap_is_difference_from_controls_at_the_main_dose(burden: pd.DataFrame) -> None:
    rows = pl.heatmap_table(burden, axes=["sasp"])
    part = burden[burden["compartment"] == "fibroblast"]
    control = part.loc[part["treatment"] == "control", "mean:sasp"].mean()
    at = part[(part["days_post_rt"] == 7) & (part["dose_gy"] == 4)]
    mask = (rows["compartment"] == "fibroblast") & (rows["time"] == "7 d")
    found = rows[mask].iloc[0]
    assert found["difference"] == pytest.approx(at["mean:sasp"].mean() - control)
    assert (found["n"], found["n_control"], found["source"]) == (3, 4, "means")


def test_heatmap_takes_controls_of_the_time_where_there_are_two() -> None:
    days = [7, 7, 90, 7, 7, 90, 90]
    table = pd.DataFrame(
        {
            "sample": list("abcdefg"),
            "treatment": ["control"] * 3 + ["irradiated"] * 4,
            "dose_gy": 8.0,
            "days_post_rt": days,
            "compartment": "tumour",
            "mean:z:sasp": [1.0, 3.0, 11.0, 4.0, 6.0, 8.0, 10.0],
        }
    )
    rows = pl.heatmap_table(table).set_index("time")
    assert rows.loc["7 d", "difference"] == 5.0 - 2.0  # the two of day 7
    assert rows.loc["90 d", "difference"] == 9.0 - 5.0  # one of day 90: all three


def test_heatmap_shows_no_difference_where_no_control_has_a_value(burden: pd.DataFrame) -> None:
    table = burden.copy()
    gone = table["compartment"].eq("tumour") & table["treatment"].eq("control")
    table.loc[gone, "mean:sasp"] = np.nan
    rows = pl.heatmap_table(table, axes=["sasp"])
    tumour = rows["compartment"].eq("tumour")
    assert rows.loc[tumour, "difference"].isna().all()
    assert rows.loc[~tumour, "difference"].notna().all()
    svg = pl.to_svg(pl.heatmap(table, axes=["sasp"]))
    assert "Tumour, Sasp" not in svg
    assert svg.count("over control (n =") == (~tumour).sum()
    assert "gap: no value, or none of a control" in svg


def test_heatmap_draws_the_estimates_of_the_trend_table(
    burden: pd.DataFrame, trend: pd.DataFrame
) -> None:
    rows = pl.heatmap_table(burden, trend, axes=["sasp", "ddr"])
    mine = trend[trend["measure"].eq("z:sasp") & trend["dose_gy"].eq(4)]
    want = mine.set_index(["compartment", "days_post_rt"])["estimate"]
    found = rows[rows["axis"] == "sasp"].set_index(["compartment", "days"])["difference"]
    pd.testing.assert_series_equal(
        found.sort_index(), want.sort_index(), check_names=False, check_index_type=False
    )
    assert set(rows.loc[rows["axis"] == "sasp", "source"]) == {"contrast"}
    assert set(rows.loc[rows["axis"] == "ddr", "source"]) == {"means"}  # no contrast of it
    held = rows[rows["holds"]]
    assert len(held) == (mine["q"] <= 0.05).sum()
    one = mine.assign(n_treated=1, q=np.nan, status="not_testable")
    svg = pl.to_svg(pl.heatmap(burden, one, axes=["sasp"]))
    assert "not tested (fewer than 2 samples in a group)" in svg
    assert "4 Gy less control" in svg
    assert "difference, control SDs" in svg
    assert "not tested" not in pl.to_svg(pl.heatmap(burden, mine, axes=["sasp"]))


def test_strata_have_panels_of_their_own(burden: pd.DataFrame, trend: pd.DataFrame) -> None:
    mine = trend[trend["measure"].eq("z:sasp") & trend["compartment"].eq("tumour")]
    both = pd.concat([mine.assign(stratum="cortex"), mine.assign(stratum="cerebellum")])
    svg = pl.to_svg(pl.heatmap(burden, both, axes=["sasp"], compartments=["tumour"]))
    assert "Tumour, cortex" in svg
    assert "Tumour, cerebellum" in svg


def test_axes_leave_single_signatures_out(burden: pd.DataFrame) -> None:
    table = burden.assign(**{"mean:ucell:senmayo": 0.1})
    assert "ucell:senmayo" not in pl.axes_of(table)
    assert pl.sasp_families(table)[0] == "sasp"
    assert all(name.startswith("sasp") for name in pl.sasp_families(table))


def test_forest_fills_only_what_holds(trend: pd.DataFrame) -> None:
    rows = pl.forest_table(trend)
    assert rows["holds"].sum() == (rows["q"] <= 0.05).sum()
    assert not rows.groupby("compartment")["label"].apply(lambda s: s.duplicated().any()).any()
    nothing = trend.assign(q=np.nan, p=np.nan, ci_lo=np.nan, ci_hi=np.nan, status="not_testable")
    assert "not tested" in pl.to_svg(pl.forest(nothing, compartments=["tumour"]))


def test_forest_names_the_dose_in_all_labels_or_in_none(trend: pd.DataFrame) -> None:
    labels = set(pl.forest_table(trend)["label"])
    assert {"1 d · 4 Gy", "7 d · 2 Gy", "7 d · 4 Gy"} <= labels
    assert all(label.endswith("Gy") for label in labels)
    one = trend[trend["dose_gy"] == 4]
    assert set(pl.forest_table(one)["label"]) == {f"{d} d" for d in (1, 3, 7, 14, 28, 90)}


def test_a_second_treatment_is_named_and_kept_apart(
    burden: pd.DataFrame, trend: pd.DataFrame
) -> None:
    extra = burden[burden["dose_gy"] == 4].assign(treatment="irradiated drug")
    extra = extra.assign(**{"sample": extra["sample"] + "_drug", "mean:sasp": 99.0})
    extra = extra[extra["days_post_rt"] == 7]
    both = pd.concat([burden, extra])
    title = trend["contrast"].str.replace("irradiated", "irradiated drug", n=1)
    other = trend.assign(contrast=title, treatment="irradiated drug", estimate=77.0)
    assert pl.heatmap_table(both, axes=["sasp"])["difference"].max() < 50
    rows = pl.heatmap_table(both, pd.concat([trend, other]), axes=["sasp"])
    assert rows["difference"].max() < 50
    assert set(rows["arm"]) == {"irradiated 4 Gy"}
    labels = set(pl.forest_table(pd.concat([trend, other]))["label"])
    assert {"7 d · 4 Gy irradiated", "7 d · 4 Gy irradiated drug"} <= labels


def test_twelve_doses_and_long_names_are_drawn() -> None:
    table = fake_run.burden(np.random.default_rng(2), ["tumour"])
    table = table.assign(compartment="vascular_leptomeningeal_cell_of_the_niche")
    treated = table["treatment"].ne("control").to_numpy()
    table.loc[treated, "dose_gy"] = np.arange(treated.sum()) % 12 + 1.0
    svg = pl.to_svg(pl.timecourse(table))
    assert "irradiated, 12 Gy" in svg
    assert ">Vascular leptomeningeal cell of…<" in svg


def test_forest_shows_the_numbers_of_samples_and_names_the_unit(trend: pd.DataFrame) -> None:
    table = trend.assign(unit="log odds", n_treated=5, n_control=11)
    stray = table.assign(compartment="unassigned")
    svg = pl.to_svg(pl.forest(pd.concat([table, stray])))
    assert "5 / 11" in svg
    assert "log odds ratio" in svg
    assert "Unassigned" not in svg


def test_design_counts_samples_and_keeps_empty_combinations() -> None:
    rows = pl.design_table(fake_run.samples())
    assert rows["n"].sum() == len(fake_run.samples())
    cell = rows[(rows["group"] == "irradiated 2 Gy") & (rows["time"] == "1 d")]
    assert cell["n"].item() == 0


def test_qc_shares_add_up() -> None:
    sheet = fake_run.samples()
    rows = pl.qc_table(fake_run.qc_samples(sheet, np.random.default_rng(3)))
    np.testing.assert_allclose(rows.groupby("sample")["share"].sum(), 1.0)


def test_qc_counts_a_cell_lost_for_two_reasons_once() -> None:
    table = pd.DataFrame(
        {"sample": ["a"], "n_cells": [10], "n_kept": [7], "lost_low": [2], "lost_mt": [2]}
    )
    rows = pl.qc_table(table).set_index("reason")["cells"].to_dict()
    assert rows == {"kept": 7, "low": 2, "mt": 1}


def test_coverage_puts_failures_first() -> None:
    rows = pl.coverage_table(fake_run.coverage())
    assert rows["label"].iloc[0] == "sahf"
    assert rows["count"].iloc[0] == "5/13"


def test_calibration_draws_each_control_sample() -> None:
    rates = pd.DataFrame(
        {"compartment": ["tumour"] * 2, "sample": ["a", "b"], "rate": [0.01, np.nan]}
    )
    assert len(pl.calibration_table(rates)) == 1
    assert "a, Tumour: 1.0 % fulfil the panel" in pl.to_svg(pl.calibration(rates, target=0.02))


@pytest.mark.parametrize(
    ("draw", "table"),
    [
        (pl.timecourse, pd.DataFrame({"sample": ["a"], "x": [1]})),
        (pl.timecourse, pd.DataFrame({"sample": ["a"], "fraction": [np.nan]})),
        (pl.states, pd.DataFrame({"sample": ["a"], "n_senescent": [0]})),
        (pl.heatmap, pd.DataFrame({"sample": ["a"]})),
        (pl.sasp, pd.DataFrame({"sample": ["a"], "mean:ddr": [1.0]})),
        (pl.forest, pd.DataFrame({"question": ["x"]})),
        (pl.design_map, pd.DataFrame({"sample": ["a"]})),
        (pl.qc, pd.DataFrame({"sample": ["a"]})),
        (pl.composition, pd.DataFrame({"sample": ["a"], "n_cells": [0]})),
        (pl.coverage, pd.DataFrame({"signature": ["a"]})),
        (pl.calibration, pd.DataFrame({"compartment": ["a"], "sample": ["a"], "rate": [np.nan]})),
    ],
)
def test_unfit_tables_are_clear_errors(draw, table: pd.DataFrame) -> None:
    with pytest.raises(InputError):
        draw(table)


def test_svg_is_the_same_each_time_and_ids_carry_the_prefix(burden: pd.DataFrame) -> None:
    chart = pl.heatmap(burden, axes=["sasp", "ddr"], compartments=["tumour"])
    first, second = pl.to_svg(chart, prefix="one"), pl.to_svg(chart, prefix="one")
    assert first == second
    assert 'id="one-0"' in first
    assert "url(#one-0)" in first


def test_charts_put_together_without_copies_are_the_same(burden: pd.DataFrame) -> None:
    from altair.utils.schemapi import SchemaBase

    def drawn() -> list[str]:
        return [pl.to_svg(draw(burden)) for draw in (pl.timecourse, pl.states, pl.heatmap)]

    copy, whole = SchemaBase.copy, drawn()
    with pl.quick_composition():
        assert SchemaBase.copy is not copy
        assert drawn() == whole
    assert SchemaBase.copy is copy


def test_tables_become_the_rows_that_altair_makes_of_them() -> None:
    import altair as alt

    from senoscore.plotting.save import _in_rows

    table = pd.DataFrame(
        {
            "whole": np.array([1, 2, 3], np.int8), "real": [1.5, np.nan, np.inf],
            "single": np.array([0.1, 2, 3], np.float32), "true": [True, False, True],
            "text": ["x", None, np.nan], "mixed": [[1], np.int64(2), np.float64("nan")],
        },
        index=[5, 6, 7],
    )  # fmt: skip
    for one in (table, table.iloc[:0], table.astype({"text": "category"})):
        assert _in_rows(one) == alt.default_data_transformer(one, max_rows=None)


def test_text_that_xml_cannot_hold_is_spelt_out(burden: pd.DataFrame) -> None:
    odd = burden[burden["compartment"] == "tumour"].assign(compartment="a\0b\x1b\ufffe")
    svg = pl.to_svg(pl.composition(odd))
    assert "⟨U+0000⟩" in svg
    assert "\x1b" not in svg


def test_save_writes_three_files(burden: pd.DataFrame, tmp_path) -> None:
    chart = pl.composition(burden[burden["compartment"] == "tumour"])
    written = pl.save(chart, tmp_path / "deep" / "figure", pl.composition_table(burden))
    assert [p.name for p in written] == ["figure.svg", "figure.png", "figure.tsv"]
    assert written[1].read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(written[2], sep="\t")) == len(pl.composition_table(burden))


def test_download_text_defuses_formulas() -> None:
    table = pd.DataFrame(
        {"a": ["=1+1", "-3", "x"], "b": [-1.5, np.nan, 1 / 3], "=c": ["@x", "", "y"]}
    )
    lines = pl.to_tsv(table).splitlines()
    assert lines[0] == "a\tb\t'=c"
    assert lines[1] == "'=1+1\t-1.5\t'@x"
    assert lines[2].startswith("-3\t\t")
    assert lines[3] == "x\t0.333333\ty"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("t_cell", "T cell"),
        ("acute_damage_response", "Acute damage response"),
        ("sasp_growth_factor", "SASP growth factors"),
        ("scap_na_k_atpase", "SCAP: Na⁺/K⁺-ATPase"),
        ("nfkb_targets", "NF-κB targets"),
        ("p53_targets", "p53 targets"),
        ("", ""),
    ],
)
def test_keys_become_words(name: str, expected: str) -> None:
    assert theme.pretty(name) == expected


@pytest.mark.parametrize(
    ("days", "label"), [(0.25, "6 h"), (7.0, "7 d"), (0, "0 d"), (np.nan, "no time")]
)
def test_days_become_words(days: float, label: str) -> None:
    assert tidy.day_label(days) == label


def schedules(burden: pd.DataFrame) -> pd.DataFrame:
    """The same doses once more in five fractions, of fewer samples."""
    extra = burden[(burden["dose_gy"] == 4) & burden["sample"].str.endswith("_1")]
    extra = extra.assign(n_fractions=5, sample=extra["sample"] + "_five")
    return pd.concat([burden, extra], ignore_index=True)


def test_two_schedules_of_one_dose_are_two_arms(burden: pd.DataFrame, trend: pd.DataFrame) -> None:
    both = schedules(burden)
    arm = main_arm(both)
    assert (arm.said, arm.fractions) == ("4 Gy in 1", 1)
    assert not arm.rows(both)[both["n_fractions"] == 5].any()
    assert "4 Gy in 5" in set(arm_labels(both))
    title = trend["contrast"].str.replace(" Gy", " Gy in 5")
    other = trend.assign(contrast=title, n_fractions=5, estimate=77.0)
    rows = contrasts_of(pd.concat([trend, other]), arm, {"z:sasp"})
    assert set(rows["n_fractions"]) == {1}
    assert rows["estimate"].max() < 77
    labels = set(pl.forest_table(pd.concat([trend, other]))["label"])
    assert {"7 d · 4 Gy", "7 d · 4 Gy in 5"} <= labels
    svg = pl.to_svg(pl.timecourse(both, compartments=["tumour"]))
    assert "irradiated, 4 Gy in 5" in svg
    with pytest.raises(InputError, match="'modality'"):
        contrasts_of(trend.drop(columns="modality"), arm, {"z:sasp"})


def test_controls_of_a_time_are_counted_in_animals() -> None:
    controls = pd.DataFrame(
        {"sample": ["a", "b", "c"], "subject": ["p", "p", ""], "days_post_rt": [7.0, 7.0, 1.0]}
    )
    assert len(matched_controls(controls, 7.0)) == 3  # two libraries of one animal
    assert len(matched_controls(controls.assign(subject=""), 7.0)) == 2


def test_forest_says_the_scale_of_the_model(trend: pd.DataFrame) -> None:
    table = trend.assign(unit="radians (arcsine)", estimate_fraction=0.123)
    svg = pl.to_svg(pl.forest(table, compartments=["tumour"]))
    assert "difference of arcsine-square-root fractions" in svg
    assert "12.3 percentage points" in svg
