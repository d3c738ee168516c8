"""Window: states by hand-made courses, words and their evidence, awkward designs, targets."""

from __future__ import annotations

from inspect import signature
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.biology.contrasts import clock, course, persistent_at
from senoscore.biology.rules import ADVICE, load_rules
from senoscore.biology.targets import LIMIT, escape, target_genes, targets
from senoscore.biology.window import Window, window
from senoscore.errors import ConfigError, InputError
from senoscore.inference import ask
from senoscore.inference.adjust import against_control, paired
from senoscore.inference.trend import trend
from senoscore.study.compare import ARM, TRANSFORM, designed, prepared, strata

DAYS = (1, 7, 14, 28, 90)
NOISE = (-0.01, 0.0, 0.01)
STEADY = dict.fromkeys(DAYS, 0.0)


def study(
    course: dict[int, float],
    scores: dict[str, dict[int, float]] | None = None,
    *,
    n: int = 3,
    controls: int = 3,
    compartment: str = "astrocyte",
) -> pd.DataFrame:
    """Burden table: a fraction a day for irradiated animals, 5 % in controls of day 1."""
    rows = []
    for day, level in [(0, 0.05), *course.items()]:
        control = day == 0
        rows.extend(
            {
                "dataset": "d",
                "sample": f"d{day}_{i}",
                "subject": "",
                "treatment": "control" if control else "irradiated",
                "dose_gy": 0.0 if control else 8.0,
                "days_post_rt": 1.0 if control else float(day),
                "batch": "",
                "compartment": compartment,
                "n_cells": 1000,
                "n_assessable": 1000,
                "n_positive": round(1000 * (level + NOISE[i % 3])),
                "n_cycling": 100,
                "n_escaped": 10,
                "fraction": level + NOISE[i % 3],
                "excess": level + NOISE[i % 3] - 0.05,
                "index_mean": 0.0,
                "status": "ok" if control or day >= 7 else "acute",
            }
            | {
                f"mean:ucell:{name}": (0.0 if control else values[day]) + NOISE[i % 3]
                for name, values in (scores or {}).items()
            }
            for i in range(controls if control else n)
        )
    return pd.DataFrame(rows)


def read(table: pd.DataFrame, **options: object) -> Window:
    burden = trend(table, measures=["fraction_senescent", "fraction_acute"])
    return window(table, burden, **options)  # type: ignore[arg-type]


RISING = {1: 0.2, 7: 0.05, 14: 0.3, 28: 0.35, 90: 0.4}


def states(found: Window) -> list[str]:
    return found.times.sort_values("days_post_rt")["state"].tolist()


def test_a_rising_course_goes_through_its_states() -> None:
    found = read(study(RISING))
    assert states(found) == ["acute_ddr", "baseline", "accumulating", "persistent", "persistent"]
    assert found.times["opens_at_days"].unique().tolist() == [14.0]
    assert found.times["phase"].tolist() == ["acute", "early", "early", "early", "chronic"]
    last = found.times.iloc[-1]
    assert "senescent burden: irradiated 8 Gy vs control @ 90 d" in last["evidence"]
    assert "persistent: raised at day 14, 28, 90" in last["evidence"]


def test_the_peak_is_a_set_of_times() -> None:
    found = read(study({1: 0.05, 7: 0.05, 14: 0.30, 28: 0.305, 90: 0.1}))
    assert found.times["peak_days"].iloc[0] == 28
    assert found.times["peak_set_days"].iloc[0] == "14, 28"
    assert states(found)[-1] in ("persistent", "resolving")


def test_a_burden_that_falls_back_resolves() -> None:
    assert states(read(study({1: 0.05, 7: 0.3, 14: 0.3, 28: 0.05, 90: 0.05})))[-1] == "resolving"


