"""Quality per cell: metrics, limits from each sample's own cells, doublets, and the reason."""

from __future__ import annotations

import hashlib
import logging
import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import names as k
from senoscore.cells.facts import gene_symbols, values_of
from senoscore.errors import InputError
from senoscore.io import iter_blocks, need_extra, track

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray


__all__ = ["qc", "quality"]

log = logging.getLogger(__name__)

REASONS: Final = ("low_counts", "low_genes", "high_mt", "doublet")

_MIN_CELLS: Final = 20
"""Cells below which a sample's own median and MAD are no basis for limits."""

_MIN_CELLS_DOUBLETS: Final = 200
_MAX_DOUBLET_RATIO: Final = 3.0
_MAD_TO_SD: Final = 1.4826
_MIN_SD_LOG: Final = 0.10
"""Smallest spread (natural log) of counts and genes, so that a tight sample loses nothing."""

_MIN_SD_MT: Final = 1.0
"""Smallest spread, percentage points, taken for the mitochondrial share."""


def qc(
    adata: ad.AnnData,
    *,
    sample: str = k.SAMPLE,
    mads: float = 5.0,
    min_counts: int = 500,
    min_genes: int = 200,
    doublets: str = "auto",
    seed: int = 0,
    layer: str | None = None,
    copy: bool = False,
) -> ad.AnnData | None:
    """Measure every cell and mark which to keep; no cell is removed.

    Limits are per sample and one-sided: a cell is dropped for too few counts or genes, or for a
    mitochondrial share above its own sample's, never for a global mitochondrial cut (irradiated
    cells are shifted as a whole) and never for many counts (senescent cells are large; doublets
    are looked for as such).

    Parameters
    ----------
    adata
        Canonical matrix, in memory or backed; ``uns["senoscore"]`` says values, assay and
        organism (without it: single cells, what all values look like, what the gene names look
        like). Read in blocks, then one sample at a time for doublets.
    sample
        obs column with the sample.
    mads
        Limits, in median absolute deviations (scaled to SD) from the sample's median.
    min_counts, min_genes
        Floors; a lower MAD limit does not undercut them.
    doublets
        ``auto``: scrublet per sample where there are counts and at least 200 cells; its call is
        set aside, and said so, where it calls more than three times the expected rate.
        ``off``: not looked for.
    seed
        Seed of scrublet's simulated doublets.
    layer
        Layer to measure, such as that of the counts; None is X.
    copy
        Leave the AnnData as it is and return a new one.

    Returns
    -------
    None (or the copy). Written are:

    ``adata.obs``
        ``n_counts`` (if the values are counts), ``n_genes``, ``pct_mt`` (missing without
        mitochondrial genes, or where values are logarithms), ``doublet_score`` (missing where not
        looked for), ``doublet``, ``keep`` (calibration, burden and contrasts leave out the cells
        for which it is false), ``qc_reason`` (``;``-joined, empty where kept).
    ``adata.uns["senoscore"]["qc"]``
        A table, one row a sample: sample, n_cells, n_kept, ``lost_<reason>``, medians, limits,
        note. :func:`senoscore.pl.qc` draws it.

    Raises
    ------
    InputError
        No such obs column or layer.

    Examples
    --------
    >>> sen.qc(adata, doublets="off")
    >>> adata.uns["senoscore"]["qc"][["sample", "n_cells", "n_kept"]].head(2)
      sample  n_cells  n_kept
    0     s1      200     194
    1    s10      200     197
    """
    cells, samples = quality(
        adata, sample=sample, mads=mads, min_counts=min_counts, min_genes=min_genes,
        doublets=doublets, seed=seed, layer=layer,
    )  # fmt: skip
    if samples["limit_counts"].isna().all() and len(samples):
        log.warning("%s", samples["note"].iloc[0])
    target = adata.copy() if copy else adata
    measured = ["n_genes", "pct_mt", "doublet_score", "doublet", k.KEEP]
    if cells["n_counts"].notna().any():  # depth of cells, unless there is none to be had
        measured.insert(0, "n_counts")
    for name in measured:
        target.obs[name] = cells[name].to_numpy()
    target.obs["qc_reason"] = pd.Categorical(cells[k.REASON])
    target.uns[k.UNS] = {**target.uns.get(k.UNS, {}), "qc": samples}
    return target if copy else None


