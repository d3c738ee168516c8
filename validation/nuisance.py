"""What the index and the call must not depend on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse, stats
from study import Size, called, table, tissue

from senoscore.calling.panel import load_panel
from senoscore.simulation.tissue import design


def correlations(size: Size) -> pd.DataFrame:
    """Spearman correlation of the index with depth and genes detected, within control cells."""
    rows = []
    for seed in range(700, 700 + size.seeds):
        sheet = design(replicates=8, days=(28,))
        sheet = sheet[sheet["treatment"] == "control"]
        cells = called(table(tissue(seed, size, sheet, burden=0.0)))
        for name, part in cells.groupby("compartment", observed=True):
            known = part[part["senescence_index"].notna()]
            if len(known) < 100:
                continue
            rows.append(
                {"seed": seed, "compartment": str(name), "n": len(known)}
                | {
                    f"rho_{what}": stats.spearmanr(known["senescence_index"], known[what])[0]
                    for what in ("n_counts", "n_genes")
                }
            )
    return pd.DataFrame(rows)


def depth_shift(size: Size) -> pd.DataFrame:
    """Irradiated cells without senescence, thinned to a share of their counts."""
    rows = []
    for seed in range(750, 750 + size.seeds):
        adata = tissue(seed, size, burden=0.0, acute=0.0, median_counts=8000)
        treated = (adata.obs["treatment"] == "irradiated").to_numpy()
        for kept in (1.0, 0.5, 0.25):
            rng = np.random.default_rng(seed)
            X = sparse.csr_matrix(adata.X).astype(np.int64)
            mine = np.repeat(treated, np.diff(X.indptr))
            X.data[mine] = rng.binomial(X.data[mine], kept)
            X.eliminate_zeros()
            thin = adata.copy()
            thin.X = X.astype(np.int32)
            cells = called(table(thin))
            cells = cells[cells["senescence_index"].notna()]
            is_treated = cells["treatment"] == "irradiated"
            rule = cells["panel_positive"].groupby(is_treated).mean()
            own = cells[is_treated]
            rows.append(
                {"seed": seed, "kept": kept, "excess": rule[True] - rule[False],
                 "called": (own["senescence_state"] == "senescent").mean(),
                 "flagged": own["call_reason"].astype(str).str.contains("depth").mean()}
            )  # fmt: skip
    return pd.DataFrame(rows)


def leave_one_out(size: Size) -> pd.DataFrame:
    """The call without one signature of the panel, against the call with all."""
    rows = []
    weighted = [s for s in load_panel("default").signatures if _matters(s)]
    for seed in range(800, 800 + size.seeds):
        cells = table(tissue(seed, size))
        whole = called(cells)
        for name in weighted:
            part = called(cells.assign(**{f"ucell:{name}": np.nan}))
            rows.append({"seed": seed, "without": name} | _agreement(whole, part))
    return pd.DataFrame(rows)


def _matters(signature: str) -> bool:
    panel = load_panel("default")
    return any(
        part.signature == signature and (axis.weight != 0 or axis.name in ("ddr", "quiescence"))
        for axis in panel.axes
        for part in axis.parts
    )


def gene_loss(size: Size) -> pd.DataFrame:
    """The call after a random fifth of the genes is gone, and again with the same genes."""
    rows = []
    for seed in range(900, 900 + size.seeds):
        adata = tissue(seed, size)
        whole = called(table(adata))
        again = called(table(adata))
        rows.append({"seed": seed, "what": "the same again"} | _agreement(whole, again))
        rng = np.random.default_rng(seed)
        fewer = adata[:, np.sort(rng.choice(adata.n_vars, int(0.8 * adata.n_vars), replace=False))]
        rows.append({"seed": seed, "what": "20 % of genes lost"}
                    | _agreement(whole, called(table(fewer.copy()))))  # fmt: skip
    return pd.DataFrame(rows)


def _agreement(whole: pd.DataFrame, part: pd.DataFrame) -> dict[str, float]:
    both = whole["senescence_index"].notna() & part["senescence_index"].notna()
    a, b = whole[both], part[both]
    lost = float(whole["senescence_index"].notna().sum() - both.sum())
    yes_a, yes_b = (x["panel_positive"].to_numpy(dtype=bool) for x in (a, b))
    expected = yes_a.mean() * yes_b.mean() + (~yes_a).mean() * (~yes_b).mean()
    agree = (yes_a == yes_b).mean()
    same = a["senescence_state"].astype(str).to_numpy() == b["senescence_state"].astype(str)
    return {
        "rho_index": float(stats.spearmanr(a["senescence_index"], b["senescence_index"])[0]),
        "same_state": float(same.mean()),
        "kappa_rule": float((agree - expected) / (1 - expected)) if expected < 1 else 1.0,
        "not_assessed_any_more": lost / max(len(whole), 1),
    }
