"""What the burden means: phases and window, targets, escape, plasma, crosstalk."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import names as k
from senoscore.errors import ConfigError, InputError
from senoscore.io import (
    H5_ERRORS,
    damaged,
    open_h5,
    parquet_columns,
    read_index,
    read_parquet,
    read_tsv,
    remake,
    write_tsv,
)
from senoscore.run.log import logged
from senoscore.run.summary import TEXT_COLUMNS
from senoscore.run.tables import facts, panel_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from senoscore.calling import Panel
    from senoscore.run.layout import DatasetFiles


__all__ = ["check_settings", "crosstalk", "families", "window"]

logger = logging.getLogger(__name__)

_FLOATS: Final = "%.8g"


def check_settings(config: Mapping[str, Any], samples: pd.DataFrame) -> list[str]:
    """Check before any work: formula, compartments, clock, rules, ligand pairs, plasma table."""
    from senoscore.biology import curated_pairs, load_rules, mixed_units, read_plasma
    from senoscore.cells import check_compartments
    from senoscore.inference import NAMES, check_formula
    from senoscore.study import design_extras, time_zero_messages

    trend = config["trend"]
    if trend["formula"] is not None:
        check_formula(trend["formula"], [*NAMES, *design_extras(samples)])
    elif trend["contrasts"]:
        msg = "trend.contrasts are of the coefficients of trend.formula, which is not given"
        raise ConfigError(msg, fix="write trend.formula, or use `contrasts` for pairs of arms")
    named = [where for own in config["efficacy"]["primary"].values() for where in own]
    check_compartments(config["compartments"], escape=config["window"]["escape"], primary=named)
    rules = config["window"]["rules"]
    load_rules(Path(rules) if rules else None)
    resource = config["crosstalk"]["resource"]
    if resource == "curated" or find_spec("liana") is None:
        curated_pairs(
            resource
        )  # LIANA+ takes many seconds to import: where it is there, that is enough
    zero, control = config["phases"]["time_zero"], config["control_treatment"]
    lines = [
        f"note: {line}" for line in time_zero_messages(samples, time_zero=zero, control=control)
    ]
    if config["plasma"]:
        table = read_plasma(config["plasma"], samples)
        n = table["analyte"].nunique(), table[k.SUBJECT].nunique()
        lines.append(f"plasma: {n[0]} analytes of {n[1]} subjects")
        lines += [
            f"note: plasma: {analyte} is not compared: {why}"
            for analyte, why in mixed_units(table).items()
        ]
    return lines


@logged
def window(
    datasets: Sequence[DatasetFiles],
    samples: Path,
    config: Mapping[str, Any],
    *,
    panel: Path | None,
    signatures: Path,
    burden: Path,
    trend: Path,
    out: Path,
    phases_out: Path,
    contrasts_out: Path,
    targets_out: Path,
    target_values_out: Path,
    escape_out: Path,
    plasma_out: Path,
) -> None:
    """Write states over time, phases with their read-out, targets, escape and plasma."""
    from senoscore.biology import PLASMA_COLUMNS as PLASMA
    from senoscore.biology import (
        escape,
        plasma,
        read_plasma,
        target_genes,
        target_values,
        targets,
    )
    from senoscore.biology import window as run
    from senoscore.study import read_samples, time_zero_messages

    options, tests, control = config["window"], config["trend"], config["control_treatment"]
    rules = Path(options["rules"]) if options["rules"] else None
    stable, phases = config["call"]["min_days_stable"], config["phases"]
    sheet = read_samples(samples)
    shared = {"control": control, "alpha": tests["alpha"]}
    for line in time_zero_messages(sheet, time_zero=phases["time_zero"], control=control):
        logger.info("%s", line)
    genes = {gene for genes_of_class in target_genes(rules).values() for gene in genes_of_class}
    table = _with_scores(_burden(burden), datasets, config, rules)
    expression = _expression(datasets, genes, config)
    compared = targets(
        expression, table.drop_duplicates(k.SAMPLE), rules=rules,
        min_days_stable=stable, panel_genes=_panel_genes(panel_of(panel, config), signatures),
        min_cells=options["min_cells"], **shared,
    )  # fmt: skip
    values = target_values(expression, rules=rules, min_cells=options["min_cells"])
    profiles = _expression(datasets, genes, config, profiles=True)
    if len(profiles):  # whole samples: no share of cells that express a gene
        whole = target_values(profiles, rules=rules, min_cells=1).assign(detected=float("nan"))
        values = pd.concat([values, whole], ignore_index=True) if len(values) else whole
    shared["transform"] = tests["transform"]
    found = run(
        table, _text(read_tsv(trend)), targets=compared, rules=rules,
        scheme=phases["scheme"], cuts_days=phases["cuts_days"], min_days_stable=stable,
        fdr=tests["fdr"], min_excess=options["min_excess"], consecutive=options["consecutive"],
        min_cells=config["burden"]["min_cells"], **shared,
    )  # fmt: skip
    steps = escape(table, compartments=options["escape"], **shared)
    analytes = (
        plasma(read_plasma(config["plasma"], sheet))
        if config["plasma"]
        else pd.DataFrame(columns=list(PLASMA))
    )
    for made, path in (
        (found.times, out), (found.phases, phases_out), (found.contrasts, contrasts_out),
        (compared, targets_out),
        (values, target_values_out),
        (steps, escape_out), (analytes, plasma_out),
    ):  # fmt: skip
        write_tsv(made, path, float_format=_FLOATS)


@logged
def crosstalk(
    datasets: Sequence[DatasetFiles],
    config: Mapping[str, Any],
    *,
    panel: Path | None,
    signatures: Path,
    burden: Path,
    out: Path,
    values_out: Path,
) -> None:
    """Write scores of SASP ligands against receptors elsewhere: their tests, and of each sample."""
    from senoscore.biology import crosstalk as run
    from senoscore.biology import crosstalk_values, curated_pairs, genes_of

    options, phases = config["crosstalk"], config["phases"]
    wanted = curated_pairs(options["resource"])
    expression = _expression(datasets, genes_of(wanted), config)
    samples = _burden(burden).drop_duplicates(k.SAMPLE)
    asked = {
        "pairs": wanted, "only_known": options["directions"] == "known",
        "min_cells": options["min_cells"], "min_detected": options["min_detected"],
    }  # fmt: skip
    table = run(
        expression, samples, **asked,
        panel_genes=_panel_genes(panel_of(panel, config), signatures),
        control=config["control_treatment"],
        min_days_stable=config["call"]["min_days_stable"], scheme=phases["scheme"],
        cuts_days=phases["cuts_days"], alpha=config["trend"]["alpha"],
    )  # fmt: skip
    write_tsv(table, out, float_format=_FLOATS)
    write_tsv(crosstalk_values(expression, samples, **asked), values_out, float_format=_FLOATS)


@logged
def families(
    config: Mapping[str, Any],
    *,
    trend: Path,
    contrasts: Path,
    targets: Path,
    crosstalk: Path,
    out: Path,
    further: Sequence[Path] = (),
) -> None:
    """Write what was adjusted together in the whole run: the families of every table of tests."""
    from senoscore.inference import families as counted

    parts = []
    for name, path in (
        ("trend", trend), ("window_contrasts", contrasts), ("targets", targets),
        ("crosstalk", crosstalk), *((path.stem, path) for path in further),
    ):  # fmt: skip
        table = read_tsv(path)
        if name == "window_contrasts":  # beside its own, it repeats those of the trend
            table = table[table["family"].astype(str).str.startswith("window_")]
        parts.append(counted(table, fdr=config["trend"]["fdr"]).assign(table=name))
    write_tsv(pd.concat(parts, ignore_index=True), out)


def _text(table: pd.DataFrame) -> pd.DataFrame:
    """Empty texts of a table as read are missing; here they are empty texts again."""
    for name in ("stratum", "contrast", "method", "reason", "unit"):
        table[name] = table[name].astype(object).where(table[name].notna(), "")
    return table


def _burden(path: Path) -> pd.DataFrame:
    return read_tsv(path, dtype=TEXT_COLUMNS)


def _panel_genes(panel: Panel, signatures: Path) -> set[str]:
    """Genes by which the panel calls a cell: those of its axes that have weight."""
    used = {part.signature for axis in panel.axes if axis.weight > 0 for part in axis.parts}
    table = read_tsv(signatures, columns=[k.SIGNATURE, "gene"], dtype=str)
    return set(table["gene"][table[k.SIGNATURE].isin(used)])


def _expression(
    datasets: Sequence[DatasetFiles],
    genes: Iterable[str],
    config: Mapping[str, Any],
    *,
    profiles: bool = False,
) -> pd.DataFrame:
    """Mean expression per sample, compartment and kind, of every dataset that has cells.

    With ``profiles``, that of the others: each profile of a whole sample is a group of its own.
    """
    from senoscore.biology import BY, group_means, kinds_of

    wanted = sorted(set(genes))
    parts = []
    for data in datasets:
        about = facts(data)
        if (about["assay"] in k.PROFILES) != profiles:
            if not profiles:
                logger.info("%s: profiles of whole samples have no groups of cells", data.name)
            continue
        quality = read_parquet(data["qc"], columns=[k.CELL, k.SAMPLE, k.KEEP])
        calls = read_parquet(
            data["calls"],
            columns=[
                k.CELL, k.COMPARTMENT, k.STATE, "panel_positive",
                *({k.ENGINE} & set(parquet_columns(data["calls"]))),
            ],
        )  # fmt: skip
        if not calls[k.CELL].equals(quality[k.CELL]):
            msg = f"dataset {data.name}: qc and calls are not of the same cells"
            raise InputError(msg, fix="delete results/calls and run again")
        cells = quality.assign(
            **{k.COMPARTMENT: calls[k.COMPARTMENT].astype(str)}, kind=kinds_of(calls)
        )
        parts.append(
            group_means(
                data["matrix"], cells, wanted, var_names=_var_names(data["matrix"]),
                values=str(about["values"]), organism=str(about["organism"]),
                block_cells=config["score"]["block_cells"],
            )
        )  # fmt: skip
    if not parts:
        return pd.DataFrame(columns=[*BY, "n_cells", "gene", "mean", "detected"])
    return _one_row_each(pd.concat(parts, ignore_index=True))


def _one_row_each(means: pd.DataFrame) -> pd.DataFrame:
    """Means of a sample that is in several data sets, joined by their cells; others as they are."""
    from senoscore.biology import BY

    keys = [*BY, "gene"]
    several = means.duplicated(keys, keep=False)
    if not several.any():
        return means
    parts = means[several]
    n = parts["n_cells"]
    sums = parts.assign(mean=parts["mean"] * n, detected=parts["detected"] * n)
    whole = sums.groupby(keys, observed=True)[["n_cells", "mean", "detected"]].sum().reset_index()
    for name in ("mean", "detected"):
        whole[name] /= whole["n_cells"]
    return pd.concat([means[~several], whole[means.columns]], ignore_index=True)


def _var_names(path: Path) -> list[str]:
    with open_h5(path, fix=remake(path)) as file:
        try:
            return read_index(file["var"])
        except H5_ERRORS as error:
            raise damaged(path, error, fix=remake(path)) from error


def _with_scores(
    burden: pd.DataFrame,
    datasets: Sequence[DatasetFiles],
    config: Mapping[str, Any],
    rules: Path | None,
) -> pd.DataFrame:
    """Add the sample means of scores that the rules ask for and the burden table lacks."""
    from senoscore.biology import column_of, load_rules

    asked = [m for m in load_rules(rules).measures.values() if m.score]
    missing = [m.score for m in asked if not column_of(m, burden.columns)]
    parts = []
    for data in datasets if missing else ():
        bulk = facts(data)["assay"] in k.PROFILES
        method = config["call"]["profile_method"] if bulk else config["score"]["methods"][0]
        path = data["scores"]
        stored = set(parquet_columns(path))
        names = [n for n in (f"{method}{k.SEP}{name}" for name in missing) if n in stored]
        scores = read_parquet(path, columns=[k.CELL, *names])
        quality = read_parquet(data["qc"], columns=[k.SAMPLE, k.KEEP])
        where = read_parquet(data["compartments"], columns=[k.COMPARTMENT])
        kept = quality[k.KEEP].to_numpy(dtype=bool)
        by = [quality[k.SAMPLE][kept].astype(str), where[k.COMPARTMENT][kept].astype(str)]
        parts.append(scores.loc[kept, names].groupby(by, observed=True).mean().add_prefix("mean:"))
    if not parts:
        return burden
    means = pd.concat(parts).reset_index()
    return burden.merge(means, on=[k.SAMPLE, k.COMPARTMENT], how="left", validate="one_to_one")
