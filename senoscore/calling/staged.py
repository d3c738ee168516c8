"""The learnt call in stages: what one data set gives, what all of them give, and files between.

Data sets of one organism, assay and kind of values are learnt from together (:class:`Family`):
nuclei are no baseline of cells. A stage reads one data set, or what the stages before it wrote;
numbers are kept in .npz without pickle, words in JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from scipy import sparse

from senoscore import names as k
from senoscore.calling.call import call_table, engine_of, overrule
from senoscore.calling.engine import Assigned, Learnt, assign, choose
from senoscore.calling.evidence import cell_table, stacked
from senoscore.calling.programme import Programme
from senoscore.calling.roles import PART, roles
from senoscore.calling.sums import Features, KeptCells, Plan, ProgrammeStats
from senoscore.errors import DesignError, InputError
from senoscore.io import atomic_path, remake

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from senoscore.calling.calibration import Calibration
    from senoscore.calling.roles import Roles

__all__ = [
    "Family",
    "add_sums",
    "apply_learnt",
    "call_blocks",
    "families",
    "locate",
    "read_families",
    "read_programme",
    "write_families",
    "write_programme",
    "write_sums",
]

_KINDS: Final = ("organism", "assay", "values")
_VALUES: Final = (k.COUNTS, k.LOGNORM)


@dataclass(frozen=True)
class Family:
    """Data sets that are learnt from together.

    Attributes
    ----------
    organism, assay, values
        What they have in common.
    datasets
        Their names, sorted.
    compartments
        Every compartment of their cells, sorted.
    genes
        Symbols that all of them have, sorted.
    plan
        Samples in folds; None: the family is left to the panel.
    refused
        Compartments that are left to the panel, and why.
    reason
        Why the family is.
    """

    organism: str
    assay: str
    values: str
    datasets: tuple[str, ...]
    compartments: tuple[str, ...]
    genes: tuple[str, ...]
    plan: Plan | None
    refused: Mapping[str, str]
    reason: str = ""

    @property
    def kinds(self) -> dict[str, str]:
        """Organism, assay and kind of values."""
        return {name: getattr(self, name) for name in _KINDS}


def families(
    facts: Mapping[str, Mapping[str, Any]],
    cells: Mapping[str, pd.DataFrame],
    genes: Mapping[str, Sequence[str]],
    *,
    control: Mapping[str, str],
    min_days: float,
    must: bool = False,
) -> list[Family]:
    """Sort data sets into families and their samples into folds.

    Parameters
    ----------
    facts, cells, genes
        By data set: organism, assay and values; the table of
        :func:`~senoscore.calling.roles.roles`; symbols.
    control, min_days
        As in :func:`~senoscore.calling.roles.roles`.
    must
        Refuse a run of which nothing can be learnt, in place of leaving it to the panel.

    Raises
    ------
    DesignError
        ``must``, and no family can be learnt from.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(facts):
        key = tuple(str(facts[name][kind]) for kind in _KINDS)
        groups.setdefault(key, []).append(name)
    found = []
    for (organism, assay, values), names in sorted(groups.items()):
        table = stacked([cells[name].assign(assay=assay) for name in names])
        rooms = tuple(sorted(set(map(str, table[k.COMPARTMENT].unique())) - {k.UNASSIGNED}))
        common = tuple(sorted(set.intersection(*(set(map(str, genes[name])) for name in names))))
        plan, refused, reason = None, {}, ""
        try:
            if values not in _VALUES:
                msg = f"values are {values}: counts or log-normalised values are needed"
                raise InputError(msg)
            choose(common, organism)
            who = _assigned(table, roles(table, control, min_days))
            plan, refused = who.plan, dict(who.refused)
        except (DesignError, InputError) as error:
            reason = str(error.args[0] if error.args else error).split("\n")[0]
        found.append(
            Family(
                organism, assay, values, tuple(names), rooms, common if plan else (), plan,
                refused, reason,
            )
        )  # fmt: skip
    if must and all(family.plan is None for family in found):
        msg = f"no programme can be learnt from this run: {found[0].reason}"
        raise DesignError(msg, fix="set call.engine to auto or panel, or add samples")
    return found


def _assigned(table: pd.DataFrame, who: Roles) -> Assigned:
    return assign(
        table[k.SAMPLE].to_numpy(dtype=object),
        table[k.COMPARTMENT].to_numpy(dtype=object),
        treated=who.treated, judged=who.judged, group=who.group,
        subject=who.subject, aside=who.aside, part=table[PART].to_numpy(),
    )  # fmt: skip


def locate(
    table: pd.DataFrame, family: Family, control: Mapping[str, str], min_days: float
) -> Assigned:
    """Find the places of the cells of one data set in the plan of its family."""
    assert family.plan is not None
    who = roles(table.assign(assay=family.assay), control, min_days)
    plan = family.plan
    names = dict(zip(plan.samples, plan.library.tolist(), strict=True))
    library = np.append(list(names.values()), -1)[_places(table[k.SAMPLE], list(names))]
    sample = plan.place(library, table[PART].to_numpy(np.int64))
    room = _places(table[k.COMPARTMENT], plan.compartments)
    return Assigned(plan, np.where(who.judged, sample, -1), room)


