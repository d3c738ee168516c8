"""The AnnData layout: which slot holds what, without reading more than is needed.

The layout is the same in an .h5ad, in a modality of a .h5mu and in a zarr store; where it is, a
:class:`Container` says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import h5py
import numpy as np
import pandas as pd

from senoscore.errors import InputError
from senoscore.ingest.source import Asked, Format, Names, Source, checked_names, plain_name
from senoscore.ingest.values import ValueFacts, guess_values, scan_values
from senoscore.io import (
    H5_ERRORS,
    Matrix,
    check_size,
    child,
    damaged,
    describe,
    is_array,
    is_group,
    iter_matrix,
    open_h5,
    place,
    prefetch,
)
from senoscore.names import COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from senoscore.io import Block


__all__ = [
    "H5AD",
    "Container",
    "anndata_format",
    "count_cells",
    "look_anndata",
    "obs_of_cells",
    "read_anndata",
    "read_obs",
]

_PROBE: Final = 256  # cells looked at in three places of a slot
_ENOUGH: Final = 10  # values or cells that are no chance
_SAME_SUM: Final = 1e-3  # of the mean: cells differ by more than that in any experiment
_ROUNDED_SUM: Final = 0.05  # likewise, where rounding could make up the difference
_COUNT_NAMES: Final = (
    "counts",
    "raw_counts",
    "count",
    "umi",
    "umi_counts",
    "raw.x",
    "raw",
    "spliced",
)
_PART_NAMES: Final = ("unspliced", "ambiguous", "spanning")  # a part of the counts, by velocyto
_ID_COLUMNS: Final = ("ensembl_id", "gene_ids", "gene_id", "ensembl", "feature_id", "ensembl_ids")
_NAME_COLUMNS: Final = ("feature_name", "gene_name", "gene_symbol", "gene_symbols", "symbol")


class _Slot(NamedTuple):
    name: str  # X | layers[...] | raw.X
    keys: tuple[str, ...]  # the way to it in the file
    facts: ValueFacts
    n_genes: int
    sums: np.ndarray  # of the cells looked at
    most: int  # values above 0 in one of them
    digest: str  # of the values looked at

    @property
    def kind(self) -> str:
        return "unusable" if self.facts.bad or not self.facts.n_stored else guess_values(self.facts)

    @property
    def doubt(self) -> str | None:
        """Why whole numbers cannot be counts; None where they can."""
        if self.kind != COUNTS:
            return None
        if self.facts.largest <= 1 and self.facts.n_stored >= _ENOUGH:
            return "all values are 0 or 1"
        sums = self.sums[self.sums > 0]
        if sums.size < _ENOUGH:
            return None
        # Rounding moves each value by a half at most: in CPM of deep cells all to the same side.
        left = max(_SAME_SUM * sums.mean(), min(self.most, _ROUNDED_SUM * sums.mean()))
        if np.ptp(sums) <= left:
            return f"every cell sums to {sums.mean():.6g}"
        return None

    @property
    def by_name(self) -> int:
        """Place among the usual names of counts, the surest first."""
        name = "raw.x" if self.name == "raw.X" else self.keys[-1].lower()
        usual = self.keys[0] != "X" and name in _COUNT_NAMES
        return _COUNT_NAMES.index(name) if usual else len(_COUNT_NAMES)


@dataclass(frozen=True)
class Container:
    """A group with the AnnData layout, and how to get at it.

    Attributes
    ----------
    path
        The file or folder.
    format
        Name of its format.
    open
        Opens the group, after everything has been refused that a hostile file may do.
    files
        What is read, for the checksum.
    kind
        What the storage is called in messages.
    check_size
        Refuses a group that unfolds to more bytes than may be.
    more
        Gives columns that ``obs`` itself does not have, by name, one value a cell in the order of
        the names given; what it does not have either is left out.
    notes
        What was decided about it, for the user.
    """

    path: Path
    format: str
    open: Callable[[], AbstractContextManager[h5py.Group]]
    files: tuple[Path, ...]
    kind: str = "HDF5"
    check_size: Callable[[h5py.Group, int], None] = check_size
    more: Callable[[Sequence[str], Sequence[str]], dict[str, pd.Series]] | None = None
    notes: tuple[str, ...] = ()


def read_anndata(container: Container, asked: Asked) -> Source:
    """Open an AnnData: names and the obs columns asked for in memory, values in blocks.

    Parameters
    ----------
    container
        Where it is.
    asked
        ``layer``: ``X``, ``raw`` and ``raw.X`` are understood; None looks for it: counts first,
        then whatever can be used, and of either the slot with the most genes. ``values``: unless
        ``auto`` or ``counts``, the slot of that kind with the most genes, and X where none looks
        like it.

    Raises
    ------
    InputError
        The file is damaged or too large, a slot or column is not there, or barcodes are not
        unique.
    """
    with container.open() as group:
        container.check_size(group, asked.max_bytes)
        try:
            slot, notes = _choose(group, asked.layer, asked.values)
            return _source(group, container, slot.name, slot.keys, asked.columns, notes)
        except H5_ERRORS as error:
            raise damaged(container.path, error, kind=container.kind) from error


def look_anndata(container: Container, asked: Asked) -> Names:
    """Open an AnnData as :func:`read_anndata` does, but look at no value to find the slot.

    Raises
    ------
    InputError
        As in :func:`read_anndata`.
    """
    with container.open() as group:
        container.check_size(group, asked.max_bytes)
        try:
            ways = [_named(group, asked.layer)] if asked.layer else _all_ways(group)
            return _source(group, container, *ways[0], asked.columns, [])
        except H5_ERRORS as error:
            raise damaged(container.path, error, kind=container.kind) from error


def _source(
    group: h5py.Group,
    container: Container,
    name: str,
    keys: tuple[str, ...],
    columns: Sequence[str],
    notes: list[str],
) -> Source:
    path = container.path
    genes, ids = _genes(_frame(child(group, "raw") if keys[0] == "raw" else group, "var", path))
    cells = _index(_frame(group, "obs", path))
    obs = _obs_columns(_frame(group, "obs", path), columns, cells, container)
    matrix = describe(_walk(group, keys))
    if (matrix.n_rows, matrix.n_columns) != (len(cells), len(genes)):
        shape = f"{matrix.n_rows} x {matrix.n_columns}"
        msg = f"{path}: {name} is {shape} but there are {len(cells)} cells, {len(genes)} genes"
        raise InputError(msg, fix="the file is damaged: write it again with anndata")

    def passes() -> Iterator[Block]:
        return prefetch(_pass(container, keys))

    return Source(
        path=path,
        format=container.format,
        cells=checked_names(cells, "cell", path),
        genes=checked_names(genes, "gene", path),
        blocks=passes,
        gene_ids=None if ids is None else checked_names(ids, "gene", path),
        obs=obs,
        slot=name,
        notes=[*container.notes, *_left_out(matrix), *notes],
        files=container.files,
    )


def _left_out(matrix: Matrix) -> list[str]:
    """Say how much of a dense zarr matrix is zero because nothing is stored for it."""
    node: Any = matrix.node
    if matrix.layout != "dense" or isinstance(node, h5py.Dataset):
        return []
    missing = node.nchunks - node.nchunks_initialized
    return [f"{missing} of {node.nchunks} pieces of the matrix are not stored: read as zeros"] * (
        missing > 0
    )


def read_obs(container: Container, max_bytes: int) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Read the columns of obs and the names of the genes, but no values.

    Parameters
    ----------
    container
        Where the AnnData is.
    max_bytes
        Limit on the bytes that obs and var unfold to.

    Returns
    -------
    obs
        One row a cell, with its name as index.
    genes
        Their names.
    left_out
        Columns that hold no single value a cell, with why.

    Raises
    ------
    InputError
        The file is missing, damaged, larger than it may be, or no AnnData.
    """
    path = container.path
    with container.open() as group:
        for part in (child(group, "obs"), child(group, "var")):
            if is_group(part):
                container.check_size(part, max_bytes)
        try:
            genes = _index(_frame(group, "var", path))
            frame = _frame(group, "obs", path)
            obs = pd.DataFrame(index=pd.Index(_index(frame), dtype=object))
            left_out = []
            for name in _column_names(frame):
                try:
                    obs[name] = _column(frame, name).to_numpy()
                except InputError as error:
                    left_out.append(error.message)
        except H5_ERRORS as error:
            raise damaged(path, error, kind=container.kind) from error
    return obs, genes, left_out


