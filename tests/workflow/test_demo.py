"""The whole workflow on simulated tissue: it runs, re-runs what must be, and finds the truth."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from senoscore.io.tables import read_tsv
from tests.workflow.conftest import snakemake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.workflow


def jobs(output: str) -> set[str]:
    return set(re.findall(r"^(?:local)?rule (\w+):", output, flags=re.MULTILINE))


def test_second_run_does_nothing(demo: Path) -> None:
    done = snakemake(demo, "-n")
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.fixture
def changed(demo: Path) -> Iterator[Path]:
    """The run's config, put back afterwards."""
    config = demo / "config" / "config.yaml"
    before = config.read_text()
    yield config
    config.write_text(before)


def test_a_threshold_reruns_the_call_and_what_follows(demo: Path, changed: Path) -> None:
    changed.write_text(changed.read_text() + "call: {fdr: 0.2}\n")
    done = snakemake(demo, "-n")
    again = {
        "programme_score",  # its output is temporary: gone after the run, needed by the next rule
        "programme_call",
        "call",
        "burden",
        "trend",
        "window",
        "crosstalk",
        "families",
        "confounders",
        "export",
    }
    assert jobs(done.stdout + done.stderr) == again | {"report", "all"}


def test_snakemakes_report_has_every_table_and_figure_with_what_it_is(demo: Path) -> None:
    done = snakemake(demo, "--report", "snakemake.html")
    assert done.returncode == 0, done.stderr[-3000:]
    text = (demo / "snakemake.html").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^\s*var results = (\{.*\});?$", text, flags=re.MULTILINE)
    found = json.loads(shown)
    results = demo / "results"
    files = [*results.rglob("*.tsv"), *results.glob("figures/*.svg"), results / "report.html"]
    wanted = {
        path.relative_to(demo).as_posix()
        for path in files
        if path.suffix != ".tsv" or path.parent.name != "figures"
    }
    assert set(found) == wanted
    captions = read_tsv(results / "figures" / "captions.tsv").set_index("figure")
    for name, one in found.items():
        assert len(one["caption"]) > 50, name
        assert all(one["labels"].values()), name
        if name.endswith(".svg"):
            assert one["labels"]["title"] == captions.loc[one["name"][:-4], "title"]


def test_a_misspelt_key_is_named(demo: Path, changed: Path) -> None:
    changed.write_text(changed.read_text() + "call: {frd: 0.2}\n")
    done = snakemake(demo, "-n")
    assert done.returncode != 0
    assert "did you mean 'fdr'" in done.stdout + done.stderr


def test_burden_follows_the_truth(demo: Path) -> None:
    burden = pd.read_csv(demo / "results/summary/burden.tsv", sep="\t")
    truth = pd.read_csv(demo / "truth.tsv", sep="\t")
    both = burden.merge(truth, on=["sample", "compartment"])
    both = both[(both["status"] == "ok") & (both["treatment"] != "control")]
    assert len(both) >= 15
    assert np.corrcoef(both["excess"], both["senescent_fraction"])[0, 1] > 0.5
    # A lower bound, and no wild overestimate: the mean excess lies between 0 and the truth.
    assert 0 < both["excess"].mean() < both["senescent_fraction"].mean() + 0.03
    controls = burden[(burden["treatment"] == "control") & (burden["status"] == "ok")]
    assert controls["fraction"].mean() < 0.08


def test_nothing_is_senescent_before_it_can_be(demo: Path) -> None:
    burden = pd.read_csv(demo / "results/summary/burden.tsv", sep="\t")
    early = burden[(burden["treatment"] != "control") & (burden["days_post_rt"] < 7)]
    assert early["n_senescent"].sum() == 0
    assert early["n_acute_damage_response"].sum() > 0


def test_report_stands_alone(demo: Path) -> None:
    html = (demo / "results/report.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in html
    assert not re.search(r'(?:src|href)="https?://', html)
    assert "not medical advice" in html


def test_annotated_object_holds_every_cell(demo: Path) -> None:
    adata = ad.read_h5ad(demo / "results/senoscore.h5ad")
    calls = sum(
        len(pd.read_parquet(path, columns=["cell"]))
        for path in (demo / "results/calls").glob("*.parquet")
    )
    assert adata.n_obs == calls
    assert {"senescence_state", "senescence_index", "compartment", "keep"} <= set(adata.obs)
    assert "score_ucell" in adata.obsm


def test_provenance_names_inputs_and_versions(demo: Path) -> None:
    record = json.loads((demo / "results/provenance.json").read_text())
    assert {"batch_1.h5ad", "batch_2.h5ad", "matrix.mtx.gz"} <= {
        i["file"] for i in record["inputs"]
    }
    assert record["versions"]["numpy"] == np.__version__
    assert str(demo) not in json.dumps(record)
