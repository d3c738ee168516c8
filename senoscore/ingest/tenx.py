"""What 10x Genomics pipelines write: folders of matrix.mtx (v2, v3) and .h5 files (v2, v3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from senoscore.errors import InputError
from senoscore.ingest.source import (
    Format,
    Names,
    Source,
    checked_names,
    in_memory,
    plain_name,
)
from senoscore.ingest.text import open_text, read_lines
from senoscore.io import (
    EXACT_FLOATS,
    H5_ERRORS,
    Matrix,
    check_parts,
    check_size,
    child,
    damaged,
    iter_matrix,
    open_h5,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = [
    "TENX_H5",
    "TENX_MTX",
    "look_10x_h5",
    "look_10x_mtx",
    "mtx_files",
    "read_10x_h5",
    "read_10x_mtx",
    "read_mtx",
]

_INTEGERS: Final = ("integer", "unsigned-integer")
_REALS: Final = ("real", "double")
_SMALLEST_ENTRY: Final = 6  # bytes of "1 1 1\n"
_GZIP_AT_BEST: Final = 1032
_DIGITS: Final = 18  # what a 64-bit integer holds for sure
_LONGEST_LINE: Final = 1 << 16
_ENTRIES_AT_ONCE: Final = 1 << 20
_INTEGER: Final = re.compile(rb"[+-]?\d{1,19}")
_HEADER_BYTES: Final = 1 << 20
_REAL: Final = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf(?:inity)?)", re.I)


def read_mtx(path: Path, *, max_bytes: int, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Read a coordinate matrix of integers or reals.

    Parameters
    ----------
    path
        The file, gzip or not.
    max_bytes
        Limit on the bytes it unfolds to.
    shape
        Features and barcodes that there are names for; the matrix may be turned.

    Returns
    -------
    Cells x features.

    Raises
    ------
    InputError
        The file is damaged or cut short, of another shape or kind, or an entry comes twice.
    """
    skip, kind, turned, n_entries = _header(path, max_bytes, shape)
    size = shape[::-1] if turned else shape
    rows = np.empty(n_entries, np.int32)
    columns = np.empty(n_entries, np.int32)
    values = np.empty(n_entries, kind)
    done = 0
    with open_text(path, max_bytes=max_bytes) as handle:
        for _ in range(skip):
            handle.readline()
        try:
            for part in _entries(handle, kind):
                stop = done + len(part)
                if part.shape[1] != 3 or stop > n_entries:
                    break
                rows[done:stop], columns[done:stop] = part[0] - 1, part[1] - 1
                values[done:stop] = part[2]
                done = stop
            else:
                stop = done
        except (ValueError, OverflowError) as error:
            raise _bad_line(path, max_bytes, skip, kind) from error
    if stop != done:
        raise _bad_line(path, max_bytes, skip, kind)
    if done < n_entries:
        msg = f"{path} is damaged or cut short: it promises {n_entries:,} entries and has {done:,}"
        raise InputError(msg, fix="copy or download it again")
    for what, at, most in (("row", rows, size[0]), ("column", columns, size[1])):
        if at.size and not 0 <= at.min() <= at.max() < most:
            worst = int(at.max() if at.min() >= 0 else at.min()) + 1
            msg = f"{path} is damaged: an entry is in {what} {worst}, and there are {most:,}"
            raise InputError(msg, fix="copy or download it again")
    cells, features = (rows, columns) if turned else (columns, rows)
    out = sparse.csr_matrix((values, (cells, features)), shape=shape[::-1])  # adds up repeats
    if out.nnz != n_entries:
        msg = f"{path}: {n_entries - out.nnz} entries come twice (the same gene and cell)"
        raise InputError(msg, fix="give one value for each gene and cell: write it again")
    return out


def _entries(handle: Any, kind: type) -> Iterator[pd.DataFrame]:
    """Entries in runs, each field read to its end; pandas finds lines of more fields."""
    types: Any = {0: np.int32, 1: np.int32, 2: kind}
    missing: Any = {2: ["nan", "NaN", "NAN"]}  # said of the value, with its gene, later
    try:
        yield from pd.read_csv(
            handle,
            sep=r"\s+",
            header=None,
            dtype=types,
            quoting=3,
            keep_default_na=False,
            na_values=missing,
            encoding="latin-1",
            chunksize=_ENTRIES_AT_ONCE,
            **EXACT_FLOATS,
        )
    except pd.errors.EmptyDataError:
        return


