"""What a scoring method is: its properties, and how it is planned and run.

A method lives in one file of this room: a :class:`Method` there, whose ``plan`` turns what is known
of a data set (:class:`Data`) into a :class:`Scorer`. The engine knows none by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from senoscore import names as k

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from senoscore.genesets import SignatureIndex
    from senoscore.io import Block
    from senoscore.scoring.inputs import Matrix
    from senoscore.scoring.null import MatchedSets
    from senoscore.scoring.reference import Reference


__all__ = ["ANY_VALUES", "LOGGED", "Data", "Exact", "Method", "Scorer"]

ANY_VALUES: Final = (k.COUNTS, k.LOGNORM, k.LINEAR)
LOGGED: Final = "counts and linear values become log1p of counts per 10,000"


class Scorer(Protocol):
    """Scores blocks of cells, once everything is known that it needs."""

    def __call__(self, block: Block) -> Mapping[str, NDArray[np.float64]]:
        """Score one block: by method, the parts and then their random sets, (n_rows, n_sets)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set, its gene lists, and what was asked of them.

    Attributes
    ----------
    matrix
        The values.
    parts
        Gene lists of the signatures, aligned to its genes.
    sets
        Those that passed the gate, then the random sets of each.
    null
        Random sets; None for none.
    exact
        The implementation to reproduce, by method.
    n_missing
        Different genes of the signatures that the matrix lacks.
    reference
        Moments of the genes over all cells, where a method needs them.
    n_detected
        Cells that express each gene, where an implementation needs them.
    seed
        Of drawn control genes.
    n_threads
        Threads over the rows of a block.
    blocks
        All cells, for what must be known of all.
    first_pass
        File of ``reference``; more of a first pass goes beside it. None keeps it in memory.
    look
        Looks at rows of a block that nobody has looked at before; None where all were.
    """

    matrix: Matrix
    parts: SignatureIndex
    sets: SignatureIndex
    null: MatchedSets | None
    exact: Mapping[str, Exact]
    n_missing: int
    reference: Reference | None
    n_detected: NDArray[np.int64] | None
    seed: int
    n_threads: int
    blocks: Callable[[], Iterable[Block]]
    first_pass: Path | None
    look: Callable[[Block, int, int], None] | None


@dataclass(frozen=True)
class Exact:
    """An implementation whose very numbers can be asked for.

    Attributes
    ----------
    name
        Package, as in ``exact="name==versions"``.
    versions
        Versions whose definition this is; ``x`` stands for any number.
    tolerance
        Largest difference to its numbers, as tested.
    note
        What the definition does that the default does not.
    needs_detected
        Whether it must know which genes any cell of the data set expresses.
    """

    name: str
    versions: str
    tolerance: float
    note: str
    needs_detected: bool = False

    def __str__(self) -> str:
        """Write as the argument ``exact`` is written."""
        return f"{self.name}=={self.versions}" if self.versions else self.name


@dataclass(frozen=True)
class Method:
    """A score and its properties.

    Attributes
    ----------
    name
        As in ``score(..., methods=name)`` and in the column names.
    title
        As in the literature.
    low, high
        Range of the score of one gene list.
    values
        Kinds of values it accepts.
    transform
        What is done to them on the way.
    ties
        How equal values are treated.
    depends_on
        ``one cell``, or ``all cells`` if adding cells can change the score of others.
    needs_controls
        Whether control genes or gene moments of the whole data set are needed first.
    null
        Whether matched random sets can be scored along (``null=R``).
    doi
        Where it was published.
    exact
        Implementations whose numbers can be reproduced.
    plan
        Prepares the scoring of a data set. Methods with the same function are planned together,
        and so share one pass over the cells.
    needs_means
        Whether that needs the means of the genes over the whole data set.
    needs_sd
        Whether it needs their standard deviations, too.
    looks
        Whether its scorer looks for values that cannot be scored as it goes, where nobody has
        looked before; if all methods of a call do, one pass over the memory is enough.
    """

    name: str
    title: str
    low: float
    high: float
    values: tuple[str, ...]
    transform: str
    ties: str
    depends_on: str
    needs_controls: bool
    null: bool
    doi: str
    plan: Callable[[tuple[str, ...], Data], Scorer]
    exact: tuple[Exact, ...] = ()
    needs_means: bool = False
    needs_sd: bool = False
    looks: bool = False
