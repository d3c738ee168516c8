"""The answers: one contrast a card, in points; no claim too early or without controls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestIndPower

from senoscore.errors import InputError
from senoscore.inference.burden import burden
from senoscore.io.canonical import stored_facts, write_canonical_stream, write_facts
from senoscore.io.tables import write_tsv
from senoscore.plotting.arms import Arm
from senoscore.plotting.heat import heatmap_table
from senoscore.report import biology, inputs, results
from senoscore.report import tables as _tables
from senoscore.report.answers import amount, answers, noncentrality
from senoscore.report.charts import Part
from senoscore.report.headline import headline
from senoscore.report.load import load, not_comparable
from senoscore.report.page import render
from senoscore.report.parts import Notes, Options
from senoscore.report.words import not_assessed, seldom
from tests import fake_run

if TYPE_CHECKING:
    from pathlib import Path


def samples(values: list[float], days: list[float], **columns) -> pd.DataFrame:
    """Irradiated samples at 8 Gy, and two controls, in one compartment."""
    n = len(values)
    treated = {
        "sample": [f"t{i}" for i in range(n)],
        "treatment": "irradiated",
        "dose_gy": 8.0,
        "days_post_rt": days,
        "fraction": values,
    }
    control = {
        "sample": ["c1", "c2"],
        "treatment": "control",
        "dose_gy": 0.0,
        "days_post_rt": 0.0,
        "fraction": 0.05,
    }
    table = pd.concat([pd.DataFrame(treated), pd.DataFrame(control)], ignore_index=True)
    base = {"dataset": "d", "subject": "", "compartment": "astrocyte", "n_cells": 50}
    return table.assign(**base, n_assessable=50, status="ok", note="").assign(**columns)


def contrast(day: float, **columns) -> dict[str, object]:
    base = {
        "question": "irradiated_vs_control", "compartment": "astrocyte",
        "measure": "fraction_senescent", "contrast": f"irradiated 8 Gy vs control @ {day:g} d",
        "stratum": "", "days_post_rt": day, "dose_gy": 8.0, "n_control": 3, "n_treated": 3,
        "estimate": 0.2, "ci_lo": 0.1, "ci_hi": 0.3, "estimate_fraction": 0.1, "df": 4.0,
        "statistic": 4.0, "p": 0.01, "q": 0.02, "unit": "radians (arcsine)", "status": "tested",
        "reason": "",
    }  # fmt: skip
    return base | columns


def told(table: pd.DataFrame, *rows: dict[str, object]):
    return answers(load({"burden": table, "trend": pd.DataFrame(rows)}))


@pytest.mark.parametrize("n", [2, 3, 8])
def test_noncentrality_is_that_of_the_t_test(n: int) -> None:
    effect = TTestIndPower().solve_power(
        nobs1=n, alpha=0.025, power=0.8, ratio=1, alternative="larger"
    )
    assert noncentrality(2 * n - 2, 0.05) == pytest.approx(effect * np.sqrt(n / 2), rel=1e-4)


def test_interval_is_laid_at_the_level_of_the_controls() -> None:
    # Arcsine: samples at sin²(π/4) = 50 %, controls at sin²(π/6) = 25 %, limits at 25 % and 75 %.
    row = contrast(
        14, estimate=np.pi / 12, ci_lo=0.0, ci_hi=np.pi / 6, estimate_fraction=0.25,
        statistic=noncentrality(4, 0.05), n_control=2,
    )  # fmt: skip
    treated = samples([0.5, 0.5, 0.9], [14, 14, 28]).assign(value=lambda t: t["fraction"])
    arm = Arm("irradiated", 8.0, name="8 Gy")
    found = amount(row, treated, arm, half=0.01, alpha=0.05)
    assert found.text == "+25.0 points"
    assert found.note == (
        "50.0 % at 14 d (8 Gy) against 25.0 % in controls; 95 % CI 0.0 to 50.0 points; "
        "3 irradiated, 2 control samples"
    )
    assert found.seen == "25.0 points"  # its estimate is as many standard errors as are seen
    # Log odds, half a cell of 50: 20 % is log(21 / 81), 5 % log(6 / 96), and 50 % is 0.
    level = np.log(6 / 96)
    row |= {"unit": "log odds", "estimate": np.log(21 / 81) - level, "ci_hi": -level}
    treated["value"] = 0.2
    assert (
        "95 % CI 0.0 to 45.0 points"
        in amount(row, treated, Arm("irradiated", 8.0, name="8 Gy"), half=0.01, alpha=0.05).note
    )


def test_one_contrast_gives_amount_interval_n_and_p() -> None:
    table = samples([0.4, 0.2, 0.2, 0.2], [28, 90, 90, 90])
    untested = contrast(
        28, estimate=0.5, estimate_fraction=0.35, n_treated=1, q=np.nan, p=np.nan, ci_lo=np.nan,
        ci_hi=np.nan, status="not_testable", reason="n = 1",
    )  # fmt: skip
    (card,) = told(table, untested, contrast(90, q=0.5, p=0.4, estimate_fraction=0.15))
    assert card.verdict == "not detected"
    assert card.amount == "+15.0 points"
    assert "20.0 % at 90 d (8 Gy)" in card.amount_note
    assert "3 irradiated, 3 control samples" in card.amount_note
    assert card.animals_note.startswith("p = 0.40, n = 3 vs 3 samples, 90 d")


def test_a_card_is_of_the_samples_of_its_treatment_dose_and_schedule() -> None:
    table = samples([0.3, 0.5, 0.9, 0.7, 0.8], [14] * 5)
    table["treatment"] = ["irradiated"] * 2 + ["irradiated drug"] + ["irradiated"] * 2 + [
        "control", "control",
    ]  # fmt: skip
    table["dose_gy"] = [8, 8, 8, 4, 8, 0, 0]
    table["n_fractions"] = [1, 1, 1, 1, 5, np.nan, np.nan]
    row = contrast(14, contrast="irradiated 8 Gy in 1 vs control @ 14 d", n_fractions=1)
    (card,) = told(table, row | {"estimate_fraction": 0.35})
    assert "40.0 % at 14 d (irradiated 8 Gy in 1) against 5.0 % in controls" in card.amount_note


def test_not_detected_says_what_would_have_been_seen_and_two_a_group_are_underpowered() -> None:
    table = samples([0.2, 0.2], [14, 14])
    (card,) = told(table, contrast(14, q=0.5))
    assert card.verdict == "not detected"
    assert f"an excess of {card.seen} or more would have been seen" in card.animals_note
    assert card.seen.endswith(" points")
    least = card.seen.removesuffix(" points")
    assert headline([card]) == (
        f"Not detected: astrocyte. An excess of {least} percentage points or more in astrocyte "
        "would have been seen; smaller amounts are possible."
    )
    (card,) = told(table, contrast(14, q=0.5, n_control=9, n_treated=2))
    assert card.verdict == "too few samples"
    assert headline([card]).startswith(
        "Too few samples to tell for astrocyte, 2 against 9 samples: "
    )
    assert "Not detected" not in headline([card])
    (card,) = told(table, contrast(14, q=0.01, n_treated=2))
    assert card.verdict == "above control"
    assert card.seen == ""


def index(days: list[float]) -> pd.DataFrame:
    return samples([0.0] * len(days), days, fraction=np.nan, status="profile", index_mean=2.0)


def test_an_index_before_the_stable_day_is_no_senescence() -> None:
    table, of = index([0.5, 3]), {"measure": "index_mean", "unit": "index"}
    early = contrast(0.5, estimate=2.5, ci_lo=1.0, ci_hi=4.0, **of)
    (card,) = told(table, early, contrast(3, estimate=2.0, q=0.5, **of))
    assert card.verdict == "acute damage response"
    assert (card.amount, card.since, card.sasp, card.spark) == ("–", "–", (), ())
    assert "acute, not senescence: +2.5; mean index at 12 h (8 Gy)" in card.amount_note
    assert "95 % CI 1 to 4" in card.amount_note
    text = headline([card])
    assert "acute damage response, which is not senescence: astrocyte from 12 h" in text
    assert "above" not in text
    (card,) = told(table, early | {"q": 0.5})
    assert card.verdict == "not assessable"
    assert "no sample is of day 7 or later" in card.amount_note


def test_early_contrasts_enter_neither_peak_nor_since() -> None:
    of = {"measure": "index_mean", "unit": "index"}
    rows = [contrast(1, estimate=9.0, **of), contrast(14, estimate=1.0, **of)]
    (card,) = told(index([1, 14]), *rows)
    assert (card.verdict, card.amount, card.since) == ("above control", "+1", "at 14 d")
    assert "acute damage response from 1 d" in card.since_note
    assert headline([card]).endswith("above unirradiated controls: astrocyte at 14 d.")
    (card,) = told(index([1, 14, 28]), *rows, contrast(28, estimate=0.5, **of))
    assert card.since == "from 14 d"
    run = load({"burden": index([1, 14]), "trend": pd.DataFrame(rows)})
    (card,) = answers(run, stable=21)
    assert card.verdict == "acute damage response"


def test_without_controls_nothing_is_over_control() -> None:
    cells = pd.DataFrame(
        {
            "sample": np.repeat(["a", "b"], 40),
            "compartment": ["macrophage"] * 79 + ["b_cell"],
            "senescence_state": "senescent",
            "senescence_index": 3.3,
            "z:sasp": 2.0,
        }
    )
    sheet = pd.DataFrame({"sample": ["a", "b"], "treatment": "irradiated", "days_post_rt": 14.0})
    table = burden(cells, samples=sheet)
    gone = table[table["status"] == "no_control"]
    assert len(gone) == 3
    assert gone[["fraction", "fraction_lo", "fraction_hi"]].isna().all(axis=None)
    run = load({"burden": table})
    (card,) = answers(run)
    assert (card.name, card.verdict, card.amount) == ("Macrophage", "not assessable", "–")
    assert "no sample of this run has treatment 'control'" in card.amount_note
    assert seldom(run) == "Too few cells to answer for: B cell (1)."
    with pytest.raises(InputError, match="no control sample"):
        heatmap_table(table)


def test_alternative_text_counts_no_acute_day() -> None:
    table = pd.DataFrame(
        {
            "compartment": "astrocyte",
            "control": False,
            "day": [1.0, 14.0],
            "value": [0.4, 0.2],
            "status": ["acute", "ok"],
        }
    )
    assert "Astrocyte highest at 14 d with 20.0 %" in results.describe_burden(table)
    assert "%" not in results.describe_burden(table[:1])


def read(folder: Path, name: str, values: str, n_genes: int) -> None:
    genes = [f"G{i}" for i in range(n_genes)]
    meta = {"dataset": name, "organism": "human", "assay": "sc", "source_file": f"{name}.h5ad"}
    meta |= {"source_format": "h5ad", "source_slot": "X", "notes": f"values in X: {values}\nother"}
    meta |= {"n_genes_input": n_genes, "n_genes_merged": 0, "n_genes_unknown": 0}
    (folder / "matrix").mkdir(exist_ok=True)
    path = folder / "matrix" / f"{name}.h5ad"
    write_canonical_stream(path, [], genes, values=values, meta=meta)
    write_facts(stored_facts(path), path.with_suffix(".json"))
    table = pd.DataFrame({"input": genes, "symbol": genes, "ensembl_id": "", "status": "symbol"})
    write_tsv(table.assign(note=""), folder / "matrix" / f"{name}.genes.tsv")


def test_data_sets_of_other_values_or_genes_are_warned_of(tmp_path: Path) -> None:
    read(tmp_path, "a", "counts", 100)
    read(tmp_path, "b", "counts", 90)
    assert not_comparable(load(tmp_path)) == []
    read(tmp_path, "c", "lognorm", 50)
    run = load(tmp_path)
    values, genes = not_comparable(run)
    assert "a, b (counts); c (lognorm)" in values
    assert "of the 100 of a, c (50.0 %) has only a part" in genes
    assert not_comparable(load(tmp_path, ["a", "b"])) == []
    gaps = not_assessed(run)
    assert gaps.loc[gaps["where"] == "c", "why"].tolist() == ["values are lognorm, not counts"]
    assert set(gaps["why"]) >= {values, genes}
    html = render(tmp_path, tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count("Compare with care.") == 2
    assert "values in X: lognorm" in html


@pytest.mark.parametrize("name", ["trend", "coverage", "genes_changed"])
def test_a_table_too_large_for_the_page_is_where_the_page_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run.write_run(tmp_path, compartments=["astrocyte"])
    monkeypatch.setattr(_tables, "_EMBED_LIMIT", 0)
    file = load(run).files[name]
    assert list(run.glob(file))
    html = render(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"Too large to stand in this page; it is in {file}." in html
    before_the_script = html.split("<script>")[0]
    assert "tables/" not in before_the_script


def test_a_share_without_controls_is_no_excess_in_points() -> None:
    table = samples([0.3, 0.4], [14, 14])
    alone = table[table["treatment"] != "control"].reset_index(drop=True)
    found = told(alone)
    assert found[0].amount == "–"
    assert "35" in found[0].amount_note
    assert "no contrast with controls" in found[0].amount_note
    assert "point" not in headline(found)


def _figures_of_genes(coverage: pd.DataFrame) -> list[object]:
    found = load({"burden": samples([0.3], [14]), "coverage": coverage})
    return list(inputs.genes.build(found, Options()))


def test_only_signature_parts_that_lack_genes_are_drawn() -> None:
    coverage = fake_run.coverage()
    lacking = int((coverage["fraction"] < 1).sum())
    assert lacking > 0
    part = next(item for item in _figures_of_genes(coverage) if isinstance(item, Part))
    assert f"all {lacking} signature parts that lack any" in part.title
    whole = coverage.assign(fraction=1.0, gate="pass")
    first = _figures_of_genes(whole)[0]
    assert isinstance(first, Notes)
    assert first.lines == (f"All genes of all {len(whole)} signature parts are found.",)


def test_a_table_of_blood_that_nobody_gave_is_no_gap() -> None:
    tables = {"burden": samples([0.3], [14])}
    assert list(biology.plasma.build(load(tables), Options())) == []
    asked = replace(load(tables), provenance={"config": {"plasma": "plasma.tsv"}})
    assert [type(item).__name__ for item in biology.plasma.build(asked, Options())] == ["Gap"]
