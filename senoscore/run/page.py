"""The report of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senoscore import names as k
from senoscore.run.log import logged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from senoscore.run.layout import Layout


__all__ = ["report"]


@logged
def report(
    datasets: Sequence[str],
    samples: Path,
    config: Mapping[str, Any],
    layout: Layout,
    *,
    benchmarks: Path | None = None,
) -> None:
    """Write provenance, the page and its figures.

    Times differ from run to run: where ``SOURCE_DATE_EPOCH`` asks for the same bytes each time,
    the page has no table of jobs.
    """
    from senoscore.genesets import SignatureSet
    from senoscore.report import provenance, render
    from senoscore.study import read_datasets, read_samples

    sheet = read_datasets(config["datasets"]).set_index(k.DATASET).loc[list(datasets)]
    resolved = SignatureSet.read(layout.signatures)
    record = provenance.collect(
        config=config,
        inputs=[Path(config["datasets"]), samples, *map(Path, sheet["path"])],
        signatures={"sha256": resolved.sha256, "n": len(resolved)},
        seeds={"score": config["score"]["seed"], "qc": config["qc"]["seed"]},
    )
    provenance.write(record, layout.results / "provenance.json")
    render(
        layout.results,
        layout.report,
        title=config["report"]["title"],
        samples=read_samples(samples),
        datasets=datasets,
        provenance=record,
        figures=layout.results / "figures",
        benchmarks=None if os.environ.get("SOURCE_DATE_EPOCH") else benchmarks,
    )
