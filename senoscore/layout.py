"""Where each file of a run is. The rules of the workflow name the same paths; a test compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Paths of one results folder.

    Parameters
    ----------
    results
        The folder, e.g. ``results``.
    """

    results: Path

    def matrix(self, dataset: str) -> Path:
        """Canonical matrix (.h5ad)."""
        return self.results / "matrix" / f"{dataset}.h5ad"

    def genes(self, dataset: str) -> Path:
        """What each gene of the input became."""
        return self.results / "matrix" / f"{dataset}.genes.tsv"

    def qc(self, dataset: str) -> Path:
        """One row a cell: metrics, keep, reason."""
        return self.results / "cells" / f"{dataset}.qc.parquet"

    def qc_samples(self, dataset: str) -> Path:
        """One row a sample: limits and losses."""
        return self.results / "cells" / f"{dataset}.qc_samples.tsv"

    def compartments(self, dataset: str) -> Path:
        """One row a cell: compartment, confidence, source."""
        return self.results / "cells" / f"{dataset}.compartments.parquet"

    @property
    def signatures(self) -> Path:
        """The resolved signatures of the run."""
        return self.results / "signatures.tsv"

    def scores(self, dataset: str) -> Path:
        """One row a cell: a column per method and signature."""
        return self.results / "scores" / f"{dataset}.parquet"

    def coverage(self, dataset: str) -> Path:
        """Genes found and missing per signature."""
        return self.results / "scores" / f"{dataset}.coverage.tsv"

    @property
    def calibration(self) -> Path:
        """Baselines and cuts."""
        return self.results / "calibration.parquet"

    @property
    def calibration_rates(self) -> Path:
        """Call rate of each control sample, left out of its own calibration."""
        return self.results / "calibration_rates.tsv"

    def calls(self, dataset: str) -> Path:
        """One row a cell: state, index, FDR, evidence."""
        return self.results / "calls" / f"{dataset}.parquet"

    def summary(self, name: str) -> Path:
        """A sample-level table: burden, trend, families, readouts, label_check, confounders."""
        return self.results / "summary" / f"{name}.tsv"

    @property
    def annotated(self) -> Path:
        """Every per-cell result as one AnnData without a matrix."""
        return self.results / "senoscore.h5ad"

    @property
    def report(self) -> Path:
        """The page."""
        return self.results / "report.html"
