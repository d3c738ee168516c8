"""Whole files or none: every writer of the package goes through ``atomic_path``."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from senoscore.io import atomic as _atomic
from senoscore.io.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "senoscore"
WRITERS = {
    "write_text", "write_bytes", "write_h5ad", "write_table", "to_csv", "to_parquet", "to_json",
    "to_excel", "to_hdf", "savefig", "savez", "savez_compressed", "ParquetWriter", "dump",
    "copyfile", "copy2", "symlink_to", "touch", "NamedTemporaryFile", "mkstemp",
}  # fmt: skip
READ_MODES = {"r", "rb", "rt"}


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def writes(call: ast.Call) -> bool:
    """Whether a call makes or changes a file, as far as its name and mode tell."""
    name = called(call)
    if any(isinstance(argument, ast.Name) and argument.id == "buffer" for argument in call.args):
        return False  # memory
    if name == "to_csv":  # without a path it returns text
        first = call.args[0] if call.args else None
        return not (isinstance(first, ast.Constant) and first.value is None)
    if name == "File":  # h5py; without a mode it reads
        modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
    elif name == "open":
        owner = getattr(call.func, "value", None)  # path.open(mode), but gzip.open(path, mode)
        of_module = isinstance(owner, ast.Name) and owner.id in {"gzip", "igzip", "io", "os"}
        at = 0 if isinstance(call.func, ast.Attribute) and not of_module else 1
        modes = [*call.args[at : at + 1], *(w.value for w in call.keywords if w.arg == "mode")]
    else:
        return name in WRITERS
    return any(not isinstance(mode, ast.Constant) or mode.value not in READ_MODES for mode in modes)


def unguarded(tree: ast.AST, *, guarded: bool = False) -> Iterator[ast.Call]:
    """Calls that write and stand in no ``with atomic_path(...)`` block."""
    for node in ast.iter_child_nodes(tree):
        inside = guarded
        if isinstance(node, ast.With):
            inside = guarded or any(
                isinstance(item.context_expr, ast.Call)
                and called(item.context_expr) == "atomic_path"
                for item in node.items
            )
        if isinstance(node, ast.Call) and not guarded and writes(node):
            yield node
        yield from unguarded(node, guarded=inside)


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(PACKAGE.rglob("*.py")) if p.name != "atomic.py"],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_no_module_writes_a_file_directly(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [f"line {call.lineno}: {called(call)}" for call in unguarded(tree)]
    assert not found, f"{path.name}: {found}; write inside `with atomic_path(...)`"


@pytest.mark.parametrize(
    ("code", "n"),
    [
        ("open('x', 'w')", 1),
        ("path.open('ab')", 1),
        ("path.open('rb')", 0),
        ("gzip.open(path)", 0),
        ("gzip.open(path, 'wt')", 1),
        ("open('x')", 0),
        ("h5py.File(path)", 0),
        ("h5py.File(path, 'w')", 1),
        ("open(path, mode)", 1),
        ("table.to_csv(None)", 0),
        ("table.to_csv(path)", 1),
        ("with atomic_path(path) as part:\n    part.write_text('x')", 0),
        ("with atomic_path(path) as part, h5py.File(part, 'w') as f:\n    f.attrs['a'] = 1", 0),
        ("with other(path) as part:\n    part.write_text('x')", 1),
    ],
)
def test_the_guard_sees_what_it_should(code: str, n: int) -> None:
    assert len(list(unguarded(ast.parse(code)))) == n


def test_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    flush, replace = os.fsync, Path.replace
    monkeypatch.setattr(_atomic.os, "fsync", lambda fd: (done.append("flush"), flush(fd))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (done.append("rename"), replace(self, to))[1]
    )
    with atomic_path(tmp_path / "a") as part:
        part.write_text("x")
    assert done == ["flush", "rename", "flush"]
