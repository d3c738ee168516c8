"""The result of a calibration, in memory and as one Parquet file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore.calling.baseline import Baseline, Levels
from senoscore.calling.false_discovery import ControlSteps, Tests
from senoscore.calling.panel import load_panel
from senoscore.errors import InputError
from senoscore.io import atomic_path, remake

if TYPE_CHECKING:
    from pathlib import Path

    from senoscore.calling.panel import Panel


__all__ = ["Calibration", "CompartmentCalibration"]

_META: Final = b"senoscore"
_SHOWN: Final = 20
"""Compartments that a printed calibration lists."""

_COLUMNS: Final = (
    "kind", "name", "left_out", "centre", "scale", "slope", "spread", "depth",
    "n_ctrl_samples", "n_ctrl_cells",
)  # fmt: skip
_ARMS: Final = {True: "control", False: "irradiated"}
_KINDS: Final = ("signature", "axis", "index")


@dataclass(frozen=True)
class CompartmentCalibration:
    """How one compartment is judged.

    ``mode`` is ``cells``, ``bulk``, ``null`` (no controls: z against matched gene sets) or
    ``none``; ``status`` is ok, single_control, few_control_samples, no_control or not_assessable.
    ``levels`` has a key ``""`` for cells of any other sample and one for each control sample,
    fitted without it. ``null`` holds, per control sample, the index of the cells that fulfil the
    rule under thresholds from the other control samples, ascending; ``n_cells`` how many cells it
    had, ``n_assessable`` those with enough axes, and ``n_state`` those that the rules of two
    states with no false discovery rate would take: acute_damage_response, were they irradiated a
    day ago, and escaped. ``depth_range`` is that of the median log counts of control samples.
    ``borrows`` says that scales were drawn to those of the other compartments, since there are
    fewer than 200 control cells: there, and only there, an answer changes with the others.
    """

    compartment: str
    mode: str
    status: str
    note: str = ""
    z_cut: float = np.nan
    alpha: float = np.nan
    rate_loso: float = np.nan
    levels: dict[str, Levels] = field(default_factory=dict)
    null: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    n_cells: dict[str, int] = field(default_factory=dict)
    n_assessable: dict[str, int] = field(default_factory=dict)
    n_state: dict[str, dict[str, int]] = field(default_factory=dict)
    depth_range: tuple[float, float] = (np.nan, np.nan)
    borrows: bool = False

    @property
    def assessable(self) -> bool:
        """Whether states may be given."""
        return self.status != "not_assessable"

    @cached_property
    def steps(self) -> ControlSteps:
        """What the p of a cell of no control sample is read from."""
        return ControlSteps(self.null, self.n_assessable)


@dataclass(frozen=True, repr=False)
class Calibration:
    """Baselines, cuts and achieved control rates of every compartment, and the tests of the run.

    ``tests`` are those of control cells (True) and of all others (False).
    """

    panel: Panel
    alpha: float
    method: str
    by_compartment: dict[str, CompartmentCalibration]
    control: dict[str, str]
    tests: dict[bool, Tests] = field(default_factory=dict)

    @property
    def rates(self) -> pd.DataFrame:
        """Achieved rates in each control sample, its thresholds coming from the others.

        Columns ``compartment``, ``sample``, ``n_cells``, ``n_assessable``, ``n_called``, ``rate``
        (n_called / n_assessable), ``target``, ``z_cut``, ``status``, and of the states that have
        no false discovery rate ``rate_acute`` (were the cells irradiated a day ago) and
        ``rate_escaped``: what resting cells show of them.
        """
        columns = (
            "compartment", "sample", "n_cells", "n_assessable", "n_called", "rate", "target",
            "z_cut", "status", "rate_acute", "rate_escaped",
        )  # fmt: skip
        rows = []
        for name, fitted in self.by_compartment.items():
            for sample, null in fitted.null.items():
                n, state = fitted.n_assessable[sample], fitted.n_state[sample]
                rows.append(
                    (name, sample, fitted.n_cells[sample], n, len(null), len(null) / n,
                     fitted.alpha, fitted.z_cut, fitted.status, state["acute_damage_response"] / n,
                     state["escaped"] / n)
                )  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def to_frame(self) -> pd.DataFrame:
        """Everything as one long table.

        Columns ``compartment``, ``kind`` (signature, axis, index, null, cut, test), ``name``,
        ``left_out`` (the control sample left out; "" for none), ``centre``, ``scale``, ``slope``
        and ``spread`` (trends of the score and of its log scale with the natural log of a cell's
        counts), ``depth`` (the middle of that log),
        ``n_ctrl_samples``, ``n_ctrl_cells``, ``z_cut``, ``alpha``, ``rate_loso``, ``mode``,
        ``status``, ``note``. A ``null`` row has the index of one control cell in ``centre``; a
        ``test`` row (compartment "", name control or irradiated) the p of one cell that fulfils
        the rule, with its day in ``depth``.
        """
        parts: list[pd.DataFrame] = []
        for name, fitted in self.by_compartment.items():
            table = pd.concat(
                [*_level_rows(self.panel, fitted), *_null_rows(fitted)], ignore_index=True
            )
            table = table.reindex(columns=list(_COLUMNS))  # without controls there are no levels
            table.insert(0, "compartment", name)
            for column in ("z_cut", "alpha", "rate_loso", "mode", "status", "note"):
                table[column] = getattr(fitted, column)
            bad = table["kind"].isin(_KINDS) & table["scale"].isna() & (table["left_out"] == "")
            table.loc[bad, "note"] = "constant or absent in control cells"
            table.loc[bad, "status"] = "not_assessable"
            parts.append(table)
        parts += [
            pd.DataFrame(
                {"compartment": "", "kind": "test", "name": _ARMS[arm], "left_out": "",
                 "centre": tests.p, "depth": tests.day}
            )
            for arm, tests in self.tests.items()
            if len(tests.p)
        ]  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """One row a compartment: how it is judged, by what cut, and at what rate.

        Columns ``compartment``, ``status``, ``mode``, ``z_cut``, ``rate`` (composite rate in
        control cells), ``target``, ``n_control_samples``, ``n_control_cells``, ``borrows_scale``
        (fewer than 200 control cells: scales are drawn to those of the other compartments, so
        that these have a say in the answer), ``note``.
        """
        rows = [
            (c.compartment, c.status, c.mode, c.z_cut, c.rate_loso, c.alpha, len(c.n_cells),
             sum(c.n_cells.values()), c.borrows, c.note)
            for c in self.by_compartment.values()
        ]  # fmt: skip
        columns = (
            "compartment", "status", "mode", "z_cut", "rate", "target", "n_control_samples",
            "n_control_cells", "borrows_scale", "note",
        )  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def _title(self) -> str:
        named = ", ".join(f"{column} = {value}" for column, value in self.control.items())
        n = len(self.by_compartment)
        return (
            f"Calibration: panel {self.panel.name}, method {self.method}, alpha {self.alpha:g}, "
            f"controls {named}; {n} compartment{'' if n == 1 else 's'}"
        )

    def __repr__(self) -> str:
        table = self.summary()
        shown = (
            table.head(_SHOWN)
            .drop(columns=["mode", "borrows_scale"])
            .to_string(index=False, float_format="%.3g")
        )
        left = len(table) - _SHOWN
        more = f"\n... and {left} more: see .summary()" if left > 0 else ""
        return f"{self._title()}\n{shown}{more}"

    def _repr_html_(self) -> str:
        table = self.summary().round(3).to_html(index=False, border=0, max_rows=_SHOWN)
        return f"<div><p>{escape(self._title())}</p>{table}</div>"

    def save(self, path: str | Path) -> None:
        """Write ``calibration.parquet``, whole or not at all.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        import pyarrow.parquet as pq

        table = self._arrow()
        with atomic_path(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def to_bytes(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The file that :meth:`save` writes, as bytes that an .h5ad can hold. Shape (bytes,)."""
        import io

        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(self._arrow(), buffer, compression="zstd")
        return np.frombuffer(buffer.getvalue(), np.uint8)

    def _arrow(self) -> Any:
        """The table of :meth:`to_frame`, with what it does not say in the schema's metadata."""
        import pyarrow as pa

        table = pa.Table.from_pandas(self.to_frame(), preserve_index=False)
        about = {
            "panel": dict(self.panel.raw),
            "alpha": self.alpha,
            "method": self.method,
            "control": self.control,
            "n_tests": {
                _ARMS[arm]: [[_plain(day), n] for day, n in tests.n_of_day]
                for arm, tests in self.tests.items()
            },
            "compartments": [
                {k: getattr(c, k) for k in ("compartment", "mode", "status", "note")}
                | {k: _plain(getattr(c, k)) for k in ("z_cut", "alpha", "rate_loso")}
                | {k: getattr(c, k) for k in ("n_cells", "n_assessable", "n_state")}
                | {"depth_range": [_plain(x) for x in c.depth_range], "borrows": c.borrows}
                for c in self.by_compartment.values()
            ],
        }
        return table.replace_schema_metadata({_META: json.dumps(about, sort_keys=False).encode()})

    @classmethod
    def read(cls, path: str | Path) -> Calibration:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            Not a calibration of senoscore.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
            about = json.loads((table.schema.metadata or {})[_META])
        except (OSError, KeyError, pa.ArrowInvalid) as error:
            msg = f"{path} is not a calibration of senoscore"
            raise InputError(msg, fix=remake(path)) from error
        return cls._of(table, about)

    @classmethod
    def from_bytes(cls, content: np.ndarray[Any, Any] | bytes) -> Calibration:
        """Read what :meth:`to_bytes` gave.

        Raises
        ------
        InputError
            Not a calibration of senoscore.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(pa.BufferReader(bytes(content)))
            about = json.loads((table.schema.metadata or {})[_META])
        except (OSError, KeyError, TypeError, pa.ArrowInvalid) as error:
            msg = "what is stored with the cells is not a calibration of senoscore"
            raise InputError(msg, fix="run sen.calibrate again") from error
        return cls._of(table, about)

    @classmethod
    def _of(cls, table: Any, about: dict[str, Any]) -> Calibration:
        """Put together what :meth:`_arrow` took apart."""
        frame = table.to_pandas()
        panel = load_panel(about["panel"])
        return cls(
            panel,
            about["alpha"],
            about["method"],
            {c["compartment"]: _restore(frame, c) for c in about["compartments"]},
            about["control"],
            {arm: _restore_tests(frame, about["n_tests"], name) for arm, name in _ARMS.items()},
        )


def _restore_tests(frame: pd.DataFrame, n_tests: dict[str, Any], name: str) -> Tests:
    tests = frame[(frame["kind"] == "test") & (frame["name"] == name)]
    return Tests(
        tests["centre"].to_numpy(np.float64),
        tests["depth"].to_numpy(np.float64),
        tuple((np.nan if day is None else day, n) for day, n in n_tests.get(name, ())),
    )


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _level_rows(panel: Panel, own: CompartmentCalibration) -> list[pd.DataFrame]:
    names = {
        "signature": panel.signatures,
        "axis": panel.axis_names,
        "index": ("senescence_index",),
    }
    parts = [pd.DataFrame({"kind": ["cut"], "name": [panel.name], "left_out": [""]})]
    for left_out, levels in own.levels.items():
        used = {s: n for s, n in own.n_cells.items() if s != left_out}
        for kind in _KINDS:
            level: Baseline = getattr(levels, kind)
            parts.append(
                pd.DataFrame(
                    {
                        "kind": kind,
                        "name": names[kind],
                        "left_out": left_out,
                        "centre": level.centre,
                        "scale": level.scale,
                        "slope": level.slope,
                        "spread": level.spread,
                        "depth": level.depth,
                        "n_ctrl_samples": len(used),
                        "n_ctrl_cells": sum(used.values()),
                    }
                )
            )
    return parts


def _null_rows(own: CompartmentCalibration) -> list[pd.DataFrame]:
    return [
        pd.DataFrame({"kind": "null", "name": "senescence_index", "left_out": s, "centre": values})
        for s, values in own.null.items()
        if len(values)
    ]


def _restore(frame: pd.DataFrame, about: dict[str, Any]) -> CompartmentCalibration:
    of_compartment = frame[frame["compartment"] == about["compartment"]]
    levels: dict[str, Levels] = {}
    rows = of_compartment[of_compartment["kind"].isin(_KINDS)]
    for left_out, part in rows.groupby("left_out", sort=False, observed=True):
        by_kind = {
            str(kind): Baseline(
                mine["centre"].to_numpy(np.float64),
                mine["scale"].to_numpy(np.float64),
                mine["slope"].to_numpy(np.float64),
                mine["spread"].to_numpy(np.float64),
                float(mine["depth"].iloc[0]),
            )
            for kind, mine in part.groupby("kind", sort=False, observed=True)
        }
        levels[str(left_out)] = Levels(**by_kind)
    nulls = of_compartment[of_compartment["kind"] == "null"]
    null = {
        sample: nulls.loc[nulls["left_out"] == sample, "centre"].to_numpy(np.float64)
        for sample, n in about["n_assessable"].items()
        if n
    }
    numbers = {k: np.nan if about[k] is None else about[k] for k in ("z_cut", "alpha", "rate_loso")}
    low, high = (np.nan if x is None else x for x in about["depth_range"])
    return CompartmentCalibration(
        about["compartment"],
        about["mode"],
        about["status"],
        about["note"],
        **numbers,
        levels=levels,
        null=null,
        n_cells=about["n_cells"],
        n_assessable=about["n_assessable"],
        n_state=about["n_state"],
        depth_range=(low, high),
        borrows=bool(about["borrows"]),
    )
