"""The canonical .h5ad of a run: written block by block, read by any anndata with hdf5plugin.

Readers elsewhere say ``import hdf5plugin`` first, which makes the filter known to HDF5.

X is CSR with sorted columns, no stored zeros, int32 counts or float32 values,
``indptr`` int32, or int64 past 2^31 stored values.
Data are packed by Blosc-LZ4 with byte shuffle in chunks of 2**18 values: on count data this took
9 µs a cell to read and 14 to write, at 3.8 kB a cell, against 6 and 12 µs at 17.6 kB for no
compression, 22 and 40 µs at 3.0 kB for zstd, and 74 and 419 µs at 4.8 kB for gzip. A block of
4,096 cells is some 35 such chunks, so that little is unpacked twice. No time stamp goes in: the
same input gives the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import h5py
import hdf5plugin
import numpy as np
import pandas as pd
from scipy import sparse

from senoscore.errors import InputError
from senoscore.io.atomic import atomic_path, remake
from senoscore.io.blocks import Block, find_layer
from senoscore.io.hdf5 import H5_ERRORS, child, create_h5, damaged, open_h5, read_stored
from senoscore.names import COUNTS, LINEAR, LOGNORM, UNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


__all__ = [
    "Canonical",
    "plain_frame",
    "read_canonical",
    "read_facts",
    "stored_facts",
    "write_canonical_stream",
    "write_facts",
]

_CHUNK: Final = 1 << 18
_CHUNK_CACHE: Final = 1 << 24  # bytes: a chunk half filled by one block stays for the next
_MAX_COUNT: Final = np.iinfo(np.int32).max
_NEEDED: Final = ("organism", "assay", "values")
"""Facts without which no step knows how to treat a data set."""
_EMPTY_GROUPS: Final = ("layers", "obsm", "obsp", "varm", "varp")


class Canonical(NamedTuple):
    """What is in a canonical .h5ad besides its values."""

    obs: pd.DataFrame
    var: pd.DataFrame
    meta: dict[str, Any]
    n_obs: int
    n_vars: int


def write_facts(facts: Mapping[str, Any], path: Path) -> None:
    """Write what ingest found out about a data set as JSON, for the steps that need no matrix.

    Parameters
    ----------
    facts
        As :func:`stored_facts` returns: texts and single numbers.
    path
        The file to make; it appears whole or not at all.
    """
    plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in facts.items()}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_facts(path: Path) -> dict[str, Any]:
    """Read the JSON in which ingest says what a data set is (organism, assay, values, notes).

    Raises
    ------
    InputError
        The file is not there or does not say all that is needed.
    """
    try:
        facts = json.loads(path.read_text("utf-8"))
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror})"
        raise InputError(msg, fix=remake(path)) from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, error, fix=remake(path)) from error
    lacking = [n for n in _NEEDED if not isinstance(facts, dict) or n not in facts]
    if lacking:
        msg = f"{path} does not say {', '.join(lacking)}"
        raise InputError(msg, fix=remake(path))
    return dict(facts)


def stored_facts(path: Path) -> dict[str, Any]:
    """Read what ingest wrote about a data set into its matrix, and no more of the file.

    Raises
    ------
    InputError
        The file is not there or is no canonical .h5ad.
    """
    with open_h5(path, fix=remake(path)) as file:
        try:
            facts: dict[str, Any] = read_stored(file["uns"][UNS])
        except H5_ERRORS as error:
            raise damaged(path, error, fix=remake(path)) from error
    return facts


def write_canonical_stream(
    path: str | Path,
    blocks: Iterable[Block | sparse.csr_matrix],
    var_names: Sequence[str],
    *,
    values: str,
    obs: pd.DataFrame | None = None,
    var: pd.DataFrame | None = None,
    meta: Mapping[str, str | int | float] | None = None,
) -> int:
    """Write a canonical .h5ad from blocks of cells; memory is that of a block.

    Parameters
    ----------
    path
        The file to make; it appears whole or not at all.
    blocks
        Consecutive cells, each CSR with ``len(var_names)`` columns. They are not changed.
    var_names
        Canonical symbols, unique.
    values
        ``counts`` (written as int32, floats rounded), ``lognorm`` or ``linear`` (float32).
    obs
        One row a cell, index = cell id; None names the cells ``cell0``, ``cell1``, ...
    var
        Columns for the genes, in the order of ``var_names``; its index is not used.
    meta
        Becomes ``uns["senoscore"]``; ``values`` is added.

    Returns
    -------
    Number of cells written.

    Raises
    ------
    InputError
        The values kind is unknown, the pieces do not fit together, a count is above
        2**31 - 1, or the file cannot be written.
    """
    if values not in (COUNTS, LOGNORM, LINEAR):
        msg = f"unknown values kind {values!r}"
        raise InputError(msg, fix=f"use {COUNTS}, {LOGNORM} or {LINEAR}")
    names = pd.Index(list(var_names), dtype=object)
    genes = pd.DataFrame(index=names) if var is None else var.set_axis(names, axis=0)
    dtype = np.dtype(np.int32 if values == COUNTS else np.float32)
    with create_h5(path, rdcc_nbytes=_CHUNK_CACHE) as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        n_cells = _write_x(file, blocks, len(names), dtype)
        if obs is not None and len(obs) != n_cells:
            msg = f"{path}: obs has {len(obs)} rows and the matrix {n_cells}"
            raise InputError(msg)
        cells = pd.DataFrame(index=[f"cell{i}" for i in range(n_cells)]) if obs is None else obs
        _write_rest(file, cells, genes, {**(meta or {}), "values": values})
    return n_cells


def _write_x(
    file: h5py.File,
    blocks: Iterable[Block | sparse.csr_matrix],
    n_vars: int,
    dtype: np.dtype,
) -> int:
    group = file.create_group("X")
    packed = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
    data, indices = (
        group.create_dataset(
            name, (0,), dtype=kind, maxshape=(None,), chunks=(_CHUNK,), compression=packed
        )
        for name, kind in (("data", dtype), ("indices", np.dtype(np.int32)))
    )
    lengths = [np.zeros(1, dtype=np.int64)]
    stored = 0
    for block in blocks:
        X = _canonical_csr(block, dtype)
        if X.shape[1] != n_vars:
            msg = f"a block has {X.shape[1]} columns where there are {n_vars} genes"
            raise InputError(msg)
        for target, part in ((data, X.data), (indices, X.indices)):
            target.resize((stored + part.size,))
            target[stored:] = part
        stored += X.nnz
        lengths.append(np.diff(X.indptr).astype(np.int64))
    indptr = np.cumsum(np.concatenate(lengths))
    # scipy wants one dtype for both index arrays; past 2^31 values indptr has to be wider.
    small = indptr[-1] <= np.iinfo(np.int32).max
    group.create_dataset("indptr", data=indptr.astype(np.int32 if small else np.int64))
    shape = np.array([indptr.size - 1, n_vars], dtype=np.int64)
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    group.attrs["shape"] = shape
    return int(shape[0])


def _canonical_csr(block: Block | sparse.csr_matrix, dtype: np.dtype) -> sparse.csr_matrix:
    X = block.to_csr() if isinstance(block, Block) else sparse.csr_matrix(block)
    if not X.has_canonical_format or not X.data.all():
        X = X.copy()  # the block belongs to the caller
        X.sum_duplicates()
        X.eliminate_zeros()
    if dtype.kind == "i" and X.dtype != dtype:
        if X.nnz and X.data.max() > _MAX_COUNT:
            msg = f"a count of {X.data.max():.6g} is above {_MAX_COUNT:,}"
            raise InputError(msg, fix="declare values: linear if these are intensities")
        X.data = np.rint(X.data) if X.dtype.kind == "f" else X.data
    return X.astype(dtype, copy=False)


def _write_rest(
    file: h5py.File, obs: pd.DataFrame, var: pd.DataFrame, meta: Mapping[str, Any]
) -> None:
    from anndata.io import write_elem

    write_elem(file, "obs", plain_frame(obs))
    write_elem(file, "var", plain_frame(var))
    write_elem(file, "uns", {UNS: dict(sorted(meta.items()))})
    for name in _EMPTY_GROUPS:
        write_elem(file, name, {})


def plain_frame(table: pd.DataFrame) -> pd.DataFrame:
    """Give texts one plain representation, so that every pandas writes the same bytes.

    Parameters
    ----------
    table
        Index and columns of text, numbers, booleans or categories.

    Returns
    -------
    A copy: text as Python strings or, where values are missing, as categories; categories
    sorted and in use; anything else as it was. The index has no name.
    """
    out = pd.DataFrame(index=pd.Index([str(name) for name in table.index], dtype=object))
    for name in table.columns:
        column = table[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            out[name] = _categories(column.astype(object))
        elif column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            text = column.astype(object)
            out[name] = _categories(text) if text.isna().any() else text.map(str).to_numpy(object)
        else:
            out[name] = column.to_numpy()
    return out


def _categories(column: pd.Series) -> pd.Categorical:
    text = [None if missing else str(v) for v, missing in zip(column, column.isna(), strict=True)]
    kinds = pd.Index(sorted({value for value in text if value is not None}), dtype=object)
    return pd.Categorical(text, categories=kinds)


def read_canonical(path: str | Path) -> Canonical:
    """Read everything of a canonical .h5ad but its values.

    Parameters
    ----------
    path
        Written by :func:`write_canonical_stream`.

    Raises
    ------
    InputError
        The file is missing, damaged or not canonical.
    """
    from anndata.io import read_elem

    with open_h5(path) as file:
        matrix = find_layer(file, None)
        uns = child(file, "uns")
        node = child(uns, UNS) if isinstance(uns, h5py.Group) else None
        if matrix.layout != "csr" or node is None:
            msg = f"{path} is not a canonical matrix of senoscore"
            raise InputError(msg, fix="make it with `senoscore ingest`")
        try:
            obs, var, meta = read_elem(file["obs"]), read_elem(file["var"]), read_stored(node)
        except H5_ERRORS as error:
            raise damaged(path, error) from error
    if (len(obs), len(var)) != (matrix.n_rows, matrix.n_columns):
        raise damaged(path, OSError("obs, var and X differ in size"))
    return Canonical(obs, var, meta, matrix.n_rows, matrix.n_columns)
