"""Sections that read files: gzip as users have it, our own format, a million cells."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import data
from measure import Row, at_most, peak_rss_mb, rss_mb, timed

import senoscore as sen

if TYPE_CHECKING:
    from scipy import sparse

RANK = ["ucell", "aucell", "ssgsea", "singscore"]
SETS = data.signatures()
BLOCK = 4_096
HERE = str(Path(__file__).parent)


def _score(path: Path, methods: list[str], out: Path, *, n_threads: int = 1) -> None:
    from senoscore.scoring.score import score_file

    score_file(path, SETS, methods=methods, out=out, block_size=BLOCK, n_threads=n_threads)


def _write_canonical(path: Path, cells: sparse.csr_matrix, n_cells: int) -> None:
    from senoscore.io.canonical import write_canonical_stream

    if path.exists():
        return
    size = cells.shape[0]
    blocks = (cells[: min(size, n_cells - at)] for at in range(0, n_cells, size))
    write_canonical_stream(path, blocks, data.GENES.tolist(), values="counts")


def disk(folder: Path, *, quick: bool) -> list[Row]:
    n = 2_000 if quick else 20_000
    cells = data.pool(folder, 2_000 if quick else 8_192)
    gzip, own = folder / f"gzip-{n}.h5ad", folder / f"own-{n}.h5ad"
    if not gzip.exists():
        data.counts_adata(cells, n).write_h5ad(gzip, compression="gzip")
    _write_canonical(own, cells, n)
    methods, out = [*RANK, "wmean", "zscore"], folder / "disk.parquet"
    rows = []
    for what, path, target in (("gzip .h5ad", gzip, 80), ("canonical .h5ad", own, 50)):
        _score(path, methods, out)
        clock = timed(lambda p=path: _score(p, methods, out), repeat=2)
        size = path.stat().st_size / n / 1e3
        note = (
            f"wall {clock.wall / n * 1e6:.0f} us; {size:.1f} kB a cell on disk; CPU of all threads"
        )
        rows.append(
            at_most(
                f"{what}: four rank + two mean scores, CPU",
                n,
                clock.cpu / n * 1e6,
                "us/cell",
                target,
                f"{note}; read twice, since z-scores need the moments of all cells first",
            )
        )
        clock = timed(lambda p=path: _score(p, [*RANK, "wmean"], out), repeat=2)
        what = f"{what}: four rank scores and wmean, read once, CPU"
        rows.append(Row(what, n, clock.cpu / n * 1e6, "us/cell"))
    return rows


def million(folder: Path, *, quick: bool) -> list[Row]:
    """Out of core: time grows linearly, memory does not. Runs in a process of its own."""
    sizes = (2_000, 8_000, 20_000) if quick else (5_000, 20_000, 100_000, 1_000_000)
    cells = data.pool(folder, 2_000 if quick else 8_192)
    for n in sizes:
        _write_canonical(folder / f"own-{n}.h5ad", cells, n)
    del cells
    rows, clocks = [], {}
    for n in sizes:
        code = (
            f"import sys, json; sys.path.insert(0, {HERE!r}); from pathlib import Path;"
            f"import on_disk; on_disk.child(Path({str(folder)!r}), {n})"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        cpu, wall, base, peak = map(float, done.stdout.split()[-4:])
        clocks[n] = cpu
        note = f"2 threads and a reader; CPU {cpu:.1f} s, {cpu / n * 1e6:.1f} us a cell"
        rows.append(Row("four rank scores out of core, wall", n, wall, "s", note=note))
        held = n * len(RANK) * len(SETS) * 4 / 2**20
        note = f"base {base:.0f} MB, peak {peak:.0f} MB, scores {held:.0f} MB as float32"
        rows.append(at_most("the same: memory above base", n, peak - base, "MB", 200 + held, note))
    low, high = sizes[0], sizes[-1]
    slope = math.log(clocks[high] / clocks[low]) / math.log(high / low)
    rows.append(at_most(f"exponent of CPU time from {low:,} cells", high, slope, "", 1.05))
    return rows


def child(folder: Path, n_cells: int) -> None:
    """Score one file and print CPU s, wall s, base MB, peak MB."""
    out = folder / f"child-{n_cells}.parquet"
    import_module("pyarrow.parquet")  # libraries and compiled code belong to the base
    sen.score(data.counts_adata(data.draw(10, data.abundance(), seed=3), 10), SETS, methods=RANK)
    base = rss_mb()
    cpu, wall = time.process_time(), time.perf_counter()
    _score(folder / f"own-{n_cells}.h5ad", RANK, out, n_threads=2)
    print(time.process_time() - cpu, time.perf_counter() - wall, base, peak_rss_mb())
    out.unlink()


def first_call(_folder: Path, *, quick: bool) -> list[Row]:
    """Fresh processes with a warm numba cache: what every workflow job pays."""
    code = (
        f"import sys, time; sys.path.insert(0, {HERE!r}); a = time.perf_counter();"
        "import senoscore as sen; sen.score; b = time.perf_counter(); import data;"
        "x = data.counts_adata(data.draw(10, data.abundance(), seed=3), 10); s = data.signatures();"
        f"c = time.perf_counter(); sen.score(x, s, methods={RANK});"
        f"d = time.perf_counter(); sen.score(x, s, methods={RANK});"
        "print(b - a, d - c, time.perf_counter() - d)"
    )
    times = []
    for _ in range(2 if quick else 4):
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        times.append([float(x) for x in done.stdout.split()[-3:]])
    load, first, second = (min(t[i] for t in times[1:]) for i in range(3))
    return [
        Row("import of sen.score, wall", 0, load, "s"),
        Row(
            "first call in a new process, warm cache, wall",
            10,
            first,
            "s",
            note=f"second call {second:.3f} s",
        ),
    ]
