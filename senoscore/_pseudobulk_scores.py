"""Scores of pseudobulk profiles: every signature, by ssGSEA and GSVA, sample by sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._score import score
from senoscore._signatures import Gate, align
from senoscore._trend_data import ARM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anndata import AnnData

    from senoscore._signatures import SignatureSet

__all__ = ["COLUMNS", "METHODS", "MIN_PROFILES", "log_cpm", "pseudobulk_scores"]

METHODS: Final = ("ssgsea", "gsva")
MIN_PROFILES: Final = 4
"""Profiles that GSVA needs: it places each gene within its distribution over the profiles."""
_HEAD: Final = (
    k.DATASET, k.SAMPLE, k.SUBJECT, *ARM, k.DAYS, k.BATCH, "region", "assay",
    "organism", k.COMPARTMENT, "n_cells",
)  # fmt: skip
COLUMNS: Final = (
    *_HEAD, k.SIGNATURE, "method", "score", "n_profiles", "n_listed", "n_found", "status", "reason",
)  # fmt: skip
_PROFILES: Final = ("bulk", "array")


def pseudobulk_scores(
    profiles: AnnData,
    signatures: Mapping[str, SignatureSet],
    *,
    min_cells: int = 30,
    gate: Gate | None = None,
) -> pd.DataFrame:
    """Score each signature in the summed counts of each sample and compartment.

    Parameters
    ----------
    profiles
        As :func:`senoscore._pseudobulk.pseudobulk` gives it: raw counts.
    signatures
        Signatures of each organism, in its symbols.
    min_cells
        Cells below which a profile of single cells is not scored.
    gate
        How much of a gene list must be found.

    Returns
    -------
    One row a profile, signature (with ``_up`` and ``_down`` parts) and method. Counts become
    log2(CPM + 1) and are scored with :func:`senoscore.score` among the profiles of the same
    compartment, assay and organism, over the genes that all their data sets measure; GSVA, which
    compares profiles, reads only those that some profile has. ``status`` is ok, or skipped with
    the ``reason``: few cells, few genes, or fewer than ``MIN_PROFILES`` profiles for GSVA.

    Notes
    -----
    A GSVA score depends on the other profiles of its group (``n_profiles``), an ssGSEA score on
    its own profile alone.
    """
    obs = profiles.obs
    named = obs[k.COMPARTMENT].ne(k.UNASSIGNED)
    enough = (obs["n_cells"].ge(min_cells) | obs["assay"].isin(_PROFILES)) & obs["total_counts"].gt(
        0
    )
    tables = [_row(obs[named & ~enough], reason=f"fewer than {min_cells} cells, or no count")]
    by = [k.COMPARTMENT, "assay", "organism"]
    for key, own in obs[named & enough].groupby(by, observed=True, sort=True):
        sigs = signatures[str(key[2])]
        frame = log_cpm(profiles, own.index)
        for method in METHODS:
            if method == "gsva" and len(own) < MIN_PROFILES:
                few = f"{len(own)} profiles, gsva compares at least {MIN_PROFILES}"
                tables.append(_row(own, method=method, n_profiles=len(own), reason=few))
                continue
            there = frame if method == "ssgsea" else frame.loc[:, frame.gt(0).any()]
            tables += list(_scored(own, there, sigs, method, gate or Gate()))
    return pd.concat(tables, ignore_index=True).reindex(columns=list(COLUMNS))


def log_cpm(profiles: AnnData, rows: pd.Index) -> pd.DataFrame:
    """log2(CPM + 1) of some profiles over the genes that all their data sets measure."""
    at = profiles.obs.index.get_indexer(rows)
    datasets = sorted(set(profiles.obs[k.DATASET].iloc[at].astype(str)))
    both = profiles.var[[f"in:{name}" for name in datasets]].all(axis=1).to_numpy(dtype=bool)
    total = profiles.obs["total_counts"].to_numpy(dtype=float)[at]
    counts = profiles.X[at][:, np.flatnonzero(both)].toarray()
    return pd.DataFrame(
        np.log2(counts / total[:, None] * 1e6 + 1), index=rows, columns=profiles.var_names[both]
    )


def _row(own: pd.DataFrame, **facts: Any) -> pd.DataFrame:
    table = own[[name for name in _HEAD if name in own]].reset_index(drop=True)
    return table.assign(status="skipped", **facts)


def _scored(
    own: pd.DataFrame, frame: pd.DataFrame, sigs: SignatureSet, method: str, gate: Gate
) -> Iterator[pd.DataFrame]:
    index, coverage = align(sigs, frame.columns, gate=gate)
    if not len(index.gene_idx):
        yield _row(own, method=method, n_profiles=len(own), reason="no gene of any signature")
        return
    found = pd.DataFrame(score(frame, sigs, methods=method, gate=gate, n_threads=1))
    part = coverage[k.SIGNATURE] + "_" + coverage["direction"]
    sums = [
        coverage.groupby(name)[["n_listed", "n_found"]].sum()
        for name in (coverage[k.SIGNATURE], part)
    ]
    counts = pd.concat(sums)
    for column in map(str, found):
        name = column.split(k.SEP, 1)[1]
        table = _row(own, method=method, n_profiles=len(own))
        table[k.SIGNATURE] = name
        table["score"] = found[column].to_numpy(dtype=float)
        for number in ("n_listed", "n_found"):
            table[number] = table[k.SIGNATURE].map(counts[number])
        scored = np.isfinite(table["score"])
        table["status"] = np.where(scored, "ok", "skipped")
        table["reason"] = np.where(scored, "", "too few genes of it are found")
        yield table
