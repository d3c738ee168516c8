"""GSVA of bulk samples and pseudobulk profiles, by gseapy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from senoscore.errors import MethodError
from senoscore.io import from_extra
from senoscore.scoring.method import ANY_VALUES, LOGGED, Method
from senoscore.scoring.reference import normalisation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from senoscore.genesets import SignatureIndex
    from senoscore.scoring.inputs import Matrix
    from senoscore.scoring.method import Data, Scorer


__all__ = ["GSVA", "gsva", "gsva_parts"]

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
    gseapy = from_extra("gseapy", extra="pseudobulk", what="method gsva")

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


_MOST: Final = 2_000  # rows: the cost grows with their square and everything is dense


def gsva_parts(matrix: Matrix, index: SignatureIndex, n_threads: int) -> NDArray[np.float64]:
    """Score the parts of all signatures by GSVA.

    Counts and linear values are log-normalised first, as for the mean-based scores.

    Returns
    -------
    Shape (n_rows, n_parts); NaN where the gate failed.

    Raises
    ------
    MethodError
        More than 2,000 rows, or fewer than two.
    """
    if len(matrix.obs_names) > _MOST:
        msg = f"{matrix.where}: gsva on {len(matrix.obs_names):,} rows"
        raise MethodError(msg, fix=f"it is for pseudobulk and bulk (up to {_MOST:,}); use ssgsea")
    from senoscore.kernels import lognormalise_rows

    normalise = normalisation(matrix.values)
    rows = []
    for block in matrix.blocks(_MOST, None):
        values = np.empty(len(block.data))
        numbers: Any = block.data  # numba types its dispatchers for one call only
        lognormalise_rows(block.indptr, numbers, normalise, 0, len(block.indptr) - 1, values)
        csr = block._replace(data=values).to_csr()
        rows.append(csr.toarray())
    # gseapy takes a table whose names look like numbers for one without names.
    genes = [f"g{j}" for j in range(matrix.n_vars)]
    samples = [f"s{i}" for i in range(len(matrix.obs_names))]
    expression = pd.DataFrame(np.concatenate(rows), index=samples, columns=genes)
    sets = {
        part: [genes[j] for j in index.gene_idx[index.indptr[p] : index.indptr[p + 1]]]
        for p, part in enumerate(index.names)
        if index.passed[p]
    }
    scores = gsva(expression, sets, n_threads=n_threads)
    return scores.reindex(columns=list(index.names)).to_numpy(dtype=np.float64)


def _plan(_names: tuple[str, ...], data: Data) -> Scorer:
    """Score all samples at once, since each depends on the others, and hand out their rows."""
    scores = gsva_parts(data.matrix, data.parts, data.n_threads)
    return lambda block: {"gsva": scores[block.start : block.stop]}


GSVA: Final = Method(
    "gsva", "GSVA", -1.0, 1.0, ANY_VALUES, LOGGED, "by gseapy", "all cells",
    needs_controls=False, null=False, doi="10.1186/1471-2105-14-7", plan=_plan,
)  # fmt: skip
