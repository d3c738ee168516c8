"""From signature scores to axis z values and the index, given baselines or fitting them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from senoscore import names as k
from senoscore.calling.baseline import (
    Baseline,
    Levels,
    at_equal_depth,
    baseline,
    bulk_baseline,
    mean_of,
    sample_stats,
    shrink,
)
from senoscore.calling.conditions import Evidence, holds
from senoscore.calling.false_discovery import Tests, control_p
from senoscore.errors import DesignError, InputError
from senoscore.io import flags
from senoscore.study import refuse_unknown_control, with_arms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from senoscore.calling.calibration import Calibration, CompartmentCalibration
    from senoscore.calling.panel import Panel

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Bools = np.ndarray[Any, np.dtype[np.bool_]]
    Scores = np.ndarray[Any, np.dtype[np.floating[Any]]]

__all__ = [
    "NULL_SUFFIX",
    "Judgement",
    "Reader",
    "Tables",
    "cell_table",
    "check_control",
    "compartments_of",
    "control_mask",
    "days_of",
    "fit_levels",
    "is_profile",
    "judge",
    "kept",
    "log_depth",
    "null_levels",
    "sample_codes",
    "score_matrix",
    "stacked",
    "tests_of",
    "without_counts",
]

log = logging.getLogger(__name__)

_INDEX_Z_MAX: Final = 3.0

_ROWS: Final = 1 << 16
"""Cells whose axes are read together."""


@dataclass(frozen=True)
class Reader:
    """Reads one compartment's scores through a panel.

    Score arrays have a column for each of ``panel.signatures``, evidence arrays one for each of
    ``panel.axes``.
    """

    panel: Panel
    compartment: str

    def axes(self, scores: Scores, by_signature: Baseline, log_depth: Floats) -> Floats:
        """Raw axes: the mean of the signed z of the parts. Shape (cells, axes).

        Disabled axes are NaN; so is a zero of a part whose zeros are missing evidence.
        """
        column = {name: i for i, name in enumerate(self.panel.signatures)}
        z = by_signature.z(scores, log_depth)
        raw = np.full((len(scores), len(self.panel.axes)), np.nan)
        for a, axis in enumerate(self.panel.axes):
            if axis.name in self.panel.disabled(self.compartment):
                continue
            parts = []
            for part in axis.parts:
                value = part.sign * z[:, column[part.signature]]
                if part.zero_is_missing:
                    value = np.where(scores[:, column[part.signature]] == 0, np.nan, value)
                parts.append(value)
            raw[:, a] = parts[0] if len(parts) == 1 else mean_of(parts)
        return raw

    def index(self, z: Floats) -> Floats:
        """Raw index: sum of w z over sum of |w|, over the axes that are there. Shape (cells, 1).

        z is clipped at +-3 here, so that one axis, such as SASP, cannot carry the index.
        """
        weight = np.array([axis.signed_weight for axis in self.panel.axes])
        used = weight != 0
        clipped, w = np.clip(z[:, used], -_INDEX_Z_MAX, _INDEX_Z_MAX), weight[used]
        known = ~np.isnan(clipped)
        total = known @ np.abs(w)
        value = np.where(known, clipped, 0.0) @ w / np.where(total > 0, total, 1.0)
        return np.where(self.assessable(z) & (total > 0), value, np.nan)[:, None]

    def assessable(self, z: Floats) -> NDArray[np.bool_]:
        """Tell which cells have enough axes. Shape (cells,)."""
        names = self.panel.axis_names
        known = ~np.isnan(z)
        n_required = known[:, [names.index(a) for a in self.panel.assessable_of]].sum(axis=1)
        some = known[:, [names.index(a) for a in self.panel.assessable_any]].any(axis=1)
        return np.asarray((n_required >= self.panel.min_axes) & some)

    def read(self, scores: Scores, levels: Levels, log_depth: Floats) -> tuple[Floats, Floats]:
        """Axis z values, shape (cells, axes), and the index in control SDs, shape (cells,)."""
        z = levels.axis.z(self.axes(scores, levels.signature, log_depth))
        return z, levels.index.z(self.index(z))[:, 0]

    def evidence(self, z: Floats, day: dict[str, NDArray[np.bool_]] | None = None) -> Evidence:
        """What the panel's conditions are asked of; without days, every cell is ``stable``."""
        none, every = np.zeros(len(z), dtype=bool), np.ones(len(z), dtype=bool)
        days = day or {"before_stable": none, "stable": every, "missing": none}
        return Evidence(len(z), dict(zip(self.panel.axis_names, z.T, strict=True)), days)

    def positive(self, z: Floats, cut: float) -> NDArray[np.bool_]:
        """Tell which cells are assessable and fulfil the composite rule. Shape (cells,)."""
        limits = self.panel.thresholds_of(self.compartment, cut)
        return holds(self.panel.composite, self.evidence(z), limits) & self.assessable(z)

    def first_state(
        self, evidence: Evidence, able: NDArray[np.bool_], cut: float
    ) -> NDArray[np.int64]:
        """Number of the first state of the panel that fits each able cell, else -1."""
        limits = self.panel.thresholds_of(self.compartment, cut)
        taken = np.full(evidence.n, -1)
        for number, state in enumerate(self.panel.states):
            taken[holds(state.when, evidence, limits) & able & (taken < 0)] = number
        return taken


