"""A sample that is given twice: one animal must not count as two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore.ingest import refuse_copies

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


__all__ = ["refuse_copied_cells"]

_DISTINCT: Final = 20
"""Different values that two samples must share: fewer may agree by chance."""


def refuse_copied_cells(samples: ArrayLike, values: NDArray[np.floating], where: str) -> None:
    """Refuse two samples whose cells have the same values in each column, in any order.

    Ingestion compares the counts themselves. Cells that come with scores only, or were put
    together in a notebook, are compared by what they have.

    Parameters
    ----------
    samples
        Sample of each cell. Shape (cells,).
    values
        Scores or z values. Shape (cells, columns); NaN is a value like any other.
    where
        What was given, for the message.

    Raises
    ------
    InputError
        Two samples are the same.
    """
    names, codes = np.unique(np.asarray(samples, dtype=str), return_inverse=True)
    cells = np.zeros(len(codes), dtype=np.uint64)
    for column in values.T:
        # Adding 0 makes one zero of both; unsigned integers wrap without a word.
        cells = cells * np.uint64(31) + pd.util.hash_array(np.ascontiguousarray(column) + 0.0)
    sums = np.zeros(len(names), dtype=np.uint64)
    np.add.at(sums, codes, pd.util.hash_array(cells))
    digests = pd.Series(sums, index=names)
    digests = digests[digests.duplicated(keep=False)]
    telling = {
        str(name): f"{number:016x}"
        for name, number in digests.items()
        if _n_distinct(values[codes == names.searchsorted(str(name))]) >= _DISTINCT
    }
    refuse_copies(telling, where)


def _n_distinct(values: NDArray[np.floating]) -> int:
    return len(np.unique(values[np.isfinite(values)]))
