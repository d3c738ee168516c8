"""What is installed is what was pinned: every line of requirements/ has a version and a hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "requirements"
PIN = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)(\[[a-z0-9,_-]+\])?==[0-9][A-Za-z0-9.+!]*"
    r"( ; [^#@]+?)?( --hash=sha256:[0-9a-f]{64})+"
)


def unpinned(text: str) -> list[str]:
    """Lines that are not one package, one version and its hashes; a backslash continues a line."""
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [line for line in lines if line.strip() and not PIN.fullmatch(line.strip())]


@pytest.mark.parametrize("name", ["run.txt", "dev.txt", "browser.txt"])
def test_every_line_has_a_version_and_a_hash_and_no_address(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert unpinned(text) == []
    assert "://" not in text
    assert len(text.splitlines()) > 100


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.4.6",
        "numpy>=2 --hash=sha256:" + "a" * 64,
        "numpy==2.* --hash=sha256:" + "a" * 64,
        "numpy==2.4.6 --hash=sha256:abc",
        "numpy @ https://example.org/numpy.whl --hash=sha256:" + "a" * 64,
        "git+https://example.org/numpy --hash=sha256:" + "a" * 64,
        "--extra-index-url https://example.org/simple",
        "-e .",
    ],
)
def test_other_lines_are_found(line: str) -> None:
    good = "anndata==0.12.19 ; python_full_version < '3.12' \\\n    --hash=sha256:" + "0" * 64
    assert unpinned(f"{good}\n{line}\n") == [line]