def count_cells(container: Container) -> int:
    """Look up how many cells there are, without reading a name.

    Raises
    ------
    InputError
        As for :func:`read_anndata`, as far as that is looked at.
    """
    with container.open() as group:
        obs = child(group, "obs")
        if not is_group(obs):  # an old .h5ad: a table
            return int(obs.shape[0]) if is_array(obs) else 0
        index = child(obs, _index_name(obs))
        if is_group(index):  # anndata 0.13: texts beside a mask
            index = child(index, "values")
        return int(index.shape[0]) if is_array(index) else 0


def _pass(container: Container, keys: tuple[str, ...]) -> Generator[Block]:
    with container.open() as group:
        yield from iter_matrix(describe(_walk(group, keys)))


def _walk(file: h5py.File, keys: tuple[str, ...]) -> h5py.Group | h5py.Dataset | None:
    node: Any = file
    for key in keys:
        node = child(node, key)
    return node


def _candidates(file: h5py.File) -> list[tuple[str, tuple[str, ...]]]:
    layers = child(file, "layers")
    names = sorted(layers) if is_group(layers) else []
    ways = [("X", ("X",)), *((f"layers[{name!r}]", ("layers", name)) for name in names)]
    ways.append(("raw.X", ("raw", "X")))
    return [(name, keys) for name, keys in ways if _walk(file, keys) is not None]


