"""Does the learnt call find planted senescent cells, and nobody where nobody is senescent?

Run: ``python validation/learned.py tune|report [scenario ...] [seeds=4,6,8]``. Programmes are
published contrasts; those of even-hashed studies are for tuning, the others for the report. Seeds
of the tissue are 1 for tuning and 2 for the report, or those given: odd and even ones likewise.
Tables of the report are kept in ``build/validation`` for the page.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from plant import contrasts, effects, of_sets, plant, prior, thinned
from scipy import sparse, stats
from study import CACHE, REALDATA, Size, auroc, keep, seeds_of, tissue, two_arms

from senoscore.calling.bounds import wrong_at_most
from senoscore.calling.engine import add_up, assign, choose, judge_cells, score_cells
from senoscore.calling.pooled_null import fdr as bh
from senoscore.calling.programme import learn
from senoscore.calling.roles import parts_of
from senoscore.errors import DesignError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

CYCLE = ("proliferation", "fischer_dream", "g1s", "g2m")
ARREST = (
    "p53_targets",
    "cdki",
    "fischer_p53_direct",
    "tang_p53_senescence",
    "chromatin_nuclear",
    "p21",
    "p16_p15",
)
INFLAMED = (
    "sasp_interleukin",
    "sasp_chemokine",
    "sasp_growth_factor",
    "sasp_protease",
    "nfkb_targets",
    "interferon_response",
)


def quiet() -> None:
    """No warnings: of hundreds of runs only the numbers are looked at."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)


class Data:
    def __init__(self, counts, genes, sample, compartment, treated, truth=None, subject=None):
        self.counts = sparse.csr_matrix(counts, dtype=float)
        self.genes, self.sample, self.compartment = (
            np.asarray(v, dtype=object) for v in (genes, sample, compartment)
        )
        self.treated = np.asarray(treated, bool)
        self.truth = np.zeros(len(self.treated), bool) if truth is None else truth
        self.subject = subject
        self.share = float("nan")  # of irradiated tissue that is senescent, where one is planted

    def but(self, **k):
        own = (self.counts, self.genes, self.sample, self.compartment, self.treated)
        new = Data(*own, self.truth, self.subject)
        new.share = self.share
        for key, v in k.items():
            setattr(new, key, v)
        return new


def run(d: Data, leave_study=None, how=None) -> dict[str, Any]:
    """The call of the package, its published effects made anew without one study."""
    t0 = time.process_time()
    adata = ad.AnnData(d.counts, var=pd.DataFrame(index=d.genes.astype(str)))
    who = assign(
        d.sample.astype(str).astype(object),
        d.compartment.astype(str).astype(object),
        treated=d.treated,
        judged=np.ones(len(d.treated), bool),
        subject=d.subject,
        part=parts_of(adata.obs_names),
    )
    columns = choose(d.genes.astype(str), "human")
    if leave_study is not None:
        features = columns.features
        known = prior(leave_study).reindex(features.genes).fillna(0).to_numpy()
        known = np.where(known * features.sign > 0, known, 0)
        columns = replace(columns, features=replace(features, prior=known))
    programme = learn(add_up(adata, columns, who, kind="counts"), columns.features, how)
    scored = score_cells(adata, columns, programme, who, kind="counts")
    cells, amounts, note = judge_cells(scored, programme, who, fdr=0.1)
    return {
        "cells": cells,
        "amounts": amounts,
        "note": note,
        "scores": scored.scores,
        "seconds": time.process_time() - t0,
    }


