"""Calibration over all datasets, then the call of each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from senoscore import names as k
from senoscore.io import track, write_parquet, write_tsv
from senoscore.run.log import logged
from senoscore.run.tables import cell_table, facts, panel_method, panel_of, refuse_copied_samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from senoscore.calling import Panel
    from senoscore.run.layout import Layout


__all__ = ["calibrate", "call"]

log = logging.getLogger(__name__)


@logged
def calibrate(
    datasets: Sequence[str],
    samples: Path,
    config: Mapping[str, Any],
    layout: Layout,
    *,
    panel: Path | None,
) -> None:
    """Write baselines and cuts, and the call rate of each control sample."""
    from senoscore.calling import calibrate as run
    from senoscore.study import read_samples

    refuse_copied_samples(datasets, layout)
    rules = panel_of(panel, config)
    sheet = read_samples(samples)
    parts = [
        _panel_cells(dataset, sheet, rules, config, layout)
        for dataset in track(datasets, "data sets read")
    ]
    calibration = run(
        pd.concat(parts, ignore_index=True),
        control={k.TREATMENT: config["control_treatment"]},
        panel=rules,
        **config["calibrate"],
    )
    calibration.save(layout.calibration)
    write_tsv(calibration.rates, layout.calibration_rates, float_format="%.6g")


@logged
def call(
    dataset: str, samples: Path, config: Mapping[str, Any], layout: Layout, *, panel: Path | None
) -> None:
    """Write state, index, FDR and evidence of every cell of a dataset."""
    from senoscore.calling import Calibration
    from senoscore.calling import call as run
    from senoscore.study import read_samples

    rules = panel_of(panel, config)
    cells = _panel_cells(dataset, read_samples(samples), rules, config, layout)
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


def _panel_cells(
    dataset: str, samples: pd.DataFrame, panel: Panel, config: Mapping[str, Any], layout: Layout
) -> pd.DataFrame:
    """Cells with the scores of the panel, under the name of the panel's method."""
    method = panel_method(dataset, panel, config, layout)
    names = {
        f"{method}{suffix}{k.SEP}{name}": f"{panel.method}{suffix}{k.SEP}{name}"
        for name in panel.signatures
        for suffix in ("", "_z")
    }
    cells = cell_table(dataset, samples, layout, scores=list(names))
    return cells.rename(columns=names).assign(assay=facts(dataset, layout)["assay"])
