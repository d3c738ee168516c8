"""What senescent cells of a compartment could say to others: SASP ligands to receptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.biology.group_means import ALL, with_all
from senoscore.errors import ConfigError, InputError
from senoscore.genesets import signatures
from senoscore.inference import against_control, bh, paired
from senoscore.io import resource
from senoscore.study import ARM, designed, phases, plain, strata, takes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from senoscore.study import Stratum


__all__ = [
    "COLUMNS",
    "RESOURCES",
    "VALUE_COLUMNS",
    "crosstalk",
    "crosstalk_values",
    "curated_pairs",
    "genes_of",
    "known_directions",
]

RESOURCES: Final = ("curated", "consensus")
_CONSENSUS: Final = (
    "LIANA+ consensus (Dimitrov 2022, Nat Commun 13:3224; 2024, Nat Cell Biol 26:1613)"
)
_COLUMNS: Final = ["ligand", "receptor", "family", "source"]


def curated_pairs(resource_name: str = "curated") -> pd.DataFrame:
    """Ligand-receptor pairs of the SASP, human symbols.

    Parameters
    ----------
    resource_name
        ``curated``: the pairs shipped here. ``consensus``: LIANA+'s consensus resource, read from
        the installed package, of which the pairs whose ligand is in a SASP family, SenMayo or the
        curated table are kept.

    Returns
    -------
    ligand, receptor (chains joined by ``+``), family, source.

    Raises
    ------
    ConfigError
        The resource is unknown, or LIANA+ is not installed.
    """
    if resource_name not in RESOURCES:
        msg = f"crosstalk.resource is {resource_name!r}, expected {' or '.join(RESOURCES)}"
        raise ConfigError(msg, fix="choose one of the two")
    pairs = pd.read_csv(resource("crosstalk", "pairs.tsv"), sep="\t", dtype=str)
    return pairs[_COLUMNS] if resource_name == "curated" else _consensus(pairs)


def _consensus(own: pd.DataFrame) -> pd.DataFrame:
    try:
        from liana.resource import select_resource
    except ImportError as error:
        msg = "crosstalk.resource is 'consensus', and LIANA+ is not installed"
        raise ConfigError(msg, fix='pip install "senoscore[crosstalk]", or use curated') from error
    table = select_resource("consensus")[["ligand", "receptor"]].astype(str)
    sets = signatures("sasp_family", "senmayo")
    family = dict(zip(own["ligand"], own["family"], strict=True))
    for signature in sets.values():
        for gene in signature.up:
            family.setdefault(gene, signature.title.removeprefix("SASP "))
    kept = table[table["ligand"].isin(family)].drop_duplicates()
    return pd.DataFrame(
        {
            "ligand": kept["ligand"],
            "receptor": kept["receptor"].str.replace("_", "+", regex=False),
            "family": kept["ligand"].map(family),
            "source": _CONSENSUS,
        }
    ).reset_index(drop=True)


def known_directions() -> pd.DataFrame:
    """Directions that the literature expects: sender, receiver, what, source."""
    return pd.read_csv(resource("crosstalk", "directions.tsv"), sep="\t", dtype=str)


def genes_of(table: pd.DataFrame) -> list[str]:
    """Every gene of some pairs, chains apart."""
    chains = table["receptor"].str.split("+", regex=False).explode()
    return sorted({*table["ligand"], *chains})


COLUMNS: Final = (
    "question", "sender", "receiver", "known", "ligand", "receptor", "ligand_family",
    "stratum", *ARM, k.DAYS, "phase", "ligand_senescent", "ligand_other",
    "receptor_mean", "ligand_detected", "receptor_detected", "n_control", "n_treated", "estimate",
    "ci_lo", "ci_hi", "df", "statistic", "p", "q", "family", "method", "status", "reason",
    "circular", "source",
)  # fmt: skip
VALUE_COLUMNS: Final = (
    k.SAMPLE, k.COMPARTMENT, "measure", "receiver", "known", "ligand", "receptor", "n_pairs",
    "value",
)  # fmt: skip
_NUMBERS: Final = (
    "estimate", "ci_lo", "ci_hi", "df", "statistic", "p", "ligand_senescent", "ligand_other",
    "receptor_mean", "ligand_detected", "receptor_detected", "n_control", "n_treated", k.DOSE,
    "n_fractions", k.DAYS,
)  # fmt: skip
_PAIRED: Final = "senescent_vs_other"
_OVER_TIME: Final = "irradiated_vs_control"


@dataclass(frozen=True)
class _Options:
    control: str
    stable: float
    scheme: str
    cuts: Sequence[float] | None
    min_cells: int
    min_detected: float
    alpha: float


@takes(
    samples="sen.burden(adata).drop_duplicates('sample')",
    expression="sen.group_means(adata)",
)
def crosstalk(
    expression: pd.DataFrame,
    samples: pd.DataFrame,
    *,
    pairs: pd.DataFrame | None = None,
    directions: pd.DataFrame | None = None,
    only_known: bool = False,
    panel_genes: Iterable[str] = (),
    control: str = k.CONTROL,
    min_days_stable: float = 7.0,
    scheme: str = "three",
    cuts_days: Sequence[float] | None = None,
    min_cells: int = 5,
    min_detected: float = 0.1,
    alpha: float = 0.05,
) -> pd.DataFrame:
    r"""Score ligands of senescent cells against receptors of other compartments, over time.

    For a sample, the score of a pair from compartment :math:`s` to :math:`r` is
    :math:`\sqrt{\bar L_s\,\bar R_r}`, the geometric mean of the ligand's mean log-normalised
    expression in the sending cells and the receptor's in all receiving cells; a receptor of several
    chains counts as its lowest chain. Expression of two genes is not a signal that was sent: a
    score says what could be.

    Parameters
    ----------
    expression
        As :func:`senoscore.group_means` gives it, of all samples.
    samples
        Samples sheet: sample, subject, treatment, dose_gy, days_post_rt, batch; n_fractions,
        modality, dataset, assay, organism and region where they differ (the burden table, one row
        a sample, has them).
    pairs
        ligand, receptor (chains joined by ``+``), family, source; None: the curated SASP pairs.
    directions
        sender, receiver, what, source of the directions that were expected beforehand; None: those
        of the review. They are families of tests of their own, and each is in the table.
    only_known
        Ask these directions only, not every pair of compartments.
    panel_genes
        Genes by which cells were called: where the ligand is one, senescent cells were partly
        called by it, ``circular`` says so, and the pair is a test of another family.
    control
        Treatment that means not irradiated.
    min_days_stable
        Days from which a cell can be senescent.
    scheme, cuts_days
        As in :func:`senoscore.phases`.
    min_cells
        Cells of each kind that a sample needs (5 is LIANA's default too).
    min_detected
        Share of cells (0..1) in which a ligand must be found, among the senescent or among all
        sending cells, and each receptor chain among the receiving ones, all samples together. The
        gate does not know the treatment, so that it cannot make a difference.
    alpha
        1 - confidence of the intervals.

    Returns
    -------
    One row a question, direction and pair. ``senescent_vs_other``: score with senescent senders
    less score with the other cells of the same compartment and sample, one number a subject, per
    stratum, arm (treatment, dose, fractions, modality) and phase (t test of paired differences).
    ``irradiated_vs_control``: score of all sending cells, per stratum, arm and day, as
    :func:`senoscore.trend` contrasts it. Strata are those of the trend. ``q`` is
    Benjamini-Hochberg within ``family``: a question, whether the direction was expected, and
    whether the pair is circular. Circular pairs stand after the others: their ligand is higher in
    senescent cells partly by construction. All sending cells were not chosen by their expression,
    so that ``irradiated_vs_control`` has none.

    Raises
    ------
    InputError
        A table lacks a column.

    References
    ----------
    Score: the geometric mean of ligand and receptor, as in SingleCellSignalR's regularised product
    (Cabello-Aguilar 2020, NAR 48:e55) without its regularisation; lowest chain: CellPhoneDB
    (Efremova 2020, Nat Protoc 15:1484).
    """
    _check_expression(expression)
    options = _Options(control, min_days_stable, scheme, cuts_days, min_cells, min_detected, alpha)
    wanted = curated_pairs() if pairs is None else pairs
    expected = known_directions() if directions is None else directions
    cube = _Cube(with_all(plain(expression)), samples)
    parts = strata(cube.samples, control=control)
    rows: list[dict[str, Any]] = []
    what = _directions(cube, expected, only_known=only_known)
    asked = [_read(cube, *ends, known, wanted, options) for ends, known in what.items()]
    by_part = [_tested(cube, asked, part, options) for part in parts]
    for number, one in enumerate(asked):
        own = [row for found in by_part for row in found[number]]
        if not own and one.head["known"]:
            own = [_untested(cube, one.head["sender"], one.head["receiver"])]
        rows += [one.head | row for row in own]
    out = pd.DataFrame(rows, columns=list(COLUMNS))
    out[list(_NUMBERS)] = out[list(_NUMBERS)].astype(float)
    circular = out["ligand"].isin(set(panel_genes)) & (out["question"] == _PAIRED)
    out["circular"] = np.where(circular, "ligand is in the panel", "")
    kind = np.where(out["known"] != "", "known directions", "other directions")
    out["family"] = "crosstalk/" + out["question"] + "/" + kind
    out.loc[circular, "family"] += "/ligand in the panel"
    out["q"] = bh(out)
    for name in ("stratum", "modality"):
        out[name] = out[name].astype(object).where(out[name].notna(), "")
    # Sums of blocks of other sizes have other last bits, which must not decide the order.
    rounded = out["p"].map("{:.6e}".format).astype(float)
    order = out.assign(_other=out["known"] == "", _circular=circular, _p=rounded)
    by = ["question", "_other", "_circular", "_p"]
    order = order.sort_values(by, ascending=[False, True, True, True], kind="stable")
    return order[list(COLUMNS)].reset_index(drop=True)


@takes(
    check_control=False,
    samples="sen.burden(adata).drop_duplicates('sample')",
    expression="sen.group_means(adata)",
)
def crosstalk_values(
    expression: pd.DataFrame,
    samples: pd.DataFrame,
    *,
    pairs: pd.DataFrame | None = None,
    directions: pd.DataFrame | None = None,
    only_known: bool = False,
    min_cells: int = 5,
    min_detected: float = 0.1,
) -> pd.DataFrame:
    """Score ligands against receptors elsewhere, one value a sample, to be compared between arms.

    Parameters
    ----------
    expression, samples, pairs, directions, only_known, min_cells, min_detected
        As for :func:`crosstalk`.

    Returns
    -------
    One row a sample, sending compartment, receiving one and pair, for ``further=`` of
    :func:`senoscore.arms`. ``value`` is the score of :func:`crosstalk` with all kept cells of the
    sender, whatever their state. Pairs (``crosstalk_pair:macrophage:CCL2-CCR2``) are those that
    pass the gate of detection. A direction (``crosstalk:macrophage``) is the mean over those
    ``n_pairs`` of them that every sample with enough cells of both compartments measures.

    Raises
    ------
    InputError
        A table lacks a column.
    """
    _check_expression(expression)
    wanted = curated_pairs() if pairs is None else pairs
    expected = known_directions() if directions is None else directions
    cube = _Cube(with_all(plain(expression)), samples)
    names = cube.samples[k.SAMPLE].to_numpy()
    about: list[dict[str, Any]] = []
    columns: list[NDArray[np.float64]] = []
    for (sender, receiver), known in _directions(cube, expected, only_known=only_known).items():
        passed = _passing(cube, sender, receiver, wanted, min_detected)
        if not passed:
            continue
        level = _sent(cube, sender, ALL, passed, min_cells)
        scores = np.sqrt(level * _received(cube, receiver, passed, min_cells))
        scored = np.isfinite(scores).any(axis=1)
        everywhere = np.isfinite(scores[scored]).all(axis=0)
        head: dict[str, Any] = {k.COMPARTMENT: sender, "receiver": receiver, "known": known}
        if scored.any() and everywhere.any():
            whole = head | {"measure": f"crosstalk{k.SEP}{receiver}", "ligand": "", "receptor": ""}
            about.append(whole | {"n_pairs": int(everywhere.sum())})
            columns.append(np.where(scored, scores[:, everywhere].mean(axis=1), np.nan))
        for column, (row, _, _) in enumerate(passed):
            pair = f"{row['ligand']}-{row['receptor']}"
            about.append(
                head
                | {
                    "measure": f"crosstalk_pair{k.SEP}{receiver}{k.SEP}{pair}",
                    "ligand": row["ligand"], "receptor": row["receptor"], "n_pairs": 1,
                }
            )  # fmt: skip
            columns.append(scores[:, column])
    if not columns:
        return pd.DataFrame(columns=list(VALUE_COLUMNS))
    values = np.array(columns)
    of, sample = np.nonzero(np.isfinite(values))
    out = pd.DataFrame(about).iloc[of].reset_index(drop=True)
    out[k.SAMPLE], out["value"] = names[sample], values[of, sample]
    return out[list(VALUE_COLUMNS)]


def _check_expression(expression: pd.DataFrame) -> None:
    needed = [k.SAMPLE, k.COMPARTMENT, "kind", "n_cells", "gene", "mean", "detected"]
    missing = [c for c in needed if c not in expression]
    if missing:
        msg = f"the expression table has no column {missing[0]!r}"
        raise InputError(msg, fix="make it with senoscore.group_means")


def _directions(
    cube: _Cube, expected: pd.DataFrame, *, only_known: bool
) -> dict[tuple[str, str], str]:
    """Sender and receiver of every direction that is asked, and what was expected of it."""
    what = {(str(r.sender), str(r.receiver)): str(r.what) for r in expected.itertuples()}
    names = [c for c in cube.compartments if c != k.UNASSIGNED]
    others = [(a, b) for a in names for b in names if a != b and (a, b) not in what]
    return what | ({} if only_known else dict.fromkeys(others, ""))


class _Cube:
    """Means and detection as arrays: samples x genes, per compartment and kind.

    Samples without cells keep a row, so that strata are those of the whole sheet.
    """

    def __init__(self, expression: pd.DataFrame, samples: pd.DataFrame) -> None:
        self.genes = sorted(expression["gene"].unique())
        self.column = {gene: i for i, gene in enumerate(self.genes)}
        self.samples = designed(samples)
        self.present = self.samples[k.SAMPLE].isin(set(expression[k.SAMPLE]))
        self.compartments = sorted(expression[k.COMPARTMENT].unique())
        row = {name: i for i, name in enumerate(self.samples[k.SAMPLE])}
        self._tables: dict[tuple[str, str], tuple[NDArray[np.float64], ...]] = {}
        for (compartment, kind), group in expression.groupby(
            [k.COMPARTMENT, "kind"], observed=True
        ):
            mean = np.full((len(row), len(self.genes)), np.nan)
            found, n = mean.copy(), np.zeros(len(row))
            with_sample = group[group[k.SAMPLE].isin(row)]
            i = with_sample[k.SAMPLE].map(row).to_numpy(dtype=int)
            j = with_sample["gene"].map(self.column).to_numpy(dtype=int)
            mean[i, j], found[i, j] = with_sample["mean"], with_sample["detected"]
            n[i] = with_sample["n_cells"]
            self._tables[str(compartment), str(kind)] = mean, found, n

    def of(
        self, compartment: str, kind: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Mean, detection (samples x genes) and number of cells (samples)."""
        shape = (len(self.samples), len(self.genes))
        empty = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape[0])
        return self._tables.get((compartment, kind), empty)  # type: ignore[return-value]

    def detected(self, compartment: str, kind: str) -> NDArray[np.float64]:
        """Share of cells in which each gene is found, over the samples that measure it."""
        _, found, n = self.of(compartment, kind)
        total = (np.isfinite(found) * n[:, None]).sum(axis=0)
        return np.asarray((np.nan_to_num(found) * n[:, None]).sum(axis=0) / np.maximum(total, 1.0))


