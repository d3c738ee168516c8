"""What each stage costs as cells grow, a model fitted to it, and what it says of 100 nodes.

``python benchmarks/scaling.py --cells 10000 100000 --out scaling.md`` repeats the cells of the
tiny simulated study, sample by sample, up to each size, runs every stage on them as the workflow
does (one process each, one thread), keeps what it measured in ``FOLDER/costs.tsv`` and writes the
table, the model and the prediction. What is in that file is not measured again, so that a run can
be stopped. CPU time is modelled, not wall time: the machine may have been busy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

DATASET = "big"
PER_DATASET = ("ingest", "qc", "compartments", "survey", "gather", "programme-score", "call")
PIECES = ("shard", "programme-sums")
PER_STUDY = (
    "calibrate", "programme-plan", "programme", "programme-call", "burden", "substates",
    "confounders", "trend", "window", "crosstalk", "families", "export", "report",
)  # fmt: skip
ONE_BY_ONE = ("window", "crosstalk")  # of PER_STUDY: memory goes by the largest dataset
ONE_SAMPLE = ("qc",)  # memory goes by the largest sample, which is no larger in a larger study
OVERHEAD_S = 30.0  # of one job on SLURM, measured with an empty one
SHARD = 250_000
SAMPLE_CELLS = 5_000  # about what a droplet lane gives


@dataclass(frozen=True)
class Cost:
    """One stage at one size; ``cells`` are those that the process worked on."""

    study: int
    stage: str
    cells: int
    cpu_s: float
    wall_s: float
    peak_mb: float
    load: float


class Record:
    """What was measured, also by an earlier run: a table that grows line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_text("\t".join(field.name for field in fields(Cost)) + "\n")

    def table(self) -> pd.DataFrame:
        return pd.read_csv(self.path, sep="\t")

    def run(self, study: int, stage: str, cells: int, *arguments: str, part: int = 0) -> None:
        """Run ``senoscore STAGE`` in a process of its own and measure it, unless that was done."""
        known = self.table()
        done = known["study"].eq(study) & known["stage"].eq(stage)
        if done.sum() > part:
            return
        words = [sys.executable, "-m", "senoscore", stage, *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        began = time.monotonic()
        pid = os.posix_spawn(sys.executable, words, environment)
        _, status, used = os.wait4(pid, 0)
        if status:
            msg = f"senoscore {stage} failed"
            raise SystemExit(msg)
        cost = Cost(
            study, stage, cells, round(used.ru_utime + used.ru_stime, 2),
            round(time.monotonic() - began, 2), round(used.ru_maxrss / 1024), os.getloadavg()[0],
        )  # fmt: skip
        with self.path.open("a") as file:
            file.write("\t".join(map(str, astuple(cost))) + "\n")
        sys.stderr.write(f"{asdict(cost)}\n")


def write_input(folder: Path, cells: int) -> tuple[dict[str, str], Path]:
    """Repeat the samples of the tiny study; returns the row of the datasets sheet, the samples."""
    import anndata as ad
    import hdf5plugin  # noqa: F401 - registers the codec of the matrix

    from senoscore import kernels
    from senoscore.io.canonical import write_canonical_stream
    from senoscore.simulation.files import write_study

    kernels.warm()  # no stage is to compile
    if not (folder / "batch_1.h5ad").exists():
        write_study(folder, seed=1, size="tiny")
    path, sheet = folder / f"cells-{cells}.h5ad", folder / f"samples-{cells}.tsv"
    row = {
        "dataset": DATASET, "path": str(path), "organism": "human", "sample_column": "sample",
        "values": "counts",
    }  # fmt: skip
    if path.exists():
        return row, sheet
    source = ad.read_h5ad(folder / "batch_1.h5ad")
    design = pd.read_csv(folder / "samples.tsv", sep="\t", dtype=str)
    design = design[design["batch"] == "b1"]
    copies = max(1, round(cells / (len(design) * SAMPLE_CELLS)))
    pd.concat(
        [
            design.assign(sample=design["sample"] + f"_{c}", subject=design["subject"] + f"_{c}")
            for c in range(copies)
        ]
    ).to_csv(sheet, sep="\t", index=False)
    # Sorted by sample, as merged files are; drawn anew for each copy: equal samples are refused.
    rng = np.random.default_rng(0)
    own = source.obs["sample"].astype(str).to_numpy()
    share = np.diff(np.linspace(0, cells, copies * len(design) + 1).astype(int))
    at = np.concatenate(
        [
            rng.choice(np.flatnonzero(own == name), share[c * len(design) + i])
            for c in range(copies)
            for i, name in enumerate(design["sample"])
        ]
    )
    names = [f"{name}_{c}" for c in range(copies) for name in design["sample"]]
    obs = pd.DataFrame(
        {"sample": np.repeat(names, share)}, index=[f"cell{i:09d}" for i in range(cells)]
    )
    X = source.X.tocsr()

    def blocks(step: int = 4096) -> Iterator[object]:
        for start in range(0, cells, step):
            yield X[at[start : start + step]]

    write_canonical_stream(path, blocks(), list(source.var_names), values="counts", obs=obs)
    return row, sheet


def measure(folder: Path, cells: int, record: Record, *, doublets: bool, pseudobulk: bool) -> None:
    """Every stage at one size: those of a dataset, its pieces, and what reads them all."""
    # In a process of its own: a child's peak memory begins at that of its parent.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        row, sheet = apart.submit(write_input, folder, cells).result()
    results = folder / f"results-{cells}"
    results.mkdir(exist_ok=True)
    to = ("--results", str(results))
    settings = ("--settings", "{}")
    one = ("--dataset", DATASET, *to)
    design = ("--samples", str(sheet))
    every = (*design, *settings, *to, DATASET)

    pieces = max(2, -(-cells // SHARD))

    def run(stage: str, *arguments: str) -> None:
        record.run(cells, stage, cells, *arguments)

    def run_pieces(stage: str, *arguments: str) -> None:
        for part in range(pieces):
            words = (*arguments, "--part", str(part), "--of", str(pieces))
            record.run(cells, stage, cells // pieces, *words, part=part)

    run("signatures", *settings, "--out", str(results / "signatures.tsv"))
    run("ingest", "--row", json.dumps(row), *design, *to)
    if doublets:
        run("qc", *one, *settings)
    else:
        run("qc", *one, "--settings", json.dumps({"qc": {"doublets": "off"}}))
    run("compartments", *design, *one, *settings)
    run("survey", *one, *settings)
    run_pieces("shard", *one, *settings)
    run("gather", *one, "--of", str(pieces))
    run("calibrate", *every)
    run("programme-plan", *every)
    run_pieces("programme-sums", *design, *one, *settings)
    sums = results / "programme" / f"{DATASET}.sums"
    run(
        "programme", *to, DATASET,
        *(w for i in range(pieces) for w in ("--sums", str(sums / f"{i}_of_{pieces}.npz"))),
    )  # fmt: skip
    run("programme-score", *design, *one, *settings)
    run("programme-call", *settings, *to, DATASET)
    judged = ("--learnt", str(results / "programme" / f"{DATASET}.calls.parquet"))
    run("call", *design, *one, *settings, *judged)
    run("burden", *every)
    run("substates", *settings, *to, DATASET)
    run("confounders", *every)
    run("trend", *design, *settings, *to)
    run("window", *every)
    run("crosstalk", *settings, *to, DATASET)
    run("families", *settings, *to)
    run("export", *design, *to, DATASET)
    listed = results / "datasets.tsv"
    pd.DataFrame([row]).to_csv(listed, sep="\t", index=False)
    run("report", *design, "--settings", json.dumps({"datasets": str(listed)}), *to, DATASET)
    if pseudobulk:
        run("pseudobulk", *every)


def fitted(costs: pd.DataFrame) -> pd.DataFrame:
    """Seconds and MB of each stage: a constant, and a slope per million cells.

    Least squares of relative errors, and nothing below 0: else the largest study alone would say
    what a small one costs.
    """
    from scipy.optimize import nnls

    names = ("base", "per million")
    rows = []
    for stage, of in costs.groupby("stage", sort=False):
        millions = of["cells"].to_numpy() / 1e6
        row: dict[str, object] = {"stage": stage}
        for column in ("cpu_s", "peak_mb"):
            seen = of[column].to_numpy()
            if column == "peak_mb" and stage in ONE_SAMPLE:
                row |= {f"{column}, base": seen.max()}
                continue
            terms = millions[:, None] ** [0, 1] / seen[:, None]
            weights, _ = nnls(terms, np.ones(len(seen)))
            row |= {f"{column}, {n}": w for n, w in zip(names, weights, strict=True)}
        rows.append(row)
    order = [f"{column}, {name}" for column in ("cpu_s", "peak_mb") for name in names]
    return pd.DataFrame(rows)[["stage", *order]].fillna(0.0)


def predicted(model: pd.DataFrame, cells: float, *, nodes: int, per_dataset: float) -> dict:
    """Time and largest memory of a study on a cluster, two jobs a node.

    Datasets are spread over the jobs that may run; what reads all cells at once is one job.
    """
    by = model.set_index("stage")

    def seconds(stage: str, n: float) -> float:
        return by.loc[stage, "cpu_s, base"] + by.loc[stage, "cpu_s, per million"] * n / 1e6

    def memory(stage: str, n: float) -> float:
        return by.loc[stage, "peak_mb, base"] + by.loc[stage, "peak_mb, per million"] * n / 1e6

    slots, datasets = 2 * nodes, int(np.ceil(cells / per_dataset))
    per_piece = int(np.ceil(per_dataset / SHARD))
    pieces = datasets * per_piece
    waves = np.ceil(datasets / slots)
    whole = {stage: seconds(stage, cells) for stage in PER_STUDY}
    own = {stage: seconds(stage, per_dataset) for stage in PER_DATASET}
    if per_piece == 1:  # scored by one job, which makes the first pass itself
        own["gather"] = 0.0
    piece = {stage: seconds(stage, per_dataset / per_piece) for stage in PIECES}
    scored = (own["survey"] + own["gather"] + 2 * OVERHEAD_S * (per_piece > 1)) * waves
    scored += (piece["shard"] + OVERHEAD_S) * np.ceil(pieces / slots)
    cells_job = max(own["qc"], own["compartments"]) + OVERHEAD_S
    # The learnt call waits for qc and compartments, the panel for the scores.
    learnt = cells_job * waves + (piece["programme-sums"] + OVERHEAD_S) * np.ceil(pieces / slots)
    learnt += (own["programme-score"] + OVERHEAD_S) * waves + 3 * OVERHEAD_S
    learnt += sum(whole[stage] for stage in ("programme-plan", "programme", "programme-call"))
    called = max(scored + whole["calibrate"] + OVERHEAD_S, learnt)
    chain = (own["ingest"] + OVERHEAD_S) * waves + called
    chain += (own["call"] + OVERHEAD_S) * np.ceil(datasets / 2 / slots)
    last = whole["burden"] + whole["report"] + max(
        whole["confounders"], whole["export"], whole["crosstalk"], whole["trend"] + whole["window"]
    )  # fmt: skip
    alone = last + OVERHEAD_S
    needs = {stage: memory(stage, per_dataset) for stage in PER_DATASET}
    needs |= {stage: memory(stage, per_dataset / per_piece) for stage in PIECES}
    needs |= {s: memory(s, per_dataset if s in ONE_BY_ONE else cells) for s in PER_STUDY}
    largest = sorted(needs, key=lambda stage: -needs[stage])[:2]
    work = sum(own.values()) * datasets + sum(piece.values()) * pieces + sum(whole.values())
    jobs = datasets * 3 + 2 * pieces + (2 * datasets if per_piece > 1 else 0)
    return {
        "cells": f"{cells / 1e6:g} M", "datasets": datasets,
        "jobs": jobs + -(-datasets // 2) + 6,
        "CPU h": work / 3600, "wall h": (chain + alone) / 3600,
        "calibrate h": whole["calibrate"] / 3600, "learnt call h": learnt / 3600,
        "last job h": last / 3600,
        "largest jobs": ", ".join(f"{name} {needs[name] / 1024:.0f} GB" for name in largest),
    }  # fmt: skip


def markdown(table: pd.DataFrame) -> str:
    """The table as Markdown, numbers to three digits."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * table.shape[1]]
    for row in table.itertuples(index=False):
        cells = (f"{v:,.0f}" if isinstance(v, float) and v >= 1000 else f"{v:.3g}"
                 if isinstance(v, float) else str(v) for v in row)  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def wide(costs: pd.DataFrame) -> pd.DataFrame:
    """CPU seconds, wall seconds and MB of each stage, a column a size; pieces are added up."""
    parts = []
    for cells, of in costs.groupby("study"):
        by = of.groupby("stage", sort=False)
        seen = {"CPU s": by["cpu_s"].sum(), "wall s": by["wall_s"].sum(), "MB": by["peak_mb"].max()}
        parts.append(pd.DataFrame(seen).round(1).add_prefix(f"{cells:,}: "))
    return pd.concat(parts, axis=1).reset_index()


def main() -> None:
    """Measure, fit, predict, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, default=Path("scaling"))
    parser.add_argument("--out", type=Path, default=Path("scaling.md"))
    parser.add_argument(
        "--doublets-up-to", type=int, default=1_000_000, help="larger studies go without scrublet"
    )
    parser.add_argument("--pseudobulk", action="store_true", help="measure this stage too: minutes")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    record = Record(given.folder / "costs.tsv")
    for cells in given.cells:
        measure(
            given.folder, cells, record, doublets=cells <= given.doublets_up_to,
            pseudobulk=given.pseudobulk,
        )  # fmt: skip
    costs = record.table()
    with_doublets = (costs["stage"] != "qc") | (costs["study"] <= given.doublets_up_to)
    model = fitted(costs[with_doublets & (costs["stage"] != "signatures")])
    future = pd.DataFrame(
        [
            predicted(model, cells, nodes=100, per_dataset=per)
            for cells in (1e7, 1e8)
            for per in (1e5, 1e6)
        ]
    )
    parts = ["## Measured", wide(costs), "## Model", model, "## Predicted on 100 nodes", future]
    given.out.write_text(
        "\n\n".join(p if isinstance(p, str) else markdown(p) for p in parts) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
