"""Read the tables of a run folder; a table that is not there is noted, never invented."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import read_facts, read_parquet, read_tsv
from senoscore.plotting import tidy
from senoscore.report import provenance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = [
    "JOB_COLUMNS",
    "Run",
    "RunFiles",
    "jobs",
    "load",
    "not_comparable",
    "notes",
    "stepped_aside",
]

log = logging.getLogger(__name__)

_TEXT = (
    k.DATASET,
    k.SAMPLE,
    k.SUBJECT,
    k.TREATMENT,
    k.BATCH,
    k.COMPARTMENT,
    "region",
    "note",
    "reason",
)
_ONE: Final[dict[str, str]] = {
    name: name
    for name in (
        "samples", "datasets", "burden", "trend", "families", "readouts", "label_check",
        "confounders", "window", "window_phases", "window_contrasts", "targets", "escape",
        "plasma", "crosstalk", "calibration",
    )
} | {"rates": "calibration_rates"}  # fmt: skip
"""Tables that the page knows, and the name of the file of each, without its ending."""
_ASKED_FOR: Final = (
    "blood", "blood_changes", "external", "external_pairs", "outcome", "outcome_subjects",
    "embedding",
)  # fmt: skip
"""Likewise, of runs that were given what they rest on; elsewhere nobody misses them."""
_AT_TOP: Final = ("datasets", "samples", "calibration_rates", "embedding")
"""Tables that lie in the run folder itself."""
_MANY: Final[dict[str, str]] = {
    "coverage": "scores/*.coverage.tsv",
    "qc": "cells/*.qc_samples.tsv",
    "genes": "matrix/*.genes.tsv",
    "facts": "matrix/*.json",
}
"""What there is of each data set, and where in a run folder."""
_SHOWN_AS: Final[dict[str, tuple[str, ...]]] = {
    "qc": ("qc_samples",),
    "rates": ("calibration_rates",),
    "genes": ("genes_changed",),
    "window": ("window_times",),
    "confounders": ("confounders_flagged",),
}
"""Names under which the page shows a table, beside its own."""
_MADE_BY: Final[dict[str, str]] = {
    "samples": "samples sheet",
    "datasets": "datasets sheet",
    "burden": "burden",
    "trend": "trend",
    "families": "families",
    "readouts": "trend",
    "label_check": "burden",
    "confounders": "confounders",
    "window": "window",
    "window_phases": "window",
    "window_contrasts": "window",
    "targets": "window",
    "escape": "window",
    "plasma": "window",
    "crosstalk": "crosstalk",
    "calibration": "calibrate",
    "rates": "calibrate",
    "coverage": "score",
    "qc": "qc",
    "genes": "ingest",
    "ingest": "ingest",
}


@dataclass(frozen=True)
class Run:
    """Tables of one run, the reasons for those that are missing, and the provenance."""

    tables: Mapping[str, pd.DataFrame]
    missing: Mapping[str, str]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    further: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """File of a table as the page names it, from the run folder; none where tables were given."""

    def get(self, name: str) -> pd.DataFrame | None:
        """Return a table, or None where the run has none or only its header."""
        for tables in (self.tables, self.further):
            if name in tables and not tables[name].empty:
                return tables[name]
        return None

    def why_not(self, name: str) -> str:
        """Say why a table is not there, as a sentence."""
        if name in self.missing:
            return self.missing[name]
        return f"The table of the step “{_MADE_BY.get(name, name)}” has no row."

    @property
    def config(self) -> Mapping[str, Any]:
        """Configuration of the run, empty where it was not recorded."""
        value = self.provenance.get("config")
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class RunFiles:
    """Files that the page is made of, each named.

    Parameters
    ----------
    tables
        File of each table, by its name without ending: ``burden``, ``calibration_rates``, ...;
        those that the page does not know stand there as further tables.
    of_datasets
        ``coverage``, ``qc``, ``genes`` and ``facts``: the file of each data set.
    folder
        Folder from which the page names the files of its tables.
    """

    tables: Mapping[str, Path]
    of_datasets: Mapping[str, Mapping[str, Path]]
    folder: Path

    @classmethod
    def find(cls, folder: Path, datasets: Sequence[str] | None = None) -> RunFiles:
        """Find all that lies in a run folder, whichever run left it.

        Parameters
        ----------
        folder
            Folder ``results/`` of a run.
        datasets
            Data sets whose files are wanted; None takes all that lie there.
        """
        places = [folder / f"{name}.tsv" for name in _AT_TOP]
        places += [folder / "calibration.tsv", folder / "calibration.parquet"]
        places = [*sorted((folder / "summary").glob("*.tsv")), *filter(Path.is_file, places)]
        of_datasets: dict[str, dict[str, Path]] = {}
        for kind, pattern in _MANY.items():
            ending = pattern.partition("*")[2]
            named = {p.name.removesuffix(ending): p for p in sorted(folder.glob(pattern))}
            of_datasets[kind] = {
                name: path for name, path in named.items() if datasets is None or name in datasets
            }
        return cls({path.stem: path for path in places}, of_datasets, folder)

    def shown(self, path: Path) -> str:
        """Return the name of a file from the folder; of one that lies elsewhere, its own."""
        inside = path.is_relative_to(self.folder)
        return (path.relative_to(self.folder) if inside else Path(path.name)).as_posix()


def load(
    source: Path | RunFiles | Mapping[str, pd.DataFrame], datasets: Sequence[str] | None = None
) -> Run:
    """Read the tables of a run, or take them by name.

    Parameters
    ----------
    source
        The files of a run; or its folder ``results/``, of which every table is taken that lies
        there; or a mapping with any of the keys ``samples``, ``burden``, ``trend``, ``families``,
        ``label_check``, ``coverage``, ``qc``, ``genes``, ``calibration``, ``rates``,
        ``confounders``, ``readouts``, ``ingest``.
    datasets
        Of a folder, the data sets whose files are read; None reads all that lie there.

    Raises
    ------
    InputError
        The folder does not exist or a table in it cannot be read.
    """
    every = [*_ONE, *(name for name in _MANY if name != "facts"), "ingest"]
    if isinstance(source, Path | str):
        folder = Path(source)
        if not folder.is_dir():
            message = f"run folder not found: {folder}"
            raise InputError(message, fix="give the results folder of a run")
        made_with = _provenance(folder / "provenance.json")
        source = RunFiles.find(folder, datasets)
    elif isinstance(source, RunFiles):
        made_with = {}
    else:
        return Run(dict(source), {name: _absent(name) for name in every if name not in source})
    tables: dict[str, pd.DataFrame] = {}
    files: dict[str, str] = {}
    for name, stem in _named().items():
        if stem in source.tables:
            tables[name] = _read(source.tables[stem])
            files[name] = source.shown(source.tables[stem])
    for kind, given in source.of_datasets.items():
        if not given:
            continue
        if kind == "facts":
            tables["ingest"] = pd.DataFrame([read_facts(given[name]) for name in sorted(given)])
            continue
        parts = [_with_dataset(_read(given[name]), name) for name in sorted(given)]
        tables[kind] = pd.concat(parts, ignore_index=True)
        name, path = next(iter(given.items()))
        files[kind] = source.shown(path.with_name(path.name.replace(name, "*", 1)))
    known = set(_named().values())
    further = {
        name: _read(path) for name, path in sorted(source.tables.items()) if name not in known
    }
    files |= {f"summary_{name}": source.shown(source.tables[name]) for name in further}
    files |= {name: source.shown(source.tables[name]) for name in further}
    files |= {shown: files[n] for n in _SHOWN_AS if n in files for shown in _SHOWN_AS[n]}
    missing = {name: _absent(name) for name in every if name not in tables}
    return Run(tables, missing, made_with, further, files)


def _named() -> dict[str, str]:
    return _ONE | {name: name for name in _ASKED_FOR}


def _absent(name: str) -> str:
    step = _MADE_BY.get(name, name)
    return f"The step “{step}” was not run or does not apply: it left no table."


def _with_dataset(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    if k.DATASET not in table:
        table.insert(0, k.DATASET, dataset)
    return table


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return read_parquet(path)
    if path.stat().st_size == 0:
        return pd.DataFrame()
    table = read_tsv(path, dtype=dict.fromkeys(_TEXT, str))
    for name in table.columns.intersection(list(_TEXT)):
        table[name] = table[name].fillna("")
    return table


def _provenance(path: Path) -> dict[str, Any]:
    return provenance.read(path) if path.is_file() else {}


_SHARED: Final = 0.8
"""Share of the genes of the largest data set below which scores and depth are of another scale."""
_NAMED: Final = 5


def not_comparable(run: Run) -> list[str]:
    """Say which data sets differ in values or genes from those that they are judged with.

    Baselines and cuts are set on the controls of all data sets of cells (or of profiles)
    together: what differs in kind is not judged by its like.
    """
    table = run.get("ingest")
    if table is None:
        return []
    out = []
    profiles = table["assay"].isin(k.PROFILES)
    for group in (table[~profiles], table[profiles]):
        out += _values(group)
        for _, same in group.groupby("organism", sort=True, observed=True):
            out += _genes(same[k.DATASET], run.get("genes"))
    return out


def _values(group: pd.DataFrame) -> list[str]:
    if group["values"].nunique() < 2:
        return []
    said = [
        f"{_listed(rows[k.DATASET])} ({kind})"
        for kind, rows in group.groupby("values", sort=True, observed=True)
    ]
    warning = (
        f"The data sets are of different values: {'; '.join(said)}. Controls of one kind set the "
        "cut for all, so that samples of another kind can pass for senescent, or hide."
    )
    return [warning]


def _genes(datasets: pd.Series, genes: pd.DataFrame | None) -> list[str]:
    if genes is None or len(datasets) < 2:
        return []
    rows = genes[genes[k.DATASET].isin(datasets)]
    symbols = {
        str(name): set(group["symbol"].dropna())
        for name, group in rows.groupby(k.DATASET, observed=True)
    }
    if not symbols:
        return []
    largest = max(symbols, key=lambda name: len(symbols[name]))
    shares = {
        name: len(symbols[name] & symbols[largest]) / len(symbols[largest]) for name in symbols
    }
    few = {name: share for name, share in shares.items() if share < _SHARED}
    if not few:
        return []
    said = _listed([f"{name} ({tidy.percent(share)})" for name, share in few.items()])
    warning = (
        f"The data sets differ in their genes: of the {len(symbols[largest]):,} of {largest}, "
        f"{said} has only a part. Scores and depth are then of another scale, and a cut set on "
        "other data sets does not hold."
    )
    return [warning]


def stepped_aside(run: Run) -> list[dict[str, object]]:
    """List the steps that need counts and had none: what, where, why."""
    table = run.get("ingest")
    if table is None:
        return []
    out: list[dict[str, object]] = []
    for name, assay, kind in table[[k.DATASET, "assay", "values"]].itertuples(index=False):
        if kind == k.COUNTS:
            continue
        steps = "pseudobulk profiles"
        if assay not in k.PROFILES:
            steps = f"limits of quality, doublets and {steps}"
        out.append({"what": steps, "where": name, "why": f"values are {kind}, not counts"})
    return out


def notes(table: pd.DataFrame) -> pd.DataFrame:
    """One row a note of reading: data set, file, note."""
    rows = table[[k.DATASET, "source_file", "notes"]].assign(note=table["notes"].str.split("\n"))
    rows = rows.drop(columns="notes").explode("note", ignore_index=True)
    return rows[rows["note"].notna() & rows["note"].ne("")].reset_index(drop=True)


def _listed(names: Sequence[str] | pd.Series) -> str:
    shown = sorted(map(str, names))
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more


JOB_COLUMNS: Final = (
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
    profile do not set. Longest first. A file that a killed run left half-written is passed
    over: what a job used is no result.
    """
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        rule, *rest = path.relative_to(folder).with_suffix("").parts
        used = _last_row(path)
        if used is None:
            continue
        figures = used.reindex(["s", "cpu_time", "threads", "max_rss"])
        wall, cpu, threads, peak = pd.to_numeric(figures, errors="coerce")
        asked = {what: _number(form, used.get("resources")) for what, form in _ASKED.items()}
        limit = asked["min"] * 60
        rows.append((rule, "/".join(rest), wall, limit, cpu, threads, peak, asked["mem_mb"]))
    table = pd.DataFrame(rows, columns=list(JOB_COLUMNS))
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


def _number(form: re.Pattern[str], text: object) -> float:
    found = form.search(str(text))
    return float(found[1]) if found else np.nan
