"""Nothing is senescent: how often does the call say otherwise?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from study import REALDATA, Size, called, table, tissue, two_arms

from senoscore.cells import assign_compartments

if TYPE_CHECKING:
    from collections.abc import Iterator


def simulated(size: Size) -> pd.DataFrame:
    """Tissue without senescence, four sham and four irradiated animals, one row a compartment."""
    rows = []
    for seed in range(100, 100 + size.seeds):
        for burden, acute, what in ((0.0, 0.0, "simulated, nothing happens"),
                                    (0.0, 1.0, "simulated, transient p53 response")):  # fmt: skip
            day = 28 if acute == 0 else 7
            cells = called(table(tissue(seed, size, two_arms(day=day), burden=burden, acute=acute)))
            rows += list(_rows(cells, what, seed))
    return pd.DataFrame(rows)


def control_splits(size: Size) -> pd.DataFrame:
    """Sham animals of one simulated tissue, half of them called irradiated."""
    rows = []
    for seed in range(200, 200 + size.seeds):
        sheet = two_arms(n=8)
        sheet = sheet[sheet["treatment"] == "control"]
        cells = table(tissue(seed, size, sheet, burden=1.0))
        cells["treatment"] = _halves(cells["sample"], np.random.default_rng(seed))
        rows += list(_rows(called(cells), "simulated, sham split in two", seed))
    return pd.DataFrame(rows)


def real_splits(size: Size) -> pd.DataFrame:
    """Healthy immune cells dealt at random to eight samples, four of them called irradiated."""
    path = REALDATA / "celltypist_immune_cells_sc" / "counts.h5ad"
    if not path.is_file():
        return pd.DataFrame()
    adata = ad.read_h5ad(path)
    adata.X = np.rint(adata.X) if isinstance(adata.X, np.ndarray) else adata.X.rint()
    adata.X = adata.X.astype(np.int32)
    scored = table(adata)
    found = assign_compartments(adata)
    scored["compartment"] = found["compartment"].to_numpy(dtype=object)
    rows = []
    for split in range(size.splits):
        rng = np.random.default_rng(split)
        cells = scored.assign(sample=_dealt(rng, len(scored), 8), days_post_rt=28.0)
        cells["treatment"] = _halves(cells["sample"], rng)
        whole = cells.assign(compartment="immune")  # compartments have 30 to 300 cells
        rows += list(_rows(called(whole), "healthy immune cells, all as one", split))
        rows += list(_rows(called(cells), "healthy immune cells, by compartment", split))
    return pd.DataFrame(rows)


def _dealt(rng: np.random.Generator, n: int, parts: int) -> np.ndarray:
    return np.array([f"s{i}" for i in rng.permutation(np.arange(n) % parts)], dtype=object)


def _halves(sample: pd.Series, rng: np.random.Generator) -> np.ndarray:
    names = np.unique(sample.astype(str))
    treated = set(rng.choice(names, len(names) // 2, replace=False))
    return np.where(sample.astype(str).isin(treated), "irradiated", "control").astype(object)


def _rows(cells: pd.DataFrame, what: str, seed: int) -> Iterator[dict[str, object]]:
    """Rates over the irradiated cells of a run, per compartment and over all."""
    treated = cells[cells["treatment"] == "irradiated"]
    parts = [("all", treated), *treated.groupby("compartment", observed=True)]
    for name, part in parts:
        if len(part) < 30:
            continue
        state = part["senescence_state"].astype(str)
        assessed = part["senescence_index"].notna()
        control = cells[(cells["treatment"] == "control")]
        control = control if name == "all" else control[control["compartment"] == name]
        yield {
            "what": what,
            "seed": seed,
            "compartment": name,
            "n": int(assessed.sum()),
            "called": float((state == "senescent")[assessed].mean()) if assessed.any() else np.nan,
            "any_called": float((state == "senescent").any()),
            "rule": float(part["panel_positive"][assessed].mean()) if assessed.any() else np.nan,
            "rule_control": float(control["panel_positive"].mean()) if len(control) else np.nan,
            "escaped": float((state == "escaped")[assessed].mean()) if assessed.any() else np.nan,
        }
