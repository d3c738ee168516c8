"""Whether senescent cells express what senolytics and senomorphics act on more than others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import _keys as k
from senoscore._signatures import signatures
from senoscore._trend_data import ARM, designed, strata
from senoscore._window_rules import ADVICE, load_rules
from senoscore._window_tests import bh, paired

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["COLUMNS", "target_genes", "targets"]

COLUMNS: Final = (
    k.COMPARTMENT, "stratum", *ARM, "target", "kind", "title", "n_genes", "n_found",
    "n_samples", "n_cells_senescent", "n_cells_other", "mean_senescent", "mean_other", "estimate",
    "ci_lo", "ci_hi", "df", "statistic", "p", "q", "family", "question", "unit", "status", "reason",
    "circular", "note",
)  # fmt: skip
_FEW: Final = "no sample has {n} senescent and {n} other cells"


def target_genes(rules: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Genes of every target class of the rules, human symbols."""
    names = list(load_rules(rules).targets)
    found = signatures(*names)
    return {name: tuple(found[name].up) for name in names}


def targets(
    expression: pd.DataFrame,
    samples: pd.DataFrame,
    *,
    panel_genes: Iterable[str] = (),
    control: str = k.CONTROL,
    min_days_stable: float = 7.0,
    min_cells: int = 5,
    alpha: float = 0.05,
    rules: Path | None = None,
) -> pd.DataFrame:
    """Compare target classes between senescent and other cells of the same sample.

    Research use, not medical advice: expression of a target is no response to a drug.

    Parameters
    ----------
    expression
        As :func:`senoscore.group_means` gives it.
    samples
        Samples sheet: sample, subject, arm, days_post_rt; assay, organism and region where
        they differ, for the strata (the burden table, one row a sample, has them).
    panel_genes
        Genes by which cells were called; a class that shares some of them is ``circular`` so far.
    control
        Treatment that means not irradiated.
    min_days_stable
        Days from which a cell can be senescent.
    min_cells
        Cells of both kinds that a sample needs.
    alpha
        1 - confidence of the intervals.
    rules
        Another rules file.

    Returns
    -------
    One row a compartment, stratum, arm and class: the class is the mean over its genes of
    mean log-normalised expression; ``estimate`` is senescent less other within a sample, averaged
    over subjects, all days from ``min_days_stable``, with a t interval; ``q`` is Benjamini-Hochberg
    over all classes and compartments of a kind of class.
    """
    entries, sets = load_rules(rules).targets, target_genes(rules)
    parts = strata(designed(samples), control=control)
    sheet = pd.concat([part.table.assign(stratum=part.name) for part in parts])
    use = sheet[(sheet[k.TREATMENT] != control) & (sheet[k.DAYS] >= min_days_stable)]
    facts = use[[k.SAMPLE, k.SUBJECT, "stratum", *ARM]]
    own = expression[expression["kind"].isin(["senescent", "other"])]
    own = own[own[k.COMPARTMENT] != k.UNASSIGNED].merge(facts, on=k.SAMPLE)
    called = set(panel_genes)
    rows: list[dict[str, Any]] = []
    by = [k.COMPARTMENT, "stratum", *ARM]
    for key, of in own.groupby(by, dropna=False, sort=True):
        for name, entry in entries.items():
            genes = sets[name]
            shared = sorted(called & set(genes))
            about = {
                "target": name, "kind": entry["kind"], "title": entry["title"],
                "question": "senescent_vs_other", "n_genes": len(genes),
                "family": f"targets/{entry['kind'].split()[0]}",
                "unit": "mean log-normalised expression", "note": ADVICE,
                "circular": f"also in the panel: {', '.join(shared)}" if shared else "",
            }  # fmt: skip
            found = _compared(of[of["gene"].isin(genes)], min_cells=min_cells, alpha=alpha)
            rows.append(dict(zip(by, key, strict=True)) | about | found)
    out = pd.DataFrame(rows, columns=list(COLUMNS))
    out["q"] = bh(out)
    return out


def _compared(of: pd.DataFrame, *, min_cells: int, alpha: float) -> dict[str, Any]:
    found = of["gene"].nunique()
    if not found:
        return {"n_found": 0, "status": "not_estimable", "reason": "no gene of it is in the data"}
    groups = of.groupby([k.SAMPLE, k.SUBJECT, "kind"]).agg(
        level=("mean", "mean"), n=("n_cells", "first")
    )
    senescent, other = (
        groups.xs(kind, level="kind") if kind in set(of["kind"]) else groups.iloc[:0].droplevel(-1)
        for kind in ("senescent", "other")
    )
    both = senescent.join(other, how="inner", lsuffix="_senescent", rsuffix="_other")
    used = both[(both["n_senescent"] >= min_cells) & (both["n_other"] >= min_cells)]
    if used.empty:
        reason = _FEW.format(n=min_cells)
        return {"n_found": found, "n_samples": 0, "status": "not_estimable", "reason": reason}
    delta = used["level_senescent"] - used["level_other"]
    per_subject = delta.groupby(level=k.SUBJECT).mean().to_numpy(dtype=float)
    return {
        "n_found": found, "n_samples": len(per_subject),
        "n_cells_senescent": int(used["n_senescent"].sum()),
        "n_cells_other": int(used["n_other"].sum()),
        "mean_senescent": float(used["level_senescent"].mean()),
        "mean_other": float(used["level_other"].mean()),
    } | paired(per_subject, alpha=alpha)  # fmt: skip
