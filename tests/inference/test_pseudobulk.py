"""Pseudobulk: sums by hand, designs that are refused, PyDESeq2 called as it is called here."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore.errors import InputError
from senoscore.genesets.library import signatures
from senoscore.inference.expression import design_of, differential, enrichment
from senoscore.inference.pseudobulk import log_cpm, pseudobulk, pseudobulk_scores, sum_counts
from senoscore.study.compare import designed

GENES = [f"G{i:02d}" for i in range(40)]


def sheet(treatment, days, **columns) -> pd.DataFrame:
    base = {
        "sample": [f"s{i}" for i in range(len(days))],
        "subject": [f"m{i}" for i in range(len(days))],
        "treatment": treatment,
        "dose_gy": np.where(np.asarray(treatment) == "control", 0.0, 8.0),
        "days_post_rt": np.asarray(days, dtype=float),
        "batch": "",
        "region": "",
        "assay": "sc",
        "organism": "human",
        "compartment": "astrocyte",
        "dataset": "d",
    }
    return pd.DataFrame(base | columns)


def profiles(table: pd.DataFrame, *, seed: int = 1) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    mean = np.tile(rng.lognormal(4, 1, len(GENES)), (len(table), 1))
    mean[table["treatment"].ne("control").to_numpy(), :5] *= 4
    counts = rng.negative_binomial(10, 10 / (10 + mean)).astype(float)
    obs = table.assign(n_cells=100).set_axis(table["sample"].tolist())
    var = pd.DataFrame({"in:d": True}, index=GENES)
    return ad.AnnData(X=sparse.csr_matrix(counts), obs=obs, var=var)


def test_sums_are_those_of_numpy():
    rng = np.random.default_rng(1)
    counts = rng.poisson(1.0, (50, 7)).astype(np.float32)
    groups = rng.integers(-1, 3, 50)
    found = sum_counts(ad.AnnData(X=sparse.csr_matrix(counts)), groups, 3).toarray()
    np.testing.assert_array_equal(found, [counts[groups == g].sum(axis=0) for g in range(3)])
    with pytest.raises(InputError, match="50 cells"):
        sum_counts(ad.AnnData(X=counts), groups[:40], 3)


@pytest.mark.parametrize("on_disk", [False, True])
def test_counts_may_be_in_a_layer(tmp_path, on_disk):
    counts = np.arange(12, dtype=np.float32).reshape(4, 3)
    data = ad.AnnData(X=np.log1p(counts), var=pd.DataFrame(index=["A", "B", "C"]))
    data.layers["counts"] = sparse.csr_matrix(counts)
    source = data
    if on_disk:
        source = tmp_path / "a.h5ad"
        data.write_h5ad(source)
    cells = pd.DataFrame({"dataset": "d", "sample": ["s0", "s1", "s0", "s1"], "compartment": "t"})
    table = sheet(["control", "irradiated"], [7, 7])
    found = pseudobulk({"d": source}, cells, table, layer="counts")
    assert found.obs["sample"].tolist() == ["s0", "s1"]
    np.testing.assert_array_equal(found.X.toarray(), [[6, 8, 10], [12, 14, 16]])
    np.testing.assert_allclose(
        pseudobulk({"d": source}, cells, table).X.toarray()[0], np.log1p(counts)[[0, 2]].sum(0)
    )
    with pytest.raises(InputError, match="layer 'raw_counts'"):
        pseudobulk({"d": source}, cells, table, layer="raw_counts")


def test_profiles_of_two_data_sets_from_files(tmp_path):
    first, second = tmp_path / "a.h5ad", tmp_path / "b.h5ad"
    ad.AnnData(X=np.ones((4, 2)), var=pd.DataFrame(index=["A", "B"])).write_h5ad(first)
    ad.AnnData(X=2 * np.ones((2, 2)), var=pd.DataFrame(index=["C", "B"])).write_h5ad(second)
    cells = pd.DataFrame(
        {
            "dataset": ["a"] * 4 + ["b"] * 2,
            "sample": ["s0", "s0", "s0", "s1", "s2", "s2"],
            "compartment": ["x", "x", "y", "x", "x", "x"],
            "keep": [True, True, True, True, True, False],
        }
    )
    burden = sheet(["control", "irradiated", "irradiated"], [0, 7, 7])
    found = pseudobulk({"a": first, "b": second}, cells, burden)
    assert found.obs_names.tolist() == ["s0/x", "s0/y", "s1/x", "s2/x"]
    assert found.obs["n_cells"].tolist() == [2, 1, 1, 1]
    np.testing.assert_array_equal(found.X.toarray(), [[2, 2, 0], [1, 1, 0], [1, 1, 0], [0, 2, 2]])
    assert found.var["in:a"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("treatment", "days", "columns", "reason"),
    [
        (["control"] * 3 + ["irradiated"], [7] * 4, {}, "fewer than 2 subjects"),
        (["irradiated"] * 4, [7] * 4, {}, "no control profile"),
        (
            ["control"] * 3 + ["irradiated"] * 3,
            [7] * 6,
            {"batch": list("xxxyyy")},
            "batch and treatment",
        ),
    ],
)
def test_refused(treatment, days, columns, reason):
    table = sheet(treatment, days, **columns)
    design = design_of(designed(table.assign(_row=table["sample"])), control="control")
    assert not design.questions
    assert design.refused[0].reason.startswith(reason)


def test_interaction_where_controls_are_of_each_time():
    table = sheet((["control"] * 2 + ["irradiated"] * 2) * 2, [7] * 4 + [28] * 4)
    design = design_of(designed(table.assign(_row=table["sample"])), control="control")
    titles = [question.title for question in design.questions]
    assert titles[-1] == "irradiated 8 Gy vs control @ 28 d less @ 7 d"
    # Means of four groups; X has one column a group, so the weights can be read off.
    found = design.X @ design.questions[-1].weights
    np.testing.assert_allclose(sorted(found), [-1, -1, -1, -1, 1, 1, 1, 1])


def test_contrast_is_that_of_pydeseq2():
    pytest.importorskip("pydeseq2")
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    table = sheet(["control"] * 3 + ["irradiated"] * 3, [7] * 6)
    data = profiles(table)
    contrasts, genes = differential(data)
    counts = pd.DataFrame(data.X.toarray().astype(int), index=data.obs_names, columns=GENES)
    dds = DeseqDataSet(
        counts=counts, metadata=data.obs[["treatment"]], design="~treatment", quiet=True
    )
    dds.deseq2()
    stats = DeseqStats(dds, contrast=["treatment", "irradiated", "control"], quiet=True)
    stats.summary()
    mine = genes.set_index("gene")[["log2_fc", "p"]]
    # Another parametrisation of the same model: equal up to the optimiser's tolerance.
    np.testing.assert_allclose(mine["log2_fc"], stats.results_df["log2FoldChange"], atol=1e-3)
    np.testing.assert_allclose(mine["p"], stats.results_df["pvalue"], rtol=0.05, atol=1e-4)
    assert contrasts.loc[0, "status"] == "ok"
    assert set(GENES[:5]) <= set(contrasts.loc[0, "top_up"].split())


def test_enrichment_of_a_known_ranking():
    names = [f"G{i:03d}" for i in range(200)]
    genes = pd.DataFrame({"gene": names, "statistic": np.linspace(5, -5, 200)})
    head = {
        "compartment": "a", "stratum": "", "contrast": "t vs c", "treatment": "t", "dose_gy": 8.0,
        "n_fractions": 1.0, "modality": "photon", "days_post_rt": 7.0,
    }  # fmt: skip
    contrasts = pd.DataFrame([head | {"reason": ""}, head | {"contrast": "u", "reason": "few"}])
    sets = {"top": names[:15], "bottom": names[-15:], "small": names[:3]}
    found = enrichment(contrasts, genes.assign(**head), sets, permutations=200)
    rows = found.set_index(["contrast", "signature"])
    assert rows.loc[("t vs c", "top"), "nes"] > 1.5
    assert rows.loc[("t vs c", "bottom"), "nes"] < -1.5
    assert rows.loc[("t vs c", "top"), "p"] >= 1 / 200
    assert rows.loc[("t vs c", "small"), "status"] == "skipped"
    assert found[found["contrast"] == "u"]["reason"].tolist() == ["few"]


# --- scores of profiles --------------------------------------------------------------------

SETS = {"up": GENES[:8], "both": {"up": GENES[5:12], "down": GENES[20:30]}, "gone": ["X1", "X2"]}


def scored(table: pd.DataFrame, **options) -> tuple[ad.AnnData, pd.DataFrame]:
    """Profiles without ties, which packages break each in their own way, and their scores."""
    data = profiles(table)
    data.X = sparse.csr_matrix(data.X.toarray() * len(GENES) + np.arange(len(GENES)))
    data.obs["total_counts"] = np.asarray(data.X.sum(axis=1)).ravel()
    return data, pseudobulk_scores(data, {"human": signatures(SETS)}, **options)


def test_scores_of_profiles_are_those_of_gseapy():
    import gseapy

    data, found = scored(sheet(["control"] * 3 + ["irradiated"] * 3, [7] * 6))
    counts = pd.DataFrame(data.X.toarray(), index=data.obs_names, columns=GENES)
    frame = np.log2(counts.div(counts.sum(axis=1), axis=0) * 1e6 + 1)
    pd.testing.assert_frame_equal(log_cpm(data, data.obs_names), frame, check_names=False)
    sets = {"up": SETS["up"], "both_up": SETS["both"]["up"], "both_down": SETS["both"]["down"]}
    common = {
        "data": frame.T, "gene_sets": sets, "outdir": None, "min_size": 1, "max_size": 100,
        "threads": 1, "verbose": False,
    }  # fmt: skip
    plain = gseapy.ssgsea(**common, sample_norm_method="rank", correl_norm_type="rank")
    # Ours is divided by the number of genes.
    for method, result, scale in (("gsva", gseapy.gsva(**common), 1), ("ssgsea", plain, 40)):
        wanted = result.res2d.set_index(["Term", "Name"])["ES"].astype(float) / scale
        mine = found[found["method"] == method].set_index(["signature", "sample"])["score"]
        for name in sets:
            np.testing.assert_allclose(mine[name], wanted[name][mine[name].index], atol=1e-5)
        np.testing.assert_allclose(mine["both"], mine["both_up"] - mine["both_down"], atol=1e-6)


def test_what_cannot_be_scored_is_a_row_with_the_reason():
    table = sheet(["control", "irradiated", "irradiated"], [7] * 3)
    data, found = scored(table)
    gsva = found[found["method"] == "gsva"]
    assert set(gsva["reason"]) == {"3 profiles, gsva compares at least 4"}
    assert len(gsva) == len(data)
    gone = found[(found["method"] == "ssgsea") & (found["signature"] == "gone")]
    assert set(gone["reason"]) == {"too few genes of it are found"}
    assert gone["n_found"].tolist() == [0, 0, 0]
    _, few = scored(table, min_cells=101)
    assert few["reason"].tolist() == ["fewer than 101 cells, or no count"] * 3
    assert few["score"].isna().all()
    _, bulk = scored(table.assign(assay="bulk"), min_cells=101)
    assert (bulk["status"] == "ok").any()


def test_profiles_of_two_organisms_or_compartments_are_not_placed_among_each_other():
    table = sheet(["control"] * 4 + ["irradiated"] * 4, [7] * 8)
    table["compartment"] = ["astrocyte", "tumour"] * 4
    _, found = scored(table)
    assert set(found["n_profiles"]) == {4}
    _, alone = scored(sheet(["control"] * 4, [7] * 4))
    assert alone["score"].notna().any()


def test_two_schedules_of_one_dose_are_two_contrasts():
    table = sheet(["control"] * 2 + ["irradiated"] * 4, [7] * 6, n_fractions=[0, 0, 1, 1, 5, 5])
    design = design_of(designed(table.assign(_row=table["sample"])), control="control")
    assert {q.title: q.n_treated for q in design.questions} == {
        "irradiated 8 Gy in 1 vs control @ 7 d": 2,
        "irradiated 8 Gy in 5 vs control @ 7 d": 2,
    }
