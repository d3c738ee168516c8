"""A simulated study on disk, in the formats people have: .h5ad, a layer, a 10x folder."""

from __future__ import annotations

import gzip
import secrets
import shutil
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import ConfigError
from senoscore.io import TEMPORARY_PREFIX, atomic_path, write_tsv
from senoscore.simulation.followup import outcome_of, plasma_of
from senoscore.simulation.tissue import DRUGS, design, design_of_drugs, simulate

if TYPE_CHECKING:
    from pathlib import Path

    import anndata as ad


__all__ = ["DESIGNS", "SIZES", "write_study"]

SIZES: Final = {
    "demo": {"replicates": 3, "days": (1, 3, 7, 14, 28, 90), "cells": 420},
    "tiny": {"replicates": 2, "days": (1, 7, 28), "cells": 240},
}
"""Samples and cells of a study over time, by name."""

_SIZES_OF_DRUGS: Final = {
    "demo": {"replicates": 5, "cells": 420},
    "tiny": {"replicates": 3, "cells": 160},
}

DESIGNS: Final = ("time", "senolytic")
"""Irradiated over time, or drugs after irradiation."""

_BURDEN_SD: Final = 0.3
"""Spread of the burden between animals in the study of drugs, natural log."""

_FOLDER_SAMPLE: Final = 1
"""Position of the sample that is written as a 10x folder."""


def write_study(folder: Path, *, seed: int, size: str = "demo", layout: str = "time") -> None:
    """Write matrices, both sheets and the truth.

    The first batch is an .h5ad with counts in X; the second an .h5ad with log-normalised values
    in X and counts in a layer; one sample is a 10x folder.

    Parameters
    ----------
    folder
        Made if it is not there. The sheet's paths begin with it.
    seed
        Same seed, same study.
    size
        ``demo`` or ``tiny``.
    layout
        ``time``: irradiated and sham over time. ``senolytic``: sham and irradiated, each with a
        vehicle and a senolytic, and irradiated with a senomorphic, with ``plasma.tsv``,
        ``outcome.tsv`` and a ``config.yaml`` that names them.

    Raises
    ------
    ConfigError
        Unknown size or layout, or a seed that no generator takes.
    """
    if seed < 0:
        msg = f"seed is {seed}, expected a whole number of 0 or more"
        raise ConfigError(msg, fix="give another --seed")
    if size not in SIZES:
        msg = f"size is {size!r}, expected {' or '.join(SIZES)}"
        raise ConfigError(msg)
    if layout not in DESIGNS:
        msg = f"design is {layout!r}, expected {' or '.join(DESIGNS)}"
        raise ConfigError(msg)
    samples, adata = _drawn(layout, size, seed=seed)
    truth = adata.uns.pop("truth")
    truth_columns = ["true_compartment", "true_state", "is_doublet", "is_poor"]
    cells = adata.obs[[k.SAMPLE, *truth_columns]].reset_index(names=k.CELL)
    alone = str(samples[k.SAMPLE].iloc[_FOLDER_SAMPLE])
    in_folder = (adata.obs[k.SAMPLE] == alone).to_numpy()
    first = (adata.obs[k.BATCH] == "b1").to_numpy()
    folder.mkdir(parents=True, exist_ok=True)
    keep = [k.SAMPLE, k.BATCH]
    _write_h5ad(adata[first & ~in_folder], folder / "batch_1.h5ad", keep, logged=False)
    _write_h5ad(adata[~first & ~in_folder], folder / "batch_2.h5ad", keep, logged=True)
    _write_10x(adata[in_folder], folder / alone)
    datasets = pd.DataFrame(
        {
            k.DATASET: ["batch_1", "batch_2", alone],
            "path": [f"{folder}/batch_1.h5ad", f"{folder}/batch_2.h5ad", f"{folder}/{alone}"],
            "organism": "human",
            "format": ["h5ad", "h5ad", "10x_mtx"],
            "assay": "sc",
            k.SAMPLE: ["", "", alone],
            "sample_column": [k.SAMPLE, k.SAMPLE, ""],
        }
    )
    write_tsv(truth, folder / "truth.tsv")
    write_tsv(cells, folder / "truth_cells.tsv.gz")
    write_tsv(samples, folder / "samples.tsv")
    if layout == "senolytic":
        _write_followup(folder, samples, truth, seed=seed)
    write_tsv(datasets, folder / "datasets.tsv")  # last: its presence says the study is whole


def _drawn(layout: str, size: str, *, seed: int) -> tuple[pd.DataFrame, ad.AnnData]:
    if layout == "time":
        options: dict[str, Any] = SIZES[size]
        samples = design(replicates=options["replicates"], days=options["days"])
        return samples, simulate(samples, seed=seed, cells_per_sample=options["cells"])
    options = _SIZES_OF_DRUGS[size]
    samples = design_of_drugs(replicates=options["replicates"])
    cells = options["cells"]
    return samples, simulate(samples, seed=seed, cells_per_sample=cells, burden_sd=_BURDEN_SD)


def _write_followup(folder: Path, samples: pd.DataFrame, truth: pd.DataFrame, *, seed: int) -> None:
    secretion = samples["drug"].map(lambda name: DRUGS[name].secretion if name else 1.0)
    secretion.index = pd.Index(samples[k.SAMPLE])
    write_tsv(plasma_of(samples, truth, secretion=secretion, seed=seed), folder / "plasma.tsv")
    write_tsv(outcome_of(samples, truth, seed=seed), folder / "outcome.tsv")
    where = folder.as_posix()
    lines = [
        "# Drugs after radiotherapy, simulated. Keys left out have their defaults.",
        *(f"{key}: {where}/{key}.tsv" for key in ("datasets", "samples", "plasma")),
        f"outcome: {{table: {where}/outcome.tsv, landmark_days: {samples[k.TIME].max():g}}}",
    ]
    with atomic_path(folder / "config.yaml") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_h5ad(adata: ad.AnnData, path: Path, keep: list[str], *, logged: bool) -> None:
    out = adata.copy()
    out.obs = out.obs[keep].copy()
    if logged:
        out.layers["counts"] = out.X.copy()
        total = np.asarray(out.X.sum(axis=1)).ravel()
        values = out.X.astype(np.float32)
        values.data = np.log1p(values.data * np.repeat(1e4 / total, np.diff(values.indptr)))
        out.X = values.astype(np.float32)
    with atomic_path(path) as temporary:
        out.write_h5ad(temporary, compression="gzip")


def _write_10x(adata: ad.AnnData, folder: Path) -> None:
    """Cell Ranger's version 3 layout: genes in rows, one-based. The folder appears whole."""
    coo = adata.X.T.tocoo()
    lines = [
        "%%MatrixMarket matrix coordinate integer general",
        f"{coo.shape[0]} {coo.shape[1]} {coo.nnz}",
    ]
    lines += [f"{r + 1} {c + 1} {v}" for r, c, v in zip(coo.row, coo.col, coo.data, strict=True)]
    features = [f"{name}\t{name}\tGene Expression" for name in adata.var_names]
    unfinished = folder.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{folder.name}")
    try:
        _write_folder(unfinished, lines, features, list(adata.obs_names))
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_folder(folder: Path, matrix: list[str], features: list[str], cells: list[str]) -> None:
    for name, content in (
        ("matrix.mtx.gz", matrix),
        ("features.tsv.gz", features),
        ("barcodes.tsv.gz", cells),
    ):
        text = "\n".join(content) + "\n"
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
