"""Whether senescent cells express what senolytics and senomorphics act on more than others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.biology.contrasts import column_of
from senoscore.biology.group_means import ALL, with_all
from senoscore.biology.rules import ADVICE, load_rules
from senoscore.genesets import signatures
from senoscore.inference import ask, bh, paired
from senoscore.study import ARM, TRANSFORM, designed, plain, prepared, strata, takes, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from senoscore.inference import Contrast


__all__ = [
    "ESCAPE_COLUMNS",
    "LIMIT",
    "TARGET_COLUMNS",
    "TARGET_VALUE_COLUMNS",
    "escape",
    "target_genes",
    "target_values",
    "targets",
]

TARGET_COLUMNS: Final = (
    k.COMPARTMENT, "stratum", *ARM, "target", "kind", "title", "n_genes", "n_found",
    "n_samples", "n_cells_senescent", "n_cells_other", "mean_senescent", "mean_other", "estimate",
    "ci_lo", "ci_hi", "df", "statistic", "p", "q", "family", "question", "unit", "status", "reason",
    "circular", "note",
)  # fmt: skip
TARGET_VALUE_COLUMNS: Final = (
    k.SAMPLE, k.COMPARTMENT, "measure", "target", "kind", "n_genes", "n_found", "n_cells", "value",
    "detected",
)  # fmt: skip
_SURFACE: Final = "surface"
_FEW: Final = "no sample has {n} senescent and {n} other cells"


def target_genes(rules: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Genes of every target class of the rules, human symbols."""
    names = list(load_rules(rules).targets)
    found = signatures(*names)
    return {name: tuple(found[name].up) for name in names}


@takes(
    samples="sen.burden(adata).drop_duplicates('sample')",
    expression="sen.group_means(adata)",
)
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
    expression = plain(expression)
    own = expression[expression["kind"].isin(["senescent", "other"])]
    own = own[own[k.COMPARTMENT] != k.UNASSIGNED].merge(facts, on=k.SAMPLE)
    called = set(panel_genes)
    rows: list[dict[str, Any]] = []
    by = [k.COMPARTMENT, "stratum", *ARM]
    for key, group in own.groupby(by, dropna=False, sort=True, observed=True):
        units = _Units.of(group)
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
            found = _compared(units, genes, min_cells=min_cells, alpha=alpha)
            rows.append(dict(zip(by, key, strict=True)) | about | found)
    out = pd.DataFrame(rows, columns=list(TARGET_COLUMNS))
    out["q"] = bh(out)
    return out


@takes(check_control=False, expression="sen.group_means(adata)")
def target_values(
    expression: pd.DataFrame, *, min_cells: int = 5, rules: Path | None = None
) -> pd.DataFrame:
    """Express every target as one value a sample and compartment, to be compared between arms.

    Parameters
    ----------
    expression
        As :func:`senoscore.group_means` gives it.
    min_cells
        Kept cells of the compartment that a sample needs.
    rules
        Another rules file.

    Returns
    -------
    One row a sample, compartment and target, for ``further=`` of :func:`senoscore.arms`. ``value``
    is the mean log-normalised expression over all kept cells, whatever their state, so that no
    call chose them; ``detected`` is the share of cells above 0. What a drug acts on inside the
    cell is a class (``target:bcl2_family``): the mean over those of its genes that all samples of
    the compartment measure. What antibodies and CAR-T cells bind on the surface is a gene
    (``target:PLAUR``).
    """
    sets, entries = target_genes(rules), load_rules(rules).targets
    members: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for name, entry in entries.items():
        kind = entry["kind"]
        apart = kind.startswith(_SURFACE)
        for one in sets[name] if apart else (name,):
            members[f"target{k.SEP}{one}", name, kind] = (one,) if apart else sets[name]
    whole = with_all(plain(expression))
    measured = whole[
        whole["kind"].eq(ALL)
        & whole[k.COMPARTMENT].ne(k.UNASSIGNED)
        & whole["n_cells"].ge(min_cells)
    ]
    parts: list[pd.DataFrame] = []
    for compartment, rows in measured.groupby(k.COMPARTMENT, sort=True, observed=True):
        level, detected = (
            rows.pivot_table(index=k.SAMPLE, columns="gene", values=column)
            for column in ("mean", "detected")
        )
        # A class is the same genes in every sample: data sets may lack some.
        common = level.columns[level.notna().all()]
        n_cells = rows.groupby(k.SAMPLE, observed=True)["n_cells"].first()[level.index]
        for (measure, name, kind), genes in members.items():
            present = [gene for gene in genes if gene in common]
            if present:
                parts.append(
                    pd.DataFrame(
                        {
                            k.SAMPLE: level.index, k.COMPARTMENT: compartment, "measure": measure,
                            "target": name, "kind": kind, "n_genes": len(genes),
                            "n_found": len(present), "n_cells": n_cells.to_numpy(),
                            "value": level[present].mean(axis=1).to_numpy(),
                            "detected": detected[present].mean(axis=1).to_numpy(),
                        }
                    )
                )  # fmt: skip
    empty = pd.DataFrame(columns=list(TARGET_VALUE_COLUMNS))
    return pd.concat(parts, ignore_index=True) if parts else empty


