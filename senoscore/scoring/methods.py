"""Which scores there are, and what must be known of each before it is used."""

from __future__ import annotations

import difflib
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from senoscore import names as k
from senoscore.errors import MethodError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd


__all__ = ["METHODS", "Exact", "Method", "check_methods", "methods", "parse_exact"]

_ANY: Final = (k.COUNTS, k.LOGNORM, k.LINEAR)
_LOGGED: Final = "counts and linear values become log1p of counts per 10,000"


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
    """

    name: str
    versions: str
    tolerance: float
    note: str

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
    exact: tuple[Exact, ...] = ()


_INF: Final = float("inf")
_NEUTRAL: Final = "mean over all orders of tied genes; zeros are one tie"

METHODS: Final[Mapping[str, Method]] = {
    "ucell": Method(
        "ucell", "UCell", 0.0, 1.0, _ANY, "none", _NEUTRAL, "one cell",
        needs_controls=False, null=True, doi="10.1016/j.csbj.2021.06.043",
        exact=(
            Exact(
                "pyucell", "0.8.0", 1e-6,
                "stored values only are ranked; mean ranks above the limit count as the limit; "
                "missing genes rank last",
            ),
            Exact(
                "ucell-r", "", 1e-12,
                "mean ranks of all genes, capped; missing genes are zeros (R package 2.8 to 2.14)",
            ),
        ),
    ),
    "aucell": Method(
        "aucell", "AUCell", 0.0, 1.0, _ANY, "none", _NEUTRAL, "one cell",
        needs_controls=False, null=True, doi="10.1038/nmeth.4463",
        exact=(
            Exact(
                "decoupler", "2.x", 1e-12,
                "ties in the order of one fixed shuffle; the universe is the genes that any cell "
                "expresses, so it depends on all cells; empty cells are NaN",
            ),
        ),
    ),
    "ssgsea": Method(
        "ssgsea", "ssGSEA", -1.0, 1.0, _ANY, "none", _NEUTRAL, "one cell",
        needs_controls=False, null=True, doi="10.1038/nature08460",
        exact=(
            Exact(
                "gseapy", "1.3.x", 1e-9,
                "ties in order of position, last gene first; not divided by the number of genes",
            ),
        ),
    ),
    "singscore": Method(
        "singscore", "singscore", -0.5, 0.5, _ANY, "none", _NEUTRAL, "one cell",
        needs_controls=False, null=True, doi="10.1186/s12859-018-2435-4",
    ),
    "seurat": Method(
        "seurat", "AddModuleScore", -_INF, _INF, _ANY, _LOGGED, "none", "all cells",
        needs_controls=True, null=False, doi="10.1126/science.aad0501",
    ),
    "score_genes": Method(
        "score_genes", "scanpy score_genes", -_INF, _INF, _ANY, _LOGGED, "none", "all cells",
        needs_controls=True, null=False, doi="10.1186/s13059-017-1382-0",
        exact=(
            Exact(
                "scanpy", "1.x", 1e-12,
                "the same draw of control genes, by position: it depends on their order",
            ),
        ),
    ),
    "ans": Method(
        "ans", "Adjusted neighbourhood scoring", -_INF, _INF, _ANY, _LOGGED, "none", "all cells",
        needs_controls=True, null=False, doi="10.1101/gr.280926.125",
    ),
    "jasmine": Method(
        "jasmine", "JASMINE", 0.0, 1.0, _ANY, "none", "mean ranks of expressed genes",
        "all cells", needs_controls=True, null=False, doi="10.7554/eLife.71994",
    ),
    "zscore": Method(
        "zscore", "Mean z-score", -_INF, _INF, _ANY, _LOGGED, "none", "all cells",
        needs_controls=True, null=True, doi="10.1371/journal.pcbi.1000217",
    ),
    "wmean": Method(
        "wmean", "Weighted mean", -_INF, _INF, _ANY, _LOGGED, "none", "one cell",
        needs_controls=False, null=True, doi="10.1093/bioadv/vbac016",
    ),
    "gsva": Method(
        "gsva", "GSVA", -1.0, 1.0, _ANY, _LOGGED, "by gseapy", "all cells",
        needs_controls=False, null=False, doi="10.1186/1471-2105-14-7",
    ),
}  # fmt: skip
"""All methods by name."""


def methods() -> pd.DataFrame:
    """List the scoring methods.

    Returns
    -------
    One row a method: ``method``, ``title``, ``low`` and ``high`` (range for one gene list),
    ``values`` (accepted), ``transform``, ``ties``, ``depends_on``, ``needs_controls``, ``null``,
    ``doi``, ``exact`` (what may be passed as ``exact``), ``tolerance`` (of each, as tested).
    """
    import pandas as pd

    rows = []
    for method in METHODS.values():
        row = asdict(method)
        row["method"] = row.pop("name")
        row["values"] = ", ".join(method.values)
        row["exact"] = ", ".join(map(str, method.exact))
        row["tolerance"] = ", ".join(f"{twin.tolerance:g}" for twin in method.exact)
        rows.append(row)
    first = ["method", "title"]
    table = pd.DataFrame(rows)
    return table[first + [name for name in table.columns if name not in first]]


def check_methods(names: str | Iterable[str]) -> tuple[str, ...]:
    """Names of methods, checked, each once, in the order asked for.

    Raises
    ------
    MethodError
        Unknown name (the nearest one is shown), or none at all.
    """
    wanted = (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))
    if not wanted:
        raise MethodError("no method was asked for", fix=f"choose of {', '.join(METHODS)}")
    for name in wanted:
        if name not in METHODS:
            close = difflib.get_close_matches(str(name).lower(), METHODS, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            msg = f"unknown method {name!r}"
            raise MethodError(msg, fix=f"{hint}methods there are: {', '.join(METHODS)}")
    return wanted


def parse_exact(exact: str | Mapping[str, str] | None, names: tuple[str, ...]) -> dict[str, Exact]:
    """Find out which implementation each method shall reproduce.

    Parameters
    ----------
    exact
        ``package==version`` for all methods asked for, or one such text per method.
    names
        Methods asked for.

    Returns
    -------
    The twin of each method that has one to reproduce.

    Raises
    ------
    MethodError
        A method has no such twin, or not of that version; the message lists what there is.
    """
    if exact is None:
        return {}
    wanted = dict.fromkeys(names, exact) if isinstance(exact, str) else dict(exact)
    foreign = [name for name in wanted if name not in names]
    if foreign:
        msg = f"exact is given for {', '.join(foreign)}, which is not among the methods"
        raise MethodError(msg, fix=f"methods asked for: {', '.join(names)}")
    return {name: _twin(METHODS[name], text) for name, text in wanted.items()}


def _twin(method: Method, text: str) -> Exact:
    package, _, version = text.partition("==")
    for twin in method.exact:
        if twin.name == package.strip().lower() and _fits(version.strip(), twin.versions):
            return twin
    there = [f"{m.name}: {', '.join(map(str, m.exact))}" for m in METHODS.values() if m.exact]
    msg = f"{method.name} has no exact mode {text!r}"
    raise MethodError(msg, fix=f"exact modes there are: {'; '.join(there)}")


def _fits(version: str, held: str) -> bool:
    """Whether a version asked for (empty: any) is one of those held."""
    if version in ("", held):
        return True
    pattern = re.escape(held).replace("x", r"\d+(\.\d+)*")
    return bool(held) and re.fullmatch(pattern, version) is not None