def _places(column: pd.Series, known: Sequence[str]) -> NDArray[np.int64]:
    """Place of the name of each cell among those known, -1: none of them."""
    codes, found = pd.factorize(column, use_na_sentinel=False)
    places = pd.Index(known).get_indexer(pd.Index(found).astype(str))
    return np.asarray(places[codes], dtype=np.int64)


def call_blocks(
    tables: Iterable[pd.DataFrame],
    calibration: Calibration,
    middle: Mapping[str, pd.Series],
    learnt: Iterator[pd.DataFrame] | None = None,
    *,
    fdr: float,
    min_days_stable: float,
) -> Iterator[pd.DataFrame]:
    """Call the cells of a data set block by block, as :func:`senoscore.call` does at once.

    Parameters
    ----------
    tables
        Blocks of cells, with ``cell``.
    calibration, fdr, min_days_stable
        As for :func:`senoscore.call`.
    middle
        What :func:`~senoscore.calling.call.middle_depths` gives of all its cells.
    learnt
        ``cells`` of :func:`~senoscore.calling.engine.judge_cells` in the same blocks; None: the
        panel calls alone.
    """
    method, rules = calibration.method, calibration.panel
    for table in tables:
        cells = cell_table(table, rules, method=method, compartment=k.COMPARTMENT)
        calls = call_table(cells, calibration, middle, fdr=fdr, min_days=min_days_stable)
        if learnt is not None:
            apply_learnt(calls, next(learnt), cells, calibration, middle)
        yield calls


def apply_learnt(
    calls: pd.DataFrame,
    learnt: pd.DataFrame,
    table: pd.DataFrame,
    calibration: Calibration,
    middle: Mapping[str, pd.Series],
) -> None:
    """Let the learnt programme say which cells of a table are senescent.

    Parameters
    ----------
    calls
        What :func:`senoscore.call` gave for ``table``; states, reasons and FDR are changed, and
        ``senescence_p``, ``senescence_score`` and ``senescence_engine`` put in.
    learnt
        ``cells`` of :func:`~senoscore.calling.engine.judge_cells`, in the same order.
    table, calibration
        As given to :func:`senoscore.call`.
    middle
        As for :func:`call_blocks`.
    """
    cells = learnt.set_axis(calls.index)
    overrule(calls, Learnt(cells, pd.DataFrame(), pd.DataFrame(), ""), table, calibration, middle)
    calls[k.P] = learnt["p"].to_numpy(np.float32)
    calls[k.PROGRAMME_SCORE] = learnt["score"].to_numpy(np.float32)
    calls[k.ENGINE] = engine_of(learnt)


def write_families(found: Iterable[Family], path: Path) -> None:
    """Write families as JSON."""
    content = [
        {f.name: getattr(family, f.name) for f in fields(Family)}
        | {"plan": None if family.plan is None else _plain(family.plan)}
        for family in found
    ]
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")