def _header(
    path: Path, max_bytes: int, shape: tuple[int, int]
) -> tuple[int, type[np.int64 | np.float64], bool, int]:
    """Lines before the entries, type, whether turned, and number of entries.

    A header that does not fit is refused before anything is allocated on its word.
    """
    with open_text(path, max_bytes=max_bytes) as handle:
        words = handle.readline(1024).decode("latin-1").lower().split()
        size, skip = "%", 1
        while size.startswith("%") or size.isspace():
            size, skip = handle.readline(_LONGEST_LINE).decode("latin-1"), skip + 1
    numbers = size.split()
    good = words[:3] == ["%%matrixmarket", "matrix", "coordinate"] and len(numbers) == 3
    if not good or not all(n.isascii() and n.isdecimal() for n in numbers):
        msg = f"{path} does not begin as a coordinate matrix in Matrix Market format"
        raise InputError(msg, fix="check that the file is whole and not another one renamed")
    field, symmetry = [*words[3:5], "", ""][:2]
    if field not in (*_INTEGERS, *_REALS) or symmetry != "general":
        msg = f"{path} holds a matrix of kind {field} {symmetry}, expected integer or real, general"
        fix = "write the counts themselves: a pattern says only which genes were seen"
        raise InputError(msg, fix=fix)
    if max(map(len, numbers)) > _DIGITS:
        msg = f"{path} promises a matrix of impossible size ({size[:40]} …)"
        raise InputError(msg, fix="it is damaged: copy or download it again")
    rows, columns, entries = map(int, numbers)
    if (rows, columns) not in (shape, shape[::-1]):
        msg = (
            f"{path} is {rows} x {columns}, but there are {shape[0]} features and "
            f"{shape[1]} barcodes"
        )
        raise InputError(msg, fix="copy the three files of one matrix together")
    room = path.stat().st_size * (_GZIP_AT_BEST if path.suffix == ".gz" else 1)
    if entries > room // _SMALLEST_ENTRY + 1:
        msg = f"{path} promises {entries:,} entries, more than its size can hold"
        raise InputError(msg, fix="it is cut short: copy or download it again")
    kind = np.int64 if field in _INTEGERS else np.float64
    return skip, kind, (rows, columns) != shape, entries


def _bad_line(path: Path, max_bytes: int, skip: int, kind: type) -> InputError:
    """Find the line that stopped the fast reader."""
    value, what = (_INTEGER, "integer") if kind is np.int64 else (_REAL, "number")
    with open_text(path, max_bytes=max_bytes) as handle:
        for number, line in enumerate(iter(lambda: handle.readline(_LONGEST_LINE), b""), 1):
            fields = line.split()
            good = (
                len(fields) == 3
                and all(_INTEGER.fullmatch(field) for field in fields[:2])
                and value.fullmatch(fields[2])
            )
            if number > skip and fields and not good:
                shown = line[:60].decode("latin-1").strip()
                msg = f"{path} is damaged: line {number} is {shown!r}, not row, column and {what}"
                fix = "write decimals with a point, not a comma" if b"," in line else None
                if what == "integer" and len(fields) == 3 and _REAL.fullmatch(fields[2]):
                    fix = "its header says integer: write the counts, or say real"
                return InputError(msg, fix=fix or "copy or download it again")
    msg = f"{path} is damaged: it has more entries than it promises, or numbers that are too large"
    return InputError(msg, fix="copy or download it again")


_EXPRESSION: Final = "Gene Expression"


def read_10x_mtx(path: Path, *, max_bytes: int) -> Source:
    """Read a folder with matrix.mtx, barcodes.tsv and features.tsv or genes.tsv, gzip or not.

    Parameters
    ----------
    path
        The folder, or the matrix file in it. Names may have a common prefix, as in GEO.
    max_bytes
        Limit on the bytes that the matrix unfolds to.

    Returns
    -------
    Cells x genes, in memory. Features other than genes (antibodies, guides) are left out.

    Raises
    ------
    InputError
        A file is missing or damaged, or they do not fit together.
    """
    names, keep, n_features = _mtx_names(path, max_bytes)
    X = read_mtx(names.files[0], max_bytes=max_bytes, shape=(n_features, len(names.cells)))
    X = X if keep.size == n_features else X[:, keep]
    return Source(**vars(names), blocks=in_memory(X))


def look_10x_mtx(path: Path, *, max_bytes: int) -> Names:
    """Names as :func:`read_10x_mtx` finds them, without the values.

    Raises
    ------
    InputError
        A file of names is missing or damaged.
    """
    return _mtx_names(path, max_bytes)[0]


