"""Run the tests on several Pythons, each in an environment of its own (`.venv-3.12`, ...).

Standard library only, like `setup_venv.py`, which it calls.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path


def find_python(version: str) -> Path | None:
    """Interpreter of a version such as `3.12`: from the PATH, else the newest of pyenv's.

    A shim of pyenv is on the PATH for versions that are not switched on; so each is asked.
    """
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")

    def patch(folder: Path) -> int:
        last = folder.name.rpartition(".")[2]
        return int(last) if last.isdigit() else -1

    own = sorted(root.glob(f"{version}.*"), key=patch, reverse=True)
    on_path = shutil.which(f"python{version}")
    for python in [*([Path(on_path)] if on_path else []), *(f / "bin" / "python" for f in own)]:
        asked = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        if said.returncode == 0 and said.stdout.strip() == version:
            return python
    return None


def other_end(versions: list[str], own: str) -> list[str]:
    """Versions to look for beside `own`, the one of most use first: the newest, else the oldest."""
    ascending = sorted(set(versions), key=lambda v: [int(part) for part in v.split(".")])
    beside = [version for version in ascending if version != own]
    return beside if own == ascending[-1] else beside[::-1]


def makes_environments(python: Path) -> bool:
    """Whether an interpreter came with what `venv` needs; that of a distribution may not."""
    asked = [str(python), "-c", "import ensurepip, venv"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603


def run_tests(version: str, python: Path, pytest_arguments: list[str]) -> int:
    """Set an environment up from the pins and run the tests in it; return the exit code."""
    folder = Path(f".venv-{version}")
    for pins in ("requirements/run.txt", "requirements/dev.txt"):
        setup = [str(python), "workflow/setup_venv.py", str(folder), pins]
        if (code := subprocess.run(setup, check=False).returncode) != 0:  # noqa: S603
            return code
    binaries = (folder / "bin").resolve()
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    tests = [str(binaries / "python"), "-m", "pytest", *pytest_arguments]
    return subprocess.run(tests, check=False, env=environment).returncode  # noqa: S603


def main(arguments: list[str]) -> int:
    """Test each version; 0 only where all that had to be there were, and passed."""
    own, _, passed_on = " ".join(arguments).partition(" -- ")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="+", help="such as 3.11 3.13")
    beside = "only one beside the Python that runs this, the newest first; none is no error"
    parser.add_argument("--beside", action="store_true", help=beside)
    given = parser.parse_args(own.split())
    here = "{}.{}".format(*sys.version_info[:2])
    wanted = other_end(given.versions, here) if given.beside else given.versions
    outcome = {}
    for version in wanted:
        python = find_python(version)
        if python is None or (given.beside and not makes_environments(python)):
            outcome[version] = "not there (install it, or name others: make test-pythons PYTHONS=…)"
            continue
        sys.stdout.write(f"== Python {version}: {python}\n")
        sys.stdout.flush()
        code = run_tests(version, python, passed_on.split())
        outcome[version] = "passed" if code == 0 else f"failed (exit code {code})"
        if given.beside:
            break
    for version, said in outcome.items():
        sys.stdout.write(f"Python {version}: {said}\n")
    ran = [said for said in outcome.values() if not said.startswith("not there")]
    if given.beside:
        if not ran:
            sys.stdout.write(f"No Python beside {here} to test with: nothing was tested here.\n")
        return 0 if all(said == "passed" for said in ran) else 1
    return 0 if ran and all(said == "passed" for said in outcome.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
