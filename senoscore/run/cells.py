"""From an input file to one row a cell: canonical matrix, quality, compartment, scores."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import (
    H5_ERRORS,
    damaged,
    find_layer,
    open_h5,
    read_parquet,
    remake,
    stored_facts,
    write_facts,
    write_parquet,
    write_tsv,
)
from senoscore.run.log import logged
from senoscore.run.tables import facts, panel_method, panel_of
from senoscore.scoring import gather_parquet, shard_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from senoscore.genesets import SignatureSet
    from senoscore.run.layout import DatasetFiles


__all__ = [
    "compartments",
    "gather",
    "ingest",
    "qc",
    "score",
    "scoring",
    "shard",
    "substates",
    "survey",
]

log = logging.getLogger(__name__)


@logged
def ingest(
    row: Mapping[str, Any],
    samples: Path,
    config: Mapping[str, Any],
    *,
    out: Path,
    genes_out: Path,
    facts_out: Path,
) -> None:
    """Write the canonical matrix of a dataset, what its genes became, and what it is."""
    from senoscore.ingest import ingest as run
    from senoscore.study import read_samples

    known = read_samples(samples)[k.SAMPLE].tolist()
    found = run(
        row,
        samples=known,
        out=out,
        genes_out=genes_out,
        max_bytes=int(config["ingest"]["max_gb"] * 1e9),
    )
    write_facts(stored_facts(out), facts_out)
    log.info("%s", found)


@logged
def qc(data: DatasetFiles, config: Mapping[str, Any], *, out: Path, samples_out: Path) -> None:
    """Write quality per cell and per sample."""
    from senoscore.cells import quality

    with _matrix(data) as adata:
        cells, samples = quality(adata, **config["qc"])
    out.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(cells, out)
    write_tsv(samples.assign(dataset=data.name), samples_out, float_format="%.6g")
    log.info("%d of %d cells kept", int(cells[k.KEEP].sum()), len(cells))


@logged
def compartments(
    data: DatasetFiles, samples: Path, config: Mapping[str, Any], *, out: Path
) -> None:
    """Write the compartment of every cell."""
    from senoscore.cells import assign_compartments
    from senoscore.study import read_samples

    with _matrix(data) as adata:
        column = "compartment_input" if "compartment_input" in adata.obs else None
        table = assign_compartments(adata, column=column, **config["compartments"])
        table.insert(1, k.SAMPLE, adata.obs[k.SAMPLE].astype(str).to_numpy(dtype=object))
    if (table["compartment_source"].isin(k.PROFILES)).all():
        stated = read_samples(samples).set_index(k.SAMPLE)[k.COMPARTMENT]
        stated_of = table[k.SAMPLE].map(stated).fillna("")
        table[k.COMPARTMENT] = stated_of.where(stated_of != "", k.BULK)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(table, out)
    log.info("%s", table[k.COMPARTMENT].value_counts().to_dict())


@logged
def substates(datasets: Sequence[DatasetFiles], config: Mapping[str, Any], *, out: Path) -> None:
    """Write the shares of sub-states in the kept cells of every sample and compartment."""
    import pandas as pd

    from senoscore.cells import read_substates, substate_shares

    tables = []
    for data in datasets:
        quality = read_parquet(data["qc"], columns=[k.CELL, k.KEEP])
        cells = read_parquet(data["compartments"])
        if not cells[k.CELL].equals(quality[k.CELL]):
            msg = f"dataset {data.name}: qc and compartments are not of the same cells"
            raise InputError(msg, fix="delete results/cells and run again")
        tables.append(cells.assign(dataset=data.name, keep=quality[k.KEEP]))
    shares = substate_shares(
        pd.concat(tables, ignore_index=True),
        read_substates(config["compartments"]["substates"]),
        min_cells=config["burden"]["min_cells"],
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_tsv(shares, out, float_format="%.6g")


@logged
def score(
    data: DatasetFiles,
    config: Mapping[str, Any],
    *,
    signatures: Path,
    panel: Path | None,
    out: Path,
    coverage_out: Path,
    threads: int,
) -> None:
    """Write scores of every cell, and the coverage of every signature."""
    from senoscore.scoring import score_file

    sigs, options, null_for = scoring(data, config, signatures=signatures, panel=panel)
    out.parent.mkdir(parents=True, exist_ok=True)
    score_file(
        data["matrix"],
        sigs,
        out=out,
        coverage_out=coverage_out,
        null_for=null_for,
        n_threads=threads,
        **options,
    )


def scoring(
    data: DatasetFiles, config: Mapping[str, Any], *, signatures: Path, panel: Path | None
) -> tuple[SignatureSet, dict[str, Any], dict[str, list[str]]]:
    """Signatures of a dataset, the scorer's options, and what to place among random sets."""
    from senoscore.genesets import Gate, SignatureSet
    from senoscore.genesets import signatures as collect

    settings = config["score"]
    sigs = collect(SignatureSet.read(signatures), organism=facts(data)["organism"])
    rules = panel_of(panel, config)
    method = panel_method(data, rules, config)
    options = {
        "methods": list(dict.fromkeys([*settings["methods"], method])),
        "gate": Gate(**config["gate"]),
        "null": settings["null_sets"],
        "seed": settings["seed"],
        "block_size": settings["block_cells"],
    }
    return sigs, options, {method: [name for name in rules.signatures if name in sigs]}


