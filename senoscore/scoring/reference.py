"""The named first pass: moments of every gene over all cells of a data set, as a file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from senoscore import names as k
from senoscore.errors import InputError, MethodError
from senoscore.io import atomic_path

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


__all__ = [
    "Block",
    "Reference",
    "gene_reference",
    "genes_detected",
    "load_npz",
    "normalisation",
    "save_npz",
]


def save_npz(path: str | os.PathLike[str], kind: str, **arrays: Any) -> None:
    """Write arrays, whole or not at all: a reader never sees half a file."""
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, kind=np.array(kind), **arrays)


def load_npz(path: str | os.PathLike[str], kind: str) -> dict[str, np.ndarray]:
    """Read all arrays of a file that :func:`save_npz` wrote for the same kind.

    Raises
    ------
    InputError
        The file is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        msg = f"{path}: not a readable {kind} file ({error})"
        raise InputError(msg, fix="delete it and run the first pass again") from error
    if str(arrays.pop("kind", "")) != kind:
        msg = f"{path}: not a {kind} file"
        raise InputError(msg, fix="delete it and run the first pass again")
    return arrays


_KIND = "senoscore gene reference 1"


class Block(Protocol):
    """Rows of a matrix in CSR form, as the readers hand them out."""

    indptr: NDArray[np.integer]
    indices: NDArray[np.integer]
    data: NDArray[Any]


@dataclass(frozen=True)
class Reference:
    """What one pass over all cells of a data set found out about its genes.

    Attributes
    ----------
    var_names
        Gene names in matrix order, shape (n_vars,).
    n_cells
        Cells seen.
    normalise
        Target total of the log-normalisation the moments refer to, 0 for values as they were.
    total, total_sq
        Sum and sum of squares of each gene on that scale, float64, shape (n_vars,). Cells are
        added in order, so neither block size nor thread count changes a bit.
    n_detected
        Cells in which the gene is not zero, int64, shape (n_vars,). None, as ``total_sq``, where
        only the means were asked for.
    """

    var_names: NDArray[np.str_]
    n_cells: int
    normalise: float
    total: NDArray[np.float64]
    total_sq: NDArray[np.float64] | None
    n_detected: NDArray[np.int64] | None

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each gene over all cells, shape (n_vars,)."""
        return self.total / max(self.n_cells, 1)

    @property
    def sd(self) -> NDArray[np.float64]:
        """Standard deviation of each gene (n - 1), 0 where constant, shape (n_vars,).

        The relative rounding error of the variance is about 1e-16 (1 + mean^2 / variance);
        variances below that are taken as 0.

        Raises
        ------
        MethodError
            Only the means were collected.
        """
        if self.total_sq is None:
            raise MethodError("this reference holds the means only", fix="collect all moments")
        if self.n_cells < 2:
            return np.zeros_like(self.total)
        centred = self.total_sq - self.total * self.mean
        noise = 1e-13 * self.total_sq
        return np.sqrt(np.where(centred > noise, centred, 0.0) / (self.n_cells - 1))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the reference, with all moments, to an ``.npz`` file, whole or not at all."""
        save_npz(path, _KIND, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """Read a reference written by :meth:`save`.

        Raises
        ------
        InputError
            The file is not a reference of this version.
        """
        arrays: dict[str, Any] = dict(load_npz(path, _KIND))
        arrays["n_cells"] = int(arrays["n_cells"])
        arrays["normalise"] = float(arrays["normalise"])
        return cls(**arrays)


def gene_reference(
    blocks: Iterable[Block],
    var_names: Sequence[str] | NDArray[Any],
    *,
    normalise: float,
    means_only: bool = False,
) -> Reference:
    """Pass over all cells once and collect the moments of every gene.

    Parameters
    ----------
    blocks
        All cells, in order, in blocks of any size.
    var_names
        Gene names in matrix order, shape (n_vars,).
    normalise
        Target total of the log-normalisation to apply (:data:`kernels.mean.TARGET_SUM` for
        counts), or 0 if the values are log-normalised already.
    means_only
        Leave out sums of squares and detection, which takes half the time.

    Returns
    -------
    The reference; the same bits for any block size.
    """
    from senoscore.kernels import mean

    names = np.asarray(var_names, dtype=np.str_)
    total, moments = np.zeros(len(names)), np.zeros((len(names), 2))
    n_detected = np.zeros(len(names), np.int64)
    n_cells = 0
    for block in blocks:
        n_cells += len(block.indptr) - 1
        rows = (block.indptr, block.indices, block.data, float(normalise))
        if means_only:
            mean.add_gene_sums(*rows, total)
        else:
            mean.add_gene_moments(*rows, moments, n_detected)
    if means_only:
        return Reference(names, n_cells, float(normalise), total, None, None)
    sums, squares = moments[:, 0].copy(), moments[:, 1].copy()
    return Reference(names, n_cells, float(normalise), sums, squares, n_detected)


def genes_detected(blocks: Iterable[Block], n_vars: int) -> NDArray[np.int64]:
    """Count the cells that express each gene: the part of the first pass the exact AUCell needs.

    Returns
    -------
    As :attr:`Reference.n_detected`, shape (n_vars,).
    """
    from senoscore.kernels import mean

    n_detected = np.zeros(n_vars, np.int64)
    for block in blocks:
        mean.add_detected(block.indices, block.data, n_detected)
    return n_detected


def normalisation(values: str) -> float:
    """Target total of the log-normalisation that mean-based methods need, 0 for none."""
    from senoscore.kernels import TARGET_SUM

    return 0.0 if values == k.LOGNORM else TARGET_SUM
