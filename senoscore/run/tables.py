"""What several stages read: facts of a dataset, its panel, its table of cells."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.ingest import refuse_copies
from senoscore.io import parquet_blocks, parquet_columns, read_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from senoscore.calling import Panel
    from senoscore.run.layout import DatasetFiles, FileKind


__all__ = [
    "BLOCK",
    "SEX_SIGNATURES",
    "cell_blocks",
    "facts",
    "judged_cells",
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


BLOCK: Final = 100_000
"""Cells of a block of their tables."""

_JUDGED: Final = (k.SAMPLE, k.KEEP, "n_counts")
"""Of quality, what a cell is judged by."""


def cell_blocks(
    data: DatasetFiles,
    samples: pd.DataFrame,
    *,
    scores: Sequence[str] | None = (),
    quality: Sequence[str] = (),
    parts: bool = False,
) -> Iterator[pd.DataFrame]:
    """Cells of a dataset, block by block, with what they are judged by, and no names.

    With quality (``keep``, ``n_counts`` and the columns named), compartment, design and those of
    the scores that the dataset has; samples, compartments and texts of the design are categories.
    The file of scores is not read where they are None. With ``parts`` also the part of a cell, by
    its name (:func:`~senoscore.calling.roles.parts_of`).
    """
    judged = (*_JUDGED, *quality)
    wanted: dict[FileKind, tuple[str, ...]] = {"qc": judged, "compartments": (k.COMPARTMENT,)}
    if scores is not None:
        stored = set(parquet_columns(data["scores"]))
        wanted["scores"] = tuple(name for name in scores if name in stored)
    files = [parquet_blocks(data[kind], [k.CELL, *own], BLOCK) for kind, own in wanted.items()]
    for blocks in zip_longest(*files):
        for other, name in zip(blocks[1:], list(wanted)[1:], strict=True):
            known = None not in (other, blocks[0])
            if not known or not other[k.CELL].equals(blocks[0][k.CELL]):
                raise _of_other_cells(data, name)
        whole = blocks[0].drop_columns([k.CELL])
        for other in blocks[1:]:
            for name in other.column_names[1:]:
                whole = whole.append_column(name, other[name])
        cells = whole.to_pandas(categories=[k.SAMPLE, k.COMPARTMENT])
        if parts:
            from senoscore.calling import PART, parts_of

            cells[PART] = parts_of(blocks[0][k.CELL].to_pandas())
        yield cells.assign(**_design(cells[k.SAMPLE], samples))


def judged_cells(
    data: DatasetFiles,
    samples: pd.DataFrame,
    *,
    scores: Sequence[str] | None = None,
    quality: Sequence[str] = (),
    parts: bool = False,
) -> pd.DataFrame:
    """All cells of a dataset, as :func:`cell_blocks` gives them: a name a cell would be most."""
    from senoscore.calling import stacked

    cells = stacked(list(cell_blocks(data, samples, scores=scores, quality=quality, parts=parts)))
    for name in (k.SAMPLE, k.COMPARTMENT):  # by name, in whatever order the cells name them
        cells[name] = cells[name].cat.reorder_categories(sorted(cells[name].cat.categories))
    return cells


def _design(of_cells: pd.Series, samples: pd.DataFrame) -> dict[str, Any]:
    """Columns of the design for cells whose samples are categories."""
    row = samples.set_index(k.SAMPLE).index.get_indexer(of_cells.cat.categories.astype(str))
    row = np.append(row, -1)[of_cells.cat.codes]
    columns: dict[str, Any] = {}
    for name in _DESIGN:
        if name not in samples:
            continue
        if pd.api.types.is_numeric_dtype(samples[name]):
            values = samples[name].to_numpy(np.float64, na_value=np.nan)
            columns[name] = np.append(values, np.nan)[row]
        else:
            own = pd.Categorical(samples[name].astype(object))
            columns[name] = own.take(row, allow_fill=True)
    return columns


def _of_other_cells(data: DatasetFiles, name: str) -> InputError:
    msg = f"dataset {data.name}: qc and {name} are not of the same cells"
    return InputError(msg, fix="delete results/cells and results/scores and run again")


_DESIGN: Final = (k.SUBJECT, k.TREATMENT, k.GIVEN, k.DOSE, k.DAYS, k.BATCH)
