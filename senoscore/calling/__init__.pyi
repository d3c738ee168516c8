from .calibrate import calibrate as calibrate
from .calibration import Calibration as Calibration
from .call import call as call
from .call import middle_depths as middle_depths
from .engine import Assigned as Assigned
from .engine import Learnt as Learnt
from .engine import Scored as Scored
from .engine import add_up as add_up
from .engine import choose as choose
from .engine import judge_cells as judge_cells
from .engine import programme_table as programme_table
from .engine import score_cells as score_cells
from .engine import wrong_calls as wrong_calls
from .evidence import Tables as Tables
from .evidence import stacked as stacked
from .explain import explain as explain
from .panel import Panel as Panel
from .panel import load_panel as load_panel
from .programme import learn as learn
from .roles import PART as PART
from .roles import parts_of as parts_of
from .staged import Family as Family
from .staged import add_sums as add_sums
from .staged import call_blocks as call_blocks
from .staged import families as families
from .staged import locate as locate
from .staged import read_families as read_families
from .staged import read_programme as read_programme
from .staged import write_families as write_families
from .staged import write_programme as write_programme
from .staged import write_sums as write_sums
from .sums import ProgrammeStats as ProgrammeStats

__all__ = [
    "PART",
    "Assigned",
    "Calibration",
    "Family",
    "Learnt",
    "Panel",
    "ProgrammeStats",
    "Scored",
    "Tables",
    "add_sums",
    "add_up",
    "calibrate",
    "call",
    "call_blocks",
    "choose",
    "explain",
    "families",
    "judge_cells",
    "learn",
    "load_panel",
    "locate",
    "middle_depths",
    "parts_of",
    "programme_table",
    "read_families",
    "read_programme",
    "score_cells",
    "stacked",
    "write_families",
    "write_programme",
    "write_sums",
    "wrong_calls",
]