def test_senolytic_candidate_needs_persistence_and_chronic_secretion() -> None:
    up = {"sasp_chronic": dict.fromkeys(DAYS, 1.0)}
    with_secretion = read(study(RISING, up)).phases.set_index("phase")
    assert with_secretion.loc["chronic", "readout"] == "senolytic_candidate"
    assert "chronic secretion" in with_secretion.loc["chronic", "evidence"]
    assert with_secretion.loc["chronic", "targets"] == "not compared"
    without = read(study(RISING, {"sasp_chronic": STEADY})).phases.set_index("phase")
    assert without.loc["chronic", "readout"] == "insufficient_evidence"
    assert "sasp_chronic is same, not up" in without.loc["chronic", "lacking"]
    flat = read(study(dict.fromkeys(DAYS, 0.05), up)).phases.set_index("phase")
    assert "senolytic" not in flat.loc["chronic", "readout"]
    assert set(flat["note"]) == {"Research use, not medical advice."}


def test_senomorphic_candidate_needs_a_pathway() -> None:
    up = dict.fromkeys(DAYS, 1.0)
    flat = dict.fromkeys(DAYS, 0.05)
    both = read(study(flat, {"sasp_chronic": up, "pi3k_akt_mtor": up})).phases.set_index("phase")
    assert both.loc["chronic", "readout"] == "senomorphic_candidate"
    assert both.loc["acute", "readout"] == "insufficient_evidence"
    alone = read(study(flat, {"sasp_chronic": up})).phases.set_index("phase")
    assert alone.loc["chronic", "readout"] == "insufficient_evidence"


@pytest.mark.parametrize(
    ("cytotoxic", "word"), [(0.0, "early_priming"), (-1.0, "insufficient_evidence")]
)
def test_priming_needs_surveillance_that_is_not_down(cytotoxic: float, word: str) -> None:
    early = {"sasp_early": {1: 0.0, 7: 1.0, 14: 1.0, 28: 1.0, 90: 0.0}}
    flat = dict.fromkeys(DAYS, 0.05)
    t_cells = study(flat, {"nk_t_cytotoxic": dict.fromkeys(DAYS, cytotoxic)}, compartment="t_cell")
    table = pd.concat([study(flat, early), t_cells], ignore_index=True)
    found = read(table).phases
    row = found[(found["compartment"] == "astrocyte") & (found["phase"] == "early")].iloc[0]
    assert row["readout"] == word


def test_one_animal_a_time_gives_no_state() -> None:
    found = read(study(RISING, {"sasp_chronic": dict.fromkeys(DAYS, 1.0)}, n=1))
    assert set(states(found)) == {"underpowered"}
    assert set(found.phases["readout"]) == {"insufficient_evidence"}
    assert found.times["opens_at_days"].isna().all()


def test_no_control_gives_no_state() -> None:
    table = study(RISING)
    table = table[table["treatment"] != "control"].assign(status="no_control")
    assert set(states(read(table))) == {"no_control"}


def test_all_zero_burden_is_not_estimable_and_not_baseline() -> None:
    table = study(RISING).assign(n_positive=0, fraction=0.0, excess=0.0)
    assert set(states(read(table))[1:]) == {"not_estimable"}


def test_batch_that_is_the_condition_is_refused() -> None:
    table = study(RISING)
    table["batch"] = np.where(table["treatment"] == "control", "b1", "b2")
    found = read(table)
    assert set(states(found)) == {"not_estimable"}
    assert "batch and treatment are the same variable" in found.times["note"].iloc[-1]


def test_missing_compartment_in_some_samples_is_noted_not_zero() -> None:
    table = study(RISING)
    gone = (table["days_post_rt"] == 90) & (table["sample"] == "d90_0")
    table.loc[gone, ["n_cells", "n_assessable", "n_positive"]] = 0
    table.loc[gone, "status"] = "absent"
    table.loc[gone, ["fraction", "excess"]] = np.nan
    last = read(table).times.iloc[-1]
    assert last["n_treated"] == 2
    assert "1 sample(s) absent" in last["note"]
    assert last["fraction"] == pytest.approx(0.405)


def test_small_excess_does_not_count() -> None:
    table = study({1: 0.05, 7: 0.05, 14: 0.05, 28: 0.05, 90: 0.085})
    assert read(table, min_excess=0.0).times["burden"].iloc[-1] in ("up", "same")
    assert read(table, min_excess=0.05).times["burden"].iloc[-1] == "same"


