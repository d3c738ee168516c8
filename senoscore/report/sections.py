"""The sections of the report, in reading order: results first, then what they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from senoscore.plotting import theme
from senoscore.report import biology, inputs, learnt, measured, questions, results
from senoscore.report.parts import Chapter, section
from senoscore.report.tables import TableView, view

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from senoscore.report.load import Run
    from senoscore.report.parts import Options, Section


__all__ = ["chapters", "sections"]

_FILES: Final = (results, learnt, questions, biology, measured, inputs)
"""In reading order; a section stands where its file has it, or after the one that it names."""


@section("further", "Further tables", lead="Other summaries of this run.", after="confounders")
def _further(run: Run, _options: Options) -> Iterator[TableView]:
    for name, table in run.further.items():
        if not table.empty and name not in (*questions.TABLES, *learnt.TABLES):
            yield view(table, f"summary_{name}", title=theme.pretty(name))


def chapters() -> list[Chapter]:
    """List every section that the files of this room define."""
    found: list[Chapter] = []
    for file in _FILES:
        found += _defined_in(file)
    return _in_order([*found, _further])


def _defined_in(file: ModuleType) -> list[Chapter]:
    return [thing for thing in vars(file).values() if isinstance(thing, Chapter)]


def _in_order(found: list[Chapter]) -> list[Chapter]:
    placed = [chapter for chapter in found if not chapter.after]
    for chapter in (chapter for chapter in found if chapter.after):
        at = max(n for n, other in enumerate(placed) if other.id == chapter.after)
        placed.insert(at + 1, chapter)
    return placed


def sections(run: Run, options: Options) -> list[Section]:
    """Build every section; each says so where its table is missing, or has nothing to say."""
    built = (chapter.of(run, options) for chapter in chapters())
    return [section for section in built if section is not None]
