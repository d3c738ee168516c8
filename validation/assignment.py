"""Compartments from marker genes: right, wrong, rejected; and cells whose markers are not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from study import REALDATA, tissue

from senoscore import names as k
from senoscore.cells import assign_compartments
from senoscore.cells.markers import read_markers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study import Size

DEPTHS = (1_000.0, 4_000.0)


def simulated(size: Size) -> pd.DataFrame:
    """Simulated cells: shares right, wrong and rejected, also without their own markers."""
    rows: list[dict[str, object]] = []
    for seed in range(1, size.seeds + 1):
        for depth in DEPTHS:
            adata = tissue(seed, size, median_counts=depth)
            truth = adata.obs["true_compartment"].astype(str).to_numpy(dtype=object)
            given = assign_compartments(adata)[k.COMPARTMENT].to_numpy(dtype=object)
            for name in np.unique(truth):
                mine = truth == name
                without = assign_compartments(adata[mine].copy(), exclude=[name])[k.COMPARTMENT]
                rows.append(
                    {
                        "compartment": name,
                        "counts": depth,
                        "seed": seed,
                        "right": np.mean(given[mine] == name),
                        "wrong": np.mean((given[mine] != name) & (given[mine] != k.UNASSIGNED)),
                        "pure": np.mean(truth[given == name] == name),
                        "unknown_rejected": np.mean(without == k.UNASSIGNED),
                    }
                )
    return pd.DataFrame(rows)


def split_half(size: Size) -> pd.DataFrame:
    """Real cells without labels: do two halves of the markers name the same compartment?"""
    rows = []
    for what, path in (
        ("healthy immune cells", REALDATA / "celltypist_immune_cells_sc" / "counts.h5ad"),
        ("glioblastoma", REALDATA / "mgh136_glioblastoma_sc" / "log_tpm.h5ad"),
    ):
        if not path.is_file():
            continue
        adata = ad.read_h5ad(path)
        is_log = path.name.startswith("log")
        if not is_log:
            adata.X = adata.X.rint()
        adata.uns[k.UNS] = {"values": k.LOGNORM if is_log else k.COUNTS, "organism": "human"}
        whole = assign_compartments(adata)[k.COMPARTMENT].to_numpy(dtype=object)
        for split in range(size.splits):
            one, two = (
                assign_compartments(adata, markers=half)[k.COMPARTMENT].to_numpy(dtype=object)
                for half in _halves(split, set(adata.var_names))
            )
            both = (one != k.UNASSIGNED) & (two != k.UNASSIGNED)
            rows.append(
                {
                    "what": what,
                    "split": split,
                    "n": adata.n_obs,
                    "assigned": np.mean(whole != k.UNASSIGNED),
                    "both": both.mean(),
                    "agree": np.mean((one == two)[both]) if both.any() else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _halves(seed: int, known: set[str]) -> Iterator[pd.DataFrame]:
    """Deal the markers that the matrix has, within each compartment, to two tables."""
    table = read_markers()
    table = table[table["gene"].isin(known)].sample(frac=1, random_state=seed)
    order = table.groupby(k.COMPARTMENT).cumcount()
    yield from (table[order % 2 == half] for half in (0, 1))
