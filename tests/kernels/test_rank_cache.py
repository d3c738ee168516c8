from __future__ import annotations

import os
import stat
from pathlib import Path

from senoscore.kernels import cache_folder

NOWHERE = Path(os.devnull) / "package"  # no folder can be made under a device


def test_numba_chooses_where_the_package_can_be_written_to(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert cache_folder(tmp_path) is None


def test_the_users_own_choice_overrules(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert cache_folder(NOWHERE) is None


def test_a_read_only_package_uses_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(NOWHERE) == tmp_path / "senoscore" / "numba"
    assert (tmp_path / "senoscore" / "numba").is_dir()


def test_without_any_a_private_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(NOWHERE))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = cache_folder(NOWHERE)
    assert folder is not None
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
