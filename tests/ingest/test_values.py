from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.ingest.source import in_memory
from senoscore.ingest.values import decide_values, guess_values, scan_values

CELLS, GENES = [f"c{i}" for i in range(9)], [f"g{i}" for i in range(9)]


def _facts(dense):
    return scan_values(in_memory(sparse.csr_matrix(np.asarray(dense)))())


def _decide(dense, declared="auto"):
    return decide_values(_facts(dense), declared, where="f", cells=CELLS, genes=GENES)


@pytest.mark.parametrize(
    ("dense", "kind"),
    [
        ([[0, 3], [1, 2]], "counts"),
        ([[0.0, 3.000001], [1.0, 1.999999]], "counts"),
        ([[0.0, 3.3], [1.1, 2.2]], "lognorm"),
        ([[0.0, 3.3], [1.1, 2200.0]], "linear"),
        ([[0.0, 29.9]], "lognorm"),
        ([[0.0, 30.1]], "linear"),
    ],
)
def test_kinds(dense, kind):
    assert guess_values(_facts(dense)) == kind
    assert _decide(dense) == kind
    assert _decide(dense, kind) == kind


def test_facts_are_counted():
    facts = _facts([[0.0, 1.5, 2.0], [8.9, 0.0, 1.000001]])
    assert (facts.n_cells, facts.n_stored, facts.n_fractional) == (2, 4, 2)
    assert facts.evidence == "50 % non-integer, max 8.9"
    assert facts.furthest == pytest.approx(1e-6)
    np.testing.assert_allclose(facts.gene_sums, [8.9, 1.5, 3.000001])


@pytest.mark.parametrize(
    ("value", "said"), [(-1.0, "negative"), (np.nan, "NaN"), (np.inf, "infinite")]
)
def test_impossible_values_are_named(value, said):
    dense = np.ones((4, 3))
    dense[2, 1] = value
    with pytest.raises(InputError, match=f"{said} value .* in row 'c2', gene 'g1'"):
        _decide(dense)


@pytest.mark.parametrize(
    ("dense", "declared", "said"),
    [
        ([[0.5, 8.9]], "counts", "not integers .100 % non-integer, max 8.9.*values: lognorm"),
        ([[0.5, 800.0]], "counts", "values: linear"),
        ([[0, 800]], "lognorm", "reach 800.*values: counts"),
        ([[0, 3e9]], "counts", "above"),
        ([[0, 0]], "auto", "all values are zero"),
        ([[0, 1]], "raw", "unknown values kind"),
    ],
)
def test_declared_wrongly(dense, declared, said):
    with pytest.raises(InputError, match=said):
        _decide(dense, declared)
