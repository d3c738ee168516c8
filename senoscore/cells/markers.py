"""Marker genes: tables of them, and how strongly each set of them speaks in each cell."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.genesets import orthologs
from senoscore.io import flags, iter_blocks, resource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import anndata as ad
    from numpy.typing import NDArray


__all__ = [
    "GeneSets",
    "Rows",
    "Substates",
    "best",
    "for_organism",
    "read_markers",
    "read_substates",
    "rows_of",
    "substate_shares",
]

log = logging.getLogger(__name__)

_REJECT_Z: Final = 3.0
"""Strength of the answer "none of these", in standard errors."""

_MIN_MARKERS: Final = 3


def read_markers(path: str | Path | None = None) -> pd.DataFrame:
    """Read a marker table: the shipped one, or a TSV with ``compartment`` and ``gene``.

    Raises
    ------
    InputError
        The file is missing, lacks a column, or has rows of more fields.
    """
    return _read(path, "markers", [k.COMPARTMENT, "gene"])


def read_substates(path: str | Path | None = None) -> pd.DataFrame:
    """Read a table of sub-states: the shipped one, or a TSV that has also ``substate``.

    Raises
    ------
    InputError
        The file is missing, lacks a column, or has rows of more fields.
    """
    return _read(path, "substates", [k.COMPARTMENT, k.SUBSTATE, "gene"])


def _read(path: str | Path | None, shipped: str, columns: Sequence[str]) -> pd.DataFrame:
    where = resource("compartments", f"{shipped}.tsv") if path is None else Path(path)
    fix = f"a TSV with the columns {', '.join(columns[:-1])} and {columns[-1]}"
    try:
        table = pd.read_csv(where, sep="\t", dtype=str, keep_default_na=False, comment="#")
    except (OSError, ValueError) as error:
        msg = f"{where} cannot be read as a marker table ({error})"
        raise InputError(msg, fix=fix) from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas took a field too many for a name
        msg = f"{where} has rows with more fields than its header"
        raise InputError(msg, fix="separate fields by one tab each, as many as the header has")
    missing = set(columns) - set(table)
    if missing:
        msg = f"{where} has no column {', '.join(sorted(missing))}"
        raise InputError(msg, fix=fix)
    return table


def for_organism(table: pd.DataFrame, organism: str) -> pd.DataFrame:
    """Human genes as those of another organism; genes without one ortholog are left out."""
    if organism == "human":
        return table
    mapped = orthologs(table["gene"].tolist(), "human", organism)["target"].to_numpy()
    return table.assign(gene=mapped)[mapped != ""]


class GeneSets(NamedTuple):
    """Named sets of genes of one matrix; ``member`` is genes x sets."""

    names: NDArray[np.object_]
    size: NDArray[np.int64]
    member: sparse.csc_matrix

    @classmethod
    def of(cls, table: pd.DataFrame, column: str, genes: pd.Index) -> GeneSets:
        """Sets of a table, by the names in a column; those with too few genes are left out."""
        position = {name: i for i, name in enumerate(genes.astype(str))}
        sets = {
            str(name): np.array(sorted({position[g] for g in rows["gene"] if g in position}))
            for name, rows in table.groupby(column, sort=True, observed=True)
        }
        few = sorted(name for name, at in sets.items() if len(at) < _MIN_MARKERS)
        if few:
            log.warning("fewer than %d markers in the matrix: %s", _MIN_MARKERS, ", ".join(few))
        sets = {name: at for name, at in sets.items() if len(at) >= _MIN_MARKERS}
        size = np.array([len(at) for at in sets.values()], dtype=np.int64)
        at = np.concatenate(list(sets.values())) if sets else np.empty(0, dtype=np.int64)
        ends = np.append(0, size.cumsum())
        member = sparse.csc_matrix((np.ones(len(at)), at, ends), shape=(len(genes), len(sets)))
        return cls(np.array(list(sets), dtype=object), size, member)

    def marks(self) -> NDArray[np.bool_]:
        """Genes that are in a set, shape (n_genes,)."""
        found = np.zeros(self.member.shape[0], dtype=bool)
        found[self.member.indices] = True
        return found

    def required(self) -> GeneSets:
        """Return the sets; refuse if there are none.

        Raises
        ------
        InputError
            No set has enough genes in the matrix.
        """
        if len(self.names):
            return self
        msg = f"no compartment has {_MIN_MARKERS} markers in the matrix"
        raise InputError(msg, fix="name a compartment_column in the datasets sheet")


class Rows(NamedTuple):
    """Some cells: log-normalised, saturated values of markers, mean and SD over all genes."""

    values: sparse.csr_matrix
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]

    def against_other_sets(self, sets: GeneSets) -> NDArray[np.float64]:
        """Strength of each set (columns), the genes of all other sets being what is expected."""
        total = self._total(sets)
        if len(sets.size) == 1:
            return self._strength(sets, total, self.mean)
        others = (total.sum(axis=1, keepdims=True) - total) / (sets.size.sum() - sets.size)
        return self._strength(sets, total, others)

    def against_all_genes(self, sets: GeneSets) -> NDArray[np.float64]:
        """Strength of each set (columns), any gene of the cell being what is expected."""
        return self._strength(sets, self._total(sets), self.mean)

    def _total(self, sets: GeneSets) -> NDArray[np.float64]:
        return np.asarray((self.values @ sets.member).todense())

    def _strength(
        self, sets: GeneSets, total: NDArray[np.float64], expected: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        above = total / sets.size - expected
        se = self.sd / np.sqrt(sets.size)
        z: NDArray[np.float64] = np.divide(above, se, out=np.zeros_like(above), where=se > 0)
        return z


def rows_of(
    adata: ad.AnnData, values: str, layer: str | None = None, *, marked: NDArray[np.bool_]
) -> Iterator[Rows]:
    """All cells, some thousands at a time, from disk where the matrix is backed.

    Parameters
    ----------
    adata, values, layer
        Matrix, what its values are, and where they are.
    marked
        Genes whose values are handed on, shape (n_genes,); mean and SD are of all genes.
    """
    for stored in iter_blocks(adata, layer=layer):
        block = stored.to_csr().astype(np.float64)
        if not block.has_canonical_format:
            block.sum_duplicates()
        length = np.diff(block.indptr)
        if values != k.LOGNORM:
            total = np.asarray(block.sum(axis=1)).ravel()
            factor = np.divide(1e4, total, out=np.zeros_like(total), where=total > 0)
            block.data *= np.repeat(factor, length)
            np.log1p(block.data, out=block.data)
        block.data /= 1 + block.data
        mean = np.asarray(block.sum(axis=1)) / block.shape[1]
        at = marked[block.indices]
        before = np.append(0, np.cumsum(at))
        handed = (block.data[at], block.indices[at], before[block.indptr])
        block.data *= block.data
        var = np.asarray(block.sum(axis=1)) / block.shape[1] - mean**2
        yield Rows(sparse.csr_matrix(handed, shape=block.shape), mean, np.sqrt(np.maximum(var, 0)))


def best(
    z: NDArray[np.float64], names: NDArray[np.object_]
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Strongest set of every cell, and its share of the odds, "none of these" being one answer."""
    top = z.max(axis=1, keepdims=True).clip(_REJECT_Z)
    odds = np.exp(z - top)
    confidence = odds.max(axis=1) / (odds.sum(axis=1) + np.exp(_REJECT_Z - top[:, 0]))
    return names[z.argmax(axis=1)], confidence


