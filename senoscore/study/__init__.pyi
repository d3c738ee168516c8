from .compare import ARM as ARM
from .compare import CELLS as CELLS
from .compare import FRACTIONS as FRACTIONS
from .compare import KINDS as KINDS
from .compare import MATCHED_SETS as MATCHED_SETS
from .compare import TRANSFORM as TRANSFORM
from .compare import Stratum as Stratum
from .compare import blocks as blocks
from .compare import check_days as check_days
from .compare import controls_at as controls_at
from .compare import days_with_controls as days_with_controls
from .compare import designed as designed
from .compare import one_per_sample as one_per_sample
from .compare import placed as placed
from .compare import plain as plain
from .compare import prepared as prepared
from .compare import refuse_lookalikes as refuse_lookalikes
from .compare import regions_apart as regions_apart
from .compare import strata as strata
from .compare import unit_of as unit_of
from .compare import units as units
from .compare import values as values
from .compare import wanted_measures as wanted_measures
from .compare import without_controls as without_controls
from .copies import Copies as Copies
from .copies import refuse_copied_cells as refuse_copied_cells
from .dose import DAYS_PER_UNIT as DAYS_PER_UNIT
from .dose import to_days as to_days
from .drugs import EXTRA_NUMBERS as EXTRA_NUMBERS
from .drugs import EXTRA_TEXTS as EXTRA_TEXTS
from .drugs import design_extras as design_extras
from .drugs import drug_messages as drug_messages
from .drugs import drug_names as drug_names
from .drugs import unirradiated as unirradiated
from .drugs import with_arms as with_arms
from .drugs import without_drug as without_drug
from .given import control_of as control_of
from .given import control_word as control_word
from .given import refuse_unknown_control as refuse_unknown_control
from .given import takes as takes
from .phases import NAMES as NAMES
from .phases import TIME_ZERO as TIME_ZERO
from .phases import PhaseRules as PhaseRules
from .phases import phases as phases
from .phases import time_zero_messages as time_zero_messages
from .sheets import check_sheets as check_sheets
from .sheets import describe_design as describe_design
from .sheets import dose_messages as dose_messages
from .sheets import raw_sheet as raw_sheet
from .sheets import read_datasets as read_datasets
from .sheets import read_samples as read_samples

__all__ = [
    "ARM",
    "CELLS",
    "DAYS_PER_UNIT",
    "EXTRA_NUMBERS",
    "EXTRA_TEXTS",
    "FRACTIONS",
    "KINDS",
    "MATCHED_SETS",
    "NAMES",
    "TIME_ZERO",
    "TRANSFORM",
    "Copies",
    "PhaseRules",
    "Stratum",
    "blocks",
    "check_days",
    "check_sheets",
    "control_of",
    "control_word",
    "controls_at",
    "days_with_controls",
    "describe_design",
    "design_extras",
    "designed",
    "dose_messages",
    "drug_messages",
    "drug_names",
    "one_per_sample",
    "phases",
    "placed",
    "plain",
    "prepared",
    "raw_sheet",
    "read_datasets",
    "read_samples",
    "refuse_copied_cells",
    "refuse_lookalikes",
    "refuse_unknown_control",
    "regions_apart",
    "strata",
    "takes",
    "time_zero_messages",
    "to_days",
    "unirradiated",
    "unit_of",
    "units",
    "values",
    "wanted_measures",
    "with_arms",
    "without_controls",
    "without_drug",
]
