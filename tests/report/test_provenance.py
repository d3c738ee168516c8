"""The record of what made a result: complete, plain, without paths of the machine."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from senoscore import __version__
from senoscore.errors import InputError
from senoscore.io.progress import progress, track
from senoscore.report import provenance


def test_inputs_are_recorded_by_name_size_and_hash(tmp_path: Path) -> None:
    folder = tmp_path / "tenx"
    folder.mkdir()
    (folder / "b.mtx").write_bytes(b"two")
    (folder / "a.tsv").write_bytes(b"one")
    single = tmp_path / "x.h5ad"
    single.write_bytes(b"0" * 3_000_000)
    record = provenance.collect(inputs=[single, folder])
    assert [r["file"] for r in record["inputs"]] == ["x.h5ad", "a.tsv", "b.mtx"]
    assert record["inputs"][0]["bytes"] == 3_000_000
    assert record["inputs"][0]["sha256"] == hashlib.sha256(b"0" * 3_000_000).hexdigest()
    assert str(tmp_path) not in json.dumps(record)


def test_record_survives_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    record = provenance.collect(
        config={"stats": {"fdr": 0.05}, "path": Path("a"), "cuts": (3, 28), "n": np.int64(3)},
        signatures={"sha256": "ab", "n": 2},
        seeds={"null": 7},
    )
    path = provenance.write(record, tmp_path / "deep" / "provenance.json")
    again = provenance.read(path)
    assert again == record
    assert again["created"] == "2023-11-14T22:13:20+00:00"
    assert again["config"] == {"stats": {"fdr": 0.05}, "path": "a", "cuts": [3, 28], "n": "3"}
    assert again["seeds"] == {"null": 7}
    assert again["senoscore"] == __version__
    assert {"numpy", "pandas", "anndata"} <= set(again["versions"])
    first = path.read_bytes()
    assert provenance.write(record, path).read_bytes() == first


def test_time_stamp_is_in_utc_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    moment = datetime.fromisoformat(provenance.collect()["created"])
    assert moment.utcoffset() is not None
    assert moment.utcoffset().total_seconds() == 0


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_damaged_record_is_a_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "provenance.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a provenance record"):
        provenance.read(path)


def test_missing_input_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.h5ad"):
        provenance.collect(inputs=[tmp_path / "gone.h5ad"])


def test_progress_logs_plain_lines_where_there_is_no_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = io.StringIO()
    with caplog.at_level(logging.INFO, logger="senoscore.io.progress"):
        with progress("scoring", 10, stream=stream) as advance:
            advance(4)
            advance(6)
        assert list(track([1, 2, 3], "reading")) == [1, 2, 3]
    assert caplog.messages[0].startswith("scoring: 10 of 10 in ")
    assert caplog.messages[1].startswith("reading: 3 of 3 in ")
    assert stream.getvalue() == ""


def test_progress_draws_a_bar_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with progress("[bold]x", 3, stream=stream) as advance:
        advance(3)
    assert "[bold]x" in stream.getvalue()  # no markup out of a user's string
    assert "3/3" in stream.getvalue()
