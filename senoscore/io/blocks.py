"""Cells in blocks, out of core: the next block is read while this one is being scored."""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import h5py
import numpy as np
from scipy import sparse

from senoscore.errors import InputError
from senoscore.io.hdf5 import (
    H5_ERRORS,
    Matrix,
    RangeReader,
    child,
    damaged,
    describe,
    native,
    open_h5,
    place,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from anndata import AnnData


__all__ = [
    "Block",
    "find_layer",
    "iter_blocks",
    "iter_matrix",
    "memory_blocks",
    "no_layer",
    "prefetch",
]

logger = logging.getLogger(__name__)

_AHEAD: Final = 1


class Block(NamedTuple):
    """Some consecutive cells, as CSR.

    ``indptr`` (int64, ``stop - start + 1``) starts at 0; ``indices`` (int32) are columns of the
    matrix, each within ``n_vars``, in the order of the source (not always sorted); ``data`` has
    the type of the source.
    """

    start: int
    stop: int
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    n_vars: int

    def to_csr(self) -> sparse.csr_matrix:
        """Return the block as a SciPy matrix, ``stop - start`` x ``n_vars``, without a copy."""
        shape = (self.stop - self.start, self.n_vars)
        return sparse.csr_matrix((self.data, self.indices, self.indptr), shape=shape, copy=False)


def iter_blocks(
    source: str | Path | AnnData,
    *,
    block_size: int = 4096,
    layer: str | None = None,
    rows: slice | None = None,
) -> Iterator[Block]:
    """Go through the cells of a matrix in blocks of CSR, in order.

    A thread reads one block ahead. It ends when the iterator does, also if that is
    closed or dropped early; what goes wrong in it is raised here.

    Parameters
    ----------
    source
        Path of an .h5ad file, or an AnnData, in memory or backed.
    block_size
        Cells a block, at least 1; the last one may have fewer.
    layer
        Name of a layer; None is X.
    rows
        Cells to go through (step 1); None is all. ``start`` and ``stop`` of a block count from
        the first cell of the file, not of the slice.

    Yields
    ------
    The blocks. Values are those of the source, bit for bit, whatever the storage.

    Raises
    ------
    InputError
        The file is missing or damaged, the layer is not there, or ``rows`` has a step.

    Notes
    -----
    CSR is read by ranges. Dense data become CSR block by block. CSC cannot be read by rows: it
    is loaded and converted once, with a warning.
    """
    if block_size < 1:
        msg = f"block_size is {block_size}"
        raise InputError(msg, fix="use 1 or more cells a block")
    if isinstance(source, str | Path):
        return prefetch(_from_file(Path(source), layer, block_size, rows))
    return _from_anndata(source, layer, block_size, rows)


def iter_matrix(
    matrix: Matrix, block_size: int = 4096, rows: slice | None = None
) -> Generator[Block]:
    """Go through a matrix of an open HDF5 file in blocks, without reading ahead.

    Parameters
    ----------
    matrix
        From :func:`senoscore.io.hdf5.describe`.
    block_size, rows
        As in :func:`iter_blocks`.

    Raises
    ------
    InputError
        The data are damaged.
    """
    lo, hi = _bounds(rows, matrix.n_rows)
    read = _row_reader(matrix)
    where = f"{place(matrix.node)}: {matrix.node.name}"
    for start in range(lo, hi, block_size):
        try:
            block = read(start, min(start + block_size, hi))
        except H5_ERRORS as error:
            kind = "HDF5" if isinstance(matrix.node, h5py.Group | h5py.Dataset) else "zarr"
            raise damaged(where, error, kind=kind) from error
        yield _checked(block, where)


def _from_file(
    path: Path, layer: str | None, block_size: int, rows: slice | None
) -> Generator[Block]:
    with open_h5(path) as file:
        yield from iter_matrix(find_layer(file, layer), block_size, rows)


def find_layer(file: h5py.File, layer: str | None) -> Matrix:
    """Find X (None) or a layer in an open .h5ad file.

    Raises
    ------
    InputError
        It is not there; the message lists what is.
    """
    layers = child(file, "layers")
    if layer is None:
        node = child(file, "X")
    else:
        node = child(layers, layer) if isinstance(layers, h5py.Group) else None
    if node is None:
        present = ", ".join(sorted(layers)) if isinstance(layers, h5py.Group) else ""
        what = "X" if layer is None else f"layer {layer!r}"
        msg = f"{file.filename} has no {what}"
        raise InputError(msg, fix=f"layers there: {present or 'none'}")
    return describe(node)


def no_layer(adata: AnnData, layer: str) -> InputError:
    """Error for a layer that an AnnData does not have, with those that it has."""
    # From anndata 0.13 on, X is among the layers, as None.
    present = ", ".join(sorted(str(name) for name in adata.layers if name is not None))
    return InputError(f"there is no layer {layer!r}", fix=f"layers there: {present or 'none'}")


def _from_anndata(
    adata: AnnData, layer: str | None, block_size: int, rows: slice | None
) -> Iterator[Block]:
    if layer is not None and layer not in adata.layers:
        raise no_layer(adata, layer)
    X = adata.X if layer is None else adata.layers[layer]
    if X is None:
        raise InputError("the AnnData has no X", fix="name a layer")
    if isinstance(getattr(X, "group", None), h5py.Group):  # backed and sparse
        return prefetch(iter_matrix(describe(X.group), block_size, rows))
    if isinstance(X, h5py.Dataset):  # backed and dense
        return prefetch(iter_matrix(describe(X), block_size, rows))
    return memory_blocks(X, block_size, rows)


def memory_blocks(
    X: np.ndarray | sparse.spmatrix,
    block_size: int,
    rows: slice | None = None,
    *,
    check: bool = True,
) -> Iterator[Block]:
    """Go through a matrix in memory in blocks; those of CSR are views.

    Parameters
    ----------
    X
        Cells by genes; CSC is converted once.
    block_size, rows
        As in :func:`iter_blocks`.
    check
        Whether to look for columns outside the matrix, and give columns as int32. Who leaves it
        out must look himself: kernels would read foreign memory.
    """
    X = sparse.csr_matrix(X) if sparse.issparse(X) else np.asarray(X)
    lo, hi = _bounds(rows, X.shape[0])
    for start in range(lo, hi, block_size):
        stop = min(start + block_size, hi)
        if isinstance(X, np.ndarray):
            block = _dense_block(X[start:stop], start, stop)
        else:
            block = _slice_csr(X, start, stop)
        yield _checked(block, "X") if check else block


def _bounds(rows: slice | None, n_rows: int) -> tuple[int, int]:
    lo, hi, step = (rows or slice(None)).indices(n_rows)
    if step != 1:
        msg = f"rows has step {step}"
        raise InputError(msg, fix="only runs of consecutive cells can be read")
    return lo, hi


def _row_reader(matrix: Matrix) -> Callable[[int, int], Block]:
    node, n_vars = matrix.node, matrix.n_columns
    if matrix.layout == "dense":
        return lambda start, stop: _dense_block(native(node[start:stop]), start, stop)
    if matrix.layout == "csc":
        logger.warning(
            "%s: %s is stored by genes (CSC); it is loaded whole and turned once",
            place(node),
            node.name,
        )
        turned = _turned(matrix)
        return lambda start, stop: _slice_csr(turned, start, stop)
    indptr = _pointers(matrix)
    data, indices = RangeReader(node["data"]), RangeReader(node["indices"])

    def read(start: int, stop: int) -> Block:
        lo, hi = int(indptr[start]), int(indptr[stop])
        pointers = indptr[start : stop + 1] - lo
        return Block(start, stop, pointers, indices.read(lo, hi), data.read(lo, hi), n_vars)

    return read


def _pointers(matrix: Matrix) -> np.ndarray:
    node = matrix.node
    indptr = node["indptr"][:].astype(np.int64)
    n_stored = node["data"].size
    if indptr[0] != 0 or indptr[-1] != n_stored or np.any(np.diff(indptr) < 0):
        msg = (
            f"{place(node)}: {node.name}/indptr does not ascend from 0 to the {n_stored} "
            "values stored"
        )
        raise InputError(msg, fix="the file is damaged: write it again")
    return indptr


def _turned(matrix: Matrix) -> sparse.csr_matrix:
    node = matrix.node
    indices = native(node["indices"][:])
    if indices.size and not 0 <= indices.min() <= indices.max() < matrix.n_rows:
        msg = f"{place(node)}: {node.name} names a cell beyond the last"
        raise InputError(msg, fix="the file is damaged: write it again")
    shape = (matrix.n_rows, matrix.n_columns)
    return sparse.csc_matrix(
        (native(node["data"][:]), indices, _pointers(matrix)), shape=shape
    ).tocsr()


def _slice_csr(X: sparse.csr_matrix, start: int, stop: int) -> Block:
    first, last = int(X.indptr[start]), int(X.indptr[stop])
    indptr = X.indptr[start : stop + 1].astype(np.int64) - first
    return Block(start, stop, indptr, native(X.indices[first:last]), X.data[first:last], X.shape[1])


def _dense_block(dense: np.ndarray, start: int, stop: int) -> Block:
    filled = dense != 0  # also true for NaN
    indptr = np.zeros(stop - start + 1, dtype=np.int64)
    np.cumsum(np.count_nonzero(filled, axis=1), out=indptr[1:])
    indices = np.nonzero(filled)[1].astype(np.int32)
    return Block(start, stop, indptr, indices, dense[filled], dense.shape[1])


def _checked(block: Block, where: str) -> Block:
    """Refuse columns outside the matrix, which would make a kernel read foreign memory."""
    indices = block.indices
    # Seen as unsigned, a negative column is a huge one: one pass finds both.
    unsigned = indices.view(f"u{indices.dtype.itemsize}") if indices.dtype.kind == "i" else indices
    if unsigned.size and int(unsigned.max()) >= block.n_vars:
        msg = f"{where}: a cell in rows {block.start}–{block.stop - 1} names a gene beyond the last"
        raise InputError(msg, fix="the file is damaged: write it again")
    return block._replace(indices=indices.astype(np.int32, copy=False))


def prefetch(blocks: Generator[Block], *, ahead: int = _AHEAD) -> Iterator[Block]:
    """Run a generator of blocks in a thread that stays up to ``ahead`` items ahead.

    Parameters
    ----------
    blocks
        What to read; used, and closed, in the other thread only.
    ahead
        Blocks, finished or being read, beside the one in use, which bounds the memory.
    """
    finished: queue.SimpleQueue[Block | BaseException | None] = queue.SimpleQueue()
    room = threading.Semaphore(ahead)
    stop = threading.Event()

    def work() -> None:
        try:
            with closing(blocks):
                while True:
                    room.acquire()
                    block = None if stop.is_set() else next(blocks, None)
                    finished.put(block)
                    if block is None:
                        return
                    del block  # it belongs to the consumer now
        except BaseException as error:  # noqa: BLE001  handed over whole to the consumer
            finished.put(error)

    with ExitStack() as stack:
        thread = threading.Thread(target=work, name="senoscore-reader", daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(room.release)
        stack.callback(stop.set)  # runs first, then the reader is let go and joined
        while (item := finished.get()) is not None:
            room.release()
            if isinstance(item, BaseException):
                raise item
            yield item
