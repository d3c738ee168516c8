from .compartments import check_compartments as check_compartments
from .compartments import compartments as compartments
from .compartments import from_labels as from_labels
from .compartments import known_as as known_as
from .compartments import nearest as nearest
from .markers import read_substates as read_substates
from .markers import substate_shares as substate_shares
from .qc import qc as qc

__all__ = [
    "check_compartments",
    "compartments",
    "from_labels",
    "known_as",
    "nearest",
    "qc",
    "read_substates",
    "substate_shares",
]
