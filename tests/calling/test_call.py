"""The call: rules on single cells, the null, planted cells, what bulk may claim."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from senoscore import plotting as pl
from senoscore.calling.calibrate import calibrate
from senoscore.calling.calibration import Calibration
from senoscore.calling.call import call, middle_depths
from senoscore.calling.explain import explain
from senoscore.calling.false_discovery import ControlSteps, control_p, q_values
from senoscore.calling.panel import load_panel
from senoscore.calling.staged import call_blocks
from senoscore.errors import ConfigError, InputError

if TYPE_CHECKING:
    from anndata import AnnData

PANEL = load_panel()
REALDATA = Path(__file__).parents[2].parent / "shared" / "realdata"
SENESCENT = {
    "p53_targets": 1.8,
    "p21": 1.8,
    "chromatin_nuclear": 1.5,
    "sasp_secreted": 1.8,
    "senmayo": 1.8,
    "lysosome": 1.4,
    "proliferation": -1.5,
}


def tissue(
    rng: np.random.Generator,
    *,
    n_control: int = 3,
    n_treated: int = 4,
    n: int = 200,
    burden: float = 0.0,
    skewed: bool = False,
    compartment: str = "fibroblast",
    day: float = 14.0,
    shift: dict[str, float] | None = None,
) -> pd.DataFrame:
    """Scores with donor SD 0.33 and correlated signatures; ``truth`` marks the planted cells."""
    names = PANEL.signatures
    parts = []
    for i in range(n_control + n_treated):
        own = rng.normal(size=(n, len(names)))
        if skewed:
            own = (rng.gamma(2, 1, own.shape) - 2) / np.sqrt(2)
        x = 0.55 * rng.normal(size=(n, 1)) + 0.84 * own + rng.normal(0, 0.33, len(names))
        truth = (rng.random(n) < burden) & (i >= n_control)
        for name, size in (SENESCENT if shift is None else shift).items():
            x[truth, names.index(name)] += size
        table = pd.DataFrame(x, columns=[f"ucell:{s}" for s in names])
        table["cell"] = [f"{compartment}{i}_{j}" for j in range(n)]
        table["sample"] = f"s{i}"
        table["compartment"] = compartment
        table["treatment"] = "irradiated" if i >= n_control else "control"
        table["days_post_rt"] = day if i >= n_control else np.nan
        table["truth"] = truth
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


@cache
def calibrated(compartment: str) -> tuple[pd.DataFrame, Calibration]:
    data = tissue(np.random.default_rng(1), n=200, n_treated=1, compartment=compartment)
    # Controls only: the cell that is called is then its own family of tests.
    return data, calibrate(data[data["treatment"] == "control"])


def one_cell(
    compartment: str = "fibroblast", *, day: float = 14.0, **z: float
) -> dict[str, object]:
    """State row of one treated cell with these signature scores, in control SDs."""
    data, calibration = calibrated(compartment)
    cell = data.iloc[[-1]].copy()
    levels = calibration.by_compartment[compartment].levels[""]
    for name, centre, scale in zip(
        PANEL.signatures, levels.signature.centre, levels.signature.scale, strict=True
    ):
        cell[f"ucell:{name}"] = centre + scale * z.get(name, 0.0)
    cell["days_post_rt"] = day
    return call(cell, calibration).iloc[0].to_dict()


FULL = dict.fromkeys(("p53_targets", "p21", "sasp_secreted", "senmayo", "lysosome"), 4.0) | {
    "chromatin_nuclear": 3.0,
    "proliferation": -2.0,
}
SASP = {s: 8.0 for s in PANEL.signatures if s.startswith("sasp")} | {"senmayo": 8.0}


@pytest.mark.parametrize(
    ("compartment", "day", "z", "state"),
    [
        ("fibroblast", 14, FULL, "senescent"),
        ("fibroblast", 3, FULL, "acute_damage_response"),
        ("fibroblast", 7, FULL, "senescent"),
        ("fibroblast", np.nan, FULL, "senescent_candidate"),
        ("fibroblast", 14, {**FULL, "proliferation": 4.0}, "escaped"),
        ("fibroblast", 14, {"proliferation": 4.0}, "cycling"),
        ("fibroblast", 1, {"p53_targets": 5.0, "p21": 5.0, "ddr": 5.0}, "acute_damage_response"),
        ("fibroblast", 14, {"p53_targets": 5.0, "p21": 5.0, "ddr": 5.0}, "other"),
        ("fibroblast", 14, {"p21": 9.0}, "other"),
        ("fibroblast", 14, {"p53_targets": 9.0}, "other"),
        ("fibroblast", 14, SASP, "other"),
        (
            "fibroblast",
            14,
            {"quiescence": 4.0, "proliferation": -2.0, "chromatin_nuclear": 3.0, "p21": 3.0},
            "quiescent",
        ),
        (
            "fibroblast",
            14,
            {"p21": 4.0, "chromatin_nuclear": 4.0, "lysosome": 4.0, "quiescence": 4.0},
            "quiescent",
        ),
        ("astrocyte", 14, {**FULL, "proliferation": 4.0}, "senescent"),
        ("macrophage", 14, {**SASP, "p16_p15": 9.0, "lysosome": 9.0}, "other"),
        (
            "macrophage",
            14,
            {**SASP, "p16_p15": 9.0, "lysosome": 9.0, "chromatin_nuclear": 5.0},
            "other",
        ),
        ("macrophage", 14, FULL, "senescent"),
        ("tumour", 14, {**FULL, "proliferation": 1.0}, "escaped"),
        ("tumour", 14, FULL, "senescent"),
    ],
)
def test_states(compartment: str, day: float, z: dict[str, float], state: str) -> None:
    row = one_cell(compartment, day=day, **z)
    assert row["senescence_state"] == state
    if state == "senescent":
        assert {"arrest_p53", "sasp"} <= set(row["axes_up"].split(";"))
        assert row["reason"] == ""
    if state == "senescent_candidate":
        assert row["reason"] == "day after irradiation missing"


def test_index_is_in_control_sds_and_rises_with_evidence() -> None:
    data = tissue(np.random.default_rng(2), burden=0.3, n=400)
    result = call(data)
    control = result.loc[(data["treatment"] == "control").to_numpy(), "senescence_index"]
    assert abs(control.median()) < 0.3
    assert 0.7 < stats.median_abs_deviation(control, scale="normal") < 1.5
    index, truth = result["senescence_index"], data["truth"].to_numpy()
    assert index[truth].median() > 1.5


@pytest.mark.parametrize("skewed", [False, True])
def test_null_tissue_is_not_called(skewed: bool) -> None:
    positive, called, total = 0, 0, 0
    for seed in range(8):
        data = tissue(np.random.default_rng(100 + seed), skewed=skewed, n_treated=3)
        result = call(data, fdr=0.1)
        treated = (data["treatment"] == "irradiated").to_numpy()
        total += int(treated.sum())
        positive += int(result["panel_positive"][treated].sum())
        called += int((result["senescence_state"] == "senescent")[treated].sum())
    # Between-animal variation widens the rate beyond the binomial; 2 points are allowed for it.
    assert positive / total <= 0.07
    assert positive > 0
    assert called <= stats.binom.ppf(0.999, total, 0.005)


def test_planted_cells_are_recovered_and_the_fdr_holds() -> None:
    found, false, excess = 0, 0, []
    truth = 0
    for seed in range(4):
        data = tissue(np.random.default_rng(200 + seed), burden=0.2)
        calibration = calibrate(data)
        result = call(data, calibration, fdr=0.1)
        treated = (data["treatment"] == "irradiated").to_numpy()
        mine = (result["senescence_state"] == "senescent").to_numpy() & treated
        truth += int(data["truth"].sum())
        found += int((mine & data["truth"]).sum())
        false += int((mine & ~data["truth"]).sum())
        control_rate = calibration.rates["rate"].mean()
        excess.append(result["panel_positive"][treated].mean() - control_rate)
    assert found / truth > 0.4
    assert false / (found + false) <= 0.15
    assert 0.4 * 0.2 <= np.mean(excess) <= 1.05 * 0.2


@pytest.mark.parametrize("only", [("p21",), ("senmayo", "sasp_secreted")])
def test_one_gene_or_sasp_alone_is_not_called(only: tuple[str, ...]) -> None:
    data = tissue(np.random.default_rng(9), burden=0.4, shift=dict.fromkeys(only, 6.0))
    result = call(data)
    assert (result["senescence_state"] == "senescent")[data["truth"]].mean() < 0.05


def test_samples_are_judged_apart_and_order_does_not_matter() -> None:
    data = tissue(np.random.default_rng(10), burden=0.2)
    calibration = calibrate(data)
    result = call(data, calibration)
    part = data[data["sample"].isin(["s5", "s1"])]
    pd.testing.assert_frame_equal(call(part, calibration), result.loc[part.index])
    shuffled = data.sample(frac=1, random_state=3)
    again = call(shuffled).sort_index()
    pd.testing.assert_frame_equal(again, result)


def test_no_controls_give_a_candidate_at_most() -> None:
    data = tissue(np.random.default_rng(11), burden=0.2, n_control=0)
    data = data.rename(columns=lambda c: c.replace("ucell:", "ucell_z:")).assign()
    for s in PANEL.signatures:
        data[f"ucell_z:{s}"] *= 2
    result = call(data)
    assert "senescent" not in set(result["senescence_state"])
    candidates = result["senescence_state"] == "senescent_candidate"
    assert candidates.any()
    assert set(result.loc[candidates, "reason"]) == {"no control samples"}
    assert result["senescence_fdr"].isna().all()


def test_not_assessable_says_why() -> None:
    data = tissue(np.random.default_rng(12), n=60)
    data["keep"] = data.index != 400
    data.loc[401, [f"ucell:{s}" for s in ("p21", "p53_targets")]] = np.nan
    data.loc[402, "compartment"] = None
    result = call(data)
    assert result.loc[400, "reason"] == "failed quality control"
    assert result.loc[401, "reason"] == "too few axes of evidence"
    assert result.loc[402, "reason"] == (
        "0 control cells, 100 needed; "
        "scores of sen.score(..., null=50) let matched gene sets stand in"
    )
    assert set(result.loc[400:402, "senescence_state"]) == {"not_assessable"}
    few = call(tissue(np.random.default_rng(12), n=20))
    assert set(few["reason"]) == {"60 control cells, 100 needed"}


def test_zero_of_p16_is_missing_evidence() -> None:
    data = tissue(np.random.default_rng(13))
    data["ucell:p16_p15"] = np.where(np.arange(len(data)) % 20 == 0, 0.9, 0.0)
    result = call(data)
    has = data["ucell:p16_p15"] > 0
    assert result.loc[~has, "z:arrest_p16"].isna().all()
    assert (result.loc[has, "z:arrest_p16"] > 1).all()


def test_bulk_is_a_candidate_at_most_and_needs_three_controls() -> None:
    rng = np.random.default_rng(14)
    data = tissue(rng, n=1, n_control=5, n_treated=5, burden=1.0, shift=dict.fromkeys(FULL, 8.0))
    data["ucell:proliferation"] -= 10 * data["truth"]
    result = call(data)
    states = set(result.loc[data["truth"], "senescence_state"])
    assert states == {"senescent_candidate"}
    assert set(result.loc[data["truth"], "reason"]) == {"a bulk sample is a mixture"}
    two = call(data[data["sample"].isin(["s0", "s1", "s7", "s8"])])
    assert set(two["senescence_state"]) == {"not_assessable"}
    assert set(two["reason"]) == {"2 control samples, 3 needed"}
    assert two["senescence_index"].notna().all()


@pytest.mark.parametrize("n_control", [2, 3])
def test_profiles_of_controls_and_others_lie_on_one_scale(n_control: int) -> None:
    """z rises with the score over all samples, whoever the controls are."""
    rng = np.random.default_rng(21)
    data = tissue(rng, n=1, n_control=n_control, n_treated=3, burden=0.0)
    result = call(data)
    score, z = data["ucell:p53_targets"].to_numpy(), result["z:arrest_p53"].to_numpy()
    assert (np.argsort(score) == np.argsort(z)).all()


def test_p_and_q_against_other_implementations() -> None:
    null = {"a": np.array([1.0, 2.0]), "b": np.array([3.0])}
    n = {"a": 10, "b": 10}
    got = control_p(np.array([0.0, 2.0, 5.0]), null, n)
    # Shares .2/.1, .1/.1, 0/0; upper limit of the mean of two: mean + 6.3138 * sd / sqrt(2).
    upper = np.array([0.15 + 6.313752 * 0.05, 0.1, 0.0])
    np.testing.assert_allclose(got, (1 + 20 * upper) / 21, rtol=1e-6)
    assert control_p(np.array([2.0]), {"a": null["a"]}, n)[0] == pytest.approx(2 / 11)
    p = np.random.default_rng(0).uniform(size=30) ** 3
    p[7] = p[3]
    expected = stats.false_discovery_control(np.concatenate([p, np.ones(70)]))[:30]
    np.testing.assert_allclose(q_values(p, p, 100), expected)
    assert q_values(np.array([p.max() + 1e-6]), p, 100)[0] == 1
    assert q_values(np.array([p.min() / 2]), p, 100)[0] == pytest.approx(expected.min())


@pytest.mark.parametrize("n_samples", [1, 2, 9])
def test_p_from_steps_is_p_from_every_control_sample(n_samples: int) -> None:
    """Ties within and between samples, samples of few cells, and one without any that passes."""
    rng = np.random.default_rng(n_samples)
    null = {f"c{i}": np.sort(rng.integers(0, 12, 3 * i).astype(float)) for i in range(n_samples)}
    null["c0"] = null["c0"] if n_samples > 1 else np.array([1.0, 1.0, 4.0])
    n = {s: 40 + 7 * i for i, s in enumerate(null)}
    index = np.concatenate([np.arange(-1, 13), rng.uniform(-1, 13, 50)])
    np.testing.assert_allclose(ControlSteps(null, n)(index), control_p(index, null, n), rtol=1e-9)


def states_of(data: pd.DataFrame, **options: object) -> tuple[set[str], set[str]]:
    """States and reasons of planted cells for which the composite rule holds."""
    result = call(data, **options)
    own = result[data["truth"].to_numpy() & result["panel_positive"].to_numpy()]
    assert len(own)
    return set(own["senescence_state"].astype(str)), set(own["reason"])


def test_ceilings_hold_whatever_the_panel_says() -> None:
    data = tissue(np.random.default_rng(20), burden=0.3, shift=dict.fromkeys(FULL, 5.0))
    data["ucell:proliferation"] -= 8.0 * data["truth"]
    assert states_of(data) == ({"senescent"}, {""})
    one = data[(data["treatment"] == "irradiated") | (data["sample"] == "s0")]
    assert states_of(one) == (
        {"senescent_candidate"},
        {"one control sample: the spread between samples is unknown"},
    )
    blind = data.assign(**{"ucell:proliferation": np.nan})
    assert states_of(blind) == (
        {"senescent_candidate"},
        {"proliferation not assessable: a dividing cell cannot be excluded"},
    )
    post_mitotic = blind.assign(compartment="neuron")
    assert states_of(post_mitotic)[0] == {"senescent"}
    raw = {**PANEL.raw, "states": [PANEL.raw["states"][3], *PANEL.raw["states"][:3],
                                   *PANEL.raw["states"][4:]]}  # fmt: skip
    early = data.assign(days_post_rt=np.where(data["treatment"] == "irradiated", 1.0, np.nan))
    assert states_of(early, panel=raw) == (
        {"acute_damage_response"},
        {"too early for stable senescence"},
    )


def test_samples_far_deeper_or_shallower_than_controls_are_flagged() -> None:
    data = tissue(np.random.default_rng(21), burden=0.3, shift=dict.fromkeys(FULL, 5.0))
    data["ucell:proliferation"] -= 8.0 * data["truth"]
    depth = np.random.default_rng(1).lognormal(8, 0.3, len(data))
    data["n_counts"] = np.where(data["sample"] == "s4", depth / 4, depth)
    result = call(data)
    flagged = result["reason"].str.startswith("depth of the sample")
    assert set(result.loc[flagged, "sample"]) == {"s4"}
    assert flagged[data["sample"] == "s4"].all()
    own = result[data["truth"] & result["panel_positive"]]
    by = own.groupby("sample")["senescence_state"].unique()
    assert set(by["s4"]) == {"senescent_candidate"}
    assert set(by["s5"]) == {"senescent"}


@pytest.mark.parametrize("rows", [37, 500])
def test_blocks_of_cells_are_called_as_the_whole(rows: int) -> None:
    """Samples lie in several blocks, and the depth of a sample is that of all its cells."""
    data = tissue(np.random.default_rng(21), burden=0.3, shift=dict.fromkeys(FULL, 5.0))
    depth = np.random.default_rng(1).lognormal(8, 0.3, len(data))
    data["n_counts"] = np.where(data["sample"] == "s4", depth / 4, depth)
    data["cell"] = [f"cell{i}" for i in range(len(data))]
    data = data.sample(frac=1, random_state=0, ignore_index=True)
    made = calibrate(data)
    blocks = (data.iloc[start : start + rows] for start in range(0, len(data), rows))
    found = call_blocks(blocks, made, middle_depths(data), fdr=0.1, min_days_stable=7.0)
    pd.testing.assert_frame_equal(pd.concat(found), call(data, made))


@pytest.mark.parametrize("day", [-3.0, 0.0])
def test_samples_before_irradiation_are_not_acute(day: float) -> None:
    data = tissue(np.random.default_rng(22), burden=0.3, day=day)
    result = call(data)
    assert result["panel_positive"].any()
    assert "acute_damage_response" not in set(result["senescence_state"])
    soon = call(data.assign(days_post_rt=data["days_post_rt"] + 4))
    assert "acute_damage_response" in set(soon["senescence_state"])


def test_false_discovery_rate_is_one_over_the_run() -> None:
    rng = np.random.default_rng(23)
    few = tissue(rng, burden=0.3)
    quiet = tissue(rng, compartment="tumour", n=600)
    both = pd.concat([few, quiet], ignore_index=True)
    alone, together = call(few), call(both).iloc[: len(few)]
    p = {}
    for name, data in (("alone", few), ("together", both)):
        made = calibrate(data)
        p[name] = made.tests[False]
        assert sum(n for _, n in p[name].n_of_day) == (data["treatment"] == "irradiated").sum()
    treated = (few["treatment"] == "irradiated").to_numpy() & alone["panel_positive"].to_numpy()
    # Benjamini-Hochberg by scipy over all irradiated cells of the run, 1 where the rule fails.
    for result, name in ((alone, "alone"), (together, "together")):
        n = sum(n for _, n in p[name].n_of_day)
        padded = np.concatenate([p[name].p, np.ones(n - len(p[name].p))])
        q = stats.false_discovery_control(padded)[: len(p[name].p)]
        assert set(np.float32(result["senescence_fdr"][treated])) <= set(np.float32(q))
    assert (together["senescence_fdr"][treated] >= alone["senescence_fdr"][treated]).all()
    # Acute cells are no tests of senescence: they neither help nor cost.
    acute = tissue(rng, burden=0.5, day=1.0, compartment="fibroblast")
    acute = acute[acute["treatment"] == "irradiated"].assign(
        sample=lambda d: "a" + d["sample"], cell=lambda d: "a" + d["cell"]
    )
    more = call(pd.concat([few, acute], ignore_index=True)).iloc[: len(few)]
    pd.testing.assert_series_equal(more["senescence_fdr"], alone["senescence_fdr"])


def anndata_of(data: pd.DataFrame) -> AnnData:
    import anndata as ad

    scores = [c for c in data if c.startswith("ucell:")]
    obs = data.drop(columns=scores).set_index("cell", drop=True)
    table = data[scores].set_axis([c.removeprefix("ucell:") for c in scores], axis=1)
    table.index = pd.Index(obs.index)
    return ad.AnnData(np.zeros((len(data), 1), np.float32), obs=obs, obsm={"score_ucell": table})


def test_anndata_and_table_agree_and_explain() -> None:
    data = tissue(np.random.default_rng(15), burden=0.3)
    expected = call(data)
    adata = anndata_of(data)
    other = call(adata, copy=True)
    assert "senescence_state" not in adata.obs
    assert call(adata) is None
    for column in ("senescence_state", "senescence_index", "senescence_fdr"):
        assert list(adata.obs[column].astype(str)) == list(expected[column].astype(str))
    assert other.uns["senoscore"]["call"]["panel"] == "default"
    cell = expected.loc[expected["senescence_state"] == "senescent", "cell"].iloc[0]
    small, large = explain(expected, cell), explain(adata, cell)
    np.testing.assert_allclose(small["z"], large["z"])
    assert list(small["cut"]) == list(large["cut"])
    assert small.loc[small["decided"], "direction"].eq("up").all()
    assert large.attrs["senescence_state"] == "senescent"
    drawn = pl.evidence_table(large)
    assert drawn["z"].notna().all()
    assert set(drawn.loc[drawn["role"] == "decided", "axis"]) == set(
        large["axis"][large["decided"]]
    )
    assert "senescent, index" in pl.to_svg(pl.evidence(large))
    assert large["score"].notna().all()
    assert large["null_p"].isna().all()
    sasp = large.set_index("axis").loc["sasp"]
    at = adata.obsm["score_ucell"].loc[cell]
    assert sasp["score"] == pytest.approx((at["sasp_secreted"] + at["senmayo"]) / 2)
    raw = {**PANEL.raw, "axes": PANEL.raw["axes"][:-1], "name": "mine"}
    for called in (expected, adata):
        with pytest.raises(InputError, match="not made with panel 'mine'"):
            explain(called, cell, panel=raw)
    with pytest.raises(InputError, match="explain table"):
        pl.evidence(data)
    with pytest.raises(InputError, match="no cell 'x'"):
        explain(adata, "x")
    with pytest.raises(InputError, match="has no calls"):
        explain(data, "x")


def test_calibration_from_a_file_calls_alike(tmp_path: Path) -> None:
    data = tissue(np.random.default_rng(16), burden=0.2, n=120)
    made = calibrate(data)
    made.save(tmp_path / "c.parquet")
    pd.testing.assert_frame_equal(
        call(data, Calibration.read(tmp_path / "c.parquet")), call(data, made)
    )
    with pytest.raises(ConfigError, match="fdr is 1"):
        call(data, made, fdr=1.0)


def scored(folder: str, table: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and sample sheet of a bulk set."""
    from senoscore.genesets.library import signatures
    from senoscore.scoring.score import score

    if not (REALDATA / folder).is_dir():
        pytest.skip(f"shared/realdata/{folder} is not here")
    values = pd.read_csv(REALDATA / folder / table, sep="\t", index_col=0).T
    sheet = pd.read_csv(REALDATA / folder / "samples.tsv", sep="\t", index_col=0)
    scores = score(values, signatures(*PANEL.signatures))
    scores["cell"] = scores["sample"] = values.index
    scores["compartment"] = "bulk"
    return scores, sheet.reindex(values.index)


