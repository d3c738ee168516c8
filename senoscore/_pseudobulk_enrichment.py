"""Which of the run's signatures stand at the ends of a ranked list of genes (GSEA preranked)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import _keys as k
from senoscore._trend_data import ARM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["COLUMNS", "enrichment"]

_HEAD: Final = [k.COMPARTMENT, "stratum", "contrast"]
COLUMNS: Final = (
    *_HEAD, *ARM, k.DAYS, k.SIGNATURE, "n_genes", "es", "nes", "p", "q",
    "leading_genes", "status", "reason", "note",
)  # fmt: skip
_NOTE: Final = "genes are permuted, not samples: more than other genes, not more than other animals"
_LEADING: Final = 20


def enrichment(
    contrasts: pd.DataFrame,
    genes: pd.DataFrame,
    sets: Mapping[str, Sequence[str]],
    *,
    min_size: int = 10,
    permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank the genes of every contrast by their Wald statistic and test gene sets on it.

    Parameters
    ----------
    contrasts, genes
        As :func:`senoscore._pseudobulk_de.differential` gives them.
    sets
        Genes of each signature.
    min_size
        Genes of a set that have to be in the ranking.
    permutations, seed
        Of the gene labels, for p.

    Returns
    -------
    One row a contrast and set: enrichment score, normalised score, p of gene permutations
    (never below 1 / ``permutations``), q over the sets of the contrast, the leading genes. A
    contrast that was skipped, and a set with too few genes, is a row with the ``reason``.

    References
    ----------
    Subramanian et al. 2005, PNAS 102:15545; Fang, Liu and Peltz 2023, Bioinformatics 39:btac757.
    """
    by = dict(iter(genes.groupby(_HEAD, sort=False))) if len(genes) else {}
    rows: list[dict[str, Any]] = []
    for contrast in contrasts.to_dict("records"):
        head = {name: contrast[name] for name in (*_HEAD, *ARM, k.DAYS)}
        own = by.get(tuple(contrast[name] for name in _HEAD))
        if own is None:
            rows.append(head | {"status": "skipped", "reason": contrast["reason"]})
            continue
        ranks = own.set_index("gene")["statistic"].dropna().sort_values(kind="stable")
        found = _tested(ranks, sets, min_size=min_size, permutations=permutations, seed=seed)
        rows += [head | row for row in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _tested(
    ranks: pd.Series, sets: Mapping[str, Sequence[str]], *, min_size: int, permutations: int,
    seed: int,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    import gseapy

    there = {name: [g for g in own if g in ranks.index] for name, own in sets.items()}
    tested = {name: own for name, own in there.items() if len(own) >= min_size}
    for name, own in there.items():
        if name not in tested:
            few = f"{len(own)} genes in the ranking, {min_size} are needed"
            yield {k.SIGNATURE: name, "n_genes": len(own), "status": "skipped", "reason": few}
    if not tested:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = gseapy.prerank(
            rnk=ranks, gene_sets=tested, min_size=min_size, max_size=len(ranks), outdir=None,
            permutation_num=permutations, seed=seed, threads=1, no_plot=True, verbose=False,
        ).res2d  # fmt: skip
    for row in result.to_dict("records"):
        leading = str(row["Lead_genes"]).split(";")[:_LEADING]
        yield {
            k.SIGNATURE: row["Term"], "n_genes": len(tested[row["Term"]]),
            "es": float(row["ES"]), "nes": float(row["NES"]),
            "p": max(float(row["NOM p-val"]), 1 / permutations), "q": float(row["FDR q-val"]),
            "leading_genes": " ".join(leading), "status": "ok", "reason": "", "note": _NOTE,
        }  # fmt: skip
