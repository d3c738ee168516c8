"""Inputs that are odd but good: they work, and every number is right."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from senoscore.genesets.read import read_signature_file
from senoscore.ingest.ingest import ingest
from senoscore.run.config import load_config
from senoscore.study.sheets import read_samples
from tests.bad_inputs.study import (
    CELLS,
    GENES,
    anndata,
    counts,
    dataset,
    put,
    table,
    write_10x,
    write_10x_h5,
    write_good,
    write_h5ad,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Odd:
    name: str
    build: Callable[[Path], None]
    genes: list[str] | None = None  # None: all, in order
    rows: int = len(CELLS)


def _h5ad(change: Callable) -> Callable:
    def build(folder: Path) -> None:
        data = change(anndata())
        data.write_h5ad(folder / "data.h5ad", compression="gzip")

    return build


def _unused(data):
    data.obs["sample"] = pd.Categorical(data.obs["sample"], categories=["s0", "s1", "s2", "s9"])
    return data


def _numbers(data):
    data.obs["score"] = np.nan
    data.obs["note"] = ["=1+1"] * data.n_obs
    return data


def _versions(data):
    from senoscore.genesets.genes import canonicalise

    data.var_names = [f"{e}.{i}" for i, e in enumerate(canonicalise(GENES, "human")["ensembl_id"])]
    return data


def _dense(data):
    data.X = data.X.toarray().astype(np.float64)
    return data


def _csc(data):
    data.X = data.X.tocsc()
    return data


def _logged_with_layer(data):
    data.layers["umi"] = data.X.copy()
    data.X = data.X.log1p()
    return data


def _lower(data):
    data.var_names = [gene.lower() for gene in GENES]
    return data


def _one_cell(data):
    return data[:1].copy()


def _date_genes(data):
    data.var_names = [*GENES[:-2], "1-Mar", "2-Sep"]
    return data


def _big_endian(folder: Path) -> None:
    with h5py.File(folder / "data.h5ad", "a") as file:
        for name in ("data", "indices", "indptr"):
            values = file[f"X/{name}"][:]
            del file[f"X/{name}"]
            file[f"X/{name}"] = values.astype(values.dtype.newbyteorder(">"))


def _big_endian_dense(folder: Path) -> None:
    _h5ad(_dense)(folder)
    with h5py.File(folder / "data.h5ad", "a") as file:
        attributes, values = dict(file["X"].attrs), file["X"][:]
        del file["X"]
        file["X"] = values.astype(">f8")
        file["X"].attrs.update(attributes)


def _folder(*, v3: bool) -> Callable:
    def build(folder: Path) -> None:
        write_10x(folder / "tenx", v3=v3)
        dataset(folder, "tenx", sample="s1")

    return build


def _linked(folder: Path) -> None:
    write_10x(folder / "real")
    (folder / "tenx").symlink_to(folder / "real")
    dataset(folder, "tenx", sample="s1")


def _h5(folder: Path) -> None:
    write_10x_h5(folder / "f.h5")
    dataset(folder, "f.h5", sample="s1")


def _hundred_empty_genes(folder: Path) -> None:
    X = sparse.hstack([sparse.csr_matrix(counts()), sparse.csr_matrix((12, 3))], format="csr")
    write_h5ad(folder / "data.h5ad", X.astype(np.float32), genes=[*GENES, "FOS", "JUN", "MYC"])


_TEXT = table()
_T = "\n".join(
    ",".join(r) for r in zip(*(line.split(",") for line in _TEXT.splitlines()), strict=True)
)
_WITH_FACTS = "\n".join(
    line + (",nCount_RNA,percent.mt" if i == 0 else ",5000,12.5")
    for i, line in enumerate(_TEXT.splitlines())
)
_LONG = "cell\tgene\tcount\n" + "".join(
    f"{c}\t{g}\t{v}\n"
    for c, row in zip(CELLS, counts(), strict=True)
    for g, v in zip(GENES, row, strict=True)
)
_DATES = [*GENES[:-2], "1-Mar", "2-Sep"]

ODD = [
    Odd("h5ad", lambda folder: None),
    Odd("h5ad_dense", _h5ad(_dense)),
    Odd("h5ad_csc", _h5ad(_csc)),
    Odd("h5ad_one_cell", _h5ad(_one_cell), rows=1),
    Odd("h5ad_unused_categories", _h5ad(_unused)),
    Odd("h5ad_other_columns", _h5ad(_numbers)),
    Odd("h5ad_ensembl_versions", _h5ad(_versions)),
    Odd("h5ad_lower_case_genes", _h5ad(_lower)),
    Odd("h5ad_counts_in_a_layer", _h5ad(_logged_with_layer)),
    Odd("h5ad_date_genes_are_unknown_genes", _h5ad(_date_genes), genes=_DATES),
    Odd("h5ad_genes_without_counts", _hundred_empty_genes, genes=[*GENES, "FOS", "JUN", "MYC"]),
    Odd("h5ad_big_endian", _big_endian),
    Odd("h5ad_big_endian_dense", _big_endian_dense),
    Odd("tenx_v3", _folder(v3=True)),
    Odd("tenx_v2", _folder(v3=False)),
    Odd("tenx_linked_folder", _linked),
    Odd("tenx_h5", _h5),
    Odd("csv_bom", put("x.csv", "\ufeff" + _TEXT)),
    Odd("csv_crlf", put("x.csv", table(end="\r\n"))),
    Odd("csv_bom_crlf_gz", put("x.csv.gz", gzip.compress(("\ufeff" + table(end="\r\n")).encode()))),
    Odd("csv_semicolons", put("x.csv", table(";"))),
    Odd("csv_named_tsv", put("x.tsv", _TEXT)),
    Odd("tsv", put("x.tsv", table("\t"))),
    Odd("csv_no_last_line_end", put("x.csv", _TEXT.rstrip("\n"))),
    Odd("csv_comments", put("x.csv", "# from R\n" + _TEXT)),
    Odd("csv_quoted", put("x.csv", '"' + _TEXT.replace(",", '","').replace("\n", '"\n"')[:-1])),
    Odd("csv_latin1", put("x.csv", _TEXT.replace("cell,", "zélle,").encode("latin-1"))),
    Odd("csv_transposed", put("x.csv", _T + "\n")),
    Odd("csv_of_r", put("x.csv", _TEXT.removeprefix("cell,"))),
    Odd("csv_points", put("x.csv", table(X=counts().astype(float)))),
    Odd("csv_facts_of_cells", put("x.csv", _WITH_FACTS)),
    Odd("csv_facts_of_cells_transposed", put("x.csv", _T + "\nnCount_RNA" + ",5000" * 12 + "\npercent.mt" + ",1.5" * 12 + "\n")),
    Odd("long", put("x.tsv", _LONG)),
    Odd("gzip_of_two_members", put("x.csv.gz", gzip.compress(_TEXT[:500].encode()) + gzip.compress(_TEXT[500:].encode()))),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_odd_input_gives_the_right_numbers(odd, tmp_path, monkeypatch) -> None:
    write_good(tmp_path)
    odd.build(tmp_path)
    monkeypatch.chdir(tmp_path)
    sheet = pd.read_csv("datasets.tsv", sep="\t", dtype=str, keep_default_na=False)
    row = sheet.iloc[0].to_dict()
    found = ingest(row, samples=["s1", "s2"], out=tmp_path / "o.h5ad", genes_out=tmp_path / "g.tsv")
    genes = GENES if odd.genes is None else odd.genes
    want = pd.DataFrame(counts(), index=CELLS, columns=GENES).iloc[: odd.rows]
    if "1-Mar" in genes:
        want.columns = genes
    want = want.reindex(columns=genes, fill_value=0)
    assert found.values == "counts"
    data = ad.read_h5ad(tmp_path / "o.h5ad")
    got = pd.DataFrame(data.X.toarray(), index=[*data.obs_names], columns=[*data.var_names])
    assert set(got.columns) == set(genes)
    pd.testing.assert_frame_equal(got[genes].astype(int), want, check_names=False)


SAMPLES = "sample\ttreatment\tdose_gy\ttime_post_rt\ttime_unit\ns1\tcontrol\t0\t\t\n1-Mar\tirr\t10\t2\tw\n"


@pytest.mark.parametrize(
    "content",
    [
        SAMPLES.encode(),
        b"\xef\xbb\xbf" + SAMPLES.encode(),
        SAMPLES.replace("\n", "\r\n").encode(),
        b"# ours\n\n" + SAMPLES.encode() + b"\n\n",
        SAMPLES.replace("\t10\t", "\t 1e1 \t").encode(),
        SAMPLES.rstrip("\n").encode(),
    ],
    ids=["plain", "bom", "crlf", "comments", "spaces", "no_line_end"],
)
def test_odd_sheets(tmp_path, content) -> None:
    (tmp_path / "s.tsv").write_bytes(content)
    table = read_samples(tmp_path / "s.tsv")
    assert table["sample"].tolist() == ["s1", "1-Mar"]
    assert table["dose_gy"].tolist() == [0, 10]
    assert table["days_post_rt"].tolist()[1] == 14


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "bom"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.gmt", "mine_UP\tt\tTP53\tIL6\nmine_DN\tt\tLMNB1\n"),
        ("x.yaml", "mine:\n  up: [TP53, IL6]\n  down: [LMNB1]\n"),
        ("x.tsv", "source\ttarget\tweight\nmine\tTP53\t1\nmine\tIL6\t1\nmine\tLMNB1\t-1\n"),
    ],
    ids=["gmt", "yaml", "tsv"],
)
def test_odd_signatures(tmp_path, name, text, start, end) -> None:
    (tmp_path / name).write_bytes((start + text.replace("\n", end)).encode())
    (signature,) = read_signature_file(tmp_path / name)
    assert (signature.name, signature.up, signature.down) == ("mine", ("TP53", "IL6"), ("LMNB1",))


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "bom"])
def test_odd_config(tmp_path, start) -> None:
    (tmp_path / "c.yaml").write_bytes((start + "qc:\r\n  mads: 4\r\n").encode())
    assert load_config(tmp_path / "c.yaml")["qc"]["mads"] == 4
