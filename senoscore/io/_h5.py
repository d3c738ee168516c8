"""HDF5 with suspicion: open, follow no link out of the file, read ranges fast.

Users' .h5ad files are mostly gzip-compressed, and there inflating costs more than any score.
:class:`RangeReader` fetches the compressed chunks as they lie in the file and inflates them with
ISA-L, which takes about half the time of HDF5's own filter; any other layout goes through HDF5.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import h5py
import hdf5plugin  # noqa: F401  registers the blosc2, lz4 and zstd filters on import
import numpy as np
from isal import isal_zlib
from isal.igzip_lib import IsalError

from senoscore.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "H5_ERRORS",
    "Matrix",
    "RangeReader",
    "check_parts",
    "check_size",
    "child",
    "damaged",
    "describe",
    "native",
    "open_h5",
    "read_index",
    "read_stored",
]

H5_ERRORS: Final[tuple[type[Exception], ...]] = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    cast("type[Exception]", IsalError),
)
"""What h5py and the filters raise on damaged files."""

_GZIP: Final = h5py.h5z.FILTER_DEFLATE
_SHUFFLE: Final = h5py.h5z.FILTER_SHUFFLE
_PLAIN_GZIP: Final = ((_GZIP,), (_SHUFFLE, _GZIP))
_LARGEST_CHUNK: Final = 1 << 28  # bytes; HDF5 itself reads such giants piecewise, we would not


class Matrix(NamedTuple):
    """A matrix in an HDF5 file."""

    node: h5py.Group | h5py.Dataset
    layout: str  # csr | csc | dense
    n_rows: int
    n_columns: int


@contextmanager
def open_h5(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, if all that it holds lies in it.

    Raises
    ------
    InputError
        The file is missing, no HDF5, or truncated; a link anywhere in it leads to another file,
        or a dataset keeps its data in one.
    """
    where = Path(path)
    if not where.is_file():
        msg = f"{where} is not there" if not where.exists() else f"{where} is no file"
        raise InputError(msg, fix="check the path")
    try:
        file = h5py.File(where, "r")
    except BlockingIOError:
        file = h5py.File(where, "r", locking=False)  # no locks on this file system
    except OSError as error:
        raise damaged(where, error) from error
    with file:
        _refuse_elsewhere(file)
        yield file


