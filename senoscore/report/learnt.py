"""The section on what was learnt: who finds senescent cells where, by which genes, how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.plotting import theme
from senoscore.report.parts import Item, Notes, Options, section
from senoscore.report.tables import view
from senoscore.report.words import lower

if TYPE_CHECKING:
    from collections.abc import Iterator

    from senoscore.report.load import Run


__all__ = ["TABLES", "counted", "programme"]

TABLES: Final = ("programme", "engines", "prevalence")
"""Tables that this section shows."""
_SHOWN: Final = 40
_NAMED: Final = 12
_BY: Final = ["organism", "assay", k.COMPARTMENT]
_COUNTS: Final = {
    k.LEARNED: "cells called senescent",
    k.PANEL: "cells that fulfil the panel's rule, candidates too",
}


def counted(burden: pd.DataFrame) -> str:
    """What the burden of a compartment counts, by what finds its senescent cells."""
    if "engine" not in burden:
        return ""
    engine = str(burden["engine"].iloc[0])
    said = _COUNTS.get(engine, "")
    if engine == k.LEARNED and {"n_called", "n_senescent", "status"} <= set(burden):
        ok = burden[burden["status"] == "ok"]
        if (ok["n_called"] > ok["n_senescent"]).any():
            said = "candidates by the learnt programme, since the controls are one animal"
    return said


@section(
    "programme",
    "Learnt programme",
    lead=(
        "Where two control and two irradiated animals or patients have cells of a "
        "compartment, senescent cells are found by a programme learnt in this run: weights of "
        "genes that published lists name, learnt without the samples that they judge (of a single "
        "animal in an arm: without the cells that they judge). Agreement "
        "between held-out samples is the mean cosine of the weights learnt without one fold and "
        "without another; agreement with published lists is the cosine of what irradiation moved "
        "and what the lists expect (1: the same, 0: unrelated)."
    ),
    after="cells",
)
def programme(run: Run, _options: Options) -> Iterator[Item]:
    """Which engine calls what, and the programme of each compartment; nothing where none is."""
    engines, genes, shares = (run.get(n) for n in ("engines", "programme", "prevalence"))
    if engines is None:
        return
    yield Notes(tuple(_said(engines)))
    if genes is not None:
        yield view(_summary(genes), "programme_summary", title="Programme by compartment")
        top = genes[genes.groupby(_BY, observed=True).cumcount() < _SHOWN]
        yield view(top, "programme", title=f"The {_SHOWN} heaviest genes of each compartment")
    if shares is not None:
        title = "Estimated share of senescent cells, without naming cells"
        yield view(shares, "prevalence", title=title)


def _said(engines: pd.DataFrame) -> list[str]:
    """Which compartments were called by what, and why not by the programme."""
    whole = engines[engines[k.COMPARTMENT].astype(str) == "all"]
    table = engines.drop(index=whole.index).fillna("").astype(str)
    learned = table["engine"] == "learned"
    lines = []
    if learned.any():
        lines.append(
            f"By a programme learnt in this run: {_names(table[learned])}. "
            "The burden counts the cells called senescent."
        )
    for reason, rows in table[~learned].groupby("reason", sort=False, observed=True):
        why = f" ({reason!s})" if reason else ""
        lines.append(f"By the fixed lists of the panel alone: {_names(rows)}{why}.")
    if (~learned).any():
        lines.append(
            "Where the panel alone calls, the burden counts the cells that fulfil its rule, "
            "candidates too."
        )
    if "wrong_at_most" in whole:
        lines += [
            f"Of the {n:.0f} irradiated cells that the learnt programme finds (dividing ones among "
            f"them) at most {wrong:.0f} are wrong (95 % confidence), if unirradiated animals show "
            "what cells without senescence look like."
            for n, wrong in zip(whole["n_called"], whole["wrong_at_most"], strict=True)
            if n > 0 and np.isfinite(wrong)
        ]
    notes = (note[:1].upper() + note[1:] for note in table["note"].unique() if note)
    return [*lines, *(f"{note}." for note in notes)]


def _names(rows: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(lower(theme.pretty(name)) for name in rows[k.COMPARTMENT]))


def _summary(genes: pd.DataFrame) -> pd.DataFrame:
    """One row a compartment: how many genes, the heaviest, and both agreements."""
    rows = []
    for key, group in genes.groupby(_BY, sort=True, observed=True):
        heavy = group.assign(size=group["weight"].abs()).nlargest(_NAMED, "size")
        named = [
            f"{gene}{'' if weight > 0 else ' (down)'}"
            for gene, weight in zip(
                heavy["gene"].astype(str), heavy["weight"].to_numpy(dtype=float), strict=True
            )
        ]
        rows.append(
            dict(zip(_BY, key, strict=True))
            | {
                "n_genes": len(group),
                "stability": float(group["stability"].iloc[0]),
                "agreement": _cosine(group["shift"], group["prior"]),
                "genes": ", ".join(named),
            }
        )
    return pd.DataFrame(rows)


def _cosine(one: pd.Series, other: pd.Series) -> float:
    x, y = (values.to_numpy(dtype=float) for values in (one, other))
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / size if size > 0 else float("nan")
