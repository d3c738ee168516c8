"""Crosstalk: group means by hand, the score, its tests, its gate, and what cannot be asked."""

from __future__ import annotations

import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from senoscore.biology.crosstalk import crosstalk, curated_pairs, genes_of, known_directions
from senoscore.biology.group_means import group_means, kinds_of, with_all
from senoscore.errors import ConfigError, InputError
from senoscore.genesets.genes import symbols
from senoscore.inference.trend import trend

# --- group means ---------------------------------------------------------------------------

COUNTS = np.array([[3, 0, 7], [0, 0, 10], [5, 5, 0], [1, 1, 2], [9, 0, 1]], dtype=float)
CELLS = pd.DataFrame(
    {
        "sample": ["a", "a", "a", "b", "b"],
        "compartment": "fibroblast",
        "kind": ["senescent", "senescent", "other", "other", "other"],
        "keep": [True, True, True, True, False],
    }
)


def means(block: int = 4096, names: tuple[str, ...] = ("IL6", "MET", "ACTB"), **options: object):
    return group_means(
        ad.AnnData(sparse.csr_matrix(COUNTS)), CELLS, ["IL6", "MET", "CCL2"], var_names=names,
        block_cells=block, **options,
    )  # fmt: skip


def test_means_and_detection_by_hand() -> None:
    found = means().set_index(["sample", "kind", "gene"])
    assert set(found.index.get_level_values("gene")) == {"IL6", "MET"}
    row = found.loc[("a", "senescent", "IL6")]
    assert row["mean"] == pytest.approx(np.log1p(3000) / 2)
    assert (row["detected"], row["n_cells"]) == (0.5, 2)
    assert found.loc[("b", "other", "MET"), "mean"] == pytest.approx(np.log1p(2500))
    assert found.loc[("b", "other", "MET"), "n_cells"] == 1  # the other cell was not kept
    together = with_all(means()).set_index(["sample", "kind", "gene"])
    own = together.loc[("a", "all", "IL6")]
    assert own["mean"] == pytest.approx((np.log1p(3000) + np.log1p(5000)) / 3)
    assert own["n_cells"] == 3


@pytest.mark.parametrize("block", [1, 2, 3])
def test_means_do_not_hang_on_the_block(block: int) -> None:
    pd.testing.assert_frame_equal(means(block), means())


def test_other_values_and_other_organism() -> None:
    plain = means(values="lognorm").set_index(["sample", "kind", "gene"])
    assert plain.loc[("a", "senescent", "IL6"), "mean"] == 1.5
    linear = means(values="linear").set_index(["sample", "kind", "gene"])
    assert linear.loc[("a", "senescent", "IL6"), "mean"] == pytest.approx(np.log1p(3) / 2)
    mouse = means(names=("Il6", "Met", "Actb"), organism="mouse")
    assert set(mouse["gene"]) == {"IL6", "MET"}


def test_cells_of_another_matrix_are_refused() -> None:
    with pytest.raises(InputError, match="another length"):
        group_means(ad.AnnData(COUNTS), CELLS.iloc[:4], ["IL6"], var_names=("IL6", "MET", "ACTB"))


def called() -> ad.AnnData:
    """What `means` has, as an object after `sen.call`."""
    adata = ad.AnnData(sparse.csr_matrix(COUNTS), var=pd.DataFrame(index=["IL6", "MET", "ACTB"]))
    adata.obs["sample"], adata.obs["compartment"] = list(CELLS["sample"]), "fibroblast"
    adata.obs["keep"] = list(CELLS["keep"])
    adata.obs["senescence_state"] = pd.Categorical(["senescent"] * 2 + ["other"] * 3)
    adata.obs["panel_positive"] = [True, True, False, False, False]
    return adata


