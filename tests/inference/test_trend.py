"""Contrasts against R's lm, exact tests by hand, no pseudoreplication, awkward designs."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.errors import DesignError, InputError
from senoscore.inference.burden import burden
from senoscore.inference.models import counting, permutation, sign_flips
from senoscore.inference.trend import NAMES, check_formula, families, trend

REFERENCE = pd.read_csv(
    Path(__file__).parents[1] / "references" / "trend_reference.txt", sep="\t", index_col="name"
)
K = [3, 5, 4, 12, 20, 15, 30, 22, 26]
N = [100, 120, 90, 110, 100, 130, 105, 95, 115]
DAYS = [0, 0, 0, 7, 7, 7, 28, 28, 28]
NUMBERS = ["estimate", "ci_lo", "ci_hi", "df", "statistic", "p"]


def table(days=DAYS, k=K, n=N, **columns) -> pd.DataFrame:
    days = np.asarray(days, dtype=float)
    base = {
        "sample": [f"s{i}" for i in range(len(days))],
        "subject": "",
        "treatment": np.where(days == 0, "control", "irradiated"),
        "dose_gy": np.where(days == 0, 0.0, 8.0),
        "days_post_rt": days,
        "batch": "",
        "compartment": "astrocyte",
        "n_assessable": n,
        "n_positive": k,
        "status": "ok",
        "index_mean": np.asarray(k) / np.asarray(n) * 5,
    }
    return pd.DataFrame(base | columns)


def asked(burdens: pd.DataFrame, question="irradiated_vs_control", **options) -> pd.DataFrame:
    scale = {"transform": "logit"} | options
    found = trend(burdens, measures=["fraction_senescent"], **scale)
    return found[found["question"] == question].sort_values("days_post_rt")


def agrees(row: pd.Series, name: str) -> None:
    np.testing.assert_allclose(row[NUMBERS].astype(float), REFERENCE.loc[name, NUMBERS], rtol=1e-8)


@pytest.mark.parametrize(
    ("columns", "options", "name"),
    [
        ({}, {}, "plain"),
        ({"batch": ["1", "2", "1", "1", "2", "2", "2", "1", "2"]}, {}, "batch"),
        ({"subject": ["p", "q", "r"] * 3}, {}, "subject"),
        ({}, {"transform": "arcsine"}, "arcsine"),
    ],
)
def test_contrasts_equal_lm(columns, options, name):
    many = {"k": np.multiply(K, 100), "n": np.multiply(N, 100)}  # counting adds nothing to see
    found = asked(table(**columns, **(many if name == "arcsine" else {})), **options)
    agrees(found.iloc[0], f"{name}_b")
    if name != "arcsine":
        agrees(found.iloc[1], f"{name}_c")
    assert ("blocks" in found["method"].iloc[0]) == (name == "subject")


def test_means_are_compared_by_welch_and_fractions_with_the_variance_of_all_groups():
    found = trend(table(), measures=["index_mean", "fraction_senescent"], transform="logit")
    found = found[found["question"].eq("irradiated_vs_control") & found["days_post_rt"].eq(7)]
    index, share = (
        found[found["measure"] == m].squeeze() for m in ("index_mean", "fraction_senescent")
    )
    agrees(index, "welch_b")
    assert index["method"].startswith("Welch's t of samples; all controls pooled")
    assert share["df"] == 6
    assert share["method"].startswith("OLS on samples, pooled variance")


def test_another_time_does_not_make_a_mean_surer():
    """Groups that hardly vary at other times say nothing of this one."""
    still = np.where(np.array(DAYS) == 28, 3.0, table()["index_mean"])
    rows = [
        trend(t, measures=["index_mean"]).query("days_post_rt == 7").iloc[0]
        for t in (table(), table(index_mean=still))
    ]  # fmt: skip
    assert rows[0]["p"] == rows[1]["p"]


def test_means_beside_a_batch_or_returning_subjects_keep_the_model():
    for columns in ({"batch": ["1", "2", "1", "1", "2", "2", "2", "1", "2"]},
                    {"subject": ["p", "q", "r"] * 3}):  # fmt: skip
        row = trend(table(**columns), measures=["index_mean"]).iloc[0]
        assert row["method"].startswith("OLS on samples, pooled variance")


@pytest.mark.parametrize("formula", [None, "~ treatment"])
def test_no_contrast_of_fractions_is_surer_than_counting_its_cells(formula):
    """Four cells against one: by hand; the residuals alone say much less."""
    days = [0, 0, 0, 7, 7, 7]
    burdens = table(days, [0, 0, 1, 1, 1, 3], [40, 40, 80, 40, 40, 80])
    row = trend(burdens, formula, measures=["fraction_senescent"]).iloc[0]
    variance = (2 / (4 * 40) + 1 / (4 * 80) + 2 / (4 * 40) + 1 / (4 * 80)) / 9
    y = np.arcsin(np.sqrt(np.array([0, 0, 1 / 80, 1 / 40, 1 / 40, 3 / 80])))
    inside = np.concatenate([y[:3] - y[:3].mean(), y[3:] - y[3:].mean()])
    assert inside @ inside / 4 * 2 / 3 < variance / 2
    statistic = (y[3:].mean() - y[:3].mean()) / np.sqrt(variance)
    assert row["statistic"] == pytest.approx(statistic)
    assert row["p"] == pytest.approx(2 * stats.t.sf(statistic, 4))


@pytest.mark.parametrize("formula", [None, "~ treatment"])
def test_a_fraction_is_counted_over_the_cells_that_it_is_of(formula):
    """Arrest is judged in fewer cells than can be assessed: by hand, of those alone."""
    days, judged, beyond = [0, 0, 0, 7, 7, 7], [10, 10, 20, 10, 10, 20], [1, 1, 2, 2, 2, 4]
    burdens = table(
        days, [1] * 6, [4000] * 6, n_beyond=[n + (i == 2) for i, n in enumerate(beyond)],
        n_judged=judged,
    )  # fmt: skip
    row = trend(burdens, formula, measures=["fraction_arrested"]).iloc[0]
    variance = 2 * (2 / (4 * 10) + 1 / (4 * 20)) / 9
    y = np.arcsin(np.sqrt(burdens["n_beyond"].to_numpy() / np.array(judged)))
    assert row["statistic"] == pytest.approx((y[3:].mean() - y[:3].mean()) / np.sqrt(variance))


def test_the_offset_of_logits_is_half_a_cell_of_those_that_the_fraction_is_of():
    days, judged, beyond = [0, 0, 0, 7, 7, 7], [10] * 6, [0, 1, 0, 2, 3, 2]
    burdens = table(days, [1] * 6, [4000] * 6, n_beyond=beyond, n_judged=judged)
    row = trend(burdens, measures=["fraction_arrested"], transform="logit").iloc[0]
    f = np.array(beyond) / 10
    y = np.log((f + 0.05) / (1 - f + 0.05))
    assert row["estimate"] == pytest.approx(y[3:].mean() - y[:3].mean())


@pytest.mark.filterwarnings("error")
def test_a_sample_without_cells_has_no_part_in_what_counting_says():
    """By hand: the third group has no share in the contrast of the first two."""
    X = np.repeat(np.eye(3), 2, axis=0)
    cells = np.array([40.0, 80, 40, 80, 0, 0])
    contrast = np.array([-1.0, 1, 0])
    assert counting(X, contrast, cells) == pytest.approx(2 * (1 / 160 + 1 / 320) / 4)
    assert counting(X, np.array([0.0, -1, 1]), cells) == np.inf


def test_a_mean_has_no_floor_of_counts():
    y = [1.0, 1.0, 1.001, 2.0, 2.0, 2.001]
    row = trend(table([0, 0, 0, 7, 7, 7], K[:6], N[:6], index_mean=y), measures=["index_mean"])
    assert row["p"].iloc[0] < 1e-10


def test_dose_response_equals_lm():
    days = np.full(9, 7.0)
    dose = np.repeat([0.0, 2.0, 8.0], 3)
    burdens = table(days, dose_gy=dose, treatment=np.where(dose == 0, "control", "irradiated"))
    agrees(asked(burdens, "dose_response").iloc[0], "dose")


def test_lines_over_days_equal_lm():
    agrees(asked(table([0, 0, 0, 7, 7, 14, 14, 28, 28]), "trend_log1p_days").iloc[0], "days")
    arm = ["control", "control", "irradiated", "irradiated"] * 2
    burdens = table(np.repeat([7, 28], 4), K[:8], N[:8], treatment=arm)
    agrees(asked(burdens, "treatment_x_time").iloc[0], "interaction")


def test_blocks_equal_a_random_intercept():
    """lme4 agrees where every subject is in every group; estimate and t are compared."""
    index = [0.5, 1.4, 2.2, 1.0, 1.9, 2.6, 1.2, 2.2, 3.1]
    burdens = table(subject=["p", "q", "r"] * 3, index_mean=index)
    found = trend(burdens, measures=["index_mean"]).iloc[0]
    wanted = REFERENCE.loc["lmer_b", ["estimate", "statistic"]]
    np.testing.assert_allclose(found[["estimate", "statistic"]].astype(float), wanted, rtol=1e-5)


def test_formula_equals_the_contrast():
    own = trend(table(), "~ C(days_post_rt)", measures=["fraction_senescent"], transform="logit")
    agrees(own.iloc[0], "plain_b")
    with pytest.raises(DesignError, match="speaks of"):
        trend(table(), "~ nothing_like_it")
    with pytest.raises(DesignError, match="several samples"):
        trend(table(subject=["p", "q", "r"] * 3), "~ treatment")


def test_covariates_of_a_formula_are_no_questions():
    burdens = table(subject=["p", "q", "r"] * 3)
    found = trend(burdens, "~ treatment + subject", measures=["fraction_senescent"])
    q = found.set_index("contrast")["q"]
    asked_of = found.set_index("contrast").loc["treatment[T.irradiated]"]
    assert asked_of["q"] == asked_of["p"]  # a family of one
    assert q[["subject[T.q]", "subject[T.r]"]].isna().all()
    assert found["reason"].str.contains("not adjusted").sum() == 2
    listed = families(found).set_index("family")
    assert listed.loc["formula_covariates/fraction_senescent", "adjustment"] == "none: covariates"
    assert listed.loc["formula/fraction_senescent", "n_rows"] == 1


@pytest.mark.parametrize(
    "formula",
    [
        "~ __import__('os').system('touch owned')",
        "~ treatment + open('owned', 'w')",
        "~ np.log(days_post_rt)",
        "~ exit ()",
        "~ {days_post_rt + 1}",
        "~ `sample`",
        "~ C(treatment)(1)",
        "~ __builtins__",
        "~ treatment ** 1000000000",
        "~ (treatment + batch + region) ** 2",
    ],
)
def test_a_formula_is_no_program(formula, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DesignError, match="has more than names"):
        trend(table(), formula, measures=["fraction_senescent"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("~ " + "(" * 3000 + "treatment" + ")" * 3000, "too large"),
        ("~ " + " * ".join("abcdefgh"), "too large"),
        ("~ " + " + ".join(f"x{i}" for i in range(11)), "too large"),
        ("~ a * b * c * d * e * f * g", "has 128 terms"),
        ("~ (treatment", "is none"),
        ("~ treatment batch", "is none"),
        ("~ treatmint", "did you mean 'treatment'"),
    ],
)
def test_a_formula_is_judged_before_any_work(formula, why):
    with pytest.raises(DesignError, match=why):
        check_formula(formula, NAMES)


def test_names_of_a_formula_are_columns_of_the_burden():
    cells = pd.DataFrame(
        {
            "sample": ["a", "b"], "compartment": "t_cell",
            "treatment": "control", "dataset": "d", "assay": "sc", "organism": "human",
            "n_counts": 1.0, "n_genes": 1.0, "pct_mt": 1.0, "panel_positive": False,
            "senescence_state": "other",
            "senescence_index": 0.0,
        }
    )  # fmt: skip
    made = set(burden(cells).columns) | {"log_days", "log_dose"}
    assert set(NAMES) <= made, set(NAMES) - made


def test_permutation_by_hand():
    a, b = np.array([5.0, 6.0, 9.0]), np.array([1.0, 4.0, 7.0])
    pooled = np.concatenate([a, b])
    observed = abs(a.mean() - b.mean())
    hits = [
        abs(pooled[list(s)].mean() - np.delete(pooled, list(s)).mean()) >= observed - 1e-9
        for s in combinations(range(6), 3)
    ]
    assert permutation(a, b) == (pytest.approx(sum(hits) / 20), pytest.approx(0.1))
    # +++ +: only the two all-equal sign patterns reach the mean of 1, 2, 3
    assert sign_flips(np.array([1.0, 2.0, 3.0])) == (0.25, 0.25)
    assert np.isnan(permutation(np.zeros(12), np.zeros(12))[0])


def cells(rng: np.random.Generator, *, n: int = 80) -> pd.DataFrame:
    rows = []
    for i, day in enumerate(DAYS):
        state = rng.random(n) < (0.05 if day == 0 else 0.2 + 0.02 * i)
        rows.append(
            pd.DataFrame(
                {
                    "sample": f"s{i}",
                    "compartment": "astrocyte",
                    "keep": True,
                    "senescence_state": np.where(state, "senescent", "other"),
                    "senescence_index": rng.normal(state, 1),
                    "treatment": "control" if day == 0 else "irradiated",
                    "days_post_rt": float(day),
                    "dose_gy": 0.0 if day == 0 else 8.0,
                    "subject": "",
                    "batch": "",
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize("transform", ["logit", "arcsine"])
def test_cells_are_no_replicates(transform):
    one = cells(np.random.default_rng(1))
    first = trend(burden(one), transform=transform)
    shuffled = trend(burden(one.sample(frac=1, random_state=2)), transform=transform)
    np.testing.assert_allclose(first["p"], shuffled["p"], rtol=1e-9)
    twice = trend(burden(pd.concat([one, one])), transform=transform)
    # The half cell in the logit is the one thing that knows how many cells there are.
    loose = (first["measure"] == "fraction_senescent") & (transform == "logit")
    np.testing.assert_allclose(first["p"][~loose], twice["p"][~loose], rtol=1e-9)
    np.testing.assert_allclose(first["p"][loose], twice["p"][loose], rtol=0.25)


def test_a_second_library_of_an_animal_is_no_second_animal():
    once = table(subject=[f"m{i}" for i in range(9)])
    double = pd.concat([once, once.assign(sample=once["sample"] + "_2")], ignore_index=True)
    found = asked(double)
    agrees(found.iloc[0], "plain_b")
    assert "averaged" in found["method"].iloc[0]


def test_no_subject_effect_where_every_subject_appears_once():
    found = asked(table(subject=[f"m{i}" for i in range(9)]))
    agrees(found.iloc[0], "plain_b")


def test_one_sample_per_time_tests_the_trend_only():
    found = trend(table([0, 0, 7, 14, 28, 90], K[:6], N[:6]), measures=["fraction_senescent"])
    contrasts = found[found["question"] == "irradiated_vs_control"]
    assert (contrasts["status"] == "not_testable").all()
    assert contrasts["estimate"].notna().all()
    assert contrasts[["p", "ci_lo"]].isna().all(axis=None)
    assert contrasts["reason"].str.contains("Only the overall trend").all()
    slope = found[found["question"] == "trend_log1p_days"].iloc[0]
    assert (slope["status"], slope["df"]) == ("tested", 2)


def test_one_sample_per_arm_gives_an_estimate_only():
    found = asked(table([0, 7], K[:2], N[:2])).iloc[0]
    assert found["status"] == "not_testable"
    assert "Cells are not replicates" in found["reason"]
    assert np.isfinite(found["estimate"])


def test_no_control():
    found = asked(table([7] * 3 + [28] * 3, K[3:], N[3:]))
    assert set(found["status"]) == {"not_estimable"}
    assert found["reason"].str.contains("no control").all()


def test_control_only_at_another_time_is_said():
    assert "day 0 only" in asked(table())["method"].iloc[0]


def test_controls_of_the_same_time_are_used_and_give_the_interaction():
    days = [7, 7, 7, 7, 28, 28, 28, 28]
    arm = ["control", "control", "irradiated", "irradiated"] * 2
    burdens = table(days, K[:8], N[:8], treatment=arm)
    found = asked(burdens)
    assert found["method"].str.contains("same time").all()
    assert (found["n_control"] == 2).all()
    assert (asked(burdens, "treatment_x_time")["status"] == "tested").all()


def test_batch_that_is_treatment_is_refused():
    found = asked(table(batch=["a"] * 3 + ["b"] * 6))
    assert set(found["status"]) == {"not_estimable"}
    assert set(found["reason"]) == {"batch and treatment are the same variable here"}
    assert found["p"].isna().all()
    assert found["estimate"].notna().all()


def test_batch_that_is_time_refuses_the_trend():
    burdens = table([0, 0, 7, 7, 14, 14, 28, 28], K[:8], N[:8], batch=list("xxaabbcc"))
    found = asked(burdens, "trend_log1p_days").iloc[0]
    assert (found["status"], found["reason"]) == (
        "not_estimable",
        "batch and time are the same variable here",
    )


def test_all_zero_burden():
    found = asked(table(k=[0] * 9))
    assert (found["estimate"] == 0).all()
    assert set(found["status"]) == {"not_estimable"}
    assert found["reason"].str.contains("no cell").all()
    assert found["p"].isna().all()


def test_few_cells_are_no_effect():
    """Nobody has a positive cell but one sample; irradiated samples are small: no shift."""
    found = asked(table(k=[0] * 8 + [1], n=[1000, 900, 1100, 40, 50, 60, 45, 55, 1000]))
    assert abs(found["estimate"].iloc[0]) < 1e-9


def test_a_batch_for_each_sample_is_no_batch():
    agrees(asked(table(batch=list("abcdefghi"))).iloc[0], "plain_b")


def test_values_without_variation_give_no_p():
    flat = table(index_mean=[1.0] * 3 + [2.0] * 3 + [3.0] * 3)
    found = trend(flat, measures=["index_mean"])
    row = found[found["question"] == "irradiated_vs_control"].iloc[0]
    assert (row["status"], row["estimate"]) == ("not_estimable", pytest.approx(1))
    assert np.isnan(row["p"])


def test_followed_animals_against_other_controls_are_two_groups():
    burdens = table(subject=["c1", "c2", "c3", "p", "q", "r", "p", "q", "r"])
    found = asked(burdens)
    assert (found["status"] == "tested").all()
    assert (found["df"] == 4).all()
    assert found["method"].str.contains("two groups alone").all()


def test_absent_and_few_cells_are_left_out_not_zero():
    status = ["ok"] * 9
    status[3] = "absent"
    found = asked(table(status=status))
    assert found["n_treated"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("subject", "name", "n"),
    [("pqrspqtuv", "few_shared", (4, 5)), ("pqrspqrst", "most_shared", (4, 4))],
)
def test_partly_repeated_designs_keep_what_they_state(subject, name, n):
    """Two of five pairs would leave one degree of freedom; four of five are worth pairing."""
    days = [0] * 4 + [7] * 5
    row = asked(table(days, subject=list(subject))).iloc[0]
    agrees(row, name)
    assert (row["n_control"], row["n_treated"]) == n
    said = "2 subjects are on both sides" if name == "few_shared" else "4 of 5 v 4 of 4 subjects"
    assert said in row["note"]


def test_one_shared_animal_does_not_undo_a_study():
    row = asked(table([0] * 4 + [7] * 5, subject=list("pqrsptuvw"))).iloc[0]
    alone = asked(table([0] * 4 + [7] * 5)).iloc[0]
    assert row["estimate"] == pytest.approx(alone["estimate"])
    assert alone["p"] < row["p"] < 0.01
    assert np.isnan(row["p_permutation"])


def test_dose_response_uses_controls_that_are_other_animals():
    dose = np.repeat([0.0, 2.0, 8.0], 3)
    arm = np.where(dose == 0, "control", "irradiated")
    own = {"dose_gy": dose, "treatment": arm, "subject": list("abcpqrpqr")}
    row = asked(table(np.full(9, 7.0), **own), "dose_response").iloc[0]
    agrees(row, "dose_subjects")
    assert (row["n_control"], row["n_treated"]) == (3, 3)
    other = asked(table(np.full(9, 7.0), k=[50] * 3 + K[3:], **own), "dose_response").iloc[0]
    assert other["estimate"] < 0 < row["estimate"]


def test_same_subject_with_two_doses_is_a_block():
    days = np.full(9, 7.0)
    dose = np.repeat([0.0, 2.0, 8.0], 3)
    arm = np.where(dose == 0, "control", "irradiated")
    found = asked(table(days, dose_gy=dose, treatment=arm, subject=["p", "q", "r"] * 3))
    agrees(found.sort_values("dose_gy").iloc[0], "subject_b")
    assert (found["permutation_floor"] == 0.25).all()


def test_acute_days_are_no_senescence():
    burdens = table(status=["ok"] * 3 + ["acute"] * 3 + ["ok"] * 3)
    found = trend(burdens, measures=["fraction_senescent", "fraction_acute"])
    days = found.groupby("measure")["days_post_rt"].unique().map(list).to_dict()
    assert days == {"fraction_acute": [7], "fraction_senescent": [28]}


def test_families_add_up_and_q_is_of_tested_rows():
    found = trend(table())
    counted = families(found)
    assert counted["n_rows"].sum() == len(found)
    kinds = ["n_tested", "n_not_testable", "n_not_estimable"]
    assert (counted[kinds].sum(axis=1) == counted["n_rows"]).all()
    assert (found["q"].notna() == (found["status"] == "tested")).all()
    with pytest.raises(InputError, match="no measure"):
        trend(table(), measures=["nope"])


def test_type_one_error():
    """100 compartments without an effect, 2 animals a group: within 99.9 % binomial bounds.

    Cells as replicates would reject a third of them.
    """
    rng = np.random.default_rng(5)
    p = rng.beta(0.05 * 19, 0.95 * 19, size=(100, 4))
    studies = [
        table([0, 0, 7, 7], rng.binomial(200, own), [200] * 4, compartment=f"c{i}")
        for i, own in enumerate(p)
    ]
    found = asked(pd.concat(studies, ignore_index=True))
    hits = int((found["p"] < 0.05).sum())
    assert 1 <= hits <= 13  # qbinom(c(.005, .9995), 100, .05)
