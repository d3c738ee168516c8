"""Where a run shows how far it is: in every stage's log, and in its loops over cells."""

from __future__ import annotations

import logging
import re

import pytest

from senoscore import run as stages
from senoscore.io.progress import track
from senoscore.run.layout import Layout
from senoscore.run.log import logged
from tests.bad_inputs.study import GENES, write_good

BEFORE_ANY_STAGE = {"check", "dataset_row", "init"}


def test_every_stage_logs_its_start_and_end() -> None:
    rooms = {"prepare", "cells", "calls", "summary", "biology", "page"}
    for name in set(stages.__all__) - BEFORE_ANY_STAGE:
        if getattr(getattr(stages, name), "__module__", "").split(".")[-1] not in rooms:
            continue
        assert hasattr(getattr(stages, name), "__wrapped__"), name


@pytest.mark.parametrize(
    ("first", "what"),
    [
        ("b1", "b1"),
        (["b1", "b2"], "2 data sets: b1, b2"),
        (list("abcdefg"), "7 data sets: a, b, c, d, e, ..."),
        ({"dataset": "b1", "path": "x"}, "b1"),
        ({"qc": {}}, "the run"),
    ],
)
def test_a_log_says_what_and_how_long(first, what, caplog) -> None:
    def work(given: object) -> str:
        """Do it."""
        logging.getLogger("senoscore").info("at work")
        return f"{given} done"

    with caplog.at_level(logging.INFO, logger="senoscore"):
        assert logged(work)(first) == f"{first} done"
    start, middle, end = caplog.messages
    assert start.startswith(f"work of {what}: starts (senoscore ")
    assert middle == "at work"
    assert re.fullmatch(r"work: done in \d+\.\d s", end)


def test_a_stage_that_fails_does_not_say_it_is_done(caplog) -> None:
    def work() -> None:
        """Fail."""
        raise ValueError

    with caplog.at_level(logging.INFO, logger="senoscore"), pytest.raises(ValueError):  # noqa: PT011
        logged(work)()
    assert len(caplog.messages) == 1


def test_items_count_for_their_size(caplog) -> None:
    with caplog.at_level(logging.INFO, logger="senoscore.io.progress"):
        assert list(track(["ab", "cde"], "letters", total=5, size=len)) == ["ab", "cde"]
    assert caplog.messages[-1].startswith("letters: 5 of 5 in")


def test_loops_over_cells_and_samples_show_how_far_they_are(tmp_path, monkeypatch, caplog) -> None:
    from senoscore.run.config import load_config

    write_good(tmp_path)
    monkeypatch.chdir(tmp_path)
    own = {"own": {"up": GENES[:8]}}
    config = load_config(tmp_path / "config" / "config.yaml")
    config["signatures"] = {"use": [], "files": [], "custom": own}
    config["compartments"]["markers"] = str(tmp_path / "markers.tsv")
    rows = [f"{name}\t{gene}" for name, at in (("x", 0), ("y", 9)) for gene in GENES[at : at + 9]]
    (tmp_path / "markers.tsv").write_text("\n".join(["compartment\tgene", *rows]) + "\n")
    config["score"] |= {"methods": ["ucell"], "null_sets": 0}
    layout = Layout(tmp_path / "results")
    row = stages.dataset_row(None, "d", tmp_path / "config" / "config.yaml")
    with caplog.at_level(logging.INFO, logger="senoscore"):
        stages.signatures(config, layout.signatures)
        stages.ingest(
            row, tmp_path / "samples.tsv", config, out=layout.matrix("d"),
            genes_out=layout.genes("d"), facts_out=layout.facts("d"),
        )  # fmt: skip
        data = layout.of("d", ["matrix", "facts"])
        stages.qc(data, config, out=layout.qc("d"), samples_out=layout.qc_samples("d"))
        stages.compartments(data, tmp_path / "samples.tsv", config, out=layout.compartments("d"))
        stages.score(
            data, config, signatures=layout.signatures, panel=None, out=layout.scores("d"),
            coverage_out=layout.coverage("d"), threads=1,
        )  # fmt: skip
    said = "\n".join(caplog.messages)
    for line in (
        "cells read: 12 of 12", "cells written: 12 of 12", "cells measured: 12 of 12",
        "samples judged: 2 of 2", "cells placed: 12 of 12", "cells scored: 12 of 12",
        "qc of d: starts", f"wrote {layout.scores('d')} (",
    ):  # fmt: skip
        assert line in said