def test_an_object_that_was_called_says_the_rest_itself(tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(group_means(called(), genes=["IL6", "MET"]), means())
    called().write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(group_means(back, genes=["IL6", "MET"]), means())
    everything = group_means(called())  # the genes of the pairs and of the targets
    assert set(everything["gene"]) == {"IL6", "MET"}
    adata = called()
    adata.uns["senoscore"] = {"values": "lognorm"}
    logged = means(values="lognorm").query("gene == 'IL6'").reset_index(drop=True)
    pd.testing.assert_frame_equal(group_means(adata, genes=["IL6"]), logged)


def test_what_an_object_does_not_say_is_named(tmp_path: Path) -> None:
    adata = called()
    del adata.obs["panel_positive"]
    with pytest.raises(InputError, match=r"no column 'panel_positive'.*"):
        group_means(adata)
    with pytest.raises(InputError, match="of a file needs cells="):
        group_means(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="no column 'keep'"):
        group_means(called(), CELLS.drop(columns="keep"), ["IL6"])


def test_kinds() -> None:
    calls = pd.DataFrame(
        {
            "senescence_state": [
                "senescent", "senescent_candidate", "acute_damage_response", "other",
                "not_assessable", "acute_damage_response",
            ],
            "panel_positive": [True, True, True, False, False, False],
        }
    )  # fmt: skip
    wanted = ["senescent", "senescent", "acute", "other", "unknown", "other"]
    assert kinds_of(calls).tolist() == wanted


# --- pairs ---------------------------------------------------------------------------------


def test_curated_pairs_are_current_symbols_with_sources() -> None:
    table = curated_pairs()
    assert set(genes_of(table)) <= symbols("human")
    assert not table.duplicated(["ligand", "receptor"]).any()
    assert table.notna().all().all()
    named = set(zip(table["ligand"], table["receptor"], strict=True))
    assert {
        ("IL6", "IL6R+IL6ST"),
        ("CCL2", "CCR2"),
        ("HGF", "MET"),
        ("GDF15", "GFRAL+RET"),
    } <= named
    ways = set(zip(known_directions()["sender"], known_directions()["receiver"], strict=True))
    assert {("astrocyte", "macrophage"), ("fibroblast", "tumour")} <= ways
    assert ("macrophage", "fibroblast") in ways


def test_consensus_without_liana_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "liana", None)
    monkeypatch.setitem(sys.modules, "liana.resource", None)
    with pytest.raises(ConfigError, match=r"senoscore\[crosstalk\]"):
        curated_pairs("consensus")
    with pytest.raises(ConfigError, match="expected curated or consensus"):
        curated_pairs("all")


def test_consensus_keeps_sasp_ligands() -> None:
    pytest.importorskip("liana", reason="the extra crosstalk is not installed")
    table = curated_pairs("consensus")
    assert "IL6" in set(table["ligand"])
    assert not table["receptor"].str.contains("_").any()
    found = crosstalk(
        tissue(LIGAND, RECEPTOR), sheet([14.0] * 4), pairs=table, directions=WAY, only_known=True
    )
    row = found[found["question"] == "senescent_vs_other"].set_index("receptor").loc["IL6R+IL6ST"]
    own = asked(tissue(LIGAND, RECEPTOR), sheet([14.0] * 4)).loc["senescent_vs_other"]
    assert row["p"] == pytest.approx(own["p"])


# --- score and tests -----------------------------------------------------------------------

PAIR = pd.DataFrame({"ligand": ["IL6"], "receptor": ["IL6R+IL6ST"], "family": "i", "source": "s"})
WAY = pd.DataFrame({"sender": ["fibroblast"], "receiver": ["tumour"], "what": "w", "source": "s"})


def sheet(days: list[float], **columns: object) -> pd.DataFrame:
    days_ = np.array(days)
    return pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(len(days))],
            "subject": "",
            "treatment": np.where(days_ == 0, "control", "irradiated"),
            "dose_gy": np.where(days_ == 0, 0.0, 8.0),
            "days_post_rt": days_,
            "batch": "",
        }
        | columns
    )


