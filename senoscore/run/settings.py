"""Every key of config.yaml, with its type, default and meaning: the one source of all three.

``python -m senoscore.run.settings`` writes the JSON schema that a run is checked against
(``workflow/schemas/config.schema.yaml``) and the rows of the tables in ``config/README.md`` out of
the models here, and the formats of the datasets sheet out of the list of readers; a test fails
where that was forgotten. A run itself reads the schema only, so that pydantic is not loaded where
nothing but a check is wanted.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from senoscore.ingest import FORMATS
from senoscore.io import atomic_path, schema, schema_file

__all__ = ["Config", "config_schema", "datasets_schema", "readme_with_keys", "write"]

PathText = Annotated[str, Field(json_schema_extra={"format": "path"})]
"""A path, as text: Snakemake sees it too."""


class Section(BaseModel):
    """Keys that are all known: another one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ingest(Section):
    """``ingest``: how much is read."""

    max_gb: float = Field(
        default=200,
        le=1_000_000,
        gt=0,
        description=(
            "An input that unfolds to more gigabytes is refused before it is read; "
            "what a small file may claim is not trusted."
        ),
    )


class Signatures(Section):
    """``signatures``: which gene sets are scored."""

    use: list[str] = Field(
        default=["all"],
        description=(
            "Shipped signatures or categories (see `senoscore list`), or `all`. What "
            "the panel needs is added by itself."
        ),
    )

    files: list[PathText] = Field(
        default=[],
        description=("Your own .gmt, .yaml or .tsv files."),
    )

    custom: dict[str, Any] = Field(
        default={},
        description=(
            "Your own signatures written here: name -> list of genes, or name -> {up, "
            "down, weights, organism, source}."
        ),
    )


class Gate(Section):
    """``gate``: when too few genes of a signature are there."""

    min_fraction: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description=("Smallest share of a signature's genes that the matrix must have."),
    )

    min_genes: int = Field(
        default=5,
        ge=1,
        description=(
            "Smallest number of genes found; a signature that lists fewer needs all of them."
        ),
    )


class Qc(Section):
    """``qc``: which cells are kept."""

    mads: float = Field(
        default=5,
        gt=0,
        description=("Limits of a sample, in median absolute deviations from its own median."),
    )

    min_counts: int = Field(
        default=500,
        ge=0,
        description=("Cells with fewer counts are dropped in any case (counts only)."),
    )

    min_genes: int = Field(
        default=200,
        ge=0,
        description=("Cells with fewer genes detected are dropped in any case."),
    )

    doublets: Literal["auto", "off"] = Field(
        default="auto",
        description=("scrublet per sample, where the data allow it and its answer is plausible."),
    )

    seed: int = Field(
        default=0,
        ge=0,
        le=4_294_967_295,
        description=("Seed of the doublet simulation."),
    )


class Compartments(Section):
    """``compartments``: which compartment a cell is of."""

    mapping: dict[str, str] = Field(
        default={},
        description=(
            "Labels of the input's compartment column -> compartments, e.g. `TAM: macrophage`."
        ),
    )

    markers: PathText | None = Field(
        default=None,
        description=("Marker table (compartment, gene) to use in place of the shipped one."),
    )

    substates: str | None = Field(
        default=None,
        description=(
            "Table of sub-states (compartment, substate, gene) to use in place of the shipped one."
        ),
    )

    exclude: list[str] = Field(
        default=[],
        description=("Compartments that cannot be in this tissue; marker assignment ignores them."),
    )

    min_confidence: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description=("Cells below it are `unassigned`, and have no sub-state."),
    )


class Score(Section):
    """``score``: how signatures are scored."""

    methods: list[str] = Field(
        default=["ucell", "score_genes"],
        min_length=1,
        description=(
            "Scoring methods (see `senoscore methods`); samples are summarised by the "
            "first, and the call uses the one that the panel names."
        ),
    )

    null_sets: int = Field(
        default=50,
        ge=0,
        le=100_000,
        description=(
            "Matched random gene sets per signature of the panel; 0 turns the matched null off."
        ),
    )

    seed: int = Field(
        default=0,
        ge=0,
        le=4_294_967_295,
        description=("Seed of control genes and matched sets."),
    )

    block_cells: int = Field(
        default=4096,
        ge=1,
        le=1_000_000_000,
        description=("Cells read at a time; changes memory and speed, never a number."),
    )

    shard_cells: int = Field(
        default=250_000,
        ge=1,
        le=1_000_000_000,
        description=(
            "A dataset with more cells is scored in pieces of about so many, each a "
            "job; changes no number."
        ),
    )


