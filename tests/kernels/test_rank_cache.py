from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from senoscore.kernels import cache_folder
from senoscore.kernels.sweep import keep_and_sweep

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


SCRIPT = """
import logging, sys
logging.basicConfig(level=logging.WARNING, format="%(message)s")
import numpy as np
from senoscore.kernels.census import look_at
genes, values = np.array([0, 1], np.int32), np.array([1.0, 2.0], np.float32)
total, marks = look_at(np.array([0, 2]), genes, values, 2, limit=30)
print(total.tolist())
"""


def run_script(folder: Path, code: str = SCRIPT) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


@pytest.mark.parametrize("damage", ["truncated", "foreign"])
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_damaged_cache_costs_a_word_and_no_job(tmp_path, damage, suffix):
    assert run_script(tmp_path) == ("[3.0]\n", "")
    for path in tmp_path.rglob(f"*.{suffix}"):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"no pickle")
    out, err = run_script(tmp_path)
    assert out == "[3.0]\n"
    assert "compiled anew" in err
    assert "Traceback" not in err


def test_a_cache_that_others_can_write_to_is_not_read(tmp_path):
    run_script(tmp_path)
    for folder in [path for path in tmp_path.rglob("*") if path.is_dir()]:
        folder.chmod(0o777)
    out, err = run_script(tmp_path)
    assert out == "[3.0]\n"
    assert "everybody can write to it" in err


def test_no_room_for_the_cache_is_no_error(tmp_path):
    code = (
        "import numba.core.caching as c\n"
        "def full(self, *a): raise OSError(122, 'Disk quota exceeded')\n"
        "c.IndexDataCacheFile._save_index = full\n" + SCRIPT
    )
    out, err = run_script(tmp_path, code)
    assert out == "[3.0]\n"
    assert err.count("Disk quota exceeded") >= 1


def test_another_copy_of_the_same_source_compiles_nothing(tmp_path):
    kernels = Path(cache_folder.__code__.co_filename).parent
    hits = (
        "import numpy as np; from senoscore.kernels.mean import longest_row as of\n"
        "assert of(np.array([0, 2]), 0, 1) == 2\n"
        "print(sum(of.stats.cache_hits.values()), sum(of.stats.cache_misses.values()))\n"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    env.pop("NUMBA_CACHE_DIR", None)
    said = []
    for name in ("one", "two"):
        copy = tmp_path / name / "senoscore"
        shutil.copytree(kernels.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if name == "two":  # another source is not served
            with (copy / "kernels" / "jasmine.py").open("a") as file:
                file.write("# changed\n")
        for _ in range(1 if name == "two" else 2):
            shutil.rmtree(copy / "kernels" / "__pycache__", ignore_errors=True)
            done = subprocess.run(
                [sys.executable, "-c", hits], env={**env, "PYTHONPATH": str(copy.parent)},
                cwd=copy.parent, capture_output=True, text=True, check=True,
            )  # fmt: skip
            said.append(done.stdout.strip())
    assert said == ["0 1", "1 0", "0 1"]


DAY = 86_400


def version(caches: Path, letter: str, *, days: float) -> Path:
    """A folder of compiled code that was last used so many days ago."""
    folder = caches / (letter * 32)
    folder.mkdir(parents=True)
    (folder / "kernel.nbi").write_bytes(b"code")
    (folder / "used").touch()
    at = time.time() - days * DAY
    os.utime(folder / "used", (at, at))
    return folder


def test_versions_unused_for_a_month_are_removed(tmp_path):
    own, old, new = (version(tmp_path, n, days=d) for n, d in (("a", 2), ("b", 31), ("c", 29)))
    (new / "used").unlink()  # as another version leaves it
    strange = tmp_path / "notes"
    strange.mkdir()
    os.utime(strange, (0, 0))
    (tmp_path / ("d" * 32)).symlink_to(strange, target_is_directory=True)
    keep_and_sweep(own)
    assert not old.exists()
    assert {path.name for path in tmp_path.iterdir()} == {own.name, new.name, "notes", "d" * 32}
    assert (own / "used").stat().st_mtime > time.time() - 60


def test_what_was_looked_at_today_is_not_looked_at_again(tmp_path):
    own, old = version(tmp_path, "a", days=0.5), version(tmp_path, "b", days=31)
    keep_and_sweep(own)
    assert old.is_dir()


def test_a_version_taken_into_use_while_it_is_removed_stays(monkeypatch, tmp_path):
    own, old = version(tmp_path, "a", days=2), version(tmp_path, "b", days=31)
    rename = Path.rename

    def used_just_before(self, target):
        (self / "used").touch()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", used_just_before)
    keep_and_sweep(own)
    assert (old / "kernel.nbi").read_bytes() == b"code"
    assert len(list(tmp_path.iterdir())) == 2


def test_many_that_sweep_at_once_remove_each_version_once(tmp_path):
    old = [version(tmp_path, letter, days=40) for letter in "bcdef0123456789"]
    code = (
        "import sys; from pathlib import Path; from senoscore.kernels.sweep import keep_and_sweep\n"
        "keep_and_sweep(Path(sys.argv[1]))\n"
    )
    own = [version(tmp_path, "a", days=2)]
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(own[0])], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in running:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    assert list(tmp_path.iterdir()) == own
    assert len(old) == 15
