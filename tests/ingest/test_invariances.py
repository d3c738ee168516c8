"""What must not change what is ingested: order of cells and genes, storage, number of files."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.ingest.ingest import ingest
from senoscore.io.canonical import stored_facts, write_facts
from senoscore.run.layout import Layout
from senoscore.run.tables import refuse_copied_samples

RNG = np.random.default_rng(5)
GENES = ["TP53", "CDKN1A", "MKI67", "CCNB1", "LMNB1", "IL6", "CXCL8", "CDKN2A"]
COUNTS = RNG.poisson(1.2, (40, len(GENES))).astype(np.float32)
SAMPLES = np.array(["s1", "s2", "s1", "s3"] * 10)


def _ingest(folder, X, *, cells=slice(None), genes=None, samples=SAMPLES):
    """Ingest a matrix; values by cell and gene name, samples, and the digests."""
    folder.mkdir(parents=True)
    adata = ad.AnnData(X)
    adata.obs_names = np.array([f"c{i:02d}" for i in range(len(COUNTS))])[cells]
    adata.var_names = np.array(GENES)[slice(None) if genes is None else genes]
    adata.obs["who"] = samples[cells]
    adata.write_h5ad(folder / "in.h5ad")
    row = {"dataset": "d", "path": str(folder / "in.h5ad"), "organism": "human"}
    ingest(
        {**row, "sample_column": "who"},
        samples=None, out=folder / "d.h5ad", genes_out=folder / "g.tsv",
    )  # fmt: skip
    out = ad.read_h5ad(folder / "d.h5ad")
    table = out.to_df().sort_index()[sorted(out.var_names)]
    return table, out.obs["sample"].astype(str).sort_index(), out.uns["senoscore"]


def _unsorted(X):
    X = sparse.csr_matrix(X)
    for row in range(X.shape[0]):
        span = slice(X.indptr[row], X.indptr[row + 1])
        X.indices[span] = X.indices[span][::-1].copy()
        X.data[span] = X.data[span][::-1].copy()
    X.has_sorted_indices = False
    return X


def _with_zeros(X):
    full = sparse.csr_matrix(np.ones_like(X))
    full.data = X.ravel().copy()
    return full


@pytest.mark.parametrize(
    "store",
    [
        np.asarray,
        sparse.csc_matrix,
        _unsorted,
        _with_zeros,
        lambda X: X.astype(np.float64),
        lambda X: sparse.csr_matrix(X.astype(np.int64)),
        lambda X: np.asarray(X.astype(">f4")),
    ],
    ids=["dense", "csc", "unsorted", "zeros", "float64", "int64", "big-endian"],
)
def test_storage_changes_nothing(tmp_path, store):
    table, samples, meta = _ingest(tmp_path / "a", sparse.csr_matrix(COUNTS))
    again, labels, other = _ingest(tmp_path / "b", store(COUNTS))
    np.testing.assert_array_equal(again.to_numpy(), table.to_numpy())
    assert again.index.tolist() == table.index.tolist()
    assert labels.tolist() == samples.tolist()
    assert other["sample_digests"] == meta["sample_digests"]


@pytest.mark.parametrize("seed", range(3))
def test_order_of_cells_and_genes_changes_nothing(tmp_path, seed):
    rng = np.random.default_rng(seed)
    cells, genes = rng.permutation(len(COUNTS)), rng.permutation(len(GENES))
    table, samples, meta = _ingest(tmp_path / "a", sparse.csr_matrix(COUNTS))
    X = sparse.csr_matrix(COUNTS[cells][:, genes])
    again, labels, other = _ingest(tmp_path / "b", X, cells=cells, genes=genes)
    np.testing.assert_array_equal(again.to_numpy(), table.to_numpy())
    assert labels.tolist() == samples.tolist()
    assert json.loads(other["sample_digests"]) == json.loads(meta["sample_digests"])


def test_one_file_or_several(tmp_path):
    table, _, meta = _ingest(tmp_path / "all", sparse.csr_matrix(COUNTS))
    digests = {}
    for name in ("s1", "s2", "s3"):
        rows = np.flatnonzero(name == SAMPLES)
        part, _, facts = _ingest(tmp_path / name, sparse.csr_matrix(COUNTS[rows]), cells=rows)
        np.testing.assert_array_equal(part.to_numpy(), table.loc[part.index].to_numpy())
        digests.update(json.loads(facts["sample_digests"]))
    assert digests == json.loads(meta["sample_digests"])


def test_a_copied_sample_is_noticed_however_it_is_shuffled(tmp_path):
    X = COUNTS.copy()
    X[20:] = RNG.permutation(X[:20])
    samples = np.array(["M1"] * 20 + ["M2"] * 20)
    with pytest.raises(InputError, match="samples 'M1' and 'M2' hold the same values"):
        _ingest(tmp_path / "a", sparse.csr_matrix(X), samples=samples)
    X[39, 0] += 1  # one value of one cell is another animal
    _ingest(tmp_path / "b", sparse.csr_matrix(X), samples=samples)


def test_a_sample_copied_into_another_data_set_is_noticed(tmp_path):
    layout = Layout(tmp_path)
    layout.matrix("one").parent.mkdir(parents=True)
    other = np.array(["M9"] * len(COUNTS))
    rows = np.flatnonzero(SAMPLES == "s2")
    _ingest(tmp_path / "a", sparse.csr_matrix(COUNTS))
    _ingest(tmp_path / "b", sparse.csr_matrix(COUNTS[rows]), cells=rows, samples=other)
    one, two = (layout.of(name, ["facts"]) for name in ("one", "two"))
    write_facts(stored_facts(tmp_path / "a" / "d.h5ad"), one["facts"])
    refuse_copied_samples([one])
    write_facts(stored_facts(tmp_path / "b" / "d.h5ad"), two["facts"])
    with pytest.raises(InputError, match="'s2 of one' and 'M9 of two' hold the same values"):
        refuse_copied_samples([one, two])
