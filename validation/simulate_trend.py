"""How often the trend test errs, what its intervals cover, and what cell-level tests would do.

Run ``python validation/simulate_trend.py`` (about three minutes) to print the tables of
docs/statistics.md. Every replicate of a setting is one compartment of one burden table, so what
is measured is :func:`senoscore.trend` itself, not a copy of its formula.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
from scipy import stats

from senoscore._trend import trend

SEED = 20261123
CONTROL, TRUTH = 0.05, 0.15
DAYS = (7.0, 28.0, 90.0)


def study(rng, *, replicates, n, rho, effect, cells=(200, 200)) -> pd.DataFrame:
    """Beta-binomial burden: n animals at day 0 (controls) and at each of three times."""
    a = 1 / rho - 1
    tables = []
    for day, p in [(0.0, CONTROL), *((d, effect) for d in DAYS)]:
        shape = (replicates, n)
        m = cells[0] if day == 0 else cells[1]
        k = rng.binomial(m, rng.beta(p * a, (1 - p) * a, size=shape))
        index = rng.normal(0, 1, size=shape) + rng.normal(0, 1 / np.sqrt(m), size=shape)
        comp, animal = np.indices(shape)
        tables.append(
            pd.DataFrame(
                {
                    "sample": [f"d{day:g}_{i}" for i in animal.ravel()],
                    "treatment": "control" if day == 0 else "irradiated",
                    "dose_gy": 0.0 if day == 0 else 8.0,
                    "days_post_rt": day,
                    "compartment": [f"r{i:04d}" for i in comp.ravel()],
                    "n_assessable": m,
                    "n_positive": k.ravel(),
                    "status": "ok",
                    "index_mean": index.ravel(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def pooled_cells(table: pd.DataFrame) -> float:
    """Share of Fisher tests at day 7 that take cells for replicates and find something."""
    sums = table.groupby(["compartment", "days_post_rt"])[["n_positive", "n_assessable"]].sum()
    hits = []
    for _, of in sums.groupby("compartment"):
        pair = of.droplevel(0).loc[[0.0, 7.0]].to_numpy()
        square = np.column_stack([pair[:, 0], pair[:, 1] - pair[:, 0]])
        hits.append(stats.fisher_exact(square)[1] < 0.05)
    return float(np.mean(hits))


COLUMNS = (
    "animals a group", "cells of controls / irradiated", "rho between animals",
    "fraction: p < 0.05", "index: p < 0.05", "index: 95 % interval covers",
    "trend in log days: p < 0.05", "any time q <= 0.05", "power, 5 % to 15 %",
    "cells as replicates (Fisher): p < 0.05",
)  # fmt: skip
EQUAL = (200, 200)
SETTINGS = (
    (2, 0.02, EQUAL), (3, 0.02, EQUAL), (4, 0.02, EQUAL), (6, 0.02, EQUAL), (3, 0.05, EQUAL),
    (6, 0.05, EQUAL), (4, 0.02, (400, 60)), (4, 0.02, (60, 400)),
)  # fmt: skip


def main(replicates: int = 150) -> None:
    """Write the table to standard output."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(SEED)
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n")
    for n, rho, cells in SETTINGS:
        sys.stdout.write(f"| {' | '.join(_line(rng, replicates, n, rho, cells))} |\n")
        sys.stdout.flush()


def _line(rng, replicates, n, rho, cells) -> list[str]:
    wanted = ["fraction_senescent", "index_mean"]
    null = study(rng, replicates=replicates, n=n, rho=rho, effect=CONTROL, cells=cells)
    found = trend(null, measures=wanted)
    contrast = found[found["question"] == "irradiated_vs_control"]
    share, index = (contrast[contrast["measure"] == m] for m in wanted)
    slope = found[(found["question"] == "trend_log1p_days") & (found["measure"] == wanted[0])]
    covers = (index["ci_lo"] < 0) & (index["ci_hi"] > 0)
    # Within one study: adjusted over its own three times.
    q = share.groupby("compartment")["p"].apply(lambda p: stats.false_discovery_control(p).min())
    real = study(rng, replicates=replicates // 2, n=n, rho=rho, effect=TRUTH, cells=cells)
    power = trend(real, measures=wanted[:1])
    power = power[(power["question"] == "irradiated_vs_control")]
    numbers = [(share["p"] < 0.05).mean(), (index["p"] < 0.05).mean(), covers.mean(),
               (slope["p"] < 0.05).mean(), (q <= 0.05).mean(), (power["p"] < 0.05).mean(),
               pooled_cells(null)]  # fmt: skip
    return [str(n), f"{cells[0]} / {cells[1]}", f"{rho:g}", *(f"{x:.3f}" for x in numbers)]


if __name__ == "__main__":
    main()