def _untested(cube: _Cube, sender: str, receiver: str) -> dict[str, Any]:
    absent = [c for c in (sender, receiver) if c not in cube.compartments]
    why = (
        f"no {' and no '.join(absent)} cells in this run"
        if absent
        else "no pair passes the detection gate with enough cells of both compartments"
    )
    return {"question": _PAIRED, "status": k.NOT_ESTIMABLE, "reason": why}


_Pair: TypeAlias = "tuple[dict[str, str], int, list[int]]"
"""What is known of a pair, the column of its ligand, and those of the chains of its receptor."""


def _passing(
    cube: _Cube, sender: str, receiver: str, pairs: pd.DataFrame, min_detected: float
) -> list[_Pair]:
    """Pairs of which ligand and receptor are detected, all samples together."""
    sent = np.maximum(cube.detected(sender, "senescent"), cube.detected(sender, ALL))
    got = cube.detected(receiver, ALL)
    passed: list[_Pair] = []
    columns = ("ligand", "receptor", "family", "source")
    for values in pairs[list(columns)].astype(str).itertuples(index=False, name=None):
        row = dict(zip(columns, values, strict=True))
        genes = [row["ligand"], *row["receptor"].split("+")]
        if not set(genes) <= set(cube.column):
            continue
        ligand, *chains = (cube.column[gene] for gene in genes)
        if min(sent[ligand], got[chains].min()) >= min_detected:
            passed.append((row, ligand, chains))
    return passed