@dataclass(frozen=True)
class _Units:
    """Means of genes and numbers of cells, of senescent and other cells of the same samples.

    ``level`` has shape (samples, genes) and is NaN where a gene is not measured, ``n_cells``
    (samples,); both by kind. ``place`` is the column of a gene, ``subject`` that of each sample.
    """

    level: dict[str, NDArray[np.float64]]
    n_cells: dict[str, NDArray[np.float64]]
    place: dict[str, int]
    subject: NDArray[np.object_]

    @classmethod
    def of(cls, group: pd.DataFrame) -> _Units:
        """From rows of :func:`senoscore.group_means` with their subject."""
        row, units = pd.factorize(pd.MultiIndex.from_frame(group[[k.SAMPLE, k.SUBJECT]]), sort=True)
        column, genes = pd.factorize(group["gene"])
        level, n_cells = {}, {}
        for kind in ("senescent", "other"):
            own = group["kind"].eq(kind).to_numpy()
            level[kind] = np.full((len(units), len(genes)), np.nan)
            level[kind][row[own], column[own]] = group["mean"].to_numpy()[own]
            n_cells[kind] = np.zeros(len(units))
            n_cells[kind][row[own]] = group["n_cells"].to_numpy()[own]
        subject = np.empty(len(units), dtype=object)
        subject[row] = group[k.SUBJECT].to_numpy()
        return cls(level, n_cells, {str(gene): at for at, gene in enumerate(genes)}, subject)


def _compared(
    units: _Units, genes: Sequence[str], *, min_cells: int, alpha: float
) -> dict[str, Any]:
    there = [units.place[gene] for gene in genes if gene in units.place]
    if not there:
        return {"n_found": 0, "status": k.NOT_ESTIMABLE, "reason": "no gene of it is in the data"}
    level, n_cells = {}, units.n_cells
    for kind, of_kind in units.level.items():
        known = np.isfinite(of_kind[:, there])
        total = np.where(known, of_kind[:, there], 0.0).sum(axis=1)
        level[kind] = np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
    enough = (n_cells["senescent"] >= min_cells) & (n_cells["other"] >= min_cells)
    delta = level["senescent"] - level["other"]
    used = enough & np.isfinite(delta)
    if not used.any():
        reason = _FEW.format(n=min_cells)
        return {"n_found": len(there), "n_samples": 0, "status": k.NOT_ESTIMABLE, "reason": reason}
    code, subjects = pd.factorize(units.subject[used])
    per_subject = np.bincount(code, delta[used]) / np.bincount(code)
    return {
        "n_found": len(there), "n_samples": len(subjects),
        "n_cells_senescent": int(n_cells["senescent"][used].sum()),
        "n_cells_other": int(n_cells["other"][used].sum()),
        "mean_senescent": float(level["senescent"][used].mean()),
        "mean_other": float(level["other"][used].mean()),
    } | paired(per_subject, alpha=alpha)  # fmt: skip


LIMIT: Final = (
    "Snapshots of other cells at each time cannot show that the same cells escaped: that takes "
    "lineage tracing."
)
_MEASURES: Final = ("burden", "cycling", "stemness")
ESCAPE_COLUMNS: Final = (
    k.COMPARTMENT, "stratum", *ARM, "from_days", "to_days", "escaped_from", "escaped_to",
    *(f"{m}_{part}" for m in _MEASURES for part in ("change", "ci_lo", "ci_hi", "p")),
    "n_from", "n_to", "status", "reason", "verdict", "note",
)  # fmt: skip
_HALF: Final = 0.5


