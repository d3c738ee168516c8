"""Many measures of the same samples share their designs, and get the numbers they get alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from senoscore.inference import models
from senoscore.inference.trend import trend


def burdens(n_measures: int = 5) -> pd.DataFrame:
    """Controls and irradiated animals at three days, two batches; one measure has gaps."""
    rng = np.random.default_rng(8)
    rows = []
    for treatment, day, i in product(("control", "irradiated"), (3.0, 28.0, 90.0), range(3)):
        treated = treatment == "irradiated"
        rows.append(
            {
                "sample": f"{treatment}_{day:g}_{i}", "subject": f"{treatment}_{day:g}_{i}",
                "treatment": treatment, "dose_gy": 8.0 * treated, "n_fractions": 1.0,
                "modality": "photon", "days_post_rt": day, "batch": f"b{i % 2}",
                "compartment": "astrocyte", "n_cells": 100, "n_assessable": 100,
                "n_positive": int(rng.integers(0, 30)), "index_mean": rng.normal(),
                "status": "acute" if treated and day < 7 else "ok",
            }
            | {f"mean:ucell:s{j}": rng.normal() for j in range(n_measures)}
        )  # fmt: skip
    table = pd.DataFrame(rows)
    table.loc[4, "mean:ucell:s0"] = np.nan
    return table


@pytest.mark.parametrize("formula", [None, "~ treatment * log_days + batch"])
def test_a_measure_has_the_same_bits_alone_and_among_others(formula):
    table = burdens()
    names = ["fraction_senescent", "index_mean", *(f"ucell:s{j}" for j in range(5))]
    together = trend(table, formula, measures=names)
    assert list(dict.fromkeys(together["measure"])) == names
    for name in names:
        mine = together[together["measure"] == name].reset_index(drop=True).drop(columns="q")
        alone = trend(table, formula, measures=[name]).drop(columns="q")
        pd.testing.assert_frame_equal(mine, alone, check_exact=True)


def test_a_design_is_inverted_once_for_all_measures(monkeypatch):
    calls = []
    inverse = np.linalg.pinv
    monkeypatch.setattr(models.np.linalg, "pinv", lambda X: calls.append(1) or inverse(X))
    counts = []
    for n in (3, 30):
        models._of_bytes.cache_clear()
        calls.clear()
        trend(burdens(n), measures=[f"ucell:s{j}" for j in range(n)])
        counts.append(len(calls))
    assert counts[0] == counts[1] > 0
