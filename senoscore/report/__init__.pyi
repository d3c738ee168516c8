from . import provenance as provenance
from .load import RunFiles as RunFiles
from .page import render as render

__all__ = ["RunFiles", "provenance", "render"]
