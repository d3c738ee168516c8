"""Cells that look senescent and are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
from study import Size, called, table, tissue, two_arms


def states(size: Size) -> pd.DataFrame:
    """What each true state of the simulated tissue is called, on days 1, 7 and 28."""
    rows = []
    for seed in range(600, 600 + size.seeds):
        for day in (1, 7, 28):
            cells = called(table(tissue(seed, size, two_arms(day=day))))
            rows += _by_state(cells, f"day {day}", seed)
        rows += _by_state(called(table(_stressed_controls(seed, size))), "stress in controls", seed)
    return pd.DataFrame(rows)


def _stressed_controls(seed: int, size: Size):
    """Day 7, and a transient p53 response in a tenth of the cells of the sham animals too."""
    treated = tissue(seed, size, two_arms(day=7))
    sheet = two_arms(day=1)
    donors = tissue(seed + 5000, size, sheet[sheet["treatment"] == "irradiated"], burden=0.0)
    acute = donors[(donors.obs["true_state"] == "acute").to_numpy()]
    rng = np.random.default_rng(seed)
    sham = np.flatnonzero((treated.obs["treatment"] == "control").to_numpy())
    wanted = min(len(sham) // 10, acute.n_obs)
    place = rng.choice(sham, wanted, replace=False)
    X = treated.X.tolil()
    X[place] = acute.X[:wanted]
    out = treated.copy()
    out.X = X.tocsr().astype(np.int32)
    for column in ("true_state", "true_compartment", "compartment"):
        values = out.obs[column].astype(str).to_numpy(dtype=object)
        values[place] = acute.obs[column].astype(str).to_numpy(dtype=object)[:wanted]
        out.obs[column] = values
    return out


def _by_state(cells: pd.DataFrame, what: str, seed: int) -> list[dict[str, object]]:
    assessed = cells[cells["senescence_index"].notna()]
    rows = []
    for state, part in assessed.groupby(assessed["true_state"].astype(str)):
        named = part["senescence_state"].astype(str)
        rows.append(
            {
                "what": what,
                "seed": seed,
                "true_state": state,
                "n": len(part),
                "rule": part["panel_positive"].mean(),
                "senescent": (named == "senescent").mean(),
                "acute": (named == "acute_damage_response").mean(),
                "quiescent": (named == "quiescent").mean(),
                "cycling": (named == "cycling").mean(),
                "escaped": (named == "escaped").mean(),
            }
        )
    return rows
