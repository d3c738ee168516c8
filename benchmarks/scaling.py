"""What each stage costs as cells grow, a model fitted to it, and what it says of 100 nodes.

``python benchmarks/scaling.py --cells 10000 100000 --out scaling.md`` runs the whole workflow on
each number of cells (benchmarks/whole.py, scores and sums in pieces), keeps what it measured in
``FOLDER/CELLS/costs.tsv`` and writes the table, the model and the prediction. What is in such a
file is not measured again. CPU time is modelled, not wall time: the machine may have been busy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import whole

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
NOT_MODELLED = ("snakemake", "--snakefile", "signatures")
COLUMNS = ["study", "stage", "cells", "cpu_s", "peak_mb"]


def measured(folder: Path, cells: int) -> pd.DataFrame:
    """One row a process of a whole run; ``cells`` are those that it worked on.

    What an earlier run found, if there was one.
    """
    path = folder / str(cells) / "costs.tsv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pieces = max(2, -(-cells // SHARD))
        whole.write_input(path.parent, cells, "lz4", shard_cells=-(-cells // pieces))
        jobs, _, _ = whole.run(path.parent, 2, [])
        jobs = jobs.rename(columns={"job": "stage", "CPU s": "cpu_s", "MB": "peak_mb"})
        jobs = jobs[~jobs["stage"].isin(NOT_MODELLED)]
        parts = jobs.groupby("stage")["stage"].transform("size")
        costs = jobs.assign(study=cells, cells=cells // parts)[COLUMNS].round(2)
        costs.to_csv(path, sep="\t", index=False)
    return pd.read_csv(path, sep="\t")


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
    """CPU seconds and MB of each stage, two columns a size; pieces are added up."""
    parts = []
    for cells, of in costs.groupby("study"):
        by = of.groupby("stage", sort=False)
        seen = {"CPU s": by["cpu_s"].sum(), "MB": by["peak_mb"].max()}
        parts.append(pd.DataFrame(seen).round(1).add_prefix(f"{cells:,}: "))
    return pd.concat(parts, axis=1).reset_index()


def main() -> None:
    """Measure, fit, predict, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, default=Path("build/scaling"))
    parser.add_argument("--out", type=Path, default=Path("scaling.md"))
    given = parser.parse_args()
    costs = pd.concat([measured(given.folder.resolve(), cells) for cells in given.cells])
    # One job scores a small study, pieces score a large one: what is modelled is the pieces.
    model = fitted(costs[costs["stage"] != "score"])
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
