from . import ask as ask
from . import labels as labels
from .adjust import against_control as against_control
from .adjust import alike as alike
from .adjust import bh as bh
from .adjust import paired as paired
from .burden import burden as burden
from .burden import tissue_burden as tissue_burden
from .confounders import confounders as confounders
from .expression import DE_COLUMNS as DE_COLUMNS
from .expression import GENE_COLUMNS as GENE_COLUMNS
from .expression import differential as differential
from .expression import enrichment as enrichment
from .models import Contrast as Contrast
from .models import counting_of_fractions as counting_of_fractions
from .power import POWER_COLUMNS as POWER_COLUMNS
from .power import power as power
from .power import spread_of as spread_of
from .pseudobulk import SCORE_COLUMNS as SCORE_COLUMNS
from .pseudobulk import pseudobulk as pseudobulk
from .pseudobulk import pseudobulk_scores as pseudobulk_scores
from .readouts import readouts as readouts
from .sensitivity import sensitivity as sensitivity
from .trend import NAMES as NAMES
from .trend import TREND_COLUMNS as TREND_COLUMNS
from .trend import check_formula as check_formula
from .trend import families as families
from .trend import trend as trend

__all__ = [
    "DE_COLUMNS",
    "GENE_COLUMNS",
    "NAMES",
    "POWER_COLUMNS",
    "SCORE_COLUMNS",
    "TREND_COLUMNS",
    "Contrast",
    "against_control",
    "alike",
    "ask",
    "bh",
    "burden",
    "check_formula",
    "confounders",
    "counting_of_fractions",
    "differential",
    "enrichment",
    "families",
    "labels",
    "paired",
    "power",
    "pseudobulk",
    "pseudobulk_scores",
    "readouts",
    "sensitivity",
    "spread_of",
    "tissue_burden",
    "trend",
]