def tissue(
    ligand: list[tuple[float, float]], receptor: list[float], n: int = 20, detected: float = 0.5
) -> pd.DataFrame:
    """Ligand in (senescent, other) fibroblasts and lowest receptor chain in tumour cells."""
    rows = []
    for i, ((old, other), chain) in enumerate(zip(ligand, receptor, strict=True)):
        for kind, level in (("senescent", old), ("other", other)):
            for gene, value in (("IL6", level), ("IL6R", 9.0), ("IL6ST", 9.0)):
                rows.append((f"s{i}", "fibroblast", kind, n, gene, value, detected))
        for gene, value in (("IL6", 0.0), ("IL6R", chain), ("IL6ST", chain + 1)):
            rows.append((f"s{i}", "tumour", "other", n, gene, value, detected))
    names = ["sample", "compartment", "kind", "n_cells", "gene", "mean", "detected"]
    return pd.DataFrame(rows, columns=names)


LIGAND = [(1.0, 0.5), (1.4, 0.6), (0.9, 0.8), (1.0, 0.4)]
RECEPTOR = [1.0, 2.0, 0.5, 1.5]


def asked(table: pd.DataFrame, samples: pd.DataFrame, **options: object) -> pd.DataFrame:
    found = crosstalk(
        table, samples, pairs=PAIR, directions=WAY, only_known=True, **options,  # type: ignore[arg-type]
    )  # fmt: skip
    return found.set_index("question")


def test_score_and_test_by_hand() -> None:
    row = asked(tissue(LIGAND, RECEPTOR), sheet([14.0] * 4)).loc["senescent_vs_other"]
    old, other = np.sqrt(np.array(LIGAND).T * np.array(RECEPTOR))
    reference = stats.ttest_rel(old, other)
    assert row["estimate"] == pytest.approx((old - other).mean())
    assert row["p"] == row["q"] == pytest.approx(reference.pvalue)
    assert (row["phase"], row["n_treated"], row["receptor_mean"]) == ("early", 4, 1.25)
    assert row["family"] == "crosstalk/senescent_vs_other/known directions"


def test_more_cells_are_no_more_animals() -> None:
    few = asked(tissue(LIGAND, RECEPTOR, n=20), sheet([14.0] * 4))
    many = asked(tissue(LIGAND, RECEPTOR, n=2000), sheet([14.0] * 4))
    assert few.loc["senescent_vs_other", "p"] == many.loc["senescent_vs_other", "p"]


def test_two_samples_of_a_subject_are_one_number() -> None:
    twice = sheet([14.0] * 4, subject=["p", "p", "q", "r"])
    assert asked(tissue(LIGAND, RECEPTOR), twice).loc["senescent_vs_other", "n_treated"] == 3


def test_irradiated_against_control_is_what_the_trend_gives() -> None:
    samples = sheet([0.0, 0.0, 0.0, 14.0, 14.0, 14.0])
    ligand = [(0.5, 0.5), (0.6, 0.6), (0.7, 0.7), (1.0, 1.2), (1.4, 1.1), (1.3, 0.9)]
    receptor = [1.0, 1.2, 0.9, 1.1, 1.3, 1.0]
    found = asked(tissue(ligand, receptor), samples).loc["irradiated_vs_control"]
    score = np.sqrt(np.array(ligand).mean(axis=1) * receptor)
    burden = samples.assign(
        compartment="c", n_assessable=50, n_positive=3, status="ok", **{"mean:score": score}
    )
    wanted = trend(burden, measures=["score"])
    wanted = wanted[wanted["question"] == "irradiated_vs_control"].iloc[0]
    for name in ("estimate", "ci_lo", "ci_hi", "df", "p"):
        assert found[name] == pytest.approx(wanted[name], rel=1e-9), name


