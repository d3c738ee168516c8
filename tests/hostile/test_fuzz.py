"""Whatever the bytes, a text parser gives a result or an error of ours: no other, and no hang."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from senoscore.errors import SenoscoreError
from senoscore.genesets.read import read_signature_file
from senoscore.ingest.formats import open_source
from senoscore.ingest.sheets import propose_sheets
from senoscore.io.yaml import load_yaml
from senoscore.run.config import load_config
from senoscore.study.dose import DAYS_PER_UNIT, to_days
from senoscore.study.sheets import read_datasets, read_samples
from tests.bad_inputs.study import table, write_10x, write_h5ad

ROOT = Path(__file__).parents[2]
LIMITS = settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
WORDS = [
    b"sample", b"treatment", b"dose_gy", b"dataset", b"path", b"organism",
    b"time_unit", b"\t", b"\t",
    b"\n", b"\n", b"\r\n", b",", b";", b'"', b"'", b"#", b"1", b"-1", b"1e999", b"nan",
    b"inf", b"2,5",
    b"control", b"human", b"TP53", b"IL6", b"a", b"\xef\xbb\xbf", b"\xff", b"\0", b"=1+1", b"../..",
    b": ", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"!!python/none", b"? ", b"|",
    b"  ", b"0x1",
    b"source", b"target", b"weight", b"_UP", b"_DN", b"up", b"down", b"weights", b"%%MatrixMarket ",
    b"matrix coordinate integer general\n", b"2 2 4", b"1 1 1\n", b"cell", b"gene", b"value",
]  # fmt: skip
TEXT = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)), max_size=40).map(b"".join)


def _ours(read, *arguments) -> None:
    try:
        read(*arguments)
    except SenoscoreError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@LIMITS
@given(raw=TEXT)
def test_sheets(tmp_path, raw) -> None:
    (tmp_path / "s.tsv").write_bytes(raw)
    _ours(read_samples, tmp_path / "s.tsv")
    _ours(read_datasets, tmp_path / "s.tsv")


@LIMITS
@given(raw=TEXT)
def test_sheets_with_a_header(tmp_path, raw) -> None:
    (tmp_path / "s.tsv").write_bytes(b"sample\ttreatment\tdose_gy\ttime_post_rt\n" + raw)
    _ours(read_samples, tmp_path / "s.tsv")


@LIMITS
@given(raw=TEXT)
def test_config(tmp_path, raw) -> None:
    (tmp_path / "c.yaml").write_bytes(raw)
    _ours(load_config, tmp_path / "c.yaml")


@LIMITS
@given(section=st.sampled_from(["qc", "score", "signatures", "phases", "report"]), raw=TEXT)
def test_config_sections(tmp_path, section, raw) -> None:
    (tmp_path / "c.yaml").write_bytes(section.encode() + b": {" + raw + b"}\n")
    _ours(load_config, tmp_path / "c.yaml")


@LIMITS
@given(text=st.text(alphabet="ab:-[]{}&*!?|>#'\"%@`\n ,0.1e~=<", max_size=60))
def test_yaml(text) -> None:
    try:
        load_yaml(text)
    except yaml.YAMLError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


@LIMITS
@given(raw=TEXT, name=st.sampled_from(["x.gmt", "x.yaml", "x.tsv", "x.csv", "x.gmt.gz"]))
def test_signature_files(tmp_path, raw, name) -> None:
    (tmp_path / name).write_bytes(raw)
    _ours(read_signature_file, tmp_path / name)


@LIMITS
@given(raw=TEXT)
def test_signature_tables_with_a_header(tmp_path, raw) -> None:
    (tmp_path / "x.tsv").write_bytes(b"source\ttarget\tweight\nmine\tTP53\t" + raw)
    _ours(read_signature_file, tmp_path / "x.tsv")


@LIMITS
@given(raw=TEXT, name=st.sampled_from(["x.csv", "x.tsv.gz"]))
def test_tables(tmp_path, raw, name) -> None:
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    _ours(open_source, tmp_path / name)


@LIMITS
@given(raw=TEXT, at=st.integers(0, 600))
def test_tables_spoilt(tmp_path, raw, at) -> None:
    good = table().encode()
    (tmp_path / "x.csv").write_bytes(good[:at] + raw + good[at:])
    _ours(open_source, tmp_path / "x.csv")


@LIMITS
@given(
    raw=TEXT,
    at=st.integers(0, 200),
    name=st.sampled_from(["matrix.mtx", "genes.tsv", "barcodes.tsv"]),
)
def test_10x_folders_spoilt(tmp_path_factory, raw, at, name) -> None:
    folder = tmp_path_factory.mktemp("tenx") / "d"
    write_10x(folder, v3=False)
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(good[:at] + raw + good[at:])
    _ours(open_source, folder)


@LIMITS
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_gzip_spoilt(tmp_path, at, flip) -> None:
    raw = bytearray(gzip.compress(table().encode(), mtime=0))
    raw[at % len(raw)] ^= flip
    (tmp_path / "x.csv.gz").write_bytes(raw)
    _ours(open_source, tmp_path / "x.csv.gz")


@LIMITS
@given(values=st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_times_and_treatments_of_a_merged_file(values) -> None:
    obs = pd.DataFrame(
        {"sample": ["s"] * len(values), "time": values, "treatment": values, "dose": values}
    )
    _ours(lambda: propose_sheets(obs, Path("x.h5ad"), organism="human"))


@LIMITS
@given(number=st.floats(allow_nan=True, allow_infinity=True), unit=st.text(max_size=5))
def test_units(number, unit) -> None:
    try:
        to_days(pd.Series([number]), pd.Series([unit]))
    except KeyError:  # as documented; the sheet refuses such a unit before
        assert unit not in DAYS_PER_UNIT


CHILD = """
import random, resource, sys
from senoscore.errors import SenoscoreError
from senoscore.ingest.formats import open_source
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
path, seeds = sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3]))
good = open(path, "rb").read()
for seed in seeds:
    print(seed, flush=True)
    chance = random.Random(seed)
    raw = bytearray(good)
    for _ in range(chance.choice([1, 4, 32])):
        raw[chance.randrange(len(raw))] ^= chance.randrange(1, 256)
    with open(path + ".h5ad", "wb") as out:
        out.write(raw)
    try:
        for block in open_source(path + ".h5ad", columns=["sample"]).blocks():
            block.to_csr()
    except SenoscoreError:
        pass
"""
SEEDS = 150
MOST_CRASHES = 5  # of HDF5 itself; more would be something new


def test_h5ad_with_flipped_bytes(tmp_path) -> None:
    """A crash of HDF5 is a failed job; anything Python raises has to be an error of ours.

    After a crash the seeds that follow are tried in a new process, so that every one is tried.
    """
    write_h5ad(tmp_path / "x.h5ad")
    crashed: dict[int, int] = {}
    start = 0
    while start < SEEDS:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path / "x.h5ad"), str(start), str(SEEDS)],
            capture_output=True, text=True, check=False, timeout=180, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode <= 0, done.stderr[-2000:]  # a traceback, memory among its reasons
        last = int(done.stdout.split()[-1])
        if done.returncode < 0:
            crashed[last] = done.returncode
        start = last + 1
    print(f"crashes of HDF5 by seed: {crashed or 'none'}, of {SEEDS}")  # noqa: T201 - pytest -s
    assert len(crashed) <= MOST_CRASHES, crashed
