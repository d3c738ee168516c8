"""Create or refresh a virtual environment from a pinned file, with uv if present, else pip.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path


def is_whole(python: Path) -> bool:
    """Whether an environment was finished: its Python starts and has pip.

    pip is put in last, and takes seconds. An environment that was interrupted there has a Python
    that works and nothing to install by.
    """
    if not python.exists():
        return False
    asked = [str(python), "-m", "pip", "--version"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603


def main(folder: str, pins: str) -> None:
    """Install `pins` (hashes required) and this checkout (editable) into `folder`."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the user's own Python may be older
        sys.exit(f"senoscore needs Python 3.11 or newer, this is {sys.version.split()[0]}")
    python = Path(folder, "bin", "python")
    uv = shutil.which("uv")
    if not is_whole(python):
        venv.create(folder, with_pip=True, clear=True)
    install = (
        # Compiled once here, not in each job of a run.
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
        if uv
        else [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    )
    subprocess.run([*install, "--require-hashes", "-r", pins], check=True)  # noqa: S603
    # The build backend is fetched for the editable install; --no-deps keeps to the pins.
    subprocess.run([*install, "--no-deps", "--editable", "."], check=True)  # noqa: S603
    subprocess.run([str(python), "-m", "compileall", "-q", "senoscore"], check=False)  # noqa: S603
    warm = "from senoscore import kernels; kernels.warm()"
    subprocess.run([str(python), "-c", warm], check=True)  # noqa: S603


if __name__ == "__main__":
    main(*sys.argv[1:])
