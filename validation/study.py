"""What the studies share: simulated tissue, scores, the call, comparators, and intervals."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse, stats

import senoscore as sen
from senoscore.calling.panel import load_panel
from senoscore.simulation.tissue import design

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import anndata as ad
    from numpy.typing import NDArray

ROOT: Final = Path(__file__).resolve().parents[1]
REALDATA: Final = ROOT.parent / "shared" / "realdata"
CACHE: Final = ROOT / "build" / "validation"

MARKERS: Final = ("CDKN1A", "CDKN2A", "GLB1", "LMNB1")
PUBLISHED: Final = ("senmayo", "corescence", "fridman", "casella_core", "hernandez_segura_core")
METHODS: Final = ("ucell", "aucell", "score_genes")
ALPHA: Final = 0.05
FDR: Final = 0.1

log = logging.getLogger("validation")


@dataclass(frozen=True)
class Size:
    """How much is simulated: ``full`` for the page, ``quick`` to see that it runs."""

    seeds: int
    cells_per_sample: int
    splits: int


FULL: Final = Size(seeds=5, cells_per_sample=400, splits=40)
QUICK: Final = Size(seeds=2, cells_per_sample=240, splits=4)


def panel_signatures() -> list[str]:
    """Signatures that the default panel reads."""
    return list(load_panel("default").signatures)


def two_arms(*, n: int = 4, day: int = 28, dose: float = 8.0) -> pd.DataFrame:
    """``n`` sham and ``n`` irradiated animals of one day."""
    sheet = design(replicates=n, days=(day,))
    return sheet[sheet["dose_gy"].isin([0.0, dose])].reset_index(drop=True)


def tissue(seed: int, size: Size, sheet: pd.DataFrame | None = None, **options: Any) -> ad.AnnData:
    """Simulate, leave out doublets and poor cells, and take the true compartments.

    The call is judged here, not QC or the assignment of compartments.
    """
    sheet = two_arms() if sheet is None else sheet
    options = {"cells_per_sample": size.cells_per_sample, **options}
    adata = sen.simulate(sheet, seed=seed, **options)
    adata = adata[~(adata.obs["is_doublet"] | adata.obs["is_poor"]).to_numpy()].copy()
    adata.obs["compartment"] = adata.obs["true_compartment"].astype(str).to_numpy(dtype=object)
    adata.obs["days_post_rt"] = adata.obs["time_post_rt"].astype(float)
    return adata


def table(
    adata: ad.AnnData,
    signatures: Iterable[str] | dict[str, Any] | None = None,
    methods: Iterable[str] = ("ucell",),
) -> pd.DataFrame:
    """One row a cell: its facts and score columns ``<method>:<signature>``."""
    wanted = panel_signatures() if signatures is None else signatures
    source = wanted if isinstance(wanted, dict) else list(wanted)
    scored = sen.score(adata, source, methods=list(methods), n_threads=2, copy=True)
    counts = adata.X
    facts = adata.obs.copy()
    facts["cell"] = adata.obs_names.to_numpy(dtype=object)
    facts["n_counts"] = np.asarray(counts.sum(axis=1)).ravel()
    facts["n_genes"] = np.asarray((counts > 0).sum(axis=1)).ravel()
    scores = [
        scored.obsm[f"score_{method}"].add_prefix(f"{method}:").reset_index(drop=True)
        for method in methods
    ]
    return pd.concat([facts.reset_index(drop=True), *scores], axis=1)


def called(cells: pd.DataFrame, *, panel: Any = "default") -> pd.DataFrame:
    """Calibrate on the control cells, call, and put the calls beside the cells."""
    calibration = sen.calibrate(cells, panel=panel, alpha=ALPHA)
    calls = sen.call(cells, calibration, fdr=FDR)
    new = calls.drop(columns=["cell", "sample", "compartment"]).reset_index(drop=True)
    new = new.rename(columns={"reason": "call_reason"})
    return pd.concat([cells.reset_index(drop=True), new], axis=1)


def markers(adata: ad.AnnData) -> pd.DataFrame:
    """log1p counts per 10,000 of the single-gene comparators, LMNB1 with its sign turned."""
    total = np.asarray(adata.X.sum(axis=1)).ravel()
    columns = {}
    for gene in MARKERS:
        if gene not in adata.var_names:
            continue
        x = sparse.csc_matrix(adata[:, gene].X).toarray().ravel()
        value = np.log1p(1e4 * x / np.maximum(total, 1))
        columns[f"marker:{gene}"] = -value if gene == "LMNB1" else value
    return pd.DataFrame(columns)


def comparator_columns(cells: pd.DataFrame) -> list[str]:
    """Columns of single markers and of published sets under each method."""
    sets = [f"{m}:{s}" for m in METHODS for s in PUBLISHED]
    return [c for c in (*(f"marker:{g}" for g in MARKERS), *sets) if c in cells]


def auroc(truth: NDArray[np.bool_], score: NDArray[np.floating]) -> float:
    """Area under the ROC curve, ties half; NaN where one class is missing or scores are."""
    truth = np.asarray(truth, dtype=bool)
    if not truth.any() or truth.all() or not np.isfinite(score).all():
        return float("nan")
    ranks = stats.rankdata(score)
    n1 = int(truth.sum())
    return float((ranks[truth].sum() - n1 * (n1 + 1) / 2) / (n1 * (len(truth) - n1)))


def auprc(truth: NDArray[np.bool_], score: NDArray[np.floating]) -> float:
    """Average precision."""
    from sklearn.metrics import average_precision_score

    truth = np.asarray(truth, dtype=bool)
    if not truth.any() or truth.all() or not np.isfinite(score).all():
        return float("nan")
    return float(average_precision_score(truth, score))


def interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Mean over seeds with its 95 % t interval; the seed is the unit."""
    x = np.asarray([v for v in values if np.isfinite(v)], dtype=float)
    if len(x) < 2:
        return (float(x.mean()) if len(x) else float("nan"), float("nan"), float("nan"))
    half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return float(x.mean()), float(x.mean() - half), float(x.mean() + half)


