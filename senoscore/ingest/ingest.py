"""From whatever a lab sends to the canonical .h5ad, with a record of what became of each gene."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore.errors import InputError
from senoscore.ingest.formats import look_source, open_source
from senoscore.ingest.gene_names import (
    KNOWN,
    MergePlan,
    merge_plan,
    merged_blocks,
    refuse_other_species,
    settle_genes,
)
from senoscore.ingest.samples import SampleDigests, check_samples, refuse_copies, sample_labels
from senoscore.ingest.source import MAX_BYTES, file_sha256
from senoscore.ingest.values import ValueFacts, decide_values, scan_values
from senoscore.io import track, write_canonical_stream, write_tsv
from senoscore.names import COUNTS, LOGNORM, SAMPLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from senoscore.ingest.source import Source


__all__ = ["IngestReport", "ingest", "look"]

logger = logging.getLogger(__name__)

_ASSAYS: Final = ("sc", "sn", "bulk", "array")
_FEW_KNOWN: Final = 0.5


@dataclass
class IngestReport:
    """What was found and decided.

    Attributes
    ----------
    dataset, organism, assay, values
        As in the sheet, or as found.
    n_cells, n_genes_in, n_genes
        Cells; genes as named in the input; genes after names were settled.
    samples
        Cells of each sample.
    statuses
        Number of input genes by what became of them (symbol, ensembl, alias, ...).
    notes
        One sentence each, for the log and the report.
    """

    dataset: str
    organism: str
    assay: str
    values: str
    n_cells: int
    n_genes_in: int
    n_genes: int
    samples: dict[str, int]
    statuses: dict[str, int]
    notes: list[str] = field(default_factory=list)


def ingest(
    row: Mapping[str, Any],
    *,
    samples: Sequence[str] | None,
    out: Path,
    genes_out: Path,
    keep_obs: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
) -> IngestReport:
    """Read one dataset and write it as canonical .h5ad, with a table of its genes.

    Parameters
    ----------
    row
        A row of datasets.tsv: ``dataset``, ``path``, ``organism``, and as wanted ``format``,
        ``orientation``, ``assay``, ``values``, ``layer``, ``sample`` or ``sample_column``,
        ``compartment_column``. Empty text, None and NaN mean not given.
    samples
        Names in the samples sheet; a sample of the data that is not among them is an error.
        None does not check.
    out
        The .h5ad to write.
    genes_out
        The TSV to write: input, symbol, ensembl_id, status, note.
    keep_obs
        Further columns of obs to keep.
    max_bytes
        Limit on the bytes that the input unfolds to.

    Returns
    -------
    What was found.

    Raises
    ------
    InputError
        The data cannot be used; the message names file, row and gene. Nothing is written.

    Notes
    -----
    Genes that come to the same symbol are summed, except where a sum means nothing (log values,
    and probe sets of an array): there the one with the highest mean is kept, the first of equals.
    Values within 1e-4 of integers are counts, and are rounded.
    """
    given, assay = _given(row)
    source = _open(given, keep_obs, max_bytes)
    where = f"{source.path} ({source.slot})"
    if not source.cells or not source.genes:
        msg = f"{where} has {len(source.cells)} cells and {len(source.genes)} genes"
        raise InputError(msg, fix="check how it was filtered and saved")
    table = settle_genes(source, given["organism"], where)
    blocks = track(
        source.blocks(), "cells read", total=len(source.cells), size=lambda b: b.stop - b.start
    )
    obs = _obs(source, given, assay, samples, keep_obs)
    watched = SampleDigests(source.genes, obs[SAMPLE].tolist())
    facts = scan_values(watched.watch(blocks))
    kind = decide_values(
        facts, given.get("values") or "auto", where=where, cells=source.cells, genes=source.genes
    )
    digests = watched.digests()
    refuse_copies(digests, where)
    keep_best = kind == LOGNORM or assay == "array"
    plan = merge_plan(table, facts, keep_best=keep_best)
    report = _report(given, assay, kind, source, table, plan, obs, facts)
    write_canonical_stream(
        out,
        merged_blocks(source, plan),
        plan.symbols,
        values=kind,
        obs=obs,
        var=pd.DataFrame({"ensembl_id": plan.ensembl_ids}),
        meta={**_meta(report, source), "sample_digests": json.dumps(digests)},
    )
    write_tsv(table, genes_out)
    for note in report.notes:
        logger.info("%s: %s", report.dataset, note)
    return report


def look(row: Mapping[str, Any], *, samples: Sequence[str], max_bytes: int) -> list[str] | None:
    """Check what the names of one dataset tell, before any value is read.

    Parameters
    ----------
    row, samples, max_bytes
        As in :func:`ingest`.

    Returns
    -------
    Its samples; None for a table whose rows, read later, name them.

    Raises
    ------
    InputError
        A column, layer or sample is not there, or the genes are another species'.
    """
    given, assay = _given(row)
    columns = [given.get("sample_column", ""), given.get("compartment_column", "")]
    names = look_source(
        given["path"],
        format=given.get("format") or "auto",
        orientation=given.get("orientation") or "auto",
        layer=given.get("layer") or None,
        columns=[name for name in columns if name],
        max_bytes=max_bytes,
    )
    where = f"{names.path} ({names.slot})"
    if names.format == "table":  # perhaps those of the first rows only
        refuse_other_species(names.genes, None, given["organism"], where)
    else:
        settle_genes(names, given["organism"], where)
    found = sorted(set(sample_labels(names, given, assay)))
    check_samples(found, samples, names)
    if given.get("sample"):
        return [given["sample"]]
    return found if names.all_cells else None


def _given(row: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Fields of a row as text, and the assay."""
    given = {key: "" if _is_missing(value) else str(value).strip() for key, value in row.items()}
    assay = given.get("assay") or "sc"
    if assay not in _ASSAYS:
        msg = f"dataset {given['dataset']}: unknown assay {assay!r}"
        raise InputError(msg, fix=f"use one of {', '.join(_ASSAYS)}")
    return given, assay


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA


