"""Figures (``sen.pl``): each takes a tidy table of a run and returns an altair chart.

Every function has a twin ``*_table`` that returns the plotted numbers. Charts carry a text
for each mark, which shows as a tooltip and is read aloud, and no address: they render
offline.
"""

from __future__ import annotations

from senoscore.plotting._cell import evidence, evidence_table
from senoscore.plotting._confounding import confounding, confounding_table
from senoscore.plotting._crosstalk import crosstalk, crosstalk_table
from senoscore.plotting._dose import dose_response, dose_table
from senoscore.plotting._evidence import calibration, calibration_table, coverage, coverage_table
from senoscore.plotting._forest import forest, forest_table
from senoscore.plotting._heat import axes_of, heatmap, heatmap_table, sasp, sasp_families
from senoscore.plotting._overview import (
    composition,
    composition_table,
    design_map,
    design_table,
    qc,
    qc_table,
)
from senoscore.plotting._plasma import plasma, plasma_table
from senoscore.plotting._save import save, to_svg, to_tsv
from senoscore.plotting._states import states, states_table
from senoscore.plotting._theme import COMPARTMENT_COLOURS, STATE_COLOURS
from senoscore.plotting._time import timecourse, timecourse_table
from senoscore.plotting._window import WINDOW_COLOURS, window, window_table

__all__ = [
    "COMPARTMENT_COLOURS",
    "STATE_COLOURS",
    "WINDOW_COLOURS",
    "axes_of",
    "calibration",
    "calibration_table",
    "composition",
    "composition_table",
    "confounding",
    "confounding_table",
    "coverage",
    "coverage_table",
    "crosstalk",
    "crosstalk_table",
    "design_map",
    "design_table",
    "dose_response",
    "dose_table",
    "evidence",
    "evidence_table",
    "forest",
    "forest_table",
    "heatmap",
    "heatmap_table",
    "plasma",
    "plasma_table",
    "qc",
    "qc_table",
    "sasp",
    "sasp_families",
    "save",
    "states",
    "states_table",
    "timecourse",
    "timecourse_table",
    "to_svg",
    "to_tsv",
    "window",
    "window_table",
]
