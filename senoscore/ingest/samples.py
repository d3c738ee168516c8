"""Which sample each row of a matrix is of."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore import names as k
from senoscore.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from senoscore.ingest.source import Names
    from senoscore.io import Block


__all__ = ["SampleDigests", "check_samples", "refuse_copies", "sample_labels"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")


def sample_labels(names: Names, given: Mapping[str, str], assay: str) -> list[str]:
    """Name the sample of each row: the one of the sheet, a column's, or the row itself.

    Parameters
    ----------
    names
        Of the matrix, with the column of samples in ``obs``.
    given
        The row of datasets.tsv.
    assay
        Where it is ``bulk`` or ``array``, rows are samples.

    Raises
    ------
    InputError
        Both or neither of ``sample`` and ``sample_column``, or a cell without a sample.
    """
    name, column = given.get("sample", ""), given.get("sample_column", "")
    if assay in k.PROFILES:
        if name or column:
            msg = f"{names.path}: in {assay} data each row or column is a sample of its own"
            raise InputError(msg, fix="leave `sample` and `sample_column` empty")
        return names.cells
    if bool(name) == bool(column):
        msg = f"{names.path}: {'both' if name else 'neither'} of sample and sample_column given"
        raise InputError(msg, fix="name the one sample in `sample`, or a column in `sample_column`")
    if name:
        return [name] * len(names.cells)
    label = names.obs[column]
    if label.isna().any():
        at = int(np.flatnonzero(label.isna())[0])
        msg = (
            f"{names.path}: {int(label.isna().sum())} cells have no sample in {column!r}, "
            f"such as {names.cells[at]!r}"
        )
        raise InputError(msg, fix="give every cell a sample, or leave those cells out")
    return [str(value).strip() for value in label.astype(object)]


def check_samples(label: list[str], samples: Sequence[str] | None, names: Names) -> None:
    """Compare samples of the data with the sheet; None does not.

    Raises
    ------
    InputError
        A name that cannot be one, or that the sheet does not have.
    """
    found = sorted(set(label))
    odd = [name for name in found if not _NAME.fullmatch(name)]
    if odd:
        msg = f"{names.path}: {odd[0][:60]!r} cannot be the name of a sample"
        raise InputError(
            msg, fix="use letters, digits and _ . + -, at most 100, the first a letter or digit"
        )
    missing = [] if samples is None else [name for name in found if name not in set(samples)]
    if missing:
        sheet = ", ".join(list(samples or ())[:10])
        msg = (
            f"{names.path}: {len(missing)} samples of the data are not in the samples sheet: "
            f"{', '.join(missing[:10])}; the sheet has: {sheet or 'none'}"
        )
        raise InputError(msg, fix="add them to samples.tsv, or correct their names")


class SampleDigests:
    """A number for the values of each sample, which notices a copy under another name.

    It depends on which values which genes have in each cell, and not on the order or the names of
    cells, nor on the order of genes, zeros that are stored, or the type of the values.

    Parameters
    ----------
    genes
        Names of the columns.
    labels
        Sample of each row.
    """

    def __init__(self, genes: Sequence[str], labels: Sequence[str]) -> None:
        self._names, self._codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
        self._genes = np.array([_number(name) for name in genes], dtype=np.uint64)
        self._sums = np.zeros(self._names.size, dtype=np.uint64)

    def watch(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Hand on blocks of consecutive rows, and take them into account."""
        # Many jobs ask here whether samples are copies, and need no compiled code for it.
        from senoscore.kernels import add_row_digests

        for block in blocks:
            group = self._codes[block.start : block.stop]
            add_row_digests(block.indptr, block.indices, block.data, self._genes, group, self._sums)
            yield block

    def digests(self) -> dict[str, str]:
        """Return the number of each sample, as 16 hexadecimal digits; without those all zero."""
        pairs = zip(self._names.tolist(), self._sums.tolist(), strict=True)
        return {name: f"{number:016x}" for name, number in pairs if number}


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def refuse_copies(digests: Mapping[str, str], where: object) -> None:
    """Refuse two samples with the same values: one animal would count as two.

    Raises
    ------
    InputError
        Two samples are the same.
    """
    first: dict[str, str] = {}
    for name, digest in digests.items():
        if digest in first:
            msg = f"{where}: samples {first[digest]!r} and {name!r} hold the same values"
            raise InputError(msg, fix="keep one: a copy is not a replicate")
        first[digest] = name
