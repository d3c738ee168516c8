"""Phases: which side a cut belongs to, what is near one, and contradictions of the clock."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import ConfigError
from senoscore.study.phases import PhaseRules, phases, time_zero_messages


@pytest.mark.parametrize(
    ("day", "phase", "boundary"),
    [
        (0, "acute", False),
        (2.69, "acute", False),
        (2.7, "acute", True),  # 3 less 10 %
        (3, "acute", True),  # a cut belongs to the earlier phase
        (3.0001, "early", True),
        (3.3, "early", True),
        (3.31, "early", False),
        (25.2, "early", True),
        (28, "early", True),
        (30.8, "chronic", True),
        (30.9, "chronic", False),
        (-1, "baseline", False),
    ],
)
def test_three_phases(day: float, phase: str, boundary: bool) -> None:
    found = phases(day).iloc[0]
    assert (found["phase"], bool(found["phase_boundary"])) == (phase, boundary)


def test_two_phases_and_no_time() -> None:
    found = phases([28, 29, np.nan], scheme="two")
    assert found["phase"].tolist() == ["acute", "chronic", ""]
    assert not found["phase_boundary"].iloc[2]


def test_own_cuts_are_said() -> None:
    assert phases([5, 11], cuts_days=[5, 10])["phase"].tolist() == ["acute", "chronic"]
    said = PhaseRules.of("two", [14]).said()
    assert "acute to day 14" in said
    assert "senoscore's own" in said


@pytest.mark.parametrize(
    ("scheme", "cuts"),
    [("four", None), ("three", [3]), ("two", [3, 28]), ("three", [28, 3]), ("two", [0])],
)
def test_unfit_rules_are_refused(scheme: str, cuts: list[float] | None) -> None:
    with pytest.raises(ConfigError):
        PhaseRules.of(scheme, cuts)


def sheet(days: list[float], fractions: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(len(days))],
            "treatment": "irradiated",
            "days_post_rt": days,
            "n_fractions": fractions,
        }
    )


@pytest.mark.parametrize(
    ("days", "fractions", "zero", "word"),
    [
        ([-2.0], [30.0], "last_fraction", "taken before the course ended"),
        ([0.5], [30.0], "first_fraction", "sooner than one fraction a day"),
        ([-1.0], [1.0], "last_fraction", "irradiated sample at day < 0"),
        ([7.0, 7.0], [1.0, 30.0], "last_fraction", "different numbers of fractions"),
    ],
)
def test_contradictions_of_time_zero_are_named(
    days: list[float], fractions: list[float], zero: str, word: str
) -> None:
    said = time_zero_messages(sheet(days, fractions), time_zero=zero, control="control")
    assert said[0] == f"Days count from the {zero.replace('_', ' ')}."
    assert any(word in line for line in said[1:])


def test_a_clock_without_contradiction_is_only_stated() -> None:
    quiet = time_zero_messages(
        sheet([1.0, 28.0], [5.0, 5.0]), time_zero="last_fraction", control="c"
    )
    assert len(quiet) == 1
    with pytest.raises(ConfigError, match="time_zero"):
        time_zero_messages(sheet([1.0], [1.0]), time_zero="start", control="c")
