"""Sections on matrices in memory, against the peers."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING

import data
import numpy as np
import pandas as pd
from measure import Clock, Row, at_least, at_most, timed

import senoscore as sen

if TYPE_CHECKING:
    from pathlib import Path

RANK = ["ucell", "aucell", "ssgsea", "singscore"]
SETS = data.signatures()
RESOLVED = sen.signatures(SETS)  # names checked once, as for a panel in use


def ours(adata, methods, exact=None):
    """Score in place, as the peers do, and return the table of the first method."""
    key = None if isinstance(methods, list) else "ours"
    sen.score(adata, RESOLVED, methods=methods, exact=exact, n_threads=1, key_added=key)
    return adata.obsm["ours"] if key else None


def _warm(adata, methods, exact=None) -> None:
    ours(adata[:50].copy(), methods, exact)


def _gap(a, b) -> str:
    return f"largest difference {np.nanmax(np.abs(np.asarray(a) - np.asarray(b))):.1g}"


def first_calls(adata, n: int, *, n_threads: int = 1) -> Clock:
    """Best first call on an object nothing was done to: names, totals and checks included."""
    fresh = [adata.copy() for _ in range(n)]
    return timed(lambda: sen.score(fresh.pop(), SETS, n_threads=n_threads), repeat=n)


def ucell(folder: Path, *, quick: bool) -> list[Row]:
    """The call that users make: a dict of sets, a fresh AnnData, two distributions of counts."""
    import pyucell

    rows = []
    for heavy in (False, True):
        cells = data.pool(folder, 2_000 if quick else 8_192, heavy=heavy)
        what = f"ucell against pyucell, first call, {'heavy-tailed' if heavy else 'friendly'}"
        for n in (2_000,) if quick else (5_000, 20_000, 100_000):
            adata = data.counts_adata(cells, n)
            _warm(adata, "ucell")
            mine = first_calls(adata, 3 if n <= 20_000 else 2)
            peer = timed(partial(pyucell.compute_ucell_scores, adata, SETS, n_jobs=1))
            exact = ours(adata[:500].copy(), "ucell", "pyucell==0.8.0")
            theirs = adata.obs[[f"{name}_UCell" for name in SETS]].iloc[:500]
            note = (
                f"{mine.cpu / n * 1e6:.1f} against {peer.cpu / n * 1e6:.0f} us a cell; exact mode: "
            )
            gap = _gap(exact, theirs)
            rows.append(at_least(what, n, peer.cpu / mine.cpu, "x", 60, note + gap))
    return rows


def rank(folder: Path, *, quick: bool) -> list[Row]:
    cells = data.pool(folder, 2_000 if quick else 8_192)
    rows = []
    for n in (2_000, 5_000) if quick else (5_000, 20_000, 100_000):
        adata = data.counts_adata(cells, n)
        _warm(adata, RANK)
        one = timed(partial(ours, adata, "ucell"), repeat=3)
        four = timed(partial(ours, adata, RANK), repeat=3)
        speed = n / four.cpu
        rows += [
            at_most("four rank scores against ucell alone", n, four.cpu / one.cpu, "x", 2.2),
            at_least("four rank scores, cells a second and core", n, speed, "cells/s", 65_000),
        ]
    return rows


def aucell(folder: Path, *, quick: bool) -> list[Row]:
    import decoupler as dc

    cells = data.pool(folder, 2_000 if quick else 8_192)
    net = pd.DataFrame(
        [(s, g, 1.0) for s, gs in SETS.items() for g in gs], columns=["source", "target", "weight"]
    )
    rows = []
    for n in (300,) if quick else (5_000, 20_000):
        adata = data.counts_adata(cells, n)
        _warm(adata, "aucell", "decoupler==2.x")
        dc.mt.aucell(adata[:20].copy(), net, verbose=False)
        mine = timed(partial(ours, adata, "aucell", "decoupler==2.x"), repeat=3)
        peer = timed(partial(dc.mt.aucell, adata, net, verbose=False))
        exact = ours(adata, "aucell", "decoupler==2.x")
        note = f"{mine.cpu / n * 1e6:.1f} against {peer.cpu / n * 1e6:.0f} us a cell; " + _gap(
            exact, adata.obsm["score_aucell"][list(SETS)]
        )
        rows.append(
            at_least("exact AUCell against decoupler", n, peer.cpu / mine.cpu, "x", 40, note)
        )
    return rows


def ssgsea(folder: Path, *, quick: bool) -> list[Row]:
    import gseapy

    n, n_peer = (500, 10) if quick else (5_000, 60)
    adata = data.counts_adata(data.pool(folder, 2_000 if quick else 8_192), n)
    _warm(adata, "ssgsea", "gseapy==1.3.x")
    mine = timed(partial(ours, adata, "ssgsea", "gseapy==1.3.x"), repeat=3)
    frame = adata[:n_peer].to_df().T.astype(float)
    kept = []

    def run_peer() -> None:
        kept.append(
            gseapy.ssgsea(
                frame, SETS, outdir=None, min_size=1, max_size=1_000, threads=1, no_plot=True
            )
        )

    peer = timed(run_peer)
    theirs = (
        kept[0]
        .res2d.pivot_table(index="Name", columns="Term", values="ES", aggfunc="first")
        .astype(float)
    )
    exact = ours(adata[:n_peer].copy(), "ssgsea", "gseapy==1.3.x")
    per_cell, per_cell_peer = mine.cpu / n * 1e6, peer.cpu / n_peer * 1e6
    theirs = theirs.loc[adata.obs_names[:n_peer], exact.columns]
    relative = np.abs(exact.to_numpy() / theirs.to_numpy() - 1).max()
    note = (
        f"{per_cell:.1f} against {per_cell_peer:,.0f} us a cell; the peer on {n_peer} cells, its "
        f"cost a cell extrapolated; largest relative difference {relative:.1g} (float32 output)"
    )
    return [at_least("exact ssGSEA against gseapy", n, per_cell_peer / per_cell, "x", 500, note)]


def _thirty_calls(adata) -> None:
    import scanpy as sc

    for name, genes in SETS.items():
        sc.tl.score_genes(adata, genes, score_name=name)


def score_genes(folder: Path, *, quick: bool) -> list[Row]:
    cells = data.pool(folder, 2_000 if quick else 8_192)
    rows = []
    for n in (2_000,) if quick else (5_000, 20_000, 100_000):
        adata = data.lognorm_adata(cells, n)
        _warm(adata, "score_genes")
        mine = timed(partial(ours, adata, "score_genes"), repeat=2)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = timed(partial(_thirty_calls, adata))
        note = (
            f"{mine.cpu / n * 1e6:.1f} against {peer.cpu / n * 1e6:.0f} us a cell, "
            "30 calls; float32 input"
        )
        what, ratio = "score_genes against scanpy", peer.cpu / mine.cpu
        rows.append(
            at_least(what, n, ratio, "x", 20, note)
            if n == 100_000
            else Row(what, n, ratio, "x", note=note)
        )
    return rows


def threads(folder: Path, *, quick: bool) -> list[Row]:
    n = 5_000 if quick else 50_000
    adata = data.counts_adata(data.pool(folder, 2_000 if quick else 8_192), n)
    _warm(adata, RANK)
    one, two = (
        timed(lambda k=k: sen.score(adata, RESOLVED, methods=RANK, n_threads=k), repeat=3)
        for k in (1, 2)
    )
    first, second = (first_calls(adata, 3, n_threads=k) for k in (1, 2))
    return [
        Row("two threads against one, wall time, four rank scores", n, one.wall / two.wall, "x"),
        at_least(
            "two threads against one, wall time, ucell, first call",
            n,
            first.wall / second.wall,
            "x",
            1.8,
        ),
    ]
