"""The null of the call: baselines, one z cut per compartment, achieved control rates."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.calling.auto import attempt, to_arrays
from senoscore.calling.baseline import borrows_scale
from senoscore.calling.calibration import Calibration, CompartmentCalibration
from senoscore.calling.evidence import (
    NULL_SUFFIX,
    Reader,
    Tables,
    cell_table,
    check_control,
    compartments_of,
    control_mask,
    fit_levels,
    is_profile,
    judge,
    kept,
    log_depth,
    null_levels,
    sample_codes,
    score_matrix,
    stacked,
    tests_of,
    without_counts,
)
from senoscore.calling.panel import load_panel
from senoscore.calling.store import remember, remember_programme
from senoscore.cells import known_as, nearest
from senoscore.errors import ConfigError, MethodError
from senoscore.kernels import t_ppf
from senoscore.study import Copies, control_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from anndata import AnnData

    from senoscore.calling.baseline import Levels
    from senoscore.calling.panel import Panel

    Floats = np.ndarray[Any, np.dtype[np.float64]]

__all__ = ["Calibration", "calibrate", "fit"]

log = logging.getLogger(__name__)

_GRID: Final = np.round(np.arange(8.0, 0.45, -0.05), 2)
"""Cuts that are tried, from strict to lenient."""

_SINGLE_ALPHA: Final = 0.01
_NO_NULL: Final = "; scores of sen.score(..., null=50) let matched gene sets stand in"
_NULL_CUT: Final = 3.0
_MIN_BULK: Final = 3
_EACH_APART: Final = 20
"""Control samples of a compartment that have a fit without them each."""

_GROUPS: Final = 10
"""Of more samples than that; those of a group share a fit without them all."""

_BULK_DF: Final = 4


def calibrate(
    data: AnnData | pd.DataFrame | Tables,
    *,
    compartment: str = k.COMPARTMENT,
    control: str | Mapping[str, str] | None = None,
    panel: str | Path | Mapping[str, Any] | Panel = "default",
    alpha: float = 0.05,
    min_control_cells: int = 100,
    min_control_samples: int = 2,
    method: str | None = None,
    learn: bool = True,
) -> Calibration:
    """Learn from unirradiated cells, compartment by compartment, what is unremarkable.

    The other cells change none of it; their tests are counted, because the false discovery rate
    of a call is one over all cells of a run (see :func:`senoscore.call`).

    Per compartment, signature scores, at equal depth where the cells have ``n_counts`` (or
    scanpy's ``total_counts``), become z values against its control cells, axes are means
    of them, and the index a weighted mean of axes. One z cut, shared by all axes, is the lowest
    for which the composite rule of the panel holds in at most ``alpha`` of the control cells,
    each control sample being judged by baselines fitted without it (leave-one-control-sample-out;
    with more than 20 of them, without every tenth, it among them; samples weigh by their cells,
    up to the median sample). With fewer than
    ``min_control_samples`` samples the rate is at most 0.01, in the same cells if there is one
    sample. Where every sample is one row (bulk, array) the cut is also at least the t quantile.
    Cells of a compartment without any control are placed among 50 matched random sets of each
    signature, as in a run, where an AnnData has the scores of :func:`senoscore.score`.
    A compartment of fewer than 200 control cells draws its scales to the median over compartments
    (``borrows_scale`` of ``.summary()``): which others are there then changes its z values.

    Parameters
    ----------
    data
        Cells with ``sample``, the compartment, the columns of ``control`` and scores: an AnnData
        with ``obsm["score_<method>"]``, a table with columns ``<method>:<signature>``, or
        ``Tables``, what is read of them piece by piece. Cells whose ``keep`` is false are left out.
    compartment
        Column that holds the compartment.
    control
        Value of ``treatment`` that names the control samples, such as ``"sham"``, or column and
        value; default ``{"treatment": "control"}``.
    panel
        Name, path, content or panel.
    alpha
        Rate at which control cells may fulfil the composite rule.
    min_control_cells
        Control cells, over all samples, below which a compartment is not assessable.
    min_control_samples
        Control samples below which the cut is stricter and flagged.
    method
        Scoring method; default the panel's.
    learn
        Also learn the programme of the study from an AnnData, where values and replicates allow
        (see :func:`senoscore.call`); it is kept with the calibration.

    Returns
    -------
    The calibration; ``.summary()``, ``.to_frame()``, ``.rates``, ``.save(path)``. An AnnData
    keeps it in ``uns["senoscore"]["calibration"]``, through a file too: :func:`senoscore.call`
    takes it from there.

    Raises
    ------
    InputError
        Missing columns or scores, a day that is no number, or a control value that no cell has.
    DesignError
        A sample is both control and not.
    ConfigError
        ``alpha`` outside (0, 0.5), or an invalid panel.

    Notes
    -----
    Cut by composite rate and left-out samples: between-animal variation makes a cut at the
    pooled 95th percentile call 0.7 to 16 % of a new control sample. See docs/call.md.

    Examples
    --------
    >>> calibration = sen.calibrate(adata)
    >>> rates = calibration.rates.query("compartment == 'tumour'")
    >>> rates[["sample", "n_cells", "target"]]
      sample  n_cells  target
    4     s1       61    0.05
    5     s2       58    0.05
    6     s3       87    0.05
    7     s4       86    0.05
    """
    if not isinstance(data, pd.DataFrame | Tables):
        _place_the_uncontrolled(data, load_panel(panel), method, compartment, control_of(control))
    made = fit(
        data,
        compartment=compartment,
        control=control,
        panel=panel,
        alpha=alpha,
        min_control_cells=min_control_cells,
        min_control_samples=min_control_samples,
        method=method,
    )
    if not isinstance(data, pd.DataFrame | Tables):
        remember(data, made, compartment)
        if learn:
            _keep_programme(data, made, compartment)
    return made


def _place_the_uncontrolled(
    adata: AnnData, panel: Panel, method: str | None, compartment: str, control: dict[str, str]
) -> None:
    """Place cells of compartments without a control among matched gene sets, as a run does."""
    method = method or panel.method
    table = cell_table(adata, panel, method=method, compartment=compartment)
    check_control(table, control)
    use, names = kept(table) & ~without_counts(table), compartments_of(table)
    has_control = set(names[use & control_mask(table, control)])
    lone = use & ~np.isin(names, list(has_control))
    rooms = sorted(map(str, set(names[lone])))
    if not rooms:
        return
    try:
        from senoscore.scoring import place_among_random  # compiled, and hardly ever needed

        done = place_among_random(adata, lone, panel.signatures, method=method)
    except MethodError as error:
        log.warning("%s: no control cell, and no matched gene sets (%s)",
                    ", ".join(rooms), error.message)  # fmt: skip
        return
    if done and rooms != [k.UNASSIGNED]:
        log.warning(
            "%s: no control cell, compared with matched gene sets: candidates at most, and few "
            "of the senescent ones are found", ", ".join(rooms),
        )  # fmt: skip


def _keep_programme(adata: AnnData, made: Calibration, compartment: str) -> None:
    """Learn the programme of the study where that can be done, and keep it."""
    found = attempt(
        adata,
        cell_table(adata, made.panel, method=made.method, compartment=compartment),
        control=made.control,
        min_days=made.panel.min_days_stable,
        method=made.method,
    )
    if found.programme is None:
        log.info("no programme learnt: %s", found.error)
        return
    remember_programme(adata, to_arrays(found))


def fit(
    data: AnnData | pd.DataFrame | Tables,
    *,
    compartment: str,
    control: str | Mapping[str, str] | None,
    panel: str | Path | Mapping[str, Any] | Panel,
    alpha: float,
    min_control_cells: int = 100,
    min_control_samples: int = 2,
    method: str | None = None,
) -> Calibration:
    """Calibrate and keep nothing; parameters as those of :func:`calibrate`."""
    if not 0 < alpha < 0.5:
        msg = f"alpha is {alpha}, expected a rate above 0 and below 0.5"
        raise ConfigError(msg)
    control = control_of(control)
    rules = load_panel(panel)
    method = method or rules.method
    # One table, or several that are read one after the other, twice.
    tables = data if isinstance(data, Tables) else [data]

    def parts() -> Iterator[pd.DataFrame]:
        return (cell_table(t, rules, method=method, compartment=compartment) for t in tables)

    seen = _Seen(rules, method, control)
    for table in parts():
        seen.add(table)
    has_null, fits = seen.has_null, seen.controls()
    del seen
    across = _across({n: f for n, f in fits.items() if len(f.scores) >= min_control_cells})
    if not any(np.isfinite(f.depth).all() and len(f.depth) for f in fits.values() if not f.bulk):
        log.warning(
            "no n_counts (or total_counts) of every control cell: scores are compared between "
            "cells of unequal depth"
        )
    result: dict[str, CompartmentCalibration] = {}
    for name, fit in fits.items():
        needed = _MIN_BULK if fit.bulk else min_control_cells
        in_compartment = fit.calibrate(
            alpha, needed, min_control_samples, across, has_null=has_null
        )
        borrows = (
            across is not None and in_compartment.mode == "cells" and borrows_scale(len(fit.scores))
        )
        result[name] = replace(in_compartment, borrows=borrows)
        log.info("%s: %s, cut %.2f", name, result[name].status, result[name].z_cut)
    made = Calibration(rules, alpha, method, result, control)
    judged = ((table, judge(table, made)) for table in parts())
    return replace(made, tests=tests_of(judged, control))


class _Seen:
    """What is kept of all cells, table by table: a few numbers each, and scores of controls."""

    def __init__(self, panel: Panel, method: str, control: dict[str, str]) -> None:
        self.panel, self.method, self.control = panel, method, control
        self.has_null = False
        self._copies = Copies()
        self._cells: list[pd.DataFrame] = []
        self._rows: dict[str, list[np.ndarray[Any, Any]]] = {}
        self._scores: dict[str, list[np.ndarray[Any, Any]]] = {}
        self._n = 0

    def add(self, table: pd.DataFrame) -> None:
        """Take what is needed of the cells of one table."""
        null = (f"{self.method}{NULL_SUFFIX}{k.SEP}{s}" for s in self.panel.signatures)
        self.has_null |= any(name in table for name in null)
        scores = score_matrix(table, self.panel, method=self.method)
        use = control_mask(table, self.control) & kept(table) & ~without_counts(table)
        self._copies.add(table[k.SAMPLE], scores)
        names = compartments_of(table)
        for name in map(str, np.unique(names)):
            rows = np.flatnonzero(use & (names == name))
            self._rows.setdefault(name, []).append(self._n + rows)
            self._scores.setdefault(name, []).append(scores[rows])
        wanted = [k.SAMPLE, *self.control, *k.DEPTH, "assay"]
        few = table[[name for name in dict.fromkeys(wanted) if name in table]]
        self._cells.append(few.assign(**{k.COMPARTMENT: pd.Categorical(names)}))
        self._n += len(table)

    def controls(self) -> dict[str, _Controls]:
        """Control cells of each compartment, once all tables were seen."""
        cells = stacked(self._cells)
        control_mask(cells, self.control)  # no sample is control in one table and not in another
        check_control(cells, self.control)
        self._copies.refuse("cells")
        room = pd.Categorical(cells[k.COMPARTMENT])
        _warn_of_labels(np.asarray(sorted(self._rows)), self.panel)
        depth, profile = log_depth(cells), is_profile(cells)
        n_empty = int(without_counts(cells).sum())
        if n_empty:
            log.warning("%d cells hold no counts: they take no part and get no state", n_empty)
        names, codes = sample_codes(cells)
        found = {}
        for name in sorted(self._rows):
            rows = np.concatenate(self._rows.pop(name))
            of_controls = np.concatenate(self._scores.pop(name))
            number = room.categories.get_loc(name)
            found[name] = _Controls(
                Reader(self.panel, name), of_controls, np.asarray(names)[codes[rows]], depth[rows],
                bulk=bool(profile[room.codes == number].all()),
            )  # fmt: skip
        return found


def _warn_of_labels(names: np.ndarray[Any, Any], panel: Panel) -> None:
    """Say which labels the panel's exceptions cannot be looked up for."""
    known = {k.UNASSIGNED, k.BULK, *panel.exceptions}
    for name in map(str, names):
        if name in known or known_as(name):
            continue
        near = nearest(name)
        hint = f"did you mean {near!r}? " if near else ""
        log.warning(
            "compartment %r is none that senoscore knows: %sno exception of panel %r applies "
            "(sen.compartments takes a mapping)", name, hint, panel.name,
        )  # fmt: skip


def _across(fits: Mapping[str, _Controls]) -> Floats | None:
    """Median scale of each signature over compartments with enough control cells."""
    scales = [fit.fit(np.ones(len(fit.names), bool)).signature.scale for fit in fits.values()]
    if len(scales) < 2:
        return None
    return np.asarray(pd.DataFrame(np.array(scales)).median().to_numpy(np.float64))


class _Controls:
    """Control cells of one compartment."""

    def __init__(
        self,
        reader: Reader,
        scores: Floats,
        samples: np.ndarray[Any, Any],
        depth: Floats,
        *,
        bulk: bool,
    ) -> None:
        self.reader = reader
        names, codes = np.unique(samples, return_inverse=True)
        # In a fixed order: sums of floats must not depend on the order of the cells.
        order = np.argsort(codes, kind="stable")
        for cells in np.split(order, np.cumsum(np.bincount(codes))[:-1]) if len(codes) else ():
            cells[:] = cells[np.lexsort((depth[cells], *scores[cells].T))]
        self.scores, self.depth = scores[order], depth[order]
        self.names, self.codes = names, codes[order]
        self.bulk = bulk

    def fit(self, use: np.ndarray[Any, Any], across: Floats | None = None) -> Levels:
        return fit_levels(
            self.reader, self.scores, self.codes, use, self.depth, bulk=self.bulk, across=across
        )

    def calibrate(
        self,
        alpha: float,
        needed: int,
        min_samples: int,
        across: Floats | None,
        *,
        has_null: bool,
    ) -> CompartmentCalibration:
        """Calibrate the compartment, or say why it cannot be."""
        name, n, n_samples = self.reader.compartment, len(self.scores), len(self.names)
        counts = dict(zip(self.names.tolist(), np.bincount(self.codes).tolist(), strict=True))
        if n == 0 and has_null:
            return CompartmentCalibration(
                name,
                "null",
                "no_control",
                "no control samples: z against matched gene sets only",
                z_cut=_NULL_CUT,
                levels={"": null_levels(self.reader)},
            )
        unit = "samples" if self.bulk else "cells"
        short = f"{n} control {unit}, {needed} needed" + (_NO_NULL if n == 0 else "")
        if n < (2 if self.bulk else needed):
            return CompartmentCalibration(name, "none", "not_assessable", short, n_cells=counts)
        every = np.ones(n_samples, dtype=bool)
        levels = {"": self.fit(every, across)}
        # Two bulk samples cannot spare one: a scale needs two.
        if n_samples > (2 if self.bulk else 1):
            levels |= self._without(across)
        mode = "bulk" if self.bulk else "cells"
        if n < needed:
            return CompartmentCalibration(
                name, mode, "not_assessable", short, levels=levels, n_cells=counts
            )
        status, goal = "ok", alpha
        if n_samples < min_samples:
            status = "single_control" if n_samples == 1 else "few_control_samples"
            goal = min(alpha, _SINGLE_ALPHA)
        every, index = self._left_out(levels)
        read = {s: (every[c], index[c]) for s, c in self._by_sample().items()}
        able = {s: int(self.reader.assessable(z).sum()) for s, (z, _) in read.items()}
        cut, rate = self._tune(every, able, goal)
        if not rate <= goal:
            why = f"no cut keeps the rule below {goal:.0%} of control cells ({rate:.0%} at {cut:g})"
            if np.isnan(rate):
                why = "too few axes of evidence in every control cell"
            return CompartmentCalibration(
                name, mode, "not_assessable", why, levels=levels, n_cells=counts
            )
        notes = {
            "ok": "",
            "single_control": "one control sample: the spread between samples is unknown",
            "few_control_samples": f"{n_samples} control samples, {min_samples} asked for",
        }
        return CompartmentCalibration(
            name,
            mode,
            status,
            notes[status],
            z_cut=cut,
            alpha=goal,
            rate_loso=rate,
            levels=levels,
            null={
                sample: np.sort(index[self.reader.positive(z, cut)])
                for sample, (z, index) in read.items()
                if able[sample]
            },
            n_cells=counts,
            n_assessable=able,
            n_state={s: self._states(z, cut) for s, (z, _) in read.items()},
            depth_range=self._depths(),
        )

    def _without(self, across: Floats | None) -> dict[str, Levels]:
        """Levels for each sample, fitted without it.

        One fit reads all cells. So that many samples do not make that a square, from 21 on every
        tenth in the order of their names is left out together.
        """
        numbers = np.arange(len(self.names))
        groups = len(numbers) if len(numbers) <= _EACH_APART else _GROUPS
        fits = [self.fit(numbers % groups != group, across) for group in range(groups)]
        return {s: fits[i % groups] for i, s in enumerate(self.names.tolist())}

    def _by_sample(self) -> dict[str, slice]:
        """Where the cells of each sample are: they are in the order of the samples."""
        bounds = np.searchsorted(self.codes, np.arange(len(self.names) + 1))
        return {s: slice(*bounds[i : i + 2]) for i, s in enumerate(self.names.tolist())}

    def _left_out(self, levels: Mapping[str, Levels]) -> tuple[Floats, Floats]:
        """Axis z and index of all cells, by baselines fitted without their sample."""
        z = np.empty((len(self.scores), len(self.reader.panel.axes)))
        index = np.empty(len(z))
        for sample, cells in self._by_sample().items():
            fitted = levels.get(sample, levels[""])
            z[cells], index[cells] = self.reader.read(self.scores[cells], fitted, self.depth[cells])
        return z, index

    def _tune(self, every: Floats, able: Mapping[str, int], goal: float) -> tuple[float, float]:
        """Lowest cut whose composite rate is at most ``goal`` there and at every higher cut.

        With the rate it has, which is above ``goal`` if no cut is high enough and NaN if no cell
        is assessable.
        """
        n = np.array(list(able.values()), dtype=float)
        if not n.any():
            return float(_GRID[0]), np.nan
        weight = np.minimum(n, np.median(n[n > 0]))
        floor = 0.0
        if self.bulk:
            floor = float(t_ppf(1 - goal, len(n) - 1 + _BULK_DF))
        best, best_rate = float(_GRID[0]), np.nan
        # The cells of all samples at once: a call for each sample and cut took most of the time.
        starts = [cells.start for cells in self._by_sample().values()]
        for cut in _GRID[floor <= _GRID]:
            called = np.add.reduceat(self.reader.positive(every, cut), starts, dtype=np.int64)
            rate = float(np.average(called / np.maximum(n, 1), weights=weight))
            if rate > goal and not np.isnan(best_rate):
                break
            best, best_rate = float(cut), rate
            if rate > goal:
                break
        return best, best_rate

    def _states(self, z: Floats, cut: float) -> dict[str, int]:
        """Control cells that would be acute soon after irradiation, or escaped long after."""
        none, every = np.zeros(len(z), dtype=bool), np.ones(len(z), dtype=bool)
        able, found = self.reader.assessable(z), {}
        for state, early in (("acute_damage_response", True), ("escaped", False)):
            day = {
                "before_stable": every if early else none,
                "stable": none if early else every,
                "missing": none,
            }
            taken = self.reader.first_state(self.reader.evidence(z, day), able, cut)
            numbers = [i for i, s in enumerate(self.reader.panel.states) if s.name == state]
            found[state] = int(np.isin(taken, numbers).sum())
        return found

    def _depths(self) -> tuple[float, float]:
        """Lowest and highest median log count of a control sample; NaN where unknown."""
        if self.bulk or not np.isfinite(self.depth).all():
            return np.nan, np.nan
        middle = [np.median(self.depth[cells]) for cells in self._by_sample().values()]
        return float(min(middle)), float(max(middle))
