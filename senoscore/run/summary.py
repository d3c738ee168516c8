"""From cells to samples: burden, trend, and the one AnnData of a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from senoscore import names as k
from senoscore.io import (
    atomic_path,
    create_h5,
    parquet_columns,
    parquet_rows,
    progress,
    read_parquet,
    read_tsv,
    write_parquet,
    write_tsv,
)
from senoscore.run.log import logged
from senoscore.run.tables import SEX_SIGNATURES, facts, judged_cells, panel_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import h5py

    from senoscore.genesets import SignatureSet
    from senoscore.run.layout import DatasetFiles


__all__ = ["TEXT_COLUMNS", "burden", "confounders", "export", "pseudobulk", "trend"]

log = logging.getLogger(__name__)

_SUMMARISED: Final = ("senmayo", "fridman", "corescence", "p53_targets", "proliferation")
"""Signatures, beside the panel's, whose sample means go into the burden table."""


_FACTS: Final = (
    k.SAMPLE, k.COMPARTMENT, k.KEEP, "n_counts", "n_genes", "pct_mt", k.TREATMENT,
)  # fmt: skip


TEXT_COLUMNS: Final = dict.fromkeys(
    (
        k.DATASET,
        k.SAMPLE,
        k.SUBJECT,
        k.BATCH,
        "region",
        "modality",
        "assay",
        "organism",
        k.GIVEN,
        k.DRUG,
        "drug_dose",
        "drug_unit",
    ),
    str,
)


