"""What every reader gives: names in memory, values in blocks that can be gone through twice."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pandas as pd
from scipy import sparse

from senoscore.errors import InputError
from senoscore.io import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path


__all__ = [
    "MAX_BYTES",
    "Asked",
    "Format",
    "Names",
    "Source",
    "checked_names",
    "file_sha256",
    "in_memory",
    "plain_name",
]

MAX_BYTES: Final = 200_000_000_000
"""Default limit on what an input may unfold to."""

_LONGEST_NAME: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BLOCK: Final = 4096


@dataclass(kw_only=True)
class Names:
    """What a matrix calls its cells and genes, before anything is decided about them.

    Attributes
    ----------
    path
        The file or folder.
    format
        Name of its format, as in the datasets sheet.
    cells
        Row names, unique.
    genes
        Column names as found; repeats are allowed.
    gene_ids
        Further ids (Ensembl), one a gene; None where there are none.
    obs
        Columns known of the rows, in their order; its index is not used.
    slot
        Where in the file the values were.
    notes
        What was decided or left out, for the user.
    files
        The files that were read, for the checksum.
    all_cells
        False where the cells are in rows that were not read.
    """

    path: Path
    format: str
    cells: list[str]
    genes: list[str]
    gene_ids: list[str] | None = None
    obs: pd.DataFrame = field(default_factory=pd.DataFrame)
    slot: str = "X"
    notes: list[str] = field(default_factory=list)
    files: tuple[Path, ...] = ()
    all_cells: bool = True


@dataclass(kw_only=True)
class Source(Names):
    """A matrix as found: its names, and its values in blocks.

    Attributes
    ----------
    blocks
        Gives a new pass over the rows; columns are those of ``genes``.
    """

    blocks: Callable[[], Iterator[Block]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the sheet says of how an input is to be read.

    Attributes
    ----------
    orientation
        Of a table: ``auto``, ``cells_x_genes``, ``genes_x_cells`` or ``long``.
    layer
        Layer that holds the values; None looks for counts.
    values
        What was declared: ``auto``, ``counts``, ``lognorm`` or ``linear``.
    columns
        Columns that ``obs`` must have.
    max_bytes
        Limit on the bytes that the input unfolds to.
    """

    orientation: str = "auto"
    layer: str | None = None
    values: str = "auto"
    columns: Sequence[str] = ()
    max_bytes: int = MAX_BYTES


def _alone(path: Path) -> tuple[Path, ...]:
    return (path,)


def _unknown(_path: Path) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of input, with all that is known of it.

    Attributes
    ----------
    name
        As in the column ``format`` of the datasets sheet.
    given
        What a path of this format looks like, for messages.
    detect
        Whether a path is of this format, from its name, and where that says nothing, its content.
    open, look
        Read a matrix, or its names only, and refuse with a reason what cannot be used: damage,
        data that lie elsewhere, more bytes than may be.
    files
        The files that an input is read from.
    values
        Those of ``files`` that hold the values: where they are the same, so are the data.
    count
        Cells, as far as a header tells; else 0.
    obs
        Reads the columns of obs, the genes and which columns were left out, but no values; None
        where the input has no such columns, or no way to read them alone.
    folder
        Whether it is read from several files; ``detect`` then needs to open none.
    layers, orientations
        Whether the columns ``layer`` and ``orientation`` of the sheet mean something.
    """

    name: str
    given: str
    detect: Callable[[Path], bool]
    open: Callable[[Path, Asked], Source]
    look: Callable[[Path, Asked], Names]
    files: Callable[[Path], tuple[Path, ...]] = _alone
    values: Callable[[Path], tuple[Path, ...]] = _alone
    count: Callable[[Path], int] = _unknown
    obs: Callable[[Path, int], tuple[pd.DataFrame, list[str], list[str]]] | None = None
    folder: bool = False
    layers: bool = False
    orientations: bool = False


def in_memory(X: sparse.csr_matrix) -> Callable[[], Iterator[Block]]:
    """Give passes over a matrix in memory (cells x genes)."""
    X = sparse.csr_matrix(X)

    def passes() -> Iterator[Block]:
        for start in range(0, X.shape[0], _BLOCK):
            stop = min(start + _BLOCK, X.shape[0])
            part = X[start:stop]
            indptr = part.indptr.astype("int64")
            indices = part.indices.astype("int32", copy=False)
            yield Block(start, stop, indptr, indices, part.data, X.shape[1])

    return passes


def plain_name(path: Path) -> str:
    """Name of a file in lower case, without the end of gzip."""
    return path.name.lower().removesuffix(".gz")


def checked_names(names: Iterable[object], what: str, where: object) -> list[str]:
    """Strip names and refuse those that could do harm further on.

    Parameters
    ----------
    names
        Cell ids, gene names or sample names.
    what
        Singular noun for the message.
    where
        File they come from.

    Raises
    ------
    InputError
        A name is empty where it may not be (all but genes), holds a control character or is
        longer than 1,000 characters, or a cell id comes twice.
    """
    clean = [str(name).strip() for name in names]
    for number, name in enumerate(clean, start=1):
        if not name and what != "gene":
            msg = f"{where}: {what} {number} has no name"
            raise InputError(msg, fix=f"give every {what} a name")
        if len(name) > _LONGEST_NAME or _CONTROL.search(name):
            msg = f"{where}: the name of {what} {number} is not a name: {name[:40]!r}"
            raise InputError(msg, fix="names are printable and at most 1,000 characters long")
    if what == "cell" and len(set(clean)) < len(clean):
        counts = pd.Series(clean, dtype=object).value_counts(sort=False)
        twice = counts[counts > 1]
        examples = ", ".join(f"{name!r} ({n} times)" for name, n in twice.head(3).items())
        msg = f"{where}: duplicate barcodes: {len(twice)} cell ids come more than once: {examples}"
        raise InputError(
            msg, fix="put the name of the sample before each barcode when merging samples"
        )
    return clean


def file_sha256(files: Iterable[Path]) -> str:
    """SHA-256 of files, one after the other, as hexadecimal digits."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as handle:
            while part := handle.read(1 << 22):
                digest.update(part)
    return digest.hexdigest()
