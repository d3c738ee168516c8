from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.ingest.ingest import ingest
from senoscore.io.canonical import read_canonical
from senoscore.io.tables import read_tsv

REALDATA = Path(__file__).parents[2].parent / "shared" / "realdata"
GENES = ["TP53", "CDKN1A", "MKI67", "CCNB1", "LMNB1", "IL6", "CXCL8", "GDF15"]
COUNTS = np.random.default_rng(3).poisson(2.0, (12, 8))


@pytest.fixture
def run(tmp_path):
    def call(data, samples=None, keep_obs=(), **row):
        if isinstance(data, ad.AnnData):
            path = tmp_path / "in.h5ad"
            data.write_h5ad(path)
        elif isinstance(data, pd.DataFrame):
            path = tmp_path / "in.csv"
            data.to_csv(path)
        else:
            path = data
        row = {"dataset": "d", "path": str(path), "organism": "human", **row}
        if row.get("assay") not in ("bulk", "array") and "sample_column" not in row:
            row.setdefault("sample", "s1")
        out, genes_out = tmp_path / "out" / "d.h5ad", tmp_path / "out" / "d.genes.tsv"
        try:
            report = ingest(row, samples=samples, out=out, genes_out=genes_out, keep_obs=keep_obs)
        except InputError:
            assert not out.exists()
            assert not genes_out.exists()
            raise
        return report, ad.read_h5ad(out), read_tsv(genes_out, dtype=str).fillna("")

    return call


def _adata(X=COUNTS, genes=GENES):
    adata = ad.AnnData(sparse.csr_matrix(np.asarray(X, dtype=np.float32)))
    adata.var_names = list(genes)
    adata.obs_names = [f"c{i}" for i in range(adata.n_obs)]
    adata.obs["who"] = pd.Categorical((["s1", "s2", "s1"] * 4)[: adata.n_obs])
    adata.obs["type"] = (["Astro", None, "Tumor"] * 4)[: adata.n_obs]
    return adata


def test_counts_with_samples_and_compartments(run):
    report, adata, genes = run(
        _adata(), ["s1", "s2", "s9"], ["type"], sample_column="who", compartment_column="type"
    )
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
    assert adata.X.dtype == np.int32
    assert list(adata.var_names) == GENES
    assert adata.var["ensembl_id"].str.startswith("ENSG").all()
    assert adata.obs.columns.tolist() == ["sample", "type", "compartment_input"]
    assert adata.obs["sample"].tolist() == ["s1", "s2", "s1"] * 4
    assert adata.obs["compartment_input"].isna().sum() == 4
    assert report.samples == {"s1": 8, "s2": 4}
    assert genes.columns.tolist() == ["input", "symbol", "ensembl_id", "status", "note"]
    assert genes["status"].eq("symbol").all()
    meta = adata.uns["senoscore"]
    assert (meta["values"], meta["organism"], meta["source_slot"]) == ("counts", "human", "X")
    assert meta["source_file"] == "in.h5ad"
    assert len(meta["source_sha256"]) == 64


@pytest.mark.parametrize(
    ("column", "kept"),
    [
        (pd.array([1, None, 3] * 4, dtype="Int64"), [1.0, None, 3.0]),
        (pd.array([True, None, False] * 4, dtype="boolean"), ["True", None, "False"]),
        (pd.Categorical(["a", None, "b"] * 4), ["a", None, "b"]),
    ],
    ids=["Int64", "boolean", "category"],
)
def test_missing_values_of_kept_columns_stay_missing(run, column, kept):
    given = _adata()
    given.obs["k"] = column
    _, adata, _ = run(given, keep_obs=["k"])
    found = adata.obs["k"].astype(object)
    assert found.where(found.notna(), None).tolist()[:3] == kept


def test_ids_with_versions_and_duplicates_are_summed(run):
    p53, p21 = "ENSG00000141510", "ENSG00000124762"
    names = [f"{p53}.18", p21, "CDKN1A", "MKI67", "CCNB1", "LMNB1", "IL6", "unheard"]
    report, adata, genes = run(_adata(genes=names))
    assert list(adata.var_names) == ["TP53", "CDKN1A", "MKI67", "CCNB1", "LMNB1", "IL6", "unheard"]
    np.testing.assert_array_equal(adata[:, "CDKN1A"].X.toarray()[:, 0], COUNTS[:, 1] + COUNTS[:, 2])
    assert adata.var.loc["TP53", "ensembl_id"] == p53
    assert genes["input"].tolist() == names
    assert genes["status"].tolist()[:3] == ["ensembl", "ensembl", "symbol"]
    assert genes["status"].tolist()[-1] == "unknown"
    assert genes["note"].tolist()[1:3] == ["summed with 1 more of this symbol"] * 2
    assert any("1 further genes" in note for note in report.notes)


