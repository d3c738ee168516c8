from .compartments import assign_compartments as assign_compartments
from .compartments import check_compartments as check_compartments
from .compartments import compartments as compartments
from .compartments import from_labels as from_labels
from .compartments import known_as as known_as
from .compartments import nearest as nearest
from .embedding import FEWEST_CELLS as FEWEST_CELLS
from .embedding import embed as embed
from .facts import gene_symbols as gene_symbols
from .facts import organism_of as organism_of
from .facts import values_of as values_of
from .known import COMPARTMENTS as COMPARTMENTS
from .markers import read_substates as read_substates
from .markers import substate_shares as substate_shares
from .qc import qc as qc
from .qc import quality as quality

__all__ = [
    "COMPARTMENTS",
    "FEWEST_CELLS",
    "assign_compartments",
    "check_compartments",
    "compartments",
    "embed",
    "from_labels",
    "gene_symbols",
    "known_as",
    "nearest",
    "organism_of",
    "qc",
    "quality",
    "read_substates",
    "substate_shares",
    "values_of",
]
