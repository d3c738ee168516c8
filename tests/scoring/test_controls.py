from __future__ import annotations

from typing import NamedTuple

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse

from senoscore.errors import InputError, MethodError
from senoscore.genesets.align import SignatureIndex
from senoscore.scoring.controls import ControlGenes, ans_controls, scanpy_controls, seurat_controls
from senoscore.scoring.jasmine import JasmineLimits, JasmineSets, jasmine_components
from senoscore.scoring.linear import choose_controls, linear_score, linear_sums, stack
from senoscore.scoring.null import matched_sets
from senoscore.scoring.reference import Reference, gene_reference
from tests.references import mean_reference as ref

N_CELLS, N_VARS = 120, 600


class Rows(NamedTuple):
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray


def rows_of(x, lo: int = 0, hi: int | None = None) -> Rows:
    m = sparse.csr_matrix(x)[lo:hi]
    return Rows(m.indptr.astype(np.int64), m.indices, m.data)


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(0.3, 3.0, N_VARS), (N_CELLS, N_VARS))
    x[:, 10] = 0  # not expressed
    x[7] = 0  # an empty cell
    return x


@pytest.fixture(scope="module")
def names() -> np.ndarray:
    return np.array([f"G{j:03d}" for j in np.random.default_rng(9).permutation(N_VARS)])


def index_of(parts: dict[str, list[int]], weight=None, passed=None) -> SignatureIndex:
    sizes = [len(p) for p in parts.values()]
    genes = np.array([g for p in parts.values() for g in p], dtype=np.int64)
    return SignatureIndex(
        tuple(parts),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        genes,
        np.ones(len(genes)) if weight is None else np.asarray(weight, dtype=float),
        np.array(sizes),
        np.ones(len(sizes), bool) if passed is None else np.array(passed),
    )


@pytest.fixture(scope="module")
def index() -> SignatureIndex:
    rng = np.random.default_rng(3)
    return index_of(
        {f"s{n}": sorted(rng.choice(N_VARS, n, replace=False).tolist()) for n in (1, 5, 17, 40)}
    )


def genes_of(index, p: int) -> np.ndarray:
    return index.gene_idx[index.indptr[p] : index.indptr[p + 1]]


@pytest.fixture(scope="module")
def reference(counts, names) -> Reference:
    return gene_reference([rows_of(counts)], names, normalise=1e4)


