"""Between a notebook and the files of a run: the sheet joined to cells, results brought back."""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import H5_ERRORS, damaged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

__all__ = ["attach", "read"]

log = logging.getLogger(__name__)

_RESULTS: Final = "senoscore.h5ad"
_DATASETS: Final = "datasets.tsv"
_SAMPLES: Final = "samples.tsv"


def read(
    path: str | Path,
    *,
    samples: str | Path | None = None,
    sample: str = k.SAMPLE,
    organism: str | None = None,
    assay: str = "sc",
) -> AnnData:
    """Read cells, and join the samples sheet to them.

    Parameters
    ----------
    path
        One of: an .h5ad, which is read as it is; any other input that the workflow takes (a zarr
        store, .h5mu, a 10x folder or .h5, a table of counts or bulk profiles); a folder with
        ``datasets.tsv``, such as ``demo/``, whose data sets are put together; the ``results/`` of
        a run (every per-cell result, without a matrix).
    samples
        The sheet; None looks for ``samples.tsv`` beside the file or in the folder, and joins
        nothing if there is none.
    sample
        Column of ``obs`` that names the sample, for an AnnData. An input without one is one sample,
        named like the file.
    organism
        ``human`` or ``mouse``, for inputs other than .h5ad; None goes by the names of the genes.
    assay
        ``sc``, ``sn``, ``bulk`` or ``array``, likewise. In ``bulk`` and ``array`` each profile is a
        sample.

    Returns
    -------
    The AnnData, with the columns of the sheet in ``obs`` (``subject``, ``treatment``,
    ``dose_gy``, ``days_post_rt``, ...) where it did not have them, and ``sample``. Several data
    sets have the genes that all of them have, and ``obs["dataset"]``.

    Raises
    ------
    InputError
        The file is not found, of no known format, has no such column, or a sample of it is not in
        the sheet.
    SheetError
        A sheet cannot be used.

    Examples
    --------
    >>> adata = sen.read("study.h5ad")  # joins samples.tsv, which lies beside it
    >>> sorted(set(adata.obs["treatment"]))
    ['control', 'irradiated', 'irradiated + senolytic']
    """
    from senoscore.ingest import MAX_BYTES, find_format

    where = Path(path)
    if not where.exists():
        msg = f"{where} not found"
        fix = "give a file with cells, a folder with datasets.tsv, or the results of a finished run"
        raise InputError(msg, fix=fix)
    if where.is_dir() and (where / _RESULTS).is_file():
        adata, beside = _opened(where / _RESULTS), where.parent
    elif where.is_dir() and (where / _DATASETS).is_file():
        adata, beside = _datasets(where), where
    elif where.is_dir() and not (any(where.glob("*matrix.mtx*")) or find_format(where).obs):
        msg = f"{where} has neither {_RESULTS} nor {_DATASETS} nor matrix.mtx"
        raise InputError(msg, fix="give a file with cells, a demo folder or the results of a run")
    elif where.suffix.lower() == ".h5ad":
        adata, beside = _opened(where), where.parent
    else:
        reader, row = find_format(where), {"path": str(where), "assay": assay}
        kept = [str(name) for name in reader.obs(where, MAX_BYTES)[0]] if reader.obs else []
        if sample in kept:
            row["sample_column"] = sample
        kept = [name for name in kept if name not in (k.SAMPLE, "cell")]
        adata, beside = _ingested(row, organism, kept), where.parent
        sample = k.SAMPLE
    sheet = beside / _SAMPLES if samples is None else Path(samples)
    if samples is None and not sheet.is_file():
        return adata
    _join(adata, sheet, sample, where)
    return adata


def _opened(path: Path) -> AnnData:
    """Read an .h5ad, also one that is packed like the matrices of a run."""
    import anndata as ad
    import hdf5plugin  # noqa: F401 - makes the filters known to HDF5

    try:
        return ad.read_h5ad(path)
    except H5_ERRORS as error:
        raise damaged(path, error, fix="give a whole .h5ad, as anndata writes it") from error


