"""config.yaml: defaults, misspelt keys, wrong values."""

from __future__ import annotations

from pathlib import Path

import pytest

from senoscore.errors import ConfigError
from senoscore.io.resources import schema
from senoscore.run.config import load_config, validate_config

ROOT = Path(__file__).parents[2]


def test_shipped_config_is_valid_and_complete() -> None:
    config = load_config(ROOT / "config" / "config.yaml")
    assert set(config) == set(schema("config")["properties"])
    assert config["gate"] == {"min_fraction": 0.5, "min_genes": 5}
    assert config["phases"]["cuts_days"] == [3, 28]


def test_defaults_are_copies() -> None:
    first = validate_config({}, source="a")
    first["score"]["methods"].append("x")
    assert "x" not in validate_config({}, source="b")["score"]["methods"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"qc": {"mad": 5}}, r"unknown key 'qc.mad' — did you mean 'mads'"),
        ({"scores": {}}, r"unknown key 'scores' — did you mean 'score'"),
        ({"qc": {"mads": "five"}}, r"qc.mads is 'five', expected number"),
        ({"qc": {"mads": 0}}, r"expected more than 0"),
        ({"gate": {"min_fraction": 2}}, r"expected 1 or less"),
        ({"call": {"fdr": True}}, r"call.fdr is True"),
        ({"score": {"methods": "ucell"}}, r"expected array"),
        ({"trend": {"transform": "log"}}, r"expected logit or arcsine"),
        ({"phases": {"cuts_days": [28, 3]}}, r"cuts_days"),
        ({"phases": {"scheme": "two"}}, r"needs 1"),
    ],
)
def test_wrong_values_are_named(content: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate_config(content, source="config.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qc: {mads: 5}\nqc: {mads: 3}\n", "duplicated"),
        ("qc: [\n", "not usable YAML"),
        ("- a\n", "expected keys"),
        ("x: !!python/object/apply:os.system ['true']\n", "not usable YAML"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_missing_file_says_how_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load_config(tmp_path / "none.yaml")


def test_every_key_is_explained_in_the_readme() -> None:
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    for section, rule in schema("config")["properties"].items():
        names = [f"{section}.{key}" for key in rule.get("properties", {})] or [section]
        for name in names:
            assert f"`{name}`" in text, f"{name} is not in config/README.md"
    for sheet in ("datasets", "samples"):
        for column in schema(sheet)["properties"]:
            assert f"`{column}`" in text


def test_a_device_that_never_ends_is_not_read() -> None:
    with pytest.raises(ConfigError, match="not a regular file"):
        load_config("/dev/zero")


def test_a_file_of_many_megabytes_is_no_config(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("#" * 10_000_001)
    with pytest.raises(ConfigError, match="more than 10,000,000 bytes"):
        load_config(path)