def _choose(file: h5py.File, layer: str | None, values: str) -> tuple[_Slot, list[str]]:
    if layer is not None:
        return _probe(file, *_named(file, layer)), []
    ways = _all_ways(file)
    # True and False say whether a gene was seen: no expression, but no reason to stop either.
    slots = [
        _probe(file, *way) for way in ways if len(ways) == 1 or not _is_yes_no(_walk(file, way[1]))
    ]
    if values in ("auto", COUNTS):
        best = _best_counts(slots, place(file), declared=values == COUNTS)
    else:
        of_kind = [slot for slot in slots if slot.kind == values]
        best = max(of_kind, key=_preference) if of_kind else slots[0]
    return best, _explain(best, slots)


def _is_yes_no(node: h5py.Group | h5py.Dataset | None) -> bool:
    data = child(node, "data") if is_group(node) else node
    return is_array(data) and data.dtype.kind == "b"


def _best_counts(slots: list[_Slot], where: str, *, declared: bool) -> _Slot:
    """Find the counts: a slot named like them, or the only one; else what can be used."""
    sure = [slot for slot in slots if slot.kind == COUNTS and (slot.doubt is None or declared)]
    named = [slot for slot in sure if slot.by_name < len(_COUNT_NAMES)]
    if named:
        return max(named, key=lambda slot: (slot.n_genes, -slot.by_name))
    whole = [slot for slot in sure if slot.keys[-1].lower() not in _PART_NAMES]
    if len({slot.digest for slot in whole}) > 1:
        names = " or ".join(slot.name for slot in whole)
        msg = f"{where}: the counts may be in {names}, and they differ"
        raise InputError(msg, fix="name the one in the column `layer` of datasets.tsv")
    doubtful = [slot for slot in slots if slot.kind == COUNTS and slot not in sure]
    others = whole or [slot for slot in slots if slot not in doubtful and slot not in sure] or sure
    if not others:
        slot = doubtful[0]
        msg = f"{where}: {slot.name} holds whole numbers that cannot be counts: {slot.doubt}"
        raise InputError(msg, fix="name the layer of the counts, or declare what the values are")
    return max(others, key=_preference)  # the first of equals: X, layers by name, raw.X


def _all_ways(file: h5py.File) -> list[tuple[str, tuple[str, ...]]]:
    ways = _candidates(file)
    if not ways:
        msg = f"{place(file)} holds no matrix (neither X, layers nor raw)"
        raise InputError(msg, fix="check that it is an AnnData with values in it")
    return ways


def _named(file: h5py.File, layer: str) -> tuple[str, tuple[str, ...]]:
    """Find the slot that the sheet names, as ``_candidates`` lists it or by its short name."""
    ways = _candidates(file)
    short = {"raw.X": "raw"}
    named = [way for way in ways if way[0] == layer] or [
        way for way in ways if short.get(way[0], way[1][-1]) == layer
    ]
    if not named:
        msg = f"{place(file)} has no layer {layer!r}"
        raise InputError(msg, fix=f"there are: {', '.join(name for name, _ in ways) or 'none'}")
    if len(named) > 1:
        msg = f"{place(file)}: layer {layer!r} may be {' or '.join(name for name, _ in named)}"
        raise InputError(msg, fix="write it as named here")
    return named[0]


def _preference(slot: _Slot) -> tuple[int, int]:
    rank = {COUNTS: 2, "unusable": 0}.get(slot.kind, 1)
    return rank, slot.n_genes


def _explain(best: _Slot, slots: list[_Slot]) -> list[str]:
    if len(slots) == 1:
        return []
    found = "; ".join(f"{s.name}: {s.kind} ({s.facts.evidence}, {s.n_genes} genes)" for s in slots)
    fewer = [s.name for s in slots if s.kind == best.kind and s.n_genes < best.n_genes]
    why = f", which has more genes than {' and '.join(fewer)}" if fewer else ""
    return [f"values taken from {best.name}{why}; found {found}"]


