"""HDF5 with suspicion: open, follow no link out of the file, read ranges fast.

Users' .h5ad files are mostly gzip-compressed, and there inflating costs more than any score.
:class:`RangeReader` fetches the compressed chunks as they lie in the file and inflates them with
ISA-L, which takes about half the time of HDF5's own filter; any other layout goes through HDF5.

What reads an open group (:func:`child`, :func:`describe`, :class:`RangeReader`) asks only for what
h5py and zarr call the same, so that a zarr group may stand wherever an HDF5 group may.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard, cast

import h5py
import hdf5plugin  # noqa: F401  registers the blosc2, lz4 and zstd filters on import
import numpy as np
from h5py.h5a import open as open_attribute
from h5py.h5o import open as open_object
from isal import isal_zlib
from isal.igzip_lib import IsalError

from senoscore.errors import InputError
from senoscore.io.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = [
    "H5_ERRORS",
    "Matrix",
    "RangeReader",
    "check_parts",
    "check_size",
    "child",
    "create_h5",
    "damaged",
    "describe",
    "is_array",
    "is_group",
    "native",
    "open_h5",
    "place",
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

_COPY: Final = "copy or download it again, and compare its size or checksum"
_GZIP: Final = h5py.h5z.FILTER_DEFLATE
_SHUFFLE: Final = h5py.h5z.FILTER_SHUFFLE
_PLAIN_GZIP: Final = ((_GZIP,), (_SHUFFLE, _GZIP))
_DEEPEST: Final = 100  # groups in groups; anndata nests some five
_AT_ONCE: Final = 1 << 16  # texts weighed at a time
_LARGEST_CHUNK: Final = 1 << 28  # bytes; HDF5 itself reads such giants piecewise, we would not


class Matrix(NamedTuple):
    """A matrix in an HDF5 file."""

    node: h5py.Group | h5py.Dataset
    layout: str  # csr | csc | dense
    n_rows: int
    n_columns: int


@contextmanager
def open_h5(path: str | Path, *, fix: str = _COPY) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, if all that it holds lies in it.

    Parameters
    ----------
    path
        The file.
    fix
        How to mend a damaged one.

    Raises
    ------
    InputError
        The file is missing, no HDF5, or truncated; a link anywhere in it leads to another file,
        a dataset keeps its data in one, a reference leads to what no link does, or groups are
        nested more than 100 deep.
    """
    where = Path(path)
    if not where.is_file():
        msg = f"{where} not found" if not where.exists() else f"{where} is not a regular file"
        raise InputError(msg, fix="check the path")
    try:
        file = h5py.File(where, "r")
    except BlockingIOError:
        file = h5py.File(where, "r", locking=False)  # no locks on this file system
    except OSError as error:
        raise damaged(where, error, fix=fix) from error
    with file:
        _refuse_elsewhere(file)
        yield file


def _objects(top: h5py.Group) -> Iterator[tuple[str, h5py.h5g.GroupID | h5py.h5d.DatasetID]]:
    """Every group and dataset below ``top`` that a hard link leads to, once, with its path.

    HDF5's own visitors call themselves for every level and end the process where there are too
    many, so the way is kept here. Links of other kinds than hard and soft lead out of the file.
    """
    seen = {_address(top.id)}
    waiting = [("", top.id, 0)]
    while waiting:
        path, identifier, depth = waiting.pop()
        yield path or "/", identifier
        if not isinstance(identifier, h5py.h5g.GroupID):
            continue
        if depth > _DEEPEST:
            msg = f"{top.file.filename}: groups are nested more than {_DEEPEST} deep"
            raise InputError(msg, fix="write the file again without them")
        for name in identifier:
            link = identifier.links.get_info(name)
            below = f"{path}/{name.decode('utf-8', 'replace')}"
            if link.type == h5py.h5l.TYPE_SOFT:
                continue  # what it names is reached by its own hard link, or is not there
            if link.type != h5py.h5l.TYPE_HARD:
                raise _elsewhere(top.file, f"{below} points to another file")
            node = open_object(identifier, name)
            address = _address(node)
            if address not in seen and isinstance(node, (h5py.h5g.GroupID, h5py.h5d.DatasetID)):
                seen.add(address)
                waiting.append((below, node, depth + 1))


