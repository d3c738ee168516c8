"""Scores that are weighted sums over the genes of one cell, once the reference is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
from scipy import sparse

from senoscore.errors import MethodError
from senoscore.scoring.controls import ControlGenes, ans_controls, scanpy_controls, seurat_controls
from senoscore.scoring.method import ANY_VALUES, LOGGED, Exact, Method

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from senoscore.genesets import SignatureIndex
    from senoscore.scoring.method import Data, Scorer
    from senoscore.scoring.reference import Block, Reference


__all__ = [
    "ANS",
    "SCORE_GENES",
    "SEURAT",
    "WMEAN",
    "ZSCORE",
    "Linear",
    "LinearScore",
    "choose_controls",
    "linear_score",
    "linear_sums",
    "stack",
]

Linear = Literal["wmean", "zscore", "score_genes", "seurat", "ans"]

_LANES = 32  # columns of whole numbers are padded to a multiple: the rest loop is slow


class _Layout(NamedTuple):
    """The weights as the kernels read them."""

    lists: tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]
    """Whether a gene has a weight; pointer by gene, column, weight."""
    counted: NDArray[np.intp]
    """Columns with control genes."""
    times: NDArray[np.int16]
    """How often a gene counts among the controls, shape (n_vars, at least len(counted))."""


@dataclass(frozen=True, eq=False)
class LinearScore:
    r"""Scores :math:`s_{ip} = \sum_j x_{ij} w_{jp} - c_p \sum_j x_{ij} t_{jp} + o_p`.

    Attributes
    ----------
    columns
        Signature part of each column; ``method:part`` once several methods are stacked.
    weight
        :math:`w`, the signature genes: float64, shape (n_vars, n_columns).
    times
        :math:`t`, how often a gene counts among the controls: int16, shape (n_vars, n_columns).
    scale
        :math:`c`, one over the number of controls, 0 where there are none. Shape (n_columns,).
    offset
        :math:`o`; NaN where the part cannot be scored. Shape (n_columns,).
    """

    columns: tuple[str, ...]
    weight: sparse.csr_array
    times: sparse.csr_array
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]

    @cached_property
    def layout(self) -> _Layout:
        """Arrange the weights for the kernels, once for all blocks."""
        counted = np.flatnonzero(np.diff(self.times.tocsc().indptr))
        times = np.zeros((self.times.shape[0], -(-len(counted) // _LANES) * _LANES), np.int16)
        times[:, : len(counted)] = self.times[:, counted].toarray()
        lists = self.weight
        return _Layout(
            (
                np.diff(lists.indptr) > 0,
                lists.indptr.astype(np.int64),
                lists.indices.astype(np.int32),
                lists.data,
            ),
            counted,
            times,
        )


def _part_of(indptr: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


def _share(value: NDArray[np.float64], indptr: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide every value by the sum of absolute values of its part (0 stays 0)."""
    part = _part_of(indptr)
    norm = np.bincount(part, np.abs(value), minlength=len(indptr) - 1)[part]
    return np.divide(value, norm, out=np.zeros(len(value)), where=norm > 0)


def _matrix(
    gene_idx: NDArray[np.int64],
    indptr: NDArray[np.int64],
    value: NDArray[Any],
    n_vars: int,
) -> sparse.csr_array:
    """Genes by parts matrix of one value per member of a part."""
    shape = (n_vars, len(indptr) - 1)
    return sparse.csr_array((value, (np.asarray(gene_idx), _part_of(indptr))), shape=shape)


def _without_controls(
    index: SignatureIndex, weight: sparse.csr_array, offset: NDArray[np.float64]
) -> LinearScore:
    none = sparse.csr_array(weight.shape, dtype=np.int16)
    return LinearScore(tuple(index.names), weight, none, np.zeros(len(index.names)), offset)


def _offset(index: SignatureIndex) -> NDArray[np.float64]:
    """0 for parts to score, NaN for parts without genes or below the gate."""
    scored = np.asarray(index.passed, dtype=bool) & (np.diff(index.indptr) > 0)
    return np.where(scored, 0.0, np.nan)


