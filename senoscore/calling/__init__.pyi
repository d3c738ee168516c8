from .calibrate import calibrate as calibrate
from .calibration import Calibration as Calibration
from .call import call as call
from .call import explain as explain
from .panel import Panel as Panel
from .panel import load_panel as load_panel

__all__ = ["Calibration", "Panel", "calibrate", "call", "explain", "load_panel"]