def test_reference_moments(counts, reference):
    x = ref.lognormalise(counts)
    np.testing.assert_allclose(reference.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(reference.sd, x.std(axis=0, ddof=1), rtol=1e-10)
    np.testing.assert_array_equal(reference.n_detected, (counts > 0).sum(axis=0))
    assert reference.n_cells == N_CELLS
    assert reference.sd[10] == 0


@pytest.mark.parametrize("size", [1, 7, N_CELLS - 1, N_CELLS + 1])
def test_reference_is_bit_equal_for_any_block_size(counts, names, reference, size):
    blocks = (rows_of(counts, lo, lo + size) for lo in range(0, N_CELLS, size))
    again = gene_reference(blocks, names, normalise=1e4)
    np.testing.assert_array_equal(again.total, reference.total)
    np.testing.assert_array_equal(again.total_sq, reference.total_sq)
    assert again.n_cells == N_CELLS


def test_a_constant_gene_has_no_spread():
    x = np.full((50, 3), 0.1)
    assert (gene_reference([rows_of(x)], list("abc"), normalise=0).sd == 0).all()


def test_reference_file_round_trip(tmp_path, reference):
    path = tmp_path / "reference.npz"
    reference.save(path)
    back = Reference.load(path)
    for field in ("var_names", "total", "total_sq", "n_detected"):
        np.testing.assert_array_equal(getattr(back, field), getattr(reference, field))
    assert (back.n_cells, back.normalise) == (N_CELLS, 1e4)
    assert [p.name for p in tmp_path.iterdir()] == ["reference.npz"]


def test_other_files_are_refused(tmp_path, reference):
    other = tmp_path / "other.npz"
    np.savez(other, a=1)
    broken = tmp_path / "broken.npz"
    broken.write_text("not an archive")
    for path in (other, broken):
        with pytest.raises(InputError, match=path.name):
            Reference.load(path)
    reference.save(other)
    with pytest.raises(InputError, match="control genes"):
        ControlGenes.load(other)


def scanpy_score(x, names, genes, **options) -> np.ndarray:
    data = ad.AnnData(sparse.csr_matrix(x))
    data.var_names = names
    sc.tl.score_genes(data, list(names[genes]), **options)
    return data.obs["score"].to_numpy()


@pytest.mark.parametrize("seed", [0, 3])
def test_score_genes_equals_scanpy(counts, names, index, reference, seed):
    """The same control genes and, in float64, the same score to 1e-12."""
    x = ref.lognormalise(counts)
    own = gene_reference([rows_of(x)], names, normalise=0)
    score = linear_score(
        "score_genes", index, n_vars=N_VARS, reference=own, seed=seed, by_position=True
    )
    got = linear_sums(rows_of(x), score, normalise=0)
    for p in range(len(index.names)):
        expected = scanpy_score(x, names, genes_of(index, p), random_state=seed)
        np.testing.assert_allclose(got[:, p], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("ctrl_size", "n_bins"), [(3, 10), (50, 25)])
def test_scanpy_options(counts, names, index, ctrl_size, n_bins):
    x = ref.lognormalise(counts)
    means = gene_reference([rows_of(x)], names, normalise=0)
    controls = scanpy_controls(index, means.mean, ctrl_size=ctrl_size, n_bins=n_bins)
    score = linear_score("score_genes", index, n_vars=N_VARS, reference=means, controls=controls)
    got = linear_sums(rows_of(x), score, normalise=0)[:, 3]
    expected = scanpy_score(x, names, genes_of(index, 3), ctrl_size=ctrl_size, n_bins=n_bins)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_score_genes_of_counts_normalises_on_the_way(counts, names, index, reference):
    score = linear_score("score_genes", index, n_vars=N_VARS, reference=reference, by_position=True)
    got = linear_sums(rows_of(counts), score, normalise=1e4)
    expected = scanpy_score(ref.lognormalise(counts), names, genes_of(index, 2))
    np.testing.assert_allclose(got[:, 2], expected, rtol=0, atol=1e-9)


def test_no_control_genes_is_an_error():
    everything = index_of({"all": list(range(30))})
    with pytest.raises(MethodError, match="all: no control genes"):
        scanpy_controls(everything, np.arange(30.0))


def test_seurat_draws_from_the_bin_of_each_gene(names, index, reference):
    chosen = seurat_controls(index, reference.mean, names, n_controls=5)
    order = np.lexsort((names, reference.mean))
    bins = np.empty(N_VARS, int)
    bins[order] = np.arange(N_VARS) * 24 // N_VARS
    for p in range(len(index.names)):
        controls = chosen.gene_idx[chosen.indptr[p] : chosen.indptr[p + 1]]
        genes = genes_of(index, p)
        assert set(bins[controls]) == set(bins[genes])
        for value in set(bins[genes]):
            n_here = (bins[genes] == value).sum()
            assert 5 <= (bins[controls] == value).sum() <= min(5 * n_here, 25)
    assert (chosen.times == 1).all()


def test_seurat_score_is_a_difference_of_means(counts, names, index, reference):
    chosen = seurat_controls(index, reference.mean, names)
    score = linear_score("seurat", index, n_vars=N_VARS, reference=reference, controls=chosen)
    got = linear_sums(rows_of(counts), score, normalise=1e4)
    x = ref.lognormalise(counts)
    for p in range(len(index.names)):
        controls = chosen.gene_idx[chosen.indptr[p] : chosen.indptr[p + 1]]
        expected = x[:, genes_of(index, p)].mean(axis=1) - x[:, controls].mean(axis=1)
        np.testing.assert_allclose(got[:, p], expected, rtol=0, atol=1e-12)


def test_seurat_does_not_depend_on_gene_order_or_other_signatures(names, index, reference):
    whole = seurat_controls(index, reference.mean, names, seed=4, n_controls=5)
    flip = np.arange(N_VARS)[::-1]
    alone = index_of({"s17": [N_VARS - 1 - g for g in genes_of(index, 2)]})
    one = seurat_controls(alone, reference.mean[flip], names[flip], seed=4, n_controls=5)
    first = set(names[whole.gene_idx[whole.indptr[2] : whole.indptr[3]]])
    assert first == set(names[flip][one.gene_idx])
    other = seurat_controls(alone, reference.mean[flip], names[flip], seed=5, n_controls=5)
    assert first != set(names[flip][other.gene_idx])


@pytest.mark.parametrize("size", [10, 100])
def test_ans_matches_the_plain_definition(counts, names, index, size):
    x = ref.lognormalise(counts) + 1e-4 * np.arange(N_VARS)  # means without ties
    own = gene_reference([rows_of(x)], names, normalise=0)
    chosen = ans_controls(index, own.mean, names, n_controls=size)
    score = linear_score("ans", index, n_vars=N_VARS, reference=own, controls=chosen)
    got = linear_sums(rows_of(x), score, normalise=0)
    for p in range(len(index.names)):
        expected = ref.ans(x, genes_of(index, p), size)
        np.testing.assert_allclose(got[:, p], expected, rtol=0, atol=1e-11)


def test_ans_leaves_out_the_highest_genes_and_scores_nan_without_any():
    means, names = np.arange(300.0), np.array([f"g{j}" for j in range(300)])
    index = index_of({"mid_and_top": [100, 299], "top": [298, 299]})
    chosen = ans_controls(index, means, names)
    assert chosen.kept.tolist() == [True, False, False, False]
    assert chosen.gene_idx[: chosen.indptr[1]].tolist() == [*range(50, 100), *range(101, 151)]
    x = np.ones((4, 300))
    own = gene_reference([rows_of(x)], names, normalise=0)
    score = linear_score("ans", index, n_vars=300, reference=own, controls=chosen)
    got = linear_sums(rows_of(x), score, normalise=0)
    assert np.isnan(got[:, 1]).all()
    np.testing.assert_allclose(got[:, 0], 0, atol=1e-12)


def test_zscore_and_wmean_match_pandas(counts, names, reference):
    weight = [1.0, -2.0, 0.5, 3.0, 1.0, -1.0]
    index = index_of({"a": [1, 10, 40], "b": [2, 3, 99]}, weight=weight)
    scores = {
        method: linear_score(method, index, n_vars=N_VARS, reference=reference)
        for method in ("zscore", "wmean")
    }
    both = stack(scores)
    assert both.columns == ("zscore:a", "zscore:b", "wmean:a", "wmean:b")
    got = linear_sums(rows_of(counts), both, normalise=1e4)
    x = ref.lognormalise(counts)
    for p, genes in enumerate(([1, 10, 40], [2, 3, 99])):
        np.testing.assert_allclose(got[:, p], ref.mean_z(x, genes), rtol=0, atol=1e-10)
        w = np.array(weight[3 * p : 3 * p + 3])
        expected = ref.weighted_mean(x, genes, w)
        np.testing.assert_allclose(got[:, 2 + p], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["wmean", "zscore", "score_genes", "seurat", "ans"])
def test_parts_that_failed_are_nan_and_change_nothing(counts, index, reference, method):
    full = linear_score(method, index, n_vars=N_VARS, reference=reference)
    failed = index._replace(passed=np.array([True, False, True, True]))
    part = linear_score(method, failed, n_vars=N_VARS, reference=reference)
    got = linear_sums(rows_of(counts), part, normalise=1e4)
    expected = linear_sums(rows_of(counts), full, normalise=1e4)
    assert np.isnan(got[:, 1]).all()
    np.testing.assert_array_equal(got[:, [0, 2]], expected[:, [0, 2]])


@pytest.mark.parametrize("method", ["score_genes", "seurat", "ans"])
def test_empty_parts_are_nan(counts, reference, method):
    index = index_of({"none": [], "some": [4, 5, 6]})
    score = linear_score(method, index, n_vars=N_VARS, reference=reference)
    got = linear_sums(rows_of(counts), score, normalise=1e4)
    assert np.isnan(got[:, 0]).all()
    assert np.isfinite(got[:, 1]).all()


@pytest.mark.parametrize("size", [1, 7, N_CELLS - 1, N_CELLS + 1])
def test_block_size_changes_no_bit_of_any_score(counts, index, reference, size):
    score = stack(
        {
            m: linear_score(m, index, n_vars=N_VARS, reference=reference)
            for m in ("wmean", "zscore", "score_genes", "seurat", "ans")
        }
    )
    whole = linear_sums(rows_of(counts), score, normalise=1e4)
    parts = [
        linear_sums(rows_of(counts, lo, lo + size), score, normalise=1e4)
        for lo in range(0, N_CELLS, size)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_threads_change_no_bit(counts, index, reference):
    x = np.tile(counts, (5, 1))
    sets = JasmineSets.of(index, n_vars=N_VARS)
    one, two = (jasmine_components(rows_of(x), sets, n_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    score = stack(
        {
            m: linear_score(m, index, n_vars=N_VARS, reference=reference)
            for m in ("zscore", "seurat")
        }
    )
    one, two = (linear_sums(rows_of(x), score, normalise=1e4, n_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_controls_file_round_trip(tmp_path, index, reference):
    chosen = choose_controls("seurat", index, reference, seed=1)
    chosen.save(tmp_path / "controls.npz")
    back = ControlGenes.load(tmp_path / "controls.npz")
    assert back.names == chosen.names
    for old, new in zip(chosen[1:], back[1:], strict=True):
        np.testing.assert_array_equal(old, new)


def test_methods_say_what_they_need(index, reference):
    with pytest.raises(MethodError, match="gene means of the whole data set"):
        linear_score("zscore", index, n_vars=N_VARS)
    with pytest.raises(MethodError, match="no control genes"):
        choose_controls("zscore", index, reference)


@pytest.mark.parametrize("enrichment", ["oddsratio", "likelihood"])
def test_jasmine_in_blocks_with_limits_over_all_cells(counts, index, enrichment):
    x = np.delete(counts, 7, axis=0)
    sets = JasmineSets.of(index, n_vars=N_VARS)
    parts = [
        jasmine_components(rows_of(x, lo, lo + 50), sets, enrichment=enrichment)
        for lo in range(0, len(x), 50)
    ]
    limits = JasmineLimits.of(parts[0])
    for part in parts[1:]:
        limits = limits.merge(JasmineLimits.of(part))
    got = np.concatenate([limits.scale(part) for part in parts])
    for p in range(len(index.names)):
        expected = ref.jasmine(x, genes_of(index, p), likelihood=enrichment == "likelihood")
        np.testing.assert_allclose(got[:, p], expected, rtol=0, atol=1e-12)
    assert np.nanmin(got) >= 0
    assert np.nanmax(got) <= 1


def test_matched_sets_match_size_and_bin_and_avoid_the_signature(index, reference):
    sets = matched_sets(index, reference.mean, reference.var_names, 20, 0)
    bins = np.empty(N_VARS, int)
    bins[np.lexsort((reference.var_names, reference.mean))] = np.arange(N_VARS) * 25 // N_VARS
    assert len(sets.indptr) == 20 * 4 + 1
    for p in range(4):
        drawn, own = sets.of_part(p), genes_of(index, p)
        assert drawn.shape == (20, len(own))
        assert not np.isin(drawn, own).any()
        assert (np.diff(sets.position[drawn], axis=1) > 0).all()
        np.testing.assert_array_equal(
            np.sort(bins[drawn], axis=1), np.tile(np.sort(bins[own]), (20, 1))
        )


def test_matched_sets_of_one_signature_do_not_depend_on_others(index, reference):
    many = matched_sets(index, reference.mean, reference.var_names, 10, 1)
    alone = matched_sets(
        index_of({"s17": list(genes_of(index, 2))}), reference.mean, reference.var_names, 10, 1
    )
    np.testing.assert_array_equal(many.of_part(2), alone.of_part(0))
    renamed = matched_sets(
        index_of({"x": list(genes_of(index, 2))}), reference.mean, reference.var_names, 10, 1
    )
    assert (renamed.of_part(0) != alone.of_part(0)).any()


def test_matched_sets_are_uniform_within_a_bin():
    """40 genes in one bin, one signature gene: the other 39 are drawn equally often."""
    sets = matched_sets(
        index_of({"a": [3, 4]}), np.ones(40), np.arange(40).astype(str), 5_000, 0, n_bins=1
    )
    hits = np.bincount(sets.gene_idx, minlength=40)
    assert hits[[3, 4]].sum() == 0
    expected = 5_000 * 2 / 38
    chi2 = ((np.delete(hits, [3, 4]) - expected) ** 2 / expected).sum()
    assert chi2 < 70  # 37 degrees of freedom: p = 0.001 at 69.3


def test_matched_sets_borrow_from_the_next_bin_when_one_runs_out():
    index = index_of({"top": list(range(90, 98))})
    sets = matched_sets(index, np.arange(100.0), np.arange(100).astype(str), 30, 0, n_bins=10)
    drawn = sets.of_part(0)
    assert drawn.shape == (30, 8)
    assert (np.diff(drawn, axis=1) > 0).all()
    assert drawn.min() >= 80


def test_matched_sets_need_enough_other_genes():
    with pytest.raises(MethodError, match="big"):
        matched_sets(
            index_of({"big": list(range(8))}), np.arange(10.0), np.arange(10).astype(str), 5, 0
        )
    with pytest.raises(MethodError, match="not finite"):
        matched_sets(index_of({"a": [1]}), np.array([1.0, np.nan]), np.array(["a", "b"]), 5, 0)


def test_no_signatures(reference):
    none = index_of({})
    sets = matched_sets(none, reference.mean, reference.var_names, 5, 0)
    assert sets.gene_idx.size == 0
    assert sets.indptr.tolist() == [0]
