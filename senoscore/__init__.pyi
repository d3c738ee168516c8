from . import errors as errors
from . import io as io
from . import plotting as pl
from .biology import crosstalk as crosstalk
from .biology import escape as escape
from .biology import group_means as group_means
from .biology import plasma as plasma
from .biology import read_plasma as read_plasma
from .biology import targets as targets
from .biology import window as window
from .calling import calibrate as calibrate
from .calling import call as call
from .calling import explain as explain
from .cells import compartments as compartments
from .cells import qc as qc
from .genesets import Signature as Signature
from .genesets import SignatureSet as SignatureSet
from .genesets import genes as genes
from .genesets import list_signatures as list_signatures
from .genesets import signatures as signatures
from .inference import burden as burden
from .inference import confounders as confounders
from .inference import trend as trend
from .run import attach as attach
from .run import read as read
from .scoring import methods as methods
from .scoring import score as score
from .simulation import simulate as simulate
from .study import phases as phases

__version__: str
__all__ = [
    "Signature",
    "SignatureSet",
    "__version__",
    "attach",
    "burden",
    "calibrate",
    "call",
    "compartments",
    "confounders",
    "crosstalk",
    "errors",
    "escape",
    "explain",
    "genes",
    "group_means",
    "io",
    "list_signatures",
    "methods",
    "phases",
    "pl",
    "plasma",
    "qc",
    "read",
    "read_plasma",
    "score",
    "signatures",
    "simulate",
    "targets",
    "trend",
    "window",
]
