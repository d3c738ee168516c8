"""Real matrices: what is known of each must come out, and nothing more.

Nothing in the panel was fitted to these sets. Bulk samples are whole profiles, scored by the
weighted mean (``call.profile_method``), and can be candidates at most.

Your own labelled set: one line in ``sets.yaml`` (path, label, positive, negative, organism,
optionally compartment, sample, treatment).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import yaml
from study import PUBLISHED, REALDATA, auroc, panel_signatures

import senoscore as sen

if TYPE_CHECKING:
    from pathlib import Path

METHOD = "wmean"


def _sheet(folder: Path, values: pd.DataFrame) -> pd.DataFrame:
    """The samples sheet, in the order of the matrix; its first column names the samples."""
    return pd.read_csv(folder / "samples.tsv", sep="\t", index_col=0).loc[values.index]


def _scores(values: pd.DataFrame, organism: str = "human") -> pd.DataFrame:
    names = list(dict.fromkeys([*panel_signatures(), *PUBLISHED]))
    sets = sen.signatures(*names, organism=organism)
    return sen.score(values, sets, methods=METHOD)


def _called(scores: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    cells = pd.concat([facts, scores], axis=1).assign(compartment="bulk")
    calibration = sen.calibrate(cells, method=METHOD)
    calls = sen.call(cells, calibration)
    keep = [c for c in calls if c.startswith(("z:", "senescence", "panel"))]
    return pd.concat([cells, calls[keep]], axis=1)


def _ranked(cells: pd.DataFrame, truth: np.ndarray, what: str, rng_seed: int = 0) -> pd.DataFrame:
    """AUROC of every signature, axis and the index, with a bootstrap interval over samples."""
    rng = np.random.default_rng(rng_seed)
    columns = [c for c in cells if c.startswith((f"{METHOD}:", "z:")) or c == "senescence_index"]
    yes, no = np.flatnonzero(truth), np.flatnonzero(~truth)
    draws = [np.concatenate([rng.choice(yes, len(yes)), rng.choice(no, len(no))])
             for _ in range(500)]  # fmt: skip
    rows = []
    for column in columns:
        x = cells[column].to_numpy(dtype=float)
        if not np.isfinite(x).all():
            rows.append({"set": what, "score": column, "auroc": np.nan})
            continue
        many = [auroc(truth[d], x[d]) for d in draws]
        low, high = np.nanquantile(many, [0.025, 0.975])
        rows.append({"set": what, "score": column, "auroc": auroc(truth, x), "auroc_lo": low,
                     "auroc_hi": high, "n": len(x)})  # fmt: skip
    return pd.DataFrame(rows)


def fibroblasts() -> pd.DataFrame:
    """GSE63577: replicatively senescent against proliferating fibroblasts, bulk."""
    folder = REALDATA / "gse63577_fibroblasts_replicative_bulk"
    if not folder.is_dir():
        return pd.DataFrame()
    values = pd.read_csv(folder / "normalised.tsv.gz", sep="\t", index_col=0).T
    sheet = _sheet(folder, values)
    senescent = (sheet["Condition"] == "Senescent").to_numpy()
    facts = pd.DataFrame(
        {
            "sample": values.index,
            "treatment": np.where(senescent, "senescent", "control"),
            "days_post_rt": 30.0,
        },
        index=values.index,
    )
    return _ranked(_called(_scores(values), facts), senescent, "GSE63577")


def lymphoma() -> pd.DataFrame:
    """GSE281695: irradiated minus control, in control SDs, by day; n = 2 a group."""
    folder = REALDATA / "gse281695_a20_lymphoma_irradiated_bulk"
    if not folder.is_dir():
        return pd.DataFrame()
    values = pd.read_csv(folder / "counts.tsv.gz", sep="\t", index_col=0).T
    sheet = _sheet(folder, values)
    scores = _scores(values, "mouse")
    rows = []
    for (unit, time), part in sheet.groupby(["time_unit", "time_post_rt"], sort=False):
        treated = part.index[part["treatment"] == "irradiated"]
        control = part.index.difference(treated)
        for column in ("p53_targets", "p21", "proliferation", "chromatin_nuclear", "senmayo"):
            x = scores[f"{METHOD}:{column}"]
            a, b = x[treated], x[control]
            row = {"time": f"{time:g} {unit}", "score": column, "difference": a.mean() - b.mean()}
            rows.append(row | {"lowest_treated": a.min(), "highest_control": b.max()})
    return pd.DataFrame(rows)


def molt4() -> pd.DataFrame:
    """MOLT4: an acute p53 response in two doses; senescent calls and p53 score by dose and time."""
    folder = REALDATA / "molt4_irradiated_timecourse_array"
    if not folder.is_dir():
        return pd.DataFrame()
    values = pd.read_csv(folder / "intensity.tsv.gz", sep="\t", index_col=0).T
    sheet = _sheet(folder, values)
    hours = pd.to_numeric(sheet["time_post_rt"])
    facts = pd.DataFrame(
        {
            "sample": values.index,
            "treatment": np.where(hours == 0, "control", "irradiated"),
            "days_post_rt": hours.to_numpy() / 24,
        },
        index=values.index,
    )
    cells = _called(_scores(values), facts)
    cells["dose"], cells["hours"] = sheet["dose_gy"].to_numpy(), hours.to_numpy()
    state = cells["senescence_state"].astype(str)
    cells["senescent"] = state.isin(["senescent", "senescent_candidate"])
    cells["acute"] = state == "acute_damage_response"
    by = cells.groupby(["dose", "hours"])
    table: Any = by.agg(n=("senescent", "size"), senescent=("senescent", "mean"),
                        acute=("acute", "mean"), p53=(f"{METHOD}:p53_targets", "mean"))  # fmt: skip
    return table.reset_index()


def own_sets(path: Path) -> pd.DataFrame:
    """Labelled .h5ad files named in ``sets.yaml``: AUROC of the scores of single cells."""
    wanted = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    tables = []
    for name, entry in wanted.items():
        adata = ad.read_h5ad(entry["path"])
        label = adata.obs[entry["label"]].astype(str)
        adata = adata[label.isin([entry["positive"], entry["negative"]]).to_numpy()].copy()
        truth = (adata.obs[entry["label"]].astype(str) == entry["positive"]).to_numpy()
        sets = sen.signatures(*PUBLISHED, *panel_signatures(), organism=entry["organism"])
        scored = sen.score(adata, sets, methods=METHOD, copy=True)
        cells = scored.obsm[f"score_{METHOD}"].add_prefix(f"{METHOD}:")
        tables.append(_ranked(cells, truth, name))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
