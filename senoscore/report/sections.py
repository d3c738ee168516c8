"""The sections of the report, in reading order: results first, then what they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from senoscore.plotting import theme
from senoscore.report import biology, inputs, learnt, measured, questions, results
from senoscore.report.parts import Options, Section
from senoscore.report.tables import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from senoscore.report.load import Run


__all__ = ["sections"]

_BUILDERS: Final[tuple[Callable[[Run, Options], Section | None], ...]] = (
    results.burden,
    results.states,
    results.cells,
    learnt.programme,
    results.sasp,
    results.axes,
    results.contrasts,
    questions.arms,
    questions.regions,
    biology.window,
    biology.crosstalk,
    biology.plasma,
    measured.blood,
    measured.external,
    measured.outcome,
    inputs.design,
    inputs.qc,
    inputs.genes,
    inputs.compartments,
    inputs.calibration,
    inputs.labels,
    inputs.confounders,
    inputs.gaps,
)


def sections(run: Run, options: Options) -> list[Section]:
    """Build every section; each says so where its table is missing, or has nothing to say."""
    built = [section for build in _BUILDERS if (section := build(run, options)) is not None]
    further = _further(run)
    return [*built[:-1], further, built[-1]] if further.items else built


def _further(run: Run) -> Section:
    items = tuple(
        view(t, f"summary_{n}", title=theme.pretty(n))
        for n, t in run.further.items()
        if not t.empty and n not in (*questions.TABLES, *learnt.TABLES)
    )
    return Section("further", "Further tables", "Other summaries of this run.", items)
