"""Calibration over all datasets, then the call of each."""

from __future__ import annotations

import logging
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import (
    parquet_blocks,
    parquet_columns,
    track,
    write_parquet_blocks,
    write_tsv,
)
from senoscore.run.log import logged
from senoscore.run.tables import (
    BLOCK,
    cell_blocks,
    facts,
    judged_cells,
    panel_method,
    panel_of,
    refuse_copied_samples,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from senoscore.calling import Panel
    from senoscore.run.layout import DatasetFiles


__all__ = ["calibrate", "call"]

log = logging.getLogger(__name__)


@logged
def calibrate(
    datasets: Sequence[DatasetFiles],
    samples: Path,
    config: Mapping[str, Any],
    *,
    panel: Path | None,
    out: Path,
    rates_out: Path,
) -> None:
    """Write baselines and cuts, and the call rate of each control sample."""
    from senoscore.calling import Tables
    from senoscore.calling import calibrate as run
    from senoscore.study import read_samples

    refuse_copied_samples(datasets)
    rules = panel_of(panel, config)
    sheet = read_samples(samples)

    def blocks() -> Iterator[pd.DataFrame]:
        for data in track(datasets, "data sets read"):
            names = _panel_scores(data, rules, config)
            assay = pd.Categorical([facts(data)["assay"]])
            for cells in cell_blocks(data, sheet, scores=list(names)):
                whole = assay.take(np.zeros(len(cells), dtype=int))
                yield cells.rename(columns=names).assign(assay=whole)

    calibration = run(
        Tables(blocks),
        control={k.TREATMENT: config["control_treatment"]},
        panel=rules,
        **config["calibrate"],
    )
    calibration.save(out)
    write_tsv(calibration.rates, rates_out, float_format="%.6g")


@logged
def call(
    data: DatasetFiles,
    samples: Path,
    config: Mapping[str, Any],
    *,
    panel: Path | None,
    calibration: Path,
    learnt: Path | None = None,
    out: Path,
) -> None:
    """Write state, index, FDR and evidence of every cell of a dataset.

    ``learnt``: what the learnt programme says of the cells; None: the panel calls alone.
    """
    from senoscore.calling import Calibration, call_blocks, middle_depths
    from senoscore.study import read_samples

    rules, fitted = panel_of(panel, config), Calibration.read(calibration)
    null = any(of.mode == "null" for of in fitted.by_compartment.values())
    columns, sheet = _panel_scores(data, rules, config, null=null), read_samples(samples)
    assay = pd.Categorical([facts(data)["assay"]])
    states: Counter[str] = Counter()

    def cells() -> Iterator[pd.DataFrame]:
        names = parquet_blocks(data["qc"], [k.CELL], BLOCK)
        for table in cell_blocks(data, sheet, scores=list(columns)):
            own = assay.take(np.zeros(len(table), dtype=int))
            named = {k.CELL: next(names)[k.CELL].to_pandas().array, "assay": own}
            yield table.rename(columns=columns).assign(**named)

    def counted() -> Iterator[pd.DataFrame]:
        middle = middle_depths(judged_cells(data, sheet))
        options = {name: config["call"][name] for name in ("fdr", "min_days_stable")}
        programme = None if learnt is None else _learnt(data, learnt)
        for calls in call_blocks(cells(), fitted, middle, programme, **options):
            counts = calls[k.STATE].value_counts()
            states.update(dict(zip(map(str, counts.index), counts.tolist(), strict=True)))
            yield calls

    out.parent.mkdir(parents=True, exist_ok=True)
    write_parquet_blocks(counted(), out)
    log.info("%s", dict(states.most_common()))


def _learnt(data: DatasetFiles, learnt: Path) -> Iterator[pd.DataFrame]:
    """What the learnt programme says of the cells, in the blocks of :func:`cell_blocks`."""
    names = parquet_blocks(data["qc"], [k.CELL], BLOCK)
    for own, block in zip_longest(names, parquet_blocks(learnt, parquet_columns(learnt), BLOCK)):
        if own is None or block is None or not block[k.CELL].equals(own[k.CELL]):
            msg = f"dataset {data.name}: the learnt calls and qc are not of the same cells"
            raise InputError(msg, fix="delete results/programme and run again")
        yield block.drop_columns([k.CELL]).to_pandas()


def _panel_scores(
    data: DatasetFiles, panel: Panel, config: Mapping[str, Any], *, null: bool = True
) -> dict[str, str]:
    """Columns of the scores of the panel, and what they are called under the panel's method.

    ``null``: also those against matched random sets, which are read where there are no controls.
    """
    method = panel_method(data, panel, config)
    return {
        f"{method}{suffix}{k.SEP}{name}": f"{panel.method}{suffix}{k.SEP}{name}"
        for name in panel.signatures
        for suffix in (("", "_z") if null else ("",))
    }
