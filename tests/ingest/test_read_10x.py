from __future__ import annotations

import gzip
import shutil

import h5py
import numpy as np
import pytest
from scipy import io as scipy_io
from scipy import sparse

from senoscore.errors import InputError
from senoscore.ingest.formats import detect_format, open_source, source_files

GENES = ["TP53", "CDKN1A", "MKI67", "CD3", "LMNB1"]
IDS = [f"ENSG{i:011d}" for i in range(5)]
KINDS = ["Gene Expression"] * 3 + ["Antibody Capture", "Gene Expression"]
CELLS = [f"BC{i}-1" for i in range(7)]
X = np.random.default_rng(0).poisson(1.2, (7, 5))
KEPT = [0, 1, 2, 4]


def _put(path, text, packed):
    if packed:
        path = path.with_name(path.name + ".gz")
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def _folder(folder, *, v3=True, packed=True, prefix="", transposed=False, shape=None):
    folder.mkdir()
    scipy_io.mmwrite(folder / "m.mtx", sparse.coo_matrix(X if transposed else X.T), field="integer")
    _put(folder / f"{prefix}matrix.mtx", (folder / "m.mtx").read_text(), packed)
    (folder / "m.mtx").unlink()
    table = [IDS, GENES, KINDS] if v3 else [IDS, GENES]
    lines = "".join("\t".join(row) + "\n" for row in zip(*table, strict=True))
    _put(folder / f"{prefix}{'features' if v3 else 'genes'}.tsv", lines, packed)
    _put(folder / f"{prefix}barcodes.tsv", "".join(c + "\n" for c in CELLS), packed)
    return folder


def _dense(source):
    return sparse.vstack([b.to_csr() for b in source.blocks()]).toarray()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
def test_v3_keeps_gene_expression(tmp_path, packed, transposed):
    path = _folder(tmp_path / "d", packed=packed, transposed=transposed, prefix="GSM1_")
    source = open_source(path)
    assert source.genes == [GENES[i] for i in KEPT]
    assert source.gene_ids == [IDS[i] for i in KEPT]
    assert source.cells == CELLS
    np.testing.assert_array_equal(_dense(source), X[:, KEPT])
    assert source.notes == ["1 features of type 'Antibody Capture' left out"]


def test_v2_and_the_matrix_file_itself(tmp_path):
    path = _folder(tmp_path / "d", v3=False, packed=False)
    for given in (path, path / "matrix.mtx"):
        source = open_source(given)
        assert source.genes == GENES
        np.testing.assert_array_equal(_dense(source), X)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("barcodes.tsv.gz", None, "no barcodes"),
        ("matrix.mtx.gz", None, "0 files named matrix.mtx"),
        ("matrix.mtx.gz", lambda b: b[:-30], "damaged or cut short"),
        ("matrix.mtx.gz", lambda b: b"plain", "not compressed by gzip"),
        ("matrix.mtx.gz", lambda b: b"", "is empty"),
        ("matrix.mtx.gz", lambda b: gzip.compress(b"hello\n"), "does not begin as"),
        (
            "matrix.mtx.gz",
            lambda b: gzip.compress(b"\n".join(gzip.decompress(b).split(b"\n")[:6])),
            "damaged or cut short",
        ),
        (
            "matrix.mtx.gz",
            lambda b: gzip.compress(
                b"%%MatrixMarket matrix coordinate integer general\n5 7 9999999999\n"
            ),
            "more than its size",
        ),
        (
            "matrix.mtx.gz",
            lambda b: gzip.compress(
                b"%%MatrixMarket matrix coordinate integer general\n5 7 1\n9 9 1\n"
            ),
            "damaged",
        ),
        ("barcodes.tsv.gz", lambda b: gzip.compress(b"a\nb\n"), "5 features and 2 barcodes"),
        (
            "barcodes.tsv.gz",
            lambda b: gzip.compress(b"a\n" * 7),
            "duplicate barcodes.*'a' .7 times",
        ),
        ("features.tsv.gz", lambda b: gzip.compress(b"i\tn\tCRISPR\n" * 5), "no feature of type"),
    ],
)
def test_bad_folders(tmp_path, name, change, said):
    path = _folder(tmp_path / "d")
    file = path / name
    raw = file.read_bytes()
    file.unlink()
    if change is not None:
        file.write_bytes(change(raw))
    with pytest.raises(InputError, match=said):
        open_source(path)


