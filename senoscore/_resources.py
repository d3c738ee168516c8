"""Where the files under ``resources/`` are: in the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

__all__ = ["resource"]

_PACKAGE = Path(__file__).resolve().parent


def resource(*parts: str) -> Path:
    """Path of a shipped resource, e.g. ``resource("signatures", "senescence.tsv")``.

    Raises
    ------
    FileNotFoundError
        The installation is broken: the file should have been shipped.
    """
    for root in (_PACKAGE / "resources", _PACKAGE.parent / "resources"):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    msg = f"resource {'/'.join(parts)} is not part of this installation"
    raise FileNotFoundError(msg)