def summary(d: Data, r: dict[str, Any]) -> dict[str, Any]:
    T, truth, c = d.treated, d.truth, r["cells"]
    total = r["scores"][:, 0]
    areas = [
        auroc(truth[m], total[m])
        for k in np.unique(d.compartment)
        if (m := T & (d.compartment == k) & np.isfinite(total)).any()
    ]
    called = (c["called"] & ~c["deep"]).to_numpy()
    p = c["p"].to_numpy()
    first = T & (bh(p, T) <= 0.1)
    shares = amounts(d, r["amounts"])
    return {
        "auroc": np.nanmean(areas) if truth.any() else np.nan,
        "n": int(T.sum()),
        "true": truth[T].mean(),
        "called": int(called.sum()),
        "wrong": int((called & ~truth).sum()),
        "bound": wrong_at_most(p, called, T, np.unique(d.sample, return_inverse=True)[1]),
        "found": called[truth & T].mean() if (truth & T).any() else np.nan,
        "deep": int((c["called"] & c["deep"]).sum()),
        "t_called": int(first.sum()),
        "t_wrong": int((first & ~truth).sum()),
        "t_found": first[truth & T].mean() if (truth & T).any() else np.nan,
        "share": shares["prevalence"].mean(),
        "true_share": shares["true"].mean(),
        "covered": (
            (shares["prevalence_lo"] <= shares["true"])
            & (shares["true"] <= shares["prevalence_hi"])
        ).mean(),
        "covered_tissue": (
            (shares["prevalence_lo"] <= d.share) & (d.share <= shares["prevalence_hi"])
        ).mean()
        if np.isfinite(d.share)
        else np.nan,
    }


def amounts(d: Data, table: pd.DataFrame) -> pd.DataFrame:
    """Estimated beside true shares of irradiated samples x compartments of 20 cells or more."""
    cells = pd.DataFrame(
        {"sample": d.sample, "compartment": d.compartment, "true": d.truth, "n": 1, "T": d.treated}
    )
    true = cells.groupby(["sample", "compartment"], observed=True).agg(
        {"true": "mean", "n": "sum", "T": "first"}
    )
    both = table.merge(true.reset_index(), on=["sample", "compartment"])
    return both[both["T"] & (both["n"] >= 20) & both["prevalence"].notna()]


def base(seed: int, *, n: int = 4, cells: int = 400) -> Data:
    path = CACHE / f"tissue-{seed}-{n}-{cells}.h5ad"
    if path.exists():
        a = ad.read_h5ad(path)
    else:
        a = tissue(seed, Size(1, cells, 1), two_arms(n=n), burden=0.0, acute=0.0)
        a.uns = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        a.write_h5ad(path)
    return Data(
        a.X,
        a.var_names.to_numpy(object),
        a.obs["sample"].astype(str),
        a.obs["compartment"].astype(str),
        a.obs["treatment"] == "irradiated",
    )


def planted(d: Data, change, share, seed, *, controls=0.0, factor=1.0) -> Data:
    rng = np.random.default_rng(seed + 7)
    chosen = rng.random(len(d.treated)) < np.where(d.treated, share, controls)
    new = plant(
        d.counts, d.compartment, chosen, change.reindex(d.genes).fillna(0).to_numpy() * factor, rng
    )
    return d.but(counts=new, truth=chosen, share=share)


