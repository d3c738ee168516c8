from __future__ import annotations

import subprocess
import sys
import textwrap

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore.errors import InputError, MethodError, SignatureError
from senoscore.io.tables import read_parquet, read_tsv
from senoscore.scoring.methods import METHODS
from senoscore.scoring.score import score, score_file

N_OBS, N_VARS = 60, 800
GENES = [f"gene{i}x" for i in range(N_VARS)]
SIGS = {
    "both": {"up": GENES[:15], "down": GENES[200:220], "organism": "human"},
    "rises": {"up": GENES[300:340], "organism": "human"},
    "falls": {"down": [*GENES[400:410], "absent"], "organism": "human"},
    "gone": {"up": ["absent1", "absent2", "absent3", "absent4", GENES[0]], "organism": "human"},
}
COLUMNS = ["both_up", "both_down", "both", "rises", "falls_down", "falls", "gone"]


@pytest.fixture
def counts() -> sparse.csr_matrix:
    rng = np.random.default_rng(4)
    X = rng.poisson(rng.lognormal(-1, 1, N_VARS), (N_OBS, N_VARS))
    X[3] = 0
    return sparse.csr_matrix(X.astype(np.float32))


def make(X, **options) -> ad.AnnData:
    obs = pd.DataFrame({"sample": ["s1"] * 40 + ["s2"] * 20}, index=[f"c{i}" for i in range(N_OBS)])
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES), **options)


def table(adata: ad.AnnData, key: str = "score_ucell") -> pd.DataFrame:
    return adata.obsm[key]


def test_result_in_obsm_and_input_unchanged(counts):
    adata = make(counts.copy())
    assert score(adata, SIGS) is None
    scores = table(adata)
    assert list(scores.columns) == COLUMNS
    assert (scores.dtypes == np.float32).all()
    assert list(scores.index) == list(adata.obs_names)
    assert (counts != adata.X).nnz == 0
    np.testing.assert_allclose(scores["both"], scores["both_up"] - scores["both_down"], atol=1e-6)
    np.testing.assert_array_equal(scores["falls"], -scores["falls_down"])
    assert scores["gone"].isna().all()
    assert scores.drop(columns="gone").notna().to_numpy().all()
    coverage = adata.uns["senoscore"]["coverage"].set_index(["signature", "direction"])
    assert coverage.loc[("gone", "up"), "gate"] == "fail"
    assert coverage.loc[("falls", "down"), "missing"] == "absent"
    assert adata.uns["senoscore"]["score"]["ucell"]["values"] == "counts"


def test_depth_is_kept_for_the_calibration_unless_it_is_there(counts):
    adata = make(counts.copy())
    score(adata, SIGS, block_size=7)
    np.testing.assert_array_equal(adata.obs["n_counts"], np.asarray(counts.sum(axis=1)).ravel())
    known = make(counts.copy())
    known.obs["total_counts"] = 5.0
    score(known, SIGS)
    assert "n_counts" not in known.obs
    logged = make(counts.copy())
    logged.X = logged.X.astype(np.float32).log1p()
    score(logged, SIGS)
    assert "n_counts" not in logged.obs


def test_copy_and_key_added(counts):
    adata = make(counts)
    done = score(adata, SIGS, copy=True, key_added="mine", methods="ucell")
    assert "mine" in done.obsm
    assert not adata.obsm
    assert "senoscore" not in adata.uns
    done = score(adata, SIGS, copy=True, key_added="m", methods=["ucell", "singscore"])
    assert {"m_ucell", "m_singscore"} == set(done.obsm)


def test_second_call_keeps_the_first(counts, tmp_path):
    adata = make(counts)
    score(adata, SIGS, methods="ucell")
    score(adata, SIGS, methods="singscore", null=3)
    assert {"score_ucell", "score_singscore", "score_singscore_z"} < set(adata.obsm)
    assert set(adata.uns["senoscore"]["score"]) == {"ucell", "singscore"}
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    assert again.uns["senoscore"]["score"]["singscore"]["null"] == 3
    np.testing.assert_array_equal(table(again), table(adata))