def read_families(path: Path) -> list[Family]:
    """Read what :func:`write_families` wrote.

    Raises
    ------
    InputError
        The file is not there, or damaged.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        return [_family(entry) for entry in content]
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror})"
        raise InputError(msg, fix=remake(path)) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unreadable(path, error) from error


def _family(entry: dict[str, Any]) -> Family:
    plan = None if entry["plan"] is None else _plan(entry["plan"])
    lists = {name: tuple(entry[name]) for name in ("datasets", "compartments", "genes")}
    return Family(**{**entry, **lists, "plan": plan})


def _plain(plan: Plan) -> dict[str, Any]:
    """A plan in lists."""
    values = {f.name: getattr(plan, f.name) for f in fields(Plan)}
    return {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in values.items()}


def _plan(entry: dict[str, Any]) -> Plan:
    texts = ("samples", "compartments")
    made: dict[str, Any] = {name: tuple(entry[name]) for name in texts}
    for name, value in entry.items():
        if name not in texts and value is not None:
            made[name] = np.array(value, dtype=bool if name in ("treated", "aside") else np.int64)
    return Plan(**made)


def write_sums(stats: ProgrammeStats | None, path: Path) -> None:
    """Write sums; of the cross-products the upper halves of those that have cells.

    Nothing (None) is written as a file without arrays.
    """
    arrays: dict[str, Any] = {}
    if stats is not None:
        upper = _upper(stats)
        plan, (s, c) = stats.plan, np.nonzero(stats.n)
        keys = np.column_stack([plan.fold[s], plan.treated[s].astype(np.int64), c])
        present = np.unique(keys, axis=0)
        cross = np.array([stats.cross[tuple(at)][upper] for at in present])
        kept = stats.kept
        arrays = {
            "n": stats.n, "total": stats.total, "seen": stats.seen, "at": present, "cross": cross,
            "place": kept.place, "key": kept.key, "sample": kept.sample,
            "covariates": kept.covariates, "data": kept.expression.data,
            "indices": kept.expression.indices, "indptr": kept.expression.indptr,
        }  # fmt: skip
    _save(path, arrays)


def _upper(stats: ProgrammeStats) -> NDArray[np.bool_]:
    """The upper half with the diagonal, as a mask: row by row, and faster than places."""
    return np.tri(stats.cross.shape[-1], dtype=bool).T


def add_sums(stats: ProgrammeStats, path: Path) -> None:
    """Add what :func:`write_sums` wrote to other sums of the same plan.

    Raises
    ------
    InputError
        The file is not there, damaged, or of another plan.
    """
    arrays = _load(path)
    try:
        for name in ("n", "total", "seen"):
            total = getattr(stats, name)
            total += arrays[name].reshape(total.shape)
        upper = _upper(stats)
        half = np.zeros(upper.shape)
        for at, values in zip(arrays["at"], arrays["cross"], strict=True):
            half[upper] = values
            total = stats.cross[tuple(at)]
            diagonal = total.diagonal() + half.diagonal()
            total += half
            total += half.T
            np.fill_diagonal(total, diagonal)
        stats.keep(_kept(arrays, stats))
    except (KeyError, ValueError, IndexError) as error:
        raise _unreadable(path, error) from error


def _kept(arrays: Mapping[str, NDArray[Any]], stats: ProgrammeStats) -> KeptCells:
    values = sparse.csr_matrix(
        (arrays["data"], arrays["indices"], arrays["indptr"]),
        shape=(len(arrays["key"]), stats.n_genes),
    )
    values.check_format()
    cells = KeptCells(
        arrays["place"], arrays["key"], arrays["sample"], values, arrays["covariates"]
    )
    for name, most in (("place", stats.cross[..., 0, 0].size), ("sample", len(stats.plan.samples))):
        of = getattr(cells, name)
        if of.shape != cells.key.shape or (len(of) and not 0 <= of.min() <= of.max() < most):
            msg = f"{name} of a cell is not in the plan"
            raise ValueError(msg)
    if cells.covariates.shape != (len(cells.key), stats.n_covariates):
        msg = "covariates of a cell are missing"
        raise ValueError(msg)
    return cells


_TEXTS: Final = ("parts", "source")


def write_programme(found: Mapping[str, Programme], path: Path) -> None:
    """Write the programmes of a run, by the number of their family in the plan."""
    arrays: dict[str, Any] = {}
    words: dict[str, Any] = {}
    for number, programme in found.items():
        wording, features = words.setdefault(number, {}), programme.features
        for f in fields(Programme):
            value = getattr(programme, f.name)
            if isinstance(value, np.ndarray):
                arrays[f"{number}/{f.name}"] = value
            elif f.name in _TEXTS:
                wording[f.name] = list(value)
        wording["genes"] = [str(gene) for gene in features.genes]
        wording["covariates"], wording["kinds"] = list(features.covariates), list(features.kinds)
        arrays[f"{number}/sign"], arrays[f"{number}/lists"] = features.sign, features.prior
        for kind, genes in features.kinds.items():
            arrays[f"{number}/kind/{kind}"] = genes
    arrays["words"] = np.array(json.dumps(words, ensure_ascii=False, sort_keys=True))
    _save(path, arrays)


def read_programme(path: Path, found: Sequence[Family]) -> dict[str, Programme]:
    """Read what :func:`write_programme` wrote.

    Raises
    ------
    InputError
        The file is not there, or damaged.
    """
    arrays = _load(path)
    try:
        return {
            number: _programme(number, wording, arrays, found[int(number)])
            for number, wording in json.loads(str(arrays["words"])).items()
        }
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise _unreadable(path, error) from error


def _programme(
    number: str, own: dict[str, Any], arrays: Mapping[str, Any], family: Family
) -> Programme:
    assert family.plan is not None
    features = Features(
        np.array(own["genes"], dtype=object),
        arrays[f"{number}/sign"],
        {kind: arrays[f"{number}/kind/{kind}"] for kind in own["kinds"]},
        arrays[f"{number}/lists"],
        tuple(own["covariates"]),
    )
    made: dict[str, Any] = {name: tuple(own[name]) for name in _TEXTS}
    for f in fields(Programme):
        if f"{number}/{f.name}" in arrays:
            made[f.name] = arrays[f"{number}/{f.name}"]
    return Programme(features=features, plan=family.plan, **made)


def _unreadable(path: Path, error: Exception) -> InputError:
    msg = f"{path} is damaged or of another run ({' '.join(str(error).split())[:120]})"
    return InputError(msg, fix=remake(path))


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror or error})"
        raise InputError(msg, fix=remake(path)) from error
    except (ValueError, EOFError, KeyError, BadZipFile) as error:
        raise _unreadable(path, error) from error