def test_the_gate_and_few_cells_leave_the_direction_with_its_reason() -> None:
    rare = asked(tissue(LIGAND, RECEPTOR, detected=0.05), sheet([14.0] * 4))
    assert rare["status"].tolist() == ["not_estimable"]
    assert "detection gate" in rare["reason"].iloc[0]
    few = asked(tissue(LIGAND, RECEPTOR, n=4), sheet([14.0] * 4)).loc["senescent_vs_other"]
    assert few["status"] == "not_estimable"
    assert "enough cells" in few["reason"]


def test_one_animal_and_acute_days_are_not_tested() -> None:
    one = asked(tissue(LIGAND[:1], RECEPTOR[:1]), sheet([14.0])).loc["senescent_vs_other"]
    assert one["status"] == "not_testable"
    assert np.isnan(one["p"])
    early = asked(tissue(LIGAND, RECEPTOR), sheet([1.0] * 4))
    assert (
        "senescent_vs_other" not in early.index
        or early.loc["senescent_vs_other", "status"] == "not_estimable"
    )


def test_absent_compartment_is_named_and_a_panel_gene_is_circular() -> None:
    found = crosstalk(tissue(LIGAND, RECEPTOR), sheet([14.0] * 4), pairs=PAIR, panel_genes=["IL6"])
    row = found[(found["sender"] == "astrocyte") & (found["receiver"] == "macrophage")].iloc[0]
    assert row["reason"] == "no astrocyte and no macrophage cells in this run"
    mine = found[(found["sender"] == "fibroblast") & (found["receiver"] == "tumour")]
    said = dict(zip(mine["question"], mine["circular"], strict=True))
    assert said["senescent_vs_other"] == "ligand is in the panel"
    assert set(mine["circular"][mine["question"] == "irradiated_vs_control"]) <= {""}


def many(levels: dict[str, list[tuple[float, float]]], receptor: list[float]) -> pd.DataFrame:
    """Several ligands of one receptor, IL6R+IL6ST; a ligand may be of the first samples only."""
    parts = []
    for gene, level in levels.items():
        own = tissue(level, receptor[: len(level)])
        parts.append(own[own["gene"].eq("IL6")].assign(gene=gene))
    chains = tissue(LIGAND, receptor)
    return pd.concat([*parts, chains[chains["gene"].ne("IL6")]], ignore_index=True)


def pairs_of(*ligands: str) -> pd.DataFrame:
    return pd.concat([PAIR.assign(ligand=name) for name in ligands], ignore_index=True)


def test_circular_pairs_are_a_family_of_their_own_and_stand_last() -> None:
    weak = [(1.0, 0.9), (1.4, 1.1), (0.9, 1.0), (1.0, 0.8)]
    table = many({"IL6": LIGAND, "LIF": weak, "OSM": weak}, RECEPTOR)
    found = crosstalk(
        table, sheet([14.0] * 4), pairs=pairs_of("IL6", "LIF", "OSM"), directions=WAY,
        only_known=True, panel_genes=["IL6"],
    )  # fmt: skip
    rows = found[found["question"] == "senescent_vs_other"].set_index("ligand")
    assert rows.index.tolist() == ["LIF", "OSM", "IL6"]
    assert rows.loc["IL6", "p"] < rows.loc["LIF", "p"]
    family = "crosstalk/senescent_vs_other/known directions"
    assert rows["family"].tolist() == [family, family, f"{family}/ligand in the panel"]
    # In one family with the two others its q would be three times its p.
    assert rows.loc["IL6", "q"] == pytest.approx(rows.loc["IL6", "p"])
    assert rows.loc["LIF", "q"] == pytest.approx(rows.loc["LIF", "p"])