class Calibrate(Section):
    """``calibrate``: what control cells must show."""

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description=(
            "Rate at which control cells of a left-out control sample may fulfil the "
            "composite rule."
        ),
    )

    min_control_cells: int = Field(
        default=100,
        ge=1,
        description=(
            "Fewer control cells of a compartment, over all its control samples, and "
            "it is not assessable."
        ),
    )

    min_control_samples: int = Field(
        default=2,
        ge=1,
        description=("Fewer control samples and the cut is stricter and flagged."),
    )


class Call(Section):
    """``call``: when a cell is called senescent."""

    panel: PathText = Field(
        default="default",
        description=("Shipped panel, or the path of your own."),
    )

    engine: Literal["auto", "learned", "panel"] = Field(
        default="auto",
        description=(
            "What finds senescent cells; learned is a programme learnt in the run, "
            "panel are the fixed lists, auto is learned where counts and two control "
            "and two irradiated subjects (one of an arm with less certainty) allow it, "
            "else panel."
        ),
    )

    profile_method: str = Field(
        default="wmean",
        description=(
            "Scoring method of bulk and array profiles, in place of the panel's; UCell "
            "ranks only the top 1,500 genes, and a profile of a whole sample has more."
        ),
    )

    min_days_stable: float = Field(
        default=7,
        ge=0,
        description=(
            "Days after irradiation before which arrest is called an acute damage response."
        ),
    )

    fdr: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description=(
            "False discovery rate of the senescent call: one family of all assessable "
            "cells of the run (Benjamini-Hochberg)."
        ),
    )


class Phases(Section):
    """``phases``: what is acute, early and chronic."""

    scheme: Literal["three", "two"] = Field(
        default="three",
        description=(
            "acute, early, chronic; or acute, chronic. The bounds are senoscore's own; "
            "sources disagree."
        ),
    )

    cuts_days: list[Annotated[float, Field(gt=0)]] = Field(
        default=[3, 28],
        min_length=1,
        max_length=2,
        description=(
            "Last day of the acute and of the early phase (three), or of the acute phase (two)."
        ),
    )

    time_zero: Literal["last_fraction", "first_fraction"] = Field(
        default="last_fraction",
        description=(
            "Fraction from which the samples sheet counts days; stated and checked, "
            "nothing is shifted."
        ),
    )


class Burden(Section):
    """``burden``: which fractions are given."""

    min_cells: int = Field(
        default=30,
        ge=1,
        description=("Cells of a compartment below which a sample gives no fraction."),
    )


class Trend(Section):
    """``trend``: how arms and times are compared."""

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description=("1 - alpha is the confidence of every interval."),
    )

    fdr: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description=("q below which the report speaks of a change."),
    )

    transform: Literal["logit", "arcsine"] = Field(
        default="arcsine",
        description=("Scale on which fractions are compared."),
    )

    formula: str | None = Field(
        default=None,
        description=(
            "Your own model of the sample-level values, e.g. `~ treatment * log_days + batch`."
        ),
    )

    contrasts: dict[str, Annotated[dict[str, float], Field(min_length=1, max_length=50)]] = Field(
        default={},
        max_length=50,
        description=(
            "Contrasts of its coefficients: name -> {coefficient: weight}; "
            "coefficients are named as in the column `contrast`."
        ),
    )


class Window(Section):
    """``window``: when a therapeutic window is open."""

    min_excess: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description=(
            "Difference of mean fractions from control below which a burden does not "
            "count as raised."
        ),
    )

    consecutive: int = Field(
        default=2,
        ge=1,
        description=(
            "Times in a row at which a burden must hold to be persistent before the chronic phase."
        ),
    )

    min_cells: int = Field(
        default=5,
        ge=1,
        description=(
            "Senescent and other cells that a sample needs for the comparison of targets."
        ),
    )

    escape: list[str] = Field(
        default=["tumour"],
        description=("Compartments in which escape from senescence is asked for."),
    )

    rules: PathText | None = Field(
        default=None,
        description=("Your own rules in place of the shipped resources/window.yaml."),
    )


class Outcome(Section):
    """``outcome``: what burden is set against."""

    table: PathText | None = Field(
        default=None,
        description=("Table of outcomes: subject, endpoint, kind, time_days, event, value."),
    )

    landmark_days: float | None = Field(
        default=None,
        ge=0,
        description=(
            "Day after irradiation at which the burden is taken to be known; only what "
            "happens after it counts. Needed with a table."
        ),
    )

    min_events: int = Field(
        default=10,
        ge=5,
        description=(
            "Events below which a time to event is not modelled; each further arm takes four more."
        ),
    )


