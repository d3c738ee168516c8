"""Something is senescent: is it found, how much of it, and by what better?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from spike import spiked
from study import (
    ALPHA,
    METHODS,
    PUBLISHED,
    Size,
    auprc,
    auroc,
    called,
    comparator_columns,
    markers,
    panel_signatures,
    table,
    tissue,
)

import senoscore as sen

if TYPE_CHECKING:
    import anndata as ad

BURDENS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5)
DEPTHS = (500, 1000, 2000, 4000, 10_000)


def _with_comparators(adata: ad.AnnData) -> pd.DataFrame:
    names = list(dict.fromkeys([*panel_signatures(), *PUBLISHED]))
    cells = table(adata, names, METHODS)
    return pd.concat([cells, markers(adata)], axis=1)


def _spiked_tissue(seed: int, size: Size, burden: float, *, depth: float = 4000) -> pd.DataFrame:
    """Tissue without senescence; a share of every irradiated compartment gets a programme."""
    adata = tissue(seed, size, burden=0.0, acute=0.0, median_counts=depth)
    rng = np.random.default_rng(seed)
    treated = (adata.obs["treatment"] == "irradiated").to_numpy()
    chosen = treated & (rng.random(adata.n_obs) < burden)
    adata = spiked(adata, chosen, rng=rng)
    adata.obs["truth"] = chosen
    return called(_with_comparators(adata))


def burdens(size: Size) -> pd.DataFrame:
    """Estimated against true share, programme of the package's tissue and a random one."""
    rows = []
    for seed in range(300, 300 + size.seeds):
        for burden in BURDENS:
            adata = tissue(seed, size, burden=0.0, acute=0.0)
            own = tissue(seed, size, burden=burden / 0.22, acute=0.0)  # astrocytes at day 28: .22
            own.obs["truth"] = (own.obs["true_state"] == "senescent").to_numpy()
            rows += _estimates(called(table(own)), "programme of the tissue", burden, seed)
            rng = np.random.default_rng(seed)
            treated = (adata.obs["treatment"] == "irradiated").to_numpy()
            chosen = treated & (rng.random(adata.n_obs) < burden)
            foreign = spiked(adata, chosen, rng=rng)
            foreign.obs["truth"] = chosen
            rows += _estimates(called(table(foreign)), "random programme", burden, seed)
    return pd.DataFrame(rows)


def _estimates(cells: pd.DataFrame, what: str, burden: float, seed: int) -> list[dict[str, object]]:
    """Per compartment: true share, rule, excess over control, called, in irradiated cells."""
    rows = []
    for name, part in cells.groupby("compartment", observed=True):
        treated = part[(part["treatment"] == "irradiated") & part["senescence_index"].notna()]
        control = part[(part["treatment"] == "control") & part["senescence_index"].notna()]
        if len(treated) < 30 or len(control) < 30:
            continue
        is_called = (treated["senescence_state"] == "senescent").to_numpy()
        truth = treated["truth"].to_numpy(dtype=bool)
        rows.append(
            {
                "what": what,
                "planted": burden,
                "seed": seed,
                "compartment": str(name),
                "n": len(treated),
                "true": truth.mean(),
                "rule": treated["panel_positive"].mean(),
                "excess": treated["panel_positive"].mean() - control["panel_positive"].mean(),
                "called": is_called.mean(),
                "n_called": int(is_called.sum()),
                "n_wrong": int((is_called & ~truth).sum()),
                "auroc": auroc(truth, treated["senescence_index"].to_numpy()),
            }
        )
    return rows


def depths(size: Size) -> pd.DataFrame:
    """Ranking of senescent cells by depth, both programmes, 20 % planted."""
    rows = []
    for seed in range(400, 400 + size.seeds):
        for depth in DEPTHS:
            for what in ("programme of the tissue", "random programme"):
                rows += _ranking(_planted(what, seed, size, depth), what, depth, seed)
    return pd.DataFrame(rows)


def _planted(what: str, seed: int, size: Size, depth: float) -> pd.DataFrame:
    """Called cells with a fifth senescent, by one programme or the other."""
    if what == "random programme":
        return _spiked_tissue(seed, size, 0.2, depth=depth)
    adata = tissue(seed, size, burden=0.9, acute=0.0, median_counts=depth)
    adata.obs["truth"] = (adata.obs["true_state"] == "senescent").to_numpy()
    return called(_with_comparators(adata))


def _ranking(cells: pd.DataFrame, what: str, depth: float, seed: int) -> list[dict[str, object]]:
    """AUROC and AUPRC of the index and of every comparator, per compartment."""
    rows = []
    treated = cells[(cells["treatment"] == "irradiated") & cells["senescence_index"].notna()]
    scores = {"index": "senescence_index"} | {c: c for c in comparator_columns(cells)}
    for name, part in treated.groupby("compartment", observed=True):
        truth = part["truth"].to_numpy(dtype=bool)
        if truth.sum() < 10:
            continue
        for label, column in scores.items():
            value = part[column].to_numpy(dtype=float)
            rows.append(
                {
                    "what": what,
                    "depth": depth,
                    "seed": seed,
                    "compartment": str(name),
                    "score": label,
                    "auroc": auroc(truth, value),
                    "auprc": auprc(truth, value),
                    "prevalence": truth.mean(),
                }
            )
    return rows