def test_two_phase_scheme() -> None:
    found = read(study(RISING), scheme="two")
    assert found.times["phase"].tolist() == ["acute"] * 4 + ["chronic"]


@pytest.mark.parametrize("swapped", [False, True])
def test_regions_are_read_apart_whatever_their_names(*, swapped: bool) -> None:
    names = ("margin", "core") if swapped else ("core", "margin")
    up = {"sasp_chronic": dict.fromkeys(DAYS, 1.0)}
    flat = {"sasp_chronic": STEADY}
    parts = [
        study(RISING, up).assign(region=names[0]),
        study(dict.fromkeys(DAYS, 0.05), flat).assign(region=names[1]),
    ]
    parts[1]["sample"] += "_other"
    found = read(pd.concat(parts, ignore_index=True))
    by = found.times.set_index("stratum")
    alone = read(study(RISING, up))
    assert by.loc[names[0], "state"].tolist() == states(alone)
    assert set(by.loc[names[1], "state"]) == {"baseline", "acute_ddr"}
    assert by.loc[names[1], "opens_at_days"].isna().all()
    words = found.phases.set_index(["stratum", "phase"])["readout"]
    assert words[names[0], "chronic"] == "senolytic_candidate"
    assert words[names[1], "chronic"] == "insufficient_evidence"
    assert f"[{names[0]}]" in by.loc[names[0], "evidence"].iloc[-1]
    assert (found.contrasts["n_control"] == 3).all()


def test_nuclei_are_no_controls_of_cells() -> None:
    cells, nuclei = study(RISING), study(RISING)
    nuclei["sample"] += "_n"
    treated = cells["treatment"] != "control"
    table = pd.concat([cells[treated].assign(assay="sc"), nuclei[~treated].assign(assay="sn")])
    found = read(table.assign(organism="human"))
    assert set(found.times["stratum"]) == {"sc"}
    assert not set(found.times["burden"]) & {"up", "down", "same"}
    phased = found.contrasts[found.contrasts["family"].str.startswith("window_phase")]
    assert set(phased["reason"]) == {
        "controls of this compartment are of another assay or organism"
    }


def test_surveillance_is_read_in_the_same_region() -> None:
    early = {"sasp_early": {1: 0.0, 7: 1.0, 14: 1.0, 28: 1.0, 90: 0.0}}
    flat, parts = dict.fromkeys(DAYS, 0.05), []
    for region, cytotoxic in (("core", -1.0), ("margin", 0.0)):
        tissue = [
            study(flat, early),
            study(flat, {"nk_t_cytotoxic": dict.fromkeys(DAYS, cytotoxic)}, compartment="t_cell"),
        ]
        both = pd.concat(tissue, ignore_index=True).assign(region=region)
        both["sample"] += region
        parts.append(both)
    found = read(pd.concat(parts, ignore_index=True)).phases
    own = found[(found["compartment"] == "astrocyte") & (found["phase"] == "early")]
    words = dict(zip(own["stratum"], own["readout"], strict=True))
    assert words == {"core": "insufficient_evidence", "margin": "early_priming"}


def test_every_row_says_what_it_is_not() -> None:
    found = read(study(RISING))
    assert set(found.times["use"]) == set(found.phases["note"]) == {ADVICE}


def test_tables_without_their_columns_are_refused() -> None:
    with pytest.raises(InputError, match="burden table has no column"):
        window(pd.DataFrame({"sample": []}), pd.DataFrame())


def test_persistence_by_hand() -> None:
    phase = {7: "early", 14: "early", 28: "early", 90: "chronic"}
    up = {7: True, 14: False, 28: True, 90: True}
    assert persistent_at(up, phase, consecutive=2) == {7: False, 14: False, 28: False, 90: True}
    assert persistent_at({7: True, 14: True}, phase, consecutive=2)[14]