@pytest.mark.parametrize(
    "methods", [["ucell", "aucell", "ssgsea", "singscore"], ["zscore", "wmean"]]
)
@pytest.mark.parametrize(
    "form",
    ["csc", "csr_array", "dense", "int64", "layer", "raw", "dask", "frame", "backed", "lazy"],
)
def test_every_form_of_input_gives_the_same(counts, tmp_path, form, methods):
    expected = make(counts)
    score(expected, SIGS, methods=methods)
    options = {"methods": methods, "block_size": 16}
    if form == "frame":
        frame = pd.DataFrame(counts.toarray(), index=expected.obs_names, columns=GENES)
        out = score(frame, SIGS, **options)
        for method in methods:
            got = out[[f"{method}:{name}" for name in COLUMNS]].to_numpy()
            np.testing.assert_array_equal(got, table(expected, f"score_{method}"))
        return
    adata = _in_form(counts, form, tmp_path)
    if form in ("layer", "raw"):
        options["layer"] = form if form == "raw" else "mine"
    score(adata, SIGS, **options)
    for method in methods:
        got = np.asarray(pd.DataFrame(table(adata, f"score_{method}")))
        np.testing.assert_array_equal(got, table(expected, f"score_{method}"))


def _in_form(counts, form, tmp_path):
    if form == "csc":
        return make(sparse.csc_matrix(counts))
    if form == "csr_array":
        return make(sparse.csr_array(counts))
    if form == "dense":
        return make(counts.toarray())
    if form == "int64":
        return make(counts.astype(np.int64))
    if form == "layer":
        return make(counts * 0, layers={"mine": counts})
    if form == "raw":
        adata = make(counts)
        adata.raw = adata.copy()
        return adata[:, :5].copy()
    if form == "dask":
        da = pytest.importorskip("dask.array")
        return make(da.from_array(counts.toarray(), chunks=(25, N_VARS)))
    path = tmp_path / "a.h5ad"
    make(counts).write_h5ad(path)
    if form == "backed":
        return ad.read_h5ad(path, backed="r")
    pytest.importorskip("xarray")
    return ad.experimental.read_lazy(path)


def test_blocks_and_threads_are_bit_equal(counts):
    methods = [name for name in METHODS if METHODS[name].null]
    expected = make(counts)
    score(expected, SIGS, methods=methods, null=5, n_threads=1)
    for size, n_threads in ((1, 1), (7, 2), (N_OBS - 1, 1), (N_OBS, 2), (N_OBS + 1, 1)):
        adata = make(counts)
        score(adata, SIGS, methods=methods, null=5, block_size=size, n_threads=n_threads)
        for key in expected.obsm:
            np.testing.assert_array_equal(table(adata, key), table(expected, key), err_msg=key)


def test_all_methods_run_on_counts_and_logs(counts):
    logs = counts.copy()
    logs.data = np.log1p(
        logs.data / np.repeat(np.maximum(counts.sum(1).A1, 1), np.diff(counts.indptr)) * 1e4
    )
    a, b = make(counts), make(logs)
    for adata in (a, b):
        score(adata, SIGS, methods=list(METHODS))
    assert b.uns["senoscore"]["score"]["ucell"]["values"] == "lognorm"
    for name in METHODS:
        full = np.delete(table(a, f"score_{name}").drop(columns="gone").to_numpy(), 3, axis=0)
        assert np.isfinite(full).all()
        logged = np.delete(table(b, f"score_{name}").drop(columns="gone").to_numpy(), 3, axis=0)
        if name != "score_genes":  # float32 rounding of the logs can move a gene to another bin
            np.testing.assert_allclose(full, logged, rtol=1e-3, atol=2e-4, err_msg=name)