def fit_levels(
    reader: Reader,
    scores: Scores,
    codes: NDArray[np.int64],
    use: NDArray[np.bool_],
    log_depth: Floats,
    *,
    bulk: bool,
    across: Floats | None = None,
) -> Levels:
    """Fit the baselines of signatures, axes and index on the control samples in ``use``.

    Parameters
    ----------
    reader
        Panel and compartment.
    scores
        Control cells x signatures.
    codes
        Control sample of each cell.
    use
        Control samples to take, shape (samples,).
    log_depth
        Natural log of the counts of each cell, NaN where unknown.
    bulk
        Each sample is one row.
    across
        Scale of each signature over the compartments, for shrinkage with few cells.
    """
    kept = use[codes]
    if not kept.all():
        scores, codes, log_depth = scores[kept], codes[kept], log_depth[kept]

    def fit(values: Floats) -> Baseline:
        if bulk:
            return bulk_baseline(values)
        return baseline(sample_stats(values, codes, len(use)), use)

    if bulk:
        by_signature = fit(np.asarray(scores, dtype=np.float64))
    else:
        by_signature = at_equal_depth(scores, log_depth, codes, use)
    if across is not None and not bulk:
        by_signature = shrink(by_signature, len(scores), across)

    def by_rows(read: Callable[[Floats], Floats]) -> Floats:
        """What is read off the raw axes of all cells, without holding these at once."""
        starts = range(0, max(len(scores), 1), _ROWS)
        parts = (slice(start, start + _ROWS) for start in starts)
        return np.concatenate(
            [read(reader.axes(scores[rows], by_signature, log_depth[rows])) for rows in parts]
        )

    by_axis = _fit_axes(reader, by_rows, fit)
    return Levels(by_signature, by_axis, fit(by_rows(lambda raw: reader.index(by_axis.z(raw)))))


def _fit_axes(
    reader: Reader,
    by_rows: Callable[[Callable[[Floats], Floats]], Floats],
    fit: Callable[[Floats], Baseline],
) -> Baseline:
    """Baseline of axes; an axis of one part is standardised already and keeps its values."""
    several = np.array([len(axis.parts) > 1 for axis in reader.panel.axes])
    centre, scale = np.zeros(len(several)), np.ones(len(several))
    if several.any():
        fitted = fit(by_rows(lambda raw: raw[:, several]))
        centre[several], scale[several] = fitted.centre, fitted.scale
    return Baseline(centre, scale)


def null_levels(reader: Reader) -> Levels:
    """Give baselines that change nothing, for scores that are z against matched gene sets."""

    def same(n: int) -> Baseline:
        return Baseline(np.zeros(n), np.ones(n))

    panel: Any = reader.panel
    return Levels(same(len(panel.signatures)), same(len(panel.axes)), same(1))


NULL_SUFFIX: Final = "_z"


@dataclass(frozen=True)
class Tables:
    """Tables of cells that are read one after the other, as often as they are asked for.

    A sample may be in several of them. So a study need not fit into memory.
    """

    read: Callable[[], Iterator[pd.DataFrame]]

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Read them from the first on."""
        return self.read()


def stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other; columns of categories stay such."""
    if len(tables) == 1:
        return tables[0]
    columns: dict[Any, Any] = {}
    for name in tables[0]:
        parts = [table[name] for table in tables]
        if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
            columns[name] = union_categoricals(parts, sort_categories=True)
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns)


