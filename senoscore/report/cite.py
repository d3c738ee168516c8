"""A paragraph for the methods of a paper, out of the provenance of the run, and what to cite."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from senoscore import __version__
from senoscore import names as k
from senoscore.genesets import list_signatures
from senoscore.io import resource
from senoscore.plotting import theme, tidy
from senoscore.report.parts import samples_of
from senoscore.report.words import lower
from senoscore.scoring import methods as known_methods

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from senoscore.report.load import Run


__all__ = ["methods_text", "references"]

_TOOLS: Final = {
    "snakemake": "Mölder et al. 2021, F1000Research 10:33 (Snakemake)",
    "scanpy": "Wolf et al. 2018, Genome Biol 19:15 (scanpy)",
}
_UMAP: Final = "McInnes, Healy & Melville 2018, arXiv:1802.03426"
_BH: Final = "Benjamini and Hochberg 1995, J R Stat Soc B 57:289"
_MSIGDB: Final = (
    "Subramanian et al. 2005, PNAS 102:15545; Liberzon et al. 2011, Bioinformatics 27:1739"
)
_SAID_OF: Final = ("python", "snakemake", "anndata", "scanpy", "numpy", "scipy", "statsmodels")
_TRANSFORMS: Final = {"arcsine": "arcsine of the square root", "logit": "logit"}


def methods_text(run: Run, *, control: str, alpha: float) -> str:
    """Word what was done, for the methods of a paper; every number is of this run.

    What the provenance does not hold is left out: the text says nothing that it does not know.

    Parameters
    ----------
    control
        Treatment that means not irradiated.
    alpha
        Largest q that counts.
    """
    parts = [
        _software(run.provenance),
        _data(run, control),
        _quality(run),
        _scoring(run),
        _calling(run, control),
        _learning(run, control),
        _statistics(run, alpha),
        _map(run),
        "A full record of versions, settings and checksums is kept with the results.",
    ]
    return " ".join(part for part in parts if part)


def references(run: Run) -> list[str]:
    """List what the text rests on: software, scoring methods, and every gene set that was scored.

    Returns
    -------
    One line a reference. Gene sets that were left out for too few genes are not cited.
    """
    out = [f"senoscore {run.provenance.get('senoscore', __version__)}: The senoscore developers."]
    versions = _part(run.provenance, "versions")
    out += [f"{said}." for name, said in _TOOLS.items() if name in versions]
    table = known_methods().set_index("method")
    known = [name for name in _methods(run) if name in table.index]
    out += [f"{table['title'][name]}: doi {table['doi'][name]}." for name in known]
    if run.get("trend") is not None:
        out.append(f"{_BH} (false discovery rate).")
    if _engines(run)[0]:
        out.append(_published_effects())
    if run.get("embedding") is not None:
        out.append(f"{_UMAP} (map of cells).")
    return out + _set_references(scored(run))


def _published_effects() -> str:
    """Name the studies behind the effects that a programme begins with: the table's first line."""
    with resource("programme_effects.tsv").open(encoding="utf-8") as table:
        studies = re.findall(r"[SED]RP\d+", table.readline())
    return (
        f"Published effects of DNA damage in senescence: {', '.join(studies)} (Sequence Read "
        "Archive; means over the studies by senoscore)."
    )


def scored(run: Run) -> list[str]:
    """Gene sets of which a part passed the gate in some data set, sorted."""
    coverage = run.get("coverage")
    if coverage is None:
        return []
    passed = coverage[coverage["gate"].astype(str) == "pass"]
    return sorted(set(passed["signature"].astype(str)))


def _software(facts: Mapping[str, Any]) -> str:
    known = {"python": facts.get("python"), **_part(facts, "versions")}
    used = [f"{name} {known[name]}" for name in _SAID_OF if _installed(known.get(name))]
    beside = f" ({', '.join(used)})" if used else ""
    version = facts.get("senoscore", __version__)
    return f"Radiation-induced senescence was assessed with senoscore {version}{beside}."


def _data(run: Run, control: str) -> str:
    sheet = samples_of(run)
    if sheet is None:
        return ""
    table = tidy.with_defaults(sheet).drop_duplicates(k.SAMPLE)
    n = int(tidy.is_control(table, control).sum())
    burden = run.get("burden")
    cells = 0.0 if burden is None else tidy.column(burden, "n_cells").sum()
    counted = f", {cells:,.0f} cells after quality control" if cells > len(table) else ""
    return f"There were {len(table)} samples, {n} of them unirradiated{counted}."


def _quality(run: Run) -> str:
    qc = _part(run.config, "qc")
    if run.get("qc") is None or not {"min_counts", "min_genes", "mads"} <= set(qc):
        return ""
    return (
        f"Cells with fewer than {qc['min_counts']} counts or {qc['min_genes']} genes were left "
        f"out, and so were cells more than {qc['mads']} median absolute deviations from the median "
        "of their sample."
    )


def _scoring(run: Run) -> str:
    names = _methods(run)
    if not names:
        return ""
    table = known_methods().set_index("method")
    said = [str(table["title"][n]) if n in table.index else n for n in names]
    text = f"Gene sets were scored with {' and '.join(said)}"
    sets = scored(run)
    text += f" ({len(sets)} sets)" if sets else ""
    gate = _part(run.config, "gate")
    if {"min_fraction", "min_genes"} <= set(gate):
        share = f"{100 * float(gate['min_fraction']):g} %"
        text += (
            f"; sets with fewer than {share} of their genes, or fewer than {gate['min_genes']}, in "
            "the data were not scored"
        )
    nulls = _part(run.config, "score").get("null_sets")
    text += (
        f", and each was compared with {nulls} random sets of matched expression" if nulls else ""
    )
    return f"{text}."