def test_exact_modes_change_the_numbers_and_are_recorded(counts):
    adata = make(counts)
    score(adata, SIGS, methods=["ucell", "aucell", "ssgsea"])
    exact = make(counts)
    modes = {"ucell": "pyucell==0.8.0", "aucell": "decoupler==2.x", "ssgsea": "gseapy==1.3.x"}
    score(exact, SIGS, methods=["ucell", "aucell", "ssgsea"], exact=modes)
    for name, mode in modes.items():
        assert exact.uns["senoscore"]["score"][name]["exact"] == mode
        one, other = table(adata, f"score_{name}")["rises"], table(exact, f"score_{name}")["rises"]
        assert not np.allclose(one, other, atol=1e-3, equal_nan=True)
    assert np.isnan(table(exact, "score_aucell")["rises"].iloc[3])  # decoupler drops empty cells
    with pytest.raises(MethodError, match="singscore has no exact mode"):
        score(adata, SIGS, methods="singscore", exact="ucell-r")


def test_null_is_calibrated_and_a_raised_set_stands_out():
    rng = np.random.default_rng(8)
    X = rng.poisson(rng.lognormal(-0.5, 1, N_VARS), (N_OBS, N_VARS))
    X[:10, 300:340] += rng.poisson(4, (10, 40))
    adata = make(sparse.csr_matrix(X.astype(np.float32)))
    score(adata, SIGS, methods=["ucell", "zscore"], null=99, seed=1)
    for method in ("ucell", "zscore"):
        z, p = table(adata, f"score_{method}_z"), table(adata, f"score_{method}_p")
        assert (z["rises"].iloc[:10] > 3).all()
        assert (p["rises"].iloc[:10] == np.float32(0.01)).all()
        quiet = p["both_up"]
        assert 0.3 < quiet.mean() < 0.7
        assert quiet.min() >= np.float32(0.01)
        assert quiet.max() <= 1
        assert p["gone"].isna().all()


def test_null_of_a_signature_does_not_depend_on_the_others(counts):
    alone, together = make(counts), make(counts)
    score(alone, {"rises": SIGS["rises"]}, null=20, seed=3)
    score(together, SIGS, null=20, seed=3)
    np.testing.assert_array_equal(
        table(alone, "score_ucell_z")["rises"], table(together, "score_ucell_z")["rises"]
    )
    other = make(counts)
    score(other, SIGS, null=20, seed=4)
    assert not table(other, "score_ucell_z").equals(table(together, "score_ucell_z"))


def test_file_shards_equal_the_whole(counts, tmp_path):
    path, controls = tmp_path / "d.h5ad", tmp_path / "first.npz"
    adata = make(counts)
    adata.write_h5ad(path)
    methods = ["ucell", "seurat", "jasmine"]
    score(adata, SIGS, methods=methods)
    common = {"methods": methods, "controls": controls, "block_size": 13}
    score_file(path, SIGS, out=tmp_path / "all.parquet", coverage_out=tmp_path / "c.tsv", **common)
    made = controls.stat().st_mtime_ns
    shards = []
    for i, rows in enumerate((slice(0, 25), slice(25, N_OBS))):
        score_file(path, SIGS, out=tmp_path / f"{i}.parquet", rows=rows, **common)
        shards.append(read_parquet(tmp_path / f"{i}.parquet"))
    assert controls.stat().st_mtime_ns == made
    whole = read_parquet(tmp_path / "all.parquet")
    pd.testing.assert_frame_equal(pd.concat(shards, ignore_index=True), whole)
    assert list(whole["cell"]) == list(adata.obs_names)
    assert list(whole["sample"].unique()) == ["s1", "s2"]
    for method in methods:
        got = whole[[f"{method}:{name}" for name in COLUMNS]].to_numpy()
        np.testing.assert_array_equal(got, table(adata, f"score_{method}"))
    assert list(read_tsv(tmp_path / "c.tsv")["dataset"].unique()) == ["d"]
    other = make(counts)[:, ::-1].copy()
    other.write_h5ad(tmp_path / "e.h5ad")
    with pytest.raises(InputError, match="first pass of another matrix"):
        score_file(tmp_path / "e.h5ad", SIGS, out=tmp_path / "e.parquet", **common)
    assert not (tmp_path / "e.parquet").exists()


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (None, {"layer": "nope"}, InputError, "no layer 'nope'.*counts2"),
        (None, {"layer": "raw"}, InputError, "has no raw"),
        ("cells", {}, InputError, "cell names are not unique .c0"),
        ("genes", {}, InputError, "gene names are not unique"),
        ("negative", {}, InputError, "cell 2 .*value -3 in gene 'gene5x'"),
        ("nan", {}, InputError, "cell 2 .*NaN in gene 'gene5x'"),
        ("foreign", {}, InputError, "no gene of any signature"),
        (None, {"methods": "ucel"}, MethodError, "did you mean 'ucell'"),
        (None, {"methods": "seurat", "null": 5}, MethodError, "no null calibration for seurat"),
        (None, {"null": 1}, MethodError, "null is 1"),
        (None, {"block_size": 0}, MethodError, "block_size 0"),
    ],
)
def test_bad_input_is_named(counts, change, options, error, message):
    adata = make(counts.copy(), layers={"counts2": counts})
    if change == "cells":
        adata.obs_names = ["c0", "c0", *adata.obs_names[2:]]
    elif change == "genes":
        adata.var_names = [GENES[1], *GENES[1:]]
    elif change == "foreign":
        adata.var_names = [f"other{i}" for i in range(N_VARS)]
    elif change in ("negative", "nan"):
        adata.X[2, 5] = -3 if change == "negative" else np.nan
        adata.uns["senoscore"] = {"values": "counts"}
    with pytest.raises(error, match=message):
        score(adata, SIGS, **options)
    assert not adata.obsm


