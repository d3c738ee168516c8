"""Is this cell senescent: panel, calibration on controls, states and false discovery rate."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
