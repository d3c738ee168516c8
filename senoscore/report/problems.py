"""What a reader must know before any answer: labels that do not fit, controls, replication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from senoscore import names as k
from senoscore.plotting import tidy
from senoscore.report.load import not_comparable
from senoscore.report.parts import samples_of
from senoscore.report.words import design_problems
from senoscore.study import TIME_ZERO, time_zero_messages

if TYPE_CHECKING:
    import pandas as pd

    from senoscore.report.load import Run
    from senoscore.report.parts import Options


__all__ = ["Problem", "problems"]

_NAMED = 6
"""Samples named before the rest is counted."""


@dataclass(frozen=True)
class Problem:
    """A warning on the first screen: what is wrong, what follows, the section that has more."""

    title: str
    text: str
    section: str


def problems(run: Run, options: Options) -> list[Problem]:
    """List what can make every answer of the page wrong, the worst first."""
    out = _swaps(run.get("label_check"))
    sheet = samples_of(run)
    if sheet is not None:
        found = design_problems(sheet, control=options.control)
        out += [Problem(title, text, "design") for title, text in found]
        out += [
            Problem("The days do not add up.", t, "window") for t in _clock(run, sheet, options)
        ]
    out += [Problem("Compare with care.", text, "gaps") for text in not_comparable(run)]
    return out


def _swaps(checks: pd.DataFrame | None) -> list[Problem]:
    """Word the flags of the label check: a question to the laboratory, never a verdict."""
    if checks is None or not {"check", "flag", "expected", k.SAMPLE} <= set(checks):
        return []
    flagged = checks[checks["flag"].astype(str) == "flag"]
    p53 = flagged[flagged["check"] == "p53_response"]
    # An irradiated sample is expected above its controls, a control below the irradiated ones.
    treated = p53["expected"].astype(str).str.startswith("above")
    weak, strong = _named(p53[treated]), _named(p53[~treated])
    out = []
    if weak and strong:
        out.append(
            Problem(
                "Were samples swapped?",
                f"The p53 response does not fit the labels: {weak}, labelled irradiated, respond "
                f"less than their controls, and {strong}, labelled control, more than irradiated "
                "samples. Ask the laboratory before reading on; with few samples chance can do it.",
                "labels",
            )
        )
    elif weak or strong:
        told = (
            f"{weak}, labelled irradiated, shows less p53 response than its controls"
            if weak
            else f"{strong}, labelled control, shows more p53 response than irradiated samples"
        )
        out.append(
            Problem(
                "Check the labels.",
                f"{told}. It can be biology or chance; look at the sample before reading on.",
                "labels",
            )
        )
    sex = _named(flagged[flagged["check"] == "sex"])
    if sex:
        text = f"XIST and Y genes do not agree with the sex given for {sex}: a swap of samples?"
        out.append(Problem("Sex does not fit.", text, "labels"))
    return out


def _named(rows: pd.DataFrame) -> str:
    names = list(dict.fromkeys(rows[k.SAMPLE].astype(str)))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _clock(run: Run, sheet: pd.DataFrame, options: Options) -> list[str]:
    """Where the sheet contradicts the clock from which its days count."""
    if k.DAYS not in sheet or k.TREATMENT not in sheet:
        return []
    phases = run.config.get("phases")
    zero = str(phases.get("time_zero", "")) if isinstance(phases, dict) else ""
    known = zero if zero in TIME_ZERO else "last_fraction"
    table = tidy.with_defaults(sheet)
    return time_zero_messages(table, time_zero=known, control=options.control)[1:]