def _refuse_elsewhere(file: h5py.File) -> None:
    """Go through all links and datasets, following none: libraries would open other files."""
    outside: list[str] = []

    def look_at_link(name: bytes, info: Any) -> None:
        if info.type not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
            outside.append(f"/{name.decode('utf-8', 'replace')} points to another file")

    def look_at_data(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and (node.external or node.is_virtual):
            outside.append(f"/{name} keeps its data in another file")

    try:
        file.id.links.visit(look_at_link, info=True)
        file.visititems(look_at_data)
    except H5_ERRORS as error:
        raise damaged(file.filename, error) from error
    if outside:
        msg = f"{file.filename}: {outside[0][:300]}"
        raise InputError(msg, fix="copy the data into the file itself")


def damaged(where: object, error: Exception) -> InputError:
    """Build the error for a file that HDF5 cannot make sense of."""
    detail = " ".join(str(error).split())[:200]
    truncated = "truncated" in detail
    what = "is truncated" if truncated else "cannot be read as HDF5"
    msg = f"{where} {what} ({detail})"
    return InputError(msg, fix="copy or download it again, and compare its size or checksum")


def check_size(group: h5py.Group, max_bytes: int) -> None:
    """Refuse a file or group whose datasets claim more than they should, before any is read.

    Raises
    ------
    InputError
        Unpacked, they would take more than ``max_bytes``.
    """
    total = 0

    def add(_name: str, node: h5py.Group | h5py.Dataset) -> None:
        nonlocal total
        if isinstance(node, h5py.Dataset):
            total += int(node.nbytes)

    try:
        group.visititems(add)
    except H5_ERRORS as error:
        raise damaged(group.file.filename, error) from error
    if total > max_bytes:
        msg = f"{group.file.filename} unfolds to {total:,} bytes, more than {max_bytes:,}"
        raise InputError(msg, fix="raise the limit, ingest.max_gb, if the file can be trusted")


def child(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Look up a direct member (no path), or None."""
    if not isinstance(group, h5py.Group) or name not in group.keys():  # noqa: SIM118
        return None
    node = group.get(name)
    return node if isinstance(node, (h5py.Group, h5py.Dataset)) else None


def read_stored(node: h5py.Group | h5py.Dataset) -> Any:
    """Read a member that anndata wrote: texts, scalars, categories and dicts of them.

    A job that needs names and a few facts starts in half the time without anndata, which brings
    xarray, dask and zarr along; whatever else is stored is left to :func:`anndata.io.read_elem`.

    Parameters
    ----------
    node
        A dataset, or a group with anndata's ``encoding-type``.

    Returns
    -------
    str, int, float or bool; an object array of texts (categories by name); a dict; or what
    anndata makes of it.
    """
    if isinstance(node, h5py.Dataset):
        is_text = h5py.check_string_dtype(node.dtype) is not None
        if node.shape == ():
            return node.asstr()[()] if is_text else node[()].item()
        if is_text and node.ndim == 1:
            return np.asarray(node.asstr()[:], dtype=object)
    elif node.attrs.get("encoding-type") == "dict":
        return {name: read_stored(node[name]) for name in node}
    elif node.attrs.get("encoding-type") == "categorical":
        codes = node["codes"][:]
        if (codes >= 0).all():  # -1: a missing value
            return read_stored(node["categories"])[codes]
    from anndata.io import read_elem

    return read_elem(node)


def read_index(frame: h5py.Group) -> list[str]:
    """Row names of a data frame that anndata wrote: cells of obs, genes of var."""
    return list(map(str, read_stored(frame[str(frame.attrs["_index"])])))


def describe(node: h5py.Group | h5py.Dataset) -> Matrix:
    """Say how a matrix is stored, after checking that it is one.

    Parameters
    ----------
    node
        A 2-d dataset, or a group in the CSR or CSC encoding of anndata (also the old h5sparse).

    Raises
    ------
    InputError
        It is neither, or its parts do not fit together.
    """
    where = f"{node.file.filename}: {node.name}"
    if isinstance(node, h5py.Dataset):
        if node.ndim != 2 or node.dtype.kind not in "iufb":
            msg = f"{where} is no matrix of numbers (shape {node.shape}, type {node.dtype})"
            raise InputError(msg, fix="name the layer that holds the values")
        return Matrix(node, "dense", int(node.shape[0]), int(node.shape[1]))
    layout = str(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "")))
    layout = layout.removesuffix("_matrix")
    shape = np.asarray(node.attrs.get("shape", node.attrs.get("h5sparse_shape", ())))
    if layout not in ("csr", "csc") or shape.shape != (2,):
        msg = f"{where} is no sparse matrix as anndata writes them"
        raise InputError(msg, fix="the file is damaged: write or download it again")
    matrix = Matrix(node, layout, int(shape[0]), int(shape[1]))
    check_parts(matrix, where)
    return matrix


def check_parts(matrix: Matrix, where: str) -> None:
    """Refuse a sparse matrix whose parts are missing or differ in length.

    Raises
    ------
    InputError
        They do not fit the shape.
    """
    sizes = {}
    for name in ("data", "indices", "indptr"):
        part = child(matrix.node, name)
        kinds = "iufb" if name == "data" else "iu"  # an index of 1.5 would be cut to 1
        if not isinstance(part, h5py.Dataset) or part.ndim != 1 or part.dtype.kind not in kinds:
            what = "numbers" if name == "data" else "whole numbers"
            msg = f"{where}/{name} is missing or holds no {what}"
            raise InputError(msg, fix="the file is damaged: write or download it again")
        sizes[name] = part.size
    major = matrix.n_rows if matrix.layout == "csr" else matrix.n_columns
    if sizes["indptr"] != major + 1 or sizes["data"] != sizes["indices"]:
        msg = f"{where}: indptr, indices and data do not fit a matrix of {tuple(matrix[2:])}"
        raise InputError(msg, fix="the file is damaged: write it again with anndata")


def native(values: np.ndarray) -> np.ndarray:
    """Turn the bytes of numbers that another kind of machine wrote; kernels know one order."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


class RangeReader:
    """Read ranges of a 1-d dataset, the faster way where the chunks are gzip.

    Parameters
    ----------
    dataset
        Numbers, 1-d. Ranges are best asked for in ascending order: the last chunk is kept.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._kept: tuple[int, np.ndarray] | None = None
        self._shuffled = False
        self._length = 0
        plist = dataset.id.get_create_plist()
        filters = tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))
        native = dataset.dtype.isnative and dataset.dtype.kind in "iuf"
        if dataset.chunks is None or filters not in _PLAIN_GZIP or not native:
            return
        self._shuffled = filters[0] == _SHUFFLE
        if dataset.chunks[0] * dataset.dtype.itemsize <= _LARGEST_CHUNK:
            self._length = int(dataset.chunks[0])

    @property
    def raw(self) -> bool:
        """Whether chunks are inflated here rather than by HDF5."""
        return self._length > 0

    def read(self, start: int, stop: int) -> np.ndarray:
        """Values ``start`` (included) to ``stop`` (not), as a new array in native byte order."""
        if not self._length or stop <= start:
            return native(self._dataset[start:stop])
        out = np.empty(stop - start, dtype=self._dataset.dtype)
        for number in range(start // self._length, (stop - 1) // self._length + 1):
            first = number * self._length
            lo, hi = max(start, first), min(stop, first + self._length)
            out[lo - start : hi - start] = self._chunk(number)[lo - first : hi - first]
        return out

    def _chunk(self, number: int) -> np.ndarray:
        if self._kept is not None and self._kept[0] == number:
            return self._kept[1]
        first = number * self._length
        chunk = self._inflate(first)
        if chunk is None:  # never written, or stored without its filters
            chunk = self._dataset[first : first + self._length]
        self._kept = (number, chunk)
        return chunk

    def _inflate(self, first: int) -> np.ndarray | None:
        if self._dataset.id.get_chunk_info_by_coord((first,)).byte_offset is None:
            return None
        mask, packed = self._dataset.id.read_direct_chunk((first,))
        if mask:
            return None
        dtype = self._dataset.dtype
        size = self._length * dtype.itemsize
        # One byte more than there may be, so that a bomb stops here and is seen.
        plain = isal_zlib.decompressobj().decompress(packed, size + 1)
        if len(plain) != size:
            msg = f"a chunk of {self._dataset.name} holds {len(plain)} bytes, not {size}"
            raise OSError(msg)
        if self._shuffled:
            lanes = np.frombuffer(plain, np.uint8).reshape(dtype.itemsize, self._length)
            return np.ascontiguousarray(lanes.T).view(dtype)[:, 0]
        return np.frombuffer(plain, dtype)
