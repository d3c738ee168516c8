"""What several stages read: facts of a dataset, its panel, its table of cells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.ingest import refuse_copies
from senoscore.io import parquet_columns, read_facts, read_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from senoscore.calling import Panel
    from senoscore.run.layout import DatasetFiles


__all__ = [
    "SEX_SIGNATURES",
    "cell_table",
    "facts",
    "panel_method",
    "panel_of",
    "refuse_copied_samples",
]

SEX_SIGNATURES: Final = ("sex_xist_y", "sex_xist_y_mouse")
"""Signatures of the label check, always scored."""


def facts(data: DatasetFiles) -> dict[str, Any]:
    """What ingest found out about a dataset: organism, assay, values."""
    return read_facts(data["facts"])


def refuse_copied_samples(datasets: Iterable[DatasetFiles]) -> None:
    """Refuse a sample whose values another data set has too, under whatever name."""
    found: dict[str, str] = {}
    for data in datasets:
        digests = json.loads(facts(data).get("sample_digests", "{}"))
        found |= {f"{sample} of {data.name}": digest for sample, digest in digests.items()}
    refuse_copies(found, "results/matrix")


def panel_of(panel: Path | None, config: Mapping[str, Any]) -> Panel:
    """The panel of a run: the file given, else the one that the config names."""
    from senoscore.calling import load_panel

    return load_panel(config["call"]["panel"] if panel is None else panel)


def panel_method(data: DatasetFiles, panel: Panel, config: Mapping[str, Any]) -> str:
    """Scoring method that the call reads: the panel's for cells, another for whole profiles."""
    is_profile = facts(data)["assay"] in k.PROFILES
    return str(config["call"]["profile_method"]) if is_profile else panel.method


def cell_table(
    data: DatasetFiles, samples: pd.DataFrame, *, scores: Sequence[str] | None = ()
) -> pd.DataFrame:
    """Cells of a dataset with quality, compartment, design and those of the scores that it has.

    The file of scores is not read where they are None.
    """
    quality = read_parquet(data["qc"])
    where = read_parquet(data["compartments"], columns=[k.CELL, k.COMPARTMENT, k.CONFIDENCE])
    if scores is None:
        values = quality[[k.CELL]]
    else:
        stored = set(parquet_columns(data["scores"]))
        named = [k.CELL, *(name for name in scores if name in stored)]
        values = read_parquet(data["scores"], columns=named)
    for other, name in ((where, "compartments"), (values, "scores")):
        if not other[k.CELL].equals(quality[k.CELL]):
            msg = f"dataset {data.name}: qc and {name} are not of the same cells"
            raise InputError(msg, fix="delete results/cells and results/scores and run again")
    cells = pd.concat([quality, where.drop(columns=k.CELL), values.drop(columns=k.CELL)], axis=1)
    cells.insert(0, k.DATASET, data.name)
    given = [k.GIVEN] if k.GIVEN in samples else []
    design = samples[[k.SAMPLE, k.SUBJECT, k.TREATMENT, *given, k.DOSE, k.DAYS, k.BATCH]]
    return cells.merge(design, on=k.SAMPLE, how="left", validate="many_to_one")
