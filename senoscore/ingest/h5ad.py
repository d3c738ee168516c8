"""AnnData files: which slot holds what, without reading more than is needed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import h5py
import numpy as np
import pandas as pd

from senoscore.errors import InputError
from senoscore.ingest.source import Names, Source, checked_names
from senoscore.ingest.values import ValueFacts, guess_values, scan_values
from senoscore.io import (
    H5_ERRORS,
    Matrix,
    check_size,
    child,
    damaged,
    describe,
    iter_matrix,
    open_h5,
    prefetch,
)
from senoscore.names import COUNTS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from senoscore.io import Block


__all__ = ["look_h5ad", "read_h5ad", "read_obs"]

_PROBE: Final = 256  # cells looked at in three places of a slot
_ENOUGH: Final = 10  # values or cells that are no chance
_SAME_SUM: Final = 1e-3  # of the mean: what rounding leaves of one size for all cells
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
        if sums.size >= _ENOUGH and np.ptp(sums) <= _SAME_SUM * sums.mean():
            return f"every cell sums to {sums.mean():.6g}"
        return None

    @property
    def by_name(self) -> int:
        """Place among the usual names of counts, the surest first."""
        name = "raw.x" if self.name == "raw.X" else self.keys[-1].lower()
        usual = self.keys[0] != "X" and name in _COUNT_NAMES
        return _COUNT_NAMES.index(name) if usual else len(_COUNT_NAMES)


def read_h5ad(path: Path, *, layer: str | None, values: str, columns: Sequence[str] = ()) -> Source:
    """Open an .h5ad file: names and the obs columns asked for in memory, values in blocks.

    Parameters
    ----------
    path
        The file.
    layer
        Layer that holds the values; ``X``, ``raw`` and ``raw.X`` are understood; None looks for
        it: counts first, then whatever can be used, and of either the slot with the most genes.
    values
        What was declared; unless ``auto`` or ``counts``, the slot of that kind with the most
        genes, and X where none looks like it.
    columns
        Columns of obs to read.

    Raises
    ------
    InputError
        The file is damaged, a slot or column is not there, or barcodes are not unique.
    """
    with open_h5(path) as file:
        try:
            slot, notes = _choose(file, layer, values)
            return _source(file, path, slot.name, slot.keys, columns, notes)
        except H5_ERRORS as error:
            raise damaged(path, error) from error


def look_h5ad(path: Path, *, layer: str | None, columns: Sequence[str] = ()) -> Names:
    """Open an .h5ad file as :func:`read_h5ad` does, but look at no value to find the slot.

    Raises
    ------
    InputError
        As in :func:`read_h5ad`.
    """
    with open_h5(path) as file:
        try:
            name, keys = _all_ways(file)[0] if layer is None else _named(file, layer)
            return _source(file, path, name, keys, columns, [])
        except H5_ERRORS as error:
            raise damaged(path, error) from error


def _source(
    file: h5py.File,
    path: Path,
    name: str,
    keys: tuple[str, ...],
    columns: Sequence[str],
    notes: list[str],
) -> Source:
    genes, ids = _genes(_frame(child(file, "raw") if keys[0] == "raw" else file, "var", path))
    cells = _index(_frame(file, "obs", path))
    obs = _obs_columns(_frame(file, "obs", path), columns, path)
    matrix = describe(_walk(file, keys))
    if (matrix.n_rows, matrix.n_columns) != (len(cells), len(genes)):
        shape = f"{matrix.n_rows} x {matrix.n_columns}"
        msg = f"{path}: {name} is {shape} but there are {len(cells)} cells, {len(genes)} genes"
        raise InputError(msg, fix="the file is damaged: write it again with anndata")

    def passes() -> Iterator[Block]:
        return prefetch(_pass(path, keys))

    return Source(
        path=path,
        format="h5ad",
        cells=checked_names(cells, "cell", path),
        genes=checked_names(genes, "gene", path),
        blocks=passes,
        gene_ids=None if ids is None else checked_names(ids, "gene", path),
        obs=obs,
        slot=name,
        notes=notes,
        files=(path,),
    )


def read_obs(path: Path, *, max_bytes: int) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Read the columns of obs and the names of the genes, but no values.

    Parameters
    ----------
    path
        The file.
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
        The file is missing, damaged, larger than it may be, or no .h5ad.
    """
    with open_h5(path) as file:
        for part in map(file.get, ("obs", "var")):
            if isinstance(part, h5py.Group):
                check_size(part, max_bytes)
        try:
            genes = _index(_frame(file, "var", path))
            frame = _frame(file, "obs", path)
            obs = pd.DataFrame(index=pd.Index(_index(frame), dtype=object))
            left_out = []
            for name in _column_names(frame):
                try:
                    obs[name] = _column(frame, name).to_numpy()
                except InputError as error:
                    left_out.append(error.message)
        except H5_ERRORS as error:
            raise damaged(path, error) from error
    return obs, genes, left_out


