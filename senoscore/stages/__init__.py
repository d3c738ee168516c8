"""The stages of a run: read what the last one wrote, call the package, write whole files."""

from __future__ import annotations

from senoscore.stages.calls import calibrate, call
from senoscore.stages.cells import compartments, ingest, qc, score
from senoscore.stages.page import report
from senoscore.stages.start import check, dataset_row, init, signatures, simulate
from senoscore.stages.summary import burden, export, trend

__all__ = [
    "burden",
    "calibrate",
    "call",
    "check",
    "compartments",
    "dataset_row",
    "export",
    "ingest",
    "init",
    "qc",
    "report",
    "score",
    "signatures",
    "simulate",
    "trend",
]
