"""Where the files of ``resources/`` and ``workflow/`` are: in the wheel, or beside the package."""

from __future__ import annotations

from pathlib import Path

__all__ = ["resource", "workflow_file"]

_PACKAGE = Path(__file__).resolve().parent


def resource(*parts: str) -> Path:
    """Path of a shipped resource, e.g. ``resource("signatures", "senescence.tsv")``.

    Raises
    ------
    FileNotFoundError
        The installation is broken: the file should have been shipped.
    """
    return _shipped("resources", *parts)


def workflow_file(*parts: str) -> Path:
    """Path of a file or folder of the workflow, e.g. ``workflow_file("Snakefile")``.

    Raises
    ------
    FileNotFoundError
        The installation is broken: the file should have been shipped.
    """
    return _shipped("workflow", *parts)


def _shipped(folder: str, *parts: str) -> Path:
    for root in (_PACKAGE, _PACKAGE.parent):
        path = root.joinpath(folder, *parts)
        if path.exists():
            return path
    msg = f"{'/'.join((folder, *parts))} is not part of this installation"
    raise FileNotFoundError(msg)