@pytest.mark.realdata
def test_senescent_fibroblasts_are_ranked_above_proliferating_ones() -> None:
    scores, sheet = scored("gse63577_fibroblasts_replicative_bulk", "normalised.tsv.gz")
    old = (sheet["Condition"] == "Senescent").to_numpy()
    scores["treatment"] = np.where(old, "irradiated", "control")
    scores["days_post_rt"] = np.where(old, 30.0, np.nan)
    result = call(scores)
    index = result["senescence_index"]
    auroc = stats.mannwhitneyu(index[old], index[~old]).statistic / (old.sum() * (~old).sum())
    assert auroc > 0.9
    assert "senescent" not in set(result["senescence_state"])
    assert not result["panel_positive"][~old].any()


@pytest.mark.realdata
def test_acute_p53_response_of_molt4_is_not_senescence() -> None:
    scores, sheet = scored("molt4_irradiated_timecourse_array", "intensity.tsv.gz")
    scores["treatment"] = sheet["treatment"]
    scores["days_post_rt"] = sheet["time_post_rt"] / 24
    result = call(scores)
    assert set(result["senescence_state"]) <= {"acute_damage_response", "other"}
    high = ((sheet["dose_gy"] == 5) & (sheet["time_post_rt"] >= 2)).to_numpy()
    assert (result["senescence_state"] == "acute_damage_response")[high].mean() > 0.8
    assert (result["z:arrest_p53"][high] > 5).all()