@contextmanager
def _matrix(data: DatasetFiles) -> Iterator[Any]:
    """The canonical matrix, its values left in the file."""
    import anndata as ad
    import hdf5plugin  # noqa: F401 - registers the codec of the canonical matrix

    path = data["matrix"]
    if not path.is_file():
        msg = f"{path} not found"
        raise InputError(msg, fix=f"run senoscore ingest --dataset {data.name}")
    try:
        adata = ad.read_h5ad(path, backed="r")
    except H5_ERRORS as error:
        raise damaged(path, error, fix=remake(path)) from error
    try:
        yield adata
    finally:
        adata.file.close()


@logged
def survey(
    data: DatasetFiles,
    config: Mapping[str, Any],
    *,
    signatures: Path,
    panel: Path | None,
    out: Path,
    coverage_out: Path,
    threads: int,
) -> None:
    """Write what every piece must know of all cells, and the coverage of every signature."""
    from senoscore.scoring import first_pass

    sigs, options, null_for = scoring(data, config, signatures=signatures, panel=panel)
    out.mkdir(parents=True, exist_ok=True)
    first_pass(
        data["matrix"],
        sigs,
        out=out / "genes.npz",
        coverage_out=coverage_out,
        null_for=null_for,
        n_threads=threads,
        **options,
    )


@logged
def shard(
    data: DatasetFiles,
    config: Mapping[str, Any],
    *,
    signatures: Path,
    panel: Path | None,
    first_pass: Path,
    out: Path,
    part: int,
    of: int,
    threads: int,
) -> None:
    """Write the scores of the cells of one piece."""
    from senoscore.scoring import score_file

    out.parent.mkdir(parents=True, exist_ok=True)
    n_cells = _n_cells(data["matrix"])
    rows = shard_rows(n_cells, part=part, of=of, block_cells=config["score"]["block_cells"])
    log.info("cells %d to %d of %d", rows.start, rows.stop, n_cells)
    if rows.start == rows.stop:  # fewer blocks than pieces
        write_parquet(pd.DataFrame(), out)
        return
    sigs, options, null_for = scoring(data, config, signatures=signatures, panel=panel)
    score_file(
        data["matrix"],
        sigs,
        out=out,
        null_for=null_for,
        rows=rows,
        controls=first_pass / "genes.npz",
        n_threads=threads,
        **options,
    )


@logged
def gather(data: DatasetFiles, shards: Sequence[Path], *, out: Path) -> None:
    """Write the pieces, in order, as one file: the bytes that one job would have written."""
    gather_parquet(list(shards), out, n_rows=_n_cells(data["matrix"]))
    log.info("%d pieces gathered", len(shards))


def _n_cells(matrix: Path) -> int:
    with open_h5(matrix, fix=remake(matrix)) as file:
        return find_layer(file, None).n_rows
