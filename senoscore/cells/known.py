"""Which compartments there are: one row each in ``resources/compartments/compartments.tsv``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from senoscore.io import resource

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["COMPARTMENTS", "Compartment"]


@dataclass(frozen=True)
class Compartment:
    """What is known of a compartment besides its marker genes."""

    name: str
    cell_ontology_id: str
    """Empty for what is no kind of cell: whole tissue, cells without a compartment."""
    colour: str
    synonyms: tuple[str, ...]
    """Further words that labels have for it."""


def _read() -> dict[str, Compartment]:
    path = resource("compartments", "compartments.tsv")
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {
        name: Compartment(name, ontology, colour, tuple(words.split()))
        for name, ontology, colour, words in rows
    }


COMPARTMENTS: Final[Mapping[str, Compartment]] = _read()
"""Every compartment by its name, in the order of figures."""
