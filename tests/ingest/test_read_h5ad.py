from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.ingest.formats import open_source

RNG = np.random.default_rng(2)
COUNTS = RNG.poisson(1.0, (20, 6)).astype(np.float32)
LOG = np.log1p(COUNTS / 3).astype(np.float32)
GENES = ["TP53", "CDKN1A", "MKI67", "CCNB1", "LMNB1", "IL6"]


def _adata(X, **layers):
    adata = ad.AnnData(
        sparse.csr_matrix(X), layers={k: sparse.csr_matrix(v) for k, v in layers.items()}
    )
    adata.var_names = GENES[: X.shape[1]]
    adata.obs_names = [f"c{i}" for i in range(20)]
    return adata


def _open(tmp_path, adata, **options):
    adata.write_h5ad(tmp_path / "a.h5ad")
    return open_source(tmp_path / "a.h5ad", **options)


def _dense(source):
    return sparse.vstack([b.to_csr() for b in source.blocks()]).toarray()


def test_counts_are_found_wherever_they_are(tmp_path):
    source = _open(tmp_path, _adata(COUNTS))
    assert source.slot == "X"
    assert source.notes == []
    source = _open(tmp_path, _adata(LOG, spliced=LOG, umi=COUNTS))
    assert source.slot == "layers['umi']"
    np.testing.assert_array_equal(_dense(source), COUNTS)
    assert "X: lognorm" in source.notes[0]
    assert "layers['umi']: counts" in source.notes[0]


def test_raw_with_its_own_genes(tmp_path):
    adata = _adata(COUNTS)
    adata.raw = adata.copy()
    adata = adata[:, :3].copy()
    source = _open(tmp_path, adata)
    assert source.slot == "raw.X"  # both are counts, raw has more genes
    assert source.genes == GENES
    np.testing.assert_array_equal(_dense(source), COUNTS)


def test_scaled_x_gives_way_to_log_values(tmp_path):
    adata = _adata(LOG)
    adata.raw = adata.copy()
    adata.X = sparse.csr_matrix(LOG - 1)
    assert _open(tmp_path, adata).slot == "raw.X"


def test_log_values_of_all_genes_before_those_of_some(tmp_path):
    adata = _adata(LOG)
    adata.raw = adata.copy()
    adata = adata[:, :3].copy()  # as after a choice of variable genes
    for values in ("auto", "lognorm"):
        source = _open(tmp_path, adata, values=values)
        assert source.slot == "raw.X"
        assert source.genes == GENES
        assert "raw.X, which has more genes than X" in source.notes[0]


def test_counts_of_some_genes_before_log_values_of_all(tmp_path):
    adata = _adata(LOG)
    adata.raw = adata.copy()
    adata = adata[:, :3].copy()
    adata.X = sparse.csr_matrix(COUNTS[:, :3])
    assert _open(tmp_path, adata).slot == "X"


def test_named_slots(tmp_path):
    adata = _adata(COUNTS, log=LOG)
    adata.raw = adata.copy()
    named = (("log", "layers['log']"), ("X", "X"), ("raw", "raw.X"), ("raw.X", "raw.X"))
    for name, slot in named:
        assert _open(tmp_path, adata, layer=name).slot == slot
    both = _adata(COUNTS, raw=LOG)
    both.raw = both.copy()
    with pytest.raises(InputError, match=r"'raw' may be layers\['raw'\] or raw.X"):
        _open(tmp_path, both, layer="raw")
    assert _open(tmp_path, both, layer="layers['raw']").slot == "layers['raw']"
    assert _open(tmp_path, _adata(LOG, c=COUNTS), values="lognorm").slot == "X"
    with pytest.raises(InputError, match=r"no layer 'nope' — there are: X, layers\['log'\], raw.X"):
        _open(tmp_path, adata, layer="nope")


def test_second_names_and_obs(tmp_path):
    adata = _adata(COUNTS)
    adata.var["gene_ids"] = [f"ENSG{i:011d}" for i in range(6)]
    adata.obs["s"] = pd.Categorical(["a", "b"] * 10)
    adata.obs["n"] = range(20)
    source = _open(tmp_path, adata, columns=["s", "n"])
    assert source.gene_ids == adata.var["gene_ids"].tolist()
    assert source.obs["s"].tolist() == ["a", "b"] * 10
    assert source.obs["n"].tolist() == list(range(20))
    with pytest.raises(InputError, match="no obs column 'x' — columns there: s, n"):
        _open(tmp_path, adata, columns=["x"])


