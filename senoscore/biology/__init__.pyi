from .contrasts import column_of as column_of
from .crosstalk import crosstalk as crosstalk
from .crosstalk import crosstalk_values as crosstalk_values
from .crosstalk import curated_pairs as curated_pairs
from .crosstalk import genes_of as genes_of
from .group_means import BY as BY
from .group_means import group_means as group_means
from .group_means import kinds_of as kinds_of
from .plasma import PLASMA_COLUMNS as PLASMA_COLUMNS
from .plasma import mixed_units as mixed_units
from .plasma import plasma as plasma
from .plasma import read_plasma as read_plasma
from .rules import ADVICE as ADVICE
from .rules import load_rules as load_rules
from .targets import LIMIT as LIMIT
from .targets import escape as escape
from .targets import target_genes as target_genes
from .targets import target_values as target_values
from .targets import targets as targets
from .window import window as window

__all__ = [
    "ADVICE",
    "BY",
    "LIMIT",
    "PLASMA_COLUMNS",
    "column_of",
    "crosstalk",
    "crosstalk_values",
    "curated_pairs",
    "escape",
    "genes_of",
    "group_means",
    "kinds_of",
    "load_rules",
    "mixed_units",
    "plasma",
    "read_plasma",
    "target_genes",
    "target_values",
    "targets",
    "window",
]
