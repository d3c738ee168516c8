"""The same steps by hand with scanpy: quality, doublets, scores of the panel, means of samples."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from measure import Row, at_most, timed

import senoscore as sen
from senoscore.cells.doublets import scrublet

if TYPE_CHECKING:
    from pathlib import Path

    import anndata as ad

PANEL = sen.load_panel()
SETS = sen.signatures("all")


def with_scanpy(adata: ad.AnnData) -> None:
    """What a notebook does: limits by MAD, scrublet a sample, 30 control bins a signature."""
    import scanpy as sc

    adata.var["mt"] = adata.var_names.str.upper().str.startswith("MT-")
    sc.pp.calculate_qc_metrics(adata, qc_vars=["mt"], percent_top=None, inplace=True)
    # Exact neighbours, as ours: the approximate ones of larger samples come as a sparse array,
    # which scanpy asks for a method that arrays have not.
    sc.pp.scrublet(adata, batch_key="sample", use_approx_neighbors=False, verbose=False)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    names = []
    for name in PANEL.signatures:
        genes = [g for g in (*SETS[name].up, *SETS[name].down) if g in adata.var_names]
        if genes:
            sc.tl.score_genes(adata, genes, score_name=name)
            names.append(name)
    by = [name for name in ("sample", "truth") if name in adata.obs]
    adata.obs.groupby(by, observed=True)[names].mean()


def with_senoscore(adata: ad.AnnData) -> None:
    """Quality, doublets, compartments, scores, calibration, calls with an FDR, burden."""
    sen.qc(adata)
    sen.compartments(adata)
    sen.score(adata, SETS, n_threads=1)
    sen.calibrate(adata, control="control", learn=False)
    sen.call(adata, engine="panel")
    sen.burden(adata)


def by_hand(_folder: Path, *, quick: bool) -> list[Row]:
    """CPU of both on one simulated tissue, each on a fresh copy; and of the doublets alone."""
    import scanpy as sc

    logging.disable(logging.WARNING)
    adata = sen.simulate(cells_per_sample=210 if quick else 480)
    adata.obs["truth"] = "tissue"
    small = adata[np.isin(adata.obs["sample"], adata.obs["sample"].unique()[:4])]
    with_senoscore(small.copy())  # compiled code is loaded
    n, copies = adata.n_obs, [adata.copy() for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = timed(partial(with_senoscore, copies[0]))
        peer = timed(partial(with_scanpy, copies[1]))
    note = f"{ours.cpu / n * 1e6:,.0f} against {peer.cpu / n * 1e6:,.0f} us a cell"
    what = "qc, doublets, panel, calls and burden against scanpy's scores and means by hand"
    rows = [at_most(what, n, ours.cpu / peer.cpu, "x", 1, note)]
    part = adata[adata.obs["sample"] == adata.obs["sample"].iloc[0]].copy()
    part.X = part.X.astype(np.float32)
    options = {"n_prin_comps": 15, "use_approx_neighbors": False, "verbose": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine = timed(partial(scrublet, part.X, expected=0.02), repeat=3)
        theirs = timed(lambda: sc.pp.scrublet(part.copy(), **options), repeat=3)
    note = (
        f"{mine.cpu / part.n_obs * 1e6:,.0f} against {theirs.cpu / part.n_obs * 1e6:,.0f} us a cell"
    )
    what = "doublets of one sample against scanpy's scrublet, exact neighbours"
    return [*rows, Row(what, part.n_obs, theirs.cpu / mine.cpu, "x", note=note)]