def test_titles_are_whole() -> None:
    titles = {name: m.title for name, m in load_rules().measures.items()}
    assert titles["sasp_early"] == "early secretion (interferon, chemokines)"
    assert all(title.count("(") == title.count(")") for title in titles.values())


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("when: { burden: [up] }", "when: { burdn: [up] }", "which is not a known fact"),
        ("when: { burden: [up] }", "when: { burden: [high] }", "never 'high'"),
        ("any: up, of: [treg", "any: high, of: [treg", "any: up|down"),
        (
            '"early secretion (interferon, chemokines)"',
            "early (interferon, more)",
            r"'more\)' is not",
        ),
        ("sasp_early, title:", "sasp_early, titel:", "'titel' is not known"),
        (", title: NF-kB targets }", " }", "'nfkb': no key 'title'"),
        ("flags:\n", "flag:\n", "'flag' is not known"),
        ("when: { burden: [up] }", "when: [burden]", "when is a mapping"),
        ("when: { burden: [up] }", "when: { burden: 3 }", "when is a mapping"),
        ("of: [macrophage], title: M1", "of: macrophage, title: M1", "of is a list"),
        ("{ state: baseline, when: {} }", "{ state: x, when: { data: [no] } }", "the last state"),
        ("measures:\n", "measures: 3\nmore:\n", "'more' is not known"),
        ("  burden: {", "  load: {", "no measure 'burden'"),
        ("version: 1", "version: 1\nversion: 1", "duplicated"),
    ],
)
def test_rules_that_ask_for_nothing_known_are_refused(
    tmp_path: Path, old: str, new: str, word: str
) -> None:
    text = (Path(__file__).parents[2] / "resources" / "window.yaml").read_text("utf-8")
    assert old in text
    path = tmp_path / "rules.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=word.replace("|", r"\|")):
        load_rules(path)


# --- the tests behind it -------------------------------------------------------------------


def samples_of(days: list[int], **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    base = {
        "sample": [f"s{i}" for i in range(len(days))],
        "subject": [f"s{i}" for i in range(len(days))],
        "treatment": np.where(np.array(days) == 0, "control", "irradiated"),
        "dose_gy": np.where(np.array(days) == 0, 0.0, 8.0),
        "days_post_rt": np.array(days, dtype=float),
        "batch": "",
        "compartment": "astrocyte",
        "n_cells": 50, "n_assessable": 50, "n_positive": 3, "status": "ok",
        "mean:z:a": rng.normal(size=len(days)), "mean:z:b": rng.normal(size=len(days)),
    }  # fmt: skip
    return pd.DataFrame(base | columns)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"batch": ["1", "2", "1", "1", "2", "2", "2", "1", "2"]},
        {"batch": ["1", "1", "1", "2", "2", "2", "2", "2", "2"]},
        {"subject": ["p", "q", "r"] * 3},
        {"subject": ["c", "d", "e", *["p", "q", "r"] * 2]},
        {"subject": ["p", "d", "e", "p", "q", "r", "s", "t", "u"]},
        {"subject": ["p", "q", "e", "p", "q", "r", "p", "q", "u"]},
        {"dose_gy": [0, 0, 0, 8, 8, 4, 8, 8, 4]},
        {"n_fractions": [0, 0, 0, 1, 1, 5, 5, 1, 5]},
        {"modality": ["", "", "", "photon", "proton", "proton", "photon", "photon", "proton"]},
        {"dataset": list("abbabaaba")},
        {"dataset": list("aaabbbbbb")},
        {"region": ["core", "rim", "core", "rim", "core", "rim", "core", "rim", "core"]},
        {"region": ["core", "core", "core", "rim", "core", "rim", "core", "rim", "core"]},
        {"assay": ["sc"] * 3 + ["sn"] * 3 + ["sc"] * 3},
        {"organism": ["human", "mouse", "mouse"] * 3},
    ],
    ids=[
        "plain",
        "batch",
        "confounded",
        "paired",
        "other_controls",
        "one_of_six_returns",
        "some_return",
        "doses",
        "schedules",
        "modalities",
        "datasets",
        "dataset_is_treatment",
        "regions",
        "regions_averaged",
        "controls_elsewhere",
        "organisms",
    ],
)
def test_many_measures_at_once_are_what_the_trend_gives(columns: dict[str, object]) -> None:
    table = samples_of([0, 0, 0, 7, 7, 7, 28, 28, 28], **columns)
    table.loc[4, "mean:z:b"] = np.nan
    wanted = trend(table, measures=["z:a", "z:b"])
    wanted = wanted[wanted["question"] == "irradiated_vs_control"]
    Y = table[["mean:z:a", "mean:z:b"]].rename(columns=lambda n: n.removeprefix("mean:"))
    parts = strata(designed(table), control="control")
    found = pd.concat([against_control(part, Y, control="control") for part in parts])
    keys = ["stratum", "measure", "contrast", "days_post_rt", *ARM]
    both = wanted.merge(found, on=keys, suffixes=("", "_new"))
    assert len(both) == len(wanted) == len(found)
    for name in ("n_control", "n_treated", "ci_lo", "ci_hi", "df", "statistic", "p"):
        left, right = both[name].to_numpy(float), both[f"{name}_new"].to_numpy(float)
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12, err_msg=name)
    tested = both["status"] == "tested"
    np.testing.assert_allclose(both["estimate"][tested], both["estimate_new"][tested], rtol=1e-9)
    refused = both["status"] == "not_estimable"
    assert both["status"].tolist() == both["status_new"].tolist()
    for name in ("design", "method", "note"):
        assert both[name].tolist() == both[f"{name}_new"].tolist()
    assert both["reason"][refused].tolist() == both["reason_new"][refused].tolist()


