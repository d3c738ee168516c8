"""The sentences that open the page, out of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from senoscore.report._answers import ACUTE, FEWEST, NO, UNKNOWN, UNTESTED, WEAK, YES
from senoscore.report._messages import lower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from senoscore.report._answers import Answer

__all__ = ["headline"]


def headline(found: Sequence[Answer]) -> str:
    """Say in a few sentences which compartments are above control, and since when."""
    verdicts = (YES, NO, WEAK, ACUTE, UNTESTED, UNKNOWN)
    groups = {v: [a for a in found if a.verdict == v] for v in verdicts}
    if not found:
        return "This run has no burden table yet: nothing can be said about senescence."
    parts = []
    if groups[YES]:
        names = [f"{lower(a.name)} ({a.since})" for a in groups[YES]]
        what = "A senescence index" if groups[YES][0].by_index else "Senescence"
        parts.append(f"{what} above the unirradiated controls is shown in {_join(names)}.")
    if groups[NO]:
        lead = (
            "None was detected in" if groups[YES] else "No senescence above control was detected in"
        )
        where = _join([_with_seen(a) for a in groups[NO]])
        parts.append(f"{lead} {where}, which does not rule it out.")
    if groups[WEAK]:
        few = _join([_with_seen(a) for a in groups[WEAK]])
        parts.append(f"Underpowered, with {FEWEST} or fewer samples in a group: {few}.")
    if any(a.seen for a in groups[NO] + groups[WEAK]):
        parts.append("In brackets: the smallest true excess seen with 80 % power.")
    if groups[ACUTE]:
        names = [f"{lower(a.name)} ({a.acute})" for a in groups[ACUTE]]
        parts.append(
            f"An acute damage response, which is not senescence, is shown in {_join(names)}; no "
            "sample is late enough for senescence to be claimed."
        )
    for verdict in (UNTESTED, UNKNOWN):
        if groups[verdict]:
            names = [lower(a.name) for a in groups[verdict]]
            parts.append(f"{verdict.capitalize()}: {_join(names)}.")
    return " ".join(parts)


def _with_seen(answer: Answer) -> str:
    return lower(answer.name) + (f" ({answer.seen})" if answer.seen else "")


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