def _received(
    cube: _Cube, receiver: str, passed: list[_Pair], min_cells: int
) -> NDArray[np.float64]:
    """Level of the lowest chain in all receiving cells, samples x pairs; NaN with too few cells."""
    mean, _, n = cube.of(receiver, ALL)
    lowest = np.empty((len(mean), len(passed)))
    for column, (_, _, chains) in enumerate(passed):
        lowest[:, column] = mean[:, chains].min(axis=1)
    lowest[n < min_cells] = np.nan
    return lowest


def _sent(
    cube: _Cube, sender: str, kind: str, passed: list[_Pair], min_cells: int
) -> NDArray[np.float64]:
    """Level of the ligand in sending cells of a kind, likewise."""
    mean, _, n = cube.of(sender, kind)
    ligands = [ligand for _, ligand, _ in passed]
    return np.where((n >= min_cells)[:, None], mean[:, ligands], np.nan)


@dataclass(frozen=True)
class _Direction:
    """Pairs from one compartment to another: what is known of each, and levels a sample."""

    head: dict[str, str]
    facts: list[dict[str, Any]]
    level: dict[str, NDArray[np.float64]]
    receptor: NDArray[np.float64]


def _read(
    cube: _Cube, sender: str, receiver: str, known: str, pairs: pd.DataFrame, options: _Options
) -> _Direction:
    passed = _passing(cube, sender, receiver, pairs, options.min_detected)
    sent = np.maximum(cube.detected(sender, "senescent"), cube.detected(sender, ALL))
    got = cube.detected(receiver, ALL)
    facts: list[dict[str, Any]] = [
        {
            "ligand": row["ligand"], "receptor": row["receptor"], "ligand_family": row["family"],
            "source": row["source"], "ligand_detected": sent[ligand],
            "receptor_detected": got[chains].min(),
        }
        for row, ligand, chains in passed
    ]  # fmt: skip
    level = {
        kind: _sent(cube, sender, kind, passed, options.min_cells)
        for kind in ("senescent", "other", ALL)
    }
    head = {"sender": sender, "receiver": receiver, "known": known}
    return _Direction(head, facts, level, _received(cube, receiver, passed, options.min_cells))


