"""From cells to samples: burden, trend, and the one AnnData of a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import names as k
from senoscore.io import (
    atomic_path,
    create_h5,
    parquet_columns,
    progress,
    read_parquet,
    read_tsv,
    write_parquet,
    write_tsv,
)
from senoscore.run.log import logged
from senoscore.run.tables import SEX_SIGNATURES, cell_table, facts, panel_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from senoscore.genesets import SignatureSet
    from senoscore.run.layout import Layout


__all__ = ["TEXT_COLUMNS", "burden", "confounders", "export", "pseudobulk", "trend"]

log = logging.getLogger(__name__)

_SUMMARISED: Final = ("senmayo", "fridman", "corescence", "p53_targets", "proliferation")
"""Signatures, beside the panel's, whose sample means go into the burden table."""


_FACTS: Final = (
    k.DATASET, k.SAMPLE, k.COMPARTMENT, k.KEEP, "n_counts", "n_genes", "pct_mt", k.TREATMENT,
)  # fmt: skip


TEXT_COLUMNS: Final = dict.fromkeys(
    (k.DATASET, k.SAMPLE, k.SUBJECT, k.BATCH, "region", "modality", "assay", "organism"), str
)


@logged
def burden(
    datasets: Sequence[str], samples: Path, config: Mapping[str, Any], layout: Layout
) -> None:
    """Write one row per sample and compartment."""
    from senoscore.inference import burden as run
    from senoscore.inference import tissue_burden
    from senoscore.study import read_samples

    sheet = read_samples(samples)
    cells = pd.concat(
        [_called(dataset, sheet, config, layout) for dataset in datasets], ignore_index=True
    )
    table = run(
        cells,
        samples=sheet[sheet[k.SAMPLE].isin(set(cells[k.SAMPLE]))],
        control=config["control_treatment"],
        min_days_stable=config["call"]["min_days_stable"],
        **config["burden"],
    )
    layout.summary("burden").parent.mkdir(parents=True, exist_ok=True)
    write_tsv(table, layout.summary("burden"), float_format="%.8g")
    whole = tissue_burden(table, control=config["control_treatment"])
    write_tsv(whole, layout.summary("burden_tissue"), float_format="%.8g")


def _called(
    dataset: str, sheet: pd.DataFrame, config: Mapping[str, Any], layout: Layout
) -> pd.DataFrame:
    """Cells of a dataset with their calls and the scores that are summarised."""
    known = facts(dataset, layout)
    is_profile = known["assay"] in ("bulk", "array")
    method = config["call"]["profile_method"] if is_profile else config["score"]["methods"][0]
    calls = read_parquet(layout.calls(dataset), columns=_judged(layout.calls(dataset)))
    panel = panel_of(None, config)
    coverage = read_tsv(layout.coverage(dataset), columns=[k.SIGNATURE, "gate"])
    families = {
        name
        for name in coverage[k.SIGNATURE]
        # The SASP families of the panel are summarised as its axes.
        if (name.startswith("sasp_") and name not in panel.signatures)
        or name in (*_SUMMARISED, *SEX_SIGNATURES)
    }
    wanted = [f"{method}{k.SEP}{name}" for name in sorted(families)]
    cells = cell_table(dataset, sheet, layout, scores=wanted)
    cells = cells[[*_FACTS, *(name for name in wanted if name in cells)]]
    cells = pd.concat([cells, calls], axis=1)
    return cells.assign(assay=known["assay"], organism=known["organism"])


def _judged(calls: Path) -> list[str]:
    """Columns of the calls that samples are summed up by; not the texts, which are most of it."""
    z = [name for name in parquet_columns(calls) if name.startswith(f"z{k.SEP}")]
    return [*z, k.STATE, k.INDEX, "panel_positive"]


