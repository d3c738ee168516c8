"""The scripts of `make`: an environment that was interrupted, and interpreters to test with."""

from __future__ import annotations

import importlib.util
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

SCRIPTS = Path(__file__).parents[2] / "workflow"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_environment_without_pip_is_made_anew(tmp_path, monkeypatch) -> None:
    setup = script("setup_venv")
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False)  # what Ctrl-C leaves: a Python, no pip yet
    ran: list[list[str]] = []
    made: list[dict] = []

    def create(where, **options):
        made.append({"where": where, **options})

    real = setup.subprocess.run

    def run(words, **options):
        if "install" in words or "compileall" in words or "-c" in words:
            ran.append(words)
            return None
        return real(words, **options)

    monkeypatch.setattr(setup.venv, "create", create)
    monkeypatch.setattr(setup.subprocess, "run", run)
    setup.main(str(folder), "pins.txt")
    assert made == [{"where": str(folder), "with_pip": True, "clear": True}]
    assert any("pins.txt" in words for words in ran)


def test_a_whole_environment_is_kept() -> None:
    is_whole = script("setup_venv").is_whole
    assert is_whole(Path(sys.executable)) == (importlib.util.find_spec("pip") is not None)
    assert not is_whole(Path("no/such/python"))


def test_an_interpreter_is_found_by_what_it_says_of_itself(tmp_path, monkeypatch) -> None:
    find = script("test_pythons").find_python
    shim = tmp_path / "bin" / "python9.1"  # on the PATH, but switched off: as a shim of pyenv
    own = [tmp_path / "versions" / name / "bin" / "python" for name in ("9.1.2", "9.1.10")]
    for path, body in [(shim, "exit 127"), *((python, "echo 9.1") for python in own)]:
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find("9.1") == own[1]
    assert find("9.2") is None


def test_a_python_that_is_not_there_is_no_pass(monkeypatch, capsys) -> None:
    module = script("test_pythons")
    monkeypatch.setattr(
        module, "find_python", lambda version: Path("p") if version == "1" else None
    )
    monkeypatch.setattr(module, "run_tests", lambda *_: 0)
    assert module.main(["1", "--", "-n", "2"]) == 0
    assert module.main(["1", "2"]) == 1
    assert "Python 2: not there" in capsys.readouterr().out


def test_beside_this_python_the_newest_is_tested_and_none_is_no_error(monkeypatch, capsys) -> None:
    module = script("test_pythons")
    assert module.other_end(["3.9", "3.11", "3.10"], "3.10") == ["3.11", "3.9"]
    assert module.other_end(["3.9", "3.11", "3.10"], "3.11") == ["3.9", "3.10"]
    here = "{}.{}".format(*sys.version_info[:2])
    there, tested, code = {here, "3.98", "3.97"}, [], 0

    def run_tests(version: str, *_: object) -> int:
        tested.append(version)
        return code

    monkeypatch.setattr(module, "find_python", lambda v: Path(v) if v in there else None)
    monkeypatch.setattr(module, "makes_environments", lambda python: str(python) != "3.97")
    monkeypatch.setattr(module, "run_tests", run_tests)
    assert module.main(["--beside", here, "3.97", "3.98", "3.99", "--", "-n", "2"]) == 0
    assert tested == ["3.98"]
    assert "Python 3.99: not there" in capsys.readouterr().out
    code = 1
    assert module.main(["--beside", here, "3.98"]) == 1
    there.remove("3.98")
    assert module.main(["--beside", here, "3.97", "3.98"]) == 0
    assert f"No Python beside {here}" in capsys.readouterr().out
    assert tested == ["3.98", "3.98"]
