"""Score signatures in every cell: in memory, or from a file that never fits."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import atomic_path, track
from senoscore.scoring.among_random import kept_signatures
from senoscore.scoring.engine import Run, cpus
from senoscore.scoring.inputs import NotPlainError, from_anndata, from_file, from_frame
from senoscore.scoring.methods import METHODS, check_methods

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.genesets import Gate


__all__ = ["first_pass", "score", "score_file"]

log = logging.getLogger(__name__)

_BLOCK: Final = 4096
_MIN_CELLS_DEPTH: Final = 50
_MIN_RANGE_DEPTH: Final = 0.5
"""Cells, and natural logs between the shallowest and the deepest, that a comparison needs."""

_DEPTH_RATIO: Final = 1.6
"""Sums of log1p of counts spread half as far as the counts; those of scaled cells not at all."""


def score(
    data: AnnData | pd.DataFrame,
    signatures: Any,
    *,
    methods: str | Iterable[str] = "ucell",
    layer: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
    exact: str | Mapping[str, str] | None = None,
    gate: Gate | None = None,
    null: int = 0,
    seed: int = 0,
    block_size: int = _BLOCK,
    n_threads: int | None = None,
) -> AnnData | pd.DataFrame | None:
    """Score signatures in every cell or sample.

    Parameters
    ----------
    data
        Cells x genes: an AnnData in memory, backed or lazy, or a DataFrame (samples x genes).
        Values are counts, log-normalised, or linear (TPM, intensities), finite and not negative.
        Which of them is stated by ``uns["senoscore"]["values"]``, and then checked, or detected
        from all cells, and noted in the result.
    signatures
        Anything that :func:`senoscore.signatures` takes: a name, a path, a dict, a set.
    methods
        One name or several of :func:`senoscore.methods`. Rank scores asked for together are
        computed in one pass over the cells.
    layer
        Layer to score; ``"raw"`` is the matrix of ``data.raw``.
    key_added
        Key in ``obsm`` instead of ``score_<method>``; with several methods the beginning of it.
    copy
        Leave the AnnData as it is and return a new one with the scores.
    exact
        Reproduce an implementation: ``"pyucell==0.8.0"``, ``"ucell-r"``, ``"decoupler==2.x"``,
        ``"gseapy==1.3.x"``, ``"scanpy==1.x"``; a dict gives one per method. Exact are the
        scores of each gene list; up and down lists are combined as always, never clipped.
    gate
        How much of a gene list must be found for it to be scored (else NaN).
    null
        Number R of random sets per gene list, of its size and matched on mean expression, to
        place each score: z against their mean and standard deviation, and the empirical
        p = (1 + sets that score at least as high) / (R + 1), never below 1 / (R + 1). Where all
        random sets of a cell score the same (in shallow cells often 0), there is no spread to
        measure by: z is NaN, and p still says how many of them are as high. A warning says how
        often, and ``uns["senoscore"]["score"][method]["null_without_z"]``.
        All sets are scored in the same pass: with 30 signatures, R = 100 was measured to cost
        about 14 times UCell alone, not 100 times.
    seed
        Of random sets and drawn control genes.
    block_size
        Cells scored at a time. Changes no result.
    n_threads
        Threads over the cells of a block; None: the CPUs this process may use. Changes no
        result.

    Returns
    -------
    None, with these set on the AnnData (or a copy of it returned):

    ``adata.obsm["score_<method>"]`` : DataFrame (float32), n_obs x score columns
        ``x`` for a signature; ``x_up`` and ``x_down`` besides if it has both directions, then
        ``x`` = up - down. NaN where the gate failed.
    ``adata.obsm["score_<method>_z"]``, ``adata.obsm["score_<method>_p"]``
        With ``null``.
    ``adata.obs["n_counts"]``
        Counts of each cell, if the values are counts and obs has neither ``n_counts`` nor
        ``total_counts``: calibration compares cells at equal depth.
    ``adata.uns["senoscore"]["score"]``
        Per method what was done; ``adata.uns["senoscore"]["coverage"]`` what genes were found.

    For a DataFrame: a DataFrame with columns ``<method>:<x>``, ``<method>_z:<x>``, ...

    Raises
    ------
    InputError
        No such layer; names not unique; no gene of any signature found; a value that is negative
        (scaled data), NaN, infinite or masked; truth values; counts and log values in one
        matrix; or values that are not of the kind stated.
    MethodError
        Unknown method, or an exact mode or null calibration that it does not have.
    SignatureError
        The signatures are invalid.

    Examples
    --------
    >>> sen.score(adata, sen.signatures("senmayo", "fridman"), key_added="few")
    >>> list(adata.obsm["few"])
    ['senmayo', 'fridman_up', 'fridman_down', 'fridman']

    Gene sets of your own go the same way:

    >>> arrest = {"arrest": {"up": ["CDKN1A", "CDKN2B"], "down": ["MKI67"]}}
    >>> sen.score(adata, arrest, gate=sen.Gate(min_genes=1), key_added="own")
    >>> list(adata.obsm["own"])
    ['arrest_up', 'arrest_down', 'arrest']
    """
    methods = check_methods(methods)
    is_frame = isinstance(data, pd.DataFrame)
    if is_frame and layer is not None:
        raise InputError("a DataFrame has no layers", fix="leave layer out")
    threads = cpus() if n_threads is None else max(n_threads, 1)
    if isinstance(data, pd.DataFrame):
        matrix = from_frame(data, threads)
    else:
        # Rank scores need to know nothing of other cells: one pass over the memory is enough.
        alone = exact is None and null == 0 and all(METHODS[name].looks for name in methods)
        matrix = from_anndata(data, layer, threads, while_scoring=alone)
    call = (matrix, signatures, methods, exact, gate, null, seed, block_size, n_threads)
    try:
        run = Run(*call, reference=None)
        scores = run.collect(None)
    except NotPlainError:
        matrix.look()
        run = Run(*call, reference=None)
        scores = run.collect(None)
    if isinstance(data, pd.DataFrame):
        named = {f"{key}{k.SEP}{name}": scores[key][name] for key in scores for name in scores[key]}
        return pd.DataFrame(named, index=data.index)
    target = data.copy() if copy else data
    for method in run.methods:  # what was placed among random sets were other scores
        for suffix in ("_z", "_p"):
            target.obsm.pop(_obsm_key(method + suffix, run.methods, key_added), None)
    for key, table in scores.items():
        target.obsm[_obsm_key(key, run.methods, key_added)] = pd.DataFrame(
            table, index=pd.Index(target.obs_names)
        )
    if matrix.is_counts and not set(k.DEPTH) & set(target.obs):
        target.obs[k.DEPTH[0]] = np.rint(matrix.totals()).astype(np.int64)
    elif matrix.is_counts:
        _compare_depth(target, matrix.totals())
    entry = dict(target.uns.get(k.UNS, {}))
    entry["score"] = {**entry.get("score", {}), **run.record(layer)}
    entry["coverage"] = run.coverage
    # Calibration may have to score random sets of them later, where a compartment has no control.
    genes = kept_signatures(run.sigs)
    entry["signatures"] = {**entry.get("signatures", {}), **dict.fromkeys(run.methods, genes)}
    target.uns[k.UNS] = entry
    return target if copy else None


def _compare_depth(adata: AnnData, total: NDArray[np.float64]) -> None:
    """Warn where the depth that ``obs`` states is not that of the counts: of logs, or scaled.

    On log scales the two spread about alike, also where genes were left out after the counting.
    """
    column = next(name for name in k.DEPTH if name in adata.obs)
    stated = pd.to_numeric(adata.obs[column].astype(object), errors="coerce").to_numpy(np.float64)
    use = np.isfinite(stated) & (stated > 0) & (total > 0)
    x, y = np.log(total[use]), np.log(stated[use])
    if len(x) < _MIN_CELLS_DEPTH or np.ptp(x) < _MIN_RANGE_DEPTH:
        return
    ratio = float(np.std(y) / np.std(x))
    if not 1 / _DEPTH_RATIO <= ratio <= _DEPTH_RATIO:
        log.warning(
            "obs[%r] does not follow the counts that were scored (on log scales it spreads %.2f "
            "times as far): calibration compares cells at this depth; if it was made from "
            "normalised or log values, drop the column and score again",
            column, ratio,
        )  # fmt: skip


def _obsm_key(key: str, methods: tuple[str, ...], key_added: str | None) -> str:
    if key_added is None:
        return k.OBSM_SCORE.format(method=key)
    if len(methods) == 1:
        return key_added + key.removeprefix(methods[0])
    return f"{key_added}_{key}"


def score_file(
    path: str | Path,
    signatures: Any,
    *,
    methods: str | Iterable[str] = "ucell",
    out: str | Path,
    coverage_out: str | Path | None = None,
    exact: str | Mapping[str, str] | None = None,
    gate: Gate | None = None,
    null: int = 0,
    null_for: Mapping[str, Iterable[str]] | None = None,
    seed: int = 0,
    rows: slice | None = None,
    controls: str | Path | None = None,
    block_size: int = _BLOCK,
    n_threads: int | None = None,
) -> None:
    """Score the cells of an .h5ad file block by block and write the scores as Parquet.

    The next block is read while one is scored. Memory stays at a few blocks, whatever the
    number of cells; row groups of the result are the blocks.

    Parameters
    ----------
    path
        Canonical .h5ad; X is scored.
    signatures, methods, exact, gate, null, seed, block_size, n_threads
        As in :func:`score`.
    null_for
        Method -> signatures to calibrate against random sets; None calibrates all of them.
    out
        Parquet file: ``cell``, ``sample`` if the file names samples, then float32 columns
        ``<method>:<x>`` (and ``<method>_z:<x>``, ``<method>_p:<x>``). Written whole or not at
        all.
    coverage_out
        TSV file of the genes found: ``dataset``, then the columns of the coverage table.
    rows
        Score these cells only (a shard). What depends on all cells is still of all cells.
    controls
        File (.npz) of the first pass over all cells, which control genes, z-scores, random sets
        and the exact AUCell need. Made if it is not there, reused if it is.

    Raises
    ------
    InputError, MethodError, SignatureError
        As in :func:`score`; also if ``controls`` is of another matrix.
    """
    matrix = from_file(path, cpus() if n_threads is None else max(n_threads, 1))
    run = Run(
        matrix, signatures, methods, exact, gate, null, seed, block_size, n_threads,
        reference=None if controls is None else Path(controls), null_for=null_for,
    )  # fmt: skip
    samples = _samples(Path(path))
    _write_scores(run, samples, rows, Path(out))
    if coverage_out is not None:
        _write_coverage(run, Path(path), coverage_out)


def first_pass(
    path: str | Path,
    signatures: Any,
    *,
    methods: str | Iterable[str] = "ucell",
    out: str | Path,
    coverage_out: str | Path | None = None,
    exact: str | Mapping[str, str] | None = None,
    gate: Gate | None = None,
    null: int = 0,
    null_for: Mapping[str, Iterable[str]] | None = None,
    seed: int = 0,
    block_size: int = _BLOCK,
    n_threads: int | None = None,
) -> None:
    """Make what scores need to know of all cells, for pieces that are scored apart.

    Parameters
    ----------
    path, signatures, methods, coverage_out, exact, gate, null, null_for, seed
        As in :func:`score_file`.
    block_size, n_threads
        As in :func:`score_file`.
    out
        The file to make; pass it to :func:`score_file` as ``controls``. The limits of JASMINE
        go beside it (``.jasmine.npz``). Nothing is written where no method needs it.

    Raises
    ------
    InputError, MethodError, SignatureError
        As in :func:`score_file`.
    """
    run = Run(
        from_file(path), signatures, methods, exact, gate, null, seed, block_size, n_threads,
        reference=Path(out), null_for=null_for,
    )  # fmt: skip
    if coverage_out is not None:
        _write_coverage(run, Path(path), coverage_out)


def _write_coverage(run: Run, path: Path, out: str | Path) -> None:
    from senoscore.io import write_tsv

    coverage = run.coverage.copy()
    coverage.insert(0, k.DATASET, path.name.removesuffix(".h5ad"))
    write_tsv(coverage, out)


def _write_scores(run: Run, samples: pd.Series | None, rows: slice | None, out: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from senoscore.io import parquet_options

    names = run.matrix.obs_names
    with atomic_path(out) as temporary:
        writer = None
        try:
            n_cells = len(names[slice(None) if rows is None else rows])
            blocks = track(
                run.blocks(rows), "cells scored", total=n_cells, size=lambda b: b[1] - b[0]
            )
            for start, stop, scores in blocks:
                columns: dict[str, Any] = {
                    k.CELL: pa.array(names[start:stop].astype(str).tolist(), pa.string())
                }
                if samples is not None:
                    sample = samples.iloc[start:stop].astype(str).tolist()
                    columns[k.SAMPLE] = pa.array(sample, pa.string())
                for key, table in scores.items():
                    columns |= {f"{key}{k.SEP}{name}": table[name] for name in table}
                block = pa.table(columns)
                if writer is None:
                    writer = pq.ParquetWriter(
                        temporary, block.schema, **parquet_options(block.schema)
                    )
                writer.write_table(block)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            msg = f"{run.matrix.where}: no cells in rows {rows}"
            raise InputError(msg, fix="choose rows within the matrix")


def _samples(path: Path) -> pd.Series | None:
    """``obs["sample"]`` of a file, None if it has none."""
    import h5py

    from senoscore.io import read_stored

    with h5py.File(path) as file:
        if k.SAMPLE not in file["obs"]:
            return None
        return pd.Series(np.asarray(read_stored(file["obs"][k.SAMPLE])).astype(object))
