"""Real matrices: what is known of each must come out, and nothing more.

Nothing in the panel was fitted to these sets. Bulk samples are whole profiles, scored by the
weighted mean (``call.profile_method``), and can be candidates at most.

Your own labelled set of single cells: one line in ``sets.yaml`` (path, label, positive, negative,
organism, optionally compartment, sample, treatment, days_post_rt).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import yaml
from study import PUBLISHED, REALDATA, auroc, called, panel_signatures

import senoscore as sen

if TYPE_CHECKING:
    from pathlib import Path

    from study import Size

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
    columns = [
        c for c in cells if c.startswith((f"{METHOD}:", "ucell:", "z:")) or c == "senescence_index"
    ]
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


def permuted(size: Size) -> pd.DataFrame:
    """Labels of the bulk sets dealt anew: samples called senescent or candidate."""
    rows = []
    for name, folder, file, organism in (
        ("GSE63577", "gse63577_fibroblasts_replicative_bulk", "normalised.tsv.gz", "human"),
        ("GSE281695", "gse281695_a20_lymphoma_irradiated_bulk", "counts.tsv.gz", "mouse"),
        ("MOLT4", "molt4_irradiated_timecourse_array", "intensity.tsv.gz", "human"),
    ):
        if not (REALDATA / folder).is_dir():
            continue
        values = pd.read_csv(REALDATA / folder / file, sep="\t", index_col=0).T
        sheet = _sheet(REALDATA / folder, values)
        if "Condition" in sheet:
            control = (sheet["Condition"] != "Senescent").to_numpy()
        elif (sheet["treatment"] == "control").any():
            control = (sheet["treatment"] == "control").to_numpy()
        else:
            control = (pd.to_numeric(sheet["time_post_rt"]) == 0).to_numpy()
        scores = _scores(values, organism)
        for split in range(size.splits):
            mixed = np.random.default_rng(split).permutation(control)
            facts = pd.DataFrame(
                {"sample": values.index, "treatment": np.where(mixed, "control", "irradiated"),
                 "days_post_rt": 30.0},
                index=values.index,
            )  # fmt: skip
            cells = _called(scores, facts)
            own = cells[~mixed]
            state = own["senescence_state"].astype(str)
            rows.append(
                {"set": name, "split": split, "n": len(own), "n_control": int(mixed.sum()),
                 "assessed": (state != "not_assessable").mean(),
                 "called": (state == "senescent").mean(),
                 "candidate": state.isin(["senescent", "senescent_candidate"]).mean()}
            )  # fmt: skip
    return pd.DataFrame(rows)


def own_sets(path: Path) -> pd.DataFrame:
    """Labelled .h5ad files named in ``sets.yaml``: scored, calibrated on the negatives, called.

    AUROC of the index, the axes and the published sets, and the share of each label that the rule
    and the call take. ``sample``, ``compartment`` and ``treatment`` name columns; without them the
    cells are one sample of one compartment, and the negative label is the control.
    """
    wanted = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    tables = []
    for name, entry in wanted.items():
        adata = ad.read_h5ad(path.parent / entry["path"])
        label = adata.obs[entry["label"]].astype(str)
        adata = adata[label.isin([entry["positive"], entry["negative"]]).to_numpy()].copy()
        truth = (adata.obs[entry["label"]].astype(str) == entry["positive"]).to_numpy()
        names = list(dict.fromkeys([*PUBLISHED, *panel_signatures()]))
        sets = sen.signatures(*names, organism=entry["organism"])
        sen.score(adata, sets, methods="ucell")
        facts = pd.DataFrame({"cell": adata.obs_names.to_numpy(dtype=object)})
        obs = adata.obs.reset_index(drop=True)
        control = np.where(truth, "irradiated", "control").astype(object)
        facts["sample"] = obs[entry["sample"]].astype(str) if "sample" in entry else control
        facts["compartment"] = obs[entry["compartment"]] if "compartment" in entry else "all"
        facts["treatment"] = obs[entry["treatment"]] if "treatment" in entry else control
        facts["days_post_rt"] = float(entry.get("days_post_rt", 30))
        for depth in (c for c in ("n_counts", "total_counts") if c in obs):
            facts[depth] = obs[depth]
        scores = adata.obsm["score_ucell"].add_prefix("ucell:").reset_index(drop=True)
        cells = called(pd.concat([facts, scores], axis=1))
        known = cells["senescence_index"].notna().to_numpy()
        ranked = _ranked(cells[known], truth[known], name)
        state = cells["senescence_state"].astype(str)
        for what, own in (("positive", truth), ("negative", ~truth)):
            ranked[f"rule_{what}"] = cells["panel_positive"][own & known].mean()
            ranked[f"called_{what}"] = (state == "senescent")[own & known].mean()
        tables.append(ranked.assign(assessed=known.mean()))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