def summarise(rows: pd.DataFrame, by: list[str], values: list[str]) -> pd.DataFrame:
    """Mean and interval over seeds of some columns: ``x``, ``x_lo``, ``x_hi``, and ``n``."""
    out = []
    for key, part in rows.groupby(by, sort=False, observed=True):
        row: dict[str, Any] = dict(zip(by, key, strict=True)) | {"n": len(part)}
        for value in values:
            row[value], row[f"{value}_lo"], row[f"{value}_hi"] = interval(part[value])
        out.append(row)
    return pd.DataFrame(out)


def pooled(wrong: NDArray[np.floating], made: NDArray[np.floating]) -> tuple[float, float, float]:
    """Sum of wrong over sum of made calls, with a 95 % interval; the seed is the unit.

    Runs without calls count for what they are, nothing, in both sums. Jackknife over seeds, t.
    """
    wrong, made = np.asarray(wrong, dtype=float), np.asarray(made, dtype=float)
    if made.sum() == 0:
        return (float("nan"),) * 3
    ratio, n = wrong.sum() / made.sum(), len(made)
    left = made.sum() - made
    if (left == 0).any():  # every call is of one seed: no interval
        return float(ratio), float("nan"), float("nan")
    without = (wrong.sum() - wrong) / left
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(
        (n - 1) / n * ((without - without.mean()) ** 2).sum()
    )
    return float(ratio), float(max(ratio - half, 0)), float(min(ratio + half, 1))


def code_key() -> str:
    """Hash of what results depend on: the package, its resources, and the studies."""
    parts = [ROOT / "resources", ROOT / "senoscore", Path(__file__).parent]
    skip = {"page.py", "figures.py", "run.py"}
    files = [
        file
        for part in parts
        for file in sorted(part.rglob("*"))
        if file.suffix in {".py", ".tsv", ".gz", ".yaml"}
        and file.name not in skip
        and not {"report", "plotting", "stages"} & set(file.parts)
    ]
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def learnt_key() -> str:
    """Hash of what the learnt call depends on, and the tissue that it is tried on."""
    rooms = ("calling", "cells", "genesets", "io", "kernels", "simulation", "study")
    files = [
        *(f for room in rooms for f in (ROOT / "senoscore" / room).rglob("*.py")),
        *(f for f in (ROOT / "resources").rglob("*") if f.suffix in {".tsv", ".gz", ".yaml"}),
    ]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def keep(part: str, seed: int, rows: pd.DataFrame) -> None:
    """Keep the table of one part and seed of the learnt call, for the page."""
    path = CACHE / f"learnt-{learnt_key()}" / f"{part}-{seed}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.assign(seed=seed).to_csv(path, sep="\t", index=False)


def kept(part: str) -> pd.DataFrame:
    """All kept seeds of one part; empty where none was run with this code."""
    folder = CACHE / f"learnt-{learnt_key()}"
    files = sorted(folder.glob(f"{part}-*.tsv"))
    if not files:
        return pd.DataFrame(columns=["scenario", "name", "seed"])
    read = [pd.read_csv(f, sep="\t", keep_default_na=False, na_values=[""]) for f in files]
    return pd.concat(read, ignore_index=True)  # "null" is a scenario


def seeds_of(words: set[str]) -> tuple[set[str], list[int]]:
    """Words of a command line without ``seeds=2,4``, and those seeds."""
    given = {w for w in words if w.startswith("seeds=")}
    seeds = {int(s) for w in given for s in w.removeprefix("seeds=").split(",")}
    return words - given, sorted(seeds)


def cached(
    name: str, make: Callable[[], pd.DataFrame], *, quick: bool, fresh: bool
) -> pd.DataFrame:
    """Result of a study, from ``build/validation`` if it is there and of this code."""
    path = CACHE / f"{'quick' if quick else 'full'}-{code_key()}" / f"{name}.parquet"
    if path.exists() and not fresh:
        return pd.read_parquet(path)
    log.info("%s ...", name)
    result = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    result.to_parquet(path)
    return result
