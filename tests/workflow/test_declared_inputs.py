"""Every stage runs in a folder that holds the declared input of its rule and nothing else.

Snakemake makes that folder: a rule with ``shadow: "minimal"`` runs in one with links to its input,
without the config, the results of other rules, or whatever else lies about.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml

from senoscore import run
from senoscore.io.tables import read_tsv
from senoscore.io.yaml import load_config_file
from tests import drug_study
from tests.dictionary import faults_of_files
from tests.small_study import (
    CONFIG,
    DATASET,
    ROOT,
    completed,
    configure,
    fingerprint,
    snakemake,
    write_small,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.workflow

SHADOWED = """
include: {snakefile!r}


for step in workflow.rules:
    if step.name != "all":
        step.shadow_depth = "minimal"
"""


def shadowed(folder: Path, *arguments: str) -> set[str]:
    """Run the workflow, each job in a folder of its declared input; names of the rules that ran."""
    snakefile = folder / "Shadowed"
    snakefile.write_text(SHADOWED.format(snakefile=str(ROOT / "workflow" / "Snakefile")))
    done = snakemake(folder, *arguments, snakefile=snakefile)
    assert done.returncode == 0, done.stderr[-4000:]
    return set(
        re.findall(r"^(?:local)?rule (\w+):", done.stdout + done.stderr, flags=re.MULTILINE)
    ) - {"all"}


def rules() -> set[str]:
    text = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    return set(re.findall(r"^rule (\w+):", text, flags=re.MULTILINE))


OF_PIECES = {"survey", "shard", "gather"}
OF_QUESTIONS = {"arms", "regions", "blood", "external", "outcome"}
ONLY_WHERE_ASKED = OF_QUESTIONS | {"embedding"}
"""Rules that the samples sheet, or a table that the config names, brings into a run."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run where every job sees the whole folder."""
    folder = write_small(tmp_path_factory.mktemp("plain"))
    ask_for_pseudobulk(folder)
    completed(folder)
    return folder


def ask_for_pseudobulk(folder: Path) -> None:
    config = {**CONFIG, "report": {"pseudobulk": True}, "call": {"engine": "auto"}}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))


def test_every_stage_needs_no_more_than_its_rule_declares(plain: Path, tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    ask_for_pseudobulk(folder)
    assert shadowed(folder, "all") == rules() - OF_PIECES - ONLY_WHERE_ASKED
    assert fingerprint(folder) == fingerprint(plain)


def test_every_column_of_every_table_is_in_the_data_dictionary(plain: Path) -> None:
    """The numbers of figures lie beside them and are named for the figure."""
    results = plain / "results"
    tables = [*results.rglob("*.tsv"), *results.rglob("*.parquet")]
    tables = [path for path in tables if path.parent.name != "figures"]
    assert {"burden.tsv", "calibration.parquet", "de.tsv"} <= {path.name for path in tables}
    assert faults_of_files(tables) == {}


def test_pieces_of_a_large_data_set_need_no_more_either(plain: Path, tmp_path: Path) -> None:
    folder = write_small(tmp_path)
    configure(folder, shard_cells=700, block_cells=256)
    scores = f"results/scores/{DATASET}.parquet"
    assert shadowed(folder, scores) == {"signatures", "ingest"} | OF_PIECES
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / scores), pd.read_parquet(plain / scores), check_exact=True
    )


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


def test_the_report_shows_what_this_run_made(plain: Path, tmp_path: Path) -> None:
    """Pseudobulk tables where they are asked for; none that an earlier run left."""
    page = (plain / "results" / "report.html").read_text(encoding="utf-8")
    for name in ("substates", "sensitivity", "burden_tissue", "pseudobulk_scores", "de"):
        assert re.search(rf"summary_{name}\b", page), name
    folder = tmp_path / "run"
    shutil.copytree(plain, folder, symlinks=True)
    configure(folder)
    left = folder / "results" / "summary" / "left_by_another.tsv"
    shutil.copy(folder / "results" / "summary" / "families.tsv", left)
    completed(folder, "--forcerun", "report")
    page = (folder / "results" / "report.html").read_text(encoding="utf-8")
    assert "summary_substates" in page
    for name in ("pseudobulk_scores", "de", "enrichment", "left_by_another"):
        assert not re.search(rf"summary_{name}\b", page), name


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
