"""Compartments from labels and from markers."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore import compartments, simulate
from senoscore._simulate import design
from senoscore.errors import ConfigError, InputError

REALDATA = Path(__file__).parents[1].parent / "shared" / "realdata"


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    return simulate(design().iloc[[0, 12]], seed=5, cells_per_sample=200)


def test_simulated_tissue_is_recognised(tissue: ad.AnnData) -> None:
    # The simulation raises the very markers that are read, so this is a check of the plumbing.
    table = compartments(tissue)
    truth = tissue.obs["true_compartment"].astype(str).to_numpy()
    assigned = (table["compartment"] != "unassigned").to_numpy()
    assert (table["compartment"].to_numpy() == truth)[assigned].mean() > 0.95
    assert assigned.mean() > 0.75
    assert table["compartment_confidence"].between(0, 1).all()
    assert (table.loc[assigned, "cell_ontology_id"].str[:3] == "CL:").all()


def test_a_function_of_the_one_cell(tissue: ad.AnnData) -> None:
    whole = compartments(tissue).set_index("cell")["compartment"]
    order = np.random.default_rng(0).permutation(tissue.n_obs)[:50]
    part = compartments(tissue[order].copy()).set_index("cell")["compartment"]
    pd.testing.assert_series_equal(part, whole.loc[part.index])


def test_dense_and_sparse_agree(tissue: ad.AnnData) -> None:
    few = tissue[:30].copy()
    dense = ad.AnnData(few.X.toarray(), obs=few.obs, var=few.var)
    assert isinstance(few.X, sparse.csr_matrix)
    pd.testing.assert_frame_equal(compartments(few), compartments(dense))


def test_excluded_compartments_are_not_given(tissue: ad.AnnData) -> None:
    table = compartments(tissue, exclude=["tumour"])
    assert "tumour" not in set(table["compartment"])
    with pytest.raises(ConfigError, match="did you mean 'tumour'"):
        compartments(tissue, exclude=["tumor"])


def test_confidence_by_hand() -> None:
    # Log values: s = x / (1 + x). Cell c0 has 1 (s = 0.5) in the four genes of one compartment
    # and 0 in the other 12 genes: mean of all 0.125, variance 0.046875, z = 0.5 / (sd / 2).
    genes = [f"g{i}" for i in range(16)]
    values = np.zeros((2, 16), dtype=np.float32)
    values[0, :4] = 1
    adata = ad.AnnData(sparse.csr_matrix(values), var=pd.DataFrame(index=genes))
    adata.uns["senoscore"] = {"values": "lognorm", "organism": "human"}
    markers = pd.DataFrame(
        {"compartment": ["t_cell"] * 4 + ["neuron"] * 4 + ["b_cell"] * 4, "gene": genes[:12]}
    )
    table = compartments(adata, markers=markers)
    z = 0.5 / (np.sqrt(0.25 * 4 / 16 - 0.125**2) / 2)
    others = (0 - 0.5 * 4 / 8) / 0.5 * z
    odds = np.exp(z) / (np.exp(z) + 2 * np.exp(others) + np.exp(3))
    assert table["compartment"].tolist() == ["t_cell", "unassigned"]
    assert table["compartment_confidence"][0] == pytest.approx(odds, rel=1e-6)
    # Nothing in the cell: all three at z = 0 against "none of these" at 3.
    assert table["compartment_confidence"][1] == pytest.approx(1 / (3 + np.exp(3)), rel=1e-6)


def test_leaving_out_silent_genes_costs_little(tissue: ad.AnnData) -> None:
    # Files of published cells often hold only the genes that their cells express.
    heard = np.asarray((tissue.X > 0).mean(axis=0)).ravel() > 0.1
    truth = tissue.obs["true_compartment"].astype(str).to_numpy()
    whole, part = (
        (compartments(a)["compartment"].to_numpy() == truth).mean()
        for a in (tissue, tissue[:, heard].copy())
    )
    assert heard.mean() < 0.6
    assert part > 0.65 * whole


def labelled(labels: list[str]) -> ad.AnnData:
    obs = pd.DataFrame({"type": labels}, index=[f"c{i}" for i in range(len(labels))])
    return ad.AnnData(np.ones((len(labels), 2)), obs=obs)


def test_labels_by_name_synonym_and_mapping() -> None:
    labels = ["Astrocytes", "TAM", "Malignant", "CD8 T cells", "NK", "weird", ""]
    table = compartments(labelled(labels), column="type", mapping={"weird": "neuron"})
    expected = ["astrocyte", "macrophage", "tumour", "t_cell", "nk_cell", "neuron", "unassigned"]
    assert table["compartment"].tolist() == expected
    assert (table["compartment_confidence"] == 1).all()


def test_unknown_labels_and_compartments_are_named() -> None:
    with pytest.raises(ConfigError, match=r"'astrocite'.*did you mean 'astrocyte'"):
        compartments(labelled(["astrocite"]), column="type")
    with pytest.raises(ConfigError, match=r"compartments\.mapping: 'glia'"):
        compartments(labelled(["x"]), column="type", mapping={"x": "glia"})
    with pytest.raises(InputError, match="no column 'celltype'"):
        compartments(labelled(["x"]), column="celltype")


def test_no_markers_is_an_error() -> None:
    with pytest.raises(InputError, match="compartment_column"):
        compartments(labelled(["x"]))


def test_bulk_is_bulk() -> None:
    adata = labelled(["x"])
    adata.uns["senoscore"] = {"assay": "bulk"}
    assert compartments(adata)["compartment"].tolist() == ["bulk"]


needs_realdata = pytest.mark.skipif(
    not REALDATA.is_dir(), reason="no ../shared/realdata beside the checkout"
)


@pytest.mark.realdata
@needs_realdata
def test_real_immune_cells_are_immune() -> None:
    adata = ad.read_h5ad(REALDATA / "celltypist_immune_cells_sc" / "counts.h5ad")
    share = compartments(adata)["compartment"].value_counts(normalize=True)
    immune = share.reindex(["macrophage", "t_cell", "nk_cell", "b_cell"]).fillna(0).sum()
    assert immune > 0.75
    assert share.drop(["macrophage", "t_cell", "nk_cell", "b_cell", "unassigned"]).sum() < 0.02


@pytest.mark.realdata
@needs_realdata
def test_real_tumour_cells_are_tumour_or_rejected() -> None:
    # One of the glioblastomas of Neftel 2019: no marker of immune cells is expressed in it.
    adata = ad.read_h5ad(REALDATA / "mgh136_glioblastoma_sc" / "log_tpm.h5ad")
    adata.uns["senoscore"] = {"values": "lognorm", "organism": "human"}
    share = compartments(adata)["compartment"].value_counts(normalize=True)
    assert share["tumour"] > 0.4
    assert share.drop(["tumour", "unassigned"]).sum() < 0.05
