"""GSVA within :func:`senoscore.score`: all samples at once, dense, so for few of them only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore._score_engine import normalisation
from senoscore.errors import MethodError
from senoscore.gsva import gsva
from senoscore.kernels.mean import lognormalise_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from senoscore._score_inputs import Matrix
    from senoscore._signatures import SignatureIndex

__all__ = ["gsva_parts"]

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
