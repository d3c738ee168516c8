"""A study of a drug after its burden table: 2 x 2 arms, two regions, blood, stains and outcome.

No matrix and no cells: what the questions read, as small as it can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import yaml
from scipy import sparse

from senoscore.io.tables import write_tsv

if TYPE_CHECKING:
    from pathlib import Path

ARMS = {("sham", ""): 5, ("sham", "x"): 5, ("rt", ""): 40, ("rt", "x"): 15}
"""Treatment and drug, and how many of 200 cells are senescent, about."""
ANIMALS = 6
REGIONS = ("core", "contralateral")
DAY = 14


def _animals() -> list[tuple[str, str, int, str]]:
    return [
        (word, drug, n, f"{word}{drug}{i}")
        for (word, drug), n in ARMS.items() for i in range(ANIMALS)
    ]  # fmt: skip


def samples() -> pd.DataFrame:
    """Samples sheet: two regions an animal."""
    return pd.DataFrame(
        [
            {
                "sample": f"{subject}{region}", "subject": subject, "treatment": word,
                "dose_gy": 8.0 * (word == "rt"), "n_fractions": "1" if word == "rt" else "",
                "time_post_rt": DAY, "time_unit": "d",
                "region": region, "drug": drug, "drug_dose": "50" if drug else "",
                "drug_unit": "mg/kg" if drug else "", "drug_start_days": "1" if drug else "",
                "ext_foci": n / 5 + 0.5 * at,
            }
            for at, (word, drug, n, subject) in enumerate(_animals()) for region in REGIONS
        ]
    )  # fmt: skip


def burden(seed: int = 1) -> pd.DataFrame:
    """Burden table of the samples, two compartments."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {
                "dataset": "d", "sample": f"{subject}{region}", "subject": subject,
                "treatment": f"{word} + {drug}" if drug else word, "treatment_given": word,
                "drug": drug, "drug_dose": "50" if drug else "", "dose_gy": 8.0 * (word == "rt"),
                "n_fractions": 1.0, "modality": "", "days_post_rt": float(DAY), "batch": "",
                "region": region, "assay": "sc", "organism": "mouse", "compartment": where,
                "n_cells": 200, "n_assessable": 200, "n_positive": n + int(rng.integers(0, 8)),
                "share": 0.5 + 0.01 * int(subject[-1]), "index_mean": rng.normal(),
                "mean:z:sasp_interleukin": rng.normal() + n / 10, "fraction": n / 200,
                "status": "ok", "note": "",
            }
            for word, drug, n, subject in _animals()
            for region in REGIONS
            for where in ("tumour", "astrocyte")
        ]
    )  # fmt: skip


def pseudobulk(seed: int = 3) -> pd.DataFrame:
    """Scores of pseudobulk profiles of the samples: one signature, of one profile too few genes."""
    rng = np.random.default_rng(seed)
    table = burden()[["sample", "compartment", "n_positive"]]
    score = (table["n_positive"] / 100 + rng.normal(0, 0.05, len(table))).mask(table.index == 0)
    return table.drop(columns="n_positive").assign(
        signature="senmayo", method="ssgsea", score=score,
        status=np.where(score.isna(), "skipped", "ok"),
    )  # fmt: skip


def target_values(seed: int = 4) -> pd.DataFrame:
    """PLAUR of the tumour cells of each sample: higher where more of them are senescent."""
    rng = np.random.default_rng(seed)
    table = burden().query("compartment == 'tumour'")
    return table[["sample", "compartment"]].assign(
        measure="target:PLAUR", target="surface_upar", kind="surface", n_genes=1, n_found=1,
        n_cells=200, value=table["n_positive"] / 100 + rng.normal(0, 0.05, len(table)),
        detected=0.5,
    )  # fmt: skip


def crosstalk_values(seed: int = 5) -> pd.DataFrame:
    """Tumour cells to astrocytes: a direction and its one pair, no drug changes it."""
    rng = np.random.default_rng(seed)
    table = burden().query("compartment == 'tumour'")[["sample", "compartment"]]
    about = {"receiver": "astrocyte", "known": "", "n_pairs": 1}
    value = rng.normal(1, 0.1, len(table))
    pair = {"ligand": "IL6", "receptor": "IL6R+IL6ST"}
    return pd.concat(
        [
            table.assign(
                measure="crosstalk:astrocyte", ligand="", receptor="", value=value, **about
            ),
            table.assign(
                measure="crosstalk_pair:astrocyte:IL6-IL6R+IL6ST", value=value, **pair, **about
            ),
        ]
    )