def _tested(
    cube: _Cube, directions: Sequence[_Direction], part: Stratum, options: _Options
) -> list[list[dict[str, Any]]]:
    """Rows of one stratum, direction by direction.

    The scores of all directions are contrasted at once: the design of a contrast depends on the
    samples alone, and finding it took most of the time.
    """
    present = part.table[cube.present[part.table.index]]
    rows: list[list[dict[str, Any]]] = [
        [
            one.facts[i] | {"stratum": part.name} | pair
            for i, pair in _paired_rows(present, one.level, one.receptor, options)
        ]
        for one in directions
    ]
    of = [(d, i) for d, one in enumerate(directions) for i in range(len(one.facts))]
    scores = np.hstack([np.sqrt(one.level[ALL] * one.receptor) for one in directions])
    found = against_control(
        part, pd.DataFrame(scores), control=options.control, alpha=options.alpha
    )
    for column, contrast in zip(found.pop("measure"), found.to_dict("records"), strict=True):
        d, i = of[int(column)]
        numbers = {str(name): value for name, value in contrast.items()}
        rows[d].append(directions[d].facts[i] | {"question": _OVER_TIME} | numbers)
    return rows


def _paired_rows(
    samples: pd.DataFrame, level: dict[str, NDArray[np.float64]],
    receptor: NDArray[np.float64], options: _Options,
) -> Iterator[tuple[int, dict[str, Any]]]:  # fmt: skip
    """Senescent against other senders of the same sample, per arm and phase.

    A sample that lacks a gene is left out of the pairs of that gene alone.
    """
    delta = np.sqrt(level["senescent"] * receptor) - np.sqrt(level["other"] * receptor)
    days = samples[k.DAYS]
    use = (samples[k.TREATMENT] != options.control) & (days >= options.stable)
    phase = phases(days, scheme=options.scheme, cuts_days=options.cuts)["phase"].to_numpy()
    chosen = samples[use].assign(phase=phase[use.to_numpy()])
    for key, group in chosen.groupby([*ARM, "phase"], dropna=False, sort=True, observed=True):
        rows = group.index.to_numpy()
        subject = group[k.SUBJECT].to_numpy()
        one_each = pd.DataFrame(delta[rows]).groupby(subject, observed=True).mean().to_numpy()
        measured = np.isfinite(delta[rows])
        arm = dict(zip([*ARM, "phase"], key, strict=True))
        for i in range(delta.shape[1]):
            mine = rows[measured[:, i]]
            per_subject = one_each[:, i][np.isfinite(one_each[:, i])]
            yield i, arm | {
                "question": _PAIRED,
                "n_treated": len(per_subject), "n_control": 0,
                "ligand_senescent": _mean(level["senescent"][mine, i]),
                "ligand_other": _mean(level["other"][mine, i]),
                "receptor_mean": _mean(receptor[mine, i]),
                "method": "t test of differences within samples, one a subject",
            } | paired(per_subject, alpha=options.alpha)  # fmt: skip


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