def _probe(file: h5py.File, name: str, keys: tuple[str, ...]) -> _Slot:
    matrix = describe(_walk(file, keys))
    sums: list[np.ndarray] = []
    most = 0
    digest = hashlib.sha256()

    def noted() -> Iterator[Block]:
        nonlocal most
        for block in _sample(matrix):
            rows = np.repeat(np.arange(block.stop - block.start), np.diff(block.indptr))
            sums.append(np.bincount(rows, block.data, block.stop - block.start))
            stored = block.data != 0
            most = max(most, int(np.bincount(rows[stored], minlength=1).max()))
            for part in (rows, block.indices, block.data.astype(np.float64)):
                digest.update(part[stored].tobytes())
            yield block

    facts = scan_values(noted(), sums=False)
    return _Slot(name, keys, facts, matrix.n_columns, np.concatenate(sums or [np.zeros(0)]), most,
                 digest.hexdigest())  # fmt: skip


def _sample(matrix: Matrix) -> Iterator[Block]:
    if matrix.layout == "csc":  # cannot be read in parts
        yield from iter_matrix(matrix, max(1, matrix.n_rows))
        return
    last = max(0, matrix.n_rows - _PROBE)
    for start in sorted({0, last // 2, last}):
        yield from iter_matrix(matrix, _PROBE, slice(start, start + _PROBE))


def _frame(parent: Any, name: str, path: Path) -> h5py.Group | h5py.Dataset:
    node = child(parent, name)
    if node is None:
        msg = f"{path} has no {name}"
        raise InputError(msg, fix="check that it is an AnnData")
    if is_array(node) and not isinstance(node, h5py.Dataset):
        msg = f"{path}: {name} is not a table"
        raise InputError(msg, fix="write the data again with a current anndata")
    return node


def _index(frame: h5py.Group | h5py.Dataset) -> list[str]:
    if isinstance(frame, h5py.Dataset):
        return list(map(str, _old_frame(frame).index))
    return _column(frame, _index_name(frame)).astype(str).tolist()


def _index_name(frame: h5py.Group) -> str:
    name = str(frame.attrs.get("_index", "_index"))
    return name if name in frame else "index"


def _column_names(frame: h5py.Group | h5py.Dataset) -> list[str]:
    if isinstance(frame, h5py.Dataset):
        return list(map(str, _old_frame(frame).columns))
    return [str(name) for name in frame.attrs.get("column-order", [])]


def _column(frame: h5py.Group | h5py.Dataset, name: str) -> pd.Series:
    from anndata.io import read_elem

    if isinstance(frame, h5py.Dataset):
        column = _old_frame(frame)[name].reset_index(drop=True)
        categories = child(child(frame.file, "uns"), f"{name}_categories")
        if isinstance(categories, h5py.Dataset) and column.dtype.kind == "i":  # anndata 0.6
            words = _decoded(pd.Series(categories[:].tolist(), dtype=object))
            labels: Any = words.tolist()
            column = pd.Series(pd.Categorical.from_codes(column.tolist(), labels))
        return column
    where = f"{place(frame)}: {frame.name.strip('/')} column {name!r}"
    node = child(frame, name)
    try:
        values = _old_categories(node)
        if values is None and not _is_odd(node):
            values = read_elem(node)
    except MemoryError:
        raise
    except Exception as error:  # what anndata raises has no narrower class in common
        msg = f"{where} cannot be read ({' '.join(str(error).split())[:200]})"
        raise InputError(msg, fix="write the file again with a current anndata") from error
    if values is None or getattr(values, "ndim", 0) != 1:
        msg = f"{where} does not hold one value a cell or gene (lists, records or raw bytes)"
        raise InputError(msg, fix="leave the column out, or write it as text or numbers")
    names = child(frame, _index_name(frame))
    if is_array(names) and names.shape != (len(values),):
        msg = f"{where} has {len(values)} values for {names.size} rows"
        raise InputError(msg, fix="the file is damaged: write it again with anndata")
    return pd.Series(values)


def _old_categories(node: Any) -> Any:
    """Before anndata 0.8 the categories of a column lay apart, and codes referred to them.

    That a link leads there too, and that the data lie in the file, :func:`open_h5` has made sure.
    None where ``node`` is no such column.
    """
    from anndata.io import read_elem

    reference = node.attrs.get("categories") if isinstance(node, h5py.Dataset) else None
    if not isinstance(reference, h5py.h5r.Reference):
        return None
    categories: Any = read_elem(node.file[reference])
    return pd.Categorical.from_codes(node[:], categories)  # -1: a missing value


def _is_odd(node: Any) -> bool:
    """Whether a member of a frame cannot be a column: several dimensions, records, raw bytes."""
    return is_array(node) and (node.ndim != 1 or node.dtype.kind == "V")


def _old_frame(frame: h5py.Dataset) -> pd.DataFrame:
    from anndata.io import read_elem

    table = read_elem(frame)
    if not isinstance(table, pd.DataFrame):
        table = pd.DataFrame(table).set_index("index")
    table.index = _decoded(table.index.to_series()).array
    return table.apply(_decoded)


def _decoded(column: pd.Series) -> pd.Series:
    """Text of what anndata 0.6 and earlier stored as bytes."""
    if column.dtype != object:
        return column
    return column.map(lambda v: v.decode("utf-8", "replace") if isinstance(v, bytes) else v)


def _genes(frame: h5py.Group | h5py.Dataset) -> tuple[list[str], list[str] | None]:
    names = _index(frame)
    present = _column_names(frame)
    lower = {name.lower(): name for name in present}
    for column in (lower[name] for name in (*_ID_COLUMNS, *_NAME_COLUMNS) if name in lower):
        ids = [_gene_id(value) for value in _column(frame, column).astype(object)]
        # Entrez ids are numbers, of which no gene is known here: look for a better column.
        if not all(not value or value.isdecimal() for value in ids):
            return names, ids
    return names, None


def _gene_id(value: Any) -> str:
    """Text of an id; empty where it is missing; no decimals where pandas made a float of it."""
    if pd.isna(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _obs_columns(
    frame: h5py.Group | h5py.Dataset,
    columns: Sequence[str],
    cells: Sequence[str],
    container: Container,
) -> pd.DataFrame:
    present = _column_names(frame)
    wanted = list(dict.fromkeys(columns))
    absent = [name for name in wanted if name not in present]
    found = container.more(absent, cells) if absent and container.more else {}
    missing = [name for name in absent if name not in found]
    if missing:
        msg = f"{container.path} has no obs column {', '.join(map(repr, missing))}"
        raise InputError(msg, fix=f"columns there: {', '.join(present) or 'none'}")
    return pd.DataFrame(
        {name: found[name] if name in found else _column(frame, name) for name in wanted}
    )


def obs_of_cells(
    top: h5py.Group, columns: Sequence[str], cells: Sequence[str], path: Path
) -> dict[str, pd.Series]:
    """Read columns of a table of more cells than these, and put them in their order.

    Parameters
    ----------
    top
        The group with the table, ``obs``.
    columns
        Columns wanted; those that the table does not have are left out.
    cells
        Names of the cells.
    path
        For messages.

    Raises
    ------
    InputError
        A cell is not in the table, or more than once.
    """
    if not is_group(child(top, "obs")):
        return {}
    frame = _frame(top, "obs", path)
    present = [name for name in columns if name in _column_names(frame)]
    if not present:
        return {}
    rows = pd.Index(checked_names(_index(frame), "cell", path)).get_indexer(
        pd.Index(checked_names(cells, "cell", path))
    )
    if (rows < 0).any():
        msg = f"{path}: {(rows < 0).sum()} cells of the modality are not in obs of the whole"
        raise InputError(msg, fix="write the file again after `mdata.update()`")
    return {name: _column(frame, name).iloc[rows].reset_index(drop=True) for name in present}


def anndata_format(
    name: str, container: Callable[[Path], Container], detect: Callable[[Path], bool], **more: Any
) -> Format:
    """Make the format of a storage that has the AnnData layout in it.

    Parameters
    ----------
    name
        As in the datasets sheet; paths of it end so, too.
    container
        Describes what lies at a path.
    detect, **more
        As in :class:`~senoscore.ingest.source.Format`.
    """
    return Format(
        name=name,
        given=f".{name}",
        detect=detect,
        open=lambda path, asked: read_anndata(container(path), asked),
        look=lambda path, asked: look_anndata(container(path), asked),
        count=lambda path: count_cells(container(path)),
        obs=lambda path, max_bytes: read_obs(container(path), max_bytes),
        layers=True,
        **more,
    )


def _is_h5ad(path: Path) -> bool:
    if plain_name(path).endswith(".h5ad"):
        return True
    if not plain_name(path).endswith((".h5", ".hdf5")) or not path.is_file():
        return False
    with open_h5(path) as file:
        return child(file, "obs") is not None


H5AD: Final = anndata_format(
    "h5ad", lambda path: Container(path, "h5ad", lambda: open_h5(path), (path,)), _is_h5ad
)
"""AnnData in HDF5."""
