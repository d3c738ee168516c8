"""AnnData as a folder of zarr, version 3 (what anndata 0.13 writes).

Zarr reads through :mod:`zarr`, but a store is not trusted: it may hold links to other folders, name
a codec that runs code (``pickle``) or fetches data, claim arrays without end, or pack a piece that
unfolds to more than its array says. So its metadata are read first, as JSON and nothing else, and
its pieces are unpacked by codecs that know how large they may become.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senoscore.errors import InputError
from senoscore.ingest.h5ad import Container, anndata_format, obs_of_cells
from senoscore.ingest.h5mu import rna_modality
from senoscore.ingest.source import plain_name
from senoscore.io import H5_ERRORS, child, damaged, is_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import h5py
    import pandas as pd


__all__ = ["ZARR", "open_zarr", "zarr_files"]

_META: Final = "zarr.json"
_OLD: Final = (".zgroup", ".zarray", ".zmetadata", ".zattrs")
_LARGEST_META: Final = 1 << 26
_DEEPEST: Final = 50  # folders in folders; anndata nests some five, a piece a few more
_TEXT: Final = 64  # bytes that Python takes for a short text
_LARGEST_TEXTS: Final = 1 << 30  # bytes of the texts of one piece
_CODECS: Final = (
    "bytes", "vlen-utf8", "transpose", "zstd", "blosc", "gzip", "crc32c", "sharding_indexed",
)  # fmt: skip
_CURRENT: Final = (
    "write it again with a current anndata, after `anndata.settings.zarr_write_format = 3`"
)
_AGAIN: Final = "copy or download the folder again"


def zarr_files(path: Path) -> tuple[Path, ...]:
    """List all files of a store, in the order of their names.

    Raises
    ------
    InputError
        The folder is not there or no store of zarr version 3, a link or something that is no file
        lies in it, or folders are nested too deep.
    """
    if plain_name(path).endswith(".zip"):
        msg = f"{path} is a packed zarr store"
        raise InputError(msg, fix="unpack it and give the folder")
    if not path.is_dir():
        msg = f"{path} not found" if not path.exists() else f"{path} is not a folder"
        raise InputError(msg, fix="give the folder of the zarr store, with zarr.json in it")
    if not (path / _META).is_file():
        old = any((path / name).exists() for name in _OLD)
        msg = f"{path} is a zarr store of version 2" if old else f"{path} has no {_META}"
        raise InputError(msg, fix=_CURRENT if old else "give the folder that has it")
    found: list[Path] = []
    waiting = [(path, 0)]
    while waiting:
        folder, depth = waiting.pop()
        if depth > _DEEPEST:
            msg = f"{path}: folders are nested more than {_DEEPEST} deep"
            raise InputError(msg, fix="write the data again without them")
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((Path(entry.path), depth + 1))
                elif entry.is_file(follow_symlinks=False):
                    found.append(Path(entry.path))
                else:
                    what = "a link" if entry.is_symlink() else "not a regular file"
                    msg = f"{path}: {os.path.relpath(entry.path, path)[:300]} is {what}"
                    raise InputError(msg, fix="copy the data into the folder itself")
    return tuple(sorted(found))


@contextmanager
def open_zarr(path: Path) -> Iterator[Any]:
    """Open a store for reading, after its files and metadata have been looked at.

    Yields
    ------
    The :class:`zarr.Group` at its top.

    Raises
    ------
    InputError
        What :func:`zarr_files` refuses; metadata that are damaged, or that ask for a codec or a
        storage transformer that is not known to be harmless.
    """
    for file in zarr_files(path):
        if file.name == _META:
            _check_meta(path, file)
    import zarr
    from zarr.storage import LocalStore

    with _careful_codecs():
        try:
            store = LocalStore(path, read_only=True)
            # What was looked at is read, not the copy of all metadata in the first file.
            group = zarr.open_group(store, mode="r", zarr_format=3, use_consolidated=False)
        except H5_ERRORS as error:
            raise damaged(path, error, kind="zarr", fix=_AGAIN) from error
        yield group


def _check_meta(path: Path, file: Path) -> None:
    """Refuse metadata that say anything but arrays in plain pieces, and groups."""
    where = os.path.relpath(file, path)
    if file.stat().st_size > _LARGEST_META:
        msg = f"{path}: {where} has more than {_LARGEST_META:,} bytes"
        raise InputError(msg, fix=_AGAIN)
    try:
        meta = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        msg = f"{path}: {where} is not valid JSON ({str(error)[:200]})"
        raise InputError(msg, fix=_AGAIN) from error
    if not isinstance(meta, dict) or meta.get("zarr_format") != 3:
        msg = f"{path}: {where} is not of zarr version 3"
        raise InputError(msg, fix=_CURRENT)
    if meta.get("node_type") == "group":
        return
    try:
        names = list(_codec_names(meta["codecs"]))
        grid = meta["chunk_grid"]
        pieces = grid["configuration"]["chunk_shape"]
        shape = meta["shape"]
        plain = grid["name"] == "regular" and len(pieces) == len(shape)
        plain &= all(type(n) is int and n >= 0 for n in shape)
        plain &= all(type(n) is int and n >= 1 for n in pieces)
    except (KeyError, TypeError, RecursionError) as error:
        msg = f"{path}: {where} does not describe an array ({error!r})"
        raise InputError(msg, fix=_AGAIN) from error
    odd = [name for name in names if name not in _CODECS]
    if odd or meta.get("storage_transformers"):
        what = f"codec {odd[0]!r}" if odd else "a storage transformer"
        msg = f"{path}: {where} asks for {what[:100]}, which is not read here"
        raise InputError(msg, fix=f"write the data with one of: {', '.join(_CODECS)}")
    if not plain:
        msg = f"{path}: {where} does not describe an array in equal pieces"
        raise InputError(msg, fix=_CURRENT)


def _codec_names(codecs: Any) -> Iterator[str]:
    for codec in codecs:
        yield str(codec["name"])
        inner = codec.get("configuration") or {}
        for part in ("codecs", "index_codecs"):
            yield from _codec_names(inner.get(part, ()))


def _check_size(group: Any, max_bytes: int) -> None:
    """Refuse arrays that unfold to more than they should; whole pieces are unpacked, so they count.

    Texts have no length in the metadata: they are weighed piece by piece.
    """
    total, texts = 0, []
    try:
        for node in _arrays(group):
            whole = node.shards or node.chunks
            cells = prod(-(-n // c) * c for n, c in zip(node.shape, whole, strict=True))
            is_text = node.dtype.kind in "TO"
            total += cells * (_TEXT if is_text else node.dtype.itemsize)
            if is_text:
                texts.append(node)
        for node in texts:
            step = max(1, (node.shards or node.chunks)[0]) if node.ndim else 1
            for start in range(0, node.shape[0] if node.ndim else 0, step):
                if total > max_bytes:
                    break
                total += sum(map(len, np.ravel(node[start : start + step])))
    except H5_ERRORS as error:
        raise damaged(_root(group), error, kind="zarr", fix=_AGAIN) from error
    if total > max_bytes:
        msg = f"{_root(group)} unfolds to {total:,} bytes or more, above {max_bytes:,}"
        raise InputError(msg, fix="raise the limit, ingest.max_gb, if the data can be trusted")


def _arrays(group: Any) -> Iterator[Any]:
    for name in sorted(group.keys()):
        node = child(group, name)
        if is_array(node):
            yield node
        else:
            yield from _arrays(node)


def _root(group: Any) -> Path:
    return Path(group.store_path.store.root)


_LOCK: Final = threading.Lock()
_OPEN: Final[list[Any]] = []  # one entry an open store; the first set the codecs, the last resets


@contextmanager
def _careful_codecs() -> Iterator[None]:
    """Let zarr unpack with codecs that know how much may come out, while a store is open."""
    from zarr import config

    names = _register()
    with _LOCK:
        if not _OPEN:
            before = {name: config.get("codecs").get(name) for name in names}
            config.set({"codecs": {**config.get("codecs"), **names}})
            _OPEN.append(before)
        _OPEN.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _OPEN.pop()
            if len(_OPEN) == 1:
                config.set({"codecs": {**config.get("codecs"), **_OPEN.pop()}})


def _register() -> dict[str, str]:
    """Make the codecs known to zarr, and give their names by what they unpack."""
    if _REGISTERED:
        return _REGISTERED
    from zarr.codecs import BloscCodec, GzipCodec, VLenUTF8Codec, ZstdCodec
    from zarr.registry import register_codec

    class Zstd(ZstdCodec):
        def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
            _refuse_more(zstd_size(chunk_bytes.to_bytes()[:18]), chunk_spec)
            return super()._decode_sync(chunk_bytes, chunk_spec)

    class Blosc(BloscCodec):
        def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
            head = chunk_bytes.to_bytes()[:16]
            if len(head) < 16:
                raise ValueError("a piece is cut short")
            _refuse_more(int.from_bytes(head[4:8], "little"), chunk_spec)
            return super()._decode_sync(chunk_bytes, chunk_spec)

    class Gzip(GzipCodec):
        def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
            unpack = zlib.decompressobj(wbits=31)
            try:
                plain = unpack.decompress(chunk_bytes.to_bytes(), _most(chunk_spec) + 1)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            _refuse_more(len(plain), chunk_spec)
            if not unpack.eof:
                raise ValueError("a piece is cut short")
            return chunk_spec.prototype.buffer.from_bytes(plain)

    class Texts(VLenUTF8Codec):
        def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
            n_texts = int.from_bytes(chunk_bytes.to_bytes()[:4], "little")
            if n_texts != prod(chunk_spec.shape):
                msg = f"a piece holds {n_texts:,} texts, not {prod(chunk_spec.shape):,}"
                raise ValueError(msg)
            return super()._decode_sync(chunk_bytes, chunk_spec)

    Texts.__name__ = VLenUTF8Codec.__name__  # zarr asks for the class of texts by its name
    for name, codec in (("zstd", Zstd), ("blosc", Blosc), ("gzip", Gzip), ("vlen-utf8", Texts)):
        qualified = f"{__name__}.{name}"
        register_codec(name, codec, qualname=qualified)
        _REGISTERED[name] = qualified
    return _REGISTERED


_REGISTERED: Final[dict[str, str]] = {}


def _most(chunk_spec: Any) -> int:
    """Bytes that a piece may unfold to: those of its numbers, and a checksum."""
    dtype = chunk_spec.dtype.to_native_dtype()
    if dtype.kind in "TO":
        return _LARGEST_TEXTS
    return prod(chunk_spec.shape) * dtype.itemsize + 64


def _refuse_more(n_bytes: int, chunk_spec: Any) -> None:
    if n_bytes > _most(chunk_spec):
        msg = f"a piece unfolds to {n_bytes:,} bytes or more, not {_most(chunk_spec):,}"
        raise ValueError(msg)


def zstd_size(head: bytes) -> int:
    """Read how many bytes a Zstandard frame unfolds to.

    Parameters
    ----------
    head
        The first 18 bytes, or all if there are fewer.

    Raises
    ------
    ValueError
        It is no frame, or does not tell; unpacking would then go on without a limit.

    References
    ----------
    RFC 8878, section 3.1.1.1.
    """
    if len(head) < 6 or head[:4] != b"\x28\xb5\x2f\xfd":
        raise ValueError("a piece is not a Zstandard frame")
    flag, single = head[4] >> 6, head[4] >> 5 & 1
    width = (single, 2, 4, 8)[flag]
    if not width:
        raise ValueError("a Zstandard frame does not say how large it unfolds")
    start = 5 + (1 - single) + (0, 1, 2, 4)[head[4] & 3]
    return int.from_bytes(head[start : start + width], "little") + (256 if flag == 1 else 0)


def _container(path: Path) -> Container:
    files = zarr_files(path)
    if not (path / "mod" / _META).is_file():
        return Container(
            path, "zarr", lambda: open_zarr(path), files, kind="zarr", check_size=_check_size
        )
    with open_zarr(path) as top:
        try:
            name, _group = rna_modality(top)
        except H5_ERRORS as error:
            raise damaged(path, error, kind="zarr", fix=_AGAIN) from error

    @contextmanager
    def opened() -> Iterator[h5py.Group]:
        with open_zarr(path) as top:
            yield rna_modality(top)[1]

    def more(columns: Sequence[str], cells: Sequence[str]) -> dict[str, pd.Series]:
        with open_zarr(path) as top:
            return obs_of_cells(top, columns, cells, path)

    notes = (f"modality {name!r} of a MuData is the RNA",)
    return Container(
        path, "zarr", opened, files, kind="zarr", check_size=_check_size, more=more, notes=notes
    )


def _is_zarr(path: Path) -> bool:
    if plain_name(path).endswith((".zarr", ".zarr.zip")):
        return True
    return path.is_dir() and any((path / name).exists() for name in (_META, *_OLD))


def _values(path: Path) -> tuple[Path, ...]:
    """List the pieces: metadata are the same for all data of one shape."""
    return tuple(file for file in zarr_files(path) if file.name != _META)


ZARR: Final = anndata_format(
    "zarr", _container, _is_zarr, files=zarr_files, values=_values, folder=True
)
"""AnnData (or a MuData's RNA) in a folder of zarr version 3."""
