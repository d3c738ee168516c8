"""A sample that is given twice: one animal must not count as two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore.ingest import refuse_copies

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


__all__ = ["Copies", "refuse_copied_cells"]

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
    copies = Copies()
    copies.add(samples, values)
    copies.refuse(where)


class Copies:
    """What tells samples apart, of cells that are seen one part after the other."""

    def __init__(self) -> None:
        self._sums: dict[str, int] = {}
        self._distinct: dict[str, NDArray[np.floating]] = {}

    def add(self, samples: ArrayLike, values: NDArray[np.floating]) -> None:
        """Take in some cells, as in :func:`refuse_copied_cells`; a sample may come again."""
        codes, known = pd.factorize(pd.Series(samples))
        names, number = np.unique(np.asarray(known, dtype=str), return_inverse=True)
        codes = number[codes]
        cells = np.zeros(len(codes), dtype=np.uint64)
        for column in values.T:
            # Adding 0 makes one zero of both; unsigned integers wrap without a word.
            cells = cells * np.uint64(31) + pd.util.hash_array(np.ascontiguousarray(column) + 0.0)
        sums = np.zeros(len(names), dtype=np.uint64)
        np.add.at(sums, codes, pd.util.hash_array(cells))
        for i, name in enumerate(names.tolist()):
            self._sums[name] = (self._sums.get(name, 0) + int(sums[i])) % 2**64
            seen = self._distinct.get(name, np.empty(0))
            if len(seen) < _DISTINCT:
                own = values[codes == i]
                both = np.concatenate([seen, np.unique(own[np.isfinite(own)])])
                self._distinct[name] = np.unique(both)[:_DISTINCT].copy()  # of all of it no more

    def refuse(self, where: str) -> None:
        """Refuse two samples that are the same, once all cells were seen."""
        names = [name for name, seen in self._distinct.items() if len(seen) >= _DISTINCT]
        refuse_copies({name: f"{self._sums[name]:016x}" for name in sorted(names)}, where)
