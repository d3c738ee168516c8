"""Does a compartment without senescence rise where the others hold senescent cells?

Run: ``python validation/quiet_compartment.py SEED ...``. For each seed the tissue of ``senoscore
simulate`` (8 Gy, four days, 400 cells a sample) is called by the learnt programme. T cells have
0.5 % senescent cells in every arm: the share of those that are not senescent and pass is printed
for both arms, and how many contrasts of T cells the trend finds.
"""

from __future__ import annotations

import logging
import sys
import warnings

import numpy as np
import pandas as pd

from senoscore.calling.engine import learn_and_call
from senoscore.inference import trend
from senoscore.simulation import tissue

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

CELLS, DAYS, MIN_CELLS = 400, (7, 14, 28, 90), 30


def called(seed: int) -> pd.DataFrame:
    """Every judged cell: what it is, and whether it passes."""
    a = tissue.simulate(tissue.design(days=DAYS), seed=seed, cells_per_sample=CELLS)
    a = a[~(a.obs["is_doublet"] | a.obs["is_poor"]).to_numpy()].copy()
    a.obs["compartment"] = a.obs["true_compartment"]
    treated = (a.obs["treatment"] != "control").to_numpy()
    group = (a.obs["dose_gy"].astype(str) + "|" + a.obs["time_post_rt"].astype(str)).to_numpy()
    group = np.where(treated, group, "control").astype(object)
    found = learn_and_call(
        a, treated=treated, judged=np.ones(len(a), dtype=bool), group=group,
        subject=a.obs["subject"].to_numpy(),
    ).cells  # fmt: skip
    senescent = a.obs["true_state"].isin(["senescent", "escaped"])
    out = a.obs.assign(passes=found["passes"].to_numpy(), treated=treated, senescent=senescent)
    return out[np.isfinite(found["p"].to_numpy())]


def burden(cells: pd.DataFrame) -> pd.DataFrame:
    """Share of T cells that pass, by sample."""
    cells = cells[cells["true_compartment"] == "t_cell"].rename(
        columns={"time_post_rt": "days_post_rt"}
    )
    design = ["sample", "subject", "treatment", "dose_gy", "days_post_rt", "compartment"]
    counts = cells.groupby(design, observed=True)["passes"].agg(
        n_assessable="size", n_positive="sum"
    )
    enough = counts["n_assessable"] >= MIN_CELLS
    return counts.assign(status=np.where(enough, "ok", "few_cells")).reset_index()


def main() -> None:
    """Print rates over the seeds given."""
    passing, p = [], []
    for seed in map(int, sys.argv[1:]):
        cells = called(seed)
        passing.append(cells[~cells["senescent"]])
        found = trend(burden(cells), measures=["fraction_senescent"])
        mine = found["question"].eq("irradiated_vs_control") & found["status"].eq("tested")
        p.append(found.loc[mine, "p"].to_numpy())
    rates = pd.concat(passing).groupby(["true_compartment", "treated"], observed=True)["passes"]
    sys.stdout.write(rates.agg(["sum", "size", "mean"]).to_string(float_format="%.4f"))
    every = np.concatenate(p)
    hits = ", ".join(f"{int((every < a).sum())} at p < {a:g}" for a in (0.05, 0.01))
    sys.stdout.write(f"\nT cells: {len(every)} contrasts, {hits}\n")


if __name__ == "__main__":
    main()