def _join(adata: AnnData, sheet: Path, sample: str, where: Path) -> None:
    """Write the columns of the sheet to ``obs``, where it does not have them."""
    from senoscore.ingest import is_radiation
    from senoscore.study import read_samples

    if sample not in adata.obs:
        msg = f"{where} has no column {sample!r} in obs"
        raise InputError(msg, fix=f"give sample=, one of {', '.join(map(str, adata.obs))}")
    table = read_samples(sheet).set_index(k.SAMPLE)
    samples = adata.obs[sample].astype(str)
    unknown = sorted(set(samples) - set(table.index))
    if unknown:
        msg = f"{sheet} has no row for sample {unknown[0]!r} of {where}"
        raise InputError(msg, fix="add the row, or give another samples=")
    adata.obs[k.SAMPLE] = samples.to_numpy(dtype=object)
    if k.COMPARTMENT in table and table[k.COMPARTMENT].fillna("").eq("").all():
        # The sheet's column is for bulk samples; empty labels of cells would pass for labels.
        table = table.drop(columns=k.COMPARTMENT)
    present = adata.obs.columns
    if k.GIVEN in table and k.TREATMENT in present:
        # Without its drug a treatment would pool two arms, and take drugged animals for controls.
        log.warning("treatment in obs is replaced by that of %s, which names the drug", sheet)
        present = present.drop(k.TREATMENT)
    if "modality" in present:
        words = adata.obs["modality"].dropna().astype(str).unique()
        other = sorted(word for word in words if not is_radiation(word))
        if other:  # MuData and multi-omic pipelines call the assay so: rna, atac
            log.warning("modality in obs (%s) is no radiation, replaced by %s", other[0], sheet)
            present = present.drop("modality")
    for name in table.columns.difference(present, sort=False):
        adata.obs[name] = samples.map(table[name]).to_numpy()


def _ingested(
    row: Mapping[str, Any], organism: str | None, keep_obs: Sequence[str] = ()
) -> AnnData:
    """Read one input as the workflow does: gene names settled, kind of values looked at."""
    from senoscore.genesets import detect_organism
    from senoscore.ingest import ingest, look_source

    path = Path(str(row["path"]))
    given = {"dataset": path.name.split(".")[0], "organism": organism or "", **row}
    if not given["organism"]:
        names = look_source(path, format=str(row.get("format") or "auto"))
        found = detect_organism(names.genes).organism
        if found is None:
            msg = f"{path}: the names of the genes do not tell the organism"
            raise InputError(msg, fix='give organism="human" or organism="mouse"')
        given["organism"] = found
    unnamed = not given.get("sample") and not given.get("sample_column")
    if unnamed and given.get("assay") not in k.PROFILES:  # the file is the sample
        given["sample"] = given["dataset"]
    with TemporaryDirectory() as folder:
        out = Path(folder) / "matrix.h5ad"
        ingest(
            given, samples=None, out=out, genes_out=Path(folder) / "genes.tsv", keep_obs=keep_obs
        )
        return _opened(out)


