"""A calibration that is kept with the cells it is of, and whether they are still the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.calling.calibration import Calibration
from senoscore.calling.evidence import NULL_SUFFIX, cell_table, kept, log_depth, score_matrix
from senoscore.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


__all__ = ["recall", "remember", "remember_programme", "stored_column", "stored_programme"]

_KEY: Final = "calibration"
_WORDS: Final = {
    "cells": "cells",
    "samples": "samples of cells",
    "compartments": "compartments",
    "design": "controls or days after irradiation",
    "quality": "counts or quality of cells",
    "scores": "scores",
}


def remember(adata: AnnData, calibration: Calibration, compartment: str) -> None:
    """Keep a calibration in ``adata.uns``, in a form that a file can hold."""
    entry = dict(adata.uns.get(k.UNS, {}))
    entry[_KEY] = {
        "parquet": calibration.to_bytes(),
        "compartment": compartment,
        "of": _fingerprints(adata, calibration, compartment),
        "n_cells": int(adata.n_obs),
    }
    adata.uns[k.UNS] = entry


def remember_programme(adata: AnnData, arrays: dict[str, Any]) -> None:
    """Keep what was learnt beside the calibration."""
    adata.uns[k.UNS][_KEY]["programme"] = arrays


def stored_programme(adata: AnnData) -> dict[str, Any] | None:
    """What was learnt when the calibration kept there was made; None if nothing was."""
    entry = dict(adata.uns.get(k.UNS, {})).get(_KEY, {})
    found: dict[str, Any] | None = dict(entry).get("programme")
    return found


def stored_column(adata: AnnData) -> str | None:
    """Column of the compartments of the calibration kept there; None if there is none."""
    entry = adata.uns.get(k.UNS, {}).get(_KEY)
    return None if entry is None else str(entry["compartment"])


def recall(adata: AnnData) -> Calibration:
    """The calibration that is kept with these cells.

    Raises
    ------
    InputError
        Cells, labels or scores are no longer those that it was made of.
    """
    entry = adata.uns[k.UNS][_KEY]
    calibration = Calibration.from_bytes(np.asarray(entry["parquet"], np.uint8))
    column = str(entry["compartment"])
    fix = "run sen.calibrate(adata, ...) again, or pass the calibration that you mean to sen.call"
    if adata.n_obs != int(entry["n_cells"]):
        msg = f"{adata.n_obs} cells are there, and sen.calibrate was run on {entry['n_cells']}"
        raise InputError(msg, fix=fix)
    now = _fingerprints(adata, calibration, column)
    changed = [word for key, word in _WORDS.items() if now[key] != str(entry["of"][key])]
    if changed:
        msg = f"the {' and the '.join(changed)} have changed since sen.calibrate"
        raise InputError(msg, fix=fix)
    return calibration


def _fingerprints(adata: AnnData, calibration: Calibration, compartment: str) -> dict[str, str]:
    """Hashes of what a calibration and its tests rest on, whatever the order of the cells."""
    method, panel = calibration.method, calibration.panel
    table = cell_table(adata, panel, method=method, compartment=compartment)
    cell = _hashed(table[k.CELL])
    design = [_hashed(table[c]) for c in (*calibration.control, k.DAYS) if c in table]
    quality = [_hashed_numbers(log_depth(table)), _hashed_numbers(kept(table))]
    scores = score_matrix(table, panel, method=method)
    if any(f"{method}{NULL_SUFFIX}{k.SEP}{s}" in table for s in panel.signatures):
        scores = np.hstack([scores, score_matrix(table, panel, method=method, null=True)])
    return {
        "cells": _sum_of(cell),
        "samples": _sum_of(cell, _hashed(table[k.SAMPLE])),
        "compartments": _sum_of(cell, _hashed(table[k.COMPARTMENT])),
        "design": _sum_of(cell, *design),
        "quality": _sum_of(cell, *quality),
        "scores": _sum_of(cell, *(_hashed_numbers(column) for column in scores.T)),
    }


def _hashed(column: pd.Series) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Hash of each value: of its text, so that categories, text and objects agree."""
    if pd.api.types.is_numeric_dtype(column):
        return _hashed_numbers(column.to_numpy(np.float64, na_value=np.nan))
    text = column.astype(object)
    text = text.where(text.notna(), "").astype(str)
    return np.asarray(pd.util.hash_array(text.to_numpy(dtype=object), categorize=True))


def _hashed_numbers(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.asarray(pd.util.hash_array(np.asarray(values, np.float64)))


def _sum_of(*hashes: np.ndarray[Any, np.dtype[np.uint64]]) -> str:
    """One number of all rows: order within a row counts, order of rows does not."""
    total = np.zeros(len(hashes[0]), np.uint64)
    for part in hashes:
        total = total * np.uint64(0x9E3779B97F4A7C15) + part
        total ^= total >> np.uint64(29)
    total *= np.uint64(0xBF58476D1CE4E5B9)
    total ^= total >> np.uint64(32)
    return f"{int(total.sum(dtype=np.uint64)):016x}"
