"""One source of every key: schema, README and the functions' defaults agree with the models."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

import senoscore as sen
from senoscore.calling import load_panel
from senoscore.run.config import validate_config
from senoscore.run.settings import Config, config_schema, readme_with_keys, schema_text

ROOT = Path(__file__).parents[2]

VERBS = {
    "gate": sen.Gate, "qc": sen.qc, "compartments": sen.compartments, "score": sen.score,
    "calibrate": sen.calibrate, "call": sen.call, "burden": sen.burden, "trend": sen.trend,
    "window": sen.window, "crosstalk": sen.crosstalk,
}  # fmt: skip
OTHER = {
    ("score", "methods"): "a notebook asks for one method at a time",
    ("call", "panel"): "the panel of the calibration, which is the shipped one by default",
    ("call", "min_days_stable"): "that of the panel",
    ("crosstalk", "directions"): "words in the config, a table in the function",
    ("window", "min_cells"): "of targets; in `window` it is that of the burden",
}


def test_the_shipped_schema_is_the_one_of_the_models() -> None:
    """Mend it with ``python -m senoscore.run.settings``."""
    shipped = ROOT / "workflow" / "schemas" / "config.schema.yaml"
    assert shipped.read_text(encoding="utf-8") == schema_text()
    assert yaml.safe_load(schema_text()) == config_schema()


def test_the_readme_has_a_row_for_each_key_as_in_the_models() -> None:
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert readme_with_keys(text) == text
    with pytest.raises(KeyError, match=r"no row for qc\.seed"):
        readme_with_keys("\n".join(line for line in text.split("\n") if "`qc.seed`" not in line))


def test_models_and_schema_fill_in_the_same() -> None:
    filled = validate_config({}, source="x")
    assert Config().model_dump() == filled
    assert Config.model_validate(filled).model_dump() == filled
    with pytest.raises(ValidationError, match="extra"):
        Config.model_validate({"qc": {"mad": 5}})


def test_defaults_of_functions_are_those_of_the_config() -> None:
    same = []
    for section, verb in VERBS.items():
        parameters = inspect.signature(verb).parameters
        for key, default in validate_config({}, source="x")[section].items():
            if key not in parameters or (section, key) in OTHER:
                continue
            own = parameters[key].default
            own = list(own) if isinstance(own, tuple) else own
            own = {} if own is None and default == {} else own
            assert own == default, f"{section}.{key}"
            same.append(key)
    assert len(same) >= 20
    for section, key in OTHER:
        assert key in inspect.signature(VERBS[section]).parameters, f"{section}.{key} is no more"


def test_defaults_that_bear_another_name_in_a_function() -> None:
    config = validate_config({}, source="x")
    assert (
        inspect.signature(sen.score).parameters["block_size"].default
        == (config["score"]["block_cells"])
    )
    assert load_panel("default").min_days_stable == config["call"]["min_days_stable"]
    for verb in (sen.burden, sen.window, sen.crosstalk):
        days = inspect.signature(verb).parameters["min_days_stable"].default
        assert days == config["call"]["min_days_stable"]
    targets = inspect.signature(sen.targets).parameters["min_cells"].default
    assert targets == config["window"]["min_cells"]
    assert (
        inspect.signature(sen.window).parameters["min_cells"].default
        == (config["burden"]["min_cells"])
    )
