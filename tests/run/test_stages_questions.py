"""Questions of a study as stages: from a burden table on disk to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import senoscore as sen
from senoscore.errors import ConfigError
from senoscore.io import read_tsv, write_tsv
from senoscore.plotting import main_arm, tidy
from senoscore.report import render
from senoscore.report.answers import answers
from senoscore.report.load import Run, load
from senoscore.report.parts import Options
from senoscore.report.questions import drug_sentences
from senoscore.report.questions import regions as region_section
from senoscore.run import arms, asked, check_questions, regions, validate_config
from senoscore.run.biology import check_settings
from senoscore.study import read_samples
from tests import drug_study

if TYPE_CHECKING:
    from pathlib import Path

ARMS = {("sham", ""): 5, ("sham", "x"): 5, ("rt", ""): 40, ("rt", "x"): 15}


def burden() -> pd.DataFrame:
    """Four animals in each of four arms, each with two regions and two compartments."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {
                "dataset": "d", "sample": f"{word}{drug}{i}{region}", "subject": f"{word}{drug}{i}",
                "treatment": f"{word} + {drug}" if drug else word, "treatment_given": word,
                "drug": drug, "drug_dose": "50" if drug else "", "dose_gy": 8.0 * (word == "rt"),
                "n_fractions": 1.0, "modality": "", "days_post_rt": 14.0, "batch": "",
                "region": region, "assay": "sc", "organism": "mouse", "compartment": where,
                "n_cells": 200, "n_assessable": 200, "n_positive": n + int(rng.integers(0, 8)),
                "share": 0.5 + 0.01 * i, "index_mean": rng.normal(),
                "mean:z:sasp_interleukin": rng.normal() + n / 10, "fraction": n / 200,
                "status": "ok", "note": "",
            }
            for (word, drug), n in ARMS.items()
            for i in range(4)
            for region in ("core", "contralateral")
            for where in ("tumour", "astrocyte")
        ]
    )  # fmt: skip


def config(**more: Any) -> dict[str, Any]:
    return validate_config({"control_treatment": "sham", **more}, source="test")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "summary"
    folder.mkdir(parents=True)
    write_tsv(burden(), folder / "burden.tsv")
    arms(
        config(), burden=folder / "burden.tsv", out=folder / "arms.tsv",
        efficacy_out=folder / "efficacy.tsv", sides_out=folder / "efficacy_sides.tsv",
    )  # fmt: skip
    regions(config(), burden=folder / "burden.tsv", out=folder / "regions.tsv")
    return tmp_path / "results"


def test_a_burden_table_as_read_answers(run: Path) -> None:
    found = read_tsv(run / "summary" / "arms.tsv")
    assert set(found["question"]) == {
        "drug_in_irradiated", "drug_in_unirradiated", "radiation_x_drug",
    }  # fmt: skip
    words = read_tsv(run / "summary" / "efficacy.tsv")
    assert words.set_index("compartment")["burden"].to_dict() == {
        "tumour": "falls", "astrocyte": "falls",
    }  # fmt: skip
    sides = read_tsv(run / "summary" / "efficacy_sides.tsv")
    assert sides.set_index("stratum")["word"].to_dict() == {
        "core": "less_sasp_in_both", "contralateral": "less_sasp_in_both",
    }  # fmt: skip
    pairs = read_tsv(run / "summary" / "regions.tsv")
    assert set(pairs["question"]) == {"region_pair", "region_x_treatment"}


