"""What a section is made of, and what all sections are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from senoscore import names as k
from senoscore.plotting import theme, tidy
from senoscore.report.charts import Figure, Gap, Part
from senoscore.report.tables import TableView, view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from senoscore.report.load import Run


__all__ = [
    "Chapter",
    "Item",
    "Notes",
    "Options",
    "Section",
    "by_compartment",
    "irradiated",
    "samples_of",
    "section",
    "table_of",
]


@dataclass(frozen=True)
class Options:
    """What the sections need to know besides the tables."""

    control: str = k.CONTROL
    alpha: float = 0.05
    stable: float = 7.0
    """Days after irradiation from which senescence can be claimed."""
    phase_cuts: tuple[float, ...] = theme.PHASE_CUTS
    figures: Path | None = None
    compared: tuple[str, ...] = ()
    """Targets and crosstalk of which the section on arms shows every contrast."""


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    lines: tuple[str, ...]


Item: TypeAlias = Figure | Gap | TableView | Notes
Build: TypeAlias = "Callable[[Run, Options], Iterable[Item | Part]]"


@dataclass(frozen=True)
class Section:
    """A titled part of the page, drawn."""

    id: str
    title: str
    lead: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Chapter:
    """How a section is made: its heading, what it answers, and what yields its items."""

    id: str
    title: str
    lead: str
    """What the section answers and how to read it: the first paragraph."""
    build: Build
    after: str = ""
    """Section that it follows; by default the one before it in its file."""

    def of(self, run: Run, options: Options) -> Section | None:
        """Build and draw the section of a run; None where it has nothing to say."""
        items = tuple(
            item.drawn(options.figures) if isinstance(item, Part) else item
            for item in self.build(run, options)
        )
        return Section(self.id, self.title, self.lead, items) if items else None


def section(name: str, title: str, *, lead: str, after: str = "") -> Callable[[Build], Chapter]:
    """Make a section of the page of a function that yields its items.

    A figure is yielded as a :class:`Part`, so that its section, lead, title, caption, description,
    drawing and numbers stand together.
    """
    return lambda build: Chapter(name, title, lead, build, after)


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


def by_compartment(numbers: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield name and rows of each compartment, in the order of the figures."""
    for name in theme.known_first(numbers[k.COMPARTMENT], theme.COMPARTMENT_COLOURS):
        yield theme.pretty(name), numbers[numbers[k.COMPARTMENT] == name]


def irradiated(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of arms with a dose, or without a known one; all where there are no others.

    An unirradiated arm with a drug stands under “Arms and drugs”: as a row of “irradiated against
    control” it would be misread.
    """
    kept = table[tidy.column(table, k.DOSE).ne(0)]
    return kept if len(kept) else table
