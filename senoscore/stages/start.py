"""What comes before the first stage: simulated data, proposed sheets, checks, signatures."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

from senoscore import _keys as k
from senoscore.errors import ConfigError, InputError, SheetError
from senoscore.io.tables import write_tsv
from senoscore.stages._inputs import check_inputs
from senoscore.stages._tables import SEX_SIGNATURES
from senoscore.stages.biology import check_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from senoscore._signatures import SignatureSet

__all__ = ["check", "dataset_row", "init", "signatures", "simulate"]

log = logging.getLogger(__name__)


def simulate(out: Path, *, seed: int, size: str, if_missing: bool) -> None:
    """Write a simulated study."""
    from senoscore._simulate_files import write_study

    if if_missing and (out / "datasets.tsv").is_file():
        log.info("%s is already there", out)
        return
    write_study(out, seed=seed, size=size)
    log.info("simulated study in %s", out)


def init(file: Path, out: Path, *, force: bool) -> list[str]:
    """Write proposed sheets; return what was guessed."""
    from senoscore.genes import detect_organism
    from senoscore.io.read_h5ad import read_obs
    from senoscore.io.source import MAX_BYTES
    from senoscore.proposal import propose_sheets

    targets = [out / "datasets.tsv", out / "samples.tsv"]
    there = [str(path) for path in targets if path.exists()]
    if there and not force:
        msg = f"{' and '.join(there)} would be replaced"
        raise SheetError(msg, fix="give another --out, or --force")
    obs, genes, left_out = read_obs(file, max_bytes=MAX_BYTES)
    if obs.empty and not len(obs.columns):
        msg = f"{file} says nothing of its cells (obs has no columns)"
        raise InputError(msg, fix="name a merged .h5ad with cells, and a column for their samples")
    if not len(obs) or not genes:
        msg = f"{file} has {len(obs)} cells and {len(genes)} genes"
        raise InputError(msg, fix="name a merged .h5ad with cells and genes in it")
    organism = detect_organism(genes).organism
    sheets = propose_sheets(obs, file, organism=organism or "human")
    for path, table in zip(targets, sheets[:2], strict=True):
        write_tsv(table, path)
    guessed = f"organism: {organism or 'not recognised, human is written: check it'}"
    written = f"wrote {targets[0]} and {targets[1]}: check them, then `senoscore check`"
    return [guessed, *sheets[2], *(f"left out: {line}" for line in left_out), written]


def check(config_path: Path) -> list[str]:
    """Validate everything that can be validated without reading the values of a matrix."""
    from senoscore._methods import check_methods
    from senoscore.config import load_config
    from senoscore.design import (
        check_sheets,
        describe_design,
        dose_messages,
        read_datasets,
        read_samples,
    )

    config = load_config(config_path)
    datasets, samples = read_datasets(config["datasets"]), read_samples(config["samples"])
    check_sheets(datasets, samples)
    check_methods([*config["score"]["methods"], config["call"]["profile_method"]])
    resolved = _signatures(config)
    lines = check_inputs(datasets, samples, config)
    control = config["control_treatment"]
    design = describe_design(samples, control=control)
    lines += [
        f"{row[k.TREATMENT]}, {_given(row[k.DOSE], '{:g} Gy', 'dose')}, "
        f"{_given(row[k.DAYS], 'day {:g}', 'time')}: "
        f"{row['n_subjects']} subjects: {row['allows']}"
        for row in design.to_dict("records")
    ]
    lines += [f"note: {message}" for message in dose_messages(samples, control=control)]
    lines += check_settings(config, samples)
    lines.append(f"{len(resolved)} signatures, panel {config['call']['panel']!r}: ok")
    return lines


def _given(number: float, form: str, what: str) -> str:
    return f"no {what} given" if math.isnan(number) else form.format(number)


def dataset_row(row: str | None, dataset: str | None, config: Path) -> dict[str, Any]:
    """One row of the datasets sheet, from JSON or by name."""
    from senoscore.config import load_config
    from senoscore.design import read_datasets

    if row is not None:
        return _parsed_row(row)
    if dataset is None:
        msg = "neither --row nor --dataset is given"
        raise ConfigError(msg, fix="name a dataset of the sheet with --dataset")
    sheet = read_datasets(load_config(config)["datasets"]).set_index(k.DATASET, drop=False)
    if dataset not in sheet.index:
        msg = f"there is no dataset {dataset!r}"
        raise SheetError(msg, fix=f"datasets: {', '.join(sheet.index)}")
    return {str(name): value for name, value in sheet.loc[dataset].items()}


def _parsed_row(row: str) -> dict[str, Any]:
    try:
        parsed = json.loads(row)
    except (ValueError, RecursionError) as error:  # too many digits, too deep
        msg = f"--row is no JSON ({error})"
        raise ConfigError(msg, fix="pass an object, or name the dataset by --dataset") from error
    needed = (k.DATASET, "path", "organism")
    lacking = [n for n in needed if not isinstance(parsed, dict) or n not in parsed]
    if lacking:
        msg = f"--row has no {', '.join(lacking)}"
        raise ConfigError(msg, fix="pass an object with dataset, path and organism")
    return parsed


def signatures(config: Mapping[str, Any], out: Path) -> None:
    """Resolve the signatures of the run, what the panel needs included."""
    resolved = _signatures(config)
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
    needed = (*panel.signatures, *SEX_SIGNATURES)
    return collect(named, *(name for name in needed if name not in named))
