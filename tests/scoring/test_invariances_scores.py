"""What must not change a score does not, and what cannot be scored is refused in one line."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from senoscore.errors import InputError
from senoscore.scoring.inputs import from_anndata
from senoscore.scoring.methods import METHODS
from senoscore.scoring.score import score, score_file

N_OBS, N_VARS = 30, 3000  # more genes in a bin than controls are drawn
GENES = [f"gene{i}x" for i in range(N_VARS)]
CELLS = [f"c{i}" for i in range(N_OBS)]
SIGS = {
    "both": {"up": GENES[:15], "down": GENES[200:220], "organism": "human"},
    "rises": {"up": GENES[300:340], "organism": "human"},
}
RANKS = ("ucell", "aucell", "ssgsea", "singscore")
SAFE = tuple(name for name in METHODS if name != "gsva")


def make(X, genes=GENES, cells=CELLS) -> ad.AnnData:
    return ad.AnnData(X, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=genes))


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    rng = np.random.default_rng(4)
    X = rng.poisson(rng.lognormal(-0.5, 1, N_VARS), (N_OBS, N_VARS)).astype(np.float32)
    X[3] = 0
    return X


@pytest.fixture(scope="module")
def logs(counts) -> np.ndarray:
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.log1p(1e4 * counts / total).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["counts", "lognorm"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_one_bad_value_is_refused_by_every_method(counts, logs, method, kind, value):
    X = (counts if kind == "counts" else logs).copy()
    X[N_OBS - 1, N_VARS - 1] = value  # a gene of no signature, in the last cell
    for form in (X, sparse.csr_matrix(X)):
        adata = make(form)
        with pytest.raises(InputError, match=f"cell {N_OBS - 1} .*gene{N_VARS - 1}x"):
            score(adata, SIGS, methods=method, block_size=16)
        assert not adata.obsm


@pytest.mark.parametrize("method", METHODS)
def test_scaled_values_are_refused_by_every_method(logs, method):
    scaled = (logs - logs.mean(axis=0)) / (logs.std(axis=0) + 1e-6)
    with pytest.raises(InputError, match="scaled"):
        score(make(scaled), SIGS, methods=method)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_truth_values_are_refused(counts, form):
    with pytest.raises(InputError, match="True and False"):
        score(make(form(counts > 0)), SIGS)
    with pytest.raises(InputError, match="not numbers"):
        score(pd.DataFrame(counts > 0, columns=GENES), SIGS)


def test_kind_is_judged_from_all_cells_in_any_order(counts, logs):
    late = logs.copy()
    late[: N_OBS - 1] = 0
    for X in (late, late[::-1], logs):
        assert from_anndata(make(X), None).values == "lognorm"
    assert from_anndata(make(counts), None).values == "counts"
    assert from_anndata(make(counts * 0), None).values == "counts"
    assert from_anndata(make(np.expm1(logs) * 0.9), None).values == "linear"
    for X in (np.r_[counts[:20], logs[20:]], np.r_[logs[:29], counts[29:]]):
        for ordered in (X, X[::-1]):
            with pytest.raises(InputError, match="cells hold counts"):
                score(make(ordered), SIGS)


def test_whole_numbers_among_linear_values_and_small_ones_among_logs_are_fine(counts, logs):
    cpm = 1e4 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cpm[5] = np.rint(cpm[5])
    assert from_anndata(make(cpm), None).values == "linear"
    binary = np.log2(1 + counts)
    binary[7] = 0
    binary[7, :12] = 1  # a shallow cell: one read of each gene
    assert from_anndata(make(binary), None).values == "lognorm"


@pytest.mark.parametrize("where", ["memory", "dense", "backed", "file"])
def test_a_stated_kind_is_checked(counts, logs, tmp_path, where):
    for number, (X, stated, message) in enumerate(
        (
            (logs, "counts", "stated as 'counts'.*no whole numbers"),
            (counts, "lognorm", "stated as 'lognorm'.*look like counts"),
            (counts * 20.5, "lognorm", "look like"),
        )
    ):
        adata = make(X if where == "dense" else sparse.csr_matrix(X))
        adata.uns["senoscore"] = {"values": stated}
        path = tmp_path / f"{number}.h5ad"
        adata.write_h5ad(path)
        if where == "file":
            with pytest.raises(InputError, match=message):
                score_file(path, SIGS, out=tmp_path / "o.parquet")
        else:
            data = ad.read_h5ad(path, backed="r") if where == "backed" else adata
            with pytest.raises(InputError, match=message):
                score(data, SIGS)
        assert not (tmp_path / "o.parquet").exists()


NULL = ("ucell", "aucell", "ssgsea", "singscore", "zscore", "wmean")


def everything(X, genes=GENES, cells=CELLS, **options) -> dict[str, pd.DataFrame]:
    """All scores of all methods, and z and p against random sets, by key."""
    adata, rest = make(X, genes, cells), [name for name in SAFE if name not in NULL]
    score(adata, WEIGHTED, methods=NULL, null=12, seed=2, **options)
    score(adata, WEIGHTED, methods=rest, seed=2, **options)
    return dict(adata.obsm)


WEIGHTED = {
    **SIGS,
    "heavy": {
        "up": GENES[100:112],
        "weights": {gene: 1.0 + i for i, gene in enumerate(GENES[100:112])},
        "organism": "human",
    },
}


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    log=st.booleans(),
    block_size=st.integers(1, N_OBS + 1),
    n_threads=st.integers(1, 3),
    form=st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_matrix]),
)
def test_order_of_cells_and_genes_changes_nothing(
    counts, logs, seed, log, block_size, n_threads, form
):
    """Scores agree to 1e-6 of their size (sums in another order), p exactly."""
    X = logs if log else counts
    expected = everything(X)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(N_OBS), rng.permutation(N_VARS)
    got = everything(
        form(X[np.ix_(rows, columns)]),
        [GENES[j] for j in columns],
        [CELLS[i] for i in rows],
        block_size=block_size,
        n_threads=n_threads,
    )
    for key, table in expected.items():
        again = got[key].loc[CELLS]
        if key.endswith("_p"):
            np.testing.assert_array_equal(again, table, err_msg=key)
        else:
            np.testing.assert_allclose(again, table, rtol=1e-5, atol=1e-6, err_msg=key)


def test_ties_with_random_sets_are_ties_and_have_no_z(caplog):
    """Genes alike in every cell: all sets score the same, whatever the last bits say."""
    level = np.random.default_rng(0).uniform(0.1, 3, (N_OBS, 1))
    X = np.repeat(level, N_VARS, axis=1)
    adata = make(X)
    score(adata, SIGS, methods=NULL, null=25)
    for method in NULL:
        z, p = adata.obsm[f"score_{method}_z"], adata.obsm[f"score_{method}_p"]
        assert z.isna().to_numpy().all(), method
        assert (p["rises"] == 1).all(), method
        assert f"{method}: {4 * N_OBS} scores have no z" in caplog.text
        assert adata.uns["senoscore"]["score"][method]["null_without_z"] == 4 * N_OBS


def test_score_genes_by_scanpy_is_kept_by_name(logs):
    """The twin draws by position, hence differs from ours once genes are in another order."""
    ours, twin = make(logs), make(logs)
    score(ours, SIGS, methods="score_genes")
    score(twin, SIGS, methods="score_genes", exact="scanpy==1.x")
    turned = make(logs[:, ::-1].copy(), GENES[::-1])
    score(turned, SIGS, methods="score_genes", exact="scanpy==1.x")
    key = "score_score_genes"
    assert not np.allclose(twin.obsm[key], turned.obsm[key], atol=1e-4)
    assert not np.allclose(twin.obsm[key], ours.obsm[key], atol=1e-4)


@pytest.mark.parametrize("late", ["lognorm", "linear", "unsorted", "zeros", "NaN", "mixture"])
def test_what_comes_after_plain_counts_is_seen(counts, logs, late):
    """Rank scores look while they score; what they meet late must not be scored as counts."""
    plain = np.tile(counts, (4, 1))
    X = sparse.csr_matrix(plain)
    if late in ("lognorm", "linear"):
        X = np.zeros_like(plain)  # the first cells are whole, as single reads are in any unit
        X[:70, :3] = 1
        X[70:] = np.tile(logs if late == "lognorm" else 90 * logs, (4, 1))[70:]
        X = sparse.csr_matrix(X)
    elif late == "unsorted":
        at = slice(X.indptr[-3], X.indptr[-2])
        X.indices[at], X.data[at] = X.indices[at][::-1].copy(), X.data[at][::-1].copy()
    elif late == "zeros":
        X.data[-1] = plain[-1, X.indices[-1]] = 0
    elif late == "NaN":
        X.data[-1] = np.nan
    else:
        X = sparse.csr_matrix(np.r_[plain[:-1], logs[-1:]])
    adata = make(X, cells=[str(i) for i in range(len(plain))])
    if late in ("NaN", "mixture"):
        with pytest.raises(InputError, match=r"NaN in gene|cells hold counts"):
            score(adata, SIGS, methods=RANKS)
        return
    score(adata, SIGS, methods=RANKS)
    careful = make(X.toarray(), cells=list(adata.obs_names))
    score(careful, SIGS, methods=RANKS)
    for key in careful.obsm:
        np.testing.assert_array_equal(adata.obsm[key], careful.obsm[key], err_msg=key)
    values = {entry["values"] for entry in adata.uns["senoscore"]["score"].values()}
    assert values == {late if late in ("lognorm", "linear") else "counts"}
    assert ("n_counts" in adata.obs) == (late not in ("lognorm", "linear"))


def forms(X: np.ndarray) -> dict[str, object]:
    """The same numbers, stored in many ways."""
    csr = sparse.csr_matrix(X)
    shuffled = csr.copy()
    rng = np.random.default_rng(1)
    for i in range(N_OBS):
        at = slice(csr.indptr[i], csr.indptr[i + 1])
        order = rng.permutation(at.stop - at.start)
        shuffled.indices[at], shuffled.data[at] = csr.indices[at][order], csr.data[at][order]
    shuffled.has_sorted_indices = False
    wide = csr.copy()
    wide.indices, wide.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    zeros = sparse.csr_matrix(np.ones_like(X))
    zeros.data[:] = X.ravel()
    return {
        "dense": X,
        "fortran": np.asfortranarray(X),
        "csc": sparse.csc_matrix(X),
        "csr_array": sparse.csr_array(X),
        "unsorted": shuffled,
        "int64 indices": wide,
        "explicit zeros": zeros,
        "float64": X.astype(np.float64),
        "big-endian": X.astype(">f4"),
        "masked nothing": np.ma.masked_array(X),
    }


@pytest.mark.parametrize("kind", ["counts", "lognorm"])
def test_storage_changes_no_bit(counts, logs, kind, tmp_path):
    X = counts if kind == "counts" else logs
    stored = forms(X)
    if kind == "counts":
        stored |= {
            str(np.dtype(t)): X.astype(t) for t in ("u1", "i2", "i4", "u4", "i8", "u8", "f2")
        }
        stored["big-endian integers"] = X.astype(">i4")
    expected = make(sparse.csr_matrix(X))
    options = {"methods": list(METHODS), "n_threads": 1}
    score(expected, SIGS, **options)
    for name, form in stored.items():
        frame = name.startswith(("masked", "big", "f"))  # anndata itself may refuse these
        if frame and isinstance(form, np.ndarray):
            adata = make(X.copy())
            adata.layers["other"] = form
            score(adata, SIGS, layer="other", **options)
        else:
            adata = make(form)
            score(adata, SIGS, **options)
        for key in expected.obsm:
            np.testing.assert_array_equal(
                adata.obsm[key], expected.obsm[key], err_msg=f"{name}: {key}"
            )
    path = tmp_path / "a.h5ad"
    make(stored["unsorted"]).write_h5ad(path)
    backed = ad.read_h5ad(path, backed="r")
    score(backed, SIGS, block_size=7, **options)
    for key in expected.obsm:
        np.testing.assert_array_equal(backed.obsm[key], expected.obsm[key], err_msg=key)


def test_nullable_frames_are_right_or_one_line(counts):
    frame = pd.DataFrame(counts, index=CELLS, columns=GENES)
    expected = score(frame, SIGS)
    pd.testing.assert_frame_equal(score(frame.astype("Int64"), SIGS), expected)
    pd.testing.assert_frame_equal(score(frame.astype("Float32"), SIGS), expected)
    holes = frame.astype("Int64")
    holes.iloc[4, 9] = pd.NA
    with pytest.raises(InputError, match="NaN in gene 'gene9x'"):
        score(holes, SIGS)


def test_masked_values_are_refused(counts):
    adata = make(counts.copy())
    masked = np.ma.masked_array(counts, mask=counts > 8)
    adata.layers["masked"] = masked
    if not isinstance(adata.layers["masked"], np.ma.MaskedArray):
        pytest.skip("this anndata drops the mask")
    with pytest.raises(InputError, match="values are masked"):
        score(adata, SIGS, layer="masked")


def test_a_gene_stored_twice_is_refused_by_every_method(counts):
    X = sparse.csr_matrix(counts)
    X.indices[X.indptr[5] + 1] = X.indices[X.indptr[5]]
    for method in METHODS:
        with pytest.raises(InputError, match=r"cell 5 .*stores a gene twice"):
            score(make(X), SIGS, methods=method)
