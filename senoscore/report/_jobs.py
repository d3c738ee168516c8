"""What every job of a run used, from the ``benchmark:`` files of its rules."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COLUMNS", "jobs"]

log = logging.getLogger(__name__)

COLUMNS: Final = ("job", "of", "wall_s", "cpu_s", "peak_mb", "asked_mb")
_ASKED: Final = re.compile(r"'mem_mb': (\d+)")


def jobs(folder: Path) -> pd.DataFrame:
    """Read the benchmark files below a folder, one row a job.

    Parameters
    ----------
    folder
        ``logs/benchmarks`` of a run: ``{rule}.tsv`` or ``{rule}/{wildcards}.tsv``.

    Returns
    -------
    ``job`` (the rule), ``of`` (its wildcards), ``wall_s`` and ``cpu_s`` in seconds, ``peak_mb``
    (resident set, MB; NaN for jobs too short to be seen), ``asked_mb`` (NaN where Snakemake ran
    without ``--benchmark-extended``). Longest first. A file that a killed run left half-written
    is passed over: what a job used is no result.
    """
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        rule, *rest = path.relative_to(folder).with_suffix("").parts
        used = _last_row(path)
        if used is None:
            continue
        asked = _ASKED.search(str(used.get("resources", "")))
        figures = pd.to_numeric(used.reindex(["s", "cpu_time", "max_rss"]), errors="coerce")
        rows.append((rule, "/".join(rest), *figures, float(asked[1]) if asked else np.nan))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("wall_s", ascending=False, kind="stable", ignore_index=True)


def _last_row(path: Path) -> pd.Series | None:
    """The latest try of a job; None where Snakemake has not finished writing."""
    try:
        table = pd.read_csv(path, sep="\t")
    except (ValueError, OSError) as error:
        log.warning("%s cannot be read, left out: %s", path, " ".join(str(error).split()))
        return None
    if table.empty or "s" not in table:
        log.warning("%s holds no job, left out", path)
        return None
    return table.iloc[-1]
