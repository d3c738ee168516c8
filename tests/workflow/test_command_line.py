"""What the README tells people to type: at the root of a checkout, and by ``senoscore run``."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import tomllib
from pathlib import PurePath
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
import yaml
from scipy import sparse

from senoscore.errors import ConfigError
from senoscore.run.launch import snakemake_command
from tests.small_study import CONFIG, DATASET, ROOT, environment, write_small

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.workflow

SIGNATURES = "results/signatures.tsv"


_PRIORITY = re.compile(r"priority: (\d+)")


def at_the_root(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`snakemake` as typed at the root of a checkout, but for the folder it works in."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(folder)]
    return subprocess.run(
        [*command, *words], capture_output=True, text=True, check=False, timeout=300,
        cwd=ROOT, env=environment(),
    )  # fmt: skip


def senoscore(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "senoscore", *words], capture_output=True, text=True, check=False,
        timeout=300, cwd=folder, env=environment(),
    )  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_small(tmp_path)


def add_to_config(folder: Path, **sections: object) -> None:
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **sections}))


def test_the_root_uses_the_default_profile(study: Path) -> None:
    """What a killed run left is made again, without a word from the user."""
    assert at_the_root(study, SIGNATURES).returncode == 0
    marks = study / ".snakemake" / "incomplete"
    marks.mkdir(exist_ok=True)
    (marks / base64.b64encode(SIGNATURES.encode()).decode()).write_text("")
    done = at_the_root(study, SIGNATURES)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "rule signatures" in done.stdout + done.stderr
    assert "IncompleteFilesException" not in done.stderr


def test_small_jobs_run_side_by_side_and_the_longest_chain_first(study: Path) -> None:
    """On two cores the demo ends a sixth sooner than with two threads a score, in any order."""
    done = at_the_root(study, "--dry-run", "--cores", "2", "results/summary/burden.tsv")
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = re.findall(r"^rule (\w+):\n((?: +.*\n)+)", done.stdout + done.stderr, re.MULTILINE)
    threads = {name for name, told in jobs if "threads:" in told}
    first = {name: int(found[1]) for name, told in jobs if (found := _PRIORITY.search(told))}
    assert threads == set()
    assert first["qc"] > first.get("score", 0)
    assert first["burden"] > first.get("calibrate", 0)


def test_a_score_takes_two_threads_where_cells_and_cores_are_many(study: Path) -> None:
    """On two cores it would wait until quality control, which takes longest, leaves one."""
    many = ad.AnnData(sparse.csr_matrix((60_000, 3), dtype=np.float32))
    many.write_h5ad(study / f"{DATASET}.h5ad")
    for cores, expected in (("2", False), ("4", True)):
        done = at_the_root(
            study, "--dry-run", "--cores", cores, f"results/scores/{DATASET}.parquet"
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert ("threads: 2" in done.stdout + done.stderr) is expected, cores


def test_the_root_shows_the_line_of_a_failed_job(study: Path) -> None:
    (study / "own.gmt").write_text("ONE\n")
    add_to_config(study, signatures={"files": ["own.gmt"]})
    done = at_the_root(study, SIGNATURES)
    assert done.returncode != 0
    assert "senoscore: error: own.gmt" in done.stderr + done.stdout


def test_run_is_the_workflow_of_the_installation(study: Path) -> None:
    done = senoscore(study, "run", "--cores", "1", SIGNATURES)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (study / SIGNATURES).is_file()
    assert "profiles/default" in done.stderr
    again = senoscore(study, "run", "-n", SIGNATURES)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_run_says_what_is_wrong_in_one_line(study: Path) -> None:
    add_to_config(study, call={"frd": 0.1})
    done = senoscore(study, "run", "--cores", "1")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("senoscore: error: config/config.yaml")
    assert "did you mean 'fdr'" in done.stderr


BOMB = "a0: &a0 {x: 1}\n" + "\n".join(
    f"a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(9))}}}" for i in range(1, 30)
)


@pytest.mark.parametrize("way", ["run", "run --configfile", "snakemake"])
def test_a_bomb_of_aliases_is_refused_before_it_unfolds(study: Path, way: str) -> None:
    other = study / "other.yaml"
    (other if "configfile" in way else study / "config" / "config.yaml").write_text(BOMB)
    if way == "snakemake":
        done = at_the_root(study, "-n")
    else:
        done = senoscore(study, *way.split(), *(["other.yaml"] if "configfile" in way else []))
    assert done.returncode != 0
    assert "alias *a0 (line 2) is not used here" in done.stdout + done.stderr


def test_a_formula_is_looked_at_before_any_job(study: Path) -> None:
    add_to_config(study, trend={"formula": "~ treatment * log_day"})
    done = at_the_root(study, "-n")
    assert done.returncode != 0
    assert "did you mean 'log_days'" in done.stdout + done.stderr


def test_a_word_in_braces_is_no_wildcard(study: Path) -> None:
    genes = ["CDKN1A", "CDKN2A", "GDF15", "IL6", "SERPINE1"]
    own = {"mine": {"up": genes, "title": "The {word} of it", "source": "by {dataset} and {0}"}}
    add_to_config(study, signatures={"custom": own})
    done = at_the_root(study, SIGNATURES)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "The {word} of it" in (study / SIGNATURES).read_text()


def test_snakemakes_own_options_have_the_last_word() -> None:
    words = snakemake_command(["--cores", "8", "--dry-run"])
    assert words[-3:] == ["--cores", "8", "--dry-run"]
    assert words.count("--cores") == 1
    assert "--cores" in snakemake_command([])
    slurm = snakemake_command([], slurm=True)
    assert slurm[slurm.index("--workflow-profile") + 1].endswith("profiles/slurm")
    assert "--cores" not in slurm
    own = snakemake_command(["--workflow-profile", "mine"], slurm=True)
    assert own.count("--workflow-profile") == 1


def test_another_snakefile_is_refused() -> None:
    with pytest.raises(ConfigError, match="its own workflow"):
        snakemake_command(["-s", "other.smk"])


def test_demo_makes_a_study_that_the_workflow_takes(tmp_path: Path) -> None:
    done = senoscore(tmp_path, "demo", "--size", "tiny", "--dry-run")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "rule report" in done.stdout + done.stderr
    assert (tmp_path / "senoscore-demo" / "data" / "samples.tsv").is_file()
    assert {entry.name for entry in tmp_path.iterdir()} == {"senoscore-demo"}


def test_a_wheel_holds_what_run_needs() -> None:
    """Every file of the workflow that a run reads is put beside the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    needed = [
        path.relative_to(ROOT)
        for path in (ROOT / "workflow").rglob("*")
        if path.is_file()
        and path.suffix != ".py"
        and not {"__pycache__", "envs"} & set(path.parts)  # envs: recipes of images, for a checkout
    ]
    assert len(needed) > 10
    for path in needed:
        source = next(
            (s for s in shipped if path == PurePath(s) or PurePath(s) in path.parents), None
        )
        assert source is not None, f"{path} is not in the wheel"
        inside = "senoscore/schemas" if "schemas" in path.parts else f"senoscore/{source}"
        assert shipped[source] == inside
