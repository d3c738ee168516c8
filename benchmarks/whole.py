"""What a whole run costs, job by job: CPU seconds, wall time and memory of every process.

    python benchmarks/whole.py --cells 100000 --folder build/whole

Cells of the demo (8,000 genes, some 1,800 values a cell) are drawn with replacement into samples of
5,000, sorted by sample in one .h5ad; ``senoscore run`` then does all that the default config
asks for, doublets included. The folder of an earlier run is used again, its results are not.
``--by-hand`` also takes scanpy's steps on the same file (benchmarks/by_hand.py).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

SAMPLE_CELLS = 5_000
BLOCK = 4_096
ROOT = Path(__file__).resolve().parents[1]


def write_demo(folder: Path) -> Path:
    """Simulate the demo, once."""
    from senoscore.simulation.files import write_study

    if not (folder / "batch_1.h5ad").exists():
        write_study(folder, seed=1)
    return folder


def write_input(folder: Path, cells: int, packed: str, *, shard_cells: int | None = None) -> None:
    """Write an .h5ad of this many cells, both sheets and a config."""
    import anndata as ad
    import hdf5plugin
    from anndata.io import write_elem

    source = ad.read_h5ad(write_demo(folder.parent / "demo") / "batch_1.h5ad")
    design = pd.read_csv(folder.parent / "demo" / "samples.tsv", sep="\t", dtype=str)
    design = design[design["batch"] == "b1"].reset_index(drop=True)
    n = max(len(design), round(cells / SAMPLE_CELLS))
    copies = np.arange(n) // len(design)
    sheet = design.iloc[np.arange(n) % len(design)].reset_index(drop=True)
    for name in ("sample", "subject"):
        sheet[name] = [f"{word}_{copy}" for word, copy in zip(sheet[name], copies, strict=True)]
    (folder / "config").mkdir(parents=True, exist_ok=True)
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    row = {
        "dataset": "big", "path": "cells.h5ad", "organism": "human", "sample_column": "sample",
    }  # fmt: skip
    pd.DataFrame([row]).to_csv(folder / "datasets.tsv", sep="\t", index=False)
    (folder / "config" / "config.yaml").write_text(
        "datasets: datasets.tsv\nsamples: samples.tsv\n"
        + (f"score: {{shard_cells: {shard_cells}}}\n" if shard_cells else ""),
        encoding="utf-8",
    )
    rng = np.random.default_rng(0)
    own = source.obs["sample"].astype(str).to_numpy()
    share = np.diff(np.linspace(0, cells, n + 1).astype(int))
    at = np.concatenate(
        [
            rng.choice(np.flatnonzero(own == design["sample"][i % len(design)]), share[i])
            for i in range(n)
        ]
    )
    X = source.X.tocsr()
    obs = pd.DataFrame(
        {"sample": np.repeat(sheet["sample"].to_numpy(), share)},
        index=[f"cell{i:09d}" for i in range(cells)],
    )
    lengths = np.diff(X.indptr)[at]
    indptr = np.append(0, np.cumsum(lengths, dtype=np.int64))
    temporary = folder / "cells.part"
    with h5py.File(temporary, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        group.attrs["shape"] = np.array([cells, X.shape[1]])
        group["indptr"] = indptr
        filters = {"gzip": "gzip", "lz4": hdf5plugin.Blosc(cname="lz4")}
        how = {"shape": (indptr[-1],), "chunks": (1 << 16,), "compression": filters[packed]}
        data = group.create_dataset("data", dtype=np.float32, **how)
        indices = group.create_dataset("indices", dtype=np.int32, **how)
        for start in range(0, cells, BLOCK):
            part = X[at[start : start + BLOCK]]
            where = slice(int(indptr[start]), int(indptr[min(start + BLOCK, cells)]))
            data[where], indices[where] = part.data, part.indices
        write_elem(file, "obs", obs)
        write_elem(file, "var", pd.DataFrame(index=source.var_names))
    temporary.rename(folder / "cells.h5ad")


def run(folder: Path, cores: int, words: list[str]) -> tuple[pd.DataFrame, float, float]:
    """Run the workflow; return what each process took, and CPU and wall seconds of the whole."""
    for name in ("results", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    usage = folder / "usage.jsonl"
    usage.unlink(missing_ok=True)
    paths = [str(ROOT / "benchmarks" / "usage"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ, "SENOSCORE_USAGE": str(usage), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }  # fmt: skip
    command = [sys.executable, "-m", "senoscore", "run", "--cores", str(cores), *words]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    log = folder / "run.log"
    with log.open("w") as out:
        subprocess.run(
            command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT, check=True
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took = time.monotonic() - began
    rows = []
    for line in usage.read_text("utf-8").splitlines():
        seen = json.loads(line)
        program, *given = seen["words"]
        ours = Path(program).stem in ("senoscore", "__main__") and "--snakefile" not in given[:1]
        verb = given[0] if given and ours else "snakemake"
        rows.append(
            {
                "job": verb,
                "CPU s": seen["user"] + seen["system"],
                "system s": seen["system"],
                "wall s": seen["wall"],
                "MB": seen["kb"] / 1024,
            }
        )
    return pd.DataFrame(rows), whole, took


def by_hand(path: Path) -> tuple[float, float]:
    """CPU seconds and MB of a process that reads the file and takes scanpy's steps."""
    code = (
        "import sys, warnings; sys.path.insert(0, sys.argv[2]); warnings.simplefilter('ignore')\n"
        "import anndata, by_hand; cells = anndata.read_h5ad(sys.argv[1])\n"
        "cells.X.indptr = cells.X.indptr.astype(cells.X.indices.dtype)\n"  # scipy wants them alike
        "by_hand.with_scanpy(cells)"
    )
    words = [sys.executable, "-c", code, str(path), str(ROOT / "benchmarks")]
    search = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": search}
    pid = os.posix_spawn(sys.executable, words, environment)
    _, status, used = os.wait4(pid, 0)
    if status:
        msg = "scanpy's steps failed"
        raise SystemExit(msg)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Make the input, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--input-only", action="store_true", help="make the input and stop")
    parser.add_argument("--folder", type=Path, default=Path("build/whole"))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--packed", choices=["gzip", "lz4"], default="gzip", help="of the input")
    parser.add_argument("--by-hand", action="store_true", help="also scanpy's steps by hand")
    options, words = parser.parse_known_args()
    folder = (options.folder / str(options.cells)).resolve()
    if not (folder / "cells.h5ad").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_input(folder, options.cells, options.packed)
    if options.input_only:
        return
    load = os.getloadavg()[0]
    jobs, whole, took = run(folder, options.cores, words)
    table = jobs.groupby("job", sort=False).agg(
        {"CPU s": "sum", "system s": "sum", "wall s": "sum", "MB": "max"}
    )
    table.insert(0, "jobs", jobs.groupby("job", sort=False).size())
    print(table.sort_values("CPU s", ascending=False).round(1).to_string())
    print(
        f"{options.cells:,} cells: {whole:.0f} CPU s, {took:.0f} s of wall time on {options.cores} "
        f"cores, largest job {jobs['MB'].max():,.0f} MB; load {load:.1f} at the start"
    )
    if options.by_hand:
        seconds, megabytes = by_hand(folder / "cells.h5ad")
        print(f"by hand with scanpy: {seconds:.0f} CPU s, {megabytes:,.0f} MB")


if __name__ == "__main__":
    main()