def _pass(path: Path, keys: tuple[str, ...]) -> Generator[Block]:
    with open_h5(path) as file:
        yield from iter_matrix(describe(_walk(file, keys)))


def _walk(file: h5py.File, keys: tuple[str, ...]) -> h5py.Group | h5py.Dataset | None:
    node: Any = file
    for key in keys:
        node = child(node, key)
    return node


def _candidates(file: h5py.File) -> list[tuple[str, tuple[str, ...]]]:
    layers = child(file, "layers")
    names = sorted(layers) if isinstance(layers, h5py.Group) else []
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
        best = _best_counts(slots, file.filename, declared=values == COUNTS)
    else:
        of_kind = [slot for slot in slots if slot.kind == values]
        best = max(of_kind, key=_preference) if of_kind else slots[0]
    return best, _explain(best, slots)


def _is_yes_no(node: h5py.Group | h5py.Dataset | None) -> bool:
    data = child(node, "data") if isinstance(node, h5py.Group) else node
    return isinstance(data, h5py.Dataset) and data.dtype.kind == "b"


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
        msg = f"{file.filename} holds no matrix (neither X, layers nor raw)"
        raise InputError(msg, fix="check that it is an .h5ad file with values in it")
    return ways


def _named(file: h5py.File, layer: str) -> tuple[str, tuple[str, ...]]:
    """Find the slot that the sheet names, as ``_candidates`` lists it or by its short name."""
    ways = _candidates(file)
    short = {"raw.X": "raw"}
    named = [way for way in ways if way[0] == layer] or [
        way for way in ways if short.get(way[0], way[1][-1]) == layer
    ]
    if not named:
        msg = f"{file.filename} has no layer {layer!r}"
        raise InputError(msg, fix=f"there are: {', '.join(name for name, _ in ways) or 'none'}")
    if len(named) > 1:
        msg = f"{file.filename}: layer {layer!r} may be {' or '.join(name for name, _ in named)}"
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
    digest = hashlib.sha256()

    def noted() -> Iterator[Block]:
        for block in _sample(matrix):
            rows = np.repeat(np.arange(block.stop - block.start), np.diff(block.indptr))
            sums.append(np.bincount(rows, block.data, block.stop - block.start))
            stored = block.data != 0
            for part in (rows, block.indices, block.data.astype(np.float64)):
                digest.update(part[stored].tobytes())
            yield block

    facts = scan_values(noted(), sums=False)
    return _Slot(name, keys, facts, matrix.n_columns, np.concatenate(sums or [np.zeros(0)]),
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
        raise InputError(msg, fix="check that it is an .h5ad file")
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
    where = f"{frame.file.filename}: {frame.name.strip('/')} column {name!r}"
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
    if isinstance(names, h5py.Dataset) and names.shape != (len(values),):
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
    return isinstance(node, h5py.Dataset) and (node.ndim != 1 or node.dtype.kind == "V")


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
    there = _column_names(frame)
    lower = {name.lower(): name for name in there}
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
    frame: h5py.Group | h5py.Dataset, columns: Sequence[str], path: Path
) -> pd.DataFrame:
    there = _column_names(frame)
    missing = [name for name in columns if name not in there]
    if missing:
        msg = f"{path} has no obs column {', '.join(map(repr, missing))}"
        raise InputError(msg, fix=f"columns there: {', '.join(there) or 'none'}")
    return pd.DataFrame({name: _column(frame, name) for name in dict.fromkeys(columns)})
