"""What each stage costs as cells grow, a model fitted to it, and what it says of 100 nodes.

``python benchmarks/scaling.py --cells 10000 100000 --out scaling.md`` repeats the cells of the
tiny simulated study up to each size, runs every stage on them as the workflow does (one process
each, one thread) and writes the table, the model and the prediction. CPU time is modelled, not wall
time: the machine may have been busy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

DATASET = "big"
PER_CELL = ("ingest", "qc", "compartments", "score", "call")
PER_STUDY = ("calibrate", "burden", "export")
OVERHEAD_S = 30.0  # of one job on SLURM, measured with an empty one
SHARD = 250_000


@dataclass(frozen=True)
class Cost:
    """One stage at one size."""

    stage: str
    cells: int
    cpu_s: float
    wall_s: float
    peak_mb: float


def run(stage: str, cells: int, *arguments: str) -> Cost:
    """Run ``senoscore STAGE`` and measure the process."""
    began = time.monotonic()
    words = [sys.executable, "-m", "senoscore", stage, *arguments]
    pid = os.posix_spawn(sys.executable, words, {**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, used = os.wait4(pid, 0)
    if status:
        msg = f"senoscore {stage} failed"
        raise SystemExit(msg)
    wall = time.monotonic() - began
    cost = Cost(stage, cells, used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)
    sys.stderr.write(f"{cost}\n")
    return cost


def write_input(folder: Path, cells: int) -> dict[str, str]:
    """Repeat the cells of the tiny study; returns the row of the datasets sheet."""
    import anndata as ad
    import hdf5plugin  # noqa: F401 - registers the codec of the matrix

    from senoscore._simulate_files import write_study
    from senoscore.io.canonical import write_canonical_stream

    if not (folder / "batch_1.h5ad").exists():
        write_study(folder, seed=1, size="tiny")
    source = ad.read_h5ad(folder / "batch_1.h5ad")
    at = np.arange(cells) % source.n_obs
    obs = pd.DataFrame(
        {"sample": source.obs["sample"].astype(str).to_numpy()[at]},
        index=[f"cell{i:09d}" for i in range(cells)],
    )
    # Sorted by sample, as merged files are.
    order = np.argsort(obs["sample"].to_numpy(), kind="stable")
    X = source.X.tocsr()
    step = 4096
    blocks = (X[at[order[i : i + step]]] for i in range(0, cells, step))
    path = folder / f"cells-{cells}.h5ad"
    write_canonical_stream(
        path, blocks, list(source.var_names), values="counts", obs=obs.iloc[order]
    )
    return {
        "dataset": DATASET, "path": str(path), "organism": "human", "sample_column": "sample",
        "values": "counts",
    }  # fmt: skip


def measure(folder: Path, cells: int) -> list[Cost]:
    """Every stage at one size."""
    # In a process of its own: a child's peak memory begins at that of its parent.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        row = apart.submit(write_input, folder, cells).result()
    results = folder / f"results-{cells}"
    samples = pd.read_csv(folder / "samples.tsv", sep="\t", dtype=str)
    sheet = folder / "samples_b1.tsv"
    samples[samples["batch"] == "b1"].to_csv(sheet, sep="\t", index=False)
    to = ("--results", str(results))
    settings = ("--settings", "{}")
    one = ("--dataset", DATASET, *settings, *to)
    design = ("--samples", str(sheet))
    results.mkdir(exist_ok=True)
    run("signatures", 0, *settings, "--out", str(results / "signatures.tsv"))
    return [
        run("ingest", cells, "--row", json.dumps(row), *design, *to),
        run("qc", cells, *one),
        run("compartments", cells, *design, *one),
        run("score", cells, *one),
        run("survey", cells, *one),
        run("calibrate", cells, *design, *settings, *to, DATASET),
        run("call", cells, *design, *one),
        run("burden", cells, *design, *settings, *to, DATASET),
        run("export", cells, *to, DATASET),
    ]


def fitted(costs: pd.DataFrame) -> pd.DataFrame:
    """Seconds and MB of each stage: a constant, and a slope per million cells."""
    rows = []
    for stage, of in costs.groupby("stage", sort=False):
        millions = of["cells"].to_numpy() / 1e6
        row: dict[str, object] = {"stage": stage}
        for column in ("cpu_s", "peak_mb"):
            slope, base = np.polyfit(millions, of[column].to_numpy(), 1)
            row |= {f"{column}_base": max(base, 0.0), f"{column}_per_million": max(slope, 0.0)}
        rows.append(row)
    return pd.DataFrame(rows)


def predicted(model: pd.DataFrame, cells: float, *, nodes: int, per_dataset: float) -> dict:
    """Time and largest memory of a study on a cluster, two jobs of two cores a node.

    Datasets are spread over the jobs that may run; what reads all cells at once is one job.
    """
    by = model.set_index("stage")

    def seconds(stage: str, n: float) -> float:
        return by.loc[stage, "cpu_s_base"] + by.loc[stage, "cpu_s_per_million"] * n / 1e6

    def memory(stage: str, n: float) -> float:
        return by.loc[stage, "peak_mb_base"] + by.loc[stage, "peak_mb_per_million"] * n / 1e6

    slots, datasets = 2 * nodes, int(np.ceil(cells / per_dataset))
    waves = np.ceil(datasets / slots)
    pieces = datasets * int(np.ceil(per_dataset / SHARD))
    chain = sum(seconds(s, per_dataset) + OVERHEAD_S for s in ("ingest", "qc", "call")) * waves
    if per_dataset > SHARD:
        chain += (seconds("survey", per_dataset) + OVERHEAD_S) * waves
    chain += (seconds("score", min(per_dataset, SHARD)) + OVERHEAD_S) * np.ceil(pieces / slots)
    whole = {stage: seconds(stage, cells) for stage in PER_STUDY}
    wall = chain + sum(whole.values()) + OVERHEAD_S * len(whole)
    needs = {s: memory(s, min(per_dataset, SHARD) if s == "score" else per_dataset)
             for s in PER_CELL}  # fmt: skip
    needs |= {stage: memory(stage, cells) for stage in PER_STUDY}
    largest = max(needs, key=lambda stage: needs[stage])
    return {
        "cells": f"{cells / 1e6:g} M", "datasets": datasets, "jobs": 4 * datasets + pieces + 6,
        "CPU h": (sum(seconds(s, per_dataset) * datasets for s in PER_CELL) + sum(whole.values()))
        / 3600,
        "wall h": wall / 3600, "of it after the barrier, one job": sum(whole.values()) / 3600,
        "largest job": f"{largest}: {needs[largest] / 1024:.0f} GB",
    }  # fmt: skip


def markdown(table: pd.DataFrame) -> str:
    """The table as Markdown, numbers to three digits."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * table.shape[1]]
    for row in table.itertuples(index=False):
        cells = (f"{v:,.3g}" if isinstance(v, float) else str(v) for v in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, fit, predict, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, default=Path("scaling"))
    parser.add_argument("--out", type=Path, default=Path("scaling.md"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    costs = pd.DataFrame(
        [asdict(cost) for cells in given.cells for cost in measure(given.folder, cells)]
    )
    model = fitted(costs)
    future = pd.DataFrame(
        [
            predicted(model, cells, nodes=100, per_dataset=per)
            for cells in (1e7, 1e8)
            for per in (1e5, 1e6)
        ]
    )
    wide = costs.assign(cells=costs["cells"].map("{:,}".format))
    parts = ["## Measured", wide, "## Model", model, "## Predicted on 100 nodes", future]
    given.out.write_text(
        "\n\n".join(p if isinstance(p, str) else markdown(p) for p in parts) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
