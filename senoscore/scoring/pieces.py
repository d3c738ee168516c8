"""How large a data set is, and one in pieces: how many, which cells each has, one file again.

The number of pieces is a matter of speed alone. Each is a run of whole blocks, what depends on all
cells comes from one first pass, and the row groups of the gathered file are the blocks, so that
the file has the same bytes however many pieces there were.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from senoscore.errors import InputError
from senoscore.ingest import find_format
from senoscore.io import H5_ERRORS, atomic_path, find_layer, open_h5, read_stored, remake
from senoscore.names import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa


__all__ = ["count_cells", "count_shards", "gather_parquet", "largest_sample", "shard_rows"]

_UNREADABLE: Final[tuple[type[Exception], ...]] = (InputError, *H5_ERRORS)


def count_cells(path: str | Path, *, format: str = "auto") -> int:  # noqa: A002  the sheet's column
    """Look up how many cells an input has, from its header.

    Nothing but the number of pieces hangs on the answer, so what cannot be told cheaply, or at
    all, is 0: reading the input is where a damaged file is reported.

    Parameters
    ----------
    path
        File or folder, as in the datasets sheet.
    format
        As in the datasets sheet.

    Returns
    -------
    Cells; 0 for a text table, and for a file that is missing or damaged.
    """
    where = Path(path)
    try:
        return find_format(where, format=format or "auto").count(where)
    except _UNREADABLE:
        return 0


def largest_sample(path: str | Path) -> int:
    """Look up how many values the largest sample of a canonical matrix has: cells x genes.

    What holds one sample at a time needs memory in proportion. As for :func:`count_cells`, a
    damaged file is 0: reading it is where that is reported.
    """
    try:
        with open_h5(path) as file:
            sizes = Counter(read_stored(file["obs"][SAMPLE]))
            return max(sizes.values(), default=0) * find_layer(file, None).n_columns
    except _UNREADABLE:
        return 0


def count_shards(n_cells: int, shard_cells: int) -> int:
    """Pieces of at most ``shard_cells`` cells (give or take a block), at least one."""
    return max(1, -(-n_cells // shard_cells))


def shard_rows(n_cells: int, *, part: int, of: int, block_cells: int) -> slice:
    """Cells of one piece: whole blocks, shared out as evenly as they can be.

    Parameters
    ----------
    n_cells
        Cells of the data set.
    part, of
        Which piece, from 0, of how many.
    block_cells
        Cells of a block.

    Returns
    -------
    A slice; empty where there are fewer blocks than pieces.

    Raises
    ------
    InputError
        There is no such piece.
    """
    if not 0 <= part < of:
        msg = f"there is no part {part} of {of}"
        raise InputError(msg, fix="parts count from 0")
    blocks = -(-n_cells // block_cells)
    first, last = (blocks * at // of * block_cells for at in (part, part + 1))
    return slice(min(first, n_cells), min(last, n_cells))


def gather_parquet(parts: Sequence[str | Path], out: str | Path, *, n_rows: int) -> None:
    """Write the rows of several Parquet files, in the order given, as one.

    Row groups stay as they are and one is held at a time. A file with no row group, which is
    what an empty piece is, adds nothing.

    Parameters
    ----------
    parts
        Files of one schema.
    out
        The file to write, whole or not at all.
    n_rows
        Rows that there must be in the end.

    Raises
    ------
    InputError
        A piece is missing, damaged, or of another schema than the first, or rows are missing.
    """
    import pyarrow.parquet as pq

    from senoscore.io import parquet_options

    found = 0
    with atomic_path(out) as temporary, ExitStack() as stack:
        writer = None
        for path in parts:
            for table in _row_groups(Path(path)):
                if writer is None:
                    writer = pq.ParquetWriter(
                        temporary, table.schema, **parquet_options(table.schema)
                    )
                    stack.enter_context(writer)
                if table.schema != writer.schema:
                    msg = f"{path} has other columns than {parts[0]}"
                    raise InputError(msg, fix="delete the pieces and run the stage again")
                writer.write_table(table)
                found += table.num_rows
        if found != n_rows:
            msg = f"the pieces of {out} have {found} rows where there are {n_rows} cells"
            raise InputError(msg, fix="delete the pieces and run the stage again")


def _row_groups(path: Path) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as piece:
            for group in range(piece.num_row_groups):
                table = piece.read_row_group(group)
                if table.num_rows:
                    yield table
    except (pa.ArrowException, OSError) as error:
        msg = f"{path} is not a complete piece: {' '.join(str(error).split())[:200]}"
        raise InputError(msg, fix=remake(path)) from error
