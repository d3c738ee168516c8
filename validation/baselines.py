"""What others would call in the same cells: HiDDEN, and published sets under a usual cut.

Run: ``python validation/baselines.py tune|report``. HiDDEN is written from the paper (Goeva 2024,
Nat Commun 15:9468): principal components of log-normalised values, a logistic regression of
irradiated against control, and the irradiated cells in two clusters of the fitted probability, of
which the higher one is affected. Sets: mean log-normalised level of the genes beyond the 95 %
quantile of the control cells of the compartment.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from learned import Data, base, contrasts, decoy, effects, planted, run, summary
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression

import senoscore as sen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

COMPONENTS = 30
VARIABLE = 2000
SETS = ("senmayo", "fridman", "casella_core")
DECOYS = ("null", "p53", "ifn", "half depth")


def lognorm(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Natural log of counts per 10,000 + 1."""
    total = np.asarray(counts.sum(axis=1)).ravel()
    x = sparse.diags(1e4 / np.maximum(total, 1)) @ counts
    x.data = np.log1p(x.data)
    return sparse.csr_matrix(x)


def hidden(d: Data) -> NDArray[np.bool_]:
    """Irradiated cells that HiDDEN takes for affected, compartment by compartment."""
    x = lognorm(d.counts)
    called = np.zeros(len(d.treated), bool)
    for c in np.unique(d.compartment):
        rows = np.flatnonzero(d.compartment == c)
        own = x[rows]
        mean = np.asarray(own.mean(axis=0)).ravel()
        spread = np.asarray(own.multiply(own).mean(axis=0)).ravel() - mean**2
        top = np.argsort(-spread)[:VARIABLE]
        z = own[:, top].toarray() - mean[top]
        n = min(COMPONENTS, min(z.shape) - 1)
        pcs = TruncatedSVD(n, random_state=0).fit_transform(z)
        treated = d.treated[rows]
        fit = LogisticRegression(penalty=None, max_iter=2000).fit(pcs, treated)
        p = fit.predict_proba(pcs)[:, 1]
        groups = KMeans(2, n_init=10, random_state=0).fit(p[treated][:, None])
        called[rows[treated]] = groups.labels_ == int(np.argmax(groups.cluster_centers_))
    return called


def by_set(name: str) -> Callable[[Data], NDArray[np.bool_]]:
    """Cells beyond the 95 % quantile of controls of the mean level of a set."""

    def call(d: Data) -> NDArray[np.bool_]:
        genes = np.isin(d.genes.astype(str), list(sen.signatures(name)[name].up))
        level = np.asarray(lognorm(d.counts)[:, genes].mean(axis=1)).ravel()
        called = np.zeros(len(level), bool)
        for c in np.unique(d.compartment):
            own = d.compartment == c
            called[own] = level[own] > np.quantile(level[own & ~d.treated], 0.95)
        return called & d.treated

    return call


def rates(d: Data, called: NDArray[np.bool_]) -> dict[str, Any]:
    """Called, wrong and found among irradiated cells."""
    truth = d.truth & d.treated
    return {
        "n": int(d.treated.sum()),
        "called": int(called.sum()),
        "wrong": int((called & ~truth).sum()),
        "found": float(called[truth].mean()) if truth.any() else float("nan"),
    }


def main() -> None:
    """Print a table of all methods in the same cells."""
    tune = sys.argv[1] == "tune"
    seed = 1 if tune else 2
    facts = contrasts()
    mine = facts[(facts["tune"] == tune) & (facts["kind"] == "DNA-damage")]
    d = base(seed)
    cases = [
        (f"x0.6 {share} {name[:22]}", planted(d, effects()[name], share, seed, factor=0.6), f.study)
        for name, f in mine.iterrows()
        for share in (0.1, 0.3)
    ]
    cases += [(f"decoy {n}", decoy(d, n, seed), None) for n in DECOYS]
    methods = {"HiDDEN": hidden} | {s: by_set(s) for s in SETS}
    rows = []
    for what, data, study in cases:
        for name, method in methods.items():
            rows.append({"case": what, "method": name} | rates(data, method(data)))
        own = summary(data, run(data, study))
        rows.append(
            {"case": what, "method": "senoscore"} | {k: own[k] for k in rates(data, d.truth)}
        )
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
