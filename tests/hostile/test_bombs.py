"""Small files that mean to be large: refused by a limit, with little memory."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from senoscore.errors import ConfigError, InputError, SignatureError
from senoscore.genesets.read import read_signature_file
from senoscore.ingest.formats import open_source
from senoscore.io.yaml import load_yaml
from senoscore.run.config import load_config
from tests.bad_inputs.study import configure, dataset, table, write_10x, write_good

ROOT = Path(__file__).parents[2]
GIB = 1 << 30


def _bounded(code: str, *arguments: str, limit: int = 3 * GIB) -> subprocess.CompletedProcess:
    """Run Python with an address space of so many bytes."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False,
        timeout=120, cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip


READ = (
    "import os; os.environ.update(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1')\n"
    "import sys; from senoscore.cli import main; main(sys.argv[1:])"
)


def _gzip_of(path: Path, unit: bytes, times: int, *, head: bytes = b"") -> None:
    with gzip.open(path, "wb", compresslevel=9) as out:
        out.write(head)
        for _ in range(times):
            out.write(unit)


def test_gzip_of_a_gigabyte_of_zeros(tmp_path) -> None:
    _gzip_of(tmp_path / "x.csv.gz", bytes(1 << 20), 1024)
    assert (tmp_path / "x.csv.gz").stat().st_size < 2_000_000
    with pytest.raises(InputError, match="NUL byte"):
        open_source(tmp_path / "x.csv.gz")


def test_gzip_of_one_line_without_end_in_little_memory(tmp_path) -> None:
    write_good(tmp_path)
    _gzip_of(tmp_path / "x.csv.gz", b"a" * (1 << 20), 1024, head=b"cell,TP53\n")
    dataset(tmp_path, "x.csv.gz", sample="s1")
    code = f"import os; os.chdir({str(tmp_path)!r})\n" + READ.replace(
        "import os; ", f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); ", 1
    )
    done = _bounded(code, "ingest", "--dataset", "d", "--samples", "samples.tsv")
    assert done.returncode == 2, done.stderr[-500:]
    assert "line 2 is longer than 268,435,456 bytes" in done.stderr


def test_rows_beyond_the_limit_of_the_config(tmp_path, monkeypatch, capsys) -> None:
    from senoscore.cli import main

    write_good(tmp_path)
    text = table()
    row = text.split("\n")[1].encode()
    _gzip_of(tmp_path / "x.csv.gz", row + b"\n", 40_000, head=text.split("\n")[0].encode() + b"\n")
    dataset(tmp_path, "x.csv.gz", sample="s1")
    configure(tmp_path, ingest={"max_gb": 0.001})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["ingest", "--dataset", "d", "--samples", "samples.tsv"])
    assert stopped.value.code == 2
    assert "unfolds to more than 1,000,000 bytes" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["barcodes.tsv.gz", "features.tsv.gz", "matrix.mtx.gz"])
def test_every_file_of_a_folder_counts(tmp_path, name) -> None:
    write_10x(tmp_path / "d")
    _gzip_of(tmp_path / "d" / name, b"%AC-1\n" * 100_000, 10)
    with pytest.raises(InputError, match=r"more than 1,000,000 bytes|does not begin"):
        open_source(tmp_path / "d", max_bytes=1_000_000)


def test_hdf5_that_claims_a_terabyte_is_not_read(tmp_path) -> None:
    path = tmp_path / "x.h5ad"
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")
        file.create_group("obs")
        file.create_group("var")
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"unfolds to 4,000,000,000,000 bytes"):
        open_source(path)


def test_hdf5_names_count_too(tmp_path) -> None:
    path = tmp_path / "x.h5ad"
    with h5py.File(path, "w") as file:
        file["X"] = np.ones((2, 2))
        file.create_dataset("obs/_index", (10**11,), "S20", chunks=(10**6,), compression="gzip")
        file.create_group("var")
    with pytest.raises(InputError, match="unfolds to 2,000,000,000,"):
        open_source(path)


def test_yaml_of_aliases_and_depth() -> None:
    nine = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))
    with pytest.raises(yaml.YAMLError, match="alias"):
        load_yaml("a0: &a0 [x]\n" + nine)
    for bracket in "[{":
        with pytest.raises(yaml.YAMLError, match="nested more than 50"):
            load_yaml(bracket * 100_000)


def test_a_config_that_never_ends_is_one_line(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"# " + bytes(10_000_000))
    for path, said in (
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "large", "more than 10,000,000 bytes"),
    ):
        with pytest.raises(ConfigError, match=said):
            load_config(path)


def test_signature_file_of_a_gigabyte(tmp_path) -> None:
    _gzip_of(tmp_path / "x.gmt.gz", b"A\t" * (1 << 19), 200)
    with pytest.raises(SignatureError, match="more than 100,000,000 bytes"):
        read_signature_file(tmp_path / "x.gmt.gz")


def test_links_of_a_folder(tmp_path) -> None:
    write_10x(tmp_path / "d")
    (tmp_path / "link").symlink_to(tmp_path / "d")
    assert len(open_source(tmp_path / "link").cells) == 12, "a path the user names may be a link"
    inside = tmp_path / "d" / "features.tsv.gz"
    inside.rename(tmp_path / "d" / "f2.tsv.gz")
    inside.symlink_to("f2.tsv.gz")
    assert len(open_source(tmp_path / "d").cells) == 12, "a link within the folder"
    (tmp_path / "d" / "f2.tsv.gz").rename(tmp_path / "f2.tsv.gz")
    inside.unlink()
    inside.symlink_to("../f2.tsv.gz")
    with pytest.raises(InputError, match="out of the folder"):
        open_source(tmp_path / "d")
