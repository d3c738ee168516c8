from . import theme as theme
from . import tidy as tidy
from .answers import answers as answers
from .answers import answers_table as answers_table
from .arms import Arm as Arm
from .arms import arms as arms
from .arms import main_arm as main_arm
from .crosstalk import crosstalk as crosstalk
from .crosstalk import crosstalk_table as crosstalk_table
from .dose import dose_response as dose_response
from .dose import dose_table as dose_table
from .embedding import umap as umap
from .embedding import umap_table as umap_table
from .evidence import calibration as calibration
from .evidence import calibration_table as calibration_table
from .evidence import confounding as confounding
from .evidence import confounding_table as confounding_table
from .evidence import coverage as coverage
from .evidence import coverage_table as coverage_table
from .evidence import evidence as evidence
from .evidence import evidence_table as evidence_table
from .forest import forest as forest
from .forest import forest_table as forest_table
from .heat import axes_of as axes_of
from .heat import heatmap as heatmap
from .heat import heatmap_table as heatmap_table
from .heat import sasp as sasp
from .heat import sasp_families as sasp_families
from .measured import PANELS as PANELS
from .measured import blood as blood
from .measured import blood_table as blood_table
from .measured import external as external
from .measured import external_table as external_table
from .measured import outcome as outcome
from .measured import outcome_table as outcome_table
from .overview import composition as composition
from .overview import composition_table as composition_table
from .overview import design_map as design_map
from .overview import design_table as design_table
from .overview import qc as qc
from .overview import qc_table as qc_table
from .plasma import plasma as plasma
from .plasma import plasma_table as plasma_table
from .save import quick_composition as quick_composition
from .save import refuse_small_address_space as refuse_small_address_space
from .save import save as save
from .save import to_svg as to_svg
from .save import to_tsv as to_tsv
from .states import states as states
from .states import states_table as states_table
from .theme import COMPARTMENT_COLOURS as COMPARTMENT_COLOURS
from .theme import STATE_COLOURS as STATE_COLOURS
from .theme import Layout as Layout
from .timecourse import timecourse as timecourse
from .timecourse import timecourse_table as timecourse_table
from .window import WINDOW_COLOURS as WINDOW_COLOURS
from .window import window as window
from .window import window_table as window_table

__all__ = [
    "COMPARTMENT_COLOURS",
    "PANELS",
    "STATE_COLOURS",
    "WINDOW_COLOURS",
    "Arm",
    "Layout",
    "answers",
    "answers_table",
    "arms",
    "axes_of",
    "blood",
    "blood_table",
    "calibration",
    "calibration_table",
    "composition",
    "composition_table",
    "confounding",
    "confounding_table",
    "coverage",
    "coverage_table",
    "crosstalk",
    "crosstalk_table",
    "design_map",
    "design_table",
    "dose_response",
    "dose_table",
    "evidence",
    "evidence_table",
    "external",
    "external_table",
    "forest",
    "forest_table",
    "heatmap",
    "heatmap_table",
    "main_arm",
    "outcome",
    "outcome_table",
    "plasma",
    "plasma_table",
    "qc",
    "qc_table",
    "quick_composition",
    "refuse_small_address_space",
    "sasp",
    "sasp_families",
    "save",
    "states",
    "states_table",
    "theme",
    "tidy",
    "timecourse",
    "timecourse_table",
    "to_svg",
    "to_tsv",
    "umap",
    "umap_table",
    "window",
    "window_table",
]
