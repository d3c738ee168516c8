"""Every obs, obsm and uns key and every shared table column, once."""

from __future__ import annotations

import re
from typing import Final

# --- keys in AnnData -------------------------------------------------------------------
UNS: Final = "senoscore"
"""``adata.uns`` entry: values kind, organism, assay, coverage, versions, parameters."""
OBSM_SCORE: Final = "score_{method}"
OBSM_EVIDENCE: Final = "senescence_evidence"
OBSM_SUBSTATES: Final = "substates"

# --- columns that several tables share -------------------------------------------------
DATASET: Final = "dataset"
SAMPLE: Final = "sample"
CELL: Final = "cell"
SUBJECT: Final = "subject"
TREATMENT: Final = "treatment"
GIVEN: Final = "treatment_given"
"""Treatment without the drug: what the sheet says where ``treatment`` names an arm with one."""
DRUG: Final = "drug"
TIME: Final = "time_post_rt"
DAYS: Final = "days_post_rt"
DOSE: Final = "dose_gy"
BATCH: Final = "batch"
COMPARTMENT: Final = "compartment"
CONFIDENCE: Final = "compartment_confidence"
SUBSTATE: Final = "substate"
SUBSTATE_CONFIDENCE: Final = "substate_confidence"
KEEP: Final = "keep"
REASON: Final = "reason"
STATE: Final = "senescence_state"
INDEX: Final = "senescence_index"
FDR: Final = "senescence_fdr"
P: Final = "senescence_p"
PROGRAMME_SCORE: Final = "senescence_score"
ENGINE: Final = "senescence_engine"
SIGNATURE: Final = "signature"
DEPTH: Final = ("n_counts", "total_counts")
"""Counts of a cell: senoscore's name, and scanpy's."""

# --- vocabularies ----------------------------------------------------------------------
CONTROL: Final = "control"
IRRADIATED: Final = "irradiated"
UNASSIGNED: Final = "unassigned"
BULK: Final = "bulk"
COUNTS: Final = "counts"
LOGNORM: Final = "lognorm"
LEARNED: Final = "learned"
LEARNED_SINGLE: Final = "learned_single_control"
"""As learned, by a single control subject: what is called is a candidate, and counts."""
PANEL: Final = "panel"
ENGINES: Final = (LEARNED, LEARNED_SINGLE, PANEL)
"""What judged a cell."""
LINEAR: Final = "linear"

PROFILES: Final = ("bulk", "array")
"""Assays whose rows are whole samples and not cells."""

TESTED: Final = "tested"
NOT_TESTABLE: Final = "not_testable"
NOT_ESTIMABLE: Final = "not_estimable"
ANSWERS: Final = (TESTED, NOT_TESTABLE, NOT_ESTIMABLE)
"""``status`` of a question: a p; an effect alone; neither (the ``reason`` stands beside)."""

NOT_ASSESSABLE: Final = "not_assessable"
STATES: Final = (
    "senescent",
    "senescent_candidate",
    "acute_damage_response",
    "quiescent",
    "cycling",
    "escaped",
    "other",
    NOT_ASSESSABLE,
)
"""Every state of a cell, in the order of tables and figures."""

SEP: Final = ":"
"""Between method and signature in a score column of a table: ``ucell:senmayo``."""

STATE_COLOURS: Final[dict[str, str]] = {
    "senescent": "#b3304f",
    "senescent_candidate": "#e08a9b",
    "acute_damage_response": "#e3a018",
    "escaped": "#7a4fb0",
    "cycling": "#2f9e76",
    "quiescent": "#6d8fc0",
    "other": "#c9d0d8",
    "not_assessable": "#e9ecef",
}
"""One colour for each state of a cell, in figures and in ``uns["senescence_state_colors"]``."""

# --- words that people use --------------------------------------------------------------
_MEANS_CONTROL: Final = re.compile(
    r"control|ctrl|ctl|sham|\bmock\b|un-?irradiated|non.?ir|not.?irradiated|\bno ?(?:rt|ir)\b"
    r"|untreated|naive|\bpre\b"
    r"|(?<![\d.,])0+(?:[.,]0*)? ?gy",  # but neither 10 Gy nor 2.0 Gy
    re.IGNORECASE,
)


def means_control(word: str) -> bool:
    """Whether a treatment such as ``sham``, ``no_RT`` or ``0 Gy`` is what people call unirradiated.

    A guess that proposals and error messages rest on. No sample becomes a control by it.
    """
    return bool(_MEANS_CONTROL.search(word.replace("_", " ")))
