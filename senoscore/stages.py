"""The stages of a run: read what the last one wrote, call the package, write whole files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import _keys as k
from senoscore.errors import ConfigError, InputError, SheetError
from senoscore.io.atomic import atomic_path
from senoscore.io.tables import read_parquet, read_tsv, write_parquet, write_tsv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from senoscore._signatures import SignatureSet
    from senoscore.layout import Layout
    from senoscore.panel import Panel

__all__ = [
    "burden",
    "calibrate",
    "call",
    "check",
    "compartments",
    "dataset_row",
    "export",
    "ingest",
    "init",
    "qc",
    "report",
    "score",
    "signatures",
    "simulate",
    "trend",
]

log = logging.getLogger(__name__)

_HELPERS: Final = ("sex_xist_y", "sex_xist_y_mouse")
"""Signatures of the label check, always scored."""

_TEXT_COLUMNS: Final = dict.fromkeys((k.DATASET, k.SAMPLE, k.SUBJECT, k.BATCH, "region"), str)

_SUMMARISED: Final = ("senmayo", "fridman", "corescence", "p53_targets", "proliferation")
"""Signatures, beside the panel's, whose sample means go into the burden table."""


def simulate(out: Path, *, seed: int, size: str, if_missing: bool) -> None:
    """Write a simulated study."""
    from senoscore._simulate_files import write_study

    if if_missing and (out / "datasets.tsv").is_file():
        log.info("%s is already there", out)
        return
    write_study(out, seed=seed, size=size)
    log.info("simulated study in %s", out)


def dataset_row(row: str | None, dataset: str | None, config: Path) -> dict[str, Any]:
    """One row of the datasets sheet, from JSON or by name."""
    from senoscore.config import load_config
    from senoscore.design import read_datasets

    if row is not None:
        parsed: dict[str, Any] = json.loads(row)
        return parsed
    if dataset is None:
        msg = "neither --row nor --dataset is given"
        raise ConfigError(msg, fix="name a dataset of the sheet with --dataset")
    sheet = read_datasets(load_config(config)["datasets"]).set_index(k.DATASET, drop=False)
    if dataset not in sheet.index:
        msg = f"there is no dataset {dataset!r}"
        raise SheetError(msg, fix=f"datasets: {', '.join(sheet.index)}")
    return {str(name): value for name, value in sheet.loc[dataset].items()}


def signatures(config: Mapping[str, Any], out: Path) -> None:
    """Resolve the signatures of the run, what the panel needs included."""
    resolved = _signatures(config)
    out.parent.mkdir(parents=True, exist_ok=True)
    resolved.save(out)
    log.info("%d signatures, sha256 %s", len(resolved), resolved.sha256)


def _signatures(config: Mapping[str, Any]) -> SignatureSet:
    from senoscore._signatures import list_signatures
    from senoscore._signatures import signatures as collect
    from senoscore.panel import load_panel

    wanted = config["signatures"]
    sources: list[Any] = [*wanted["use"], *wanted["files"]]
    if wanted["custom"]:
        sources.append(wanted["custom"])
    named = collect(*sources)
    known = {*named, *list_signatures()[k.SIGNATURE]}
    panel = load_panel(config["call"]["panel"], known_signatures=known)
    return collect(named, *(name for name in (*panel.signatures, *_HELPERS) if name not in named))


def ingest(row: Mapping[str, Any], samples: Path, layout: Layout) -> None:
    """Write the canonical matrix of a dataset and what its genes became."""
    from senoscore.design import read_samples
    from senoscore.ingest import ingest as run

    known = read_samples(samples)[k.SAMPLE].tolist()
    name = str(row[k.DATASET])
    layout.matrix(name).parent.mkdir(parents=True, exist_ok=True)
    found = run(row, samples=known, out=layout.matrix(name), genes_out=layout.genes(name))
    log.info("%s", found)


