"""Error rates and coverage of outcome, blood and agreement (docs/statistics.md).

    python validation/simulate_measured.py [outcome] [--studies 1000]

Without a name all tables are made. Minutes of one core each.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from senoscore.questions.association import firth_cox, rank_association
from senoscore.questions.censored import censored_contrast

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 20261129


def line(*cells: object) -> None:
    shown = (f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells)
    print("| " + " | ".join(shown) + " |", flush=True)


def cox(n: int, events: int, ratio: float, arms: int, studies: int) -> tuple[float, float, float]:
    """Share with p < 0.05, share of intervals that cover the ratio, mean number of events."""
    random = np.random.default_rng([SEED, n, events, int(10 * ratio), arms])
    held, covers, counted = [], [], []
    for _ in range(studies):
        x = random.normal(size=n)
        x = (x - x.mean()) / x.std(ddof=1)
        arm = np.arange(n) % arms
        time = random.exponential(1 / np.exp(np.log(ratio) * x + 0.7 * arm))
        cut = np.quantile(time, events / n)
        end = random.uniform(0.8 * cut, 1.2 * cut, size=n) if events < n else np.full(n, np.inf)
        dummies = np.equal.outer(arm, np.arange(1, arms)).astype(float)
        found = firth_cox(np.minimum(time, end), time <= end, np.column_stack([x, dummies]))
        held.append(found.p < 0.05)
        covers.append(found.lo <= ratio <= found.hi)
        counted.append((time <= end).sum())
    return float(np.mean(held)), float(np.mean(covers)), float(np.mean(counted))


def ranks(n: int, arms: int, rho: float, studies: int) -> tuple[float, float]:
    """Share with p < 0.05, share of intervals that cover Spearman's rho of the population."""
    random = np.random.default_rng([SEED, n, arms, int(10 * rho)])
    true = 6 / np.pi * np.arcsin(rho / 2)
    held, covers = [], []
    for _ in range(studies):
        arm = np.arange(n) % arms
        x = random.normal(size=n)
        y = rho * x + np.sqrt(1 - rho**2) * random.normal(size=n)
        found = rank_association(x + arm, y + arm, arm)
        held.append(found.p < 0.05)
        covers.append(not (found.lo > true or found.hi < true))
    return float(np.mean(held)), float(np.mean(covers))


def outcome(studies: int) -> None:
    line(
        "subjects",
        "events",
        "arms",
        "p < 0.05, no effect",
        "covers 1",
        "power, ratio 2",
        "covers 2",
    )
    for n, events, arms in ((12, 10, 1), (20, 10, 1), (40, 10, 1), (40, 20, 1), (80, 40, 1),
                            (20, 15, 2), (40, 20, 2), (26, 22, 4)):  # fmt: skip
        none, one, counted = cox(n, events, 1.0, arms, studies)
        power, two, _ = cox(n, events, 2.0, arms, studies)
        line(n, f"{counted:.1f}", arms, none, one, power, two)
    line("subjects", "arms", "p < 0.05, rho 0", "covers 0", "power, rho 0.7", "covers it")
    for n, arms in ((5, 1), (6, 1), (8, 1), (12, 1), (20, 1), (12, 2), (20, 2)):
        line(n, arms, *ranks(n, arms, 0.0, studies), *ranks(n, arms, 0.7, studies))


def bounds(
    follow: np.ndarray, base: np.ndarray | None, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of values below a limit, or of changes of them; pairs with both below are dropped."""
    low = follow < limit
    lo, hi = np.where(low, -np.inf, follow), np.where(low, limit, follow)
    if base is None:
        return lo, hi
    base_low = base < limit
    known = np.where(base_low, limit, base)
    lo, hi = lo - known, np.where(base_low, np.inf, hi - known)
    keep = ~(low & base_low)
    return np.where(keep, lo, np.nan), np.where(keep, hi, np.nan)


def censored(n: int, kind: str, effect: float, studies: int) -> tuple[float, float]:
    """Share of studies that can be tested, and of those, p < 0.05 of the true effect.

    The true effect is taken off the values before they are tested, so that this is also the
    share of intervals that leave it out.
    """
    random = np.random.default_rng([SEED, n, len(kind), int(10 * effect)])
    held = []
    for _ in range(studies):
        group = np.repeat([0.0, 1.0], n)
        shift = effect * group if kind != "pairs" else effect * np.ones(n)
        size = len(shift)
        own = random.normal(size=size)
        base = own + 0.6 * random.normal(size=size)
        follow = own + 0.6 * random.normal(size=size) + shift
        limit = float(norm.ppf(0.3) * np.hypot(1, 0.6))  # 30 % of values without effect below it
        lo, hi = bounds(follow, None if kind == "values" else base, limit)
        keep = np.isfinite(lo) | np.isfinite(hi)
        lo, hi = (lo - shift)[keep], (hi - shift)[keep]
        found = censored_contrast(lo, hi, None if kind == "pairs" else group[keep], interval=False)
        held.append(found.p)
    tested = np.isfinite(held)
    return float(tested.mean()), float((np.array(held)[tested] < 0.05).mean())


def blood(studies: int) -> None:
    line("subjects an arm", "question", "tested", "p < 0.05, no effect", "interval misses 1.5")
    for n in (3, 4, 5, 6, 8):
        for kind in ("values", "pairs", "changes of two arms"):
            tested, none = censored(n, kind, 0.0, studies)
            line(n, kind, tested, none, censored(n, kind, 1.5, studies)[1])


TABLES: dict[str, Callable[[int], None]] = {"outcome": outcome, "blood": blood}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=list(TABLES))
    parser.add_argument("--studies", type=int, default=1000)
    asked = parser.parse_args()
    for name in asked.tables:
        print(f"\n{name}, {asked.studies} studies a line", flush=True)
        TABLES[name](asked.studies)
