"""Compiled loops over CSR buffers. Nothing here knows AnnData, pandas or gene names.

Compiled code is cached between runs. Where the package folder cannot be written to (a shared
or read-only installation), the cache goes to the user's cache folder, or as a last resort to a
private temporary one; the variable ``NUMBA_CACHE_DIR`` overrules both. The choice is made here,
before numba is imported by any of the kernels. A second copy in the user's cache folder serves
every other copy of the same source: :func:`shared_folder`.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import lazy_loader

from senoscore.kernels.sweep import keep_and_sweep


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is created if missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _user_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118  Path.expanduser raises without a home
    return Path(base) / "senoscore" / "numba"


@cache
def shared_folder(package: Path = Path(__file__).parent) -> Path | None:
    """Folder for compiled code of this very source, wherever it stands; None where there is none.

    A fresh clone or environment compiles for ten seconds what another one on the machine has
    compiled. numba's own cache goes by the path and time of a file; this one goes by content.
    Folders of other versions are removed when nobody has used them for 30 days.

    Parameters
    ----------
    package
        Folder of the kernels' source.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return None
    content = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    folder = _user_folder() / content.hexdigest()[:32]
    if not _is_writable(folder):
        return None
    keep_and_sweep(folder)
    return folder


def cache_folder(package: Path = Path(__file__).parent) -> Path | None:
    """Folder for compiled code, or None to leave it to numba (beside the source).

    Parameters
    ----------
    package
        Folder of the kernels' source.
    """
    if os.environ.get("NUMBA_CACHE_DIR") or _is_writable(package / "__pycache__"):
        return None
    user = _user_folder()
    if _is_writable(user):
        return user
    # Of this user only: a folder that others can write to could be fed with foreign code.
    try:
        return Path(tempfile.mkdtemp(prefix="senoscore-numba-"))
    except OSError:  # no room anywhere: nothing is kept
        return None


def _choose_cache() -> None:
    folder = cache_folder()
    if folder is None:
        return
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:  # it read its settings already
        sys.modules["numba"].config.CACHE_DIR = str(folder)


_choose_cache()


def warm() -> None:
    """Compile the kernels for the types of the canonical matrices and fill the cache.

    Counts (int32, float32) and log-normalised values (float32) with 32-bit indices. Takes a
    minute once; afterwards every process loads the compiled code.
    """
    from senoscore.kernels.warm_up import warm_cells, warm_mean, warm_rank

    warm_rank()
    warm_mean()
    warm_cells()


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
