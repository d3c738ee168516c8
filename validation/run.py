"""Re-run the validation study and remake docs/validation.md.

    python validation/run.py            # the numbers of the page
    python validation/run.py --quick    # small sizes, to see that it runs
    python validation/run.py --learnt   # the learnt call alone, from kept tables

Results of each part are kept in ``build/validation``, in a folder named by a hash of the code and
the panel, and not computed again; ``--fresh`` forgets them.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

import assignment
import figures
import learnt_page
import nuisance
import null
import page
import power
import real
import specificity
from study import FULL, QUICK, ROOT, cached


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "validation.md")
    parser.add_argument("--learnt", action="store_true", help="only the learnt call, as kept")
    options = parser.parse_args()
    if options.learnt:
        tables = learnt_page.tables()
        missing = [name for name, rows in tables.items() if rows.empty]
        if missing:
            parser.error(f"no tables of this code for {', '.join(missing)}: see their scripts")
        part = learnt_page.text(tables)
        new = learnt_page.spliced(options.out.read_text(encoding="utf-8"), part)
        options.out.write_text(new, encoding="utf-8")
        return 0
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("validation").setLevel(logging.INFO)
    logging.getLogger("senoscore").setLevel(logging.ERROR)  # genes that a set lacks, each time
    warnings.simplefilter("ignore", category=FutureWarning)
    size = QUICK if options.quick else FULL
    studies = {
        "null_simulated": lambda: null.simulated(size),
        "null_control_splits": lambda: null.control_splits(size),
        "null_real_splits": lambda: null.real_splits(size),
        "burdens": lambda: power.burdens(size),
        "depths": lambda: power.depths(size),
        "curves": lambda: power.curves(size),
        "cuts": lambda: power.cuts(size),
        "no_controls": lambda: power.no_controls(size),
        "states": lambda: specificity.states(size),
        "correlations": lambda: nuisance.correlations(size),
        "leave_one_out": lambda: nuisance.leave_one_out(size),
        "depth_shift": lambda: nuisance.depth_shift(size),
        "gene_loss": lambda: nuisance.gene_loss(size),
        "assignment": lambda: assignment.simulated(size),
        "split_half": lambda: assignment.split_half(size),
        "fibroblasts": real.fibroblasts,
        "lymphoma": real.lymphoma,
        "molt4": real.molt4,
        "permuted": lambda: real.permuted(size),
        "own_sets": lambda: real.own_sets(Path(__file__).with_name("sets.yaml")),
    }
    found = {
        name: cached(name, make, quick=options.quick, fresh=options.fresh)
        for name, make in studies.items()
    }
    folder = options.out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    figures.burden(found["burdens"], folder / "burden")
    figures.ranking(found["depths"], folder / "ranking")
    figures.curves(found["curves"], folder / "curves")
    figures.cuts(found["cuts"], folder / "cuts")
    figures.states(found["states"], folder / "states")
    if len(found["fibroblasts"]):
        figures.fibroblasts(found["fibroblasts"], folder / "fibroblasts")
    tables = learnt_page.tables() if options.quick else learnt_page.complete()
    new = page.text(found, size, folder.name, learnt_page.text(tables))
    options.out.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