@logged
def confounders(
    datasets: Sequence[str], samples: Path, config: Mapping[str, Any], layout: Layout
) -> None:
    """Write what travels with the scores besides irradiation."""
    from senoscore.inference import confounders as run
    from senoscore.study import read_samples

    sheet = read_samples(samples)
    control = config["control_treatment"]
    parts = (_called(dataset, sheet, config, layout) for dataset in datasets)
    # Cells are looked at in controls only; the rest comes from the burden.
    cells = pd.concat([of[of[k.TREATMENT] == control] for of in parts], ignore_index=True)
    table = read_tsv(layout.summary("burden"), dtype=TEXT_COLUMNS)
    options = {"control": control, "alpha": config["trend"]["alpha"]}
    write_tsv(run(cells, table, **options), layout.summary("confounders"), float_format="%.6g")


@logged
def trend(samples: Path, config: Mapping[str, Any], layout: Layout) -> None:
    """Write contrasts, read-outs and the label check."""
    from senoscore.inference import labels, readouts, sensitivity
    from senoscore.inference import trend as run
    from senoscore.study import read_samples

    table = read_tsv(layout.summary("burden"), dtype=TEXT_COLUMNS)
    options, control = config["trend"], config["control_treatment"]
    shared = {"control": control, "alpha": options["alpha"]}
    found = run(table, transform=options["transform"], **shared)
    if options["formula"]:
        own = run(table, options["formula"], transform=options["transform"], **shared)
        found = pd.concat([found, own], ignore_index=True)
    methods = [config["score"]["methods"][0], config["call"]["profile_method"]]
    p53, *others = (
        labels.p53_by_sample(table, f"mean:{method}{k.SEP}p53_targets", control=control)
        for method in methods
    )
    p53 = p53.combine_first(others[0])
    checks = [labels.p53_check(p53, control=control)]
    checks.append(labels.sex_check(_sex(table, read_samples(samples), methods)))
    write_tsv(found, layout.summary("trend"), float_format="%.8g")
    beside = sensitivity(table, control=control)
    write_tsv(beside, layout.summary("sensitivity"), float_format="%.6g")
    course = readouts(table, found, fdr=options["fdr"], **shared)
    write_tsv(course, layout.summary("readouts"), float_format="%.8g")
    checked = pd.concat([table for table in checks if len(table)] or checks[:1])
    write_tsv(checked, layout.summary("label_check"), float_format="%.6g")


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
def export(datasets: Sequence[str], layout: Layout) -> None:
    """Write one AnnData with every per-cell result and no matrix."""
    import anndata as ad
    from anndata.io import write_elem

    cells = pd.concat([_observed(dataset, layout) for dataset in datasets], ignore_index=True)
    cells.index = pd.Index((cells[k.DATASET] + "/" + cells[k.CELL]).astype(str), dtype=object)
    for column in cells.select_dtypes(["object", "string", "category"]):
        if column != k.CELL:
            cells[column] = pd.Categorical(cells[column].astype(object))
    scores = [layout.scores(dataset) for dataset in datasets]
    every = [name for path in scores for name in parquet_columns(path) if k.SEP in name]
    tables = {
        k.OBSM_SCORE.format(method=method): (method, scores)
        for method in dict.fromkeys(name.split(k.SEP)[0] for name in every)
    }
    tables[k.OBSM_EVIDENCE] = ("z", [layout.calls(dataset) for dataset in datasets])
    packed = {"compression": "gzip"}
    with create_h5(layout.annotated) as file:
        write_elem(file, "/", ad.AnnData(obs=cells), dataset_kwargs=packed)
        for name, (prefix, paths) in tables.items():  # one at a time: they are most of the file
            values = _columns_of(prefix, paths).set_axis(cells.index)
            write_elem(file["obsm"], name, values, dataset_kwargs=packed)


def _observed(dataset: str, layout: Layout) -> pd.DataFrame:
    """Quality, compartment and call of every cell of a dataset, without scores and evidence."""
    quality = read_parquet(layout.qc(dataset)).rename(columns={k.REASON: "qc_reason"})
    where = read_parquet(
        layout.compartments(dataset), columns=[k.CONFIDENCE, k.SUBSTATE, k.SUBSTATE_CONFIDENCE]
    )
    path = layout.calls(dataset)
    names = [name for name in parquet_columns(path) if not name.startswith(f"z{k.SEP}")]
    calls = read_parquet(path, columns=names).drop(columns=[k.CELL, k.SAMPLE])
    cells = pd.concat([quality, where, calls], axis=1)
    cells.insert(0, k.DATASET, dataset)
    return cells


