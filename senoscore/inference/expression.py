"""Genes that change with irradiation: PyDESeq2 on summed counts, one profile a subject."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.inference.ask import arm_name
from senoscore.inference.models import estimable
from senoscore.io import from_extra
from senoscore.study import (
    ARM,
    control_word,
    days_with_controls,
    designed,
    refuse_unknown_control,
    strata,
    takes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray


__all__ = [
    "COLUMNS",
    "DE_COLUMNS",
    "GENE_COLUMNS",
    "Design",
    "Question",
    "design_of",
    "differential",
    "enrichment",
]

log = logging.getLogger(__name__)

_STATE: Final = [*ARM, k.DAYS]
_FEW: Final = "fewer than 2 subjects on a side: no dispersion between subjects"
_MIN_DF: Final = 2


@dataclass(frozen=True)
class Question:
    """A contrast of group means; ``reason`` says why it cannot be asked."""

    title: str
    arm: tuple[str, float, float, str]
    """Treatment, dose, fractions, modality."""
    days: float
    n_control: int
    n_treated: int
    weights: NDArray[np.float64]
    note: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Design:
    """Profiles of one subject and state each: names of their rows, model matrix, questions."""

    table: pd.DataFrame
    members: list[list[str]]
    X: NDArray[np.float64]
    method: str
    questions: list[Question] = field(default_factory=list)
    refused: list[Question] = field(default_factory=list)


def design_of(table: pd.DataFrame, *, control: str) -> Design:
    """Group profiles by subject and state, and build groups, blocks and contrasts.

    Parameters
    ----------
    table
        Profiles of one compartment that may be compared, with subject, arm, days_post_rt, batch
        and ``_row`` (name of the profile).
    control
        Treatment that means not irradiated.
    """
    grouped = table.groupby([k.SUBJECT, *_STATE], dropna=False, sort=True, observed=True)
    units = grouped["_row"].agg(list).reset_index()
    units[k.BATCH] = grouped[k.BATCH].agg(lambda b: "+".join(sorted(set(b)))).to_numpy()
    members = units.pop("_row").tolist()
    is_control = units[k.TREATMENT] == control
    own_day = days_with_controls(units[is_control]) & set(units.loc[~is_control, k.DAYS].dropna())
    dated = ~is_control | units[k.DAYS].isin(own_day)
    label = units[k.TREATMENT].where(~is_control, "control")
    arm = units[list(ARM[1:])].where(~is_control)
    key = arm.assign(c=is_control, t=label, day=units[k.DAYS].where(dated))
    number = key.groupby(
        ["c", "t", *ARM[1:], "day"], dropna=False, sort=True, observed=True
    ).ngroup()
    groups = pd.get_dummies(number, dtype=float).to_numpy()
    asked = _against_control(units, groups, is_control.to_numpy(), own_day, control)
    asked += _interactions(asked)
    return _with_blocks(units, members, groups, asked)


def _against_control(
    units: pd.DataFrame, groups: NDArray[np.float64], is_control: NDArray[np.bool_],
    own_day: set[float], control: str,
) -> list[Question]:  # fmt: skip
    out = []
    treated = units[~is_control]
    for key, group in treated.groupby(_STATE, dropna=False, sort=True, observed=True):
        days = float(str(key[-1]))
        arm = (str(key[0]), float(str(key[1])), float(str(key[2])), str(key[3]))
        among = treated[treated[k.TREATMENT] == arm[0]]
        base = is_control & (units[k.DAYS] == days).to_numpy() if days in own_day else is_control
        words = [arm[0], arm_name(dict(zip(ARM, arm, strict=True)), among)]
        title = f"{' '.join(filter(None, words))} vs {control}"
        title += f" @ {days:.3g} d" if np.isfinite(days) else ""
        n_base = int(units.loc[base, k.SUBJECT].nunique())
        n_own = int(group[k.SUBJECT].nunique())
        reason = "no control profile" if n_base == 0 else _FEW if min(n_base, n_own) < 2 else ""
        weights = groups[group.index].mean(axis=0)
        if n_base:
            weights = weights - groups[base].mean(axis=0)
        note = "controls of the same time" if days in own_day else "all controls pooled"
        days_of_controls = sorted(units.loc[base, k.DAYS].dropna().unique())
        if days not in own_day and days_of_controls and days not in days_of_controls:
            when = ", ".join(f"{day:g}" for day in days_of_controls)
            note = f"controls are of day {when} only: ageing and radiation are confounded"
        out.append(Question(title, arm, days, n_base, n_own, weights, note, reason))
    return out


def _interactions(asked: list[Question]) -> list[Question]:
    """Ask whether the effect at the last time differs from the first, each with its controls."""
    alike = [q for q in asked if q.note == "controls of the same time" and not q.reason]
    out = []
    courses: dict[str, list[Question]] = {}
    for question in alike:  # by its words: a number that is not given is not equal to itself
        courses.setdefault(str(question.arm), []).append(question)
    for _, arm in sorted(courses.items()):
        course = sorted(arm, key=lambda q: q.days)
        if len(course) < 2:
            continue
        first, last = course[0], course[-1]
        title = f"{last.title} less @ {first.days:.3g} d"
        out.append(
            replace(
                last, title=title, weights=last.weights - first.weights, note="treatment x time"
            )
        )
    return out


def _with_blocks(
    units: pd.DataFrame, members: list[list[str]], groups: NDArray[np.float64],
    asked: list[Question],
) -> Design:  # fmt: skip
    """Add subjects and batches; refuse what they make impossible; keep a matrix of full rank."""
    X, said = groups, ["DESeq2, Wald"]
    subjects, batches = units[k.SUBJECT], units[k.BATCH]
    causes = []
    if subjects.duplicated().any():
        X = np.hstack([X, pd.get_dummies(subjects, dtype=float).to_numpy()])
        said.append("subjects as blocks")
        causes.append((X, "every subject is on one side of this contrast"))
    if 1 < batches.nunique() < len(batches):
        wide = np.hstack([X, pd.get_dummies(batches, dtype=float).to_numpy()])
        causes.append((wide, "batch and treatment are the same variable here"))
        if len(units) - np.linalg.matrix_rank(wide) >= _MIN_DF:
            X = wide
            said.append("batch as covariate")
        else:
            said.append("batch not modelled: too few samples")
    questions, refused = [], []
    keep = _independent(X)
    few = len(units) - len(keep) < _MIN_DF
    for question in asked:
        reason = question.reason or next(
            (why for matrix, why in causes if not estimable(matrix, _padded(question, matrix))), ""
        )
        reason = reason or ("too few subjects for this model" if few else "")
        if reason:
            refused.append(replace(question, reason=reason))
            continue
        # The same contrast in the coordinates of the columns that were kept.
        weights = np.linalg.lstsq(X.T, _padded(question, X), rcond=None)[0] @ X[:, keep]
        questions.append(replace(question, weights=weights))
    return Design(units, members, X[:, keep], "; ".join(said), questions, refused)


def _padded(question: Question, X: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.append(question.weights, np.zeros(X.shape[1] - len(question.weights)))


def _independent(X: NDArray[np.float64]) -> list[int]:
    """First columns that span the matrix."""
    keep: list[int] = []
    for column in range(X.shape[1]):
        if np.linalg.matrix_rank(X[:, [*keep, column]]) > len(keep):
            keep.append(column)
    return keep


_HEAD: Final = (k.COMPARTMENT, "stratum", "contrast", *ARM, k.DAYS)
DE_COLUMNS: Final = (
    *_HEAD, "n_control", "n_treated", "n_genes", "n_up", "n_down", "top_up", "top_down",
    "method", "status", "reason", "note",
)  # fmt: skip
GENE_COLUMNS: Final = (*_HEAD, "gene", "base_mean", "log2_fc", "lfc_se", "statistic", "p", "q")
_MIN_COUNTS: Final = 10
_TOP: Final = 15
_ABSENT: Final = "pydeseq2 is not installed (pip install 'senoscore[pseudobulk]')"


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
        As :func:`senoscore.inference.pseudobulk.pseudobulk` gives it: raw counts.
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
    control = control_word(control)
    treatments = obs[k.TREATMENT].dropna().astype(str)
    refuse_unknown_control(treatments, k.TREATMENT, control, of="profile")
    whole = obs["assay"].isin(k.PROFILES)
    usable = (obs["n_cells"] >= min_cells) | whole
    for compartment in sorted(set(obs[k.COMPARTMENT]) - {k.UNASSIGNED}):
        inside = obs[k.COMPARTMENT].eq(compartment) & usable
        table = designed(obs[inside].assign(_row=obs.index[inside]))
        if table.empty:
            few = f"no profile of {min_cells} cells"
            rows.append({k.COMPARTMENT: compartment, "status": "skipped", "reason": few})
            continue
        for part in strata(table, control=control):
            head = {k.COMPARTMENT: compartment, "stratum": part.name}
            design = design_of(part.table, control=control)
            found = [(q, None) for q in design.refused]
            for question, result in [*found, *_fitted(profiles, design)]:
                row, of_contrast = _row(question, result, design, fdr=fdr)
                rows.append(head | row)
                if of_contrast is not None:
                    genes.append(of_contrast.assign(**head, **{n: row[n] for n in _HEAD[2:]}))
    contrasts = pd.DataFrame(rows, columns=list(DE_COLUMNS))
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
    counts = np.vstack([np.asarray(X[members].sum(axis=0)).ravel() for members in rows])
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
    profiles = _profiles(data, design)
    if not len(profiles.genes) or (profiles.counts.sum(axis=1) == 0).any():
        yield from ((q, "a profile without counts") for q in design.questions)
        return
    names = [f"p{i}" for i in range(len(profiles.counts))]
    matrix = pd.DataFrame(design.X, index=names).add_prefix("x")
    counts = pd.DataFrame(profiles.counts, index=names, columns=profiles.genes)
    with warnings.catch_warnings():
        # Few samples: the trend of dispersions often cannot be fitted, and the mean is used.
        warnings.simplefilter("ignore")
        dds = DeseqDataSet(
            counts=counts,
            metadata=profiles.table.set_axis(names),
            design=matrix,
            quiet=True,
            n_cpus=1,
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


_ENRICHMENT_HEAD: Final = [k.COMPARTMENT, "stratum", "contrast"]
COLUMNS: Final = (
    *_ENRICHMENT_HEAD, *ARM, k.DAYS, k.SIGNATURE, "n_genes", "es", "nes", "p", "q",
    "leading_genes", "status", "reason", "note",
)  # fmt: skip
_NOTE: Final = "genes are permuted, not samples: more than other genes, not more than other animals"
_LEADING: Final = 20


@takes(contrasts="sen.differential(profiles)[0]", genes="sen.differential(profiles)[1]")
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
        As :func:`senoscore.inference.expression.differential` gives them.
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
    by = (
        dict(iter(genes.groupby(_ENRICHMENT_HEAD, sort=False, observed=True))) if len(genes) else {}
    )
    rows: list[dict[str, Any]] = []
    for contrast in contrasts.to_dict("records"):
        head = {name: contrast[name] for name in (*_ENRICHMENT_HEAD, *ARM, k.DAYS)}
        ranked = by.get(tuple(contrast[name] for name in _ENRICHMENT_HEAD))
        if ranked is None:
            rows.append(head | {"status": "skipped", "reason": contrast["reason"]})
            continue
        ranks = ranked.set_index("gene")["statistic"].dropna().sort_values(kind="stable")
        found = _tested(ranks, sets, min_size=min_size, permutations=permutations, seed=seed)
        rows += [head | row for row in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _tested(
    ranks: pd.Series, sets: Mapping[str, Sequence[str]], *, min_size: int, permutations: int,
    seed: int,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    gseapy = from_extra("gseapy", extra="pseudobulk", what="enrichment")

    present = {name: [g for g in genes if g in ranks.index] for name, genes in sets.items()}
    tested = {name: genes for name, genes in present.items() if len(genes) >= min_size}
    for name, genes in present.items():
        if name not in tested:
            few = f"{len(genes)} genes in the ranking, {min_size} are needed"
            yield {k.SIGNATURE: name, "n_genes": len(genes), "status": "skipped", "reason": few}
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
