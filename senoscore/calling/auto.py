"""The learnt call of a notebook: learn where that can be done, keep it, say where it was used."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.calling.bounds import wrong_at_most
from senoscore.calling.engine import (
    Learnt,
    add_up,
    assign,
    blocks_of,
    choose,
    judge_cells,
    programme_table,
    score_cells,
)
from senoscore.calling.evidence import (
    compartments_of,
    control_mask,
    days_of,
    is_profile,
    kept,
    without_counts,
)
from senoscore.calling.programme import Features, Plan, Programme, learn
from senoscore.cells import gene_symbols, organism_of, values_of
from senoscore.errors import DesignError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.calling.engine import Assigned, Columns

__all__ = [
    "LEARNED",
    "PANEL",
    "Attempt",
    "attempt",
    "find",
    "from_arrays",
    "levels_of",
    "subjects_of",
    "to_arrays",
    "used_engines",
]

log = logging.getLogger(__name__)

LEARNED: Final = "learned"
PANEL: Final = "panel"


@dataclass(frozen=True)
class Attempt:
    """What came of learning from some cells.

    Attributes
    ----------
    refused
        Compartments that are left to the panel, and why.
    error
        Why nothing could be learnt at all, None: something was.
    programme, who, columns, kind, layer
        What was learnt, from which cells, genes and values; None where nothing was.
    """

    refused: dict[str, str]
    error: DesignError | InputError | None = None
    programme: Programme | None = None
    who: Assigned | None = None
    columns: Columns | None = None
    kind: str = ""
    layer: str | None = None


def subjects_of(table: pd.DataFrame) -> NDArray[np.object_]:
    """Animal or patient of each cell: its sample where no subject is stated. Shape (n_cells,)."""
    sample = table[k.SAMPLE].astype(str).to_numpy(dtype=object)
    if k.SUBJECT not in table:
        return sample
    said = table[k.SUBJECT].astype("string").fillna("").str.strip().to_numpy(dtype=object)
    return np.where(said == "", sample, said)


def attempt(
    adata: AnnData,
    table: pd.DataFrame,
    *,
    control: Mapping[str, str],
    min_days: float,
    method: str,
    known: Mapping[str, Any] | None = None,
) -> Attempt:
    """Learn from control cells and from those late enough for stable senescence.

    Parameters
    ----------
    adata
        Cells with counts or log-normalised values.
    table
        Of :func:`~senoscore.calling.evidence.cell_table`.
    control
        Column and value that name the control samples.
    min_days
        Day after irradiation from which senescence can be claimed.
    method
        Whose scores are called: the layer they were made of is the one to learn from.
    known
        What :func:`to_arrays` kept; used in place of learning anew if it is of these cells.
    """
    is_control = control_mask(table, control)
    day = days_of(table, is_control)
    rooms = compartments_of(table)
    late = is_control | (day >= min_days) | np.isnan(day)
    judged = kept(table) & late & (rooms != k.UNASSIGNED)
    judged &= ~is_profile(table) & ~without_counts(table)
    dose = table[k.DOSE].astype(str).to_numpy() if k.DOSE in table else np.full(len(table), "")
    group = np.array([f"{d}|{g:g}" for d, g in zip(dose, day, strict=True)], dtype=object)
    group[is_control] = k.CONTROL
    try:
        who = assign(
            table[k.SAMPLE].astype(str).to_numpy(dtype=object), rooms.astype(object),
            treated=~is_control, judged=judged, group=group, subject=subjects_of(table),
        )  # fmt: skip
        columns = choose(gene_symbols(adata), organism_of(adata))
        kind, layer = _values(adata, method)
    except (DesignError, InputError) as error:
        why = error.message
        return Attempt({str(room): why for room in np.unique(rooms)}, error)
    programme = None if known is None else from_arrays(known, who, columns, kind)
    if programme is None:
        sums = add_up(adata, columns, who, kind=kind, layer=layer)
        programme = learn(sums, columns.features)
    refused = dict(who.refused)
    for name, source in zip(programme.plan.compartments, programme.source, strict=True):
        if source == "none":
            refused[name] = "too few cells in an arm to learn from"
    return Attempt(refused, None, programme, who, columns, kind, layer)


def _values(adata: AnnData, method: str) -> tuple[str, str | None]:
    """Kind of the values to learn from, and their layer: what the scores were made of."""
    said = dict(dict(adata.uns.get(k.UNS, {})).get("score", {})).get(method, {})
    layer = str(said.get("layer", "X"))
    if layer != "X" and layer in adata.layers:
        kind = str(said["values"])
    else:
        kind, layer = values_of(adata), "X"
    if kind not in (k.COUNTS, k.LOGNORM):
        msg = f"values are {kind}, counts or log-normalised values are needed to learn from"
        raise InputError(msg)
    return kind, None if layer == "X" else layer


def levels_of(
    adata: AnnData, at: int, *, method: str
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Candidate genes, and their log-normalised levels in the cell at this place."""
    columns = choose(gene_symbols(adata), organism_of(adata))
    kind, layer = _values(adata, method)
    _, values, _, _ = next(blocks_of(adata, columns, kind, layer, 1, slice(at, at + 1)))
    return columns.features.genes, values.toarray().ravel()


