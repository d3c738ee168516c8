"""Pseudobulk profiles of a run, the genes that change in them, and the sets these belong to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from senoscore import _keys as k
from senoscore.io.atomic import atomic_path
from senoscore.io.tables import read_tsv, write_parquet, write_tsv
from senoscore.progress import progress
from senoscore.stages._tables import cell_table, facts
from senoscore.stages.summary import TEXT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from senoscore._signatures import SignatureSet
    from senoscore.layout import Layout

__all__ = ["pseudobulk"]

log = logging.getLogger(__name__)


def pseudobulk(
    datasets: Sequence[str], samples: Path, config: Mapping[str, Any], layout: Layout
) -> None:
    """Write summed counts with their scores, contrasts of genes, and enrichment of signatures."""
    from senoscore._pseudobulk import pseudobulk as run
    from senoscore._pseudobulk_de import COLUMNS, GENE_COLUMNS, differential
    from senoscore._pseudobulk_enrichment import enrichment
    from senoscore._pseudobulk_scores import COLUMNS as SCORE_COLUMNS
    from senoscore._pseudobulk_scores import pseudobulk_scores
    from senoscore._signatures import Gate
    from senoscore.design import read_samples

    kinds = {dataset: str(facts(dataset, layout)["values"]) for dataset in datasets}
    counted = [dataset for dataset in datasets if kinds[dataset] == k.COUNTS]
    refused = [
        {"status": "skipped", "reason": f"data set {name}: values are {kind}, not counts"}
        for name, kind in kinds.items()
        if kind != k.COUNTS
    ]
    contrasts = pd.DataFrame(columns=list(COLUMNS))
    genes = pd.DataFrame(columns=list(GENE_COLUMNS))
    scores = pd.DataFrame(columns=list(SCORE_COLUMNS))
    sets: dict[str, list[str]] = {}
    if counted:
        with progress("pseudobulk: sums, genes, scores", 3) as done:
            sheet = read_samples(samples)
            needed = [k.DATASET, k.SAMPLE, k.COMPARTMENT, k.KEEP]
            cells = pd.concat(
                [cell_table(name, sheet, layout)[needed] for name in counted], ignore_index=True
            )
            burden = read_tsv(layout.summary("burden"), dtype=TEXT_COLUMNS)
            profiles = run({name: layout.matrix(name) for name in counted}, cells, burden)
            with atomic_path(layout.pseudobulk) as temporary:
                profiles.write_h5ad(temporary, compression="gzip")
            done(1)
            contrasts, genes = differential(
                profiles,
                control=config["control_treatment"],
                min_cells=config["burden"]["min_cells"],
                fdr=config["trend"]["fdr"],
            )
            done(1)
            signatures = _signatures(counted, layout)
            scores = pseudobulk_scores(
                profiles, signatures, min_cells=config["burden"]["min_cells"],
                gate=Gate(**config["gate"]),
            )  # fmt: skip
            done(1)
        sets = _sets(signatures)
    else:
        log.warning("no data set has counts: no pseudobulk")
        _nothing(layout)
    contrasts = pd.concat([contrasts, pd.DataFrame(refused, columns=list(COLUMNS))])
    found = enrichment(contrasts, genes, sets, seed=config["score"]["seed"])
    scores = pd.concat([scores, pd.DataFrame(refused, columns=list(SCORE_COLUMNS))])
    write_tsv(scores, layout.summary("pseudobulk_scores"), float_format="%.6g")
    write_parquet(genes, layout.de_genes)
    write_tsv(contrasts, layout.summary("de"), float_format="%.6g")
    write_tsv(found, layout.summary("enrichment"), float_format="%.6g")


def _signatures(datasets: Sequence[str], layout: Layout) -> dict[str, SignatureSet]:
    """Signatures of the run in the symbols of each organism."""
    from senoscore._signatures import SignatureSet, signatures

    listed = SignatureSet.read(layout.signatures)
    organisms = sorted({str(facts(dataset, layout)["organism"]) for dataset in datasets})
    return {name: signatures(listed, organism=name) for name in organisms}


def _sets(signatures: Mapping[str, SignatureSet]) -> dict[str, list[str]]:
    """Genes of each signature, of all organisms; what goes down under ``_down``."""
    sets: dict[str, set[str]] = {}
    for own in signatures.values():
        for name in own:
            for suffix, names in (("", own[name].up), ("_down", own[name].down)):
                if names:
                    sets.setdefault(name + suffix, set()).update(names)
    return {name: sorted(own) for name, own in sorted(sets.items())}


def _nothing(layout: Layout) -> None:
    """An empty matrix: the file says that there is nothing to sum."""
    import anndata as ad

    with atomic_path(layout.pseudobulk) as temporary:
        ad.AnnData(obs=pd.DataFrame(index=pd.Index([], dtype=object))).write_h5ad(temporary)
