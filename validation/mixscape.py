"""Mixscape of pertpy on matrices in a folder; run by baselines.py with a Python that has pertpy.

Run: ``python mixscape.py FOLDER``. Each ``.h5ad`` (counts; ``compartment``, ``treated``) gets a
``.tsv`` beside it: whether each cell is called perturbed, and the CPU seconds. pertpy needs an
environment of its own, and is no part of senoscore's: ``pip install pertpy
"scikit-learn<1.7" "statsmodels<0.15" filelock`` (pertpy 1.0.3).

As in its manual, compartment by compartment: counts to 10,000 and log, 2,000 variable genes,
principal components, signature against 20 nearest control cells, then its mixture; defaults.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pertpy as pt
import scanpy as sc

warnings.filterwarnings("ignore")

VARIABLE = 2000


def perturbed(counts: ad.AnnData) -> np.ndarray:
    """Cells of one compartment that Mixscape calls perturbed by irradiation."""
    a = ad.AnnData(counts.X.copy(), obs=counts.obs[["treated"]].copy())
    a.obs["arm"] = np.where(a.obs["treated"], "irradiated", "NT")
    sc.pp.normalize_total(a, target_sum=1e4)
    sc.pp.log1p(a)
    sc.pp.highly_variable_genes(a, n_top_genes=VARIABLE)
    a = a[:, a.var["highly_variable"]].copy()
    a.X = a.X.toarray()
    sc.pp.pca(a)
    tool = pt.tl.Mixscape()
    tool.perturbation_signature(a, "arm", "NT")
    tool.mixscape(a, "arm", "NT")
    return (a.obs["mixscape_class_global"] == "KO").to_numpy()


def main() -> None:
    """One table for each matrix."""
    for path in sorted(Path(sys.argv[1]).glob("*.h5ad")):
        a = ad.read_h5ad(path)
        start, called = time.process_time(), np.zeros(a.n_obs, dtype=bool)
        for room in np.unique(a.obs["compartment"].astype(str)):
            own = (a.obs["compartment"].astype(str) == room).to_numpy()
            called[own] = perturbed(a[own])
        seconds = time.process_time() - start
        a.obs.assign(called=called, seconds=seconds).to_csv(path.with_suffix(".tsv"), sep="\t")


if __name__ == "__main__":
    main()