def find(adata: AnnData, found: Attempt, *, fdr: float) -> Learnt:
    """Score the cells by what was learnt, and call them."""
    assert found.programme is not None
    assert found.who is not None
    assert found.columns is not None
    scored = score_cells(
        adata, found.columns, found.programme, found.who, kind=found.kind, layer=found.layer
    )
    cells, amounts, note = judge_cells(scored, found.programme, found.who, fdr=fdr)
    cells.index = adata.obs_names
    return Learnt(cells, programme_table(found.programme), amounts, note)


def used_engines(
    table: pd.DataFrame, found: Attempt, learnt: Learnt | None, states: NDArray[np.object_]
) -> pd.DataFrame:
    """Say of each compartment who called it, and how many of the called cells can be wrong.

    Returns
    -------
    Columns ``compartment``, ``engine`` (learned or panel), ``reason`` (why the panel),
    ``n_senescent`` and ``wrong_at_most`` (95 %, NaN for the panel; a row ``all`` is of all the
    learnt compartments at once).
    """
    rooms = compartments_of(table)
    called = states == "senescent"
    rows = []
    p = treated = animal = None
    if learnt is not None and found.who is not None:
        p = learnt.cells["p"].to_numpy()
        plan = found.who.plan
        treated = plan.treated[found.who.sample] & (found.who.sample >= 0)
        animal = plan.subjects[found.who.sample]
    for room in [*np.unique(rooms), "all"]:
        own = np.isin(rooms, list(found.refused), invert=True) if room == "all" else rooms == room
        reason = found.refused.get(str(room), "")
        engine = PANEL if reason or p is None else LEARNED
        if room == "all" and p is None:
            continue
        bound = np.nan
        if engine == LEARNED:
            assert p is not None
            assert treated is not None
            assert animal is not None
            # the null is that of the run: the bound of a compartment is one of its choice
            bound = wrong_at_most(p, called & own & np.isfinite(p) & treated, treated, animal)
        rows.append((str(room), engine, reason, int((called & own).sum()), bound))
    columns = [k.COMPARTMENT, "engine", "reason", "n_senescent", "wrong_at_most"]
    return pd.DataFrame(rows, columns=columns)


_ARRAYS: Final = (
    "coefficients", "weight", "shift", "excess", "prior", "stability", "reliability", "mean", "sd",
)  # fmt: skip


def to_arrays(found: Attempt) -> dict[str, Any]:
    """What was learnt, as arrays that an .h5ad can hold."""
    programme = found.programme
    assert programme is not None
    return {
        "values": found.kind,
        "genes": programme.features.genes.astype(str),
        "source": np.array(programme.source, dtype=str),
        "parts": np.array(programme.parts, dtype=str),
        "covariates": np.array(programme.features.covariates, dtype=str),
        "plan": _plain(programme.plan),
    } | {name: getattr(programme, name) for name in _ARRAYS}


def _plain(plan: Plan) -> dict[str, Any]:
    return {
        "samples": np.array(plan.samples, dtype=str),
        "compartments": np.array(plan.compartments, dtype=str),
        "treated": plan.treated,
        "fold": plan.fold,
        "group": plan.group,
        "subject": plan.subjects,
    }


def from_arrays(
    kept: Mapping[str, Any], who: Assigned, columns: Columns, kind: str
) -> Programme | None:
    """The programme that was kept; None if it is of other samples, genes or values than these."""
    features: Features = columns.features
    same = str(kept["values"]) == kind and _same(kept["genes"], features.genes)
    same &= _same(kept["covariates"], features.covariates)
    plan = _plain(who.plan)
    if not same or any(not _same(kept["plan"][name], value) for name, value in plan.items()):
        return None
    return Programme(
        features,
        who.plan,
        tuple(map(str, kept["parts"])),
        source=tuple(map(str, kept["source"])),
        **{name: np.asarray(kept[name], dtype=np.float64) for name in _ARRAYS},
    )


def _same(one: Any, other: Any) -> bool:
    return list(map(str, one)) == list(map(str, other))