def qc(dataset: str, config: Mapping[str, Any], layout: Layout) -> None:
    """Write quality per cell and per sample."""
    from senoscore._qc import qc as run

    cells, samples = run(_matrix(dataset, layout), **config["qc"])
    layout.qc(dataset).parent.mkdir(parents=True, exist_ok=True)
    write_parquet(cells, layout.qc(dataset))
    write_tsv(samples.assign(dataset=dataset), layout.qc_samples(dataset), float_format="%.6g")
    log.info("%d of %d cells kept", int(cells[k.KEEP].sum()), len(cells))


def compartments(dataset: str, samples: Path, config: Mapping[str, Any], layout: Layout) -> None:
    """Write the compartment of every cell."""
    from senoscore._compartments import compartments as run
    from senoscore.design import read_samples

    adata = _matrix(dataset, layout)
    column = "compartment_input" if "compartment_input" in adata.obs else None
    table = run(adata, column=column, **config["compartments"])
    table.insert(1, k.SAMPLE, adata.obs[k.SAMPLE].astype(str).to_numpy(dtype=object))
    if (table["compartment_source"].isin(["bulk", "array"])).all():
        stated = read_samples(samples).set_index(k.SAMPLE)[k.COMPARTMENT]
        own = table[k.SAMPLE].map(stated).fillna("")
        table[k.COMPARTMENT] = own.where(own != "", k.BULK)
    write_parquet(table, layout.compartments(dataset))
    log.info("%s", table[k.COMPARTMENT].value_counts().to_dict())


def _matrix(dataset: str, layout: Layout) -> Any:
    import anndata as ad
    import hdf5plugin  # noqa: F401 - registers the codec of the canonical matrix

    path = layout.matrix(dataset)
    if not path.is_file():
        msg = f"{path} is not there"
        raise InputError(msg, fix=f"run senoscore ingest --dataset {dataset}")
    return ad.read_h5ad(path)


def _facts(dataset: str, layout: Layout) -> dict[str, Any]:
    """What ingest found out about a dataset: organism, assay, values."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(layout.matrix(dataset)) as file:
        facts: dict[str, Any] = read_elem(file["uns"][k.UNS])
    return facts


def _panel_method(dataset: str, panel: Panel, config: Mapping[str, Any], layout: Layout) -> str:
    """Scoring method that the call reads: the panel's for cells, another for whole profiles."""
    is_profile = _facts(dataset, layout)["assay"] in ("bulk", "array")
    return str(config["call"]["profile_method"]) if is_profile else panel.method


def score(dataset: str, config: Mapping[str, Any], layout: Layout, *, threads: int) -> None:
    """Write scores of every cell, and the coverage of every signature."""
    from senoscore._score import score_file
    from senoscore._signatures import Gate, SignatureSet
    from senoscore._signatures import signatures as collect

    options = config["score"]
    sigs = collect(
        SignatureSet.read(layout.signatures), organism=_facts(dataset, layout)["organism"]
    )
    panel = _panel(None, config)
    method = _panel_method(dataset, panel, config, layout)
    layout.scores(dataset).parent.mkdir(parents=True, exist_ok=True)
    score_file(
        layout.matrix(dataset),
        sigs,
        methods=list(dict.fromkeys([*options["methods"], method])),
        out=layout.scores(dataset),
        coverage_out=layout.coverage(dataset),
        gate=Gate(**config["gate"]),
        null=options["null_sets"],
        null_for={method: [name for name in panel.signatures if name in sigs]},
        seed=options["seed"],
        block_size=options["block_cells"],
        n_threads=threads,
    )


def _panel(panel: Path | None, config: Mapping[str, Any]) -> Panel:
    from senoscore.panel import load_panel

    return load_panel(config["call"]["panel"] if panel is None else panel)


