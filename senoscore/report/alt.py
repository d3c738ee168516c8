"""Alternative texts: what each figure shows, in words, out of its plotted numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from senoscore import names as k
from senoscore.plotting import theme, tidy
from senoscore.report.words import lower

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = [
    "blood",
    "burden",
    "cells",
    "crosstalk",
    "dose",
    "external",
    "forest",
    "heat",
    "outcome",
    "states",
    "window",
]


def burden(numbers: pd.DataFrame) -> str:
    """Describe the burden over time."""
    parts = []
    # What was sampled before its day is acute and no senescence.
    for name, rows in _each(numbers[~numbers["control"] & (numbers["status"] != "acute")]):
        means = rows.groupby("day", observed=True)["value"].mean()
        peak = float(means.index[int(means.to_numpy().argmax())])
        top = tidy.percent(means.max())
        parts.append(f"{name} highest at {tidy.day_label(peak)} with {top}")
    said = "; ".join(parts) or "No sample is late enough for senescence to be claimed"
    return f"Senescent fraction against time, one panel per compartment. {said}."


def states(numbers: pd.DataFrame) -> str:
    """Describe the shares of the states."""
    rows = numbers[(numbers["state"] == "senescent") & ~numbers["control"]]
    parts = [f"{name} up to {tidy.percent(own['share'].max())}" for name, own in _each(rows)]
    said = f" Senescent: {'; '.join(parts)}." if parts else ""
    return f"Stacked bars of cell states against time, one panel per compartment.{said}"


def cells(numbers: pd.DataFrame) -> str:
    """Describe a map of cells."""
    lead = f"Map (UMAP) of {len(numbers):,} cells"
    value = numbers["value"]
    if pd.api.types.is_numeric_dtype(value):
        low, middle, high = (tidy.number(value.quantile(q), 2) for q in (0.05, 0.5, 0.95))
        return f"{lead}, coloured by a number: median {middle}, 90 % between {low} and {high}."
    shares = value.map(theme.pretty).value_counts(normalize=True)
    said = ", ".join(f"{name} {tidy.percent(share)}" for name, share in shares.items())
    return f"{lead}, coloured by group: {said}."


def heat(numbers: pd.DataFrame) -> str:
    """Describe a heat map of axes."""
    n_axes = numbers["axis"].nunique()
    lead = f"Heat map of {n_axes} axes against time, one panel per compartment."
    held = numbers[numbers["holds"]]
    if held.empty:
        return f"{lead} No difference from control holds after Benjamini–Hochberg."
    row = held.iloc[int(held["difference"].abs().to_numpy().argmax())]
    axis = theme.pretty(str(row["axis"]).removeprefix("z:"))
    n = numbers["difference"].count()
    return (
        f"{lead} {len(held)} of {n} differences hold; the largest: {axis} in "
        f"{lower(theme.pretty(str(row[k.COMPARTMENT])))} at {row['time']}, "
        f"{tidy.number(row['difference'], 2)}."
    )


def dose(numbers: pd.DataFrame) -> str:
    """Describe the dose response."""
    parts = []
    for name, rows in _each(numbers):
        means = rows.groupby(k.DOSE, observed=True)["value"].mean()
        ends = [f"{tidy.percent(v)} at {d:g} Gy" for d, v in means.iloc[[0, -1]].items()]
        parts.append(f"{name} {', '.join(ends)}")
    return f"Senescent fraction against dose. {'; '.join(parts)}."


def forest(numbers: pd.DataFrame) -> str:
    """Describe the contrasts."""
    held = numbers[numbers["holds"]]
    up, down = int((held["estimate"] > 0).sum()), int((held["estimate"] < 0).sum())
    return (
        "Forest plot of the contrasts with control, one panel per compartment. "
        f"Of {len(numbers)} contrasts {up} hold above and {down} below control."
    )


def window(numbers: pd.DataFrame) -> str:
    """Describe the course of each compartment."""
    opened = numbers[numbers["opens"]]
    parts = [f"{r.row} opens at {r.time}" for r in tidy.rows(opened)]
    said = "; ".join(parts) or "None opens"
    return f"State against time, one strip a compartment. {said}."


def crosstalk(numbers: pd.DataFrame) -> str:
    """Describe the ligand-receptor pairs."""
    held = numbers[numbers["holds"]]
    return (
        "Dots of ligand-receptor pairs against phase, one panel a direction. "
        f"{len(held)} of {len(numbers)} differences hold, {int(held['circular'].sum())} of them "
        "circular."
    )


def blood(numbers: pd.DataFrame) -> str:
    """Describe changes of circulating factors."""
    means = numbers[numbers["subject"].eq("") & numbers["ci_lo"].notna()]
    dots = numbers[numbers["subject"] != ""]
    bounded = int(dots["known"].ne("measured").sum())
    said = ""
    if len(means):
        row = means.iloc[int(means["value"].abs().to_numpy().argmax())]
        said = (
            f" The largest mean change: {row['analyte']}, {row['arm']}, "
            f"{tidy.day_label(row['days'])}, {tidy.number(row['value'], 2)}."
        )
    return (
        f"Log2 ratios of {numbers['analyte'].nunique()} circulating factors to the own baseline, a "
        f"dot a subject, by arm: {len(dots)} changes, {bounded} of them bounds.{said}"
    )


def external(numbers: pd.DataFrame) -> str:
    """Describe burden against measurements from elsewhere."""
    n = len(numbers[[k.COMPARTMENT, "measure"]].drop_duplicates())
    outside = int(numbers["outside"].sum())
    return (
        f"Senescent fraction of {numbers[k.SAMPLE].nunique()} samples against what was measured of "
        f"them elsewhere, {n} panel{'s' if n > 1 else ''}. {outside} outside the limits of "
        "agreement."
    )


def outcome(numbers: pd.DataFrame) -> str:
    """Describe burden at the landmark against an outcome."""
    subjects = numbers.drop_duplicates("subject")
    ends = subjects["end"].value_counts()
    timed = numbers["kind"].iloc[0] == "time-to-event"
    said = "; ".join(f"{n} {end}" for end, n in ends.items()) if timed else ""
    return (
        f"Burden at the landmark against {theme.pretty(str(numbers['endpoint'].iloc[0]))}, a dot a "
        f"subject, one panel per compartment: {len(subjects)} subjects"
        + (f" ({said})." if said else ".")
    )


def _each(numbers: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in theme.known_first(numbers[k.COMPARTMENT], theme.COMPARTMENT_COLOURS):
        yield theme.pretty(name), numbers[numbers[k.COMPARTMENT] == name]
