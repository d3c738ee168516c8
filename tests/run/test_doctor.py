"""`senoscore doctor` and a limited address space: what is wrong is said, with how to mend it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from senoscore.run import doctor
from senoscore.run.doctor import examine


def problems(folder) -> str:
    return "\n".join(str(finding) for finding in examine(folder) if not finding.ok)


def test_every_line_is_ok_or_says_how_to_mend(tmp_path) -> None:
    findings = examine(tmp_path)
    assert len(findings) >= 9
    for finding in findings:
        assert str(finding).startswith("ok " if finding.ok else "problem ")
        assert finding.ok or finding.fix


def test_a_folder_that_is_not_there_and_words_for_threads(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("U", (), {"free": 1e9}))
    said = problems(tmp_path)
    assert "unset OMP_NUM_THREADS=many" in said
    assert "1.0 GB free" in said
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "none"))
    assert "point NUMBA_CACHE_DIR at" in problems(tmp_path)


def test_packages_are_compared_with_what_is_asked_for(tmp_path, monkeypatch) -> None:
    asked = ["numpy>=999", "no-such-package>=1", "pytest>=999; extra == 'test'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: asked)
    said = problems(tmp_path)
    assert "pip install 'numpy>=999'" in said
    assert "no-such-package is not installed" in said
    assert "pytest" not in said


def test_a_package_that_two_extras_ask_for_is_named_once(monkeypatch) -> None:
    asked = ["numpy>=1", "numpy", "pandas"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: asked)
    (said,) = (found.what for found in doctor._packages() if found.what.startswith("packages:"))
    assert said.count("numpy") == said.count("pandas") == 1


def test_a_config_that_cannot_be_read_is_a_problem(tmp_path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("call: {frd: 1}\n")
    assert "did you mean 'fdr'" in problems(tmp_path)


ROOT = Path(__file__).parents[2]

_DRAW = """
import resource
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
import altair as alt
from senoscore.errors import InputError
from senoscore.plotting import to_svg
try:
    to_svg(alt.Chart(alt.Data(values=[{{"a": 1}}])).mark_bar().encode(x="a:Q"))
except InputError as error:
    print("said:", error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux'")
def test_a_limited_address_space_is_said_and_kills_nothing() -> None:
    """V8 ends the process (SIGTRAP) where it cannot reserve address space."""
    code = _DRAW.format(limit=16 << 30)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert "said: figures cannot be drawn: address space is limited to 16 GiB" in done.stdout


_REPORT = """
import resource
from pathlib import Path
from tests import fake_run
folder = fake_run.write_run(Path({folder!r}))
from senoscore.report import render
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
render(folder, Path({page!r}), figures=Path({page!r}).parent / "figures")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux'")
def test_the_report_is_written_without_figures_under_a_limit(tmp_path) -> None:
    page = tmp_path / "page.html"
    code = _REPORT.format(folder=str(tmp_path / "run"), page=str(page), limit=16 << 30)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-800:]
    html = page.read_text(encoding="utf-8")
    assert "figures cannot be drawn: address space is limited to 16 GiB" in html
