"""Measurements from elsewhere: ranks, agreement of shares, flags, and tables that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore.errors import SheetError
from senoscore.questions import external, read_external

if TYPE_CHECKING:
    from pathlib import Path

N = 10


def study() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ten irradiated samples of one arm and day, two compartments."""
    samples = pd.DataFrame(
        {"sample": [f"s{i}" for i in range(N)], "subject": [f"p{i}" for i in range(N)],
         "treatment": "irradiated", "dose_gy": 10.0, "days_post_rt": 28.0}
    )  # fmt: skip
    own = samples.assign(n_assessable=100, status="ok")
    positive = np.array([3, 9, 4, 14, 8, 20, 12, 25, 18, 30])
    parts = [
        own.assign(compartment="tumour", n_positive=positive),
        own.assign(compartment="t_cell", n_positive=positive[::-1], n_assessable=300),
    ]
    return samples, pd.concat(parts, ignore_index=True)


def test_shares_of_a_compartment_are_ranked_and_compared() -> None:
    samples, burden = study()
    fraction = burden["n_positive"][:N].to_numpy() / 100
    stain = np.clip(fraction + 0.1 + 0.01 * np.array([1, -1] * 5), 0, 1)
    sheet = samples.assign(ext_tumour_p16_pct=100 * stain, ext_slide="a")
    found = external(burden, sheet).set_index("question")
    assert set(found["compartment"]) == {"tumour"}
    assert set(found["measure"]) == {"tumour_p16_pct"}
    rho = stats.spearmanr(fraction, stain)
    assert found.loc["rank_over_all", "estimate"] == pytest.approx(rho.statistic)
    gap = fraction - stain
    agreement = found.loc["agreement"]
    assert agreement["estimate"] == pytest.approx(gap.mean())
    assert agreement["limit_hi"] == pytest.approx(gap.mean() + 1.96 * gap.std(ddof=1))
    assert agreement["flag"].startswith("10.0 points below it on average")


def test_a_measure_of_the_whole_sample_meets_all_its_cells() -> None:
    samples, burden = study()
    by = burden.groupby("sample", sort=False)[["n_positive", "n_assessable"]].sum()
    pooled = (by["n_positive"] / by["n_assessable"]).to_numpy()
    found = external(burden, samples.assign(ext_foci=pooled * 50 + 2)).set_index("question")
    assert set(found["compartment"]) == {"all cells"}
    assert found.loc["rank_over_all", "estimate"] == pytest.approx(1)
    assert "agreement" not in found.index  # foci are no share


def test_opposite_ranks_are_flagged() -> None:
    samples, burden = study()
    against = -burden["n_positive"][:N].to_numpy() + 0.1 * np.arange(N)
    sheet = samples.assign(ext_tumour_gal=against[[1, 0, *range(2, N)]])
    found = external(burden, sheet)
    assert found["flag"].iloc[0] == "ranks are opposite"


def test_samples_of_one_subject_are_no_replicates() -> None:
    samples, burden = study()
    sheet = samples.assign(ext_tumour_gal=np.arange(N) % 7 + 0.5)
    found = external(burden.assign(subject="p"), sheet.assign(subject="p"))
    assert (found["status"] != "tested").all()
    assert found["p"].isna().all()
    assert found["reason"].iloc[0] == "subjects come back: no replicates"
    assert np.isfinite(found["estimate"].iloc[0])


def test_a_long_table_is_read_and_its_errors_are_lines(tmp_path: Path) -> None:
    samples, burden = study()
    head = "sample\tcompartment\tmeasure\tvalue\n"
    path = tmp_path / "external.tsv"
    path.write_text(head + "".join(f"s{i}\ttumour\tgal\t0.{i}\n" for i in range(N)))
    found = external(burden, samples, read_external(path, samples))
    assert found["question"].tolist() == ["rank_over_all", "rank_within_arms", "agreement"]
    for row, said in (
        ("s99\ttumour\tgal\t1\n", "row 2: sample 's99' is not in the samples sheet"),
        ("s1\ttumour\tgal\tmany\n", "row 2: value is 'many'"),
        ("s1\ttumour\tgal\t1\ns1\ttumour\tgal\t2\n", "is duplicated"),
    ):
        path.write_text(head + row)
        with pytest.raises(SheetError, match=said):
            read_external(path, samples)
    path.write_text("sample\tvalue\ns1\t1\n")
    with pytest.raises(SheetError, match="no column 'compartment'"):
        read_external(path, samples)
