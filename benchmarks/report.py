"""Turn the results of all sections into docs/speed.md."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "numpy",
    "numba",
    "scipy",
    "pandas",
    "anndata",
    "h5py",
    "scanpy",
    "pyucell",
    "decoupler",
    "gseapy",
)

HEAD = """# Speed, and when to use which score

Made by `python benchmarks/run.py --full --out docs/speed.md`; edit `benchmarks/report.py`, not
this page.

Synthetic negative-binomial counts, 20,000 genes, about 2,200 stored values a cell (two thirds of
them ones), 30 signatures of 33-125 genes. Times are **CPU time** of the whole process unless a
line says wall. Each ratio has both sides measured in one process, one after the other, with one
thread each: quote ratios, not microseconds, since the machine may have been busy.
"""

CHOICE = """\
## When to use which score

- **Cells of one data set against each other, any depth, also out of core:** `ucell` or `aucell`.
  They look at the top of a cell's ranking only, depend on nothing but the cell, and can be
  computed in shards. Small sets of lowly expressed genes give many ties at zero: look at the
  null calibration (`null=100`), not at the raw score.
- **Whole ranking, bulk or deep data:** `singscore` and `ssgsea`. In single cells most genes are
  tied at zero and the number of genes above zero follows depth, so depth enters the score, up or
  down with the abundance of the set's genes: {ssgsea} for `ssgsea`, {singscore} for `singscore`
  (Spearman, 10 % to 90 % of the sets). Do not compare them between samples of different depth
  without a depth-matched calibration.
- **Signature against control genes:** `score_genes`, `seurat`, `ans`. Subtracting genes of like
  mean expression takes most of the depth out ({score_genes}, {seurat}, {ans}), but the controls
  are chosen by means over *all* cells: the same cell moved by {score_genes_moved},
  {seurat_moved} and {ans_moved} standard deviations when other cells joined. Choose the controls
  once per data set (the reference file of the first pass), and do not compare scores of different
  data sets. `ans` draws nothing at random and chooses each gene's controls next to it.
- **Mean of z, weighted mean:** `wmean` is a function of the cell alone and takes signed weights;
  `zscore` also depends on all cells (moved by {zscore_moved}). Nothing is subtracted for depth,
  and the logarithm of a shallow cell is not that of a deep one: {wmean} and {zscore}. Use them
  for bulk, or as a difference between sets.
- **Detection and rank together:** `jasmine` scales by the smallest and largest value over all
  cells, so one odd cell changes all scores (moved by {jasmine_moved}).
- **Few bulk samples or pseudobulk:** `gsva`; its cost grows with the square of the samples.
"""

JOBS = """## Where the time of a job goes

`python benchmarks/whole.py --cells 100000` draws cells of the demo (8,000 genes, 1,770 values a cell) into 20 samples
in one gzip .h5ad, runs `senoscore run --cores 2` with the default config, and lists CPU seconds (user and
system) and memory of every process. A study of 100,000 cells took 125 CPU s and 99 s of wall time on two idle cores;
the goal of 90 CPU s is not reached. On a machine that was 2.6 times as slow (330 CPU s), the parts were:

| job | share of CPU | MB |
|---|---|---|
| `qc` with doublets | 16 % | 830 |
| `score` (103 signatures, 2 methods, 50 random sets) | 9 % | 650 |
| `report` | 8 % | 450 |
| `ingest` | 7 % | 790 |
| Snakemake itself | 6 % | 470 |
| `window`, `crosstalk` | 6 %, 5 % | 600 |
| `programme-sums`, `programme`, `programme-score` | 5 %, 4 %, 4 % | 1,570, 1,210, 850 |
| `compartments` | 5 % | 800 |
| `export`, `calibrate`, `trend` | 4 %, 4 %, 3 % | 370, 570, 280 |
| ten more | 14 % | 580 |

A fifth of it is the start of 22 processes and of Snakemake. Since that run, in one process and one after the other:
reading what the learnt call looks at takes 2.5 times less CPU time, placing scores among random sets 2.8 times
less; jobs without a matrix do without numba. All tables are the same bytes as before. The whole was not run
again since.

The demo (12,381 cells, 31 samples, 3 data sets, 36 jobs) took 38 and 44 s of wall time on two idle cores, a study of
2,400 cells in 6 samples 23 s (31 CPU s).

