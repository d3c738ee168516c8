from . import provenance as provenance
from .page import render as render

__all__ = ["provenance", "render"]
