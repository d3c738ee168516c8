"""A small study that is right in every respect, to be spoilt in one."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import yaml
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GENES = [
    "TP53", "CDKN1A", "CDKN2A", "MKI67", "LMNB1", "IL6", "CXCL8", "CCL2", "MMP3", "SERPINE1",
    "GDF15", "MDM2", "BAX", "ACTB", "GAPDH", "B2M", "VIM", "GFAP", "PTPRC", "CD3E",
    "CD68", "PECAM1", "COL1A1", "TOP2A", "PCNA", "MCM2", "E2F1", "RB1", "TGFB1", "STAT1",
]  # fmt: skip
CELLS = [f"c{i}" for i in range(12)]
INGEST = ("ingest", "--dataset", "d", "--samples", "samples.tsv")
CHECK = ("check",)
SIGNATURES = ("signatures",)


@dataclass(frozen=True)
class Case:
    """What is spoilt, what is run, and what must be said of it."""

    name: str
    build: Callable[[Path], None]
    said: tuple[str, ...]
    command: tuple[str, ...] = INGEST


def counts() -> np.ndarray:
    """Counts, 12 cells x 30 genes; no cell and no gene is empty."""
    return np.random.default_rng(0).poisson(3.0, (len(CELLS), len(GENES))) + 1


def write_good(folder: Path) -> None:
    """Config, both sheets and one .h5ad."""
    (folder / "config").mkdir(parents=True)
    configure(folder)
    (folder / "samples.tsv").write_text(
        "sample\ttreatment\tdose_gy\ttime_post_rt\ttime_unit\n"
        "s1\tcontrol\t0\t\t\ns2\tirradiated\t10\t7\td\n"
    )
    write_h5ad(folder / "data.h5ad")
    dataset(folder, "data.h5ad", sample_column="sample")


def configure(folder: Path, **sections: object) -> None:
    content = {"datasets": "datasets.tsv", "samples": "samples.tsv", **sections}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(content))


def dataset(folder: Path, path: str, *, organism: str = "human", **columns: str) -> None:
    """The datasets sheet, of one row."""
    row = {"dataset": "d", "path": path, "organism": organism, **columns}
    text = "\t".join(row) + "\n" + "\t".join(row.values()) + "\n"
    (folder / "datasets.tsv").write_text(text, encoding="utf-8")


def anndata(X: object = None, *, genes: list[str] | None = None, cells: list[str] | None = None):
    """An AnnData of two samples, counts in X unless told otherwise."""
    import anndata as ad

    X = sparse.csr_matrix(counts().astype(np.float32)) if X is None else X
    cells, genes = CELLS if cells is None else cells, GENES if genes is None else genes
    label = ["s1" if i < (len(cells) + 1) // 2 else "s2" for i in range(len(cells))]
    obs = pd.DataFrame({"sample": pd.Categorical(label)}, index=pd.Index(cells, dtype=object))
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=pd.Index(genes, dtype=object)))


def write_h5ad(path: Path, X: object = None, **options: list[str]) -> None:
    anndata(X, **options).write_h5ad(path, compression="gzip")


def write_10x(folder: Path, *, v3: bool = True) -> None:
    """The folder of a 10x pipeline."""
    folder.mkdir()
    X = sparse.coo_matrix(counts().T)
    lines = ["%%MatrixMarket matrix coordinate integer general", "%"]
    lines.append(f"{X.shape[0]} {X.shape[1]} {X.nnz}")
    lines += [f"{r + 1} {c + 1} {v}" for r, c, v in zip(X.row, X.col, X.data, strict=True)]
    end = ["Gene Expression"] if v3 else []
    table = ["\t".join([f"ENSG{i:011d}", gene, *end]) for i, gene in enumerate(GENES)]
    for stem, content in (
        ("matrix.mtx", lines),
        ("features.tsv" if v3 else "genes.tsv", table),
        ("barcodes.tsv", CELLS),
    ):
        text = "\n".join(content) + "\n"
        if v3:
            (folder / f"{stem}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        else:
            (folder / stem).write_text(text)


def write_10x_h5(path: Path) -> None:
    """The .h5 of Cell Ranger 3 and later."""
    import h5py

    X = sparse.csr_matrix(counts())
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = np.array(CELLS, dtype="S")
        group["data"], group["indices"], group["indptr"] = X.data, X.indices, X.indptr
        group["shape"] = np.array([len(GENES), len(CELLS)])
        features = group.create_group("features")
        features["id"] = np.array([f"ENSG{i:011d}" for i in range(len(GENES))], dtype="S")
        features["name"] = np.array(GENES, dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * len(GENES), dtype="S")
        features["genome"] = np.array(["GRCh38"] * len(GENES), dtype="S")


def table(
    separator: str = ",", end: str = "\n", *, X: np.ndarray | None = None, decimal: str = "."
) -> str:
    """Cells in rows, genes in columns."""
    values = counts() if X is None else X
    rows = [separator.join(["cell", *GENES])]
    for cell, row in zip(CELLS, values, strict=True):
        rows.append(separator.join([cell, *(str(v).replace(".", decimal) for v in row)]))
    return end.join(rows) + end


def put(name: str, content: str | bytes, **columns: str) -> Callable[[Path], None]:
    """A builder: one file, and the sheet that names it."""

    def build(folder: Path) -> None:
        raw = content if isinstance(content, bytes) else content.encode("utf-8")
        (folder / name).write_bytes(raw)
        dataset(folder, name, **{"sample": "s1", **columns})

    return build
