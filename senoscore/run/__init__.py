"""A run: its config, its folder, and one function for every rule of the workflow."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