def _columns_of(prefix: str, paths: Sequence[Path]) -> pd.DataFrame:
    """The columns ``prefix:*`` of some tables, one below the other; NaN where one has none."""
    parts = []
    for path in paths:
        own = [name for name in parquet_columns(path) if name.startswith(f"{prefix}{k.SEP}")]
        part = read_parquet(path, columns=[k.CELL, *own]).drop(columns=k.CELL)
        parts.append(part.set_axis([name.split(k.SEP, 1)[1] for name in own], axis=1))
    return pd.concat(parts, ignore_index=True).astype("float32")


@logged
def pseudobulk(
    datasets: Sequence[str], samples: Path, config: Mapping[str, Any], layout: Layout
) -> None:
    """Write summed counts with their scores, contrasts of genes, and enrichment of signatures."""
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

    kinds = {dataset: str(facts(dataset, layout)["values"]) for dataset in datasets}
    counted = [dataset for dataset in datasets if kinds[dataset] == k.COUNTS]
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
            cells = pd.concat(
                [cell_table(name, sheet, layout)[needed] for name in counted], ignore_index=True
            )
            burden = read_tsv(layout.summary("burden"), dtype=TEXT_COLUMNS)
            profiles = run({name: layout.matrix(name) for name in counted}, cells, burden)
            with atomic_path(layout.pseudobulk) as temporary:
                profiles.write_h5ad(temporary, compression="gzip")
            done(1)
            contrasts, genes = differential(
                profiles,
                control=config["control_treatment"],
                min_cells=config["burden"]["min_cells"],
                fdr=config["trend"]["fdr"],
            )
            done(1)
            signatures = _signatures(counted, layout)
            scores = pseudobulk_scores(
                profiles, signatures, min_cells=config["burden"]["min_cells"],
                gate=Gate(**config["gate"]),
            )  # fmt: skip
            done(1)
        sets = _sets(signatures)
    else:
        log.warning("no data set has counts: no pseudobulk")
        _nothing(layout)
    contrasts = pd.concat([contrasts, pd.DataFrame(refused, columns=list(DE_COLUMNS))])
    found = enrichment(contrasts, genes, sets, seed=config["score"]["seed"])
    scores = pd.concat([scores, pd.DataFrame(refused, columns=list(SCORE_COLUMNS))])
    write_tsv(scores, layout.summary("pseudobulk_scores"), float_format="%.6g")
    write_parquet(genes, layout.de_genes)
    write_tsv(contrasts, layout.summary("de"), float_format="%.6g")
    write_tsv(found, layout.summary("enrichment"), float_format="%.6g")


def _signatures(datasets: Sequence[str], layout: Layout) -> dict[str, SignatureSet]:
    """Signatures of the run in the symbols of each organism."""
    from senoscore.genesets import SignatureSet, signatures

    listed = SignatureSet.read(layout.signatures)
    organisms = sorted({str(facts(dataset, layout)["organism"]) for dataset in datasets})
    return {name: signatures(listed, organism=name) for name in organisms}


def _sets(signatures: Mapping[str, SignatureSet]) -> dict[str, list[str]]:
    """Genes of each signature, of all organisms; what goes down under ``_down``."""
    sets: dict[str, set[str]] = {}
    for own in signatures.values():
        for name in own:
            for suffix, names in (("", own[name].up), ("_down", own[name].down)):
                if names:
                    sets.setdefault(name + suffix, set()).update(names)
    return {name: sorted(own) for name, own in sorted(sets.items())}


def _nothing(layout: Layout) -> None:
    """An empty matrix: the file says that there is nothing to sum."""
    import anndata as ad

    with atomic_path(layout.pseudobulk) as temporary:
        ad.AnnData(obs=pd.DataFrame(index=pd.Index([], dtype=object))).write_h5ad(temporary)