def _address(identifier: Any) -> int:
    return int(h5py.h5o.get_info(identifier).addr)


def _elsewhere(file: h5py.File, what: str) -> InputError:
    msg = f"{file.filename}: {what[:300]}"
    return InputError(msg, fix="copy the data into the file itself")


def _refuse_elsewhere(file: h5py.File) -> None:
    """Go through all links, datasets and references: libraries would open other files.

    A reference in an attribute (old categories have them) may lead to a dataset that no link
    names; such a dataset has not been looked at, and no program that means well leaves one.
    """
    reached: set[int] = set()
    references: list[tuple[str, h5py.h5r.Reference]] = []
    try:
        for path, identifier in _objects(file):
            reached.add(_address(identifier))
            if isinstance(identifier, h5py.h5d.DatasetID):
                plist = identifier.get_create_plist()
                if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
                    raise _elsewhere(file, f"{path} keeps its data in another file")
            references += ((path, found) for found in _references(identifier))
        for path, reference in references:
            if not reference:
                continue
            target = h5py.h5r.dereference(reference, file.id)
            if target is None or _address(target) not in reached:
                raise _elsewhere(file, f"{path} refers to data that no name in the file leads to")
    except H5_ERRORS as error:
        raise damaged(file.filename, error) from error


def _references(identifier: Any) -> Iterator[h5py.h5r.Reference]:
    """References in the attributes of an object, alone or in arrays."""
    for number in range(h5py.h5a.get_num_attrs(identifier)):
        attribute = open_attribute(identifier, index=number)
        kind = attribute.get_type()
        while kind.get_class() in (h5py.h5t.VLEN, h5py.h5t.ARRAY):
            kind = kind.get_super()
        if kind.get_class() == h5py.h5t.REFERENCE:
            owner = h5py.AttributeManager(_Owner(identifier))
            yield from _flat(owner[attribute.name])


class _Owner(NamedTuple):
    """What h5py wants to know of the object whose attributes it reads."""

    id: Any


def _flat(value: Any) -> Iterator[h5py.h5r.Reference]:
    if isinstance(value, h5py.h5r.Reference):
        yield value
    elif isinstance(value, np.ndarray):
        for part in value.ravel():
            yield from _flat(part)


def damaged(where: object, error: Exception, *, fix: str = _COPY, kind: str = "HDF5") -> InputError:
    """Build the error for a file that HDF5 (or zarr) cannot make sense of."""
    detail = " ".join(str(error).split())[:200]
    truncated = "truncated" in detail
    what = "is truncated" if truncated else f"cannot be read as {kind}"
    msg = f"{where} {what} ({detail})"
    return InputError(msg, fix=fix)


def check_size(group: h5py.Group, max_bytes: int) -> None:
    """Refuse a file or group whose datasets claim more than they should, before any is read.

    Raises
    ------
    InputError
        Unpacked, they would take more than ``max_bytes``.
    """
    total = 0
    try:
        texts = []
        for _path, identifier in _objects(group):
            if isinstance(identifier, h5py.h5d.DatasetID):
                node = h5py.Dataset(identifier)
                total += int(node.nbytes)
                if node.dtype.hasobject:
                    texts.append(node)
        for node in texts:
            for weight in _weights(node, max_bytes - total):
                total += weight
                if total > max_bytes:
                    break
    except H5_ERRORS as error:
        raise damaged(group.file.filename, error) from error
    if total > max_bytes:
        msg = f"{group.file.filename} unfolds to {total:,} bytes or more, above {max_bytes:,}"
        raise InputError(msg, fix="raise the limit, ingest.max_gb, if the file can be trusted")