def plasma(seed: int = 2) -> pd.DataFrame:
    """Two factors before irradiation and on the day of the tissue; one mostly below its limit."""
    rng = np.random.default_rng(seed)
    levels = {"IL6": (8.0, 3.0), "IL1B": (0.6, 0.7)}
    rows = []
    for _, _, n, subject in _animals():
        for name, (level, lod) in levels.items():
            for day in (-1.0, float(DAY)):
                value = level * np.exp(rng.normal(0, 0.2) + (n / 30 if day > 0 else 0.0))
                rows.append(
                    {"subject": subject, "time": day, "time_unit": "d", "analyte": name,
                     "value": f"{value:.3g}" if value >= lod else "<LOD", "unit": "pg/mL",
                     "lod": lod}
                )  # fmt: skip
    return pd.DataFrame(rows)


def outcome() -> pd.DataFrame:
    """Time to recurrence of irradiated animals, and the grade of their fibrosis."""
    treated = [(n, subject) for word, _, n, subject in _animals() if word == "rt"]
    rows: list[dict[str, Any]] = []
    for at, (n, subject) in enumerate(treated):
        rows.append(
            {"subject": subject, "endpoint": "recurrence", "kind": "time-to-event",
             "time_days": 120 - n - 3 * at, "event": str(int(at % 4 > 0)), "value": ""}
        )  # fmt: skip
        rows.append(
            {"subject": subject, "endpoint": "fibrosis", "kind": "grade", "time_days": 180,
             "event": "", "value": str(1 + (n > 20) + at % 2)}
        )  # fmt: skip
    return pd.DataFrame(rows)


def external() -> pd.DataFrame:
    """Share of stained tumour cells, a bit above the burden; of one sample far above it."""
    return pd.DataFrame(
        [
            {"sample": f"{subject}{region}", "compartment": "tumour", "measure": "p16_share",
             "value": n / 200 + 0.02 + 0.01 * (at % 3) + 0.1 * (at + number == 0)}
            for at, (_, _, n, subject) in enumerate(_animals())
            for number, region in enumerate(REGIONS)
        ]
    )  # fmt: skip


CONFIG = {
    "datasets": "datasets.tsv", "samples": "samples.tsv", "control_treatment": "sham",
    "plasma": "plasma.tsv", "external": "external.tsv",
    "outcome": {"table": "outcome.tsv", "landmark_days": DAY, "min_events": 5},
    "report": {"pseudobulk": True},
    "contrasts": {"drug alone": {"arm": "rt + x", "against": "sham + x"}},
}  # fmt: skip


def write_study(folder: Path) -> Path:
    """Write all of it as a run folder in which the burden is known, with a matrix of four cells."""
    summary = folder / "results" / "summary"
    summary.mkdir(parents=True)
    write_tsv(burden(), summary / "burden.tsv")
    write_tsv(pseudobulk(), summary / "pseudobulk_scores.tsv")
    write_tsv(target_values(), summary / "target_values.tsv")
    write_tsv(crosstalk_values(), summary / "crosstalk_values.tsv")
    for name, table in (
        ("samples", samples()), ("plasma", plasma()), ("outcome", outcome()),
        ("external", external()),
    ):  # fmt: skip
        write_tsv(table, folder / f"{name}.tsv")
    obs = pd.DataFrame({"sample": samples()["sample"].iloc[:4].to_numpy()}, index=list("abcd"))
    cells = ad.AnnData(sparse.csr_matrix(np.eye(4, 6, dtype=np.int32)), obs=obs)
    cells.write_h5ad(folder / "d.h5ad")
    row = {"dataset": "d", "path": "d.h5ad", "organism": "mouse", "format": "h5ad", "assay": "sc",
           "sample": "", "sample_column": "sample"}  # fmt: skip
    write_tsv(pd.DataFrame([row]), folder / "datasets.tsv")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder
