"""One radiation against another, at the same dose and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._trend_ask import (
    CONFOUNDED_MODALITY,
    NO_REPLICATION,
    Options,
    arm_facts,
    arm_name,
    ask_all,
    n_subjects,
    new_row,
    result,
)
from senoscore._trend_data import ARM

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["modality"]

_REFERENCE: Final = "photon"
_GROUP: Final = [*ARM, k.DAYS]


def modality(table: pd.DataFrame, options: Options) -> Iterator[dict[str, Any]]:
    """Compare each modality with photons (else the most frequent) at the same schedule and time.

    The variance is pooled over all groups, controls included. Treatments are kept apart where one
    treatment has two modalities; where each modality is its own treatment, those are compared.
    """
    known = table[(table[k.TREATMENT] != options.control) & table["modality"].ne("")]
    if known["modality"].nunique() < 2:
        return
    own = known.groupby(k.TREATMENT)["modality"].nunique().max() > 1
    keys = [*([k.TREATMENT] if own else []), k.DOSE, "n_fractions", k.DAYS]
    number = table.groupby(_GROUP, dropna=False, sort=True).ngroup()
    X = pd.get_dummies(number, dtype=float).to_numpy()
    for _, group in known.groupby(keys, dropna=False, sort=True):
        counts = group["modality"].value_counts().sort_index(kind="stable")
        names = list(counts.index)
        reference = _REFERENCE if _REFERENCE in names else str(counts.idxmax())
        base = group[group["modality"] == reference]
        for name in names:
            if name == reference:
                continue
            of = group[group["modality"] == name]
            row = _row(name, reference, of, base, known, own=own)
            weights = X[table.index.get_indexer(of.index)].mean(axis=0)
            weights = weights - X[table.index.get_indexer(base.index)].mean(axis=0)
            answer = ask_all(table, X, weights, options=options, confounded=CONFOUNDED_MODALITY)
            how = ["OLS on samples, pooled variance, t; against " + reference, answer.method]
            row["method"] = "; ".join(filter(None, how))
            lonely = "" if min(n_subjects(of), n_subjects(base)) > 1 else NO_REPLICATION
            found = result(answer.found, table, why_not=answer.why_not, no_test=lonely)
            if answer.found is None:
                found["estimate"] = of["y"].mean() - base["y"].mean()
            yield row | found


def _row(
    name: str, reference: str, of: pd.DataFrame, base: pd.DataFrame, among: pd.DataFrame, *,
    own: bool,
) -> dict[str, Any]:  # fmt: skip
    facts, days = arm_facts(of), float(of[k.DAYS].iloc[0])
    parts = [of[k.TREATMENT].iloc[0] + ":" if own else "", f"{name} vs {reference}"]
    parts.append(arm_name(facts, among, alone=True))
    parts.append(f"@ {days:.3g} d" if np.isfinite(days) else "")
    row = new_row("modality", " ".join(filter(None, parts)), of, base)
    row |= {k.DAYS: days} | facts
    row["estimate_fraction"] = of["raw"].mean() - base["raw"].mean()
    row["note"] = "the same physical dose; a biological weight (RBE) is not applied"
    return row
