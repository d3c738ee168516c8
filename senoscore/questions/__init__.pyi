from .arms import QUESTIONS as QUESTIONS
from .arms import arms as arms
from .arms import asks_of_arms as asks_of_arms
from .arms import check_contrasts as check_contrasts
from .asked import FURTHER_COLUMNS as FURTHER_COLUMNS
from .asked import SHARE as SHARE
from .asked import detectable as detectable
from .asked import from_pseudobulk as from_pseudobulk
from .asked import tost as tost
from .asked import welch as welch
from .blood import BLOOD_COLUMNS as BLOOD_COLUMNS
from .blood import blood as blood
from .blood import blood_changes as blood_changes
from .efficacy import efficacy as efficacy
from .efficacy import load_words as load_words
from .efficacy import side_by_side as side_by_side
from .external import EXTERNAL_COLUMNS as EXTERNAL_COLUMNS
from .external import external as external
from .external import external_pairs as external_pairs
from .external import read_external as read_external
from .outcome import OUTCOME_COLUMNS as OUTCOME_COLUMNS
from .outcome import outcome as outcome
from .outcome import outcome_subjects as outcome_subjects
from .outcome import read_outcome as read_outcome
from .regions import REGION_QUESTIONS as REGION_QUESTIONS
from .regions import asks_of_regions as asks_of_regions
from .regions import regions as regions

__all__ = [
    "BLOOD_COLUMNS",
    "EXTERNAL_COLUMNS",
    "FURTHER_COLUMNS",
    "OUTCOME_COLUMNS",
    "QUESTIONS",
    "REGION_QUESTIONS",
    "SHARE",
    "arms",
    "asks_of_arms",
    "asks_of_regions",
    "blood",
    "blood_changes",
    "check_contrasts",
    "detectable",
    "efficacy",
    "external",
    "external_pairs",
    "from_pseudobulk",
    "load_words",
    "outcome",
    "outcome_subjects",
    "read_external",
    "read_outcome",
    "regions",
    "side_by_side",
    "tost",
    "welch",
]
