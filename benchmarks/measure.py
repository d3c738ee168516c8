"""Clocks, memory and the shape of a result row."""

from __future__ import annotations

import gc
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Clock:
    cpu: float
    wall: float


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    cells: int
    value: float
    unit: str
    target: str = ""
    met: bool | None = None
    note: str = ""
    extra: dict[str, float] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def timed(work: Callable[[], Any], *, repeat: int = 1) -> Clock:
    """Best CPU time (all threads of the process) and best wall time of some runs."""
    cpu, wall = [], []
    for _ in range(repeat):
        gc.collect()
        c, w = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - c)
        wall.append(time.perf_counter() - w)
    return Clock(min(cpu), min(wall))


def at_least(what: str, cells: int, value: float, unit: str, target: float, note: str = "") -> Row:
    return Row(what, cells, value, unit, f">= {target:,.6g}", value >= target, note)


def at_most(what: str, cells: int, value: float, unit: str, target: float, note: str = "") -> Row:
    return Row(what, cells, value, unit, f"<= {target:,.4g}", value <= target, note)


def peak_rss_mb() -> float:
    """Largest resident size of this process so far, MB (Linux)."""
    return _status("VmHWM")


def rss_mb() -> float:
    return _status("VmRSS")


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    message = f"/proc/self/status has no {key}"
    raise RuntimeError(message)
