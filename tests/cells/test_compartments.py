"""Compartments from labels and from markers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from senoscore import simulate
from senoscore.cells import COMPARTMENTS, assign_compartments
from senoscore.cells.markers import read_substates, substate_shares
from senoscore.errors import ConfigError, InputError
from senoscore.simulation.tissue import design

ROOT = Path(__file__).parents[2]
REALDATA = ROOT.parent / "shared" / "realdata"


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    return simulate(design().iloc[[0, 12]], seed=5, cells_per_sample=200)


def test_simulated_tissue_is_recognised(tissue: ad.AnnData) -> None:
    # The simulation raises the very markers that are read, so this is a check of the plumbing.
    table = assign_compartments(tissue)
    truth = tissue.obs["true_compartment"].astype(str).to_numpy()
    assigned = (table["compartment"] != "unassigned").to_numpy()
    assert (table["compartment"].to_numpy() == truth)[assigned].mean() > 0.95
    assert assigned.mean() > 0.75
    assert table["compartment_confidence"].between(0, 1).all()
    assert (table.loc[assigned, "cell_ontology_id"].str[:3] == "CL:").all()


def test_a_function_of_the_one_cell(tissue: ad.AnnData) -> None:
    whole = assign_compartments(tissue).set_index("cell")["compartment"]
    order = np.random.default_rng(0).permutation(tissue.n_obs)[:50]
    part = assign_compartments(tissue[order].copy()).set_index("cell")["compartment"]
    pd.testing.assert_series_equal(part, whole.loc[part.index])


def test_dense_and_sparse_agree(tissue: ad.AnnData) -> None:
    few = tissue[:30].copy()
    dense = ad.AnnData(few.X.toarray(), obs=few.obs, var=few.var)
    assert isinstance(few.X, sparse.csr_matrix)
    pd.testing.assert_frame_equal(assign_compartments(few), assign_compartments(dense))


def test_excluded_compartments_are_not_given(tissue: ad.AnnData) -> None:
    table = assign_compartments(tissue, exclude=["tumour"])
    assert "tumour" not in set(table["compartment"])
    with pytest.raises(ConfigError, match="did you mean 'tumour'"):
        assign_compartments(tissue, exclude=["tumor"])


def test_confidence_by_hand() -> None:
    # Log values: s = x / (1 + x). Cell c0 has 1 (s = 0.5) in the four genes of one compartment
    # and 0 in the other 12 genes: mean of all 0.125, variance 0.046875, z = 0.5 / (sd / 2).
    genes = [f"g{i}" for i in range(16)]
    values = np.zeros((2, 16), dtype=np.float32)
    values[0, :4] = 1
    adata = ad.AnnData(sparse.csr_matrix(values), var=pd.DataFrame(index=genes))
    adata.uns["senoscore"] = {"values": "lognorm", "organism": "human"}
    markers = pd.DataFrame(
        {"compartment": ["t_cell"] * 4 + ["neuron"] * 4 + ["b_cell"] * 4, "gene": genes[:12]}
    )
    table = assign_compartments(adata, markers=markers)
    z = 0.5 / (np.sqrt(0.25 * 4 / 16 - 0.125**2) / 2)
    others = (0 - 0.5 * 4 / 8) / 0.5 * z
    odds = np.exp(z) / (np.exp(z) + 2 * np.exp(others) + np.exp(3))
    assert table["compartment"].tolist() == ["t_cell", "unassigned"]
    assert table["compartment_confidence"][0] == pytest.approx(odds, rel=1e-6)
    # Nothing in the cell: all three at z = 0 against "none of these" at 3.
    assert table["compartment_confidence"][1] == pytest.approx(1 / (3 + np.exp(3)), rel=1e-6)


def test_leaving_out_silent_genes_costs_little(tissue: ad.AnnData) -> None:
    # Files of published cells often hold only the genes that their cells express.
    heard = np.asarray((tissue.X > 0).mean(axis=0)).ravel() > 0.1
    truth = tissue.obs["true_compartment"].astype(str).to_numpy()
    whole, part = (
        (assign_compartments(a)["compartment"].to_numpy() == truth).mean()
        for a in (tissue, tissue[:, heard].copy())
    )
    assert heard.mean() < 0.6
    assert part > 0.65 * whole


@pytest.fixture(scope="module")
def planted(tissue: ad.AnnData) -> ad.AnnData:
    """Some cells of each compartment express the genes of one sub-state; others do not."""
    adata = tissue.copy()
    rng = np.random.default_rng(0)
    counts = adata.X.toarray()
    depth = counts.sum(axis=1)
    of = adata.obs["true_compartment"].astype(str).to_numpy()
    truth = np.full(adata.n_obs, None, dtype=object)
    for (compartment, substate), rows in read_substates().groupby(["compartment", "substate"]):
        if substate == "microglia":  # the macrophages of the simulation are microglia
            continue
        free = np.flatnonzero((of == compartment) & pd.isna(truth))
        cells = free[: len(free) // 3]
        genes = np.flatnonzero(adata.var_names.isin(rows["gene"]))
        mean = rng.gamma(1.0, 3e-4 * depth[cells, None], (len(cells), len(genes)))
        counts[np.ix_(cells, genes)] += rng.poisson(mean)
        truth[cells] = substate
    adata.X = sparse.csr_matrix(counts)
    adata.obs["type"], adata.obs["true_substate"] = of, truth
    return adata


def test_planted_substates_are_found_and_others_are_not(planted: ad.AnnData) -> None:
    table = assign_compartments(planted, column="type")
    truth = planted.obs["true_substate"].to_numpy(dtype=object)
    given = table["substate"].to_numpy(dtype=object)
    activated = np.isin(given, ["m1_like", "m2_like", "caf_like", "reactive"])
    for substate in ("m1_like", "m2_like", "caf_like", "reactive"):
        own = truth == substate
        assert own.sum() > 5
        assert (given[own] == substate).mean() > 0.4, substate
        assert (activated & own & (given != substate)).sum() == 0, substate
        of = table[f"substate:{substate}"].to_numpy()
        none = pd.isna(truth) & ~np.isnan(of)
        assert of[own].mean() > of[none].mean() + 2
    assert activated[pd.isna(truth)].mean() < 0.01
    # Only cells of its compartment have a strength, and cells of other compartments no sub-state.
    t_cells = table["compartment"] == "t_cell"
    assert table.loc[t_cells, ["substate", "substate_confidence"]].isna().all(axis=None)
    strengths = table.filter(like="substate:")
    assert strengths.loc[t_cells].isna().all(axis=None)
    fibroblasts = table["compartment"] == "fibroblast"
    assert strengths.loc[fibroblasts, "substate:caf_like"].notna().all()
    assert strengths.loc[fibroblasts, "substate:m1_like"].isna().all()


def test_two_substates_at_once_are_none_but_both_strong() -> None:
    # One macrophage that expresses both sets alike, among 90 genes that it does not express.
    sets = {"one": ["a", "b", "c", "d"], "two": ["e", "f", "g", "h"]}
    genes = [*sets["one"], *sets["two"], *(f"x{i}" for i in range(90))]
    values = np.zeros((3, len(genes)), dtype=np.float32)
    values[0, :4] = values[1, :8] = 3
    obs = pd.DataFrame({"type": ["macrophage"] * 3}, index=["one", "both", "neither"])
    adata = ad.AnnData(sparse.csr_matrix(values), obs=obs, var=pd.DataFrame(index=genes))
    adata.uns["senoscore"] = {"values": "lognorm", "organism": "human"}
    rows = [("macrophage", name, gene) for name, of in sets.items() for gene in of]
    finer = pd.DataFrame(rows, columns=["compartment", "substate", "gene"])
    table = assign_compartments(adata, column="type", substates=finer)
    assert table["substate"].tolist() == ["one", None, None]
    # By hand: s = 0.75 in 4 of 98 genes; (0.75 - mean) / (sd / 2).
    mean = 0.75 * 4 / 98
    z = (0.75 - mean) / (np.sqrt(0.75**2 * 4 / 98 - mean**2) / 2)
    assert table["substate:one"][0] == pytest.approx(z, rel=1e-5)
    assert table["substate_confidence"][1] == pytest.approx(0.5, abs=0.01)
    assert (table.loc[1, ["substate:one", "substate:two"]] > 3).all()


def test_a_table_of_substates_names_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("compartment\tgene\nmacrophage\tCD80\n")
    with pytest.raises(InputError, match=r"own\.tsv has no column substate") as error:
        assign_compartments(labelled(["macrophage"]), column="type", substates=tmp_path / "own.tsv")
    assert "compartment, substate and gene" in str(error.value.fix)


def test_shares_of_substates_per_sample() -> None:
    cells = pd.DataFrame(
        {
            "dataset": "d",
            "sample": ["s1"] * 5 + ["s2"],
            "keep": [True, True, True, True, False, True],
            "compartment": ["macrophage"] * 5 + ["t_cell"],
            "substate": ["m1_like", "m1_like", "m2_like", None, "m1_like", None],
            "substate:m1_like": [4.0, 5.0, 1.0, 2.0, 9.0, np.nan],
            "substate:m2_like": [0.0, 1.0, 4.0, 3.0, 0.0, np.nan],
            "substate:caf_like": np.nan,
        }
    )
    pairs = pd.DataFrame(
        {
            "compartment": ["macrophage", "macrophage", "fibroblast"],
            "substate": ["m1_like", "m2_like", "caf_like"],
        }
    )
    shares = substate_shares(cells, pairs, min_cells=4).set_index(["sample", "substate"])
    assert shares.loc[("s1", "m1_like"), ["n_cells", "n_substate"]].tolist() == [4, 2]
    assert shares.loc[("s1", "m1_like"), ["share", "mean_strength"]].tolist() == [0.5, 3.0]
    assert shares.loc[("s1", "m2_like"), ["share", "mean_strength"]].tolist() == [0.25, 2.0]
    # A compartment that a sample lacks is there, with no cells and no share.
    assert shares.loc["s2", "n_cells"].eq(0).all()
    assert shares.loc["s2", "share"].isna().all()
    assert substate_shares(cells, pairs, min_cells=5)["share"].isna().all()


def test_a_substate_without_genes_in_the_matrix_has_no_share(planted: ad.AnnData) -> None:
    rows = read_substates().query("substate in ['m1_like', 'm2_like']")
    lacking = set(rows.loc[rows["substate"] == "m1_like", "gene"])
    part = planted[:, ~planted.var_names.isin(lacking)]
    table = assign_compartments(part, column="type", substates=rows)
    assert table["substate:m1_like"].isna().all()
    shares = substate_shares(table.assign(dataset="d", sample="s", keep=True), rows)
    shares = shares.set_index("substate")["share"]
    assert np.isnan(shares["m1_like"])
    assert shares["m2_like"] > 0


def labelled(labels: list[str]) -> ad.AnnData:
    obs = pd.DataFrame({"type": labels}, index=[f"c{i}" for i in range(len(labels))])
    return ad.AnnData(np.ones((len(labels), 2)), obs=obs)


def test_labels_by_name_synonym_and_mapping() -> None:
    labels = ["Astrocytes", "TAM", "Malignant", "CD8 T cells", "NK", "weird", ""]
    table = assign_compartments(labelled(labels), column="type", mapping={"weird": "neuron"})
    expected = ["astrocyte", "macrophage", "tumour", "t_cell", "nk_cell", "neuron", "unassigned"]
    assert table["compartment"].tolist() == expected
    assert (table["compartment_confidence"] == 1).all()


def test_labels_of_celltypist_through_the_mapping_that_the_docs_show() -> None:
    # Labels of its models Immune_All_High and Immune_All_Low, as it writes them.
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    config = next(yaml.safe_load(b) for b in shown if "Classical monocytes" in b)
    labels = {
        "Macrophages": "macrophage",
        "Monocytes": "macrophage",
        "T cells": "t_cell",
        "B cells": "b_cell",
        "Plasma cells": "b_cell",
        "Fibroblasts": "fibroblast",
        "Endothelial cells": "endothelial",
        "Epithelial cells": "epithelial",
        "Classical monocytes": "macrophage",
        "Tem/Trm cytotoxic T cells": "t_cell",
        "Regulatory T cells": "t_cell",
        "CD16+ NK cells": "nk_cell",
        "ILC": "nk_cell",
        "Naive B cells": "b_cell",
        "DC": "unassigned",
        "Mast cells": "unassigned",
    }
    adata = labelled(list(labels))
    adata.obs["type"] = adata.obs["type"].astype("category")  # as it is read from an .h5ad
    table = assign_compartments(adata, column="type", mapping=config["compartments"]["mapping"])
    assert dict(zip(labels, table["compartment"], strict=True)) == labels
    # What neither the mapping nor the names cover is listed whole, to be mapped in one go.
    with pytest.raises(ConfigError, match=r"labels 'Double-positive thymocytes', 'HSC/MPP' are"):
        assign_compartments(
            labelled(["HSC/MPP", "B cells", "Double-positive thymocytes"]), column="type"
        )


def test_unknown_labels_and_compartments_are_named() -> None:
    with pytest.raises(ConfigError, match=r"'astrocite'.*did you mean 'astrocyte'"):
        assign_compartments(labelled(["astrocite"]), column="type")
    with pytest.raises(ConfigError, match=r"compartments\.mapping: 'glia'"):
        assign_compartments(labelled(["x"]), column="type", mapping={"x": "glia"})
    with pytest.raises(InputError, match="no column 'celltype'"):
        assign_compartments(labelled(["x"]), column="celltype")


NEW = """
import sys
from pathlib import Path
from senoscore.io import resources
resources._PACKAGE = Path(sys.argv[1]) / "senoscore"  # as if the package were installed there
import numpy as np, pandas as pd
import senoscore as sen
from senoscore.plotting import COMPARTMENT_COLOURS
import anndata as ad
markers = pd.read_csv(resources.resource("compartments", "markers.tsv"), sep="\t")
of = markers.groupby("compartment")["gene"].agg(list)
genes = [gene for found in of for gene in found]
X = np.zeros((2, len(genes)), dtype=np.float32)
X[0, [genes.index(gene) for gene in of["pericyte"]]] = 9
X[1, [genes.index(gene) for gene in of["neuron"]]] = 9
adata = ad.AnnData(X, obs={"label": ["Mural cells", "neurons"]}, var=pd.DataFrame(index=genes))
for column in (None, "label"):
    sen.compartments(adata, column=column)
    assert adata.obs["compartment"].tolist() == ["pericyte", "neuron"], adata.obs
    assert adata.obs["cell_ontology_id"].tolist() == ["CL:0000669", "CL:0000540"]