class Substates:
    """Sub-states of cells, filled block by block.

    Parameters
    ----------
    table
        ``compartment``, ``substate`` and ``gene`` (human).
    genes
        Symbols of the genes of the matrix.
    n_cells
        Cells of the matrix.
    organism
        Of the matrix.
    among
        Compartments that cells can be of.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        genes: pd.Index,
        n_cells: int,
        *,
        organism: str,
        among: Collection[str],
    ) -> None:
        mapped = for_organism(table, organism)
        sets = {
            str(name): GeneSets.of(gene_sets, k.SUBSTATE, genes)
            for name, gene_sets in mapped.groupby(k.COMPARTMENT, sort=True, observed=True)
            if name in among
        }
        self._sets = {name: gene_sets for name, gene_sets in sets.items() if len(gene_sets.names)}
        self._name = np.full(n_cells, None, dtype=object)
        self._confidence = np.full(n_cells, np.nan, dtype=np.float32)
        self._strength = {
            str(name): np.full(n_cells, np.nan, dtype=np.float32)
            for name in table[k.SUBSTATE].unique()
        }

    def __bool__(self) -> bool:
        """Whether there is anything to be found."""
        return bool(self._sets)

    def marks(self) -> NDArray[np.bool_]:
        """Genes that tell a sub-state, shape (n_genes,)."""
        return np.any([sets.marks() for sets in self._sets.values()], axis=0)

    def fill(
        self, start: int, rows: Rows, compartment: NDArray[np.object_], min_confidence: float
    ) -> None:
        """Judge some cells, given their compartments; ``start`` is the first of them."""
        for of, sets in self._sets.items():
            inside = np.flatnonzero(compartment == of)
            if not len(inside):
                continue
            z = rows.against_all_genes(sets)[inside]
            name, sure = best(z, sets.names)
            at = start + inside
            name[sure < min_confidence] = None
            self._name[at] = name
            self._confidence[at] = sure
            for i, one in enumerate(sets.names):
                self._strength[one][at] = z[:, i]

    def columns(self) -> dict[str, NDArray | pd.Series]:
        """Columns of the table of cells."""
        return {
            # An explicit dtype: pandas 3 would make text of it, in which None becomes NaN.
            k.SUBSTATE: pd.Series(self._name, dtype=object),
            k.SUBSTATE_CONFIDENCE: self._confidence,
            **{f"{k.SUBSTATE}{k.SEP}{name}": z for name, z in self._strength.items()},
        }


def substate_shares(
    cells: pd.DataFrame | ad.AnnData, table: pd.DataFrame | None = None, *, min_cells: int = 30
) -> pd.DataFrame:
    """Count sub-states per sample and compartment.

    Parameters
    ----------
    cells
        An AnnData that :func:`~senoscore.compartments` wrote to, with ``obs["sample"]``; or a
        table with its columns, ``dataset``, ``sample`` and ``keep``. Without ``keep`` all cells
        of an AnnData count.
    table
        ``compartment`` and ``substate``: the rows wanted; None: the shipped ones.
    min_cells
        With fewer kept cells of the compartment, a sample has no share and no mean.

    Returns
    -------
    dataset, sample, compartment, substate, n_cells (kept cells of the compartment), n_substate
    (those clearly in the sub-state), share, mean_strength (over all of ``n_cells``, so that two
    sub-states may rise together). No share where too few of the genes are in the matrix.

    Raises
    ------
    InputError
        ``cells`` is neither, or lacks a column.

    Examples
    --------
    >>> shares = sen.substate_shares(adata)
    >>> sorted(set(shares["substate"]))
    ['caf_like', 'm1_like', 'm2_like', 'microglia', 'reactive']
    """
    cells = cells if isinstance(cells, pd.DataFrame) else _cells_of(cells)
    table = read_substates(None) if table is None else table
    samples = cells[[k.DATASET, k.SAMPLE]].drop_duplicates()
    pairs = table[[k.COMPARTMENT, k.SUBSTATE]].drop_duplicates()
    kept = cells[flags(cells[k.KEEP])]
    parts = []
    for compartment, substate in pairs.itertuples(index=False):
        inside = kept[kept[k.COMPARTMENT] == compartment]
        strength = inside[f"{k.SUBSTATE}{k.SEP}{substate}"]
        counted = (
            inside.assign(strength=strength, yes=(inside[k.SUBSTATE] == substate).astype(int))
            .groupby([k.DATASET, k.SAMPLE], as_index=False, observed=True)
            .agg(
                n_cells=("yes", "size"),
                n_judged=("strength", "count"),
                n_substate=("yes", "sum"),
                mean_strength=("strength", "mean"),
            )
        )
        part = samples.merge(counted, on=[k.DATASET, k.SAMPLE], how="left")
        parts.append(part.assign(compartment=compartment, substate=substate))
    out = pd.concat(parts, ignore_index=True)
    counts = ["n_cells", "n_judged", "n_substate"]
    out[counts] = out[counts].fillna(0).astype(int)
    enough = (out["n_judged"] > 0) & (out["n_cells"] >= min_cells)
    out["share"] = (out["n_substate"] / out["n_cells"]).where(enough)
    out["mean_strength"] = out["mean_strength"].where(enough)
    names = [k.DATASET, k.SAMPLE, k.COMPARTMENT, k.SUBSTATE]
    return out[[*names, "n_cells", "n_substate", "share", "mean_strength"]].sort_values(
        names, ignore_index=True
    )


def _cells_of(adata: ad.AnnData) -> pd.DataFrame:
    """Return the table of cells that :func:`~senoscore.compartments` left in an AnnData."""
    has_strengths = hasattr(adata, "obsm") and k.OBSM_SUBSTATES in adata.obsm
    if not has_strengths or not {k.SAMPLE, k.COMPARTMENT, k.SUBSTATE} <= set(adata.obs):
        msg = f"this {type(adata).__name__} has no sub-states of samples"
        fix = "run sen.compartments(adata) first, with the samples in obs['sample']"
        raise InputError(msg, fix=fix)
    names = [k.SAMPLE, k.COMPARTMENT, k.SUBSTATE]
    cells = adata.obs[names].astype(object).reset_index(drop=True)
    obs = adata.obs
    cells[k.DATASET] = obs[k.DATASET].astype(str).to_numpy() if k.DATASET in obs else ""
    cells[k.KEEP] = flags(obs[k.KEEP]).to_numpy() if k.KEEP in obs else True
    strengths = adata.obsm[k.OBSM_SUBSTATES].reset_index(drop=True)
    return pd.concat([cells, strengths.add_prefix(f"{k.SUBSTATE}{k.SEP}")], axis=1)