def _calling(run: Run, control: str) -> str:
    call, calibrate = _part(run.config, "call"), _part(run.config, "calibrate")
    if not call or not calibrate:
        return ""
    alpha = 100 * float(calibrate.get("alpha", 0))
    text = (
        f"Scores of the axes of the panel “{call.get('panel', 'default')}” became z values against "
        f"the cells of unirradiated samples (“{control}”) of the same compartment. One cut per "
        f"compartment was set so that at most {alpha:g} % of the cells of a control sample that "
        "had no part in setting it fulfil the rule"
    )
    stable = call.get("min_days_stable")
    late = "" if stable is None else f"from day {stable:g} after irradiation on"
    learnt, others = _engines(run)
    if learnt and not others:
        return f"{text}."
    where = " in the other compartments" if learnt else ""
    if late:
        text += (
            f"; cells that fulfil it were called senescent{where} {late}, and an acute damage "
            "response before"
        )
    return f"{text}."


def _learning(run: Run, control: str) -> str:
    """Word the learnt call, where a compartment of this run was called by it."""
    learnt, _ = _engines(run)
    call = _part(run.config, "call")
    if not learnt or not call:
        return ""
    text = (
        f"In {_listed(learnt)}, senescent cells were found by a programme learnt in this study: "
        "weights of genes that published lists name, in the direction of those lists, from "
        f"differences between irradiated and unirradiated (“{control}”) samples and from published "
        "effects of DNA damage, each cell judged by weights learnt without its subject and "
        "compared with the cells of all unirradiated samples"
    )
    fdr, stable = call.get("fdr"), call.get("min_days_stable")
    text += f" (false discovery rate {fdr:g})" if isinstance(fdr, int | float) else ""
    text += (
        "; a cell had to show p53, p21, p16 or chromatin evidence and another kind besides, and "
        "was called senescent"
    )
    text += f" from day {stable:g} after irradiation on" if stable is not None else ""
    return f"{text}."


def _engines(run: Run) -> tuple[list[str], list[str]]:
    """Compartments whose senescent cells a learnt programme found, and the others."""
    table = run.further.get("engines")
    table = run.get("engines") if table is None else table
    if table is None or table.empty:
        return [], []
    names = table[k.COMPARTMENT].astype(str).map(theme.pretty).map(lower)
    is_learnt = table["engine"].astype(str) == "learned"
    learnt = list(dict.fromkeys(names[is_learnt]))
    return learnt, [name for name in dict.fromkeys(names[~is_learnt]) if name not in learnt]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _statistics(run: Run, alpha: float) -> str:
    trend = run.get("trend")
    if trend is None:
        return ""
    chosen = str(_part(run.config, "trend").get("transform", ""))
    scale = f" (fractions as {_TRANSFORMS[chosen]})" if chosen in _TRANSFORMS else ""
    batch = "method" in trend and trend["method"].astype(str).str.contains("batch as covariate")
    beside = ", with batch as covariate" if batch is not False and batch.any() else ""
    welch = "method" in trend and trend["method"].astype(str).str.startswith("Welch").any()
    beside += ", means of scores by Welch's t test where nothing stood beside" if welch else ""
    return (
        "The sample (animal or patient) was the unit of every test: irradiated and unirradiated "
        f"samples were compared by ordinary linear models with one value a sample{scale}{beside}, "
        "at each time and dose. p-values were corrected within each question (Benjamini–Hochberg); "
        f"q ≤ {alpha:g} was taken as a difference."
    )


def _map(run: Run) -> str:
    table = run.get("embedding")
    if table is None:
        return ""
    return (
        f"For display only, {len(table):,} cells drawn at random were placed by UMAP (2,000 most "
        "variable genes, 30 principal components, 15 neighbours; no batch was corrected)."
    )


def _methods(run: Run) -> list[str]:
    """Scoring methods of the run; of profiles, also the one that their index is made of."""
    names = _part(run.config, "score").get("methods") or []
    chosen = [str(name) for name in names] if isinstance(names, list) else [str(names)]
    read = run.get("ingest")
    if read is not None and read["assay"].isin(k.PROFILES).any():
        chosen.append(str(_part(run.config, "call").get("profile_method", "")))
    return [name for name in dict.fromkeys(chosen) if name]


def _set_references(sets: Iterable[str]) -> list[str]:
    """One line a source, with the sets that are from it; sets of the user stand last."""
    table = list_signatures().set_index("signature")
    by: dict[str, list[str]] = {}
    single, from_msigdb = [], False
    for name in sets:
        if name not in table.index:
            single.append(name)
            continue
        source = str(table["source"][name])
        from_msigdb |= "MSigDB" in source
        said = "; ".join(p for p in source.split("; ") if not p.startswith("MSigDB"))
        by.setdefault(said.removeprefix("curated: "), []).append(str(table["title"][name]))
    out = [f"{source} ({', '.join(titles)})." for source, titles in sorted(by.items())]
    if from_msigdb:
        out.append(f"{_MSIGDB} (MSigDB).")
    return out + ([f"Gene sets of this study: {', '.join(single)}."] if single else [])


def _part(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = facts.get(name)
    return value if isinstance(value, dict) else {}


def _installed(version: object) -> bool:
    return version not in (None, "", "not installed")
