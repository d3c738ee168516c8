"""How many animals a study needs, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import read_tsv, write_tsv
from senoscore.run.summary import TEXT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

__all__ = ["power"]


def power(
    share: float | None,
    to: float | None,
    *,
    sd: float | None,
    cells: float | None,
    burden: Path | None,
    compartment: str | None,
    design: str,
    animals: Sequence[int] | None,
    correlation: float,
    alpha: float,
    out: Path | None,
) -> list[str]:
    """Reckon the power of a study; return what to print, and write the table where asked.

    What is not given is taken from a pilot's burden table: its share in irradiated samples, its
    cells, and the upper 80 % limit of its spread between animals.
    """
    from senoscore.inference import power as run

    pilot = None if burden is None else _pilot(burden, compartment)
    taken = {
        "share": share, "sd": sd, "cells": cells if cells is not None or pilot is not None else 100
    }  # fmt: skip
    said = []
    for name, column in (("share", "share"), ("sd", "sd_animals_hi"), ("cells", "cells")):
        if taken[name] is not None:
            continue
        if pilot is not None and np.isfinite(pilot[column]):
            taken[name] = float(pilot[column])
            said.append(f"{name} {taken[name]:.3g}")
        else:
            msg = f"{name} is not given" + ("" if pilot is None else ", and the pilot has none")
            raise InputError(msg, fix=f"give --{name}, or --burden of a pilot with replicates")
    goal = to if to is not None else float(taken["share"] or 0) / 2
    extra: dict[str, Any] = {} if not animals else {"animals": sorted(set(animals))}
    table = run(
        float(taken["share"] or 0), goal, sd=float(taken["sd"] or 0),
        cells=float(taken["cells"] or 0), design=design, correlation=correlation, alpha=alpha,
        **extra,
    )  # fmt: skip
    if out is not None:
        write_tsv(table, out, float_format="%.4g")
    head = [f"from the pilot: {', '.join(said)}"] if said else []
    return [*head, _in_words(table), "", table.to_string(index=False, float_format="{:.3g}".format)]


def _pilot(burden: Path, compartment: str | None) -> pd.Series:
    from senoscore.inference import spread_of

    found = spread_of(read_tsv(burden, dtype=TEXT_COLUMNS))
    known = list(found[k.COMPARTMENT].astype(str))
    if compartment is None and len(known) == 1:
        return found.iloc[0]
    if compartment not in known:
        msg = (
            "--compartment is not given"
            if compartment is None
            else f"{burden} has no compartment {compartment!r}"
        )
        raise InputError(msg, fix=f"one of: {', '.join(known)}")
    return found[found[k.COMPARTMENT].astype(str) == compartment].iloc[0]


def _in_words(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    what = f"{first['share_from']:.1%} against {first['share_to']:.1%}"
    enough = table[table["power"] >= 0.8]
    if enough.empty:
        most = table.iloc[-1]
        return (
            f"{what}: not even {most['animals_per_arm']} animals an arm find it in 80 of 100 "
            f"studies (power {most['power']:.0%})"
        )
    row = enough.iloc[0]
    return (
        f"{what}: {row['animals_per_arm']} animals an arm ({row['animals']} in all) find it in "
        f"{row['power']:.0%} of studies"
    )
