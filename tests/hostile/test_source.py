"""What must not be in the source, read from its syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "senoscore").rglob("*.py"))
MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "telnetlib"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    ("os", "system"), ("os", "popen"), ("pd", "read_pickle"),
    ("pd", "eval"), ("yaml", "unsafe_load"),
    ("yaml", "full_load"), ("yaml", "load_all"), ("np", "loads"), ("tempfile", "mktemp"),
}  # fmt: skip
NETWORK = {"requests", "urllib", "http", "httpx", "aiohttp", "socket", "ftplib"}


def faults(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names]
            roots = {n.split(".")[0] for n in names}
            if isinstance(node, ast.ImportFrom):
                roots = {(node.module or "").split(".")[0]}
            found += [f"line {node.lineno}: import {n}" for n in roots & (MODULES | NETWORK)]
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in CALLS:
            found.append(f"line {node.lineno}: {called.id}")
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            pair = (called.value.id, called.attr)
            if pair in METHODS or (called.attr in {"eval", "query"} and pair[0] in {"df", "table"}):
                found.append(f"line {node.lineno}: {'.'.join(pair)}")
            if pair == ("yaml", "load"):
                loader = [k.value for k in node.keywords if k.arg == "Loader"]
                if [getattr(v, "id", "") for v in loader] != ["_Careful"]:
                    found.append(f"line {node.lineno}: yaml.load")
        for keyword in node.keywords:
            true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            if keyword.arg in {"allow_pickle", "shell"} and true:
                found.append(f"line {node.lineno}: {keyword.arg}=True")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_that_runs_what_it_reads(path) -> None:
    assert faults(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from pickle import loads", "eval('1')", "exec('1')", "os.system('ls')",
        "np.load(f, allow_pickle=True)", "subprocess.run('ls', shell=True)", "pd.read_pickle(f)",
        "yaml.load(t, Loader=yaml.Loader)", "yaml.load(t)", "import urllib.request",
    ],
)  # fmt: skip
def test_this_test_finds_them(text) -> None:
    assert faults(ast.parse(text))


def test_careful_yaml_is_a_safe_loader() -> None:
    import yaml

    from senoscore.io.yaml import _Careful

    assert issubclass(_Careful, yaml.SafeLoader)


def test_every_word_of_every_rule_is_quoted() -> None:
    """``{params.row:q}``, not ``{params.row}``: a name is never a shell word."""
    import re

    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for shell in re.findall(r'shell:\s*r?"""(.*?)"""', path.read_text(), flags=re.DOTALL):
            for field in re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", shell):
                number = field in {"threads", "wildcards.part", "wildcards.of"}
                quoted = field.endswith(":q") or number
                assert quoted, f"{path.name}: {{{field}}}"
