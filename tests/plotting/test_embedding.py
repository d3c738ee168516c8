"""Cells in an embedding, and answers of ``save``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from senoscore.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def placed(n: int = 30) -> ad.AnnData:
    obs = pd.DataFrame(
        {
            "senescence_state": pd.Categorical(["senescent", "other", "cycling"] * (n // 3)),
            "senescence_index": np.linspace(-2, 2, n),
            "compartment": ["tumour", "own_type", "neuron"] * (n // 3),
        },
        index=[f"c{i}" for i in range(n)],
    )
    adata = ad.AnnData(obs=obs)
    adata.obsm["X_umap"] = np.arange(2.0 * n).reshape(n, 2)
    return adata


def test_cells_stand_where_the_embedding_puts_them() -> None:
    table = sen.pl.umap_table(placed())
    assert table["x"].tolist() == list(np.arange(0.0, 60, 2))
    assert table["y"].tolist() == list(np.arange(1.0, 60, 2))
    assert table["value"].tolist() == ["senescent", "other", "cycling"] * 10


@pytest.mark.parametrize("color", ["senescence_state", "senescence_index", "compartment"])
def test_every_kind_of_column_can_be_drawn(color: str) -> None:
    assert "<svg" in sen.pl.to_svg(sen.pl.umap(placed(), color=color))


def test_states_have_their_colours() -> None:
    chart = sen.pl.umap(placed()).to_dict()
    scale = chart["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
        name: sen.pl.STATE_COLOURS[name] for name in ("senescent", "cycling", "other")
    }


def test_many_cells_are_thinned_and_that_is_said() -> None:
    chart = sen.pl.umap(placed(), max_cells=10).to_dict()
    assert chart["title"]["subtitle"] == "10 of 30 cells"
    assert len(sen.pl.umap_table(placed(), max_cells=10)) == 10


def test_what_is_missing_is_said() -> None:
    adata = placed()
    with pytest.raises(InputError, match="no column 'nothing'"):
        sen.pl.umap(adata, color="nothing")
    del adata.obsm["X_umap"]
    with pytest.raises(InputError, match=r"sc\.tl\.umap"):
        sen.pl.umap(adata)
    with pytest.raises(InputError, match="takes an AnnData"):
        sen.pl.umap(adata.obs)  # type: ignore[arg-type]


def test_save_says_what_it_wants(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'x' is not a chart"):
        sen.pl.save("x")
    with pytest.raises(InputError, match="no name for the files"):
        sen.pl.save(sen.pl.umap(placed()))


def test_save_takes_a_text_as_path(tmp_path: Path) -> None:
    written = sen.pl.save(sen.pl.umap(placed()), str(tmp_path / "cells"))
    assert [path.name for path in written] == ["cells.svg", "cells.png"]
    assert all(path.stat().st_size for path in written)
