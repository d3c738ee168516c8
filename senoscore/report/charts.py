"""A figure of the page: two static SVGs (wide, narrow), files beside the report, the numbers.

Static SVG, because the page must run no code that a content security policy would have to
allow to build code from text, must print, and must be readable without any script. Each mark
carries a sentence; a small script shows it as a tooltip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from senoscore.errors import InputError
from senoscore.plotting import quick_composition, save, to_svg
from senoscore.report.tables import TableView, clean, view

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import altair
    import pandas as pd

    from senoscore.plotting import Layout


__all__ = ["Figure", "Gap", "Part"]

_SIZE = re.compile(r'^<svg ([^>]*?)width="([\d.]+)" height="([\d.]+)"')


@dataclass(frozen=True)
class Figure:
    """A drawn figure with its alternative text and its numbers."""

    id: str
    title: str
    caption: str
    alt: str
    wide: Markup
    narrow: Markup
    table: TableView
    files: tuple[str, ...]


@dataclass(frozen=True)
class Gap:
    """What stands where a figure or table could not be made, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Part:
    """A figure of the page before it is drawn: its words, its drawing and its numbers.

    A section yields its figures as parts. The page, the figures folder with its ``captions.tsv``
    and with them ``snakemake --report`` take all of it from here.
    """

    name: str
    """Identifier in the page, and stem of ``name.svg``, ``name.png`` and ``name.tsv``."""
    title: str
    caption: str
    """How to read it."""
    alt: str | Callable[[pd.DataFrame], str]
    """What it shows, in words, for screen readers; a function makes it of the numbers."""
    draw: Callable[[Layout], altair.Chart]
    """Returns the chart for a layout."""
    numbers: Callable[[], pd.DataFrame]
    """Returns the plotted numbers."""

    def drawn(self, folder: Path | None = None) -> Figure | Gap:
        """Draw it twice and save it to a folder; a :class:`Gap` where its table has no figure."""
        try:
            table = self.numbers().drop(columns=["text"], errors="ignore")
            wide = _drawn(self.draw, "wide", f"{self.name}-w")
            narrow = _drawn(self.draw, "narrow", f"{self.name}-n")
        except InputError as error:
            return Gap(self.title, error.message)
        written = [] if folder is None else save(wide, folder / self.name, table)
        return Figure(
            id=self.name,
            title=self.title,
            caption=self.caption,
            alt=self.alt if isinstance(self.alt, str) else self.alt(table),
            wide=inline(wide),
            narrow=inline(narrow),
            table=view(table, f"figure_{self.name}", title=f"Numbers of the figure “{self.title}”"),
            files=tuple(p.name for p in written),
        )


def _drawn(draw: Callable[[Layout], altair.Chart], layout: Layout, prefix: str) -> str:
    with quick_composition():
        return to_svg(draw(layout), prefix=prefix)


def inline(svg: str) -> Markup:
    """Make an SVG fit to stand inside a page: no style attribute, no hidden characters.

    The text of an SVG comes from the renderer, which escapes every user string in it.
    """
    svg = clean(re.sub(r' style="[^"]*"', "", svg))
    svg = _SIZE.sub(
        r'<svg \1width="\2" height="\3" focusable="false" aria-hidden="true"', svg, count=1
    )
    return Markup(svg)  # noqa: S704 - escaped by the renderer, tested with hostile names
