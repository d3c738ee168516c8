"""Calibration over all datasets, then the call of each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import read_parquet, track, write_parquet, write_tsv
from senoscore.run.log import logged
from senoscore.run.tables import (
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
    from senoscore.calling import Calibration, apply_learnt
    from senoscore.calling import call as run
    from senoscore.study import read_samples

    rules, fitted = panel_of(panel, config), Calibration.read(calibration)
    null = any(of.mode == "null" for of in fitted.by_compartment.values())
    names = _panel_scores(data, rules, config, null=null)
    cells = judged_cells(data, read_samples(samples), scores=list(names)).rename(columns=names)
    cells["assay"] = pd.Categorical([facts(data)["assay"]]).take(np.zeros(len(cells), dtype=int))
    cells[k.CELL] = read_parquet(data["qc"], columns=[k.CELL])[k.CELL]
    calls = run(
        cells,
        fitted,
        fdr=config["call"]["fdr"],
        min_days_stable=config["call"]["min_days_stable"],
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    assert isinstance(calls, pd.DataFrame)
    if learnt is not None:
        judged = read_parquet(learnt)
        if not judged[k.CELL].equals(cells[k.CELL]):
            msg = f"dataset {data.name}: the learnt calls and qc are not of the same cells"
            raise InputError(msg, fix="delete results/programme and run again")
        apply_learnt(calls, judged, cells, fitted)
    write_parquet(calls, out)
    log.info("%s", calls[k.STATE].value_counts().to_dict())


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
