"""The stages of a run: read what the last one wrote, call the package, write whole files."""

from __future__ import annotations

from senoscore.stages.biology import crosstalk, families, window
from senoscore.stages.calls import calibrate, call
from senoscore.stages.cells import compartments, ingest, qc, score, substates
from senoscore.stages.page import report
from senoscore.stages.profiles import pseudobulk
from senoscore.stages.shards import gather, shard, survey
from senoscore.stages.start import check, dataset_row, init, signatures, simulate
from senoscore.stages.summary import burden, confounders, export, trend

__all__ = [
    "burden",
    "calibrate",
    "call",
    "check",
    "compartments",
    "confounders",
    "crosstalk",
    "dataset_row",
    "export",
    "families",
    "gather",
    "ingest",
    "init",
    "pseudobulk",
    "qc",
    "report",
    "score",
    "shard",
    "signatures",
    "simulate",
    "substates",
    "survey",
    "trend",
    "window",
]
