"""The part of docs/validation.md on the learnt call, from the tables that its scripts keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from baselines import compared
from learned import scenarios, tried
from page import _any, percent, table
from study import interval, keep, kept, pooled
from traps import PARTS as TRAPS

if TYPE_CHECKING:
    from collections.abc import Mapping

SEEDS: Final = {
    "damage": (2, 4, 6), "two": (2, 4, 6), "culture": (2, 4, 6), "decoys": (2, 4, 6, 8),
    "nulls": (2, 4, 6, 8, 10), "planted": (2, 4, 6, 8, 10), "designs": (2, 4, 6),
    "alone": (2, 4, 6), "baselines": (2, 4, 6),
}  # fmt: skip
"""What ``make validate`` computes where no table of it is kept."""

HEADING: Final = "## The learnt call"
NEXT: Final = "## The panel"


def complete() -> dict[str, pd.DataFrame]:
    """Tables of all parts; what was not run with this code is run."""
    for part, seeds in SEEDS.items():
        have = set(kept(part)["seed"])
        for seed in (s for s in seeds if s not in have):
            if part == "baselines":
                compared(seed, tune=False, python=None)
            else:
                cases = TRAPS[part](seed) if part in TRAPS else scenarios("report", {part}, [seed])
                keep(part, seed, tried(cases))
    return tables()


def tables() -> dict[str, pd.DataFrame]:
    """Tables of all parts, as far as they were run with this code."""
    return {part: kept(part) for part in SEEDS}


def _found(rows: pd.DataFrame) -> str:
    """Mean over studies and its 95 % interval over seeds."""
    if rows.empty:
        return "not run"
    middle, low, high = interval(rows.groupby("seed")["found"].mean())
    if not np.isfinite(low):
        return f"{percent(middle, 0)} (one seed)"
    return f"{percent(middle, 0)} ({percent(max(low, 0), 0)} to {percent(min(high, 1), 0)})"


def _studies(rows: pd.DataFrame) -> str:
    """Mean and range over seeds of each study."""
    parts = []
    for name, own in rows.groupby("name"):
        middle, low, high = (percent(f(own["found"]), 0) for f in (np.mean, np.min, np.max))
        word = name.split("__")[1].split("_")[0]
        parts.append(f"{word} {middle}" + (f" [{low} to {high}]" if len(own) > 1 else ""))
    return "; ".join(parts)


def _wrong(rows: pd.DataFrame) -> str:
    """Wrong among called of all runs, with a jackknife interval over seeds."""
    if rows.empty:
        return "–"
    by_seed = rows.groupby("seed")[["called", "wrong"]].sum()
    wrong, called = int(by_seed["wrong"].sum()), int(by_seed["called"].sum())
    if called == 0:
        return "none called"
    ratio, low, high = pooled(by_seed["wrong"], by_seed["called"])
    inside = f", {percent(low, 0)} to {percent(high, 0)}" if np.isfinite(low) else ""
    return f"{wrong} of {called:,} ({percent(ratio, 0)}{inside})"


def _of(rows: pd.DataFrame, scenario: str) -> pd.DataFrame:
    return rows[rows["scenario"] == scenario]


def _seeds(rows: pd.DataFrame) -> str:
    return ", ".join(map(str, sorted(set(rows["seed"])))) or "none"


def _met(rows: pd.DataFrame, found: float, wrong: float | None = None) -> str:
    if rows.empty:
        return "–"
    missed = []
    if rows["found"].mean() < found:
        missed.append("found")
    if wrong is not None and rows["wrong"].sum() > wrong * rows["called"].sum():
        missed.append("wrong")
    if missed:
        return f"**no** ({', '.join(missed)})"
    low = interval(rows.groupby("seed")["found"].mean())[1]
    return "yes" if low >= found else "on average"


def _goals(found: Mapping[str, pd.DataFrame]) -> str:
    damage, culture = found["damage"], found["culture"]
    asked: list[tuple[str, str, pd.DataFrame, float, float | None]] = [
        ("damage at 0.6 of its size, 10 % senescent, 4 and 4 animals",
         "found 85 %, wrong 5 % at most", _of(damage, "damage x0.6 0.1"), 0.85, 0.05),
        ("the same, 5 %", "found 75 %", _of(damage, "damage x0.6 0.05"), 0.75, None),
        ("the same, 2 %", "found 55 %", _of(damage, "damage x0.6 0.02"), 0.55, None),
        ("at 0.3, 10 %", "found 25 %, wrong 10 % at most", _of(damage, "damage x0.3 0.1"),
         0.25, 0.1),
        ("2 and 2 animals, 0.6, 10 %", "found 40 %", _of(found["two"], "2+2 x0.6 0.1"), 0.4, None),
        ("cultures, 0.6, 70 % senescent, 3 and 3 samples", "found 80 %",
         _of(culture, "culture x0.6 0.7"), 0.8, None),
        ("cultures, all cells senescent", "found 80 %", _of(culture, "culture x0.6 1.0"),
         0.8, None),
    ]  # fmt: skip
    lines = [
        [what, goal, _found(rows), _wrong(rows), _met(rows, least, most)]
        for what, goal, rows, least, most in asked
    ]
    nobody = _nobody(found)
    if len(nobody):
        made, cells = int(nobody["called"].sum()), int(nobody["n"].sum())
        highest = (nobody["called"] / nobody["n"]).max()
        goal = "called 0.1 % at most, no run above 0.5 %"
        measured = f"called {made:,} of {cells:,} ({percent(made / cells, 3)}), highest run "
        ok = "yes" if made <= 0.001 * cells and highest <= 0.005 else "**no**"
        what = f"decoys, real traps and nulls together ({len(nobody)} runs)"
        lines.append([what, goal, measured + percent(highest, 2), "–", ok])
    for share in (0.05, 0.1, 0.3):
        own = _of(damage, f"damage x0.6 {share}")
        own = own[own["share"].notna()] if "share" in own else own[:0]
        if len(own):
            ratio, cover = (
                own["share"].sum() / own["true_share"].sum(),
                own["covered_tissue"].mean(),
            )
            cells = percent(own["covered"].mean(), 0)
            off = ["bias"] * (not 0.8 <= ratio <= 1.2) + ["coverage"] * (not 0.92 <= cover <= 0.97)
            ok = f"**no** ({', '.join(off)})" if off else "yes"
            measured = (
                f"{ratio:.2f} of the truth, covers {percent(cover, 0)} (of the cells {cells})"
            )
            goal = "0.8 to 1.2 of the truth, 95 % interval covers 92 to 97 %"
            what = f"prevalence, 0.6, {share:.0%} senescent (seeds {_seeds(own)})"
            lines.append([what, goal, measured, "–", ok])
    if "rho" in damage:
        rho = damage.groupby("seed")["rho"].mean()
        ok = "yes" if rho.abs().mean() <= 0.05 else "**no**"
        measured = f"{rho.mean():.3f} [{rho.min():.3f} to {rho.max():.3f}]"
        lines.append(["rho(score, counts) in control cells", "0.05 at most", measured, "–", ok])
    return table(["", "goal", "measured (95 % CI over seeds)", "wrong among called", "met"], lines)


def _nobody(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Runs in which no cell is senescent."""
    plain = [found["decoys"], found["nulls"]]
    for part in ("two", "culture", "designs", "alone"):
        rows = found[part]
        trap = rows["scenario"].str.contains(r"decoy|null|, p53$|^PC9|^PBMC|^mouse", regex=True)
        plain.append(rows[trap.astype(bool)])
    every = [p for p in plain if len(p)]
    if not every:
        return pd.DataFrame(columns=["scenario", "called", "n", "seed"])
    rows = pd.concat(every)
    return rows[rows["refused"].isna()] if "refused" in rows else rows


