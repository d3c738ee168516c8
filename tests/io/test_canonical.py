from __future__ import annotations

import subprocess
import sys

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.io.blocks import Block, iter_blocks
from senoscore.io.canonical import plain_frame, read_canonical, write_canonical_stream
from senoscore.io.hdf5 import read_index, read_stored

GENES = [f"g{i}" for i in range(40)]


@pytest.fixture
def X():
    X = sparse.random(90, 40, density=0.3, format="csr", random_state=np.random.default_rng(1))
    X.data = np.ceil(X.data * 20)
    return X


def _obs(n):
    return pd.DataFrame(
        {
            "sample": pd.Categorical(["b", "a", "b"] * (n // 3), categories=["z", "b", "a"]),
            "text": ["u", None, "=v"] * (n // 3),
            "depth": np.arange(n, dtype=float),
        },
        index=[f"c{i}" for i in range(n)],
    )


def test_round_trip(tmp_path, X):
    path = tmp_path / "a.h5ad"
    blocks = (X[i : i + 7] for i in range(0, 90, 7))
    var = pd.DataFrame({"ensembl_id": ["E"] * 40})
    meta = {"dataset": "d", "n": 3, "f": 0.5}
    n = write_canonical_stream(
        path, blocks, GENES, values="counts", obs=_obs(90), var=var, meta=meta
    )
    assert n == 90
    adata = ad.read_h5ad(path)
    assert adata.X.dtype == np.int32
    np.testing.assert_array_equal(adata.X.toarray(), X.toarray())
    assert list(adata.var_names) == GENES
    assert adata.obs["sample"].cat.categories.tolist() == ["a", "b"]
    assert adata.obs["text"].isna().sum() == 30
    back = read_canonical(path)
    assert back.meta == {**meta, "values": "counts"}
    assert (back.n_obs, back.n_vars) == (90, 40)
    assert back.obs["sample"].tolist() == ["b", "a", "b"] * 30
    joined = sparse.vstack([b.to_csr() for b in iter_blocks(path, block_size=13)])
    np.testing.assert_array_equal(joined.toarray(), X.toarray())


def test_canonical_form_and_untouched_input(tmp_path):
    indices = np.array([3, 1, 3, 0], dtype=np.int32)
    data = np.array([1.0, 2.0, 4.0, 0.0])
    block = Block(0, 1, np.array([0, 4]), indices, data, 5)
    write_canonical_stream(tmp_path / "a.h5ad", [block], GENES[:5], values="lognorm")
    assert data.tolist() == [1, 2, 4, 0]
    assert indices.tolist() == [3, 1, 3, 0]
    with h5py.File(tmp_path / "a.h5ad") as file:
        assert file["X/indices"][:].tolist() == [1, 3]
        assert file["X/data"][:].tolist() == [2, 5]
        assert file["X/data"].dtype == np.float32
        assert file["X/indptr"].dtype == file["X/indices"].dtype == np.int32  # scipy wants one
    assert list(ad.read_h5ad(tmp_path / "a.h5ad").obs_names) == ["cell0"]


def test_same_input_same_bytes_and_blocks_do_not_matter(tmp_path, X):
    for name, size in (("a", 90), ("b", 90), ("c", 11)):
        blocks = (X[i : i + size] for i in range(0, 90, size))
        write_canonical_stream(tmp_path / name, blocks, GENES, values="counts", obs=_obs(90))
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a == c


def test_anndata_needs_only_hdf5plugin(tmp_path, X):
    write_canonical_stream(tmp_path / "a.h5ad", [X], GENES, values="counts")
    code = "import sys, hdf5plugin, anndata; print(anndata.read_h5ad(sys.argv[1]).X.sum())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.h5ad")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) == X.sum()


def test_an_error_in_the_blocks_leaves_nothing(tmp_path, X):
    def blocks():
        yield X
        raise InputError("the file is damaged")

    with pytest.raises(InputError, match="damaged"):
        write_canonical_stream(tmp_path / "a.h5ad", blocks(), GENES, values="counts")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"values": "raw"}, "unknown values kind"),
        ({"obs": _obs(3)}, "obs has 3 rows"),
        ({"var_names": GENES[:4]}, "40 columns where there are 4 genes"),
        ({"blocks": [sparse.csr_matrix(np.full((1, 40), 3e9))]}, "is above"),
    ],
)
def test_pieces_that_do_not_fit(tmp_path, X, change, said):
    given = {"blocks": [X], "var_names": GENES, "values": "counts", **change}
    with pytest.raises(InputError, match=said):
        write_canonical_stream(tmp_path / "a.h5ad", **given)
    assert not (tmp_path / "a.h5ad").exists()


def test_another_h5ad_is_not_canonical(tmp_path, X):
    ad.AnnData(X).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="not a canonical matrix"):
        read_canonical(tmp_path / "a.h5ad")


@pytest.mark.parametrize(
    "value",
    ["text", "", 3, 0.5, True, {"a": "b", "n": {"c": 1}}, np.array(["x", "", "é"], dtype=object)],
)
def test_stored_facts_are_what_anndata_reads(tmp_path, value):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        ad.io.write_elem(file, "value", value)
        got, expected = read_stored(file["value"]), ad.io.read_elem(file["value"])
    np.testing.assert_equal(got, expected)


def test_stored_columns_and_names_are_what_anndata_reads(tmp_path):
    table = plain_frame(_obs(6).assign(flag=True, count=[1, 2, 3, 4, 5, 6], name=list("abcdef")))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        ad.io.write_elem(file, "obs", table)
        expected = ad.io.read_elem(file["obs"])
        assert read_index(file["obs"]) == expected.index.tolist()
        for name in table:
            got = np.asarray(read_stored(file["obs"][name]), dtype=object).tolist()
            assert list(map(str, got)) == list(map(str, expected[name]))  # nan is not nan


def test_names_and_facts_are_read_without_anndata(tmp_path, X):
    path = tmp_path / "a.h5ad"
    write_canonical_stream(
        path, [X], GENES, values="counts", obs=_obs(90), var=pd.DataFrame(index=GENES), meta={}
    )
    code = (
        "import sys; from senoscore.scoring.inputs import from_file; "
        f"m = from_file({str(path)!r}); print(len(m.obs_names), 'anndata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["90", "False"]