def _mtx_names(path: Path, max_bytes: int) -> tuple[Names, np.ndarray, int]:
    """Names, which features are genes, and how many features there are."""
    matrix, features, barcodes = mtx_files(path)
    table = [line.split("\t") for line in read_lines(features, max_bytes=max_bytes) if line]
    cells = [line.split("\t")[0] for line in read_lines(barcodes, max_bytes=max_bytes) if line]
    ids = [row[0] for row in table]
    names = [row[1] if len(row) > 1 and row[1] else row[0] for row in table]
    kinds = [row[2] if len(row) > 2 else _EXPRESSION for row in table]
    keep, notes = _expression_only(kinds, path)
    found = Names(
        path=path,
        format="10x_mtx",
        cells=checked_names(cells, "cell", barcodes),
        genes=checked_names((names[i] for i in keep), "gene", features),
        gene_ids=checked_names((ids[i] for i in keep), "gene", features),
        slot=matrix.name,
        notes=notes,
        files=(matrix, features, barcodes),
    )
    return found, keep, len(table)


def mtx_files(path: Path) -> tuple[Path, Path, Path]:
    """Find matrix, features and barcodes, from their folder or from the matrix itself.

    Raises
    ------
    InputError
        One is missing, the folder holds several matrices, or one is a link out of it.
    """
    if not path.exists():
        msg = f"{path} not found"
        raise InputError(msg, fix="check the path")
    folder = path if path.is_dir() else path.parent
    present = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    found = [n for n in present if n.removesuffix(".gz").endswith("matrix.mtx")]
    if path.is_file():
        found = [path.name]
    if len(found) != 1:
        msg = f"{folder} holds {len(found)} files named matrix.mtx or matrix.mtx.gz"
        raise InputError(
            msg, fix=f"one is expected; files there: {', '.join(present[:10]) or 'none'}"
        )
    prefix = found[0].removesuffix(".gz").removesuffix("matrix.mtx")

    def beside(*stems: str) -> Path:
        for name in (f"{prefix}{stem}{end}" for stem in stems for end in (".tsv.gz", ".tsv")):
            if name in present:
                return folder / name
        wanted = " or ".join(f"{prefix}{stem}.tsv(.gz)" for stem in stems)
        msg = f"{folder} has a matrix but no {wanted}"
        raise InputError(msg, fix="copy the three files of the matrix together")

    others = beside("features", "genes"), beside("barcodes")
    for file in others if path.is_file() else (folder / found[0], *others):
        _refuse_link_out(file)
    return folder / found[0], *others


def _refuse_link_out(file: Path) -> None:
    """A path the user names may be a link; what is found in its folder may not lead elsewhere."""
    if file.is_symlink() and file.resolve().parent != file.parent.resolve():
        msg = f"{file} is a link out of the folder, to {str(file.resolve())[:200]!r}"
        raise InputError(msg, fix="copy the file into the folder, or give the folder it lies in")


def _expression_only(kinds: list[str], path: Path) -> tuple[np.ndarray, list[str]]:
    keep = np.flatnonzero([kind == _EXPRESSION for kind in kinds])
    if not keep.size:
        msg = f"{path} has no feature of type {_EXPRESSION!r}: {sorted(set(kinds))[:5]}"
        raise InputError(msg, fix="give the gene expression library")
    others = sorted({kind for kind in kinds if kind != _EXPRESSION})
    left = [f"{kinds.count(kind)} features of type {kind!r} left out" for kind in others]
    return keep, left


def count_10x_mtx(path: Path) -> int:
    """Look up how many cells a matrix has, in its header; 0 where that does not tell.

    Raises
    ------
    InputError
        The header cannot be read.
    """
    if path.is_dir():
        found = [
            entry for entry in sorted(path.iterdir()) if plain_name(entry).endswith("matrix.mtx")
        ]
        if len(found) != 1:
            return 0
        path = found[0]
    with open_text(path, max_bytes=_HEADER_BYTES) as handle:
        for _ in range(100):  # comments come before the sizes
            words = handle.readline(1 << 12).split()
            if words and not words[0].startswith(b"%"):
                return int(words[1]) if len(words) == 3 and words[1].isdigit() else 0
    return 0


def read_10x_h5(path: Path, *, max_bytes: int) -> Source:
    """Read the .h5 of Cell Ranger (v2: a group for each genome; v3: a group ``matrix``).

    Parameters
    ----------
    path
        The file.
    max_bytes
        Limit on the bytes that it unfolds to.

    Returns
    -------
    Cells x genes, in memory. Features other than genes are left out.

    Raises
    ------
    InputError
        The file is damaged, too large, no 10x file, or holds several genomes.
    """
    with open_h5(path) as file:
        check_size(file, max_bytes)
        try:
            group = _genome_group(file, path)
            names, keep, n_features = _h5_names(group, path)
            # Genes x cells by columns is cells x genes by rows.
            turned = Matrix(group, "csr", len(names.cells), n_features)
            check_parts(turned, f"{path}: {group.name}")
            blocks = [block.to_csr() for block in iter_matrix(turned)]
        except H5_ERRORS as error:
            raise damaged(path, error) from error
    X = sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix((0, n_features))
    X = X if keep.size == n_features else X[:, keep]
    return Source(**vars(names), blocks=in_memory(X))


