"""Which sample each row of a matrix is of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from senoscore.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from senoscore.io.source import Names

__all__ = ["check_samples", "sample_labels"]

_SAMPLE_PER_ROW: Final = ("bulk", "array")
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
    if assay in _SAMPLE_PER_ROW:
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