@pytest.mark.parametrize("assay", ["sc", "array"])
def test_where_sums_mean_nothing_the_highest_mean_is_kept(run, assay):
    X = np.log1p(COUNTS) + 0.01 if assay == "sc" else COUNTS * 50.5
    X[:, 1] = X[:, 2] + 1
    names = ["TP53", "CDKN1A", "ENSG00000124762", *GENES[3:]]
    _, adata, genes = run(_adata(X, names), assay=assay)
    np.testing.assert_allclose(adata[:, "CDKN1A"].X.toarray()[:, 0], X[:, 1], rtol=1e-6)
    assert adata.n_vars == 7
    assert genes["note"].tolist()[1:3] == [
        "highest mean, kept of 1 more of this symbol",
        "left out: another of this symbol has a higher mean",
    ]
    assert adata.uns["senoscore"]["values"] == ("lognorm" if assay == "sc" else "linear")


def test_floats_a_hair_off_are_counts(run):
    report, adata, _ = run(_adata(COUNTS * (1 - 1e-6)))
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
    assert any("off an integer and were rounded" in note for note in report.notes)


def test_second_names_help_unknown_ones(run):
    adata = _adata(genes=["a1", *GENES[1:]])
    adata.var["gene_ids"] = ["ENSG00000141510", *[""] * 7]
    _, out, genes = run(adata)
    assert out.var_names[0] == "TP53"
    assert genes.loc[0, "input"] == "a1"
    assert genes.loc[0, "note"] == "by its second name ENSG00000141510"


def test_bulk_rows_are_samples(run):
    table = pd.DataFrame(COUNTS[:3], index=["m1", "m2", "m3"], columns=GENES).T
    _, adata, _ = run(table, ["m1", "m2", "m3"], assay="bulk")
    assert list(adata.obs_names) == ["m1", "m2", "m3"] == adata.obs["sample"].tolist()
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS[:3])


def test_mouse_by_case_and_genome_prefix(run):
    mouse = ["Trp53", "Cdkn1a", "Mki67", "Ccnb1", "Lmnb1", "Il6", "Cxcl1", "Gdf15"]
    _, adata, _ = run(_adata(genes=mouse), organism="mouse")
    assert list(adata.var_names) == mouse
    _, adata, genes = run(_adata(genes=["GRCh38_" + g for g in GENES]))
    assert list(adata.var_names) == GENES
    assert genes["input"][0] == "GRCh38_TP53"


def test_capitals_that_could_be_either_are_not_called_human_outright(run):
    shared = [g for g in GENES if g not in ("TP53", "CXCL8")]
    with pytest.raises(InputError, match="only if they are; mouse symbols in capitals"):
        run(_adata(COUNTS[:, : len(shared)], shared), organism="mouse")


def test_same_input_same_bytes(run, tmp_path):
    run(_adata(), sample_column="who")
    first = [p.read_bytes() for p in sorted((tmp_path / "out").iterdir())]
    run(_adata(), sample_column="who")
    assert [p.read_bytes() for p in sorted((tmp_path / "out").iterdir())] == first


MOUSE = ["Trp53", "Cdkn1a", "Mki67", "Ccnb1", "Lmnb1", "Il6", "Cxcl1", "Gdf15"]


def _with(X, value, where=(4, 2)):
    X = np.array(X, dtype=float)
    X[where] = value
    return X