def test_dense_and_csc(tmp_path):
    for X in (COUNTS, sparse.csc_matrix(COUNTS)):
        adata = _adata(COUNTS)
        adata.X = X
        np.testing.assert_array_equal(_dense(_open(tmp_path, adata)), COUNTS)


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["a", "a", "b"], "duplicate barcodes: 1 cell ids come more than once: 'a' .2 times"),
        (["a", "", "b"], "cell 2 has no name"),
        (["a", "b\nc", "d"], "is not a name"),
        (["a", "x" * 10_000, "d"], "is not a name"),
    ],
)
def test_bad_barcodes(tmp_path, cells, said):
    adata = _adata(COUNTS)
    adata.obs_names = [*cells, *[f"c{i}" for i in range(17)]]
    with pytest.raises(InputError, match=said):
        _open(tmp_path, adata)


def test_a_bomb_stops_at_the_limit(tmp_path):
    _adata(COUNTS).write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        file["uns"].create_dataset("x", (10**13,), "i1", chunks=(1000,))
    with pytest.raises(InputError, match=r"unfolds to 10,000,000,\d{3},\d{3} bytes"):
        open_source(tmp_path / "a.h5ad")


@pytest.mark.parametrize("name", ["obs", "var", "X"])
def test_missing_parts(tmp_path, name):
    _adata(COUNTS).write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        del file[name]
    with pytest.raises(InputError, match=f"no {name}|holds no matrix|not a matrix of 10x"):
        open_source(tmp_path / "a.h5ad", format="h5ad")


