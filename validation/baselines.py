"""What others would call in the same cells: HiDDEN, Mixscape, published sets, and the panel.

Run: ``python validation/baselines.py tune|report [seeds=2,4] [mixscape=PYTHON]``, the Python of an
environment that has pertpy (validation/mixscape.py); without it Mixscape is left out. HiDDEN is
written from the paper (Goeva 2024, Nat Commun 15:9468): principal components of log-normalised
values, a logistic regression of irradiated against control, and the irradiated cells in two
clusters of the fitted probability, of which the higher one is affected. Sets: mean log-normalised
level of the genes beyond the 95 % quantile of the control cells of the compartment. The panel is
``engine="panel"``. Tables of the report are kept in ``build/validation`` for the page.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from learned import Data, base, contrasts, decoy, effects, planted, quiet, run, summary
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression
from study import called as by_panel
from study import keep, seeds_of, table

import senoscore as sen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

COMPONENTS = 30
VARIABLE = 2000
SETS = ("senmayo", "fridman", "casella_core")
SHARES = (0.1, 0.05)
DECOYS = ("null", "p53", "half depth", "quiescent", "inflamed")


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


def panel(d: Data) -> NDArray[np.bool_]:
    """Irradiated cells that the panel alone calls senescent."""
    obs = pd.DataFrame({"sample": d.sample, "compartment": d.compartment}).astype(str)
    obs["treatment"] = np.where(d.treated, "irradiated", "control")
    obs["days_post_rt"] = np.where(d.treated, 28.0, np.nan)
    obs.index = obs.index.astype(str)
    cells = by_panel(table(ad.AnnData(d.counts, obs=obs, var=pd.DataFrame(index=d.genes))))
    return (cells["senescence_state"] == "senescent").to_numpy() & d.treated


def mixscape(python: str, cases: dict[str, Data]) -> dict[str, tuple[NDArray[np.bool_], float]]:
    """Irradiated cells that Mixscape calls perturbed, and its CPU seconds, of each case."""
    with tempfile.TemporaryDirectory() as folder:
        for i, d in enumerate(cases.values()):
            obs = pd.DataFrame({"compartment": d.compartment.astype(str), "treated": d.treated})
            obs.index = obs.index.astype(str)
            ad.AnnData(d.counts, obs=obs).write_h5ad(Path(folder) / f"{i:03d}.h5ad")
        script = Path(__file__).with_name("mixscape.py")
        one = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        subprocess.run([python, str(script), folder], check=True, env=os.environ | one)
        found = [pd.read_csv(f, sep="\t") for f in sorted(Path(folder).glob("*.tsv"))]
    calls = [
        (t["called"].to_numpy() & t["treated"].to_numpy(), t["seconds"].iloc[0]) for t in found
    ]
    return dict(zip(cases, calls, strict=True))


def rates(d: Data, called: NDArray[np.bool_]) -> dict[str, Any]:
    """Called, wrong and found among irradiated cells."""
    truth = d.truth & d.treated
    return {
        "n": int(d.treated.sum()),
        "called": int(called.sum()),
        "wrong": int((called & ~truth).sum()),
        "found": float(called[truth].mean()) if truth.any() else float("nan"),
    }


def compared(seed: int, *, tune: bool, python: str | None) -> pd.DataFrame:
    """One row a case and method; those of the report are kept for the page."""
    facts = contrasts()
    mine = facts[(facts["tune"] == tune) & (facts["kind"] == "DNA-damage")]
    d = base(seed)
    cases: dict[str, Data] = {}
    left: dict[str, str | None] = {}
    for share in SHARES:
        for name, f in mine.iterrows():
            what = f"{share:.0%} senescent|{name}"
            cases[what] = planted(d, effects()[name], share, seed, factor=0.6)
            left[what] = f.study
    for trap in DECOYS:
        cases[f"{trap}|"], left[f"{trap}|"] = decoy(d, trap, seed), None
    methods = {"panel": panel, "HiDDEN": hidden} | {s: by_set(s) for s in SETS}
    rows = []

    def add(what: str, method: str, found: dict[str, Any], seconds: float) -> None:
        scenario, name = what.split("|")
        row = {"scenario": scenario, "name": name[:24], "method": method}
        rows.append(row | found | {"s": round(seconds, 2)})
        print(rows[-1], flush=True)

    for what, data in cases.items():
        r = run(data, left[what])
        own = summary(data, r)
        add(what, "senoscore", {k: own[k] for k in rates(data, data.truth)}, r["seconds"])
        for name, method in methods.items():
            start = time.process_time()
            calls = method(data)
            add(what, name, rates(data, calls), time.process_time() - start)
    if not tune:
        keep("baselines", seed, pd.DataFrame(rows))
    if python is not None:
        for what, (calls, seconds) in mixscape(python, cases).items():
            add(what, "Mixscape", rates(cases[what], calls), seconds)
        if not tune:
            keep("baselines", seed, pd.DataFrame(rows))
    return pd.DataFrame(rows)


def main() -> None:
    """Print a table of all methods in the same cells, those of the report kept."""
    quiet()
    tune = sys.argv[1] == "tune"
    rest, seeds = seeds_of(set(sys.argv[2:]))
    python = next((w.removeprefix("mixscape=") for w in rest if w.startswith("mixscape=")), None)
    seeds = seeds or [1 if tune else 2]
    if any(s % 2 != tune for s in seeds):
        sys.exit(f"seeds {seeds}: odd ones are for tuning, even ones for the report")
    rows = pd.concat([compared(seed, tune=tune, python=python) for seed in seeds])
    sums = rows.groupby(["scenario", "method"], sort=False).agg(
        runs=("n", "size"), n=("n", "sum"), called=("called", "sum"), wrong=("wrong", "sum"),
        found=("found", "mean"), s=("s", "median"),
    )  # fmt: skip
    print(sums.round(3).to_string())


if __name__ == "__main__":
    main()
