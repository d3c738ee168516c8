"""How often the trend test errs, what its intervals cover, and what cell-level tests would do.

Run ``python validation/simulate_trend.py`` (ten minutes; numbers of tables as arguments run those
only) to print the tables of docs/statistics.md. Every replicate of a setting is one compartment
of one burden table, so what is measured is :func:`senoscore.trend`, :func:`senoscore.readouts` and
:func:`senoscore.escape` themselves, not a copy of their formulas.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from senoscore.biology.targets import escape
from senoscore.inference.readouts import readouts
from senoscore.inference.trend import trend

if TYPE_CHECKING:
    from collections.abc import Iterable

SEED = 20261123
CONTROL, TRUTH = 0.05, 0.15
DAYS = (7.0, 28.0, 90.0)


def study(
    rng, *, replicates, n, rho, effect, cells=(200, 200), control=CONTROL, n_control=None
) -> pd.DataFrame:
    """Beta-binomial burden: n animals at day 0 (controls) and at each of three times."""
    a = 1 / rho - 1
    tables = []
    shares = [effect] * len(DAYS) if np.isscalar(effect) else effect
    for day, p in zip((0.0, *DAYS), (control, *shares), strict=True):
        shape = (replicates, (n_control or n) if day == 0 else n)
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
    (2, 0.02, EQUAL), (3, 0.02, EQUAL), (4, 0.02, EQUAL), (5, 0.02, EQUAL), (6, 0.02, EQUAL),
    (3, 0.05, EQUAL), (6, 0.05, EQUAL), (4, 0.02, (400, 60)), (4, 0.02, (60, 400)),
)  # fmt: skip


def main(wanted: Iterable[str] = ()) -> None:
    """Write the tables (all, or those of these numbers) to standard output."""
    warnings.simplefilter("ignore")
    tables = (
        ("Contrasts, trend, power", COLUMNS, _line, SETTINGS),
        ("Against other tests and intervals", OTHERS, others, ((n,) for n in (2, 3, 4, 5, 6))),
        ("A quiet time among raised ones", QUIET, quiet_time, ((3, 0.02), (6, 0.05))),
        (
            "Read-outs: 95 % interval covers",
            READ,
            curve,
            ((3, 3, 0.05), (3, 9, 0.05), (6, 6, 0.05)),
        ),
        ("Partly repeated", PARTLY, partly, ((3, 1), (6, 2), (6, 5))),
        ("Hardly any cell called", RARE, rare, ((3, 40, 0.002), (3, 100, 0.005), (5, 100, 0.002))),
        ("Groups that vary differently", SPREAD, spread, SPREADS),
        ("Modalities beside controls that hardly vary", BEAMS, beams, ((3,), (5,), (8,))),
        ("Steps between times that vary differently", STEPS, steps, STEPPED),
    )
    chosen = {int(number) for number in wanted} or set(range(1, len(tables) + 1))
    for number, (title, columns, line, settings) in enumerate(tables, start=1):
        if number in chosen:
            rng = np.random.default_rng(SEED + number - 1)
            _table(title, columns, (line(rng, *own) for own in settings))


def _table(title: str, columns: tuple[str, ...], lines: Iterable[list[str]]) -> None:
    sys.stdout.write(f"\n{title}\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n")
    for line in lines:
        sys.stdout.write(f"| {' | '.join(line)} |\n")
        sys.stdout.flush()


OTHERS = (
    "animals a group", "sample means, t: p < 0.05", "cells, t: p < 0.05",
    "cells, MixedLM (Wald z): p < 0.05", "mean of a group: t interval covers",
    "mean of a group: percentile bootstrap covers",
)  # fmt: skip


def others(rng, n: int, *, replicates=200, cells=30, icc=0.1) -> list[str]:
    """Two groups of n animals without an effect, by three tests and two intervals."""
    import statsmodels.api as sm

    animal = np.repeat(np.arange(2 * n), cells)
    arm = (animal >= n).astype(float)
    X = np.column_stack([np.ones(len(arm)), arm])
    hits, covers = np.zeros((replicates, 3)), np.zeros((replicates, 2))
    for r in range(replicates):
        mean = rng.normal(0, np.sqrt(icc), 2 * n)
        y = mean[animal] + rng.normal(0, np.sqrt(1 - icc), len(animal))
        own = y.reshape(2 * n, cells).mean(axis=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says where it did not converge; it is counted
            mixed = sm.MixedLM(y, X, groups=animal).fit()
        p = [stats.ttest_ind(own[:n], own[n:]).pvalue,
             stats.ttest_ind(y[arm == 0], y[arm == 1]).pvalue, mixed.pvalues[1]]  # fmt: skip
        hits[r] = np.array(p) < 0.05
        first = own[:n]
        half = stats.t.ppf(0.975, n - 1) * first.std(ddof=1) / np.sqrt(n)
        again = first[rng.integers(0, n, (2000, n))].mean(axis=1)
        lo, hi = np.quantile(again, [0.025, 0.975])
        covers[r] = abs(first.mean()) <= half, lo <= 0 <= hi
    return [str(n), *(f"{x:.3f}" for x in (*hits.mean(axis=0), *covers.mean(axis=0)))]


QUIET = (
    "animals a group", "rho between animals", "arcsine: p < 0.05 at the quiet time",
    "logit: p < 0.05 at the quiet time", "arcsine: interval of a raised time covers",
    "logit: interval of a raised time covers",
)  # fmt: skip


def quiet_time(rng, n: int, rho: float, *, replicates=100) -> list[str]:
    """Day 7 as the controls (5 %), days 28 and 90 at 35 and 30 %."""
    shares = (CONTROL, 0.35, 0.30)
    table = study(rng, replicates=replicates, n=n, rho=rho, effect=shares)
    many = study(rng, replicates=1, n=40_000, rho=rho, effect=shares)
    errs, covers = [], []
    for transform in ("arcsine", "logit"):
        # 40,000 animals say what the difference is on this scale; the offset is of 200 cells.
        y = _scaled(many, transform).groupby(many["days_post_rt"]).mean()
        found = trend(table, measures=["fraction_senescent"], transform=transform)
        found = found[found["question"] == "irradiated_vs_control"]
        errs.append((found["p"][found["days_post_rt"] == 7] < 0.05).mean())
        late = found[found["days_post_rt"] == 28]
        truth = y[28.0] - y[0.0]
        covers.append(((late["ci_lo"] <= truth) & (late["ci_hi"] >= truth)).mean())
    return [str(n), f"{rho:g}", *(f"{x:.3f}" for x in (*errs, *covers))]


def _scaled(table: pd.DataFrame, transform: str) -> pd.Series:
    share = table["n_positive"] / table["n_assessable"]
    if transform == "arcsine":
        return np.arcsin(np.sqrt(share))
    half = 0.5 / table["n_assessable"].median()
    return np.log((share + half) / (1 - share + half))


READ = ("animals a time", "controls", "rho between animals", "persistent", "decline", "area")


def curve(rng, n: int, n_control: int, rho: float, *, replicates=200) -> list[str]:
    """Controls at 3 %, days 7, 28 and 90 at 10, 35 and 30 %; decline where day 28 is the peak."""
    shares = (0.10, 0.35, 0.30)
    own = {"replicates": replicates, "n": n, "n_control": n_control, "rho": rho}
    found = readouts(study(rng, effect=shares, control=0.03, **own))
    area = np.trapezoid(shares, DAYS) - 0.03 * (DAYS[-1] - DAYS[0])
    truth = {"persistent": 0.30, "decline": 0.05, "area": area}
    found = found[found["ci_lo"].notna() & found["readout"].isin(truth)]
    inside = found["readout"].map(truth).between(found["ci_lo"], found["ci_hi"])
    rates = inside.groupby(found["readout"]).mean()
    return [str(n), str(n_control), f"{rho:g}", *(f"{rates[name]:.3f}" for name in truth)]


PARTLY = (
    "animals a group", "of them in both groups", "correlation 0: p < 0.05", "0.5: p < 0.05",
    "0.8: p < 0.05",
)  # fmt: skip


def partly(rng, n: int, shared: int, *, replicates=200) -> list[str]:
    """No effect; some animals are in the control and in the irradiated group."""
    names = [f"m{i}" for i in range(n)]
    names += [f"m{i}" if i < shared else f"t{i}" for i in range(n)]
    known, animal = np.unique(names, return_inverse=True)
    rates = []
    for correlation in (0.0, 0.5, 0.8):
        tables = []
        for r in range(replicates):
            mean = rng.normal(0, np.sqrt(correlation), len(known))
            index = mean[animal] + rng.normal(0, np.sqrt(1 - correlation), 2 * n)
            tables.append(
                pd.DataFrame(
                    {
                        "sample": [f"s{i}" for i in range(2 * n)],
                        "subject": names,
                        "treatment": ["control"] * n + ["irradiated"] * n,
                        "dose_gy": [0.0] * n + [8.0] * n,
                        "days_post_rt": [0.0] * n + [7.0] * n,
                        "compartment": f"r{r:04d}",
                        "n_assessable": 200,
                        "n_positive": 10,
                        "status": "ok",
                        "index_mean": index,
                    }
                )
            )
        found = trend(pd.concat(tables, ignore_index=True), measures=["index_mean"])
        rates.append((found["p"][found["question"] == "irradiated_vs_control"] < 0.05).mean())
    return [str(n), str(shared), *(f"{x:.3f}" for x in rates)]


SPREAD = (
    "animals a time", "controls", "SD of controls, day 7, 28, 90", "day 7: p < 0.05",
    "day 28: p < 0.05", "day 28: interval covers", "day 28 by 3: power",
)  # fmt: skip
SPREADS = tuple(
    (n, n_control or n, sds)
    for sds, n_control in (
        ((1, 1, 1, 1), 0), ((1, 1, 3, 1), 0), ((1, 3, 3, 3), 0), ((1, 3, 3, 3), 9),
        ((3, 1, 1, 1), 0),
    )
    for n in (3, 5, 8)
)  # fmt: skip


def spread(rng, n: int, n_control: int, sds: tuple[float, ...], *, replicates=1000) -> list[str]:
    """No effect on a mean, and groups that vary differently; and day 28 by three SDs higher."""
    rates: list[float] = []
    sizes = (n_control, n, n, n)
    for shift in (0.0, 3.0 * max(sds[0], sds[2])):
        values = [
            rng.normal(shift * (day == DAYS[1]), sd, (size, replicates))
            for day, sd, size in zip((0.0, *DAYS), sds, sizes, strict=True)
        ]
        found = _many(sizes, (0.0, *DAYS), np.vstack(values))
        found = found[found["question"] == "irradiated_vs_control"]
        early, late = (found[found["days_post_rt"] == day] for day in DAYS[:2])
        if not shift:
            covers = (late["ci_lo"] < 0) & (late["ci_hi"] > 0)
            rates += [(early["p"] < 0.05).mean(), (late["p"] < 0.05).mean(), covers.mean()]
        else:
            rates.append((late["p"] < 0.05).mean())
    words = ", ".join(f"{sd:g}" for sd in sds)
    return [str(n), str(n_control), words, *(f"{x:.3f}" for x in rates)]


def _many(sizes: Iterable[int], days: Iterable[float], values: np.ndarray, **more) -> pd.DataFrame:
    """Trend of many studies of one design; ``values`` has a row a sample, a column a study."""
    day = np.repeat(list(days), list(sizes))
    table = pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(len(day))],
            "treatment": np.where(day == 0, "control", "irradiated"),
            "dose_gy": np.where(day == 0, 0.0, 8.0), "days_post_rt": day, "compartment": "tumour",
            "n_assessable": 200, "n_positive": 0, "status": "ok", **more,
        }
    )  # fmt: skip
    studies = pd.DataFrame(values).add_prefix("mean:study:")
    names = [str(name).removeprefix("mean:") for name in studies]
    return trend(pd.concat([table, studies], axis=1), measures=names)


BEAMS = ("animals an arm", "index: p < 0.05", "arcsine of a fraction: p < 0.05")


def beams(rng, n: int, *, replicates=1000) -> list[str]:
    """Photons and FLASH alike, 30 % senescent; controls that hardly vary and have none."""
    modality = np.repeat(["", "photon", "flash"], n)
    index = np.vstack([rng.normal(0, sd, (n, replicates)) for sd in (0.1, 1, 1)])
    size = 1 / 0.05 - 1
    called = rng.binomial(200, rng.beta(0.3 * size, 0.7 * size, (2 * n, replicates))) / 200
    share = np.vstack([np.zeros((n, replicates)), np.arcsin(np.sqrt(called))])
    rates = []
    for values in (index, share):
        found = _many([n] * 3, (0.0, 7.0, 7.0), values, modality=modality)
        rates.append((found["p"][found["question"] == "modality"] < 0.05).mean())
    return [str(n), *(f"{rate:.3f}" for rate in rates)]


STEPS = (
    "animals a time", "SD of controls, day 7, 28, 90", "axis, 7 to 28: p < 0.05",
    "axis, 28 to 90: p < 0.05", "fraction, 7 to 28: p < 0.05", "fraction, 28 to 90: p < 0.05",
)  # fmt: skip
STEPPED = tuple(
    (n, sds) for sds in ((1, 1, 1, 1), (1, 3, 1, 1), (1, 1, 3, 1), (1, 1, 1, 3)) for n in (3, 5)
)


def steps(rng, n: int, sds: tuple[float, ...], *, replicates=300) -> list[str]:
    """No time differs from the next in mean; one varies more in an axis."""
    table = study(rng, replicates=replicates, n=n, rho=0.02, effect=CONTROL)
    spread = table["days_post_rt"].map(dict(zip((0.0, *DAYS), sds, strict=True)))
    table["mean:ucell:escape_stemness"] = spread * rng.normal(size=len(table))
    table = table.assign(n_cells=200, n_cycling=rng.binomial(200, 0.2, len(table)), n_escaped=0)
    found = escape(table, compartments=sorted(set(table["compartment"])))
    at = found.groupby("from_days")
    rates = [(p < 0.05).mean() for m in ("stemness_p", "burden_p") for _, p in at[m]]
    return [str(n), ", ".join(f"{sd:g}" for sd in sds), *(f"{rate:.3f}" for rate in rates)]


RARE = (
    "animals a group", "cells", "share called in every arm", "p < 0.05", "p < 0.01", "p < 0.001",
)  # fmt: skip


def rare(rng, n: int, cells: int, share: float, *, replicates=300) -> list[str]:
    """No effect, cells as good as drawn one by one, and nearly every sample without a call."""
    table = study(rng, replicates=replicates, n=n, rho=1e-4, effect=share, control=share,
                  cells=(cells, cells))  # fmt: skip
    found = trend(table, measures=["fraction_senescent"])
    p = found["p"][(found["question"] == "irradiated_vs_control") & found["status"].eq("tested")]
    return [
        str(n),
        str(cells),
        f"{share:g}",
        *(f"{(p < a).mean():.4f}" for a in (0.05, 0.01, 1e-3)),
    ]


def _line(rng, n, rho, cells, *, replicates=150) -> list[str]:
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
    main(sys.argv[1:])
