"""What can be scored, as one thing: names, and cells in blocks of CSR."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.ingest import LOG_MAX
from senoscore.io import iter_blocks, memory_blocks, no_layer
from senoscore.kernels import (
    ABOVE,
    BEYOND,
    FRACTION,
    NEGATIVE,
    NOT_FINITE,
    SEVERAL,
    UNSORTED,
    ZERO,
    look_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData

    from senoscore.io import Block


__all__ = ["Matrix", "NotPlainError", "from_anndata", "from_file", "from_frame"]

RAW: Final = "raw"
"""As a layer: the matrix and the genes of ``adata.raw``."""
_PASS_ROWS: Final = 4096
_DENSE_ROWS: Final = 256
_PEEK_ROWS: Final = 64
_PLAIN: Final = np.uint8(SEVERAL | ABOVE)
"""Marks of a row of sorted counts without stored zeros."""
_TELLING: Final = 50  # total from which a row of whole numbers cannot be of logarithms


class NotPlainError(Exception):
    """A matrix taken for plain counts is something else: look at all of it first."""


class Matrix:
    """Cells by genes, wherever they are, with values that are known to be fit to score.

    Every block that is handed out has been looked at, and looks the same whatever the storage:
    genes ascend within a cell, none is there twice, no zeros are stored, and the numbers are
    integers or floats of 32 or 64 bits in the byte order of this machine.

    Parameters
    ----------
    obs_names, var_names
        Unique names of cells and genes.
    blocks
        Function of a block size and a slice of rows (None: all) that gives the cells in order.
    where
        Name of the source in messages.
    stated
        Kind of values that the source states; anything but a kind means that it states none.
    mend
        What to do where the source states what is not so.
    in_memory
        Whether a pass over all cells costs next to nothing. Such a matrix is looked at once, at
        the start; any other whenever blocks are read, and at the start only if it states
        nothing.
    n_threads
        Threads that look at the values.
    while_scoring
        Leave looking to whoever scores, chunk by chunk while it is in the cache: where the
        matrix is in memory and sparse, and begins with what may be plain counts.
    dense
        The matrix itself, if it is a dense array: looked at without making it sparse.

    Raises
    ------
    InputError
        Names are not unique, there are no cells or genes, or the values cannot be scored.
    """

    values: str
    """Kind of values: ``counts``, ``lognorm`` or ``linear``."""
    values_from: str
    """How the kind is known: ``stated`` by the source, or ``detected``."""

    def __init__(
        self,
        obs_names: pd.Index,
        var_names: pd.Index,
        blocks: Callable[[int, slice | None], Iterator[Block]],
        where: str,
        *,
        stated: object = None,
        mend: str = "",
        in_memory: bool = False,
        n_threads: int = 1,
        dense: np.ndarray | None = None,
        while_scoring: bool = False,
    ) -> None:
        self._dense = dense
        self.obs_names, self.var_names, self.where = obs_names, var_names, where
        self._blocks, self._mend, self._n_threads = blocks, mend, n_threads
        self._check_names()
        self._totals = np.full(len(obs_names), np.nan)
        self._as_stored = False
        known = stated in (k.COUNTS, k.LOGNORM, k.LINEAR)
        self.values, self.values_from = (str(stated), "stated") if known else ("", "detected")
        self.unseen = (
            while_scoring
            and in_memory
            and dense is None
            and self.values in ("", k.COUNTS)
            and self._begins_plain()
        )
        if self.unseen:
            self.values, self._as_stored = k.COUNTS, True
        elif in_memory or not known:
            self._look_at_all(in_memory=in_memory)

    def _check_names(self) -> None:
        for names, what in ((self.obs_names, "cell"), (self.var_names, "gene")):
            if not names.is_unique:
                twice = ", ".join(map(str, names[names.duplicated()].unique()[:5]))
                fix = "sum or rename them" if what == "gene" else "make obs_names unique"
                msg = f"{self.where}: {what} names are not unique ({twice})"
                raise InputError(msg, fix=fix)
        if self.n_vars == 0 or len(self.obs_names) == 0:
            msg = f"{self.where}: {len(self.obs_names)} cells x {self.n_vars} genes"
            raise InputError(msg, fix="pass a matrix with cells and genes")

    def _look_at_all(self, *, in_memory: bool) -> None:
        marks = np.empty(len(self.obs_names), np.uint8)
        known = True
        if self._dense is not None:
            known = self._look_at_dense(self._dense, marks)
        else:
            for block in self._blocks(_PASS_ROWS, None):
                fit = self._fit(block)
                marks[block.start : block.stop] = self._look_at(fit)
                known &= fit.data is block.data and block.indices.dtype == np.int32
        if not self.values:
            self.values = self._judge(marks)
        self._as_stored = in_memory and known and not (marks & (ZERO | UNSORTED)).any()

    def _begins_plain(self) -> bool:
        [block] = self._blocks(_PEEK_ROWS, slice(0, min(_PEEK_ROWS, len(self.obs_names))))
        if block.indices.dtype != np.int32 or self._fit_values(block.data) is not block.data:
            return False
        _, marks = look_at(block.indptr, block.indices, block.data, self.n_vars, limit=LOG_MAX)
        return not (marks & ~_PLAIN).any()

    def look_at_rows(self, block: Block, first: int, last: int) -> None:
        """Look at rows of a block of an unseen matrix.

        Raises
        ------
        NotPlainError
            They are not all sorted counts. :meth:`look` then says what they are.
        """
        indptr = block.indptr[first : last + 1]
        total, marks = look_at(indptr, block.indices, block.data, self.n_vars, limit=LOG_MAX)
        if (marks & ~_PLAIN).any():
            raise NotPlainError
        self._totals[block.start + first : block.start + last] = total

    def look(self) -> None:
        """Look at all values of an unseen matrix.

        Raises
        ------
        InputError
            The values cannot be scored.
        """
        self.unseen, self._as_stored = False, False
        if self.values_from == "detected":
            self.values = ""
        self._look_at_all(in_memory=True)

    def _look_at_dense(self, X: np.ndarray, marks: np.ndarray[Any, np.dtype[np.uint8]]) -> bool:
        """Look at a dense matrix as it is; say whether kernels know its type of numbers."""
        known = True
        for start in range(0, len(X), _DENSE_ROWS):
            rows = slice(start, min(start + _DENSE_ROWS, len(X)))
            values = self._fit_values(X[rows])
            known &= values.dtype == X.dtype
            indptr = np.arange(rows.stop - start + 1, dtype=np.int64) * X.shape[1]
            total, found = look_at(
                indptr,
                None,
                np.ascontiguousarray(values).ravel(),
                self.n_vars,
                limit=LOG_MAX,
                n_threads=self._n_threads,
            )
            self._totals[rows] = total
            marks[rows] = found & ~np.uint8(ZERO)
            if (found & (NEGATIVE | NOT_FINITE)).any() or self._is_not_as_stated(
                total, found
            ).any():
                [block] = self._blocks(_DENSE_ROWS, rows)
                self._look_at(self._fit(block))  # names the value
        return known

    def blocks(self, block_size: int, rows: slice | None) -> Iterator[Block]:
        """Cells in order, in blocks, looked at and tidied.

        Raises
        ------
        InputError
            A value cannot be scored or is not of the kind stated, or a gene is stored twice.
        """
        for block in self._blocks(block_size, rows):
            if self._as_stored:
                yield block
            else:
                fit = self._fit(block)
                marks = self._look_at(fit)
                if (marks & (ZERO | UNSORTED)).any():
                    fit = self._tidy(fit)
                yield fit._replace(indices=fit.indices.astype(np.int32, copy=False))

    def totals(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Sum of each cell, shape (n_cells,); NaN for cells no pass has come to yet."""
        return self._totals

    def _fit(self, block: Block) -> Block:
        """The block in types the kernels know, or why that cannot be."""
        data = self._fit_values(block.data)
        return block if data is block.data else block._replace(data=data)

    def _fit_values(self, data: np.ndarray) -> np.ndarray:
        if data.dtype.kind == "b":
            msg = f"{self.where}: the values are True and False, which is neither counts nor logs"
            raise InputError(msg, fix="name the layer that holds counts or log values")
        if data.dtype.kind not in "iuf":
            msg = f"{self.where}: the values are of type {data.dtype}, which are not real numbers"
            raise InputError(msg, fix="make them integers or floats: `X.astype('float32')`")
        size = data.dtype.itemsize
        if data.dtype.kind == "f" and size not in (4, 8):
            data = data.astype(np.float32 if size < 4 else np.float64)
        elif data.dtype.kind != "f" and (size < 4 or data.dtype.kind == "u"):
            data = data.astype(np.int32 if size < 4 else np.int64)
        if not data.dtype.isnative:
            data = data.astype(data.dtype.newbyteorder("="))
        return data

    def _look_at(self, block: Block) -> np.ndarray[Any, np.dtype[np.uint8]]:
        total, marks = look_at(
            block.indptr,
            block.indices,
            block.data,
            self.n_vars,
            limit=LOG_MAX,
            n_threads=self._n_threads,
        )
        self._totals[block.start : block.stop] = total
        if (marks & BEYOND).any():
            row = block.start + int(np.argmax((marks & BEYOND) > 0))
            msg = f"{self.where}: cell {row} (counted from 0) names a gene beyond the last"
            raise InputError(msg, fix="the matrix is damaged: write it again")
        if (marks & (NEGATIVE | NOT_FINITE)).any():
            self._refuse_value(block)
        self._check_stated(block, total, marks)
        return marks

    def _refuse_value(self, block: Block) -> None:
        """Name the first value that no expression can have."""
        values = block.data
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if not wrong.size:  # finite, and too large for their sum
            msg = f"{self.where}: values reach {values.max():.6g}, too large to be added up"
            raise InputError(msg, fix="find what multiplied them, and give counts or log values")
        value = float(values[wrong[0]])
        row = block.start + int(np.searchsorted(block.indptr, wrong[0], side="right")) - 1
        what = "NaN" if np.isnan(value) else f"the value {value:.6g}"
        msg = (
            f"{self.where}: cell {row} (counted from 0, {self.obs_names[row]!r}) holds {what} in "
            f"gene {self.var_names[int(block.indices[wrong[0]])]!r}"
        )
        fix = "put a number (0 if it was not seen), or leave the cell or gene out"
        if np.isfinite(value):
            fix = "scaled or batch-corrected values cannot be scored: give counts or log values"
        raise InputError(msg, fix=fix)

    def _is_not_as_stated(self, total: Any, marks: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows cannot be of the kind that is stated."""
        if self.values_from == "stated" and self.values == k.COUNTS:
            return (marks & FRACTION) > 0
        if self.values_from == "stated" and self.values == k.LOGNORM:
            return _are_counts(total, marks) | ((marks & ABOVE) > 0)
        return np.zeros(len(marks), dtype=bool)

    def _check_stated(self, block: Block, total: Any, marks: Any) -> None:
        """Refuse a kind that is stated and cannot be true."""
        wrong = self._is_not_as_stated(total, marks)
        if not wrong.any():
            return
        what = "are no whole numbers: no counts"
        if self.values == k.LOGNORM:
            what = f"look like {'counts' if _are_counts(total, marks).any() else 'linear values'}"
        row = block.start + int(np.argmax(wrong))
        msg = (
            f"{self.where}: values are stated as {self.values!r}, but those of cell {row} "
            f"(counted from 0, {self.obs_names[row]!r}) {what}"
        )
        raise InputError(msg, fix=self._mend)

    def _judge(self, marks: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
        """Tell counts, log-normalised and linear values apart, from all cells.

        Whole numbers only are counts. Else, values above 30 in a cell with fractions are linear
        (a logarithm never gets there). All others are log-normalised, and then a cell of whole
        numbers, small ones apart, is one of counts among logarithms. Empty cells say nothing.
        """
        fractional = (marks & FRACTION) > 0
        if not fractional.any():
            return k.COUNTS
        if (marks[fractional] & ABOVE).any():
            return k.LINEAR
        counts = _are_counts(self._totals, marks)
        if counts.any():
            row, other = int(np.argmax(counts)), int(np.argmax(fractional))
            msg = (
                f"{self.where}: {int(counts.sum())} cells hold counts (such as "
                f"{self.obs_names[row]!r}) and {int(fractional.sum())} log values (such as "
                f"{self.obs_names[other]!r})"
            )
            raise InputError(msg, fix="give counts for all cells, or log values for all")
        return k.LOGNORM

    def _tidy(self, block: Block) -> Block:
        """Sort the genes of each cell and drop stored zeros: results must not depend on them."""
        indptr, indices, data = block.indptr, block.indices, block.data
        stored = data != 0
        if not stored.all():
            kept = np.concatenate([[0], np.cumsum(stored)])
            indptr, indices, data = kept[indptr], indices[stored], data[stored]
        cell = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        order = np.lexsort((indices, cell))
        indices, data = indices[order], data[order]
        twice = np.flatnonzero((np.diff(indices) == 0) & (np.diff(cell) == 0))
        if twice.size:
            row, gene = block.start + int(cell[twice[0]]), int(indices[twice[0]])
            msg = (
                f"{self.where}: cell {row} (counted from 0, {self.obs_names[row]!r}) stores a "
                f"gene twice ({self.var_names[gene]!r})"
            )
            raise InputError(msg, fix="call sum_duplicates() on the matrix")
        return block._replace(indptr=indptr, indices=indices, data=data)

    @property
    def is_counts(self) -> bool:
        """Whether the values are counts, of which a cell has a total."""
        return self.values == k.COUNTS

    @property
    def n_vars(self) -> int:
        """Genes of the matrix: the universe of the rank scores."""
        return len(self.var_names)


def _are_counts(total: Any, marks: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows are of counts: whole numbers, too many and too large for logarithms of counts.

    A few logarithms to base 2 of counts plus one can be whole (of 1 and 3), fifty cannot.
    """
    whole = ((marks & FRACTION) == 0) & ((marks & SEVERAL) > 0)
    return whole & ((total >= _TELLING) | ((marks & ABOVE) > 0))


def from_frame(table: pd.DataFrame, n_threads: int = 1) -> Matrix:
    """Samples (rows) by genes (columns), all columns numbers.

    Raises
    ------
    InputError
        A column is not numeric, or names are not unique.
    """
    other = [str(name) for name, dtype in table.dtypes.items() if dtype.kind not in "uif"]
    if other:
        msg = f"DataFrame: columns are not numbers: {', '.join(other[:5])}"
        raise InputError(msg, fix="pass samples x genes, with sample names as the index")
    if all(isinstance(dtype, np.dtype) for dtype in table.dtypes):
        X = table.to_numpy()
    else:  # nullable columns: what is missing becomes NaN, which is refused with its place
        X = table.to_numpy(dtype=np.float64, na_value=np.nan)
    blocks = _array_blocks(X, "DataFrame")
    names = table.index.astype(str), table.columns.astype(str)
    return Matrix(
        names[0], names[1], blocks, "DataFrame", in_memory=True, n_threads=n_threads, dense=X
    )


def from_anndata(
    adata: AnnData, layer: str | None, n_threads: int = 1, *, while_scoring: bool = False
) -> Matrix:
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
        raise no_layer(adata, layer)
    elif hasattr(adata, "isbacked") and adata.isbacked:
        X = None
    else:
        X = adata.X if layer is None else adata.layers[layer]
        if X is None:
            raise InputError("the AnnData has no X", fix="name a layer")

    def stored(block_size: int, rows: slice | None) -> Iterator[Block]:
        return iter_blocks(adata, block_size=block_size, layer=layer, rows=rows)

    return Matrix(
        _as_index(adata.obs_names),
        var_names,
        stored if X is None else _array_blocks(X, where),
        where,
        stated=_stated(adata, layer),
        mend='state what they are now: `adata.uns["senoscore"]["values"] = ...` '
        "(counts, lognorm or linear)",
        in_memory=_is_in_memory(X),
        n_threads=n_threads,
        dense=X if isinstance(X, np.ndarray) else None,
        while_scoring=while_scoring,
    )


def _is_in_memory(X: Any) -> bool:
    from scipy import sparse

    return isinstance(X, np.ndarray) or sparse.issparse(X)


def _as_index(names: Any) -> pd.Index:
    """Keep a pandas index as it is: it remembers whether its names are unique."""
    return names if isinstance(names, pd.Index) else pd.Index(names)


def _stated(adata: AnnData, layer: str | None) -> object:
    """Kind of values that the file of an earlier stage states for its X."""
    entry = adata.uns.get(k.UNS) if layer is None else None
    return entry.get("values") if entry is not None and hasattr(entry, "get") else None


def from_file(path: str | Path, n_threads: int = 1) -> Matrix:
    """X of an .h5ad file, never loaded whole.

    Raises
    ------
    InputError
        The file is missing or damaged, or names are not unique.
    """
    import h5py

    from senoscore.io import read_index, read_stored

    path = Path(path)
    if not path.is_file():
        msg = f"{path} not found"
        raise InputError(msg, fix="check the path")
    try:
        with h5py.File(path) as file:
            names = [pd.Index(read_index(file[axis]), dtype=str) for axis in ("obs", "var")]
            stated = read_stored(file["uns"][k.UNS]) if k.UNS in file.get("uns", {}) else {}
    except (OSError, KeyError) as error:
        msg = f"{path} is not an AnnData file: {' '.join(str(error).split())}"
        raise InputError(msg, fix="make it again, or restore it") from error

    def blocks(block_size: int, rows: slice | None) -> Iterator[Block]:
        return iter_blocks(path, block_size=block_size, rows=rows)

    mend = "the file was changed after it was made: make it again"
    return Matrix(
        names[0],
        names[1],
        blocks,
        str(path),
        stated=stated.get("values"),
        mend=mend,
        n_threads=n_threads,
    )


def _array_blocks(X: Any, where: str) -> Callable[[int, slice | None], Iterator[Block]]:
    """Blocks of anything that can be sliced by rows: NumPy, SciPy, dask, on-disk datasets."""
    from scipy import sparse

    if isinstance(X, np.ma.MaskedArray):
        n_masked = int(np.ma.count_masked(X))
        if n_masked:
            msg = f"{where}: {n_masked} values are masked"
            raise InputError(msg, fix="fill them (`X.filled(0)`), or leave those genes out")
        X = X.data
    if sparse.issparse(X) and X.format != "csr":
        X = X.tocsr()  # once: rows of CSC cannot be read
    if _is_in_memory(X):
        return lambda block_size, rows: memory_blocks(X, block_size, rows, check=False)

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
