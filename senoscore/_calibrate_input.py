"""The cell table that calibration and call read, from a DataFrame or an AnnData."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys
from senoscore.errors import ConfigError, DesignError, InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from senoscore.panel import Panel

__all__ = [
    "NULL_SUFFIX",
    "cell_table",
    "check_control",
    "control_mask",
    "control_of",
    "is_profile",
    "kept",
    "log_depth",
    "score_matrix",
]

log = logging.getLogger(__name__)

NULL_SUFFIX: Final = "_z"
_CONTROL_WORDS: Final = frozenset(
    (
        "control", "controls", "ctrl", "ctl", "sham", "mock", "untreated", "unirradiated",
        "nonirradiated", "notirradiated", "naive", "0gy", "nort",
    )
)  # fmt: skip
"""Words for unirradiated samples, folded to letters and digits."""
_PROFILES: Final = ("bulk", "array")


def cell_table(
    data: AnnData | pd.DataFrame, panel: Panel, *, method: str, compartment: str
) -> pd.DataFrame:
    """One row a cell with ``cell``, ``sample``, ``compartment``, design and score columns.

    Raises
    ------
    InputError
        A column is missing, a cell has no sample, or no score of the panel is there.
    """
    table = data if isinstance(data, pd.DataFrame) else _from_anndata(data, panel, method)
    wanted = [_keys.SAMPLE, compartment]
    missing = [name for name in wanted if name not in table]
    if missing:
        msg = f"the cells have no column {missing[0]!r}"
        raise InputError(msg, fix="join the samples sheet and the compartments, or name the column")
    scored = [s for s in panel.signatures if _column(table, method, s) is not None]
    if not scored:
        msg = f"no score of panel {panel.name!r} is there (columns like '{method}:p53_targets')"
        raise InputError(msg, fix=f"score the panel's signatures with method {method!r} first")
    if table[_keys.SAMPLE].isna().any():
        msg = f"{int(table[_keys.SAMPLE].isna().sum())} cells have no sample"
        raise InputError(msg, fix="give each cell a sample")
    if _keys.CELL not in table:
        table = table.assign(cell=table.index.astype(str))
    if compartment != _keys.COMPARTMENT:
        table = table.assign(**{_keys.COMPARTMENT: table[compartment]})
    return table


def _from_anndata(adata: AnnData, panel: Panel, method: str) -> pd.DataFrame:
    parts: list[pd.DataFrame] = [adata.obs]
    for suffix in ("", NULL_SUFFIX):
        scores = adata.obsm.get(_keys.OBSM_SCORE.format(method=method) + suffix)
        if isinstance(scores, pd.DataFrame):
            own = scores[[name for name in panel.signatures if name in scores]]
            parts.append(own.add_prefix(f"{method}{suffix}{_keys.SEP}"))
    table = pd.concat(parts, axis=1)
    table[_keys.CELL] = adata.obs_names.astype(str)
    assay = adata.uns.get(_keys.UNS, {}).get("assay")
    if assay is not None and "assay" not in table:
        table["assay"] = str(assay)
    return table


def _column(table: pd.DataFrame, method: str, signature: str) -> str | None:
    for prefix in (method, method + NULL_SUFFIX):
        name = f"{prefix}{_keys.SEP}{signature}"
        if name in table:
            return name
    return None


def score_matrix(
    table: pd.DataFrame, panel: Panel, *, method: str, null: bool = False
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Scores of the panel's signatures, shape (cells, signatures); NaN where not scored.

    Parameters
    ----------
    table
        Cells.
    panel
        Panel.
    method
        Scoring method.
    null
        Take the z against matched gene sets instead of the score.
    """
    prefix = f"{method}{NULL_SUFFIX if null else ''}{_keys.SEP}"
    out = np.full((len(table), len(panel.signatures)), np.nan)
    for i, name in enumerate(panel.signatures):
        if prefix + name in table:
            out[:, i] = table[prefix + name].to_numpy(np.float64, na_value=np.nan)
    return out


