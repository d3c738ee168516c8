"""Confounders: known correlations, thinned samples, shifted composition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.errors import InputError
from senoscore.inference.burden import burden
from senoscore.inference.confounders import CONFOUNDER_COLUMNS, confounders

SAMPLES = pd.DataFrame(
    {
        "sample": [f"s{i}" for i in range(8)],
        "treatment": ["control"] * 4 + ["irradiated"] * 4,
        "dose_gy": [0.0] * 4 + [8.0] * 4,
        "days_post_rt": 7.0,
    }
)


def study(*, thin: float = 1.0, tumour: int = 60, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for row in SAMPLES.itertuples():
        treated = row.treatment == "irradiated"
        for compartment, n in (("astrocyte", 60), ("tumour", tumour if treated else 60)):
            counts = rng.lognormal(8, 0.3, n) * (thin if treated else 1)
            index = rng.normal(0, 1, n)
            parts.append(
                pd.DataFrame(
                    {
                        "sample": row.sample,
                        "compartment": compartment,
                        "senescence_state": np.where(rng.random(n) < 0.1, "senescent", "other"),
                        "senescence_index": index,
                        "n_counts": counts,
                        "n_genes": 1000 + 100 * index,
                        "z:proliferation": rng.normal(0, 1, n),
                        "z:ddr": -counts,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def found(cells: pd.DataFrame) -> pd.DataFrame:
    table = confounders(cells, burden(cells, samples=SAMPLES))
    assert tuple(table.columns) == CONFOUNDER_COLUMNS
    return table


def pick(table: pd.DataFrame, **where: str) -> pd.DataFrame:
    for name, value in where.items():
        table = table[table[name] == value]
    return table.reset_index(drop=True)


def test_scores_within_control_samples():
    cells = study()
    table = pick(found(cells), check="score_in_controls", compartment="astrocyte")
    ddr = pick(table, measure="z:ddr", covariate="depth").loc[0]
    assert (ddr["value"], ddr["lo"], ddr["hi"], ddr["flag"]) == (-1, -1, -1, "flag")
    assert ddr["n_control"] == 4
    index = pick(table, measure="index", covariate="depth").loc[0]
    own = cells[cells["compartment"] == "astrocyte"].groupby("sample")
    rho = [
        stats.spearmanr(
            own.get_group(s)["senescence_index"], own.get_group(s)["n_counts"]
        ).statistic
        for s in SAMPLES["sample"][:4]
    ]
    np.testing.assert_allclose(
        index[["value", "lo", "hi"]].astype(float), [np.median(rho), min(rho), max(rho)]
    )
    mito = pick(table, measure="index", covariate="mitochondrial share").loc[0]
    assert (mito["status"], mito["reason"]) == ("not_estimable", "not measured")


@pytest.mark.parametrize(("thin", "flag"), [(1.0, "ok"), (0.5, "flag")])
def test_half_the_depth_in_irradiated_samples_is_flagged(thin, flag):
    table = pick(found(study(thin=thin)), check="depth_shift")
    assert set(table["flag"]) == {flag}
    np.testing.assert_allclose(table["value"], np.log2(thin), atol=0.15)
    assert ((table["lo"] < table["value"]) & (table["value"] < table["hi"])).all()


@pytest.mark.parametrize(("tumour", "flag"), [(60, ["", "ok"]), (240, ["flag", "flag"])])
def test_composition(tumour, flag):
    cells = study(tumour=tumour)
    # A cell more or less a sample: without any spread there is no interval.
    keep = np.random.default_rng(2).random(len(cells)) < 0.9
    table = pick(found(cells[keep]), check="share_shift")
    assert set(table["flag"]) <= set(flag)
    # Two compartments: half the log of the ratio of their odds.
    tumours = table.set_index("compartment").loc["tumour"]
    assert tumours["value"] == pytest.approx(0.5 * np.log(tumour / 60), abs=0.15)


def test_samples_are_compared_within_groups():
    """Depth and index both fall with irradiation; within groups they have nothing in common."""
    table = burden(study(thin=0.5), samples=SAMPLES)
    own = table["compartment"] == "astrocyte"
    table.loc[own, "index_mean"] = [1.0, 2, 3, 4, 11, 12, 13, 14]
    table.loc[own, "median_counts"] = [10.0, 12, 12, 10, 20, 22, 22, 20]
    rows = confounders(study(), table)
    row = pick(rows, check="samples", compartment="astrocyte", measure="index", covariate="depth")
    assert row.loc[0, "value"] == pytest.approx(0, abs=1e-12)
    assert row.loc[0, "flag"] == "ok"
    few = confounders(study(), table[table["sample"].isin(["s0", "s1", "s4", "s5"])])
    row = pick(few, check="samples", compartment="astrocyte", measure="index", covariate="depth")
    assert row.loc[0, "status"] == "not_estimable"


def test_one_sample_a_side_and_no_control():
    cells = study()
    some = SAMPLES.iloc[[0, 4]]
    table = confounders(
        cells[cells["sample"].isin(some["sample"])],
        burden(cells[cells["sample"].isin(some["sample"])], samples=some),
    )
    shift = pick(table, check="depth_shift")
    assert shift["lo"].isna().all()
    assert set(shift["reason"]) == {"one sample on a side: no interval"}
    lone = SAMPLES[4:]
    own = cells[cells["sample"].isin(lone["sample"])]
    bare = pick(confounders(own, burden(own, samples=lone)), check="depth_shift")
    assert set(bare["reason"]) == {"no control sample"}


def test_missing_column():
    with pytest.raises(InputError, match="senescence_index"):
        confounders(study().drop(columns="senescence_index"), burden(study(), samples=SAMPLES))


def test_two_schedules_of_one_dose_are_two_groups() -> None:
    sheet = SAMPLES.assign(n_fractions=[0] * 4 + [1, 1, 5, 5])
    cells = study()
    table = confounders(cells, burden(cells, samples=sheet))
    for check in ("depth_shift", "share_shift"):
        own = pick(table, check=check, compartment="tumour")
        assert own["n_fractions"].tolist() == [1.0, 5.0]
        assert own["n_treated"].tolist() == [2.0, 2.0]
    # Three groups of 8 samples leave the 5 that are needed beyond them.
    own = pick(table, check="samples", compartment="tumour", measure="index", covariate="depth")
    medians = cells[cells["compartment"] == "tumour"].groupby("sample")
    x, y = medians["senescence_index"].mean(), medians["n_counts"].median()
    groups = np.array([0, 0, 0, 0, 1, 1, 5, 5])
    rest = [v.to_numpy() - v.groupby(groups).transform("mean").to_numpy() for v in (x, y)]
    assert own["value"].item() == pytest.approx(stats.spearmanr(*rest).statistic)
