"""GSVA of bulk samples and pseudobulk profiles, by gseapy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from senoscore.errors import MethodError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["gsva"]

MIN_SAMPLES = 2
"""The kernel estimate of a gene needs other samples to compare with."""


def gsva(
    expression: pd.DataFrame,
    sets: Mapping[str, Sequence[str]],
    *,
    kcdf: Literal["Gaussian", "Poisson"] = "Gaussian",
    tau: float = 1.0,
    n_threads: int = 1,
) -> pd.DataFrame:
    """Score samples by gene set variation analysis (Hänzelmann et al., 2013).

    GSVA estimates the distribution of every gene across the samples and walks along the ranked
    list of each sample, so a score depends on all samples given and on the genes measured. It
    is meant for tens to hundreds of bulk samples or pseudobulk profiles; its cost grows with
    the square of their number.

    Parameters
    ----------
    expression
        Samples by genes: log values for ``Gaussian``, counts for ``Poisson``; unique names.
    sets
        Genes of every set; genes that are not measured are ignored.
    kcdf
        Kernel of the estimate across samples.
    tau
        Weight of the ranks in the random walk.
    n_threads
        Threads of gseapy.

    Returns
    -------
    Samples by sets, float64, in -1..1. A set without any measured gene scores NaN.

    Raises
    ------
    MethodError
        Fewer than two samples, missing values, or names that are not unique.
    """
    if len(expression) < MIN_SAMPLES:
        msg = f"gsva compares samples, but there is {len(expression)}"
        raise MethodError(msg, fix="use ssgsea or singscore for a single sample")
    if not (expression.index.is_unique and expression.columns.is_unique):
        msg = "gsva: sample or gene names are not unique"
        raise MethodError(msg, fix="make the names unique first")
    if expression.isna().to_numpy().any():
        msg = f"gsva: {int(expression.isna().to_numpy().sum())} values are missing"
        raise MethodError(msg, fix="drop the genes with missing values")
    columns = expression.columns
    measured = {name: [g for g in genes if g in columns] for name, genes in sets.items()}
    usable = {name: genes for name, genes in measured.items() if genes}
    empty = pd.DataFrame(index=expression.index, columns=list(sets), dtype="float64")
    if not usable:
        return empty
    import gseapy  # heavy, and needed by this one method only

    result = gseapy.gsva(
        data=expression.T.astype("float64"),
        gene_sets=usable,
        outdir=None,
        kcdf=kcdf,
        tau=tau,
        min_size=1,
        max_size=len(columns),
        threads=n_threads,
        verbose=False,
    )
    wide = result.res2d.pivot_table(index="Name", columns="Term", values="ES", aggfunc="first")
    return (
        wide.astype("float64")
        .reindex(index=expression.index, columns=list(sets))
        .rename_axis(index=expression.index.name, columns=None)
    )