def log_depth(table: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Natural log of the counts of each cell, NaN where none are stated. Shape (cells,).

    Read from ``n_counts`` or, as scanpy names it, ``total_counts``.
    """
    for column in _keys.DEPTH:
        if column in table:
            counts = table[column].to_numpy(np.float64, na_value=np.nan)
            return np.log(np.where(counts > 0, counts, np.nan))
    return np.full(len(table), np.nan)


def is_profile(table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Tell which rows are profiles of a whole sample, not cells. Shape (rows,).

    By the column ``assay`` (bulk, array); where it says nothing, a sample with a single row in
    the whole table is one.
    """
    rows = table.groupby(table[_keys.SAMPLE].astype(str))[_keys.SAMPLE].transform("size")
    single = (rows == 1).to_numpy()
    if "assay" not in table:
        return np.asarray(single)
    known = table["assay"].notna().to_numpy()
    return np.where(known, table["assay"].isin(_PROFILES).to_numpy(), single)


def control_of(control: str | Mapping[str, str] | None) -> dict[str, str]:
    """Column and value of the controls; a word alone is a value of ``treatment``.

    Raises
    ------
    ConfigError
        Neither a word nor column and value.
    """
    if control is None:
        return {_keys.TREATMENT: _keys.CONTROL}
    if isinstance(control, str):
        return {_keys.TREATMENT: control}
    if isinstance(control, Mapping) and control:
        return {str(column): str(value) for column, value in control.items()}
    msg = f"control is {control!r}, expected the word of the controls, or column and value"
    raise ConfigError(msg, fix='for example control="sham" or control={"treatment": "sham"}')


def check_control(table: pd.DataFrame, control: Mapping[str, str]) -> None:
    """Refuse a control value that no cell has, unless there may well be no controls.

    Without controls, cells are compared with matched gene sets; that must not be the silent
    result of a word that is spelt in another way.

    Raises
    ------
    InputError
        No cell has the value, and it was asked for by name or another is likely.
    """
    for column, value in control.items():
        there = sorted({str(v) for v in table[column].dropna().unique()})
        if value in there:
            continue
        folded = {name: re.sub(r"[^0-9a-z]", "", name.casefold()) for name in there}
        wanted = re.sub(r"[^0-9a-z]", "", value.casefold())
        likely = [name for name in there if folded[name] == wanted]
        likely += [name for name in there if folded[name] in _CONTROL_WORDS]
        likely += difflib.get_close_matches(value, there, n=1, cutoff=0.75)
        listed = ", ".join(map(repr, there[:8])) + (" ..." if len(there) > 8 else "")
        msg = f"no cell has {column} {value!r}, which names the controls"
        if likely:
            fix = f"did you mean control={{{column!r}: {likely[0]!r}}}? values there: {listed}"
            raise InputError(msg, fix=fix)
        if (column, value) != (_keys.TREATMENT, _keys.CONTROL):
            raise InputError(msg, fix=f"values there: {listed}")
        log.warning("%s (values there: %s): nothing to compare irradiated cells with", msg, listed)


def control_mask(table: pd.DataFrame, control: Mapping[str, str]) -> np.ndarray[Any, Any]:
    """Tell which cells are of control samples. Shape (cells,).

    Raises
    ------
    InputError
        The column that names the controls is missing.
    DesignError
        A sample is partly control.
    """
    mask = np.ones(len(table), dtype=bool)
    for column, value in control.items():
        if column not in table:
            msg = f"the cells have no column {column!r}, which names the controls"
            raise InputError(msg, fix="join the samples sheet, or give control={column: value}")
        mask &= (table[column].astype(str) == str(value)).to_numpy()
    both = set(table.loc[mask, _keys.SAMPLE]) & set(table.loc[~mask, _keys.SAMPLE])
    if both:
        msg = f"sample {sorted(map(str, both))[0]!r} is control in some cells and not in others"
        raise DesignError(msg, fix="a sample is control or it is not: mend the samples sheet")
    return mask


def kept(table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Tell which cells passed quality control; all where nothing says so. Shape (cells,)."""
    if _keys.KEEP not in table:
        return np.ones(len(table), dtype=bool)
    return np.asarray(table[_keys.KEEP].fillna(value=False).astype(bool))
