"""What comes before the first stage: simulated data, proposed sheets, checks, signatures."""

from __future__ import annotations

import difflib
import filecmp
import json
import logging
import math
import re
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from senoscore import names as k
from senoscore.errors import ConfigError, InputError, SheetError
from senoscore.io import write_tsv
from senoscore.run.biology import check_settings
from senoscore.run.log import logged
from senoscore.run.measured import check_measured
from senoscore.run.questions import check_questions
from senoscore.run.tables import SEX_SIGNATURES

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import pandas as pd

    from senoscore.genesets import SignatureSet


__all__ = ["check", "check_inputs", "dataset_row", "init", "signatures", "simulate"]

log = logging.getLogger(__name__)


def check_inputs(
    datasets: pd.DataFrame, samples: pd.DataFrame, config: Mapping[str, Any]
) -> list[str]:
    """Look at every input file without reading its values; return a line for each.

    Raises
    ------
    SheetError
        A file is not there, two hold the same, or a sample of the sheet is in no file.
    InputError
        A file does not have what the sheet says of it.
    """
    from senoscore.ingest import detect_format, look

    limit = int(config["ingest"]["max_gb"] * 1e9)
    sheet = samples[k.SAMPLE].tolist()
    lines, held = [], []
    for row in datasets.to_dict("records"):
        path = Path(row["path"])
        if not path.exists():
            msg = f"dataset {row['dataset']!r}: {path} not found"
            raise SheetError(msg, fix="paths are relative to the folder the workflow runs in")
        kind = row["format"] if row["format"] != "auto" else detect_format(path)
        try:
            held.append(
                look({str(name): v for name, v in row.items()}, samples=sheet, max_bytes=limit)
            )
        except InputError as error:
            msg = f"dataset {row['dataset']!r}: {error.message}"
            raise InputError(msg, fix=error.fix) from error
        _check_labels(row, kind, config["compartments"]["mapping"] or {}, limit)
        lines.append(
            f"dataset {row['dataset']}: {path} ({kind}, {row['organism']}, {row['assay']})"
        )
    _refuse_same_content(datasets)
    _refuse_ghosts(sheet, held)
    return lines


def _check_labels(
    row: Mapping[Hashable, Any], kind: str, mapping: Mapping[str, str], limit: int
) -> None:
    """Refuse cell-type labels that no compartment fits, before the run does after an hour."""
    from senoscore.cells import from_labels
    from senoscore.ingest import look_source

    column = row["compartment_column"]
    if not column:
        return
    names = look_source(
        row["path"], format=kind, orientation=row["orientation"], layer=row["layer"] or None,
        columns=[column], max_bytes=limit,
    )  # fmt: skip
    try:
        from_labels(names.obs[column], mapping)
    except ConfigError as error:
        msg = f"dataset {row['dataset']!r}, column {column!r}: {error.message}"
        raise ConfigError(msg, fix=error.fix) from error


def _refuse_same_content(datasets: pd.DataFrame) -> None:
    """A copy under another name would count its cells twice, and its samples as replicates."""
    from senoscore.ingest import find_format

    matrix = [
        (row["dataset"], find_format(path, format=row["format"]).values(path))
        for row in datasets.to_dict("records")
        if (path := Path(row["path"]))
    ]
    for (one, first), (other, second) in combinations(matrix, 2):
        # Files of other sizes are told apart unread, others at their first difference.
        if len(first) == len(second) and all(
            filecmp.cmp(a, b, shallow=False) for a, b in zip(first, second, strict=True)
        ):
            msg = f"datasets {one!r} and {other!r} hold the same: {first[0]} and {second[0]}"
            raise SheetError(msg, fix="keep one row, or give the file that was meant")


def _refuse_ghosts(sheet: list[str], held: list[list[str] | None]) -> None:
    """A sample without data would be counted in the design, as a control perhaps."""
    found = [names for names in held if names is not None]
    if len(found) < len(held):
        return
    unused = sorted(set(sheet).difference(*found))
    if unused:
        msg = f"no dataset holds sample {', '.join(map(repr, unused[:5]))}"
        raise SheetError(msg, fix="add its file to the datasets sheet, or remove the row")