def decoy(d: Data, name: str, seed: int) -> Data:
    rng = np.random.default_rng(seed + 11)
    T, n, g = d.treated, len(d.treated), d.genes
    if name == "null":
        return d
    if name == "inflamed":
        return d.but(
            counts=plant(
                d.counts,
                d.compartment,
                rng.random(n) < np.where(T, 0.25, 0.05),
                of_sets(g, INFLAMED, rng, 0.5, 0.9),
                rng,
            )
        )
    if name == "p53":
        return d.but(
            counts=plant(
                d.counts,
                d.compartment,
                T & (rng.random(n) < 0.25),
                of_sets(g, ["p53_targets"], rng, 0.8, 0.9),
                rng,
            )
        )
    if name == "shift":
        return d.but(
            counts=plant(
                d.counts,
                d.compartment,
                T.copy(),
                of_sets(g, [*ARREST, *INFLAMED], rng, 0.3, 0.25),
                rng,
            )
        )
    if name == "half depth":
        return d.but(counts=thinned(d.counts, np.where(T, 0.5, 1.0), rng))
    if name == "quarter depth":
        return d.but(counts=thinned(d.counts, np.where(T, 0.25, 1.0), rng))
    if name == "ifn":
        return d.but(
            counts=plant(
                d.counts,
                d.compartment,
                T & (rng.random(n) < 0.3),
                of_sets(g, ["interferon_response", "reactome_ifn_ab"], rng, 0.8, 1.2),
                rng,
            )
        )
    if name == "quiescent":
        return d.but(
            counts=plant(
                d.counts,
                d.compartment,
                T & (rng.random(n) < 0.25),
                of_sets(g, ["quiescence", "graham_quiescence"], rng, 0.6, 0.9)
                - of_sets(g, CYCLE, rng, 0.8, 0.9),
                rng,
            )
        )
    if name == "ambient":
        amb = np.asarray(d.counts[T].sum(0)).ravel()
        amb = amb / amb.sum()
        frac = np.where(T, 0.2, 0.05)
        tot = np.asarray(d.counts.sum(1)).ravel()
        kept = thinned(d.counts, 1 - frac, rng)
        add = sparse.vstack(
            [
                sparse.csr_matrix(rng.multinomial(int(t * f), amb).astype(float))
                for t, f in zip(tot, frac, strict=True)
            ]
        )
        return d.but(counts=sparse.csr_matrix(kept + add))
    if name == "batch":
        change = rng.normal(0, 0.25, len(g))
        ss = {a: sorted(set(d.sample[a == T])) for a in (True, False)}
        hit = set(ss[True][: max(1, 3 * len(ss[True]) // 4)]) | set(
            ss[False][: max(1, len(ss[False]) // 4)]
        )
        return d.but(
            counts=plant(
                d.counts, d.compartment, np.isin(d.sample, list(hit)), change, rng, spread=(1, 1)
            )
        )
    if name == "labels":
        comp = d.compartment.copy()
        i = rng.random(n) < 0.1
        comp[i] = rng.permutation(comp[i])
        return d.but(compartment=comp)
    raise KeyError(name)


DECOYS = (
    "null",
    "inflamed",
    "p53",
    "shift",
    "half depth",
    "quarter depth",
    "ifn",
    "quiescent",
    "ambient",
    "batch",
    "labels",
)


def pbmc(how: str) -> Data:

    a = ad.read_h5ad(REALDATA / "null_pbmc_ifnb" / "pbmc_ifnb_ctrl_stim.h5ad")
    T = a.obs.iloc[:, 0].astype(str).str.contains("stim", case=False).to_numpy()
    rng = np.random.default_rng(0)
    s = rng.integers(0, 4, a.n_obs)
    X = sparse.csr_matrix(a.X, dtype=float)
    g = a.var_names.to_numpy(object)
    comp = np.full(a.n_obs, "all", dtype=object)
    if how == "types":
        look = lambda names: np.asarray(X[:, np.isin(g, names)].sum(1)).ravel()  # noqa: E731
        tot = np.asarray(X.sum(1)).ravel()
        mono, t = (
            look(["CD14", "LYZ", "S100A8", "S100A9", "FCGR3A", "CST3"]) / tot,
            look(["CD3D", "CD3E", "IL7R", "CD2", "TRAC"]) / tot,
        )
        comp = np.where(mono > 0.006, "monocyte", np.where(t > 0.0005, "t", "other")).astype(object)
    return Data(
        X, g, np.array([f"{'S' if x else 'C'}{i}" for x, i in zip(T, s, strict=True)]), comp, T
    )


def ngp() -> Data:

    a = ad.read_h5ad(REALDATA / "ngp_nutlin_p53" / "ngp_nutlin_83cells.h5ad")
    T = a.obs["treatment"].astype(str).str.contains("nutlin", case=False).to_numpy()
    s = np.random.default_rng(0).integers(0, 2, a.n_obs)
    return Data(
        sparse.csr_matrix(a.X, dtype=float),
        a.var_names.to_numpy(object),
        np.array([f"{'N' if x else 'V'}{i}" for x, i in zip(T, s, strict=True)]),
        np.full(a.n_obs, "ngp", object),
        T,
    )


def pc9(*, split: bool = False) -> Data:

    a = ad.read_h5ad(REALDATA / "pc9_erlotinib_dropseq" / "pc9_erlotinib.h5ad")
    col = next(c for c in a.obs if a.obs[c].astype(str).str.contains("erlotinib", case=False).any())
    T = a.obs[col].astype(str).str.contains("erlotinib", case=False).to_numpy()
    rng = np.random.default_rng(0)
    s = rng.integers(0, 3, a.n_obs)
    if split:
        T = rng.random(a.n_obs) < 0.5
    return Data(
        sparse.csr_matrix(a.X, dtype=float),
        a.var_names.to_numpy(object),
        np.array([f"{'E' if x else 'C'}{i}" for x, i in zip(T, s, strict=True)]),
        np.full(a.n_obs, "tumour", object),
        T,
    )


def immune(seed=0, n=3) -> Data:

    a = ad.read_h5ad(REALDATA / "celltypist_immune_cells_sc" / "counts.h5ad")
    rng = np.random.default_rng(seed)
    T = rng.random(a.n_obs) < 0.5
    s = rng.integers(0, n, a.n_obs)
    return Data(
        sparse.csr_matrix(np.rint(a.X.toarray() if sparse.issparse(a.X) else a.X)),
        a.var_names.to_numpy(object),
        np.array([f"{'E' if x else 'C'}{i}" for x, i in zip(T, s, strict=True)]),
        np.full(a.n_obs, "immune", object),
        T,
    )


def culture(seed, n=3) -> Data:
    d = base(seed, n=max(n, 4), cells=400)
    keep = (d.compartment == "fibroblast") | (d.compartment == "tumour")
    keep = d.compartment == ("tumour" if seed % 2 else "fibroblast")
    ss = [*sorted(set(d.sample[d.treated]))[:n], *sorted(set(d.sample[~d.treated]))[:n]]
    keep &= np.isin(d.sample, ss)
    return d.but(
        counts=d.counts[keep],
        sample=d.sample[keep],
        compartment=d.compartment[keep],
        treated=d.treated[keep],
        truth=d.truth[keep],
    )


PARTS = ("damage", "oncogene", "replicative", "two", "culture", "aged", "decoys", "real")


def scenarios(
    which: str, wanted: set[str], seeds: list[int]
) -> Iterator[tuple[str, Data, str | None]]:
    tune = which == "tune"
    facts = contrasts()
    mine = facts[facts["tune"] == tune]
    want = lambda s: not wanted or s in wanted  # noqa: E731
    E = effects()
    for seed in seeds:
        d = base(seed)
        for name, f in mine.iterrows():
            cls = {"DNA-damage": "damage", "Oncogene": "oncogene", "Replicative": "replicative"}[
                f.kind
            ]
            if not want(cls):
                continue
            for factor, share in (
                ((0.6, 0.1), (0.6, 0.02), (0.6, 0.05), (0.3, 0.1), (1.0, 0.1), (0.6, 0.3))
                if cls == "damage"
                else ((0.6, 0.1),)
            ):
                yield (
                    f"{cls} x{factor} {share}|{name}",
                    planted(d, E[name], share, seed, factor=factor),
                    f.study,
                )
        damage = mine[mine.kind == "DNA-damage"]
        if want("two"):
            d2 = base(seed, n=2)
            for name, f in damage.iterrows():
                yield f"2+2 x0.6 0.1|{name}", planted(d2, E[name], 0.1, seed, factor=0.6), f.study
            yield "2+2 null|", d2, None
        if want("culture"):
            for s in (seed, seed + 1):
                c = culture(s)
                for name, f in damage.iterrows():
                    for share in (0.7, 1.0):
                        yield (
                            f"culture x0.6 {share}|{name}",
                            planted(c, E[name], share, seed, factor=0.6),
                            f.study,
                        )
                for n in ("null", "shift", "p53", "half depth", "batch"):
                    yield f"culture decoy {n}|", decoy(c, n, seed), None
        if want("aged"):
            for name, f in damage.iterrows():
                yield (
                    f"5 % among controls, 0.2|{name}",
                    planted(d, E[name], 0.2, seed, controls=0.05, factor=0.6),
                    f.study,
                )
        if want("decoys"):
            for n in DECOYS:
                yield f"decoy {n}|", decoy(d, n, seed), None
        if want("real"):
            yield "real pbmc one|", pbmc("all"), None
            yield "real pbmc types|", pbmc("types"), None
            yield "real ngp|", ngp(), None
            yield "real pc9|", pc9(), None
            yield "real pc9 split|", pc9(split=True), None
            for i in range(3):
                yield "real immune split|", immune(i), None
            for name, f in damage.iterrows():
                yield (
                    f"in pc9 x0.6 0.2|{name}",
                    planted(pc9(split=True), E[name], 0.2, seed, factor=0.6),
                    f.study,
                )
                yield (
                    f"in immune x0.6 0.2|{name}",
                    planted(immune(5), E[name], 0.2, seed, factor=0.6),
                    f.study,
                )


def depth_rho(d: Data, r: dict[str, Any]) -> float:
    """Spearman correlation of the score with counts in control cells, mean over compartments."""
    score, depth = r["cells"]["score"].to_numpy(), np.asarray(d.counts.sum(axis=1)).ravel()
    seen = ~d.treated & np.isfinite(score)
    own = [seen & (d.compartment == c) for c in np.unique(d.compartment[seen])]
    return float(np.mean([stats.spearmanr(score[m], depth[m]).statistic for m in own]))


def tried(cases: Iterator[tuple[str, Data, Any]]) -> pd.DataFrame:
    """One row a case: what is called in it, or why the study is refused."""
    rows = []
    for name, d, study in cases:
        row = {"scenario": name.split("|")[0], "name": name.split("|")[1][:24]}
        try:
            r = run(d, study)
        except (DesignError, InputError) as error:
            row |= {"n": int(d.treated.sum()), "called": 0, "wrong": 0, "refused": error.message}
        else:
            row |= summary(d, r) | {
                "rho": depth_rho(d, r),
                "s": round(r["seconds"], 1),
                "note": r["note"][:60],
            }
        rows.append(row)
        print(row, flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    quiet()
    which = sys.argv[1]
    wanted, seeds = seeds_of(set(sys.argv[2:]))
    seeds = seeds or [1 if which == "tune" else 2]
    if any(s % 2 != (which == "tune") for s in seeds):
        sys.exit(f"seeds {seeds}: odd ones are for tuning, even ones for the report")
    parts = sorted(wanted) or list(PARTS)
    tables = []
    for part in parts:
        for seed in seeds:
            tables.append(tried(scenarios(which, {part}, [seed])).assign(seed=seed))
            if which == "report":
                keep(part, seed, tables[-1])
    t = pd.concat(tables, ignore_index=True)
    print(t.round(3).to_string())
    agg = t.groupby("scenario", sort=False).agg(
        k=("n", "size"),
        n=("n", "sum"),
        auroc=("auroc", "mean"),
        called=("called", "sum"),
        wrong=("wrong", "sum"),
        found=("found", "mean"),
        t_called=("t_called", "sum"),
        t_wrong=("t_wrong", "sum"),
        t_found=("t_found", "mean"),
        share=("share", "mean"),
        true_share=("true_share", "mean"),
        covered=("covered", "mean"),
    )
    agg["fdp"] = agg.wrong / agg.called.clip(lower=1)
    agg["t_fdp"] = agg.t_wrong / agg.t_called.clip(lower=1)
    print(agg.round(3).to_string())


if __name__ == "__main__":
    main()
