"""The notebook code of the README runs as it stands, on the files of the demo."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from senoscore.simulation import write_study

if TYPE_CHECKING:
    import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_notebook_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 1
    write_study(tmp_path / "demo", seed=1, size="tiny")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(compile(blocks[0], "README.md", "exec"), scope)
    adata = scope["adata"]
    assert set(adata.obs["treatment"]) == {"control", "irradiated"}  # type: ignore[attr-defined]
    assert "senescence_state" in adata.obs  # type: ignore[attr-defined]
    assert len(scope["trend"])  # type: ignore[arg-type]