def look_10x_h5(path: Path, *, max_bytes: int) -> Names:
    """Names as :func:`read_10x_h5` finds them, without the values.

    Raises
    ------
    InputError
        As for :func:`read_10x_h5`.
    """
    with open_h5(path) as file:
        check_size(file, max_bytes)
        try:
            return _h5_names(_genome_group(file, path), path)[0]
        except H5_ERRORS as error:
            raise damaged(path, error) from error


def _h5_names(group: h5py.Group, path: Path) -> tuple[Names, np.ndarray, int]:
    """Names, which features are genes, and how many features there are."""
    features = child(group, "features")
    if isinstance(features, h5py.Group):  # v3
        names, ids = _texts(features, "name"), _texts(features, "id")
        kinds = _texts(features, "feature_type")
        genomes = set(_texts(features, "genome")) - {""} if "genome" in features else set()
    else:
        names, ids = _texts(group, "gene_names"), _texts(group, "genes")
        kinds, genomes = [_EXPRESSION] * len(names), set()
    cells = _texts(group, "barcodes")
    if len(genomes) > 1:
        raise _several_genomes(path, sorted(genomes))
    shape = tuple(np.asarray(group["shape"][:]).tolist())
    if shape != (len(names), len(cells)) or not len(ids) == len(kinds) == len(names):
        msg = f"{path}: the parts of {group.name} do not fit together"
        raise InputError(msg, fix="the file is damaged: copy or download it again")
    keep, notes = _expression_only(kinds, path)
    found = Names(
        path=path,
        format="10x_h5",
        cells=checked_names(cells, "cell", path),
        genes=checked_names((names[i] for i in keep), "gene", path),
        gene_ids=checked_names((ids[i] for i in keep), "gene", path),
        slot=group.name.strip("/"),
        notes=notes,
        files=(path,),
    )
    return found, keep, len(names)


def _genome_group(file: h5py.File, path: Path) -> h5py.Group:
    groups = [name for name in file if isinstance(child(file, name), h5py.Group)]
    tens = [name for name in groups if {"barcodes", "indptr", "shape"} <= set(file[name])]
    if len(tens) > 1:
        raise _several_genomes(path, tens)
    if not tens:
        msg = f"{path} is not a matrix of 10x Genomics (groups: {', '.join(groups) or 'none'})"
        raise InputError(msg, fix="give filtered_feature_bc_matrix.h5, or an .h5ad")
    return file[tens[0]]


def _several_genomes(path: Path, genomes: list[str]) -> InputError:
    msg = f"{path} holds several genomes: {', '.join(genomes)}"
    return InputError(msg, fix="split it into one file a species, with only cells of that species")


def _texts(group: h5py.Group, name: str) -> list[str]:
    node = child(group, name)
    if not isinstance(node, h5py.Dataset) or node.ndim != 1:
        msg = f"{group.file.filename}: {group.name}/{name} is missing"
        raise InputError(msg, fix="the file is damaged or no 10x file")
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in node[:]
    ]


def count_10x_h5(path: Path) -> int:
    """Look up how many cells a file has, over all its genomes.

    Raises
    ------
    InputError
        The file cannot be opened.
    """
    with open_h5(path) as file:
        barcodes = [child(child(file, name), "barcodes") for name in file]
        return sum(int(node.shape[0]) for node in barcodes if isinstance(node, h5py.Dataset))


TENX_MTX: Final = Format(
    name="10x_mtx",
    given="a folder with matrix.mtx",
    detect=lambda path: path.is_dir() or plain_name(path).endswith(".mtx"),
    open=lambda path, asked: read_10x_mtx(path, max_bytes=asked.max_bytes),
    look=lambda path, asked: look_10x_mtx(path, max_bytes=asked.max_bytes),
    count=count_10x_mtx,
    files=mtx_files,
    values=lambda path: mtx_files(path)[:1],
    folder=True,
)
"""The folder of a 10x pipeline: matrix, features and barcodes."""

TENX_H5: Final = Format(
    name="10x_h5",
    given=".h5",
    detect=lambda path: plain_name(path).endswith((".h5", ".hdf5")),
    open=lambda path, asked: read_10x_h5(path, max_bytes=asked.max_bytes),
    look=lambda path, asked: look_10x_h5(path, max_bytes=asked.max_bytes),
    count=count_10x_h5,
)
"""The one file of Cell Ranger; what else ends so has been told by its content."""