def _open(given: Mapping[str, str], keep_obs: Sequence[str], max_bytes: int) -> Source:
    columns = [given.get("sample_column", ""), given.get("compartment_column", ""), *keep_obs]
    return open_source(
        given["path"],
        format=given.get("format") or "auto",
        orientation=given.get("orientation") or "auto",
        layer=given.get("layer") or None,
        values=given.get("values") or "auto",
        columns=[name for name in columns if name],
        max_bytes=max_bytes,
    )


def _obs(
    source: Source,
    given: Mapping[str, str],
    assay: str,
    samples: Sequence[str] | None,
    keep_obs: Sequence[str],
) -> pd.DataFrame:
    label = sample_labels(source, given, assay)
    check_samples(label, samples, source)
    obs = pd.DataFrame(
        {SAMPLE: pd.Categorical(label, categories=sorted(set(label)))},
        index=pd.Index(source.cells, dtype=object),
    )
    renamed = {name: name for name in keep_obs}
    if given.get("compartment_column"):
        renamed["compartment_input"] = given["compartment_column"]
    for name, column in renamed.items():
        if name in ("sample", "cell"):
            msg = f"{source.path}: obs column {name!r} cannot be kept under its name"
            raise InputError(msg, fix="senoscore writes a column of that name itself")
        values = source.obs[column].reset_index(drop=True)
        gaps = values.dtype.kind == "b" and values.isna().any()  # no bool can be missing
        if values.dtype.kind not in "iufb" or gaps:
            values = values.astype(object).where(values.notna(), None).astype(object)
            values = pd.Series(pd.Categorical(values.map(str, na_action="ignore")))
        elif isinstance(values.dtype, pd.api.extensions.ExtensionDtype):  # integers with a mask
            values = pd.Series(values.to_numpy(np.float64, na_value=np.nan))
        obs[name] = values.array
    return obs


def _report(
    given: Mapping[str, str],
    assay: str,
    kind: str,
    source: Source,
    table: pd.DataFrame,
    plan: MergePlan,
    obs: pd.DataFrame,
    facts: ValueFacts,
) -> IngestReport:
    statuses = table["status"].value_counts().sort_index().to_dict()
    known = sum(statuses.get(name, 0) for name in KNOWN)
    notes = [*source.notes, f"values in {source.slot}: {kind} ({facts.evidence})"]
    if kind == COUNTS and facts.furthest > 0:
        notes.append(f"counts were up to {facts.furthest:.1g} off an integer and were rounded")
    if kind != COUNTS:
        notes.append("not counts: methods that need counts will step aside")
    if plan.n_merged:
        how = "summed" if (kind != LOGNORM and assay != "array") else "kept by highest mean"
        notes.append(f"{plan.n_merged} further genes came to a symbol already there: {how}")
    if known < _FEW_KNOWN * len(table):
        notes.append(f"only {known} of {len(table)} gene names are known ({given['organism']})")
    return IngestReport(
        dataset=given["dataset"],
        organism=given["organism"],
        assay=assay,
        values=kind,
        n_cells=len(source.cells),
        n_genes_in=len(source.genes),
        n_genes=len(plan.symbols),
        samples={str(k): int(v) for k, v in obs[SAMPLE].value_counts().sort_index().items()},
        statuses={str(k): int(v) for k, v in statuses.items()},
        notes=notes,
    )


def _meta(report: IngestReport, source: Source) -> dict[str, str | int | float]:
    return {
        "dataset": report.dataset,
        "organism": report.organism,
        "assay": report.assay,
        "source_file": source.path.name,
        "source_format": source.format,
        "source_sha256": file_sha256(source.files),
        "source_slot": source.slot,
        "n_genes_input": report.n_genes_in,
        "n_genes_unknown": report.n_genes_in - sum(report.statuses.get(k, 0) for k in KNOWN),
        "n_genes_merged": report.n_genes_in - report.n_genes,
        "notes": "\n".join(report.notes),
    }
