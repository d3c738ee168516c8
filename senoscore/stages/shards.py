"""A large dataset scored in pieces: a first pass over all cells, the pieces, one file of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from senoscore._atomic import remake
from senoscore.io._h5 import open_h5
from senoscore.io.blocks import find_layer
from senoscore.io.shards import gather_parquet, shard_rows
from senoscore.io.tables import write_parquet
from senoscore.stages.cells import scoring

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from senoscore.layout import Layout

__all__ = ["gather", "shard", "survey"]

log = logging.getLogger(__name__)


def survey(dataset: str, config: Mapping[str, Any], layout: Layout, *, threads: int) -> None:
    """Write what every piece must know of all cells, and the coverage of every signature."""
    from senoscore._score import first_pass

    sigs, options, null_for = scoring(dataset, config, layout)
    folder = layout.first_pass(dataset)
    folder.mkdir(parents=True, exist_ok=True)
    first_pass(
        layout.matrix(dataset),
        sigs,
        out=folder / "genes.npz",
        coverage_out=layout.coverage(dataset),
        null_for=null_for,
        n_threads=threads,
        **options,
    )


def shard(
    dataset: str,
    config: Mapping[str, Any],
    layout: Layout,
    *,
    part: int,
    of: int,
    threads: int,
) -> None:
    """Write the scores of the cells of one piece."""
    from senoscore._score import score_file

    out = layout.shard(dataset, part=part, of=of)
    out.parent.mkdir(parents=True, exist_ok=True)
    n_cells = _n_cells(layout.matrix(dataset))
    rows = shard_rows(n_cells, part=part, of=of, block_cells=config["score"]["block_cells"])
    log.info("cells %d to %d of %d", rows.start, rows.stop, n_cells)
    if rows.start == rows.stop:  # fewer blocks than pieces
        write_parquet(pd.DataFrame(), out)
        return
    sigs, options, null_for = scoring(dataset, config, layout)
    score_file(
        layout.matrix(dataset),
        sigs,
        out=out,
        null_for=null_for,
        rows=rows,
        controls=layout.first_pass(dataset) / "genes.npz",
        n_threads=threads,
        **options,
    )


def gather(dataset: str, layout: Layout, *, of: int) -> None:
    """Write the pieces as one file: the bytes that one job would have written."""
    parts = [layout.shard(dataset, part=part, of=of) for part in range(of)]
    gather_parquet(parts, layout.scores(dataset), n_rows=_n_cells(layout.matrix(dataset)))
    log.info("%d pieces gathered", of)


def _n_cells(matrix: Path) -> int:
    with open_h5(matrix, fix=remake(matrix)) as file:
        return find_layer(file, None).n_rows