GRID = np.round(np.linspace(0, 1, 101), 2)
CURVES = ("ucell:senmayo", "score_genes:senmayo", "marker:CDKN1A")
STATED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def curves(size: Size) -> pd.DataFrame:
    """ROC and precision over recall of index and comparators, and wrong calls by stated FDR.

    4,000 counts, a fifth planted. One row a point: ``curve`` is roc, pr or fdr.
    """
    rows: list[dict[str, object]] = []
    for seed in range(450, 450 + size.seeds):
        for what in ("programme of the tissue", "random programme"):
            cells = _planted(what, seed, size, 4000)
            treated = cells[
                (cells["treatment"] == "irradiated") & cells["senescence_index"].notna()
            ]
            head = {"what": what, "seed": seed}
            by = treated.groupby("compartment", observed=True)
            parts = [part for _, part in by if part["truth"].sum() >= 10]
            for label in ("senescence_index", *CURVES):
                for curve in ("roc", "pr"):
                    many = [_points(part["truth"], part[label], curve) for part in parts]
                    rows += [
                        head | {"curve": curve, "score": label, "x": x, "y": y}
                        for x, y in zip(GRID, np.mean(many, axis=0), strict=True)
                    ]
            truth = treated["truth"].to_numpy(dtype=bool)
            for fdr in STATED:
                made = ((treated["senescence_fdr"] <= fdr) & treated["panel_positive"]).to_numpy()
                rows.append(
                    head | {"curve": "fdr", "score": "call", "x": fdr, "y": np.nan,
                            "n_called": int(made.sum()), "n_wrong": int((made & ~truth).sum())}
                )  # fmt: skip
    return pd.DataFrame(rows)


def _points(truth: pd.Series, score: pd.Series, curve: str) -> np.ndarray:
    from sklearn.metrics import precision_recall_curve, roc_curve

    y, x = truth.to_numpy(dtype=bool), score.to_numpy(dtype=float)
    if curve == "roc":
        false, true, _ = roc_curve(y, x)
        return np.interp(GRID, false, true)
    precision, recall, _ = precision_recall_curve(y, x)
    return np.interp(GRID, recall[::-1], precision[::-1])


def no_controls(size: Size) -> pd.DataFrame:
    """Irradiated animals alone, z against matched gene sets: candidates by true state."""
    rows = []
    for seed in range(470, 470 + size.seeds):
        adata = tissue(seed, size, burden=1.0, acute=0.0)
        adata = adata[(adata.obs["treatment"] == "irradiated").to_numpy()].copy()
        sen.score(adata, panel_signatures(), methods="ucell", null=50, n_threads=1)
        sen.call(adata)
        state = adata.obs["senescence_state"].astype(str)
        senescent = (adata.obs["true_state"] == "senescent").to_numpy()
        found = (state == "senescent_candidate").to_numpy()
        rows.append(
            {"seed": seed, "found": found[senescent].mean(), "wrong": found[~senescent].mean(),
             "called": (state == "senescent").mean()}
        )  # fmt: skip
    return pd.DataFrame(rows)


def cuts(size: Size) -> pd.DataFrame:
    """How a single score is usually cut: what does it call with and without senescence?

    The 95th percentile of the control cells of the compartment, Otsu's cut, and two Gaussians.
    """
    rows = []
    for seed in range(500, 500 + size.seeds):
        for burden in (0.0, 0.2):
            cells = _spiked_tissue(seed, size, burden)
            for score in ("ucell:senmayo", "ucell:fridman", "ucell:corescence", "marker:CDKN1A"):
                for name, part in cells.groupby("compartment", observed=True):
                    if len(part) < 200 or part[score].isna().any():
                        continue
                    rows += _cut(part, score, str(name), burden, seed)
            ours = cells[cells["senescence_index"].notna()]
            for name, part in ours.groupby("compartment", observed=True):
                treated = part[part["treatment"] == "irradiated"]
                is_called = (treated["senescence_state"] == "senescent").to_numpy()
                rows.append(
                    _share("senoscore", "call", treated, is_called, str(name), burden, seed)
                )
    return pd.DataFrame(rows)


def _cut(
    part: pd.DataFrame, score: str, name: str, burden: float, seed: int
) -> list[dict[str, object]]:
    from skimage.filters import threshold_otsu
    from sklearn.mixture import GaussianMixture

    x = part[score].to_numpy(dtype=float)
    treated = (part["treatment"] == "irradiated").to_numpy()
    limits = {"control q95": np.quantile(x[~treated], 1 - ALPHA)}
    if np.ptp(x) > 0:
        limits["Otsu"] = threshold_otsu(x)
    out = [
        _share(score, cut, part[treated], x[treated] > limit, name, burden, seed)
        for cut, limit in limits.items()
    ]
    fit = GaussianMixture(2, random_state=0).fit(x[:, None])
    upper = fit.predict(x[:, None]) == int(np.argmax(fit.means_))
    out.append(_share(score, "two Gaussians", part[treated], upper[treated], name, burden, seed))
    return out


def _share(
    score: str,
    cut: str,
    treated: pd.DataFrame,
    positive: np.ndarray,
    name: str,
    burden: float,
    seed: int,
) -> dict[str, object]:
    truth = treated["truth"].to_numpy(dtype=bool)
    return {
        "score": score,
        "cut": cut,
        "planted": burden,
        "seed": seed,
        "compartment": name,
        "called": positive.mean(),
        "n_called": int(positive.sum()),
        "n_wrong": int((positive & ~truth).sum()),
        "found": (positive & truth).sum() / max(truth.sum(), 1) if truth.any() else np.nan,
    }