def _cells(
    datasets: Sequence[str], samples: pd.DataFrame, layout: Layout, *, scores: Sequence[str] | None
) -> pd.DataFrame:
    """Cells of some datasets with quality, compartment, design and the named scores (None: all)."""
    tables = []
    for dataset in datasets:
        quality = read_parquet(layout.qc(dataset))
        where = read_parquet(
            layout.compartments(dataset), columns=[k.CELL, k.COMPARTMENT, k.CONFIDENCE]
        )
        values = read_parquet(layout.scores(dataset))
        if scores is not None:
            values = values[[k.CELL, *[name for name in scores if name in values]]]
        values = values.drop(columns=k.SAMPLE, errors="ignore")
        for other, name in ((where, "compartments"), (values, "scores")):
            if not other[k.CELL].equals(quality[k.CELL]):
                msg = f"dataset {dataset}: qc and {name} are not of the same cells"
                raise InputError(msg, fix="delete results/cells and results/scores and run again")
        table = pd.concat(
            [quality, where.drop(columns=k.CELL), values.drop(columns=k.CELL)], axis=1
        )
        table.insert(0, k.DATASET, dataset)
        tables.append(table)
    cells = pd.concat(tables, ignore_index=True)
    facts = samples[[k.SAMPLE, k.SUBJECT, k.TREATMENT, k.DOSE, k.DAYS, k.BATCH]]
    return cells.merge(facts, on=k.SAMPLE, how="left", validate="many_to_one")


def _panel_cells(
    datasets: Sequence[str],
    samples: pd.DataFrame,
    panel: Panel,
    config: Mapping[str, Any],
    layout: Layout,
) -> pd.DataFrame:
    """Cells with the scores of the panel, under the name of the panel's method."""
    tables = []
    for dataset in datasets:
        method = _panel_method(dataset, panel, config, layout)
        names = {
            f"{method}{suffix}{k.SEP}{name}": f"{panel.method}{suffix}{k.SEP}{name}"
            for name in panel.signatures
            for suffix in ("", "_z")
        }
        cells = _cells([dataset], samples, layout, scores=list(names))
        tables.append(cells.rename(columns=names))
    return pd.concat(tables, ignore_index=True)


def calibrate(
    datasets: Sequence[str],
    samples: Path,
    config: Mapping[str, Any],
    layout: Layout,
    *,
    panel: Path | None,
) -> None:
    """Write baselines and cuts, and the call rate of each control sample."""
    from senoscore._calibrate import calibrate as run
    from senoscore.design import read_samples

    rules = _panel(panel, config)
    cells = _panel_cells(datasets, read_samples(samples), rules, config, layout)
    calibration = run(
        cells,
        control={k.TREATMENT: config["control_treatment"]},
        panel=rules,
        **config["calibrate"],
    )
    calibration.save(layout.calibration)
    write_tsv(calibration.rates, layout.calibration_rates, float_format="%.6g")


def call(
    dataset: str, samples: Path, config: Mapping[str, Any], layout: Layout, *, panel: Path | None
) -> None:
    """Write state, index, FDR and evidence of every cell of a dataset."""
    from senoscore._calibrate_types import Calibration
    from senoscore._call import call as run
    from senoscore.design import read_samples

    rules = _panel(panel, config)
    cells = _panel_cells([dataset], read_samples(samples), rules, config, layout)
    calls = run(
        cells,
        Calibration.read(layout.calibration),
        fdr=config["call"]["fdr"],
        min_days_stable=config["call"]["min_days_stable"],
    )
    layout.calls(dataset).parent.mkdir(parents=True, exist_ok=True)
    assert isinstance(calls, pd.DataFrame)
    write_parquet(calls, layout.calls(dataset))
    log.info("%s", calls[k.STATE].value_counts().to_dict())


def burden(
    datasets: Sequence[str], samples: Path, config: Mapping[str, Any], layout: Layout
) -> None:
    """Write one row per sample and compartment."""
    from senoscore._burden import burden as run
    from senoscore.design import read_samples

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


def _called(
    dataset: str, sheet: pd.DataFrame, config: Mapping[str, Any], layout: Layout
) -> pd.DataFrame:
    """Cells of a dataset with their calls and the scores that are summarised."""
    is_profile = _facts(dataset, layout)["assay"] in ("bulk", "array")
    method = config["call"]["profile_method"] if is_profile else config["score"]["methods"][0]
    calls = read_parquet(layout.calls(dataset)).drop(columns=[k.SAMPLE, k.COMPARTMENT])
    panel = _panel(None, config)
    coverage = read_tsv(layout.coverage(dataset), columns=[k.SIGNATURE, "gate"])
    families = {
        name
        for name in coverage[k.SIGNATURE]
        # The SASP families of the panel are summarised as its axes.
        if (name.startswith("sasp_") and name not in panel.signatures)
        or name in (*_SUMMARISED, *_HELPERS)
    }
    wanted = [f"{method}{k.SEP}{name}" for name in sorted(families)]
    cells = _cells([dataset], sheet, layout, scores=wanted)
    return pd.concat([cells, calls.drop(columns=[k.CELL, k.REASON])], axis=1)


