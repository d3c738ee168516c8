"""Signature scores of cells: the methods, one engine, control genes and matched random sets."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
