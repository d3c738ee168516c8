"""Build wheel and sdist, check them, install them in empty environments and use what is there.

Standard library only: tools for building and checking are installed into an environment of their
own. `make dist` calls it; the files are in `dist/`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

TOOLS = ("build==1.6.1", "check-wheel-contents==0.6.3", "hatchling==1.33.0", "twine==7.0.0")

BASE = """
import senoscore as sen
from senoscore.errors import MissingExtraError
from senoscore.simulation.tissue import design

adata = sen.simulate(design().iloc[[0, 12]], seed=1, cells_per_sample=30)
sen.score(adata, sen.signatures("all"))
print("scored", adata.obsm["score_ucell"].shape)
try:
    sen.pl.states(adata)
except MissingExtraError as error:
    print(error)
else:
    raise SystemExit("figures without their extra")
"""


def run(*words: str | Path, **options: object) -> None:
    """Run a command, shown first; an error ends everything."""
    sys.stdout.write(f"$ {' '.join(map(str, words))[:160]}\n")
    sys.stdout.flush()
    subprocess.run(list(map(str, words)), check=True, **options)  # type: ignore[call-overload] # noqa: S603


def environment(folder: Path, *packages: str | Path, constraints: Path | None = None) -> Path:
    """Make an environment that has these packages and what they need; return its `bin`."""
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    limits = ["-c", constraints] if constraints else []
    uv = shutil.which("uv")
    install = [uv, "pip", "install", "-q", "--python", python] if uv else [
        python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]  # fmt: skip
    run(*install, *limits, *packages)
    return folder / "bin"


def versions(pins: Path, out: Path) -> Path:
    """Pins without their hashes: a wheel that was just built has none among them."""
    text = re.sub(r"\s*\\\n\s*", " ", pins.read_text())
    lines = [line.split(" --hash")[0] for line in text.splitlines() if "==" in line]
    out.write_text("\n".join(lines) + "\n")
    return out


def main(arguments: list[str]) -> None:
    """Build, check, install, run; the first thing that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist"))
    parser.add_argument("--no-demo", action="store_true", help="leave the run of the workflow out")
    given = parser.parse_args(arguments)
    root = Path(__file__).resolve().parents[1]
    shutil.rmtree(given.out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        tools = environment(work / "tools", *TOOLS)
        # The wheel is made from the sdist, so that the sdist has all that a wheel needs.
        build = [tools / "python", "-m", "build", "--no-isolation", "--outdir", given.out]
        run(*build, root, env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"})
        wheel, sdist = next(given.out.glob("*.whl")), next(given.out.glob("*.tar.gz"))
        run(tools / "twine", "check", "--strict", wheel, sdist)
        run(tools / "check-wheel-contents", wheel)
        pins = versions(root / "requirements" / "run.txt", work / "versions.txt")
        # Nothing of the checkout may be found by accident.
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        base = environment(work / "base", wheel.resolve(), constraints=pins)
        run(base / "python", "-c", BASE, cwd=work, env=clean)
        if not given.no_demo:
            whole = environment(work / "all", f"{wheel.resolve()}[workflow]", constraints=pins)
            run(whole / "senoscore", "demo", "--size", "tiny", "--cores", "2", cwd=work, env=clean)
            report = work / "senoscore-demo" / "results" / "report.html"
            sys.stdout.write(f"report.html: {report.stat().st_size:,} bytes\n")
    sys.stdout.write(f"in {given.out}: {wheel.name}, {sdist.name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
