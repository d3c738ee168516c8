"""Between a notebook and the files of a run: the sheet joined to cells, results brought back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["attach", "read"]

_RESULTS: Final = "senoscore.h5ad"
_RENAMED: Final = {k.REASON: "senescence_reason", "axes_up": "senescence_axes_up"}
"""Columns of a run that a notebook has under another name."""


def read(path: str | Path, *, samples: str | Path | None = None, sample: str = k.SAMPLE) -> AnnData:
    """Read an .h5ad and join the samples sheet to its cells.

    Parameters
    ----------
    path
        An .h5ad file, or the folder of a run (its ``senoscore.h5ad``: every per-cell result,
        without a matrix).
    samples
        The sheet; None looks for ``samples.tsv`` beside the file, and joins nothing if there is
        none.
    sample
        Column of ``obs`` that names the sample.

    Returns
    -------
    The AnnData, with the columns of the sheet in ``obs`` (``subject``, ``treatment``,
    ``dose_gy``, ``days_post_rt``, ...) where it did not have them, and ``sample``. Cells of a run
    have the names of the input where those are unique.

    Raises
    ------
    InputError
        The file is not found, has no such column, or a sample of it is not in the sheet.
    SheetError
        The sheet cannot be used.
    """
    import anndata as ad

    from senoscore.study import read_samples

    where = Path(path)
    file = where / _RESULTS if where.is_dir() else where
    if not file.is_file():
        msg = f"{file} not found"
        raise InputError(msg, fix="give an .h5ad file, or the results folder of a finished run")
    adata = ad.read_h5ad(file)
    if where.is_dir():
        adata.obs = adata.obs.rename(columns=_RENAMED)
        cells = adata.obs[k.CELL].astype(str)
        if cells.is_unique:
            adata.obs_names = pd.Index(cells.to_numpy(dtype=object))
    sheet = where.parent / "samples.tsv" if samples is None else Path(samples)
    if samples is None and not sheet.is_file():
        return adata
    if sample not in adata.obs:
        msg = f"{file} has no column {sample!r} in obs"
        raise InputError(msg, fix=f"give sample=, one of {', '.join(map(str, adata.obs))}")
    table = read_samples(sheet).set_index(k.SAMPLE)
    own = adata.obs[sample].astype(str)
    unknown = sorted(set(own) - set(table.index))
    if unknown:
        msg = f"{sheet} has no row for sample {unknown[0]!r} of {file}"
        raise InputError(msg, fix="add the row, or give another samples=")
    adata.obs[k.SAMPLE] = own.to_numpy(dtype=object)
    for name in table.columns.difference(adata.obs.columns, sort=False):
        adata.obs[name] = own.map(table[name]).to_numpy()
    return adata


def attach(adata: AnnData, results: str | Path = "results", *, dataset: str | None = None) -> None:
    """Bring the calls and scores of a run back to one's own object, cell by cell.

    Parameters
    ----------
    adata
        Its ``obs_names`` are the cells of the input of the run. Gets the columns of the run in
        ``obs`` and its tables in ``obsm``; cells that the run does not have get missing values.
    results
        The folder of the run, or its ``senoscore.h5ad``.
    dataset
        Take the cells of this dataset only; needed where datasets share names of cells.

    Raises
    ------
    InputError
        The file is not found, no cell has the same name, or names of cells are not unique.
    """
    where = Path(results)
    run = read(where if where.is_dir() else where.parent)
    if dataset is not None:
        run = run[run.obs[k.DATASET].astype(str) == dataset]
    names = pd.Index(run.obs[k.CELL].astype(str))
    own = pd.Index(adata.obs_names.astype(str))
    for what, index in (("the run", names), ("this AnnData", own)):
        if not index.is_unique:
            msg = f"cell {index[index.duplicated()][0]!r} is there twice in {what}"
            raise InputError(msg, fix="give dataset=, or make the names unique")
    at = names.get_indexer(own)
    if not (at >= 0).any():
        first = names[0] if len(names) else "none"
        msg = f"no cell of this AnnData (such as {own[0]!r}) is in the run (such as {first!r})"
        raise InputError(msg, fix="set adata.obs_names to the names that the input of the run had")
    table = run.obs.drop(columns=[k.CELL]).reset_index(drop=True)
    table.index = names
    joined = table.reindex(own)
    for name in joined.columns:
        adata.obs[name] = joined[name].array
    for key, values in run.obsm.items():
        if isinstance(values, pd.DataFrame):
            frame = values.set_axis(names, axis=0).reindex(own)
            frame.index = adata.obs_names
            adata.obsm[key] = frame
        else:
            filled = np.full((len(own), values.shape[1]), np.nan)
            filled[at >= 0] = np.asarray(values)[at[at >= 0]]
            adata.obsm[key] = filled