_MOST_PROFILES: Final = 500
"""A table of more columns without a word on samples has cells in them."""
_BARCODE: Final = re.compile(r"[ACGTN]{10,}")
"""Part of the name of a cell from a droplet or a plate."""


@logged
def simulate(out: Path, *, seed: int, size: str, if_missing: bool, design: str = "time") -> None:
    """Write a simulated study."""
    from senoscore.simulation import write_study

    if if_missing and (out / "datasets.tsv").is_file():
        log.info("%s is already there", out)
        return
    write_study(out, seed=seed, size=size, layout=design)
    log.info("simulated study in %s", out)


def init(file: Path, out: Path, *, force: bool) -> list[str]:
    """Write proposed sheets and let the config point at them; return what was guessed."""
    from senoscore.genesets import detect_organism
    from senoscore.ingest import point_config

    targets = [out / "datasets.tsv", out / "samples.tsv"]
    present = [str(path) for path in targets if path.exists()]
    if present and not force:
        msg = f"{' and '.join(present)} would be replaced"
        raise SheetError(msg, fix="give another --out, or --force")
    looked = _look(file)
    organism = detect_organism(looked.genes).organism
    sheets = _proposed(file, looked, organism or "human")
    for path, table in zip(targets, sheets[:2], strict=True):
        write_tsv(table, path)
    guessed = f"organism: {organism or 'not recognised, human is written: check it'}"
    config = out / "config.yaml"
    pointed = point_config(config, *targets)
    option = "" if config == Path("config/config.yaml") else f" --config {config}"
    written = f"wrote {targets[0]} and {targets[1]}; {pointed}"
    left_out = (f"left out: {line}" for line in looked.left_out)
    then = f"check the sheets, then `senoscore check{option}`"
    return [guessed, *sheets[2], *left_out, written, then]


class _Looked(NamedTuple):
    """What a file says of itself, as far as sheets go."""

    kind: str  # as in the column format
    cells: list[str]
    genes: list[str]
    obs: pd.DataFrame
    left_out: list[str]


def _look(file: Path) -> _Looked:
    from senoscore.ingest import MAX_BYTES, find_format, open_source

    reader = find_format(file)
    kind = reader.name
    if reader.obs:
        obs, genes, left_out = reader.obs(file, MAX_BYTES)
        if obs.empty and not len(obs.columns):
            msg = f"{file} says nothing of its cells (obs has no columns)"
            fix = "name a merged .h5ad with cells, and a column for their samples"
            raise InputError(msg, fix=fix)
        looked = _Looked(kind, obs.index.astype(str).tolist(), genes, obs, left_out)
    else:
        source = open_source(file, max_bytes=MAX_BYTES)
        looked = _Looked(kind, source.cells, source.genes, source.obs, [])
    if not looked.cells or not looked.genes:
        msg = f"{file} has {len(looked.cells)} cells and {len(looked.genes)} genes"
        raise InputError(msg, fix="name a merged file with cells and genes in it")
    return looked


