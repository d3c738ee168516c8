"""The result of a calibration, in memory and as one Parquet file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore._atomic import remake
from senoscore._calibrate_baseline import Baseline, Levels
from senoscore.errors import InputError
from senoscore.io.atomic import atomic_path
from senoscore.panel import load_panel

if TYPE_CHECKING:
    from pathlib import Path

    from senoscore.panel import Panel

__all__ = ["Calibration", "CompartmentCalibration"]

_META: Final = b"senoscore"
_COLUMNS: Final = (
    "kind", "name", "left_out", "centre", "scale", "slope", "depth", "n_ctrl_samples",
    "n_ctrl_cells",
)  # fmt: skip
_KINDS: Final = ("signature", "axis", "index")


@dataclass(frozen=True)
class CompartmentCalibration:
    """How one compartment is judged.

    ``mode`` is ``cells``, ``bulk``, ``null`` (no controls: z against matched gene sets) or
    ``none``; ``status`` is ok, single_control, few_control_samples, no_control or not_assessable.
    ``levels`` has a key ``""`` for cells of any other sample and one for each control sample,
    fitted without it. ``null`` holds, per control sample, the index of the cells that fulfil the
    rule under thresholds from the other control samples, ascending, and ``n_cells`` how many
    cells it had.
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

    @property
    def assessable(self) -> bool:
        """Whether states may be given."""
        return self.status != "not_assessable"


@dataclass(frozen=True)
class Calibration:
    """Baselines, cuts and achieved control rates of every compartment."""

    panel: Panel
    alpha: float
    method: str
    by_compartment: dict[str, CompartmentCalibration]
    control: dict[str, str]

    @property
    def rates(self) -> pd.DataFrame:
        """Achieved rate in each control sample, its thresholds coming from the others.

        Columns ``compartment``, ``sample``, ``n_cells``, ``n_called``, ``rate``, ``target``,
        ``z_cut``, ``status``.
        """
        rows = [
            {
                "compartment": name,
                "sample": sample,
                "n_cells": n,
                "n_called": len(own.null[sample]),
                "rate": len(own.null[sample]) / n,
                "target": own.alpha,
                "z_cut": own.z_cut,
                "status": own.status,
            }
            for name, own in self.by_compartment.items()
            for sample, n in own.n_cells.items()
            if sample in own.null
        ]
        columns = ["compartment", "sample", "n_cells", "n_called", "rate", "target", "z_cut"]
        return pd.DataFrame(rows, columns=[*columns, "status"])

    def to_frame(self) -> pd.DataFrame:
        """Everything as one long table.

        Columns ``compartment``, ``kind`` (signature, axis, index, null, cut), ``name``,
        ``left_out`` (the control sample left out; "" for none), ``centre``, ``scale``, ``slope``
        and ``depth`` (trend with the natural log of a cell's counts, and their middle),
        ``n_ctrl_samples``, ``n_ctrl_cells``, ``z_cut``, ``alpha``, ``rate_loso``, ``mode``,
        ``status``, ``note``. A ``null`` row has the index of one control cell in ``centre``.
        """
        parts: list[pd.DataFrame] = []
        for name, own in self.by_compartment.items():
            table = pd.concat([*_level_rows(self.panel, own), *_null_rows(own)], ignore_index=True)
            table = table.reindex(columns=list(_COLUMNS))  # without controls there are no levels
            table.insert(0, "compartment", name)
            for column in ("z_cut", "alpha", "rate_loso", "mode", "status", "note"):
                table[column] = getattr(own, column)
            bad = table["kind"].isin(_KINDS) & table["scale"].isna() & (table["left_out"] == "")
            table.loc[bad, "note"] = "constant or absent in control cells"
            table.loc[bad, "status"] = "not_assessable"
            parts.append(table)
        return pd.concat(parts, ignore_index=True)

    def save(self, path: str | Path) -> None:
        """Write ``calibration.parquet``, whole or not at all.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(self.to_frame(), preserve_index=False)
        about = {
            "panel": dict(self.panel.raw),
            "alpha": self.alpha,
            "method": self.method,
            "control": self.control,
            "compartments": [
                {k: getattr(c, k) for k in ("compartment", "mode", "status", "note")}
                | {k: _plain(getattr(c, k)) for k in ("z_cut", "alpha", "rate_loso")}
                | {"n_cells": c.n_cells}
                for c in self.by_compartment.values()
            ],
        }
        table = table.replace_schema_metadata({_META: json.dumps(about, sort_keys=False).encode()})
        with atomic_path(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

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
        frame = table.to_pandas()
        panel = load_panel(about["panel"])
        return cls(
            panel,
            about["alpha"],
            about["method"],
            {c["compartment"]: _restore(frame, c) for c in about["compartments"]},
            about["control"],
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
    own = frame[frame["compartment"] == about["compartment"]]
    levels: dict[str, Levels] = {}
    rows = own[own["kind"].isin(_KINDS)]
    for left_out, part in rows.groupby("left_out", sort=False):
        by_kind = {
            str(kind): Baseline(
                mine["centre"].to_numpy(np.float64),
                mine["scale"].to_numpy(np.float64),
                mine["slope"].to_numpy(np.float64),
                float(mine["depth"].iloc[0]),
            )
            for kind, mine in part.groupby("kind", sort=False)
        }
        levels[str(left_out)] = Levels(**by_kind)
    nulls = own[own["kind"] == "null"]
    null = {
        sample: nulls.loc[nulls["left_out"] == sample, "centre"].to_numpy(np.float64)
        for sample in about["n_cells"]
        if about["mode"] in {"cells", "bulk"} and about["z_cut"] is not None
    }
    numbers = {k: np.nan if about[k] is None else about[k] for k in ("z_cut", "alpha", "rate_loso")}
    return CompartmentCalibration(
        about["compartment"],
        about["mode"],
        about["status"],
        about["note"],
        **numbers,
        levels=levels,
        null=null,
        n_cells=about["n_cells"],
    )