def _datasets(folder: Path) -> AnnData:
    """The data sets of a folder in one object, with the genes that all of them have."""
    import anndata as ad

    from senoscore.study import read_datasets

    sheet = read_datasets(folder / _DATASETS)
    parts = {}
    for row in sheet.to_dict("records"):
        # Paths of a sheet count from where the workflow runs, which a notebook need not do.
        written = Path(str(row["path"]))
        tried = (written, folder.parent / written, folder / written.name)
        row["path"] = str(next((p for p in tried if p.exists()), written))
        parts[str(row[k.DATASET])] = _ingested({str(n): v for n, v in row.items()}, None)
    kinds = {name: str(part.uns[k.UNS]["values"]) for name, part in parts.items()}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        msg = f"{folder}: values of the data sets are of different kinds ({listed})"
        raise InputError(msg, fix="read them one by one: sen.read(file, samples=sheet)")
    adata = ad.concat(parts, join="inner", label=k.DATASET, index_unique=None)
    n_genes = {part.n_vars for part in parts.values()}
    if n_genes != {adata.n_vars}:
        most = max(n_genes)
        log.warning("%d genes are in all data sets (of up to %d); the rest is left out",
                    adata.n_vars, most)  # fmt: skip
    if not adata.obs_names.is_unique:
        names = adata.obs[k.DATASET].astype(str) + "/" + adata.obs_names.astype(str)
        adata.obs_names = pd.Index(names.to_numpy(dtype=object))
    facts = [part.uns[k.UNS] for part in parts.values()]
    alike = {n: v for n, v in facts[0].items() if all(str(f.get(n)) == str(v) for f in facts)}
    adata.uns[k.UNS] = {n: alike[n] for n in ("values", "organism", "assay") if n in alike}
    return adata


def attach(adata: AnnData, results: str | Path = "results", *, dataset: str | None = None) -> None:
    """Bring the calls and scores of a run back to one's own object, cell by cell.

    Parameters
    ----------
    adata
        Its ``obs_names`` are the cells of the input of the run. Gets the columns of the run in
        ``obs``, in place of any of the same name, and its tables in ``obsm``. Cells that the run
        does not have get missing values, and a warning counts them.
    results
        The folder of the run, or its ``senoscore.h5ad``.
    dataset
        Take the cells of this dataset only; needed where datasets share names of cells.

    Raises
    ------
    InputError
        The file is not found, no cell has the same name, or names of cells are not unique.

    Examples
    --------
    >>> mine = sen.read("study.h5ad")
    >>> sen.attach(mine, "results")
    >>> "senescence_state" in mine.obs
    True
    """
    where = Path(results)
    file = where / _RESULTS if where.is_dir() else where
    if not file.is_file():
        msg = f"{file} not found"
        raise InputError(msg, fix="give the results folder of a finished run")
    run = _opened(file)
    if dataset is not None:
        run = run[run.obs[k.DATASET].astype(str) == dataset]
    names = pd.Index(run.obs[k.CELL].astype(str))
    cells = pd.Index(adata.obs_names.astype(str))
    for what, index in (("the run", names), ("this AnnData", cells)):
        if not index.is_unique:
            msg = f"cell {index[index.duplicated()][0]!r} is duplicated in {what}"
            raise InputError(msg, fix="give dataset=, or make the names unique")
    at = names.get_indexer(cells)
    if not (at >= 0).any():
        first = names[0] if len(names) else "none"
        msg = f"no cell of this AnnData (such as {cells[0]!r}) is in the run (such as {first!r})"
        raise InputError(msg, fix="set adata.obs_names to the names that the input of the run had")
    absent = int((at < 0).sum())
    if absent:
        example = cells[int(np.flatnonzero(at < 0)[0])]
        log.warning(
            "%d of %d cells (such as %r) are not in the run: their results are missing",
            absent, len(cells), example,
        )  # fmt: skip
    table = run.obs.drop(columns=[k.CELL]).reset_index(drop=True)
    table.index = names
    joined = table.reindex(cells)
    for name in joined.columns:
        adata.obs[name] = joined[name].array
    colours = f"{k.STATE}_colors"
    if colours in run.uns:
        adata.uns[colours] = list(run.uns[colours])
    for key, values in run.obsm.items():
        if isinstance(values, pd.DataFrame):
            frame = values.set_axis(names, axis=0).reindex(cells)
            frame.index = adata.obs_names
            adata.obsm[key] = frame
        else:
            filled = np.full((len(cells), values.shape[1]), np.nan)
            filled[at >= 0] = np.asarray(values)[at[at >= 0]]
            adata.obsm[key] = filled