@takes(burden="sen.burden(adata)")
def escape(
    burden: pd.DataFrame,
    *,
    compartments: Sequence[str] = ("tumour",),
    control: str = k.CONTROL,
    alpha: float = 0.05,
    transform: str = TRANSFORM,
) -> pd.DataFrame:
    """Compare every two neighbouring times of a course.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    compartments
        Where escape is asked for.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    transform
        Scale of the senescent fraction.

    Returns
    -------
    One row a compartment, stratum, arm and two neighbouring times: change of the
    senescent fraction (scale of the trend), of the share of dividing cells (log odds) and of the
    stemness axis, each with a t interval as in :func:`senoscore.trend`: of the variance of all
    times for the fraction, of each of the two times for the others; mean share of cells with
    senescent features that divide. ``verdict`` is ``escape_suspected`` only where the first falls
    and both others rise with intervals that leave 0 out, from two subjects a time; ``note`` prints
    what no snapshot can show.
    """
    rows: list[dict[str, Any]] = []
    table = prepared(burden, transform, control=control)
    total = table["n_assessable"].to_numpy(dtype=float)
    dividing = (table["n_cycling"] + table["n_escaped"]).to_numpy(dtype=float)
    usable = table["status"].isin(["ok", "acute"])
    logit = np.log((dividing + _HALF) / (total - dividing + _HALF))
    table["cycling"] = np.where(usable, logit, np.nan)
    with np.errstate(invalid="ignore"):
        table["escaped"] = np.where(usable, table["n_escaped"] / total, np.nan)
    stem = column_of(load_rules().measures["stemness"], burden.columns)
    names = {"burden": "fraction_senescent", "cycling": "cycling"}
    names |= {"stemness": stem[0]} if stem else {}
    for compartment in compartments:
        for part in strata(table[table[k.COMPARTMENT] == compartment], control=control):
            options = ask.Options.of(part, control=control, alpha=alpha, transform=transform)
            group = part.table[part.table[k.DAYS].notna()]
            treated = group[group[k.TREATMENT] != control]
            for key, of_arm in treated.groupby(list(ARM), dropna=False, sort=True, observed=True):
                head: dict[str, Any] = {k.COMPARTMENT: compartment, "stratum": part.name}
                head |= dict(zip(ARM, key, strict=True))
                rows += [head | row for row in _steps(of_arm, names, options)]
    return pd.DataFrame(rows, columns=list(ESCAPE_COLUMNS))


def _steps(
    group: pd.DataFrame, names: dict[str, str], options: ask.Options
) -> Iterator[dict[str, Any]]:
    courses = {measure: values(group, column) for measure, column in names.items()}
    days = sorted(courses["burden"][k.DAYS].unique())
    for start, end in pairwise(days):
        found: dict[str, Contrast | None] = {
            m: ask.between_days(t, names[m], start, end, options=options)
            for m, t in courses.items()
        }
        tested = {m: c for m, c in found.items() if c is not None and np.isfinite(c.p)}
        row: dict[str, Any] = {"from_days": start, "to_days": end, "note": LIMIT}
        for m, c in tested.items():
            row |= {
                f"{m}_change": c.estimate,
                f"{m}_ci_lo": c.lo,
                f"{m}_ci_hi": c.hi,
                f"{m}_p": c.p,
            }
        for part, day in (("from", start), ("to", end)):
            at = group[group[k.DAYS] == day]
            row[f"escaped_{part}"] = at["escaped"].mean()
            row[f"n_{part}"] = at.loc[at["escaped"].notna(), k.SUBJECT].nunique()
        lacking = [m for m in _MEASURES if m not in tested]
        if lacking:
            row |= {"status": k.NOT_TESTABLE, "verdict": "not_assessed"}
            row["reason"] = (
                f"no test of {', '.join(lacking)}: fewer than 2 subjects a time, batch and time "
                "the same variable, or it is absent"
            )
        else:
            up = tested["cycling"].lo > 0 and tested["stemness"].lo > 0
            suspected = tested["burden"].hi < 0 and up
            row |= {"status": k.TESTED, "reason": ""}
            row["verdict"] = "escape_suspected" if suspected else "not_seen"
        yield row