def choose_controls(
    method: Literal["score_genes", "seurat", "ans"],
    index: SignatureIndex,
    reference: Reference,
    *,
    seed: int = 0,
    by_position: bool = False,
) -> ControlGenes:
    """Choose the control genes of one method with its published settings.

    Parameters
    ----------
    method
        ``score_genes`` (50 controls a bin, 25 bins), ``seurat`` (100 a gene, 24 bins) or
        ``ans`` (100 neighbours a gene; nothing random).
    index
        Aligned signature parts.
    reference
        First pass over the whole data set.
    seed
        Of the draw.
    by_position
        ``score_genes``: draw as scanpy does, which depends on the order of the genes.

    Returns
    -------
    The control genes of every part.

    Raises
    ------
    MethodError
        A part leaves no control genes, or the method has none.
    """
    if method == "score_genes":
        names = None if by_position else reference.var_names
        return scanpy_controls(index, reference.mean, var_names=names, seed=seed)
    if method == "seurat":
        return seurat_controls(index, reference.mean, reference.var_names, seed=seed)
    if method == "ans":
        return ans_controls(index, reference.mean, reference.var_names)
    msg = f"{method!r} has no control genes; score_genes, seurat and ans have"
    raise MethodError(msg)


def _wmean(index: SignatureIndex, n_vars: int) -> LinearScore:
    value = _share(np.asarray(index.weight, dtype=np.float64), index.indptr)
    weight = _matrix(index.gene_idx, index.indptr, value, n_vars)
    return _without_controls(index, weight, _offset(index))


def _zscore(index: SignatureIndex, reference: Reference) -> LinearScore:
    sd = reference.sd[index.gene_idx]
    varies = (sd > 0).astype(np.float64)
    value = _share(varies, index.indptr) / np.where(sd > 0, sd, 1.0)
    weight = _matrix(index.gene_idx, index.indptr, value, len(reference.var_names))
    usable = np.bincount(_part_of(index.indptr), varies, minlength=len(index.names)) > 0
    offset = np.where(usable, _offset(index), np.nan)
    return _without_controls(index, weight, offset - weight.T @ reference.mean)


def _against_controls(index: SignatureIndex, controls: ControlGenes, n_vars: int) -> LinearScore:
    inside = _share(controls.kept.astype(np.float64), index.indptr)
    n_parts = len(index.names)
    n_times = np.bincount(_part_of(controls.indptr), controls.times, minlength=n_parts)
    usable = np.bincount(_part_of(index.indptr), inside, minlength=n_parts) > 0
    if controls.times.size and controls.times.max() > np.iinfo(np.int16).max:
        msg = f"a control gene counts {controls.times.max()} times"
        raise MethodError(msg, fix="split signatures of more than 32,767 genes")
    return LinearScore(
        tuple(index.names),
        _matrix(index.gene_idx, index.indptr, inside, n_vars),
        _matrix(controls.gene_idx, controls.indptr, controls.times.astype(np.int16), n_vars),
        np.divide(1.0, n_times, out=np.zeros(n_parts), where=n_times > 0),
        np.where(usable, _offset(index), np.nan),
    )


def linear_score(
    method: Linear,
    index: SignatureIndex,
    *,
    n_vars: int,
    reference: Reference | None = None,
    controls: ControlGenes | None = None,
    seed: int = 0,
    by_position: bool = False,
) -> LinearScore:
    """Turn a mean-based method into weights, once per data set.

    Parameters
    ----------
    method
        ``wmean``, ``zscore``, ``score_genes``, ``seurat`` or ``ans``.
    index
        Aligned signature parts. ``wmean`` uses its weights with their signs and divides by the
        sum of their absolute values; the other methods count every gene once. ``zscore`` leaves
        out genes that do not vary.
    n_vars
        Genes of the matrix.
    reference
        First pass over the whole data set; every method but ``wmean`` needs it.
    controls
        Control genes chosen before, instead of :func:`choose_controls`.
    seed
        Of the control genes (``score_genes``, ``seurat``).
    by_position
        As in :func:`choose_controls`.

    Returns
    -------
    Weights and constants of the parts. The constant is NaN, and so the score, where a part has
    no usable gene or failed the gate.

    Raises
    ------
    MethodError
        The reference is missing, or a part leaves no control genes.
    """
    if method == "wmean":
        return _wmean(index, n_vars)
    if reference is None:
        msg = f"{method} needs the gene means of the whole data set"
        raise MethodError(msg, fix="make them with gene_reference, once for all cells")
    if method == "zscore":
        return _zscore(index, reference)
    if controls is None:
        controls = choose_controls(method, index, reference, seed=seed, by_position=by_position)
    return _against_controls(index, controls, n_vars)


