"""One run up to the burden that nothing disturbs, and copies of it to disturb."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.small_study import DATA, completed, write_small

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_small(tmp_path_factory.mktemp("undisturbed"))
    completed(folder, *DATA)
    return folder


@pytest.fixture
def half_done(undisturbed: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the run as it was before the named results were made."""

    def copy(*missing: str) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(undisturbed, folder, symlinks=True)
        for name in missing:
            for path in sorted((folder / "results").glob(name)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return folder

    return copy
