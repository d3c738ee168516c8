"""Runs that nothing disturbs, up to the burden and to the report, and copies of them to disturb."""

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


@pytest.fixture(scope="session")
def whole(undisturbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same to the end: trend, window, crosstalk, report. Slower, so only some tests use it."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(undisturbed, folder, symlinks=True)
    completed(folder)
    return folder


@pytest.fixture
def half_done(undisturbed: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies a run as it was before the named results were made."""

    def copy(*missing: str, of: Path = undisturbed) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(of, folder, symlinks=True)
        for name in missing:
            for path in sorted((folder / "results").glob(name)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return folder

    return copy
