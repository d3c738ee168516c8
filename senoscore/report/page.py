"""One self-contained HTML page out of the tables of a run.

The page makes no request: styles, script, figures and tables stand inside it, and a content
security policy forbids the rest. Its only time stamp is the one of the provenance, so that
the same tables give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import __version__
from senoscore import names as k
from senoscore.io import atomic_path, need_extra, write_tsv
from senoscore.plotting import theme, tidy
from senoscore.report.answers import UNKNOWN, Answer, answers
from senoscore.report.charts import Figure
from senoscore.report.cite import methods_text, references
from senoscore.report.headline import sentences
from senoscore.report.load import Run, RunFiles, jobs, load
from senoscore.report.parts import Options, Section, samples_of
from senoscore.report.problems import problems
from senoscore.report.questions import drug_sentences, region_sentences
from senoscore.report.sections import sections
from senoscore.report.tables import clean, view
from senoscore.report.words import seldom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


__all__ = ["render"]

CAPTIONS: Final = ("figure", "title", "caption", "description")
"""Columns of ``captions.tsv``."""


def render(
    run: Path | RunFiles | Mapping[str, pd.DataFrame],
    out: Path,
    *,
    title: str = "Radiotherapy-induced senescence",
    samples: pd.DataFrame | None = None,
    datasets: Sequence[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
    figures: Path | None = None,
    tables: Path | None = None,
    benchmarks: Path | None = None,
) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    run
        The files of a run, or its folder ``results/``, or its tables by name (see
        :func:`senoscore.report.load.load`).
    out
        File to write; replaced in one step, nothing half-written.
    title
        Heading of the page.
    samples
        The samples sheet; by default the one in the run folder, else what the burden table
        repeats of it.
    datasets
        Datasets of this run; files that others left in the folder are not read. None reads all.
    provenance
        As :func:`senoscore.report.provenance.collect` returns; by default ``provenance.json`` of
        the folder. Of its ``config``, ``control_treatment``, ``call.min_days_stable``,
        ``phases.cuts_days``, ``trend.fdr`` and ``report.compared`` are used.
    figures
        Folder for every figure as SVG, PNG and TSV, with ``captions.tsv``; None writes none.
    tables
        Folder for every table as TSV that no spreadsheet takes for a formula; None writes none.
    benchmarks
        Folder ``logs/benchmarks`` of the run, for a table of its jobs; None shows none.

    Returns
    -------
    `out`

    Raises
    ------
    InputError
        The folder does not exist or a table in it cannot be read.
    """
    loaded = load(run, datasets)
    extra = {} if samples is None else {"samples": samples}
    facts = loaded.provenance if provenance is None else provenance
    missing = {n: why for n, why in loaded.missing.items() if n not in extra}
    loaded = Run({**loaded.tables, **extra}, missing, facts, loaded.further, loaded.files)
    options = _options(loaded, figures)
    used = None if benchmarks is None else jobs(benchmarks)
    built = sections(loaded, options)
    html = _page(loaded, options, built, title, used)
    if figures is not None:
        _write_captions(built, figures)
    if tables is not None:
        _write_tables(loaded, tables)
    with atomic_path(out) as part:
        part.write_text(html, encoding="utf-8")
    return out


def _options(run: Run, figures: Path | None) -> Options:
    """Take the settings that change the page from the configuration of the run."""
    config = run.config
    cuts = _dig(config, "phases", "cuts_days")
    alpha = _dig(config, "trend", "fdr")
    stable = _dig(config, "call", "min_days_stable")
    control = _dig(config, "control_treatment")
    compared = _dig(config, "report", "compared")
    return Options(
        control=str(control) if isinstance(control, str) else k.CONTROL,
        alpha=float(alpha) if isinstance(alpha, int | float) else 0.05,
        stable=float(stable) if isinstance(stable, int | float) else 7.0,
        phase_cuts=tuple(float(c) for c in cuts) if isinstance(cuts, list) else theme.PHASE_CUTS,
        figures=figures,
        compared=tuple(map(str, compared)) if isinstance(compared, list) else (),
    )


def _dig(config: Mapping[str, Any], *path: str) -> Any:
    value: Any = config
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _page(
    run: Run, options: Options, built: Sequence[Section], title: str, used: pd.DataFrame | None
) -> str:
    need_extra("jinja2", extra="report", what="the report")
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    found = answers(run, control=options.control, alpha=options.alpha, stable=options.stable)
    folder = resources.files("senoscore.report")
    style = (folder / "style.css").read_text("utf-8") + _swatch_css(found)
    script = (folder / "report.js").read_text("utf-8")
    environment = Environment(
        loader=PackageLoader("senoscore.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clean": clean,
        "file": lambda name: run.files.get(name, ""),
        "kind": lambda item: type(item).__name__,
        "sha256": _sha256,
        "slug": _slug,
        "swatch": lambda name: f"c-{_slug(name)}",
    }
    versions = _versions(run.provenance)
    inputs = run.provenance.get("inputs") or []
    return environment.get_template("report.html.j2").render(
        title=title,
        version=__version__,
        created=run.provenance.get("created", ""),
        facts=_facts(run, options, found),
        sentences=sentences(found),
        drugs=drug_sentences(run),
        regions=region_sentences(run, options),
        board=_board(found),
        by_index=bool(found) and all(a.by_index for a in found),
        seldom=seldom(run),
        problems=problems(run, options),
        alpha=options.alpha,
        stable=options.stable,
        sections=built,
        provenance=bool(run.provenance),
        methods_text=methods_text(run, control=options.control, alpha=options.alpha),
        references=references(run),
        versions=view(versions, "versions", title="Versions and seeds"),
        inputs=view(pd.DataFrame(inputs), "inputs", title="Inputs") if inputs else None,
        jobs=None if used is None else view(used, "jobs", title="Jobs: time and memory of each"),
        config_text=json.dumps(run.config, indent=2, ensure_ascii=False, default=str),
        # Both are files of this package; the style also holds colours by sanitised name.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
    )


def _board(found: Sequence[Answer]) -> Sequence[Answer]:
    """Rows of the table of answers; none where all would say the same of nothing."""
    same = len({a.amount_note for a in found if a.verdict == UNKNOWN}) == 1
    return () if same and all(a.verdict == UNKNOWN for a in found) else found


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(str(text).encode()).digest()).decode()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:60]


def _swatch_css(found: Sequence[Answer]) -> str:
    """Colours of the compartments: of the answers, and of the figures where the page is dark."""
    rules = [
        f".c-{_slug(a.compartment)} {{ --c: {theme.compartment_colour(a.compartment)}; }}"
        for a in found
    ]
    dark = []
    for name in (*theme.COMPARTMENT_COLOURS, "another"):
        light = theme.title_colour(name, theme.DARK_PAPER)
        for colour in dict.fromkeys([theme.compartment_colour(name), theme.title_colour(name)]):
            dark += [
                f'.plot {tag}[fill="{colour}"] {{ fill: {light}; }}' for tag in ("text", "path")
            ]
            dark.append(f'.plot [stroke="{colour}"] {{ stroke: {light}; }}')
    dark_rules = "\n".join(dict.fromkeys(dark))
    return "\n".join(["", *rules, f"@media (prefers-color-scheme: dark) {{\n{dark_rules}\n}}"])


def _facts(run: Run, options: Options, found: Sequence[Answer]) -> list[str]:
    """Word the size of the study for the head of the page."""
    out = []
    sheet = samples_of(run)
    if sheet is not None:
        table = tidy.with_defaults(sheet).drop_duplicates(k.SAMPLE)
        n_control = int(tidy.is_control(table, options.control).sum())
        out.append(f"{len(table)} samples ({n_control} control)")
        subjects = table.loc[table[k.SUBJECT] != "", k.SUBJECT].nunique()
        if subjects:
            out.append(f"{subjects} subjects")
        days = sorted(table.loc[~tidy.is_control(table, options.control), k.DAYS].dropna().unique())
        if days:
            out.append("irradiated: " + ", ".join(tidy.day_label(d) for d in days))
    burden = run.get("burden")
    if burden is not None and "n_cells" in burden:
        cells = tidy.column(burden, "n_cells").sum()
        if cells > len(burden):
            out.append(f"{int(cells):,} cells".replace(",", "\u202f"))
        out.append(f"{len(found)} compartment{'' if len(found) == 1 else 's'}")
    return out


def _versions(provenance: Mapping[str, Any]) -> pd.DataFrame:
    rows = [
        (n, provenance[n])
        for n in ("created", "senoscore", "python", "platform")
        if n in provenance
    ]
    for group in ("versions", "signatures", "seeds"):
        value = provenance.get(group)
        if isinstance(value, dict):
            prefix = "" if group == "versions" else f"{group}: "
            rows += [(f"{prefix}{name}", item) for name, item in sorted(value.items())]
    return pd.DataFrame([(n, str(v)) for n, v in rows], columns=["what", "value"])


def _write_captions(built: Sequence[Section], folder: Path) -> None:
    """Write title, caption and description of every figure beside its files."""
    drawn = [item for section in built for item in section.items if isinstance(item, Figure)]
    rows = [(f.id, f.title, f.caption, f.alt) for f in drawn]
    write_tsv(pd.DataFrame(rows, columns=list(CAPTIONS)), folder / "captions.tsv")


def _write_tables(run: Run, folder: Path) -> None:
    for name, table in (*run.tables.items(), *run.further.items()):
        write_tsv(table, folder / f"{name}.tsv")
