"""The learnt call, stage by stage: plan, sums of each data set, programme, scores, judgement.

Cells are read twice, block by block, data set by data set; everything that a later stage needs
of all data sets is sums, or a few numbers a cell.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import ConfigError
from senoscore.io import (
    open_h5,
    parquet_blocks,
    parquet_columns,
    parquet_rows,
    read_index,
    read_parquet,
    remake,
    track,
    write_parquet,
    write_tsv,
)
from senoscore.run.log import logged
from senoscore.run.tables import BLOCK, facts, judged_cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from senoscore.calling import Family, Scored
    from senoscore.run.layout import DatasetFiles


__all__ = [
    "programme",
    "programme_call",
    "programme_plan",
    "programme_score",
    "programme_sums",
]

log = logging.getLogger(__name__)

PROGRAMME_COLUMNS: Final = (
    "organism", "assay", k.COMPARTMENT, "gene", "kind", "weight", "shift", "covariance", "prior",
    "control_mean", "control_sd", "stability", "source",
)  # fmt: skip
ENGINE_COLUMNS: Final = (
    "organism", "assay", k.COMPARTMENT, "engine", "reason", "n_called", "wrong_at_most", "note",
)  # fmt: skip
PREVALENCE_COLUMNS: Final = (
    k.SAMPLE, k.COMPARTMENT, "n_judged", "prevalence", "prevalence_lo", "prevalence_hi", "shifted",
    "n_beyond", "arrested", "arrested_lo", "arrested_hi", "withheld",
)  # fmt: skip


@logged
def programme_plan(
    datasets: Sequence[DatasetFiles], samples: Path, config: Mapping[str, Any], *, out: Path
) -> None:
    """Write which data sets are learnt from together, by which genes, and samples in folds."""
    from senoscore.calling import families, write_families
    from senoscore.study import read_samples

    sheet = read_samples(samples)
    found = families(
        {data.name: facts(data) for data in datasets},
        {data.name: judged_cells(data, sheet, parts=True) for data in datasets},
        {data.name: _genes(data["matrix"]) for data in datasets},
        control={k.TREATMENT: config["control_treatment"]},
        min_days=config["call"]["min_days_stable"],
        must=config["call"]["engine"] == "learned",
    )
    write_families(found, out)
    for family in found:
        log.info(
            "%s: %s", ", ".join(family.datasets),
            family.reason or f"{len(family.genes)} genes, {len(family.plan.samples)} samples",  # type: ignore[union-attr]
        )  # fmt: skip


def _genes(matrix: Path) -> list[str]:
    with open_h5(matrix, fix=remake(matrix)) as file:
        return read_index(file["var"])


def _family_of(found: Sequence[Family], data: DatasetFiles, plan: Path) -> tuple[str, Family]:
    for number, family in enumerate(found):
        if data.name in family.datasets:
            return str(number), family
    msg = f"{plan} has no data set {data.name}"
    raise ConfigError(msg, fix=remake(plan))


@logged
def programme_sums(
    data: DatasetFiles,
    samples: Path,
    config: Mapping[str, Any],
    *,
    plan: Path,
    out: Path,
    part: int = 0,
    of: int = 1,
) -> None:
    """Write the sums of one data set, or of a piece of it, that a programme is learnt from."""
    from senoscore.calling import add_up, choose, locate, read_families, write_sums
    from senoscore.study import read_samples

    _, family = _family_of(read_families(plan), data, plan)
    if family.plan is None:
        write_sums(None, out)
        return
    cells = judged_cells(data, read_samples(samples), parts=True)
    who = locate(cells, family, *_when(config))
    columns = choose(_genes(data["matrix"]), family.organism, only=family.genes)
    bounds = np.linspace(0, len(cells), of + 1).astype(int)
    rows = slice(int(bounds[part]), int(bounds[part + 1]))
    stats = add_up(data["matrix"], columns, who, kind=family.values, rows=rows)
    write_sums(stats, out)


def _when(config: Mapping[str, Any]) -> tuple[dict[str, str], float]:
    """Column and value of the controls, and the day from which senescence can be claimed."""
    return {k.TREATMENT: config["control_treatment"]}, float(config["call"]["min_days_stable"])


@logged
def programme(
    datasets: Sequence[DatasetFiles],
    *,
    plan: Path,
    sums: Sequence[Path],
    out: Path,
    table_out: Path,
) -> None:
    """Learn the programme of the run from the sums of its data sets.

    ``sums``: files of all data sets and pieces, in any order of the data sets; they are added in
    the order of their names, so that the same run gives the same bits.
    """
    from senoscore.calling import (
        ProgrammeStats,
        add_sums,
        choose,
        learn,
        programme_table,
        read_families,
        write_programme,
    )

    found = read_families(plan)
    by_dataset: dict[str, list[Path]] = {data.name: [] for data in datasets}
    for path in sums:
        name = path.parent.name.removesuffix(".sums")
        if name not in by_dataset:
            msg = f"{path} is of none of the data sets given"
            raise ConfigError(msg, fix="name the sums of each data set with --sums, and no others")
        by_dataset[name].append(path)
    learnt, tables = {}, []
    for number, family in enumerate(found):
        if family.plan is None:
            continue
        columns = choose(family.genes, family.organism)
        genes = columns.features.genes
        stats = ProgrammeStats(family.plan, genes, len(columns.groups) + 2)
        pieces = [path for name in family.datasets for path in by_dataset[name]]
        for path in track(sorted(pieces, key=_place), "sums added"):
            add_sums(stats, path)
        learnt[str(number)] = learn(stats, columns.features)
        kinds = {"organism": family.organism, "assay": family.assay}
        tables.append(programme_table(learnt[str(number)]).assign(**kinds))
    write_programme(learnt, out)
    empty = pd.DataFrame(columns=list(PROGRAMME_COLUMNS))
    whole = pd.concat(tables, ignore_index=True) if tables else empty
    write_tsv(whole[list(PROGRAMME_COLUMNS)], table_out, float_format="%.6g")


def _place(path: Path) -> tuple[str, int]:
    """Data set and number of a piece."""
    return path.parent.name, int(path.name.split("_")[0])


@logged
def programme_score(
    data: DatasetFiles,
    samples: Path,
    config: Mapping[str, Any],
    *,
    plan: Path,
    programme: Path,
    out: Path,
) -> None:
    """Score the cells of one data set by weights that never saw their sample."""
    from senoscore.calling import choose, locate, read_families, read_programme, score_cells
    from senoscore.study import read_samples

    found = read_families(plan)
    number, family = _family_of(found, data, plan)
    cells = judged_cells(data, read_samples(samples), parts=True)
    table = read_parquet(data["qc"], columns=[k.CELL])
    if family.plan is not None:
        learnt = read_programme(programme, found)[number]
        who = locate(cells, family, *_when(config))
        columns = choose(_genes(data["matrix"]), family.organism, only=family.genes)
        scored = score_cells(data["matrix"], columns, learnt, who, kind=family.values)
        table["at_sample"], table["at_compartment"] = who.sample, who.compartment
        table["depth"] = scored.depth
        for i, part in enumerate(learnt.parts):
            table[f"part{k.SEP}{part}"] = scored.scores[:, i]
        for i, name in enumerate(learnt.features.covariates[3:]):
            table[f"nuisance{k.SEP}{name}"] = scored.nuisance[:, i]
    write_parquet(table, out)


def _scored(paths: Sequence[Path]) -> tuple[Scored, NDArray[np.int64], NDArray[np.int64]]:
    """Scores of all cells of some files, and their places in the plan (sample, compartment).

    Block by block into arrays that are there: tables and names of millions of cells would fill
    the memory several times over.
    """
    from senoscore.calling import Scored

    n = sum(parquet_rows(path) for path in paths)
    columns = parquet_columns(paths[0])
    kinds = [
        [c for c in columns if c.startswith(f"{kind}{k.SEP}")] for kind in ("part", "nuisance")
    ]
    found = Scored(np.empty((n, len(kinds[0]))), np.empty(n), np.empty((n, len(kinds[1]))))
    sample, compartment = np.empty(n, np.int64), np.empty(n, np.int64)
    at = 0
    for path in paths:
        for block in parquet_blocks(path, [c for c in columns if c != k.CELL], BLOCK):
            rows = slice(at, at + block.num_rows)
            for into, names in zip((found.scores, found.nuisance), kinds, strict=True):
                for i, name in enumerate(names):
                    into[rows, i] = block[name].to_numpy()
            found.depth[rows] = block["depth"].to_numpy()
            sample[rows] = block["at_sample"].to_numpy()
            compartment[rows] = block["at_compartment"].to_numpy()
            at = rows.stop
    return found, sample, compartment


@logged
def programme_call(
    datasets: Sequence[DatasetFiles],
    config: Mapping[str, Any],
    *,
    plan: Path,
    programme: Path,
    scores: Sequence[Path],
    out: Sequence[Path],
    engines_out: Path,
    prevalence_out: Path,
) -> None:
    """Judge the cells of all data sets against one null; say which engine calls what.

    ``scores`` and ``out`` are in the order of ``datasets``.
    """
    from senoscore.calling import (
        Assigned,
        judge_cells,
        read_families,
        read_programme,
        wrong_calls,
    )

    found = read_families(plan)
    learnt = read_programme(programme, found)
    place = {data.name: i for i, data in enumerate(datasets)}
    engines: list[dict[str, Any]] = []
    amounts = []
    for number, family in enumerate(found):
        own = [scores[place[name]] for name in family.datasets]
        if family.plan is None:
            for name, path in zip(family.datasets, own, strict=True):
                write_parquet(_none(read_parquet(path, columns=[k.CELL])), out[place[name]])
            engines += _engines(family, set(), "", "", None)
            continue
        wording = learnt[str(number)]
        scored, sample, compartment = _scored(own)
        who = Assigned(family.plan, sample, compartment)
        cells, amount, note = judge_cells(scored, wording, who, fdr=config["call"]["fdr"])
        del scored
        stop = 0
        for name, path in zip(family.datasets, own, strict=True):
            named = read_parquet(path, columns=[k.CELL])
            start, stop = stop, stop + len(named)
            piece = cells.iloc[start:stop].reset_index(drop=True)
            write_parquet(pd.concat([named, piece], axis=1), out[place[name]])
        judged = np.isfinite(cells["p"].to_numpy()) & (who.compartment >= 0)
        seen = {family.plan.compartments[i] for i in np.unique(who.compartment[judged])}
        amounts.append(amount)
        limits = wrong_calls(cells, who).set_index(k.COMPARTMENT)
        engines += _engines(family, seen, "too few cells in an arm", note, limits)
        if note:
            log.warning("%s", note)
    write_tsv(pd.DataFrame(engines, columns=list(ENGINE_COLUMNS)), engines_out)
    none = pd.DataFrame(columns=list(PREVALENCE_COLUMNS))
    whole = pd.concat(amounts, ignore_index=True) if amounts else none
    write_tsv(whole[list(PREVALENCE_COLUMNS)], prevalence_out, float_format="%.6g")


def _none(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells that no programme judged."""
    empty = dict.fromkeys(("score", "p", "p_kinds", "q"), np.nan)
    return cells.assign(**empty, called=False, passes=False, deep=False, alone=False)


def _engines(
    family: Family, seen: set[str], why: str, note: str, limits: pd.DataFrame | None
) -> list[dict[str, Any]]:
    """Which engine calls each compartment of a family, why, and how many calls can be wrong."""
    rows: list[dict[str, Any]] = []
    whole = () if limits is None else ("all",)
    for name in (*family.compartments, *whole):
        reason = family.reason or family.refused.get(name, why)
        learned = name in seen or name in whole
        wrong = limits.loc[name].to_dict() if limits is not None and learned else {}
        rows.append(
            {
                "organism": family.organism,
                "assay": family.assay,
                k.COMPARTMENT: name,
                "engine": "learned" if learned else "panel",
                "reason": "" if learned else reason,
                "note": note,
            }
            | wrong
        )
    return rows