def stack(scores: Mapping[str, LinearScore]) -> LinearScore:
    """Put the scores of several methods side by side, to be summed in one pass over the cells.

    Columns are named ``method:part``, in order of the mapping.
    """
    return LinearScore(
        tuple(f"{method}:{part}" for method, one in scores.items() for part in one.columns),
        *(
            sparse.csr_array(sparse.hstack([getattr(s, w) for s in scores.values()], format="csr"))
            for w in ("weight", "times")
        ),
        *(np.concatenate([getattr(s, w) for s in scores.values()]) for w in ("scale", "offset")),
    )


def linear_sums(
    block: Block, score: LinearScore, *, normalise: float, n_threads: int = 1
) -> NDArray[np.float64]:
    """Score one block of cells.

    Signature genes are summed from a list of columns per gene, control genes, of which every
    column has many, from a dense table of how often each counts.

    Parameters
    ----------
    block
        Rows in CSR form.
    score
        Weights and constants.
    normalise
        Target total of the log-normalisation applied to the values on the way, 0 for none.
    n_threads
        Threads over the rows.

    Returns
    -------
    float64 scores, shape (n_rows, n_columns); the same bits in any block on any thread.
    """
    from senoscore.kernels import mean  # numba takes a second; a list of methods needs none

    # One compiled kernel per type of data: pointers and indices come in one width.
    indptr = block.indptr.astype(np.int64, copy=False)
    rows = (indptr, block.indices.astype(np.int32, copy=False), block.data, float(normalise))
    n_rows = len(indptr) - 1
    layout = score.layout
    out = np.empty((n_rows, len(score.columns)))
    controls = np.empty((n_rows, layout.times.shape[1]))
    kernel: Any = mean.row_sums  # numba types its dispatchers for one call only
    mean.run_rows(
        lambda first, stop: kernel(*rows, *layout.lists, layout.times, first, stop, out, controls),
        n_rows,
        n_threads=n_threads,
    )
    counted = layout.counted
    out[:, counted] -= controls[:, : counted.size] * score.scale[counted]
    out += score.offset
    return out


def _plan(names: tuple[str, ...], data: Data) -> Scorer:
    """Put the weights of all methods side by side: one pass over the cells."""
    from senoscore.scoring.reference import normalisation

    wanted = [name for name in _ORDER if name in names]
    index = data.parts if data.null is None else data.sets
    stacked = stack(
        {
            name: linear_score(
                name, index, n_vars=data.matrix.n_vars, reference=data.reference, seed=data.seed,
                by_position=name in data.exact,
            )
            for name in wanted
        }
    )  # fmt: skip
    normalise, n_threads = normalisation(data.matrix.values), data.n_threads

    def score(block: Any) -> dict[str, NDArray[np.float64]]:
        sums = linear_sums(block, stacked, normalise=normalise, n_threads=n_threads)
        return dict(zip(wanted, np.split(sums, len(wanted), axis=1), strict=True))

    return score


_ORDER: Final[tuple[Linear, ...]] = ("seurat", "score_genes", "ans", "zscore", "wmean")
_INF: Final = float("inf")

SEURAT: Final = Method(
    "seurat", "AddModuleScore", -_INF, _INF, ANY_VALUES, LOGGED, "none", "all cells",
    needs_controls=True, null=False, doi="10.1126/science.aad0501", plan=_plan, needs_means=True,
)  # fmt: skip
SCORE_GENES: Final = Method(
    "score_genes", "scanpy score_genes", -_INF, _INF, ANY_VALUES, LOGGED, "none", "all cells",
    needs_controls=True, null=False, doi="10.1186/s13059-017-1382-0", plan=_plan, needs_means=True,
    exact=(
        Exact(
            "scanpy", "1.x", 1e-12,
            "the same draw of control genes, by position: it depends on their order",
        ),
    ),
)  # fmt: skip
ANS: Final = Method(
    "ans", "Adjusted neighbourhood scoring", -_INF, _INF, ANY_VALUES, LOGGED, "none", "all cells",
    needs_controls=True, null=False, doi="10.1101/gr.280926.125", plan=_plan, needs_means=True,
)  # fmt: skip
ZSCORE: Final = Method(
    "zscore", "Mean z-score", -_INF, _INF, ANY_VALUES, LOGGED, "none", "all cells",
    needs_controls=True, null=True, doi="10.1371/journal.pcbi.1000217", plan=_plan,
    needs_means=True, needs_sd=True,
)  # fmt: skip
WMEAN: Final = Method(
    "wmean", "Weighted mean", -_INF, _INF, ANY_VALUES, LOGGED, "none", "one cell",
    needs_controls=False, null=True, doi="10.1093/bioadv/vbac016", plan=_plan,
)  # fmt: skip
