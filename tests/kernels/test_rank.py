from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from senoscore.errors import InputError
from senoscore.kernels.rank import RANK_METHODS, plan_ranks, score_ranks

_path = Path(__file__).parents[1] / "references" / "rank_reference.py"
_spec = importlib.util.spec_from_file_location("rank_reference", _path)
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

SETS = [[0, 2, 4], [5], [], [1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]]


def csr_of(sets: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.cumsum([0, *map(len, sets)]), np.array([g for s in sets for g in s], dtype=np.int64)


def plan_of(sets, n_vars, methods=RANK_METHODS, **options):
    return plan_ranks(methods, *csr_of(sets), n_vars, **options)


def run(plan, X, *, counts=True, **options):
    X = sparse.csr_array(X)
    return score_ranks(plan, X.indptr, X.indices, X.data, counts=counts, **options)


CELLS = np.array(
    [
        [3, 1, 1, 0, 2, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1],
        [7, 6, 5, 4, 3, 2, 1],
        [70_000, 300, 300, 255, 256, 0, 1],
    ]
)


@cache
def over_all_orders(cell, genes):
    """Slow on purpose, and the same for every dtype."""
    cell, genes = np.array(cell), np.array(genes)
    return [
        reference.ucell(cell, genes, 4),
        reference.aucell(cell, genes, 0.5),
        reference.ssgsea(cell, genes),
        reference.singscore(cell, genes),
    ]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("counts", [True, False])
def test_equals_the_mean_over_all_orders_of_ties(dtype, index, counts):
    cells = np.minimum(CELLS, 65_535) if dtype == np.uint16 else CELLS
    X = sparse.csr_array(cells.astype(dtype))
    plan = plan_of(SETS, 7, max_rank=4, auc_fraction=0.5)
    got = score_ranks(plan, X.indptr.astype(index), X.indices.astype(index), X.data, counts=counts)
    assert got.shape == (5, 4, 5)
    for i, cell in enumerate(cells):
        for s, genes in enumerate(SETS):
            if not genes:
                assert np.isnan(got[i, :, s]).all()
                continue
            expected = over_all_orders(tuple(cell.tolist()), tuple(genes))
            np.testing.assert_allclose(got[i, :, s], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("values", ["counts", "lognorm", "continuous", "negative"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_cells_equal_the_closed_reference(values, dtype):
    rng = np.random.default_rng(3)
    X = rng.poisson(rng.lognormal(-1, 1.5, 3000), (6, 3000)).astype(dtype)
    if values == "lognorm":
        X = np.log1p(X * (1e4 / X.sum(axis=1, keepdims=True))).astype(dtype)
    elif values == "continuous":
        X *= rng.random(X.shape).astype(dtype)
    elif values == "negative":
        X = np.where(X > 0, rng.normal(size=X.shape), 0).astype(dtype)
    sets = [sorted(rng.choice(3000, n, replace=False)) for n in (1, 30, 400)]
    got = run(plan_of(sets, 3000), X, counts=values == "counts")
    for i in range(6):
        for s, genes in enumerate(sets):
            expected = [reference.by_mean_ranks(m, X[i], np.array(genes)) for m in RANK_METHODS]
            np.testing.assert_allclose(got[i, :, s], expected, rtol=0, atol=1e-12)


def test_explicit_zeros_and_unsorted_indices_change_nothing():
    plan = plan_of(SETS, 7)
    plain = run(plan, CELLS)
    X = sparse.csr_array(CELLS)
    rows = [(X.indices[a:b], X.data[a:b]) for a, b in zip(X.indptr, X.indptr[1:], strict=False)]
    indices, data, indptr = [], [], [0]
    for genes, values in rows:
        absent = np.setdiff1d(np.arange(7), genes)
        indices += [absent, genes[::-1]]
        data += [np.zeros(len(absent), int), values[::-1]]
        indptr.append(indptr[-1] + 7)
    for counts in (True, False):
        got = score_ranks(
            plan, np.array(indptr), np.concatenate(indices), np.concatenate(data), counts=counts
        )
        np.testing.assert_allclose(got, plain, rtol=0, atol=1e-15)


def test_counts_and_their_floats_agree_bit_for_bit_across_methods():
    rng = np.random.default_rng(0)
    X = rng.poisson(1.0, (50, 400))
    sets = [list(range(40)), list(range(100, 300))]
    together = run(plan_of(sets, 400), X)
    for m, method in enumerate(RANK_METHODS):
        alone = run(plan_of(sets, 400, methods=[method]), X)
        np.testing.assert_array_equal(alone[:, 0], together[:, m])
    np.testing.assert_allclose(run(plan_of(sets, 400), X, counts=False), together, atol=1e-14)


@pytest.mark.parametrize("counts", [True, False])
def test_threads_and_blocks_are_bit_equal(counts):
    rng = np.random.default_rng(1)
    X = sparse.csr_array(rng.poisson(0.4, (1200, 300)).astype(np.float32))
    plan = plan_of([list(range(20)), list(range(5, 80))], 300)
    whole = run(plan, X, counts=counts)
    np.testing.assert_array_equal(run(plan, X, counts=counts, n_threads=2), whole)
    for size in (1, 7, 1199, 1200, 1201):
        pieces = [run(plan, X[at : at + size], counts=counts) for at in range(0, 1200, size)]
        np.testing.assert_array_equal(np.concatenate(pieces), whole)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_order_of_genes_and_cells_and_monotone_transforms_do_not_matter(data):
    n_cells = data.draw(st.integers(1, 4))
    cells = data.draw(
        st.lists(
            st.lists(st.integers(0, 400), min_size=9, max_size=9),
            min_size=n_cells,
            max_size=n_cells,
        )
    )
    X = np.array(cells)
    genes = np.array(data.draw(st.permutations(range(9))))
    order = np.array(data.draw(st.permutations(range(n_cells))))
    sets = [[0, 3, 8], [1], [2, 4, 5, 6]]
    moved = [sorted(int(np.flatnonzero(genes == g)[0]) for g in s) for s in sets]
    plain = run(plan_of(sets, 9, max_rank=5), X)
    shuffled = run(plan_of(moved, 9, max_rank=5), X[order][:, genes])
    np.testing.assert_allclose(shuffled, plain[order], rtol=0, atol=1e-13)
    bent = run(plan_of(sets, 9, max_rank=5), np.sqrt(X) * 3.7, counts=False)
    np.testing.assert_allclose(bent, plain, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("indices", "data", "counts", "message"),
    [
        ([0, 0], [1.0, 1.0], True, "stores a gene twice"),
        ([1, 0], [1.0, -1.0], True, "no count"),
        ([1, 0], [1.0, 0.5], True, "no count"),
        ([1, 0], [1.0, np.nan], True, "no count"),
        ([1, 0], [1.0, np.inf], True, "no count"),
        ([0, 1], [1.0, np.nan], False, "NaN or infinite"),
        ([0, 1], [1.0, -np.inf], False, "NaN or infinite"),
        ([0, 3], [1.0, 1.0], True, "beyond the last"),
        ([-1, 1], [1.0, 1.0], False, "beyond the last"),
    ],
)
def test_bad_cells_are_named(indices, data, counts, message):
    plan = plan_of([[0]], 3)
    with pytest.raises(InputError, match=f"cell 101 .*{message}"):
        score_ranks(
            plan,
            np.array([0, 0, 2]),
            np.array(indices),
            np.array(data),
            counts=counts,
            first_row=100,
        )


def test_no_cells_and_input_unchanged():
    plan = plan_of(SETS, 7)
    empty = score_ranks(
        plan, np.array([0]), np.zeros(0, np.int32), np.zeros(0, np.int32), counts=True
    )
    assert empty.shape == (0, 4, 5)
    X = sparse.csr_array(CELLS)
    before = X.copy()
    for array in (X.indptr, X.indices, X.data):
        array.flags.writeable = False
    run(plan, X)
    assert not (before != X).nnz


def test_ucell_of_the_r_package():
    rng = np.random.default_rng(5)
    X = rng.poisson(0.5, (20, 60))
    genes = [3, 9, 11, 40]
    for n_missing in (0, 3):
        plan = plan_of(
            [genes], 60, methods=["ucell"], ucell_rule="ucell-r", max_rank=25,
            n_listed=np.array([4 + n_missing]), extra_zeros=n_missing,
        )  # fmt: skip
        expected = [reference.ucell_r(x, np.array(genes), n_missing, 25) for x in X]
        np.testing.assert_allclose(run(plan, X)[:, 0, 0], expected, rtol=0, atol=1e-12)


def test_one_more_undetected_gene_moves_scores_as_their_definitions_say() -> None:
    """Zeros share UCell's last ranks, and AUCell's limit is a share of all genes."""
    rng = np.random.default_rng(3)
    X = rng.poisson(rng.lognormal(-2.2, 1.6, 8_000), (6, 8_000))
    X[:3] *= rng.random((3, 8_000)) < 0.2  # shallow: fewer than 1,500 genes above zero
    more = np.hstack([X, np.zeros((6, 1), X.dtype)])
    sets = [rng.choice(8_000, 60, replace=False).tolist() for _ in range(10)]

    def moved(method: str, **options: object) -> np.ndarray:
        one, other = (
            run(plan_of(sets, table.shape[1], [method], **options), table) for table in (X, more)
        )
        return np.abs(one - other).max(axis=(1, 2))

    ucell = moved("ucell")
    assert ((ucell[:3] > 0) & (ucell[:3] < 5e-5)).all()  # zeros are among the first 1,500
    assert (ucell[3:] == 0).all()  # they are not
    n_listed = np.array([len(s) for s in sets])
    assert (moved("ucell", ucell_rule="pyucell", n_listed=n_listed) == 0).all()
    aucell = moved("aucell")  # the limit was 400 genes and is 401
    assert (aucell > 0).all()
    assert (aucell < 1 / 400).all()
