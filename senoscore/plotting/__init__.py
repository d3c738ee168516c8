"""Figures (``sen.pl``): each takes a tidy table of a run and returns an altair chart.

Every function has a twin ``*_table`` that returns the plotted numbers. Charts carry a text
for each mark, which shows as a tooltip and is read aloud, and no address: they render
offline.
"""

from typing import Any

from senoscore.io import attach_face

_resolve, __dir__, __all__ = attach_face(__name__, __file__)


def __getattr__(name: str) -> Any:
    thing = _resolve(name)
    # Tables and words need no library for drawing; whatever returns a chart or a picture does.
    if callable(thing) and thing.__module__.startswith(__name__) and _draws(thing):
        from senoscore.io import need_extra

        need_extra("altair", extra="report", what=f"sen.pl.{name} draws with altair")
    return thing


def _draws(thing: Any) -> bool:
    said = str(getattr(thing, "__annotations__", {}).get("return", ""))
    return "Chart" in said or thing.__name__ in ("save", "to_svg")