def test_a_shorter_obs_is_found(tmp_path):
    _adata(COUNTS).write_h5ad(tmp_path / "a.h5ad")
    _adata(COUNTS)[:5].copy().write_h5ad(tmp_path / "b.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as a, h5py.File(tmp_path / "b.h5ad") as b:
        del a["obs"]
        b.copy("obs", a)
    with pytest.raises(InputError, match="X is 20 x 6 but there are 5 cells"):
        open_source(tmp_path / "a.h5ad")


def _old_file(path, names, *, structured=False):
    """An .h5ad as anndata 0.7 wrote it, or 0.6 with ``structured`` frames of bytes."""
    with h5py.File(path, "w") as file:
        file["X"] = COUNTS
        for frame, index in (("obs", [f"c{i}" for i in range(20)]), ("var", names)):
            if structured:
                kinds = [("index", "S9"), ("s", "i1")] if frame == "obs" else [("index", "S9")]
                table = np.zeros(len(index), dtype=kinds)
                table["index"] = [name.encode() for name in index]
                file[frame] = table
                continue
            group = file.create_group(frame)
            group.attrs["encoding-type"] = "dataframe"
            group.attrs["encoding-version"] = "0.1.0"
            group.attrs["_index"] = "_index"
            columns = ["s"] if frame == "obs" else []
            group.attrs["column-order"] = np.array(columns, dtype=h5py.string_dtype())
            group.create_dataset("_index", data=index, dtype=h5py.string_dtype())
        if structured:
            file["uns/s_categories"] = np.array([b"a", b"b"])
        else:
            kinds = file["obs"].create_dataset(
                "__categories/s", data=["a", "b"], dtype=h5py.string_dtype()
            )
            kinds.attrs["ordered"] = False
            file["obs"].create_dataset("s", data=np.array([-1, 1] + [0] * 18, np.int8))
            file["obs/s"].attrs["categories"] = kinds.ref
    return path


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
def test_files_of_anndata_07(tmp_path):
    source = open_source(_old_file(tmp_path / "a.h5ad", GENES), columns=["s"])
    assert source.genes == GENES
    assert source.cells[:2] == ["c0", "c1"]
    assert source.obs["s"].isna().tolist() == [True] + [False] * 19  # code -1 is missing
    assert source.obs["s"].tolist()[1:3] == ["b", "a"]


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
def test_names_of_anndata_06_are_text(tmp_path):
    source = open_source(_old_file(tmp_path / "a.h5ad", GENES, structured=True), columns=["s"])
    assert source.obs["s"].tolist() == ["a"] * 20
    assert source.genes == GENES
    assert source.cells[0] == "c0"
    np.testing.assert_array_equal(_dense(source), COUNTS)


@pytest.mark.parametrize("ids", [[7157, 1026, 4288, 891, 4001, 3569], [7157.0, 1, 2, 3, 4, None]])
def test_numbers_of_entrez_hide_no_names(tmp_path, ids):
    adata = _adata(COUNTS)
    adata.var_names = [f"row{i}" for i in range(6)]
    adata.var["gene_id"] = ids
    adata.var["feature_name"] = GENES
    assert _open(tmp_path, adata).gene_ids == GENES


BY_SIZE = np.rint(COUNTS / COUNTS.sum(1, keepdims=True) * 1e6).astype(np.float32)
BINARY = (COUNTS > 0).astype(np.float32)
BINNED = np.minimum(COUNTS * 3, 7)


@pytest.mark.parametrize(
    ("X", "layers", "slot"),
    [
        (COUNTS, {"ambiguous": BINNED}, "X"),
        (LOG, {"ambiguous": BINNED, "spliced": COUNTS}, "layers['spliced']"),
        (LOG, {"X_binned": BINNED, "counts": COUNTS}, "layers['counts']"),
        (BINARY, {"mine": COUNTS}, "layers['mine']"),
        (LOG, {"binary": BINARY}, "X"),
        (BY_SIZE, {"raw_counts": COUNTS}, "layers['raw_counts']"),
        (BY_SIZE, {"mine": COUNTS}, "layers['mine']"),
        (np.rint(np.log2(COUNTS + 1)), {"counts": COUNTS}, "layers['counts']"),
        (COUNTS, {"copy": COUNTS}, "X"),
    ],
)
def test_counts_are_known_by_name_and_by_what_they_cannot_be(tmp_path, X, layers, slot):
    assert _open(tmp_path, _adata(X, **layers)).slot == slot


def test_two_slots_that_may_be_counts_stop(tmp_path):
    adata = _adata(COUNTS, X_binned=BINNED)
    with pytest.raises(InputError, match=r"may be in X or layers\['X_binned'\], and they differ"):
        _open(tmp_path, adata)
    assert _open(tmp_path, adata, layer="X").slot == "X"


@pytest.mark.parametrize(("X", "said"), [(BINARY, "0 or 1"), (BY_SIZE, "sums to 1e.06")])
def test_whole_numbers_that_cannot_be_counts(tmp_path, X, said):
    with pytest.raises(InputError, match=f"X holds whole numbers that cannot be counts: .*{said}"):
        _open(tmp_path, _adata(X))
    assert _open(tmp_path, _adata(X), values="counts").slot == "X"


def _wide(rng, totals):
    shares = rng.dirichlet(np.full(8000, 0.5))
    counts = rng.poisson(np.outer(totals, shares)).astype(np.float32)
    names = [*GENES, *(f"G{i}" for i in range(7994))]
    return counts, lambda X: ad.AnnData(X, var=pd.DataFrame(index=names))


def test_rounded_cpm_of_deep_cells_are_no_counts(tmp_path):
    """Most values are single reads, and all of a cell are rounded to the same side."""
    counts, make = _wide(np.random.default_rng(1), np.linspace(3000, 9000, 40))
    cpm = np.rint(counts / counts.sum(1, keepdims=True) * 1e6)
    assert np.ptp(cpm.sum(1)) > 1e-3 * 1e6
    with pytest.raises(InputError, match="cannot be counts: every cell sums to"):
        _open(tmp_path, make(cpm))


@pytest.mark.parametrize("spread", [0.03, 0.3])
def test_counts_of_much_alike_cells_are_counts(tmp_path, spread):
    """Shallow cells, whose sums differ by less than they have genes."""
    counts, make = _wide(np.random.default_rng(2), 700 * np.linspace(1 - spread, 1 + spread, 40))
    assert np.ptp(counts.sum(1)) < (counts > 0).sum(1).max()
    assert _open(tmp_path, make(counts)).slot == "X"


@pytest.mark.parametrize("make", [sparse.csr_matrix, np.asarray])
def test_truths_are_no_counts(tmp_path, make):
    adata = _adata(COUNTS)
    adata.X = make(COUNTS > 0)
    with pytest.raises(InputError, match=r"not a matrix of numbers|holds no numbers"):
        _open(tmp_path, adata)
    adata.layers["seen"] = make(COUNTS > 0)
    adata.X = COUNTS
    assert _open(tmp_path, adata).slot == "X"


def test_an_index_that_ends_early_is_found(tmp_path):
    _adata(COUNTS).write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        file["X/indptr"][-1] -= 3
    with pytest.raises(InputError, match="indptr goes from 0 to"):
        open_source(tmp_path / "a.h5ad")


@pytest.mark.parametrize("chunks", [(4, 6), None])
def test_pieces_never_written_are_no_zeros(tmp_path, chunks):
    adata = _adata(COUNTS)
    adata.X = COUNTS
    adata.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        attributes = dict(file["X"].attrs)
        del file["X"]
        X = file.create_dataset("X", (20, 6), "f4", chunks=chunks)
        X.attrs.update(attributes)
        if chunks:
            X[:8] = COUNTS[:8]
    with pytest.raises(InputError, match="were never written"):
        open_source(tmp_path / "a.h5ad")
