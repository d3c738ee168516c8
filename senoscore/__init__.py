"""Which compartment is senescent after radiotherapy, how much, since when, with what SASP.

A module that would bear the name of a public function starts with an underscore
(``sen.score`` lives in ``senoscore/_score.py``); public names are imported on first use,
so that ``import senoscore`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "signatures": "_signatures",
    "Signature": "_signatures",
    "SignatureSet": "_signatures",
    "list_signatures": "_signatures",
    "methods": "_methods",
    "score": "_score",
    "qc": "_qc",
    "compartments": "_compartments",
    "calibrate": "_calibrate",
    "call": "_call",
    "explain": "_call",
    "burden": "_burden",
    "trend": "_trend",
    "confounders": "_confounders",
    "phases": "_phases",
    "window": "_window",
    "targets": "_window_targets",
    "escape": "_window_escape",
    "plasma": "_plasma",
    "read_plasma": "_plasma",
    "crosstalk": "_crosstalk",
    "group_means": "_crosstalk_expression",
    "simulate": "_simulate",
}
_MODULES = {"errors": "errors", "io": "io", "pl": "plotting", "genes": "genes"}

__all__ = ["__version__", *_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