class Crosstalk(Section):
    """``crosstalk``: which signals between compartments are looked for."""

    resource: Literal["curated", "consensus"] = Field(
        default="curated",
        description=(
            "Ligand-receptor pairs. The curated SASP pairs, or LIANA+'s consensus "
            "(extra `crosstalk`)."
        ),
    )

    directions: Literal["all", "known"] = Field(
        default="all",
        description=(
            "Every pair of compartments, or only the directions that the literature expects."
        ),
    )

    min_cells: int = Field(
        default=5,
        ge=1,
        description=("Cells of each kind that a sample needs."),
    )

    min_detected: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description=(
            "Share of cells in which ligand and receptor must be found, all samples together."
        ),
    )


class Efficacy(Section):
    """``efficacy``: when a drug worked."""

    margin: float | None = Field(
        default=None,
        le=1,
        gt=0,
        description=(
            "Largest change of the senescent fraction that counts as none (0.05 is "
            "five points); empty, no equivalence is claimed."
        ),
    )

    sasp_margin: float | None = Field(
        default=None,
        gt=0,
        description=("Likewise of secretory axes, in control SDs."),
    )

    relevant: float = Field(
        default=0.1,
        le=1,
        gt=0,
        description=(
            "Change of the senescent fraction that must not be missed; where it would "
            "be, the word is underpowered."
        ),
    )

    sasp_relevant: float = Field(
        default=1,
        gt=0,
        description=("Likewise of secretory axes, in control SDs."),
    )

    tumour: list[str] = Field(
        default=["tumour"],
        description=("Compartments on the side of the tumour; all others are normal tissue."),
    )

    primary: dict[str, list[str]] = Field(
        default={},
        description=(
            "What the study was made to answer, written down before it was looked at: drug and "
            "compartments (`{abt263: [fibroblast]}`). Their q is adjusted apart from all others."
        ),
    )

    rules: PathText | None = Field(
        default=None,
        description=("Your own rules in place of the shipped resources/efficacy.yaml."),
    )


class Embedding(Section):
    """``embedding``: the map of cells."""

    cells: int = Field(
        default=0,
        ge=0,
        le=20_000,
        description=(
            "Cells to place on a UMAP and draw by compartment, state and index: a random sample "
            "of the kept cells of all data sets, 3000 for example; 0 makes none. Needs the extra "
            "`embedding`."
        ),
    )

    seed: int = Field(
        default=0,
        ge=0,
        le=4_294_967_295,
        description=("Seed of the sample and of the UMAP."),
    )


class Report(Section):
    """``report``: what the report shows."""

    title: str = Field(
        default="Radiotherapy-induced senescence",
        max_length=200,
        description=("Heading of the report."),
    )

    pseudobulk: bool = Field(
        default=False,
        description=(
            "Sum counts to pseudobulk profiles, test their genes and show the tables. "
            "Takes minutes."
        ),
    )

    compared: list[str] = Field(
        default=[],
        description=(
            "Targets and crosstalk whose contrasts of arms the report always shows, by their "
            "`measure` (`target:PLAUR`, `crosstalk:macrophage`), beside the ten of the smallest q."
        ),
    )


class Contrast(Section):
    """One of ``contrasts``: two arms."""

    arm: str | dict[str, Any]
    against: str | dict[str, Any]


class Config(Section):
    """Every key of config/config.yaml, with its default. A key that is not here is an error."""

    datasets: PathText = Field(
        default="config/datasets.tsv",
        description=("Sheet with one row an input file."),
    )

    samples: PathText = Field(
        default="config/samples.tsv",
        description=("Sheet with one row a sample."),
    )

    control_treatment: str = Field(
        default="control",
        description=("The word in the samples sheet's treatment column that means not irradiated."),
    )

    ingest: Ingest = Ingest()

    signatures: Signatures = Signatures()

    gate: Gate = Field(
        default=Gate(),
        description="Below it a signature is not scored (NaN) and the report says so.",
    )

    qc: Qc = Qc()

    compartments: Compartments = Compartments()

    score: Score = Score()

    calibrate: Calibrate = Calibrate()

    call: Call = Call()

    phases: Phases = Phases()

    burden: Burden = Burden()

    trend: Trend = Trend()

    window: Window = Window()

    plasma: PathText | None = Field(
        default=None,
        description=(
            "Table of circulating factors: subject, time, time_unit, analyte, value, unit, lod."
        ),
    )

    external: PathText | None = Field(
        default=None,
        description=(
            "Long table of measurements from elsewhere: sample, compartment (empty: the whole "
            "sample), measure, value; beside the `ext_` columns of the samples sheet."
        ),
    )

    outcome: Outcome = Outcome()

    crosstalk: Crosstalk = Crosstalk()

    contrasts: dict[str, Contrast] = Field(
        default={},
        max_length=100,
        description=(
            "Pairs of arms by name: `late: {arm: irradiated + abt263, against: "
            "irradiated}`. A side is a treatment as tables name it, or a mapping with "
            "treatment, drug, dose_gy, n_fractions, modality."
        ),
    )

    efficacy: Efficacy = Efficacy()

    embedding: Embedding = Embedding()

    report: Report = Report()