def test_paired_differences_are_a_t_test() -> None:
    values = np.array([0.2, 0.5, 0.1, 0.4])
    found = paired(values)
    reference = stats.ttest_1samp(values, 0.0)
    assert found["p"] == pytest.approx(reference.pvalue)
    low, high = reference.confidence_interval(0.95)
    assert (found["ci_lo"], found["ci_hi"]) == (pytest.approx(low), pytest.approx(high))
    assert paired(values[:1])["status"] == "not_testable"
    assert paired(values[:0])["status"] == "not_estimable"
    assert paired(np.ones(3))["status"] == "not_estimable"


def schedules() -> pd.DataFrame:
    """8 Gy at once, which raises the burden, and in five fractions, which does not."""
    once = study(RISING).assign(n_fractions=1.0)
    flat = study(dict.fromkeys(DAYS, 0.05)).assign(n_fractions=5.0)
    flat = flat[flat["treatment"] != "control"]
    return pd.concat([once, flat.assign(sample=flat["sample"] + "_5")], ignore_index=True)


def test_two_schedules_of_one_dose_are_two_arms() -> None:
    found = read(schedules())
    last = found.times[found.times["days_post_rt"] == 90].set_index("n_fractions")
    assert last["state"].to_dict() == {1.0: "persistent", 5.0: "baseline"}
    assert last["n_treated"].tolist() == [3, 3]
    assert "8 Gy in 5 vs control @ 90 d" in last.loc[5.0, "evidence"]
    assert last["opens_at_days"].isna().tolist() == [False, True]
    chronic = found.phases[found.phases["phase"] == "chronic"].set_index("n_fractions")
    assert chronic["burden"].to_dict() == {1.0: "up", 5.0: "same"}
    assert "8 Gy in 5 vs control, chronic phase" in chronic.loc[5.0, "evidence"]
    both = escape(schedules(), compartments=["astrocyte"])
    assert both.groupby("n_fractions")["from_days"].agg(list).to_dict() == {
        1.0: [7.0, 14.0, 28.0], 5.0: [7.0, 14.0, 28.0]
    }  # fmt: skip


def test_without_a_time_nobody_knows_whether_it_can_be_senescence() -> None:
    table = study({14: 0.4})
    table.loc[table["treatment"] != "control", "days_post_rt"] = np.nan
    found = read(table)
    assert found.times["state"].tolist() == ["not_estimable"]
    assert "no time after irradiation" in found.times["note"].iloc[0]
    assert found.phases["readout"].tolist() == ["insufficient_evidence"]
    assert "clock is unknown, not after_stable" in found.phases["lacking"].iloc[0]
    assert [clock(d, 7.0) for d in (None, np.nan, 3, 7)] == [
        "", "", "before_stable", "after_stable"
    ]  # fmt: skip