def test_a_bomb_stops_at_the_limit(tmp_path):
    path = _folder(tmp_path / "d")
    with pytest.raises(InputError, match="more than 40 bytes"):
        open_source(path, max_bytes=40)


def _h5(path, *, v3=True, genomes=("GRCh38",) * 5, groups=("matrix",)):
    turned = sparse.csr_matrix(X)
    with h5py.File(path, "w") as file:
        for name in groups:
            g = file.create_group(name)
            g["data"], g["indices"], g["indptr"] = turned.data, turned.indices, turned.indptr
            g["shape"] = np.array([5, 7])
            g["barcodes"] = np.array(CELLS, dtype="S")
            if v3:
                f = g.create_group("features")
                for key, values in (
                    ("name", GENES),
                    ("id", IDS),
                    ("feature_type", KINDS),
                    ("genome", genomes),
                ):
                    f[key] = np.array(values, dtype="S")
            else:
                g["gene_names"], g["genes"] = np.array(GENES, "S"), np.array(IDS, "S")
    return path


def test_h5_v3_and_v2(tmp_path):
    source = open_source(_h5(tmp_path / "a.h5"))
    assert source.format == "10x_h5"
    assert source.genes == [GENES[i] for i in KEPT]
    np.testing.assert_array_equal(_dense(source), X[:, KEPT])
    source = open_source(_h5(tmp_path / "b.h5", v3=False, groups=("GRCh38",)))
    assert source.genes == GENES
    assert source.gene_ids == IDS
    np.testing.assert_array_equal(_dense(source), X)


def test_h5_of_two_species(tmp_path):
    _h5(tmp_path / "a.h5", genomes=["GRCh38", "mm10", "mm10", "mm10", "GRCh38"])
    _h5(tmp_path / "b.h5", v3=False, groups=("hg19", "mm10"))
    for name in ("a.h5", "b.h5"):
        with pytest.raises(InputError, match="several genomes"):
            open_source(tmp_path / name)


def test_other_and_broken_h5(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(InputError, match="not a matrix of 10x"):
        open_source(tmp_path / "a.h5")
    _h5(tmp_path / "b.h5")
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        del file["matrix/data"]
    with pytest.raises(InputError, match="data is missing"):
        open_source(tmp_path / "b.h5")
    (tmp_path / "c.h5").write_bytes((tmp_path / "b.h5").read_bytes()[:900])
    with pytest.raises(InputError, match=r"truncated|cannot be read"):
        open_source(tmp_path / "c.h5")


def test_formats(tmp_path):
    assert detect_format(_folder(tmp_path / "d")) == "10x_mtx"
    shutil.rmtree(tmp_path / "d")
    for name in ("a.csv", "a.TSV.GZ", "a.txt"):
        (tmp_path / name).write_text("x")
        assert detect_format(tmp_path / name) == "table"
    (tmp_path / "a.rds").write_text("x")
    with pytest.raises(InputError, match="no known format"):
        detect_format(tmp_path / "a.rds")
    with pytest.raises(InputError, match="not found"):
        detect_format(tmp_path / "none.csv")
    with pytest.raises(InputError, match="unknown format"):
        open_source(tmp_path / "a.csv", format="loom")
    with pytest.raises(InputError, match=r"only AnnData .* has layers"):
        open_source(tmp_path / "a.csv", layer="counts")


@pytest.mark.parametrize("named", ["tenx", "tenx/matrix.mtx.gz"])
def test_all_three_files_count_as_input(tmp_path, named):
    from tests.bad_inputs.study import write_10x

    write_10x(tmp_path / "tenx")
    names = {path.name for path in source_files(tmp_path / named)}
    assert names == {"matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"}
