"""Read the tables of a run folder; a table that is not there is noted, never invented."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import _keys as k
from senoscore import provenance
from senoscore.errors import InputError
from senoscore.io.canonical import read_facts
from senoscore.io.tables import read_parquet, read_tsv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Run", "load"]

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
_ONE: Final[dict[str, tuple[str, ...]]] = {
    "samples": ("samples.tsv", "summary/samples.tsv"),
    "datasets": ("datasets.tsv", "summary/datasets.tsv"),
    "burden": ("summary/burden.tsv",),
    "trend": ("summary/trend.tsv",),
    "families": ("summary/families.tsv",),
    "readouts": ("summary/readouts.tsv",),
    "label_check": ("summary/label_check.tsv",),
    "confounders": ("summary/confounders.tsv",),
    "window": ("summary/window.tsv",),
    "window_phases": ("summary/window_phases.tsv",),
    "window_contrasts": ("summary/window_contrasts.tsv",),
    "targets": ("summary/targets.tsv",),
    "escape": ("summary/escape.tsv",),
    "plasma": ("summary/plasma.tsv",),
    "crosstalk": ("summary/crosstalk.tsv",),
    "calibration": ("calibration.parquet", "calibration.tsv"),
    "rates": ("calibration_rates.tsv",),
}
_MANY: Final[dict[str, str]] = {
    "coverage": "scores/*.coverage.tsv",
    "qc": "cells/*.qc_samples.tsv",
    "genes": "matrix/*.genes.tsv",
}
_MATRICES: Final = "matrix/*.h5ad"
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
        table = self.tables.get(name)
        return None if table is None or table.empty else table

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


def load(source: Path | Mapping[str, pd.DataFrame], datasets: Sequence[str] | None = None) -> Run:
    """Read a run folder, or take tables by name.

    Parameters
    ----------
    source
        Folder ``results/``, or a mapping with any of the keys ``samples``, ``burden``,
        ``trend``, ``families``, ``label_check``, ``coverage``, ``qc``, ``genes``,
        ``calibration``, ``rates``, ``confounders``, ``readouts``, ``ingest``.
    datasets
        Datasets whose files are read; None reads all that lie there.

    Raises
    ------
    InputError
        The folder does not exist or a table in it cannot be read.
    """
    if not isinstance(source, Path | str):
        absent = {n: _absent(n) for n in (*_ONE, *_MANY, "ingest") if n not in source}
        return Run(tables=dict(source), missing=absent)
    folder = Path(source)
    if not folder.is_dir():
        message = f"run folder not found: {folder}"
        raise InputError(message, fix="give the results folder of a run")
    tables: dict[str, pd.DataFrame] = {}
    files: dict[str, str] = {}
    for name, candidates in _ONE.items():
        found = next((folder / c for c in candidates if (folder / c).is_file()), None)
        if found is not None:
            tables[name] = _read(found)
            files[name] = str(found.relative_to(folder))
    names = ["*"] if datasets is None else sorted(datasets)
    for name, pattern in _MANY.items():
        paths = [p for n in names for p in sorted(folder.glob(pattern.replace("*", n)))]
        parts = [_with_dataset(_read(p), p) for p in paths]
        if parts:
            tables[name] = pd.concat(parts, ignore_index=True)
            files[name] = pattern
    matrices = [p for n in names for p in sorted(folder.glob(_MATRICES.replace("*", n)))]
    if matrices:
        tables["ingest"] = pd.DataFrame([read_facts(path) for path in matrices])
    known = {folder / c for candidates in _ONE.values() for c in candidates}
    further = {
        p.stem: _read(p) for p in sorted((folder / "summary").glob("*.tsv")) if p not in known
    }
    files |= {f"summary_{n}": f"summary/{n}.tsv" for n in further}
    files |= {shown: files[n] for n in _SHOWN_AS if n in files for shown in _SHOWN_AS[n]}
    missing = {n: _absent(n) for n in (*_ONE, *_MANY, "ingest") if n not in tables}
    return Run(tables, missing, _provenance(folder / "provenance.json"), further, files)


def _absent(name: str) -> str:
    step = _MADE_BY.get(name, name)
    return f"The step “{step}” was not run or does not apply: it left no table."


def _with_dataset(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    if k.DATASET not in table:
        table.insert(0, k.DATASET, path.name.split(".")[0])
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
