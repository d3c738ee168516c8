"""The report of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from senoscore import names as k
from senoscore.run.log import logged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from senoscore.run.layout import DatasetFiles


__all__ = ["report"]


@logged
def report(
    datasets: Sequence[DatasetFiles],
    samples: Path,
    config: Mapping[str, Any],
    *,
    sheet: Path,
    signatures: Path,
    tables: Sequence[Path],
    out: Path,
    provenance_out: Path,
    figures: Path,
    benchmarks: Path | None = None,
) -> None:
    """Write provenance, the page and its figures.

    Times differ from run to run: where ``SOURCE_DATE_EPOCH`` asks for the same bytes each time,
    the page has no table of jobs.
    """
    from senoscore.genesets import SignatureSet
    from senoscore.ingest import source_files
    from senoscore.report import RunFiles, provenance, render
    from senoscore.study import read_datasets, read_samples

    names = [data.name for data in datasets]
    rows = read_datasets(sheet).set_index(k.DATASET).loc[names]
    sources = [
        file
        for path, kind in zip(rows["path"], rows["format"], strict=True)
        for file in sorted(source_files(path, format=kind))
    ]
    resolved = SignatureSet.read(signatures)
    record = provenance.collect(
        config=config,
        inputs=[sheet, samples, *sources],
        signatures={"sha256": resolved.sha256, "n": len(resolved)},
        seeds={"score": config["score"]["seed"], "qc": config["qc"]["seed"]},
    )
    provenance.write(record, provenance_out)
    files = RunFiles(
        tables={path.stem: path for path in tables},
        of_datasets={
            "coverage": {data.name: data["coverage"] for data in datasets},
            "qc": {data.name: data["qc_samples"] for data in datasets},
            "genes": {data.name: data["genes"] for data in datasets},
            "facts": {data.name: data["facts"] for data in datasets},
        },
        folder=out.parent,
    )
    render(
        files,
        out,
        title=config["report"]["title"],
        samples=read_samples(samples),
        provenance=record,
        figures=figures,
        benchmarks=None if os.environ.get("SOURCE_DATE_EPOCH") else benchmarks,
    )
