"""What was read of each file, what that ruled out, and which files do not compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from senoscore import _keys as k
from senoscore.plotting import _tidy as tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from senoscore.report._load import Run

__all__ = ["not_comparable", "notes", "stepped_aside"]

_PROFILES: Final = ("bulk", "array")
_SHARED: Final = 0.8
"""Share of the genes of the largest data set below which scores and depth are of another scale."""
_NAMED: Final = 5


def not_comparable(run: Run) -> list[str]:
    """Say which data sets differ in values or genes from those that they are judged with.

    Baselines and cuts are set on the controls of all data sets of cells (or of profiles)
    together: what differs in kind is not judged by its like.
    """
    table = run.get("ingest")
    if table is None:
        return []
    out = []
    profiles = table["assay"].isin(_PROFILES)
    for of in (table[~profiles], table[profiles]):
        out += _values(of)
        for _, same in of.groupby("organism", sort=True):
            out += _genes(same[k.DATASET], run.get("genes"))
    return out


def _values(of: pd.DataFrame) -> list[str]:
    if of["values"].nunique() < 2:
        return []
    said = [f"{_listed(own[k.DATASET])} ({kind})" for kind, own in of.groupby("values", sort=True)]
    warning = (
        f"The data sets are of different values: {'; '.join(said)}. Controls of one kind set the "
        "cut for all, so that samples of another kind can pass for senescent, or hide."
    )
    return [warning]


def _genes(datasets: pd.Series, genes: pd.DataFrame | None) -> list[str]:
    if genes is None or len(datasets) < 2:
        return []
    rows = genes[genes[k.DATASET].isin(datasets)]
    own = {str(name): set(of["symbol"].dropna()) for name, of in rows.groupby(k.DATASET)}
    if not own:
        return []
    largest = max(own, key=lambda name: len(own[name]))
    shares = {name: len(own[name] & own[largest]) / len(own[largest]) for name in own}
    few = {name: share for name, share in shares.items() if share < _SHARED}
    if not few:
        return []
    said = _listed([f"{name} ({tidy.percent(share)})" for name, share in few.items()])
    warning = (
        f"The data sets differ in their genes: of the {len(own[largest]):,} of {largest}, "
        f"{said} has only a part. Scores and depth are then of another scale, and a cut set on "
        "other data sets does not hold."
    )
    return [warning]


def stepped_aside(run: Run) -> list[dict[str, object]]:
    """List the steps that need counts and had none: what, where, why."""
    table = run.get("ingest")
    if table is None:
        return []
    out: list[dict[str, object]] = []
    for name, assay, kind in table[[k.DATASET, "assay", "values"]].itertuples(index=False):
        if kind == k.COUNTS:
            continue
        steps = "pseudobulk profiles"
        if assay not in _PROFILES:
            steps = f"limits of quality, doublets and {steps}"
        out.append({"what": steps, "where": name, "why": f"values are {kind}, not counts"})
    return out


def notes(table: pd.DataFrame) -> pd.DataFrame:
    """One row a note of reading: data set, file, note."""
    rows = table[[k.DATASET, "source_file", "notes"]].assign(note=table["notes"].str.split("\n"))
    rows = rows.drop(columns="notes").explode("note", ignore_index=True)
    return rows[rows["note"].notna() & rows["note"].ne("")].reset_index(drop=True)


def _listed(names: Sequence[str] | pd.Series) -> str:
    shown = sorted(map(str, names))
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more
