"""The map of cells: which cells, of which values, placed how, and what is said where it is none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore.cells import embed
from senoscore.errors import InputError, MissingExtraError
from senoscore.io import read_tsv, write_canonical_stream, write_facts, write_parquet
from senoscore.run import embedding
from senoscore.run.layout import DatasetFiles, Layout

if TYPE_CHECKING:
    from pathlib import Path

N_GENES = 300


def write_dataset(
    layout: Layout, name: str, n: int, *, assay: str = "sc", organism: str = "human",
    values: str = "counts", genes: range = range(N_GENES),
) -> DatasetFiles:  # fmt: skip
    """Cells of two kinds, every second one of each; the last tenth did not pass."""
    rng = np.random.default_rng(n)
    kind = np.arange(n) % 2
    rates = np.where(
        kind[:, None] == (np.arange(len(genes)) % 2)[None, :], 6.0, 0.5
    )  # half of the genes are of one kind
    matrix = sparse.csr_matrix(rng.poisson(rates).astype(np.float32))
    cells = [f"c{i}" for i in range(n)]
    for path in (layout.matrix(name), layout.qc(name), layout.calls(name)):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_canonical_stream(
        layout.matrix(name), [matrix], [f"G{g}" for g in genes], values=values,
        obs=pd.DataFrame({"sample": "s"}, index=cells),
    )  # fmt: skip
    write_facts(
        {"dataset": name, "assay": assay, "organism": organism, "values": values},
        layout.facts(name),
    )
    keep = np.arange(n) < 0.9 * n
    write_parquet(pd.DataFrame({"cell": cells, "keep": keep}), layout.qc(name))
    calls = {
        "cell": cells,
        "sample": "s",
        "compartment": np.where(kind == 0, "tumour", "t_cell"),
        "senescence_state": "other",
        "senescence_index": 0.5,
    }
    write_parquet(pd.DataFrame(calls), layout.calls(name))
    return layout.of(name, ["matrix", "facts", "qc", "calls"])


def placed(datasets: list[DatasetFiles], out: Path, **options: Any) -> pd.DataFrame:
    embedding(datasets, {"embedding": {"cells": 1000, "seed": 0, **options}}, out=out)
    return read_tsv(out)


@pytest.fixture
def by_row(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """In place of UMAP, the sum of each row: which values were read for which cell."""
    seen: list[Any] = []

    def sums(adata: Any, *, seed: int) -> np.ndarray:
        seen.append(adata)
        total = np.asarray(adata.X.sum(axis=1)).ravel()
        return np.column_stack([total, np.full(len(total), seed)])

    monkeypatch.setattr("senoscore.cells.embed", sums)
    return seen


def test_alike_cells_lie_together_and_a_seed_gives_the_same_map(tmp_path: Path) -> None:
    data = write_dataset(Layout(tmp_path), "a", 100)
    table = placed([data], tmp_path / "one.tsv")
    assert len(table) == 90
    place = table[["umap_1", "umap_2"]].to_numpy()
    middles = table.groupby("compartment")[["umap_1", "umap_2"]].mean()
    own = middles.loc[table["compartment"]].to_numpy()
    other = middles.loc[table["compartment"].map({"tumour": "t_cell", "t_cell": "tumour"})]
    nearer = np.linalg.norm(place - own, axis=1) < np.linalg.norm(place - other.to_numpy(), axis=1)
    assert nearer.all()
    placed([data], tmp_path / "two.tsv")
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "two.tsv").read_bytes()


def test_each_cell_has_its_own_values_normalised(by_row: list[Any], tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    data = [write_dataset(layout, "a", 80), write_dataset(layout, "b", 70, genes=range(10, 310))]
    table = placed(data, tmp_path / "map.tsv", cells=60, seed=3)
    assert len(table) == 60
    assert list(by_row[0].var_names) == [f"G{g}" for g in range(10, 300)]
    assert set(table["umap_2"]) == {3}
    import anndata as ad

    for name, of in table.groupby("dataset"):
        whole = ad.read_h5ad(layout.matrix(str(name)))
        counts = whole[of["cell"]].X.toarray()
        values = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
        shared = whole.var_names.isin(by_row[0].var_names)
        np.testing.assert_allclose(of["umap_1"], values[:, shared].sum(axis=1), rtol=1e-4)
    again = placed(data, tmp_path / "again.tsv", cells=60, seed=4)
    assert set(again["cell"]) != set(table["cell"])


def test_lognormalised_values_stay_as_they_are(by_row: list[Any], tmp_path: Path) -> None:
    data = write_dataset(Layout(tmp_path), "a", 80, values="lognorm")
    placed([data], tmp_path / "map.tsv")
    assert float(by_row[0].X.max()) == float(int(by_row[0].X.max())) > 5


def test_each_organism_has_its_map_and_profiles_none(
    by_row: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    layout = Layout(tmp_path)
    data = [
        write_dataset(layout, "a", 80),
        write_dataset(layout, "m", 90, organism="mouse"),
        write_dataset(layout, "few", 20, organism="rat"),
        write_dataset(layout, "whole", 60, assay="bulk"),
    ]
    table = placed(data, tmp_path / "map.tsv")
    assert table.groupby("organism").size().to_dict() == {"human": 72, "mouse": 81}
    assert len(by_row) == 2
    assert "rat: 18 cells are too few for a map" in caplog.text


def test_no_cells_leave_a_table_of_no_rows(tmp_path: Path) -> None:
    data = write_dataset(Layout(tmp_path), "whole", 60, assay="bulk")
    assert placed([data], tmp_path / "map.tsv").empty


def test_what_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import anndata as ad

    few = ad.AnnData(np.ones((60, 5), dtype=np.float32))
    with pytest.raises(InputError, match=r"60 cells and 5 genes .* set embedding.cells to 0"):
        embed(few)
    monkeypatch.setitem(sys.modules, "scanpy", None)
    with pytest.raises(MissingExtraError, match=r"senoscore\[embedding\]"):
        embed(few)
