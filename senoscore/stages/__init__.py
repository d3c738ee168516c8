"""The stages of a run: read what the last one wrote, call the package, write whole files."""

from __future__ import annotations

from senoscore.stages import biology, calls, cells, page, profiles, start, summary
from senoscore.stages import shards as pieces
from senoscore.stages._log import logged
from senoscore.stages.start import check, dataset_row, init

burden = logged(summary.burden)
calibrate = logged(calls.calibrate)
call = logged(calls.call)
compartments = logged(cells.compartments)
confounders = logged(summary.confounders)
crosstalk = logged(biology.crosstalk)
export = logged(summary.export)
families = logged(biology.families)
gather = logged(pieces.gather)
ingest = logged(cells.ingest)
pseudobulk = logged(profiles.pseudobulk)
qc = logged(cells.qc)
report = logged(page.report)
score = logged(cells.score)
shard = logged(pieces.shard)
signatures = logged(start.signatures)
simulate = logged(start.simulate)
substates = logged(cells.substates)
survey = logged(pieces.survey)
trend = logged(summary.trend)
window = logged(biology.window)

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