_HEAD: Final = (
    "# Written by `python -m senoscore.run.settings` from the models there: change those.\n"
)


def config_schema() -> dict[str, Any]:
    """Make the JSON schema of config.yaml.

    Returns
    -------
    A schema of draft 2020-12 without references, each key with its type, bounds, default and
    description. Pydantic says ``anyOf`` for what may be empty; here it is a list of types, and
    messages read better.
    """
    made = Config.model_json_schema()
    plain = _plain(made, made.get("$defs", {}))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "senoscore configuration",
        "description": " ".join(plain.pop("description").split()),
        **plain,
    }


def _plain(node: Any, models: dict[str, Any]) -> Any:
    """Put models in place of references to them, and drop what only names them."""
    if isinstance(node, list):
        return [_plain(part, models) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if key not in ("$ref", "$defs")}
    if isinstance(kept.get("title"), str):
        del kept["title"]
    made = {key: _plain(value, models) for key, value in kept.items()}
    if "$ref" in node:
        model = _plain(models[node["$ref"].rpartition("/")[2]], models)
        model.pop("description", None)  # a docstring; the key has its own description
        if "default" in made:
            made["default"] = {}  # each of its keys has one
        made = {**model, **made}
    if "anyOf" in made:
        some = made.pop("anyOf")
        types = [part.pop("type") for part in some]
        for part in some:
            part.pop("additionalProperties", None)
            made |= part
        made["type"] = types
    if made.get("additionalProperties") is True:
        del made["additionalProperties"]
    if "enum" in made:
        made.pop("type", None)
    return made


def readme_with_keys(text: str) -> str:
    """Write the rows of config/README.md anew, where it has a row for a key or a column.

    Parameters
    ----------
    text
        The page. Its tables and the words between them stay as they are.

    Raises
    ------
    KeyError
        A row is of a key that there is not, or a key has no row.
    """
    tables = {
        "config.yaml": config_schema(),
        "datasets.tsv": yaml.safe_load(datasets_schema()),
        "samples.tsv": schema("samples"),
    }
    parts = text.split("\n## ")
    for heading, rules in tables.items():
        (at,) = (n for n, part in enumerate(parts) if part.startswith(heading))
        parts[at] = _with_rows(parts[at], dict(_rows(rules)))
    return "\n## ".join(parts)


def _with_rows(page: str, rows: dict[str, str]) -> str:
    found = []

    def renewed(match: re.Match[str]) -> str:
        found.append(match[1])
        return rows[match[1]]

    page = re.sub(r"^\| `([a-z_.]+)` \|.*$", renewed, page, flags=re.M)
    missing = sorted(set(rows) - set(found))
    if missing:
        msg = f"no row for {', '.join(missing)}"
        raise KeyError(msg)
    return page


def _rows(rules: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    out = []
    for key, rule in rules["properties"].items():
        if "properties" in rule:
            out += _rows(rule, f"{key}.")
            continue
        default, choices = rule.get("default"), [c for c in rule.get("enum", ()) if c]
        shown = ", ".join(map(str, default)) if isinstance(default, list) else str(default or "")
        if isinstance(default, bool | int | float):
            shown = str(default).lower()
        meaning = rule["description"] + (f" One of: {'; '.join(choices)}." if choices else "")
        cell = f" `{shown}` " if shown else "  "
        out.append((f"{above}{key}", f"| `{above}{key}` |{cell}| {meaning} |"))
    return out


def datasets_schema() -> str:
    """Write the schema of the datasets sheet anew, with the formats that there are readers for."""
    text = schema_file("datasets").read_text(encoding="utf-8")
    formats = f"enum: [{', '.join(FORMATS)}]"
    return re.sub(r"(?<=^  format: \{ )enum: \[.*?\]", formats, text, flags=re.M)


def schema_text() -> str:
    """Write the schema as YAML, as it is shipped."""
    return _HEAD + yaml.safe_dump(config_schema(), sort_keys=False, allow_unicode=True, width=100)


def write(root: Path) -> None:
    """Write the schemas and the rows of the README of a checkout."""
    schemas, readme = root / "workflow" / "schemas", root / "config" / "README.md"
    for path, text in {
        schemas / "config.schema.yaml": schema_text(),
        schemas / "datasets.schema.yaml": datasets_schema(),
        readme: readme_with_keys(readme.read_text(encoding="utf-8")),
    }.items():
        with atomic_path(path) as part:
            part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[2])