def _weights(node: h5py.Dataset, room: int) -> Iterator[int]:
    """Bytes that the texts or lists of a dataset take, slice by slice, none larger than ``room``.

    Their lengths are in no header, and all may be the same long text, stored once. None is longer
    than the file, which says how many can be read at once without harm.
    """
    if room < 0 or not node.size:
        return
    longest = max(1, Path(node.file.filename).stat().st_size)
    at_once = min(_AT_ONCE, max(1, room // longest))
    for where in _slabs(node.shape, at_once):
        yield _weight(node[where])


def _slabs(shape: tuple[int, ...], at_once: int) -> Iterator[tuple[Any, ...]]:
    """Cut an array into parts of at most ``at_once`` elements."""
    if not shape:
        yield ()
        return
    below = int(np.prod(shape[1:], dtype=object))
    if below > at_once:
        for row in range(shape[0]):
            for rest in _slabs(shape[1:], at_once):
                yield (row, *rest)
        return
    step = max(1, at_once // max(1, below))
    for start in range(0, shape[0], step):
        yield (slice(start, start + step),)


def _weight(value: Any) -> int:
    """Bytes of texts and lists in what was read, however they are nested."""
    if isinstance(value, (bytes, str)):
        return len(value)
    if isinstance(value, (np.ndarray, np.void)) and value.dtype.names:
        return sum(_weight(value[name]) for name in value.dtype.names)
    if isinstance(value, np.ndarray):
        return sum(map(_weight, value.ravel())) if value.dtype.hasobject else int(value.nbytes)
    return 0


def is_group(node: Any) -> TypeGuard[h5py.Group]:
    """Whether this is a group of HDF5 or zarr."""
    return isinstance(node, h5py.Group) or (hasattr(node, "keys") and hasattr(node, "store_path"))


def is_array(node: Any) -> TypeGuard[h5py.Dataset]:
    """Whether this is an array of HDF5 or zarr."""
    return isinstance(node, h5py.Dataset) or (
        hasattr(node, "shape") and hasattr(node, "store_path")
    )


def place(node: Any) -> str:
    """Name the file, or the folder of a zarr store, that a group or array lies in."""
    return str(node.file.filename if hasattr(node, "file") else node.store_path.store.root)


def child(group: Any, name: str) -> h5py.Group | h5py.Dataset | None:
    """Look up a direct member (no path), or None."""
    if not is_group(group) or name not in group.keys():  # noqa: SIM118  `in group` takes a path
        return None
    node = group.get(name)
    return node if is_group(node) or is_array(node) else None


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
    where = f"{place(node)}: {node.name}"
    if is_array(node):
        if node.ndim != 2 or node.dtype.kind not in "iuf":
            msg = f"{where} is not a matrix of numbers (shape {node.shape}, type {node.dtype})"
            raise InputError(msg, fix="name the layer that holds the values")
        _check_written(node, where)
        return Matrix(node, "dense", int(node.shape[0]), int(node.shape[1]))
    layout = str(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "")))
    layout = layout.removesuffix("_matrix")
    shape = np.asarray(node.attrs.get("shape", node.attrs.get("h5sparse_shape", ())))
    if layout not in ("csr", "csc") or shape.shape != (2,):
        msg = f"{where} is not a sparse matrix as anndata writes them"
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
        kinds = "iuf" if name == "data" else "iu"  # an index of 1.5 would be cut to 1
        if not is_array(part) or part.ndim != 1 or part.dtype.kind not in kinds:
            what = "numbers" if name == "data" else "whole numbers"
            msg = f"{where}/{name} is missing or holds no {what}"
            raise InputError(msg, fix="the file is damaged: write or download it again")
        _check_written(part, f"{where}/{name}")
        sizes[name] = part.size
    major = matrix.n_rows if matrix.layout == "csr" else matrix.n_columns
    if sizes["indptr"] != major + 1 or sizes["data"] != sizes["indices"]:
        msg = f"{where}: indptr, indices and data do not fit a matrix of {tuple(matrix[2:])}"
        raise InputError(msg, fix="the file is damaged: write it again with anndata")
    ends = int(matrix.node["indptr"][0]), int(matrix.node["indptr"][-1])
    if ends != (0, sizes["data"]):
        msg = f"{where}: indptr goes from {ends[0]:,} to {ends[1]:,}, of {sizes['data']:,} values"
        raise InputError(msg, fix="the file is damaged: write it again with anndata")


def _check_written(part: h5py.Dataset, where: str) -> None:
    """Refuse numbers that were never written, which HDF5 reads as zeros without a word.

    Zarr leaves out pieces of zeros, which is right in a dense matrix; the values of a sparse one
    are none, and no thousands of them in a row are all of the first gene.
    """
    if not isinstance(part, h5py.Dataset):
        if part.ndim == 1 and not part.name.endswith("/indptr"):
            _refuse_missing(where, part.nchunks - part.nchunks_initialized, part.nchunks)
        return
    plist = part.id.get_create_plist()
    if not part.size or plist.get_layout() == h5py.h5d.COMPACT:
        return
    if part.chunks is None:
        missing, n_pieces = int(not part.id.get_storage_size()), 1
    else:
        n_pieces = int(np.prod([-(-n // c) for n, c in zip(part.shape, part.chunks, strict=True)]))
        missing = n_pieces - part.id.get_num_chunks()
    _refuse_missing(where, missing, n_pieces)


def _refuse_missing(where: str, missing: int, of: int) -> None:
    if missing > 0:
        msg = (
            f"{where}: {missing:,} of its {of:,} pieces were never written and would pass as zeros"
        )
        raise InputError(msg, fix="the file is half written: write or download it again")


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
        if not isinstance(dataset, h5py.Dataset):  # zarr: whole pieces are unpacked in any case
            shards: Any = dataset.shards
            self._length = int((shards or dataset.chunks)[0])
            return
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
        """Whether chunks are fetched one by one rather than left to HDF5."""
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
            chunk = native(self._dataset[first : first + self._length])
        self._kept = (number, chunk)
        return chunk

    def _inflate(self, first: int) -> np.ndarray | None:
        if not isinstance(self._dataset, h5py.Dataset):
            return None
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


class _Enduring(io.RawIOBase):
    """A file that says only at the end that a write failed.

    HDF5 keeps what it could not write and tries again at every close; on a full disk the process
    ends in a crash, without a message and past every clean-up.
    """

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw
        self.failure: OSError | None = None

    def write(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        while self.failure is None and done < view.nbytes:
            try:
                done += self._raw.write(view[done:])  # a full disk may take a part
            except OSError as error:
                self.failure = error
        self._raw.seek(view.nbytes - done, io.SEEK_CUR)
        return view.nbytes

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = self._raw.readinto(view) or 0
        view[done:] = bytes(view.nbytes - done)  # beyond the end, after a failure
        return view.nbytes

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        return int(self._raw.tell())

    def truncate(self, size: int | None = None) -> int:
        return int(self._raw.truncate(size))

    def flush(self) -> None:
        """Leave it to the one flush at the end."""


@contextmanager
def create_h5(path: str | Path, **options: Any) -> Iterator[h5py.File]:
    """Open a new HDF5 file that takes its place if the block ends well.

    Parameters
    ----------
    path
        Where the finished file shall be.
    **options
        Of :class:`h5py.File`.

    Raises
    ------
    InputError
        The folder cannot be written to, or the disk is full.
    """
    with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        file = _Enduring(raw)
        with h5py.File(file, "w", **options) as opened:
            yield opened
        if file.failure is not None:
            raise file.failure
