r"""The global first pass, and the scores that are linear in expression once it is done.

``zscore``, ``wmean``, ``score_genes``, ``seurat`` and ``ans`` all need something that only the
whole data set can tell: means and standard deviations of the genes, or control genes chosen by
mean expression. :func:`gene_reference` collects it in one named pass over all cells;
:class:`Reference` is a file, made once per data set and read by every block and every job.

Given the reference, every one of these scores is a weighted sum over the genes of one cell,

.. math:: s_{ip} = \sum_j x_{ij} w_{jp} + c_p ,

with :math:`x` log-normalised expression of cell :math:`i` and gene :math:`j`, so that one sparse
product scores any number of signatures and methods and implicit zeros cost nothing:

- weighted mean: :math:`w_{jp} = a_{jp} / \sum_j |a_{jp}|` for the listed weights :math:`a`;
- mean z: with :math:`\mu_j, \sigma_j` over all cells and :math:`n_p` set genes of
  :math:`\sigma_j > 0`, the mean :math:`\frac{1}{n_p}\sum_j (x_{ij} - \mu_j)/\sigma_j` splits into
  :math:`w_{jp} = 1/(n_p \sigma_j)` and :math:`c_p = -\sum_j w_{jp}\mu_j`;
- signature minus controls: :math:`w_{jp} = [j \in S_p]/|S_p| - m_{jp}/\sum_j m_{jp}`, where
  :math:`m_{jp}` counts how often gene :math:`j` serves as a control of part :math:`p`.
"""

from __future__ import annotations

from senoscore.controls._genes import (
    ControlGenes,
    ans_controls,
    scanpy_controls,
    seurat_controls,
)
from senoscore.controls._jasmine import JasmineLimits, JasmineSets, jasmine_components
from senoscore.controls._linear import (
    LinearScore,
    choose_controls,
    linear_score,
    linear_sums,
    stack,
)
from senoscore.controls._matched import MatchedSets, matched_sets
from senoscore.controls._reference import Block, Reference, gene_reference, genes_detected

__all__ = [
    "Block",
    "ControlGenes",
    "JasmineLimits",
    "JasmineSets",
    "LinearScore",
    "MatchedSets",
    "Reference",
    "ans_controls",
    "choose_controls",
    "gene_reference",
    "genes_detected",
    "jasmine_components",
    "linear_score",
    "linear_sums",
    "matched_sets",
    "scanpy_controls",
    "seurat_controls",
    "stack",
]
