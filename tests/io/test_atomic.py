from __future__ import annotations

import pytest

from senoscore.errors import InputError
from senoscore.io.atomic import atomic_path


def test_the_file_appears_only_when_whole(tmp_path):
    target = tmp_path / "new" / "a.tsv.gz"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.endswith(".tsv.gz")
        temporary.write_text("x")
        assert not target.exists()
    assert target.read_text() == "x"
    assert [p.name for p in target.parent.iterdir()] == ["a.tsv.gz"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_unwritable_place_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"), atomic_path(tmp_path / "file" / "a.txt"):
        pass


def test_long_names_fit(tmp_path):
    target = tmp_path / ("n" * 250 + ".tsv")
    with atomic_path(target) as temporary:
        temporary.write_text("x")
    assert target.exists()
