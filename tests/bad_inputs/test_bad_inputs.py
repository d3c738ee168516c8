"""Every bad input: one line that says what, where and how to mend it; nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from senoscore.cli import main
from tests.bad_inputs.make_cases import BAD, make

if TYPE_CHECKING:
    from pathlib import Path


def listing(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_there_are_enough_and_each_has_its_own_name() -> None:
    assert len(BAD) >= 60
    assert len({case.name for case in BAD}) == len(BAD)


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_bad_input(case, tmp_path, monkeypatch, capsys) -> None:
    make(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    before = listing(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(list(case.command))
    said = capsys.readouterr().err.strip()
    assert stopped.value.code == 2
    lines = [line for line in said.splitlines() if line.startswith("senoscore: error: ")]
    assert len(lines) == 1, said
    assert said.endswith(lines[0]), said
    for part in case.said:
        assert part in lines[0]
    assert " — " in lines[0], "how to mend it"
    assert len(lines[0]) < 1500
    assert "Traceback" not in said
    assert listing(tmp_path) == before
