"""Progress of long steps: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["progress", "track"]

_log = logging.getLogger(__name__)
_EVERY: Final = 10.0
"""Seconds between two plain lines."""


@contextmanager
def progress(
    what: str, total: int | None = None, *, stream: TextIO | None = None
) -> Iterator[Callable[[int], None]]:
    """Show how far a step is; yields a function to call with the number of items just done.

    Parameters
    ----------
    what
        The step in a few words.
    total
        Number of items; None where it is not known.
    stream
        Where to; by default standard error. A bar is drawn only on a terminal: in a log file
        a line is logged at most every 10 seconds, and one at the end.
    """
    target = sys.stderr if stream is None else stream
    if target.isatty():
        with _bar(what, total, target) as advance:
            yield advance
        return
    start = last = time.monotonic()
    done = 0

    def plain(n: int) -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= _EVERY:
            last = now
            _log.info("%s: %s", what, _of(done, total))

    yield plain
    _log.info("%s: %s in %.1f s", what, _of(done, total), time.monotonic() - start)


def track(
    items: Iterable[T],
    what: str,
    *,
    total: int | None = None,
    size: Callable[[T], int] = lambda _: 1,
) -> Iterator[T]:
    """Pass ``items`` on and show how many are done.

    Parameters
    ----------
    items
        What is worked on, one by one; nothing is read ahead.
    what
        The step in a few words.
    total
        Of all sizes; by default the number of items, where they have a length.
    size
        What an item counts for, such as the cells of a block.
    """
    length = total if total is not None else getattr(items, "__len__", lambda: None)()
    with progress(what, length) as advance:
        for item in items:
            yield item
            advance(size(item))


def _of(done: int, total: int | None) -> str:
    return f"{done}" if total is None else f"{done} of {total}"


@contextmanager
def _bar(what: str, total: int | None, stream: TextIO) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda n: bar.advance(task, n)