def _proposed(
    file: Path, looked: _Looked, organism: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Sheets from columns where there are any, else from the names of profiles or of the file."""
    from senoscore.ingest import propose_of_names, propose_sheets

    if len(looked.obs.columns):
        return propose_sheets(looked.obs, file, organism=organism)
    barcodes = sum(bool(_BARCODE.search(name)) for name in looked.cells)
    few = len(looked.cells) <= _MOST_PROFILES and barcodes * 2 < len(looked.cells)
    if looked.kind == "table" and few:
        datasets, samples, notes = propose_of_names(
            looked.cells, file, organism=organism, assay="bulk"
        )
        first = f"{len(looked.cells)} columns of numbers are taken for bulk profiles, a sample each"
    else:
        name = re.sub(r"[^A-Za-z0-9_.+-]", "_", file.name.partition(".")[0])
        datasets, samples, notes = propose_of_names([name], file, organism=organism, assay="sc")
        first = f"nothing tells samples apart: all {len(looked.cells)} cells are sample {name!r}"
    return datasets, samples, [first, *notes]


def check(config_path: Path) -> list[str]:
    """Validate everything that can be validated without reading the values of a matrix."""
    from senoscore.run.config import load_config
    from senoscore.scoring import check_methods
    from senoscore.study import (
        check_sheets,
        describe_design,
        dose_messages,
        drug_messages,
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
    lines += [f"note: {message}" for message in drug_messages(samples, control=control)]
    lines += check_settings(config, samples)
    lines += check_measured(config, samples)
    lines += check_questions(config, samples)
    lines.append(f"{len(resolved)} signatures, panel {config['call']['panel']!r}: ok")
    lines += _no_control(samples, control)
    return lines


def _no_control(samples: pd.DataFrame, control: str) -> list[str]:
    """Warn, as the last thing said, where nothing is unirradiated.

    Such a study can be scored, so this alone is no error. It is one where the sheet has a word that
    means control: then every answer of the run would be lost to a word.

    Raises
    ------
    ConfigError
        No sample has the treatment ``control``, and another treatment means it.
    """
    words = sorted(samples[k.TREATMENT].unique())
    if control in words:
        return []
    dosed = set(samples.loc[samples[k.DOSE] > 0, k.TREATMENT])
    unirradiated = set(samples.loc[samples[k.DOSE] == 0, k.TREATMENT]) - dosed
    near = difflib.get_close_matches(control.casefold(), [w.casefold() for w in words], n=1)
    likely = [
        word
        for word in words
        if word not in dosed
        and (word in unirradiated or k.means_control(word) or word.casefold() in near)
    ]
    found = f"no sample has treatment {control!r} (found: {', '.join(words)})"
    if likely:
        fix = f"write `control_treatment: {likely[0]}` into the config, if that is unirradiated"
        raise ConfigError(found, fix=fix)
    lost = "the run will score cells, but call nothing senescent and compare nothing"
    fix = "add unirradiated samples, or name their treatment in control_treatment"
    return [f"WARNING: {found}: {lost} — {fix}"]


def _given(number: float, form: str, what: str) -> str:
    return f"no {what} given" if math.isnan(number) else form.format(number)


def dataset_row(row: str | None, dataset: str | None, config: Path) -> dict[str, Any]:
    """One row of the datasets sheet, from JSON or by name."""
    from senoscore.run.config import load_config
    from senoscore.study import read_datasets

    if row is not None:
        return _parsed_row(row)
    if dataset is None:
        msg = "neither --row nor --dataset is given"
        raise ConfigError(msg, fix="name a dataset of the sheet with --dataset")
    sheet = read_datasets(load_config(config)["datasets"]).set_index(k.DATASET, drop=False)
    if dataset not in sheet.index:
        msg = f"dataset {dataset!r} not found in the sheet"
        raise SheetError(msg, fix=f"datasets: {', '.join(sheet.index)}")
    return {str(name): value for name, value in sheet.loc[dataset].items()}


def _parsed_row(row: str) -> dict[str, Any]:
    try:
        parsed = json.loads(row)
    except (ValueError, RecursionError) as error:  # too many digits, too deep
        msg = f"--row is not valid JSON ({error})"
        raise ConfigError(msg, fix="pass an object, or name the dataset by --dataset") from error
    needed = (k.DATASET, "path", "organism")
    lacking = [n for n in needed if not isinstance(parsed, dict) or n not in parsed]
    if lacking:
        msg = f"--row has no {', '.join(lacking)}"
        raise ConfigError(msg, fix="pass an object with dataset, path and organism")
    return parsed


@logged
def signatures(config: Mapping[str, Any], out: Path, *, panel: Path | None = None) -> None:
    """Resolve the signatures of the run, what the panel needs included."""
    resolved = _signatures(config, panel)
    resolved.save(out)
    log.info("%d signatures, sha256 %s", len(resolved), resolved.sha256)


def _signatures(config: Mapping[str, Any], panel: Path | None = None) -> SignatureSet:
    from senoscore.calling import load_panel
    from senoscore.genesets import list_signatures
    from senoscore.genesets import signatures as collect

    wanted = config["signatures"]
    sources: list[Any] = [*wanted["use"], *wanted["files"]]
    if wanted["custom"]:
        sources.append(wanted["custom"])
    named = collect(*sources)
    known = {*named, *list_signatures()[k.SIGNATURE]}
    rules = load_panel(panel or config["call"]["panel"], known_signatures=known)
    needed = (*rules.signatures, *SEX_SIGNATURES)
    return collect(named, *(name for name in needed if name not in named))
