"""Which compartment is senescent after radiotherapy, how much, since when, with what SASP.

The package has a room for each idea (``scoring``, ``calling``, ``inference``, ...). What a room
offers stands in its ``__init__.pyi``; names are imported on first use, so that
``import senoscore`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import lazy_loader

__version__ = "0.1.0"

_resolve, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted({*__all__, "__version__", "pl"} - {"plotting"})


def __getattr__(name: str) -> Any:
    return import_module(f"{__name__}.plotting") if name == "pl" else _resolve(name)


def __dir__() -> list[str]:
    return list(__all__)