The first call of `sen.score` on a fresh AnnData, 12,000 cells, 30 sets, one thread, CPU time: 6.2 against pyucell's
327 us a cell at 2,130 stored values (53 times), 9.9 against 420 at 4,180 (42 times). Of these 9.9, the kernel takes 7.0
(which counts the values and finds the genes of sets, 3.4, codes them, 0.9, and adds up), the look at all values 1.4;
names, signatures and results take 11 ms a call, 0.9 at 12,000 cells and 0.1 at 100,000. So 60 times is
within reach, if at all, for many cells of the first kind. Two threads take as much CPU time as one (6.3 and 10.0 us): no work is added,
and what is left is the part that one thread does and the cores that are free.

A million cells are in [cluster](cluster.md#scaling).
"""  # noqa: E501 - rows of a table

BIAS = """## What else is in a score

All cells of this simulation have **one and the same expression profile** and differ in depth
only (log-normal, sd 0.6), so each correlation is bias. Spearman correlation over cells; median of
30 random sets, in brackets the 10 % and 90 % quantiles over sets; then the median of its absolute
value. The last column: after as many
cells of another kind join the data set, how far the score of the first cells moves, in standard
deviations of that score between cells (0 = a function of the cell alone).

| method | rho(score, depth) | absolute | rho(score, genes detected) | moved, sd |
|---|---|---|---|---|
"""


def versions() -> dict[str, str]:
    """Versions of what was measured; packages that are absent are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(results: dict[str, Any]) -> str:
    lines = [
        "| measure | cells | value | target | met | detail |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        if name == "bias":
            continue
        for row in result["rows"]:
            met = {True: "yes", False: "**no**", None: ""}[row["met"]]
            cells = f"{row['cells']:,}" if row["cells"] else ""
            value = f"{number(row['value'])} {row['unit']}".strip()
            fields = (row["what"], cells, value, row["target"], met, row["note"])
            lines.append(f"| {' | '.join(fields)} |")
    return "\n".join(lines) + "\n"


def measured_bias(result: dict[str, Any]) -> dict[str, str]:
    """Numbers for the text: spread of rho and movement of every method."""
    words = {}
    for row in result["rows"]:
        extra = row["extra"]
        words[row["what"]] = f"{extra['low']:+.2f} to {extra['high']:+.2f}"
        words[f"{row['what']}_moved"] = f"{extra['moved']:.2f}"
    return words


def bias_table(result: dict[str, Any]) -> str:
    lines, spread = [], measured_bias(result)
    for row in result["rows"]:
        name, extra = row["what"], row["extra"]
        fields = (
            f"`{name}`",
            f"{row['value']:+.2f} ({spread[name]})",
            f"{extra['size']:.2f}",
            f"{extra['genes']:+.2f}",
            spread[f"{name}_moved"],
        )
        lines.append(f"| {' | '.join(fields)} |")
    return BIAS + "\n".join(lines) + f"\n\n{result['rows'][0]['cells']:,} cells.\n"


def conditions(results: dict[str, Any]) -> str:
    loads = [result["load"] for result in results.values()]
    known = next(iter(results.values()))["versions"]
    packages = ", ".join(f"{name} {number}" for name, number in known.items())
    seconds = sum(result["seconds"] for result in results.values())
    return (
        f"Machine: {platform.machine()}, {os.cpu_count()} cores; load when a section began "
        f"{min(loads):.1f} to {max(loads):.1f}; all sections took {seconds:.0f} s.\n"
        f"Versions: {packages}.\n"
    )


def page(results: dict[str, Any], *, missing: list[str], quick: bool) -> str:
    """The whole page."""
    parts = [HEAD]
    if quick:
        parts.append("**Small sizes (`--quick`): the targets are not meant for these.**\n")
    if missing:
        parts.append(f"Not measured: {', '.join(missing)}.\n")
    if results:
        parts += [conditions(results), "## Measured\n\n" + table(results), JOBS]
    if "bias" in results:
        parts += [CHOICE.format(**measured_bias(results["bias"])), bias_table(results["bias"])]
    return "\n".join(parts)


def summary(results: dict[str, Any]) -> str:
    """The table for the terminal."""
    rows = [row for name, result in results.items() if name != "bias" for row in result["rows"]]
    verdict = {True: "ok", False: "MISSED", None: ""}
    return "\n".join(
        f"{row['what']:58} {row['cells']:>9,} {number(row['value']):>9} {row['unit']:8} "
        f"{row['target']:9} {verdict[row['met']]}"
        for row in rows
    )
