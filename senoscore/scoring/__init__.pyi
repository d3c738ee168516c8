from .among_random import place_among_random as place_among_random
from .methods import METHODS as METHODS
from .methods import check_methods as check_methods
from .methods import methods as methods
from .pieces import gather_parquet as gather_parquet
from .pieces import shard_rows as shard_rows
from .score import first_pass as first_pass
from .score import score as score
from .score import score_file as score_file

__all__ = [
    "METHODS",
    "check_methods",
    "first_pass",
    "gather_parquet",
    "methods",
    "place_among_random",
    "score",
    "score_file",
    "shard_rows",
]
