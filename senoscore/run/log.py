"""Lines at the start and at the end of every stage, so that no log is empty."""

from __future__ import annotations

import logging
import time
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from senoscore import __version__
from senoscore import names as k

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["logged"]

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def logged(stage: Callable[P, R]) -> Callable[P, R]:
    """Log what a stage starts with, and that it ended and when; an error is the caller's to show.

    Parameters
    ----------
    stage
        Its name is the verb; its first argument is what it works on.
    """
    name = stage.__name__

    @wraps(stage)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        log.info("%s of %s: starts (senoscore %s)", name, _what(*args), __version__)
        start = time.monotonic()
        result = stage(*args, **kwargs)
        log.info("%s: done in %.1f s", name, time.monotonic() - start)
        return result

    return run


def _what(first: Any = "the run", *_others: Any) -> str:
    """The first argument in words: a data set, some, a row of their sheet, a file."""
    if isinstance(first, list | tuple):
        shown = ", ".join(map(str, first[:5]))
        return f"{len(first)} data sets: {shown}{', ...' if len(first) > 5 else ''}"
    if isinstance(first, dict):
        return str(first.get(k.DATASET, "the run"))
    return str(first)
