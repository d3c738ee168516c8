"""Every obs, obsm and uns key and every shared table column, once."""

from __future__ import annotations

from typing import Final

# --- keys in AnnData -------------------------------------------------------------------
UNS: Final = "senoscore"
"""``adata.uns`` entry: values kind, organism, assay, coverage, versions, parameters."""
OBSM_SCORE: Final = "score_{method}"
OBSM_EVIDENCE: Final = "senescence_evidence"

# --- columns that several tables share -------------------------------------------------
DATASET: Final = "dataset"
SAMPLE: Final = "sample"
CELL: Final = "cell"
SUBJECT: Final = "subject"
TREATMENT: Final = "treatment"
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
LINEAR: Final = "linear"

SEP: Final = ":"
"""Between method and signature in a score column of a table: ``ucell:senmayo``."""
