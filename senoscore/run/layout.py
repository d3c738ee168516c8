"""Where each file of a run is, and the files of one data set that a stage is given.

The rules of the workflow name the same paths, and a test compares them. Stages never look here:
they take paths. The command line does, for the paths that it is not given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from senoscore.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


__all__ = ["DatasetFiles", "FileKind", "Layout"]

FileKind: TypeAlias = Literal[
    "matrix",
    "facts",
    "genes",
    "qc",
    "qc_samples",
    "compartments",
    "scores",
    "coverage",
    "calls",
    "programme_scores",
    "programme_calls",
]

SUMMARIES: Final[dict[str, tuple[str, str]]] = {
    "burden": (
        "Burden",
        "sample x compartment: cells, states, fraction, excess over control, mean scores",
    ),
    "burden_tissue": (
        "Burden",
        "sample: the senescent fraction of the whole tissue, at the composition of controls",
    ),
    "prevalence": (
        "Burden",
        "sample x compartment: estimated share of senescent cells, without naming cells",
    ),
    "substates": (
        "Burden",
        "sample x sub-state (M1-like, M2-like, microglia, CAF-like, reactive): share, strength",
    ),
    "engines": (
        "Learnt programme",
        "compartment: by what senescent cells were found, and why not by a learnt programme",
    ),
    "programme": (
        "Learnt programme",
        "compartment x gene: weight in the programme that this run learnt",
    ),
    "trend": ("Contrasts", "compartment x measure x contrast: effect, CI, p, q, or why not"),
    "readouts": (
        "Contrasts",
        "compartment x measure: since when, peak, what persists, decline, area",
    ),
    "sensitivity": (
        "Contrasts",
        "contrasts of fractions again, under a quasi-binomial and a beta-binomial model",
    ),
    "families": ("Contrasts", "family of tests: its question, and what was adjusted together"),
    "window": (
        "Course, targets, signals",
        "compartment x time: acute, accumulating, persistent, resolving, or why not",
    ),
    "window_phases": (
        "Course, targets, signals",
        "compartment x phase: read-out, evidence, what was lacking",
    ),
    "window_contrasts": ("Course, targets, signals", "every contrast that the window was read off"),
    "targets": (
        "Course, targets, signals",
        "compartment x class of drug targets: senescent against other cells",
    ),
    "target_values": (
        "Course, targets, signals",
        "sample x compartment x target: mean expression, to be compared between arms",
    ),
    "escape": (
        "Course, targets, signals",
        "compartment x two neighbouring times: signs of escape from senescence",
    ),
    "crosstalk": (
        "Course, targets, signals",
        "SASP ligands of senescent cells against receptors elsewhere, tested over samples",
    ),
    "crosstalk_values": (
        "Course, targets, signals",
        "sample x sender x receiver x pair: score, to be compared between arms",
    ),
    "arms": ("Arms, drugs, regions", "compartment x measure x pair of arms: effect, CI, p, q"),
    "efficacy": ("Arms, drugs, regions", "compartment x drug: what the drug did, in a word"),
    "efficacy_sides": ("Arms, drugs, regions", "drug: tumour and normal tissue side by side"),
    "regions": ("Arms, drugs, regions", "regions of the same subjects against each other"),
    "plasma": ("Blood, outcome, elsewhere", "subject x time x analyte: value over the baseline"),
    "blood": ("Blood, outcome, elsewhere", "tests of circulating factors: ratio, CI, p, q"),
    "blood_changes": (
        "Blood, outcome, elsewhere",
        "subject x analyte x day: change from the baseline, measured or a bound",
    ),
    "external": (
        "Blood, outcome, elsewhere",
        "what was measured elsewhere beside the burden of the same samples",
    ),
    "external_pairs": (
        "Blood, outcome, elsewhere",
        "sample x measure: burden and what was measured elsewhere, in pairs",
    ),
    "outcome": (
        "Blood, outcome, elsewhere",
        "burden, SASP and index at the landmark against what came later",
    ),
    "outcome_subjects": (
        "Blood, outcome, elsewhere",
        "subject x endpoint x compartment: burden at the landmark, and what came later",
    ),
    "pseudobulk_scores": ("Pseudobulk", "sample x compartment x signature: ssGSEA and GSVA"),
    "de": ("Pseudobulk", "compartment x contrast: genes that change, or why not tested"),
    "enrichment": ("Pseudobulk", "compartment x contrast x signature: enrichment of its genes"),
    "label_check": (
        "Data and checks",
        "does the p53 response agree with the labels, XIST and Y with the sex",
    ),
    "confounders": (
        "Data and checks",
        "what travels with the scores besides irradiation, with flags",
    ),
}
"""Tables of samples: under what `snakemake --report` shows each, and what it is.