assert COMPARTMENT_COLOURS["pericyte"] == "#123456"
"""


def test_a_new_compartment_is_its_markers_and_one_row(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "resources", tmp_path / "resources")
    folder = tmp_path / "resources" / "compartments"
    with (folder / "compartments.tsv").open("a", encoding="utf-8") as file:
        file.write("pericyte\tCL:0000669\t#123456\tmural\n")
    with (folder / "markers.tsv").open("a", encoding="utf-8") as file:
        for gene in ("RGS5", "KCNJ8", "NOTCH3", "HIGD1B", "NDUFA4L2"):
            file.write(f"pericyte\t{gene}\tCL:0000669\tpericyte\t\tmade up\n")
    subprocess.run([sys.executable, "-c", NEW, str(tmp_path)], check=True, cwd=ROOT)


def test_markers_are_of_compartments_that_there_are() -> None:
    markers = pd.read_csv(ROOT / "resources" / "compartments" / "markers.tsv", sep="\t")
    cells = {name for name, known in COMPARTMENTS.items() if known.cell_ontology_id}
    assert set(markers["compartment"]) == cells
    assert set(COMPARTMENTS) - cells == {"bulk", "unassigned"}
    assert all(re.fullmatch(r"CL:\d{7}", COMPARTMENTS[name].cell_ontology_id) for name in cells)
    words = [word for known in COMPARTMENTS.values() for word in (known.name, *known.synonyms)]
    assert len(words) == len(set(words)) + 1  # unassigned is a label of its own
    colours = [known.colour for known in COMPARTMENTS.values()]
    assert len(set(colours)) == len(colours)


def test_no_markers_is_an_error() -> None:
    with pytest.raises(InputError, match="compartment_column"):
        assign_compartments(labelled(["x"]))


def test_bulk_is_bulk() -> None:
    adata = labelled(["x"])
    adata.uns["senoscore"] = {"assay": "bulk"}
    assert assign_compartments(adata)["compartment"].tolist() == ["bulk"]


needs_realdata = pytest.mark.skipif(
    not REALDATA.is_dir(), reason="no ../shared/realdata beside the checkout"
)


@pytest.mark.realdata
@needs_realdata
def test_real_immune_cells_are_immune() -> None:
    adata = ad.read_h5ad(REALDATA / "celltypist_immune_cells_sc" / "counts.h5ad")
    share = assign_compartments(adata)["compartment"].value_counts(normalize=True)
    immune = share.reindex(["macrophage", "t_cell", "nk_cell", "b_cell"]).fillna(0).sum()
    assert immune > 0.75
    assert share.drop(["macrophage", "t_cell", "nk_cell", "b_cell", "unassigned"]).sum() < 0.02


@pytest.mark.realdata
@needs_realdata
def test_strength_of_macrophage_substates_agrees_with_genes_not_used() -> None:
    # Azizi 2018 lists these beside the genes of the table; most are SASP genes, so left out there.
    held = {
        "m1_like": ["IRF1", "IRF5", "TNF", "IL1B", "IL1A", "IL6", "CXCL9", "CXCL10", "CCL5"],
        "m2_like": ["CCL13", "CTSA", "CTSB", "CTSD", "FN1", "MMP14", "MMP19", "VEGFB", "TGFB1"],
    }
    assert not set().union(*held.values()) & set(read_substates()["gene"])
    adata = ad.read_h5ad(REALDATA / "celltypist_immune_cells_sc" / "counts.h5ad")
    table = assign_compartments(adata)
    own = (table["compartment"] == "macrophage").to_numpy()
    counts = adata[own].to_df()
    logs = np.log1p(counts.div(counts.sum(axis=1), axis=0) * 1e4)
    for substate, other in (("m1_like", "m2_like"), ("m2_like", "m1_like")):
        level = logs[[gene for gene in held[substate] if gene in logs]].mean(axis=1).to_numpy()
        rho = [
            table.loc[own, f"substate:{name}"].corr(
                pd.Series(level, index=table.index[own]), method="spearman"
            )
            for name in (substate, other)
        ]
        assert rho[0] > 0.3 > 0 > rho[1], substate


@pytest.mark.realdata
@needs_realdata
def test_real_tumour_cells_are_tumour_or_rejected() -> None:
    # One of the glioblastomas of Neftel 2019: no marker of immune cells is expressed in it.
    adata = ad.read_h5ad(REALDATA / "mgh136_glioblastoma_sc" / "log_tpm.h5ad")
    adata.uns["senoscore"] = {"values": "lognorm", "organism": "human"}
    share = assign_compartments(adata)["compartment"].value_counts(normalize=True)
    assert share["tumour"] > 0.4
    assert share.drop(["tumour", "unassigned"]).sum() < 0.05