def quality(
    adata: ad.AnnData,
    *,
    sample: str = k.SAMPLE,
    mads: float = 5.0,
    min_counts: int = 500,
    min_genes: int = 200,
    doublets: str = "auto",
    seed: int = 0,
    layer: str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what :func:`qc` measures, as tables.

    Parameters
    ----------
    adata, sample, mads, min_counts, min_genes, doublets, seed, layer
        As in :func:`qc`.

    Returns
    -------
    cells
        cell, sample, n_counts (NaN where values are no counts), n_genes, pct_mt (NaN without
        mitochondrial genes, or where values are logarithms),
        doublet_score (NaN where not looked for), doublet, keep, reason (``;``-joined).
    samples
        sample, n_cells, n_kept, ``lost_<reason>``, medians, limits, note.

    Raises
    ------
    InputError
        No such obs column or layer.
    """
    if sample not in adata.obs:
        msg = f"obs has no column {sample!r}"
        raise InputError(msg, fix=f"columns there: {', '.join(map(str, adata.obs.columns))}")
    facts = dict(adata.uns.get(k.UNS, {}))
    assay, values = str(facts.get("assay", "sc")), values_of(adata, layer)
    cells = _metrics(adata, sample, layer)
    if values != k.COUNTS:  # a sum of logarithms, or of shares, is no depth
        cells["n_counts"] = np.nan
    if values == k.LOGNORM:
        cells["pct_mt"] = np.nan
    if assay in k.PROFILES or values != k.COUNTS:
        return _skipped(cells, assay=assay, values=values)
    if doublets == "auto":
        what = "qc looks for doublets (doublets='off' does without)"
        for module in ("sklearn", "skimage"):
            need_extra(module, extra="doublets", what=what)
    failed = pd.DataFrame(data=False, index=cells.index, columns=list(REASONS))
    rows = []
    by_sample = cells.groupby(k.SAMPLE, sort=True, observed=True)
    for name, group in track(by_sample, "samples judged", total=len(by_sample)):
        limits, note = _limits(group, mads=mads, min_counts=min_counts, min_genes=min_genes)
        failed.loc[group.index, "low_counts"] = group["n_counts"] < limits["limit_counts"]
        failed.loc[group.index, "low_genes"] = group["n_genes"] < limits["limit_genes"]
        failed.loc[group.index, "high_mt"] = group["pct_mt"] > limits["limit_pct_mt"]
        good = group.index[~failed.loc[group.index].any(axis=1)]
        if doublets == "auto":
            score, called, said = _doublets(adata, good.to_numpy(), seed=seed, layer=layer)
            cells.loc[good, "doublet_score"] = score
            failed.loc[good, "doublet"] = called
            note = "; ".join(filter(None, (note, said)))
        rows.append({k.SAMPLE: name, **limits, "note": note})
    return _verdict(cells, failed, pd.DataFrame(rows))


def _metrics(adata: ad.AnnData, sample: str, layer: str | None) -> pd.DataFrame:
    """Counts, genes and mitochondrial share of every cell, block by block."""
    mito = np.array([name.upper().startswith("MT-") for name in gene_symbols(adata)])
    every = np.stack([np.ones(adata.n_vars), mito], axis=1)
    total = np.zeros((adata.n_obs, 2))
    n_genes = np.zeros(adata.n_obs, dtype=np.int64)
    read = iter_blocks(adata, layer=layer)
    blocks = track(read, "cells measured", total=adata.n_obs, size=lambda b: b.stop - b.start)
    for block in blocks:
        X = block.to_csr()
        total[block.start : block.stop] = X @ every
        before = np.concatenate([[0], np.cumsum(X.data != 0)])
        n_genes[block.start : block.stop] = np.diff(before[X.indptr])
    with np.errstate(invalid="ignore"):  # a cell of no counts has no share
        pct_mt = total[:, 1] / total[:, 0] * 100 if mito.any() else np.nan
    return pd.DataFrame(
        {
            k.CELL: adata.obs_names.astype(str).to_numpy(dtype=object),
            k.SAMPLE: adata.obs[sample].astype(str).to_numpy(dtype=object),
            "n_counts": total[:, 0],
            "n_genes": n_genes,
            "pct_mt": pct_mt,
            "doublet_score": np.nan,
        }
    )


def _skipped(cells: pd.DataFrame, *, assay: str, values: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    if assay in k.PROFILES:
        note = f"assay {assay}: limits and doublets are for cells; every profile is kept"
    else:
        note = f"values are {values}, not counts: no limits, no doublets; every cell is kept"
    failed = pd.DataFrame(data=False, index=cells.index, columns=list(REASONS))
    rows = pd.DataFrame({k.SAMPLE: sorted(cells[k.SAMPLE].unique())})
    for column in ("limit_counts", "limit_genes", "limit_pct_mt"):
        rows[column] = np.nan
    rows["note"] = note
    return _verdict(cells, failed, rows)


def _limits(
    group: pd.DataFrame, *, mads: float, min_counts: int, min_genes: int
) -> tuple[dict[str, float], str]:
    floors = {"limit_counts": float(min_counts), "limit_genes": float(min_genes)}
    if len(group) < _MIN_CELLS:
        note = f"{len(group)} cells: too few for limits of its own, only the floors apply"
        return {**floors, "limit_pct_mt": np.inf}, note
    limits = dict(floors)
    for column, limit in (("n_counts", "limit_counts"), ("n_genes", "limit_genes")):
        centre, sd = _robust(np.log1p(group[column].to_numpy(dtype=float)), floor=_MIN_SD_LOG)
        limits[limit] = max(floors[limit], float(np.expm1(centre - mads * sd)))
    if group["pct_mt"].isna().all():
        return {**limits, "limit_pct_mt": np.inf}, "no mitochondrial genes in the matrix"
    centre, sd = _robust(group["pct_mt"].to_numpy(dtype=float), floor=_MIN_SD_MT)
    return {**limits, "limit_pct_mt": centre + mads * sd}, ""


def _robust(values: NDArray[np.float64], *, floor: float) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    centre = float(np.median(values))
    return centre, max(floor, _MAD_TO_SD * float(np.median(np.abs(values - centre))))


def _doublets(
    adata: ad.AnnData, rows: NDArray[np.int64], *, seed: int, layer: str | None
) -> tuple[Any, Any, str]:
    """Scores and calls of one sample's good cells, or NaN, none, and why."""
    if len(rows) < _MIN_CELLS_DOUBLETS:
        return np.nan, False, f"doublets not looked for: {len(rows)} cells, 200 are needed"
    from threadpoolctl import threadpool_limits

    from senoscore.cells.doublets import scrublet

    # About 0.8 % of multiplets per 1,000 cells loaded is what droplet methods give.
    expected = min(0.2, max(0.02, 8e-6 * len(rows)))
    # Scrublet draws pairs by position and sums over genes: both are put in an order that is
    # their own, so that the same cells give the same doublets in whatever order a file has them.
    part = _cells(adata, rows, layer)
    part = part[:, _order_of_genes(adata, part)]
    order = _order_of_content(part)
    place = np.argsort(order)
    # One thread: a sum shared out among more has other last bits, and so has every score.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore")
        score, called = scrublet(part[order], expected=expected, seed=seed)
    score = score[place]
    if np.isnan(score).all():
        return score, False, "doublets not looked for: too few genes vary to compare cells by"
    if called is None:
        return score, False, "doublets: scrublet found no threshold, none dropped"
    called = called[place]
    if called.mean() > _MAX_DOUBLET_RATIO * expected:
        said = (
            f"doublets: scrublet called {called.mean():.0%} where {expected:.0%} are expected; "
            "set aside, none dropped"
        )
        return score, False, said
    return score, called, ""


def _order_of_genes(adata: ad.AnnData, X: sparse.csr_matrix) -> NDArray[np.intp]:
    """Order of columns by name; of several of one name, by what was counted. Shape (genes,)."""
    names = np.asarray(gene_symbols(adata), dtype=np.str_)
    seen = np.bincount(X.indices, minlength=X.shape[1])
    counts = np.bincount(X.indices, weights=X.data, minlength=X.shape[1])
    return np.lexsort((seen, counts, names))


def _order_of_content(X: sparse.csr_matrix) -> NDArray[np.intp]:
    """Order of rows by a hash of what is in them. Shape (rows,)."""
    X.sum_duplicates()
    X.eliminate_zeros()
    genes, values = memoryview(X.indices.astype(np.int64)), memoryview(X.data)
    digests = []
    for start, stop in pairwise(X.indptr):
        digest = hashlib.blake2b(genes[start:stop], digest_size=16)
        digest.update(values[start:stop])
        digests.append(digest.hexdigest())
    return np.argsort(np.array(digests), kind="stable")


def _cells(adata: ad.AnnData, rows: NDArray[np.int64], layer: str | None) -> sparse.csr_matrix:
    """Some cells (ascending rows) in memory, as float32; only the stretch that has them is read."""
    wanted = np.zeros(adata.n_obs, dtype=bool)
    wanted[rows] = True
    parts = [
        block.to_csr()[wanted[block.start : block.stop]].astype(np.float32)
        for block in iter_blocks(adata, layer=layer, rows=slice(int(rows[0]), int(rows[-1]) + 1))
    ]
    return sparse.vstack(parts, format="csr")


def _verdict(
    cells: pd.DataFrame, failed: pd.DataFrame, rows: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    cells["doublet"] = failed["doublet"]
    cells[k.KEEP] = ~failed.any(axis=1)
    reason = pd.Series("", index=cells.index, dtype=object)
    for name in REASONS:
        reason[failed[name]] = reason[failed[name]] + name + ";"
    cells[k.REASON] = reason.str.rstrip(";")
    grouped = cells.groupby(k.SAMPLE, sort=True, observed=True)
    counts = pd.DataFrame(
        {
            "n_cells": grouped.size(),
            "n_kept": grouped[k.KEEP].sum(),
            **{
                f"lost_{name}": failed[name].groupby(cells[k.SAMPLE], observed=True).sum()
                for name in REASONS
            },
            "median_counts": grouped["n_counts"].median(),
            "median_genes": grouped["n_genes"].median(),
            "median_pct_mt": grouped["pct_mt"].median(),
        }
    ).reset_index()
    return cells, counts.merge(rows, on=k.SAMPLE)