Some are there only where the config or the samples sheet asks for them.
"""

OTHER_TABLES: Final[dict[str, tuple[str, str]]] = {
    "genes": ("Data and checks", "gene of the input: what it became"),
    "qc_samples": ("Data and checks", "sample: limits of quality, and the cells lost by each"),
    "coverage": ("Data and checks", "signature: genes found and missing, and whether it is scored"),
    "signatures": ("Data and checks", "signature x gene: direction and weight, as scored"),
    "embedding": (
        "Data and checks",
        "cell of a random sample: its place on the map, compartment, state, index",
    ),
    "calibration_rates": (
        "Data and checks",
        "control sample x compartment: how often its cells are called, left out of the cut",
    ),
}
"""Likewise tables of a data set, or of the signatures and the calibration of the run."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}|\{dataset\}")
"""As in the datasets sheet; or the wildcard of the rules."""


def _checked(dataset: str) -> str:
    """Refuse a name that would lead out of the folder, wherever it came from."""
    if not _NAME.fullmatch(dataset):
        msg = f"{dataset[:60]!r} cannot be the name of a dataset"
        fix = "use letters, digits and _ . + -, at most 100, the first a letter or digit"
        raise ConfigError(msg, fix=fix)
    return dataset


@dataclass(frozen=True)
class DatasetFiles:
    """Files of one data set that a stage may read: those that its rule declares, and no others.

    Parameters
    ----------
    name
        Name in the datasets sheet.
    paths
        The file of each kind.
    """

    name: str
    paths: Mapping[FileKind, Path]

    def __str__(self) -> str:
        """Return the name, which is what logs and errors speak of."""
        return self.name

    def __getitem__(self, kind: FileKind) -> Path:
        """Path of the file of a kind.

        Raises
        ------
        ConfigError
            The stage was not given that file.
        """
        if kind not in self.paths:
            msg = f"dataset {self.name}: no {kind} file is given"
            raise ConfigError(msg, fix=f"name it with --{kind.replace('_', '-')}")
        return self.paths[kind]