def test_fractions_are_on_the_scale_of_the_trend_by_default() -> None:
    for function in (trend, window, escape):
        assert signature(function).parameters["transform"].default == TRANSFORM
    units = read(study(RISING)).contrasts.groupby("measure")["unit"].first()
    assert units["fraction_senescent"] == "radians (arcsine)"


# --- escape --------------------------------------------------------------------------------


def test_escape_is_suspected_only_where_all_three_move() -> None:
    falling = {1: 0.05, 7: 0.4, 14: 0.4, 28: 0.1, 90: 0.1}
    stem = {"escape_stemness": {1: 0.0, 7: 0.0, 14: 0.0, 28: 2.0, 90: 2.0}}
    table = study(falling, stem, compartment="tumour")
    late = table["days_post_rt"] >= 28
    jitter = table.groupby("days_post_rt").cumcount()
    table["n_cycling"] = np.where(late, 400, 100) + 5 * jitter
    found = escape(table).set_index("from_days")
    assert found["verdict"].to_dict() == {
        7.0: "not_seen", 14.0: "escape_suspected", 28.0: "not_seen"
    }  # fmt: skip
    assert set(found["note"]) == {LIMIT}
    still = escape(table.assign(n_cycling=100 + 5 * jitter))
    assert "escape_suspected" not in set(still["verdict"])
    alone = escape(table[table["sample"].str.endswith("_0")])
    assert set(alone["verdict"]) == {"not_assessed"}
    assert all(
        a == b for (_, a), (b, _) in pairwise(zip(found.index, found["to_days"], strict=True))
    )


def test_a_quiet_step_is_not_judged_by_the_spread_of_another_time() -> None:
    rng = np.random.default_rng(5)
    table = study(dict.fromkeys((7, 28, 90), 0.1), n=4, compartment="tumour")
    spread = table["days_post_rt"].map({1.0: 1.0, 7.0: 0.1, 28.0: 1.0, 90.0: 9.0})
    table["mean:ucell:escape_stemness"] = spread * rng.normal(size=len(table))
    found = escape(table).set_index("from_days")
    at = table.groupby("days_post_rt")["mean:ucell:escape_stemness"].agg(list)
    for start, end in ((7.0, 28.0), (28.0, 90.0)):
        welch = stats.ttest_ind(at[end], at[start], equal_var=False)
        assert found.loc[start, "stemness_p"] == pytest.approx(welch.pvalue)
        interval = welch.confidence_interval()
        ends = found.loc[start, ["stemness_ci_lo", "stemness_ci_hi"]].tolist()
        assert ends == pytest.approx([interval.low, interval.high])


def test_a_step_of_a_fraction_is_no_surer_than_its_cells_were_counted() -> None:
    table = study(dict.fromkeys((7, 28, 90), 0.0), compartment="tumour")
    table["n_positive"], table["n_assessable"], table["n_cycling"] = 0, 40, 4
    table.loc[(table["days_post_rt"] == 28) & table["sample"].str.endswith("_0"), "n_positive"] = 1
    step = escape(table).set_index("from_days").loc[7.0]
    estimate = np.arcsin(np.sqrt(1 / 40)) / 3
    se = np.sqrt(2 / (3 * 4 * 40))  # of two means of three animals, 1 / (4 n) each
    # Residuals of the three times of the arm: 9 values, 3 means.
    half = stats.t.ppf(0.975, 6) * se
    assert step["burden_change"] == pytest.approx(estimate)
    assert step["burden_ci_lo"] == pytest.approx(estimate - half)
    assert step["burden_p"] == pytest.approx(2 * stats.t.sf(estimate / se, 6))


