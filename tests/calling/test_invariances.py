"""What must not change a calibration or a call: order, names, types, a file, other genes.

States, reasons, cuts and rates are the same bits. Numbers that are sums over control cells are the
same bits too, since these are put in an order of their own first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import senoscore as sen
from tests.calling.test_call import tissue
from tests.small_study import write_small

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESULTS = [
    "senescence_state", "senescence_index", "senescence_fdr", "panel_positive",
    "senescence_axes_up", "senescence_reason",
]  # fmt: skip


def study() -> ad.AnnData:
    """Two compartments, one with enough controls to stand alone and one that borrows a scale."""
    rng = np.random.default_rng(7)
    tables = [
        tissue(rng, n=n, burden=0.3, compartment=name)
        for name, n in (("fibroblast", 120), ("endothelial", 60))
    ]
    table = pd.concat(tables, ignore_index=True)
    table["cell"] = [f"c{i}" for i in range(len(table))]
    table["n_counts"] = rng.integers(2000, 9000, len(table))
    columns = ["sample", "compartment", "treatment", "days_post_rt", "n_counts"]
    adata = ad.AnnData(obs=table[columns].set_axis(table["cell"]))
    scores = table.filter(like="ucell:").rename(columns=lambda c: c.removeprefix("ucell:"))
    adata.obsm["score_ucell"] = scores.set_axis(adata.obs_names)
    return adata


def answered(adata: ad.AnnData) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Summary of the calibration, and the call of every cell by its name."""
    made = sen.calibrate(adata)
    sen.call(adata)
    table = pd.concat([adata.obs[RESULTS].astype(dict.fromkeys((RESULTS[0], *RESULTS[4:]), str)),
                       adata.obsm["senescence_evidence"]], axis=1)  # fmt: skip
    return made.summary(), table


@pytest.fixture(scope="module")
def own() -> tuple[pd.DataFrame, pd.DataFrame]:
    return answered(study())