@dataclass(frozen=True)
class Layout:
    """Paths of one results folder.

    Parameters
    ----------
    results
        The folder, e.g. ``results``.
    """

    results: Path

    def of(self, dataset: str, kinds: Iterable[FileKind]) -> DatasetFiles:
        """Files of a data set, of the kinds that are asked for."""
        return DatasetFiles(dataset, {kind: getattr(self, kind)(dataset) for kind in kinds})

    def matrix(self, dataset: str) -> Path:
        """Canonical matrix (.h5ad)."""
        return self.results / "matrix" / f"{_checked(dataset)}.h5ad"

    def facts(self, dataset: str) -> Path:
        """What ingest found out about a data set: organism, assay, values, notes."""
        return self.results / "matrix" / f"{_checked(dataset)}.json"

    def genes(self, dataset: str) -> Path:
        """What each gene of the input became."""
        return self.results / "matrix" / f"{_checked(dataset)}.genes.tsv"

    def qc(self, dataset: str) -> Path:
        """One row a cell: metrics, keep, reason."""
        return self.results / "cells" / f"{_checked(dataset)}.qc.parquet"

    def qc_samples(self, dataset: str) -> Path:
        """One row a sample: limits and losses."""
        return self.results / "cells" / f"{_checked(dataset)}.qc_samples.tsv"

    def compartments(self, dataset: str) -> Path:
        """One row a cell: compartment, confidence, source."""
        return self.results / "cells" / f"{_checked(dataset)}.compartments.parquet"

    @property
    def signatures(self) -> Path:
        """The resolved signatures of the run."""
        return self.results / "signatures.tsv"

    def scores(self, dataset: str) -> Path:
        """One row a cell: a column per method and signature."""
        return self.results / "scores" / f"{_checked(dataset)}.parquet"

    def coverage(self, dataset: str) -> Path:
        """Genes found and missing per signature."""
        return self.results / "scores" / f"{_checked(dataset)}.coverage.tsv"

    def first_pass(self, dataset: str) -> Path:
        """Folder of what the pieces of a large data set must know of all its cells."""
        return self.results / "scores" / f"{_checked(dataset)}.first_pass"

    def shard(self, dataset: str, *, part: int | str, of: int | str) -> Path:
        """Scores of one piece of a large data set."""
        return self.results / "scores" / f"{_checked(dataset)}.shards" / f"{part}_of_{of}.parquet"

    @property
    def calibration(self) -> Path:
        """Baselines and cuts."""
        return self.results / "calibration.parquet"

    @property
    def calibration_rates(self) -> Path:
        """Call rate of each control sample, left out of its own calibration."""
        return self.results / "calibration_rates.tsv"

    @property
    def embedding(self) -> Path:
        """Where a random sample of cells lies on a UMAP."""
        return self.results / "embedding.tsv"

    @property
    def programme_plan(self) -> Path:
        """What is learnt from together: data sets, genes, samples in folds."""
        return self.results / "programme" / "plan.json"

    def programme_sums(self, dataset: str, *, part: int | str = 0, of: int | str = 1) -> Path:
        """Sums over a piece of a data set, that a programme is learnt from."""
        name = f"{_checked(dataset)}.sums"
        return self.results / "programme" / name / f"{part}_of_{of}.npz"

    @property
    def programme(self) -> Path:
        """The learnt weights, as the later stages read them."""
        return self.results / "programme" / "programme.npz"

    def programme_scores(self, dataset: str) -> Path:
        """One row a cell: its score by weights that never saw its sample."""
        return self.results / "programme" / f"{_checked(dataset)}.scores.parquet"

    def programme_calls(self, dataset: str) -> Path:
        """One row a cell: score, p, q, and whether the programme calls it."""
        return self.results / "programme" / f"{_checked(dataset)}.calls.parquet"

    def calls(self, dataset: str) -> Path:
        """One row a cell: state, index, FDR, evidence."""
        return self.results / "calls" / f"{_checked(dataset)}.parquet"

    def summary(self, name: str) -> Path:
        """A sample-level table: burden, trend, window, crosstalk and the like."""
        return self.results / "summary" / f"{name}.tsv"

    @property
    def tables(self) -> list[Path]:
        """Every table that the report shows, of cells or profiles alike."""
        whole = [self.calibration, self.calibration_rates, self.embedding]
        return [*whole, *map(self.summary, SUMMARIES)]

    @property
    def pseudobulk(self) -> Path:
        """Summed counts of each sample and compartment."""
        return self.results / "summary" / "pseudobulk.h5ad"

    @property
    def de_genes(self) -> Path:
        """Every gene of every contrast of pseudobulk profiles."""
        return self.results / "summary" / "de_genes.parquet"

    @property
    def annotated(self) -> Path:
        """Every per-cell result as one AnnData without a matrix."""
        return self.results / "senoscore.h5ad"

    @property
    def provenance(self) -> Path:
        """Versions, config, hashes of inputs and signatures, seeds."""
        return self.results / "provenance.json"

    @property
    def figures(self) -> Path:
        """Folder of every figure of the page."""
        return self.results / "figures"

    @property
    def report(self) -> Path:
        """The page."""
        return self.results / "report.html"
