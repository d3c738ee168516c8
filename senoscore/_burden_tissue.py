"""One senescent fraction a sample, with the same composition for all of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k

__all__ = ["COLUMNS", "tissue_burden"]

COLUMNS: Final = (
    k.DATASET, k.SAMPLE, k.SUBJECT, k.TREATMENT, k.DOSE, k.DAYS, k.BATCH, "region", "assay",
    "organism", "n_assessable", "fraction_crude", "fraction_standardised",
    "control_standardised", "excess_standardised", "weight_covered", "weights", "status", "note",
)  # fmt: skip
_ENOUGH: Final = 0.8
_RARE: Final = 0.005
"""Mean share in controls below which a compartment has no weight: stray labels."""
_ALL: Final = 0.999
_HEAD: Final = COLUMNS[:10]


def tissue_burden(burden: pd.DataFrame, *, control: str = k.CONTROL) -> pd.DataFrame:
    r"""Standardise the senescent fraction of a tissue to fixed shares of its compartments.

    A crude fraction rises when a compartment of high fraction becomes more frequent, with no cell
    changed. Direct standardisation takes the shares from the controls:
    :math:`F = \sum_c w_c f_c / \sum_c w_c`, with :math:`w_c` the mean share of compartment c
    over control samples (of the same assay and organism); unassigned cells and compartments of
    under 0.5 % are left out.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    control
        Treatment that means not irradiated.

    Returns
    -------
    One row a sample (and region): ``fraction_crude`` (all assessable cells together),
    ``fraction_standardised``, ``control_standardised`` (control fractions of the same
    compartments under the same weights), their difference ``excess_standardised``,
    ``weight_covered`` (share of the weights whose compartments this sample has a fraction of),
    ``weights`` in words. ``status`` is ok, partial (some compartments missing: the rest was
    scaled up, on both sides), not_estimable (less than 80 % of the weights) or no_control.

    References
    ----------
    Direct standardisation: Breslow and Day 1987, Statistical Methods in Cancer Research II, ch. 2.
    """
    table = burden.reset_index(drop=True).copy()
    for name in _HEAD:
        if name not in table:
            table[name] = np.nan if name in (k.DOSE, k.DAYS) else ""
    table = table[table[k.COMPARTMENT].astype(str) != k.UNASSIGNED]
    table[["region", "assay", "organism"]] = table[["region", "assay", "organism"]].fillna("")
    alike = ["assay", "organism"]
    controls = table[(table[k.TREATMENT] == control) & table["share"].notna()]
    mean = controls.groupby([*alike, k.COMPARTMENT])["share"].mean()
    mean = mean[mean >= _RARE]
    weights = mean / mean.groupby(level=alike).transform("sum")
    rows: list[dict[str, Any]] = []
    for _, of in table.groupby([k.SAMPLE, "region"], sort=False):
        first = of.iloc[0]
        key = (first["assay"], first["organism"])
        known = key in set(zip(*(weights.index.get_level_values(n) for n in alike), strict=True))
        own = weights.loc[key] if known else pd.Series(dtype=float)
        rows.append({name: first[name] for name in _HEAD} | _standardised(of, own))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _standardised(of: pd.DataFrame, weights: pd.Series) -> dict[str, Any]:
    n = int(of["n_assessable"].sum())
    row: dict[str, Any] = {
        "n_assessable": n,
        "fraction_crude": float(of["n_positive"].sum()) / n if n else np.nan,
        "weights": ", ".join(f"{name} {value:.3f}" for name, value in weights.items()),
    }
    if of["status"].eq("profile").any():
        return row | {
            "fraction_crude": np.nan,
            "status": "not_estimable",
            "note": "one profile of a whole sample: no fraction",
        }
    if weights.empty:
        return row | {"status": "no_control", "note": "no control sample gives the weights"}
    own = of.set_index(k.COMPARTMENT)
    own = own[own["fraction"].notna() & own["control_fraction"].notna()]
    there = weights[weights.index.isin(own.index)]
    covered = float(there.sum())
    row["weight_covered"] = covered
    absent = ", ".join(map(str, weights.index[~weights.index.isin(own.index) & (weights > 0)]))
    if covered < _ENOUGH:
        note = f"no fraction of {absent}: {covered:.0%} of the weights, {_ENOUGH:.0%} are needed"
        return row | {"status": "not_estimable", "note": note}
    share = there / covered
    value = float((share * own["fraction"]).reindex(there.index).sum())
    base = float((share * own["control_fraction"]).reindex(there.index).sum())
    whole = covered >= _ALL
    return row | {
        "fraction_standardised": value,
        "control_standardised": base,
        "excess_standardised": value - base,
        "status": "ok" if whole else "partial",
        "note": "" if whole else f"no fraction of {absent}: the other weights were scaled up",
    }