def test_the_peak_is_told_from_other_times_by_their_own_spread() -> None:
    """The index: the peak and day 28 hardly vary, day 7 does."""
    table = study(dict.fromkeys((7, 28, 90), 0.1))
    level = table["days_post_rt"].map({1.0: 0.0, 7.0: 0.0, 28.0: 1.0, 90.0: 1.3})
    noise = table.groupby("days_post_rt").cumcount() - 1.0
    spread = table["days_post_rt"].map({1.0: 0.05, 7.0: 5.0, 28.0: 0.05, 90.0: 0.05})
    table["index_mean"] = level + noise * spread
    prepared_table = prepared(table, TRANSFORM, control="control")
    arm = prepared_table[prepared_table["treatment"] != "control"]
    controls = prepared_table[prepared_table["treatment"] == "control"]
    own = ask.Options.of(None, control="control", alpha=0.05)
    found = course(arm, controls, measure="index_mean", options=own)
    assert found is not None
    assert found.peak == 90.0
    # Pooled with day 7, nothing could be told from the peak.
    assert found.peak_set == (7.0, 90.0)


# --- targets -------------------------------------------------------------------------------


def expression(levels: list[tuple[float, float]], n: int = 10) -> pd.DataFrame:
    """BCL2 family of one compartment: (senescent, other) of each sample."""
    genes = target_genes()["bcl2_family"]
    return pd.DataFrame(
        [
            (f"s{i}", "fibroblast", kind, n, gene, level, 0.5)
            for i, pair in enumerate(levels)
            for kind, level in zip(("senescent", "other"), pair, strict=True)
            for gene in genes
        ],
        columns=["sample", "compartment", "kind", "n_cells", "gene", "mean", "detected"],
    )


def test_targets_are_paired_within_samples() -> None:
    levels = [(1.0, 0.5), (1.2, 0.6), (0.9, 0.6)]
    sheet = samples_of([14, 14, 28])
    found = targets(expression(levels), sheet, panel_genes=["BCL2"]).set_index("target")
    row = found.loc["bcl2_family"]
    reference = stats.ttest_rel(*np.array(levels).T)
    assert row["p"] == pytest.approx(reference.pvalue)
    assert row["estimate"] == pytest.approx(np.mean([0.5, 0.6, 0.3]))
    assert (row["n_samples"], row["n_cells_senescent"]) == (3, 30)
    assert row["circular"] == "also in the panel: BCL2"
    assert found.loc["hsp90", "status"] == "not_estimable"
    assert found.loc["hsp90", "reason"] == "no gene of it is in the data"


def test_targets_of_one_subject_are_one_number() -> None:
    levels = [(1.0, 0.5), (1.2, 0.6), (0.9, 0.6)]
    sheet = samples_of([14, 14, 28], subject=["p", "p", "q"])
    row = targets(expression(levels), sheet).set_index("target").loc["bcl2_family"]
    assert row["n_samples"] == 2
    assert row["estimate"] == pytest.approx((0.55 + 0.3) / 2)


def test_targets_need_cells_of_both_kinds_after_the_acute_days() -> None:
    levels = [(1.0, 0.5), (1.2, 0.6)]
    few = targets(expression(levels, n=4), samples_of([14, 14]))
    assert few.set_index("target").loc["bcl2_family", "reason"].startswith("no sample has 5")
    assert targets(expression(levels), samples_of([1, 3])).empty
    assert targets(expression(levels), samples_of([np.nan, np.nan])).empty


def test_targets_of_two_schedules_are_two_numbers() -> None:
    levels = [(1.0, 0.5), (1.2, 0.6), (0.9, 0.6), (0.8, 0.6)]
    found = targets(expression(levels), samples_of([14] * 4, n_fractions=[1, 1, 5, 5]))
    own = found[found["target"] == "bcl2_family"].set_index("n_fractions")["estimate"]
    assert own.to_dict() == {1.0: pytest.approx(0.55), 5.0: pytest.approx(0.25)}


def test_a_window_without_any_cell_compares_no_targets() -> None:
    """Whole samples: the table of targets has columns and no row."""
    empty = targets(expression([]), samples_of([14, 14]))
    assert empty.empty
    burden = study({14: 0.3, 28: 0.3})
    found = window(burden, trend(burden), targets=empty)
    assert found.phases["targets"].ne("not compared").all()
