"""The learnt call of a notebook: learn where that can be done, keep it, say where it was used."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.calling.engine import (
    Learnt,
    add_up,
    assign,
    blocks_of,
    choose,
    judge_cells,
    programme_table,
    score_cells,
    wrong_calls,
)
from senoscore.calling.evidence import compartments_of
from senoscore.calling.programme import Programme, learn
from senoscore.calling.roles import parts_of, roles
from senoscore.cells import gene_symbols, organism_of, values_of
from senoscore.errors import DesignError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.calling.engine import Assigned, Columns
    from senoscore.calling.sums import Features, Plan

__all__ = [
    "Attempt",
    "attempt",
    "find",
    "from_arrays",
    "levels_of",
    "to_arrays",
    "used_engines",
]

log = logging.getLogger(__name__)


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
    role, rooms = roles(table, control, min_days), compartments_of(table)
    try:
        who = assign(
            table[k.SAMPLE].astype(str).to_numpy(dtype=object), rooms.astype(object),
            treated=role.treated, judged=role.judged, group=role.group, subject=role.subject,
            aside=role.aside, part=parts_of(adata.obs_names),
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


def used_engines(table: pd.DataFrame, found: Attempt, learnt: Learnt | None) -> pd.DataFrame:
    """Say of each compartment who called it, and how many of the called cells can be wrong.

    Returns
    -------
    Columns ``compartment``, ``engine`` (learned or panel), ``reason`` (why the panel), and
    ``n_called`` and ``wrong_at_most`` of :func:`~senoscore.calling.engine.wrong_calls`, NaN for the
    panel; the row ``all`` is of all the learnt compartments at once.
    """
    rooms = np.unique(compartments_of(table)).tolist()
    out = pd.DataFrame({k.COMPARTMENT: rooms})
    out["reason"] = out[k.COMPARTMENT].map(found.refused).fillna("")
    known = learnt is not None and found.who is not None
    out["engine"] = np.where(out["reason"].ne("") | (not known), k.PANEL, k.LEARNED)
    limits = pd.DataFrame(columns=[k.COMPARTMENT, "n_called", "wrong_at_most"], dtype=float)
    if learnt is not None and found.who is not None:
        limits = wrong_calls(learnt.cells, found.who)
        whole = {k.COMPARTMENT: "all", "engine": k.LEARNED, "reason": ""}
        out = pd.concat([out, pd.DataFrame([whole])], ignore_index=True)
    limits[k.COMPARTMENT] = limits[k.COMPARTMENT].astype(object)
    out = out.merge(limits, on=k.COMPARTMENT, how="left")
    return out[[k.COMPARTMENT, "engine", "reason", "n_called", "wrong_at_most"]]


_ARRAYS: Final = (
    "coefficients", "weight", "shift", "excess", "prior", "stability", "likeness", "mean", "sd",
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
        "aside": plan.set_aside,
        "part": plan.parts,
    }


def from_arrays(
    kept: Mapping[str, Any], who: Assigned, columns: Columns, kind: str
) -> Programme | None:
    """The programme that was kept; None if it is of other samples, genes or values than these."""
    features: Features = columns.features
    same = str(kept["values"]) == kind and _same(kept["genes"], features.genes)
    same &= _same(kept["covariates"], features.covariates)
    plan = _plain(who.plan)
    if not same or any(
        not _same(kept["plan"].get(name, ()), value) for name, value in plan.items()
    ):
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