def test_the_study_says_something(own: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    summary, table = own
    assert summary["borrows_scale"].tolist() in ([True, False], [False, True])
    assert table["senescence_state"].nunique() > 2
    assert (table["senescence_state"] == "senescent").any()


def order_of_cells(adata: ad.AnnData) -> ad.AnnData:
    return adata[np.random.default_rng(1).permutation(adata.n_obs)].copy()


def order_of_signatures(adata: ad.AnnData) -> ad.AnnData:
    adata.obsm["score_ucell"] = adata.obsm["score_ucell"].iloc[:, ::-1]
    return adata


def categorical(adata: ad.AnnData) -> ad.AnnData:
    for name in ("sample", "compartment", "treatment"):
        values = sorted(adata.obs[name].unique())
        adata.obs[name] = pd.Categorical(adata.obs[name], categories=[*values[::-1], "never seen"])
    return adata


def nullable(adata: ad.AnnData) -> ad.AnnData:
    for name in ("sample", "compartment", "treatment"):
        adata.obs[name] = adata.obs[name].astype("string")
    adata.obs["days_post_rt"] = adata.obs["days_post_rt"].astype("Float64")
    adata.obs["n_counts"] = adata.obs["n_counts"].astype("Int64")
    return adata


def as_text(adata: ad.AnnData) -> ad.AnnData:
    adata.obs["days_post_rt"] = adata.obs["days_post_rt"].map("{:g}".format)
    return adata


def columns_beside(adata: ad.AnnData) -> ad.AnnData:
    adata.obs["note"] = "x"
    adata.obsm["score_ucell"] = adata.obsm["score_ucell"].assign(unheard_of=3.0)
    return adata


SAME = [
    order_of_cells, order_of_signatures, categorical, nullable, as_text, columns_beside,
]  # fmt: skip


@pytest.mark.parametrize("change", SAME, ids=lambda f: f.__name__)
def test_nothing_changes(
    change: Callable[[ad.AnnData], ad.AnnData], own: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    summary, table = answered(change(study()))
    pd.testing.assert_frame_equal(summary, own[0], check_exact=True)
    pd.testing.assert_frame_equal(table.loc[own[1].index], own[1], check_exact=True)


def test_a_file_changes_nothing(tmp_path: Path, own: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    study().write_h5ad(tmp_path / "a.h5ad")
    summary, table = answered(ad.read_h5ad(tmp_path / "a.h5ad"))
    pd.testing.assert_frame_equal(summary, own[0], check_exact=True)
    pd.testing.assert_frame_equal(table, own[1], check_exact=True, check_index_type=False)


def test_names_of_samples_change_nothing(own: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    adata = study()
    names = sorted(adata.obs["sample"].unique())
    new = {name: f"z{len(names) - i:03d} {i}" for i, name in enumerate(names)}  # order turned
    adata.obs["sample"] = adata.obs["sample"].map(new)
    summary, table = answered(adata)
    # Means over samples are sums in the order of their names: their last bits may differ.
    pd.testing.assert_frame_equal(summary, own[0], rtol=1e-9)
    pd.testing.assert_frame_equal(table, own[1], rtol=1e-5)


def test_names_of_compartments_change_nothing_but_themselves() -> None:
    """Names that the panel has no exception for: order among the compartments is turned."""
    one, other = study(), study()
    one.obs["compartment"] = one.obs["compartment"].map({"fibroblast": "x1", "endothelial": "x2"})
    other.obs["compartment"] = other.obs["compartment"].map(
        {"fibroblast": "y2", "endothelial": "y1"}
    )
    (left, cells), (right, again) = answered(one), answered(other)
    right = right.assign(compartment=right["compartment"].map({"y2": "x1", "y1": "x2"}))
    right = right.sort_values("compartment", ignore_index=True)
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    pd.testing.assert_frame_equal(cells, again, check_exact=True)


def test_another_compartment_has_a_say_where_it_is_said_and_nowhere_else() -> None:
    both, table = answered(study())
    borrows = both.set_index("compartment")["borrows_scale"]
    for name in ("fibroblast", "endothelial"):
        adata = study()
        adata = adata[adata.obs["compartment"] == name].copy()
        summary, cells = answered(adata)
        assert not summary["borrows_scale"].any()
        # The false discovery rate is one over the run, so that it and the states may change.
        z = ["senescence_index", *cells.columns[len(RESULTS) :]]
        assert cells[z].equals(table.loc[cells.index, z]) == (not borrows[name])


def test_what_is_borrowed_is_kept_in_the_file(tmp_path: Path) -> None:
    made = sen.calibrate(study())
    made.save(tmp_path / "calibration.parquet")
    back = sen.Calibration.read(tmp_path / "calibration.parquet")
    pd.testing.assert_frame_equal(back.summary(), made.summary())


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> ad.AnnData:
    """Counts of a small study with labels."""
    folder = write_small(tmp_path_factory.mktemp("small"))
    adata = sen.read(folder / "batch_1.h5ad")
    sen.compartments(adata)
    return adata


def from_counts(adata: ad.AnnData) -> pd.DataFrame:
    sen.score(adata, sen.signatures("all"))
    return answered(adata)[1]


def test_the_order_of_genes_changes_nothing(measured: ad.AnnData) -> None:
    turned = measured[:, measured.var_names[::-1]].copy()
    own, other = from_counts(measured.copy()), from_counts(turned)
    assert (own["senescence_state"] != "not_assessable").any()
    pd.testing.assert_frame_equal(own, other, check_exact=True)


def test_a_gene_of_no_signature_changes_no_state(measured: ad.AnnData) -> None:
    """It is one more zero among which UCell places the zeros of a cell: 1 of 8,000 ranks."""
    gene = pd.DataFrame(index=["NOGENE"])
    nothing = ad.AnnData(np.zeros((measured.n_obs, 1), np.int32), measured.obs[[]], gene)
    more = ad.concat([measured, nothing], axis=1, merge="first")
    own, other = from_counts(measured.copy()), from_counts(more)
    assert more.n_vars == measured.n_vars + 1
    pd.testing.assert_frame_equal(own, other, rtol=1e-3, atol=1e-3)
