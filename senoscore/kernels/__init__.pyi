import pathlib

from . import mean as mean
from .against import place_among as place_among
from .census import ABOVE as ABOVE
from .census import BEYOND as BEYOND
from .census import FRACTION as FRACTION
from .census import NEGATIVE as NEGATIVE
from .census import NOT_FINITE as NOT_FINITE
from .census import SEVERAL as SEVERAL
from .census import UNSORTED as UNSORTED
from .census import ZERO as ZERO
from .census import look_at as look_at
from .digests import add_row_digests as add_row_digests
from .distributions import adjusted as adjusted
from .distributions import binom_sf as binom_sf
from .distributions import chi2_isf as chi2_isf
from .distributions import chi2_ppf as chi2_ppf
from .distributions import chi2_sf as chi2_sf
from .distributions import midranks as midranks
from .distributions import norm_ppf as norm_ppf
from .distributions import t_ppf as t_ppf
from .distributions import t_sf as t_sf
from .jasmine import jasmine_parts as jasmine_parts
from .log_linear import log_linear_slopes as log_linear_slopes
from .mean import TARGET_SUM as TARGET_SUM
from .mean import lognormalise_rows as lognormalise_rows
from .mean import run_rows as run_rows
from .moments import column_moments as column_moments
from .neighbours import marked_neighbours as marked_neighbours
from .picked import picked_columns as picked_columns
from .rank import RANK_METHODS as RANK_METHODS
from .rank import RankPlan as RankPlan
from .rank import plan_ranks as plan_ranks
from .rank import score_ranks as score_ranks
from .rank_ordinal import OrdinalPlan as OrdinalPlan
from .rank_ordinal import plan_decoupler as plan_decoupler
from .rank_ordinal import plan_gseapy as plan_gseapy
from .rank_ordinal import score_ordinal as score_ordinal

def cache_folder(package: pathlib.Path = ...) -> pathlib.Path | None: ...
def shared_folder(package: pathlib.Path = ...) -> pathlib.Path | None: ...
def warm() -> None: ...

__all__ = [
    "ABOVE",
    "BEYOND",
    "FRACTION",
    "NEGATIVE",
    "NOT_FINITE",
    "RANK_METHODS",
    "SEVERAL",
    "TARGET_SUM",
    "UNSORTED",
    "ZERO",
    "OrdinalPlan",
    "RankPlan",
    "add_row_digests",
    "adjusted",
    "binom_sf",
    "cache_folder",
    "chi2_isf",
    "chi2_ppf",
    "chi2_sf",
    "column_moments",
    "jasmine_parts",
    "log_linear_slopes",
    "lognormalise_rows",
    "look_at",
    "marked_neighbours",
    "mean",
    "midranks",
    "norm_ppf",
    "picked_columns",
    "place_among",
    "plan_decoupler",
    "plan_gseapy",
    "plan_ranks",
    "run_rows",
    "score_ordinal",
    "score_ranks",
    "shared_folder",
    "t_ppf",
    "t_sf",
    "warm",
]