def cell_table(
    data: AnnData | pd.DataFrame, panel: Panel, *, method: str, compartment: str
) -> pd.DataFrame:
    """One row a cell with ``sample``, ``compartment``, design and score columns.

    Raises
    ------
    InputError
        A column is missing, a cell has no sample, or no score of the panel is there.
    """
    table = data if isinstance(data, pd.DataFrame) else _from_anndata(data, panel, method)
    wanted = [k.SAMPLE, compartment]
    missing = [name for name in wanted if name not in table]
    if missing:
        msg = f"the cells have no column {missing[0]!r}"
        raise InputError(msg, fix="join the samples sheet and the compartments, or name the column")
    scored = [s for s in panel.signatures if _column(table, method, s) is not None]
    if not scored:
        msg = f"no score of panel {panel.name!r} is there (columns like '{method}:p53_targets')"
        raise InputError(msg, fix=f"score the panel's signatures with method {method!r} first")
    if table[k.SAMPLE].isna().any():
        msg = f"{int(table[k.SAMPLE].isna().sum())} cells have no sample"
        raise InputError(msg, fix="give each cell a sample")
    if compartment != k.COMPARTMENT:
        table = table.assign(**{k.COMPARTMENT: table[compartment]})
    return with_arms(table)  # an unirradiated sample with a drug is no control, as in the workflow


def _from_anndata(adata: AnnData, panel: Panel, method: str) -> pd.DataFrame:
    parts: list[pd.DataFrame] = [adata.obs]
    for suffix in ("", NULL_SUFFIX):
        scores = adata.obsm.get(k.OBSM_SCORE.format(method=method) + suffix)
        if isinstance(scores, pd.DataFrame):
            wanted = scores[[name for name in panel.signatures if name in scores]]
            parts.append(wanted.add_prefix(f"{method}{suffix}{k.SEP}"))
    table = pd.concat(parts, axis=1)
    table[k.CELL] = adata.obs_names.astype(str)
    assay = adata.uns.get(k.UNS, {}).get("assay")
    if assay is not None and "assay" not in table:
        table["assay"] = str(assay)
    return table


def _column(table: pd.DataFrame, method: str, signature: str) -> str | None:
    for prefix in (method, method + NULL_SUFFIX):
        name = f"{prefix}{k.SEP}{signature}"
        if name in table:
            return name
    return None


def score_matrix(table: pd.DataFrame, panel: Panel, *, method: str, null: bool = False) -> Scores:
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
    prefix = f"{method}{NULL_SUFFIX if null else ''}{k.SEP}"
    names = [prefix + name for name in panel.signatures]
    there = [table[name].dtype for name in names if name in table]
    # Scores of the workflow have single precision; twice the room would hold no more.
    single = there and all(kind == np.float32 for kind in there)
    kind = np.float32 if single else np.float64
    out = np.full((len(table), len(names)), np.nan, dtype=kind)
    for i, name in enumerate(names):
        if name in table:
            out[:, i] = table[name].to_numpy(kind, na_value=np.nan)
    return out


def sample_codes(table: pd.DataFrame) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the samples, ascending, and the number of the sample of each cell.

    As numpy's ``unique`` of the names as text gives them, without a text for each cell.
    """
    codes, values = pd.factorize(table[k.SAMPLE])
    names, number = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return names.tolist(), number[codes]


def log_depth(table: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Natural log of the counts of each cell, NaN where none are stated. Shape (cells,).

    Read from ``n_counts`` or, as scanpy names it, ``total_counts``.

    Raises
    ------
    InputError
        Some cells of a sample have a number and others have none: they cannot be compared at
        equal depth, and to compare none of them so would change every cell. Or a number is
        below 0.
    """
    for column in k.DEPTH:
        if column in table:
            counts = table[column].to_numpy(np.float64, na_value=np.nan)
            if (counts < 0).any():
                name = str(table[k.SAMPLE].array[int(np.argmax(counts < 0))])
                msg = f"sample {name!r}: a cell has {np.nanmin(counts):g} {column}"
                raise InputError(msg, fix=f"drop the column {column} and score again")
            unknown = np.isnan(counts)
            if not unknown.any():
                return np.log(np.where(counts > 0, counts, np.nan))
            names = table[k.SAMPLE].astype(str).to_numpy()
            gaps = pd.Series(unknown).groupby(names, observed=True)
            share = gaps.mean()
            mixed = share[(share > 0) & (share < 1)]
            if len(mixed):
                name = str(mixed.index[0])
                n = int(gaps.sum()[name])
                msg = f"sample {name!r}: {n} of {gaps.size()[name]} cells have no {column}"
                fix = f"give each cell its counts, or drop the column {column} and score again"
                raise InputError(msg, fix=fix)
            return np.log(np.where(counts > 0, counts, np.nan))
    return np.full(len(table), np.nan)


