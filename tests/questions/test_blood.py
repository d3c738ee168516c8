"""Circulating factors: own baselines, arms, drugs, tissue; NPX; and what cannot be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.biology import plasma, read_plasma
from senoscore.errors import SheetError
from senoscore.questions import blood, blood_changes
from senoscore.study import read_samples

if TYPE_CHECKING:
    from pathlib import Path

N = 5
ARMS = {"c": ("control", "", 0), "r": ("irradiated", "", 10), "d": ("irradiated", "navitoclax", 10)}
RISE = {"c": 0.0, "r": 2.0, "d": 0.5}


@pytest.fixture
def sheet(tmp_path: Path) -> pd.DataFrame:
    rows = [
        f"{a}{i}\t{treatment}\t{dose}\t28\td\t{drug}\t{'0' if drug else ''}"
        for a, (treatment, drug, dose) in ARMS.items()
        for i in range(N)
    ]
    path = tmp_path / "samples.tsv"
    head = "sample\ttreatment\tdose_gy\ttime_post_rt\ttime_unit\tdrug\tdrug_start_days\n"
    path.write_text(head + "\n".join(rows) + "\n")
    return read_samples(path)


def values() -> pd.DataFrame:
    random = np.random.default_rng(5)
    rows = [
        {"subject": f"{a}{i}", "time": day, "time_unit": "d", "analyte": "IL6",
         "value": 2.0 ** (4 + 0.3 * i + rise * (day > 0) + 0.2 * random.normal()),
         "unit": "pg/mL", "lod": 4.0}
        for a, rise in RISE.items() for i in range(N) for day in (-1, 28)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def read(table: pd.DataFrame, folder: Path, sheet: pd.DataFrame) -> pd.DataFrame:
    table.to_csv(folder / "plasma.tsv", sep="\t", index=False)
    return read_plasma(folder / "plasma.tsv", sheet)


def test_changes_are_paired_and_arms_compared(tmp_path: Path, sheet: pd.DataFrame) -> None:
    own = values()
    found = blood(read(own, tmp_path, sheet), sheet)
    log2 = np.log2(own["value"]).to_numpy().reshape(3, N, 2)
    change = log2[..., 1] - log2[..., 0]
    baseline = found[found["question"] == "against_baseline"].set_index("contrast")
    expected = stats.ttest_1samp(change[1], 0)
    row = baseline.loc["irradiated 10 Gy: day 28 vs baseline"]
    assert row["p"] == pytest.approx(expected.pvalue, rel=1e-5)
    assert row["estimate"] == pytest.approx(change[1].mean())
    drug = found[found["question"] == "drug_against_none"]
    assert len(drug) == 1
    expected = stats.ttest_ind(change[2], change[1])
    assert drug["p"].iloc[0] == pytest.approx(expected.pvalue, rel=1e-5)
    assert drug["contrast"].iloc[0] == ("irradiated + navitoclax 10 Gy vs irradiated 10 Gy, day 28")
    control = found[found["question"] == "against_control"]
    assert len(control) == 2
    assert control["n_control"].tolist() == [N, N]
    assert (control["method"] == "change from baseline, t test").all()


def test_without_baselines_values_are_compared(tmp_path: Path, sheet: pd.DataFrame) -> None:
    late = values().query("time > 0")
    found = blood(read(late, tmp_path, sheet), sheet)
    control = found[found["question"] == "against_control"]
    assert (control["method"] == "values, t test").all()
    assert (
        found[found["question"] == "against_baseline"]["reason"]
        .eq("fewer than 2 subjects a side")
        .all()
    )


def test_below_the_limit_no_number_stands_in(tmp_path: Path, sheet: pd.DataFrame) -> None:
    own = values().assign(lod=18.0)
    n_below = int((own["value"] < 18).sum())
    own["value"] = own["value"].where(own["value"] >= 18, 17.9)
    one = blood(read(own, tmp_path, sheet), sheet)
    own["value"] = own["value"].where(own["value"] >= 18, 0.01)
    two = blood(read(own, tmp_path, sheet), sheet)
    assert n_below > 3
    assert one["n_below_lod"].max() > 0
    pd.testing.assert_frame_equal(one, two)
    assert one["method"].str.contains("censored normal likelihood").any()


def test_mostly_below_the_limit_is_said(tmp_path: Path, sheet: pd.DataFrame) -> None:
    found = blood(read(values().assign(lod=1e4), tmp_path, sheet), sheet)
    assert (found["status"] != "tested").all()
    assert found["reason"].str.contains("of 10 values below the limit").any()


def test_tissue_of_the_same_subjects(tmp_path: Path, sheet: pd.DataFrame) -> None:
    burden = sheet.assign(
        compartment="tumour", n_assessable=200, status="ok",
        n_positive=[5 * i + 3 for _ in ARMS for i in range(N)],
    )  # fmt: skip
    found = blood(read(values(), tmp_path, sheet), sheet, burden)
    row = found[found["question"] == "beside_tissue"].iloc[0]
    assert row["estimate"] > 0.5  # both rise with the number of the animal, within every arm
    assert (row["n_treated"], row["n_control"]) == (2 * N, N)
    assert row["method"].startswith("Spearman within arms")


def test_npx_is_a_log2(tmp_path: Path, sheet: pd.DataFrame) -> None:
    own = values()
    npx = own.drop(columns=["value", "unit", "lod", "analyte"]).assign(
        Assay="IL6", NPX=np.log2(own["value"]) - 6, LOD=-4.0
    )
    pd.testing.assert_frame_equal(
        blood(read(npx, tmp_path, sheet), sheet), blood(read(own, tmp_path, sheet), sheet)
    )


def test_npx_and_concentrations_do_not_mix(tmp_path: Path, sheet: pd.DataFrame) -> None:
    own = values()
    own.loc[3, "unit"] = "NPX"
    with pytest.raises(SheetError, match="IL6 has the units 'NPX', 'pg/mL'"):
        read(own, tmp_path, sheet)


def test_an_analyte_of_two_units_is_named_and_the_others_are_compared(
    tmp_path: Path, sheet: pd.DataFrame
) -> None:
    fine = values()
    mixed = fine.assign(analyte="CRP")
    mixed.loc[3, "unit"] = "NPX"
    both = read(pd.concat([fine, mixed]), tmp_path, sheet)
    found = blood(both, sheet)
    alone = blood(read(fine, tmp_path, sheet), sheet)
    own = found[found["analyte"] == "IL6"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone)
    refused = found[found["analyte"] == "CRP"]
    assert len(refused) == len(alone)
    assert set(refused["status"]) == {"not_estimable"}
    assert refused[["estimate", "p", "q"]].isna().all(axis=None)
    assert set(refused["reason"]) == {"the units '2^NPX', 'pg/mL': convert them to one"}
    assert set(blood_changes(both, sheet)["analyte"]) == {"IL6"}
    table = plasma(both)
    crp = table[table["analyte"] == "CRP"]
    assert set(crp["status"]) == {"mixed_units"}
    assert crp["log2_ratio"].isna().all()
    assert table.loc[table["analyte"] == "IL6", "log2_ratio"].notna().any()
