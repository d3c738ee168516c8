"""The examples of docstrings run, those of the public face on one small simulated study."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import sys
from typing import TYPE_CHECKING, Any

import anndata as ad
import pytest

import senoscore as sen

if TYPE_CHECKING:
    from pathlib import Path

OF_TABLES = {
    # Their input is a file or a table of another kind than the study has, or needs an extra.
    "blood", "crosstalk", "crosstalk_values", "differential", "enrichment", "escape", "external",
    "group_means", "plasma", "pseudobulk_scores", "read_external", "read_outcome", "read_plasma",
    "regions", "render", "side_by_side", "target_values", "targets",
}  # fmt: skip
"""Functions without an example."""

VERBS = {f"sen.{name}": getattr(sen, name) for name in sen.__all__}
VERBS |= {f"sen.pl.{name}": getattr(sen.pl, name) for name in sen.pl.__all__ if name.islower()}
VERBS = {name: thing for name, thing in VERBS.items() if inspect.isfunction(thing)}
WITH_EXAMPLE = sorted(name for name, thing in VERBS.items() if ">>>" in (thing.__doc__ or ""))


def run(text: str, names: dict[str, Any], title: str) -> dict[str, Any]:
    test = doctest.DocTestParser().get_doctest(text, names, title, title, 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append, clear_globs=False)
    assert test.examples
    assert not said, "".join(said)
    return test.globs


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Run the example of the package; the study and its tables, in the folder that it wrote to."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names = run(sen.__doc__ or "", {}, "senoscore")
    # Of a finished run `attach` reads this file.
    obs = names["adata"].obs[["senescence_state"]].assign(cell=names["adata"].obs_names)
    (folder / "results").mkdir()
    ad.AnnData(obs=obs).write_h5ad(folder / "results" / "senoscore.h5ad")
    return folder, names


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_example_of_a_function(
    name: str, study: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = study
    monkeypatch.chdir(folder)
    function = VERBS[name]
    own = dict(vars(sys.modules[inspect.unwrap(function).__module__]))
    run(inspect.getdoc(function) or "", own | names | {"adata": names["adata"].copy()}, name)


def test_every_function_of_cells_and_samples_has_an_example() -> None:
    of_face = {name.removeprefix("sen.") for name in VERBS if not name.startswith("sen.pl.")}
    assert of_face - {name.removeprefix("sen.") for name in WITH_EXAMPLE} == OF_TABLES


def test_examples_of_helpers() -> None:
    """Those of all other functions, which need nothing but their own module."""
    finder, n = doctest.DocTestFinder(exclude_empty=True), 0
    runner = doctest.DocTestRunner(verbose=False)
    public = {inspect.unwrap(thing) for thing in VERBS.values()}
    for found in pkgutil.walk_packages(sen.__path__, "senoscore."):
        if found.name == "senoscore.__main__":
            continue
        importlib.import_module(found.name)
        for test in finder.find(sys.modules[found.name], found.name):
            function = getattr(sys.modules[found.name], test.name.rpartition(".")[2], None)
            if not test.examples or (callable(function) and inspect.unwrap(function) in public):
                continue
            said: list[str] = []
            runner.run(test, out=said.append)
            assert not said, "".join(said)
            n += 1
    assert n >= 10
