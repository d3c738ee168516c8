"""From a chart to files and to markup: SVG, PNG and the plotted numbers."""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore.errors import InputError
from senoscore.io import atomic_path, guard_formulas, write_tsv
from senoscore.names import SEP

if TYPE_CHECKING:
    from collections.abc import Iterator

    import altair as alt


__all__ = ["quick_composition", "refuse_small_address_space", "save", "to_svg", "to_tsv"]

_ID = re.compile(r'\bid="([^"]+)"')
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_ID_USED = re.compile(r'(\bid="|url\(#|href="#)([^")]+)(["\)])')

_RENDERER_GB: Final = 80.0
"""Address space that the renderer (V8) reserves at its start: 64 GiB were too little, 80 enough.
Most of it is never used."""


def _address_space_gb() -> float | None:
    """Limit on this process's address space (``ulimit -v``) in GiB; None where there is none."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else float(limit) / (1 << 30)


def refuse_small_address_space() -> None:
    """Say so where the renderer cannot reserve what it wants: it ends the process by SIGTRAP.

    Raises
    ------
    InputError
        The address space of this process is limited to less.
    """
    limit = _address_space_gb()
    if limit is not None and limit < _RENDERER_GB:
        msg = (
            f"figures cannot be drawn: address space is limited to {limit:.3g} GiB, the renderer "
            f"reserves up to {_RENDERER_GB:g}"
        )
        raise InputError(msg, fix="raise the limit (`ulimit -v unlimited`) and run again")


@contextmanager
def quick_composition() -> Iterator[None]:
    """Let altair put charts together without a deep copy of each at every step.

    A figure of twelve panels of six layers is copied some hundred times over, half the time of a
    report. Altair copies so that a chart can be used again after it has become part of another;
    inside this context that is not to be done. Nor is each part checked against the schema as it
    is made: every chart here is built by our own code. The SVG is the same.
    """
    from altair.utils.schemapi import SchemaBase, debug_mode

    whole = SchemaBase.copy

    def shallow(self: Any, deep: Any = True, ignore: Any = None) -> Any:  # noqa: FBT002 - altair's
        return whole(self, deep=False if deep is True else deep, ignore=ignore)

    SchemaBase.copy = shallow  # type: ignore[method-assign]
    try:
        with debug_mode(arg=False):
            yield
    finally:
        SchemaBase.copy = whole  # type: ignore[method-assign]


def to_svg(chart: alt.Chart, *, prefix: str = "chart") -> str:
    """Render a chart to SVG text, without network and without a browser.

    Parameters
    ----------
    prefix
        Begins every id in the SVG, so that several can stand in one page. The renderer numbers
        ids on from one chart to the next; they are renumbered, so that the same chart gives the
        same text.

    Raises
    ------
    InputError
        The address space of this process is limited to less than the renderer reserves.
    """
    refuse_small_address_space()
    import altair as alt
    import vl_convert

    alt.data_transformers.register("senoscore", _in_rows)
    with alt.data_transformers.enable("senoscore"):
        # Validation costs as much as drawing, and every chart here is built by our own code.
        specification = _printable(chart.to_dict(validate=False))
        svg = str(vl_convert.vegalite_to_svg(specification))
    found = dict.fromkeys(_ID.findall(svg))
    new = {name: f"{prefix}-{number}" for number, name in enumerate(found)}
    return _ID_USED.sub(lambda m: f"{m[1]}{new.get(m[2], m[2])}{m[3]}", svg)


def _in_rows(data: Any) -> Any:
    """A table as Vega-Lite takes it, row by row; as altair does it, in a fifth of the time.

    Altair's own way, by a dozen steps of pandas, takes 3 ms for each of the hundreds of small
    tables of a report. It is kept for what is not numbers, truths or texts.
    """
    import altair as alt

    plain = isinstance(data, pd.DataFrame) and all(t.kind in "biufO" for t in data.dtypes)
    if not plain or not all(isinstance(name, str) for name in data.columns):
        return alt.default_data_transformer(data, max_rows=None)  # type: ignore[call-overload]
    columns = [_plain(data.iloc[:, at]) for at in range(data.shape[1])]
    names = list(data.columns)
    return {"values": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]}


def _plain(column: pd.Series) -> list[Any]:
    """Values as JSON has them: no NaN, no infinity."""
    values = column.tolist()
    if column.dtype.kind == "f":
        return [value if math.isfinite(value) else None for value in values]
    if column.dtype.kind == "O":
        rows = zip(values, column.isna(), strict=True)
        of_numpy = (np.ndarray, np.generic)  # what JSON does not know
        return [None if gone else v.tolist() if isinstance(v, of_numpy) else v for v, gone in rows]
    return values


def _printable(node: Any) -> Any:
    """Spell out characters that XML cannot hold: the renderer aborts the process on them."""
    if isinstance(node, str):
        return _NOT_XML.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", node)
    if isinstance(node, dict):
        return {_printable(key): _printable(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_printable(value) for value in node]
    return node


def to_tsv(table: pd.DataFrame) -> str:
    """Write a table as text for a download: floats to 6 digits, formulas defused.

    The same guard as :func:`senoscore.io.write_tsv`: an apostrophe before a text that a
    spreadsheet would run.
    """
    out = table.copy(deep=False)
    out.columns = guard_formulas(pd.Series(list(map(str, out.columns)), dtype=object)).tolist()
    for position in range(out.shape[1]):
        column = out.iloc[:, position].astype(object)
        if not pd.api.types.is_numeric_dtype(out.iloc[:, position]):
            out.isetitem(position, guard_formulas(column).to_numpy(dtype=object))
    text: str = out.to_csv(None, sep="\t", index=False, lineterminator="\n", float_format="%.6g")
    return text


def save(
    chart: alt.Chart | str,
    stem: str | Path | None = None,
    table: pd.DataFrame | None = None,
    *,
    scale: float = 2.0,
) -> list[Path]:
    """Write ``stem.svg``, ``stem.png`` and, with the plotted numbers, ``stem.tsv``.

    Parameters
    ----------
    chart
        A chart, or SVG that :func:`to_svg` made of it.
    stem
        Path of the files without their ending.
    table
        The plotted numbers.
    scale
        Pixels of the PNG per pixel of the SVG.

    Raises
    ------
    InputError
        What is given is no chart, or as :func:`to_svg`.

    Examples
    --------
    >>> from pathlib import Path
    >>> svg = sen.pl.to_svg(sen.pl.timecourse(burden))
    >>> files = sen.pl.save(svg, Path("burden"), sen.pl.timecourse_table(burden))
    >>> [file.name for file in files]
    ['burden.svg', 'burden.png', 'burden.tsv']
    """
    what = 'give the chart first: sen.pl.save(chart, "figures/states")'
    if not (isinstance(chart, str) and "<svg" in chart) and not hasattr(chart, "to_dict"):
        msg = f"save: {str(chart)[:60]!r} is not a chart"
        raise InputError(msg, fix=what)
    if stem is None:
        raise InputError("save: no name for the files is given", fix=what)
    stem = Path(stem)
    refuse_small_address_space()
    import vl_convert

    svg = chart if isinstance(chart, str) else to_svg(chart)
    name = stem.name.replace(SEP, "_")
    written = [stem.with_name(f"{name}.svg"), stem.with_name(f"{name}.png")]
    with atomic_path(written[0]) as part:
        part.write_text(svg, encoding="utf-8")
    with atomic_path(written[1]) as part:
        part.write_bytes(vl_convert.svg_to_png(svg, scale=scale))
    if table is not None:
        written.append(stem.with_name(f"{name}.tsv"))
        write_tsv(table, written[2], float_format="%.6g")
    return written
