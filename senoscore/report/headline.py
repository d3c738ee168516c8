"""The answers in sentences: one for each kind of answer, each read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from senoscore import names as k
from senoscore.report.answers import ACUTE, NO, UNKNOWN, UNTESTED, WEAK, YES, Answer
from senoscore.report.words import lower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


__all__ = ["headline", "sentences"]

_INDEX: Final = "senescence index (in control SDs)"
_FULL: Final = 2
"""Compartments up to which a sentence gives the numbers of each; the table below has them all."""
_MIXED: Final = (
    "A profile of whole tissue has no cells to count: its index also moves when cell types come or "
    "go, so it hints at senescence and does not show it."
)


def headline(found: Sequence[Answer]) -> str:
    """Say in a few sentences which compartments are above control, and since when."""
    return " ".join(sentences(found))


def sentences(found: Sequence[Answer]) -> list[str]:
    """Word the answers, one sentence or two for each kind of answer, what was shown first.

    Parameters
    ----------
    found
        As :func:`senoscore.report.answers.answers` returns.
    """
    if not found:
        return ["This run has no burden table yet: nothing can be said about senescence."]
    out = []
    for verdict, word in _WORDS.items():
        alike = [a for a in found if a.verdict == verdict]
        # Cells are counted and profiles have an index: two meanings, so two sentences.
        for by_index in (False, True):
            same = [a for a in alike if a.by_index == by_index]
            if same:
                out.append(word(same))
    if any(a.compartment == k.BULK and a.verdict != UNKNOWN for a in found):
        out.append(_MIXED)
    return out


def _above(own: Sequence[Answer]) -> str:
    what = f"The {_INDEX} is above" if own[0].by_index else "More senescent cells than in"
    where = _by(own, lambda a: a.since)
    return f"{what} unirradiated controls: {_with(where, ', ')}."


def _not_detected(own: Sequence[Answer]) -> str:
    said = f"Not detected: {_names(own)}."
    known = [a for a in own if a.seen]
    if not known:
        return f"{said} Small amounts are possible."
    if len(own) > _FULL:
        least = _range(known)
        return (
            f"{said} An excess of {least} or more would have been seen, depending on the "
            "compartment; smaller amounts are possible."
        )
    parts = [
        f"{_amount(a.seen, a, short=number > 0)} or more in {_name(a)}"
        for number, a in enumerate(known)
    ]
    return f"{said} An excess of {_join(parts)} would have been seen; smaller amounts are possible."


def _too_few(own: Sequence[Answer]) -> str:
    if len(own) > _FULL:
        least = _range(own)
        only = f"; only {least} or more would have been seen" if least else ""
        sizes = " or ".join(dict.fromkeys(a.groups for a in own))
        return f"Too few samples to tell, {sizes}: {_names(own)}{only}."
    parts = []
    for answer in own:
        measured = f"measured are {_amount(answer.amount, answer)}" if answer.amount != "–" else ""
        least = _amount(answer.seen, answer, short=bool(measured))
        only = f"only {least} or more would have been seen" if least else ""
        told = ", and ".join(filter(None, [measured, only]))
        parts.append(f"{_name(answer)}, {answer.groups}" + (f": {told}" if told else ""))
    return f"Too few samples to tell for {'; for '.join(parts)}."


def _acute(own: Sequence[Answer]) -> str:
    where = _with(_by(own, lambda a: a.acute), ", ")
    return (
        f"An acute damage response, which is not senescence: {where}. No sample is late enough for "
        "senescence to be claimed."
    )


def _untested(own: Sequence[Answer]) -> str:
    out = []
    for reason, same in _by(own, lambda a: a.animals_note).items():
        measured = [
            f"{_name(a)}, {_amount(a.amount, a)}"
            if a.amount != "–" and len(own) <= _FULL
            else _name(a)
            for a in same
        ]
        # What follows from it stands in the table below, and above if it is of the whole study.
        why = reason.partition(": ")[0].rstrip(".")
        out.append(f"Measured, but no test possible: {_join(measured)}. The reason: {why}.")
    return " ".join(out)


def _unknown(own: Sequence[Answer]) -> str:
    by = _by(own, lambda a: a.amount_note)
    parts = [f"for {_names(same)}: {note}" for note, same in by.items()]
    return f"No answer {'; '.join(parts)}."


_WORDS: Final[dict[str, Callable[[Sequence[Answer]], str]]] = {
    YES: _above,
    NO: _not_detected,
    WEAK: _too_few,
    ACUTE: _acute,
    UNTESTED: _untested,
    UNKNOWN: _unknown,
}


def _names(own: Sequence[Answer]) -> str:
    return _join([_name(a) for a in own])


def _range(own: Sequence[Answer]) -> str:
    """Smallest and largest of the excesses that would have been seen, with their unit."""
    seen = sorted((a for a in own if a.seen), key=lambda a: float(a.seen.split(" ")[0]))
    if not seen:
        return ""
    first, last = (a.seen.split(" ")[0] for a in (seen[0], seen[-1]))
    span = first if first == last else f"{first} to {last}"
    return _amount(span.replace(" ", "\u00a0"), own[0])


def _name(answer: Answer) -> str:
    return lower(answer.name)


def _amount(text: str, answer: Answer, *, short: bool = False) -> str:
    """Spell out the unit of an amount; ``short`` leaves it out where it was just named."""
    number = text.split(" ")[0]
    if not number or short:
        return number
    return f"{number} {'control SDs of the index' if answer.by_index else 'percentage points'}"


def _by(own: Iterable[Answer], key: Callable[[Answer], str]) -> dict[str, list[Answer]]:
    groups: dict[str, list[Answer]] = {}
    for answer in own:
        groups.setdefault(key(answer), []).append(answer)
    return groups


def _with(groups: dict[str, list[Answer]], between: str) -> str:
    """Name each group and what it shares, as in ``astrocyte and tumour from 7 d``."""
    parts = [f"{_names(same)} {shared}" for shared, same in groups.items()]
    return between.join(parts)


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