@pytest.mark.parametrize(
    ("data", "row", "said"),
    [
        (
            _adata(genes=MOUSE),
            {},
            "0/8 gene names are human; 8 are mouse — is it `organism: mouse`",
        ),
        (_adata(genes=MOUSE[:4] + GENES[4:]), {}, "mixed species"),
        (
            _adata(genes=[f"{g}_{n}" for g, n in zip(["GRCh38", "mm10"] * 4, GENES, strict=True)]),
            {},
            "several genomes",
        ),
        (_adata(genes=[f"probe{i}" for i in range(8)]), {}, "zero genes matched: 0/8 names"),
        (_adata(_with(COUNTS, -1)), {}, "negative value -1 in row 'c4', gene 'MKI67'"),
        (_adata(_with(COUNTS, np.nan)), {}, "NaN value nan in row 'c4', gene 'MKI67'"),
        (_adata(_with(COUNTS, np.inf)), {}, "infinite value inf in row 'c4', gene 'MKI67'"),
        (
            _adata(np.log1p(COUNTS)),
            {"values": "counts"},
            "not integers .*declare `values: lognorm`",
        ),
        (_adata(COUNTS * 0), {}, "all values are zero"),
        (_adata(COUNTS[:0]), {}, "has 0 cells and 8 genes"),
        (_adata(COUNTS[:, :0], []), {}, "has 12 cells and 0 genes"),
        (_adata(), {"layer": "raw_counts"}, "no layer 'raw_counts' — there are: X"),
        (_adata(), {"sample_column": "donor"}, "no obs column 'donor' — columns there: who, type"),
        (_adata(), {"sample_column": "type"}, "4 cells have no sample in 'type', such as 'c1'"),
        (_adata(), {"sample_column": "who", "sample": "s1"}, "both of sample and sample_column"),
        (_adata(), {"sample": None}, "neither of sample and sample_column"),
        (_adata(), {"sample": "../../x"}, "'../../x' cannot be the name of a sample"),
        (
            _adata(),
            {"sample": "s7"},
            "1 samples of the data are not in the samples sheet: s7; the sheet has: s1, s2",
        ),
        (_adata(), {"assay": "bulk", "sample": "s1"}, "each row or column is a sample of its own"),
        (_adata(), {"assay": "atac"}, "unknown assay 'atac'"),
        (_adata(), {"organism": "rat"}, "unknown organism 'rat'"),
        (
            _adata(COUNTS[:8]),
            {"turn": True},
            "genes are in the rows",
        ),
        (
            pd.DataFrame(COUNTS, columns=GENES).drop(columns="TP53").assign(TP53=[1] * 11 + [None]),
            {},
            "NaN value nan in row '11', gene 'TP53'",
        ),
        (Path("nowhere.h5ad"), {}, "nowhere.h5ad not found"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_written(run, data, row, said):
    row = dict(row)
    if row.pop("turn", False):
        data = ad.AnnData(data.X)
        data.obs_names, data.var_names = GENES, [f"c{i}" for i in range(8)]
    with pytest.raises(InputError, match=said) as caught:
        run(data, ["s1", "s2"], **row)
    assert "\n" not in str(caught.value)


real = pytest.mark.skipif(not REALDATA.is_dir(), reason="../shared/realdata is not here")


@real
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "row", "shape", "values", "known"),
    [
        ("celltypist_immune_cells_sc/counts.h5ad", {}, (559, 9810), "counts", 0.9),
        ("mgh136_glioblastoma_sc/log_tpm.h5ad", {}, (229, 6954), "lognorm", 0.9),
        (
            "gse281695_a20_lymphoma_irradiated_bulk/counts.tsv.gz",
            {"assay": "bulk", "organism": "mouse"},
            (8, 37842),
            "counts",
            0.9,
        ),
        (
            "molt4_irradiated_timecourse_array/intensity.tsv.gz",
            {"assay": "array"},
            (30, 13237),
            "linear",
            0.9,
        ),
        (
            "gse63577_fibroblasts_replicative_bulk/normalised.tsv.gz",
            {"assay": "bulk"},
            (39, 11526),
            "linear",
            0.9,
        ),
    ],
)
def test_real_data(run, tmp_path, file, row, shape, values, known):
    report, adata, genes = run(REALDATA / file, **row)
    assert report.values == values
    assert (report.n_cells, report.n_genes_in) == shape
    assert len(genes) == shape[1]
    assert (genes["status"] != "unknown").mean() > known
    if file.endswith(".tsv.gz"):
        table = pd.read_csv(REALDATA / file, sep="\t", index_col=0)
        mine = adata.X.sum(axis=1).A1 if hasattr(adata.X.sum(axis=1), "A1") else adata.X.sum(1)
        rtol = 0 if values == "counts" else 1e-3  # the duplicates of an array are not summed
        np.testing.assert_allclose(np.ravel(mine), table.sum().to_numpy(), rtol=rtol)
    if row.get("assay") == "bulk":
        sheet = pd.read_csv((REALDATA / file).parent / "samples.tsv", sep="\t", dtype=str)
        assert set(adata.obs["sample"]) == set(sheet.iloc[:, 0])
    assert read_canonical(tmp_path / "out" / "d.h5ad").meta["values"] == values
