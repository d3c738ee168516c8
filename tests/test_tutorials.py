"""Every tutorial runs from its first cell to its last."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


def test_there_are_tutorials() -> None:
    assert len(NOTEBOOKS) >= 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_tutorial_runs(path: Path, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    # What a kernel does, without one: each cell in the same namespace. `make docs` runs them in
    # Jupyter, with what each cell shows.
    scope: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        assert not cell.outputs, f"strip the outputs of {path.name}, cell {number}"
        exec(compile(cell.source, f"{path.name}, cell {number}", "exec"), scope)