def _nothing(rows: pd.DataFrame) -> str:
    lines = []
    for what, own in rows.groupby("scenario", sort=False):
        highest = (own["called"] / own["n"]).max()
        lines.append([what, f"{int(own['n'].sum()):,}", f"{int(own['called'].sum()):,}",
                      percent(highest, 2), _any(own["called"])])  # fmt: skip
    return table(
        ["nobody senescent", "irradiated cells", "called", "highest run",
         "runs with any call (95 % CI)"],
        lines,
    )  # fmt: skip


def _planted(rows: pd.DataFrame) -> str:
    lines = [
        [what, len(own), f"{own['auroc'].mean():.2f}", _found(own), _studies(own), _wrong(own)]
        for what, own in rows.groupby("scenario", sort=False)
    ]
    return table(
        ["planted", "runs", "AUROC", "found (95 % CI over seeds)", "by study [range of seeds]",
         "wrong among called"],
        lines,
    )  # fmt: skip


def _exchanged(own: pd.DataFrame) -> str:
    if own.empty:
        return "Labels of animals exchanged: not run."
    return (
        "With half of the animals of each arm under the label of the other, so that a tenth of "
        f"some samples in both arms is senescent, {int(own['called'].sum())} of "
        f"{int(own['n'].sum()):,} cells are called ({int(own['wrong'].sum())} wrong)."
    )


