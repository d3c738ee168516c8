"""Exact modes against the packages themselves, run here (versions in the names of the tests)."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import version

import anndata as ad
import numba
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore.kernels.rank import plan_ranks, score_ranks
from senoscore.kernels.rank_ordinal import plan_decoupler, plan_gseapy, score_ordinal

N_VARS = 2500


@pytest.fixture(scope="module")
def counts() -> sparse.csr_matrix:
    rng = np.random.default_rng(11)
    X = rng.poisson(rng.lognormal(-1.5, 1.6, N_VARS), (25, N_VARS)).astype(np.float32)
    X[:3] = rng.poisson(rng.lognormal(1, 1, N_VARS), (3, N_VARS))  # beyond UCell's limit
    X[7] = 0
    X[:, 2000:2100] = 0  # genes that no cell expresses
    return sparse.csr_matrix(X)


@pytest.fixture(scope="module")
def sets() -> list[np.ndarray]:
    rng = np.random.default_rng(12)
    return [np.sort(rng.choice(N_VARS, n, replace=False)) for n in (3, 15, 60, 300)]


def lists(sets):
    return np.cumsum([0, *map(len, sets)]), np.concatenate(sets)


@pytest.mark.parametrize("kind", ["counts", "lognorm"])
def test_ucell_equals_pyucell_0_8_0(counts, sets, kind):
    pyucell = pytest.importorskip("pyucell")
    if version("pyucell") != "0.8.0":
        pytest.skip(f"pyucell {version('pyucell')} is not the version of the exact mode")
    X = counts.copy()
    if kind == "lognorm":
        X.data = np.log1p(X.data)
    names = [f"g{i}" for i in range(N_VARS)]
    adata = ad.AnnData(
        X, var=pd.DataFrame(index=names), obs=pd.DataFrame(index=map(str, range(25)))
    )
    listed = {
        f"s{i}": [names[g] for g in genes] + [f"absent{j}" for j in range(i)]
        for i, genes in enumerate(sets)
    }
    pyucell.compute_ucell_scores(adata, listed, n_jobs=1)
    expected = adata.obs[[f"s{i}_UCell" for i in range(4)]].to_numpy()
    plan = plan_ranks(
        ["ucell"], *lists(sets), N_VARS, ucell_rule="pyucell",
        n_listed=np.array([len(genes) + i for i, genes in enumerate(sets)]),
    )  # fmt: skip
    got = score_ranks(plan, X.indptr, X.indices, X.data, counts=kind == "counts")[:, 0]
    assert np.ptp(expected) > 0.2
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["counts", "continuous"])
def test_aucell_equals_decoupler_2(counts, sets, kind):
    decoupler = pytest.importorskip("decoupler")
    if not re.match(r"2\.", version("decoupler")):
        pytest.skip(f"decoupler {version('decoupler')} is not the version of the exact mode")
    X = counts.astype(np.float64)
    if kind == "continuous":
        X.data *= np.random.default_rng(0).random(X.nnz)
    names = np.array([f"g{i}" for i in range(N_VARS)])
    net = pd.DataFrame(
        [(f"s{i}", name) for i, genes in enumerate(sets) for name in names[genes]],
        columns=["source", "target"],
    )
    full = X[np.diff(X.indptr) > 0]
    adata = ad.AnnData(
        full, var=pd.DataFrame(index=names), obs=pd.DataFrame(index=map(str, range(24)))
    )
    threads = numba.get_num_threads()
    numba.set_num_threads(1)  # its threads per cell collapse on a busy machine
    decoupler.mt.aucell(adata, net, tmin=0)
    numba.set_num_threads(threads)
    expected = adata.obsm["score_aucell"][[f"s{i}" for i in range(4)]].to_numpy()
    plan = plan_decoupler(*lists(sets), N_VARS, X.getnnz(axis=0) > 0)
    got = score_ordinal(plan, X.indptr, X.indices, X.data, counts=kind == "counts")
    assert np.isnan(got[7]).all()
    assert expected.max() > 0.1
    np.testing.assert_allclose(np.delete(got, 7, axis=0), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["counts", "negative"])
def test_ssgsea_equals_gseapy_1_3(counts, sets, kind):
    gseapy = pytest.importorskip("gseapy")
    if not version("gseapy").startswith("1.3."):
        pytest.skip(f"gseapy {version('gseapy')} is not the version of the exact mode")
    X = counts.astype(np.float64)
    if kind == "negative":
        X.data = np.random.default_rng(0).normal(size=X.nnz).round(1) + 0.03
    names = np.array([f"G{i}" for i in range(N_VARS)])
    table = pd.DataFrame(X.toarray().T, index=names, columns=[f"c{i}" for i in range(25)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = gseapy.ssgsea(
            table, {f"s{i}": list(names[g]) for i, g in enumerate(sets)}, min_size=1,
            sample_norm_method="rank", correl_norm_type="rank", outdir=None, threads=1,
        ).res2d  # fmt: skip
    wide = result.astype({"ES": float}).pivot_table("ES", index="Name", columns="Term")
    expected = wide.loc[table.columns, [f"s{i}" for i in range(4)]].to_numpy()
    plan = plan_gseapy(*lists(sets), N_VARS)
    got = score_ordinal(plan, X.indptr, X.indices, X.data, counts=kind == "counts")
    assert np.abs(expected).max() > 100
    np.testing.assert_allclose(got / N_VARS, expected / N_VARS, rtol=0, atol=1e-9)


def test_positions_decide_ties_and_threads_do_not(counts, sets):
    plan = plan_gseapy(*lists(sets), N_VARS)
    X = sparse.vstack([counts] * 30).tocsr()
    one = score_ordinal(plan, X.indptr, X.indices, X.data, counts=True)
    two = score_ordinal(plan, X.indptr, X.indices, X.data, counts=True, n_threads=2)
    np.testing.assert_array_equal(one, two)
    # Without ties the order of positions is irrelevant and both rules agree.
    rng = np.random.default_rng(2)
    distinct = sparse.csr_matrix(rng.permutation(np.arange(1.0, N_VARS + 1))[None])
    neutral = plan_ranks(["ssgsea"], *lists(sets), N_VARS)
    a = score_ordinal(plan, distinct.indptr, distinct.indices, distinct.data, counts=True)
    b = score_ranks(neutral, distinct.indptr, distinct.indices, distinct.data, counts=True)[:, 0]
    np.testing.assert_allclose(a / N_VARS, b, rtol=0, atol=1e-12)
