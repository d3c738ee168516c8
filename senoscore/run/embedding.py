"""The map of cells: a random sample of them placed by UMAP, only where the config asks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import H5_ERRORS, damaged, read_parquet, remake, write_tsv
from senoscore.run.log import logged
from senoscore.run.tables import facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.run.layout import DatasetFiles


__all__ = ["embedding"]

log = logging.getLogger(__name__)

_FROM_CALLS: Final = [k.CELL, k.SAMPLE, k.COMPARTMENT, k.STATE, k.INDEX]
_COLUMNS: Final = ["organism", k.DATASET, *_FROM_CALLS, "umap_1", "umap_2"]
_PER_CELL: Final = 1e4


@logged
def embedding(datasets: Sequence[DatasetFiles], config: Mapping[str, Any], *, out: Path) -> None:
    """Write where a random sample of the kept cells of all data sets lies.

    Each organism has a map of its own, of the genes that its data sets share. Profiles of whole
    samples have no cells. Too few cells of an organism leave no row, and the log says so.
    """
    from senoscore.cells import FEWEST_CELLS, embed

    options = config["embedding"]
    by_name = {data.name: data for data in datasets}
    cells = _sampled(_kept(datasets), options["cells"], options["seed"])
    parts = []
    for organism, group in cells.groupby("organism", sort=True, observed=True):
        if len(group) < FEWEST_CELLS:
            log.warning("%s: %d cells are too few for a map", organism, len(group))
            continue
        place = embed(
            _together([(by_name[name], own) for name, own in _by_dataset(group)]),
            seed=options["seed"],
        )
        parts.append(group.assign(umap_1=place[:, 0], umap_2=place[:, 1]))
    table = pd.concat(parts) if parts else pd.DataFrame(columns=_COLUMNS)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_tsv(table[_COLUMNS], out, float_format="%.6g")
    log.info("%d cells placed", len(table))


def _kept(datasets: Sequence[DatasetFiles]) -> pd.DataFrame:
    """Every kept cell of data sets of cells, with its row in the matrix."""
    tables = []
    for data in datasets:
        about = facts(data)
        if about["assay"] in k.PROFILES:
            log.info("%s: profiles of whole samples have no cells", data.name)
            continue
        keep = read_parquet(data["qc"], columns=[k.CELL, k.KEEP])
        calls = read_parquet(data["calls"], columns=_FROM_CALLS)
        if not calls[k.CELL].equals(keep[k.CELL]):
            msg = f"dataset {data.name}: qc and calls are not of the same cells"
            raise InputError(msg, fix="delete results/calls and run again")
        calls = calls.assign(
            row=np.arange(len(calls)), dataset=data.name, organism=str(about["organism"])
        )
        tables.append(calls[keep[k.KEEP].to_numpy(dtype=bool)])
    if not tables:
        return pd.DataFrame(columns=[*_COLUMNS[:-2], "row"])
    return pd.concat(tables, ignore_index=True)


def _sampled(cells: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """So many at most, each cell as likely as another, in the order that they had."""
    if len(cells) <= most:
        return cells
    chosen = np.random.default_rng(seed).choice(len(cells), size=most, replace=False)
    return cells.iloc[np.sort(chosen)]


def _by_dataset(cells: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Cells of each data set, in the order of the rows."""
    return [
        (str(name), group) for name, group in cells.groupby(k.DATASET, sort=False, observed=True)
    ]


def _together(parts: Sequence[tuple[DatasetFiles, pd.DataFrame]]) -> AnnData:
    """Log-normalised values of these cells, over the genes that all these data sets have."""
    import anndata as ad

    read = [_values(data, cells["row"].to_numpy(dtype=np.int64)) for data, cells in parts]
    return ad.concat(read, join="inner", index_unique="/", keys=[data.name for data, _ in parts])


def _values(data: DatasetFiles, rows: NDArray[np.int64]) -> AnnData:
    import anndata as ad
    import hdf5plugin  # noqa: F401 - registers the codec of the canonical matrix
    import scanpy as sc

    path = data["matrix"]
    try:
        whole = ad.read_h5ad(path, backed="r")
        try:
            chosen = whole[rows].to_memory()
        finally:
            whole.file.close()
    except H5_ERRORS as error:
        raise damaged(path, error, fix=remake(path)) from error
    chosen = ad.AnnData(chosen.X.astype(np.float32), var=chosen.var[[]], obs=chosen.obs[[]])
    if facts(data)["values"] != k.LOGNORM:
        sc.pp.normalize_total(chosen, target_sum=_PER_CELL)
        sc.pp.log1p(chosen)
    return chosen
