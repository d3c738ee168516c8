"""Power of comparisons of shares: against statsmodels, against simulation, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

import senoscore as sen
from senoscore.errors import InputError
from senoscore.io import write_tsv


@pytest.mark.parametrize("n", [2, 3, 8, 20])
@pytest.mark.parametrize(("share", "to"), [(0.2, 0.1), (0.05, 0.12), (0.1, 0.1)])
def test_two_arms_and_pairs_equal_statsmodels(n: int, share: float, to: float) -> None:
    found = sen.power(share, to, sd=0.06, cells=100, animals=[n]).iloc[0]
    sigma = np.hypot(found["sd_animals"], found["sd_cells"])
    expected = TTestIndPower().power(abs(found["effect"]) / sigma, n, 0.05)
    assert found["power"] == pytest.approx(expected, rel=1e-9)
    pairs = sen.power(share, to, sd=0.06, design="paired", correlation=0.25, animals=[n]).iloc[0]
    sigma = np.sqrt(2 * 0.06**2 * 0.75 + 2 / 400)
    expected = TTestPower().power(abs(pairs["effect"]) / sigma, n, 0.05)
    assert pairs["power"] == pytest.approx(expected, rel=1e-9)


def test_no_difference_is_found_as_often_as_the_error_rate() -> None:
    found = sen.power(0.2, 0.2, sd=0.05, design="interaction", alpha=0.01)
    assert np.allclose(found["power"], 0.01)


@pytest.mark.parametrize("design", ["two_arms", "interaction"])
def test_simulated_studies_find_as_often(design: str) -> None:
    rng = np.random.default_rng(5)
    n, cells, sd, share, to = 6, 80, 0.07, 0.25, 0.12
    studies = 4000
    shares = [share, to] if design == "two_arms" else [0.05, 0.05, share, to]
    signs = [1, -1] if design == "two_arms" else [1, -1, -1, 1]
    arms = []
    for mean in shares:
        angle = np.arcsin(np.sqrt(mean)) + rng.normal(0, sd, (studies, n))
        p = np.sin(np.clip(angle, 0, np.pi / 2)) ** 2
        arms.append(np.arcsin(np.sqrt(rng.binomial(cells, p) / cells)))
    df = len(arms) * (n - 1)
    variance = sum(a.var(axis=1, ddof=1) for a in arms) / len(arms)
    estimate = sum(s * a.mean(axis=1) for s, a in zip(signs, arms, strict=True))
    t = estimate / np.sqrt(variance * len(arms) / n)
    simulated = np.mean(2 * stats.t.sf(np.abs(t), df) < 0.05)
    found = sen.power(share, to, sd=sd, cells=cells, design=design, animals=[n])["power"].iloc[0]
    assert simulated == pytest.approx(found, abs=0.03)


def test_smallest_share_is_found_in_80_of_100_studies() -> None:
    table = sen.power(0.3, 0.2, sd=0.05, animals=[3, 6, 12])
    for _, row in table.iterrows():
        for name in ("share_found", "share_found_above"):
            if np.isnan(row[name]):
                continue
            n = [int(row["animals_per_arm"])]
            again = sen.power(0.3, row[name], sd=0.05, animals=n)
            assert again["power"].iloc[0] == pytest.approx(0.8, abs=1e-6)
    assert table["power"].is_monotonic_increasing
    assert np.isnan(sen.power(0.01, 0.0, sd=0.1, animals=[3])["share_found"].iloc[0])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"share": 20}, "share is 20"),
        ({"to": -0.1}, "to is -0.1"),
        ({"sd": -1}, "sd is -1"),
        ({"sd": float("nan")}, "sd is nan"),
        ({"cells": 0}, "cells is 0"),
        ({"design": "three"}, "design is 'three'"),
        ({"animals": [1]}, "animals is"),
        ({"animals": []}, "animals is"),
        ({"animals": [2.5]}, "animals is"),
        ({"alpha": 0}, "alpha is 0"),
        ({"correlation": 2}, "correlation is 2"),
    ],
)
def test_what_cannot_be_is_refused(given: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sen.power(**({"share": 0.2, "to": 0.1, "sd": 0.05} | given))


def pilot(sd: float, n: int, cells: int) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for treatment, mean in (("control", 0.05), ("irradiated", 0.3)):
        for animal in range(n):
            angle = np.arcsin(np.sqrt(mean)) + rng.normal(0, sd)
            rows.append(
                {
                    "sample": f"{treatment}{animal}",
                    "subject": f"{treatment}{animal}",
                    "compartment": "tumour",
                    "treatment": treatment,
                    "dose_gy": 8.0 * (treatment == "irradiated"),
                    "days_post_rt": 28.0,
                    "n_assessable": cells,
                    "n_positive": rng.binomial(cells, np.sin(angle) ** 2),
                    "status": "ok",
                }
            )
    return pd.DataFrame(rows)


def test_spread_of_a_pilot() -> None:
    found = sen.spread_of(pilot(0.08, 400, 100)).iloc[0]
    assert found["sd_animals"] == pytest.approx(0.08, abs=0.006)
    assert found["sd_total"] == pytest.approx(np.hypot(0.08, 0.05), abs=0.006)
    assert found["df"] == 798
    assert found["share"] == pytest.approx(0.3, abs=0.02)
    few = sen.spread_of(pilot(0.08, 3, 100)).iloc[0]
    assert few["sd_animals_hi"] > few["sd_animals"]
    single = sen.spread_of(pilot(0.08, 1, 100)).iloc[0]
    assert np.isnan(single["sd_animals"])
    assert single["df"] == 0


def test_command_line_takes_a_pilot(tmp_path) -> None:
    from typer.testing import CliRunner

    from senoscore.cli import app

    path = tmp_path / "burden.tsv"
    write_tsv(pilot(0.08, 4, 100), path)
    out = tmp_path / "power.tsv"
    args = ["power", "--burden", str(path), "--compartment", "tumour", "--output", str(out)]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    spread = sen.spread_of(pd.read_csv(path, sep="\t", comment="#")).iloc[0]
    table = pd.read_csv(out, sep="\t", comment="#")
    assert table["share_from"].iloc[0] == pytest.approx(spread["share"], rel=1e-3)
    assert table["sd_animals"].iloc[0] == pytest.approx(spread["sd_animals_hi"], rel=1e-3)
    assert "animals an arm" in done.output
    wrong = CliRunner().invoke(app, [*args[:3], "--compartment", "liver"])
    assert isinstance(wrong.exception, InputError)
    assert "no compartment 'liver'" in str(wrong.exception)
    with pytest.raises(InputError, match="sd is not given"):
        CliRunner().invoke(app, ["power", "--share", "0.2"], catch_exceptions=False)
