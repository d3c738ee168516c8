"""From an input file to one row a cell: canonical matrix, quality, compartment, scores."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from senoscore import _keys as k
from senoscore._atomic import remake
from senoscore.errors import InputError
from senoscore.io._h5 import H5_ERRORS, damaged
from senoscore.io.tables import read_parquet, write_parquet, write_tsv
from senoscore.stages._tables import facts, panel_method, panel_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from senoscore._signatures import SignatureSet
    from senoscore.layout import Layout

__all__ = ["compartments", "ingest", "qc", "score", "scoring", "substates"]

log = logging.getLogger(__name__)


def ingest(
    row: Mapping[str, Any], samples: Path, config: Mapping[str, Any], layout: Layout
) -> None:
    """Write the canonical matrix of a dataset and what its genes became."""
    from senoscore.design import read_samples
    from senoscore.ingest import ingest as run

    known = read_samples(samples)[k.SAMPLE].tolist()
    name = str(row[k.DATASET])
    found = run(
        row,
        samples=known,
        out=layout.matrix(name),
        genes_out=layout.genes(name),
        max_bytes=int(config["ingest"]["max_gb"] * 1e9),
    )
    log.info("%s", found)


def qc(dataset: str, config: Mapping[str, Any], layout: Layout) -> None:
    """Write quality per cell and per sample."""
    from senoscore._qc import qc as run

    with _matrix(dataset, layout) as adata:
        cells, samples = run(adata, **config["qc"])
    layout.qc(dataset).parent.mkdir(parents=True, exist_ok=True)
    write_parquet(cells, layout.qc(dataset))
    write_tsv(samples.assign(dataset=dataset), layout.qc_samples(dataset), float_format="%.6g")
    log.info("%d of %d cells kept", int(cells[k.KEEP].sum()), len(cells))


def compartments(dataset: str, samples: Path, config: Mapping[str, Any], layout: Layout) -> None:
    """Write the compartment of every cell."""
    from senoscore._compartments import compartments as run
    from senoscore.design import read_samples

    with _matrix(dataset, layout) as adata:
        column = "compartment_input" if "compartment_input" in adata.obs else None
        table = run(adata, column=column, **config["compartments"])
        table.insert(1, k.SAMPLE, adata.obs[k.SAMPLE].astype(str).to_numpy(dtype=object))
    if (table["compartment_source"].isin(["bulk", "array"])).all():
        stated = read_samples(samples).set_index(k.SAMPLE)[k.COMPARTMENT]
        own = table[k.SAMPLE].map(stated).fillna("")
        table[k.COMPARTMENT] = own.where(own != "", k.BULK)
    write_parquet(table, layout.compartments(dataset))
    log.info("%s", table[k.COMPARTMENT].value_counts().to_dict())


def substates(datasets: Sequence[str], config: Mapping[str, Any], layout: Layout) -> None:
    """Write the shares of sub-states in the kept cells of every sample and compartment."""
    import pandas as pd

    from senoscore._compartments import read_substates, substate_shares

    tables = []
    for dataset in datasets:
        quality = read_parquet(layout.qc(dataset), columns=[k.CELL, k.KEEP])
        cells = read_parquet(layout.compartments(dataset))
        if not cells[k.CELL].equals(quality[k.CELL]):
            msg = f"dataset {dataset}: qc and compartments are not of the same cells"
            raise InputError(msg, fix="delete results/cells and run again")
        tables.append(cells.assign(dataset=dataset, keep=quality[k.KEEP]))
    shares = substate_shares(
        pd.concat(tables, ignore_index=True),
        read_substates(config["compartments"]["substates"]),
        min_cells=config["burden"]["min_cells"],
    )
    layout.summary("substates").parent.mkdir(parents=True, exist_ok=True)
    write_tsv(shares, layout.summary("substates"), float_format="%.6g")


def score(dataset: str, config: Mapping[str, Any], layout: Layout, *, threads: int) -> None:
    """Write scores of every cell, and the coverage of every signature."""
    from senoscore._score import score_file

    sigs, options, null_for = scoring(dataset, config, layout)
    layout.scores(dataset).parent.mkdir(parents=True, exist_ok=True)
    score_file(
        layout.matrix(dataset),
        sigs,
        out=layout.scores(dataset),
        coverage_out=layout.coverage(dataset),
        null_for=null_for,
        n_threads=threads,
        **options,
    )


def scoring(
    dataset: str, config: Mapping[str, Any], layout: Layout
) -> tuple[SignatureSet, dict[str, Any], dict[str, list[str]]]:
    """Signatures of a dataset, the scorer's options, and what to place among random sets."""
    from senoscore._signatures import Gate, SignatureSet
    from senoscore._signatures import signatures as collect

    settings = config["score"]
    sigs = collect(
        SignatureSet.read(layout.signatures), organism=facts(dataset, layout)["organism"]
    )
    panel = panel_of(None, config)
    method = panel_method(dataset, panel, config, layout)
    options = {
        "methods": list(dict.fromkeys([*settings["methods"], method])),
        "gate": Gate(**config["gate"]),
        "null": settings["null_sets"],
        "seed": settings["seed"],
        "block_size": settings["block_cells"],
    }
    return sigs, options, {method: [name for name in panel.signatures if name in sigs]}


@contextmanager
def _matrix(dataset: str, layout: Layout) -> Iterator[Any]:
    """The canonical matrix, its values left in the file."""
    import anndata as ad
    import hdf5plugin  # noqa: F401 - registers the codec of the canonical matrix

    path = layout.matrix(dataset)
    if not path.is_file():
        msg = f"{path} is not there"
        raise InputError(msg, fix=f"run senoscore ingest --dataset {dataset}")
    try:
        adata = ad.read_h5ad(path, backed="r")
    except H5_ERRORS as error:
        raise damaged(path, error, fix=remake(path)) from error
    try:
        yield adata
    finally:
        adata.file.close()
