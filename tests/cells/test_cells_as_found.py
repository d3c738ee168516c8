"""Quality and compartments of a matrix that says nothing of itself, in whatever order."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import senoscore as sen
from senoscore.cells import assign_compartments, quality
from senoscore.genesets.genes import canonicalise
from senoscore.report.words import _burden_gaps, _calibration_notes
from senoscore.simulation.tissue import design


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    adata = sen.simulate(design().iloc[[0, 12]], seed=5, cells_per_sample=250)
    adata.obs["sample"] = adata.obs["sample"].astype(str)
    return adata


def logged(adata: ad.AnnData) -> ad.AnnData:
    total = np.asarray(adata.X.sum(axis=1)).ravel()
    X = sparse.csr_matrix(sparse.diags(1e4 / total) @ adata.X.astype(np.float64))
    X.data = np.log1p(X.data)
    return ad.AnnData(X, obs=adata.obs.copy(), var=adata.var.copy())


def test_sums_of_logarithms_are_no_counts(tissue: ad.AnnData) -> None:
    cells, samples = quality(logged(tissue))
    assert cells["n_counts"].isna().all()
    assert cells["doublet_score"].isna().all()
    assert cells["keep"].all()
    assert (cells["n_genes"] > 0).all()
    assert samples["note"].str.startswith("values are lognorm, not counts").all()


def test_log_values_are_logged_once_for_compartments(tissue: ad.AnnData) -> None:
    counts, logs = assign_compartments(tissue), assign_compartments(logged(tissue))
    assert counts["compartment"].tolist() == logs["compartment"].tolist()
    z = [c for c in counts if c.startswith("compartment_confidence")]
    np.testing.assert_allclose(counts[z], logs[z], rtol=1e-4)


def test_ensembl_ids_are_known(tissue: ad.AnnData) -> None:
    table = canonicalise(tissue.var_names, "human")
    ids = table["ensembl_id"].where(table["ensembl_id"] != "", table["input"])
    adata = ad.AnnData(tissue.X, obs=tissue.obs.copy(), var=pd.DataFrame(index=ids.to_numpy()))
    assert adata.var_names.str.startswith("ENSG").mean() > 0.5
    assert assign_compartments(adata)["compartment"].tolist() == (
        assign_compartments(tissue)["compartment"].tolist()
    )
    own, other = (quality(a, doublets="off")[0]["pct_mt"] for a in (tissue, adata))
    assert own.notna().all()
    np.testing.assert_allclose(own, other)


def test_doublets_do_not_depend_on_the_order_of_cells(tissue: ad.AnnData) -> None:
    order = np.random.default_rng(1).permutation(tissue.n_obs)
    table, samples = quality(tissue)
    other, again = quality(tissue[order].copy())
    assert table["doublet_score"].notna().any()
    pd.testing.assert_frame_equal(
        table.set_index("cell"), other.set_index("cell").loc[table["cell"]], check_exact=True
    )
    pd.testing.assert_frame_equal(samples, again)


def test_the_report_gives_the_reason_of_the_calibration() -> None:
    cuts = pd.DataFrame(
        {"compartment": ["neuron"], "kind": ["cut"], "status": ["not_assessable"],
         "note": ["38 control cells, 100 needed"]}
    )  # fmt: skip
    burden = pd.DataFrame(
        {"compartment": ["neuron", "glia"], "sample": ["a", "a"], "status": ["not_assessable"] * 2}
    )
    why = {g["what"]: g["why"] for g in _burden_gaps(burden, _calibration_notes(cuts))}
    assert why["fraction of Neuron"] == "38 control cells, 100 needed"
    assert why["fraction of Glia"] == "too few axes of evidence could be read"