@logged
def burden(
    datasets: Sequence[DatasetFiles],
    samples: Path,
    config: Mapping[str, Any],
    *,
    panel: Path | None,
    rates: Path | None = None,
    prevalence: Path | None = None,
    out: Path,
    tissue_out: Path,
) -> None:
    """Write one row per sample and compartment.

    ``rates``: of the calibration; ``prevalence``: of the learnt call. None leaves those columns
    empty.
    """
    from senoscore.calling import stacked
    from senoscore.inference import burden as run
    from senoscore.inference import tissue_burden
    from senoscore.study import read_samples

    sheet = read_samples(samples)
    cells = stacked([_called(data, sheet, config, panel) for data in datasets])
    table = run(
        cells,
        samples=sheet[sheet[k.SAMPLE].isin(set(cells[k.SAMPLE]))],
        control=config["control_treatment"],
        min_days_stable=config["call"]["min_days_stable"],
        rates=None if rates is None else read_tsv(rates, dtype=TEXT_COLUMNS),
        prevalence=None if prevalence is None else read_tsv(prevalence, dtype=TEXT_COLUMNS),
        **config["burden"],
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_tsv(table, out, float_format="%.8g")
    whole = tissue_burden(table, control=config["control_treatment"])
    write_tsv(whole, tissue_out, float_format="%.8g")


def _called(
    data: DatasetFiles, sheet: pd.DataFrame, config: Mapping[str, Any], panel: Path | None
) -> pd.DataFrame:
    """Cells of a dataset with their calls and the scores that are summarised."""
    known = facts(data)
    is_profile = known["assay"] in k.PROFILES
    method = config["call"]["profile_method"] if is_profile else config["score"]["methods"][0]
    calls = read_parquet(data["calls"], columns=_judged(data["calls"]))
    judged_by = panel_of(panel, config).signatures
    coverage = read_tsv(data["coverage"], columns=[k.SIGNATURE, "gate"])
    families = {
        name
        for name in coverage[k.SIGNATURE]
        # The SASP families of the panel are summarised as its axes.
        if (name.startswith("sasp_") and name not in judged_by)
        or name in (*_SUMMARISED, *SEX_SIGNATURES)
    }
    wanted = [f"{method}{k.SEP}{name}" for name in sorted(families)]
    cells = judged_cells(data, sheet, scores=wanted, quality=["n_genes", "pct_mt"])
    cells = cells[[*_FACTS, *(name for name in wanted if name in cells)]]
    cells = pd.concat([cells, calls], axis=1)
    return _named(cells, data, assay=known["assay"], organism=known["organism"])


def _named(cells: pd.DataFrame, data: DatasetFiles, **facts: str) -> pd.DataFrame:
    """Cells with their data set and what all of them have in common, as categories."""
    alike = np.zeros(len(cells), dtype=int)
    said = {k.DATASET: data.name, **facts}
    return cells.assign(**{name: pd.Categorical([v]).take(alike) for name, v in said.items()})


def _judged(calls: Path) -> list[str]:
    """Columns of the calls that samples are summed up by; not the texts, which are most of it."""
    stored = parquet_columns(calls)
    z = [name for name in stored if name.startswith(f"z{k.SEP}")]
    return [*z, k.STATE, k.INDEX, "panel_positive", *({k.ENGINE} & set(stored))]


@logged
def confounders(
    datasets: Sequence[DatasetFiles],
    samples: Path,
    config: Mapping[str, Any],
    *,
    panel: Path | None,
    burden: Path,
    out: Path,
) -> None:
    """Write what travels with the scores besides irradiation."""
    from senoscore.calling import stacked
    from senoscore.inference import confounders as run
    from senoscore.study import read_samples

    sheet = read_samples(samples)
    control = config["control_treatment"]
    parts = (_called(data, sheet, config, panel) for data in datasets)
    # Cells are looked at in controls only; the rest comes from the burden.
    cells = stacked([group[group[k.TREATMENT] == control] for group in parts])
    table = read_tsv(burden, dtype=TEXT_COLUMNS)
    options = {"control": control, "alpha": config["trend"]["alpha"]}
    write_tsv(run(cells, table, **options), out, float_format="%.6g")


@logged
def trend(
    samples: Path,
    config: Mapping[str, Any],
    *,
    burden: Path,
    out: Path,
    readouts_out: Path,
    sensitivity_out: Path,
    labels_out: Path,
) -> None:
    """Write contrasts, read-outs and the label check."""
    from senoscore.inference import labels, readouts, sensitivity
    from senoscore.inference import trend as run
    from senoscore.study import read_samples

    table = read_tsv(burden, dtype=TEXT_COLUMNS)
    options, control = config["trend"], config["control_treatment"]
    shared = {"control": control, "alpha": options["alpha"]}
    found = run(table, transform=options["transform"], **shared)
    if options["formula"]:
        own = run(
            table, options["formula"], contrasts=options["contrasts"],
            transform=options["transform"], **shared,
        )  # fmt: skip
        found = pd.concat([found, own], ignore_index=True)
    methods = [config["score"]["methods"][0], config["call"]["profile_method"]]
    p53, *others = (
        labels.p53_by_sample(table, f"mean:{method}{k.SEP}p53_targets", control=control)
        for method in methods
    )
    p53 = p53.combine_first(others[0])
    checks = [labels.p53_check(p53, control=control)]
    checks.append(labels.sex_check(_sex(table, read_samples(samples), methods)))
    write_tsv(found, out, float_format="%.8g")
    beside = sensitivity(table, control=control)
    write_tsv(beside, sensitivity_out, float_format="%.6g")
    course = readouts(table, found, fdr=options["fdr"], **shared)
    write_tsv(course, readouts_out, float_format="%.8g")
    checked = pd.concat([table for table in checks if len(table)] or checks[:1])
    write_tsv(checked, labels_out, float_format="%.6g")


def _sex(table: pd.DataFrame, sheet: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """XIST minus Y per sample, over all its kept cells."""
    names = [f"mean:{method}{k.SEP}{name}" for method in methods for name in SEX_SIGNATURES]
    score = table[[name for name in names if name in table]].bfill(axis=1)
    value = score.iloc[:, 0] if score.shape[1] else pd.Series(float("nan"), index=table.index)
    known = value.notna() & (table["n_cells"] > 0)
    total = (value * table["n_cells"])[known].groupby(table[k.SAMPLE], observed=True).sum()
    mean = total / table["n_cells"][known].groupby(table[k.SAMPLE], observed=True).sum()
    out = table[[k.DATASET, k.SAMPLE]].drop_duplicates(k.SAMPLE)
    sex = sheet.set_index(k.SAMPLE)["sex"]
    return out.assign(sex=out[k.SAMPLE].map(sex), value=out[k.SAMPLE].map(mean))


@logged
def export(datasets: Sequence[DatasetFiles], samples: Path, *, out: Path) -> None:
    """Write one AnnData with every per-cell result and no matrix.

    Columns have the names that they have in a notebook, the samples sheet is joined, and cells
    have the names of the input; only where data sets share some, ``dataset/`` stands before all.
    """
    import anndata as ad
    from anndata.io import write_elem

    from senoscore.study import read_samples

    sheet = read_samples(samples).set_index(k.SAMPLE)
    names = _column(k.CELL, [data["qc"] for data in datasets]).astype(str)
    if not names.is_unique:
        lengths = [parquet_rows(data["qc"]) for data in datasets]
        names = pd.Series(np.repeat([data.name for data in datasets], lengths)) + "/" + names
    index = pd.Index(names.to_numpy(dtype=object))
    del names
    scores = [data["scores"] for data in datasets]
    every = [name for path in scores for name in parquet_columns(path) if k.SEP in name]
    tables = {
        k.OBSM_SCORE.format(method=method): (method, scores)
        for method in dict.fromkeys(name.split(k.SEP)[0] for name in every)
    }
    tables[k.OBSM_EVIDENCE] = ("z", [data["calls"] for data in datasets])
    packed = {"compression": "gzip"}

    def write_columns(group: h5py.Group, columns: Iterable[tuple[str, Any]]) -> None:
        order = []
        for name, values in columns:
            write_elem(group, name, values, dataset_kwargs=packed)
            order.append(name)
        group.attrs["column-order"] = np.array(order, dtype=object)

    with create_h5(out) as file:  # column by column: all of them together would fill the memory
        adata = ad.AnnData(obs=pd.DataFrame(index=index))
        write_elem(file, "/", adata, dataset_kwargs=packed)
        write_columns(file["obs"], _observed(datasets, sheet))
        states = file["obs"][k.STATE]["categories"].asstr()[:]
        colours = np.array([k.STATE_COLOURS[state] for state in states], dtype=object)
        write_elem(file["uns"], f"{k.STATE}_colors", colours)
        for name, (prefix, paths) in tables.items():
            write_elem(file["obsm"], name, pd.DataFrame(index=index), dataset_kwargs=packed)
            write_columns(file["obsm"][name], _columns_of(prefix, paths))


def _joined(sample: pd.Series, sheet: pd.DataFrame, known: set[str]) -> Iterator[tuple[str, Any]]:
    """Columns of the sheet for cells: texts as categories, since each is repeated often.

    A column of the cells stays what it is.
    """
    row = sheet.index.get_indexer(pd.Index(sample.astype(str)))
    for column in sheet.columns.difference(list(known), sort=False):
        values = sheet[column]
        if not pd.api.types.is_numeric_dtype(values):
            own = pd.Categorical(values.where(values.notna() & (values != "")).astype(object))
            yield column, own.take(row, allow_fill=True)
        else:
            yield column, np.append(values.to_numpy(float, na_value=np.nan), np.nan)[row]


def _observed(datasets: Sequence[DatasetFiles], sheet: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    """Quality, compartment, call and design of every cell, column by column."""
    lengths = [parquet_rows(data["qc"]) for data in datasets]
    names = np.array([data.name for data in datasets], dtype=object)
    yield k.DATASET, pd.Categorical(names).take(np.repeat(np.arange(len(datasets)), lengths))
    known = {k.DATASET}
    of_compartment = (k.CONFIDENCE, k.SUBSTATE, k.SUBSTATE_CONFIDENCE)
    for kind in ("qc", "compartments", "calls"):
        paths = [data[kind] for data in datasets]
        for column in dict.fromkeys(name for path in paths for name in parquet_columns(path)):
            if kind == "compartments" and column not in of_compartment:
                continue
            if kind == "calls" and (column in (k.CELL, k.SAMPLE) or column.startswith(f"z{k.SEP}")):
                continue
            name = _SHOWN.get((kind, column), column)
            values = _column(column, paths)
            if column == k.CELL or is_numeric_dtype(values):
                yield name, values.to_numpy()
            else:
                yield name, pd.Categorical(values.astype(object))
            known.add(name)
    yield from _joined(_column(k.SAMPLE, [data["qc"] for data in datasets]), sheet, known)


_SHOWN: Final = {
    ("qc", k.REASON): "qc_reason",
    ("calls", k.REASON): f"senescence_{k.REASON}",
    ("calls", "axes_up"): "senescence_axes_up",
}
"""Columns of a notebook's cells that a table has under another name."""


def _column(name: str, paths: Sequence[Path]) -> pd.Series:
    """One column of some tables, one below the other; NaN where one has none."""
    return _some([name], {path: parquet_columns(path) for path in paths})[name]


def _some(names: Sequence[str], stored: Mapping[Path, Sequence[str]]) -> pd.DataFrame:
    """Some columns of tables that have these, one below the other; NaN where one has none."""
    parts = []
    for path, columns in stored.items():
        there = [name for name in names if name in columns]
        part = read_parquet(path, columns=there) if there else None
        parts.append(pd.DataFrame(index=range(parquet_rows(path))) if part is None else part)
    return pd.concat(parts, ignore_index=True)


def _columns_of(prefix: str, paths: Sequence[Path]) -> Iterator[tuple[str, Any]]:
    """The columns ``prefix:*`` of some tables, one below the other; NaN where one has none."""
    start = f"{prefix}{k.SEP}"
    stored = {path: parquet_columns(path) for path in paths}
    names = [name for columns in stored.values() for name in columns if name.startswith(start)]
    names = list(dict.fromkeys(names))
    for first in range(0, len(names), _TOGETHER):
        table = _some(names[first : first + _TOGETHER], stored)
        for name in names[first : first + _TOGETHER]:
            yield name.split(k.SEP, 1)[1], table.pop(name).to_numpy(np.float32)


_TOGETHER: Final = 16
"""Columns read together: each time the footer of a file is read anew."""


@logged
def pseudobulk(
    datasets: Sequence[DatasetFiles],
    samples: Path,
    config: Mapping[str, Any],
    *,
    signatures: Path,
    burden: Path,
    out: Path,
    scores_out: Path,
    contrasts_out: Path,
    genes_out: Path,
    enrichment_out: Path,
) -> None:
    """Write summed counts with their scores, contrasts of genes, and enrichment of signatures."""
    from senoscore.calling import stacked
    from senoscore.genesets import Gate
    from senoscore.inference import (
        DE_COLUMNS,
        GENE_COLUMNS,
        SCORE_COLUMNS,
        differential,
        enrichment,
        pseudobulk_scores,
    )
    from senoscore.inference import pseudobulk as run
    from senoscore.study import read_samples

    kinds = {data.name: str(facts(data)["values"]) for data in datasets}
    counted = [data for data in datasets if kinds[data.name] == k.COUNTS]
    refused = [
        {"status": "skipped", "reason": f"data set {name}: values are {kind}, not counts"}
        for name, kind in kinds.items()
        if kind != k.COUNTS
    ]
    contrasts = pd.DataFrame(columns=list(DE_COLUMNS))
    genes = pd.DataFrame(columns=list(GENE_COLUMNS))
    scores = pd.DataFrame(columns=list(SCORE_COLUMNS))
    sets: dict[str, list[str]] = {}
    if counted:
        with progress("pseudobulk: sums, genes, scores", 3) as done:
            sheet = read_samples(samples)
            needed = [k.DATASET, k.SAMPLE, k.COMPARTMENT, k.KEEP]
            cells = stacked([_named(judged_cells(data, sheet), data)[needed] for data in counted])
            table = read_tsv(burden, dtype=TEXT_COLUMNS)
            profiles = run({data.name: data["matrix"] for data in counted}, cells, table)
            with atomic_path(out) as temporary:
                profiles.write_h5ad(temporary, compression="gzip")
            done(1)
            contrasts, genes = differential(
                profiles,
                control=config["control_treatment"],
                min_cells=config["burden"]["min_cells"],
                fdr=config["trend"]["fdr"],
            )
            done(1)
            resolved = _signatures(counted, signatures)
            scores = pseudobulk_scores(
                profiles, resolved, min_cells=config["burden"]["min_cells"],
                gate=Gate(**config["gate"]),
            )  # fmt: skip
            done(1)
        sets = _sets(resolved)
    else:
        log.warning("no data set has counts: no pseudobulk")
        _nothing(out)
    contrasts = pd.concat([contrasts, pd.DataFrame(refused, columns=list(DE_COLUMNS))])
    found = enrichment(contrasts, genes, sets, seed=config["score"]["seed"])
    scores = pd.concat([scores, pd.DataFrame(refused, columns=list(SCORE_COLUMNS))])
    write_tsv(scores, scores_out, float_format="%.6g")
    write_parquet(genes, genes_out)
    write_tsv(contrasts, contrasts_out, float_format="%.6g")
    write_tsv(found, enrichment_out, float_format="%.6g")


def _signatures(datasets: Sequence[DatasetFiles], resolved: Path) -> dict[str, SignatureSet]:
    """Signatures of the run in the symbols of each organism."""
    from senoscore.genesets import SignatureSet, signatures

    listed = SignatureSet.read(resolved)
    organisms = sorted({str(facts(data)["organism"]) for data in datasets})
    return {name: signatures(listed, organism=name) for name in organisms}


def _sets(signatures: Mapping[str, SignatureSet]) -> dict[str, list[str]]:
    """Genes of each signature, of all organisms; what goes down under ``_down``."""
    sets: dict[str, set[str]] = {}
    for genes in signatures.values():
        for name in genes:
            for suffix, names in (("", genes[name].up), ("_down", genes[name].down)):
                if names:
                    sets.setdefault(name + suffix, set()).update(names)
    return {name: sorted(genes) for name, genes in sorted(sets.items())}


def _nothing(out: Path) -> None:
    """An empty matrix: the file says that there is nothing to sum."""
    import anndata as ad

    with atomic_path(out) as temporary:
        ad.AnnData(obs=pd.DataFrame(index=pd.Index([], dtype=object))).write_h5ad(temporary)