def _beside(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "Not run."
    traps = [s for s in dict.fromkeys(rows["scenario"]) if "senescent" not in s]
    lines = []
    for method, own in rows.groupby("method", sort=False):
        line: list[Any] = [method, _seeds(own)]
        for share in ("10% senescent", "5% senescent"):
            part = _of(own, share)
            made, wrong = int(part["called"].sum()), int(part["wrong"].sum())
            errs = f"{wrong:,} of {made:,} ({percent(wrong / made, 0)})" if made else "none called"
            line += [percent(part["found"].mean(), 0), errs]
        line += [percent(_of(own, t)["called"].sum() / _of(own, t)["n"].sum(), 1) for t in traps]
        lines.append([*line, f"{own['s'].median():.1f}"])
    return table(
        ["method", "seeds", "10 %: found", "wrong among called", "5 %: found",
         "wrong among called", *(f"called, {t}" for t in traps), "CPU s"],
        lines,
    )  # fmt: skip


def text(found: Mapping[str, pd.DataFrame]) -> str:
    """The whole part, from its heading to the next."""
    designs = found["designs"]
    moved = designs["scenario"].str.contains("exchanged", regex=False).astype(bool)
    alone = found["alone"]
    decoys = alone["scenario"].str.contains("senescent", regex=False).astype(bool)
    trap = designs["scenario"].str.contains(r", null$|, p53$", regex=True).astype(bool)
    given = "; ".join(f"{part} {_seeds(rows)}" for part, rows in found.items())
    return f"""{HEADING}

`sen.call` learns, where it can, what senescent cells of the study itself do (docs/call.md). Here
published changes of DNA damage are planted in cells that are not senescent. They are of the two
studies (H2O2 and doxorubicin) of the half that is kept for the report, each left out of the
published effects while it is tried; seeds are even, odd ones are for tuning. *Found*: mean over
studies, with its 95 % interval over seeds (t) for these two studies; others may differ more than
that. *Wrong*: all runs together, jackknife over seeds. FDR 0.1.

Made by `validation/learned.py`, `validation/traps.py` and `validation/baselines.py`, whose tables
`make validate` reads or makes. Seeds:
{given}.

### Goals

{_goals(found)}

*On average*: the mean reaches the goal, its interval does not. Prevalence is of irradiated samples
x compartments of 20 cells or more, which may hold one senescent cell or none. Its interval is for
the tissue that the cells are drawn from, of which the planted share is known; *of the cells*: the
share among the cells at hand, which it holds more often. What the demo gives, and the time of
100,000 cells, stand in [call.md](call.md).

### Nobody is senescent

{_nothing(_nobody(found))}

Seeds deal the same real cells anew, so that their runs are not independent and the intervals too
narrow. *Cells dealt* and *mixed* make samples of cells at hand: their samples are more alike than
animals are. The mice and the two donors are subjects; of the mice every arrangement of two against
two is judged. *p53*: the p53 targets rise alone, in a quarter of the cells.

### In real cells

{_planted(found["planted"])}

"Irradiated" are cells dealt into three samples; PC9 of a mean of 3,100 counts, immune cells of
6,500, PBMC (controls alone) of 1,500: there nobody is found. AUROC: of the learnt score, within a
compartment.

### Other designs

Simulated tissue of four animals an arm, 400 cells a sample and 4,000 counts a cell, unless said
otherwise; 10 % senescent at 0.6 of the published size.

{_planted(designs[~trap & ~moved])}

{_exchanged(designs[moved])}

### A single animal in an arm

Its cells are dealt into parts that are taken for animals (docs/call.md). Simulated tissue as
above, the first animals of each arm (controls and irradiated); what such runs call where nobody is
senescent stands above, real animals one against another among it. Of a single control animal calls
are candidates; they are counted here as calls.

{_planted(alone[decoys])}

### Beside other methods

The same cells, tissue of four and four animals, 0.6 of the published size; median CPU seconds.

{_beside(found["baselines"])}

`senoscore` is the learnt call, `panel` what decides without it. HiDDEN is written from its paper;
Mixscape is that of pertpy 1.0.3 with the values of its manual, compartment by compartment, and its
seconds are without imports. HiDDEN always makes two groups of the irradiated
cells. Sets are cut at the 95 % quantile of control cells.
"""


def spliced(page: str, part: str) -> str:
    """The page with its part on the learnt call made anew, and the panel's as it is."""
    before, rest = page.split(f"{HEADING}\n", 1)
    _, after = rest.split(f"{NEXT}\n", 1)
    return f"{before}{part}\n{NEXT}\n{after}"