@pytest.mark.parametrize(
    "genes", [["CDKN1A", "CDKN2A", "nobody"], ("Cdkn1a",), ["ENSG00000124762"]]
)
def test_a_list_of_genes_says_how(counts, genes):
    with pytest.raises(SignatureError, match=r"genes, not signatures.*give the list a name: \{"):
        score(make(counts), genes)
    with pytest.raises(SignatureError, match=r"senmayoo.* did you mean senmayo"):
        score(make(counts), ["senmayoo"])


def test_memory_does_not_grow_with_the_cells(tmp_path):
    n_obs, n_vars = 40_000, 400
    rng = np.random.default_rng(0)
    X = sparse.csr_matrix(rng.poisson(0.5, (n_obs, n_vars)).astype(np.float32))
    obs = pd.DataFrame(index=[str(i) for i in range(n_obs)])
    ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES[:n_vars])).write_h5ad(tmp_path / "a.h5ad")
    script = """
        import resource, sys
        from senoscore.scoring.score import score_file
        sigs = {"s": {"up": [f"gene{i}x" for i in range(30)], "organism": "human"}}
        path, out = sys.argv[1:]
        score_file(path, sigs, out=out, rows=slice(0, 2000), block_size=500, n_threads=1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        score_file(path, sigs, out=out, block_size=500, n_threads=1)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path / "a.h5ad", tmp_path / "o.pq"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    grown_kb = int(done.stdout)
    assert grown_kb * 1024 < (X.data.nbytes + X.indices.nbytes) / 3  # 63 MB in all


def test_genes_are_found_under_previous_symbols_and_ensembl_ids():
    rng = np.random.default_rng(0)
    names = ["MLL", "IL8", "FAM129A", "TP53", "ENSG00000124762.14", "OTHER"]
    old = pd.DataFrame(rng.poisson(3, (5, 6)), columns=names)
    new = old.set_axis(["KMT2A", "CXCL8", "NIBAN1", "TP53", "CDKN1A", "OTHER"], axis=1)
    genes = ["KMT2A", "CXCL8", "NIBAN1", "TP53", "CDKN1A"]
    pd.testing.assert_frame_equal(score(old, {"x": genes}), score(new, {"x": genes}))


def test_two_other_names_of_one_gene_are_not_chosen_between():
    table = pd.DataFrame(np.ones((2, 3)), columns=["IL8", "ENSG00000169429", "TP53"])
    scores = score(table, {"x": ["CXCL8", "TP53"]})
    assert scores["ucell:x"].isna().all()  # two genes listed, so both are needed
    named = table.assign(CXCL8=1.0, OTHER=0.0)
    assert score(named, {"x": ["CXCL8", "TP53"]}).notna().all(axis=None)
