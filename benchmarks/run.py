"""Measure speed, memory and bias, and write docs/speed.md.

    python benchmarks/run.py --full --out docs/speed.md
    python benchmarks/run.py --quick --only ucell

Every section runs in a process of its own, with one thread for every library unless it says
otherwise, and leaves a JSON file in the work folder. A section that has one is not run again
(``--fresh`` runs all, ``--only NAME`` the named ones); the page is made from what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import report

SECTIONS = {
    "ucell": "in_memory",
    "rank": "in_memory",
    "aucell": "in_memory",
    "ssgsea": "in_memory",
    "score_genes": "in_memory",
    "threads": "in_memory",
    "disk": "on_disk",
    "million": "on_disk",
    "first_call": "on_disk",
    "by_hand": "by_hand",
    "bias": "bias",
}
ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    size.add_argument("--full", action="store_true", help="the sizes of the targets (default)")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="run again, repeatable")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--out", type=Path, default=Path("docs/speed.md"))
    parser.add_argument(
        "--work", type=Path, default=Path("build/bench"), help="matrices and results"
    )
    parser.add_argument("--child", choices=SECTIONS, help=argparse.SUPPRESS)
    return parser.parse_args()


def run_child(name: str, work: Path, *, quick: bool) -> None:
    """Run one section in this process and save its rows."""
    section = getattr(import_module(SECTIONS[name]), name)
    load = os.getloadavg()[0]
    start = time.perf_counter()
    rows = [row.plain() for row in section(work, quick=quick)]
    took = time.perf_counter() - start
    result = {"rows": rows, "load": load, "seconds": took, "versions": report.versions()}
    result_path(name, work, quick=quick).write_text(json.dumps(result, indent=1))


def result_path(name: str, work: Path, *, quick: bool) -> Path:
    return work / f"{'quick' if quick else 'full'}-{name}.json"


def environment() -> dict[str, str]:
    """One thread for every library; this checkout before any installed senoscore."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    search = os.pathsep.join(path for path in paths if path)
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": search}


def main() -> int:
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    work = options.work.resolve()
    if options.child:
        run_child(options.child, work, quick=options.quick)
        return 0
    failed = []
    for name in options.only or SECTIONS:
        path = result_path(name, work, quick=options.quick)
        if path.exists() and not options.fresh and not options.only:
            continue
        path.unlink(missing_ok=True)
        command = [sys.executable, __file__, "--child", name, "--work", str(work)]
        command += ["--quick"] if options.quick else []
        print(f"{name} ...", flush=True)
        start = time.perf_counter()
        done = subprocess.run(command, env=environment(), check=False)
        print(
            f"{name}: {time.perf_counter() - start:.0f} s, exit code {done.returncode}", flush=True
        )
        failed += [name] if done.returncode else []
    results = {
        name: json.loads(path.read_text())
        for name in SECTIONS
        if (path := result_path(name, work, quick=options.quick)).exists()
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        report.page(results, missing=[n for n in SECTIONS if n not in results], quick=options.quick)
    )
    print(report.summary(results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
