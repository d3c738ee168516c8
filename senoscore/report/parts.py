"""What a section is made of, and what all sections are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from senoscore import names as k
from senoscore.plotting import theme
from senoscore.report.charts import Figure, Gap
from senoscore.report.tables import TableView, view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from senoscore.report.load import Run


__all__ = ["Item", "Notes", "Options", "Section", "samples_of", "table_of"]


@dataclass(frozen=True)
class Options:
    """What the sections need to know besides the tables."""

    control: str = k.CONTROL
    alpha: float = 0.05
    stable: float = 7.0
    """Days after irradiation from which senescence can be claimed."""
    phase_cuts: tuple[float, ...] = theme.PHASE_CUTS
    figures: Path | None = None


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    lines: tuple[str, ...]


Item: TypeAlias = Figure | Gap | TableView | Notes


@dataclass(frozen=True)
class Section:
    """A titled part of the page."""

    id: str
    title: str
    lead: str
    items: tuple[Item, ...]


def samples_of(run: Run) -> pd.DataFrame | None:
    """Return the samples sheet, or what the burden table repeats of it."""
    sheet = run.get("samples")
    if sheet is not None:
        return sheet
    burden = run.get("burden")
    if burden is None or k.SAMPLE not in burden:
        return None
    names = [k.SAMPLE, k.SUBJECT, k.TREATMENT, k.DOSE, k.DAYS, k.BATCH]
    return burden[[n for n in names if n in burden]].drop_duplicates(k.SAMPLE)


def table_of(
    run: Run, name: str, *, title: str, columns: Sequence[str] | None = None
) -> TableView | Gap:
    """View of a table of the run, or why there is none."""
    table = run.get(name)
    return (
        Gap(title, run.why_not(name))
        if table is None
        else view(table, name, title=title, columns=columns)
    )
