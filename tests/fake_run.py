"""A small seeded run folder with every table that the report reads: no matrix, no cells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from senoscore.io.tables import write_tsv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMPARTMENTS = ["astrocyte", "fibroblast", "macrophage", "tumour", "endothelial", "t_cell"]
PEAK = {
    "astrocyte": 0.30,
    "fibroblast": 0.22,
    "macrophage": 0.10,
    "tumour": 0.16,
    "endothelial": 0.07,
    "t_cell": 0.0,
}
DECAY = {"fibroblast": 0.4, "tumour": 0.2}
AXES = [
    "arrest_p53",
    "arrest_p16",
    "proliferation",
    "ddr",
    "sasp",
    "sasp_interleukins",
    "sasp_chemokines",
    "sasp_growth_factors",
    "sasp_proteases",
    "sasp_inhibitors",
    "sasp_igfbps",
    "interferon",
    "nfkb",
    "ros",
    "chromatin",
    "lysosome",
    "tgfb_fibrosis",
]
DAYS = [1.0, 3.0, 7.0, 14.0, 28.0, 90.0]


def samples() -> pd.DataFrame:
    rows = [("ctrl", 0.0, np.nan, i) for i in range(1, 5)]
    rows += [("irr", 4.0, d, i) for d in DAYS for i in range(1, 4)]
    rows += [("irr", 2.0, d, i) for d in (7.0, 28.0) for i in range(1, 3)]
    return pd.DataFrame(
        [
            {
                "sample": f"{kind}_{dose:g}Gy_d{0 if np.isnan(day) else day:g}_{i}",
                "subject": f"m{n:02d}",
                "treatment": "control" if kind == "ctrl" else "irradiated",
                "dose_gy": dose,
                "n_fractions": 0 if kind == "ctrl" else 1,
                "modality": "photon",
                "days_post_rt": day,
                "batch": f"b{1 + n % 2}",
            }
            for n, (kind, dose, day, i) in enumerate(rows, start=1)
        ]
    )


def _shape(compartment: str, day: float) -> float:
    rise = 1 / (1 + np.exp(-(np.log1p(day) - np.log1p(6)) * 3))
    fall = DECAY.get(compartment, 0.0) * max(0.0, np.log1p(day) - np.log1p(28)) / 1.2
    return float(rise * (1 - fall))


def burden(
    rng: np.random.Generator, compartments: Sequence[str] = tuple(COMPARTMENTS)
) -> pd.DataFrame:
    rows = []
    for sheet in samples().to_dict("records"):
        treated = sheet["treatment"] != "control"
        for c in compartments:
            n = int(rng.integers(150, 500)) if c != "t_cell" else int(rng.integers(12, 90))
            level = _shape(c, sheet["days_post_rt"]) if treated else 0.0
            level *= 0.5 if sheet["dose_gy"] == 2 else 1.0
            p = float(np.clip(0.012 + PEAK[c] * level * rng.lognormal(0, 0.15), 0, 1))
            n_sen = int(rng.binomial(n, p))
            acute = treated and sheet["days_post_rt"] <= 3
            n_acute = int(rng.binomial(n - n_sen, 0.18 if acute else 0.01))
            n_cyc = int(rng.binomial(n - n_sen - n_acute, 0.25 if c == "tumour" else 0.03))
            few = n < 30
            row = {"dataset": "demo", **sheet, "region": "", "compartment": c}
            row |= {"n_cells": n, "n_assessable": n, "n_senescent": n_sen}
            row |= {"n_senescent_candidate": int(rng.binomial(n - n_sen - n_acute - n_cyc, 0.02))}
            row |= {"n_acute_damage_response": n_acute, "n_quiescent": 0, "n_cycling": n_cyc}
            row |= {"n_escaped": 0, "n_not_assessable": 0}
            row["n_other"] = n - sum(
                v
                for k, v in row.items()
                if k.startswith("n_")
                and k not in {"n_cells", "n_assessable", "n_fractions", "n_other"}
            )
            f = np.nan if few else n_sen / n
            half = 1.96 * np.sqrt(max(p * (1 - p), 1e-4) / n)
            row |= {"fraction": f, "fraction_lo": max(0.0, f - half), "fraction_hi": f + half}
            row |= {"index_mean": rng.normal(3 * PEAK[c] * level, 0.05)}
            for a in AXES:
                gain = {"proliferation": -2.0, "ddr": 1.0, "interferon": 1.2}.get(a, 3.0)
                gain *= (
                    PEAK[c]
                    / 0.3
                    * (
                        level
                        if a not in {"ddr", "interferon"}
                        else float(treated) * np.exp(-(sheet["days_post_rt"] or 0) / 20)
                    )
                )
                row[f"mean:{a}"] = rng.normal(0 if np.isnan(gain) else gain, 0.12)
            row |= {"status": "few_cells" if few else "ok"}
            row |= {"note": f"{n} cells (< 30): not used for fractions" if few else ""}
            rows.append(row)
    table = pd.DataFrame(rows)
    base = table[table["treatment"] == "control"].groupby("compartment")["fraction"].mean()
    at = table.columns.get_loc("index_mean")
    table.insert(at, "control_fraction", table["compartment"].map(base))
    table.insert(at + 1, "excess", table["fraction"] - table["control_fraction"])
    return table


def trend(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for c in dict.fromkeys(table["compartment"]):
        part = table[table["compartment"] == c]
        control = part[part["treatment"] == "control"]
        for (day, dose), group in part[part["treatment"] != "control"].groupby(
            ["days_post_rt", "dose_gy"]
        ):
            for measure, column in [
                ("fraction_senescent", "fraction"),
                ("z:sasp_interleukins", "mean:sasp_interleukins"),
                ("z:sasp_chemokines", "mean:sasp_chemokines"),
                ("z:sasp", "mean:sasp"),
            ]:
                a, b = control[column].dropna(), group[column].dropna()
                points = b.mean() - a.mean() if column == "fraction" else np.nan
                if column == "fraction":
                    a, b = np.arcsin(np.sqrt(a)), np.arcsin(np.sqrt(b))
                ok = len(a) >= 2 and len(b) >= 2
                sd = float(np.sqrt((a.var() + b.var()) / 2)) if ok else np.nan
                se = max(sd, 0.004) * np.sqrt(1 / max(len(a), 1) + 1 / max(len(b), 1))
                est = b.mean() - a.mean()
                p = float(np.clip(np.exp(-0.9 * abs(est / se)), 1e-9, 1)) if ok else np.nan
                rows.append(
                    {
                        "family": f"{measure}: irradiated vs control",
                        "question": "irradiated_vs_control",
                        "compartment": c,
                        "measure": measure,
                        "contrast": f"irradiated {dose:g} Gy vs control @ {day:g} d",
                        "treatment": "irradiated",
                        "days_post_rt": day,
                        "dose_gy": dose,
                        "n_fractions": 1,
                        "modality": "photon",
                        "n_control": len(a),
                        "n_treated": len(b),
                        "estimate": est,
                        "ci_lo": est - 2.1 * se if ok else np.nan,
                        "ci_hi": est + 2.1 * se if ok else np.nan,
                        "unit": "radians (arcsine)" if column == "fraction" else "control SD",
                        "estimate_fraction": points,
                        "df": 18,
                        "statistic": est / se,
                        "p": p,
                        "q": min(1.0, p * 3) if ok else np.nan,
                        "p_permutation": 0.03 if ok else np.nan,
                        "permutation_floor": 0.0286,
                        "method": "linear model, pooled variance, t",
                        "status": "tested" if ok else "not_testable",
                        "reason": "" if ok else "fewer than 2 samples with 30 cells in a group",
                    }
                )
    return pd.DataFrame(rows)


def coverage() -> pd.DataFrame:
    sets = [
        ("senmayo", 125, 118),
        ("fridman", 91, 84),
        ("corescence", 55, 55),
        ("casella", 60, 51),
        ("p53_direct_targets", 116, 110),
        ("e2f_targets", 200, 197),
        ("sasp_interleukins", 12, 12),
        ("sasp_igfbps", 6, 6),
        ("sahf", 13, 5),
        ("sting", 16, 15),
    ]
    return pd.DataFrame(
        [
            {
                "dataset": "demo",
                "signature": s,
                "direction": "up",
                "n_listed": n,
                "n_found": f,
                "fraction": f / n,
                "gate": "pass" if f / n >= 0.5 else "fail",
                "missing": " ".join(f"GENE{i}" for i in range(n - f)),
            }
            for s, n, f in sets
        ]
    )


def write_run(
    folder: Path, *, seed: int = 7, compartments: Sequence[str] = tuple(COMPARTMENTS)
) -> Path:
    """Write a whole run folder and return it."""
    rng = np.random.default_rng(seed)
    for name in ("matrix", "cells", "scores", "calls", "summary"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    sheet = samples()
    write_tsv(sheet, folder / "summary" / "samples.tsv")
    table = burden(rng, compartments)
    write_tsv(table, folder / "summary" / "burden.tsv")
    contrasts = trend(table)
    write_tsv(contrasts, folder / "summary" / "trend.tsv")
    families = contrasts.groupby(["family", "question"], as_index=False).agg(
        n_rows=("p", "size"), n_tested=("p", "count")
    )
    families["n_not_testable"] = families["n_rows"] - families["n_tested"]
    families["adjustment"] = "Benjamini-Hochberg"
    write_tsv(families, folder / "summary" / "families.tsv")
    labels = pd.DataFrame(
        [
            {
                "dataset": "demo",
                "check": "p53_response",
                "group": "1 d",
                "sample": s,
                "value": rng.normal(v, 0.2),
                "expected": e,
                "flag": "ok",
                "note": "",
            }
            for s, v, e in [("irr_4Gy_d1_1", 1.5, "up"), ("ctrl_0Gy_d0_1", 0.0, "none")]
        ]
    )
    write_tsv(labels, folder / "summary" / "label_check.tsv")
    write_tsv(coverage(), folder / "scores" / "demo.coverage.tsv")
    write_tsv(qc_samples(sheet, rng), folder / "cells" / "demo.qc_samples.tsv")
    write_tsv(genes(), folder / "matrix" / "demo.genes.tsv")
    rates = pd.DataFrame(
        [
            {
                "compartment": c,
                "sample": s,
                "n_cells": 300,
                "n_called": 3,
                "rate": float(rng.beta(3, 250)),
                "target": 0.01,
                "z_cut": 2.6,
                "status": "ok",
            }
            for c in COMPARTMENTS
            for s in sheet.loc[sheet["treatment"] == "control", "sample"]
        ]
    )
    write_tsv(rates, folder / "calibration_rates.tsv")
    (folder / "provenance.json").write_text(json.dumps(provenance(), indent=1))
    return folder


def qc_samples(sheet: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for s in sheet["sample"]:
        lost = rng.integers(0, 40, 3)
        n = int(rng.integers(1500, 2500))
        rows.append(
            {
                "sample": s,
                "n_cells": n,
                "n_kept": n - int(lost.sum()),
                "lost_low_counts": lost[0],
                "lost_high_mt": lost[1],
                "lost_doublet": lost[2],
                "median_counts": 3500.0,
                "median_genes": 1700.0,
                "limits": "log counts 6.1 to 10.2; mt < 14 %",
                "note": "",
            }
        )
    return pd.DataFrame(rows)


def genes() -> pd.DataFrame:
    rows = [(f"G{i}", f"G{i}", f"ENSG{i:011d}", "symbol", "") for i in range(60)]
    rows += [
        ("IL8", "CXCL8", "ENSG00000169429", "alias", "CXCL8"),
        ("foo", "foo", "", "unknown", "kept"),
    ]
    return pd.DataFrame(rows, columns=["input", "symbol", "ensembl_id", "status", "note"])


def provenance() -> dict[str, object]:
    return {
        "created": "2026-11-23T14:00:00+00:00",
        "senoscore": "0.1.0",
        "python": "3.11.9",
        "platform": "Linux-x86_64",
        "versions": {"anndata": "0.12.0", "numpy": "2.4.0", "pandas": "2.3.3"},
        "config": {"phases": {"scheme": "three", "cuts_days": [3, 28]}, "stats": {"fdr": 0.05}},
        "inputs": [{"file": "demo.h5ad", "bytes": 123456, "sha256": "ab" * 32}],
        "signatures": {"sha256": "cd" * 32, "n": 10},
        "seeds": {"seed": 0},
    }
