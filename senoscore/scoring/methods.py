"""Which scores there are: the list of methods, and what may be asked of each."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from senoscore.errors import MethodError
from senoscore.scoring.gsva import GSVA
from senoscore.scoring.jasmine import JASMINE
from senoscore.scoring.linear import ANS, SCORE_GENES, SEURAT, WMEAN, ZSCORE
from senoscore.scoring.method import Exact, Method
from senoscore.scoring.ranks import AUCELL, SINGSCORE, SSGSEA, UCELL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd


__all__ = ["METHODS", "Exact", "Method", "check_methods", "methods", "parse_exact"]

METHODS: Final[Mapping[str, Method]] = {
    method.name: method
    for method in (
        UCELL, AUCELL, SSGSEA, SINGSCORE,
        SEURAT, SCORE_GENES, ANS, JASMINE, ZSCORE, WMEAN,
        GSVA,
    )
}  # fmt: skip
"""All methods by name."""

_LISTED: Final = (
    "title", "low", "high", "values", "transform", "ties", "depends_on", "needs_controls", "null",
    "doi",
)  # fmt: skip


def methods() -> pd.DataFrame:
    """List the scoring methods.

    Returns
    -------
    One row a method: ``method``, ``title``, ``low`` and ``high`` (range for one gene list),
    ``values`` (accepted), ``transform``, ``ties``, ``depends_on``, ``needs_controls``, ``null``,
    ``doi``, ``exact`` (what may be passed as ``exact``), ``tolerance`` (of each, as tested).

    Examples
    --------
    >>> sen.methods()["method"].head(4).tolist()
    ['ucell', 'aucell', 'ssgsea', 'singscore']
    """
    import pandas as pd

    rows = []
    for method in METHODS.values():
        row = {"method": method.name, **{name: getattr(method, name) for name in _LISTED}}
        row["values"] = ", ".join(method.values)
        row["exact"] = ", ".join(map(str, method.exact))
        row["tolerance"] = ", ".join(f"{twin.tolerance:g}" for twin in method.exact)
        rows.append(row)
    return pd.DataFrame(rows)


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
    possible = [f"{m.name}: {', '.join(map(str, m.exact))}" for m in METHODS.values() if m.exact]
    msg = f"{method.name} has no exact mode {text!r}"
    raise MethodError(msg, fix=f"exact modes there are: {'; '.join(possible)}")


def _fits(version: str, held: str) -> bool:
    """Whether a version asked for (empty: any) is one of those held."""
    if version in ("", held):
        return True
    pattern = re.escape(held).replace("x", r"\d+(\.\d+)*")
    return bool(held) and re.fullmatch(pattern, version) is not None
