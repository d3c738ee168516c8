from . import errors as errors
from . import io as io
from . import plotting as pl
from .biology import crosstalk as crosstalk
from .biology import crosstalk_values as crosstalk_values
from .biology import escape as escape
from .biology import group_means as group_means
from .biology import plasma as plasma
from .biology import read_plasma as read_plasma
from .biology import target_values as target_values
from .biology import targets as targets
from .biology import window as window
from .calling import Calibration as Calibration
from .calling import Panel as Panel
from .calling import calibrate as calibrate
from .calling import call as call
from .calling import explain as explain
from .calling import load_panel as load_panel
from .cells import compartments as compartments
from .cells import qc as qc
from .cells import substate_shares as substate_shares
from .genesets import Gate as Gate
from .genesets import Signature as Signature
from .genesets import SignatureSet as SignatureSet
from .genesets import genes as genes
from .genesets import list_signatures as list_signatures
from .genesets import signatures as signatures
from .inference import burden as burden
from .inference import confounders as confounders
from .inference import differential as differential
from .inference import enrichment as enrichment
from .inference import families as families
from .inference import power as power
from .inference import pseudobulk as pseudobulk
from .inference import pseudobulk_scores as pseudobulk_scores
from .inference import readouts as readouts
from .inference import sensitivity as sensitivity
from .inference import spread_of as spread_of
from .inference import tissue_burden as tissue_burden
from .inference import trend as trend
from .questions import arms as arms
from .questions import blood as blood
from .questions import efficacy as efficacy
from .questions import external as external
from .questions import outcome as outcome
from .questions import read_external as read_external
from .questions import read_outcome as read_outcome
from .questions import regions as regions
from .questions import side_by_side as side_by_side
from .report import render as render
from .run import attach as attach
from .run import read as read
from .scoring import methods as methods
from .scoring import score as score
from .simulation import simulate as simulate
from .study import phases as phases

__version__: str
__all__ = [
    "Calibration",
    "Gate",
    "Panel",
    "Signature",
    "SignatureSet",
    "__version__",
    "arms",
    "attach",
    "blood",
    "burden",
    "calibrate",
    "call",
    "compartments",
    "confounders",
    "crosstalk",
    "crosstalk_values",
    "differential",
    "efficacy",
    "enrichment",
    "errors",
    "escape",
    "explain",
    "external",
    "families",
    "genes",
    "group_means",
    "io",
    "list_signatures",
    "load_panel",
    "methods",
    "outcome",
    "phases",
    "pl",
    "plasma",
    "power",
    "pseudobulk",
    "pseudobulk_scores",
    "qc",
    "read",
    "read_external",
    "read_outcome",
    "read_plasma",
    "readouts",
    "regions",
    "render",
    "score",
    "sensitivity",
    "side_by_side",
    "signatures",
    "simulate",
    "spread_of",
    "substate_shares",
    "target_values",
    "targets",
    "tissue_burden",
    "trend",
    "window",
]