def trend(samples: Path, config: Mapping[str, Any], layout: Layout) -> None:
    """Write contrasts, families, read-outs and the label check."""
    from senoscore import labels
    from senoscore._trend import families
    from senoscore._trend import trend as run
    from senoscore._trend_readouts import readouts
    from senoscore.design import read_samples

    table = read_tsv(layout.summary("burden"), dtype=_TEXT_COLUMNS)
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
    write_tsv(families(found), layout.summary("families"))
    course = readouts(table, found, fdr=options["fdr"], **shared)
    write_tsv(course, layout.summary("readouts"), float_format="%.8g")
    checked = pd.concat([table for table in checks if len(table)] or checks[:1])
    write_tsv(checked, layout.summary("label_check"), float_format="%.6g")


def _sex(table: pd.DataFrame, sheet: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """XIST minus Y per sample, over all its kept cells."""
    names = [f"mean:{method}{k.SEP}{name}" for method in methods for name in _HELPERS]
    score = table[[name for name in names if name in table]].bfill(axis=1)
    value = score.iloc[:, 0] if score.shape[1] else pd.Series(float("nan"), index=table.index)
    known = value.notna() & (table["n_cells"] > 0)
    total = (value * table["n_cells"])[known].groupby(table[k.SAMPLE]).sum()
    mean = total / table["n_cells"][known].groupby(table[k.SAMPLE]).sum()
    out = table[[k.DATASET, k.SAMPLE]].drop_duplicates(k.SAMPLE)
    sex = sheet.set_index(k.SAMPLE)["sex"]
    return out.assign(sex=out[k.SAMPLE].map(sex), value=out[k.SAMPLE].map(mean))


def export(datasets: Sequence[str], layout: Layout) -> None:
    """Write one AnnData with every per-cell result and no matrix."""
    import anndata as ad

    obs: list[pd.DataFrame] = []
    tables: dict[str, list[pd.DataFrame]] = {}
    for dataset in datasets:
        calls = read_parquet(layout.calls(dataset))
        quality = read_parquet(layout.qc(dataset)).rename(columns={k.REASON: "qc_reason"})
        where = read_parquet(layout.compartments(dataset), columns=[k.CONFIDENCE])
        evidence = calls.filter(regex=r"^z:")
        cells = pd.concat(
            [quality, where, calls.drop(columns=[k.CELL, k.SAMPLE, *evidence.columns])], axis=1
        )
        cells.insert(0, k.DATASET, dataset)
        obs.append(cells)
        scores = read_parquet(layout.scores(dataset)).drop(columns=[k.CELL, k.SAMPLE])
        for method in dict.fromkeys(str(name).split(k.SEP)[0] for name in scores):
            own = scores.filter(regex=f"^{method}{k.SEP}")
            own.columns = [str(name).split(k.SEP, 1)[1] for name in own]
            tables.setdefault(k.OBSM_SCORE.format(method=method), []).append(own)
        evidence.columns = [str(name).removeprefix("z:") for name in evidence]
        tables.setdefault(k.OBSM_EVIDENCE, []).append(evidence)
    cells = pd.concat(obs, ignore_index=True)
    cells.index = pd.Index((cells[k.DATASET] + "/" + cells[k.CELL]).astype(str), dtype=object)
    for column in cells.select_dtypes(["object", "string", "category"]):
        if column != k.CELL:
            cells[column] = pd.Categorical(cells[column].astype(object))
    adata = ad.AnnData(obs=cells)
    for name, parts in tables.items():
        adata.obsm[name] = pd.concat(parts).astype("float32").set_axis(cells.index)
    with atomic_path(layout.annotated) as temporary:
        adata.write_h5ad(temporary, compression="gzip")


def report(
    datasets: Sequence[str], samples: Path, config: Mapping[str, Any], layout: Layout
) -> None:
    """Write provenance, the page and its figures."""
    from senoscore import provenance
    from senoscore._signatures import SignatureSet
    from senoscore.design import read_datasets, read_samples
    from senoscore.report import render

    sheet = read_datasets(config["datasets"]).set_index(k.DATASET).loc[list(datasets)]
    resolved = SignatureSet.read(layout.signatures)
    record = provenance.collect(
        config=config,
        inputs=[Path(config["datasets"]), samples, *map(Path, sheet["path"])],
        signatures={"sha256": resolved.sha256, "n": len(resolved)},
        seeds={"score": config["score"]["seed"], "qc": config["qc"]["seed"]},
    )
    provenance.write(record, layout.results / "provenance.json")
    render(
        layout.results,
        layout.report,
        title=config["report"]["title"],
        samples=read_samples(samples),
        datasets=datasets,
        provenance=record,
        figures=layout.results / "figures",
    )


def init(file: Path, out: Path, *, force: bool) -> list[str]:
    """Write proposed sheets; return what was guessed."""
    import anndata as ad

    from senoscore.genes import detect_organism
    from senoscore.proposal import propose_sheets

    targets = [out / "datasets.tsv", out / "samples.tsv"]
    there = [str(path) for path in targets if path.exists()]
    if there and not force:
        msg = f"{' and '.join(there)} would be replaced"
        raise SheetError(msg, fix="give another --out, or --force")
    if not file.is_file():
        msg = f"{file} is not there"
        raise InputError(msg, fix="name a merged .h5ad")
    try:
        adata = ad.read_h5ad(file, backed="r")
    except (OSError, KeyError, ValueError) as error:
        msg = f"{file} is no .h5ad that can be read ({' '.join(str(error).split())[:120]})"
        raise InputError(msg, fix="write it with adata.write_h5ad") from error
    organism = detect_organism(adata.var_names.astype(str).tolist()).organism
    sheets = propose_sheets(adata.obs, file, organism=organism or "human")
    out.mkdir(parents=True, exist_ok=True)
    for path, table in zip(targets, sheets[:2], strict=True):
        write_tsv(table, path)
    guessed = f"organism: {organism or 'not recognised, human is written: check it'}"
    written = f"wrote {targets[0]} and {targets[1]}: check them, then `senoscore check`"
    return [guessed, *sheets[2], written]


def check(config_path: Path) -> list[str]:
    """Validate everything that can be validated without reading a matrix."""
    from senoscore._methods import check_methods
    from senoscore.config import load_config
    from senoscore.design import (
        check_sheets,
        describe_design,
        dose_messages,
        read_datasets,
        read_samples,
    )
    from senoscore.io.readers import detect_format

    config = load_config(config_path)
    datasets, samples = read_datasets(config["datasets"]), read_samples(config["samples"])
    check_sheets(datasets, samples)
    check_methods(config["score"]["methods"])
    resolved = _signatures(config)
    lines = []
    for row in datasets.to_dict("records"):
        path = Path(row["path"])
        if not path.exists():
            msg = f"dataset {row['dataset']!r}: {path} is not there"
            raise SheetError(msg, fix="paths are relative to the folder the workflow runs in")
        kind = row["format"] if row["format"] != "auto" else detect_format(path)
        lines.append(
            f"dataset {row['dataset']}: {path} ({kind}, {row['organism']}, {row['assay']})"
        )
    control = config["control_treatment"]
    design = describe_design(samples, control=control)
    lines += [
        f"{row['treatment']}, {row['dose_gy']:g} Gy, day {row['days_post_rt']:g}: "
        f"{row['n_subjects']} subjects: {row['allows']}"
        for row in design.to_dict("records")
    ]
    lines += [f"note: {message}" for message in dose_messages(samples, control=control)]
    lines.append(f"{len(resolved)} signatures, panel {config['call']['panel']!r}: ok")
    return lines
