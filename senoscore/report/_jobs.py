"""What every job of a run asked for and used, from the ``benchmark:`` files of its rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore.io.tables import read_tsv

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COLUMNS", "jobs"]

COLUMNS: Final = (
    "job", "of", "wall_s", "asked_wall_s", "cpu_s", "threads", "peak_mb", "asked_mb",
)  # fmt: skip
_ASKED: Final = {"mem_mb": re.compile(r"'mem_mb': (\d+)"), "min": re.compile(r"'runtime': (\d+)")}


def jobs(folder: Path) -> pd.DataFrame:
    """Read the benchmark files below a folder, one row a job.

    Parameters
    ----------
    folder
        ``logs/benchmarks`` of a run: ``{rule}.tsv`` or ``{rule}/{wildcards}.tsv``.

    Returns
    -------
    ``job`` (the rule), ``of`` (its wildcards), ``wall_s`` (seconds) beside ``asked_wall_s``,
    ``cpu_s`` (seconds of all cores together) beside ``threads`` (cores asked for), and ``peak_mb``
    (resident set, MB; NaN for jobs too short to be seen) beside ``asked_mb``. What was asked is
    NaN where Snakemake ran without ``--benchmark-extended``, and a limit that the rule and the
    profile do not set. Longest first.

    Raises
    ------
    InputError
        A file cannot be read.
    """
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        rule, *rest = path.relative_to(folder).with_suffix("").parts
        used = read_tsv(path).iloc[-1]
        figures = used.reindex(["s", "cpu_time", "threads", "max_rss"])
        wall, cpu, threads, peak = pd.to_numeric(figures, errors="coerce")
        asked = {what: _number(form, used.get("resources")) for what, form in _ASKED.items()}
        limit = asked["min"] * 60
        rows.append((rule, "/".join(rest), wall, limit, cpu, threads, peak, asked["mem_mb"]))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("wall_s", ascending=False, kind="stable", ignore_index=True)


def _number(form: re.Pattern[str], text: object) -> float:
    found = form.search(str(text))
    return float(found[1]) if found else np.nan
