"""Error rates and coverage of outcome, blood and agreement (docs/statistics.md).

    python validation/simulate_measured.py [outcome] [--studies 1000]

Without a name all tables are made. Minutes of one core each.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from senoscore.questions.association import firth_cox, rank_association

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
                            (20, 15, 2), (40, 20, 2)):  # fmt: skip
        none, one, counted = cox(n, events, 1.0, arms, studies)
        power, two, _ = cox(n, events, 2.0, arms, studies)
        line(n, f"{counted:.1f}", arms, none, one, power, two)
    line("subjects", "arms", "p < 0.05, rho 0", "covers 0", "power, rho 0.7", "covers it")
    for n, arms in ((5, 1), (6, 1), (8, 1), (12, 1), (20, 1), (12, 2), (20, 2)):
        line(n, arms, *ranks(n, arms, 0.0, studies), *ranks(n, arms, 0.7, studies))


TABLES: dict[str, Callable[[int], None]] = {"outcome": outcome}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=list(TABLES))
    parser.add_argument("--studies", type=int, default=1000)
    asked = parser.parse_args()
    for name in asked.tables:
        print(f"\n{name}, {asked.studies} studies a line", flush=True)
        TABLES[name](asked.studies)
