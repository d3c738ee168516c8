"""What made a result: versions, configuration, hashes of inputs and signatures, seeds."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from senoscore import __version__
from senoscore.errors import InputError
from senoscore.io import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


__all__ = ["collect", "file_record", "read", "write"]

_PACKAGES: Final = (
    "altair",
    "anndata",
    "formulaic",
    "gseapy",
    "h5py",
    "hdf5plugin",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "scanpy",
    "scipy",
    "snakemake",
    "statsmodels",
    "vl-convert-python",
)
_CHUNK: Final = 1 << 20


def collect(
    *,
    config: Mapping[str, Any] | None = None,
    inputs: Iterable[Path] = (),
    signatures: Mapping[str, Any] | None = None,
    seeds: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Gather what made a result, as plain text and numbers.

    Parameters
    ----------
    config
        The whole configuration, defaults filled in.
    inputs
        Files (a 10x folder counts each of its files); recorded by name, size and SHA-256.
    signatures
        What identifies the signatures, for example ``{"sha256": ..., "n": 42}``.
    seeds
        Every seed by name.

    Returns
    -------
    Dictionary with ``created`` (UTC; ``SOURCE_DATE_EPOCH`` where that is set), ``senoscore``,
    ``python``, ``platform``, ``versions``, ``config``, ``inputs``, ``signatures``, ``seeds``.
    No path of the machine is in it beyond what the configuration says.

    Raises
    ------
    InputError
        An input does not exist or cannot be read.
    """
    files: list[Path] = []
    for item in inputs:
        path = Path(item)
        files += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return {
        "created": _now(),
        "senoscore": __version__,
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "versions": _versions(),
        "config": _plain(dict(config or {})),
        "inputs": [file_record(path) for path in files],
        "signatures": _plain(dict(signatures or {})),
        "seeds": {str(name): int(seed) for name, seed in (seeds or {}).items()},
    }


def file_record(path: Path) -> dict[str, Any]:
    """Name, size in bytes and SHA-256 of a file, read in blocks.

    Raises
    ------
    InputError
        The file does not exist or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(_CHUNK):
                digest.update(block)
        size = path.stat().st_size
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
        raise InputError(message, fix="check the path in datasets.tsv") from error
    return {"file": path.name, "bytes": size, "sha256": digest.hexdigest()}


def write(record: Mapping[str, Any], path: Path) -> Path:
    """Write a record as JSON with sorted keys, in one step."""
    text = json.dumps(_plain(dict(record)), indent=2, sort_keys=True, ensure_ascii=False)
    with atomic_path(path) as part:
        part.write_text(text + "\n", encoding="utf-8")
    return path


def read(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises
    ------
    InputError
        The file does not exist or is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path}: not a provenance record ({error})"
        raise InputError(message, fix="run the workflow again") from error
    if not isinstance(value, dict):
        message = f"{path}: not a provenance record"
        raise InputError(message, fix="run the workflow again")
    return value


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    """Look up what is installed, not what is loaded.

    ``session-info2`` lists the modules that this process has imported; numbers were made by the
    processes of other stages, and the record shall not depend on which one writes it.
    """
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _plain(value: Any) -> Any:
    """Turn a configuration into what JSON can hold; what it cannot becomes text."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
