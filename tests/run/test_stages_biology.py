"""What is checked before any work, and runs without cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from senoscore.biology.crosstalk import crosstalk
from senoscore.biology.group_means import BY
from senoscore.biology.targets import target_values, targets
from senoscore.errors import ConfigError, SheetError
from senoscore.ingest.ingest import ingest
from senoscore.io import write_parquet
from senoscore.io.canonical import stored_facts, write_facts
from senoscore.io.tables import read_tsv, write_tsv
from senoscore.run.biology import _expression, check_settings, families
from senoscore.run.config import validate_config
from senoscore.run.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = pd.DataFrame(
    {
        "sample": ["a", "b"],
        "subject": ["p", ""],
        "treatment": ["irradiated", "control"],
        "dose_gy": [60.0, 0.0],
        "n_fractions": [30.0, float("nan")],
        "days_post_rt": [-3.0, 0.0],
        "batch": "",
    }
)
EMPTY = pd.DataFrame(columns=[*BY, "n_cells", "gene", "mean", "detected"])


def checked(**sections: object) -> list[str]:
    return check_settings(validate_config(dict(sections), source="test"), SAMPLES)


def test_clock_and_plasma_are_told(tmp_path: Path) -> None:
    path = tmp_path / "plasma.tsv"
    path.write_text("subject\ttime\ttime_unit\tanalyte\tvalue\tunit\np\t0\td\tIL-6\t2\tpg/mL\n")
    lines = checked(plasma=str(path))
    assert lines[0] == "note: Days count from the last fraction."
    assert "a: day < 0 after several fractions" in lines[1]
    assert lines[-1] == "plasma: 1 analytes of 1 subjects"
    path.write_text(path.read_text().replace("p\t0", "q\t0"))
    with pytest.raises(SheetError, match="'q' is not in the samples sheet"):
        checked(plasma=str(path))


def test_a_missing_rules_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        checked(window={"rules": str(tmp_path / "none.yaml")})


def test_profiles_have_no_groups_of_cells_and_say_so() -> None:
    assert targets(EMPTY, SAMPLES).empty
    found = crosstalk(EMPTY, SAMPLES)
    assert set(found["status"]) == {"not_estimable"}
    assert found["reason"].str.contains("cells in this run").all()


def test_a_profile_of_a_whole_sample_has_targets_and_a_group_of_cells_has_not_both(
    tmp_path: Path,
) -> None:
    layout, counts = Layout(tmp_path), np.array([[10.0, 90.0, 0.0], [40.0, 60.0, 100.0]])
    data = layout.of("bulk", ["matrix", "facts", "qc", "calls"])
    adata = ad.AnnData(counts, pd.DataFrame(index=["a", "b"]))
    adata.var_names = ["PLAUR", "GAPDH", "TP53"]
    adata.write_h5ad(tmp_path / "in.h5ad")
    row = {"dataset": "bulk", "path": str(tmp_path / "in.h5ad"), "organism": "human"}
    for name in ("matrix", "facts", "qc", "calls"):
        data[name].parent.mkdir(parents=True, exist_ok=True)
    ingest({**row, "assay": "bulk"}, samples=None, out=data["matrix"],
           genes_out=tmp_path / "genes.tsv")  # fmt: skip
    write_facts(stored_facts(data["matrix"]), data["facts"])
    cells = pd.DataFrame({"cell": ["a", "b"], "sample": ["a", "b"], "keep": True})
    write_parquet(cells, data["qc"])
    called = cells[["cell"]].assign(
        compartment="bulk", senescence_state="not_assessable", panel_positive=False
    )
    write_parquet(called, data["calls"])
    config = validate_config({}, source="test")
    assert _expression([data], ["PLAUR"], config).empty
    own = _expression([data], ["PLAUR"], config, profiles=True)
    found = target_values(own, min_cells=1).query("measure == 'target:PLAUR'")
    expected = np.log1p(1e4 * counts[:, 0] / counts.sum(axis=1))
    np.testing.assert_allclose(found.set_index("sample")["value"][["a", "b"]], expected, rtol=1e-6)


def rows_of(family: str, question: str, p: list[float]) -> pd.DataFrame:
    status = ["tested" if value == value else "not_testable" for value in p]
    return pd.DataFrame({"family": family, "question": question, "status": status, "q": p})


def test_every_family_of_the_run_is_listed_once(tmp_path: Path) -> None:
    layout, nan = Layout(tmp_path), float("nan")
    layout.summary("x").parent.mkdir()
    own = rows_of("irradiated_vs_control/axes", "irradiated_vs_control", [0.01, 0.2, nan])
    window = rows_of("window_phase/burden", "irradiated_vs_control", [0.03, 0.5])
    write_tsv(own, layout.summary("trend"))
    write_tsv(pd.concat([own, window]), layout.summary("window_contrasts"))
    write_tsv(targets(EMPTY, SAMPLES), layout.summary("targets"))
    write_tsv(crosstalk(EMPTY, SAMPLES), layout.summary("crosstalk"))
    families(
        validate_config({}, source="test"), trend=layout.summary("trend"),
        contrasts=layout.summary("window_contrasts"), targets=layout.summary("targets"),
        crosstalk=layout.summary("crosstalk"), out=layout.summary("families"),
    )  # fmt: skip
    found = read_tsv(layout.summary("families")).set_index("family")
    assert found.index.is_unique
    assert found["table"].to_dict() == {
        "irradiated_vs_control/axes": "trend",
        "window_phase/burden": "window_contrasts",
        "crosstalk/senescent_vs_other/known directions": "crosstalk",
    }
    row = found.loc["irradiated_vs_control/axes"]
    assert (row["n_rows"], row["n_tested"], row["n_holds"]) == (3, 2, 1)
    assert found["adjustment"].str.startswith("Benjamini-Hochberg").all()
    assert found["question"].notna().all()


def test_a_sample_in_two_data_sets_has_one_mean_by_its_cells() -> None:
    """By hand: 10 cells of mean 1 and 30 of mean 3 are 40 of mean 2.5."""
    from senoscore.run.biology import _one_row_each

    head = {"compartment": "tumour", "kind": "other", "gene": "IL6"}
    rows = [
        {"sample": "a", **head, "n_cells": 10, "mean": 1.0, "detected": 0.2},
        {"sample": "b", **head, "n_cells": 7, "mean": 5.0, "detected": 0.9},
        {"sample": "a", **head, "n_cells": 30, "mean": 3.0, "detected": 0.6},
    ]
    found = _one_row_each(pd.DataFrame(rows)).set_index("sample")
    assert found.loc["a", ["n_cells", "mean", "detected"]].tolist() == [40, 2.5, 0.5]
    assert found.loc["b", ["n_cells", "mean", "detected"]].tolist() == [7, 5.0, 0.9]
