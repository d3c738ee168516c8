"""`senoscore init` on every kind of file: what it writes, `check` can read."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from senoscore import run as stages
from senoscore.errors import SheetError
from tests.bad_inputs.study import GENES, write_10x


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _init_and_check(folder, name: str) -> tuple[pd.DataFrame, list[str]]:
    said = stages.init(folder / name, folder / "config", force=False)
    samples = pd.read_csv(folder / "config/samples.tsv", sep="\t", dtype=str)
    return samples, [*said, *stages.check(folder / "config" / "config.yaml")]


def test_after_init_the_config_points_at_the_sheets(folder):
    counts = np.arange(4 * len(GENES)).reshape(4, -1).astype(np.float32)
    obs = pd.DataFrame(
        {"sample": ["a", "a", "b", "b"], "treatment": ["sham", "sham", "IR", "IR"]},
        index=list("wxyz"),
    )
    ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES)).write_h5ad(folder / "m.h5ad")
    samples, said = _init_and_check(folder, "m.h5ad")
    assert samples["treatment"].tolist() == ["control", "irradiated"]
    assert any("config.yaml, which points at them" in line for line in said)


def test_a_bulk_table(folder):
    lines = ["gene\tctrl_1\tIR_1", *(f"{gene}\t{i}\t5" for i, gene in enumerate(GENES))]
    (folder / "bulk.tsv").write_text("\n".join(lines) + "\n")
    samples, _ = _init_and_check(folder, "bulk.tsv")
    assert samples["sample"].tolist() == ["ctrl_1", "IR_1"]
    assert samples["treatment"].tolist() == ["control", "irradiated"]


def test_barcodes_are_cells_and_no_profiles(folder):
    lines = ["gene\tACGTACGTACGT-1\tTTTTACGTACGT-1"]
    lines += [f"{gene}\t{i}\t5" for i, gene in enumerate(GENES)]
    (folder / "IR_1.tsv").write_text("\n".join(lines) + "\n")
    samples, said = _init_and_check(folder, "IR_1.tsv")
    assert samples["sample"].tolist() == ["IR_1"]
    assert any("all 2 cells are sample 'IR_1'" in line for line in said)


def test_a_long_table(folder):
    rows = [(s, f"{s}{c}", g, 3) for s in ("a", "b") for c in range(3) for g in GENES]
    lines = ["sample\tcell\tgene\tvalue", *("\t".join(map(str, row)) for row in rows)]
    (folder / "long.tsv").write_text("\n".join(lines) + "\n")
    with pytest.raises(SheetError, match=r"2 errors: .* treatment is '', it must not be empty"):
        _init_and_check(folder, "long.tsv")
    sheet = folder / "config" / "samples.tsv"
    rows = pd.read_csv(sheet, sep="\t", dtype=str)
    assert rows["sample"].tolist() == ["a", "b"]
    rows.assign(treatment=["control", "irradiated"]).to_csv(sheet, sep="\t", index=False)
    stages.check(folder / "config" / "config.yaml")


def test_a_table_of_cells_with_columns_of_text(folder):
    lines = [",".join(["", "sample", "condition", *GENES])]
    for i, (sample, arm) in enumerate([("a", "sham"), ("a", "sham"), ("b", "8 Gy")]):
        lines.append(",".join([f"c{i}", sample, arm, *(str(i + j) for j in range(len(GENES)))]))
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    samples, _ = _init_and_check(folder, "cells.csv")
    assert samples["treatment"].tolist() == ["control", "irradiated"]


def test_a_10x_folder_is_one_sample(folder):
    write_10x(folder / "irradiated")
    said = stages.init(folder / "irradiated", folder / "config", force=False)
    sheet = pd.read_csv(folder / "config/datasets.tsv", sep="\t")
    assert sheet.loc[0, "sample"] == "irradiated"
    assert any("cells are sample 'irradiated'" in line for line in said)


def test_sheets_that_are_there_are_kept(folder):
    (folder / "config").mkdir()
    (folder / "config" / "samples.tsv").write_text("mine")
    write_10x(folder / "x")
    with pytest.raises(SheetError, match="would be replaced"):
        stages.init(folder / "x", folder / "config", force=False)
    assert not (folder / "config" / "config.yaml").exists()
