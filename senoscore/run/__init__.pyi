from .biology import crosstalk as crosstalk
from .biology import families as families
from .biology import window as window
from .calls import calibrate as calibrate
from .calls import call as call
from .cells import compartments as compartments
from .cells import gather as gather
from .cells import ingest as ingest
from .cells import qc as qc
from .cells import score as score
from .cells import shard as shard
from .cells import substates as substates
from .cells import survey as survey
from .config import load_config as load_config
from .config import validate_config as validate_config
from .embedding import embedding as embedding
from .launch import add_run_verbs as add_run_verbs
from .layout import DatasetFiles as DatasetFiles
from .layout import FileKind as FileKind
from .layout import Layout as Layout
from .measured import blood as blood
from .measured import external as external
from .measured import outcome as outcome
from .memory import keep_freed_memory as keep_freed_memory
from .notebook import attach as attach
from .notebook import read as read
from .page import report as report
from .plan import power as power
from .prepare import check as check
from .prepare import dataset_row as dataset_row
from .prepare import init as init
from .prepare import signatures as signatures
from .prepare import simulate as simulate
from .programme import programme as programme
from .programme import programme_call as programme_call
from .programme import programme_plan as programme_plan
from .programme import programme_score as programme_score
from .programme import programme_sums as programme_sums
from .questions import arms as arms
from .questions import asked as asked
from .questions import check_questions as check_questions
from .questions import regions as regions
from .summary import burden as burden
from .summary import confounders as confounders
from .summary import export as export
from .summary import pseudobulk as pseudobulk
from .summary import trend as trend

__all__ = [
    "DatasetFiles",
    "FileKind",
    "Layout",
    "add_run_verbs",
    "arms",
    "asked",
    "attach",
    "blood",
    "burden",
    "calibrate",
    "call",
    "check",
    "check_questions",
    "compartments",
    "confounders",
    "crosstalk",
    "dataset_row",
    "embedding",
    "export",
    "external",
    "families",
    "gather",
    "ingest",
    "init",
    "keep_freed_memory",
    "load_config",
    "outcome",
    "power",
    "programme",
    "programme_call",
    "programme_plan",
    "programme_score",
    "programme_sums",
    "pseudobulk",
    "qc",
    "read",
    "regions",
    "report",
    "score",
    "shard",
    "signatures",
    "simulate",
    "substates",
    "survey",
    "trend",
    "validate_config",
    "window",
]
