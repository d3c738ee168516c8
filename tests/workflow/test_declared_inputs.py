"""What jobs of rules that only some studies ask for read, and what makes them run again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from senoscore import run
from senoscore.io.tables import read_tsv
from senoscore.io.yaml import load_config_file
from tests import drug_study
from tests.dictionary import faults_of_files
from tests.small_study import CONFIG, DATASET, ROOT, completed, shadowed, snakemake, write_small

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.workflow

OF_QUESTIONS = {"arms", "regions", "blood", "external", "outcome"}


def test_the_questions_of_a_study_need_no_more_either(tmp_path: Path) -> None:
    """Rules that only some studies ask for, from a burden table on; as their stages by hand."""
    folder = drug_study.write_study(tmp_path)
    names = [
        "arms", "efficacy", "efficacy_sides", "regions", "blood", "blood_changes", "external",
        "external_pairs", "outcome", "outcome_subjects",
    ]  # fmt: skip
    words = [f"results/summary/{name}.tsv" for name in names]
    words += ["--allowed-rules", *sorted(OF_QUESTIONS)]
    assert shadowed(folder, *words) == OF_QUESTIONS
    made, by_hand = folder / "results" / "summary", folder / "by_hand"
    by_hand.mkdir()
    stages_of_questions(folder, made / "burden.tsv", by_hand)
    for name in names:
        assert (made / f"{name}.tsv").read_bytes() == (by_hand / f"{name}.tsv").read_bytes(), name
        assert len(read_tsv(made / f"{name}.tsv")), name
    measures = set(read_tsv(made / "arms.tsv")["measure"])
    assert {"target:PLAUR", "crosstalk:astrocyte", "pseudobulk_ssgsea:senmayo"} <= measures
    assert faults_of_files(made.glob("*.tsv")) == {}


def stages_of_questions(folder: Path, burden: Path, out: Path) -> None:
    sheet, table = folder / "samples.tsv", folder / "outcome.tsv"
    config = run.validate_config(load_config_file(folder / "config" / "config.yaml"), source="test")
    config["outcome"]["table"], config["external"] = str(table), str(folder / "external.tsv")
    pseudobulk = burden.with_name("pseudobulk_scores.tsv")
    values = [burden.with_name(f"{name}_values.tsv") for name in ("target", "crosstalk")]
    run.arms(
        config, burden=burden, out=out / "arms.tsv", efficacy_out=out / "efficacy.tsv",
        sides_out=out / "efficacy_sides.tsv", pseudobulk=pseudobulk, values=values,
    )  # fmt: skip
    run.regions(
        config, burden=burden, out=out / "regions.tsv", pseudobulk=pseudobulk, values=values
    )  # fmt: skip
    run.blood(
        sheet, config, plasma=folder / "plasma.tsv", burden=burden, out=out / "blood.tsv",
        changes_out=out / "blood_changes.tsv",
    )  # fmt: skip
    run.external(
        sheet, config, burden=burden, out=out / "external.tsv", pairs_out=out / "external_pairs.tsv"
    )  # fmt: skip
    run.outcome(
        sheet, config, burden=burden, out=out / "outcome.tsv",
        subjects_out=out / "outcome_subjects.tsv",
    )  # fmt: skip


def test_an_edited_panel_runs_signatures_and_scores_again(tmp_path: Path) -> None:
    """A new axis asks for signatures that were not scored."""
    folder = write_small(tmp_path)
    panel = ROOT / "resources" / "panels" / "default.yaml"
    own = folder / "panel.yaml"
    own.write_text(panel.read_text(encoding="utf-8"), encoding="utf-8")
    config = {**CONFIG, "signatures": {"use": ["senmayo"]}, "call": {"panel": "panel.yaml"}}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    scores = f"results/scores/{DATASET}.parquet"
    completed(folder, scores)
    before = set(read_tsv(folder / "results" / "signatures.tsv")["signature"])
    content = yaml.safe_load(own.read_text(encoding="utf-8"))
    assert "fridman" not in before
    own_axis = {
        "name": "added", "title": "Added", "role": "support", "direction": "up", "weight": 0.5,
        "parts": [{"signature": "fridman", "sign": 1}], "source": "none", "note": "",
    }  # fmt: skip
    content["axes"].append(own_axis)
    own.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    said = snakemake(folder, "--dry-run", scores)
    ran = set(re.findall(r"^rule (\w+):", said.stdout + said.stderr, flags=re.MULTILINE))
    assert {"signatures", "score"} <= ran
    assert "ingest" not in ran