def test_the_page_has_a_section_for_each(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    render(run, page, samples=burden().drop_duplicates("sample"))
    text = page.read_text(encoding="utf-8")
    for word in ("Arms and drugs", "Tumour and normal tissue side by side", "Regions", "no proof"):
        assert word in text
    assert "fewer senescent cells" in text
    found = read_tsv(run / "summary" / "regions.tsv")
    own = found[found["question"].eq("region_pair") & found["status"].eq("tested")]
    own = own[own["measure"].isin(["fraction_senescent", "index_mean"])]
    held = int((own["q"] <= 0.05).sum())
    assert f"Two regions of the same subjects: {held} of {len(own)} contrasts" in text
    assert 'id="answers_drug_in_irradiated' in text or "answers_drug_in_irradiated" in text


def test_a_study_that_does_not_ask_has_no_such_section(run: Path, tmp_path: Path) -> None:
    for name in ("arms", "efficacy", "efficacy_sides", "regions"):
        (run / "summary" / f"{name}.tsv").unlink()
    page = tmp_path / "page.html"
    render(run, page, samples=burden().drop_duplicates("sample"))
    text = page.read_text(encoding="utf-8")
    assert "Arms and drugs" not in text
    assert "“arms”" not in text


SHEET = "sample\tsubject\ttreatment\tdose_gy\tregion\tdrug\n"


def sheet(tmp_path: Path, rows: str) -> pd.DataFrame:
    path = tmp_path / "samples.tsv"
    path.write_text(SHEET + rows, encoding="utf-8")
    return read_samples(path)


def test_only_what_the_sheet_asks_is_run(tmp_path: Path) -> None:
    plain = sheet(tmp_path, "a\tm1\tsham\t0\t\t\nb\tm2\trt\t8\t\t\n")
    assert asked(plain, config()) == []
    pair = {"x": {"arm": "rt", "against": "sham"}}
    assert asked(plain, config(contrasts=pair)) == ["arms", "efficacy", "efficacy_sides"]
    two = sheet(tmp_path, "a\tm1\trt\t8\tcore\t\nb\tm1\trt\t8\tmargin\t\n")
    assert asked(two, config()) == ["regions"]
    drug = sheet(tmp_path, "a\tm1\tsham\t0\t\t\nb\tm2\trt\t8\t\tx\n")
    assert "arms" in asked(drug, config())
    assert "arms are compared" in check_questions(config(), drug)[0]


def test_bad_settings_are_refused_before_work(tmp_path: Path) -> None:
    table = sheet(tmp_path, "a\tm1\tsham\t0\t\t\nb\tm2\trt\t8\t\t\n")
    with pytest.raises(ConfigError, match="no sample is 'rtt'"):
        check_questions(config(contrasts={"x": {"arm": "rtt", "against": "sham"}}), table)
    with pytest.raises(ConfigError, match=r"larger than efficacy\.relevant"):
        check_questions(config(efficacy={"margin": 0.2, "relevant": 0.1}), table)
    with pytest.raises(ConfigError, match=r"efficacy\.margin"):
        config(efficacy={"margin": -1})
    with pytest.raises(ConfigError, match="names the drug 'y', and no sample has it"):
        check_questions(config(efficacy={"primary": {"y": ["tumour"]}}), table)
    with pytest.raises(ConfigError, match=r"efficacy\.primary"):
        check_settings(config(efficacy={"primary": {"y": ["tumor"]}}), table)


def test_a_primary_answer_is_of_a_family_of_its_own(tmp_path: Path) -> None:
    write_tsv(burden(), tmp_path / "burden.tsv")
    arms(
        config(efficacy={"primary": {"x": ["tumour"]}}), burden=tmp_path / "burden.tsv",
        out=tmp_path / "arms.tsv", efficacy_out=tmp_path / "e.tsv", sides_out=tmp_path / "s.tsv",
    )  # fmt: skip
    found = read_tsv(tmp_path / "arms.tsv")
    primary = found[found["family"].str.endswith("/primary")]
    assert set(primary["compartment"]) == {"tumour"}
    assert set(primary["question"]) == {"drug_in_irradiated"}


def test_the_first_screen_says_what_the_drug_did(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    render(run, page, samples=burden().drop_duplicates("sample"))
    text = page.read_text(encoding="utf-8")
    first = text[text.index('id="answers"') : text.index('id="burden"')]
    assert "Did the drug lower the burden, or only the SASP?" in first
    words = read_tsv(run / "summary" / "efficacy.tsv")
    means = words["means"].iloc[0].partition(";")[0]
    assert f"Rt + x against rt, contralateral, 14 d: {means} (astrocyte, tumour)." in first


def test_that_no_drug_has_a_shown_effect_is_said_first(run: Path) -> None:
    words = read_tsv(run / "summary" / "efficacy.tsv").query("word != 'not_testable'")
    none = drug_sentences(Run({"efficacy": words.assign(word="neither_shown")}, {}))
    assert none[0] == "No drug is shown to lower senescent cells or the SASP in any compartment."
    one = words.assign(word=["senolytic_like"] + ["neither_shown"] * (len(words) - 1))
    assert not drug_sentences(Run({"efficacy": one}, {}))[0].startswith("No drug")
    assert drug_sentences(Run({"efficacy": words.assign(word="no_effect")}, {})) == none[1:]


def test_a_sham_with_a_drug_is_no_irradiated_sample_of_the_answers(tmp_path: Path) -> None:
    table = burden().query("region == 'core'").assign(region="")
    table["fraction"] = table["n_positive"] / table["n_assessable"]
    drugged = table["treatment"] == "sham + x"
    found = answers(Run({"burden": table}, {}), control="sham")
    assert {a.compartment for a in found} == {"tumour", "astrocyte"}
    assert all("(8 Gy)" in a.amount_note for a in found)
    # Without radiation alone the drugged are what there is; shams with a drug never are.
    lone = table[table["treatment"] != "rt"]
    assert all("8 Gy" in a.amount_note for a in answers(Run({"burden": lone}, {}), control="sham"))
    shams = Run({"burden": table[drugged | (table["treatment"] == "sham")]}, {})
    assert {a.verdict for a in answers(shams, control="sham")} == {"not assessable"}
    assert main_arm(tidy.with_defaults(table), "sham").treatment == "rt"
    crowd = pd.concat([table, table[drugged].assign(sample=lambda t: t["sample"] + "b")])
    assert main_arm(tidy.with_defaults(crowd), "sham").treatment == "rt"


def test_scores_of_pseudobulk_profiles_are_compared_as_a_family_of_their_own(
    tmp_path: Path,
) -> None:
    table, scores = drug_study.burden(), drug_study.pseudobulk()
    write_tsv(table, tmp_path / "burden.tsv")
    write_tsv(scores, tmp_path / "scores.tsv")
    arms(
        config(), burden=tmp_path / "burden.tsv", out=tmp_path / "arms.tsv",
        efficacy_out=tmp_path / "e.tsv", sides_out=tmp_path / "s.tsv",
        pseudobulk=tmp_path / "scores.tsv",
    )  # fmt: skip
    found = read_tsv(tmp_path / "arms.tsv")
    own = found[found["measure"] == "pseudobulk_ssgsea:senmayo"]
    assert set(own["family"]) == {f"{q}/pseudobulk" for q in own["question"]}
    row = own.query("question == 'drug_in_irradiated' and compartment == 'tumour'")
    row = row[row["stratum"] == "core"].squeeze()
    both = table.merge(scores, on=["sample", "compartment"])
    both = both[both["compartment"].eq("tumour") & both["region"].eq("core")]
    drug, bare = (both.loc[both["treatment"] == name, "score"] for name in ("rt + x", "rt"))
    assert row["p"] == pytest.approx(stats.ttest_ind(drug, bare, equal_var=False).pvalue)
    assert row["estimate"] == pytest.approx(drug.mean() - bare.mean())


def arms_of_signals(tmp_path: Path) -> pd.DataFrame:
    """Arms by the stage, with targets and crosstalk of the samples."""
    tables = {
        "burden": drug_study.burden(), "target_values": drug_study.target_values(),
        "crosstalk_values": drug_study.crosstalk_values(),
    }  # fmt: skip
    for name, table in tables.items():
        write_tsv(table, tmp_path / f"{name}.tsv")
    arms(
        config(), burden=tmp_path / "burden.tsv", out=tmp_path / "arms.tsv",
        efficacy_out=tmp_path / "efficacy.tsv", sides_out=tmp_path / "efficacy_sides.tsv",
        values=[tmp_path / "target_values.tsv", tmp_path / "crosstalk_values.tsv"],
    )  # fmt: skip
    return read_tsv(tmp_path / "arms.tsv")


def test_targets_and_crosstalk_are_compared_between_arms_in_families_of_their_own(
    tmp_path: Path,
) -> None:
    found = arms_of_signals(tmp_path)
    for measure, kind, unit in (
        ("target:PLAUR", "targets", "mean log-normalised expression"),
        ("crosstalk:astrocyte", "crosstalk", "geometric mean log-normalised expression"),
        ("crosstalk_pair:astrocyte:IL6-IL6R+IL6ST", "crosstalk_pairs",
         "geometric mean log-normalised expression"),
    ):  # fmt: skip
        own = found[found["measure"] == measure]
        assert set(own["family"]) == {f"{q}/{kind}" for q in own["question"]}
        assert set(own["unit"]) == {unit}
        assert set(own["compartment"]) == {"tumour"}
    table = drug_study.burden().merge(drug_study.target_values(), on=["sample", "compartment"])
    core = table[table["region"] == "core"]
    drug, bare = (core.loc[core["treatment"] == name, "value"] for name in ("rt + x", "rt"))
    row = found.query("measure == 'target:PLAUR' and question == 'drug_in_irradiated'")
    row = row[row["stratum"] == "core"].squeeze()
    assert row["p"] == pytest.approx(stats.ttest_ind(drug, bare, equal_var=False).pvalue)
    by_hand = sen.arms(
        read_tsv(tmp_path / "burden.tsv"), control="sham",
        further=pd.concat(
            [read_tsv(tmp_path / f"{n}_values.tsv") for n in ("target", "crosstalk")]
        ),
    )  # fmt: skip
    for name in ("estimate", "p", "q"):
        np.testing.assert_allclose(found[name], by_hand[name], rtol=1e-6)


def test_values_that_no_sample_has_leave_the_table_as_it_is(tmp_path: Path) -> None:
    """Profiles of whole samples have no groups of cells: their tables of values are empty."""
    write_tsv(drug_study.burden(), tmp_path / "burden.tsv")
    write_tsv(drug_study.target_values().iloc[:0], tmp_path / "empty.tsv")
    for name, values in (("with", [tmp_path / "empty.tsv"]), ("without", [])):
        arms(
            config(), burden=tmp_path / "burden.tsv", out=tmp_path / f"{name}.tsv",
            efficacy_out=tmp_path / "e.tsv", sides_out=tmp_path / "s.tsv", values=values,
        )  # fmt: skip
    assert (tmp_path / "with.tsv").read_bytes() == (tmp_path / "without.tsv").read_bytes()


def test_the_page_shows_the_clearest_signals_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "summary"
    folder.mkdir(parents=True)
    found = arms_of_signals(folder)
    own = found[found["family"].str.contains("targets|crosstalk")]
    many = pd.concat(
        [found, *(own.assign(measure=own["measure"] + str(i), q=0.9, p=0.8) for i in range(50))]
    )
    write_tsv(many, folder / "arms.tsv")
    facts = {
        "config": {
            "control_treatment": "sham",
            "report": {"compared": ["target:PLAUR7", "target:X"]},
        }
    }
    page = tmp_path / "page.html"
    render(tmp_path / "results", page, samples=burden().drop_duplicates("sample"), provenance=facts)
    text = page.read_text(encoding="utf-8")
    n = 51 * len(own)
    held = int(own["q"].le(0.05).sum())
    assert f"{held} of {n} tested contrasts hold at q ≤ 0.05" in text
    assert f"all {n} are in arms.tsv" in text
    assert "target:X (report.compared) has no value in this run." in text
    end = text.index('download="arms_signals.tsv"')
    shown = text[text.rindex("<table", 0, end) : end]
    assert shown.count("target:PLAUR7<") == len(own[own["measure"] == "target:PLAUR"])
    assert "target:PLAUR8<" not in shown


def test_targets_and_crosstalk_are_compared_between_regions(tmp_path: Path) -> None:
    tables = {
        "burden": drug_study.burden(), "target_values": drug_study.target_values(),
        "crosstalk_values": drug_study.crosstalk_values(),
    }  # fmt: skip
    folder = tmp_path / "results" / "summary"
    folder.mkdir(parents=True)
    for name, table in tables.items():
        write_tsv(table, folder / f"{name}.tsv")
    regions(
        config(), burden=folder / "burden.tsv", out=folder / "regions.tsv",
        values=[folder / "target_values.tsv", folder / "crosstalk_values.tsv"],
    )  # fmt: skip
    found = read_tsv(folder / "regions.tsv")
    row = found[
        found["measure"].eq("target:PLAUR") & found["question"].eq("region_pair")
        & found["treatment"].eq("rt + x")
    ].squeeze()  # fmt: skip
    own = drug_study.target_values().merge(drug_study.samples()[["sample", "subject", "region"]])
    wide = own.pivot_table(index="subject", columns="region", values="value")
    wide = wide.filter(like="rtx", axis=0)
    expected = stats.ttest_rel(wide[row["region"]], wide[row["against_region"]])
    assert row["p"] == pytest.approx(expected.pvalue, rel=1e-4)
    assert row["family"] == "region_pair/targets"
    page = region_section.build(load(folder.parent), Options())
    titles = [getattr(item, "title", "") for item in page]
    assert "Targets and crosstalk between regions" in titles


def test_a_value_of_a_sample_of_several_regions_tells_no_region_from_another() -> None:
    both = drug_study.burden().assign(sample=lambda t: t["subject"])  # one sample, two regions
    further = drug_study.target_values().assign(
        sample=lambda t: t["sample"].str.removesuffix("core").str.removesuffix("contralateral")
    )
    further = further.drop_duplicates(["sample", "compartment", "measure"])
    for verb in (sen.regions, sen.arms):
        found = verb(both, control="sham", further=further, measures=["index_mean"])
        assert set(found["measure"]) == {"index_mean"}
