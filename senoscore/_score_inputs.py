"""What can be scored, as one thing: names, and cells in blocks of CSR."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from senoscore import _keys
from senoscore.errors import InputError
from senoscore.io.blocks import iter_blocks, memory_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData

    from senoscore.io.blocks import Block

    Values = Literal["counts", "lognorm", "linear"]

__all__ = ["Matrix", "from_anndata", "from_file", "from_frame", "guess_values"]

RAW: Final = "raw"
"""As a layer: the matrix and the genes of ``adata.raw``."""
_LOG_MAX: Final = 50.0  # log values stay far below this, TPM and intensities go beyond
_SAMPLE_ROWS: Final = 512


@dataclass(frozen=True)
class Matrix:
    """Cells by genes, wherever they are.

    Attributes
    ----------
    obs_names, var_names
        Unique names of cells and genes.
    blocks
        Function of a block size and a slice of rows (None: all) that gives the cells in order.
    where
        Name of the source in messages.
    values
        Kind of values: ``counts``, ``lognorm`` or ``linear``.
    values_from
        How the kind is known: ``stated`` by the source, or ``detected``.
    """

    obs_names: pd.Index
    var_names: pd.Index
    blocks: Callable[[int, slice | None], Iterator[Block]]
    where: str
    values: str
    values_from: str

    @property
    def is_counts(self) -> bool:
        """Whether the values are counts, of which a cell has a total."""
        return self.values == _keys.COUNTS

    @property
    def n_vars(self) -> int:
        """Genes of the matrix: the universe of the rank scores."""
        return len(self.var_names)


def guess_values(data: np.ndarray) -> str:
    """Tell counts, log-normalised and linear values apart.

    Whole numbers, none negative, are counts. Of the rest, values that exceed 50 are linear
    (a logarithm never gets there), all others log-normalised.

    Parameters
    ----------
    data
        Stored values of some cells, any shape.
    """
    finite = data[np.isfinite(data)]
    if finite.size == 0 or (finite.min() >= 0 and (finite == np.floor(finite)).all()):
        return _keys.COUNTS
    return _keys.LINEAR if finite.max() > _LOG_MAX else _keys.LOGNORM


def _make(
    obs_names: pd.Index,
    var_names: pd.Index,
    blocks: Callable[[int, slice | None], Iterator[Block]],
    where: str,
    stated: object,
) -> Matrix:
    for names, what in ((obs_names, "cell"), (var_names, "gene")):
        if not names.is_unique:
            twice = ", ".join(map(str, names[names.duplicated()].unique()[:5]))
            fix = "sum or rename them" if what == "gene" else "make obs_names unique"
            msg = f"{where}: {what} names are not unique ({twice})"
            raise InputError(msg, fix=fix)
    if len(obs_names) == 0 or len(var_names) == 0:
        msg = f"{where}: {len(obs_names)} cells x {len(var_names)} genes"
        raise InputError(msg, fix="pass a matrix with cells and genes")
    if stated in (_keys.COUNTS, _keys.LOGNORM, _keys.LINEAR):
        return Matrix(obs_names, var_names, blocks, where, str(stated), "stated")
    n_rows = min(_SAMPLE_ROWS, len(obs_names))
    sample = next(iter(blocks(n_rows, slice(0, n_rows))))
    return Matrix(obs_names, var_names, blocks, where, guess_values(sample.data), "detected")


def from_frame(table: pd.DataFrame) -> Matrix:
    """Samples (rows) by genes (columns), all columns numbers.

    Raises
    ------
    InputError
        A column is not numeric, or names are not unique.
    """
    other = [str(name) for name, dtype in table.dtypes.items() if dtype.kind not in "buif"]
    if other:
        msg = f"DataFrame: columns are not numbers: {', '.join(other[:5])}"
        raise InputError(msg, fix="pass samples x genes, with sample names as the index")
    X = table.to_numpy()
    return _make(
        table.index.astype(str), table.columns.astype(str), _array_blocks(X), "DataFrame", None
    )


def from_anndata(adata: AnnData, layer: str | None) -> Matrix:
    """X, a layer, or (``layer="raw"``) the raw matrix of an AnnData of any kind.

    In memory, backed, or lazy: blocks are read as they are needed.

    Raises
    ------
    InputError
        There is no such layer (those that exist are listed), or names are not unique.
    """
    var_names, where = _as_index(adata.var_names), "AnnData"
    if layer == RAW and RAW not in adata.layers:
        if adata.raw is None:
            raise InputError("the AnnData has no raw", fix="name a layer, or leave layer out")
        X, var_names, where = adata.raw.X, pd.Index(adata.raw.var_names), "AnnData.raw"
    elif layer is not None and layer not in adata.layers:
        there = ", ".join(sorted(map(str, adata.layers.keys()))) or "none"
        msg = f"there is no layer {layer!r}"
        raise InputError(msg, fix=f"layers there: {there}")
    elif hasattr(adata, "isbacked") and adata.isbacked:
        X = None
    else:
        X = adata.X if layer is None else adata.layers[layer]
        if X is None:
            raise InputError("the AnnData has no X", fix="name a layer")

    def stored(block_size: int, rows: slice | None) -> Iterator[Block]:
        return iter_blocks(adata, block_size=block_size, layer=layer, rows=rows)

    obs_names = _as_index(adata.obs_names)
    blocks = stored if X is None else _array_blocks(X)
    return _make(obs_names, var_names, blocks, where, _stated(adata, layer))


def _as_index(names: Any) -> pd.Index:
    """Keep a pandas index as it is: it remembers whether its names are unique."""
    return names if isinstance(names, pd.Index) else pd.Index(names)


def _stated(adata: AnnData, layer: str | None) -> object:
    """Kind of values that the file of an earlier stage states for its X."""
    entry = adata.uns.get(_keys.UNS) if layer is None else None
    return entry.get("values") if entry is not None and hasattr(entry, "get") else None


def from_file(path: str | Path) -> Matrix:
    """X of an .h5ad file, never loaded whole.

    Raises
    ------
    InputError
        The file is missing or damaged, or names are not unique.
    """
    import h5py

    from senoscore.io._h5 import read_index, read_stored

    path = Path(path)
    if not path.is_file():
        msg = f"{path} is not there"
        raise InputError(msg, fix="check the path")
    try:
        with h5py.File(path) as file:
            names = [pd.Index(read_index(file[axis]), dtype=str) for axis in ("obs", "var")]
            stated = read_stored(file["uns"][_keys.UNS]) if _keys.UNS in file.get("uns", {}) else {}
    except (OSError, KeyError) as error:
        msg = f"{path} is no AnnData file: {' '.join(str(error).split())}"
        raise InputError(msg, fix="make it again, or restore it") from error

    def blocks(block_size: int, rows: slice | None) -> Iterator[Block]:
        return iter_blocks(path, block_size=block_size, rows=rows)

    return _make(names[0], names[1], blocks, str(path), stated.get("values"))


def _array_blocks(X: Any) -> Callable[[int, slice | None], Iterator[Block]]:
    """Blocks of anything that can be sliced by rows: NumPy, SciPy, dask, on-disk datasets."""
    from scipy import sparse

    if sparse.issparse(X) and X.format != "csr":
        X = X.tocsr()  # once: rows of CSC cannot be read
    if sparse.issparse(X) or isinstance(X, np.ndarray):
        return lambda block_size, rows: memory_blocks(X, block_size, rows)

    def blocks(block_size: int, rows: slice | None) -> Iterator[Block]:
        lo, hi, _ = (rows or slice(None)).indices(X.shape[0])
        for start in range(lo, hi, block_size):
            stop = min(start + block_size, hi)
            part = X[start:stop]
            if hasattr(part, "compute"):
                part = part.compute()
            if not sparse.issparse(part):
                part = np.asarray(part)
            [block] = memory_blocks(part, max(stop - start, 1))
            yield block._replace(start=start, stop=stop)

    return blocks