def test_a_gene_that_some_samples_lack_costs_only_its_own_pairs() -> None:
    table = many({"IL6": LIGAND, "LIF": LIGAND[:2]}, RECEPTOR)
    found = crosstalk(
        table, sheet([14.0] * 4), pairs=pairs_of("IL6", "LIF"), directions=WAY, only_known=True
    )
    rows = found[found["question"] == "senescent_vs_other"].set_index("ligand")
    alone = asked(tissue(LIGAND, RECEPTOR), sheet([14.0] * 4)).loc["senescent_vs_other"]
    assert rows["n_treated"].to_dict() == {"IL6": 4, "LIF": 2}
    for name in ("estimate", "ci_lo", "p", "ligand_senescent", "receptor_mean"):
        assert rows.loc["IL6", name] == pytest.approx(alone[name]), name
    # Found in half of the cells of the samples that measure it, not in a quarter of all.
    assert rows.loc["LIF", "ligand_detected"] == pytest.approx(0.5)


STUDY = [(0.5, 0.5), (0.6, 0.6), (0.7, 0.7), (1.0, 1.2), (1.4, 1.1), (1.3, 0.9)]


def test_a_data_set_that_is_the_treatment_is_refused_as_in_the_trend() -> None:
    samples = sheet([0.0] * 3 + [14.0] * 3, dataset=list("aaabbb"))
    found = asked(tissue(STUDY, [1.0, 1.2, 0.9, 1.1, 1.3, 1.0]), samples)
    row = found.loc["irradiated_vs_control"]
    assert (row["status"], np.isnan(row["p"])) == ("not_estimable", True)
    assert row["reason"].startswith("dataset and treatment are the same variable")
    told = asked(
        tissue(STUDY, [1.0, 1.2, 0.9, 1.1, 1.3, 1.0]), samples.assign(batch="one run")
    ).loc["irradiated_vs_control"]
    assert told["status"] == "tested"


def test_strata_are_asked_apart() -> None:
    receptor = [1.0, 1.2, 0.9, 1.1, 1.3, 1.0]
    table = pd.concat(
        [tissue(STUDY, receptor), tissue([(x, x) for x, _ in STUDY], receptor).assign(extra=1)]
    )
    other = table["extra"].eq(1)
    table.loc[other, "sample"] += "n"
    samples = sheet([0.0] * 3 + [14.0] * 3, assay="sc")
    both = pd.concat(
        [samples, samples.assign(sample=samples["sample"] + "n", assay="sn")], ignore_index=True
    )
    found = asked(table, both)
    alone = asked(tissue(STUDY, receptor), samples)
    assert set(alone["stratum"]) == {""}
    for question in ("senescent_vs_other", "irradiated_vs_control"):
        rows = found.loc[question].set_index("stratum")
        assert rows["n_treated"].tolist() == [3, 3]
        for name in ("estimate", "p"):
            one, wanted = rows.loc["sc", name], alone.loc[question, name]
            assert one == pytest.approx(wanted, nan_ok=True), name


def test_table_without_its_columns_is_refused() -> None:
    with pytest.raises(InputError, match="no column 'kind'"):
        crosstalk(pd.DataFrame({"sample": [], "compartment": []}), sheet([14.0]))


def test_shipped_files_are_plain_text() -> None:
    folder = Path(__file__).parents[2] / "resources" / "crosstalk"
    for path in sorted(folder.iterdir()):
        assert path.read_text("ascii").endswith("\n"), path.name


def test_two_schedules_of_one_dose_are_two_numbers_and_no_time_is_none() -> None:
    samples = sheet([14.0] * 4, n_fractions=[1, 1, 5, 5])
    found = crosstalk(tissue(LIGAND, RECEPTOR), samples, pairs=PAIR)
    own = found[(found["question"] == "senescent_vs_other") & (found["status"] == "tested")]
    score = np.sqrt(np.array(LIGAND) * np.array(RECEPTOR)[:, None])
    difference = score[:, 0] - score[:, 1]
    wanted = {1.0: difference[:2].mean(), 5.0: difference[2:].mean()}
    assert own.set_index("n_fractions")["estimate"].to_dict() == pytest.approx(wanted)
    timeless = crosstalk(tissue(LIGAND, RECEPTOR), sheet([np.nan] * 4), pairs=PAIR)
    assert "tested" not in set(timeless["status"])