def is_profile(table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Tell which rows are profiles of a whole sample, not cells. Shape (rows,).

    By the column ``assay`` (bulk, array); where it says nothing, a sample with a single row in
    the whole table is one.
    """
    names, codes = sample_codes(table)
    single = (np.bincount(codes, minlength=len(names)) == 1)[codes]
    if "assay" not in table:
        return np.asarray(single)
    known = table["assay"].notna().to_numpy()
    return np.where(known, table["assay"].isin(k.PROFILES).to_numpy(), single)


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
        said = refuse_unknown_control(table[column].dropna().astype(str), column, value)
        if said:
            log.warning("%s: nothing to compare irradiated cells with", said)


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
    both = set(table.loc[mask, k.SAMPLE].unique()) & set(table.loc[~mask, k.SAMPLE].unique())
    if both:
        msg = f"sample {sorted(map(str, both))[0]!r} is control in some cells and not in others"
        raise DesignError(msg, fix="a sample is control or it is not: mend the samples sheet")
    return mask


def kept(table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Tell which cells passed quality control; all where nothing says so. Shape (cells,)."""
    if k.KEEP not in table:
        return np.ones(len(table), dtype=bool)
    return flags(table[k.KEEP]).to_numpy(dtype=bool)


def without_counts(table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Tell which cells hold not one count, as far as counts are stated. Shape (cells,).

    Such a cell says nothing, and has no depth to be compared at.
    """
    for column in k.DEPTH:
        if column in table:
            return np.asarray(table[column].to_numpy(np.float64, na_value=np.nan) == 0)
    return np.zeros(len(table), dtype=bool)


_MISSING: Final = ("", "NA", "NaN", "nan", "None", "<NA>")
"""Texts that say that no day is known."""


@dataclass(frozen=True)
class Judgement:
    """Of every cell: axis z, index, whether they are enough, the rule, its p, or why not.

    z and index of whole profiles are against one baseline for all; the rule and p of a control
    leave its own sample out in any case.

    ``p`` is 1 where the rule does not hold and NaN where there are no controls to compare with;
    ``reason`` says why a cell is not assessed. ``parts`` are the compartments with a state to
    give: rows, reader and calibration of each.
    """

    z: Floats
    index: Floats
    able: Bools
    positive: Bools
    p: Floats
    reason: np.ndarray[Any, Any]
    parts: list[tuple[np.ndarray[Any, Any], Reader, CompartmentCalibration]]


def judge(table: pd.DataFrame, calibration: Calibration) -> Judgement:
    """Read the cells of a table through the baselines and cuts of their compartments."""
    panel, n = calibration.panel, len(table)
    names = compartments_of(table)
    samples = table[k.SAMPLE].astype(str).to_numpy(dtype=str)
    use, empty, depth = kept(table), without_counts(table), log_depth(table)
    found = Judgement(
        np.full((n, len(panel.axes)), np.nan),
        np.full(n, np.nan),
        np.zeros(n, bool),
        np.zeros(n, bool),
        np.full(n, np.nan),
        np.full(n, "", object),
        [],
    )
    found.reason[empty] = "no counts"
    found.reason[~use] = "failed quality control"
    use = use & ~empty
    for name in np.unique(names):
        rows = np.flatnonzero(use & (names == name))
        fitted = calibration.by_compartment.get(str(name))
        if fitted is None or not fitted.levels:
            found.reason[rows] = fitted.note if fitted else "compartment not calibrated"
            continue
        reader = Reader(panel, fitted.compartment)
        null = fitted.mode == "null"
        scores = score_matrix(table.iloc[rows], panel, method=calibration.method, null=null)
        _judge_compartment(found, rows, scores, samples[rows], depth[rows], reader, fitted)
        if fitted.mode == "bulk":
            # A profile is compared with others as it stands: all on one baseline. Left out in
            # turn, each of few controls would lie on a scale of its own.
            found.z[rows], found.index[rows] = reader.read(scores, fitted.levels[""], depth[rows])
    return found


def _judge_compartment(
    found: Judgement,
    rows: np.ndarray[Any, Any],
    scores: Scores,
    samples: np.ndarray[Any, Any],
    depth: Floats,
    reader: Reader,
    own: CompartmentCalibration,
) -> None:
    """Read the cells ``rows``, each control cell by the baseline without its sample."""
    label = np.where(np.isin(samples, [s for s in own.levels if s]), samples, "")
    for left_out, part in _by_name(label):
        found.z[rows[part]], found.index[rows[part]] = reader.read(
            scores[part], own.levels[left_out], depth[part]
        )
    if not own.assessable:
        found.reason[rows] = own.note
        return
    able = reader.assessable(found.z[rows])
    found.able[rows] = able
    found.reason[rows[~able]] = "too few axes of evidence"
    found.positive[rows] = positive = reader.positive(found.z[rows], own.z_cut)
    if own.mode != "null":
        found.p[rows[able]] = 1.0
        passing, control = rows[positive], np.isin(samples[positive], list(own.null))
        found.p[passing[~control]] = own.steps(found.index[passing[~control]])
        for sample, part in _by_name(samples[positive][control]):
            others = {s: v for s, v in own.null.items() if s != sample} or own.null
            left = passing[control][part]
            found.p[left] = control_p(found.index[left], others, own.n_assessable)
    found.parts.append((rows, reader, own))


def _by_name(names: np.ndarray[Any, Any]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Each name and where it is, ascending, without a look at all cells for each."""
    found, codes = np.unique(names, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.searchsorted(codes[order], np.arange(1, len(found))))
    yield from zip(found.tolist(), parts, strict=False)  # no name: one empty part


def compartments_of(table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Name of the compartment of each cell, ``unassigned`` where none is given."""
    codes, values = pd.factorize(table[k.COMPARTMENT], use_na_sentinel=False)
    names = pd.Series(values).astype("string").fillna(k.UNASSIGNED)
    return names.to_numpy(dtype=str)[codes]


def days_of(table: pd.DataFrame, control: Bools) -> Floats:
    """Days after irradiation, 0 for controls, NaN where unknown. Shape (cells,)."""
    day = np.full(len(table), np.nan)
    if k.DAYS in table:
        day = _numbers(table[k.DAYS])
    return np.where(control, 0.0, day)


def _numbers(days: pd.Series) -> Floats:
    """Days as numbers, NaN where there is none."""
    if pd.api.types.is_numeric_dtype(days.dtype):
        return np.asarray(days.to_numpy(np.float64, na_value=np.nan))
    text = days.astype(object)
    given = (text.notna() & ~text.astype(str).str.strip().isin(_MISSING)).to_numpy()
    numbers = pd.to_numeric(text.where(given, np.nan), errors="coerce")
    day = np.asarray(numbers.to_numpy(np.float64, na_value=np.nan))
    bad = given & np.isnan(day)
    if bad.any():
        n, first = int(bad.sum()), text.to_numpy()[bad][0]
        msg = f"{k.DAYS} of {n} cells is not a number ({str(first)!r})"
        fix = (
            'give days as numbers, such as 7: .astype(str).str.extract(r"([0-9.]+)").astype(float)'
        )
        raise InputError(msg, fix=fix)
    return day


def tests_of(
    judged: Iterable[tuple[pd.DataFrame, Judgement]], control: dict[str, str]
) -> dict[bool, Tests]:
    """The tests on control cells (True) and on all others (False) of judged tables."""
    parts = []
    for table, found in judged:
        is_control, tested = control_mask(table, control), ~np.isnan(found.p)
        columns = (found.p, days_of(table, is_control), found.positive, is_control)
        parts.append([column[tested] for column in columns])
    p, day, positive, of_control = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {
        arm: Tests.of(p[mine], day[mine], positive[mine])
        for arm, mine in ((True, of_control), (False, ~of_control))
    }
