"""Calibration: baselines that one animal cannot set, cuts that hold in left-out controls."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore.calling.baseline import (
    baseline,
    bulk_baseline,
    depth_slope,
    depth_spread,
    sample_stats,
    shrink,
)
from senoscore.calling.calibrate import calibrate
from senoscore.calling.calibration import Calibration
from senoscore.calling.call import call
from senoscore.calling.evidence import Tables
from senoscore.calling.panel import load_panel
from senoscore.errors import ConfigError, DesignError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PANEL = load_panel()


def controls(
    rng: np.random.Generator,
    *,
    n_samples: int = 3,
    n: int = 200,
    donor_sd: float = 0.33,
    skewed: bool = False,
    compartment: str = "fibroblast",
    first: int = 0,
) -> pd.DataFrame:
    parts = []
    k = len(PANEL.signatures)
    for i in range(first, first + n_samples):
        own = rng.gamma(2, 1, (n, k)) / np.sqrt(2) if skewed else rng.normal(size=(n, k))
        x = 0.55 * rng.normal(size=(n, 1)) + 0.84 * own + rng.normal(0, donor_sd, k)
        table = pd.DataFrame(x, columns=[f"ucell:{s}" for s in PANEL.signatures])
        table["cell"] = [f"{compartment}{i}_{j}" for j in range(n)]
        table["sample"] = f"s{i}"
        table["compartment"] = compartment
        table["treatment"] = "control"
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def column(values: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    codes = np.repeat(np.arange(len(values)), [len(v) for v in values])
    return np.concatenate(values)[:, None], codes


def test_baseline_by_hand_and_one_extreme_sample() -> None:
    rng = np.random.default_rng(0)
    plain = [rng.normal(size=100).tolist() for _ in range(4)]
    extreme = [*plain, (50 + 30 * rng.normal(size=5000)).tolist()]
    values, codes = column(extreme)
    own = baseline(sample_stats(values, codes, 5), np.ones(5, bool))
    medians = [np.median(v) for v in extreme]
    mads = [1.4826 * np.median(np.abs(v - np.median(v))) for v in extreme]
    assert own.centre[0] == pytest.approx(np.median(medians))
    assert own.scale[0] == pytest.approx(np.median(mads))
    assert abs(own.centre[0]) < 0.3
    assert own.scale[0] < 1.3


def test_zero_inflated_scores_take_the_sd_and_constants_are_not_assessable() -> None:
    x = [[0.0] * 90 + [0.8] * 10] * 3
    values, codes = column(x)
    own = baseline(sample_stats(values, codes, 3), np.ones(3, bool))
    assert own.centre[0] == 0
    assert own.scale[0] == pytest.approx(np.sqrt(0.1 * 0.64))
    # Detected in one sample only: the root mean square over samples.
    values, codes = column([[0.0] * 100, [0.0] * 100, x[0]])
    own = baseline(sample_stats(values, codes, 3), np.ones(3, bool))
    assert own.scale[0] == pytest.approx(np.sqrt(0.064 / 3))
    values, codes = column([[0.0] * 100] * 3)
    assert np.isnan(baseline(sample_stats(values, codes, 3), np.ones(3, bool)).scale[0])


def test_shrinkage_and_bulk_scale_by_hand() -> None:
    own = baseline(sample_stats(*column([[0.0, 1, 2, 3, 4]]), 1), np.ones(1, bool))
    across = np.array([4.0])
    expected = np.sqrt((50 * 16 + 150 * own.scale**2) / 200)
    np.testing.assert_allclose(shrink(own, 150, across).scale, expected)
    assert shrink(own, 200, across) is own
    x = np.array([[1.0, 0.0, 5.0], [2.0, 4.0, 5.0], [3.0, 8.0, 5.0]])
    sd0 = 2.5  # median of 1 and 4; the constant column has none
    expected = np.sqrt((4 * sd0**2 + 2 * np.array([1.0, 16, 0])) / 6 * (4 / 3))
    np.testing.assert_allclose(bulk_baseline(x).scale, expected)


@pytest.mark.parametrize("skewed", [False, True])
def test_cut_holds_in_left_out_and_in_new_samples(skewed: bool) -> None:
    rng = np.random.default_rng(3)
    rates = []
    for _ in range(3):
        data = controls(rng, skewed=skewed)
        made = calibrate(data, alpha=0.05)
        own = made.by_compartment["fibroblast"]
        assert own.rate_loso <= 0.05
        assert made.rates["rate"].mean() == pytest.approx(own.rate_loso)
        assert set(made.rates["sample"]) == {"s0", "s1", "s2"}
        rates.append(own.rate_loso)
        assert 0.8 < own.z_cut < 2
    # 3 x 600 cells: tuned to the rate, not far below it.
    assert np.mean(rates) > 0.035


def test_order_of_cells_and_other_compartments_change_nothing() -> None:
    rng = np.random.default_rng(5)
    data = controls(rng)
    base = calibrate(data).to_frame()
    shuffled = data.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(calibrate(shuffled).to_frame(), base)
    other = controls(rng, compartment="tumour", first=7)
    both = calibrate(pd.concat([data, other], ignore_index=True)).to_frame()
    own = both[both["compartment"] == "fibroblast"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, base[base["compartment"] == "fibroblast"])


def test_gates() -> None:
    rng = np.random.default_rng(6)
    single = calibrate(controls(rng, n_samples=1, n=300)).by_compartment["fibroblast"]
    assert single.status == "single_control"
    assert single.alpha == 0.01
    assert single.rate_loso <= 0.01
    few = calibrate(controls(rng, n_samples=2, n=40)).by_compartment["fibroblast"]
    assert few.status == "not_assessable"
    assert few.note == "80 control cells, 100 needed"
    three = calibrate(controls(rng), min_control_samples=4).by_compartment["fibroblast"]
    assert three.status == "few_control_samples"
    none = calibrate(controls(rng).assign(treatment="irradiated")).by_compartment["fibroblast"]
    assert none.status == "not_assessable"
    assert none.note.startswith("0 control cells, 100 needed; scores of sen.score(..., null=50)")
    dropped = controls(rng)
    dropped["keep"] = dropped["sample"] != "s0"
    assert set(calibrate(dropped).rates["sample"]) == {"s1", "s2"}


def test_file_round_trip(tmp_path: Path) -> None:
    made = calibrate(controls(np.random.default_rng(7)))
    made.save(tmp_path / "calibration.parquet")
    back = Calibration.read(tmp_path / "calibration.parquet")
    pd.testing.assert_frame_equal(back.to_frame(), made.to_frame())
    pd.testing.assert_frame_equal(back.rates, made.rates)
    assert back.control == {"treatment": "control"}
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match="not a calibration"):
        Calibration.read(tmp_path / "x.parquet")


def test_errors() -> None:
    data = controls(np.random.default_rng(8), n=50)
    with pytest.raises(ConfigError, match="alpha is 0"):
        calibrate(data, alpha=0.0)
    with pytest.raises(InputError, match="no column 'compartment'"):
        calibrate(data.drop(columns="compartment"))
    with pytest.raises(InputError, match="no column 'treatment'"):
        calibrate(data.drop(columns="treatment"))
    with pytest.raises(InputError, match="no score of panel"):
        calibrate(data, method="aucell")
    data.loc[0, "treatment"] = "irradiated"
    with pytest.raises(DesignError, match="'s0' is control in some cells"):
        calibrate(data)
    data.loc[0, "sample"] = None
    with pytest.raises(InputError, match="1 cells have no sample"):
        calibrate(data)


def test_slope_with_depth_by_hand() -> None:
    rng = np.random.default_rng(3)
    codes = np.repeat([0, 1], 100)
    log_depth = rng.uniform(7, 9, 200)
    # Samples differ in level; the trend within them is what counts, and one column is missing.
    values = np.column_stack([0.2 * log_depth + 5.0 * codes, np.full(200, np.nan)])
    slope, middle = depth_slope(values, log_depth, codes)
    assert slope[0] == pytest.approx(0.2 * 200 / 250, rel=0.02)  # n / (n + 50)
    assert slope[1] == 0
    assert middle == pytest.approx(np.median(log_depth))
    log_depth[7] = np.nan
    assert depth_slope(values, log_depth, codes)[0].tolist() == [0, 0]


def test_spread_with_depth_against_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    codes = np.repeat([0, 1], 400)
    log_depth = rng.uniform(7, 9, 800)
    noise = rng.normal(size=(800, 2)) * np.exp(-0.4 * (log_depth[:, None] - 8))
    noise[3, 1] = np.nan
    got = depth_spread(noise, log_depth, codes)
    x = log_depth - np.median(log_depth)
    x = np.clip(x, *np.quantile(x, [0.02, 0.98]))
    for column in range(2):
        y = noise[:, column]
        middle = pd.Series(y).groupby(codes).transform("median")
        off = np.abs(y - middle)
        ok = off.notna().to_numpy()
        fit = sm.GLM(off[ok], sm.add_constant(x[ok]), family=sm.families.Poisson()).fit()
        assert got[column] == pytest.approx(fit.params.iloc[1] * ok.sum() / (ok.sum() + 50), 1e-6)
    log_depth[7] = np.nan
    assert depth_spread(noise, log_depth, codes).tolist() == [0, 0]


def test_no_cut_high_enough_is_not_assessable() -> None:
    data = controls(np.random.default_rng(11), n_samples=4)
    far = data["sample"].isin(["s0", "s1"])
    names = [c for c in data if c.startswith("ucell:") and c != "ucell:proliferation"]
    data.loc[far, names] += 100
    own = calibrate(data).by_compartment["fibroblast"]
    assert own.status == "not_assessable"
    assert own.note.startswith("no cut keeps the rule below 5% of control cells")
    assert set(call(data)["senescence_state"]) == {"not_assessable"}


def test_rates_are_of_assessable_cells_and_name_states_without_fdr() -> None:
    data = controls(np.random.default_rng(12), n=400)
    half = np.arange(len(data)) % 2 == 0
    lost = [f"ucell:{s}" for s in ("chromatin_nuclear", "lysosome", "sasp_secreted", "senmayo")]
    data.loc[half, lost] = np.nan
    made = calibrate(data)
    rates = made.rates.set_index("sample")
    result = call(data, made)
    able = result["senescence_index"].notna()
    assert not able[half].any()
    for sample, row in rates.iterrows():
        own = result[able & (result["sample"] == sample)]
        assert row["n_assessable"] == len(own) == 200
        assert row["rate"] == pytest.approx(own["panel_positive"].mean())
        assert row["rate_escaped"] == pytest.approx((own["senescence_state"] == "escaped").mean())
    assert 0.03 < made.by_compartment["fibroblast"].rate_loso <= 0.05
    soon = call(data.assign(treatment="x", days_post_rt=1.0), made)
    acute = (soon["senescence_state"] == "acute_damage_response")[able].mean()
    # Called as treated, the cells are judged by all controls, themselves among them.
    assert rates["rate_acute"].mean() == pytest.approx(acute, abs=0.02)


@pytest.mark.parametrize("assay", ["sc", None])
def test_one_cell_a_sample_is_no_bulk_profile(assay: str | None) -> None:
    rng = np.random.default_rng(13)
    data = pd.concat([controls(rng), controls(rng, n=1, compartment="neuron")], ignore_index=True)
    if assay:
        data["assay"] = assay
    own = calibrate(data).by_compartment["neuron"]
    assert own.note == "3 control cells, 100 needed"
    alone = controls(rng, n_samples=4, n=1)
    assert calibrate(alone).by_compartment["fibroblast"].mode == "bulk"
    assert calibrate(alone.assign(assay="sc")).by_compartment["fibroblast"].mode == "none"


def test_unknown_depth_is_said(caplog: pytest.LogCaptureFixture) -> None:
    data = controls(np.random.default_rng(14))
    calibrate(data)
    assert "no n_counts" in caplog.text
    caplog.clear()
    calibrate(data.assign(n_counts=1000.0))
    assert "n_counts" not in caplog.text


@pytest.mark.parametrize("name", ["n_counts", "total_counts"])
def test_index_of_control_cells_does_not_follow_depth(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    cells = controls(rng, n_samples=4, n=300)
    depth = rng.lognormal(8, 0.5, len(cells))
    scores = [f"ucell:{s}" for s in PANEL.signatures]
    cells[scores] = cells[scores].add(-1.0 * np.log(depth), axis=0)
    index = call(cells, calibrate(cells))["senescence_index"]
    assert abs(index.corr(pd.Series(depth), method="spearman")) > 0.3
    cells[name] = depth
    made = calibrate(cells)
    made.save(tmp_path / "c.parquet")
    result = call(cells, Calibration.read(tmp_path / "c.parquet"))
    pd.testing.assert_frame_equal(result, call(cells, made))
    levelled = result["senescence_index"]
    assert abs(levelled.corr(pd.Series(depth), method="spearman")) < 0.1


@pytest.mark.parametrize(("n_samples", "groups"), [(20, 20), (21, 10), (45, 10)])
def test_each_control_sample_is_left_out_in_at_most_twenty_fits(
    n_samples: int, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to 20 samples each alone, to the bit; above with the tenth ones after it."""
    from senoscore.calling.evidence import fit_levels

    used: list[tuple[np.ndarray, object]] = []

    def spied(*args: object, **options: object) -> object:
        levels = fit_levels(*args, **options)  # type: ignore[arg-type]
        used.append((np.asarray(args[3]).copy(), levels))
        return levels

    monkeypatch.setattr(sys.modules[calibrate.__module__], "fit_levels", spied)
    table = controls(np.random.default_rng(1), n_samples=n_samples, n=12)
    own = calibrate(table, min_control_cells=100).by_compartment["fibroblast"]
    assert len(used) == 1 + 1 + groups  # the scale over compartments, all samples, without some
    for i, sample in enumerate(sorted(table["sample"].unique())):
        use, levels = used[2 + i % groups]
        assert own.levels[sample] is levels
        np.testing.assert_array_equal(np.flatnonzero(~use) % groups, i % groups)
        assert not use[i]
    assert all(use.sum() >= n_samples - -(-n_samples // groups) for use, _ in used)


def in_tables(cells: pd.DataFrame, rows: int) -> Tables:
    """Cells in tables of so many rows, which cut through samples; texts as categories."""

    def read() -> Iterator[pd.DataFrame]:
        for start in range(0, len(cells), rows):
            part = cells.iloc[start : start + rows].reset_index(drop=True)
            texts = ["sample", "compartment", "treatment"]
            yield part.astype(dict.fromkeys(texts, "category"))

    return Tables(read)


def test_tables_read_one_after_the_other_are_one_study() -> None:
    rng = np.random.default_rng(3)
    rooms = [controls(rng, n=150, compartment=c) for c in ("fibroblast", "tumour")]
    rooms[1].loc[rooms[1].index % 3 == 0, "sample"] = "late"
    rooms[1].loc[rooms[1]["sample"] == "late", "treatment"] = "irradiated"
    cells = pd.concat(rooms, ignore_index=True).assign(days_post_rt=7.0)
    cells["n_counts"] = rng.integers(500, 5000, len(cells))
    whole = calibrate(cells)
    for rows in (77, 400):
        parts = calibrate(in_tables(cells, rows))
        pd.testing.assert_frame_equal(parts.to_frame(), whole.to_frame())


def test_a_sample_that_is_control_in_one_table_only() -> None:
    cells = controls(np.random.default_rng(0), n_samples=2)
    cells.loc[399, "treatment"] = "irradiated"
    with pytest.raises(DesignError, match="'s1' is control in some cells and not in others"):
        calibrate(in_tables(cells, 399))


def test_a_sample_under_two_names_in_different_tables() -> None:
    cells = controls(np.random.default_rng(0), n_samples=2)
    again = cells[cells["sample"] == "s0"].assign(sample="again")
    with pytest.raises(InputError, match="samples 'again' and 's0' hold the same values"):
        calibrate(in_tables(pd.concat([cells, again], ignore_index=True), 400))


def test_many_cells_are_fitted_a_few_columns_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = controls(np.random.default_rng(1)).assign(n_counts=1000.0)
    cells["n_counts"] += np.arange(len(cells))
    whole = calibrate(cells)
    for module, limit, few in (("baseline", "_AT_ONCE", 64), ("evidence", "_ROWS", 100)):
        monkeypatch.setattr(sys.modules[f"senoscore.calling.{module}"], limit, few)
    pd.testing.assert_frame_equal(calibrate(cells).to_frame(), whole.to_frame())
