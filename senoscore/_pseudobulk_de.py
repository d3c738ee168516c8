"""Genes that change with irradiation: PyDESeq2 on summed counts, one profile a subject."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._pseudobulk_design import Design, Question, design_of
from senoscore._trend_data import ARM, designed, strata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["COLUMNS", "GENE_COLUMNS", "differential"]

log = logging.getLogger(__name__)

_HEAD: Final = (k.COMPARTMENT, "stratum", "contrast", *ARM, k.DAYS)
COLUMNS: Final = (
    *_HEAD, "n_control", "n_treated", "n_genes", "n_up", "n_down", "top_up", "top_down",
    "method", "status", "reason", "note",
)  # fmt: skip
GENE_COLUMNS: Final = (*_HEAD, "gene", "base_mean", "log2_fc", "lfc_se", "statistic", "p", "q")
_MIN_COUNTS: Final = 10
_TOP: Final = 15
_ABSENT: Final = "pydeseq2 is not installed"


@dataclass(frozen=True)
class _Profiles:
    counts: NDArray[np.int64]
    genes: pd.Index
    table: pd.DataFrame


def differential(
    profiles: AnnData, *, control: str = k.CONTROL, min_cells: int = 30, fdr: float = 0.05
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare irradiated with control profiles of every compartment, gene by gene.

    One negative binomial model a compartment with a group for every arm and time, so
    that dispersions rest on all of them (DESeq2); Wald tests of contrasts of groups. Profiles of
    a subject in one state are summed. Subjects that come back are blocks, batch (else data set)
    is a covariate, as in :func:`senoscore.trend`; a contrast that either makes impossible is
    refused.

    Parameters
    ----------
    profiles
        As :func:`senoscore._pseudobulk.pseudobulk` gives it: raw counts.
    control
        Treatment that means not irradiated.
    min_cells
        Cells below which a profile of single cells is not used.
    fdr
        q at or below which a gene is counted.

    Returns
    -------
    Contrasts (``COLUMNS``; one row each, ``status`` ok or skipped with the ``reason``: fewer than
    two subjects on a side, confounded, no control) and genes (``GENE_COLUMNS``: log2 fold change
    without shrinkage, its standard error, Wald statistic, p, and q as DESeq2's independent
    filtering gives it, empty for genes it left out).

    References
    ----------
    Love, Huber and Anders 2014, Genome Biol 15:550; Muzellec et al. 2023,
    Bioinformatics 39:btad547.
    """
    rows: list[dict[str, Any]] = []
    genes: list[pd.DataFrame] = []
    obs = profiles.obs
    whole = obs["assay"].isin(["bulk", "array"])
    usable = (obs["n_cells"] >= min_cells) | whole
    for compartment in sorted(set(obs[k.COMPARTMENT]) - {k.UNASSIGNED}):
        own = obs[k.COMPARTMENT].eq(compartment) & usable
        table = designed(obs[own].assign(_row=obs.index[own]))
        if table.empty:
            few = f"no profile of {min_cells} cells"
            rows.append({k.COMPARTMENT: compartment, "status": "skipped", "reason": few})
            continue
        for part in strata(table, control=control):
            head = {k.COMPARTMENT: compartment, "stratum": part.name}
            design = design_of(part.table, control=control)
            found = [(q, None) for q in design.refused]
            for question, result in [*found, *_fitted(profiles, design)]:
                row, mine = _row(question, result, design, fdr=fdr)
                rows.append(head | row)
                if mine is not None:
                    genes.append(mine.assign(**head, **{n: row[n] for n in _HEAD[2:]}))
    contrasts = pd.DataFrame(rows, columns=list(COLUMNS))
    if not genes:
        return contrasts, pd.DataFrame(columns=list(GENE_COLUMNS))
    return contrasts, pd.concat(genes, ignore_index=True)[list(GENE_COLUMNS)]


def _profiles(data: AnnData, design: Design) -> _Profiles:
    """Counts of one subject and state a row, of genes that all its data sets have."""
    rows = [np.flatnonzero(data.obs.index.isin(names)) for names in design.members]
    used = np.concatenate(rows)
    datasets = sorted({str(name) for name in data.obs[k.DATASET].iloc[used]})
    both = data.var[[f"in:{name}" for name in datasets]].all(axis=1).to_numpy(dtype=bool)
    X = data.X[:, np.flatnonzero(both)]
    counts = np.vstack([np.asarray(X[own].sum(axis=0)).ravel() for own in rows])
    counts = np.rint(counts).astype(np.int64)
    enough = counts.sum(axis=0) >= _MIN_COUNTS
    return _Profiles(counts[:, enough], data.var_names[both][enough], design.table)


def _fitted(data: AnnData, design: Design) -> Iterator[tuple[Question, pd.DataFrame | str]]:
    """Results of every question that the design can answer; one fit for all."""
    if not design.questions:
        return
    try:
        from pydeseq2.dds import DeseqDataSet
        from pydeseq2.ds import DeseqStats
    except ImportError:
        yield from ((question, _ABSENT) for question in design.questions)
        return
    own = _profiles(data, design)
    if not len(own.genes) or (own.counts.sum(axis=1) == 0).any():
        yield from ((q, "a profile without counts") for q in design.questions)
        return
    names = [f"p{i}" for i in range(len(own.counts))]
    matrix = pd.DataFrame(design.X, index=names).add_prefix("x")
    counts = pd.DataFrame(own.counts, index=names, columns=own.genes)
    with warnings.catch_warnings():
        # Few samples: the trend of dispersions often cannot be fitted, and the mean is used.
        warnings.simplefilter("ignore")
        dds = DeseqDataSet(
            counts=counts, metadata=own.table.set_axis(names), design=matrix, quiet=True, n_cpus=1
        )
        dds.deseq2()
        for question in design.questions:
            stats = DeseqStats(dds, contrast=question.weights, quiet=True, n_cpus=1)
            stats.summary()
            yield question, stats.results_df


def _row(
    question: Question, result: pd.DataFrame | str | None, design: Design, *, fdr: float
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    row: dict[str, Any] = {
        "contrast": question.title, **dict(zip(ARM, question.arm, strict=True)),
        k.DAYS: question.days, "n_control": question.n_control, "n_treated": question.n_treated,
        "method": design.method, "note": question.note,
    }  # fmt: skip
    if not isinstance(result, pd.DataFrame):
        return row | {"status": "skipped", "reason": result or question.reason}, None
    renamed = {
        "baseMean": "base_mean", "log2FoldChange": "log2_fc", "lfcSE": "lfc_se",
        "stat": "statistic", "pvalue": "p", "padj": "q",
    }  # fmt: skip
    genes = result.rename(columns=renamed).rename_axis("gene").reset_index()
    held = genes[genes["q"] <= fdr].sort_values("p", kind="stable")
    up, down = held[held["log2_fc"] > 0], held[held["log2_fc"] < 0]
    row |= {"n_genes": len(genes), "n_up": len(up), "n_down": len(down), "status": "ok"}
    row |= {"top_up": " ".join(up["gene"][:_TOP]), "top_down": " ".join(down["gene"][:_TOP])}
    return row | {"reason": ""}, genes
